package adsynctest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func TestCheckStore_Statuses(t *testing.T) {
	unblocks := func(before, after *adsync.User) {
		if before.Status == adsync.StatusBlocked {
			after.Status = adsync.StatusActive
		}
	}
	reactivates := func(before, after *adsync.User) {
		if before.Status == adsync.StatusDeactivated {
			after.Status = adsync.StatusActive
		}
	}
	blocks := func(before, after *adsync.User) { // takes what it does not know for the worst
		if before.Status == adsync.StatusDeactivated {
			after.Status = adsync.StatusBlocked
		}
	}
	const duty = "UpdateUser must keep the status that After has"
	testBroken(t, []brokenCase{
		{duty, func(b *broken) { b.rewrite(unblocks) }},
		{duty, func(b *broken) { b.rewrite(reactivates) }},
		{duty, func(b *broken) { b.rewrite(blocks) }},
		{"ApplyChanges must do as the single writes: " + duty, func(b *broken) { b.rewriteBatches(unblocks) }},
		{"ApplyChanges must do as the single writes: " + duty, func(b *broken) { b.rewriteBatches(reactivates) }},
		{duty, func(b *broken) { // does not touch whom a sync has deactivated
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.Before.Status == adsync.StatusDeactivated && c.After.Status == adsync.StatusDeactivated {
					return nil
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"Users must yield a user whom an update has blocked as blocked", func(b *broken) {
			b.users = b.altered(func(u *adsync.User) {
				if u.Status == adsync.StatusBlocked {
					u.Status = adsync.StatusDeactivated
				}
			})
		}},
	})
}

// A host that knows no blocked users has no word for them.
func TestCheckStore_FitsStoresThatCannotBlock(t *testing.T) {
	err := adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		for i := range seed {
			if seed[i].Status == adsync.StatusBlocked {
				seed[i].Status = adsync.StatusActive
			}
		}
		b := &broken{MemoryStore: adsync.NewMemoryStore(seed...), lock: make(mutex, 1).lock}
		b.update = func(ctx context.Context, c adsync.Change) error {
			if c.After.Status == adsync.StatusBlocked {
				return errors.New("there is no such status")
			}
			return b.MemoryStore.UpdateUser(ctx, c)
		}
		return b, nil
	})
	require.NoError(t, err)
}
