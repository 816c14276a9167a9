package adsynctest

import (
	"slices"

	"github.com/go-adsync/adsync"
)

const detailsDuty = "Traits name the details beyond the five that entries tell"

// details holds what is listed to the Traits. A plan clears what they name and an entry
// lacks, and takes no notice of what they do not name.
func (c *directoryCheck) details(duty string) {
	traits := traitsOf(c.dir)
	told := map[adsync.Field]bool{}
	for _, e := range c.listed {
		for _, f := range append(e.Extra.Fields(), e.Others.Fields()...) {
			told[f] = true
			if isExtra(f) && f != adsync.FieldRoles && !slices.Contains(traits.Fields, f) {
				c.failf(duty, "%s has %q, which Traits.Fields lacks", e.ObjectID, f)
			}
		}
		c.severalValues(duty, e, traits.Sets)
		for _, role := range e.Extra.Set(adsync.FieldRoles) {
			if !slices.Contains(traits.Roles, role) {
				c.failf(duty, "%s has the role %q, which Traits.Roles lacks", e.ObjectID, role)
			}
		}
	}
	for _, f := range traits.Sets {
		if !slices.Contains(traits.Fields, f) {
			c.failf(duty, "Traits.Sets has %q, which Traits.Fields lacks", f)
		}
	}
	for _, f := range traits.Fields {
		if isExtra(f) && !told[f] && len(c.listed) > 0 {
			c.failf(duty, "Traits.Fields has %q, and no account has a value of it; give one to an account, so that it is seen to be told", f)
		}
	}
}

// severalValues wants those of a set in Extra, and those of a single text all in Others.
func (c *directoryCheck) severalValues(duty string, e adsync.Entry, sets []adsync.Field) {
	for _, f := range e.Extra.Fields() {
		if f != adsync.FieldRoles && !slices.Contains(sets, f) && len(e.Extra.Set(f)) > 1 {
			c.failf(duty, "%s has several values of %q in Extra; name it in Traits.Sets, or leave the values to Others", e.ObjectID, f)
		}
	}
	for _, f := range e.Others.Fields() {
		switch marked := e.Get(f); {
		case slices.Contains(sets, f):
			c.failf(duty, "%s has values of the set %q in Others; they belong in Extra", e.ObjectID, f)
		case marked != "" && !slices.Contains(e.Others.Set(f), marked):
			c.failf(duty, "%s has a value of %q that is none of Others, where all belong", e.ObjectID, f)
		}
	}
}

// compareDetails names what differs beyond the five, and no values.
func (c *directoryCheck) compareDetails(duty string, want, got adsync.Entry) {
	for _, side := range []struct {
		where     string
		want, got adsync.Extra
	}{{"", want.Extra, got.Extra}, {" in Others", want.Others, got.Others}} {
		fields := append(side.want.Fields(), side.got.Fields()...)
		slices.Sort(fields)
		for _, f := range slices.Compact(fields) {
			if !slices.Equal(side.want.Set(f), side.got.Set(f)) {
				c.failf(duty, "%s has another %q%s", want.ObjectID, f, side.where)
			}
		}
	}
}
