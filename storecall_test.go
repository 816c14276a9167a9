package adsync_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// deaf is a store with a method that waits for the gate, whatever its context says.
type deaf struct {
	*adsync.MemoryStore
	method string
	gate   chan struct{}
	locks  *[]string // what became of the lock
}

func (s deaf) at(method string) {
	if s.method == method {
		<-s.gate
	}
}

func (s deaf) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for u, err := range s.MemoryStore.Users(context.WithoutCancel(ctx)) {
			if !yield(u, err) {
				return
			}
			s.at("Users")
		}
	}
}

func (s deaf) UpdateUser(ctx context.Context, c adsync.Change) error {
	s.at("UpdateUser")
	return s.MemoryStore.UpdateUser(context.WithoutCancel(ctx), c)
}

func (s deaf) DeleteUser(ctx context.Context, c adsync.Change) error {
	s.at("DeleteUser")
	return s.MemoryStore.DeleteUser(context.WithoutCancel(ctx), c)
}

func (s deaf) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	s.at("CreateUser")
	return s.MemoryStore.CreateUser(context.WithoutCancel(ctx), c)
}

func (s deaf) Check(context.Context) ([]string, error) {
	s.at("Check")
	return nil, nil
}

func (s deaf) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	s.at("ApplyChanges")
	return s.MemoryStore.ApplyChanges(context.WithoutCancel(ctx), cs)
}

func (s deaf) Lock(context.Context, string) (func() error, error) {
	s.at("Lock")
	*s.locks = append(*s.locks, "locked")
	return func() error {
		s.at("unlock")
		*s.locks = append(*s.locks, "unlocked")
		return nil
	}, nil
}

// single hides that a store can do more than one change at a time.
type single struct {
	adsync.UserStore
	adsync.Creator
	adsync.Locker
}

// A store that does not return is given up, and the error names what it was at.
func TestTimeout_EndsARunWhoseStoreDoesNotReturn(t *testing.T) {
	update := adsync.StaticDirectory{entry(1, "ann2", ""), entry(2, "bob", "")}
	remove := adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}, entry(2, "bob", "")}
	create := adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", ""), entry(3, "eva", "")}
	for _, test := range []struct {
		method string
		dir    adsync.StaticDirectory
		single bool
		is     error
		want   []adsync.Outcome
		locks  []string // also what becomes of the lock afterwards
	}{
		{"Check", update, false, adsync.ErrIncomplete, nil, []string{"locked", "unlocked"}},
		{"Users", update, false, adsync.ErrIncomplete, nil, []string{"locked", "unlocked"}},
		{"ApplyChanges", update, false, adsync.ErrUnknown, []adsync.Outcome{"unknown"}, []string{"locked", "unlocked"}},
		{"UpdateUser", update, true, adsync.ErrUnknown, []adsync.Outcome{"unknown"}, []string{"locked", "unlocked"}},
		{"DeleteUser", remove, true, adsync.ErrUnknown, []adsync.Outcome{"unknown"}, []string{"locked", "unlocked"}},
		{"CreateUser", create, true, adsync.ErrUnknown, []adsync.Outcome{"unknown"}, []string{"locked", "unlocked"}},
		{"Lock", update, false, nil, nil, []string{"locked", "unlocked"}},
		{"unlock", update, false, nil, []adsync.Outcome{"applied"}, []string{"locked", "unlocked"}},
	} {
		for timeout, takes := range map[time.Duration]time.Duration{0: 5*time.Minute + 10*time.Second, time.Second: 2 * time.Second} {
			t.Run(fmt.Sprint(test.method, " ", timeout), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					gate := make(chan struct{})
					var locks []string
					inner := deaf{adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 2, "bob", "")), test.method, gate, &locks}
					store := adsync.UserStore(inner)
					if test.single {
						store = single{inner, inner, inner}
					}
					s := newSyncer(t, test.dir, store, &adsync.Options{Timeout: timeout, Rules: adsync.Rules{Import: true}})
					began := time.Now()
					report, err := s.Sync(t.Context())
					took := time.Since(began)
					require.ErrorContains(t, err, "the store did not return from ")
					require.ErrorContains(t, err, "Options.Timeout")
					if test.method != "unlock" {
						require.ErrorContains(t, err, test.method)
					}
					if test.is != nil {
						require.ErrorIs(t, err, test.is)
					}
					assert.Equal(t, test.want, outcomes(report))
					if test.method == "Users" {
						took -= cmp.Or(timeout, 5*time.Minute) // there was a user first, which was a sign of life
					}
					assert.Equal(t, takes, took)
					close(gate)
					synctest.Wait()
					assert.Equal(t, test.locks, locks, "a lock that comes late is given back")
				})
			})
		}
	}
}

// polite ends its calls with their context.
type polite struct{ *adsync.MemoryStore }

func (polite) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	<-ctx.Done()
	written := make([]adsync.Written, len(cs))
	for i := range written {
		written[i].Err = fmt.Errorf("%w: %w", adsync.ErrNotWritten, ctx.Err())
	}
	return written
}

// A store that ends with its context says what became of the writes.
func TestTimeout_BelievesAStoreThatListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, users := crowd(20)
		dir[0].Phone, dir[1].Phone = "+1", "+2"
		began := time.Now()
		report, err := newSyncer(t, dir, polite{adsync.NewMemoryStore(users...)}, nil).Sync(t.Context())
		require.ErrorContains(t, err, "the store did not return from ApplyChanges within 5m0s")
		assert.Equal(t, []adsync.Outcome{"not-attempted", "not-attempted"}, outcomes(report))
		assert.Equal(t, 5*time.Minute, time.Since(began))
	})
}

// sluggish yields a user a minute.
type sluggish struct{ *adsync.MemoryStore }

func (s sluggish) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for u, err := range s.MemoryStore.Users(ctx) {
			time.Sleep(time.Minute)
			if !yield(u, err) {
				return
			}
		}
	}
}

// Reading may take what it takes, as long as it gets on.
func TestTimeout_IsForTheNextUserAndNotForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, users := crowd(100)
		dir[0].Phone = "+1"
		s := newSyncer(t, dir, sluggish{adsync.NewMemoryStore(users...)}, nil)
		plan, err := s.Plan(t.Context())
		require.NoError(t, err)
		report, err := s.Apply(t.Context(), plan)
		require.NoError(t, err)
		require.NoError(t, report.Err())
	})
}

func TestTimeout_CanBeLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		time.AfterFunc(24*time.Hour, func() { close(gate) })
		var locks []string
		store := deaf{adsync.NewMemoryStore(user("1", 1, "ann", "")), "ApplyChanges", gate, &locks}
		report, err := newSyncer(t, adsync.StaticDirectory{entry(1, "ann2", "")}, store, &adsync.Options{Timeout: -1}).Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
	})
	_, err := adsync.New(adsync.StaticDirectory{}, adsync.NewMemoryStore(), &adsync.Options{Timeout: -2})
	require.Error(t, err)
}

// patient is a ledger whose second note waits for the end of its context.
type patient struct {
	adsync.Ledger
	told   int
	waited time.Duration
}

func (l *patient) Note(ctx context.Context, source, runID string, t adsync.Tally, used *adsync.Approval) error {
	if l.told++; l.told == 1 {
		return l.Ledger.Note(ctx, source, runID, t, used)
	}
	began := time.Now()
	<-ctx.Done()
	l.waited = time.Since(began)
	return ctx.Err()
}

// What is done at the end, whatever became of the run, has ten seconds even where nothing
// else is bounded; and then the ten in which each call is given up.
func TestTimeout_OfTheEndIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, users := crowd(20)
		dir[0].Username, dir[1].Username = dir[1].Username, dir[0].Username
		gate := make(chan struct{})
		defer close(gate)
		var hangs atomic.Bool
		store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
			switch {
			case c.Interim:
				return nil
			case c.Reason == adsync.ReasonParked: // taken back
				hangs.Store(true)
				<-gate
			}
			return adsync.ErrConflict
		}}
		ledger := &patient{Ledger: &book{}}
		began := time.Now()
		report, err := newSyncer(t, dir, store, &adsync.Options{Timeout: -1, Ledger: ledger}).Sync(t.Context())
		require.NoError(t, err)
		require.True(t, hangs.Load())
		require.ErrorContains(t, report.Err(), "the store did not return from UpdateUser within 10s")
		assert.Equal(t, 10*time.Second, ledger.waited)
		assert.Equal(t, 20*time.Second+ledger.waited, time.Since(began))
	})
}

// A listing that runs concurrently with a store which is given up ends with the run, and
// does not begin for a user that comes late.
func TestTimeout_LeavesNoListingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		ended := false
		dir := beyond{controllers{func() (adsync.Directory, error) { return endless{&ended}, nil }}}
		var locks []string
		store := deaf{adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 2, "bob", "")), "Users", gate, &locks}
		_, err := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Import: true}}).Plan(t.Context())
		require.ErrorContains(t, err, "the store did not return from Users")
		assert.True(t, ended)
		close(gate)
	})
}

// What cannot be put back because the store hangs is reported, and not tried ten times.
func TestTimeout_LeavesTheParkedWhoCannotBePutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, users := crowd(40)
		for i := 0; i < len(dir); i += 2 {
			dir[i].Username, dir[i+1].Username = dir[i+1].Username, dir[i].Username
		}
		gate := make(chan struct{})
		memory := adsync.NewMemoryStore(users...)
		var calls atomic.Int64
		store := hooked{memory, func(c adsync.Change) error {
			if c.Interim {
				return nil
			}
			calls.Add(1)
			<-gate
			return errDown
		}}
		report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
		require.ErrorContains(t, err, "ApplyChanges")
		assert.Equal(t, int64(1), calls.Load())
		parked := 0
		for i, r := range report.Results {
			if report.Plan.Changes[i].Interim && r.Outcome == adsync.OutcomeApplied {
				require.ErrorContains(t, r.Err, "temporary username")
				parked++
			}
		}
		assert.Equal(t, 10, parked)
		close(gate)
	})
}

// answering gives answers of its own.
type answering struct {
	*adsync.MemoryStore
	answer func([]adsync.Written) []adsync.Written
}

func (s answering) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	return s.answer(s.MemoryStore.ApplyChanges(ctx, cs))
}

// Answers of which one cannot say to which change they belong are none.
func TestApply_BelievesNoAnswerToAnotherQuestion(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann", "1@x"), entry(2, "bob", "2@x"), entry(3, "eva", "")}
	users := []adsync.User{user("1", 1, "ann", ""), user("2", 2, "bob", "")}
	opts := &adsync.Options{Rules: adsync.Rules{Import: true}, Limits: adsync.Limits{MaxRekeyed: -1}}
	for name, test := range map[string]struct {
		answer func([]adsync.Written) []adsync.Written
		says   string
		want   []adsync.Outcome
	}{
		"too few":  {func(w []adsync.Written) []adsync.Written { return w[:2] }, "returned 2 results for 3 changes", []adsync.Outcome{"unknown", "unknown", "unknown"}},
		"none":     {func([]adsync.Written) []adsync.Written { return nil }, "returned 0 results for 3 changes", []adsync.Outcome{"unknown", "unknown", "unknown"}},
		"too many": {func(w []adsync.Written) []adsync.Written { return append(w, adsync.Written{}) }, "returned 4 results for 3 changes", []adsync.Outcome{"unknown", "unknown", "unknown"}},
		"in another order": {func(w []adsync.Written) []adsync.Written {
			w[0].UserID, w[1].UserID = "2", "1"
			return w
		}, `answered with user "2"`, []adsync.Outcome{"unknown", "unknown", "applied"}},
		"a new user who is another": {func(w []adsync.Written) []adsync.Written {
			w[2].UserID = "1"
			return w
		}, `answered with user "1"`, []adsync.Outcome{"applied", "applied", "unknown"}},
		"as it should be": {func(w []adsync.Written) []adsync.Written {
			w[0].UserID, w[1].UserID = "1", "2"
			return w
		}, "", []adsync.Outcome{"applied", "applied", "applied"}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := newSyncer(t, dir, answering{adsync.NewMemoryStore(users...), test.answer}, opts).Sync(t.Context())
			assert.Equal(t, test.want, outcomes(report))
			for i, c := range report.Plan.Changes {
				if c.Op != adsync.OpCreate {
					assert.Equal(t, c.UserID, report.Results[i].UserID, "never another's")
				}
			}
			if test.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, adsync.ErrUnknown)
			require.ErrorContains(t, err, test.says)
		})
	}
}

// lockedBy is a store with such a lock.
type lockedBy struct {
	bareStore
	lock func() (func() error, error)
}

func (s lockedBy) Lock(context.Context, string) (func() error, error) { return s.lock() }

// However a lock is broken, the run says so in an error that docs/OPERATIONS.md names, and no
// report is lost.
func TestSync_SurvivesABrokenLock(t *testing.T) {
	errLost := errors.New("the lock was lost before the end of the run")
	errDown := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	written, untouched := []adsync.Outcome{"applied"}, []adsync.Outcome(nil)
	for name, test := range map[string]struct {
		lock func() (func() error, error)
		says string
		want []adsync.Outcome
	}{
		"a database that is away":         {func() (func() error, error) { return nil, errDown }, "adsync: could not read everything, so nothing was changed: could not lock the users: dial: connection refused", untouched},
		"neither a function nor an error": {func() (func() error, error) { return nil, nil }, "neither a function to unlock nor an error", untouched},
		"a panic":                         {func() (func() error, error) { panic("of the lock") }, "the store panicked with a string", untouched},
		"an end of the goroutine":         {func() (func() error, error) { runtime.Goexit(); return nil, nil }, "ended the goroutine", untouched},
		"a lost lock":                     {func() (func() error, error) { return func() error { return errLost }, nil }, errLost.Error(), written},
		"a panic when unlocked":           {func() (func() error, error) { return func() error { panic("of the lock") }, nil }, "the store panicked with a string", written},
	} {
		t.Run(name, func(t *testing.T) {
			dir := adsync.StaticDirectory{entry(1, "ann2", "")}
			users := []adsync.User{user("1", 1, "ann", "")}
			store := lockedBy{bareStore{adsync.NewMemoryStore(users...)}, test.lock}
			report, err := newSyncer(t, dir, store, nil).Sync(t.Context())
			require.ErrorContains(t, err, test.says)
			assert.Equal(t, test.want, outcomes(report))
			assert.Equal(t, test.want == nil, errors.Is(err, adsync.ErrIncomplete))
			assert.Equal(t, test.want != nil, errors.Is(err, adsync.ErrLockLost))

			store.UserStore = adsync.NewMemoryStore(users...)
			report, err = newSyncer(t, dir, store, nil).Apply(t.Context(), mustReconcile(t, dir, users, adsync.Rules{}))
			require.ErrorContains(t, err, test.says)
			if test.want == nil {
				require.ErrorContains(t, err, "could not lock the users")
				require.ErrorIs(t, err, adsync.ErrIncomplete)
				assert.Equal(t, []adsync.Outcome{"not-attempted"}, outcomes(report))
			} else {
				require.ErrorIs(t, err, adsync.ErrLockLost)
				assert.Equal(t, test.want, outcomes(report))
			}
		})
	}
}

// A lock that another run holds is none that failed, and one that says itself that it was
// lost says so once.
func TestSync_TellsALockThatIsHeld(t *testing.T) {
	errLost := fmt.Errorf("%w (the table users)", adsync.ErrLockLost)
	dir := adsync.StaticDirectory{entry(1, "ann", "")}
	store := lockedBy{bareStore{adsync.NewMemoryStore(user("1", 1, "ann", ""))}, func() (func() error, error) { return nil, adsync.ErrLocked }}
	_, err := newSyncer(t, dir, store, nil).Sync(t.Context())
	require.EqualError(t, err, "adsync: could not lock the users, so nothing was changed: another run holds the lock on the users; try again when it has ended")
	require.ErrorIs(t, err, adsync.ErrLocked)
	require.NotErrorIs(t, err, adsync.ErrIncomplete)
	store.lock = func() (func() error, error) { return func() error { return errLost }, nil }
	_, err = newSyncer(t, dir, store, nil).Sync(t.Context())
	require.EqualError(t, err, errLost.Error())
}

// A panic of a store that is only read is the caller's.
func TestPlan_PanicsWithItsStore(t *testing.T) {
	s := newSyncer(t, adsync.StaticDirectory{}, panicking{bareStore{adsync.NewMemoryStore()}}, nil)
	assert.PanicsWithValue(t, "of the host's own store", func() { _, _ = s.Plan(t.Context()) })
}

type panicking struct{ bareStore }

func (panicking) Users(context.Context) iter.Seq2[adsync.User, error] {
	return func(func(adsync.User, error) bool) { panic("of the host's own store") }
}

// A store that ignores its context is given no more batches when the run is cancelled.
func TestSync_CancelledBetweenBatchesOfADeafStore(t *testing.T) {
	dir, users := crowd(6)
	for i := range dir {
		dir[i].Phone = "+1"
	}
	ctx, cancel := context.WithCancel(t.Context())
	var locks []string
	store := deaf{adsync.NewMemoryStore(users...), "", nil, &locks}
	seen := 0
	opts := &adsync.Options{BatchSize: 2, OnResult: func(context.Context, adsync.Change, adsync.Result) {
		if seen++; seen == 4 {
			cancel()
		}
	}}
	report, err := newSyncer(t, dir, store, opts).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, adsync.ErrNotWritten)
	assert.Equal(t, []adsync.Outcome{"applied", "applied", "applied", "applied", "not-attempted", "not-attempted"}, outcomes(report))
}

// lateLock is granted when nobody waits for it any more, and cannot be given back.
type lateLock struct {
	*adsync.MemoryStore
	gate chan struct{}
}

func (s lateLock) Lock(context.Context, string) (func() error, error) {
	<-s.gate
	return func() error { panic("pool closed") }, nil
}

func TestTimeout_SurvivesALockThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := lateLock{adsync.NewMemoryStore(user("1", 1, "ann", "")), make(chan struct{})}
		_, err := newSyncer(t, adsync.StaticDirectory{entry(1, "ann2", "")}, store, nil).Sync(t.Context())
		require.ErrorContains(t, err, "the store did not return from Lock")
		close(store.gate)
		synctest.Wait() // its panic is nobody's
	})
}

func TestApply_CreatesNobodyInAStoreThatCannot(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann", "")}
	plan := mustReconcile(t, dir, nil, adsync.Rules{Import: true})
	report, err := newSyncer(t, dir, bareStore{adsync.NewMemoryStore()}, nil).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"failed"}, outcomes(report))
	assert.ErrorContains(t, report.Results[0].Err, "it is no Creator")
}

// A runtime error holds nobody's data, and says more than its type.
func TestApply_SaysWhichRuntimeErrorItWas(t *testing.T) {
	dir, users := crowd(1)
	dir[0].Phone = "+1"
	for want, fails := range map[string]func(){
		"index out of range":     func() { _ = users[len(users)] },
		"panicked with a string": func() { panic("ann") },
	} {
		opts := &adsync.Options{OnResult: func(context.Context, adsync.Change, adsync.Result) { fails() }}
		_, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(t.Context())
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "ann")
	}
}
