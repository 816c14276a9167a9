package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// A plan that was tampered with is refused, or does no more than a plan may: the
// directory must confirm each removal.
func TestApply_ForgedPlans(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		w = storeWorld(w)
		for seed := range uint64(8) {
			if len(w.users) == 0 {
				return nil
			}
			p, err := reconcile(w)
			if err != nil {
				return err
			}
			forge(seededDice(seed+8*uint64(len(p.Changes))), w, p)
			if err := applyForged(w, p); err != nil {
				return fmt.Errorf("%w\n%s", err, mustJSON(p))
			}
		}
		return nil
	})
}

// No text that a plan was given reaches a log or a Tracer: what stands there is one of the
// reasons, the fields and the operations that there are.
func TestApply_RefusesFreeTextsInAPlan(t *testing.T) {
	for name, forge := range map[string]func(*adsync.Change){
		"a reason":     func(c *adsync.Change) { c.Reason = "Anna Berg, +46 1" },
		"no reason":    func(c *adsync.Change) { c.Reason = "" },
		"a conflict":   func(c *adsync.Change) { c.Conflicts = []adsync.Conflict{{Field: "Anna Berg"}} },
		"a field":      func(c *adsync.Change) { c.Fields = append(c.Fields, "Anna Berg") },
		"an operation": func(c *adsync.Change) { c.Op = "Anna Berg" },
		"a field of a leaver": func(c *adsync.Change) {
			*c = adsync.Change{Op: adsync.OpDelete, Reason: adsync.ReasonDeleted, UserID: "1", ObjectID: id(1), Before: c.Before, Fields: []adsync.Field{"Anna Berg"}}
		},
		"a field of somebody new": func(c *adsync.Change) {
			after := *c.After
			after.ID = ""
			*c = adsync.Change{Op: adsync.OpCreate, Reason: adsync.ReasonNew, ObjectID: id(1), After: &after, Fields: []adsync.Field{"Anna Berg"}}
		},
	} {
		e := entry(1, "anna", "")
		e.Phone = "1"
		plan := mustReconcile(t, []adsync.Entry{e}, []adsync.User{user("1", 1, "anna", "")}, adsync.Rules{})
		store := adsync.NewMemoryStore(user("1", 1, "anna", ""))
		forge(&plan.Changes[0])
		var log strings.Builder
		_, err := newSyncer(t, adsync.StaticDirectory{e}, store, &adsync.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Apply(t.Context(), plan)
		assert.ErrorIs(t, err, adsync.ErrUnsafe, name)
		assert.NotContains(t, log.String(), "Berg", name)
		assert.Equal(t, []adsync.User{user("1", 1, "anna", "")}, allUsers(t, store), name)
	}
}

// Each change of an edited plan is checked by itself: what the directory says of an account
// can be written although the plan would have held it back or was about others.
func TestApply_OfAnEditedPlan(t *testing.T) {
	ann, bob := user("1", 1, "ann", ""), user("2", 2, "bob", "")
	renamed := func(u adsync.User, to string) adsync.Change {
		after := u
		after.Username = to
		return adsync.NewUpdate(adsync.ReasonChanged, &u, &after)
	}
	newcomer := adsync.User{ObjectID: id(3), Profile: profile("cleo", "")}
	for name, test := range map[string]struct {
		dir    adsync.StaticDirectory
		change adsync.Change
		want   adsync.Outcome
		chosen []adsync.Selection
	}{
		"one of two who ask for a username": {adsync.StaticDirectory{entry(1, "x", ""), entry(2, "x", "")}, renamed(ann, "x"), adsync.OutcomeApplied, nil},
		"somebody who was not chosen":       {adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "ben", "")}, renamed(bob, "ben"), adsync.OutcomeApplied, []adsync.Selection{adsync.OnlyUsers("1")}},
		"somebody new": {adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", ""), entry(3, "cleo", "")},
			adsync.Change{Op: adsync.OpCreate, Reason: adsync.ReasonNew, ObjectID: id(3), After: &newcomer}, adsync.OutcomeApplied, nil},
		"what the directory does not say": {adsync.StaticDirectory{entry(1, "ann", ""), entry(2, "bob", "")}, renamed(ann, "x"), adsync.OutcomeStale, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSyncer(t, test.dir, adsync.NewMemoryStore(ann, bob), nil)
			plan, err := s.Plan(t.Context(), test.chosen...)
			require.NoError(t, err)
			digest := plan.Digest()
			plan.Changes = []adsync.Change{test.change}
			assert.NotEqual(t, digest, plan.Digest(), "which tells of all of it")
			report, err := s.Apply(t.Context(), plan)
			require.NoError(t, err)
			assert.Equal(t, []adsync.Outcome{test.want}, outcomes(report))
		})
	}
}

// Each reason that the documentation names is one of those that there are.
func TestReason_AllAreKnown(t *testing.T) {
	source, err := os.ReadFile("change.go")
	require.NoError(t, err)
	declared := regexp.MustCompile(`Reason\w+ +Reason = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	require.Greater(t, len(declared), 20)
	for _, reason := range declared {
		plan := &adsync.Plan{Version: 1, Changes: []adsync.Change{{Op: adsync.OpNotice, Reason: adsync.Reason(reason[1])}}}
		_, err := newSyncer(t, adsync.StaticDirectory{}, adsync.NewMemoryStore(), nil).Apply(t.Context(), plan)
		assert.NoError(t, err, reason[1])
	}
}

func applyForged(w world, p *adsync.Plan) error {
	store := newPlainTable(w.users)
	s, err := worldSyncer(w, store)
	if err != nil {
		return err
	}
	report, err := s.Apply(context.Background(), p)
	rows := plainRows(store, w)
	if errors.Is(err, adsync.ErrUnsafe) {
		untouched := plainRows(newPlainTable(w.users), w)
		if err := equalRows(untouched, rows); err != nil {
			return fmt.Errorf("refused, yet %w", err)
		}
		return nil
	}
	if len(report.Results) != len(p.Changes) {
		return fmt.Errorf("%d results for %d changes", len(report.Results), len(p.Changes))
	}
	return untouchables(w, rows)
}

// forge changes one or two things of a plan.
func forge(d dice, w world, p *adsync.Plan) {
	anyone := func() adsync.User { return pick(d, w.users...) }
	for range 1 + d(2) {
		if len(p.Changes) == 0 || d.oneIn(4) {
			u := anyone()
			c := adsync.Change{Op: adsync.OpDelete, Reason: adsync.ReasonDeleted, UserID: u.ID, ObjectID: u.ObjectID, Before: &u}
			p.Changes = slices.Insert(p.Changes, d(len(p.Changes)+1), c)
		}
		c := &p.Changes[d(len(p.Changes))]
		for _, side := range []**adsync.User{&c.Before, &c.After} {
			if *side != nil {
				own := **side
				*side = &own
			}
		}
		u := anyone()
		switch d(13) {
		case 0:
			c.Op = pick(d, adsync.OpUpdate, adsync.OpDelete, adsync.OpCreate, adsync.OpNotice, "")
		case 1:
			c.UserID = u.ID
		case 2:
			c.ObjectID = u.ObjectID
		case 3:
			c.Before = nil
		case 4:
			c.After = nil
		case 5:
			c.Interim = !c.Interim
		case 6:
			c.Needs = []int{d(len(p.Changes))}
		case 7: // deactivate somebody
			after := u
			after.Status = adsync.StatusDeactivated
			*c = adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonDisabled, UserID: u.ID, ObjectID: u.ObjectID, Before: &u, After: &after, Fields: []adsync.Field{adsync.FieldStatus}}
		case 8: // change the details of anybody
			after := u
			after.Phone += "1"
			*c = adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonChanged, UserID: u.ID, ObjectID: u.ObjectID, Before: &u, After: &after, Fields: []adsync.Field{adsync.FieldPhone}}
		case 9:
			c.Before = &u
		case 10: // take an account over, in the name of adoption
			after := u
			after.ObjectID, after.Source = anyone().ObjectID, w.rules.source
			*c = adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonAdopted, UserID: u.ID, ObjectID: after.ObjectID, Before: &u, After: &after, Fields: differing(u, after)}
		case 11: // park somebody for ever
			after := u
			after.Username = "~adsync-000000000000"
			*c = adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonParked, UserID: u.ID, ObjectID: u.ObjectID, Before: &u, After: &after, Fields: []adsync.Field{adsync.FieldUsername}, Interim: true}
		case 12: // lift what the host has blocked
			after := u
			after.Status = adsync.StatusActive
			*c = adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonReactivated, UserID: u.ID, ObjectID: u.ObjectID, Before: &u, After: &after, Fields: []adsync.Field{adsync.FieldStatus}}
		}
	}
}

// untouchables looks for a user who was changed or removed though no plan may.
func untouchables(w world, rows map[string]adsync.User) error {
	c := newPlanCheck(w, &adsync.Plan{})
	for _, was := range w.users {
		now, there := rows[was.ID]
		if err := c.untouched(plainStatus(was), now, there); err != nil {
			return fmt.Errorf("user %s: %w", was.ID, err)
		}
	}
	return nil
}

func (c *planCheck) untouched(was, now adsync.User, there bool) error {
	managed := !was.ObjectID.IsZero() && was.Source == c.rules.Source
	switch {
	case !managed && was != now:
		return errors.New("is not managed, yet changed")
	case !there:
		return c.removalAllowed(was, adsync.Remove)
	case was.Status != now.Status && was.Status == adsync.StatusBlocked:
		return errors.New("was blocked by the host")
	case was.Status != now.Status && (now.Status == adsync.StatusDeactivated || now.Status == adsync.StatusInactive):
		if c.removalAllowed(was, adsync.Remove) == nil {
			return nil // the directory confirms more than that
		}
		return c.removalAllowed(was, adsync.Deactivate)
	case was.Protected != now.Protected || was.ObjectID != now.ObjectID || was.Source != now.Source:
		return errors.New("is another user now")
	case strings.HasPrefix(now.Username, "~adsync-000000000000"):
		return errors.New("was parked for ever")
	}
	return nil
}
