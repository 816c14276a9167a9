package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// reader reads all users of the table.
type reader struct {
	db        *sql.DB
	layout    *layout
	inspector *inspector
	spelling  *spelling
}

// users reads them with one query, and another before it for their roles. While others keep the table locked, it waits a few
// seconds for the first row.
func (r *reader) users(ctx context.Context, yield func(adsync.User, error) bool) {
	for try := 1; ; try++ {
		begun, err := r.readAll(ctx, yield)
		busy := err != nil && !begun && r.layout.dialect.Fault(err).Kind == sqltable.Retry
		if busy && sqlbatch.Wait(ctx, try) {
			continue
		}
		if err != nil {
			yield(adsync.User{}, explainReading(ctx, r.layout, err))
		}
		return
	}
}

// readAll reports whether a row was reached, and why the reading failed.
func (r *reader) readAll(ctx context.Context, yield func(adsync.User, error) bool) (begun bool, err error) {
	foreign, start := r.spelling.startReading()
	known, err := r.inspector.look(ctx)
	if err != nil {
		return false, err
	}
	roles, err := known.roles.readAll(ctx, r.db, r.layout, known.types[known.table.Columns.ID].Name)
	if err != nil {
		return false, err
	}
	rows, err := r.db.QueryContext(ctx, known.queries.Select(), known.where...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	row := newUserRow(known, r.spelling)
	for rows.Next() {
		begun = true
		u, err := row.read(rows)
		if err != nil {
			return true, ownFault{err}
		}
		if roles != nil {
			addRoles(&u, roles)
		}
		if !yield(u, nil) {
			return true, nil
		}
	}
	if err := rows.Err(); err != nil {
		return begun, err
	}
	r.spelling.noteOwn(foreign, start)
	return begun, nil
}

// userRow reads one row after the other as a user.
type userRow struct {
	*sqltable.Row
	known    *knownTable
	spelling *spelling
	idType   string
	askedFor bool // idType
	foreign  bool // an objectGUID was spelled as others do
}

func newUserRow(known *knownTable, s *spelling) *userRow {
	return &userRow{Row: sqltable.NewRow(1 + len(known.columns)), known: known, spelling: s}
}

func (r *userRow) read(rows *sql.Rows) (adsync.User, error) {
	if err := r.Scan(rows); err != nil {
		return adsync.User{}, fmt.Errorf("adsync: cannot read a row of the table %s; check the mapping", r.known.table.Name)
	}
	id, err := r.id(rows)
	if err != nil {
		return adsync.User{}, err
	}
	u := adsync.User{ID: id, Source: r.known.table.Source}
	for i, c := range r.known.columns {
		cell := r.Cell(i + 1)
		if !readCell(r.known, &u, c.field, cell) {
			return adsync.User{}, fmt.Errorf("adsync: the column %s of user %s cannot be read as its %s; correct the row, or the mapping", c.name, id, c.field)
		}
		if c.field == adsync.FieldObjectID && !r.foreign && !r.known.guids.own(cell) {
			r.foreign = true
			r.spelling.noteForeign()
		}
	}
	u.Status = r.known.statusRead(u.Status, u.DeactivatedAt)
	return u, nil
}

// id asks for the column's type only where the driver gave bytes, which some do
// for texts too.
func (r *userRow) id(rows *sql.Rows) (string, error) {
	cell := r.Cell(0)
	if cell.Bytes && !r.askedFor {
		r.askedFor = true
		if types, err := rows.ColumnTypes(); err == nil {
			r.idType = types[0].DatabaseTypeName()
		}
	}
	return r.known.idText(cell, r.idType)
}
