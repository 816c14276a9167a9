package adsync_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	"github.com/go-adsync/adsync"
)

func ExampleNewMemoryStore() {
	store := adsync.NewMemoryStore(
		adsync.User{ID: "2", Profile: adsync.Profile{Username: "bob", Email: "bob@corp.example"}},
		adsync.User{ID: "1", Profile: adsync.Profile{Username: "ann", Email: "ann@corp.example"}},
	)
	for user, err := range store.Users(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.ID, user.Username)
	}
	// Output:
	// 1 ann
	// 2 bob
}

func ExampleMemoryStore_Get() {
	ann := adsync.User{ID: "1", Profile: adsync.Profile{Username: "ann"}}
	anna := ann
	anna.Username = "anna"
	store := adsync.NewMemoryStore(ann)
	rename := adsync.Change{Op: adsync.OpUpdate, UserID: "1", Before: &ann, After: &anna}

	fmt.Println(store.UpdateUser(context.Background(), rename))
	user, found := store.Get("1")
	fmt.Println(user.Username, found)
	fmt.Println(errors.Is(store.UpdateUser(context.Background(), rename), adsync.ErrAlready))
	// Output:
	// <nil>
	// anna true
	// true
}

// A host's own table is described, not changed. Here only people of one tenant
// are users, a deleted one is marked, and what they own goes to an archive first.
func ExampleNewSQLStore() {
	db, err := sql.Open("sqlite", "host.db") // any driver; the host brings it
	if err != nil {
		fmt.Println("import a driver:", err)
		return
	}
	store, err := adsync.NewSQLStore(db, adsync.SQLite, adsync.SQLTable{
		Name: "accounts",
		Columns: adsync.SQLColumns{
			ID: "id", ObjectID: "ad_guid", Username: "login", Email: "mail", FirstName: "given_name", LastName: "surname", Status: "state",
		},
		Source:   "corp.example",
		Where:    "tenant = ? AND deleted_at IS NULL",
		Args:     []any{7},
		Statuses: map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusBlocked: 0, adsync.StatusDeactivated: 2},
		Defaults: map[string]any{"tenant": 7},
		Delete:   map[string]any{"deleted_at": "2026-01-02"},
		OnDelete: func(ctx context.Context, tx *sql.Tx, u adsync.User) error {
			_, err := tx.ExecContext(ctx, "UPDATE documents SET owner = 'archive' WHERE owner = ?", u.ID)
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Traits().Fields)
	// Output: import a driver: sql: unknown driver "sqlite" (forgotten import?)
}
