package adsynctest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-adsync/adsync"
)

// checkUpdate changes each detail alone, then empties and fills several at once.
func (b *bench) checkUpdate() error {
	now := b.rows[ada]
	step := func(after adsync.User) error {
		if err := answeredAs(b.update(now, after), nil); err != nil {
			return err
		}
		now = after
		return b.sees(now, b.rows[bob], b.rows[cleo], b.rows[dan])
	}
	for f, value := range map[adsync.Field]string{
		adsync.FieldUsername: "check.ann", adsync.FieldFirstName: "Ännchen", adsync.FieldLastName: `D'Arc "x" \ %`,
		adsync.FieldEmail: "check.ann@adsync.invalid", adsync.FieldPhone: "0",
	} {
		if !b.holds(f) {
			continue
		}
		if err := step(b.after(now, f, value)); err != nil {
			return fmt.Errorf("after a change of %s alone, %w", f, err)
		}
	}
	for _, status := range []adsync.Status{b.off, adsync.StatusActive} {
		if !b.holds(adsync.FieldStatus) {
			continue
		}
		after := now
		after.Status = status
		if err := step(after); err != nil {
			return fmt.Errorf("after a change of status alone, %w", err)
		}
	}
	empty, full := now, now
	for _, f := range []adsync.Field{adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone} {
		if b.holds(f) {
			empty = b.after(empty, f, "")
		}
	}
	if empty.Same(full) {
		return nil
	}
	if err := step(empty); err != nil {
		return fmt.Errorf("after emptying several details, %w", err)
	}
	if err := step(full); err != nil {
		return fmt.Errorf("after filling several details, %w", err)
	}
	return nil
}

// checkLink links the local user, as an adoption does.
func (b *bench) checkLink() error {
	after := b.rows[cleo]
	after.ObjectID, after.Source = b.newcomer(0).ObjectID, b.rows[ada].Source
	if err := answeredAs(b.update(b.rows[cleo], after), nil); err != nil {
		return err
	}
	return b.sees(b.rows[ada], b.rows[bob], after, b.rows[dan])
}

func (b *bench) checkCase() error {
	after := b.rows[ada]
	for _, f := range []adsync.Field{adsync.FieldUsername, adsync.FieldEmail} {
		if b.holds(f) {
			after = b.after(after, f, strings.ToUpper(after.Get(f)))
		}
	}
	if after.Same(b.rows[ada]) {
		return nil
	}
	if err := answeredAs(b.update(b.rows[ada], after), nil); err != nil {
		return err
	}
	return b.sees(after, b.rows[bob], b.rows[cleo], b.rows[dan])
}

func (b *bench) checkEmpty() error {
	if !b.holds(adsync.FieldEmail) {
		return nil
	}
	after := b.after(b.rows[ada], adsync.FieldEmail, "")
	if err := answeredAs(b.update(b.rows[ada], after), nil); err != nil {
		return err
	}
	return b.sees(after, b.rows[bob], b.rows[cleo], b.rows[dan])
}

// unlike is the row changed in one thing, for every thing that a row has.
func (b *bench) unlike(u adsync.User) map[adsync.Field]adsync.User {
	all := make(map[adsync.Field]adsync.User)
	for _, f := range details {
		if b.holds(f) {
			all[f] = b.after(u, f, strings.ToUpper(u.Get(f))+"9")
		}
	}
	if b.holds(adsync.FieldUsername) {
		all["case of the username"] = b.after(u, adsync.FieldUsername, strings.ToUpper(u.Username))
	}
	status, id, source, protected := u, u, u, u
	status.Status = adsync.StatusBlocked
	id.ObjectID = b.newcomer(0).ObjectID
	source.Source += "-other"
	protected.Protected = !u.Protected
	all[adsync.FieldStatus], all[adsync.FieldObjectID], all[adsync.FieldSource], all[fieldProtected] = status, id, source, protected
	return all
}

func (b *bench) checkUpdateStale() error {
	for f, before := range b.unlike(b.rows[ada]) {
		err := answeredAs(b.update(before, b.touched(before, "777")), adsync.ErrStale)
		if err = cmp.Or(err, b.sees(b.rows...)); err != nil {
			return fmt.Errorf("with another %s in Before, %w", f, err)
		}
	}
	return nil
}

func (b *bench) checkUpdateGone() error {
	if err := b.delete(b.rows[bob]); err != nil {
		return fmt.Errorf("the row could not be deleted: %w", err)
	}
	if err := answeredAs(b.update(b.rows[bob], b.touched(b.rows[bob], "777")), adsync.ErrStale); err != nil {
		return err
	}
	return b.sees(b.rows[ada], b.rows[cleo], b.rows[dan])
}

func (b *bench) checkUpdateAlready() error {
	after := b.touched(b.rows[ada], "777")
	for f, value := range map[adsync.Field]string{adsync.FieldUsername: "check.new", adsync.FieldEmail: "check.new@adsync.invalid"} {
		if b.holds(f) {
			after = b.after(after, f, value)
		}
	}
	if err := b.update(b.rows[ada], after); err != nil {
		return fmt.Errorf("the first update failed: %w", err)
	}
	if err := answeredAs(b.update(b.rows[ada], after), adsync.ErrAlready); err != nil {
		return err
	}
	return b.sees(after, b.rows[bob], b.rows[cleo], b.rows[dan])
}

// checkUpdateStatus spells the status of an active user in both ways.
func (b *bench) checkUpdateStatus() error {
	now := b.rows[ada]
	if !isActive(&now) {
		return nil // such a store does not hold the status
	}
	spellings := []adsync.Status{"", adsync.StatusActive}
	for i, status := range spellings {
		before := now
		before.Status = status
		now = b.touched(before, "76"+strconv.Itoa(i))
		if err := answeredAs(b.update(before, now), nil); err != nil {
			return fmt.Errorf("with the status %q in Before and After, %w", status, err)
		}
		now.Status = spellings[1-i]
		if err := answeredAs(b.update(before, now), adsync.ErrAlready); err != nil {
			return fmt.Errorf("with the status %q in After, and %q when tried again, %w", status, now.Status, err)
		}
	}
	return b.sees(now, b.rows[bob], b.rows[cleo], b.rows[dan])
}

func (b *bench) checkUpdateConflict() error {
	for _, f := range []adsync.Field{adsync.FieldUsername, adsync.FieldEmail} {
		if !b.holds(f) {
			continue
		}
		after := b.after(b.touched(b.rows[ada], "777"), f, b.rows[bob].Get(f))
		err := answeredAs(b.update(b.rows[ada], after), adsync.ErrConflict)
		if err = cmp.Or(err, b.sees(b.rows...)); err != nil {
			return fmt.Errorf("with the %s of another row, %w", f, err)
		}
	}
	return nil
}

// checkPassOn renames one user, and gives the old name to another.
func (b *bench) checkPassOn() error {
	first, second := b.rows[ada], b.rows[bob]
	for f, value := range map[adsync.Field]string{adsync.FieldUsername: "check.new", adsync.FieldEmail: "check.new@adsync.invalid"} {
		if b.holds(f) {
			first = b.after(first, f, value)
			second = b.after(second, f, b.rows[ada].Get(f))
		}
	}
	if first == b.rows[ada] {
		return nil
	}
	if err := answeredAs(b.update(b.rows[ada], first), nil); err != nil {
		return err
	}
	if err := answeredAs(b.update(b.rows[bob], second), nil); err != nil {
		return err
	}
	return b.sees(first, second, b.rows[cleo], b.rows[dan])
}

func (b *bench) checkAtomic() error {
	var cs []adsync.Change
	for i := range 4 {
		after := b.touched(b.rows[ada], "77"+strconv.Itoa(i))
		cs = append(cs, change(adsync.OpUpdate, &b.rows[ada], &after))
	}
	return b.race(cs...)
}

func ownUser(u *adsync.User) *adsync.User {
	if u == nil {
		return nil
	}
	own := *u
	return &own
}

// race makes changes at once of which each refuses the others. It may miss a store
// that is not atomic, but never blames one that is.
func (b *bench) race(cs ...adsync.Change) error {
	out := make([]adsync.Written, len(cs))
	var all sync.WaitGroup
	for i, c := range cs {
		c.Before, c.After = ownUser(c.Before), ownUser(c.After) // a store that writes there is found elsewhere
		all.Go(func() { out[i] = b.write(b.ctx, c) })
	}
	all.Wait()
	then, won := slices.Clone(b.rows), 0
	for i, c := range cs {
		if out[i].Err != nil {
			continue
		}
		won++
		then = slices.DeleteFunc(then, func(u adsync.User) bool { return u.ID == c.UserID })
		if c.After != nil {
			u := *c.After
			u.ID = cmp.Or(c.UserID, out[i].UserID)
			then = append(then, u)
		}
	}
	if won > 1 {
		return fmt.Errorf("%d of them succeeded; lock the row, or compare it in the statement that writes", won)
	}
	return b.sees(then...)
}

func (b *bench) checkUpdateContext() error {
	after := b.touched(b.rows[ada], "777")
	return b.fails(change(adsync.OpUpdate, &b.rows[ada], &after))
}

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
