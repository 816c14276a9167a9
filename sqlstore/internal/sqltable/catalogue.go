package sqltable

import (
	"slices"
	"strconv"
)

// The type without its length: -1, as a NULL would name the type char(n) by
// its name in the standard, which means char(1). What a column can hold is told last,
// with the length, and of a domain by its base.
func postgreSQLCatalogue(_, _, quoted string) (string, []any) {
	return "SELECT CAST(a.attname AS text), format_type(a.atttypid, -1), NOT (a.attnotnull OR t.typnotnull), FALSE, ''," +
		" COALESCE((SELECT 'enum(' || string_agg('''' || replace(CAST(e.enumlabel AS text), '''', '''''') || '''', ',' ORDER BY e.enumsortorder) || ')'" +
		" FROM pg_catalog.pg_enum e WHERE e.enumtypid IN (t.oid, t.typbasetype))," +
		" CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END)" +
		" FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid" +
		" WHERE a.attrelid = CAST(CAST($1 AS text) AS regclass) AND a.attnum > 0 AND NOT a.attisdropped", []any{quoted}
}

// pgLockClass is the first half of the key of an advisory lock over a whole table, "adsy"
// in ASCII; the table's oid is the other. The key of a part is one number of 64 bits.
const pgLockClass = "1633973113"

func postgreSQLHolding(do, _, _, quoted string, part int64) (string, []any) {
	name := map[string]string{"acquire": "pg_try_advisory_lock", "release": "pg_advisory_unlock"}[do]
	const oid = "CAST(CAST(CAST($1 AS text) AS regclass) AS oid)"
	if part == 0 {
		return "SELECT " + name + "(" + pgLockClass + ", CAST(" + oid + " AS int4))", []any{quoted}
	}
	return "SELECT " + name + "((CAST(" + oid + " AS int8) << 32) # CAST($2 AS int8))", []any{quoted, part}
}

func postgreSQLQuirks(_, _, quoted string) (string, []any) {
	return "SELECT 'rule', CAST(rulename AS text), '' FROM pg_catalog.pg_rewrite" +
		" WHERE ev_class = CAST(CAST($1 AS text) AS regclass) AND ev_type <> '1'" +
		" UNION ALL SELECT 'trigger', '', 'RAISE(IGNORE)' FROM pg_catalog.pg_trigger WHERE tgrelid = CAST(CAST($1 AS text) AS regclass)" +
		" AND NOT tgisinternal AND tgtype & 66 <> 0 AND tgtype & 24 <> 0", []any{quoted} // before or instead of, an update or a deletion
}

// Of a partitioned table each part has triggers of its own. What is no plain table is told
// as if it had one, and so is any table where the transaction sees the catalogue as it was
// when it began: a trigger that came since runs all the same. And so is one in which two rows
// may have one ID, as only reading shows them.
func postgreSQLMeddlers(_, _, quoted, key string) (string, []any) {
	return "SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = CAST(CAST($1 AS text) AS regclass)" +
		" AND (current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') OR c.relkind <> 'r' OR c.relhasrules" +
		" OR EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 4 <> 0)" + // of an insertion
		" OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]" +
		" WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indnkeyatts = 1" +
		" AND a.attname = CAST(CAST($2 AS text) AS name)))", []any{quoted, key}
}

// Those of a view are the indexes of all tables that it reads.
func postgreSQLIndexes(_, _, quoted string) (string, []any) {
	return "SELECT COALESCE(CAST(a.attname AS text), pg_get_indexdef(i.indexrelid)), CAST(i.indexrelid AS text) FROM pg_catalog.pg_index i" +
		" CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[])) AS k (n) LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n AND k.n > 0" +
		" WHERE i.indisunique AND i.indisvalid AND i.indrelid IN (SELECT CAST(CAST(CAST($1 AS text) AS regclass) AS oid)" +
		" UNION ALL SELECT d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.objid = r.oid" +
		" AND d.classid = CAST('pg_catalog.pg_rewrite' AS regclass) AND d.refclassid = CAST('pg_catalog.pg_class' AS regclass)" +
		" WHERE r.ev_class = CAST(CAST($1 AS text) AS regclass))", []any{quoted}
}

func postgreSQLDemands(_, _, quoted string) (string, []any) {
	return "SELECT CAST(attname AS text) FROM pg_catalog.pg_attribute WHERE attrelid = CAST(CAST($1 AS text) AS regclass)" +
		" AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''", []any{quoted}
}

func postgreSQLViewTriggers(_, _, quoted string) (string, []any) {
	return "SELECT COALESCE(pg_get_functiondef(t.tgfoid), '') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid" +
		" AND NOT t.tgisinternal WHERE c.relkind = 'v' AND c.oid = CAST(CAST($1 AS text) AS regclass)", []any{quoted}
}

func mySQLThis(schema, table string) (condition string, args []any) {
	return mySQLThisBy("table_schema", schema, table)
}

func mySQLThisBy(column, schema, table string) (condition string, args []any) {
	if schema == "" {
		return "table_name = ? AND " + column + " = DATABASE()", []any{table}
	}
	return "table_name = ? AND " + column + " = ?", []any{table, schema}
}

// Each question names the table, or the server would look at all of them. The
// primary key is asked for as a whole: of its columns, an account may see some.
func mySQLCatalogue(schema, table, _ string) (string, []any) {
	this, args := mySQLThis(schema, table)
	return "SELECT column_name, column_type, is_nullable = 'YES'," +
		" column_key = 'PRI'" +
		" AND (SELECT COUNT(*) = 1 AND COUNT(sub_part) = 0 FROM information_schema.statistics WHERE " + this + " AND index_name = 'PRIMARY')" +
		" AND EXISTS (SELECT 1 FROM information_schema.tables WHERE " + this + " AND engine = 'InnoDB')," +
		" COALESCE(CONCAT(character_set_name, ' COLLATE ', collation_name), '')" +
		" FROM information_schema.columns WHERE " + this, slices.Concat(args, args, args)
}

// The name of a lock is the server's, not the database's, and has at most 64 bytes.
func mySQLHolding(do, schema, table, _ string, part int64) (string, []any) {
	name, args := "SHA1(LOWER(CONCAT(COALESCE(NULLIF(?, ''), DATABASE()), '.', ?)))", []any{schema, table}
	if part != 0 {
		name, args = "SHA1(CONCAT("+name+", ?))", append(args, strconv.FormatInt(part, 10))
	}
	name = "CONCAT('adsync ', " + name + ")"
	if do == "acquire" {
		return "SELECT COALESCE(GET_LOCK(" + name + ", 0), 0)", args
	}
	return "SELECT COALESCE(RELEASE_LOCK(" + name + "), 0)", args
}

// A trigger of MySQL never writes to the table that it belongs to, but it may write to one
// that this table refers to, and so change or delete its rows by the foreign key. Of
// triggers an account may see none.
func mySQLMeddlers(schema, table, _, _ string) (string, []any) {
	this, args := mySQLThisBy("constraint_schema", schema, table)
	return "SELECT 1 FROM information_schema.referential_constraints WHERE " + this +
		" AND NOT (update_rule IN ('RESTRICT', 'NO ACTION') AND delete_rule IN ('RESTRICT', 'NO ACTION'))", args
}

// A column that is computed counts as its expression, too. The inner question names the
// table as well: else the server opens every table that it has, for each column.
func mySQLIndexes(schema, table, _ string) (string, []any) {
	this, args := mySQLThis(schema, table)
	return "SELECT CONCAT(COALESCE(column_name, ''), ' ', COALESCE((SELECT c.generation_expression FROM information_schema.columns AS c" +
		" WHERE " + this + " AND c.column_name = s.column_name), '')), index_name" +
		" FROM information_schema.statistics AS s WHERE " + this + " AND non_unique = 0", slices.Concat(args, args)
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

func sqliteCatalogue(schema, table, _ string) (string, []any) {
	places, args := inSchema(schema, table)
	return "SELECT name, type, `notnull` = 0 FROM pragma_table_xinfo" + places, args
}

func sqliteIndexes(schema, table, _ string) (string, []any) {
	places, args := inSchema(schema, table)
	return "SELECT COALESCE(i.name, (SELECT sql FROM sqlite_master WHERE name = l.name), ''), l.name FROM pragma_index_list" + places +
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
	const wanted = " WHERE sql LIKE '%CONFLICT%' OR sql LIKE '%REPLACE%' OR sql LIKE '%IGNORE%' OR type = 'view' AND name = ? COLLATE NOCASE"
	return "SELECT type, name, sql FROM " + master + wanted + " UNION ALL SELECT type, name, sql FROM sqlite_temp_master" + wanted, []any{table, table}
}
