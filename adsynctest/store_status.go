package adsynctest

import (
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// seeded is the status that a row of the seed must have. A host's own seeding may have no
// word for a blocked user, and take that one for any other.
func (b *bench) seeded(status, got adsync.Status) adsync.Status {
	switch {
	case status == adsync.StatusBlocked && (b.off != adsync.StatusInactive || isActive(&adsync.User{Status: got})):
		return got
	case status != adsync.StatusActive:
		return b.off
	}
	return status
}

// blocked is the table with a blocked user in it, as far as the store has a word for
// that: a host's own seeding may not.
func (b *bench) blocked() table {
	if !b.holds(adsync.FieldStatus) || b.holds(adsync.FieldActive) || b.rows[eve].Status == adsync.StatusBlocked {
		return b.rows
	}
	after := b.rows[ada]
	after.Status = adsync.StatusBlocked
	if b.update(b.rows[ada], after) != nil {
		return b.rows
	}
	return b.rows.with(after)
}

func (b *bench) checkBlocked() error { return b.sees(b.blocked()) }

// checkStatusKept updates a detail of users with each status.
func (b *bench) checkStatusKept() error {
	then := b.blocked()
	for _, before := range slices.Clone(then) {
		after := b.touched(before, "75"+before.ID)
		then = then.with(after)
		if err := answeredAs(b.update(before, after), nil); err != nil {
			return fmt.Errorf("of a user who is %s, %w", statusOf(before), err)
		}
		if err := b.sees(then); err != nil {
			return fmt.Errorf("after an update of a user who is %s, %w", statusOf(before), err)
		}
	}
	return nil
}

func statusOf(u adsync.User) adsync.Status {
	if isActive(&u) {
		return adsync.StatusActive
	}
	return u.Status
}
