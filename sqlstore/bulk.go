package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// bulkWriter is nil where the changes have to be written one by one: two changes
// of one row or entry, or a dialect without statements for many rows.
func (b *batch) bulkWriter() func(context.Context, *sqlbatch.Tx) ([]error, error) {
	if !b.dialect.HasBulk() || b.table.OnWrite != nil || !b.touchApart() {
		return nil
	}
	return func(ctx context.Context, tx *sqlbatch.Tx) ([]error, error) {
		verdicts := make([]error, len(b.changes))
		return verdicts, (&bulkWriter{batch: b, tx: tx, verdicts: verdicts}).writeAll(ctx)
	}
}

// touchApart reports whether no two changes touch one row or entry.
func (b *batch) touchApart() bool {
	users, entries := make(map[string]bool, len(b.changes)), make(map[adsync.ObjectID]bool)
	for _, c := range b.changes {
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

// usualBatch is how many changes a batch seldom has more of.
const usualBatch = 500

// bulkWriter writes changes that do not touch the same rows with one statement
// for each kind.
type bulkWriter struct {
	*batch
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
		g.Bulk = w.sql.InsertMany(w.types, set, w.table.Columns.ObjectID)
	case op == adsync.OpDelete && w.table.Delete == nil:
		g.Bulk = w.sql.DeleteMany(w.types)
	default:
		g.Bulk = w.sql.UpdateMany(w.types, set)
	}
	return g
}

func (w *bulkWriter) writeAll(ctx context.Context) error {
	for _, i := range w.order() {
		if err := w.sort(ctx, i); err != nil {
			return err
		}
	}
	for _, g := range w.groups {
		if err := w.write(ctx, g); err != nil {
			return err
		}
	}
	return w.settle(ctx)
}

// sort puts a change into its group, or where it cannot be written at once.
func (w *bulkWriter) sort(ctx context.Context, i int) (fault error) {
	c := w.changes[i]
	w.ids[i] = ""
	if w.verdicts[i] = c.CheckShape(writeOp(c)); w.verdicts[i] != nil {
		return nil
	}
	var set []string
	var values []any
	switch c.Op {
	case adsync.OpCreate:
		set, values, fault = w.newRow(ctx, i)
	case adsync.OpDelete:
		set, values = w.removal(c)
	default:
		if c.Before == nil {
			w.verdicts[i] = adsync.ErrStale
			return nil
		}
		set, values, w.verdicts[i] = w.assignments(c.Before, c.After)
	}
	if fault != nil || w.verdicts[i] != nil {
		return fault
	}
	if c.Op != adsync.OpCreate {
		w.values = append(append(w.values[:0], w.bindID(c.UserID)), values...)
		var ok bool
		if w.values, ok = w.matchArgs(w.values, c); !ok || c.Op == adsync.OpUpdate && len(set) == 0 {
			w.unsure = append(w.unsure, i)
			return nil
		}
		values = w.values
	}
	return w.enter(i, set, values)
}

// newRow is create up to the writing.
func (w *bulkWriter) newRow(ctx context.Context, i int) (set []string, values []any, fault error) {
	if w.batch.tx != w.tx {
		if w.links, fault = w.findLinks(ctx, w.tx); fault != nil {
			return nil, nil, fault
		}
		w.batch.tx = w.tx
	}
	c := w.changes[i]
	id, there := w.links[link{c.After.Source, c.After.ObjectID}]
	if there {
		w.ids[i], w.verdicts[i] = id, adsync.ErrAlready
		return nil, nil, nil
	}
	if w.verdicts[i] = c.Guard(nil); w.verdicts[i] != nil {
		return nil, nil, nil
	}
	values, w.verdicts[i] = w.newValues(c.After)
	return w.newColumns, values, nil
}

// enter adds the change to the group of its kind.
func (w *bulkWriter) enter(i int, set []string, values []any) error {
	op := w.changes[i].Op
	at := slices.IndexFunc(w.groups, func(g *bulkGroup) bool { return g.op == op && slices.Equal(g.set, set) })
	if at < 0 {
		at = len(w.groups)
		w.groups = append(w.groups, w.newGroup(op, set))
		w.groups[at].Grow(min(len(w.changes)-i, usualBatch))
	}
	g := w.groups[at]
	g.changes = append(g.changes, i)
	return g.Add(values)
}

// write runs the statement of a group. The rows that it does not find as planned
// are left to settle.
func (w *bulkWriter) write(ctx context.Context, g *bulkGroup) error {
	if g.op == adsync.OpCreate {
		return w.insertAll(ctx, g)
	}
	written, err := w.ordinals(ctx, g.Text, slices.Concat(g.Args(), w.where), len(g.changes))
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
			_, err := one(2, nil)
			return nil, err
		}
		written[k-1] = true
	}
	return written, rows.Err()
}

// insertAll adds the rows of a group.
func (w *bulkWriter) insertAll(ctx context.Context, g *bulkGroup) error {
	rows, err := w.tx.QueryContext(ctx, g.Text, g.Args()...)
	if err != nil {
		return err
	}
	defer rows.Close()
	added := make(map[adsync.ObjectID]string, len(g.changes))
	row := sqltable.NewRow(2)
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return err
		}
		guid, _ := w.guids.Read(row.Cell(1))
		if added[adsync.ObjectID(guid)], err = w.idText(row.Cell(0), w.idType()); err != nil {
			return ownFault{errNoNewID}
		}
	}
	if err := cmp.Or(rows.Close(), rows.Err()); err != nil {
		return err
	}
	for _, i := range g.changes {
		id, ok := added[w.changes[i].ObjectID]
		if !ok {
			return ownFault{errNoNewID}
		}
		w.ids[i] = id
	}
	return nil
}

// settle reads the rows that were not as planned, and lets Guard judge.
func (w *bulkWriter) settle(ctx context.Context) error {
	now, err := w.lockRows(ctx, w.unsure)
	if err != nil {
		return err
	}
	for _, i := range w.unsure {
		c := w.changes[i]
		if w.verdicts[i] = c.Guard(now[c.UserID]); w.verdicts[i] != nil {
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
		_, err := w.remove(ctx, w.tx, c, nil)
		return err
	}
	set, values, err := w.assignments(c.Before, c.After)
	if err != nil || len(set) == 0 {
		return err
	}
	_, err = one(w.tx.Exec(ctx, w.updateText(set, false), slices.Concat(values, []any{w.bindID(c.UserID)}, w.where)...))
	return err
}

// lockRows is lockRow for the users of many changes, by ID.
func (w *bulkWriter) lockRows(ctx context.Context, changes []int) (map[string]*adsync.User, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	ids := sqltable.Array{Type: w.idType()}
	for _, i := range changes {
		ids.Add(w.bindID(w.changes[i].UserID))
	}
	rows, err := w.tx.QueryContext(ctx, w.sql.SelectMany(w.types), slices.Concat([]any{ids.String()}, w.where)...)
	if err != nil {
		return nil, err
	}
	users, err := w.collect(rows)
	if err != nil {
		return nil, err
	}
	return byID(users)
}

func byID(users []adsync.User) (map[string]*adsync.User, error) {
	found := make(map[string]*adsync.User, len(users))
	for i := range users {
		if found[users[i].ID] != nil {
			_, err := one(2, nil)
			return nil, err
		}
		found[users[i].ID] = &users[i]
	}
	return found, nil
}
