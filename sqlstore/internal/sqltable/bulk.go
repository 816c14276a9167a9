package sqltable

import (
	"database/sql/driver"
	"slices"
	"strconv"
)

// The names of what a statement for many rows reads its values from. A host's
// condition names its own columns, which these must not be mistaken for.
const (
	bulkRows    = `"adsync rows"`
	bulkOrdinal = `"adsync n"`
)

// Bulk is a statement that writes many rows, and an argument for each list of their
// values.
type Bulk struct {
	Text  string
	lists []Array
}

// Grow makes room for so many rows of a usual length.
func (b *Bulk) Grow(rows int) {
	for i := range b.lists {
		b.lists[i].text = slices.Grow(b.lists[i].text, 32*rows)
	}
}

// Add appends the values of a row, one for each list. It fails on a type that only
// the driver may know.
func (b *Bulk) Add(values []any) error {
	for i, v := range values {
		if _, text := v.(string); !text {
			var err error
			if v, err = driver.DefaultParameterConverter.ConvertValue(v); err != nil {
				return err
			}
		}
		b.lists[i].Add(v)
	}
	return nil
}

// Args are the arguments but those of the Where.
func (b *Bulk) Args() []any {
	args := make([]any, len(b.lists))
	for i := range b.lists {
		args[i] = b.lists[i].String()
	}
	return args
}

// bulkStatement is a Bulk in the making.
type bulkStatement struct {
	*statement
	types Types
	lists []Array
}

func newBulkStatement(t *Table, types Types, parts ...string) *bulkStatement {
	return &bulkStatement{statement: t.begin(parts...), types: types}
}

// addList adds a list of values, which are of a column's type.
func (s *bulkStatement) addList(typeName string) (value string) {
	s.lists = append(s.lists, Array{Type: typeName})
	return bulkValue(len(s.lists), typeName)
}

// addListOf is addList for a column.
func (s *bulkStatement) addListOf(column string) (value string) {
	return s.addList(s.types[column].Name)
}

// end adds the values and the condition; id is the value of the ID.
func (s *bulkStatement) end(id string) *Bulk {
	conditions := s.matches(func(c Column) string {
		if c.Kind == Text || c.Kind == Bool {
			return s.addList("text")
		}
		return s.addListOf(c.Name)
	})
	s.addValues()
	s.add(" WHERE ", s.t.id, " = ", id)
	if s.t.textID {
		s.add(" AND ", s.t.d.sameText(s.t.id, bulkValue(1, "text")))
	}
	for _, condition := range conditions {
		s.add(" AND ", condition)
	}
	s.addAndWhere()
	s.add(" RETURNING ", bulkOrdinal)
	return s.made()
}

// addValues makes rows of the lists. Each goes as text, which every driver can send.
func (s *bulkStatement) addValues() {
	s.add("unnest(")
	s.list(len(s.lists), ", ", func(int) string { return "CAST(CAST(" + s.arg() + " AS text) AS text[])" })
	s.add(") WITH ORDINALITY AS ", bulkRows, " (")
	s.list(len(s.lists), ", ", func(i int) string { return bulkValue(1+i, "text") })
	s.add(", ", bulkOrdinal, ")")
}

func (s *bulkStatement) made() *Bulk { return &Bulk{Text: s.String(), lists: s.lists} }

// bulkValue is the value of the nth list in the type of its column. It leaves the
// type's length out, because a cast would cut a text that is too long, where an
// assignment is an error.
func bulkValue(n int, typeName string) string {
	name := `"adsync ` + strconv.Itoa(n) + `"`
	if typeName == "text" {
		return name
	}
	return "CAST(" + name + " AS " + typeName + ")"
}
