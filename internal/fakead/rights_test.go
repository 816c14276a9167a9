package fakead_test

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

var showDeleted = []ldap.Control{ldap.NewControlString("1.2.840.113556.1.4.417", true, "")}

// How a plain account is shown things, with fewer rights and with more, is compared
// with Samba in internal/integration/directory. This is what only the methods can do.

func TestRights_GroupsCountFromTheNextBindOn(t *testing.T) {
	s := start(t, fakead.Config{})
	svc := addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	anna := addUser(t, s, fakead.User{Username: "anna", Email: "a@x.test"})
	readers, err := s.AddGroup("readers", svc)
	require.NoError(t, err)
	everybody, err := s.AddGroup("everybody", svc, anna)
	require.NoError(t, err)
	require.NoError(t, s.Deny(everybody, s.BaseDN(), "userAccountControl"))
	require.NoError(t, s.Allow(readers, s.DN(anna), "User-Account-Restrictions"))
	search := query(s, guidFilter(anna), "userAccountControl", "pwdLastSet", "mail")
	ask := func(c *ldap.Conn) []string {
		res, err := c.Search(search)
		require.NoError(t, err)
		require.Len(t, res.Entries, 1)
		return attributeNames(res.Entries[0])
	}

	before := as(t, s, "svc", "Serv1ce!")
	assert.Equal(t, []string{"userAccountControl", "pwdLastSet", "mail"}, ask(before), "the nearer entry decides")
	require.NoError(t, s.SetMembers(readers))
	assert.Equal(t, []string{"userAccountControl", "pwdLastSet", "mail"}, ask(before))
	assert.Equal(t, []string{"pwdLastSet", "mail"}, ask(as(t, s, "svc", "Serv1ce!")))

	require.NoError(t, s.Deny("svc", s.DN(anna), "mail"))
	require.NoError(t, s.Allow("svc", s.DN(anna)))
	assert.Equal(t, []string{"userAccountControl", "pwdLastSet"}, ask(before), "at one object what is denied counts more")
	require.NoError(t, s.ResetRights("svc", s.DN(anna)))
	assert.Equal(t, []string{"pwdLastSet", "mail"}, ask(as(t, s, "svc", "Serv1ce!")))

	assert.Error(t, s.Deny("nobody", s.BaseDN()))
	assert.Error(t, s.Deny("svc", "OU=none,"+s.BaseDN()))
	assert.Error(t, s.Allow("svc", s.BaseDN(), "bogus"))
}

func TestRights_ConfidentialAttributesHaveToBeNamed(t *testing.T) {
	s := start(t, fakead.Config{})
	addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	addUser(t, s, fakead.User{Username: "anna", Email: "a@x.test"})
	c := as(t, s, "svc", "Serv1ce!")
	find := func() []string { return names(t, c, query(s, "(mail=*)")) }
	schema := query(s, "(lDAPDisplayName=mail)", "cn")
	schema.BaseDN = "CN=Schema,CN=Configuration," + s.BaseDN()
	require.Equal(t, []string{"anna"}, find())
	require.Empty(t, names(t, c, schema))

	require.NoError(t, s.SetConfidential("mail", true))
	assert.Empty(t, find())
	assert.Equal(t, []string{"mail"}, names(t, c, schema), "the schema says so")
	assert.Equal(t, []string{"anna"}, names(t, admin(t, s), query(s, "(mail=*)")))
	require.NoError(t, s.Allow("svc", s.BaseDN()))
	assert.Empty(t, find(), "everything does not include it")
	require.NoError(t, s.Allow("svc", s.BaseDN(), "mail"))
	assert.Equal(t, []string{"anna"}, find())
	require.NoError(t, s.ResetRights("svc", s.BaseDN()))
	require.NoError(t, s.SetConfidential("mail", false))
	assert.Equal(t, []string{"anna"}, find())
	assert.Error(t, s.SetConfidential("bogus", true))
}

func TestRights_WithheldOfDeletedObjectsToo(t *testing.T) {
	s := start(t, fakead.Config{})
	addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	id := addUser(t, s, fakead.User{Username: "anna"})
	require.NoError(t, s.GrantTombstones("svc"))
	require.NoError(t, s.Delete(id))
	c := as(t, s, "svc", "Serv1ce!")
	search := query(s, guidFilter(id), "isDeleted")
	search.Controls = showDeleted
	res, err := c.Search(search)
	require.NoError(t, err)
	require.Equal(t, []string{"isDeleted"}, attributeNames(res.Entries[0]))
	require.NoError(t, s.Withhold("svc", "isDeleted"))
	res, err = c.Search(search)
	require.NoError(t, err)
	assert.Empty(t, attributeNames(res.Entries[0]))
}
