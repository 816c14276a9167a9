package onsqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// host is a database with a table of users, and a store over it.
type host struct {
	*sqlstore.Store
	t  testing.TB
	db *sql.DB
}

const people = `CREATE TABLE people (
	id INTEGER PRIMARY KEY, guid TEXT, src TEXT NOT NULL DEFAULT '', login TEXT NOT NULL CONSTRAINT one_login UNIQUE, given TEXT NOT NULL DEFAULT '',
	family TEXT NOT NULL DEFAULT '', mail TEXT UNIQUE, phone TEXT NOT NULL DEFAULT '' CHECK (phone <> '666'), state TEXT NOT NULL DEFAULT 'active',
	admin BOOLEAN NOT NULL DEFAULT FALSE, tenant INTEGER NOT NULL DEFAULT 7, UNIQUE (src, guid))`

// peopleTable maps all its columns.
func peopleTable() sqlstore.Table {
	return sqlstore.Table{
		Name: "people", Where: "tenant = ?", Args: []any{7}, Defaults: map[string]any{"tenant": 7},
		Columns: sqlstore.Columns{
			ID: "id", ObjectID: "guid", Source: "src", Username: "login", FirstName: "given", LastName: "family",
			Email: "mail", Phone: "phone", Status: "state", Protected: "admin",
		},
	}
}

// newHost opens a new file. The texts are run first.
func newHost(t testing.TB, table sqlstore.Table, texts ...string) *host {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "host.db") + "?_pragma=foreign_keys(1)&_pragma=synchronous(off)"
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	h := &host{t: t, db: db}
	for _, text := range texts {
		h.exec(text)
	}
	h.Store, err = sqlstore.New(db, sqlstore.SQLite, table)
	require.NoError(t, err)
	return h
}

func (h *host) exec(text string, args ...any) {
	h.t.Helper()
	_, err := h.db.Exec(text, args...)
	require.NoError(h.t, err)
}

// text is the one value of a query.
func (h *host) text(query string, args ...any) string {
	h.t.Helper()
	var v any
	require.NoError(h.t, h.db.QueryRow(query, args...).Scan(&v))
	return fmt.Sprint(v)
}

// users are all users, by username.
func (h *host) users() map[string]adsync.User {
	h.t.Helper()
	users := map[string]adsync.User{}
	for u, err := range h.Users(h.t.Context()) {
		require.NoError(h.t, err)
		require.NotContains(h.t, users, u.Username)
		users[u.Username] = u
	}
	return users
}

// add creates users one by one and returns them as the store reads them.
func (h *host) add(usernames ...string) map[string]adsync.User {
	h.t.Helper()
	for i, name := range usernames {
		id, err := h.CreateUser(h.t.Context(), create(person(i+1, name)))
		require.NoError(h.t, err)
		require.NotEmpty(h.t, id)
	}
	return h.users()
}

// errs are what became of the changes.
func (h *host) errs(changes ...adsync.Change) []error {
	var all []error
	for _, w := range h.ApplyChanges(h.t.Context(), changes) {
		all = append(all, w.Err)
	}
	return all
}

// requireErrs compares them: nil, one that errors.Is finds, or a text.
func requireErrs(t testing.TB, got []error, want ...any) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		switch w := w.(type) {
		case nil:
			require.NoError(t, got[i], i)
		case error:
			require.ErrorIs(t, got[i], w, i)
		case string:
			require.ErrorContains(t, got[i], w, i)
			require.True(t, strings.HasPrefix(got[i].Error(), "adsync: "), got[i])
		}
	}
}

func objectID(n int) adsync.ObjectID {
	return adsync.ObjectID{0xe1, 0x24, 0x85, 0x5b, 14: byte(n >> 8), 15: byte(n)}
}

func person(n int, username string) adsync.User {
	return adsync.User{
		ObjectID: objectID(n), Source: "ad", Status: adsync.StatusActive,
		Profile: adsync.Profile{Username: username, FirstName: "F" + username, LastName: "L", Email: username + "@corp.example", Phone: "1"},
	}
}

func with(u adsync.User, edit func(*adsync.User)) adsync.User {
	edit(&u)
	return u
}

func create(u adsync.User) adsync.Change {
	u.ID = ""
	return adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u}
}

func update(before adsync.User, edit func(*adsync.User)) adsync.Change {
	after := with(before, edit)
	return adsync.Change{Op: adsync.OpUpdate, UserID: before.ID, ObjectID: after.ObjectID, Before: &before, After: &after}
}

func remove(before adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpDelete, UserID: before.ID, ObjectID: before.ObjectID, Before: &before}
}
