package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/fakead"
	"github.com/go-adsync/adsync/sqlstore"
)

// demo is the world without flags: a directory, a database, and what happened
// since people were imported from the one into the other.
type demo struct {
	controller *fakead.Server
	store      *store
	guids      map[string]fakead.GUID // by username
	password   string                 // of the service account
	ago        atomic.Int64           // how many days ago the directory believes to be
}

// newDemo starts the directory.
func newDemo() (d *demo, err error) {
	d = &demo{guids: map[string]fakead.GUID{}, password: rand.Text()}
	d.controller, err = fakead.Start(fakead.Config{
		Domain: demoDomain, NetBIOS: "CORP", Now: func() time.Time { return time.Now().AddDate(0, 0, -int(d.ago.Load())) },
	})
	return d, err
}

const (
	demoDomain     = "corp.example"
	serviceAccount = `CORP\svc-webhost`
)

// demoPeople has a line for each: username, first name, last name, phone, office, and
// whether they are imported; a local user has the username of the last.
//
//go:embed demo.tsv
var demoPeople string

// openDemo makes the world, and tells how to sign in.
func (s *settings) openDemo(ctx context.Context, stdout io.Writer) (closeAll func() error, err error) {
	dir, err := os.MkdirTemp("", "adsync-webhost-")
	if err != nil {
		return nil, err
	}
	d, err := newDemo()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	db, err := sql.Open("sqlite", sqliteDSN(filepath.Join(dir, "webhost.db")))
	if err != nil {
		return nil, errors.Join(err, d.controller.Close(), os.RemoveAll(dir))
	}
	closeAll = func() error { return errors.Join(db.Close(), d.controller.Close(), os.RemoveAll(dir)) }
	err = d.build(ctx, db, &s.config)
	for _, role := range []string{administrator, viewer} {
		password := rand.Text()[:12]
		if err == nil {
			err = d.store.addAccount(ctx, role, password, role)
			fmt.Fprintf(stdout, "Sign in as %s with the password %s\n", role, password)
		}
	}
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	return closeAll, nil
}

// build hires people, imports them, and lets a year go by.
func (d *demo) build(ctx context.Context, db *sql.DB, c *config) (err error) {
	if d.store, err = openStore(ctx, db, sqlstore.SQLite); err != nil {
		return err
	}
	c.store, c.source, c.removeAfter = d.store, demoDomain, 14*24*time.Hour
	if c.users, err = d.store.userStore(); err != nil {
		return err
	}
	if c.directory, err = d.connect(); err != nil {
		return err
	}
	var imported []adsync.ObjectID
	for line := range strings.Lines(demoPeople) {
		p := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if err := d.hire(p[0], p[1], p[2], p[3], p[4]); err != nil {
			return err
		}
		if p[5] != "" {
			imported = append(imported, adsync.ObjectID(d.guids[p[0]]))
		}
	}
	syncer, err := adsync.New(c.directory, c.users, &adsync.Options{Rules: adsync.Rules{Source: c.source}})
	if err != nil {
		return err
	}
	report, err := syncer.Sync(ctx, adsync.ImportEntries(imported...)) // as the import page does
	return errors.Join(err, report.Err(), d.addLocals(ctx), d.aYearGoesBy(ctx))
}

// connect makes the directory, read by an account with the rights it needs.
func (d *demo) connect() (*activedirectory.Directory, error) {
	if _, err := d.controller.AddUser(fakead.User{Username: "svc-webhost", Password: d.password}); err != nil {
		return nil, err
	}
	if err := d.controller.GrantTombstones(serviceAccount); err != nil {
		return nil, err
	}
	return activedirectory.New(activedirectory.Config{
		URLs: []string{d.controller.URL()}, TLS: d.controller.ClientTLS(), Bind: activedirectory.SimpleBind(serviceAccount, d.password),
		BaseDN: d.controller.BaseDN(),
	})
}

// hire adds an account to an office.
func (d *demo) hire(login, first, last, phone, office string) (err error) {
	_, _ = d.controller.AddOU(office, "") // unless it is there
	d.guids[login], err = d.controller.AddUser(fakead.User{
		Username: login, Name: first + " " + last, FirstName: first, LastName: last, Phone: phone, Email: login + "@" + demoDomain,
		Parent: "OU=" + office + "," + d.controller.BaseDN(),
	})
	return err
}

func (d *demo) addLocals(ctx context.Context) error {
	return d.store.inTx(ctx, func(t *tx) {
		const insert = `INSERT INTO users (username, first_name, last_name, email) VALUES (?, ?, ?, ?)`
		t.exec(insert, "reception", "", "Reception", "reception@"+demoDomain)
		t.exec(insert, "auditor", "Ada", "Quist", "ada.quist@audit.example")
	})
}

// demoYear has a line for each change: whose, which attribute, and its new values; or
// that the account was disabled, or deleted so many days ago.
//
//go:embed demo-year.tsv
var demoYear string

// aYearGoesBy changes the directory. All that the database hears of it is who left: a sync
// of then has deactivated them.
func (d *demo) aYearGoesBy(ctx context.Context) (err error) {
	for line := range strings.Lines(demoYear) {
		p := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch id := d.guids[p[0]]; p[1] {
		case "deleted":
			days, _ := strconv.Atoi(p[2])
			d.ago.Store(int64(days))
			err = errors.Join(err, d.controller.Delete(id))
			d.ago.Store(0)
			_, noted := d.store.exec(ctx, `UPDATE users SET status = 'deactivated', deactivated_at = ? WHERE username = ?`, time.Now().AddDate(0, 0, -days).Unix(), p[0])
			err = errors.Join(err, noted)
		case "disabled":
			err = errors.Join(err, d.controller.Disable(id))
		default:
			err = errors.Join(err, d.controller.SetAttribute(id, p[1], p[2:]...))
		}
	}
	return err
}
