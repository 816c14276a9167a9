// Command webhost is a small web application that keeps its imported users in
// step with Active Directory.
//
//	go run ./examples/webhost
//
// Without flags it brings everything itself: a domain controller inside the
// process, which it reads over real LDAP, and a SQLite file that is removed at
// the end. It prints its address and how to sign in. Flags point it at a real
// directory and database: see -h.
//
// app.go is the site, auth.go who may do what, users.go the lists, sync.go the
// page of the synchronization, run.go how a plan is applied and shown, changes.go
// how a change is put in words, importer.go and history.go their pages, and
// store.go the database. demo.go is the world without flags; a host needs nothing
// of it.
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := serveAll(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	listen, cert, key        string
	urls, base, bindUser, ca string
	source                   string
	sqlite, postgres         string
	admin                    string
	secure, noSync           bool
	maxRemovals              int
	maxRatio                 float64
	verbose                  bool
}

// The environment holds what must not be seen in a list of processes.
const (
	directoryPassword = "ADSYNC_PASSWORD"
	adminPassword     = "WEBHOST_ADMIN_PASSWORD"
	postgresDSN       = "WEBHOST_POSTGRES"
)

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("webhost", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 is any free one")
	f.StringVar(&s.cert, "cert", "", "PEM `file` with the certificate to serve HTTPS with; with -key")
	f.StringVar(&s.key, "key", "", "PEM `file` with its key")
	f.BoolVar(&s.secure, "secure", false, "the site is reached over TLS, by a proxy in front of it")
	f.StringVar(&s.urls, "url", "", "`URLs` of domain controllers, like ldaps://dc1.corp.example, separated by commas. Without: the demonstration")
	f.StringVar(&s.base, "base", "", "`DN` under which people are synchronized; default: the whole domain")
	f.StringVar(&s.bindUser, "bind-user", "", "service `account`; its password is in "+directoryPassword)
	f.StringVar(&s.ca, "ca", "", "PEM `file` with the certificate authority of the domain controllers; default: the system's")
	f.StringVar(&s.source, "source", "ad", "`name` of this directory, kept with the users imported from it")
	f.StringVar(&s.sqlite, "db", "", "SQLite `file`")
	f.StringVar(&s.postgres, "postgres", "", "PostgreSQL `DSN`, instead of -db; or set "+postgresDSN+", as it may hold a password")
	f.StringVar(&s.admin, "admin", "", "`name` of an administrator to add, or whose password to set to "+adminPassword)
	f.BoolVar(&s.noSync, "no-sync", false, "switch the synchronization off: neither links nor pages exist")
	f.IntVar(&s.maxRemovals, "max-removals", 0, "most users to remove in one run without an approval; 0 is 500")
	f.Float64Var(&s.maxRatio, "max-ratio", 0, "likewise, as a share of all imported ones; 0 is 0.1")
	f.BoolVar(&s.verbose, "v", false, "log requests and runs")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if s.sqlite == "" {
		s.postgres = cmp.Or(s.postgres, os.Getenv(postgresDSN))
	}
	return s, s.valid()
}

func (s *settings) valid() error {
	switch {
	case (s.cert == "") != (s.key == ""):
		return errors.New("webhost: -cert and -key belong together")
	case s.urls == "" && (s.sqlite != "" || s.postgres != "") && !s.noSync:
		return errors.New("webhost: -db and -postgres need a directory; name it by -url, or say -no-sync")
	case s.urls == "" && !s.noSync:
		return nil
	case (s.sqlite == "") == (s.postgres == ""):
		return errors.New("webhost: name the database by -db or -postgres")
	case s.urls != "" && (s.bindUser == "" || os.Getenv(directoryPassword) == ""):
		return errors.New("webhost: -url needs -bind-user, and the password in " + directoryPassword)
	}
	return nil
}

// serveAll is the whole program.
func serveAll(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	c, closeWorld, err := s.open(ctx, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeWorld()) }()
	if s.verbose {
		c.logger = slog.New(slog.NewTextHandler(stderr, nil))
	}
	a, err := newApp(c)
	if err != nil {
		return err
	}
	return s.serve(ctx, a, stdout)
}

// serve answers until ctx ends. Then it lets the requests and the runs that are
// under way come to their end, but not for ever.
func (s *settings) serve(ctx context.Context, a *app, stdout io.Writer) error {
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
	}
	scheme := "http"
	if s.cert != "" {
		scheme = "https"
	}
	fmt.Fprintf(stdout, "The application is at %s://%s/\n", scheme, listener.Addr())
	ended := make(chan error, 1)
	go func() {
		if s.cert != "" {
			ended <- server.ServeTLS(listener, s.cert, s.key)
		} else {
			ended <- server.Serve(listener)
		}
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	shut := server.Shutdown(last)
	a.close(last)
	return errors.Join(err, shut)
}

// open opens the database and the directory.
func (s *settings) open(ctx context.Context, stdout io.Writer) (config, func() error, error) {
	if s.urls == "" && !s.noSync {
		return openDemo(ctx, stdout)
	}
	driver, dialect, dsn := "pgx", sqlstore.PostgreSQL, s.postgres
	if s.sqlite != "" {
		driver, dialect, dsn = "sqlite", sqlstore.SQLite, sqliteDSN(s.sqlite)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return config{}, nil, errors.New("webhost: the name of the database is wrong") // it may hold a password
	}
	c, err := s.config(ctx, db, dialect)
	if err != nil {
		return config{}, nil, errors.Join(err, db.Close())
	}
	return c, db.Close, nil
}

func (s *settings) config(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect) (c config, err error) {
	c = config{source: s.source, secure: s.secure || s.cert != "", limits: adsync.Limits{MaxRemovals: s.maxRemovals, MaxRemovalRatio: s.maxRatio}}
	if c.store, err = openStore(ctx, db, dialect); err != nil {
		return c, err
	}
	if c.users, err = c.store.userStore(); err != nil {
		return c, err
	}
	if s.admin != "" {
		if os.Getenv(adminPassword) == "" {
			return c, errors.New("webhost: -admin needs a password in " + adminPassword)
		}
		if err := c.store.addAccount(ctx, s.admin, os.Getenv(adminPassword), administrator); err != nil {
			return c, err
		}
	}
	if !s.noSync {
		c.directory, err = s.openDirectory()
	}
	return c, err
}

// openDirectory connects to nothing yet. The password is read for each
// connection, and shown nowhere.
func (s *settings) openDirectory() (*activedirectory.Directory, error) {
	cfg := activedirectory.Config{
		URLs: strings.Split(s.urls, ","), BaseDN: s.base,
		Bind: activedirectory.PasswordFunc(s.bindUser, func(context.Context) (string, error) { return os.Getenv(directoryPassword), nil }),
	}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, err
		}
		cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !cfg.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("webhost: -ca holds no certificate; it must be a PEM file")
		}
	}
	return activedirectory.New(cfg)
}

// sqliteDSN names a file. Readers do not wait for a writer, and a writer waits a
// while for another.
func sqliteDSN(file string) string {
	return "file:" + (&url.URL{Path: file}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
}
