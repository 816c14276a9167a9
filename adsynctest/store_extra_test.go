package adsynctest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// fiveOnly is a store that does not write what is beyond the five.
type fiveOnly struct{ *adsync.MemoryStore }

func (s fiveOnly) UpdateUser(ctx context.Context, c adsync.Change) error {
	if c.After != nil {
		after := *c.After
		after.Extra = adsync.Extra{}
		c.After = &after
	}
	return s.MemoryStore.UpdateUser(ctx, c)
}

// fiveAtFirst is a store that does so when it adds a user.
type fiveAtFirst struct{ *adsync.MemoryStore }

func (s fiveAtFirst) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	return s.MemoryStore.CreateUser(ctx, rewritten(c, func(_, after *adsync.User) { after.Extra = adsync.Extra{} }))
}

// hasty is a store that removes users whatever is beyond the five.
type hasty struct{ *adsync.MemoryStore }

func (s hasty) DeleteUser(ctx context.Context, c adsync.Change) error {
	return s.MemoryStore.DeleteUser(ctx, (&broken{MemoryStore: s.MemoryStore}).regardless(c))
}

// boastful is a store that calls a field a set which it does not hold.
type boastful struct{ *adsync.MemoryStore }

func (s boastful) Traits() adsync.Traits { return adsync.Traits{Sets: []adsync.Field{"languages"}} }

func TestCheckStore_OfFurtherDetails(t *testing.T) {
	open := func(wrap func(*adsync.MemoryStore) adsync.UserStore) func(context.Context, []adsync.User) (adsync.UserStore, error) {
		return func(_ context.Context, users []adsync.User) (adsync.UserStore, error) {
			return wrap(adsync.NewMemoryStore(users...).Hold("department", "languages")), nil
		}
	}
	require.NoError(t, adsynctest.CheckStore(t.Context(), open(func(s *adsync.MemoryStore) adsync.UserStore { return s })))
	err := adsynctest.CheckStore(t.Context(), open(func(s *adsync.MemoryStore) adsync.UserStore { return fiveOnly{s} }))
	assert.ErrorContains(t, err, "UpdateUser must write and clear each detail beyond the five")
	err = adsynctest.CheckStore(t.Context(), open(func(s *adsync.MemoryStore) adsync.UserStore { return fiveAtFirst{s} }))
	assert.ErrorContains(t, err, "CreateUser must add a row that equals After")
	err = adsynctest.CheckStore(t.Context(), open(func(s *adsync.MemoryStore) adsync.UserStore { return hasty{s} }))
	assert.ErrorContains(t, err, "DeleteUser must refuse a row that is not as Before says")
	err = adsynctest.CheckStore(t.Context(), open(func(s *adsync.MemoryStore) adsync.UserStore { return boastful{s} }))
	assert.ErrorContains(t, err, "Traits must name")
}
