// Package sqltable holds the SQL text for one mapped user table, by dialect, and
// reads what drivers give back. It sends nothing itself.
package sqltable

import (
	"slices"
	"strings"
)

// A Dialect is how one family of databases spells what the others spell
// differently. The expressions take the quoted column, and where they compare,
// then the placeholder.
type Dialect struct {
	quote       string                     // around an identifier; doubled inside
	numbered    bool                       // $1 instead of ?
	backslash   bool                       // escapes in every string literal
	dollars     bool                       // has $tag$ literals $tag$, and E'' with backslashes
	questions   bool                       // has operators with a ?
	hash        bool                       // # begins a comment
	nested      bool                       // comments within comments
	brackets    bool                       // quote a name, too
	nativeUUID  bool                       // has a uuid type
	bytesAsText bool                       // reads bytes as text, in hex
	returning   bool                       // INSERT … RETURNING
	mayReturn   bool                       // the same, which not every server has
	bulk        bool                       // rows made of arrays, and UPDATE … FROM … RETURNING
	counted     bool                       // statements for many rows that tell how many they wrote
	rowsAtOnce  int                        // how many an INSERT best adds, of those with a list for each row
	insertMany  string                     // how an INSERT of several rows begins; "" as any other
	lockWrites  func(quoted string) string // makes a transaction one that writes; nil where that changes nothing
	lock        string                     // after a SELECT: holds the row until the transaction ends

	readText         func(col string) string
	sameText         func(col, arg string) string // exact, to the byte; NULL equals ''
	same             func(col, arg string) string // by the column's own type; NULL equals NULL
	sameBool         func(col, a, b string) string
	quirks           func(schema, table, quoted string) (text string, args []any) // nil where a table has none
	indexes, demands func(schema, table, quoted string) (text string, args []any)
	catalogue        func(schema, table, quoted string) (text string, args []any)
	holding          func(do, schema, table, quoted string) (text string, args []any)
	fault            func(err error) Fault
}

// ForName returns the dialect of that name, and whether there is one.
func ForName(name string) (Dialect, bool) {
	switch name {
	case "postgresql":
		return postgreSQL(), true
	case "mysql":
		return mySQL(), true
	case "sqlite":
		return sqlite(), true
	}
	return Dialect{}, false
}

// pgLockClass is the first half of the key of an advisory lock, "adsy" in ASCII;
// the table's oid is the other.
const pgLockClass = "1633973113"

func postgreSQL() Dialect {
	// The cast drops the padding of char(n) and the equality of citext, and reads
	// any type as its text. COLLATE "C" undoes collations that ignore case.
	text := func(col string) string { return "CAST(" + col + " AS text)" }
	return Dialect{
		quote:       `"`,
		numbered:    true,
		dollars:     true,
		questions:   true,
		nested:      true,
		nativeUUID:  true,
		bytesAsText: true,
		returning:   true,
		bulk:        true,
		rowsAtOnce:  100, // where the arrays are of no use
		lock:        " FOR UPDATE",
		readText:    text,
		sameText:    func(col, arg string) string { return "COALESCE(" + text(col) + `, '') COLLATE "C" = ` + arg },
		same:        func(col, arg string) string { return col + " IS NOT DISTINCT FROM " + arg },
		sameBool:    func(col, a, b string) string { return "COALESCE(" + text(col) + ", '0') IN (" + a + ", " + b + ")" },
		// The type without its length: -1, as a NULL would name the type char(n) by
		// its name in the standard, which means char(1).
		catalogue: func(_, _, quoted string) (string, []any) {
			return "SELECT CAST(a.attname AS text), format_type(a.atttypid, -1), NOT (a.attnotnull OR t.typnotnull)" +
				" FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid" +
				" WHERE a.attrelid = CAST(CAST($1 AS text) AS regclass) AND a.attnum > 0 AND NOT a.attisdropped", []any{quoted}
		},
		holding: func(do, _, _, quoted string) (string, []any) {
			name := map[string]string{"take": "pg_try_advisory_lock", "release": "pg_advisory_unlock"}[do]
			return "SELECT " + name + "(" + pgLockClass + ", CAST(CAST(CAST(CAST($1 AS text) AS regclass) AS oid) AS int4))", []any{quoted}
		},
		indexes: postgreSQLIndexes,
		demands: postgreSQLDemands,
		quirks: func(_, _, quoted string) (string, []any) {
			return "SELECT 'rule', CAST(rulename AS text), '' FROM pg_catalog.pg_rewrite" +
				" WHERE ev_class = CAST(CAST($1 AS text) AS regclass) AND ev_type <> '1'", []any{quoted}
		},
		fault: postgreSQLFault,
	}
}

func mySQL() Dialect {
	// The _bin collations ignore trailing spaces; only BINARY does not.
	return Dialect{
		quote:     "`",
		backslash: true,
		hash:      true,
		mayReturn: true,
		counted:   true,
		// On MariaDB, 100 took a tenth longer, and 1,000 no less.
		rowsAtOnce: 500,
		lock:       " FOR UPDATE",
		readText:   func(col string) string { return col },
		sameText: func(col, arg string) string {
			return "CAST(COALESCE(CONVERT(" + col + " USING utf8mb4), '') AS BINARY) = CAST(CONVERT(" + arg + " USING utf8mb4) AS BINARY)"
		},
		same: func(col, arg string) string { return col + " <=> " + arg },
		sameBool: func(col, a, b string) string {
			return "COALESCE(CAST(" + col + " AS BINARY), '0') IN (" + a + ", " + b + ")"
		},
		catalogue: func(schema, table, _ string) (string, []any) {
			this, args := "table_name = ? AND table_schema = DATABASE()", []any{table}
			if schema != "" {
				this, args = "table_name = ? AND table_schema = ?", []any{table, schema}
			}
			// Each question names the table, or the server would look at all of them. The
			// primary key is asked for as a whole: of its columns, an account may see some.
			return "SELECT column_name, column_type, is_nullable = 'YES'," +
				" column_key = 'PRI'" +
				" AND (SELECT COUNT(*) = 1 AND COUNT(sub_part) = 0 FROM information_schema.statistics WHERE " + this + " AND index_name = 'PRIMARY')" +
				" AND EXISTS (SELECT 1 FROM information_schema.tables WHERE " + this + " AND engine = 'InnoDB')," +
				" COALESCE(CONCAT(character_set_name, ' COLLATE ', collation_name), '')" +
				" FROM information_schema.columns WHERE " + this, slices.Concat(args, args, args)
		},
		holding: func(do, schema, table, _ string) (string, []any) {
			// The name is the server's, not the database's, and has at most 64 bytes.
			name := "CONCAT('adsync ', SHA1(LOWER(CONCAT(COALESCE(NULLIF(?, ''), DATABASE()), '.', ?))))"
			if do == "take" {
				return "SELECT COALESCE(GET_LOCK(" + name + ", 0), 0)", []any{schema, table}
			}
			return "SELECT COALESCE(RELEASE_LOCK(" + name + "), 0)", []any{schema, table}
		},
		indexes: mySQLIndexes,
		demands: mySQLDemands,
		fault:   mySQLFault,
	}
}

func sqlite() Dialect {
	return Dialect{
		// SQLite takes an unknown name in double quotes for a string; in backquotes
		// it stays an error.
		quote:     "`",
		brackets:  true,
		returning: true,
		// It is in the same process, where more round trips cost little.
		rowsAtOnce: 100,
		// Without FAIL, a statement that may have to undo its first rows copies each
		// page before it writes there. Who rolls back all anyway needs no copies.
		insertMany: "INSERT OR FAIL INTO ",
		lockWrites: func(quoted string) string { return "DELETE FROM " + quoted + " WHERE 0" },
		readText:   func(col string) string { return col },
		sameText: func(col, arg string) string {
			return "COALESCE(CAST(" + col + " AS TEXT), '') COLLATE BINARY = " + arg
		},
		same: func(col, arg string) string { return col + " IS " + arg },
		sameBool: func(col, a, b string) string {
			return "COALESCE(CAST(" + col + " AS TEXT), '0') IN (" + a + ", " + b + ")"
		},
		catalogue: func(schema, table, _ string) (string, []any) {
			const text = "SELECT name, type, `notnull` = 0 FROM pragma_table_xinfo"
			if schema == "" {
				return text + "(?)", []any{table}
			}
			return text + "(?, ?)", []any{table, schema}
		},
		indexes: sqliteIndexes,
		demands: sqliteDemands,
		quirks:  sqliteQuirks,
		fault:   sqliteFault,
	}
}

// NativeUUID tells whether the dialect has a type of its own for UUIDs.
func (d Dialect) NativeUUID() bool { return d.nativeUUID }

// Loose tells whether a column holds values of any type, whatever its own.
func (d Dialect) Loose() bool { return d.brackets }

// Returning tells whether an INSERT gives back the new row's ID, whatever the server.
func (d Dialect) Returning() bool { return d.returning }

// RowsAtOnce is how many rows one INSERT best adds.
func (d Dialect) RowsAtOnce() int { return d.rowsAtOnce }

// NoTransaction tells whether the error is that there is no transaction, or none with
// the savepoint: SQLite ends one by itself when the disk is full, a statement was
// interrupted, or a trigger or a conflict clause says ROLLBACK.
func (d Dialect) NoTransaction(err error) bool {
	return strings.Contains(err.Error(), "no transaction is active") || strings.Contains(err.Error(), "no such savepoint")
}

// Quote quotes one identifier.
func (d Dialect) Quote(name string) string {
	return d.quote + strings.ReplaceAll(name, d.quote, d.quote+d.quote) + d.quote
}

// HasBulk tells whether the dialect can write many rows in one statement that
// compares each and tells which it wrote.
func (d Dialect) HasBulk() bool { return d.bulk }

// HasCounted tells whether the dialect writes many rows, each with values of its own,
// with a statement that says how many it wrote and not which.
func (d Dialect) HasCounted() bool { return d.counted }

// Mode asks for what the server does to values that do not fit; ok is false where it
// refuses them.
func (d Dialect) Mode() (text string, ok bool) {
	return "SELECT @@SESSION.sql_mode", d.counted
}

// Fault reads an error of a driver.
func (d Dialect) Fault(err error) Fault {
	f := d.fault(err)
	f.Reason = anyEmail.ReplaceAllString(strings.Join(strings.Fields(f.Reason), " "), "…")
	return f
}
