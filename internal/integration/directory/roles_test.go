package directory

import (
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
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
	gone := []string{"inner?outer", "?outer", "primary?outer"}
	requireRoles(t, dir, people, gone...)
	requireProof(t, dir, people, gone...)
	assert.Contains(t, warned(t, dir), `role "outer": its group was not found`)
	s.addGroup(t, s.people, "renamed", people[1].dn)
	requireRoles(t, dir, people, gone...)
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
	s.join(t, between, s.addGroup(t, unit, "deeper", people[0].dn)) // hidden in what is hidden
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

	// memberOf alone takes no role from anybody, and no certainty either.
	shown := s.addGroup(t, s.elsewhere, "shown", people[0].dn)
	without := s.addAccount(t, s.prefix+"without")
	for _, p := range people {
		s.deny(t, without, p.dn, "memberOf")
	}
	dir = s.roleDirectory(t, without, shown, empty)
	requireRoles(t, dir, people, "shown", "")
	requireProof(t, dir, people, "shown", "")

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

	require.NoError(t, s.conn.Del(ldap.NewDelRequest(group, nil)))
	s.addGroup(t, s.elsewhere, "group", people[1].dn)
	requireRoles(t, dir, people, "?nobody", "any direct dn name?nobody")
}

// Groups of as many members as a Windows controller sends at once, and of one more. Samba has
// no such limit, and sends them all; what has it is read next to the reader itself.
func (s *scene) testBigGroups(t *testing.T) {
	sizes := map[string]int{"one": 1, "limit": 1500, "beyond": 1501}
	names := make([]string, manyPeople)
	for n := range names {
		names[n] = s.describe(s.people, fmt.Sprintf("p%d", n)).dn
	}
	var groups []string
	for name, size := range sizes {
		groups = append(groups, s.addGroup(t, s.elsewhere, name, names[:size]...))
	}
	groups = append(groups, s.addGroup(t, s.elsewhere, "nested", groups...))
	sizes["nested"] = 1501
	dir := s.roleDirectory(t, s.ordinary, groups...)
	count := map[string]int{}
	for e, err := range dir.Entries(t.Context()) {
		require.NoError(t, err)
		require.Empty(t, e.Unknown)
		for _, role := range e.Extra.Set(adsync.FieldRoles) {
			count[role]++
		}
	}
	assert.Equal(t, sizes, count)
	last := []person{{id: objectIDOf(t, s.conn, names[1500])}, {id: objectIDOf(t, s.conn, names[1501])}}
	requireProof(t, dir, last, "beyond nested", "")
}

// A run gives the roles and takes them, and takes nothing while it cannot see the whole.
func testRolesGivenAndTaken(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob"), s.add(t, "carol")}
	inner := s.addGroup(t, s.elsewhere, "inner", people[0].dn)
	group := s.addGroup(t, s.elsewhere, "group", inner, people[1].dn)
	blinded := s.addBlinded(t)
	owner := imported("3", people[2])
	owner.Protected = true
	store := adsync.NewMemoryStore(imported("1", people[0]), imported("2", people[1]), owner)
	reader := blinded
	sync := func(want map[string]string, says ...string) {
		t.Helper()
		syncer, err := adsync.New(s.roleDirectory(t, reader, group), store, &adsync.Options{Rules: adsync.Rules{Source: source},
			Limits: adsync.Limits{MaxGranted: -1, MaxRevoked: -1}})
		require.NoError(t, err)
		report, err := syncer.Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		got := map[string]string{}
		for id, u := range users(t, store) {
			got[id] = strings.Join(u.Extra.Set(adsync.FieldRoles), " ")
		}
		assert.Equal(t, want, got)
		var told strings.Builder
		_, err = report.Plan.WriteTo(&told)
		require.NoError(t, err)
		for _, text := range says {
			assert.Contains(t, told.String(), text)
		}
	}
	sync(map[string]string{"1": "group", "2": "group", "3": ""})
	s.join(t, group, people[2].dn)
	s.leave(t, group, people[1].dn)
	sync(map[string]string{"1": "group", "2": "", "3": "group"})
	s.leave(t, group, people[2].dn)
	sync(map[string]string{"1": "group", "2": "", "3": "group"}, "protected")
	s.join(t, group, people[1].dn)
	s.hide(t, blinded, inner)
	s.leave(t, inner, people[0].dn)
	sync(map[string]string{"1": "group", "2": "", "3": "group"}, "1 member(s) of its groups cannot be seen")
	s.leave(t, group, inner)
	s.deny(t, blinded, people[0].dn, "tokenGroups")
	sync(map[string]string{"1": "group", "2": "group", "3": "group"}, "tokenGroups of 1 account(s) cannot be read")
	reader = s.ordinary
	sync(map[string]string{"1": "", "2": "group", "3": "group"})
}

// A group may hold accounts of other domains, which no listing of this one has, and well-known
// identities, whose members nobody lists. A group of another domain is not found here.
func testRolesOfOtherDomains(t *testing.T, s *scene) {
	people := []person{s.add(t, "alice"), s.add(t, "bob")}
	foreign := s.addGroup(t, s.elsewhere, "foreign", people[0].dn)
	s.join(t, foreign, "<SID=S-1-5-21-1-2-3-1104>")
	everybody := s.addGroupOf(t, domainLocalSecurity, s.elsewhere, "everybody", people[0].dn)
	s.join(t, everybody, "CN=S-1-5-11,CN=ForeignSecurityPrincipals,"+s.baseDN)
	cfg := s.config()
	cfg.Bind = activedirectory.SimpleBind(s.ordinary.name, s.ordinary.password)
	cfg.Roles = []activedirectory.Role{
		{Name: "foreign", Group: objectIDOf(t, s.conn, foreign).String()}, {Name: "everybody", Group: objectIDOf(t, s.conn, everybody).String()},
		{Name: "elsewhere", Group: "CN=staff,DC=other,DC=example"},
	}
	dir := open(t, cfg)
	unknown := "?elsewhere everybody"
	requireRoles(t, dir, people, "foreign"+unknown, unknown)
	requireProof(t, dir, people, "foreign"+unknown, unknown)
	text := warned(t, dir)
	assert.Contains(t, text, `role "everybody": its groups hold a well-known identity`)
	assert.Contains(t, text, `role "elsewhere": its group was not found`)
	assert.NotContains(t, text, `"foreign"`)
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
