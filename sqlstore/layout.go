package sqlstore

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// layout is the checked [Table]. Nothing in it changes once it is made.
type layout struct {
	dialect    sqltable.Dialect
	table      Table
	guids      objectIDs
	columns    []column        // the mapped ones but the ID
	linkNames  []string        // those that link a user to an entry
	newColumns []string        // those that a new row gets: the mapped ones, the defaults, and the derived ones
	derived    []string        // sorted
	queries    *sqltable.Table // the statements that no quirk of the table bears on
	view       *sqltable.Table // what users are read from; nil where that is the table
	where      []any           // the arguments of Where, in the order of the text
	statuses   *statusMap      // as given; nil where there is no column
	statusKind sqltable.Kind
	matches    bool         // a statement can compare the whole row
	roles      *memberships // nil where there are none
}

// column is a mapped column and what it holds.
type column struct {
	name  string
	field adsync.Field
}

// newLayout checks what the host says.
func newLayout(dialect Dialect, table Table) (*layout, error) {
	d, ok := sqltable.ForName(string(dialect))
	if !ok {
		return nil, fmt.Errorf("adsync: there is no dialect %q; use PostgreSQL, MySQL or SQLite", dialect)
	}
	table.Args = slices.Clone(table.Args)
	table.Statuses, table.Defaults, table.Delete = maps.Clone(table.Statuses), maps.Clone(table.Defaults), maps.Clone(table.Delete)
	table.Derived, table.Columns.Extra = maps.Clone(table.Derived), maps.Clone(table.Columns.Extra)
	l := &layout{dialect: d, table: table}
	for _, prepare := range []func() error{l.mapColumns, l.mapObjectIDs, l.mapStatuses, l.checkDelete, l.checkDefaults, l.checkDerived, l.makeQueries, l.mapRoles} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *layout) mapColumns() error {
	c := l.table.Columns
	switch {
	case c.ID == "":
		return errors.New("adsync: sqlstore.Columns.ID is missing; name the primary key")
	case c.ObjectID == "":
		return errors.New("adsync: sqlstore.Columns.ObjectID is missing; name the column that links a user to the directory, and add one if there is none")
	case c.Username == "":
		return errors.New("adsync: sqlstore.Columns.Username is missing; name the column of the login name")
	case c.Source != "" && l.table.Source != "":
		return errors.New("adsync: Table has both a Source and a Source column; give one of them")
	}
	further, err := l.furtherColumns()
	if err != nil {
		return err
	}
	seen := map[string]bool{c.ID: true}
	for _, column := range append([]column{
		{c.ObjectID, adsync.FieldObjectID}, {c.Source, adsync.FieldSource}, {c.Username, adsync.FieldUsername},
		{c.FirstName, adsync.FieldFirstName}, {c.LastName, adsync.FieldLastName}, {c.Email, adsync.FieldEmail},
		{c.Phone, adsync.FieldPhone}, {c.Status, adsync.FieldStatus}, {c.DeactivatedAt, adsync.FieldDeactivatedAt},
		{c.Protected, fieldProtected},
	}, further...) {
		if column.name == "" {
			continue
		}
		if seen[column.name] {
			return fmt.Errorf("adsync: sqlstore.Columns names the column %s twice, and each holds one detail; name it once, and let adsync.Rules.Map put there what it is to hold, such as the email as Username, or the whole name as FirstName", column.name)
		}
		seen[column.name] = true
		l.columns = append(l.columns, column)
		l.newColumns = append(l.newColumns, column.name)
		if column.field == adsync.FieldObjectID || column.field == adsync.FieldSource {
			l.linkNames = append(l.linkNames, column.name)
		}
	}
	l.derived = slices.Sorted(maps.Keys(l.table.Derived))
	l.newColumns = slices.Concat(l.newColumns, slices.Sorted(maps.Keys(l.table.Defaults)), l.derived)
	return nil
}

// furtherColumns are those of details beyond the five, by their names.
func (l *layout) furtherColumns() (list []column, err error) {
	extra := l.table.Columns.Extra
	for _, f := range slices.Sorted(maps.Keys(extra)) {
		switch {
		case f == adsync.FieldRoles || f == adsync.FieldHostRoles:
			return nil, errors.New("adsync: sqlstore.Columns.Extra must not name the roles; use sqlstore.Table.Roles")
		case !isExtra(f):
			return nil, fmt.Errorf("adsync: sqlstore.Columns.Extra must not name %q, which has a place of its own in sqlstore.Columns or is no detail", f)
		case extra[f] == "":
			return nil, fmt.Errorf("adsync: sqlstore.Columns.Extra has no column for %s; name it, or leave it out", f)
		}
		list = append(list, column{extra[f], f})
	}
	return list, nil
}

func (l *layout) mapObjectIDs() error {
	format := sqltable.GUIDFormat(cmp.Or(l.table.ObjectIDs, ObjectIDText))
	if !format.Valid() {
		return fmt.Errorf("adsync: sqlstore.Table.ObjectIDs is %q; use text, uuid, bytes or ad-bytes", l.table.ObjectIDs)
	}
	if format == sqltable.GUIDNative && !l.dialect.NativeUUID() {
		format = sqltable.GUIDText // how the others show a uuid
	}
	l.guids = objectIDs{format}
	return nil
}

func (l *layout) mapStatuses() (err error) {
	l.matches = true
	if l.table.Columns.Status == "" {
		if len(l.table.Statuses) > 0 {
			return errors.New("adsync: sqlstore.Table.Statuses is given without a Status column; name the column or leave the map out")
		}
		if l.table.Columns.DeactivatedAt != "" {
			return errors.New("adsync: sqlstore.Columns.DeactivatedAt is given without a Status column; name the column that tells who is active")
		}
		return nil
	}
	if l.statuses, err = newStatusMap(l.table.Statuses); err != nil {
		return err
	}
	l.statusKind, l.matches = l.statuses.kind()
	if l.table.Columns.DeactivatedAt != "" && !l.statuses.holds(adsync.StatusDeactivated) && !l.statuses.holds(adsync.StatusInactive) {
		return errors.New("adsync: sqlstore.Columns.DeactivatedAt is given, but sqlstore.Table.Statuses has no value to write for StatusDeactivated or StatusInactive; add one")
	}
	return nil
}

func (l *layout) checkDelete() error {
	if l.table.Delete == nil {
		return nil
	}
	if len(l.table.Delete) == 0 {
		return errors.New("adsync: sqlstore.Table.Delete names no column; name what marks a row as deleted, or leave it nil to remove rows")
	}
	if strings.TrimSpace(l.table.Where) == "" {
		return errors.New("adsync: sqlstore.Table.Delete needs a Where that excludes the rows it marks")
	}
	c := l.table.Columns
	for name := range l.table.Delete {
		if name == "" || name == c.ID || name == c.Username || name == c.Email {
			return fmt.Errorf("adsync: sqlstore.Table.Delete must not set the column %q; the store itself releases the keys", name)
		}
	}
	return nil
}

func (l *layout) checkDefaults() error {
	for name := range l.table.Defaults {
		if name == "" || l.maps(name) {
			return fmt.Errorf("adsync: sqlstore.Table.Defaults must not set the column %q; it is for columns that sqlstore.Columns does not map", name)
		}
	}
	return nil
}

func (l *layout) checkDerived() error {
	for name, compute := range l.table.Derived {
		_, byDefault := l.table.Defaults[name]
		_, byDelete := l.table.Delete[name]
		switch {
		case name == "" || l.maps(name) || name == l.table.Columns.ID:
			return fmt.Errorf("adsync: sqlstore.Table.Derived must not set the column %q; it is for columns that sqlstore.Columns does not map", name)
		case byDefault || byDelete:
			return fmt.Errorf("adsync: sqlstore.Table.Derived sets the column %s, and so must neither Defaults nor Delete; leave it to one of them", name)
		case compute == nil:
			return fmt.Errorf("adsync: sqlstore.Table.Derived has no function for the column %s; give one, or leave the column out", name)
		}
	}
	return nil
}

// maps reports whether the column is a mapped one, and not the ID.
func (l *layout) maps(name string) bool {
	return slices.ContainsFunc(l.columns, func(c column) bool { return c.name == name })
}

// mappedNames are the names of the mapped columns but the ID.
func (l *layout) mappedNames() []string {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.name
	}
	return names
}

func (l *layout) makeQueries() error {
	where, err := l.dialect.ParseWhere(l.table.Where, len(l.table.Args))
	if err != nil {
		return err
	}
	l.where = where.Args(l.table.Args)
	columns := make([]sqltable.Column, len(l.columns))
	for i, c := range l.columns {
		columns[i] = sqltable.Column{Name: c.name, Kind: l.kind(c)}
	}
	if l.queries, err = sqltable.NewTable(l.dialect, l.table.Name, l.table.Columns.ID, columns, where); err != nil || l.table.View == "" {
		return err
	}
	if l.table.OnWrite == nil {
		return errors.New("adsync: sqlstore.Table.View is given without an OnWrite; let it write what the view shows and the table has no column for")
	}
	if l.view, err = sqltable.NewTable(l.dialect, l.table.View, l.table.Columns.ID, columns, where); err != nil {
		return errors.New("adsync: sqlstore.Table.View must be view or schema.view")
	}
	l.queries, l.matches = l.queries.ReadFrom(l.view), false
	return nil
}

func (l *layout) mapRoles() (err error) {
	l.roles, err = newMemberships(l.dialect, l.table.Roles, l.table)
	return err
}

// oneByOne reports whether changes are written one by one, as something besides the row
// belongs to each.
func (l *layout) oneByOne() bool { return l.table.OnWrite != nil || l.roles != nil }

func (l *layout) kind(c column) sqltable.Kind {
	switch c.field {
	case adsync.FieldStatus:
		return l.statusKind
	case fieldProtected:
		return sqltable.Bool
	case adsync.FieldObjectID:
		return l.guids.kind()
	case adsync.FieldDeactivatedAt:
		return sqltable.Raw
	}
	return sqltable.Text
}

// held are the fields that a plan may write.
func (l *layout) held() []adsync.Field {
	var held []adsync.Field
	for _, c := range l.columns {
		switch c.field {
		case adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone, adsync.FieldDeactivatedAt:
			held = append(held, c.field)
		case adsync.FieldStatus:
			switch {
			case l.statuses.holds(adsync.StatusDeactivated):
				held = append(held, adsync.FieldStatus)
			case l.statuses.holds(adsync.StatusInactive):
				held = append(held, adsync.FieldActive)
			}
		default:
			if isExtra(c.field) {
				held = append(held, c.field)
			}
		}
	}
	return held
}

// position is where the field's column stands among columns; -1 where it has none.
func (l *layout) position(f adsync.Field) int {
	return slices.IndexFunc(l.columns, func(c column) bool { return c.field == f })
}

// unmapped names a thing that the user has and the table has no column for: it has one for
// a single text of each further detail.
func (l *layout) unmapped(u *adsync.User) adsync.Field {
	base := adsync.User{Source: l.table.Source}
	for _, f := range fieldsOf(u) {
		if !sameIn(f, &base, u) && (l.position(f) < 0 || len(u.Extra.Set(f)) > 1) {
			return f
		}
	}
	return ""
}

func (l *layout) noColumn(f adsync.Field) error {
	return fmt.Errorf("adsync: the table %s has no column for %s, or holds a single text of it; map one, or leave it out of the plan", l.table.Name, f)
}

// idText is the ID in a cell. The type is only asked for where the driver gave bytes.
func (l *layout) idText(cell *sqltable.Cell, typeName string) (string, error) {
	if cell.Bad || cell.Text == "" {
		return "", fmt.Errorf("adsync: a row of the table %s has no ID in its column %s; map the primary key", l.table.Name, l.table.Columns.ID)
	}
	if cell.Bytes && sqltable.IsBinary(typeName) {
		return sqltable.BinaryKey(cell.Text), nil
	}
	return cell.Text, nil
}
