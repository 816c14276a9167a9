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

// census is how the store stands when a plan is applied.
type census struct {
	users   map[string]*User    // by ID, those that the plan writes; nil: the store did not yield them
	linked  map[ObjectID]string // the users linked to entries for which the plan creates one
	managed int                 // with the users that this plan has deleted before
	roles   map[string]int      // managed users who have each of the roles that the plan takes away
	adopts  bool                // the plan links users
	all     []User              // where it does
}

// count counts one user, who must not have been counted before: whoever comes twice
// would otherwise widen the limits.
func (n *census) count(u *User, rules *Rules, ids map[string]bool) error {
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
		countRoles(n.roles, u)
		if _, created := n.linked[u.ObjectID]; created {
			n.linked[u.ObjectID] = u.ID
		}
	}
	if written {
		own := *u
		n.users[u.ID] = &own
	}
	if n.adopts {
		n.all = append(n.all, *u)
	}
	return nil
}

// anyWrite doubts all that a plan from anywhere writes, except for parkings, whose names
// are fixed and which wait for their final change, for links, which are planned anew, and for
// what takes a run back, which no directory can confirm. Taking back removes nobody.
func anyWrite(c *Change) bool {
	return !c.Interim && !c.adopts() && (c.Reason != ReasonUndone || c.removes())
}

// grave doubts what a plan must not do on the word of one reading alone, even though
// that was a moment ago.
func grave(c *Change) bool { return c.removes() || c.reactivates() || c.revokes() }

// findings are what the directory said of the accounts asked for.
type findings struct {
	scope *scope
	ids   []ObjectID // sorted
	list  []finding  // of each
}

type finding struct {
	entry  Entry // that says the most
	said   bool
	others []Entry // that are not just the same
	proven *Entry  // the entry with what was proven of its roles
}

// maxSaid is how many different things may be said of one account. One of which there is
// more is not to be believed.
const maxSaid = 16

func newFindings(scope *scope, ids []ObjectID) *findings {
	return &findings{scope: scope, ids: ids, list: make([]finding, len(ids))}
}

// add takes an entry, unless nobody asked for it.
func (f *findings) add(e *Entry) error {
	place, asked := slices.BinarySearchFunc(f.ids, e.ObjectID, ObjectID.Compare)
	if !asked {
		return nil
	}
	if err := checkEntry(e); err != nil {
		return err
	}
	clean := f.scope.clean(e)
	found := &f.list[place]
	switch {
	case !found.said:
		found.entry, found.said = clean, true
	case clean.sameButDN(found.entry):
		if saysMore(&clean, &found.entry) {
			found.entry = clean
		}
	case slices.ContainsFunc(found.others, clean.sameButDN) || len(found.others) == maxSaid:
	case saysMore(&clean, &found.entry):
		found.entry, found.others = clean, append(found.others, found.entry)
	default:
		found.others = append(found.others, clean)
	}
	return nil
}

// addProof takes what was found of an account whose user is to lose roles.
func (f *findings) addProof(e *Entry, roles []string) error {
	if err := checkEntry(e); err != nil {
		return err
	}
	if place, asked := slices.BinarySearchFunc(f.ids, e.ObjectID, ObjectID.Compare); asked && f.list[place].said {
		found, proof := &f.list[place], cleanEntry(e)
		if found.proven == nil {
			known := found.entry
			found.proven = &known
		}
		found.proven.takeProof(&proof, roles)
	}
	return nil
}

// addListed takes those whom a listing shows, except for some, sorted, for whom that is
// not enough.
func (f *findings) addListed(ctx context.Context, dir Directory, except []ObjectID) (listed int, err error) {
	for e, err := range dir.Entries(ctx) {
		if err != nil {
			return listed, err
		}
		listed++
		if !e.Present() {
			continue // a listing proves nobody's absence; the look-up does
		}
		if _, skip := slices.BinarySearchFunc(except, e.ObjectID, ObjectID.Compare); skip {
			continue
		}
		if err := f.add(&e); err != nil {
			return listed, err
		}
	}
	return listed, ctx.Err()
}

// of returns what was said of the account of a change; nil where that is not one thing for
// the change's user, as the plan would see it.
func (f *findings) of(c *Change) *Entry {
	place, asked := slices.BinarySearchFunc(f.ids, c.ObjectID, ObjectID.Compare)
	if !asked || !f.list[place].said {
		return nil
	}
	found, u := &f.list[place], c.Before
	if u == nil {
		u = nobody
	}
	contradicts := func(e Entry) bool { return !f.scope.agree(u, &found.entry, &e) }
	switch {
	case len(found.others) == maxSaid || slices.ContainsFunc(found.others, contradicts):
		return nil
	case found.proven != nil:
		return found.proven
	}
	return &found.entry
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
