package adsync_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// bigWorld is n users and their n entries, of whom one in a hundred has changed.
func bigWorld(n int) ([]adsync.Entry, []adsync.User) {
	entries, users := make([]adsync.Entry, n), make([]adsync.User, n)
	for i := range n {
		entries[i] = bigPerson(i)
		users[i] = adsync.User{ID: fmt.Sprint(i), ObjectID: entries[i].ObjectID, Profile: entries[i].Profile}
		if i%100 == 0 {
			entries[i].Phone += "9"
			entries[i].Username += "x"
		}
	}
	return entries, users
}

// bigPerson is the person number i, as the host has it.
func bigPerson(i int) adsync.Entry {
	var id adsync.ObjectID
	binary.BigEndian.PutUint64(id[:], uint64(i)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
	return adsync.Entry{ObjectID: id, Profile: adsync.Profile{
		Username:  fmt.Sprintf("user%07d", i),
		FirstName: fmt.Sprintf("First%d", i%5000),
		LastName:  fmt.Sprintf("Last%d", i%30000),
		Email:     fmt.Sprintf("user%07d@corp.example", i),
		Phone:     fmt.Sprintf("+1 555 %07d", i),
	}}
}

// anyOrder shuffles the entries and gives them texts of their own, which lie in
// memory in the order in which the entries come.
func anyOrder(entries []adsync.Entry) {
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(entries), func(i, k int) { entries[i], entries[k] = entries[k], entries[i] })
	for i := range entries {
		p := &entries[i].Profile
		for _, text := range []*string{&p.Username, &p.FirstName, &p.LastName, &p.Email, &p.Phone} {
			*text = strings.Clone(*text)
		}
	}
}

// The entries come in the order of the users, and share their texts with them.
func BenchmarkReconcile(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000, 3_000_000} {
		b.Run(fmt.Sprintf("%d users, 1%% changed", n), func(b *testing.B) {
			skipLarge(b, n)
			entries, users := bigWorld(n)
			benchmarkReconcile(b, entries, users)
		})
	}
}

func BenchmarkReconcileAnyOrder(b *testing.B) {
	for _, n := range []int{1_000_000, 3_000_000} {
		b.Run(fmt.Sprintf("%d users, 1%% changed", n), func(b *testing.B) {
			skipLarge(b, n)
			entries, users := bigWorld(n)
			anyOrder(entries)
			benchmarkReconcile(b, entries, users)
		})
	}
}

// skipLarge skips what takes gigabytes unless it is asked for.
func skipLarge(b *testing.B, n int) {
	if n > 1_000_000 && os.Getenv("ADSYNC_LARGE") == "" {
		b.Skip("set ADSYNC_LARGE=1 to run it")
	}
}

func benchmarkReconcile(b *testing.B, entries []adsync.Entry, users []adsync.User) {
	perUser(b, len(users), func() (*adsync.Plan, error) { return adsync.Reconcile(entries, users, adsync.Rules{}) })
}

// The same as a Syncer does it: the users streamed into the arena, the entries
// streamed past them.
func BenchmarkPlan(b *testing.B) {
	const n = 1_000_000
	for _, order := range []string{"same order", "any order"} {
		b.Run(fmt.Sprintf("%d users, 1%% changed, %s", n, order), func(b *testing.B) {
			entries, users := bigWorld(n)
			if order == "any order" {
				anyOrder(entries)
			}
			dir := adsync.Listing(func(context.Context) iter.Seq2[adsync.Entry, error] { return stream(entries) })
			s, err := adsync.New(dir, tableOf(users), nil)
			if err != nil {
				b.Fatal(err)
			}
			perUser(b, n, func() (*adsync.Plan, error) { return s.Plan(context.Background()) })
		})
	}
}

// What a plan by mark costs, where the directory says at once what has changed: beyond
// the table alone, that is what is done with rows that nobody asks about.
func BenchmarkSince(b *testing.B) {
	const n = 1_000_000
	s, dir, mark := sinceWorld(b, n)
	users := usersOf(n)
	nobody := newSyncer(b, dir, tableOf(users), &adsync.Options{Rules: adsync.Rules{Only: []string{}}})
	b.Run("table alone", func(b *testing.B) {
		perChange(b, n, 0, func() (*adsync.Plan, error) { return nobody.Plan(context.Background()) })
	})
	since := func() (*adsync.Plan, error) { return s.Plan(context.Background(), adsync.Since(mark)) }
	b.Run("nothing changed", func(b *testing.B) { perChange(b, n, 0, since) })
	for i := 0; i < n; i += 100 {
		dir.changed = append(dir.changed, users[i].ObjectID)
	}
	b.Run("1% looked up", func(b *testing.B) { perChange(b, n, 0, since) })
}

// sinceWorld is a Syncer of n users, its directory, and the mark of its first plan. It
// lists nobody after that.
func sinceWorld(t testing.TB, n int) (*adsync.Syncer, *vastChanges, *adsync.Mark) {
	dir := &vastChanges{vast: vast{people: n}}
	s := newSyncer(t, dir, tableOf(usersOf(n)), nil)
	first, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NotNil(t, first.Mark())
	dir.people = 0
	return s, dir, first.Mark()
}

// vastChanges is a vast directory that tells what has changed.
type vastChanges struct {
	vast
	changed []adsync.ObjectID
}

func (d *vastChanges) Reading(context.Context) (adsync.Reading, error) { return d, nil }

func (d *vastChanges) Since(context.Context, adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
	return d.changed, "", nil
}

func (d *vastChanges) Mark(context.Context) (adsync.DirectoryMark, error) {
	return adsync.DirectoryMark{Controller: "one"}, nil
}

// A first import: nobody is there yet, and the plan creates everybody.
func BenchmarkReconcileImport(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("%d entries", n), func(b *testing.B) {
			entries, _ := bigWorld(n)
			anyOrder(entries)
			perChange(b, n, n, func() (*adsync.Plan, error) {
				return adsync.Reconcile(entries, nil, adsync.Rules{Import: true})
			})
		})
	}
}

// What a plan costs on its way through JSON, to a digest, and onto a screen.
func BenchmarkPlanJSON(b *testing.B) {
	const n = 10_000
	for _, kind := range []string{"updates", "new users"} {
		plan := updatePlan(b, n)
		if kind == "new users" {
			plan = importPlan(b, n)
		}
		text := marshal(b, plan)
		for _, way := range []struct {
			name string
			do   func()
		}{
			{"to JSON", func() { marshal(b, plan) }},
			{"from JSON", func() { unmarshal(b, text) }},
			{"Digest", func() { plan.Digest() }},
			{"WriteTo", func() {
				if _, err := plan.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}},
		} {
			b.Run(kind+", "+way.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					way.do()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/change")
			})
		}
	}
}

// Writing into memory: by itself, and as Apply does it, which trusts no plan.
func BenchmarkApply(b *testing.B) {
	const n = 10_000
	users, updates, creates := usersOf(n), updatePlan(b, n), importPlan(b, n)
	updated, created := said(updates), said(creates)
	for _, way := range []struct {
		name  string
		users []adsync.User
		do    func(*adsync.MemoryStore)
	}{
		{"updates, MemoryStore", users, func(store *adsync.MemoryStore) { write(b, store, updates) }},
		{"updates, Apply", users, func(store *adsync.MemoryStore) { applyTo(b, updated, store, updates) }},
		{"new users, MemoryStore", nil, func(store *adsync.MemoryStore) { write(b, store, creates) }},
		{"new users, Apply", nil, func(store *adsync.MemoryStore) { applyTo(b, created, store, creates) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				store := adsync.NewMemoryStore(way.users...)
				b.StartTimer()
				way.do(store)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/change")
		})
	}
}

// Linking users who were imported before there was a link.
func BenchmarkAdopt(b *testing.B) {
	const n = 10_000
	entries, users := bigWorld(n)
	for i := range users {
		entries[i].Profile = users[i].Profile
		users[i].ObjectID = adsync.ObjectID{}
	}
	perChange(b, n, n, func() (*adsync.Plan, error) { return adsync.Adopt(entries, users, adsync.Rules{}) })
}

// tableOf is a store that is only read.
type tableOf []adsync.User

func (t tableOf) Users(context.Context) iter.Seq2[adsync.User, error] { return stream(t) }

func (tableOf) UpdateUser(context.Context, adsync.Change) error { return errors.ErrUnsupported }
func (tableOf) DeleteUser(context.Context, adsync.Change) error { return errors.ErrUnsupported }

func stream[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for i := range list {
			if !yield(list[i], nil) {
				return
			}
		}
	}
}

// perUser reports what a plan for n users costs each of them, where one in a
// hundred changes.
func perUser(b *testing.B, n int, plan func() (*adsync.Plan, error)) { perChange(b, n, n/100, plan) }

func perChange(b *testing.B, n, changes int, plan func() (*adsync.Plan, error)) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ReportAllocs()
	for b.Loop() {
		p, err := plan()
		if err != nil {
			b.Fatal(err)
		}
		if len(p.Changes) != changes {
			b.Fatal(len(p.Changes), "changes")
		}
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/user")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/float64(n), "B/user")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(n), "allocs/user")
}

// An unchanged user costs no allocation: ten times as many cost no more, but for
// the few times that a table is made larger.
func TestReconcile_UnchangedUsersCostNoAllocation(t *testing.T) {
	allocations := func(n int) float64 {
		entries, users := bigWorld(n)
		for i := range entries {
			users[i].Profile = entries[i].Profile
		}
		return testing.AllocsPerRun(2, func() {
			if plan, err := adsync.Reconcile(entries, users, adsync.Rules{}); err != nil || len(plan.Changes) > 0 {
				t.Error(len(plan.Changes), err)
			}
		})
	}
	few, many := allocations(1000), allocations(10_000)
	if many > few+100 {
		t.Errorf("1,000 unchanged users cost %v allocations, and 10,000 cost %v", few, many)
	}
}

// Nor does one of a plan by mark, whose rows are digested while they are read.
func TestSince_UnchangedUsersCostNoAllocation(t *testing.T) {
	allocations := func(n int) float64 {
		s, dir, mark := sinceWorld(t, n)
		dir.listed, dir.lookedUp = 0, 0
		defer func() { require.Zero(t, dir.listed+dir.lookedUp) }()
		return testing.AllocsPerRun(2, func() {
			plan, err := s.Plan(t.Context(), adsync.Since(mark))
			require.NoError(t, err)
			require.Empty(t, plan.Reading.Full)
			require.Empty(t, plan.Changes)
		})
	}
	few, many := allocations(10_000), allocations(40_000)
	assert.LessOrEqual(t, many, few+200, "10,000 unchanged users cost %v allocations, and 40,000 cost %v", few, many)
}
