package databases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

var fewColumns = sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Status: "state", Protected: "owner"}

const fewSchema = `CREATE TABLE people (id TEXT PRIMARY KEY, guid, login, state, owner)`

func TestUsers_ObjectIDsInAnySpelling(t *testing.T) {
	const dashed = "e124855b-371a-41be-9f05-3c1a9b7d2e10"
	want, err := adsync.ParseObjectID(dashed)
	require.NoError(t, err)
	for i, spelling := range []string{dashed, "{E124855B-371A-41BE-9F05-3C1A9B7D2E10}", "e124855b371a41be9f053c1a9b7d2e10", " E124855B-371A-41BE-9F05-3C1A9B7D2E10 "} {
		db := openSQLite(t, fewSchema)
		mustExec(t, db, `INSERT INTO people VALUES (?, ?, 'ann', 'active', 0)`, i, spelling)
		s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "people", Columns: fewColumns})
		ann := list(t, s)["ann"]
		assert.Equal(t, want, ann.ObjectID, spelling)
		anna := with(ann, func(u *adsync.User) { u.Username = "anna" })
		require.NoError(t, s.UpdateUser(context.Background(), update(ann, anna)), "a row is as planned in whatever spelling")
		_, err := s.CreateUser(context.Background(), create(adsync.User{ObjectID: want, Profile: adsync.Profile{Username: "twin"}}))
		if i < 3 {
			require.ErrorIs(t, err, adsync.ErrAlready, spelling)
		}
	}
}

// A row that cannot be read must not pass for one that is not linked.
func TestUsers_TellsWhichRowCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		insert string
		says   string
	}{
		{`INSERT INTO people VALUES ('r7', 'secret', 'ann', 'active', 0)`, "column guid of user r7"},
		{`INSERT INTO people VALUES ('r7', NULL, 'ann', 'active', 'secret')`, "column owner of user r7"},
		{`INSERT INTO people VALUES (NULL, NULL, 'secret', 'active', 0)`, "no ID in its column id"},
		{`INSERT INTO people VALUES ('', NULL, 'secret', 'active', 0)`, "no ID in its column id"},
	} {
		db := openSQLite(t, fewSchema, test.insert)
		s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "people", Columns: fewColumns})
		var last error
		for _, err := range s.Users(context.Background()) {
			last = err
		}
		assert.ErrorContains(t, last, "adsync: ")
		assert.ErrorContains(t, last, test.says)
		assert.NotContains(t, last.Error(), "secret")
	}
}

func TestUsers_UncertainStatusReadsAsBlocked(t *testing.T) {
	db := openSQLite(t, fewSchema)
	for i, state := range []any{"on", "off", "ON", "left", "", nil, 1} {
		mustExec(t, db, `INSERT INTO people VALUES (?, NULL, ?, ?, 0)`, i, fmt.Sprint("u", i), state)
	}
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "people", Columns: fewColumns, Statuses: map[adsync.Status]any{
		"": "on", adsync.StatusBlocked: "off", adsync.StatusDeactivated: "off",
	}})
	users := list(t, s)
	assert.Equal(t, adsync.StatusActive, users["u0"].Status)
	for i := 1; i < 7; i++ {
		u := users[fmt.Sprint("u", i)]
		assert.Equal(t, adsync.StatusBlocked, u.Status, i)
		renamed := with(u, func(u *adsync.User) { u.Username += "x" })
		assert.NoError(t, s.UpdateUser(context.Background(), update(u, renamed)), "a blocked user is updated, whatever blocks them")
	}
	u := users["u0"]
	require.NoError(t, s.UpdateUser(context.Background(), update(u, with(u, func(u *adsync.User) { u.Status = adsync.StatusDeactivated }))))
	assert.Equal(t, adsync.StatusBlocked, list(t, s)["u0"].Status)
}

func TestUsers_ProtectedIsAFlagOrANumber(t *testing.T) {
	for _, owner := range []any{0, 1, 2, false, true, nil, "t", "f"} {
		db := openSQLite(t, fewSchema)
		mustExec(t, db, `INSERT INTO people VALUES (1, NULL, 'ann', 'active', ?)`, owner)
		s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "people", Columns: fewColumns})
		ann := list(t, s)["ann"]
		assert.Equal(t, owner == 1 || owner == 2 || owner == true || owner == "t", ann.Protected, owner)
		other := with(ann, func(u *adsync.User) { u.Protected = !u.Protected })
		assert.ErrorIs(t, s.DeleteUser(context.Background(), remove(other)), adsync.ErrStale, "%v", owner)
		assert.NoError(t, s.DeleteUser(context.Background(), remove(ann)), "%v", owner)
	}
}

// Bytes that are not UTF-8 do not survive a plan's JSON.
func TestUpdate_MendsRowsThatAreNotUTF8(t *testing.T) {
	db := openSQLite(t, sqliteUsers)
	mustExec(t, db, `INSERT INTO users (username, phone) VALUES (CAST(x'616EFF' AS TEXT), '1')`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
	before := list(t, s)["an\xff"]
	before.Username = "an\uFFFD"
	after := with(before, func(u *adsync.User) { u.Username = "ann" })
	require.NoError(t, s.UpdateUser(context.Background(), update(before, after)))
	assert.Equal(t, after, list(t, s)["ann"])
}

func TestUpdate_LeavesOtherColumnsAlone(t *testing.T) {
	db := openSQLite(t, sqliteUsers,
		`CREATE TRIGGER once AFTER UPDATE OF first_name, last_name, email, username ON users BEGIN SELECT RAISE(ABORT, 'too much'); END`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
	seed(t, s, person(1, "ann"))
	ann := list(t, s)["ann"]
	require.NoError(t, s.UpdateUser(context.Background(), update(ann, with(ann, func(u *adsync.User) { u.Phone = "1" }))))
}

func TestSoftDelete_ReleasesTheKeys(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE people (id TEXT PRIMARY KEY, guid TEXT, login TEXT NOT NULL UNIQUE, mail TEXT NOT NULL UNIQUE, nick TEXT, gone INTEGER)`,
		`INSERT INTO people VALUES ('k1', NULL, 'ann', 'ann@corp.example', NULL, NULL)`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{
		Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Email: "mail"},
		Where: "gone IS NULL", Delete: map[string]any{"gone": 1},
	})
	ann := list(t, s)["ann"]
	require.NoError(t, s.DeleteUser(context.Background(), remove(ann)))
	require.ErrorIs(t, s.DeleteUser(context.Background(), remove(ann)), adsync.ErrAlready)
	var login, mail string
	var gone int
	require.NoError(t, db.QueryRow(`SELECT login, mail, gone FROM people WHERE id = 'k1'`).Scan(&login, &mail, &gone))
	assert.Equal(t, "~deleted-k1", login)
	assert.Equal(t, "~deleted-k1@adsync.invalid", mail)
	assert.Equal(t, 1, gone)
}

func TestCreate_NewRowsNeedAnID(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE people (id TEXT PRIMARY KEY, guid TEXT, login TEXT)`)
	table := sqlstore.Table{Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}}
	_, err := newStore(t, db, sqlstore.SQLite, table).CreateUser(context.Background(), create(adsync.User{Profile: adsync.Profile{Username: "ann"}}))
	require.ErrorContains(t, err, "ID column a default")
	table.Defaults = map[string]any{"id": objectID(5)} // a driver.Valuer
	s := newStore(t, db, sqlstore.SQLite, table)
	id, err := s.CreateUser(context.Background(), create(adsync.User{Profile: adsync.Profile{Username: "ann"}}))
	require.NoError(t, err)
	assert.Equal(t, objectID(5).String(), id)
	assert.Len(t, list(t, s), 1, "the row without an ID was not kept")
}

// The one place where a wrong mapping could write many rows at once.
func TestUpdate_IDThatIsNoKeyWritesNothing(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE people (id TEXT, guid TEXT, login TEXT)`, `INSERT INTO people VALUES ('1', NULL, 'ann'), ('1', NULL, 'ann')`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}})
	err := s.DeleteUser(context.Background(), remove(adsync.User{ID: "1", Profile: adsync.Profile{Username: "ann"}}))
	require.ErrorContains(t, err, "several rows have this ID")
	var n int
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM people`).Scan(&n))
	assert.Equal(t, 2, n)
}

func TestUpdate_RefusesAnIDWithoutAType(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE people (id PRIMARY KEY, guid, login)`, `INSERT INTO people VALUES (1, NULL, 'ann')`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}})
	failed := 0
	for _, err := range s.Users(t.Context()) {
		assert.ErrorContains(t, err, "adsync: the column id of the table people has no type")
		failed++
	}
	assert.Equal(t, 1, failed)
	err := s.DeleteUser(t.Context(), remove(adsync.User{ID: "1", Profile: adsync.Profile{Username: "ann"}}))
	assert.ErrorContains(t, err, "adsync: the column id of the table people has no type")
	assert.NotErrorIs(t, err, adsync.ErrStale)
}

func TestFields_LeaveOutAStatusThatCannotBeTold(t *testing.T) {
	db := openSQLite(t, fewSchema)
	statuses := map[adsync.Status]any{adsync.StatusActive: "on", adsync.StatusBlocked: "locked", adsync.StatusDeactivated: "off"}
	table := sqlstore.Table{Name: "people", Columns: fewColumns, Statuses: statuses}
	assert.Contains(t, newStore(t, db, sqlstore.SQLite, table).Traits().Fields, adsync.FieldStatus)
	statuses[adsync.StatusDeactivated] = statuses[adsync.StatusBlocked]
	assert.NotContains(t, newStore(t, db, sqlstore.SQLite, table).Traits().Fields, adsync.FieldStatus)
}

// A batch asks for the own spelling alone where the reading found no other.
func TestBatch_FindsLinksInAnySpelling(t *testing.T) {
	const foreign = `INSERT INTO users (object_id, source, username) VALUES (upper('e124855b-371a-41be-9f05-000000000007'), 'ad', ?)`
	batch := []adsync.Change{create(person(7, "ann")), create(person(8, "bob"))}
	outcome := func(prepare ...func(*sql.DB, *sqlstore.Store)) (ann, bob error) {
		db := openSQLite(t, sqliteUsers)
		s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
		for _, p := range prepare {
			p(db, s)
		}
		w := s.ApplyChanges(t.Context(), batch)
		return w[0].Err, w[1].Err
	}
	read := func(_ *sql.DB, s *sqlstore.Store) { list(t, s) }
	add := func(name string) func(*sql.DB, *sqlstore.Store) {
		return func(db *sql.DB, _ *sqlstore.Store) { mustExec(t, db, foreign, name) }
	}
	for name, prepare := range map[string][]func(*sql.DB, *sqlstore.Store){
		"read before": {add("other"), read},
		"never read":  {add("other")},
		"read in part": {add("other"), func(_ *sql.DB, s *sqlstore.Store) {
			s.Users(t.Context())(func(adsync.User, error) bool { return false })
		}},
		"added later, with the same name": {read, add("ann")},
		"read in part since it was added": {read, add("other"), func(_ *sql.DB, s *sqlstore.Store) {
			s.Users(t.Context())(func(adsync.User, error) bool { return false })
		}},
		"read again since it was added":    {read, add("other"), read},
		"read again before it was removed": {add("other"), read, func(db *sql.DB, _ *sqlstore.Store) { mustExec(t, db, "DELETE FROM users") }, add("other")},
	} {
		ann, bob := outcome(prepare...)
		assert.ErrorIs(t, ann, adsync.ErrAlready, name)
		assert.NoError(t, bob, name)
	}
	ann, bob := outcome(read)
	assert.NoError(t, errors.Join(ann, bob))
}

// No index keeps this table from having an entry twice.
func TestBatch_AnEntryTwice(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE people (id INTEGER PRIMARY KEY, guid TEXT, login TEXT)`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}})
	user := func(n int, name string) adsync.Change {
		return create(adsync.User{ObjectID: objectID(n), Profile: adsync.Profile{Username: name}})
	}
	out := s.ApplyChanges(t.Context(), []adsync.Change{user(1, "ann"), user(2, "bob"), user(1, "twin")})
	require.NoError(t, errors.Join(out[0].Err, out[1].Err))
	assert.ErrorIs(t, out[2].Err, adsync.ErrAlready)
	assert.Equal(t, out[0].UserID, out[2].UserID)
	assert.Len(t, list(t, s), 2)
}
