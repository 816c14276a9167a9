package adsynctest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// openFunc opens a store that holds exactly the seed.
type openFunc = func(ctx context.Context, seed []adsync.User) (adsync.UserStore, error)

// bench is a freshly opened store and its rows. A duty writes to it as it likes.
type bench struct {
	ctx       context.Context
	store     adsync.UserStore
	batch     adsync.BatchStore // does the writes, where it is not nil
	opens     openFunc          // opened it
	rules     adsync.Rules      // of the host
	fields    []adsync.Field    // that the store holds
	off       adsync.Status     // of whom a sync deactivates
	oneSource bool              // the store knows a single source
	seed      []adsync.User
	rows      table // as Users yielded them, in the order of the seed
	readErr   error // why rows is nil, in the duties about reading
}

// newBench opens a store with the usual seed and so many further users.
func newBench(ctx context.Context, h host, more int) (*bench, error) {
	b := &bench{ctx: ctx, opens: h.open, rules: h.rules, seed: slices.Concat(usualSeed(), furtherSeed(more))}
	for i := range b.seed {
		b.seed[i] = b.withRequired(b.seed[i])
	}
	if err := b.open(h.open); err != nil {
		return nil, err
	}
	b.fields = append(details[:], adsync.FieldStatus)
	if held := traitsOf(b.store).Fields; len(held) > 0 {
		b.fields = held
	}
	b.off = adsync.StatusDeactivated
	if b.holds(adsync.FieldActive) { // as any other status reads there
		if !b.holds(adsync.FieldDeactivatedAt) {
			b.off = adsync.StatusInactive
		}
		b.fields = append(slices.Clone(b.fields), adsync.FieldStatus)
	}
	if thrown := panicOf(func() { b.rows, b.readErr = b.findSeed() }); thrown != nil {
		b.readErr = thrown
	}
	return b, nil
}

// open opens the store, and lets one that is empty seed itself.
func (b *bench) open(open openFunc) error {
	var err error
	if thrown := panicOf(func() { b.store, err = open(b.ctx, slices.Clone(b.seed)) }); thrown != nil {
		return fmt.Errorf("open: %w", thrown)
	}
	if err != nil {
		return fmt.Errorf("open failed: %w", err)
	}
	if b.store == nil {
		return errors.New("open returned no store and no error")
	}
	seeder, ok := b.store.(Seeder)
	if !ok {
		return nil
	}
	if thrown := panicOf(func() {
		if b.isEmpty() {
			err = seeder.Seed(b.ctx, slices.Clone(b.seed))
		}
	}); thrown != nil {
		return fmt.Errorf("the store's Seed: %w", thrown)
	}
	if err != nil {
		return fmt.Errorf("the store's Seed failed: %w", err)
	}
	return nil
}

// isEmpty reports whether no row is read; an error is one for the duties of reading.
func (b *bench) isEmpty() bool {
	for range b.store.Users(b.ctx) {
		return false
	}
	return true
}

// findSeed finds the seed in the table. A store may have given the rows IDs of its
// own, and put them in any order.
func (b *bench) findSeed() (table, error) {
	listed, err := b.list()
	if err != nil {
		return nil, err
	}
	b.oneSource = len(listed) > 0 && !slices.ContainsFunc(listed, func(u adsync.User) bool { return u.Source != listed[0].Source })
	rows := make(table, len(b.seed))
	for i, want := range b.seed {
		at := slices.IndexFunc(listed, func(u adsync.User) bool {
			return u.ObjectID == want.ObjectID && (!want.ObjectID.IsZero() || !b.holds(adsync.FieldUsername) || u.Username == want.Username)
		})
		if at < 0 {
			return nil, fmt.Errorf("row %d of the seed is missing, or its ObjectID or username is not as it was given", i+1)
		}
		rows[i] = listed[at]
	}
	if len(listed) != len(b.seed) {
		return nil, fmt.Errorf("there are %d rows instead of the %d of the seed", len(listed), len(b.seed))
	}
	return rows, nil
}

func (b *bench) holds(f adsync.Field) bool { return slices.Contains(b.fields, f) }

// keys are the details that belong to one user each, as far as the store holds them.
func (b *bench) keys() []adsync.Field {
	return slices.DeleteFunc([]adsync.Field{adsync.FieldUsername, adsync.FieldEmail}, func(f adsync.Field) bool {
		return !b.holds(f) || len(b.rules.Keys) > 0 && !slices.Contains(b.rules.Keys, f)
	})
}

// mayLack reports whether the store holds the detail, and a user may be without it.
func (b *bench) mayLack(f adsync.Field) bool {
	return b.holds(f) && !slices.Contains(b.rules.Require, f)
}

// withRequired is the user with something in each detail that is required.
func (b *bench) withRequired(u adsync.User) adsync.User {
	for _, f := range b.rules.Require {
		switch {
		case u.Get(f) != "":
		case f == adsync.FieldEmail:
			u = b.after(u, f, u.Username+"@required.invalid")
		default:
			u = b.after(u, f, "0")
		}
	}
	return u
}

// list reads the table.
func (b *bench) list() (table, error) {
	var rows table
	for u, err := range b.store.Users(b.ctx) {
		if err != nil {
			return nil, fmt.Errorf("reading failed: %w", err)
		}
		rows = append(rows, u)
	}
	return rows, nil
}

// table is what a table holds, in no order.
type table []adsync.User

// with is the table in which these rows are so, be they changed or new.
func (t table) with(rows ...adsync.User) table { return append(t.without(rows...), rows...) }

// without is the table in which no row has the ID of one of these.
func (t table) without(rows ...adsync.User) table {
	ids := make(map[string]bool, len(rows))
	for _, u := range rows {
		ids[u.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(t), func(u adsync.User) bool { return ids[u.ID] })
}

// sees compares the whole table with what it must hold. The rows of the seed that are to
// be unchanged must be so in everything that the store yields, and the others in
// everything that it holds.
func (b *bench) sees(want table) error {
	listed, err := b.list()
	if err != nil {
		return err
	}
	now := make(map[string]adsync.User, len(listed))
	for _, u := range listed {
		now[u.ID] = u
	}
	untouched := make(map[string]adsync.User, len(b.rows))
	for _, u := range b.rows {
		untouched[u.ID] = u
	}
	for _, w := range want {
		u, ok := now[w.ID]
		if !ok {
			return fmt.Errorf("row %s is missing then", w.ID)
		}
		if f := b.differs(w, u); f != "" {
			return fmt.Errorf("row %s has another %s then", w.ID, f)
		}
		if untouched[w.ID] == w && !w.Same(u) {
			return fmt.Errorf("row %s has changed then, in what the store's Traits do not name", w.ID)
		}
	}
	if len(listed) != len(want) {
		return fmt.Errorf("there are %d rows then, not %d", len(listed), len(want))
	}
	return nil
}

// differs names the first thing in which two rows differ, of those that are held.
func (b *bench) differs(want, got adsync.User) adsync.Field {
	if f := b.differsInExtra(want.Extra, got.Extra); f != "" {
		return f
	}
	for _, f := range storedFields {
		isDetail := slices.Contains(details[:], f) || f == adsync.FieldStatus || f == adsync.FieldDeactivatedAt
		if isDetail && !b.holds(f) || f == adsync.FieldSource && b.oneSource {
			continue
		}
		if !sameIn(f, &want, &got) {
			return f
		}
	}
	return ""
}

// differsInExtra does so of roles and of the details beyond the five.
func (b *bench) differsInExtra(want, got adsync.Extra) adsync.Field {
	if want == got {
		return ""
	}
	held := b.extras()
	if len(b.roles()) > 0 {
		held = append(held, adsync.FieldRoles, adsync.FieldHostRoles)
	}
	for _, f := range held {
		if !slices.Equal(want.Set(f), got.Set(f)) {
			return f
		}
	}
	return ""
}

// after is a row with one detail changed.
func (b *bench) after(u adsync.User, f adsync.Field, value string) adsync.User {
	u.Profile = u.With(f, value)
	return u
}

// turned is a row with another status, and with when it became so.
func (b *bench) turned(u adsync.User, status adsync.Status) adsync.User {
	u.Status = status
	if b.holds(adsync.FieldDeactivatedAt) {
		u.DeactivatedAt = 0
		if status == adsync.StatusDeactivated {
			u.DeactivatedAt = adsync.AtWrite
		}
	}
	return u
}

// touched is a row with a detail changed that conflicts with no other row.
func (b *bench) touched(u adsync.User, value string) adsync.User {
	for _, f := range []adsync.Field{adsync.FieldPhone, adsync.FieldLastName, adsync.FieldFirstName, adsync.FieldEmail, adsync.FieldUsername} {
		if b.holds(f) {
			return b.after(u, f, value)
		}
	}
	return u
}
