package sqltable

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTypes_AreFoundInAnyCase(t *testing.T) {
	types := Types{"Mail": {Name: "text"}, "mail": {Name: "uuid"}, "MAIL": {Name: "int"}, "MaiL": {Name: "date"}, "login": {Name: "char"}}
	for range 20 { // a map has no order
		found, ok := types.Find("mail")
		require.True(t, ok)
		require.Equal(t, "uuid", found.Name, "the very name comes first")
	}
	found, ok := types.Find("LOGIN")
	assert.True(t, ok)
	assert.Equal(t, "char", found.Name)
	found, ok = types.Find("phone")
	assert.False(t, ok)
	assert.Zero(t, found)
}

func TestReadTypes_FailsWithTheRows(t *testing.T) {
	lost := errors.New("lost")
	for _, rows := range []*planRows{{namesErr: lost}, {names: make([]string, 3), rows: [][]any{{}}, scanErr: lost}, {names: make([]string, 3), err: lost}} {
		_, err := ReadTypes(rows)
		assert.ErrorIs(t, err, lost)
		assert.True(t, rows.closed)
	}
}

func TestType_Family(t *testing.T) {
	for family, names := range map[Family][]string{
		Flags:    {"boolean", "BOOLEAN", "bool", "tinyint(1)", "bit(1)"},
		Numbers:  {"integer", "INT", "bigint unsigned", "smallint", "tinyint(4)", "numeric", "double precision", "int8"},
		Times:    {"timestamp with time zone", "datetime(3)", "date", "DATETIME"},
		Texts:    {"text", "character varying", "VARCHAR(40)", "char(1)", "enum('a','b')", "citext", "longtext"},
		Anything: {"", "uuid", "point", "jsonb", "user_state", "bytea"},
	} {
		for _, name := range names {
			assert.Equal(t, family, Type{Name: name}.Family(), name)
		}
	}
	enum := Type{Name: "enum('on','it''s off')"}
	assert.True(t, enum.Lists("it's off") && enum.Lists("ON") && Type{Name: "text"}.Lists("any"))
	assert.False(t, enum.Lists("off"))
}

func TestType_IsWide(t *testing.T) {
	for name, wide := range map[string]bool{"bigint(20)": true, "INT8": true, "numeric(9)": true, "decimal": true, "int": false, "text": false} {
		assert.Equal(t, wide, Type{Name: name}.IsWide(), name)
	}
}
