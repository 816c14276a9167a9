package adsync_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestMoment_IsASecondInUTC(t *testing.T) {
	there := time.Date(2026, 11, 30, 18, 4, 5, 999_999_999, time.FixedZone("", 3600))
	m := adsync.MomentOf(there)
	assert.Equal(t, "2026-11-30T17:04:05Z", m.String())
	assert.Equal(t, time.Date(2026, 11, 30, 17, 4, 5, 0, time.UTC), m.Time())
	assert.True(t, m == adsync.MomentOf(m.Time()), "two of one second are equal")
	assert.Less(t, m, adsync.MomentOf(there.Add(time.Second)))
	assert.NotZero(t, adsync.MomentOf(time.Unix(0, 0)), "1970 is a year like any other")
}

func TestMoment_ZeroIsNever(t *testing.T) {
	assert.Zero(t, adsync.MomentOf(time.Time{}))
	assert.Zero(t, adsync.MomentOf(time.Time{}.AddDate(-5, 0, 0)))
	assert.Equal(t, "", adsync.Moment(0).String())
	assert.True(t, adsync.Moment(0).Time().IsZero())
	assert.True(t, adsync.AtWrite.Time().IsZero())
	assert.Equal(t, "9999-12-31T23:59:59Z", adsync.MomentOf(time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)).String())
}

func TestMoment_SurvivesJSON(t *testing.T) {
	for _, tt := range []struct {
		moment adsync.Moment
		text   string
	}{
		{0, `""`},
		{adsync.AtWrite, `"at-write"`},
		{adsync.MomentOf(time.Date(2026, 11, 30, 17, 4, 5, 0, time.UTC)), `"2026-11-30T17:04:05Z"`},
		{adsync.MomentOf(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)), `"9999-12-31T23:59:59Z"`},
		{adsync.MomentOf(time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)), `"0001-01-01T00:00:01Z"`},
	} {
		text, err := json.Marshal(tt.moment)
		require.NoError(t, err)
		assert.Equal(t, tt.text, string(text))
		back := adsync.Moment(math.MaxInt64)
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, tt.moment, back)
	}
	var m adsync.Moment
	require.NoError(t, json.Unmarshal([]byte(`"2026-11-30T18:04:05.9+01:00"`), &m))
	assert.Equal(t, "2026-11-30T17:04:05Z", m.String())
	for _, bad := range []string{`"yesterday"`, `"2026-11-30"`, `7`} {
		assert.Error(t, json.Unmarshal([]byte(bad), &m), bad)
	}
	assert.NotContains(t, m.UnmarshalText([]byte("anna@corp.example")).Error(), "anna")
}

// What holds no moment has the JSON, and so the digest, that it always had.
func TestMoment_IsNotToldWhereThereIsNone(t *testing.T) {
	for _, v := range []any{user("u1", 1, "ann", ""), entry(1, "ann", "")} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "ed_at")
	}
	u, e := user("u1", 1, "ann", ""), entry(1, "ann", "")
	u.DeactivatedAt = adsync.AtWrite
	e.DeletedAt = adsync.MomentOf(time.Unix(1, 0))
	text, err := json.Marshal([]any{u, e})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"deactivated_at":"at-write"`)
	assert.Contains(t, string(text), `"deleted_at":"1970-01-01T00:00:01Z"`)
}

func TestGuard_TakesAnyMomentForAtWrite(t *testing.T) {
	before := user("u1", 1, "ann", "")
	after := before
	after.Status, after.DeactivatedAt = adsync.StatusDeactivated, adsync.AtWrite
	c := adsync.NewUpdate(adsync.ReasonDeleted, &before, &after)
	assert.Equal(t, []adsync.Field{adsync.FieldStatus, adsync.FieldDeactivatedAt}, c.Fields)

	written := after
	written.DeactivatedAt = adsync.MomentOf(time.Unix(1, 0))
	assert.NoError(t, c.Guard(&before))
	assert.ErrorIs(t, c.Guard(&written), adsync.ErrAlready)
	assert.True(t, after.Same(written))
	assert.True(t, written.Same(after))
	later := written
	later.DeactivatedAt++
	assert.False(t, written.Same(later), "two moments are two")
	never := written
	never.DeactivatedAt = 0
	assert.ErrorIs(t, c.Guard(&never), adsync.ErrStale, "never is no moment")
	assert.False(t, never.Same(after))
	assert.False(t, after.Same(never))

	stamp := adsync.NewUpdate(adsync.ReasonDeleted, &never, &after)
	assert.NoError(t, stamp.Guard(&never), "the moment alone is written")
	assert.ErrorIs(t, stamp.Guard(&later), adsync.ErrAlready)
}

func TestMemoryStore_PutsItsTimeForAtWrite(t *testing.T) {
	before := user("u1", 1, "ann", "")
	after := before
	after.Status, after.DeactivatedAt = adsync.StatusDeactivated, adsync.AtWrite
	store := adsync.NewMemoryStore(before)
	c := adsync.NewUpdate(adsync.ReasonDeleted, &before, &after)
	begun := adsync.MomentOf(time.Now())
	require.NoError(t, store.UpdateUser(t.Context(), c))
	now, _ := store.Get("u1")
	assert.GreaterOrEqual(t, now.DeactivatedAt, begun)
	assert.LessOrEqual(t, now.DeactivatedAt, adsync.MomentOf(time.Now()))
	assert.ErrorIs(t, store.UpdateUser(t.Context(), c), adsync.ErrAlready)

	back := adsync.NewUpdate(adsync.ReasonReactivated, &now, &before)
	require.NoError(t, store.UpdateUser(t.Context(), back))
	now, _ = store.Get("u1")
	assert.Equal(t, before, now)

	created := user("", 2, "bob", "")
	created.Status, created.DeactivatedAt = adsync.StatusDeactivated, adsync.MomentOf(time.Unix(1, 0))
	newID, err := store.CreateUser(t.Context(), adsync.Change{Op: adsync.OpCreate, ObjectID: id(2), After: &created})
	require.NoError(t, err)
	now, _ = store.Get(newID)
	assert.Equal(t, created.DeactivatedAt, now.DeactivatedAt, "a moment is kept as it is")
}

func TestReconcile_SaysWhenSomebodyWasDeactivated(t *testing.T) {
	stamping := adsync.Rules{OnDeleted: adsync.Deactivate, Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldDeactivatedAt}}
	gone := []adsync.Entry{{ObjectID: id(1), State: adsync.StateDeleted}}
	there := []adsync.Entry{entry(1, "ann", "")}
	u := user("u1", 1, "ann", "")

	plan := mustReconcile(t, gone, []adsync.User{u}, stamping)
	require.Equal(t, []string{"u1 update deleted"}, inBrief(plan))
	assert.Equal(t, adsync.AtWrite, plan.Changes[0].After.DeactivatedAt)
	plan = mustReconcile(t, gone, []adsync.User{u}, adsync.Rules{OnDeleted: adsync.Deactivate})
	assert.Zero(t, plan.Changes[0].After.DeactivatedAt, "not for a store that does not hold it")

	u.DeactivatedAt = adsync.MomentOf(time.Unix(1, 0))
	plan = mustReconcile(t, there, []adsync.User{u}, stamping)
	require.Equal(t, []string{"u1 update changed"}, inBrief(plan), "whoever is active was not deactivated")
	assert.Zero(t, plan.Changes[0].After.DeactivatedAt)
	assert.Equal(t, []adsync.Field{adsync.FieldDeactivatedAt}, plan.Changes[0].Fields)

	u.Status = adsync.StatusDeactivated
	plan = mustReconcile(t, there, []adsync.User{u}, stamping)
	require.Equal(t, []string{"u1 update reactivated"}, inBrief(plan))
	assert.Zero(t, plan.Changes[0].After.DeactivatedAt)
	plan = mustReconcile(t, gone, []adsync.User{u}, stamping)
	assert.Empty(t, plan.Changes)

	u.Status = adsync.StatusBlocked
	plan = mustReconcile(t, there, []adsync.User{u}, stamping)
	assert.Empty(t, plan.Changes, "what the host blocked is not the sync's to change")
}

// The table is told by one Syncer, and another, which knows nothing, takes it back.
func TestSync_KeepsWhenSomebodyWasDeactivated(t *testing.T) {
	u := user("u1", 1, "ann", "")
	store := adsync.NewMemoryStore(u, user("u2", 2, "bob", ""))
	rules := adsync.Rules{OnDeleted: adsync.Deactivate}
	gone := adsync.StaticDirectory{entry(2, "bob", ""), {ObjectID: id(1), State: adsync.StateDeleted}}
	s := newSyncer(t, gone, store, &adsync.Options{Rules: rules})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.Counts{Deactivated: 1, Unchanged: 1}, report.Counts())
	now, _ := store.Get("u1")
	assert.NotZero(t, now.DeactivatedAt)
	again, err := s.Apply(t.Context(), report.Plan)
	require.NoError(t, err)
	assert.Equal(t, adsync.OutcomeAlready, again.Results[0].Outcome)

	undo, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Equal(t, []string{"u1 update undone"}, inBrief(undo))
	assert.Equal(t, now, *undo.Changes[0].Before, "as the row is, and not at-write")
	_, err = s.Apply(t.Context(), undo, approve(undo))
	require.NoError(t, err)
	now, _ = store.Get("u1")
	assert.Equal(t, u, now)

	_, err = s.Sync(t.Context())
	require.NoError(t, err)
	s = newSyncer(t, adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", "")}, store, nil)
	report, err = s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 1}, report.Counts())
	now, _ = store.Get("u1")
	assert.True(t, now.Same(u), "whoever returns is the same user as before")
}
