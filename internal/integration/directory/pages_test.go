package directory

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// manyPeople do not fit into two of a controller's largest pages.
const manyPeople = 2500

// Many accounts are made once, for all that needs many.
func testManyPages(t *testing.T, s *scene) {
	for n := range manyPeople {
		s.write(t, s.describe(s.people, fmt.Sprintf("p%d", n)))
	}
	t.Run("import and look-up", func(t *testing.T) { s.testPagesComplete(t) })
	t.Run("roles of big groups", func(t *testing.T) { s.testBigGroups(t) })
	t.Run("cut in mid-listing", func(t *testing.T) { s.testListingCut(t) })
	t.Run("stalled in mid-listing", func(t *testing.T) { s.testListingStalled(t) })
}

func (s *scene) testPagesComplete(t *testing.T) {
	for _, pageSize := range []uint32{0, 400} {
		cfg := s.config()
		cfg.PageSize = pageSize
		listed := map[adsync.ObjectID]string{}
		for e, err := range open(t, cfg).Entries(t.Context()) {
			require.NoError(t, err)
			require.NotContains(t, listed, e.ObjectID)
			listed[e.ObjectID] = e.Username
		}
		assert.Len(t, listed, manyPeople)
	}

	store := adsync.NewMemoryStore()
	report := s.sync(t, store, adsync.Rules{Import: true})
	assert.Equal(t, manyPeople, report.Counts().Created)
	assert.Empty(t, s.sync(t, store, adsync.Rules{}).Plan.Changes, "looked up, all are as imported")
}

// The controller goes away while it lists. Wherever that happens there is no
// plan, unless another controller takes over.
func (s *scene) testListingCut(t *testing.T) {
	store := adsync.NewMemoryStore(imported("1", s.add(t, "alice")))
	host, target := hostOf(t, s.url)
	p := startProxy(t, host, target)
	cfg := s.config()
	cfg.URLs = []string{"ldaps://" + p.address}
	for _, limit := range []int64{0, 100, 2_000, 20_000, 100_000, 200_000, 400_000} {
		p.limitTo(limit, cut)
		plan, err := newSyncer(t, open(t, cfg), store, adsync.Rules{Import: true}).Plan(t.Context())
		require.ErrorIs(t, err, adsync.ErrIncomplete, "cut after %d bytes", limit)
		require.Nil(t, plan)
		s.assertDiscreet(t, err)
	}

	p.limitTo(200_000, cut)
	cfg.URLs = append(cfg.URLs, s.url)
	plan, err := newSyncer(t, open(t, cfg), store, adsync.Rules{Import: true}).Plan(t.Context())
	require.NoError(t, err, "the next controller starts over")
	assert.Equal(t, manyPeople+1, plan.Stats.Entries, "nobody is counted twice")
}

// A controller that falls silent or slow is given up at the deadline.
func (s *scene) testListingStalled(t *testing.T) {
	host, target := hostOf(t, s.url)
	p := startProxy(t, host, target)
	cfg := s.config()
	cfg.URLs = []string{"ldaps://" + p.address}
	cfg.Timeout = 2 * time.Second
	store := adsync.NewMemoryStore(imported("1", s.add(t, "bob")))
	for _, then := range []afterwards{stall, drip} {
		p.limitTo(100_000, then)
		s.requireNoPlan(t, open(t, cfg), store)
	}
}
