package adsync

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/claims"
)

// Adopt plans the linking of users that the host imported before it kept
// objectGUIDs: Updates that set ObjectID and Source and nothing else. It is as
// pure as [Reconcile], and its plan is reviewed and applied like any other.
//
// A user without an ObjectID, and without the Source of another directory, is
// linked to a Present entry that no user is linked to, when all the details of
// Rules.AdoptBy (default: username and email) match, compared like keys and after
// Rules.Map; when no other user and no other entry comes into question; and, where
// AdoptBy names only one of the two or the account itself has only one, when
// neither the other nor the last name speaks against it. A protected user, or one who
// is not active, is linked only when Rules.Only names it: here, and in the rules of the
// Syncer that applies the plan, unless that is approved. All other pairs that share a
// username or email are Notices ([ReasonAmbiguous]) whose Detail says what speaks
// against them.
//
// Of an entry with several values ([Entry].Others) those are compared that a sync would
// give this user. Whoever shares any of the others comes into question all the same: a
// user who has one of them stands in the way of a link to the entry, and the entry in the
// way of a link of that user to another.
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
		plan:     &Plan{Version: planVersion, Source: validText(rules.Source), Changes: []Change{}},
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
	scope    scope
	everyone []*User
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
	more   []Entry              // the account as it was listed otherwise
	holder [claims.Spaces]*User // who has a key that the entry offers
	shared [claims.Spaces]bool  // more than one has
}

func (a *adopter) takeUsers(users []User) {
	a.plan.Stats.Users = len(users)
	for i := range users {
		own := validUser(users[i]) // the plan must not hold on to the caller's
		u := &own
		a.everyone = append(a.everyone, u)
		if a.scope.rules.manages(u) {
			a.plan.Stats.Managed++
		}
		if !u.ObjectID.IsZero() {
			a.linked[u.ObjectID] = max(a.linked[u.ObjectID], u.ID) // any, but the same in any order
		} else if (u.Source == "" || u.Source == a.scope.rules.Source) && (a.scope.only == nil || a.scope.only[u.ID]) {
			a.users = append(a.users, u)
		}
		for space, f := range keySpaces {
			if key := a.scope.rules.key(*u.detail(f)); key != "" {
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
		e := a.scope.clean(&entries[i])
		if known, ok := a.unlinked[e.ObjectID]; ok {
			known.add(e)
			continue
		}
		a.unlinked[e.ObjectID] = &candidateEntry{Entry: e}
	}
	for _, id := range slices.SortedFunc(maps.Keys(a.unlinked), ObjectID.Compare) {
		a.offer(a.unlinked[id])
	}
	return nil
}

// add takes the account as it is listed once more. Whichever came first, the plan is the
// same: one of those that say the same is kept, and the least of all is the entry.
func (e *candidateEntry) add(listed Entry) {
	same := func(known *Entry) bool { return sameEntry(known, &listed) && known.Others == listed.Others }
	place := &e.Entry
	for i := 0; !same(place); i++ {
		if i == len(e.more) {
			e.more = append(e.more, listed)
		}
		place = &e.more[i]
	}
	if compareEntries(&listed, place) < 0 {
		*place = listed
	}
	if compareEntries(place, &e.Entry) < 0 {
		*place, e.Entry = e.Entry, *place
	}
}

// offer enters the keys of an entry that can be linked at all.
func (a *adopter) offer(e *candidateEntry) {
	offered := a.offerForms(e, &e.Entry)
	for i := range e.more {
		offered = a.offerForms(e, &e.more[i]) || offered
	}
	if offered {
		a.plan.Stats.Entries++
	}
}

// offerForms enters the keys of the account as it was listed once.
func (a *adopter) offerForms(e *candidateEntry, listed *Entry) (offered bool) {
	if listed.State != StatePresent {
		return false
	}
	for form := range a.scope.rules.forms(listed, a.everyone) {
		profile, err := a.scope.rules.mapped(form)
		if err != nil {
			continue
		}
		offered = true
		for space, f := range keySpaces {
			a.offerUnder(space, a.scope.rules.key(*profile.detail(f)), e)
		}
	}
	return offered
}

// offerUnder enters one key of the entry.
func (a *adopter) offerUnder(space int, key string, e *candidateEntry) {
	offers := a.offers[space][key]
	if key == "" || len(offers) > 0 && offers[len(offers)-1] == e {
		return
	}
	a.offers[space][key] = append(offers, e)
	for _, u := range a.holders[space][key] {
		e.shared[space] = e.shared[space] || e.holder[space] != nil && e.holder[space] != u
		e.holder[space] = u
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
			change = NewUpdate(ReasonAdopted, u, &after)
			change.Detail = "by " + strings.Join(fieldNames(adoptBy(&a.scope.rules)), " and ")
			if e.DN != "" { // whom a person knows better than an objectGUID
				change.Detail += ": " + e.DN
			}
			a.plan.Changes = append(a.plan.Changes, change)
		}
		if len(likely) == 0 {
			a.plan.Stats.Unchanged++
		}
	}
	a.plan.Changes = append(a.plan.Changes, notices...)
}

// likely returns the entries that share a key with the user, sorted by ObjectID:
// at most maxRivals of them, as members of one mailbox share one.
func (a *adopter) likely(u *User) []*candidateEntry {
	var likely []*candidateEntry
	for space, f := range keySpaces {
		offers := a.offers[space][a.scope.rules.key(*u.detail(f))]
		likely = append(likely, offers[:min(len(offers), maxRivals)]...)
	}
	slices.SortFunc(likely, func(x, y *candidateEntry) int { return x.ObjectID.Compare(y.ObjectID) })
	return slices.Compact(likely)
}

// against lists what speaks against linking the user to the entry.
func (a *adopter) against(u *User, e *candidateEntry, likely []*candidateEntry) []string {
	against := differences(&a.scope.rules, u, &e.Entry)
	if slices.ContainsFunc(e.more, func(other Entry) bool { return !a.scope.agree(u, &e.Entry, &other) }) {
		against = append(against, "the directory lists the account with different details")
	}
	if other, ok := a.linked[e.ObjectID]; ok {
		against = append(against, "the account is linked to user "+other)
	}
	if n := len(likely); n > 1 {
		against = append(against, fmt.Sprintf("%d accounts come into question", n))
	}
	for space, f := range keySpaces {
		if e.shared[space] || e.holder[space] != nil && e.holder[space] != u {
			against = append(against, fmt.Sprintf("another user has the account's %s", f))
		}
	}
	if !u.active() || u.Protected {
		if !a.scope.only[u.ID] {
			against = append(against, "the user is protected or not active; name it in Rules.Only")
		}
	}
	return against
}

// differences lists the details that do not match as Rules.AdoptBy wants, of what the user
// would get of the entry.
func differences(r *Rules, u *User, e *Entry) []string {
	e = r.chosen(u, e)
	p, err := r.mapped(e)
	if err != nil {
		return []string{"Rules.Map refuses the account"}
	}
	var differ []string
	by := adoptBy(r)
	for _, f := range keySpaces {
		required := slices.Contains(by, f)
		missing := *u.detail(f) == "" || *p.detail(f) == ""
		if !matches(r, f, u, &p) && (required || !missing) {
			differ = append(differ, string(f)+" differs")
		}
	}
	if (len(by) == 1 || e.Username == "" || e.Email == "") && u.LastName != "" && p.LastName != "" && r.key(u.LastName) != r.key(p.LastName) {
		differ = append(differ, "last name differs") // a key that Map made of the other says no more than that one
	}
	return differ
}

// adoptBy is Rules.AdoptBy or its default, in the order of the details.
func adoptBy(r *Rules) []Field {
	var by []Field
	for _, f := range keySpaces {
		if len(r.AdoptBy) == 0 || slices.Contains(r.AdoptBy, f) {
			by = append(by, f)
		}
	}
	return by
}

// matches reports whether both have the same key.
func matches(r *Rules, f Field, u *User, p *Profile) bool {
	key := r.key(*u.detail(f))
	return key != "" && key == r.key(*p.detail(f))
}

// compareEntries puts a Present entry first; the rest of the order is arbitrary.
func compareEntries(a, b *Entry) int {
	rank := func(e *Entry) int {
		return slices.Index([]State{StatePresent, StateOutOfScope, StateDisputed, StateDeleted, StateUnproven}, e.State)
	}
	order := cmp.Compare(rank(a), rank(b))
	for _, f := range details {
		order = cmp.Or(order, strings.Compare(*a.detail(f), *b.detail(f)))
	}
	order = cmp.Or(order, strings.Compare(a.Extra.packed, b.Extra.packed), strings.Compare(a.Others.packed, b.Others.packed))
	switch {
	case order != 0:
		return order
	case saysMore(a, b):
		return -1
	case saysMore(b, a):
		return 1
	}
	return 0
}

func fieldNames(fields []Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = string(f)
	}
	return names
}
