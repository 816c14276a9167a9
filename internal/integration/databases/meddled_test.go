package databases

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// What PostgreSQL returned of a new row is not what it keeps where something changes the row
// behind the statement: a trigger of a part of the table alone, or a rule that adds another
// statement.
func TestPostgreSQL_ChangesRowsBehindTheStatement(t *testing.T) {
	const (
		people = "CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY, guid text, login text NOT NULL, phone text"
		spoils = "UPDATE people SET phone = 'spoiled' WHERE login = NEW.login AND phone = 'spoil'"
	)
	d := database{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: startPostgreSQL(t).newPostgreSQL}
	for name, schema := range map[string][]string{
		"a rule": {people + ", PRIMARY KEY (id))", "CREATE RULE spoil AS ON INSERT TO people DO ALSO " + spoils},
		"a trigger of a partition": {
			people + ") PARTITION BY HASH (login)", "CREATE TABLE people_all PARTITION OF people FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
			"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + spoils + "; RETURN NEW; END $$",
			"CREATE TRIGGER spoil AFTER INSERT ON people_all FOR EACH ROW EXECUTE FUNCTION spoil()",
		},
		"nothing": {people + ", PRIMARY KEY (id))"},
	} {
		t.Run(name, func(t *testing.T) {
			db := d.open(t, schema...)
			s := newStore(t, db, d.dialect, sqlstore.Table{Name: "people", Source: "ad",
				Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Phone: "phone"}})
			var cs []adsync.Change
			for i := range 20 {
				phone := "1"
				if i == 7 {
					phone = "spoil"
				}
				cs = append(cs, create(one("", i+1, fmt.Sprint("user", i), phone)))
			}
			for i, w := range s.ApplyChanges(t.Context(), cs) {
				if i == 7 && name != "nothing" {
					assert.ErrorContains(t, w.Err, "adsync: the database changed what was to be written as phone")
				} else {
					require.NoError(t, w.Err, i)
				}
			}
		})
	}
}
