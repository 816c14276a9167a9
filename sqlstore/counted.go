package sqlstore

import (
	"context"
	"database/sql/driver"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

const (
	countedMost = 50  // rows: each looks for its values in lists of as many
	textMost    = 255 // bytes of a value, so that no packet gets too large
	shortMost   = 2   // statements that found less than they were given, after which a batch goes on one by one
)

// countedWriter writes the changes of each countedGroup with few statements.
type countedWriter struct {
	bind    *binder
	work    work
	tx      *sqlbatch.Tx
	groups  []*countedGroup
	proven  map[string]bool // texts of statements that read by the key
	short   int             // statements that found fewer rows than they were given
	written map[int]bool    // the changes that were done
}

// countedGroup is changes that write the same columns, and agree in all values that
// are no texts.
type countedGroup struct {
	op      adsync.Op
	set     []string
	changes []countedChange
}

// countedChange is one change and its values: the ID, the new ones, and those to compare.
type countedChange struct {
	at     int
	values []any
}

func (w *countedWriter) writeAll(ctx context.Context) error {
	for i := range w.work.changes {
		w.place(i)
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

// place puts a change into its group, if it may be written together with others.
func (w *countedWriter) place(i int) {
	c := w.work.changes[i]
	if c.Op == adsync.OpCreate || c.CheckShape(writeOp(c)) != nil || c.Before == nil {
		return
	}
	key, exact := w.bind.idType().ExactKey(c.UserID)
	if !exact {
		return
	}
	set, values, err := w.bind.removal(c)
	if c.Op == adsync.OpUpdate {
		set, values, err = w.bind.assignments(c.Before, c.After)
	}
	if err != nil || c.Op == adsync.OpUpdate && len(set) == 0 {
		return
	}
	values, matches := w.bind.matchArgs(slices.Concat([]any{key}, values), c)
	if !matches || slices.ContainsFunc(values, unfit) {
		return
	}
	change := countedChange{i, values}
	at := slices.IndexFunc(w.groups, func(g *countedGroup) bool { return g.takes(c.Op, set, change) })
	if at < 0 {
		at = len(w.groups)
		w.groups = append(w.groups, &countedGroup{op: c.Op, set: set})
	}
	w.groups[at].changes = append(w.groups[at].changes, change)
}

// write runs one statement, where it is sure to read no row but those of the part.
func (w *countedWriter) write(ctx context.Context, g *countedGroup, part []countedChange) error {
	if len(part) < 2 || w.short == shortMost {
		return nil
	}
	many, ok := w.statement(g, part)
	if !ok {
		return nil
	}
	if proven, fault := w.prove(ctx, many, len(part)); fault != nil || !proven {
		return fault
	}
	if _, fault := w.tx.ExecContext(ctx, "SAVEPOINT adsync_counted"); fault != nil {
		return unlessRefused(ctx, w.bind.dialect, fault) // the table's engine may have been changed
	}
	n, fault := w.tx.Exec(ctx, many.Text, many.Args...)
	if fault != nil {
		return fault
	}
	if n != int64(len(part)) {
		w.short++
		_, fault := w.tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT adsync_counted")
		return fault
	}
	for _, c := range part {
		w.written[c.at] = true
	}
	return nil
}

func (w *countedWriter) statement(g *countedGroup, part []countedChange) (many sqltable.Counted, ok bool) {
	rows := make([][]any, len(part))
	for i, c := range part {
		rows[i] = c.values
	}
	if g.op == adsync.OpDelete && w.bind.table.Delete == nil {
		many, ok = w.bind.sql.DeleteCounted(w.bind.types, rows)
	} else {
		many, ok = w.bind.sql.UpdateCounted(g.set, rows)
	}
	many.Args = append(many.Args, w.bind.where...)
	return many, ok
}

// prove asks once in a transaction how the statement would be run. A server that
// would read other rows, and so lock them until the end, writes one by one; and so
// does one that does not answer the question.
func (w *countedWriter) prove(ctx context.Context, many sqltable.Counted, n int) (proven bool, fault error) {
	if proven, known := w.proven[many.Text]; known {
		return proven, nil
	}
	rows, err := w.tx.QueryContext(ctx, sqltable.Plan(many.Text), many.Args...)
	if err == nil {
		proven, err = sqltable.ReadsByKey(rows, n)
	}
	w.proven[many.Text] = proven && err == nil
	return w.proven[many.Text], unlessRefused(ctx, w.bind.dialect, err)
}

// unfit reports a value that makes the statement too large, or that is asked for again
// each time.
func unfit(v any) bool {
	_, valuer := v.(driver.Valuer)
	text, _ := v.(string)
	return valuer || len(text) > textMost
}

// takes reports whether the change fits into the group.
func (g *countedGroup) takes(op adsync.Op, set []string, c countedChange) bool {
	if g.op != op || !slices.Equal(g.set, set) {
		return false
	}
	return slices.EqualFunc(g.changes[0].values[1:], c.values[1:], func(a, b any) bool {
		switch a.(type) {
		case string:
			_, text := b.(string)
			return text
		case []byte:
			_, isBytes := b.([]byte)
			return isBytes
		}
		return sqltable.SameValue(a, b)
	})
}
