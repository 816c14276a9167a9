package adsynctest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func rolesOf(u *adsync.User) []string { return u.Extra.Set(adsync.FieldRoles) }

func setRoles(u *adsync.User, roles ...string) {
	u.Extra = u.Extra.With(adsync.FieldRoles, roles...)
}

// regardless is the change as if Before had the details beyond the five, and the roles, that
// the row has now.
func (b *broken) regardless(c adsync.Change) adsync.Change {
	now, ok := b.Get(c.UserID)
	if ok && c.Before != nil {
		before := *c.Before
		before.Extra = now.Extra
		c.Before = &before
	}
	return c
}

func TestCheckStore_Roles(t *testing.T) {
	testBroken(t, []brokenCase{
		{"UpdateUser must give and take the roles", func(b *broken) { // gives none
			b.rewrite(func(before, after *adsync.User) { setRoles(after, rolesOf(before)...) })
		}},
		{"UpdateUser must give and take the roles", func(b *broken) { // takes none
			b.rewrite(func(before, after *adsync.User) { setRoles(after, append(rolesOf(before), rolesOf(after)...)...) })
		}},
		{"UpdateUser must give and take the roles", func(b *broken) { // one for each user
			b.rewrite(func(_, after *adsync.User) { setRoles(after, rolesOf(after)[:min(1, len(rolesOf(after)))]...) })
		}},
		{"UpdateUser must give and take the roles", func(b *broken) { // or the rest of the change
			b.rewrite(func(before, after *adsync.User) {
				if !slices.Equal(rolesOf(before), rolesOf(after)) {
					after.Phone = before.Phone
				}
			})
		}},
		{"UpdateUser must give and take the roles", func(b *broken) { // takes them from everybody
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if err == nil && len(rolesOf(c.Before)) > len(rolesOf(c.After)) {
					b.everyOther(c.UserID, func(u *adsync.User) { setRoles(u) })
				}
				return err
			}
		}},
		{"ApplyChanges must do as the single writes: UpdateUser must give and take the roles", func(b *broken) {
			b.rewriteBatches(func(before, after *adsync.User) { setRoles(after, rolesOf(before)...) })
		}},
		{"UpdateUser must refuse a row whose roles", func(b *broken) { // compares all but the roles
			b.update = func(ctx context.Context, c adsync.Change) error {
				return b.MemoryStore.UpdateUser(ctx, b.regardless(c))
			}
		}},
		{"UpdateUser must refuse a row whose roles", func(b *broken) { // does not see that they are written
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) && len(rolesOf(c.After)) > 0 {
					err = adsync.ErrStale
				}
				return err
			}
		}},
		{"UpdateUser must neither give nor take a role", func(b *broken) { // writes them first
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					roles := *c.Before
					setRoles(&roles, rolesOf(c.After)...)
					_ = b.MemoryStore.UpdateUser(ctx, adsync.NewUpdate(adsync.ReasonChanged, c.Before, &roles))
				}
				return err
			}
		}},
		{"UpdateUser must be atomic in roles", func(b *broken) { // says that all were written
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrStale) && !slices.Equal(rolesOf(c.Before), rolesOf(c.After)) {
					return nil
				}
				return err
			}
		}},
		{"UpdateUser must leave a role that the host itself gave", func(b *broken) { // makes it its own
			b.rewrite(func(_, after *adsync.User) { after.Extra = after.Extra.With(adsync.FieldHostRoles) })
		}},
		{"UpdateUser must leave a role that the host itself gave", func(b *broken) { // takes it
			b.rewrite(func(_, after *adsync.User) {
				hosts := after.Extra.Set(adsync.FieldHostRoles)
				setRoles(after, slices.DeleteFunc(rolesOf(after), func(role string) bool { return slices.Contains(hosts, role) })...)
			})
		}},
		{"UpdateUser must leave a role that the host itself gave", func(b *broken) { // tells it apart from the others
			b.users = b.altered(func(u *adsync.User) {
				if len(u.Extra.Set(adsync.FieldHostRoles)) > 0 {
					setRoles(u)
				}
			})
		}},
		{"DeleteUser must refuse a row whose roles", func(b *broken) {
			b.delete = func(ctx context.Context, c adsync.Change) error {
				return b.MemoryStore.DeleteUser(ctx, b.regardless(c))
			}
		}},
		{"DeleteUser must take the roles away", func(b *broken) { // a reference is in the way
			b.delete = func(ctx context.Context, c adsync.Change) error {
				if err := c.Guard(c.Before); err == nil && len(rolesOf(c.Before)) > 0 {
					if now, ok := b.Get(c.UserID); ok && now.Same(*c.Before) {
						return errors.New("a row of another table refers to the user")
					}
				}
				return b.MemoryStore.DeleteUser(ctx, c)
			}
		}},
		{"DeleteUser must take the roles away", func(b *broken) { // leaves them to the next user
			var left []string
			b.delete = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.DeleteUser(ctx, c)
				if err == nil {
					b.mu.Lock()
					left = rolesOf(c.Before)
					b.mu.Unlock()
				}
				return err
			}
			b.rewriteCreations(func(_, after *adsync.User) {
				b.mu.Lock()
				defer b.mu.Unlock()
				setRoles(after, append(rolesOf(after), left...)...)
			})
		}},
		{"CreateUser must give a new user the roles", func(b *broken) {
			b.rewriteCreations(func(_, after *adsync.User) { setRoles(after) })
		}},
		{"Traits must name", func(b *broken) {
			b.traits = &adsync.Traits{Roles: []string{"admin", "admin"}}
		}},
	})
}

// Stores of one role, of none, and of those that they name, are proven on what they have.
func TestCheckStore_FitsTheRolesOfAStore(t *testing.T) {
	for _, roles := range [][]string{nil, {"admin"}, {"admin", "editor", "reader"}} {
		given := map[string]bool{}
		require.NoError(t, checkBroken(t.Context(), func(b *broken) {
			traits := b.MemoryStore.Traits()
			traits.Roles = roles
			b.traits = &traits
			b.update = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				for _, role := range rolesOf(c.After) {
					given[role] = true
				}
				b.mu.Unlock()
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}), roles)
		assert.Len(t, given, min(2, len(roles)))
		for role := range given {
			assert.Contains(t, roles, role)
		}
	}
}

// A store that does not know whose a role is, or whose host opens it without, is not held to
// it.
func TestCheckStore_AsksNoHostRolesOfAStoreWithoutThem(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		for i := range seed {
			seed[i].Extra = adsync.Extra{}
		}
		return adsync.NewMemoryStore(seed...), nil
	}))
}
