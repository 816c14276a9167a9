package adsynctest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/go-adsync/adsync"
)

func (b *bench) checkTraits() error {
	allowed := append(details[:], adsync.FieldStatus, adsync.FieldActive, adsync.FieldDeactivatedAt)
	seen := make(map[adsync.Field]bool)
	for _, f := range traitsOf(b.store).Fields {
		if !slices.Contains(allowed, f) && !isExtra(f) || seen[f] {
			return fmt.Errorf("it names %q, which is another or named twice", f)
		}
		seen[f] = true
	}
	for _, f := range traitsOf(b.store).Sets {
		if !isExtra(f) || !seen[f] {
			return fmt.Errorf("it calls %q a set, which is one of the five, or not held", f)
		}
	}
	roles := make(map[string]bool)
	for _, role := range traitsOf(b.store).Roles {
		if role == "" || roles[role] {
			return fmt.Errorf("it names the role %q, which is empty or named twice", role)
		}
		roles[role] = true
	}
	n := traitsOf(b.store).CreatesAtOnce
	switch {
	case seen[adsync.FieldStatus] && seen[adsync.FieldActive]:
		return errors.New("it names both FieldStatus and FieldActive; the one says more than the other")
	case seen[adsync.FieldDeactivatedAt] && !seen[adsync.FieldStatus] && !seen[adsync.FieldActive]:
		return errors.New("it names FieldDeactivatedAt, and neither FieldStatus nor FieldActive, so it holds when, but not whether")
	case len(b.fields) > 0 && !slices.ContainsFunc(details[:], b.holds):
		return errors.New("it names no detail")
	case n < 0:
		return fmt.Errorf("CreatesAtOnce is %d", n)
	}
	return nil
}

func (b *bench) checkUsers() error {
	if b.readErr != nil {
		return b.readErr
	}
	for i, want := range b.seed {
		want.Protected, want.Extra = b.rows[i].Protected, b.rows[i].Extra
		want.Status = b.seeded(want.Status, b.rows[i].Status)
		if f := b.differs(want, b.rows[i]); f != "" {
			return fmt.Errorf("row %d of the seed has another %s", i+1, f)
		}
	}
	return nil
}

func (b *bench) checkIDs() error {
	seen := make(map[string]bool)
	for _, u := range b.rows {
		if u.ID == "" || seen[u.ID] {
			return fmt.Errorf("the ID %q is empty or that of two rows", u.ID)
		}
		seen[u.ID] = true
	}
	return nil
}

func (b *bench) checkFresh() error {
	rows := func(seq iter.Seq2[adsync.User, error]) (users []adsync.User, err error) {
		for u, e := range seq {
			users, err = append(users, u), cmp.Or(err, e)
		}
		return users, err
	}
	seq := b.store.Users(b.ctx)
	for range 2 {
		users, err := rows(seq)
		if err != nil {
			return fmt.Errorf("reading failed: %w", err)
		}
		if len(users) != len(b.rows) {
			return fmt.Errorf("ranging over the sequence again gave %d rows instead of %d", len(users), len(b.rows))
		}
	}
	after := b.touched(b.rows[ada], "777")
	if err := answeredAs(b.update(b.rows[ada], after), nil); err != nil {
		return err
	}
	return b.sees(b.rows.with(after))
}

func (b *bench) checkStop() error {
	calls := 0
	b.store.Users(b.ctx)(func(adsync.User, error) bool {
		calls++
		return false
	})
	if calls != 1 {
		return fmt.Errorf("it called the loop's body %d times, where the first call said stop", calls)
	}
	after := b.touched(b.rows[ada], "777")
	if err := answeredAs(b.update(b.rows[ada], after), nil); err != nil {
		return err
	}
	return b.sees(b.rows.with(after))
}

func (b *bench) checkReadContext() error {
	if _, err := readAll(b.store.Users(b.ended())); err == nil {
		return errors.New("with a context that had ended before, it ended as if there were no more rows")
	} else if errors.Is(err, errNotLast) {
		return err
	}
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	n := 0
	seq := func(yield func(adsync.User, error) bool) {
		for u, err := range b.store.Users(ctx) {
			cancel()
			if n++; !yield(u, err) {
				return
			}
		}
	}
	users, err := readAll(seq)
	if err == nil && len(users) != len(b.rows) {
		return errors.New("with a context that ended after the first row, it ended as if there were no more rows")
	}
	if errors.Is(err, errNotLast) {
		return err
	}
	return nil
}

var errNotLast = errors.New("it went on after the error")

// readAll reads to the end, even past an error.
func readAll(seq iter.Seq2[adsync.User, error]) (users []adsync.User, err error) {
	for u, e := range seq {
		if err != nil {
			return users, errNotLast
		}
		if err = e; e == nil {
			users = append(users, u)
		}
	}
	return users, err
}
