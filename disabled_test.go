package adsync_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// perhapsDisabled is an entry whose flag could not be read.
func perhapsDisabled(n byte, username, email string) adsync.Entry {
	e := entry(n, username, email)
	e.DisabledUnknown = true
	return e
}

// inBrief names the user, the operation and the reason of each change.
func inBrief(p *adsync.Plan) []string {
	var all []string
	for _, c := range p.Changes {
		all = append(all, strings.Trim(c.UserID+" "+string(c.Op)+" "+string(c.Reason), " "))
	}
	return all
}

func TestDisabledUnknown_ReactivatesNobody(t *testing.T) {
	deactivated := user("u1", 1, "ann", "ann@x")
	deactivated.Status = adsync.StatusDeactivated
	blocked := user("u2", 2, "bob", "bob@x")
	blocked.Status = adsync.StatusBlocked
	users := []adsync.User{deactivated, blocked, user("u3", 3, "cat", "cat@x")}
	entries := []adsync.Entry{perhapsDisabled(1, "ann2", "ann@x"), perhapsDisabled(2, "bob", "bob@x"), perhapsDisabled(3, "cat", "cat@x")}

	plan := mustReconcile(t, entries, users, adsync.Rules{})
	assert.Equal(t, []string{"u1 update changed", "u1 notice unknown"}, inBrief(plan), "the details follow, and nothing is told of others")
	assert.Equal(t, adsync.StatusDeactivated, plan.Changes[0].After.Status)
	assert.Empty(t, plan.Warnings, "no rule is about being disabled")
}

func TestDisabledUnknown_CreatesNobody(t *testing.T) {
	entries := []adsync.Entry{perhapsDisabled(1, "krbtgt", ""), perhapsDisabled(2, "guest", ""), entry(3, "ann", "")}
	plan := mustReconcile(t, entries, nil, adsync.Rules{Import: true})
	assert.Equal(t, []string{"create new"}, inBrief(plan))
	assert.Equal(t, 1, plan.Stats.Entries)
	require.Len(t, plan.Warnings, 1)
	assert.Contains(t, plan.Warnings[0], "of 2: ")

	store := adsync.NewMemoryStore()
	s := newSyncer(t, adsync.StaticDirectory(entries), store, nil)
	plan, err := s.Plan(t.Context(), adsync.ImportEntries(id(1), id(3)))
	require.NoError(t, err)
	assert.Equal(t, []string{"create new", "notice unknown"}, inBrief(plan), "asked for by name")
}

func TestDisabledUnknown_WarnsWhereARuleDependsOnIt(t *testing.T) {
	users := []adsync.User{user("u1", 1, "ann", ""), user("u2", 2, "bob", ""), user("u3", 3, "cat", ""), user("u4", 4, "dan", ""), user("u5", 5, "eve", "")}
	gone := perhapsDisabled(4, "dan", "")
	gone.State = adsync.StateDeleted
	outside := perhapsDisabled(2, "bob", "")
	outside.State = adsync.StateOutOfScope
	entries := []adsync.Entry{perhapsDisabled(1, "ann", ""), outside, entry(3, "cat", ""), gone, perhapsDisabled(5, "eve", "")}
	for reaction, want := range map[adsync.Reaction]int{"": 0, adsync.Keep: 0, adsync.Deactivate: 1, adsync.Remove: 1} {
		plan := mustReconcile(t, entries, users, adsync.Rules{OnDisabled: reaction, OnDeleted: adsync.Keep, Only: []string{"u1", "u2", "u3", "u4"}})
		assert.Equal(t, []string{"u2 notice out-of-scope", "u4 notice deleted"}, inBrief(plan), "nothing is done to them")
		require.Len(t, plan.Warnings, want, reaction)
		if want > 0 {
			assert.Contains(t, plan.Warnings[0], "of 2: ", "of those that the plan is about, and alive")
		}
	}
}

// Of two entries of one account, the one that knows wins, whichever comes first.
func TestDisabledUnknown_MakesNoListingAmbiguous(t *testing.T) {
	disabled, enabled := entry(1, "ann", ""), entry(1, "ann", "")
	disabled.Disabled = true
	unknown := perhapsDisabled(1, "ann", "")
	unknown.DN, enabled.DN, disabled.DN = "CN=a", "CN=b", "CN=c"
	deactivated := user("u1", 1, "ann", "")
	deactivated.Status = adsync.StatusDeactivated
	seen := map[string]bool{}
	rules := adsync.Rules{OnDisabled: adsync.Remove, Import: true, Map: func(e adsync.Entry) (adsync.Profile, error) {
		seen[e.DN] = true
		return e.Profile, nil
	}}
	for _, tt := range []struct {
		name    string
		entries []adsync.Entry
		user    string
		nobody  []string
	}{
		{"enabled", []adsync.Entry{unknown, enabled}, "u1 update reactivated", []string{"create new"}},
		{"disabled", []adsync.Entry{unknown, disabled}, "u1 delete disabled", nil},
		{"contradicting", []adsync.Entry{unknown, enabled, disabled}, "u1 duplicate listed-twice", []string{"duplicate listed-twice"}},
	} {
		for range 2 {
			clear(seen)
			assert.Equal(t, []string{tt.user}, inBrief(mustReconcile(t, tt.entries, []adsync.User{deactivated}, rules)), tt.name)
			assert.Equal(t, tt.nobody, inBrief(mustReconcile(t, tt.entries, nil, rules)), tt.name)
			assert.False(t, seen["CN=a"] && tt.name != "contradicting", "Map sees the entry that knows")
			slices.Reverse(tt.entries)
		}
	}
}

// Apply looks again: an account whose flag is no longer known is not removed because of it.
func TestDisabledUnknown_IsNoReasonToRemove(t *testing.T) {
	disabled := entry(1, "ann", "")
	disabled.Disabled = true
	unknown := perhapsDisabled(1, "ann", "")
	enabled := entry(1, "ann", "")
	for _, tt := range []struct {
		name string
		now  []adsync.Entry
		want adsync.Outcome
	}{
		{"unknown", []adsync.Entry{unknown}, adsync.OutcomeStale},
		{"one of two knows", []adsync.Entry{unknown, disabled}, adsync.OutcomeApplied},
		{"the other of two knows", []adsync.Entry{disabled, unknown}, adsync.OutcomeApplied},
		{"two contradict each other", []adsync.Entry{unknown, disabled, enabled}, adsync.OutcomeStale},
		{"enabled after all", []adsync.Entry{unknown, enabled}, adsync.OutcomeStale},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules := adsync.Rules{OnDisabled: adsync.Remove}
			store := adsync.NewMemoryStore(user("u1", 1, "ann", ""))
			plan := mustReconcile(t, []adsync.Entry{disabled}, []adsync.User{user("u1", 1, "ann", "")}, rules)
			require.Equal(t, []string{"u1 delete disabled"}, inBrief(plan))
			s := newSyncer(t, adsync.StaticDirectory(tt.now), store, &adsync.Options{Rules: rules})
			report, err := s.Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, tt.want, report.Results[0].Outcome)
		})
	}
}

// What one directory of a Join knows counts, in either order of the two.
func TestJoin_LetsTheKnownFlagWin(t *testing.T) {
	for _, state := range []adsync.State{adsync.StatePresent, adsync.StateOutOfScope} {
		knows, unknown := entry(1, "ann", ""), perhapsDisabled(1, "ann", "")
		knows.State, unknown.State, knows.Disabled = state, state, true
		dirs := []adsync.Directory{adsync.StaticDirectory{knows}, adsync.StaticDirectory{unknown}}
		for range 2 {
			rules := adsync.Rules{OnDisabled: adsync.Remove}
			s := newSyncer(t, adsync.Join(dirs...), adsync.NewMemoryStore(user("u1", 1, "ann", "")), &adsync.Options{Rules: rules})
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{"u1 delete disabled"}, inBrief(plan), state)
			slices.Reverse(dirs)
		}
	}
}

func TestExplain_TellsThatTheFlagIsUnknown(t *testing.T) {
	deactivated := user("u1", 1, "ann", "")
	deactivated.Status = adsync.StatusDeactivated
	s := newSyncer(t, adsync.StaticDirectory{perhapsDisabled(1, "ann", "")}, adsync.NewMemoryStore(deactivated), nil)
	lines, err := s.Explain(t.Context(), "u1")
	require.NoError(t, err)
	text := strings.Join(lines, "\n")
	assert.Contains(t, text, "perhaps disabled")
	assert.Contains(t, text, "read userAccountControl")
}

// Two controllers of one domain that are joined show an account in two ways while a change
// is on its way from one to the other.
func TestJoin_SaysThatReplicationLags(t *testing.T) {
	ahead, behind := adsync.StaticDirectory{entry(1, "ann2", "")}, adsync.StaticDirectory{entry(1, "ann", "")}
	store := adsync.NewMemoryStore(user("u1", 1, "ann", ""))
	s := newSyncer(t, adsync.Join(ahead, behind), store, nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"u1 duplicate listed-twice"}, inBrief(plan))
	lines, err := s.Explain(t.Context(), "u1")
	require.NoError(t, err)
	text := strings.Join(lines, "\n")
	assert.Contains(t, text, "shows its account in two ways, as while replication lags")
	assert.Contains(t, text, "wait until the domain controllers agree")

	behind[0].Username = "ann2"
	plan, err = s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"u1 update changed"}, inBrief(plan), "then it ends by itself")
}
