package directory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// The directory answers under its own names for what is asked for by an OID.
func testNames(t *testing.T, s *scene) {
	p := s.add(t, "anna")
	s.set(t, p, "mail", " ")
	cfg := s.config()
	cfg.Bind = activedirectory.SimpleBind(s.ordinary.name, s.ordinary.password) // every account may read the schema
	cfg.Attributes = map[adsync.Field]string{
		adsync.FieldObjectID: "1.2.840.113556.1.4.2", adsync.FieldUsername: "1.2.840.113556.1.4.221",
		adsync.FieldFirstName: "2.5.4.42", adsync.FieldLastName: "2.5.4.4", adsync.FieldEmail: "0.9.2342.19200300.100.1.3",
	}
	want := p.was
	want.Email = "" // a blank is no address
	entries := 0
	for e, err := range open(t, cfg).Entries(t.Context()) {
		entries++
		require.NoError(t, err)
		assert.Equal(t, adsync.Entry{ObjectID: p.id, Profile: want, State: adsync.StatePresent, DN: p.dn}, e)
	}
	assert.Equal(t, 1, entries)
	access, err := open(t, cfg).Inspect(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, strings.Join(access.Missing, "\n"), "the schema")

	cfg.Attributes[adsync.FieldLastName] = "familyName"
	require.ErrorContains(t, s.listingError(t, cfg), `the directory has no attribute "familyName"; correct Attributes`)
}

// listingError is the error of a listing that must fail.
func (s *scene) listingError(t *testing.T, cfg activedirectory.Config) (last error) {
	t.Helper()
	for _, err := range open(t, cfg).Entries(t.Context()) {
		last = err
	}
	require.Error(t, last)
	s.assertDiscreet(t, last)
	return last
}

// mS-DS-ConsistencyGuid has the bytes of an objectGUID, from which tools fill it.
func testConsistencyGuid(t *testing.T, s *scene) {
	p := s.add(t, "anna")
	s.add(t, "without")
	id := adsync.ObjectID{0xe1, 0x24, 0x85, 0x5b, 0x37, 0x1a, 0x41, 0xbe, 0x9f, 5, 0x3c, 0x1a, 0x9b, 0x7d, 0x2e, 0x10}
	s.set(t, p, "mS-DS-ConsistencyGuid", "\x5b\x85\x24\xe1\x1a\x37\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10")
	cfg := s.config()
	cfg.Attributes = map[adsync.Field]string{adsync.FieldObjectID: "mS-DS-ConsistencyGuid"}
	require.ErrorContains(t, s.listingError(t, cfg), "accounts that have it")
	cfg.Filter = "(&(sAMAccountType=805306368)(mS-DS-ConsistencyGuid=*))"
	for e, err := range open(t, cfg).Entries(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, adsync.Entry{ObjectID: id, Profile: p.was, State: adsync.StatePresent, DN: p.dn}, e)
	}
	find := func() adsync.State {
		t.Helper()
		var state adsync.State
		for e, err := range open(t, cfg).Find(t.Context(), []adsync.ObjectID{id}) {
			require.NoError(t, err)
			state = e.State
		}
		return state
	}
	assert.Equal(t, adsync.StatePresent, find())
	s.delete(t, p)
	assert.Equal(t, adsync.StateUnproven, find(), "the tombstone does not have it")
	access, err := open(t, cfg).Inspect(t.Context())
	require.NoError(t, err)
	assert.False(t, access.Tombstones)

	cfg.Attributes[adsync.FieldObjectID] = "objectSid"
	cfg.Filter = "(sAMAccountType=805306368)"
	require.ErrorContains(t, s.listingError(t, cfg), "the identity of an account, objectSid, is a security identifier (SID)")
}
