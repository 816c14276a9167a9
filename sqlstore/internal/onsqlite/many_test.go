package onsqlite

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// crowd are so many new users, whose names are in no order.
func crowd(n int) (cs []adsync.Change) {
	for i := range n {
		cs = append(cs, create(person(i+1, fmt.Sprint("user", (i*7919)%n))))
	}
	return cs
}

func TestBatch_CreatesInBulk(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	const many = 1234 // several statements, the last of them shorter
	cs := crowd(many)
	ids := map[string]bool{}
	for i, w := range h.ApplyChanges(t.Context(), cs) {
		require.NoError(t, w.Err)
		require.NotEmpty(t, w.UserID)
		ids[w.UserID] = true
		if i%100 == 0 {
			assert.Equal(t, cs[i].After.Username, h.text("SELECT login FROM people WHERE id = ?", w.UserID))
		}
	}
	assert.Len(t, ids, many)
	users := h.users()
	require.Len(t, users, many)
	for _, c := range cs {
		want := *c.After
		want.ID = users[want.Username].ID
		require.Equal(t, want, users[want.Username])
	}
	for i, w := range h.ApplyChanges(t.Context(), cs) {
		require.ErrorIs(t, w.Err, adsync.ErrAlready, i)
		require.Equal(t, users[cs[i].After.Username].ID, w.UserID)
	}
	assert.Equal(t, "user0", h.text("SELECT login FROM people WHERE id = 1"), "they are added by name, which saves time")
}

func TestBatch_CreatesOneByOneWhereOneIsRefused(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	taken := h.add("user5")["user5"]
	cs := crowd(40)
	cs[3].After.Phone, cs[20].After.ObjectID, cs[20].ObjectID = "666", objectID(99), objectID(99)
	for i, w := range h.ApplyChanges(t.Context(), cs) {
		name := cs[i].After.Username
		switch {
		case cs[i].ObjectID == taken.ObjectID:
			assert.ErrorIs(t, w.Err, adsync.ErrAlready, name)
		case name == "user5":
			assert.ErrorIs(t, w.Err, adsync.ErrConflict, name)
		case i == 3:
			assert.ErrorContains(t, w.Err, "adsync: the database refused this row")
		default:
			assert.NoError(t, w.Err, name)
			assert.Equal(t, w.UserID, h.users()[name].ID)
		}
	}
	assert.Equal(t, taken, h.users()["user5"])
}

// Changes of one batch may hold keys that others of it give up.
func TestBatch_InOrder(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	now := h.add("ann", "bob", "cid")
	parked := update(now["ann"], func(u *adsync.User) { u.Username = "parked" })
	swapped := update(now["bob"], func(u *adsync.User) { u.Username = "ann" })
	back := update(*parked.After, func(u *adsync.User) { u.Username = "bob" })
	requireErrs(t, h.errs(parked, swapped, back, remove(now["cid"]), remove(*back.After)), nil, nil, nil, nil, nil)
	assert.Equal(t, map[string]adsync.User{"ann": *swapped.After}, h.users())
}

// A whole sync swaps the keys of many pairs, which parks one of each, and gives new users
// the keys of those who leave.
func TestSync_SwapsWithParking(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	const n = 60
	var dir adsync.StaticDirectory
	for i := range n {
		e := adsync.Entry{ObjectID: objectID(i + 1), Profile: person(i+1, fmt.Sprint("user", i)).Profile}
		dir = append(dir, e)
	}
	sync := func() {
		t.Helper()
		syncer, err := adsync.New(dir, h, &adsync.Options{
			Rules:  adsync.Rules{Source: "ad", Import: true, OnDisabled: adsync.Deactivate},
			Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1},
		})
		require.NoError(t, err)
		report, err := syncer.Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		plan, err := syncer.Plan(t.Context())
		require.NoError(t, err)
		require.Empty(t, plan.Changes)
	}
	sync()
	require.Len(t, h.users(), n)
	for i := 0; i < n; i += 4 {
		dir[i].Profile, dir[i+1].Profile = dir[i+1].Profile, dir[i].Profile
	}
	dir[2].State, dir[3].Disabled = adsync.StateDeleted, true
	dir = append(dir, adsync.Entry{ObjectID: objectID(n + 1), Profile: dir[2].Profile})
	sync()
	users := h.users()
	assert.Len(t, users, n)
	assert.Equal(t, objectID(1), users["user1"].ObjectID)
	assert.Equal(t, objectID(2), users["user0"].ObjectID)
	assert.Equal(t, objectID(n+1), users["user2"].ObjectID)
	assert.Equal(t, adsync.StatusDeactivated, users["user3"].Status)
}

func TestBatch_UndoesABadRowAlone(t *testing.T) {
	h := newHost(t, peopleTable(), people, "CREATE TABLE docs (owner INTEGER REFERENCES people (id))")
	now := h.add("ann", "bob", "cid", "dan")
	h.exec("INSERT INTO docs VALUES (?)", now["dan"].ID)
	requireErrs(t, h.errs(
		update(now["ann"], func(u *adsync.User) { u.Phone = "666" }),
		update(now["bob"], func(u *adsync.User) { u.Username = "cid" }),
		update(now["cid"], func(u *adsync.User) { u.Phone = "2" }),
		remove(now["dan"]),
		update(now["bob"], func(u *adsync.User) { u.Phone = "3" }),
	), "adsync: the database refused this row by its constraint", adsync.ErrConflict, nil, "adsync: the database refused to delete this row", nil)
	after := h.users()
	assert.Equal(t, now["ann"], after["ann"])
	assert.Equal(t, "3", after["bob"].Phone)
	assert.Equal(t, "2", after["cid"].Phone)
	assert.Equal(t, now["dan"], after["dan"])
}

// A large batch is written in parts once a row was refused.
func TestBatch_OfManyWithABadRow(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	cs := crowd(1100)
	cs[700].After.Phone = "666"
	for i, w := range h.ApplyChanges(t.Context(), cs) {
		if i == 700 {
			assert.ErrorContains(t, w.Err, "adsync: the database refused this row")
			continue
		}
		require.NoError(t, w.Err, i)
		require.Equal(t, cs[i].After.Username, h.text("SELECT login FROM people WHERE id = ?", w.UserID))
	}
	assert.Equal(t, "1099", h.text("SELECT COUNT(*) FROM people"))
}

// A context that ends within a batch leaves nothing of it.
func TestBatch_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	table := peopleTable()
	table.OnWrite = func(_ context.Context, _ *sql.Tx, c adsync.Change, _ string) error {
		if c.After.Username == "cid" {
			cancel()
		}
		return nil
	}
	h := newHost(t, table, people)
	now := h.add("ann")
	written := h.ApplyChanges(ctx, []adsync.Change{
		update(now["ann"], func(u *adsync.User) { u.Phone = "2" }), create(person(2, "bob")), create(person(3, "cid")), create(person(4, "dan")),
	})
	for _, w := range written {
		assert.ErrorIs(t, w.Err, adsync.ErrNotWritten)
		assert.ErrorIs(t, w.Err, context.Canceled)
	}
	assert.Equal(t, now, h.users())
	for _, w := range h.ApplyChanges(ctx, []adsync.Change{create(person(2, "bob"))}) {
		assert.ErrorIs(t, w.Err, adsync.ErrNotWritten, "nor is anything begun after it")
	}
	for _, err := range h.Users(ctx) {
		assert.ErrorIs(t, err, context.Canceled)
	}
}

// What may not be deferred any longer is refused at the commit.
func TestBatch_WithADeferredConstraint(t *testing.T) {
	h := newHost(t, peopleTable(), people, "CREATE TABLE docs (owner INTEGER REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED)")
	now := h.add("ann", "bob", "cid")
	h.exec("INSERT INTO docs VALUES (?)", now["bob"].ID)
	requireErrs(t, h.errs(remove(now["ann"]), remove(now["bob"]), remove(now["cid"])), nil, "adsync: the database refused to delete this row", nil)
	assert.Equal(t, map[string]adsync.User{"bob": now["bob"]}, h.users())
}

func TestBatch_OfTheSameEntryTwice(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	requireErrs(t, h.errs(create(person(1, "ann")), create(person(2, "bob")), create(person(1, "other"))), nil, nil, adsync.ErrAlready)
	assert.Len(t, h.users(), 2)
}

func TestBatch_RefusesAChangeThatOnlyInforms(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	now := h.add("ann")
	notice := update(now["ann"], func(u *adsync.User) { u.Phone = "2" })
	notice.Op = adsync.OpNotice
	written := h.ApplyChanges(t.Context(), []adsync.Change{notice, create(person(2, "bob")), {Op: adsync.OpCreate}, {Op: adsync.OpDelete}, {Op: adsync.OpUpdate}})
	for i, w := range written {
		assert.Equal(t, i == 1, w.Err == nil, "%d: %v", i, w.Err)
	}
	assert.Equal(t, now["ann"], h.users()["ann"])
	assert.Error(t, h.UpdateUser(t.Context(), remove(now["ann"])))
	assert.Error(t, h.DeleteUser(t.Context(), notice))
	assert.Len(t, h.users(), 2)
}

// The host's condition may be of either spelling, and its text may be anything.
func TestWhere_WithPlaceholders(t *testing.T) {
	for where, args := range map[string][]any{
		"tenant = $1 AND src <> $2": {7, "x"}, "src <> $2 AND tenant = $1": {7, "x"}, "tenant = ? AND src <> ? -- who (else": {7, "x"},
		"tenant = 7 /* '?' */ AND src <> '?'": nil, "tenant = 7 OR 1 = 0": nil,
	} {
		table := peopleTable()
		table.Where, table.Args = where, args
		h := newHost(t, table, people)
		now := h.add("ann", "bob")
		require.Len(t, now, 2, where)
		requireErrs(t, h.errs(update(now["ann"], func(u *adsync.User) { u.Phone = "2" }), remove(now["bob"])), nil, nil)
		assert.Equal(t, "1", h.text("SELECT COUNT(*) FROM people WHERE phone = '2'"))
	}
}

func TestKeys_OfOtherTypes(t *testing.T) {
	for kind, fill := range map[string]string{
		"BLOB PRIMARY KEY DEFAULT (randomblob(16))": "x", "TEXT PRIMARY KEY DEFAULT (hex(randomblob(4)) || 'Ä')": "x", "BLOB PRIMARY KEY DEFAULT (randomblob(5))": "x",
	} {
		for _, ids := range []sqlstore.ObjectIDs{sqlstore.ObjectIDText, sqlstore.ObjectIDBytes, sqlstore.ObjectIDADBytes, sqlstore.ObjectIDNative} {
			table := sqlstore.Table{Name: "users", Source: "ad", ObjectIDs: ids, Columns: sqlstore.Columns{
				ID: "key", ObjectID: "guid", Username: "login", FirstName: "given", LastName: "family", Email: "mail", Phone: "phone"}}
			h := newHost(t, table, "CREATE TABLE users (key "+kind+", guid BLOB UNIQUE, login TEXT UNIQUE, given TEXT, family TEXT, mail TEXT, phone TEXT)")
			now := h.add("ann", "bob", "cid")
			require.Len(t, now, 3, fill)
			c := update(now["bob"], func(u *adsync.User) { u.Phone = "2" })
			requireErrs(t, h.errs(c, remove(now["ann"]), create(person(3, "cid")), create(person(9, "dan"))), nil, nil, adsync.ErrAlready, nil)
			after := h.users()
			require.Len(t, after, 3)
			assert.Equal(t, *c.After, after["bob"], kind)
			assert.Equal(t, now["cid"], after["cid"])
			assert.NoError(t, h.UpdateUser(t.Context(), update(after["dan"], func(u *adsync.User) { u.Phone = "3" })))
		}
	}
}
