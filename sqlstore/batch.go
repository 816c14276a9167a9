package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// batch writes the changes of one transaction.
type batch struct {
	*Store
	*knownTable
	now     time.Time // that is written where one is
	changes []adsync.Change
	ids     []string // of the users that are created, or were there already

	tx    *sqlbatch.Tx    // the one that links was read in
	links map[link]string // the rows that the changes would create again, by ID
	added map[link]string // the rows that tx added ahead, by ID

	countedTx *sqlbatch.Tx // the one that done is of
	done      map[int]bool // the changes that countedTx wrote ahead

	updates []updateText // that were needed so far
}

// updateText is the text of a statement, which takes longer to make than some databases
// take to run it.
type updateText struct {
	set   []string
	match bool
	text  string
}

func (b *batch) updateText(set []string, match bool) string {
	for _, u := range b.updates {
		if u.match == match && slices.Equal(u.set, set) {
			return u.text
		}
	}
	text := b.sql.Update(set, match)
	b.updates = append(b.updates, updateText{set, match, text})
	return text
}

func (b *batch) batch() sqlbatch.Batch {
	return sqlbatch.Batch{
		DB:     b.db,
		Lock:   b.sql.LockWrites(),
		Len:    len(b.changes),
		Apply:  b.apply,
		Bulk:   b.bulkWriter(),
		Ahead:  b.ahead,
		Verify: b.verify,
		Part: func(from, to int) sqlbatch.Batch {
			return (&batch{Store: b.Store, knownTable: b.knownTable, now: b.now, changes: b.changes[from:to], ids: b.ids[from:to]}).batch()
		},
		Retry:   func(err error) bool { return b.dialect.Fault(err).Kind == sqltable.Retry },
		Refused: func(err error) bool { return b.dialect.Fault(err).Kind != sqltable.Other },
		Ended:   b.dialect.NoTransaction,
		Stop:    func(err error) bool { return b.dialect.Fault(err).Kind == sqltable.ReadOnly },
	}
}

// ownFault is a fault in the words of this package, or of the host's OnWrite.
type ownFault struct{ error }

func (e ownFault) Unwrap() error { return e.error }

func (b *batch) apply(ctx context.Context, tx *sqlbatch.Tx, i int) (verdict, fault error) {
	c := b.changes[i]
	b.ids[i] = ""
	if b.countedTx == tx && b.done[i] {
		return nil, nil
	}
	if err := c.CheckShape(writeOp(c)); err != nil {
		return err, nil
	}
	switch c.Op {
	case adsync.OpDelete:
		return b.delete(ctx, tx, c)
	case adsync.OpCreate:
		verdict, fault = b.create(ctx, tx, i)
	default:
		verdict, fault = b.update(ctx, tx, c)
	}
	if verdict != nil || fault != nil {
		return verdict, fault
	}
	return nil, b.onWrite(ctx, tx, c, b.writtenID(i))
}

// onWrite lets the host write what belongs to the change.
func (b *batch) onWrite(ctx context.Context, tx *sqlbatch.Tx, c adsync.Change, id string) (fault error) {
	if b.table.OnWrite == nil {
		return nil
	}
	if err := b.table.OnWrite(ctx, tx.Tx, c, id); err != nil {
		return ownFault{fmt.Errorf("adsync: OnWrite refused the %s of user %s, which was undone: %w", c.Op, id, err)}
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
	set, values, err := b.assignments(c.Before, c.After)
	if err != nil {
		return err, nil
	}
	write := func(match []any) (int64, error) {
		args := slices.Concat(values, b.target(c.UserID, match), b.where)
		return one(tx.Exec(ctx, b.updateText(set, match != nil), args...))
	}
	if match, ok := b.matchArgs(nil, c); ok && len(set) > 0 {
		if n, fault := write(match); n > 0 || fault != nil {
			return nil, fault
		}
	}
	now, fault := b.lockRow(ctx, tx, c.UserID)
	if fault != nil {
		return nil, fault
	}
	if err := c.Guard(now); err != nil || len(set) == 0 {
		return err, nil
	}
	_, fault = write(nil)
	return nil, fault
}

// delete does the same, but where OnWrite is to be asked the row is read first.
func (b *batch) delete(ctx context.Context, tx *sqlbatch.Tx, c adsync.Change) (verdict, fault error) {
	if match, ok := b.matchArgs(nil, c); ok && b.table.OnWrite == nil {
		n, fault := b.remove(ctx, tx, c, match)
		if n > 0 || fault != nil {
			return nil, fault
		}
	}
	now, fault := b.lockRow(ctx, tx, c.UserID)
	if fault != nil {
		return nil, fault
	}
	if err := c.Guard(now); err != nil {
		return err, nil
	}
	if fault := b.onWrite(ctx, tx, c, c.UserID); fault != nil {
		return nil, fault
	}
	_, fault = b.remove(ctx, tx, c, nil)
	return nil, fault
}

// remove deletes the row, or marks it and frees its keys.
func (b *batch) remove(ctx context.Context, tx *sqlbatch.Tx, c adsync.Change, match []any) (int64, error) {
	id := c.UserID
	if b.table.Delete == nil {
		args := slices.Concat(b.target(id, match), b.where)
		return one(tx.Exec(ctx, b.sql.Delete(match != nil), args...))
	}
	set, values := b.removal(c)
	args := slices.Concat(values, b.target(id, match), b.where)
	return one(tx.Exec(ctx, b.updateText(set, match != nil), args...))
}

// removal lists what marks a row as deleted and frees its keys; it is empty where rows
// are removed. What is derived is so from the keys that the row is left with.
func (b *batch) removal(c adsync.Change) (set []string, values []any) {
	if b.table.Delete == nil {
		return nil, nil
	}
	set = slices.Sorted(maps.Keys(b.table.Delete))
	for _, name := range set {
		values = append(values, b.fitted(name, b.table.Delete[name]))
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
	return append(set, b.derived...), append(values, b.derive(&left)...)
}

// one refuses to write several rows for one ID.
func one(n int64, err error) (int64, error) {
	if err == nil && n > 1 {
		err = ownFault{errors.New("adsync: several rows have this ID, and none was written; map the primary key as sqlstore.Columns.ID")}
	}
	return n, err
}

// lockRow reads the row as it is now and holds it; nil when there is none.
func (b *batch) lockRow(ctx context.Context, tx *sqlbatch.Tx, id string) (*adsync.User, error) {
	users, err := b.readUsers(ctx, tx, b.sql.SelectRow(), slices.Concat([]any{b.bindID(id)}, b.where))
	if err != nil || len(users) == 0 {
		return nil, err
	}
	_, err = one(int64(len(users)), nil)
	return &users[0], err
}

func (b *batch) readUsers(ctx context.Context, tx *sqlbatch.Tx, text string, args []any) ([]adsync.User, error) {
	rows, err := tx.Rows(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return b.collect(rows)
}

func (b *batch) collect(rows *sql.Rows) ([]adsync.User, error) {
	defer rows.Close()
	row := b.newRow(b.knownTable)
	var users []adsync.User
	for rows.Next() {
		u, err := row.read(rows)
		if err != nil {
			return nil, ownFault{err}
		}
		users = append(users, u)
	}
	return users, rows.Err()
}

// begin looks, once in each transaction, for what is there already.
func (b *batch) begin(ctx context.Context, tx *sqlbatch.Tx) (fault error) {
	if b.tx == tx {
		return nil
	}
	b.added = map[link]string{}
	if b.links, fault = b.findLinks(ctx, tx); fault == nil {
		b.tx = tx
	}
	return fault
}

// ahead writes what can be written in many rows with one statement. The rest, and
// everything that is not as planned, is left to apply.
func (b *batch) ahead(ctx context.Context, tx *sqlbatch.Tx) error {
	if b.table.OnWrite != nil {
		return nil // the host's own statements must find what they would have found
	}
	if fault := b.writeAhead(ctx, tx); fault != nil {
		return fault
	}
	return b.createAhead(ctx, tx)
}

// writeAhead updates and deletes where a statement tells no more than how many rows
// it wrote. If that is as many as it was given, each was as planned; if not, it is
// undone, and its changes are done and judged one by one. That takes transactions, an
// ID that is one row's alone, and rows that no two changes touch.
func (b *batch) writeAhead(ctx context.Context, tx *sqlbatch.Tx) error {
	if !b.dialect.HasCounted() || !b.types[b.table.Columns.ID].Key || !b.touchApart() {
		return nil
	}
	w := &countedWriter{batch: b, tx: tx, proven: make(map[string]bool)}
	b.countedTx, b.done = tx, make(map[int]bool, len(b.changes))
	for i := range b.changes {
		w.sort(i)
	}
	for _, g := range w.groups {
		for part := range slices.Chunk(g.changes, countedMost) {
			if fault := w.write(ctx, g, part); fault != nil {
				return fault
			}
		}
	}
	return nil
}
