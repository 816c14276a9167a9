package fakead_test

import (
	"math/rand/v2"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// What is found locally is what is found over LDAP, with the same rights.
func TestLocal_FindsWhatLDAPFinds(t *testing.T) {
	s := start(t, fakead.Config{RecycleBin: true})
	addUser(t, s, fakead.User{Username: "reader", Password: "s3cret"})
	anna := addUser(t, s, fakead.User{Username: "anna", Email: "anna@x.test"})
	bert := addUser(t, s, fakead.User{Username: "bert", Email: "bert@x.test"})
	require.NoError(t, s.Deny("reader@ad.example.test", s.DN(anna), "mail"))
	require.NoError(t, s.Delete(bert))
	over := as(t, s, "reader", "s3cret")
	l, err := s.Local(`EXAMPLE\reader`, "s3cret")
	require.NoError(t, err)
	defer l.Close()
	for _, deleted := range []bool{false, true} {
		const filter = "(|(objectClass=*)(mail=*))"
		request := ldap.NewSearchRequest(s.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"*", "objectGUID"}, nil)
		packet, err := ldap.CompileFilter(filter)
		require.NoError(t, err)
		q := fakead.LocalQuery{Base: s.BaseDN(), Scope: ldap.ScopeWholeSubtree, Filter: packet.Bytes(), Attributes: request.Attributes}
		if deleted {
			const showDeleted = "1.2.840.113556.1.4.417"
			request.Controls = append(request.Controls, ldap.NewControlString(showDeleted, false, ""))
			q.Controls = append(q.Controls, fakead.LocalControl{OID: showDeleted})
		}
		result, err := over.Search(request)
		require.NoError(t, err)
		want := make([]fakead.LocalEntry, len(result.Entries))
		for i, e := range result.Entries {
			want[i].DN = e.DN
			for _, a := range e.Attributes {
				want[i].Attributes = append(want[i].Attributes, fakead.LocalAttribute{Name: a.Name, Values: a.Values})
			}
		}
		got, err := l.Search(q)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err = l.Search(fakead.LocalQuery{Base: "OU=None," + s.BaseDN(), Filter: []byte("\x87\x0bobjectClass")})
	var refused *fakead.LocalError
	require.ErrorAs(t, err, &refused)
	assert.EqualValues(t, ldap.LDAPResultNoSuchObject, refused.Code)
}

// It ends when the controller stops, and there is none to one that is down.
func TestLocal_EndsWithTheController(t *testing.T) {
	s := start(t, fakead.Config{Portless: true})
	_, err := s.Local(s.AdminDN(), "wrong")
	assert.Error(t, err)
	l, err := s.Local(s.AdminDN(), s.AdminPassword())
	require.NoError(t, err)
	assert.Equal(t, 1, s.Connections())
	kept := s.Snapshot()
	s.RollBack(kept)
	assert.True(t, l.Closed())
	_, err = l.Search(fakead.LocalQuery{Filter: []byte("\x87\x0bobjectClass")})
	assert.Error(t, err)
	require.NoError(t, l.Close())
	assert.Zero(t, s.Connections())
	s.Stop()
	_, err = s.Local(s.AdminDN(), s.AdminPassword())
	assert.Error(t, err)
}

// What is random follows from Config.Random alone.
func TestStart_IsTheSameFromTheSameRandom(t *testing.T) {
	make := func() (ids []fakead.GUID) {
		s := start(t, fakead.Config{Portless: true, Random: rand.NewChaCha8([32]byte{1})})
		ids = append(ids, s.ID(s.AdminDN()), s.InvocationID(), addUser(t, s, fakead.User{Username: "anna"}))
		second, err := s.AddController()
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, second.Close()) })
		return append(ids, second.InvocationID())
	}
	assert.Equal(t, make(), make())
}
