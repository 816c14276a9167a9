package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// work is the changes of a batch, and the users that they created.
type work struct {
	changes []adsync.Change
	ids     []string // of the users that are created, or were there already; by change
}

// userID is whom a change wrote.
func (w work) userID(i int) string {
	if w.changes[i].Op == adsync.OpCreate {
		return w.ids[i]
	}
	return w.changes[i].UserID
}

// part is the changes from one up to another.
func (w work) part(from, to int) work {
	return work{changes: w.changes[from:to], ids: w.ids[from:to]}
}

// apart reports whether no two changes touch one row or entry.
func (w work) apart() bool {
	users, entries := make(map[string]bool, len(w.changes)), make(map[adsync.ObjectID]bool)
	for _, c := range w.changes {
		switch {
		case c.Op != adsync.OpCreate:
			if users[c.UserID] {
				return false
			}
			users[c.UserID] = true
		case c.After != nil:
			if c.After.ObjectID.IsZero() || entries[c.After.ObjectID] {
				return false
			}
			entries[c.After.ObjectID] = true
		}
	}
	return true
}

// writeOp is the kind of write to try; for a change that only informs, one that
// CheckShape refuses.
func writeOp(c adsync.Change) adsync.Op {
	if c.Op == adsync.OpDelete || c.Op == adsync.OpCreate {
		return c.Op
	}
	return adsync.OpUpdate
}

// batch writes the changes of one transaction.
type batch struct {
	db      *sql.DB
	bind    *binder
	work    work
	rows    *rowStatements
	creator *creator

	countedTx *sqlbatch.Tx // the one that counted is of
	counted   map[int]bool // the changes that countedTx wrote ahead
}

func newBatch(db *sql.DB, bind *binder, s *spelling, w work) *batch {
	rows := &rowStatements{bind: bind, spelling: s}
	return &batch{db: db, bind: bind, work: w, rows: rows, creator: &creator{bind: bind, rows: rows, spelling: s, work: w}}
}

func (b *batch) run(ctx context.Context) []adsync.Written {
	return explainOutcomes(b.bind.layout, b.work, b.steps().Run(ctx))
}

// steps is what package sqlbatch is to do, and in which order it does it.
func (b *batch) steps() sqlbatch.Batch {
	dialect := b.bind.dialect
	verify := verifier{bind: b.bind, rows: b.rows, creator: b.creator, work: b.work}
	return sqlbatch.Batch{
		DB:     b.db,
		Lock:   b.bind.sql.LockWrites(),
		Len:    len(b.work.changes),
		Apply:  b.apply,
		Bulk:   b.bulk(),
		Ahead:  b.ahead,
		Verify: verify.all,
		Part: func(from, to int) sqlbatch.Batch {
			return newBatch(b.db, b.bind, b.rows.spelling, b.work.part(from, to)).steps()
		},
		Retry:   func(err error) bool { return dialect.Fault(err).Kind == sqltable.Retry },
		Refused: func(err error) bool { return dialect.Fault(err).Kind != sqltable.Other },
		Ended:   dialect.NoTransaction,
		Stop:    func(err error) bool { return dialect.Fault(err).Kind == sqltable.ReadOnly },
	}
}

// bulk is nil where the changes have to be written one by one: two changes of one row or
// entry, or a dialect without statements for many rows.
func (b *batch) bulk() func(context.Context, *sqlbatch.Tx) ([]error, error) {
	if !b.bind.dialect.HasBulk() || b.bind.oneByOne() || !b.work.apart() {
		return nil
	}
	return func(ctx context.Context, tx *sqlbatch.Tx) ([]error, error) {
		w := &bulkWriter{
			bind: b.bind, rows: b.rows, creator: b.creator, work: b.work, tx: tx, verdicts: make([]error, len(b.work.changes)),
		}
		return w.verdicts, w.writeAll(ctx)
	}
}

// ahead writes what can be written in many rows with one statement. The rest, and
// everything that is not as planned, is left to apply.
func (b *batch) ahead(ctx context.Context, tx *sqlbatch.Tx) error {
	if b.bind.oneByOne() {
		return nil // the host's own statements must find what they would have found
	}
	if fault := b.countedAhead(ctx, tx); fault != nil {
		return fault
	}
	return b.creator.ahead(ctx, tx)
}

// countedAhead updates and deletes where a statement tells no more than how many rows
// it wrote. If that is as many as it was given, each was as planned; if not, it is
// undone, and its changes are done and judged one by one. That takes transactions, an
// ID that is one row's alone, and rows that no two changes touch.
func (b *batch) countedAhead(ctx context.Context, tx *sqlbatch.Tx) error {
	if !b.bind.dialect.HasCounted() || !b.bind.idType().Key || !b.work.apart() {
		return nil
	}
	b.countedTx, b.counted = tx, make(map[int]bool, len(b.work.changes))
	w := &countedWriter{bind: b.bind, work: b.work, tx: tx, proven: make(map[string]bool), written: b.counted}
	return w.writeAll(ctx)
}

// apply does one change.
func (b *batch) apply(ctx context.Context, tx *sqlbatch.Tx, i int) (verdict, fault error) {
	c := b.work.changes[i]
	b.work.ids[i] = ""
	if b.countedTx == tx && b.counted[i] {
		return nil, nil
	}
	if err := c.CheckShape(writeOp(c)); err != nil {
		return err, nil
	}
	switch c.Op {
	case adsync.OpDelete:
		return b.delete(ctx, tx, c)
	case adsync.OpCreate:
		verdict, fault = b.creator.create(ctx, tx, i)
	default:
		verdict, fault = b.update(ctx, tx, c)
	}
	if verdict != nil || fault != nil {
		return verdict, fault
	}
	if fault := b.bind.roles.write(ctx, tx, b.bind, c, b.work.userID(i)); fault != nil {
		return nil, fault
	}
	return nil, b.onWrite(ctx, tx, c, b.work.userID(i))
}

// onWrite lets the host write what belongs to the change.
func (b *batch) onWrite(ctx context.Context, tx *sqlbatch.Tx, c adsync.Change, id string) (fault error) {
	if b.bind.table.OnWrite == nil {
		return nil
	}
	if err := b.bind.table.OnWrite(ctx, tx.Tx, c, id); err != nil {
		words := sqltable.Redact(b.bind.dialect.Fault(err).Reason, personalTexts(c)...) // as it may be the driver's error
		return ownFault{fmt.Errorf("adsync: OnWrite refused the %s of user %s, which was undone: %w", c.Op, id, told{words, err})}
	}
	return nil
}

// update first writes where the row is to the byte as planned. Only when it is
// not does it read the row, and let Guard judge: a row may read the same and
// still be stored differently, as an objectGUID in another spelling.
func (b *batch) update(ctx context.Context, tx *sqlbatch.Tx, c adsync.Change) (verdict, fault error) {
	if c.Before == nil {
		return adsync.ErrStale, nil
	}
	set, values, err := b.bind.assignments(c.Before, c.After)
	if err != nil {
		return err, nil
	}
	tried := false
	if match, ok := b.bind.matchArgs(nil, c); ok && len(set) > 0 && b.bind.roles == nil {
		tried = true
		if n, fault := b.rows.update(ctx, tx, c.UserID, set, values, match); n > 0 || fault != nil {
			return nil, fault
		}
	}
	now, fault := b.rows.lockRow(ctx, tx, c.UserID)
	if fault != nil {
		return nil, fault
	}
	if err := c.Guard(now); err != nil || len(set) == 0 {
		return b.rows.judged(err, tried)
	}
	_, fault = b.rows.update(ctx, tx, c.UserID, set, values, nil)
	return nil, fault
}

// delete does the same, but where OnWrite is to be asked the row is read first.
func (b *batch) delete(ctx context.Context, tx *sqlbatch.Tx, c adsync.Change) (verdict, fault error) {
	tried := false
	if match, ok := b.bind.matchArgs(nil, c); ok && !b.bind.oneByOne() {
		tried = true
		n, fault := b.rows.remove(ctx, tx, c, match)
		if n > 0 || fault != nil {
			return nil, fault
		}
	}
	now, fault := b.rows.lockRow(ctx, tx, c.UserID)
	if fault != nil {
		return nil, fault
	}
	if err := c.Guard(now); err != nil {
		return b.rows.judged(err, tried)
	}
	if fault := b.bind.roles.write(ctx, tx, b.bind, c, c.UserID); fault != nil {
		return nil, fault
	}
	if fault := b.onWrite(ctx, tx, c, c.UserID); fault != nil {
		return nil, fault
	}
	_, fault = b.rows.remove(ctx, tx, c, nil)
	return nil, fault
}
