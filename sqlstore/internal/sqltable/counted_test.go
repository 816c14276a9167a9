package sqltable

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachTable has a column of every kind.
func eachTable(t *testing.T) *Table {
	t.Helper()
	d := dialect(t, "mysql")
	require.True(t, d.HasCounted())
	where, err := d.ParseWhere("kind = ?", 1)
	require.NoError(t, err)
	table, err := NewTable(d, "h.users", "i`d", []Column{{"guid", Raw}, {"login", Text}, {"admin", Bool}}, where)
	require.NoError(t, err)
	return table
}

const (
	eachGUID  = "`guid` <=> "
	eachLogin = "CAST(COALESCE(CONVERT(`login` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(%s USING utf8mb4) AS BINARY)"
	eachEnd   = " AND COALESCE(CAST(`admin` AS BINARY), '0') IN (?, ?) AND (kind = ?\n)"
	eachCase  = "CASE `i``d` WHEN ? THEN ? WHEN ? THEN ? END"
)

func login(arg string) string { return strings.ReplaceAll(eachLogin, "%s", arg) }

func TestUpdateEach(t *testing.T) {
	rows := [][]any{
		{int64(7), "a", nil, []byte{1}, "ann", "0", "false"},
		{int64(8), "b", nil, []byte{2}, "ann", "0", "false"},
	}
	many, ok := eachTable(t).UpdateCounted([]string{"login", "mail"}, rows)
	require.True(t, ok)
	want := "UPDATE `h`.`users` FORCE INDEX (PRIMARY) SET `login` = " + eachCase + ", `mail` = ? WHERE `i``d` IN (?, ?) AND " +
		eachGUID + eachCase + " AND " + login("?") + eachEnd
	if diff := cmp.Diff(want, many.Text); diff != "" {
		t.Error(diff)
	}
	assert.Equal(t, []any{int64(7), "a", int64(8), "b", nil, int64(7), int64(8), int64(7), []byte{1}, int64(8), []byte{2}, "ann", "0", "false"}, many.Args)
	assert.Equal(t, "SELECT `i``d`, `guid`, `login`, `admin` FROM `h`.`users` FORCE INDEX (PRIMARY) WHERE `i``d` IN (?, ?) AND (kind = ?\n)", eachTable(t).ReadRows(2))
}

func TestUpdateEach_ComparesTextIDsExactly(t *testing.T) {
	rows := [][]any{{"x", "a", nil, "ann", "0", "false"}, {"y", "a", nil, "ann", "0", "false"}}
	many, ok := eachTable(t).UpdateCounted([]string{"login"}, rows)
	require.True(t, ok)
	id := strings.ReplaceAll(login(eachCase), "`login`", "`i``d`")
	assert.Contains(t, many.Text, " WHERE `i``d` IN (?, ?) AND "+id+" AND "+eachGUID+"? AND ")
	assert.Equal(t, []any{"a", "x", "y", "x", "x", "y", "y", nil, "ann", "0", "false"}, many.Args)
}

func TestDeleteEach(t *testing.T) {
	rows := [][]any{{int64(7), nil, "a", "0", "false"}, {int64(8), nil, "b", "0", "false"}}
	for column, typed := range map[Type]string{
		{Name: "int(11)"}:             "CAST(? AS SIGNED)",
		{Name: "bigint(20) unsigned"}: "CAST(? AS UNSIGNED)",
		{Name: "BINARY(16)"}:          "CAST(? AS BINARY)",
		{Name: "uuid"}:                "CAST(? AS UUID)",
		{Name: "varchar(9)", collate: "latin1 COLLATE latin1_bin"}: "CONVERT(? USING latin1) COLLATE latin1_bin",
	} {
		many, ok := eachTable(t).DeleteCounted(Types{"i`d": column}, rows)
		require.True(t, ok)
		want := "DELETE `h`.`users` FROM (SELECT " + typed + " AS `adsync id` UNION ALL SELECT " + typed + ") AS `adsync ids` STRAIGHT_JOIN `h`.`users` FORCE INDEX (PRIMARY) ON `i``d` = `adsync id`" +
			" WHERE TRUE AND " + eachGUID + "? AND " + login(eachCase) + eachEnd
		if diff := cmp.Diff(want, many.Text); diff != "" {
			t.Error(diff)
		}
		assert.Equal(t, []any{int64(7), int64(8), nil, int64(7), "a", int64(8), "b", "0", "false"}, many.Args)
	}
	for _, odd := range []Type{{Name: "varchar(9)"}, {Name: "varchar(9)", collate: "x' COLLATE y"}, {Name: "date"}, {}} {
		_, ok := eachTable(t).DeleteCounted(Types{"i`d": odd}, rows)
		assert.False(t, ok, odd)
	}
}

// A CASE makes one type of all its values, which must not be left to the server
// where they are not of one to begin with.
func TestUpdateEach_ValuesThatAreNoneOfOneType(t *testing.T) {
	row := func(values ...any) []any { return append(values, nil, "ann", "0", "false") }
	for name, rows := range map[string][][]any{
		"numbers":          {row(1, 1), row(2, 2)},
		"text and NULL":    {row(1, "a"), row(2, nil)},
		"NULL and text":    {row(1, nil), row(2, "a")},
		"text and bytes":   {row(1, "a"), row(2, []byte("b"))},
		"bytes to store":   {row(1, []byte("a")), row(2, []byte("b"))},
		"the driver's own": {row(1, struct{}{}), row(2, struct{}{})},
	} {
		_, ok := eachTable(t).UpdateCounted([]string{"login"}, rows)
		assert.False(t, ok, name)
	}
	_, ok := eachTable(t).UpdateCounted([]string{"login", "mail"}, [][]any{row(1, "a", []byte("a")), row(2, "b", []byte("b"))})
	assert.False(t, ok, "bytes to store in another column")
	_, ok = eachTable(t).UpdateCounted([]string{"login"}, [][]any{row(1, []byte("a")), row(2, []byte("a"))})
	assert.True(t, ok, "the same bytes for all need no CASE")
}

func TestSameValue(t *testing.T) {
	now := time.Now()
	for _, v := range []any{nil, 1, "a", 1.5, true, []byte("a"), now} {
		assert.True(t, SameValue(v, v), v)
		assert.False(t, SameValue(v, "b"), v)
		assert.False(t, SameValue([]byte("b"), v), v)
	}
	assert.True(t, SameValue(1, int64(1)))
	assert.False(t, SameValue("a", []byte("a")))
	assert.False(t, SameValue(nil, ""))
	assert.False(t, SameValue(struct{}{}, struct{}{}))
	assert.False(t, SameValue(struct{}{}, "a"))
	assert.False(t, SameValue("a", struct{}{}))
	assert.False(t, SameValue([]byte{}, nil))
	assert.False(t, SameValue("a", []byte("b")))
}

func TestExactKey(t *testing.T) {
	guid := "00112233-4455-6677-8899-aabbccddeeff"
	bin, _ := ParseBinaryKey(guid)
	for _, test := range []struct {
		typeName, id string
		want         any
	}{
		{"bigint(20)", "17", int64(17)},
		{"int", "-1", int64(-1)},
		{"INT UNSIGNED", "17", int64(17)},
		{"int unsigned", "0", int64(0)},
		{"tinyint(4)", "0", int64(0)},
		{"binary(16)", guid, bin},
		{"varbinary(3)", "0aff", []byte{10, 255}},
		{"uuid", guid, guid},
		{"char(9)", "Ann-1~", "Ann-1~"},
		{"varchar(36)", guid, guid},
	} {
		got, ok := Type{Name: test.typeName}.ExactKey(test.id)
		assert.True(t, ok, test)
		assert.Equal(t, test.want, got)
	}
	for _, test := range [][2]string{
		{"bigint(20)", "017"}, {"bigint(20)", "+17"}, {"bigint(20)", " 17"}, {"bigint(20)", "17 "}, {"bigint(20)", "1.0"}, {"bigint(20)", "-0"}, {"bigint(20)", ""},
		{"bigint(20)", "9223372036854775808"}, {"bigint(20) unsigned", "-1"}, {"int(5) unsigned zerofill", "17"},
		{"binary(16)", strings.ToUpper(guid)}, {"binary(16)", "{" + guid + "}"}, {"binary(4)", "0AFF"}, {"binary(4)", "ann"},
		{"uuid", strings.ToUpper(guid)}, {"uuid", "ann"},
		{"varchar(9)", ""}, {"varchar(9)", "ann "}, {"varchar(9)", "a b"}, {"varchar(9)", "änn"}, {"varchar(9)", "a\x00"}, {"varchar(9)", "a\xff"},
		{"decimal(10,0)", "17"}, {"double", "17"}, {"enum('char')", "17"}, {"text", "17"}, {"blob", "0aff"}, {"date", "2026-01-02"}, {"", "17"},
	} {
		_, ok := Type{Name: test[0]}.ExactKey(test[1])
		assert.False(t, ok, test)
	}
}

// planRows is an answer to Plan.
type planRows struct {
	names                  []string
	rows                   [][]any
	err, scanErr, namesErr error
	closed                 bool
}

func (r *planRows) Columns() ([]string, error) { return r.names, r.namesErr }
func (r *planRows) Err() error                 { return r.err }
func (r *planRows) Close() error               { r.closed = true; return nil }
func (r *planRows) Next() bool                 { return len(r.rows) > 0 }
func (r *planRows) Scan(dest ...any) error {
	if r.scanErr != nil {
		return r.scanErr
	}
	for i, v := range r.rows[0] {
		if err := dest[i].(*Cell).Scan(v); err != nil {
			return err
		}
	}
	r.rows = r.rows[1:]
	return nil
}

// catalogueRows is an answer to Catalogue.
type catalogueRows struct{ planRows }

func (r *catalogueRows) Scan(dest ...any) error {
	row := r.rows[0]
	r.rows = r.rows[1:]
	*dest[0].(*string), *dest[1].(*string), *dest[2].(*bool) = row[0].(string), row[1].(string), row[2].(bool)
	if len(dest) > 3 {
		*dest[3].(*bool), *dest[4].(*string) = row[3].(bool), row[4].(string)
	}
	return nil
}

func TestReadTypes(t *testing.T) {
	read := func(n int, rows ...[]any) Types {
		types, err := ReadTypes(&catalogueRows{planRows{names: make([]string, n), rows: rows}})
		require.NoError(t, err)
		return types
	}
	assert.Equal(t, Types{"id": {Name: "uuid"}, "mail": {Name: "text", Nullable: true}}, read(3, []any{"id", "uuid", false}, []any{"mail", "text", true}))
	id, mail := []any{"id", "int", false, true, ""}, []any{"mail", "char(9)", true, false, "ascii COLLATE ascii_bin"}
	assert.Equal(t, Types{"id": {Name: "int", Key: true}, "mail": {Name: "char(9)", Nullable: true, collate: "ascii COLLATE ascii_bin"}}, read(5, id, mail))
}

func TestCounted_ReadsByKey(t *testing.T) {
	names := []string{"TABLE", "Type", "key", "rows"}
	list, none := []any{[]byte("<derived2>"), "ALL", nil, int64(9)}, []any{nil, nil, nil, nil}
	for name, test := range map[string]struct {
		want bool
		rows [][]any
	}{
		"a list":               {true, [][]any{{"users", "range", "PRIMARY", int64(2)}}},
		"a join":               {true, [][]any{list, {[]byte("users"), []byte("eq_ref"), []byte("PRIMARY"), []byte("1")}, none, none}},
		"the whole table":      {false, [][]any{{"users", "ALL", nil, int64(2)}}},
		"the whole index":      {false, [][]any{{"users", "index", "PRIMARY", int64(2)}}},
		"another index":        {false, [][]any{{"users", "range", "one_email", int64(2)}}},
		"more rows":            {false, [][]any{{"users", "range", "PRIMARY", int64(3)}}},
		"another table too":    {false, [][]any{{"users", "range", "PRIMARY", int64(2)}, {"docs", "range", "PRIMARY", int64(2)}}},
		"all of another":       {false, [][]any{{"users", "range", "PRIMARY", int64(2)}, {"docs", "ALL", nil, int64(9)}}},
		"no table":             {false, [][]any{none}},
		"the list alone":       {false, [][]any{list}},
		"a number it does not": {false, [][]any{{"users", "range", "PRIMARY", nil}}},
		"nothing":              {false, nil},
	} {
		got, err := ReadsByKey(&planRows{names: names, rows: test.rows}, 2)
		require.NoError(t, err)
		assert.Equal(t, test.want, got, name)
	}
	got, err := ReadsByKey(&planRows{names: []string{"EXPLAIN"}, rows: [][]any{{"-> Update users"}}}, 2)
	require.NoError(t, err)
	assert.False(t, got, "an answer in another form proves nothing")
	for _, name := range names {
		var others []string
		var row []any
		for i, other := range names {
			if other != name {
				others, row = append(others, other), append(row, []any{"users", "range", "PRIMARY", int64(2)}[i])
			}
		}
		got, err := ReadsByKey(&planRows{names: others, rows: [][]any{row}}, 2)
		require.NoError(t, err)
		assert.False(t, got, "an answer without %s", name)
	}
	byKey := [][]any{{"users", "range", "PRIMARY", int64(2)}}
	for _, lost := range []*planRows{
		{names: names, rows: byKey, err: errors.New("lost")}, {names: names, rows: byKey, scanErr: errors.New("lost")}, {names: names, rows: byKey, namesErr: errors.New("lost")},
	} {
		got, err := ReadsByKey(lost, 2)
		assert.EqualError(t, err, "lost")
		assert.Equal(t, lost.err != nil, got, "what was not read proves nothing")
		assert.True(t, lost.closed)
	}
}
