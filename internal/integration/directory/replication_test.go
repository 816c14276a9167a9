package directory

import (
	"slices"
	"strconv"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

var showDeleted = ldap.NewControlString("1.2.840.113556.1.4.417", true, "")

// usn is the controller's highestCommittedUSN.
func usn(t *testing.T, conn *ldap.Conn) int64 {
	t.Helper()
	root, ok := read(t, conn, "", "highestCommittedUSN")
	require.True(t, ok)
	return number(t, root, "highestCommittedUSN")
}

func number(t *testing.T, e *ldap.Entry, attribute string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(attribute), 10, 64)
	require.NoError(t, err)
	return n
}

// invocation names the controller's database, as an ordinary account reads it.
func invocation(t *testing.T, b *bed) string {
	t.Helper()
	conn := b.bind(t, b.ordinary)
	root, ok := read(t, conn, "", "dsServiceName")
	require.True(t, ok)
	settings, ok := read(t, conn, root.GetEqualFoldAttributeValue("dsServiceName"), "invocationId")
	require.True(t, ok)
	id := settings.GetEqualFoldRawAttributeValue("invocationId")
	require.Len(t, id, 16)
	return string(id)
}

// restore brings a deleted account back to where it was.
func restore(t *testing.T, conn *ldap.Conn, p person) {
	t.Helper()
	back := ldap.NewModifyRequest(locate(t, conn, p)[0].DN, []ldap.Control{showDeleted})
	back.Delete("isDeleted", nil)
	back.Replace("distinguishedName", []string{p.dn})
	require.NoError(t, conn.Modify(back))
}

// state tells how a controller has a person: "alive", "deleted" or "unknown".
func state(t *testing.T, conn *ldap.Conn, p person) string {
	t.Helper()
	switch found := locate(t, conn, p); {
	case len(found) == 0:
		return "unknown"
	case found[0].GetEqualFoldAttributeValue("isDeleted") == "TRUE":
		return "deleted"
	}
	return "alive"
}

// locate finds a person wherever it is, deleted or not.
func locate(t *testing.T, conn *ldap.Conn, p person) []*ldap.Entry {
	t.Helper()
	root, ok := read(t, conn, "", "defaultNamingContext")
	require.True(t, ok)
	found, err := conn.Search(ldap.NewSearchRequest(root.GetEqualFoldAttributeValue("defaultNamingContext"), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(objectGUID="+ldap.EscapeFilter(fakead.GUID(p.id).Wire())+")", []string{"isDeleted"}, []ldap.Control{showDeleted, domainScope}))
	require.NoError(t, err)
	return found.Entries
}

// Two controllers of a domain differ until they replicate: one may still have the
// tombstone of somebody whom the other has alive again.
func testSecondController(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	group := s.addGroup(t, s.people, "group")
	second := s.second(t)
	first := s.bed
	s.conn = s.bind(t, s.admin) // the first may have been restarted
	here, there := s.conn, second.bind(t, second.admin)
	assert.NotEqual(t, invocation(t, first), invocation(t, second))
	states := func(p person) []string {
		return []string{state(t, here, p), state(t, there, p)}
	}
	require.Equal(t, []string{"alive", "alive"}, states(alice), "it begins with a copy")

	before := usn(t, there)
	carol := s.add(t, "carol")
	assert.Equal(t, []string{"alive", "unknown"}, states(carol))
	assert.Equal(t, before, usn(t, there), "each counts for itself")
	second.pull(t, first)
	assert.Equal(t, []string{"alive", "alive"}, states(carol))
	assert.Greater(t, usn(t, there), before)
	copied, ok := read(t, there, carol.dn, "uSNChanged", "mail")
	require.True(t, ok)
	assert.Greater(t, number(t, copied, "uSNChanged"), before, "what came has a number of this controller")
	assert.Equal(t, carol.was.Email, copied.GetEqualFoldAttributeValue("mail"))

	s.delete(t, alice)
	assert.Equal(t, []string{"deleted", "alive"}, states(alice))
	second.pull(t, first)
	assert.Equal(t, []string{"deleted", "deleted"}, states(alice))
	restore(t, here, alice)
	assert.Equal(t, []string{"alive", "deleted"}, states(alice), "the other still has the tombstone")
	s.assertDisputed(t, second, alice)
	second.pull(t, first)
	assert.Equal(t, []string{"alive", "alive"}, states(alice))

	// Changes of one object on both sides come together.
	s.set(t, bob, "mail", "here@example.test")
	change := ldap.NewModifyRequest(bob.dn, nil)
	change.Replace("telephoneNumber", []string{"+49 30 there"})
	require.NoError(t, there.Modify(change))
	for conn, member := range map[*ldap.Conn]string{here: alice.dn, there: carol.dn} {
		join := ldap.NewModifyRequest(group, nil)
		join.Add("member", []string{member})
		require.NoError(t, conn.Modify(join))
	}
	first.pull(t, second)
	second.pull(t, first)
	for _, conn := range []*ldap.Conn{here, there} {
		merged, ok := read(t, conn, bob.dn, "mail", "telephoneNumber")
		require.True(t, ok)
		assert.Equal(t, "here@example.test", merged.GetEqualFoldAttributeValue("mail"))
		assert.Equal(t, "+49 30 there", merged.GetEqualFoldAttributeValue("telephoneNumber"))
		members, ok := read(t, conn, group, "member")
		require.True(t, ok)
		both := members.GetEqualFoldAttributeValues("member")
		slices.Sort(both)
		assert.Equal(t, []string{alice.dn, carol.dn}, both)
	}

	quiet := usn(t, there)
	second.pull(t, first)
	assert.Equal(t, quiet, usn(t, there), "nothing new, no new number")
}

// assertDisputed shows that a sync which reads the controller with the stale tombstone
// does not delete the person, as long as the other can be asked.
func (s *scene) assertDisputed(t *testing.T, stale *bed, p person) {
	t.Helper()
	planned := func(urls ...string) *adsync.Plan {
		cfg := s.config()
		cfg.URLs = urls
		plan, err := newSyncer(t, open(t, cfg), adsync.NewMemoryStore(imported("1", p)), adsync.Rules{}).Plan(t.Context())
		require.NoError(t, err)
		return plan
	}
	assert.Equal(t, []string{"delete deleted 1"}, told(planned(stale.url)), "by itself it proves a deletion")
	plan := planned(stale.url, s.url)
	assert.Equal(t, []string{"update disputed 1"}, told(plan))
	_, address := hostOf(t, s.url)
	assert.Equal(t, []string{address}, plan.Reading.Witnesses)
	assert.Empty(t, plan.Reading.Silent)
	assert.Equal(t, []string{"update changed 1"}, told(planned(s.url, stale.url)), "alive where it is read, without the details that a tombstone loses")
}

// A controller that was restored from an older copy does not know that it was: it has the
// same invocationId, and gives new changes the numbers that it gave to others before.
func testRolledBack(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	s.delete(t, bob)
	rollBack := s.snapshot(t)
	s.conn = s.bind(t, s.admin)
	restore(t, s.conn, bob)
	carol := s.add(t, "carol")
	s.delete(t, alice)
	id, high := invocation(t, s.bed), usn(t, s.conn)

	rollBack()
	s.conn = s.bind(t, s.admin)
	assert.Equal(t, id, invocation(t, s.bed))
	assert.Less(t, usn(t, s.conn), high)
	assert.Equal(t, "alive", state(t, s.conn, alice))
	assert.Equal(t, "deleted", state(t, s.conn, bob), "it has the tombstone of somebody who was alive")
	assert.Equal(t, "unknown", state(t, s.conn, carol))
	before := usn(t, s.conn)
	dora := s.add(t, "dora")
	added, ok := read(t, s.conn, dora.dn, "uSNCreated")
	require.True(t, ok)
	assert.Greater(t, number(t, added, "uSNCreated"), before)
	assert.LessOrEqual(t, number(t, added, "uSNCreated"), high, "a number that was given before")
}
