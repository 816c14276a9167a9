package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
}

const (
	demoDomain     = "corp.example"
	serviceAccount = `CORP\svc-webhost`
)

// demoPeople are imported: username, first name, last name, phone.
var demoPeople = [][4]string{
	{"zmueller", "Zoë", "Müller", "+49 30 5550 101"},
	{"jgross", "Jürgen", "Groß", "+49 30 5550 102"},
	{"ayilmaz", "Ayşe", "Yılmaz", "+49 30 5550 103"},
	{"lwojcik", "Łukasz", "Wójcik", "+49 30 5550 104"},
	{"enwosu", "Emeka", "Nwosu", "+49 30 5550 105"},
	{"bthorsson", "Björn", "Þórsson", "+354 555 201"},
	{"sjonsdottir", "Sigríður", "Jónsdóttir", "+354 555 202"},
	{"abyrne", "Aoife", "Byrne", "+354 555 203"},
	{"kmensah", "Kwame", "Mensah", "+354 555 204"},
	{"jaraujo", "José", "Araújo", "+55 11 5550 301"},
	{"cduarte", "Conceição", "Duarte", "+55 11 5550 302"},
	{"mjnunez", "María José", "Núñez", "+55 11 5550 303"},
	{"thayashi", "Takumi", "Hayashi", "+55 11 5550 304"},
	{"anhnm", "Minh Anh", "Nguyễn", "+84 24 5550 401"},
	{"huytd", "Đức Huy", "Trần", "+84 24 5550 402"},
	{"tamlv", "Văn Tâm", "Lê", "+84 24 5550 403"},
	{"ssrisuk", "สมชาย", "ศรีสุข", "+84 24 5550 404"},
	{"ytanaka", "優希", "田中", "+81 3 5550 501"},
	{"ksato", "健", "佐藤", "+81 3 5550 502"},
	{"oadeyemi", "Oluwaseun", "Adéyẹmí", "+234 1 555 601"},
	{"nokonkwo", "Ngọzi", "Okonkwo", "+234 1 555 602"},
	{"cokafor", "Chinedu", "Okafor", "+234 1 555 603"},
	{"abello", "Amina", "Bello", "+234 1 555 604"},
	{"praman", "Priya", "Raman", "+91 80 5550 701"},
	{"anair", "Arjun", "Nair", "+91 80 5550 702"},
	{"nalhashimi", "نور", "الهاشمي", "+91 80 5550 703"},
	{"nberidze", "ნინო", "ბერიძე", "+995 32 555 801"},
	{"ipetrov", "Иван", "Петров", "+995 32 555 802"},
	{"epapadopoulou", "Ελένη", "Παπαδοπούλου", "+995 32 555 803"},
	{"oshevchenko", "Олександра", "Шевченко", "+995 32 555 804"},
}

// newcomers are in the directory, and not imported yet.
var newcomers = [][4]string{
	{"hhansen", "Hanne", "Hansen", "+45 33 555 901"},
	{"mcohen", "Miriam", "Cohen", "+45 33 555 902"},
	{"reception", "Rosa", "Recepcja", "+45 33 555 903"}, // a local user has this username
}

// openDemo makes the world, and tells how to sign in.
func openDemo(ctx context.Context, stdout io.Writer) (c config, closeAll func() error, err error) {
	dir, err := os.MkdirTemp("", "adsync-webhost-")
	if err != nil {
		return c, nil, err
	}
	controller, err := fakead.Start(fakead.Config{Domain: demoDomain, NetBIOS: "CORP"})
	if err != nil {
		return c, nil, errors.Join(err, os.RemoveAll(dir))
	}
	db, err := sql.Open("sqlite", sqliteDSN(filepath.Join(dir, "webhost.db")))
	if err != nil {
		return c, nil, errors.Join(err, controller.Close(), os.RemoveAll(dir))
	}
	closeAll = func() error { return errors.Join(db.Close(), controller.Close(), os.RemoveAll(dir)) }
	d := &demo{controller: controller, guids: map[string]fakead.GUID{}, password: rand.Text()}
	if c, err = d.build(ctx, db); err != nil {
		return c, nil, errors.Join(err, closeAll())
	}
	for _, role := range []string{administrator, viewer} {
		password := rand.Text()[:12]
		if err := d.store.addAccount(ctx, role, password, role); err != nil {
			return c, nil, errors.Join(err, closeAll())
		}
		fmt.Fprintf(stdout, "Sign in as %s with the password %s\n", role, password)
	}
	return c, closeAll, nil
}

// build hires people, imports them, and lets a year go by.
func (d *demo) build(ctx context.Context, db *sql.DB) (c config, err error) {
	if d.store, err = openStore(ctx, db, sqlstore.SQLite); err != nil {
		return c, err
	}
	users, err := d.store.userStore()
	if err != nil {
		return c, err
	}
	for _, p := range append(demoPeople[:len(demoPeople):len(demoPeople)], newcomers...) {
		if err := d.hire(p); err != nil {
			return c, err
		}
	}
	if _, err := d.controller.AddUser(fakead.User{Username: "svc-webhost", Password: d.password}); err != nil {
		return c, err
	}
	if err := d.controller.GrantTombstones(serviceAccount); err != nil {
		return c, err
	}
	directory, err := activedirectory.New(activedirectory.Config{
		URLs: []string{d.controller.URL()}, TLS: d.controller.ClientTLS(), Bind: activedirectory.SimpleBind(serviceAccount, d.password),
		BaseDN: d.controller.BaseDN(),
	})
	if err != nil {
		return c, err
	}
	c = config{store: d.store, users: users, directory: directory, source: demoDomain}
	return c, errors.Join(d.importPeople(ctx, c), d.addLocals(ctx), d.aYearGoesBy())
}

func (d *demo) hire(p [4]string) (err error) {
	d.guids[p[0]], err = d.controller.AddUser(fakead.User{
		Username: p[0], Name: p[1] + " " + p[2], FirstName: p[1], LastName: p[2], Phone: p[3], Email: p[0] + "@" + demoDomain,
	})
	return err
}

// importPeople does what the import page does.
func (d *demo) importPeople(ctx context.Context, c config) error {
	var ids []adsync.ObjectID
	for _, p := range demoPeople {
		ids = append(ids, adsync.ObjectID(d.guids[p[0]]))
	}
	syncer, err := adsync.New(c.directory, c.users, &adsync.Options{Rules: adsync.Rules{Source: c.source}})
	if err != nil {
		return err
	}
	report, err := syncer.Sync(ctx, adsync.ImportEntries(ids...))
	return errors.Join(err, report.Err())
}

func (d *demo) addLocals(ctx context.Context) error {
	const insert = `INSERT INTO users (username, first_name, last_name, email) VALUES (?, ?, ?, ?)`
	_, err := d.store.exec(ctx, insert, "reception", "", "Reception", "reception@"+demoDomain)
	if err == nil {
		_, err = d.store.exec(ctx, insert, "auditor", "Ada", "Quist", "ada.quist@audit.example")
	}
	return err
}

// aYearGoesBy changes the directory. The database hears nothing of it.
func (d *demo) aYearGoesBy() error {
	set := func(login, attribute string, values ...string) error {
		return d.controller.SetAttribute(d.guids[login], attribute, values...)
	}
	return errors.Join(
		// Zoë married, and so did Takumi; Kwame has another phone.
		set("zmueller", "sn", "Schröder"), set("zmueller", "sAMAccountName", "zschroeder"), set("zmueller", "mail", "zschroeder@"+demoDomain),
		set("thayashi", "sn", "Hayashi Costa"), set("kmensah", "telephoneNumber", "+354 555 299"),
		// Two traded their addresses, one has a new phone, another none any more.
		set("praman", "mail", "oadeyemi@"+demoDomain), set("oadeyemi", "mail", "praman@"+demoDomain),
		set("tamlv", "telephoneNumber", "+84 24 5550 177"), set("nokonkwo", "telephoneNumber"),
		// Two left; one is on leave.
		d.controller.Delete(d.guids["bthorsson"]), d.controller.Delete(d.guids["abello"]), d.controller.Disable(d.guids["ipetrov"]),
		// Names and addresses that others have here, or ask for, too.
		set("abyrne", "mail", "ada.quist@audit.example"), set("epapadopoulou", "sAMAccountName", "auditor"),
		set("cokafor", "mail", "press@"+demoDomain), set("nalhashimi", "mail", "press@"+demoDomain),
	)
}
