package adsynctest

import (
	"crypto/rand"
	"slices"

	"github.com/go-adsync/adsync"
)

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

func (c *directoryCheck) findListed(duty string) {
	const most = 1000
	once := c.once()
	once = once[:min(most, len(once))]
	if len(once) == 0 {
		return
	}
	answers := c.find(duty, idsOf(once)...)
	for _, e := range once {
		if answer, ok := answers[e.ObjectID]; ok {
			c.compare(duty, e, answer)
			if e.Unknown != answer.Unknown {
				c.failf(duty, "%s leaves other roles unknown", e.ObjectID)
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

func (c *directoryCheck) findStranger(duty string) {
	id := stranger()
	if answer, ok := c.find(duty, id)[id]; ok && (answer.Present() || answer.State == adsync.StateOutOfScope) {
		c.failf(duty, "%s is %q, which means alive", id, stateOf(answer))
	}
}

func (c *directoryCheck) findRepeated(duty string) {
	if once := c.once(); len(once) > 0 {
		id := once[0].ObjectID
		c.find(duty, id, id)
	}
}

func (c *directoryCheck) findWanted(duty string) {
	if len(c.want) == 0 {
		return
	}
	answers := c.find(duty, idsOf(c.want)...)
	for _, want := range c.want {
		if answer, ok := answers[want.ObjectID]; ok {
			c.compare(duty, want, answer)
		}
		if isListed := c.lists(want.ObjectID); isListed != want.Present() {
			c.failf(listDuty, "%s is wanted %q; listed: %t", want.ObjectID, stateOf(want), isListed)
		}
	}
}

// final asks for those who are not listed: a stranger, and whom the host knows.
func (c *directoryCheck) final(duty string) {
	if !traitsOf(c.dir).Final {
		return
	}
	id := stranger()
	if answer, ok := c.find(duty, id)[id]; ok && answer.State != adsync.StateDeleted {
		c.failf(duty, "%s, who never was, is %q", id, stateOf(answer))
	}
	for _, want := range c.want {
		if !want.Present() && want.State != adsync.StateDeleted {
			c.failf(duty, "%s is wanted %q", want.ObjectID, want.State)
		}
		if answer := c.find(duty, want.ObjectID)[want.ObjectID]; !c.lists(want.ObjectID) && answer.State != adsync.StateDeleted {
			c.failf(duty, "%s is not listed, and is %q", want.ObjectID, stateOf(answer))
		}
	}
}

func (c *directoryCheck) stopFind(duty string) {
	ids := idsOf(c.once())
	c.wantStop(duty, c.dir.Find(c.ctx, ids[:min(2, len(ids))]))
}

func (c *directoryCheck) cancelFind(duty string) {
	if once := c.once(); len(once) > 0 {
		c.wantError(duty, c.dir.Find(c.ended(), idsOf(once[:1])))
	}
}
