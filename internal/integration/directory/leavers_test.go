package directory

import (
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// The time of whoever waits to be removed runs from the deactivation or from the tombstone,
// whichever is later.
func testLeaversWait(t *testing.T, s *scene) {
	const wait = 24 * time.Hour
	alice, bob, cleo := s.add(t, "alice"), s.add(t, "bob"), s.add(t, "cleo")
	s.add(t, "dora") // who stays
	for _, p := range []person{alice, bob, cleo} {
		s.delete(t, p)
	}
	buried := s.buriedAt(t, alice)
	long := adsync.MomentOf(buried.Time().Add(-10 * wait))
	later := adsync.MomentOf(s.buriedAt(t, bob).Time().Add(time.Second))
	leaver := func(id string, p person, at adsync.Moment) adsync.User {
		u := imported(id, p)
		u.Status, u.DeactivatedAt = adsync.StatusDeactivated, at
		return u
	}
	store := adsync.NewMemoryStore(leaver("1", alice, long), leaver("2", bob, later), imported("3", cleo))
	plan, err := newSyncer(t, s.directory(t), store, adsync.Rules{RemoveAfter: wait}).Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"update deleted 3", "notice leaving 1", "notice leaving 2"}, told(plan))
	assert.Equal(t, adsync.MomentOf(buried.Time().Add(wait)), plan.Changes[1].Due(), "a day after the tombstone")
	assert.Equal(t, adsync.MomentOf(later.Time().Add(wait)), plan.Changes[2].Due(), "a day after the deactivation")
	assert.Empty(t, plan.Warnings)

	brief := adsync.Rules{RemoveAfter: time.Second}
	for range 1200 { // 2 minutes, for a server that is slow
		report, err := newSyncer(t, s.directory(t), store, brief).Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		if len(users(t, store)) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	assert.Empty(t, users(t, store), "each in its time")
}

// buriedAt is the tombstone's whenChanged, as the administrator sees it.
func (s *scene) buriedAt(t *testing.T, p person) adsync.Moment {
	t.Helper()
	found, err := s.conn.Search(ldap.NewSearchRequest(s.baseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(&(isDeleted=TRUE)(objectGUID="+wire(p)+"))", []string{"whenChanged"}, []ldap.Control{showDeleted}))
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	at, err := time.Parse("20060102150405.0Z", found.Entries[0].GetAttributeValue("whenChanged"))
	require.NoError(t, err)
	return adsync.MomentOf(at)
}
