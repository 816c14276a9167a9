package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-adsync/adsync"
)

// syncList shows those imported from the directory that is configured here.
func (a *app) syncList() list {
	return list{path: "/sync", title: "Active Directory Synchronization", look: a.compareUsers, source: a.source, preset: anyState}
}

// comparison is a look at the directory for a list: what a sync would do with whom,
// and whom one could import. It applies nothing. One is good for a while and for all
// who look at the list.
type comparison struct {
	Made     time.Time
	Warnings []string
	Trouble  string // why there is no newer one
	Running  *run   // who is writing in the meantime, so that there is none
	Reading  bool   // a newer one is on its way
}

// failureAge is how long a failed comparison is not tried again: nobody waits for a
// dead controller on every page.
const failureAge = 30 * time.Second

// compare makes sure that the list has a comparison that is new enough, and waits a
// moment for it. While a run writes none is made: it would show what is no longer true.
func (a *app) compare(r *http.Request, from list) (*comparison, error) {
	if from.look == nil {
		return nil, nil
	}
	c := &comparison{}
	var err error
	if c.Running, err = a.store.running(r.Context()); err != nil {
		return nil, err
	}
	if err := a.store.comparison(r.Context(), from.path, c); err != nil {
		return nil, err
	}
	latest := a.job(from.path)
	triedNow := latest != nil && latest.over() && time.Since(latest.failed) < failureAge
	if c.Running == nil && !triedNow && time.Since(c.Made) > a.compareEvery {
		latest = a.begin(from.path, from.look)
	}
	switch {
	case latest == nil:
	case !a.await(r, latest):
		c.Reading = true
	case latest.failed.After(c.Made):
		_, c.Trouble = a.explain(r.Context(), latest.err)
	}
	return c, a.store.comparison(r.Context(), from.path, c)
}

// compareAgain begins new ones, which the list waits for.
func (a *app) compareAgain(ctx context.Context, lists ...list) error {
	running, err := a.store.running(ctx)
	for _, l := range lists {
		if err == nil && running == nil && l.look != nil {
			a.begin(l.path, l.look)
		}
	}
	return err
}

// comparison reads when the one that is kept was made, and its warnings.
func (s *store) comparison(ctx context.Context, path string, c *comparison) error {
	return s.each(ctx, func(rows *sql.Rows) error {
		var made int64
		var warnings string
		err := rows.Scan(&made, &warnings)
		c.Made, c.Warnings = time.Unix(made, 0), nil
		return errors.Join(err, json.Unmarshal([]byte(warnings), &c.Warnings))
	}, `SELECT made_at, warnings FROM comparisons WHERE list = ?`, path)
}

func (t *tx) keepComparison(path string, warnings []string) {
	t.exec(`INSERT INTO comparisons (list, made_at, warnings) VALUES (?, ?, ?)
		ON CONFLICT (list) DO UPDATE SET made_at = excluded.made_at, warnings = excluded.warnings`, path, time.Now().Unix(), asJSON(warnings))
}

// compareUsers plans a sync of everybody, to mark each user whom the plan mentions.
func (a *app) compareUsers(ctx context.Context) error {
	runs := a.runs.Load()
	plan, err := a.plan(ctx, adsync.Rules{})
	if err != nil || a.runs.Load() != runs { // a run has written what this would mark
		return err
	}
	return a.store.inTx(ctx, func(t *tx) {
		t.exec(`DELETE FROM marks`)
		for _, c := range plan.Changes {
			if c.UserID == "" || c.Interim {
				continue // nobody of ours, or a detour of what is marked anyway
			}
			state := string(c.Op)
			if c.Due() != 0 {
				state = "leaving"
			}
			// A duplicate outweighs another mark of the same user.
			t.exec(`INSERT INTO marks (user_id, state, change) VALUES (CAST(? AS BIGINT), ?, ?)
				ON CONFLICT (user_id) DO UPDATE SET state = excluded.state, change = excluded.change WHERE excluded.state = ?`,
				c.UserID, state, asJSON(c), string(adsync.OpDuplicate))
		}
		t.keepComparison("/sync", plan.Warnings)
	})
}

// job is what reads the directory in the background: a comparison for a list, or a plan
// that is being made. A page waits a moment for it, and then shows that it waits.
type job struct {
	started, failed time.Time
	ended           context.Context // ends with it
	err             error           // once it has ended
}

// begin starts a job under a key, which is a list's path or the ID that a plan will
// have. There is one of a key at a time.
func (a *app) begin(key string, work func(context.Context) error) *job {
	a.mu.Lock()
	defer a.mu.Unlock()
	for other, j := range a.jobs {
		if j.over() && time.Since(j.started) > time.Hour {
			delete(a.jobs, other)
		}
	}
	if under := a.jobs[key]; under != nil && !under.over() {
		return under
	}
	ended, end := context.WithCancel(context.Background())
	begun := &job{started: time.Now(), ended: ended}
	a.jobs[key] = begun
	a.background.Go(func() {
		defer end()
		ctx, cancel := context.WithTimeout(a.ctx, a.planTimeout)
		defer cancel()
		if begun.err = work(ctx); begun.err != nil {
			a.logger.Warn("the directory was not read", "error", begun.err)
			begun.failed = time.Now()
		}
	})
	return begun
}

// job returns the latest of the key, or nil.
func (a *app) job(key string) *job {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.jobs[key]
}

func (j *job) over() bool { return j.ended.Err() != nil }

// await reports whether the job has ended before the patience has.
func (a *app) await(r *http.Request, j *job) bool {
	select {
	case <-j.ended.Done():
	case <-time.After(a.patience):
	case <-r.Context().Done():
	}
	return j.over()
}
