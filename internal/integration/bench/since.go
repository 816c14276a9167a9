package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	}
	_, err = m.numbering.ask(changeBack)
	return err
}

// byMark is a Syncer that may go on from a mark.
func (t task) byMark(ctx context.Context, store adsync.UserStore, sel ...adsync.Selection) (*adsync.Report, error) {
	dir, err := activedirectory.New(activedirectory.Config{URLs: []string{t.URL}, BaseDN: controllerBase, Bind: activedirectory.SimpleBind(service, servicePass), AllowPlaintext: true})
	if err != nil {
		return nil, err
	}
	syncer, err := adsync.New(dir, store, &adsync.Options{Limits: adsync.Limits{MaxRemovals: -1, MaxCleared: -1, MaxRekeyed: -1}})
	if err != nil {
		return nil, err
	}
	report, err := syncer.Sync(ctx, sel...)
	return report, errors.Join(err, report.Err())
}

// makeMark syncs in full, and leaves the mark in a file.
func (t task) makeMark(ctx context.Context, store adsync.UserStore) error {
	report, err := t.byMark(ctx, store)
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
	text, err := os.ReadFile(t.Mark)
	if err != nil {
		return err
	}
	var mark adsync.Mark
	if err := json.Unmarshal(text, &mark); err != nil {
		return err
	}
	report, err := t.byMark(ctx, store, adsync.Since(&mark))
	if err != nil {
		return err
	}
	if full := report.Plan.Reading.Full; full != "" {
		return fmt.Errorf("it was a full plan: %s", full)
	}
	if report.Mark() == nil {
		return errors.New("it left no mark")
	}
	return t.check(report)
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
	}
	return lines
}
