package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-adsync/adsync"
)

// actOnRun does what the pressed button says: apply the plan, reject or discard it, or
// make it again.
func (a *app) actOnRun(w http.ResponseWriter, r *http.Request) error {
	planned, err := a.store.run(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	switch r.PostFormValue("do") {
	case "again":
		return a.planAgain(w, r, planned)
	case "reject":
		return a.reject(w, r, planned)
	case "discard":
		if err := a.store.discardRun(r.Context(), planned.ID); err != nil {
			return err
		}
		return redirect(w, r, "/history")
	}
	return a.applyRun(w, r, planned)
}

// applyRun applies the very plan that was shown: the form carries its digest and
// nothing else of it.
func (a *app) applyRun(w http.ResponseWriter, r *http.Request, planned *run) error {
	if r.PostFormValue("digest") != planned.Digest {
		return a.runPage(w, r, http.StatusConflict, "This is not the plan that is shown here. Nothing was changed.")
	}
	if planned.Waits() && time.Since(planned.MadeAt) > a.planAge {
		return a.runPage(w, r, http.StatusConflict, "This plan is too old: too much may have changed since. Nothing was changed. Plan again.")
	}
	if status, alert := a.approve(r, planned); planned.Waits() && alert != "" {
		return a.runPage(w, r, status, alert)
	}
	planned.State, planned.RunBy, planned.StartedAt = stateRunning, a.account(r).Username, time.Now()
	plan, err := a.store.plan(r.Context(), planned)
	if err != nil {
		return err
	}
	started, err := a.store.advance(r.Context(), planned)
	if err != nil {
		a.logger.Warn("run not started", "error", err)
		status, text := a.explain(r.Context(), err)
		return a.runPage(w, r, status, text)
	}
	if started { // not so after a second click
		a.background.Go(func() { a.execute(planned, plan) })
	}
	return redirect(w, r, "/runs/"+planned.ID)
}

// execute applies the plan of a run that has started, and keeps what became of it. It goes
// on when the browser is closed, with a deadline of its own.
func (a *app) execute(r *run, plan *adsync.Plan) *adsync.Report {
	a.runs.Add(1)
	defer a.runs.Add(1)
	ctx, cancel := context.WithTimeout(a.ctx, a.runTimeout)
	defer cancel()
	report, err := a.apply(ctx, r, plan)
	r.EndedAt, r.Tally = time.Now(), tallyOf(report)
	var limit *adsync.LimitError
	switch wrote := r.Tally.Written() + r.Tally.Unknown; {
	case errors.As(err, &limit):
		r.State, r.Beyond, limit.Plan = stateRefused, limit, nil
	case err == nil && report.Err() == nil:
		r.State = stateDone
	case wrote > 0:
		r.State = statePartly
	default:
		r.State = stateFailed
	}
	if err != nil && limit == nil {
		a.logger.Warn("run ended before its end", "run", r.ID, "error", err)
		r.Note = a.cutShort(a.ctx, err)
	}
	a.keepEnd(r, report.Results)
	return report
}

// apply keeps results as they come, so that a crash leaves a true history and the page
// shows how far the run is. What cannot be kept now is kept at the end.
func (a *app) apply(ctx context.Context, r *run, plan *adsync.Plan) (*adsync.Report, error) {
	told, pending := 0, []adsync.Result{}
	syncer, err := a.syncer(adsync.Rules{}, func(ctx context.Context, c adsync.Change, result adsync.Result) {
		told++
		if pending = append(pending, result); len(pending) < batchSize && told < len(plan.Changes) {
			return
		}
		err := a.store.inTx(ctx, func(t *tx) { t.addResults(r.ID, told-len(pending), pending) })
		if err != nil {
			a.logger.Warn("history not kept yet", "run", r.ID, "error", err)
		}
		pending = nil
	})
	if err != nil {
		return &adsync.Report{}, err
	}
	var approvals []adsync.Approval
	if r.Approved {
		approvals = append(approvals, adsync.Approval{Digest: r.Digest, At: r.StartedAt, By: r.RunBy})
	}
	return syncer.Apply(ctx, plan, approvals...)
}

// keepEnd goes on trying until the application is closed: what was done must get
// into the history, also when the database is locked for a while.
func (a *app) keepEnd(r *run, results []adsync.Result) {
	for {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), 30*time.Second)
		err := a.store.finishRun(ctx, r, results)
		cancel()
		if err == nil {
			return
		}
		a.logger.Error("the end of a run is not in the history yet", "run", r.ID, "error", err)
		select {
		case <-a.ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// settleInterrupted ends the runs that a crash has cut off. What they had not noted by
// then is read off the users themselves: who is as the plan wants is written, who is as
// before is not, and of others it is not known. Hosts of several processes give each
// run a lease instead, lest one ends another's.
func (a *app) settleInterrupted(ctx context.Context) error {
	cut, err := a.store.running(ctx)
	if err != nil || cut == nil {
		return err
	}
	now := map[string]*adsync.User{} // by ID, and by the account they are linked to
	for u, err := range a.config.users.Users(ctx) {
		if err != nil {
			return err
		}
		now[u.ID] = &u
		if u.Source == a.source {
			now[u.ObjectID.String()] = &u
		}
	}
	report := &adsync.Report{Plan: &cut.Header}
	untouched := map[string]bool{} // by a run that would have parked them first
	err = a.store.eachRecord(ctx, cut.ID, inOrder, func(rec record) error {
		if rec.Outcome == "" {
			rec.Result = outcomeOf(rec.Change, now, untouched)
		}
		report.Plan.Changes = append(report.Plan.Changes, rec.Change)
		report.Results = append(report.Results, rec.Result)
		return nil
	})
	if err != nil {
		return err
	}
	cut.State, cut.EndedAt, cut.Tally = stateInterrupted, time.Now(), tallyOf(report)
	cut.Header.Changes = nil
	return a.store.finishRun(ctx, cut, report.Results)
}

// outcomeOf reads off the user what became of a change.
func outcomeOf(c adsync.Change, users map[string]*adsync.User, untouched map[string]bool) adsync.Result {
	if !writes(c) {
		return adsync.Result{UserID: c.UserID, Outcome: adsync.OutcomeSkipped}
	}
	key := c.UserID
	if c.Op == adsync.OpCreate {
		key = c.ObjectID.String()
	}
	now, result := users[key], adsync.Result{UserID: c.UserID, Outcome: adsync.OutcomeUnknown}
	switch err := c.Guard(now); {
	case errors.Is(err, adsync.ErrAlready):
		result.Outcome = adsync.OutcomeApplied
		if now != nil {
			result.UserID = now.ID
		}
	case err == nil, untouched[key]:
		result.Outcome = adsync.OutcomeNotAttempted
		untouched[key] = untouched[key] || c.Interim
	}
	return result
}
