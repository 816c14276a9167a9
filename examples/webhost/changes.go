package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
)

// changeRow is a change as the pages show it.
type changeRow struct {
	Op        adsync.Op
	Label     string // what will be done, and why
	UserID    string
	ObjectID  string
	Username  string
	Name      string
	Diffs     []diff
	Conflicts []conflictText
	Detail    string
	Outcome   adsync.Outcome
	Result    string // what became of it; "" before
	Error     string
}

// diff is one detail, old and new.
type diff struct {
	Field    string
	Old, New string
}

// shownOps is their order on the pages.
var shownOps = []adsync.Op{adsync.OpDelete, adsync.OpUpdate, adsync.OpCreate, adsync.OpDuplicate, adsync.OpInvalid, adsync.OpNotice}

var opTexts = map[adsync.Op]string{
	adsync.OpUpdate: "Update", adsync.OpDelete: "Delete", adsync.OpCreate: "Import",
	adsync.OpDuplicate: "Duplicate", adsync.OpInvalid: "Invalid", adsync.OpNotice: "Notice",
}

var reasonTexts = map[adsync.Reason]string{
	adsync.ReasonChanged:     "changed in the directory",
	adsync.ReasonReactivated: "present and enabled again",
	adsync.ReasonAdopted:     "linked to the account in the directory",
	adsync.ReasonParked:      "makes way for a moment, as users trade names",
	adsync.ReasonNew:         "new in the directory",
	adsync.ReasonDeleted:     "deleted in the directory",
	adsync.ReasonDisabled:    "disabled in the directory",
	adsync.ReasonOutOfScope:  "outside the part of the directory that is synchronized",
	adsync.ReasonUnproven:    "not found in the directory, but nothing proves a deletion",
	adsync.ReasonProtected:   "protected here, so not removed",
	adsync.ReasonTaken:       "another user keeps it",
	adsync.ReasonContested:   "others ask for it too",
	adsync.ReasonWaiting:     "waits for users who are held up themselves",
	adsync.ReasonLinkedTwice: "several users are linked to one account",
	adsync.ReasonListedTwice: "the directory contradicts itself",
	adsync.ReasonNoUsername:  "would have no username",
	adsync.ReasonRefused:     "refused by a rule of this application",
	adsync.ReasonLinked:      "imported already",
	adsync.ReasonAmbiguous:   "not clear whose account it is",
}

// describe says in a few words what a sync would do.
func describe(c adsync.Change) string {
	reason, ok := reasonTexts[c.Reason]
	if !ok {
		reason = string(c.Reason) // of a newer version of the library
	}
	return opTexts[c.Op] + ": " + reason
}

// conflictText is why a user is a duplicate, and of whom.
type conflictText struct {
	Text   string
	Value  string
	Rivals []string // user IDs; those of new people are no users yet
}

func conflictTexts(c adsync.Change) []conflictText {
	texts := map[adsync.Field]string{
		adsync.FieldUsername: "Username already exists",
		adsync.FieldEmail:    "Email address already exists",
		adsync.FieldObjectID: "Another user is linked to the same account",
	}
	var out []conflictText
	for _, conflict := range c.Conflicts {
		rivals := slices.DeleteFunc(slices.Clone(conflict.With), func(id string) bool {
			_, err := adsync.ParseObjectID(id)
			return err == nil
		})
		out = append(out, conflictText{texts[conflict.Field], conflict.Value, rivals})
	}
	return out
}

func rowOf(c adsync.Change) changeRow {
	row := changeRow{
		Op: c.Op, Label: describe(c), UserID: c.UserID, ObjectID: c.ObjectID.String(),
		Conflicts: conflictTexts(c), Detail: c.Detail, Diffs: diffs(c),
	}
	for _, u := range []*adsync.User{c.After, c.Before} { // how people are called here, else how they will be
		if u != nil {
			row.Username, row.Name = u.Username, strings.TrimSpace(u.FirstName+" "+u.LastName)
		}
	}
	return row
}

// details are what the pages show of a user.
var details = []struct {
	field adsync.Field
	label string
	of    func(*adsync.User) string
}{
	{adsync.FieldUsername, "Username", func(u *adsync.User) string { return u.Username }},
	{adsync.FieldFirstName, "First name", func(u *adsync.User) string { return u.FirstName }},
	{adsync.FieldLastName, "Last name", func(u *adsync.User) string { return u.LastName }},
	{adsync.FieldEmail, "Email address", func(u *adsync.User) string { return u.Email }},
	{adsync.FieldPhone, "Contact number", func(u *adsync.User) string { return u.Phone }},
	{adsync.FieldStatus, "Status", func(u *adsync.User) string { return string(u.Status) }},
}

// diffs are the details that the change writes.
func diffs(c adsync.Change) []diff {
	if c.Op != adsync.OpUpdate && c.Op != adsync.OpDelete && c.Op != adsync.OpCreate {
		return nil
	}
	var out []diff
	for _, d := range details {
		var one diff
		if c.Before != nil {
			one.Old = d.of(c.Before)
		}
		if c.After != nil {
			one.New = d.of(c.After)
		}
		if one.Old != one.New && (c.Op == adsync.OpUpdate || d.field != adsync.FieldStatus) {
			one.Field = d.label
			out = append(out, one)
		}
	}
	return out
}

var outcomeTexts = map[adsync.Outcome]string{
	adsync.OutcomeApplied:      "Done",
	adsync.OutcomeAlready:      "Was done already",
	adsync.OutcomeStale:        "Left alone: changed in the meantime",
	adsync.OutcomeFailed:       "Failed",
	adsync.OutcomeBlocked:      "Left alone: a change before it did not succeed",
	adsync.OutcomeSkipped:      "Nothing to write",
	adsync.OutcomeNotAttempted: "Not attempted",
	adsync.OutcomeUnknown:      "Unknown: synchronize again",
}

func (r *changeRow) setResult(result adsync.Result) {
	r.Outcome, r.Result = result.Outcome, outcomeTexts[result.Outcome]
	if result.Err != nil {
		r.Error = sentence(result.Err)
	}
}

// losses names whom the plan removes, and from whom it takes a value.
func losses(p *adsync.Plan) (removed, cleared []string) {
	for _, c := range p.Changes {
		if c.Before == nil || c.Interim || c.Op != adsync.OpDelete && c.Op != adsync.OpUpdate {
			continue
		}
		row := rowOf(c)
		name := fmt.Sprintf("%s (%s)", row.Name, row.Username)
		switch {
		case c.Op == adsync.OpDelete, c.After.Status == adsync.StatusDeactivated && c.Before.Status != adsync.StatusDeactivated:
			removed = append(removed, name)
		case slices.ContainsFunc(row.Diffs, func(d diff) bool { return d.New == "" }):
			cleared = append(cleared, name)
		}
	}
	slices.Sort(removed)
	slices.Sort(cleared)
	return removed, cleared
}
