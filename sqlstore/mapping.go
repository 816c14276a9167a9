package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

func (s *Store) mapColumns() error {
	c := s.table.Columns
	switch {
	case c.ID == "":
		return errors.New("adsync: sqlstore.Columns.ID is missing; name the primary key")
	case c.ObjectID == "":
		return errors.New("adsync: sqlstore.Columns.ObjectID is missing; name the column that links a user to the directory, and add one if there is none")
	case c.Username == "":
		return errors.New("adsync: sqlstore.Columns.Username is missing; name the column of the login name")
	case c.Source != "" && s.table.Source != "":
		return errors.New("adsync: Table has both a Source and a Source column; give one of them")
	}
	seen := map[string]bool{c.ID: true}
	for _, column := range []column{
		{c.ObjectID, adsync.FieldObjectID}, {c.Source, adsync.FieldSource}, {c.Username, adsync.FieldUsername},
		{c.FirstName, adsync.FieldFirstName}, {c.LastName, adsync.FieldLastName}, {c.Email, adsync.FieldEmail},
		{c.Phone, adsync.FieldPhone}, {c.Status, adsync.FieldStatus}, {c.Protected, fieldProtected},
	} {
		if column.name == "" {
			continue
		}
		if seen[column.name] {
			return fmt.Errorf("adsync: sqlstore.Columns names the column %s twice; each holds one thing", column.name)
		}
		seen[column.name] = true
		s.columns = append(s.columns, column)
		s.newColumns = append(s.newColumns, column.name)
		if column.field == adsync.FieldObjectID || column.field == adsync.FieldSource {
			s.linkNames = append(s.linkNames, column.name)
		}
	}
	s.derived = slices.Sorted(maps.Keys(s.table.Derived))
	s.newColumns = slices.Concat(s.newColumns, slices.Sorted(maps.Keys(s.table.Defaults)), s.derived)
	return nil
}

func (s *Store) mapObjectIDs() error {
	s.guids = sqltable.GUIDFormat(cmp.Or(s.table.ObjectIDs, ObjectIDText))
	if !s.guids.Valid() {
		return fmt.Errorf("adsync: sqlstore.Table.ObjectIDs is %q; use text, uuid, bytes or ad-bytes", s.table.ObjectIDs)
	}
	if s.guids == sqltable.GUIDNative && !s.dialect.NativeUUID() {
		s.guids = sqltable.GUIDText // how the others show a uuid
	}
	return nil
}

func (s *Store) mapStatuses() (err error) {
	s.matches = true
	if s.table.Columns.Status == "" {
		if len(s.table.Statuses) > 0 {
			return errors.New("adsync: sqlstore.Table.Statuses is given without a Status column; name the column or leave the map out")
		}
		return nil
	}
	if s.statuses, err = newStatusMap(s.table.Statuses); err == nil {
		s.statusKind, s.matches = s.statuses.kind()
	}
	return err
}

func (s *Store) checkDelete() error {
	if s.table.Delete == nil {
		return nil
	}
	if len(s.table.Delete) == 0 {
		return errors.New("adsync: sqlstore.Table.Delete names no column; name what marks a row as deleted, or leave it nil to remove rows")
	}
	if strings.TrimSpace(s.table.Where) == "" {
		return errors.New("adsync: sqlstore.Table.Delete needs a Where that excludes the rows it marks")
	}
	c := s.table.Columns
	for name := range s.table.Delete {
		if name == "" || name == c.ID || name == c.Username || name == c.Email {
			return fmt.Errorf("adsync: sqlstore.Table.Delete must not set the column %q; the store itself releases the keys", name)
		}
	}
	return nil
}

func (s *Store) checkDefaults() error {
	for name := range s.table.Defaults {
		mapped := slices.ContainsFunc(s.columns, func(c column) bool { return c.name == name })
		if name == "" || mapped {
			return fmt.Errorf("adsync: sqlstore.Table.Defaults must not set the column %q; it is for columns that sqlstore.Columns does not map", name)
		}
	}
	return nil
}

func (s *Store) checkDerived() error {
	for name, compute := range s.table.Derived {
		mapped := slices.ContainsFunc(s.columns, func(c column) bool { return c.name == name })
		_, byDefault := s.table.Defaults[name]
		_, byDelete := s.table.Delete[name]
		switch {
		case name == "" || mapped || name == s.table.Columns.ID:
			return fmt.Errorf("adsync: sqlstore.Table.Derived must not set the column %q; it is for columns that sqlstore.Columns does not map", name)
		case byDefault || byDelete:
			return fmt.Errorf("adsync: sqlstore.Table.Derived sets the column %s, and so must neither Defaults nor Delete; leave it to one of them", name)
		case compute == nil:
			return fmt.Errorf("adsync: sqlstore.Table.Derived has no function for the column %s; give one, or leave the column out", name)
		}
	}
	return nil
}

func (s *Store) makeText() error {
	where, err := s.dialect.ParseWhere(s.table.Where, len(s.table.Args))
	if err != nil {
		return err
	}
	s.where = where.Args(s.table.Args)
	columns := make([]sqltable.Column, len(s.columns))
	for i, c := range s.columns {
		columns[i] = sqltable.Column{Name: c.name, Kind: s.kind(c)}
	}
	s.text, err = sqltable.NewTable(s.dialect, s.table.Name, s.table.Columns.ID, columns, where)
	return err
}

func (s *Store) kind(c column) sqltable.Kind {
	switch {
	case c.field == adsync.FieldStatus:
		return s.statusKind
	case c.field == fieldProtected:
		return sqltable.Bool
	case c.field == adsync.FieldObjectID && s.guids.Binary():
		return sqltable.Raw
	case c.field == adsync.FieldObjectID && s.guids == sqltable.GUIDNative:
		return sqltable.Native
	}
	return sqltable.Text
}

// knownTable is what the database says of the table.
type knownTable struct {
	types  sqltable.Types  // of the columns that are used
	sql    *sqltable.Table // the statements, which heed its quirks
	status *statusMap      // fitted to its column; nil where there is none
}

// lookPatiently is look for a writer, who waits while others keep the table locked.
func (s *Store) lookPatiently(ctx context.Context) (*knownTable, error) {
	for try := 1; ; try++ {
		known, err := s.look(ctx)
		if err != nil && s.dialect.Fault(err).Kind == sqltable.Retry && sqlbatch.Wait(ctx, try) {
			continue
		}
		return known, s.lookError(ctx, err)
	}
}

// look asks the database once what the table is like, and checks that the mapping fits.
func (s *Store) look(ctx context.Context) (*knownTable, error) {
	s.mu.Lock()
	known := s.known
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	known, err := s.ask(ctx)
	if err != nil {
		return nil, err
	}
	if known.types, err = s.usedTypes(known.types); err != nil {
		return nil, ownFault{err}
	}
	if err := s.checkTimes(known.types); err != nil {
		return nil, ownFault{err}
	}
	if column := s.table.Columns.Status; column != "" {
		if known.status, err = s.statuses.fit(column, known.types[column], s.dialect.Loose()); err != nil {
			return nil, ownFault{err}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
	return known, nil
}

// checkTimes holds each Now of Defaults and Delete against its column.
func (s *Store) checkTimes(types sqltable.Types) error {
	for _, given := range []map[string]any{s.table.Defaults, s.table.Delete} {
		for _, name := range slices.Sorted(maps.Keys(given)) {
			if given[name] == NotNull || given[name] == Now && clockFor(types[name], s.dialect.Loose()) == nil {
				return fmt.Errorf("adsync: the column %s of type %s cannot be set to Now or NotNull; use Now for times and numbers, or give the value", name, types[name].Name)
			}
		}
	}
	return nil
}

func (s *Store) ask(ctx context.Context) (*knownTable, error) {
	text, args := s.text.Catalogue()
	rows, err := s.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	types, err := sqltable.ReadTypes(rows)
	if err != nil || len(types) == 0 {
		return &knownTable{types: types, sql: s.text}, err
	}
	var quirks sqltable.Rows
	if text, args, ok := s.text.Quirks(); ok {
		if quirks, err = s.db.QueryContext(ctx, text, args...); err != nil {
			return nil, err
		}
	}
	heeding, err := s.text.Heed(types, quirks)
	return &knownTable{types: types, sql: heeding}, err
}

func (s *Store) lookError(ctx context.Context, err error) error {
	var own ownFault
	switch ended := notWritten(ctx); {
	case err == nil:
		return nil
	case ended != nil:
		return ended
	case errors.As(err, &own):
		return own.error
	}
	return notDone{fmt.Errorf("adsync: cannot ask the database for the columns of the table %s, so nothing was written: %s", s.table.Name, s.dialect.Fault(err).Reason)}
}

// usedTypes picks the columns that are mapped, by the names that the host gave them.
func (s *Store) usedTypes(types sqltable.Types) (sqltable.Types, error) {
	if len(types) == 0 {
		return nil, fmt.Errorf("adsync: the database has no table %s, or does not show it to this account; check sqlstore.Table.Name", s.table.Name)
	}
	used := make(sqltable.Types)
	for _, name := range slices.Concat([]string{s.table.Columns.ID}, s.newColumns, slices.Sorted(maps.Keys(s.table.Delete))) {
		t, ok := types.Find(name)
		if !ok {
			return nil, fmt.Errorf("adsync: the table %s has no column %s; correct sqlstore.Table", s.table.Name, name)
		}
		used[name] = t
	}
	if used[s.table.Columns.ID].Name == "" {
		return nil, fmt.Errorf("adsync: the column %s of the table %s has no type, and so a number in it never equals its own text; declare one, as INTEGER or TEXT", s.table.Columns.ID, s.table.Name)
	}
	return used, nil
}
