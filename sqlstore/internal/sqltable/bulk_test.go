package sqltable

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStatements_ForManyRows(t *testing.T) {
	d := dialect(t, "postgresql")
	where, err := d.ParseWhere("kind = ?", 1)
	require.NoError(t, err)
	columns := []Column{{"guid", Raw}, {"login", Text}, {"admin", Bool}}
	table, err := NewTable(d, "users", "id", columns, where)
	require.NoError(t, err)
	types := Types{"id": {Name: "bigint"}, "guid": {Name: "bytea"}, "login": {Name: "character varying"}, "mail": {Name: "text"}, "admin": {Name: "boolean"}}
	const match = ` WHERE "id" = CAST("adsync 1" AS bigint)`
	assert.Equal(t, `UPDATE "users" SET "login" = CAST("adsync 2" AS character varying), "mail" = "adsync 3"`+
		` FROM unnest(CAST(CAST($1 AS text) AS text[]), CAST(CAST($2 AS text) AS text[]), CAST(CAST($3 AS text) AS text[]), CAST(CAST($4 AS text) AS text[]),`+
		` CAST(CAST($5 AS text) AS text[]), CAST(CAST($6 AS text) AS text[]), CAST(CAST($7 AS text) AS text[])) WITH ORDINALITY AS "adsync rows"`+
		` ("adsync 1", "adsync 2", "adsync 3", "adsync 4", "adsync 5", "adsync 6", "adsync 7", "adsync n")`+match+
		` AND "guid" IS NOT DISTINCT FROM CAST("adsync 4" AS bytea) AND COALESCE(CAST("login" AS text), '') COLLATE "C" = "adsync 5"`+
		` AND COALESCE(CAST("admin" AS text), '0') IN ("adsync 6", "adsync 7") AND (kind = $8`+"\n"+`) RETURNING "adsync n"`,
		table.UpdateMany(types, []string{"login", "mail"}).Text)
	assert.Equal(t, `DELETE FROM "users" USING unnest(CAST(CAST($1 AS text) AS text[]), CAST(CAST($2 AS text) AS text[]), CAST(CAST($3 AS text) AS text[]),`+
		` CAST(CAST($4 AS text) AS text[]), CAST(CAST($5 AS text) AS text[])) WITH ORDINALITY AS "adsync rows" ("adsync 1", "adsync 2", "adsync 3", "adsync 4", "adsync 5", "adsync n")`+match+
		` AND "guid" IS NOT DISTINCT FROM CAST("adsync 2" AS bytea) AND COALESCE(CAST("login" AS text), '') COLLATE "C" = "adsync 3"`+
		` AND COALESCE(CAST("admin" AS text), '0') IN ("adsync 4", "adsync 5") AND (kind = $6`+"\n"+`) RETURNING "adsync n"`,
		table.DeleteMany(types).Text)
	assert.Equal(t, `SELECT CAST("id" AS text), "guid", CAST("login" AS text), "admin" FROM "users" WHERE ("src" = $1 OR "src" IS NULL) AND "guid" = ANY (CAST($2 AS bytea[])) AND (kind = $3`+"\n)",
		table.SelectLinksMany(types, "src", true, "guid"))
	insert := table.InsertMany(types, []string{"guid", "mail"}, "guid")
	assert.Equal(t, `INSERT INTO "users" ("guid", "mail") SELECT CAST("adsync 1" AS bytea), "adsync 2"`+
		` FROM unnest(CAST(CAST($1 AS text) AS text[]), CAST(CAST($2 AS text) AS text[])) WITH ORDINALITY AS "adsync rows" ("adsync 1", "adsync 2", "adsync n")`+
		` RETURNING CAST("id" AS text), "guid"`,
		insert.Text)
	require.NoError(t, insert.Add([]any{[]byte{1}, "a"}))
	require.NoError(t, insert.Add([]any{nil, named("b")}))
	assert.Equal(t, []any{`{"\\x01",NULL}`, `{"a","b"}`}, insert.Args())
	assert.Error(t, insert.Add([]any{struct{}{}, "a"}), "only the driver may know the type")
	assert.Equal(t, `SELECT CAST("id" AS text), "guid", CAST("login" AS text), "admin" FROM "users" WHERE "id" IN (SELECT unnest(CAST(CAST($1 AS text) AS bigint[]))) AND (kind = $2`+"\n"+`) FOR UPDATE`,
		table.SelectMany(types))
}

// Of a type that may take others for the ID, it is also compared as it reads.
func TestStatements_ForManyRowsCompareTheIDAsItReads(t *testing.T) {
	table, err := NewTable(dialect(t, "postgresql"), "users", "id", []Column{{"login", Text}}, Where{})
	require.NoError(t, err)
	types := Types{"id": {Name: "citext"}, "login": {Name: "text"}}
	heeding, err := table.Heed(types, nil)
	require.NoError(t, err)
	const id = ` WHERE "id" = CAST("adsync 1" AS citext) AND COALESCE(CAST("id" AS text), '') COLLATE "C" = "adsync 1" AND `
	assert.Contains(t, heeding.UpdateMany(types, []string{"login"}).Text, id)
	assert.Contains(t, heeding.DeleteMany(types).Text, id)
	assert.NotContains(t, table.DeleteMany(types).Text, `CAST("id"`)
}

// named is a text of a type of its own.
type named string

func TestArray(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))
	array := func(typeName string, values ...any) string {
		a := Array{Type: typeName}
		for _, v := range values {
			a.Add(v)
		}
		return a.String()
	}
	assert.Equal(t, `{}`, array("text"))
	assert.Equal(t, `{NULL,"NULL","","a\"b\\c,{}\"\""}`, array("text", nil, "NULL", "", `a"b\c,{}""`))
	assert.Equal(t, `{"\\x00ff","7","true","1.5","2026-01-02 03:04:05.000006+01:00"}`, array("bytea", []byte{0, 255}, int64(7), true, 1.5, at))
	assert.Equal(t, `{"{}"}`, array("jsonb", []byte("{}")))
	assert.Equal(t, `{"\"","a\"b","\\","a\\b","plain"}`, array("text", `"`, `a"b`, `\`, `a\b`, "plain"))
}

func TestStatements_OfALock(t *testing.T) {
	for name, want := range map[string][4]string{
		"postgresql": {
			`SELECT pg_try_advisory_lock(1633973113, CAST(CAST(CAST(CAST($1 AS text) AS regclass) AS oid) AS int4)) ["\"host\".\"users\""]`,
			`SELECT pg_advisory_unlock(1633973113, CAST(CAST(CAST(CAST($1 AS text) AS regclass) AS oid) AS int4)) ["\"host\".\"users\""]`,
			`SELECT pg_try_advisory_lock((CAST(CAST(CAST(CAST($1 AS text) AS regclass) AS oid) AS int8) << 32) # CAST($2 AS int8)) ["\"host\".\"users\"" 'A']`,
			`SELECT pg_advisory_unlock((CAST(CAST(CAST(CAST($1 AS text) AS regclass) AS oid) AS int8) << 32) # CAST($2 AS int8)) ["\"host\".\"users\"" 'A']`,
		},
		"mysql": {
			`SELECT COALESCE(GET_LOCK(CONCAT('adsync ', SHA1(LOWER(CONCAT(COALESCE(NULLIF(?, ''), DATABASE()), '.', ?)))), 0), 0) ["host" "users"]`,
			`SELECT COALESCE(RELEASE_LOCK(CONCAT('adsync ', SHA1(LOWER(CONCAT(COALESCE(NULLIF(?, ''), DATABASE()), '.', ?))))), 0) ["host" "users"]`,
			`SELECT COALESCE(GET_LOCK(CONCAT('adsync ', SHA1(CONCAT(SHA1(LOWER(CONCAT(COALESCE(NULLIF(?, ''), DATABASE()), '.', ?))), ?))), 0), 0) ["host" "users" "65"]`,
			`SELECT COALESCE(RELEASE_LOCK(CONCAT('adsync ', SHA1(CONCAT(SHA1(LOWER(CONCAT(COALESCE(NULLIF(?, ''), DATABASE()), '.', ?))), ?)))), 0) ["host" "users" "65"]`,
		},
	} {
		table, err := NewTable(dialect(t, name), "host.users", "id", nil, Where{})
		require.NoError(t, err)
		for i, part := range []int64{0, 65} {
			text, args, ok := table.AcquireLock(part)
			assert.True(t, ok)
			assert.Equal(t, want[2*i], links(text, args))
			text, args, ok = table.ReleaseLock(part)
			assert.True(t, ok)
			assert.Equal(t, want[2*i+1], links(text, args))
		}
	}
	table, err := NewTable(dialect(t, "sqlite"), "users", "id", nil, Where{})
	require.NoError(t, err)
	_, _, ok := table.AcquireLock(0)
	assert.False(t, ok)
}
