package adsync_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/go-adsync/adsync"
)

// step is one write before it has a place in the plan.
type step struct {
	change adsync.Change
	takes  []key
	frees  []key
}

func (o *oracle) newStep(c adsync.Change) *step {
	var before, after []key
	if c.Before != nil {
		before = o.keysOf(c.Before.Profile, keyFields)
	}
	if c.After != nil {
		after = o.keysOf(c.After.Profile, keyFields)
	}
	return &step{change: c, takes: without(after, before), frees: without(before, after)}
}

func without(a, b []key) []key {
	return slices.DeleteFunc(slices.Clone(a), func(k key) bool { return slices.Contains(b, k) })
}

func meet(a, b []key) bool {
	return slices.ContainsFunc(a, func(k key) bool { return slices.Contains(b, k) })
}

// ordered is the list of changes, in the order of the rules.
func (o *oracle) ordered() []adsync.Change {
	deletes, updates, creates := o.writes()
	interims := o.park(updates)
	q := &sequence{freeing: slices.Concat(deletes, updates, interims), interims: interims}
	for _, s := range deletes {
		q.add(s)
	}
	for _, s := range updates {
		q.addUpdate(s)
	}
	for _, s := range creates {
		q.add(s)
	}
	return append(q.changes(), o.sortedTold()...)
}

func (o *oracle) writes() (deletes, updates, creates []*step) {
	for _, p := range o.users {
		switch {
		case p.deleted:
			deletes = append(deletes, o.newStep(adsync.Change{Op: adsync.OpDelete, Reason: p.why, UserID: p.name, ObjectID: p.id, Before: p.user}))
		default:
			if c, differs := o.update(p); differs {
				updates = append(updates, o.newStep(c))
			}
		}
	}
	for _, p := range o.news {
		if !p.lost {
			after := &adsync.User{ObjectID: p.id, Source: o.rules.Source, Profile: p.target}
			after.Extra = p.withRoles(after.Extra)
			creates = append(creates, o.newStep(adsync.Change{Op: adsync.OpCreate, Reason: adsync.ReasonNew, ObjectID: p.id, After: after}))
		}
	}
	byUser := func(a, b *step) int { return cmp.Compare(a.change.UserID, b.change.UserID) }
	slices.SortFunc(deletes, byUser)
	slices.SortFunc(updates, byUser)
	slices.SortFunc(creates, func(a, b *step) int { return cmp.Compare(a.change.ObjectID.String(), b.change.ObjectID.String()) })
	return deletes, updates, creates
}

func (o *oracle) update(p *party) (adsync.Change, bool) {
	after := *p.user
	after.Status, after.DeactivatedAt = p.status, p.stamp
	if p.candidate && !p.lost {
		after.Profile = p.target
	}
	after.Extra = p.withRoles(after.Extra)
	c := adsync.Change{Op: adsync.OpUpdate, Reason: cmp.Or(p.why, adsync.ReasonChanged), UserID: p.name, ObjectID: p.id,
		Before: p.user, After: &after, Fields: differing(*p.user, after)}
	return c, len(c.Fields) > 0
}

func differing(a, b adsync.User) []adsync.Field {
	var fields []adsync.Field
	for _, f := range detailFields {
		if *detail(&a.Profile, f) != *detail(&b.Profile, f) {
			fields = append(fields, f)
		}
	}
	further := append(a.Extra.Fields(), b.Extra.Fields()...)
	slices.Sort(further)
	for _, f := range slices.Compact(further) {
		if !slices.Equal(a.Extra.Set(f), b.Extra.Set(f)) {
			fields = append(fields, f)
		}
	}
	if a.Status != b.Status {
		fields = append(fields, adsync.FieldStatus)
	}
	if a.DeactivatedAt != b.DeactivatedAt {
		fields = append(fields, adsync.FieldDeactivatedAt)
	}
	return fields
}

// park breaks the cycles among the updates: it returns the interims, and changes
// the parked users' own updates to follow theirs.
func (o *oracle) park(updates []*step) (interims []*step) {
	for {
		group := firstCycle(updates)
		if group == nil {
			return interims
		}
		parked := group[0]
		for _, s := range slices.Backward(group) {
			if !s.change.Before.Protected {
				parked = s
			}
		}
		interim := o.interim(parked, group)
		interims = append(interims, interim)
		own := parked.change
		own.Before = interim.change.After
		own.Fields = differing(*own.Before, *own.After)
		*parked = *o.newStep(own)
	}
}

// firstCycle is the group of updates that need each other, directly or not, with
// the smallest UserID, in order of UserID.
func firstCycle(updates []*step) []*step {
	for _, s := range updates {
		if !reaches(updates, s, s, nil) {
			continue
		}
		var group []*step
		for _, v := range updates {
			if reaches(updates, s, v, nil) && reaches(updates, v, s, nil) {
				group = append(group, v)
			}
		}
		return group
	}
	return nil
}

// reaches tells whether from needs to, directly or over others.
func reaches(updates []*step, from, to *step, passed map[*step]bool) bool {
	if passed == nil {
		passed = map[*step]bool{}
	}
	for _, v := range updates {
		if passed[v] || !meet(from.takes, v.frees) {
			continue
		}
		passed[v] = true
		if v == to || reaches(updates, v, to, passed) {
			return true
		}
	}
	return false
}

func (o *oracle) interim(parked *step, group []*step) *step {
	c := parked.change
	after := *c.Before
	values := o.parkedValues(c.UserID)
	for _, f := range keyFields {
		freed := slices.DeleteFunc(slices.Clone(parked.frees), func(k key) bool { return k.field != f })
		if slices.ContainsFunc(group, func(s *step) bool { return s != parked && meet(s.takes, freed) }) {
			*detail(&after.Profile, f) = *detail(&values, f)
		}
	}
	return o.newStep(adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonParked, UserID: c.UserID, ObjectID: c.ObjectID,
		Before: c.Before, After: &after, Fields: differing(*c.Before, after), Interim: true})
}

// parkedValues are a username and an email that nobody holds or asks for.
func (o *oracle) parkedValues(userID string) adsync.Profile {
	text := userID
	for counter := 1; ; counter++ {
		sum := sha256.Sum256([]byte(text))
		name := "~adsync-" + hex.EncodeToString(sum[:])[:12]
		values := adsync.Profile{Username: name, Email: name + "@adsync.invalid"}
		if !slices.ContainsFunc(o.keysOf(values, keyFields), o.heldOrAsked) {
			return values
		}
		text = userID + "#" + strconv.Itoa(counter)
	}
}

func (o *oracle) heldOrAsked(k key) bool {
	return slices.ContainsFunc(slices.Concat(o.users, o.news), func(p *party) bool { return o.holds(p, k) || o.asks(p, k) })
}

// sequence puts the writes in their order and numbers what they need.
type sequence struct {
	freeing  []*step // all that may free a key
	interims []*step
	placed   []*step
}

func (q *sequence) add(s *step) {
	if !slices.Contains(q.placed, s) {
		q.placed = append(q.placed, s)
	}
}

// addUpdate adds first the updates that s needs, then the interims, which stand
// just before it, and then s.
func (q *sequence) addUpdate(s *step) {
	needs := q.needs(s)
	for _, n := range needs {
		if !n.change.Interim && n.change.Op == adsync.OpUpdate {
			q.addUpdate(n)
		}
	}
	for _, n := range needs {
		if n.change.Interim {
			q.add(n)
		}
	}
	q.add(s)
}

// needs are the steps that free a key which s takes, and its own interim, in
// order of UserID.
func (q *sequence) needs(s *step) []*step {
	var needs []*step
	for _, n := range q.freeing {
		own := n.change.Interim && n.change.UserID == s.change.UserID
		if n != s && !s.change.Interim && (own || meet(s.takes, n.frees)) {
			needs = append(needs, n)
		}
	}
	slices.SortFunc(needs, func(a, b *step) int { return cmp.Compare(a.change.UserID, b.change.UserID) })
	return needs
}

func (q *sequence) changes() []adsync.Change {
	changes := []adsync.Change{}
	for _, s := range q.placed {
		c := s.change
		for _, n := range q.needs(s) {
			c.Needs = append(c.Needs, slices.Index(q.placed, n))
		}
		slices.Sort(c.Needs)
		changes = append(changes, c)
	}
	return changes
}
