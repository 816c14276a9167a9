package sqltable

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Row takes one row after the other.
type Row struct {
	cells []Cell
	dest  []any
	texts []byte // of one row, while it is put together
}

// NewRow is for rows of n values.
func NewRow(n int) *Row {
	r := &Row{cells: make([]Cell, n), dest: make([]any, n)}
	for i := range r.cells {
		r.cells[i].texts = &r.texts
		r.dest[i] = &r.cells[i]
	}
	return r
}

// Scan takes the row that rows is at. The texts of a row that the driver gives
// as bytes become one string: some drivers give all texts so, and a string for
// each would be most of what a row costs.
func (r *Row) Scan(rows interface{ Scan(dest ...any) error }) error {
	r.texts = r.texts[:0]
	if err := rows.Scan(r.dest...); err != nil {
		return err
	}
	rest := string(r.texts)
	for i := range r.cells {
		if c := &r.cells[i]; c.size > 0 {
			c.Text, rest = rest[:c.size], rest[c.size:]
		}
	}
	return nil
}

// Cell is value i, until the next row is taken in.
func (r *Row) Cell(i int) *Cell { return &r.cells[i] }

// Cell is one value of a row, whatever type the driver gives it in.
type Cell struct {
	Null  bool
	Bytes bool // the driver gave bytes, which some do for text too
	Bad   bool // a type that no user has, as a time
	Text  string
	texts *[]byte // the Row's, which gathers the bytes
	size  int     // of what it has gathered
}

// Scan never fails, so that the caller can name the row. It copies bytes at once:
// they are the driver's, which may use them again as soon as a context ends.
func (c *Cell) Scan(src any) error {
	*c = Cell{texts: c.texts}
	switch v := src.(type) {
	case nil:
		c.Null = true
	case string:
		c.Text = v
	case []byte:
		c.Bytes = true
		if c.texts == nil {
			c.Text = string(v)
			break
		}
		*c.texts = append(*c.texts, v...)
		c.size = len(v)
	case int64:
		c.Text = strconv.FormatInt(v, 10)
	case uint64:
		c.Text = strconv.FormatUint(v, 10)
	case float64:
		c.Text = strconv.FormatFloat(v, 'f', -1, 64)
	case float32:
		c.Text = strconv.FormatFloat(float64(v), 'f', -1, 32)
	case bool:
		c.Text = "0"
		if v {
			c.Text = "1"
		}
	default:
		c.Bad = true
	}
	return nil
}

// CellOf is the cell that a stored value reads as.
func CellOf(v any) *Cell {
	var c Cell
	_ = c.Scan(v) // never fails
	return &c
}

// Code is a value as a code word: what the drivers give for one stored number or
// flag is equal. NULL has a code of its own.
type Code struct {
	null bool
	text string
}

// Code returns the value as a code word.
func (c *Cell) Code() Code {
	switch c.Text {
	case "\x00": // MySQL's BIT(1)
		return Code{text: "0"}
	case "\x01":
		return Code{text: "1"}
	}
	return Code{c.Null, c.Text}
}

// Flag reads a boolean column, or one that holds numbers or the usual words.
func (c *Cell) Flag() (value, ok bool) {
	switch c.Text { // nearly all are one of these
	case "0":
		return false, true
	case "1":
		return true, true
	}
	switch strings.ToLower(c.Text) {
	case "", "\x00", "f", "false", "n", "no", "off":
		return false, !c.Bad
	case "\x01", "t", "true", "y", "yes", "on":
		return true, true
	}
	n, err := strconv.ParseFloat(c.Text, 64)
	return n != 0, err == nil
}

// IsBinary reports whether a database's type name is one of raw bytes.
func IsBinary(typeName string) bool {
	t := strings.ToUpper(typeName)
	return strings.Contains(t, "BINARY") || strings.Contains(t, "BLOB") || strings.Contains(t, "BYTEA")
}

// BinaryKey writes a primary key of raw bytes as text: 16 bytes as a UUID, others
// in hex.
func BinaryKey(b string) string {
	if len(b) == 16 {
		return adattr.GUID([]byte(b)).String()
	}
	return hex.EncodeToString([]byte(b))
}

// ParseBinaryKey is the opposite of BinaryKey, and whether the text is one. PostgreSQL
// writes such a key itself, with a prefix.
func ParseBinaryKey(text string) ([]byte, bool) {
	text = strings.TrimPrefix(text, `\x`)
	if g, err := adattr.ParseGUID(text); err == nil {
		return g[:], true
	}
	b, err := hex.DecodeString(text)
	return b, err == nil
}

// GUIDFormat is how a column holds an objectGUID.
type GUIDFormat string

// The formats.
const (
	GUIDText    GUIDFormat = "text"
	GUIDNative  GUIDFormat = "uuid"
	GUIDBytes   GUIDFormat = "bytes"    // in printed order
	GUIDADBytes GUIDFormat = "ad-bytes" // in the order of the wire
)

// Valid reports whether there is such a format.
func (f GUIDFormat) Valid() bool {
	return f == GUIDText || f == GUIDNative || f.Binary()
}

// Binary reports whether the column holds 16 bytes.
func (f GUIDFormat) Binary() bool { return f == GUIDBytes || f == GUIDADBytes }

// Read reads an objectGUID; NULL and an empty text are the zero one. ok is false for
// any other value.
func (f GUIDFormat) Read(c *Cell) (g adattr.GUID, ok bool) {
	switch {
	case c.Bad:
		return adattr.GUID{}, false
	case c.Text == "":
		return adattr.GUID{}, true
	case f.Binary():
		if len(c.Text) != len(g) {
			return adattr.GUID{}, false
		}
		g = adattr.GUID([]byte(c.Text))
		if f == GUIDADBytes {
			g = g.Wire()
		}
		return g, true
	}
	return readGUIDText(strings.TrimSpace(c.Text))
}

// readGUIDText also takes 32 digits without dashes.
func readGUIDText(s string) (adattr.GUID, bool) {
	if len(s) == 32 {
		var g adattr.GUID
		_, err := hex.Decode(g[:], []byte(s))
		return g, err == nil
	}
	g, err := adattr.ParseGUID(s)
	return g, err == nil
}

// Write is what the column holds for an objectGUID that is not zero.
func (f GUIDFormat) Write(g adattr.GUID) any {
	switch f {
	case GUIDBytes:
		return g[:]
	case GUIDADBytes:
		wire := g.Wire()
		return wire[:]
	}
	return g.String()
}

// Own reports whether what Read has read as an objectGUID is spelled as Write
// spells it, or is none.
func (f GUIDFormat) Own(c *Cell) bool {
	if f != GUIDText || c.Text == "" {
		return true
	}
	return len(c.Text) == 36 && !strings.ContainsAny(c.Text, "ABCDEF")
}

// Spellings are all the values under which Read finds the objectGUID, so that a
// look-up can use an index.
func (f GUIDFormat) Spellings(g adattr.GUID) []any {
	if f != GUIDText {
		return []any{f.Write(g)}
	}
	dashed := g.String()
	var all []any
	for _, s := range []string{dashed, "{" + dashed + "}", strings.ReplaceAll(dashed, "-", "")} {
		all = append(all, s, strings.ToUpper(s))
	}
	return all
}
