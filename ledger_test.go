package adsync_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// book is a ledger in memory.
type book struct {
	mu    sync.Mutex
	notes map[string]bookNote
	told  int
	fails func(method string, nth int) error // of the calls of Note, from 1
}

type bookNote struct {
	source string
	at     time.Time
	tally  adsync.Tally
	used   string
}

func (b *book) Recent(ctx context.Context, source string, since time.Time) (all adsync.Tally, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails != nil {
		if err := b.fails("Recent", 0); err != nil {
			return all, err
		}
	}
	for _, n := range b.notes {
		if n.source == source && !n.at.Before(since) {
			all.Add(n.tally)
		}
	}
	return all, ctx.Err()
}

func (b *book) Note(ctx context.Context, source, runID string, t adsync.Tally, used *adsync.Approval) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told++
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if b.fails != nil {
		if err := b.fails("Note", b.told); err != nil {
			return err
		}
	}
	n := bookNote{source: source, at: time.Now(), tally: t}
	if used != nil {
		n.used = used.Digest
	}
	for id, other := range b.notes {
		if id != runID && n.used != "" && other.used == n.used && other.source == source {
			return adsync.ErrUsed
		}
	}
	if b.notes == nil {
		b.notes = map[string]bookNote{}
	}
	b.notes[runID] = n
	return nil
}

// both carries a test out by Sync, and by Plan and Apply.
func both(t *testing.T, test func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error))) {
	t.Run("Sync", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(s *adsync.Syncer, _ ...adsync.Approval) (*adsync.Report, error) { return s.Sync(t.Context()) })
		})
	})
	t.Run("Apply", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(s *adsync.Syncer, approvals ...adsync.Approval) (*adsync.Report, error) {
				plan, err := s.Plan(t.Context())
				require.NoError(t, err)
				return s.Apply(t.Context(), plan, approvals...)
			})
		})
	})
}

// bigCrowd is a crowd without bounds.
func bigCrowd(n int) (adsync.StaticDirectory, []adsync.User) {
	dir, users := make(adsync.StaticDirectory, n), make([]adsync.User, n)
	for i := range n {
		dir[i] = bigPerson(i)
		users[i] = adsync.User{ID: fmt.Sprintf("%06d", i), ObjectID: dir[i].ObjectID, Profile: dir[i].Profile}
	}
	return dir, users
}

func requireLimit(t *testing.T, err error) *adsync.LimitError {
	t.Helper()
	var limit *adsync.LimitError
	require.ErrorAs(t, err, &limit)
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	return limit
}

func TestLedger_StopsADrip(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := bigCrowd(8000)
		store := adsync.NewMemoryStore(users...)
		s := newSyncer(t, dir, store, &adsync.Options{Ledger: &book{}})
		loses := func(from, to int) {
			for i := from; i < to; i++ {
				dir[i].State = adsync.StateDeleted
			}
		}
		loses(0, 499)
		report, err := run(s)
		require.NoError(t, err)
		require.Equal(t, 499, report.Counts().Deleted)
		time.Sleep(30 * time.Minute)

		loses(499, 2*499)
		report, err = run(s)
		limit := requireLimit(t, err)
		limit.Plan = nil
		assert.Equal(t, adsync.LimitError{Limit: "MaxRemovals", Count: 499, Managed: 7501, Allowed: 500, Recent: 499, Window: 24 * time.Hour}, *limit)
		assert.EqualError(t, limit, "adsync: the plan removes 499 of 7501 managed users, after 499 others within 24h0m0s, and MaxRemovals allows 500; nothing was changed. Review the plan, then approve its digest or change the limit")
		assert.True(t, report.Refused)
		require.Len(t, allUsers(t, store), 7501)

		time.Sleep(23*time.Hour + 29*time.Minute)
		_, err = run(s)
		requireLimit(t, err)
		time.Sleep(2 * time.Minute)
		report, err = run(s)
		require.NoError(t, err)
		require.Equal(t, 499, report.Counts().Deleted)
	})
}

// A tenth of those who are left, 59 times: it is a tenth of those who were there.
func TestLedger_StopsATenthOfATenth(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := bigCrowd(200)
		store := adsync.NewMemoryStore(users...)
		s := newSyncer(t, dir, store, &adsync.Options{Ledger: &book{}})
		left := 200
		for range 59 {
			for i := range left / 10 {
				dir[200-left+i].State = adsync.StateDeleted
			}
			_, err := run(s)
			if left == 200 {
				require.NoError(t, err)
			} else {
				limit := requireLimit(t, err)
				assert.Equal(t, []any{"MaxRemovalRatio", 20, 180}, []any{limit.Limit, limit.Allowed, limit.Managed})
			}
			left = len(allUsers(t, store))
			time.Sleep(20 * time.Minute)
		}
		assert.Equal(t, 180, left)
	})
}

// The ratio is of those who are managed and those who were deleted: half of the tenth now
// and half later is a tenth.
func TestLedger_CountsTheDeletedInTheRatio(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := bigCrowd(100)
		s := newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: &book{}})
		for n, want := range []bool{0: true, 1: true, 2: false} {
			for i := 5 * n; i < 5*n+5; i++ {
				dir[i].State = adsync.StateDeleted
			}
			_, err := run(s)
			assert.Equal(t, want, err == nil, n)
		}
	})
}

func TestLedger_LetsOneThroughOnlyWhileNothingIsRecent(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := crowd(4)
		s := newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: &book{}, Window: time.Hour})
		dir[0].State = adsync.StateDeleted
		_, err := run(s)
		require.NoError(t, err)
		dir[1].State = adsync.StateDeleted
		_, err = run(s)
		assert.Equal(t, 1, requireLimit(t, err).Recent)
		time.Sleep(61 * time.Minute)
		_, err = run(s)
		require.NoError(t, err)
	})
}

// roleCrowd tells of one role.
type roleCrowd struct{ adsync.StaticDirectory }

func (roleCrowd) Traits() adsync.Traits { return adsync.Traits{Roles: []string{"admin"}} }

// Each kind is counted by itself, each user once for each, and those of another source not
// at all.
func TestLedger_CountsEachKind(t *testing.T) {
	admin := adsync.Extra{}.With(adsync.FieldRoles, "admin")
	for kind, test := range map[string]struct {
		do    func(e *adsync.Entry, u *adsync.User)
		limit string
	}{
		"deactivated": {deeds["deactivates"], "MaxRemovalRatio"},
		"cleared":     {deeds["clears"], "MaxCleared"},
		"rekeyed":     {deeds["readdresses"], "MaxRekeyed"},
		"reactivated": {deeds["reactivates"], "MaxReactivated"},
		"granted":     {func(e *adsync.Entry, _ *adsync.User) { e.Extra = admin }, "MaxGranted"},
		"revoked":     {func(_ *adsync.Entry, u *adsync.User) { u.Extra = admin }, "MaxRevoked"},
	} {
		t.Run(kind, func(t *testing.T) {
			both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
				ledger := &book{}
				try := func(source, kind string, who ...int) error {
					dir, users := crowd(30)
					for i := range users {
						users[i].Source = source
						if kind == "revoked" && !slices.Contains(who, i) { // others keep it
							dir[i].Extra, users[i].Extra = admin, admin
						}
					}
					do, limits := test.do, adsync.Limits{}
					if kind == "" {
						do = func(e *adsync.Entry, _ *adsync.User) { e.FirstName = "Another" }
						limits.MaxRemovalRatio = 0.01 // less than was let through before
					}
					for _, i := range who {
						do(&dir[i], &users[i])
					}
					s := newSyncer(t, roleCrowd{dir}, adsync.NewMemoryStore(users...), &adsync.Options{
						Ledger: ledger, Rules: adsync.Rules{Source: source, OnDisabled: adsync.Deactivate}, Limits: limits,
					})
					report, err := run(s)
					require.NotEmpty(t, report.Results)
					return err
				}
				require.NoError(t, try("ad", kind, 0, 1))
				require.NoError(t, try("ad", kind, 1, 2), "one of them was counted before")
				err := try("ad", kind, 3)
				require.Error(t, err)
				limit := requireLimit(t, err)
				assert.Equal(t, []any{test.limit, 1, 3, 3}, []any{limit.Limit, limit.Count, limit.Recent, limit.Allowed})
				require.NoError(t, try("ad", kind, 0, 2), "all of them were counted before")
				require.NoError(t, try("ad", "", 5), "what no limit is about goes on")
				require.NoError(t, try("other", kind, 3))
			})
		})
	}
}

// The last one who has a role is not taken it, after others were.
func TestLedger_KeepsTheLastOfARole(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := crowd(100)
		for i := range 3 {
			users[i].Extra = users[i].Extra.With(adsync.FieldRoles, "admin")
			dir[i].Extra = users[i].Extra
		}
		s := newSyncer(t, roleCrowd{dir}, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: &book{}})
		for i := range 3 {
			dir[i].Extra = adsync.Extra{}
			_, err := run(s)
			if i < 2 {
				require.NoError(t, err)
				continue
			}
			limit := requireLimit(t, err)
			assert.Equal(t, []any{"admin", 1, 2}, []any{limit.Role, limit.Count, limit.Recent})
			assert.ErrorContains(t, err, `takes the role "admin" from the last 1 who have it, after roles were taken from 2 others within 24h0m0s`)
		}
	})
}

// A run that crashes between its note and its writes counts too much, never too little.
func TestLedger_CrashedRunCountsWhatWasToBeWritten(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := crowd(30)
		for i := range 3 {
			dir[i].State = adsync.StateDeleted
		}
		ledger := &book{fails: func(method string, nth int) error {
			if nth == 2 {
				return errors.New("this process is no more")
			}
			return nil
		}}
		writes := 0
		store := hooked{adsync.NewMemoryStore(users...), func(adsync.Change) error {
			require.Equal(t, 1, ledger.told, "the ledger is told before the first write")
			writes++
			return adsync.ErrNotWritten
		}}
		s := newSyncer(t, dir, store, &adsync.Options{Ledger: ledger})
		_, err := run(s)
		require.Error(t, err)
		require.NotZero(t, writes)
		require.Len(t, allUsers(t, store), 30)
		ledger.fails = nil
		recent, err := ledger.Recent(t.Context(), "", time.Time{})
		require.NoError(t, err)
		assert.Equal(t, adsync.Tally{Removed: []string{"000", "001", "002"}}, recent)

		store.before = func(adsync.Change) error { return nil }
		s = newSyncer(t, dir, store, &adsync.Options{Ledger: ledger})
		dir[3].State = adsync.StateDeleted
		_, err = run(s)
		requireLimit(t, err)
		dir[2].State = adsync.StatePresent
		dir[1].State = adsync.StatePresent
		dir[3].State = adsync.StatePresent
		_, err = run(s)
		require.NoError(t, err, "the same user again is the same user")
	})
}

// What was not written after all does not count.
func TestLedger_IsToldWhatWasWritten(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := crowd(70)
		for i := range 7 {
			dir[i].State = adsync.StateDeleted
		}
		ledger := &book{}
		outcomes := map[string]error{
			"000": errors.New("refused"), "001": adsync.ErrStale, "002": adsync.ErrAlready, "003": adsync.ErrUnknown,
		}
		store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error { return outcomes[c.UserID] }}
		_, _ = run(newSyncer(t, dir, bareStore{store}, &adsync.Options{Ledger: ledger}))
		recent, err := ledger.Recent(t.Context(), "", time.Time{})
		require.NoError(t, err)
		assert.Equal(t, adsync.Tally{Removed: []string{"002", "003"}}, recent, "the run ended there")
		_, _ = run(newSyncer(t, dir, store, &adsync.Options{Ledger: ledger}))
		recent, err = ledger.Recent(t.Context(), "", time.Time{})
		require.NoError(t, err)
		assert.Equal(t, adsync.Tally{Removed: []string{"002", "003", "004", "005", "006"}, Deleted: []string{"004", "005", "006"}}, recent)
		assert.Equal(t, 4, ledger.told)
	})
}

// A run that is stopped on the way still says what it had written by then.
func TestLedger_IsToldAfterTheContextHasEnded(t *testing.T) {
	dir, users := crowd(30)
	for i := range 3 {
		dir[i].State = adsync.StateDeleted
	}
	ctx, cancel := context.WithCancel(t.Context())
	ledger := &book{}
	store := hooked{adsync.NewMemoryStore(users...), func(adsync.Change) error { cancel(); return nil }}
	report, err := newSyncer(t, dir, bareStore{store}, &adsync.Options{Ledger: ledger}).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, report.Counts().Deleted, 3)
	recent, err := ledger.Recent(t.Context(), "", time.Time{})
	require.NoError(t, err)
	assert.Less(t, len(recent.Removed), 3)
	assert.Equal(t, 2, ledger.told)
}

// A ledger that cannot be told what was written keeps what was to be, of which the log has a line.
func TestLedger_ThatIsNotToldWhatWasWrittenIsLogged(t *testing.T) {
	for _, fails := range []bool{false, true} {
		dir, users := crowd(20)
		dir[0].State = adsync.StateDeleted
		ledger := &book{fails: func(method string, nth int) error {
			if fails && method == "Note" && nth == 2 {
				return errors.New("gone")
			}
			return nil
		}}
		var log strings.Builder
		opts := &adsync.Options{Ledger: ledger, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, report.Counts().Deleted)
		assert.Equal(t, fails, strings.Contains(log.String(), "the ledger could not be told what was written"), log.String())
	}
}

// A ledger is told the users in order, whatever order they are written in.
func TestLedger_IsToldInOrder(t *testing.T) {
	ledger := &book{}
	dir := adsync.StaticDirectory{entry(1, "second", ""), entry(2, "third", ""), entry(3, "fourth", "")}
	store := adsync.NewMemoryStore(user("a", 1, "first", ""), user("b", 2, "second", ""), user("c", 3, "third", ""))
	report, err := newSyncer(t, dir, store, &adsync.Options{Ledger: ledger, Limits: adsync.Limits{MaxRemovalRatio: 1}}).Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, "c", report.Plan.Changes[0].UserID)
	recent, err := ledger.Recent(t.Context(), "", time.Time{})
	require.NoError(t, err)
	assert.Equal(t, adsync.Tally{Rekeyed: []string{"a", "b", "c"}}, recent)
	for _, n := range ledger.notes {
		assert.Equal(t, []string{"a", "b", "c"}, n.tally.Rekeyed)
	}
}

// The ratio is a limit of its own on removals, so they count for it all the same.
func TestLedger_CountsRemovalsForTheRatioAlone(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := crowd(40)
		s := newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: &book{}, Limits: adsync.Limits{MaxRemovals: -1}})
		for i := range 4 {
			dir[i].State = adsync.StateDeleted
		}
		_, err := run(s)
		require.NoError(t, err)
		dir[4].State = adsync.StateDeleted
		_, err = run(s)
		assert.Equal(t, "MaxRemovalRatio", requireLimit(t, err).Limit)
	})
}

func TestLedger_LiftedLimitsAreNotKept(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		ledger := &book{}
		dir, users := crowd(10)
		for i, deed := range []string{"deletes", "clears", "readdresses", "reactivates"} {
			deeds[deed](&dir[i], &users[i])
		}
		lifted := adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1}
		_, err := run(newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: ledger, Limits: lifted}))
		require.NoError(t, err)
		assert.Zero(t, ledger.told)
	})
}

func TestLedger_ApprovalIsGoodForOneRun(t *testing.T) {
	dir, users := crowd(20)
	for i := range 5 {
		dir[i].State = adsync.StateDeleted
	}
	ledger, refuse := &book{}, errors.New("refused")
	store := hooked{adsync.NewMemoryStore(users...), func(adsync.Change) error { return refuse }}
	s := newSyncer(t, dir, &store, &adsync.Options{Ledger: ledger})
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	approval := approve(plan)
	_, err = s.Apply(t.Context(), plan, approval)
	require.NoError(t, err)
	assert.Len(t, allUsers(t, store), 20, "nothing was written, so the approval is as good as before")

	refuse = nil
	report, err := s.Apply(t.Context(), plan, approval)
	require.NoError(t, err)
	assert.Equal(t, 5, report.Counts().Deleted)
	assert.Equal(t, &approval, report.Approval)

	again := newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: ledger})
	for name, s := range map[string]*adsync.Syncer{"written": s, "back": again} {
		report, err = s.Apply(t.Context(), plan, approval)
		require.ErrorIs(t, err, adsync.ErrUsed, name)
		require.ErrorIs(t, err, adsync.ErrUnsafe)
		assert.EqualError(t, err, "adsync: the plan was refused, and nothing was changed: its approval was used by a run before, and is good for one; make a new plan, and have that reviewed")
		assert.True(t, report.Refused)
		assert.Nil(t, report.Approval)
	}
}

// What a person answers for takes nothing from the runs after it.
func TestLedger_ApprovedRunsAndUndosDoNotCount(t *testing.T) {
	dir, users := crowd(40)
	for i := range 10 {
		dir[i].Disabled = true
	}
	store := adsync.NewMemoryStore(users...)
	ledger := &book{}
	s := newSyncer(t, dir, store, &adsync.Options{Ledger: ledger, Rules: adsync.Rules{OnDisabled: adsync.Deactivate}})
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	done, err := s.Apply(t.Context(), plan, approve(plan))
	require.NoError(t, err)
	require.Equal(t, 10, done.Counts().Deactivated)
	undo, err := s.Inverse(t.Context(), done)
	require.NoError(t, err)
	report, err := s.Apply(t.Context(), undo, approve(undo))
	require.NoError(t, err)
	require.Equal(t, 10, report.Counts().Modified)
	recent, err := ledger.Recent(t.Context(), "", time.Time{})
	require.NoError(t, err)
	assert.Empty(t, recent)

	for i := range 10 {
		dir[i].Disabled = i < 4
	}
	report, err = s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 4, report.Counts().Deactivated)
}

// A ledger that cannot be asked or told is no reason to go on without.
func TestLedger_FailingIsIncomplete(t *testing.T) {
	for _, method := range []string{"Recent", "Note"} {
		for how, fail := range map[string]func() error{
			"fails":  func() error { return errors.New("gone") },
			"panics": func() error { panic("away") },
			"hangs":  nil,
		} {
			t.Run(method+" "+how, func(t *testing.T) {
				both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
					dir, users := crowd(20)
					dir[0].State = adsync.StateDeleted
					ledger := &book{fails: func(m string, _ int) error {
						switch {
						case m != method:
							return nil
						case fail == nil:
							time.Sleep(time.Hour)
							return errors.New("late")
						}
						return fail()
					}}
					store := adsync.NewMemoryStore(users...)
					report, err := run(newSyncer(t, dir, store, &adsync.Options{Ledger: ledger, Timeout: time.Minute}))
					require.ErrorIs(t, err, adsync.ErrIncomplete)
					require.ErrorContains(t, err, "adsync: could not read everything, so nothing was changed: the ledger")
					require.NotContains(t, err.Error(), "store")
					assert.True(t, report.Refused)
					assert.Equal(t, users, allUsers(t, store))
					time.Sleep(2 * time.Hour) // the call that hangs ends
				})
			})
		}
	}
}

// A plan without writes asks nobody.
func TestLedger_IsNotAskedForNothing(t *testing.T) {
	both(t, func(t *testing.T, run func(*adsync.Syncer, ...adsync.Approval) (*adsync.Report, error)) {
		dir, users := crowd(3)
		ledger := &book{fails: func(string, int) error { return errors.New("not now") }}
		_, err := run(newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: ledger}))
		require.NoError(t, err)
	})
}

func TestLedger_WindowIsNoNegativeTime(t *testing.T) {
	_, err := adsync.New(adsync.StaticDirectory{}, adsync.NewMemoryStore(), &adsync.Options{Window: -1})
	require.ErrorContains(t, err, "adsync: Options.Window")
}

func TestTally_Add(t *testing.T) {
	all := adsync.Tally{Removed: []string{"b"}}
	shared := all
	all.Add(adsync.Tally{Removed: []string{"c", "a", "b"}, Revoked: []string{"b", "b"}})
	assert.Equal(t, adsync.Tally{Removed: []string{"a", "b", "c"}, Revoked: []string{"b"}}, all)
	assert.Equal(t, []string{"b"}, shared.Removed)
	assert.False(t, all.IsEmpty())
	assert.True(t, new(adsync.Tally).IsEmpty())
	out, err := json.Marshal(all)
	require.NoError(t, err)
	assert.JSONEq(t, `{"removed":["a","b","c"],"revoked":["b"]}`, string(out))
}
