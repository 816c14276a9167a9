package adsync_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// withExtra synchronises the five details and these.
func withExtra(extras ...adsync.Field) adsync.Rules {
	return adsync.Rules{Fields: append(slices.Clone(detailFields), extras...)}
}

func extra(pairs ...string) adsync.Extra {
	var e adsync.Extra
	for i := 0; i < len(pairs); i += 2 {
		e = e.With(adsync.Field(pairs[i]), append(e.Set(adsync.Field(pairs[i])), pairs[i+1])...)
	}
	return e
}

func userWith(n string, oid byte, e adsync.Extra) adsync.User {
	u := user(n, oid, n, "")
	u.Extra = e
	return u
}

func entryWith(oid byte, name string, e adsync.Extra) adsync.Entry {
	in := entry(oid, name, "")
	in.Extra = e
	return in
}

// reconcile plans for one user u1 and one entry.
func reconcileExtra(t *testing.T, has, told adsync.Extra, rules adsync.Rules) *adsync.Plan {
	t.Helper()
	plan, err := adsync.Reconcile([]adsync.Entry{entryWith(1, "u1", told)}, []adsync.User{userWith("u1", 1, has)}, rules)
	require.NoError(t, err)
	return plan
}

func TestExtra_FollowsTheDirectoryWhereItIsSynchronised(t *testing.T) {
	keep := withExtra("department")
	keep.KeepOnEmpty = []adsync.Field{"department"}
	upper := withExtra("department", "languages")
	upper.Map = func(e adsync.Entry) (adsync.Profile, error) {
		p := e.Profile
		return p.With("department", strings.ToUpper(p.Get("department"))), nil
	}
	titled := withExtra("department")
	titled.Map = func(e adsync.Entry) (adsync.Profile, error) {
		return e.Profile.With("department", e.Get("title")+" of "+e.Get("department")), nil
	}
	five := withExtra("department")
	five.Map = func(e adsync.Entry) (adsync.Profile, error) {
		return adsync.Profile{Username: e.Username}, nil
	}
	clears := func(value string) adsync.Rules {
		rules := withExtra("department", "title")
		rules.Map = func(e adsync.Entry) (adsync.Profile, error) { return e.With("department", value), nil }
		return rules
	}
	for name, test := range map[string]struct {
		has, told adsync.Extra
		rules     adsync.Rules
		want      adsync.Extra
	}{
		"a Map that clears the only one":         {extra("department", "Sales"), extra("department", "R&D"), clears(" "), extra()},
		"a Map that clears one of two":           {extra("department", "Sales", "title", "Dr"), extra("department", "R&D", "title", "Dr"), clears(" "), extra("title", "Dr")},
		"a Map that leaves out one of two":       {extra("department", "Sales", "title", "Dr"), extra("department", "R&D", "title", "Dr"), clears(""), extra("title", "Dr")},
		"a Map that leaves nothing says nothing": {extra("department", "Sales"), extra("department", "R&D"), clears(""), extra("department", "R&D")},
		"changed":                                {extra("department", "Sales"), extra("department", "R&D"), withExtra("department"), extra("department", "R&D")},
		"added":                                  {extra(), extra("department", "R&D"), withExtra("department"), extra("department", "R&D")},
		"lacking is none":                        {extra("department", "Sales"), extra(), withExtra("department"), extra()},
		"blank is none":                          {extra("department", "Sales"), extra("department", " \t"), withExtra("department"), extra()},
		"a blank one in the table":               {extra("department", " "), extra("department", " "), withExtra("department"), extra()},
		"kept on empty":                          {extra("department", "Sales"), extra(), keep, extra("department", "Sales")},
		"kept on blank":                          {extra("department", "Sales"), extra("department", " "), keep, extra("department", "Sales")},
		"not synchronised":                       {extra("department", "Sales"), extra("department", "R&D"), adsync.Rules{}, extra("department", "Sales")},
		"one of several": {extra("department", "Sales", "zone", "1"), extra("department", "R&D", "title", "Dr", "zone", "2"), withExtra("department"),
			extra("department", "R&D", "zone", "1")},
		"several, in any order": {extra("department", "Sales", "zone", "1"), extra("department", "R&D", "zone", "2"), withExtra("zone", "department"),
			extra("department", "R&D", "zone", "2")},
		"a set":                      {extra("languages", "de", "languages", "fr"), extra("languages", "fr", "languages", "it"), withExtra("languages"), extra("languages", "fr", "languages", "it")},
		"roles are not for this":     {extra("roles", "admin"), extra("roles", "clerk"), withExtra("roles"), extra("roles", "admin")},
		"a Map that changes it":      {extra("department", "sales"), extra("department", "sales"), upper, extra("department", "SALES")},
		"a Map that looks at others": {extra(), extra("department", "Sales", "title", "Head"), titled, extra("department", "Head of Sales")},
		"a Map that knows the five":  {extra("department", "sales"), extra("department", "R&D"), five, extra("department", "R&D")},
		"what it must not hold":      {extra(), extra("username", "root", "status", "active"), withExtra("department"), extra()},
		"broken text is made valid":  {extra(), extra("department", "a\xffb"), withExtra("department"), extra("department", "a\uFFFDb")},
		"blank members are no value": {extra(), extra("languages", "de", "languages", " "), withExtra("languages"), extra("languages", "de")},
	} {
		t.Run(name, func(t *testing.T) {
			plan := reconcileExtra(t, test.has, test.told, test.rules)
			left := test.has
			if len(plan.Changes) > 0 {
				require.Len(t, plan.Changes, 1)
				left = plan.Changes[0].After.Extra
				assert.Equal(t, test.has, plan.Changes[0].Before.Extra)
				assert.Equal(t, adsync.OpUpdate, plan.Changes[0].Op)
			}
			assert.Empty(t, cmp.Diff(test.want, left))
		})
	}
}

// Rules.Map is given valid text whatever a directory tells.
func TestExtra_MapIsGivenValidText(t *testing.T) {
	var given adsync.Entry
	rules := withExtra("department")
	rules.Map = func(e adsync.Entry) (adsync.Profile, error) {
		given = e
		return e.Profile, nil
	}
	told := entryWith(1, "a\xffb", extra("department", "a\xffb"))
	told.DN, told.Others, told.Unknown = "CN=a\xffb", extra("department", "b\xff"), extra("roles\xff", "a")
	_, err := adsync.Reconcile([]adsync.Entry{told}, []adsync.User{userWith("u1", 1, extra())}, rules)
	require.NoError(t, err)
	want := entryWith(1, "a\uFFFDb", extra("department", "a\uFFFDb"))
	want.State, want.DN, want.Others, want.Unknown = adsync.StatePresent, "CN=a\uFFFDb", extra("department", "b\uFFFD"), extra("roles\uFFFD", "a")
	assert.Empty(t, cmp.Diff(want, given))
}

// Whichever detail of an entry is blank is empty.
func TestEntry_BlankDetailsAreEmpty(t *testing.T) {
	for _, f := range []adsync.Field{adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone} {
		var given adsync.Profile
		rules := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
			given = e.Profile
			return e.Profile, nil
		}}
		blank := adsync.Entry{ObjectID: id(1), Profile: adsync.Profile{Username: "u", FirstName: "f", LastName: "l", Email: "e@x", Phone: "1"}}
		*map[adsync.Field]*string{
			adsync.FieldUsername: &blank.Username, adsync.FieldFirstName: &blank.FirstName, adsync.FieldLastName: &blank.LastName,
			adsync.FieldEmail: &blank.Email, adsync.FieldPhone: &blank.Phone,
		}[f] = " \t"
		_, err := adsync.Reconcile([]adsync.Entry{blank}, []adsync.User{userWith("u1", 1, extra())}, rules)
		require.NoError(t, err)
		assert.Equal(t, 1, emptyDetails(given), "%s", f)
	}
}

func emptyDetails(p adsync.Profile) (n int) {
	for _, text := range []string{p.Username, p.FirstName, p.LastName, p.Email, p.Phone} {
		if text == "" {
			n++
		}
	}
	return n
}

// Of two states of a user, the changes in extra details come after the five, by name.
func TestExtra_FieldsOfAChange(t *testing.T) {
	before, after := userWith("u1", 1, extra("b", "1", "c", "1", "d", "1")), userWith("u1", 1, extra("a", "1", "b", "2", "d", "1"))
	after.Email, after.Status = "new@corp.example", adsync.StatusBlocked
	assert.Equal(t, []adsync.Field{adsync.FieldEmail, "a", "b", "c", adsync.FieldStatus},
		adsync.NewUpdate(adsync.ReasonChanged, &before, &after).Fields)
}

func TestExtra_IsGuarded(t *testing.T) {
	before, after, other := userWith("u1", 1, extra("department", "Sales")), userWith("u1", 1, extra("department", "R&D")), userWith("u1", 1, extra())
	update := adsync.NewUpdate(adsync.ReasonChanged, &before, &after)
	assert.NoError(t, update.Guard(&before))
	assert.ErrorIs(t, update.Guard(&after), adsync.ErrAlready)
	assert.ErrorIs(t, update.Guard(&other), adsync.ErrStale)
}

// extraWorld has a change of each kind in details beyond the five.
func extraWorld() ([]adsync.Entry, []adsync.User, adsync.Rules) {
	users := []adsync.User{
		userWith("u1", 1, extra("department", "Sales", "languages", "de", "languages", "fr")),
		userWith("u2", 2, extra("department", "Sales")),
		userWith("u3", 3, extra("department", "Sales")),
	}
	entries := []adsync.Entry{
		entryWith(1, "u1", extra("department", "R&D", "languages", "fr", "languages", "it\x1b[2J")),
		entryWith(2, "u2", extra()),
		entryWith(3, "u3", extra("department", "Sales")),
		entryWith(4, "u4", extra("department", "Legal", "languages", "de", "languages", "en")),
	}
	rules := withExtra("department", "languages")
	rules.Import = true
	return entries, users, rules
}

func TestExtra_InPrint(t *testing.T) {
	var out bytes.Buffer
	_, err := planOf(t, extraWorld).WriteTo(&out)
	require.NoError(t, err)
	golden(t, "extra.txt", out.Bytes())
}

func TestExtra_InAPlanAsJSON(t *testing.T) {
	keepsAsJSON(t, planOf(t, extraWorld), "extra.json", func(c *adsync.Change) { c.After.Extra = extra("department", "forged") })
}

func TestLimits_CountClearedExtraDetails(t *testing.T) {
	lost := func(has, told adsync.Extra) error {
		var entries []adsync.Entry
		var users []adsync.User
		for n := range byte(20) {
			name := "u" + string(rune('a'+n))
			entries, users = append(entries, entryWith(n+1, name, told)), append(users, userWith(name, n+1, has))
		}
		plan, err := adsync.Reconcile(entries, users, withExtra("department", "languages"))
		require.NoError(t, err)
		return plan.Check(adsync.Limits{})
	}
	var limit *adsync.LimitError
	require.ErrorAs(t, lost(extra("department", "Sales"), extra()), &limit)
	assert.Equal(t, "MaxCleared", limit.Limit)
	assert.Equal(t, 20, limit.Count)
	assert.NoError(t, lost(extra("department", "Sales"), extra("department", "R&D")))
	assert.Error(t, lost(extra("languages", "de", "languages", "fr"), extra("languages", "de")), "some of a set, and nothing in its place")
	assert.NoError(t, lost(extra("languages", "de", "languages", "fr"), extra("languages", "de", "languages", "it")), "another in its place")
	assert.NoError(t, lost(extra("languages", "de"), extra("languages", "de", "languages", "it")), "one more")
	assert.Error(t, lost(extra("languages", "de", "languages", "fr"), extra("department", "R&D")))
}

func TestRules_RequireExtraDetails(t *testing.T) {
	rules := withExtra("department")
	rules.Require = []adsync.Field{"department"}
	plan := reconcileExtra(t, extra("department", "Sales"), extra("department", " "), rules)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.ReasonMissing, plan.Changes[0].Reason)
	assert.Equal(t, "department", plan.Changes[0].Detail)
	assert.Empty(t, reconcileExtra(t, extra("department", "Sales"), extra("department", "Sales"), rules).Changes)
	assert.ErrorContains(t, adsync.Rules{Require: rules.Require}.Check(), "Rules.Require")
}

// telling is a directory that tells these details beyond the five.
type telling struct {
	adsync.Directory
	traits adsync.Traits
}

func (d telling) Traits() adsync.Traits { return d.traits }

func tell(d adsync.Directory, sets []adsync.Field, texts ...adsync.Field) telling {
	return telling{d, adsync.Traits{Fields: slices.Concat(detailFields, texts, sets), Sets: sets}}
}

// Only what both sides list is written or cleared.
func TestSyncer_SynchronisesWhatBothSidesList(t *testing.T) {
	has, told := extra("department", "Sales", "manager", "m", "zone", "1"), extra("department", "R&D", "title", "Dr")
	entries := adsync.StaticDirectory{entryWith(1, "u1", told)}
	untold := adsync.Listing(func(ctx context.Context) iter.Seq2[adsync.Entry, error] { return entries.Entries(ctx) })
	for name, test := range map[string]struct {
		dir   adsync.Directory
		hold  []adsync.Field
		rules adsync.Rules
		want  adsync.Extra
		err   string
	}{
		"both":                    {tell(entries, nil, "department", "title"), []adsync.Field{"department", "zone"}, adsync.Rules{}, has.With("department", "R&D"), ""},
		"told and lacking":        {tell(entries, nil, "manager"), []adsync.Field{"department", "manager"}, adsync.Rules{}, has.With("manager"), ""},
		"the store holds none":    {tell(entries, nil, "department"), nil, adsync.Rules{}, has, ""},
		"a literal with several":  {adsync.StaticDirectory{several(1, extra("zone", "2", "zone", "3"))}, []adsync.Field{"zone"}, adsync.Rules{}, has.With("zone", "2"), ""},
		"a literal tells its own": {entries, []adsync.Field{"department", "zone"}, adsync.Rules{}, has.With("department", "R&D"), ""},
		"a directory without":     {untold, []adsync.Field{"department"}, adsync.Rules{}, has, ""},
		"joined":                  {adsync.Join(tell(entries, nil, "department", "zone"), tell(adsync.StaticDirectory{}, nil, "department")), []adsync.Field{"department", "zone"}, adsync.Rules{}, has.With("department", "R&D"), ""},
		"joined, not of one kind": {adsync.Join(tell(entries, nil, "department"), tell(adsync.StaticDirectory{}, []adsync.Field{"department"})), []adsync.Field{"department"}, adsync.Rules{}, has, ""},
		"only the five chosen":    {tell(entries, nil, "department"), []adsync.Field{"department"}, withExtra(), has, ""},
		"chosen and not told":     {tell(entries, nil, "title"), []adsync.Field{"department"}, withExtra("department"), has, "the directory does not tell"},
		"chosen and not held":     {tell(entries, nil, "title"), []adsync.Field{"department"}, withExtra("title"), has, "the store does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(userWith("u1", 1, has)).Hold(test.hold...)
			syncer, err := adsync.New(test.dir, store, &adsync.Options{Rules: test.rules, Limits: adsync.Limits{MaxCleared: -1}})
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			report, err := syncer.Sync(t.Context())
			require.NoError(t, errors.Join(err, report.Err()))
			left, _ := store.Get("u1")
			assert.Empty(t, cmp.Diff(test.want, left.Extra))
		})
	}
}

// textsOnly is a store without a place for sets.
type textsOnly struct{ *adsync.MemoryStore }

func (s textsOnly) Traits() adsync.Traits {
	traits := s.MemoryStore.Traits()
	traits.Sets = nil
	return traits
}

func TestSyncer_RefusesASetForAPlaceOfOneText(t *testing.T) {
	store := textsOnly{adsync.NewMemoryStore().Hold("languages")}
	_, err := adsync.New(tell(adsync.StaticDirectory{}, []adsync.Field{"languages"}), store, nil)
	assert.ErrorContains(t, err, `"languages" is a set in the directory`)
	_, err = adsync.New(tell(adsync.StaticDirectory{}, nil, "languages"), store, nil)
	assert.NoError(t, err)
	_, err = adsync.New(tell(adsync.StaticDirectory{}, []adsync.Field{"languages"}), store, &adsync.Options{Rules: withExtra()})
	assert.NoError(t, err)
}

// A run with extra details and its inverse leave the table as it was.
func TestInverse_TakesExtraDetailsBack(t *testing.T) {
	entries, users, rules := extraWorld()
	rules.Import = false
	store := adsync.NewMemoryStore(users...).Hold("department", "languages")
	syncer, err := adsync.New(adsync.StaticDirectory(entries), store, &adsync.Options{Rules: rules})
	require.NoError(t, err)
	report, err := syncer.Sync(t.Context())
	require.NoError(t, errors.Join(err, report.Err()))
	back, err := syncer.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Len(t, back.Changes, 2)
	report, err = syncer.Apply(t.Context(), back, approve(back))
	require.NoError(t, errors.Join(err, report.Err()))
	for _, was := range users {
		now, _ := store.Get(was.ID)
		assert.Empty(t, cmp.Diff(was, now))
	}
}

func TestApply_FindsAForgedExtraDetailStale(t *testing.T) {
	entries, users, rules := extraWorld()
	rules.Import = false
	store := adsync.NewMemoryStore(users...).Hold("department", "languages")
	syncer, err := adsync.New(adsync.StaticDirectory(entries), store, &adsync.Options{Rules: rules})
	require.NoError(t, err)
	plan, err := syncer.Plan(t.Context())
	require.NoError(t, err)
	plan.Changes[0].After.Extra = plan.Changes[0].After.Extra.With("department", "Forged")
	report, err := syncer.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, adsync.OutcomeStale, report.Results[0].Outcome)
	now, _ := store.Get("u1")
	assert.Equal(t, "Sales", now.Get("department"))
}

func TestExplain_NamesExtraDetails(t *testing.T) {
	entries, users, rules := extraWorld()
	rules.Import = false
	syncer, err := adsync.New(adsync.StaticDirectory(entries), adsync.NewMemoryStore(users...).Hold("department", "languages"), &adsync.Options{Rules: rules})
	require.NoError(t, err)
	lines, err := syncer.Explain(t.Context(), "u1")
	require.NoError(t, err)
	text := strings.Join(lines, "\n")
	assert.Contains(t, text, "department Sales, languages de, fr, status active")
	assert.Contains(t, text, "department R&D, languages fr, it")
	assert.Contains(t, text, "department: Sales → R&D")
	assert.Contains(t, text, "languages: - de")
}

// Explain shows which of several values the user gets, and that there are others.
func TestExplain_TellsOfSeveralValues(t *testing.T) {
	e := several(1, extra("email", "a@x", "email", "b@x", "department", "Legal", "department", "Sales"))
	u := user("u1", 1, "u", "b@x")
	s := newSyncer(t, tell(adsync.StaticDirectory{e}, nil, "department"), adsync.NewMemoryStore(u).Hold("department"), nil)
	lines, err := s.Explain(t.Context(), "u1")
	require.NoError(t, err)
	assert.Contains(t, lines[1], "email b@x, phone (empty), department Legal, of several values: department Legal, Sales; email a@x, b@x")
}
