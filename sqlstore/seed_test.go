package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// seeded is what is sent to add a user to an empty table of MySQL, which takes no row.
func seeded(t *testing.T, table sqlstore.Table, u adsync.User) *recorder {
	t.Helper()
	r := &recorder{types: append(memberTypes(""), columnType{name: "left_at", kind: "bigint(20)", nullable: true}),
		replies: []reply{fitting, {to: "SELECT 1", columns: []string{"1"}}, {to: "INSERT", err: errors.New("no")}}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, table)
	require.Error(t, s.Seed(t.Context(), []adsync.User{u}))
	return r
}

// Only whom a sync deactivated has a moment.
func TestSeed_KeepsTheMomentOfADeactivation(t *testing.T) {
	ann := person(1, "ann")
	for _, test := range []struct {
		status adsync.Status
		at     adsync.Moment
		state  string
		moment any
	}{
		{adsync.StatusDeactivated, lastSummer, "off", lastSummer.Time().Unix()}, {adsync.StatusDeactivated, 0, "off", nil},
		{adsync.StatusInactive, lastSummer, "off", nil}, {adsync.StatusBlocked, lastSummer, "off", nil}, {adsync.StatusActive, lastSummer, "on", nil},
	} {
		r := seeded(t, leaversTable(), edited(ann, func(u *adsync.User) { u.Status, u.DeactivatedAt = test.status, test.at }))
		assert.Equal(t, []any{test.state, test.moment}, []any{r.sent[7].Value, r.sent[8].Value}, test)
	}
	table := leaversTable()
	table.Statuses = nil
	r := seeded(t, table, edited(ann, left(lastSummer)))
	assert.Equal(t, []any{"deactivated", lastSummer.Time().Unix()}, []any{r.sent[7].Value, r.sent[8].Value}, "beside a status that tells as much")
	r = seeded(t, peopleTable(), edited(ann, left(lastSummer)))
	assert.Equal(t, "deactivated", r.sent[7].Value, "without a column for it")
}

// A user of the seed is a new one, whose ID the table gives, and without the roles that no
// table is for.
func TestSeed_LeavesOutTheIDAndRolesWithoutATable(t *testing.T) {
	ann := withRoles(person(1, "ann"), "admin")
	ann.Extra = ann.Extra.With(adsync.FieldHostRoles, "admin")
	table := peopleTable()
	var id any
	table.OnWrite = func(_ context.Context, _ *sql.Tx, c adsync.Change, _ string) error {
		id = c.After.ID
		return nil
	}
	r := &recorder{types: peopleTypes(sqlstore.MySQL), after: storedAll(ann), replies: []reply{{to: "SELECT 1", columns: []string{"1"}}}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, table)
	require.NoError(t, s.Seed(t.Context(), []adsync.User{ann}))
	assert.Equal(t, "", id)
}

// Rows of the host's own are told from the sync's by their values, if these have any.
func TestSeed_AddsRolesOfTheHost(t *testing.T) {
	ann := withRoles(person(1, "ann"), "admin", "clerk", "unknown")
	ann.Extra = ann.Extra.With(adsync.FieldHostRoles, "admin", "unknown")
	for name, values := range map[string]map[string]any{"roles of the host": {"origin": "ad"}, "roles without values": nil} {
		table := clerks()
		table.Roles.Values = values
		now := reply{to: "SELECT `person`, `role`", columns: []string{"person", "role", "own"}, rows: [][]driver.Value{{int64(101), int64(2), nil}}}
		if values == nil {
			now.columns, now.rows[0] = now.columns[:2], now.rows[0][:2]
		}
		none := now
		none.rows = nil
		r := &recorder{types: memberTypes(""), after: storedAll(ann), replies: []reply{none, none, now, {to: "SELECT 1", columns: []string{"1"}}}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, table)
		require.NoError(t, s.Seed(t.Context(), []adsync.User{ann}), name)
		assertStatements(t, "mysql/seed of "+name, r.statements())
	}
}
