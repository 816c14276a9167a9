package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

// sides are the two that a sync compares.
type sides struct {
	directory *activedirectory.Directory
	narrowed  func(base, filter string) (*activedirectory.Directory, error) // a part of the directory
	store     adsync.UserStore
	source    string
	table     string
	demo      *demo // nil: a real directory
	close     func() error
}

func (s *settings) open(ctx context.Context) (*sides, error) {
	switch {
	case s.demonstration() && s.firstDay:
		return openDemo(ctx, s.db, (*demo).beforeTheFirstDay)
	case s.demonstration():
		return openDemo(ctx, s.db, (*demo).aYearLater)
	}
	directory, err := s.openDirectory(s.base, s.filter)
	if err != nil {
		return nil, err
	}
	if s.db == "" { // -check of the directory alone
		nobody := adsync.NewMemoryStore()
		return &sides{directory: directory, store: nobody, table: "(none given)", close: func() error { return nil }}, nil
	}
	db, err := openDatabase(s.dialect, s.db)
	if err != nil {
		return nil, err
	}
	store, err := s.openStore(db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &sides{
		directory: directory, narrowed: s.openDirectory, store: store, source: s.source, table: s.table, close: db.Close,
	}, nil
}

// openDirectory connects to nothing yet.
func (s *settings) openDirectory(base, filter string) (*activedirectory.Directory, error) {
	cfg := activedirectory.Config{
		URLs: s.urls, Domain: s.domain, BaseDN: base, Filter: filter, StartTLS: s.startTLS,
		Bind: activedirectory.PasswordFunc(s.bindUser, s.password),
	}
	if s.caFile != "" {
		roots, err := readRoots(s.caFile)
		if err != nil {
			return nil, err
		}
		cfg.TLS = &tls.Config{RootCAs: roots}
	}
	return activedirectory.New(cfg)
}

// password is read for each connection, so that it may change in between.
func (s *settings) password(context.Context) (string, error) {
	if s.passwordFile == "" {
		return os.Getenv(passwordVariable), nil
	}
	text, err := os.ReadFile(s.passwordFile)
	return strings.TrimRight(string(text), "\r\n"), err
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("quickstart: -ca holds no certificate; it must be a PEM file")
	}
	return roots, nil
}

// drivers are the names under which the drivers register.
var drivers = map[string]string{"sqlite": "sqlite", "postgres": "pgx", "mysql": "mysql"}

var dialects = map[string]sqlstore.Dialect{"sqlite": sqlstore.SQLite, "postgres": sqlstore.PostgreSQL, "mysql": sqlstore.MySQL}

func openDatabase(dialect, dsn string) (*sql.DB, error) {
	if dialect == "sqlite" && !strings.HasPrefix(dsn, "file:") {
		dsn = sqliteDSN(dsn, "rw")
	}
	db, err := sql.Open(drivers[dialect], dsn)
	if err != nil {
		return nil, fmt.Errorf("quickstart: -db is not a %s DSN", dialect) // its text may hold the password
	}
	return db, nil
}

// sqliteDSN names a file; mode is that of SQLite's URIs, in which "rw" does not
// make a new one.
func sqliteDSN(path, mode string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode + "&_pragma=busy_timeout(5000)"
}

func (s *settings) openStore(db *sql.DB) (*sqlstore.Store, error) {
	table := sqlstore.Table{Name: s.table, Columns: s.columns, Where: s.where, ObjectIDs: sqlstore.ObjectIDs(s.objectIDs)}
	if s.columns.Source == "" {
		table.Source = s.source // all rows are of this directory, or local
	}
	return sqlstore.New(db, dialects[s.dialect], table)
}
