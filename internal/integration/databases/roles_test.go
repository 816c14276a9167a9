package databases

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/sqlstore"
)

// roleDirectory knows all roles of the tests, also those that nobody has.
type roleDirectory struct{ adsync.StaticDirectory }

func (roleDirectory) Traits() adsync.Traits { return adsync.Traits{Roles: []string{"admin", "editor"}} }

// testRoles keeps roles in a table of their own, whatever the keys are, through a whole run:
// who joins, who leaves, who goes, and what the host gave by hand.
func testRoles(t *testing.T, d database) {
	for name, tt := range map[string]struct {
		key, ref, role string
		roles          map[string]any
	}{
		"numbers": {"id COUNTER", "user_id BIGINT NOT NULL REFERENCES people (id)", "role NUMBER NOT NULL", map[string]any{"admin": 1, "editor": 2}},
		"bytes":   {"id " + d.bytes(16) + " PRIMARY KEY DEFAULT NEW_16", "user_id " + d.bytes(16) + " NOT NULL REFERENCES people (id)", "role TEXT NOT NULL", map[string]any{"admin": "a", "editor": "e"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d.dialect == sqlstore.SQLite && name == "numbers" {
				tt.ref = "user_id INTEGER NOT NULL REFERENCES people (id)"
			}
			db := d.open(t, d.table("people", tt.key+", guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE"),
				d.table("members", tt.ref+", "+tt.role+", origin TEXT, UNIQUE (user_id, role)"))
			s := newStore(t, db, d.dialect, sqlstore.Table{
				Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"},
				Roles: &sqlstore.Membership{Table: "members", User: "user_id", Role: "role", Roles: tt.roles, Values: map[string]any{"origin": "ad"}},
			})
			const people = 700 // more than are looked for at once
			dir := make(adsync.StaticDirectory, people)
			for i := range dir {
				dir[i] = adsync.Entry{ObjectID: objectID(i + 1), Profile: adsync.Profile{Username: fmt.Sprint("user", i)}}
				dir[i].Extra = dir[i].Extra.With(adsync.FieldRoles, []string{"admin", "editor"}[:i%3]...)
			}
			sync := func() {
				t.Helper()
				syncer, err := adsync.New(roleDirectory{dir}, s, &adsync.Options{Rules: adsync.Rules{Source: "ad", Import: true},
					Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxGranted: -1, MaxRevoked: -1}})
				require.NoError(t, err)
				report, err := syncer.Sync(t.Context())
				require.NoError(t, err)
				require.NoError(t, report.Err())
				plan, err := syncer.Plan(t.Context())
				require.NoError(t, err)
				assert.Empty(t, plan.Changes)
			}
			sync()
			has := func(role string) int {
				return count(t, db, fmt.Sprintf("members WHERE role = '%v' AND origin = 'ad'", tt.roles[role]))
			}
			assert.Equal(t, []int{466, 233}, []int{has("admin"), has("editor")})
			mustExec(t, db, fmt.Sprintf("INSERT INTO members (user_id, role) SELECT id, '%v' FROM people WHERE login = 'user0'", tt.roles["editor"]))
			for i := range dir {
				dir[i].Extra = dir[i].Extra.With(adsync.FieldRoles, []string{"editor", "admin"}[:(i+1)%3]...)
			}
			dir[5].State = adsync.StateDeleted
			sync()
			assert.Equal(t, 1, count(t, db, "members WHERE origin IS NULL"), "the host's own row stays, alone of its kind")
			for u, err := range s.Users(t.Context()) {
				require.NoError(t, err)
				var n int
				_, err := fmt.Sscanf(u.Username, "user%d", &n)
				require.NoError(t, err)
				want := dir[n].Extra.Set(adsync.FieldRoles)
				if n == 0 {
					assert.Equal(t, []string{"editor"}, u.Extra.Set(adsync.FieldHostRoles))
				}
				assert.Equal(t, want, u.Extra.Set(adsync.FieldRoles), u.Username)
			}
		})
	}
}

// testReturnWithRoles has somebody leave, wait, and return: it is the same row, with the roles
// that it had, the host's own among them.
func testReturnWithRoles(t *testing.T, d database) {
	status := "status TEXT NOT NULL, left_at " + d.timeColumn()
	db := d.open(t, d.table("people", "id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE, "+status),
		d.table("members", "user_id BIGINT NOT NULL, role NUMBER NOT NULL, origin TEXT, UNIQUE (user_id, role)"))
	s := newStore(t, db, d.dialect, sqlstore.Table{
		Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Status: "status", DeactivatedAt: "left_at"},
		Roles: &sqlstore.Membership{Table: "members", User: "user_id", Role: "role", Roles: map[string]any{"admin": 1, "editor": 2}, Values: map[string]any{"origin": "ad"}},
	})
	there := adsync.StaticDirectory{{ObjectID: objectID(1), Profile: adsync.Profile{Username: "ann"}}, {ObjectID: objectID(2), Profile: adsync.Profile{Username: "bob"}}}
	for i := range there {
		there[i].Extra = there[i].Extra.With(adsync.FieldRoles, "admin")
	}
	sync := func(dir adsync.StaticDirectory) (map[string]adsync.User, *adsync.Plan) {
		t.Helper()
		syncer, err := adsync.New(roleDirectory{dir}, s, &adsync.Options{Rules: adsync.Rules{Source: "ad", Import: true, RemoveAfter: 30 * 24 * time.Hour}})
		require.NoError(t, err)
		report, err := syncer.Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		return list(t, s), report.Plan
	}
	sync(there)
	mustExec(t, db, "INSERT INTO members (user_id, role) SELECT id, 2 FROM people WHERE login = 'bob'")
	imported, _ := sync(there)
	require.Equal(t, []string{"admin", "editor"}, imported["bob"].Extra.Set(adsync.FieldRoles))
	require.Equal(t, []string{"editor"}, imported["bob"].Extra.Set(adsync.FieldHostRoles))

	gone := adsync.StaticDirectory{there[0], {ObjectID: objectID(2), State: adsync.StateDeleted}}
	waiting, _ := sync(gone)
	assert.Equal(t, adsync.StatusDeactivated, waiting["bob"].Status)
	assert.NotZero(t, waiting["bob"].DeactivatedAt)
	_, plan := sync(gone)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.ReasonLeaving, plan.Changes[0].Reason)
	assert.Equal(t, adsync.MomentOf(waiting["bob"].DeactivatedAt.Time().Add(30*24*time.Hour)), plan.Changes[0].Due())

	back, _ := sync(there)
	assert.Equal(t, imported, back)
	assert.Equal(t, 3, count(t, db, "members"))
}

// testCheckedRoles proves a store of roles and further details on each database.
func testCheckedRoles(t *testing.T, d database) {
	ref := "user_id BIGINT NOT NULL REFERENCES people (id)"
	if d.dialect == sqlstore.SQLite {
		ref = "user_id INTEGER NOT NULL REFERENCES people (id)"
	}
	table := sqlstore.Table{
		Name: "people",
		Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Source: "source", Username: "login", Email: "mail", Phone: "phone",
			Extra: map[adsync.Field]string{"department": "dept", "manager": "boss"}},
		Roles: &sqlstore.Membership{Table: "members", User: "user_id", Role: "role", Roles: map[string]any{"admin": 1, "editor": 2}, Values: map[string]any{"origin": "ad"}},
	}
	var db *sql.DB
	hosts := 0
	err := adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) {
		if db != nil {
			require.NoError(t, db.Close()) // a server has only so many connections
		}
		db = d.open(t, d.table("people", "id COUNTER, guid TEXT, source TEXT NOT NULL, login TEXT NOT NULL UNIQUE, mail TEXT UNIQUE, phone TEXT, dept TEXT NOT NULL, boss TEXT, UNIQUE (source, guid)"),
			d.table("members", ref+", role NUMBER NOT NULL, origin TEXT, UNIQUE (user_id, role)"))
		return hostRoles{newStore(t, db, d.dialect, table), &hosts}, nil
	})
	require.NoError(t, err)
	assert.NotZero(t, hosts, "the check has seen a role of the host's own")
}

// hostRoles counts the updates of users who have a role of the host's own.
type hostRoles struct {
	*sqlstore.Store
	count *int
}

func (s hostRoles) UpdateUser(ctx context.Context, c adsync.Change) error {
	if len(c.Before.Extra.Set(adsync.FieldHostRoles)) > 0 {
		*s.count++
	}
	return s.Store.UpdateUser(ctx, c)
}

// testHostsRoles deletes users who have a role that the host gave them. Its row is the
// host's: the foreign key may take it along, or OnWrite, and otherwise the user is kept, with
// an error that says so.
func testHostsRoles(t *testing.T, d database) {
	const refused = "adsync: the database refused to delete this row, as other rows refer to it"
	for name, tt := range map[string]struct {
		rule    string
		onWrite bool
		says    string
	}{
		"refused":     {says: refused},
		"by the key":  {rule: " ON DELETE CASCADE"},
		"by the host": {onWrite: true},
	} {
		t.Run(name, func(t *testing.T) {
			table := sqlstore.Table{
				Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"},
				Roles: &sqlstore.Membership{Table: "members", User: "user_id", Role: "role", Roles: map[string]any{"admin": 1, "editor": 2}, Values: map[string]any{"origin": "ad"}},
			}
			if tt.onWrite {
				table.OnWrite = onDelete(func(ctx context.Context, tx *sql.Tx, u adsync.User) error {
					_, err := tx.ExecContext(ctx, "DELETE FROM members WHERE user_id = "+d.place(1), u.ID)
					return err
				})
			}
			db := d.open(t, d.table("people", "id TEXT PRIMARY KEY, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE"),
				d.table("members", "user_id TEXT NOT NULL, role NUMBER NOT NULL, origin TEXT, CONSTRAINT members_user FOREIGN KEY (user_id) REFERENCES people (id)"+tt.rule),
				"INSERT INTO people (id, login) VALUES ('a', 'ann'), ('b', 'bob')",
				"INSERT INTO members (user_id, role, origin) VALUES ('a', 1, 'ad'), ('a', 2, NULL), ('b', 1, 'ad')")
			s := newStore(t, db, d.dialect, table)
			now := list(t, s)
			require.Equal(t, []string{"editor"}, now["ann"].Extra.Set(adsync.FieldHostRoles))
			out := s.ApplyChanges(t.Context(), []adsync.Change{remove(now["ann"]), remove(now["bob"])})
			require.NoError(t, out[1].Err, "of the sync's rows alone")
			if tt.says == "" {
				require.NoError(t, out[0].Err)
				assert.Empty(t, list(t, s))
				assert.Zero(t, count(t, db, "members"))
				return
			}
			require.ErrorContains(t, out[0].Err, tt.says)
			assert.ErrorContains(t, out[0].Err, "ON DELETE CASCADE")
			assert.ErrorContains(t, out[0].Err, "sqlstore.Table.OnWrite")
			assert.Equal(t, map[string]adsync.User{"ann": now["ann"]}, list(t, s), "with both roles")
		})
	}
}

// testAlikeRoles takes roles from users whose rows are equal, to the database alone, to rows of
// others: another role's, another user's, and one that the host gave.
func testAlikeRoles(t *testing.T, d database) {
	alike := map[sqlstore.Dialect]string{
		sqlstore.SQLite: "TEXT COLLATE NOCASE", sqlstore.PostgreSQL: "varchar(100) COLLATE alike", sqlstore.MySQL: "VARCHAR(100) COLLATE utf8mb4_general_ci",
	}[d.dialect]
	schema := []string{
		d.table("people", "id TEXT PRIMARY KEY, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE"),
		"CREATE TABLE members (user_id " + alike + ", role " + alike + ", origin " + alike + ")",
		"INSERT INTO people (id, login) VALUES ('a', 'ann'), ('A', 'ANN'), ('b', 'bob')",
		"INSERT INTO members (user_id, role, origin) VALUES ('a', 'ed', 'ad'), ('a', 'ED', 'ad'), ('a', 'ed ', 'ad'), ('a', '1', 'ad'), ('a', '1st', 'ad'), ('A', 'ed', 'ad'), ('b', 'ed', 'ad'), ('b', 'ed', 'AD')",
	}
	if d.dialect == sqlstore.PostgreSQL {
		schema = append([]string{"CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"}, schema...)
	}
	db := d.open(t, schema...)
	s := newStore(t, db, d.dialect, sqlstore.Table{
		Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"},
		Roles: &sqlstore.Membership{Table: "members", User: "user_id", Role: "role", Roles: map[string]any{"editor": "ed", "first": 1}, Values: map[string]any{"origin": "ad"}},
	})
	now := list(t, s)
	none := with(now["ann"], func(u *adsync.User) { u.Extra = adsync.Extra{} })
	for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{update(now["ann"], none), remove(now["bob"])}) {
		require.NoError(t, w.Err)
	}
	rows, err := db.Query("SELECT user_id, role, origin FROM members")
	require.NoError(t, err)
	defer rows.Close()
	var left []string
	for rows.Next() {
		var user, role, origin string
		require.NoError(t, rows.Scan(&user, &role, &origin))
		left = append(left, user+" "+role+"/"+origin)
	}
	require.NoError(t, rows.Err())
	assert.ElementsMatch(t, []string{"a ED/ad", "a ed /ad", "a 1st/ad", "A ed/ad", "b ed/AD"}, left)
}
