package databases

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// spoilt is what is said of a user whose phone is no longer what was to be written.
const spoilt = "adsync: the database changed what was to be written as phone"

// testSpoilt adds users to the table people, of whom one has a phone that the database
// may change. It has said of that one, and keeps none of it; says is empty where it does not.
func testSpoilt(t *testing.T, db *sql.DB, d sqlstore.Dialect, table sqlstore.Table, says string) {
	t.Helper()
	s := newStore(t, db, d, table)
	var cs []adsync.Change
	for i := range 20 {
		phone := "1"
		if i == 7 {
			phone = "spoil"
		}
		cs = append(cs, create(one("", i+1, fmt.Sprint("user", i), phone)))
	}
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		if i == 7 && says != "" {
			assert.ErrorContains(t, w.Err, says)
		} else {
			require.NoError(t, w.Err, i)
		}
	}
	left := len(cs)
	if says != "" {
		left--
	}
	assert.Equal(t, left, count(t, db, "people WHERE phone IN ('1', 'spoil')"))
	assert.Equal(t, left, count(t, db, "people"))
}

const (
	identified = "CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY, guid text, login text NOT NULL, phone text"
	spoils     = "UPDATE people SET phone = 'spoiled' WHERE login = NEW.login AND phone = 'spoil'"
	function   = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + spoils + "; RETURN NEW; END $$"
	afterEach  = " FOR EACH ROW EXECUTE FUNCTION spoil()"
)

// What PostgreSQL returned of a new row is not what it keeps where something changes the row
// behind the statement: a trigger of a part of the table alone, or a rule that adds another
// statement.
func TestPostgreSQL_ChangesRowsBehindTheStatement(t *testing.T) {
	d := database{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: startPostgreSQL(t).newPostgreSQL}
	for name, schema := range map[string][]string{
		"a rule": {identified + ", PRIMARY KEY (id))", "CREATE RULE spoil AS ON INSERT TO people DO ALSO " + spoils},
		"a trigger of a partition": {
			identified + ") PARTITION BY HASH (login)", "CREATE TABLE people_all PARTITION OF people FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
			function, "CREATE TRIGGER spoil AFTER INSERT ON people_all" + afterEach,
		},
		"nothing": {identified + ", PRIMARY KEY (id))"},
	} {
		t.Run(name, func(t *testing.T) {
			says := spoilt
			if name == "nothing" {
				says = ""
			}
			testSpoilt(t, d.open(t, schema...), d.dialect, peopleTable, says)
		})
	}
}

// valuer makes a value by running something.
type valuer func() error

func (v valuer) Value() (driver.Value, error) { return "", v() }

// A transaction that sees the database as it was when it began does not see a trigger that
// came since, which runs all the same.
func TestPostgreSQL_HidesATriggerFromASnapshot(t *testing.T) {
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			dsn := startPostgreSQL(t).newPostgreSQL(t)
			host := open(t, "pgx", dsn, identified+", note text, PRIMARY KEY (id))", function)
			table, done := peopleTable, false
			table.Defaults = map[string]any{"note": valuer(func() (err error) {
				if !done { // before the first row is added, after the table was searched for it
					done = true
					_, err = host.Exec("CREATE TRIGGER spoil AFTER INSERT ON people" + afterEach)
				}
				return err
			})}
			db := open(t, driver, dsn+" default_transaction_isolation='repeatable read'")
			testSpoilt(t, db, sqlstore.PostgreSQL, table, spoilt)
		})
	}
}

// A trigger of MariaDB may not write to its own table, but its rows follow those that they
// refer to. An account that may see no trigger is told of that.
func TestMariaDB_ChangesRowsBehindTheStatement(t *testing.T) {
	const noRow = "adsync: the new row was not kept"
	server := startMariaDB(t)
	for name, test := range map[string]struct{ follows, trigger, says string }{
		"an update":         {"ON UPDATE CASCADE", "UPDATE phones SET phone = 'spoiled'", spoilt},
		"a deletion":        {"ON DELETE CASCADE", "DELETE FROM phones", noRow},
		"a value that goes": {"ON DELETE SET NULL", "DELETE FROM phones", spoilt},
		"nothing":           {"ON DELETE RESTRICT ON UPDATE NO ACTION", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := server.newMariaDB(t)
			host := open(t, "mysql", dsn, "CREATE TABLE phones (phone varchar(20) PRIMARY KEY)", "INSERT INTO phones VALUES ('1'), ('spoil')",
				"CREATE TABLE people (id bigint AUTO_INCREMENT PRIMARY KEY, guid varchar(40), login varchar(40), phone varchar(20), FOREIGN KEY (phone) REFERENCES phones (phone) "+test.follows+")")
			mustExec(t, host, "CREATE USER IF NOT EXISTS writer")
			mustExec(t, host, "GRANT SELECT, INSERT ON people TO writer")
			if test.trigger != "" {
				mustExec(t, host, "CREATE TRIGGER spoil AFTER INSERT ON people FOR EACH ROW "+test.trigger+" WHERE phone = NEW.phone AND phone = 'spoil'")
			}
			testSpoilt(t, open(t, "mysql", strings.Replace(dsn, "root@", "writer@", 1)), sqlstore.MySQL, peopleTable, test.says)
		})
	}
}

// Where the ID is no key, a new row may get one that is taken: only reading shows that.
func TestPostgreSQL_NewRowsWhoseIDIsTaken(t *testing.T) {
	d := database{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: startPostgreSQL(t).newPostgreSQL}
	db := d.open(t, "CREATE TABLE people (id bigserial, guid text, login text NOT NULL, phone text)", "INSERT INTO people (id, login) VALUES (2, 'old')")
	s := newStore(t, db, d.dialect, sqlstore.Table{Name: "people", Source: "ad",
		Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Phone: "phone"}})
	written := s.ApplyChanges(t.Context(), []adsync.Change{create(one("", 1, "ann", "1")), create(one("", 2, "bob", "1"))})
	for _, w := range written { // undone, and added again with the next IDs
		require.NoError(t, w.Err)
		assert.NotEqual(t, "2", w.UserID)
	}
}
