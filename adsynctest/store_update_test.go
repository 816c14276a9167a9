package adsynctest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/go-adsync/adsync"
)

func TestCheckStore_Updates(t *testing.T) {
	always := context.Background()
	testBroken(t, []brokenCase{
		{"UpdateUser must write exactly After", func(b *broken) {
			b.update = b.changed(func(after *adsync.User) { after.LastName = strings.TrimSuffix(after.LastName, "%") })
		}},
		{"UpdateUser must write exactly After", func(b *broken) { // leaves out what is emptied
			b.update = func(ctx context.Context, c adsync.Change) error {
				after := *c.After
				if after.Phone == "" {
					after.Phone = c.Before.Phone
				}
				c.After = &after
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must write exactly After", func(b *broken) { b.update = b.changed(func(after *adsync.User) { after.Status = adsync.StatusActive }) }},
		{"UpdateUser must write links", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				after := *c.After
				after.ObjectID = c.Before.ObjectID
				c.After = &after
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must write a change of case alone", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.After.Username != c.Before.Username && strings.EqualFold(c.After.Username, c.Before.Username) {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must let several users be without an email", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.After.Email == "" && c.Before.Email != "" {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must refuse a row that is not as Before says", func(b *broken) { b.update = b.force }},
		{"UpdateUser must refuse a row that is not as Before says", func(b *broken) { // refuses in its own words
			b.update = func(ctx context.Context, c adsync.Change) error {
				if err := b.MemoryStore.UpdateUser(ctx, c); errors.Is(err, adsync.ErrStale) {
					return errors.New("changed meanwhile")
				} else {
					return err
				}
			}
		}},
		{"UpdateUser must refuse a row that is gone", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if _, ok := b.Get(c.UserID); !ok {
					return nil
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must answer ErrAlready", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if err := b.MemoryStore.UpdateUser(ctx, c); !errors.Is(err, adsync.ErrAlready) {
					return err
				}
				return nil
			}
		}},
		{"UpdateUser must refuse a key that another row holds", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					return errors.New("unique")
				}
				return err
			}
		}},
		{"UpdateUser must refuse a key that another row holds", func(b *broken) { // writes the rest
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					after := *c.After
					after.Username, after.Email = c.Before.Username, c.Before.Email
					c.After = &after
					_ = b.MemoryStore.UpdateUser(ctx, c)
				}
				return err
			}
		}},
		{"UpdateUser must refuse a key that another row holds with ErrConflict, and write nothing", func(b *broken) { // touches another row
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					b.everyOther(c.UserID, func(u *adsync.User) { u.Phone = "0" })
				}
				return err
			}
		}},
		{"UpdateUser must let a key pass to another row", func(b *broken) {
			var mu sync.Mutex
			held := map[string]string{}
			b.update = func(ctx context.Context, c adsync.Change) error {
				mu.Lock()
				defer mu.Unlock()
				held[c.Before.Username] = c.UserID
				if owner := held[c.After.Username]; owner != "" && owner != c.UserID {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must be atomic", func(b *broken) {
			var looked sync.WaitGroup
			looked.Add(4)
			b.update = func(ctx context.Context, c adsync.Change) error {
				now, ok := b.Get(c.UserID)
				if !ok || c.After.Phone < "770" || c.After.Phone > "773" {
					return b.MemoryStore.UpdateUser(ctx, c)
				}
				looked.Done()
				looked.Wait() // all have looked before any writes
				if err := c.Guard(&now); err != nil {
					return err
				}
				return b.force(ctx, c)
			}
		}},
		{"UpdateUser must fail and write nothing when the context", func(b *broken) {
			b.update = func(_ context.Context, c adsync.Change) error { return b.MemoryStore.UpdateUser(always, c) }
		}},
		{"UpdateUser must write links", func(b *broken) { // and forgets whom to protect
			b.update = b.changed(func(after *adsync.User) { after.Protected = false })
		}},
		{"UpdateUser must answer ErrAlready", func(b *broken) { // finds its own key taken
			b.update = func(ctx context.Context, c adsync.Change) error {
				if now, ok := b.Get(c.UserID); ok && now.Username == c.After.Username && c.Before.Username != c.After.Username {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must answer ErrAlready", func(b *broken) { // and claims a conflict, too
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					err = errors.Join(err, adsync.ErrConflict)
				}
				return err
			}
		}},
		{`UpdateUser must take "" and StatusActive for the same`, func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.Before.Status == "" {
					return adsync.ErrStale
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must fail and write nothing when the context", func(b *broken) { // says that all is done
			b.update = func(ctx context.Context, c adsync.Change) error {
				if ctx.Err() != nil {
					return adsync.ErrAlready
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must write exactly After", func(b *broken) { // finds the row by the name, and so the namesake's too
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if err == nil && c.Before.Phone != c.After.Phone {
					b.everyOther(c.UserID, func(u *adsync.User) {
						if u.FirstName == c.Before.FirstName && u.LastName == c.Before.LastName {
							u.Phone = c.After.Phone
						}
					})
				}
				return err
			}
		}},
		{"UpdateUser must write links", func(b *broken) { // and touches another row
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if err == nil && c.Before.ObjectID != c.After.ObjectID {
					b.everyOther(c.UserID, func(u *adsync.User) { u.Phone = "0" })
				}
				return err
			}
		}},
		{"UpdateUser must write exactly After", func(b *broken) { // clears what it does not hold
			b.traits = &adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername}}
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				b.everyOther(c.UserID, func(u *adsync.User) { u.Email = "" })
				return err
			}
		}},
		{"UpdateUser must take \"\" and StatusActive for the same", func(b *broken) { // and touches another row when there is nothing to do
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					b.everyOther(c.UserID, func(u *adsync.User) { u.Phone = "0" })
				}
				return err
			}
		}},
		{"UpdateUser must refuse a row that is not as Before says", func(b *broken) { // does not look at the status
			b.update = func(ctx context.Context, c adsync.Change) error {
				if now, ok := b.Get(c.UserID); ok && now.Status != c.Before.Status && now.Profile == c.Before.Profile && now.Status == adsync.StatusBlocked {
					return b.force(ctx, c)
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must write exactly After", func(b *broken) { // leaves out what was empty
			b.rewrite(func(before, after *adsync.User) {
				if before.FirstName == "" {
					after.FirstName = ""
				}
			})
		}},
		{"UpdateUser must refuse a row that is gone with ErrStale", func(b *broken) { // and brings it back
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if _, ok := b.Get(c.UserID); !ok {
					_, _ = b.MemoryStore.CreateUser(ctx, adsync.Change{Op: adsync.OpCreate, After: c.After})
				}
				return err
			}
		}},
		{"UpdateUser must answer ErrAlready", func(b *broken) { // and touches another row
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					b.everyOther(c.UserID, func(u *adsync.User) { u.Phone = "0" })
				}
				return err
			}
		}},
		{"UpdateUser must let a key pass to another row", func(b *broken) { // but only says so
			given := map[string]bool{}
			b.update = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				if given[c.After.Email] && c.After.Email != c.Before.Email {
					return nil
				}
				if c.Before.Email != c.After.Email && c.Before.Email != "" {
					given[c.Before.Email] = true
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must be atomic", func(b *broken) { // writes none of several
			b.update = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				if p := c.After.Phone; p < "770" || p > "773" {
					return b.MemoryStore.UpdateUser(ctx, c)
				}
				if c.After.Phone == "770" {
					return nil
				}
				return adsync.ErrStale
			}
		}},
		{"UpdateUser must let several users be without an email", func(b *broken) { // but only says so
			b.rewrite(func(before, after *adsync.User) {
				if after.Email == "" {
					after.Email = before.Email
				}
			})
		}},
		{"UpdateUser must refuse a row that is not as Before says", func(b *broken) { // by a collation that ignores case
			b.update = func(ctx context.Context, c adsync.Change) error {
				if now, ok := b.Get(c.UserID); ok && now.Username != c.Before.Username && strings.EqualFold(now.Username, c.Before.Username) {
					return b.force(ctx, c)
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{`UpdateUser must take "" and StatusActive for the same`, func(b *broken) { // but for what is there already
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) && c.After.Status == "" {
					return adsync.ErrStale
				}
				return err
			}
		}},
	})
}
