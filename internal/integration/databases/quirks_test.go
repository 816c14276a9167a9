package databases

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// SQLite's tables may delete another row for one that is written. None is deleted,
// whichever way the write takes, and the row that is in the way is reported as a conflict.
func TestSQLite_NeverReplacesARow(t *testing.T) {
	const columns = "id INTEGER PRIMARY KEY, guid TEXT, login TEXT %s, mail TEXT"
	column := func(rule string) []string {
		return []string{fmt.Sprintf("CREATE TABLE users ("+columns+")", rule)}
	}
	table := func(name string, schema ...string) (string, []string) { return name, schema }
	layouts := map[string][]string{}
	for _, clause := range []string{"REPLACE", "ROLLBACK", "FAIL", "IGNORE", "ABORT"} {
		layouts["column, "+clause] = column("UNIQUE ON CONFLICT " + clause)
		name, schema := table("table, "+clause, "CREATE TABLE users ("+fmt.Sprintf(columns, "")+", UNIQUE (login) ON CONFLICT "+clause+")")
		layouts[name] = schema
	}
	layouts["trigger on another table"] = []string{
		fmt.Sprintf("CREATE TABLE users ("+columns+")", "UNIQUE"), "CREATE TABLE log (login TEXT)",
		"CREATE TRIGGER note AFTER UPDATE ON users BEGIN INSERT INTO log VALUES (NEW.login); END",
		"CREATE TRIGGER again AFTER INSERT ON log BEGIN UPDATE OR REPLACE users SET login = 'local' WHERE login = 'taken'; END",
	}
	for name, schema := range layouts {
		t.Run(name, func(t *testing.T) {
			for _, journal := range []string{"delete", "wal"} {
				db := open(t, "sqlite", newSQLite(t)+"&_pragma=journal_mode("+journal+")", schema...)
				s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{
					Name: "users", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Email: "mail"},
				})
				mustExec(t, db, "INSERT INTO users (login) VALUES ('local')")
				user := func(n int, login string) adsync.User {
					return adsync.User{ObjectID: objectID(n), Source: "ad", Profile: adsync.Profile{Username: login}}
				}
				seed(t, s, user(1, "ann"), user(2, "bob"))
				now := list(t, s)
				taken := "local"
				if name == "trigger on another table" {
					taken = "taken" // what the trigger makes of it
				}
				named := func(u adsync.User, login string) adsync.User {
					return with(u, func(u *adsync.User) { u.Username = login })
				}
				cs := []adsync.Change{update(now["ann"], named(now["ann"], taken)), update(now["bob"], named(now["bob"], "rob"))}
				if taken == "local" {
					cs = append(cs, create(user(3, "local")), create(user(4, "new")))
				}
				for i, w := range s.ApplyChanges(t.Context(), cs) {
					if i%2 == 0 {
						assert.ErrorIs(t, w.Err, adsync.ErrConflict, "%s %d", journal, i)
					} else {
						assert.NoError(t, w.Err, "%s %d", journal, i)
					}
				}
				assert.ErrorIs(t, s.UpdateUser(t.Context(), cs[0]), adsync.ErrConflict)
				if taken == "local" {
					_, err := s.CreateUser(t.Context(), cs[2])
					assert.ErrorIs(t, err, adsync.ErrConflict)
				}
				after := list(t, s)
				assert.Equal(t, now["local"], after["local"])
				assert.Equal(t, now["ann"], after["ann"])
				assert.Equal(t, named(now["bob"], "rob"), after["rob"])
			}
		})
	}
}

// An empty value that the table replaces by its default is not what was to be written.
func TestSQLite_NeverWritesADefaultForNothing(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, guid TEXT, login TEXT, mark TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'on')`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{
		Name: "users", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"},
		Where: "mark = 'on'", Delete: map[string]any{"mark": nil},
	})
	seed(t, s, adsync.User{ObjectID: objectID(1), Profile: adsync.Profile{Username: "ann"}})
	ann := list(t, s)["ann"]
	assert.ErrorContains(t, s.DeleteUser(t.Context(), remove(ann)), "users.mark")
}

// What a trigger's statements say of conflicts is the host's affair, as long as no user
// can be lost by it.
func TestSQLite_TriggersKeepTheirConflictClauses(t *testing.T) {
	db := openSQLite(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, guid TEXT, login TEXT UNIQUE, replaced TEXT)`,
		`CREATE TABLE latest (one INTEGER PRIMARY KEY ON CONFLICT REPLACE, login TEXT)`, `CREATE TABLE newest (one INTEGER PRIMARY KEY, login TEXT)`,
		`CREATE TRIGGER added AFTER INSERT ON users BEGIN INSERT INTO latest VALUES (1, NEW.login); INSERT OR REPLACE INTO newest SELECT 1, login FROM users WHERE id = NEW.id; END`,
		`CREATE TRIGGER changed AFTER UPDATE ON users BEGIN REPLACE INTO latest VALUES (1, NEW.login); INSERT OR IGNORE INTO newest VALUES (1, NEW.login); END`)
	s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}})
	var cs []adsync.Change
	for i, name := range []string{"ann", "bob", "ann", "cid"} {
		cs = append(cs, create(adsync.User{ObjectID: objectID(i), Profile: adsync.Profile{Username: name}}))
	}
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		if i == 2 {
			assert.ErrorIs(t, w.Err, adsync.ErrConflict)
			continue
		}
		assert.NoError(t, w.Err, i)
	}
	now := list(t, s)
	require.Len(t, now, 3)
	require.NoError(t, s.UpdateUser(t.Context(), update(now["bob"], with(now["bob"], func(u *adsync.User) { u.Username = "rob" }))))
	var latest, newest string
	require.NoError(t, db.QueryRow("SELECT latest.login, newest.login FROM latest, newest").Scan(&latest, &newest))
	assert.Equal(t, "rob", latest)
	assert.Equal(t, "cid", newest)
}

// A rule of PostgreSQL, or a view of SQLite, may turn a deletion into a mark, and count
// no row. The deletion is done, and reported as done.
func TestDelete_ThatBecomesAMark(t *testing.T) {
	postgreSQL := database{dialect: sqlstore.PostgreSQL, dsn: startPostgreSQL(t).newPostgreSQL}
	for name, d := range map[string]database{
		"PostgreSQL with pgx": {dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: postgreSQL.dsn},
		"PostgreSQL with pq":  {dialect: sqlstore.PostgreSQL, driver: "postgres", dsn: postgreSQL.dsn},
		"SQLite":              {dialect: sqlstore.SQLite, driver: "sqlite", dsn: newSQLite},
	} {
		t.Run(name, func(t *testing.T) {
			schema := []string{"CREATE TABLE people (id INTEGER PRIMARY KEY, guid TEXT, login TEXT, phone TEXT, gone BOOLEAN NOT NULL DEFAULT FALSE)"}
			if d.dialect == sqlstore.SQLite {
				schema = []string{
					"CREATE TABLE persons (id INTEGER PRIMARY KEY, guid TEXT, login TEXT, phone TEXT, gone BOOLEAN NOT NULL DEFAULT FALSE)",
					"CREATE VIEW people AS SELECT * FROM persons",
					"CREATE TRIGGER soft INSTEAD OF DELETE ON people BEGIN UPDATE persons SET gone = TRUE WHERE id = OLD.id; END",
					"CREATE TRIGGER pass INSTEAD OF UPDATE ON people BEGIN UPDATE persons SET phone = NEW.phone WHERE id = OLD.id; END",
					"CREATE TRIGGER put INSTEAD OF INSERT ON people BEGIN INSERT INTO persons (id, guid, login, phone) VALUES (NEW.id, NEW.guid, NEW.login, NEW.phone); END",
				}
			} else {
				schema = append(schema, "CREATE RULE soft AS ON DELETE TO people DO INSTEAD UPDATE people SET gone = TRUE WHERE id = OLD.id")
			}
			for _, hidden := range []bool{true, false} {
				db := d.open(t, schema...)
				table := peopleTable
				if hidden {
					table.Where = "NOT gone"
				}
				s := newStore(t, db, d.dialect, table)
				var cs []adsync.Change
				for i, login := range []string{"ann", "bob", "cid", "dan"} {
					u := one(fmt.Sprint(i+1), i+1, login, "1")
					d.add(t, db, u.ID, u.ObjectID.String(), login, "1")
					switch login {
					case "dan":
						cs = append(cs, remove(withPhone(u, "stale")))
					case "cid":
						cs = append(cs, update(u, withPhone(u, "2")))
					default:
						cs = append(cs, remove(u))
					}
				}
				one := cs[0]
				written := append(s.ApplyChanges(t.Context(), cs[1:]), adsync.Written{Err: s.DeleteUser(t.Context(), one)})
				assert.NoError(t, written[1].Err)
				assert.ErrorIs(t, written[2].Err, adsync.ErrStale)
				for _, i := range []int{0, 3} {
					if hidden {
						assert.NoError(t, written[i].Err, i)
					} else {
						assert.ErrorContains(t, written[i].Err, "adsync: the database left user", i)
					}
				}
				assert.Equal(t, map[bool]int{true: 2, false: 0}[hidden], count(t, db, "people WHERE gone"))
				if hidden {
					assert.ErrorIs(t, s.DeleteUser(t.Context(), one), adsync.ErrAlready)
				}
			}
		})
	}
}
