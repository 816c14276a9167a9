package adsynctest

import (
	"time"

	"github.com/go-adsync/adsync"
)

const (
	mostApart      = 5 * time.Minute // as a plan has it
	leastTombstone = time.Hour
)

// time takes what is told for the unit or the zone that it is taken for by a plan.
func (c *directoryCheck) time(duty string) {
	t, ok := c.dir.(adsync.Timekeeper)
	if !ok {
		return
	}
	now, tombstones, err := t.Time(c.ctx)
	if err != nil {
		c.failf(duty, "it failed: %w", err)
		return
	}
	here := time.Now()
	switch apart := now.Time().Sub(here); {
	case now < 0:
		c.failf(duty, "it tells AtWrite, or a moment before all others; it is 0 where it is not known")
	case now > 0 && apart.Abs() > mostApart:
		c.failf(duty, "it tells %s, and it is %s here; more than %s apart, a plan removes nobody", now, here.UTC().Format(time.RFC3339), mostApart)
	}
	switch {
	case tombstones < 0:
		c.failf(duty, "it keeps tombstones for %s; it is 0 where that is not known", tombstones)
	case tombstones > 0 && tombstones < leastTombstone:
		c.failf(duty, "it keeps tombstones for no more than %s, as if that were in another unit", tombstones)
	}
}

// cancelTime takes zeros for no answer.
func (c *directoryCheck) cancelTime(duty string) {
	t, ok := c.dir.(adsync.Timekeeper)
	if !ok {
		return
	}
	if now, tombstones, err := t.Time(c.ended()); err == nil && (now != 0 || tombstones != 0) {
		c.failf(duty, "it answered")
	}
}
