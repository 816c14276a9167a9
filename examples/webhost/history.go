package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// historyPage lists the runs, the latest first.
type historyPage struct {
	Runs []*run
	Page int
	More bool
}

// PageURL is another page of the list.
func (p historyPage) PageURL(step int) string { return "/history?page=" + strconv.Itoa(p.Page+step) }

func (a *app) history(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("page"))
	if err != nil || n < 1 {
		n = 1
	}
	runs, err := a.store.runs(r.Context(), pageSize+1, (n-1)*pageSize)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	p := historyPage{Runs: runs[:min(len(runs), pageSize)], Page: n, More: len(runs) > pageSize}
	a.render(w, r, http.StatusOK, "history.html", "History", p)
}

// download gives a run as <id>.csv or <id>.json.
func (a *app) download(w http.ResponseWriter, r *http.Request) {
	id, kind, _ := strings.Cut(r.PathValue("file"), ".")
	write := map[string]func(http.ResponseWriter, *http.Request, *run) error{"csv": a.writeCSV, "json": a.writeJSON}[kind]
	if write == nil {
		a.notFound(w, r)
		return
	}
	shown := a.findRun(w, r, id)
	if shown == nil {
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="synchronization-`+shown.StartedAt.UTC().Format("20060102-150405")+"."+kind+`"`)
	if err := write(w, r, shown); err != nil {
		a.logger.Error("download broken off", "run", shown.ID, "error", err)
		panic(http.ErrAbortHandler) // so that the browser knows that the file is not whole
	}
}

// writeCSV has a line for each detail, and one for what changes none.
func (a *app) writeCSV(w http.ResponseWriter, r *http.Request, shown *run) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	out := csv.NewWriter(w)
	line := func(cells ...string) error {
		for i, cell := range cells {
			cells[i] = defused(cell)
		}
		return out.Write(cells)
	}
	if err := line("time", "by", "change", "operation", "reason", "user id", "username", "field", "old", "new", "outcome", "error"); err != nil {
		return err
	}
	err := a.store.eachRecord(r.Context(), shown.ID, func(rec record) error {
		row := rowOf(rec.Change)
		row.setResult(rec.Result)
		lines := row.Diffs
		if len(lines) == 0 {
			lines = []diff{{}}
		}
		for _, d := range lines {
			err := line(shown.StartedAt.UTC().Format(time.RFC3339), shown.RunBy, strconv.Itoa(rec.Index+1), string(row.Op), string(rec.Change.Reason),
				rec.UserID, row.Username, d.Field, d.Old, d.New, string(row.Outcome), row.Error)
			if err != nil {
				return err
			}
		}
		return nil
	})
	out.Flush()
	return errors.Join(err, out.Error())
}

// defused keeps spreadsheets from running what somebody wrote into a name: a cell
// that would be taken for a formula becomes text.
func defused(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// writeJSON gives everything, exactly as it was.
func (a *app) writeJSON(w http.ResponseWriter, r *http.Request, shown *run) error {
	w.Header().Set("Content-Type", "application/json")
	changes := []json.RawMessage{}
	err := a.store.eachRecord(r.Context(), shown.ID, func(rec record) error {
		result, err := json.Marshal(rec.Result) // it would hide the change beside it
		changes = append(changes, json.RawMessage(`{"result":`+string(result)+`,"change":`+asJSON(rec.Change)+`}`))
		return err
	})
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(map[string]any{
		"kind": shown.Kind, "state": shown.State, "run_by": shown.RunBy, "made_by": shown.MadeBy, "approved": shown.Approved,
		"started_at": shown.StartedAt.UTC(), "ended_at": shown.EndedAt.UTC(), "digest": shown.Digest,
		"summary": shown.Summary, "counts": shown.Counts, "error": shown.Error, "changes": changes,
	})
}
