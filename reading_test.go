package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
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

// one is a directory of one server that lists these.
func one(entries iter.Seq2[adsync.Entry, error], find func([]adsync.ObjectID)) controllers {
	return controllers{func() (adsync.Directory, error) {
		return scripted{entries, func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			find(ids)
			for _, id := range ids {
				if !yield(adsync.Entry{ObjectID: id, State: adsync.StateUnproven}, nil) {
					return
				}
			}
		}}, nil
	}}
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

func unasked([]adsync.ObjectID) {}

// The store waits for the end of the listing, so there is a plan only if both are
// read side by side.
func TestTheDirectoryIsListedBesideTheStore(t *testing.T) {
	entries, users := bigWorld(6000)
	want := mustReconcile(t, entries, users, adsync.Rules{})
	gate := make(chan struct{})
	got, err := newSyncer(t, one(listed(entries, gate), unasked), behind(users, gate), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, gocmp.Diff(want, got))
}

func TestAnImportIsListedBesideTheStore(t *testing.T) {
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
		dir := controllers{func() (adsync.Directory, error) {
			return scripted{listed(w.entries, gate), func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
				adsync.StaticDirectory(w.entries).Find(context.Background(), ids)(yield)
			}}, nil
		}}
		s, err := adsync.New(dir, behind(w.users, gate), &adsync.Options{Rules: w.rules.adsync(), Limits: adsync.Limits{AllowEmpty: true}})
		if err != nil {
			return err
		}
		got, err := s.Plan(context.Background())
		if err != nil {
			return err
		}
		if diff := gocmp.Diff(string(mustJSON(want)), string(mustJSON(got))); diff != "" {
			return fmt.Errorf("-Reconcile +Syncer.Plan:\n%s", diff)
		}
		return nil
	})
}

// A directory without sessions may read from the host's own database, whose only
// connection the store has.
func TestOtherDirectoriesWaitForTheStore(t *testing.T) {
	entries, users := bigWorld(6000)
	gate, storeRead := make(chan struct{}), false
	close(gate)
	dir := scripted{func(yield func(adsync.Entry, error) bool) {
		assert.True(t, storeRead)
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}, nil}
	store := behind(users, gate)
	store.users = told{store.users, &storeRead}
	dir.find = func(ids []adsync.ObjectID, _ func(adsync.Entry, error) bool) { assert.Empty(t, ids) }
	_, err := newSyncer(t, dir, store, nil).Plan(t.Context())
	require.NoError(t, err)
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

func TestAnotherControllerListsBesideTheStore(t *testing.T) {
	entries, users := bigWorld(6000)
	want := mustReconcile(t, entries, users, adsync.Rules{})
	stale := make([]adsync.Entry, 100)
	for i := range stale {
		stale[i] = entries[i]
		stale[i].Phone = "of a controller that failed"
	}
	gate := make(chan struct{})
	dir := append(one(func(yield func(adsync.Entry, error) bool) {
		for _, e := range stale {
			yield(e, nil)
		}
		yield(adsync.Entry{}, errDown)
	}, unasked), one(listed(entries, gate), unasked)...)
	got, err := newSyncer(t, dir, behind(users, gate), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, gocmp.Diff(want, got))
}

func TestAStoreThatFailsEndsTheListing(t *testing.T) {
	_, users := bigWorld(6000)
	ended := false
	dir := controllers{func() (adsync.Directory, error) { return endless{&ended}, nil }}
	store := behind(users, nil)
	store.users = failingAfter{store.users, 5500}
	_, err := newSyncer(t, dir, store, nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errDown)
	assert.True(t, ended, "the listing ended before Plan did")
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

func TestADirectoryMayPanicBesideTheStore(t *testing.T) {
	_, users := bigWorld(6000)
	gate := make(chan struct{})
	close(gate)
	dir := one(func(func(adsync.Entry, error) bool) { panic("of the host's own directory") }, unasked)
	s := newSyncer(t, dir, behind(users, gate), nil)
	assert.PanicsWithValue(t, "of the host's own directory", func() { _, _ = s.Plan(t.Context()) })
}

// A listing does not run away from a store that is slow.
func TestFewEntriesWaitForTheStore(t *testing.T) {
	const most = 1 << 17
	_, users := bigWorld(6000)
	gate, full := make(chan struct{}), make(chan struct{})
	seen := 0
	entries := func(yield func(adsync.Entry, error) bool) {
		for i := range most + 100 {
			if seen++; i == most {
				close(full)
			}
			if !yield(adsync.Entry{ObjectID: adsync.ObjectID{1, byte(i >> 16), byte(i >> 8), byte(i)}}, nil) {
				return
			}
		}
	}
	go func() {
		<-full
		time.Sleep(20 * time.Millisecond) // for a listing that runs on
		assert.Equal(t, most+1, seen)
		close(gate)
	}()
	opts := &adsync.Options{Rules: adsync.Rules{Import: true}}
	_, err := newSyncer(t, one(entries, unasked), behind(users, gate), opts).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, most+100, seen)
}

// Six thousand users of a vast directory: it is not listed to its end.
func TestAVastDirectoryIsNotListedToItsEnd(t *testing.T) {
	const n = 6000
	entries, users := bigWorld(n)
	seen, lookedUp := 0, 0
	dir := scripted{func(yield func(adsync.Entry, error) bool) {
		for i := range 1_000_000 {
			e := adsync.Entry{ObjectID: adsync.ObjectID{1, byte(i >> 16), byte(i >> 8), byte(i)}}
			if i%10 == 0 && i/10 < n {
				e = entries[i/10]
			}
			if seen++; !yield(e, nil) {
				return
			}
		}
	}, func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
		lookedUp += len(ids)
		adsync.StaticDirectory(entries).Find(context.Background(), ids)(yield)
	}}
	got, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, gocmp.Diff(mustReconcile(t, entries, users, adsync.Rules{}), got))
	assert.Equal(t, 3*n, seen)
	assert.Equal(t, n-3*n/10, lookedUp)
}
