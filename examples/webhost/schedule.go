package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// The schedule synchronizes everybody every so often, and nobody has to be there. It
// reads only what has changed since its last run, and everything in the night: with the
// first run of a day. What needs no approval is applied; a plan beyond the limits waits
// for a person.

// schedule is how it stands. The database has the same, for after a restart.
type schedule struct {
	Due      time.Time // of the next run
	PausedBy string    // "": nobody did
	PausedAt time.Time
	lastRun
}

// lastRun is the last run of the schedule.
type lastRun struct {
	At      time.Time          // when it began
	State   string             // done, partly, refused or failed; "": there was none yet
	Why     string             // it failed
	RunID   string             // of what it wrote, or would; "": nothing
	Did     string             // how much that is
	Reading *adsync.Provenance // of the last that could read both sides
	Full    time.Time          // when everything was last read
	Mark    *adsync.Mark       // from which the next run goes on
	Told    string             // the state that somebody was told of
}

// theSchedule is who makes its plans.
const theSchedule = "the schedule"

// Scheduled reports whether the schedule has made a plan, and no person.
func (r *run) Scheduled() bool { return r.MadeByID == 0 }

// changeSchedule changes it, if the database does.
func (a *app) changeSchedule(ctx context.Context, change func(*schedule)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := *a.schedule.Load()
	change(&next)
	_, err := a.store.exec(ctx, `UPDATE schedule SET state = ?`, asJSON(next))
	if err == nil {
		a.schedule.Store(&next)
	}
	return err
}

// actOnSchedule lets it rest, or go on.
func (a *app) actOnSchedule(w http.ResponseWriter, r *http.Request) error {
	err := a.changeSchedule(r.Context(), func(s *schedule) {
		switch do := r.PostFormValue("do"); {
		case do == "pause" && s.PausedBy == "":
			s.PausedBy, s.PausedAt = a.account(r).Username, time.Now()
		case do == "resume":
			s.PausedBy = ""
		}
	})
	if err != nil {
		return err
	}
	return redirect(w, r, "/sync")
}

// keepSchedule runs what is due until ctx ends. Each tick is the time.
func (a *app) keepSchedule(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks:
			if err := a.tick(a.ctx, now); err != nil {
				a.logger.Error("the schedule", "error", err)
			}
		}
	}
}

// tick synchronizes everybody if it is due. While another run goes on, it stays due.
func (a *app) tick(ctx context.Context, now time.Time) error {
	s := *a.schedule.Load()
	if s.PausedBy != "" || now.Before(s.Due) {
		return nil
	}
	if running, err := a.store.running(ctx); err != nil || running != nil {
		return err
	}
	err := a.synchronize(ctx, &s.lastRun, now)
	switch {
	case violatesUnique(err), errors.Is(err, adsync.ErrLocked), ctx.Err() != nil: // another run was faster, or the application ends
		return ctx.Err()
	case err != nil:
		a.logger.Warn("the schedule", "error", err)
		s.State, s.Why, s.RunID = stateFailed, a.cutShort(ctx, err), ""
	}
	s.At = now
	a.tell(ctx, &s.lastRun)
	return a.changeSchedule(ctx, func(kept *schedule) {
		kept.Due, kept.lastRun = now.Truncate(a.every).Add(a.every), s.lastRun
		if errors.Is(err, activedirectory.ErrRefused) { // again and again would lock the account
			kept.PausedBy, kept.PausedAt = theSchedule, now
		}
	})
}

// synchronize plans for everybody, and applies the plan.
func (a *app) synchronize(ctx context.Context, last *lastRun, now time.Time) error {
	mark, daily := last.Mark, last.Full.YearDay() != now.YearDay()
	if daily {
		mark = nil
	}
	plan, err := a.plan(ctx, adsync.Rules{}, adsync.Since(mark))
	if err != nil {
		return err
	}
	if daily {
		plan.Reading.Full = "it was the first run of the day"
	}
	made, err := a.keepScheduled(ctx, plan, now)
	if err != nil {
		return err
	}
	report := &adsync.Report{Plan: plan, Results: make([]adsync.Result, len(plan.Changes))}
	last.State, last.Why, last.RunID, last.Reading = stateDone, "", "", plan.Reading
	if made != nil {
		if started, err := a.store.advance(ctx, made); err != nil || !started {
			return err
		}
		report = a.execute(made, plan)
		last.State, last.Why, last.RunID, last.Did = made.State, made.Note, made.ID, made.Writes()
	}
	if next := report.Mark(); next != nil {
		last.Mark = next
		if plan.Reading.Full != "" {
			last.Full = now
		}
	}
	return nil
}

// keepScheduled keeps a plan in place of the one of the schedule that may wait for an
// approval. If that is the same, it stays under its address. nil: there is nothing to write.
func (a *app) keepScheduled(ctx context.Context, plan *adsync.Plan, now time.Time) (*run, error) {
	made := &run{ID: rand.Text(), Kind: kindSync, Digest: plan.Digest(), MadeBy: theSchedule, RunBy: theSchedule, MadeAt: now, StartedAt: now}
	waiting, err := a.store.waiting(ctx)
	for _, old := range waiting {
		if !old.Scheduled() || err != nil {
			continue
		}
		if old.Digest == made.Digest {
			made.ID = old.ID
		}
		err = a.store.discardRun(ctx, old.ID)
	}
	if err != nil || !slices.ContainsFunc(plan.Changes, writes) {
		return nil, err
	}
	err = a.store.addRun(ctx, made, plan, now.Add(-a.keepPlans))
	made.State = stateRunning
	return made, err
}

// tell posts a notice, which names nobody, if the state is another than the one that was
// told last. Where that fails, it is tried again after the next run.
func (a *app) tell(ctx context.Context, last *lastRun) {
	if a.webhook != "" && last.State != cmp.Or(last.Told, stateDone) {
		text := strings.TrimSpace(say("notice", last.State) + " " + last.Why)
		err := a.post(ctx, map[string]any{"source": a.source, "state": last.State, "at": last.At, "text": text})
		if err != nil {
			a.logger.Error("nobody could be told how the schedule is doing", "error", err)
			return
		}
	}
	last.Told = last.State
}

// post sends JSON. The address may hold a secret, so that no error names it.
func (a *app) post(ctx context.Context, body any) error {
	ctx, cancel := context.WithTimeout(ctx, a.postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.webhook, strings.NewReader(asJSON(body)))
	if err != nil {
		return errors.New("the address of the webhook is wrong")
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.(*url.Error).Err // without the address
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return errors.New("the webhook answered " + answer.Status)
	}
	return nil
}
