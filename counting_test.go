package adsync_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// However many users hold a key, they stand in the way of each other and of whoever asks
// for it.
func TestReconcile_CountsManyHoldersOfOneKey(t *testing.T) {
	for _, holders := range []int{2, 254, 255, 256, 257, 512} {
		t.Run(strconv.Itoa(holders), func(t *testing.T) {
			users := []adsync.User{user("a", 1, "ann", "team@x"), user("b", 2, "bob", "bob@x")}
			for n := 1; n < holders; n++ {
				users = append(users, adsync.User{ID: fmt.Sprintf("local %03d", n), Profile: profile("local"+strconv.Itoa(n), "Team@x")})
			}
			// Ann holds it and keeps it while her username changes; Bob asks for it.
			for who, want := range map[string]struct {
				entry  adsync.Entry
				rivals int
			}{
				"a": {entry(1, "ann2", "team@x"), holders - 1},
				"b": {entry(2, "bob", "team@x"), holders},
			} {
				plan := mustReconcile(t, []adsync.Entry{want.entry}, users, adsync.Rules{Only: []string{who}})
				require.Equal(t, []string{who + " duplicate taken"}, inBrief(plan))
				conflict := plan.Changes[0].Conflicts[0]
				assert.Len(t, conflict.With, min(want.rivals, 100))
				if want.rivals > 100 {
					assert.Equal(t, fmt.Sprintf("the first 100 of %d rivals are named", want.rivals), plan.Changes[0].Detail)
				}
			}
		})
	}
}

// Entries counts accounts in scope, whatever else is listed of them.
func TestReconcile_CountsDoublyListedAccountsOnce(t *testing.T) {
	at := func(state adsync.State, username string) adsync.Entry {
		e := entry(1, username, "")
		e.State = state
		return e
	}
	for _, tt := range []struct {
		name    string
		entries []adsync.Entry
		want    int
	}{
		{"the same twice", []adsync.Entry{at("", "ann"), at(adsync.StatePresent, "ann")}, 1},
		{"two usernames", []adsync.Entry{at("", "ann"), at("", "bob")}, 1},
		{"three", []adsync.Entry{at("", "ann"), at("", "bob"), at("", "cat")}, 1},
		{"present and deleted", []adsync.Entry{at("", "ann"), at(adsync.StateDeleted, "ann")}, 1},
		{"deleted and present", []adsync.Entry{at(adsync.StateDeleted, "ann"), at("", "ann")}, 1},
		{"two of the dead, and present", []adsync.Entry{at(adsync.StateDeleted, "ann"), at(adsync.StateUnproven, "ann"), at("", "ann")}, 1},
		{"none in scope", []adsync.Entry{at(adsync.StateDeleted, "ann"), at(adsync.StateOutOfScope, "ann")}, 0},
	} {
		plan := mustReconcile(t, tt.entries, []adsync.User{user("u1", 1, "ann", "")}, adsync.Rules{})
		assert.Equal(t, tt.want, plan.Stats.Entries, tt.name)
	}
}

// Selecting users does not import everybody else with them.
func TestSelection_TurnsTheImportOfTheRulesOff(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", ""), entry(3, "cat", "")}
	s := newSyncer(t, dir, adsync.NewMemoryStore(user("u1", 1, "anna", "")), &adsync.Options{Rules: adsync.Rules{Import: true}})
	for _, tt := range []struct {
		selected []adsync.Selection
		want     []string
	}{
		{nil, []string{"u1 update changed", "create new", "create new"}},
		{[]adsync.Selection{adsync.OnlyUsers("u1")}, []string{"u1 update changed"}},
		{[]adsync.Selection{adsync.OnlyUsers()}, nil},
		{[]adsync.Selection{adsync.ImportEntries(id(2))}, []string{"create new"}},
		{[]adsync.Selection{adsync.OnlyUsers("u1"), adsync.ImportEntries(id(2))}, []string{"u1 update changed", "create new"}},
	} {
		plan, err := s.Plan(t.Context(), tt.selected...)
		require.NoError(t, err)
		assert.Equal(t, tt.want, inBrief(plan))
	}
}

// What somebody has changed since the run is not taken back, and the plan says so.
func TestInverse_TellsLaterEdits(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann2", ""), entry(2, "bob2", ""), entry(3, "cat2", "")}
	store := adsync.NewMemoryStore(user("u1", 1, "ann", ""), user("u2", 2, "bob", ""), user("u3", 3, "cat", ""))
	s := newSyncer(t, dir, store, rekeying)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	before, _ := store.Get("u2")
	edited := before
	edited.Phone = "1"
	require.NoError(t, store.UpdateUser(t.Context(), adsync.NewUpdate("", &before, &edited)))
	gone, _ := store.Get("u3")
	require.NoError(t, store.DeleteUser(t.Context(), adsync.Change{Op: adsync.OpDelete, UserID: "u3", Before: &gone}))

	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Equal(t, []string{"u1 update undone", "u2 notice undone", "u3 notice undone"}, inBrief(plan))
	assert.Equal(t, "ann", plan.Changes[0].After.Username)
	assert.Equal(t, "it has changed since", plan.Changes[1].Detail)
	assert.Equal(t, "it is no longer there", plan.Changes[2].Detail)
}
