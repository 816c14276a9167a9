package adsync

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/plantext"
)

// Kind is how somebody fares under the second of two plans, compared with the first.
type Kind string

// The kinds of a [Difference], the gravest first. Where several hold for somebody, it is
// the first of them, with one exception: a new entry that one plan creates, and that the
// other holds back as a duplicate or as invalid, clashes or settles.
const (
	KindLeaves  Kind = "leaves"  // b deletes, deactivates, does not create, or finds unlisted in the directory, whom a does not
	KindEnters  Kind = "enters"  // the reverse: b creates, reactivates, keeps or finds listed, whom a does not
	KindClashes Kind = "clashes" // a duplicate or invalid in b, and not in a
	KindSettles Kind = "settles" // the reverse: a duplicate or invalid in a, and no longer in b
	KindChanges Kind = "changes" // b leaves other details, another status or another link than a
	KindReason  Kind = "reason"  // both leave the same, for another reason, or with another rival or notice
)

// kindTexts are the kinds in order, and how each is printed.
var kindTexts = [...]struct {
	kind   Kind
	mark   byte
	total  string
	mirror Kind
}{
	{KindLeaves, '-', "leave", KindEnters},
	{KindEnters, '+', "enter", KindLeaves},
	{KindClashes, '!', "clash", KindSettles},
	{KindSettles, '~', "no longer clash", KindClashes},
	{KindChanges, '~', "change", KindChanges},
	{KindReason, 'i', "with another reason", KindReason},
}

func (k Kind) rank() int {
	for rank := range kindTexts {
		if kindTexts[rank].kind == k {
			return rank
		}
	}
	return len(kindTexts)
}

// Comparison is what differs between two plans, a and b: plain data, which survives
// JSON. [Compare] makes it.
type Comparison struct {
	Source      string       `json:"source,omitempty"`
	A           Compared     `json:"a"`
	B           Compared     `json:"b"`
	Counts      map[Kind]int `json:"counts"`            // of the differences; a kind that does not occur is left out
	Drifted     []string     `json:"drifted,omitempty"` // user IDs whose row was not the same in both, sorted: the table changed between the plans
	Differences []Difference `json:"differences"`       // never nil; by kind, then by user ID, new entries last by ObjectID
}

// Compared is one of the two plans of a [Comparison].
type Compared struct {
	Stats    Stats    `json:"stats"`
	Warnings []string `json:"warnings,omitempty"` // those that the other plan does not have
}

// Difference is one user, or one new entry, with whom the plans do not do the same.
type Difference struct {
	Kind     Kind     `json:"kind"`
	UserID   string   `json:"user_id,omitempty"`  // empty: a new entry
	ObjectID ObjectID `json:"object_id,omitzero"` // the new entry's, or the account that the user is linked to
	A        []Change `json:"a,omitempty"`        // what plan a does and reports, without parkings and needs; none: the row stays as it is
	B        []Change `json:"b,omitempty"`        // likewise for plan b
	Fields   []Values `json:"fields,omitempty"`   // what differs between the users that the plans leave, where both leave one
}

// Values are what two plans leave in one field of a user, as plans print it.
type Values struct {
	Field Field  `json:"field"`
	A     string `json:"a"`
	B     string `json:"b"`

	// Of a set: the members that only one of the two leaves, sorted.
	OnlyA []string `json:"only_a,omitempty"`
	OnlyB []string `json:"only_b,omitempty"`
}

// Compare says who enters, leaves, changes or clashes under plan b, compared with plan a:
// what another filter, base, rule or mapping would do, before anything is written. It is pure
// and deterministic, and does not change the plans, whose users its result shares.
//
// Make both plans from the same table, one after the other, for the same selection of
// users: say, one with today's filter and one with the next. Compared is where each plan
// leads: the user that it leaves behind (of a user whom it does not mention: the row as it
// is), and its reasons, conflicts and notices. How it gets there is not compared: neither
// the order of changes, nor the names under which users are parked for a moment, nor
// Plan.Reading. A user whom neither plan mentions stays as it is under both, and is no
// part of the comparison.
//
// Compare(b, a) is the mirror of Compare(a, b): who enters in one leaves in the other, who
// clashes settles, and the rest has its two sides exchanged.
//
// Rows that changed between the two plans are named in Drifted, as far as both plans
// mention them: a difference there may come from that, and not from the filter.
//
// It is an error if a plan is nil, or of a version that this package does not make, or if
// the plans are of different sources.
func Compare(a, b *Plan) (*Comparison, error) {
	switch {
	case a == nil || b == nil:
		return nil, errors.New("adsync: two plans are compared, and one of these is nil; make both, with Syncer.Plan or Reconcile")
	case a.Version != planVersion || b.Version != planVersion:
		return nil, fmt.Errorf("adsync: the plans are of the versions %d and %d, and this package compares version %d; plan again", a.Version, b.Version, planVersion)
	case a.Source != b.Source:
		return nil, errors.New("adsync: the plans are of different sources, and so about different users; compare plans of one source")
	}
	comparison := &Comparison{
		Source:      a.Source,
		A:           Compared{Stats: a.Stats, Warnings: without(a.Warnings, b.Warnings)},
		B:           Compared{Stats: b.Stats, Warnings: without(b.Warnings, a.Warnings)},
		Counts:      map[Kind]int{},
		Differences: []Difference{},
	}
	fatesA, fatesB := a.fates(), b.fates()
	for who, fate := range fatesA {
		comparison.add(who, fate, orSilent(fatesB[who]))
	}
	for who, fate := range fatesB {
		if fatesA[who] == nil {
			comparison.add(who, orSilent(nil), fate)
		}
	}
	slices.Sort(comparison.Drifted)
	slices.SortFunc(comparison.Differences, compareDifferences)
	return comparison, nil
}

// add takes one user or new entry.
func (c *Comparison) add(who subject, a, b *fate) {
	if a.row != nil && b.row != nil && !a.row.Same(*b.row) {
		c.Drifted = append(c.Drifted, who.userID)
	}
	leftByA, leftByB := a.leaves(b.row), b.leaves(a.row)
	d := Difference{UserID: who.userID, ObjectID: who.objectID, A: a.changes, B: b.changes}
	if leftByA != nil && leftByB != nil {
		d.Fields = valuesOf(*leftByA, *leftByB)
	}
	switch {
	case a.clashes() != b.clashes() && who.isNew():
		d.Kind = either(b.clashes(), KindClashes)
	case a.standing(leftByA) != b.standing(leftByB):
		d.Kind = either(b.standing(leftByB) < a.standing(leftByA), KindLeaves)
	case a.clashes() != b.clashes():
		d.Kind = either(b.clashes(), KindClashes)
	case len(d.Fields) > 0:
		d.Kind = KindChanges
	case !slices.EqualFunc(a.changes, b.changes, sameReport):
		d.Kind = KindReason
	default:
		return
	}
	if row := cmp.Or(a.row, b.row); row != nil {
		d.ObjectID = row.ObjectID
	}
	c.Counts[d.Kind]++
	c.Differences = append(c.Differences, d)
}

// either is the kind, or its mirror.
func either(holds bool, kind Kind) Kind {
	if holds {
		return kind
	}
	return kindTexts[kind.rank()].mirror
}

// subject is a user, or a new entry.
type subject struct {
	userID   string
	objectID ObjectID // of a new entry alone, as a plan may tell a user of several
}

func (s subject) isNew() bool { return s.userID == "" }

// fate is what one plan does with one subject.
type fate struct {
	changes []Change // without parkings and needs: the write, if there is one, before the rest
	row     *User    // as the plan found it; nil: not mentioned, or a new entry
}

func orSilent(f *fate) *fate {
	if f == nil {
		return &fate{}
	}
	return f
}

// fates collects what the plan does with each whom it mentions.
func (p *Plan) fates() map[subject]*fate {
	fates := map[subject]*fate{}
	for _, c := range p.Changes {
		who := subject{userID: c.UserID}
		if who.isNew() {
			who.objectID = c.ObjectID
		}
		f := fates[who]
		if f == nil {
			f = &fate{}
			fates[who] = f
		}
		f.add(c)
	}
	return fates
}

// add adds a change. A parking and the change after it become one, from the row.
func (f *fate) add(c Change) {
	if f.row == nil && c.UserID != "" {
		f.row = c.Before
	}
	if c.Interim {
		return
	}
	c.Needs = nil
	if c.rewrites() && f.row != nil && *c.Before != *f.row {
		c.Before, c.Fields = f.row, differing(f.row, c.After)
	}
	f.changes = append(f.changes, c)
}

// leaves is the user that there is afterwards; nil: none. The other plan's row stands for
// one that this plan does not mention.
func (f *fate) leaves(other *User) *User {
	for i := range f.changes {
		switch c := &f.changes[i]; c.Op {
		case OpCreate, OpUpdate:
			return c.After
		case OpDelete:
			return nil
		}
	}
	return cmp.Or(f.row, other)
}

func (f *fate) clashes() bool {
	return slices.ContainsFunc(f.changes, func(c Change) bool { return c.Op == OpDuplicate || c.Op == OpInvalid })
}

// standing is how much of a user somebody is after a plan.
type standing int

const (
	standsNot standing = iota // deleted, or not created
	standsInactiveUnlisted
	standsInactive
	standsUnlisted // kept, though the directory does not list the account
	standsActive
)

func (f *fate) standing(left *User) standing {
	unlisted := slices.ContainsFunc(f.changes, func(c Change) bool { return c.unlisted() })
	switch {
	case left == nil:
		return standsNot
	case !left.active() && unlisted:
		return standsInactiveUnlisted
	case !left.active():
		return standsInactive
	case unlisted:
		return standsUnlisted
	}
	return standsActive
}

// unlisted reports whether the change says that the directory does not list the account
// in scope.
func (c *Change) unlisted() bool {
	reason := c.Reason
	if reason == ReasonProtected {
		reason = Reason(strings.TrimPrefix(c.Detail, "would be removed as "))
	}
	if reason == ReasonLeaving {
		reason = leavesAs(c.Detail)
	}
	return slices.Contains([]Reason{ReasonDeleted, ReasonOutOfScope, ReasonUnproven, ReasonDisputed}, reason)
}

// sameReport reports whether two changes that leave the same user say the same.
func sameReport(a, b Change) bool {
	return a.Op == b.Op && a.Reason == b.Reason && a.Detail == b.Detail && a.ObjectID == b.ObjectID &&
		slices.EqualFunc(a.Conflicts, b.Conflicts, sameConflict) && sameHeldBack(&a, &b)
}

func sameConflict(a, b Conflict) bool {
	return a.Field == b.Field && a.Value == b.Value && slices.Equal(a.With, b.With)
}

// sameHeldBack compares the users that duplicates do not create.
func sameHeldBack(a, b *Change) bool {
	if a.writes() || a.After == nil || b.After == nil {
		return a.writes() || a.After == b.After
	}
	return a.After.Same(*b.After)
}

func valuesOf(a, b User) []Values {
	a, b = normalUser(a), normalUser(b)
	var list []Values
	for _, f := range differing(&a, &b) {
		v := Values{Field: f, A: a.text(f), B: b.text(f)}
		if a.Extra.isSet(f) || b.Extra.isSet(f) {
			v.OnlyA = beyond(a.Extra.block(f), b.Extra.block(f), anyRole)
			v.OnlyB = beyond(b.Extra.block(f), a.Extra.block(f), anyRole)
		}
		list = append(list, v)
	}
	return list
}

func compareDifferences(a, b Difference) int {
	newLast := func(d Difference) int {
		if d.UserID == "" {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(a.Kind.rank(), b.Kind.rank()),
		cmp.Compare(newLast(a), newLast(b)),
		strings.Compare(a.UserID, b.UserID),
		a.ObjectID.Compare(b.ObjectID),
	)
}

// without lists what only the first has.
func without(texts, others []string) []string {
	var list []string
	for _, text := range texts {
		if !slices.Contains(others, text) {
			list = append(list, text)
		}
	}
	return list
}

// WriteTo prints the comparison for people, as [Plan.WriteTo] prints a plan: what plan a
// does and what plan b does, side by side, with the values that differ, and the totals.
func (c *Comparison) WriteTo(w io.Writer) (int64, error) {
	items := make([]plantext.Item, 0, len(c.Differences))
	for i := range c.Differences {
		items = append(items, c.Differences[i].item())
	}
	return plantext.Write(w, c.head(), items, []string{c.totals()})
}

// head describes both plans, and what speaks against comparing them.
func (c *Comparison) head() []string {
	head := []string{"Plan a: " + sizes(c.A.Stats), "Plan b: " + sizes(c.B.Stats)}
	for _, warning := range c.A.Warnings {
		head = append(head, "Warning of plan a alone: "+warning)
	}
	for _, warning := range c.B.Warnings {
		head = append(head, "Warning of plan b alone: "+warning)
	}
	a, b := c.A.Stats, c.B.Stats
	if n := len(c.Drifted); n > 0 || a.Users != b.Users || a.Managed != b.Managed {
		head = append(head, fmt.Sprintf("Warning: the table changed between the two plans (%d rows of which both speak), and some of this may come of that; plan both again.", n))
	} else if a.Chosen != b.Chosen {
		head = append(head, "Warning: the two plans are not about the same users; choose the same for both.")
	}
	return head
}

func sizes(s Stats) string {
	return fmt.Sprintf("%d of %d users are managed, %d are chosen, %d were found in the directory.", s.Managed, s.Users, s.Chosen, s.Entries)
}

func (c *Comparison) totals() string {
	if len(c.Differences) == 0 {
		return "Both plans do the same."
	}
	texts := make([]string, len(kindTexts))
	for rank, kind := range kindTexts {
		texts[rank] = fmt.Sprintf("%d %s", c.Counts[kind.kind], kind.total)
	}
	return strings.Join(texts, ", ") + "."
}

// item is the difference in print.
func (d *Difference) item() plantext.Item {
	item := plantext.Item{Mark: '?', ID: d.UserID, Name: d.name(), Text: string(d.Kind) + ": "}
	if rank := d.Kind.rank(); rank < len(kindTexts) {
		item.Mark = kindTexts[rank].mark
	}
	a, b := inWords(d.A), inWords(d.B)
	item.Text += a
	if a != b {
		item.Text += " → " + b
	}
	for _, v := range d.Fields {
		item.Details = append(item.Details, v.details()...)
	}
	item.Details = append(item.Details, sideBySide(remarks(d.A), remarks(d.B))...)
	return item
}

// details print a text side by side, and of a set what plan b adds to it and takes away
// from it, as a plan does.
func (v *Values) details() []plantext.Detail {
	if len(v.OnlyA)+len(v.OnlyB) == 0 {
		return []plantext.Detail{{Label: string(v.Field), Old: printValue(v.A), New: printValue(v.B), Arrow: true}}
	}
	return setDetails(v.Field, v.OnlyB, v.OnlyA)
}

func (d *Difference) name() string {
	for _, c := range slices.Concat(d.A, d.B) {
		if user := cmp.Or(c.Before, c.After); user != nil {
			return user.Username
		}
	}
	return d.ObjectID.String()
}

func inWords(changes []Change) string {
	if len(changes) == 0 {
		return "nothing to do"
	}
	texts := make([]string, len(changes))
	for i := range changes {
		texts[i] = changes[i].item().Text
	}
	return strings.Join(texts, "; ")
}

// remarks are the rivals and accounts that a plan names, by label.
func remarks(changes []Change) map[string]string {
	told := map[string]string{}
	for i := range changes {
		if changes[i].writes() {
			continue
		}
		for _, detail := range changes[i].item().Details {
			if told[detail.Label] != "" {
				told[detail.Label] += "; "
			}
			told[detail.Label] += detail.New
		}
	}
	return told
}

// sideBySide lists the remarks that are not the same.
func sideBySide(a, b map[string]string) []plantext.Detail {
	var list []plantext.Detail
	labels := maps.Clone(a)
	maps.Copy(labels, b)
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		switch {
		case a[label] == b[label]:
		case a[label] == "" || b[label] == "":
			list = append(list, plantext.Detail{Label: label, New: cmp.Or(a[label], b[label])})
		default:
			list = append(list, plantext.Detail{Label: label, Old: a[label], New: b[label], Arrow: true})
		}
	}
	return list
}
