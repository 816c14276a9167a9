package adsync_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func openMemory(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
	return adsync.NewMemoryStore(seed...), nil
}

func storeUser(id, username string) adsync.User {
	return adsync.User{
		ID: id, ObjectID: adsync.ObjectID{15: id[0]}, Source: "ad", Status: adsync.StatusActive,
		Profile: adsync.Profile{Username: username, Email: username + "@corp.example"},
	}
}

func storeUpdate(before adsync.User, edit func(*adsync.User)) adsync.Change {
	after := before
	edit(&after)
	return adsync.Change{Op: adsync.OpUpdate, UserID: before.ID, ObjectID: before.ObjectID, Before: &before, After: &after}
}

func storeDelete(before adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpDelete, UserID: before.ID, ObjectID: before.ObjectID, Before: &before}
}

func storeCreate(u adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u}
}

func readStore(t *testing.T, s adsync.UserStore) []adsync.User {
	t.Helper()
	var users []adsync.User
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		users = append(users, u)
	}
	return users
}

func TestMemoryStoreKeepsEveryDuty(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), openMemory))
}

func TestMemoryStoreYieldsASnapshotInOrderOfID(t *testing.T) {
	s := adsync.NewMemoryStore(storeUser("3", "cid"), storeUser("1", "ann"), storeUser("2", "bob"))
	var ids []string
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		ids = append(ids, u.ID)
		_ = s.DeleteUser(t.Context(), storeDelete(u)) // must neither block nor shift the rest
	}
	assert.Equal(t, []string{"1", "2", "3"}, ids)
	assert.Empty(t, readStore(t, s))
}

func TestMemoryStoreComparesKeysFolded(t *testing.T) {
	ann, bob := storeUser("1", "ann"), storeUser("2", "Stra\u00dfe")
	for _, key := range []string{"STRASSE", " strasse ", "stra\u00dfe"} {
		s := adsync.NewMemoryStore(ann, bob)
		err := s.UpdateUser(t.Context(), storeUpdate(ann, func(u *adsync.User) { u.Username = key }))
		assert.ErrorIs(t, err, adsync.ErrConflict, key)
		assert.NotContains(t, strings.ToLower(err.Error()), "stra", "an error must not tell a name")
		_, err = s.CreateUser(t.Context(), storeCreate(adsync.User{Profile: adsync.Profile{Username: key}}))
		assert.ErrorIs(t, err, adsync.ErrConflict, key)
	}
}

func TestMemoryStoreAcceptsClashesInTheSeed(t *testing.T) {
	one, two := storeUser("1", "ann"), storeUser("2", "ANN")
	s := adsync.NewMemoryStore(one, two)
	require.NoError(t, s.UpdateUser(t.Context(), storeUpdate(one, func(u *adsync.User) { u.Username = "Ann" })),
		"a row keeps the key that it held")
	require.NoError(t, s.UpdateUser(t.Context(), storeUpdate(two, func(u *adsync.User) { u.Username, u.Email = "bob", "" })))
	third := adsync.User{ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{Username: "ann"}}
	_, err := s.CreateUser(t.Context(), storeCreate(third))
	require.ErrorIs(t, err, adsync.ErrConflict, "one of the two still holds it")
	now, _ := s.Get("1")
	require.NoError(t, s.DeleteUser(t.Context(), storeDelete(now)))
	_, err = s.CreateUser(t.Context(), storeCreate(third))
	require.NoError(t, err, "both have given it up")
}

func TestMemoryStoreGivesNewIDs(t *testing.T) {
	s := adsync.NewMemoryStore(storeUser("1", "ann"), adsync.User{Profile: adsync.Profile{Username: "noid"}}, storeUser("3", "cid"))
	got, ok := s.Get("4")
	require.True(t, ok, "a user without an ID is given one that no other has")
	assert.Equal(t, "noid", got.Username)
	id, err := s.CreateUser(t.Context(), storeCreate(storeUser("9", "new")))
	require.NoError(t, err)
	assert.Equal(t, "5", id)
	created, _ := s.Get(id)
	require.NoError(t, s.DeleteUser(t.Context(), storeDelete(created)))
	id, err = s.CreateUser(t.Context(), storeCreate(storeUser("9", "new")))
	require.NoError(t, err)
	assert.Equal(t, "6", id, "the ID of a deleted user is not used again")
}

func TestMemoryStoreRefusesChangesOfTheWrongShape(t *testing.T) {
	ann := storeUser("1", "ann")
	s := adsync.NewMemoryStore(ann)
	renamed := storeUpdate(ann, func(u *adsync.User) { u.ID = "2" })
	for name, err := range map[string]error{
		"a deletion as an update": s.UpdateUser(t.Context(), storeDelete(ann)),
		"an update as a deletion": s.DeleteUser(t.Context(), storeUpdate(ann, func(*adsync.User) {})),
		"a new ID":                s.UpdateUser(t.Context(), renamed),
		"no After":                s.UpdateUser(t.Context(), adsync.Change{Op: adsync.OpUpdate, UserID: "1", Before: &ann}),
		"a notice":                s.ApplyChanges(t.Context(), []adsync.Change{{Op: adsync.OpNotice, UserID: "1"}})[0].Err,
	} {
		assert.ErrorContains(t, err, "adsync: ", name)
	}
	assert.Equal(t, []adsync.User{ann}, readStore(t, s))
}

func TestMemoryStoreIsSafeForConcurrentUse(t *testing.T) {
	s := adsync.NewMemoryStore()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			u := storeUser(fmt.Sprint(i), fmt.Sprint("user", i))
			id, err := s.CreateUser(t.Context(), storeCreate(u))
			assert.NoError(t, err)
			for range s.Users(t.Context()) {
				s.Get(id)
			}
		})
	}
	all.Wait()
	assert.Len(t, readStore(t, s), 8)
}

// noDatabase is never reached: NewSQLStore sends nothing.
type noDatabase struct{}

func (noDatabase) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("down") }

func (noDatabase) Driver() driver.Driver { return nil }

func noDB(t *testing.T, c driver.Connector) *sql.DB {
	db := sql.OpenDB(c)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func sqlTable(edit func(*adsync.SQLTable)) adsync.SQLTable {
	table := adsync.SQLTable{Name: "users", Columns: adsync.SQLColumns{
		ID: "id", ObjectID: "guid", Username: "login", Email: "mail", Status: "state",
	}}
	edit(&table)
	return table
}

func TestNewSQLStoreChecksTheMapping(t *testing.T) {
	db := noDB(t, noDatabase{})
	_, err := adsync.NewSQLStore(nil, adsync.SQLite, sqlTable(func(*adsync.SQLTable) {}))
	assert.ErrorContains(t, err, "adsync: NewSQLStore needs a database")
	_, err = adsync.NewSQLStore(db, "oracle", sqlTable(func(*adsync.SQLTable) {}))
	assert.ErrorContains(t, err, `adsync: there is no dialect "oracle"`)
	for _, test := range []struct {
		says string
		harm func(s *adsync.SQLTable)
	}{
		{"SQLTable.Name", func(s *adsync.SQLTable) { s.Name = "" }},
		{"SQLTable.Name", func(s *adsync.SQLTable) { s.Name = "a.b.c" }},
		{"SQLColumns.ID is missing", func(s *adsync.SQLTable) { s.Columns.ID = "" }},
		{"SQLColumns.ObjectID is missing", func(s *adsync.SQLTable) { s.Columns.ObjectID = "" }},
		{"SQLColumns.Username is missing", func(s *adsync.SQLTable) { s.Columns.Username = "" }},
		{"column login twice", func(s *adsync.SQLTable) { s.Columns.Email = "login" }},
		{"column id twice", func(s *adsync.SQLTable) { s.Columns.Phone = "id" }},
		{"both a Source and a Source column", func(s *adsync.SQLTable) { s.Columns.Source, s.Source = "source", "ad" }},
		{"without a Status column", func(s *adsync.SQLTable) {
			s.Columns.Status, s.Statuses = "", map[adsync.Status]any{adsync.StatusActive: 1}
		}},
		{"no value for StatusActive", func(s *adsync.SQLTable) { s.Statuses = map[adsync.Status]any{adsync.StatusBlocked: 1} }},
		{`maps "odd", which is no Status`, func(s *adsync.SQLTable) { s.Statuses = map[adsync.Status]any{"odd": 1} }},
		{"which are the same", func(s *adsync.SQLTable) { s.Statuses = map[adsync.Status]any{"": 1, adsync.StatusActive: 1} }},
		{"a text, a number or a flag", func(s *adsync.SQLTable) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: time.Time{}} }},
		{"a text, a number or a flag", func(s *adsync.SQLTable) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: []string{"x"}} }},
		{"maps to bytes", func(s *adsync.SQLTable) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: []byte("x")} }},
		{"an empty text", func(s *adsync.SQLTable) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: ""} }},
		{`ObjectIDs is "hex"`, func(s *adsync.SQLTable) { s.ObjectIDs = "hex" }},
		{"needs a Where", func(s *adsync.SQLTable) { s.Delete = map[string]any{"gone": 1} }},
		{"names no column", func(s *adsync.SQLTable) { s.Where, s.Delete = "gone = 0", map[string]any{} }},
		{`must not set the column "login"`, func(s *adsync.SQLTable) { s.Where, s.Delete = "gone = 0", map[string]any{"login": nil} }},
		{`Defaults must not set the column "mail"`, func(s *adsync.SQLTable) { s.Defaults = map[string]any{"mail": ""} }},
		{`Defaults must not set the column ""`, func(s *adsync.SQLTable) { s.Defaults = map[string]any{"": ""} }},
		{"1 placeholders, but Args has 0", func(s *adsync.SQLTable) { s.Where = "tenant = ?" }},
		{"without a Where", func(s *adsync.SQLTable) { s.Args = []any{1} }},
	} {
		_, err := adsync.NewSQLStore(db, adsync.SQLite, sqlTable(test.harm))
		assert.ErrorContains(t, err, test.says)
		assert.ErrorContains(t, err, "adsync: ")
	}
}

func TestSQLStoreFieldsAreThoseWithAColumn(t *testing.T) {
	db := noDB(t, noDatabase{})
	for _, test := range []struct {
		want []adsync.Field
		edit func(s *adsync.SQLTable)
	}{
		{[]adsync.Field{adsync.FieldUsername, adsync.FieldEmail, adsync.FieldStatus}, func(*adsync.SQLTable) {}},
		{[]adsync.Field{adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldPhone}, func(s *adsync.SQLTable) {
			s.Columns = adsync.SQLColumns{ID: "id", ObjectID: "guid", Username: "login", FirstName: "first", Phone: "phone", Protected: "admin"}
		}},
		{[]adsync.Field{adsync.FieldUsername, adsync.FieldEmail}, func(s *adsync.SQLTable) {
			s.Statuses = map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusBlocked: 0}
		}},
	} {
		s, err := adsync.NewSQLStore(db, adsync.SQLite, sqlTable(test.edit))
		require.NoError(t, err)
		assert.Equal(t, test.want, s.Traits().Fields)
	}
}

func TestSQLStoreSaysThatNothingWasWritten(t *testing.T) {
	s, err := adsync.NewSQLStore(noDB(t, noDatabase{}), adsync.SQLite, sqlTable(func(*adsync.SQLTable) {}))
	require.NoError(t, err)
	ann := storeUser("1", "ann")
	out := s.ApplyChanges(t.Context(), []adsync.Change{storeDelete(ann), storeCreate(ann)})
	require.Len(t, out, 2)
	for _, w := range out {
		assert.ErrorContains(t, w.Err, "nothing was written")
		assert.ErrorIs(t, w.Err, adsync.ErrNotWritten, "which ends the run, as no other change will fare better")
	}
	assert.Empty(t, s.ApplyChanges(t.Context(), nil))
	for _, err := range s.Users(t.Context()) {
		assert.ErrorContains(t, err, "adsync: cannot read the users of the table users")
	}
}

// silentCommit is a table whose database goes away during a commit.
type silentCommit struct{}

func (c silentCommit) Connect(context.Context) (driver.Conn, error) { return c, nil }

func (silentCommit) Driver() driver.Driver { return nil }

func (silentCommit) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not used") }

func (silentCommit) Close() error { return nil }

func (c silentCommit) Begin() (driver.Tx, error) { return c, nil }

func (silentCommit) Commit() error { return errors.New("connection reset") }

func (silentCommit) Rollback() error { return nil }

func (silentCommit) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (silentCommit) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &columnRows{names: []string{"id", "guid", "login", "mail", "state"}}, nil
}

// columnRows is what a catalogue says of nullable texts.
type columnRows struct{ names []string }

func (*columnRows) Columns() []string { return []string{"name", "type", "nullable"} }

func (*columnRows) Close() error { return nil }

func (r *columnRows) Next(row []driver.Value) error {
	if len(r.names) == 0 {
		return io.EOF
	}
	row[0], row[1], row[2] = r.names[0], "TEXT", true
	r.names = r.names[1:]
	return nil
}

func TestSQLStoreDoesNotGuessAboutACommit(t *testing.T) {
	s, err := adsync.NewSQLStore(noDB(t, silentCommit{}), adsync.SQLite, sqlTable(func(*adsync.SQLTable) {}))
	require.NoError(t, err)
	ann := storeUser("1", "ann")
	ann.Source = ""
	assert.ErrorIs(t, s.DeleteUser(t.Context(), storeDelete(ann)), adsync.ErrUnknown)
}
