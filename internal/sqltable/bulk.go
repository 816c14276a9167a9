package sqltable

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// BulkColumn is a column that a statement for many rows writes, or compares with,
// and its type as the catalogue names it.
type BulkColumn struct{ Name, Type string }

// The names of what a statement for many rows reads its values from. A host's
// condition names its own columns, which these must not be mistaken for.
const (
	bulkRows    = `"adsync rows"`
	bulkOrdinal = `"adsync n"`
)

// HasBulk tells whether the dialect can write many rows in one statement that
// compares each and tells which it wrote.
func (d Dialect) HasBulk() bool { return d.bulk }

// UpdateMany is Update with match for many rows. Arguments: an Array of the IDs,
// one for each column that is set, and one for each that is compared (two for a
// Bool); then those of the Where. It returns the ordinal, from 1, of each row that
// it wrote.
func (t *Table) UpdateMany(id string, set []BulkColumn, compared []string) string {
	s := t.begin("UPDATE ", t.quoted, " SET ")
	s.list(len(set), ", ", func(i int) string {
		return t.d.Quote(set[i].Name) + " = " + bulkValue(2+i, set[i].Type)
	})
	s.add(" FROM ")
	return t.finishMany(s, id, 1+len(set), compared)
}

// DeleteMany is Delete with match for many rows, with the arguments of UpdateMany.
func (t *Table) DeleteMany(id string, compared []string) string {
	return t.finishMany(t.begin("DELETE FROM ", t.quoted, " USING "), id, 1, compared)
}

// finishMany adds the values, after n columns of which come those to compare, and
// the condition.
func (t *Table) finishMany(s *statement, id string, n int, compared []string) string {
	conditions := make([]string, len(t.columns))
	at := n
	next := func(typeName string) string {
		at++
		return bulkValue(at, typeName)
	}
	for i, c := range t.columns {
		col := t.d.Quote(c.Name)
		switch c.Kind {
		case Text:
			conditions[i] = t.d.sameText(col, next("text"))
		case Bool:
			conditions[i] = t.d.sameBool(col, next("text"), next("text"))
		default:
			conditions[i] = t.d.same(col, next(compared[i]))
		}
	}
	s.addValues(at)
	s.add(" WHERE ", t.id, " = ", bulkValue(1, id))
	for _, condition := range conditions {
		s.add(" AND ", condition)
	}
	t.addAndWhere(s)
	s.add(" RETURNING ", bulkOrdinal)
	return s.String()
}

// InsertMany is InsertRows with an Array for each column as its arguments.
func (t *Table) InsertMany(columns []BulkColumn, returned ...string) string {
	s := t.begin("INSERT INTO ", t.quoted, " (")
	s.list(len(columns), ", ", func(i int) string { return t.d.Quote(columns[i].Name) })
	s.add(") SELECT ")
	s.list(len(columns), ", ", func(i int) string { return bulkValue(1+i, columns[i].Type) })
	s.add(" FROM ")
	s.addValues(len(columns))
	s.add(" ORDER BY ", bulkOrdinal)
	t.addReturning(s, returned)
	return s.String()
}

// SelectMany is SelectRow for many rows. Arguments: an Array of the IDs.
func (t *Table) SelectMany(id string) string {
	s := t.selectAll()
	s.add(" WHERE ", t.id, " = ANY (CAST(CAST(", s.arg(), " AS text) AS ", id, "[]))")
	t.addAndWhere(s)
	s.add(t.d.lock)
	return s.String()
}

// bulkValue is the value of the nth array in the type of its column. Without the
// type's length, as a cast would cut a text that is too long, where an assignment
// is an error.
func bulkValue(n int, typeName string) string {
	name := `"adsync ` + strconv.Itoa(n) + `"`
	if typeName == "text" {
		return name
	}
	return "CAST(" + name + " AS " + typeName + ")"
}

// addValues makes rows of n arrays. An array goes as text, which every driver can
// send.
func (s *statement) addValues(n int) {
	s.add("unnest(")
	s.list(n, ", ", func(int) string { return "CAST(CAST(" + s.arg() + " AS text) AS text[])" })
	s.add(") WITH ORDINALITY AS ", bulkRows, " (")
	s.list(n, ", ", func(i int) string { return bulkValue(1+i, "text") })
	s.add(", ", bulkOrdinal, ")")
}

// Array gathers values of one column, of the types that database/sql gives to
// drivers, as PostgreSQL writes an array of texts.
type Array struct {
	text []byte
	Type string // of the column, as the catalogue names it
}

// Add appends a value.
func (a *Array) Add(v any) {
	if len(a.text) > 0 {
		a.text = append(a.text, ',')
	}
	if v == nil {
		a.text = append(a.text, "NULL"...)
		return
	}
	text, ok := v.(string)
	if !ok {
		text = arrayText(v, a.Type)
	}
	if strings.IndexByte(text, '"') >= 0 || strings.IndexByte(text, '\\') >= 0 {
		text = arrayEscapes.Replace(text)
	}
	a.text = append(a.text, '"')
	a.text = append(a.text, text...)
	a.text = append(a.text, '"')
}

// String is the argument.
func (a *Array) String() string { return "{" + string(a.text) + "}" }

var arrayEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func arrayText(v any, typeName string) string {
	switch v := v.(type) {
	case []byte:
		if IsBinary(typeName) {
			return `\x` + hex.EncodeToString(v)
		}
		return string(v)
	case time.Time:
		return v.Format("2006-01-02 15:04:05.999999999Z07:00")
	case bool:
		return strconv.FormatBool(v)
	}
	return CellOf(v).Text
}
