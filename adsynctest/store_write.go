package adsynctest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-adsync/adsync"
)

func change(op adsync.Op, before, after *adsync.User) adsync.Change {
	if op == adsync.OpUpdate {
		return adsync.NewUpdate(adsync.ReasonChanged, before, after)
	}
	c := adsync.Change{Op: op, Reason: adsync.ReasonChanged, Before: before, After: after}
	if before != nil {
		c.UserID, c.ObjectID = before.ID, before.ObjectID
	}
	if after != nil {
		c.ObjectID = after.ObjectID
	}
	return c
}

func (b *bench) update(before, after adsync.User) error {
	return b.write(b.ctx, change(adsync.OpUpdate, &before, &after)).Err
}

func (b *bench) delete(before adsync.User) error {
	return b.write(b.ctx, change(adsync.OpDelete, &before, nil)).Err
}

func (b *bench) create(u adsync.User) adsync.Written {
	return b.write(b.ctx, change(adsync.OpCreate, nil, &u))
}

// creates reports whether the store can add users.
func (b *bench) creates() bool {
	_, ok := b.store.(adsync.Creator)
	return ok
}

// write does one change, by the method for it or in a batch.
func (b *bench) write(ctx context.Context, c adsync.Change) adsync.Written {
	switch {
	case b.batch != nil:
		return b.writeInBatch(ctx, c)
	case c.Op == adsync.OpUpdate:
		return adsync.Written{Err: b.store.UpdateUser(ctx, c)}
	case c.Op == adsync.OpDelete:
		return adsync.Written{Err: b.store.DeleteUser(ctx, c)}
	}
	id, err := b.store.(adsync.Creator).CreateUser(ctx, c)
	return adsync.Written{UserID: id, Err: err}
}

// writeInBatch puts a stale change of another row before it.
func (b *bench) writeInBatch(ctx context.Context, c adsync.Change) adsync.Written {
	stale := b.rows[dan]
	stale.ObjectID = checkID(0xff)
	after := b.touched(stale, "778")
	out := b.batch.ApplyChanges(ctx, []adsync.Change{change(adsync.OpUpdate, &stale, &after), c})
	switch {
	case len(out) != 2:
		return adsync.Written{Err: fmt.Errorf("it returned %d for 2 changes", len(out))}
	case c.Op != adsync.OpCreate && out[1].UserID != "" && out[1].UserID != c.UserID:
		return adsync.Written{Err: fmt.Errorf("it returned the ID %q for user %q", out[1].UserID, c.UserID)}
	}
	return out[1]
}

// answeredAs compares an error with what the duty wants.
func answeredAs(err, want error) error {
	switch {
	case want == nil && err != nil:
		return fmt.Errorf("it failed: %w", err)
	case want != nil && err == nil:
		return fmt.Errorf("it succeeded, where this was due: %w", want)
	case !errors.Is(err, want):
		return fmt.Errorf("it answered %q, where this was due: %w", err, want)
	}
	for _, other := range verdicts {
		if other != want && errors.Is(err, other) {
			return fmt.Errorf("it answered this as well, which is not so: %w", other)
		}
	}
	return nil
}

// verdicts are what a store answers besides its own errors.
var verdicts = []error{adsync.ErrAlready, adsync.ErrStale, adsync.ErrConflict, adsync.ErrUnknown, adsync.ErrNotWritten}

// untrue finds a verdict on a row that was just as planned.
func untrue(err error) error {
	for _, verdict := range []error{adsync.ErrAlready, adsync.ErrStale, adsync.ErrConflict} {
		if errors.Is(err, verdict) {
			return fmt.Errorf("it answered what is not so: %w", verdict)
		}
	}
	return nil
}

// race makes changes at once of which each refuses the others. It may miss a store
// that is not atomic, but never blames one that is.
func (b *bench) race(cs ...adsync.Change) error {
	out := make([]adsync.Written, len(cs))
	panics := make([]error, len(cs))
	var all sync.WaitGroup
	for i, c := range cs {
		c.Before, c.After = ownUser(c.Before), ownUser(c.After) // a store that writes there is found elsewhere
		all.Go(func() {
			panics[i] = panicOf(func() { out[i] = b.write(b.ctx, c) })
		})
	}
	all.Wait()
	if err := errors.Join(panics...); err != nil {
		return err
	}
	then, won := slices.Clone(b.rows), 0
	for i, c := range cs {
		if out[i].Err != nil {
			continue
		}
		won++
		then = then.without(adsync.User{ID: c.UserID})
		if c.After != nil {
			u := *c.After
			u.ID = cmp.Or(c.UserID, out[i].UserID)
			then = then.with(u)
		}
	}
	if won > 1 {
		return fmt.Errorf("%d of them succeeded; lock the row, or compare it in the statement that writes", won)
	}
	return b.sees(then)
}

func ownUser(u *adsync.User) *adsync.User {
	if u == nil {
		return nil
	}
	own := *u
	return &own
}
