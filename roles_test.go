package adsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withRoles is a set of details in which only the roles are not the five.
func withRoles(roles ...string) Extra { return Extra{}.With(FieldRoles, roles...) }

// roleID is an ObjectID for a name.
func roleID(name string) (id ObjectID) {
	copy(id[:], "role-test-"+name)
	return id
}

func userWith(name string, roles ...string) User {
	return User{ID: name, ObjectID: roleID(name), Source: "ad", Profile: Profile{Username: name, Extra: withRoles(roles...)}}
}

func entryWith(name string, roles ...string) Entry {
	return Entry{ObjectID: roleID(name), Profile: Profile{Username: name, Extra: withRoles(roles...)}}
}

func mustPlan(t *testing.T, entries []Entry, users []User, rules Rules) *Plan {
	t.Helper()
	plan, err := Reconcile(entries, users, rules)
	require.NoError(t, err)
	return plan
}

// roleText is what a plan says of roles: who is given and loses what, and the notices.
func roleText(p *Plan) []string {
	list := []string{}
	for i := range p.Changes {
		c := &p.Changes[i]
		switch {
		case c.rewrites():
			list = append(list, fmt.Sprintf("%s %s: %s to %s", c.Op, c.UserID, strings.Join(c.Before.Extra.Set(FieldRoles), " "), strings.Join(c.After.Extra.Set(FieldRoles), " ")))
		case c.Op == OpCreate:
			list = append(list, fmt.Sprintf("%s: %s", c.Op, strings.Join(c.After.Extra.Set(FieldRoles), " ")))
		default:
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", c.Op, c.Reason, c.UserID, c.Detail)))
		}
	}
	return list
}

func TestRoles_AreDecidedApartFromDetails(t *testing.T) {
	rules := Rules{Source: "ad", Roles: []string{"admin", "editor"}}
	protected := userWith("ann", "admin", "vip")
	protected.Protected = true
	torn := entryWith("ann", "editor")
	torn.Phone = "1"
	unknown := entryWith("ann", "editor")
	unknown.Unknown = withRoles("admin", "editor")
	nameless := entryWith("ann", "editor")
	nameless.Username = ""
	taken := entryWith("ann", "editor")
	taken.Username = "bob"
	gone := func(state State) Entry {
		e := entryWith("ann", "editor")
		e.State = state
		return e
	}
	tests := map[string]struct {
		user    User
		entries []Entry
		rules   func(*Rules)
		want    []string
	}{
		"given and taken":             {userWith("ann", "admin", "vip"), []Entry{entryWith("ann", "editor", "other")}, nil, []string{"update ann: admin vip to editor vip"}},
		"as it is":                    {userWith("ann", "admin", "vip"), []Entry{entryWith("ann", "admin", "other")}, nil, []string{}},
		"unknown":                     {userWith("ann", "admin"), []Entry{unknown}, nil, []string{}},
		"protected":                   {protected, []Entry{entryWith("ann", "editor")}, nil, []string{"update ann: admin vip to admin editor vip", "notice protected ann would lose the role admin"}},
		"a duplicate":                 {userWith("ann", "admin"), []Entry{taken}, nil, []string{"update ann: admin to ", "duplicate taken ann"}},
		"invalid":                     {userWith("ann", "admin"), []Entry{nameless}, nil, []string{"update ann: admin to ", "invalid no-username ann"}},
		"out of scope":                {userWith("ann", "admin"), []Entry{gone(StateOutOfScope)}, nil, []string{"update ann: admin to ", "notice out-of-scope ann"}},
		"out of scope, deactivated":   {userWith("ann", "admin"), []Entry{gone(StateOutOfScope)}, func(r *Rules) { r.OnOutOfScope = Deactivate }, []string{"update ann: admin to "}},
		"out of scope, removed":       {userWith("ann", "admin"), []Entry{gone(StateOutOfScope)}, func(r *Rules) { r.OnOutOfScope = Remove }, []string{"delete out-of-scope ann"}},
		"unproven":                    {userWith("ann", "admin"), []Entry{gone(StateUnproven)}, nil, []string{"notice unproven ann"}},
		"disputed":                    {userWith("ann", "admin"), []Entry{gone(StateDisputed)}, nil, []string{"update ann: admin to admin"}},
		"deleted and kept":            {userWith("ann", "admin"), []Entry{gone(StateDeleted)}, func(r *Rules) { r.OnDeleted = Keep }, []string{"notice deleted ann"}},
		"listed twice":                {userWith("ann", "admin"), []Entry{entryWith("ann", "editor"), torn}, nil, []string{"duplicate listed-twice ann"}},
		"listed twice, other roles":   {userWith("ann", "admin"), []Entry{entryWith("ann", "admin"), entryWith("ann", "editor")}, nil, []string{"duplicate listed-twice ann"}},
		"not asked, and twice":        {userWith("ann", "admin"), []Entry{entryWith("ann", "admin"), entryWith("ann", "editor")}, func(r *Rules) { r.Roles = nil }, []string{}},
		"roles that nobody has asked": {userWith("ann", "admin"), []Entry{entryWith("ann", "editor")}, func(r *Rules) { r.Roles = nil }, []string{}},
		"a map has no say": {userWith("ann", "admin"), []Entry{entryWith("ann", "editor")}, func(r *Rules) {
			r.Map = func(e Entry) (Profile, error) { return Profile{Username: e.Username, Extra: withRoles("admin")}, nil }
		}, []string{"update ann: admin to editor"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := rules
			if tt.rules != nil {
				tt.rules(&r)
			}
			local := User{ID: "bob", Profile: Profile{Username: "bob"}}
			plan, err := Reconcile(tt.entries, []User{tt.user, local}, r)
			require.NoError(t, err)
			assert.Equal(t, tt.want, roleText(plan))
		})
	}
}

func TestRoles_OfTwinsAndNewUsers(t *testing.T) {
	rules := Rules{Source: "ad", Roles: []string{"admin", "editor"}, Import: true}
	one, two := userWith("ann", "admin"), userWith("ann", "editor")
	two.ID, two.Username = "ann2", "ann2"
	plan, err := Reconcile([]Entry{entryWith("ann", "editor"), entryWith("new", "admin", "vip")}, []User{one, two}, rules)
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin to ", "create: admin", "duplicate linked-twice ann", "duplicate linked-twice ann2"}, roleText(plan),
		"both keep their details, and who has no right to a role loses it")
	assert.Equal(t, map[string]int{"admin": 1}, plan.Stats.Roles)
}

func TestLimits_CountRoles(t *testing.T) {
	var users []User
	var entries []Entry
	for i := range 40 {
		name := fmt.Sprintf("u%02d", i)
		has, says := []string{"every"}, []string{"every"}
		if i < 10 {
			has, says = append(has, "old"), append(says, "new")
		}
		users, entries = append(users, userWith(name, has...)), append(entries, entryWith(name, says...))
	}
	plan, err := Reconcile(entries, users, Rules{Source: "ad", Roles: []string{"every", "new", "old"}})
	require.NoError(t, err)
	check := func(l Limits) string {
		var beyond *LimitError
		if !assert.ErrorAs(t, plan.Check(l), &beyond) {
			return ""
		}
		assert.ErrorIs(t, beyond, ErrUnsafe)
		return strings.TrimSpace(fmt.Sprintf("%s %d %d %s", beyond.Limit, beyond.Count, beyond.Allowed, beyond.Role))
	}
	assert.Equal(t, "MaxGranted 10 4", check(Limits{}))
	assert.Equal(t, "MaxRevoked 10 4", check(Limits{MaxGranted: -1}))
	assert.Equal(t, "MaxRevoked 10 9", check(Limits{MaxGranted: -1, MaxRevoked: 9, MaxRemovalRatio: -1}))
	assert.Equal(t, "MaxRevoked 10 9 old", check(Limits{MaxGranted: -1, MaxRevoked: 10, MaxRemovalRatio: -1}), "nobody would have it any more")
	require.ErrorContains(t, plan.Check(Limits{MaxGranted: -1, MaxRevoked: 10, MaxRemovalRatio: -1}), `takes the role "old" from all 10 users who have it`)
	require.NoError(t, plan.Check(Limits{MaxGranted: -1, MaxRevoked: -1}))
	stays := slices.Clone(users)
	stays[20].Extra = withRoles("every", "old")
	entries[20].Extra = withRoles("every", "old")
	plan, err = Reconcile(entries, stays, Rules{Source: "ad", Roles: []string{"every", "new", "old"}})
	require.NoError(t, err)
	require.NoError(t, plan.Check(Limits{MaxGranted: -1, MaxRevoked: 10, MaxRemovalRatio: -1}))

	one := mustPlan(t, []Entry{entryWith("ann")}, []User{userWith("ann", "old"), userWith("bob", "other")}, Rules{Source: "ad", Roles: []string{"old"}, OnDeleted: Keep})
	require.NoError(t, one.Check(Limits{}), "one who has a role alone may lose it")

	// Whoever keeps the role whatever the directory says is nobody who is left in it.
	for name, keeper := range map[string]User{
		"protected":  {ID: "keeper", Source: "ad", ObjectID: entries[20].ObjectID, Profile: stays[20].Profile, Protected: true},
		"the host's": {ID: "keeper", Source: "ad", ObjectID: entries[20].ObjectID, Profile: stays[20].Profile},
	} {
		keeper.Extra = withRoles("every", "old")
		if !keeper.Protected {
			keeper.Extra = keeper.Extra.With(FieldHostRoles, "old")
		}
		kept := slices.Clone(stays)
		kept[20] = keeper
		entries[20].Extra = withRoles("every")
		plan, err = Reconcile(entries, kept, Rules{Source: "ad", Roles: []string{"every", "new", "old"}})
		require.NoError(t, err)
		assert.Equal(t, "MaxRevoked 10 9 old", check(Limits{MaxGranted: -1, MaxRevoked: 10, MaxRemovalRatio: -1}), name)
		require.NoError(t, plan.Check(Limits{MaxGranted: -1, MaxRevoked: -1}), name)
	}
}

// Of several roles that would lose all their users the first is named, and whoever is deleted
// with a role does not keep it.
func TestLimits_NoRoleLosesAllItsUsers(t *testing.T) {
	rules := Rules{Source: "ad", Roles: []string{"a", "b"}}
	gone := entryWith("ann")
	gone.State = StateDeleted
	lifted := Limits{MaxRemovalRatio: -1}
	for name, tt := range map[string]struct {
		entries []Entry
		users   []User
		want    string
	}{
		"two roles":             {[]Entry{entryWith("ann"), entryWith("bob")}, []User{userWith("ann", "a", "b"), userWith("bob", "b", "a")}, "a 2"},
		"one deleted":           {[]Entry{gone, entryWith("bob"), entryWith("cat")}, []User{userWith("ann", "b"), userWith("bob", "b"), userWith("cat", "b")}, "b 2"},
		"one of another role":   {[]Entry{gone, entryWith("bob"), entryWith("cat"), entryWith("dan", "b")}, []User{userWith("ann", "a"), userWith("bob", "b"), userWith("cat", "b"), userWith("dan", "b")}, ""},
		"all deleted":           {[]Entry{gone}, []User{userWith("ann", "a")}, ""},
		"one loses, one leaves": {[]Entry{gone, entryWith("bob")}, []User{userWith("ann", "a"), userWith("bob", "a")}, ""},
		"one is left":           {[]Entry{entryWith("ann"), entryWith("bob"), entryWith("cat", "a")}, []User{userWith("ann", "a"), userWith("bob", "a"), userWith("cat", "a")}, ""},
	} {
		for range 5 { // roles are counted in no order
			plan := mustPlan(t, tt.entries, tt.users, rules)
			err := plan.Check(lifted)
			if tt.want == "" {
				require.NoError(t, err, name)
				continue
			}
			var beyond *LimitError
			require.ErrorAs(t, err, &beyond, name)
			assert.Equal(t, tt.want, fmt.Sprint(beyond.Role, " ", beyond.Count), name)
		}
	}
}

func TestRoles_OfAProtectedUserAreNamed(t *testing.T) {
	for want, roles := range map[string][]string{"would lose the role admin": {"admin"}, "would lose the roles admin, editor": {"admin", "editor"}} {
		u := userWith("ann", roles...)
		u.Protected = true
		plan := mustPlan(t, []Entry{entryWith("ann")}, []User{u}, Rules{Source: "ad", Roles: roles})
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, want, plan.Changes[0].Detail)
	}
}
