package adsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSyncer(t *testing.T, dir adsync.Directory, store adsync.UserStore, opts *adsync.Options) *adsync.Syncer {
	t.Helper()
	s, err := adsync.New(dir, store, opts)
	require.NoError(t, err)
	return s
}

// crowd is n managed users whose entries are as they are.
func crowd(n int) (adsync.StaticDirectory, []adsync.User) {
	var dir adsync.StaticDirectory
	var users []adsync.User
	for i := range n {
		name := fmt.Sprintf("user%03d", i)
		e := entry(byte(i+1), name, name+"@x")
		dir = append(dir, e)
		users = append(users, adsync.User{ID: fmt.Sprintf("%03d", i), ObjectID: e.ObjectID, Profile: e.Profile})
	}
	return dir, users
}

func allUsers(t *testing.T, store adsync.UserStore) []adsync.User {
	t.Helper()
	var users []adsync.User
	for u, err := range store.Users(context.Background()) {
		require.NoError(t, err)
		users = append(users, u)
	}
	return users
}

// rekeying lets a small crowd trade names.
var rekeying = &adsync.Options{Limits: adsync.Limits{MaxRekeyed: -1}}

// approve is the approval of a person who has reviewed the plan.
func approve(p *adsync.Plan) adsync.Approval {
	return adsync.Approval{Digest: p.Digest(), At: time.Now()}
}

func outcomes(r *adsync.Report) []adsync.Outcome {
	var list []adsync.Outcome
	for _, result := range r.Results {
		list = append(list, result.Outcome)
	}
	return list
}

// bareStore has no optional power.
type bareStore struct{ adsync.UserStore }

// hooked lets a test step into each single write.
type hooked struct {
	*adsync.MemoryStore
	before func(c adsync.Change) error
}

func (s hooked) UpdateUser(ctx context.Context, c adsync.Change) error {
	if err := s.before(c); err != nil {
		return err
	}
	return s.MemoryStore.UpdateUser(ctx, c)
}

func (s hooked) DeleteUser(ctx context.Context, c adsync.Change) error {
	if err := s.before(c); err != nil {
		return err
	}
	return s.MemoryStore.DeleteUser(ctx, c)
}

func (s hooked) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	written := make([]adsync.Written, len(cs))
	for i, c := range cs {
		switch c.Op {
		case adsync.OpUpdate:
			written[i].Err = s.UpdateUser(ctx, c)
		case adsync.OpDelete:
			written[i].Err = s.DeleteUser(ctx, c)
		default:
			written[i].UserID, written[i].Err = s.CreateUser(ctx, c)
		}
	}
	return written
}

func TestNew_Refuses(t *testing.T) {
	store, dir := adsync.NewMemoryStore(), adsync.StaticDirectory{}
	bare := bareStore{store}
	for name, test := range map[string]struct {
		dir   adsync.Directory
		store adsync.UserStore
		opts  adsync.Options
	}{
		"no directory":         {nil, store, adsync.Options{}},
		"no store":             {dir, nil, adsync.Options{}},
		"bad rules":            {dir, store, adsync.Options{Rules: adsync.Rules{OnDeleted: "explode"}}},
		"import without power": {dir, bare, adsync.Options{Rules: adsync.Rules{Import: true}}},
		"a field not held":     {dir, fewFields{bare}, adsync.Options{Rules: adsync.Rules{Fields: []adsync.Field{adsync.FieldPhone}}}},
		"a status not held":    {dir, fewFields{bare}, adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}}},
		"a negative limit":     {dir, store, adsync.Options{Limits: adsync.Limits{MaxRemovals: -2}}},
		"a ratio above one":    {dir, store, adsync.Options{Limits: adsync.Limits{MaxRemovalRatio: 1.5}}},
		"a negative batch":     {dir, store, adsync.Options{BatchSize: -1}},
		"a negative age":       {dir, store, adsync.Options{MaxApprovalAge: -2}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := adsync.New(test.dir, test.store, &test.opts)
			require.Error(t, err)
			assert.Nil(t, s, "a Syncer that is refused must not be usable")
		})
	}
}

// twoValued is a store that only tells who is active.
type twoValued struct{ *adsync.MemoryStore }

func (twoValued) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldEmail, adsync.FieldActive}}
}

// Whoever is not active there may have been blocked by the host. No sync makes them
// active again, and only an undo lifts what a sync has done.
func TestInactive_IsNeverLiftedByASync(t *testing.T) {
	off := user("2", 2, "bob", "")
	off.Status = adsync.StatusInactive
	store := twoValued{adsync.NewMemoryStore(user("1", 1, "ann", ""), off)}
	dir := adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "rob", "")}
	dir[0].Disabled = true
	opts := &adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}, Limits: adsync.Limits{MaxRemovals: 1, MaxRemovalRatio: -1}}
	s := newSyncer(t, dir, store, opts)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, 1, report.Counts().Deactivated)
	ann, _ := store.Get("1")
	assert.Equal(t, adsync.StatusInactive, ann.Status)
	bob, _ := store.Get("2")
	assert.Equal(t, adsync.StatusInactive, bob.Status)
	assert.Equal(t, "rob", bob.Username, "details still follow")

	enabled := newSyncer(t, adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "rob", "")}, store, opts)
	plan, err := enabled.Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
	plan.Changes = append(plan.Changes, adsync.NewUpdate(adsync.ReasonReactivated, &ann, &adsync.User{ID: "1", ObjectID: ann.ObjectID, Profile: ann.Profile, Status: adsync.StatusActive}))
	_, err = enabled.Apply(t.Context(), plan)
	require.ErrorContains(t, err, "the status is not a sync's to change")

	undo, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Len(t, undo.Changes, 2)
	_, err = s.Apply(t.Context(), undo, approve(undo))
	require.NoError(t, err)
	ann, _ = store.Get("1")
	assert.Empty(t, ann.Status)
}

func TestLimits_CountInactiveAsARemoval(t *testing.T) {
	store := twoValued{adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 2, "bob", ""))}
	dir := adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", "")}
	dir[0].Disabled, dir[1].Disabled = true, true
	opts := &adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}, Limits: adsync.Limits{MaxRemovals: 1}}
	_, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	var limit *adsync.LimitError
	require.ErrorAs(t, err, &limit)
}

type fewFields struct{ adsync.UserStore }

func (fewFields) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername}}
}

func TestFields_DefaultToWhatTheStoreHolds(t *testing.T) {
	store := adsync.NewMemoryStore(user("1", 1, "old", "kept@x"))
	s := newSyncer(t, adsync.StaticDirectory{entry(1, "new", "other@x")}, fewFields{store}, nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, []adsync.Field{adsync.FieldUsername}, plan.Changes[0].Fields)
}

// The mission in one test: five details, a deletion, duplicates, and a second run
// that has nothing to do.
func TestSync(t *testing.T) {
	store := adsync.NewMemoryStore(
		user("1", 1, "anna", "anna@x"), user("2", 2, "ben", "ben@x"), user("3", 3, "cleo", "cleo@x"),
		user("4", 4, "dan", "dan@x"), adsync.User{ID: "9", Profile: profile("local", "local@x")},
	)
	anna := adsync.Profile{Username: "anna.b", FirstName: "Anna", LastName: "Berg", Email: "anna.b@x", Phone: "+1"}
	dir := adsync.StaticDirectory{
		{ObjectID: id(1), Profile: anna},
		entry(2, "ben", "LOCAL@x"),
		{ObjectID: id(3), State: adsync.StateDeleted},
		entry(4, "dan", "dan@x"),
	}
	s := newSyncer(t, dir, store, nil)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, []string{
		"Synchronizing users with Active Directory has been successful.",
		"1 user(s) details are modified.",
		"1 user(s) are deleted.",
		"1 user(s) are duplicated.",
	}, report.Summary())
	now, _ := store.Get("1")
	assert.Equal(t, anna, now.Profile)
	_, there := store.Get("3")
	assert.False(t, there)
	ben, _ := store.Get("2")
	assert.Equal(t, profile("ben", "ben@x"), ben.Profile)

	again, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.Counts{Duplicated: 1, Unchanged: 2}, again.Counts())
}

func TestApply_DoesNotBelieveThePlansStatistics(t *testing.T) {
	dir, users := crowd(10)
	dir[0].State, dir[1].State = adsync.StateDeleted, adsync.StateDeleted
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	plan.Stats.Managed = 1000
	require.NoError(t, plan.Check(adsync.Limits{}))
	_, err = s.Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	assert.Equal(t, users, allUsers(t, store))
}

func TestApply_CountsWhatWasDoneOfAHalfDonePlan(t *testing.T) {
	dir, users := crowd(40)
	for i := range 4 {
		dir[i].State = adsync.StateDeleted
	}
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	for i := range 2 { // as a run that was killed would have left it
		require.NoError(t, store.DeleteUser(t.Context(), plan.Changes[i]))
	}
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err, "4 of 40 were let through, so they are when 2 of them are done")
	assert.Equal(t, []adsync.Outcome{"already", "already", "applied", "applied"}, outcomes(report))
}

func TestApply_RefusesForgedPlans(t *testing.T) {
	users := []adsync.User{
		user("1", 1, "anna", "anna@x"), user("2", 2, "ben", "ben@x"), user("3", 3, "cleo", "cleo@x"),
		{ID: "8", Profile: profile("local", "local@x")}, user("9", 9, "foreign", "foreign@x"),
	}
	users[2].Protected = true
	users[4].Source = "elsewhere"
	dir := adsync.StaticDirectory{entry(1, "ben", "anna@x"), entry(2, "anna", "ben@x"), entry(3, "cleo2", "cleo@x")}
	after := func(u adsync.User, change func(*adsync.User)) *adsync.User {
		change(&u)
		return &u
	}
	renamed := func(u adsync.User) *adsync.User { return after(u, func(u *adsync.User) { u.Username = "forged" }) }
	write := func(u adsync.User, after *adsync.User, fields ...adsync.Field) adsync.Change {
		return adsync.Change{Op: adsync.OpUpdate, UserID: u.ID, ObjectID: after.ObjectID, Before: &u, After: after, Fields: fields}
	}
	remove := func(u adsync.User) adsync.Change {
		return adsync.Change{Op: adsync.OpDelete, UserID: u.ID, ObjectID: u.ObjectID, Before: &u}
	}
	username, status := adsync.FieldUsername, adsync.FieldStatus
	for name, forge := range map[string]func(p *adsync.Plan){
		"another version":        func(p *adsync.Plan) { p.Version = 2 },
		"another source":         func(p *adsync.Plan) { p.Source = "elsewhere" },
		"unknown operation":      func(p *adsync.Plan) { p.Changes[0].Op = "explode" },
		"a need that follows":    func(p *adsync.Plan) { p.Changes[0].Needs = []int{1} },
		"needs out of order":     func(p *adsync.Plan) { p.Changes[2].Needs = []int{1, 0} },
		"a negative need":        func(p *adsync.Plan) { p.Changes[2].Needs = []int{-1, 0} },
		"no before":              func(p *adsync.Plan) { p.Changes[1].Before = nil },
		"no after":               func(p *adsync.Plan) { p.Changes[1].After = nil },
		"a before of somebody":   func(p *adsync.Plan) { p.Changes[1].UserID = "3" },
		"fields that do not fit": func(p *adsync.Plan) { p.Changes[1].Fields = nil },
		"parked under another name": func(p *adsync.Plan) {
			renamed := *p.Changes[0].After
			renamed.Username = "reception"
			p.Changes[0].After, p.Changes[2].Before = &renamed, &renamed
		},
		"parked under the name of another": func(p *adsync.Plan) {
			renamed := *p.Changes[0].After
			renamed.Username = "~adsync-d4735e3a265e" // which is that of user 2
			p.Changes[0].After, p.Changes[2].Before = &renamed, &renamed
		},
		"an update that takes a run back": func(p *adsync.Plan) { p.Changes[2].Reason = adsync.ReasonUndone },
		"parked for good":                 func(p *adsync.Plan) { p.Changes = p.Changes[:1] },
		"parked and forgotten":            func(p *adsync.Plan) { p.Changes[2].Needs = []int{1} },
		"changed twice":                   func(p *adsync.Plan) { p.Changes = append(p.Changes, p.Changes[1]) },
		"what only tells waits for its user's parking": func(p *adsync.Plan) {
			u := p.Changes[0].Before
			p.Changes = append(p.Changes, adsync.Change{Op: adsync.OpNotice, UserID: u.ID, ObjectID: u.ObjectID, Before: u, Needs: []int{0}})
		},
		"a notice that writes":     func(p *adsync.Plan) { p.Changes[1].Op = adsync.OpNotice },
		"a local user renamed":     func(p *adsync.Plan) { p.Changes = []adsync.Change{write(users[3], renamed(users[3]), username)} },
		"a local user deleted":     func(p *adsync.Plan) { p.Changes = []adsync.Change{remove(users[3])} },
		"a foreign user renamed":   func(p *adsync.Plan) { p.Changes = []adsync.Change{write(users[4], renamed(users[4]), username)} },
		"a foreign user deleted":   func(p *adsync.Plan) { p.Changes = []adsync.Change{remove(users[4])} },
		"a protected user deleted": func(p *adsync.Plan) { p.Changes = []adsync.Change{remove(users[2])} },
		"a protected user deactivated": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[2], after(users[2], func(u *adsync.User) { u.Status = adsync.StatusDeactivated }), status)}
		},
		"a user blocked": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.Status = adsync.StatusBlocked }), status)}
		},
		"a protection lifted": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[2], after(users[2], func(u *adsync.User) { u.Protected, u.Username = false, "x" }), username)}
		},
		"an ID changed": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.ID, u.Username = "7", "x" }), username)}
		},
		"a username emptied": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.Username = " " }), username)}
		},
		"a link moved": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.ObjectID = id(7) }), adsync.FieldObjectID)}
		},
		"an adoption that renames": func(p *adsync.Plan) {
			c := write(users[3], after(users[3], func(u *adsync.User) { u.ObjectID, u.Username = id(7), "x" }), username, adsync.FieldObjectID)
			c.Reason = adsync.ReasonAdopted
			p.Changes = []adsync.Change{c}
		},
		"a creation of the protected": func(p *adsync.Plan) {
			u := adsync.User{ObjectID: id(7), Profile: profile("x", ""), Protected: true}
			p.Changes = []adsync.Change{{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u}}
		},
		"a creation without a link": func(p *adsync.Plan) {
			u := adsync.User{Profile: profile("x", "")}
			p.Changes = []adsync.Change{{Op: adsync.OpCreate, After: &u}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(users...)
			s := newSyncer(t, dir, store, rekeying)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			require.True(t, plan.Changes[0].Interim)
			forge(plan)
			var approvals []adsync.Approval
			if !strings.Contains(name, "takes a run back") {
				approvals = append(approvals, approve(plan)) // which lifts limits and nothing else
			}
			report, err := s.Apply(t.Context(), plan, approvals...)
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			assert.Len(t, report.Results, len(plan.Changes))
			assert.Equal(t, users, allUsers(t, store))
		})
	}
	t.Run("as it was planned", func(t *testing.T) {
		store := adsync.NewMemoryStore(users...)
		s := newSyncer(t, dir, store, rekeying)
		plan, err := s.Plan(t.Context())
		require.NoError(t, err)
		report, err := s.Apply(t.Context(), plan)
		require.NoError(t, err)
		require.NoError(t, report.Err())
	})
}

// A plan may lie about a row, but then the row is not as planned.
func TestApply_ForgedBeforeIsStale(t *testing.T) {
	owner := user("1", 1, "anna", "anna@x")
	owner.Protected = true
	store := adsync.NewMemoryStore(owner, user("2", 2, "ben", "ben@x"))
	s := newSyncer(t, adsync.StaticDirectory{entry(2, "ben", "ben@x")}, store, nil)
	lie := owner
	lie.Protected = false
	plan := &adsync.Plan{Version: 1, Changes: []adsync.Change{
		{Op: adsync.OpDelete, UserID: "1", ObjectID: id(1), Before: &lie},
	}}
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeStale}, outcomes(report))
	assert.Len(t, allUsers(t, store), 2)
}

func TestApply_LooksUpRemovalsAgain(t *testing.T) {
	dir, users := crowd(40)
	dir[0].State = adsync.StateDeleted
	dir[1].Disabled = true
	store := adsync.NewMemoryStore(users...)
	opts := &adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}}
	plan, err := newSyncer(t, dir, store, opts).Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 2)

	t.Run("the look-up fails", func(t *testing.T) {
		report, err := newSyncer(t, failing{dir}, store, opts).Apply(t.Context(), plan)
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		assert.Equal(t, []adsync.Outcome{"not-attempted", "not-attempted"}, outcomes(report))
		assert.Equal(t, users, allUsers(t, store))
	})
	t.Run("they are back", func(t *testing.T) {
		back, _ := crowd(40)
		report, err := newSyncer(t, back, store, opts).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{"stale", "stale"}, outcomes(report))
		require.ErrorIs(t, report.Err(), adsync.ErrStale)
		assert.Equal(t, users, allUsers(t, store))
	})
	t.Run("the rules have become milder", func(t *testing.T) {
		mild := &adsync.Options{Rules: adsync.Rules{OnDeleted: adsync.Keep}}
		report, err := newSyncer(t, dir, store, mild).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{"stale", "stale"}, outcomes(report))
	})
	t.Run("they are gone", func(t *testing.T) {
		report, err := newSyncer(t, dir, store, opts).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{"applied", "applied"}, outcomes(report))
		assert.Equal(t, adsync.Counts{Deleted: 1, Deactivated: 1, Unchanged: 38}, report.Counts())
	})
}

// failing lists, but cannot look up.
type failing struct{ adsync.StaticDirectory }

var errDown = errors.New("controller down")

func (failing) Find(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) }
}

// scripted is a Directory of two functions.
type scripted struct {
	entries func(yield func(adsync.Entry, error) bool)
	find    func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool)
}

func (d scripted) Entries(context.Context) iter.Seq2[adsync.Entry, error] { return d.entries }

func (d scripted) Find(_ context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) { d.find(ids, yield) }
}

func TestPlan_NoneWithoutTheWholeTruth(t *testing.T) {
	nobody := func(func(adsync.Entry, error) bool) {}
	broken := func(yield func(adsync.Entry, error) bool) {
		if yield(entry(1, "anna", "anna@x"), nil) {
			yield(adsync.Entry{}, errDown)
		}
	}
	silent := func([]adsync.ObjectID, func(adsync.Entry, error) bool) {}
	importing := adsync.Rules{Import: true}
	for name, test := range map[string]struct {
		dir   adsync.Directory
		rules adsync.Rules
		want  string
	}{
		"a listing that breaks":    {scripted{broken, silent}, importing, "controller down"},
		"a listing of nobody":      {scripted{nobody, silent}, importing, "listed nobody"},
		"an empty Listing":         {adsync.Listing(func(context.Context) iter.Seq2[adsync.Entry, error] { return nobody }), adsync.Rules{}, "listed nobody"},
		"a look-up that breaks":    {failing{}, adsync.Rules{}, "controller down"},
		"a look-up without answer": {scripted{nobody, silent}, adsync.Rules{}, "did not say"},
		"a look-up with another's": {scripted{nobody, func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			yield(entry(9, "x", ""), nil)
		}}, adsync.Rules{}, "not asked for"},
		"no controllers": {controllers{}, adsync.Rules{}, "no controller"},
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(user("1", 1, "anna", "anna@x"), user("2", 2, "ben", "ben@x"))
			s := newSyncer(t, test.dir, store, &adsync.Options{Rules: test.rules})
			plan, err := s.Plan(t.Context())
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.ErrorContains(t, err, test.want)
			assert.Nil(t, plan)
			report, err := s.Sync(t.Context())
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.NotNil(t, report)
			assert.Contains(t, report.Summary()[0], "not possible")
			assert.Len(t, allUsers(t, store), 2)
		})
	}
}

func TestOptions_AllowEmpty(t *testing.T) {
	empty := adsync.Listing(func(context.Context) iter.Seq2[adsync.Entry, error] {
		return func(func(adsync.Entry, error) bool) {}
	})
	s := newSyncer(t, empty, adsync.NewMemoryStore(user("1", 1, "a", "")), &adsync.Options{Limits: adsync.Limits{AllowEmpty: true}})
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.OpDelete, plan.Changes[0].Op)
}

func TestPlan_StoreThatBreaksIsIncomplete(t *testing.T) {
	store := brokenReads{bareStore{adsync.NewMemoryStore()}}
	_, err := newSyncer(t, adsync.StaticDirectory{}, store, nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type brokenReads struct{ bareStore }

func (brokenReads) Users(context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		if yield(user("1", 1, "a", ""), nil) {
			yield(adsync.User{}, io.ErrUnexpectedEOF)
		}
	}
}

// A big host table is listed, and only the missing are looked up.
func TestPlan_ListsManyAndLooksUpOnlyTheMissing(t *testing.T) {
	const n = 6000
	entries, users := bigWorld(n)
	var lookedUp int
	dir := scripted{
		entries: func(yield func(adsync.Entry, error) bool) {
			for i, e := range entries {
				if i != 7 && !yield(e, nil) {
					return
				}
			}
		},
		find: func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			lookedUp += len(ids)
			for _, id := range ids {
				if !yield(adsync.Entry{ObjectID: id, State: adsync.StateUnproven}, nil) {
					return
				}
			}
		},
	}
	s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, lookedUp)
	assert.Len(t, plan.Changes, n/100+1)

	lookedUp = 0
	dir.entries = func(func(adsync.Entry, error) bool) { t.Error("few chosen users are looked up, not listed") }
	_, err = newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context(), adsync.OnlyUsers("1", "2"))
	require.NoError(t, err)
	assert.Equal(t, 2, lookedUp)
}

func TestOnly(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "anna2", ""), entry(2, "ben2", "")}
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""), user("2", 2, "ben", ""), adsync.User{ID: "3", Profile: profile("local", "")})
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context(), adsync.OnlyUsers("2"))
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "2", plan.Changes[0].UserID)
	plan, err = s.Plan(t.Context(), adsync.OnlyUsers())
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
	for _, unknown := range []string{"3", "4"} {
		_, err = s.Plan(t.Context(), adsync.OnlyUsers("1", unknown))
		require.ErrorContains(t, err, fmt.Sprintf("%q is unknown or not managed", unknown))
	}
	limited := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Only: []string{"1"}}})
	plan, err = limited.Plan(t.Context())
	require.NoError(t, err)
	assert.Len(t, plan.Changes, 1)
	_, err = limited.Plan(t.Context(), adsync.OnlyUsers("2"))
	require.Error(t, err)
}

func TestImport(t *testing.T) {
	dir := adsync.StaticDirectory{
		entry(1, "anna2", ""), entry(5, "eva", "eva@x"), {ObjectID: id(6), Profile: profile("off", ""), Disabled: true},
		entry(7, "ANNA", ""), entry(8, "other", ""),
	}
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context(), adsync.ImportEntries(id(1), id(5), id(6), id(7)))
	require.NoError(t, err)
	type told struct {
		op     adsync.Op
		reason adsync.Reason
		id     adsync.ObjectID
	}
	var got []told
	for _, c := range plan.Changes {
		got = append(got, told{c.Op, c.Reason, c.ObjectID})
	}
	assert.Equal(t, []told{
		{adsync.OpCreate, adsync.ReasonNew, id(5)},
		{adsync.OpDuplicate, adsync.ReasonTaken, id(7)},
		{adsync.OpNotice, adsync.ReasonDisabled, id(6)},
		{adsync.OpNotice, adsync.ReasonLinked, id(1)},
	}, got, "an import alone changes no user there is")
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, 1, report.Counts().Created)
	eva, ok := store.Get(report.Results[0].UserID)
	require.True(t, ok)
	assert.Equal(t, profile("eva", "eva@x"), eva.Profile)
	again, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, adsync.OutcomeAlready, again.Results[0].Outcome)
	assert.Len(t, allUsers(t, store), 2)

	_, err = newSyncer(t, dir, bareStore{store}, nil).Plan(t.Context(), adsync.ImportEntries(id(5)))
	require.ErrorContains(t, err, "Creator")
}

func TestApply_OneBadRowFailsAlone(t *testing.T) {
	dir, users := crowd(5)
	for i := range dir {
		dir[i].Phone = "+1"
	}
	errBad := errors.New("check constraint phones violated")
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "002" {
			return errBad
		}
		return nil
	}}
	for _, s := range []adsync.UserStore{store, bareStore{store}} {
		report, err := newSyncer(t, dir, s, nil).Sync(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, report.Err(), errBad)
		var change *adsync.ChangeError
		require.ErrorAs(t, report.Err(), &change)
		assert.Equal(t, "adsync: update of user 002: failed: check constraint phones violated", change.Error())
		assert.Equal(t, 1, report.Counts().Failed)
		assert.Contains(t, report.Summary()[0], "not completed")
	}
	u, _ := store.Get("004")
	assert.Equal(t, "+1", u.Phone)
}

// chain is a user who waits for another, who waits for a third.
func chain() (adsync.StaticDirectory, []adsync.User) {
	return adsync.StaticDirectory{entry(1, "b", ""), entry(2, "c", ""), entry(3, "d", ""), entry(4, "z", "")},
		[]adsync.User{user("1", 1, "a", ""), user("2", 2, "b", ""), user("3", 3, "c", ""), user("4", 4, "y", "")}
}

func TestApply_FailureBlocksThoseWhoNeedIt(t *testing.T) {
	dir, users := chain()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "3" {
			return adsync.ErrConflict
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"failed", "blocked", "blocked", "applied"}, outcomes(report))
	assert.Equal(t, adsync.Counts{Modified: 1, Failed: 1, Blocked: 2}, report.Counts())
}

// batches is a store that notes what it is given at once.
type batches struct {
	*adsync.MemoryStore
	given [][]adsync.Change
}

func (s *batches) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	s.given = append(s.given, slices.Clone(cs))
	return s.MemoryStore.ApplyChanges(ctx, cs)
}

// indexes lists the places in the plan of the changes of each batch.
func (s *batches) indexes(p *adsync.Plan) [][]int {
	var all [][]int
	for _, batch := range s.given {
		var indexes []int
		for _, c := range batch {
			indexes = append(indexes, slices.IndexFunc(p.Changes, func(d adsync.Change) bool { return cmp.Equal(c, d) }))
		}
		all = append(all, indexes)
	}
	return all
}

func TestApply_ManySwapsGoInFewBatches(t *testing.T) {
	dir, users := crowd(40)
	for i := 0; i < len(dir); i += 2 {
		dir[i].Username, dir[i+1].Username = dir[i+1].Username, dir[i].Username
	}
	store := &batches{MemoryStore: adsync.NewMemoryStore(users...)}
	var told []adsync.Change
	opts := &adsync.Options{Limits: rekeying.Limits, BatchSize: 20, OnResult: func(_ context.Context, c adsync.Change, _ adsync.Result) { told = append(told, c) }}
	report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, adsync.Counts{Modified: 40}, report.Counts())
	require.Len(t, report.Results, 60, "a parking and two updates for each swap")
	given := store.indexes(report.Plan)
	require.Len(t, given, 6)
	for _, batch := range given {
		assert.Len(t, batch, 10, "as many as may be parked")
		assert.True(t, slices.IsSorted(batch))
		for _, i := range batch {
			for _, need := range report.Plan.Changes[i].Needs {
				assert.NotContains(t, batch, need, "what a change needs is settled before")
			}
		}
	}
	assert.Equal(t, report.Plan.Changes, told, "in the plan's order")
}

func TestApply_WritesNotFarAheadOfWhatItTells(t *testing.T) {
	dir, users := bigWorld(8000)
	for i := range dir {
		dir[i].Profile = users[i].Profile
		if i < 30 { // a chain: each takes the username of the next
			dir[i].Username = users[i+1].Username
		} else {
			dir[i].Phone = "+1"
		}
	}
	dir[30].Username = "free"
	store := &batches{MemoryStore: adsync.NewMemoryStore(users...)}
	report, err := newSyncer(t, adsync.StaticDirectory(dir), store, &adsync.Options{BatchSize: 400}).Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, adsync.Counts{Modified: 8000}, report.Counts())
	place := map[string]int{}
	for i, c := range report.Plan.Changes {
		place[c.UserID] = i
	}
	written, open, furthest := map[int]bool{}, 0, 0
	for _, batch := range store.given {
		for written[open] {
			open++
		}
		for _, c := range batch {
			written[place[c.UserID]] = true
			furthest = max(furthest, place[c.UserID]-open)
		}
	}
	assert.Greater(t, furthest, 4000)
	assert.Less(t, furthest, 5000+400)
}

// stopping ends the context after a batch, and notes the writes after that.
type stopping struct {
	*adsync.MemoryStore
	cancel    context.CancelFunc
	putBack   []string
	deadlines map[time.Time]bool
}

func (s *stopping) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	defer s.cancel()
	return s.MemoryStore.ApplyChanges(ctx, cs)
}

func (s *stopping) UpdateUser(ctx context.Context, c adsync.Change) error {
	deadline, _ := ctx.Deadline()
	s.deadlines[deadline] = true
	s.putBack = append(s.putBack, c.UserID)
	return s.MemoryStore.UpdateUser(ctx, c)
}

func TestApply_ParksFewAtATime(t *testing.T) {
	dir, users := crowd(200)
	for i := 0; i < len(dir); i += 2 {
		dir[i].Username, dir[i+1].Username = dir[i+1].Username, dir[i].Username
	}
	ctx, cancel := context.WithCancel(t.Context())
	store := &stopping{MemoryStore: adsync.NewMemoryStore(users...), cancel: cancel, deadlines: map[time.Time]bool{}}
	_, err := newSyncer(t, dir, store, rekeying).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, store.putBack, 10)
	assert.Len(t, store.deadlines, 1, "one for all of them")
	assert.Equal(t, users, allUsers(t, store))
}

// A circle that no ten parkings open is opened all the same.
func TestApply_ParksAsManyAsACircleTakes(t *testing.T) {
	const n = 40
	dir, users := crowd(n)
	for i := range dir { // everybody wants the hub's username or email, in a wheel of circles
		dir[i].Username, dir[i].Email = users[(i+1)%n].Username, users[(i+n/2)%n].Email
	}
	store := adsync.NewMemoryStore(users...)
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	parked := 0
	for _, c := range report.Plan.Changes {
		if c.Interim {
			parked++
		}
	}
	assert.Greater(t, parked, 10)
	for i, u := range allUsers(t, store) {
		assert.Equal(t, dir[i].Profile, u.Profile)
	}
}

func swap() (adsync.StaticDirectory, []adsync.User) {
	return adsync.StaticDirectory{entry(1, "b", ""), entry(2, "a", "")},
		[]adsync.User{user("1", 1, "a", ""), user("2", 2, "b", "")}
}

func TestApply_PutsTheParkedBackWhenTheirTakersFail(t *testing.T) {
	dir, users := swap()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "2" {
			return adsync.ErrConflict
		}
		return nil
	}}
	var told []adsync.Outcome
	opts := &adsync.Options{Limits: rekeying.Limits, OnResult: func(_ context.Context, _ adsync.Change, r adsync.Result) { told = append(told, r.Outcome) }}
	report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"skipped", "failed", "blocked"}, outcomes(report))
	assert.Equal(t, outcomes(report), told, "a result is told when it is final")
	assert.Equal(t, users, allUsers(t, store))
}

// A write that ends a parking, or takes it back, and is not answered leaves it unknown
// whether the user is still parked. The report must not say that it is.
func TestApply_ParkedWithoutAnAnswerIsUnknown(t *testing.T) {
	for name, test := range map[string]struct {
		unanswered, refused func(adsync.Change) bool
		want                []adsync.Outcome
	}{
		"the final write": {
			func(c adsync.Change) bool { return c.UserID == "1" && !c.Interim }, func(adsync.Change) bool { return false },
			[]adsync.Outcome{"unknown", "applied", "unknown"},
		},
		"the putting back": {
			func(c adsync.Change) bool { return c.Reason == adsync.ReasonParked && !c.Interim }, func(c adsync.Change) bool { return c.UserID == "2" },
			[]adsync.Outcome{"unknown", "failed", "blocked"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, users := swap()
			memory := adsync.NewMemoryStore(users...)
			store := hooked{memory, func(c adsync.Change) error {
				if test.refused(c) {
					return adsync.ErrConflict
				}
				if test.unanswered(c) {
					_ = memory.UpdateUser(t.Context(), c) // it was written all the same
					return adsync.ErrUnknown
				}
				return nil
			}}
			report, _ := newSyncer(t, dir, store, rekeying).Sync(t.Context())
			assert.Equal(t, test.want, outcomes(report))
			require.ErrorIs(t, report.Results[0].Err, adsync.ErrUnknown)
			assert.NotContains(t, strings.Join(report.Summary(), "\n"), "temporary name")
			report, err := newSyncer(t, dir, memory, rekeying).Sync(t.Context())
			require.NoError(t, err)
			require.NoError(t, report.Err())
			assert.Equal(t, "b", allUsers(t, memory)[0].Username)
		})
	}
}

func TestApply_NamesTheParkedWhoCannotFinish(t *testing.T) {
	dir, users := swap()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "1" && !c.Interim {
			return adsync.ErrConflict
		}
		return nil
	}}
	var told []adsync.Result
	opts := &adsync.Options{Limits: rekeying.Limits, OnResult: func(_ context.Context, _ adsync.Change, r adsync.Result) { told = append(told, r) }}
	report, err := newSyncer(t, dir, store, opts).Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"applied", "applied", "failed"}, outcomes(report))
	assert.Contains(t, strings.Join(report.Summary(), "\n"), "temporary name until the next sync: user 1.")
	require.ErrorContains(t, report.Err(), "temporary username")
	require.ErrorContains(t, told[0].Err, "temporary username", "it is told as it is reported")
	out, err := json.Marshal(report)
	require.NoError(t, err)
	var back adsync.Report
	require.NoError(t, json.Unmarshal(out, &back))
	assert.Equal(t, report.Summary(), back.Summary())

	report, err = newSyncer(t, dir, store.MemoryStore, rekeying).Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	one, _ := store.Get("1")
	assert.Equal(t, "b", one.Username)
}

func TestApply_CancellingStopsBetweenBatches(t *testing.T) {
	dir, users := crowd(6)
	for i := range dir {
		dir[i].Phone = "+1"
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	opts := &adsync.Options{BatchSize: 2, OnResult: func(context.Context, adsync.Change, adsync.Result) {
		if seen++; seen == 4 {
			cancel()
		}
	}}
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []adsync.Outcome{"applied", "applied", "applied", "applied", "not-attempted", "not-attempted"}, outcomes(report))
	assert.Contains(t, report.Summary(), "2 change(s) were not attempted.")
	assert.Equal(t, 6, seen, "every result is told")
}

func TestApply_CancellingPutsTheParkedBack(t *testing.T) {
	dir, users := swap()
	ctx, cancel := context.WithCancel(t.Context())
	memory := adsync.NewMemoryStore(users...)
	store := hooked{memory, func(c adsync.Change) error {
		if c.UserID == "2" {
			cancel()
			return ctx.Err()
		}
		return nil
	}}
	_, err := newSyncer(t, dir, bareStore{store}, rekeying).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	one, _ := memory.Get("1")
	assert.Contains(t, one.Username, "~adsync-", "whether user 2 took the name is not known, so nothing is put back")

	// Where there is no doubt, the user is put back although the run was cancelled.
	memory = adsync.NewMemoryStore(users...)
	ctx, cancel = context.WithCancel(t.Context())
	store = hooked{memory, func(c adsync.Change) error {
		if c.Interim {
			defer cancel()
		}
		return nil
	}}
	_, err = newSyncer(t, dir, bareStore{store}, rekeying).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, users, allUsers(t, memory))
}

func TestApply_SaysWhatIsUnknown(t *testing.T) {
	for name, lost := range map[string]error{
		"said by the store":     fmt.Errorf("%w: commit", adsync.ErrUnknown),
		"a connection lost":     io.ErrUnexpectedEOF,
		"a deadline in a write": context.DeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			dir, users := chain()
			memory := adsync.NewMemoryStore(users...)
			store := hooked{memory, func(c adsync.Change) error {
				if c.UserID != "2" {
					return nil
				}
				assert.NoError(t, memory.UpdateUser(context.Background(), c))
				return lost
			}}
			s := newSyncer(t, dir, store, rekeying)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			report, err := s.Apply(t.Context(), plan)
			require.ErrorIs(t, err, lost)
			assert.Equal(t, []adsync.Outcome{"applied", "unknown", "not-attempted", "applied"}, outcomes(report), "the fourth needs nobody")
			report, err = newSyncer(t, dir, memory, rekeying).Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, []adsync.Outcome{"already", "already", "applied", "already"}, outcomes(report))
		})
	}
}

func TestApply_PanicLeavesATrueReport(t *testing.T) {
	dir, users := chain()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "2" {
			panic("anna@x is in the panic value")
		}
		return nil
	}}
	report, err := newSyncer(t, dir, bareStore{store}, rekeying).Sync(t.Context())
	require.ErrorContains(t, err, "panicked")
	assert.NotContains(t, err.Error(), "anna@x")
	assert.Equal(t, []adsync.Outcome{"applied", "unknown", "not-attempted", "not-attempted"}, outcomes(report))

	opts := &adsync.Options{Limits: rekeying.Limits, OnResult: func(context.Context, adsync.Change, adsync.Result) { panic("callback") }, BatchSize: 1}
	report, err = newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(t.Context())
	require.ErrorContains(t, err, "OnResult panicked")
	assert.Equal(t, []adsync.Outcome{"applied", "not-attempted", "not-attempted", "not-attempted"}, outcomes(report))
}

// locking counts.
type locking struct {
	bareStore
	held, locked, unlocked *int
	err                    error
}

func (l locking) Lock(context.Context) (func() error, error) {
	if l.err != nil {
		return nil, l.err
	}
	*l.locked++
	*l.held++
	return func() error { *l.held--; *l.unlocked++; return nil }, nil
}

func TestLock_IsHeldForTheRun(t *testing.T) {
	dir, users := chain()
	var held, locked, unlocked int
	memory := adsync.NewMemoryStore(users...)
	store := hooked{memory, func(adsync.Change) error {
		assert.Equal(t, 1, held)
		return nil
	}}
	s := newSyncer(t, dir, locking{bareStore{store}, &held, &locked, &unlocked, nil}, rekeying)
	_, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 1}, []int{held, locked, unlocked})

	plan := mustReconcile(t, dir, users, adsync.Rules{})
	errTaken := errors.New("another session has it")
	memory = adsync.NewMemoryStore(users...)
	s = newSyncer(t, dir, locking{bareStore{memory}, nil, nil, nil, errTaken}, rekeying)
	report, err := s.Apply(t.Context(), plan)
	require.ErrorIs(t, err, errTaken)
	assert.Len(t, report.Results, len(plan.Changes))
	assert.Equal(t, users, allUsers(t, memory))
}

// controllers is a directory of several servers.
type controllers []func() (adsync.Directory, error)

func (controllers) Entries(context.Context) iter.Seq2[adsync.Entry, error] {
	panic("a plan reads one session")
}

func (controllers) Find(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	panic("a plan reads one session")
}

func (c controllers) Sessions(context.Context) iter.Seq2[adsync.Directory, error] {
	return func(yield func(adsync.Directory, error) bool) {
		for _, open := range c {
			if !yield(open()) {
				return
			}
		}
	}
}

func TestPlan_ReadsOneController(t *testing.T) {
	good := adsync.StaticDirectory{entry(1, "anna2", "")}
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
	half := scripted{find: func(ids []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
		if yield(entry(1, "stale replica", ""), nil) {
			yield(adsync.Entry{}, errDown)
		}
	}}
	never := func() (adsync.Directory, error) { t.Error("no more than needed"); return nil, errDown }
	dir := controllers{
		func() (adsync.Directory, error) { return half, nil },
		func() (adsync.Directory, error) { return good, nil },
		never,
	}
	plan, err := newSyncer(t, dir, store, nil).Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "anna2", plan.Changes[0].After.Username, "nothing of the controller that failed")

	errRefused := errors.New("password refused")
	dir = controllers{
		func() (adsync.Directory, error) { return half, nil },
		func() (adsync.Directory, error) { return nil, errRefused },
	}
	_, err = newSyncer(t, dir, store, nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, err, errRefused)

	dir = controllers{
		func() (adsync.Directory, error) { return failing{}, nil },
		func() (adsync.Directory, error) { return nil, errDown },
	}
	_, err = newSyncer(t, dir, store, nil).Plan(t.Context())
	assert.Equal(t, 1, strings.Count(err.Error(), "controller down"), "what was told once is enough")
	assert.Equal(t, 1, strings.Count(err.Error(), "adsync:"))
}

// inspected tells what it can read.
type inspected struct {
	adsync.StaticDirectory
	access adsync.Access
	err    error
}

func (d inspected) Inspect(context.Context) (adsync.Access, error) { return d.access, d.err }

func TestPlan_WarnsOfWhatCannotBeRead(t *testing.T) {
	users := []adsync.User{user("1", 1, "anna", "")}
	dir := inspected{StaticDirectory: adsync.StaticDirectory{entry(1, "anna", "")}}
	dir.access = adsync.Access{Missing: []string{"mail is never shown"}}
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 2)
	assert.Contains(t, plan.Warnings[0], "no leaver is ever deleted")
	assert.Equal(t, "mail is never shown", plan.Warnings[1])

	dir.access = adsync.Access{Tombstones: true}
	plan, err = newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, plan.Warnings)

	dir.err = errDown
	_, err = newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
}

func TestReport_AsJSON(t *testing.T) {
	dir, users := chain()
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "3" {
			return errors.New("trigger says no")
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	out, err := json.Marshal(report)
	require.NoError(t, err)
	assert.Contains(t, string(out), `{"user_id":"3","outcome":"failed","error":"trigger says no"}`)
	var back adsync.Report
	require.NoError(t, json.Unmarshal(out, &back))
	assert.Empty(t, cmp.Diff(outcomes(report), outcomes(&back)))
	assert.Equal(t, report.Counts(), back.Counts())
	require.EqualError(t, back.Results[0].Err, "trigger says no")
}

func TestReport_Nil(t *testing.T) {
	var r *adsync.Report
	assert.Equal(t, adsync.Counts{}, r.Counts())
	assert.NotEmpty(t, r.Summary())
	assert.NoError(t, r.Err())
	_, err := newSyncer(t, adsync.StaticDirectory{}, adsync.NewMemoryStore(), nil).Apply(t.Context(), nil)
	require.ErrorIs(t, err, adsync.ErrUnsafe)
}

func TestLog_OfARunHoldsNoPersonalData(t *testing.T) {
	entries, users, rules := busyWorld()
	var out bytes.Buffer
	opts := &adsync.Options{
		Rules:  rules,
		Limits: adsync.Limits{MaxRemovalRatio: -1},
		Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "u03" {
			return fmt.Errorf("duplicate key value (%s)", c.After.Username)
		}
		return nil
	}}
	report, err := newSyncer(t, adsync.StaticDirectory(entries), store, opts).Sync(t.Context())
	require.NoError(t, err)
	require.Error(t, report.Err())
	text := strings.ToLower(out.String())
	assert.Contains(t, text, "u03")
	for _, u := range users {
		for _, secret := range []string{u.Username, u.Email} {
			assert.False(t, slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" =\"()[]:\n", r) }), secret), secret)
		}
	}
}

func TestInverse_TakesARunBack(t *testing.T) {
	users := []adsync.User{
		user("1", 1, "anna", "anna@x"), user("2", 2, "ben", "ben@x"), user("3", 3, "cleo", "cleo@x"),
		user("4", 4, "dan", "dan@x"), user("5", 5, "eva", "eva@x"),
	}
	users[2].Phone, users[4].Status = "+1", adsync.StatusDeactivated
	dir := adsync.StaticDirectory{
		entry(1, "ben", "anna@x"), entry(2, "anna", "ben@x"), // a swap
		{ObjectID: id(3), State: adsync.StateDeleted},
		{ObjectID: id(4), Profile: profile("dan.d", "dan@x"), Disabled: true},
		entry(5, "eva.e", "eva@x"), // present again
		entry(6, "fay", "fay@x"),   // new
	}
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, &adsync.Options{
		Rules:  adsync.Rules{Import: true, OnDisabled: adsync.Deactivate},
		Limits: adsync.Limits{MaxRemovalRatio: -1},
	})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())

	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	again, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	assert.Equal(t, plan.Digest(), again.Digest())
	undone, err := s.Apply(t.Context(), plan, approve(plan))
	require.NoError(t, err)
	require.NoError(t, undone.Err())

	want := map[string]adsync.User{}
	for _, u := range users {
		want[u.Username] = u
	}
	for _, u := range allUsers(t, store) {
		before, ok := want[u.Username]
		if !ok {
			assert.Equal(t, "fay", u.Username, "only the created user is more than there was")
			continue
		}
		if u.Username == "cleo" {
			assert.NotEqual(t, "3", u.ID, "a deleted user comes back under a new ID")
			before.ID = u.ID
		}
		if u.Username == "eva" {
			before.Status = adsync.StatusActive
		}
		assert.Equal(t, before, u)
		delete(want, u.Username)
	}
	assert.Empty(t, want, "everybody is back")
	var told []string
	for _, c := range plan.Changes {
		if c.Op == adsync.OpNotice {
			told = append(told, c.Detail)
		}
	}
	assert.ElementsMatch(t, []string{"it was reactivated and is present", "it was created and is present"}, told)
}

// A login that went to a new user cannot go back to the deleted one.
func TestInverse_TellsWhatANewUserHolds(t *testing.T) {
	dir := adsync.StaticDirectory{entry(2, "anna", "")}
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
	s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Import: true}})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Len(t, plan.Changes, 2)
	assert.Equal(t, adsync.OpDuplicate, plan.Changes[0].Op)
	assert.Equal(t, adsync.ReasonTaken, plan.Changes[0].Reason)
	assert.Equal(t, []string{report.Results[1].UserID}, plan.Changes[0].Conflicts[0].With)
}

func TestInverse_WithoutACreator(t *testing.T) {
	store := bareStore{adsync.NewMemoryStore(user("1", 1, "anna", ""))}
	s := newSyncer(t, adsync.StaticDirectory{}, store, nil)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.OpNotice, plan.Changes[0].Op)

	_, err = s.Inverse(t.Context(), nil)
	require.Error(t, err)
	_, err = s.Inverse(t.Context(), &adsync.Report{})
	require.Error(t, err)
}

// A run that left somebody parked can be taken back too.
func TestInverse_OfARunThatWasCutShort(t *testing.T) {
	dir, users := swap()
	memory := adsync.NewMemoryStore(users...)
	store := hooked{memory, func(c adsync.Change) error {
		if c.UserID == "1" && !c.Interim {
			return adsync.ErrConflict
		}
		return nil
	}}
	report, err := newSyncer(t, dir, store, rekeying).Sync(t.Context())
	require.NoError(t, err)
	require.Error(t, report.Err())
	s := newSyncer(t, dir, memory, rekeying)
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	undone, err := s.Apply(t.Context(), plan, approve(plan))
	require.NoError(t, err)
	require.NoError(t, undone.Err())
	assert.Equal(t, users, allUsers(t, memory))
}

func TestExplain(t *testing.T) {
	entries, users, rules := busyWorld()
	store := adsync.NewMemoryStore(append(users, adsync.User{ID: "u90", ObjectID: id(90), Source: "elsewhere"})...)
	s := newSyncer(t, adsync.StaticDirectory(entries), store, &adsync.Options{Rules: rules})
	for user, want := range map[string][]string{
		"u03": {"chen", "phone +46 8 123", "present", "update: changed in the directory", "phone", "the next sync"},
		"u04": {"duplicate: another user keeps it", "LOCAL, also of u13", "rename"},
		"u07": {"unproven", "kept: not found", "OnUnproven"},
		"u08": {"deleted", "delete: deleted in the directory"},
		"u09": {"protected", "kept: protected"},
		"u13": {"no ObjectID", "never changed", "Adopt"},
		"u90": {"another source", "never changed"},
	} {
		lines, err := s.Explain(t.Context(), user)
		require.NoError(t, err)
		for _, text := range want {
			assert.Contains(t, strings.Join(lines, "\n"), text, user)
		}
	}
	lines, err := newSyncer(t, adsync.StaticDirectory{entry(1, "a", "")}, adsync.NewMemoryStore(user("1", 1, "a", "")), nil).Explain(t.Context(), "1")
	require.NoError(t, err)
	assert.Contains(t, strings.Join(lines, "\n"), "nothing")

	// What one user gets depends on the others.
	rivals := adsync.StaticDirectory{entry(1, "a", "press@x"), entry(2, "b", "press@x")}
	lines, err = newSyncer(t, rivals, adsync.NewMemoryStore(user("1", 1, "a", ""), user("2", 2, "b", "")), nil).Explain(t.Context(), "1")
	require.NoError(t, err)
	assert.Contains(t, strings.Join(lines, "\n"), "duplicate: others ask for it too")

	_, err = s.Explain(t.Context(), "nobody")
	require.ErrorContains(t, err, "unknown")
	_, err = newSyncer(t, failing{}, store, nil).Explain(t.Context(), "u03")
	require.ErrorIs(t, err, adsync.ErrIncomplete)
}

func listingOf(entries ...adsync.Entry) adsync.Listing {
	return func(context.Context) iter.Seq2[adsync.Entry, error] {
		return func(yield func(adsync.Entry, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// decorated hides what kind of directory it is.
type decorated struct{ adsync.Directory }

// What a listing says of an account counts, and only those whom it lacks are Deleted.
func TestListing_MaySayMoreThanPresent(t *testing.T) {
	entries := []adsync.Entry{{ObjectID: id(1), State: adsync.StateOutOfScope}, {ObjectID: id(2), State: adsync.StateUnproven}, entry(3, "cleo", "")}
	users := []adsync.User{user("1", 1, "anna", ""), user("2", 2, "ben", ""), user("3", 3, "cleo", ""), user("4", 4, "dan", "")}
	plan, err := newSyncer(t, listingOf(entries...), adsync.NewMemoryStore(users...), nil).Plan(t.Context())
	require.NoError(t, err)
	assert.NotZero(t, plan.Reading.At)
	plan.Reading = nil
	assert.Empty(t, cmp.Diff(mustReconcile(t, entries, users, adsync.Rules{}), plan))
	var ops []adsync.Op
	for _, c := range plan.Changes {
		ops = append(ops, c.Op)
	}
	assert.Equal(t, []adsync.Op{adsync.OpDelete, adsync.OpNotice, adsync.OpNotice}, ops)
}

func TestListing_EmptyOneProvesNothing(t *testing.T) {
	for name, dir := range map[string]adsync.Directory{
		"bare": listingOf(), "decorated": decorated{listingOf()}, "joined": adsync.Join(listingOf()),
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
			_, err := newSyncer(t, dir, store, nil).Sync(t.Context())
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.ErrorContains(t, err, "listed nobody")
			assert.Len(t, allUsers(t, store), 1)
		})
	}
	t.Run("when the removal is looked up again", func(t *testing.T) {
		store := adsync.NewMemoryStore(user("1", 1, "anna", ""), user("2", 2, "ben", ""))
		plan, err := newSyncer(t, listingOf(entry(2, "ben", "")), store, nil).Plan(t.Context())
		require.NoError(t, err)
		_, err = newSyncer(t, listingOf(), store, nil).Apply(t.Context(), plan)
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		assert.Len(t, allUsers(t, store), 2)

		allowed := &adsync.Options{Limits: adsync.Limits{AllowEmpty: true}}
		report, err := newSyncer(t, listingOf(), store, allowed).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied}, outcomes(report))
	})
}

// An account that one directory hides is not gone because another never had it.
func TestJoin_ListingIsNoTombstone(t *testing.T) {
	hidden := adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateUnproven}}
	others := listingOf(entry(9, "x", ""))
	literal := adsync.StaticDirectory{entry(9, "x", "")}
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
	for _, dir := range []adsync.Directory{
		adsync.Join(hidden, others), adsync.Join(others, hidden), adsync.Join(literal, hidden, others),
	} {
		plan, err := newSyncer(t, dir, store, nil).Plan(t.Context())
		require.NoError(t, err)
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, adsync.ReasonUnproven, plan.Changes[0].Reason)
	}
	tombstone := adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}}
	for _, dir := range []adsync.Directory{adsync.Join(others, literal), adsync.Join(hidden, tombstone, others)} {
		plan, err := newSyncer(t, dir, store, nil).Plan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, adsync.OpDelete, plan.Changes[0].Op)
	}
}

// A key that would read as another on a screen is not written; one that is already there
// stops no other change.
func TestKeys_ThatDeceiveAreInvalid(t *testing.T) {
	for name, p := range map[string]adsync.Profile{
		"username": profile("anna\u202egpj", "anna@x"), "email": profile("anna", "anna@x\r\nbcc:eve@x"),
	} {
		e := entry(1, p.Username, p.Email)
		e.Phone = "1"
		for _, users := range [][]adsync.User{{user("1", 1, "anna", "anna@x")}, nil} {
			plan := mustReconcile(t, []adsync.Entry{e}, users, adsync.Rules{Import: true})
			require.Len(t, plan.Changes, 1)
			assert.Equal(t, adsync.OpInvalid, plan.Changes[0].Op)
			assert.Equal(t, adsync.ReasonDeceptive, plan.Changes[0].Reason)
			assert.Equal(t, name, plan.Changes[0].Detail)
		}
		there := user("1", 1, p.Username, p.Email)
		plan := mustReconcile(t, []adsync.Entry{e}, []adsync.User{there}, adsync.Rules{})
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, []adsync.Field{adsync.FieldPhone}, plan.Changes[0].Fields)
	}
}

func TestKeys_MissingUsernameIsToldWhateverOthersHold(t *testing.T) {
	blank := user("1", 1, "", "anna@x")
	e := entry(1, "", "anna@x")
	for _, users := range [][]adsync.User{{blank}, {blank, {ID: "9", Profile: profile("local", "anna@x")}}} {
		plan := mustReconcile(t, []adsync.Entry{e}, users, adsync.Rules{})
		require.Len(t, plan.Changes, 1)
		assert.Equal(t, adsync.ReasonNoUsername, plan.Changes[0].Reason)
	}
}

func TestReport_RefusedPlanIsNoSuccess(t *testing.T) {
	s := newSyncer(t, adsync.StaticDirectory{}, adsync.NewMemoryStore(), nil)
	report, err := s.Apply(t.Context(), &adsync.Plan{Version: 99, Changes: []adsync.Change{}})
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	assert.Contains(t, report.Summary()[0], "not carried out")
}

// slow ends the context within a batch, of which nothing more is written then.
type slow struct {
	*adsync.MemoryStore
	cancel context.CancelFunc
}

func (s slow) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	first := s.MemoryStore.ApplyChanges(ctx, cs[:1])
	s.cancel()
	return append(first, s.MemoryStore.ApplyChanges(ctx, cs[1:])...)
}

func TestApply_CancellingWithinABatch(t *testing.T) {
	dir, users := crowd(3)
	for i := range dir {
		dir[i].Phone = "+1"
	}
	ctx, cancel := context.WithCancel(t.Context())
	report, err := newSyncer(t, dir, slow{adsync.NewMemoryStore(users...), cancel}, nil).Sync(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []adsync.Outcome{"applied", "not-attempted", "not-attempted"}, outcomes(report))
	assert.Zero(t, report.Counts().Failed)
}

// withoutStatus holds no status.
type withoutStatus struct{ adsync.UserStore }

func (withoutStatus) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldEmail}}
}

// What one controller calls deleted and another does not is never deleted.
func TestDisputed_DeletionsOnlyDeactivate(t *testing.T) {
	dir := adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDisputed}, {ObjectID: id(2), State: adsync.StateDisputed}}
	off := user("2", 2, "ben", "")
	off.Status = adsync.StatusDeactivated
	for name, test := range map[string]struct {
		hide func(adsync.UserStore) adsync.UserStore
		then adsync.Status
	}{
		"a store that holds a status": {func(s adsync.UserStore) adsync.UserStore { return s }, adsync.StatusDeactivated},
		"one that holds none":         {func(s adsync.UserStore) adsync.UserStore { return withoutStatus{s} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(user("1", 1, "anna", ""), off)
			report, err := newSyncer(t, dir, test.hide(store), &adsync.Options{Limits: adsync.Limits{MaxRemovalRatio: -1}}).Sync(t.Context())
			require.NoError(t, err)
			assert.Zero(t, report.Counts().Deleted)
			anna, _ := store.Get("1")
			assert.Equal(t, test.then, anna.Status)
			ben, _ := store.Get("2")
			assert.Equal(t, adsync.StatusDeactivated, ben.Status, "and never made active")
		})
	}
}

// What the store has no column for does not matter.
func TestPlan_WarnsOnlyOfDetailsThatAreSynchronised(t *testing.T) {
	one, another := "nobody shows mail", "nobody shows telephoneNumber"
	dir := inspected{StaticDirectory: adsync.StaticDirectory{entry(1, "anna", "")}}
	dir.access = adsync.Access{Tombstones: true, Missing: []string{one, "TLS is old", another},
		Unread: map[adsync.Field][]string{adsync.FieldEmail: {one}, adsync.FieldPhone: {another}}}
	for name, test := range map[string]struct {
		fields []adsync.Field
		want   []string
	}{
		"all five":    {nil, []string{one, "TLS is old", another}},
		"no phone":    {[]adsync.Field{adsync.FieldUsername, adsync.FieldEmail}, []string{one, "TLS is old"}},
		"a name only": {[]adsync.Field{adsync.FieldUsername}, []string{"TLS is old"}},
	} {
		for _, joins := range []bool{false, true} {
			directory := adsync.Directory(dir)
			if joins {
				directory = adsync.Join(dir)
			}
			store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
			plan, err := newSyncer(t, directory, store, &adsync.Options{Rules: adsync.Rules{Fields: test.fields}}).Plan(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.want, plan.Warnings, "%s, joined: %v", name, joins)
		}
	}
}

// A plan that was refused is refused after a round trip too.
func TestReport_JSONKeepsThatARunWasRefused(t *testing.T) {
	dir, users := crowd(20)
	dir[0].State, dir[1].Phone = adsync.StateDeleted, "+1"
	s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	plan.Version = 99
	for name, refused := range map[string]*adsync.Plan{"what writes": plan, "what only tells": {Version: 99, Changes: []adsync.Change{}}} {
		report, err := s.Apply(t.Context(), refused)
		require.ErrorIs(t, err, adsync.ErrUnsafe)
		assert.True(t, report.Refused)
		var back adsync.Report
		require.NoError(t, json.Unmarshal(mustJSON(report), &back))
		assert.Equal(t, report.Summary(), back.Summary(), name)
		assert.Contains(t, back.Summary()[0], "not carried out", name)
	}
}

// Hosts keep the JSON of a report for a long time: they notice a change here.
func TestReport_JSON(t *testing.T) {
	users := []adsync.User{user("1", 1, "ann", ""), user("2", 2, "bob", "")}
	dir := adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", "")}
	dir[0].Phone, dir[1].Phone = "+1", "+2"
	store := hooked{adsync.NewMemoryStore(users...), func(c adsync.Change) error {
		if c.UserID == "2" {
			return errors.New("trigger says no")
		}
		return nil
	}}
	s := newSyncer(t, dir, store, nil)
	report, err := s.Apply(t.Context(), mustReconcile(t, dir, users, adsync.Rules{}))
	require.NoError(t, err)
	report.Plan = nil // whose JSON is in testdata/plan.json
	text, err := json.Marshal(report)
	require.NoError(t, err)
	assert.Equal(t, `{"results":[{"user_id":"1","outcome":"applied"},{"user_id":"2","outcome":"failed","error":"trigger says no"}]}`, string(text))
	report.Refused = true
	assert.Contains(t, string(mustJSON(report)), `"refused": true`)
}

// What a directory or a table holds does not reach a terminal as it is.
func TestExplain_EscapesWhatItPrints(t *testing.T) {
	const evil = "\x1b[31m\u202eevil\r\n"
	u := user("1"+evil, 1, "ann"+evil, "")
	u.Status = "odd" + evil
	e := entry(1, "bob"+evil, "")
	rules := adsync.Rules{Map: func(adsync.Entry) (adsync.Profile, error) { return adsync.Profile{}, errors.New("refused" + evil) }}
	lines, err := newSyncer(t, adsync.StaticDirectory{e}, adsync.NewMemoryStore(u), &adsync.Options{Rules: rules}).Explain(t.Context(), u.ID)
	require.NoError(t, err)
	text := strings.Join(lines, " ")
	assert.NotContains(t, text, "\x1b")
	assert.NotContains(t, text, "\u202e")
	assert.NotContains(t, text, "\n")
	for _, shown := range []string{"user 1\\u{1b}", "ann\\u{1b}", "odd\\u{1b}", "bob\\u{1b}", "refused\\u{1b}"} {
		assert.Contains(t, text, shown)
	}
}

// Where one directory of several cannot show tombstones, no deletion of its people is
// proven.
func TestJoin_HasTombstonesOnlyIfAllHave(t *testing.T) {
	seeing := inspected{access: adsync.Access{Tombstones: true}}
	blind := inspected{access: adsync.Access{Tombstones: false}}
	for _, test := range []struct {
		dirs []adsync.Directory
		want bool
	}{
		{[]adsync.Directory{seeing, seeing}, true},
		{[]adsync.Directory{seeing, blind}, false},
		{[]adsync.Directory{blind, seeing}, false},
		{[]adsync.Directory{seeing, adsync.StaticDirectory{}}, true}, // which has none to hide
	} {
		access, err := adsync.Join(test.dirs...).(adsync.Inspector).Inspect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, test.want, access.Tombstones)
	}
}
