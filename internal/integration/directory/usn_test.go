package directory

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A census is the uSNChanged of everything in a scene, by objectGUID.
type census map[string]counted

type counted struct {
	name string
	usn  int64
}

func (s *scene) census(t *testing.T) census {
	t.Helper()
	all := census{}
	found, err := s.conn.Search(ldap.NewSearchRequest(s.baseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, "(objectGUID=*)", []string{"objectGUID", "uSNChanged", "sAMAccountName"}, []ldap.Control{showDeleted, domainScope}))
	require.NoError(t, err)
	for _, e := range found.Entries {
		all[string(e.GetEqualFoldRawAttributeValue("objectGUID"))] = counted{commonNames(t, []*ldap.Entry{e})[0], number(t, e, "uSNChanged")}
	}
	return all
}

// moved are the names of those whose uSNChanged something changes.
func (s *scene) moved(t *testing.T, do func()) []string {
	t.Helper()
	before, high := s.census(t), usn(t, s.conn)
	do()
	names := []string{}
	for id, now := range s.census(t) {
		was, known := before[id]
		switch {
		case known && was.usn == now.usn:
			continue
		case now.usn <= high:
			assert.Fail(t, "a number at or below the highest of before", now.name)
		}
		name, _, _ := strings.Cut(now.name, "\n") // of a tombstone too
		names = append(names, name)
	}
	assert.GreaterOrEqual(t, usn(t, s.conn), high)
	slices.Sort(names)
	return names
}

// What moves an object's uSNChanged, and what does not although the object looks
// different: what a search for "changed since" finds and what it cannot find.
func testWhatMovesNumbers(t *testing.T, s *scene) {
	unit := "OU=unit," + s.people
	s.addUnit(t, unit)
	alice, bob := s.addIn(t, unit, "alice"), s.addIn(t, unit, "bob")
	inner := s.addGroup(t, s.people, "inner")
	outer := s.addGroup(t, s.people, "outer", inner, bob.dn)
	blinded := s.addBlinded(t)

	var carol person
	assert.Equal(t, []string{"carol"}, s.moved(t, func() { carol = s.addIn(t, unit, "carol") }))
	assert.Equal(t, []string{"alice"}, s.moved(t, func() { s.set(t, alice, "mail", "new@example.test") }))
	assert.Equal(t, []string{"alice"}, s.moved(t, func() { s.set(t, alice, "accountExpires", "133000000000000000") }))
	assert.Equal(t, []string{"alice"}, s.moved(t, func() { s.disable(t, alice) }))
	assert.Equal(t, []string{"carol"}, s.moved(t, func() { carol = s.move(t, carol, s.elsewhere, "carol") }))
	assert.Equal(t, []string{"carol"}, s.moved(t, func() { carol = s.move(t, carol, s.elsewhere, "carol") }), "under its own name")

	assert.Equal(t, []string{"inner"}, s.moved(t, func() { s.join(t, inner, alice.dn) }), "not who joins")
	assert.Equal(t, []string{"inner"}, s.moved(t, func() { s.leave(t, inner, alice.dn) }), "not who leaves")
	s.join(t, inner, alice.dn)
	assert.Equal(t, []string{"alice"}, s.moved(t, func() { s.set(t, alice, "manager", bob.dn) }), "not the manager")
	assert.Equal(t, []string{"robert"}, s.moved(t, func() { bob = s.move(t, bob, unit, "robert") }), "not the group that it is in")
	assert.Equal(t, []string{"unit"}, s.moved(t, func() { s.hide(t, blinded, unit) }), "not who inherits it")
	assert.Equal(t, []string{"renamed"}, s.moved(t, func() {
		require.NoError(t, s.conn.ModifyDN(ldap.NewModifyDNRequest(unit, "OU=renamed", true, s.people)))
	}), "not who is below it")
	assert.Equal(t, []string{"renamed"}, s.moved(t, func() {
		require.NoError(t, s.conn.ModifyDN(ldap.NewModifyDNRequest("OU=renamed,"+s.people, "OU=renamed", true, s.elsewhere)))
	}))
	bob.dn = "CN=robert,OU=renamed," + s.elsewhere
	assert.Equal(t, []string{"robert"}, s.moved(t, func() { s.delete(t, bob) }), "neither the group nor the container of tombstones")
	assert.Equal(t, []string{"inner"}, s.moved(t, func() { require.NoError(t, s.conn.Del(ldap.NewDelRequest(inner, nil))) }), "not the group that it is nested in")
	assert.Empty(t, values(t, s.conn, outer, "member"))

	alice.dn = "CN=alice,OU=renamed," + s.elsewhere
	s.join(t, outer, alice.dn)
	assert.Contains(t, s.moved(t, func() {
		s.set(t, alice, "primaryGroupID", values(t, s.conn, outer, "primaryGroupToken")...)
	}), "alice")
	a := s.addAccount(t, s.prefix+"new")
	assert.Equal(t, []string{s.prefix + "new"}, s.moved(t, func() { s.bind(t, a) }), "the first bind")
	assert.Empty(t, s.moved(t, func() { s.bind(t, a) }), "the next ones for two weeks")
}

// What an account finds by "changed since", tombstones included where it may read
// them.
func testChangedSince(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	s.add(t, "carol")
	reader, ordinary := s.bind(t, s.reader), s.bind(t, s.ordinary) // the first bind moves an account's number
	since := usn(t, s.conn)
	s.set(t, alice, "mail", "new@example.test")
	s.delete(t, bob)
	filter := "(&(uSNChanged>=" + strconv.FormatInt(since+1, 10) + ")(objectClass=user))"

	assert.Equal(t, []string{"alice"}, find(t, reader, s.baseDN, filter))
	assert.Equal(t, []string{"alice"}, find(t, ordinary, s.baseDN, filter, showDeleted))
	found := find(t, reader, s.baseDN, filter, showDeleted)
	require.Len(t, found, 2)
	assert.Equal(t, "bob\nDEL:"+bob.id.String(), found[1])

	tombstone := locate(t, reader, bob)
	require.Len(t, tombstone, 1)
	assert.Equal(t, []string{s.people}, values(t, reader, tombstone[0].DN, "lastKnownParent", showDeleted))
	deleted := "CN=Deleted Objects," + s.baseDN
	assert.Len(t, values(t, reader, deleted, "uSNChanged", showDeleted), 1, "it is a container with a number of its own")
	assert.Empty(t, values(t, ordinary, deleted, "uSNChanged", showDeleted))

	root, ok := read(t, ordinary, "", "currentTime", "highestCommittedUSN")
	require.True(t, ok)
	_, err := time.Parse("20060102150405.0Z", root.GetEqualFoldAttributeValue("currentTime"))
	require.NoError(t, err)
	changed, ok := read(t, ordinary, alice.dn, "uSNChanged", "whenChanged")
	require.True(t, ok)
	assert.LessOrEqual(t, number(t, changed, "uSNChanged"), number(t, root, "highestCommittedUSN"))
	_, err = time.Parse("20060102150405.0Z", changed.GetEqualFoldAttributeValue("whenChanged"))
	require.NoError(t, err)
}

// The rootDSE tells the groups of who is bound, as they were at the bind.
func testBoundToken(t *testing.T, s *scene) {
	a := s.addBlinded(t)
	group := s.addGroup(t, s.people, "group", a.dn)
	s.addGroup(t, s.people, "outer", group)
	local := s.addGroupOf(t, domainLocalSecurity, s.people, "of everybody")
	s.join(t, local, "CN=S-1-5-11,CN=ForeignSecurityPrincipals,"+s.baseDN) // which counts in CN=Builtin alone
	token := func(conn *ldap.Conn) []string {
		root, ok := read(t, conn, "", "tokenGroups")
		require.True(t, ok)
		return s.named(t, root.GetEqualFoldRawAttributeValues("tokenGroups"))
	}
	// The names are those of the domain's and the built-in groups, and the account's own.
	all := []string{"Domain Users", "Pre-Windows 2000 Compatible Access", "Users", "group", "outer", s.prefix + "blinded"}
	conn := s.bind(t, a)
	assert.Equal(t, all, token(conn))
	s.leave(t, group, a.dn)
	assert.Equal(t, all, token(conn), "until it binds again")
	assert.Equal(t, []string{"Domain Users", "Pre-Windows 2000 Compatible Access", "Users", s.prefix + "blinded"}, token(s.bind(t, a)))
	root, ok := read(t, conn, "")
	require.True(t, ok)
	assert.Empty(t, root.GetEqualFoldAttributeValues("tokenGroups"), "it has to be asked for")
}
