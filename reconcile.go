package adsync

import (
	"errors"
	"io"
	"log/slog"
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
	After     *User      `json:"after,omitempty"`
	Fields    []Field    `json:"fields,omitempty"`    // what differs
	Conflicts []Conflict `json:"conflicts,omitempty"` // object_id, username, email, in this order
	Needs     []int      `json:"needs,omitempty"`     // earlier changes that must succeed first, ascending
	Interim   bool       `json:"interim,omitempty"`   // a parked value that opens a cycle
}

// Guard says whether a store should write the change, given the row as it is now
// (nil: no such row): nil (yes), [ErrAlready] or [ErrStale]. It compares the
// whole row; "" and StatusActive are equal.
func (c Change) Guard(now *User) error { return errors.New("adsync: not built yet") }

// LogValue tells IDs, operation, reason and field names; never values.
func (c Change) LogValue() slog.Value { return slog.Value{} }

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
// or a *LimitError.
func (p *Plan) Check(l Limits) error { return errors.New("adsync: not built yet") }

// Digest is the SHA-256 of the plan's canonical JSON, in hex. It names the plan
// in an [Approval].
func (p *Plan) Digest() string { return "" }

// WriteTo prints the plan for people.
func (p *Plan) WriteTo(w io.Writer) (int64, error) { return 0, errors.New("adsync: not built yet") }

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

// Check returns an error for rules that make no sense.
func (r Rules) Check() error { return nil }

// Reconcile compares both sides and returns the plan. It is pure: no context,
// clock, log, I/O or map order; it neither keeps nor changes its arguments, and
// gives the same plan for any order of them. A managed user without an entry
// counts as Deleted: the caller vouches for the list.
//
// The error is for rules that Check refuses, entries without an ObjectID, and
// users to be changed that share their ID.
func Reconcile(entries []Entry, users []User, rules Rules) (*Plan, error) {
	return nil, errors.New("adsync: not built yet")
}

// Adopt plans the linking of users that the host imported before it kept
// objectGUIDs.
func Adopt(entries []Entry, users []User, rules Rules) (*Plan, error) {
	return nil, errors.New("adsync: Adopt is not built yet")
}
