package adsync

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Proof is asked for of those accounts alone, each once, whose users a plan is about and
// would lose a role.
func TestRoles_AskForProofOfThoseWhoLoseOne(t *testing.T) {
	torn := entryWith("torn")
	torn.Phone = "1"
	for name, tt := range map[string]struct {
		users   []User
		entries []Entry
		chosen  []Selection
		want    []string
	}{
		"not of those who lose none": {
			users:   []User{userWith("ann", "admin"), userWith("bob"), userWith("cat", "vip"), userWith("zoe", "admin")},
			entries: []Entry{entryWith("ann", "admin"), entryWith("bob", "admin"), entryWith("cat"), entryWith("zoe")},
			want:    []string{"zoe"}},
		"not of those who were not chosen": {
			users:   []User{userWith("ann", "admin"), userWith("zoe", "admin")},
			entries: []Entry{entryWith("ann"), entryWith("zoe")},
			chosen:  []Selection{OnlyUsers("zoe")},
			want:    []string{"zoe"}},
		"not of those who are listed twice": {
			users:   []User{userWith("torn", "admin"), userWith("zoe", "admin")},
			entries: []Entry{entryWith("torn"), torn, entryWith("zoe")},
			want:    []string{"zoe"}},
		"in order": {
			users:   []User{userWith("zoe", "admin"), userWith("bob", "admin"), userWith("ann", "admin")},
			entries: []Entry{entryWith("zoe"), entryWith("bob"), entryWith("ann")},
			want:    []string{"ann", "bob", "zoe"}},
		"once of two users of an account": {
			users:   []User{userWith("ann", "admin"), userWith("bob", "admin"), func() User { u := userWith("ann", "admin"); u.ID, u.Username = "other", "other"; return u }()},
			entries: []Entry{entryWith("ann"), entryWith("bob")},
			want:    []string{"ann", "bob"}},
		"of a user who is not the first of an account": {
			users:   []User{userWith("ann"), func() User { u := userWith("ann", "admin"); u.ID, u.Username = "other", "other"; return u }()},
			entries: []Entry{entryWith("ann")},
			want:    []string{"ann"}},
		"not for another user of a chosen one's account": {
			users:   []User{userWith("ann"), func() User { u := userWith("ann", "admin"); u.ID, u.Username = "other", "other"; return u }()},
			entries: []Entry{entryWith("ann")},
			chosen:  []Selection{OnlyUsers("ann")}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newProving(tt.entries...)
			s, err := New(dir, NewMemoryStore(tt.users...), &Options{Rules: Rules{Source: "ad"}})
			require.NoError(t, err)
			_, err = s.Plan(t.Context(), tt.chosen...)
			require.NoError(t, err)
			var want []ObjectID
			for _, name := range tt.want {
				want = append(want, roleID(name))
			}
			assert.Equal(t, want, *dir.asked)
		})
	}
}

// A directory without the power to prove roles is not asked again: its word is enough.
func TestRoles_OfADirectoryThatProvesNone(t *testing.T) {
	asked := 0
	dir := directoryFuncs{
		entries: StaticDirectory{entryWith("ann")}.Entries,
		find: func(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
			asked++
			return StaticDirectory{entryWith("ann")}.Find(ctx, ids)
		},
	}
	s, err := New(rolesKnown{dir}, NewMemoryStore(userWith("ann", "admin")), &Options{Rules: Rules{Source: "ad", Import: true}})
	require.NoError(t, err)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"update ann: admin to "}, roleText(plan))
	assert.Zero(t, asked)
}

// rolesKnown is a directory that knows of a role.
type rolesKnown struct{ Directory }

func (rolesKnown) Traits() Traits { return Traits{Roles: []string{"admin"}} }

// What is not proven is told of each user with just the roles that it would lose, and not of
// one who is protected, or of roles of which the directory told nothing anyway.
func TestRoles_ThatAreNotProvenAreNamed(t *testing.T) {
	protected := userWith("ann", "admin")
	protected.ID, protected.Username, protected.Protected = "ann2", "ann2", true
	silent := entryWith("bob", "editor")
	silent.Unknown = withRoles("admin")
	doubt := func(name string, roles ...string) Entry {
		e := entryWith(name)
		e.Unknown = withRoles(roles...)
		return e
	}
	for name, tt := range map[string]struct {
		users   []User
		entries []Entry
		proofs  []Entry
		want    []string
	}{
		"of several accounts": {
			users:   []User{userWith("ann", "admin"), userWith("bob", "editor")},
			entries: []Entry{entryWith("ann"), entryWith("bob")},
			proofs:  []Entry{doubt("ann", "admin"), doubt("bob", "editor")},
			want:    []string{"ann would lose the role admin", "bob would lose the role editor"}},
		"one of several roles": {
			users:   []User{userWith("ann", "admin", "editor", "vip")},
			entries: []Entry{entryWith("ann", "editor")},
			proofs:  []Entry{doubt("ann", "admin", "editor", "vip")},
			want:    []string{"ann would lose the role admin"}},
		"what the directory does not tell": {
			users:   []User{userWith("bob", "admin", "editor", "vip")},
			entries: []Entry{doubt("bob", "admin")},
			proofs:  []Entry{doubt("bob", "admin", "editor")},
			want:    []string{"bob would lose the role editor"}},
		"another user of the account is protected": {
			users:   []User{userWith("ann", "admin"), protected},
			entries: []Entry{entryWith("ann")},
			proofs:  []Entry{doubt("ann", "admin")},
			want:    []string{"ann would lose the role admin"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newProving(tt.entries...)
			for _, proof := range tt.proofs {
				dir.proofs[proof.ObjectID] = proof
			}
			s, err := New(dir, NewMemoryStore(tt.users...), &Options{Rules: Rules{Source: "ad"}})
			require.NoError(t, err)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			var got []string
			for _, c := range plan.Changes {
				if words, _, found := strings.Cut(c.Detail, ", but nothing proves it"); found {
					got = append(got, c.UserID+" "+words)
				}
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// ofThree is a plan that changes three users, and so many others that three are few.
func ofThree(t *testing.T, users []User, entries []Entry) (*MemoryStore, *Syncer, *Plan) {
	t.Helper()
	for i := range 21 {
		name := fmt.Sprintf("u%02d", i)
		users, entries = append(users, userWith(name)), append(entries, entryWith(name))
	}
	store := NewMemoryStore(users...)
	s, err := New(newProving(entries...), store, &Options{Rules: Rules{Source: "ad"}})
	require.NoError(t, err)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 3)
	return store, s, plan
}

// Who was deleted by this plan already counts as having had its roles, so that the rest of a
// run that was cut short is no more than the whole.
func TestRoles_OfThoseWhomAHalfDonePlanDeletedAreCounted(t *testing.T) {
	gone := entryWith("ann")
	gone.State = StateDeleted
	users := []User{userWith("ann", "admin"), userWith("bob", "admin"), userWith("cat", "admin"), userWith("dan", "admin")}
	entries := []Entry{gone, entryWith("bob"), entryWith("cat"), entryWith("dan", "admin")}
	store, s, plan := ofThree(t, users, entries)
	for _, c := range plan.Changes {
		if c.Op == OpDelete {
			require.NoError(t, store.DeleteUser(t.Context(), c))
		}
	}
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, 2, report.Counts().Modified)
}

// Who is gone, and was to lose no role by this plan, was nobody's last of one: those whom the
// plan would take it from may be all that are left.
func TestRoles_OfThoseWhoAreGoneAreNotCounted(t *testing.T) {
	moved := entryWith("dan", "admin")
	moved.Phone = "1"
	users := []User{userWith("bob", "admin"), userWith("cat", "admin"), userWith("dan", "admin")}
	entries := []Entry{entryWith("bob"), entryWith("cat"), moved}
	store, s, plan := ofThree(t, users, entries)
	dan, _ := store.Get("dan")
	require.NoError(t, store.DeleteUser(t.Context(), Change{Op: OpDelete, UserID: "dan", Before: &dan}))
	_, err := s.Apply(t.Context(), plan)
	var beyond *LimitError
	require.ErrorAs(t, err, &beyond)
	assert.Equal(t, "admin", beyond.Role)
}

// A directory that proves no roles is asked about an account once, as it has said all it knows.
func TestRoles_OfADirectoryThatProvesNoneAreLookedUpOnce(t *testing.T) {
	asked := 0
	dir := rolesKnown{directoryFuncs{
		entries: StaticDirectory{entryWith("ann")}.Entries,
		find: func(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
			asked++
			return StaticDirectory{entryWith("ann")}.Find(ctx, ids)
		},
	}}
	store := NewMemoryStore(userWith("ann", "admin"))
	s := roleSyncer(t, dir, store)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"update ann: admin to "}, roleText(plan))
	asked = 0
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Empty(t, rolesIn(t, store, "ann"))
	assert.Equal(t, 1, asked)
}
