package adsync_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// busyPlans are of a busy world, and the same under another filter and mapping.
func busyPlans(t *testing.T) (a, b *adsync.Plan) {
	t.Helper()
	entries, users, rules := busyWorld()
	entries[3].State = adsync.StateOutOfScope // u04
	a = mustReconcile(t, entries, users, rules)
	a.Warnings = append(a.Warnings, "of both", "of a")

	entries, users, rules = busyWorld()
	entries[0].State, entries[1].State = adsync.StateOutOfScope, adsync.StateDeleted // u01, u02, who trade names
	entries[2].Phone = "+46 8 777"                                                   // u03
	entries[5].State = adsync.StateOutOfScope                                        // u06, so that u05 has the address
	entries[8].State = adsync.StatePresent                                           // u09
	entries[9].Disabled = true                                                       // u10, who is not reactivated
	entries[10].Username = "LOCAL"                                                   // u11
	entries[14].State = adsync.StateOutOfScope                                       // nils
	entries[6].State = adsync.StateOutOfScope                                        // u07, unproven before
	entries = append(entries, entry(22, "olga", "olga@corp.example"))
	b = mustReconcile(t, entries, users, rules)
	b.Warnings = append(b.Warnings, "of b", "of both")
	return a, b
}

func mustCompare(t *testing.T, a, b *adsync.Plan) *adsync.Comparison {
	t.Helper()
	comparison, err := adsync.Compare(a, b)
	require.NoError(t, err)
	return comparison
}

func TestCompare_InPrint(t *testing.T) {
	a, b := busyPlans(t)
	var out bytes.Buffer
	n, err := mustCompare(t, a, b).WriteTo(&out)
	require.NoError(t, err)
	assert.Equal(t, int64(out.Len()), n)
	assert.NotContains(t, out.String(), "\x1b", "what a terminal would obey must be escaped")
	golden(t, "comparison.txt", out.Bytes())
}

func TestCompare_AsJSON(t *testing.T) {
	a, b := busyPlans(t)
	out, err := json.MarshalIndent(mustCompare(t, a, b), "", "\t")
	require.NoError(t, err)
	golden(t, "comparison.json", append(out, '\n'))
}

func TestCompare_OfTheSamePlans(t *testing.T) {
	a, _ := busyPlans(t)
	comparison := mustCompare(t, a, a)
	assert.Empty(t, comparison.A.Warnings)
	out, err := json.Marshal(comparison)
	require.NoError(t, err)
	assert.Contains(t, string(out), `"counts":{},"differences":[]`)
	var printed strings.Builder
	_, err = comparison.WriteTo(&printed)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(printed.String(), "\n\nBoth plans do the same.\n"), printed.String())
}

func TestCompare_Refuses(t *testing.T) {
	plan := mustReconcile(t, nil, nil, adsync.Rules{Source: "corp"})
	elsewhere := mustReconcile(t, nil, nil, adsync.Rules{Source: "lab"})
	newer := *plan
	newer.Version++
	for _, tt := range []struct {
		name string
		a, b *adsync.Plan
		want string
	}{
		{"no plan", nil, plan, "nil"},
		{"no other plan", plan, nil, "nil"},
		{"another source", plan, elsewhere, "different sources"},
		{"another version", plan, &newer, "plan again"},
		{"another version, first", &newer, plan, "plan again"},
		{"both of another version", &newer, &newer, "plan again"},
	} {
		comparison, err := adsync.Compare(tt.a, tt.b)
		require.ErrorContains(t, err, tt.want, tt.name)
		assert.True(t, strings.HasPrefix(err.Error(), "adsync: "), tt.name)
		assert.Nil(t, comparison, tt.name)
	}
}

// What a plan does not mention is the row, which only the other plan shows.
func TestCompare_Kinds(t *testing.T) {
	bob := user("u1", 1, "bob", "bob@x")
	owner, off, blocked := bob, bob, bob
	owner.Protected, off.Status, blocked.Status = true, adsync.StatusDeactivated, adsync.StatusBlocked
	in, out, gone := entry(1, "bob", "bob@x"), entry(1, "bob", "bob@x"), entry(1, "bob", "bob@x")
	out.State, gone.State = adsync.StateOutOfScope, adsync.StateDeleted
	unproven, disputed, disabled, phone := in, in, in, in
	unproven.State, disputed.State, disabled.Disabled, phone.Phone = adsync.StateUnproven, adsync.StateDisputed, true, "1"
	clashing := entry(1, "bob", "local@x")
	local := adsync.User{ID: "u2", Profile: profile("local", "local@x")}
	for _, tt := range []struct {
		name   string
		user   adsync.User
		a, b   adsync.Entry
		rules  adsync.Rules
		want   adsync.Kind
		fields []adsync.Field
	}{
		{name: "nothing", user: bob, a: in, b: in},
		{name: "deleted", user: bob, a: in, b: gone, want: adsync.KindLeaves},
		{name: "deactivated", user: bob, a: in, b: gone, rules: adsync.Rules{OnDeleted: adsync.Deactivate},
			want: adsync.KindLeaves, fields: []adsync.Field{adsync.FieldStatus}},
		{name: "kept out of scope", user: bob, a: in, b: out, want: adsync.KindLeaves},
		{name: "kept unproven", user: bob, a: in, b: unproven, want: adsync.KindLeaves},
		{name: "disputed", user: bob, a: in, b: disputed, rules: adsync.Rules{OnDeleted: adsync.Keep}, want: adsync.KindLeaves},
		{name: "disabled, and out of scope too", user: bob, a: disabled, b: out, want: adsync.KindLeaves},
		{name: "protected", user: owner, a: in, b: gone, want: adsync.KindLeaves},
		{name: "blocked", user: blocked, a: in, b: out, want: adsync.KindLeaves},
		{name: "kept, then deleted", user: bob, a: out, b: gone, want: adsync.KindLeaves},
		{name: "no more reactivated", user: off, a: in, b: disabled, want: adsync.KindLeaves, fields: []adsync.Field{adsync.FieldStatus}},
		{name: "reactivated", user: off, a: out, b: in, want: adsync.KindEnters, fields: []adsync.Field{adsync.FieldStatus}},
		{name: "found", user: bob, a: unproven, b: in, want: adsync.KindEnters},
		{name: "deleted, then found with a phone", user: bob, a: gone, b: phone, want: adsync.KindEnters},
		{name: "another phone", user: bob, a: in, b: phone, want: adsync.KindChanges, fields: []adsync.Field{adsync.FieldPhone}},
		{name: "the row's phone again", user: bob, a: phone, b: in, want: adsync.KindChanges, fields: []adsync.Field{adsync.FieldPhone}},
		{name: "a duplicate", user: bob, a: in, b: clashing, want: adsync.KindClashes},
		{name: "a duplicate and disabled", user: bob, a: clashing, b: func() adsync.Entry { e := clashing; e.Disabled = true; return e }(), want: adsync.KindReason},
		{name: "no duplicate", user: bob, a: clashing, b: phone, want: adsync.KindSettles, fields: []adsync.Field{adsync.FieldPhone}},
		{name: "disabled", user: bob, a: in, b: disabled, want: adsync.KindReason},
		{name: "another notice", user: bob, a: out, b: unproven, want: adsync.KindReason},
		{name: "deleted for another reason", user: bob, a: gone, b: out, rules: adsync.Rules{OnOutOfScope: adsync.Remove}, want: adsync.KindReason},
		{name: "new", a: out, b: in, rules: adsync.Rules{Import: true}, want: adsync.KindEnters},
		{name: "not new", a: in, b: out, rules: adsync.Rules{Import: true}, want: adsync.KindLeaves},
		{name: "new with a phone", a: in, b: phone, rules: adsync.Rules{Import: true}, want: adsync.KindChanges, fields: []adsync.Field{adsync.FieldPhone}},
		{name: "new, then a duplicate", a: in, b: clashing, rules: adsync.Rules{Import: true}, want: adsync.KindClashes},
		{name: "a duplicate from outside", a: out, b: clashing, rules: adsync.Rules{Import: true}, want: adsync.KindClashes},
		{name: "no duplicate, but new", a: clashing, b: in, rules: adsync.Rules{Import: true}, want: adsync.KindSettles},
		{name: "another duplicate", a: clashing, b: func() adsync.Entry { e := clashing; e.Phone = "1"; return e }(), rules: adsync.Rules{Import: true}, want: adsync.KindReason},
	} {
		t.Run(tt.name, func(t *testing.T) {
			users := []adsync.User{local}
			if tt.user.ID != "" {
				users = append(users, tt.user)
			}
			a := mustReconcile(t, []adsync.Entry{tt.a}, users, tt.rules)
			b := mustReconcile(t, []adsync.Entry{tt.b}, users, tt.rules)
			comparison := mustCompare(t, a, b)
			if tt.want == "" {
				assert.Empty(t, comparison.Differences)
				return
			}
			require.Len(t, comparison.Differences, 1)
			d := comparison.Differences[0]
			assert.Equal(t, tt.want, d.Kind)
			assert.Equal(t, tt.user.ID, d.UserID)
			assert.Equal(t, id(1), d.ObjectID)
			var fields []adsync.Field
			for _, v := range d.Fields {
				fields = append(fields, v.Field)
			}
			assert.Equal(t, tt.fields, fields)
			assert.Equal(t, map[adsync.Kind]int{tt.want: 1}, comparison.Counts)
		})
	}
}

// An owner whose keys are pinned is no leaver.
func TestCompare_OfPinnedKeys(t *testing.T) {
	owner := user("u1", 1, "root", "root@x")
	owner.Protected = true
	rules := adsync.Rules{PinProtected: true}
	a := mustReconcile(t, []adsync.Entry{entry(1, "root", "root@x")}, []adsync.User{owner}, rules)
	b := mustReconcile(t, []adsync.Entry{entry(1, "eve", "root@x")}, []adsync.User{owner}, rules)
	assert.Equal(t, map[adsync.Kind]int{adsync.KindReason: 1}, mustCompare(t, a, b).Counts)
}

// A user may come into question for one account or another.
func TestCompare_OfAccountsThatAreNotLinked(t *testing.T) {
	users := []adsync.User{{ID: "u1", Profile: profile("bob", "bob@x")}}
	a, err := adsync.Adopt([]adsync.Entry{entry(1, "bob", "other@x")}, users, adsync.Rules{})
	require.NoError(t, err)
	b, err := adsync.Adopt([]adsync.Entry{entry(2, "bob", "other@x")}, users, adsync.Rules{})
	require.NoError(t, err)
	comparison := mustCompare(t, a, b)
	assert.Equal(t, map[adsync.Kind]int{adsync.KindReason: 1}, comparison.Counts)
	assert.Contains(t, printed(t, comparison), id(1).String()+"  →  "+id(2).String())
}

// Two plans that leave somebody alike may still not say the same.
func TestCompare_TellsReportsApart(t *testing.T) {
	plan := func(alter func(c *adsync.Change)) *adsync.Plan {
		p := mustReconcile(t, nil, nil, adsync.Rules{})
		bob := user("", 1, "bob", "bob@x")
		c := adsync.Change{Op: adsync.OpDuplicate, Reason: adsync.ReasonTaken, Detail: "words", ObjectID: id(1), After: &bob,
			Conflicts: []adsync.Conflict{{Field: adsync.FieldEmail, Value: "bob@x", With: []string{"u2"}}}}
		alter(&c)
		p.Changes = append(p.Changes, c)
		return p
	}
	nothing := func(*adsync.Change) {}
	alone := func(c *adsync.Change) { c.After = nil }
	for _, tt := range []struct {
		name string
		a, b func(c *adsync.Change)
		same bool
	}{
		{"nothing", nothing, nothing, true},
		{"neither says who is not created", alone, alone, true},
		{"another spelling of the status", nothing, func(c *adsync.Change) { c.After.Status = adsync.StatusActive }, true},
		{"only one says who is not created", nothing, alone, false},
		{"somebody else is not created", nothing, func(c *adsync.Change) { c.After.Phone = "1" }, false},
		{"invalid", nothing, func(c *adsync.Change) { c.Op = adsync.OpInvalid }, false},
		{"another reason", nothing, func(c *adsync.Change) { c.Reason = adsync.ReasonContested }, false},
		{"other words", nothing, func(c *adsync.Change) { c.Detail = "other" }, false},
		{"no conflict", nothing, func(c *adsync.Change) { c.Conflicts = nil }, false},
		{"another key", nothing, func(c *adsync.Change) { c.Conflicts[0].Field = adsync.FieldUsername }, false},
		{"another value", nothing, func(c *adsync.Change) { c.Conflicts[0].Value = "BOB@x" }, false},
		{"another rival", nothing, func(c *adsync.Change) { c.Conflicts[0].With = []string{"u3"} }, false},
	} {
		want := map[adsync.Kind]int{adsync.KindReason: 1}
		if tt.same {
			want = map[adsync.Kind]int{}
		}
		a, b := plan(tt.a), plan(tt.b)
		assert.Equal(t, want, mustCompare(t, a, b).Counts, tt.name)
		assert.Equal(t, want, mustCompare(t, b, a).Counts, "%s, the other way round", tt.name)
	}
}

// Changes that lack what every plan gives them are compared as far as they go.
func TestCompare_OfDamagedPlans(t *testing.T) {
	bob := user("u1", 1, "bob", "")
	eve := bob
	eve.Username = "eve"
	a, b := mustReconcile(t, nil, nil, adsync.Rules{}), mustReconcile(t, nil, nil, adsync.Rules{})
	a.Changes = []adsync.Change{
		adsync.NewUpdate(adsync.ReasonChanged, &bob, &eve),
		{Op: adsync.OpNotice, Reason: adsync.ReasonDisabled, UserID: "u1", ObjectID: id(1)},
		{Op: adsync.OpUpdate, Reason: adsync.ReasonChanged, ObjectID: id(2), Before: &bob, After: &eve},
	}
	assert.Equal(t, map[adsync.Kind]int{adsync.KindChanges: 1, adsync.KindLeaves: 1}, mustCompare(t, a, b).Counts)
	assert.Equal(t, map[adsync.Kind]int{adsync.KindChanges: 1, adsync.KindEnters: 1}, mustCompare(t, b, a).Counts)
}

// A user of whom a plan has several things to say, beside a write, has all of them in print.
func TestCompare_PrintsEachRemark(t *testing.T) {
	bob := user("u1", 1, "bob", "")
	eve := bob
	eve.Phone = "1"
	conflict := func(value, rival string) adsync.Change {
		return adsync.Change{Op: adsync.OpDuplicate, Reason: adsync.ReasonTaken, UserID: "u1", ObjectID: id(1), Before: &bob,
			Conflicts: []adsync.Conflict{{Field: adsync.FieldEmail, Value: value, With: []string{rival}}}}
	}
	a, b := mustReconcile(t, nil, nil, adsync.Rules{}), mustReconcile(t, nil, nil, adsync.Rules{})
	a.Changes = []adsync.Change{adsync.NewUpdate(adsync.ReasonChanged, &bob, &eve), conflict("bob@x", "u2"), conflict("bob@y", "u3")}
	text := strings.Join(strings.Fields(printed(t, mustCompare(t, a, b))), " ")
	assert.Contains(t, text, "email bob@x, also of u2; bob@y, also of u3")
}

// A comparison that was read from JSON may be of a later version, with kinds of its own.
func TestComparison_PrintsAKindThatItDoesNotKnow(t *testing.T) {
	text := printed(t, &adsync.Comparison{Differences: []adsync.Difference{{Kind: "moves", UserID: "u1"}}})
	assert.Contains(t, text, "\n? u1 ")
	assert.Contains(t, text, "moves: nothing to do")
}

// Of a set, what plan b adds to that of plan a and takes away from it is told as a plan does,
// and a text side by side.
func TestCompare_TellsOfSetsAsAPlanDoes(t *testing.T) {
	rules := withExtra("department", "languages")
	rules.Roles = []string{"admin", "editor"}
	has := extra("department", "Sales", "languages", "de", "languages", "fr", "roles", "admin")
	plan := func(told adsync.Extra) *adsync.Plan {
		return mustReconcile(t, []adsync.Entry{entryWith(1, "u1", told)}, []adsync.User{userWith("u1", 1, has)}, rules)
	}
	a := plan(extra("department", "R&D", "languages", "de", "languages", "it", "roles", "admin"))
	b := plan(extra("department", "Legal", "languages", "de", "languages", "en", "roles", "editor"))
	comparison := mustCompare(t, a, b)
	require.Len(t, comparison.Differences, 1)
	assert.Equal(t, []adsync.Values{
		{Field: "department", A: "R&D", B: "Legal"},
		{Field: "languages", A: "de, it", B: "de, en", OnlyA: []string{"it"}, OnlyB: []string{"en"}},
		{Field: "roles", A: "admin", B: "editor", OnlyA: []string{"admin"}, OnlyB: []string{"editor"}},
	}, comparison.Differences[0].Fields)
	text := strings.Join(strings.Fields(printed(t, comparison)), " ")
	assert.Contains(t, text, "department R&D → Legal languages + en languages - it roles + editor roles - admin")
	text = strings.Join(strings.Fields(printed(t, mustCompare(t, b, a))), " ")
	assert.Contains(t, text, "department Legal → R&D languages + it languages - en roles + admin roles - editor")
	c := plan(extra("department", "Legal", "languages", "de", "roles", "editor")) // what looks like a text may be a set of one
	assert.Equal(t, []adsync.Values{{Field: "languages", A: "de", B: "de, en", OnlyB: []string{"en"}}}, mustCompare(t, c, b).Differences[0].Fields)
	assert.Equal(t, []adsync.Values{{Field: "languages", A: "de, en", B: "de", OnlyA: []string{"en"}}}, mustCompare(t, b, c).Differences[0].Fields)
}

// How a plan gets there is no difference.
func TestCompare_LeavesParkingsOut(t *testing.T) {
	ann, bob := user("u1", 1, "ann", ""), user("u2", 2, "bob", "")
	a := mustReconcile(t, []adsync.Entry{entry(1, "bob", ""), entry(2, "ann", "")}, []adsync.User{ann, bob}, adsync.Rules{})
	require.Equal(t, adsync.ReasonParked, a.Changes[0].Reason)
	b := mustReconcile(t, []adsync.Entry{entry(1, "bob", ""), entry(2, "eve", "")}, []adsync.User{ann, bob}, adsync.Rules{})
	comparison := mustCompare(t, a, b)
	require.Len(t, comparison.Differences, 1)
	d := comparison.Differences[0]
	assert.Equal(t, "u2", d.UserID)
	assert.Equal(t, []adsync.Values{{Field: adsync.FieldUsername, A: "ann", B: "eve"}}, d.Fields)

	comparison = mustCompare(t, a, mustReconcile(t, nil, []adsync.User{ann, bob}, adsync.Rules{}))
	require.Len(t, comparison.Differences, 2)
	require.Len(t, comparison.Differences[0].A, 1)
	change := comparison.Differences[0].A[0]
	assert.Equal(t, "ann", change.Before.Username, "the row, and not what the parking left")
	assert.Equal(t, []adsync.Field{adsync.FieldUsername}, change.Fields)
	assert.Empty(t, change.Needs, "they are positions in the plan")
}

// Of a row that changed in between, the comparison cannot tell what the filter did.
func TestCompare_SaysThatTheTableChanged(t *testing.T) {
	was := user("u1", 1, "bob", "bob@x")
	now := was
	now.Phone = "5"
	entries := []adsync.Entry{{ObjectID: id(1), Profile: profile("bob", "new@x")}}
	a := mustReconcile(t, entries, []adsync.User{was}, adsync.Rules{})
	b := mustReconcile(t, entries, []adsync.User{now}, adsync.Rules{})
	comparison := mustCompare(t, a, b)
	assert.Equal(t, []string{"u1"}, comparison.Drifted)
	assert.Empty(t, comparison.Differences, "both lead to the same")
	assert.Contains(t, printed(t, comparison), "Warning: the table changed between the two plans (1 rows of which both speak)")

	several := func(phone string) *adsync.Plan {
		var users []adsync.User
		for n := byte(20); n > 0; n-- {
			key := fmt.Sprintf("u%02d", n)
			u := user(key, n, key, "")
			u.Phone = phone
			users = append(users, u)
		}
		return mustReconcile(t, nil, users, adsync.Rules{OnDeleted: adsync.Keep})
	}
	drifted := mustCompare(t, several("1"), several("2")).Drifted
	assert.Len(t, drifted, 20)
	assert.IsNonDecreasing(t, drifted)

	local, linked := adsync.User{ID: "u2"}, user("u2", 2, "eve", "")
	more := mustReconcile(t, entries, []adsync.User{was, local}, adsync.Rules{})
	assert.Contains(t, printed(t, mustCompare(t, a, more)), "Warning: the table changed", "a user more")
	managed := mustReconcile(t, entries, []adsync.User{was, linked}, adsync.Rules{})
	assert.Contains(t, printed(t, mustCompare(t, more, managed)), "Warning: the table changed", "it was linked")

	spelt := was
	spelt.Status = adsync.StatusActive
	b = mustReconcile(t, entries, []adsync.User{spelt}, adsync.Rules{})
	comparison = mustCompare(t, a, b)
	assert.Empty(t, comparison.Drifted, "an empty status is an active one")
	assert.Empty(t, comparison.Differences)

	fewer := mustReconcile(t, entries, []adsync.User{was}, adsync.Rules{Only: []string{}})
	assert.Contains(t, printed(t, mustCompare(t, a, fewer)), "Warning: the two plans are not about the same users")
	assert.NotContains(t, printed(t, mustCompare(t, a, a)), "Warning")
}

func printed(t *testing.T, c *adsync.Comparison) string {
	t.Helper()
	var out strings.Builder
	_, err := c.WriteTo(&out)
	require.NoError(t, err)
	return out.String()
}

// Whatever somebody sends as two plans, they are compared or refused.
func FuzzCompare(f *testing.F) {
	entries, users, rules := busyWorld()
	plan, err := adsync.Reconcile(entries, users, rules)
	require.NoError(f, err)
	f.Add(mustJSON(plan), []byte(`{"version":1,"changes":[]}`))
	f.Add([]byte(`{"version":1,"changes":[{"op":"update","user_id":"1"},{"op":"create"},{"op":"delete","user_id":"2"},{"op":"notice"}]}`),
		[]byte(`{"version":1,"changes":[{"op":"update","user_id":"1","interim":true},{"op":"update","user_id":"1","before":{"id":"1"},"after":{"id":"1","username":"x"}},{"op":"x"}]}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var a, b adsync.Plan
		if json.Unmarshal(first, &a) != nil || json.Unmarshal(second, &b) != nil {
			t.Skip()
		}
		comparison, err := adsync.Compare(&a, &b)
		if err != nil {
			return
		}
		mirrored, err := adsync.Compare(&b, &a)
		require.NoError(t, err)
		require.Len(t, mirrored.Differences, len(comparison.Differences))
		require.Equal(t, comparison.Counts[adsync.KindLeaves], mirrored.Counts[adsync.KindEnters])
		require.NotEmpty(t, printed(t, comparison))
		same, err := adsync.Compare(&a, &a)
		require.NoError(t, err)
		require.Empty(t, same.Differences)
	})
}

// worldVariations are what one might ask "what if" of, over the same table.
var worldVariations = []func(w *world){
	func(*world) {},
	func(w *world) { w.entries = nil }, // a filter that nobody matches, and everybody is proven gone
	func(w *world) {
		for i := range w.entries {
			w.entries[i].State = adsync.StateUnproven
		}
	},
	func(w *world) {
		for i := range w.entries {
			if w.entries[i].ObjectID[0]%2 == 0 {
				w.entries[i].State = adsync.StateOutOfScope
			}
		}
	},
	func(w *world) {
		for i := range w.entries {
			w.entries[i].State, w.entries[i].Disabled, w.entries[i].DisabledUnknown = "", false, false
		}
	},
	func(w *world) {
		w.rules.onDeleted, w.rules.onDisabled = adsync.Deactivate, adsync.Deactivate
		w.rules.onOutOfScope, w.rules.onUnproven = adsync.Deactivate, adsync.Deactivate
	},
	func(w *world) {
		w.rules.onDeleted, w.rules.onDisabled = adsync.Keep, adsync.Keep
		w.rules.onOutOfScope, w.rules.onUnproven = adsync.Keep, adsync.Keep
	},
	func(w *world) { w.rules.onOutOfScope, w.rules.onUnproven = adsync.Remove, adsync.Remove },
	func(w *world) { w.rules.mapping, w.rules.pin = "mail-from-name", !w.rules.pin },
	func(w *world) { w.rules.mapping = "refuse-phone-0" },
	func(w *world) {
		w.rules.imports, w.rules.fields, w.rules.require = !w.rules.imports, nil, nil
	},
	func(w *world) {
		for i := range w.entries { // each gets the username of another
			w.entries[i].Username = w.entries[(i+1)%len(w.entries)].Username
		}
	},
}

func (w world) varied(vary func(*world)) world {
	w.entries, w.users = slices.Clone(w.entries), slices.Clone(w.users)
	vary(&w)
	return w
}

// Compare finds just what a simulation of both plans, row by row, finds.
func TestCompare_FindsWhateverDiffers(t *testing.T) {
	seen := map[adsync.Kind]int{}
	inWorlds(t, 60, func(w world) error { return comparesVariations(w, reconcile, seen) })
	for _, kind := range allKinds {
		assert.Positive(t, seen[kind], kind)
	}
}

func TestCompare_OfAdoptions(t *testing.T) {
	seen := map[adsync.Kind]int{}
	byUsername := func(w world) (*adsync.Plan, error) {
		rules := w.rules.adsync()
		if w.rules.pin {
			rules.AdoptBy = []adsync.Field{adsync.FieldUsername}
		}
		return adsync.Adopt(slices.Clone(w.entries), slices.Clone(w.users), rules)
	}
	inWorlds(t, 50, func(w world) error { return comparesVariations(manyLocal(w), byUsername, seen) })
	assert.Positive(t, seen[adsync.KindChanges])
	assert.Positive(t, seen[adsync.KindReason])
}

var allKinds = []adsync.Kind{
	adsync.KindLeaves, adsync.KindEnters, adsync.KindClashes, adsync.KindSettles, adsync.KindChanges, adsync.KindReason,
}

func comparesVariations(w world, planned func(world) (*adsync.Plan, error), seen map[adsync.Kind]int) error {
	a, err := planned(w)
	if err != nil {
		return err
	}
	for i, vary := range worldVariations {
		b, err := planned(w.varied(vary))
		if err != nil {
			return err
		}
		if err := comparesRightly(w, a, b, seen); err != nil {
			return fmt.Errorf("variation %d: %w", i, err)
		}
	}
	return nil
}

func comparesRightly(w world, a, b *adsync.Plan, seen map[adsync.Kind]int) error {
	digests := a.Digest() + b.Digest()
	got, err := adsync.Compare(a, b)
	if err != nil {
		return err
	}
	mirrored, err := adsync.Compare(b, a)
	if err != nil {
		return err
	}
	again, err := adsync.Compare(a, b)
	if err != nil {
		return err
	}
	var throughJSON adsync.Comparison
	if err := json.Unmarshal(mustJSON(got), &throughJSON); err != nil {
		return err
	}
	for i, d := range got.Differences {
		seen[d.Kind]++
		if i > 0 && !(allOrder(got.Differences[i-1]) < allOrder(d)) {
			return fmt.Errorf("difference %d is out of order", i)
		}
	}
	switch {
	case digests != a.Digest()+b.Digest():
		return errors.New("a plan was changed")
	case !bytes.Equal(mustJSON(got), mustJSON(again)):
		return errors.New("not the same the second time")
	case !bytes.Equal(mustJSON(got), mustJSON(throughJSON)):
		return errors.New("it does not survive JSON")
	case len(got.Drifted) > 0:
		return fmt.Errorf("%q drifted", got.Drifted)
	}
	if diff := gocmp.Diff(bySubject(got.Differences), bySubject(mirror(mirrored.Differences))); diff != "" {
		return fmt.Errorf("-compared +mirrored:\n%s", diff)
	}
	want := simulated(w, a).differences(simulated(w, b))
	told := map[string]string{}
	counts := map[adsync.Kind]int{}
	for who, d := range bySubject(got.Differences) {
		told[who] = fmt.Sprint(d.Kind, d.Fields)
		counts[d.Kind]++
	}
	if diff := gocmp.Diff(want, told); diff != "" || len(told) != len(got.Differences) {
		return fmt.Errorf("-simulated +compared:\n%s", diff)
	}
	if diff := gocmp.Diff(counts, got.Counts); diff != "" {
		return fmt.Errorf("-counted +told:\n%s", diff)
	}
	return nil
}

// allOrder is a text that sorts as the differences must.
func allOrder(d adsync.Difference) string {
	isNew := d.UserID == ""
	return fmt.Sprintf("%d %t %s\x00%s", slices.Index(allKinds, d.Kind), isNew, d.UserID, d.ObjectID)
}

func subjectOf(userID string, objectID adsync.ObjectID) string {
	if userID != "" {
		return "user " + userID
	}
	return "account " + objectID.String()
}

func bySubject(differences []adsync.Difference) map[string]adsync.Difference {
	found := map[string]adsync.Difference{}
	for _, d := range differences {
		found[subjectOf(d.UserID, d.ObjectID)] = d
	}
	return found
}

func mirror(differences []adsync.Difference) []adsync.Difference {
	mirrors := map[adsync.Kind]adsync.Kind{
		adsync.KindLeaves: adsync.KindEnters, adsync.KindEnters: adsync.KindLeaves,
		adsync.KindClashes: adsync.KindSettles, adsync.KindSettles: adsync.KindClashes,
		adsync.KindChanges: adsync.KindChanges, adsync.KindReason: adsync.KindReason,
	}
	var list []adsync.Difference
	for _, d := range differences {
		d.Kind, d.A, d.B = mirrors[d.Kind], d.B, d.A
		d.Fields = slices.Clone(d.Fields)
		for i := range d.Fields {
			v := &d.Fields[i]
			v.A, v.B, v.OnlyA, v.OnlyB = v.B, v.A, v.OnlyB, v.OnlyA
		}
		list = append(list, d)
	}
	return list
}

// simulation is what a table and a reader hold when a plan is through.
type simulation struct {
	rows      map[string]map[string]string // by subject: the user, field by field
	told      map[string][]string          // by subject: in one line each
	out       map[string]bool              // of whom the plan says that the directory does not list the account
	leftAlone map[string]bool              // who is a duplicate or invalid
}

func simulated(w world, p *adsync.Plan) simulation {
	s := simulation{map[string]map[string]string{}, map[string][]string{}, map[string]bool{}, map[string]bool{}}
	for _, u := range w.users {
		s.rows[subjectOf(u.ID, u.ObjectID)] = fieldTexts(u)
	}
	for _, c := range p.Changes {
		who := subjectOf(c.UserID, c.ObjectID)
		line := fmt.Sprint(c.Op, c.Reason, c.Detail, c.ObjectID, string(mustJSON(c.Conflicts)))
		switch c.Op {
		case adsync.OpUpdate, adsync.OpCreate:
			s.rows[who] = fieldTexts(*c.After)
		case adsync.OpDelete:
			delete(s.rows, who)
		case adsync.OpDuplicate, adsync.OpInvalid:
			s.leftAlone[who] = true
			if c.After != nil {
				line += string(mustJSON(c.After))
			}
		}
		if !c.Interim {
			s.told[who] = append(s.told[who], line)
		}
		for _, why := range []string{"deleted", "out-of-scope", "unproven", "disputed"} {
			if string(c.Reason) == why || c.Reason == adsync.ReasonProtected && c.Detail == "would be removed as "+why {
				s.out[who] = true
			}
		}
	}
	return s
}

func fieldTexts(u adsync.User) map[string]string {
	texts := map[string]string{"status": string(u.Status), "object_id": "", "source": u.Source}
	if u.Status == "" {
		texts["status"] = "active"
	}
	if !u.ObjectID.IsZero() {
		texts["object_id"] = u.ObjectID.String()
	}
	for _, f := range detailFields {
		texts[string(f)] = u.Get(f)
	}
	for _, f := range u.Extra.Fields() {
		texts[string(f)] = strings.Join(u.Extra.Set(f), ", ")
	}
	return texts
}

// differences says of each with whom the two do not end alike how: the kind and the
// fields, in one line.
func (s simulation) differences(other simulation) map[string]string {
	everybody := map[string]bool{}
	for _, of := range []simulation{s, other} {
		for who := range of.rows {
			everybody[who] = true
		}
		for who := range of.told {
			everybody[who] = true
		}
	}
	found := map[string]string{}
	for who := range everybody {
		was, now := s.rows[who], other.rows[who]
		var fields []adsync.Values
		all := append(slices.Clone(detailFields), fieldTeam, adsync.FieldHostRoles, fieldLangs, adsync.FieldRoles,
			adsync.FieldStatus, adsync.FieldObjectID, adsync.FieldSource)
		for _, f := range all {
			a, b := was[string(f)], now[string(f)]
			if was == nil || now == nil || a == b {
				continue
			}
			v := adsync.Values{Field: f, A: a, B: b}
			if f == adsync.FieldRoles || strings.Contains(a+b, ", ") {
				v.OnlyA, v.OnlyB = membersBeyond(a, b), membersBeyond(b, a)
			}
			fields = append(fields, v)
		}
		if kind := s.kind(other, who, len(fields) > 0); kind != "" {
			found[who] = fmt.Sprint(kind, fields)
		}
	}
	return found
}

// membersBeyond are those of the first list that are not in the second.
func membersBeyond(list, other string) []string {
	return slices.DeleteFunc(strings.Split(list, ", "), func(text string) bool { return text == "" || slices.Contains(strings.Split(other, ", "), text) })
}

func (s simulation) kind(other simulation, who string, changed bool) adsync.Kind {
	kind := []adsync.Kind{adsync.KindSettles, adsync.KindClashes}[asNumber(other.leftAlone[who])]
	switch better := slices.Compare(other.worth(who), s.worth(who)); {
	case strings.HasPrefix(who, "account") && s.leftAlone[who] != other.leftAlone[who]:
		return kind
	case better < 0:
		return adsync.KindLeaves
	case better > 0:
		return adsync.KindEnters
	case s.leftAlone[who] != other.leftAlone[who]:
		return kind
	case changed:
		return adsync.KindChanges
	case !slices.Equal(s.told[who], other.told[who]):
		return adsync.KindReason
	}
	return ""
}

// worth is whether there is such a user, an active one, and one whom the directory lists.
func (s simulation) worth(who string) []int {
	row := s.rows[who]
	if row == nil {
		return []int{0}
	}
	return []int{1, asNumber(row["status"] == "active"), asNumber(!s.out[who])}
}

func asNumber(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Somebody who waits to be removed is as far from staying as the reason for it.
func TestCompare_OfLeaversByTheirReasons(t *testing.T) {
	waiting := user("u1", 1, "ann", "")
	waiting.Status, waiting.DeactivatedAt = adsync.StatusDeactivated, at(2)
	disabled := entry(1, "ann", "")
	disabled.Disabled = true
	plan := func(e adsync.Entry) *adsync.Plan {
		return mustReconcile(t, []adsync.Entry{e}, []adsync.User{waiting}, adsync.Rules{RemoveAfter: 30 * day, Now: at(3), OnDisabled: adsync.Remove})
	}
	gone, off := plan(adsync.Entry{ObjectID: id(1), State: adsync.StateDeleted}), plan(disabled)
	waiting.Protected = true
	goneProtected, offProtected := plan(adsync.Entry{ObjectID: id(1), State: adsync.StateDeleted}), plan(disabled)
	waiting.Protected, waiting.Status, waiting.DeactivatedAt = false, "", 0
	goneActive, offActive := plan(adsync.Entry{ObjectID: id(1), State: adsync.StateDeleted}), plan(disabled)
	for _, tt := range []struct {
		a, b *adsync.Plan
		want map[adsync.Kind]int
	}{
		{gone, off, map[adsync.Kind]int{adsync.KindEnters: 1}},
		{off, gone, map[adsync.Kind]int{adsync.KindLeaves: 1}},
		{gone, gone, map[adsync.Kind]int{}},
		{goneProtected, offProtected, map[adsync.Kind]int{adsync.KindEnters: 1}},
		{goneActive, offActive, map[adsync.Kind]int{adsync.KindEnters: 1}},
	} {
		assert.Equal(t, tt.want, mustCompare(t, tt.a, tt.b).Counts)
	}
}
