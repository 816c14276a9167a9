package activedirectory_test

import (
	"context"
	"database/sql"
	"log"
	"os"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

// Groups give roles: who is in a group, by way of other groups too, has a row in the table of
// roles. The rows are marked, so that what an administrator gave by hand stays.
func ExampleRole() {
	var db *sql.DB // opened with the driver of your choice
	dir, err := activedirectory.New(activedirectory.Config{
		URLs: []string{"ldaps://dc1.corp.example", "ldaps://dc2.corp.example"},
		Bind: activedirectory.SimpleBind("svc-sync@corp.example", os.Getenv("SYNC_PASSWORD")),
		Roles: []activedirectory.Role{
			{Name: "editor", Group: "5b1e0f0a-1c2d-4e3f-8a9b-0c1d2e3f4a5b"}, // objectGUIDs, which stay
			{Name: "editor", Group: "0d4c3b2a-9f8e-4d7c-b6a5-948372615041"}, // either of the two groups
			{Name: "admin", Group: "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7", Direct: true},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Table{
		Name:    "users",
		Columns: sqlstore.Columns{ID: "id", ObjectID: "object_id", Username: "login", Email: "email"},
		Source:  "corp.example",
		Roles: &sqlstore.Membership{
			Table: "user_roles", User: "user_id", Role: "role_id",
			Roles:  map[string]any{"editor": 2, "admin": 1},
			Values: map[string]any{"origin": "directory"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	syncer, err := adsync.New(dir, store, &adsync.Options{Rules: adsync.Rules{Source: "corp.example"}})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := syncer.Plan(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	_, _ = plan.WriteTo(os.Stdout) // with lines like "roles + editor" and "roles - admin"
}
