package sqltable

import (
	"database/sql/driver"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The names of what a statement for many rows reads its values from. A host's
// condition names its own columns, which these must not be mistaken for.
const (
	bulkRows    = `"adsync rows"`
	bulkOrdinal = `"adsync n"`
)

// HasBulk tells whether the dialect can write many rows in one statement that
// compares each and tells which it wrote.
func (d Dialect) HasBulk() bool { return d.bulk }

// Bulk is a statement that writes many rows, and an argument for each list of their
// values.
type Bulk struct {
	Text  string
	lists []Array
}

func (b *Bulk) addList(typeName string) { b.lists = append(b.lists, Array{Type: typeName}) }

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

// UpdateMany is Update with match for many rows. The values of a row: its ID, one
// for each column that is set, and one for each that is compared (two for a Bool).
// It returns the ordinal, from 1, of each row that it wrote.
func (t *Table) UpdateMany(types Types, set []string) *Bulk {
	s := t.begin("UPDATE ", t.quoted, " SET ")
	s.list(len(set), ", ", func(i int) string {
		return t.d.Quote(set[i]) + " = " + bulkValue(2+i, types[set[i]].Name)
	})
	s.add(" FROM ")
	return t.finishMany(s, types, set)
}

// DeleteMany is Delete with match for many rows, with the values of UpdateMany.
func (t *Table) DeleteMany(types Types) *Bulk {
	return t.finishMany(t.begin("DELETE FROM ", t.quoted, " USING "), types, nil)
}

// finishMany adds the values and the condition.
func (t *Table) finishMany(s *statement, types Types, set []string) *Bulk {
	b := &Bulk{}
	b.addList(types[t.key].Name)
	for _, name := range set {
		b.addList(types[name].Name)
	}
	next := func(typeName string) string {
		b.addList(typeName)
		return bulkValue(len(b.lists), typeName)
	}
	conditions := make([]string, len(t.columns))
	for i, c := range t.columns {
		col := t.d.Quote(c.Name)
		switch c.Kind {
		case Text:
			conditions[i] = t.d.sameText(col, next("text"))
		case Bool:
			conditions[i] = t.d.sameBool(col, next("text"), next("text"))
		default:
			conditions[i] = t.d.same(col, next(types[c.Name].Name))
		}
	}
	s.addValues(len(b.lists))
	s.add(" WHERE ", t.id, " = ", bulkValue(1, types[t.key].Name))
	if t.textID {
		s.add(" AND ", t.d.sameText(t.id, bulkValue(1, "text")))
	}
	for _, condition := range conditions {
		s.add(" AND ", condition)
	}
	t.addAndWhere(s)
	s.add(" RETURNING ", bulkOrdinal)
	b.Text = s.String()
	return b
}

// InsertMany is InsertRows for a Bulk.
func (t *Table) InsertMany(types Types, columns []string, returned ...string) *Bulk {
	b := &Bulk{}
	s := t.begin("INSERT INTO ", t.quoted, " (")
	s.list(len(columns), ", ", func(i int) string { return t.d.Quote(columns[i]) })
	s.add(") SELECT ")
	s.list(len(columns), ", ", func(i int) string {
		b.addList(types[columns[i]].Name)
		return bulkValue(1+i, types[columns[i]].Name)
	})
	s.add(" FROM ")
	s.addValues(len(columns))
	t.addReturning(s, returned)
	b.Text = s.String()
	return b
}

// SelectLinksMany is SelectLinks with an Array of the values, which the database's
// planner treats like a list: if it were cast by way of text, as elsewhere, the planner
// would not know how many there are. Arguments: the source, where it has a column; the
// Array.
func (t *Table) SelectLinksMany(types Types, source string, emptySource bool, column string) string {
	s := t.beginLinks(source, emptySource, column)
	s.add(" = ANY (CAST(", s.arg(), " AS ", types[column].Name, "[]))")
	t.addAndWhere(s)
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
	t.addAndWhere(s)
	return s.String()
}

// bulkValue is the value of the nth array in the type of its column. It leaves the
// type's length out, because a cast would cut a text that is too long, where an
// assignment is an error.
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
	a.text = append(a.text, '"')
	if strings.IndexByte(text, '"') < 0 && strings.IndexByte(text, '\\') < 0 { // far quicker than one search for both
		a.text = append(a.text, text...)
	} else {
		a.text = append(a.text, quoted.Replace(text)...)
	}
	a.text = append(a.text, '"')
}

// quoted escapes an element of an array.
var quoted = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// String is the argument.
func (a *Array) String() string {
	var s strings.Builder
	s.Grow(len(a.text) + 2)
	s.WriteByte('{')
	s.Write(a.text)
	s.WriteByte('}')
	return s.String()
}

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
