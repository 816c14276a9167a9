package onsqlite

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/sqlstore"
)

// checkedStore notes which roles of the host's own the check was given.
type checkedStore struct {
	*sqlstore.Store
	hosts *int
}

func (s checkedStore) UpdateUser(ctx context.Context, c adsync.Change) error {
	if len(c.Before.Extra.Set(adsync.FieldHostRoles)) > 0 {
		*s.hosts++
	}
	return s.Store.UpdateUser(ctx, c)
}

// A table with roles and further details keeps every duty of a store, whether the rows of
// the sync bear a mark or not, and whether deleted users are removed or marked. The last
// user's ID is given to the next.
func TestCheckStore_OfRolesAndFurtherDetails(t *testing.T) {
	for name, edit := range map[string]func(*sqlstore.Table){
		"marked rows":    func(table *sqlstore.Table) { table.Roles.Values = map[string]any{"origin": "ad"} },
		"all the sync's": func(*sqlstore.Table) {},
		"one role, soft deletion": func(table *sqlstore.Table) {
			delete(table.Roles.Roles, "editor")
			table.Roles.Values = map[string]any{"origin": "ad"}
			table.Where, table.Delete = "tenant = ? AND state <> 'gone'", map[string]any{"state": "gone", "guid": nil}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, hosts := peopleTable(), 0
			table.Columns.Extra = map[adsync.Field]string{department: "dept", manager: "boss"}
			table.Roles = &sqlstore.Membership{Table: "memberships", User: "person", Role: "role", Roles: map[string]any{"admin": 1, "editor": 2}}
			edit(&table)
			err := adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) {
				return checkedStore{staffHost(t, table).Store, &hosts}, nil
			})
			require.NoError(t, err)
			assert.Equal(t, table.Roles.Values != nil, hosts > 0)
		})
	}
}
