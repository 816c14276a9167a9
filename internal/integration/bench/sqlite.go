package main

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

func sqlite() database {
	return database{
		name: "SQLite", dialect: sqlstore.SQLite, driver: "sqlite", ids: "text",
		users: `CREATE TABLE users (id INTEGER PRIMARY KEY, ad_guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE,
			first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT UNIQUE, phone TEXT NOT NULL, status TEXT NOT NULL)`,
		analyze: "ANALYZE",
		start: func(_ context.Context, dir string) (server, func(), error) {
			return sqliteFiles(dir), func() {}, nil
		},
		insert: insertEach,
		write:  writeEach,
	}
}

// sqliteFiles is a directory with a file for each database.
type sqliteFiles string

func (dir sqliteFiles) file(name string) string { return filepath.Join(string(dir), name+".db") }

func (dir sqliteFiles) dsn(name string) string {
	return "file:" + dir.file(name) + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)"
}

func (dir sqliteFiles) create(_ context.Context, name, from string) error {
	if from == "" {
		return nil // who opens it creates it
	}
	in, err := os.Open(dir.file(from))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dir.file(name))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (dir sqliteFiles) drop(_ context.Context, name string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(dir.file(name) + suffix) // which is there only after a crash
	}
	return os.Remove(dir.file(name))
}

// insertEach is a prepared statement for each row: several rows in one took longer.
func insertEach(ctx context.Context, db *sql.DB, users iter.Seq[adsync.User]) error {
	return inTx(ctx, db, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, "INSERT INTO users ("+strings.Join(userColumns, ", ")+") VALUES (?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer insert.Close()
		for u := range users {
			if _, err := insert.ExecContext(ctx, rowOf(u)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeEach is a prepared statement for each row.
func writeEach(ctx context.Context, tx *sql.Tx, changed, gone []int64) (written int64, err error) {
	for _, kind := range []struct {
		text string
		ids  []int64
	}{{"UPDATE users SET phone = 'new' WHERE id = ?", changed}, {"DELETE FROM users WHERE id = ?", gone}} {
		statement, err := tx.PrepareContext(ctx, kind.text)
		if err != nil {
			return 0, err
		}
		defer statement.Close()
		for _, id := range kind.ids {
			result, err := statement.ExecContext(ctx, id)
			if err != nil {
				return 0, err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return 0, err
			}
			written += n
		}
	}
	return written, nil
}
