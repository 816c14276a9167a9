package adsynctest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestCheckStore_Creations(t *testing.T) {
	always := context.Background()
	testBroken(t, []brokenCase{
		{"CreateUser must add a row", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				_, err := b.MemoryStore.CreateUser(ctx, c)
				return "1", err
			}
		}},
		{"CreateUser must add a row", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				after := *c.After
				after.Status = adsync.StatusBlocked
				c.After = &after
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must answer ErrAlready", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				after := *c.After
				after.ObjectID[0]++
				c.After = &after
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must refuse a key", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					err = errors.New("unique")
				}
				return id, err
			}
		}},
		{"CreateUser must fail and add nothing", func(b *broken) {
			b.create = func(_ context.Context, c adsync.Change) (string, error) { return b.MemoryStore.CreateUser(always, c) }
		}},
		{"CreateUser must add a row", func(b *broken) { // lets one be without an email
			had := false
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				if c.After.Email == "" && had {
					return "", adsync.ErrConflict
				}
				had = had || c.After.Email == ""
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must add a row", func(b *broken) { // folds the email
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				after := *c.After
				after.Email = strings.ToLower(after.Email)
				c.After = &after
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must answer ErrAlready", func(b *broken) { // looks at the username first
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				for u := range b.MemoryStore.Users(ctx) {
					if u.Username == c.After.Username {
						return "", adsync.ErrConflict
					}
				}
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must answer ErrAlready", func(b *broken) { // with an ID that nobody has
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if err != nil {
					id = "99"
				}
				return id, err
			}
		}},
		{"CreateUser must not take a row of another Source with the same ObjectID for the user", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				for u := range b.MemoryStore.Users(ctx) {
					if u.ObjectID == c.After.ObjectID {
						return u.ID, adsync.ErrAlready
					}
				}
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must be atomic", func(b *broken) { // answers all alike
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					err = nil
				}
				return id, err
			}
		}},
		{"CreateUser must answer ErrAlready", func(b *broken) { // and adds another
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					after := *c.After
					after.ObjectID, after.Username, after.Email = adsync.ObjectID{9}, "another", ""
					_, _ = b.MemoryStore.CreateUser(ctx, adsync.Change{Op: adsync.OpCreate, After: &after})
				}
				return id, err
			}
		}},
		{"CreateUser must not take a row of another Source", func(b *broken) { // refuses it and adds it
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if c.After.Source == "" {
					return "", adsync.ErrConflict
				}
				return id, err
			}
		}},
		{"CreateUser must not take a row of another Source", func(b *broken) { // takes it and adds nothing
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				if c.After.Source == "" {
					return "99", nil
				}
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
	})
}

// A table in which an ObjectID is unique, whatever the Source, may say so.
func TestCheckStore_FitsUniqueObjectIDs(t *testing.T) {
	require.NoError(t, checkBroken(t.Context(), func(b *broken) {
		b.create = func(ctx context.Context, c adsync.Change) (string, error) {
			for u := range b.MemoryStore.Users(ctx) {
				if u.ObjectID == c.After.ObjectID && u.Source != c.After.Source {
					return "", adsync.ErrConflict
				}
			}
			return b.MemoryStore.CreateUser(ctx, c)
		}
	}))
}
