package onsqlite

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

const memberships = `CREATE TABLE memberships (
	person INTEGER NOT NULL REFERENCES people (id), role INTEGER NOT NULL, origin TEXT, note TEXT NOT NULL DEFAULT '', UNIQUE (person, role))`

// roleHost has roles, of which 1 is admin and 2 is editor; the host's own are of no origin.
func roleHost(t *testing.T, texts ...string) *host {
	table := peopleTable()
	table.Roles = &sqlstore.Membership{
		Table: "memberships", User: "person", Role: "role", Roles: map[string]any{"admin": 1, "editor": 2}, Values: map[string]any{"origin": "ad"},
	}
	return newHost(t, table, append([]string{people, memberships}, texts...)...)
}

func roles(names ...string) adsync.Extra { return adsync.Extra{}.With(adsync.FieldRoles, names...) }

// rows are the memberships as the table has them.
func (h *host) rows() string {
	h.t.Helper()
	return h.text(`SELECT COALESCE(group_concat(line, ' '), '') FROM (SELECT person || ':' || role || ':' || COALESCE(origin, '') AS line FROM memberships ORDER BY person, role)`)
}

func TestRoles_AreRowsOfTheirOwnTable(t *testing.T) {
	h := roleHost(t)
	assert.Equal(t, []string{"admin", "editor"}, h.Traits().Roles)
	id, err := h.CreateUser(t.Context(), create(with(person(1, "ann"), func(u *adsync.User) { u.Extra = roles("editor") })))
	require.NoError(t, err)
	ann := h.users()["ann"]
	assert.Equal(t, id, ann.ID)
	assert.Equal(t, roles("editor"), ann.Extra)
	assert.Equal(t, "1:2:ad", h.rows())

	h.exec(`INSERT INTO memberships (person, role) VALUES (1, 9)`) // of no role that is mapped
	swap := update(ann, func(u *adsync.User) { u.Extra, u.Phone = roles("admin"), "2" })
	requireErrs(t, h.errs(swap), nil)
	assert.Equal(t, "1:1:ad 1:9:", h.rows())
	requireErrs(t, h.errs(swap), adsync.ErrAlready)
	ann = h.users()["ann"]
	only := update(ann, func(u *adsync.User) { u.Extra = roles("admin", "editor") })
	requireErrs(t, h.errs(only, update(ann, func(u *adsync.User) { u.Extra = roles("root") })), nil, adsync.ErrStale)
	requireErrs(t, h.errs(update(h.users()["ann"], func(u *adsync.User) { u.Extra, u.Phone = roles("root"), "9" })), `no role "root"`)
	assert.Equal(t, "2", h.users()["ann"].Phone, "nothing of that change was written")
	assert.Equal(t, "1:1:ad 1:2:ad 1:9:", h.rows())
	requireErrs(t, h.errs(update(h.users()["ann"], func(u *adsync.User) { u.Extra = adsync.Extra{} })), nil)
	assert.Equal(t, "1:9:", h.rows())
}

// What became of a user's roles since the plan was made is a row that is not as planned.
func TestRoles_AreGuarded(t *testing.T) {
	h := roleHost(t)
	ann := h.add("ann")["ann"]
	h.exec(`INSERT INTO memberships (person, role, origin) VALUES (1, 1, 'ad')`)
	requireErrs(t, h.errs(update(ann, func(u *adsync.User) { u.Phone = "2" }), remove(ann)), adsync.ErrStale, adsync.ErrStale)
	assert.Equal(t, "1:1:ad", h.rows())
}

// A row of the host's own is neither added again nor removed, and its user keeps the role.
func TestRoles_OfTheHost(t *testing.T) {
	h := roleHost(t)
	ann := h.add("ann")["ann"]
	h.exec(`INSERT INTO memberships (person, role, note) VALUES (1, 1, 'by hand')`)
	ann = h.users()["ann"]
	assert.Equal(t, roles("admin").With(adsync.FieldHostRoles, "admin"), ann.Extra)
	requireErrs(t, h.errs(update(ann, func(u *adsync.User) { u.Extra = u.Extra.With(adsync.FieldRoles, "admin", "editor") })), nil)
	assert.Equal(t, "1:1: 1:2:ad", h.rows())

	store := h.Store
	dir := adsync.StaticDirectory{{ObjectID: objectID(1), Profile: adsync.Profile{Username: "ann", FirstName: "Fann", LastName: "L", Email: "ann@corp.example", Phone: "1"}}}
	s, err := adsync.New(telling{dir}, store, &adsync.Options{Rules: adsync.Rules{Source: "ad"}})
	require.NoError(t, err)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, "1:1:", h.rows(), "the sync's own is gone, and the host's stays")
	again, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, again.Changes)
}

// telling knows both roles, and that nobody has one.
type telling struct{ adsync.StaticDirectory }

func (telling) Traits() adsync.Traits { return adsync.Traits{Roles: []string{"admin", "editor"}} }

// The rows go before the user does, whether the user is removed or marked.
func TestRoles_GoBeforeADeletion(t *testing.T) {
	for _, soft := range []bool{false, true} {
		table := peopleTable()
		table.Roles = &sqlstore.Membership{Table: "memberships", User: "person", Role: "role", Roles: map[string]any{"admin": 1}}
		if soft {
			table.Where, table.Delete = "tenant = ? AND state <> 'gone'", map[string]any{"state": "gone", "guid": nil}
		}
		h := newHost(t, table, people, memberships)
		_, err := h.CreateUser(t.Context(), create(with(person(1, "ann"), func(u *adsync.User) { u.Extra = roles("admin") })))
		require.NoError(t, err)
		require.Equal(t, "1:1:", h.rows())
		requireErrs(t, h.errs(remove(h.users()["ann"])), nil)
		assert.Empty(t, h.rows())
		assert.Empty(t, h.users())
	}
}

// A membership that the database refuses undoes the change of its user, and no other.
func TestRoles_ShareTheTransactionOfTheirUser(t *testing.T) {
	h := roleHost(t, `CREATE TRIGGER refuse BEFORE INSERT ON memberships WHEN NEW.role = 2 BEGIN SELECT RAISE(ABORT, 'no'); END`,
		`CREATE TRIGGER swallow BEFORE DELETE ON memberships BEGIN SELECT RAISE(IGNORE); END`)
	all := h.add("ann", "bob", "cat")
	got := h.errs(
		update(all["ann"], func(u *adsync.User) { u.Phone, u.Extra = "2", roles("admin") }),
		update(all["bob"], func(u *adsync.User) { u.Phone, u.Extra = "2", roles("admin", "editor") }),
		update(all["cat"], func(u *adsync.User) { u.Phone = "2" }))
	require.Error(t, got[1])
	requireErrs(t, []error{got[0], got[2]}, nil, nil)
	now := h.users()
	assert.Equal(t, []string{"2", "1", "2"}, []string{now["ann"].Phone, now["bob"].Phone, now["cat"].Phone})
	assert.Equal(t, "1:1:ad", h.rows())
	requireErrs(t, h.errs(update(now["ann"], func(u *adsync.User) { u.Extra = adsync.Extra{} })), "left user 1 as it was")
}

func TestMembership_IsChecked(t *testing.T) {
	good := sqlstore.Membership{Table: "memberships", User: "person", Role: "role", Roles: map[string]any{"admin": 1}}
	for want, edit := range map[string]func(*sqlstore.Membership){
		"needs its Table":       func(m *sqlstore.Membership) { m.Table = "" },
		"Roles is empty":        func(m *sqlstore.Membership) { m.Roles = nil },
		"table of the users":    func(m *sqlstore.Membership) { m.Table = "people" },
		"two roles one key":     func(m *sqlstore.Membership) { m.Roles = map[string]any{"a": 1, "b": "1"} },
		"is not the key":        func(m *sqlstore.Membership) { m.Roles = map[string]any{"a": nil} },
		"no plain value":        func(m *sqlstore.Membership) { m.Values = map[string]any{"role": 1} },
		"table or schema.table": func(m *sqlstore.Membership) { m.Table = "a.b.c" },
	} {
		m := good
		edit(&m)
		table := peopleTable()
		table.Roles = &m
		_, err := sqlstore.New(newHost(t, peopleTable(), people).db, sqlstore.SQLite, table)
		assert.ErrorContains(t, err, want)
	}
	for _, f := range []adsync.Field{adsync.FieldRoles, adsync.FieldHostRoles} {
		table := peopleTable()
		table.Columns.Extra = map[adsync.Field]string{f: "email"}
		_, err := sqlstore.New(newHost(t, peopleTable(), people).db, sqlstore.SQLite, table)
		assert.ErrorContains(t, err, "must not name the roles")
	}
	missing := good
	missing.User = "nobody"
	table := peopleTable()
	table.Roles = &missing
	h := newHost(t, table, people, memberships)
	var errs []error
	for _, err := range h.Users(t.Context()) {
		errs = append(errs, err)
	}
	require.Len(t, slices.DeleteFunc(errs, func(err error) bool { return err == nil }), 1)
}

// TestRoles_ReadInAnyOrder wants of rows that come in a mixed order that they cost about as
// much memory as in order: each user grows through other sets then.
func TestRoles_ReadInAnyOrder(t *testing.T) {
	const users, each, all = 3000, 10, 20
	spent := func(order string) uint64 {
		table := peopleTable()
		table.Roles = &sqlstore.Membership{Table: "memberships", User: "person", Role: "role", Roles: map[string]any{}, Values: map[string]any{"origin": "ad"}}
		for role := range all {
			table.Roles.Roles[fmt.Sprint("role", role)] = role
		}
		h := newHost(t, table, people, memberships)
		h.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO people (id, login) SELECT i, 'u' || i FROM n`, users))
		h.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO memberships (person, role, origin) SELECT 1 + i / %d, (i / %d * 7 + i %% %d * 3) %% %d, 'ad' FROM n ORDER BY %s`,
			users*each-1, each, each, each, all, order))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		roles := 0
		for u, err := range h.Users(t.Context()) {
			require.NoError(t, err)
			roles += len(u.Extra.Set(adsync.FieldRoles))
		}
		runtime.ReadMemStats(&after)
		assert.Equal(t, users*each, roles)
		return after.TotalAlloc - before.TotalAlloc
	}
	sorted, mixed := spent("i"), spent("i * 7919 % 30011")
	t.Logf("%d KiB in order, %d KiB in a mixed one", sorted/1024, mixed/1024)
	assert.Less(t, mixed, sorted*5/4)
}
