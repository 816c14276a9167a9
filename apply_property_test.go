package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/go-adsync/adsync"
)

// Each set of failures, few or many, batched or not: the outcomes are those of a
// plain table, and the next sync finishes the work.
func TestApply_WithFailures(t *testing.T) {
	inWorlds(t, 40, func(w world) error {
		w = storeWorld(w)
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		var written []int
		for i, c := range p.Changes {
			if writes(c) {
				written = append(written, i)
			}
		}
		for _, failing := range failureSets(written) {
			for _, batch := range []int{0, 2, 3, 500} {
				if err := applyFailing(w, p, failing, batch); err != nil {
					return fmt.Errorf("with %v failing, in batches of %d: %w", failing, batch, err)
				}
			}
		}
		return nil
	})
}

func applyFailing(w world, p *adsync.Plan, failing []int, batch int) error {
	var inner table = newPlainTable(w.users)
	if batch == 500 {
		inner = memoryOf(w)
	}
	faulty := newFaultyStore(inner)
	faulty.refuse = func(c adsync.Change) bool {
		return slices.ContainsFunc(failing, func(i int) bool { return sameChange(c, p.Changes[i]) })
	}
	batching := &batchingStore{faultyStore: faulty, plan: p}
	var store adsync.UserStore = faulty
	if batch > 0 {
		store = batching
	}
	s, err := worldSyncerIn(batch, w, store)
	if err != nil {
		return err
	}
	report, err := s.Apply(context.Background(), p)
	if err != nil {
		return err
	}
	want := newPlanCheck(w, p).newRun()
	if err := want.play(func(i int) bool { return slices.Contains(failing, i) }); err != nil {
		return err
	}
	var got []adsync.Outcome
	for _, r := range report.Results {
		got = append(got, r.Outcome)
	}
	if !slices.Equal(want.outcomes, got) {
		return fmt.Errorf("outcomes are\n%q, want\n%q", got, want.outcomes)
	}
	if err := errors.Join(batching.broken, equalRows(want.plainRows(), plainRows(faulty, w))); err != nil {
		return err
	}
	return nextSyncFinishes(w, p, faulty, s)
}

func nextSyncFinishes(w world, p *adsync.Plan, faulty *faultyStore, s *adsync.Syncer) error {
	faulty.refuse = nil
	if _, err := s.Sync(context.Background()); err != nil {
		return err
	}
	whole := newPlanCheck(w, p).newRun()
	if err := whole.play(func(int) bool { return false }); err != nil {
		return err
	}
	if err := equalRows(whole.plainRows(), plainRows(faulty, w)); err != nil {
		return fmt.Errorf("after the next sync: %w", err)
	}
	return settled(s)
}

// A crash after any step: applying the same plan again does the rest, and nothing twice.
func TestApply_AfterACrash(t *testing.T) {
	inWorlds(t, 80, func(w world) error {
		w = storeWorld(w)
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		total := 0
		for _, c := range p.Changes {
			if writes(c) {
				total++
			}
		}
		for left := range total {
			for _, last := range []error{nil, adsync.ErrUnknown} {
				for batch, t := range map[int]table{
					0: newPlainTable(w.users), 1: memoryOf(w), 2: newPlainTable(w.users), 500: newPlainTable(w.users),
				} {
					if err := applyCrashing(w, p, t, batch, left, total, last); err != nil {
						return fmt.Errorf("crash of a %T after %d of %d writes in batches of %d (%v): %w", t, left, total, batch, last, err)
					}
				}
			}
		}
		return nil
	})
}

func applyCrashing(w world, p *adsync.Plan, t table, batch, left, total int, last error) error {
	store := newFaultyStore(t)
	store.left, store.last = left, last
	batching := &batchingStore{faultyStore: store, plan: p}
	var given adsync.UserStore = store
	if batch > 0 {
		given = batching
	}
	s, err := worldSyncerIn(batch, w, given)
	if err != nil {
		return err
	}
	report, _ := s.Apply(context.Background(), p) // how it ends is not the point
	if len(report.Results) != len(p.Changes) {
		return fmt.Errorf("%d results for %d changes", len(report.Results), len(p.Changes))
	}
	if store.written != left {
		return fmt.Errorf("%d writes by a store that broke", store.written)
	}
	store.left = -1
	report, err = s.Apply(context.Background(), p)
	if err = errors.Join(err, report.Err()); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if store.written != total {
		return fmt.Errorf("%d writes in all, want %d", store.written, total)
	}
	whole := newPlanCheck(w, p).newRun()
	if err := whole.play(func(int) bool { return false }); err != nil {
		return err
	}
	if err := errors.Join(batching.broken, equalRows(whole.plainRows(), plainRows(store, w))); err != nil {
		return err
	}
	return settled(s)
}
