package adsynctest

import (
	"context"
	"iter"
	"slices"

	"github.com/go-adsync/adsync"
)

// proveResumer holds SessionsFrom to Sessions.
func (c *directoryCheck) proveResumer(whole adsync.Sessions, r adsync.Resumer) {
	if whole == nil {
		c.failf("SessionsFrom yields what Sessions does", "the directory has no Sessions")
		return
	}
	from := func(marks ...adsync.DirectoryMark) sessionsFunc {
		return func(ctx context.Context) iter.Seq2[adsync.Directory, error] {
			return r.SessionsFrom(ctx, slices.Clone(marks))
		}
	}
	c.prove("SessionsFrom yields what Sessions does", func(duty string) {
		plain := c.marks(duty, whole.Sessions)
		for _, sessions := range []sessionsFunc{from(), from(adsync.DirectoryMark{Controller: elsewhere, Data: noData}, adsync.DirectoryMark{})} {
			if n := len(c.marks(duty, sessions)); n != len(plain) {
				c.failf(duty, "it yields %d, and Sessions %d", n, len(plain))
			}
		}
	})
	c.prove("SessionsFrom begins with the servers that the marks are of", func(duty string) { c.resume(duty, whole, from) })
	c.proveEnds("SessionsFrom", from())
}

// marks reads a little on each of the servers, and returns the mark of each: the zero one
// where it cannot tell what has changed.
func (c *directoryCheck) marks(duty string, sessions sessionsFunc) (marks []adsync.DirectoryMark) {
	c.eachSession(duty, sessions, func(_ string, n int, dir adsync.Directory) {
		m, err := c.markOf(dir)
		if err != nil {
			c.failf(duty, "number %d failed: %w", n, err)
		}
		marks = append(marks, m)
	})
	return marks
}

func (c *directoryCheck) markOf(dir adsync.Directory) (m adsync.DirectoryMark, err error) {
	var reading adsync.Reading
	if d, ok := dir.(adsync.Changes); ok {
		if reading, err = d.Reading(c.ctx); err != nil {
			return m, err
		}
	}
	ids := idsOf(c.once)
	if _, err := collect(dir.Find(c.ctx, ids[:min(1, len(ids))])); err != nil || reading == nil {
		return m, err
	}
	return reading.Mark(c.ctx)
}

// resume asks for the servers in the opposite order.
func (c *directoryCheck) resume(duty string, whole adsync.Sessions, from func(...adsync.DirectoryMark) sessionsFunc) {
	marks := slices.DeleteFunc(c.marks(duty, whole.Sessions), func(m adsync.DirectoryMark) bool { return m.Controller == "" })
	slices.Reverse(marks)
	got := c.marks(duty, from(marks...))
	for i, m := range marks {
		if i >= len(got) || got[i].Controller != m.Controller {
			c.failf(duty, "number %d is not that of mark %d", i+1, i+1)
			return
		}
	}
}
