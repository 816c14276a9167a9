package adsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// The oracle's own plans pass the checks: so the rules keep what they promise.
func TestOracle_KeepsItsPromises(t *testing.T) {
	inWorlds(t, 500, func(w world) error { return checkPlan(w, oraclePlan(w)) })
}

// The checks are worth something: they see each of these mistakes, wherever a
// plan gives occasion to make it.
func TestOracle_ChecksSeeMistakes(t *testing.T) {
	for _, mistake := range planMistakes {
		t.Run(mistake.name, func(t *testing.T) {
			made := 0
			inWorlds(t, 300, func(w world) error {
				p := oraclePlan(w)
				if !mistake.make(w, p) {
					return nil
				}
				made++
				if checkPlan(w, p) == nil {
					return errors.New("nothing was seen")
				}
				return nil
			})
			assert.Positive(t, made, "no world gave occasion")
		})
	}
}

var planMistakes = []struct {
	name string
	make func(w world, p *adsync.Plan) bool // false: no occasion
}{
	{"a need forgotten", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool { return len(c.Needs) > 0 })
		if i >= 0 {
			p.Changes[i].Needs = p.Changes[i].Needs[1:]
		}
		return i >= 0
	}},
	{"a need too many", func(_ world, p *adsync.Plan) bool {
		if len(p.Changes) < 2 || len(p.Changes[1].Needs) > 0 {
			return false
		}
		p.Changes[1].Needs = []int{0}
		return true
	}},
	{"two updates the wrong way round", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool { return c.Op == adsync.OpUpdate })
		if i < 0 || i+1 == len(p.Changes) || p.Changes[i+1].Op != adsync.OpUpdate {
			return false
		}
		p.Changes[i], p.Changes[i+1] = p.Changes[i+1], p.Changes[i]
		return true
	}},
	{"two that only tell the wrong way round", func(_ world, p *adsync.Plan) bool {
		n := len(p.Changes)
		if n < 2 || writes(p.Changes[n-2]) || p.Changes[n-2].UserID == p.Changes[n-1].UserID && p.Changes[n-2].Reason == p.Changes[n-1].Reason {
			return false
		}
		p.Changes[n-2], p.Changes[n-1] = p.Changes[n-1], p.Changes[n-2]
		return true
	}},
	{"a cycle without an interim", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool { return c.Interim })
		if i >= 0 {
			p.Changes = slices.Delete(p.Changes, i, i+1)
		}
		return i >= 0
	}},
	{"a duplicate written all the same", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool {
			return c.Op == adsync.OpDuplicate && c.Reason == adsync.ReasonTaken && c.Before != nil && c.Conflicts[0].Field == adsync.FieldEmail
		})
		if i < 0 || foldByTheBook(p.Changes[i].Before.Email) == foldByTheBook(p.Changes[i].Conflicts[0].Value) {
			return false // they clashed before
		}
		after := *p.Changes[i].Before
		after.Email = p.Changes[i].Conflicts[0].Value
		p.Changes[i] = adsync.Change{Op: adsync.OpUpdate, UserID: after.ID, ObjectID: after.ObjectID, Before: p.Changes[i].Before, After: &after}
		return true
	}},
	{"a protected user deleted", func(w world, p *adsync.Plan) bool {
		i := slices.IndexFunc(w.users, func(u adsync.User) bool { return u.Protected })
		if i < 0 || slices.ContainsFunc(p.Changes, func(c adsync.Change) bool { return writes(c) }) {
			return false
		}
		p.Changes = slices.Insert(p.Changes, 0, adsync.Change{Op: adsync.OpDelete, UserID: w.users[i].ID, ObjectID: w.users[i].ObjectID, Before: &w.users[i]})
		return true
	}},
	{"a local user changed", func(w world, p *adsync.Plan) bool {
		i := slices.IndexFunc(w.users, func(u adsync.User) bool { return u.ObjectID.IsZero() })
		if i < 0 || slices.ContainsFunc(p.Changes, func(c adsync.Change) bool { return writes(c) }) {
			return false
		}
		after := w.users[i]
		after.Phone += "1"
		p.Changes = slices.Insert(p.Changes, 0, adsync.Change{Op: adsync.OpUpdate, UserID: after.ID, Before: &w.users[i], After: &after})
		return true
	}},
	{"a blocked user unblocked", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool {
			return c.Op == adsync.OpUpdate && c.Before.Status == adsync.StatusBlocked && !c.Interim
		})
		if i >= 0 {
			p.Changes[i].After.Status = adsync.StatusActive
		}
		return i >= 0
	}},
	{"a Before that is not the row", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool { return c.Op == adsync.OpUpdate })
		if i >= 0 {
			before := *p.Changes[i].Before
			before.Phone += "1"
			p.Changes[i].Before = &before
		}
		return i >= 0
	}},
	{"a role taken that the account has", func(w world, p *adsync.Plan) bool {
		return !roleless(w, p, func(u adsync.User, e adsync.Entry) bool { return slices.Contains(e.Extra.Set(adsync.FieldRoles), "r1") })
	}},
	{"a role taken of which nothing is known", func(w world, p *adsync.Plan) bool {
		return !roleless(w, p, func(u adsync.User, e adsync.Entry) bool {
			return slices.Contains(e.Unknown.Set(adsync.FieldRoles), "r1")
		})
	}},
	{"a role of the host's taken", func(w world, p *adsync.Plan) bool {
		return !roleless(w, p, func(u adsync.User, e adsync.Entry) bool {
			return slices.Contains(u.Extra.Set(adsync.FieldHostRoles), "r1")
		})
	}},
	{"a role of a protected user taken", func(w world, p *adsync.Plan) bool {
		return !roleless(w, p, func(u adsync.User, e adsync.Entry) bool { return u.Protected })
	}},
	{"a further detail changed that is not synchronised", func(w world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool { return c.Op == adsync.OpUpdate && !c.Interim })
		if i < 0 || slices.Contains(w.rules.fields, fieldTeam) {
			return false
		}
		p.Changes[i].After.Extra = p.Changes[i].After.Extra.With(fieldTeam, "Spies")
		return true
	}},
	{"a text that JSON would change", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool { return c.Op == adsync.OpCreate })
		if i >= 0 {
			p.Changes[i].After.LastName = "M\xfcller"
		}
		return i >= 0
	}},
}

// roleless takes the role r1 from the first user who has it, and an account of which that is
// true. It reports whether there is none in the world, or the plan writes anything.
func roleless(w world, p *adsync.Plan, wrong func(adsync.User, adsync.Entry) bool) bool {
	if slices.ContainsFunc(p.Changes, writes) {
		return true
	}
	for i, u := range w.users {
		for _, e := range w.entries {
			if e.ObjectID != u.ObjectID || !slices.Contains(u.Extra.Set(adsync.FieldRoles), "r1") || !wrong(u, e) {
				continue
			}
			after := u
			after.Extra = after.Extra.With(adsync.FieldRoles, slices.DeleteFunc(u.Extra.Set(adsync.FieldRoles), func(role string) bool { return role == "r1" })...)
			p.Changes = slices.Insert(p.Changes, 0, adsync.NewUpdate(adsync.ReasonChanged, &w.users[i], &after))
			return false
		}
	}
	return true
}

func reconcile(w world) (*adsync.Plan, error) {
	return adsync.Reconcile(slices.Clone(w.entries), slices.Clone(w.users), w.rules.adsync())
}

func TestReconcile_EqualsTheOracle(t *testing.T) {
	inWorlds(t, 1500, reconcileEqualsOracle)
}

func reconcileEqualsOracle(w world) error {
	got, err := reconcile(w)
	if err != nil {
		return err
	}
	want, got := inEssence(oraclePlan(w)), inEssence(got)
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("-oracle +reconcile:\n%s", gocmp.Diff(want, got))
	}
	return nil
}

// inEssence leaves out what only people read, and writes an active status as "".
func inEssence(p *adsync.Plan) *adsync.Plan {
	essence := *p
	essence.Warnings = nil
	for _, warning := range p.Warnings {
		if strings.HasPrefix(warning, "Whether accounts are disabled") {
			essential, _, _ := strings.Cut(warning, ": ")
			essence.Warnings = append(essence.Warnings, essential)
		}
	}
	essence.Changes = slices.Clone(p.Changes)
	for i := range essence.Changes {
		c := &essence.Changes[i]
		c.Detail = ""
		if c.Op == adsync.OpDuplicate && c.Before == nil {
			c.After = nil // who is not created is for people to see
		}
		for _, u := range []**adsync.User{&c.Before, &c.After} {
			if *u != nil {
				plain := plainStatus(**u)
				*u = &plain
			}
		}
	}
	return &essence
}

func TestReconcile_PlansPassTheChecks(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		return checkPlan(w, p)
	})
}

func TestReconcile_IgnoresOrder(t *testing.T) {
	inWorlds(t, 300, func(w world) error {
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		first := mustJSON(p)
		for seed := range uint64(3) {
			d := seededDice(seed)
			w.entries, w.users = shuffled(d, w.entries), shuffled(d, w.users)
			w.rules.only, w.rules.fields = reshuffled(d, w.rules.only), reshuffled(d, w.rules.fields)
			p, err := reconcile(w)
			if err != nil {
				return err
			}
			if again := mustJSON(p); !bytes.Equal(first, again) {
				return fmt.Errorf("another order, another plan:\n%s", gocmp.Diff(first, again))
			}
		}
		return nil
	})
}

// reshuffled keeps nil nil, which does not mean the same as an empty list.
func reshuffled[T any](d dice, in []T) []T {
	if in == nil {
		return nil
	}
	return shuffled(d, in)
}

func mustJSON(v any) []byte {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return text
}

func TestReconcile_LeavesItsArgumentsAlone(t *testing.T) {
	inWorlds(t, 300, func(w world) error {
		entries, users, rules := slices.Clone(w.entries), slices.Clone(w.users), w.rules.adsync()
		p, err := adsync.Reconcile(entries, users, rules)
		if err != nil {
			return err
		}
		before := mustJSON(p)
		if !slices.Equal(entries, w.entries) || !slices.Equal(users, w.users) || !slices.Equal(rules.Only, w.rules.only) || !slices.Equal(rules.Fields, w.rules.fields) {
			return errors.New("an argument was changed")
		}
		clear(entries)
		clear(users)
		clear(rules.Fields)
		if !bytes.Equal(before, mustJSON(p)) {
			return errors.New("the plan shares memory with an argument")
		}
		return nil
	})
}

// Tests of a whole run, over a store that fails on order.

// plainRows are the rows by ID, new ones by their ObjectID, with an active status
// written as "".
func plainRows(t table, w world) map[string]adsync.User {
	rows := map[string]adsync.User{}
	for u, err := range t.Users(context.Background()) {
		if err != nil {
			panic(err)
		}
		if !slices.ContainsFunc(w.users, func(old adsync.User) bool { return old.ID == u.ID }) {
			u.ID = "new " + u.ObjectID.String()
		}
		rows[u.ID] = plainStatus(u)
	}
	return rows
}

func plainStatus(u adsync.User) adsync.User {
	if u.Status == adsync.StatusActive {
		u.Status = ""
	}
	return u
}

func (r *run) plainRows() map[string]adsync.User {
	rows := map[string]adsync.User{}
	for id, u := range r.rows {
		u.ID = id
		rows[id] = plainStatus(u)
	}
	return rows
}

func equalRows(want, got map[string]adsync.User) error {
	if diff := gocmp.Diff(want, got); diff != "" {
		return fmt.Errorf("rows (-want +got):\n%s", diff)
	}
	return nil
}

// samePlan compares what is planned, and not how it came about.
func samePlan(want, got *adsync.Plan) error {
	planned := *got
	planned.Reading = want.Reading
	got = &planned
	if diff := gocmp.Diff(string(mustJSON(want)), string(mustJSON(got))); diff != "" {
		return fmt.Errorf("plans (-want +got):\n%s", diff)
	}
	return nil
}

func TestPlan_AsReconcile(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		w = memoryWorld(w)
		want, err := reconcile(w)
		if err != nil {
			return err
		}
		s, err := worldSyncer(w, memoryOf(w))
		if err != nil {
			return err
		}
		got, err := s.Plan(context.Background())
		if err != nil {
			return err
		}
		return samePlan(want, got)
	})
}

// A selection makes the plan of the rules that say the same.
func TestPlan_SelectionsAsRules(t *testing.T) {
	inWorlds(t, 200, func(w world) error {
		w = memoryWorld(w)
		w.rules.only, w.rules.imports = []string{}, false
		for i, u := range w.users {
			if i%2 == 0 && !u.ObjectID.IsZero() && u.Source == w.rules.source {
				w.rules.only = append(w.rules.only, u.ID)
			}
		}
		want, err := reconcile(w)
		if err != nil {
			return err
		}
		selected := w.rules.only
		w.rules.only = nil
		s, err := worldSyncer(w, memoryOf(w))
		if err != nil {
			return err
		}
		got, err := s.Plan(context.Background(), adsync.OnlyUsers(selected...))
		if err != nil {
			return err
		}
		return samePlan(want, got)
	})
}

// Bytes that are not UTF-8, on either side, are no reason to write again and again.
func TestReconcile_TextsThatAreNotUTF8(t *testing.T) {
	inWorlds(t, 200, func(w world) error {
		w = storeWorld(w)
		w.users, w.entries = slices.Clone(w.users), slices.Clone(w.entries)
		for i := range w.users {
			w.users[i].LastName = pick(seededDice(uint64(i)), "M\xfcller", "M\ufffdller", "\xff\xfe", "")
		}
		for i := range w.entries {
			w.entries[i].LastName = pick(seededDice(uint64(i)*3), "M\xfcller", "M\ufffdller", "\xff\xfe", "")
		}
		if err := reconcileAndCheck(w); err != nil {
			return err
		}
		s, err := worldSyncer(w, memoryOf(w))
		if err != nil {
			return err
		}
		report, err := s.Sync(context.Background())
		if err := errors.Join(err, report.Err()); err != nil {
			return err
		}
		return settled(s)
	})
}

// settled tells whether a fresh plan would write nothing.
func settled(s *adsync.Syncer) error {
	p, err := s.Plan(context.Background())
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(p.Changes, writes); i >= 0 {
		return fmt.Errorf("a fresh plan still writes: %s", mustJSON(p.Changes[i]))
	}
	return nil
}

// A run and its inverse leave each row as it was, except for what is documented as
// beyond undoing: the created stay, the reactivated stay active, the protected keep their
// roles, the deleted come back under a new ID and without what the host gave, one for each
// account, and a login that a new user got is not taken from it.
func TestInverse_LeavesRowsAsTheyWere(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		w = storeWorld(w)
		store := memoryOf(w)
		s, err := worldSyncer(w, store)
		if err != nil {
			return err
		}
		report, err := s.Sync(context.Background())
		if err := errors.Join(err, report.Err()); err != nil {
			return err
		}
		plan, err := s.Inverse(context.Background(), report)
		if err != nil {
			return err
		}
		undone, err := s.Apply(context.Background(), plan, approve(plan))
		if err := errors.Join(err, undone.Err()); err != nil {
			return err
		}
		excused, told := map[adsync.ObjectID]bool{}, map[string]bool{}
		for _, c := range plan.Changes {
			excused[c.ObjectID] = excused[c.ObjectID] || c.Op == adsync.OpDuplicate
			told[c.UserID] = told[c.UserID] || c.Op == adsync.OpNotice
		}
		for _, was := range w.users {
			if now, ok := store.Get(was.ID); ok {
				if was.Status == adsync.StatusDeactivated && now.Status == adsync.StatusActive {
					now.Status = was.Status
				}
				if was.Protected && told[was.ID] {
					was.Extra = was.Extra.With(adsync.FieldRoles, append(was.Extra.Set(adsync.FieldRoles), now.Extra.Set(adsync.FieldRoles)...)...)
				}
				if plainStatus(now) != plainStatus(was) && !excused[was.ObjectID] {
					return fmt.Errorf("user %s is not as it was: %+v", was.ID, now)
				}
				continue
			}
			hosts := was.Extra.Set(adsync.FieldHostRoles)
			was.Extra = was.Extra.With(adsync.FieldHostRoles).With(adsync.FieldRoles,
				slices.DeleteFunc(was.Extra.Set(adsync.FieldRoles), func(role string) bool { return slices.Contains(hosts, role) })...)
			if !excused[was.ObjectID] && !told[was.ID] && !cameBack(store, was) {
				return fmt.Errorf("user %s did not come back", was.ID)
			}
		}
		return nil
	})
}

func cameBack(store *adsync.MemoryStore, was adsync.User) bool {
	for now := range store.Users(context.Background()) {
		now.ID = was.ID
		if plainStatus(now) == plainStatus(was) {
			return true
		}
	}
	return false
}

// Many circles that share users: who is parked, and for which keys, is where a
// fast planner errs.
func TestApply_BigKnots(t *testing.T) {
	for seed := range uint64(worldCount(t, 150)) {
		w := bigKnot(seededDice(seed))
		if reconcileAndCheck(w) != nil {
			w = shrink(w, func(w world) bool { return reconcileAndCheck(w) != nil })
			t.Fatalf("seed %d: %v\n%v", seed, reconcileAndCheck(w), w)
		}
	}
}

func TestPlan_SurvivesJSON(t *testing.T) {
	inWorlds(t, 150, func(w world) error {
		w = storeWorld(w)
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		var back adsync.Plan
		if err := json.Unmarshal(mustJSON(p), &back); err != nil {
			return err
		}
		if p.Digest() != back.Digest() {
			return errors.New("another digest")
		}
		var reports [2]*adsync.Report
		for i, plan := range []*adsync.Plan{p, &back} {
			s, err := worldSyncer(w, memoryOf(w))
			if err != nil {
				return err
			}
			if reports[i], err = s.Apply(context.Background(), plan); err != nil {
				return err
			}
		}
		if a, b := mustJSON(reports[0]), mustJSON(reports[1]); !bytes.Equal(a, b) {
			return fmt.Errorf("another report:\n%s", gocmp.Diff(a, b))
		}
		return nil
	})
}

// fuzzBytes are the draws of a seeded world, to start a fuzzer from.
func fuzzBytes(seed uint64) []byte {
	d := seededDice(seed)
	b := make([]byte, 400)
	for i := range b {
		b[i] = byte(d(256))
	}
	return b
}

func FuzzReconcile(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(fuzzBytes(seed))
	}
	f.Fuzz(func(t *testing.T, draws []byte) {
		w := newWorld(byteDice(draws))
		if reconcileAndCheck(w) != nil {
			w = shrink(w, func(w world) bool { return reconcileAndCheck(w) != nil })
			t.Fatalf("%v\n%v", reconcileAndCheck(w), w)
		}
	})
}

func reconcileAndCheck(w world) error {
	if err := reconcileEqualsOracle(w); err != nil {
		return err
	}
	p, err := reconcile(w)
	if err != nil {
		return err
	}
	return checkPlan(w, p)
}

// Whatever a plan read from JSON says, Apply leaves alone those whom no plan may touch.
func FuzzPlanJSON(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(mustJSON(oraclePlan(storeWorld(newWorld(seededDice(seed))))), seed)
	}
	f.Add([]byte(`{"changes":[{"op":"update"}]}`), uint64(29))
	f.Add([]byte(`{"changes":[{"op":"update","fields":[""]}]}`), uint64(1))
	f.Add([]byte(`{"changes":[{"op":"update","before":{},"after":{},"fields":[""]}]}`), uint64(53))
	f.Add([]byte(`{"changes":[{"op":"create"},{"op":"delete"}]}`), uint64(1))
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		var p adsync.Plan
		if json.Unmarshal(text, &p) != nil {
			t.Skip()
		}
		p.Digest()
		_ = p.Check(adsync.Limits{})
		_, _ = p.WriteTo(io.Discard)
		w := storeWorld(newWorld(seededDice(seed)))
		for _, c := range p.Changes {
			c.LogValue()
			_ = c.Guard(nil)
			_ = c.Guard(&w.users[0])
		}
		store := memoryOf(w)
		s, err := worldSyncer(w, store)
		require.NoError(t, err)
		report, err := s.Apply(context.Background(), &p)
		if err == nil {
			assert.Len(t, report.Results, len(p.Changes))
		}
		require.NoError(t, untouchables(w, plainRows(store, w)))
	})
}

// Adopt links a user to an entry exactly when username and email both say so and no
// other user or entry comes into question.
func TestAdopt_LinksOnlyCertainPairs(t *testing.T) {
	links := 0
	inWorlds(t, 600, func(w world) error {
		w = manyLocal(w)
		p, err := adoptWorld(w)
		if err != nil {
			return err
		}
		for seed := range uint64(2) {
			d := seededDice(seed)
			w.entries, w.users = shuffled(d, w.entries), shuffled(d, w.users)
			again, err := adoptWorld(w)
			if err != nil {
				return err
			}
			if err := samePlan(p, again); err != nil {
				return fmt.Errorf("in another order: %w", err)
			}
		}
		c := newPlanCheck(w, p)
		got := []string{}
		for _, change := range p.Changes {
			if change.Op == adsync.OpNotice {
				continue
			}
			linked := *change.Before
			linked.ObjectID, linked.Source = change.ObjectID, w.rules.source
			if change.Op != adsync.OpUpdate || change.Reason != adsync.ReasonAdopted || !reflect.DeepEqual(&linked, change.After) {
				return fmt.Errorf("more than a link: %s", mustJSON(change))
			}
			got = append(got, change.UserID+" is "+change.ObjectID.String())
		}
		slices.Sort(got)
		want := c.certainPairs()
		links += len(want)
		if !slices.Equal(want, got) {
			return fmt.Errorf("links %q, want %q", got, want)
		}
		return nil
	})
	assert.Positive(t, links)
}

func adoptWorld(w world) (*adsync.Plan, error) {
	return adsync.Adopt(slices.Clone(w.entries), slices.Clone(w.users), w.rules.adsync())
}

// manyLocal is a world before objectGUIDs were kept: few users are linked, and most
// are as their entries say.
func manyLocal(w world) world {
	w.users = slices.Clone(w.users)
	w.rules.only, w.rules.keys = nil, nil
	for i := range w.users {
		u := &w.users[i]
		if e := slices.IndexFunc(w.entries, func(e adsync.Entry) bool { return e.ObjectID == u.ObjectID }); i%3 > 0 && e >= 0 {
			u.Profile = withKeysOf(u.Profile, w.entries[e])
		}
		if i%4 > 0 {
			u.ObjectID, u.Source = adsync.ObjectID{}, ""
		}
	}
	return w
}

// withKeysOf is the profile with the keys of an entry: of several values the greatest, and
// one that is blank is none.
func withKeysOf(p adsync.Profile, from adsync.Entry) adsync.Profile {
	for _, f := range keyFields {
		all := append([]string{from.Get(f)}, from.Others.Set(f)...)
		p = p.With(f, all[len(all)-1])
		if strings.TrimSpace(p.Get(f)) == "" {
			p = p.With(f, "")
		}
	}
	return p
}

// certainPairs are the links by the book: what the user would get agrees in the two keys,
// and none of all the account's keys is of another user, none of the user's of another entry.
func (c *planCheck) certainPairs() []string {
	pairs := []string{}
	for _, u := range c.w.users {
		mine := c.keysOf(validProfile(u.Profile), keyFields)
		if !u.ObjectID.IsZero() || u.Protected || plainStatus(u).Status != "" || len(mine) < 2 {
			continue
		}
		var near []adsync.Entry
		var theirs []key
		for _, e := range c.w.entries {
			if all := c.allKeysOf(e); meet(mine, all) && (e.State == "" || e.State == adsync.StatePresent) {
				near = append(near, e)
			}
		}
		for _, e := range c.w.entries {
			if len(near) > 0 && e.ObjectID == near[0].ObjectID && (e.State == "" || e.State == adsync.StatePresent) {
				theirs = append(theirs, c.allKeysOf(e)...)
			}
		}
		if slices.ContainsFunc(c.w.users, func(v adsync.User) bool {
			return v.ID != u.ID && meet(theirs, c.keysOf(validProfile(v.Profile), keyFields))
		}) {
			continue
		}
		if c.certain(&u, mine, near) {
			pairs = append(pairs, u.ID+" is "+near[0].ObjectID.String())
		}
	}
	slices.Sort(pairs)
	return pairs
}

// allKeysOf are the keys of the entry, whichever of its values are taken, as Map makes them.
func (c *planCheck) allKeysOf(e adsync.Entry) (keys []key) {
	e.Profile, e.Others = toldProfile(e.Profile), toldValues(e.Others)
	forms := []adsync.Entry{e}
	for _, f := range e.Others.Fields() {
		var more []adsync.Entry
		for _, form := range forms {
			for _, value := range append(e.Others.Set(f), e.Get(f)) {
				if value != "" {
					form.Profile = form.With(f, value)
					more = append(more, form)
				}
			}
		}
		forms = more
	}
	for _, form := range forms {
		if p, ok := c.mapped(form); ok {
			keys = append(keys, c.keysOf(p, keyFields)...)
		}
	}
	return keys
}

// mapped is what Map makes of the entry, unless it refuses that.
func (c *planCheck) mapped(e adsync.Entry) (adsync.Profile, bool) {
	if c.rules.Map == nil {
		return e.Profile, true
	}
	p, err := c.rules.Map(e)
	return toldProfile(p), err == nil
}

// certain: near is one entry, of which the user would get both keys, and nobody is linked
// to it.
func (c *planCheck) certain(u *adsync.User, mine []key, near []adsync.Entry) bool {
	if len(near) == 0 || slices.ContainsFunc(c.w.users, func(v adsync.User) bool { return v.ObjectID == near[0].ObjectID }) {
		return false
	}
	account := oracle{rules: c.rules, sight: map[adsync.ObjectID]sighting{}}
	for _, e := range c.w.entries {
		account.see(e)
	}
	seen := account.sight[near[0].ObjectID]
	if seen.enabled && seen.disabled || account.contradict(u, seen.all) {
		return false
	}
	for _, e := range near {
		if e.ObjectID != near[0].ObjectID {
			return false
		}
	}
	p, ok := c.mapped(account.taken(u, seen.entry))
	return ok && len(without(mine, c.keysOf(p, keyFields))) == 0
}
