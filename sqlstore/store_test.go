package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// noDatabase is never reached: New sends nothing.
type noDatabase struct{}

func (noDatabase) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("down") }

func (noDatabase) Driver() driver.Driver { return nil }

func noDB(t *testing.T, c driver.Connector) *sql.DB {
	db := sql.OpenDB(c)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func sqlTable(edit func(*sqlstore.Table)) sqlstore.Table {
	table := sqlstore.Table{Name: "users", Columns: sqlstore.Columns{
		ID: "id", ObjectID: "guid", Username: "login", Email: "mail", Status: "state",
	}}
	edit(&table)
	return table
}

func derived(column string) map[string]func(adsync.User) any {
	return map[string]func(adsync.User) any{column: func(u adsync.User) any { return u.Username }}
}

func TestNew_ChecksTheMapping(t *testing.T) {
	db := noDB(t, noDatabase{})
	_, err := sqlstore.New(nil, sqlstore.SQLite, sqlTable(func(*sqlstore.Table) {}))
	assert.ErrorContains(t, err, "adsync: sqlstore.New needs a database")
	_, err = sqlstore.New(db, "oracle", sqlTable(func(*sqlstore.Table) {}))
	assert.ErrorContains(t, err, `adsync: there is no dialect "oracle"`)
	for _, test := range []struct {
		says string
		harm func(s *sqlstore.Table)
	}{
		{"sqlstore.Table.Name", func(s *sqlstore.Table) { s.Name = "" }},
		{"sqlstore.Table.Name", func(s *sqlstore.Table) { s.Name = "a.b.c" }},
		{"sqlstore.Columns.ID is missing", func(s *sqlstore.Table) { s.Columns.ID = "" }},
		{"sqlstore.Columns.ObjectID is missing", func(s *sqlstore.Table) { s.Columns.ObjectID = "" }},
		{"sqlstore.Columns.Username is missing", func(s *sqlstore.Table) { s.Columns.Username = "" }},
		{"column login twice, and each holds one detail; name it once, and let adsync.Rules.Map put there", func(s *sqlstore.Table) { s.Columns.Email = "login" }},
		{"column id twice", func(s *sqlstore.Table) { s.Columns.Phone = "id" }},
		{"Extra must not name the roles; use sqlstore.Table.Roles", func(s *sqlstore.Table) { s.Columns.Extra = map[adsync.Field]string{adsync.FieldRoles: "roles"} }},
		{"Extra must not name the roles", func(s *sqlstore.Table) { s.Columns.Extra = map[adsync.Field]string{adsync.FieldHostRoles: "roles"} }},
		{"both a Source and a Source column", func(s *sqlstore.Table) { s.Columns.Source, s.Source = "source", "ad" }},
		{"without a Status column", func(s *sqlstore.Table) {
			s.Columns.Status, s.Statuses = "", map[adsync.Status]any{adsync.StatusActive: 1}
		}},
		{"no value for StatusActive", func(s *sqlstore.Table) { s.Statuses = map[adsync.Status]any{adsync.StatusBlocked: 1} }},
		{`maps "odd", which is no Status`, func(s *sqlstore.Table) { s.Statuses = map[adsync.Status]any{"odd": 1} }},
		{"which are the same", func(s *sqlstore.Table) { s.Statuses = map[adsync.Status]any{"": 1, adsync.StatusActive: 1} }},
		{"maps active to one time; use Now for the time of the write, and NotNull for any", func(s *sqlstore.Table) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: time.Time{}} }},
		{"maps inactive to one time", func(s *sqlstore.Table) {
			s.Statuses = map[adsync.Status]any{adsync.StatusActive: nil, adsync.StatusInactive: sql.NullTime{Valid: true}}
		}},
		{"a text, a number, a flag, Null, NotNull or Now", func(s *sqlstore.Table) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: []string{"x"}} }},
		{"maps to bytes", func(s *sqlstore.Table) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: []byte("x")} }},
		{"an empty text", func(s *sqlstore.Table) { s.Statuses = map[adsync.Status]any{adsync.StatusActive: ""} }},
		{`ObjectIDs is "hex"`, func(s *sqlstore.Table) { s.ObjectIDs = "hex" }},
		{"needs a Where", func(s *sqlstore.Table) { s.Delete = map[string]any{"gone": 1} }},
		{"names no column", func(s *sqlstore.Table) { s.Where, s.Delete = "gone = 0", map[string]any{} }},
		{`Delete must not set the column ""`, func(s *sqlstore.Table) { s.Where, s.Delete = "gone = 0", map[string]any{"": 1} }},
		{`Delete must not set the column "id"`, func(s *sqlstore.Table) { s.Where, s.Delete = "gone = 0", map[string]any{"id": 1} }},
		{`Delete must not set the column "mail"`, func(s *sqlstore.Table) { s.Where, s.Delete = "gone = 0", map[string]any{"mail": nil} }},
		{`Delete must not set the column "login"`, func(s *sqlstore.Table) { s.Where, s.Delete = "gone = 0", map[string]any{"login": nil} }},
		{`Defaults must not set the column "mail"`, func(s *sqlstore.Table) { s.Defaults = map[string]any{"mail": ""} }},
		{`Defaults must not set the column ""`, func(s *sqlstore.Table) { s.Defaults = map[string]any{"": ""} }},
		{`Derived must not set the column "mail"`, func(s *sqlstore.Table) { s.Derived = derived("mail") }},
		{`Derived must not set the column "id"`, func(s *sqlstore.Table) { s.Derived = derived("id") }},
		{"Derived has no function for the column full_name", func(s *sqlstore.Table) { s.Derived = map[string]func(adsync.User) any{"full_name": nil} }},
		{"so must neither Defaults nor Delete", func(s *sqlstore.Table) {
			s.Derived, s.Defaults = derived("full_name"), map[string]any{"full_name": ""}
		}},
		{"so must neither Defaults nor Delete", func(s *sqlstore.Table) {
			s.Derived, s.Where, s.Delete = derived("gone"), "gone IS NULL", map[string]any{"gone": sqlstore.Now}
		}},
		{"1 placeholders, but Args has 0", func(s *sqlstore.Table) { s.Where = "tenant = ?" }},
		{"without a Where", func(s *sqlstore.Table) { s.Args = []any{1} }},
	} {
		_, err := sqlstore.New(db, sqlstore.SQLite, sqlTable(test.harm))
		assert.ErrorContains(t, err, test.says)
		assert.ErrorContains(t, err, "adsync: ")
	}
}

func TestStore_FieldsAreThoseWithAColumn(t *testing.T) {
	db := noDB(t, noDatabase{})
	for _, test := range []struct {
		want []adsync.Field
		edit func(s *sqlstore.Table)
	}{
		{[]adsync.Field{adsync.FieldUsername, adsync.FieldEmail, adsync.FieldStatus}, func(*sqlstore.Table) {}},
		{[]adsync.Field{adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldPhone}, func(s *sqlstore.Table) {
			s.Columns = sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", FirstName: "first", Phone: "phone", Protected: "admin"}
		}},
		{[]adsync.Field{adsync.FieldUsername, adsync.FieldEmail, adsync.FieldStatus, department}, func(s *sqlstore.Table) {
			s.Columns.Extra = map[adsync.Field]string{department: "dept"}
		}},
		{[]adsync.Field{adsync.FieldUsername, adsync.FieldEmail}, func(s *sqlstore.Table) {
			s.Statuses = map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusBlocked: 0}
		}},
	} {
		s, err := sqlstore.New(db, sqlstore.SQLite, sqlTable(test.edit))
		require.NoError(t, err)
		assert.Equal(t, test.want, s.Traits().Fields)
	}
}

func TestStore_SaysThatNothingWasWritten(t *testing.T) {
	s, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.SQLite, sqlTable(func(*sqlstore.Table) {}))
	require.NoError(t, err)
	ann := storeUser("1", "ann")
	out := s.ApplyChanges(t.Context(), []adsync.Change{storeDelete(ann), storeCreate(ann)})
	require.Len(t, out, 2)
	for _, w := range out {
		assert.ErrorContains(t, w.Err, "nothing was written")
		assert.ErrorIs(t, w.Err, adsync.ErrNotWritten, "which ends the run, as no other change will fare better")
	}
	for _, err := range s.Users(t.Context()) {
		assert.ErrorContains(t, err, "adsync: cannot read the users of the table users")
	}
}

// countedConnections counts those that are asked for.
type countedConnections struct {
	noDatabase
	n *int
}

func (c countedConnections) Connect(ctx context.Context) (driver.Conn, error) {
	*c.n++
	return c.noDatabase.Connect(ctx)
}

// What is nothing to write, or is passed to the wrong method, does not reach the database.
func TestStore_AsksNothingInVain(t *testing.T) {
	asked, ann := 0, storeUser("1", "ann")
	s, err := sqlstore.New(noDB(t, countedConnections{n: &asked}), sqlstore.SQLite, sqlTable(func(*sqlstore.Table) {}))
	require.NoError(t, err)
	assert.Empty(t, s.ApplyChanges(t.Context(), nil))
	assert.ErrorContains(t, s.UpdateUser(t.Context(), storeDelete(ann)), `adsync: a change of kind "delete" cannot be written as "update"`)
	assert.ErrorContains(t, s.DeleteUser(t.Context(), storeCreate(ann)), `adsync: a change of kind "create" cannot be written as "delete"`)
	_, err = s.CreateUser(t.Context(), storeDelete(ann))
	assert.ErrorContains(t, err, `adsync: a change of kind "delete" cannot be written as "create"`)
	assert.Zero(t, asked)
}

// What the host changes in its Table later is none of the store's.
func TestNew_KeepsTheTableAsItWas(t *testing.T) {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	changes := []adsync.Change{updateTo(ann, renamed(ann, "anna")), storeDelete(bob), createOf(cid)}
	written := func(spoil func(*sqlstore.Table)) string {
		r := &recorder{types: peopleTypes(sqlstore.SQLite), before: storedAll(ann, bob), after: storedAll(renamed(ann, "anna"), cid)}
		table := peopleTable()
		table.Where, table.Delete = "tenant = ? AND kind <> ?", map[string]any{"tenant": 8}
		table.Statuses = map[adsync.Status]any{adsync.StatusActive: "active", adsync.StatusBlocked: "x"}
		s, _ := openRecorder(t, r, sqlstore.SQLite, table)
		spoil(&table)
		for _, w := range s.ApplyChanges(t.Context(), changes) {
			require.NoError(t, w.Err)
		}
		return r.statements()
	}
	assert.Equal(t, written(func(*sqlstore.Table) {}), written(func(table *sqlstore.Table) {
		table.Args[0], table.Statuses[adsync.StatusActive] = "spoiled", "spoiled"
		table.Defaults["note"], table.Delete["tenant"] = "spoiled", "spoiled"
		table.Derived["login_lower"] = func(adsync.User) any { return "spoiled" }
	}))
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

func (silentCommit) QueryContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	if !strings.Contains(text, "pragma_table_xinfo") {
		return &columnRows{}, nil // no row of that kind
	}
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

func TestStore_DoesNotGuessAboutACommit(t *testing.T) {
	s, err := sqlstore.New(noDB(t, silentCommit{}), sqlstore.SQLite, sqlTable(func(*sqlstore.Table) {}))
	require.NoError(t, err)
	ann := storeUser("1", "ann")
	ann.Source = ""
	assert.ErrorIs(t, s.DeleteUser(t.Context(), storeDelete(ann)), adsync.ErrUnknown)
}

func storeUser(id, username string) adsync.User {
	return adsync.User{
		ID: id, ObjectID: adsync.ObjectID{15: id[0]}, Source: "ad", Status: adsync.StatusActive,
		Profile: adsync.Profile{Username: username, Email: username + "@corp.example"},
	}
}

func storeDelete(before adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpDelete, UserID: before.ID, ObjectID: before.ObjectID, Before: &before}
}

func storeCreate(u adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u}
}

func TestNew_RefusesStatusesThatNobodyCanTell(t *testing.T) {
	active, inactive, deactivated, blocked := adsync.StatusActive, adsync.StatusInactive, adsync.StatusDeactivated, adsync.StatusBlocked
	for _, test := range []struct {
		says     string
		statuses map[adsync.Status]any
	}{
		{"two statuses to NotNull or Now", map[adsync.Status]any{active: sqlstore.Null, deactivated: sqlstore.Now, blocked: sqlstore.NotNull}},
		{"maps StatusActive to NotNull or Now", map[adsync.Status]any{active: sqlstore.NotNull, deactivated: sqlstore.Null}},
		{"StatusActive and another status to one value", map[adsync.Status]any{active: 1, inactive: true}},
		{"StatusActive and another status to one value", map[adsync.Status]any{active: nil, blocked: sqlstore.Null}},
	} {
		_, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.SQLite, sqlTable(func(s *sqlstore.Table) { s.Statuses = test.statuses }))
		assert.ErrorContains(t, err, test.says)
	}
}

// What a column can say of whom a sync deactivates.
func TestStore_TellsWhichStatusesItHolds(t *testing.T) {
	active, inactive, deactivated, blocked := adsync.StatusActive, adsync.StatusInactive, adsync.StatusDeactivated, adsync.StatusBlocked
	for _, test := range []struct {
		want     adsync.Field
		statuses map[adsync.Status]any
	}{
		{adsync.FieldStatus, nil},
		{adsync.FieldActive, map[adsync.Status]any{active: true, deactivated: false}},
		{adsync.FieldStatus, map[adsync.Status]any{active: "on", deactivated: "gone"}},
		{adsync.FieldStatus, map[adsync.Status]any{active: nil, deactivated: 1}},
		{adsync.FieldStatus, map[adsync.Status]any{active: 1, deactivated: 0, inactive: 2}},
		{adsync.FieldActive, map[adsync.Status]any{active: 1, inactive: 0}},
		{adsync.FieldActive, map[adsync.Status]any{active: "N", deactivated: "Y"}},
		{adsync.FieldActive, map[adsync.Status]any{active: sqlstore.Null, deactivated: sqlstore.Now}},
		{adsync.FieldStatus, map[adsync.Status]any{active: true, deactivated: false, blocked: nil}},
		{adsync.FieldStatus, map[adsync.Status]any{active: 1, deactivated: 2}},
		{adsync.FieldStatus, map[adsync.Status]any{active: sqlstore.Null, deactivated: "sync", blocked: sqlstore.NotNull}},
		{"", map[adsync.Status]any{active: sqlstore.Null, deactivated: sqlstore.NotNull}}, // which cannot be written
		{"", map[adsync.Status]any{active: true, blocked: false}},
		{"", map[adsync.Status]any{active: 1, blocked: 0, deactivated: 0}},
	} {
		s, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.SQLite, sqlTable(func(s *sqlstore.Table) { s.Statuses = test.statuses }))
		require.NoError(t, err)
		var got adsync.Field
		for _, f := range s.Traits().Fields {
			if f == adsync.FieldStatus || f == adsync.FieldActive {
				got = f
			}
		}
		assert.Equal(t, test.want, got, "%v", test.statuses)
	}
}

// Nothing of the host's is called concurrently but what is to be pure.
func TestTraits_SayWhereNewUsersAreWrittenInHalves(t *testing.T) {
	for _, test := range []struct {
		dialect sqlstore.Dialect
		edit    func(*sqlstore.Table)
		want    int
	}{
		{sqlstore.PostgreSQL, func(*sqlstore.Table) {}, 10_000},
		{sqlstore.MySQL, func(*sqlstore.Table) {}, 10_000},
		{sqlstore.SQLite, func(*sqlstore.Table) {}, 5000},
		{sqlstore.PostgreSQL, func(table *sqlstore.Table) { table.Defaults = map[string]any{"tenant": 7} }, 10_000},
		{sqlstore.PostgreSQL, func(table *sqlstore.Table) { table.Defaults = map[string]any{"id": sql.NullString{}} }, 5000},
		{sqlstore.PostgreSQL, func(table *sqlstore.Table) {
			table.OnWrite = func(context.Context, *sql.Tx, adsync.Change, string) error { return nil }
		}, 5000},
		{sqlstore.PostgreSQL, func(table *sqlstore.Table) {
			table.Roles = &sqlstore.Membership{Table: "members", User: "user_id", Role: "role_id", Roles: map[string]any{"a": 1}}
		}, 5000},
	} {
		s, err := sqlstore.New(noDB(t, noDatabase{}), test.dialect, sqlTable(test.edit))
		require.NoError(t, err)
		assert.Equal(t, test.want, s.Traits().CreatesAtOnce, test)
	}
}
