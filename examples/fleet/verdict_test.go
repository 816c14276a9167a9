package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

func TestVerdict_FollowsTheKindOfError(t *testing.T) {
	const tick, every = time.Minute, time.Hour
	due := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	now := due.Add(5 * time.Minute)
	held, approval := &adsync.Plan{}, &adsync.Approval{By: "somebody"}
	one := &adsync.Plan{Changes: []adsync.Change{{Op: adsync.OpUpdate, UserID: "1", Before: &adsync.User{ID: "1"}, After: &adsync.User{ID: "1"}}}}
	done := &adsync.Report{Plan: one, Results: []adsync.Result{{Outcome: adsync.OutcomeApplied}}}
	partly := &adsync.Report{Plan: one, Results: []adsync.Result{{Outcome: adsync.OutcomeFailed, Err: errors.New("no")}}}
	for name, test := range map[string]struct {
		report *adsync.Report
		err    error
		tries  int
		want   verdict
	}{
		"all well":                   {done, nil, 3, verdict{state: stateDone, said: "1 modified", next: due.Add(every)}},
		"some failed":                {partly, nil, 0, verdict{state: statePartly, said: "1 failed", next: due.Add(every)}},
		"locked":                     {nil, adsync.ErrLocked, 1, verdict{state: stateLocked, next: now.Add(tick), held: held, approval: approval}},
		"beyond the limits":          {nil, &adsync.LimitError{Plan: one, Limit: "MaxRemovals"}, 0, verdict{state: stateHeld, next: due.Add(every), held: one, pause: true}},
		"incomplete":                 {nil, fmt.Errorf("%w: the controller", adsync.ErrIncomplete), 0, verdict{state: stateRetrying, next: now.Add(tick), tries: 1, held: held, approval: approval}},
		"incomplete again":           {nil, adsync.ErrIncomplete, 3, verdict{state: stateRetrying, next: now.Add(8 * tick), tries: 4, held: held, approval: approval}},
		"incomplete for days":        {nil, adsync.ErrIncomplete, 900, verdict{state: stateRetrying, next: now.Add(every), tries: 901, held: held, approval: approval}},
		"the database away":          {nil, adsync.ErrNotWritten, 0, verdict{state: stateRetrying, next: now.Add(tick), tries: 1, held: held, approval: approval}},
		"the database away first":    {nil, fmt.Errorf("%w: could not lock the users: connection refused", adsync.ErrIncomplete), 0, verdict{state: stateRetrying, next: now.Add(tick), tries: 1, held: held, approval: approval}},
		"a lock that was lost":       {done, adsync.ErrLockLost, 0, verdict{state: statePartly, next: due.Add(every)}},
		"away in the run, and lock":  {done, errors.Join(adsync.ErrNotWritten, adsync.ErrLockLost), 0, verdict{state: stateRetrying, next: now.Add(tick), tries: 1, held: held, approval: approval}},
		"lost in a commit":           {nil, adsync.ErrUnknown, 0, verdict{state: stateRetrying, next: now.Add(tick), tries: 1, held: held, approval: approval}},
		"too slow":                   {nil, context.DeadlineExceeded, 0, verdict{state: stateRetrying, next: now.Add(tick), tries: 1, held: held, approval: approval}},
		"refused, though incomplete": {nil, errors.Join(adsync.ErrIncomplete, activedirectory.ErrRefused), 0, verdict{state: stateRefused, next: now.Add(refusedPause)}},
		"asked to stop":              {done, errors.Join(adsync.ErrIncomplete, context.Canceled), 0, verdict{state: stateStopped, said: "1 modified", next: due, held: held, approval: approval}},
		"unsafe":                     {nil, adsync.ErrUnsafe, 0, verdict{state: stateBroken, next: due.Add(every), pause: true}},
		"approved and crashed":       {nil, adsync.ErrUsed, 0, verdict{state: stateRetrying, next: now.Add(tick)}},
		"a wrong set-up":             {nil, errors.New("no such column"), 0, verdict{state: stateBroken, next: due.Add(every), pause: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &syncRow{Due: due, Every: every, Tries: test.tries, Held: held, Approval: approval}
			got := judge(s, test.report, test.err, now, tick)
			if test.err != nil && test.want.said == "" {
				test.want.said = test.err.Error()
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestVerdict_SkipsWhatWasMissed(t *testing.T) {
	due := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	for late, want := range map[time.Duration]time.Duration{
		-time.Minute: time.Hour, 0: time.Hour, 59 * time.Minute: time.Hour, time.Hour: 2 * time.Hour, 5*time.Hour + time.Minute: 6 * time.Hour,
	} {
		assert.Equal(t, due.Add(want), following(due, time.Hour, due.Add(late)), late)
	}
}
