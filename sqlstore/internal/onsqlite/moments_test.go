package onsqlite

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/sqlstore"
)

const addMoments = "ALTER TABLE people ADD left_at DATETIME"

// leaversTable has a status of two values, and moments.
func leaversTable() sqlstore.Table {
	table := peopleTable()
	table.Columns.DeactivatedAt = "left_at"
	table.Statuses = map[adsync.Status]any{adsync.StatusActive: "active", adsync.StatusInactive: "off"}
	return table
}

func left(u *adsync.User) { u.Status, u.DeactivatedAt = adsync.StatusDeactivated, adsync.AtWrite }

func back(u *adsync.User) { u.Status, u.DeactivatedAt = adsync.StatusActive, 0 }

func TestMoments_MakeThreeStatesOfTwo(t *testing.T) {
	h := newHost(t, leaversTable(), people, addMoments)
	now := h.add("ann", "bob")
	begun := adsync.MomentOf(time.Now())
	require.NoError(t, h.UpdateUser(t.Context(), update(now["ann"], left)))
	ann := h.users()["ann"]
	assert.True(t, ann.DeactivatedAt >= begun && ann.DeactivatedAt <= adsync.MomentOf(time.Now()), ann.DeactivatedAt)
	assert.Equal(t, adsync.StatusDeactivated, ann.Status)
	assert.Equal(t, "off", h.text("SELECT state FROM people WHERE login = 'ann' AND left_at LIKE '____-__-__ __:__:__%'"))
	assert.ErrorIs(t, h.UpdateUser(t.Context(), update(now["ann"], left)), adsync.ErrAlready)

	h.exec("UPDATE people SET state = 'off' WHERE login = 'bob'") // as the host does
	bob := h.users()["bob"]
	assert.Equal(t, with(now["bob"], func(u *adsync.User) { u.Status = adsync.StatusInactive }), bob)
	require.NoError(t, h.UpdateUser(t.Context(), update(bob, left)), "one of whom nobody knew who did it")
	assert.Equal(t, adsync.StatusDeactivated, h.users()["bob"].Status)

	h.exec("UPDATE people SET state = 'active'")
	stamped := h.users()["ann"]
	assert.Equal(t, adsync.StatusActive, stamped.Status)
	assert.Equal(t, ann.DeactivatedAt, stamped.DeactivatedAt, "which an update clears")
	require.NoError(t, h.UpdateUser(t.Context(), update(stamped, back)))
	assert.Equal(t, now["ann"], h.users()["ann"])
	assert.Equal(t, "<nil>", h.text("SELECT left_at FROM people WHERE login = 'ann'"))
	require.NoError(t, h.DeleteUser(t.Context(), remove(h.users()["bob"])))
}

// Nobody is written as whom the row would not read.
func TestMoments_RefuseAStateThatTheyCannotTell(t *testing.T) {
	h := newHost(t, leaversTable(), people, addMoments)
	ann := h.add("ann", "bob")["ann"]
	unstamped := func(u *adsync.User) { u.Status = adsync.StatusDeactivated }
	stamped := func(u *adsync.User) { u.Status, u.DeactivatedAt = adsync.StatusInactive, adsync.AtWrite }
	for says, edit := range map[string]func(*adsync.User){"nobody can be that without a moment": unstamped, "nobody with a moment can be inactive otherwise": stamped} {
		assert.ErrorContains(t, h.UpdateUser(t.Context(), update(ann, edit)), says)
		_, err := h.CreateUser(t.Context(), create(with(person(3, "cid"), edit)))
		assert.ErrorContains(t, err, says)
		requireErrs(t, h.errs(update(ann, edit), create(with(person(3, "cid"), edit)), create(with(person(4, "dan"), edit))), says, says, says)
		touched := update(with(ann, edit), func(u *adsync.User) { u.Phone = "2" })
		assert.ErrorIs(t, h.UpdateUser(t.Context(), touched), adsync.ErrStale, "no row is like that before")
		assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(with(ann, edit))), adsync.ErrStale)
	}
	assert.Equal(t, ann, h.users()["ann"])
	assert.Len(t, h.users(), 2)

	h.exec("UPDATE people SET state = 'off'") // which no sync did
	assert.ErrorIs(t, h.UpdateUser(t.Context(), update(with(ann, unstamped), back)), adsync.ErrStale)
	assert.ErrorIs(t, h.DeleteUser(t.Context(), remove(with(ann, unstamped))), adsync.ErrStale)
}

// A number that cannot be NULL is 0 for whoever was never deactivated.
func TestMoments_OfANumberThatIsNeverNull(t *testing.T) {
	h := newHost(t, leaversTable(), people, "ALTER TABLE people ADD left_at BIGINT NOT NULL DEFAULT 7")
	ann := h.add("ann")["ann"]
	assert.Equal(t, "0", h.text("SELECT left_at FROM people"))
	require.NoError(t, h.UpdateUser(t.Context(), update(ann, left)))
	require.NoError(t, h.UpdateUser(t.Context(), update(h.users()["ann"], back)))
	assert.Equal(t, ann, h.users()["ann"])
}

// The moment that is written is read again, and must be the one of the write.
func TestMoments_AreVerified(t *testing.T) {
	h := newHost(t, leaversTable(), people, addMoments, `CREATE TRIGGER meddle AFTER UPDATE OF left_at ON people WHEN NEW.left_at > '2021-01-01' AND NEW.login = 'ann'
		BEGIN UPDATE people SET left_at = '2020-02-03 04:05:06' WHERE id = NEW.id; END`)
	now := h.add("ann", "bob")
	requireErrs(t, h.errs(update(now["ann"], left), update(now["bob"], left)), "adsync: the database changed what was to be written as deactivated_at,", nil)
	assert.Equal(t, now["ann"], h.users()["ann"])
	h.exec("DROP TRIGGER meddle")
	h.exec("CREATE TRIGGER meddle AFTER UPDATE OF phone ON people BEGIN UPDATE people SET phone = 'x' WHERE id = NEW.id; END")
	bob := with(h.users()["bob"], left) // any moment, before and after
	err := h.UpdateUser(t.Context(), update(bob, func(u *adsync.User) { u.Phone = "2" }))
	assert.ErrorContains(t, err, "to be written as phone, so nothing")
}

// A former moment of an active user gives way to the new one.
func TestMoments_OfANewDeactivationAreNew(t *testing.T) {
	h := newHost(t, leaversTable(), people, addMoments)
	h.add("ann", "bob")
	h.exec("UPDATE people SET left_at = '2020-02-03 04:05:06.7+00:00'")
	begun := adsync.MomentOf(time.Now())
	now := h.users()
	requireErrs(t, h.errs(update(now["ann"], left), update(now["bob"], func(u *adsync.User) { u.Phone = "2" })), nil, nil)
	assert.GreaterOrEqual(t, h.users()["ann"].DeactivatedAt, begun)
	assert.Equal(t, now["bob"].DeactivatedAt, h.users()["bob"].DeactivatedAt, "which is stored in another spelling")
}

func TestMoments_PassAllDuties(t *testing.T) {
	for name, edit := range map[string]func(*sqlstore.Table){
		"an active flag": func(*sqlstore.Table) {},
		"a full status":  func(table *sqlstore.Table) { table.Statuses = nil },
		"a soft deletion": func(table *sqlstore.Table) {
			table.Where, table.Args, table.Defaults, table.Delete = "gone IS NULL", nil, nil, map[string]any{"gone": sqlstore.Now, "guid": nil, "left_at": nil}
		},
		"one by one": func(table *sqlstore.Table) {
			table.OnWrite = func(context.Context, *sql.Tx, adsync.Change, string) error { return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := leaversTable()
			edit(&table)
			err := adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) {
				return newHost(t, table, people, addMoments, "ALTER TABLE people ADD gone DATETIME").Store, nil
			})
			assert.NoError(t, err)
		})
	}
}
