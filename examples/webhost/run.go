package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-adsync/adsync"
)

// liveRun is a run of this process that is under way.
type liveRun struct {
	mu      sync.Mutex
	total   int
	done    int
	pending []record // not in the database yet
	summary []string // all is done but the book-keeping
	ended   chan struct{}
}

// state says how far the run is, and at its end what became of it.
func (l *liveRun) state() (done, total int, summary []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done, l.total, l.summary
}

// applyRun applies the very plan that was shown: the form carries its digest and
// nothing else of it.
func (a *app) applyRun(w http.ResponseWriter, r *http.Request) {
	planned := a.findRun(w, r, r.PathValue("id"))
	if planned == nil {
		return
	}
	if r.PostFormValue("digest") != planned.Digest {
		a.runPage(w, r, http.StatusConflict, "This is not the plan that is shown here. Nothing was changed.")
		return
	}
	planned.RunBy, planned.StartedAt = a.account(r).Username, time.Now()
	planned.Approved = r.PostFormValue("approve") == planned.Digest
	if _, err := a.start(r.Context(), planned); err != nil {
		status, text := a.whyNotStarted(r.Context(), err)
		a.runPage(w, r, status, text)
		return
	}
	http.Redirect(w, r, "/runs/"+planned.ID, http.StatusSeeOther)
}

// whyNotStarted tells a lock of the database from one of the runs.
func (a *app) whyNotStarted(ctx context.Context, cause error) (status int, text string) {
	other, err := a.store.running(ctx)
	if !busy(cause) && err == nil && other != nil {
		return http.StatusConflict, fmt.Sprintf("Another synchronization is running: %s started it at %s. This one was not started, and nothing was changed. Try again when that one is done.",
			other.RunBy, other.StartedAt.Format("15:04:05"))
	}
	a.logger.Warn("run not started", "error", cause)
	return explain(cause)
}

// start takes the lock and runs the plan in the background: it goes on when the
// browser is closed, with a deadline of its own. It reports false when this plan
// was started before, as by a second click.
func (a *app) start(ctx context.Context, r *run) (bool, error) {
	live := &liveRun{total: len(r.Plan.Changes), ended: make(chan struct{})}
	if !a.register(r.ID, live) {
		return false, nil
	}
	started, err := a.store.startRun(ctx, r)
	if err != nil || !started {
		a.unregister(r.ID)
		return false, err
	}
	a.runs.Go(func() {
		defer close(live.ended)
		defer a.unregister(r.ID)
		a.execute(r, live)
	})
	return true, nil
}

// register reports false when the run is under way already.
func (a *app) register(id string, live *liveRun) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.live[id] != nil {
		return false
	}
	a.live[id] = live
	return true
}

func (a *app) unregister(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.live, id)
}

func (a *app) liveRun(id string) *liveRun {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.live[id]
}

// execute applies the plan and keeps what became of it.
func (a *app) execute(r *run, live *liveRun) {
	ctx, cancel := context.WithTimeout(a.ctx, a.runTimeout)
	defer cancel()
	report, err := a.apply(ctx, r, live)
	r.State, r.EndedAt = stateDone, time.Now()
	var limit *adsync.LimitError
	switch {
	case errors.As(err, &limit):
		r.State = stateRefused
	case err != nil:
		r.State = stateFailed
	}
	switch {
	case err == nil:
	case wrote(report):
		r.Error = sentence(err) // explain would say that nothing was changed
	default:
		_, r.Error = explain(err)
	}
	r.Summary, r.Counts = report.Summary(), report.Counts()
	live.mu.Lock()
	live.summary = r.Summary
	live.mu.Unlock()
	a.keepEnd(r, recordsOf(report))
}

// wrote reports whether something was written, or may have been.
func wrote(report *adsync.Report) bool {
	return slices.ContainsFunc(report.Results, func(r adsync.Result) bool {
		return r.Outcome == adsync.OutcomeApplied || r.Outcome == adsync.OutcomeUnknown
	})
}

func (a *app) apply(ctx context.Context, r *run, live *liveRun) (*adsync.Report, error) {
	syncer, err := a.syncer(func(ctx context.Context, c adsync.Change, result adsync.Result) {
		a.onResult(ctx, r.ID, live, record{Result: result, Change: c})
	})
	if err != nil {
		return &adsync.Report{}, err
	}
	var approvals []adsync.Approval
	if r.Approved {
		approvals = append(approvals, adsync.Approval(r.Digest))
	}
	return syncer.Apply(ctx, r.Plan, approvals...)
}

// flushAt is how many results are kept at once.
const flushAt = 100

// onResult keeps results as they come, so that a crash leaves a true history. One
// that cannot be kept now is kept at the end.
func (a *app) onResult(ctx context.Context, id string, live *liveRun, r record) {
	live.mu.Lock()
	r.Index = live.done // results are told in the order of the changes
	live.done++
	live.pending = append(live.pending, r)
	var flush []record
	if len(live.pending) >= flushAt || live.done == live.total {
		flush, live.pending = live.pending, nil
	}
	live.mu.Unlock()
	if flush == nil {
		return
	}
	if err := a.store.addRecords(ctx, id, flush); err != nil {
		a.logger.Warn("history not kept yet", "run", id, "error", err)
	}
}

// recordsOf is the last word: the report has one result for each change.
func recordsOf(report *adsync.Report) []record {
	if report.Plan == nil {
		return nil
	}
	records := make([]record, len(report.Results))
	for i, result := range report.Results {
		records[i] = record{i, result, report.Plan.Changes[i]}
	}
	return records
}

// keepEnd goes on trying until the application is closed: what was done must get
// into the history, also when the database is locked for a while.
func (a *app) keepEnd(r *run, records []record) {
	for {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), 30*time.Second)
		err := a.store.finishRun(ctx, r, records)
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

// runPage is a plan: before, while and after it is applied.
type runPage struct {
	*run
	Rows        []changeRow
	Show        string // one Op, or "" for all
	Ops         []opCount
	Page, Pages int
	Writes      int
	Limit       *adsync.LimitError // beyond which the plan is
	Removed     []string           // who would be removed, by name
	Cleared     []string           // who would lose a value
	Failures    []changeRow
	Done, Total int
	Ended       []string // the summary, while the history cannot be written
}

// PageURL is another page of the same plan.
func (p runPage) PageURL(step int) string {
	return fmt.Sprintf("/runs/%s?show=%s&page=%d", p.ID, p.Show, p.Page+step)
}

type opCount struct {
	Op    adsync.Op
	Label string
	Count int
}

func (a *app) showRun(w http.ResponseWriter, r *http.Request) { a.runPage(w, r, http.StatusOK, "") }

// findRun returns nil when it has answered that there is none.
func (a *app) findRun(w http.ResponseWriter, r *http.Request, id string) *run {
	found, err := a.store.run(r.Context(), id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		a.notFound(w, r)
		return nil
	case err != nil:
		a.fail(w, r, err)
		return nil
	}
	return found
}

func (a *app) runPage(w http.ResponseWriter, r *http.Request, status int, alert string) {
	live := a.liveRun(r.PathValue("id")) // first: a run that ends in between is shown as ending, not as another's
	shown := a.findRun(w, r, r.PathValue("id"))
	if shown == nil {
		return
	}
	p := runPage{run: shown, Show: r.FormValue("show")}
	if live != nil && shown.State == stateRunning {
		p.Done, p.Total, p.Ended = live.state()
		a.render(w, r, status, "running.html", "Synchronizing", p)
		return
	}
	if err := a.fillRun(r, &p); err != nil {
		a.fail(w, r, err)
		return
	}
	name, title := "done.html", "Synchronization of "+shown.StartedAt.Format("2006-01-02 15:04")
	if shown.State == statePlanned || shown.State == stateRefused {
		name, title = "preview.html", "What will change"
	}
	a.renderAlert(w, r, status, name, title, alert, p)
}

// fillRun reads what the page shows of the changes.
func (a *app) fillRun(r *http.Request, p *runPage) error {
	records := map[int]record{}
	err := a.store.eachRecord(r.Context(), p.ID, func(r record) error {
		records[r.Index] = r
		return nil
	})
	if err != nil {
		return err
	}
	counts := map[adsync.Op]int{}
	var rows []changeRow
	for i, c := range p.Plan.Changes {
		if !c.Interim {
			counts[c.Op]++
		}
		row := rowOf(c)
		if kept, ok := records[i]; ok && p.State != stateRefused {
			row.setResult(kept.Result)
		}
		if row.Error != "" {
			p.Failures = append(p.Failures, row)
		}
		if p.Show == "" || p.Show == string(c.Op) {
			rows = append(rows, row)
		}
	}
	for _, op := range shownOps {
		if counts[op] > 0 {
			p.Ops = append(p.Ops, opCount{op, opTexts[op], counts[op]})
		}
	}
	p.Writes = counts[adsync.OpUpdate] + counts[adsync.OpDelete] + counts[adsync.OpCreate]
	if errors.As(p.Plan.Check(a.limits), &p.Limit) {
		p.Removed, p.Cleared = losses(p.Plan)
	}
	p.Page, _ = strconv.Atoi(r.FormValue("page"))
	p.Pages = max(1, (len(rows)+pageSize-1)/pageSize)
	p.Page = min(max(1, p.Page), p.Pages)
	p.Rows = rows[(p.Page-1)*pageSize : min(p.Page*pageSize, len(rows))]
	return nil
}

// progress tells how far a run is, as server-sent events, until it has ended or
// the browser is gone.
func (a *app) progress(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	live := a.liveRun(r.PathValue("id"))
	for live != nil {
		done, total, _ := live.state()
		_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second)) // not every writer has one
		if _, err := fmt.Fprintf(w, "data: %d %d\n\n", done, total); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-live.ended:
			live = nil
		case <-time.After(250 * time.Millisecond):
		}
	}
	_, _ = fmt.Fprint(w, "event: end\ndata: end\n\n") // the page is loaded anew then
}
