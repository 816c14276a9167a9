package sqltable

import "strconv"

// Membership writes the statements of a table that says which user has which role.
type Membership struct {
	table  *Table // of which the catalogue is asked
	d      Dialect
	quoted string
	user   string
	role   string
	values []string // the columns that mark the rows as the sync's own
}

// NewMembership checks the name of the table, which is table or schema.table.
func NewMembership(d Dialect, name, user, role string, values []string) (*Membership, error) {
	t, err := NewTable(d, name, user, nil, Where{})
	if err != nil {
		return nil, err
	}
	return &Membership{table: t, d: d, quoted: t.quoted, user: user, role: role, values: values}, nil
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

// Delete removes the rows of a user and a role that bear the marks; null says which of
// these are NULL, and are no arguments. Arguments: the user, the role, the other marks.
func (m *Membership) Delete(null []bool) string {
	text := "DELETE FROM " + m.quoted + " WHERE " + m.d.Quote(m.user) + " = " + m.arg(1) + " AND " + m.d.Quote(m.role) + " = " + m.arg(2)
	n := 2
	for i, name := range m.values {
		if null[i] {
			text += " AND " + m.d.Quote(name) + " IS NULL"
			continue
		}
		n++
		text += " AND " + m.d.Quote(name) + " = " + m.arg(n)
	}
	return text
}
