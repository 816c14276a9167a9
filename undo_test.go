package adsync_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestInverse_TakesARunBack(t *testing.T) {
	users := []adsync.User{
		user("1", 1, "anna", "anna@x"), user("2", 2, "ben", "ben@x"), user("3", 3, "cleo", "cleo@x"),
		user("4", 4, "dan", "dan@x"), user("5", 5, "eva", "eva@x"),
	}
	users[2].Phone, users[4].Status = "+1", adsync.StatusDeactivated
	dir := adsync.StaticDirectory{
		entry(1, "ben", "anna@x"), entry(2, "anna", "ben@x"), // a swap
		{ObjectID: id(3), State: adsync.StateDeleted},
		{ObjectID: id(4), Profile: profile("dan.d", "dan@x"), Disabled: true},
		entry(5, "eva.e", "eva@x"), // present again
		entry(6, "fay", "fay@x"),   // new
	}
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, &adsync.Options{
		Rules:  adsync.Rules{Import: true, OnDisabled: adsync.Deactivate},
		Limits: adsync.Limits{MaxRemovalRatio: -1},
	})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())

	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	again, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	assert.Equal(t, plan.Digest(), again.Digest())
	undone, err := s.Apply(t.Context(), plan, approve(plan))
	require.NoError(t, err)
	require.NoError(t, undone.Err())

	want := map[string]adsync.User{}
	for _, u := range users {
		want[u.Username] = u
	}
	for _, u := range allUsers(t, store) {
		before, ok := want[u.Username]
		if !ok {
			assert.Equal(t, "fay", u.Username, "only the created user is more than there was")
			continue
		}
		if u.Username == "cleo" {
			assert.NotEqual(t, "3", u.ID, "a deleted user comes back under a new ID")
			before.ID = u.ID
		}
		if u.Username == "eva" {
			before.Status = adsync.StatusActive
		}
		assert.Equal(t, before, u)
		delete(want, u.Username)
	}
	assert.Empty(t, want, "everybody is back")
	var told []string
	for _, c := range plan.Changes {
		if c.Op == adsync.OpNotice {
			told = append(told, c.Detail)
		}
	}
	assert.ElementsMatch(t, []string{"it was reactivated and is present", "it was created and is present"}, told)
}

// A login that went to a new user cannot go back to the deleted one.
func TestInverse_TellsWhatANewUserHolds(t *testing.T) {
	dir := adsync.StaticDirectory{entry(2, "anna", "")}
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
	s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Import: true}})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Len(t, plan.Changes, 2)
	assert.Equal(t, adsync.OpDuplicate, plan.Changes[0].Op)
	assert.Equal(t, adsync.ReasonTaken, plan.Changes[0].Reason)
	assert.Equal(t, []string{report.Results[1].UserID}, plan.Changes[0].Conflicts[0].With)
}

func TestInverse_WithoutACreator(t *testing.T) {
	store := bareStore{adsync.NewMemoryStore(user("1", 1, "anna", ""))}
	s := newSyncer(t, adsync.StaticDirectory{}, store, nil)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, []string{"1 notice undone: it was deleted, and the store cannot create users"}, inWords(plan))
	assert.Equal(t, "anna", plan.Changes[0].Before.Username)

	report.Results = report.Results[:0]
	_, err = s.Inverse(t.Context(), report)
	require.ErrorContains(t, err, "the whole report")
	_, err = s.Inverse(t.Context(), nil)
	require.Error(t, err)
	_, err = s.Inverse(t.Context(), &adsync.Report{})
	require.Error(t, err)
}

// Of the users of one account who were deleted, one comes back; and none where somebody else
// has been linked to it since. What the host gave them is not the sync's to give again.
func TestInverse_BringsOneUserOfAnAccountBack(t *testing.T) {
	one, two := user("1", 1, "anna", ""), user("2", 1, "anna2", "")
	one.Extra = extra("roles", "admin", "roles", "editor").With(adsync.FieldHostRoles, "admin")
	gone := adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}}
	lifted := &adsync.Options{Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1}}
	for _, linked := range []bool{false, true} {
		store := adsync.NewMemoryStore(one, two)
		s := newSyncer(t, gone, store, lifted)
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, report.Counts().Deleted)
		want := []string{"create undone", "2 notice undone: it was deleted, and another user is linked to its account"}
		if linked {
			_, err := store.CreateUser(t.Context(), creationOf(adsync.User{ObjectID: id(1), Profile: profile("eva", "")}))
			require.NoError(t, err)
			want = []string{"1 notice undone: it was deleted, and another user is linked to its account", want[1]}
		}
		plan, err := s.Inverse(t.Context(), report)
		require.NoError(t, err)
		assert.Equal(t, want, inWords(plan))
		assert.Equal(t, 2, plan.Stats.Chosen)
		if linked {
			assert.Equal(t, []int{1, 1}, []int{plan.Stats.Users, plan.Stats.Managed})
			continue
		}
		assert.Equal(t, extra("roles", "editor"), plan.Changes[0].After.Extra)
		assert.Equal(t, "anna", plan.Changes[0].After.Username)
		assert.Empty(t, plan.Changes[0].After.ID)
	}
}

// inWords is each change of a plan with its detail.
func inWords(p *adsync.Plan) []string {
	words := inBrief(p)
	for i, c := range p.Changes {
		if c.Detail != "" {
			words[i] += ": " + c.Detail
		}
	}
	return words
}

// A run that left somebody parked can be taken back too.
func TestInverse_OfARunThatWasCutShort(t *testing.T) {
	dir, users := swap()
	memory := adsync.NewMemoryStore(users...)
	store := hooked{memory, func(c adsync.Change) error {
		if c.UserID == "1" && !c.Interim {
			return adsync.ErrConflict
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	require.Error(t, report.Err())
	s := newSyncer(t, dir, memory, rekeying)
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	undone, err := s.Apply(t.Context(), plan, approve(plan))
	require.NoError(t, err)
	require.NoError(t, undone.Err())
	assert.Equal(t, users, allUsers(t, memory))
}

// Of changes of which nobody knows whether they were written, the rows say it.
func TestInverse_OfChangesOfUnknownOutcome(t *testing.T) {
	changed, newcomer := entry(1, "anna", "anna@x"), entry(3, "cleo", "")
	changed.Phone = "+1"
	gone := adsync.Entry{ObjectID: id(2), State: adsync.StateDeleted}
	for name, test := range map[string]struct {
		dir     adsync.StaticDirectory
		written bool
		want    []string
	}{
		"an update, written":       {adsync.StaticDirectory{changed, entry(2, "ben", "")}, true, []string{"update undone 1"}},
		"an update, not written":   {adsync.StaticDirectory{changed, entry(2, "ben", "")}, false, []string{}},
		"a deletion, written":      {adsync.StaticDirectory{entry(1, "anna", "anna@x"), gone}, true, []string{"create undone "}},
		"a deletion, not written":  {adsync.StaticDirectory{entry(1, "anna", "anna@x"), gone}, false, []string{}},
		"a new user, written":      {adsync.StaticDirectory{entry(1, "anna", "anna@x"), entry(2, "ben", ""), newcomer}, true, []string{"notice undone "}},
		"a new user, not written ": {adsync.StaticDirectory{entry(1, "anna", "anna@x"), entry(2, "ben", ""), newcomer}, false, []string{"notice undone "}},
	} {
		t.Run(name, func(t *testing.T) {
			users := []adsync.User{user("1", 1, "anna", "anna@x"), user("2", 2, "ben", "")}
			memory := adsync.NewMemoryStore(users...)
			store := unanswered{memory, test.written}
			opts := &adsync.Options{Rules: adsync.Rules{Import: true}, Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1}}
			report, err := newSyncer(t, test.dir, store, opts).Sync(t.Context())
			require.ErrorIs(t, err, adsync.ErrUnknown)
			require.Equal(t, []adsync.Outcome{adsync.OutcomeUnknown}, outcomes(report))
			plan, err := newSyncer(t, test.dir, memory, opts).Inverse(t.Context(), report)
			require.NoError(t, err)
			got := []string{}
			for _, c := range plan.Changes {
				got = append(got, fmt.Sprint(c.Op, " ", c.Reason, " ", c.UserID))
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// unanswered is a store that never hears whether its writes were committed.
type unanswered struct {
	memory *adsync.MemoryStore
	writes bool
}

func (u unanswered) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return u.memory.Users(ctx)
}

func (u unanswered) UpdateUser(ctx context.Context, c adsync.Change) error {
	return u.lost(func() error { return u.memory.UpdateUser(ctx, c) })
}

func (u unanswered) DeleteUser(ctx context.Context, c adsync.Change) error {
	return u.lost(func() error { return u.memory.DeleteUser(ctx, c) })
}

func (u unanswered) CreateUser(ctx context.Context, c adsync.Change) (id string, err error) {
	return "", u.lost(func() error { _, err := u.memory.CreateUser(ctx, c); return err })
}

func (u unanswered) lost(write func() error) error {
	if u.writes {
		if err := write(); err != nil {
			return err
		}
	}
	return adsync.ErrUnknown
}

// A report that somebody has cut down says nothing of how it was before.
func TestInverse_OfAReportThatIsNotWhole(t *testing.T) {
	s := newSyncer(t, adsync.StaticDirectory{}, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil)
	for name, change := range map[string]adsync.Change{
		"an update": {Op: adsync.OpUpdate, UserID: "1", ObjectID: id(1)},
		"a removal": {Op: adsync.OpDelete, UserID: "1", ObjectID: id(1)},
		"a new one": {Op: adsync.OpCreate, ObjectID: id(1)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Inverse(t.Context(), &adsync.Report{
				Plan:    &adsync.Plan{Version: 1, Changes: []adsync.Change{change}},
				Results: []adsync.Result{{UserID: "1", Outcome: adsync.OutcomeApplied}},
			})
			require.ErrorContains(t, err, "the whole report")
		})
	}
}
