package sqlstore

import (
	"context"
	"database/sql/driver"

	"github.com/go-adsync/adsync"
)

// createsAtOnce makes fewer and longer transactions of an import. Its rows come in
// no order, so that each transaction rewrites most pages of the indexes, and
// nobody waits for rows that are not there yet. SQLite's one lock is held for a
// tenth of a second.
const createsAtOnce = 5000

// A server takes little longer for two such transactions than for one: while one is put
// together, read back or committed, it is at work on the other. So a batch of more new
// users is written in halves, on two connections; where the pool has only one to spare, one
// after the other.

// createsAtOnce is how many new users a batch is best given.
func (l *layout) createsAtOnce() int {
	if l.inHalves() {
		return 2 * createsAtOnce
	}
	return createsAtOnce
}

// inHalves reports whether new users may be written in two transactions at the same time.
// SQLite has one writer; and OnWrite, or what makes a value for each row, is not called
// concurrently. Derived are pure.
func (l *layout) inHalves() bool {
	for _, v := range l.table.Defaults {
		if _, makes := v.(driver.Valuer); makes {
			return false
		}
	}
	return l.dialect.Concurrent() && !l.oneByOne()
}

// writeAll writes the changes in one transaction, or in two.
func (s *Store) writeAll(ctx context.Context, known *knownTable, cs []adsync.Change) []adsync.Written {
	if len(cs) <= createsAtOnce || !known.inHalves() || !createsApart(cs) {
		return s.writeBatch(ctx, known, cs)
	}
	half := len(cs) / 2
	out := make([]adsync.Written, len(cs))
	for i := half; i < len(cs); i++ {
		out[i].Err = adsync.ErrUnknown // unless there is an answer
	}
	var thrown any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { thrown = recover() }()
		copy(out[half:], s.writeBatch(ctx, known, cs[half:]))
	}()
	func() {
		defer func() { <-done }()
		copy(out, s.writeBatch(ctx, known, cs[:half]))
	}()
	if thrown != nil {
		panic(thrown)
	}
	return out
}

// createsApart reports whether the changes are new users, each of another entry.
func createsApart(cs []adsync.Change) bool {
	for i := range cs {
		if cs[i].Op != adsync.OpCreate {
			return false
		}
	}
	return work{changes: cs}.apart()
}
