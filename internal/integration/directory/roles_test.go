package directory

import (
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// roleDirectory reads roles as an account of few rights. A role is named like its group,
// which is given by its objectGUID.
func (s *scene) roleDirectory(t *testing.T, reader account, groups ...string) *activedirectory.Directory {
	t.Helper()
	cfg := s.config()
	cfg.Bind = activedirectory.SimpleBind(reader.name, reader.password)
	for _, dn := range groups {
		name, _, _ := strings.Cut(strings.TrimPrefix(dn, "CN="), ",")
		cfg.Roles = append(cfg.Roles, activedirectory.Role{Name: name, Group: objectIDOf(t, s.conn, dn).String()})
	}
	return open(t, cfg)
}

// rolesBy are what the entries say: the roles of each person, and after a question mark
// those that are unknown.
func rolesBy(t *testing.T, entries iter.Seq2[adsync.Entry, error], people ...person) []string {
	t.Helper()
	said := map[adsync.ObjectID]string{}
	for e, err := range entries {
		require.NoError(t, err)
		text := strings.Join(e.Extra.Set(adsync.FieldRoles), " ")
		if unknown := e.Unknown.Set(adsync.FieldRoles); len(unknown) > 0 {
			text += "?" + strings.Join(unknown, " ")
		}
		said[e.ObjectID] = text
	}
	list := make([]string, len(people))
	for i, p := range people {
		list[i] = said[p.id]
	}
	return list
}

func ids(people []person) []adsync.ObjectID {
	list := make([]adsync.ObjectID, len(people))
	for i, p := range people {
		list[i] = p.id
	}
	return list
}

// requireRoles wants a listing and a look-up to say the same of all.
func requireRoles(t *testing.T, dir *activedirectory.Directory, people []person, want ...string) {
	t.Helper()
	assert.Equal(t, want, rolesBy(t, dir.Entries(t.Context()), people...))
	assert.Equal(t, want, rolesBy(t, dir.Find(t.Context(), ids(people)), people...))
}

// requireProof wants this of what can be proven.
func requireProof(t *testing.T, dir *activedirectory.Directory, people []person, want ...string) {
	t.Helper()
	assert.Equal(t, want, rolesBy(t, dir.ProveRoles(t.Context(), ids(people)), people...))
}

// warned are the warnings about roles.
func warned(t *testing.T, dir *activedirectory.Directory) string {
	t.Helper()
	access, err := dir.Inspect(t.Context())
	require.NoError(t, err)
	text := strings.Join(access.Missing, "\n")
	assert.NotContains(t, text, "CN=")
	return text
}

func testRolesOfNestedGroups(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob"), s.add(t, "carol")}
	inner := s.addGroup(t, s.elsewhere, "inner", people[0].dn)
	outer := s.addGroup(t, s.elsewhere, "outer", inner, people[1].dn)
	s.join(t, inner, outer, inner) // a circle, and a group in itself
	primary := s.addGroup(t, s.elsewhere, "primary", people[2].dn)
	s.join(t, outer, primary)
	s.set(t, people[2], "primaryGroupID", values(t, s.conn, primary, "primaryGroupToken")...)
	dir := s.roleDirectory(t, s.ordinary, inner, outer, primary)
	everybody := []string{"inner outer", "inner outer", "inner outer primary"}
	requireRoles(t, dir, people, everybody...)
	requireProof(t, dir, people, everybody...)
	assert.Empty(t, warned(t, s.roleDirectory(t, s.reader, inner, outer, primary)))

	s.leave(t, inner, outer)
	s.leave(t, outer, people[1].dn)
	renamed := s.move(t, person{cn: "outer", dn: outer, id: objectIDOf(t, s.conn, outer)}, s.people, "renamed")
	requireRoles(t, dir, people, "inner outer", "", "outer primary")
	requireProof(t, dir, people, "inner outer", "", "outer primary")
	s.delete(t, renamed)
	requireRoles(t, dir, people, "inner?outer", "?outer", "primary?outer")
	assert.Contains(t, warned(t, dir), `role "outer": its group was not found`)
}

// What the service account cannot see makes a role unknown; it takes nobody's role, also
// that of people who are in a hidden group besides, and no other role suffers.
func testRolesOfHiddenGroups(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob"), s.add(t, "carol")}
	unit := "OU=hidden," + s.people
	s.addUnit(t, unit)
	between := s.addGroup(t, unit, "between", people[0].dn)
	bare := s.addGroup(t, s.elsewhere, "bare", people[0].dn)
	inUnit := s.addGroup(t, s.elsewhere, "inUnit", between, people[1].dn)
	inBare := s.addGroup(t, s.elsewhere, "inBare", bare, people[1].dn)
	beside := s.addGroup(t, unit, "beside", people[1].dn, people[2].dn)
	sound := s.addGroup(t, s.elsewhere, "sound", people[1].dn, people[2].dn)
	blinded := s.addBlinded(t)
	dir := s.roleDirectory(t, blinded, inUnit, inBare, sound, beside)
	requireRoles(t, dir, people, "inBare inUnit", "beside inBare inUnit sound", "beside sound")
	s.hide(t, blinded, unit)
	s.hide(t, blinded, bare)

	dir = s.roleDirectory(t, blinded, inUnit, inBare, sound, beside)
	requireRoles(t, dir, people, "?beside inBare inUnit", "sound?beside inBare inUnit", "sound?beside inBare inUnit")
	requireProof(t, dir, people, "?beside inBare inUnit", "sound?beside inBare inUnit", "sound?beside inBare inUnit")
	text := warned(t, dir)
	assert.Contains(t, text, `role "inUnit": 1 member(s)`)
	assert.Contains(t, text, `role "inBare": 1 member(s)`)
	assert.Contains(t, text, `role "beside": its group was not found`)
	assert.NotContains(t, text, "sound")
}

// An empty group and one whose members may not be read look alike.
func testRolesOfDeniedMembers(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob")}
	denied := s.addGroup(t, s.elsewhere, "denied", people[0].dn)
	empty := s.addGroup(t, s.elsewhere, "empty")
	blinded := s.addBlinded(t)
	s.deny(t, blinded, denied, "member")
	dir := s.roleDirectory(t, blinded, denied, empty)
	requireRoles(t, dir, people, "?denied", "?denied")
	assert.Contains(t, warned(t, dir), `role "denied": a group shows no members`)

	// Where the other end is denied too, nothing but tokenGroups tells.
	s.deny(t, blinded, people[0].dn, "memberOf")
	dir = s.roleDirectory(t, blinded, denied, empty)
	requireRoles(t, dir, people, "", "")
	requireProof(t, dir, people, "denied", "")
	s.deny(t, blinded, people[0].dn, "tokenGroups")
	requireProof(t, dir, people, "?denied empty", "")
	assert.Contains(t, warned(t, dir), "tokenGroups of 1 account(s) cannot be read")
}

// tokenGroups have no distribution group, and nothing that an account is in by way of one.
func testRolesOfDistributionGroups(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob")}
	mailing := s.addGroupOf(t, globalDistribution, s.elsewhere, "mailing", people[0].dn)
	outer := s.addGroup(t, s.elsewhere, "outer", mailing)
	plain := s.addGroup(t, s.elsewhere, "plain", people[0].dn)
	dir := s.roleDirectory(t, s.ordinary, mailing, outer, plain)
	requireRoles(t, dir, people, "mailing outer plain", "")
	requireProof(t, dir, people, "mailing outer plain", "?mailing outer")
	text := warned(t, dir)
	assert.Contains(t, text, `role "mailing": one of its groups is a distribution group`)
	assert.Contains(t, text, `role "outer": one of its groups is a distribution group`)
}

// An account that may read nobody's groups knows no role, though the groups say who is in
// them: it could prove nothing.
func testRolesWithoutPreWindows2000(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob")}
	group := s.addGroup(t, s.elsewhere, "group", people[0].dn)
	s.withoutPreWindows2000(t)
	dir := s.roleDirectory(t, s.ordinary, group)
	requireRoles(t, dir, people, "?group", "?group")
	requireProof(t, dir, people, "?group", "?group")
	assert.Contains(t, warned(t, dir), "no account shows memberOf")
}

// A role by name follows whoever takes the name over, and a plan says so; a direct role has
// nobody from the groups within.
func testRolesByName(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob")}
	inner := s.addGroup(t, s.elsewhere, "inner", people[1].dn)
	group := s.addGroup(t, s.elsewhere, "group", people[0].dn, inner)
	cfg := s.config()
	cfg.Roles = []activedirectory.Role{
		{Name: "dn", Group: group}, {Name: "name", Group: s.prefix + "group"},
		{Name: "direct", Group: group, Direct: true}, {Name: "nobody", Group: s.prefix + "nobody"},
		{Name: "any", Group: group, Direct: true}, {Name: "any", Group: inner},
	}
	dir := open(t, cfg)
	requireRoles(t, dir, people, "any direct dn name?nobody", "any dn name?nobody")
	text := warned(t, dir)
	assert.Contains(t, text, objectIDOf(t, s.conn, group).String())
	assert.Contains(t, text, `role "nobody": its group was not found`)
}

// A group of more members than a server sends at once. Samba has no such limit, and sends
// them all.
func testRolesOfBigGroups(t *testing.T, s *scene) {
	const many = 400
	people := s.addMany(t, "member", many)
	group := s.addGroup(t, s.elsewhere, "group", dns(people)...)
	s.leave(t, group, people[0].dn)
	dir := s.roleDirectory(t, s.ordinary, group)
	want := make([]string, many)
	for i := 1; i < many; i++ {
		want[i] = "group"
	}
	requireRoles(t, dir, people, want...)
	requireProof(t, dir, people[:2], "", "group")
}

// Replication lags: a role is lost when the other controller says so too.
func testRolesOnTwoControllers(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice")}
	group := s.addGroup(t, s.elsewhere, "group", people[0].dn)
	other := s.second(t)
	s.conn = s.bind(t, s.admin) // the first may have been restarted
	other.pull(t, s.bed)
	s.leave(t, group, people[0].dn)
	cfg := s.config()
	cfg.URLs = []string{s.url, other.url}
	cfg.Roles = []activedirectory.Role{{Name: "group", Group: objectIDOf(t, s.conn, group).String()}}
	requireRoles(t, open(t, cfg), people, "")
	requireProof(t, open(t, cfg), people, "group")
	other.pull(t, s.bed)
	requireProof(t, open(t, cfg), people, "")
	cfg.URLs[1] = "ldaps://127.0.0.1:1"
	requireProof(t, open(t, cfg), people, "?group")
	cfg.Witnesses = -1
	requireProof(t, open(t, cfg), people, "")
}
