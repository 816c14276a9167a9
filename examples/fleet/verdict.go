package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// The states of a sync after a run.
const (
	stateDone     = "done"
	statePartly   = "partly done" // some users could not be written, as the report says, or the lock was lost
	stateLocked   = "locked"      // somebody else's run has the users
	stateRetrying = "retrying"    // one side could not be read or written
	stateStopped  = "stopped"     // this machine was asked to stop
	stateHeld     = "held"        // beyond the limits: waits for a person
	stateRefused  = "refused"     // the directory refused the service account
	stateBroken   = "broken"      // the set-up is wrong
)

// refusedPause is how long a service account that was refused is left in peace, so that no
// number of machines gets it locked. A person who has mended it need not wait: resume.
const refusedPause = 24 * time.Hour

// verdict is what follows from a run.
type verdict struct {
	state string
	said  string // for people, without anybody's name
	next  time.Time
	tries int
	pause bool // nothing more until a person has acted

	held     *adsync.Plan     // to be approved, or approved and not applied yet
	approval *adsync.Approval // of it
}

// judge says what follows from how a run ended, and when the next one is due.
func judge(s *syncRow, report *adsync.Report, err error, now time.Time, tick time.Duration) verdict {
	v := verdict{state: stateDone, said: said(report), next: following(s.Due, s.Every, now)}
	var beyond *adsync.LimitError
	switch {
	case err == nil && report.Err() == nil:
	case err == nil:
		v.state = statePartly
	case errors.As(err, &beyond):
		v.state, v.said, v.held, v.pause = stateHeld, err.Error(), beyond.Plan, true
	case errors.Is(err, adsync.ErrLocked):
		v.state, v.said, v.next = stateLocked, err.Error(), now.Add(tick)
		v.held, v.approval = s.Held, s.Approval
	case errors.Is(err, activedirectory.ErrRefused):
		v.state, v.said, v.next = stateRefused, err.Error(), now.Add(refusedPause)
	case errors.Is(err, context.Canceled):
		v.state, v.next = stateStopped, s.Due
		v.held, v.approval = s.Held, s.Approval
	case errors.Is(err, adsync.ErrUsed): // by a run that ended before it had told so
		v.state, v.said, v.next = stateRetrying, err.Error(), now.Add(tick) // with a new plan
	case errors.Is(err, adsync.ErrUnsafe):
		v.state, v.said, v.pause = stateBroken, err.Error(), true
	case errors.Is(err, adsync.ErrIncomplete), errors.Is(err, adsync.ErrNotWritten), errors.Is(err, adsync.ErrUnknown), errors.Is(err, context.DeadlineExceeded):
		v.state, v.said, v.tries = stateRetrying, err.Error(), s.Tries+1
		v.next = now.Add(backoff(s.Tries, tick, s.Every))
		v.held, v.approval = s.Held, s.Approval
	case errors.Is(err, adsync.ErrLockLost): // after a whole run, which only had no lock any more
		v.state, v.said = statePartly, err.Error()
	default:
		v.state, v.said, v.pause = stateBroken, err.Error(), true
	}
	return v
}

// said is what a run did, in a line.
func said(report *adsync.Report) string {
	n := report.Counts()
	var parts []string
	for _, part := range []struct {
		count int
		word  string
	}{
		{n.Created, "imported"}, {n.Modified, "modified"}, {n.Deleted, "deleted"}, {n.Deactivated, "deactivated"}, {n.Duplicated, "duplicate"},
		{n.Failed, "failed"}, {n.Stale, "changed meanwhile"}, {n.Blocked, "blocked"},
	} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.word))
		}
	}
	if len(parts) == 0 {
		return "nothing to change"
	}
	return strings.Join(parts, ", ")
}

// following is the first time of the schedule that is still to come. Intervals that were
// missed are not made up for: the next run sees all that happened.
func following(due time.Time, every time.Duration, now time.Time) time.Time {
	missed := max(0, now.Sub(due)/every)
	return due.Add((missed + 1) * every)
}

// backoff doubles from a tick to the interval of the schedule.
func backoff(tries int, tick, every time.Duration) time.Duration {
	return min(tick<<min(tries, 20), every)
}
