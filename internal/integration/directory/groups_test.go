package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

const (
	globalDistribution  = "2"
	domainLocalSecurity = "-2147483644"
)

// inChain is a filter for who is in a group, directly or through others.
func inChain(group string) string {
	return "(memberOf:1.2.840.113556.1.4.1941:=" + ldap.EscapeFilter(group) + ")"
}

// people restricts a filter as every sync does, which also gives it an index.
func peopleWho(filter string) string { return "(&(sAMAccountType=805306368)" + filter + ")" }

// tokenOf are the common names of the groups in an account's tokenGroups.
func (s *scene) tokenOf(t *testing.T, conn *ldap.Conn, dn string) []string {
	t.Helper()
	e, ok := read(t, conn, dn, "tokenGroups")
	require.True(t, ok)
	return s.named(t, e.GetEqualFoldRawAttributeValues("tokenGroups"))
}

// named looks SIDs up. Well-known identities are no objects everywhere and are left out.
func (s *scene) named(t *testing.T, sids [][]byte) []string {
	t.Helper()
	names := []string{}
	for _, sid := range sids {
		if len(sid) > 12 {
			names = append(names, find(t, s.conn, s.baseDN, "(objectSid="+ldap.EscapeFilter(string(sid))+")")...)
		}
	}
	slices.Sort(names)
	return names
}

func (s *scene) join(t *testing.T, group string, members ...string) {
	t.Helper()
	change := ldap.NewModifyRequest(group, nil)
	change.Add("member", members)
	require.NoError(t, s.conn.Modify(change))
}

func (s *scene) leave(t *testing.T, group string, members ...string) {
	t.Helper()
	change := ldap.NewModifyRequest(group, nil)
	change.Delete("member", members)
	require.NoError(t, s.conn.Modify(change))
}

// values are an attribute's values in order of the alphabet.
func values(t *testing.T, conn *ldap.Conn, dn, attribute string, controls ...ldap.Control) []string {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", []string{attribute}, controls))
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	out := append([]string{}, found.Entries[0].GetEqualFoldAttributeValues(attribute)...)
	slices.Sort(out)
	return out
}

// The groups that an account is in through others, as tokenGroups and the in-chain
// rule tell them: neither knows all.
func testNestedGroups(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	inner := s.addGroup(t, s.people, "inner", alice.dn)
	outer := s.addGroup(t, s.people, "outer", inner, bob.dn)
	distribution := s.addGroupOf(t, globalDistribution, s.people, "distribution", alice.dn)
	beyond := s.addGroup(t, s.people, "beyond", distribution)
	left := s.addGroup(t, s.people, "left")
	right := s.addGroup(t, s.people, "right", left, alice.dn)
	s.join(t, left, right, left)
	conn := s.bind(t, s.ordinary)

	assert.Equal(t, []string{"Domain Users", "Users", "inner", "left", "outer", "right"}, s.tokenOf(t, conn, alice.dn), "no distribution group, and nothing through one")
	assert.Equal(t, []string{"Domain Users", "Users", "outer"}, s.tokenOf(t, conn, bob.dn))
	assert.Equal(t, []string{distribution, inner, right}, values(t, conn, alice.dn, "memberOf"))
	assert.Equal(t, []string{left, right}, values(t, conn, left, "member"), "a group may hold itself")
	for group, want := range map[string][]string{
		inner: {"alice"}, outer: {"alice", "bob"}, beyond: {"alice"}, left: {"alice"}, right: {"alice"},
		"CN=nobody," + s.people: {}, "nonsense": {}, strings.ToUpper(outer): {"alice", "bob"},
	} {
		assert.Equal(t, want, find(t, conn, s.people, peopleWho(inChain(group))), group)
	}
	assert.Equal(t, []string{"alice", "bob"}, find(t, conn, s.people, peopleWho("(!"+inChain("nonsense")+")")))
	assert.Equal(t, []string{"distribution", "inner", "left", "outer", "right"}, slices.DeleteFunc(
		find(t, conn, s.people, "(member:1.2.840.113556.1.4.1941:="+alice.dn+")"), func(n string) bool { return n == "beyond" }))

	_, err := conn.Search(ldap.NewSearchRequest(s.people, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, "(cn=alice)", []string{"tokenGroups"}, nil))
	assert.True(t, ldap.IsErrorWithCode(err, ldap.LDAPResultOperationsError), "one account at a time: %v", err)
	assert.Empty(t, values(t, conn, inner, "tokenGroups"), "accounts have it")

	// A name says which group only until it is renamed; the GUID always does.
	id := "<GUID=" + objectIDOf(t, s.conn, outer).String() + ">"
	require.NoError(t, s.conn.ModifyDN(ldap.NewModifyDNRequest(outer, "CN=renamed", true, s.elsewhere)))
	renamed := "CN=renamed," + s.elsewhere
	assert.Equal(t, []string{bob.dn, inner}, sorted(values(t, conn, id, "member")))
	assert.Equal(t, []string{"bob"}, find(t, conn, s.people, peopleWho("(memberOf="+id+")")))
	assert.Equal(t, []string{"bob"}, find(t, conn, s.people, peopleWho("(memberOf="+renamed+")")))
	assert.Empty(t, find(t, conn, s.people, peopleWho("(memberOf="+outer+")")))
	assert.Equal(t, []string{"alice", "bob"}, find(t, conn, s.people, peopleWho(inChain(renamed))))
	assert.Empty(t, find(t, conn, s.people, peopleWho(inChain(outer))))
	assert.Equal(t, []string{"alice", "bob"}, find(t, conn, s.people, peopleWho(inChain(id))))

	require.NoError(t, s.conn.Del(ldap.NewDelRequest(inner, nil)))
	assert.Equal(t, []string{distribution, right}, values(t, conn, alice.dn, "memberOf"))
	assert.Equal(t, []string{bob.dn}, values(t, conn, renamed, "member"))
	assert.Empty(t, find(t, conn, s.people, peopleWho("(memberOf="+inner+")")))
	assert.Equal(t, []string{"bob"}, find(t, conn, s.people, peopleWho(inChain(renamed))))
	s.delete(t, bob)
	assert.Empty(t, values(t, conn, renamed, "member"))
}

func sorted(values []string) []string { slices.Sort(values); return values }

// A primary group has its members in no member and no memberOf.
func testPrimaryGroup(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	primary := s.addGroup(t, s.people, "primary")
	outer := s.addGroup(t, s.people, "outer", primary)
	conn := s.bind(t, s.ordinary)
	token := values(t, conn, primary, "primaryGroupToken")
	require.Len(t, token, 1)
	change := ldap.NewModifyRequest(alice.dn, nil)
	change.Replace("primaryGroupID", token)
	assert.True(t, ldap.IsErrorWithCode(s.conn.Modify(change), ldap.LDAPResultUnwillingToPerform), "not before it is a member")
	s.join(t, primary, alice.dn)
	require.Equal(t, []string{"alice"}, find(t, conn, s.people, peopleWho(inChain(outer))))
	require.NoError(t, s.conn.Modify(change))

	assert.Equal(t, []string{"CN=Domain Users,CN=Users," + s.baseDN}, values(t, conn, alice.dn, "memberOf"), "the former primary group is an ordinary one now")
	assert.Empty(t, values(t, conn, primary, "member"))
	assert.Equal(t, []string{"alice"}, find(t, conn, s.people, peopleWho("(primaryGroupID="+token[0]+")")))
	assert.Equal(t, []string{"Domain Users", "Users", "outer", "primary"}, s.tokenOf(t, conn, alice.dn))
	assert.Empty(t, find(t, conn, s.people, peopleWho(inChain(outer))))
	assert.Empty(t, find(t, s.conn, s.people, peopleWho(inChain(primary))), "an administrator is told no more")
}

// What groups look like for an account that may not see some of them.
func testHiddenGroups(t *testing.T, s *scene) {
	unit := "OU=hidden," + s.people
	s.addUnit(t, unit)
	alice, bob, carol := s.add(t, "alice"), s.add(t, "bob"), s.add(t, "carol")
	hidden := s.addGroup(t, unit, "hidden", alice.dn, bob.dn, carol.dn)
	between := s.addGroup(t, unit, "between", alice.dn)
	denied := s.addGroup(t, s.people, "denied", bob.dn)
	outer := s.addGroup(t, s.people, "outer", between, denied, carol.dn)
	blinded := s.addBlinded(t)
	for _, dn := range []string{unit, denied} {
		s.hide(t, blinded, dn)
	}
	conn := s.bind(t, blinded)

	assert.Equal(t, sorted([]string{between, hidden}), values(t, conn, alice.dn, "memberOf"), "links name what is hidden")
	assert.Equal(t, sorted([]string{between, denied, carol.dn}), values(t, conn, outer, "member"))
	assert.Equal(t, []string{"alice", "bob", "carol"}, find(t, conn, s.people, peopleWho("(memberOf="+hidden+")")))
	assert.Equal(t, []string{"Domain Users", "Users", "between", "hidden", "outer"}, s.tokenOf(t, conn, alice.dn))
	assert.Equal(t, []string{"Domain Users", "Users", "denied", "hidden", "outer"}, s.tokenOf(t, conn, bob.dn))

	// The rule says yes to whoever is directly in the group. For everybody else it reads
	// the groups, and ends at the first that it may not see: with success where an
	// index narrowed the search.
	require.Equal(t, []string{"alice", "bob", "carol"}, find(t, s.conn, s.people, peopleWho(inChain(outer))))
	assert.Subset(t, []string{"carol"}, find(t, conn, s.people, peopleWho(inChain(outer))))
	assert.NotContains(t, find(t, conn, s.people, peopleWho("(!"+inChain(outer)+")")), "carol")
	s.leave(t, outer, carol.dn)
	assert.Empty(t, find(t, conn, s.people, peopleWho(inChain(outer))))
	_, err := conn.Search(ldap.NewSearchRequest(s.people, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, inChain(outer), []string{"1.1"}, nil))
	assert.True(t, ldap.IsErrorWithCode(err, ldap.LDAPResultOperationsError), "without an index it says so: %v", err)

	// A group that shows only its bare name has no groups: nobody is lost after bob.
	s.leave(t, hidden, alice.dn, bob.dn, carol.dn)
	s.leave(t, between, alice.dn)
	s.join(t, outer, carol.dn)
	assert.Equal(t, []string{"carol"}, find(t, conn, s.people, peopleWho(inChain(outer))), "bob is not found, and nobody is told")
}

// The extended form of names holds the objectGUID and the SID also of what is hidden.
func testExtendedNames(t *testing.T, s *scene) {
	unit := "OU=hidden," + s.people
	s.addUnit(t, unit)
	alice := s.add(t, "alice")
	hidden := s.addGroup(t, unit, "hidden", alice.dn)
	s.set(t, alice, "manager", s.ordinary.dn)
	ids := map[string]string{}
	for _, dn := range []string{hidden, alice.dn, s.ordinary.dn} {
		ids[dn] = objectIDOf(t, s.conn, dn).String()
	}
	blinded := s.addBlinded(t)
	s.hide(t, blinded, unit)
	conn := s.bind(t, blinded)

	extended := ldap.NewControlString("1.2.840.113556.1.4.529", true, "\x30\x03\x02\x01\x01")
	assert.Regexp(t, fmt.Sprintf(`^<GUID=%s>;<SID=S-1-5-21-\d+-\d+-\d+-\d+>;%s$`, ids[hidden], hidden), values(t, conn, alice.dn, "memberOf", extended)[0])
	assert.Regexp(t, fmt.Sprintf(`^<GUID=%s>;<SID=S-1-5-21-\d+-\d+-\d+-\d+>;%s$`, ids[s.ordinary.dn], s.ordinary.dn), values(t, conn, alice.dn, "manager", extended)[0])
	found, err := conn.Search(ldap.NewSearchRequest(s.people, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(cn=alice)", []string{"1.1"}, []ldap.Control{extended}))
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	assert.Regexp(t, fmt.Sprintf(`^<GUID=%s>;<SID=S-1-5-21-\d+-\d+-\d+-\d+>;%s$`, ids[alice.dn], alice.dn), found.Entries[0].DN)
	assert.Equal(t, []string{"<GUID=" + objectIDOf(t, s.conn, s.people).String() + ">;" + s.people}, values(t, conn, s.people, "distinguishedName", extended), "without a SID")

	old := ldap.NewControlString("1.2.840.113556.1.4.529", true, "")
	for _, inHex := range []*ldap.ControlString{old, ldap.NewControlString("1.2.840.113556.1.4.529", true, "\x30\x03\x02\x01\x00")} {
		id := fakead.GUID(alice.id)
		assert.Regexp(t, fmt.Sprintf(`^<GUID=%x>;<SID=0105000000000005[0-9a-f]{40}>;%s$`, id.Wire(), alice.dn), values(t, conn, alice.dn, "distinguishedName", inHex)[0])
	}
}

// Samba has no limit of values, but gives a range to whoever asks for one.
func testRanges(t *testing.T, s *scene) {
	alice, bob, carol := s.add(t, "alice"), s.add(t, "bob"), s.add(t, "carol")
	group := s.addGroup(t, s.people, "group", alice.dn, bob.dn, carol.dn)
	conn := s.bind(t, s.ordinary)
	assert.Equal(t, []string{"member"}, shown(t, conn, group, "member"))
	for asked, want := range map[string]string{
		"0-*": "0-*", "0-0": "0-0", "0-1": "0-1", "1-1": "1-1", "1-*": "1-*", "2-2": "2-*", "0-2": "0-*", "0-9": "0-*", "2-9": "2-*",
	} {
		assert.Equal(t, []string{"member;range=" + want}, shown(t, conn, group, "member;range="+asked), asked)
	}
	e, ok := read(t, conn, group, "member;range=1-*")
	require.True(t, ok)
	require.Len(t, e.Attributes, 1)
	assert.Len(t, e.Attributes[0].Values, 2)
	e, ok = read(t, conn, group, "member;range=3-*")
	require.True(t, ok)
	require.Len(t, e.Attributes, 1)
	assert.Equal(t, "member;range=3-*", e.Attributes[0].Name)
	assert.Empty(t, e.Attributes[0].Values, "beyond the end")
	assert.Empty(t, shown(t, conn, group, "mail;range=0-*"))
}
