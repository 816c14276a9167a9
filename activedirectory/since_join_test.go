package activedirectory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// A Join has a mark of each of its directories, each pinned to one controller.
func TestSince_OfSeveralDirectories(t *testing.T) {
	a, b := newBed(t), newBed(t)
	ids := a.add("a1", "a2")
	other := b.add("b1", "b2")
	second, err := b.dc.AddController()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, second.Close()) })
	b.cfg.URLs, b.cfg.Witnesses = append(b.cfg.URLs, second.URL()), -1
	for u := range b.store.Users(t.Context()) {
		var users []adsync.User
		for known := range a.store.Users(t.Context()) {
			users = append(users, known)
		}
		a.store = adsync.NewMemoryStore(append(users, u)...)
	}
	run := func(more ...adsync.Directory) *adsync.Report {
		t.Helper()
		dirs := append([]adsync.Directory{mustNew(t, a.cfg), mustNew(t, b.cfg)}, more...)
		s, err := adsync.New(adsync.Join(dirs...), a.store, &adsync.Options{Limits: adsync.Limits{MaxRemovals: -1, MaxRekeyed: -1, MaxRemovalRatio: -1}})
		require.NoError(t, err)
		report, err := s.Sync(t.Context(), adsync.Since(a.mark))
		require.NoError(t, err)
		a.mark = report.Mark()
		return report
	}
	assert.Equal(t, "there is no mark of an earlier run", run().Plan.Reading.Full)
	quiet := run()
	require.Empty(t, quiet.Plan.Reading.Full)
	assert.Len(t, quiet.Plan.Reading.Controllers, 2)
	require.NoError(t, a.dc.SetAttribute(ids[0], "mail", "new@x.test"))
	require.NoError(t, b.dc.Delete(other[0]))
	changed := run()
	require.Empty(t, changed.Plan.Reading.Full)
	assert.Equal(t, adsync.Counts{Modified: 1, Deleted: 1, Unchanged: 2}, changed.Counts())

	// One controller goes down: the other of that domain is read, and the whole of both.
	b.dc.Stop()
	moved := run()
	assert.Equal(t, adsync.NoMarkOfController, moved.Plan.Reading.Full)
	require.NotNil(t, a.mark)
	b.dc.Restart()
	stays := run()
	assert.Empty(t, stays.Plan.Reading.Full, "the mark's own controller is asked first")
	assert.Contains(t, stays.Plan.Reading.Controllers, "dc2.ad.example.test")

	// With a list that cannot tell, all is read.
	list := adsync.StaticDirectory{}
	assert.NotEmpty(t, run(list).Plan.Reading.Full)
	assert.Nil(t, a.mark)
	assert.NotEmpty(t, run(list).Plan.Reading.Full)
}

// The clock of a directory counts in a Join too that is read from a mark.
func TestSince_TellsLeaversTimeInAJoin(t *testing.T) {
	b := newBed(t)
	b.add("ada")
	b.clock.Store(time.Now().Add(-24 * time.Hour).Unix())
	s, err := adsync.New(adsync.Join(mustNew(t, b.cfg)), b.store, &adsync.Options{Rules: adsync.Rules{RemoveAfter: 24 * time.Hour}})
	require.NoError(t, err)
	full, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, full.Warnings, "The clocks of the host and the directory are more than 5 minutes apart, so nobody is removed whose time has come: correct the one that is wrong.")
	p, err := s.Plan(t.Context(), adsync.Since(nil))
	require.NoError(t, err)
	assert.Equal(t, full.Warnings, p.Warnings)
}
