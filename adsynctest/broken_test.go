package adsynctest_test

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// broken is a MemoryStore of which a test replaces one thing.
type broken struct {
	*adsync.MemoryStore
	users  func(ctx context.Context) iter.Seq2[adsync.User, error]
	update func(ctx context.Context, c adsync.Change) error
	delete func(ctx context.Context, c adsync.Change) error
	create func(ctx context.Context, c adsync.Change) (string, error)
	apply  func(ctx context.Context, cs []adsync.Change) []adsync.Written
	lock   func(ctx context.Context) (func() error, error)
	check  func(ctx context.Context) ([]string, error)
	traits *adsync.Traits
	mu     sync.Mutex // for what a function remembers: some duties write at once
}

func (b *broken) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	if b.users != nil {
		return b.users(ctx)
	}
	return b.MemoryStore.Users(ctx)
}

func (b *broken) UpdateUser(ctx context.Context, c adsync.Change) error {
	if b.update != nil {
		return b.update(ctx, c)
	}
	return b.MemoryStore.UpdateUser(ctx, c)
}

func (b *broken) DeleteUser(ctx context.Context, c adsync.Change) error {
	if b.delete != nil {
		return b.delete(ctx, c)
	}
	return b.MemoryStore.DeleteUser(ctx, c)
}

func (b *broken) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	if b.create != nil {
		return b.create(ctx, c)
	}
	return b.MemoryStore.CreateUser(ctx, c)
}

func (b *broken) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	if b.apply != nil {
		return b.apply(ctx, cs)
	}
	return b.MemoryStore.ApplyChanges(ctx, cs)
}

func (b *broken) Lock(ctx context.Context, _ string) (func() error, error) {
	if b.lock != nil {
		return b.lock(ctx)
	}
	return func() error { return nil }, nil
}

func (b *broken) Check(ctx context.Context) ([]string, error) {
	if b.check != nil {
		return b.check(ctx)
	}
	return nil, ctx.Err()
}

func (b *broken) Traits() adsync.Traits {
	if b.traits != nil {
		return *b.traits
	}
	return b.MemoryStore.Traits()
}

// force writes without asking Guard: it makes the change one that Guard allows.
func (b *broken) force(ctx context.Context, c adsync.Change) error {
	write := b.MemoryStore.UpdateUser
	if c.Op == adsync.OpDelete {
		write = b.MemoryStore.DeleteUser
	}
	for {
		now, ok := b.Get(c.UserID)
		if !ok {
			return adsync.ErrAlready
		}
		c.Before = &now
		if err := write(ctx, c); !errors.Is(err, adsync.ErrStale) { // that is, if nobody was faster
			return err
		}
	}
}

// applied writes a batch by the function, which is given updates and deletions.
func (b *broken) applied(write func(ctx context.Context, c adsync.Change) error) func(context.Context, []adsync.Change) []adsync.Written {
	return func(ctx context.Context, cs []adsync.Change) []adsync.Written {
		out := make([]adsync.Written, len(cs))
		for i, c := range cs {
			if c.Op == adsync.OpCreate {
				out[i] = b.MemoryStore.ApplyChanges(ctx, cs[i:i+1])[0]
				continue
			}
			out[i].Err = write(ctx, c)
		}
		return out
	}
}

// hiding writes a batch, and tells one kind of failure as a success.
func (b *broken) hiding(op adsync.Op, verdict error) func(context.Context, []adsync.Change) []adsync.Written {
	return func(ctx context.Context, cs []adsync.Change) []adsync.Written {
		out := b.MemoryStore.ApplyChanges(ctx, cs)
		for i, c := range cs {
			if c.Op == op && errors.Is(out[i].Err, verdict) {
				out[i].Err = nil
			}
		}
		return out
	}
}

// brokenCase breaks a good store in one way, and the check must name the duty.
type brokenCase struct {
	duty string // how its sentence begins
	harm func(b *broken)
}

func testBroken(t *testing.T, cases []brokenCase) {
	for _, test := range cases {
		t.Run(test.duty, func(t *testing.T) {
			t.Parallel()
			// In a bubble time stands still while anybody works, so a busy machine changes
			// nothing, and what waits in vain waits no time.
			synctest.Test(t, func(t *testing.T) {
				require.ErrorContains(t, checkBroken(t.Context(), test.harm), "adsync: "+test.duty)
			})
		})
	}
}

func checkBroken(ctx context.Context, harm func(b *broken)) error {
	return adsynctest.CheckStore(ctx, func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		b := &broken{MemoryStore: adsync.NewMemoryStore(seed...)}
		b.lock = make(mutex, 1).lock
		harm(b)
		return b, nil
	})
}

func keysOf(seq iter.Seq2[adsync.User, error]) iter.Seq[adsync.User] {
	return func(yield func(adsync.User) bool) {
		for u := range seq {
			if !yield(u) {
				return
			}
		}
	}
}

func (b *broken) without(hidden func(adsync.User) bool) func(context.Context) iter.Seq2[adsync.User, error] {
	return func(ctx context.Context) iter.Seq2[adsync.User, error] {
		return func(yield func(adsync.User, error) bool) {
			for u, err := range b.MemoryStore.Users(ctx) {
				if !hidden(u) && !yield(u, err) {
					return
				}
			}
		}
	}
}

func (b *broken) altered(alter func(*adsync.User)) func(context.Context) iter.Seq2[adsync.User, error] {
	return func(ctx context.Context) iter.Seq2[adsync.User, error] {
		return func(yield func(adsync.User, error) bool) {
			for u, err := range b.MemoryStore.Users(ctx) {
				alter(&u)
				if !yield(u, err) {
					return
				}
			}
		}
	}
}

func (b *broken) changed(alter func(after *adsync.User)) func(context.Context, adsync.Change) error {
	return func(ctx context.Context, c adsync.Change) error {
		after := *c.After
		alter(&after)
		c.After = &after
		return b.MemoryStore.UpdateUser(ctx, c)
	}
}

// rewrite, rewriteCreations and rewriteBatches change what is written. Of a creation,
// before is empty.
func (b *broken) rewrite(alter func(before, after *adsync.User)) {
	b.update = func(ctx context.Context, c adsync.Change) error {
		return b.MemoryStore.UpdateUser(ctx, rewritten(c, alter))
	}
}

func (b *broken) rewriteCreations(alter func(before, after *adsync.User)) {
	b.create = func(ctx context.Context, c adsync.Change) (string, error) {
		return b.MemoryStore.CreateUser(ctx, rewritten(c, alter))
	}
}

func (b *broken) rewriteBatches(alter func(before, after *adsync.User)) {
	b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
		own := slices.Clone(cs)
		for i := range own {
			own[i] = rewritten(own[i], alter)
		}
		return b.MemoryStore.ApplyChanges(ctx, own)
	}
}

func rewritten(c adsync.Change, alter func(before, after *adsync.User)) adsync.Change {
	if c.After == nil {
		return c
	}
	after := *c.After
	alter(cmp.Or(c.Before, &adsync.User{}), &after)
	c.After = &after
	return c
}

// everyOther changes all rows but one.
func (b *broken) everyOther(id string, alter func(*adsync.User)) {
	for u := range b.MemoryStore.Users(context.Background()) {
		after := u
		if alter(&after); u.ID != id {
			_ = b.MemoryStore.UpdateUser(context.Background(), adsync.NewUpdate(adsync.ReasonChanged, &u, &after))
		}
	}
}
