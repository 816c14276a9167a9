package directory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// A service account that may not read who is disabled makes nobody active and imports
// nobody, whether that holds of all accounts or of one.
func testUnreadableFlag(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	s.disable(t, bob)
	for _, tt := range []struct {
		name    string
		denied  string // the object at which the property set is denied
		shown   string // what the check says
		want    []string
		imports []string
	}{
		{"of one account", bob.dn, "1 of the first 2 accounts do not show userAccountControl",
			[]string{"update reactivated u1", "notice unknown u2"}, []string{"create new"}},
		{"of all accounts", s.people, "2 of the first 2 accounts do not show userAccountControl",
			[]string{"notice unknown u1", "notice unknown u2"}, []string{}},
	} {
		blinded := s.addAccount(t, s.prefix+"blind"+string(tt.shown[0]))
		s.grantTombstones(t, blinded)
		s.deny(t, blinded, tt.denied, "User-Account-Restrictions")
		cfg := s.config()
		cfg.Bind = activedirectory.SimpleBind(blinded.name, blinded.password)
		dir := open(t, cfg)

		access, err := dir.Inspect(t.Context())
		require.NoError(t, err)
		require.Len(t, access.Missing, 1, tt.name)
		assert.Contains(t, access.Missing[0], tt.shown)

		store := adsync.NewMemoryStore(deactivated("u1", alice), deactivated("u2", bob))
		for _, imports := range []bool{false, true} { // by look-up and by listing
			plan, err := newSyncer(t, dir, store, adsync.Rules{Import: imports}).Plan(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tt.want, told(plan), tt.name)
			assert.Contains(t, strings.Join(plan.Warnings, "\n"), tt.shown)
		}
		plan, err := newSyncer(t, dir, adsync.NewMemoryStore(), adsync.Rules{Import: true}).Plan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, tt.imports, told(plan), tt.name)
		assert.Contains(t, strings.Join(plan.Warnings, "\n"), "Whether accounts are disabled could not be read")

		// Nor is anybody removed because of it, and the details follow.
		active := imported("u2", bob)
		active.Phone = "old"
		plan, err = newSyncer(t, dir, adsync.NewMemoryStore(active), adsync.Rules{OnDisabled: adsync.Remove}).Plan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"update changed u2"}, told(plan), tt.name)
	}
	plan, err := newSyncer(t, s.directory(t), adsync.NewMemoryStore(deactivated("u1", alice), deactivated("u2", bob)), adsync.Rules{}).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update reactivated u1", "notice disabled u2"}, told(plan), "who may read it sees it")
}

// deactivated is the host's user of the account, whom a sync has deactivated.
func deactivated(userID string, p person) adsync.User {
	u := imported(userID, p)
	u.Status = adsync.StatusDeactivated
	return u
}
