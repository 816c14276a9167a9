package adsync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

const day = 24 * time.Hour

// at is that many days into the time of these tests.
func at(days float64) adsync.Moment {
	return adsync.MomentOf(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(days * float64(day))))
}

func TestRemoveAfter_DeactivatesFirstAndRemovesWhenTheTimeHasCome(t *testing.T) {
	active := user("u1", 1, "ann", "ann@x")
	waiting := active
	waiting.Status, waiting.DeactivatedAt = adsync.StatusDeactivated, at(2)
	unstamped, blocked, protected := waiting, waiting, waiting
	unstamped.DeactivatedAt = 0
	keeps := unstamped
	keeps.Protected = true
	blocked.Status = adsync.StatusBlocked
	protected.Protected = true
	deleted := func(when adsync.Moment) adsync.Entry {
		return adsync.Entry{ObjectID: id(1), State: adsync.StateDeleted, DeletedAt: when}
	}
	disabled := entry(1, "ann", "ann@x")
	disabled.Disabled = true
	for _, tt := range []struct {
		name   string
		entry  adsync.Entry
		user   adsync.User
		now    adsync.Moment
		want   string
		detail string
	}{
		{"first", deleted(at(0)), active, at(100), "u1 update deleted", "to be removed 30 days later"},
		{"waiting", deleted(at(0)), waiting, at(32) - 1, "u1 notice leaving", "to be removed as deleted on 2026-12-03T12:00:00Z"},
		{"its time", deleted(at(0)), waiting, at(32), "u1 delete deleted", ""},
		{"a later tombstone", deleted(at(5)), waiting, at(35) - 1, "u1 notice leaving", "to be removed as deleted on 2026-12-06T12:00:00Z"},
		{"its time", deleted(at(5)), waiting, at(35), "u1 delete deleted", ""},
		{"no time", deleted(at(0)), waiting, 0, "u1 notice leaving", "to be removed as deleted on 2026-12-03T12:00:00Z"},
		{"no moment", deleted(at(0)), unstamped, at(1000), "u1 update deleted", "to be removed 30 days later"},
		{"blocked", deleted(at(0)), blocked, at(1000), "u1 notice deleted", "neither deactivated nor removed: the host made it blocked"},
		{"protected", deleted(at(0)), protected, at(1000), "u1 notice protected", "would be removed as deleted"},
		{"protected, no moment", deleted(at(0)), keeps, at(1000), "u1 notice protected", "would be removed as deleted"},
		{"disabled", disabled, waiting, at(31), "u1 notice leaving", "to be removed as disabled on 2026-12-03T12:00:00Z"},
		{"disabled", disabled, waiting, at(32), "u1 delete disabled", ""},
		{"out of scope", adsync.Entry{ObjectID: id(1), State: adsync.StateOutOfScope}, waiting, at(32), "u1 delete out-of-scope", ""},
		{"unproven", adsync.Entry{ObjectID: id(1), State: adsync.StateUnproven}, waiting, at(32), "u1 delete unproven", ""},
		{"returned", entry(1, "ann", "ann@x"), waiting, at(1000), "u1 update reactivated", ""},
		{"disputed", adsync.Entry{ObjectID: id(1), State: adsync.StateDisputed}, waiting, at(1000), "", ""},
		{"disputed, no moment", adsync.Entry{ObjectID: id(1), State: adsync.StateDisputed}, unstamped, at(1000), "", ""},
	} {
		rules := adsync.Rules{RemoveAfter: 30 * day, Now: tt.now, OnDisabled: adsync.Remove, OnOutOfScope: adsync.Remove, OnUnproven: adsync.Remove}
		plan := mustReconcile(t, []adsync.Entry{tt.entry}, []adsync.User{tt.user}, rules)
		if tt.want == "" {
			assert.Empty(t, plan.Changes, tt.name)
			continue
		}
		require.Equal(t, []string{tt.want}, inBrief(plan), tt.name)
		c := plan.Changes[0]
		assert.Equal(t, tt.detail, c.Detail, tt.name)
		if _, due, _ := strings.Cut(tt.detail, " on "); c.Reason == adsync.ReasonLeaving {
			assert.Equal(t, due, c.Due().String(), tt.name)
		} else {
			assert.Zero(t, c.Due(), tt.name)
		}
		switch {
		case c.Op == adsync.OpUpdate && c.Reason == adsync.ReasonReactivated:
			assert.Equal(t, active.Profile, c.After.Profile)
			assert.Zero(t, c.After.DeactivatedAt)
		case c.Op == adsync.OpUpdate:
			assert.Equal(t, adsync.StatusDeactivated, c.After.Status, tt.name)
			assert.Equal(t, adsync.AtWrite, c.After.DeactivatedAt, tt.name)
		}
	}
}

// Whoever waits holds its keys: nobody else gets them, and it has them when it returns.
func TestRemoveAfter_KeepsTheKeys(t *testing.T) {
	waiting := user("u1", 1, "ann", "ann@x")
	waiting.Status, waiting.DeactivatedAt = adsync.StatusDeactivated, at(2)
	gone := adsync.Entry{ObjectID: id(1), State: adsync.StateDeleted}
	rival := entry(2, "ann", "")
	users := []adsync.User{waiting, user("u2", 2, "bob", "")}
	rules := adsync.Rules{RemoveAfter: 30 * day, Now: at(3)}
	plan := mustReconcile(t, []adsync.Entry{gone, rival}, users, rules)
	assert.Equal(t, []string{"u2 duplicate taken", "u1 notice leaving"}, inBrief(plan))
	var out bytes.Buffer
	_, err := plan.WriteTo(&out)
	require.NoError(t, err)
	assert.Contains(t, out.String(), "kept for now: to be removed (to be removed as deleted on 2026-12-03T12:00:00Z)")
	rules.Now = at(32)
	plan = mustReconcile(t, []adsync.Entry{gone, rival}, users, rules)
	assert.Equal(t, []string{"u1 delete deleted", "u2 update changed"}, inBrief(plan))
}

func TestChange_DueIsOfAWaitingLeaverAlone(t *testing.T) {
	const detail = "to be removed as deleted on 2026-12-03T12:00:00Z"
	assert.Equal(t, "2026-12-03T12:00:00Z", adsync.Change{Reason: adsync.ReasonLeaving, Detail: detail}.Due().String())
	for _, c := range []adsync.Change{{Reason: adsync.ReasonChanged, Detail: detail}, {Reason: adsync.ReasonLeaving}, {Reason: adsync.ReasonLeaving, Detail: "soon"}} {
		assert.Zero(t, c.Due(), "%+v", c)
	}
}

// timed is a directory with a clock.
type timed struct {
	adsync.StaticDirectory
	now  func() time.Time
	kept time.Duration
}

func (d timed) Time(context.Context) (adsync.Moment, time.Duration, error) {
	return adsync.MomentOf(d.now()), d.kept, nil
}

func TestRemoveAfter_NeedsAStoreAndALifetimeForIt(t *testing.T) {
	opts := &adsync.Options{Rules: adsync.Rules{RemoveAfter: 91 * day}}
	_, err := adsync.New(adsync.StaticDirectory{}, bareStore{adsync.NewMemoryStore()}, opts)
	assert.ErrorContains(t, err, "FieldDeactivatedAt")
	dir := timed{adsync.StaticDirectory{entry(1, "ann", "")}, time.Now, 180 * day}
	store := adsync.NewMemoryStore(user("u1", 1, "ann", ""))
	_, err = newSyncer(t, dir, store, opts).Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	assert.ErrorContains(t, err, "91 days, more than half of the 180 days")
	opts.Rules.RemoveAfter = 90 * day
	_, err = newSyncer(t, dir, store, opts).Plan(t.Context())
	assert.NoError(t, err)
	opts.Rules.RemoveAfter = -1
	assert.Error(t, opts.Rules.Check())
	opts.Rules = adsync.Rules{Now: -1}
	assert.ErrorContains(t, opts.Rules.Check(), "Rules.Now")
	opts.Rules = adsync.Rules{RemoveAfter: day, Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldActive}}
	assert.ErrorContains(t, opts.Rules.Check(), "add FieldDeactivatedAt")
	opts.Rules.Fields = append(opts.Rules.Fields, adsync.FieldDeactivatedAt)
	assert.NoError(t, opts.Rules.Check())
}

func TestRemoveAfter_IsSpeltInDays(t *testing.T) {
	for wait, want := range map[time.Duration]string{day: "1 day", 2 * day: "2 days", 36 * time.Hour: "36h0m0s"} {
		gone := []adsync.Entry{{ObjectID: id(1), State: adsync.StateDeleted}}
		plan := mustReconcile(t, gone, []adsync.User{user("u1", 1, "ann", "")}, adsync.Rules{RemoveAfter: wait})
		assert.Equal(t, "to be removed "+want+" later", plan.Changes[0].Detail)
	}
}

// clockless is a directory that fails when it is asked for its time.
type clockless struct{ adsync.StaticDirectory }

var errNoClock = errors.New("no clock")

func (clockless) Time(context.Context) (adsync.Moment, time.Duration, error) {
	return 0, 0, errNoClock
}

func TestRemoveAfter_AloneAsksForTheTime(t *testing.T) {
	dir := clockless{adsync.StaticDirectory{entry(1, "ann", "")}}
	store := adsync.NewMemoryStore(user("u1", 1, "ann", ""))
	_, err := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{RemoveAfter: day}}).Plan(t.Context())
	assert.ErrorIs(t, err, errNoClock)
	_, err = newSyncer(t, dir, store, nil).Plan(t.Context())
	assert.NoError(t, err)

	dir.StaticDirectory[0].State = adsync.StateDeleted
	rules := adsync.Rules{RemoveAfter: day}
	plan := mustReconcile(t, dir.StaticDirectory, allUsers(t, store), rules)
	report, err := newSyncer(t, dir, store, &adsync.Options{Rules: rules}).Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errNoClock, "a plan from anywhere is applied by that time too")
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeNotAttempted}, outcomes(report))
}

// While the clocks disagree a leaver is deactivated without a moment, and a plan says so of
// each whose time does not run.
func TestRemoveAfter_SaysOfWhomTheTimeDoesNotRun(t *testing.T) {
	dir := timed{adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}, {ObjectID: id(2), State: adsync.StateDeleted}}, at(1).Time, 0}
	active, off := user("u1", 1, "ann", ""), user("u2", 2, "bob", "")
	off.Status = adsync.StatusDeactivated
	s := newSyncer(t, dir, adsync.NewMemoryStore(active, off), &adsync.Options{Rules: adsync.Rules{RemoveAfter: day}})
	s.SetClock(at(2).Time)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"u1 update deleted", "u2 notice deleted"}, inBrief(plan))
	require.Len(t, plan.Warnings, 1)
	assert.Contains(t, plan.Warnings[0], "clocks of the host and the directory are more than 5 minutes apart")
	for _, c := range plan.Changes {
		assert.Equal(t, "to be removed, and since when is not known while the clocks disagree", c.Detail)
	}
	assert.Zero(t, plan.Changes[0].After.DeactivatedAt)
}

// A plan from anywhere is believed to remove somebody only if the time has come by now.
func TestApply_BelievesARemovalOnlyWhenItsTimeHasCome(t *testing.T) {
	waiting := user("u1", 1, "ann", "")
	waiting.Status, waiting.DeactivatedAt = adsync.StatusDeactivated, at(0)
	now := at(29).Time()
	clock := func() time.Time { return now }
	dir := timed{adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}}, clock, 0}
	rules := adsync.Rules{RemoveAfter: 30 * day}
	early := rules
	early.Now = at(30)
	plan := mustReconcile(t, dir.StaticDirectory, []adsync.User{waiting}, early)
	require.Equal(t, []string{"u1 delete deleted"}, inBrief(plan))
	for _, tt := range []struct {
		days float64
		want adsync.Outcome
	}{{29, adsync.OutcomeStale}, {30, adsync.OutcomeApplied}} {
		now = at(tt.days).Time()
		s := newSyncer(t, dir, adsync.NewMemoryStore(waiting), &adsync.Options{Rules: rules})
		s.SetClock(clock)
		report, err := s.Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, tt.want, report.Results[0].Outcome, tt.days)
	}
}

// A leaver of whom it is not known since when is given a moment, and one who is active again
// loses what is left there.
func TestApply_WritesAndClearsTheMomentAlone(t *testing.T) {
	leaver, back := user("u1", 1, "ann", ""), user("u2", 2, "bob", "")
	leaver.Status, back.DeactivatedAt = adsync.StatusDeactivated, at(1)
	dir := timed{adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}, entry(2, "bob", "")}, at(2).Time, 0}
	rules := adsync.Rules{RemoveAfter: 30 * day}
	store := adsync.NewMemoryStore(leaver, back)
	store.SetClock(at(2).Time)
	s := newSyncer(t, dir, store, &adsync.Options{Rules: rules})
	s.SetClock(at(2).Time)
	plan := mustReconcile(t, dir.StaticDirectory, []adsync.User{leaver, back}, rules)
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied, adsync.OutcomeApplied}, outcomes(report))
	leaver.DeactivatedAt, back.DeactivatedAt = at(2), 0
	assert.Equal(t, []adsync.User{leaver, back}, allUsers(t, store))
}

// While the clocks disagree no moment is written, whatever a plan says that was made before.
func TestApply_WritesNoMomentWhileTheClocksDisagree(t *testing.T) {
	users := []adsync.User{user("u1", 1, "ann", "")}
	ahead := time.Duration(0)
	dir := timed{adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}}, func() time.Time { return at(1).Time().Add(ahead) }, 0}
	rules := adsync.Rules{RemoveAfter: 30 * day}
	plan := mustReconcile(t, dir.StaticDirectory, users, rules)
	require.Equal(t, adsync.AtWrite, plan.Changes[0].After.DeactivatedAt)
	for _, test := range []struct {
		ahead time.Duration
		want  adsync.Outcome
	}{{0, adsync.OutcomeApplied}, {5 * time.Minute, adsync.OutcomeApplied}, {5*time.Minute + time.Second, adsync.OutcomeStale}} {
		ahead = test.ahead
		s := newSyncer(t, dir, adsync.NewMemoryStore(users...), &adsync.Options{Rules: rules})
		s.SetClock(at(1).Time)
		report, err := s.Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{test.want}, outcomes(report), test.ahead)
	}
}

// In random histories either clock jumps by any time, for as long as it likes, while the
// other is right. Nobody is removed before its time, by the true clock, and in the end all
// are.
func TestRemoveAfter_NoJumpOfAClockRemovesAnybodyEarly(t *testing.T) {
	const wait = 30 * day
	removed := 0
	for seed := range uint64(worldCount(t, 300)) {
		random := rand.New(rand.NewPCG(seed, 5))
		truth := at(0).Time()
		var hostOff, dirOff time.Duration
		host := func() time.Time { return truth.Add(hostOff) }
		jump := func() time.Duration {
			return time.Duration(random.Int64N(int64(800*day))) - 400*day
		}
		dir := &timed{now: func() time.Time { return truth.Add(dirOff) }}
		users := []adsync.User{}
		for n := range byte(3) {
			users = append(users, user(fmt.Sprint("u", n+1), n+1, fmt.Sprint("name", n), ""))
			dir.StaticDirectory = append(dir.StaticDirectory, entry(n+1, fmt.Sprint("name", n), ""))
		}
		store := adsync.NewMemoryStore(users...)
		store.SetClock(host)
		s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{RemoveAfter: wait}, Limits: adsync.Limits{MaxRemovalRatio: -1, MaxReactivated: -1}})
		s.SetClock(host)
		since := map[string]time.Time{} // when it was deactivated, truly
		step := func() {
			_, err := s.Sync(t.Context())
			require.NoError(t, err)
			for _, u := range users {
				switch now, ok := store.Get(u.ID); {
				case !ok && since[u.ID] != time.Time{}:
					removed++
					require.GreaterOrEqual(t, truth.Sub(since[u.ID]), wait-10*time.Minute, "seed %d: %s", seed, u.ID)
					delete(since, u.ID)
				case ok && now.Status != adsync.StatusDeactivated:
					delete(since, u.ID)
				case ok && since[u.ID].IsZero():
					since[u.ID] = truth
				}
			}
		}
		for range 25 {
			truth = truth.Add(time.Duration(random.Int64N(int64(12 * day))))
			switch n := random.IntN(len(users)); random.IntN(6) {
			case 0:
				hostOff, dirOff = jump(), 0
			case 1:
				hostOff, dirOff = 0, jump()
			case 2:
				hostOff, dirOff = 0, 0
			case 3:
				dir.StaticDirectory[n] = adsync.Entry{ObjectID: id(byte(n + 1)), State: adsync.StateDeleted, DeletedAt: adsync.MomentOf(dir.now())}
			case 4:
				if _, ok := store.Get(users[n].ID); ok {
					dir.StaticDirectory[n] = entry(byte(n+1), fmt.Sprint("name", n), "")
				}
			}
			step()
		}
	}
	assert.Greater(t, removed, 20, "that is, some were")
}

// Leavers wait, each for its time.
func TestReconcile_EqualsTheOracleWhereLeaversWait(t *testing.T) {
	seen := map[adsync.Reason]int{}
	inWorldsOf(t, 1000, leavingWorld, func(w world) error {
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		if w.rules.removeAfter > 0 {
			for _, c := range p.Changes {
				if c.Op == adsync.OpDelete || c.Reason == adsync.ReasonLeaving {
					seen[c.Reason]++
				}
			}
		}
		return errors.Join(reconcileEqualsOracle(w), checkPlan(w, p))
	})
	if t.Failed() {
		return
	}
	for _, r := range []adsync.Reason{adsync.ReasonLeaving, adsync.ReasonDeleted, adsync.ReasonDisabled, adsync.ReasonOutOfScope, adsync.ReasonUnproven} {
		assert.Positive(t, seen[r], r)
	}
}

// The earlier it is, the fewer are removed.
func TestRemoveAfter_AnEarlierTimeRemovesNobodyMore(t *testing.T) {
	inWorldsOf(t, 200, leavingWorld, func(w world) error {
		var before map[string]bool
		for _, now := range []adsync.Moment{at(1000), at(61), at(41), at(40), at(31), at(30), at(29), 0} {
			w.rules.now = now
			p, err := reconcile(w)
			if err != nil {
				return err
			}
			removed := map[string]bool{}
			for _, c := range p.Changes {
				if c.Op != adsync.OpDelete {
					continue
				}
				if removed[c.UserID] = true; before != nil && !before[c.UserID] {
					return fmt.Errorf("at %v user %s is removed, and not later", now, c.UserID)
				}
			}
			before = removed
		}
		return nil
	})
}

// A plan prints when somebody is deactivated as what it will be, as nobody knows the moment yet.
func TestRemoveAfter_PrintsTheMomentOfTheWrite(t *testing.T) {
	account := entry(1, "ann", "")
	account.Disabled = true
	plan := mustReconcile(t, []adsync.Entry{account}, []adsync.User{user("1", 1, "ann", "")},
		adsync.Rules{OnDisabled: adsync.Remove, RemoveAfter: 30 * day, Now: at(1)})
	var text strings.Builder
	_, err := plan.WriteTo(&text)
	require.NoError(t, err)
	assert.Contains(t, text.String(), "(when it is written)")
}
