package stacks

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// FromPgxPool uses the connections of the host's own pool, within its MaxConns. A sync
// takes two, one of them for the lock.
func FromPgxPool(pool *pgxpool.Pool) (*sqlstore.Store, error) {
	table := users()
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit (user_id, what, at) VALUES ($1, $2, now())`, id, string(c.Op))
		return err
	}
	return sqlstore.New(stdlib.OpenDBFromPool(pool), sqlstore.PostgreSQL, table)
}
