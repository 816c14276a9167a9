package sqltable

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// statement is a text in the making, which counts its placeholders.
type statement struct {
	strings.Builder
	t    *Table
	args int
}

// arg returns the next placeholder.
func (s *statement) arg() string {
	s.args++
	if s.t.d.numbered {
		return "$" + strconv.Itoa(s.args)
	}
	return "?"
}

// add appends all the parts.
func (s *statement) add(parts ...string) {
	for _, p := range parts {
		s.WriteString(p)
	}
}

// list appends n items with a separator.
func (s *statement) list(n int, sep string, item func(i int) string) {
	for i := range n {
		if i > 0 {
			s.WriteString(sep)
		}
		s.WriteString(item(i))
	}
}

// addNames lists columns.
func (s *statement) addNames(columns []string) {
	s.list(len(columns), ", ", func(i int) string { return s.t.d.Quote(columns[i]) })
}

// addArgs lists n placeholders.
func (s *statement) addArgs(n int) {
	s.list(n, ", ", func(int) string { return s.arg() })
}

// addColumns lists the ID and the mapped columns, as they are read.
func (s *statement) addColumns() {
	s.add(s.t.d.readText(s.t.id))
	for _, c := range s.t.columns {
		s.add(", ", s.read(c))
	}
}

func (s *statement) read(c Column) string {
	if c.Kind == Text || c.Kind == Native {
		return s.t.d.readText(s.t.d.Quote(c.Name))
	}
	return s.t.d.Quote(c.Name)
}

// addReturning asks for the ID and the named ones of the mapped columns.
func (s *statement) addReturning(names []string) {
	s.add(" RETURNING ", s.t.d.readText(s.t.id))
	for _, c := range s.t.columns {
		if slices.Contains(names, c.Name) {
			s.add(", ", s.read(c))
		}
	}
}

// addInsert adds n rows, up to what is returned of them.
func (s *statement) addInsert(columns []string, n int) {
	verb := "INSERT " + s.t.orAbort + "INTO "
	if n > 1 {
		verb = cmp.Or(s.t.d.insertMany, verb)
	}
	s.add(verb, s.t.quoted, " (")
	s.addNames(columns)
	s.add(") VALUES ")
	for i := range n {
		if i > 0 {
			s.add(", ")
		}
		s.add("(")
		s.addArgs(len(columns))
		s.add(")")
	}
}

// addLinks compares the source, where it has a column, and names the column of the
// values to look for.
func (s *statement) addLinks(source string, emptySource bool, column string) {
	s.add(" WHERE ")
	if source != "" {
		col := s.t.d.Quote(source)
		s.add("(", col, " = ", s.arg())
		if emptySource {
			s.add(" OR ", col, " IS NULL")
		}
		s.add(") AND ")
	}
	s.add(s.t.d.Quote(column))
}

// addTarget names one row, and what it must match if it must.
func (s *statement) addTarget(match bool) {
	s.add(" WHERE ", s.t.id, " = ", s.arg())
	if match {
		if s.t.textID {
			s.add(" AND ", s.t.d.sameText(s.t.id, s.arg()))
		}
		for _, condition := range s.matches(func(Column) string { return s.arg() }) {
			s.add(" AND ", condition)
		}
	}
	s.addAndWhere()
}

// matches compares each mapped column with the next value; with the next two for a Bool.
func (s *statement) matches(next func(c Column) string) []string {
	conditions := make([]string, len(s.t.columns))
	for i, c := range s.t.columns {
		col := s.t.d.Quote(c.Name)
		switch c.Kind {
		case Text:
			conditions[i] = s.t.d.sameText(col, next(c))
		case Bool:
			conditions[i] = s.t.d.sameBool(col, next(c), next(c))
		default:
			conditions[i] = s.t.d.same(col, next(c))
		}
	}
	return conditions
}

// addOnlyWhere is the host's condition, where there is no other.
func (s *statement) addOnlyWhere() {
	if !s.t.where.IsZero() {
		s.add(" WHERE ")
		s.addWhere()
	}
}

func (s *statement) addAndWhere() {
	if !s.t.where.IsZero() {
		s.add(" AND ")
		s.addWhere()
	}
}

// addWhere puts the closing parenthesis on a line of its own, as the host's text
// may end in a comment.
func (s *statement) addWhere() {
	s.add("(")
	for i, text := range s.t.where.texts {
		if i > 0 {
			s.add(s.arg())
		}
		s.add(text)
	}
	s.add("\n)")
}
