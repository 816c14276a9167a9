package adsync_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// Where people share addresses, nobody stands in another's way for one.
func TestKeys_UsernameAloneLetsUsersShareAnAddress(t *testing.T) {
	users := []adsync.User{user("u1", 1, "ann", "team@x"), user("u2", 2, "bob", "bob@x"), user("u3", 3, "cat", "cat@x"), {ID: "u4", Profile: profile("local", "TEAM@x")}}
	entries := []adsync.Entry{entry(1, "ann", "cat@x"), entry(2, "bob", "team@x"), entry(3, "cat", "bob@x"), entry(5, "eve", "team@x")}
	rules := adsync.Rules{Import: true, Keys: []adsync.Field{adsync.FieldUsername}}
	plan := mustReconcile(t, entries, users, rules)
	assert.Equal(t, []string{"u1 update changed", "u2 update changed", "u3 update changed", "create new"}, inBrief(plan))
	for _, c := range plan.Changes {
		assert.Empty(t, c.Needs, "nobody waits, and nobody is parked")
	}
	for _, keys := range [][]adsync.Field{nil, {adsync.FieldEmail, adsync.FieldUsername}} {
		rules.Keys = keys
		plan := mustReconcile(t, entries, users, rules)
		assert.Equal(t, []string{"duplicate taken", "u1 duplicate waiting", "u2 duplicate taken", "u3 duplicate waiting"}, inBrief(plan))
	}
	rules.Keys = []adsync.Field{adsync.FieldUsername}
	entries[3].Username = "LOCAL"
	assert.Contains(t, inBrief(mustReconcile(t, entries, users, rules)), "duplicate taken", "a username is one's own as ever")
}

func TestRequire_RefusesWhoWouldLackADetail(t *testing.T) {
	users := []adsync.User{user("u1", 1, "ann", "ann@x"), user("u2", 2, "bob", ""), user("u3", 3, "cat", "cat@x")}
	users[2].LastName = "Cat"
	entries := []adsync.Entry{entry(1, "ann", " "), entry(2, "bob", ""), entry(3, "cat", "cat@x"), entry(4, "dan", ""), entry(5, "eve", "eve@x")}
	entries[2].LastName, entries[4].LastName = "Cat", "Eve"
	rules := adsync.Rules{Import: true, Require: []adsync.Field{adsync.FieldLastName, adsync.FieldEmail}}
	plan := mustReconcile(t, entries, users, rules)
	assert.Equal(t, []string{"create new", "invalid missing", "u1 invalid missing", "u2 invalid missing"}, inBrief(plan))
	assert.Equal(t, "email and last_name", plan.Changes[2].Detail)
	assert.Equal(t, 1, plan.Stats.Unchanged)

	rules.Require = []adsync.Field{adsync.FieldEmail}
	rules.KeepOnEmpty = []adsync.Field{adsync.FieldEmail}
	plan = mustReconcile(t, entries, users, rules)
	assert.Equal(t, []string{"create new", "invalid missing", "u2 invalid missing"}, inBrief(plan), "what the user has is enough")

	rules.Map = func(e adsync.Entry) (adsync.Profile, error) {
		e.Email = e.Username + "@made.up"
		return e.Profile, nil
	}
	for _, c := range mustReconcile(t, entries, users, rules).Changes {
		assert.NotEqual(t, adsync.OpInvalid, c.Op, "Map may provide it")
	}
}

// A plan of other rules creates nobody without it.
func TestRequire_HoldsWhenAPlanIsApplied(t *testing.T) {
	dir := []adsync.Entry{entry(1, "ann", "")}
	plan := mustReconcile(t, dir, nil, adsync.Rules{Import: true})
	rules := adsync.Rules{Import: true, Require: []adsync.Field{adsync.FieldEmail}}
	store := adsync.NewMemoryStore()
	report, err := newSyncer(t, adsync.StaticDirectory(dir), store, &adsync.Options{Rules: rules}).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, adsync.OutcomeStale, report.Results[0].Outcome)
}

func TestRules_CheckKeysAndRequire(t *testing.T) {
	username, email, phone := adsync.FieldUsername, adsync.FieldEmail, adsync.FieldPhone
	for _, good := range []adsync.Rules{
		{Keys: []adsync.Field{username}}, {Keys: []adsync.Field{email, username}}, {Keys: []adsync.Field{}},
		{Require: []adsync.Field{phone}}, {Require: []adsync.Field{phone}, Fields: []adsync.Field{phone}},
	} {
		assert.NoError(t, good.Check())
	}
	for _, keys := range [][]adsync.Field{{email}, {username, phone}, {adsync.FieldObjectID}} {
		assert.ErrorContains(t, adsync.Rules{Keys: keys}.Check(), "adsync: Rules.Keys: ")
	}
	for _, rules := range []adsync.Rules{
		{Require: []adsync.Field{adsync.FieldStatus}}, {Require: []adsync.Field{"title"}},
		{Require: []adsync.Field{phone}, Fields: []adsync.Field{username}},
	} {
		assert.ErrorContains(t, rules.Check(), "adsync: Rules.Require: ")
	}
}
