package adsynctest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func TestCheckStore_Checks(t *testing.T) {
	const tells = "Check must tell what is amiss with the table"
	testBroken(t, []brokenCase{
		{tells, func(b *broken) { // says nothing
			b.check = func(context.Context) ([]string, error) { return []string{"add an index", " "}, nil }
		}},
		{tells, func(b *broken) { // not valid UTF-8
			b.check = func(context.Context) ([]string, error) { return []string{"add\xff"}, nil }
		}},
		{tells, func(b *broken) { // several lines
			b.check = func(context.Context) ([]string, error) { return []string{"add\nan index"}, nil }
		}},
		{tells, func(b *broken) { // fails where nothing is amiss
			b.check = func(context.Context) ([]string, error) { return nil, errors.New("no") }
		}},
		{tells, func(b *broken) { // counts how often it was asked
			asked := ""
			b.check = func(context.Context) ([]string, error) { asked += "again "; return []string{asked}, nil }
		}},
		{tells, func(b *broken) { // fails the second time
			asked := false
			b.check = func(context.Context) ([]string, error) {
				if asked {
					return nil, errors.New("asked already")
				}
				asked = true
				return nil, nil
			}
		}},
		{tells, func(b *broken) { // tries a write
			b.check = func(ctx context.Context) ([]string, error) {
				for u := range b.MemoryStore.Users(ctx) {
					after := u
					after.FirstName = "tried"
					_ = b.MemoryStore.UpdateUser(ctx, adsync.NewUpdate(adsync.ReasonChanged, &u, &after))
					break
				}
				return nil, nil
			}
		}},
		{"Check must fail when the context has ended", func(b *broken) {
			b.check = func(context.Context) ([]string, error) { return []string{"add an index"}, nil }
		}},
	})
}

func TestCheckStore_PassesAStoreThatWarns(t *testing.T) {
	open := func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		return &broken{MemoryStore: adsync.NewMemoryStore(seed...), lock: make(mutex, 1).lock, check: func(ctx context.Context) ([]string, error) {
			return []string{"the column email has no unique index; add one"}, ctx.Err()
		}}, nil
	}
	require.NoError(t, adsynctest.CheckStore(t.Context(), open))
}
