package adsynctest

import (
	"slices"

	"github.com/go-adsync/adsync"
)

// proofs is the look-up that may know more of roles than Find.
const proofs = "ProveRoles"

// confirmer is Confirm as a look-up, where the directory has it.
func (c *directoryCheck) confirmer() (l lookUp, ok bool) {
	d, ok := c.dir.(adsync.Confirmer)
	if !ok {
		return l, false
	}
	return lookUp{name: "Confirm", find: d.Confirm, most: 200, like: (*directoryCheck).compareConfirmed}, true
}

// roleProver is ProveRoles as a look-up, where the directory has it.
func (c *directoryCheck) roleProver() (l lookUp, ok bool) {
	d, ok := c.dir.(adsync.RoleProver)
	if !ok {
		return l, false
	}
	return lookUp{name: proofs, find: d.ProveRoles, most: 200, like: (*directoryCheck).compareProven}, true
}

// compareConfirmed lets what other servers say make an account disputed, which gives nobody
// anything.
func (c *directoryCheck) compareConfirmed(duty string, want, got adsync.Entry) {
	if got.State != adsync.StateDisputed {
		c.compare(duty, want, got)
	}
}

// compareProven lets more roles be had, and more be unknown. One that the account has, and
// that the proof neither has nor leaves unknown, would be taken from its user for good.
func (c *directoryCheck) compareProven(duty string, want, got adsync.Entry) {
	plain, proven := want, got
	plain.Extra, proven.Extra = plain.Extra.With(adsync.FieldRoles), proven.Extra.With(adsync.FieldRoles)
	c.compare(duty, plain, proven)
	if stateOf(want) != stateOf(got) || !got.Present() && got.State != adsync.StateOutOfScope {
		return
	}
	has := got.Extra.Set(adsync.FieldRoles)
	for _, role := range want.Extra.Set(adsync.FieldRoles) {
		if !slices.Contains(has, role) && !slices.Contains(got.Unknown.Set(adsync.FieldRoles), role) {
			c.failf(duty, "%s has the role %q, and is said to have lost it", want.ObjectID, role)
		}
	}
	for _, role := range has {
		if !slices.Contains(traitsOf(c.dir).Roles, role) {
			c.failf(duty, "%s has the role %q, which Traits.Roles lacks", want.ObjectID, role)
		}
	}
}
