package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-adsync/adsync"
)

// runPage is a plan: before, while and after it is applied.
type runPage struct {
	*run
	Writes      string // "7 updates, 2 deletions"; "" when there is nothing to write
	Approval    *approval
	Summary     []string
	Failures    []changeRow // who was not written, and why; the first of them
	Left        int         // users to plan for again
	Parked      int         // users who make way for a moment
	Ops         []opCount
	Show        string // one of them, or "" for all
	Rows        []changeRow
	Page, Pages int

	Done, Total int // of a run that is under way
	Live        bool
	Old         bool // too much may have changed since it was made
}

// Elapsed is how many seconds the run goes on.
func (p runPage) Elapsed() int { return int(time.Since(p.StartedAt).Seconds()) }

// Ended reports whether there is a result for each change.
func (p runPage) Ended() bool {
	return !p.Waits() && p.State != stateRejected && p.State != stateRunning
}

type opCount struct {
	Op    adsync.Op
	Text  string
	Count int
}

func (a *app) runPage(w http.ResponseWriter, r *http.Request, status int, alert string) error {
	id := r.PathValue("id")
	if making := a.job(id); making != nil && !making.over() {
		return a.render(w, r, http.StatusOK, "running.html", "Reading Active Directory", "", runPage{run: &run{ID: id, StartedAt: making.started}})
	} else if making != nil && making.err != nil {
		return making.err
	}
	live := a.liveRun(id) // first: a run that ends in between is shown as ending, not as another's
	found, err := a.store.run(r.Context(), id)
	if err != nil {
		return err
	}
	p := runPage{run: found, Show: r.FormValue("show"), Old: time.Since(found.MadeAt) > a.planAge}
	if live != nil && found.State == stateRunning {
		p.Live, p.Total = true, live.total
		p.Done, p.Summary = live.state()
		return a.render(w, r, status, "running.html", "Synchronizing", alert, p)
	}
	if err := a.fillRun(r, &p); err != nil {
		return err
	}
	if found.Waits() {
		return a.render(w, r, status, "preview.html", "What will change", alert, p)
	}
	return a.render(w, r, status, "done.html", "Synchronization", alert, p)
}

// fillRun reads what the page shows of the changes.
func (a *app) fillRun(r *http.Request, p *runPage) (err error) {
	ctx := r.Context()
	counts, err := a.store.opCounts(ctx, p.ID)
	if err != nil {
		return err
	}
	p.Writes, p.Parked, p.Summary = writesText(counts), counts[opInterim], summary(p.run)
	shown := 0
	for _, op := range ops {
		n := counts[string(op.Op)]
		if n > 0 {
			p.Ops = append(p.Ops, opCount{op.Op, op.Many, n})
		}
		if p.Show == "" || p.Show == string(op.Op) {
			shown += n
		}
	}
	p.Page, _ = strconv.Atoi(r.FormValue("page"))
	p.Pages = max(1, (shown+pageSize-1)/pageSize)
	p.Page = min(max(1, p.Page), p.Pages)
	condition, args := `AND op <> ?`, []any{opInterim}
	if p.Show != "" {
		condition, args = `AND op = ?`, []any{p.Show}
	}
	p.Rows, err = a.rows(ctx, p.run, condition+` ORDER BY CASE op WHEN 'delete' THEN 1 WHEN 'update' THEN 2 WHEN 'create' THEN 3 ELSE 4 END, name, idx LIMIT ? OFFSET ?`,
		append(args, pageSize, (p.Page-1)*pageSize)...)
	if err == nil && p.Ended() {
		err = a.fillFailures(ctx, p)
	}
	if err == nil && !p.Ended() {
		p.Approval, err = a.approvalOf(ctx, p.run, a.account(r))
	}
	return err
}

// maxFailures is how many failures the message box names; all are in the table.
const maxFailures = 20

func (a *app) fillFailures(ctx context.Context, p *runPage) error {
	left, err := a.store.left(ctx, p.ID)
	if err != nil {
		return err
	}
	p.Left = len(left)
	p.Failures, err = a.rows(ctx, p.run, `AND outcome NOT IN ('', 'applied', 'already', 'skipped', 'not-attempted') OR run_id = ? AND error <> '' ORDER BY name, idx LIMIT ?`, p.ID, maxFailures)
	return err
}

func (a *app) rows(ctx context.Context, r *run, tail string, args ...any) (rows []changeRow, err error) {
	var changes []adsync.Change
	err = a.store.eachRecord(ctx, r.ID, tail, func(rec record) error {
		row := rowOf(rec.Shown)
		if r.State != stateRefused {
			row.setResult(rec)
		}
		rows, changes = append(rows, row), append(changes, rec.Change)
		return nil
	}, args...)
	for i := 0; i < len(rows) && err == nil; i++ {
		rows[i].Conflicts, err = a.store.conflictsOf(ctx, changes[i])
	}
	return rows, err
}
