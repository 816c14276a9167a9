package adsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A leaver's way: with Rules.RemoveAfter, whoever the rules would remove is deactivated
// first, and removed when that long has passed since then, and since its account was
// deleted, with the reason for it still there. Until then it keeps its keys, and whoever
// returns is the same user as before.

// Timekeeper is an optional power of a [Directory], and of each that Sessions yields: it
// tells the directory's own time, and for how long it keeps tombstones. It is asked when
// Rules.RemoveAfter is set. Zeros stand for what is not known.
type Timekeeper interface {
	Time(ctx context.Context) (now Moment, tombstones time.Duration, err error)
}

// mostApart is how far the clocks of the host and the directory may differ.
const mostApart = 5 * time.Minute

// clock is what the time of leavers is told by.
type clock struct {
	now   Moment // the earlier of both clocks; zero if they disagree
	apart bool   // they do
}

// readClock asks the directory for its time, where there is need.
func (s reader) readClock(ctx context.Context, dir Directory) (clock, error) {
	rules := &s.opts.Rules
	if !rules.waits() {
		return clock{}, nil
	}
	var there Moment
	var kept time.Duration
	if t, ok := dir.(Timekeeper); ok {
		var err error
		if there, kept, err = t.Time(ctx); err != nil {
			return clock{}, err
		}
	}
	if kept > 0 && rules.RemoveAfter > kept/2 && orDefault(rules.OnDeleted, Remove) == Remove {
		return clock{}, fmt.Errorf("adsync: Rules.RemoveAfter is %s, more than half of the %s for which the directory keeps what it deleted, after which no deletion can be proven; choose a shorter one",
			spell(rules.RemoveAfter), spell(kept))
	}
	here := MomentOf(s.now())
	if there == 0 {
		return clock{now: here}, nil
	}
	if max(here, there) > min(here, there).after(mostApart) {
		return clock{apart: true}, nil
	}
	return clock{now: min(here, there)}, nil
}

// set gives the rules their time.
func (c clock) set(rules *Rules) {
	rules.Now, rules.untimed = c.now, c.apart
}

const warnClocks = "The clocks of the host and the directory are more than 5 minutes apart, so nobody is removed whose time has come: correct the one that is wrong."

// waits reports whether whoever is to be removed is deactivated first.
func (r *Rules) waits() bool { return r.RemoveAfter > 0 }

func (r *Rules) checkLeaving() error {
	switch {
	case r.RemoveAfter < 0:
		return errors.New("adsync: Rules.RemoveAfter is how long somebody is deactivated before it is removed, or 0 for removing at once")
	case r.Now < 0:
		return errors.New("adsync: Rules.Now is a moment; make it with MomentOf, or leave it to the Syncer")
	case r.waits() && slices.Contains(r.Fields, FieldActive) && !slices.Contains(r.Fields, FieldDeactivatedAt):
		return errors.New("adsync: Rules.RemoveAfter needs to know when somebody was deactivated; add FieldDeactivatedAt to Rules.Fields")
	}
	return nil
}

// stamps reports whether the time of a deactivation is written.
func (r *Rules) stamps() bool { return r.waits() || slices.Contains(r.Fields, FieldDeactivatedAt) }

// stamped is the user's DeactivatedAt with that new status. Whoever is active is not
// deactivated, so what is left there of former times is cleared. While the clocks disagree
// no moment is written, as it might be long past; where a store can tell whom a sync
// deactivated by the moment alone, it is.
func (r *Rules) stamped(u *User, e *Entry, status Status) Moment {
	after := User{Status: status}
	if after.active() {
		return 0
	}
	reaction, _ := r.reaction(e)
	leaves := reaction == Remove && r.waits() && status == StatusDeactivated && u.DeactivatedAt == 0 && !u.Protected
	switch fresh := after.off() && u.active() && r.stamps(); {
	case !fresh && !leaves:
		return u.DeactivatedAt
	case r.untimed && !slices.Contains(r.Fields, FieldActive):
		return 0
	}
	return AtWrite
}

// due is when the user is to be removed for what the entry says; zero if its time does not
// run.
func (r *Rules) due(u *User, e *Entry) Moment {
	if u.Status != StatusDeactivated || u.DeactivatedAt <= 0 {
		return 0
	}
	return max(u.DeactivatedAt, e.DeletedAt).after(r.RemoveAfter)
}

// removesNow reports whether whoever is to be removed is so at once, or has waited.
func (r *Rules) removesNow(u *User, e *Entry) bool {
	if !r.waits() {
		return true
	}
	due := r.due(u, e)
	return due != 0 && r.Now != 0 && r.Now >= due
}

// wait says what becomes of a user who is to be removed later.
func (p *planner) wait(d *party, e *Entry, reason Reason) {
	rules := &p.scope.rules
	if due := rules.due(d.user, e); due != 0 {
		d.report(OpNotice, ReasonLeaving, leavingAs+string(reason)+" on "+due.String())
		return
	}
	switch {
	case d.after.DeactivatedAt == AtWrite:
		d.reason = reason
		d.detail = "to be removed " + spell(rules.RemoveAfter) + " later"
	case d.user.active(), d.user.Status == StatusDeactivated: // the clocks disagree
		d.detail = "to be removed, and since when is not known while the clocks disagree"
		if d.user.Status == StatusDeactivated {
			d.report(OpNotice, reason, d.detail)
		}
	default:
		d.report(OpNotice, reason, "neither deactivated nor removed: the host made it "+string(d.user.Status))
	}
}

// leavingAs begins the Detail of a Notice about somebody who waits to be removed.
const leavingAs = "to be removed as "

// leavesAs is the reason that such a Detail gives.
func leavesAs(detail string) Reason {
	reason, _, _ := strings.Cut(strings.TrimPrefix(detail, leavingAs), " ")
	return Reason(reason)
}

// spell is a duration in days, where it is some.
func spell(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "1 day"
	case d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}
