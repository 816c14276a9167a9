package sqltable

import "slices"

// UniqueIndexes asks for the columns of each unique index, one a row, or the text of the
// index where it is over an expression.
func (t *Table) UniqueIndexes() (text string, args []any) {
	return t.d.indexes(t.schema, t.name, t.quoted)
}

// Demands asks for the columns that a new row must have a value for.
func (t *Table) Demands() (text string, args []any) { return t.d.demands(t.schema, t.name, t.quoted) }

// SelectAny reads nothing of one row, whatever it is, so that an empty table is known.
func (t *Table) SelectAny() string { return "SELECT 1 FROM " + t.quoted + " LIMIT 1" }

// Mode asks for what the server does to values that do not fit; ok is false where it
// refuses them.
func (d Dialect) Mode() (text string, ok bool) {
	return "SELECT @@SESSION.sql_mode", d.counted
}

// ComparesAccents asks whether the column takes letters with an accent for those without;
// ok is false where nobody knows.
func (t Type) ComparesAccents() (text string, ok bool) {
	m := collate.FindStringSubmatch(t.collate)
	if m == nil {
		return "", false
	}
	return "SELECT CONVERT('Muller' USING " + m[1] + ")" + m[2] + " = CONVERT('M\u00fcller' USING " + m[1] + ")" + m[2], true
}

func postgreSQLIndexes(_, _, quoted string) (string, []any) {
	return "SELECT COALESCE(CAST(a.attname AS text), pg_get_indexdef(i.indexrelid)) FROM pg_catalog.pg_index i" +
		" CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[])) AS k (n) LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n AND k.n > 0" +
		" WHERE i.indrelid = CAST(CAST($1 AS text) AS regclass) AND i.indisunique AND i.indisvalid", []any{quoted}
}

func postgreSQLDemands(_, _, quoted string) (string, []any) {
	return "SELECT CAST(attname AS text) FROM pg_catalog.pg_attribute WHERE attrelid = CAST(CAST($1 AS text) AS regclass)" +
		" AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''", []any{quoted}
}

func mySQLThis(schema, table string) (condition string, args []any) {
	if schema == "" {
		return "table_name = ? AND table_schema = DATABASE()", []any{table}
	}
	return "table_name = ? AND table_schema = ?", []any{table, schema}
}

func mySQLIndexes(schema, table, _ string) (string, []any) {
	this, args := mySQLThis(schema, table)
	return "SELECT COALESCE(column_name, '') FROM information_schema.statistics WHERE " + this + " AND non_unique = 0", args
}

func mySQLDemands(schema, table, _ string) (string, []any) {
	this, args := mySQLThis(schema, table)
	return "SELECT column_name FROM information_schema.columns WHERE " + this +
		" AND is_nullable = 'NO' AND column_default IS NULL AND extra NOT LIKE '%auto_increment%' AND extra NOT LIKE '%GENERATED%'", args
}

// inSchema are the arguments of a pragma that is asked as a table.
func inSchema(schema string, args ...any) (places string, all []any) {
	if schema == "" {
		return "(?)", args
	}
	return "(?, ?)", slices.Concat(args, []any{schema})
}

func sqliteIndexes(schema, table, _ string) (string, []any) {
	places, args := inSchema(schema, table)
	return "SELECT COALESCE(i.name, (SELECT sql FROM sqlite_master WHERE name = l.name), '') FROM pragma_index_list" + places +
		" AS l JOIN pragma_index_info(l.name) AS i WHERE l.\"unique\"", args
}

func sqliteDemands(schema, table, _ string) (string, []any) {
	places, args := inSchema(schema, table)
	return "SELECT name FROM pragma_table_xinfo" + places + " WHERE (\"notnull\" OR pk > 0) AND dflt_value IS NULL AND hidden = 0" +
		" AND NOT (pk = 1 AND type = 'INTEGER' COLLATE NOCASE)", args
}
