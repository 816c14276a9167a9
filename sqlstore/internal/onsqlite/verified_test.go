package onsqlite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// A write that the database changes on the way is failed, and undone.
func TestWrites_ThatTheDatabaseChanges(t *testing.T) {
	for name, test := range map[string]struct{ trigger, says string }{
		"a trigger that cuts off": {"AFTER UPDATE ON people BEGIN UPDATE people SET given = substr(given, 1, 2) WHERE id = NEW.id; END",
			"adsync: the database changed what was to be written as first_name"},
		"a trigger of two columns": {"AFTER UPDATE ON people BEGIN UPDATE people SET given = 'x', phone = 'y' WHERE id = NEW.id; END",
			"adsync: the database changed what was to be written as first_name, phone"},
		"a trigger that ignores": {"BEFORE UPDATE ON people BEGIN SELECT RAISE(IGNORE); END", "adsync: the database left user 1 as it was"},
		"a trigger that restores": {"AFTER UPDATE ON people WHEN NEW.given <> OLD.given BEGIN UPDATE people SET given = OLD.given WHERE id = NEW.id; END",
			"adsync: the database left user 1 as it was"},
		"a trigger that moves away": {"AFTER UPDATE ON people BEGIN UPDATE people SET tenant = 8 WHERE id = NEW.id; END", "adsync: user 1 would be no user any more"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, peopleTable(), people)
			now := h.add("ann", "bob")
			h.exec("CREATE TRIGGER odd " + test.trigger)
			c := update(now["ann"], func(u *adsync.User) { u.FirstName = "Annabella" })
			assert.ErrorContains(t, h.UpdateUser(t.Context(), c), test.says)
			assert.Equal(t, now, h.users())
			requireErrs(t, h.errs(c, create(person(3, "cid")), remove(now["bob"])), test.says, nil, nil)
			after := h.users()
			assert.Equal(t, now["ann"], after["ann"], "and alone")
			assert.Len(t, after, 2)
		})
	}
}

func TestDeletes_ThatTheDatabaseChanges(t *testing.T) {
	for name, test := range map[string]struct{ trigger, says string }{
		"a trigger that ignores": {"BEFORE DELETE ON people BEGIN SELECT RAISE(IGNORE); END", "adsync: the database left user 1 as it was"},
		"a trigger that puts it back": {"AFTER DELETE ON people BEGIN INSERT INTO people (id, login) VALUES (OLD.id, OLD.login); END",
			"adsync: the database changed user 1 instead of deleting it"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, peopleTable(), people)
			now := h.add("ann", "bob")
			h.exec("CREATE TRIGGER odd " + test.trigger)
			assert.ErrorContains(t, h.DeleteUser(t.Context(), remove(now["ann"])), test.says)
			assert.Equal(t, now, h.users())
		})
	}
}

func TestCreations_ThatTheDatabaseChanges(t *testing.T) {
	whole := peopleTable()
	whole.Where, whole.Args = "", nil
	for name, table := range map[string]sqlstore.Table{"where there is a condition": peopleTable(), "where there is none": whole} {
		for _, kind := range []string{"TRIGGER odd", "TEMP TRIGGER odd"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				h := newHost(t, table, people)
				h.db.SetMaxOpenConns(1) // the temporary one is the connection's
				h.exec("CREATE " + kind + " AFTER INSERT ON people WHEN NEW.login = 'bob' BEGIN UPDATE people SET given = 'x' WHERE id = NEW.id; END")
				const says = "adsync: the database changed what was to be written as first_name"
				_, err := h.CreateUser(t.Context(), create(person(2, "bob")))
				assert.ErrorContains(t, err, says)
				requireErrs(t, h.errs(create(person(1, "ann")), create(person(2, "bob")), create(person(3, "cid"))), nil, says, nil)
				assert.Len(t, h.users(), 2)
			})
		}
	}
}

// A table that is named without its schema may be one of an attached database.
func TestCreations_ThatAnAttachedDatabaseChanges(t *testing.T) {
	for _, name := range []string{"people", "other.people"} {
		t.Run(name, func(t *testing.T) {
			table := peopleTable()
			table.Name, table.Where, table.Args = name, "", nil
			h := newHost(t, table)
			h.db.SetMaxOpenConns(1) // which the database is attached to
			h.exec("ATTACH ':memory:' AS other")
			h.exec(strings.Replace(people, "people", "other.people", 1))
			h.exec("CREATE TRIGGER other.odd AFTER INSERT ON people WHEN NEW.login = 'bob' BEGIN UPDATE people SET given = 'x' WHERE id = NEW.id; END")
			requireErrs(t, h.errs(create(person(1, "ann")), create(person(2, "bob")), create(person(3, "cid"))),
				nil, "adsync: the database changed what was to be written as first_name", nil)
		})
	}
}

// A mark that Where does not exclude leaves a user.
func TestDelete_ThatMarksTheRow(t *testing.T) {
	table := peopleTable()
	table.Delete = map[string]any{"tenant": 8, "guid": nil}
	h := newHost(t, table, people)
	now := h.add("ann", "bob", "cid")
	require.NoError(t, h.DeleteUser(t.Context(), remove(now["ann"])))
	requireErrs(t, h.errs(remove(now["bob"]), remove(now["ann"])), nil, adsync.ErrAlready)
	assert.Equal(t, map[string]adsync.User{"cid": now["cid"]}, h.users())
	assert.Equal(t, "2", h.text("SELECT COUNT(*) FROM people WHERE tenant = 8 AND guid IS NULL AND mail IS NULL AND login = '~deleted-' || id AND given <> ''"))
	assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(with(now["cid"], func(u *adsync.User) { u.Phone = "9" }))), adsync.ErrStale)

	table.Delete = map[string]any{"phone": "gone"}
	h = newHost(t, table, people)
	now = h.add("ann")
	assert.ErrorContains(t, h.DeleteUser(t.Context(), remove(now["ann"])), "adsync: user 1 is still a user after the deletion")
	assert.Equal(t, now, h.users())
}

// A conflict clause would delete the row that is in the way.
func TestConflicts_NeverReplaceARow(t *testing.T) {
	h := newHost(t, peopleTable(), `CREATE TABLE people (id INTEGER PRIMARY KEY, guid TEXT, src TEXT, login TEXT UNIQUE ON CONFLICT REPLACE, given TEXT, family TEXT,
		mail TEXT, phone TEXT, state TEXT, admin BOOLEAN, tenant INTEGER)`)
	now := h.add("ann", "bob")
	assert.ErrorIs(t, h.UpdateUser(t.Context(), update(now["ann"], func(u *adsync.User) { u.Username = "bob" })), adsync.ErrConflict)
	_, err := h.CreateUser(t.Context(), create(person(3, "bob")))
	assert.ErrorIs(t, err, adsync.ErrConflict)
	requireErrs(t, h.errs(create(person(3, "bob")), create(person(4, "dan"))), adsync.ErrConflict, nil)
	delete(now, "dan")
	after := h.users()
	assert.Equal(t, now["bob"], after["bob"])
	assert.Len(t, after, 3)
	warnings, err := h.Check(t.Context())
	require.NoError(t, err)
	assert.Contains(t, warnings[len(warnings)-1], "ON CONFLICT")
}

// A view with triggers does not say how many rows were written: each is read first.
func TestViews_AreReadBeforeTheyAreWritten(t *testing.T) {
	table := peopleTable()
	table.Name = "staff"
	h := newHost(t, table, people, "CREATE VIEW staff AS SELECT * FROM people",
		`CREATE TRIGGER change INSTEAD OF UPDATE ON staff BEGIN UPDATE people SET guid = NEW.guid, src = NEW.src, login = NEW.login, given = NEW.given, family = NEW.family,
			mail = NEW.mail, phone = NEW.phone, state = NEW.state, admin = NEW.admin WHERE id = NEW.id; END`,
		"CREATE TRIGGER leave INSTEAD OF DELETE ON staff BEGIN DELETE FROM people WHERE id = OLD.id; END",
		"INSERT INTO people (guid, src, login, mail) VALUES ('"+objectID(1).String()+"', 'ad', 'ann', 'a@corp.example'), ('"+objectID(2).String()+"', 'ad', 'bob', NULL)")
	now := h.users()
	require.Len(t, now, 2)
	c := update(now["ann"], func(u *adsync.User) { u.Phone = "2" })
	require.NoError(t, h.UpdateUser(t.Context(), c))
	assert.ErrorIs(t, h.UpdateUser(t.Context(), update(now["ann"], func(u *adsync.User) { u.Phone = "3" })), adsync.ErrStale)
	assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(now["ann"])), adsync.ErrStale)
	requireErrs(t, h.errs(remove(now["bob"]), remove(*c.After)), nil, nil)
	assert.Empty(t, h.users())
	warnings, err := h.Check(t.Context())
	require.NoError(t, err)
	assert.Contains(t, warnings[len(warnings)-1], "is a view")
}

// The ID is compared as it reads, whatever the column takes for equal.
func TestKeys_AreComparedAsTheyRead(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	ann := h.add("ann")["ann"]
	for _, id := range []string{"01", "1.0", " 1", "+1", "1 "} {
		other := with(ann, func(u *adsync.User) { u.ID = id })
		assert.ErrorIs(t, h.UpdateUser(t.Context(), update(other, func(u *adsync.User) { u.Phone = "2" })), adsync.ErrStale, id)
		assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(other)), adsync.ErrStale, id)
	}
	assert.Equal(t, map[string]adsync.User{"ann": ann}, h.users())
}

// An ID that is several rows' is written to none of them.
func TestKeys_OfSeveralRows(t *testing.T) {
	table := peopleTable()
	table.Columns.ID = "family"
	table.Columns.LastName = ""
	h := newHost(t, table, people,
		"INSERT INTO people (guid, src, login, mail, family) VALUES ('"+objectID(1).String()+"', 'ad', 'ann', 'a@corp.example', 'X'), ('"+objectID(2).String()+"', 'ad', 'bob', NULL, 'X'), ('"+objectID(3).String()+"', 'ad', 'cid', NULL, 'Y')")
	now := h.users()
	const says = "adsync: several rows have this ID, and none was written"
	for _, edit := range []func(*adsync.User){func(u *adsync.User) {}, func(u *adsync.User) { u.Phone = "stale" }} {
		ann := with(now["ann"], edit)
		assert.ErrorContains(t, h.UpdateUser(t.Context(), update(ann, func(u *adsync.User) { u.Phone = "2" })), says)
	}
	assert.ErrorContains(t, h.DeleteUser(t.Context(), remove(with(now["ann"], func(u *adsync.User) { u.Phone = "stale" }))), says)
	assert.Equal(t, now, h.users())
	requireErrs(t, h.errs(update(now["cid"], func(u *adsync.User) { u.Phone = "2" }), remove(now["bob"])), nil, "adsync: the database changed user X instead of deleting it")
	assert.Equal(t, now["bob"], h.users()["bob"])
}
