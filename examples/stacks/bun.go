package stacks

import (
	"context"
	"database/sql"
	"time"

	"github.com/uptrace/bun"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// FromBun uses the *sql.DB below bun, and bun's models within the transaction.
func FromBun(db *bun.DB) (*sqlstore.Store, error) {
	table := users()
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		_, err := db.NewInsert().Conn(tx).ModelTableExpr("audit").
			Model(&Audit{UserID: id, What: string(c.Op), At: time.Now()}).Exec(ctx)
		return err
	}
	return sqlstore.New(db.DB, sqlstore.PostgreSQL, table)
}
