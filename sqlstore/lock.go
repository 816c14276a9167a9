package sqlstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// runLock keeps runs apart: those of one Store by itself, and those of others by the
// database.
type runLock struct {
	db        *sql.DB
	layout    *layout
	inspector *inspector

	mu   sync.Mutex     // held for no longer than it takes to look
	held map[int64]bool // the parts that runs of this store hold, or are asking for
}

// wholeTable is the part of a table that is all of it.
const wholeTable int64 = 0

// acquire fails at once where another run has the lock. It waits for nobody of this store:
// only for the database, as long as ctx lasts.
func (k *runLock) acquire(ctx context.Context, source string) (unlock func() error, err error) {
	if err := notWritten(ctx); err != nil {
		return nil, err
	}
	part, err := k.part(ctx, source)
	if err != nil {
		return nil, k.explain(ctx, err)
	}
	if !k.reserve(part) {
		return nil, k.explain(ctx, sqlbatch.ErrHeld)
	}
	defer func() {
		if unlock == nil {
			k.free(part)
		}
	}()
	release, err := k.acquireInDatabase(ctx, part)
	if err != nil {
		return nil, k.explain(ctx, err)
	}
	return sync.OnceValue(func() error {
		defer k.free(part)
		return release()
	}), nil
}

// reserve reports whether no other run of this store has the part.
func (k *runLock) reserve(part int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held[part] {
		return false
	}
	if k.held == nil {
		k.held = map[int64]bool{}
	}
	k.held[part] = true
	return true
}

func (k *runLock) free(part int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, part)
}

// part is what a run of the source has to keep others off. Two tenants of one table may go
// at once where the database sees to it that neither takes a key of the other's.
func (k *runLock) part(ctx context.Context, source string) (int64, error) {
	source = cmp.Or(source, k.layout.table.Source)
	if source == "" && len(k.layout.where) == 0 {
		return wholeTable, nil
	}
	name := fmt.Sprintf("%q", source)
	for _, arg := range k.layout.where {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return wholeTable, nil // what only the driver can read tells nobody apart here
		}
		if at, ok := value.(time.Time); ok {
			value = at.UTC().Format(time.RFC3339Nano)
		}
		name += fmt.Sprintf(" %T %q", value, fmt.Sprint(value))
	}
	known, err := k.inspector.look(ctx)
	if err != nil {
		return 0, err
	}
	c := &checker{db: k.db, known: known}
	loose, err := c.keysWithoutIndex(ctx)
	if sqltable.Away(err) {
		return 0, err // which says nothing about them, and two runs must not answer differently
	}
	if err != nil || len(loose) > 0 {
		return wholeTable, nil // an account that may not see the indexes is none to rely on them
	}
	sum := sha256.Sum256([]byte(name))
	return max(1, int64(binary.BigEndian.Uint64(sum[:])>>1)), nil
}

// acquireInDatabase does nothing where the database has no such lock, or no connection
// to spare for it.
func (k *runLock) acquireInDatabase(ctx context.Context, part int64) (release func() error, err error) {
	text, args, ok := k.layout.queries.AcquireLock(part)
	if !ok || k.db.Stats().MaxOpenConnections == 1 {
		return func() error { return nil }, nil
	}
	hold, err := sqlbatch.Acquire(ctx, k.db, text, args...)
	if err != nil {
		return nil, err
	}
	return func() error {
		text, args, _ := k.layout.queries.ReleaseLock(part)
		if err := hold.Release(text, args...); err != nil {
			return fmt.Errorf("%w (the table %s): %w", adsync.ErrLockLost, k.layout.table.Name, inWords(k.layout.dialect, err))
		}
		return nil
	}, nil
}

func (k *runLock) explain(ctx context.Context, err error) error {
	if errors.Is(err, sqlbatch.ErrHeld) {
		return fmt.Errorf("%w (the table %s)", adsync.ErrLocked, k.layout.table.Name)
	}
	if own := (ownFault{}); errors.As(err, &own) {
		return own.error
	}
	if ctx.Err() != nil {
		return fmt.Errorf("adsync: the run was ended before it had the lock on the table %s: %w", k.layout.table.Name, ctx.Err())
	}
	return fmt.Errorf("adsync: cannot lock the table %s: %w", k.layout.table.Name, inWords(k.layout.dialect, err))
}
