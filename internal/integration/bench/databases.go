package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// databases are those that a host may keep its users in, in the order of the table.
// The next one is added here.
func databases() []database { return []database{sqlite(), postgreSQL(), mariaDB()} }

// database is what differs from one to the next.
type database struct {
	name    string
	dialect sqlstore.Dialect
	driver  string
	ids     string   // how the table holds objectGUIDs, see sqlstore.Table
	users   string   // makes the table
	analyze string   // counts what is in it, as a server does in time
	needs   []string // the server's programs
	version []string // the program, and its arguments, that tells the version

	// start runs a server in a directory, until it is stopped.
	start func(ctx context.Context, dir string) (s server, stop func(), err error)
	// insert is the fastest way to add users, in one transaction and without looking.
	insert func(ctx context.Context, db *sql.DB, users iter.Seq[adsync.User]) error
	// write is the fastest way to change the phone number of some rows and to delete
	// others without looking. It tells how many rows it wrote.
	write func(ctx context.Context, tx *sql.Tx, changed, gone []int64) (int64, error)
}

// server keeps each table in a database of its own.
type server interface {
	dsn(name string) string
	create(ctx context.Context, name, from string) error // a copy of another, or an empty one if from is ""
	drop(ctx context.Context, name string) error
}

func (d database) open(dsn string) (*sql.DB, error) { return sql.Open(d.driver, dsn) }

func (d database) store(db *sql.DB, roles *sqlstore.Membership) (*sqlstore.Store, error) {
	return sqlstore.New(db, d.dialect, sqlstore.Table{Name: "users", Roles: roles, ObjectIDs: sqlstore.ObjectIDs(d.ids), Columns: sqlstore.Columns{
		ID: "id", ObjectID: "ad_guid", Username: "login", FirstName: "first_name", LastName: "last_name", Email: "email", Phone: "phone", Status: "status"}})
}

// named finds the databases of a list with commas between.
func named(list string) (found []database, err error) {
	for name := range strings.SplitSeq(list, ",") {
		n := len(found)
		for _, d := range databases() {
			if strings.EqualFold(d.name, name) {
				found = append(found, d)
			}
		}
		if len(found) == n {
			return nil, fmt.Errorf("there is no database %q; choose from %s", name, names(databases()))
		}
	}
	return found, nil
}

func names(ds []database) string {
	var all []string
	for _, d := range ds {
		all = append(all, strings.ToLower(d.name))
	}
	return strings.Join(all, ",")
}

// installed leaves out the databases that this machine lacks, and says why. In CI
// nothing may be left out.
func installed(ds []database) (present []database, lacking []string, err error) {
	for _, d := range ds {
		var missing []error
		for _, name := range d.needs {
			_, err := tool(name)
			missing = append(missing, err)
		}
		if err := errors.Join(missing...); err == nil {
			present = append(present, d)
		} else if os.Getenv("CI") == "true" {
			return nil, nil, fmt.Errorf("%s: %w", d.name, err)
		} else {
			lacking = append(lacking, fmt.Sprintf("%s was skipped: %s", d.name, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
	}
	return present, lacking, nil
}

// execAll runs statements one after the other.
func execAll(ctx context.Context, db *sql.DB, texts ...string) error {
	for _, text := range texts {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// inTx runs f in one transaction.
func inTx(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// wrote runs a statement and tells how many rows it wrote.
func wrote(ctx context.Context, tx *sql.Tx, text string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
