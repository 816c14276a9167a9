package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/fakead"
	"github.com/go-adsync/adsync/sqlstore"
)

// demo is the world without flags: a directory, a table, and what happened to
// both since the people were imported.
type demo struct {
	controller *fakead.Server
	db         *sql.DB
	people     string                 // DN of the base
	offices    map[string]string      // DN by name
	guids      map[string]fakead.GUID // by the login that people were imported with
	groups     map[string]string      // DN by name
	employees  int                    // in the directory, when people were imported
	rows       int                    // in the table, since then
	happened   []string
	publishers fakead.GUID // the group that gives a role; zero: there are no roles
}

// serviceAccount reads the directory, and may do nothing else.
const serviceAccount = `CORP\svc-adsync`

// schema is a host's table as one finds it: it knows nothing of adsync.
const schema = `
CREATE TABLE accounts (
	id          INTEGER PRIMARY KEY,
	directory   TEXT NOT NULL DEFAULT '',
	ad_guid     TEXT,
	login       TEXT NOT NULL COLLATE NOCASE UNIQUE,
	given_name  TEXT NOT NULL DEFAULT '',
	family_name TEXT NOT NULL DEFAULT '',
	email       TEXT COLLATE NOCASE UNIQUE,
	phone       TEXT NOT NULL DEFAULT '',
	state       TEXT NOT NULL DEFAULT 'active',
	is_owner    INTEGER NOT NULL DEFAULT 0,
	UNIQUE (directory, ad_guid)
)`

// accounts maps that table.
func accounts() sqlstore.Table {
	return sqlstore.Table{
		Name: "accounts",
		Columns: sqlstore.Columns{
			ID: "id", Source: "directory", ObjectID: "ad_guid",
			Username: "login", FirstName: "given_name", LastName: "family_name", Email: "email", Phone: "phone",
			Status: "state", Protected: "is_owner",
		},
	}
}

// openDemo makes the world that the steps say. The database is a file of the given
// name to keep, or a temporary one.
func openDemo(ctx context.Context, file string, steps func(*demo, context.Context) error) (s *sides, err error) {
	d := &demo{offices: map[string]string{}, groups: map[string]string{}, guids: map[string]fakead.GUID{}}
	var closers []func() error
	closeAll := func() error {
		var errs []error
		for i := len(closers) - 1; i >= 0; i-- {
			errs = append(errs, closers[i]())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	if d.controller, err = fakead.Start(fakead.Config{Domain: domain, NetBIOS: "CORP"}); err != nil {
		return nil, err
	}
	closers = append(closers, d.controller.Close)
	if file == "" {
		dir, err := os.MkdirTemp("", "adsync-quickstart-")
		if err != nil {
			return nil, err
		}
		closers = append(closers, func() error { return os.RemoveAll(dir) })
		file = filepath.Join(dir, "demo.db")
	} else if _, err := os.Stat(file); err == nil {
		return nil, fmt.Errorf("quickstart: the file %s is there already; the demonstration makes a new one", file)
	}
	if d.db, err = sql.Open("sqlite", sqliteDSN(file, "rwc")); err != nil {
		return nil, err
	}
	closers = append(closers, d.db.Close)
	password := rand.Text()
	if _, err := d.controller.AddUser(fakead.User{Username: "svc-adsync", Password: password}); err != nil {
		return nil, err
	}
	if err := steps(d, ctx); err != nil {
		return nil, err
	}
	narrowed := func(base, filter string) (*activedirectory.Directory, error) {
		return activedirectory.New(activedirectory.Config{
			Roles:  d.roles(),
			URLs:   []string{d.controller.URL()},
			BaseDN: cmp.Or(base, d.people),
			Filter: filter,
			Bind:   activedirectory.SimpleBind(serviceAccount, password),
			TLS:    d.controller.ClientTLS(), // as -ca does for a real one
		})
	}
	directory, err := narrowed("", "")
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.New(d.db, sqlstore.SQLite, d.accounts())
	if err != nil {
		return nil, err
	}
	return &sides{
		directory: directory, narrowed: narrowed, store: store, source: domain, table: "accounts", demo: d, close: closeAll,
	}, nil
}

// aYearLater founds the company, imports its people, and lets a year go by.
func (d *demo) aYearLater(ctx context.Context) error {
	if err := d.found(offices()); err != nil {
		return err
	}
	if err := d.controller.GrantTombstones(serviceAccount); err != nil { // the one right that people lack by default
		return err
	}
	if err := d.fillTable(ctx, offices()); err != nil {
		return err
	}
	if err := d.giveRoles(ctx, "ksato", "nokonkwo"); err != nil {
		return err
	}
	return d.letHappen(d.events())
}

// found makes the offices and their people.
func (d *demo) found(all []office) (err error) {
	if d.people, err = d.controller.AddOU("People", ""); err != nil {
		return err
	}
	for _, o := range all {
		if d.offices[o.name], err = d.controller.AddOU(o.name, d.people); err != nil {
			return err
		}
		for i, p := range o.people {
			if err := d.hire(o, p, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *demo) hire(o office, p person, seat int) (err error) {
	d.employees++
	d.guids[p.login], err = d.controller.AddUser(fakead.User{
		Parent: d.offices[o.name], Name: p.first + " " + p.last, Username: p.login,
		FirstName: p.first, LastName: p.last, Email: p.email(), Phone: o.extension(seat),
	})
	return err
}

func (o office) extension(seat int) string { return fmt.Sprintf("%s %d", o.phone, 101+seat) }

// fillTable imports everybody, and adds who is no employee.
func (d *demo) fillTable(ctx context.Context, all []office) error {
	if _, err := d.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	const insert = `INSERT INTO accounts (directory, ad_guid, login, given_name, family_name, email, phone, is_owner, id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	add := func(values ...any) error {
		d.rows++
		_, err := d.db.ExecContext(ctx, insert, append(values, 100+d.rows)...)
		return err
	}
	for _, o := range all {
		for i, p := range o.people {
			guid := adsync.ObjectID(d.guids[p.login])
			owner := p.login == "mvonahn"
			if err := add(domain, guid, p.login, p.first, p.last, p.email(), o.extension(i), owner); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		add("", nil, "reception", "", "Reception", "reception@"+domain, "", false),
		add("", nil, "auditor", "Ada", "Quist", "ada.quist@audit.example", "", false),
	)
}

// event is something that happens in the directory. The table hears nothing of
// it.
type event struct {
	text string
	do   func() error
}

func (d *demo) letHappen(events []event) error {
	for _, e := range events {
		if err := e.do(); err != nil {
			return fmt.Errorf("quickstart: %s: %w", e.text, err)
		}
		d.happened = append(d.happened, e.text)
	}
	return nil
}

func (d *demo) events() []event {
	return []event{
		{"Zoë Müller married: a new last name, login and address. 優希 田中 did, too.", func() error {
			return errors.Join(
				d.set("zmueller", "sn", "Schröder"), d.set("zmueller", "sAMAccountName", "zschroeder"),
				d.set("zmueller", "mail", "zoe.schroeder@"+domain), d.controller.Rename(d.guids["zmueller"], "Zoë Schröder"),
				d.set("ytanaka", "sn", "小林"))
		}},
		{"Văn Tâm Lê has a new phone, and Ngọzi Okonkwo none any more.", func() error {
			return errors.Join(d.set("tamlv", "telephoneNumber", "+84 24 5550 177"), d.set("nokonkwo", "telephoneNumber"))
		}},
		{"Priya Raman and Oluwaseun Adéyẹmí traded the mailboxes sales@ and support@.", func() error {
			return errors.Join(d.set("praman", "mail", "support@"+domain), d.set("oadeyemi", "mail", "sales@"+domain))
		}},
		{"Văn Tâm Lê joined the group of publishers, and Ngọzi Okonkwo left it.", func() error {
			return errors.Join(d.controller.Join(d.publishers, d.guids["tamlv"]), d.controller.Leave(d.publishers, d.guids["nokonkwo"]))
		}},
		{"Łukasz Wójcik moved from Berlin to Reykjavík.", func() error {
			return d.controller.Move(d.guids["lwojcik"], d.offices["Reykjavík"])
		}},
		{"Björn Þórsson, João Guimarães and Amina Bello left; their accounts are deleted.", func() error {
			return d.leave("bthorsson", "jguimaraes", "abello")
		}},
		{"Bjarki Þórsson was hired and got the login that Björn had. He must not get his account.", func() error {
			_, err := d.controller.AddUser(fakead.User{
				Parent: d.offices["Reykjavík"], Name: "Bjarki Þórsson", Username: "bthorsson",
				FirstName: "Bjarki", LastName: "Þórsson", Email: "bjarki.thorsson@" + domain,
			})
			return err
		}},
		{"Margarethe von Ahn left as well, but she owns this application.", func() error { return d.leave("mvonahn") }},
		{"Иван Петров is on leave, his account disabled. 伟 李 went to a subsidiary, outside our base.", func() error {
			subsidiary, err := d.controller.AddOU("Subsidiary", "")
			return errors.Join(err, d.controller.Disable(d.guids["ipetrov"]), d.controller.Move(d.guids["wli"], subsidiary))
		}},
		{"Ελένη Παπαδοπούλου was hidden from our service account by some new permission.", func() error {
			return d.controller.Hide(serviceAccount, d.controller.DN(d.guids["epapadopoulou"]))
		}},
		{"Aoife Byrne's login is now reception, which a local account of this application has.", func() error {
			return d.set("abyrne", "sAMAccountName", "reception")
		}},
		{"Chinedu Okafor and نور الهاشمي were both given the address press@.", func() error {
			return errors.Join(d.set("cokafor", "mail", "press@"+domain), d.set("nalhashimi", "mail", "press@"+domain))
		}},
	}
}

func (d *demo) set(login, attribute string, values ...string) error {
	return d.controller.SetAttribute(d.guids[login], attribute, values...)
}

func (d *demo) leave(logins ...string) error {
	var errs []error
	for _, login := range logins {
		errs = append(errs, d.controller.Delete(d.guids[login]))
		delete(d.guids, login)
	}
	return errors.Join(errs...)
}

// hideEverybody takes the service account's rights to all offices.
func (d *demo) hideEverybody() error {
	var errs []error
	for _, dn := range d.offices {
		errs = append(errs, d.controller.Hide(serviceAccount, dn))
	}
	return errors.Join(errs...)
}

// closeOffices gives them back, and deletes who works in these offices.
func (d *demo) closeOffices(names ...string) error {
	errs := []error{d.controller.Unhide(serviceAccount)}
	for _, o := range offices() {
		for _, p := range o.people {
			if _, there := d.guids[p.login]; there && slices.Contains(names, o.name) {
				errs = append(errs, d.leave(p.login))
			}
		}
	}
	return errors.Join(errs...)
}
