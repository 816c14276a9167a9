package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// Users reads all users with one query. While others keep the table locked, as
// happens with SQLite, it waits a few seconds for the first row.
func (s *Store) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for try := 1; ; try++ {
			begun, err := s.readAll(ctx, yield)
			busy := err != nil && !begun && s.dialect.Fault(err).Kind == sqltable.Retry
			if busy && sqlbatch.Wait(ctx, try) {
				continue
			}
			if err != nil {
				yield(adsync.User{}, s.readError(ctx, err))
			}
			return
		}
	}
}

// readAll reports whether a row was reached, and why the reading failed.
func (s *Store) readAll(ctx context.Context, yield func(adsync.User, error) bool) (begun bool, err error) {
	s.mu.Lock()
	foreign, start := s.foreign, time.Now()
	s.mu.Unlock()
	known, err := s.look(ctx)
	if err != nil {
		return false, err
	}
	rows, err := s.db.QueryContext(ctx, s.text.Select(), s.where...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	row := s.newRow(known)
	for rows.Next() {
		begun = true
		u, err := row.read(rows)
		if err != nil {
			return true, ownFault{err}
		}
		if !yield(u, nil) {
			return true, nil
		}
	}
	if err := rows.Err(); err != nil {
		return begun, err
	}
	if !row.foreign {
		s.noteOwn(foreign, start)
	}
	return begun, nil
}

func (s *Store) readError(ctx context.Context, err error) error {
	if ended := notRead(ctx); ended != nil {
		return ended
	}
	var own ownFault
	if errors.As(err, &own) {
		return own.error
	}
	return fmt.Errorf("adsync: cannot read the users of the table %s: %s", s.table.Name, s.dialect.Fault(err).Reason)
}

// rowReader reads one row after the other.
type rowReader struct {
	*sqltable.Row
	s        *Store
	known    *knownTable
	idType   string
	askedFor bool // idType
	foreign  bool // an objectGUID was spelled as others do
}

func (s *Store) newRow(known *knownTable) *rowReader {
	return &rowReader{Row: sqltable.NewRow(1 + len(s.columns)), s: s, known: known}
}

func (r *rowReader) read(rows *sql.Rows) (adsync.User, error) {
	if err := r.Scan(rows); err != nil {
		return adsync.User{}, fmt.Errorf("adsync: cannot read a row of the table %s; check the mapping", r.s.table.Name)
	}
	id, err := r.id(rows)
	if err != nil {
		return adsync.User{}, err
	}
	u := adsync.User{ID: id, Source: r.s.table.Source}
	for i, c := range r.s.columns {
		if !r.s.readCell(r.known, &u, c.field, r.Cell(i+1)) {
			return adsync.User{}, fmt.Errorf("adsync: the column %s of user %s cannot be read as its %s; correct the row, or the mapping", c.name, id, c.field)
		}
		if c.field == adsync.FieldObjectID && !r.foreign && !r.s.guids.Own(r.Cell(i+1)) {
			r.foreign = true
			r.s.noteForeign()
		}
	}
	return u, nil
}

// id asks for the column's type only where the driver gave bytes, which some do
// for texts too.
func (r *rowReader) id(rows *sql.Rows) (string, error) {
	cell := r.Cell(0)
	if cell.Bytes && !r.askedFor {
		r.askedFor = true
		if types, err := rows.ColumnTypes(); err == nil {
			r.idType = types[0].DatabaseTypeName()
		}
	}
	return r.s.idText(cell, r.idType)
}

func (s *Store) idText(cell *sqltable.Cell, typeName string) (string, error) {
	if cell.Bad || cell.Text == "" {
		return "", fmt.Errorf("adsync: a row of the table %s has no ID in its column %s; map the primary key", s.table.Name, s.table.Columns.ID)
	}
	if cell.Bytes && sqltable.IsBinary(typeName) {
		return sqltable.BinaryKey(cell.Text), nil
	}
	return cell.Text, nil
}

// readCell puts a value into the user, and reports whether it could be read.
func (s *Store) readCell(known *knownTable, u *adsync.User, f adsync.Field, cell *sqltable.Cell) bool {
	switch f {
	case adsync.FieldObjectID:
		id, ok := s.guids.Read(cell)
		u.ObjectID = adsync.ObjectID(id)
		return ok
	case adsync.FieldStatus:
		u.Status = known.status.read(cell)
		return true
	case fieldProtected:
		flag, ok := cell.Flag()
		u.Protected = flag
		return ok
	}
	*textIn(u, f) = cell.Text
	return !cell.Bad
}

// spellingFor is how long a reading of all users counts as recent: a run takes
// minutes, and reads them first.
const spellingFor = 15 * time.Minute

// spellsAlone reports whether all users were read lately, and no objectGUID was
// spelled in another way than this store spells it.
func (s *Store) spellsAlone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.ownSince) < spellingFor
}

func (s *Store) noteForeign() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign, s.ownSince = s.foreign+1, time.Time{}
}

// noteOwn notes a reading that began at start, unless another saw other spellings
// since.
func (s *Store) noteOwn(foreign int, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign == foreign {
		s.ownSince = start
	}
}
