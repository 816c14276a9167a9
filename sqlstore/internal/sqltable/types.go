package sqltable

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Type is what the database says of a column.
type Type struct {
	Name     string
	Nullable bool
	Key      bool   // it alone is the primary key, in a table that takes part in transactions; only known where HasCounted
	collate  string // of a text: "charset COLLATE collation"
	whole    string // of PostgreSQL: the type with its length; a domain's base, and an enum as MySQL spells one
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
		all := []any{&column, &t.Name, &t.Nullable, &t.Key, &t.collate, &t.whole}
		if err := rows.Scan(all[:min(len(names), len(all))]...); err != nil { // the last three not everywhere
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
	name, base := t.String(), t.base()
	switch {
	case strings.HasSuffix(name, "[]"):
		return Anything
	case t.IsBoolean(), base == "bit", strings.HasPrefix(name, "tinyint(1)"):
		return Flags
	case slices.Contains([]string{"integer", "int2", "int4", "int8", "numeric", "decimal", "number", "real", "double", "float"}, base),
		strings.HasSuffix(base, "int") && base != "point":
		return Numbers
	case strings.HasPrefix(base, "time"), strings.HasPrefix(base, "date"):
		return Times
	case strings.Contains(base, "char"), strings.Contains(base, "text"), base == "enum", base == "set":
		return Texts
	}
	return Anything
}

// String is the whole type in lower case, save for the values of an enum.
func (t Type) String() string {
	name, rest, long := strings.Cut(cmp.Or(t.whole, t.Name), "(")
	if name = strings.ToLower(name); !long {
		return name
	}
	if name != "enum" && name != "set" {
		rest = strings.ToLower(rest)
	}
	return name + "(" + rest
}

// IsBoolean reports whether a flag reads as one, and not as a number.
func (t Type) IsBoolean() bool { return strings.HasPrefix(t.base(), "bool") }

// IsWide reports whether a number may have 64 bits.
func (t Type) IsWide() bool {
	return slices.Contains([]string{"bigint", "int8", "numeric", "decimal"}, t.base())
}

// HoldsTimes reports whether the column holds times with their date, to the second.
func (t Type) HoldsTimes() bool {
	return slices.Contains([]string{"timestamp", "timestamptz", "datetime"}, t.base())
}

// HasZone reports whether the column's times are told with their time zone.
func (t Type) HasZone() bool {
	return t.base() == "timestamptz" || strings.HasSuffix(strings.ToLower(t.Name), " with time zone")
}

// HoldsSeconds reports whether a number has room for the seconds since 1970.
func (t Type) HoldsSeconds() bool {
	return t.IsWide() || slices.Contains([]string{"int", "integer", "int4"}, t.base())
}

// bits are those of the integers.
var bits = map[string]int{
	"tinyint": 8, "smallint": 16, "int2": 16, "mediumint": 24, "int": 32, "integer": 32, "int4": 32, "bigint": 64, "int8": 64,
}

// IsNarrow reports whether a number has too few bits for a time.
func (t Type) IsNarrow() bool { return bits[t.base()] > 0 && bits[t.base()] < 32 }

// Bit is a flag as a column of bits holds it, and nil where it has more of them; ok is
// false where the type is another. MySQL takes a text for its letters, and PostgreSQL's
// drivers take no number.
func (t Type) Bit(flag bool) (bit any, ok bool) {
	n := map[bool]int64{true: 1}[flag]
	switch {
	case t.base() != "bit":
		return nil, false
	case t.whole == "":
		return n, true
	case t.whole == "bit(1)":
		return strconv.FormatInt(n, 10), true
	}
	return nil, true
}

// Number spells a number as the column reads it; not ok where the column refuses it, or
// would round it.
func (t Type) Number(text string) (spelled string, ok bool) {
	size, isInteger := bits[t.base()]
	switch {
	case !isInteger:
		f, err := strconv.ParseFloat(text, 64)
		spelled = strconv.FormatFloat(f, 'f', -1, 64)
		return spelled, err == nil && f-f == 0 && t.hasDigits(spelled)
	case strings.Contains(t.String(), "unsigned"):
		n, err := strconv.ParseUint(text, 10, size)
		return strconv.FormatUint(n, 10), err == nil
	}
	n, err := strconv.ParseInt(text, 10, size)
	return strconv.FormatInt(n, 10), err == nil
}

// hasDigits reports whether a decimal column has as many digits as a number.
func (t Type) hasDigits(number string) bool {
	limits := decimals.FindStringSubmatch(t.String())
	if limits == nil {
		return true
	}
	all, _ := strconv.Atoi(limits[1])
	after, _ := strconv.Atoi(limits[2])
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(number, "-"), ".")
	return len(fraction) <= after && (whole == "0" || len(whole) <= all-after)
}

var decimals = regexp.MustCompile(`^(?:numeric|decimal)\((\d+)(?:, ?(\d+))?\)`)

// Text spells a text as the column reads it; not ok where the column does not list it, or
// would cut it off.
func (t Type) Text(text string) (spelled string, ok bool) {
	if values := t.Values(); values != nil {
		i := slices.Index(values, text)
		if i < 0 && t.whole == "" { // MySQL's, which ignores case
			i = slices.IndexFunc(values, func(v string) bool { return strings.EqualFold(v, text) })
		}
		if i < 0 {
			return "", false
		}
		return values[i], true
	}
	m := lengths.FindStringSubmatch(t.String())
	if m == nil {
		return text, true
	}
	most, _ := strconv.Atoi(m[2])
	padded := m[1] != "" && strings.HasSuffix(text, " ")
	return text, utf8.RuneCountInString(text) <= most && !padded
}

var lengths = regexp.MustCompile(`^(?:(char|character)|varchar|character varying)\((\d+)\)`)

// Values are the texts that an enum lists; nil of what is none.
func (t Type) Values() (values []string) {
	name, list, _ := strings.Cut(t.String(), "(")
	if name != "enum" && name != "set" {
		return nil
	}
	for _, m := range listed.FindAllStringSubmatch(list, -1) {
		values = append(values, strings.ReplaceAll(m[1], "''", "'"))
	}
	return values
}

var listed = regexp.MustCompile(`'((?:[^']|'')*)'`)

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
	name, _, _ := strings.Cut(t.String(), "(")
	name, _, _ = strings.Cut(name, " ")
	return name
}
