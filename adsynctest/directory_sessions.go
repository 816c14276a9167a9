package adsynctest

import (
	"fmt"
	"reflect"

	"github.com/go-adsync/adsync"
)

const sessionDuty = "Sessions yields a Directory for each server"

// eachSession goes through each session as through the whole. A plan reads one of them
// and nothing else, so that it must be all that the whole is.
func (c *directoryCheck) eachSession(duty string, sessions adsync.Sessions) {
	n := 0
	for dir, err := range sessions.Sessions(c.ctx) {
		n++
		if err != nil {
			c.failf(duty, "it failed: %w", err)
			return
		}
		if dir == nil {
			c.failf(duty, "number %d is none", n)
			continue
		}
		one := &directoryCheck{ctx: c.ctx, dir: dir, want: c.want, where: fmt.Sprintf("session %d: ", n)}
		one.proveDirectory()
		c.broken = append(c.broken, one.broken...)
		if !reflect.DeepEqual(traitsOf(dir), traitsOf(c.dir)) {
			c.failf(duty, "number %d has other Traits than the whole", n)
		}
		if _, ok := c.dir.(adsync.Inspector); ok {
			if _, ok := dir.(adsync.Inspector); !ok {
				c.failf(duty, "number %d cannot Inspect, as the whole can", n)
			}
		}
	}
	if n == 0 {
		c.failf(duty, "there is none, and no error")
	}
}

func (c *directoryCheck) stopSessions(duty string, sessions adsync.Sessions) {
	yielded := 0
	sessions.Sessions(c.ctx)(func(adsync.Directory, error) bool {
		yielded++
		return false
	})
	if yielded > 1 {
		c.failf(duty, "it went on after the first")
	}
}

func (c *directoryCheck) cancelSessions(duty string, sessions adsync.Sessions) {
	ctx, failed := c.ended(), false
	sessions.Sessions(ctx)(func(dir adsync.Directory, err error) bool {
		if failed {
			c.failf(duty, "it went on after the error")
		}
		if failed = err != nil; !failed {
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
