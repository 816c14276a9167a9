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
	for family, whole := range map[Family]string{Texts: "enum('on','off')", Flags: "boolean", Numbers: "numeric(5,2)", Anything: "text[]"} {
		assert.Equal(t, family, Type{Name: "state", whole: whole}.Family(), whole)
	}
}

// What a column reads as, once a text is written there.
func TestType_Text(t *testing.T) {
	mysql, pg := Type{Name: "enum('On','it''s off','a,b(c)')"}, Type{Name: "state", whole: "enum('On','it''s off')"}
	for _, test := range []struct {
		of         Type
		text, want string
		ok         bool
	}{
		{mysql, "on", "On", true}, {mysql, "it's off", "it's off", true}, {mysql, "a,b(c)", "a,b(c)", true}, {mysql, "off", "", false}, {mysql, "a", "", false},
		{pg, "On", "On", true}, {pg, "on", "", false}, {Type{Name: "SET('a','b')"}, "b", "b", true}, {Type{Name: "enum()"}, "b", "b", true},
		{Type{Name: "varchar(3)"}, "\u00e4\u00f6\u00fc", "\u00e4\u00f6\u00fc", true}, {Type{Name: "varchar(3)"}, "four", "four", false}, {Type{Name: "character varying", whole: "character varying(3)"}, "four", "four", false},
		{Type{Name: "char(3)"}, "on ", "on ", false}, {Type{Name: "varchar(3)"}, "on ", "on ", true}, {Type{Name: "text"}, "on ", "on ", true},
	} {
		spelled, ok := test.of.Text(test.text)
		assert.Equal(t, []any{test.want, test.ok}, []any{spelled, ok}, "%v: %s", test.of, test.text)
	}
	assert.Equal(t, []string{"On", "it's off", "a,b(c)"}, mysql.Values())
	assert.Nil(t, Type{Name: "varchar('x')"}.Values())
}

func TestType_Number(t *testing.T) {
	for _, test := range []struct {
		of, text, want string
		ok             bool
	}{
		{"int", "2147483647", "2147483647", true}, {"int", "2147483648", "2147483647", false}, {"int(10) unsigned", "2147483648", "2147483648", true}, {"int unsigned", "-1", "0", false},
		{"smallint", "32768", "32767", false}, {"tinyint(1)", "127", "127", true}, {"tinyint(1)", "128", "127", false}, {"integer", "1.5", "0", false}, {"bigint", "01", "1", true}, {"integer", "on", "0", false},
		{"numeric(5,2)", "1", "1", true}, {"numeric(5,2)", "999.25", "999.25", true}, {"numeric(5,2)", "1000", "1000", false}, {"decimal(5,2)", "0.125", "0.125", false}, {"decimal(2,2)", "-0.25", "-0.25", true},
		{"numeric(1)", "10", "10", false}, {"real", "1.50", "1.5", true}, {"numeric", "NaN", "NaN", false}, {"double precision", "Inf", "+Inf", false}, {"real", "on", "0", false},
	} {
		spelled, ok := Type{Name: test.of}.Number(test.text)
		assert.Equal(t, []any{test.want, test.ok}, []any{spelled, ok}, "%s: %s", test.of, test.text)
	}
}

func TestType_Bit(t *testing.T) {
	for _, test := range []struct {
		of   Type
		want any
		ok   bool
	}{
		{Type{Name: "bit(1)"}, int64(1), true}, {Type{Name: "bit", whole: "bit(1)"}, "1", true}, {Type{Name: "bit", whole: "bit(3)"}, nil, true}, {Type{Name: "tinyint(1)"}, nil, false},
	} {
		bit, ok := test.of.Bit(true)
		assert.Equal(t, []any{test.want, test.ok}, []any{bit, ok}, test.of.String())
	}
	zero, _ := Type{Name: "bit(1)"}.Bit(false)
	assert.Equal(t, int64(0), zero)
}

func TestType_IsNarrow(t *testing.T) {
	for name, narrow := range map[string]bool{"smallint": true, "tinyint(1)": true, "mediumint(8) unsigned": true, "int": false, "bigint": false, "numeric(4)": false, "text": false} {
		assert.Equal(t, narrow, Type{Name: name}.IsNarrow(), name)
	}
}

func TestType_IsWide(t *testing.T) {
	for name, wide := range map[string]bool{"bigint(20)": true, "INT8": true, "numeric(9)": true, "decimal": true, "int": false, "text": false} {
		assert.Equal(t, wide, Type{Name: name}.IsWide(), name)
	}
}
