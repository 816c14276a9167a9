package adsync_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// takesBack reports whether the change gives a parked user back what it had.
func takesBack(c adsync.Change) bool { return c.Reason == adsync.ReasonParked && !c.Interim }

// Whoever is parked for nothing is put back as soon as that is known, and not at the end of
// a long run. Its write is a phase of its own.
func TestParking_IsTakenBackWhileTheRunGoesOn(t *testing.T) {
	dir, users := swap()
	for n := byte(3); n < 9; n++ {
		dir, users = append(dir, entry(n, string('l'+rune(n)), "new@"+string('l'+rune(n)))), append(users, user(string('0'+rune(n)), n, string('l'+rune(n)), ""))
	}
	var written []string
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		switch {
		case takesBack(c):
			written = append(written, "back")
		case c.UserID == "2":
			return adsync.ErrConflict
		default:
			written = append(written, c.UserID)
		}
		return nil
	}}
	tracer := &traced{}
	report, err := newSyncer(t, dir, store, &adsync.Options{Limits: rekeying.Limits, BatchSize: 1, Tracer: tracer}).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.Counts{Modified: 6, Failed: 1, Blocked: 1}, report.Counts())
	back := slices.Index(written, "back")
	require.GreaterOrEqual(t, back, 0)
	assert.Less(t, back, len(written)-1, "there was more to write")
	for _, write := range tracer.of(adsync.PhaseWrite) {
		assert.Equal(t, 1, write.Count)
	}
	assert.Len(t, tracer.of(adsync.PhaseWrite), 9)
}

// A user who cannot be put back is reported, with what the store says to it.
func TestParking_ThatCannotBeTakenBackIsReported(t *testing.T) {
	dir, users := swap()
	errFull := errors.New("the disk is full")
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		switch {
		case takesBack(c):
			return errFull
		case c.UserID == "2":
			return adsync.ErrConflict
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"applied", "failed", "blocked"}, outcomes(report))
	require.ErrorIs(t, report.Results[0].Err, errFull)
	require.ErrorContains(t, report.Results[0].Err, "temporary username")
}

// The third waits for the email of the fourth, and the second for that of the third, so
// the first is parked before the third is written, and the second is written last.
func parkedBeforeAnother() (adsync.StaticDirectory, []adsync.User) {
	return adsync.StaticDirectory{entry(1, "b", ""), entry(2, "a", "m3@x"), entry(3, "c", "m4@x"), entry(4, "d", "free@x")},
		[]adsync.User{user("1", 1, "a", ""), user("2", 2, "b", ""), user("3", 3, "c", "m3@x"), user("4", 4, "d", "m4@x")}
}

// While a store hangs over a change of somebody else, it is not asked to put anybody back.
func TestParking_StaysWhileTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, users := parkedBeforeAnother()
		gate := make(chan struct{})
		var hung atomic.Int64
		store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
			if c.UserID == "3" || takesBack(c) {
				hung.Add(1)
				<-gate
			}
			return nil
		}}
		report, err := newSyncer(t, dir, store, &adsync.Options{Limits: rekeying.Limits}).Sync(t.Context())
		require.ErrorContains(t, err, "ApplyChanges")
		parked := slices.IndexFunc(report.Plan.Changes, func(c adsync.Change) bool { return c.Interim })
		require.GreaterOrEqual(t, parked, 0)
		assert.Equal(t, adsync.OutcomeApplied, report.Results[parked].Outcome)
		require.ErrorContains(t, report.Results[parked].Err, "temporary username")
		assert.Equal(t, int64(1), hung.Load())
		close(gate)
	})
}

// A store that has answered, though it makes no sense, is there to put users back.
func TestParking_IsTakenBackWhenAnAnswerMakesNoSense(t *testing.T) {
	dir, users := parkedBeforeAnother()
	memory := adsync.NewMemoryStore(users...)
	store := senseless{memory, "3"}
	report, err := newSyncer(t, dir, store, &adsync.Options{Limits: rekeying.Limits}).Sync(t.Context())
	require.ErrorContains(t, err, "returned 0 results for 1 changes")
	parked := slices.IndexFunc(report.Plan.Changes, func(c adsync.Change) bool { return c.Interim })
	require.GreaterOrEqual(t, parked, 0)
	assert.Equal(t, adsync.OutcomeSkipped, report.Results[parked].Outcome)
	one, _ := memory.Get(report.Plan.Changes[parked].UserID)
	assert.Equal(t, *report.Plan.Changes[parked].Before, one)
}

// senseless is a store that says nothing of a batch in which this user is.
type senseless struct {
	*adsync.MemoryStore
	user string
}

func (s senseless) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	written := s.MemoryStore.ApplyChanges(ctx, cs)
	if slices.ContainsFunc(cs, func(c adsync.Change) bool { return c.UserID == s.user }) {
		return nil
	}
	return written
}

// Putting a user back has ten seconds, or less where each call has less.
func TestParking_IsTakenBackWithinTenSeconds(t *testing.T) {
	for timeout, want := range map[time.Duration]string{-1: "10s", 0: "10s", 10 * time.Second: "10s", time.Second: "1s"} {
		synctest.Test(t, func(t *testing.T) {
			dir, users := swap()
			gate := make(chan struct{})
			store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
				switch {
				case takesBack(c):
					<-gate
				case c.UserID == "2":
					return adsync.ErrConflict
				}
				return nil
			}}
			report, err := newSyncer(t, dir, store, &adsync.Options{Limits: rekeying.Limits, Timeout: timeout}).Sync(t.Context())
			require.NoError(t, err)
			require.ErrorContains(t, report.Results[0].Err, "did not return from UpdateUser within "+want+" (")
			close(gate)
		})
	}
}

// Of a parked user who is gone, and of its last change, it is said that there is no such user.
func TestParking_OfAUserWhoIsGoneIsStaleForThat(t *testing.T) {
	dir, users := swap()
	plan := mustReconcile(t, dir, users, adsync.Rules{})
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users[1]), rekeying).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"stale", "blocked", "stale"}, outcomes(report))
	require.ErrorContains(t, report.Results[0].Err, "no user of this ID")
	require.ErrorContains(t, report.Results[2].Err, "no user of this ID")
}
