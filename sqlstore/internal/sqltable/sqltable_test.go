package sqltable

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
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
SELECT CAST(a.attname AS text), format_type(a.atttypid, -1), NOT (a.attnotnull OR t.typnotnull) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = CAST(CAST($1 AS text) AS regclass) AND a.attnum > 0 AND NOT a.attisdropped ["\"h` + "`" + `o\"\"st\".\"users\""]`,

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

// render puts the condition together as the dialect's statements do.
func render(t *testing.T, d Dialect, w Where) string {
	t.Helper()
	table, err := NewTable(d, "t", "id", nil, w)
	require.NoError(t, err)
	_, text, _ := strings.Cut(table.Select(), " WHERE (")
	return strings.TrimSuffix(text, "\n)")
}

func TestParseWhere(t *testing.T) {
	for _, test := range []struct {
		dialect, text string
		n             int
		want          string
		args          []any
	}{
		{"postgresql", "a = ? AND b = ?", 2, "a = $1 AND b = $2", []any{0, 1}},
		{"sqlite", "a = $2 AND b = $1 AND c = $2", 2, "a = ? AND b = ? AND c = ?", []any{1, 0, 1}},
		{"postgresql", "tags ? 'x' AND a = $1", 1, "tags ? 'x' AND a = $1", []any{0}},
		{"postgresql", "tags ? 'x'", 0, "tags ? 'x'", nil},
		{"postgresql", `a = '?' AND "b?" = ? AND c = 'it''s ?'`, 1, `a = '?' AND "b?" = $1 AND c = 'it''s ?'`, []any{0}},
		{"postgresql", `a = E'\'?' AND b = ?`, 1, `a = E'\'?' AND b = $1`, []any{0}},
		{"postgresql", `a = '\' AND b = ?`, 1, `a = '\' AND b = $1`, []any{0}},
		{"mysql", `a = '\'?' AND b = ?`, 1, `a = '\'?' AND b = ?`, []any{0}},
		{"mysql", "a = \"?\" AND `b?` = ? # or ?", 1, "a = \"?\" AND `b?` = ? # or ?", []any{0}},
		{"mysql", "a = 1--? AND b = 2 -- ?", 1, "a = 1--? AND b = 2 -- ?", []any{0}},
		{"sqlite", "a = '\\' AND b = ? /* ? */ -- ?\nAND c = ?", 2, "a = '\\' AND b = ? /* ? */ -- ?\nAND c = ?", []any{0, 1}},
		{"postgresql", "a = $$?$$ AND b = $x$ ? $y$ ? $x$ AND c = ?", 1, "a = $$?$$ AND b = $x$ ? $y$ ? $x$ AND c = $1", []any{0}},
		{"postgresql", "a$1 = 2 AND b = ?", 1, "a$1 = 2 AND b = $1", []any{0}},
		{"sqlite", "deleted = 0", 0, "deleted = 0", nil},
		{"sqlite", "[a?)] = ? AND b IN (1, (2))", 1, "[a?)] = ? AND b IN (1, (2))", []any{0}},
		{"postgresql", "tags[1] = ? /* a /* b */ ? ) */", 1, "tags[1] = $1 /* a /* b */ ? ) */", []any{0}},
		{"mysql", `a = ')\'(' AND b = ?`, 1, `a = ')\'(' AND b = ?`, []any{0}},
	} {
		t.Run(test.text, func(t *testing.T) {
			d := dialect(t, test.dialect)
			w, err := d.ParseWhere(test.text, test.n)
			require.NoError(t, err)
			assert.Equal(t, test.want, render(t, d, w))
			given := make([]any, test.n)
			for i := range given {
				given[i] = i
			}
			assert.Equal(t, append([]any{}, test.args...), w.Args(given))
		})
	}
}

func TestParseWhere_Refuses(t *testing.T) {
	for _, test := range []struct {
		text string
		n    int
		says string
	}{
		{"", 1, "without a Where"},
		{"a = ?", 0, "1 placeholders, but Args has 0"},
		{"a = ?", 2, "1 placeholders, but Args has 2"},
		{"a = $1", 0, "$1, but Args has 0"},
		{"a = $1 AND b = $3", 3, "uses 2 of the 3"},
		{"a = $0", 1, "count from $1"},
		{"a = $99999999999999999999", 1, "count from $1"},
		{"a = 'x", 0, "quote without an end"},
		{"a = 1 /* ?", 0, "comment without an end"},
	} {
		_, err := dialect(t, "sqlite").ParseWhere(test.text, test.n)
		assert.ErrorContains(t, err, test.says, test.text)
		assert.ErrorContains(t, err, "adsync: ", test.text)
	}
	_, err := dialect(t, "postgresql").ParseWhere("a = $x$ ", 0)
	assert.ErrorContains(t, err, "quote without an end")
}

// A condition that closes the parenthesis around it says something other than it seems
// to: 1=1) OR (2=2 is true of every row, whatever else a statement asks.
func TestParseWhere_RefusesUnbalancedParentheses(t *testing.T) {
	for _, test := range []struct {
		dialects, text string
		balanced       bool
	}{
		{"all", "1=1) OR (2=2", false},
		{"all", "1=1)", false},
		{"all", "(1=1", false},
		{"all", "((a = 1) AND b = 2", false},
		{"all", "(a = ')') AND (b = '(')", true},
		{"all", "a = '(' AND b = ')'", true},
		{"all", `a = "(" AND (b = ")")`, true},
		{"all", "`a(` = 1", true},
		{"all", "(a = 1 /* ) */)", true},
		{"all", "(a = 1) -- (", true},
		{"all", "(a = 1 -- )", false},
		{"postgresql", "a = $$($$ AND (b = $x$)$x$)", true},
		{"mysql sqlite", "a = $$($$ AND (b = 1)", false},
		{"postgresql", "(a = 1 /* /* */ ) */ )", true},
		{"mysql sqlite", "(a = 1 /* /* */ )", true},
		{"mysql sqlite", "(a = 1 /* /* */ ) */ )", false},
		{"sqlite", "[a(] = 1", true},
		{"mysql postgresql", "[a(] = 1", false},
		{"mysql", "(a = 1) # (", true},
		{"postgresql sqlite", "(a = 1) # (", false},
		{"mysql", `a = '\'(' AND b = ')'`, true},
		{"postgresql sqlite", `a = '\' OR (b = ')\'`, false},
		{"mysql", "a = 1 --(\n", false}, // two minus signs
	} {
		for _, name := range []string{"postgresql", "mysql", "sqlite"} {
			if test.dialects != "all" && !strings.Contains(test.dialects, name) {
				continue
			}
			_, err := dialect(t, name).ParseWhere(test.text, 0)
			if test.balanced {
				assert.NoError(t, err, "%s: %s", name, test.text)
			} else {
				assert.ErrorIs(t, err, errUnbalanced, "%s: %s", name, test.text)
			}
		}
	}
	for _, text := range []string{"a = 1 /*! OR 1=1 */", "a = 1 /*M!100100 ) OR ( */"} {
		_, err := dialect(t, "mysql").ParseWhere(text, 0)
		assert.ErrorContains(t, err, "a comment that some servers run", text)
	}
}

func FuzzParseWhere(f *testing.F) {
	f.Add("a = '?' AND b = $1 -- ?\n AND $$x$$", 1)
	f.Add(`e'\'' ? /* */ #`, 2)
	f.Fuzz(func(t *testing.T, text string, n int) {
		for _, name := range []string{"postgresql", "mysql", "sqlite"} {
			d := dialect(t, name)
			w, err := d.ParseWhere(text, n%8)
			if err != nil || w.IsZero() {
				continue
			}
			if len(w.texts) != len(w.args)+1 {
				t.Fatalf("%d texts for %d arguments", len(w.texts), len(w.args))
			}
			if len(w.args) == 0 && w.texts[0] != text {
				t.Fatal("the text has changed")
			}
		}
	})
}

type stateError struct{ state, text string }

func (e stateError) Error() string    { return e.text }
func (e stateError) SQLState() string { return e.state }

type codeError struct {
	code int
	text string
}

func (e codeError) Error() string { return e.text }
func (e codeError) Code() int     { return e.code }

func TestFault(t *testing.T) {
	for _, test := range []struct {
		dialect string
		err     error
		want    Fault
	}{
		{"postgresql", stateError{"23505", `ERROR: duplicate key value violates unique constraint "users_mail_key" (SQLSTATE 23505)`},
			Fault{Unique, "users_mail_key", `ERROR: duplicate key value violates unique constraint "users_mail_key" (SQLSTATE 23505)`}},
		{"postgresql", stateError{"23505", `FEHLER: doppelter Schlüsselwert verletzt Unique-Constraint »users_mail_key«`},
			Fault{Unique, "users_mail_key", `FEHLER: doppelter Schlüsselwert verletzt Unique-Constraint »users_mail_key«`}},
		{"postgresql", stateError{"23503", `ERROR: update or delete on table "users" violates foreign key constraint "docs_owner_fkey" on table "docs"`},
			Fault{Constraint, "docs_owner_fkey", `ERROR: update or delete on table "users" violates foreign key constraint "docs_owner_fkey" on table "docs"`}},
		{"postgresql", stateError{"22P02", `ERROR: invalid input syntax for type integer: "a "b" c" (SQLSTATE 22P02)`},
			Fault{Other, "", "ERROR: invalid input syntax for type integer: … (SQLSTATE 22P02)"}},
		{"postgresql", fmt.Errorf("wrapped: %w", stateError{"40001", "could not serialize"}), Fault{Retry, "", "wrapped: could not serialize"}},
		{"postgresql", stateError{"40P01", "deadlock detected"}, Fault{Retry, "", "deadlock detected"}},
		{"postgresql", stateError{"25006", "cannot execute UPDATE in a read-only transaction"}, Fault{ReadOnly, "", "cannot execute UPDATE in a read-only transaction"}},
		{"mysql", errors.New("Error 1290 (HY000): The MariaDB server is running with the --read-only option so it cannot execute this statement"),
			Fault{ReadOnly, "", "Error 1290 (HY000): The MariaDB server is running with the --read-only option so it cannot execute this statement"}},
		{"mysql", errors.New("Error 1290 (HY000): The MySQL server is running with the --secure-file-priv option so it cannot execute this statement"),
			Fault{Other, "", "Error 1290 (HY000): The MySQL server is running with the --secure-file-priv option so it cannot execute this statement"}},
		{"mysql", errors.New("Error 1792 (25006): Cannot execute statement in a READ ONLY transaction"),
			Fault{ReadOnly, "", "Error 1792 (25006): Cannot execute statement in a READ ONLY transaction"}},
		{"sqlite", codeError{8, "attempt to write a readonly database (8)"}, Fault{ReadOnly, "", "attempt to write a readonly database (8)"}},
		{"sqlite", codeError{1032, "attempt to write a readonly database (1032)"}, Fault{ReadOnly, "", "attempt to write a readonly database (1032)"}},
		{"sqlite", codeError{13, "database or disk is full (13)"}, Fault{Full, "", "database or disk is full (13)"}},
		{"postgresql", errors.New("connection refused"), Fault{Other, "", "connection refused"}},
		{"mysql", errors.New("Error 1062 (23000): Duplicate entry 'o'hara' for key 'x' for key 'users.mail'"),
			Fault{Unique, "users.mail", "Error 1062 (23000): Duplicate entry … for key 'users.mail'"}},
		{"mysql", errors.New("Error 1366 (22007): Incorrect string value: '\\xF0\\x9F' for column `h`.`users`.`mail` at row 1"),
			Fault{Other, "", "Error 1366 (22007): Incorrect string value: … for column `h`.`users`.`mail` at row 1"}},
		{"mysql", errors.New("Error 1292 (22007): Truncated incorrect DOUBLE value: 'ann'"), Fault{Other, "", "Error 1292 (22007): Truncated incorrect DOUBLE value: …"}},
		{"mysql", errors.New("Error 1451 (23000): Cannot delete or update a parent row: a foreign key constraint fails (`h`.`docs`, CONSTRAINT `docs_owner` FOREIGN KEY (`owner`) REFERENCES `users` (`id`))"),
			Fault{Constraint, "docs_owner", "Error 1451 (23000): Cannot delete or update a parent row: a foreign key constraint fails (`h`.`docs`, CONSTRAINT `docs_owner` FOREIGN KEY (`owner`) REFERENCES `users` (`id`))"}},
		{"mysql", errors.New("Error 1213 (40001): Deadlock found"), Fault{Retry, "", "Error 1213 (40001): Deadlock found"}},
		{"mysql", errors.New("Error 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"),
			Fault{Retry, "", "Error 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"}},
		{"mysql", errors.New("Error 1020 (HY000): Record has changed since last read in table 'users'"),
			Fault{Retry, "", "Error 1020 (HY000): Record has changed since last read in table 'users'"}},
		{"mysql", errors.New("Error 1048 (23000): Column 'mail' cannot be null"), Fault{Constraint, "", "Error 1048 (23000): Column 'mail' cannot be null"}},
		{"mysql", errors.New("Error 1364 (HY000): Field 'kind' doesn't have a default value"), Fault{Constraint, "", "Error 1364 (HY000): Field 'kind' doesn't have a default value"}},
		{"mysql", errors.New("Error 3819 (HY000): Check constraint 'no_beast' is violated."), Fault{Constraint, "no_beast", "Error 3819 (HY000): Check constraint 'no_beast' is violated."}},
		{"mysql", errors.New("Error 4025 (23000): CONSTRAINT `no_beast` failed for `h`.`users`"),
			Fault{Constraint, "no_beast", "Error 4025 (23000): CONSTRAINT `no_beast` failed for `h`.`users`"}},
		{"mysql", errors.New("Error 1452 (23000): Cannot add or update a child row: a foreign key constraint fails (`h`.`users`, CONSTRAINT `users_team` FOREIGN KEY (`team`) REFERENCES `teams` (`id`))"),
			Fault{Constraint, "users_team", "Error 1452 (23000): Cannot add or update a child row: a foreign key constraint fails (`h`.`users`, CONSTRAINT `users_team` FOREIGN KEY (`team`) REFERENCES `teams` (`id`))"}},
		{"mysql", errors.New("Error 1216 (23000): Cannot add or update a child row: a foreign key constraint fails"),
			Fault{Constraint, "", "Error 1216 (23000): Cannot add or update a child row: a foreign key constraint fails"}},
		{"mysql", errors.New("Error 1217 (23000): Cannot delete or update a parent row: a foreign key constraint fails"),
			Fault{Constraint, "", "Error 1217 (23000): Cannot delete or update a parent row: a foreign key constraint fails"}},
		{"mysql", errors.New("Error 1586 (23000): Duplicate entry 'ann' for key 'users.mail'"), Fault{Unique, "users.mail", "Error 1586 (23000): Duplicate entry … for key 'users.mail'"}},
		{"mysql", errors.New("Error 1859 (23000): Duplicate entry for key 'users.mail'"), Fault{Unique, "users.mail", "Error 1859 (23000): Duplicate entry for key 'users.mail'"}},
		{"sqlite", codeError{2067, "constraint failed: UNIQUE constraint failed: users.mail (2067)"},
			Fault{Unique, "users.mail", "constraint failed: UNIQUE constraint failed: users.mail (2067)"}},
		{"sqlite", errors.New("UNIQUE constraint failed: users.source, users.object_id"),
			Fault{Unique, "users.source, users.object_id", "UNIQUE constraint failed: users.source, users.object_id"}},
		{"sqlite", codeError{275, "CHECK constraint failed: no_digits"}, Fault{Constraint, "no_digits", "CHECK constraint failed: no_digits"}},
		{"sqlite", codeError{787, "FOREIGN KEY constraint failed (787)"}, Fault{Constraint, "", "FOREIGN KEY constraint failed (787)"}},
		{"sqlite", codeError{517, "snapshot"}, Fault{Retry, "", "snapshot"}},
		{"sqlite", errors.New("database is locked"), Fault{Retry, "", "database is locked"}},
		{"sqlite", errors.New("this account is locked"), Fault{Other, "", "this account is locked"}},
	} {
		got := dialect(t, test.dialect).Fault(test.err)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(test.dialect, diff)
		}
	}
}

func TestRedact(t *testing.T) {
	assert.Equal(t, "no … and … please, but anne stays; …",
		Redact("no Ann and o'hara please, but anne stays; ann", "ann", "O'Hara", "", " "))
	assert.Equal(t, "a", Redact("a", "abc"))
	assert.Equal(t, "xann …", Redact("xann ann", "ann"))
}

func TestGUIDFormats(t *testing.T) {
	const dashed = "e124855b-371a-41be-9f05-3c1a9b7d2e10"
	g, ok := GUIDText.Read(CellOf(dashed))
	require.True(t, ok)
	for _, spelling := range GUIDText.Spellings(g) {
		got, ok := GUIDText.Read(CellOf(spelling))
		assert.True(t, ok, spelling)
		assert.Equal(t, g, got, spelling)
	}
	assert.Len(t, GUIDText.Spellings(g), 6)
	assert.Equal(t, []byte{0xe1, 0x24, 0x85, 0x5b, 0x37, 0x1a, 0x41, 0xbe, 0x9f, 0x05, 0x3c, 0x1a, 0x9b, 0x7d, 0x2e, 0x10}, GUIDBytes.Write(g))
	assert.Equal(t, []byte{0x5b, 0x85, 0x24, 0xe1, 0x1a, 0x37, 0xbe, 0x41, 0x9f, 0x05, 0x3c, 0x1a, 0x9b, 0x7d, 0x2e, 0x10}, GUIDADBytes.Write(g))
	for _, f := range []GUIDFormat{GUIDText, GUIDNative, GUIDBytes, GUIDADBytes} {
		assert.True(t, f.Valid())
		got, ok := f.Read(CellOf(f.Write(g)))
		assert.True(t, ok, f)
		assert.Equal(t, g, got, f)
		for _, empty := range []any{nil, "", []byte{}} {
			got, ok := f.Read(CellOf(empty))
			assert.True(t, ok && got == adattr.GUID{}, "%s %v", f, empty)
		}
		_, ok = f.Read(CellOf("no guid"))
		assert.False(t, ok, f)
		_, ok = f.Read(CellOf(struct{}{}))
		assert.False(t, ok, f)
	}
	assert.False(t, GUIDFormat("hex").Valid())
	_, ok = GUIDText.Read(CellOf(strings.Repeat("x", 32)))
	assert.False(t, ok)
}

func TestCell_ReadsWhatDriversGive(t *testing.T) {
	for _, test := range []struct {
		src  any
		want string
	}{
		{"x", "x"}, {[]byte("x"), "x"}, {int64(-7), "-7"}, {uint64(7), "7"}, {1.0, "1"}, {float32(0.5), "0.5"}, {true, "1"}, {false, "0"}, {nil, ""},
	} {
		assert.Equal(t, test.want, CellOf(test.src).Text)
	}
	assert.Equal(t, CellOf(true).Code(), CellOf([]byte{1}).Code(), "a BIT(1) is a flag")
	assert.Equal(t, CellOf(int64(1)).Code(), CellOf([]byte("1")).Code())
	assert.NotEqual(t, CellOf(nil).Code(), CellOf("").Code())
	assert.NotEqual(t, CellOf(nil).Code(), CellOf("NULL").Code())
	for flag, values := range map[bool][]any{
		true:  {true, int64(2), []byte{1}, "t", "Yes", "1", 1.5},
		false: {false, int64(0), []byte{0}, "f", "No", nil, "0.0"},
	} {
		for _, v := range values {
			got, ok := CellOf(v).Flag()
			assert.True(t, ok, v)
			assert.Equal(t, flag, got, v)
		}
	}
	_, ok := CellOf("perhaps").Flag()
	assert.False(t, ok)
	_, ok = CellOf(struct{}{}).Flag()
	assert.False(t, ok)
}

func TestBinaryKeys(t *testing.T) {
	for _, key := range []string{"\x00\xff", "0123456789abcdef", "\x01"} {
		b, ok := ParseBinaryKey(BinaryKey(key))
		assert.True(t, ok)
		assert.Equal(t, key, string(b))
	}
	b, ok := ParseBinaryKey(`\x00ff17`)
	assert.True(t, ok, "as PostgreSQL writes it")
	assert.Equal(t, []byte{0, 255, 23}, b)
	_, ok = ParseBinaryKey("xyz")
	assert.False(t, ok)
	for name, binary := range map[string]bool{"BINARY(16)": true, "varbinary(8)": true, "blob": true, "bytea": true, "BIGINT": false, "TEXT": false} {
		assert.Equal(t, binary, IsBinary(name), name)
	}
}

func TestFault_NamesNobody(t *testing.T) {
	f := dialect(t, "sqlite").Fault(errors.New("the host: taken by Bob.B@mail.corp.example, who left (see <eve@corp.example>)."))
	assert.Equal(t, "the host: taken by …, who left (see <…>).", f.Reason)
	f = dialect(t, "mysql").Fault(errors.New("Error 1045 (28000): Access denied for user 'app'@'10.0.0.1'"))
	assert.Contains(t, f.Reason, "'app'@'10.0.0.1'")
}

// driverRows gives bytes as drivers do: in memory that the next row overwrites.
type driverRows struct{ buffer [8]byte }

func (r *driverRows) row(texts string, other any) func(dest ...any) error {
	copy(r.buffer[:], texts)
	return func(dest ...any) error {
		for i, v := range []any{r.buffer[:2], nil, other, r.buffer[2:2], r.buffer[2:5]} {
			if err := dest[i].(sql.Scanner).Scan(v); err != nil {
				return err
			}
		}
		return nil
	}
}

type scanFunc func(dest ...any) error

func (f scanFunc) Scan(dest ...any) error { return f(dest...) }

func TestRow_KeepsWhatTheDriverOverwrites(t *testing.T) {
	row, rows := NewRow(5), &driverRows{}
	texts := func() (all []string) {
		for i := range 5 {
			all = append(all, row.Cell(i).Text)
		}
		return all
	}
	require.NoError(t, row.Scan(scanFunc(rows.row("annie", int64(7)))))
	first := texts()
	assert.True(t, row.Cell(0).Bytes && row.Cell(1).Null && !row.Cell(2).Bytes)
	require.NoError(t, row.Scan(scanFunc(rows.row("bob42", "own"))))
	assert.Equal(t, []string{"bo", "", "own", "", "b42"}, texts())
	assert.Equal(t, []string{"an", "", "7", "", "nie"}, first, "the texts of a row outlive it")
	assert.ErrorIs(t, row.Scan(scanFunc(func(...any) error { return sql.ErrNoRows })), sql.ErrNoRows)
	scan := scanFunc(rows.row("bob42", "own"))
	assert.Equal(t, 1.0, testing.AllocsPerRun(100, func() { _ = row.Scan(scan) })-testing.AllocsPerRun(100, func() { _ = scan(row.dest...) }), "one string for a row")
}
