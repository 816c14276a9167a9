package adsync_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

// A first embedding: a real directory, a table of the host's own, the plan, and
// the sync.
func Example() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // as the host does already
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	syncer, err := openSyncer(db)
	if err != nil {
		log.Fatal(err)
	}
	if err := syncUsers(context.Background(), syncer); err != nil { // every half hour, say
		log.Print(err)
	}
}

// openSyncer is called once: the directory remembers a password that was refused.
func openSyncer(db *sql.DB) (*adsync.Syncer, error) {
	directory, err := activedirectory.New(activedirectory.Config{
		URLs:   []string{"ldaps://dc1.corp.example"},
		BaseDN: "OU=People,DC=corp,DC=example",
		Bind:   activedirectory.SimpleBind(`CORP\svc-adsync`, os.Getenv("AD_PASSWORD")),
	})
	if err != nil {
		return nil, err
	}
	users, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Table{
		Name:    "accounts",
		Columns: sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "login", Email: "email"},
	})
	if err != nil {
		return nil, err
	}
	return adsync.New(directory, users, nil) // safe defaults; Rules{Import: true} adds new people, too
}

func syncUsers(ctx context.Context, syncer *adsync.Syncer) error {
	plan, err := syncer.Plan(ctx) // reads both sides, writes nothing
	if err != nil {
		return err
	}
	plan.WriteTo(os.Stdout)                // for a person to look at
	report, err := syncer.Apply(ctx, plan) // writes that, and nothing else
	fmt.Println(strings.Join(report.Summary(), "\n"))
	return errors.Join(err, report.Err())
}
