package adsync_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"iter"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// The figures that these tests hold were recorded with go1.26. They are counted,
// not timed, so they are the same on every machine, and with and without -race:
// what the detector adds, and the pools that it upsets, are not used for each user.
// One more allocation for each user is red, and so are four more bytes;
// the margin is for tables that double and for seeds that are drawn again. A change
// that needs less may write its own figure down.
const (
	moreAllocations = 0.1 // a user
	moreBytes       = 3   // a user
)

// spent is what was allocated, in number and in bytes, whether or not it was
// given back.
type spent struct{ objects, bytes float64 }

// spentBy runs something twice and returns the lesser, because a goroutine that an
// earlier test left behind may have allocated something in the meantime.
func spentBy(run func()) spent {
	var least spent
	for try := range 2 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		s := spent{float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)}
		if try == 0 {
			least = s
		}
		least = spent{min(least.objects, s.objects), min(least.bytes, s.bytes)}
	}
	return least
}

// allocationsOfEach is what each further one of n costs; what is the same for any
// number of them is left out.
func allocationsOfEach(costs func(n int) spent) float64 {
	const few, many = 500, 2500
	return (costs(many).objects - costs(few).objects) / (many - few)
}

func TestAllocations_OfEachChange(t *testing.T) {
	for _, piece := range []struct {
		name   string
		figure float64
		costs  func(n int) spent
	}{
		// The texts in one piece; the folded username, to see that there is one; and as
		// keys the folded username and email. Users and changes lie in slices of many.
		{"import plan", 4, func(n int) spent {
			entries, _ := bigWorld(n)
			return spentBy(func() { importAll(t, entries) })
		}},
		// Two for each ObjectID, of which a new user and its change have one each, and
		// one for the question whether that of the change is zero. An update has the
		// user before, too.
		{"JSON of a new user", 5, func(n int) spent {
			plan := importPlan(t, n)
			return spentBy(func() { marshal(t, plan) })
		}},
		{"digest of a new user", 5, func(n int) spent {
			plan := importPlan(t, n)
			return spentBy(func() { plan.Digest() })
		}},
		{"JSON of an update", 7, func(n int) spent {
			plan := updatePlan(t, n)
			return spentBy(func() { marshal(t, plan) })
		}},
		// The user, and one for each text: five of its own, two ObjectIDs, and of the change
		// what is done and why.
		{"new user from JSON", 10, func(n int) spent {
			text := marshal(t, importPlan(t, n))
			return spentBy(func() { unmarshal(t, text) })
		}},
		// The row, which is too large to lie in the map itself, and the list of those
		// with its link; for a new one its ID.
		{"update of a MemoryStore", 2, func(n int) spent {
			users, plan := usersOf(n), updatePlan(t, n)
			stores := []*adsync.MemoryStore{adsync.NewMemoryStore(users...), adsync.NewMemoryStore(users...)}
			return spentBy(func() {
				write(t, stores[0], plan)
				stores = stores[1:]
			})
		}},
		{"new user into a MemoryStore", 3, func(n int) spent {
			plan := importPlan(t, n)
			return spentBy(func() { write(t, adsync.NewMemoryStore(), plan) })
		}},
		// The store's three; the folded username, to see that there is one, of the plan and
		// of what the directory says now; what is linked to the account; and two to count the
		// distinct users. The rest is what a batch takes.
		{"Apply of a new user", 8.2, func(n int) spent {
			plan := importPlan(t, n)
			dir := said(plan)
			return spentBy(func() { applyTo(t, dir, adsync.NewMemoryStore(), plan) })
		}},
	} {
		t.Run(piece.name, func(t *testing.T) {
			each := allocationsOfEach(piece.costs)
			t.Logf("%.3f allocations; %v were recorded", each, piece.figure)
			assert.LessOrEqual(t, each, piece.figure+moreAllocations)
		})
	}
}

// usersOf are the first n of bigWorld.
func usersOf(n int) []adsync.User {
	_, users := bigWorld(n)
	return users
}

func importAll(t testing.TB, entries []adsync.Entry) *adsync.Plan {
	plan, err := adsync.Reconcile(entries, nil, adsync.Rules{Import: true})
	require.NoError(t, err)
	require.Len(t, plan.Changes, len(entries))
	return plan
}

func importPlan(t testing.TB, n int) *adsync.Plan {
	entries, _ := bigWorld(n)
	return importAll(t, entries)
}

// updatePlan changes all of n users.
func updatePlan(t testing.TB, n int) *adsync.Plan {
	entries, users := bigWorld(n)
	for i := range entries {
		entries[i].Phone = users[i].Phone + "9"
		entries[i].Username = users[i].Username + "x"
	}
	plan, err := adsync.Reconcile(entries, users, adsync.Rules{})
	require.NoError(t, err)
	require.Len(t, plan.Changes, n)
	return plan
}

func marshal(t testing.TB, plan *adsync.Plan) []byte {
	text, err := json.Marshal(plan)
	require.NoError(t, err)
	return text
}

func unmarshal(t testing.TB, text []byte) *adsync.Plan {
	plan := new(adsync.Plan)
	require.NoError(t, json.Unmarshal(text, plan))
	return plan
}

func write(t testing.TB, store *adsync.MemoryStore, plan *adsync.Plan) {
	for _, w := range store.ApplyChanges(context.Background(), plan.Changes) {
		if w.Err != nil {
			t.Fatal(w.Err)
		}
	}
}

// said is a directory that confirms the plan.
func said(plan *adsync.Plan) scripted {
	entries := make(map[adsync.ObjectID]adsync.Entry, len(plan.Changes))
	for _, c := range plan.Changes {
		entries[c.ObjectID] = adsync.Entry{ObjectID: c.ObjectID, Profile: c.After.Profile}
	}
	return scripted{
		entries: func(yield func(adsync.Entry, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		},
		find: func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			for _, id := range ids {
				if !yield(entries[id], nil) {
					return
				}
			}
		},
	}
}

func applyTo(t testing.TB, dir adsync.Directory, store *adsync.MemoryStore, plan *adsync.Plan) {
	s, err := adsync.New(dir, store, nil)
	require.NoError(t, err)
	report, err := s.Apply(context.Background(), plan)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

// What a plan allocates beyond its arguments, for a hundred thousand users on both
// sides, of whom one in a hundred changes. Tables are powers of two, so a user of a
// million takes less.
func TestAllocations_BytesOfEachUser(t *testing.T) {
	const n = 100_000
	entries, users := bigWorld(n)
	dir := adsync.Listing(func(context.Context) iter.Seq2[adsync.Entry, error] { return stream(entries) })
	syncer := newSyncer(t, dir, tableOf(users), nil)
	for _, way := range []struct {
		name   string
		figure float64
		plan   func() (*adsync.Plan, error)
	}{
		// Twelve for three hashes, ten for the table of ObjectIDs, five for the bitmaps of
		// the keys, five for what is found and the kind of the row, ten for the changed
		// entries, whose room is a megabyte; the rest for the changes.
		{"Reconcile", 71, func() (*adsync.Plan, error) {
			return adsync.Reconcile(entries, users, adsync.Rules{})
		}},
		// The same, and the users themselves, with eight bytes for the place of each, one
		// that says which further texts there are, and three for the batches that are read
		// while another one is indexed.
		{"Syncer.Plan", 197, func() (*adsync.Plan, error) { return syncer.Plan(context.Background()) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			each := spentBy(func() {
				plan, err := way.plan()
				require.NoError(t, err)
				require.Len(t, plan.Changes, n/100)
			}).bytes / n
			t.Logf("%.1f bytes; %v were recorded", each, way.figure)
			assert.LessOrEqual(t, each, way.figure+moreBytes)
		})
	}
}

// vast is a directory of so many people of bigWorld, who are made up when they are
// asked for, so that it takes no memory itself.
type vast struct {
	people           int
	listed, lookedUp int // how often it was listed, and for how many people it was asked
}

func (d *vast) Entries(context.Context) iter.Seq2[adsync.Entry, error] {
	d.listed++
	return func(yield func(adsync.Entry, error) bool) {
		for i := range d.people {
			if !yield(bigPerson(i), nil) {
				return
			}
		}
	}
}

func (d *vast) Find(_ context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	d.lookedUp += len(ids)
	return func(yield func(adsync.Entry, error) bool) {
		for _, id := range ids {
			if !yield(bigPerson(int(binary.BigEndian.Uint64(id[8:]))-1), nil) {
				return
			}
		}
	}
}

// The directory is listed only for more users than that: the cost of a listing follows
// the size of the directory, and a host that has imported few of many should not pay it.
// docs/PERFORMANCE.md says why it is this number.
func TestPlan_LooksUpFewAndListsMany(t *testing.T) {
	for _, test := range []struct{ users, chosen, listed, lookedUp int }{
		{11, 0, 0, 11},
		{5000, 0, 0, 5000},
		{5001, 0, 1, 0},
		{6000, 5500, 0, 5500}, // whoever is chosen by ID is looked up
	} {
		users := usersOf(test.users)
		dir := &vast{people: test.users}
		report, err := newSyncer(t, dir, tableOf(users), nil).Sync(t.Context(), chosen(users, test.chosen)...)
		require.NoError(t, err)
		assert.Empty(t, report.Plan.Changes)
		assert.Equal(t, test.listed, dir.listed, "%+v", test)
		assert.Equal(t, test.lookedUp, dir.lookedUp, "%+v", test)
	}
}

// chosen is a selection of the first n users; none of nobody.
func chosen(users []adsync.User, n int) []adsync.Selection {
	if n == 0 {
		return nil
	}
	var ids []string
	for _, u := range users[:n] {
		ids = append(ids, u.ID)
	}
	return []adsync.Selection{adsync.OnlyUsers(ids...)}
}

// A sync of 1,000 users allocates the same whether the directory has 5,000 people
// or a million.
func TestPlan_TakesMemoryForTheUsersAndNotForTheDirectory(t *testing.T) {
	const n = 1000
	users := usersOf(5 * n)
	var newcomers []adsync.ObjectID
	for _, u := range users[n : 2*n] {
		newcomers = append(newcomers, u.ObjectID)
	}
	for _, test := range []struct {
		name      string
		users     []adsync.User
		selection []adsync.Selection
	}{
		{"all whom the host has", users[:n], nil},
		{"chosen among more", users, chosen(users, n)},
		{"picked to be imported", users[:n], []adsync.Selection{adsync.ImportEntries(newcomers...)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			costs := func(people int) float64 {
				dir := &vast{people: people}
				s := newSyncer(t, dir, adsync.NewMemoryStore(test.users...), nil)
				cost := spentBy(func() {
					dir.listed, dir.lookedUp = 0, 0
					_, err := s.Plan(context.Background(), test.selection...)
					require.NoError(t, err)
				})
				assert.Zero(t, dir.listed)
				assert.Equal(t, n, dir.lookedUp)
				return cost.bytes
			}
			assert.InEpsilon(t, costs(5*n), costs(1000*n), 0.01)
		})
	}
}
