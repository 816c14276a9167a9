package stacks

import (
	"context"
	"database/sql"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// FromSqlx uses the *sql.DB that sqlx wraps. For plain database/sql, leave sqlx out.
func FromSqlx(db *sqlx.DB) (*sqlstore.Store, error) {
	table := users()
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		text, args, err := db.BindNamed(`INSERT INTO audit (user_id, what, at) VALUES (:user_id, :what, :at)`,
			Audit{UserID: id, What: string(c.Op), At: time.Now()})
		if err == nil {
			_, err = tx.ExecContext(ctx, text, args...)
		}
		return err
	}
	return sqlstore.New(db.DB, sqlstore.PostgreSQL, table)
}
