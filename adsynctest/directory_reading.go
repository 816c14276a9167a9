package adsynctest

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/go-adsync/adsync"
)

const markDuty = "Mark is what a Reading leaves for the next one, and none or valid JSON"

// proveReadings goes through what a directory must do that can tell what has changed.
func (c *directoryCheck) proveReadings() {
	d, ok := c.dir.(adsync.Changes)
	if !ok {
		return
	}
	r := &readingCheck{directoryCheck: c, changes: d}
	c.prove("Reading begins a reading", func(duty string) { r.begin(duty) })
	c.prove(markDuty, r.leave)
	c.prove("Since goes on from a mark of the same server, or says why nobody can be left out", r.goOn)
	c.prove("Since takes a mark that was kept as JSON for what it was", r.kept)
	c.prove("Since leaves nobody out by the mark of another server", r.foreign)
	c.prove("Since leaves nobody out by a mark whose Data was lost", r.lost)
	c.prove("Reading of a context that has ended leaves no mark", r.beginLate)
	c.prove("Since fails or leaves nobody out when its context has ended", r.sinceLate)
	c.prove("Mark fails or is none when its context has ended", r.markLate)
}

// readingCheck has the mark of one reading for the others.
type readingCheck struct {
	*directoryCheck
	changes adsync.Changes
	mark    adsync.DirectoryMark // as it was left; zero if none was
	stored  adsync.DirectoryMark // as JSON gives it back
}

func (r *readingCheck) begin(duty string) adsync.Reading {
	reading, err := r.changes.Reading(r.ctx)
	switch {
	case err != nil:
		r.failf(duty, "it failed: %w", err)
		return nil
	case reading == nil:
		r.failf(duty, "there is none, and no error")
	}
	return reading
}

// leave makes the mark of a full reading.
func (r *readingCheck) leave(duty string) {
	reading := r.begin(duty)
	if reading == nil {
		return
	}
	if _, err := collect(r.dir.Entries(r.ctx)); err != nil {
		r.failf(duty, "Entries failed while it was read: %w", err)
		return
	}
	r.mark, r.stored = r.take(duty, reading)
}

// take asks for a mark, and keeps it as a program would.
func (r *readingCheck) take(duty string, reading adsync.Reading) (mark, stored adsync.DirectoryMark) {
	mark, err := reading.Mark(r.ctx)
	if err != nil {
		r.failf(duty, "it failed: %w", err)
		return adsync.DirectoryMark{}, stored
	}
	if mark.Controller == "" {
		if len(mark.Data) > 0 {
			r.failf(duty, "it has Data and no Controller; where the reading was not one, it is the zero DirectoryMark")
		}
		return adsync.DirectoryMark{}, stored
	}
	text, err := json.Marshal(mark)
	if err != nil || json.Unmarshal(text, &stored) != nil {
		r.failf(duty, "its Data is not valid JSON")
		return adsync.DirectoryMark{}, adsync.DirectoryMark{}
	}
	if stored.Controller != mark.Controller {
		r.failf(duty, "its Controller is not valid UTF-8")
		return adsync.DirectoryMark{}, adsync.DirectoryMark{}
	}
	return mark, stored
}

// since begins a reading and asks it. Nothing has changed, which cannot be held against a
// directory that names somebody all the same: too many are better than too few.
func (r *readingCheck) since(duty string, m adsync.DirectoryMark) (reading adsync.Reading, ids []adsync.ObjectID, full string) {
	reading = r.begin(duty)
	if reading == nil {
		return nil, nil, ""
	}
	ids, full, err := reading.Since(r.ctx, m)
	if err != nil {
		r.failf(duty, "it failed: %w", err)
		return nil, nil, ""
	}
	return reading, ids, full
}

// goOn makes a plan's way by a mark twice.
func (r *readingCheck) goOn(duty string) {
	from := r.stored
	for range 2 {
		if from.Controller == "" {
			return
		}
		reading, ids, full := r.since(duty, from)
		if reading == nil {
			return
		}
		if full == "" {
			r.lookUpChanged(duty, ids)
		}
		if full == adsync.GroupsChanged {
			r.members("Members tells who has each role", reading)
		}
		_, next := r.take(markDuty, reading)
		switch same := next.Controller == from.Controller; {
		case full == adsync.NoMarkOfController && same:
			r.failf(duty, "it says NoMarkOfController, and leaves a mark of the same Controller")
		case full == "" && next.Controller != "" && !same:
			r.failf(duty, "it goes on, and leaves a mark of another Controller")
		}
		from = next
	}
}

// lookUpChanged looks up who may have changed, as a plan does.
func (r *readingCheck) lookUpChanged(duty string, ids []adsync.ObjectID) {
	if slices.Contains(ids, adsync.ObjectID{}) {
		r.failf(duty, "it names an account without an ObjectID")
		return
	}
	most := r.finder().most
	ids = ids[:min(most, len(ids))]
	found, err := collect(r.dir.Find(r.ctx, slices.Clone(ids)))
	if err != nil {
		r.failf(duty, "Find of those that it names failed: %w", err)
		return
	}
	for _, id := range ids {
		if countOf(found, id) == 0 {
			r.failf(duty, "it names %s, for which Find has no answer", id)
		}
	}
}

// members holds who has each role now to what is listed. Whoever is left out would be given
// a role late, and whoever is there without having it would keep it.
func (r *readingCheck) members(duty string, reading adsync.Reading) {
	m, ok := reading.(interface {
		Members() map[string][]adsync.ObjectID
	})
	if !ok {
		return
	}
	members := m.Members()
	if members == nil {
		return
	}
	isMember := map[string]map[adsync.ObjectID]bool{}
	for role, ids := range members {
		isMember[role] = make(map[adsync.ObjectID]bool, len(ids))
		for _, id := range ids {
			isMember[role][id] = true
		}
	}
	for _, e := range r.once {
		has, unknown := e.Extra.Set(adsync.FieldRoles), e.Unknown.Set(adsync.FieldRoles)
		for _, role := range traitsOf(r.dir).Roles {
			is, was := isMember[role][e.ObjectID], slices.Contains(has, role)
			if is != was && !slices.Contains(unknown, role) {
				r.failf(duty, "%s has the role %q: %t by Entries, and %t by Members", e.ObjectID, role, was, is)
			}
		}
	}
}

// kept asks about a mark as it was left. What JSON has made of it must not be less.
func (r *readingCheck) kept(duty string) {
	if r.mark.Controller == "" {
		return
	}
	reading, _, full := r.since(duty, r.mark)
	if reading == nil || full != "" {
		return
	}
	if reading, _, full := r.since(duty, r.stored); reading != nil && full != "" {
		r.failf(duty, "as it was left, it is gone on from; through json.Marshal and Unmarshal, it is not: %s", full)
	}
}

const elsewhere = "adsynctest: no server that there is"

// foreign asks, on one reading, about marks that are none of its own.
func (r *readingCheck) foreign(duty string) {
	reading := r.begin(duty)
	if reading == nil {
		return
	}
	for _, m := range []adsync.DirectoryMark{{Controller: elsewhere, Data: r.stored.Data}, {Controller: elsewhere, Data: noData}, {}} {
		r.wantFull(duty, reading, m)
	}
}

var noData = json.RawMessage("null")

func (r *readingCheck) lost(duty string) {
	if r.stored.Controller == "" || len(r.stored.Data) == 0 || bytes.Equal(r.stored.Data, noData) {
		return // its Controller is all there is
	}
	if reading := r.begin(duty); reading != nil {
		r.wantFull(duty, reading, adsync.DirectoryMark{Controller: r.stored.Controller, Data: noData})
	}
}

// wantFull wants a reason, which makes the plan a full one, and no error, which would fail
// every plan for as long as the mark is kept.
func (r *readingCheck) wantFull(duty string, reading adsync.Reading, m adsync.DirectoryMark) {
	switch _, full, err := reading.Since(r.ctx, m); {
	case err != nil:
		r.failf(duty, "it failed, where a full plan would do: %w", err)
	case full == "":
		r.failf(duty, "it goes on from it")
	}
}

func (r *readingCheck) beginLate(duty string) {
	ctx := r.ended()
	reading, err := r.changes.Reading(ctx)
	switch {
	case err != nil:
	case reading == nil:
		r.failf(duty, "there is none, and no error")
	default:
		if m, err := reading.Mark(ctx); err == nil && m.Controller != "" {
			r.failf(duty, "it left one")
		}
	}
}

func (r *readingCheck) sinceLate(duty string) {
	reading := r.begin(duty)
	if reading == nil {
		return
	}
	if _, full, err := reading.Since(r.ended(), r.stored); err == nil && full == "" {
		r.failf(duty, "it tells who has changed")
	}
}

func (r *readingCheck) markLate(duty string) {
	reading := r.begin(duty)
	if reading == nil {
		return
	}
	if m, err := reading.Mark(r.ended()); err == nil && m.Controller != "" {
		r.failf(duty, "it left one")
	}
}
