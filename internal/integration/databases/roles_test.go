package databases

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
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
