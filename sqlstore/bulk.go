package sqlstore

import (
	"context"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// usualBatch is how many changes a batch seldom has more of.
const usualBatch = 500

// bulkWriter writes changes that do not touch the same rows with one statement
// for each kind.
type bulkWriter struct {
	bind     *binder
	rows     *rowStatements
	creator  *creator
	work     work
	tx       *sqlbatch.Tx
	verdicts []error
	groups   []*bulkGroup
	unsure   []int // changes whose rows have to be read
	values   []any // of one row at a time
}

// bulkGroup is changes that write the same columns.
type bulkGroup struct {
	*sqltable.Bulk
	op      adsync.Op
	set     []string
	changes []int
}

func (w *bulkWriter) newGroup(op adsync.Op, set []string) *bulkGroup {
	g := &bulkGroup{op: op, set: set}
	switch {
	case op == adsync.OpCreate:
		g.Bulk = w.bind.sql.InsertMany(w.bind.types, set, w.bind.returnedColumns()...)
	case op == adsync.OpDelete && w.bind.table.Delete == nil:
		g.Bulk = w.bind.sql.DeleteMany(w.bind.types)
	default:
		g.Bulk = w.bind.sql.UpdateMany(w.bind.types, set)
	}
	return g
}

func (w *bulkWriter) writeAll(ctx context.Context) error {
	for _, i := range newUsersLast(w.work.changes) {
		if err := w.place(ctx, i); err != nil {
			return err
		}
	}
	for _, g := range w.groups {
		if err := w.write(ctx, g); err != nil {
			return err
		}
	}
	return w.reread(ctx)
}

// place puts a change into its group, or where it cannot be written at once.
func (w *bulkWriter) place(ctx context.Context, i int) (fault error) {
	c := w.work.changes[i]
	w.work.ids[i] = ""
	if w.verdicts[i] = c.CheckShape(writeOp(c)); w.verdicts[i] != nil {
		return nil
	}
	var set []string
	var values []any
	switch c.Op {
	case adsync.OpCreate:
		set = w.bind.newColumns
		values, w.verdicts[i], fault = w.creator.prepare(ctx, w.tx, i)
	case adsync.OpDelete:
		set, values, w.verdicts[i] = w.bind.removal(c)
	default:
		if c.Before == nil {
			w.verdicts[i] = adsync.ErrStale
			return nil
		}
		set, values, w.verdicts[i] = w.bind.assignments(c.Before, c.After)
	}
	if fault != nil || w.verdicts[i] != nil {
		return fault
	}
	if c.Op != adsync.OpCreate {
		w.values = append(append(w.values[:0], w.bind.bindID(c.UserID)), values...)
		var ok bool
		if w.values, ok = w.bind.matchArgs(w.values, c); !ok || c.Op == adsync.OpUpdate && len(set) == 0 {
			w.unsure = append(w.unsure, i)
			return nil
		}
		values = w.values
	}
	return w.join(i, set, values)
}

// join adds the change to the group of its kind.
func (w *bulkWriter) join(i int, set []string, values []any) error {
	op := w.work.changes[i].Op
	at := slices.IndexFunc(w.groups, func(g *bulkGroup) bool { return g.op == op && slices.Equal(g.set, set) })
	if at < 0 {
		at = len(w.groups)
		w.groups = append(w.groups, w.newGroup(op, set))
		w.groups[at].Grow(min(len(w.work.changes)-i, usualBatch))
	}
	g := w.groups[at]
	g.changes = append(g.changes, i)
	return g.Add(values)
}

// write runs the statement of a group. The rows that it does not find as planned
// are left to reread.
func (w *bulkWriter) write(ctx context.Context, g *bulkGroup) error {
	if g.op == adsync.OpCreate {
		return w.creator.insertBulk(ctx, w.tx, g.Bulk, g.changes)
	}
	written, err := w.ordinals(ctx, g.Text, slices.Concat(g.Args(), w.bind.where), len(g.changes))
	if err != nil {
		return err
	}
	for k, i := range g.changes {
		if !written[k] {
			w.unsure = append(w.unsure, i)
		}
	}
	return nil
}

// ordinals runs a statement that returns which of n rows it wrote.
func (w *bulkWriter) ordinals(ctx context.Context, text string, args []any, n int) ([]bool, error) {
	rows, err := w.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	written := make([]bool, n)
	for rows.Next() {
		var k int
		if err := rows.Scan(&k); err != nil {
			return nil, err
		}
		if written[k-1] {
			return nil, ownFault{errSeveralRows}
		}
		written[k-1] = true
	}
	return written, rows.Err()
}

// reread reads the rows that were not as planned, and lets Guard judge.
func (w *bulkWriter) reread(ctx context.Context) error {
	ids := make([]string, len(w.unsure))
	for k, i := range w.unsure {
		ids[k] = w.work.changes[i].UserID
	}
	now, err := w.rows.lockRows(ctx, w.tx, ids)
	if err != nil {
		return err
	}
	for _, i := range w.unsure {
		c := w.work.changes[i]
		verdict, fault := w.rows.judged(c.Guard(now[c.UserID]), true)
		if fault != nil {
			return fault
		}
		if w.verdicts[i] = verdict; verdict != nil {
			continue
		}
		if err := w.overwrite(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// overwrite writes a row that is as planned, though stored differently.
func (w *bulkWriter) overwrite(ctx context.Context, c adsync.Change) error {
	if c.Op == adsync.OpDelete {
		_, err := w.rows.remove(ctx, w.tx, c, nil)
		return err
	}
	set, values, err := w.bind.assignments(c.Before, c.After)
	if err != nil {
		return err
	}
	_, err = w.rows.update(ctx, w.tx, c.UserID, set, values, nil)
	return err
}
