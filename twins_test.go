package adsync_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// Whatever the order of the rows, each of several users of one account is told of all the
// others, in order.
func TestTwins_AreNamedInOrder(t *testing.T) {
	users := []adsync.User{user("a", 1, "ann", ""), user("b", 1, "ben", ""), user("c", 1, "cleo", ""), user("d", 1, "dan", "")}
	want := map[string][]string{"a": {"b", "c", "d"}, "b": {"a", "c", "d"}, "c": {"a", "b", "d"}, "d": {"a", "b", "c"}}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		r.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
		plan, err := adsync.Reconcile([]adsync.Entry{entry(1, "ann", "")}, users, adsync.Rules{})
		require.NoError(t, err)
		got := map[string][]string{}
		for _, c := range plan.Changes {
			require.Equal(t, adsync.ReasonLinkedTwice, c.Reason)
			got[c.UserID] = c.Conflicts[0].With
		}
		require.Equal(t, want, got)
	}
}

// Two rows of one ID cannot both be meant: it is enough that one of them is to be written.
func TestReconcile_RefusesTwoUsersOfOneID(t *testing.T) {
	changed := user("1", 1, "ann", "")
	same := adsync.User{ID: "1", Profile: profile("ann", "")}
	for _, users := range [][]adsync.User{{changed, same}, {same, changed}} {
		e := entry(1, "ann", "")
		e.Phone = "+1"
		_, err := adsync.Reconcile([]adsync.Entry{e}, users, adsync.Rules{})
		assert.ErrorContains(t, err, `two users have the ID "1"`)
	}
	// Nothing is said of either where it is not known whether their accounts are disabled.
	both := []adsync.Entry{entry(1, "ann", ""), entry(2, "bob", "")}
	both[0].DisabledUnknown, both[1].DisabledUnknown = true, true
	plan, err := adsync.Reconcile(both, []adsync.User{changed, user("1", 2, "bob", "")}, adsync.Rules{})
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
}

// Of entries of one account that do not contradict each other the same one counts, whichever
// comes first: the one that knows more, or says that something ends later.
func TestReconcile_CountsTheEntryThatSaysMore(t *testing.T) {
	leaver := user("1", 1, "ann", "")
	leaver.Status, leaver.DeactivatedAt = adsync.StatusDeactivated, at(0)
	admin := user("1", 1, "ann", "")
	admin.Extra = extra("roles", "admin", "roles", "clerk")
	said := func(edit func(*adsync.Entry)) adsync.Entry {
		e := entry(1, "ann", "")
		edit(&e)
		return e
	}
	gone := func(when adsync.Moment) adsync.Entry {
		return said(func(e *adsync.Entry) { e.State, e.DeletedAt = adsync.StateDeleted, when })
	}
	unknown := func(roles ...string) adsync.Entry {
		return said(func(e *adsync.Entry) { e.Unknown = adsync.Extra{}.With(adsync.FieldRoles, roles...) })
	}
	named := func(dn string) adsync.Entry { return said(func(e *adsync.Entry) { e.DN = dn }) }
	byDN := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		e.LastName = e.DN
		return e.Profile, nil
	}}
	waits, roles := adsync.Rules{RemoveAfter: 30 * day, Now: at(31)}, adsync.Rules{Roles: []string{"admin", "clerk"}}
	for name, test := range map[string]struct {
		entries []adsync.Entry
		user    adsync.User
		rules   adsync.Rules
		want    func(*adsync.Plan) string
		is      string
	}{
		"a later deletion":   {[]adsync.Entry{gone(at(1)), gone(at(2)), gone(0)}, leaver, waits, func(p *adsync.Plan) string { return p.Changes[0].Due().String() }, at(32).String()},
		"the flag":           {[]adsync.Entry{said(func(e *adsync.Entry) { e.DisabledUnknown = true }), entry(1, "ann", "")}, leaver, waits, func(p *adsync.Plan) string { return string(p.Changes[0].Reason) }, "reactivated"},
		"more of the roles":  {[]adsync.Entry{unknown("admin", "clerk"), unknown("admin")}, admin, roles, func(p *adsync.Plan) string { return p.Changes[0].After.Extra.Text("roles") }, "admin"},
		"all of the roles":   {[]adsync.Entry{unknown("admin"), unknown(), unknown("clerk")}, admin, roles, func(p *adsync.Plan) string { return p.Changes[0].After.Extra.Text("roles") }, ""},
		"as much of them":    {[]adsync.Entry{unknown("clerk"), unknown("admin")}, admin, roles, func(p *adsync.Plan) string { return p.Changes[0].After.Extra.Text("roles") }, "admin"},
		"nothing but its DN": {[]adsync.Entry{named("CN=b"), named("CN=a"), named("CN=c")}, user("1", 1, "ann", ""), byDN, func(p *adsync.Plan) string { return p.Changes[0].After.LastName }, "CN=a"},
	} {
		for range test.entries {
			plan := mustReconcile(t, test.entries, []adsync.User{test.user}, test.rules)
			require.Len(t, plan.Changes, 1, name)
			assert.Equal(t, test.is, test.want(plan), name)
			last := len(test.entries) - 1
			test.entries = append([]adsync.Entry{test.entries[last]}, test.entries[:last]...)
		}
	}
}

// An entry that is asked for by name, and cannot be imported, is reported with the reason,
// and nobody is created.
func TestImport_TellsWhyNot(t *testing.T) {
	elsewhere := user("9", 6, "felix", "")
	elsewhere.Source = "hr"
	disabled, unknown, nameless := entry(3, "cleo", ""), entry(4, "dan", ""), entry(7, "", "")
	disabled.Disabled, unknown.DisabledUnknown = true, true
	dir := adsync.StaticDirectory{
		{ObjectID: id(1), Profile: profile("ann", ""), State: adsync.StateOutOfScope},
		{ObjectID: id(2), State: adsync.StateDeleted}, disabled, unknown, entry(5, "eve", ""), entry(6, "felix", ""), nameless,
	}
	store := adsync.NewMemoryStore(user("5", 5, "eve", ""), elsewhere)
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context(), adsync.ImportEntries(id(1), id(2), id(3), id(4), id(5), id(6), id(7)))
	require.NoError(t, err)
	got := map[adsync.ObjectID]string{}
	for _, c := range plan.Changes {
		got[c.ObjectID] = string(c.Op) + " " + string(c.Reason)
	}
	assert.Equal(t, map[adsync.ObjectID]string{
		id(1): "notice out-of-scope", id(2): "notice deleted", id(3): "notice disabled", id(4): "notice unknown",
		id(5): "notice linked", id(6): "notice linked", id(7): "invalid no-username",
	}, got)
	assert.Len(t, plan.Changes, 7)
}

// What is said of one account more than once is one thing where a plan takes it for that: a
// detail that is not synchronised, and values that the user does not get, do not count.
func TestApply_ComparesWhatAPlanCompares(t *testing.T) {
	say := func(change func(*adsync.Entry)) adsync.Entry {
		e := entry(1, "ann", "ann@x")
		e.Extra = extra("department", "a")
		change(&e)
		return e
	}
	several := func(emails ...string) adsync.Entry {
		return say(func(e *adsync.Entry) { e.Email, e.Others = "", adsync.Extra{}.With(adsync.FieldEmail, emails...) })
	}
	manyDNs, many := []adsync.Entry{}, []adsync.Entry{}
	for i := range 40 {
		dn := strconv.Itoa(i)
		manyDNs = append(manyDNs, say(func(e *adsync.Entry) { e.DN = dn }))
		many = append(many, several("ann@x", "z"+dn+"@x"))
	}
	for name, test := range map[string]struct {
		said []adsync.Entry
		want adsync.Outcome
	}{
		"in a detail that is not synchronised": {[]adsync.Entry{say(func(e *adsync.Entry) { e.Extra = e.Extra.With("title", "a") }),
			say(func(e *adsync.Entry) { e.Extra = e.Extra.With("title", "b") })}, adsync.OutcomeApplied},
		"in several values of one that is not": {[]adsync.Entry{say(func(e *adsync.Entry) { e.Others = extra("title", "a", "title", "b") }),
			say(func(e *adsync.Entry) { e.Others = extra("title", "c", "title", "d") })}, adsync.OutcomeApplied},
		"in one that is": {[]adsync.Entry{say(func(*adsync.Entry) {}),
			say(func(e *adsync.Entry) { e.Extra = extra("department", "b") })}, adsync.OutcomeStale},
		"in values that the user does not get": {[]adsync.Entry{several("ann@x", "b@x"), several("a@x", "ann@x"), say(func(*adsync.Entry) {})}, adsync.OutcomeApplied},
		"in that which it gets":                {[]adsync.Entry{several("ann@x", "b@x"), several("a@x", "b@x")}, adsync.OutcomeStale},
		"in DNs, however many":                 {manyDNs, adsync.OutcomeApplied},
		"in too much to be believed":           {many, adsync.OutcomeStale},
		"in the flag, which two know otherwise": {[]adsync.Entry{say(func(e *adsync.Entry) { e.DisabledUnknown = true }),
			say(func(e *adsync.Entry) { e.Disabled = true }), say(func(*adsync.Entry) {})}, adsync.OutcomeStale},
		"in the flag, which one knows": {[]adsync.Entry{say(func(e *adsync.Entry) { e.DisabledUnknown = true }), say(func(*adsync.Entry) {})}, adsync.OutcomeApplied},
	} {
		before := user("1", 1, "old", "ann@x")
		change := updateOf(before, adsync.ReasonChanged, func(u *adsync.User) { u.Username, u.Extra = "ann", extra("department", "a") })
		for range 3 {
			opts := &adsync.Options{Rules: withExtra("department")}
			s := newSyncer(t, tell(adsync.StaticDirectory(test.said), nil, "department", "title"), adsync.NewMemoryStore(before).Hold("department"), opts)
			report, err := s.Apply(t.Context(), planFrom(change))
			require.NoError(t, err)
			assert.Equal(t, test.want, report.Results[0].Outcome, "they differ %s", name)
			last := len(test.said) - 1
			test.said = append([]adsync.Entry{test.said[last]}, test.said[:last]...) // in any order
		}
	}
}

// asking is a directory that keeps whom it was asked about.
type asking struct {
	adsync.StaticDirectory
	about *[]adsync.ObjectID
}

func (asking) Traits() adsync.Traits { return adsync.Traits{} }

func (d asking) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	*d.about = append(*d.about, ids...)
	return d.StaticDirectory.Find(ctx, ids)
}

// Whom a user of this or another source is linked to already is not looked up to be imported.
func TestImport_AsksOnlyAboutWhomNobodyIsLinkedTo(t *testing.T) {
	elsewhere := user("2", 2, "ben", "")
	elsewhere.Source = "hr"
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""), elsewhere)
	dir := asking{adsync.StaticDirectory{entry(1, "anna", ""), entry(2, "ben", ""), entry(3, "cleo", "")}, new([]adsync.ObjectID)}
	plan, err := newSyncer(t, dir, store, nil).Plan(t.Context(), adsync.ImportEntries(id(1), id(2), id(3)))
	require.NoError(t, err)
	assert.Equal(t, []adsync.ObjectID{id(3)}, *dir.about)
	assert.Len(t, plan.Changes, 3)
}

// An account of several users that is not listed is looked up once.
func TestTwins_AreAskedAboutOnce(t *testing.T) {
	gone := entry(1, "", "")
	gone.State = adsync.StateDeleted
	store := adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 1, "anna", ""), user("3", 3, "cleo", ""))
	dir := asking{adsync.StaticDirectory{gone, entry(3, "cleo", "")}, new([]adsync.ObjectID)}
	opts := &adsync.Options{Rules: adsync.Rules{Import: true}} // so that it is listed first
	plan, err := newSyncer(t, dir, store, opts).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.ObjectID{id(1)}, *dir.about)
	assert.Len(t, plan.Changes, 2)
}

// Of two users of one account, the one whose time has come is removed, and the other is no
// duplicate any more.
func TestTwins_OfALeaverAreNone(t *testing.T) {
	account := entry(1, "ann", "")
	account.Disabled = true
	due, waits := user("1", 1, "ann", ""), user("2", 1, "anna", "")
	due.Status, due.DeactivatedAt = adsync.StatusDeactivated, at(0)
	waits.Status, waits.DeactivatedAt = adsync.StatusDeactivated, at(20)
	rules := adsync.Rules{OnDisabled: adsync.Remove, RemoveAfter: 30 * day, Now: at(31)}
	for _, users := range [][]adsync.User{{due, waits}, {waits, due}} {
		plan := mustReconcile(t, []adsync.Entry{account}, users, rules)
		got := map[string][]adsync.Op{}
		for _, c := range plan.Changes {
			got[c.UserID] = append(got[c.UserID], c.Op)
			assert.NotEqual(t, adsync.ReasonLinkedTwice, c.Reason, c.UserID)
		}
		assert.Equal(t, []adsync.Op{adsync.OpDelete}, got["1"])
		assert.NotContains(t, got["2"], adsync.OpDelete)
	}
}
