package sqltable

import (
	"bytes"
	"database/sql/driver"
	"strconv"
	"strings"
)

// HasCounted tells whether the dialect writes many rows, each with values of its own,
// with a statement that says how many it wrote and not which.
func (d Dialect) HasCounted() bool { return d.counted }

// Counted is a statement for many rows, and its arguments but those of the Where.
type Counted struct {
	Text string
	Args []any
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
	s := t.newCounted(rows)
	s.add("UPDATE ", t.quoted, " FORCE INDEX (PRIMARY) SET ")
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
	s := t.newCounted(rows)
	s.add("DELETE ", t.quoted, " FROM (SELECT ")
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

// countedKey is the column of the IDs to delete. A host's condition names its own
// columns, which this must not be mistaken for.
const countedKey = "`adsync id`"

// ReadRows reads n rows by their IDs, and holds none of them. Arguments: the IDs.
func (t *Table) ReadRows(n int) string {
	s := t.selectAll()
	if t.d.counted {
		s.add(" FORCE INDEX (PRIMARY)")
	}
	s.add(" WHERE ", t.id, " IN (")
	s.list(n, ", ", func(int) string { return s.arg() })
	s.add(")")
	t.addAndWhere(s)
	return s.String()
}

// counted is a statement for many rows in the making.
type counted struct {
	*statement
	t    *Table
	rows [][]any
	args []any
	ok   bool
}

func (t *Table) newCounted(rows [][]any) *counted {
	return &counted{statement: t.begin(), t: t, rows: rows, ok: true}
}

// id is the ID of row i.
func (s *counted) id(i int) string {
	s.args = append(s.args, s.rows[i][0])
	return s.arg()
}

// value is the nth value of the row at hand. It is the same for all of them, or a
// text or bytes of each: of other types, a CASE might make one that fits them all.
func (s *counted) value(n int) string {
	if s.shared(n) {
		s.args = append(s.args, s.rows[0][n])
		return s.arg()
	}
	_, text := s.rows[0][n].(string)
	for _, row := range s.rows {
		switch row[n].(type) {
		case string:
			s.ok = s.ok && text
		case []byte:
			s.ok = s.ok && !text
		default:
			s.ok = false
		}
		s.args = append(s.args, row[0], row[n])
	}
	return "CASE " + s.t.id + strings.Repeat(" WHEN "+s.arg()+" THEN "+s.arg(), len(s.rows)) + " END"
}

// shared reports whether the nth value is the same in all rows.
func (s *counted) shared(n int) bool {
	for _, row := range s.rows[1:] {
		if !SameValue(row[n], s.rows[0][n]) {
			return false
		}
	}
	return true
}

// canSet keeps bytes out of a CASE that is stored: a server may take them for text
// on the way. Where they are compared, that would find no row, and do no harm.
func (s *counted) canSet(n int) bool {
	_, isBytes := s.rows[0][n].([]byte)
	return !isBytes || s.shared(n)
}

// end adds the comparisons, whose values begin at n, and the host's condition.
func (s *counted) end(n int) (Counted, bool) {
	if _, text := s.rows[0][0].(string); text { // the column may take others for it
		s.add(" AND ", s.t.d.sameText(s.t.id, s.value(0)))
	}
	for _, c := range s.t.columns {
		col := s.t.d.Quote(c.Name)
		s.add(" AND ")
		switch c.Kind {
		case Text:
			s.add(s.t.d.sameText(col, s.value(n)))
		case Bool:
			s.add(s.t.d.sameBool(col, s.value(n), s.value(n+1)))
			n++
		default:
			s.add(s.t.d.same(col, s.value(n)))
		}
		n++
	}
	s.t.addAndWhere(s.statement)
	return Counted{s.String(), s.args}, s.ok
}

// SameValue reports whether two values are surely stored alike.
func SameValue(a, b any) bool {
	a, errA := driver.DefaultParameterConverter.ConvertValue(a)
	b, errB := driver.DefaultParameterConverter.ConvertValue(b)
	if errA != nil || errB != nil {
		return false
	}
	if a, isBytes := a.([]byte); isBytes {
		b, isBytes := b.([]byte)
		return isBytes && bytes.Equal(a, b)
	}
	if _, isBytes := b.([]byte); isBytes {
		return false
	}
	return a == b
}

// Rows is what a query gives, as *sql.Rows.
type Rows interface {
	Columns() ([]string, error)
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// Plan asks how the database would run a statement.
func Plan(text string) string { return "EXPLAIN FORMAT=TRADITIONAL " + text }

// ReadsByKey reads what Plan has asked for, and closes it: whether the statement
// reads n rows by the primary key at most, and no other row of any table.
func ReadsByKey(rows Rows, n int) (bool, error) {
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return false, err
	}
	row, tables, good := NewRow(len(names)), 0, 0
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return false, err
		}
		cells := make(map[string]*Cell, len(names))
		for i, name := range names {
			cells[strings.ToLower(name)] = row.Cell(i)
		}
		if table := cells["table"]; table == nil || table.Null || strings.HasPrefix(table.Text, "<") {
			continue // the list of IDs itself
		}
		tables++
		if readsByKey(cells, n) {
			good++
		}
	}
	return tables == 1 && good == 1, rows.Err()
}

func readsByKey(cells map[string]*Cell, n int) bool {
	for _, name := range []string{"type", "key", "rows"} {
		if cells[name] == nil {
			return false
		}
	}
	read, err := strconv.Atoi(cells["rows"].Text)
	way := cells["type"].Text
	return err == nil && read <= n && cells["key"].Text == "PRIMARY" && (way == "range" || way == "eq_ref")
}
