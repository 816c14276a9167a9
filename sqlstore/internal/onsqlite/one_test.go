package onsqlite

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

func TestUpdate_WritesWhatDiffers(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	ann := h.add("ann", "bob")["ann"]
	h.exec("CREATE TABLE seen (columns TEXT)")
	h.exec("CREATE TRIGGER only_given BEFORE UPDATE OF login, mail, phone, family ON people BEGIN SELECT RAISE(ABORT, 'not this column'); END")
	require.NoError(t, h.UpdateUser(t.Context(), update(ann, func(u *adsync.User) { u.FirstName = "Anna" })))
	assert.Equal(t, "Anna", h.users()["ann"].FirstName)
	assert.Equal(t, "Fbob", h.users()["bob"].FirstName)
}

func TestUpdate_WritesEveryField(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	ann := h.add("ann")["ann"]
	all := with(ann, func(u *adsync.User) {
		u.ObjectID, u.Source, u.Status, u.Protected = objectID(9), "", adsync.StatusDeactivated, true
		u.Profile = adsync.Profile{Username: "anna", FirstName: "A", LastName: "B", Phone: "2"}
	})
	c := update(ann, func(u *adsync.User) { *u = all })
	require.NoError(t, h.UpdateUser(t.Context(), c))
	assert.Equal(t, map[string]adsync.User{"anna": all}, h.users())
	assert.Equal(t, "<nil>", h.text("SELECT mail FROM people"), "an empty address is NULL, as a unique index has only one empty text")
	assert.ErrorIs(t, h.UpdateUser(t.Context(), c), adsync.ErrAlready)

	unlinked := update(all, func(u *adsync.User) { u.ObjectID, u.Protected = adsync.ObjectID{}, false })
	require.NoError(t, h.UpdateUser(t.Context(), unlinked))
	assert.Equal(t, "<nil>", h.text("SELECT guid FROM people"))
	assert.Equal(t, *unlinked.After, h.users()["anna"])
}

func TestUpdate_RefusesWhatIsNotAsPlanned(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	now := h.add("ann", "bob")
	rename := func(u *adsync.User) { u.Username = "anna" }
	for name, edit := range map[string]func(*adsync.User){
		"another status": func(u *adsync.User) { u.Status = adsync.StatusBlocked }, "protected by now": func(u *adsync.User) { u.Protected = true },
		"another source": func(u *adsync.User) { u.Source = "other" }, "another link": func(u *adsync.User) { u.ObjectID = objectID(8) },
		"no link": func(u *adsync.User) { u.ObjectID = adsync.ObjectID{} }, "another first name": func(u *adsync.User) { u.FirstName = "x" },
		"a name in another case": func(u *adsync.User) { u.LastName = "l" }, "a blank at the end": func(u *adsync.User) { u.Phone += " " },
		"another address": func(u *adsync.User) { u.Email = "" }, "another row": func(u *adsync.User) { u.ID = now["bob"].ID },
	} {
		t.Run(name, func(t *testing.T) {
			c := update(with(now["ann"], edit), rename)
			assert.ErrorIs(t, h.UpdateUser(t.Context(), c), adsync.ErrStale)
			assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(*c.Before)), adsync.ErrStale)
			assert.Equal(t, now, h.users())
		})
	}
	gone := update(with(now["ann"], func(u *adsync.User) { u.ID = "99" }), rename)
	assert.ErrorIs(t, h.UpdateUser(t.Context(), gone), adsync.ErrStale)
	assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(*gone.Before)), adsync.ErrAlready)
	assert.Equal(t, now, h.users())
}

// A row may read as planned and be stored in another way.
func TestUpdate_OfRowsStoredDifferently(t *testing.T) {
	for name, text := range map[string]string{
		"braces and upper case": "UPDATE people SET guid = '{' || UPPER(guid) || '}'", "no dashes": "UPDATE people SET guid = REPLACE(guid, '-', '')",
		"a flag in words": "UPDATE people SET admin = 'no'", "an empty address": "UPDATE people SET mail = ''", "a number for a text": "UPDATE people SET phone = 1",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, peopleTable(), people)
			h.add("ann")
			h.exec(text)
			before := h.users()["ann"]
			c := update(before, func(u *adsync.User) { u.LastName = "New" })
			require.NoError(t, h.UpdateUser(t.Context(), c))
			assert.Equal(t, *c.After, h.users()["ann"])
			require.NoError(t, h.DeleteUser(t.Context(), remove(*c.After)))
			assert.Empty(t, h.users())
		})
	}
}

func TestDelete_RemovesTheRowAlone(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	now := h.add("ann", "bob")
	require.NoError(t, h.DeleteUser(t.Context(), remove(now["ann"])))
	assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(now["ann"])), adsync.ErrAlready)
	delete(now, "ann")
	assert.Equal(t, now, h.users())
}

// No row beyond Where is a user.
func TestWhere_HoldsForEachWrite(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	ann := h.add("ann")["ann"]
	h.exec("UPDATE people SET tenant = 8")
	assert.Empty(t, h.users())
	assert.ErrorIs(t, h.UpdateUser(t.Context(), update(ann, func(u *adsync.User) { u.Phone = "2" })), adsync.ErrStale)
	assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(ann)), adsync.ErrAlready)
	assert.Equal(t, "1", h.text("SELECT COUNT(*) FROM people WHERE tenant = 8 AND phone = '1'"))

	table := peopleTable()
	table.Defaults = map[string]any{"tenant": 8}
	h = newHost(t, table, people)
	_, err := h.CreateUser(t.Context(), create(person(1, "ann")))
	assert.ErrorContains(t, err, "adsync: the new row was not kept")
	assert.Equal(t, "0", h.text("SELECT COUNT(*) FROM people"))
	requireErrs(t, h.errs(create(person(1, "ann")), create(person(2, "bob"))), "adsync: the new row was not kept", "adsync: the new row was not kept")
	assert.Equal(t, "0", h.text("SELECT COUNT(*) FROM people"))
}

func TestCreate_AddsARow(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	bare := adsync.User{ObjectID: objectID(2), Source: "ad", Profile: adsync.Profile{Username: "bare"}}
	id, err := h.CreateUser(t.Context(), create(bare))
	require.NoError(t, err)
	bare.ID, bare.Status = id, adsync.StatusActive
	assert.Equal(t, map[string]adsync.User{"bare": bare}, h.users())
	assert.Equal(t, id, h.text("SELECT id FROM people WHERE mail IS NULL AND tenant = 7"))

	again, err := h.CreateUser(t.Context(), create(bare))
	assert.ErrorIs(t, err, adsync.ErrAlready)
	assert.Equal(t, id, again, "with that user's ID")
	_, err = h.CreateUser(t.Context(), create(with(person(3, "bare"), func(u *adsync.User) { u.Email = "" })))
	assert.ErrorIs(t, err, adsync.ErrConflict)
	assert.ErrorContains(t, err, "people.login", "which says where")
	_, err = h.CreateUser(t.Context(), create(with(bare, func(u *adsync.User) { u.Source, u.Username = "other", "other" })))
	assert.NoError(t, err, "an ObjectID of another source is another entry")
	_, err = h.CreateUser(t.Context(), create(adsync.User{Profile: adsync.Profile{Username: "local"}}))
	assert.NoError(t, err, "one who is linked to nobody, as an undo creates")
	assert.Equal(t, "local", h.text("SELECT login FROM people WHERE guid IS NULL"))
}

// Another program's row is found in any spelling of the objectGUID.
func TestCreate_FindsEverySpelling(t *testing.T) {
	for _, spell := range []string{"UPPER(guid)", "'{' || guid || '}'", "REPLACE(guid, '-', '')", "'{' || UPPER(guid) || '}'", "UPPER(REPLACE(guid, '-', ''))"} {
		h := newHost(t, peopleTable(), people)
		now := h.add("ann", "bob")
		h.exec("UPDATE people SET guid = " + spell)
		id, err := h.CreateUser(t.Context(), create(with(person(1, "someone"), func(u *adsync.User) { u.Email = "" })))
		assert.ErrorIs(t, err, adsync.ErrAlready, spell)
		assert.Equal(t, now["ann"].ID, id)
		assert.Equal(t, now, h.users())
		requireErrs(t, h.errs(create(person(1, "x")), create(person(2, "y"))), adsync.ErrAlready, adsync.ErrAlready)
	}
}

func TestSource_MayBeTheTables(t *testing.T) {
	table := peopleTable()
	table.Columns.Source, table.Source = "", "ad"
	h := newHost(t, table, people)
	now := h.add("ann")
	assert.Equal(t, "ad", now["ann"].Source)
	assert.Equal(t, "", h.text("SELECT src FROM people"))
	_, err := h.CreateUser(t.Context(), create(with(person(2, "bob"), func(u *adsync.User) { u.Source = "other" })))
	assert.ErrorContains(t, err, "adsync: the table people has no column for source")
	err = h.UpdateUser(t.Context(), update(now["ann"], func(u *adsync.User) { u.Source = "" }))
	assert.ErrorContains(t, err, "adsync: the table people has no column for source")
	assert.Equal(t, now, h.users())
}

func TestColumns_WithoutOne(t *testing.T) {
	table := peopleTable()
	table.Columns = sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}
	h := newHost(t, table, people)
	for _, edit := range []func(*adsync.User){
		func(u *adsync.User) { u.Email = "a@corp.example" }, func(u *adsync.User) { u.Phone = "1" }, func(u *adsync.User) { u.Protected = true },
		func(u *adsync.User) { u.Status = adsync.StatusBlocked }, func(u *adsync.User) { u.FirstName = "A" }, func(u *adsync.User) { u.LastName = "A" },
	} {
		u := adsync.User{ObjectID: objectID(1), Profile: adsync.Profile{Username: "ann"}}
		_, err := h.CreateUser(t.Context(), create(with(u, edit)))
		assert.ErrorContains(t, err, "adsync: the table people has no column for ")
	}
	assert.Empty(t, h.users())
	assert.Equal(t, []adsync.Field{adsync.FieldUsername}, h.Traits().Fields)
}

func TestDerived_FollowsEachWrite(t *testing.T) {
	table := peopleTable()
	table.Derived = map[string]func(adsync.User) any{
		"login_lower": func(u adsync.User) any { return strings.ToLower(u.Username) },
		"mail_lower": func(u adsync.User) any {
			if u.Email == "" {
				return sqlstore.Null
			}
			return strings.ToLower(u.Email)
		},
		"changed": func(adsync.User) any { return sqlstore.Now },
	}
	table.Where, table.Args, table.Defaults = "gone IS NULL", nil, nil
	table.Delete = map[string]any{"gone": sqlstore.Now, "guid": nil}
	h := newHost(t, table, people, "ALTER TABLE people ADD gone DATETIME", "ALTER TABLE people ADD login_lower TEXT", "ALTER TABLE people ADD mail_lower TEXT", "ALTER TABLE people ADD changed BIGINT")
	row := func() string {
		return h.text("SELECT login || ' ' || COALESCE(login_lower, '-') || ' ' || COALESCE(mail_lower, '-') || ' ' || (changed > 1600000000000) FROM people")
	}
	h.add("Ann")
	assert.Equal(t, "Ann ann ann@corp.example 1", row())
	h.exec("UPDATE people SET changed = 0")
	require.NoError(t, h.UpdateUser(t.Context(), update(h.users()["Ann"], func(u *adsync.User) { u.Username, u.Email = "Anna", "" })))
	assert.Equal(t, "Anna anna - 1", row())
	require.NoError(t, h.DeleteUser(t.Context(), remove(h.users()["Anna"])))
	assert.Empty(t, h.users())
	assert.Equal(t, "~deleted-1 ~deleted-1 ~deleted-1@adsync.invalid 1", row(), "from the keys that the row is left with")
	assert.Equal(t, "<nil>", h.text("SELECT mail FROM people WHERE gone LIKE '20__-__-__ __:__:__'"), "the key is free again")
	h.add("Ann")
	assert.Equal(t, "2", h.text("SELECT COUNT(*) FROM people"))
}

func TestStatuses_AreWrittenAndRead(t *testing.T) {
	active, inactive, deactivated, blocked := adsync.StatusActive, adsync.StatusInactive, adsync.StatusDeactivated, adsync.StatusBlocked
	for name, test := range map[string]struct {
		kind     string
		statuses map[adsync.Status]any
		stored   map[adsync.Status]string // as SQL shows it; "time": a time of now
	}{
		"words":     {"TEXT", nil, map[adsync.Status]string{active: "active", deactivated: "deactivated", blocked: "blocked"}},
		"numbers":   {"INTEGER", map[adsync.Status]any{active: 1, deactivated: 2, blocked: 3}, map[adsync.Status]string{active: "1", deactivated: "2", blocked: "3"}},
		"a flag":    {"BOOLEAN", map[adsync.Status]any{active: true, inactive: false}, map[adsync.Status]string{active: "1", inactive: "0"}},
		"a time":    {"DATETIME", map[adsync.Status]any{active: sqlstore.Null, inactive: sqlstore.Now}, map[adsync.Status]string{active: "<nil>", inactive: "time"}},
		"NULL":      {"TEXT", map[adsync.Status]any{active: sqlstore.Null, deactivated: "sync", blocked: sqlstore.NotNull}, map[adsync.Status]string{active: "<nil>", deactivated: "sync"}},
		"a stopper": {"TEXT", map[adsync.Status]any{active: "", deactivated: "gone"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			table := peopleTable()
			table.Columns.Status, table.Statuses = "kind", test.statuses
			if test.stored == nil {
				_, err := sqlstore.New(&sql.DB{}, sqlstore.SQLite, table)
				assert.ErrorContains(t, err, "an empty text")
				return
			}
			h := newHost(t, table, people, "ALTER TABLE people ADD kind "+test.kind)
			h.add("ann")
			for _, first := range []adsync.Status{active, deactivated, inactive, blocked} {
				for _, then := range []adsync.Status{deactivated, inactive, blocked, active} {
					if test.stored[first] == "" || test.stored[then] == "" || first == then {
						continue
					}
					ann := h.users()["ann"]
					if ann.Status != first {
						require.NoError(t, h.UpdateUser(t.Context(), update(ann, func(u *adsync.User) { u.Status = first })))
						ann = h.users()["ann"]
					}
					require.Equal(t, first, ann.Status)
					require.NoError(t, h.UpdateUser(t.Context(), update(ann, func(u *adsync.User) { u.Status = then })))
					assert.Equal(t, then, h.users()["ann"].Status)
					got := h.text("SELECT kind FROM people")
					if test.stored[then] == "time" {
						assert.Equal(t, "1", h.text("SELECT kind > '2020-01-01 00:00:00' FROM people"), got)
						continue
					}
					assert.Equal(t, test.stored[then], got)
				}
			}
		})
	}
}

func TestStatuses_ThatCannotBeWritten(t *testing.T) {
	table := peopleTable()
	table.Statuses = map[adsync.Status]any{adsync.StatusActive: "A", adsync.StatusBlocked: "B"}
	h := newHost(t, table, people)
	ann := h.add("ann")["ann"]
	err := h.UpdateUser(t.Context(), update(ann, func(u *adsync.User) { u.Status = adsync.StatusDeactivated }))
	assert.ErrorContains(t, err, `adsync: sqlstore.Table.Statuses has no value for "deactivated"`)
	_, err = h.CreateUser(t.Context(), create(with(person(2, "bob"), func(u *adsync.User) { u.Status = adsync.StatusDeactivated })))
	assert.ErrorContains(t, err, `adsync: sqlstore.Table.Statuses has no value for "deactivated"`)
	requireErrs(t, h.errs(create(with(person(2, "bob"), func(u *adsync.User) { u.Status = adsync.StatusDeactivated })), create(person(3, "cid"))),
		`adsync: sqlstore.Table.Statuses has no value for "deactivated"`, nil)
	h.exec("UPDATE people SET state = 'strange' WHERE login = 'ann'")
	assert.Equal(t, adsync.StatusBlocked, h.users()["ann"].Status)
	assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(ann)), adsync.ErrStale)
}

// OnWrite keeps what belongs to the change, in its transaction.
func TestOnWrite_IsPartOfTheChange(t *testing.T) {
	full := errors.New("the outbox is full")
	table := peopleTable()
	var seen []string
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		var rows int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM people WHERE id = ?", id).Scan(&rows); err != nil {
			return err
		}
		seen = append(seen, fmt.Sprint(c.Op, " ", id, " of ", rows))
		if _, err := tx.ExecContext(ctx, "INSERT INTO outbox VALUES (?, ?)", string(c.Op), id); err != nil {
			return err
		}
		if c.After != nil && c.After.Phone == "13" || c.After == nil && c.Before.Username == "cid" {
			return full
		}
		return nil
	}
	h := newHost(t, table, people, "CREATE TABLE outbox (op TEXT, id INTEGER)")
	h.add("ann", "bob", "cid")
	h.exec("DELETE FROM outbox")
	now := h.users()
	seen = nil
	requireErrs(t, h.errs(
		update(now["ann"], func(u *adsync.User) { u.Phone = "2" }), remove(now["bob"]), remove(now["cid"]),
		create(person(4, "dan")), create(with(person(5, "eve"), func(u *adsync.User) { u.Phone = "13" })),
		update(now["ann"], func(u *adsync.User) { u.Phone = "3" }),
	), nil, nil, full, nil, full, adsync.ErrStale)
	after := h.users()
	assert.Equal(t, "2", after["ann"].Phone)
	assert.Equal(t, now["cid"], after["cid"])
	assert.NotContains(t, after, "bob")
	assert.Contains(t, after, "dan")
	assert.NotContains(t, after, "eve")
	assert.Equal(t, "create delete update", h.text("SELECT GROUP_CONCAT(op, ' ') FROM (SELECT op FROM outbox ORDER BY op)"), "what was undone left nothing")
	assert.Contains(t, seen, "update "+now["ann"].ID+" of 1")
	assert.Contains(t, seen, "delete "+now["bob"].ID+" of 1", "before the row goes")
	assert.Contains(t, seen, "create "+after["dan"].ID+" of 1")
	err := h.DeleteUser(t.Context(), remove(now["cid"]))
	assert.EqualError(t, err, "adsync: OnWrite refused the delete of user "+now["cid"].ID+", which was undone: the outbox is full")
}

// What OnWrite returns may be the driver's error: its words are as careful as the store's
// own, and the error itself can be asked for.
func TestOnWrite_PassesOnNoValues(t *testing.T) {
	var refusal error
	table := peopleTable()
	table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		_, refusal = tx.ExecContext(ctx, "INSERT INTO outbox VALUES ('bob')")
		if refusal == nil {
			refusal = errors.New("no place for ann, who is ann@corp.example, nor for eve@corp.example")
		}
		return refusal
	}
	for _, schema := range [][]string{
		{"CREATE TABLE outbox (name TEXT)"},
		{"CREATE TABLE outbox (name TEXT)", "CREATE TRIGGER refuse BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'bob again'); END"},
	} {
		h := newHost(t, table, append([]string{people}, schema...)...)
		_, err := h.CreateUser(t.Context(), create(person(1, "ann")))
		assert.ErrorContains(t, err, "adsync: OnWrite refused the create of user 1, which was undone: ")
		assert.NotRegexp(t, "ann|bob|eve", err)
		assert.ErrorIs(t, err, refusal)
	}
}
