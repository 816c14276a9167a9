package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
)

// Lock keeps other runs off the table, and fails at once when one has it. It holds
// an advisory lock of PostgreSQL or MySQL on a connection of its own, which ends
// with the process. It does so for the whole table, whatever Where says. Behind a
// pooler that gives a connection to others between transactions, such a lock keeps
// nobody off.
//
// SQLite has no such lock, and a pool of a single connection has none to spare:
// there it keeps apart only the runs of this Store. Runs that overlap nevertheless
// do no harm, because each write compares the row: the later one finds it stale, or
// written already.
func (s *Store) Lock(ctx context.Context) (unlock func() error, err error) {
	if err := notWritten(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		return nil, s.lockError(sqlbatch.ErrHeld)
	}
	release, err := s.takeLock(ctx)
	if err != nil {
		return nil, s.lockError(err)
	}
	s.locked = true
	return sync.OnceValue(func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.locked = false
		return release()
	}), nil
}

// takeLock takes the lock of the database, where there is one to take.
func (s *Store) takeLock(ctx context.Context) (release func() error, err error) {
	take, args, ok := s.text.TakeLock()
	if !ok || s.db.Stats().MaxOpenConnections == 1 {
		return func() error { return nil }, nil
	}
	hold, err := sqlbatch.Take(ctx, s.db, take, args...)
	if err != nil {
		return nil, err
	}
	return func() error {
		text, args, _ := s.text.ReleaseLock()
		if err := hold.Release(text, args...); err != nil {
			return fmt.Errorf("adsync: the lock on the table %s was lost before the end of the run, so another may have run beside it; look at both reports: %s", s.table.Name, s.dialect.Fault(err).Reason)
		}
		return nil
	}, nil
}

func (s *Store) lockError(err error) error {
	if errors.Is(err, sqlbatch.ErrHeld) {
		return fmt.Errorf("%w (the table %s)", adsync.ErrLocked, s.table.Name)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("adsync: the run was ended before it had the lock on the table %s: %w", s.table.Name, err)
	}
	return fmt.Errorf("adsync: cannot lock the table %s: %s", s.table.Name, s.dialect.Fault(err).Reason)
}
