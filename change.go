package adsync

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/keyfold"
	"github.com/go-adsync/adsync/internal/plantext"
)

// Op is what a [Change] does.
type Op string

// The operations. Update, Delete and Create write; the others only report.
const (
	OpUpdate    Op = "update"
	OpDelete    Op = "delete"
	OpDuplicate Op = "duplicate" // left alone: another holds or asks for a key
	OpCreate    Op = "create"
	OpInvalid   Op = "invalid" // left alone: the directory's profile cannot be written
	OpNotice    Op = "notice"  // left alone: a person should know
)

// Reason is why a [Change] is made or reported.
type Reason string

// The reasons of a [Change].
const (
	ReasonChanged     Reason = "changed"      // Update: details differ from the directory
	ReasonReactivated Reason = "reactivated"  // Update: present and enabled again; details may differ too
	ReasonAdopted     Reason = "adopted"      // Update: linked to an entry, see Adopt
	ReasonParked      Reason = "parked"       // Update: a parked value that opens a cycle
	ReasonUndone      Reason = "undone"       // Update, Create or Notice: takes back what a run did, see Syncer.Inverse
	ReasonNew         Reason = "new"          // Create: nobody is linked to the entry
	ReasonDeleted     Reason = "deleted"      // Delete, Update or Notice: the tombstone was read
	ReasonDisabled    Reason = "disabled"     // likewise: disabled in the directory
	ReasonOutOfScope  Reason = "out-of-scope" // likewise: alive, but outside the base or filter
	ReasonLeaving     Reason = "leaving"      // Notice: deactivated, and removed when Rules.RemoveAfter has passed; Detail has the reason and the time, as has Change.Due
	ReasonUnproven    Reason = "unproven"     // likewise: not found, and nothing proves a deletion
	ReasonDisputed    Reason = "disputed"     // Update or Notice: one controller has the tombstone, and another speaks against it
	ReasonUnknown     Reason = "unknown"      // Notice: whether the account is disabled could not be read
	ReasonProtected   Reason = "protected"    // Notice: would be removed, or given another username or email, but is protected
	ReasonTaken       Reason = "taken"        // Duplicate: a rival keeps the key
	ReasonContested   Reason = "contested"    // Duplicate: others ask for the key too
	ReasonWaiting     Reason = "waiting"      // Duplicate: every rival is itself blocked and wants to give the key up
	ReasonLinkedTwice Reason = "linked-twice" // Duplicate: several users are linked to one entry
	ReasonListedTwice Reason = "listed-twice" // Duplicate: the directory listed two different entries with one ObjectID
	ReasonNoUsername  Reason = "no-username"  // Invalid: the username would be empty
	ReasonMissing     Reason = "missing"      // Invalid: details that Rules.Require names, and Detail too, would be empty
	ReasonRefused     Reason = "refused"      // Invalid: Rules.Map refused the profile; Detail has its words
	ReasonDeceptive   Reason = "deceptive"    // Invalid: a new username or email, which Detail names, has controls or characters that change the direction of writing
	ReasonLinked      Reason = "linked"       // Notice: asked to import, but a user is linked to the entry already
	ReasonAmbiguous   Reason = "ambiguous"    // Notice of Adopt: a likely pair that something speaks against
)

// reasons are all that there are.
var reasons = [...]Reason{
	ReasonChanged, ReasonReactivated, ReasonAdopted, ReasonParked, ReasonUndone, ReasonNew, ReasonDeleted, ReasonDisabled, ReasonOutOfScope,
	ReasonLeaving, ReasonUnproven, ReasonDisputed, ReasonUnknown, ReasonProtected, ReasonTaken, ReasonContested, ReasonWaiting,
	ReasonLinkedTwice, ReasonListedTwice, ReasonNoUsername, ReasonMissing, ReasonRefused, ReasonDeceptive, ReasonLinked, ReasonAmbiguous,
}

// Conflict says which key of a user is another's.
type Conflict struct {
	Field Field    `json:"field"`
	Value string   `json:"value"` // as the directory spells it
	With  []string `json:"with"`  // the rivals' user IDs (or ObjectIDs of new entries), sorted
}

// Change is one step of a [Plan]: typed data, complete in itself.
type Change struct {
	Op        Op         `json:"op"`
	Reason    Reason     `json:"reason"`
	Detail    string     `json:"detail,omitempty"` // more words for people, where the reason alone does not say enough
	UserID    string     `json:"user_id,omitempty"`
	ObjectID  ObjectID   `json:"object_id,omitzero"`
	Before    *User      `json:"before,omitempty"`
	After     *User      `json:"after,omitempty"`     // of a Duplicate that is a new entry: the user that is not created
	Fields    []Field    `json:"fields,omitempty"`    // what differs
	Conflicts []Conflict `json:"conflicts,omitempty"` // object_id, username, email, in this order
	Needs     []int      `json:"needs,omitempty"`     // earlier changes that must succeed first, ascending; others may be written after it
	Interim   bool       `json:"interim,omitempty"`   // a parked value that opens a cycle
}

// Guard says whether a store should write the change, given the row as it is now
// (nil: no such row): nil (yes), [ErrAlready] or [ErrStale]. It compares the
// whole row; "" and StatusActive are equal, and so are AtWrite and any moment. For a Create, the row is the one that
// is linked to the same entry.
func (c Change) Guard(now *User) error {
	switch c.Op {
	case OpCreate:
		switch {
		case now == nil:
			return nil
		case c.After != nil && withID(*now, c.After.ID).Same(*c.After):
			return ErrAlready
		}
	case OpDelete:
		switch {
		case now == nil:
			return ErrAlready
		case c.Before != nil && now.Same(*c.Before):
			return nil
		}
	case OpUpdate:
		switch {
		case now == nil || c.Before == nil || c.After == nil:
		case now.Same(*c.Before):
			return nil
		case now.Same(*c.After):
			return ErrAlready
		}
	}
	return ErrStale
}

func withID(u User, id string) User {
	u.ID = id
	return u
}

// Due is when a leaver who waits, with ReasonLeaving, is to be removed; zero for every other
// change.
func (c Change) Due() Moment {
	words := strings.Fields(c.Detail)
	var due Moment
	if c.Reason != ReasonLeaving || len(words) == 0 || due.UnmarshalText([]byte(words[len(words)-1])) != nil {
		return 0
	}
	return due
}

// LogValue gives IDs, operation, reason and field names; never values.
func (c Change) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("op", string(c.Op)), slog.String("reason", string(c.Reason))}
	if c.UserID != "" {
		attrs = append(attrs, slog.String("user_id", c.UserID))
	}
	if !c.ObjectID.IsZero() {
		attrs = append(attrs, slog.String("object_id", c.ObjectID.String()))
	}
	if len(c.Fields) > 0 {
		attrs = append(attrs, slog.Any("fields", c.Fields))
	}
	for _, conflict := range c.Conflicts {
		attrs = append(attrs, slog.Any("conflict_"+string(conflict.Field), conflict.With))
	}
	return slog.GroupValue(attrs...)
}

// CheckShape refuses a change that a writer cannot do at all. What speaks against
// its Before is left to Guard.
func (c Change) CheckShape(op Op) error {
	switch {
	case c.Op != op:
		return fmt.Errorf("adsync: a change of kind %q cannot be written as %q; pass the changes of a plan", c.Op, op)
	case c.After == nil && op != OpDelete:
		return fmt.Errorf("adsync: the %s has no After; pass the changes of a plan", op)
	case op == OpUpdate && c.After.ID != c.UserID:
		return errors.New("adsync: an update cannot change the ID; pass the changes of a plan")
	}
	return nil
}

func (c *Change) writes() bool { return c.Op == OpUpdate || c.Op == OpDelete || c.Op == OpCreate }

// validTexts reports whether all texts are valid UTF-8.
func (c *Change) validTexts() bool {
	for _, u := range []*User{c.Before, c.After} {
		if u != nil && !u.valid() {
			return false
		}
	}
	for i := range c.Conflicts {
		conflict := &c.Conflicts[i]
		if !keyfold.Valid(string(conflict.Field)) || !keyfold.Valid(conflict.Value) || !validAll(conflict.With) {
			return false
		}
	}
	for _, f := range c.Fields {
		if !keyfold.Valid(string(f)) {
			return false
		}
	}
	return keyfold.Valid(string(c.Op)) && keyfold.Valid(string(c.Reason)) && keyfold.Valid(c.Detail) && keyfold.Valid(c.UserID)
}

func (c *Change) validateCreate(rules Rules) error {
	switch {
	case c.Before != nil || c.After == nil || c.UserID != "" || c.After.ID != "" || c.Interim || len(c.Fields) > 0:
		return errors.New("a new user has no ID and no state before")
	case !rules.manages(c.After) || c.After.ObjectID != c.ObjectID:
		return errors.New("a new user must be linked to an entry of this source")
	case c.After.Protected || (!c.After.active() || c.After.DeactivatedAt != 0) && c.Reason != ReasonUndone:
		return errors.New("a new user must be a plain, active one")
	case rules.key(c.After.Username) == "":
		return errors.New("a new user needs a username")
	}
	return nil
}

func (c *Change) validateDelete(rules Rules) error {
	switch {
	case c.After != nil || c.Interim || len(c.Fields) > 0:
		return errors.New("a deletion leaves nothing behind")
	case !rules.manages(c.Before) || c.Before.ObjectID != c.ObjectID:
		return errors.New("the user is not managed by this source")
	case c.Before.Protected:
		return errors.New("the user is protected")
	case c.Reason == ReasonUndone:
		return errUndoneRemoval
	}
	return nil
}

// errUndoneRemoval: whoever is removed is looked up, which what is undone is not.
var errUndoneRemoval = errors.New("taking a run back removes nobody")

func (c *Change) validateUpdate(rules Rules) error {
	if c.After == nil {
		return errors.New("it does not say what to write")
	}
	before, after := c.Before, c.After
	switch {
	case after.ID != before.ID || after.Protected != before.Protected:
		return errors.New("an ID and a protection are not a sync's to change")
	case c.unlinks():
		return c.validateUnlink(rules)
	case c.ObjectID != after.ObjectID || !rules.manages(after):
		return errors.New("the user is not managed by this source")
	case !slices.Equal(c.Fields, differing(before, after)) || len(c.Fields) == 0:
		return errors.New("its fields are not those that differ")
	case after.Username != before.Username && rules.key(after.Username) == "":
		return errors.New("it would leave the user without a username")
	case c.removes() && before.Protected:
		return errors.New("the user is protected")
	case c.removes() && c.Reason == ReasonUndone:
		return errUndoneRemoval
	case c.revokes() && before.Protected:
		return errors.New("a protected user keeps its roles")
	case before.Status != after.Status && !c.switchesStatus():
		return errors.New("the status is not a sync's to change in this way")
	case !c.stampsRight():
		return errors.New("when the user was deactivated is not the sync's to change in this way")
	case c.Interim && (c.Reason != ReasonParked || !c.parksOnly()):
		return errors.New("a parking gives its user the names that are reserved for it, and changes nothing else")
	case (!rules.manages(before) || c.adopts()) && !c.validAdoption():
		return errors.New("the user is not managed by this source, or its link would change")
	}
	return nil
}

// validateUnlink allows taking an adoption back, and nothing else with it.
func (c *Change) validateUnlink(rules Rules) error {
	local := *c.Before
	local.ObjectID, local.Source = ObjectID{}, c.After.Source
	if c.Reason != ReasonUndone || !rules.manages(c.Before) || local != *c.After || !slices.Equal(c.Fields, differing(c.Before, c.After)) {
		return errors.New("its link would be lost")
	}
	return nil
}

// parksOnly reports whether the change does what a parking of just its user may.
func (c *Change) parksOnly() bool {
	const names = 100 // that a user may have: the first, unless somebody has or wants it
	for n := range names {
		parked := c.parked(parkedName(c.UserID, n))
		if parked == *c.After {
			return true
		}
	}
	return false
}

// parked is the user before the change, under that name where the change alters keys.
func (c *Change) parked(name string) User {
	u := *c.Before
	if slices.Contains(c.Fields, FieldUsername) {
		u.Username = name
	}
	if slices.Contains(c.Fields, FieldEmail) {
		u.Email = name + parkedDomain
	}
	return u
}

// validAdoption allows linking a local user, and nothing else with it.
func (c *Change) validAdoption() bool {
	linked := *c.Before
	linked.ObjectID, linked.Source = c.After.ObjectID, c.After.Source
	local := c.Before.ObjectID.IsZero() && (c.Before.Source == "" || c.Before.Source == c.After.Source)
	return c.Reason == ReasonAdopted && local && linked == *c.After
}

// item is the change in print.
func (c *Change) item() plantext.Item {
	item := plantext.Item{Mark: plantext.Mark(string(c.Op)), ID: c.UserID, Text: plantext.Reason(string(c.Op), string(c.Reason))}
	if c.Detail != "" {
		item.Text += " (" + c.Detail + ")"
	}
	switch {
	case c.Before != nil:
		item.Name = c.Before.Username
	case c.After != nil:
		item.Name = c.After.Username
	default:
		item.Name = c.ObjectID.String()
	}
	item.Details = append(c.valueDetails(), c.conflictDetails()...)
	if c.Reason == ReasonAmbiguous { // one user may have several such notices
		item.Details = append(item.Details, plantext.Detail{Label: string(FieldObjectID), New: c.ObjectID.String()})
	}
	return item
}

func (c *Change) valueDetails() []plantext.Detail {
	var list []plantext.Detail
	switch {
	case c.rewrites():
		for _, f := range c.Fields {
			if f.isExtra() && (c.Before.Extra.isSet(f) || c.After.Extra.isSet(f)) {
				before, after := c.Before.Extra.block(f), c.After.Extra.block(f)
				list = append(list, setDetails(f, beyond(after, before, anyRole), beyond(before, after, anyRole))...)
				continue
			}
			list = append(list, plantext.Detail{
				Label: string(f), Old: printValue(c.Before.text(f)), New: printValue(c.After.text(f)), Arrow: true,
			})
		}
	case c.Op == OpCreate && c.After != nil:
		for _, f := range details {
			if value := c.After.text(f); value != "" {
				list = append(list, plantext.Detail{Label: string(f), New: value})
			}
		}
		for f := range c.After.Extra.blocks() {
			list = append(list, plantext.Detail{Label: string(f), New: c.After.text(f)})
		}
	}
	return list
}

// setDetails are the values that a set gains and loses, each in a line of its own.
func setDetails(f Field, gained, lost []string) []plantext.Detail {
	var list []plantext.Detail
	for _, text := range gained {
		list = append(list, plantext.Detail{Label: string(f), New: "+ " + text})
	}
	for _, text := range lost {
		list = append(list, plantext.Detail{Label: string(f), New: "- " + text})
	}
	return list
}

func (c *Change) conflictDetails() []plantext.Detail {
	var list []plantext.Detail
	for _, conflict := range c.Conflicts {
		text := conflict.Value
		switch {
		case len(conflict.With) > 0:
			text += ", also of " + strings.Join(conflict.With, ", ")
		case c.Reason == ReasonListedTwice:
			text += ", listed twice with different details"
		}
		list = append(list, plantext.Detail{Label: string(conflict.Field), New: text})
	}
	return list
}

func (c *Change) explain() []string {
	item := c.item()
	lines := []string{"A sync says: " + item.Text + "."}
	for _, d := range item.Details {
		if d.Arrow {
			d.New = d.Old + " → " + d.New
		}
		lines = append(lines, "  "+d.Label+": "+d.New)
	}
	return append(lines, c.advice())
}

// advice says what would have to change for another outcome.
func (c *Change) advice() string {
	if c.writes() {
		return "This is done by the next sync, unless the directory or the rules change before."
	}
	return plantext.Advice(string(c.Reason))
}

// removes reports whether the change deletes or deactivates its user.
func (c *Change) removes() bool { return c.Op == OpDelete || c.deactivates() }

func (c *Change) deactivates() bool {
	return c.rewrites() && c.After.off() && c.Before.Status != c.After.Status
}

// rewritesMore reports whether the change writes more than the status, and when that became
// so.
func (c *Change) rewritesMore() bool {
	return slices.ContainsFunc(c.Fields, func(f Field) bool { return f != FieldStatus && f != FieldDeactivatedAt })
}

// reactivates reports whether the change lifts a deactivation.
func (c *Change) reactivates() bool {
	return c.rewrites() && c.Before.off() && c.After.active()
}

// rewrites reports whether the change is an update with both its states; a damaged one
// lacks one of them.
func (c *Change) rewrites() bool { return c.Op == OpUpdate && c.Before != nil && c.After != nil }

// adopts reports whether the change links its user, or moves the link.
func (c *Change) adopts() bool {
	return c.rewrites() && !c.unlinks() && (c.Before.ObjectID != c.After.ObjectID || c.Before.Source != c.After.Source)
}

// unlinks reports whether the change makes a local user of a linked one.
func (c *Change) unlinks() bool {
	return c.rewrites() && c.After.ObjectID.IsZero() && !c.Before.ObjectID.IsZero()
}

// switchesStatus allows what Rules.status does, and an undo of it.
func (c *Change) switchesStatus() bool {
	lifts := c.Before.Status == StatusDeactivated || c.Before.Status == StatusInactive && c.Reason == ReasonUndone
	return c.Before.active() && c.After.off() || lifts && c.After.active()
}

// stampsRight allows writing the moment of a deactivation as it happens, or where there is
// none, and clearing that of an active user. An earlier moment would bring a removal nearer.
func (c *Change) stampsRight() bool {
	before, after := c.Before.DeactivatedAt, c.After.DeactivatedAt
	switch {
	case before == AtWrite:
		return false // which no row says
	case c.Reason == ReasonUndone:
		return after != AtWrite
	case after == before:
		return before == 0 || !c.deactivates()
	case after == AtWrite:
		return c.After.Status == StatusDeactivated && (before == 0 || c.deactivates())
	}
	return after == 0 && c.After.active()
}

// NewUpdate returns the Update that turns before into after, with the Fields that
// differ. Neither may be nil, and both have the same ID.
func NewUpdate(reason Reason, before, after *User) Change {
	return Change{
		Op: OpUpdate, Reason: reason, UserID: before.ID, ObjectID: after.ObjectID,
		Before: before, After: after, Fields: differing(before, after),
	}
}

// differing lists the fields in which two states of a user differ.
func differing(before, after *User) []Field {
	var fields []Field
	for _, f := range details {
		if *before.detail(f) != *after.detail(f) {
			fields = append(fields, f)
		}
	}
	fields = append(fields, before.Extra.differing(after.Extra)...)
	if before.Status != after.Status {
		fields = append(fields, FieldStatus)
	}
	if before.DeactivatedAt != after.DeactivatedAt {
		fields = append(fields, FieldDeactivatedAt)
	}
	if before.ObjectID != after.ObjectID {
		fields = append(fields, FieldObjectID)
	}
	if before.Source != after.Source {
		fields = append(fields, FieldSource)
	}
	return fields
}

// printValue makes an empty value visible.
func printValue(s string) string {
	if s == "" {
		return "(empty)"
	}
	return s
}
