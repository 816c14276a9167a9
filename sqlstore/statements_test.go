package sqlstore_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// The statements and arguments of each writer stand in testdata/statements, a file for
// each dialect and story. A line in parentheses says how a statement was sent.

var dialects = []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite}

// peopleTable has a column for everything, a condition, a default and a derived column.
func peopleTable() sqlstore.Table {
	return sqlstore.Table{
		Name: "people",
		Columns: sqlstore.Columns{
			ID: "id", ObjectID: "guid", Source: "src", Username: "login", FirstName: "given", LastName: "family",
			Email: "mail", Phone: "phone", Status: "state", Protected: "admin",
		},
		Where: "tenant = $2 AND kind <> $1", Args: []any{"robot", 7},
		Defaults: map[string]any{"tenant": 7, "note": sqlstore.Null},
		Derived:  map[string]func(adsync.User) any{"login_lower": func(u adsync.User) any { return strings.ToLower(u.Username) }},
	}
}

// peopleTypes is what the catalogue says of it.
func peopleTypes(d sqlstore.Dialect) []columnType {
	text, number, flag := "TEXT", "INTEGER", "BOOLEAN"
	switch d {
	case sqlstore.PostgreSQL:
		text, number, flag = "text", "bigint", "boolean"
	case sqlstore.MySQL:
		text, number, flag = "varchar(100)", "bigint(20)", "tinyint(1)"
	}
	types := []columnType{{name: "id", kind: number, key: true}, {name: "tenant", kind: number}, {name: "admin", kind: flag}}
	for _, name := range []string{"guid", "src", "login", "given", "family", "mail", "phone", "state", "note", "login_lower"} {
		types = append(types, columnType{name: name, kind: text, nullable: name == "mail" || name == "guid" || name == "note", collate: "utf8mb4 COLLATE utf8mb4_general_ci"})
	}
	return types
}

func personID(n int) adsync.ObjectID {
	return adsync.ObjectID{0xe1, 0x24, 0x85, 0x5b, 14: byte(n >> 8), 15: byte(n)}
}

func person(n int, username string) adsync.User {
	return adsync.User{
		ID: strconv.Itoa(100 + n), ObjectID: personID(n), Source: "ad", Status: adsync.StatusActive,
		Profile: adsync.Profile{Username: username, FirstName: "F", LastName: "L", Email: username + "@corp.example", Phone: "1"},
	}
}

// stored is a user as a row of peopleTable.
func stored(u adsync.User) []driver.Value {
	id, err := strconv.ParseInt(u.ID, 10, 64)
	if err != nil {
		panic(err)
	}
	var guid driver.Value
	if !u.ObjectID.IsZero() {
		guid = u.ObjectID.String()
	}
	return []driver.Value{id, guid, u.Source, u.Username, u.FirstName, u.LastName, u.Email, u.Phone, string(u.Status), u.Protected}
}

func storedAll(users ...adsync.User) (rows [][]driver.Value) {
	for _, u := range users {
		rows = append(rows, stored(u))
	}
	return rows
}

func edited(u adsync.User, edit func(*adsync.User)) adsync.User {
	edit(&u)
	return u
}

func renamed(u adsync.User, name string) adsync.User {
	return edited(u, func(u *adsync.User) { u.Username = name })
}

func updateTo(before, after adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpUpdate, UserID: before.ID, ObjectID: after.ObjectID, Before: &before, After: &after}
}

// createOf is the creation of a user, whose ID the row gets later.
func createOf(u adsync.User) adsync.Change {
	u.ID = ""
	return storeCreate(u)
}

var errGone = errors.New("the database is gone")

// refusal is an error of each driver's kind, which says that a row breaks a rule.
func refusal(d sqlstore.Dialect, rule string) error {
	switch d {
	case sqlstore.PostgreSQL:
		return stateError{"23505", `duplicate key value violates unique constraint "` + rule + `" (SQLSTATE 23505)`}
	case sqlstore.MySQL:
		return fmt.Errorf("Error 1062 (23000): Duplicate entry 'ann' for key '%s'", rule)
	}
	return fmt.Errorf("UNIQUE constraint failed: %s (2067)", rule)
}

// stateError is what PostgreSQL's drivers give.
type stateError struct{ state, text string }

func (e stateError) Error() string    { return e.text }
func (e stateError) SQLState() string { return e.state }

func TestStatements_AreThoseOfTheFiles(t *testing.T) {
	for _, d := range dialects {
		for _, st := range slices.Concat(stories(), rareStories(), oddStories(), returnedStories()) {
			if st.only != "" && st.only != d {
				continue
			}
			t.Run(string(d)+" "+st.name, func(t *testing.T) {
				r := newStory(d, st)
				s, _ := openRecorder(t, r, d, st.tableOf())
				for i, w := range s.ApplyChanges(t.Context(), st.changes) {
					if st.want[i] == nil {
						require.NoError(t, w.Err, i)
					}
					if anyError(st.want[i]) {
						assert.ErrorContains(t, w.Err, "adsync: ", i)
						continue
					}
					assert.ErrorIs(t, w.Err, st.want[i], i)
					if st.ids != nil {
						assert.Equal(t, st.ids[i], w.UserID, i)
					}
				}
				assertStatements(t, string(d)+"/"+st.name, r.statements())
			})
		}
	}
}

// Where the database has no type of its own for a UUID, one is kept as a text.
func TestStatements_OfNativeObjectIDsAreThoseOfTexts(t *testing.T) {
	ann, anna := person(1, "ann"), renamed(person(1, "ann"), "anna")
	for _, d := range []sqlstore.Dialect{sqlstore.MySQL, sqlstore.SQLite} {
		table := peopleTable()
		table.ObjectIDs = sqlstore.ObjectIDNative
		r := &recorder{types: peopleTypes(d), before: storedAll(ann), after: storedAll(anna)}
		s, _ := openRecorder(t, r, d, table)
		require.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, anna)))
		assertStatements(t, string(d)+"/update as planned", r.statements())
	}
}
