package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
)

// runPage is a plan: before, while and after it is applied.
type runPage struct {
	*run
	lookup
	Show        string // an operation, or "" for all
	Page, Pages int
	Done        int  // of the users to write, while it is under way
	Old         bool // too much may have changed since it was made
	MayApprove  bool // otherwise somebody else has to
}

// Elapsed is how many seconds the run goes on.
func (p runPage) Elapsed() int { return int(time.Since(p.StartedAt).Seconds()) }

// Total is how many users are to be written.
func (p runPage) Total() int {
	return p.Counts[adsync.OpUpdate] + p.Counts[adsync.OpDelete] + p.Counts[adsync.OpCreate]
}

// Ended reports whether there is a result for each change.
func (p runPage) Ended() bool {
	return !p.Waits() && p.State != stateRejected && p.State != stateRunning
}

func (a *app) runPage(w http.ResponseWriter, r *http.Request, status int, alert string) error {
	id := r.PathValue("id")
	if making := a.job(id); making != nil && !making.over() {
		return a.render(w, r, http.StatusOK, "running.html", "Reading Active Directory", "", runPage{run: &run{ID: id, StartedAt: making.started}})
	} else if making != nil && making.err != nil {
		return making.err
	}
	found, err := a.store.run(r.Context(), id)
	if err != nil {
		return err
	}
	p := runPage{
		run: found, lookup: lookup{r.Context(), a.store}, Show: r.FormValue("show"),
		Old: time.Since(found.MadeAt) > a.planAge, MayApprove: a.mayApprove(found, a.account(r)),
	}
	if found.State == stateRunning {
		if p.Done, err = a.store.reached(r.Context(), id); err != nil {
			return err
		}
		return a.render(w, r, status, "running.html", "Synchronizing", alert, p)
	}
	shown := 0
	for op, n := range p.Counts {
		if p.Show == "" || p.Show == string(op) {
			shown += n
		}
	}
	p.Page, _ = strconv.Atoi(r.FormValue("page"))
	p.Pages = max(1, (shown+pageSize-1)/pageSize)
	p.Page = min(max(1, p.Page), p.Pages)
	if found.Waits() {
		return a.render(w, r, status, "preview.html", "What will change", alert, p)
	}
	return a.render(w, r, status, "done.html", "Synchronization", alert, p)
}

// Rows are the changes of the page.
func (p runPage) Rows() ([]changeRow, error) {
	return p.rows(`AND op <> ? AND ? IN ('', op) ORDER BY CASE op WHEN 'delete' THEN 1 WHEN 'update' THEN 2 WHEN 'create' THEN 3 ELSE 4 END, name, idx LIMIT ? OFFSET ?`,
		opInterim, p.Show, pageSize, (p.Page-1)*pageSize)
}

// Failures are who was not written, and why; the first of them.
func (p runPage) Failures() ([]changeRow, error) {
	return p.rows(`AND outcome NOT IN ('', 'applied', 'already', 'skipped', 'not-attempted') OR run_id = ? AND error <> '' ORDER BY name, idx LIMIT 20`, p.ID)
}

// Left are whom to plan for again.
func (p runPage) Left() ([]string, error) { return p.store.left(p.ctx, p.ID) }

func (p runPage) rows(tail string, args ...any) (rows []changeRow, err error) {
	err = p.store.eachRecord(p.ctx, p.ID, tail, func(rec record) error {
		row := p.rowOf(rec.Shown)
		if p.State != stateRefused {
			row.Result, row.Error = say("outcome", rec.Outcome), rec.Words
		}
		rows = append(rows, row)
		return nil
	}, args...)
	return rows, err
}

// historyPage lists the plans that wait, and the runs, the latest first.
type historyPage struct {
	Waiting []*run
	Old     time.Time // when a plan was made that is too old now
	Runs    []*run
	Page    int
	More    bool
	Days    int // after which a plan that nobody applies is deleted
}

func (a *app) history(w http.ResponseWriter, r *http.Request) error {
	n, _ := strconv.Atoi(r.FormValue("page"))
	n = max(1, n)
	runs, err := a.store.runs(r.Context(), `started_at > 0 ORDER BY started_at DESC, id LIMIT ? OFFSET ?`, pageSize+1, (n-1)*pageSize)
	if err != nil {
		return err
	}
	p := historyPage{Runs: runs[:min(len(runs), pageSize)], Page: n, More: len(runs) > pageSize, Days: int(a.keepPlans.Hours()+23) / 24}
	p.Old = time.Now().Add(-a.planAge)
	if p.Waiting, err = a.store.waiting(r.Context()); err != nil {
		return err
	}
	return a.render(w, r, http.StatusOK, "history.html", "History", "", p)
}

// download gives a plan, and what became of it, as <id>.csv or <id>.json.
func (a *app) download(w http.ResponseWriter, r *http.Request) error {
	id, kind, _ := strings.Cut(r.PathValue("file"), ".")
	write := map[string]func(http.ResponseWriter, *http.Request, *run) error{"csv": a.writeCSV, "json": a.writeJSON}[kind]
	if write == nil {
		return a.notFound(w, r)
	}
	found, err := a.store.run(r.Context(), id)
	if err != nil {
		return err
	}
	name := found.Kind + "-" + found.MadeAt.UTC().Format("20060102-150405")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+"."+kind+`"`)
	if err := write(w, r, found); err != nil {
		a.logger.Error("download broken off", "run", found.ID, "error", err)
		panic(http.ErrAbortHandler) // so that the browser knows that the file is not whole
	}
	return nil
}

// writeCSV has a line for each detail, and one for a deletion and for what changes
// none. Spreadsheets take it for UTF-8 by the mark at its beginning.
func (a *app) writeCSV(w http.ResponseWriter, r *http.Request, found *run) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	out := bufio.NewWriter(w)
	_, _ = out.WriteString("\ufeff") // a writer keeps its first error until Flush
	line := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = `"` + strings.ReplaceAll(defused(cell), `"`, `""`) + `"`
		}
		_, _ = out.WriteString(strings.Join(cells, ",") + "\r\n")
	}
	line("planned", "started", "by", "user id", "username", "name", "what", "reason", "detail", "old", "new", "outcome", "error")
	err := a.store.eachRecord(r.Context(), found.ID, `AND (op <> ? OR error <> '')`+inOrder, func(rec record) error {
		row := lookup{r.Context(), a.store}.rowOf(rec.Shown)
		row.Result, row.Error = say("outcome", rec.Outcome), rec.Words
		lines := row.Diffs
		switch {
		case rec.Change.Op == adsync.OpDelete:
			u := rec.Shown.Before
			lines = []diff{{Field: "All", Old: strings.TrimSpace(strings.Join([]string{u.FirstName, u.LastName, u.Username, u.Email, u.Phone, u.Get(fieldDepartment)}, " "))}}
		case len(lines) == 0:
			lines = []diff{{}}
		}
		result := row.Result
		if result == "" && writes(rec.Change) {
			result = "Not applied yet"
		}
		for _, d := range lines {
			line(utc(found.MadeAt), utc(found.StartedAt), found.RunBy, rec.UserID, row.Username, row.Name, say("what", rec.Shown), say("reason", rec.Shown), d.Field, d.Old, d.New, result, row.Error)
		}
		return nil
	}, opInterim)
	return errors.Join(err, out.Flush())
}

func utc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// formula finds what a spreadsheet would take for the beginning of one: the signs, of
// full width too, at the beginning of a cell or after whatever another spreadsheet takes
// for the end of one.
var formula = regexp.MustCompile(`(^|[,;|\t\r\n])([\s'"\pZ\p{Cc}\p{Cf}]*)([=+\-@＝＋－＠﹢﹣﹦﹫])`)

// defused keeps spreadsheets from running what somebody wrote into a name: it becomes
// text.
func defused(cell string) string {
	return formula.ReplaceAllString(cell, "$1$2'$3")
}

// writeJSON gives everything, exactly as it was.
func (a *app) writeJSON(w http.ResponseWriter, r *http.Request, found *run) error {
	w.Header().Set("Content-Type", "application/json")
	changes := []any{}
	err := a.store.eachRecord(r.Context(), found.ID, inOrder, func(rec record) error {
		changes = append(changes, map[string]any{
			"change": rec.Change, "outcome": rec.Outcome, "user_id": rec.UserID, "error": rec.Words,
		})
		return nil
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(map[string]any{"run": found, "changes": changes})
}
