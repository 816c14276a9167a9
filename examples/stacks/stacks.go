// Package stacks makes the store of package sqlstore over whatever a host uses for its
// database already: its pool, and, for what belongs to a change, its own library within
// the transaction of that change. Each file is one stack, for a host to copy.
package stacks

import (
	"time"

	"github.com/go-adsync/adsync/sqlstore"
)

// users is the host's table.
func users() sqlstore.Table {
	return sqlstore.Table{
		Name:    "users",
		Columns: sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "login", Email: "email", Phone: "phone"},
	}
}

// Audit is a row of the host's audit, as each of the libraries sees it.
type Audit struct {
	UserID string    `db:"user_id" gorm:"column:user_id" bun:"user_id"`
	What   string    `db:"what" gorm:"column:what" bun:"what"`
	At     time.Time `db:"at" gorm:"column:at" bun:"at"`
}

// TableName is for gorm.
func (Audit) TableName() string { return "audit" }
