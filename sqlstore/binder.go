package sqlstore

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// binder turns users into the arguments of statements.
type binder struct {
	*knownTable
	now time.Time // that is written where one is, so that all rows of a batch have one
}

// assignments lists the columns that differ, and their new values.
func (b *binder) assignments(before, after *adsync.User) (set []string, values []any, err error) {
	for _, f := range fieldsOf(before, after) {
		if sameIn(f, before, after) {
			continue
		}
		i := b.position(f)
		if i < 0 || len(after.Extra.Set(f)) > 1 {
			return nil, nil, b.noColumn(f)
		}
		value, err := b.storedValue(b.columns[i], after)
		if err != nil {
			return nil, nil, err
		}
		set, values = append(set, b.columns[i].name), append(values, value)
	}
	if len(set) == 0 {
		return nil, nil, nil
	}
	if err := b.checkMoment(after); err != nil && b.checkMoment(before) == nil { // otherwise it is stale
		return nil, nil, err
	}
	derived, err := b.derive(after)
	return append(set, b.derived...), append(values, derived...), err
}

// newValues are what a new row holds in newColumns.
func (b *binder) newValues(u *adsync.User) ([]any, error) {
	if f := b.unmapped(u); f != "" {
		return nil, b.noColumn(f)
	}
	if err := b.checkMoment(u); err != nil {
		return nil, err
	}
	values := make([]any, 0, len(b.newColumns))
	for _, c := range b.columns {
		value, err := b.storedValue(c, u)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	for _, name := range b.newColumns[len(b.columns) : len(b.newColumns)-len(b.derived)] {
		value, err := b.hostValue(name, b.table.Defaults[name])
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	derived, err := b.derive(u)
	return append(values, derived...), err
}

// removal lists what marks a row as deleted and frees its keys; it is empty where rows
// are removed. What is derived is so from the keys that the row is left with.
func (b *binder) removal(c adsync.Change) (set []string, values []any, err error) {
	if b.table.Delete == nil {
		return nil, nil, nil
	}
	set = slices.Sorted(maps.Keys(b.table.Delete))
	for _, name := range set {
		value, err := b.hostValue(name, b.table.Delete[name])
		if err != nil {
			return nil, nil, err
		}
		values = append(values, value)
	}
	var left adsync.User
	if c.Before != nil {
		left = *c.Before
	}
	left.Username, left.Email = "~deleted-"+c.UserID, "~deleted-"+c.UserID+"@adsync.invalid"
	for _, key := range [][2]string{{b.table.Columns.Username, left.Username}, {b.table.Columns.Email, left.Email}} {
		if key[0] != "" {
			set = append(set, key[0])
			values = append(values, b.nullOr(key[0], key[1]))
		}
	}
	derived, err := b.derive(&left)
	return append(set, b.derived...), append(values, derived...), err
}

// writable leaves out the columns that only the view has, which are OnWrite's to write.
func (b *binder) writable(columns []string, values []any) ([]string, []any) {
	if len(b.shown) == 0 {
		return columns, values
	}
	var own []string
	var theirs []any
	for i, name := range columns {
		if !slices.Contains(b.shown, name) {
			own, theirs = append(own, name), append(theirs, values[i])
		}
	}
	return own, theirs
}

// derive computes the derived columns from what the row will hold.
func (b *binder) derive(u *adsync.User) (values []any, err error) {
	values = make([]any, len(b.derived))
	for i, name := range b.derived {
		if values[i], err = b.hostValue(name, b.table.Derived[name](*u)); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// hostValue is a value of the host's, as its column holds it.
func (b *binder) hostValue(column string, value any) (any, error) {
	switch value := value.(type) {
	case StatusValue:
		if value == Null {
			return nil, nil
		}
		clock := clockFor(value, b.types[column], b.dialect.Loose())
		if clock == nil {
			return nil, noTime(column, b.types[column])
		}
		return clock(b.now), nil
	}
	return value, nil
}

// storedValue is what a mapped column is to hold.
func (b *binder) storedValue(c column, u *adsync.User) (any, error) {
	switch c.field {
	case adsync.FieldObjectID:
		if !u.ObjectID.IsZero() {
			return b.guids.write(u.ObjectID), nil
		}
		return b.nullOr(c.name, b.guids.none()), nil
	case adsync.FieldStatus:
		return b.status.value(b.statusStored(u.Status), b.now)
	case adsync.FieldDeactivatedAt:
		return b.moments.value(u.DeactivatedAt, b.now), nil
	case fieldProtected:
		if b.types[c.name].Name == "boolean" {
			return u.Protected, nil
		}
		if u.Protected {
			return 1, nil
		}
		return 0, nil
	case adsync.FieldEmail:
		if u.Email == "" {
			return b.nullOr(c.name, ""), nil
		}
	}
	if isExtra(c.field) && textOf(u, c.field) == "" {
		return b.nullOr(c.name, ""), nil
	}
	return textOf(u, c.field), nil
}

// nullOr is NULL where the column allows it.
func (b *binder) nullOr(column string, otherwise any) any {
	if b.types[column].Nullable {
		return nil
	}
	return otherwise
}

// bindID is the ID as the driver is to send it: all databases turn a text into
// the type of the column, save for bytes.
func (b *binder) bindID(id string) any {
	if sqltable.IsBinary(b.idType().Name) {
		if key, ok := sqltable.ParseBinaryKey(id); ok {
			return key
		}
	}
	return id
}

// target are the arguments that name the row, and what it must match; match is nil where
// it may be like anything.
func (b *binder) target(id string, match []any) []any {
	if match != nil && b.sql.TextID() {
		return append([]any{b.bindID(id), id}, match...)
	}
	return append([]any{b.bindID(id)}, match...)
}

// readsAsID reports whether the ID is how the column's value reads, as far as no
// statement compares that itself.
func (b *binder) readsAsID(id string) bool {
	if b.sql.TextID() {
		return true
	}
	key, ok := sqltable.ParseBinaryKey(id)
	return ok && sqltable.BinaryKey(string(key)) == id
}

// matchArgs appends the arguments that compare the row with Before; not ok where the
// statement cannot tell, and the row has to be read.
func (b *binder) matchArgs(args []any, c adsync.Change) (_ []any, ok bool) {
	u := c.Before
	if u == nil || u.ID != c.UserID || !b.matches || b.sql.Uncounted() || !b.readsAsID(u.ID) {
		return args, false
	}
	if b.unmapped(u) != "" || b.checkMoment(u) != nil {
		return args, false // no row reads like that
	}
	args = slices.Grow(args, len(b.columns)+1)
	for _, col := range b.columns {
		switch col.field {
		case adsync.FieldObjectID:
			args = append(args, b.guids.match(u.ObjectID))
		case adsync.FieldStatus:
			status := b.statusStored(u.Status)
			code, one := b.status.code(status)
			if !one || b.status.readsAs(status) != cmp.Or(status, adsync.StatusActive) {
				return args, false
			}
			args = append(args, code)
		case adsync.FieldDeactivatedAt:
			if u.DeactivatedAt == adsync.AtWrite {
				return args, false // which is any moment
			}
			args = append(args, b.moments.value(u.DeactivatedAt, b.now))
		case fieldProtected:
			if u.Protected {
				args = append(args, "1", "true")
			} else {
				args = append(args, "0", "false")
			}
		default:
			args = append(args, textOf(u, col.field))
		}
	}
	return args, true
}
