package adsync_test

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestApply_OneBadRowFailsAlone(t *testing.T) {
	dir, users := crowd(5)
	for i := range dir {
		dir[i].Phone = "+1"
	}
	errBad := errors.New("check constraint phones violated")
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "002" {
			return errBad
		}
		return nil
	}}
	for _, s := range []adsync.UserStore{store, bareStore{store}} {
		report, err := newSyncer(t, dir, s, nil).Sync(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, report.Err(), errBad)
		var change *adsync.ChangeError
		require.ErrorAs(t, report.Err(), &change)
		assert.Equal(t, "adsync: update of user 002: failed: check constraint phones violated", change.Error())
		assert.Equal(t, 1, report.Counts().Failed)
		assert.Contains(t, report.Summary()[0], "not completed")
	}
	u, _ := store.Get("004")
	assert.Equal(t, "+1", u.Phone)
}

// chain is a user who waits for another, who waits for a third.
func chain() (adsync.StaticDirectory, []adsync.User) {
	return adsync.StaticDirectory{entry(1, "b", ""), entry(2, "c", ""), entry(3, "d", ""), entry(4, "z", "")},
		[]adsync.User{user("1", 1, "a", ""), user("2", 2, "b", ""), user("3", 3, "c", ""), user("4", 4, "y", "")}
}

func TestApply_FailureBlocksThoseWhoNeedIt(t *testing.T) {
	dir, users := chain()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "3" {
			return adsync.ErrConflict
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"failed", "blocked", "blocked", "applied"}, outcomes(report))
	assert.Equal(t, adsync.Counts{Modified: 1, Failed: 1, Blocked: 2}, report.Counts())
}

// batches is a store that notes what it is given at once.
type batches struct {
	*adsync.MemoryStore
	given [][]adsync.Change
}

func (s *batches) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	s.given = append(s.given, slices.Clone(cs))
	return s.MemoryStore.ApplyChanges(ctx, cs)
}

// indexes lists the places in the plan of the changes of each batch.
func (s *batches) indexes(p *adsync.Plan) [][]int {
	var all [][]int
	for _, batch := range s.given {
		var indexes []int
		for _, c := range batch {
			indexes = append(indexes, slices.IndexFunc(p.Changes, func(d adsync.Change) bool { return cmp.Equal(c, d) }))
		}
		all = append(all, indexes)
	}
	return all
}

func TestApply_ManySwapsGoInFewBatches(t *testing.T) {
	dir, users := crowd(40)
	for i := 0; i < len(dir); i += 2 {
		dir[i].Username, dir[i+1].Username = dir[i+1].Username, dir[i].Username
	}
	store := &batches{MemoryStore: adsync.NewMemoryStore(users...)}
	var told []adsync.Change
	opts := &adsync.Options{Limits: rekeying.Limits, BatchSize: 20, OnResult: func(_ context.Context, c adsync.Change, _ adsync.Result) { told = append(told, c) }}
	report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, adsync.Counts{Modified: 40}, report.Counts())
	require.Len(t, report.Results, 60, "a parking and two updates for each swap")
	given := store.indexes(report.Plan)
	require.Len(t, given, 6)
	for _, batch := range given {
		assert.Len(t, batch, 10, "as many as may be parked")
		assert.True(t, slices.IsSorted(batch))
		for _, i := range batch {
			for _, need := range report.Plan.Changes[i].Needs {
				assert.NotContains(t, batch, need, "what a change needs is settled before")
			}
		}
	}
	assert.Equal(t, report.Plan.Changes, told, "in the plan's order")
}

func TestApply_WritesNotFarAheadOfWhatItTells(t *testing.T) {
	dir, users := bigWorld(8000)
	for i := range dir {
		dir[i].Profile = users[i].Profile
		if i < 30 { // a chain: each takes the username of the next
			dir[i].Username = users[i+1].Username
		} else {
			dir[i].Phone = "+1"
		}
	}
	dir[30].Username = "free"
	store := &batches{MemoryStore: adsync.NewMemoryStore(users...)}
	report, err := newSyncer(t, adsync.StaticDirectory(dir), store, &adsync.Options{BatchSize: 400}).Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, adsync.Counts{Modified: 8000}, report.Counts())
	place := map[string]int{}
	for i, c := range report.Plan.Changes {
		place[c.UserID] = i
	}
	written, open, furthest := map[int]bool{}, 0, 0
	for _, batch := range store.given {
		for written[open] {
			open++
		}
		for _, c := range batch {
			written[place[c.UserID]] = true
			furthest = max(furthest, place[c.UserID]-open)
		}
	}
	assert.Greater(t, furthest, 4000)
	assert.Less(t, furthest, 5000+400)
}

// stopping ends the context after a batch, and notes the writes after that.
type stopping struct {
	*adsync.MemoryStore
	cancel    context.CancelFunc
	putBack   []string
	deadlines map[time.Time]bool
}

func (s *stopping) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	defer s.cancel()
	return s.MemoryStore.ApplyChanges(ctx, cs)
}

func (s *stopping) UpdateUser(ctx context.Context, c adsync.Change) error {
	deadline, _ := ctx.Deadline()
	s.deadlines[deadline] = true
	s.putBack = append(s.putBack, c.UserID)
	return s.MemoryStore.UpdateUser(ctx, c)
}

func TestApply_ParksFewAtATime(t *testing.T) {
	dir, users := crowd(200)
	for i := 0; i < len(dir); i += 2 {
		dir[i].Username, dir[i+1].Username = dir[i+1].Username, dir[i].Username
	}
	ctx, cancel := context.WithCancel(t.Context())
	store := &stopping{MemoryStore: adsync.NewMemoryStore(users...), cancel: cancel, deadlines: map[time.Time]bool{}}
	_, err := newSyncer(t, dir, store, rekeying).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, store.putBack, 10)
	assert.Len(t, store.deadlines, 1, "one for all of them")
	assert.Equal(t, users, allUsers(t, store))
}

// A circle that no ten parkings open is opened all the same.
func TestApply_ParksAsManyAsACircleTakes(t *testing.T) {
	const n = 40
	dir, users := crowd(n)
	for i := range dir { // everybody wants the hub's username or email, in a wheel of circles
		dir[i].Username, dir[i].Email = users[(i+1)%n].Username, users[(i+n/2)%n].Email
	}
	store := adsync.NewMemoryStore(users...)
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	parked := 0
	for _, c := range report.Plan.Changes {
		if c.Interim {
			parked++
		}
	}
	assert.Greater(t, parked, 10)
	for i, u := range allUsers(t, store) {
		assert.Equal(t, dir[i].Profile, u.Profile)
	}
}

func swap() (adsync.StaticDirectory, []adsync.User) {
	return adsync.StaticDirectory{entry(1, "b", ""), entry(2, "a", "")},
		[]adsync.User{user("1", 1, "a", ""), user("2", 2, "b", "")}
}

func TestApply_PutsTheParkedBackWhenTheirTakersFail(t *testing.T) {
	dir, users := swap()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "2" {
			return adsync.ErrConflict
		}
		return nil
	}}
	var told []adsync.Outcome
	opts := &adsync.Options{Limits: rekeying.Limits, OnResult: func(_ context.Context, _ adsync.Change, r adsync.Result) { told = append(told, r.Outcome) }}
	report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"skipped", "failed", "blocked"}, outcomes(report))
	assert.Equal(t, outcomes(report), told, "a result is told when it is final")
	assert.Equal(t, users, allUsers(t, store))
}

// A write that ends a parking, or takes it back, and is not answered leaves it unknown
// whether the user is still parked. The report must not say that it is.
func TestApply_ParkedWithoutAnAnswerIsUnknown(t *testing.T) {
	for name, test := range map[string]struct {
		unanswered, refused func(adsync.Change) bool
		want                []adsync.Outcome
	}{
		"the final write": {
			func(c adsync.Change) bool { return c.UserID == "1" && !c.Interim }, func(adsync.Change) bool { return false },
			[]adsync.Outcome{"unknown", "applied", "unknown"},
		},
		"the putting back": {
			func(c adsync.Change) bool { return c.Reason == adsync.ReasonParked && !c.Interim }, func(c adsync.Change) bool { return c.UserID == "2" },
			[]adsync.Outcome{"unknown", "failed", "blocked"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, users := swap()
			memory := adsync.NewMemoryStore(users...)
			store := hooked{memory, func(c adsync.Change) error {
				if test.refused(c) {
					return adsync.ErrConflict
				}
				if test.unanswered(c) {
					_ = memory.UpdateUser(t.Context(), c) // it was written all the same
					return adsync.ErrUnknown
				}
				return nil
			}}
			report, _ := newSyncer(t, dir, store, rekeying).Sync(t.Context())
			assert.Equal(t, test.want, outcomes(report))
			require.ErrorIs(t, report.Results[0].Err, adsync.ErrUnknown)
			assert.NotContains(t, strings.Join(report.Summary(), "\n"), "temporary name")
			report, err := newSyncer(t, dir, memory, rekeying).Sync(t.Context())
			require.NoError(t, err)
			require.NoError(t, report.Err())
			assert.Equal(t, "b", allUsers(t, memory)[0].Username)
		})
	}
}

func TestApply_NamesTheParkedWhoCannotFinish(t *testing.T) {
	dir, users := swap()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "1" && !c.Interim {
			return adsync.ErrConflict
		}
		return nil
	}}
	var told []adsync.Result
	opts := &adsync.Options{Limits: rekeying.Limits, OnResult: func(_ context.Context, _ adsync.Change, r adsync.Result) { told = append(told, r) }}
	report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"applied", "applied", "failed"}, outcomes(report))
	assert.Contains(t, strings.Join(report.Summary(), "\n"), "temporary name until the next sync: user 1.")
	require.ErrorContains(t, report.Err(), "temporary username")
	require.ErrorContains(t, told[0].Err, "temporary username", "it is told as it is reported")
	out, err := json.Marshal(report)
	require.NoError(t, err)
	var back adsync.Report
	require.NoError(t, json.Unmarshal(out, &back))
	assert.Equal(t, report.Summary(), back.Summary())

	report, err = newSyncer(t, dir, store.MemoryStore, rekeying).Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	one, _ := store.Get("1")
	assert.Equal(t, "b", one.Username)
}

func TestApply_CancellingStopsBetweenBatches(t *testing.T) {
	dir, users := crowd(6)
	for i := range dir {
		dir[i].Phone = "+1"
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	opts := &adsync.Options{BatchSize: 2, OnResult: func(context.Context, adsync.Change, adsync.Result) {
		if seen++; seen == 4 {
			cancel()
		}
	}}
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []adsync.Outcome{"applied", "applied", "applied", "applied", "not-attempted", "not-attempted"}, outcomes(report))
	assert.Contains(t, report.Summary(), "2 change(s) were not attempted.")
	assert.Equal(t, 6, seen, "every result is told")
}

func TestApply_CancellingPutsTheParkedBack(t *testing.T) {
	dir, users := swap()
	ctx, cancel := context.WithCancel(t.Context())
	memory := adsync.NewMemoryStore(users...)
	store := hooked{memory, func(c adsync.Change) error {
		if c.UserID == "2" {
			cancel()
			return ctx.Err()
		}
		return nil
	}}
	_, err := newSyncer(t, dir, bareStore{store}, rekeying).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	one, _ := memory.Get("1")
	assert.Contains(t, one.Username, "~adsync-", "whether user 2 took the name is not known, so nothing is put back")

	// Where there is no doubt, the user is put back although the run was cancelled.
	memory = adsync.NewMemoryStore(users...)
	ctx, cancel = context.WithCancel(t.Context())
	store = hooked{memory, func(c adsync.Change) error {
		if c.Interim {
			defer cancel()
		}
		return nil
	}}
	_, err = newSyncer(t, dir, bareStore{store}, rekeying).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, users, allUsers(t, memory))
}

func TestApply_SaysWhatIsUnknown(t *testing.T) {
	for name, lost := range map[string]error{
		"said by the store":     fmt.Errorf("%w: commit", adsync.ErrUnknown),
		"a connection lost":     io.ErrUnexpectedEOF,
		"a deadline in a write": context.DeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			dir, users := chain()
			memory := adsync.NewMemoryStore(users...)
			store := hooked{memory, func(c adsync.Change) error {
				if c.UserID != "2" {
					return nil
				}
				assert.NoError(t, memory.UpdateUser(context.Background(), c))
				return lost
			}}
			s := newSyncer(t, dir, store, rekeying)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			report, err := s.Apply(t.Context(), plan)
			require.ErrorIs(t, err, lost)
			assert.Equal(t, []adsync.Outcome{"applied", "unknown", "not-attempted", "applied"}, outcomes(report), "the fourth needs nobody")
			report, err = newSyncer(t, dir, memory, rekeying).Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, []adsync.Outcome{"already", "already", "applied", "already"}, outcomes(report))
		})
	}
}

// What an error of the store means for the change, and whether more is written after it.
func TestApply_WhatAnErrorOfTheStoreMeans(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		want   adsync.Outcome
		goesOn bool
	}{
		"none":                             {nil, adsync.OutcomeApplied, true},
		"written before":                   {adsync.ErrAlready, adsync.OutcomeAlready, true},
		"changed since":                    {adsync.ErrStale, adsync.OutcomeStale, true},
		"a key of another":                 {adsync.ErrConflict, adsync.OutcomeFailed, true},
		"a key of another, and no more":    {errors.Join(adsync.ErrConflict, io.EOF), adsync.OutcomeFailed, true},
		"a constraint":                     {errors.New("a phone has digits"), adsync.OutcomeFailed, true},
		"nothing written":                  {adsync.ErrNotWritten, adsync.OutcomeFailed, false},
		"a bad connection":                 {driver.ErrBadConn, adsync.OutcomeFailed, false},
		"nothing written, as it was ended": {errors.Join(adsync.ErrNotWritten, context.Canceled), adsync.OutcomeNotAttempted, false},
		"nothing written in time":          {errors.Join(driver.ErrBadConn, context.DeadlineExceeded), adsync.OutcomeNotAttempted, false},
		"not known":                        {adsync.ErrUnknown, adsync.OutcomeUnknown, false},
		"not known, or stale":              {errors.Join(adsync.ErrStale, adsync.ErrUnknown), adsync.OutcomeUnknown, false},
		"ended in the write":               {context.Canceled, adsync.OutcomeUnknown, false},
		"late in the write":                {context.DeadlineExceeded, adsync.OutcomeUnknown, false},
		"the end of the connection":        {io.EOF, adsync.OutcomeUnknown, false},
		"its end within an answer":         {io.ErrUnexpectedEOF, adsync.OutcomeUnknown, false},
		"a network":                        {&net.OpError{Op: "read", Err: errDown}, adsync.OutcomeUnknown, false},
	} {
		dir, users := crowd(3)
		for i := range dir {
			dir[i].Phone = "+1"
		}
		store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
			if c.UserID == users[1].ID {
				return test.err
			}
			return nil
		}}
		report, err := newSyncer(t, dir, bareStore{store}, nil).Sync(t.Context())
		then := adsync.OutcomeApplied
		if !test.goesOn {
			require.ErrorIs(t, err, test.err, name)
			require.ErrorContains(t, err, "cut short", name)
			kind, other := adsync.ErrNotWritten, adsync.ErrUnknown
			if test.want == adsync.OutcomeUnknown {
				kind, other = other, kind
			}
			require.NotErrorIs(t, err, other, name)
			assert.Equal(t, 1, strings.Count(err.Error(), strings.TrimPrefix(kind.Error(), "adsync: ")), err)
			require.ErrorIs(t, err, kind, name)
			require.ErrorIs(t, report.Results[1].Err, kind, name)
			then = adsync.OutcomeNotAttempted
		} else {
			require.NoError(t, err, name)
		}
		assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied, test.want, then}, outcomes(report), name)
	}
}

func TestApply_PanicLeavesATrueReport(t *testing.T) {
	dir, users := chain()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "2" {
			panic("anna@x is in the panic value")
		}
		return nil
	}}
	report, err := newSyncer(t, dir, bareStore{store}, rekeying).Sync(t.Context())
	require.ErrorContains(t, err, "panicked")
	assert.NotContains(t, err.Error(), "anna@x")
	assert.Equal(t, []adsync.Outcome{"applied", "unknown", "not-attempted", "not-attempted"}, outcomes(report))

	opts := &adsync.Options{Limits: rekeying.Limits, OnResult: func(context.Context, adsync.Change, adsync.Result) { panic("callback") }, BatchSize: 1}
	report, err = newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(t.Context())
	require.ErrorContains(t, err, "OnResult panicked")
	assert.Equal(t, []adsync.Outcome{"applied", "not-attempted", "not-attempted", "not-attempted"}, outcomes(report))
}

// locking counts.
type locking struct {
	bareStore
	held, locked, unlocked *int
	err                    error
}

func (l locking) Lock(context.Context, string) (func() error, error) {
	if l.err != nil {
		return nil, l.err
	}
	*l.locked++
	*l.held++
	return func() error { *l.held--; *l.unlocked++; return nil }, nil
}

// sourced is a store that keeps whose lock it was asked for.
type sourced struct {
	bareStore
	asked *[]string
}

func (s sourced) Lock(_ context.Context, source string) (func() error, error) {
	*s.asked = append(*s.asked, source)
	return func() error { return nil }, nil
}

func TestLock_IsOfTheSource(t *testing.T) {
	var asked []string
	store := sourced{bareStore{adsync.NewMemoryStore()}, &asked}
	for _, source := range []string{"", "corp"} {
		s := newSyncer(t, adsync.StaticDirectory{}, store, &adsync.Options{Rules: adsync.Rules{Source: source}})
		plan, err := s.Plan(t.Context())
		require.NoError(t, err)
		require.Empty(t, asked, "a plan writes nothing, and needs no lock")
		_, err = s.Apply(t.Context(), plan)
		require.NoError(t, err)
		_, err = s.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{source, source}, asked)
		asked = nil
	}
}

func TestLock_IsHeldForTheRun(t *testing.T) {
	dir, users := chain()
	var held, locked, unlocked int
	memory := adsync.NewMemoryStore(users...)
	store := hooked{memory, func(adsync.Change) error {
		assert.Equal(t, 1, held)
		return nil
	}}
	s := newSyncer(t, dir, locking{bareStore{store}, &held, &locked, &unlocked, nil}, rekeying)
	_, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 1}, []int{held, locked, unlocked})

	plan := mustReconcile(t, dir, users, adsync.Rules{})
	errTaken := errors.New("another session has it")
	memory = adsync.NewMemoryStore(users...)
	s = newSyncer(t, dir, locking{bareStore{memory}, nil, nil, nil, errTaken}, rekeying)
	report, err := s.Apply(t.Context(), plan)
	require.ErrorIs(t, err, errTaken)
	assert.Len(t, report.Results, len(plan.Changes))
	assert.Equal(t, users, allUsers(t, memory))
}

// slow ends the context within a batch, of which nothing more is written then.
type slow struct {
	*adsync.MemoryStore
	cancel context.CancelFunc
}

func (s slow) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	first := s.MemoryStore.ApplyChanges(ctx, cs[:1])
	s.cancel()
	return append(first, s.MemoryStore.ApplyChanges(ctx, cs[1:])...)
}

func TestApply_CancellingWithinABatch(t *testing.T) {
	dir, users := crowd(3)
	for i := range dir {
		dir[i].Phone = "+1"
	}
	ctx, cancel := context.WithCancel(t.Context())
	report, err := newSyncer(t, dir, slow{adsync.NewMemoryStore(users...), cancel}, nil).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []adsync.Outcome{"applied", "not-attempted", "not-attempted"}, outcomes(report))
	assert.Zero(t, report.Counts().Failed)
}

// A finished plan has nothing left to write, not even the parking of somebody who has
// its name by now.
func TestApply_AgainFindsASwapDone(t *testing.T) {
	dir, users := swap()
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, rekeying)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	again, err := s.Apply(t.Context(), report.Plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"already", "already", "already"}, outcomes(again))
	for _, result := range again.Results {
		assert.NoError(t, result.Err)
	}
}

func TestApply_LogsOnlyWhatWasNotApplied(t *testing.T) {
	var log strings.Builder
	dir, users := crowd(3)
	dir[0].Phone, dir[1].Phone = "+1", "+1"
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "001" {
			return adsync.ErrAlready
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, &adsync.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, []adsync.Outcome{"applied", "already"}, outcomes(report))
	assert.NoError(t, report.Results[1].Err)
	assert.NotContains(t, log.String(), "not applied")
	assert.Contains(t, log.String(), `msg="adsync: applied" modified=1 deleted=0`, "and how many were")
}

// A run that is refused, or that ends on its way, has a line that says what kind of error it
// was, without the words of a store or a directory.
func TestLog_HasALineForARunThatFails(t *testing.T) {
	dir, users := crowd(40)
	for i := range dir {
		dir[i].State = adsync.StateDeleted
	}
	for name, test := range map[string]struct {
		dir   adsync.Directory
		store adsync.UserStore
		want  []string // of each line
	}{
		"beyond a limit":   {dir, adsync.NewMemoryStore(users...), []string{"adsync: planned", "limit=MaxRemovalRatio count=40 allowed=4"}},
		"half a directory": {halfListing{dir[:0]}, adsync.NewMemoryStore(users...), []string{"adsync: not planned\" error=\"adsync: could not read"}},
		"without a lock":   {dir, locking{bareStore: bareStore{adsync.NewMemoryStore(users...)}, err: adsync.ErrLocked}, []string{"not carried out, or not to the end\" error=\"adsync: another run"}},
	} {
		var log strings.Builder
		syncer := newSyncer(t, test.dir, test.store, &adsync.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		_, err := syncer.Sync(t.Context())
		require.Error(t, err, name)
		assert.NotContains(t, log.String(), "the connection was lost", name)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, len(test.want), log.String())
		for i, want := range test.want {
			assert.Contains(t, lines[i], want, name)
		}
		if name == "beyond a limit" {
			log.Reset()
			_, err = syncer.Apply(t.Context(), &adsync.Plan{})
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			assert.Contains(t, log.String(), "not carried out")
		}
	}
}

// What a plan merely reports is told last of all, and a callback that panics then ends the
// run as any other does.
func TestApply_CallbackMayPanicOverAReport(t *testing.T) {
	dir := adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateOutOfScope}}
	opts := &adsync.Options{OnResult: func(context.Context, adsync.Change, adsync.Result) { panic("no") }}
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "a", "")), opts).Sync(t.Context())
	require.ErrorContains(t, err, "callback OnResult")
	assert.Len(t, report.Results, 1)
}

// A plan that only tells is told again without a look at either side.
func TestApply_ReadsNothingForAPlanThatWritesNothing(t *testing.T) {
	plan := mustReconcile(t, []adsync.Entry{{ObjectID: id(1), State: adsync.StateOutOfScope}}, []adsync.User{user("1", 1, "ann", "")}, adsync.Rules{})
	require.Equal(t, []string{"1 notice out-of-scope"}, inBrief(plan))
	report, err := newSyncer(t, failing{}, brokenReads{bareStore{adsync.NewMemoryStore()}}, nil).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeSkipped}, outcomes(report))
}

// atOnce is a store that takes many new users at once.
type atOnce struct{ *batches }

func (atOnce) Traits() adsync.Traits { return adsync.Traits{CreatesAtOnce: 700} }

func TestApply_GivesNewUsersAsTheStoreTakesThem(t *testing.T) {
	var dir adsync.StaticDirectory
	for n := range 701 {
		dir = append(dir, adsync.Entry{ObjectID: adsync.ObjectID{1, byte(n), byte(n >> 8)}, Profile: profile(fmt.Sprint("u", n), "")})
	}
	for _, tt := range []struct {
		size int
		want []int
	}{{0, []int{700, 1}}, {400, []int{400, 301}}} {
		store := atOnce{&batches{MemoryStore: adsync.NewMemoryStore()}}
		opts := &adsync.Options{Rules: adsync.Rules{Import: true}, BatchSize: tt.size}
		_, err := newSyncer(t, dir, store, opts).Sync(t.Context())
		require.NoError(t, err)
		var sizes []int
		for _, batch := range store.given {
			sizes = append(sizes, len(batch))
		}
		assert.Equal(t, tt.want, sizes)
	}
}
