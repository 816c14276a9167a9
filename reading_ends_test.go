package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// Some users are looked up. A directory that could be listed at the same time is not listed
// for them.
func TestRead_ListsNobodyForAFew(t *testing.T) {
	dir := beyond{controllers{func() (adsync.Directory, error) {
		return scripted{
			func(func(adsync.Entry, error) bool) { t.Error("a listing costs more") },
			func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
				adsync.StaticDirectory{entry(1, "ann2", ""), entry(2, "bob", "")}.Find(context.Background(), ids)(yield)
			},
		}, nil
	}}}
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 2, "bob", "")), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"1 update changed"}, inBrief(plan))
}

// Where nobody is managed, the directory is not even asked what it can tell.
func TestRead_AsksNothingWhereNobodyIsManaged(t *testing.T) {
	dir := inspected{err: errDown}
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(adsync.User{ID: "1", Profile: profile("local", "")}), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
}

// A directory without anybody is no failure where there is nobody to be missed.
func TestRead_NobodyIsListedForNobody(t *testing.T) {
	store := adsync.NewMemoryStore(adsync.User{ID: "1", Profile: profile("local", "")})
	plan, err := newSyncer(t, adsync.StaticDirectory{}, store, &adsync.Options{Rules: adsync.Rules{Import: true}}).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
}

// A directory may take the end of its context for its own. That is no whole listing.
func TestRead_ListingThatWasEndedIsNotWhole(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := scripted{entries: func(yield func(adsync.Entry, error) bool) {
		yield(entry(1, "ann2", ""), nil)
		cancel()
	}}
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", "")), &adsync.Options{Rules: adsync.Rules{Import: true}}).Plan(ctx)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, plan)
}

// What is wrong with an entry is reported, wherever in a listing it stands.
func TestRead_AnyEntryMayBeWrong(t *testing.T) {
	for place := range 5 {
		entries := []adsync.Entry{entry(1, "a", ""), entry(2, "b", ""), entry(3, "c", ""), entry(4, "d", ""), entry(5, "e", "")}
		entries[place].ObjectID = adsync.ObjectID{}
		for _, step := range []int{1, 2, 100} {
			s := newSyncer(t, adsync.StaticDirectory(entries), adsync.NewMemoryStore(), &adsync.Options{Rules: adsync.Rules{Import: true}})
			s.ReadInSteps(1, step, 16<<20)
			_, err := s.Plan(t.Context())
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.ErrorContains(t, err, "without an ObjectID")
		}
	}
}

// When the run has ended, no other server is asked.
func TestRead_AsksNoOtherServerAfterItsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := controllers{
		func() (adsync.Directory, error) {
			return scripted{find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
				cancel()
				yield(adsync.Entry{}, errDown)
			}}, nil
		},
		func() (adsync.Directory, error) { t.Error("nobody waits for that"); return failing{}, nil },
	}
	_, err := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil).Plan(ctx)
	require.ErrorIs(t, err, errDown)
	assert.NotContains(t, err.Error(), "no controller to ask", "there was one")
}

// A directory that says itself that it could not read everything is not repeated.
func TestRead_SaysOnceThatItIsIncomplete(t *testing.T) {
	dir := scripted{find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
		yield(adsync.Entry{}, fmt.Errorf("%w: the base is gone", adsync.ErrIncomplete))
	}}
	_, err := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil).Plan(t.Context())
	require.EqualError(t, err, "adsync: could not read everything, so nothing was changed: the base is gone")
}

// A store that yields a user twice is not read right, whoever asks.
func TestRead_RefusesAUserWhoComesTwice(t *testing.T) {
	store := repeating{adsync.NewMemoryStore(user("1", 1, "ann", "")), func(adsync.User) bool { return true }}
	s := newSyncer(t, adsync.StaticDirectory{entry(1, "ann2", "")}, store, nil)
	_, planned := s.Plan(t.Context())
	_, explained := s.Explain(t.Context(), "1")
	for _, err := range []error{planned, explained} {
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		require.ErrorContains(t, err, "two users have the ID")
	}
}

// Of a table that cannot be read, nobody is explained.
func TestExplain_NeedsTheWholeTable(t *testing.T) {
	_, err := newSyncer(t, adsync.StaticDirectory{}, brokenReads{bareStore{adsync.NewMemoryStore()}}, nil).Explain(t.Context(), "1")
	require.ErrorIs(t, err, adsync.ErrIncomplete)
}

// When a user could not be taken in, the store is not read to its end.
func TestRead_EndsTheReadingOfUsersWhoCannotBeTakenIn(t *testing.T) {
	_, users := bigWorld(1000)
	memory, read, folded := adsync.NewMemoryStore(), 0, 0
	store := pacedStore{memory, memory, func(yield func(adsync.User, error) bool) {
		for _, u := range users {
			if read++; !yield(u, nil) {
				return
			}
		}
	}}
	s := newSyncer(t, adsync.StaticDirectory{}, store, &adsync.Options{Rules: adsync.Rules{Fold: func(text string) string {
		if folded++; folded == 3 {
			panic("of the host's own rule")
		}
		return text
	}}})
	s.ReadInSteps(1, 1, 16<<20)
	assert.PanicsWithValue(t, "of the host's own rule", func() { _, _ = s.Plan(t.Context()) })
	assert.Less(t, read, len(users))
}

// A listing says nothing of an account that it lacks, and whoever asked to import it is told.
func TestImport_TellsOfAnAccountThatAListingLacks(t *testing.T) {
	store := adsync.NewMemoryStore(user("1", 1, "ann", ""))
	plan, err := newSyncer(t, listingOf(entry(1, "ann", "")), store, nil).Plan(t.Context(), adsync.ImportEntries(id(9)))
	require.NoError(t, err)
	assert.Equal(t, []string{"notice deleted"}, inBrief(plan))
}

// timedApart is a directory with a clock that can be read while the store is.
type timedApart struct{ timed }

func (timedApart) Traits() adsync.Traits { return adsync.Traits{Apart: true} }

// A listing that begins before the store is read has the directory's time as well.
func TestRemoveAfter_ComesToItsEndInAConcurrentListing(t *testing.T) {
	waiting := user("u1", 1, "ann", "")
	waiting.Status, waiting.DeactivatedAt = adsync.StatusDeactivated, at(0)
	dir := timedApart{timed{adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}, entry(2, "bob", "")}, at(31).Time, 0}}
	s := newSyncer(t, dir, adsync.NewMemoryStore(waiting, user("u2", 2, "bob", "")), &adsync.Options{Rules: adsync.Rules{Import: true, RemoveAfter: 30 * day}})
	s.SetClock(at(31).Time)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"u1 delete deleted"}, inBrief(plan))
}

// Entries of users whom the plan is not about do not count as found, whenever they come.
func TestRead_CountsNoEntryOfOthers(t *testing.T) {
	entries, users := bigWorld(20)
	rules := adsync.Rules{Import: true, Only: []string{users[19].ID}}
	want := mustReconcile(t, entries, users, rules)
	read, listed := make(chan struct{}), make(chan struct{})
	memory := adsync.NewMemoryStore()
	store := pacedStore{memory, memory, joined(t.Context(), [][]adsync.User{users[:19], users[19:]}, func(ctx context.Context) {
		close(read)
		waitingFor(listed)(ctx)
	})}
	dir := one(joined(t.Context(), [][]adsync.Entry{nil, entries, nil}, waitingFor(read), opening(listed)))
	s := newSyncer(t, dir, store, &adsync.Options{Rules: rules})
	s.ReadInSteps(1, 1, 16<<20)
	got, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want.Stats, got.Stats)
}

// A server whose listing fails leaves nothing to the next one, and of two that fail both are
// named.
func TestRead_NamesEachServerThatFailed(t *testing.T) {
	errOther := errors.New("another error")
	fails := func(err error) func() (adsync.Directory, error) {
		return func() (adsync.Directory, error) {
			return scripted{find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, err) }}, nil
		}
	}
	_, err := newSyncer(t, controllers{fails(errDown), fails(errOther)}, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil).Plan(t.Context())
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, err, errOther)
	assert.Len(t, strings.Split(err.Error(), "\n"), 2)
}
