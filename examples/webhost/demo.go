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
	groups     map[string]fakead.GUID // by the role that they give
	imported   []adsync.ObjectID
	password   string       // of the service account
	ago        atomic.Int64 // how many days ago the directory believes to be
}

// newDemo starts the directory.
func newDemo() (d *demo, err error) {
	d = &demo{guids: map[string]fakead.GUID{}, groups: map[string]fakead.GUID{}, password: rand.Text()}
	d.controller, err = fakead.Start(fakead.Config{
		Domain: demoDomain, NetBIOS: "CORP", Now: func() time.Time { return time.Now().AddDate(0, 0, -int(d.ago.Load())) },
	})
	return d, err
}

const (
	demoDomain     = "corp.example"
	serviceAccount = `CORP\svc-webhost`
)

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
	if err := d.connect(c); err != nil {
		return err
	}
	if err := d.happens(ctx, demoBegin); err != nil {
		return err
	}
	syncer, err := adsync.New(c.directory, c.users, &adsync.Options{Rules: adsync.Rules{Source: c.source}})
	if err != nil {
		return err
	}
	report, err := syncer.Sync(ctx, adsync.ImportEntries(d.imported...)) // as the import page does
	return errors.Join(err, report.Err(), d.addLocals(ctx), d.happens(ctx, demoYear))
}

// connect makes the directory, read by an account with the rights it needs, and the table
// of users.
func (d *demo) connect(c *config) error {
	_, err := d.controller.AddUser(fakead.User{Username: "svc-webhost", Password: d.password})
	if err == nil {
		err = d.controller.GrantTombstones(serviceAccount)
	}
	c.ad = activedirectory.Config{
		URLs: []string{d.controller.URL()}, TLS: d.controller.ClientTLS(), Bind: activedirectory.SimpleBind(serviceAccount, d.password),
		BaseDN: d.controller.BaseDN(),
	}
	readWork(&c.ad)
	for _, role := range []string{"Author", "Reviewer"} {
		if err == nil {
			d.groups[role], err = d.controller.CreateGroup(fakead.Group{Name: role + "s"})
		}
		c.ad.Roles = append(c.ad.Roles, activedirectory.Role{Name: role, Group: adsync.ObjectID(d.groups[role]).String()})
	}
	if err == nil {
		c.directory, err = activedirectory.New(c.ad)
	}
	if err == nil {
		c.users, err = d.store.userStore(c.ad.Roles)
	}
	return err
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

// What happens in the directory, a line for each: to whom, what, and more about it. The
// database hears of those who are imported in the end, and of who leaves: a sync of then
// has deactivated them.
var (
	//go:embed demo.tsv
	demoBegin string
	//go:embed demo-year.tsv
	demoYear string
)

func (d *demo) happens(ctx context.Context, lines string) (err error) {
	for line := range strings.Lines(lines) {
		p := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		who, what, more := d.guids[p[0]], p[1], p[2:]
		switch what {
		case "hired": // first name, last name, phone, office
			err = d.hire(p[0], more[0], more[1], more[2], more[3])
		case "imported":
			d.imported = append(d.imported, adsync.ObjectID(who))
		case "manager":
			err = d.controller.SetAttribute(who, what, d.controller.DN(d.guids[more[0]]))
		case "joined": // the group of a role
			err = d.controller.Join(d.groups[more[0]], who)
		case "left":
			err = d.controller.Leave(d.groups[more[0]], who)
		case "disabled":
			err = d.controller.Disable(who)
		case "deleted": // so many days ago
			days, _ := strconv.Atoi(more[0])
			d.ago.Store(int64(days))
			_, err = d.store.exec(ctx, `UPDATE users SET status = 'deactivated', deactivated_at = ? WHERE username = ?`, time.Now().AddDate(0, 0, -days).Unix(), p[0])
			err = errors.Join(err, d.controller.Delete(who))
			d.ago.Store(0)
		default: // an attribute has other values
			err = d.controller.SetAttribute(who, what, more...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
