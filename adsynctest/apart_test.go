package adsynctest_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// apart is a directory that says it may be read while the store is, true or not.
type apart struct{ adsync.Directory }

func (apart) Traits() adsync.Traits { return adsync.Traits{Apart: true} }

// connection is what only one of two can hold. A nil one is for everybody.
type connection chan struct{}

// hold waits for it, in the manner of a pool, or for the end of the context.
func (c connection) hold(ctx context.Context) (release func(), err error) {
	if c == nil {
		return func() {}, nil
	}
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// over reads a sequence over a connection.
func over[T any](ctx context.Context, c connection, sequence iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		release, err := c.hold(ctx)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		defer release()
		sequence(yield)
	}
}

// bothSides are a directory and a store of ten each, which are read over connections.
func bothSides(ofDirectory, ofStore connection) (adsync.Directory, adsync.UserStore) {
	var static adsync.StaticDirectory
	var users []adsync.User
	for n := range byte(10) {
		static = append(static, dirEntry(n+1, ""))
		users = append(users, adsync.User{ObjectID: dirID(n + 1)})
	}
	b := &broken{MemoryStore: adsync.NewMemoryStore(users...)}
	b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
		return over(ctx, ofStore, b.MemoryStore.Users(ctx))
	}
	return apart{directoryFuncs{
		func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
			return over(ctx, ofDirectory, static.Entries(ctx))
		}, static.Find,
	}}, b
}

func TestCheckApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, store := bothSides(nil, nil)
		assert.NoError(t, adsynctest.CheckApart(t.Context(), dir, store))
		dir, store = bothSides(make(connection, 1), make(connection, 1))
		assert.NoError(t, adsynctest.CheckApart(t.Context(), dir, store))

		shared := make(connection, 1)
		dir, store = bothSides(shared, shared)
		err := adsynctest.CheckApart(t.Context(), dir, store)
		assert.ErrorContains(t, err, "adsync: CheckApart: while the directory is being read, the store brings nothing")
		assert.ErrorContains(t, err, "adsync: CheckApart: while the store is being read, the directory brings nothing")

		var plain adsync.Directory = adsync.StaticDirectory{dirEntry(1, "")}
		assert.ErrorContains(t, adsynctest.CheckApart(t.Context(), plain, store), "do not say Apart")
		assert.ErrorContains(t, adsynctest.CheckApart(t.Context(), nil, store), "needs a Directory and a UserStore")
		assert.ErrorContains(t, adsynctest.CheckApart(t.Context(), dir, nil), "needs a Directory and a UserStore")
	})
}

// One way round may be fine where the other is not.
func TestCheckApart_TriesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock := make(connection, 1)
		_, store := bothSides(nil, lock) // holds it while it is read
		dir, _ := bothSides(nil, nil)
		looks := apart{directoryFuncs{func(ctx context.Context) iter.Seq2[adsync.Entry, error] { // and this one needs it at first
			if release, err := lock.hold(ctx); err == nil {
				release()
			}
			return dir.Entries(ctx)
		}, dir.Find}}
		err := adsynctest.CheckApart(t.Context(), looks, store)
		require.ErrorContains(t, err, "while the store is being read, the directory brings nothing")
		require.NotContains(t, err.Error(), "while the directory is being read")
	})
}

// However long all takes, something has to come.
func TestCheckApart_WaitsForWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, store := bothSides(nil, nil)
		slow := apart{directoryFuncs{func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
			return func(yield func(adsync.Entry, error) bool) {
				for e, err := range dir.Entries(ctx) {
					if time.Sleep(25 * time.Second); !yield(e, err) {
						return
					}
				}
			}
		}, dir.Find}}
		require.NoError(t, adsynctest.CheckApart(t.Context(), slow, store))
	})
}

func TestCheckApart_TellsWhatWentWrong(t *testing.T) {
	down := errors.New("the line is down")
	synctest.Test(t, func(t *testing.T) {
		dir, store := bothSides(nil, nil)
		entries := func(entries func(context.Context) iter.Seq2[adsync.Entry, error]) adsync.Directory {
			return apart{directoryFuncs{entries, dir.Find}}
		}
		failing := entries(func(context.Context) iter.Seq2[adsync.Entry, error] { return fails(down) })
		require.ErrorIs(t, adsynctest.CheckApart(t.Context(), failing, store), down)
		empty := entries(adsync.StaticDirectory{}.Entries)
		require.ErrorContains(t, adsynctest.CheckApart(t.Context(), empty, store), "the directory yields nobody")
		require.ErrorContains(t, adsynctest.CheckApart(t.Context(), dir, adsync.NewMemoryStore()), "the store yields nobody")
		thrown := entries(func(context.Context) iter.Seq2[adsync.Entry, error] { panic("at once") })
		err := adsynctest.CheckApart(t.Context(), thrown, store)
		require.ErrorContains(t, err, "reading the directory: it panicked at apart_test.go:")

		deaf := entries(func(context.Context) iter.Seq2[adsync.Entry, error] {
			return func(yield func(adsync.Entry, error) bool) {
				time.Sleep(time.Hour)
				yield(adsync.Entry{}, down)
			}
		})
		err = adsynctest.CheckApart(t.Context(), deaf, store)
		require.ErrorContains(t, err, "the directory is still being read")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, adsynctest.CheckApart(ctx, deaf, store), context.DeadlineExceeded)
		require.ErrorIs(t, adsynctest.CheckApart(ctx, dir, store), context.DeadlineExceeded)
	})
}
