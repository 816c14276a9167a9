package sqltable

import (
	"cmp"
	"errors"
	"slices"
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
	key     string // the column of the ID
	id      string // the same, quoted
	columns []Column
	where   Where

	orAbort   string // where a conflict clause is to be overridden, what stands between the verb and its object
	uncounted bool   // the database does not say how many rows it wrote
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
	t.makeTexts()
	return t, nil
}

// makeTexts makes the statements that are always the same.
func (t *Table) makeTexts() {
	t.selectRow, t.deleteRow, t.deleteAs = t.makeSelectRow(), t.makeDelete(false), t.makeDelete(true)
}

// Catalogue asks for the name, type and nullability of every column; where HasCounted,
// also whether it is part of the primary key of a table that takes part in
// transactions, and for its charset and collation.
func (t *Table) Catalogue() (text string, args []any) {
	return t.d.catalogue(t.schema, t.name, t.quoted)
}

// TakeLock asks for a lock over the table that its connection holds until
// ReleaseLock, or its end. The one value of both is whether that was done; ok is
// false where the dialect has no such lock.
func (t *Table) TakeLock() (text string, args []any, ok bool) { return t.holding("take") }

// ReleaseLock gives the lock of TakeLock back.
func (t *Table) ReleaseLock() (text string, args []any, ok bool) { return t.holding("release") }

func (t *Table) holding(do string) (text string, args []any, ok bool) {
	if t.d.holding == nil {
		return "", nil, false
	}
	text, args = t.d.holding(do, t.schema, t.name, t.quoted)
	return text, args, true
}

// Select reads all rows: the ID, then the mapped columns.
func (t *Table) Select() string {
	s := t.selectAll()
	if !t.where.IsZero() {
		s.add(" WHERE ")
		t.addWhere(s)
	}
	return s.String()
}

// SelectDistinct reads the different values of a column, at most so many.
func (t *Table) SelectDistinct(column string, most int) string {
	s := t.begin("SELECT DISTINCT ")
	s.add(t.d.Quote(column), " FROM ", t.quoted)
	if !t.where.IsZero() {
		s.add(" WHERE ")
		t.addWhere(s)
	}
	s.add(" LIMIT ", strconv.Itoa(most))
	return s.String()
}

// SelectRow reads one row, and holds it until the transaction ends. Arguments: ID.
func (t *Table) SelectRow() string { return t.selectRow }

func (t *Table) makeSelectRow() string {
	s := t.selectAll()
	t.addByID(s)
	s.add(t.d.lock)
	return s.String()
}

// SelectLinks reads the rows whose column has one of n values. It compares the
// source too, where there is a column for it, so that an index over both is of use.
// Arguments: the source, where it has a column; the values.
func (t *Table) SelectLinks(source string, emptySource bool, column string, n int) string {
	s := t.beginLinks(source, emptySource, column)
	s.add(" IN (")
	s.list(n, ", ", func(int) string { return s.arg() })
	s.add(")")
	t.addAndWhere(s)
	return s.String()
}

func (t *Table) beginLinks(source string, emptySource bool, column string) *statement {
	s := t.selectAll()
	s.add(" WHERE ")
	if source != "" {
		col := t.d.Quote(source)
		s.add("(", col, " = ", s.arg())
		if emptySource {
			s.add(" OR ", col, " IS NULL")
		}
		s.add(") AND ")
	}
	s.add(t.d.Quote(column))
	return s
}

// Update sets the columns of one row. Arguments: the values, the ID, and when it must
// match, the ID again where it is a TextID, and those of the mapped columns (two for a
// Bool).
func (t *Table) Update(set []string, match bool) string {
	s := t.begin("UPDATE ", t.orAbort, t.quoted, " SET ")
	s.list(len(set), ", ", func(i int) string { return t.d.Quote(set[i]) + " = " + s.arg() })
	t.addTarget(s, match)
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
	t.addTarget(s, match)
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
	s := t.insert(columns, n)
	if t.d.returning {
		t.addReturning(s, returned)
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
	s := t.insert(columns, n)
	t.addReturning(s, returned)
	return s.String(), true
}

func (t *Table) addReturning(s *statement, names []string) {
	s.add(" RETURNING ", t.d.readText(t.id))
	for _, c := range t.columns {
		if slices.Contains(names, c.Name) {
			s.add(", ", t.read(c))
		}
	}
}

func (t *Table) insert(columns []string, n int) *statement {
	verb := "INSERT " + t.orAbort + "INTO "
	if n > 1 {
		verb = cmp.Or(t.d.insertMany, verb)
	}
	s := t.begin(verb, t.quoted, " (")
	s.list(len(columns), ", ", func(i int) string { return t.d.Quote(columns[i]) })
	s.add(") VALUES ")
	s.list(n, ", ", func(int) string {
		return "(" + strings.Join(t.args(s, len(columns)), ", ") + ")"
	})
	return s
}

func (t *Table) args(s *statement, n int) []string {
	args := make([]string, n)
	for i := range args {
		args[i] = s.arg()
	}
	return args
}

func (t *Table) begin(parts ...string) *statement {
	s := &statement{d: t.d}
	s.add(parts...)
	return s
}

func (t *Table) selectAll() *statement {
	s := t.begin("SELECT ")
	t.addColumns(s)
	s.add(" FROM ", t.quoted)
	return s
}

func (t *Table) addColumns(s *statement) {
	s.add(t.d.readText(t.id))
	for _, c := range t.columns {
		s.add(", ", t.read(c))
	}
}

func (t *Table) read(c Column) string {
	if c.Kind == Text || c.Kind == Native {
		return t.d.readText(t.d.Quote(c.Name))
	}
	return t.d.Quote(c.Name)
}

func (t *Table) addByID(s *statement) {
	s.add(" WHERE ", t.id, " = ", s.arg())
	t.addAndWhere(s)
}

func (t *Table) addTarget(s *statement, match bool) {
	if !match {
		t.addByID(s)
		return
	}
	s.add(" WHERE ", t.id, " = ", s.arg())
	if t.textID {
		s.add(" AND ", t.d.sameText(t.id, s.arg()))
	}
	for _, c := range t.columns {
		s.add(" AND ", t.compare(s, c))
	}
	t.addAndWhere(s)
}

func (t *Table) compare(s *statement, c Column) string {
	col := t.d.Quote(c.Name)
	switch c.Kind {
	case Text:
		return t.d.sameText(col, s.arg())
	case Bool:
		a, b := s.arg(), s.arg()
		return t.d.sameBool(col, a, b)
	}
	return t.d.same(col, s.arg())
}

func (t *Table) addAndWhere(s *statement) {
	if !t.where.IsZero() {
		s.add(" AND ")
		t.addWhere(s)
	}
}

// addWhere puts the closing parenthesis on a line of its own, as the host's text
// may end in a comment.
func (t *Table) addWhere(s *statement) {
	s.add("(")
	for i, text := range t.where.texts {
		if i > 0 {
			s.add(s.arg())
		}
		s.add(text)
	}
	s.add("\n)")
}
