package sqltable

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func dialect(t testing.TB, name string) Dialect {
	t.Helper()
	d, ok := ForName(name)
	require.True(t, ok)
	return d
}

// statements are all the texts for one table that needs every kind of quoting.
func statements(t *testing.T, name string) string {
	d := dialect(t, name)
	where, err := d.ParseWhere("kind = $2 AND tenant = $1 -- people", 2)
	require.NoError(t, err)
	columns := []Column{{"guid", Native}, {"login", Text}, {"state", Raw}, {"admin", Bool}}
	table, err := NewTable(d, "h`o\"st.users", "i`d\"", columns, where)
	require.NoError(t, err)
	catalogue, args := table.Catalogue()
	return strings.Join([]string{
		table.Select(), table.SelectRow(), table.SelectLinks("", false, "guid", 2),
		table.Update([]string{"login", "mail"}, true), table.Update([]string{"login"}, false),
		table.Delete(true), table.Delete(false), table.Insert([]string{"login", "mail"}),
		catalogue + fmt.Sprintf(" %q", args),
	}, "\n")
}

// links shows a statement and its own arguments.
func links(text string, args []any) string { return text + fmt.Sprintf(" %q", args) }

func TestInsertRows(t *testing.T) {
	for name, want := range map[string]string{
		"postgresql": `INSERT INTO "users" ("login", "state") VALUES ($1, $2), ($3, $4) RETURNING CAST("id" AS text), "state"`,
		"mysql":      "INSERT INTO `users` (`login`, `state`) VALUES (?, ?), (?, ?)",
		"sqlite":     "INSERT OR FAIL INTO `users` (`login`, `state`) VALUES (?, ?), (?, ?) RETURNING `id`, `state`",
	} {
		table, err := NewTable(dialect(t, name), "users", "id", []Column{{"login", Text}, {"state", Raw}}, Where{})
		require.NoError(t, err)
		assert.Equal(t, want, table.InsertRows([]string{"login", "state"}, 2, "state"))
	}
}

func TestInsertReturning(t *testing.T) {
	for name, want := range map[string]string{
		"mysql": "INSERT INTO `users` (`login`, `guid`) VALUES (?, ?), (?, ?) RETURNING `id`, `guid`", "postgresql": "", "sqlite": "",
	} {
		table, err := NewTable(dialect(t, name), "users", "id", []Column{{"login", Text}, {"guid", Raw}}, Where{})
		require.NoError(t, err)
		text, ok := table.InsertReturning([]string{"login", "guid"}, 2, "guid")
		assert.Equal(t, want != "", ok, name)
		assert.Equal(t, want, text)
	}
}

func TestStatements(t *testing.T) {
	for name, want := range map[string]string{
		"postgresql": `SELECT CAST("i` + "`" + `d""" AS text), CAST("guid" AS text), CAST("login" AS text), "state", "admin" FROM "h` + "`" + `o""st"."users" WHERE (kind = $1 AND tenant = $2 -- people
)
SELECT CAST("i` + "`" + `d""" AS text), CAST("guid" AS text), CAST("login" AS text), "state", "admin" FROM "h` + "`" + `o""st"."users" WHERE "i` + "`" + `d""" = $1 AND (kind = $2 AND tenant = $3 -- people
) FOR UPDATE
SELECT CAST("i` + "`" + `d""" AS text), CAST("guid" AS text), CAST("login" AS text), "state", "admin" FROM "h` + "`" + `o""st"."users" WHERE "guid" IN ($1, $2) AND (kind = $3 AND tenant = $4 -- people
)
UPDATE "h` + "`" + `o""st"."users" SET "login" = $1, "mail" = $2 WHERE "i` + "`" + `d""" = $3 AND "guid" IS NOT DISTINCT FROM $4 AND COALESCE(CAST("login" AS text), '') COLLATE "C" = $5 AND "state" IS NOT DISTINCT FROM $6 AND COALESCE(CAST("admin" AS text), '0') IN ($7, $8) AND (kind = $9 AND tenant = $10 -- people
)
UPDATE "h` + "`" + `o""st"."users" SET "login" = $1 WHERE "i` + "`" + `d""" = $2 AND (kind = $3 AND tenant = $4 -- people
)
DELETE FROM "h` + "`" + `o""st"."users" WHERE "i` + "`" + `d""" = $1 AND "guid" IS NOT DISTINCT FROM $2 AND COALESCE(CAST("login" AS text), '') COLLATE "C" = $3 AND "state" IS NOT DISTINCT FROM $4 AND COALESCE(CAST("admin" AS text), '0') IN ($5, $6) AND (kind = $7 AND tenant = $8 -- people
)
DELETE FROM "h` + "`" + `o""st"."users" WHERE "i` + "`" + `d""" = $1 AND (kind = $2 AND tenant = $3 -- people
)
INSERT INTO "h` + "`" + `o""st"."users" ("login", "mail") VALUES ($1, $2) RETURNING CAST("i` + "`" + `d""" AS text)
SELECT CAST(a.attname AS text), format_type(a.atttypid, -1), NOT (a.attnotnull OR t.typnotnull), FALSE, '', COALESCE((SELECT 'enum(' || string_agg('''' || replace(CAST(e.enumlabel AS text), '''', '''''') || '''', ',' ORDER BY e.enumsortorder) || ')' FROM pg_catalog.pg_enum e WHERE e.enumtypid IN (t.oid, t.typbasetype)), CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = CAST(CAST($1 AS text) AS regclass) AND a.attnum > 0 AND NOT a.attisdropped ["\"h` + "`" + `o\"\"st\".\"users\""]`,

		"mysql": "SELECT `i``d\"`, `guid`, `login`, `state`, `admin` FROM `h``o\"st`.`users` WHERE (kind = ? AND tenant = ? -- people\n)\n" +
			"SELECT `i``d\"`, `guid`, `login`, `state`, `admin` FROM `h``o\"st`.`users` WHERE `i``d\"` = ? AND (kind = ? AND tenant = ? -- people\n) FOR UPDATE\n" +
			"SELECT `i``d\"`, `guid`, `login`, `state`, `admin` FROM `h``o\"st`.`users` WHERE `guid` IN (?, ?) AND (kind = ? AND tenant = ? -- people\n)\n" +
			"UPDATE `h``o\"st`.`users` SET `login` = ?, `mail` = ? WHERE `i``d\"` = ? AND `guid` <=> ? AND CAST(COALESCE(CONVERT(`login` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND `state` <=> ? AND COALESCE(CAST(`admin` AS BINARY), '0') IN (?, ?) AND (kind = ? AND tenant = ? -- people\n)\n" +
			"UPDATE `h``o\"st`.`users` SET `login` = ? WHERE `i``d\"` = ? AND (kind = ? AND tenant = ? -- people\n)\n" +
			"DELETE FROM `h``o\"st`.`users` WHERE `i``d\"` = ? AND `guid` <=> ? AND CAST(COALESCE(CONVERT(`login` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND `state` <=> ? AND COALESCE(CAST(`admin` AS BINARY), '0') IN (?, ?) AND (kind = ? AND tenant = ? -- people\n)\n" +
			"DELETE FROM `h``o\"st`.`users` WHERE `i``d\"` = ? AND (kind = ? AND tenant = ? -- people\n)\n" +
			"INSERT INTO `h``o\"st`.`users` (`login`, `mail`) VALUES (?, ?)\n" +
			"SELECT column_name, column_type, is_nullable = 'YES', column_key = 'PRI' AND (SELECT COUNT(*) = 1 AND COUNT(sub_part) = 0 FROM information_schema.statistics WHERE table_name = ? AND table_schema = ? AND index_name = 'PRIMARY') AND EXISTS (SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_schema = ? AND engine = 'InnoDB'), COALESCE(CONCAT(character_set_name, ' COLLATE ', collation_name), '') FROM information_schema.columns WHERE table_name = ? AND table_schema = ? [\"users\" \"h`o\\\"st\" \"users\" \"h`o\\\"st\" \"users\" \"h`o\\\"st\"]",

		"sqlite": "SELECT `i``d\"`, `guid`, `login`, `state`, `admin` FROM `h``o\"st`.`users` WHERE (kind = ? AND tenant = ? -- people\n)\n" +
			"SELECT `i``d\"`, `guid`, `login`, `state`, `admin` FROM `h``o\"st`.`users` WHERE `i``d\"` = ? AND (kind = ? AND tenant = ? -- people\n)\n" +
			"SELECT `i``d\"`, `guid`, `login`, `state`, `admin` FROM `h``o\"st`.`users` WHERE `guid` IN (?, ?) AND (kind = ? AND tenant = ? -- people\n)\n" +
			"UPDATE `h``o\"st`.`users` SET `login` = ?, `mail` = ? WHERE `i``d\"` = ? AND `guid` IS ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND `state` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (kind = ? AND tenant = ? -- people\n)\n" +
			"UPDATE `h``o\"st`.`users` SET `login` = ? WHERE `i``d\"` = ? AND (kind = ? AND tenant = ? -- people\n)\n" +
			"DELETE FROM `h``o\"st`.`users` WHERE `i``d\"` = ? AND `guid` IS ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND `state` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (kind = ? AND tenant = ? -- people\n)\n" +
			"DELETE FROM `h``o\"st`.`users` WHERE `i``d\"` = ? AND (kind = ? AND tenant = ? -- people\n)\n" +
			"INSERT INTO `h``o\"st`.`users` (`login`, `mail`) VALUES (?, ?) RETURNING `i``d\"`\n" +
			"SELECT name, type, `notnull` = 0 FROM pragma_table_xinfo(?, ?) [\"users\" \"h`o\\\"st\"]",
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, statements(t, name)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTable_WithoutSchemaOrWhere(t *testing.T) {
	table, err := NewTable(dialect(t, "sqlite"), "users", "id", nil, Where{})
	require.NoError(t, err)
	assert.Equal(t, "SELECT `id` FROM `users`", table.Select())
	assert.Equal(t, "DELETE FROM `users` WHERE `id` = ?", table.Delete(true))
	assert.Equal(t, "SELECT `id` FROM `users` WHERE (`src` = ?) AND `guid` IN (?)", table.SelectLinks("src", false, "guid", 1))
	assert.Equal(t, "SELECT `id` FROM `users` WHERE (`src` = ? OR `src` IS NULL) AND `guid` IN (?, ?)", table.SelectLinks("src", true, "guid", 2))
	text, args := table.Catalogue()
	assert.Equal(t, "SELECT name, type, `notnull` = 0 FROM pragma_table_xinfo(?)", text)
	assert.Equal(t, []any{"users"}, args)
	for _, bad := range []string{"", ".", "users.", ".users", "a.b.c"} {
		_, err := NewTable(dialect(t, "sqlite"), bad, "id", nil, Where{})
		assert.ErrorContains(t, err, "adsync: ", bad)
	}
}

func TestForName_KnowsThree(t *testing.T) {
	_, ok := ForName("oracle")
	assert.False(t, ok)
}

func TestSelectDistinct(t *testing.T) {
	d := dialect(t, "mysql")
	where, err := d.ParseWhere("kind = ?", 1)
	require.NoError(t, err)
	table, err := NewTable(d, "h.users", "id", []Column{{"login", Text}}, where)
	require.NoError(t, err)
	assert.Equal(t, "SELECT DISTINCT `state` FROM `h`.`users` WHERE (kind = ?\n) LIMIT 100", table.SelectDistinct("state", 100))
	table, err = NewTable(d, "users", "id", []Column{{"login", Text}}, Where{})
	require.NoError(t, err)
	assert.Equal(t, "SELECT DISTINCT `state` FROM `users` LIMIT 7", table.SelectDistinct("state", 7))
	assert.Equal(t, "SELECT 1 FROM `users` LIMIT 1", table.SelectAny())
}

// MySQL alone has to be told to read by the primary key.
func TestReadRows(t *testing.T) {
	for name, want := range map[string]string{
		"mysql":  "SELECT `id`, `login` FROM `users` FORCE INDEX (PRIMARY) WHERE `id` IN (?, ?)",
		"sqlite": "SELECT `id`, `login` FROM `users` WHERE `id` IN (?, ?)",
	} {
		table, err := NewTable(dialect(t, name), "users", "id", []Column{{"login", Text}}, Where{})
		require.NoError(t, err)
		assert.Equal(t, want, table.ReadRows(2))
	}
}
