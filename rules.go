package adsync

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-adsync/adsync/internal/claims"
	"github.com/go-adsync/adsync/internal/keyfold"
)

// Reaction is what a sync does with a user whose entry is gone or disabled.
type Reaction string

// The reactions, from the weakest to the strongest. "" is the default of the
// field of [Rules].
const (
	Keep       Reaction = "keep"       // change nothing, and report it
	Deactivate Reaction = "deactivate" // set StatusDeactivated, or StatusInactive where the store knows no more
	Remove     Reaction = "remove"     // delete the user
)

// Rules say how users follow the directory. The zero value synchronises all five
// details of all managed users, deletes the proven leavers and marks duplicates.
//
// Map is given an entry with one value of each single detail, and returns what is to be
// written. One that returns no Extra says nothing of the further details, which stay as the
// entry has them, so that it need not know them. To clear one of them, give it a value of
// white space, which is none: p.With(f, " "). An empty one leaves it out, and with it the
// whole Extra where there is no other.
type Rules struct {
	Source       string                       // the Source of the users that are managed
	Only         []string                     // nil: all managed users; otherwise just these, even if empty
	Fields       []Field                      // the details to synchronise, of the five and of any in Extra; default: those that the Traits of both sides name, of Reconcile: the five
	Keys         []Field                      // details that belong to one user each: username and email (the default), or username alone
	Require      []Field                      // details that no user can do without, besides the username
	KeepOnEmpty  []Field                      // an empty directory value does not clear these
	OnDeleted    Reaction                     // default Remove
	OnDisabled   Reaction                     // default Keep
	OnOutOfScope Reaction                     // default Keep
	OnUnproven   Reaction                     // default Keep
	Import       bool                         // also create users for all new entries; needs a Creator
	RemoveAfter  time.Duration                // how long somebody is deactivated before it is removed, to the second, at most half of how long the directory keeps tombstones; 0: removed at once
	Now          Moment                       // the time by which RemoveAfter has passed; zero: for nobody. A Syncer sets it
	PinProtected bool                         // a protected user keeps its username and email; that they differ is reported
	Roles        []string                     // which roles are given and taken; nil: those that both sides know, and with Reconcile none
	AdoptBy      []Field                      // see Adopt
	Fold         func(string) string          // default: NFKC, case folded, without what shows nothing, trimmed
	Map          func(Entry) (Profile, error) // normalise or refuse; must be pure, may be called more than once for an entry
	Version      string                       // of Fold and Map, to be changed with them; without it, Since reads everything

	untimed    bool // the clocks disagree, so that no deactivation is given a moment
	statusless bool // the store holds no status that can be set and lifted
}

// details are the five synchronised fields, in the order in which plans name
// them.
var details = [...]Field{FieldUsername, FieldFirstName, FieldLastName, FieldEmail, FieldPhone}

// Check returns an error for rules that make no sense, saying which.
func (r Rules) Check() error {
	var errs []error
	for _, f := range r.Fields {
		if f != FieldStatus && f != FieldActive && f != FieldDeactivatedAt && !f.isDetail() { // a store's Traits name these too
			errs = append(errs, fmt.Errorf("adsync: Rules.Fields: %q is not a detail", f))
		}
	}
	if len(r.Keys) > 0 && !slices.Contains(r.Keys, FieldUsername) || slices.ContainsFunc(r.Keys, func(f Field) bool { return f != FieldUsername && f != FieldEmail }) {
		errs = append(errs, errors.New("adsync: Rules.Keys: use username and email, or username alone"))
	}
	for _, f := range r.Require {
		if !slices.Contains(r.fields(), f) && !slices.Contains(r.extras(), f) {
			errs = append(errs, fmt.Errorf("adsync: Rules.Require: %q is none of the details that are synchronised; add it to Rules.Fields", f))
		}
	}
	for _, f := range r.KeepOnEmpty {
		if !f.isDetail() {
			errs = append(errs, fmt.Errorf("adsync: Rules.KeepOnEmpty: %q is not a detail", f))
		}
	}
	for _, f := range r.AdoptBy {
		if f != FieldUsername && f != FieldEmail {
			errs = append(errs, fmt.Errorf("adsync: Rules.AdoptBy: %q does not identify a person; use username, email or both", f))
		}
	}
	for _, reaction := range []struct {
		name  string
		value Reaction
	}{
		{"OnDeleted", r.OnDeleted}, {"OnDisabled", r.OnDisabled},
		{"OnOutOfScope", r.OnOutOfScope}, {"OnUnproven", r.OnUnproven},
	} {
		if !slices.Contains([]Reaction{"", Keep, Deactivate, Remove}, reaction.value) {
			errs = append(errs, fmt.Errorf("adsync: Rules.%s: %q is not a reaction; use Keep, Deactivate or Remove", reaction.name, reaction.value))
		}
	}
	if slices.Contains(r.Roles, "") || slices.Contains(r.Roles, AnyRole) {
		errs = append(errs, errors.New("adsync: Rules.Roles: each is the name of a role"))
	}
	errs = append(errs, r.checkLeaving())
	if r.Import && !slices.Contains(r.fields(), FieldUsername) {
		errs = append(errs, errors.New("adsync: Rules.Import creates users, who need a username; add it to Rules.Fields"))
	}
	return errors.Join(errs...)
}

// fields are the details to synchronise, of the five, in order.
func (r Rules) fields() []Field {
	var fields []Field
	for _, f := range details {
		if len(r.Fields) == 0 || slices.Contains(r.Fields, f) {
			fields = append(fields, f)
		}
	}
	return fields
}

// extras are the details to synchronise beyond the five, in ascending order.
func (r Rules) extras() []Field {
	var extras []Field
	for _, f := range r.Fields {
		if f.isExtra() && f != FieldRoles && f != FieldHostRoles { // which are decided apart from the details
			extras = append(extras, f)
		}
	}
	slices.Sort(extras)
	return slices.Compact(extras)
}

// off is the status of whom a sync deactivates.
func (r Rules) off() Status {
	if slices.Contains(r.Fields, FieldActive) && !r.stamps() {
		return StatusInactive
	}
	return StatusDeactivated
}

// isKey reports whether the detail belongs to one user.
func (r *Rules) isKey(f Field) bool { return len(r.Keys) == 0 || slices.Contains(r.Keys, f) }

// lacking are the required details that are blank.
func (r *Rules) lacking(p *Profile) []Field {
	var lacking []Field
	for _, f := range r.Require {
		if p.isBlank(f) {
			lacking = append(lacking, f)
		}
	}
	return lacking
}

// manages reports whether the user is one of this source's. This and appendKey are
// asked of every user, and take a pointer because Rules are 200 bytes to copy.
func (r *Rules) manages(u *User) bool { return !u.ObjectID.IsZero() && u.Source == r.Source }

// reaction says what the rules do with a user of the entry, and why. The reason
// is empty for an entry that is Present and enabled. Where that is unknown
// nothing is done for it: OnDisabled is for who is known to be.
func (r Rules) reaction(e *Entry) (Reaction, Reason) {
	disabled := orDefault(r.OnDisabled, Keep)
	switch e.State {
	case StateDeleted:
		return orDefault(r.OnDeleted, Remove), ReasonDeleted
	case StateDisputed:
		if orDefault(r.OnDeleted, Remove) != Keep && !r.statusless {
			return Deactivate, ReasonDisputed // which the controllers can take back when they agree
		}
		return Keep, ReasonDisputed
	case StateUnproven:
		return orDefault(r.OnUnproven, Keep), ReasonUnproven
	case StateOutOfScope:
		outOfScope := orDefault(r.OnOutOfScope, Keep)
		if e.Disabled && disabled.strength() > outOfScope.strength() {
			return disabled, ReasonDisabled
		}
		return outOfScope, ReasonOutOfScope
	}
	switch {
	case e.Disabled:
		return disabled, ReasonDisabled
	case e.DisabledUnknown:
		return Keep, ReasonUnknown
	}
	return Keep, ""
}

// status is what becomes of the user's status, and why; the reason is empty when
// nothing does. The host's own statuses are not a sync's to change, and what may be one,
// as StatusInactive, neither.
func (r Rules) status(u *User, e *Entry) (Status, Reason) {
	reaction, reason := r.reaction(e)
	switch {
	case reason == "" && u.Status == StatusDeactivated:
		return StatusActive, ReasonReactivated
	case (reaction == Deactivate || reaction == Remove && r.waits()) && u.active() && !u.Protected:
		return r.off(), reason
	}
	return u.Status, ""
}

// mapped is the profile of the entry, chosen before, as the host wants it. The error is of
// Rules.Map.
func (r Rules) mapped(e *Entry) (Profile, error) {
	if r.Map == nil {
		return e.Profile, nil
	}
	p, err := r.Map(*e)
	if (p.Extra == Extra{}) { // and not one of blanks, by which a Map clears the only detail
		p.Extra = e.Extra
	}
	p = validProfile(p)
	p.dropBlanks()
	return p, err
}

// appendKey appends the form in which keys are compared.
func (r *Rules) appendKey(dst []byte, s string) []byte {
	if r.Fold != nil {
		return append(dst, r.Fold(s)...)
	}
	return keyfold.Append(dst, s)
}

func (r Rules) key(s string) string { return string(r.appendKey(nil, s)) }

func orDefault(r, def Reaction) Reaction {
	if r == "" {
		return def
	}
	return r
}

func (r Reaction) strength() int { return slices.Index([]Reaction{Keep, Deactivate, Remove}, r) }

// keySpaces are the details that can belong to one user each; see Rules.Keys.
var keySpaces = [claims.Spaces]Field{FieldUsername, FieldEmail}
