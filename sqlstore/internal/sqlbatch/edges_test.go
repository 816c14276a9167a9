package sqlbatch

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBatch_OfNothingSendsNothing(t *testing.T) {
	f := &fakeDB{}
	assert.Empty(t, f.batch(t, 0).Run(t.Context()))
	assert.Empty(t, f.log)
}

// A large batch that loses a few times is not yet cut into parts.
func TestParts_OfALargeBatchThatLosesTwice(t *testing.T) {
	f := &fakeDB{answer: times(wholeTries-1, "commit", errBusy)}
	assert.Equal(t, outcomes(Done, nil, partMost+1), f.parts(t, partMost+1).Run(t.Context()))
	assert.Equal(t, wholeTries, f.count("begin"))
}

func TestBatch_RollsBackWhereTheLockIsRefused(t *testing.T) {
	f := &fakeDB{answer: times(1, "lock", errBusy)}
	b := f.batch(t, 1)
	b.Lock = "lock"
	assert.Equal(t, outcomes(Done, nil, 1), b.Run(t.Context()))
	assert.Equal(t, []string{"connect", "begin", "lock", "rollback", "begin", "lock", "write 0", "commit"}, f.log)
}

// What counts is that the run was ended, whatever the database says then.
func TestBatch_EndsWithItsContextAtTheBeginning(t *testing.T) {
	for _, fault := range []error{nil, errLost} {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fakeDB{}
		f.answer = func(text string) error {
			if text == "begin" {
				cancel()
				return fault
			}
			return nil
		}
		assert.Equal(t, outcomes(RolledBack, context.Canceled, 2), f.batch(t, 2).Run(ctx))
		assert.Zero(t, f.count("write 0"))
	}
}

// Between two changes the context is looked at, as the host's code may not do it.
func TestBatch_EndsBetweenChangesThatIgnoreTheirContext(t *testing.T) {
	for _, savepoints := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		f, applied := &fakeDB{}, 0
		b := f.batch(t, 3)
		b.Apply = func(_ context.Context, _ *Tx, i int) (verdict, fault error) {
			if savepoints && f.count("rollback") == 0 {
				return nil, errBad
			}
			applied++
			cancel()
			return nil, nil
		}
		assert.Equal(t, outcomes(RolledBack, context.Canceled, 3), b.Run(ctx))
		assert.Equal(t, 1, applied)
		assert.Zero(t, f.count("commit"))
	}
}

// saving is a batch whose first try meets a bad row, so that the next has savepoints, in
// which change 1 meets the fault.
func (f *fakeDB) saving(t *testing.T, fault error) Batch {
	b := f.batch(t, 3)
	b.Apply = func(ctx context.Context, tx *Tx, i int) (error, error) {
		if f.count("rollback") == 0 {
			return nil, errBad
		}
		if i == 1 {
			return nil, fault
		}
		_, err := tx.Exec(ctx, fmt.Sprint("write ", i))
		return nil, err
	}
	return b
}

func TestSavepoints_ThatFailEndTheTransaction(t *testing.T) {
	for _, at := range []string{"SAVEPOINT adsync", "ROLLBACK TO SAVEPOINT adsync", "RELEASE SAVEPOINT adsync"} {
		f := &fakeDB{answer: times(1, at, errLost)}
		assert.Equal(t, outcomes(RolledBack, errLost, 3), f.saving(t, errBad).Run(t.Context()), at)
		assert.Equal(t, 2, f.count("begin"), "nothing is tried again")
		assert.Equal(t, 2, f.count("rollback"))
		assert.Zero(t, f.count("commit"))
	}
}

// A fault of the whole transaction is not undone by a savepoint first.
func TestSavepoints_AreNotAskedWhereAllIsUndone(t *testing.T) {
	f := &fakeDB{}
	assert.Equal(t, outcomes(RolledBack, errShut, 3), f.saving(t, errShut).Run(t.Context()))
	assert.Zero(t, f.count("ROLLBACK TO SAVEPOINT adsync"))

	synctest.Test(t, func(t *testing.T) {
		f := &fakeDB{}
		assert.Equal(t, outcomes(RolledBack, errBusy, 3), f.saving(t, errBusy).Run(t.Context()))
		assert.Zero(t, f.count("ROLLBACK TO SAVEPOINT adsync"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	f = &fakeDB{}
	b := f.saving(t, nil)
	apply := b.Apply
	b.Apply = func(ctx context.Context, tx *Tx, i int) (error, error) {
		if i == 1 {
			cancel()
			return nil, errBad
		}
		return apply(ctx, tx, i)
	}
	assert.Equal(t, outcomes(RolledBack, context.Canceled, 3), b.Run(ctx))
	assert.Zero(t, f.count("ROLLBACK TO SAVEPOINT adsync"))
}

func TestSavepoints_KeepTheVerdicts(t *testing.T) {
	f := &fakeDB{}
	b := f.batch(t, 3)
	b.Apply = func(_ context.Context, _ *Tx, i int) (verdict, fault error) {
		return []error{errLost, nil, nil}[i], []error{nil, errBad, nil}[i]
	}
	assert.Equal(t, []Outcome{{Done, errLost}, {Failed, errBad}, {Done, nil}}, b.Run(t.Context()))
}

// A statement of a batch is prepared, and what cannot be is not run.
func TestTx_RunsWhatItHasPrepared(t *testing.T) {
	for n, want := range map[int]int64{1: 1, 2: preparedRows} {
		b := (&fakeDB{}).batch(t, n)
		b.Apply = func(ctx context.Context, tx *Tx, i int) (error, error) {
			rows, err := tx.Exec(ctx, "write")
			assert.Equal(t, want, rows)
			return nil, err
		}
		assert.Equal(t, outcomes(Done, nil, n), b.Run(t.Context()))
		b.Apply = func(ctx context.Context, tx *Tx, i int) (error, error) {
			rows, err := tx.Rows(ctx, "read")
			if n > 1 {
				assert.ErrorIs(t, err, errBad, "which the prepared statement answers")
				return errBad, nil
			}
			require.NoError(t, err)
			return nil, rows.Close()
		}
		b.Run(t.Context())
	}
	f := &fakeDB{answer: times(9, "prepare write 0", errBad)}
	assert.Equal(t, []Outcome{{Failed, errBad}, {Done, nil}}, f.batch(t, 2).Run(t.Context()))
	assert.Zero(t, f.count("write 0"))

	f = &fakeDB{answer: times(9, "prepare read", errLost)}
	b := f.batch(t, 2)
	b.Apply = func(ctx context.Context, tx *Tx, i int) (error, error) {
		_, err := tx.Rows(ctx, "read")
		assert.ErrorIs(t, err, errLost)
		return nil, nil
	}
	b.Run(t.Context())
}

func TestHold_NeedsAConnection(t *testing.T) {
	f := &fakeDB{answer: times(1, "connect", errLost)}
	db := sql.OpenDB(f)
	defer db.Close()
	_, err := Acquire(t.Context(), db, "take")
	assert.ErrorIs(t, err, errLost)
	hold, err := Acquire(t.Context(), db, "take")
	require.NoError(t, err)
	assert.EqualError(t, hold.Release("no"), ErrLost.Error(), "and nothing of the connection that was dropped")
	f.answer = times(1, "take", errLost)
	_, err = Acquire(t.Context(), db, "take")
	assert.EqualError(t, err, errLost.Error())
}

// The pauses grow up to a bound, and differ, so that two losers do not meet again.
func TestWait_GrowsUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for try := 1; try < tries; try++ {
			d := min(5*time.Millisecond<<(try-1), 300*time.Millisecond)
			different := map[time.Duration]bool{}
			for range 50 {
				begun := time.Now()
				require.True(t, Wait(t.Context(), try))
				took := time.Since(begun)
				require.GreaterOrEqual(t, took, d/2, try)
				require.Less(t, took, d/2+d, try)
				different[took] = true
			}
			assert.Greater(t, len(different), 10)
		}
		assert.False(t, Wait(t.Context(), tries))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		assert.False(t, Wait(ended, 1))
	})
}
