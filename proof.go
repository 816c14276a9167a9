package adsync

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// What Apply believes of a plan. Others may have had it in their hands, so its word is
// not enough: each change is checked against the store and the directory as they are
// now.

// now is how the store stands when a plan is applied.
type now struct {
	users   map[string]*User    // by ID, those that the plan writes; nil: the store did not yield them
	linked  map[ObjectID]string // the users linked to entries for which the plan creates one
	managed int                 // with the users that this plan has deleted before
}

// readNow reads the store again, because the plan's own word is not taken for it.
func (s *Syncer) readNow(ctx context.Context, p *Plan) (*now, error) {
	n := &now{users: map[string]*User{}, linked: map[ObjectID]string{}}
	for i := range p.Changes {
		switch c := &p.Changes[i]; {
		case c.Op == OpCreate:
			n.linked[c.ObjectID] = ""
		case c.writes():
			n.users[c.UserID] = nil
		}
	}
	ids := map[string]bool{}
	if err := s.eachUser(ctx, func(u *User) error { return n.take(u, &s.opts.Rules, ids) }); err != nil {
		return nil, err
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Op == OpDelete && n.users[c.UserID] == nil {
			n.managed++
		}
	}
	return n, nil
}

// take counts one user, who must not have been counted before: whoever comes twice
// would otherwise widen the limits.
func (n *now) take(u *User, rules *Rules, ids map[string]bool) error {
	managed := rules.manages(u)
	_, written := n.users[u.ID]
	if managed || written {
		if ids[u.ID] {
			return fmt.Errorf("adsync: two users have the ID %q; a store must give each row its own", validText(u.ID))
		}
		ids[u.ID] = true
	}
	if managed {
		n.managed++
		if _, created := n.linked[u.ObjectID]; created {
			n.linked[u.ObjectID] = u.ID
		}
	}
	if written {
		own := *u
		n.users[u.ID] = &own
	}
	return nil
}

var (
	errNoLonger = fmt.Errorf("%w: the directory no longer bears out this change", ErrStale)
	errNoUser   = fmt.Errorf("%w: the host has no user of this ID", ErrStale)
)

// settleDone settles what needs no write, or can have none: what is written already, as
// when a finished plan is applied again, and what is about users that the store did not
// yield. An ID that is only spelled like another's never reaches the store, which might
// take it for that one.
func (r *run) settleDone(now *now) {
	for i := range r.plan.Changes {
		c := &r.plan.Changes[i]
		u := now.users[c.UserID]
		switch {
		case !c.writes():
		case c.Op == OpCreate:
			if id := now.linked[c.ObjectID]; id != "" {
				r.report.Results[i].UserID = id
				r.settle(i, OutcomeAlready, nil)
			}
		case u == nil && c.Op == OpDelete:
			r.settle(i, OutcomeAlready, nil)
		case u == nil:
			r.settle(i, OutcomeStale, errNoUser)
		case c.Op == OpUpdate && u.Same(*r.done(i)):
			r.settle(i, OutcomeAlready, nil)
		}
	}
}

// done is the user when the plan is done with it: for a parking, after the change that
// ends it.
func (r *run) done(i int) *User {
	if end := r.rounds.End(i); end >= 0 {
		i = end
	}
	return r.plan.Changes[i].After
}

// lookAgain asks the directory about the changes that are doubted; one that it does not
// confirm is stale, and so is the parking before it.
func (r *run) lookAgain(ctx context.Context, doubted func(*Change) bool) error {
	var open []int
	var ids, confirmed []ObjectID
	for i := range r.plan.Changes {
		switch c := &r.plan.Changes[i]; {
		case r.rounds.Settled(i) || !doubted(c):
			continue
		case c.reactivates():
			confirmed = append(confirmed, c.ObjectID)
		default:
			ids = append(ids, c.ObjectID)
		}
		open = append(open, i)
	}
	if len(open) == 0 {
		return nil
	}
	answers, err := r.lookUpNow(ctx, ids, confirmed)
	if err != nil {
		return err
	}
	scope := scopeOf(r.opts.Rules)
	for _, i := range open {
		c := &r.plan.Changes[i]
		if e := answers.of(c.ObjectID); e == nil || !scope.callsFor(c, e, r.plan.ends(i) >= 0) {
			r.settle(i, OutcomeStale, errNoLonger)
		}
	}
	for _, i := range r.rounds.Left() {
		end := r.rounds.End(i)
		if !r.rounds.Settled(i) && end >= 0 && r.report.Results[end].Outcome == OutcomeStale {
			r.settle(i, OutcomeStale, errNoLonger)
		}
	}
	return nil
}

// anyWrite doubts all that a plan from anywhere writes, except for parkings, whose names
// are fixed and which wait for their final change, and for what takes a run back, which no
// directory can confirm.
func anyWrite(c *Change) bool { return !c.Interim && c.Reason != ReasonUndone }

// grave doubts what a plan must not do on the word of one reading alone, even though
// that was a moment ago.
func grave(c *Change) bool { return c.removes() || c.reactivates() }

// findings are what the directory said of the accounts asked for.
type findings struct {
	ids  []ObjectID // sorted
	list []finding  // of each
}

type finding struct {
	entry Entry
	said  bool
	torn  bool // different entries
}

func newFindings(ids []ObjectID) *findings {
	return &findings{ids: ids, list: make([]finding, len(ids))}
}

// add takes in an entry, unless nobody asked for it.
func (f *findings) add(e *Entry) error {
	place, asked := slices.BinarySearchFunc(f.ids, e.ObjectID, ObjectID.Compare)
	if !asked {
		return nil
	}
	if err := checkEntry(e); err != nil {
		return err
	}
	clean := cleanEntry(e)
	found := &f.list[place]
	found.torn = found.torn || found.said && !sameEntry(&found.entry, &clean)
	if !found.said || saysMore(&clean, &found.entry) {
		found.entry, found.said = clean, true
	}
	return nil
}

// addListed takes in those whom a listing shows, but for some, sorted, for whom that is
// not enough.
func (f *findings) addListed(ctx context.Context, dir Directory, except []ObjectID) error {
	for e, err := range dir.Entries(ctx) {
		if err != nil {
			return err
		}
		if !e.Present() {
			continue // a listing proves nobody's absence; the look-up does
		}
		if _, skip := slices.BinarySearchFunc(except, e.ObjectID, ObjectID.Compare); skip {
			continue
		}
		if err := f.add(&e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// of returns what was said of the account; nil where that is not one thing.
func (f *findings) of(id ObjectID) *Entry {
	place, asked := slices.BinarySearchFunc(f.ids, id, ObjectID.Compare)
	if !asked || !f.list[place].said || f.list[place].torn {
		return nil
	}
	return &f.list[place].entry
}

// silent are those of whom nothing was said.
func (f *findings) silent() []ObjectID {
	var ids []ObjectID
	for i := range f.list {
		if !f.list[i].said {
			ids = append(ids, f.ids[i])
		}
	}
	return ids
}

// lookUpNow asks one controller what there is to the accounts. Many are listed, and
// only those that the listing lacks are looked up; see lookUpMost. Of the confirmed ones
// another controller is asked too, where the directory has several.
func (s *Syncer) lookUpNow(ctx context.Context, ids, confirmed []ObjectID) (found *findings, err error) {
	all := slices.Concat(ids, confirmed)
	for _, list := range []*[]ObjectID{&all, &confirmed} {
		slices.SortFunc(*list, ObjectID.Compare)
		*list = slices.Compact(*list)
	}
	err = s.eachController(ctx, func(ctx context.Context, dir Directory) error {
		found = newFindings(all)
		apart := confirmed
		if _, ok := dir.(Confirmer); !ok {
			apart = nil // to look up with the others
		}
		switch final := traitsOf(dir).Final; {
		case final && s.opts.Limits.AllowEmpty:
			dir = emptiable{dir}
		case !final && len(ids) > lookUpMost:
			if err := found.addListed(ctx, dir, apart); err != nil {
				return err
			}
		}
		if err := lookUp(ctx, confirming{dir}, apart, found.add); err != nil {
			return err
		}
		return lookUp(ctx, dir, found.silent(), found.add)
	})
	return found, err
}

// confirming is a directory whose Find is Confirm, where it has that.
type confirming struct{ Directory }

// Find confirms the accounts.
func (c confirming) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return confirm(c.Directory, ctx, ids)
}

// emptiable is a Final directory that may list nobody.
type emptiable struct{ Directory }

// Find takes even an empty listing for the final word.
func (e emptiable) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return findIn(ctx, e.Entries, ids)
}
