package adsync

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Roles are decided apart from details, as the status is: a duplicate, somebody whose
// details are invalid, and somebody out of scope all lose a role that they have no right to
// any more, and are given none. Only roles that both sides know are given or taken.

// AnyRole, in Traits.Roles, stands for every role: a store that has a place for whatever
// role it is given.
const AnyRole = "*"

// RoleProver is an optional power of a [Directory], and of each that Sessions yields: it
// is Find for accounts whose users are to lose roles. A role that an entry of it neither
// has nor names in Unknown is certainly lost. One that it has, and that Entries and Find do
// not tell of, is kept and not given. Of a directory without this power, that its entries lack
// a role is proof enough.
type RoleProver interface {
	ProveRoles(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error]
}

// proveRoles is ProveRoles where the directory has it, and Find otherwise.
func proveRoles(d Directory, ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	if p, ok := d.(RoleProver); ok {
		return p.ProveRoles(ctx, ids)
	}
	return d.Find(ctx, ids)
}

// provingRoles is a directory whose Find is ProveRoles.
type provingRoles struct{ Directory }

// Find proves the roles of the accounts.
func (p provingRoles) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return proveRoles(p.Directory, ctx, ids)
}

// sharedRoles are the roles that both sides know.
func sharedRoles(a, b []string) []string {
	var shared []string
	for _, list := range [][2][]string{{a, b}, {b, a}} {
		for _, role := range list[0] {
			if role != AnyRole && (slices.Contains(list[1], role) || slices.Contains(list[1], AnyRole)) {
				shared = append(shared, role)
			}
		}
	}
	slices.Sort(shared)
	return slices.Compact(shared)
}

// fitRoles settles which roles are given and taken.
func (s *Syncer) fitRoles() error {
	shared := sharedRoles(traitsOf(s.dir).Roles, traitsOf(s.store).Roles)
	rules := &s.opts.Rules
	if rules.Roles == nil {
		rules.Roles = shared
		return nil
	}
	var errs []error
	for _, role := range rules.Roles {
		if !slices.Contains(shared, role) && role != "" { // of which Check says something
			errs = append(errs, fmt.Errorf("adsync: Rules.Roles: %q is not known to both the directory and the store; configure it on both, or leave it out", role))
		}
	}
	return errors.Join(errs...)
}

// roleChange is what becomes of a user's roles.
type roleChange struct {
	granted  []string
	revoked  []string
	shielded []string // that a protected user keeps
}

// rolesOf compares the user's roles with the entry's. Nothing is known of the roles of
// accounts that are gone.
func (s *scope) rolesOf(u *User, e *Entry) (c roleChange) {
	if len(s.roles) == 0 || !e.Present() && e.State != StateOutOfScope {
		return c
	}
	has, says := u.Extra.block(FieldRoles), e.Extra.block(FieldRoles)
	if has == says {
		return c
	}
	unknown, hosts := e.Unknown.Set(FieldRoles), u.Extra.Set(FieldHostRoles)
	decides := func(role string) bool {
		return s.roles[role] && !slices.Contains(unknown, role) && !slices.Contains(hosts, role)
	}
	c.granted = beyond(says, has, decides)
	c.revoked = beyond(has, says, decides)
	if u.Protected {
		c.revoked, c.shielded = nil, c.revoked
	}
	return c
}

// beyond are the texts of one block that are not in the other, as far as they count.
func beyond(block, other string, counts func(string) bool) (list []string) {
	lacking := slices.Collect(textsOf(other))
	for text := range textsOf(block) {
		if _, found := slices.BinarySearch(lacking, text); !found && counts(text) {
			list = append(list, text)
		}
	}
	return list
}

// revoke takes the roles away from what a user holds.
func revoke(held Extra, roles []string) Extra {
	if len(roles) == 0 {
		return held
	}
	return held.With(FieldRoles, slices.DeleteFunc(held.Set(FieldRoles), func(role string) bool { return slices.Contains(roles, role) })...)
}

// follow is what a user holds after the change: with what is granted, too.
func (c *roleChange) follow(held Extra) Extra {
	held = revoke(held, c.revoked)
	if len(c.granted) == 0 {
		return held
	}
	return held.With(FieldRoles, append(held.Set(FieldRoles), c.granted...)...)
}

// decideRoles settles what becomes of a user's roles, once it is known whether its details
// may be written.
func (p *planner) decideRoles(d *party, e *Entry, follows bool, first int) {
	change := p.scope.rolesOf(d.user, e)
	if !follows {
		change.granted = nil
	}
	d.revoked = change.revoked
	d.after.Extra = change.follow(d.after.Extra)
	if len(change.shielded) > 0 {
		d.report(OpNotice, ReasonProtected, "would lose "+roleNames(change.shielded))
	}
	if open := p.view.unprovenOf(first, d.user); len(open) > 0 {
		d.report(OpNotice, ReasonUnproven, "would lose "+roleNames(open)+", but nothing proves it; the warnings say what to grant or change")
	}
}

func roleNames(roles []string) string {
	noun := "the role "
	if len(roles) > 1 {
		noun = "the roles "
	}
	return noun + strings.Join(roles, ", ")
}

// losing are the accounts whose users would lose a role by what was read.
func (v *view) losing() []ObjectID {
	scope := &v.host.scope
	if len(scope.roles) == 0 {
		return nil
	}
	var ids []ObjectID
	for row, kind := range v.host.kinds {
		if kind&rowChosen == 0 {
			continue
		}
		first := v.host.firstOf(row)
		if _, twice := v.listedTwice[first]; twice || v.found[first] == asHeld && row == first {
			continue
		}
		e := v.entryOf(first)
		u := v.host.rows.User(row)
		if c := scope.rolesOf(&u, &e); len(c.revoked) > 0 {
			ids = append(ids, e.ObjectID)
		}
	}
	slices.SortFunc(ids, ObjectID.Compare)
	return slices.Compact(ids)
}

// addProof takes what a directory says of an account whose users are to lose roles.
func (v *view) addProof(e *Entry) error {
	if err := checkEntry(e); err != nil {
		return err
	}
	first, linked := v.host.links.First(e.ObjectID)
	if !linked {
		return nil
	}
	proof := cleanEntry(e)
	known := v.entryOf(first)
	open := known.takeProof(&proof, v.host.scope.rules.Roles)
	if v.unproven == nil {
		v.unproven = map[int][]string{}
	}
	v.unproven[first] = append(v.unproven[first], open...)
	v.found[first] = uint32(v.entries.keep(&known)) + firstKept
	return nil
}

// takeProof adds what was proven, and returns the roles of which nothing was: of those of
// an account that is not there to be asked, none. A role that only the proof says the account
// has is kept, and not given: nobody is asked about who loses none.
func (e *Entry) takeProof(proof *Entry, roles []string) (open []string) {
	unknown := e.Unknown.Set(FieldRoles)
	then := proof.Unknown.Set(FieldRoles)
	if !proof.Present() && proof.State != StateOutOfScope {
		then = roles
	} else {
		unknown = append(unknown, beyond(proof.Extra.block(FieldRoles), e.Extra.block(FieldRoles), anyRole)...)
	}
	for _, role := range then {
		if !slices.Contains(unknown, role) {
			open = append(open, role)
		}
	}
	e.Unknown = e.Unknown.With(FieldRoles, append(unknown, open...)...)
	return open
}

// unprovenOf are the roles that the user keeps because nothing proves that it lost them.
func (v *view) unprovenOf(first int, u *User) (roles []string) {
	if len(v.unproven[first]) == 0 || u.Protected {
		return nil
	}
	e := v.entryOf(first)
	says := e.Extra.Set(FieldRoles)
	for _, role := range u.Extra.Set(FieldRoles) {
		if v.host.scope.roles[role] && slices.Contains(v.unproven[first], role) && !slices.Contains(says, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// proveRoles asks for proof where somebody would lose a role.
func (r *reading) proveRoles(ctx context.Context, dir Directory) error {
	if _, ok := dir.(RoleProver); !ok {
		return nil
	}
	return r.lookUp(ctx, provingRoles{dir}, r.view.losing(), r.view.addProof)
}

// grants reports whether the change gives its user a role; a new user has had none to
// compare with.
func (c *Change) grants() bool {
	return c.rewrites() && len(beyond(c.After.Extra.block(FieldRoles), c.Before.Extra.block(FieldRoles), anyRole)) > 0
}

// revokes reports whether the change takes a role from its user.
func (c *Change) revokes() bool { return len(c.revoked()) > 0 }

func (c *Change) revoked() []string {
	if !c.rewrites() || c.Before.Extra == c.After.Extra {
		return nil
	}
	return beyond(c.Before.Extra.block(FieldRoles), c.After.Extra.block(FieldRoles), anyRole)
}

func anyRole(string) bool { return true }

// revoked are the roles that the plan takes from anybody, and from how many.
func (p *Plan) revoked() map[string]int {
	var counts map[string]int
	for i := range p.Changes {
		for _, role := range p.Changes[i].revoked() {
			if counts == nil {
				counts = map[string]int{}
			}
			counts[role]++
		}
	}
	return counts
}

// countRoles counts the managed users who could lose the roles that the plan takes away.
func (p *planner) countRoles() map[string]int {
	counts := p.plan.revoked()
	for role := range counts {
		counts[role] = 0
	}
	if len(counts) == 0 {
		return nil
	}
	for row, kind := range p.host.kinds {
		if kind&rowManaged != 0 {
			u := p.host.rows.User(row)
			countRoles(counts, &u)
		}
	}
	return counts
}

// countRoles counts the managed users of the roles that the plan takes away. Those who have
// lost them by this plan, or were deleted by it, count as what they were.
func (n *census) countRoles(p *Plan) {
	for i := range p.Changes {
		c := &p.Changes[i]
		now := n.users[c.UserID]
		switch {
		case c.Op == OpDelete && c.Before != nil && now == nil:
			countRoles(n.roles, c.Before)
		case now != nil:
			for _, role := range c.revoked() {
				if !slices.Contains(now.Extra.Set(FieldRoles), role) {
					n.roles[role]++
				}
			}
		}
	}
}

// countRoles counts the user in those of the roles that it has and a sync could take. Those
// of a protected user, and those that the host gave, stay whatever the directory says: they
// must not make a role look as if somebody were left in it.
func countRoles(counts map[string]int, u *User) {
	for role := range textsOf(u.Extra.block(FieldRoles)) {
		if _, counted := counts[role]; counted && u.canLose(role) {
			counts[role]++
		}
	}
}

// canLose reports whether a sync could take the role from the user who has it.
func (u *User) canLose(role string) bool {
	return !u.Protected && !slices.Contains(u.Extra.Set(FieldHostRoles), role)
}

// emptied returns a role that the plan would take from all of several users who have it.
// One user alone is let through, as by the other limits, unless roles were taken from
// others a short time ago.
func (p *Plan) emptied(holders map[string]int, recently bool) (role string, count int) {
	revoked := p.revoked()
	for name, n := range revoked {
		if (n > 1 || recently) && n >= holders[name]-p.deleted(name) && (role == "" || name < role) {
			role, count = name, n
		}
	}
	return role, count
}

// deleted counts the users of a role, as countRoles does, whom the plan deletes.
func (p *Plan) deleted(role string) (n int) {
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Op == OpDelete && c.Before != nil && slices.Contains(c.Before.Extra.Set(FieldRoles), role) && c.Before.canLose(role) {
			n++
		}
	}
	return n
}

// explainRoles says of each role that either side speaks of what the plan does with it, and
// why.
func (v *view) explainRoles(plan *Plan, u *User, first int) (lines []string) {
	e := v.entryOf(first)
	all := slices.Concat(u.Extra.Set(FieldRoles), e.Extra.Set(FieldRoles), e.Unknown.Set(FieldRoles))
	slices.Sort(all)
	then := plan.rolesAfter(u)
	for _, role := range slices.Compact(all) {
		lines = append(lines, "Role "+role+": "+v.explainRole(role, u, &e, slices.Contains(then, role), slices.Contains(v.unproven[first], role)))
	}
	return lines
}

// rolesAfter are the roles that the plan leaves to the user.
func (p *Plan) rolesAfter(u *User) []string {
	for i := range p.Changes {
		switch c := &p.Changes[i]; {
		case c.UserID != u.ID || c.Interim:
		case c.Op == OpDelete:
			return nil
		case c.rewrites():
			return c.After.Extra.Set(FieldRoles)
		}
	}
	return u.Extra.Set(FieldRoles)
}

func (v *view) explainRole(role string, u *User, e *Entry, keeps, unproven bool) string {
	has, says := slices.Contains(u.Extra.Set(FieldRoles), role), slices.Contains(e.Extra.Set(FieldRoles), role)
	switch {
	case has && !keeps && (says || !e.Present() && e.State != StateOutOfScope):
		return "goes with the user."
	case has && !keeps:
		return "taken, as the account does not have it."
	case !has && keeps:
		return "given, as the account has it."
	case !v.host.scope.roles[role] && !has:
		return "not given, as it is not among those that both sides know and Rules.Roles gives and takes."
	case !v.host.scope.roles[role]:
		return "kept, as it is not among those that both sides know and Rules.Roles gives and takes."
	case !has && says:
		return "not given, though the account has it, as the sync does not have the user follow its account now."
	case !has:
		return "not given, as the directory does not tell whether the account has it."
	case slices.Contains(u.Extra.Set(FieldHostRoles), role):
		return "kept, as the host itself gave it, which no sync gives again or takes."
	case says:
		return "kept, as the account has it, too."
	case !e.Present() && e.State != StateOutOfScope:
		return "kept, as nothing is known of the roles of an account that is " + string(e.State) + "."
	case unproven:
		return "kept, as nothing proves that the account has lost it; the plan's warnings say what to grant or change."
	case slices.Contains(e.Unknown.Set(FieldRoles), role):
		return "kept, as the directory does not tell whether the account has it."
	case u.Protected:
		return "kept, as the user is protected, though the account does not have it."
	}
	return "kept, as the sync leaves the user alone, though the account does not have it."
}
