// Package sqlstore keeps the users of package adsync in the table that a host already
// has, in PostgreSQL, MySQL, MariaDB or SQLite, with the driver that it already uses.
//
//	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Table{
//		Name: "users",
//		Columns: sqlstore.Columns{
//			ID: "id", ObjectID: "ad_guid", Username: "login", Email: "email",
//		},
//	})
//
// The table keeps its layout: [Columns] names its columns, and the host adds one for the
// objectGUID where there is none. Each write compares the row, in the statement itself,
// with what the plan saw, so that nothing is overwritten that has changed in the meantime.
// Many changes go in one transaction, in which a row that the database refuses fails
// alone.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// Store is an [adsync.UserStore], [adsync.BatchStore], [adsync.Creator],
// [adsync.Traiter] and [adsync.Locker] over an existing table. The host brings the driver.
//
// Each write compares the row with the change's Before in the statement itself. A
// batch is one transaction, in which a row that the database refuses fails alone, and so
// does one that does not read as planned before the commit: cut off or replaced by the
// database, or changed by a trigger. Transactions that lose against others are tried again
// for a few seconds. What the host's triggers write is undone with them, except in tables
// without transactions, such as MyISAM's, where a row that was tried again leaves two
// traces, and one that the database changed stays so.
type Store struct {
	db         *sql.DB
	dialect    sqltable.Dialect
	table      Table
	guids      sqltable.GUIDFormat
	columns    []column // the mapped ones but the ID
	linkNames  []string // those that link a user to an entry
	newColumns []string // those that a new row gets: the mapped ones, the defaults, and the derived ones
	derived    []string // sorted
	text       *sqltable.Table
	where      []any      // the arguments of Where, in the order of the text
	statuses   *statusMap // nil where there is no column
	statusKind sqltable.Kind
	matches    bool // a statement can compare the whole row

	mu       sync.Mutex
	known    *knownTable // what the database says of the table, once it was asked
	locked   bool        // by a run of this store
	ownSince time.Time   // when a reading of all users began that saw only objectGUIDs as this store spells them
	foreign  int         // readings that saw others
}

// column is a mapped column and what it holds.
type column struct {
	name  string
	field adsync.Field
}

// fieldProtected is no [Field] that a plan names.
const fieldProtected adsync.Field = "protected"

// New checks the mapping. It sends nothing to the database.
func New(db *sql.DB, dialect Dialect, table Table) (*Store, error) {
	if db == nil {
		return nil, errors.New("adsync: sqlstore.New needs a database; pass the *sql.DB that your driver opened")
	}
	d, ok := sqltable.ForName(string(dialect))
	if !ok {
		return nil, fmt.Errorf("adsync: there is no dialect %q; use PostgreSQL, MySQL or SQLite", dialect)
	}
	table.Args = slices.Clone(table.Args)
	table.Statuses, table.Defaults, table.Delete = maps.Clone(table.Statuses), maps.Clone(table.Defaults), maps.Clone(table.Delete)
	table.Derived = maps.Clone(table.Derived)
	s := &Store{db: db, dialect: d, table: table}
	for _, prepare := range []func() error{s.mapColumns, s.mapObjectIDs, s.mapStatuses, s.checkDelete, s.checkDefaults, s.checkDerived, s.makeText} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// createsAtOnce makes fewer and longer transactions of an import. Its rows come in
// no order, so that each transaction rewrites most pages of the indexes, and
// nobody waits for rows that are not there yet. SQLite's one lock is held for a
// tenth of a second.
const createsAtOnce = 5000

// Traits tells which details have a column; FieldStatus where a deactivated user can be
// stored and told apart from all others, or FieldActive where the column only tells who
// is active. New users are best written 5,000 at once.
func (s *Store) Traits() adsync.Traits {
	return adsync.Traits{Fields: s.held(), CreatesAtOnce: createsAtOnce}
}

func (s *Store) held() []adsync.Field {
	var held []adsync.Field
	for _, c := range s.columns {
		switch c.field {
		case adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone:
			held = append(held, c.field)
		case adsync.FieldStatus:
			switch {
			case s.statuses.tells(adsync.StatusDeactivated):
				held = append(held, adsync.FieldStatus)
			case s.statuses.tells(adsync.StatusInactive):
				held = append(held, adsync.FieldActive)
			}
		}
	}
	return held
}

// UpdateUser writes what differs between c.Before and c.After.
func (s *Store) UpdateUser(ctx context.Context, c adsync.Change) error {
	return s.applyOne(ctx, c, adsync.OpUpdate).Err
}

// DeleteUser removes the row, or marks it as Table.Delete says.
func (s *Store) DeleteUser(ctx context.Context, c adsync.Change) error {
	return s.applyOne(ctx, c, adsync.OpDelete).Err
}

// CreateUser adds c.After, with Table.Defaults in the other columns.
func (s *Store) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	w := s.applyOne(ctx, c, adsync.OpCreate)
	return w.UserID, w.Err
}

func (s *Store) applyOne(ctx context.Context, c adsync.Change, op adsync.Op) adsync.Written {
	if err := c.CheckShape(op); err != nil {
		return adsync.Written{Err: err}
	}
	return s.ApplyChanges(ctx, []adsync.Change{c})[0]
}

// ApplyChanges writes all changes in one transaction. One that the database or
// OnWrite refuses is undone alone; in a batch of more than 500 the others are then
// written in transactions of 500. When the context ends before a commit, nothing of
// that transaction is written; when the commit is not answered, each is [adsync.ErrUnknown].
func (s *Store) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	out := make([]adsync.Written, len(cs))
	if len(cs) == 0 {
		return out
	}
	known, err := s.lookPatiently(ctx)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	copy(out, s.writeBatch(ctx, known, cs))
	for i, c := range cs {
		// The key may be held by the row of this very entry, which another run has
		// just created. A second look finds it, if it comes to that.
		if c.Op == adsync.OpCreate && errors.Is(out[i].Err, adsync.ErrConflict) {
			if again := s.writeBatch(ctx, known, cs[i:i+1])[0]; !errors.Is(again.Err, adsync.ErrNotWritten) {
				out[i] = again
			}
		}
	}
	return out
}

func (s *Store) writeBatch(ctx context.Context, known *knownTable, cs []adsync.Change) []adsync.Written {
	b := &batch{Store: s, knownTable: known, now: time.Now(), changes: cs, ids: make([]string, len(cs))}
	return b.explain(b.batch().Run(ctx))
}
