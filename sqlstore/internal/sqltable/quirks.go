package sqltable

import (
	"regexp"
	"strings"
)

// Quirks asks for what makes a database do something other than a statement says; ok is
// false where there is nothing of the kind.
//
// SQLite lets a table say what becomes of a write that breaks one of its constraints:
// UNIQUE ON CONFLICT REPLACE deletes the rows that are in the way, and says nothing. A
// clause of the statement overrides that. It also overrides those of the statements in
// triggers, which a host may need, as for an upsert into another table. So it is given
// only where the table has such a clause itself, or a trigger replaces rows in it.
//
// A rule of PostgreSQL puts other statements in the place of one, and so does a trigger of
// a view in SQLite. Neither is counted as a row that was written.
func (t *Table) Quirks() (text string, args []any, ok bool) {
	if t.d.quirks == nil {
		return "", nil, false
	}
	text, args = t.d.quirks(t.schema, t.name, t.quoted)
	return text, args, true
}

func sqliteQuirks(schema, table, _ string) (text string, args []any) {
	master := "sqlite_master"
	if schema != "" {
		master = sqlite().Quote(schema) + "." + master
	}
	const wanted = " WHERE sql LIKE '%CONFLICT%' OR sql LIKE '%REPLACE%' OR type = 'view' AND name = ? COLLATE NOCASE"
	return "SELECT type, name, sql FROM " + master + wanted + " UNION ALL SELECT type, name, sql FROM sqlite_temp_master" + wanted, []any{table, table}
}

// Heed reads what Quirks has asked for, and closes it; rows are nil where it asks for
// nothing. It returns a table whose statements let no conflict clause have its way where
// it could take another row, and which take no row for another whose ID is equal to its
// column, as 012 is to 12.
func (t *Table) Heed(types Types, rows Rows) (*Table, error) {
	heeding := *t
	id, _ := types.Find(t.key)
	heeding.textID = !IsBinary(id.Name) || t.d.bytesAsText
	if rows != nil {
		defer rows.Close()
		if err := heeding.heed(rows); err != nil {
			return nil, err
		}
	}
	heeding.makeTexts()
	return &heeding, nil
}

func (t *Table) heed(rows Rows) error {
	var own, others bool // conflict clauses of this table, and of others
	replaces := regexp.MustCompile(`(?i)\bREPLACE\s+(INTO\s+)?(\S+\s*\.\s*)?["'\x60\[]?` + regexp.QuoteMeta(t.name) + `(\W|$)`)
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return err
		}
		switch this := strings.EqualFold(name, t.name); {
		case kind == "rule", kind == "view" && this:
			t.uncounted = true
		case kind == "trigger":
			own = own || replaces.MatchString(text)
		case kind == "table" && strings.Contains(strings.ToUpper(text), "CONFLICT"):
			own, others = own || this, true
		}
	}
	if own || others && t.uncounted { // a view may write to any table
		t.orAbort = "OR ABORT "
	}
	return rows.Err()
}

// TextID reports whether statements that match compare the ID as it reads, too.
func (t *Table) TextID() bool { return t.textID }

// Overrides reports whether conflict clauses are overridden.
func (t *Table) Overrides() bool { return t.orAbort != "" }

// Uncounted reports whether the database does not say how many rows a statement wrote.
func (t *Table) Uncounted() bool { return t.uncounted }
