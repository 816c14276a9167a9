package adsync

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/claims"
	"github.com/go-adsync/adsync/internal/keyfold"
	"github.com/go-adsync/adsync/internal/plantext"
	"github.com/go-adsync/adsync/internal/userindex"
)

// Op is what a [Change] does.
type Op string

// The operations. Update, Delete and Create write; the others only tell.
const (
	OpUpdate    Op = "update"
	OpDelete    Op = "delete"
	OpDuplicate Op = "duplicate" // left alone: another holds or asks for a key
	OpCreate    Op = "create"
	OpInvalid   Op = "invalid" // left alone: the directory's profile cannot be written
	OpNotice    Op = "notice"  // left alone: a person should know
)

// The reasons of a [Change].
const (
	ReasonChanged     = "changed"      // Update: details differ from the directory
	ReasonReactivated = "reactivated"  // Update: present and enabled again; details may differ too
	ReasonAdopted     = "adopted"      // Update: linked to an entry, see Adopt
	ReasonParked      = "parked"       // Update: a parked value that opens a cycle
	ReasonUndone      = "undone"       // Update, Create or Notice: takes back what a run did, see Syncer.Inverse
	ReasonNew         = "new"          // Create: nobody is linked to the entry
	ReasonDeleted     = "deleted"      // Delete, Update or Notice: the tombstone was read
	ReasonDisabled    = "disabled"     // likewise: disabled in the directory
	ReasonOutOfScope  = "out-of-scope" // likewise: alive, but outside the base or filter
	ReasonUnproven    = "unproven"     // likewise: not found, and nothing proves a deletion
	ReasonProtected   = "protected"    // Notice: would be removed, but is protected
	ReasonTaken       = "taken"        // Duplicate: a rival keeps the key
	ReasonContested   = "contested"    // Duplicate: others ask for the key too
	ReasonWaiting     = "waiting"      // Duplicate: every rival is itself blocked and wants to give the key up
	ReasonLinkedTwice = "linked-twice" // Duplicate: several users are linked to one entry
	ReasonListedTwice = "listed-twice" // Duplicate: the directory listed two different entries with one ObjectID
	ReasonNoUsername  = "no-username"  // Invalid: the username would be empty
	ReasonRefused     = "refused"      // Invalid: Rules.Map refused the profile; Detail has its words
	ReasonLinked      = "linked"       // Notice: asked to import, but a user is linked to the entry already
	ReasonAmbiguous   = "ambiguous"    // Notice of Adopt: a likely pair that something speaks against
)

// Conflict says which key of a user is another's.
type Conflict struct {
	Field Field    `json:"field"`
	Value string   `json:"value"` // as the directory spells it
	With  []string `json:"with"`  // the rivals' user IDs (or ObjectIDs of new entries), sorted
}

// Change is one step of a [Plan]: typed data, complete in itself.
type Change struct {
	Op        Op         `json:"op"`
	Reason    string     `json:"reason"`           // one of the Reason constants
	Detail    string     `json:"detail,omitempty"` // more words for people, where the reason alone does not tell
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
// whole row; "" and StatusActive are equal. For a Create, the row is the one that
// is linked to the same entry.
func (c Change) Guard(now *User) error {
	switch c.Op {
	case OpCreate:
		switch {
		case now == nil:
			return nil
		case c.After != nil && sameUser(withID(*now, c.After.ID), *c.After):
			return ErrAlready
		}
	case OpDelete:
		switch {
		case now == nil:
			return ErrAlready
		case c.Before != nil && sameUser(*now, *c.Before):
			return nil
		}
	case OpUpdate:
		switch {
		case now == nil || c.Before == nil || c.After == nil:
		case sameUser(*now, *c.Before):
			return nil
		case sameUser(*now, *c.After):
			return ErrAlready
		}
	}
	return ErrStale
}

// sameUser compares as Guard promises. Bytes that are not UTF-8 cannot survive a
// plan's JSON, so they count as what JSON makes of them.
func sameUser(a, b User) bool { return normalUser(a) == normalUser(b) }

func normalUser(u User) User {
	u = validUser(u)
	if u.Status == "" {
		u.Status = StatusActive
	}
	return u
}

func withID(u User, id string) User {
	u.ID = id
	return u
}

// LogValue tells IDs, operation, reason and field names; never values.
func (c Change) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("op", string(c.Op)), slog.String("reason", c.Reason)}
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

// PlanVersion is the version of the plans that this package makes and applies.
const PlanVersion = 1

// Stats counts what a plan was made from.
type Stats struct {
	Entries   int `json:"entries"`   // accounts found in scope that belong to a chosen user or are free to import
	Users     int `json:"users"`     // rows of the host's table
	Managed   int `json:"managed"`   // those of this source
	Chosen    int `json:"chosen"`    // managed users that this plan is about
	Unchanged int `json:"unchanged"` // chosen users that no change mentions
}

// Plan is what a sync would do: plain data, which survives JSON. Changes is
// never nil, and all texts are valid UTF-8.
type Plan struct {
	Version  int      `json:"version"`
	Source   string   `json:"source,omitempty"`
	Stats    Stats    `json:"stats"`
	Warnings []string `json:"warnings,omitempty"` // e.g. tombstones unreadable, nobody is managed
	Changes  []Change `json:"changes"`
}

// Check holds the plan against the limits, by its own statistics. It returns nil
// or a [*LimitError].
func (p *Plan) Check(l Limits) error { return l.hold(p, p.Stats.Managed) }

// tally counts the users that the plan removes, and those who lose a value.
func (p *Plan) tally() (removed, cleared int) {
	gone, emptied := map[string]bool{}, map[string]bool{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.writes() && c.removes() {
			gone[c.UserID] = true
		}
		if c.rewrites() && clears(&c.Before.Profile, &c.After.Profile) {
			emptied[c.UserID] = true
		}
	}
	return len(gone), len(emptied)
}

func clears(before, after *Profile) bool {
	return slices.ContainsFunc(details[:], func(f Field) bool { return *before.detail(f) != "" && *after.detail(f) == "" })
}

// Digest is the SHA-256 of the plan's JSON, in hex. It names the plan in an
// [Approval]; a plan that went through JSON has the same.
func (p *Plan) Digest() string {
	canonical, err := json.Marshal(p)
	if err != nil {
		panic("adsync: a plan is plain data: " + err.Error()) // no field can fail
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// validate refuses a plan that does not hang together or reaches beyond what this
// source manages. What it says of the rows is proven by Guard when it is applied.
func (p *Plan) validate(rules Rules) error {
	if p.Version != PlanVersion {
		return fmt.Errorf("%w: its version is %d, and this package applies version %d; plan again", ErrUnsafe, p.Version, PlanVersion)
	}
	if p.Source != validText(rules.Source) {
		return fmt.Errorf("%w: it was made for another source", ErrUnsafe)
	}
	last := map[string]int{} // by user: the change that writes it
	for i := range p.Changes {
		if err := p.validateChange(i, rules, last); err != nil {
			return fmt.Errorf("%w: change %d: %w", ErrUnsafe, i, err)
		}
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Interim && last[c.UserID] == i {
			return fmt.Errorf("%w: change %d: the user would stay parked", ErrUnsafe, i)
		}
	}
	return nil
}

func (p *Plan) validateChange(i int, rules Rules, last map[string]int) error {
	c := &p.Changes[i]
	if err := p.validateNeeds(i); err != nil {
		return err
	}
	switch c.Op {
	case OpDuplicate, OpInvalid, OpNotice:
		if c.Before != nil && c.After != nil || c.Interim {
			return errors.New("what only tells must not write")
		}
		return nil
	case OpCreate:
		return c.validateCreate(rules)
	case OpUpdate, OpDelete:
	default:
		return fmt.Errorf("unknown operation %q", c.Op)
	}
	if c.Before == nil || c.UserID == "" || c.Before.ID != c.UserID {
		return errors.New("it does not say which user it is about")
	}
	if err := p.validateOnce(i, last); err != nil {
		return err
	}
	last[c.UserID] = i
	if c.Op == OpDelete {
		return c.validateDelete(rules)
	}
	return c.validateUpdate(rules)
}

// validateNeeds wants earlier changes that write, ascending.
func (p *Plan) validateNeeds(i int) error {
	previous := -1
	for _, need := range p.Changes[i].Needs {
		if need <= previous || need >= i || !p.Changes[need].writes() {
			return errors.New("its needs are not earlier changes in ascending order")
		}
		previous = need
	}
	return nil
}

// validateOnce lets a user be written once, or parked and then written.
func (p *Plan) validateOnce(i int, last map[string]int) error {
	c := &p.Changes[i]
	k, ok := last[c.UserID]
	if !ok {
		return nil
	}
	earlier := &p.Changes[k]
	if !earlier.Interim || c.Op != OpUpdate || c.Interim || *c.Before != *earlier.After || !slices.Contains(c.Needs, k) {
		return errors.New("the user is changed twice")
	}
	return nil
}

func (c *Change) validateCreate(rules Rules) error {
	switch {
	case c.Before != nil || c.After == nil || c.UserID != "" || c.After.ID != "" || c.Interim:
		return errors.New("a new user has no ID and no state before")
	case !rules.manages(c.After) || c.After.ObjectID != c.ObjectID:
		return errors.New("a new user must be linked to an entry of this source")
	case c.After.Protected || !c.After.active() && c.Reason != ReasonUndone:
		return errors.New("a new user must be a plain, active one")
	case rules.key(c.After.Username) == "":
		return errors.New("a new user needs a username")
	}
	return nil
}

func (c *Change) validateDelete(rules Rules) error {
	switch {
	case c.After != nil || c.Interim:
		return errors.New("a deletion leaves nothing behind")
	case !rules.manages(c.Before) || c.Before.ObjectID != c.ObjectID:
		return errors.New("the user is not managed by this source")
	case c.Before.Protected:
		return errors.New("the user is protected")
	}
	return nil
}

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
	case before.Status != after.Status && !statusMaySwitch(before, after):
		return errors.New("the status is not a sync's to change in this way")
	case c.Interim && (c.Reason != ReasonParked || !c.parksOnly()):
		return errors.New("a parking changes keys and nothing else")
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

// statusMaySwitch allows what Rules.status does.
func statusMaySwitch(before, after *User) bool {
	return before.active() && after.Status == StatusDeactivated || before.Status == StatusDeactivated && after.active()
}

func (c *Change) parksOnly() bool {
	return !slices.ContainsFunc(c.Fields, func(f Field) bool { return f != FieldUsername && f != FieldEmail })
}

// validAdoption allows linking a local user, and nothing else with it.
func (c *Change) validAdoption() bool {
	linked := *c.Before
	linked.ObjectID, linked.Source = c.After.ObjectID, c.After.Source
	local := c.Before.ObjectID.IsZero() && (c.Before.Source == "" || c.Before.Source == c.After.Source)
	return c.Reason == ReasonAdopted && local && linked == *c.After
}

// WriteTo prints the plan for people: what changes with the old and the new value
// side by side, what is held back and why, and the totals. It is in colour only
// where w is a terminal and NO_COLOR is not set.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	s := p.Stats
	head := []string{fmt.Sprintf("%d of %d users are managed, %d are chosen, %d were found in the directory.", s.Managed, s.Users, s.Chosen, s.Entries)}
	for _, warning := range p.Warnings {
		head = append(head, "Warning: "+warning)
	}
	items := make([]plantext.Item, 0, len(p.Changes))
	for i := range p.Changes {
		items = append(items, p.Changes[i].item())
	}
	return plantext.Write(w, head, items, []string{p.totals()})
}

// item is the change in print.
func (c *Change) item() plantext.Item {
	item := plantext.Item{Mark: plantext.Mark(string(c.Op)), ID: c.UserID, Text: plantext.Reason(string(c.Op), c.Reason)}
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
	if c.Reason == ReasonAmbiguous { // a user may be told of several accounts
		item.Details = append(item.Details, plantext.Detail{Label: string(FieldObjectID), New: c.ObjectID.String()})
	}
	return item
}

func (c *Change) valueDetails() []plantext.Detail {
	var list []plantext.Detail
	switch {
	case c.rewrites():
		for _, f := range c.Fields {
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
	}
	return list
}

// printValue makes an empty value visible.
func printValue(s string) string {
	if s == "" {
		return "(empty)"
	}
	return s
}

// text is the value of a field as people read it.
func (u *User) text(f Field) string {
	switch f {
	case FieldStatus:
		if u.Status == "" {
			return string(StatusActive)
		}
		return string(u.Status)
	case FieldObjectID:
		if u.ObjectID.IsZero() {
			return ""
		}
		return u.ObjectID.String()
	case FieldSource:
		return u.Source
	}
	if !slices.Contains(details[:], f) {
		return "" // a damaged plan is printed all the same
	}
	return *u.detail(f)
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

// totals counts the distinct users of each operation.
func (p *Plan) totals() string {
	counted := map[Op]map[string]bool{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Interim {
			continue
		}
		if counted[c.Op] == nil {
			counted[c.Op] = map[string]bool{}
		}
		counted[c.Op][cmp.Or(c.UserID, c.ObjectID.String())] = true
	}
	total := func(op Op) int { return len(counted[op]) }
	return fmt.Sprintf("%d to update, %d to delete, %d to create; %d duplicate, %d invalid, %d with a notice; %d unchanged.",
		total(OpUpdate), total(OpDelete), total(OpCreate), total(OpDuplicate), total(OpInvalid), total(OpNotice), p.Stats.Unchanged)
}

// explain says what the plan does with one user.
func (p *Plan) explain(userID string) []string {
	var lines []string
	for i := range p.Changes {
		if p.Changes[i].UserID == userID {
			lines = append(lines, p.Changes[i].explain()...)
		}
	}
	if lines == nil {
		return []string{"A sync has nothing to do with it."}
	}
	return lines
}

func (c *Change) explain() []string {
	item := c.item()
	lines := []string{"A sync says: " + item.Text + "."}
	for _, d := range item.Details {
		if d.Arrow {
			d.New = d.Old + " → " + d.New
		}
		lines = append(lines, "  "+plantext.Printable(d.Label+": "+d.New))
	}
	return append(lines, c.advice())
}

// advice says what would have to change for another outcome.
func (c *Change) advice() string {
	if c.writes() {
		return "This is done by the next sync, unless the directory or the rules change before."
	}
	return plantext.Advice(c.Reason)
}

// describe tells what a user holds, for people.
func (u *User) describe() string {
	words := []string{"user " + u.ID + " with " + u.Profile.describe(), "status " + u.text(FieldStatus)}
	if u.Protected {
		words = append(words, "protected")
	}
	return strings.Join(words, ", ")
}

func (p Profile) describe() string {
	words := make([]string, 0, len(details))
	for _, f := range details {
		words = append(words, string(f)+" "+plantext.Printable(printValue(*p.detail(f))))
	}
	return strings.Join(words, ", ")
}

// describe tells what the directory holds, for people.
func (e *Entry) describe() string {
	words := []string{"account " + e.ObjectID.String() + " as " + string(e.State)}
	if e.State == StatePresent {
		words = append(words, "with "+e.Profile.describe())
	}
	if e.Disabled {
		words = append(words, "disabled")
	}
	return strings.Join(words, ", ")
}

// Reaction is what a sync does with a user whose entry is gone or disabled.
type Reaction string

// The reactions, from the weakest to the strongest. "" is the default of the
// field of [Rules].
const (
	Keep       Reaction = "keep"       // tell, and change nothing
	Deactivate Reaction = "deactivate" // set StatusDeactivated
	Remove     Reaction = "remove"     // delete the user
)

// Rules say how users follow the directory. The zero value synchronises all five
// details of all managed users, deletes the proven leavers and marks duplicates.
type Rules struct {
	Source       string                       // the Source of the users that are managed
	Only         []string                     // nil: all managed users; else just these, even if empty
	Fields       []Field                      // default: the five, or what the store's Fielder says
	KeepOnEmpty  []Field                      // an empty directory value does not clear these
	OnDeleted    Reaction                     // default Remove
	OnDisabled   Reaction                     // default Keep
	OnOutOfScope Reaction                     // default Keep
	OnUnproven   Reaction                     // default Keep
	Import       bool                         // also create users for all new entries; needs a Creator
	AdoptBy      []Field                      // see Adopt
	Fold         func(string) string          // default: NFC, Unicode case folding, trimmed
	Map          func(Entry) (Profile, error) // normalise or refuse; must be pure, may be called twice for an entry
}

// details are the five synchronised fields, in the order in which plans name
// them.
var details = [...]Field{FieldUsername, FieldFirstName, FieldLastName, FieldEmail, FieldPhone}

// detail points to the detail that the field names.
func (p *Profile) detail(f Field) *string {
	switch f {
	case FieldUsername:
		return &p.Username
	case FieldFirstName:
		return &p.FirstName
	case FieldLastName:
		return &p.LastName
	case FieldEmail:
		return &p.Email
	case FieldPhone:
		return &p.Phone
	}
	panic("adsync: not a detail: " + string(f))
}

// Check returns an error for rules that make no sense, saying which.
func (r Rules) Check() error {
	var errs []error
	for _, f := range r.Fields {
		if f != FieldStatus && !slices.Contains(details[:], f) { // a Fielder names the status too
			errs = append(errs, fmt.Errorf("adsync: Rules.Fields: %q is not one of the five details", f))
		}
	}
	for _, f := range r.KeepOnEmpty {
		if !slices.Contains(details[:], f) {
			errs = append(errs, fmt.Errorf("adsync: Rules.KeepOnEmpty: %q is not one of the five details", f))
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
	if r.Import && !slices.Contains(r.fields(), FieldUsername) {
		errs = append(errs, errors.New("adsync: Rules.Import creates users, who need a username; add it to Rules.Fields"))
	}
	return errors.Join(errs...)
}

// fields are the details to synchronise, in order.
func (r Rules) fields() []Field {
	var fields []Field
	for _, f := range details {
		if len(r.Fields) == 0 || slices.Contains(r.Fields, f) {
			fields = append(fields, f)
		}
	}
	return fields
}

// manages reports whether the user is one of this source's. This and appendKey are
// asked of every user, and take a pointer because Rules are 200 bytes to copy.
func (r *Rules) manages(u *User) bool { return !u.ObjectID.IsZero() && u.Source == r.Source }

// reaction says what the rules do with a user of the entry, and why. The reason
// is empty for an entry that is Present and not Disabled.
func (r Rules) reaction(e *Entry) (Reaction, string) {
	disabled := orDefault(r.OnDisabled, Keep)
	switch e.State {
	case StateDeleted:
		return orDefault(r.OnDeleted, Remove), ReasonDeleted
	case StateUnproven:
		return orDefault(r.OnUnproven, Keep), ReasonUnproven
	case StateOutOfScope:
		outOfScope := orDefault(r.OnOutOfScope, Keep)
		if e.Disabled && disabled.strength() > outOfScope.strength() {
			return disabled, ReasonDisabled
		}
		return outOfScope, ReasonOutOfScope
	}
	if e.Disabled {
		return disabled, ReasonDisabled
	}
	return Keep, ""
}

func orDefault(r, def Reaction) Reaction {
	if r == "" {
		return def
	}
	return r
}

func (r Reaction) strength() int { return slices.Index([]Reaction{Keep, Deactivate, Remove}, r) }

// status is what becomes of the user's status, and why; the reason is empty when
// nothing does. The host's own statuses are not a sync's to change.
func (r Rules) status(u *User, e *Entry) (Status, string) {
	reaction, reason := r.reaction(e)
	switch {
	case reason == "" && u.Status == StatusDeactivated:
		return StatusActive, ReasonReactivated
	case reaction == Deactivate && u.active() && !u.Protected:
		return StatusDeactivated, reason
	}
	return u.Status, ""
}

func (u *User) active() bool { return u.Status == "" || u.Status == StatusActive }

// mapped is the entry's profile as the host wants it. The error is of Rules.Map.
func (r Rules) mapped(e *Entry) (Profile, error) {
	if r.Map == nil {
		return e.Profile, nil
	}
	p, err := r.Map(*e)
	return validProfile(p), err
}

// appendKey appends the form in which keys are compared.
func (r *Rules) appendKey(dst []byte, s string) []byte {
	if r.Fold != nil {
		return append(dst, r.Fold(s)...)
	}
	return keyfold.Append(dst, s)
}

func (r Rules) key(s string) string { return string(r.appendKey(nil, s)) }

// keySpaces are the details that belong to one user each.
var keySpaces = [claims.Spaces]Field{FieldUsername, FieldEmail}

// validUser makes the texts valid UTF-8.
func validUser(u User) User {
	if u.valid() {
		return u
	}
	u.ID, u.Source, u.Status = validText(u.ID), validText(u.Source), Status(validText(string(u.Status)))
	u.Profile = validProfile(u.Profile)
	return u
}

// valid reports whether there is nothing to repair, as nearly always.
func (u *User) valid() bool {
	return keyfold.Valid(u.ID) && keyfold.Valid(u.Source) && keyfold.Valid(string(u.Status)) && u.Profile.valid()
}

func (p *Profile) valid() bool {
	return keyfold.Valid(p.Username) && keyfold.Valid(p.FirstName) && keyfold.Valid(p.LastName) &&
		keyfold.Valid(p.Email) && keyfold.Valid(p.Phone)
}

func validProfile(p Profile) Profile {
	if p.valid() {
		return p
	}
	for _, f := range details {
		text := p.detail(f)
		*text = validText(*text)
	}
	return p
}

func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Reconcile compares both sides and returns the plan. It is pure: no context,
// clock, log, I/O or map order; it neither keeps nor changes its arguments, and
// gives the same plan for any order of them. A managed user without an entry
// counts as Deleted: the caller vouches for the list.
//
// The error is for rules that Check refuses, entries without an ObjectID or of an
// unknown State, and users to be changed that share their ID.
func Reconcile(entries []Entry, users []User, rules Rules) (*Plan, error) {
	if err := rules.Check(); err != nil {
		return nil, err
	}
	rows := &sliceRows{users: users}
	host := newHost(rows, scopeOf(rules))
	for row := range users {
		host.add(rows.valid(row))
	}
	view := newView(host)
	for batch := range slices.Chunk(entries, userindex.Batch) {
		if err := view.addAll(batch); err != nil {
			return nil, err
		}
	}
	return view.plan()
}

// scope is the rules together with whom they are about in one run.
type scope struct {
	Rules
	synced  []Field           // the details to synchronise
	only    map[string]bool   // nil: all managed users
	imports map[ObjectID]bool // the entries to import when Rules.Import does not say all
}

func scopeOf(rules Rules) scope {
	s := scope{Rules: rules, synced: rules.fields()}
	if rules.Only != nil {
		s.only = setOf(rules.Only)
	}
	return s
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

func (s *scope) chooses(u *User) bool { return s.manages(u) && (s.only == nil || s.only[u.ID]) }

// profile is what the user would be left with. The error is of Rules.Map.
func (s *scope) profile(u *User, e *Entry) (Profile, error) {
	wanted, err := s.mapped(e)
	if err != nil {
		return Profile{}, err
	}
	left := u.Profile
	for _, f := range s.synced {
		value := *wanted.detail(f)
		if strings.TrimSpace(value) == "" && slices.Contains(s.KeepOnEmpty, f) {
			continue
		}
		*left.detail(f) = value
	}
	return left, nil
}

func (s *scope) importing() bool { return s.Import || len(s.imports) > 0 }

func (s *scope) wants(id ObjectID) bool { return s.Import || s.imports[id] }

// rows is the host side, as a slice or as a compact arena. Texts are valid UTF-8.
type rows interface {
	Len() int
	User(row int) User // may share its texts with the rows
	Keep(row int) User // has texts of its own
	Holds(row int, p Profile) bool
	ObjectID(row int) [16]byte
	Touch(row int) byte // reads something of each detail
}

// sliceRows is a slice of the caller's, but for the texts that are not valid.
type sliceRows struct {
	users []User
	own   bool // not the caller's any more
}

// valid returns the row with its texts repaired where there is need, as hardly ever.
func (s *sliceRows) valid(row int) *User {
	if !s.users[row].valid() {
		if !s.own {
			s.users, s.own = slices.Clone(s.users), true
		}
		s.users[row] = validUser(s.users[row])
	}
	return &s.users[row]
}

func (s *sliceRows) Len() int                      { return len(s.users) }
func (s *sliceRows) User(row int) User             { return s.users[row] }
func (s *sliceRows) Keep(row int) User             { return s.users[row] }
func (s *sliceRows) Holds(row int, p Profile) bool { return s.users[row].Profile == p }
func (s *sliceRows) ObjectID(row int) [16]byte     { return s.users[row].ObjectID }

func (s *sliceRows) Touch(row int) (touched byte) {
	p := &s.users[row].Profile
	for _, text := range [...]string{p.Username, p.FirstName, p.LastName, p.Email, p.Phone} {
		if text != "" {
			touched |= text[0]
		}
	}
	return touched
}

// rowKind is what the engine remembers of each row without looking again.
type rowKind uint8

const (
	rowManaged rowKind = 1 << iota
	rowChosen
	rowDeactivated // a sync may have to reactivate it
)

// host is the host side, indexed. It serves any number of views.
type host struct {
	scope
	rows     rows
	kinds    []rowKind
	links    *userindex.Links // managed rows
	foreign  *userindex.Links // linked rows of other sources
	keys     [claims.Spaces]*userindex.Keys
	parkings map[string]bool // keys in use that look like parked ones
	prefix   []byte          // of those, folded
	managed  int
	chosen   int
}

func newHost(rows rows, scope scope) *host {
	h := &host{
		scope:    scope,
		rows:     rows,
		kinds:    make([]rowKind, 0, rows.Len()), // none where they are still to come
		links:    userindex.NewLinks(rows.ObjectID),
		foreign:  userindex.NewLinks(rows.ObjectID),
		parkings: map[string]bool{},
		prefix:   scope.appendKey(nil, parkedPrefix),
	}
	for space := range h.keys {
		h.keys[space] = userindex.NewKeys()
	}
	return h
}

// add indexes the next row, which is the user. Its texts are valid UTF-8.
func (h *host) add(u *User) {
	h.addKeys(u)
	row := len(h.kinds)
	var kind rowKind
	switch {
	case h.manages(u):
		kind = rowManaged
		h.managed++
		h.links.Add(row, u.ObjectID)
		if h.chooses(u) {
			kind |= rowChosen
			h.chosen++
		}
		if u.Status == StatusDeactivated {
			kind |= rowDeactivated
		}
	case !u.ObjectID.IsZero() && h.importing():
		h.foreign.Add(row, u.ObjectID)
	}
	h.kinds = append(h.kinds, kind)
}

func (h *host) addKeys(u *User) {
	var buffer [64]byte
	for space, f := range keySpaces {
		key := h.appendKey(buffer[:0], *u.detail(f))
		h.keys[space].Add(h.keys[space].Hash(key))
		h.noteParked(key)
	}
}

// noteParked remembers a key that a parked one must not equal.
func (h *host) noteParked(key []byte) {
	if bytes.HasPrefix(key, h.prefix) {
		h.parkings[string(key)] = true
	}
}

// group returns the rows linked to one entry, from its first.
func (h *host) group(first int) []int {
	group := []int{first}
	for _, twin := range h.links.Twins(first) {
		group = append(group, int(twin))
	}
	return group
}

// firstOf returns the first row of the managed row's link.
func (h *host) firstOf(row int) int { return h.links.FirstOf(row) }

// choosesGroup reports whether the plan is about one of the rows of the group.
func (h *host) choosesGroup(first int) bool {
	if h.kinds[first]&rowChosen != 0 {
		return true
	}
	for _, twin := range h.links.Twins(first) {
		if h.kinds[twin]&rowChosen != 0 {
			return true
		}
	}
	return false
}

// isHeld reports whether the entry says just what the row holds. Rules.Map may
// look at more than the five details, so with a Map every entry is kept whole; and
// who has no username is told of.
func (h *host) isHeld(first int, e *Entry) bool {
	return h.Map == nil && e.present() && !e.Disabled && h.keys[0].Has(first) && h.rows.Holds(first, e.Profile)
}

// view is the directory side as it is read, laid against the host side.
type view struct {
	*host
	entries   entries
	found     []uint32     // by first row of a link: unseen, asHeld, or an entry's number + firstKept
	torn      map[int]bool // first rows whose entries differ; whether one was Present
	newcomers map[ObjectID]newcomer
}

// The values of found below the entries' numbers.
const (
	unseen = iota
	asHeld // just what the row holds, Present and not Disabled: nothing to keep
	firstKept
)

// newcomer is an entry to import.
type newcomer struct {
	entry int  // its number
	torn  bool // listed with different entries
	open  bool // one of them could be created
}

func newView(h *host) *view {
	return &view{
		host:      h,
		found:     make([]uint32, h.rows.Len()),
		torn:      map[int]bool{},
		newcomers: map[ObjectID]newcomer{},
	}
}

// addAll takes in up to userindex.Batch entries.
func (v *view) addAll(entries []Entry) error {
	if !v.links.InOrder() {
		v.touch(entries)
	}
	for i := range entries {
		if err := v.add(&entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// touch reads the rows that the entries are about, and makes nothing of them. Rows
// that are far apart come from memory side by side in this way, while add would
// wait for each; that halves the cost of entries in no order.
func (v *view) touch(entries []Entry) {
	var ids [userindex.Batch][16]byte
	for i := range entries {
		ids[i] = entries[i].ObjectID
	}
	v.links.Touch(ids[:len(entries)],
		func(row int) byte { return byte(v.kinds[row]) | byte(v.found[row]) | v.keys[0].Touch(row) },
		v.rows.Touch)
}

// add takes in one entry. An entry that says what the row holds already leaves
// nothing behind but a mark.
func (v *view) add(e *Entry) error {
	if err := checkEntry(e); err != nil {
		return err
	}
	first, linked := v.links.First(e.ObjectID)
	switch {
	case linked && v.choosesGroup(first):
		if v.found[first] == unseen && v.isHeld(first, e) {
			v.found[first] = asHeld // and valid, as the row's texts are
			return nil
		}
		clean := cleanEntry(e)
		v.addLinked(first, &clean)
	case !linked && v.wants(e.ObjectID):
		clean := cleanEntry(e)
		v.addNewcomer(&clean)
	}
	return nil
}

// checkEntry refuses what no directory account can be.
func checkEntry(e *Entry) error {
	if e.ObjectID.IsZero() {
		return errors.New("adsync: the directory listed an account without an ObjectID; map the attribute that holds its objectGUID, and let the service account read it")
	}
	switch e.State {
	case "", StatePresent, StateOutOfScope, StateDeleted, StateUnproven:
	default:
		return fmt.Errorf("adsync: the directory says that account %s is %q; use one of the State constants", e.ObjectID, e.State)
	}
	return nil
}

func cleanEntry(e *Entry) Entry {
	clean := *e
	if !clean.Profile.valid() || !keyfold.Valid(clean.DN) {
		clean.Profile, clean.DN = validProfile(e.Profile), validText(e.DN)
	}
	if clean.State == "" {
		clean.State = StatePresent
	}
	return clean
}

func (v *view) addLinked(first int, e *Entry) {
	if v.found[first] == unseen {
		v.found[first] = v.keep(first, e)
		return
	}
	known := v.entryOf(first)
	_, torn := v.torn[first]
	switch {
	case !sameEntry(&known, e):
		v.torn[first] = v.torn[first] || known.State == StatePresent || e.State == StatePresent
		v.found[first] = uint32(v.entries.keep(e)) + firstKept // so that the row gets a decision
	case e.DN < known.DN && v.found[first] != asHeld && !torn: // whichever came first, the plan is the same
		v.found[first] = v.keep(first, e)
	}
}

// keep returns the mark for the entry.
func (v *view) keep(first int, e *Entry) uint32 {
	if v.isHeld(first, e) {
		return asHeld
	}
	return uint32(v.entries.keep(e)) + firstKept
}

// sameEntry compares all but the DN.
func sameEntry(a, b *Entry) bool {
	return a.Profile == b.Profile && a.State == b.State && a.Disabled == b.Disabled
}

func (v *view) addNewcomer(e *Entry) {
	if _, linked := v.foreign.First(e.ObjectID); linked {
		return
	}
	open := e.State == StatePresent && !e.Disabled
	known, seen := v.newcomers[e.ObjectID]
	if !seen {
		v.newcomers[e.ObjectID] = newcomer{entry: v.entries.keep(e), open: open}
		return
	}
	entry := v.entries.own(known.entry)
	switch {
	case !sameEntry(&entry, e):
		known.torn, known.open = true, known.open || open
	case e.DN < entry.DN:
		known.entry = v.entries.keep(e)
	}
	v.newcomers[e.ObjectID] = known
}

// flagDisabled is the flag of a kept entry.
const flagDisabled = 1

// entries are entries without a pointer each.
type entries struct{ userindex.Arena }

// keep adds the entry and returns its number.
func (a *entries) keep(e *Entry) int {
	record := userindex.Record{
		ObjectID: e.ObjectID,
		Words:    [...]string{string(e.State), ""},
		Texts:    [...]string{e.Username, e.FirstName, e.LastName, e.Email, e.Phone, e.DN},
	}
	if e.Disabled {
		record.Flags = flagDisabled
	}
	a.Append(&record)
	return a.Len() - 1
}

// shared returns an entry whose texts are parts of the arena.
func (a *entries) shared(i int) Entry {
	r := a.Record(i)
	return Entry{
		ObjectID: r.ObjectID,
		Profile:  profileOf(&r),
		State:    State(r.Words[0]),
		Disabled: r.Flags&flagDisabled != 0,
		DN:       r.Texts[5],
	}
}

// own returns an entry with texts of its own.
func (a *entries) own(i int) Entry {
	e := a.shared(i)
	cloneTexts(&e.Username, &e.FirstName, &e.LastName, &e.Email, &e.Phone, &e.DN)
	return e
}

// each hands over all entries, up to userindex.Batch at a time. Their texts are parts
// of the arena.
func (a *entries) each(f func([]Entry) error) error {
	batch := make([]Entry, 0, userindex.Batch)
	for i := range a.Len() {
		batch = append(batch, a.shared(i))
		if len(batch) < cap(batch) && i+1 < a.Len() {
			continue
		}
		if err := f(batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

// entryOf returns what the directory says of the rows of a link.
func (v *view) entryOf(first int) Entry {
	switch mark := v.found[first]; mark {
	case unseen:
		return Entry{ObjectID: v.rows.ObjectID(first), State: StateDeleted}
	case asHeld:
		u := v.rows.User(first)
		return Entry{ObjectID: u.ObjectID, Profile: u.Profile, State: StatePresent}
	default:
		return v.entries.own(int(mark - firstKept))
	}
}

// party is one who holds keys or asks for some: a user, with what is to become of
// it before others are asked, or a newcomer.
type party struct {
	row    int // the user's
	role   claims.Role
	state  State    // of the entry
	user   *User    // as it is; zero for a newcomer
	after  *User    // with the details it asks for and its new status
	reason string   // of a removal or a change of status; may be empty
	tells  []Change // what is told without writing
}

// decide goes through the chosen users, each for itself, and returns those of
// whom there is something to say.
func (v *view) decide() []*party {
	var parties []*party
	for row, kind := range v.kinds {
		if kind&rowChosen == 0 {
			continue
		}
		first := v.firstOf(row)
		twins := len(v.links.Twins(first)) > 0
		if v.found[first] == asHeld && kind&rowDeactivated == 0 && !twins {
			continue
		}
		if d := v.decideRow(row, first); twins || d.says() {
			parties = append(parties, &d)
		}
	}
	v.parTwins(parties)
	return parties
}

// name is the user's ID, or the ObjectID of a newcomer.
func (d *party) name() string {
	if d.role == claims.Newcomer {
		return d.after.ObjectID.String()
	}
	return d.user.ID
}

func (d *party) says() bool {
	return d.role == claims.Leaver || *d.after != *d.user || len(d.tells) > 0
}

func (v *view) decideRow(row, first int) party {
	d := v.fixed(row)
	if _, torn := v.torn[first]; torn {
		d.tell(OpDuplicate, ReasonListedTwice, v.sameLink(first, row, nil))
		return d
	}
	entry := v.entryOf(first)
	d.state = entry.State
	reaction, reason := v.reaction(&entry)
	switch {
	case reason == "": // present and enabled
	case reaction == Keep:
		d.tell(OpNotice, reason)
	case d.user.Protected && (reaction == Remove || d.user.active()):
		d.tell(OpNotice, ReasonProtected)
		d.tells[0].Detail = "would be removed as " + reason
	case reaction == Remove:
		d.role, d.reason = claims.Leaver, reason
		return d
	}
	d.after.Status, d.reason = v.status(d.user, &entry)
	if d.state == StatePresent {
		v.decideDetails(&d, &entry)
	}
	return d
}

// fixed is a row that stays as it is.
func (v *view) fixed(row int) party {
	user := v.rows.Keep(row)
	after := user
	return party{row: row, user: &user, after: &after}
}

// decideDetails makes a candidate of the user, unless the directory's profile
// cannot be written.
func (v *view) decideDetails(d *party, e *Entry) {
	profile, err := v.profile(d.user, e)
	if reason, detail := v.invalid(d.user, profile, err); reason != "" {
		d.tell(OpInvalid, reason)
		d.tells[len(d.tells)-1].Detail = detail
		return
	}
	d.role = claims.Candidate
	d.after.Profile = profile
}

// invalid says why the profile cannot be written over the user's, or nothing. A
// user to be created has no ID.
func (s *scope) invalid(u *User, p Profile, refused error) (reason, detail string) {
	switch {
	case refused != nil:
		return ReasonRefused, validText(refused.Error())
	case s.key(p.Username) != "":
		return "", ""
	case u.ID == "", p.Username != u.Username:
		return ReasonNoUsername, ""
	case slices.Contains(s.synced, FieldUsername) && !slices.Contains(s.KeepOnEmpty, FieldUsername):
		return ReasonNoUsername, ""
	}
	return "", ""
}

// tell adds a change that writes nothing.
func (d *party) tell(op Op, reason string, conflicts ...Conflict) {
	d.tells = append(d.tells, Change{Op: op, Reason: reason, Conflicts: conflicts})
}

// parTwins makes duplicates of the users who remain linked to one Present entry.
func (v *view) parTwins(parties []*party) {
	if !v.links.HasTwins() {
		return
	}
	leaves := map[int]bool{}
	for _, d := range parties {
		leaves[d.row] = d.role == claims.Leaver
	}
	remains := func(row int) bool { return !leaves[row] }
	for _, d := range parties {
		if d.state != StatePresent || d.role == claims.Leaver {
			continue
		}
		conflict := v.sameLink(v.firstOf(d.row), d.row, remains)
		if len(conflict.With) == 0 {
			continue
		}
		d.role = claims.Fixed
		d.after.Profile = d.user.Profile
		d.tells = slices.DeleteFunc(d.tells, func(c Change) bool { return c.Op == OpInvalid })
		d.tell(OpDuplicate, ReasonLinkedTwice, conflict)
	}
}

// sameLink is the conflict of a row with the others of its link for which
// remains is true; nil stands for all.
func (v *view) sameLink(first, row int, remains func(row int) bool) Conflict {
	conflict := Conflict{Field: FieldObjectID, Value: ObjectID(v.rows.ObjectID(first)).String(), With: []string{}}
	for _, other := range v.group(first) {
		if other != row && (remains == nil || remains(other)) {
			conflict.With = append(conflict.With, v.rows.User(other).ID)
		}
	}
	slices.Sort(conflict.With)
	return conflict
}

// planner turns decisions into changes.
type planner struct {
	*view
	plan     *Plan
	parties  []*party // sorted by user ID, newcomers by ObjectID behind them
	solution *claims.Solution
	tells    []Change
	scratch  []byte // for one key at a time
}

// plan judges everybody and writes the changes down.
func (v *view) plan() (*Plan, error) {
	p := planner{view: v, plan: &Plan{Version: PlanVersion, Source: validText(v.Source), Changes: []Change{}}}
	users := v.decide()
	newcomers := p.openNewcomers()
	if err := p.gather(users, newcomers); err != nil {
		return nil, err
	}
	p.solve()
	p.order()
	p.tell()
	p.count()
	return p.plan, nil
}

// openNewcomers returns the entries that may be created and tells of those asked
// for by name that may not.
func (p *planner) openNewcomers() []*party {
	open := make([]*party, 0, len(p.newcomers))
	// Many at a time lie in memory in the order in which they are gone through, again
	// and again; and not all, as a host may keep one of them for long.
	const slab = 256
	var parties []party
	var users []User
	ids := slices.AppendSeq(make([]ObjectID, 0, len(p.newcomers)), maps.Keys(p.newcomers))
	slices.SortFunc(ids, ObjectID.compare)
	for _, id := range ids {
		n := p.newcomers[id]
		if !n.open && !p.imports[id] {
			continue
		}
		told := Change{ObjectID: id}
		e := p.entries.own(n.entry)
		if len(users) == 0 {
			parties, users = make([]party, slab), make([]User, slab)
		}
		after := &users[0]
		err := p.fillIn(after, &e)
		switch {
		case n.torn:
			told.Op, told.Reason = OpDuplicate, ReasonListedTwice
			told.Conflicts = []Conflict{{Field: FieldObjectID, Value: id.String(), With: []string{}}}
		case e.State != StatePresent:
			told.Op, told.Reason = OpNotice, string(e.State)
		case e.Disabled:
			told.Op, told.Reason = OpNotice, ReasonDisabled
		default:
			told.Op = OpInvalid
			told.Reason, told.Detail = p.invalid(nobody, after.Profile, err)
		}
		if told.Reason != "" {
			p.tells = append(p.tells, told)
			continue
		}
		parties[0] = party{role: claims.Newcomer, user: nobody, after: after}
		open = append(open, &parties[0])
		parties, users = parties[1:], users[1:]
	}
	for id := range p.imports {
		p.tellLinked(id)
	}
	return open
}

// nobody is what a newcomer was before.
var nobody = new(User)

// fillIn makes u the user to create for an entry. The error is of Rules.Map.
func (p *planner) fillIn(u *User, e *Entry) error {
	profile, err := p.profile(nobody, e)
	*u = User{ObjectID: e.ObjectID, Source: p.plan.Source, Profile: profile}
	return err
}

// tellLinked tells that an entry to import has a user already.
func (p *planner) tellLinked(id ObjectID) {
	row, linked := p.links.First(id)
	if !linked {
		row, linked = p.foreign.First(id)
	}
	if linked {
		d := p.fixed(row)
		d.tell(OpNotice, ReasonLinked)
		p.tells = append(p.tells, d.told()...)
	}
}

// gather lists all who matter to a key that more than one holds or asks for, and
// all of whom there is something to say.
func (p *planner) gather(users, newcomers []*party) error {
	var asked [claims.Spaces][]uint32
	for _, d := range slices.Concat(users, newcomers) {
		for space, f := range keySpaces {
			if then := *d.after.detail(f); then != *d.user.detail(f) {
				p.scratch = p.appendKey(p.scratch[:0], then)
				asked[space] = append(asked[space], p.keys[space].Hash(p.scratch))
				p.noteParked(p.scratch)
			}
		}
	}
	known := make(map[int]bool, len(users))
	for _, d := range users {
		known[d.row] = true
	}
	p.parties = users
	for space := range keySpaces {
		for _, row := range p.keys[space].Shared(asked[space]) {
			if !known[int(row)] {
				known[int(row)] = true
				p.parties = append(p.parties, p.undecided(int(row)))
			}
		}
	}
	slices.SortFunc(p.parties, func(a, b *party) int { return strings.Compare(a.user.ID, b.user.ID) })
	slices.SortFunc(newcomers, func(a, b *party) int { return a.after.ObjectID.compare(b.after.ObjectID) })
	for i := 1; i < len(p.parties); i++ {
		if a, b := p.parties[i-1], p.parties[i]; a.user.ID == b.user.ID && (a.says() || b.says()) {
			return fmt.Errorf("adsync: two users have the ID %q; a store must give each row its own", a.user.ID)
		}
	}
	p.parties = append(p.parties, newcomers...)
	return nil
}

// undecided is a row that is to stay as it is: if it is chosen, it may be a
// candidate for what it holds.
func (p *planner) undecided(row int) *party {
	d := p.fixed(row)
	if p.kinds[row]&rowChosen != 0 {
		d = p.decideRow(row, p.firstOf(row))
	}
	return &d
}

// solve numbers the keys and settles who gets which.
func (p *planner) solve() {
	var numbers [claims.Spaces]map[string]claims.Key
	next := claims.Key(0)
	number := func(space int, text string) claims.Key {
		p.scratch = p.appendKey(p.scratch[:0], text)
		if len(p.scratch) == 0 {
			return claims.None
		}
		n, ok := numbers[space][string(p.scratch)]
		if !ok {
			n = next
			next++
			numbers[space][string(p.scratch)] = n
		}
		return n
	}
	list := make([]claims.Claimant, len(p.parties))
	for space, f := range keySpaces {
		numbers[space] = make(map[string]claims.Key, len(p.parties))
		for i, d := range p.parties {
			has := number(space, *d.user.detail(f))
			asks := claims.None
			switch {
			case d.role != claims.Candidate && d.role != claims.Newcomer:
			case !slices.Contains(p.synced, f) && d.role == claims.Candidate:
				asks = claims.Same
			case *d.after.detail(f) == *d.user.detail(f):
				asks = has
			default:
				asks = number(space, *d.after.detail(f))
			}
			list[i].Role, list[i].Has[space], list[i].Asks[space] = d.role, has, asks
		}
	}
	p.solution = claims.Solve(list, int(next))
}

// order appends the changes that write, in the order that never makes two users
// hold one key.
func (p *planner) order() {
	steps := p.solution.Order(
		func(i int) bool { return p.parties[i].writes(p.solution.Lost(i)) },
		func(i int) bool { return p.parties[i].user.Protected },
	)
	p.plan.Changes = make([]Change, 0, len(steps)+len(p.tells))
	parked := map[int32]*User{}
	for _, step := range steps {
		d := p.parties[step.Claimant]
		var change Change
		switch step.Kind {
		case claims.Park:
			change = p.park(d.user, step.Parked)
			parked[step.Claimant] = change.After
		case claims.Delete:
			change = Change{Op: OpDelete, Reason: d.reason, UserID: d.user.ID, ObjectID: d.user.ObjectID, Before: d.user}
		case claims.Create:
			change = Change{Op: OpCreate, Reason: cmp.Or(d.reason, ReasonNew), ObjectID: d.after.ObjectID, After: d.after}
		case claims.Update:
			change = d.update(p.solution.Lost(int(step.Claimant)), parked[step.Claimant])
		}
		for _, need := range step.Needs {
			change.Needs = append(change.Needs, int(need))
		}
		p.plan.Changes = append(p.plan.Changes, change)
	}
}

// writes reports whether the party is to be changed at all.
func (d *party) writes(lost bool) bool {
	switch d.role {
	case claims.Leaver:
		return true
	case claims.Newcomer:
		return !lost
	}
	return d.wins(lost) && *d.after != *d.user || d.after.Status != d.user.Status
}

// wins reports whether the user gets the details it asks for.
func (d *party) wins(lost bool) bool { return d.role == claims.Candidate && !lost }

// update is the change of the user: all of it, or only the status where the details
// are not to be had. A parked user is what the parking left.
func (d *party) update(lost bool, parked *User) Change {
	before, after := d.user, d.after
	if !d.wins(lost) {
		kept := *d.user
		kept.Status = d.after.Status
		after = &kept
	}
	if parked != nil {
		before = parked
	}
	return update(cmp.Or(d.reason, ReasonChanged), before, after)
}

func update(reason string, before, after *User) Change {
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
	if before.Status != after.Status {
		fields = append(fields, FieldStatus)
	}
	if before.ObjectID != after.ObjectID {
		fields = append(fields, FieldObjectID)
	}
	if before.Source != after.Source {
		fields = append(fields, FieldSource)
	}
	return fields
}

// tell appends what is told without writing.
func (p *planner) tell() {
	for i, d := range p.parties {
		if p.solution.Lost(i) {
			d.tells = append(d.tells, p.duplicate(i))
		}
		p.tells = append(p.tells, d.told()...)
	}
	slices.SortStableFunc(p.tells, compareTold)
	p.plan.Changes = append(p.plan.Changes, p.tells...)
}

// told is what is told of the party, with the party's name on it.
func (d *party) told() []Change {
	for i := range d.tells {
		c := &d.tells[i]
		if d.role == claims.Newcomer {
			c.ObjectID, c.After = d.after.ObjectID, d.after
		} else {
			c.UserID, c.ObjectID, c.Before = d.user.ID, d.user.ObjectID, d.user
		}
	}
	return d.tells
}

// maxRivals is how many rivals a Conflict names. A thousand users of one mailbox
// would otherwise make a plan of a million names.
const maxRivals = 100

// duplicate says who stands in the way of a party that lost.
func (p *planner) duplicate(i int) Change {
	change := Change{Op: OpDuplicate}
	worst := claims.Won
	for space, f := range keySpaces {
		rivals, total := p.solution.Rivals(i, space, maxRivals)
		if total == 0 {
			continue
		}
		worst = max(worst, p.solution.Verdict(i, space))
		conflict := Conflict{Field: f, Value: *p.parties[i].after.detail(f), With: make([]string, len(rivals))}
		for r, rival := range rivals {
			conflict.With[r] = p.parties[rival].name()
		}
		slices.Sort(conflict.With)
		change.Conflicts = append(change.Conflicts, conflict)
		if total > len(rivals) {
			change.Detail = fmt.Sprintf("the first %d of %d rivals are named", len(rivals), total)
		}
	}
	change.Reason = verdictReasons[worst]
	return change
}

var verdictReasons = [...]string{claims.Waiting: ReasonWaiting, claims.Contested: ReasonContested, claims.Taken: ReasonTaken}

// compareTold sorts duplicates before invalids before notices, each by user, then
// entry.
func compareTold(a, b Change) int {
	rank := func(c Change) int { return slices.Index([]Op{OpDuplicate, OpInvalid, OpNotice}, c.Op) }
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		strings.Compare(a.UserID, b.UserID),
		a.ObjectID.compare(b.ObjectID),
		strings.Compare(a.Reason, b.Reason),
	)
}

// parkedPrefix begins every parked key.
const parkedPrefix = "~adsync-"

// parkedDomain cannot exist (RFC 2606).
const parkedDomain = "@adsync.invalid"

// park gives the user keys that nobody holds or asks for.
func (p *planner) park(before *User, spaces [claims.Spaces]bool) Change {
	name := p.parkedName(before.ID)
	after := *before
	if spaces[0] {
		after.Username = name
	}
	if spaces[1] {
		after.Email = name + parkedDomain
	}
	change := update(ReasonParked, before, &after)
	change.Interim = true
	return change
}

// parkedName depends on the user alone, unless somebody has or wants that name.
func (p *planner) parkedName(id string) string {
	for n := 0; ; n++ {
		seed := id
		if n > 0 {
			seed = fmt.Sprintf("%s#%d", id, n)
		}
		sum := sha256.Sum256([]byte(seed))
		name := parkedPrefix + hex.EncodeToString(sum[:6])
		if !p.parkings[p.key(name)] && !p.parkings[p.key(name+parkedDomain)] {
			return name
		}
	}
}

// count fills in the statistics and what a person should be warned of.
func (p *planner) count() {
	mentioned := map[string]bool{}
	for i := range p.plan.Changes {
		if c := &p.plan.Changes[i]; c.Before != nil && p.chooses(c.Before) {
			mentioned[c.UserID] = true
		}
	}
	p.plan.Stats = Stats{
		Entries:   p.present(),
		Users:     p.rows.Len(),
		Managed:   p.managed,
		Chosen:    p.chosen,
		Unchanged: p.chosen - len(mentioned),
	}
	if p.managed == 0 && !p.importing() {
		p.plan.Warnings = append(p.plan.Warnings, warnNobody)
	}
}

const warnNobody = "No user is managed: none has an ObjectID together with this source, so there is nobody to synchronise. Import users, or link those there are with Adopt."

// present counts the entries that Stats.Entries promises.
func (p *planner) present() int {
	n := 0
	for first, mark := range p.found {
		anyPresent, torn := p.torn[first]
		switch {
		case torn && anyPresent, !torn && mark == asHeld:
			n++
		case !torn && mark >= firstKept && p.entries.Record(int(mark - firstKept)).Words[0] == string(StatePresent):
			n++
		}
	}
	for _, newcomer := range p.newcomers {
		if newcomer.open {
			n++
		}
	}
	return n
}

// Adopt plans the linking of users that the host imported before it kept
// objectGUIDs: Updates that set ObjectID and Source and nothing else. It is as
// pure as [Reconcile], and its plan is reviewed and applied like any other.
//
// A user without an ObjectID, and without the Source of another directory, is
// linked to a Present entry that no user is linked to, when all the details of
// Rules.AdoptBy (default: username and email) match, compared like keys and after
// Rules.Map; when no other user and no other entry comes into question; and, where
// AdoptBy names only one of the two or the account itself has only one, when
// neither the other nor the last name speaks against it. A protected user, or one who is not active, is linked only
// when Rules.Only names it. All other pairs that share a username or email are Notices
// ([ReasonAmbiguous]) whose Detail says what speaks against them.
func Adopt(entries []Entry, users []User, rules Rules) (*Plan, error) {
	if err := rules.Check(); err != nil {
		return nil, err
	}
	a := adopter{
		scope:    scopeOf(rules),
		linked:   map[ObjectID]string{},
		unlinked: map[ObjectID]*candidateEntry{},
		holders:  [claims.Spaces]map[string][]*User{{}, {}},
		offers:   [claims.Spaces]map[string][]*candidateEntry{{}, {}},
		plan:     &Plan{Version: PlanVersion, Source: validText(rules.Source), Changes: []Change{}},
	}
	a.takeUsers(users)
	if err := a.takeEntries(entries); err != nil {
		return nil, err
	}
	a.pair()
	return a.plan, nil
}

// adopter looks for pairs of a user and an entry.
type adopter struct {
	scope
	users    []*User             // that may be linked, sorted by ID
	linked   map[ObjectID]string // the user of an entry that has one
	unlinked map[ObjectID]*candidateEntry
	holders  [claims.Spaces]map[string][]*User // all users, by key
	offers   [claims.Spaces]map[string][]*candidateEntry
	plan     *Plan
}

// candidateEntry is an entry that a user may be linked to.
type candidateEntry struct {
	Entry
	profile Profile // after Rules.Map
	torn    bool    // listed with different details
}

func (a *adopter) takeUsers(users []User) {
	a.plan.Stats.Users = len(users)
	for i := range users {
		own := validUser(users[i]) // the plan must not hold on to the caller's
		u := &own
		if a.manages(u) {
			a.plan.Stats.Managed++
		}
		if !u.ObjectID.IsZero() {
			a.linked[u.ObjectID] = max(a.linked[u.ObjectID], u.ID) // any, but the same in any order
		} else if (u.Source == "" || u.Source == a.Source) && (a.only == nil || a.only[u.ID]) {
			a.users = append(a.users, u)
		}
		for space, f := range keySpaces {
			if key := a.key(*u.detail(f)); key != "" {
				a.holders[space][key] = append(a.holders[space][key], u)
			}
		}
	}
	slices.SortFunc(a.users, func(x, y *User) int { return strings.Compare(x.ID, y.ID) })
	a.plan.Stats.Chosen = len(a.users)
}

func (a *adopter) takeEntries(entries []Entry) error {
	for i := range entries {
		if err := checkEntry(&entries[i]); err != nil {
			return err
		}
		e := cleanEntry(&entries[i])
		if known, ok := a.unlinked[e.ObjectID]; ok {
			known.torn = known.torn || !sameEntry(&known.Entry, &e)
			if compareEntries(&e, &known.Entry) < 0 { // whichever came first, the plan is the same
				known.Entry = e
			}
			continue
		}
		a.unlinked[e.ObjectID] = &candidateEntry{Entry: e}
	}
	for _, id := range slices.SortedFunc(maps.Keys(a.unlinked), ObjectID.compare) {
		a.offer(a.unlinked[id])
	}
	return nil
}

// compareEntries puts a Present entry first, and else is any order.
func compareEntries(a, b *Entry) int {
	rank := func(e *Entry) int {
		return slices.Index([]State{StatePresent, StateOutOfScope, StateDeleted, StateUnproven}, e.State)
	}
	order := cmp.Compare(rank(a), rank(b))
	for _, f := range details {
		order = cmp.Or(order, strings.Compare(*a.detail(f), *b.detail(f)))
	}
	return cmp.Or(order, strings.Compare(a.DN, b.DN))
}

// offer enters the keys of an entry that can be linked at all.
func (a *adopter) offer(e *candidateEntry) {
	profile, err := a.mapped(&e.Entry)
	if e.State != StatePresent || err != nil {
		return
	}
	a.plan.Stats.Entries++
	e.profile = profile
	for space, f := range keySpaces {
		if key := a.key(*profile.detail(f)); key != "" {
			a.offers[space][key] = append(a.offers[space][key], e)
		}
	}
}

// pair goes through the users in order of ID and writes down the links, then the
// pairs that are not to be linked.
func (a *adopter) pair() {
	var notices []Change
	for _, u := range a.users {
		likely := a.likely(u)
		for _, e := range likely {
			change := Change{Op: OpNotice, Reason: ReasonAmbiguous, UserID: u.ID, ObjectID: e.ObjectID, Before: u}
			if against := a.against(u, e, likely); len(against) > 0 {
				change.Detail = strings.Join(against, "; ")
				notices = append(notices, change)
				continue
			}
			after := *u
			after.ObjectID, after.Source = e.ObjectID, a.plan.Source
			change = update(ReasonAdopted, u, &after)
			change.Detail = "by " + strings.Join(fieldNames(a.adoptBy()), " and ")
			a.plan.Changes = append(a.plan.Changes, change)
		}
		if len(likely) == 0 {
			a.plan.Stats.Unchanged++
		}
	}
	a.plan.Changes = append(a.plan.Changes, notices...)
}

func fieldNames(fields []Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = string(f)
	}
	return names
}

// likely returns the entries that share a key with the user, sorted by ObjectID:
// at most maxRivals of them, as members of one mailbox share one.
func (a *adopter) likely(u *User) []*candidateEntry {
	var likely []*candidateEntry
	for space, f := range keySpaces {
		offers := a.offers[space][a.key(*u.detail(f))]
		likely = append(likely, offers[:min(len(offers), maxRivals)]...)
	}
	slices.SortFunc(likely, func(x, y *candidateEntry) int { return x.ObjectID.compare(y.ObjectID) })
	return slices.Compact(likely)
}

// against lists what speaks against linking the user to the entry.
func (a *adopter) against(u *User, e *candidateEntry, likely []*candidateEntry) []string {
	against := a.differences(u, &e.Entry, &e.profile)
	if e.torn {
		against = append(against, "the directory lists the account with different details")
	}
	if other, ok := a.linked[e.ObjectID]; ok {
		against = append(against, "the account is linked to user "+other)
	}
	if n := len(likely); n > 1 {
		against = append(against, fmt.Sprintf("%d accounts come into question", n))
	}
	for space, f := range keySpaces {
		if n := len(a.holders[space][a.key(*e.profile.detail(f))]); n > 1 || n == 1 && !a.matches(f, u, &e.profile) {
			against = append(against, fmt.Sprintf("another user has the account's %s", f))
		}
	}
	if !u.active() || u.Protected {
		if !a.only[u.ID] {
			against = append(against, "the user is protected or not active; name it in Rules.Only")
		}
	}
	return against
}

// differences lists the details that do not match as Rules.AdoptBy wants. The
// profile is what Rules.Map made of the entry.
func (r Rules) differences(u *User, e *Entry, p *Profile) []string {
	var differ []string
	by := r.adoptBy()
	for _, f := range keySpaces {
		required := slices.Contains(by, f)
		missing := *u.detail(f) == "" || *p.detail(f) == ""
		if !r.matches(f, u, p) && (required || !missing) {
			differ = append(differ, string(f)+" differs")
		}
	}
	if (len(by) == 1 || e.Username == "" || e.Email == "") && u.LastName != "" && p.LastName != "" && r.key(u.LastName) != r.key(p.LastName) {
		differ = append(differ, "last name differs") // a key that Map made of the other says no more than that one
	}
	return differ
}

// adoptBy is Rules.AdoptBy or its default, in the order of the details.
func (r Rules) adoptBy() []Field {
	var by []Field
	for _, f := range keySpaces {
		if len(r.AdoptBy) == 0 || slices.Contains(r.AdoptBy, f) {
			by = append(by, f)
		}
	}
	return by
}

// matches reports whether both have the same key.
func (r Rules) matches(f Field, u *User, p *Profile) bool {
	key := r.key(*u.detail(f))
	return key != "" && key == r.key(*p.detail(f))
}

// adoptable reports whether the entry still is the one to link the user to.
func (r Rules) adoptable(u *User, e *Entry) bool {
	profile, err := r.mapped(e)
	return e.State == StatePresent && err == nil && len(r.differences(u, e, &profile)) == 0
}
