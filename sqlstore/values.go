package sqlstore

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// assignments lists the columns that differ, and their new values.
func (b *batch) assignments(before, after *adsync.User) (set []string, values []any, err error) {
	for _, f := range storedFields {
		if sameIn(f, before, after) {
			continue
		}
		i := slices.IndexFunc(b.columns, func(c column) bool { return c.field == f })
		if i < 0 {
			return nil, nil, b.noColumn(f)
		}
		value, err := b.storedValue(b.columns[i], after)
		if err != nil {
			return nil, nil, err
		}
		set, values = append(set, b.columns[i].name), append(values, value)
	}
	if len(set) > 0 {
		set, values = append(set, b.derived...), append(values, b.derive(after)...)
	}
	return set, values, nil
}

// derive computes the derived columns from what the row will hold.
func (b *batch) derive(u *adsync.User) []any {
	values := make([]any, len(b.derived))
	for i, name := range b.derived {
		values[i] = b.fitted(name, b.table.Derived[name](*u))
	}
	return values
}

// fitted is a value of the host's for a column: Now is the time of the batch, so that
// many rows have one.
func (b *batch) fitted(column string, value any) any {
	switch value {
	case Null:
		return nil
	case Now:
		if clock := clockFor(b.types[column], b.dialect.Loose()); clock != nil {
			return clock(b.now)
		}
	}
	return value
}

// newValues are what a new row holds in newColumns.
func (b *batch) newValues(u *adsync.User) ([]any, error) {
	if f := b.unmapped(u); f != "" {
		return nil, b.noColumn(f)
	}
	values := make([]any, len(b.newColumns))
	for i, c := range b.columns {
		value, err := b.storedValue(c, u)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	values = values[:len(b.columns)]
	for _, name := range b.newColumns[len(b.columns) : len(b.newColumns)-len(b.derived)] {
		values = append(values, b.fitted(name, b.table.Defaults[name]))
	}
	return append(values, b.derive(u)...), nil
}

// storedFields are all that a row holds apart from its ID.
var storedFields = append([]adsync.Field{adsync.FieldObjectID, adsync.FieldSource, adsync.FieldStatus, fieldProtected}, details[:]...)

// sameIn reports whether a store has nothing to write for the field.
func sameIn(f adsync.Field, before, after *adsync.User) bool {
	switch f {
	case adsync.FieldObjectID:
		return before.ObjectID == after.ObjectID
	case adsync.FieldStatus:
		return cmp.Or(before.Status, adsync.StatusActive) == cmp.Or(after.Status, adsync.StatusActive)
	case fieldProtected:
		return before.Protected == after.Protected
	}
	return *textIn(before, f) == *textIn(after, f)
}

// unmapped names a thing that the user has and the table has no column for.
func (s *Store) unmapped(u *adsync.User) adsync.Field {
	base := adsync.User{Source: s.table.Source}
	for _, f := range storedFields {
		if !sameIn(f, &base, u) && !slices.ContainsFunc(s.columns, func(c column) bool { return c.field == f }) {
			return f
		}
	}
	return ""
}

func (s *Store) noColumn(f adsync.Field) error {
	return fmt.Errorf("adsync: the table %s has no column for %s; map one, or leave it out of the plan", s.table.Name, f)
}

// storedValue is what the column is to hold.
func (b *batch) storedValue(c column, u *adsync.User) (any, error) {
	switch c.field {
	case adsync.FieldObjectID:
		if !u.ObjectID.IsZero() {
			return b.guids.Write(adattr.GUID(u.ObjectID)), nil
		}
		if b.guids == sqltable.GUIDText {
			return b.nullOr(c.name, ""), nil
		}
		return b.nullOr(c.name, b.guids.Write(adattr.GUID{})), nil
	case adsync.FieldStatus:
		return b.status.value(u.Status, b.now)
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
	return *textIn(u, c.field), nil
}

// nullOr is NULL where the column allows it.
func (b *batch) nullOr(column string, otherwise any) any {
	if b.types[column].Nullable {
		return nil
	}
	return otherwise
}

func (b *batch) idType() string { return b.types[b.table.Columns.ID].Name }

// bindID is the ID as the driver is to send it: all databases turn a text into
// the type of the column, save for bytes.
func (b *batch) bindID(id string) any {
	if sqltable.IsBinary(b.idType()) {
		if key, ok := sqltable.ParseBinaryKey(id); ok {
			return key
		}
	}
	return id
}

// target are the arguments that name the row, and what it must match.
func (b *batch) target(id string, match []any) []any {
	if match != nil && b.sql.TextID() {
		return append([]any{b.bindID(id), id}, match...)
	}
	return append([]any{b.bindID(id)}, match...)
}

// readsLikeThat reports whether the ID is how the column's value reads, as far as no
// statement compares that itself.
func (b *batch) readsLikeThat(id string) bool {
	if b.sql.TextID() {
		return true
	}
	key, ok := sqltable.ParseBinaryKey(id)
	return ok && sqltable.BinaryKey(string(key)) == id
}

// matchArgs appends the arguments that compare the row with Before; not ok where the
// statement cannot tell, and the row has to be read.
func (b *batch) matchArgs(args []any, c adsync.Change) (_ []any, ok bool) {
	u := c.Before
	if u == nil || u.ID != c.UserID || !b.matches || b.sql.Uncounted() || !b.readsLikeThat(u.ID) {
		return args, false
	}
	if b.unmapped(u) != "" {
		return args, false // no row reads like that
	}
	args = slices.Grow(args, len(b.columns)+1)
	for _, col := range b.columns {
		switch col.field {
		case adsync.FieldObjectID:
			args = append(args, b.matchObjectID(u.ObjectID))
		case adsync.FieldStatus:
			code, one := b.status.code(u.Status)
			if !one || b.status.readsAs(u.Status) != cmp.Or(u.Status, adsync.StatusActive) {
				return args, false
			}
			args = append(args, code)
		case fieldProtected:
			if u.Protected {
				args = append(args, "1", "true")
			} else {
				args = append(args, "0", "false")
			}
		default:
			args = append(args, *textIn(u, col.field))
		}
	}
	return args, true
}

func (b *batch) matchObjectID(id adsync.ObjectID) any {
	switch {
	case !id.IsZero():
		return b.guids.Write(adattr.GUID(id))
	case b.guids == sqltable.GUIDText:
		return ""
	}
	return nil
}
