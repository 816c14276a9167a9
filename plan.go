package adsync

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-adsync/adsync/internal/keyfold"
	"github.com/go-adsync/adsync/internal/plantext"
	"github.com/go-adsync/adsync/internal/schedule"
)

// planVersion is the version of the plans that this package makes and applies.
const planVersion = 1

// Stats counts what a plan was made from.
type Stats struct {
	Entries   int `json:"entries"`   // accounts found in scope that belong to a chosen user or are free to import
	Users     int `json:"users"`     // rows of the host's table
	Managed   int `json:"managed"`   // those of this source
	Chosen    int `json:"chosen"`    // managed users that this plan is about
	Unchanged int `json:"unchanged"` // chosen users that no change mentions

	// Roles are the roles that the plan takes from anybody, and how many managed users
	// have each of them before. Those who keep it whatever the directory says, as they are
	// protected or have it from the host, are not counted.
	Roles map[string]int `json:"roles,omitempty"`
}

// Plan is what a sync would do: plain data, which survives JSON. Changes is
// never nil, and all texts are valid UTF-8.
type Plan struct {
	Version  int      `json:"version"`
	Source   string   `json:"source,omitempty"`
	Stats    Stats    `json:"stats"`
	Warnings []string `json:"warnings,omitempty"` // e.g. tombstones unreadable, nobody is managed
	Changes  []Change `json:"changes"`

	// StoreWarnings is how many of the Warnings, the first of them, are the store's about
	// its table ([Checker]). A Syncer keeps them from its first plan, so the digest covers
	// neither them nor their number: one that has just started may see another table.
	StoreWarnings int `json:"store_warnings,omitempty"`

	Reading *Provenance `json:"reading,omitempty"` // nil: a plan of [Reconcile] or [Adopt]
}

// Provenance is how a plan came about. The digest covers nothing of it, so that
// planning the same two sides again gives the same digest.
type Provenance struct {
	At          time.Time `json:"at,omitzero"`           // when the reading began, by the host's clock
	Controllers []string  `json:"controllers,omitempty"` // the servers that were read
	Witnesses   []string  `json:"witnesses,omitempty"`   // other servers that were asked about tombstones
	Silent      []string  `json:"silent,omitempty"`      // those of them that gave no answer

	// Of a plan by mark ([Since]): when the mark was made, and how many accounts were looked
	// up; of one that became a full one, why.
	Since  time.Time `json:"since,omitzero"`
	Looked int       `json:"looked,omitempty"`
	Full   string    `json:"full,omitempty"`

	// Of a plan that is a full one because it was time for that: about how many it says what
	// plans by mark had not found, and how many of those are to be written or duplicates.
	// Unproven notices are expected, and nobody among the latter.
	Late       int `json:"late,omitempty"`
	LateWrites int `json:"late_writes,omitempty"`

	draft *draft // of the next mark
}

// lines say for people how much was read.
func (p *Provenance) lines() []string {
	if p == nil {
		return nil
	}
	var lines []string
	if !p.Since.IsZero() {
		lines = append(lines, fmt.Sprintf("Only what has changed since %s was read: %d accounts were looked up.", p.Since.Format(time.RFC3339), p.Looked))
	}
	if p.Full != "" {
		lines = append(lines, "Everything was read: "+p.Full+".")
	}
	if p.Late > 0 {
		lines = append(lines, fmt.Sprintf("Of %d users, plans that read only what has changed had not found what this one says, which writes %d of them.", p.Late, p.LateWrites))
	}
	return lines
}

// Check checks the plan against the limits, by its own statistics. It returns nil
// or a [*LimitError]. What other runs have done, as Options.Ledger knows it, is not
// counted here.
func (p *Plan) Check(l Limits) error { return l.hold(p, p.Stats.Managed, p.Stats.Roles, &past{}) }

func clears(before, after *Profile) bool {
	return slices.ContainsFunc(details[:], func(f Field) bool { return *before.detail(f) != "" && *after.detail(f) == "" }) ||
		before.Extra.loses(after.Extra)
}

// rekeys reports whether the user gets another username or email. A parking counts as
// well, as its final change does.
func rekeys(before, after *Profile) bool {
	return before.Username != after.Username || before.Email != after.Email
}

// Digest is the SHA-256 of the plan's JSON without its Reading and the warnings of the
// store, in hex. It names the plan in an [Approval]; a plan that went through JSON has the
// same.
func (p *Plan) Digest() string {
	signed := *p
	signed.Reading, signed.StoreWarnings = nil, 0
	signed.Warnings = p.Warnings[min(max(p.StoreWarnings, 0), len(p.Warnings)):]
	canonical, err := json.Marshal(&signed)
	if err != nil {
		panic("adsync: a plan is plain data: " + err.Error()) // no field can fail
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// validate refuses a plan that does not hang together or reaches beyond what this
// source manages. What it says of the rows is proven by Guard when it is applied.
func (p *Plan) validate(rules Rules) error {
	if p.Version != planVersion {
		return fmt.Errorf("%w: its version is %d, and this package applies version %d; plan again", ErrUnsafe, p.Version, planVersion)
	}
	if p.Source != validText(rules.Source) {
		return fmt.Errorf("%w: it was made for another source", ErrUnsafe)
	}
	if !p.validTexts() {
		return fmt.Errorf("%w: a text in it is not valid UTF-8, which a digest cannot tell from another", ErrUnsafe)
	}
	if p.StoreWarnings < 0 || p.StoreWarnings > len(p.Warnings) {
		return fmt.Errorf("%w: it has %d warnings, and says that %d of them are the store's", ErrUnsafe, len(p.Warnings), p.StoreWarnings)
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

// validTexts reports whether all texts are valid UTF-8.
func (p *Plan) validTexts() bool {
	if !keyfold.Valid(p.Source) || !validAll(p.Warnings) {
		return false
	}
	for i := range p.Changes {
		if !p.Changes[i].validTexts() {
			return false
		}
	}
	return true
}

func validAll(texts []string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !keyfold.Valid(text) })
}

// writes reports whether the plan writes at all.
func (p *Plan) writes() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.writes() })
}

// undoes reports whether the plan takes back something of a run.
func (p *Plan) undoes() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.writes() && c.Reason == ReasonUndone })
}

func (p *Plan) validateChange(i int, rules Rules, last map[string]int) error {
	c := &p.Changes[i]
	if err := p.validateNeeds(i); err != nil {
		return err
	}
	switch {
	case !slices.Contains(reasons[:], c.Reason): // which stands in logs, as do the names of the conflicts
		return errors.New("its reason is none of those that there are")
	case c.writes() && len(c.Conflicts) > 0:
		return errors.New("what writes has no conflicts")
	}
	switch c.Op {
	case OpDuplicate, OpInvalid, OpNotice:
		if c.Before != nil && c.After != nil || c.Interim || len(c.Needs) > 0 {
			return errors.New("what only tells must not write, and needs nothing")
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

// WriteTo prints the plan for people: what changes with the old and the new value
// side by side, what is held back and why, and the totals. It is in colour only
// where w is a terminal and NO_COLOR is not set.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	s := p.Stats
	head := []string{fmt.Sprintf("%d of %d users are managed, %d are chosen, %d were found in the directory.", s.Managed, s.Users, s.Chosen, s.Entries)}
	head = append(head, p.Reading.lines()...)
	for _, warning := range p.Warnings {
		head = append(head, "Warning: "+warning)
	}
	items := make([]plantext.Item, 0, len(p.Changes))
	for i := range p.Changes {
		items = append(items, p.Changes[i].item())
	}
	return plantext.Write(w, head, items, []string{p.totals()})
}

// totals counts the distinct users of each operation.
func (p *Plan) totals() string {
	counted := map[Op]map[string]bool{}
	for i := range p.Changes {
		c := &p.Changes[i]
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

// schedule is what the order of writing depends on.
func (p *Plan) schedule() []schedule.Step {
	steps := make([]schedule.Step, len(p.Changes))
	for i := range p.Changes {
		c := &p.Changes[i]
		steps[i] = schedule.Step{Needs: c.Needs, Ends: p.ends(i)}
		switch {
		case c.Interim:
			steps[i].Kind = schedule.Park
		case c.Op == OpCreate:
			steps[i].Kind = schedule.Create
		case c.writes():
			steps[i].Kind = schedule.Write
		}
	}
	return steps
}

// ends returns the parking of the same user that the change ends, or -1.
func (p *Plan) ends(i int) int {
	c := &p.Changes[i]
	for _, need := range c.Needs {
		if c.writes() && need >= 0 && need < len(p.Changes) && p.Changes[need].Interim && p.Changes[need].UserID == c.UserID {
			return need
		}
	}
	return -1
}
