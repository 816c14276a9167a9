package adsynctest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// roleDuties are those of a store whose Traits name roles.
var roleDuties = []duty{
	{"UpdateUser must give and take the roles that Traits names, together with the rest of the change, and touch nobody else's", (*bench).checkRoles, 0},
	{"UpdateUser must refuse a row whose roles are not as Before says with ErrStale, and answer ErrAlready where the row is as After says", (*bench).checkRolesGuarded, 0},
	{"UpdateUser must neither give nor take a role by a change that it refuses", (*bench).checkRolesRefused, 0},
	{"UpdateUser must be atomic in roles, too: of changes of them made at once from one Before, only one may be written", (*bench).checkRolesAtomic, 0},
	{"UpdateUser must leave a role that the host itself gave as the host's: neither given again nor taken", (*bench).checkHostRoles, 0},
	{"DeleteUser must refuse a row whose roles are not as Before says with ErrStale, and leave it alone", (*bench).checkRolesDeleteStale, 0},
	{"DeleteUser must take the roles away before it removes the row, so that whoever is added then has none of them", (*bench).checkRolesDeleted, 0},
	{"CreateUser must give a new user the roles of After, and nobody else", (*bench).checkRolesCreated, 0},
}

// roles are two roles that the store knows, or its only one, or none.
func (b *bench) roles() []string {
	known := traitsOf(b.store).Roles
	if slices.Contains(known, adsync.AnyRole) {
		return []string{"adsync-check-1", "adsync-check-2"}
	}
	return known[:min(2, len(known))]
}

// inRoles is a row with these roles.
func inRoles(u adsync.User, roles ...string) adsync.User {
	u.Extra = u.Extra.With(adsync.FieldRoles, roles...)
	return u
}

// roleStates are sets of roles, each of which follows from the one before by giving, taking
// or both.
func (b *bench) roleStates() [][]string {
	all := b.roles()
	switch len(all) {
	case 0:
		return nil
	case 1:
		return [][]string{all, nil}
	}
	return [][]string{all[:1], all[1:], all, all[:1], nil, all}
}

func (b *bench) checkRoles() error {
	if len(b.roles()) == 0 {
		return nil
	}
	other := inRoles(b.rows[bob], b.roles()...)
	if err := answeredAs(b.update(b.rows[bob], other), nil); err != nil {
		return err
	}
	now := b.rows[ada]
	for i, roles := range b.roleStates() {
		after := inRoles(now, roles...)
		if i%2 == 0 {
			after = b.touched(after, fmt.Sprint("76", i))
		}
		err := answeredAs(b.update(now, after), nil)
		if err = cmp.Or(err, b.sees(b.rows.with(other, after))); err != nil {
			return fmt.Errorf("of a user with %q who is to have %q: %w", now.Extra.Set(adsync.FieldRoles), roles, err)
		}
		now = after
	}
	return nil
}

// withRoles gives ada a role, and returns the row.
func (b *bench) withRoles() (adsync.User, error) {
	has := inRoles(b.rows[ada], b.roles()[0])
	if err := answeredAs(b.update(b.rows[ada], has), nil); err != nil {
		return has, fmt.Errorf("giving the role that is to be there: %w", err)
	}
	return has, nil
}

// otherRoles are what the row of withRoles may wrongly be taken for.
func (b *bench) otherRoles() [][]string {
	all := b.roles()
	if len(all) == 1 {
		return [][]string{nil}
	}
	return [][]string{nil, all[1:], all}
}

func (b *bench) checkRolesGuarded() error {
	if len(b.roles()) == 0 {
		return nil
	}
	has, err := b.refusesOtherRoles(func(before adsync.User) error { return b.update(before, b.touched(before, "762")) })
	if err != nil {
		return err
	}
	if err := answeredAs(b.update(b.rows[ada], has), adsync.ErrAlready); err != nil {
		return err
	}
	return b.sees(b.rows.with(has))
}

// refusesOtherRoles makes the row of withRoles, and tries the write with each Before that
// it may wrongly be taken for.
func (b *bench) refusesOtherRoles(write func(before adsync.User) error) (has adsync.User, err error) {
	if has, err = b.withRoles(); err != nil {
		return has, err
	}
	for _, roles := range b.otherRoles() {
		err := answeredAs(write(inRoles(has, roles...)), adsync.ErrStale)
		if err = cmp.Or(err, b.sees(b.rows.with(has))); err != nil {
			return has, fmt.Errorf("of a row with %q, where Before has %q: %w", has.Extra.Set(adsync.FieldRoles), roles, err)
		}
	}
	return has, nil
}

// checkRolesRefused asks for a key of another row and for roles in one change.
func (b *bench) checkRolesRefused() error {
	if len(b.roles()) == 0 || len(b.keys()) == 0 {
		return nil
	}
	has, err := b.withRoles()
	if err != nil {
		return err
	}
	for _, roles := range b.otherRoles() {
		after := b.after(inRoles(has, roles...), b.keys()[0], b.rows[bob].Get(b.keys()[0]))
		err := answeredAs(b.update(has, after), adsync.ErrConflict)
		if err = cmp.Or(err, b.sees(b.rows.with(has))); err != nil {
			return fmt.Errorf("with the %s of another row, %w", b.keys()[0], err)
		}
	}
	return nil
}

func (b *bench) checkRolesAtomic() error {
	all := b.roles()
	if len(all) == 0 {
		return nil
	}
	var cs []adsync.Change
	for i, roles := range [][]string{all[:1], all[len(all)-1:], all, all[:1]} {
		after := b.touched(inRoles(b.rows[ada], roles...), fmt.Sprint("76", i))
		cs = append(cs, change(adsync.OpUpdate, &b.rows[ada], &after))
	}
	return b.race(cs...)
}

// checkHostRoles opens the store anew, with a user whom the host itself has given a role. A
// store that yields no such role was not opened with it, or does not tell whose a role is.
func (b *bench) checkHostRoles() error {
	all := b.roles()
	if len(all) == 0 {
		return nil
	}
	seeded := inRoles(b.seed[ada], all[0])
	seeded.Extra = seeded.Extra.With(adsync.FieldHostRoles, all[0])
	b.seed[ada] = seeded
	if err := b.open(b.opens); err != nil {
		return err
	}
	if b.batch != nil {
		b.batch, _ = b.store.(adsync.BatchStore)
	}
	var err error
	if b.rows, err = b.findSeed(); err != nil {
		return err
	}
	now := b.rows[ada]
	switch hosts := now.Extra.Set(adsync.FieldHostRoles); {
	case len(hosts) == 0:
		return nil
	case !slices.Equal(hosts, all[:1]) || !slices.Equal(now.Extra.Set(adsync.FieldRoles), all[:1]):
		return errors.New("FieldRoles must hold those of FieldHostRoles too, and nothing that nobody gave")
	}
	for i, roles := range [][]string{all, all[:1], all[:1]} { // the sync's own besides, and none of it
		after := b.touched(inRoles(now, roles...), fmt.Sprint("76", i))
		err := answeredAs(b.update(now, after), nil)
		if err = cmp.Or(err, b.sees(b.rows.with(after))); err != nil {
			return err
		}
		now = after
	}
	return nil
}

func (b *bench) checkRolesDeleteStale() error {
	if len(b.roles()) == 0 {
		return nil
	}
	_, err := b.refusesOtherRoles(b.delete)
	return err
}

// checkRolesDeleted removes the row that was added last, too: a database may give its ID to
// the next.
func (b *bench) checkRolesDeleted() error {
	if len(b.roles()) == 0 {
		return nil
	}
	gone, then := b.rows[bob], b.rows.without(b.rows[bob])
	has := inRoles(gone, b.roles()...)
	if err := answeredAs(b.update(gone, has), nil); err != nil {
		return fmt.Errorf("giving the roles that are to be there: %w", err)
	}
	err := answeredAs(b.delete(has), nil)
	if err = cmp.Or(err, b.sees(then)); err != nil || !b.creates() {
		return err
	}
	last, next := inRoles(b.newcomer(0), b.roles()...), b.newcomer(1)
	w := b.create(last)
	last.ID = w.UserID
	if err := answeredAs(w.Err, nil); err != nil {
		return err
	}
	if err := answeredAs(b.delete(last), nil); err != nil {
		return fmt.Errorf("of a user who was added with roles: %w", err)
	}
	w = b.create(next)
	next.ID = w.UserID
	return cmp.Or(answeredAs(w.Err, nil), b.sees(then.with(next)))
}

func (b *bench) checkRolesCreated() error {
	if !b.creates() {
		return nil
	}
	then := b.rows
	for i, roles := range b.roleStates() {
		u := inRoles(b.newcomer(i), roles...)
		w := b.create(u)
		u.ID = w.UserID
		then = then.with(u)
		err := answeredAs(w.Err, nil)
		if err = cmp.Or(err, b.sees(then)); err != nil {
			return fmt.Errorf("with %q, %w", roles, err)
		}
	}
	return nil
}
