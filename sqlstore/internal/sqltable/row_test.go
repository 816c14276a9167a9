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
