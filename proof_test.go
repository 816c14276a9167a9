package adsync_test

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// updateOf is the change that a forger writes.
func updateOf(before adsync.User, reason adsync.Reason, change func(*adsync.User)) adsync.Change {
	after := before
	change(&after)
	return adsync.NewUpdate(reason, &before, &after)
}

func deletionOf(u adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpDelete, Reason: adsync.ReasonDeleted, UserID: u.ID, ObjectID: u.ObjectID, Before: &u}
}

func creationOf(u adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpCreate, Reason: adsync.ReasonNew, ObjectID: u.ObjectID, After: &u}
}

func planFrom(changes ...adsync.Change) *adsync.Plan {
	return &adsync.Plan{Version: 1, Changes: changes}
}

// everyKind is the same directory and the same users in each way that a host may bring
// them: with all powers, and with none.
func everyKind(t *testing.T, dir adsync.StaticDirectory, users []adsync.User, opts *adsync.Options, do func(*testing.T, *adsync.Syncer, *adsync.MemoryStore)) {
	t.Helper()
	for name, dir := range map[string]adsync.Directory{
		"a directory": dir,
		"one of the host's own": scripted{
			func(yield func(adsync.Entry, error) bool) { dir.Entries(context.Background())(yield) },
			func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
				dir.Find(context.Background(), ids)(yield)
			},
		},
		"one of servers": controllers{func() (adsync.Directory, error) { return dir, nil }},
	} {
		for kind, bare := range map[string]bool{"a store with all powers": false, "one of the host's own": true} {
			t.Run(name+", "+kind, func(t *testing.T) {
				memory := adsync.NewMemoryStore(users...)
				store := adsync.UserStore(memory)
				if bare {
					store = creating{bareStore{memory}, memory}
				}
				do(t, newSyncer(t, dir, store, opts), memory)
			})
		}
	}
}

// creating is a store of three methods and one more.
type creating struct {
	bareStore
	adsync.Creator
}

// Whatever a plan says, nothing is written that the directory does not confirm.
func TestApply_BelievesTheDirectoryAndNotThePlan(t *testing.T) {
	owner, off, gone := user("1", 1, "owner", "owner@x"), user("2", 2, "off", "off@x"), user("3", 3, "gone", "gone@x")
	owner.Protected = true
	left, blocked := user("4", 4, "left", "left@x"), user("5", 5, "blocked", "blocked@x")
	left.Status, blocked.Status = adsync.StatusDeactivated, adsync.StatusBlocked
	local := adsync.User{ID: "6", Profile: profile("moved", "moved@x")}
	doubted := user("7", 7, "doubted", "doubted@x")
	doubted.Status = adsync.StatusDeactivated
	twice := user("8", 8, "twice", "twice@x")
	outside, tricked, lacking := user("9", 9, "outside", "outside@x"), user("10", 10, "tricked", "tricked@x"), user("11", 16, "lacking", "lacking@x")
	users := []adsync.User{owner, tricked, lacking, off, gone, left, blocked, local, doubted, twice, outside}
	dir := adsync.StaticDirectory{
		entry(1, "owner2", "owner@x"),
		{ObjectID: id(2), Profile: off.Profile, Disabled: true},
		{ObjectID: id(3), State: adsync.StateUnproven},
		{ObjectID: id(4), Profile: left.Profile, Disabled: true},
		entry(5, "blocked", "blocked@x"),
		{ObjectID: id(6), Profile: local.Profile, State: adsync.StateOutOfScope},
		{ObjectID: id(7), Profile: doubted.Profile, DisabledUnknown: true},
		entry(8, "twice", "one@x"), entry(8, "twice", "another@x"),
		{ObjectID: id(9), Profile: profile("outside", "moved@x"), State: adsync.StateOutOfScope},
		entry(10, "e\u202evil", "tricked@x"),
		entry(16, "lacking", ""),
		entry(11, "eva", "eva@x"),
		{ObjectID: id(12), Profile: profile("fay", "fay@x"), Disabled: true},
		{ObjectID: id(13), Profile: profile("gus", "gus@x"), DisabledUnknown: true},
		{ObjectID: id(14), Profile: profile("hal", "hal@x"), State: adsync.StateOutOfScope},
		entry(15, " ", "ivy@x"),
	}
	newcomer := func(n byte, name, email string) adsync.User {
		return adsync.User{ObjectID: id(n), Profile: profile(name, email)}
	}
	opts := &adsync.Options{
		Rules:  adsync.Rules{OnDisabled: adsync.Deactivate, OnDeleted: adsync.Remove, Require: []adsync.Field{adsync.FieldEmail}},
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1},
	}
	email := func(value string) func(*adsync.User) { return func(u *adsync.User) { u.Email = value } }
	status := func(value adsync.Status) func(*adsync.User) { return func(u *adsync.User) { u.Status = value } }
	for name, forged := range map[string]adsync.Change{
		"an email of the forger's":                updateOf(owner, adsync.ReasonChanged, email("forger@x")),
		"a phone besides":                         updateOf(owner, adsync.ReasonChanged, func(u *adsync.User) { u.Username, u.Phone = "owner2", "666" }),
		"half of what the directory says":         updateOf(user("1", 1, "owner", "old@x"), adsync.ReasonChanged, email("owner@x")),
		"details of an account unproven":          updateOf(gone, adsync.ReasonChanged, email("forger@x")),
		"details of an account out of scope":      updateOf(outside, adsync.ReasonChanged, email("moved@x")),
		"a name that deceives, though it is said": updateOf(tricked, adsync.ReasonChanged, func(u *adsync.User) { u.Username = "e\u202evil" }),
		"none of an email that is required":       updateOf(lacking, adsync.ReasonChanged, email("")),
		"no email, but a phone of the forger's":   updateOf(lacking, adsync.ReasonChanged, func(u *adsync.User) { u.Phone = "666" }),
		"details of an account listed twice":      updateOf(twice, adsync.ReasonChanged, email("one@x")),
		"a deletion of somebody present":          deletionOf(user("5", 5, "blocked", "blocked@x")),
		"a deletion of somebody unproven":         deletionOf(gone),
		"a deletion of somebody listed twice":     deletionOf(twice),
		"a deactivation of somebody enabled":      updateOf(twice, adsync.ReasonDisabled, status(adsync.StatusDeactivated)),
		"a deactivation and an email":             updateOf(off, adsync.ReasonDisabled, func(u *adsync.User) { u.Status, u.Email = adsync.StatusDeactivated, "forger@x" }),
		"a reactivation of somebody disabled":     updateOf(left, adsync.ReasonReactivated, status(adsync.StatusActive)),
		"a reactivation of somebody unknown":      updateOf(doubted, adsync.ReasonReactivated, status(adsync.StatusActive)),
		"an adoption of an account out of scope":  updateOf(local, adsync.ReasonAdopted, func(u *adsync.User) { u.ObjectID = id(6) }),
		"an adoption of somebody else's account":  updateOf(local, adsync.ReasonAdopted, func(u *adsync.User) { u.ObjectID = id(11) }),
		"a new user of other details":             creationOf(newcomer(11, "eva", "forger@x")),
		"a new user of a disabled account":        creationOf(newcomer(12, "fay", "fay@x")),
		"a new user of an account of doubt":       creationOf(newcomer(13, "gus", "gus@x")),
		"a new user of an account out of scope":   creationOf(newcomer(14, "hal", "hal@x")),
		"a new user of nobody":                    creationOf(newcomer(99, "nobody", "forger@x")),
		"a new user without the account's nobody": creationOf(newcomer(15, "ivy", "ivy@x")),
	} {
		t.Run(name, func(t *testing.T) {
			everyKind(t, dir, users, opts, func(t *testing.T, s *adsync.Syncer, store *adsync.MemoryStore) {
				plan := planFrom(forged)
				report, err := s.Apply(t.Context(), plan, approve(plan)) // an approval lifts limits and nothing else
				require.NoError(t, err)
				assert.Equal(t, []adsync.Outcome{adsync.OutcomeStale}, outcomes(report))
				require.ErrorIs(t, report.Err(), adsync.ErrStale)
				assert.Equal(t, users, allUsers(t, store))
			})
		})
	}
	for name, honest := range map[string]adsync.Change{
		"all that the directory says": updateOf(owner, adsync.ReasonChanged, func(u *adsync.User) { u.Username = "owner2" }),
		"the status alone":            updateOf(off, adsync.ReasonDisabled, status(adsync.StatusDeactivated)),
		"a new user":                  creationOf(newcomer(11, "eva", "eva@x")),
	} {
		t.Run(name, func(t *testing.T) {
			everyKind(t, dir, users, opts, func(t *testing.T, s *adsync.Syncer, _ *adsync.MemoryStore) {
				report, err := s.Apply(t.Context(), planFrom(honest))
				require.NoError(t, err)
				assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied}, outcomes(report))
			})
		})
	}
}

// A status is written for what the directory says now, even if the details were lost to
// another; and a rule that has become stronger still calls for a deactivation.
func TestApply_WritesAStatusAlone(t *testing.T) {
	u := user("1", 1, "ann", "ann@x")
	off := updateOf(u, adsync.ReasonDisabled, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	for name, e := range map[string]adsync.Entry{
		"and other details lost": {ObjectID: id(1), Profile: profile("bob", "bob@x"), Disabled: true},
		"and a tombstone since":  {ObjectID: id(1), State: adsync.StateDeleted},
	} {
		opts := &adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}}
		report, err := newSyncer(t, adsync.StaticDirectory{e}, adsync.NewMemoryStore(u), opts).Apply(t.Context(), planFrom(off))
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied}, outcomes(report), name)
	}
}

func TestApply_LeavesOthersThanOnlyAlone(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann2", "")}
	store := adsync.NewMemoryStore(user("1", 1, "ann", ""))
	plan, err := newSyncer(t, dir, store, nil).Plan(t.Context())
	require.NoError(t, err)
	s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Only: []string{"2"}}})
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeStale}, outcomes(report))
}

// numbering finds users by number, however it is spelled, as databases do whose column
// is one.
type numbering struct{ *adsync.MemoryStore }

func (s numbering) spelled(c adsync.Change) adsync.Change {
	n, err := strconv.Atoi(c.UserID)
	if err != nil {
		return c
	}
	c.UserID = strconv.Itoa(n)
	for _, u := range []**adsync.User{&c.Before, &c.After} {
		if *u != nil {
			own := **u
			own.ID = c.UserID
			*u = &own
		}
	}
	return c
}

func (s numbering) UpdateUser(ctx context.Context, c adsync.Change) error {
	return s.MemoryStore.UpdateUser(ctx, s.spelled(c))
}

func (s numbering) DeleteUser(ctx context.Context, c adsync.Change) error {
	return s.MemoryStore.DeleteUser(ctx, s.spelled(c))
}

func (s numbering) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	written := make([]adsync.Written, len(cs))
	for i, c := range cs {
		written[i] = s.MemoryStore.ApplyChanges(ctx, []adsync.Change{s.spelled(c)})[0]
	}
	return written
}

// A user ID that is not one of the store's, to the byte, is nobody's.
func TestApply_HandsNoOtherSpellingOfAnIDToTheStore(t *testing.T) {
	there := user("12", 1, "ann", "ann@x")
	spelled := there
	spelled.ID = "012"
	dir := adsync.StaticDirectory{entry(1, "ann", "ann@x")}
	for name, test := range map[string]struct {
		change adsync.Change
		want   adsync.Outcome
	}{
		"a deletion": {deletionOf(spelled), adsync.OutcomeAlready},
		"an update":  {updateOf(spelled, adsync.ReasonChanged, func(u *adsync.User) { u.Phone = "666" }), adsync.OutcomeStale},
		"a takeback": {updateOf(spelled, adsync.ReasonUndone, func(u *adsync.User) { u.Phone = "666" }), adsync.OutcomeStale},
	} {
		store := adsync.NewMemoryStore(there)
		for _, given := range []adsync.UserStore{numbering{store}, bareStore{numbering{store}}} {
			plan := planFrom(test.change)
			report, err := newSyncer(t, dir, given, nil).Apply(t.Context(), plan, approve(plan))
			require.NoError(t, err, name)
			assert.Equal(t, []adsync.Outcome{test.want}, outcomes(report), name)
			assert.Equal(t, []adsync.User{there}, allUsers(t, store), name)
		}
	}
}

// repeating yields some of its users twice.
type repeating struct {
	*adsync.MemoryStore
	twice func(adsync.User) bool
}

func (s repeating) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for _, again := range []bool{false, true} {
			for u, err := range s.MemoryStore.Users(ctx) {
				if (!again || s.twice(u)) && !yield(u, err) {
					return
				}
			}
		}
	}
}

// A store that yields a user twice would let through twice as many removals.
func TestApply_RefusesAStoreThatYieldsAUserTwice(t *testing.T) {
	dir, users := crowd(20)
	for i := range 4 {
		dir[i].State = adsync.StateDeleted
	}
	users = append(users, adsync.User{ID: "local", Profile: profile("local", "")})
	store := adsync.NewMemoryStore(users...)
	plan := mustReconcile(t, dir, users, adsync.Rules{})
	first := plan.Changes[0].UserID
	for _, twice := range []func(adsync.User) bool{
		func(adsync.User) bool { return true },
		func(u adsync.User) bool { return u.ID == first },
		func(u adsync.User) bool { return u.ID != first && u.ID != "local" },
	} {
		for _, changes := range [][]adsync.Change{plan.Changes, plan.Changes[:1]} {
			report, err := newSyncer(t, dir, repeating{store, twice}, nil).Apply(t.Context(), planFrom(changes...))
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.ErrorContains(t, err, "two users have the ID")
			assert.NotContains(t, outcomes(report), adsync.OutcomeApplied)
			assert.Equal(t, users, allUsers(t, store))
		}
	}
	local := repeating{store, func(u adsync.User) bool { return u.ID == "local" }}
	report, err := newSyncer(t, dir, local, nil).Apply(t.Context(), planFrom(plan.Changes[0]))
	require.NoError(t, err, "whom no sync changes may come twice")
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied}, outcomes(report))
}

// Two plans that differ in bytes which are not UTF-8 have one digest.
func TestApply_RefusesTextsThatAreNotUTF8(t *testing.T) {
	const bad = "M\xfcller"
	dir := adsync.StaticDirectory{entry(1, "ann2", "ann@x"), entry(2, "cat", "cat@x")}
	users := []adsync.User{user("1", 1, "ann", "ann@x"), user("2", 2, "bob", "bob@x"), {ID: "3", Profile: profile("cat", "")}}
	for name, spoil := range map[string]func(*adsync.Plan){
		"a warning":             func(p *adsync.Plan) { p.Warnings = []string{bad} },
		"a source":              func(p *adsync.Plan) { p.Source = bad },
		"a detail":              func(p *adsync.Plan) { p.Changes[0].Detail = bad },
		"a reason":              func(p *adsync.Plan) { p.Changes[0].Reason = bad },
		"an operation":          func(p *adsync.Plan) { p.Changes[1].Op = bad },
		"a user ID":             func(p *adsync.Plan) { p.Changes[1].UserID = bad },
		"a field":               func(p *adsync.Plan) { p.Changes[1].Fields = []adsync.Field{bad} },
		"what the user was":     func(p *adsync.Plan) { p.Changes[1].Before.LastName = bad },
		"what the user becomes": func(p *adsync.Plan) { p.Changes[0].After.LastName = bad },
		"a key":                 func(p *adsync.Plan) { p.Changes[1].Conflicts[0].Value = bad },
		"the key's field":       func(p *adsync.Plan) { p.Changes[1].Conflicts[0].Field = bad },
		"a rival":               func(p *adsync.Plan) { p.Changes[1].Conflicts[0].With[0] = bad },
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(users...)
			s := newSyncer(t, dir, store, nil)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			require.Len(t, plan.Changes, 2)
			digest := plan.Digest()
			spoil(plan)
			assert.NotEqual(t, digest, plan.Digest())
			_, err = s.Apply(t.Context(), plan)
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			if name != "a source" {
				require.ErrorContains(t, err, "UTF-8")
			}
			assert.Equal(t, users, allUsers(t, store))
		})
	}
}

// A user who would be parked for a change that is no longer called for stays as it is, and
// so does whoever wants the name.
func TestApply_ParksNobodyForAStaleChange(t *testing.T) {
	dir, users := swap()
	plan := mustReconcile(t, dir, users, adsync.Rules{})
	require.Equal(t, "1", plan.Changes[0].UserID)
	store := &batches{MemoryStore: adsync.NewMemoryStore(users...)}
	changed := adsync.StaticDirectory{entry(1, "z", ""), dir[1]}
	report, err := newSyncer(t, changed, store, rekeying).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"stale", "blocked", "stale"}, outcomes(report))
	assert.Empty(t, store.given)
	assert.Equal(t, users, allUsers(t, store))
}

// A final change that leaves the parked name, or that finds its user parked by another
// plan, brings nothing of the plan's own into the row.
func TestApply_FinishesOnlyWhatItParked(t *testing.T) {
	dir, users := swap()
	dir[0].Disabled = true
	opts := &adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}, Limits: rekeying.Limits}
	plan := mustReconcile(t, dir, users, opts.Rules)
	require.Equal(t, "1", plan.Changes[2].UserID)
	nameless := *plan.Changes[2].Before
	nameless.Status = adsync.StatusDeactivated
	plan.Changes[2] = adsync.NewUpdate(adsync.ReasonDisabled, plan.Changes[2].Before, &nameless)
	plan.Changes[2].Needs = []int{0, 1}
	store := adsync.NewMemoryStore(users...)
	report, err := newSyncer(t, dir, store, opts).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"stale", "blocked", "stale"}, outcomes(report))
	assert.Equal(t, users, allUsers(t, store))

	// The row is parked already, from what the forger did not know; its taker fails.
	dir, users = swap()
	plan = mustReconcile(t, dir, users, adsync.Rules{})
	users[0].Username = plan.Changes[0].After.Username
	forged := *plan.Changes[0].Before
	forged.Username = "forged"
	plan.Changes[0].Before = &forged
	failing := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "2" {
			return adsync.ErrConflict
		}
		return nil
	}}
	report, err = newSyncer(t, dir, failing, rekeying).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"already", "failed", "blocked"}, outcomes(report))
	require.ErrorContains(t, report.Err(), "temporary username")
	assert.Equal(t, users, allUsers(t, failing))
}

func TestApply_TakesNothingBackWithoutApproval(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann2", "")}
	store := adsync.NewMemoryStore(user("1", 1, "ann", ""))
	s := newSyncer(t, dir, store, nil)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	back, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	for _, approvals := range [][]adsync.Approval{nil, {approve(report.Plan)}} {
		_, err = s.Apply(t.Context(), back, approvals...)
		require.ErrorIs(t, err, adsync.ErrUnsafe)
		require.ErrorContains(t, err, "approve its digest")
		now, _ := store.Get("1")
		assert.Equal(t, "ann2", now.Username)
	}
	undone, err := s.Apply(t.Context(), back, approve(back))
	require.NoError(t, err)
	require.NoError(t, undone.Err())
}

// What takes a run back is not looked up, so it must remove nobody, whatever was approved.
func TestApply_UndoRemovesNobody(t *testing.T) {
	ann := user("1", 1, "ann", "")
	off := ann
	off.Status = adsync.StatusDeactivated
	for name, change := range map[string]adsync.Change{
		"a deletion":     {Op: adsync.OpDelete, Reason: adsync.ReasonUndone, UserID: "1", ObjectID: id(1), Before: &ann},
		"a deactivation": adsync.NewUpdate(adsync.ReasonUndone, &ann, &off),
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(ann)
			plan := &adsync.Plan{Version: 1, Changes: []adsync.Change{change}}
			_, err := newSyncer(t, adsync.StaticDirectory{entry(1, "ann", "")}, store, nil).Apply(t.Context(), plan, approve(plan))
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			now, there := store.Get("1")
			assert.True(t, there)
			assert.Equal(t, ann, now)
		})
	}
}

// What is written already needs neither the directory nor a write.
func TestApply_AsksNobodyAboutWhatIsWritten(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann2", ""), entry(2, "eva", ""), {ObjectID: id(3), State: adsync.StateDeleted}}
	store := &batches{MemoryStore: adsync.NewMemoryStore(user("1", 1, "ann", ""), user("3", 3, "cat", ""))}
	opts := &adsync.Options{Rules: adsync.Rules{Import: true}}
	s := newSyncer(t, dir, store, opts)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	first, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.NoError(t, first.Err())
	store.given = nil
	down := controllers{func() (adsync.Directory, error) { return nil, errDown }}
	again, err := newSyncer(t, down, store, opts).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"already", "already", "already"}, outcomes(again))
	assert.Equal(t, first.Results[2].UserID, again.Results[2].UserID, "the user that was created")
	assert.NotEmpty(t, again.Results[2].UserID)
	assert.Empty(t, store.given)
}

// hiringPlan creates users for the first n of bigPerson.
func hiringPlan(t *testing.T, n int) *adsync.Plan {
	var entries []adsync.Entry
	for i := range n {
		entries = append(entries, bigPerson(i))
	}
	return importAll(t, entries)
}

// A plan that writes many costs a listing, and only those whom it lacks are looked up.
func TestApply_ListsManyAndLooksUpFew(t *testing.T) {
	for _, test := range []struct{ users, listed, lookedUp int }{{5000, 0, 5000}, {5001, 1, 0}} {
		plan := hiringPlan(t, test.users)
		dir := &vast{people: test.users + 10} // of whom the plan is not about all
		report, err := newSyncer(t, dir, adsync.NewMemoryStore(), nil).Apply(t.Context(), plan)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		assert.Equal(t, test.listed, dir.listed)
		assert.Equal(t, test.lookedUp, dir.lookedUp)
	}
	plan := hiringPlan(t, 5002)
	dir := &vast{people: 5000}
	_, err := newSyncer(t, dir, adsync.NewMemoryStore(), nil).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, 2, dir.lookedUp, "whom the listing lacks")

	// A listing that breaks off confirms nothing, and one of nobody proves nothing.
	broken := scripted{entries: func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) }}
	_, err = newSyncer(t, broken, adsync.NewMemoryStore(), nil).Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errDown)
}

// confirmed is a vast directory that lists what it likes of some accounts, and says more of
// them when it is asked.
type confirmed struct {
	vast
	lists, finds, confirms []adsync.Entry
}

func (d *confirmed) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		for _, e := range d.lists {
			if !yield(e, nil) {
				return
			}
		}
		d.vast.Entries(ctx)(yield)
	}
}

func (d *confirmed) Find(_ context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.answer(d.finds, ids)
}

func (d *confirmed) Confirm(_ context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.answer(d.confirms, ids)
}

func (d *confirmed) answer(entries []adsync.Entry, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	d.lookedUp += len(ids)
	return adsync.StaticDirectory(entries).Find(context.Background(), ids)
}

// What a listing says of an account that is not there, and of one whose user is to be
// reactivated, is not enough: these are looked up, and nobody else is.
func TestApply_AListingIsNotEnoughForAll(t *testing.T) {
	gone, back := user("gone", 0, "gone", ""), user("back", 0, "back", "")
	gone.ObjectID, back.ObjectID = oid(1), oid(2) // which nobody of the plan has
	back.Status = adsync.StatusDeactivated
	plan := hiringPlan(t, 5001)
	plan.Changes = append(plan.Changes, deletionOf(gone), updateOf(back, adsync.ReasonReactivated, func(u *adsync.User) { u.Status = adsync.StatusActive }))
	present := func(u adsync.User) adsync.Entry { return adsync.Entry{ObjectID: u.ObjectID, Profile: u.Profile} }
	tombstone, perhaps := adsync.Entry{ObjectID: oid(1), State: adsync.StateDeleted}, present(back)
	perhaps.DisabledUnknown = true
	for name, test := range map[string]struct {
		finds, confirms adsync.Entry
		want            []adsync.Outcome
	}{
		"as listed":     {tombstone, present(back), []adsync.Outcome{"applied", "applied"}},
		"not as listed": {present(gone), perhaps, []adsync.Outcome{"stale", "stale"}},
		"out of scope":  {adsync.Entry{ObjectID: oid(1), State: adsync.StateOutOfScope}, adsync.Entry{ObjectID: oid(2), State: adsync.StateDisputed}, []adsync.Outcome{"stale", "stale"}},
		"not known":     {adsync.Entry{ObjectID: oid(1), State: adsync.StateUnproven}, adsync.Entry{ObjectID: oid(2), State: adsync.StateDeleted}, []adsync.Outcome{"stale", "stale"}},
	} {
		dir := &confirmed{vast: vast{people: 5001}, lists: []adsync.Entry{tombstone, present(back)}, finds: []adsync.Entry{test.finds}, confirms: []adsync.Entry{test.confirms}}
		tracer := &traced{}
		report, err := newSyncer(t, dir, adsync.NewMemoryStore(gone, back), &adsync.Options{Tracer: tracer}).Apply(t.Context(), plan)
		require.NoError(t, err)
		require.Len(t, tracer.of(adsync.PhaseList), 1, name)
		assert.Equal(t, 5003, tracer.of(adsync.PhaseList)[0].Count, name)
		assert.Equal(t, test.want, outcomes(report)[5001:], name)
		assert.Equal(t, 5001, report.Counts().Created, name)
		assert.Equal(t, []int{1, 2}, []int{dir.listed, dir.lookedUp}, name)
	}
}

// unconfirming is a directory that cannot confirm what it says.
type unconfirming struct{ adsync.StaticDirectory }

func (unconfirming) Confirm(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) }
}

// Nobody is reactivated on the word of one server where the others could not be asked.
func TestApply_ReactivatesNobodyUnconfirmed(t *testing.T) {
	off := user("1", 1, "ann", "")
	off.Status = adsync.StatusDeactivated
	store := adsync.NewMemoryStore(off)
	s := newSyncer(t, unconfirming{adsync.StaticDirectory{entry(1, "ann", "")}}, store, nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"1 update reactivated"}, inBrief(plan))
	_, applied := s.Apply(t.Context(), plan)
	_, synced := s.Sync(t.Context())
	for _, err := range []error{applied, synced} {
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		require.ErrorIs(t, err, errDown)
	}
	assert.Equal(t, []adsync.User{off}, allUsers(t, store))
}

// What Apply is told of an account must make sense, as what a plan is made of must.
func TestApply_RefusesAnUnknownState(t *testing.T) {
	store := adsync.NewMemoryStore(user("1", 1, "ann", ""))
	dir := adsync.StaticDirectory{{ObjectID: id(1), Profile: profile("ann", ""), State: "vanished"}}
	_, err := newSyncer(t, dir, store, nil).Apply(t.Context(), planFrom(deletionOf(user("1", 1, "ann", ""))))
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorContains(t, err, `"vanished"`)
}

// An account that is listed twice, with nothing but another DN or other values that nobody
// is given, is one, whichever comes first.
func TestApply_TakesTwoEntriesThatAgreeForOne(t *testing.T) {
	elsewhere := entry(1, "ann", "")
	elsewhere.DN = "CN=ann,OU=b"
	here := elsewhere
	here.DN = "CN=ann,OU=a"
	opts := &adsync.Options{Rules: adsync.Rules{Import: true, Map: func(e adsync.Entry) (adsync.Profile, error) {
		p := e.Profile
		p.LastName = e.DN
		return p, nil
	}}}
	several := func(email string) adsync.Entry {
		e := entry(1, "ann", "")
		e.Others = extra("email", "a@x", "email", email)
		return e
	}
	for name, test := range map[string]struct {
		dir  adsync.StaticDirectory
		opts *adsync.Options
	}{
		"another DN":   {adsync.StaticDirectory{elsewhere, here}, opts},
		"other values": {adsync.StaticDirectory{several("b@x"), several("c@x")}, &adsync.Options{Rules: adsync.Rules{Import: true}}},
	} {
		plan := mustReconcile(t, test.dir, nil, test.opts.Rules)
		require.Len(t, plan.Changes, 1, name)
		all := scripted{find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			test.dir.Entries(context.Background())(yield)
		}}
		for range 2 {
			for _, dir := range []adsync.Directory{test.dir, all} {
				report, err := newSyncer(t, dir, adsync.NewMemoryStore(), test.opts).Apply(t.Context(), plan)
				require.NoError(t, err, name)
				assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied}, outcomes(report), name)
			}
			slices.Reverse(test.dir)
		}
	}
}

// second is a directory that gives another answer from its second reading on.
type second struct {
	first, then adsync.StaticDirectory
	asked       *[][]adsync.ObjectID
}

func (d second) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return d.first.Entries(ctx)
}

func (d second) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	*d.asked = append(*d.asked, ids)
	if len(*d.asked) == 1 {
		return d.first.Find(ctx, ids)
	}
	return d.then.Find(ctx, ids)
}

// Between the two readings of one run somebody may be restored, or disabled. Only what
// removes or reactivates is worth a second look.
func TestSync_LooksAgainAtRemovalsAndReactivations(t *testing.T) {
	deleted, disabled, back, changed := user("1", 1, "ann", ""), user("2", 2, "bob", ""), user("3", 3, "cat", ""), user("4", 4, "dan", "")
	back.Status = adsync.StatusDeactivated
	users := []adsync.User{deleted, disabled, back, changed}
	first := adsync.StaticDirectory{
		{ObjectID: id(1), State: adsync.StateDeleted}, {ObjectID: id(2), Profile: disabled.Profile, Disabled: true},
		entry(3, "cat", ""), entry(4, "dan2", ""),
	}
	opts := &adsync.Options{
		Rules:  adsync.Rules{OnDisabled: adsync.Deactivate},
		Limits: adsync.Limits{MaxRemovalRatio: -1},
	}
	ids := []adsync.ObjectID{id(1), id(2), id(3)}
	twice := append(adsync.StaticDirectory{{ObjectID: id(1), Profile: profile("ann", "")}, {ObjectID: id(2), Profile: profile("x", "")}, {ObjectID: id(3), Profile: profile("x", "")}}, first...)
	for name, test := range map[string]struct {
		then adsync.StaticDirectory
		want []adsync.Outcome
	}{
		"as before": {first, []adsync.Outcome{"applied", "applied", "applied", "applied"}},
		"all changed": {adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", ""), {ObjectID: id(3), Profile: back.Profile, Disabled: true}},
			[]adsync.Outcome{"stale", "stale", "stale", "applied"}},
		"ambiguous": {twice, []adsync.Outcome{"stale", "stale", "stale", "applied"}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked [][]adsync.ObjectID
			store := adsync.NewMemoryStore(users...)
			report, err := newSyncer(t, second{first, test.then, &asked}, store, opts).Sync(t.Context())
			require.NoError(t, err)
			got := map[string]adsync.Outcome{}
			for i, c := range report.Plan.Changes {
				got[c.UserID] = report.Results[i].Outcome
			}
			for i, u := range users {
				assert.Equal(t, test.want[i], got[u.ID], u.Username)
			}
			require.Len(t, asked, 2)
			assert.Equal(t, ids, asked[1], "and nobody else")
		})
	}
	t.Run("the second look fails", func(t *testing.T) {
		store := adsync.NewMemoryStore(users...)
		calls := 0
		dir := scripted{find: func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			if calls++; calls > 1 {
				yield(adsync.Entry{}, errDown)
				return
			}
			first.Find(context.Background(), ids)(yield)
		}}
		report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		assert.NotContains(t, outcomes(report), adsync.OutcomeApplied)
		assert.Equal(t, users, allUsers(t, store))
		assert.Contains(t, report.Summary()[0], "not carried out")
	})
	t.Run("there is nothing to look at again", func(t *testing.T) {
		var asked [][]adsync.ObjectID
		_, err := newSyncer(t, second{first[3:], nil, &asked}, adsync.NewMemoryStore(changed), nil).Sync(t.Context())
		require.NoError(t, err)
		assert.Len(t, asked, 1)
	})
}
