package sqltable

import (
	"bytes"
	"database/sql/driver"
	"strings"
)

// Counted is a statement for many rows, and its arguments but those of the Where.
type Counted struct {
	Text string
	Args []any
}

// countedKey is the column of the IDs to delete. A host's condition names its own
// columns, which this must not be mistaken for.
const countedKey = "`adsync id`"

// countedStatement is a Counted in the making.
type countedStatement struct {
	*statement
	rows   [][]any
	values []any
	ok     bool
}

func newCountedStatement(t *Table, rows [][]any, parts ...string) *countedStatement {
	return &countedStatement{statement: t.begin(parts...), rows: rows, ok: true}
}

// id is the ID of row i.
func (s *countedStatement) id(i int) string {
	s.values = append(s.values, s.rows[i][0])
	return s.arg()
}

// value is the nth value of the row at hand. It is the same for all of them, or a
// text or bytes of each: of other types, a CASE might make one that fits them all.
func (s *countedStatement) value(n int) string {
	if s.shared(n) {
		s.values = append(s.values, s.rows[0][n])
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
		s.values = append(s.values, row[0], row[n])
	}
	return "CASE " + s.t.id + strings.Repeat(" WHEN "+s.arg()+" THEN "+s.arg(), len(s.rows)) + " END"
}

// shared reports whether the nth value is the same in all rows.
func (s *countedStatement) shared(n int) bool {
	for _, row := range s.rows[1:] {
		if !SameValue(row[n], s.rows[0][n]) {
			return false
		}
	}
	return true
}

// canSet keeps bytes out of a CASE that is stored: a server may take them for text
// on the way. Where they are compared, that would find no row, and do no harm.
func (s *countedStatement) canSet(n int) bool {
	_, isBytes := s.rows[0][n].([]byte)
	return !isBytes || s.shared(n)
}

// end adds the comparisons, whose values begin at n, and the host's condition.
func (s *countedStatement) end(n int) (Counted, bool) {
	if _, text := s.rows[0][0].(string); text { // the column may take others for it
		s.add(" AND ", s.t.d.sameText(s.t.id, s.value(0)))
	}
	for _, condition := range s.matches(func(Column) string { n++; return s.value(n - 1) }) {
		s.add(" AND ", condition)
	}
	s.addAndWhere()
	return Counted{s.String(), s.values}, s.ok
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
