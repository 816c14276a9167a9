package sqltable

import (
	"strconv"
	"strings"
	"time"
)

// Rows is what a query gives, as *sql.Rows.
type Rows interface {
	Columns() ([]string, error)
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

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
	Time  time.Time // where it is one
	texts *[]byte   // the Row's, which gathers the bytes
	size  int       // of what it has gathered

	number  int64  // the last number that the driver gave, and its text: rows of one user
	written string // often follow each other
}

// Scan never fails, so that the caller can name the row. It copies bytes at once:
// they are the driver's, which may use them again as soon as a context ends.
func (c *Cell) Scan(src any) error {
	*c = Cell{texts: c.texts, number: c.number, written: c.written}
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
		if v != c.number || c.written == "" {
			c.number, c.written = v, strconv.FormatInt(v, 10)
		}
		c.Text = c.written
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
	case time.Time:
		c.Bad, c.Time = true, v
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
