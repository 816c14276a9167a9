package adsynctest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// bench is a freshly opened store and its rows.
type bench struct {
	ctx       context.Context
	store     adsync.UserStore
	batch     adsync.BatchStore // does the writes, where it is not nil
	fields    []adsync.Field    // that the store holds
	off       adsync.Status     // of whom a sync deactivates
	oneSource bool              // the store knows a single source
	seed      []adsync.User
	rows      []adsync.User // as Users yielded them, in the order of the seed
	readErr   error         // why rows is nil
}

// The places of the seed's users.
const (
	ada   = iota // managed, with all details
	bob          // managed, with all details
	cleo         // local and protected, without email
	dan          // managed and deactivated, without email and phone
	count = 4
)

func checkSeed() []adsync.User {
	id := func(n byte) adsync.ObjectID { return adsync.ObjectID{0xad, 0x5c, 0x00, 0x0c, 14: 0x4e, 15: n} }
	const source = "adsync-check"
	return []adsync.User{
		{ID: "1", ObjectID: id(1), Source: source, Profile: adsync.Profile{Username: "check.ada", FirstName: "Zoë", LastName: "O'Hara", Email: "check.ada@adsync.invalid", Phone: "+49 30 1234-5"}, Status: adsync.StatusActive},
		{ID: "2", ObjectID: id(2), Source: source, Profile: adsync.Profile{Username: "check.bob", FirstName: "Bob", LastName: "Müller", Email: "check.bob@adsync.invalid", Phone: "+49 30 6789-0"}, Status: adsync.StatusActive},
		{ID: "3", Profile: adsync.Profile{Username: "check.cleo", FirstName: "Cleo", LastName: "Local", Email: "", Phone: "112"}, Status: adsync.StatusActive, Protected: true},
		{ID: "4", ObjectID: id(4), Source: source, Profile: adsync.Profile{Username: "check.dan", FirstName: "Dan", LastName: "Gone", Email: "", Phone: ""}, Status: adsync.StatusDeactivated},
	}
}

func (b *bench) open(open func(context.Context, []adsync.User) (adsync.UserStore, error)) error {
	b.seed = checkSeed()
	store, err := open(b.ctx, slices.Clone(b.seed))
	if err != nil {
		return fmt.Errorf("open failed: %w", err)
	}
	if store == nil {
		return errors.New("open returned no store and no error")
	}
	b.store = store
	b.fields = append(details[:], adsync.FieldStatus)
	if held := traitsOf(store).Fields; len(held) > 0 {
		b.fields = held
	}
	b.off = adsync.StatusDeactivated
	if b.holds(adsync.FieldActive) { // as any other status reads there
		b.off = adsync.StatusInactive
		b.fields = append(slices.Clone(b.fields), adsync.FieldStatus)
	}
	b.seed[dan].Status = b.off
	b.rows, b.readErr = b.findSeed()
	return nil
}

// findSeed finds the seed in the table. A store may have given the rows IDs of its
// own, and put them in any order.
func (b *bench) findSeed() ([]adsync.User, error) {
	listed, err := b.list()
	if err != nil {
		return nil, err
	}
	b.oneSource = len(listed) > 0 && !slices.ContainsFunc(listed, func(u adsync.User) bool { return u.Source != listed[0].Source })
	rows := make([]adsync.User, len(b.seed))
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

// list reads the table.
func (b *bench) list() ([]adsync.User, error) {
	var users []adsync.User
	for u, err := range b.store.Users(b.ctx) {
		if err != nil {
			return nil, fmt.Errorf("reading failed: %w", err)
		}
		users = append(users, u)
	}
	return users, nil
}

// sees compares the whole table with what it must hold.
func (b *bench) sees(want ...adsync.User) error {
	listed, err := b.list()
	if err != nil {
		return err
	}
	now := make(map[string]adsync.User, len(listed))
	for _, u := range listed {
		now[u.ID] = u
	}
	for _, w := range want {
		u, ok := now[w.ID]
		if !ok {
			return fmt.Errorf("row %s is missing then", w.ID)
		}
		if f := b.differs(w, u); f != "" {
			return fmt.Errorf("row %s has another %s then", w.ID, f)
		}
	}
	if len(listed) != len(want) {
		return fmt.Errorf("there are %d rows then, not %d", len(listed), len(want))
	}
	return nil
}

// differs names the first thing in which two rows differ, of those that are held.
func (b *bench) differs(want, got adsync.User) adsync.Field {
	for _, f := range storedFields {
		isDetail := slices.Contains(details[:], f) || f == adsync.FieldStatus
		if isDetail && !b.holds(f) || f == adsync.FieldSource && b.oneSource {
			continue
		}
		if !sameIn(f, &want, &got) {
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

// touched is a row with some detail changed that no other row minds.
func (b *bench) touched(u adsync.User, value string) adsync.User {
	for _, f := range []adsync.Field{adsync.FieldPhone, adsync.FieldLastName, adsync.FieldFirstName, adsync.FieldEmail, adsync.FieldUsername} {
		if b.holds(f) {
			return b.after(u, f, value)
		}
	}
	return u
}

func change(op adsync.Op, before, after *adsync.User) adsync.Change {
	if op == adsync.OpUpdate {
		return adsync.NewUpdate(adsync.ReasonChanged, before, after)
	}
	c := adsync.Change{Op: op, Reason: adsync.ReasonChanged, Before: before, After: after}
	if before != nil {
		c.UserID, c.ObjectID = before.ID, before.ObjectID
	}
	if after != nil {
		c.ObjectID = after.ObjectID
	}
	return c
}

func (b *bench) update(before, after adsync.User) error {
	return b.write(b.ctx, change(adsync.OpUpdate, &before, &after)).Err
}

func (b *bench) delete(before adsync.User) error {
	return b.write(b.ctx, change(adsync.OpDelete, &before, nil)).Err
}

func (b *bench) create(u adsync.User) adsync.Written {
	return b.write(b.ctx, change(adsync.OpCreate, nil, &u))
}

// creates reports whether the store can add users.
func (b *bench) creates() bool {
	_, ok := b.store.(adsync.Creator)
	return ok
}

// write does one change, by the method for it or in a batch.
func (b *bench) write(ctx context.Context, c adsync.Change) adsync.Written {
	switch {
	case b.batch != nil:
		return b.writeInBatch(ctx, c)
	case c.Op == adsync.OpUpdate:
		return adsync.Written{Err: b.store.UpdateUser(ctx, c)}
	case c.Op == adsync.OpDelete:
		return adsync.Written{Err: b.store.DeleteUser(ctx, c)}
	}
	id, err := b.store.(adsync.Creator).CreateUser(ctx, c)
	return adsync.Written{UserID: id, Err: err}
}

// writeInBatch puts a stale change of another row before it.
func (b *bench) writeInBatch(ctx context.Context, c adsync.Change) adsync.Written {
	stale := b.rows[dan]
	stale.ObjectID = adsync.ObjectID{0xad, 0x5c, 0x00, 0x0c, 14: 0x4e, 15: 0xff}
	after := b.touched(stale, "778")
	out := b.batch.ApplyChanges(ctx, []adsync.Change{change(adsync.OpUpdate, &stale, &after), c})
	switch {
	case len(out) != 2:
		return adsync.Written{Err: fmt.Errorf("it returned %d for 2 changes", len(out))}
	case c.Op != adsync.OpCreate && out[1].UserID != "" && out[1].UserID != c.UserID:
		return adsync.Written{Err: fmt.Errorf("it returned the ID %q for user %q", out[1].UserID, c.UserID)}
	}
	return out[1]
}

// answeredAs holds an error against what the duty wants.
func answeredAs(err, want error) error {
	switch {
	case want == nil && err != nil:
		return fmt.Errorf("it failed: %w", err)
	case want != nil && err == nil:
		return fmt.Errorf("it succeeded, where this was due: %w", want)
	case !errors.Is(err, want):
		return fmt.Errorf("it answered %q, where this was due: %w", err, want)
	}
	for _, other := range verdicts {
		if other != want && errors.Is(err, other) {
			return fmt.Errorf("it answered this as well, which is not so: %w", other)
		}
	}
	return nil
}

// verdicts are what a store answers beside its own errors.
var verdicts = []error{adsync.ErrAlready, adsync.ErrStale, adsync.ErrConflict, adsync.ErrUnknown}

// fails wants an error of a write that comes too late, and no verdict: it would
// not be true.
func (b *bench) fails(c adsync.Change) error {
	err := b.write(b.ended(), c).Err
	if err == nil {
		return errors.New("it succeeded")
	}
	for _, untrue := range []error{adsync.ErrAlready, adsync.ErrStale, adsync.ErrConflict} {
		if errors.Is(err, untrue) {
			return fmt.Errorf("the error of the context was due, and it answered what is not so: %w", untrue)
		}
	}
	return b.sees(b.rows...)
}

// ended is a context that is over.
func (b *bench) ended() context.Context {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	return ctx
}
