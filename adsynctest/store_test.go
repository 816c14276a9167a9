package adsynctest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// usernameOnly holds a username and nothing else, and gives its own IDs and Source.
type usernameOnly struct{ *adsync.MemoryStore }

func (usernameOnly) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername}}
}

func TestCheckStore_FitsStoresThatHoldLess(t *testing.T) {
	err := adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		for i, u := range slices.Backward(seed) {
			seed[i] = adsync.User{ID: fmt.Sprint("row-", 9-i), ObjectID: u.ObjectID, Source: "only", Profile: adsync.Profile{Username: u.Username}}
		}
		return usernameOnly{adsync.NewMemoryStore(seed...)}, nil
	})
	require.NoError(t, err)
}

// onlyNeeded hides every optional power.
type onlyNeeded struct{ adsync.UserStore }

func TestCheckStore_FitsStoresWithoutOptionalPowers(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		return onlyNeeded{adsync.NewMemoryStore(seed...)}, nil
	}))
}

func TestCheckStore_TellsWhatOpenDid(t *testing.T) {
	boom := errors.New("boom")
	err := adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) { return nil, boom })
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) { return nil, nil }), "no store")
	require.ErrorContains(t, adsynctest.CheckStore(t.Context(), nil), "adsync: CheckStore needs a function")
}

// A check that is cut short blames its caller and not the store.
func TestCheckStore_IsStoppedByItsContext(t *testing.T) {
	for _, after := range []int{0, 1, 5, 30} {
		ctx, cancel := context.WithCancel(t.Context())
		if after == 0 {
			cancel()
		}
		opened := 0
		err := checkBroken(ctx, func(b *broken) {
			if opened++; opened == after {
				cancel()
			}
		})
		cancel()
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, after, opened)
		told := strings.Count(err.Error(), "adsync: ")
		require.LessOrEqual(t, told, 3, "of the duty that was cut short, and of why: %v", err)
	}
}

type twoStatuses struct{ *adsync.MemoryStore }

func (twoStatuses) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldPhone, adsync.FieldActive}}
}

// A store that tells who is active, and no more, is checked on that.
func TestCheckStore_FitsStoresOfTwoStatuses(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		for i := range seed {
			if seed[i].Status != adsync.StatusActive {
				seed[i].Status = adsync.StatusInactive
			}
		}
		return twoStatuses{adsync.NewMemoryStore(seed...)}, nil
	}))
}
