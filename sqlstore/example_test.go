package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// A host's own table is described, not changed. Here only people of one tenant
// are users, a deleted one is marked, and what they own goes to an archive first.
func ExampleNew() {
	db, err := sql.Open("sqlite", "host.db") // any driver; the host brings it
	if err != nil {
		fmt.Println("import a driver:", err)
		return
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Table{
		Name: "accounts",
		Columns: sqlstore.Columns{
			ID: "id", ObjectID: "ad_guid", Username: "login", Email: "mail", FirstName: "given_name", LastName: "surname", Status: "state",
		},
		Source:   "corp.example",
		Where:    "tenant = ? AND deleted_at IS NULL",
		Args:     []any{7},
		Statuses: map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusBlocked: 0, adsync.StatusDeactivated: 2},
		Defaults: map[string]any{"tenant": 7},
		Delete:   map[string]any{"deleted_at": sqlstore.Now},
		Derived: map[string]func(adsync.User) any{
			"login_lower": func(u adsync.User) any { return strings.ToLower(u.Username) },
			"updated_at":  func(adsync.User) any { return sqlstore.Now },
		},
		OnWrite: func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
			if c.Op != adsync.OpDelete {
				return nil
			}
			_, err := tx.ExecContext(ctx, "UPDATE documents SET owner = 'archive' WHERE owner = ?", id)
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Traits().Fields)
	// Output: import a driver: sql: unknown driver "sqlite" (forgotten import?)
}

// A ledger beside the users lets no number of small runs take more than one large one might.
// Tenants whose sources have one name are kept apart by For.
func ExampleNewLedger() {
	db, err := sql.Open("sqlite", "host.db") // any driver; the host brings it
	if err != nil {
		fmt.Println("import a driver:", err)
		return
	}
	ledger, err := sqlstore.NewLedger(db, sqlstore.SQLite, "adsync_ledger")
	if err != nil {
		log.Fatal(err)
	}
	options := adsync.Options{Ledger: ledger.For("tenant 7"), Window: 24 * time.Hour}
	fmt.Println(options.Window)
	// Output: import a driver: sql: unknown driver "sqlite" (forgotten import?)
}
