package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// create adds a row, unless the entry has one.
func (b *batch) create(ctx context.Context, tx *sqlbatch.Tx, i int) (verdict, fault error) {
	if fault := b.begin(ctx, tx); fault != nil {
		return nil, fault
	}
	c := b.changes[i]
	l := link{c.After.Source, c.After.ObjectID}
	if id, ok := b.added[l]; ok {
		b.ids[i] = id
		b.links[l] = id
		delete(b.added, l)
		return nil, nil
	}
	if id, ok := b.links[l]; ok {
		b.ids[i] = id
		return adsync.ErrAlready, nil
	}
	if err := c.Guard(nil); err != nil {
		return err, nil
	}
	values, err := b.newValues(c.After)
	if err != nil {
		return err, nil
	}
	id, fault := b.insert(ctx, tx, l, values)
	if fault != nil {
		return nil, fault
	}
	b.ids[i] = id
	if !l.id.IsZero() {
		b.links[l] = id
	}
	return nil, nil
}

// createAhead adds rows with one statement for many, which is several times as
// fast where the server is another process. It leaves all that takes a closer look
// to create.
func (b *batch) createAhead(ctx context.Context, tx *sqlbatch.Tx) error {
	var fresh []*adsync.User
	for _, i := range b.order() {
		c := b.changes[i]
		if c.CheckShape(adsync.OpCreate) == nil && c.Guard(nil) == nil && !c.After.ObjectID.IsZero() {
			fresh = append(fresh, c.After)
		}
	}
	if len(fresh) < 2 {
		return nil
	}
	if fault := b.begin(ctx, tx); fault != nil {
		return fault
	}
	fresh = slices.DeleteFunc(fresh, func(u *adsync.User) bool { return b.links[link{u.Source, u.ObjectID}] != "" })
	return b.insertAhead(ctx, tx, fresh)
}

// insertAhead adds rows that are not there.
func (b *batch) insertAhead(ctx context.Context, tx *sqlbatch.Tx, users []*adsync.User) error {
	var many insertText
	for rows := range slices.Chunk(users, b.rowsAtOnce()) {
		if len(rows) != many.rows {
			var fault error
			if many, fault = b.insertText(ctx, tx, len(rows)); fault != nil {
				return fault
			}
		}
		if fault := b.insertMany(ctx, tx, many, rows); fault != nil {
			return fault
		}
	}
	return nil
}

// rowsAtOnce is how many rows one statement adds: as many as pay off, few enough for the
// arguments that a statement may have, and fewer where the host makes each of them long,
// so that no packet gets too large.
func (b *batch) rowsAtOnce() int {
	const arguments, fewest = 32000, 100
	most := b.dialect.RowsAtOnce()
	for _, v := range b.table.Defaults {
		if len(sqltable.CellOf(v).Text) > textMost {
			most = fewest
		}
	}
	return max(1, min(most, arguments/len(b.newColumns)))
}

// insertText is a statement that adds so many rows.
type insertText struct {
	text    string
	rows    int
	returns bool // the ID and link of each row
}

// insertText asks a server that may return new rows to prepare such a statement, which
// writes nothing. Where it refuses, the rows are looked for afterwards.
func (b *batch) insertText(ctx context.Context, tx *sqlbatch.Tx, n int) (many insertText, fault error) {
	if b.dialect.Returning() {
		return insertText{text: b.sql.InsertRows(b.newColumns, n, b.linkNames...), rows: n, returns: true}, nil
	}
	if text, ok := b.sql.InsertReturning(b.newColumns, n, b.linkNames...); ok {
		refusal := tx.Prepare(ctx, text)
		if refusal == nil {
			return insertText{text: text, rows: n, returns: true}, nil
		}
		fault = b.unlessRefused(ctx, refusal)
	}
	return insertText{text: b.sql.InsertRows(b.newColumns, n), rows: n}, fault
}

// order lists the changes with the new users at the end, by name. Addresses mostly
// follow names, so an import walks the indexes in order instead of back and forth: with
// SQLite's usual cache that saves a quarter of the work.
func (b *batch) order() []int {
	var order, creates []int
	for i, c := range b.changes {
		if c.Op == adsync.OpCreate && c.After != nil {
			creates = append(creates, i)
		} else {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(creates, func(i, k int) int {
		return strings.Compare(b.changes[i].After.Username, b.changes[k].After.Username)
	})
	return append(order, creates...)
}

// insertMany notes the new rows' IDs by what the database says that it has added.
func (b *batch) insertMany(ctx context.Context, tx *sqlbatch.Tx, many insertText, rows []*adsync.User) error {
	all := make([]any, 0, len(rows)*len(b.newColumns))
	for _, u := range rows {
		values, err := b.newValues(u)
		if err != nil {
			return ownFault{err} // create says whose it is
		}
		all = append(all, values...)
	}
	known := len(b.added)
	if err := b.insertAndRead(ctx, tx, many, all, rows); err != nil {
		return err
	}
	if len(b.added)-known != len(rows) {
		return ownFault{errNoNewID}
	}
	return nil
}

// insertAndRead notes what the statement returns, or what is to be found afterwards.
func (b *batch) insertAndRead(ctx context.Context, tx *sqlbatch.Tx, many insertText, values []any, rows []*adsync.User) error {
	if many.returns {
		added, err := tx.Rows(ctx, many.text, values...)
		if err != nil {
			return err
		}
		return b.readAdded(added)
	}
	if _, err := tx.Exec(ctx, many.text, values...); err != nil {
		return err
	}
	bySource := make(map[string][]adsync.ObjectID)
	for _, u := range rows {
		bySource[u.Source] = append(bySource[u.Source], u.ObjectID)
	}
	for source, ids := range bySource {
		if err := b.addLinks(ctx, tx, b.added, b.ownSpelled, source, ids...); err != nil {
			return err
		}
	}
	return nil
}

// readAdded reads the IDs and links of new rows.
func (b *batch) readAdded(rows *sql.Rows) error {
	defer rows.Close()
	row := sqltable.NewRow(1 + len(b.linkNames))
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return err
		}
		id, err := b.idText(row.Cell(0), b.idType())
		if err != nil {
			return ownFault{errNoNewID}
		}
		l, ok := b.readLink(row)
		if !ok {
			return ownFault{errNoNewID}
		}
		b.added[l] = id
	}
	return cmp.Or(rows.Close(), rows.Err())
}

// readLink reads the link that stands behind the ID of a new row.
func (b *batch) readLink(row *sqltable.Row) (l link, ok bool) {
	u, at := adsync.User{Source: b.table.Source}, 1
	for _, c := range b.columns {
		if slices.Contains(b.linkNames, c.name) {
			if !b.readCell(b.knownTable, &u, c.field, row.Cell(at)) {
				return link{}, false
			}
			at++
		}
	}
	return link{u.Source, u.ObjectID}, true
}

// findLinks finds the rows of all entries of the batch at once: where the column
// has no index, one search for each would read the table as often.
func (b *batch) findLinks(ctx context.Context, tx *sqlbatch.Tx) (map[link]string, error) {
	wanted := make(map[string][]adsync.ObjectID)
	for _, c := range b.changes {
		if c.Op == adsync.OpCreate && c.After != nil && !c.After.ObjectID.IsZero() {
			wanted[c.After.Source] = append(wanted[c.After.Source], c.After.ObjectID)
		}
	}
	found := make(map[link]string)
	const most = 5000 // an entry is up to 6 arguments, of which SQLite takes 32,766
	for source, all := range wanted {
		for ids := range slices.Chunk(all, most) {
			if err := b.addLinks(ctx, tx, found, b.spellings, source, ids...); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (b *batch) addLinks(ctx context.Context, tx *sqlbatch.Tx, found map[link]string, spell func(adsync.ObjectID) []any, source string, ids ...adsync.ObjectID) error {
	var values, args []any
	for _, id := range ids {
		values = append(values, spell(id)...)
	}
	if b.table.Columns.Source != "" {
		args = append(args, source)
	}
	text, values := b.selectLinks(source, values)
	users, err := b.readUsers(ctx, tx, text, slices.Concat(args, values, b.where))
	for _, u := range users {
		found[link{u.Source, u.ObjectID}] = u.ID
	}
	return err
}

// selectLinks looks for objectGUIDs: with an array, where there are arrays, because
// thousands of arguments cost more than the search itself.
func (b *batch) selectLinks(source string, values []any) (text string, args []any) {
	column, sources := b.table.Columns.ObjectID, b.table.Columns.Source
	if !b.dialect.HasBulk() {
		return b.sql.SelectLinks(sources, source == "", column, len(values)), values
	}
	all := sqltable.Array{Type: b.types[column].Name}
	for _, v := range values {
		all.Add(v)
	}
	return b.sql.SelectLinksMany(b.types, sources, source == "", column), []any{all.String()}
}

// spellings are what to look for. Six of them for each entry cost SQLite as much as
// the inserts; so a batch, which comes from a run that has just read all users,
// trusts that where nobody used another spelling, nobody does so now. A row that another
// program adds in the meantime, in another spelling, is found as the holder of the same
// keys: ApplyChanges then looks again, for one entry, and so in all spellings. With other
// keys it is missed, and the next sync reports both as linked to one entry.
func (b *batch) spellings(id adsync.ObjectID) []any {
	if len(b.changes) > 1 && b.spellsAlone() {
		return b.ownSpelled(id)
	}
	return b.guids.Spellings(adattr.GUID(id))
}

func (b *batch) ownSpelled(id adsync.ObjectID) []any { return []any{b.guids.Write(adattr.GUID(id))} }

// insert returns the new row's ID, in the way that the dialect has.
func (b *batch) insert(ctx context.Context, tx *sqlbatch.Tx, l link, values []any) (string, error) {
	text := b.sql.Insert(b.newColumns)
	if b.dialect.Returning() {
		return b.insertReturning(ctx, tx, text, values)
	}
	res, err := tx.Result(ctx, text, values...)
	if err != nil {
		return "", err
	}
	if _, own := b.table.Defaults[b.table.Columns.ID]; !own {
		if id, err := res.LastInsertId(); err == nil && id > 0 {
			return strconv.FormatInt(id, 10), nil
		}
	}
	found := make(map[link]string)
	if err := b.addLinks(ctx, tx, found, b.ownSpelled, l.source, l.id); err != nil {
		return "", err
	}
	if id := found[l]; id != "" {
		return id, nil
	}
	return "", ownFault{errNoNewID}
}

var errNoNewID = errors.New("adsync: the new row was not kept, as its ID or the row itself is not to be found; give the ID column a default, and make sqlstore.Table.Defaults fit sqlstore.Table.Where")

func (b *batch) insertReturning(ctx context.Context, tx *sqlbatch.Tx, text string, values []any) (string, error) {
	rows, err := tx.Rows(ctx, text, values...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	row := sqltable.NewRow(1)
	if rows.Next() {
		if err := row.Scan(rows); err != nil {
			return "", err
		}
	}
	if err := cmp.Or(rows.Close(), rows.Err()); err != nil {
		return "", err
	}
	id, err := b.idText(row.Cell(0), b.idType())
	if err != nil {
		return "", ownFault{errNoNewID}
	}
	return id, nil
}
