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
