package adsynctest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/go-adsync/adsync"
)

// ended is a context that has ended.
func (b *bench) ended() context.Context {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	return ctx
}

// fails wants an error of a write that comes too late, and no verdict: it would
// not be true.
func (b *bench) fails(c adsync.Change) error {
	err := b.write(b.ended(), c).Err
	if err == nil {
		return errors.New("it succeeded")
	}
	return cmp.Or(untrue(err), b.sees(b.rows))
}

func (b *bench) checkUpdateContext() error {
	after := b.touched(b.rows[ada], "777")
	return b.fails(change(adsync.OpUpdate, &b.rows[ada], &after))
}

func (b *bench) checkDeleteContext() error {
	return b.fails(change(adsync.OpDelete, &b.rows[bob], nil))
}

func (b *bench) checkCreateContext() error {
	if !b.creates() {
		return nil
	}
	u := b.newcomer(0)
	return b.fails(change(adsync.OpCreate, nil, &u))
}

// waning is a context that ends when it is looked at for so many times, which is
// somewhere within a write.
type waning struct {
	context.Context
	cancel context.CancelFunc
	looks  atomic.Int64 // that are left
}

// moments are after how many looks a context ends, from none to more than most take.
var moments = []int64{0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 512}

func (b *bench) waning(looks int64) *waning {
	w := &waning{}
	w.Context, w.cancel = context.WithCancel(b.ctx)
	w.looks.Store(looks)
	return w
}

func (w *waning) look() {
	if w.looks.Add(-1) < 0 {
		w.cancel()
	}
}

func (w *waning) Done() <-chan struct{} { w.look(); return w.Context.Done() }
func (w *waning) Err() error            { w.look(); return w.Context.Err() }

// checkCutShort updates one user and adds others.
func (b *bench) checkCutShort() error {
	then := b.rows
	for i, looks := range moments {
		before := then[slices.IndexFunc(then, func(u adsync.User) bool { return u.ID == b.rows[ada].ID })]
		after, fresh := b.touched(before, fmt.Sprint("78", i)), b.newcomer(1+i)
		cs := []adsync.Change{change(adsync.OpUpdate, &before, &after)}
		if b.creates() {
			cs = append(cs, change(adsync.OpCreate, nil, &fresh))
		}
		for _, c := range cs {
			ctx := b.waning(looks)
			w := b.write(ctx, c)
			ctx.cancel()
			var err error
			if then, err = b.settled(then, []adsync.Change{c}, []adsync.Written{w}); err != nil {
				return fmt.Errorf("the %s whose context ended when it was looked at for the %d. time: %w", c.Op, looks+1, err)
			}
		}
	}
	return nil
}

// checkBatchCutShort updates, deletes and adds.
func (b *bench) checkBatchCutShort() error {
	store, ok := b.store.(adsync.BatchStore)
	if !ok {
		return nil
	}
	then := b.rows
	for i, looks := range moments {
		then = slices.SortedFunc(slices.Values(then), func(x, y adsync.User) int { return x.ObjectID.Compare(y.ObjectID) })
		own := slices.DeleteFunc(slices.Clone(then), func(u adsync.User) bool { return u.ObjectID.Compare(checkID(1000)) < 0 })
		cs := []adsync.Change{change(adsync.OpDelete, &own[0], nil)}
		for j := range own[1:] {
			after := b.touched(own[1+j], fmt.Sprint("79", i, "-", j))
			cs = append(cs, change(adsync.OpUpdate, &own[1+j], &after))
		}
		if fresh := b.newcomer(1 + i); b.creates() {
			cs = append(cs, change(adsync.OpCreate, nil, &fresh))
		}
		ctx := b.waning(looks)
		out := store.ApplyChanges(ctx, cs)
		ctx.cancel()
		if len(out) != len(cs) {
			return fmt.Errorf("it returned %d for %d changes", len(out), len(cs))
		}
		var err error
		if then, err = b.settled(then, cs, out); err != nil {
			return fmt.Errorf("with a context that ended when it was looked at for the %d. time: %w", looks+1, err)
		}
	}
	return nil
}

// settled holds the table to what the writes have answered, and returns what it is
// now. The table was as planned, so that no verdict on a row can be true.
func (b *bench) settled(then table, cs []adsync.Change, out []adsync.Written) (table, error) {
	listed, err := b.list()
	if err != nil {
		return nil, err
	}
	for i, c := range cs {
		if err := untrue(out[i].Err); err != nil {
			return nil, err
		}
		written := out[i].Err == nil || errors.Is(out[i].Err, adsync.ErrUnknown) && b.wasWritten(listed, c)
		if !written {
			continue
		}
		if c.Before != nil {
			then = then.without(*c.Before)
		}
		if c.After != nil {
			u := *c.After
			u.ID = cmp.Or(c.UserID, out[i].UserID, idOf(listed, u.ObjectID))
			then = append(then, u)
		}
	}
	return then, b.sees(then)
}

// wasWritten tells what the store could not.
func (b *bench) wasWritten(listed table, c adsync.Change) bool {
	at := slices.IndexFunc(listed, func(u adsync.User) bool { return u.ObjectID == c.ObjectID })
	if at < 0 || c.After == nil {
		return (at < 0) == (c.After == nil)
	}
	return b.differs(*c.After, listed[at]) == ""
}

func idOf(listed table, id adsync.ObjectID) string {
	if at := slices.IndexFunc(listed, func(u adsync.User) bool { return u.ObjectID == id }); at >= 0 {
		return listed[at].ID
	}
	return ""
}

// checkChangeKept wants writes of all kinds to leave their arguments alone.
func (b *bench) checkChangeKept() error {
	changed, created := b.touched(b.rows[ada], "777"), b.newcomer(0)
	cs := []adsync.Change{change(adsync.OpUpdate, &b.rows[ada], &changed), change(adsync.OpDelete, &b.rows[bob], nil)}
	if b.creates() {
		cs = append(cs, change(adsync.OpCreate, nil, &created))
	}
	for _, c := range cs {
		before, after := *cmp.Or(c.Before, &adsync.User{}), *cmp.Or(c.After, &adsync.User{})
		if err := answeredAs(b.write(b.ctx, c).Err, nil); err != nil {
			return err
		}
		if before != *cmp.Or(c.Before, &adsync.User{}) || after != *cmp.Or(c.After, &adsync.User{}) {
			return fmt.Errorf("the %s altered its Before or After", c.Op)
		}
	}
	return nil
}
