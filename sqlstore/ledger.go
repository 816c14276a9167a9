package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// Ledger is an [adsync.Ledger] over a small table, in the database of the users or another.
// It has one row for each run that did what limits are about: the IDs of the users, and the
// digest of the approval, if there was one. Each Note is a transaction, which reads again
// what it wrote.
type Ledger struct {
	db         *sql.DB
	dialect    sqltable.Dialect
	table      string
	statements *sqltable.Ledger
	tenant     string
}

// NewLedger checks the name, table or schema.table. It sends nothing to the database. The
// host makes the table, in PostgreSQL by
//
//	CREATE TABLE adsync_ledger (
//		tenant   text   NOT NULL,
//		source   text   NOT NULL,
//		run_id   text   NOT NULL PRIMARY KEY,
//		noted_at bigint NOT NULL,
//		approval text,
//		tally    text   NOT NULL,
//		UNIQUE (tenant, source, approval)
//	);
//	CREATE INDEX adsync_ledger_recent ON adsync_ledger (tenant, source, noted_at);
//
// in MySQL and MariaDB by
//
//	CREATE TABLE adsync_ledger (
//		tenant   VARCHAR(191) NOT NULL,
//		source   VARCHAR(191) NOT NULL,
//		run_id   VARCHAR(64)  NOT NULL PRIMARY KEY,
//		noted_at BIGINT       NOT NULL,
//		approval VARCHAR(64),
//		tally    LONGTEXT     NOT NULL,
//		UNIQUE (tenant, source, approval),
//		INDEX (tenant, source, noted_at)
//	) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
//
// and in SQLite by
//
//	CREATE TABLE adsync_ledger (
//		tenant   TEXT    NOT NULL,
//		source   TEXT    NOT NULL,
//		run_id   TEXT    NOT NULL PRIMARY KEY,
//		noted_at INTEGER NOT NULL,
//		approval TEXT,
//		tally    TEXT    NOT NULL,
//		UNIQUE (tenant, source, approval)
//	);
//	CREATE INDEX adsync_ledger_recent ON adsync_ledger (tenant, source, noted_at);
//
// noted_at is in seconds since 1970, by the clock of the machine that ran. No row is ever
// removed here. One that is older than Options.Window is no longer counted, and one that has
// an approval keeps that from being used again: once Options.MaxApprovalAge has passed as
// well, the host may delete it.
func NewLedger(db *sql.DB, dialect Dialect, table string) (*Ledger, error) {
	if db == nil {
		return nil, errors.New("adsync: sqlstore.NewLedger needs a database; pass the *sql.DB that your driver opened")
	}
	d, ok := sqltable.ForName(string(dialect))
	if !ok {
		return nil, fmt.Errorf("adsync: there is no dialect %q; use PostgreSQL, MySQL or SQLite", dialect)
	}
	statements, err := sqltable.NewLedger(d, table)
	if err != nil {
		return nil, errors.New("adsync: the table of sqlstore.NewLedger must be table or schema.table")
	}
	return &Ledger{db: db, dialect: d, table: table, statements: statements}, nil
}

// For returns a Ledger over the same table for other users: those of a tenant, or of another
// user table. Users of different tenants are not counted together, even if their sources
// have one name. NewLedger returns the one for "".
func (l *Ledger) For(tenant string) *Ledger {
	other := *l
	other.tenant = tenant
	return &other
}

// Recent reads what was noted since then.
func (l *Ledger) Recent(ctx context.Context, source string, since time.Time) (adsync.Tally, error) {
	var all adsync.Tally
	err := l.retry(ctx, func() (err error) {
		all, err = l.recent(ctx, source, since)
		return err
	})
	if err != nil {
		return adsync.Tally{}, fmt.Errorf("adsync: cannot read the ledger in the table %s; see that it is there as NewLedger says, and may be read: %w", l.table, l.explain(ctx, err))
	}
	return all, nil
}

func (l *Ledger) recent(ctx context.Context, source string, since time.Time) (all adsync.Tally, err error) {
	rows, err := l.db.QueryContext(ctx, l.statements.Recent(), l.tenant, source, since.Unix())
	if err != nil {
		return all, err
	}
	defer rows.Close()
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return all, err
		}
		var one adsync.Tally
		if json.Unmarshal(text, &one) != nil {
			return all, ownFault{errors.New("a row has a tally that is not one")}
		}
		all.Add(one)
	}
	return all, rows.Err()
}

// Note writes the run's row in place of the one that it may have.
func (l *Ledger) Note(ctx context.Context, source, runID string, t adsync.Tally, used *adsync.Approval) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	err = l.retry(ctx, func() error { return l.note(ctx, source, runID, string(text), used) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, adsync.ErrUsed):
		return adsync.ErrUsed
	}
	return fmt.Errorf("adsync: cannot write to the ledger in the table %s; see that it is there as NewLedger says, and may be written: %w", l.table, l.explain(ctx, err))
}

func (l *Ledger) note(ctx context.Context, source, runID, tally string, used *adsync.Approval) (err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback()
		}
	}()
	if _, err := tx.ExecContext(ctx, l.statements.Forget(), l.tenant, source, runID); err != nil {
		return err
	}
	var digest any
	if used != nil {
		digest = used.Digest
		var run string
		err := tx.QueryRowContext(ctx, l.statements.Used(), l.tenant, source, digest).Scan(&run)
		if err == nil {
			return adsync.ErrUsed
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, l.statements.Note(), l.tenant, source, runID, time.Now().Unix(), digest, tally); err != nil {
		if used != nil && l.dialect.Fault(err).Kind == sqltable.Unique { // another run was faster
			return adsync.ErrUsed
		}
		return err
	}
	var kept string
	if err := tx.QueryRowContext(ctx, l.statements.Noted(), l.tenant, source, runID).Scan(&kept); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if kept != tally {
		return ownFault{errors.New("the database keeps another text than it was given; are its columns too short?")}
	}
	return tx.Commit()
}

// retry tries again what lost against others, for a few seconds.
func (l *Ledger) retry(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || l.dialect.Fault(err).Kind != sqltable.Retry || !sqlbatch.Wait(ctx, try) {
			return err
		}
	}
}

func (l *Ledger) explain(ctx context.Context, err error) error {
	var own ownFault
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &own):
		return own.error
	}
	return inWords(l.dialect, err)
}
