package sqlstore_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
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

// story is some changes of a table, and what becomes of them.
type story struct {
	name          string
	before, after []adsync.User
	changes       []adsync.Change
	want          []error
	ids           []string         // "": not asked
	only          sqlstore.Dialect // "": all of them
	replies       func(d sqlstore.Dialect) []reply
	edit          func(r *recorder)
	table         func(*sqlstore.Table)
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

func stories() []story {
	ann, bob, cid, dan, eve := person(1, "ann"), person(2, "bob"), person(3, "cid"), person(4, "dan"), person(5, "eve")
	anna, bobby := renamed(ann, "anna"), renamed(bob, "bobby")
	blocked := edited(cid, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	bare := edited(dan, func(u *adsync.User) { u.Email, u.ObjectID, u.Protected = "", adsync.ObjectID{}, true })
	spelledApart := func(r *recorder) {
		for _, row := range append(r.before, r.after...) {
			row[1] = "{" + strings.ToUpper(fmt.Sprint(row[1])) + "}"
		}
	}
	nothing := func(to string) func(sqlstore.Dialect) []reply {
		return func(sqlstore.Dialect) []reply { return []reply{{to: to, columns: []string{"n"}}} }
	}
	return []story{
		{name: "update as planned", before: []adsync.User{ann}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)}, want: []error{nil}},
		{name: "update of everything", before: []adsync.User{dan}, after: []adsync.User{bare}, changes: []adsync.Change{updateTo(dan, bare)}, want: []error{nil}},
		{name: "update of a row that is stored differently", before: []adsync.User{ann}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)},
			want: []error{nil}, edit: spelledApart, replies: nothing("UPDATE")},
		{name: "update that is stale", before: []adsync.User{ann}, changes: []adsync.Change{updateTo(withUserID(bob, "101"), anna)}, want: []error{adsync.ErrStale}, replies: nothing("UPDATE")},
		{name: "update that is written already", before: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)}, want: []error{adsync.ErrAlready}, replies: nothing("UPDATE")},
		{name: "delete as planned", before: []adsync.User{ann}, changes: []adsync.Change{storeDelete(ann)}, want: []error{nil}},
		{name: "delete of a row that is stored differently", before: []adsync.User{ann}, changes: []adsync.Change{storeDelete(ann)}, want: []error{nil}, edit: spelledApart, replies: nothing("DELETE FROM")},
		{name: "delete of nobody", changes: []adsync.Change{storeDelete(ann)}, want: []error{adsync.ErrAlready}, replies: nothing("DELETE FROM")},
		{name: "create", after: []adsync.User{ann}, changes: []adsync.Change{createOf(ann)}, want: []error{nil}, ids: []string{"101"}},
		{name: "create of a bare user", after: []adsync.User{edited(bare, func(u *adsync.User) { u.ObjectID = dan.ObjectID })},
			changes: []adsync.Change{createOf(edited(bare, func(u *adsync.User) { u.ObjectID = dan.ObjectID }))}, want: []error{nil}, ids: []string{"104"}},
		{name: "create of one who is there", before: []adsync.User{ann}, changes: []adsync.Change{createOf(ann)}, want: []error{adsync.ErrAlready}, ids: []string{"101"}},
		{name: "batch", before: []adsync.User{ann, bob, cid, dan}, after: []adsync.User{anna, bobby, blocked, eve, person(6, "fay")},
			changes: []adsync.Change{createOf(person(6, "fay")), updateTo(ann, anna), updateTo(bob, bobby), updateTo(cid, blocked), storeDelete(dan), createOf(eve)},
			want:    []error{nil, nil, nil, nil, nil, nil}, ids: []string{"106", "", "", "", "", "105"}},
		{name: "batch of deletions", before: []adsync.User{ann, bob, cid}, changes: []adsync.Change{storeDelete(ann), storeDelete(bob), storeDelete(cid)}, want: []error{nil, nil, nil}},
		{name: "batch of creations", after: []adsync.User{ann, bob, cid}, changes: []adsync.Change{createOf(cid), createOf(ann), createOf(bob)}, want: []error{nil, nil, nil}, ids: []string{"103", "101", "102"}},
		{name: "batch with a row that is refused", before: []adsync.User{ann, bob, cid}, after: []adsync.User{ann, bobby, cid},
			changes: []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby)}, want: []error{adsync.ErrConflict, nil},
			replies: func(d sqlstore.Dialect) []reply {
				return []reply{{to: "UPDATE", err: refusal(d, "one_login")}, {to: "UPDATE", err: refusal(d, "one_login")}}
			}},
		{name: "batch of a connection that is lost", before: []adsync.User{ann, bob}, changes: []adsync.Change{storeDelete(ann), storeDelete(bob)},
			want: []error{adsync.ErrUnknown, adsync.ErrUnknown}, replies: func(sqlstore.Dialect) []reply { return []reply{{to: "COMMIT", err: errGone}} }},
	}
}

// rareStories are of what only some tables or servers do.
func rareStories() []story {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	anna, bobby, cindy := renamed(ann, "anna"), renamed(bob, "bobby"), renamed(cid, "cindy")
	three := []adsync.User{ann, bob, cid}
	renames := []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby), updateTo(cid, cindy)}
	none := []error{nil, nil, nil}
	long := strings.Repeat("x", 256)
	lengthy := func(u adsync.User) adsync.User { return edited(u, func(u *adsync.User) { u.FirstName = long }) }
	other := func(u adsync.User) adsync.User { return edited(u, func(u *adsync.User) { u.Phone = "other" }) }
	fewer := func(sqlstore.Dialect) []reply { return []reply{{to: "UPDATE `people` FORCE", affected: 1}} }
	return []story{
		{name: "counted update that finds fewer rows", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none, replies: fewer},
		{name: "counted update that would read other rows", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			edit: func(r *recorder) { r.plan = func() [][]string { return [][]string{{"people", "ALL", "", "3"}} } }},
		{name: "counted update that is not explained", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			replies: func(sqlstore.Dialect) []reply { return []reply{{to: "EXPLAIN", err: errGone}} }},
		{name: "counted update without savepoints", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			replies: func(sqlstore.Dialect) []reply { return []reply{{to: "SAVEPOINT adsync_counted", err: errGone}} }},
		{name: "counted update of a key that is several rows'", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			edit: func(r *recorder) { r.types[0].key = false }},
		{name: "counted update of long texts", only: sqlstore.MySQL, before: []adsync.User{ann, lengthy(bob)}, after: []adsync.User{lengthy(ann), edited(lengthy(bob), func(u *adsync.User) { u.FirstName = "B" })},
			changes: []adsync.Change{updateTo(ann, lengthy(ann)), updateTo(lengthy(bob), edited(bob, func(u *adsync.User) { u.FirstName = "B" }))}, want: []error{nil, nil}},
		{name: "counted update of one user twice", only: sqlstore.MySQL, before: []adsync.User{ann, bob}, after: []adsync.User{edited(anna, func(u *adsync.User) { u.Phone = "2" }), bobby},
			changes: []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby), updateTo(anna, edited(anna, func(u *adsync.User) { u.Phone = "2" }))}, want: none},
		{name: "batch of a server that does not return new rows", only: sqlstore.MySQL, after: three, changes: []adsync.Change{createOf(cid), createOf(ann), createOf(bob)}, want: none,
			ids: []string{"103", "101", "102"}, edit: func(r *recorder) { r.noReturning = true }},
		{name: "create of an ID that the host computes", only: sqlstore.MySQL, after: []adsync.User{ann}, changes: []adsync.Change{createOf(ann)}, want: []error{nil}, ids: []string{"101"},
			table: func(s *sqlstore.Table) { s.Defaults = map[string]any{"id": 101, "tenant": 7} }},
		{name: "create of an empty source", after: []adsync.User{edited(ann, func(u *adsync.User) { u.Source = "" })}, changes: []adsync.Change{createOf(edited(ann, func(u *adsync.User) { u.Source = "" }))},
			want: []error{nil}, ids: []string{"101"}},
		{name: "batch of creations and one that is there", before: []adsync.User{bob}, after: three, changes: []adsync.Change{createOf(ann), createOf(bob), createOf(cid)},
			want: []error{nil, adsync.ErrAlready, nil}, ids: []string{"101", "102", "103"}},
		{name: "batch of one entry twice", after: []adsync.User{ann, bob}, changes: []adsync.Change{createOf(ann), createOf(bob), createOf(ann)}, want: []error{nil, nil, adsync.ErrAlready}},
		{name: "batch that is stale in part", before: three, after: []adsync.User{ann, bobby, cid}, want: []error{adsync.ErrStale, nil, adsync.ErrAlready},
			changes: []adsync.Change{updateTo(other(ann), other(anna)), updateTo(bob, bobby), storeDelete(person(9, "nobody"))},
			replies: func(d sqlstore.Dialect) []reply {
				if d == sqlstore.PostgreSQL {
					return []reply{{to: "UPDATE", affected: 1, columns: []string{"n"}, rows: [][]driver.Value{{int64(2)}}}, {to: "DELETE", columns: []string{"n"}}}
				}
				return []reply{{to: "UPDATE `people` FORCE"}, {to: "UPDATE `people` SET"}, {to: "DELETE FROM"}}
			}},
		{name: "soft deletion", before: []adsync.User{ann}, changes: []adsync.Change{storeDelete(ann)}, want: []error{nil}, table: marked},
		{name: "batch of soft deletions", before: three, after: nil, changes: []adsync.Change{storeDelete(ann), storeDelete(bob), storeDelete(cid)}, want: none, table: marked},
	}
}

func marked(s *sqlstore.Table) { s.Delete = map[string]any{"tenant": 8, "note": "left", "guid": nil} }

func withUserID(u adsync.User, id string) adsync.User {
	u.ID = id
	return u
}

func TestStatements_AreThoseOfTheFiles(t *testing.T) {
	for _, d := range dialects {
		for _, st := range append(stories(), rareStories()...) {
			if st.only != "" && st.only != d {
				continue
			}
			t.Run(string(d)+" "+st.name, func(t *testing.T) {
				r := &recorder{types: peopleTypes(d), before: storedAll(st.before...), after: storedAll(st.after...)}
				if st.replies != nil {
					r.replies = st.replies(d)
				}
				if st.edit != nil {
					st.edit(r)
				}
				table := peopleTable()
				if st.table != nil {
					st.table(&table)
				}
				s, _ := openRecorder(t, r, d, table)
				for i, w := range s.ApplyChanges(t.Context(), st.changes) {
					if st.want[i] == nil {
						require.NoError(t, w.Err, i)
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
