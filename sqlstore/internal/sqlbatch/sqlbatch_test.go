package sqlbatch

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	errBusy    = errors.New("busy")
	errRefused = errors.New("refused")
	errBad     = errors.New("bad row")
	errLost    = errors.New("lost")
	errEnded   = errors.New("no transaction")
	errShut    = errors.New("no writes")
	errBegin   = errors.New("cannot begin")
)

// fakeDB keeps a log of what it was sent, and answers as the test says.
type fakeDB struct {
	log    []string
	answer func(text string) error // nil: fine
	closed int
}

func (f *fakeDB) say(text string) error {
	f.log = append(f.log, text)
	if f.answer == nil {
		return nil
	}
	return f.answer(text)
}

func (f *fakeDB) Connect(context.Context) (driver.Conn, error) { return fakeConn{f}, f.say("connect") }
func (f *fakeDB) Driver() driver.Driver                        { return nil }

type fakeConn struct{ f *fakeDB }

func (c fakeConn) Prepare(text string) (driver.Stmt, error) {
	return fakeStmt{c.f, text}, c.f.say("prepare " + text)
}
func (c fakeConn) Close() error              { c.f.closed++; return nil }
func (c fakeConn) Begin() (driver.Tx, error) { return fakeTx(c), c.f.say("begin") }
func (c fakeConn) ExecContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), c.f.say(text)
}

type fakeTx struct{ f *fakeDB }

func (t fakeTx) Commit() error   { return t.f.say("commit") }
func (t fakeTx) Rollback() error { return t.f.say("rollback") }

type fakeStmt struct {
	f    *fakeDB
	text string
}

func (s fakeStmt) Close() error  { return nil }
func (s fakeStmt) NumInput() int { return -1 }
func (s fakeStmt) Exec([]driver.Value) (driver.Result, error) {
	return driver.RowsAffected(preparedRows), s.f.say(s.text)
}

// preparedRows is how many rows a prepared statement says that it wrote, and 1 what any
// other says.
const preparedRows = 7

func (s fakeStmt) Query([]driver.Value) (driver.Rows, error) { return nil, errBad }

// batch writes one statement for each change, named by its number.
func (f *fakeDB) batch(t testing.TB, n int) Batch {
	db := sql.OpenDB(f)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return Batch{
		DB:  db,
		Len: n,
		Apply: func(ctx context.Context, tx *Tx, i int) (error, error) {
			_, err := tx.Exec(ctx, fmt.Sprint("write ", i))
			return nil, err
		},
		Retry:   func(err error) bool { return errors.Is(err, errBusy) },
		Refused: func(err error) bool { return errors.Is(err, errBusy) || errors.Is(err, errRefused) },
		Ended:   func(err error) bool { return errors.Is(err, errEnded) },
		Stop:    func(err error) bool { return errors.Is(err, errShut) },
	}
}

// times answers with the error the first n times that the text comes.
func times(n int, text string, err error) func(string) error {
	return func(got string) error {
		if got == text && n > 0 {
			n--
			return err
		}
		return nil
	}
}

func (f *fakeDB) count(text string) int {
	n := 0
	for _, line := range f.log {
		if line == text {
			n++
		}
	}
	return n
}

func outcomes(s State, err error, n int) []Outcome {
	return Batch{Len: n}.all(s, err)
}

func TestBatch_IsOneTransactionWithoutSavepoints(t *testing.T) {
	f := &fakeDB{}
	out := f.batch(t, 2).Run(t.Context())
	assert.Equal(t, outcomes(Done, nil, 2), out)
	assert.Equal(t, []string{"connect", "begin", "prepare write 0", "write 0", "prepare write 1", "write 1", "commit"}, f.log)
	assert.Empty(t, f.batch(t, 0).Run(t.Context()))
}

func TestBatch_OneChangeIsNotPrepared(t *testing.T) {
	f := &fakeDB{}
	f.batch(t, 1).Run(t.Context())
	assert.Equal(t, []string{"connect", "begin", "write 0", "commit"}, f.log)
}

func TestBatch_UndoesABadRowAlone(t *testing.T) {
	f := &fakeDB{answer: times(2, "write 1", errBad)}
	out := f.batch(t, 3).Run(t.Context())
	assert.Equal(t, []Outcome{{Done, nil}, {Failed, errBad}, {Done, nil}}, out)
	_, second, ok := strings.Cut(strings.Join(f.log, "; "), "rollback; begin; ")
	require.True(t, ok)
	assert.Equal(t, "SAVEPOINT adsync; prepare write 0; write 0; RELEASE SAVEPOINT adsync; "+
		"SAVEPOINT adsync; prepare write 1; write 1; ROLLBACK TO SAVEPOINT adsync; RELEASE SAVEPOINT adsync; "+
		"SAVEPOINT adsync; prepare write 2; write 2; RELEASE SAVEPOINT adsync; commit", second)
}

func TestBatch_DoesMuchAhead(t *testing.T) {
	ahead := func(f *fakeDB, n int) []Outcome {
		b := f.batch(t, n)
		b.Ahead = func(ctx context.Context, tx *Tx) error {
			_, err := tx.Exec(ctx, "ahead")
			return err
		}
		return b.Run(t.Context())
	}
	f := &fakeDB{}
	assert.Equal(t, outcomes(Done, nil, 2), ahead(f, 2))
	assert.Equal(t, []string{"connect", "begin", "prepare ahead", "ahead", "prepare write 0", "write 0", "prepare write 1", "write 1", "commit"}, f.log)

	f = &fakeDB{}
	ahead(f, 1)
	assert.Zero(t, f.count("ahead"), "there is nothing to gain")

	f = &fakeDB{answer: times(9, "ahead", errBad)}
	assert.Equal(t, outcomes(Done, nil, 2), ahead(f, 2))
	assert.Equal(t, 1, f.count("ahead"), "one bad row must not lose the others")
	assert.Equal(t, 2, f.count("SAVEPOINT adsync"))

	f = &fakeDB{answer: times(1, "ahead", errBusy)}
	assert.Equal(t, outcomes(Done, nil, 2), ahead(f, 2))
	assert.Equal(t, 2, f.count("ahead"))
	assert.Zero(t, f.count("SAVEPOINT adsync"))
}

func TestBatch_StatementMayBeAskedAboutFirst(t *testing.T) {
	f := &fakeDB{answer: times(1, "prepare new", errRefused)}
	b := f.batch(t, 2)
	b.Ahead = func(ctx context.Context, tx *Tx) error {
		assert.ErrorIs(t, tx.Prepare(ctx, "new"), errRefused)
		assert.NoError(t, tx.Prepare(ctx, "old"))
		_, err := tx.Exec(ctx, "old")
		return err
	}
	assert.Equal(t, outcomes(Done, nil, 2), b.Run(t.Context()))
	assert.Equal(t, []string{"connect", "begin", "prepare new", "prepare old", "old"}, f.log[:5], "it is not run, and prepared once")
	assert.Zero(t, f.count("rollback"))
}

func TestBatch_BadRowOfOneNeedsNoSecondTry(t *testing.T) {
	f := &fakeDB{answer: times(9, "write 0", errBad)}
	assert.Equal(t, outcomes(Failed, errBad, 1), f.batch(t, 1).Run(t.Context()))
	assert.Equal(t, 1, f.count("write 0"))
	assert.Equal(t, 1, f.count("rollback"))
}

func TestBatch_VerdictLeavesTheOthers(t *testing.T) {
	f := &fakeDB{}
	b := f.batch(t, 2)
	b.Apply = func(_ context.Context, _ *Tx, i int) (error, error) {
		if i == 0 {
			return errLost, nil
		}
		return nil, nil
	}
	assert.Equal(t, []Outcome{{Done, errLost}, {Done, nil}}, b.Run(t.Context()))
	assert.Equal(t, 1, f.count("commit"))
}

func TestBatch_LosersTryAgain(t *testing.T) {
	for _, at := range []string{"begin", "write 1", "commit"} {
		f := &fakeDB{answer: times(3, at, errBusy)}
		assert.Equal(t, outcomes(Done, nil, 2), f.batch(t, 2).Run(t.Context()), at)
		assert.Equal(t, 4, f.count(at), at)
	}
}

func TestBatch_LosersGiveUp(t *testing.T) {
	f := &fakeDB{answer: times(1000, "write 0", errBusy)}
	assert.Equal(t, outcomes(RolledBack, errBusy, 2), f.batch(t, 2).Run(t.Context()))
	assert.Equal(t, tries, f.count("write 0"))
	assert.Zero(t, f.count("commit"))
}

func TestCommit_WithoutAnAnswerIsUnknown(t *testing.T) {
	f := &fakeDB{answer: times(9, "commit", errLost)}
	assert.Equal(t, outcomes(Unknown, errLost, 2), f.batch(t, 2).Run(t.Context()))
	assert.Equal(t, 1, f.count("commit"), "it is not tried again")
	assert.Equal(t, 1, f.closed, "nobody knows the state of the connection")
}

func TestCommit_RefusedIsTriedOneByOne(t *testing.T) {
	commits := 0
	f := &fakeDB{}
	f.answer = func(text string) error {
		if text == "commit" {
			commits++
			if commits == 1 || commits == 3 { // all; then the second of the three
				return errRefused
			}
		}
		return nil
	}
	assert.Equal(t, []Outcome{{Done, nil}, {Failed, errRefused}, {Done, nil}}, f.batch(t, 3).Run(t.Context()))
	assert.Equal(t, 2, f.count("ROLLBACK"), "a commit that was refused may leave the transaction open")
	assert.Equal(t, 1, f.count("connect"), "the connection is still good")
}

func TestBatch_EndsWithItsContextBeforeTheCommit(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeDB{}
	f.answer = func(text string) error {
		if text == "write 0" {
			cancel()
		}
		return nil
	}
	assert.Equal(t, outcomes(RolledBack, context.Canceled, 2), f.batch(t, 2).Run(ctx))
	assert.Zero(t, f.count("commit"))
	assert.Equal(t, 1, f.count("rollback"))
	assert.Equal(t, outcomes(RolledBack, context.Canceled, 2), f.batch(t, 2).Run(ctx))
}

func TestCommit_DoesNotEndWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeDB{}
	f.answer = func(text string) error {
		if text == "commit" {
			cancel()
		}
		return nil
	}
	assert.Equal(t, outcomes(Done, nil, 1), f.batch(t, 1).Run(ctx))
}

func TestConnection_LostRollsBack(t *testing.T) {
	f := &fakeDB{answer: func(text string) error {
		if text == "connect" || text == "begin" || text == "prepare write 0" {
			return nil
		}
		return errLost
	}}
	assert.Equal(t, outcomes(RolledBack, errLost, 2), f.batch(t, 2).Run(t.Context()))
	down := &fakeDB{answer: times(9, "connect", errLost)}
	assert.Equal(t, outcomes(RolledBack, errLost, 2), down.batch(t, 2).Run(t.Context()))
}

func TestConnection_StaleIsReplaced(t *testing.T) {
	f := &fakeDB{answer: times(1, "begin", driver.ErrBadConn)}
	assert.Equal(t, outcomes(Done, nil, 1), f.batch(t, 1).Run(t.Context()))
	assert.Equal(t, 2, f.count("connect"))
}

// SQLite, which locks its file, may even refuse who opens it.
func TestConnection_RefusedIsTriedAgain(t *testing.T) {
	f := &fakeDB{answer: times(2, "connect", errBusy)}
	out := f.batch(t, 1).Run(t.Context())
	assert.Equal(t, []Outcome{{}}, out)
	assert.Equal(t, []string{"connect", "connect", "connect", "begin", "write 0", "commit"}, f.log)

	f = &fakeDB{answer: times(1, "connect", errLost)}
	out = f.batch(t, 1).Run(t.Context())
	assert.Equal(t, []Outcome{{RolledBack, errLost}}, out)
}

// parts is a batch that may be run in parts, of changes that keep their numbers.
func (f *fakeDB) parts(t *testing.T, n int) Batch {
	b := f.batch(t, n)
	b.Part = func(from, to int) Batch {
		part := b
		part.Part, part.Len = nil, to-from
		part.Apply = func(ctx context.Context, tx *Tx, i int) (error, error) { return b.Apply(ctx, tx, from+i) }
		return part
	}
	return b
}

func TestParts_BadRowSendsOnlyItsOwnToSavepoints(t *testing.T) {
	f := &fakeDB{}
	f.answer = func(text string) error {
		if text == fmt.Sprint("write ", partMost) {
			return errBad
		}
		return nil
	}
	want := outcomes(Done, nil, 2*partMost+1)
	want[partMost] = Outcome{Failed, errBad}
	assert.Equal(t, want, f.parts(t, 2*partMost+1).Run(t.Context()))
	assert.Equal(t, partMost, f.count("SAVEPOINT adsync"))
	assert.Equal(t, 1+3+1, f.count("begin"), "the whole, three parts, and the one with savepoints")
}

func TestParts_AfterARefusedCommit(t *testing.T) {
	f := &fakeDB{answer: times(1, "commit", errRefused)}
	assert.Equal(t, outcomes(Done, nil, 2*partMost+1), f.parts(t, 2*partMost+1).Run(t.Context()))
	assert.Equal(t, 1+3, f.count("begin"))
	assert.Zero(t, f.count("SAVEPOINT adsync"))
}

func TestParts_NotOfASmallBatch(t *testing.T) {
	f := &fakeDB{answer: times(1, "write 1", errBad)}
	assert.Equal(t, outcomes(Done, nil, partMost), f.parts(t, partMost).Run(t.Context()))
	assert.Equal(t, partMost, f.count("SAVEPOINT adsync"))
}

func TestParts_OfALargeBatchThatKeepsLosing(t *testing.T) {
	f := &fakeDB{answer: times(wholeTries, "write 7", errBusy)}
	assert.Equal(t, outcomes(Done, nil, partMost+1), f.parts(t, partMost+1).Run(t.Context()))
	assert.Equal(t, wholeTries+2, f.count("begin"))
	f = &fakeDB{answer: times(wholeTries, "write 7", errBusy)}
	assert.Equal(t, outcomes(Done, nil, partMost), f.parts(t, partMost).Run(t.Context()))
	assert.Equal(t, wholeTries+1, f.count("begin"), "a small one is tried again as it is")
}

// A part whose commit is refused is done change by change, each of which may be cut
// short.
func TestParts_StopWhereAnyIsCutShort(t *testing.T) {
	for name, lost := range map[string]struct {
		err error
		is  Outcome
	}{
		"not answered":    {errLost, Outcome{Unknown, errLost}},
		"not even begun":  {errBegin, Outcome{RolledBack, errBegin}},
		"the server gone": {driver.ErrBadConn, Outcome{Unknown, driver.ErrBadConn}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeDB{}
			commits, begun := 0, 0
			f.answer = func(text string) error {
				switch text {
				case "commit":
					if commits++; commits <= 2 { // of the whole, and of its first part
						return errRefused
					}
					if commits == 5 && lost.is.State == Unknown {
						return lost.err
					}
				case "begin":
					if begun++; begun == 5 && lost.is.State == RolledBack {
						return lost.err
					}
				}
				return nil
			}
			out := f.parts(t, partMost+1).Run(t.Context())
			assert.Equal(t, Outcome{RolledBack, lost.err}, out[partMost], "nothing is begun after it")
			assert.Contains(t, out[:partMost], lost.is)
		})
	}
}

func TestBatch_TakesTheLockFirst(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(string) error
		want   []string
	}{
		"taken":   {nil, []string{"connect", "begin", "lock", "write 0", "commit"}},
		"refused": {times(1, "lock", errBad), []string{"connect", "begin", "lock", "write 0", "commit"}},
		"busy":    {times(1, "lock", errBusy), []string{"connect", "begin", "lock", "rollback", "begin", "lock", "write 0", "commit"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeDB{answer: test.answer}
			b := f.batch(t, 1)
			b.Lock = "lock"
			assert.Equal(t, outcomes(Done, nil, 1), b.Run(t.Context()))
			assert.Equal(t, test.want, f.log)
		})
	}
}

func TestConnection_WithoutATransactionIsKept(t *testing.T) {
	for _, test := range []struct {
		answer error
		state  State
		closed int
	}{{nil, Failed, 0}, {errEnded, Failed, 0}, {errLost, RolledBack, 1}} { // where nobody answers any more, it was not the row
		f := &fakeDB{}
		f.answer = func(text string) error {
			return map[string]error{"write 0": errBad, "rollback": test.answer}[text]
		}
		assert.Equal(t, outcomes(test.state, errBad, 1), f.batch(t, 1).Run(t.Context()))
		assert.Equal(t, test.closed, f.closed)
	}
}

func TestParts_StopWhereOneIsLost(t *testing.T) {
	f := &fakeDB{}
	commits := 0
	f.answer = func(text string) error {
		switch {
		case text == "write 7" && commits == 0:
			commits++ // the whole batch is refused once
			return errBad
		case text == "commit":
			if commits++; commits == 3 {
				return errLost
			}
		}
		return nil
	}
	want := append(outcomes(Done, nil, partMost), outcomes(Unknown, errLost, partMost)...)
	assert.Equal(t, append(want, outcomes(RolledBack, errLost, 3)...), f.parts(t, 2*partMost+3).Run(t.Context()))
	assert.Zero(t, f.count(fmt.Sprint("write ", 2*partMost)), "what comes after it is not begun")
}
