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
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// creator adds rows, unless their entries have one: one by one, ahead of the other changes,
// or in bulk.
type creator struct {
	bind     *binder
	rows     *rowStatements
	spelling *spelling
	work     work

	tx    *sqlbatch.Tx    // the one that links was read in
	links map[link]string // the rows that the changes would create again, by ID
	added map[link]string // the rows that tx added ahead, by ID

	returned map[string]adsync.User // the rows that tx added, where the database said all of them, by ID
}

var errNoNewID = errors.New("adsync: the new row was not kept, as its ID or the row itself is not to be found; give the ID column a default, and make sqlstore.Table.Defaults fit sqlstore.Table.Where")

// create adds the row of one change, unless the entry has one.
func (k *creator) create(ctx context.Context, tx *sqlbatch.Tx, i int) (verdict, fault error) {
	if fault := k.begin(ctx, tx); fault != nil {
		return nil, fault
	}
	l := linkOf(k.work.changes[i].After)
	if id, ok := k.added[l]; ok {
		k.work.ids[i] = id
		k.links[l] = id
		delete(k.added, l)
		return nil, nil
	}
	values, verdict, fault := k.prepare(ctx, tx, i)
	if verdict != nil || fault != nil {
		return verdict, fault
	}
	id, fault := k.insert(ctx, tx, l, values)
	if fault != nil {
		return nil, fault
	}
	k.work.ids[i] = id
	if !l.id.IsZero() {
		k.links[l] = id
	}
	return nil, nil
}

// prepare is create up to the writing.
func (k *creator) prepare(ctx context.Context, tx *sqlbatch.Tx, i int) (values []any, verdict, fault error) {
	if fault := k.begin(ctx, tx); fault != nil {
		return nil, nil, fault
	}
	c := k.work.changes[i]
	if id, there := k.links[linkOf(c.After)]; there {
		k.work.ids[i] = id
		return nil, adsync.ErrAlready, nil
	}
	values, verdict = k.bind.newValues(c.After)
	return values, verdict, nil
}

// begin looks, once in each transaction, for what is there already.
func (k *creator) begin(ctx context.Context, tx *sqlbatch.Tx) (fault error) {
	if k.tx == tx {
		return nil
	}
	k.added, k.returned = map[link]string{}, map[string]adsync.User{}
	if k.links, fault = k.findLinks(ctx, tx); fault == nil {
		k.tx = tx
	}
	return fault
}

// findLinks finds the rows of all entries of the batch at once: where the column
// has no index, one search for each would read the table as often.
func (k *creator) findLinks(ctx context.Context, tx *sqlbatch.Tx) (map[link]string, error) {
	wanted := make(map[string][]adsync.ObjectID)
	for _, c := range k.work.changes {
		if c.Op == adsync.OpCreate && c.After != nil && !c.After.ObjectID.IsZero() {
			wanted[c.After.Source] = append(wanted[c.After.Source], c.After.ObjectID)
		}
	}
	found := make(map[link]string)
	const most = 5000 // an entry is up to 6 arguments, of which SQLite takes 32,766
	for source, all := range wanted {
		for ids := range slices.Chunk(all, most) {
			if err := k.addLinks(ctx, tx, found, k.spellings, source, ids...); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (k *creator) addLinks(ctx context.Context, tx *sqlbatch.Tx, found map[link]string, spell func(adsync.ObjectID) []any, source string, ids ...adsync.ObjectID) error {
	var values, args []any
	for _, id := range ids {
		values = append(values, spell(id)...)
	}
	if k.bind.table.Columns.Source != "" {
		args = append(args, source)
	}
	text, values := k.selectLinks(source, values)
	users, err := k.rows.readUsers(ctx, tx, text, slices.Concat(args, values, k.bind.where))
	for i := range users {
		found[linkOf(&users[i])] = users[i].ID
	}
	return err
}

// selectLinks looks for objectGUIDs: with an array, where there are arrays, because
// thousands of arguments cost more than the search itself.
func (k *creator) selectLinks(source string, values []any) (text string, args []any) {
	column, sources := k.bind.table.Columns.ObjectID, k.bind.table.Columns.Source
	if !k.bind.dialect.HasBulk() {
		return k.bind.sql.SelectLinks(sources, source == "", column, len(values)), values
	}
	all := sqltable.Array{Type: k.bind.types[column].Name}
	for _, v := range values {
		all.Add(v)
	}
	return k.bind.sql.SelectLinksMany(k.bind.types, sources, source == "", column), []any{all.String()}
}

// spellings are what to look for. Six of them for each entry cost SQLite as much as
// the inserts; so a batch, which comes from a run that has just read all users,
// trusts that where nobody used another spelling, nobody does so now. A row that another
// program adds in the meantime, in another spelling, is found as the holder of the same
// keys: ApplyChanges then looks again, for one entry, and so in all spellings. With other
// keys it is missed, and the next sync reports both as linked to one entry.
func (k *creator) spellings(id adsync.ObjectID) []any {
	if len(k.work.changes) > 1 && k.spelling.alone() {
		return k.ownSpelling(id)
	}
	return k.bind.guids.spellings(id)
}

func (k *creator) ownSpelling(id adsync.ObjectID) []any { return []any{k.bind.guids.write(id)} }

// insert returns the new row's ID, in the way that the dialect has.
func (k *creator) insert(ctx context.Context, tx *sqlbatch.Tx, l link, values []any) (string, error) {
	columns, values := k.bind.writable(k.bind.newColumns, values)
	text := k.bind.sql.Insert(columns)
	if k.bind.dialect.Returning() {
		return k.insertReturning(ctx, tx, text, values)
	}
	res, err := tx.Result(ctx, text, values...)
	if err != nil {
		return "", err
	}
	if _, own := k.bind.table.Defaults[k.bind.table.Columns.ID]; !own {
		if id, err := res.LastInsertId(); err == nil && id > 0 {
			return strconv.FormatInt(id, 10), nil
		}
	}
	found := make(map[link]string)
	if err := k.addLinks(ctx, tx, found, k.ownSpelling, l.source, l.id); err != nil {
		return "", err
	}
	if id := found[l]; id != "" {
		return id, nil
	}
	return "", ownFault{errNoNewID}
}

func (k *creator) insertReturning(ctx context.Context, tx *sqlbatch.Tx, text string, values []any) (string, error) {
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
	return k.newID(row)
}

// newID is the ID at the beginning of a row that was added.
func (k *creator) newID(row *sqltable.Row) (string, error) {
	id, err := k.bind.idText(row.Cell(0), k.bind.idType().Name)
	if err != nil {
		return "", ownFault{errNoNewID}
	}
	return id, nil
}

// insertBulk adds the rows of changes with a statement that returns them.
func (k *creator) insertBulk(ctx context.Context, tx *sqlbatch.Tx, bulk *sqltable.Bulk, changes []int) error {
	rows, err := tx.QueryContext(ctx, bulk.Text, bulk.Args()...)
	if err != nil {
		return err
	}
	if err := k.readAdded(rows); err != nil {
		return err
	}
	for _, i := range changes {
		l := linkOf(k.work.changes[i].After)
		id, ok := k.added[l]
		if !ok {
			return ownFault{errNoNewID}
		}
		delete(k.added, l)
		k.work.ids[i] = id
	}
	return nil
}

// ahead adds rows with one statement for many, which is several times as
// fast where the server is another process. It leaves all that takes a closer look
// to create.
func (k *creator) ahead(ctx context.Context, tx *sqlbatch.Tx) error {
	var fresh []*adsync.User
	for _, i := range newUsersLast(k.work.changes) {
		c := k.work.changes[i]
		if c.CheckShape(adsync.OpCreate) == nil && !c.After.ObjectID.IsZero() {
			fresh = append(fresh, c.After)
		}
	}
	if len(fresh) < 2 {
		return nil
	}
	if fault := k.begin(ctx, tx); fault != nil {
		return fault
	}
	fresh = slices.DeleteFunc(fresh, func(u *adsync.User) bool { return k.links[linkOf(u)] != "" })
	return k.insertAhead(ctx, tx, fresh)
}

// newUsersLast lists the changes with the new users at the end, by name. Addresses mostly
// follow names, so an import walks the indexes in order instead of back and forth: with
// SQLite's usual cache that saves a quarter of the work.
func newUsersLast(changes []adsync.Change) []int {
	var order, creates []int
	for i, c := range changes {
		if c.Op == adsync.OpCreate && c.After != nil {
			creates = append(creates, i)
		} else {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(creates, func(i, k int) int {
		return strings.Compare(changes[i].After.Username, changes[k].After.Username)
	})
	return append(order, creates...)
}

// insertAhead adds rows that are not there.
func (k *creator) insertAhead(ctx context.Context, tx *sqlbatch.Tx, users []*adsync.User) error {
	var many insertText
	for rows := range slices.Chunk(users, k.rowsAtOnce()) {
		if len(rows) != many.rows {
			var fault error
			if many, fault = k.insertFor(ctx, tx, len(rows)); fault != nil {
				return fault
			}
		}
		if fault := k.insertMany(ctx, tx, many, rows); fault != nil {
			return fault
		}
	}
	return nil
}

// rowsAtOnce is how many rows one statement adds: as many as pay off, few enough for the
// arguments that a statement may have, and fewer where the host makes each of them long,
// so that no packet gets too large.
func (k *creator) rowsAtOnce() int {
	const arguments, fewest = 32000, 100
	most := k.bind.dialect.RowsAtOnce()
	for _, v := range k.bind.table.Defaults {
		if len(sqltable.CellOf(v).Text) > textMost {
			most = fewest
		}
	}
	return max(1, min(most, arguments/len(k.bind.newColumns)))
}

// insertText is a statement that adds so many rows.
type insertText struct {
	text    string
	rows    int
	returns bool // the ID and link of each row
}

// insertFor asks a server that may return new rows to prepare such a statement, which
// writes nothing. Where it refuses, the rows are looked for afterwards.
func (k *creator) insertFor(ctx context.Context, tx *sqlbatch.Tx, n int) (many insertText, fault error) {
	columns, returned := k.bind.newColumns, k.bind.returnedColumns()
	if k.bind.dialect.Returning() {
		return insertText{text: k.bind.sql.InsertRows(columns, n, returned...), rows: n, returns: true}, nil
	}
	if text, ok := k.bind.sql.InsertReturning(columns, n, returned...); ok {
		refusal := tx.Prepare(ctx, text)
		if refusal == nil {
			return insertText{text: text, rows: n, returns: true}, nil
		}
		fault = unlessRefused(ctx, k.bind.dialect, refusal)
	}
	return insertText{text: k.bind.sql.InsertRows(columns, n), rows: n}, fault
}

// insertMany notes the new rows' IDs by what the database says that it has added.
func (k *creator) insertMany(ctx context.Context, tx *sqlbatch.Tx, many insertText, rows []*adsync.User) error {
	all := make([]any, 0, len(rows)*len(k.bind.newColumns))
	for _, u := range rows {
		values, err := k.bind.newValues(u)
		if err != nil {
			return ownFault{err} // create says whose it is
		}
		all = append(all, values...)
	}
	before := len(k.added)
	if err := k.insertAndRead(ctx, tx, many, all, rows); err != nil {
		return err
	}
	if len(k.added)-before != len(rows) {
		return ownFault{errNoNewID}
	}
	return nil
}

// insertAndRead notes what the statement returns, or what is to be found afterwards.
func (k *creator) insertAndRead(ctx context.Context, tx *sqlbatch.Tx, many insertText, values []any, rows []*adsync.User) error {
	if many.returns {
		added, err := tx.Rows(ctx, many.text, values...)
		if err != nil {
			return err
		}
		return k.readAdded(added)
	}
	if _, err := tx.Exec(ctx, many.text, values...); err != nil {
		return err
	}
	bySource := make(map[string][]adsync.ObjectID)
	for _, u := range rows {
		bySource[u.Source] = append(bySource[u.Source], u.ObjectID)
	}
	for source, ids := range bySource {
		if err := k.addLinks(ctx, tx, k.added, k.ownSpelling, source, ids...); err != nil {
			return err
		}
	}
	return nil
}

// readAdded reads the IDs and links of new rows, or all of them.
func (k *creator) readAdded(rows *sql.Rows) error {
	defer rows.Close()
	if k.bind.showsUsers() {
		return k.readReturned(rows)
	}
	row := sqltable.NewRow(1 + len(k.bind.linkNames))
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return err
		}
		id, err := k.newID(row)
		if err != nil {
			return err
		}
		l, ok := k.readLink(row)
		if !ok {
			return ownFault{errNoNewID}
		}
		k.added[l] = id
	}
	return cmp.Or(rows.Close(), rows.Err())
}

// readReturned keeps new rows as the database says that it has them. Two of one ID are none of
// a user's, as when they are read again.
func (k *creator) readReturned(rows *sql.Rows) error {
	users, err := k.rows.collect(rows)
	for _, u := range users {
		if _, twice := k.returned[u.ID]; twice {
			return ownFault{errSeveralRows}
		}
		k.added[linkOf(&u)], k.returned[u.ID] = u.ID, u
	}
	return err
}

// readLink reads the link that stands behind the ID of a new row.
func (k *creator) readLink(row *sqltable.Row) (l link, ok bool) {
	u, at := adsync.User{Source: k.bind.table.Source}, 1
	for _, c := range k.bind.columns {
		if slices.Contains(k.bind.linkNames, c.name) {
			if !readCell(k.bind.knownTable, &u, c.field, row.Cell(at)) {
				return link{}, false
			}
			at++
		}
	}
	return linkOf(&u), true
}
