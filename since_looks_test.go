package adsync_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// crowdOf is a logbook of n accounts with a user each, in one order.
func crowdOf(n int) (*inquirer, []adsync.User) {
	dir := &inquirer{logbook: &logbook{controller: "one", changed: map[adsync.ObjectID]int{}}}
	users := make([]adsync.User, n)
	for i := range n {
		name := fmt.Sprintf("user%05d", i)
		e := adsync.Entry{ObjectID: numberedID(i), Profile: adsync.Profile{Username: name}}
		dir.StaticDirectory = append(dir.StaticDirectory, e)
		users[i] = adsync.User{ID: name, ObjectID: e.ObjectID, Profile: e.Profile}
	}
	return dir, users
}

func numberedID(i int) adsync.ObjectID {
	return adsync.ObjectID{1, byte(i >> 16), byte(i >> 8), byte(i)}
}

// touch has the accounts from one number to another seem changed.
func (q *inquirer) touch(from, to int) {
	q.number++
	for i := from; i < to; i++ {
		q.changed[numberedID(i)] = q.number
	}
}

// markOf is the mark of a full sync.
func markOf(t *testing.T, dir adsync.Directory, opts *adsync.Options, users ...adsync.User) *adsync.Mark {
	t.Helper()
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(t.Context())
	require.NoError(t, err)
	require.NotNil(t, report.Mark())
	return report.Mark()
}

// More than 5,000 accounts are not looked up one by one where a listing costs less.
func TestSince_ListsWhereVeryManyHaveChanged(t *testing.T) {
	for _, tt := range []struct {
		users, changed int
		full           bool
	}{
		{6_000, 5_000, false}, {6_000, 5_001, true}, {20_000, 5_001, true}, {20_004, 5_001, false},
	} {
		dir, users := crowdOf(tt.users)
		mark := markOf(t, dir, nil, users...)
		dir.touch(0, tt.changed)
		dir.asked = nil
		plan, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context(), adsync.Since(mark))
		require.NoError(t, err)
		if tt.full {
			assert.Equal(t, strconv.Itoa(tt.changed)+" accounts are to be looked up, for which a listing costs less", plan.Reading.Full)
			assert.Empty(t, dir.asked)
		} else {
			assert.Empty(t, plan.Reading.Full)
			assert.Len(t, dir.asked, tt.changed)
			assert.True(t, slices.IsSortedFunc(dir.asked, adsync.ObjectID.Compare))
		}
	}
}

// fickle changes an account as soon as it was looked up, and loses its connection.
type fickle struct {
	*logbook
	then adsync.Entry
}

func (f fickle) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		for e, err := range f.logbook.Find(ctx, ids) {
			if !yield(e, err) {
				return
			}
		}
		f.set(f.then)
	}
}

// Nothing counts of a reading that was not one: what was looked up then is not listed twice.
func TestSince_BeginsAnewWhereAReadingWasNotOne(t *testing.T) {
	dir := fickle{&logbook{controller: "one"}, entry(1, "ann", "third@x")}
	dir.set(entry(1, "ann", "first@x"))
	store := adsync.NewMemoryStore(user("u1", 1, "ann", "first@x"))
	report, err := newSyncer(t, dir, store, nil).Sync(t.Context())
	require.NoError(t, err)
	dir.set(entry(1, "ann", "second@x"))
	dir.lost = true
	plan, err := newSyncer(t, dir, store, nil).Plan(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	assert.Equal(t, "the connection was lost while the directory was read", plan.Reading.Full)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "third@x", plan.Changes[0].After.Email)
}

// withRole is a directory that knows a role.
type withRole struct{ *inquirer }

func (withRole) Traits() adsync.Traits { return adsync.Traits{Roles: []string{"admin"}} }

// Where no groups have changed, nobody is looked up for having a role.
func TestSince_AsksAboutNobodyForARoleThatIsWhatItWas(t *testing.T) {
	q, users := crowdOf(3)
	dir := withRole{q}
	for i := range users {
		q.StaticDirectory[i].Extra = adsync.Extra{}.With(adsync.FieldRoles, "admin")
		users[i].Extra = q.StaticDirectory[i].Extra
	}
	mark := markOf(t, dir, nil, users...)
	q.asked = nil
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context(), adsync.Since(mark))
	require.NoError(t, err)
	assert.Empty(t, plan.Reading.Full)
	assert.Empty(t, plan.Changes)
	assert.Empty(t, q.asked)
}

func idBytes(i int) []byte {
	id := numberedID(i)
	return id[:]
}

// Who was written is in order, also after two users have taken each other's name by way of a
// third; and who was not written is looked up again.
func TestSince_AsksAgainAboutWhomARunDidNotWrite(t *testing.T) {
	for _, fails := range []string{"", "user00001"} {
		dir, users := crowdOf(300)
		dir.StaticDirectory[0].Username, dir.StaticDirectory[1].Username = "user00001", "user00000"
		dir.StaticDirectory[2].Phone = "1"
		store := adsync.NewMemoryStore(users...)
		failing := hooked{store, func(c adsync.Change) error {
			if c.UserID == fails {
				return adsync.ErrStale
			}
			return nil
		}}
		report, err := newSyncer(t, dir, failing, nil).Sync(t.Context())
		require.NoError(t, err)
		require.True(t, report.Plan.Changes[0].Interim)
		dir.asked = nil
		plan, err := newSyncer(t, dir, store, nil).Plan(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		assert.Empty(t, plan.Reading.Full)
		if fails == "" {
			assert.Empty(t, dir.asked)
		} else {
			assert.Contains(t, dir.asked, numberedID(1))
			assert.NotContains(t, dir.asked, numberedID(2))
			assert.NotEmpty(t, plan.Changes)
		}
	}
}

// A report of what no reading was made for has no mark.
func TestReport_WithoutAReadingHasNoMark(t *testing.T) {
	for _, r := range []*adsync.Report{nil, {}, {Plan: &adsync.Plan{}}, {Plan: &adsync.Plan{Reading: &adsync.Provenance{}}}} {
		assert.Nil(t, r.Mark())
	}
}

// After a run that has removed, created and changed users, the next goes on from what there is
// then, and looks up only who is not simply in order, and once more who was deleted.
func TestSince_GoesOnAfterARunOfAllKinds(t *testing.T) {
	dir, users := crowdOf(300)
	told := dir.StaticDirectory
	told[0].DisabledUnknown, told[0].Phone = true, "1"
	told[1].Phone = "1"
	told[2].Disabled = true
	told[3].State = adsync.StateOutOfScope
	told[4].State = adsync.StateDeleted
	opts := &adsync.Options{
		Rules:  adsync.Rules{Import: true, OnDisabled: adsync.Remove, OnOutOfScope: adsync.Remove},
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1},
	}
	store := adsync.NewMemoryStore(users[:299]...)
	report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, adsync.Counts{Created: 1, Modified: 2, Deleted: 3, Unchanged: 294}, report.Counts())
	mark := report.Mark()
	assert.Equal(t, append(idBytes(0), idBytes(4)...), mark.Look)
	assert.Empty(t, mark.Disabled)
	assert.Empty(t, mark.Outside)
	dir.asked = nil
	plan, err := newSyncer(t, dir, store, opts).Plan(t.Context(), adsync.Since(mark))
	require.NoError(t, err)
	assert.Empty(t, plan.Reading.Full)
	assert.Equal(t, []adsync.ObjectID{numberedID(0), numberedID(4)}, dir.asked)
}

// nameless is a store that does not tell the IDs of new users.
type nameless struct {
	adsync.UserStore
	store *adsync.MemoryStore
}

func (s nameless) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	_, err := s.store.CreateUser(ctx, c)
	return "", err
}

// A new user of whom the store does not tell the ID is looked up again, as nobody knows what its
// row is. Each call makes a mark of its own.
func TestReport_MarkOfANewUserWithoutAnID(t *testing.T) {
	dir, users := crowdOf(3)
	store := adsync.NewMemoryStore(users[:2]...)
	opts := &adsync.Options{Rules: adsync.Rules{Import: true}}
	report, err := newSyncer(t, dir, nameless{store, store}, opts).Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, report.Counts().Created)
	mark := report.Mark()
	assert.Equal(t, idBytes(2), mark.Look)
	mark.Directory[0].Controller, mark.Others[0] = "two", idBytes(1)
	assert.Equal(t, "one", report.Mark().Directory[0].Controller)
	assert.Empty(t, report.Mark().Others[0])
}
