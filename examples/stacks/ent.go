package stacks

import (
	"context"
	"database/sql"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// FromEnt uses the driver that a host gives to its generated client (ent.Driver). Within
// the transaction the same client works over entsql.NewDriver(dialect.Postgres,
// entsql.Conn{ExecQuerier: tx}); here the statement is built by hand.
func FromEnt(driver *entsql.Driver) (*sqlstore.Store, error) {
	table := users()
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		text, args := entsql.Dialect(dialect.Postgres).Insert("audit").
			Columns("user_id", "what", "at").Values(id, string(c.Op), time.Now()).Query()
		return entsql.Conn{ExecQuerier: tx}.Exec(ctx, text, args, nil)
	}
	return sqlstore.New(driver.DB(), sqlstore.PostgreSQL, table)
}
