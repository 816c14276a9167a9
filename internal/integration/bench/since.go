package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// sinceMark is in the names of the rows that go on from a mark.
const sinceMark = " since a mark"

// sinceJobs are measured against a domain controller. Each has a command for it beforehand.
func (m *measuring) sinceJobs(d database) (wanted []job) {
	for _, j := range []job{
		{name: nothingChanged + sinceMark, floors: []string{"floor read"}},
		{name: "1% changed" + sinceMark, floors: []string{"floor read", "floor write"}, want: counts{Modified: ones(m.people, 100, 1)}, before: changeOne},
	} {
		j.name, j.kind, j.state = j.name+", "+d.name, "since", stateFull
		if strings.Contains(j.name, m.only) {
			wanted = append(wanted, j)
		}
	}
	return wanted
}

// since measures them.
func (m *measuring) since(h *hosts, jobs []job) (err error) {
	if len(jobs) == 0 {
		return nil
	}
	if m.numbering == nil {
		if m.numbering, err = startController(m.ctx, m.dir, m.people); err != nil {
			return err
		}
	}
	mark := task{Kind: "mark", URL: m.numbering.URL, People: m.people, Mark: filepath.Join(h.dir, "mark")}
	if err := h.lend(m.ctx, stateFull, func(copied host) error {
		mark.Host = copied
		_, err := m.self(mark)
		return err
	}); err != nil {
		return fmt.Errorf("making a mark: %w", err)
	}
	for _, j := range jobs {
		if j.before != "" {
			if _, err := m.numbering.ask(j.before); err != nil {
				return err
			}
		}
		if err := m.job(h, j, mark); err != nil {
			return err
		}
		if j.before != "" {
			continue
		}
		if err := m.again(h, mark, m.table.rows[len(m.table.rows)-1]); err != nil {
			return fmt.Errorf("%s, again: %w", j.name, err)
		}
	}
	_, err = m.numbering.ask(changeBack)
	return err
}

// again measures what a run takes in a process that has made one before, as a host's has.
func (m *measuring) again(h *hosts, t task, r *row) error {
	t.Kind, t.People, t.Rows = "since again", m.people, stateFull.rows(m.people)
	if err := h.lend(m.ctx, stateFull, func(copied host) error {
		t.Host = copied
		_, err := m.self(t)
		return err
	}); err != nil {
		return err
	}
	text, err := os.ReadFile(t.Mark + took)
	if err != nil {
		return err
	}
	r.again, err = time.ParseDuration(string(text))
	return err
}

// took ends the name of the file in which goOnAgain says how long that was.
const took = ".took"

// byMark is a Syncer that may go on from a mark.
func (t task) byMark(store adsync.UserStore) (*adsync.Syncer, error) {
	dir, err := activedirectory.New(activedirectory.Config{URLs: []string{t.URL}, BaseDN: controllerBase, Bind: activedirectory.SimpleBind(service, servicePass), AllowPlaintext: true})
	if err != nil {
		return nil, err
	}
	return adsync.New(dir, store, &adsync.Options{Limits: adsync.Limits{MaxRemovals: -1, MaxCleared: -1, MaxRekeyed: -1}})
}

func synced(ctx context.Context, s *adsync.Syncer, sel ...adsync.Selection) (*adsync.Report, error) {
	report, err := s.Sync(ctx, sel...)
	return report, errors.Join(err, report.Err())
}

// makeMark syncs in full, and leaves the mark in a file.
func (t task) makeMark(ctx context.Context, store adsync.UserStore) error {
	syncer, err := t.byMark(store)
	if err != nil {
		return err
	}
	report, err := synced(ctx, syncer)
	if err != nil {
		return err
	}
	text, err := json.Marshal(report.Mark())
	if err != nil {
		return err
	}
	return os.WriteFile(t.Mark, text, 0o600)
}

// goOn syncs from the mark of that file.
func (t task) goOn(ctx context.Context, store adsync.UserStore) error {
	syncer, err := t.byMark(store)
	if err != nil {
		return err
	}
	mark, err := t.readMark()
	if err != nil {
		return err
	}
	_, err = t.from(ctx, syncer, mark)
	return err
}

func (t task) readMark() (*adsync.Mark, error) {
	text, err := os.ReadFile(t.Mark)
	if err != nil {
		return nil, err
	}
	mark := new(adsync.Mark)
	return mark, json.Unmarshal(text, mark)
}

// from syncs from a mark, checks what that did, and returns the next mark.
func (t task) from(ctx context.Context, s *adsync.Syncer, mark *adsync.Mark) (*adsync.Mark, error) {
	report, err := synced(ctx, s, adsync.Since(mark))
	if err != nil {
		return nil, err
	}
	if full := report.Plan.Reading.Full; full != "" {
		return nil, fmt.Errorf("it was a full plan: %s", full)
	}
	if report.Mark() == nil {
		return nil, errors.New("it left no mark")
	}
	return report.Mark(), t.check(report)
}

// goOnAgain syncs from one mark after the other, and writes down how long that took beyond a
// bare reading of the table right before it: the median of all runs but the first.
func (t task) goOnAgain(ctx context.Context, db *sql.DB, store adsync.UserStore) error {
	syncer, err := t.byMark(store)
	if err != nil {
		return err
	}
	mark, err := t.readMark()
	if err != nil {
		return err
	}
	const runs = 5
	var extra []time.Duration
	for range 1 + runs {
		begun := time.Now()
		if err := t.floorRead(ctx, db); err != nil {
			return err
		}
		read := time.Now()
		if mark, err = t.from(ctx, syncer, mark); err != nil {
			return err
		}
		extra = append(extra, time.Since(read)-read.Sub(begun))
	}
	extra = extra[1:]
	slices.Sort(extra)
	return os.WriteFile(t.Mark+took, []byte(extra[runs/2].String()), 0o600)
}

// besideTables says what the rows since a mark took beyond reading and writing the table.
func (t *table) besideTables() (lines []string) {
	for _, r := range t.rows {
		if !strings.Contains(r.name, sinceMark) {
			continue
		}
		wall, cpu := r.floorMedian()
		beyond := r.median(func(p pair) float64 { return float64((p.used.wall - wall).Milliseconds()) })
		spent := r.median(func(p pair) float64 { return float64((p.used.cpu - cpu).Milliseconds()) })
		beside := r.median(func(p pair) float64 { return (p.used.wall - wall).Seconds() / p.search.wall.Seconds() })
		requests := r.median(func(p pair) float64 { return float64(p.used.requests) })
		lines = append(lines, fmt.Sprintf("- %d people, %s: %.0f requests, and beyond the database's own time %.0f ms (%.2f of ldapsearch's) and %.0f ms of the processor's",
			r.people, r.name, requests, beyond, beside, spent))
		if r.again != 0 {
			lines = append(lines, fmt.Sprintf("- %d people, %s, each further run of a process: %d ms beyond a bare reading of the table",
				r.people, r.name, r.again.Milliseconds()))
		}
	}
	return lines
}
