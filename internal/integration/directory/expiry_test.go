package directory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/internal/fakead"
)

// Accounts that have expired by the server's clock count as disabled, also in a plan from
// a mark that was made before, as time moves no number; and one whose accountExpires cannot
// be read is unknown.
func testExpiredIsDisabled(t *testing.T, s *scene) {
	alice, bob, cleo, dora := s.add(t, "alice"), s.add(t, "bob"), s.add(t, "cleo"), s.add(t, "dora")
	cfg := s.config()
	cfg.ExpiredIsDisabled = true
	now, _, err := open(t, cfg).Time(t.Context())
	require.NoError(t, err)
	require.NotZero(t, now)
	ends := func(p person, after time.Duration) adsync.Moment {
		at := now.Time().Add(after)
		s.set(t, p, "accountExpires", fakead.FileTime(at))
		return adsync.MomentOf(at)
	}
	want := map[adsync.ObjectID]adsync.Moment{alice.id: ends(alice, -time.Hour), bob.id: ends(bob, time.Hour), cleo.id: 0, dora.id: 0}
	s.set(t, cleo, "accountExpires", "0")
	for e, err := range open(t, cfg).Entries(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, want[e.ObjectID], e.Expires)
		assert.Equal(t, e.ObjectID == alice.id, e.Disabled)
		assert.False(t, e.DisabledUnknown)
	}
	require.NoError(t, adsynctest.CheckDirectory(t.Context(), open(t, cfg)))

	store := adsync.NewMemoryStore(imported("u1", alice), imported("u2", bob), imported("u3", cleo), imported("u4", dora))
	rules := adsync.Rules{OnDisabled: adsync.Deactivate}
	report, err := newSyncer(t, open(t, cfg), store, rules).Sync(t.Context(), adsync.Since(nil))
	require.NoError(t, err)
	assert.Equal(t, []string{"update disabled u1"}, told(report.Plan))

	s.set(t, alice, "accountExpires", "9223372036854775807")
	ends(dora, 2*time.Second) // which is after a mark that is made at once, or before
	report, err = newSyncer(t, open(t, cfg), store, rules).Sync(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	require.Empty(t, report.Plan.Reading.Full)
	assert.Contains(t, told(report.Plan), "update reactivated u1")
	for range 1200 { // 2 minutes, for a server that is slow
		report, err = newSyncer(t, open(t, cfg), store, rules).Sync(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		require.Empty(t, report.Plan.Reading.Full)
		if users(t, store)["u4"].Status == adsync.StatusDeactivated {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	plan, err := newSyncer(t, open(t, cfg), store, rules).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, told(plan), "a full plan sees no more")

	s.deny(t, s.reader, bob.dn, "accountExpires")
	for e, err := range open(t, cfg).Find(t.Context(), []adsync.ObjectID{bob.id}) {
		require.NoError(t, err)
		assert.True(t, e.DisabledUnknown && !e.Disabled)
	}
}
