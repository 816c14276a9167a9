package adsynctest

import (
	"iter"
	"slices"

	"github.com/go-adsync/adsync"
)

const listDuty = "Entries lists the accounts in scope"

// list keeps what the other duties need.
func (c *directoryCheck) list(duty string) {
	c.first = c.dir.Entries(c.ctx)
	listed, err := collect(c.first)
	if err != nil {
		c.failf(duty, "it failed: %w", err)
		return
	}
	if len(listed) == 0 {
		c.failf(duty, "it yields nobody; the check needs at least one account")
	}
	for _, e := range listed {
		switch {
		case e.ObjectID.IsZero():
			c.failf(duty, "an entry has no ObjectID")
		case !e.Present():
			c.failf(duty, "%s has the state %q; only Find yields those", e.ObjectID, e.State)
		}
	}
	c.keep(listed)
}

func (c *directoryCheck) restart(duty string) {
	c.sameAgain(duty, "ranged a second time", c.first)
	c.sameAgain(duty, "called a second time", c.dir.Entries(c.ctx))
}

func (c *directoryCheck) sameAgain(duty, how string, sequence iter.Seq2[adsync.Entry, error]) {
	if sequence == nil {
		return // it could not be listed at all
	}
	again, err := collect(sequence)
	if err != nil {
		c.failf(duty, "%s, it failed: %w", how, err)
		return
	}
	if !slices.Equal(inOrder(c.listed), inOrder(again)) {
		c.failf(duty, "%s, it yields other entries (%d, then %d)", how, len(c.listed), len(again))
	}
}

func (c *directoryCheck) stopEntries(duty string) {
	c.wantStop(duty, func() iter.Seq2[adsync.Entry, error] { return c.dir.Entries(c.ctx) })
}

func (c *directoryCheck) cutEntries(duty string) {
	if len(c.listed) > 0 {
		c.wantWhole(duty, idsOf(c.listed), c.dir.Entries)
	}
}
