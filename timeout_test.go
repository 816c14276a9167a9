package adsync_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// listening is a store in which one method waits for the end of its context.
type listening struct {
	*adsync.MemoryStore
	method string
}

func (s listening) Check(ctx context.Context) ([]string, error) {
	if s.method == "Check" {
		<-ctx.Done()
	}
	return nil, ctx.Err()
}

func (s listening) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	if s.method == "Users" {
		<-ctx.Done()
	}
	return s.MemoryStore.Users(ctx)
}

// A store that reads too long is told to end, and does so. The error says once what it was at,
// and what the store said to that.
func TestTimeout_TellsWhatAStoreThatListensSays(t *testing.T) {
	for _, method := range []string{"Check", "Users"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSyncer(t, adsync.StaticDirectory{}, listening{adsync.NewMemoryStore(user("1", 1, "ann", "")), method}, nil)
			began := time.Now()
			_, err := s.Plan(t.Context())
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, 1, strings.Count(err.Error(), "did not return from "+method+" within 5m0s"), err)
			assert.Equal(t, 5*time.Minute, time.Since(began), "it is not waited for any longer")
		})
	}
}

// Of a store that does not listen, it is said once.
func TestTimeout_OfACheckIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locks []string
		store := deaf{adsync.NewMemoryStore(), "Check", make(chan struct{}), &locks}
		_, err := newSyncer(t, adsync.StaticDirectory{}, store, nil).Plan(t.Context())
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		assert.Equal(t, 1, strings.Count(err.Error(), "did not return from Check"), err)
		close(store.gate)
	})
}

// leaving ends the goroutine in which its users are read, before their end.
type leaving struct{ *adsync.MemoryStore }

func (s leaving) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for u, err := range s.MemoryStore.Users(ctx) {
			yield(u, err)
			runtime.Goexit()
		}
	}
}

// Users of whom only some were read are no table.
func TestPlan_NoneOfAStoreThatEndsItsGoroutine(t *testing.T) {
	store := leaving{adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 2, "bob", ""))}
	plan, err := newSyncer(t, adsync.StaticDirectory{entry(1, "ann2", "")}, store, nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorContains(t, err, "ended the goroutine")
	assert.Nil(t, plan)
}

// tardy is a store whose lock comes late: it, an error, or both.
type tardy struct {
	*adsync.MemoryStore
	after    time.Duration
	err      error
	unlocked *int
	ctx      *context.Context
}

func (s tardy) Lock(ctx context.Context, _ string) (func() error, error) {
	*s.ctx = ctx
	time.Sleep(s.after)
	return func() error { *s.unlocked++; return nil }, s.err
}

// A lock that comes as nobody waits any more is given back, unless it is none.
func TestLock_ThatIsNoneIsNotGivenBack(t *testing.T) {
	for want, err := range []error{adsync.ErrLocked, nil} {
		synctest.Test(t, func(t *testing.T) {
			store := tardy{adsync.NewMemoryStore(), time.Hour, err, new(int), new(context.Context)}
			_, err := newSyncer(t, adsync.StaticDirectory{}, store, nil).Sync(t.Context())
			require.ErrorContains(t, err, "the store did not return from Lock")
			time.Sleep(time.Hour)
			synctest.Wait()
			assert.Equal(t, want, *store.unlocked)
		})
	}
}

// A lock that comes at the very moment at which it is given up is held and given back, or
// given back at once. It is never lost.
func TestLock_ThatComesInTheLastMomentIsNotLost(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			store := tardy{adsync.NewMemoryStore(), 2 * time.Second, nil, new(int), new(context.Context)}
			_, _ = newSyncer(t, adsync.StaticDirectory{}, store, &adsync.Options{Timeout: time.Second}).Sync(t.Context())
			synctest.Wait()
			require.Equal(t, 1, *store.unlocked)
		})
	}
}

// The context of a lock lasts as long as the run that has it, and no longer than an attempt
// that failed.
func TestLock_ItsContextEndsWithIt(t *testing.T) {
	for _, refused := range []error{nil, adsync.ErrLocked, errDown} {
		store := tardy{adsync.NewMemoryStore(), 0, refused, new(int), new(context.Context)}
		_, err := newSyncer(t, adsync.StaticDirectory{}, store, nil).Sync(t.Context())
		require.ErrorIs(t, err, refused)
		assert.Error(t, (*store.ctx).Err())
	}
}

// A new user may have the ID of one who is deleted in the same batch.
func TestApply_BelievesThatAnIDIsUsedAgain(t *testing.T) {
	dir := adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}, entry(2, "bob", "")}
	answer := func(w []adsync.Written) []adsync.Written {
		for i := range w {
			w[i].UserID = "1"
		}
		return w
	}
	store := answering{adsync.NewMemoryStore(user("1", 1, "ann", "")), answer}
	report, err := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Import: true}}).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"applied", "applied"}, outcomes(report), fmt.Sprint(report.Err()))
}
