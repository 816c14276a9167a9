package adsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// provingDirectory is one that takes nobody's role on the word of its entries alone.
type provingDirectory struct {
	StaticDirectory
	roles  []string
	proofs map[ObjectID]Entry // what is proven; the entry itself if there is nothing
	fails  error              // of a proof
	asked  *[]ObjectID
}

func (d provingDirectory) Traits() Traits { return Traits{Roles: d.roles} }

func (d provingDirectory) ProveRoles(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		*d.asked = append(*d.asked, ids...)
		for e, err := range d.Find(ctx, ids) {
			if d.fails != nil {
				e, err = Entry{}, d.fails
			}
			if proof, ok := d.proofs[e.ObjectID]; ok {
				e = proof
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func newProving(entries ...Entry) provingDirectory {
	return provingDirectory{StaticDirectory: entries, roles: []string{"admin", "editor"}, proofs: map[ObjectID]Entry{}, asked: new([]ObjectID)}
}

func roleSyncer(t *testing.T, d Directory, store UserStore) *Syncer {
	t.Helper()
	s, err := New(d, store, &Options{Rules: Rules{Source: "ad", Import: true},
		Limits: Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxGranted: -1, MaxRevoked: -1}})
	require.NoError(t, err)
	return s
}

func rolesIn(t *testing.T, store *MemoryStore, id string) []string {
	t.Helper()
	u, ok := store.Get(id)
	require.True(t, ok)
	return u.Extra.Set(FieldRoles)
}

func TestRoles_FromEndToEnd(t *testing.T) {
	store := NewMemoryStore(userWith("ann", "admin", "vip"), userWith("bob", "admin"), userWith("cat", "editor"))
	dir := newProving(entryWith("ann", "editor"), entryWith("bob", "admin"), entryWith("cat", "editor"), entryWith("dan", "admin"))
	s := roleSyncer(t, dir, store)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin vip to editor vip", "create: admin"}, roleText(plan))
	assert.Equal(t, []ObjectID{roleID("ann")}, *dir.asked, "proof is asked for where somebody would lose a role")
	var printed strings.Builder
	_, err = plan.WriteTo(&printed)
	require.NoError(t, err)
	text := printed.String()
	assert.Contains(t, text, "+ editor")
	assert.Contains(t, text, "- admin")

	data, err := json.Marshal(plan)
	require.NoError(t, err)
	var read Plan
	require.NoError(t, json.Unmarshal(data, &read))
	assert.Equal(t, plan.Digest(), read.Digest())
	report, err := s.Apply(t.Context(), &read)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, []string{"editor", "vip"}, rolesIn(t, store, "ann"))
	again, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, again.Changes)

	back, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	_, err = s.Apply(t.Context(), back)
	require.ErrorIs(t, err, ErrUnsafe, "no directory bears out what takes a run back")
	_, err = s.Apply(t.Context(), back, Approval{Digest: back.Digest(), At: plan.Reading.At})
	require.NoError(t, err)
	assert.Equal(t, []string{"admin", "vip"}, rolesIn(t, store, "ann"))
}

// An account of which several things are proven loses only what each of them proves.
func TestRoles_AllProofsOfAnAccountCount(t *testing.T) {
	doubtful := entryWith("ann", "editor")
	doubtful.Unknown = withRoles("admin")
	for _, proofs := range [][]Entry{{doubtful, entryWith("ann", "editor")}, {entryWith("ann", "editor"), doubtful}} {
		store := NewMemoryStore(userWith("ann", "admin"))
		dir := newProving(entryWith("ann", "editor"))
		plan, err := roleSyncer(t, dir, store).Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"update ann: admin to editor"}, roleText(plan))
		twice := severalProofs{dir, proofs}
		report, err := roleSyncer(t, twice, store).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, OutcomeStale, report.Results[0].Outcome)
		plan, err = roleSyncer(t, twice, store).Plan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "update ann: admin to admin editor", roleText(plan)[0])
	}
}

// severalProofs answers with all of them, whoever is asked about.
type severalProofs struct {
	provingDirectory
	all []Entry
}

func (d severalProofs) ProveRoles(context.Context, []ObjectID) iter.Seq2[Entry, error] {
	return StaticDirectory(d.all).Entries(context.Background())
}

// Who has lost a role by this plan already counts as having had it, so that the rest of a run
// that was cut short is no more than the whole.
func TestRoles_OfAHalfDonePlanAreCountedAsBefore(t *testing.T) {
	var users []User
	var entries []Entry
	for i := range 40 {
		name := fmt.Sprintf("u%02d", i)
		users, entries = append(users, userWith(name)), append(entries, entryWith(name))
	}
	for i := range 4 {
		users[i].Extra = withRoles("admin")
	}
	entries[3].Extra = withRoles("admin") // who alone keeps it
	store := NewMemoryStore(users...)
	s, err := New(newProving(entries...), store, &Options{Rules: Rules{Source: "ad"}})
	require.NoError(t, err)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 3)
	for _, c := range plan.Changes[:2] { // as a run that was killed would have left it
		require.NoError(t, store.UpdateUser(t.Context(), c))
	}
	keeper, _ := store.Get("u03")
	bare := keeper
	bare.Extra = Extra{}
	require.NoError(t, store.UpdateUser(t.Context(), NewUpdate(ReasonChanged, &keeper, &bare)))
	_, err = s.Apply(t.Context(), plan)
	var beyond *LimitError
	require.ErrorAs(t, err, &beyond, "nobody would have the role any more")
	assert.Equal(t, "admin", beyond.Role)

	require.NoError(t, store.UpdateUser(t.Context(), NewUpdate(ReasonChanged, &bare, &keeper)))
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []Outcome{OutcomeAlready, OutcomeAlready, OutcomeApplied}, []Outcome{report.Results[0].Outcome, report.Results[1].Outcome, report.Results[2].Outcome})
}

// A proof must make sense.
func TestRoles_ProofOfAnUnknownStateIsNone(t *testing.T) {
	store := NewMemoryStore(userWith("ann", "admin"))
	dir := newProving(entryWith("ann", "editor"))
	plan, err := roleSyncer(t, dir, store).Plan(t.Context())
	require.NoError(t, err)
	vanished := entryWith("ann", "editor")
	vanished.State = "vanished"
	dir.proofs[roleID("ann")] = vanished
	_, err = roleSyncer(t, dir, store).Plan(t.Context())
	require.ErrorContains(t, err, `"vanished"`)
	_, err = roleSyncer(t, dir, store).Apply(t.Context(), plan)
	require.ErrorContains(t, err, `"vanished"`)
}

// What is not proven is kept and told, in a plan and when one is applied.
func TestRoles_NothingIsTakenWithoutProof(t *testing.T) {
	unproven := entryWith("ann", "editor")
	unproven.Unknown = withRoles("admin")
	gone := Entry{ObjectID: roleID("ann"), State: StateUnproven}
	for name, tt := range map[string]struct {
		proof Entry
		want  []string
	}{
		"unproven": {unproven, []string{"update ann: admin to admin editor", "notice unproven ann would lose the role admin, but nothing proves it; the warnings say what to grant or change"}},
		"has it":   {entryWith("ann", "admin", "editor"), []string{"update ann: admin to admin editor"}},
		"is gone":  {gone, []string{"notice unproven ann would lose the role admin, but nothing proves it; the warnings say what to grant or change"}},
		"proven":   {entryWith("ann", "editor"), []string{"update ann: admin to editor"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := NewMemoryStore(userWith("ann", "admin"))
			dir := newProving(entryWith("ann", "editor"))
			certain, err := roleSyncer(t, dir, store).Plan(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"update ann: admin to editor"}, roleText(certain))

			dir.proofs[roleID("ann")] = tt.proof
			s := roleSyncer(t, dir, store)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tt.want, roleText(plan))
			if name == "proven" {
				return
			}
			report, err := s.Apply(t.Context(), certain)
			require.NoError(t, err)
			assert.ErrorIs(t, report.Results[0].Err, ErrStale, "the plan's word is not taken for it")
			_, err = s.Sync(t.Context())
			require.NoError(t, err)
			assert.Contains(t, rolesIn(t, store, "ann"), "admin")
		})
	}
}

// A duplicate loses the role that it has no right to, and nothing else changes.
func TestRoles_ADuplicateLosesARole(t *testing.T) {
	store := NewMemoryStore(userWith("ann", "admin"), User{ID: "bob", Profile: Profile{Username: "bob"}})
	taken := entryWith("ann", "editor")
	taken.Username = "bob"
	report, err := roleSyncer(t, newProving(taken), store).Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"update ann: admin to ", "duplicate taken ann"}, roleText(report.Plan))
	require.Equal(t, OutcomeApplied, report.Results[0].Outcome)
	assert.Empty(t, rolesIn(t, store, "ann"))
}

func TestRoles_AnErrorOfTheProofIsNoPlan(t *testing.T) {
	store := NewMemoryStore(userWith("ann", "admin"))
	dir := newProving(entryWith("ann"))
	plan, err := roleSyncer(t, dir, store).Plan(t.Context())
	require.NoError(t, err)
	dir.fails = errors.New("adsync: the connection was lost")
	s := roleSyncer(t, dir, store)
	_, err = s.Plan(t.Context())
	require.ErrorIs(t, err, ErrIncomplete)
	_, err = s.Apply(t.Context(), plan)
	require.ErrorIs(t, err, ErrIncomplete)
	assert.Equal(t, []string{"admin"}, rolesIn(t, store, "ann"))
}

// A plan that others had in their hands gives and takes only what the directory says.
func TestRoles_ForgedPlans(t *testing.T) {
	protected := userWith("bob", "editor")
	protected.Protected = true
	forge := func(c *Change, roles ...string) {
		after := *c.Before
		after.Extra = withRoles(roles...)
		*c = NewUpdate(ReasonChanged, c.Before, &after)
	}
	for name, tt := range map[string]struct {
		forged []string
		stale  bool
	}{
		"as planned": {[]string{"editor"}, false}, "more": {[]string{"admin", "editor"}, true},
		"only what is taken": {nil, false}, "nothing known": {[]string{"editor", "root"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := NewMemoryStore(userWith("ann", "admin"), protected)
			s := roleSyncer(t, newProving(entryWith("ann", "editor"), entryWith("bob", "editor")), store)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			require.Len(t, plan.Changes, 1)
			forge(&plan.Changes[0], tt.forged...)
			report, err := s.Apply(t.Context(), plan)
			require.NoError(t, err)
			if tt.stale {
				require.ErrorIs(t, report.Results[0].Err, ErrStale)
				assert.Equal(t, []string{"admin"}, rolesIn(t, store, "ann"))
			} else {
				require.NoError(t, report.Results[0].Err)
				assert.Equal(t, tt.forged, rolesIn(t, store, "ann"))
			}
			forge(&plan.Changes[0], "x")
			plan.Changes[0].Before = &protected
			plan.Changes[0].UserID, plan.Changes[0].ObjectID = protected.ID, protected.ObjectID
			forge(&plan.Changes[0])
			_, err = s.Apply(t.Context(), plan)
			assert.ErrorContains(t, err, "a protected user keeps its roles")
		})
	}
}

// Only what both sides know is given or taken, and no loss is a role that one of them has
// never heard of.
func TestRoles_KnownToBoth(t *testing.T) {
	assert.Equal(t, []string{"a"}, sharedRoles([]string{"a", "b"}, []string{"c", "a"}))
	assert.Equal(t, []string{"a", "b"}, sharedRoles([]string{"b", "a", "a"}, []string{AnyRole}))
	assert.Empty(t, sharedRoles([]string{AnyRole}, []string{AnyRole}))
	store := NewMemoryStore(userWith("ann", "admin", "former"))
	dir := newProving(entryWith("ann", "editor", "stranger"))
	dir.roles = []string{"editor"}
	plan, err := roleSyncer(t, dir, store).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin former to admin editor former"}, roleText(plan))
	_, err = New(dir, store, &Options{Rules: Rules{Roles: []string{"admin"}}})
	assert.ErrorContains(t, err, `"admin" is not known to both`)
}

// In a Join the directory that lists an account speaks of its roles.
func TestRoles_OfJoinedDirectories(t *testing.T) {
	one, two := newProving(entryWith("ann", "editor")), newProving(entryWith("bob", "admin"))
	elsewhere := Entry{ObjectID: roleID("ann"), State: StateUnproven}
	two.StaticDirectory = append(two.StaticDirectory, elsewhere)
	one.StaticDirectory = append(one.StaticDirectory, Entry{ObjectID: roleID("bob"), State: StateUnproven})
	store := NewMemoryStore(userWith("ann", "admin"), userWith("bob"))
	joined := Join(one, two)
	plan, err := roleSyncer(t, joined, store).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin to editor", "update bob:  to admin"}, roleText(plan))
	assert.Equal(t, []ObjectID{roleID("ann")}, slices.Clone(*one.asked))

	open := entryWith("ann", "editor")
	open.Unknown = withRoles("admin")
	one.proofs[roleID("ann")] = open
	plan, err = roleSyncer(t, joined, store).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "update ann: admin to admin editor", roleText(plan)[0])
}

// In a Join, the word of a directory that proves no roles is enough for those of its accounts.
func TestRoles_OfADirectoryThatProvesNoneInAJoin(t *testing.T) {
	one := newProving(entryWith("ann"), Entry{ObjectID: roleID("bob"), State: StateUnproven})
	two := directoryFuncs{
		entries: StaticDirectory{entryWith("bob")}.Entries,
		find:    StaticDirectory{entryWith("bob"), {ObjectID: roleID("ann"), State: StateUnproven}}.Find,
	}
	store := NewMemoryStore(userWith("ann", "admin"), userWith("bob", "admin"))
	plan, err := roleSyncer(t, Join(one, rolesKnown{two}), store).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin to ", "update bob: admin to "}, roleText(plan))
}

// A proof keeps a role and gives none: what is given is what the listing says, or a user
// would get roles only for losing another.
func TestRoles_AProofGivesNone(t *testing.T) {
	store := NewMemoryStore(userWith("ann", "admin"))
	dir := newProving(entryWith("ann"))
	dir.proofs[roleID("ann")] = entryWith("ann", "editor")
	s := roleSyncer(t, dir, store)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin to "}, roleText(plan))
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Empty(t, rolesIn(t, store, "ann"))
}

// finalProving calls gone whom it does not list, and still proves roles.
type finalProving struct{ provingDirectory }

func (d finalProving) Traits() Traits { return Traits{Final: true, Roles: d.roles} }

func TestRoles_AFinalDirectoryIsAskedForProofToo(t *testing.T) {
	store := NewMemoryStore(userWith("ann", "admin"))
	dir := newProving(entryWith("ann"))
	dir.proofs[roleID("ann")] = entryWith("ann", "admin")
	plan, err := roleSyncer(t, finalProving{dir}, store).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, roleText(plan))
}

// Where several directories see an account out of their scope, none of them lists it, and
// whichever comes first is not the only one that counts.
func TestRoles_OfAnAccountOutOfTheScopeOfAllJoined(t *testing.T) {
	outside := func(roles, unknown []string) Entry {
		e := entryWith("ann", roles...)
		e.State, e.Unknown = StateOutOfScope, withRoles(unknown...)
		return e
	}
	lacks, elsewhere := outside(nil, nil), Entry{ObjectID: roleID("bob"), State: StateUnproven}
	for name, other := range map[string]Entry{"has it": outside([]string{"admin"}, nil), "cannot tell": outside(nil, []string{"admin"})} {
		for order, entries := range map[string][2]Entry{"first": {other, lacks}, "last": {lacks, other}} {
			one, two := newProving(entries[0], entryWith("bob")), newProving(entries[1])
			two.StaticDirectory = append(two.StaticDirectory, elsewhere)
			store := NewMemoryStore(userWith("ann", "admin"), userWith("bob"))
			plan, err := roleSyncer(t, Join(one, two), store).Plan(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{"notice out-of-scope ann"}, roleText(plan), "%s, %s", name, order)
		}
	}
	store := NewMemoryStore(userWith("ann", "admin"), userWith("bob"))
	plan, err := roleSyncer(t, Join(newProving(lacks, entryWith("bob")), newProving(lacks, elsewhere)), store).Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin to ", "notice out-of-scope ann"}, roleText(plan))
}

// Nobody protected loses a role, and so a run that gave one is taken back without that.
func TestInverse_LeavesAProtectedUserItsRoles(t *testing.T) {
	protected := userWith("ann")
	protected.Protected = true
	store := NewMemoryStore(protected, userWith("bob"))
	entry := entryWith("ann", "admin")
	entry.Phone = "1"
	s := roleSyncer(t, newProving(entry, entryWith("bob", "admin")), store)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Equal(t, []string{"admin"}, rolesIn(t, store, "ann"))
	back, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	_, err = s.Apply(t.Context(), back, Approval{Digest: back.Digest(), At: report.Plan.Reading.At})
	require.NoError(t, err)
	u, _ := store.Get("ann")
	assert.Equal(t, []string{"admin"}, u.Extra.Set(FieldRoles))
	assert.Empty(t, u.Phone)
	assert.Empty(t, rolesIn(t, store, "bob"))
	assert.Contains(t, roleText(back), "notice undone ann it is protected, and keeps the role admin")
}

// A directory has no say in what the host itself gave.
func TestRules_HostRolesAreNoDetail(t *testing.T) {
	entry, user := entryWith("ann"), userWith("ann", "admin")
	entry.Extra = entry.Extra.With(FieldHostRoles, "admin")
	plan, err := Reconcile([]Entry{entry}, []User{user}, Rules{Source: "ad", Fields: []Field{FieldUsername, FieldHostRoles}})
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
}

// Before Apply writes it asks for proof about each account whose users are to lose a role,
// whatever else is written, once and in order.
func TestRoles_ApplyAsksForProofOfEachLoss(t *testing.T) {
	users := []User{userWith("ann", "admin"), userWith("bob", "admin"), userWith("cat", "admin"), userWith("dan", "admin"), userWith("eve", "admin")}
	users[1].ID, users[2].ID, users[3].ID = "3", "2", "1"
	renamed := entryWith("eve", "admin")
	renamed.Phone = "1"
	gone := Entry{ObjectID: roleID("ann"), State: StateDeleted}
	dir := newProving(gone, entryWith("bob"), entryWith("cat"), entryWith("dan"), renamed)
	s := roleSyncer(t, dir, NewMemoryStore(users...))
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, OpDelete, plan.Changes[0].Op)
	*dir.asked = nil
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, []ObjectID{roleID("bob"), roleID("cat"), roleID("dan")}, *dir.asked)
}
