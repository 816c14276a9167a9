package adsynctest_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/go-adsync/adsync"
)

func TestCheckStore_Reading(t *testing.T) {
	always := context.Background()
	testBroken(t, []brokenCase{
		{"Traits must name", func(b *broken) {
			b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldEmail, adsync.FieldEmail}}
		}},
		{"Traits must name", func(b *broken) {
			b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldEmail, adsync.FieldSource}}
		}},
		{"Traits must name", func(b *broken) { b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldStatus}} }},
		{"Traits must name", func(b *broken) { b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldActive}} }},
		{"Traits must name", func(b *broken) {
			b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldActive, adsync.FieldStatus}}
		}},
		{"Users must yield every row", func(b *broken) {
			b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldActive}}
		}},
		{"Users must yield every row", func(b *broken) { // knows what it says that it does not
			b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldActive}}
			b.users = b.altered(func(u *adsync.User) {
				if u.Status == adsync.StatusDeactivated {
					u.Status = adsync.StatusInactive
				}
			})
		}},
		{"Users must yield every row", func(b *broken) { b.users = b.without(func(u adsync.User) bool { return u.ObjectID.IsZero() }) }},
		{"Users must yield every row", func(b *broken) {
			b.users = b.altered(func(u *adsync.User) { u.Phone = strings.TrimSuffix(u.Phone, "5") })
		}},
		{"Users must yield every row", func(b *broken) { b.users = b.altered(func(u *adsync.User) { u.Status = adsync.StatusActive }) }},
		{"Users must yield every row", func(b *broken) {
			b.users = b.altered(func(u *adsync.User) {
				if u.Source != "" {
					u.Source = strings.ToUpper(u.Source)
				}
			})
		}},
		{"Users must yield each row with an ID of its own", func(b *broken) { b.users = b.altered(func(u *adsync.User) { u.ID = "1" }) }},
		{"Users must yield each row with an ID of its own", func(b *broken) { b.users = b.altered(func(u *adsync.User) { u.ID = "" }) }},
		{"Users must return a fresh sequence", func(b *broken) {
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				next, stop := iter.Pull2(b.MemoryStore.Users(ctx))
				return func(yield func(adsync.User, error) bool) {
					defer stop()
					for u, err, ok := next(); ok && yield(u, err); u, err, ok = next() {
					}
				}
			}
		}},
		{"Users must return a fresh sequence", func(b *broken) {
			seed := slices.Collect(keysOf(b.MemoryStore.Users(always)))
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return adsync.NewMemoryStore(seed...).Users(ctx)
			}
		}},
		{"Users must stop when the loop stops", func(b *broken) {
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					for u, err := range b.MemoryStore.Users(ctx) {
						yield(u, err)
					}
				}
			}
		}},
		{"Users must end in an error", func(b *broken) {
			b.users = func(context.Context) iter.Seq2[adsync.User, error] { return b.MemoryStore.Users(always) }
		}},
		{"Users must end in an error", func(b *broken) { // ends early, as if that were all
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					if ctx.Err() != nil {
						yield(adsync.User{}, ctx.Err())
						return
					}
					for u, err := range b.MemoryStore.Users(ctx) {
						if err != nil || !yield(u, nil) {
							return
						}
					}
				}
			}
		}},
		{"Users must end in an error", func(b *broken) { // goes on after it
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					for u, err := range b.MemoryStore.Users(ctx) {
						if !yield(u, err) || err != nil && !yield(u, err) {
							return
						}
					}
				}
			}
		}},
		{"Traits must name", func(b *broken) { b.traits = &adsync.Traits{CreatesAtOnce: -1} }},
		{"Users must stop when the loop stops, and leave the store usable", func(b *broken) {
			stopped := false // and its connection not given back
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					for u, err := range b.MemoryStore.Users(ctx) {
						if !yield(u, err) {
							stopped = true
							return
						}
					}
				}
			}
			b.update = func(ctx context.Context, c adsync.Change) error {
				if stopped {
					return errors.New("there is no free connection")
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
	})
}
