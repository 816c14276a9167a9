package adsync_test

import (
	"context"
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

func newSyncer(t testing.TB, dir adsync.Directory, store adsync.UserStore, opts *adsync.Options) *adsync.Syncer {
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
		"a detail required":    {dir, fewFields{bare}, adsync.Options{Rules: adsync.Rules{Require: []adsync.Field{adsync.FieldPhone}}}},
		"no detail in common":  {tellsOnly{dir, []adsync.Field{adsync.FieldEmail}}, fewFields{bare}, adsync.Options{}},
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

	// Rules stand for long, so they may name somebody who is no more; a selection may not.
	limited = newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Only: []string{"1", "gone"}}})
	plan, err = limited.Plan(t.Context())
	require.NoError(t, err)
	assert.Len(t, plan.Changes, 1)
	unknown := []string{"h", "g", "f", "e", "d", "c", "b", "a"}
	_, err = s.Plan(t.Context(), adsync.OnlyUsers(unknown...))
	slices.Sort(unknown)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, len(unknown))
	for i, id := range unknown {
		assert.Contains(t, lines[i], fmt.Sprintf("user %q is unknown", id), "all of them, in order")
	}
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
	var log strings.Builder
	plan, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 2)
	for _, warning := range plan.Warnings {
		assert.Contains(t, log.String(), `level=WARN msg="adsync: `+warning)
	}
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

// Whoever has no username, and is given none by this sync, follows in the rest.
func TestKeys_MissingUsernameOfTheHostsOwnIsNotToldOf(t *testing.T) {
	for name, rules := range map[string]adsync.Rules{
		"another sync's": {Fields: []adsync.Field{adsync.FieldEmail}},
		"kept on empty":  {KeepOnEmpty: []adsync.Field{adsync.FieldUsername}},
	} {
		plan := mustReconcile(t, []adsync.Entry{entry(1, "", "new@x")}, []adsync.User{user("1", 1, "", "anna@x")}, rules)
		assert.Equal(t, []string{"1 update changed"}, inBrief(plan), name)
	}
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
		"a store that holds a status":  {func(s adsync.UserStore) adsync.UserStore { return s }, adsync.StatusDeactivated},
		"one that holds none":          {func(s adsync.UserStore) adsync.UserStore { return withoutStatus{s} }, ""},
		"one that cannot tell by whom": {func(s adsync.UserStore) adsync.UserStore { return twoValued{s.(*adsync.MemoryStore)} }, ""},
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
