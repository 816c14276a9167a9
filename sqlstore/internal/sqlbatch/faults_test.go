package sqlbatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A fault that ends the transaction takes the savepoint with it. What fails then is told
// by its own cause, and the others are written.
func TestFault_ThatEndsTheTransactionFailsAlone(t *testing.T) {
	f, ended := &fakeDB{}, false
	f.answer = func(text string) error {
		switch {
		case text == "begin":
			ended = false
		case text == "write 1":
			ended = true
			return errBad
		case ended && (text == "rollback" || strings.Contains(text, "SAVEPOINT")):
			return errEnded
		}
		return nil
	}
	assert.Equal(t, []Outcome{{Done, nil}, {Failed, errBad}, {Done, nil}}, f.batch(t, 3).Run(t.Context()))
	assert.Equal(t, 2, f.count("commit"))
	assert.Zero(t, f.closed)

	out := f.parts(t, 2*partMost).Run(t.Context())
	assert.Equal(t, Outcome{Failed, errBad}, out[1])
	assert.Equal(t, outcomes(Done, nil, 2*partMost-2), out[2:])
}

// What every change would meet is met once.
func TestFault_OfAllStops(t *testing.T) {
	for _, at := range []string{"write 1", "write all"} {
		f := &fakeDB{answer: times(9, at, errShut)}
		b := f.parts(t, partMost+1)
		if at == "write all" {
			b = f.bulk(t, nil, nil)
		}
		assert.Equal(t, outcomes(RolledBack, errShut, b.Len), b.Run(t.Context()), at)
		assert.Equal(t, 1, f.count(at))
		assert.Equal(t, 1, f.count("begin"))
		assert.Zero(t, f.count("commit"))
	}
	f := &fakeDB{}
	bad := errBad // with savepoints, which a bad row asks for
	f.answer = func(text string) error {
		switch text {
		case "write 0":
			return bad
		case "SAVEPOINT adsync":
			bad = errShut
		}
		return nil
	}
	assert.Equal(t, outcomes(RolledBack, errShut, 2), f.batch(t, 2).Run(t.Context()))
	assert.Zero(t, f.count("commit"))
}

// Where each change is a transaction of its own, none is begun after one that was cut
// short.
func TestFault_OneByOneStopsWhereOneIsLost(t *testing.T) {
	f, commits := &fakeDB{}, 0
	f.answer = func(text string) error {
		if text == "commit" {
			if commits++; commits == 1 {
				return errRefused
			} else if commits == 3 {
				return errLost
			}
		}
		return nil
	}
	assert.Equal(t, []Outcome{{Done, nil}, {Unknown, errLost}, {RolledBack, errLost}}, f.batch(t, 3).Run(t.Context()))
}

// verifying is a batch whose changes are looked at, of which those given were changed on
// the way.
func (f *fakeDB) verifying(b Batch, bad ...int) Batch {
	b.Verify = func(_ context.Context, _ *Tx, changes []int) error {
		_ = f.say(fmt.Sprint("verify ", changes))
		for _, i := range changes {
			if slices.Contains(bad, i) {
				return errBad
			}
		}
		return nil
	}
	return b
}

func TestBatch_VerifiesWhatWasWritten(t *testing.T) {
	f := &fakeDB{}
	b := f.verifying(f.batch(t, 3))
	write := b.Apply
	b.Apply = func(ctx context.Context, tx *Tx, i int) (error, error) {
		if i == 1 {
			return errLost, nil
		}
		return write(ctx, tx, i)
	}
	assert.Equal(t, []Outcome{{}, {Done, errLost}, {}}, b.Run(t.Context()))
	assert.Equal(t, []string{"write 2", "verify [0 2]", "commit"}, f.log[len(f.log)-3:], "all at once, but what a verdict left alone")

	f = &fakeDB{}
	assert.Equal(t, outcomes(Failed, errBad, 1), f.verifying(f.batch(t, 1), 0).Run(t.Context()))
	assert.Equal(t, []string{"connect", "begin", "write 0", "verify [0]", "rollback"}, f.log)

	for name, b := range map[string]func(*fakeDB) Batch{
		"one by one": func(f *fakeDB) Batch { return f.batch(t, 3) },
		"in bulk":    func(f *fakeDB) Batch { return f.bulk(t, nil, nil, nil) },
	} {
		f = &fakeDB{}
		out := f.verifying(b(f), 1).Run(t.Context())
		assert.Equal(t, []Outcome{{Done, nil}, {Failed, errBad}, {Done, nil}}, out, name)
		assert.Equal(t, 1, f.count("verify [0 1 2]"), name)
		assert.Equal(t, 1, f.count("ROLLBACK TO SAVEPOINT adsync"), name)
	}

	f = &fakeDB{answer: times(1, "commit", errRefused)}
	out := f.verifying(f.batch(t, 2), 9).Run(t.Context())
	assert.Equal(t, outcomes(Done, nil, 2), out)
	assert.Equal(t, 1, f.count("verify [1]"), "each by its own number, where each has a transaction")
}
