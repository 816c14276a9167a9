package ldapread

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

const service = "svc@ad.example.test"

// group adds a security group next to the people, outside of the base, and returns its
// objectGUID.
func (d *domain) group(name string, members ...fakead.GUID) fakead.GUID {
	d.t.Helper()
	return d.groupOf(fakead.Group{Name: name, Members: members})
}

func (d *domain) groupOf(g fakead.Group) fakead.GUID {
	d.t.Helper()
	id, err := d.CreateGroup(g)
	require.NoError(d.t, err)
	return id
}

// by configures roles whose names are those of their groups, by GUID.
func by(groups map[string]fakead.GUID) (roles []Role) {
	for name, id := range groups {
		roles = append(roles, Role{Name: name, Group: Group{GUID: adattr.GUID(id)}})
	}
	return roles
}

// readRoles is what a fresh controller says.
func (d *domain) readRoles(roles ...Role) (*Controller, *Roles) {
	d.t.Helper()
	cfg := d.config()
	cfg.Roles = roles
	c := d.open(cfg)
	got, err := c.Roles(d.t.Context())
	require.NoError(d.t, err)
	return c, got
}

// has are the roles of each account, in one text each.
func has(r *Roles, ids ...fakead.GUID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = strings.Join(r.Sets()[r.Of(adattr.GUID(id))], " ")
	}
	return list
}

func TestRoles_NestedDirectAndPrimary(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(5)
	inner := d.group("inner", ids[0])
	outer := d.group("outer", inner, ids[1])
	require.NoError(t, d.Join(inner, outer), "a circle")
	require.NoError(t, d.Join(inner, inner), "and a group in itself")
	require.NoError(t, d.Join(outer, ids[2]))
	require.NoError(t, d.SetPrimaryGroup(ids[2], d.DN(outer)))
	other := d.group("other", ids[3])
	roles := by(map[string]fakead.GUID{"outer": outer, "other": other})
	roles = append(roles, Role{Name: "direct", Group: Group{GUID: adattr.GUID(outer)}, Direct: true},
		Role{Name: "other", Group: Group{GUID: adattr.GUID(inner)}})
	_, got := d.readRoles(roles...)
	assert.Empty(t, got.Unknown())
	assert.Empty(t, got.Warnings())
	assert.Equal(t, []string{"other outer", "direct other outer", "direct other outer", "other", ""}, has(got, ids...))
}

// A DN and a name find a group, and others may take them over.
func TestRoles_ByName(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(2)
	group := d.group("editors", ids[0])
	named, err := ParseGroup("editors")
	require.NoError(t, err)
	dn, err := ParseGroup(d.DN(group))
	require.NoError(t, err)
	for _, g := range []Group{named, dn} {
		_, got := d.readRoles(Role{Name: "editor", Group: g})
		assert.Equal(t, []string{"editor", ""}, has(got, ids...))
		require.Len(t, got.Warnings(), 1)
		assert.Contains(t, got.Warnings()[0], adattr.GUID(group).String())
	}
	for _, form := range []string{"%s", "{%s}", "<GUID=%s>"} {
		g, err := ParseGroup(fmt.Sprintf(form, adattr.GUID(group)))
		require.NoError(t, err)
		assert.Equal(t, Group{GUID: adattr.GUID(group)}, g)
	}
	require.NoError(t, d.Rename(group, "writers"))
	_, got := d.readRoles(Role{Name: "editor", Group: dn}, Role{Name: "writer", Group: Group{GUID: adattr.GUID(group)}})
	assert.Equal(t, []string{"writer", ""}, has(got, ids...), "the GUID is the name that stays")
	assert.Equal(t, []string{"editor"}, got.Unknown())
}

// A controller sends 1,500 members at once; Samba sends all, in a message of any length.
func TestRoles_BigGroups(t *testing.T) {
	for name, atOnce := range map[string]int{"in parts": 0, "at once": -1} {
		t.Run(name, func(t *testing.T) {
			sizes := map[string]int{"none": 0, "one": 1, "limit": 1500, "beyond": 1501, "most": 50_000}
			if testing.Short() || plain {
				sizes["most"] = 4500
			}
			d := newDomain(t, fakead.Config{MaxValRange: atOnce})
			ids := d.add(sizes["most"] + 1)
			groups := map[string]fakead.GUID{}
			for name, size := range sizes {
				groups[name] = d.group(name, ids[:size]...)
			}
			_, got := d.readRoles(by(groups)...)
			assert.Empty(t, got.Unknown())
			count := map[string]int{"none": 0}
			for _, id := range ids {
				for _, name := range got.Sets()[got.Of(adattr.GUID(id))] {
					count[name]++
				}
			}
			assert.Equal(t, sizes, count)
		})
	}
}

// What somebody outside of the base shows says nothing of those in it.
func TestRoles_BlindBelowTheBase(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(2)
	elsewhere, err := d.AddUser(fakead.User{Username: "elsewhere"})
	must(t, err)
	group := d.group("group", elsewhere, ids[0])
	for _, id := range ids {
		must(t, d.Deny(service, d.DN(id), "memberOf", "tokenGroups"))
	}
	_, got := d.readRoles(by(map[string]fakead.GUID{"group": group})...)
	assert.Equal(t, []string{"group"}, got.Unknown())
	assert.Contains(t, got.Warnings()[0], "no account shows memberOf")

	third, err := d.AddUser(fakead.User{Parent: d.people, Username: "third"}) // in no group, but shows its tokenGroups
	must(t, err)
	_, got = d.readRoles(by(map[string]fakead.GUID{"group": group})...)
	assert.Equal(t, []string{"group", ""}, has(got, ids[0], third))
}

// A server that refuses to look for many names is asked for one at a time.
func TestRoles_ByNamesThatAreRefused(t *testing.T) {
	for _, code := range []int{3, 4, 11, 50, 53} {
		d := newDomain(t, fakead.Config{})
		ids := d.add(200)
		group := d.group("group", ids...)
		d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: controlExtendedDN})
		d.Order(fakead.Fault{Kind: fakead.FaultResult, Match: "(entryDN=", Code: code})
		before, struck := len(d.Requests()), d.Struck()
		_, got := d.readRoles(by(map[string]fakead.GUID{"group": group})...)
		assert.Empty(t, got.Unknown(), code)
		assert.Equal(t, []string{"group", "group"}, has(got, ids[0], ids[199]), code)
		assert.Less(t, len(d.Requests())-before, 250, code)
		assert.Greater(t, d.Struck(), struck, code)
	}
}

// Of those who are in groups nothing is asked but who they are.
func TestRoles_AskForNoDetails(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(3)
	group := d.group("group", ids...)
	must(t, d.SetPrimaryGroup(ids[0], d.DN(group)))
	before := len(d.Requests())
	_, got := d.readRoles(by(map[string]fakead.GUID{"group": group})...)
	assert.Equal(t, []string{"group", "group"}, has(got, ids[:2]...))
	asked := 0
	for _, r := range d.Requests()[before:] {
		if strings.Contains(r.Filter, "(sAMAccountType=805306368)(|(objectGUID=") || strings.Contains(r.Filter, "primaryGroupID=") {
			asked++
			assert.Equal(t, []string{"objectGUID"}, r.Attributes, r.Filter)
		}
	}
	assert.Equal(t, 2, asked)
}

// Where no GUIDs come with the names of members, a few are looked up one by one, as this
// server does not know entryDN, and many by listing those in scope.
func TestRoles_ByTheNamesOfMembers(t *testing.T) {
	for _, many := range []int{300, 1100} {
		d := newDomain(t, fakead.Config{})
		d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: controlExtendedDN})
		ids := d.add(many + 1)
		elsewhere, err := d.AddUser(fakead.User{Username: "elsewhere"})
		must(t, err)
		inner := d.group("inner", ids[1:many]...)
		hidden := d.group("hidden", ids[0])
		unit, err := d.AddOU("Unit", "")
		must(t, err)
		away := d.groupOf(fakead.Group{Parent: unit, Name: "away"})
		roles := by(map[string]fakead.GUID{"outer": d.group("outer", inner, ids[0], elsewhere), "whole": inner,
			"part": d.group("part", hidden, ids[1]), "rest": d.group("rest", away, ids[1])})
		must(t, d.Hide(service, d.DN(hidden)))
		must(t, d.Hide(service, unit))
		before := len(d.Requests())
		_, got := d.readRoles(roles...)
		requests := len(d.Requests()) - before
		assert.Equal(t, []string{"part", "rest"}, got.Unknown(), "one shows nothing but its name, and one is not there")
		assert.Equal(t, []string{"outer", "outer whole", "outer whole", "", "outer"}, has(got, ids[0], ids[1], ids[many-1], ids[many], elsewhere))
		if many < 1000 {
			assert.Less(t, requests, many+100, "names are asked for in vain, for a while")
		} else {
			assert.Less(t, requests, 100)
			names := 0
			for _, r := range d.searched("(entryDN=") {
				names += strings.Count(r.Filter, "(entryDN=")
			}
			assert.Less(t, names, 10, "of those who are not in scope")
		}
	}
}

// Who is in scope is not listed to the end for a group that holds few of them.
func TestRoles_ByTheNamesOfFewMembers(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: controlExtendedDN})
	ids := d.add(9000)
	group := d.group("group", ids[8000:]...)
	before := len(d.Requests())
	_, got := d.readRoles(by(map[string]fakead.GUID{"group": group})...)
	assert.Equal(t, []string{"", "group", "group"}, has(got, ids[0], ids[8000], ids[8999]))
	assert.Greater(t, len(d.Requests())-before, 1000, "one for each, as it knows no entryDN")
	listed := 0
	for _, r := range d.Requests()[before:] {
		if r.Filter == testConfig().Filter {
			listed += r.Entries
		}
	}
	assert.Equal(t, 7*1000, listed, "the pages before it gave up")
}

// Where the listing is refused, names are asked for; where it fails, so do the roles.
func TestRoles_ByNamesWhereTheListingFails(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: controlExtendedDN})
	ids := d.add(1000)
	cfg := d.config()
	cfg.Filter, cfg.Roles = "(givenName=*)", by(map[string]fakead.GUID{"group": d.group("group", ids...)})
	for code, isAnswer := range map[int]bool{4: true, 80: false} {
		d.Order(fakead.Fault{Kind: fakead.FaultResult, Match: cfg.Filter, Code: code, Times: 1})
		got, err := d.open(cfg).Roles(t.Context())
		if !isAnswer {
			assert.True(t, ldap.IsErrorWithCode(err, uint16(code)))
			continue
		}
		must(t, err)
		assert.Equal(t, []string{"group", "group"}, has(got, ids[0], ids[999]))
	}
}

// What cannot be seen makes a role unknown, and no other.
func TestRoles_Unknown(t *testing.T) {
	tests := map[string]struct {
		damage func(d *domain, role, inner fakead.GUID, unit string)
		says   string
	}{
		"the group is deleted":            {func(d *domain, role, _ fakead.GUID, _ string) { must(d.t, d.Delete(role)) }, "was not found"},
		"the group is hidden":             {func(d *domain, role, _ fakead.GUID, _ string) { must(d.t, d.Hide(service, d.DN(role))) }, "nothing but its name"},
		"its unit is hidden":              {func(d *domain, _, _ fakead.GUID, unit string) { must(d.t, d.Hide(service, unit)) }, "was not found"},
		"a group in it is hidden":         {func(d *domain, _, inner fakead.GUID, _ string) { must(d.t, d.Hide(service, d.DN(inner))) }, "1 member(s)"},
		"member of it is denied":          {func(d *domain, role, _ fakead.GUID, _ string) { must(d.t, d.Deny(service, d.DN(role), "member")) }, "shows no members"},
		"member of a group is denied":     {func(d *domain, _, inner fakead.GUID, _ string) { must(d.t, d.Deny(service, d.DN(inner), "member")) }, "shows no members"},
		"memberOf and tokenGroups denied": {func(d *domain, _, _ fakead.GUID, _ string) { must(d.t, d.Withhold(service, "memberOf", "tokenGroups")) }, "no account shows memberOf"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, fakead.Config{})
			ids := d.add(3)
			unit, err := d.AddOU("Groups", "")
			require.NoError(t, err)
			inner := d.group("inner", ids[0])
			role := d.groupOf(fakead.Group{Parent: unit, Name: "role", Members: []fakead.GUID{inner, ids[1]}})
			sound := d.group("sound", ids[2])
			tt.damage(d, role, inner, unit)
			_, got := d.readRoles(by(map[string]fakead.GUID{"role": role, "sound": sound})...)
			assert.Contains(t, strings.Join(got.Warnings(), "\n"), tt.says)
			want := []string{"role"}
			if tt.says == "no account shows memberOf" {
				want = []string{"role", "sound"}
			} else {
				assert.Equal(t, []string{"", "", "sound"}, has(got, ids...))
			}
			assert.Equal(t, want, got.Unknown())
			assert.NotContains(t, strings.Join(got.Warnings(), "\n"), "CN=")
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	require.NoError(t, err)
}

// tokenGroups prove what an account lacks, and nothing else does.
func TestProve(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(4)
	hidden := d.group("hidden", ids[0])
	role := d.group("role", hidden)
	primary := d.group("primary", ids[1])
	must(t, d.SetPrimaryGroup(ids[1], d.DN(primary)))
	must(t, d.Join(role, primary))
	must(t, d.Deny(service, d.DN(ids[3]), "tokenGroups"))
	mailing := d.groupOf(fakead.Group{Name: "mailing", Distribution: true})
	within := d.group("within", mailing)
	c, roles := d.readRoles(by(map[string]fakead.GUID{"role": role, "mailing": mailing, "within": within})...)
	q := roles.Question()
	assert.Equal(t, []string{"role"}, q.Names)
	require.Len(t, roles.Warnings(), 2)
	assert.Contains(t, roles.Warnings()[0], `role "mailing": one of its groups is a distribution group`)
	assert.Contains(t, roles.Warnings()[1], `role "within": one of its groups is a distribution group`)
	var asked []adattr.GUID
	for _, id := range append(slices.Clone(ids), fakead.GUID{1}) {
		asked = append(asked, adattr.GUID(id))
	}
	got, err := c.Prove(t.Context(), q, asked)
	require.NoError(t, err)
	assert.Equal(t, map[adattr.GUID]RoleProof{
		asked[0]: {Has: []bool{true}, Lacks: []bool{false}},
		asked[1]: {Has: []bool{true}, Lacks: []bool{false}},
		asked[2]: {Has: []bool{false}, Lacks: []bool{true}},
	}, got, "one cannot be read, and one is not there")
}

// Who is in a group only by way of another has its SID in tokenGroups all the same, which
// proves nothing of a role that is given directly.
func TestProve_OfDirectRoles(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(3)
	inner := d.group("inner", ids[0])
	outer, other := d.group("outer", inner, ids[1]), d.group("other", ids[1])
	group := func(id fakead.GUID) Group { return Group{GUID: adattr.GUID(id)} }
	c, roles := d.readRoles(Role{Name: "both", Group: group(outer), Direct: true}, Role{Name: "both", Group: group(other)},
		Role{Name: "direct", Group: group(outer), Direct: true}, Role{Name: "nested", Group: group(outer)})
	assert.Equal(t, []string{"nested", "both direct nested", ""}, has(roles, ids...))
	q := roles.Question()
	assert.Equal(t, []string{"both", "direct", "nested"}, q.Names)
	asked := []adattr.GUID{adattr.GUID(ids[0]), adattr.GUID(ids[1]), adattr.GUID(ids[2])}
	got, err := c.Prove(t.Context(), q, asked)
	require.NoError(t, err)
	assert.Equal(t, map[adattr.GUID]RoleProof{
		asked[0]: {Has: []bool{false, false, true}, Lacks: []bool{false, false, false}},
		asked[1]: {Has: []bool{true, false, true}, Lacks: []bool{false, false, false}},
		asked[2]: {Has: []bool{false, false, false}, Lacks: []bool{true, true, true}},
	}, got)
}

// A fault of the connection is none of a role.
func TestRoles_ErrorsOfTheConnection(t *testing.T) {
	for _, kind := range []fakead.FaultKind{fakead.FaultCut, fakead.FaultCutBytes, fakead.FaultMalformed} {
		d := newDomain(t, fakead.Config{})
		ids := d.add(3)
		role := d.group("role", d.group("inner", ids...))
		cfg := d.config()
		cfg.Roles = by(map[string]fakead.GUID{"role": role})
		whole := 0
		for skip := 0; ; skip++ {
			d.ClearFaults()
			struck := d.Struck()
			c := d.open(cfg)
			_, err := list(t.Context(), c) // connects
			require.NoError(t, err)
			seen := 0
			d.Before(func(r fakead.Request) {
				if r.Op == fakead.OpSearch {
					if seen++; seen == skip+1 {
						d.Order(fakead.Fault{Kind: kind, Op: fakead.OpSearch, Times: 1, After: 3})
					}
				}
			})
			got, err := c.Roles(t.Context())
			d.Before(nil)
			if d.Struck() == struck {
				require.NoError(t, err)
				if seen <= skip {
					break
				}
				continue // such a fault does not show in this search
			}
			whole++
			require.Error(t, err, "%s at search %d", kind, skip)
			assert.Nil(t, got)
		}
		assert.NotZero(t, whole, kind)
	}
}
