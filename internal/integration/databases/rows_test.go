package databases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// people is a table with no rule but its key, which the tests below break: COUNTER
// counts, any other type of the ID is the host's to fill.
func (d database) people(t *testing.T, id string) (*sql.DB, *sqlstore.Store) {
	t.Helper()
	db := d.open(t, d.table("people", "id "+id+", guid TEXT, login TEXT, phone TEXT"))
	return db, newStore(t, db, d.dialect, peopleTable)
}

var peopleTable = sqlstore.Table{Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Phone: "phone"}}

func (d database) add(t *testing.T, db *sql.DB, id string, guid any, login, phone string) {
	t.Helper()
	mustExec(t, db, d.insert("people", "id", "guid", "login", "phone"), id, guid, login, phone)
}

// one is a user of the table people.
func one(id string, n int, login, phone string) adsync.User {
	return adsync.User{ID: id, ObjectID: objectID(n), Source: "ad", Profile: adsync.Profile{Username: login, Phone: phone}}
}

func withPhone(u adsync.User, phone string) adsync.User {
	return with(u, func(u *adsync.User) { u.Phone = phone })
}

func count(t *testing.T, db *sql.DB, where string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow("SELECT count(*) FROM "+where).Scan(&n))
	return n
}

// testOtherSpellings has objectGUIDs as other programs write them, which an update,
// a deletion and a creation all find.
func testOtherSpellings(t *testing.T, d database) {
	db, s := d.people(t, "COUNTER")
	dashed := func(n int) string { return objectID(n).String() }
	bare := func(n int) string { return strings.ReplaceAll(dashed(n), "-", "") }
	want := map[string]adsync.User{}
	var again []adsync.Change
	for i, spelling := range []string{
		strings.ToUpper(dashed(1)), "{" + dashed(2) + "}", "{" + strings.ToUpper(dashed(3)) + "}", bare(4), strings.ToUpper(bare(5)),
		strings.ToUpper(dashed(6)), "{" + dashed(7) + "}", bare(8), // the last three leave
	} {
		id, login := fmt.Sprint(i+1), fmt.Sprint("user", i+1)
		d.add(t, db, id, spelling, login, "1")
		want[login] = one(id, i+1, login, "1")
		again = append(again, create(one(id, i+1, "twin-"+login, "1")))
	}
	for i, c := range again {
		id, err := s.CreateUser(t.Context(), c)
		require.ErrorIs(t, err, adsync.ErrAlready, "spelling %d", i)
		assert.Equal(t, fmt.Sprint(i+1), id)
	}
	for i, w := range s.ApplyChanges(t.Context(), again) {
		require.ErrorIs(t, w.Err, adsync.ErrAlready, "spelling %d", i)
		assert.Equal(t, fmt.Sprint(i+1), w.UserID)
	}
	assert.Equal(t, want, list(t, s))

	var cs []adsync.Change
	for i := range 8 {
		login := fmt.Sprint("user", i+1)
		if i >= 5 {
			cs = append(cs, remove(want[login]))
			delete(want, login)
			continue
		}
		after := withPhone(want[login], "2")
		cs = append(cs, update(want[login], after))
		want[login] = after
	}
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		assert.NoError(t, w.Err, i)
	}
	assert.Equal(t, want, list(t, s))
	user1 := withPhone(want["user1"], "3")
	require.NoError(t, s.UpdateUser(t.Context(), update(want["user1"], user1)))
	require.NoError(t, s.DeleteUser(t.Context(), remove(want["user2"])))
	delete(want, "user2")
	want["user1"] = user1
	assert.Equal(t, want, list(t, s))
}

// testNulls has rows in which everything is NULL that may be.
func testNulls(t *testing.T, d database) {
	db, s, _ := d.filled(t, sqlstore.Table{})
	for _, name := range []string{"ann", "bob", "cid", "dan"} {
		mustExec(t, db, d.insert("users", "username", "status"), name, "active")
	}
	now := list(t, s)
	ann := now["ann"]
	assert.Equal(t, adsync.User{ID: ann.ID, Status: adsync.StatusActive, Profile: adsync.Profile{Username: "ann"}}, ann)
	phone := with(ann, func(u *adsync.User) { u.Phone = "1" })
	all := with(now["bob"], func(u *adsync.User) {
		u.ObjectID, u.Source, u.FirstName, u.LastName, u.Email = objectID(2), "ad", "F", "L", "bob@corp.example"
	})
	for i, w := range s.ApplyChanges(t.Context(), []adsync.Change{update(ann, phone), update(now["bob"], all), remove(now["cid"])}) {
		assert.NoError(t, w.Err, i)
	}
	assert.Equal(t, map[string]adsync.User{"ann": phone, "bob": all, "dan": now["dan"]}, list(t, s))
	assert.Equal(t, 1, count(t, db, "users WHERE phone = '1' AND object_id IS NULL AND source IS NULL AND first_name IS NULL AND last_name IS NULL AND email IS NULL"), "what is not planned stays NULL")
	emptied := with(all, func(u *adsync.User) { u.Phone, u.FirstName, u.LastName, u.Email = "2", "", "", "" })
	require.NoError(t, s.UpdateUser(t.Context(), update(all, emptied)))
	stale := with(now["dan"], func(u *adsync.User) { u.LastName = "L" })
	assert.ErrorIs(t, s.DeleteUser(t.Context(), remove(stale)), adsync.ErrStale)
	assert.Equal(t, map[string]adsync.User{"ann": phone, "bob": emptied, "dan": now["dan"]}, list(t, s))
}

// raiseOnInsert refuses new people whose login begins with "forbidden", in words that name
// somebody else as well, and in PostgreSQL under a code of the server's own.
var raiseOnInsert = map[sqlstore.Dialect][]string{
	sqlstore.SQLite: {`CREATE TRIGGER refuse BEFORE INSERT ON people WHEN NEW.login LIKE 'forbidden%' BEGIN SELECT RAISE(ABORT, 'the host does not want forbidden1, as bob does not'); END`},
	sqlstore.PostgreSQL: {
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.login LIKE 'forbidden%' THEN
				RAISE EXCEPTION 'the host does not want %, as bob does not', NEW.login USING ERRCODE = 'check_violation', CONSTRAINT = 'no_guests';
			END IF; RETURN NEW; END $$`,
		`CREATE TRIGGER refuse BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION refuse()`,
	},
	sqlstore.MySQL: {`CREATE TRIGGER refuse BEFORE INSERT ON people FOR EACH ROW BEGIN
		IF NEW.login LIKE 'forbidden%' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the host does not want forbidden1, as bob does not'; END IF; END`},
}

// testRefusedRows has rows that leave a column empty that must not be, and rows
// that a trigger refuses, new and old, among others.
func testRefusedRows(t *testing.T, d database) {
	db := d.open(t, append([]string{d.table("people", "id COUNTER, guid TEXT, login TEXT NOT NULL, state TEXT NOT NULL, CONSTRAINT no_state CHECK (state <> 'gone')")}, raiseOnInsert[d.dialect]...)...)
	s := newStore(t, db, d.dialect, sqlstore.Table{
		Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Status: "state"},
		Statuses: map[adsync.Status]any{adsync.StatusActive: "on", adsync.StatusDeactivated: "gone"}, // which the table does not take
	})
	seed(t, s, one("", 1, "ann", ""), one("", 2, "bob", ""))
	now := list(t, s)
	active := func(u adsync.User) adsync.User {
		return with(u, func(u *adsync.User) { u.Status = adsync.StatusActive })
	}
	gone := func(u adsync.User) adsync.User {
		return with(u, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	}
	anna := with(now["ann"], func(u *adsync.User) { u.Username = "anna" })
	cs := []adsync.Change{
		create(one("", 3, "cid", "")),
		create(gone(one("", 4, "null", ""))),
		create(one("", 5, "forbidden1", "")),
		update(now["ann"], anna),
		update(now["bob"], gone(now["bob"])),
		create(one("", 6, "dan", "")),
	}
	why := map[int]string{1: "no_state", 2: "a trigger or function raised it, in words that may name somebody and are left out (", 4: "no_state"}
	out := s.ApplyChanges(t.Context(), cs)
	for i, w := range out {
		if why[i] == "" {
			assert.NoError(t, w.Err, i)
			continue
		}
		assert.ErrorContains(t, w.Err, "adsync: the database refused this row", i)
		assert.ErrorContains(t, w.Err, why[i], i)
		assert.NotErrorIs(t, w.Err, adsync.ErrConflict, i)
		assert.NotRegexp(t, "does not want|bob|forbidden", w.Err, i)
		assert.Empty(t, w.UserID, i)
	}
	if d.dialect == sqlstore.PostgreSQL {
		assert.ErrorContains(t, out[2].Err, "adsync: the database refused this row by its constraint no_guests; ")
	}
	assert.Equal(t, map[string]adsync.User{
		"anna": anna, "bob": now["bob"], "cid": active(one(out[0].UserID, 3, "cid", "")), "dan": active(one(out[5].UserID, 6, "dan", "")),
	}, list(t, s))
	for i, text := range why {
		if cs[i].Op == adsync.OpCreate {
			_, err := s.CreateUser(t.Context(), cs[i])
			assert.ErrorContains(t, err, text)
		}
	}
}

// testOnWriteMarks hands over what those own who are marked as deleted.
func testOnWriteMarks(t *testing.T, d database) {
	claim := errors.New("has a claim")
	var asked []adsync.User
	table := sqlstore.Table{
		Where:  "COALESCE(phone, '') <> 'gone'",
		Delete: map[string]any{"phone": "gone"},
		OnWrite: onDelete(func(ctx context.Context, tx *sql.Tx, u adsync.User) error {
			asked = append(asked, u)
			if _, err := tx.ExecContext(ctx, "UPDATE docs SET owner = NULL WHERE owner = "+d.place(1), u.ID); err != nil {
				return err
			}
			if u.Username == "bob" {
				return claim
			}
			return nil
		}),
	}
	db, s, now := d.filled(t, table, "ann", "bob", "cid", "dan")
	mustExec(t, db, "INSERT INTO docs (id, owner) SELECT 1, id FROM users")
	removeThree(t, s, now, claim)
	require.NoError(t, s.DeleteUser(t.Context(), remove(now["dan"])))
	assert.Contains(t, asked, now["ann"], "the user is handed over as they were")
	assert.Contains(t, asked, now["dan"])
	assert.NotContains(t, asked, now["cid"])
	assert.Equal(t, map[string]adsync.User{"bob": now["bob"], "cid": now["cid"]}, list(t, s))
	assert.Equal(t, 2, count(t, db, "docs WHERE owner IN (SELECT id FROM users WHERE username IN ('bob', 'cid'))"), "what a kept user owns stays theirs")
	assert.Equal(t, 2, count(t, db, "docs WHERE owner IS NULL"))
	assert.Equal(t, 2, count(t, db, "users WHERE phone = 'gone' AND email IS NULL AND username LIKE '~deleted-%'"), "the rows are still there, without their keys")
	assert.ErrorIs(t, s.DeleteUser(t.Context(), remove(now["ann"])), adsync.ErrAlready)
}

// testSharedIDs writes none of several rows with one ID, whether they are as planned,
// stored differently, or neither; the other changes of the batch are written.
func testSharedIDs(t *testing.T, d database) {
	db, s := d.people(t, "TEXT")
	for range 2 {
		d.add(t, db, "same", objectID(1).String(), "ann", "1")
		d.add(t, db, "other", strings.ToUpper(objectID(2).String()), "bob", "1")
	}
	same, other := one("same", 1, "ann", "1"), one("other", 2, "bob", "1")
	stale := withPhone(other, "0")
	fine := one("fine", 3, "cid", "0")
	d.add(t, db, fine.ID, fine.ObjectID.String(), fine.Username, fine.Phone)
	for name, c := range map[string]adsync.Change{
		"an update":                 update(same, withPhone(same, "2")),
		"a deletion":                remove(same),
		"an update where it reads":  update(other, withPhone(other, "2")),
		"a deletion where it reads": remove(other),
		"an update that is stale":   update(stale, withPhone(stale, "2")),
		"a deletion that is stale":  remove(stale),
		"an update that is done":    update(stale, other),
	} {
		next := withPhone(fine, fine.Phone+"0")
		out := s.ApplyChanges(t.Context(), []adsync.Change{c, update(fine, next)})
		assert.ErrorContains(t, out[0].Err, "adsync: several rows have this ID", name)
		require.NoError(t, out[1].Err, name)
		fine = next
		assert.ErrorContains(t, s.ApplyChanges(t.Context(), []adsync.Change{c})[0].Err, "adsync: several rows have this ID", name)
		absent := one("absent", 4, "dan", "1")
		beside := remove(absent)
		if c.Op == adsync.OpUpdate {
			beside = update(absent, withPhone(absent, "2"))
		}
		out = s.ApplyChanges(t.Context(), []adsync.Change{c, beside}) // as many rows as changes
		assert.ErrorContains(t, out[0].Err, "adsync: several rows have this ID", name)
		assert.Error(t, out[1].Err, name)
		require.Equal(t, 4, count(t, db, "people WHERE phone = '1'"), name)
	}
}

// testAnotherBefore has a Before that is another user's, which looks the same.
func testAnotherBefore(t *testing.T, d database) {
	db, s := d.people(t, "COUNTER")
	d.add(t, db, "1", objectID(1).String(), "ann", "1")
	d.add(t, db, "2", objectID(1).String(), "ann", "1")
	d.add(t, db, "3", objectID(1).String(), "ann", "1")
	now := one("1", 1, "ann", "1")
	change := update(now, with(now, func(u *adsync.User) { u.ID, u.Phone = "2", "2" }))
	deletion := remove(now)
	change.UserID, deletion.UserID = "2", "3"
	for i, w := range s.ApplyChanges(t.Context(), []adsync.Change{change, deletion}) {
		assert.ErrorIs(t, w.Err, adsync.ErrStale, i)
	}
	assert.ErrorIs(t, s.UpdateUser(t.Context(), change), adsync.ErrStale)
	assert.ErrorIs(t, s.DeleteUser(t.Context(), deletion), adsync.ErrStale)
	assert.Equal(t, 3, count(t, db, "people WHERE phone = '1'"))
}

// testOneRowTwice has one user, or one entry, in several changes of a batch, and
// several new users without an entry.
func testOneRowTwice(t *testing.T, d database) {
	db, s := d.people(t, "COUNTER")
	apply := func(cs ...adsync.Change) []adsync.Written { return s.ApplyChanges(t.Context(), cs) }
	seed(t, s, one("", 1, "ann", "0"), one("", 2, "bob", "0"))
	var steps []adsync.Change
	for i := range 3 {
		before := withPhone(list(t, s)["ann"], fmt.Sprint(i))
		steps = append(steps, update(before, withPhone(before, fmt.Sprint(i+1))))
	}
	for i, w := range apply(steps...) {
		assert.NoError(t, w.Err, i)
	}
	assert.Equal(t, "3", list(t, s)["ann"].Phone)

	cid := create(one("", 3, "cid", "0"))
	out := apply(cid, cid)
	assert.NoError(t, out[0].Err)
	assert.ErrorIs(t, out[1].Err, adsync.ErrAlready)
	assert.Equal(t, out[0].UserID, out[1].UserID)
	assert.Equal(t, 1, count(t, db, "people WHERE login = 'cid'"))

	local := func(name string) adsync.Change {
		return create(adsync.User{Source: "ad", Profile: adsync.Profile{Username: name}})
	}
	out = apply(local("dan"), local("eve"))
	users := list(t, s)
	for i, name := range []string{"dan", "eve"} {
		assert.NoError(t, out[i].Err)
		assert.Equal(t, users[name].ID, out[i].UserID)
	}
}
