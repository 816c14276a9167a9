package adsync_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// early is a directory that can be asked while the table is read. It keeps what it is asked.
type early struct {
	adsync.StaticDirectory
	apart bool
	lost  int // of how many readings the connection is lost
	asked chan string
}

func newEarly(entries ...adsync.Entry) *early {
	return &early{StaticDirectory: entries, apart: true, asked: make(chan string, 100)}
}

func (d *early) Traits() adsync.Traits { return adsync.Traits{Apart: d.apart} }

func (d *early) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	d.asked <- "Entries"
	return d.StaticDirectory.Entries(ctx)
}

func (d *early) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	d.asked <- "Find"
	return d.StaticDirectory.Find(ctx, ids)
}

func (d *early) Reading(context.Context) (adsync.Reading, error) { return d, nil }

func (d *early) Since(context.Context, adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
	d.asked <- "Since"
	return []adsync.ObjectID{id(1)}, "", nil
}

func (d *early) Mark(context.Context) (adsync.DirectoryMark, error) {
	d.asked <- "Mark"
	if d.lost--; d.lost >= 0 {
		return adsync.DirectoryMark{}, nil
	}
	return adsync.DirectoryMark{Controller: "one"}, nil
}

// all is what was asked so far.
func (d *early) all() (names []string) {
	for len(d.asked) > 0 {
		names = append(names, <-d.asked)
	}
	return names
}

// waiting is a table that is not read before that is over.
type waiting struct {
	*adsync.MemoryStore
	before func()
}

func (w waiting) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	w.before()
	return w.MemoryStore.Users(ctx)
}

// What has changed is asked for while the table is read, of a directory that allows it.
func TestSince_AsksWhileTheTableIsRead(t *testing.T) {
	dir := newEarly(entry(1, "ann", ""))
	store := waiting{adsync.NewMemoryStore(user("u1", 1, "ann", "")), func() {}}
	first, err := newSyncer(t, dir, store, nil).Sync(t.Context())
	require.NoError(t, err)
	dir.all()
	for _, dir.apart = range []bool{true, false} {
		store.before = func() {
			if !dir.apart {
				assert.Empty(t, dir.all())
				return
			}
			select {
			case name := <-dir.asked:
				assert.Equal(t, "Since", name)
			case <-time.After(time.Minute):
				t.Error("it was not asked before")
			}
		}
		plan, err := newSyncer(t, dir, store, nil).Plan(t.Context(), adsync.Since(first.Mark()))
		require.NoError(t, err)
		assert.Empty(t, plan.Reading.Full)
		assert.Equal(t, 1, plan.Reading.Looked)
		want := []string{"Since", "Find", "Mark"}
		if dir.apart {
			want = want[1:]
		}
		assert.Equal(t, want, dir.all())
	}
}

// Who waits for a long table may lose the connection, and then asks once more. If it is lost
// again, everything is read.
func TestSince_AsksAgainWhenTheConnectionWasLost(t *testing.T) {
	again := []string{"Since", "Find", "Mark"}
	for lost, want := range []struct {
		asked []string
		full  string
	}{
		{asked: again},
		{asked: slices.Concat(again, again)},
		{asked: slices.Concat(again, again, []string{"Find", "Mark"}), full: "the connection was lost while the directory was read"},
	} {
		dir := newEarly(entry(1, "ann", ""))
		store := adsync.NewMemoryStore(user("u1", 1, "ann", ""))
		s := newSyncer(t, dir, store, nil)
		first, err := s.Sync(t.Context())
		require.NoError(t, err)
		dir.all()
		dir.lost = lost
		plan, err := s.Plan(t.Context(), adsync.Since(first.Mark()))
		require.NoError(t, err)
		assert.Equal(t, want.asked, dir.all())
		assert.Equal(t, want.full, plan.Reading.Full)
	}
}

// Nobody is looked for where the table has nobody.
func TestSince_LooksForNobodyWhereThereIsNobody(t *testing.T) {
	dir := newEarly(entry(1, "ann", ""))
	s := newSyncer(t, dir, adsync.NewMemoryStore(user("u1", 1, "ann", "")), nil)
	first, err := s.Sync(t.Context())
	require.NoError(t, err)
	dir.all()
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(), nil).Plan(t.Context(), adsync.Since(first.Mark()))
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
	assert.Equal(t, []string{"Since"}, dir.all())
}

// interrupted is a directory whose second reading loses the connection.
type interrupted struct {
	*logbook
	begun *int
}

func (d interrupted) Reading(context.Context) (adsync.Reading, error) {
	*d.begun++
	reading := *d.logbook
	reading.lost = *d.begun == 2
	return &reading, nil
}

// What is read after a connection was lost is a reading of its own, which leaves a mark.
func TestSince_LeavesAMarkWhenTheConnectionWasLost(t *testing.T) {
	dir := interrupted{&logbook{StaticDirectory: adsync.StaticDirectory{entry(1, "ann", "")}, controller: "one"}, new(int)}
	s := newSyncer(t, dir, adsync.NewMemoryStore(user("u1", 1, "ann", "")), nil)
	first, err := s.Sync(t.Context())
	require.NoError(t, err)
	second, err := s.Sync(t.Context(), adsync.Since(first.Mark()))
	require.NoError(t, err)
	assert.Equal(t, "the connection was lost while the directory was read", second.Plan.Reading.Full)
	require.NotNil(t, second.Mark())
	tracer := &traced{}
	third, err := newSyncer(t, dir, adsync.NewMemoryStore(user("u1", 1, "ann", "")), &adsync.Options{Tracer: tracer}).Plan(t.Context(), adsync.Since(second.Mark()))
	require.NoError(t, err)
	assert.Empty(t, third.Reading.Full)
	assert.Len(t, tracer.of(adsync.PhaseReconcile), 1, "what has changed is compared once")
}
