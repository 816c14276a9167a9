package adsynctest_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// seeding is a store that seeds itself.
type seeding struct {
	*adsync.MemoryStore
	seed func(s *seeding, users []adsync.User) error
}

func (s *seeding) Seed(_ context.Context, users []adsync.User) error { return s.seed(s, users) }

// fill adds each user as the store would hold it.
func fill(as func(adsync.User) adsync.User) func(*seeding, []adsync.User) error {
	return func(s *seeding, users []adsync.User) error {
		for i := range users {
			users[i] = as(users[i])
		}
		s.MemoryStore = adsync.NewMemoryStore(users...)
		return nil
	}
}

func same(u adsync.User) adsync.User { return u }

func checkSeeding(t *testing.T, seed func(*seeding, []adsync.User) error, rules ...adsync.Rules) error {
	t.Helper()
	return adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) {
		return &seeding{adsync.NewMemoryStore(), seed}, nil
	}, rules...)
}

func TestCheckStore_LetsAnEmptyStoreSeedItself(t *testing.T) {
	require.NoError(t, checkSeeding(t, fill(same)))
	boom := errors.New("boom")
	require.ErrorIs(t, checkSeeding(t, func(*seeding, []adsync.User) error { return boom }), boom)
	require.ErrorContains(t, checkSeeding(t, func(*seeding, []adsync.User) error { panic(boom) }), "Seed: it panicked")
	require.ErrorContains(t, checkSeeding(t, func(*seeding, []adsync.User) error { return nil }), "row 1 of the seed is missing")
	shorter := func(u adsync.User) adsync.User {
		u.LastName = "M"
		return u
	}
	require.ErrorContains(t, checkSeeding(t, fill(shorter)), "another last_name", "seeding is no proof of itself")
}

// One that holds the seed already is not seeded again.
func TestCheckStore_LeavesAFilledStoreAlone(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		return &seeding{adsync.NewMemoryStore(seed...), func(*seeding, []adsync.User) error { return errors.New("seeded again") }}, nil
	}))
}

// demanding refuses every user without an email.
type demanding struct{ *seeding }

func refuseWithout(u *adsync.User) error {
	if u != nil && u.Email == "" {
		return errors.New("a user needs an email")
	}
	return nil
}

func (d demanding) UpdateUser(ctx context.Context, c adsync.Change) error {
	if err := refuseWithout(c.After); err != nil {
		return err
	}
	return d.MemoryStore.UpdateUser(ctx, c)
}

func (d demanding) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	if err := refuseWithout(c.After); err != nil {
		return "", err
	}
	return d.MemoryStore.CreateUser(ctx, c)
}

func (d demanding) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	out := make([]adsync.Written, len(cs))
	for i, c := range cs {
		if out[i].Err = refuseWithout(c.After); out[i].Err == nil {
			out[i] = d.MemoryStore.ApplyChanges(ctx, cs[i:i+1])[0]
		}
	}
	return out
}

// What the rules require is never left out, and a store that cannot do without it passes.
func TestCheckStore_HeedsRequire(t *testing.T) {
	seed := func(s *seeding, users []adsync.User) error {
		for i := range users {
			if err := refuseWithout(&users[i]); err != nil {
				return err
			}
		}
		return fill(same)(s, users)
	}
	check := func(rules ...adsync.Rules) error {
		return adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) {
			return demanding{&seeding{adsync.NewMemoryStore(), seed}}, nil
		}, rules...)
	}
	require.NoError(t, check(adsync.Rules{Require: []adsync.Field{adsync.FieldEmail}}))
	require.ErrorContains(t, check(), "a user needs an email")
}

// sharing lets users have one email, as a MemoryStore does not: it keeps emails as
// phones, and phones not at all.
type sharing struct{ *adsync.MemoryStore }

func emailAsPhone(u *adsync.User) *adsync.User {
	if u == nil {
		return nil
	}
	kept := *u
	kept.Phone, kept.Email = u.Email, ""
	return &kept
}

func (s sharing) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldStatus}}
}

func (s sharing) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for u, err := range s.MemoryStore.Users(ctx) {
			u.Email, u.Phone = u.Phone, ""
			if !yield(u, err) {
				return
			}
		}
	}
}

func kept(c adsync.Change) adsync.Change {
	c.Before, c.After = emailAsPhone(c.Before), emailAsPhone(c.After)
	return c
}

func (s sharing) UpdateUser(ctx context.Context, c adsync.Change) error {
	return s.MemoryStore.UpdateUser(ctx, kept(c))
}

func (s sharing) DeleteUser(ctx context.Context, c adsync.Change) error {
	return s.MemoryStore.DeleteUser(ctx, kept(c))
}

func (s sharing) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	return s.MemoryStore.CreateUser(ctx, kept(c))
}

func (s sharing) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	all := make([]adsync.Change, len(cs))
	for i := range cs {
		all[i] = kept(cs[i])
	}
	return s.MemoryStore.ApplyChanges(ctx, all)
}

// Emails are a key unless the rules say otherwise, and then they must be free.
func TestCheckStore_HeedsKeys(t *testing.T) {
	usernames := adsync.Rules{Keys: []adsync.Field{adsync.FieldUsername}}
	check := func(rules ...adsync.Rules) error {
		return adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
			for i := range seed {
				seed[i] = *emailAsPhone(&seed[i])
			}
			return sharing{adsync.NewMemoryStore(seed...)}, nil
		}, rules...)
	}
	require.NoError(t, check(usernames))
	require.ErrorContains(t, check(), "with the email of another row")
	require.ErrorContains(t, checkSeeding(t, fill(same), usernames), "UpdateUser must let users share an email")
}
