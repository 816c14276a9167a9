package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// traced is a Tracer that keeps what it is told.
type traced struct {
	mu      sync.Mutex
	open    map[string]bool
	next    int
	ended   []adsync.PhaseEnd
	paths   []string // of the ended ones: the phases around each, and its own
	unknown int      // ends of what was not begun, or has ended
}

type tracedKey struct{}

func pathOf(ctx context.Context) string {
	path, _ := ctx.Value(tracedKey{}).(string)
	return path
}

// phasesIn is the path without the numbers that tell phases apart.
func phasesIn(path string) string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		name, _, _ := strings.Cut(part, "#")
		names = append(names, name)
	}
	return strings.Join(names, "/")
}

func (t *traced) PhaseStart(ctx context.Context, s adsync.PhaseStart) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[string]bool{}
	}
	t.next++
	path := strings.TrimPrefix(fmt.Sprintf("%s/%s#%d", pathOf(ctx), s.Phase, t.next), "/")
	t.open[path] = true
	return context.WithValue(ctx, tracedKey{}, path)
}

func (t *traced) PhaseEnd(ctx context.Context, e adsync.PhaseEnd) {
	t.mu.Lock()
	defer t.mu.Unlock()
	path := pathOf(ctx)
	if !t.open[path] {
		t.unknown++
	}
	delete(t.open, path)
	t.ended, t.paths = append(t.ended, e), append(t.paths, phasesIn(path))
}

// brief is each phase with its count, as they ended.
func (t *traced) brief() []string {
	var lines []string
	for i, e := range t.ended {
		line := fmt.Sprintf("%s %d", t.paths[i], e.Count)
		if e.Err != nil {
			line += " failed"
		}
		lines = append(lines, line)
	}
	return lines
}

func (t *traced) of(p adsync.Phase) (ends []adsync.PhaseEnd) {
	for _, e := range t.ended {
		if e.Phase == p {
			ends = append(ends, e)
		}
	}
	return ends
}

func (t *traced) requireClosed(tb testing.TB) {
	tb.Helper()
	require.Empty(tb, t.open, "phases that never ended")
	require.Zero(tb, t.unknown, "phases that ended without a beginning")
}

// tracedWorld is a store with a lock, of three users, and a directory that proves
// absences by look-up: one is to be updated, one deleted, one is out of sight.
func tracedWorld() (adsync.Directory, adsync.UserStore) {
	anna := entry(1, "anna", "anna.silva@x")
	dir := adsync.StaticDirectory{anna, {ObjectID: id(2), State: adsync.StateDeleted}, {ObjectID: id(3), State: adsync.StateUnproven}}
	store := adsync.NewMemoryStore(user("1", 1, "anna", "anna@x"), user("2", 2, "ben", ""), user("3", 3, "cleo", ""), adsync.User{ID: "4", Profile: profile("root", "")})
	return dir, lockable{store}
}

// lockable is a store with a lock that is always free.
type lockable struct{ *adsync.MemoryStore }

func (lockable) Lock(context.Context, string) (func() error, error) {
	return func() error { return nil }, nil
}

func TestTracer_FollowsASync(t *testing.T) {
	dir, store := tracedWorld()
	tracer := &traced{}
	report, err := newSyncer(t, dir, store, &adsync.Options{Tracer: tracer}).Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	tracer.requireClosed(t)
	assert.Equal(t, []string{
		"sync/lock 0",
		"sync/plan/users 4",
		"sync/plan/directory/look-up 3",
		"sync/plan/directory 0",
		"sync/plan/reconcile 3",
		"sync/plan 0",
		"sync/confirm/directory/look-up 1",
		"sync/confirm/directory 0",
		"sync/confirm 1",
		"sync/write 2",
		"sync 0",
	}, tracer.brief())
	plan, all := tracer.of(adsync.PhasePlan)[0], tracer.of(adsync.PhaseSync)[0]
	assert.Equal(t, []adsync.ChangeCount{
		{Op: adsync.OpDelete, Reason: adsync.ReasonDeleted, Count: 1},
		{Op: adsync.OpNotice, Reason: adsync.ReasonUnproven, Count: 1},
		{Op: adsync.OpUpdate, Reason: adsync.ReasonChanged, Count: 1},
	}, plan.Changes)
	assert.Equal(t, []adsync.ChangeCount{
		{Op: adsync.OpDelete, Reason: adsync.ReasonDeleted, Outcome: adsync.OutcomeApplied, Count: 1},
		{Op: adsync.OpNotice, Reason: adsync.ReasonUnproven, Outcome: adsync.OutcomeSkipped, Count: 1},
		{Op: adsync.OpUpdate, Reason: adsync.ReasonChanged, Outcome: adsync.OutcomeApplied, Count: 1},
	}, all.Changes)
	assert.Equal(t, report.Plan.Stats, plan.Stats)
	assert.Equal(t, report.Plan.Stats, all.Stats)
}

// Two who swap their usernames are two changes, though one of them is parked on the way.
func TestTracer_CountsUsersAndWarnings(t *testing.T) {
	people, users := swap()
	dir := inspected{StaticDirectory: people, access: adsync.Access{Tombstones: true, Missing: []string{"TLS is old", "so is the controller"}}}
	tracer := &traced{}
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Tracer: tracer, Limits: adsync.Limits{MaxRemovalRatio: -1}}).Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, report.Plan.Changes, 3)
	end := tracer.of(adsync.PhaseSync)[0]
	assert.Equal(t, []adsync.ChangeCount{{Op: adsync.OpUpdate, Reason: adsync.ReasonChanged, Outcome: adsync.OutcomeApplied, Count: 2}}, end.Changes)
	assert.Equal(t, 2, end.Warnings)
}

// A host that needs the lock for each run sees who waits for it, and a plan that is beyond
// the limits under the name of the limit.
func TestTracer_TellsWhatARunFailedWith(t *testing.T) {
	busy := lockedBy{bareStore{adsync.NewMemoryStore()}, func() (func() error, error) { return nil, adsync.ErrLocked }}
	dir, users := crowd(30)
	for i := range dir {
		dir[i].State = adsync.StateDeleted
	}
	for name, test := range map[string]struct {
		dir   adsync.Directory
		store adsync.UserStore
		is    error
		limit string
	}{
		"locked":     {dir, busy, adsync.ErrLocked, ""},
		"refused":    {dir, adsync.NewMemoryStore(users...), adsync.ErrUnsafe, "MaxRemovalRatio"},
		"incomplete": {failing{dir}, adsync.NewMemoryStore(users...), adsync.ErrIncomplete, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tracer := &traced{}
			_, err := newSyncer(t, test.dir, test.store, &adsync.Options{Tracer: tracer}).Sync(t.Context())
			require.ErrorIs(t, err, test.is)
			tracer.requireClosed(t)
			end := tracer.of(adsync.PhaseSync)[0]
			assert.ErrorIs(t, end.Err, test.is)
			assert.Equal(t, test.limit, end.Limit)
		})
	}
}

func TestTracer_FollowsAnApply(t *testing.T) {
	dir, store := tracedWorld()
	tracer := &traced{}
	s := newSyncer(t, dir, store, &adsync.Options{Tracer: tracer})
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	tracer.ended, tracer.paths = nil, nil
	_, err = s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"apply/lock 0", "apply/users 4",
		"apply/confirm/directory/look-up 2", "apply/confirm/directory 0", "apply/confirm 2",
		"apply/write 2", "apply 0",
	}, tracer.brief())
	assert.Len(t, tracer.of(adsync.PhaseApply)[0].Changes, 3)
	tracer.requireClosed(t)
}

// A listing that runs while the users are read, on several controllers, of which the first
// fails: each phase stands under its own run and ends once.
func TestTracer_FollowsBothSidesConcurrently(t *testing.T) {
	entries, users := bigWorld(6000)
	broken := func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errors.New("gone")) }
	gate := make(chan struct{})
	dir := beyond{controllers{server(broken), server(listed(entries, gate))}}
	tracer := &traced{}
	_, err := newSyncer(t, dir, behind(users, gate), &adsync.Options{Tracer: tracer}).Plan(t.Context())
	require.NoError(t, err)
	tracer.requireClosed(t)
	got := tracer.brief()
	slices.Sort(got)
	assert.Equal(t, []string{
		"plan 0",
		"plan/directory 0", "plan/directory 0 failed",
		"plan/directory/list 0 failed", "plan/directory/list 6000",
		"plan/reconcile 60", "plan/users 6000",
	}, got)
}

// asked keeps the phase in which each side was called.
type asked struct {
	adsync.StaticDirectory
	*adsync.MemoryStore
	in map[string]string
}

func (a asked) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	a.in["users"] = phasesIn(pathOf(ctx))
	return a.MemoryStore.Users(ctx)
}

func (a asked) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	a.in["write"] = phasesIn(pathOf(ctx))
	return a.MemoryStore.ApplyChanges(ctx, cs)
}

func (a asked) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	a.in["find"] = phasesIn(pathOf(ctx))
	return a.StaticDirectory.Find(ctx, ids)
}

// bothSides is what asked has of both, one at a time.
type (
	askedStore     struct{ asked }
	askedDirectory struct{ asked }
)

func (d askedDirectory) Traits() adsync.Traits { return adsync.Traits{} }
func (s askedStore) Traits() adsync.Traits     { return adsync.Traits{} }

func TestTracer_HandsItsContextToBothSides(t *testing.T) {
	both := asked{adsync.StaticDirectory{entry(1, "anna", "")}, adsync.NewMemoryStore(user("1", 1, "ann", "")), map[string]string{}}
	_, err := newSyncer(t, askedDirectory{both}, askedStore{both}, &adsync.Options{Tracer: &traced{}, Limits: adsync.Limits{MaxRemovalRatio: -1}}).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"users": "sync/plan/users", "find": "sync/plan/directory/look-up", "write": "sync/write",
	}, both.in)
}

// Whatever a store or a directory says in its errors, and whoever is written, a Tracer
// sees numbers, and the words of this package.
func TestTracer_GetsNobodysData(t *testing.T) {
	const secret = "secretive"
	person := func(n byte) adsync.Entry { return entry(n, secret+fmt.Sprint(n), secret+fmt.Sprint(n)+"@x") }
	dir := adsync.StaticDirectory{person(1), person(2), {ObjectID: id(3), State: adsync.StateDeleted, DN: "CN=" + secret}}
	users := []adsync.User{user(secret+"-a", 1, "ann", ""), user(secret+"-b", 2, "bob", ""), user(secret+"-c", 3, "cat", "")}
	refuse := hooked{MemoryStore: adsync.NewMemoryStore(users...), before: func(adsync.Change) error { return errors.New("no " + secret) }}
	end := hooked{MemoryStore: adsync.NewMemoryStore(users...), before: func(adsync.Change) error {
		return fmt.Errorf("%w: %s", adsync.ErrNotWritten, secret)
	}}
	told := adsync.NewMemoryStore(users...)
	broken := scripted{find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
		yield(adsync.Entry{}, errors.New(secret))
	}}
	for name, test := range map[string]struct {
		dir     adsync.Directory
		store   adsync.UserStore
		limits  adsync.Limits
		outcome adsync.Outcome
	}{
		"rows refused":     {dir, refuse, adsync.Limits{MaxRemovalRatio: -1}, adsync.OutcomeFailed},
		"run ended":        {dir, end, adsync.Limits{MaxRemovalRatio: -1}, adsync.OutcomeFailed},
		"all written":      {dir, told, adsync.Limits{MaxRemovalRatio: -1}, adsync.OutcomeApplied},
		"beyond limits":    {dir, adsync.NewMemoryStore(users...), adsync.Limits{}, adsync.OutcomeNotAttempted},
		"directory failed": {broken, adsync.NewMemoryStore(users...), adsync.Limits{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tracer := &traced{}
			_, _ = newSyncer(t, test.dir, test.store, &adsync.Options{Tracer: tracer, Limits: test.limits}).Sync(t.Context())
			tracer.requireClosed(t)
			all := fmt.Sprintf("%+v %#v", tracer.ended, tracer.ended)
			for _, e := range tracer.ended {
				if e.Err != nil {
					all += fmt.Sprintf("%v %#v", e.Err, e.Err)
				}
			}
			for _, hidden := range []string{secret, id(1).String(), id(3).String()} {
				assert.NotContains(t, all, hidden)
			}
			if test.outcome != "" {
				assert.Contains(t, all, `Outcome:"`+string(test.outcome)+`"`)
			}
		})
	}
}

// brokenTracer panics, and forgets the context.
type brokenTracer struct{}

func (brokenTracer) PhaseStart(_ context.Context, s adsync.PhaseStart) context.Context {
	if s.Phase == adsync.PhaseWrite {
		panic("no")
	}
	return nil
}

func (brokenTracer) PhaseEnd(context.Context, adsync.PhaseEnd) { panic(errors.New("not here either")) }

func TestTracer_ThatPanicsEndsNoRun(t *testing.T) {
	dir, store := tracedWorld()
	var log strings.Builder
	report, err := newSyncer(t, dir, store, &adsync.Options{Tracer: brokenTracer{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.Counts{Modified: 1, Deleted: 1}, report.Counts())
	assert.Contains(t, log.String(), "the tracer panicked")
}

// A directory that panics ends its phases on the way.
func TestTracer_IsToldOfThePhasesThatPanicked(t *testing.T) {
	dir := scripted{find: func([]adsync.ObjectID, func(adsync.Entry, error) bool) { panic("broken") }}
	tracer := &traced{}
	s := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", "")), &adsync.Options{Tracer: tracer})
	assert.PanicsWithValue(t, "broken", func() { _, _ = s.Plan(t.Context()) })
	tracer.requireClosed(t)
	assert.Equal(t, []string{"plan/users 1", "plan/directory/look-up 1 failed", "plan/directory 0 failed", "plan 0 failed"}, tracer.brief())
}

// silent is a Tracer that does nothing.
type silent struct{}

func (silent) PhaseStart(ctx context.Context, _ adsync.PhaseStart) context.Context { return ctx }
func (silent) PhaseEnd(context.Context, adsync.PhaseEnd)                           {}

func TestTracer_AllocatesNothingWhenThereIsNone(t *testing.T) {
	none := &adsync.Options{}
	assert.Zero(t, testing.AllocsPerRun(100, func() { none.Phase(t.Context(), adsync.PhaseWrite) }))
	some := &adsync.Options{Tracer: silent{}}
	assert.NotZero(t, testing.AllocsPerRun(100, func() { some.Phase(t.Context(), adsync.PhaseWrite) }), "of those that are counted")
}

// Whoever is traced pays for phases, not for users.
func TestTracer_CostsNothingForEachUser(t *testing.T) {
	costs := func(tracer adsync.Tracer) float64 {
		return allocationsOfEach(func(n int) spent {
			plan := updatePlan(t, n)
			users := usersOf(n)
			return spentBy(func() {
				s := newSyncer(t, said(plan), adsync.NewMemoryStore(users...), &adsync.Options{Tracer: tracer, Limits: adsync.Limits{MaxRekeyed: -1}})
				report, err := s.Sync(context.Background())
				require.NoError(t, err)
				require.NoError(t, report.Err())
			})
		})
	}
	assert.InDelta(t, costs(nil), costs(silent{}), moreAllocations)
}

// A run has a dozen phases, and one for each batch. docs/PERFORMANCE.md says what it gave.
func BenchmarkTracer(b *testing.B) {
	for _, tracer := range []adsync.Tracer{nil, silent{}} {
		b.Run(fmt.Sprintf("a phase, %T", tracer), func(b *testing.B) {
			opts := &adsync.Options{Tracer: tracer}
			for b.Loop() {
				opts.Phase(context.Background(), adsync.PhaseWrite)
			}
		})
	}
	entries, users := bigWorld(10_000)
	dir := adsync.Listing(func(context.Context) iter.Seq2[adsync.Entry, error] { return stream(entries) })
	for _, tracer := range []adsync.Tracer{nil, silent{}} {
		b.Run(fmt.Sprintf("a plan of 10,000, %T", tracer), func(b *testing.B) {
			s, err := adsync.New(dir, tableOf(users), &adsync.Options{Tracer: tracer})
			require.NoError(b, err)
			for b.Loop() {
				_, err := s.Plan(context.Background())
				require.NoError(b, err)
			}
		})
	}
}
