package adsync_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// several is an account with a username of its own and several values of other details.
func several(n byte, others adsync.Extra) adsync.Entry {
	e := entry(n, "u", "")
	e.Others = others
	return e
}

func TestChoice_OfSeveralValues(t *testing.T) {
	rules := withExtra("department")
	shared := rules
	shared.Keys = []adsync.Field{adsync.FieldUsername}
	two := extra("email", "B@x", "email", "a@x", "department", "Sales", "department", "R&D")
	marked := several(1, two)
	marked.Email, marked.Extra = "marked@x", extra("department", "Marked")
	for name, test := range map[string]struct {
		entry adsync.Entry
		has   adsync.Profile
		rules adsync.Rules
		want  adsync.Profile
	}{
		"a new value is the least":       {several(1, two), adsync.Profile{}, rules, adsync.Profile{Email: "B@x", Extra: extra("department", "R&D")}},
		"that which the user has":        {several(1, two), adsync.Profile{Email: "a@x", Extra: extra("department", "Sales")}, rules, adsync.Profile{Email: "a@x", Extra: extra("department", "Sales")}},
		"a key in the directory's words": {several(1, two), adsync.Profile{Email: "A@x"}, rules, adsync.Profile{Email: "a@x", Extra: extra("department", "R&D")}},
		"others to the byte":             {several(1, two), adsync.Profile{Extra: extra("department", "sales")}, rules, adsync.Profile{Email: "B@x", Extra: extra("department", "R&D")}},
		"an email that is no key":        {several(1, two), adsync.Profile{Email: "A@x"}, shared, adsync.Profile{Email: "B@x", Extra: extra("department", "R&D")}},
		"neither is any more":            {several(1, two), adsync.Profile{Email: "c@x"}, rules, adsync.Profile{Email: "B@x", Extra: extra("department", "R&D")}},
		"the directory marks one":        {marked, adsync.Profile{Email: "a@x", Extra: extra("department", "Sales")}, rules, adsync.Profile{Email: "marked@x", Extra: extra("department", "Marked")}},
		"blank is none of them":          {several(1, extra("email", " ", "email", "z@x")), adsync.Profile{}, rules, adsync.Profile{Email: "z@x"}},
		"a detail not synchronised":      {several(1, two), adsync.Profile{Extra: extra("department", "Legal")}, adsync.Rules{}, adsync.Profile{Email: "B@x", Extra: extra("department", "Legal")}},
		"the username too":               {adsync.Entry{ObjectID: id(1), Others: extra("username", "v", "username", "u")}, adsync.Profile{}, rules, adsync.Profile{}},
	} {
		t.Run(name, func(t *testing.T) {
			u := user("1", 1, "u", "")
			u.Email, u.Extra = test.has.Email, test.has.Extra
			want := u
			want.Email, want.Extra = test.want.Email, test.want.Extra
			left := u
			for _, c := range mustReconcile(t, []adsync.Entry{test.entry}, []adsync.User{u}, test.rules).Changes {
				left = *c.After
			}
			assert.Empty(t, cmp.Diff(want, left))
		})
	}
}

// A value that is another's is not replaced by the next.
func TestChoice_DoesNotGiveWayToARival(t *testing.T) {
	users := []adsync.User{user("1", 1, "u", ""), user("2", 2, "rival", "a@x")}
	entries := []adsync.Entry{several(1, extra("email", "a@x", "email", "b@x")), entry(2, "rival", "a@x")}
	plan := mustReconcile(t, entries, users, adsync.Rules{})
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.OpDuplicate, plan.Changes[0].Op)
	assert.Equal(t, "a@x", plan.Changes[0].Conflicts[0].Value)
}

// Rules.Map sees the value that was taken, and all the others.
func TestChoice_IsMadeBeforeMap(t *testing.T) {
	rules := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		p := e.Profile
		p.LastName = e.Email + " of " + e.Others.Set(adsync.FieldEmail)[1]
		return p, nil
	}}
	u := user("1", 1, "u", "b@x")
	plan := mustReconcile(t, []adsync.Entry{several(1, extra("email", "a@x", "email", "b@x"))}, []adsync.User{u}, rules)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "b@x of b@x", plan.Changes[0].After.LastName)
}

// Entries that differ in nothing but values that the user does not get are one.
func TestChoice_ComesBeforeEntriesAreCompared(t *testing.T) {
	u := user("1", 1, "u", "b@x")
	same := []adsync.Entry{several(1, extra("email", "a@x", "email", "b@x")), several(1, extra("email", "b@x", "email", "c@x")), entry(1, "u", "b@x")}
	differs := append(slices.Clone(same), several(1, extra("email", "a@x", "email", "c@x")))
	for range 2 {
		assert.Empty(t, mustReconcile(t, same, []adsync.User{u}, adsync.Rules{}).Changes)
		plan := mustReconcile(t, differs, []adsync.User{u}, adsync.Rules{})
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, adsync.ReasonListedTwice, plan.Changes[0].Reason)
		slices.Reverse(same)
		slices.Reverse(differs)
	}
	newcomers := []adsync.Entry{several(1, extra("email", "a@x", "email", "b@x")), several(1, extra("email", "a@x", "email", "c@x"))}
	plan := mustReconcile(t, newcomers, nil, adsync.Rules{Import: true})
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.OpCreate, plan.Changes[0].Op)
	assert.Equal(t, "a@x", plan.Changes[0].After.Email)
}

// Several values of a detail that is not synchronised are nothing to anybody.
func TestChoice_IsNotMadeOfWhatIsNotSynchronised(t *testing.T) {
	said := []adsync.Entry{several(1, extra("title", "a", "title", "b")), several(1, extra("title", "c", "title", "d")), entry(1, "u", "")}
	for range 3 {
		assert.Empty(t, mustReconcile(t, said, []adsync.User{user("1", 1, "u", "")}, adsync.Rules{}).Changes)
		plan := mustReconcile(t, said, nil, adsync.Rules{Import: true})
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, adsync.OpCreate, plan.Changes[0].Op)
		said = append(said[1:], said[0])
	}
	seen := 0
	rules := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		seen = len(e.Others.Set("title"))
		return e.Profile, nil
	}}
	mustReconcile(t, said[:1], []adsync.User{user("1", 1, "u", "")}, rules)
	assert.Equal(t, 2, seen, "but Map may look at them")
}

// Of two users of one account, each is asked for its own value.
func TestChoice_IsEachUsersOwn(t *testing.T) {
	users := []adsync.User{user("1", 1, "u", "a@x"), user("2", 1, "u2", "b@x")}
	entries := []adsync.Entry{several(1, extra("email", "a@x", "email", "b@x")), several(1, extra("email", "a@x", "email", "b@x", "email", "c@x"))}
	for range 2 {
		for _, c := range mustReconcile(t, entries, users, adsync.Rules{}).Changes {
			assert.Equal(t, adsync.ReasonLinkedTwice, c.Reason)
		}
		slices.Reverse(entries)
	}
}
