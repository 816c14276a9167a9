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

// historyPage lists the plans that wait, and the runs, the latest first.
type historyPage struct {
	Waiting []runPage
	Runs    []*run
	Page    int
	More    bool
	keep    time.Duration
}

// Days is after how many days a plan that nobody applies is deleted.
func (p historyPage) Days() int { return int(p.keep.Hours()+23) / 24 }

func (a *app) history(w http.ResponseWriter, r *http.Request) error {
	n, _ := strconv.Atoi(r.FormValue("page"))
	n = max(1, n)
	runs, err := a.store.runs(r.Context(), `started_at > 0 ORDER BY started_at DESC, id LIMIT ? OFFSET ?`, pageSize+1, (n-1)*pageSize)
	if err != nil {
		return err
	}
	p := historyPage{Runs: runs[:min(len(runs), pageSize)], Page: n, More: len(runs) > pageSize, keep: a.keepPlans}
	waiting, err := a.store.waiting(r.Context())
	for i := 0; i < len(waiting) && err == nil; i++ {
		var counts map[string]int
		counts, err = a.store.opCounts(r.Context(), waiting[i].ID)
		p.Waiting = append(p.Waiting, runPage{run: waiting[i], Old: time.Since(waiting[i].MadeAt) > a.planAge, Writes: writesText(counts)})
	}
	if err != nil {
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
		row := rowOf(rec.Shown)
		row.setResult(rec)
		lines := row.Diffs
		switch {
		case rec.Change.Op == adsync.OpDelete:
			u := rec.Shown.Before
			lines = []diff{{"All", strings.Join([]string{u.FirstName, u.LastName, u.Username, u.Email, u.Phone}, " "), ""}}
		case len(lines) == 0:
			lines = []diff{{}}
		}
		result := row.Result
		if result == "" && writes(rec.Change) {
			result = "Not applied yet"
		}
		for _, d := range lines {
			line(utc(found.MadeAt), utc(found.StartedAt), found.RunBy, rec.UserID, row.Username, row.Name, row.What, row.Reason, d.Field, d.Old, d.New, result, row.Error)
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
