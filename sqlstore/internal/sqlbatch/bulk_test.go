package sqlbatch

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bulk is a batch that writes all changes with one statement.
func (f *fakeDB) bulk(t testing.TB, verdicts ...error) Batch {
	b := f.batch(t, len(verdicts))
	b.Bulk = func(ctx context.Context, tx *Tx) ([]error, error) {
		_, err := tx.ExecContext(ctx, "write all")
		return verdicts, err
	}
	return b
}

func TestBulk_IsOneTransaction(t *testing.T) {
	f := &fakeDB{}
	assert.Equal(t, []Outcome{{Done, nil}, {Done, errBad}}, f.bulk(t, nil, errBad).Run(t.Context()))
	assert.Equal(t, []string{"connect", "begin", "write all", "commit"}, f.log)
	f = &fakeDB{}
	f.bulk(t, nil).Run(t.Context())
	assert.Zero(t, f.count("write all"), "one change is written by itself")
}

func TestBulk_FindsABadRowOneByOne(t *testing.T) {
	f := &fakeDB{}
	f.answer = func(text string) error {
		if text == "write all" || text == "write 1" {
			return errBad
		}
		return nil
	}
	assert.Equal(t, []Outcome{{Done, nil}, {Failed, errBad}, {Done, nil}}, f.bulk(t, nil, nil, nil).Run(t.Context()))
	assert.Equal(t, 1, f.count("write all"))
	assert.Equal(t, 1, f.count("rollback"))
	assert.Equal(t, 3, f.count("SAVEPOINT adsync"))
}

func TestBulk_TriesAgainWhenItLoses(t *testing.T) {
	f := &fakeDB{answer: times(2, "write all", errBusy)}
	assert.Equal(t, outcomes(Done, nil, 2), f.bulk(t, nil, nil).Run(t.Context()))
	assert.Equal(t, 3, f.count("write all"))
	assert.Zero(t, f.count("write 0"))
}

func TestBulk_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeDB{}
	f.answer = func(text string) error {
		if text == "write all" {
			cancel()
			return errLost
		}
		return nil
	}
	assert.Equal(t, outcomes(RolledBack, context.Canceled, 2), f.bulk(t, nil, nil).Run(ctx))
	assert.Zero(t, f.count("commit"))
}

// QueryContext answers a request for a lock: "no" is refused.
func (c fakeConn) QueryContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	return &oneRow{text != "no", false}, c.f.say(text)
}

type oneRow struct{ value, done bool }

func (r *oneRow) Columns() []string { return []string{"done"} }
func (r *oneRow) Close() error      { return nil }
func (r *oneRow) Next(row []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done, row[0] = true, r.value
	return nil
}

func TestHold(t *testing.T) {
	f := &fakeDB{}
	db := sql.OpenDB(f)
	defer db.Close()
	hold, err := Acquire(t.Context(), db, "take")
	require.NoError(t, err)
	assert.Equal(t, 1, db.Stats().InUse, "the lock keeps its connection")
	_, err = Acquire(t.Context(), db, "no")
	assert.ErrorIs(t, err, ErrHeld)
	require.NoError(t, hold.Release("release"))
	assert.Zero(t, db.Stats().InUse)
	assert.Zero(t, f.closed)

	hold, err = Acquire(t.Context(), db, "take")
	require.NoError(t, err)
	assert.ErrorIs(t, hold.Release("no"), ErrLost)
	assert.Equal(t, 1, f.closed, "a connection that may still have the lock is not given back")
	f.answer = times(1, "take", errLost)
	_, err = Acquire(t.Context(), db, "take")
	assert.ErrorIs(t, err, errLost)
	assert.Equal(t, 2, f.closed)
	assert.Zero(t, db.Stats().InUse)
}
