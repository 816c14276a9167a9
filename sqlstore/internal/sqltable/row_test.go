package sqltable

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reusing is a driver that gives one row as parts of its buffer, into which it reads
// what is left when the rows are closed.
type reusing struct {
	driver.Conn
	buffer []byte
	given  bool
	closed chan struct{}
}

func (d *reusing) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d *reusing) Driver() driver.Driver                        { return nil }

func (d *reusing) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return reusingRows{d}, nil
}

func (d *reusing) Close() error { return nil }

type reusingRows struct{ *reusing }

func (r reusingRows) Columns() []string { return []string{"a", "b"} }

func (r reusingRows) Next(values []driver.Value) error {
	if r.given {
		return io.EOF
	}
	r.given = true
	copy(r.buffer, "annbob")
	values[0], values[1] = r.buffer[:3], r.buffer[3:]
	return nil
}

func (r reusingRows) Close() error {
	copy(r.buffer, "SECRET")
	close(r.closed)
	return nil
}

// cutOff ends the context behind each Scan, as it may end at any time.
type cutOff struct {
	*sql.Rows
	cancel context.CancelFunc
	closed chan struct{}
}

func (c cutOff) Scan(dest ...any) error {
	err := c.Rows.Scan(dest...)
	c.cancel()
	<-c.closed
	return err
}

func TestRow_HoldsNothingOfTheDrivers(t *testing.T) {
	d := &reusing{buffer: make([]byte, 6), closed: make(chan struct{})}
	db := sql.OpenDB(d)
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows, err := db.QueryContext(ctx, "SELECT a, b")
	require.NoError(t, err)
	defer rows.Close()
	require.True(t, rows.Next())
	row := NewRow(2)
	require.NoError(t, row.Scan(cutOff{rows, cancel, d.closed}))
	assert.Equal(t, "ann", row.Cell(0).Text)
	assert.Equal(t, "bob", row.Cell(1).Text)
}

func TestCell_ReadsWhatDriversGive(t *testing.T) {
	for _, test := range []struct {
		src  any
		want string
	}{
		{"x", "x"}, {[]byte("x"), "x"}, {int64(-7), "-7"}, {uint64(7), "7"}, {1.0, "1"}, {float32(0.5), "0.5"}, {true, "1"}, {false, "0"}, {nil, ""},
	} {
		assert.Equal(t, test.want, CellOf(test.src).Text)
	}
	assert.Equal(t, CellOf(true).Code(), CellOf([]byte{1}).Code(), "a BIT(1) is a flag")
	assert.Equal(t, CellOf(int64(1)).Code(), CellOf([]byte("1")).Code())
	assert.NotEqual(t, CellOf(nil).Code(), CellOf("").Code())
	assert.NotEqual(t, CellOf(nil).Code(), CellOf("NULL").Code())
	for flag, values := range map[bool][]any{
		true:  {true, int64(2), []byte{1}, "t", "Yes", "1", 1.5},
		false: {false, int64(0), []byte{0}, "f", "No", nil, "0.0"},
	} {
		for _, v := range values {
			got, ok := CellOf(v).Flag()
			assert.True(t, ok, v)
			assert.Equal(t, flag, got, v)
		}
	}
	_, ok := CellOf("perhaps").Flag()
	assert.False(t, ok)
	_, ok = CellOf(struct{}{}).Flag()
	assert.False(t, ok)
}

// driverRows gives bytes as drivers do: in memory that the next row overwrites.
type driverRows struct{ buffer [8]byte }

func (r *driverRows) row(texts string, other any) func(dest ...any) error {
	copy(r.buffer[:], texts)
	return func(dest ...any) error {
		for i, v := range []any{r.buffer[:2], nil, other, r.buffer[2:2], r.buffer[2:5]} {
			if err := dest[i].(sql.Scanner).Scan(v); err != nil {
				return err
			}
		}
		return nil
	}
}

type scanFunc func(dest ...any) error

func (f scanFunc) Scan(dest ...any) error { return f(dest...) }

func TestRow_KeepsWhatTheDriverOverwrites(t *testing.T) {
	row, rows := NewRow(5), &driverRows{}
	texts := func() (all []string) {
		for i := range 5 {
			all = append(all, row.Cell(i).Text)
		}
		return all
	}
	require.NoError(t, row.Scan(scanFunc(rows.row("annie", int64(7)))))
	first := texts()
	assert.True(t, row.Cell(0).Bytes && row.Cell(1).Null && !row.Cell(2).Bytes)
	require.NoError(t, row.Scan(scanFunc(rows.row("bob42", "own"))))
	assert.Equal(t, []string{"bo", "", "own", "", "b42"}, texts())
	assert.Equal(t, []string{"an", "", "7", "", "nie"}, first, "the texts of a row outlive it")
	assert.ErrorIs(t, row.Scan(scanFunc(func(...any) error { return sql.ErrNoRows })), sql.ErrNoRows)
}

func TestRow_MakesOneString(t *testing.T) {
	row, rows := NewRow(5), &driverRows{}
	scan := scanFunc(rows.row("bob42", "own"))
	assert.Equal(t, 1.0, testing.AllocsPerRun(100, func() { _ = row.Scan(scan) })-testing.AllocsPerRun(100, func() { _ = scan(row.dest...) }), "one string for a row")
}

// A number that comes again is not written out again, and is not taken for another.
func TestCell_KeepsTheLastNumber(t *testing.T) {
	var c Cell
	var got []string
	for _, v := range []any{int64(0), int64(0), int64(7), "x", int64(7), nil, int64(8), int64(0)} {
		require.NoError(t, c.Scan(v))
		got = append(got, c.Text)
	}
	assert.Equal(t, []string{"0", "0", "7", "x", "7", "", "8", "0"}, got)
}
