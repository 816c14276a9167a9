package adsync_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// A link is planned anew when it is applied: from both sides as they are then, whatever the
// plan says.
func TestApply_PlansLinksAnew(t *testing.T) {
	anna := unlinked("1", "anna", "anna@x")
	guarded := anna
	guarded.Protected = true
	alone := adsync.StaticDirectory{entry(1, "anna", "anna@x")}
	link := func(u adsync.User) *adsync.Plan {
		plan := adopt(t, alone, []adsync.User{anna}, adsync.Rules{})
		after := u
		after.ObjectID = id(1)
		plan.Changes = []adsync.Change{adsync.NewUpdate(adsync.ReasonAdopted, &u, &after)}
		return plan
	}
	for name, test := range map[string]struct {
		dir      adsync.StaticDirectory
		users    []adsync.User
		rules    adsync.Rules
		approved bool
		want     adsync.Outcome
	}{
		"as planned":                        {dir: alone, users: []adsync.User{anna}, want: adsync.OutcomeApplied},
		"linked to another by now":          {dir: alone, users: []adsync.User{anna, user("2", 1, "berit", "")}, want: adsync.OutcomeStale},
		"and approved":                      {dir: alone, users: []adsync.User{anna, user("2", 1, "berit", "")}, approved: true, want: adsync.OutcomeStale},
		"another user has the address":      {dir: alone, users: []adsync.User{anna, unlinked("2", "berit", "Anna@x")}, want: adsync.OutcomeStale},
		"another account has the address":   {dir: append(alone, entry(2, "admin", "anna@x")), users: []adsync.User{anna}, want: adsync.OutcomeStale},
		"renamed in the directory":          {dir: adsync.StaticDirectory{entry(1, "anne", "anna@x")}, users: []adsync.User{anna}, want: adsync.OutcomeStale},
		"gone":                              {dir: adsync.StaticDirectory{entry(2, "berit", "")}, users: []adsync.User{anna}, want: adsync.OutcomeStale},
		"protected":                         {dir: alone, users: []adsync.User{guarded}, want: adsync.OutcomeStale},
		"protected, and named by the rules": {dir: alone, users: []adsync.User{guarded}, rules: adsync.Rules{Only: []string{"1"}}, want: adsync.OutcomeApplied},
		"protected, and approved":           {dir: alone, users: []adsync.User{guarded}, approved: true, want: adsync.OutcomeApplied},
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(test.users...)
			plan := link(test.users[0])
			var approvals []adsync.Approval
			if test.approved {
				approvals = append(approvals, adsync.Approval{Digest: plan.Digest(), At: time.Now()})
			}
			report, err := newSyncer(t, test.dir, store, &adsync.Options{Rules: test.rules}).Apply(t.Context(), plan, approvals...)
			require.NoError(t, err)
			assert.Equal(t, test.want, report.Results[0].Outcome)
			got, _ := store.Get("1")
			assert.Equal(t, test.want == adsync.OutcomeApplied, got.ObjectID == id(1))

			report, err = newSyncer(t, test.dir, store, &adsync.Options{Rules: test.rules}).Apply(t.Context(), plan, approvals...)
			require.NoError(t, err)
			if test.want == adsync.OutcomeApplied {
				assert.Equal(t, adsync.OutcomeAlready, report.Results[0].Outcome, "what is linked already is not planned again")
			}
		})
	}
}

// Where one side cannot be read, nobody is linked.
func TestApply_LinksNobodyByHalfAListing(t *testing.T) {
	anna := unlinked("1", "anna", "anna@x")
	dir := adsync.StaticDirectory{entry(1, "anna", "anna@x")}
	store := adsync.NewMemoryStore(anna)
	plan := adopt(t, dir, []adsync.User{anna}, adsync.Rules{})
	_, err := newSyncer(t, halfListing{dir}, store, nil).Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	got, _ := store.Get("1")
	assert.True(t, got.ObjectID.IsZero())
}

// What a server listed before it failed counts for nothing when the next one is asked.
func TestApply_LinksByTheListingOfOneServer(t *testing.T) {
	anna := unlinked("1", "anna", "anna@x")
	dir := adsync.StaticDirectory{entry(1, "anna", "anna@x")}
	lagging := halfListing{adsync.StaticDirectory{entry(1, "anna", "anna@x"), entry(2, "anna", "anna@x")}}
	servers := controllers{func() (adsync.Directory, error) { return lagging, nil }, func() (adsync.Directory, error) { return dir, nil }}
	tracer := &traced{}
	report, err := newSyncer(t, servers, adsync.NewMemoryStore(anna), &adsync.Options{Tracer: tracer}).Apply(t.Context(), adopt(t, dir, []adsync.User{anna}, adsync.Rules{}))
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied}, outcomes(report))
	confirm := tracer.of(adsync.PhaseConfirm)
	require.Len(t, confirm, 1)
	assert.Equal(t, 1, confirm[0].Count, "one user is to be linked")
}

// A listing that makes no sense links nobody.
func TestApply_LinksNobodyByAListingThatMakesNoSense(t *testing.T) {
	anna := unlinked("1", "anna", "anna@x")
	dir := adsync.StaticDirectory{entry(1, "anna", "anna@x")}
	plan := adopt(t, dir, []adsync.User{anna}, adsync.Rules{})
	broken := scripted{entries: func(yield func(adsync.Entry, error) bool) {
		_ = yield(dir[0], nil) && yield(adsync.Entry{ObjectID: id(2), State: "vanished"}, nil)
	}}
	store := adsync.NewMemoryStore(anna)
	report, err := newSyncer(t, broken, store, nil).Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorContains(t, err, `"vanished"`)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeNotAttempted}, outcomes(report))
	assert.Equal(t, []adsync.User{anna}, allUsers(t, store))
}

// halfListing is a directory whose answers break off.
type halfListing struct{ adsync.StaticDirectory }

func (d halfListing) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		for e := range d.StaticDirectory.Entries(ctx) {
			if !yield(e, nil) {
				return
			}
		}
		yield(adsync.Entry{}, errors.New("the connection was lost"))
	}
}

func (d halfListing) Find(ctx context.Context, _ []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.Entries(ctx)
}
