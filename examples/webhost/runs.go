package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/go-adsync/adsync"
)

// The states of a run.
const (
	statePlanned     = "planned"
	stateRunning     = "running"
	stateDone        = "done"
	statePartly      = "partly"   // some changes were written, and some were not
	stateRefused     = "refused"  // beyond the limits: nothing was changed
	stateRejected    = "rejected" // by a person
	stateFailed      = "failed"   // nothing was written
	stateInterrupted = "interrupted"
)

// run is a plan, and what became of it.
type run struct {
	ID, Kind, State, Digest    string
	Header                     adsync.Plan        // without its changes
	Counts                     map[adsync.Op]int  // of its changes
	Parked                     int                // users who make way for a moment, beside those
	Items                      []string           // for whom it was made: IDs of users, or of accounts to import
	Beyond                     *adsync.LimitError // which limit it is beyond, without the plan
	MadeBy, RunBy              string             // who planned it; who applied or rejected it
	MadeByID                   int64
	MadeAt, StartedAt, EndedAt time.Time
	Approved                   bool
	Note                       string // what went wrong, or why it was rejected
	Tally                      tally
}

// The kinds of runs.
const (
	kindSync   = "sync"
	kindImport = "import"
)

// tally counts users by what became of them.
type tally struct {
	adsync.Counts
	Given      int // users who got a role
	Taken      int // users who lost one
	NotReached int `json:"not_reached"`
	Unknown    int `json:"unknown"` // whether they were written; among Failed, too
}

// Refused counts whom it could not write.
func (t tally) Refused() int { return t.Failed - t.Unknown }

// Written counts whom it changed.
func (t tally) Written() int { return t.Modified + t.Deleted + t.Created + t.Deactivated }

func tallyOf(report *adsync.Report) tally {
	t := tally{Counts: report.Counts()}
	for i, result := range report.Results {
		switch c := report.Plan.Changes[i]; {
		case !writes(c) || c.Interim:
		case result.Outcome == adsync.OutcomeNotAttempted:
			t.NotReached++
		case result.Outcome == adsync.OutcomeUnknown:
			t.Unknown++
		case result.Outcome == adsync.OutcomeApplied && c.Op == adsync.OpUpdate:
			for _, d := range diffs(c) {
				t.Given, t.Taken = t.Given+min(1, len(d.Given)), t.Taken+min(1, len(d.Taken))
			}
		}
	}
	return t
}

func writes(c adsync.Change) bool {
	return c.Op == adsync.OpUpdate || c.Op == adsync.OpDelete || c.Op == adsync.OpCreate
}

// Waits reports whether it can be applied.
func (r *run) Waits() bool { return r.State == statePlanned || r.State == stateRefused }

// addRun keeps a plan on the server; browsers only ever get its digest. Plans that
// nobody applied since purge go.
func (s *store) addRun(ctx context.Context, r *run, plan *adsync.Plan, purge time.Time) error {
	r.State, r.Header = statePlanned, *plan
	r.Header.Changes, r.Counts, r.Parked = nil, map[adsync.Op]int{}, 0
	return s.inTx(ctx, func(t *tx) {
		t.deleteRuns(`state IN (?, ?) AND made_at < ?`, statePlanned, stateRefused, purge.Unix())
		was := map[string]*adsync.User{}
		for i, c := range plan.Changes {
			op := string(c.Op)
			if c.Interim {
				op, was[c.UserID] = opInterim, c.Before
				r.Parked++
			} else {
				r.Counts[c.Op]++
			}
			t.exec(`INSERT INTO run_changes (run_id, idx, op, loses, name, user_id, change, was) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				r.ID, i, op, len(losses(c)) > 0, sortName(c), c.UserID, asJSON(c), asJSON(was[c.UserID]))
		}
		t.exec(`INSERT INTO runs (id, state, made_at, run) VALUES (?, ?, ?, ?)`, r.ID, r.State, r.MadeAt.Unix(), asJSON(r))
	})
}

const opInterim = "interim"

func (t *tx) deleteRuns(where string, args ...any) {
	t.exec(`DELETE FROM run_changes WHERE run_id IN (SELECT id FROM runs WHERE `+where+`)`, args...)
	t.exec(`DELETE FROM runs WHERE `+where, args...)
}

// discardRun forgets a plan that was never applied.
func (s *store) discardRun(ctx context.Context, id string) error {
	return s.inTx(ctx, func(t *tx) { t.deleteRuns(`id = ? AND state IN (?, ?)`, id, statePlanned, stateRefused) })
}

func (s *store) run(ctx context.Context, id string) (*run, error) {
	runs, err := s.runs(ctx, `id = ?`, id)
	if err == nil && len(runs) == 0 {
		err = sql.ErrNoRows
	}
	return append(runs, nil)[0], err
}

// runs lists those that meet the condition.
func (s *store) runs(ctx context.Context, condition string, args ...any) (runs []*run, err error) {
	texts, err := s.texts(ctx, `SELECT run FROM runs WHERE `+condition, args...)
	for _, text := range texts {
		r := &run{}
		runs, err = append(runs, r), errors.Join(err, json.Unmarshal([]byte(text), r))
	}
	return runs, err
}

// waiting lists the plans that can be applied, the latest first.
func (s *store) waiting(ctx context.Context) ([]*run, error) {
	return s.runs(ctx, `state IN (?, ?) ORDER BY made_at DESC, id`, statePlanned, stateRefused)
}

// running is the run that holds the lock, or nil.
func (s *store) running(ctx context.Context) (*run, error) {
	runs, err := s.runs(ctx, `state = ?`, stateRunning)
	return append(runs, nil)[0], err
}

// advance keeps a plan that waited in its new state, and reports false when it had left
// that state before. A run takes the lock so: a violation of the index runs_one means
// that another holds it.
func (s *store) advance(ctx context.Context, r *run) (bool, error) {
	n, err := s.exec(ctx, `UPDATE runs SET state = ?, started_at = ?, run = ? WHERE id = ? AND state IN (?, ?)`,
		r.State, r.StartedAt.Unix(), asJSON(r), r.ID, statePlanned, stateRefused)
	return n == 1, err
}

// reached counts the users for whom there is a result.
func (s *store) reached(ctx context.Context, id string) (n int, err error) {
	err = s.row(ctx, `SELECT count(*) FROM run_changes WHERE run_id = ? AND outcome <> '' AND op IN ('update', 'delete', 'create')`, id).Scan(&n)
	return n, err
}

// record is a change and what became of it.
type record struct {
	adsync.Result
	Change adsync.Change
	Shown  adsync.Change // to people, who need not know of temporary values
	Words  string        // the error, for administrators
}

// addResults keeps the results of the changes from the first on.
func (t *tx) addResults(id string, first int, results []adsync.Result) {
	for i, r := range results {
		t.exec(`UPDATE run_changes SET outcome = ?, user_id = ?, error = coalesce(nullif(?, ''), error) WHERE run_id = ? AND idx = ?`,
			string(r.Outcome), r.UserID, failure(r), id, first+i)
	}
}

// finishRun keeps the end of a run, gives the lock back, and forgets the comparisons,
// which show what was before. Where something was written, nobody is chosen any more.
func (s *store) finishRun(ctx context.Context, r *run, results []adsync.Result) error {
	return s.inTx(ctx, func(t *tx) {
		t.addResults(r.ID, 0, results)
		t.exec(`DELETE FROM comparisons`)
		if r.State == stateDone || r.State == statePartly {
			t.exec(`DELETE FROM chosen WHERE account_id = ? AND list = ?`, r.MadeByID, "/"+r.Kind)
		}
		t.exec(`UPDATE runs SET state = ?, run = ? WHERE id = ?`, r.State, asJSON(r), r.ID)
	})
}

// plan puts a plan together again.
func (s *store) plan(ctx context.Context, r *run) (*adsync.Plan, error) {
	plan := r.Header
	plan.Changes = []adsync.Change{}
	err := s.eachRecord(ctx, r.ID, inOrder, func(rec record) error {
		plan.Changes = append(plan.Changes, rec.Change)
		return nil
	})
	return &plan, err
}

const inOrder = ` ORDER BY idx`

// eachRecord reads changes of a run, and what became of them; the tail says which,
// and in which order.
func (s *store) eachRecord(ctx context.Context, id, tail string, f func(record) error, args ...any) error {
	return s.each(ctx, func(rows *sql.Rows) error {
		var r record
		var change, before string
		if err := rows.Scan(&r.Outcome, &r.UserID, &r.Words, &change, &before); err != nil {
			return err
		}
		var was *adsync.User
		if err := errors.Join(json.Unmarshal([]byte(change), &r.Change), json.Unmarshal([]byte(before), &was)); err != nil {
			return err
		}
		r.Shown = r.Change
		if was != nil && r.Change.Before != nil {
			r.Shown.Before = was
		}
		return f(r)
	}, `SELECT outcome, user_id, error, change, was FROM run_changes WHERE run_id = ? `+tail, append([]any{id}, args...)...)
}

// sameUsers are those of the IDs who are still imported from the directory.
func (s *store) sameUsers(ctx context.Context, ids []string, source string) ([]string, error) {
	now, err := s.texts(ctx, `SELECT item FROM list_sync WHERE directory = ? ORDER BY item`, source)
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, same := slices.BinarySearch(now, id)
		return !same
	}), err
}
