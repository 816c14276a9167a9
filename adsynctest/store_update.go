package adsynctest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-adsync/adsync"
)

// checkUpdate changes each detail alone, then the status, and then empties and fills
// several details at once.
func (b *bench) checkUpdate() error {
	now := b.rows[ada]
	step := func(after adsync.User) error {
		if err := answeredAs(b.update(now, after), nil); err != nil {
			return err
		}
		now = after
		return b.sees(b.rows.with(now))
	}
	for _, alone := range []struct {
		field adsync.Field
		value string
	}{
		{adsync.FieldPhone, "0"}, // while there is a namesake
		{adsync.FieldUsername, "check.ann"}, {adsync.FieldFirstName, "Ännchen"}, {adsync.FieldLastName, `D'Arc "x" \ %`},
		{adsync.FieldEmail, "check.ann@adsync.invalid"},
	} {
		if !b.holds(alone.field) {
			continue
		}
		if err := step(b.after(now, alone.field, alone.value)); err != nil {
			return fmt.Errorf("after a change of %s alone, %w", alone.field, err)
		}
	}
	for _, status := range []adsync.Status{b.off, adsync.StatusActive} {
		if !b.holds(adsync.FieldStatus) {
			continue
		}
		if err := step(b.turned(now, status)); err != nil {
			return fmt.Errorf("after a change of status alone, %w", err)
		}
	}
	full, empty := now, b.emptied(now)
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

// emptied is the user without the details that one may lack.
func (b *bench) emptied(u adsync.User) adsync.User {
	for _, f := range []adsync.Field{adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone} {
		if b.mayLack(f) {
			u = b.after(u, f, "")
		}
	}
	return u
}

// checkLink links the local user, as an adoption does.
func (b *bench) checkLink() error {
	after := b.rows[cleo]
	after.ObjectID, after.Source = b.newcomer(0).ObjectID, b.rows[ada].Source
	if err := answeredAs(b.update(b.rows[cleo], after), nil); err != nil {
		return err
	}
	return b.sees(b.rows.with(after))
}

func (b *bench) checkCase() error {
	after := b.rows[ada]
	for _, f := range b.keys() {
		after = b.after(after, f, strings.ToUpper(after.Get(f)))
	}
	if after.Same(b.rows[ada]) {
		return nil
	}
	if err := answeredAs(b.update(b.rows[ada], after), nil); err != nil {
		return err
	}
	return b.sees(b.rows.with(after))
}

func (b *bench) checkEmpty() error {
	if !b.mayLack(adsync.FieldEmail) {
		return nil
	}
	after := b.after(b.rows[ada], adsync.FieldEmail, "")
	if err := answeredAs(b.update(b.rows[ada], after), nil); err != nil {
		return err
	}
	return b.sees(b.rows.with(after))
}

// stale are states that rows are not in: of one row with each thing changed, and of
// all who may not be used as if they might be.
func (b *bench) stale() map[string]adsync.User {
	u, all := b.rows[ada], make(map[string]adsync.User)
	for _, f := range details {
		if b.holds(f) {
			all["another "+string(f)] = b.after(u, f, strings.ToUpper(u.Get(f))+"9")
		}
	}
	for _, f := range b.extras() {
		all["another "+string(f)] = b.after(u, f, "7d9a3c52-0006-4a5e-8f00-00000000ada0")
	}
	if b.holds(adsync.FieldUsername) {
		all["another case of the username"] = b.after(u, adsync.FieldUsername, strings.ToUpper(u.Username))
	}
	status, id, source, protected := u, u, u, u
	status.Status = b.off
	if u.Status == status.Status {
		status.Status = adsync.StatusActive
	}
	id.ObjectID = b.newcomer(0).ObjectID
	source.Source += "-other"
	protected.Protected = !u.Protected
	all["another status"], all["another ObjectID"], all["another Source"], all["another protection"] = status, id, source, protected
	if b.holds(adsync.FieldDeactivatedAt) {
		moment := b.rows[dan]
		moment.DeactivatedAt++
		all["another moment of deactivation"] = moment
	}
	for _, u := range b.rows {
		if !isActive(&u) {
			was := u.Status
			u.Status = adsync.StatusActive
			all["StatusActive for one who is "+string(was)] = u
		}
	}
	return all
}

func (b *bench) checkUpdateStale() error {
	for what, before := range b.stale() {
		err := answeredAs(b.update(before, b.touched(before, "777")), adsync.ErrStale)
		if err = cmp.Or(err, b.sees(b.rows)); err != nil {
			return fmt.Errorf("with %s in Before, %w", what, err)
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
	return b.sees(b.rows.without(b.rows[bob]))
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
	return b.sees(b.rows.with(after))
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
		if err := b.sees(b.rows.with(now)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) checkUpdateConflict() error {
	for _, f := range b.keys() {
		after := b.after(b.touched(b.rows[ada], "777"), f, b.rows[bob].Get(f))
		err := answeredAs(b.update(b.rows[ada], after), adsync.ErrConflict)
		if err = cmp.Or(err, b.sees(b.rows)); err != nil {
			return fmt.Errorf("with the %s of another row, %w", f, err)
		}
	}
	return nil
}

// checkShared gives one user the email of another, as people of one mailbox have it.
func (b *bench) checkShared() error {
	if !b.holds(adsync.FieldEmail) || slices.Contains(b.keys(), adsync.FieldEmail) {
		return nil
	}
	after := b.after(b.rows[ada], adsync.FieldEmail, b.rows[bob].Email)
	if err := answeredAs(b.update(b.rows[ada], after), nil); err != nil {
		return err
	}
	return b.sees(b.rows.with(after))
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
	return b.sees(b.rows.with(first, second))
}

func (b *bench) checkAtomic() error {
	var cs []adsync.Change
	for i := range 4 {
		after := b.touched(b.rows[ada], "77"+strconv.Itoa(i))
		cs = append(cs, change(adsync.OpUpdate, &b.rows[ada], &after))
	}
	return b.race(cs...)
}
