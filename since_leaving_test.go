package adsync_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// still is a directory in which nothing changes.
type still struct{ adsync.StaticDirectory }

func (s still) Reading(context.Context) (adsync.Reading, error) { return s, nil }

func (still) Since(context.Context, adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
	return nil, "", nil
}

func (still) Mark(context.Context) (adsync.DirectoryMark, error) {
	return adsync.DirectoryMark{Controller: "one"}, nil
}

// outspoken is a directory in which nothing changes, and that tells the same of itself whether
// it is asked or not.
type outspoken struct {
	still
	access adsync.Access
}

func (d outspoken) Reading(context.Context) (adsync.Reading, error) { return d, nil }

func (d outspoken) Access() adsync.Access { return d.access }

func (d outspoken) Inspect(context.Context) (adsync.Access, error) { return d.access, nil }

// What a directory tells of itself without being asked stands in a plan by mark as in a full
// one.
func TestSince_WarnsOfWhatTheDirectoryTells(t *testing.T) {
	dir := outspoken{still{adsync.StaticDirectory{entry(1, "ann", "")}}, adsync.Access{
		Controller: "dc1", Missing: []string{"the title is never shown", "TLS is old"}, Unread: map[adsync.Field][]string{"title": {"the title is never shown"}},
		Witnesses: []string{"dc2", "dc3"}, Silent: []string{"dc3"},
	}}
	for _, dir := range []adsync.Directory{dir, adsync.Join(dir)} {
		s := newSyncer(t, dir, adsync.NewMemoryStore(user("u1", 1, "ann", "")), nil)
		first, err := s.Sync(t.Context())
		require.NoError(t, err)
		require.NotNil(t, first.Mark())
		plan, err := s.Plan(t.Context(), adsync.Since(first.Mark()))
		require.NoError(t, err)
		require.Empty(t, plan.Reading.Full)
		require.Len(t, plan.Warnings, 2)
		assert.Contains(t, plan.Warnings[0], "cannot read deleted accounts")
		assert.Equal(t, "TLS is old", plan.Warnings[1])
		assert.Equal(t, first.Plan.Warnings, plan.Warnings)
		assert.Equal(t, []string{"dc1"}, plan.Reading.Controllers)
		assert.Equal(t, []string{"dc2", "dc3"}, plan.Reading.Witnesses)
		assert.Equal(t, []string{"dc3"}, plan.Reading.Silent)
	}
}

// Time passes without any change in the directory: a plan by mark finds whose time has come.
func TestSince_RemovesLeaversWhenTheirTimeHasCome(t *testing.T) {
	for _, state := range []adsync.State{adsync.StatePresent, adsync.StateOutOfScope, adsync.StateDeleted} {
		now := time.Now()
		dir := still{adsync.StaticDirectory{entry(1, "ann", ""), {ObjectID: id(2), State: state, Disabled: state == adsync.StatePresent, Profile: entry(2, "bob", "").Profile}}}
		store := adsync.NewMemoryStore(user("u1", 1, "ann", ""), user("u2", 2, "bob", ""))
		s := newSyncer(t, dir, store, &adsync.Options{MaxIncrements: -1, Rules: adsync.Rules{
			RemoveAfter: 30 * day, OnDisabled: adsync.Remove, OnOutOfScope: adsync.Remove}})
		s.SetClock(func() time.Time { return now })
		var mark *adsync.Mark
		for _, days := range []time.Duration{0, 1, 29, 1, 1} {
			now = now.Add(days * day)
			full, err := s.Plan(t.Context())
			require.NoError(t, err)
			report, err := s.Sync(t.Context(), adsync.Since(mark))
			require.NoError(t, err)
			require.Equal(t, mark == nil, report.Plan.Reading.Full != "", report.Plan.Reading.Full)
			assert.Equal(t, full.Changes, report.Plan.Changes, "%s %s", state, now)
			mark = report.Mark()
		}
		_, there := store.Get("u2")
		assert.False(t, there, state)
	}
}

// A plan's JSON is for people and their approval, and does not carry the mark: whoever applies
// it goes on from the mark before, which is none the worse.
func TestMark_IsNoneOfAPlanThatWentThroughJSON(t *testing.T) {
	dir := still{adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", "")}}
	store := adsync.NewMemoryStore(user("u1", 1, "ann", ""), user("u2", 2, "bob", ""))
	s := newSyncer(t, dir, store, nil)
	first, err := s.Sync(t.Context())
	require.NoError(t, err)
	mark := first.Mark()
	require.NotNil(t, mark)
	edited, _ := store.Get("u2")
	edited.Phone = "of the host's"
	before, _ := store.Get("u2")
	require.NoError(t, store.UpdateUser(t.Context(), adsync.NewUpdate(adsync.ReasonChanged, &before, &edited)))
	for _, way := range []string{"as it is", "through JSON"} {
		plan, err := s.Plan(t.Context(), adsync.Since(mark))
		require.NoError(t, err)
		require.Equal(t, []string{"u2 update changed"}, inBrief(plan))
		if way == "through JSON" {
			text, err := json.Marshal(plan)
			require.NoError(t, err)
			plan = new(adsync.Plan)
			require.NoError(t, json.Unmarshal(text, plan))
		}
		report, err := s.Apply(t.Context(), plan)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		assert.Equal(t, way == "through JSON", report.Mark() == nil, way)
		if way == "as it is" {
			after, _ := store.Get("u2")
			require.NoError(t, store.UpdateUser(t.Context(), adsync.NewUpdate(adsync.ReasonChanged, &after, &edited)))
		}
	}
	plan, err := s.Plan(t.Context(), adsync.Since(mark))
	require.NoError(t, err)
	assert.Empty(t, plan.Reading.Full)
	assert.Empty(t, plan.Changes)
}
