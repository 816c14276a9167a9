package databases

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

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
