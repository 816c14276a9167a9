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

// CheckDirectory proves a host's own [adsync.Directory]: it returns joined errors, each
// naming the duty that was broken and the ObjectID it was broken for. The directory
// must hold at least one account and must not change while it is checked; want, if given,
// are entries that it must find in exactly that state. Where its Traits say Final, that
// state is present or deleted.
//
// What its Traits say of details beyond the five and of roles is proven along with it: what
// Fields lists is told by Entries and Find alike, several values of a text are in Others, and
// each further detail has a value of at least one account, as a detail that is listed and
// never told would be cleared of every user.
//
// The optional powers are checked where the directory has them: Inspect, and each of
// its Sessions in the same way as the whole, so that every server has to answer, and to
// know the same. [CheckApart] proves what Traits.Apart says.
//
// It only reads: Entries several times, and Find with at most 1000 accounts.
func CheckDirectory(ctx context.Context, dir adsync.Directory, want ...adsync.Entry) error {
	if dir == nil {
		return errors.New("adsync: CheckDirectory: there is no directory")
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	c := &directoryCheck{ctx: ctx, dir: dir, want: want}
	c.proveDirectory()
	if sessions, ok := dir.(adsync.Sessions); ok {
		c.prove(sessionDuty, func(duty string) { c.eachSession(duty, sessions) })
		c.prove("Sessions stops when the loop does", func(duty string) { c.stopSessions(duty, sessions) })
		c.prove("Sessions of a context that has ended yields nothing that can be read", func(duty string) { c.cancelSessions(duty, sessions) })
	}
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
	broken []error
}

// proveDirectory goes through what the whole and each of its sessions must do.
func (c *directoryCheck) proveDirectory() {
	c.prove(listDuty, c.list)
	c.prove("Entries starts afresh", c.restart)
	c.prove(detailsDuty, c.details)
	c.prove("Find knows whom Entries lists", c.findListed)
	c.prove("Find answers for an account that never was", c.findStranger)
	c.prove("Find answers once for an id that is asked for twice", c.findRepeated)
	c.prove("Find of no ids yields nothing", func(duty string) { c.find(duty) })
	c.prove("Find gives the entries wanted their state", c.findWanted)
	c.prove("Traits.Final is true only where whoever is not listed is deleted", c.final)
	c.prove("Entries stops when the loop does", c.stopEntries)
	c.prove("Find stops when the loop does", c.stopFind)
	c.prove("Entries ends with an error when its context has ended", func(duty string) { c.wantError(duty, c.dir.Entries(c.ended())) })
	c.prove("Find ends with an error when its context has ended", c.cancelFind)
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

// once are the listed accounts that are there a single time. The others are ambiguous,
// and Find may say so by several answers.
func (c *directoryCheck) once() []adsync.Entry {
	times := make(map[adsync.ObjectID]int, len(c.listed))
	for _, e := range c.listed {
		times[e.ObjectID]++
	}
	return slices.DeleteFunc(slices.Clone(c.listed), func(e adsync.Entry) bool { return times[e.ObjectID] > 1 || e.ObjectID.IsZero() })
}

func (c *directoryCheck) lists(id adsync.ObjectID) bool {
	return slices.ContainsFunc(c.listed, func(e adsync.Entry) bool { return e.ObjectID == id })
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
func (c *directoryCheck) wantStop(duty string, sequence iter.Seq2[adsync.Entry, error]) {
	yielded := 0
	sequence(func(adsync.Entry, error) bool {
		yielded++
		return false
	})
	if yielded > 1 {
		c.failf(duty, "it went on after the first entry")
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
