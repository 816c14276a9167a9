package adsynctest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

func (b *bench) checkCreate() error {
	if !b.creates() {
		return nil
	}
	then := slices.Clone(b.rows)
	for n := range 3 { // two without an email
		u := b.newcomer(n)
		w := b.create(u)
		if err := answeredAs(w.Err, nil); err != nil {
			return err
		}
		if w.UserID == "" || slices.ContainsFunc(then, func(u adsync.User) bool { return u.ID == w.UserID }) {
			return fmt.Errorf("it returned the ID %q, which is empty or another's", w.UserID)
		}
		u.ID = w.UserID
		then = append(then, u)
	}
	return b.sees(then)
}

// checkCreateAlready meets a user of the seed, and one that it has created.
func (b *bench) checkCreateAlready() error {
	if !b.creates() {
		return nil
	}
	linked, fresh := b.newcomer(1), b.newcomer(0)
	linked.ObjectID, linked.Source = b.rows[ada].ObjectID, b.rows[ada].Source
	first := b.create(fresh)
	if first.Err != nil {
		return fmt.Errorf("the first creation failed: %w", first.Err)
	}
	then := fresh
	then.ID = first.UserID
	for id, u := range map[string]adsync.User{b.rows[ada].ID: linked, first.UserID: fresh} {
		w := b.create(u)
		if err := answeredAs(w.Err, adsync.ErrAlready); err != nil {
			return err
		}
		if w.UserID != "" && w.UserID != id {
			return fmt.Errorf("it returned the ID %q, where the row has %q", w.UserID, id)
		}
	}
	return b.sees(b.rows.with(then))
}

func (b *bench) checkCreateSource() error {
	if !b.creates() || b.oneSource {
		return nil
	}
	u := b.newcomer(0)
	u.ObjectID, u.Source = b.rows[ada].ObjectID, b.rows[cleo].Source
	w := b.create(u)
	if errors.Is(w.Err, adsync.ErrConflict) {
		return b.sees(b.rows)
	}
	if err := answeredAs(w.Err, nil); err != nil {
		return err
	}
	u.ID = w.UserID
	return b.sees(b.rows.with(u))
}

func (b *bench) checkCreateConflict() error {
	if !b.creates() {
		return nil
	}
	for _, f := range b.keys() {
		err := answeredAs(b.create(b.after(b.newcomer(0), f, b.rows[bob].Get(f))).Err, adsync.ErrConflict)
		if err = cmp.Or(err, b.sees(b.rows)); err != nil {
			return fmt.Errorf("with the %s of another row, %w", f, err)
		}
	}
	return nil
}

func (b *bench) checkCreateAtomic() error {
	if !b.creates() {
		return nil
	}
	u := b.newcomer(0)
	return b.race(slices.Repeat([]adsync.Change{change(adsync.OpCreate, nil, &u)}, 4)...)
}
