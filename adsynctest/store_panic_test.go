package adsynctest_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func TestCheckStore_NamesTheDutyOfAPanic(t *testing.T) {
	var none map[string]bool
	testBroken(t, []brokenCase{
		{"Users must yield every row, as it was stored: it panicked at store_panic_test.go:", func(b *broken) {
			b.users = func(context.Context) iter.Seq2[adsync.User, error] { panic("secret") }
		}},
		{"Users must stop when the loop stops, and leave the store usable: it panicked at store_panic_test.go:", func(b *broken) {
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					for u, err := range b.MemoryStore.Users(ctx) {
						if !yield(u, err) {
							panic("stopped")
						}
					}
				}
			}
		}},
		{"UpdateUser must write exactly After: it panicked at store_panic_test.go:", func(b *broken) {
			b.update = func(context.Context, adsync.Change) error { none["x"] = true; return nil }
		}},
		{"UpdateUser must be atomic: of changes made at once from one Before, only one may be written: it panicked at store_panic_test.go:", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.After.Phone == "772" {
					panic("here")
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"DeleteUser must remove the row and no other: it panicked at store_panic_test.go:", func(b *broken) {
			b.delete = func(context.Context, adsync.Change) error { panic("there") }
		}},
		{"CreateUser must add a row that equals After but for the ID, and return that ID: it panicked at store_panic_test.go:", func(b *broken) {
			b.create = func(context.Context, adsync.Change) (string, error) { panic(errors.New("not implemented")) }
		}},
		{"ApplyChanges must return one Written for each change, in order: it panicked at store_panic_test.go:", func(b *broken) {
			b.apply = func(context.Context, []adsync.Change) []adsync.Written { panic("everywhere") }
		}},
		{"Lock must keep a second run out until unlock is called: it panicked at store_panic_test.go:", func(b *broken) {
			b.lock = func(context.Context) (func() error, error) { panic("at the door") }
		}},
		{"Lock must keep a second run out until unlock is called: it panicked at store_panic_test.go:", func(b *broken) { // the second time
			var held atomic.Bool
			b.lock = func(context.Context) (func() error, error) {
				if held.Swap(true) {
					panic("at the door")
				}
				return func() error { held.Store(false); return nil }, nil
			}
		}},
		{"Lock must keep a second run out until unlock is called: a Lock returned no unlock and no error", func(b *broken) {
			b.lock = func(context.Context) (func() error, error) { return nil, nil }
		}},
	})
	err := checkBroken(t.Context(), func(b *broken) {
		b.users = func(context.Context) iter.Seq2[adsync.User, error] { panic("secret") }
	})
	require.ErrorContains(t, err, "with a string")
	require.NotContains(t, err.Error(), "secret", "what a host panics with may be a person's")
	err = checkBroken(t.Context(), func(b *broken) {
		b.update = func(context.Context, adsync.Change) error { none["x"] = true; return nil }
	})
	require.ErrorContains(t, err, "assignment to entry in nil map")
	err = adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) { panic("no database") })
	require.ErrorContains(t, err, "adsync: CheckStore could not begin")
	require.ErrorContains(t, err, "store_panic_test.go:")
}
