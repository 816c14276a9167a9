package sqltable

import (
	"slices"
	"strconv"
)

// Membership writes the statements of a table that says which user has which role.
type Membership struct {
	table  *Table // of which the catalogue is asked
	d      Dialect
	quoted string
	user   string
	role   string
	values []string // the columns that mark the rows as the sync's own
	texts  []string // of all these, the columns of text
}

// NewMembership checks the name of the table, which is table or schema.table.
func NewMembership(d Dialect, name, user, role string, values []string) (*Membership, error) {
	t, err := NewTable(d, name, user, nil, Where{})
	if err != nil {
		return nil, err
	}
	return &Membership{table: t, d: d, quoted: t.quoted, user: user, role: role, values: values}, nil
}

// Heed returns the same for a table whose columns are of these types. What its statements
// remove is then compared to the byte, whatever the collation of a column takes for equal.
func (m *Membership) Heed(types Types) *Membership {
	heeding := *m
	heeding.texts = nil
	for _, name := range append([]string{m.user, m.role}, m.values...) {
		if t, ok := types.Find(name); ok && t.Family() == Texts {
			heeding.texts = append(heeding.texts, name)
		}
	}
	return &heeding
}

// Table is the table, of which the catalogue can be asked.
func (m *Membership) Table() *Table { return m.table }

// arg is the nth placeholder, from 1.
func (m *Membership) arg(n int) string {
	if m.d.numbered {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

func (m *Membership) args(from, n int) (list string) {
	for i := range n {
		if i > 0 {
			list += ", "
		}
		list += m.arg(from + i)
	}
	return list
}

// Select reads the user, the role and the marks of the rows that have one of so many
// roles. Arguments: the roles.
func (m *Membership) Select(roles int) string {
	text := "SELECT " + m.d.readText(m.d.Quote(m.user)) + ", " + m.d.readText(m.d.Quote(m.role))
	for _, name := range m.values {
		text += ", " + m.d.Quote(name)
	}
	return text + " FROM " + m.quoted + " WHERE " + m.d.Quote(m.role) + " IN (" + m.args(1, roles) + ")"
}

// SelectOf is Select for so many users, whose rows it holds until the transaction ends, so
// that it reads the latest. Arguments: the roles, the users.
func (m *Membership) SelectOf(roles, users int) string {
	return m.Select(roles) + " AND " + m.d.Quote(m.user) + " IN (" + m.args(1+roles, users) + ")" + m.d.lock
}

// Insert adds a row. Arguments: the user, the role, the marks.
func (m *Membership) Insert() string { return m.insert(m.values) }

// InsertUnmarked adds a row as the host itself would. Arguments: the user, the role.
func (m *Membership) InsertUnmarked() string { return m.insert(nil) }

func (m *Membership) insert(marks []string) string {
	text := "INSERT INTO " + m.quoted + " (" + m.d.Quote(m.user) + ", " + m.d.Quote(m.role)
	for _, name := range marks {
		text += ", " + m.d.Quote(name)
	}
	return text + ") VALUES (" + m.args(1, 2+len(marks)) + ")"
}

// Delete removes the rows of a user and a role that bear the marks, of which nil is NULL.
func (m *Membership) Delete(user, role any, marks []any) (text string, args []any) {
	text, and := "DELETE FROM "+m.quoted, " WHERE "
	add := func(condition string, values ...any) {
		text += and + condition
		and, args = " AND ", append(args, values...)
	}
	for i, name := range append([]string{m.user, m.role}, m.values...) {
		value, col := append([]any{user, role}, marks...)[i], m.d.Quote(name)
		if value == nil {
			add(col + " IS NULL")
			continue
		}
		add(col+" = "+m.arg(len(args)+1), value) // for an index over it
		if slices.Contains(m.texts, name) {
			add(m.d.sameText(col, m.arg(len(args)+1)), CellOf(value).Text)
		}
	}
	return text, args
}
