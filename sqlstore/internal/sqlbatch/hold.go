package sqlbatch

import (
	"context"
	"database/sql"
	"errors"
)

// Hold is a lock that belongs to a connection, which it keeps for itself. When the
// process ends, so does the connection, and with it the lock.
type Hold struct{ conn *sql.Conn }

// ErrHeld says that another connection has the lock.
var ErrHeld = errors.New("the lock is held")

// ErrLost says that the connection was no longer there, or the lock not its own.
var ErrLost = errors.New("the lock was lost")

// Acquire asks for the lock with a statement that returns whether it was given.
func Acquire(ctx context.Context, db *sql.DB, text string, args ...any) (*Hold, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var taken bool
	if err := conn.QueryRowContext(ctx, text, args...).Scan(&taken); err != nil {
		discard(conn) // it may have been given all the same
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	if !taken {
		return nil, errors.Join(ErrHeld, conn.Close())
	}
	return &Hold{conn}, nil
}

// Release gives the lock back with a statement that returns whether it was held.
// No context ends it early.
func (h *Hold) Release(text string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), endWait)
	defer cancel()
	var released bool
	err := h.conn.QueryRowContext(ctx, text, args...).Scan(&released)
	if err == nil && !released {
		err = ErrLost
	}
	if err != nil {
		discard(h.conn)
		return errors.Join(err, ignoreClosed(h.conn.Close()))
	}
	return h.conn.Close()
}

// ignoreClosed is nil for a connection that discard has closed already.
func ignoreClosed(err error) error {
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}
