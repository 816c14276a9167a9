package adsync_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// beside is a store that yields its last user when its gate is open.
type beside struct {
	adsync.BatchStore
	users adsync.UserStore
	gate  <-chan struct{}
}

func behind(users []adsync.User, gate <-chan struct{}) beside {
	memory := adsync.NewMemoryStore(users...)
	return beside{memory, memory, gate}
}

func (beside) Traits() adsync.Traits { return worldTraits }

func (s beside) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		var last *adsync.User
		for u, err := range s.users.Users(ctx) {
			if last != nil && !yield(*last, err) {
				return
			}
			last = &u
		}
		select {
		case <-s.gate:
		case <-ctx.Done():
			yield(adsync.User{}, ctx.Err())
			return
		}
		if last != nil {
			yield(*last, nil)
		}
	}
}

func (s beside) UpdateUser(ctx context.Context, c adsync.Change) error {
	return s.users.UpdateUser(ctx, c)
}

func (s beside) DeleteUser(ctx context.Context, c adsync.Change) error {
	return s.users.DeleteUser(ctx, c)
}

func (s beside) CreateUser(context.Context, adsync.Change) (string, error) {
	return "", errors.New("not here")
}

// beyond is a directory of servers that share nothing with the store.
type beyond struct{ controllers }

func (beyond) Traits() adsync.Traits {
	traits := worldTraits
	traits.Apart = true
	return traits
}

// server lists these, and knows nobody else.
func server(entries iter.Seq2[adsync.Entry, error]) func() (adsync.Directory, error) {
	return func() (adsync.Directory, error) {
		return scripted{entries, func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			for _, id := range ids {
				if !yield(adsync.Entry{ObjectID: id, State: adsync.StateUnproven}, nil) {
					return
				}
			}
		}}, nil
	}
}

func one(entries iter.Seq2[adsync.Entry, error]) beyond {
	return beyond{controllers{server(entries)}}
}

// listed lists the entries and then opens the gate.
func listed(entries []adsync.Entry, gate chan<- struct{}) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		close(gate)
	}
}

// The store waits for the end of the listing, so there is a plan only if both are
// read concurrently.
func TestRead_ListsTheDirectoryConcurrently(t *testing.T) {
	entries, users := bigWorld(6000)
	want := mustReconcile(t, entries, users, adsync.Rules{})
	gate := make(chan struct{})
	got, err := newSyncer(t, one(listed(entries, gate)), behind(users, gate), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.NoError(t, samePlan(want, got))
}

func TestRead_ListsAnImportConcurrently(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		w = storeWorld(w)
		if !w.rules.imports || len(w.users) < 2 {
			return nil // the listing begins behind the first user
		}
		want, err := reconcile(w)
		if err != nil {
			return err
		}
		gate := make(chan struct{})
		dir := beyond{controllers{func() (adsync.Directory, error) {
			return scripted{listed(w.entries, gate), func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
				adsync.StaticDirectory(w.entries).Find(context.Background(), ids)(yield)
			}}, nil
		}}}
		s, err := adsync.New(dir, behind(w.users, gate), &adsync.Options{Rules: w.rules.adsync(), Limits: adsync.Limits{AllowEmpty: true}})
		if err != nil {
			return err
		}
		got, err := s.Plan(context.Background())
		if err != nil {
			return err
		}
		return samePlan(want, got)
	})
}

// Other directories may read from the host's own database, whose only connection
// the store has.
func TestRead_OtherDirectoriesWaitForTheStore(t *testing.T) {
	entries, users := bigWorld(6000)
	storeRead := false
	open := server(func(yield func(adsync.Entry, error) bool) {
		assert.True(t, storeRead)
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	})
	plain, err := open()
	require.NoError(t, err)
	for name, dir := range map[string]adsync.Directory{"plain": plain, "with sessions": controllers{open}} {
		t.Run(name, func(t *testing.T) {
			storeRead = false
			_, err := newSyncer(t, dir, told{adsync.NewMemoryStore(users...), &storeRead}, nil).Plan(t.Context())
			require.NoError(t, err)
		})
	}
}

// told notes that all users were read.
type told struct {
	adsync.UserStore
	all *bool
}

func (s told) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for u, err := range s.UserStore.Users(ctx) {
			if !yield(u, err) {
				return
			}
		}
		*s.all = true
	}
}

func TestRead_ListsAnotherControllerConcurrently(t *testing.T) {
	entries, users := bigWorld(6000)
	want := mustReconcile(t, entries, users, adsync.Rules{})
	gate, lists := make(chan struct{}), 0
	dir := one(func(yield func(adsync.Entry, error) bool) {
		lists++
		for _, e := range entries[:100] {
			e.Phone = "of a controller that failed"
			yield(e, nil)
		}
		yield(adsync.Entry{}, errDown)
	})
	dir.controllers = append(dir.controllers, server(listed(entries, gate)))
	got, err := newSyncer(t, dir, behind(users, gate), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.NoError(t, samePlan(want, got))
	assert.Equal(t, 1, lists)
}

// The store would wait for ever.
func TestRead_DirectoryThatFailsEndsThatOfTheStore(t *testing.T) {
	_, users := bigWorld(6000)
	dir := one(func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) })
	_, err := newSyncer(t, dir, behind(users, nil), nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errDown)
	require.NotErrorIs(t, err, context.Canceled)
}

func TestRead_StoreThatFailsEndsTheListing(t *testing.T) {
	_, users := bigWorld(6000)
	ended := false
	dir := beyond{controllers{func() (adsync.Directory, error) { return endless{&ended}, nil }}}
	store := behind(users, nil)
	store.users = failingAfter{store.users, 5900}
	_, err := newSyncer(t, dir, store, nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errDown)
	assert.True(t, ended, "the listing ended before Plan did")
}

func TestRead_CancellingEndsBoth(t *testing.T) { synctest.Test(t, testCancellingEndsBoth) }

func testCancellingEndsBoth(t *testing.T) {
	_, users := bigWorld(6000)
	ended := false
	dir := beyond{controllers{func() (adsync.Directory, error) { return endless{&ended}, nil }}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		synctest.Wait() // for both to have begun
		cancel()
	}()
	_, err := newSyncer(t, dir, behind(users, nil), nil).Plan(ctx)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, context.Canceled)
}

// endless lists until its context ends.
type endless struct{ ended *bool }

func (d endless) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		<-ctx.Done()
		*d.ended = true
		yield(adsync.Entry{}, ctx.Err())
	}
}

func (endless) Find(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	panic("there is nobody to ask about")
}

// failingAfter yields so many users and then an error.
type failingAfter struct {
	adsync.UserStore
	n int
}

func (s failingAfter) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		n := 0
		for u, err := range s.UserStore.Users(ctx) {
			if n++; n > s.n {
				yield(adsync.User{}, errDown)
				return
			}
			if !yield(u, err) {
				return
			}
		}
	}
}

func TestRead_DirectoryMayPanicConcurrently(t *testing.T) {
	_, users := bigWorld(6000)
	dir := one(func(func(adsync.Entry, error) bool) { panic("of the host's own directory") })
	s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
	assert.PanicsWithValue(t, "of the host's own directory", func() { _, _ = s.Plan(t.Context()) })

	dir = one(func(func(adsync.Entry, error) bool) { runtime.Goexit() })
	_, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
}

// The store would wait for ever.
func TestRead_DirectoryThatPanicsEndsThatOfTheStore(t *testing.T) {
	_, users := bigWorld(6000)
	dir := one(func(func(adsync.Entry, error) bool) { panic("of the host's own directory") })
	s := newSyncer(t, dir, behind(users, nil), nil)
	assert.PanicsWithValue(t, "of the host's own directory", func() { _, _ = s.Plan(t.Context()) })

	dir = one(func(func(adsync.Entry, error) bool) { runtime.Goexit() })
	_, err := newSyncer(t, dir, behind(users, nil), nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorContains(t, err, "was ended")
}

// Rows are taken in concurrently with the store's reading of the next ones, and Rules.Fold
// is the host's.
func TestRead_FoldMayPanic(t *testing.T) {
	_, users := bigWorld(6000)
	for name, few := range map[string]int{"few": 10, "many": 6000} {
		for want, end := range map[string]func(){"panicked": func() { panic("of the host's own rule") }, "was ended": runtime.Goexit} {
			folded := 0
			s := newSyncer(t, adsync.StaticDirectory{}, tableOf(users[:few]), &adsync.Options{Rules: adsync.Rules{Fold: func(text string) string {
				if folded++; folded == 5 {
					end()
				}
				return text
			}}})
			var err error
			plan := func() { _, err = s.Plan(t.Context()) }
			if want == "panicked" {
				assert.PanicsWithValue(t, "of the host's own rule", plan, name)
				continue
			}
			if few == 10 {
				continue // that goroutine is the caller's
			}
			plan()
			require.ErrorIs(t, err, adsync.ErrIncomplete, name)
			require.ErrorContains(t, err, want, name)
		}
	}
}

// paced yields the list, now and then after a moment, and then the error if there is
// one.
func paced[T any](list []T, seed uint64, last error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		d := seededDice(seed)
		for _, v := range list {
			for range d(4) {
				runtime.Gosched()
			}
			if d.oneIn(8) {
				time.Sleep(time.Duration(d(50)) * time.Microsecond)
			}
			if !yield(v, nil) {
				return
			}
		}
		if last != nil {
			var none T
			yield(none, last)
		}
	}
}

// pacedStore yields its users at a pace of its own.
type pacedStore struct {
	adsync.UserStore
	adsync.Creator
	users iter.Seq2[adsync.User, error]
}

func (s pacedStore) Traits() adsync.Traits { return worldTraits }

func (s pacedStore) Users(context.Context) iter.Seq2[adsync.User, error] { return s.users }

// importWorld is a world whose directory is listed while the store is read. Many of its
// entries say what their rows hold. A listing passes over whoever is not there, so nobody
// is listed as both.
func importWorld(w world, d dice) world {
	w.rules.fold, w.rules.imports = "", true
	w.rules.roles = append([]string{}, w.rules.roles...)
	if w.rules.fields == nil {
		w.rules.fields = detailFields
	}
	if !slices.Contains(w.rules.fields, adsync.FieldUsername) {
		w.rules.fields = append(slices.Clone(w.rules.fields), adsync.FieldUsername)
	}
	w.entries = likeTheirRows(w, d)
	present := func(e adsync.Entry) bool { return e.State == "" || e.State == adsync.StatePresent }
	seen := map[adsync.ObjectID]bool{}
	w.entries = slices.DeleteFunc(w.entries, func(e adsync.Entry) bool {
		was, again := seen[e.ObjectID]
		seen[e.ObjectID] = was || present(e)
		return again && !(was && present(e))
	})
	return w
}

// likeTheirRows has half of the entries say what their rows hold.
func likeTheirRows(w world, d dice) []adsync.Entry {
	entries := slices.Clone(w.entries)
	for i := range entries {
		e := &entries[i]
		row := slices.IndexFunc(w.users, func(u adsync.User) bool { return u.ObjectID == e.ObjectID })
		if row >= 0 && d.oneIn(2) {
			e.Profile = w.users[row].Profile
		}
	}
	return entries
}

// However users and entries are interleaved, in small steps or large, and whatever a
// controller said before it failed, the plan is that of both sides as a whole.
func TestRead_EntriesMeetUsersThatAreStillBeingRead(t *testing.T) {
	seed := uint64(0)
	inWorlds(t, 1000, func(w world) error {
		seed++
		d := seededDice(seed)
		w = importWorld(w, d)
		want, err := reconcile(w)
		if err != nil {
			return err
		}
		open := func(entries []adsync.Entry, last error) func() (adsync.Directory, error) {
			pace := uint64(d(1000))
			return func() (adsync.Directory, error) {
				return scripted{paced(entries, pace, last), func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
					adsync.StaticDirectory(w.entries).Find(context.Background(), ids)(yield)
				}}, nil
			}
		}
		var servers controllers
		for range d(3) {
			servers = append(servers, open(likeTheirRows(w, d), errDown))
		}
		servers = append(servers, open(w.entries, nil))
		memory := newPlainTable(w.users)
		store := pacedStore{memory, memory, paced(w.users, seed, nil)}
		s, err := adsync.New(beyond{servers}, store, &adsync.Options{Rules: w.rules.adsync(), Limits: adsync.Limits{AllowEmpty: true}})
		if err != nil {
			return err
		}
		s.ReadInSteps(1+d(3), 1+d(3), pick(d, 1, 16<<20))
		got, err := s.Plan(context.Background())
		if err != nil {
			return err
		}
		return samePlan(want, got)
	})
}

// crowded lists so many entries of some thousand bytes, and counts them.
func crowded(n int, seen *atomic.Int64) iter.Seq2[adsync.Entry, error] {
	long := strings.Repeat("long ", 200)
	return func(yield func(adsync.Entry, error) bool) {
		for i := range n {
			seen.Add(1)
			e := adsync.Entry{ObjectID: adsync.ObjectID{1, byte(i >> 16), byte(i >> 8), byte(i)}, DN: long}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// whenFull opens the gate when 16 MiB of them wait, and no more came. It stands in a
// bubble of synctest, which tells when everybody else waits.
func whenFull(t *testing.T, seen *atomic.Int64, gate chan<- struct{}) {
	go func() {
		synctest.Wait()
		assert.Greater(t, seen.Load(), int64(15_000))
		assert.Less(t, seen.Load(), int64(16_000))
		close(gate)
	}()
}

// A listing does not get far ahead of a store that is slow.
func TestRead_FewEntriesWaitForTheStore(t *testing.T) {
	synctest.Test(t, testFewEntriesWaitForTheStore)
}

func testFewEntriesWaitForTheStore(t *testing.T) {
	_, users := bigWorld(6000)
	var seen atomic.Int64
	gate := make(chan struct{})
	whenFull(t, &seen, gate)
	opts := &adsync.Options{Rules: adsync.Rules{Import: true}}
	plan, err := newSyncer(t, one(crowded(20_000, &seen)), behind(users, gate), opts).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(20_000), seen.Load())
	assert.Equal(t, 20_000, plan.Stats.Entries)
}

// A server that has timed out in the meantime is asked once more.
func TestRead_ListsAnewWhatStoodStill(t *testing.T) {
	synctest.Test(t, testAListingThatStoodStillIsMadeAnew)
}

func testAListingThatStoodStillIsMadeAnew(t *testing.T) {
	_, users := bigWorld(6000)
	var seen atomic.Int64
	gate, lists := make(chan struct{}), 0
	whenFull(t, &seen, gate)
	dir := one(func(yield func(adsync.Entry, error) bool) {
		if lists++; lists > 1 {
			crowded(20_000, &seen)(yield)
			return
		}
		crowded(18_000, &seen)(yield)
		yield(adsync.Entry{}, errDown)
	})
	opts := &adsync.Options{Rules: adsync.Rules{Import: true}}
	plan, err := newSyncer(t, dir, behind(users, gate), opts).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, lists)
	assert.Equal(t, 20_000, plan.Stats.Entries)
}

// What a listing says of somebody who is not there is no proof: it is looked up.
func TestRead_ListingProvesNobodysAbsence(t *testing.T) {
	entries, users := bigWorld(6000)
	said := slices.Clone(entries)
	said[7] = adsync.Entry{ObjectID: entries[7].ObjectID, State: adsync.StateDeleted}
	var asked []adsync.ObjectID
	dir := scripted{listed(said, make(chan struct{})), func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
		asked = append(asked, ids...)
		adsync.StaticDirectory(entries).Find(context.Background(), ids)(yield)
	}}
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.ObjectID{entries[7].ObjectID}, asked)
	assert.NoError(t, samePlan(mustReconcile(t, entries, users, adsync.Rules{}), plan))
}

// joined yields the parts one after the other. Between two it passes a gate.
func joined[T any](ctx context.Context, parts [][]T, gates ...func(context.Context)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for i, part := range parts {
			if i > 0 {
				gates[i-1](ctx)
			}
			for _, v := range part {
				if ctx.Err() != nil || !yield(v, nil) {
					return
				}
			}
		}
	}
}

func opening(gate chan struct{}) func(context.Context) { return func(context.Context) { close(gate) } }

func waitingFor(gate chan struct{}) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
}

// Entries find room as long as the rows of some of them have been read. The store waits
// for the end of the listing, so that a listing which stands still fails.
func TestRead_EntriesWhoseRowsWereReadTakeNoRoom(t *testing.T) {
	synctest.Test(t, testEntriesWhoseRowsWereReadTakeNoRoom)
}

func testEntriesWhoseRowsWereReadTakeNoRoom(t *testing.T) {
	entries, users := bigWorld(6000)
	const behind, megabyte = 5500, 400 // rows that are read late; entries of about a megabyte
	for i := range entries {
		entries[i].DN = strings.Repeat("long ", 500)
	}
	for i := range megabyte / 2 {
		entries[behind-1-i].Phone = "changed" // these must wait, and there is room for them
	}
	want := mustReconcile(t, entries, users, adsync.Rules{})
	listedFirst, read, listed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := one(joined(ctx, [][]adsync.Entry{entries[behind : behind+megabyte], nil, entries[:behind], entries[behind+megabyte:], nil},
		opening(listedFirst), waitingFor(read), func(context.Context) {}, opening(listed)))
	store := pacedStore{users: joined(ctx, [][]adsync.User{users[:behind], users[behind:5999], nil, users[5999:]},
		waitingFor(listedFirst), opening(read), waitingFor(listed))}
	memory := adsync.NewMemoryStore(users...)
	store.UserStore, store.Creator = memory, memory
	s := newSyncer(t, dir, store, nil)
	s.ReadInSteps(1, 1, 2<<20)
	got, err := s.Plan(ctx)
	require.NoError(t, err)
	assert.NoError(t, samePlan(want, got))
}

// What is wrong with an entry is reported, whenever it comes.
func TestRead_EntryThatWaitedMayBeWrong(t *testing.T) {
	entries, users := bigWorld(6000)
	entries[7].ObjectID = adsync.ObjectID{}
	gate := make(chan struct{})
	_, err := newSyncer(t, one(listed(entries, gate)), behind(users, gate), nil).Plan(t.Context())
	require.ErrorContains(t, err, "without an ObjectID")
}
