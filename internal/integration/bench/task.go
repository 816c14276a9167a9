package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

// task is what one process does.
type task struct {
	Kind      string `json:"kind"`
	URL       string `json:"url"`
	Authority string `json:"authority,omitempty"` // a file, if the URL is an encrypted one
	People    int    `json:"people"`
	Host      host   `json:"host"`
	Rows      int    `json:"rows"` // what the host's table has
	Want      counts `json:"want"`
	Find      int    `json:"find,omitempty"` // how many to look up
	Mark      string `json:"mark,omitempty"` // the file of a mark
}

// counts are what a sync must have done: a fast one that does something else
// proves nothing.
type counts struct{ Modified, Deleted, Created int }

func (t task) run(ctx context.Context) error {
	switch t.Kind {
	case "list":
		return t.list(ctx)
	case "list roles":
		return t.listRoles(ctx)
	case "find":
		return t.find(ctx)
	case "go-ldap":
		return t.listByGoLDAP()
	case "sync":
		return t.sync(ctx, adsync.Rules{OnUnproven: adsync.Remove})
	case "sync roles":
		return t.sync(ctx, adsync.Rules{OnUnproven: adsync.Remove})
	case "import":
		return t.sync(ctx, adsync.Rules{Import: true})
	case "controller":
		return t.serve(os.Stdin, os.Stdout)
	case "mark":
		return t.withStore(nil, func(store *sqlstore.Store) error { return t.makeMark(ctx, store) })
	case "since":
		return t.withStore(nil, func(store *sqlstore.Store) error { return t.goOn(ctx, store) })
	case "since again":
		return t.withDB(func(d database, db *sql.DB) error {
			store, err := d.store(db, nil)
			if err != nil {
				return err
			}
			return t.goOnAgain(ctx, db, store)
		})
	case "floor read":
		return t.withDB(func(_ database, db *sql.DB) error { return t.floorRead(ctx, db) })
	case "floor read roles":
		return t.withDB(func(_ database, db *sql.DB) error { return t.floorReadRoles(ctx, db) })
	case "floor write":
		return t.withDB(func(d database, db *sql.DB) error { return t.floorWrite(ctx, d, db) })
	case "floor import":
		return t.withDB(func(d database, db *sql.DB) error { return d.insert(ctx, db, stateFull.users(t.People)) })
	}
	return fmt.Errorf("there is no task %q", t.Kind)
}

// config is for a connection that is not encrypted.
func (t task) config() activedirectory.Config {
	return activedirectory.Config{URLs: []string{t.URL}, BaseDN: suffix, Bind: activedirectory.SimpleBind(adminDN, adminPass), AllowPlaintext: true}
}

func (t task) directory() (*activedirectory.Directory, error) {
	cfg := t.config()
	if t.Authority == "" {
		return activedirectory.New(cfg)
	}
	cfg.AllowPlaintext = false
	certificate, err := os.ReadFile(t.Authority)
	if err != nil {
		return nil, err
	}
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.TLS.RootCAs.AppendCertsFromPEM(certificate)
	return activedirectory.New(cfg)
}

func (t task) list(ctx context.Context) error {
	dir, err := t.directory()
	if err != nil {
		return err
	}
	n := 0
	for _, err := range dir.Entries(ctx) {
		if err != nil {
			return err
		}
		n++
	}
	return t.counted(n)
}

func (t task) counted(n int) error {
	if n != t.People {
		return fmt.Errorf("%d people came, want %d", n, t.People)
	}
	return nil
}

// find looks some of the people up, spread over all.
func (t task) find(ctx context.Context) error {
	dir, err := t.directory()
	if err != nil {
		return err
	}
	ids := make([]adsync.ObjectID, t.Find)
	for i := range ids {
		ids[i] = objectID(i * (t.People / t.Find))
	}
	n := 0
	for e, err := range dir.Find(ctx, ids) {
		if err != nil {
			return err
		}
		if e.State == adsync.StatePresent {
			n++
		}
	}
	if n != t.Find {
		return fmt.Errorf("%d people were found, want %d", n, t.Find)
	}
	return nil
}

// listByGoLDAP is how a listing is read without adsync, one page after the other.
func (t task) listByGoLDAP() error {
	conn, err := ldap.DialURL(t.URL)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // the answer is there
	if err := conn.Bind(adminDN, adminPass); err != nil {
		return err
	}
	n := 0
	paging := ldap.NewControlPaging(1000)
	for {
		result, err := conn.Search(ldap.NewSearchRequest(suffix, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, attributes, []ldap.Control{paging}))
		if err != nil {
			return err
		}
		n += len(result.Entries)
		answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(answer.Cookie) == 0 {
			return t.counted(n)
		}
		paging.SetCookie(answer.Cookie)
	}
}

func (t task) withDB(f func(database, *sql.DB) error) error {
	found, err := named(t.Host.Database)
	if err != nil {
		return err
	}
	db, err := found[0].open(t.Host.DSN)
	if err != nil {
		return err
	}
	return errors.Join(f(found[0], db), db.Close())
}

func (t task) withStore(roles *sqlstore.Membership, f func(*sqlstore.Store) error) error {
	return t.withDB(func(d database, db *sql.DB) error {
		store, err := d.store(db, roles)
		if err != nil {
			return err
		}
		return f(store)
	})
}

func (t task) sync(ctx context.Context, rules adsync.Rules) error {
	var roles *sqlstore.Membership
	if t.Kind == "sync roles" {
		roles = membership()
	}
	return t.withStore(roles, func(store *sqlstore.Store) error {
		listed, err := t.directory()
		if err != nil {
			return err
		}
		dir := adsync.Directory(listed)
		if roles != nil {
			dir = newRoleDirectory(listed)
		}
		syncer, err := adsync.New(dir, store, &adsync.Options{Rules: rules, Limits: adsync.Limits{MaxRemovals: -1, MaxCleared: -1, MaxRekeyed: -1}})
		if err != nil {
			return err
		}
		report, err := syncer.Sync(ctx)
		if err := errors.Join(err, report.Err()); err != nil {
			return err
		}
		return t.check(report)
	})
}

// check reports a sync that did something else.
func (t task) check(report *adsync.Report) error {
	done := report.Counts()
	if got := (counts{done.Modified, done.Deleted, done.Created}); got != t.Want {
		return fmt.Errorf("the sync did %+v, want %+v", got, t.Want)
	}
	return nil
}

// floorRead reads all rows into texts, and does nothing with them.
func (t task) floorRead(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT id, ad_guid, login, first_name, last_name, email, phone, status FROM users")
	if err != nil {
		return err
	}
	defer rows.Close()
	var texts [8]sql.NullString
	var into []any
	for i := range texts {
		into = append(into, &texts[i])
	}
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	if n != t.Rows {
		return errors.Join(rows.Err(), fmt.Errorf("%d rows came, want %d", n, t.Rows))
	}
	return rows.Err()
}

// floorWrite changes a column of one row in a hundred and deletes one in two
// hundred, if any are to be deleted, the fastest way that the database has, without looking.
func (t task) floorWrite(ctx context.Context, d database, db *sql.DB) error {
	var changed, gone []int64
	for n := range t.People {
		switch {
		case n%100 == 1:
			changed = append(changed, int64(n+1))
		case n%200 == 2 && t.Want.Deleted > 0:
			gone = append(gone, int64(n+1))
		}
	}
	return inTx(ctx, db, func(tx *sql.Tx) error {
		written, err := d.write(ctx, tx, changed, gone)
		if want := int64(len(changed) + len(gone)); err == nil && written != want {
			err = fmt.Errorf("%d rows were written, want %d", written, want)
		}
		return err
	})
}
