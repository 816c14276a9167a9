package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
)

// runLock keeps runs apart: those of one Store by itself, and those of others by the
// database.
type runLock struct {
	db     *sql.DB
	layout *layout

	mu   sync.Mutex
	held bool // by a run of this store
}

// acquire fails at once where another run has the lock.
func (k *runLock) acquire(ctx context.Context) (unlock func() error, err error) {
	if err := notWritten(ctx); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held {
		return nil, k.explain(sqlbatch.ErrHeld)
	}
	release, err := k.acquireInDatabase(ctx)
	if err != nil {
		return nil, k.explain(err)
	}
	k.held = true
	return sync.OnceValue(func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.held = false
		return release()
	}), nil
}

// acquireInDatabase does nothing where the database has no such lock, or no connection
// to spare for it.
func (k *runLock) acquireInDatabase(ctx context.Context) (release func() error, err error) {
	text, args, ok := k.layout.queries.AcquireLock()
	if !ok || k.db.Stats().MaxOpenConnections == 1 {
		return func() error { return nil }, nil
	}
	hold, err := sqlbatch.Acquire(ctx, k.db, text, args...)
	if err != nil {
		return nil, err
	}
	return func() error {
		text, args, _ := k.layout.queries.ReleaseLock()
		if err := hold.Release(text, args...); err != nil {
			return fmt.Errorf("adsync: the lock on the table %s was lost before the end of the run, so another may have run at the same time; look at both reports: %s", k.layout.table.Name, k.layout.dialect.Fault(err).Reason)
		}
		return nil
	}, nil
}

func (k *runLock) explain(err error) error {
	if errors.Is(err, sqlbatch.ErrHeld) {
		return fmt.Errorf("%w (the table %s)", adsync.ErrLocked, k.layout.table.Name)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("adsync: the run was ended before it had the lock on the table %s: %w", k.layout.table.Name, err)
	}
	return fmt.Errorf("adsync: cannot lock the table %s: %s", k.layout.table.Name, k.layout.dialect.Fault(err).Reason)
}
