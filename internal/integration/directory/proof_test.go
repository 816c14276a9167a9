package directory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/adsynctest"
)

func testNoTombstones(t *testing.T, s *scene) {
	alice, bob, carol := s.add(t, "alice"), s.add(t, "bob"), s.add(t, "carol")
	store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob), imported("3", carol))
	s.delete(t, alice)
	s.delete(t, carol)
	cfg := s.config()
	cfg.Bind = activedirectory.SimpleBind(s.ordinary.name, s.ordinary.password)

	for _, rules := range []adsync.Rules{{}, {Import: true}} { // by look-up, and by listing
		report, err := newSyncer(t, open(t, cfg), store, rules).Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		assert.Equal(t, []string{"notice unproven 1", "notice unproven 3"}, told(report.Plan))
		assert.NotEmpty(t, report.Plan.Warnings, "the plan says that no leaver is ever deleted")
		assert.Len(t, users(t, store), 3)
	}
	assert.Equal(t, 2, s.sync(t, store, adsync.Rules{}).Counts().Deleted, "the same leavers, read with the right")
}

// A deny entry makes a search succeed and find nobody: the accident that would
// delete a company.
func testHiddenSubtree(t *testing.T, s *scene) {
	hidden := "OU=hidden," + s.people
	s.addUnit(t, hidden)
	alice, bob, carol := s.add(t, "alice"), s.addIn(t, hidden, "bob"), s.addIn(t, hidden, "carol")
	blinded := s.addAccount(t, s.prefix+"blinded")
	s.grantTombstones(t, blinded)
	s.hide(t, blinded, hidden)
	cfg := s.config()
	cfg.Bind = activedirectory.SimpleBind(blinded.name, blinded.password)

	for _, rules := range []adsync.Rules{{}, {Import: true}} {
		store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob), imported("3", carol))
		report, err := newSyncer(t, open(t, cfg), store, rules).Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"notice unproven 2", "notice unproven 3"}, told(report.Plan))
		assert.Len(t, users(t, store), 3)
	}
}

// All of the base is gone from sight. A listing that yields nobody is refused; a
// look-up says of each that nothing is proven.
func testHiddenBase(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob))
	blinded := s.addAccount(t, s.prefix+"blinded")
	s.grantTombstones(t, blinded)
	s.hide(t, blinded, s.people)
	cfg := s.config()
	cfg.Bind = activedirectory.SimpleBind(blinded.name, blinded.password)

	s.requireNoPlan(t, open(t, cfg), store)

	plan, err := newSyncer(t, open(t, cfg), store, adsync.Rules{}).Plan(t.Context())
	if err != nil { // a base that does not exist is no listing either
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		require.Nil(t, plan)
		return
	}
	assert.Equal(t, []string{"notice unproven 1", "notice unproven 2"}, told(plan))
}

func testCheck(t *testing.T, s *scene) {
	s.add(t, "alice")
	for _, tc := range []struct {
		reader     account
		tombstones bool
	}{{s.reader, true}, {s.ordinary, false}} {
		cfg := s.config()
		cfg.Bind = activedirectory.SimpleBind(tc.reader.name, tc.reader.password)
		access, err := open(t, cfg).Inspect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, tc.tombstones, access.Tombstones)
		assert.Equal(t, s.people, access.BaseDN)
		assert.NotEmpty(t, access.Controller)
		if tc.tombstones {
			assert.Empty(t, access.Missing, "this account reads all that a sync needs")
		}
	}
}

func testCheckDirectory(t *testing.T, s *scene) {
	present, disabled := s.add(t, "present"), s.add(t, "disabled")
	moved, deleted := s.add(t, "moved"), s.add(t, "deleted")
	s.disable(t, disabled)
	s.move(t, moved, s.elsewhere, moved.cn)
	s.delete(t, deleted)
	never := adsync.ObjectID{0xde, 0xad, 15: 1}

	states := map[adsync.ObjectID]adsync.State{}
	ids := []adsync.ObjectID{present.id, disabled.id, moved.id, deleted.id, never}
	for e, err := range s.directory(t).Find(t.Context(), ids) {
		require.NoError(t, err)
		states[e.ObjectID] = e.State
		assert.Equal(t, e.ObjectID == disabled.id, e.Disabled && e.State != adsync.StateDeleted)
	}
	if states[present.id] == "" {
		states[present.id] = adsync.StatePresent
	}
	if states[disabled.id] == "" {
		states[disabled.id] = adsync.StatePresent
	}
	assert.Equal(t, map[adsync.ObjectID]adsync.State{
		present.id: adsync.StatePresent, disabled.id: adsync.StatePresent,
		moved.id: adsync.StateOutOfScope, deleted.id: adsync.StateDeleted, never: adsync.StateUnproven,
	}, states)

	require.NoError(t, adsynctest.CheckDirectory(t.Context(), s.directory(t)))
}

func testSearch(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	s.add(t, "bob")
	for _, text := range []string{alice.was.Username, alice.was.Email, alice.was.LastName} {
		found, err := s.directory(t).Search(t.Context(), text, 10)
		require.NoError(t, err)
		require.Len(t, found, 1, text)
		assert.Equal(t, alice.id, found[0].ObjectID)
	}
	for _, text := range []string{"*", ")(objectClass=*", `\2a`} {
		found, err := s.directory(t).Search(t.Context(), text, 10)
		require.NoError(t, err)
		assert.Empty(t, found, "the text %q is no filter", text)
	}
}

// Without a BaseDN the search starts at the domain's root, where the answer
// holds referrals to other partitions too.
func testBaseFromRootDSE(t *testing.T, s *scene) {
	alice := s.addIn(t, s.elsewhere, "alice")
	store := adsync.NewMemoryStore(imported("1", alice))
	cfg := s.config()
	cfg.BaseDN = ""
	dir := open(t, cfg)

	access, err := dir.Inspect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, s.baseDN, access.BaseDN)

	listed := false
	for e, err := range dir.Entries(t.Context()) {
		require.NoError(t, err)
		listed = listed || e.ObjectID == alice.id
	}
	assert.True(t, listed)

	plan, err := newSyncer(t, dir, store, adsync.Rules{}).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
}
