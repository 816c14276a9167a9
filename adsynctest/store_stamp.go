package adsynctest

import (
	"fmt"
	"time"

	"github.com/go-adsync/adsync"
)

// checkStamp deactivates a user, changes it without another moment, deactivates it anew, and
// makes it active.
func (b *bench) checkStamp() error {
	if !b.holds(adsync.FieldDeactivatedAt) {
		return nil
	}
	begun := adsync.MomentOf(time.Now())
	planned := b.turned(b.rows[ada], adsync.StatusDeactivated)
	if err := answeredAs(b.update(b.rows[ada], planned), nil); err != nil {
		return err
	}
	now, err := b.read(planned.ID)
	if err != nil {
		return err
	}
	if at := now.DeactivatedAt; at < begun || at > adsync.MomentOf(time.Now()) {
		return fmt.Errorf("the row says %q then, and it was written at %s", at, begun)
	}
	if err := answeredAs(b.update(b.rows[ada], planned), adsync.ErrAlready); err != nil {
		return fmt.Errorf("when tried again, %w", err)
	}
	kept := b.touched(now, "751")
	if err := answeredAs(b.update(now, kept), nil); err != nil {
		return fmt.Errorf("of a user with such a moment, %w", err)
	}
	if err := b.sees(b.rows.with(kept)); err != nil {
		return err
	}
	touched := b.touched(planned, "752") // whose Before says AtWrite, as a plan's may that was made for a row before it
	if err := answeredAs(b.update(b.touched(planned, "751"), touched), nil); err != nil {
		return fmt.Errorf("with AtWrite in Before, %w", err)
	}
	if err := b.sees(b.rows.with(touched)); err != nil {
		return err
	}
	if err := answeredAs(b.update(touched, b.rows[ada]), nil); err != nil {
		return err
	}
	return b.sees(b.rows)
}

// read reads one row.
func (b *bench) read(id string) (adsync.User, error) {
	rows, err := b.list()
	for _, u := range rows {
		if u.ID == id {
			return u, err
		}
	}
	if err == nil {
		err = fmt.Errorf("row %s is missing then", id)
	}
	return adsync.User{}, err
}
