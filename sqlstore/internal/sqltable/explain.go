package sqltable

import (
	"strconv"
	"strings"
)

// Plan asks how the database would run a statement.
func Plan(text string) string { return "EXPLAIN FORMAT=TRADITIONAL " + text }

// ReadsByKey reads what Plan has asked for, and closes it: whether the statement
// reads n rows by the primary key at most, and no other row of any table.
func ReadsByKey(rows Rows, n int) (bool, error) {
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return false, err
	}
	row, tables, good := NewRow(len(names)), 0, 0
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return false, err
		}
		cells := make(map[string]*Cell, len(names))
		for i, name := range names {
			cells[strings.ToLower(name)] = row.Cell(i)
		}
		if table := cells["table"]; table == nil || table.Null || strings.HasPrefix(table.Text, "<") {
			continue // the list of IDs itself
		}
		tables++
		if readsByKey(cells, n) {
			good++
		}
	}
	return tables == 1 && good == 1, rows.Err()
}

func readsByKey(cells map[string]*Cell, n int) bool {
	for _, name := range []string{"type", "key", "rows"} {
		if cells[name] == nil {
			return false
		}
	}
	read, err := strconv.Atoi(cells["rows"].Text)
	way := cells["type"].Text
	return err == nil && read <= n && cells["key"].Text == "PRIMARY" && (way == "range" || way == "eq_ref")
}
