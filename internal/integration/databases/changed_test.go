package databases

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// changing is a table that does not keep what it is given, and how.
type changing struct {
	name    string
	schema  []string // of the table people; COUNTER and the like are replaced
	bad     func(u *adsync.User)
	says    string
	creates bool // changes new rows too
}

func (d database) changing() []changing {
	const people = "id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE, phone TEXT, state TEXT"
	phone := func(text string) func(*adsync.User) { return func(u *adsync.User) { u.Phone = text } }
	plain := d.table("people", people)
	cases := []changing{
		{"a trigger before the write", append([]string{plain}, d.spoil("BEFORE")...), phone("spoil"), "phone", true},
		{"a trigger after the write", append([]string{plain}, d.spoil("AFTER")...), phone("spoil"), "phone", true},
	}
	short := func(name, from, to string, bad func(*adsync.User), says string) {
		cases = append(cases, changing{name, []string{d.table("people", strings.Replace(people, from, to, 1))}, bad, says, true})
	}
	switch d.dialect {
	case sqlstore.SQLite: // which has no triggers that change a row on its way
		return cases[1:]
	case sqlstore.PostgreSQL:
		short("spaces beyond the length", "phone TEXT", "phone varchar(8)", phone("12345678  "), "phone")
		short("the padding of a char", "phone TEXT", "phone char(20)", phone("3 "), "phone")
	case sqlstore.MySQL:
		cases = slices.Delete(cases, 1, 2) // a trigger must not write to its own table
		short("a text cut off", "phone TEXT", "phone VARCHAR(8)", phone("123456789"), "phone")
		short("spaces beyond the length", "phone TEXT", "phone VARCHAR(8)", phone("12345678  "), "phone")
		short("the padding of a char", "phone TEXT", "phone CHAR(20)", phone("3 "), "phone")
		short("letters that the column lacks", "phone TEXT", "phone VARCHAR(40) CHARACTER SET latin1", phone("日本"), "phone")
		short("letters of four bytes", "phone TEXT", "phone VARCHAR(40) CHARACTER SET utf8mb3", phone("😀"), "phone")
		short("a name cut off", "login TEXT", "login VARCHAR(9)", func(u *adsync.User) { u.Username += strings.Repeat("x", 9) }, "username")
	}
	return cases
}

// spoil is a trigger that changes phones which say so.
func (d database) spoil(when string) []string {
	switch d.dialect {
	case sqlstore.SQLite:
		var all []string
		for _, op := range []string{"INSERT", "UPDATE"} {
			all = append(all, "CREATE TRIGGER spoil_"+op+" AFTER "+op+" ON people WHEN NEW.phone = 'spoil' BEGIN UPDATE people SET phone = 'spoiled' WHERE id = NEW.id; END")
		}
		return all
	case sqlstore.MySQL:
		var all []string
		for _, op := range []string{"INSERT", "UPDATE"} {
			all = append(all, "CREATE TRIGGER spoil_"+op+" "+when+" "+op+" ON people FOR EACH ROW SET NEW.phone = IF(NEW.phone = 'spoil', 'spoiled', NEW.phone)")
		}
		return all
	}
	does := "NEW.phone := 'spoiled';"
	if when == "AFTER" {
		does = "UPDATE people SET phone = 'spoiled' WHERE id = NEW.id;"
	}
	return []string{
		"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.phone = 'spoil' THEN " + does + " END IF; RETURN NEW; END $$",
		"CREATE TRIGGER spoil " + when + " INSERT OR UPDATE ON people FOR EACH ROW EXECUTE FUNCTION spoil()",
	}
}

// testChanged has tables that change what is written. Whichever way the write takes, it
// is failed and undone, and the other writes of its batch are done.
func testChanged(t *testing.T, d database) {
	for _, c := range d.changing() {
		t.Run(c.name, func(t *testing.T) {
			dsn := d.dsn(t)
			if d.dialect == sqlstore.MySQL {
				dsn += "?sql_mode=%27%27" // the mode that cuts off
			}
			db := open(t, d.driver, dsn, c.schema...)
			table := sqlstore.Table{Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Phone: "phone", Status: "state"}}
			s := newStore(t, db, d.dialect, table)
			const people = 120 // more than one statement has
			var news []adsync.User
			for i := range people {
				news = append(news, with(one("", i+1, fmt.Sprint("user", i), "1"), func(u *adsync.User) { u.Status = adsync.StatusActive }))
			}
			want := map[string]adsync.User{}
			c.testCreates(t, s, news, want)
			c.testUpdates(t, s, want)

			for i, u := range list(t, s) { // one by one, each its own batch
				if u.Username == "user7" {
					bad := with(u, c.bad)
					c.checkRefused(t, s.UpdateUser(t.Context(), update(u, bad)))
					assert.Equal(t, u, list(t, s)[i])
				}
			}
			bad := with(one("", 999, "late", "1"), func(u *adsync.User) { u.Status = adsync.StatusActive; c.bad(u) })
			_, err := s.CreateUser(t.Context(), create(bad))
			c.checkRefused(t, err)
			assert.Equal(t, want, list(t, s))
		})
	}
}

func (c changing) checkRefused(t *testing.T, err error) {
	t.Helper()
	assert.ErrorContains(t, err, "adsync: the database changed what was to be written as "+c.says)
}

// testCreates adds all of them, of whom three are changed, and notes them.
func (c changing) testCreates(t *testing.T, s *sqlstore.Store, news []adsync.User, want map[string]adsync.User) {
	t.Helper()
	var cs []adsync.Change
	isBad := func(i int) bool { return i == 3 || i == 60 || i == 61 }
	for i, u := range news {
		if isBad(i) {
			c.bad(&u)
		}
		cs = append(cs, create(u))
	}
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		if isBad(i) {
			c.checkRefused(t, w.Err)
			assert.Empty(t, w.UserID)
			continue
		}
		require.NoError(t, w.Err)
		want[news[i].Username] = with(news[i], func(u *adsync.User) { u.ID = w.UserID })
	}
	require.Equal(t, want, list(t, s))
}

// testUpdates updates all, of whom some are changed, and deletes one.
func (c changing) testUpdates(t *testing.T, s *sqlstore.Store, want map[string]adsync.User) {
	t.Helper()
	var cs []adsync.Change
	bad := map[int]bool{}
	for name, u := range want {
		switch {
		case name == "user20":
			cs = append(cs, remove(u))
			delete(want, name)
			continue
		case len(cs) == 5 || len(cs) == 70:
			bad[len(cs)] = true
			cs = append(cs, update(u, with(u, c.bad)))
			continue
		}
		after := withPhone(u, "2")
		want[name] = after
		cs = append(cs, update(u, after))
	}
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		if bad[i] {
			c.checkRefused(t, w.Err)
			continue
		}
		require.NoError(t, w.Err)
	}
	require.Equal(t, want, list(t, s))
}

// testFallsOut has a table whose condition lets no deactivated user through: such a
// write would lose sight of the user, and import somebody twice.
func testFallsOut(t *testing.T, d database) {
	_, s, now := d.filled(t, sqlstore.Table{Where: "status = 'active'"}, "ann", "bob")
	gone := with(now["ann"], func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	bob := withPhone(now["bob"], "1")
	written := s.ApplyChanges(t.Context(), []adsync.Change{update(now["ann"], gone), update(now["bob"], bob)})
	assert.ErrorContains(t, written[0].Err, "adsync: user "+gone.ID+" would be no user any more")
	assert.NoError(t, written[1].Err)
	assert.Equal(t, map[string]adsync.User{"ann": now["ann"], "bob": bob}, list(t, s))
	assert.ErrorContains(t, s.UpdateUser(t.Context(), update(now["ann"], gone)), "would be no user any more")
}
