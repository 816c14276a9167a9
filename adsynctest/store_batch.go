package adsynctest

import (
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// apply runs a batch, and refuses an answer of the wrong length.
func (b *bench) apply(store adsync.BatchStore, cs ...adsync.Change) ([]adsync.Written, error) {
	out := store.ApplyChanges(b.ctx, cs)
	if len(out) != len(cs) {
		return nil, fmt.Errorf("it returned %d for %d changes", len(out), len(cs))
	}
	return out, nil
}

func (b *bench) checkBatchOrder() error {
	store, ok := b.store.(adsync.BatchStore)
	if !ok {
		return nil
	}
	if _, err := b.apply(store); err != nil {
		return err
	}
	stale := b.touched(b.rows[bob], "776")
	first, second := b.touched(b.rows[ada], "777"), b.touched(stale, "778")
	out, err := b.apply(store, change(adsync.OpUpdate, &b.rows[ada], &first), change(adsync.OpUpdate, &stale, &second), change(adsync.OpDelete, &b.rows[dan], nil))
	if err != nil {
		return err
	}
	for i, want := range []error{nil, adsync.ErrStale, nil} {
		if err := answeredAs(out[i].Err, want); err != nil {
			return fmt.Errorf("for change %d of 3, %w", i+1, err)
		}
	}
	return b.sees(b.rows.with(first).without(b.rows[dan]))
}

// badBatch has changes that fail in each way among others that are fine. It
// returns what is due for each, and the rows that are there then.
func (b *bench) badBatch() (cs []adsync.Change, due []error, then table) {
	stale := b.touched(b.rows[bob], "776")
	first, second, fourth := b.touched(b.rows[ada], "777"), b.touched(stale, "778"), b.touched(b.rows[cleo], "779")
	gone := b.rows[dan]
	cs = []adsync.Change{change(adsync.OpUpdate, &b.rows[ada], &first), change(adsync.OpUpdate, &stale, &second), change(adsync.OpDelete, &stale, nil)}
	due = []error{nil, adsync.ErrStale, adsync.ErrStale}
	clash := b.rows[bob]
	for _, f := range b.keys() {
		clash = b.after(clash, f, b.rows[ada].Get(f))
	}
	if clash != b.rows[bob] && sameKeys(first, b.rows[ada]) {
		cs, due = append(cs, change(adsync.OpUpdate, &b.rows[bob], &clash)), append(due, adsync.ErrConflict)
	}
	cs = append(cs, change(adsync.OpDelete, &gone, nil), change(adsync.OpUpdate, &b.rows[cleo], &fourth))
	return cs, append(due, nil, nil), b.rows.with(first, fourth).without(gone)
}

func sameKeys(a, b adsync.User) bool { return a.Username == b.Username && a.Email == b.Email }

func (b *bench) checkBatchIsolation() error {
	store, ok := b.store.(adsync.BatchStore)
	if !ok {
		return nil
	}
	cs, _, then := b.badBatch()
	if _, err := b.apply(store, cs...); err != nil {
		return err
	}
	return b.sees(then)
}

func (b *bench) checkBatchVerdicts() error {
	store, ok := b.store.(adsync.BatchStore)
	if !ok {
		return nil
	}
	cs, due, then := b.badBatch()
	out, err := b.apply(store, cs...)
	if err != nil {
		return err
	}
	for i, want := range due {
		if err := answeredAs(out[i].Err, want); err != nil {
			return fmt.Errorf("for change %d of %d, %w", i+1, len(cs), err)
		}
	}
	out, err = b.apply(store, cs...)
	if err != nil {
		return err
	}
	for i, want := range due {
		if want == nil {
			want = adsync.ErrAlready
		}
		if err := answeredAs(out[i].Err, want); err != nil {
			return fmt.Errorf("for change %d of %d, tried again, %w", i+1, len(cs), err)
		}
	}
	return b.sees(then)
}

// checkBatchCreate adds users among others that fail, twice.
func (b *bench) checkBatchCreate() error {
	store, ok := b.store.(adsync.BatchStore)
	if !ok || !b.creates() {
		return nil
	}
	fresh, linked, bare, changed := b.newcomer(0), b.newcomer(1), b.newcomer(2), b.touched(b.rows[cleo], "777")
	linked.ObjectID = b.rows[ada].ObjectID
	cs := []adsync.Change{change(adsync.OpCreate, nil, &fresh), change(adsync.OpUpdate, &b.rows[cleo], &changed), change(adsync.OpCreate, nil, &linked), change(adsync.OpCreate, nil, &bare)}
	due := []error{nil, nil, adsync.ErrAlready, nil}
	if b.holds(adsync.FieldUsername) {
		clash := b.after(b.newcomer(3), adsync.FieldUsername, b.rows[bob].Username)
		cs, due = slices.Insert(cs, 1, change(adsync.OpCreate, nil, &clash)), slices.Insert(due, 1, adsync.ErrConflict)
	}
	first, last := fresh, bare
	for _, try := range []string{"", ", tried again"} {
		out, err := b.apply(store, cs...)
		if err != nil {
			return err
		}
		for i, want := range due {
			if err := answeredAs(out[i].Err, want); err != nil {
				return fmt.Errorf("for change %d of %d%s, %w", i+1, len(cs), try, err)
			}
			if want == nil {
				due[i] = adsync.ErrAlready
			}
		}
		if try == "" {
			first.ID, last.ID = out[0].UserID, out[len(out)-1].UserID
		}
		if err := b.sees(b.rows.with(changed, first, last)); err != nil {
			return err
		}
	}
	return nil
}

// The batches that show whether a store forgets the rest: as many changes as a sync
// gives at once, where nothing else is set, and as many new users as it is best given.
const (
	bigBatch   = 500
	bigImport  = 5000
	smallBatch = 40
)

// checkBigBatch updates and deletes most of a larger table at once.
func (b *bench) checkBigBatch() error {
	store, ok := b.store.(adsync.BatchStore)
	if !ok {
		return nil
	}
	var cs []adsync.Change
	var deleted, updated table
	for i, before := range b.rows[eve+1:][:bigBatch] {
		if i%5 == 4 {
			cs, deleted = append(cs, change(adsync.OpDelete, &before, nil)), append(deleted, before)
			continue
		}
		after := b.touched(before, fmt.Sprint("7", i))
		if b.holds(adsync.FieldStatus) && isActive(&after) && i%8 == 0 {
			after = b.turned(after, b.off)
		}
		cs, updated = append(cs, change(adsync.OpUpdate, &before, &after)), append(updated, after)
	}
	out, err := b.apply(store, cs...)
	if err != nil {
		return err
	}
	for i := range cs {
		if err := answeredAs(out[i].Err, nil); err != nil {
			return fmt.Errorf("for change %d of %d, %w", i+1, len(cs), err)
		}
	}
	return b.sees(b.rows.with(updated...).without(deleted...))
}

// checkCreatesAtOnce has a user in the middle who is there already.
func (b *bench) checkCreatesAtOnce() error {
	store, ok := b.store.(adsync.BatchStore)
	if !ok || !b.creates() {
		return nil
	}
	users := make([]adsync.User, max(bigImport, traitsOf(b.store).CreatesAtOnce))
	there := len(users) / 2
	cs := make([]adsync.Change, len(users))
	for i := range users {
		users[i] = b.newcomer(i + 1)
		if i%2 == 0 && b.holds(adsync.FieldEmail) {
			users[i] = b.after(users[i], adsync.FieldEmail, fmt.Sprintf("check.new%d@adsync.invalid", i))
		}
		if i == there {
			users[i].ObjectID, users[i].Source = b.rows[ada].ObjectID, b.rows[ada].Source
		}
		cs[i] = change(adsync.OpCreate, nil, &users[i])
	}
	out, err := b.apply(store, cs...)
	if err != nil {
		return err
	}
	for i, w := range out {
		want := error(nil)
		if i == there {
			want = adsync.ErrAlready
		}
		if err := answeredAs(w.Err, want); err != nil {
			return fmt.Errorf("for change %d of %d, %w", i+1, len(cs), err)
		}
		if users[i].ID = w.UserID; i == there && w.UserID != "" && w.UserID != b.rows[ada].ID {
			return fmt.Errorf("it returned the ID %q, where the row that is there has %q", w.UserID, b.rows[ada].ID)
		}
	}
	return b.sees(append(slices.Clone(b.rows), slices.Delete(users, there, there+1)...))
}
