package adsynctest

import (
	"context"
	"crypto/rand"
	"iter"
	"slices"

	"github.com/go-adsync/adsync"
)

// lookUp is Find, or an optional power that answers as Find does.
type lookUp struct {
	name string
	find func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error]
	most int // accounts that it is asked for
	like func(c *directoryCheck, duty string, want, got adsync.Entry)
}

func (c *directoryCheck) finder() lookUp {
	return lookUp{name: "Find", find: c.dir.Find, most: 1000, like: (*directoryCheck).compare}
}

// proveLookUp goes through what Find and its like have in common.
func (c *directoryCheck) proveLookUp(l lookUp) {
	c.prove(l.name+" knows whom Entries lists", func(duty string) { c.findListed(duty, l) })
	c.prove(l.name+" answers for an account that is listed several times", func(duty string) { c.findAmbiguous(duty, l) })
	c.prove(l.name+" answers for an account that never was", func(duty string) { c.findStranger(duty, l) })
	c.prove(l.name+" answers once for an id that is asked for twice", func(duty string) { c.findRepeated(duty, l) })
	c.prove(l.name+" of no ids yields nothing", func(duty string) { c.find(duty, l) })
	c.prove(l.name+" gives the entries wanted their state", func(duty string) { c.findWanted(duty, l) })
	c.prove(l.name+" stops when the loop does", func(duty string) { c.stopFind(duty, l) })
	c.prove(l.name+" ends with an error when its context has ended", func(duty string) { c.cancelFind(duty, l) })
	c.prove(l.name+" is complete or ends with an error when its context ends on the way", func(duty string) { c.cutFind(duty, l) })
}

// find returns the answers by ObjectID. It holds the look-up to an answer for each distinct
// id, to a single one unless several accounts are known to have the id, and to none for others.
func (c *directoryCheck) find(duty string, l lookUp, ids ...adsync.ObjectID) map[adsync.ObjectID][]adsync.Entry {
	entries, err := collect(l.find(c.ctx, slices.Clone(ids)))
	if err != nil {
		c.failf(duty, "it failed: %w", err)
		return nil
	}
	answers := make(map[adsync.ObjectID][]adsync.Entry, len(ids))
	for _, e := range entries {
		if !slices.Contains(ids, e.ObjectID) {
			c.failf(duty, "it answers for %s, which was not asked for", e.ObjectID)
		} else if len(answers[e.ObjectID]) == 1 && !c.isAmbiguous(e.ObjectID) {
			c.failf(duty, "it answers more than once for %s", e.ObjectID)
		}
		answers[e.ObjectID] = append(answers[e.ObjectID], e)
	}
	for _, id := range ids {
		if len(answers[id]) == 0 {
			c.failf(duty, "it has no answer for %s", id)
		}
	}
	return answers
}

// isAmbiguous reports whether several accounts have the id: several are listed, or wanted.
func (c *directoryCheck) isAmbiguous(id adsync.ObjectID) bool {
	return c.times[id] > 1 || countOf(c.want, id) > 1
}

func countOf(entries []adsync.Entry, id adsync.ObjectID) (n int) {
	for i := range entries {
		if entries[i].ObjectID == id {
			n++
		}
	}
	return n
}

// isLike reports whether the one is an answer for the other.
func (c *directoryCheck) isLike(l lookUp, want, got adsync.Entry) bool {
	probe := &directoryCheck{ctx: c.ctx, dir: c.dir}
	l.like(probe, "", want, got)
	return len(probe.broken) == 0
}

func (c *directoryCheck) findListed(duty string, l lookUp) {
	once := c.once[:min(l.most, len(c.once))]
	if len(once) == 0 {
		return
	}
	answers := c.find(duty, l, idsOf(once)...)
	for _, e := range once {
		for _, answer := range answers[e.ObjectID] {
			l.like(c, duty, e, answer)
			if l.name != proofs && stateOf(answer) == stateOf(e) && e.Unknown != answer.Unknown {
				c.failf(duty, "%s leaves other roles unknown", e.ObjectID)
			}
		}
	}
}

// findAmbiguous takes one answer or several, each of which is one of those that are listed.
func (c *directoryCheck) findAmbiguous(duty string, l lookUp) {
	var ids []adsync.ObjectID
	for id, n := range c.times {
		if n > 1 && !id.IsZero() && len(ids) < l.most {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	for id, answers := range c.find(duty, l, ids...) {
		for _, answer := range answers {
			if c.lists(id) && !slices.ContainsFunc(c.listed, func(e adsync.Entry) bool { return e.ObjectID == id && c.isLike(l, e, answer) }) {
				c.failf(duty, "%s is told as none of those that are listed", id)
			}
		}
	}
}

// compare names what differs, and no values.
func (c *directoryCheck) compare(duty string, want, got adsync.Entry) {
	if stateOf(want) != stateOf(got) {
		c.failf(duty, "%s is %q, want %q", want.ObjectID, stateOf(got), stateOf(want))
		return
	}
	if !want.Present() {
		return
	}
	c.compareDetails(duty, want, got)
	want.Extra, got.Extra = adsync.Extra{}, adsync.Extra{}
	if want.Profile != got.Profile {
		c.failf(duty, "%s has another profile", want.ObjectID)
	}
	if want.Disabled != got.Disabled {
		c.failf(duty, "%s has Disabled %t, want %t", want.ObjectID, got.Disabled, want.Disabled)
	}
	if want.DisabledUnknown != got.DisabledUnknown {
		c.failf(duty, "%s has DisabledUnknown %t, want %t", want.ObjectID, got.DisabledUnknown, want.DisabledUnknown)
	}
	if want.Expires != got.Expires {
		c.failf(duty, "%s expires at another time", want.ObjectID)
	}
}

// stranger is an ObjectID that no account has.
func stranger() (id adsync.ObjectID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

func (c *directoryCheck) findStranger(duty string, l lookUp) {
	id := stranger()
	for _, answer := range c.find(duty, l, id)[id] {
		if answer.Present() || answer.State == adsync.StateOutOfScope {
			c.failf(duty, "%s is %q, which means alive", id, stateOf(answer))
			return
		}
		if l.name == c.finder().name {
			continue
		}
		found, err := collect(c.dir.Find(c.ctx, []adsync.ObjectID{id}))
		if err == nil && len(found) == 1 && !c.isLike(l, found[0], answer) {
			c.failf(duty, "%s is %q, and by Find %q", id, answer.State, found[0].State)
		}
	}
}

func (c *directoryCheck) findRepeated(duty string, l lookUp) {
	if len(c.once) > 0 {
		id := c.once[0].ObjectID
		c.find(duty, l, id, id)
	}
}

func (c *directoryCheck) findWanted(duty string, l lookUp) {
	if len(c.want) == 0 {
		return
	}
	answers := c.find(duty, l, idsOf(c.want)...)
	for _, want := range c.want {
		switch of := answers[want.ObjectID]; {
		case len(of) == 1:
			l.like(c, duty, want, of[0])
		case len(of) > 1 && !slices.ContainsFunc(of, func(e adsync.Entry) bool { return c.isLike(l, want, e) }):
			c.failf(duty, "none of several answers for %s is as wanted", want.ObjectID)
		}
	}
}

// listWanted holds the listing to the entries wanted.
func (c *directoryCheck) listWanted(duty string) {
	for _, want := range c.want {
		isPresent := slices.ContainsFunc(c.want, func(e adsync.Entry) bool { return e.ObjectID == want.ObjectID && e.Present() })
		if isListed := c.lists(want.ObjectID); isListed != isPresent {
			c.failf(duty, "%s is wanted %q; listed: %t", want.ObjectID, stateOf(want), isListed)
		}
	}
}

// final asks for those who are not listed: a stranger, and whom the host knows.
func (c *directoryCheck) final(duty string) {
	if !traitsOf(c.dir).Final {
		return
	}
	id := stranger()
	for _, answer := range c.find(duty, c.finder(), id)[id] {
		if answer.State != adsync.StateDeleted {
			c.failf(duty, "%s, who never was, is %q", id, stateOf(answer))
		}
	}
	for _, want := range c.want {
		if !want.Present() && want.State != adsync.StateDeleted {
			c.failf(duty, "%s is wanted %q", want.ObjectID, want.State)
		}
		for _, answer := range c.find(duty, c.finder(), want.ObjectID)[want.ObjectID] {
			if !c.lists(want.ObjectID) && answer.State != adsync.StateDeleted {
				c.failf(duty, "%s is not listed, and is %q", want.ObjectID, stateOf(answer))
			}
		}
	}
}

func (c *directoryCheck) stopFind(duty string, l lookUp) {
	ids := idsOf(c.once)
	ids = ids[:min(2, len(ids))]
	c.wantStop(duty, func() iter.Seq2[adsync.Entry, error] { return l.find(c.ctx, slices.Clone(ids)) })
}

func (c *directoryCheck) cancelFind(duty string, l lookUp) {
	if len(c.once) > 0 {
		c.wantError(duty, l.find(c.ended(), idsOf(c.once[:1])))
	}
}

func (c *directoryCheck) cutFind(duty string, l lookUp) {
	ids := idsOf(c.once)
	ids = ids[:min(l.most, len(ids))]
	c.wantWhole(duty, ids, func(ctx context.Context) iter.Seq2[adsync.Entry, error] { return l.find(ctx, slices.Clone(ids)) })
}
