package adsynctest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/go-adsync/adsync"
)

// CheckDirectory proves a host's own [adsync.Directory], with the optional powers that it has:
// it returns joined errors, each naming the duty that was broken and the ObjectID it was broken
// for. The package's documentation says what is checked, and what cannot be.
//
// The directory must hold at least one account, must not change while it is checked, and must
// have all its servers up; want, if given, are entries that it must find in exactly that state.
// Where its Traits say Final, that state is present or deleted. Several of one ObjectID stand
// for accounts that share it.
//
// What its Traits say of details beyond the five and of roles is proven along with it: what
// Fields lists is told by Entries and Find alike, several values of a text are in Others, and
// each further detail has a value of at least one account, as a detail that is listed and
// never told would be cleared of every user.
//
// Each of its Sessions is checked in the same way as the whole, so that every server has to
// answer, and to know the same. [CheckApart] proves what Traits.Apart says.
//
// It only reads: Entries several times, Find with at most 1000 accounts, and Confirm and
// ProveRoles with at most 200, or with those of want if that is more.
func CheckDirectory(ctx context.Context, dir adsync.Directory, want ...adsync.Entry) error {
	if dir == nil {
		return errors.New("adsync: CheckDirectory: there is no directory")
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	c := &directoryCheck{ctx: ctx, dir: dir, want: want}
	c.proveDirectory()
	c.proveSessions()
	return errors.Join(c.broken...)
}

// directoryCheck is a directory, or a session of it, and what it got wrong.
type directoryCheck struct {
	ctx    context.Context
	dir    adsync.Directory
	want   []adsync.Entry
	where  string // which session; empty for the directory itself
	first  iter.Seq2[adsync.Entry, error]
	listed []adsync.Entry // by first
	once   []adsync.Entry // those of them that are listed a single time
	times  map[adsync.ObjectID]int
	broken []error
}

// proveDirectory goes through what the whole and each of its sessions must do.
func (c *directoryCheck) proveDirectory() {
	c.prove(listDuty, c.list)
	c.prove("Entries starts afresh", c.restart)
	c.prove(detailsDuty, c.details)
	c.prove(listDuty, c.listWanted)
	c.proveLookUp(c.finder())
	c.prove("Traits.Final is true only where whoever is not listed is deleted", c.final)
	c.prove("Entries stops when the loop does", c.stopEntries)
	c.prove("Entries ends with an error when its context has ended", func(duty string) { c.wantError(duty, c.dir.Entries(c.ended())) })
	c.prove("Entries is complete or ends with an error when its context ends on the way", c.cutEntries)
	if l, ok := c.confirmer(); ok {
		c.proveLookUp(l)
	}
	if l, ok := c.roleProver(); ok {
		c.proveLookUp(l)
	}
	c.proveReadings()
	c.prove("Time tells the directory's time, and for how long it keeps tombstones", c.time)
	c.prove("Time fails or tells nothing when its context has ended", c.cancelTime)
	c.prove("Inspect answers", c.inspect)
	c.prove("Inspect fails when its context has ended", c.cancelInspect)
}

// prove runs the check of one duty, and takes a panic for its breach.
func (c *directoryCheck) prove(duty string, check func(duty string)) {
	if thrown := panicOf(func() { check(duty) }); thrown != nil {
		c.failf(duty, "%w", thrown)
	}
}

func (c *directoryCheck) failf(duty, format string, args ...any) {
	c.broken = append(c.broken, fmt.Errorf("adsync: CheckDirectory: %s%s: "+format, append([]any{c.where, duty}, args...)...))
}

func (c *directoryCheck) ended() context.Context {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	return ctx
}

// keep notes what is listed. Of accounts that are there several times, which are ambiguous,
// Find may say so by several answers.
func (c *directoryCheck) keep(listed []adsync.Entry) {
	c.listed, c.times = listed, make(map[adsync.ObjectID]int, len(listed))
	for _, e := range listed {
		c.times[e.ObjectID]++
	}
	c.once = slices.DeleteFunc(slices.Clone(listed), func(e adsync.Entry) bool { return c.times[e.ObjectID] > 1 || e.ObjectID.IsZero() })
}

func (c *directoryCheck) lists(id adsync.ObjectID) bool {
	return c.times[id] > 0
}

// wantError reads to the end. Whoever ends without an error claims to be complete.
func (c *directoryCheck) wantError(duty string, sequence iter.Seq2[adsync.Entry, error]) {
	var failed, wentOn bool
	sequence(func(_ adsync.Entry, err error) bool {
		wentOn = wentOn || failed
		failed = failed || err != nil
		return true
	})
	if !failed {
		c.failf(duty, "there was none")
	}
	if wentOn {
		c.failf(duty, "it went on after the error")
	}
}

// wantStop calls the sequence by hand: a range statement would panic where it goes on.
// Whatever was stopped must answer afterwards.
func (c *directoryCheck) wantStop(duty string, sequence func() iter.Seq2[adsync.Entry, error]) {
	yielded := 0
	sequence()(func(adsync.Entry, error) bool {
		yielded++
		return false
	})
	if yielded > 1 {
		c.failf(duty, "it went on after the first entry")
	}
	if _, err := collect(sequence()); err != nil {
		c.failf(duty, "afterwards, it failed: %w", err)
	}
}

// wantWhole ends the context within the first entry. Whoever then ends without an error must
// have told of all of them.
func (c *directoryCheck) wantWhole(duty string, ids []adsync.ObjectID, sequence func(context.Context) iter.Seq2[adsync.Entry, error]) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	told := make(map[adsync.ObjectID]bool, len(ids))
	for e, err := range sequence(ctx) {
		if err != nil {
			return
		}
		told[e.ObjectID] = true
		cancel()
	}
	for _, id := range ids {
		if !told[id] {
			c.failf(duty, "it ended without an error, and without %s", id)
			return
		}
	}
}

// collect keeps what a sequence yields, and its first error.
func collect(sequence iter.Seq2[adsync.Entry, error]) (entries []adsync.Entry, err error) {
	for e, err := range sequence {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// inOrder makes two listings comparable: the order is not promised.
func inOrder(entries []adsync.Entry) []adsync.Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b adsync.Entry) int {
		return cmp.Or(a.ObjectID.Compare(b.ObjectID), cmp.Compare(a.DN, b.DN), cmp.Compare(a.Username, b.Username))
	})
}

func idsOf(entries []adsync.Entry) []adsync.ObjectID {
	ids := make([]adsync.ObjectID, len(entries))
	for i, e := range entries {
		ids[i] = e.ObjectID
	}
	return ids
}

func stateOf(e adsync.Entry) adsync.State { return cmp.Or(e.State, adsync.StatePresent) }
