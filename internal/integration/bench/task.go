package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/go-adsync/adsync"
)

// task is what one process does.
type task struct {
	Kind   string `json:"kind"`
	URL    string `json:"url"`
	People int    `json:"people"`
	Host   host   `json:"host"`
	Want   counts `json:"want"`
}

// counts are what a sync must have done: a fast one that does something else
// proves nothing.
type counts struct{ Modified, Deleted, Created int }

func (t task) run(ctx context.Context) error {
	switch t.Kind {
	case "list":
		return t.list(ctx)
	case "go-ldap":
		return t.listByGoLDAP()
	case "sync":
		return t.sync(ctx, adsync.Rules{OnUnproven: adsync.Remove})
	case "import":
		return t.sync(ctx, adsync.Rules{Import: true})
	case "floor read":
		return t.withDB(func(db *sql.DB) error { return floorRead(ctx, db) })
	case "floor write":
		return t.withDB(func(db *sql.DB) error { return t.floorWrite(ctx, db) })
	case "floor import":
		return t.withDB(func(db *sql.DB) error { return t.floorImport(ctx, db) })
	}
	return fmt.Errorf("there is no task %q", t.Kind)
}

func (t task) directory() (*adsync.ActiveDirectory, error) {
	return adsync.NewActiveDirectory(adsync.ActiveDirectoryConfig{
		URLs: []string{t.URL}, BaseDN: suffix, Bind: adsync.SimpleBind(adminDN, adminPass), AllowPlaintext: true})
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

func (t task) withDB(f func(*sql.DB) error) error {
	db, err := t.Host.open()
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

func (t task) sync(ctx context.Context, rules adsync.Rules) error {
	return t.withDB(func(db *sql.DB) error {
		store, err := t.Host.store(db)
		if err != nil {
			return err
		}
		dir, err := t.directory()
		if err != nil {
			return err
		}
		syncer, err := adsync.New(dir, store, &adsync.Options{Rules: rules, Limits: adsync.Limits{MaxRemovals: -1, MaxCleared: -1}})
		if err != nil {
			return err
		}
		report, err := syncer.Sync(ctx)
		if err := errors.Join(err, report.Err()); err != nil {
			return err
		}
		done := report.Counts()
		if got := (counts{done.Modified, done.Deleted, done.Created}); got != t.Want {
			return fmt.Errorf("the sync did %+v, want %+v", got, t.Want)
		}
		return nil
	})
}

// floorRead reads all rows into texts, and does nothing with them.
func floorRead(ctx context.Context, db *sql.DB) error {
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
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// floorWrite changes a column of one row in a hundred and deletes one in two
// hundred, the fastest way that the dialect has, without looking.
func (t task) floorWrite(ctx context.Context, db *sql.DB) error {
	var changed, gone []int64
	for n := range t.People {
		switch {
		case n%100 == 1:
			changed = append(changed, int64(n+1))
		case n%200 == 2:
			gone = append(gone, int64(n+1))
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if t.Host.Dialect == adsync.PostgreSQL {
		err = writeArrays(ctx, tx, changed, gone)
	} else {
		err = errors.Join(writeEach(ctx, tx, "UPDATE users SET phone = 'new' WHERE id = ?", changed), writeEach(ctx, tx, "DELETE FROM users WHERE id = ?", gone))
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

func writeArrays(ctx context.Context, tx *sql.Tx, changed, gone []int64) error {
	if _, err := tx.ExecContext(ctx, "UPDATE users SET phone = 'new' FROM unnest($1::bigint[]) AS n(id) WHERE users.id = n.id", changed); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM users WHERE id = ANY($1::bigint[])", gone)
	return err
}

func writeEach(ctx context.Context, tx *sql.Tx, text string, ids []int64) error {
	statement, err := tx.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, id := range ids {
		if _, err := statement.ExecContext(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// floorImport inserts everybody the fastest way that the dialect has.
func (t task) floorImport(ctx context.Context, db *sql.DB) error {
	if t.Host.Dialect != adsync.PostgreSQL {
		return insertAll(ctx, db, stateFull, t.People)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error {
		i := 0
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{"users"},
			[]string{"ad_guid", "login", "first_name", "last_name", "email", "phone", "status"},
			pgx.CopyFromFunc(func() ([]any, error) {
				if i == t.People {
					return nil, nil
				}
				e := entryOf(i)
				i++
				row := rowOf(adsync.User{ObjectID: e.ObjectID, Profile: e.Profile, Status: adsync.StatusActive})
				row[0] = [16]byte(e.ObjectID)
				return row, nil
			}))
		return err
	})
}
