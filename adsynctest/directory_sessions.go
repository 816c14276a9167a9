package adsynctest

import (
	"context"
	"fmt"
	"iter"
	"reflect"

	"github.com/go-adsync/adsync"
)

const sessionDuty = "Sessions yields a Directory for each server"

// sessionsFunc is Sessions, or SessionsFrom of some marks.
type sessionsFunc func(context.Context) iter.Seq2[adsync.Directory, error]

// proveSessions goes through what a directory of several servers must do.
func (c *directoryCheck) proveSessions() {
	d, ok := c.dir.(adsync.Sessions)
	if ok {
		c.prove(sessionDuty, func(duty string) { c.eachSession(duty, d.Sessions, c.proveSession) })
		c.proveEnds("Sessions", d.Sessions)
	}
	if from, isResumer := c.dir.(adsync.Resumer); isResumer {
		c.proveResumer(d, from)
	}
}

// proveEnds goes through how both ways to get sessions end.
func (c *directoryCheck) proveEnds(name string, sessions sessionsFunc) {
	c.prove(name+" stops when the loop does", func(duty string) { c.stopSessions(duty, sessions) })
	c.prove(name+" of a context that has ended yields nothing that can be read", func(duty string) { c.cancelSessions(duty, sessions) })
}

// proveSession goes through a session as through the whole. A plan reads one of them and
// nothing else, so that it must be all that the whole is.
func (c *directoryCheck) proveSession(_ string, n int, dir adsync.Directory) {
	one := &directoryCheck{ctx: c.ctx, dir: dir, want: c.want, where: fmt.Sprintf("session %d: ", n)}
	one.proveDirectory()
	c.broken = append(c.broken, one.broken...)
}

// eachSession holds each session to the powers of the whole.
func (c *directoryCheck) eachSession(duty string, sessions sessionsFunc, prove func(duty string, n int, dir adsync.Directory)) {
	n := 0
	for dir, err := range sessions(c.ctx) {
		n++
		if err != nil {
			c.failf(duty, "it failed: %w", err)
			return
		}
		if dir == nil {
			c.failf(duty, "number %d is none", n)
			continue
		}
		prove(duty, n, dir)
		if !reflect.DeepEqual(traitsOf(dir), traitsOf(c.dir)) {
			c.failf(duty, "number %d has other Traits than the whole", n)
		}
		for _, p := range powers {
			if p.of(c.dir) && !p.of(dir) {
				c.failf(duty, "number %d cannot %s, as the whole can", n, p.name)
			}
		}
	}
	if n == 0 {
		c.failf(duty, "there is none, and no error")
	}
}

// powers are those that a session must have where the whole has them. It may have more.
var powers = []struct {
	name string
	of   func(adsync.Directory) bool
}{
	{"Inspect", has[adsync.Inspector]},
	{"Confirm", has[adsync.Confirmer]},
	{"ProveRoles", has[adsync.RoleProver]},
	{"tell the Time", has[adsync.Timekeeper]},
	{"begin a Reading", has[adsync.Changes]},
}

func has[P any](d adsync.Directory) bool {
	_, ok := d.(P)
	return ok
}

func (c *directoryCheck) stopSessions(duty string, sessions sessionsFunc) {
	yielded := 0
	sessions(c.ctx)(func(adsync.Directory, error) bool {
		yielded++
		return false
	})
	if yielded > 1 {
		c.failf(duty, "it went on after the first")
	}
}

func (c *directoryCheck) cancelSessions(duty string, sessions sessionsFunc) {
	ctx, failed := c.ended(), false
	sessions(ctx)(func(dir adsync.Directory, err error) bool {
		if failed {
			c.failf(duty, "it went on after the error")
		}
		if failed = err != nil; !failed && dir != nil {
			c.wantError(duty, dir.Entries(ctx))
		}
		return true
	})
}

func (c *directoryCheck) inspect(duty string) {
	if i, ok := c.dir.(adsync.Inspector); ok {
		if _, err := i.Inspect(c.ctx); err != nil {
			c.failf(duty, "it failed: %w", err)
		}
	}
}

func (c *directoryCheck) cancelInspect(duty string) {
	if i, ok := c.dir.(adsync.Inspector); ok {
		if _, err := i.Inspect(c.ended()); err == nil {
			c.failf(duty, "it answered")
		}
	}
}
