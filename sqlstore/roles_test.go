package sqlstore_test

import (
	"database/sql/driver"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// clerks is rolesTable with two roles.
func clerks() sqlstore.Table {
	table := rolesTable()
	table.Roles.Roles = map[string]any{"admin": 1, "clerk": 2}
	return table
}

func withRoles(u adsync.User, names ...string) adsync.User {
	return edited(u, func(u *adsync.User) { u.Extra = u.Extra.With(adsync.FieldRoles, names...) })
}

// members is the answer to a question for roles: the person, the role, and something in a
// row of the host's own.
func members(rows ...[]driver.Value) reply {
	return reply{to: askRoles, columns: []string{"person", "role", "own"}, rows: rows}
}

// fitting is the answer to the question whether they can be read at all.
var fitting = members()

func TestRoles_AreReadFromOddRows(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	r := &recorder{types: memberTypes(""), before: storedAll(ann, bob), replies: []reply{fitting, members(
		[]driver.Value{nil, int64(1), nil}, []driver.Value{"", int64(1), nil}, []driver.Value{int64(101), int64(9), nil}, []driver.Value{int64(101), "2", nil},
		[]driver.Value{int64(999), int64(1), nil}, []driver.Value{int64(102), int64(9), nil}, []driver.Value{int64(101), []byte("1"), int64(1)},
	)}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, clerks())
	got := map[string]adsync.Extra{}
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		got[u.Username] = u.Extra
	}
	assert.Equal(t, map[string]adsync.Extra{"ann": withRoles(ann, "admin", "clerk").Extra.With(adsync.FieldHostRoles, "admin"), "bob": {}}, got)

	for _, odd := range []reply{{columns: []string{"person"}, rows: texts("101")}, {err: errGone}, {columns: fitting.columns, rowsErr: errGone}} {
		odd.to = askRoles
		s, _ := openRecorder(t, &recorder{types: memberTypes(""), before: storedAll(ann), replies: []reply{fitting, odd}}, sqlstore.MySQL, clerks())
		users := 0
		for _, err := range s.Users(t.Context()) {
			require.ErrorContains(t, err, "adsync: cannot read the users of the table people")
			users++
		}
		assert.Equal(t, 1, users, "the error alone")
	}
}

// Each user has the roles of its own rows, in whatever order these come, beside its further
// details.
func TestRoles_OfSeveralUsers(t *testing.T) {
	ann, bob, cid := of(person(1, "ann"), "Sales"), of(person(2, "bob"), "Sales"), of(person(3, "cid"), "")
	table := rolesTable()
	table.Columns.Phone, table.Columns.Extra = "", map[adsync.Field]string{department: "phone"}
	table.Roles.Roles = map[string]any{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}
	row := func(id, role int64, own any) []driver.Value { return []driver.Value{id, role, own} }
	r := &recorder{types: memberTypes(""), before: slices.Concat(departmental(ann), departmental(bob), departmental(cid)), replies: []reply{fitting, members(
		row(103, 6, nil), row(101, 1, nil), row(103, 2, int64(1)), row(101, 5, nil), row(103, 5, nil), row(101, 5, int64(1)),
	)}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, table)
	var got []adsync.Extra
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		got = append(got, u.Extra)
	}
	assert.Equal(t, []adsync.Extra{
		withRoles(ann, "a", "e").Extra.With(adsync.FieldHostRoles, "e"), bob.Extra, withRoles(cid, "b", "e", "f").Extra.With(adsync.FieldHostRoles, "b"),
	}, got)
	assert.Equal(t, []string{"a", "b", "c", "d", "e", "f"}, s.Traits().Roles)
}

// A role that the user keeps is not written again, and one that the table has no key for is
// refused with the change.
func TestRoles_AreWrittenWhereTheyDiffer(t *testing.T) {
	admin := withRoles(person(1, "ann"), "admin")
	table := rolesTable()
	table.Roles.Roles = map[string]any{"admin": 1, "clerk": 2, "guest": 3}
	row := func(role int64) []driver.Value { return []driver.Value{int64(101), role, nil} }
	open := func() (*recorder, *sqlstore.Store) {
		was := members(row(1))
		r := &recorder{types: memberTypes(""), before: storedAll(admin), after: storedAll(admin), replies: []reply{fitting, was, was, members(row(1), row(2), row(3))}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, table)
		return r, s
	}
	r, s := open()
	require.NoError(t, s.UpdateUser(t.Context(), updateTo(admin, withRoles(admin, "admin", "clerk", "guest"))))
	assertStatements(t, "mysql/update of further roles", r.statements())
	r, s = open()
	err := s.UpdateUser(t.Context(), updateTo(admin, withRoles(admin, "admin", "unknown")))
	assert.ErrorContains(t, err, `adsync: sqlstore.Membership.Roles has no role "unknown", so nothing of the change was written; map it`)
	assert.NotContains(t, r.statements(), "COMMIT")
}

// newClerk has ann, an admin, made a clerk instead.
func newClerk() (*recorder, adsync.Change) {
	admin := withRoles(person(1, "ann"), "admin")
	was, is := members([]driver.Value{int64(101), int64(1), nil}), members([]driver.Value{int64(101), int64(2), nil})
	return &recorder{types: memberTypes(""), before: storedAll(admin), after: storedAll(renamed(admin, "anna")), replies: []reply{fitting, was, was, is}},
		updateTo(admin, renamed(withRoles(edited(admin, func(u *adsync.User) { u.Extra = adsync.Extra{} }), "clerk"), "anna"))
}

func TestRoles_AreWrittenWithTheirUser(t *testing.T) {
	r, c := newClerk()
	s, _ := openRecorder(t, r, sqlstore.MySQL, clerks())
	require.NoError(t, s.UpdateUser(t.Context(), c))
	assertStatements(t, "mysql/update of roles", r.statements())

	r, c = newClerk()
	r.replies[3] = r.replies[2] // nothing became of the roles
	s, _ = openRecorder(t, r, sqlstore.MySQL, clerks())
	assert.ErrorContains(t, s.UpdateUser(t.Context(), c), "adsync: the database changed what was to be written as roles, so nothing of it was kept")
}

// oldAdmin has ann, an admin, deleted.
func oldAdmin() (*recorder, adsync.Change) {
	admin := withRoles(person(1, "ann"), "admin")
	was := members([]driver.Value{int64(101), int64(1), nil})
	return &recorder{types: memberTypes(""), before: storedAll(admin), replies: []reply{fitting, was, was}}, storeDelete(admin)
}

func TestRoles_GoWithTheirUser(t *testing.T) {
	r, c := oldAdmin()
	s, _ := openRecorder(t, r, sqlstore.MySQL, clerks())
	require.NoError(t, s.DeleteUser(t.Context(), c))
	assert.Regexp(t, "(?s)DELETE FROM `members`.*DELETE FROM `people`.*COMMIT", r.statements())
}

// Roles that are texts are compared to the byte, as MySQL takes more for equal.
func TestRoles_AreComparedToTheByte(t *testing.T) {
	r, c := newClerk()
	setKind(r.types, "role", "varchar(20)")
	s, _ := openRecorder(t, r, sqlstore.MySQL, clerks())
	require.NoError(t, s.UpdateUser(t.Context(), c))
	assertStatements(t, "mysql/update of roles in texts", r.statements())
}

// Whichever statement fails, the user and its roles stay as they were.
func TestRoles_FaultsKeepNothing(t *testing.T) {
	for _, test := range []struct {
		begin  func() (*recorder, adsync.Change)
		failed int
	}{{newClerk, 8 + 5}, {oldAdmin, 6 + 4}} {
		failed := 0
		for _, how := range []string{"at once", "at its end"} {
			for n := 2; ; n++ { // the first asks whether roles can be read
				r, c := test.begin()
				r.failAt, r.failHow, r.failWith = n, how, readOnly(sqlstore.MySQL)
				s, _ := openRecorder(t, r, sqlstore.MySQL, clerks())
				err := s.ApplyChanges(t.Context(), []adsync.Change{c})[0].Err
				if r.failed == "" && r.asked < n {
					break
				}
				if r.failed == "" {
					continue // what only a query can do
				}
				failed++
				log := r.statements()
				require.ErrorIs(t, err, adsync.ErrNotWritten, "%s: %s", how, r.failed)
				require.Contains(t, log, "ROLLBACK\n")
				require.NotContains(t, log, "COMMIT")
			}
		}
		assert.Equal(t, test.failed, failed)
	}
}

// A table of roles that others keep busy is asked again.
func TestRoles_WaitForTheirTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		r, c := newClerk()
		busy := reply{to: askRoles, err: errors.New("Error 1205 (HY000): Lock wait timeout exceeded")}
		r.replies = append([]reply{busy}, r.replies...)
		s, _ := openRecorder(t, r, sqlstore.MySQL, clerks())
		assert.NoError(t, s.UpdateUser(t.Context(), c))

		r, _ = newClerk()
		r.replies = append([]reply{fitting, busy}, r.replies[1:]...)
		s, _ = openRecorder(t, r, sqlstore.MySQL, clerks())
		for u, err := range s.Users(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, withRoles(person(1, "ann"), "admin"), u)
		}

		found := reply{to: "SELECT CAST(a.attname", columns: make([]string, 6)}
		types := append(peopleTypes(sqlstore.PostgreSQL), columnType{name: "person", kind: "bigint"}, columnType{name: "role", kind: "bigint"}, columnType{name: "origin", kind: "text"})
		for _, c := range types {
			found.rows = append(found.rows, []driver.Value{c.name, c.kind, c.nullable, c.key, c.collate, c.whole})
		}
		r = &recorder{types: types, replies: []reply{found, {to: found.to, err: stateError{"40001", "could not serialize"}}}}
		s, _ = openRecorder(t, r, sqlstore.PostgreSQL, clerks())
		_, err := s.Check(t.Context())
		assert.NoError(t, err)
	})
}

func TestNew_RefusesRolesThatItCannotKeep(t *testing.T) {
	for says, harm := range map[string]func(*sqlstore.Membership){
		"adsync: sqlstore.Membership needs its Table, and the columns User and Role":            func(m *sqlstore.Membership) { m.Role = m.User },
		`adsync: sqlstore.Membership.Roles["admin"] is not the key of a role`:                   func(m *sqlstore.Membership) { m.Roles = map[string]any{"admin": sqlstore.Null} },
		`adsync: sqlstore.Membership.Roles["clerk"] is not the key of a role`:                   func(m *sqlstore.Membership) { m.Roles["clerk"] = struct{}{} },
		`adsync: sqlstore.Membership.Roles["late"] is not the key of a role`:                    func(m *sqlstore.Membership) { m.Roles["late"] = time.Time{}.Add(time.Hour) },
		`adsync: sqlstore.Membership.Roles[""] is not the key of a role`:                        func(m *sqlstore.Membership) { m.Roles[""] = 3 },
		`adsync: sqlstore.Membership.Roles gives two roles one key, of which "clerk" is one`:    func(m *sqlstore.Membership) { m.Roles["clerk"] = "1" },
		`adsync: sqlstore.Membership.Values["role"] is no plain value`:                          func(m *sqlstore.Membership) { m.Values["role"] = 1 },
		`adsync: sqlstore.Membership.Values["person"] is no plain value`:                        func(m *sqlstore.Membership) { m.Values["person"] = 1 },
		`adsync: sqlstore.Membership.Values[""] is no plain value`:                              func(m *sqlstore.Membership) { m.Values[""] = 1 },
		`adsync: sqlstore.Membership.Values["odd"] is no plain value`:                           func(m *sqlstore.Membership) { m.Values["odd"] = struct{}{} },
		"adsync: sqlstore.Membership.Table must be table or schema.table":                       func(m *sqlstore.Membership) { m.Table = "a.b.c" },
		"adsync: sqlstore.Membership.Table is the table of the users":                           func(m *sqlstore.Membership) { m.Table = "people" },
		"adsync: sqlstore.Membership.Roles is empty; say which key each role has in the column": func(m *sqlstore.Membership) { m.Roles = nil },
	} {
		table := clerks()
		harm(table.Roles)
		_, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.MySQL, table)
		assert.ErrorContains(t, err, says)
	}
	for _, incomplete := range []func(*sqlstore.Membership){
		func(m *sqlstore.Membership) { m.Table = "" }, func(m *sqlstore.Membership) { m.User = "" }, func(m *sqlstore.Membership) { m.Role = "" },
	} {
		table := clerks()
		incomplete(table.Roles)
		_, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.MySQL, table)
		assert.ErrorContains(t, err, "adsync: sqlstore.Membership needs its Table, and the columns User and Role")
	}
	table := clerks()
	table.Roles.Values["origin"] = sqlstore.Null
	_, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.MySQL, table)
	assert.NoError(t, err)
}
