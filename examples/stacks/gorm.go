package stacks

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// FromGorm uses gorm's pool, and gorm's own models within the transaction.
func FromGorm(db *gorm.DB) (*sqlstore.Store, error) {
	table := users()
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		own := db.Session(&gorm.Session{NewDB: true, Context: ctx, SkipDefaultTransaction: true})
		own.Statement.ConnPool = tx
		return own.Create(&Audit{UserID: id, What: string(c.Op), At: time.Now()}).Error
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	return sqlstore.New(pool, sqlstore.PostgreSQL, table)
}
