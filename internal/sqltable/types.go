package sqltable

import (
	"database/sql"
	"strings"
)

// Type is what the database says of a column.
type Type struct {
	Name     string
	Nullable bool
}

// Types are those of a table's columns, by name.
type Types map[string]Type

// ReadTypes reads the rows of Catalogue, and closes them.
func ReadTypes(rows *sql.Rows) (Types, error) {
	defer rows.Close()
	types := make(Types)
	for rows.Next() {
		var column string
		var t Type
		if err := rows.Scan(&column, &t.Name, &t.Nullable); err != nil {
			return nil, err
		}
		types[column] = t
	}
	return types, rows.Err()
}

// Find finds a column as databases do, most of which ignore the case of names.
func (t Types) Find(name string) (Type, bool) {
	if found, ok := t[name]; ok {
		return found, true
	}
	for other, found := range t {
		if strings.EqualFold(other, name) {
			return found, true
		}
	}
	return Type{}, false
}
