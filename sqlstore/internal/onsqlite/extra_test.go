package onsqlite

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

const (
	department = adsync.Field("department")
	manager    = adsync.Field("manager")
)

// staff is a table of people with columns for two further details.
func staff(t *testing.T) *host {
	table := peopleTable()
	table.Columns.Extra = map[adsync.Field]string{department: "dept", manager: "boss"}
	return staffHost(t, table)
}

func staffHost(t *testing.T, table sqlstore.Table) *host {
	return newHost(t, table, people, memberships, `ALTER TABLE people ADD COLUMN dept TEXT NOT NULL DEFAULT ''`, `ALTER TABLE people ADD COLUMN boss TEXT CHECK (boss <> '')`)
}

func extra(dept, boss string) adsync.Extra {
	return adsync.Extra{}.With(department, dept).With(manager, boss)
}

func TestExtra_IsHeldInColumns(t *testing.T) {
	h := staff(t)
	assert.Equal(t, []adsync.Field{
		adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone, adsync.FieldStatus, department, manager,
	}, h.Traits().Fields)
	id, err := h.CreateUser(t.Context(), create(with(person(1, "anna"), func(u *adsync.User) { u.Extra = extra("Sales", "") })))
	require.NoError(t, err)
	assert.Equal(t, "<nil>", h.text("SELECT boss FROM people"), "NULL where the column allows it")
	anna := h.users()["anna"]
	assert.Equal(t, id, anna.ID)
	assert.Equal(t, extra("Sales", ""), anna.Extra)

	moved := update(anna, func(u *adsync.User) { u.Extra = extra("", "m1") })
	require.NoError(t, h.UpdateUser(t.Context(), moved))
	assert.Equal(t, "", h.text("SELECT dept FROM people"))
	assert.Equal(t, extra("", "m1"), h.users()["anna"].Extra)
	require.ErrorIs(t, h.UpdateUser(t.Context(), moved), adsync.ErrAlready)
	h.exec("UPDATE people SET dept = 'Legal'")
	require.ErrorIs(t, h.UpdateUser(t.Context(), moved), adsync.ErrStale)
	require.ErrorIs(t, h.DeleteUser(t.Context(), remove(anna)), adsync.ErrStale)
	require.NoError(t, h.DeleteUser(t.Context(), remove(h.users()["anna"])))
}

func TestExtra_IsWrittenInBulk(t *testing.T) {
	h := staff(t)
	cs := crowd(700)
	for i := range cs {
		cs[i].After.Extra = extra(fmt.Sprint("dept", i%3), "")
	}
	for _, w := range h.ApplyChanges(t.Context(), cs) {
		require.NoError(t, w.Err)
	}
	var moves []adsync.Change
	users := h.users()
	for i, c := range cs {
		u := users[c.After.Username]
		require.Equal(t, c.After.Extra, u.Extra)
		moves = append(moves, update(u, func(u *adsync.User) { u.Extra = extra("", fmt.Sprint("m", i%2)) }))
	}
	h.exec("UPDATE people SET dept = 'of the host' WHERE id = ?", moves[5].UserID)
	for i, w := range h.ApplyChanges(t.Context(), moves) {
		if i == 5 {
			require.ErrorIs(t, w.Err, adsync.ErrStale)
		} else {
			require.NoError(t, w.Err)
		}
	}
	for i, u := range h.users() {
		if u.ID != moves[5].UserID {
			require.Empty(t, u.Get(department), i)
		}
	}
}

func TestExtra_IsRefusedWhereThereIsNoPlace(t *testing.T) {
	h := staff(t)
	anna := h.add("anna")["anna"]
	several := update(anna, func(u *adsync.User) { u.Extra = u.Extra.With(department, "a", "b") })
	require.ErrorContains(t, h.UpdateUser(t.Context(), several), "or holds a single text of it")
	several = create(with(person(2, "bo"), func(u *adsync.User) { u.Extra = u.Extra.With(department, "a", "b") }))
	_, err := h.CreateUser(t.Context(), several)
	require.ErrorContains(t, err, "no column for department")
	require.ErrorContains(t, h.UpdateUser(t.Context(), update(anna, func(u *adsync.User) { u.Profile = u.With("title", "Dr") })), "no column for title")
	assert.Equal(t, anna, h.users()["anna"])
}

func TestNew_ChecksTheColumnsOfFurtherDetails(t *testing.T) {
	for says, columns := range map[string]map[adsync.Field]string{
		"use sqlstore.Table.Roles":          {adsync.FieldRoles: "roles"},
		`must not name "email"`:             {adsync.FieldEmail: "mail2"},
		`must not name "status"`:            {adsync.FieldStatus: "state"},
		"has no column for department":      {department: ""},
		"the column login twice":            {department: "login"},
		"names the column department twice": {department: "department", manager: "department"},
	} {
		table := peopleTable()
		table.Columns.Extra = columns
		_, err := sqlstore.New(staff(t).db, sqlstore.SQLite, table)
		require.ErrorContains(t, err, says)
	}
}

// A department that the directory tells is written, followed, cleared and taken back.
func TestExtra_FollowsADirectory(t *testing.T) {
	h := staff(t)
	anna := h.add("anna")["anna"]
	entry := func(dept string) adsync.StaticDirectory {
		e := adsync.Entry{ObjectID: anna.ObjectID, Profile: anna.Profile}
		e.Extra = extra(dept, "")
		other := adsync.Entry{ObjectID: objectID(9), Profile: adsync.Profile{Username: "other"}.With(department, "X")}
		return adsync.StaticDirectory{e, other}
	}
	sync := func(dept string) (*adsync.Syncer, *adsync.Report) {
		syncer, err := adsync.New(entry(dept), h.Store, &adsync.Options{Rules: adsync.Rules{Source: "ad"}})
		require.NoError(t, err)
		report, err := syncer.Sync(t.Context())
		require.NoError(t, errors.Join(err, report.Err()))
		return syncer, report
	}
	_, report := sync("Sales")
	require.Len(t, report.Plan.Changes, 1)
	assert.Equal(t, "Sales", h.text("SELECT dept FROM people"))
	syncer, report := sync("")
	assert.Equal(t, "", h.text("SELECT dept FROM people"))
	back, err := syncer.Inverse(t.Context(), report)
	require.NoError(t, err)
	report, err = syncer.Apply(t.Context(), back, adsync.Approval{Digest: back.Digest(), At: time.Now()})
	require.NoError(t, errors.Join(err, report.Err()))
	assert.Equal(t, "Sales", h.text("SELECT dept FROM people"))
}
