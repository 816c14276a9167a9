package sqltable

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Membership writes the statements of a table that says which user has which role.
type Membership struct {
	table  *Table // of which the catalogue is asked
	d      Dialect
	quoted string
	user   string
	role   string
	marked []string // the columns that mark the rows as the sync's own
	marks  []any    // what they hold then; nil is NULL
	texts  []string // of all these, the columns of text
}

// NewMembership checks the name of the table, which is table or schema.table. The marks are
// by column.
func NewMembership(d Dialect, name, user, role string, marks map[string]any) (*Membership, error) {
	t, err := NewTable(d, name, user, nil, Where{})
	if err != nil {
		return nil, err
	}
	m := &Membership{table: t, d: d, quoted: t.quoted, user: user, role: role, marked: slices.Sorted(maps.Keys(marks))}
	for _, column := range m.marked {
		m.marks = append(m.marks, marks[column])
	}
	return m, nil
}

// Heed returns the same for a table whose columns are of these types. What a statement
// compares is then compared to the byte, whatever the collation of a column takes for equal,
// and to a text as a text: to MySQL, a number equals all that begin with it.
func (m *Membership) Heed(types Types) *Membership {
	heeding := *m
	heeding.texts = nil
	for _, name := range m.Columns() {
		if t, ok := types.Find(name); ok && t.Family() == Texts {
			heeding.texts = append(heeding.texts, name)
		}
	}
	return &heeding
}

// Table is the table, of which the catalogue can be asked.
func (m *Membership) Table() *Table { return m.table }

// Columns are the user, the role and the marks.
func (m *Membership) Columns() []string { return append([]string{m.user, m.role}, m.marked...) }

// HasMarks reports whether there may be rows that are not the sync's own.
func (m *Membership) HasMarks() bool { return len(m.marked) > 0 }

// query is a statement that is put together with its arguments.
type query struct {
	*Membership
	text strings.Builder
	args []any
}

func (m *Membership) begin(text string) *query {
	q := &query{Membership: m}
	q.text.WriteString(text)
	return q
}

func (q *query) done() (text string, args []any) { return q.text.String(), q.args }

// arg adds an argument, and returns its placeholder.
func (q *query) arg(value any) string {
	q.args = append(q.args, value)
	if q.d.numbered {
		return "$" + strconv.Itoa(len(q.args))
	}
	return "?"
}

// isIn wants one of the values of a column, as far as an index over it tells them apart.
func (q *query) isIn(name string, values []any) {
	q.text.WriteString(q.d.Quote(name) + " IN (")
	for i, value := range values {
		if i > 0 {
			q.text.WriteString(", ")
		}
		q.text.WriteString(q.arg(q.fit(name, value)))
	}
	q.text.WriteString(")")
}

// fit is the value as the column holds it.
func (m *Membership) fit(name string, value any) any {
	if value != nil && slices.Contains(m.texts, name) {
		return CellOf(value).Text
	}
	return value
}

// is wants a column to hold just this.
func (q *query) is(name string, value any) {
	col, value := q.d.Quote(name), q.fit(name, value)
	if value == nil {
		q.text.WriteString(col + " IS NULL")
		return
	}
	q.text.WriteString(col + " = " + q.arg(value)) // for an index over it
	if slices.Contains(q.texts, name) {
		q.text.WriteString(" AND " + q.d.sameBytes(col, q.arg(value)))
	}
}

func (q *query) bearsMarks() {
	for i, name := range q.marked {
		if i > 0 {
			q.text.WriteString(" AND ")
		}
		q.is(name, q.marks[i])
	}
}

// Select reads the user and the role of the rows that have one of the roles; and where there
// are marks, NULL for the sync's own rows, which most are, as that takes the least to read.
func (m *Membership) Select(roles []any) (text string, args []any) { return m.selectRows(roles).done() }

// SelectOf is Select for some users, whose rows it holds until the transaction ends, so that it
// reads the latest.
func (m *Membership) SelectOf(roles, users []any) (text string, args []any) {
	q := m.selectRows(roles)
	q.text.WriteString(" AND ")
	q.isIn(m.user, users)
	q.text.WriteString(m.d.lock)
	return q.done()
}

func (m *Membership) selectRows(roles []any) *query {
	q := m.begin("SELECT " + m.d.readText(m.d.Quote(m.user)) + ", " + m.d.readText(m.d.Quote(m.role)))
	if m.HasMarks() {
		q.text.WriteString(", CASE WHEN ")
		q.bearsMarks()
		q.text.WriteString(" THEN NULL ELSE 1 END")
	}
	q.text.WriteString(" FROM " + m.quoted + " WHERE ")
	q.isIn(m.role, roles)
	return q
}

// Insert adds a row.
func (m *Membership) Insert(user, role any) (text string, args []any) {
	return m.insert(m.Columns(), append([]any{user, role}, m.marks...))
}

// InsertUnmarked adds a row as the host itself would.
func (m *Membership) InsertUnmarked(user, role any) (text string, args []any) {
	return m.insert([]string{m.user, m.role}, []any{user, role})
}

func (m *Membership) insert(columns []string, values []any) (text string, args []any) {
	q := m.begin("INSERT INTO " + m.quoted + " (")
	places := make([]string, len(columns))
	for i, name := range columns {
		columns[i], places[i] = m.d.Quote(name), q.arg(q.fit(name, values[i]))
	}
	q.text.WriteString(strings.Join(columns, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")")
	return q.done()
}

// Delete removes the sync's own rows of a user and a role.
func (m *Membership) Delete(user, role any) (text string, args []any) {
	q := m.begin("DELETE FROM " + m.quoted + " WHERE ")
	q.is(m.user, user)
	q.text.WriteString(" AND ")
	q.is(m.role, role)
	if m.HasMarks() {
		q.text.WriteString(" AND ")
		q.bearsMarks()
	}
	return q.done()
}
