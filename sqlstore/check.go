package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// checker gathers what Check warns of.
type checker struct {
	db       *sql.DB
	known    *knownTable
	warnings []string
}

// checkAll goes on with the next question where one is not answered, unless that is because
// the table is locked, or nobody is there to answer, which says nothing about it.
func (c *checker) checkAll(ctx context.Context) error {
	for _, check := range []func(context.Context) error{c.checkKeys, c.checkDemands, c.checkStatuses, c.checkServer, c.checkCollations, c.checkQuirks, c.checkView, c.checkRoles} {
		err := check(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		fault := c.known.dialect.Fault(err)
		if fault.Kind == sqltable.Retry || sqltable.Away(err) {
			return err
		}
		c.warn("the database does not tell this account all about the table %s, which was not checked further: %s", c.known.table.Name, fault.Reason)
	}
	return nil
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// texts reads rows of texts.
func (c *checker) texts(ctx context.Context, text string, args []any) (rows [][]string, err error) {
	found, err := c.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	names, err := found.Columns()
	if err != nil {
		return nil, err
	}
	row := sqltable.NewRow(len(names))
	for found.Next() {
		if err := row.Scan(found); err != nil {
			return nil, err
		}
		texts := make([]string, len(names))
		for i := range texts {
			texts[i] = row.Cell(i).Text
		}
		rows = append(rows, texts)
	}
	return rows, found.Err()
}

// checkKeys looks for a unique index over each key: without one, nothing but the plan
// keeps two users apart. A unique shadow of a key does, too.
func (c *checker) checkKeys(ctx context.Context) error {
	loose, err := c.withoutIndex(ctx)
	if err != nil {
		return err
	}
	for _, col := range loose {
		if isKey(col) {
			c.warn("the column %s of the table %s has no unique index, so another program may give two users one %s; add one", col.name, c.known.table.Name, col.field)
		} else {
			c.warn("the column %s of the table %s has no unique index, so two users may be linked to one account, and an import reads the whole table for each batch; add one, over the source too if there are several", col.name, c.known.table.Name)
		}
	}
	return nil
}

func isKey(c column) bool {
	return c.field == adsync.FieldUsername || c.field == adsync.FieldEmail
}

func (c *checker) keysWithoutIndex(ctx context.Context) ([]column, error) {
	loose, err := c.withoutIndex(ctx)
	return slices.DeleteFunc(loose, func(col column) bool { return !isKey(col) }), err
}

// withoutIndex are the columns of keys and ObjectIDs that no unique index is over.
func (c *checker) withoutIndex(ctx context.Context) (loose []column, err error) {
	text, args := c.known.queries.UniqueIndexes()
	rows, err := c.texts(ctx, text, args)
	if err != nil {
		return nil, err
	}
	unique := func(column string) bool {
		return slices.ContainsFunc(rows, func(row []string) bool { return mentions(row[0], column) })
	}
	shadowed := slices.ContainsFunc(c.known.derived, unique)
	for _, col := range c.known.columns {
		matters := isKey(col) && !shadowed || col.field == adsync.FieldObjectID
		if matters && !unique(col.name) {
			loose = append(loose, col)
		}
	}
	return loose, nil
}

// mentions reports whether a column is named, alone or in an expression.
func mentions(text, column string) bool {
	text, column = strings.ToLower(text), strings.ToLower(column)
	isWord := func(r rune) bool {
		return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 0x80
	}
	for rest := text; ; {
		before, after, found := strings.Cut(rest, column)
		if !found {
			return false
		}
		if strings.TrimRightFunc(before, isWord) == before && strings.TrimLeftFunc(after, isWord) == after {
			return true
		}
		rest = after
	}
}

// checkDemands looks for columns that a new row needs and nobody fills.
func (c *checker) checkDemands(ctx context.Context) error {
	text, args := c.known.queries.Demands()
	rows, err := c.texts(ctx, text, args)
	if err != nil {
		return err
	}
	var missing []string
	for _, row := range rows {
		filled := slices.ContainsFunc(c.known.newColumns, func(name string) bool { return strings.EqualFold(name, row[0]) })
		if !filled {
			missing = append(missing, row[0])
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		c.warn("a new row of the table %s needs a value for %s, and would be refused; give one in sqlstore.Table.Defaults or Derived, or let the column have a default", c.known.table.Name, strings.Join(missing, ", "))
	}
	return nil
}

// checkStatuses looks for stored statuses that no mapped one matches: their users read as
// blocked, and no sync deactivates them or makes them active.
func (c *checker) checkStatuses(ctx context.Context) error {
	column := c.known.table.Columns.Status
	if column == "" || c.known.statuses.rest != "" {
		return nil
	}
	const most = 100
	found, err := c.db.QueryContext(ctx, c.known.queries.SelectDistinct(column, most), c.known.where...)
	if err != nil {
		return err
	}
	defer found.Close()
	row, all, unmapped := sqltable.NewRow(1), 0, 0
	for found.Next() {
		if err := row.Scan(found); err != nil {
			return err
		}
		all++
		if _, ok := c.known.status.lookUp(row.Cell(0)); !ok {
			unmapped++
		}
	}
	if err := found.Err(); err != nil || unmapped == 0 {
		return err
	}
	reads := string(c.known.statuses.other)
	if unmapped == all {
		c.warn("no value in the column %s of the table %s is one that sqlstore.Table.Statuses maps, so every user reads as %s; say how each status is stored", column, c.known.table.Name, reads)
	} else {
		c.warn("the column %s of the table %s has %d values that sqlstore.Table.Statuses does not map, and their users read as %s; map them, or leave it so if that is what they mean", column, c.known.table.Name, unmapped, reads)
	}
	return nil
}

// checkServer looks for what a server does to values.
func (c *checker) checkServer(ctx context.Context) error {
	if text, ok := c.known.dialect.Mode(); ok {
		rows, err := c.texts(ctx, text, nil)
		if err != nil {
			return err
		}
		if len(rows) == 1 && !strings.Contains(rows[0][0], "STRICT_") {
			c.warn("the server is not strict, and cuts off what is too long for a column; such a write is failed, but let sql_mode have STRICT_TRANS_TABLES, so that the host's own are, too")
		}
	}
	return nil
}

// checkCollations looks for keys that the database takes for one and a plan does not: such
// a user would fail each night, as another has the key.
func (c *checker) checkCollations(ctx context.Context) error {
	for _, col := range c.known.columns {
		text, ok := c.known.queries.ComparesAlike(col.name, c.known.types[col.name])
		if !isKey(col) || !ok {
			continue
		}
		rows, err := c.texts(ctx, text, nil)
		if err != nil {
			return err
		}
		var same []string
		for i, pair := range sqltable.Alike {
			if len(rows) == 1 && i < len(rows[0]) && rows[0][i] == "1" {
				same = append(same, pair[0]+" and "+pair[1])
			}
		}
		if len(same) > 0 {
			c.warn("the collation of the column %s takes %s for one, which a plan tells apart, so a user whom it takes for another would fail each time; let the column have a collation that tells them apart, or let Rules.Fold make one key of them", col.name, strings.Join(same, ", "))
		}
	}
	return nil
}

// checkQuirks warns of what makes a write do something other than it says.
func (c *checker) checkQuirks(context.Context) error {
	if c.known.sql.Overrides() {
		c.warn("the table %s, or a trigger, may delete or change rows for one that is in the way (ON CONFLICT); a sync overrides that, and such a write fails, but the host's own do not", c.known.table.Name)
	}
	if c.known.sql.Uncounted() {
		c.warn("the table %s is a view, or has rules, and its database does not say how many rows were written; each is read before it is written, which takes longer", c.known.table.Name)
	}
	return nil
}

// checkView looks for views that no run can lock, or whose triggers write without looking
// whether the row is still as the statement found it.
func (c *checker) checkView(ctx context.Context) error {
	text, args, ok := c.known.queries.ViewTriggers()
	if !ok {
		return nil
	}
	functions, err := c.texts(ctx, text, args)
	if err != nil || len(functions) == 0 && c.known.view == nil {
		return err
	}
	rows, err := c.db.QueryContext(ctx, c.known.queries.LockNothing())
	if err == nil {
		err = errors.Join(rows.Err(), rows.Close())
	}
	if sqltable.Away(err) {
		return err
	}
	if err != nil && ctx.Err() == nil {
		c.warn("the view %s cannot be read FOR UPDATE, as a row must be before some writes, which would fail; let a query in its list of columns take the place of an outer join: %s", cmp.Or(c.known.table.View, c.known.table.Name), c.known.dialect.Fault(err).Reason)
	}
	for _, f := range functions {
		if f[0] != "" && !strings.Contains(strings.ToUpper(f[0]), "FOR UPDATE") {
			c.warn("the view %s is written by a trigger that locks no row, so a sync may write over what has changed since it read; let the trigger lock the rows FOR UPDATE, compare them with OLD, and return NULL where they differ, as docs/TABLES.md shows", c.known.table.Name)
		}
	}
	return nil
}

// checkRoles looks at the table of roles: whether a new row of it can be written, and
// whether anything keeps a user from having one role twice.
func (c *checker) checkRoles(ctx context.Context) error {
	roles := c.known.roles
	if roles == nil {
		return nil
	}
	text, args := roles.table.Table().Demands()
	demands, err := c.texts(ctx, text, args)
	if err != nil {
		return err
	}
	columns := roles.table.Columns()
	isFilled := func(name string) bool {
		return slices.ContainsFunc(columns, func(filled string) bool { return strings.EqualFold(filled, name) })
	}
	var missing []string
	for _, row := range demands {
		if !isFilled(row[0]) {
			missing = append(missing, row[0])
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		c.warn("a new row of the table %s needs a value for %s, and would be refused, so no role is given; give one in sqlstore.Membership.Values, or let the column have a default", roles.name, strings.Join(missing, ", "))
	}
	text, args = roles.table.Table().UniqueIndexes()
	rows, err := c.texts(ctx, text, args)
	if err != nil {
		return err
	}
	if !coversRoles(rows, columns) {
		c.warn("the table %s has no unique index over %s and %s, so another program may give a user one role twice; add one, over the columns of sqlstore.Membership.Values too if the host's own rows may stand beside the sync's", roles.name, columns[0], columns[1])
	}
	return nil
}

// coversRoles reports whether a unique index is over the user and the role, the first two of
// the columns, and over no others than these. Each row has a column and its index.
func coversRoles(rows [][]string, columns []string) bool {
	indexes := map[string][]string{}
	for _, row := range rows {
		indexes[row[1]] = append(indexes[row[1]], row[0])
	}
	for _, over := range indexes {
		has := func(column string) bool {
			return slices.ContainsFunc(over, func(text string) bool { return mentions(text, column) })
		}
		isNone := func(text string) bool {
			return !slices.ContainsFunc(columns, func(column string) bool { return mentions(text, column) })
		}
		if has(columns[0]) && has(columns[1]) && !slices.ContainsFunc(over, isNone) {
			return true
		}
	}
	return false
}
