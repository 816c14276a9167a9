package adsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

const noIndex = "the column email of the table people has no unique index; add one"

// checked is a store that knows what is amiss with its table.
type checked struct {
	*adsync.MemoryStore
	check func(context.Context) ([]string, error)
	asked int
}

func (s *checked) Check(ctx context.Context) ([]string, error) {
	s.asked++
	return s.check(ctx)
}

// newChecked holds Ann, who is to be renamed.
func newChecked(warnings ...string) (*checked, adsync.Directory) {
	store := &checked{MemoryStore: adsync.NewMemoryStore(user("1", 1, "ann", ""))}
	store.check = func(context.Context) ([]string, error) { return warnings, nil }
	return store, adsync.StaticDirectory{entry(1, "anna", "")}
}

func TestChecker_WarnsInEachPlanAndIsAskedOnce(t *testing.T) {
	own := []string{noIndex}
	store, dir := newChecked(own...)
	store.check = func(context.Context) ([]string, error) { return own, nil }
	s := newSyncer(t, dir, store, nil)
	first, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{noIndex}, first.Warnings)
	assert.Equal(t, 1, first.StoreWarnings)
	var printed bytes.Buffer
	_, err = first.WriteTo(&printed)
	require.NoError(t, err)
	assert.Contains(t, printed.String(), "Warning: "+noIndex)

	first.Warnings[0], own[0] = "a plan is its holder's", "a store's answer is its own"
	second, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{noIndex}, second.Warnings)
	_, err = s.Sync(t.Context())
	require.NoError(t, err)
	_, err = s.Apply(t.Context(), second)
	require.NoError(t, err)
	assert.Equal(t, 1, store.asked)

	_, err = newSyncer(t, dir, store, nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, store.asked, "each Syncer asks")
}

// The planner's own warnings follow, and still count for the digest.
func TestChecker_WarnsBesideOthers(t *testing.T) {
	store, _ := newChecked(noIndex)
	store.MemoryStore = adsync.NewMemoryStore(user("1", 0, "local", ""))
	plan, err := newSyncer(t, adsync.StaticDirectory{}, store, nil).Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 2)
	assert.Equal(t, noIndex, plan.Warnings[0])
	digest := plan.Digest()
	plan.Warnings[1] = "another"
	assert.NotEqual(t, digest, plan.Digest())
}

// Of two Syncers, one may have asked before the table was mended: an approval is good for
// the plans of both.
func TestChecker_LeavesTheDigestAsItIs(t *testing.T) {
	store, dir := newChecked()
	s := newSyncer(t, dir, store, nil)
	plain, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Zero(t, plain.StoreWarnings)
	for _, warnings := range [][]string{{noIndex}, {noIndex, "the server is not strict"}} {
		store.check = func(context.Context) ([]string, error) { return warnings, nil }
		warned, err := newSyncer(t, dir, store, nil).Plan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, warnings, warned.Warnings)
		assert.Equal(t, plain.Digest(), warned.Digest())

		sent, err := json.Marshal(warned)
		require.NoError(t, err)
		var got adsync.Plan
		require.NoError(t, json.Unmarshal(sent, &got))
		assert.Equal(t, plain.Digest(), got.Digest())
		got.Reading = nil
		assert.Equal(t, plain.Digest(), got.Digest())
		assert.Equal(t, warnings, got.Warnings, "Digest leaves the plan as it is")
	}
}

func TestChecker_WithoutAnAnswerThereIsNoPlan(t *testing.T) {
	store, dir := newChecked()
	away := errors.New("the table has no column email")
	store.check = func(context.Context) ([]string, error) { return []string{noIndex}, away }
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context())
	assert.Nil(t, plan)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, away)
	assert.ErrorContains(t, err, "checking the users' table")
	report, err := s.Sync(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	assert.Empty(t, report.Results)
	assert.Equal(t, 2, store.asked, "an error is no answer")

	store.check = func(context.Context) ([]string, error) { return []string{"cut \xff"}, nil }
	plan, err = s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"cut \ufffd"}, plan.Warnings)
	assert.Equal(t, 3, store.asked)
}

// A store may take a context that has ended for its answer's end.
func TestChecker_IsNotBelievedWhenTheContextHasEnded(t *testing.T) {
	store, dir := newChecked()
	ctx, cancel := context.WithCancel(t.Context())
	store.check = func(context.Context) ([]string, error) {
		cancel()
		return nil, nil
	}
	_, err := newSyncer(t, dir, store, nil).Plan(ctx)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, context.Canceled)
}

func TestChecker_PanicIsTheCallersOwn(t *testing.T) {
	store, dir := newChecked()
	store.check = func(context.Context) ([]string, error) { panic("no table") }
	s := newSyncer(t, dir, store, nil)
	assert.PanicsWithValue(t, "no table", func() { _, _ = s.Plan(t.Context()) })
}

func TestApply_RefusesAPlanThatMiscountsTheStoresWarnings(t *testing.T) {
	for _, n := range []int{-1, 2} {
		store, dir := newChecked(noIndex)
		s := newSyncer(t, dir, store, nil)
		plan, err := s.Plan(t.Context())
		require.NoError(t, err)
		plan.StoreWarnings = n
		assert.NotEmpty(t, plan.Digest())
		_, err = s.Apply(t.Context(), plan)
		require.ErrorIs(t, err, adsync.ErrUnsafe)
		ann, _ := store.Get("1")
		assert.Equal(t, "ann", ann.Username)
	}
}
