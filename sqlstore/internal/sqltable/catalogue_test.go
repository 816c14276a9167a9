package sqltable

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each question names the table, in its schema where the host gives one.
func TestCatalogue_AsksAboutOneTable(t *testing.T) {
	type question struct{ part, args string } // what is in its text, and all its arguments
	const this, master = "table_name = ? AND table_schema = ", "SELECT type, name, sql FROM "
	const pgThis = "CAST(CAST($1 AS text) AS regclass) AND "
	const pgView = "r.ev_class = CAST(CAST($1 AS text) AS regclass))" // the tables that a view reads, too
	for _, want := range []struct {
		dialect, table           string
		indexes, demands, quirks question
	}{
		{"postgresql", "users", question{pgView, `["\"users\""]`}, question{pgThis + "attnum > 0", `["\"users\""]`}, question{pgThis + "ev_type", `["\"users\""]`}},
		{"postgresql", "h.users", question{pgView, `["\"h\".\"users\""]`}, question{pgThis, `["\"h\".\"users\""]`}, question{pgThis, `["\"h\".\"users\""]`}},
		{"mysql", "users", question{this + "DATABASE() AND non_unique = 0", `["users" "users"]`}, question{this + "DATABASE() AND is_nullable = 'NO'", `["users"]`}, question{}},
		{"mysql", "h.users", question{this + "? AND non_unique = 0", `["users" "h" "users" "h"]`}, question{this + "? AND is_nullable = 'NO'", `["users" "h"]`}, question{}},
		{"sqlite", "users", question{"pragma_index_list(?) AS l", `["users"]`}, question{"pragma_table_xinfo(?) WHERE", `["users"]`}, question{master + "sqlite_master WHERE", `["users" "users"]`}},
		{"sqlite", "h.users", question{"pragma_index_list(?, ?) AS l", `["users" "h"]`}, question{"pragma_table_xinfo(?, ?) WHERE", `["users" "h"]`}, question{master + "`h`.sqlite_master WHERE", `["users" "users"]`}},
	} {
		table, err := NewTable(dialect(t, want.dialect), want.table, "id", nil, Where{})
		require.NoError(t, err)
		check := func(want question, text string, args []any) {
			t.Helper()
			assert.Contains(t, text, want.part)
			assert.Equal(t, want.args, fmt.Sprintf("%q", args))
		}
		text, args := table.UniqueIndexes()
		check(want.indexes, text, args)
		text, args = table.Demands()
		check(want.demands, text, args)
		text, args, ok := table.Quirks()
		assert.Equal(t, want.quirks != question{}, ok, want.dialect)
		if ok {
			check(want.quirks, text, args)
		}
	}
}

// Where a question of MySQL's catalogue does not name the table by constants, the server
// opens every table of every database, and again for each row of another question.
func TestCatalogue_NamesTheTableOfMySQLEachTime(t *testing.T) {
	table, err := NewTable(dialect(t, "mysql"), "h.users", "id", nil, Where{})
	require.NoError(t, err)
	for _, ask := range []func() (string, []any){table.Catalogue, table.UniqueIndexes, table.Demands} {
		text, args := ask()
		views := strings.Count(text, " FROM information_schema.")
		assert.NotZero(t, views)
		assert.Equal(t, views, strings.Count(text, "table_name = ? AND table_schema = ?"), text)
		assert.Len(t, args, 2*views, text)
	}
}

func TestCatalogue_AsksWhatChangesRowsOfOneTable(t *testing.T) {
	for _, want := range []struct{ dialect, table, part, args string }{
		{"postgresql", "users", "c.oid = CAST(CAST($1 AS text) AS regclass)", `["\"users\"" "id"]`},
		{"postgresql", "h.users", "c.oid = CAST(CAST($1 AS text) AS regclass)", `["\"h\".\"users\"" "id"]`},
		{"mysql", "users", "table_name = ? AND constraint_schema = DATABASE() AND", `["users"]`},
		{"mysql", "h.users", "table_name = ? AND constraint_schema = ? AND", `["users" "h"]`},
	} {
		table, err := NewTable(dialect(t, want.dialect), want.table, "id", nil, Where{})
		require.NoError(t, err)
		text, args := table.Meddlers()
		assert.Contains(t, text, want.part)
		assert.Equal(t, want.args, fmt.Sprintf("%q", args))
	}
}

func TestCatalogue_AsksWhatIsAlike(t *testing.T) {
	const umlaut = "M\u00fcller"
	for _, test := range []struct {
		dialect string
		is      Type
		begins  string
	}{
		{"mysql", Type{Name: "varchar(9)", collate: "utf8mb4 COLLATE utf8mb4_general_ci"},
			"SELECT CONVERT('Muller' USING utf8mb4) COLLATE utf8mb4_general_ci = CONVERT('" + umlaut + "' USING utf8mb4) COLLATE utf8mb4_general_ci, CONVERT('o-neil'"},
		{"mysql", Type{Name: "varchar(9)"}, ""},
		{"postgresql", Type{Name: "citext"}, `SELECT (SELECT c = '` + umlaut + `' FROM (SELECT "login" AS c FROM "users" WHERE 1 = 0 UNION ALL SELECT 'Muller') AS alike), (SELECT c = 'oneil'`},
		{"postgresql", Type{Name: "uuid"}, ""},
		{"sqlite", Type{}, "SELECT (SELECT c = '" + umlaut + "' FROM (SELECT `login` AS c FROM `users` WHERE 1 = 0 UNION ALL SELECT 'Muller') AS alike), (SELECT c = 'oneil'"},
	} {
		table, err := NewTable(dialect(t, test.dialect), "users", "id", nil, Where{})
		require.NoError(t, err)
		text, ok := table.ComparesAlike("login", test.is)
		assert.Equal(t, test.begins != "", ok, test.is.Name)
		assert.True(t, strings.HasPrefix(text, test.begins), text)
	}
}
