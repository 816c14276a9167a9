// Package sqlbatch runs many small changes in one transaction of database/sql, so
// that one which fails does not lose the others, and says for each whether it was
// written. It knows nothing of what the changes are. tx.go has the transaction as the
// changes see it, wait.go the pause before another try, hold.go a lock that a connection
// holds for a whole run.
package sqlbatch

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"time"
)

const (
	wholeTries = 3                // of one that can be run in parts
	endWait    = 30 * time.Second // for a commit or rollback, which no context ends early
	partMost   = 500              // changes that are done one by one, where there is a Part
)

// State is what became of one change.
type State int

// The states.
const (
	Done       State = iota // committed; or judged, and nothing had to be written
	Failed                  // undone alone: the database or the host refused it
	RolledBack              // not written, for a reason that is not its own
	Unknown                 // the commit was sent and not answered
)

// Outcome is what became of one change. Err is the verdict of Apply when Done, and
// otherwise the error as the driver or the host gave it.
type Outcome struct {
	State State
	Err   error
}

// Batch is what to run.
type Batch struct {
	DB  *sql.DB
	Len int
	// Lock, where it is not "", is run first in each transaction: a statement that
	// makes it one that writes. It may be refused, as where the table is a view.
	Lock string
	// Apply does change i. A verdict says that nothing is to be written, or why it
	// cannot be; a fault is an error of a statement or of the host, after which all
	// that the change wrote is undone. It may be called again for the same change,
	// after a rollback.
	Apply func(ctx context.Context, tx *Tx, i int) (verdict, fault error)
	// Bulk, where it is not nil, does all changes with few statements and returns a
	// verdict for each. After a fault they are done one by one.
	Bulk func(ctx context.Context, tx *Tx) (verdicts []error, fault error)
	// Ahead, where there is one, may do many changes with one statement, before
	// Apply is asked for each. After a fault the transaction goes on without it.
	Ahead func(ctx context.Context, tx *Tx) (fault error)
	// Verify, where it is not nil, looks at what changes wrote, those of the numbers
	// given, before it is kept: of all at once, or of each where they have savepoints.
	Verify func(ctx context.Context, tx *Tx, changes []int) (fault error)
	// Part, where it is not nil, makes a batch of the changes from one up to another.
	Part func(from, to int) Batch
	// Retry reports a fault of a transaction that may be tried again, and Refused
	// one that a server gave as the answer to a commit that it did not do. Ended
	// reports that there was no transaction left to roll back. Stop reports one that every
	// other change would meet as well, so that none is tried.
	Retry, Refused, Ended, Stop func(error) bool
}

// Run applies all changes and returns one Outcome for each, in order.
//
// It first tries them in bulk, or without savepoints, which is what nearly always
// works. When one fails, or the whole loses against others again and again, it
// starts over in smaller batches, or with a savepoint for each. When the commit itself
// is refused, as by a deferred constraint, or a fault ends the transaction, it starts
// over with a transaction for each.
func (b Batch) Run(ctx context.Context) []Outcome {
	if b.Len == 0 {
		return nil
	}
	savepoints := false
	for try := 1; ; try++ {
		out, next := b.once(ctx, savepoints)
		refused := next == withSavepoints || next == oneByOne
		switch {
		case b.Part != nil && b.Len > partMost && (refused || next == again && try == wholeTries):
			return b.inParts(ctx)
		case next == withSavepoints:
			savepoints = true
			continue
		case next == oneByOne:
			return b.eachAlone(ctx)
		case next == again && Wait(ctx, try):
			continue
		}
		return out
	}
}

// inParts runs the changes in smaller transactions, so that few are done one by one
// for one that was refused. It stops where one is cut short.
func (b Batch) inParts(ctx context.Context) []Outcome {
	var out []Outcome
	for from := 0; from < b.Len; from += partMost {
		part := b.Part(from, min(from+partMost, b.Len)).Run(ctx)
		out = append(out, part...)
		if cut := slices.IndexFunc(part, Outcome.cut); cut >= 0 {
			return append(out, b.all(RolledBack, part[cut].Err)[len(out):]...)
		}
	}
	return out
}

// cut reports whether the change was neither done nor refused.
func (o Outcome) cut() bool { return o.State == RolledBack || o.State == Unknown }

// eachAlone runs every change as a batch of its own. It stops where one is cut short.
func (b Batch) eachAlone(ctx context.Context) []Outcome {
	var out []Outcome
	for i := range b.Len {
		one := b.alone(i).Run(ctx)[0]
		out = append(out, one)
		if one.cut() {
			return append(out, b.all(RolledBack, one.Err)[len(out):]...)
		}
	}
	return out
}

// alone is a batch of change i.
func (b Batch) alone(i int) Batch {
	one := b
	one.Len = 1
	one.Apply = func(ctx context.Context, tx *Tx, _ int) (error, error) { return b.Apply(ctx, tx, i) }
	if b.Verify != nil {
		one.Verify = func(ctx context.Context, tx *Tx, _ []int) error { return b.Verify(ctx, tx, []int{i}) }
	}
	return one
}

// step says how Run goes on.
type step int

const (
	stop step = iota
	again
	withSavepoints
	oneByOne
)

// once runs one transaction, on a connection of its own so that it can be cleaned
// up after a commit that failed.
func (b Batch) once(ctx context.Context, savepoints bool) ([]Outcome, step) {
	conn, err := b.DB.Conn(ctx)
	if err != nil { // SQLite is locked even for who opens it
		return b.all(RolledBack, err), b.onFault(ctx, err)
	}
	defer conn.Close()
	tx, cancel, err := begin(ctx, conn)
	if err != nil {
		if errors.Is(err, driver.ErrBadConn) { // it went stale in the pool
			return b.all(RolledBack, err), again
		}
		return b.all(RolledBack, err), b.onFault(ctx, err)
	}
	defer cancel()
	if err := b.lock(ctx, tx); err != nil {
		b.rollBack(conn, tx, cancel)
		return b.all(RolledBack, err), b.onFault(ctx, err)
	}
	out, next, err := b.applyAll(ctx, &Tx{Tx: tx, prepare: b.Len > 1, stmts: map[string]*sql.Stmt{}}, savepoints)
	if err != nil {
		if b.rollBack(conn, tx, cancel) != nil {
			out = withoutConnection(out)
		}
		return out, next
	}
	if err := ended(cancel, tx.Commit); err != nil {
		return b.commitFailed(conn, err)
	}
	return out, stop
}

// begin starts a transaction that the context does not end: database/sql would
// roll back in the background and drop the connection, and with it a database in
// memory. Its statements take the context, and the caller ends it.
func begin(ctx context.Context, conn *sql.Conn) (*sql.Tx, context.CancelFunc, error) {
	txCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	tx, err := conn.BeginTx(txCtx, nil)
	if stop() && err == nil {
		return tx, cancel, nil
	}
	cancel()
	if err == nil {
		_ = tx.Rollback() // the error that counts is the context's
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, nil, err
}

// lock makes the transaction one that writes, before it reads. Where only one may
// write at a time, a transaction that has read may not begin to once another has
// written; so a long one would lose against many short ones.
func (b Batch) lock(ctx context.Context, tx *sql.Tx) error {
	if b.Lock == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, b.Lock)
	if err != nil && (ctx.Err() != nil || b.Retry(err)) {
		return err
	}
	return nil
}

// rollBack keeps the connection where it is known to be in no transaction. An error says
// that it is not.
func (b Batch) rollBack(conn *sql.Conn, tx *sql.Tx, cancel context.CancelFunc) error {
	err := ended(cancel, tx.Rollback)
	if err == nil || b.Ended(err) {
		return nil
	}
	discard(conn)
	return err
}

// withoutConnection blames no change for a fault after which even a rollback was not
// answered: the connection was lost.
func withoutConnection(out []Outcome) []Outcome {
	for i := range out {
		if out[i].State == Failed {
			out[i].State = RolledBack
		}
	}
	return out
}

// applyAll does the changes. An error says that the transaction is to be rolled
// back; the outcomes are then what to report if Run stops.
func (b Batch) applyAll(ctx context.Context, tx *Tx, savepoints bool) ([]Outcome, step, error) {
	switch {
	case savepoints:
		return b.applyEach(ctx, tx)
	case b.Bulk != nil && b.Len > 1:
		return b.applyBulk(ctx, tx)
	}
	if b.Ahead != nil && b.Len > 1 {
		if fault := b.Ahead(ctx, tx); fault != nil {
			return b.failed(ctx, fault)
		}
	}
	out := make([]Outcome, b.Len)
	for i := range out {
		if ctx.Err() != nil {
			return b.failed(ctx, ctx.Err())
		}
		verdict, fault := b.Apply(ctx, tx, i)
		if fault != nil {
			return b.failed(ctx, fault)
		}
		out[i].Err = verdict
	}
	return b.verified(ctx, tx, out)
}

// applyBulk is applyAll for Bulk.
func (b Batch) applyBulk(ctx context.Context, tx *Tx) ([]Outcome, step, error) {
	verdicts, fault := b.Bulk(ctx, tx)
	if fault != nil {
		return b.failed(ctx, fault)
	}
	out := make([]Outcome, b.Len)
	for i := range out {
		out[i].Err = verdicts[i]
	}
	return b.verified(ctx, tx, out)
}

// verified lets Verify look at all that was done.
func (b Batch) verified(ctx context.Context, tx *Tx, out []Outcome) ([]Outcome, step, error) {
	var done []int
	for i, o := range out {
		if o.Err == nil {
			done = append(done, i)
		}
	}
	if b.Verify == nil || len(done) == 0 {
		return out, stop, nil
	}
	if fault := b.Verify(ctx, tx, done); fault != nil {
		return b.failed(ctx, fault)
	}
	return out, stop, nil
}

// failed says how to go on after a fault for which the whole transaction is rolled back.
func (b Batch) failed(ctx context.Context, fault error) ([]Outcome, step, error) {
	switch {
	case ctx.Err() != nil:
		return b.all(RolledBack, ctx.Err()), stop, ctx.Err()
	case b.Stop(fault):
		return b.all(RolledBack, fault), stop, fault
	case b.Retry(fault):
		return b.all(RolledBack, fault), again, fault
	case b.Len == 1:
		return b.all(Failed, fault), stop, fault
	}
	return nil, withSavepoints, fault
}

// applyEach is applyAll with a savepoint for each change.
func (b Batch) applyEach(ctx context.Context, tx *Tx) ([]Outcome, step, error) {
	out := make([]Outcome, b.Len)
	for i := range out {
		if ctx.Err() != nil {
			return b.failed(ctx, ctx.Err())
		}
		verdict, fault, lost := b.applyOne(ctx, tx, i)
		switch {
		case lost != nil && ctx.Err() == nil && b.Ended(lost):
			return nil, oneByOne, lost
		case lost != nil:
			return b.all(RolledBack, lost), b.onFault(ctx, lost), lost
		case fault == nil:
			out[i].Err = verdict
		case ctx.Err() != nil || b.Stop(fault) || b.Retry(fault):
			return b.failed(ctx, fault)
		default:
			out[i] = Outcome{Failed, fault}
		}
	}
	return out, stop, nil
}

// applyOne makes one change inside a savepoint. lost says that the transaction itself is
// no longer usable: a fault may have ended it, as SQLite does when the disk is full.
func (b Batch) applyOne(ctx context.Context, tx *Tx, i int) (verdict, fault, lost error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT adsync"); err != nil {
		return nil, nil, err
	}
	verdict, fault = b.Apply(ctx, tx, i)
	if b.Verify != nil && verdict == nil && fault == nil {
		fault = b.Verify(ctx, tx, []int{i})
	}
	if fault != nil {
		if ctx.Err() != nil || b.Stop(fault) || b.Retry(fault) {
			return nil, fault, nil // the whole transaction goes
		}
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT adsync"); err != nil {
			return nil, nil, err
		}
	}
	_, lost = tx.ExecContext(ctx, "RELEASE SAVEPOINT adsync")
	return verdict, fault, lost
}

// commitFailed tells a commit that was refused from one that was not answered.
func (b Batch) commitFailed(conn *sql.Conn, err error) ([]Outcome, step) {
	if !b.Refused(err) {
		discard(conn)
		return b.all(Unknown, err), stop
	}
	// SQLite leaves the transaction open; elsewhere this does nothing.
	ctx, cancel := context.WithTimeout(context.Background(), endWait)
	defer cancel()
	_, _ = conn.ExecContext(ctx, "ROLLBACK")
	switch {
	case b.Retry(err):
		return b.all(RolledBack, err), again
	case b.Len > 1:
		return nil, oneByOne
	}
	return b.all(Failed, err), stop
}

// onFault says how to go on after a transaction was lost.
func (b Batch) onFault(ctx context.Context, err error) step {
	if ctx.Err() == nil && b.Retry(err) {
		return again
	}
	return stop
}

// all is one outcome for every change.
func (b Batch) all(s State, err error) []Outcome {
	out := make([]Outcome, b.Len)
	for i := range out {
		out[i] = Outcome{s, err}
	}
	return out
}

// ended gives a commit or rollback its time, and then breaks it off.
func ended(cut context.CancelFunc, end func() error) error {
	timer := time.AfterFunc(endWait, cut)
	defer timer.Stop()
	return end()
}

// discard takes the connection out of the pool: nobody knows its state.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}
