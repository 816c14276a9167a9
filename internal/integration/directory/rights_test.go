package directory

import (
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// These cases ask by LDAP alone, without the library: they are what either server shows
// to an account with fewer rights.

// find returns the common names of what a search below the base finds.
func find(t *testing.T, conn *ldap.Conn, base, filter string, controls ...ldap.Control) []string {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, filter, []string{"1.1"}, append(controls, domainScope)))
	require.NoError(t, err)
	return commonNames(t, found.Entries)
}

// domainScope keeps referrals to other partitions out of an answer.
var domainScope = ldap.NewControlString("1.2.840.113556.1.4.1339", true, "")

func commonNames(t *testing.T, entries []*ldap.Entry) []string {
	t.Helper()
	names := []string{}
	for _, e := range entries {
		dn, err := ldap.ParseDN(e.DN)
		require.NoError(t, err)
		names = append(names, dn.RDNs[0].Attributes[0].Value)
	}
	slices.Sort(names)
	return names
}

// read returns an object's attributes, sorted by their names in small letters. ok
// is false if there is no such object.
func read(t *testing.T, conn *ldap.Conn, dn string, attributes ...string) (entry *ldap.Entry, ok bool) {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", attributes, nil))
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, false
	}
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	return found.Entries[0], true
}

// shown are the names of the attributes that the account gets of an object.
func shown(t *testing.T, conn *ldap.Conn, dn string, attributes ...string) []string {
	t.Helper()
	entry, ok := read(t, conn, dn, attributes...)
	require.True(t, ok, "the object is there")
	names := []string{}
	for _, a := range entry.Attributes {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return names
}

// addGroup makes a global security group.
func (s *scene) addGroup(t *testing.T, parent, name string, members ...string) (dn string) {
	t.Helper()
	const globalSecurity = "-2147483646"
	return s.addGroupOf(t, globalSecurity, parent, name, members...)
}

func (s *scene) addGroupOf(t *testing.T, groupType, parent, name string, members ...string) (dn string) {
	t.Helper()
	dn = "CN=" + name + "," + parent
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"group"})
	add.Attribute("sAMAccountName", []string{s.prefix + name})
	add.Attribute("groupType", []string{groupType})
	if len(members) > 0 {
		add.Attribute("member", members)
	}
	require.NoError(t, s.conn.Add(add))
	return dn
}

// addBlinded makes an account from which a case keeps something.
func (s *scene) addBlinded(t *testing.T) account {
	t.Helper()
	return s.addAccount(t, s.prefix+"blinded")
}

func testDeniedAttributes(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	s.disable(t, bob)
	group := s.addGroup(t, s.people, "group", alice.dn, bob.dn)
	blinded := s.addBlinded(t)
	conn := s.bind(t, blinded)
	const enabled = "(&(sAMAccountType=805306368)(!(userAccountControl=546)))"
	all := []string{"memberOf", "tokenGroups", "userAccountControl"}
	require.Equal(t, all, shown(t, conn, alice.dn, all...))
	require.Equal(t, []string{"alice"}, find(t, conn, s.people, enabled))

	s.deny(t, blinded, s.people, "User-Account-Restrictions")
	assert.Equal(t, []string{"mail", "memberOf"}, shown(t, conn, bob.dn, "userAccountControl", "accountExpires", "pwdLastSet", "mail", "memberOf"))
	assert.Equal(t, []string{"alice", "bob"}, find(t, conn, s.people, enabled), "the disabled account looks enabled")
	assert.Empty(t, find(t, conn, s.people, "(userAccountControl=*)"))
	assert.Empty(t, find(t, conn, s.people, "(userAccountControl=546)"))

	s.deny(t, blinded, s.people, "member", "objectGUID")
	assert.Equal(t, []string{"cn", "member"}, shown(t, conn, group, "cn", "member"), "a group's class grants it, whatever is denied above")
	assert.Equal(t, []string{"bob"}, find(t, conn, s.people, "(objectGUID="+wire(bob)+")"), "what is public of people likewise")
	s.deny(t, blinded, group, "member")
	assert.Equal(t, []string{"cn"}, shown(t, conn, group, "cn", "member"), "it looks empty")
	assert.Empty(t, find(t, conn, s.people, "(member=*)"))
	assert.Empty(t, find(t, conn, s.people, "(member="+alice.dn+")"))
	assert.Equal(t, []string{"alice", "bob"}, find(t, conn, s.people, "(memberOf="+group+")"), "the other end still tells")

	s.deny(t, blinded, s.people, "memberOf")
	assert.Equal(t, []string{"tokenGroups"}, shown(t, conn, alice.dn, "memberOf", "tokenGroups"))
	assert.Empty(t, find(t, conn, s.people, "(memberOf="+group+")"))
	assert.Equal(t, []string{"alice", "bob"}, find(t, conn, s.people, "(&(sAMAccountType=805306368)(!(memberOf="+group+")))"))

	s.deny(t, blinded, s.people, "tokenGroups")
	assert.Empty(t, shown(t, conn, alice.dn, "memberOf", "tokenGroups"))

	s.deny(t, blinded, alice.dn, "objectGUID")
	assert.Equal(t, []string{"alice", "bob", "group", "people"}, find(t, conn, s.people, "(objectGUID=*)"), "that it has one is no secret")
	assert.Empty(t, find(t, conn, s.people, "(objectGUID="+wire(alice)+")"))

	ordinary := s.bind(t, s.ordinary)
	assert.Equal(t, all, shown(t, ordinary, alice.dn, all...), "only the one account")
	assert.Equal(t, []string{"alice"}, find(t, ordinary, s.people, enabled))
}

func testDeniedOnOneAccount(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	blinded := s.addBlinded(t)
	s.deny(t, blinded, bob.dn, "userAccountControl")
	conn := s.bind(t, blinded)
	assert.Equal(t, []string{"mail", "userAccountControl"}, shown(t, conn, alice.dn, "mail", "userAccountControl"))
	assert.Equal(t, []string{"mail"}, shown(t, conn, bob.dn, "mail", "userAccountControl"))
	assert.Equal(t, []string{"alice"}, find(t, conn, s.people, "(userAccountControl=544)"))
	assert.Equal(t, []string{"alice", "bob"}, find(t, conn, s.people, "(sAMAccountType=805306368)"))
}

// What all rights are denied on keeps its bare name while its parent shows it;
// what hangs directly below it is gone, but not what hangs below that.
func testHiddenObjects(t *testing.T, s *scene) {
	unit := "OU=hidden," + s.people
	s.addUnit(t, unit)
	deeper := "OU=deeper," + unit
	s.addUnit(t, deeper)
	alice, bob, carol := s.add(t, "alice"), s.addIn(t, unit, "bob"), s.addIn(t, deeper, "carol")
	group, inside := s.addGroup(t, s.people, "group", alice.dn), s.addGroup(t, unit, "inside", alice.dn)
	blinded := s.addBlinded(t)
	for _, dn := range []string{alice.dn, group, unit} {
		s.hide(t, blinded, dn)
	}
	conn := s.bind(t, blinded)

	for _, dn := range []string{alice.dn, group, unit} {
		assert.Empty(t, shown(t, conn, dn), dn)
		assert.Empty(t, shown(t, conn, dn, "objectGUID", "distinguishedName", "name"), dn)
	}
	for _, dn := range []string{bob.dn, inside, deeper, "<GUID=" + bob.id.String() + ">", "CN=nobody," + s.people, "CN=nobody," + unit} {
		_, ok := read(t, conn, dn)
		assert.False(t, ok, dn)
	}
	assert.Equal(t, []string{"alice", "carol", "group", "hidden", "people"}, find(t, conn, s.people, "(objectClass=*)"))
	assert.Equal(t, []string{"alice", "carol", "group", "hidden", "people"}, find(t, conn, s.people, "(!(cn=x))"))
	assert.Equal(t, []string{"carol"}, find(t, conn, s.people, "(sAMAccountType=805306368)"))
	assert.Equal(t, []string{"carol"}, find(t, conn, deeper, "(cn=carol)"), "below a base that is not shown itself")
	assert.NotEmpty(t, shown(t, conn, carol.dn))
	assert.Equal(t, []string{"alice"}, find(t, conn, s.people, "(distinguishedName="+alice.dn+")"))
	for _, filter := range []string{
		"(cn=alice)", "(cn=bob)", "(ou=hidden)", "(ou=deeper)", "(objectClass=group)",
		"(objectGUID=" + wire(alice) + ")", "(objectGUID=" + wire(bob) + ")",
	} {
		assert.Empty(t, find(t, conn, s.people, filter), filter)
	}
}

// Auditors advise taking Authenticated Users out of that group. Accounts then read of
// people what belongs to the public property sets, which includes neither
// userAccountControl nor uSNChanged nor any group; of groups and of themselves they
// read everything as before.
func testWithoutPreWindows2000(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	group := s.addGroup(t, s.people, "group", alice.dn)
	ask := []string{"mail", "memberOf", "objectGUID", "tokenGroups", "uSNChanged", "userAccountControl", "whenChanged"}
	before := s.bind(t, s.ordinary)
	require.Equal(t, ask, shown(t, before, alice.dn, ask...))
	s.withoutPreWindows2000(t)

	conn := s.bind(t, s.ordinary)
	assert.Equal(t, []string{"mail", "objectGUID"}, shown(t, conn, alice.dn, ask...))
	assert.Equal(t, []string{"group", "people"}, find(t, conn, s.people, "(uSNChanged>=1)"))
	assert.Equal(t, []string{"cn", "member", "uSNChanged"}, shown(t, conn, group, "cn", "member", "uSNChanged"))
	assert.Equal(t, []string{"tokenGroups", "uSNChanged", "userAccountControl"}, shown(t, conn, s.ordinary.dn, "tokenGroups", "uSNChanged", "userAccountControl"))
	assert.Equal(t, ask, shown(t, before, alice.dn, ask...), "who is bound keeps the groups of then")
	assert.Equal(t, ask, shown(t, s.conn, alice.dn, ask...), "an administrator needs no such group")
}

// An account that leaves the group that its rights come from reads less from its
// next bind on, and nothing fails.
func testRightsOfAGroup(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	a := s.addBlinded(t)
	group := s.addGroup(t, s.people, "readers", a.dn)
	s.withoutPreWindows2000(t)
	s.allow(t, account{dn: group}, s.people, "User-Account-Restrictions", "uSNChanged")
	s.deny(t, account{dn: group}, bob.dn, "uSNChanged")
	ask := []string{"mail", "memberOf", "uSNChanged", "userAccountControl"}

	conn := s.bind(t, a)
	assert.Equal(t, []string{"mail", "uSNChanged", "userAccountControl"}, shown(t, conn, alice.dn, ask...))
	assert.Equal(t, []string{"mail", "userAccountControl"}, shown(t, conn, bob.dn, ask...))
	s.leave(t, group, a.dn)
	assert.Equal(t, []string{"mail", "uSNChanged", "userAccountControl"}, shown(t, conn, alice.dn, ask...))
	assert.Equal(t, []string{"mail"}, shown(t, s.bind(t, a), alice.dn, ask...))
}

// withoutPreWindows2000 takes Authenticated Users out of the group until the test
// ends.
func (s *scene) withoutPreWindows2000(t *testing.T) {
	t.Helper()
	group := "CN=Pre-Windows 2000 Compatible Access,CN=Builtin," + s.baseDN
	everybody := []string{"CN=S-1-5-11,CN=ForeignSecurityPrincipals," + s.baseDN}
	out, in := ldap.NewModifyRequest(group, nil), ldap.NewModifyRequest(group, nil)
	out.Delete("member", everybody)
	in.Add("member", everybody)
	require.NoError(t, s.conn.Modify(out))
	t.Cleanup(func() { require.NoError(t, s.conn.Modify(in)) })
}

// wire is the person's objectGUID for a filter.
func wire(p person) string { return ldap.EscapeFilter(fakead.GUID(p.id).Wire()) }
