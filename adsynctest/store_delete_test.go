package adsynctest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-adsync/adsync"
)

func TestCheckStore_Deletions(t *testing.T) {
	always := context.Background()
	testBroken(t, []brokenCase{
		{"DeleteUser must remove the row", func(b *broken) {
			b.delete = func(_ context.Context, c adsync.Change) error { return c.Guard(c.Before) }
		}},
		{"DeleteUser must free both keys", func(b *broken) { // a soft delete that keeps them
			kept := map[string]bool{}
			b.delete = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				kept[c.Before.Email] = true
				return b.MemoryStore.DeleteUser(ctx, c)
			}
			b.update = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				if kept[c.After.Email] {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"DeleteUser must refuse a row that is not as Before says", func(b *broken) { b.delete = b.force }},
		{"DeleteUser must answer ErrAlready", func(b *broken) {
			b.delete = func(ctx context.Context, c adsync.Change) error {
				if _, ok := b.Get(c.UserID); !ok {
					return adsync.ErrStale
				}
				return b.MemoryStore.DeleteUser(ctx, c)
			}
		}},
		{"DeleteUser must fail and remove nothing", func(b *broken) {
			b.delete = func(_ context.Context, c adsync.Change) error { return b.MemoryStore.DeleteUser(always, c) }
		}},
		{`DeleteUser must take "" and StatusActive for the same`, func(b *broken) {
			b.delete = func(ctx context.Context, c adsync.Change) error {
				if c.Before.Status == "" {
					return adsync.ErrStale
				}
				return b.MemoryStore.DeleteUser(ctx, c)
			}
		}},
		{"DeleteUser must be atomic", func(b *broken) { // looks, and then deletes what is there by then
			var raced atomic.Bool
			updated := make(chan struct{}, 2)
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.After.Phone == "774" || c.After.Phone == "775" {
					raced.Store(true)
					defer func() { updated <- struct{}{} }()
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
			b.delete = func(ctx context.Context, c adsync.Change) error {
				select {
				case <-updated:
				case <-time.After(20 * time.Millisecond):
				}
				if !raced.Load() {
					return b.MemoryStore.DeleteUser(ctx, c)
				}
				return b.force(ctx, c) // as Guard has allowed before
			}
		}},
		{"DeleteUser must remove the row and no other", func(b *broken) { // finds the row by the phone
			b.delete = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.DeleteUser(ctx, c)
				for u := range b.MemoryStore.Users(ctx) {
					if err == nil && u.Phone == c.Before.Phone {
						_ = b.MemoryStore.DeleteUser(ctx, adsync.Change{Op: adsync.OpDelete, UserID: u.ID, Before: &u})
					}
				}
				return err
			}
		}},
		{"DeleteUser must free both keys", func(b *broken) { // but loses who takes them
			gone := map[string]bool{}
			b.delete = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				gone[c.Before.Username] = true
				return b.MemoryStore.DeleteUser(ctx, c)
			}
			b.update = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				if gone[c.After.Username] && c.Before.Username != c.After.Username {
					return nil
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"DeleteUser must answer ErrAlready", func(b *broken) { // and takes the next one
			b.delete = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.DeleteUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					dan, _ := b.Get("4")
					_ = b.MemoryStore.DeleteUser(ctx, adsync.Change{Op: adsync.OpDelete, UserID: dan.ID, Before: &dan})
				}
				return err
			}
		}},
		{`DeleteUser must take "" and StatusActive for the same`, func(b *broken) { // but only says so
			b.delete = func(ctx context.Context, c adsync.Change) error {
				if c.Before.Status == "" {
					return nil
				}
				return b.MemoryStore.DeleteUser(ctx, c)
			}
		}},
	})
}
