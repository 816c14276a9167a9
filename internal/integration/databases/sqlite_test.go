package databases

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// openSQLite opens a new database file. The short busy timeout leaves waiting to
// the store.
func openSQLite(t testing.TB, schema ...string) *sql.DB {
	t.Helper()
	return open(t, "sqlite", newSQLite(t), schema...)
}

// newSQLite names a new file, and how to open it.
func newSQLite(t testing.TB) (dsn string) {
	return "file:" + filepath.Join(t.TempDir(), "host.db") + "?_pragma=foreign_keys(1)&_pragma=synchronous(off)"
}

func mustExec(t testing.TB, db *sql.DB, text string, args ...any) {
	t.Helper()
	_, err := db.Exec(text, args...)
	require.NoError(t, err)
}

const sqliteUsers = `CREATE TABLE users (
	id INTEGER PRIMARY KEY,
	object_id TEXT,
	source TEXT NOT NULL DEFAULT '',
	username TEXT NOT NULL UNIQUE,
	first_name TEXT NOT NULL DEFAULT '',
	last_name TEXT NOT NULL DEFAULT '',
	email TEXT UNIQUE,
	phone TEXT NOT NULL DEFAULT '',
	status TEXT NOT NULL DEFAULT 'active',
	admin BOOLEAN NOT NULL DEFAULT FALSE,
	UNIQUE (source, object_id)
)`

var allColumns = sqlstore.Columns{
	ID: "id", ObjectID: "object_id", Source: "source", Username: "username", FirstName: "first_name",
	LastName: "last_name", Email: "email", Phone: "phone", Status: "status", Protected: "admin",
}

func newStore(t testing.TB, db *sql.DB, dialect sqlstore.Dialect, table sqlstore.Table) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, dialect, table)
	require.NoError(t, err)
	return s
}

func objectID(n int) adsync.ObjectID {
	id, err := adsync.ParseObjectID(fmt.Sprintf("e124855b-371a-41be-9f05-%012x", n))
	if err != nil {
		panic(err)
	}
	return id
}

// person makes a managed user.
func person(n int, username string) adsync.User {
	return adsync.User{
		ID: fmt.Sprint(n), ObjectID: objectID(n), Source: "ad", Status: adsync.StatusActive,
		Profile: adsync.Profile{
			Username: username, FirstName: "F" + username, LastName: "L" + username,
			Email: username + "@corp.example", Phone: fmt.Sprintf("+49 30 %06d", n),
		},
	}
}

func create(u adsync.User) adsync.Change {
	u.ID = ""
	return adsync.Change{Op: adsync.OpCreate, Reason: adsync.ReasonNew, ObjectID: u.ObjectID, After: &u}
}

func update(before, after adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonChanged, UserID: before.ID, ObjectID: after.ObjectID, Before: &before, After: &after}
}

func remove(before adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpDelete, Reason: adsync.ReasonDeleted, UserID: before.ID, ObjectID: before.ObjectID, Before: &before}
}

func list(t testing.TB, s adsync.UserStore) map[string]adsync.User {
	t.Helper()
	users := make(map[string]adsync.User)
	for u, err := range s.Users(context.Background()) {
		require.NoError(t, err)
		require.NotContains(t, users, u.Username)
		users[u.Username] = u
	}
	return users
}

func seed(t testing.TB, s *sqlstore.Store, users ...adsync.User) {
	t.Helper()
	var cs []adsync.Change
	for _, u := range users {
		cs = append(cs, create(u))
	}
	for _, w := range s.ApplyChanges(context.Background(), cs) {
		require.NoError(t, w.Err)
		require.NotEmpty(t, w.UserID)
	}
}

// A store's first question, for the types of the columns, waits too while others
// keep the file locked.
func TestSQLite_WaitsBeforeTheFirstWrite(t *testing.T) {
	dsn := newSQLite(t)
	db, other := open(t, "sqlite", dsn, sqliteUsers), open(t, "sqlite", dsn)
	other.SetMaxOpenConns(1)
	mustExec(t, other, "BEGIN EXCLUSIVE")
	freed := make(chan error)
	time.AfterFunc(50*time.Millisecond, func() {
		_, err := other.Exec("ROLLBACK")
		freed <- err
	})
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
	_, err := s.CreateUser(t.Context(), create(person(1, "ann")))
	require.NoError(t, <-freed)
	require.NoError(t, err)
}

// sizedStore notes how many changes it is given at once.
type sizedStore struct {
	*sqlstore.Store
	sizes []int
}

func (s *sizedStore) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	s.sizes = append(s.sizes, len(cs))
	return s.Store.ApplyChanges(ctx, cs)
}

func TestSQLite_NewUsersComeInLargeBatches(t *testing.T) {
	for name, test := range map[string]struct {
		size, imported, all int
		want                []int
	}{
		"as it comes":       {0, 700, 6001, []int{500, 500, 5000, 1}},
		"as the host wants": {80, 30, 200, []int{80, 80, 40}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sizedStore{Store: newStore(t, openSQLite(t, sqliteUsers), sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})}
			var dir adsync.StaticDirectory
			var there []adsync.User
			for i := range test.all {
				u := person(i+1, fmt.Sprint("user", i))
				if i < test.imported {
					there = append(there, u)
					u.Phone = "1"
				}
				dir = append(dir, adsync.Entry{ObjectID: u.ObjectID, Profile: u.Profile})
			}
			seed(t, s.Store, there...)
			syncer, err := adsync.New(dir, s, &adsync.Options{Rules: adsync.Rules{Source: "ad", Import: true}, BatchSize: test.size})
			require.NoError(t, err)
			report, err := syncer.Sync(t.Context())
			require.NoError(t, err)
			require.NoError(t, report.Err())
			require.Equal(t, test.want, s.sizes)
			require.Len(t, list(t, s), test.all)
		})
	}
}

// A large batch gets its turn where somebody writes all the time, even if it has to
// look for entries in all spellings.
func TestSQLite_ImportWithABusyWriter(t *testing.T) {
	const people = 2000
	dsn := "file:" + filepath.Join(t.TempDir(), "host.db") + "?_pragma=journal_mode(wal)&_pragma=synchronous(off)&_pragma=busy_timeout(120000)"
	db := open(t, "sqlite", dsn, sqliteUsers, "CREATE TABLE hits (n INT)")
	mustExec(t, db, "INSERT INTO users (object_id, source, username) VALUES ('{E124855B-371A-41BE-9F05-FFFFFFFFFFFF}', 'ad', 'odd')")
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
	other, ctx := open(t, "sqlite", dsn), t.Context()
	ctx, stop := context.WithCancel(ctx)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer stop()
	writer.Go(func() {
		for ctx.Err() == nil {
			_, _ = other.Exec("INSERT INTO hits VALUES (1)") // it may have to wait too long itself
			time.Sleep(time.Millisecond)
		}
	})
	var cs []adsync.Change
	for i := range people {
		cs = append(cs, create(person(i+1, fmt.Sprint("user", i))))
	}
	for _, w := range s.ApplyChanges(t.Context(), cs) {
		require.NoError(t, w.Err)
	}
	require.Len(t, list(t, s), people+1)
}

// SQLite ends the transaction by itself when it finds no more room. Its connection,
// which may hold the only copy of the database, stays.
func TestSQLite_FullDatabaseKeepsItsConnection(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	mustExec(t, db, sqliteUsers)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
	seed(t, s, person(1, "ann"))
	var pages int
	require.NoError(t, db.QueryRow("PRAGMA page_count").Scan(&pages))
	mustExec(t, db, fmt.Sprint("PRAGMA max_page_count = ", pages+20))
	var cs []adsync.Change
	for i := range 1200 {
		cs = append(cs, create(person(1000+i, fmt.Sprint("user", i))))
	}
	failed := 0
	for _, w := range s.ApplyChanges(t.Context(), cs) {
		if w.Err != nil {
			require.ErrorContains(t, w.Err, "full")
			failed++
		}
	}
	require.NotZero(t, failed)
	require.Len(t, list(t, s), 1+len(cs)-failed)
}

// Where an objectGUID is unique in the table, who was marked as deleted must give it
// up, or could never be imported again.
func TestSoftDelete_GivesUpTheObjectID(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, guid TEXT UNIQUE, login TEXT UNIQUE, gone TEXT)`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{
		Name: "users", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"},
		Where: "gone IS NULL", Delete: map[string]any{"gone": "now", "guid": nil},
	})
	ann := adsync.User{ObjectID: objectID(1), Profile: adsync.Profile{Username: "ann"}}
	seed(t, s, ann)
	require.NoError(t, s.DeleteUser(t.Context(), remove(list(t, s)["ann"])))
	require.Empty(t, list(t, s))
	seed(t, s, ann)
	require.Len(t, list(t, s), 1)
}
