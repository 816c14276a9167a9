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
// To read it, begin with app.go: the site, and how a page is made. Then follow an
// administrator: auth.go signs in; list.go is how people are listed and chosen, users.go
// one of them, and why he is a duplicate; sync.go lists what a sync would do, import.go whom
// one could import; plans.go makes a plan and asks for an approval, run.go applies it and finds
// what a crash has left, history.go shows it and what remains of it; schedule.go does the
// same with nobody there. words.go says all of it in words; db.go, runs.go and schema.sql
// are the database. demo.go is the world without flags; a host needs nothing of it.
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

	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := serveAll(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	config                   // what they say of the host
	listen, cert, key        string
	urls, base, bindUser, ca string
	sqlite, postgres, admin  string
	noSync, verbose, work    bool
}

// The environment holds what must not be seen in a list of processes.
const (
	directoryPassword = "ADSYNC_PASSWORD"
	adminPassword     = "WEBHOST_ADMIN_PASSWORD"
	postgresDSN       = "WEBHOST_POSTGRES"
	webhookAddress    = "WEBHOST_WEBHOOK"
)

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("webhost", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 is any free one")
	f.StringVar(&s.cert, "cert", "", "PEM `file` with the certificate to serve HTTPS with; with -key")
	f.StringVar(&s.key, "key", "", "PEM `file` with its key")
	f.BoolVar(&s.proxied, "secure", false, "the site is reached over TLS, by a proxy in front of it that adds X-Forwarded-For")
	f.StringVar(&s.urls, "url", "", "`URLs` of domain controllers, like ldaps://dc1.corp.example, separated by commas. Without: the demonstration")
	f.StringVar(&s.base, "base", "", "`DN` under which people are synchronized; default: the whole domain")
	f.StringVar(&s.bindUser, "bind-user", "", "service `account`; its password is in "+directoryPassword)
	f.StringVar(&s.ca, "ca", "", "PEM `file` with the certificate authority of the domain controllers; default: the system's")
	f.StringVar(&s.source, "source", "ad", "`name` of this directory, kept with the users imported from it")
	f.StringVar(&s.sqlite, "db", "", "SQLite `file`")
	f.StringVar(&s.postgres, "postgres", "", "PostgreSQL `DSN`, instead of -db; or set "+postgresDSN+", as it may hold a password")
	f.StringVar(&s.admin, "admin", "", "`name` of an administrator to add, or whose password to set to "+adminPassword)
	f.BoolVar(&s.noSync, "no-sync", false, "switch the synchronization off: neither links nor pages exist")
	f.IntVar(&s.limits.MaxRemovals, "max-removals", 0, "most users to remove in one run without an approval; 0 is 500")
	f.Float64Var(&s.limits.MaxRemovalRatio, "max-ratio", 0, "likewise, as a share of all imported ones; 0 is 0.1")
	f.BoolVar(&s.work, "work", false, "synchronize everybody's department and manager, too")
	f.Func("role", "`NAME=GROUP`: whoever is in this group of the directory has the role; once for each", func(text string) error {
		name, group, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("want NAME=GROUP")
		}
		s.ad.Roles = append(s.ad.Roles, activedirectory.Role{Name: name, Group: group})
		return nil
	})
	f.DurationVar(&s.removeAfter, "remove-after", 0, "how long whoever left is deactivated before being deleted, as in 336h for two weeks; 0 is not at all")
	f.BoolVar(&s.secondPerson, "second-person", false, "a plan beyond these limits is approved by somebody other than who made it")
	f.DurationVar(&s.planAge, "plan-age", 24*time.Hour, "until a plan must be made again to be applied")
	f.DurationVar(&s.keepPlans, "keep-plans", 7*24*time.Hour, "until a plan that nobody applied is deleted")
	f.DurationVar(&s.every, "every", 0, "`time` between scheduled synchronizations of everybody, like 15m; 0 is never. If one cannot be done, the address in "+webhookAddress+" is told by a POST")
	f.BoolVar(&s.verbose, "v", false, "log requests and runs")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if s.sqlite == "" {
		s.postgres = cmp.Or(s.postgres, os.Getenv(postgresDSN))
	}
	s.webhook = os.Getenv(webhookAddress)
	s.secure = s.proxied || s.cert != ""
	if s.verbose {
		s.logger = slog.New(slog.NewTextHandler(stderr, nil))
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
	case s.admin != "" && os.Getenv(adminPassword) == "":
		return errors.New("webhost: -admin needs a password in " + adminPassword)
	}
	return nil
}

// serveAll is the whole program.
func serveAll(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	open := s.openReal
	if s.urls == "" && !s.noSync {
		open = s.openDemo
	}
	closeWorld, err := open(ctx, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeWorld()) }()
	a, err := newApp(s.config)
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
	scheme, answer := "http", func() error { return server.Serve(listener) }
	if s.cert != "" {
		scheme, answer = "https", func() error { return server.ServeTLS(listener, s.cert, s.key) }
	}
	if !s.secure && !loopback(listener.Addr().String()) {
		fmt.Fprintln(stdout, "Warning: whoever is on the way can read passwords. Serve HTTPS by -cert and -key, or by a proxy in front (-secure).")
	}
	fmt.Fprintf(stdout, "The application is at %s://%s/\n", scheme, listener.Addr())
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if a.every > 0 {
		a.background.Go(func() { a.keepSchedule(ctx, time.Tick(10*time.Second)) })
	}
	ended := make(chan error, 1)
	go func() { ended <- answer() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	shut := server.Shutdown(last)
	a.close(last)
	return errors.Join(err, shut)
}

// openReal opens the database and the directory.
func (s *settings) openReal(ctx context.Context, _ io.Writer) (closeAll func() error, err error) {
	driver, dialect, dsn := "pgx", sqlstore.PostgreSQL, s.postgres
	if s.sqlite != "" {
		driver, dialect, dsn = "sqlite", sqlstore.SQLite, sqliteDSN(s.sqlite)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, errors.New("webhost: the name of the database is wrong") // it may hold a password
	}
	if s.store, err = openStore(ctx, db, dialect); err == nil {
		s.users, err = s.store.userStore(s.ad.Roles)
	}
	if err == nil && s.admin != "" {
		err = s.store.addAccount(ctx, s.admin, os.Getenv(adminPassword), administrator)
	}
	if err == nil && !s.noSync {
		err = s.openDirectory()
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db.Close, nil
}

// openDirectory connects to nothing yet. The password is read for each
// connection, and shown nowhere.
func (s *settings) openDirectory() (err error) {
	if s.urls != "" {
		s.ad.URLs, s.ad.BaseDN = strings.Split(s.urls, ","), s.base
		s.ad.Bind = activedirectory.PasswordFunc(s.bindUser, func(context.Context) (string, error) { return os.Getenv(directoryPassword), nil })
	}
	if s.work {
		readWork(&s.ad)
	}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return err
		}
		s.ad.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !s.ad.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("webhost: -ca holds no certificate; it must be a PEM file")
		}
	}
	s.directory, err = activedirectory.New(s.ad)
	return err
}

// sqliteDSN names a file. Readers do not wait for a writer, and a writer waits a
// while for another.
func sqliteDSN(file string) string {
	return "file:" + (&url.URL{Path: file}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
}
