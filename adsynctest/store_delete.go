package adsynctest

import (
	"cmp"
	"fmt"

	"github.com/go-adsync/adsync"
)

func (b *bench) checkDelete() error {
	if err := answeredAs(b.delete(b.rows[bob]), nil); err != nil {
		return err
	}
	return b.sees(b.rows.without(b.rows[bob]))
}

func (b *bench) checkDeleteFrees() error {
	if err := answeredAs(b.delete(b.rows[bob]), nil); err != nil {
		return err
	}
	after := b.rows[ada]
	for _, f := range b.keys() {
		after = b.after(after, f, b.rows[bob].Get(f))
	}
	if after == b.rows[ada] {
		return nil
	}
	if err := b.update(b.rows[ada], after); err != nil {
		return fmt.Errorf("another row could not take them: %w", err)
	}
	return b.sees(b.rows.without(b.rows[bob]).with(after))
}

func (b *bench) checkDeleteStale() error {
	for what, before := range b.stale() {
		err := answeredAs(b.delete(before), adsync.ErrStale)
		if err = cmp.Or(err, b.sees(b.rows)); err != nil {
			return fmt.Errorf("with %s in Before, %w", what, err)
		}
	}
	return nil
}

func (b *bench) checkDeleteAlready() error {
	if err := b.delete(b.rows[bob]); err != nil {
		return fmt.Errorf("the first deletion failed: %w", err)
	}
	if err := answeredAs(b.delete(b.rows[bob]), adsync.ErrAlready); err != nil {
		return err
	}
	return b.sees(b.rows.without(b.rows[bob]))
}

func (b *bench) checkDeleteStatus() error {
	if !isActive(&b.rows[ada]) {
		return nil // such a store does not hold the status
	}
	for i, status := range []adsync.Status{ada: "", bob: adsync.StatusActive} {
		before := b.rows[i]
		before.Status = status
		if err := answeredAs(b.delete(before), nil); err != nil {
			return fmt.Errorf("with the status %q in Before, %w", status, err)
		}
	}
	return b.sees(b.rows.without(b.rows[ada], b.rows[bob]))
}

func (b *bench) checkDeleteAtomic() error {
	first, second := b.touched(b.rows[bob], "774"), b.touched(b.rows[bob], "775")
	gone := change(adsync.OpDelete, &b.rows[bob], nil)
	return b.race(gone, change(adsync.OpUpdate, &b.rows[bob], &first), gone, change(adsync.OpUpdate, &b.rows[bob], &second))
}
