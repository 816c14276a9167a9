package sqltable

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// Kind is how a column is read and compared.
type Kind int

// The kinds of column.
const (
	Text   Kind = iota // read as text, compared exactly; NULL and '' are equal
	Native             // read as text, compared by its own type
	Raw                // read as the driver gives it, compared by its own type
	Bool               // read as the driver gives it, compared as text with two spellings
)

// Column is one mapped column.
type Column struct {
	Name string
	Kind Kind
}

// Table makes the statements for one table. The arguments of each statement stand
// in the order that its comment tells; those of the Where come last in all.
type Table struct {
	d       Dialect
	schema  string
	name    string
	quoted  string
	from    string // what rows are read from, quoted: the table, or a view that shows more
	key     string // the column of the ID
	id      string // the same, quoted
	columns []Column
	where   Where

	orAbort   string // where a conflict clause is to be overridden, what stands between the verb and its object
	uncounted bool   // the database does not say how many rows it wrote
	swallows  bool   // a trigger may leave out a row, having written others
	textID    bool   // the ID is also compared as it reads, because the column may take others for it

	selectRow           string
	deleteRow, deleteAs string // whatever it is like, and as compared
}

// NewTable takes the name, schema.table or table; the column of the primary key;
// the other mapped columns; and the host's condition.
func NewTable(d Dialect, name, id string, columns []Column, where Where) (*Table, error) {
	t := &Table{d: d, name: name, key: id, id: d.Quote(id), columns: columns, where: where}
	if schema, rest, ok := strings.Cut(name, "."); ok {
		t.schema, t.name = schema, rest
		t.quoted = d.Quote(schema) + "."
	}
	if t.name == "" || t.quoted != "" && t.schema == "" || strings.Contains(t.name, ".") {
		return nil, errors.New("adsync: sqlstore.Table.Name must be table or schema.table")
	}
	t.quoted += d.Quote(t.name)
	t.from = t.quoted
	t.makeTexts()
	return t, nil
}

// ReadFrom is a table that writes as this one does, and reads from a view.
func (t *Table) ReadFrom(view *Table) *Table {
	reading := *t
	reading.from = view.quoted
	reading.makeTexts()
	return &reading
}

// makeTexts makes the statements that are always the same.
func (t *Table) makeTexts() {
	t.selectRow, t.deleteRow, t.deleteAs = t.makeSelectRow(), t.makeDelete(false), t.makeDelete(true)
}

// Catalogue asks for the name, type and nullability of every column; where HasCounted,
// also whether it is part of the primary key of a table that takes part in
// transactions, and for its charset and collation; of PostgreSQL, for what it can hold.
func (t *Table) Catalogue() (text string, args []any) {
	return t.d.catalogue(t.schema, t.name, t.quoted)
}

// AcquireLock asks for a lock over a part of the table, or all of it (0), that its
// connection holds until ReleaseLock, or its end. The one value of both is whether that was
// done; ok is false where the dialect has no such lock. The locks of a part and of all of
// it do not know each other.
func (t *Table) AcquireLock(part int64) (text string, args []any, ok bool) {
	return t.holding("acquire", part)
}

// ReleaseLock gives the lock of AcquireLock back.
func (t *Table) ReleaseLock(part int64) (text string, args []any, ok bool) {
	return t.holding("release", part)
}

func (t *Table) holding(do string, part int64) (text string, args []any, ok bool) {
	if t.d.holding == nil {
		return "", nil, false
	}
	text, args = t.d.holding(do, t.schema, t.name, t.quoted, part)
	return text, args, true
}

// Select reads all rows: the ID, then the mapped columns.
func (t *Table) Select() string {
	s := t.selectAll()
	s.addOnlyWhere()
	return s.String()
}

// SelectDistinct reads the different values of a column, at most so many.
func (t *Table) SelectDistinct(column string, most int) string {
	s := t.begin("SELECT DISTINCT ")
	s.add(t.d.Quote(column), " FROM ", t.from)
	s.addOnlyWhere()
	s.add(" LIMIT ", strconv.Itoa(most))
	return s.String()
}

// SelectRow reads one row, and holds it until the transaction ends. Arguments: ID.
func (t *Table) SelectRow() string { return t.selectRow }

func (t *Table) makeSelectRow() string {
	s := t.selectAll()
	s.addTarget(false)
	s.add(t.d.lock)
	return s.String()
}

// SelectLinks reads the rows whose column has one of n values. It compares the
// source too, where there is a column for it, so that an index over both is of use.
// Arguments: the source, where it has a column; the values.
func (t *Table) SelectLinks(source string, emptySource bool, column string, n int) string {
	s := t.selectAll()
	s.addLinks(source, emptySource, column)
	s.add(" IN (")
	s.addArgs(n)
	s.add(")")
	s.addAndWhere()
	return s.String()
}

// Update sets the columns of one row. Arguments: the values, the ID, and when it must
// match, the ID again where it is a TextID, and those of the mapped columns (two for a
// Bool).
func (t *Table) Update(set []string, match bool) string {
	s := t.begin("UPDATE ", t.orAbort, t.quoted, " SET ")
	s.list(len(set), ", ", func(i int) string { return t.d.Quote(set[i]) + " = " + s.arg() })
	s.addTarget(match)
	return s.String()
}

// Delete removes one row, with the arguments of Update but the values.
func (t *Table) Delete(match bool) string {
	if match {
		return t.deleteAs
	}
	return t.deleteRow
}

func (t *Table) makeDelete(match bool) string {
	s := t.begin("DELETE FROM ", t.quoted)
	s.addTarget(match)
	return s.String()
}

// LockWrites is a statement that writes nothing, and makes a transaction one that
// writes; "" where that is of no use.
func (t *Table) LockWrites() string {
	if t.d.lockWrites == nil {
		return ""
	}
	return t.d.lockWrites(t.quoted)
}

// Insert adds a row and, where the dialect can, returns its ID. Arguments: the
// values.
func (t *Table) Insert(columns []string) string {
	return t.InsertRows(columns, 1)
}

// InsertRows adds n rows and, where the dialect can, returns in any order the ID of
// each and what it has in the mapped columns that are named. Arguments: the values,
// row by row. When it fails, some of several rows may have been added, and the
// transaction is to be rolled back.
func (t *Table) InsertRows(columns []string, n int, returned ...string) string {
	s := t.begin()
	s.addInsert(columns, n)
	if t.d.returning {
		s.addReturning(returned)
	}
	return s.String()
}

// InsertReturning is InsertRows where only some servers of the dialect return the new
// rows, as MariaDB does since 10.5, and MySQL does not. Arguments: the values, row by
// row. ok is false where no server would.
func (t *Table) InsertReturning(columns []string, n int, returned ...string) (text string, ok bool) {
	if !t.d.mayReturn {
		return "", false
	}
	s := t.begin()
	s.addInsert(columns, n)
	s.addReturning(returned)
	return s.String(), true
}

// begin begins a statement.
func (t *Table) begin(parts ...string) *statement {
	s := &statement{t: t}
	s.add(parts...)
	return s
}

func (t *Table) selectAll() *statement {
	s := t.begin("SELECT ")
	s.addColumns()
	s.add(" FROM ", t.from)
	return s
}

// UniqueIndexes asks for the columns of each unique index, one a row, or the text of the
// index where it is over an expression; and for what the index is known by.
func (t *Table) UniqueIndexes() (text string, args []any) {
	return t.d.indexes(t.schema, t.name, t.quoted)
}

// Demands asks for the columns that a new row must have a value for.
func (t *Table) Demands() (text string, args []any) { return t.d.demands(t.schema, t.name, t.quoted) }

// ViewTriggers asks for the functions that write for a view, one a row; a view without
// triggers has one empty text, and a table no row. ok is false where nothing is to be
// known of them.
func (t *Table) ViewTriggers() (text string, args []any, ok bool) {
	if t.d.viewTriggers == nil {
		return "", nil, false
	}
	text, args = t.d.viewTriggers(t.schema, t.name, t.quoted)
	return text, args, true
}

// LockNothing asks for no row FOR UPDATE, which a database refuses of some views.
func (t *Table) LockNothing() string {
	return "SELECT 1 FROM " + t.from + " WHERE 1 = 0" + t.d.lock
}

// SelectAny reads nothing of one row, whatever it is, so that an empty table is known.
func (t *Table) SelectAny() string { return "SELECT 1 FROM " + t.quoted + " LIMIT 1" }

// Alike are texts that a plan tells apart, and some collations do not: by an accent, by
// punctuation, and by a zero before a number.
var Alike = [][2]string{{"Muller", "M\u00fcller"}, {"o-neil", "oneil"}, {"ann2", "ann02"}}

// ComparesAlike asks, in one row, which of Alike a column takes for one; ok is false where
// it holds no texts, or nobody knows.
func (t *Table) ComparesAlike(column string, is Type) (text string, ok bool) {
	pair := func(a, b string) string {
		return "(SELECT c = '" + b + "' FROM (SELECT " + t.d.Quote(column) + " AS c FROM " + t.from + " WHERE 1 = 0 UNION ALL SELECT '" + a + "') AS alike)"
	}
	if t.d.counted {
		collation := collate.FindStringSubmatch(is.collate)
		if collation == nil {
			return "", false
		}
		of := func(text string) string { return "CONVERT('" + text + "' USING " + collation[1] + ")" + collation[2] }
		pair = func(a, b string) string { return of(a) + " = " + of(b) }
	} else if is.Family() != Texts && !t.d.loose {
		return "", false
	}
	pairs := make([]string, len(Alike))
	for i, p := range Alike {
		pairs[i] = pair(p[0], p[1])
	}
	return "SELECT " + strings.Join(pairs, ", "), true
}

// Quirks asks for what makes a database do something other than a statement says; ok is
// false where there is nothing of the kind.
//
// SQLite lets a table say what becomes of a write that breaks one of its constraints:
// UNIQUE ON CONFLICT REPLACE deletes the rows that are in the way, and says nothing. A
// clause of the statement overrides that. It also overrides those of the statements in
// triggers, which a host may need, as for an upsert into another table. So it is given
// only where the table has such a clause itself, or a trigger replaces rows in it.
//
// A rule of PostgreSQL puts other statements in the place of one, and so does a trigger of
// a view in SQLite. Neither is counted as a row that was written.
func (t *Table) Quirks() (text string, args []any, ok bool) {
	if t.d.quirks == nil {
		return "", nil, false
	}
	text, args = t.d.quirks(t.schema, t.name, t.quoted)
	return text, args, true
}

// Meddlers asks for what may change a row after the statement that adds it has returned it,
// of which each is a row. It is for a dialect that ReturnsRows.
func (t *Table) Meddlers() (text string, args []any) {
	return t.d.meddlers(t.schema, t.name, t.quoted, t.key)
}

// Heed reads what Quirks has asked for, and closes it; rows are nil where it asks for
// nothing. It returns a table whose statements let no conflict clause have its way where
// it could take another row, and which take no row for another whose ID is equal to its
// column, as 012 is to 12.
func (t *Table) Heed(types Types, rows Rows) (*Table, error) {
	heeding := *t
	id, _ := types.Find(t.key)
	heeding.textID = !IsBinary(id.Name) || t.d.bytesAsText
	if rows != nil {
		defer rows.Close()
		if err := heeding.heed(rows); err != nil {
			return nil, err
		}
	}
	heeding.makeTexts()
	return &heeding, nil
}

func (t *Table) heed(rows Rows) error {
	var own, others bool // conflict clauses of this table, and of others
	replaces := regexp.MustCompile(`(?i)\bREPLACE\s+(INTO\s+)?(\S+\s*\.\s*)?["'\x60\[]?` + regexp.QuoteMeta(t.name) + `(\W|$)`)
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return err
		}
		switch this := strings.EqualFold(name, t.name); {
		case kind == "rule", kind == "view" && this:
			t.uncounted = true
		case kind == "trigger":
			own = own || replaces.MatchString(text)
			t.swallows = t.swallows || strings.Contains(strings.ToUpper(text), "IGNORE")
		case kind == "table" && strings.Contains(strings.ToUpper(text), "CONFLICT"):
			own, others = own || this, true
		}
	}
	if own || others && t.uncounted { // a view may write to any table
		t.orAbort = "OR ABORT "
	}
	return rows.Err()
}

// TextID reports whether statements that match compare the ID as it reads, too.
func (t *Table) TextID() bool { return t.textID }

// Overrides reports whether conflict clauses are overridden.
func (t *Table) Overrides() bool { return t.orAbort != "" }

// Swallows reports whether a statement may write, by a trigger, and yet say that it wrote
// no row: one of SQLite's that says RAISE(IGNORE), and in PostgreSQL any that comes before
// the write or instead of it, as that may return NULL.
func (t *Table) Swallows() bool { return t.swallows }

// Uncounted reports whether the database does not say how many rows a statement wrote.
func (t *Table) Uncounted() bool { return t.uncounted }

// UpdateMany is Update with match for many rows. The values of a row: its ID, one
// for each column that is set, and one for each that is compared (two for a Bool).
// It returns the ordinal, from 1, of each row that it wrote.
func (t *Table) UpdateMany(types Types, set []string) *Bulk {
	s := newBulkStatement(t, types, "UPDATE ", t.quoted, " SET ")
	id := s.addListOf(t.key)
	s.list(len(set), ", ", func(i int) string { return t.d.Quote(set[i]) + " = " + s.addListOf(set[i]) })
	s.add(" FROM ")
	return s.end(id)
}

// DeleteMany is Delete with match for many rows, with the values of UpdateMany.
func (t *Table) DeleteMany(types Types) *Bulk {
	s := newBulkStatement(t, types, "DELETE FROM ", t.quoted, " USING ")
	return s.end(s.addListOf(t.key))
}

// InsertMany is InsertRows for a Bulk.
func (t *Table) InsertMany(types Types, columns []string, returned ...string) *Bulk {
	s := newBulkStatement(t, types, "INSERT INTO ", t.quoted, " (")
	s.addNames(columns)
	s.add(") SELECT ")
	s.list(len(columns), ", ", func(i int) string { return s.addListOf(columns[i]) })
	s.add(" FROM ")
	s.addValues()
	s.addReturning(returned)
	return s.made()
}

// SelectLinksMany is SelectLinks with an Array of the values, which the database's
// planner treats like a list: if it were cast by way of text, as elsewhere, the planner
// would not know how many there are. Arguments: the source, where it has a column; the
// Array.
func (t *Table) SelectLinksMany(types Types, source string, emptySource bool, column string) string {
	s := t.selectAll()
	s.addLinks(source, emptySource, column)
	s.add(" = ANY (CAST(", s.arg(), " AS ", types[column].Name, "[]))")
	s.addAndWhere()
	return s.String()
}

// SelectMany is SelectRow for many rows. Arguments: an Array of the IDs.
func (t *Table) SelectMany(types Types) string { return t.ReadMany(types) + t.d.lock }

// ReadMany is SelectMany that holds none of the rows.
func (t *Table) ReadMany(types Types) string {
	s := t.selectAll()
	// Of a table that was just filled the server knows no statistics: it would go through
	// all of it for = ANY, and through the whole array for each row.
	s.add(" WHERE ", t.id, " IN (SELECT unnest(CAST(CAST(", s.arg(), " AS text) AS ", types[t.key].Name, "[])))")
	s.addAndWhere()
	return s.String()
}

// UpdateCounted is Update with match for many rows, whose IDs differ. The values of a
// row: its ID as ExactKey gives it, one for each column that is set, and one for each
// that is compared (two for a Bool). ok is false where they do not fit into one
// statement.
//
// It changes each row at most once, and so, if it has changed as many as it was
// given, just those and no other. In InnoDB it locks no other row: for an UPDATE the
// hint leaves no plan but to read the primary key once for each ID.
func (t *Table) UpdateCounted(set []string, rows [][]any) (m Counted, ok bool) {
	s := newCountedStatement(t, rows, "UPDATE ", t.quoted, " FORCE INDEX (PRIMARY) SET ")
	for i, name := range set {
		if i > 0 {
			s.add(", ")
		}
		s.add(t.d.Quote(name), " = ")
		if !s.canSet(1 + i) {
			return Counted{}, false
		}
		s.add(s.value(1 + i))
	}
	s.add(" WHERE ", t.id, " IN (")
	s.list(len(rows), ", ", s.id)
	s.add(")")
	return s.end(1 + len(set))
}

// DeleteCounted is Delete with match for many rows, as UpdateCounted. With a list of IDs
// the optimizer would read all of a small table, whatever the hint; with a join, in
// this order, it looks up each.
func (t *Table) DeleteCounted(types Types, rows [][]any) (m Counted, ok bool) {
	typed := types[t.key].typed()
	if typed == "" {
		return Counted{}, false
	}
	s := newCountedStatement(t, rows, "DELETE ", t.quoted, " FROM (SELECT ")
	s.list(len(rows), " UNION ALL SELECT ", func(i int) string {
		text := strings.Replace(typed, "?", s.id(i), 1)
		if i == 0 {
			text += " AS " + countedKey
		}
		return text
	})
	s.add(") AS `adsync ids` STRAIGHT_JOIN ", t.quoted, " FORCE INDEX (PRIMARY) ON ", t.id, " = ", countedKey, " WHERE TRUE")
	return s.end(1)
}

// ReadRows reads n rows by their IDs, and holds none of them. Arguments: the IDs.
func (t *Table) ReadRows(n int) string {
	s := t.selectAll()
	if t.d.counted {
		s.add(" FORCE INDEX (PRIMARY)")
	}
	s.add(" WHERE ", t.id, " IN (")
	s.addArgs(n)
	s.add(")")
	s.addAndWhere()
	return s.String()
}
