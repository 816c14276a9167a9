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

// Store is an [adsync.UserStore], [adsync.BatchStore], [adsync.Creator],
// [adsync.Traiter], [adsync.Locker] and [adsync.Checker] over an existing table. The host brings the driver.
//
// Each write compares the row with the change's Before: in the statement itself, or by
// reading it first in the same transaction, where it is locked (FOR UPDATE; SQLite has one
// writer), so that nobody changes it in between. It is read with Table.Roles, before a deletion
// with OnWrite, and where no statement can compare it: a value that is stored in another
// spelling, a status that is mapped to [NotNull]. In tables without transactions that locks
// nothing, and only what is compared in the statement is safe from others. A batch is one transaction, in which a row that the database refuses fails alone, and so
// does one that does not read as planned before the commit: cut off or replaced by the
// database, or changed by a trigger. Transactions that lose against others are tried again
// for a few seconds. What the host's triggers write is undone with them, except in tables
// without transactions, such as MyISAM's, where a row that was tried again leaves two
// traces, and one that the database changed stays so.
type Store struct {
	db        *sql.DB
	layout    *layout
	inspector *inspector
	spelling  *spelling
	lock      *runLock
}

// New checks the mapping. It sends nothing to the database.
func New(db *sql.DB, dialect Dialect, table Table) (*Store, error) {
	if db == nil {
		return nil, errors.New("adsync: sqlstore.New needs a database; pass the *sql.DB that your driver opened")
	}
	l, err := newLayout(dialect, table)
	if err != nil {
		return nil, err
	}
	in := &inspector{db: db, layout: l}
	return &Store{
		db: db, layout: l, inspector: in, spelling: &spelling{}, lock: &runLock{db: db, layout: l, inspector: in},
	}, nil
}

// Traits tells which details have a column; FieldStatus where a deactivated user can be
// stored and told apart from all others, or FieldActive where the column only tells who is
// active; and FieldDeactivatedAt with Columns.DeactivatedAt. New users are best written
// 5,000 at once, or 10,000 where two transactions take 5,000 each at the same time.
func (s *Store) Traits() adsync.Traits {
	return adsync.Traits{Fields: s.layout.held(), CreatesAtOnce: s.layout.createsAtOnce(), Roles: s.layout.roles.roleNames()}
}

// Check checks the mapping against the table before anything is written. The error says
// what no run can do without: a column that is missing, a status that does not fit its
// column, a column for moments that holds none. Each warning is a sentence
// that says what is amiss and what to do: a key without a unique index, a column that a new
// row needs and nobody fills, a server that cuts values off, a collation of the username or
// the email that takes more for equal than a plan does by default, such as one that ignores
// accents, and what makes a write do something other than it says.
//
// It reads the database's catalogue, and which statuses there are; no user. While others
// keep the table locked, it waits a few seconds. A plan carries the warnings, as
// [adsync.Checker] says.
func (s *Store) Check(ctx context.Context) (warnings []string, err error) {
	for try := 1; ; try++ {
		warnings, err = s.check(ctx)
		if err != nil && s.layout.dialect.Fault(err).Kind == sqltable.Retry && sqlbatch.Wait(ctx, try) {
			continue
		}
		if err != nil {
			return nil, explainReading(ctx, s.layout, err)
		}
		return warnings, notRead(ctx)
	}
}

func (s *Store) check(ctx context.Context) ([]string, error) {
	known, err := s.inspector.look(ctx)
	if err != nil {
		return nil, err
	}
	c := &checker{db: s.db, known: known}
	err = c.checkAll(ctx)
	return c.warnings, err
}

// Lock keeps other runs off the table, and fails at once when one has it; while the pool has
// no connection to give, it waits, as long as ctx lasts. It holds an advisory lock of PostgreSQL or MySQL on a connection of its own, which ends
// with the process. Behind a pooler that gives a connection to others between
// transactions, such a lock keeps nobody off.
//
// A lock is of the table, the source and the arguments of Where, so that tenants of one
// table do not wait for each other. Where the username or the email has no unique index
// over it, which keeps one tenant from taking what another is about to, it is of the
// whole table.
//
// SQLite has no such lock, and a pool of a single connection has none to spare:
// there it keeps apart only the runs of this Store. Runs that overlap nevertheless
// do no harm, because each write compares the row: the later one finds it stale, or
// written already.
func (s *Store) Lock(ctx context.Context, source string) (unlock func() error, err error) {
	return s.lock.acquire(ctx, source)
}

// Users reads all users with one query, and with Table.Roles the roles with one before it. What
// changes between the two is found when a user is written, as the row is then compared with
// its roles. While others keep the table locked, as
// happens with SQLite, it waits a few seconds for the first row.
func (s *Store) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	r := &reader{db: s.db, layout: s.layout, inspector: s.inspector, spelling: s.spelling}
	return func(yield func(adsync.User, error) bool) { r.users(ctx, yield) }
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

// Seed fills an empty table with users, for CheckStore of package adsynctest: what has no
// column is left out, a Source is the table's, and a status is the nearest that the
// column can hold. Rows get Defaults and Derived, and OnWrite is called, as for those whom
// a sync creates. It refuses a table that has any row, also one that Where leaves
// out: no host's users are to be taken for those of a test.
func (s *Store) Seed(ctx context.Context, users []adsync.User) error {
	known, err := s.inspector.await(ctx)
	if err != nil {
		return err
	}
	if err := checkEmpty(ctx, s.db, s.layout); err != nil {
		return err
	}
	bind := &binder{knownTable: known, now: time.Now()}
	for i, w := range s.writeBatch(ctx, known, seedChanges(s.layout, users)) {
		if w.Err != nil {
			return fmt.Errorf("adsync: user %d of the seed could not be added to the table %s: %w", i+1, s.layout.table.Name, w.Err)
		}
		known.roles.seedHosts(ctx, s.db, bind, w.UserID, users[i].Extra)
	}
	return nil
}

// ApplyChanges writes all changes in one transaction; more than 5,000 new users in two at the
// same time, on two connections of the pool, unless it is SQLite, the pool has just one to
// give, or the table has OnWrite or Roles, or a driver.Valuer among its Defaults. A change that the database or
// OnWrite refuses is undone alone; in a batch of more than 500 the others are then
// written in transactions of 500. When the context ends before a commit, nothing of
// that transaction is written; when the commit is not answered, each is [adsync.ErrUnknown].
func (s *Store) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	out := make([]adsync.Written, len(cs))
	if len(cs) == 0 {
		return out
	}
	known, err := s.inspector.await(ctx)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	copy(out, s.writeAll(ctx, known, cs))
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
	bind := &binder{knownTable: known, now: time.Now()}
	return newBatch(s.db, bind, s.spelling, work{changes: cs, ids: make([]string, len(cs))}).run(ctx)
}
