package adsync_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestReport_AsJSON(t *testing.T) {
	dir, users := chain()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "3" {
			return errors.New("trigger says no")
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	out, err := json.Marshal(report)
	require.NoError(t, err)
	assert.Contains(t, string(out), `{"user_id":"3","outcome":"failed","error":"trigger says no"}`)
	var back adsync.Report
	require.NoError(t, json.Unmarshal(out, &back))
	assert.Empty(t, cmp.Diff(outcomes(report), outcomes(&back)))
	assert.Equal(t, report.Counts(), back.Counts())
	require.EqualError(t, back.Results[0].Err, "trigger says no")
}

func TestReport_Nil(t *testing.T) {
	var r *adsync.Report
	assert.Equal(t, adsync.Counts{}, r.Counts())
	assert.NotEmpty(t, r.Summary())
	assert.NoError(t, r.Err())
	_, err := newSyncer(t, adsync.StaticDirectory{}, adsync.NewMemoryStore(), nil).Apply(t.Context(), nil)
	require.ErrorIs(t, err, adsync.ErrUnsafe)
}

func TestChangeError_NamesTheAccountOfANewUser(t *testing.T) {
	err := adsync.ChangeError{Change: adsync.Change{Op: adsync.OpCreate, ObjectID: id(1)}, Outcome: adsync.OutcomeFailed}
	assert.Equal(t, "adsync: create of account "+id(1).String()+": failed", err.Error())
}

func TestLog_OfARunHoldsNoPersonalData(t *testing.T) {
	entries, users, rules := busyWorld()
	var out bytes.Buffer
	opts := &adsync.Options{
		Rules:  rules,
		Limits: adsync.Limits{MaxRemovalRatio: -1},
		Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "u03" {
			return fmt.Errorf("duplicate key value (%s)", c.After.Username)
		}
		return nil
	}}
	report, err := newSyncer(t, adsync.StaticDirectory(entries), store, opts).Sync(t.Context())
	require.NoError(t, err)
	require.Error(t, report.Err())
	text := strings.ToLower(out.String())
	assert.Contains(t, text, "u03")
	for _, u := range users {
		for _, secret := range []string{u.Username, u.Email} {
			assert.False(t, slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" =\"()[]:\n", r) }), secret), secret)
		}
	}
}

func TestExplain(t *testing.T) {
	entries, users, rules := busyWorld()
	store := adsync.NewMemoryStore(append(users, adsync.User{ID: "u90", ObjectID: id(90), Source: "elsewhere"})...)
	s := newSyncer(t, adsync.StaticDirectory(entries), store, &adsync.Options{Rules: rules})
	for user, want := range map[string][]string{
		"u03": {"chen", "phone +46 8 123", "present", "update: changed in the directory", "phone", "the next sync"},
		"u04": {"duplicate: another user keeps it", "LOCAL, also of u13", "rename"},
		"u07": {"unproven", "kept: not found", "OnUnproven"},
		"u08": {"deleted", "delete: deleted in the directory"},
		"u09": {"protected", "kept: protected"},
		"u13": {"no ObjectID", "never changed", "Adopt"},
		"u90": {"another source", "never changed"},
	} {
		lines, err := s.Explain(t.Context(), user)
		require.NoError(t, err)
		for _, text := range want {
			assert.Contains(t, strings.Join(lines, "\n"), text, user)
		}
	}
	lines, err := newSyncer(t, adsync.StaticDirectory{entry(1, "a", "")}, adsync.NewMemoryStore(user("1", 1, "a", "")), nil).Explain(t.Context(), "1")
	require.NoError(t, err)
	assert.Contains(t, strings.Join(lines, "\n"), "nothing")

	// What one user gets depends on the others.
	rivals := adsync.StaticDirectory{entry(1, "a", "press@x"), entry(2, "b", "press@x")}
	lines, err = newSyncer(t, rivals, adsync.NewMemoryStore(user("1", 1, "a", ""), user("2", 2, "b", "")), nil).Explain(t.Context(), "1")
	require.NoError(t, err)
	assert.Contains(t, strings.Join(lines, "\n"), "duplicate: others ask for it too")

	only := newSyncer(t, rivals, adsync.NewMemoryStore(user("1", 1, "a", ""), user("2", 2, "b", "")), &adsync.Options{Rules: adsync.Rules{Only: []string{"1"}}})
	lines, err = only.Explain(t.Context(), "2")
	require.NoError(t, err)
	require.Len(t, lines, 2)
	assert.Equal(t, "It is not among those of Rules.Only, so it is left alone.", lines[1])

	_, err = s.Explain(t.Context(), "nobody")
	require.ErrorContains(t, err, "unknown")
	_, err = newSyncer(t, failing{}, store, nil).Explain(t.Context(), "u03")
	require.ErrorIs(t, err, adsync.ErrIncomplete)
}

func TestReport_RefusedPlanIsNoSuccess(t *testing.T) {
	s := newSyncer(t, adsync.StaticDirectory{}, adsync.NewMemoryStore(), nil)
	report, err := s.Apply(t.Context(), &adsync.Plan{Version: 99, Changes: []adsync.Change{}})
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	assert.Contains(t, report.Summary()[0], "not carried out")
}

// A plan that was refused is refused after a round trip too.
func TestReport_JSONKeepsThatARunWasRefused(t *testing.T) {
	dir, users := crowd(20)
	dir[0].State, dir[1].Phone = adsync.StateDeleted, "+1"
	s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	plan.Version = 99
	for name, refused := range map[string]*adsync.Plan{"what writes": plan, "what only tells": {Version: 99, Changes: []adsync.Change{}}} {
		report, err := s.Apply(t.Context(), refused)
		require.ErrorIs(t, err, adsync.ErrUnsafe)
		assert.True(t, report.Refused)
		var back adsync.Report
		require.NoError(t, json.Unmarshal(mustJSON(report), &back))
		assert.Equal(t, report.Summary(), back.Summary(), name)
		assert.Contains(t, back.Summary()[0], "not carried out", name)
	}
}

// Hosts keep the JSON of a report for a long time: they notice a change here.
func TestReport_JSON(t *testing.T) {
	users := []adsync.User{user("1", 1, "ann", ""), user("2", 2, "bob", "")}
	dir := adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", "")}
	dir[0].Phone, dir[1].Phone = "+1", "+2"
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "2" {
			return errors.New("trigger says no")
		}
		return nil
	}}
	s := newSyncer(t, dir, store, nil)
	report, err := s.Apply(t.Context(), mustReconcile(t, dir, users, adsync.Rules{}))
	require.NoError(t, err)
	report.Plan = nil // whose JSON is in testdata/plan.json
	text, err := json.Marshal(report)
	require.NoError(t, err)
	assert.Equal(t, `{"results":[{"user_id":"1","outcome":"applied"},{"user_id":"2","outcome":"failed","error":"trigger says no"}]}`, string(text))
	report.Refused = true
	assert.Contains(t, string(mustJSON(report)), `"refused": true`)
}

// Each outcome is counted for people, and only those left parked are named as that.
func TestReport_Summary(t *testing.T) {
	dir, users := chain()
	fails := map[string]error{}
	store := func() adsync.UserStore {
		return hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error { return fails[c.UserID] }}
	}
	summary := func() string {
		report, err := newSyncer(t, dir, store(), rekeying).Sync(t.Context())
		require.NoError(t, err)
		return strings.Join(report.Summary(), "\n")
	}
	const none = "0 user(s) are deleted.\n0 user(s) are duplicated."
	assert.Equal(t, "Synchronizing users with Active Directory has been successful.\n4 user(s) details are modified.\n"+none, summary())
	fails["2"] = adsync.ErrConflict
	assert.Equal(t, "Synchronizing users with Active Directory was not completed.\n2 user(s) details are modified.\n"+none+
		"\n1 user(s) could not be written.\n1 user(s) were left alone because a change before them did not succeed.", summary())
	fails["2"] = adsync.ErrStale
	assert.Contains(t, summary(), "\n1 user(s) have changed in the meantime and were left alone.\n")
	fails["2"] = &net.OpError{Op: "read", Err: errDown}
	report, err := newSyncer(t, dir, store(), rekeying).Sync(t.Context())
	require.Error(t, err)
	assert.Contains(t, strings.Join(report.Summary(), "\n"), "change(s) were not attempted.")
}

// Whoever is deactivated counts as modified only if details changed as well.
func TestReport_CountsDetailsOfTheDeactivated(t *testing.T) {
	users := []adsync.User{user("1", 1, "ann", ""), user("2", 2, "bob", "")}
	off, renamed := entry(1, "ann", ""), entry(2, "bob2", "")
	off.Disabled, renamed.Disabled = true, true
	s := newSyncer(t, adsync.StaticDirectory{off, renamed}, adsync.NewMemoryStore(users...), &adsync.Options{
		Rules: adsync.Rules{OnDisabled: adsync.Deactivate}, Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1},
	})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, []adsync.Field{adsync.FieldStatus, adsync.FieldDeactivatedAt}, report.Plan.Changes[0].Fields)
	assert.Equal(t, adsync.Counts{Modified: 1, Deactivated: 2}, report.Counts())
}

// What a directory or a table holds does not reach a terminal as it is.
func TestExplain_EscapesWhatItPrints(t *testing.T) {
	const evil = "\x1b[31m\u202eevil\r\n"
	u := user("1"+evil, 1, "ann"+evil, "")
	u.Status = "odd" + evil
	e := entry(1, "bob"+evil, "")
	rules := adsync.Rules{Map: func(adsync.Entry) (adsync.Profile, error) { return adsync.Profile{}, errors.New("refused" + evil) }}
	lines, err := newSyncer(t, adsync.StaticDirectory{e}, adsync.NewMemoryStore(u), &adsync.Options{Rules: rules}).Explain(t.Context(), u.ID)
	require.NoError(t, err)
	text := strings.Join(lines, " ")
	assert.NotContains(t, text, "\x1b")
	assert.NotContains(t, text, "\u202e")
	assert.NotContains(t, text, "\n")
	for _, shown := range []string{"user 1\\u{1b}", "ann\\u{1b}", "odd\\u{1b}", "bob\\u{1b}", "refused\\u{1b}"} {
		assert.Contains(t, text, shown)
	}
}

// What is no report is not read as an empty one, which would look like a success.
func TestReport_IsRefusedWhenItIsNone(t *testing.T) {
	var r adsync.Report
	for _, text := range []string{`{"plan": 1}`, `{"results": "all"}`, `{"results": [1]}`, `[]`} {
		assert.Error(t, json.Unmarshal([]byte(text), &r), text)
	}
	require.NoError(t, json.Unmarshal([]byte(`{"results": [{"outcome": "applied"}, {"outcome": "failed", "error": "no"}]}`), &r))
	assert.NoError(t, r.Results[0].Err)
	assert.EqualError(t, r.Results[1].Err, "no")
}
