package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// columnsOf is the answer to what MySQL is asked for the columns of a table, but those.
func columnsOf(but ...string) reply {
	p := reply{to: "SELECT column_name, column_type", columns: []string{"name", "type", "nullable", "key", "collate"}}
	types := peopleTypes(sqlstore.MySQL)
	for _, name := range but {
		types = without(types, name)
	}
	for _, c := range types {
		p.rows = append(p.rows, []driver.Value{c.name, c.kind, c.nullable, c.key, c.collate})
	}
	return p
}

// shownTable is the people as a view shows them, of which OnWrite writes what the table lacks.
func shownTable() sqlstore.Table {
	table := peopleTable()
	table.View, table.Derived = "shown", nil
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		_, err := tx.ExecContext(ctx, "CALL note", string(c.Op), id)
		return err
	}
	return table
}

// What only the view has is left to OnWrite, and the users are those that it shows.
func TestView_ShowsMoreThanTheTableHas(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	called := edited(ann, func(u *adsync.User) { u.Phone = "2" })
	both := edited(called, func(u *adsync.User) { u.FirstName, u.Protected = "A", true })
	byOnWrite := reply{to: "CALL", affected: 1}
	r := &recorder{before: storedAll(ann), after: storedAll(called), replies: []reply{columnsOf("phone", "admin"), columnsOf(), byOnWrite}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, shownTable())
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, "ann", u.Username)
	}
	require.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, called)))
	r.before, r.after, r.wrote = storedAll(called), storedAll(both), nil
	require.NoError(t, s.UpdateUser(t.Context(), updateTo(called, both)))
	r.before, r.after, r.wrote = storedAll(both), storedAll(bob), nil
	id, err := s.CreateUser(t.Context(), createOf(bob))
	require.NoError(t, err)
	assert.Equal(t, "102", id)
	require.NoError(t, s.DeleteUser(t.Context(), storeDelete(both)))
	assertStatements(t, "mysql/view", r.statements())
}

func TestView_ShowsEachColumn(t *testing.T) {
	for _, test := range []struct {
		says  string
		shown reply
	}{
		{"adsync: the database has no view shown, or does not show it to this account; check sqlstore.Table.View", columnsOf("id", "tenant", "admin", "guid", "src", "login", "given", "family", "mail", "phone", "state", "note", "login_lower")},
		{"adsync: the view shown has no column id; let it show each column that sqlstore.Columns names", columnsOf("id")},
		{"adsync: the view shown has no column phone; let it show", columnsOf("phone")},
		{"adsync: cannot ask the database for the columns of the table people, so nothing was written: the database is gone", reply{to: columnsOf().to, err: errGone}},
		{"adsync: cannot ask the database for the columns of the table people, so nothing was written: the database is gone", reply{to: columnsOf().to, columns: columnsOf().columns, rowsErr: errGone}},
	} {
		r := &recorder{replies: []reply{columnsOf(), test.shown}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, shownTable())
		ann := person(1, "ann")
		assert.ErrorContains(t, s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna"))), test.says)
	}
	for says, edit := range map[string]func(*sqlstore.Table){
		"adsync: sqlstore.Table.View is given without an OnWrite": func(table *sqlstore.Table) { table.View = "shown" },
		"adsync: sqlstore.Table.View must be view or schema.view": func(table *sqlstore.Table) { *table = shownTable(); table.View = "a.b.c" },
	} {
		table := peopleTable()
		edit(&table)
		_, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.MySQL, table)
		assert.ErrorContains(t, err, says)
	}
}

// A view that no run can lock, or that is written without a look at the row, is warned of.
func TestCheck_LooksAtViews(t *testing.T) {
	const askFunctions, askLock = "SELECT COALESCE(pg_get_functiondef", "SELECT 1 FROM"
	noLock := "cannot be read FOR UPDATE, as a row must be before some writes, which would fail; let a query in its list of columns take the place of an outer join: the database is gone"
	const noLook = "the view people is written by a trigger that locks no row"
	functions := func(all ...string) reply {
		return reply{to: askFunctions, columns: []string{"text"}, rows: texts(all...)}
	}
	locked := reply{to: askLock, columns: []string{"1"}}
	for name, test := range map[string]struct {
		view    bool
		replies []reply
		says    []string
	}{
		"a table":                        {false, []reply{functions(), {to: askLock, err: errGone}}, nil},
		"a view without triggers":        {false, []reply{functions(""), locked}, nil},
		"a view that locks":              {false, []reply{functions("", "… for update …"), locked}, nil},
		"a view that does not":           {false, []reply{functions("… FOR UPDATE …", "… UPDATE …"), locked}, []string{noLook}},
		"a view of an outer join":        {false, []reply{functions(""), {to: askLock, err: errGone}}, []string{"the view people " + noLock}},
		"one that fails as it is read":   {false, []reply{functions(""), {to: askLock, columns: []string{"1"}, rowsErr: errGone}}, []string{"the view people " + noLock}},
		"a view that only shows":         {true, []reply{functions(), {to: askLock, err: errGone}}, []string{"the view shown " + noLock}},
		"triggers that are not told":     {false, []reply{{to: askFunctions, err: errGone}}, []string{"the database does not tell this account all about the table people"}},
		"triggers that are told halfway": {false, []reply{{to: askFunctions, columns: []string{"text"}, rowsErr: errGone}}, []string{"the database does not tell this account all about the table people"}},
	} {
		t.Run(name, func(t *testing.T) {
			table := everybody()
			if test.view {
				table = shownTable()
			}
			r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), replies: append(test.replies,
				reply{to: "SELECT COALESCE(CAST(a.attname", columns: []string{"text"}, rows: texts("guid", "login", "mail")},
				reply{to: "SELECT DISTINCT", columns: []string{"text"}, rows: texts("active")})}
			s, _ := openRecorder(t, r, sqlstore.PostgreSQL, table)
			warnings, err := s.Check(t.Context())
			require.NoError(t, err)
			require.Len(t, warnings, len(test.says), "%q", warnings)
			for i, says := range test.says {
				assert.Contains(t, warnings[i], says)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	table := shownTable()
	s, _ := openRecorder(t, &recorder{types: peopleTypes(sqlstore.PostgreSQL), replies: []reply{{to: askLock, err: errors.New("")}}}, sqlstore.PostgreSQL, table)
	cancel()
	warnings, err := s.Check(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, warnings)
}
