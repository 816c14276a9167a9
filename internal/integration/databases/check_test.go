package databases

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/sqlstore"
)

// layout is one way in which a host may keep its users.
type layout struct {
	name   string
	schema string
	table  sqlstore.Table
	// insert adds a row of the seed as the host would; its arguments follow.
	insert string
	args   func(u adsync.User) []any
}

func sqliteLayouts() []layout {
	return []layout{
		{
			name:   "texts, every column",
			schema: sqliteUsers,
			table:  sqlstore.Table{Name: "users", Columns: allColumns},
			insert: `INSERT INTO users (object_id, source, username, first_name, last_name, email, phone, status, admin) VALUES (?, ?, ?, ?, ?, NULLIF(?, ''), ?, ?, ?)`,
			args: func(u adsync.User) []any {
				return []any{u.ObjectID, u.Source, u.Username, u.FirstName, u.LastName, u.Email, u.Phone, string(u.Status), u.Protected}
			},
		},
		{
			name: "columns that ignore case, numbers for status, names in need of quotes, ids of bytes",
			schema: "CREATE TABLE `the \"users\"` (\"select\" BLOB PRIMARY KEY DEFAULT (randomblob(16)), \"object id\" BLOB, `a``b` TEXT," +
				" username TEXT COLLATE NOCASE NOT NULL UNIQUE, mail TEXT COLLATE NOCASE UNIQUE, phone TEXT COLLATE RTRIM, state INTEGER, UNIQUE (\"object id\", `a``b`))",
			table: sqlstore.Table{
				Name:      `main.the "users"`,
				Columns:   sqlstore.Columns{ID: "select", ObjectID: "object id", Source: "a`b", Username: "username", Email: "mail", Phone: "phone", Status: "state"},
				Statuses:  map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusBlocked: 2, adsync.StatusDeactivated: nil},
				ObjectIDs: "ad-bytes",
			},
			insert: "INSERT INTO `the \"users\"` (\"object id\", `a``b`, username, mail, phone, state) VALUES (?, ?, ?, NULLIF(?, ''), ?, ?)",
			args: func(u adsync.User) []any {
				state := map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusBlocked: 2}[u.Status]
				return []any{inWireOrder(u.ObjectID), u.Source, u.Username, u.Email, u.Phone, state}
			},
		},
		{
			name: "a part of a table, soft delete, one source, objectGUIDs in upper case",
			schema: `CREATE TABLE accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT, login TEXT NOT NULL UNIQUE, mail TEXT NOT NULL,
				kind TEXT NOT NULL, tenant INTEGER NOT NULL, deleted_at TEXT);
				CREATE UNIQUE INDEX mails ON accounts (mail) WHERE mail <> '';
				INSERT INTO accounts (guid, login, mail, kind, tenant) VALUES ('nonsense', 'robot', '', 'robot', 1)`,
			table: sqlstore.Table{
				Name:     "accounts",
				Columns:  sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Email: "mail"},
				Where:    "kind = $2 AND tenant = $1 AND deleted_at IS NULL -- people of one tenant",
				Args:     []any{7, "person"},
				Source:   "ad",
				Defaults: map[string]any{"kind": "person", "tenant": 7},
				Delete:   map[string]any{"deleted_at": "2026-01-02"},
			},
			insert: `INSERT INTO accounts (guid, login, mail, kind, tenant) VALUES (upper(?), ?, ?, 'person', 7)`,
			args:   func(u adsync.User) []any { return []any{u.ObjectID, u.Username, u.Email} },
		},
	}
}

func checkLayout(t *testing.T, l layout, dialect sqlstore.Dialect, open func() *sql.DB) {
	var db *sql.DB
	err := adsynctest.CheckStore(t.Context(), func(ctx context.Context, seed []adsync.User) (adsync.UserStore, error) {
		if db != nil {
			require.NoError(t, db.Close()) // a server has only so many connections
		}
		db = open()
		for _, u := range seed {
			mustExec(t, db, l.insert, l.args(u)...)
		}
		return sqlstore.New(db, dialect, l.table)
	})
	require.NoError(t, err)
}
