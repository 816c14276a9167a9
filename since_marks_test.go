package adsync_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// packed is a set of accounts as a mark has it.
func packed(ns ...byte) []byte {
	all := []byte{}
	for _, n := range ns {
		one := id(n)
		all = append(all, one[:]...)
	}
	return all
}

// namesakes are n users and their accounts, which are in order.
func namesakes(n byte) (*inquirer, []adsync.User) {
	dir := &inquirer{logbook: &logbook{controller: "one"}}
	var users []adsync.User
	for i := byte(1); i <= n; i++ {
		name := fmt.Sprintf("name%03d", i)
		dir.set(entry(i, name, ""))
		users = append(users, user(name, i, name, ""))
	}
	return dir, users
}

// A mark may know several controllers. A plan goes on with the one that is read, looks up who
// was looked up on others since, and keeps what is known of those.
func TestSince_GoesOnWithAnyControllerOfItsMark(t *testing.T) {
	dir, users := namesakes(9)
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
	s.SetClock(func() time.Time { return now })
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	mark := report.Mark()
	for _, other := range []string{"two", "three"} {
		mark.Directory = append(mark.Directory, adsync.DirectoryMark{Controller: other, Data: mark.Directory[0].Data})
	}
	mark.Others = [][]byte{packed(4), packed(3, 5), nil}
	dir.set(entry(2, "new", ""))
	dir.controller, dir.asked = "two", nil
	now = now.Add(time.Hour)
	report, err = s.Sync(t.Context(), adsync.Since(mark))
	require.NoError(t, err)
	assert.Empty(t, report.Plan.Reading.Full)
	assert.Equal(t, []string{"name002 update changed"}, inBrief(report.Plan))
	assert.Equal(t, []adsync.ObjectID{id(2), id(3), id(5)}, dir.asked)
	next := report.Mark()
	var names []string
	for _, m := range next.Directory {
		names = append(names, m.Controller)
	}
	assert.Equal(t, []string{"two", "one", "three"}, names)
	assert.Equal(t, [][]byte{nil, packed(2, 3, 4, 5), packed(2, 3, 5)}, next.Others)
	assert.Equal(t, mark.Full, next.Full, "of the last full reading")
	assert.Equal(t, now, next.At)
}

// Of a controller that would have too many accounts to ask about, nothing is kept. A mark has
// no more controllers than it may.
func TestSince_KeepsWhatFitsIntoAMark(t *testing.T) {
	others := func(n int) []byte {
		var all []byte
		for i := range n {
			one := adsync.ObjectID{9, byte(i >> 16), byte(i >> 8), byte(i)}
			all = append(all, one[:]...)
		}
		return all
	}
	for n, want := range map[int]int{65535: 16, 65536: 15} {
		dir, users := namesakes(3)
		s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		mark := report.Mark()
		for n := range 15 {
			mark.Directory = append(mark.Directory, adsync.DirectoryMark{Controller: "other" + strconv.Itoa(n)})
			mark.Others = append(mark.Others, nil)
		}
		dir.set(entry(2, "name002", "new@x")) // who is looked up, too
		mark.Others[15] = others(n)
		plan, err := s.Sync(t.Context(), adsync.Since(mark))
		require.NoError(t, err)
		require.Empty(t, plan.Plan.Reading.Full)
		assert.Len(t, plan.Mark().Directory, want)
		assert.Equal(t, 1, plan.Plan.Reading.Looked)
	}
}

// Accounts that no plan would be about are not looked up, and the statistics are those of a
// full plan.
func TestSince_LooksUpNobodyElse(t *testing.T) {
	dir, users := namesakes(9)
	users = append([]adsync.User{{ID: "local", Profile: profile("local", "")}}, users...)
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Only: []string{"name001", "name002", "name003"}}})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	for _, n := range []byte{2, 8, 99} { // of the last, nobody is linked
		dir.set(entry(n, "new"+strconv.Itoa(int(n)), ""))
	}
	full, err := s.Plan(t.Context())
	require.NoError(t, err)
	dir.asked = nil
	plan, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	assert.Empty(t, plan.Reading.Full)
	assert.Equal(t, []adsync.ObjectID{id(2)}, dir.asked)
	assert.Equal(t, full.Changes, plan.Changes)
	assert.Equal(t, full.Stats, plan.Stats)
}

// When the host edits a row, others of its bucket are looked up, but nobody whom the plan is
// not about, and no local user.
func TestSince_LooksUpTheChosenOfABucket(t *testing.T) {
	dir, users := namesakes(9)
	users = append(users, adsync.User{ID: "alocal", Profile: profile("local", "")})
	store := adsync.NewMemoryStore(users...)
	var only []string
	for _, u := range users[1:9] {
		only = append(only, u.ID)
	}
	s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Only: only, Import: true}})
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	edited := users[3]
	edited.Phone = "1"
	require.NoError(t, store.UpdateUser(t.Context(), adsync.NewUpdate(adsync.ReasonChanged, &users[3], &edited)))
	dir.asked = nil
	plan, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	assert.Empty(t, plan.Reading.Full)
	assert.Equal(t, []string{"name004 update changed"}, inBrief(plan))
	var want []adsync.ObjectID
	for n := byte(2); n <= 9; n++ {
		want = append(want, id(n))
	}
	assert.Equal(t, want, dir.asked)
}

// A plan about some users leaves no mark and needs none, though its directory could tell.
func TestSince_IsNotOfAPlanAboutSome(t *testing.T) {
	dir, users := namesakes(2)
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Sync(t.Context(), adsync.OnlyUsers("name001"))
	require.NoError(t, err)
	assert.Nil(t, report.Mark())
	assert.Empty(t, report.Plan.Reading.Full)
}

// What is wrong with the mark is said, and not that the directory could not have told either.
func TestSince_SaysWhatIsWrongWithTheMarkFirst(t *testing.T) {
	plan, err := newSyncer(t, adsync.StaticDirectory{entry(1, "ann", "")}, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil).Plan(t.Context(), adsync.Since(nil))
	require.NoError(t, err)
	assert.Equal(t, "there is no mark of an earlier run", plan.Reading.Full)
}

// Who is in the groups that give roles matters only where those have changed.
func TestSince_AsksForMembersOfGroupsThatChanged(t *testing.T) {
	mapped := adsync.Rules{Version: "1", Map: func(e adsync.Entry) (adsync.Profile, error) { return e.Profile, nil }}
	for _, rules := range []adsync.Rules{{}, mapped} {
		for _, says := range []string{"", "it was restored"} {
			log := &logbook{StaticDirectory: adsync.StaticDirectory{entryWith(1, "ann", extra("roles", "admin"))}, controller: "one"}
			s := newSyncer(t, regrouping{log}, adsync.NewMemoryStore(userWith("ann", 1, extra("roles", "admin"))).Hold(adsync.FieldRoles), &adsync.Options{Rules: rules})
			report, err := s.Sync(t.Context())
			require.NoError(t, err)
			log.says, log.members = says, map[string][]adsync.ObjectID{}
			plan, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
			require.NoError(t, err)
			assert.Equal(t, says, plan.Reading.Full)
			assert.Zero(t, plan.Reading.Looked)
		}
	}
}

// A server that fails after it told who is in which group leaves that to nobody.
func TestSince_ForgetsTheMembersThatAnotherServerTold(t *testing.T) {
	admin := extra("roles", "admin")
	good := &logbook{StaticDirectory: adsync.StaticDirectory{entryWith(1, "ann", admin), entryWith(2, "bob", adsync.Extra{})}, controller: "one"}
	users := []adsync.User{userWith("ann", 1, admin), userWith("bob", 2, adsync.Extra{})}
	store := adsync.NewMemoryStore(users...).Hold(adsync.FieldRoles)
	bad := &logbook{controller: "one", members: map[string][]adsync.ObjectID{"admin": {id(2)}}}
	failed := brokenLog{regrouping{bad}}
	dir := roleServers{controllers{func() (adsync.Directory, error) { return good, nil }}}
	report, err := newSyncer(t, dir, store, nil).Sync(t.Context())
	require.NoError(t, err)
	bad.says = adsync.GroupsChanged
	dir.controllers = controllers{func() (adsync.Directory, error) { return failed, nil }, func() (adsync.Directory, error) { return good, nil }}
	plan, err := newSyncer(t, dir, store, nil).Plan(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	assert.Empty(t, plan.Reading.Full)
	assert.Zero(t, plan.Reading.Looked)
}

// roleServers are servers of a directory that knows of a role.
type roleServers struct{ controllers }

func (roleServers) Traits() adsync.Traits {
	return adsync.Traits{Fields: append(slices.Clone(detailFields), adsync.FieldRoles), Sets: []adsync.Field{adsync.FieldRoles}, Roles: []string{"admin"}}
}

// brokenLog is a server that tells what has changed, and fails when it is asked about that.
type brokenLog struct{ regrouping }

func (brokenLog) Find(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) }
}

// When local users have come to have the names of others, and somebody asks for one of these,
// the others are looked up, each once: the directory may have other names for them by then.
func TestSince_LooksUpWhoIsInAnothersWayOnce(t *testing.T) {
	dir, users := namesakes(200)
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil).Sync(t.Context())
	require.NoError(t, err)
	for i := 1; i <= 20; i++ {
		name := users[i].Username
		users = append(users, adsync.User{ID: "local" + name, Profile: profile(name, "")})
		dir.StaticDirectory[i].Username = users[i+1].Username
	}
	dir.set(entry(1, users[1].Username, ""))
	dir.asked = nil
	s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
	plan, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	assert.Empty(t, plan.Reading.Full)
	assert.Equal(t, 21, plan.Reading.Looked)
	assert.Len(t, dir.asked, 21)
	full, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Equal(t, full.Changes, plan.Changes)
	assert.Equal(t, full.Stats, plan.Stats)

	s.LookUpInTurns(1)
	plan, err = s.Plan(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	assert.Equal(t, "too many accounts depend on each other", plan.Reading.Full)
	assert.True(t, plan.Reading.Since.IsZero(), "so everything is read")
	assert.Equal(t, full.Changes, plan.Changes)
	assert.Equal(t, full.Stats, plan.Stats)
}

// The host may delete a user whose account a mark remembers as disabled or out of scope. That
// is then nobody's.
func TestSince_RemembersNobodyWhoIsGone(t *testing.T) {
	for gone := byte(100); gone < 108; gone++ {
		dir, users := namesakes(200)
		e := entry(gone, fmt.Sprintf("name%03d", gone), "")
		if gone%2 == 0 {
			e.Disabled = true
		} else {
			e.State = adsync.StateOutOfScope
		}
		dir.set(e)
		store := adsync.NewMemoryStore(users...)
		s := newSyncer(t, dir, store, nil)
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		require.Len(t, append(report.Mark().Disabled, report.Mark().Outside...), 16)
		require.NoError(t, store.DeleteUser(t.Context(), deletionOf(users[gone-1])))
		plan, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		assert.Empty(t, plan.Reading.Full)
		assert.Empty(t, plan.Changes)
	}
}

// A full plan whose time has come counts of whom plans by mark would have told too late: of
// those whom they had not looked up, and whose state they do not remember.
func TestSince_CountsWhatCameTooLate(t *testing.T) {
	for name, test := range map[string]struct {
		imports      bool
		late, writes int
	}{"": {false, 3, 2}, "users were added": {true, 0, 0}} {
		dir, users := namesakes(200)
		now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		silently := func(n byte, change func(*adsync.Entry)) {
			place := slices.IndexFunc(dir.StaticDirectory, func(e adsync.Entry) bool { return e.ObjectID == id(n) })
			change(&dir.StaticDirectory[place])
		}
		silently(12, func(e *adsync.Entry) { e.Disabled = true })
		silently(13, func(e *adsync.Entry) { e.State = adsync.StateOutOfScope })
		silently(15, func(e *adsync.Entry) { e.Disabled = true })
		store := adsync.NewMemoryStore(users...)
		s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Import: test.imports}})
		s.SetClock(func() time.Time { return now })
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		dir.set(entry(1, "looked-up", ""))
		silently(10, func(e *adsync.Entry) { e.Phone = "1" })
		silently(11, func(e *adsync.Entry) { e.State = adsync.StateUnproven })
		silently(15, func(e *adsync.Entry) { e.Phone = "1" })
		if test.imports {
			_, err = store.CreateUser(t.Context(), creationOf(user("", 250, "added", "")))
			require.NoError(t, err)
		}
		now = now.Add(25 * time.Hour)
		plan, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		assert.Contains(t, plan.Reading.Full, "the last full reading is over", name)
		assert.Equal(t, []int{test.late, test.writes}, []int{plan.Reading.Late, plan.Reading.LateWrites}, name)
	}
}

// wavering is a logbook that fails once in what it is asked.
type wavering struct {
	*inquirer
	finds, marks *int // how often it is asked until it fails
	wrong        bool // instead it says what makes no sense
}

func (d wavering) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	if *d.finds--; *d.finds != 0 {
		return d.inquirer.Find(ctx, ids)
	}
	return func(yield func(adsync.Entry, error) bool) {
		if d.wrong {
			yield(adsync.Entry{ObjectID: ids[0], State: "vanished"}, nil)
			return
		}
		yield(adsync.Entry{}, errDown)
	}
}

func (d wavering) Reading(context.Context) (adsync.Reading, error) { return d, nil }

func (d wavering) Mark(ctx context.Context) (adsync.DirectoryMark, error) {
	if *d.marks--; *d.marks == 0 {
		return adsync.DirectoryMark{}, errDown
	}
	return d.inquirer.Mark(ctx)
}

// Access is what it knows of itself.
func (d wavering) Access() adsync.Access { return adsync.Access{Controller: "dc1"} }

// An error while what has changed is read ends the reading, and is not made up for.
func TestSince_EndsWithAnErrorOfWhatHasChanged(t *testing.T) {
	inner, users := namesakes(3)
	dir := wavering{inner, new(int), new(int), false}
	store := adsync.NewMemoryStore(users...)
	report, err := newSyncer(t, dir, store, nil).Sync(t.Context())
	require.NoError(t, err)
	dir.set(entry(2, "new", ""))
	for _, test := range []struct {
		finds, marks int
		wrong        bool
		says         string
	}{{0, 0, false, ""}, {1, 0, false, errDown.Error()}, {1, 0, true, "vanished"}, {0, 1, false, errDown.Error()}} {
		*dir.finds, *dir.marks, dir.wrong = test.finds, test.marks, test.wrong
		plan, err := newSyncer(t, dir, store, nil).Plan(t.Context(), adsync.Since(report.Mark()))
		if test.says == "" {
			require.NoError(t, err)
			assert.Equal(t, []string{"dc1"}, plan.Reading.Controllers, "as its readings tell")
			continue
		}
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		require.ErrorContains(t, err, test.says)
	}
	twice := repeating{store, func(adsync.User) bool { return true }}
	_, err = newSyncer(t, dir, twice, nil).Plan(t.Context(), adsync.Since(report.Mark()))
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorContains(t, err, "two users have the ID")
}

// unproving is a server that cannot prove any role lost.
type unproving struct{ regrouping }

func (unproving) ProveRoles(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) }
}

// A role is taken by no plan where the proof failed.
func TestSince_EndsWithAnErrorOfAProof(t *testing.T) {
	admin := extra("roles", "admin")
	log := &logbook{StaticDirectory: adsync.StaticDirectory{entryWith(1, "ann", admin)}, controller: "one"}
	store := adsync.NewMemoryStore(userWith("ann", 1, admin)).Hold(adsync.FieldRoles)
	s := newSyncer(t, unproving{regrouping{log}}, store, nil)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	log.set(entryWith(1, "ann", adsync.Extra{}))
	_, err = s.Plan(t.Context(), adsync.Since(report.Mark()))
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errDown)
}
