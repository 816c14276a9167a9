package sqltable

import "slices"

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

func sqliteQuirks(schema, table, _ string) (text string, args []any) {
	master := "sqlite_master"
	if schema != "" {
		master = sqlite().Quote(schema) + "." + master
	}
	const wanted = " WHERE sql LIKE '%CONFLICT%' OR sql LIKE '%REPLACE%' OR type = 'view' AND name = ? COLLATE NOCASE"
	return "SELECT type, name, sql FROM " + master + wanted + " UNION ALL SELECT type, name, sql FROM sqlite_temp_master" + wanted, []any{table, table}
}
