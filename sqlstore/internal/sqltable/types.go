package sqltable

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Type is what the database says of a column.
type Type struct {
	Name     string
	Nullable bool
	Key      bool   // it alone is the primary key, in a table that takes part in transactions; only known where HasCounted
	collate  string // of a text: "charset COLLATE collation"
}

// Types are those of a table's columns, by name.
type Types map[string]Type

// ReadTypes reads the rows of Catalogue, and closes them.
func ReadTypes(rows Rows) (Types, error) {
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	types := make(Types)
	for rows.Next() {
		var column string
		var t Type
		all := []any{&column, &t.Name, &t.Nullable, &t.Key, &t.collate}
		if err := rows.Scan(all[:min(len(names), len(all))]...); err != nil { // the last two only where HasCounted
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

// Family is what a type holds.
type Family int

// The families.
const (
	Anything Family = iota // or nobody knows
	Flags
	Numbers
	Texts
	Times
)

// Family tells by the type's name.
func (t Type) Family() Family {
	name, base := strings.ToLower(t.Name), t.base()
	switch {
	case t.IsBoolean(), base == "bit", strings.HasPrefix(name, "tinyint(1)"):
		return Flags
	case slices.Contains([]string{"integer", "int2", "int4", "int8", "numeric", "decimal", "number", "real", "double", "float"}, base),
		strings.HasSuffix(base, "int") && base != "point":
		return Numbers
	case strings.HasPrefix(base, "time"), strings.HasPrefix(base, "date"):
		return Times
	case strings.Contains(base, "char"), strings.Contains(base, "text"), strings.HasPrefix(base, "enum"):
		return Texts
	}
	return Anything
}

// IsBoolean reports whether a flag reads as one, and not as a number.
func (t Type) IsBoolean() bool { return strings.HasPrefix(t.base(), "bool") }

// IsWide reports whether a number may have 64 bits.
func (t Type) IsWide() bool {
	return slices.Contains([]string{"bigint", "int8", "numeric", "decimal"}, t.base())
}

// Lists reports whether the column may hold the text: an enum of MySQL lists all that it
// does.
func (t Type) Lists(text string) bool {
	values, isEnum := strings.CutPrefix(strings.ToLower(t.Name), "enum(")
	quoted := "'" + strings.ReplaceAll(strings.ToLower(text), "'", "''") + "'"
	return !isEnum || strings.Contains(","+strings.TrimSuffix(values, ")")+",", ","+quoted+",")
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

// ExactKey is an ID as the column itself holds it, so that an index over it can be
// used. ok is false where the text is not how the column's value reads, such as 017 for a
// number, or could be more than one value, such as a text beyond plain ASCII.
func (t Type) ExactKey(id string) (key any, ok bool) {
	switch t.base() {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		n, err := strconv.ParseInt(id, 10, 64)
		fits := n >= 0 || !strings.Contains(t.Name, "unsigned")
		return n, err == nil && fits && strconv.FormatInt(n, 10) == id && !strings.Contains(t.Name, "zerofill")
	case "binary", "varbinary":
		b, ok := ParseBinaryKey(id)
		return b, ok && BinaryKey(string(b)) == id
	case "uuid":
		g, err := adattr.ParseGUID(id)
		return id, err == nil && g.String() == id
	case "char", "varchar":
		plain := !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
		return id, plain && id != ""
	}
	return nil, false
}

// typed is an argument that holds what ExactKey gives, as a value of the column's
// type; empty where there is none.
func (t Type) typed() string {
	switch t.base() {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		if strings.Contains(t.Name, "unsigned") {
			return "CAST(? AS UNSIGNED)"
		}
		return "CAST(? AS SIGNED)"
	case "binary", "varbinary":
		return "CAST(? AS BINARY)"
	case "uuid":
		return "CAST(? AS UUID)"
	case "char", "varchar":
		if m := collate.FindStringSubmatch(t.collate); m != nil {
			return "CONVERT(? USING " + m[1] + ")" + m[2]
		}
	}
	return ""
}

var collate = regexp.MustCompile(`^(\w+)( COLLATE \w+)$`)

// base is the name of the type without its length and what follows it.
func (t Type) base() string {
	name, _, _ := strings.Cut(strings.ToLower(t.Name), "(")
	name, _, _ = strings.Cut(name, " ")
	return name
}
