package sqltable

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

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
