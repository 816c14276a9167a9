package adsynctest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/go-adsync/adsync"
)

// CheckDirectory proves a host's own [adsync.Directory]: it returns joined errors, each
// naming the duty that was broken and the ObjectID it was broken for. The
// directory must hold at least one account and be at rest meanwhile; want, if
// given, are entries that it must find in exactly that state.
//
// It only reads: Entries some times over, and Find with at most 1000 accounts.
func CheckDirectory(ctx context.Context, dir adsync.Directory, want ...adsync.Entry) error {
	if dir == nil {
		return errors.New("adsync: CheckDirectory: there is no directory")
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	c := directoryCheck{ctx: ctx, dir: dir, want: want}
	listed := c.entries()
	c.findListed(listed)
	c.findStranger()
	c.findRepeated(listed)
	c.findNothing()
	c.findWanted(listed)
	c.stopEarly(listed)
	c.cancel(listed)
	return errors.Join(c.broken...)
}

type directoryCheck struct {
	ctx    context.Context
	dir    adsync.Directory
	want   []adsync.Entry
	broken []error
}

func (c *directoryCheck) failf(duty, format string, args ...any) {
	c.broken = append(c.broken, fmt.Errorf("adsync: CheckDirectory: %s: "+format, append([]any{duty}, args...)...))
}

// entries lists everybody twice and returns the accounts.
func (c *directoryCheck) entries() []adsync.Entry {
	const duty = "Entries lists the accounts in scope"
	sequence := c.dir.Entries(c.ctx)
	listed, err := collect(sequence)
	if err != nil {
		c.failf(duty, "it failed: %w", err)
		return nil
	}
	if len(listed) == 0 {
		c.failf(duty, "it yields nobody; the check needs at least one account")
	}
	for _, e := range listed {
		switch {
		case e.ObjectID.IsZero():
			c.failf(duty, "an entry has no ObjectID")
		case !e.Present():
			c.failf(duty, "%s has the state %q; only Find yields those", e.ObjectID, e.State)
		}
	}
	c.restart("ranged a second time", sequence, listed)
	c.restart("called a second time", c.dir.Entries(c.ctx), listed)
	return listed
}

func (c *directoryCheck) restart(how string, sequence iter.Seq2[adsync.Entry, error], before []adsync.Entry) {
	const duty = "Entries starts afresh"
	again, err := collect(sequence)
	if err != nil {
		c.failf(duty, "%s, it failed: %w", how, err)
		return
	}
	if !slices.Equal(inOrder(before), inOrder(again)) {
		c.failf(duty, "%s, it yields other entries (%d, then %d)", how, len(before), len(again))
	}
}

// find returns the answers by ObjectID. It holds Find to one answer for each
// distinct id, and none for others.
func (c *directoryCheck) find(duty string, ids ...adsync.ObjectID) map[adsync.ObjectID]adsync.Entry {
	entries, err := collect(c.dir.Find(c.ctx, slices.Clone(ids)))
	if err != nil {
		c.failf(duty, "it failed: %w", err)
		return nil
	}
	answers := make(map[adsync.ObjectID]adsync.Entry, len(ids))
	for _, e := range entries {
		if !slices.Contains(ids, e.ObjectID) {
			c.failf(duty, "it answers for %s, which was not asked for", e.ObjectID)
		} else if _, twice := answers[e.ObjectID]; twice {
			c.failf(duty, "it answers more than once for %s", e.ObjectID)
		}
		answers[e.ObjectID] = e
	}
	for _, id := range ids {
		if _, ok := answers[id]; !ok {
			c.failf(duty, "it has no answer for %s", id)
		}
	}
	return answers
}

func (c *directoryCheck) findListed(listed []adsync.Entry) {
	const duty, most = "Find knows whom Entries lists", 1000
	once := listedOnce(listed)
	once = once[:min(most, len(once))]
	if len(once) == 0 {
		return
	}
	answers := c.find(duty, idsOf(once)...)
	for _, e := range once {
		if answer, ok := answers[e.ObjectID]; ok {
			c.compare(duty, e, answer)
		}
	}
}

// compare names what differs, and no values.
func (c *directoryCheck) compare(duty string, want, got adsync.Entry) {
	if want.Present() != got.Present() || (!want.Present() && want.State != got.State) {
		c.failf(duty, "%s is %q, want %q", want.ObjectID, got.State, want.State)
		return
	}
	if want.Present() && want.Profile != got.Profile {
		c.failf(duty, "%s has another profile", want.ObjectID)
	}
	if want.Present() && want.Disabled != got.Disabled {
		c.failf(duty, "%s has Disabled %t, want %t", want.ObjectID, got.Disabled, want.Disabled)
	}
	if want.Present() && want.DisabledUnknown != got.DisabledUnknown {
		c.failf(duty, "%s has DisabledUnknown %t, want %t", want.ObjectID, got.DisabledUnknown, want.DisabledUnknown)
	}
}

func (c *directoryCheck) findStranger() {
	const duty = "Find answers for an account that never was"
	var id adsync.ObjectID
	_, _ = rand.Read(id[:]) // never fails
	if answer, ok := c.find(duty, id)[id]; ok && (answer.Present() || answer.State == adsync.StateOutOfScope) {
		c.failf(duty, "%s is %q, which means alive", id, cmp.Or(answer.State, adsync.StatePresent))
	}
}

func (c *directoryCheck) findRepeated(listed []adsync.Entry) {
	if once := listedOnce(listed); len(once) > 0 {
		id := once[0].ObjectID
		c.find("Find answers once for an id that is asked for twice", id, id)
	}
}

func (c *directoryCheck) findNothing() { c.find("Find of no ids yields nothing") }

func (c *directoryCheck) findWanted(listed []adsync.Entry) {
	const duty = "Find gives the entries wanted their state"
	if len(c.want) == 0 {
		return
	}
	answers := c.find(duty, idsOf(c.want)...)
	for _, want := range c.want {
		if answer, ok := answers[want.ObjectID]; ok {
			c.compare(duty, want, answer)
		}
		isListed := slices.ContainsFunc(listed, func(e adsync.Entry) bool { return e.ObjectID == want.ObjectID })
		if isListed != want.Present() {
			c.failf("Entries lists the accounts in scope", "%s is wanted %q; listed: %t", want.ObjectID, cmp.Or(want.State, adsync.StatePresent), isListed)
		}
	}
}

// stopEarly calls the sequences by hand: a range statement would panic where a
// sequence goes on.
func (c *directoryCheck) stopEarly(listed []adsync.Entry) {
	ids := idsOf(listedOnce(listed))
	sequences := map[string]iter.Seq2[adsync.Entry, error]{
		"Entries stops when the loop does": c.dir.Entries(c.ctx),
		"Find stops when the loop does":    c.dir.Find(c.ctx, ids[:min(2, len(ids))]),
	}
	for _, duty := range slices.Sorted(maps.Keys(sequences)) {
		yielded := 0
		sequences[duty](func(adsync.Entry, error) bool {
			yielded++
			return false
		})
		if yielded > 1 {
			c.failf(duty, "it went on after the first entry")
		}
	}
}

// cancel reads under a context that has ended. Whoever ends without an error then
// claims to be complete.
func (c *directoryCheck) cancel(listed []adsync.Entry) {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	c.wantError("Entries ends with an error when its context has ended", c.dir.Entries(ctx))
	if once := listedOnce(listed); len(once) > 0 {
		c.wantError("Find ends with an error when its context has ended", c.dir.Find(ctx, idsOf(once[:1])))
	}
}

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

// inOrder makes two listings comparable: the order is not promised.
func inOrder(entries []adsync.Entry) []adsync.Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b adsync.Entry) int {
		return cmp.Or(a.ObjectID.Compare(b.ObjectID), cmp.Compare(a.DN, b.DN), cmp.Compare(a.Username, b.Username))
	})
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

// listedOnce leaves out accounts that the listing has several times: they are
// ambiguous, and Find may say so by several answers.
func listedOnce(listed []adsync.Entry) []adsync.Entry {
	times := make(map[adsync.ObjectID]int, len(listed))
	for _, e := range listed {
		times[e.ObjectID]++
	}
	return slices.DeleteFunc(slices.Clone(listed), func(e adsync.Entry) bool { return times[e.ObjectID] > 1 || e.ObjectID.IsZero() })
}

func idsOf(entries []adsync.Entry) []adsync.ObjectID {
	ids := make([]adsync.ObjectID, len(entries))
	for i, e := range entries {
		ids[i] = e.ObjectID
	}
	return ids
}
