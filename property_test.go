package adsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
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
func TestOracleKeepsItsPromises(t *testing.T) {
	inWorlds(t, 500, func(w world) error { return checkPlan(w, oraclePlan(w)) })
}

// The checks are worth something: they see each of these mistakes, wherever a
// plan gives occasion to make it.
func TestChecksSeeMistakes(t *testing.T) {
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
	{"a text that JSON would change", func(_ world, p *adsync.Plan) bool {
		i := slices.IndexFunc(p.Changes, func(c adsync.Change) bool { return c.Op == adsync.OpCreate })
		if i >= 0 {
			p.Changes[i].After.LastName = "M\xfcller"
		}
		return i >= 0
	}},
}

func reconcile(w world) (*adsync.Plan, error) {
	return adsync.Reconcile(slices.Clone(w.entries), slices.Clone(w.users), w.rules.adsync())
}

func TestReconcileEqualsTheOracle(t *testing.T) {
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

func TestReconcilePlansPassTheChecks(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		return checkPlan(w, p)
	})
}

func TestReconcileIgnoresOrder(t *testing.T) {
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

// reshuffled keeps nil nil, which means something else than an empty list.
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

func TestReconcileLeavesItsArgumentsAlone(t *testing.T) {
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

// storeWorld makes a world that a store and a directory can hold: each account
// once, and keys folded as the store folds them.
func storeWorld(w world) world {
	w.rules.fold, w.rules.keys = "", nil
	seen := map[adsync.ObjectID]bool{}
	w.entries = slices.DeleteFunc(slices.Clone(w.entries), func(e adsync.Entry) bool {
		again := seen[e.ObjectID]
		seen[e.ObjectID] = true
		return again
	})
	return w
}

// plainTable is a user table with unique keys and nothing else.
type plainTable struct {
	rows map[string]adsync.User
	fold func(string) string
}

func newPlainTable(users []adsync.User) *plainTable {
	t := &plainTable{rows: map[string]adsync.User{}, fold: remembering(foldByTheBook)}
	for _, u := range users {
		t.rows[u.ID] = u
	}
	return t
}

func (t *plainTable) Users(context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for _, u := range t.rows {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (t *plainTable) UpdateUser(_ context.Context, c adsync.Change) error {
	if err := t.guard(c); err != nil {
		return err
	}
	if t.newlyHeld(t.rows[c.UserID], *c.After) {
		return adsync.ErrConflict
	}
	t.rows[c.UserID] = *c.After
	return nil
}

func (t *plainTable) DeleteUser(_ context.Context, c adsync.Change) error {
	if err := t.guard(c); err != nil {
		return err
	}
	delete(t.rows, c.UserID)
	return nil
}

func (t *plainTable) CreateUser(_ context.Context, c adsync.Change) (string, error) {
	u := *c.After
	u.ID = "new " + u.ObjectID.String()
	if _, there := t.rows[u.ID]; there {
		return u.ID, adsync.ErrAlready
	}
	if t.newlyHeld(adsync.User{ID: u.ID}, u) {
		return "", adsync.ErrConflict
	}
	t.rows[u.ID] = u
	return u.ID, nil
}

func (t *plainTable) guard(c adsync.Change) error {
	if row, there := t.rows[c.UserID]; there {
		return c.Guard(&row)
	}
	return c.Guard(nil)
}

// newlyHeld tells whether another row holds a key that the row takes. A clash
// that is there already is no reason to refuse.
func (t *plainTable) newlyHeld(was, now adsync.User) bool {
	for _, f := range keyFields {
		folded := t.fold(*detail(&now.Profile, f))
		if folded == "" || folded == t.fold(*detail(&was.Profile, f)) {
			continue
		}
		for _, u := range t.rows {
			if u.ID != was.ID && t.fold(*detail(&u.Profile, f)) == folded {
				return true
			}
		}
	}
	return false
}

// table is a store that creates users, and whose other powers are hidden.
type table interface {
	adsync.UserStore
	adsync.Creator
}

// faultyStore is a table that refuses some writes, or breaks.
type faultyStore struct {
	table
	refuse  func(adsync.Change) bool
	left    int   // writes until it breaks; negative: it never does
	last    error // what the write after which it breaks returns, though done
	written int
}

func newFaultyStore(t table) *faultyStore { return &faultyStore{table: t, left: -1} }

var (
	errRefused = errors.New("refused")
	errBroken  = errors.New("the store is down")
)

func (s *faultyStore) write(c adsync.Change, do func() error) error {
	if s.left == 0 {
		return errBroken
	}
	if s.refuse != nil && s.refuse(c) {
		return errRefused
	}
	err := do()
	if err != nil {
		return err
	}
	s.written++
	s.left--
	if s.left == 0 {
		return s.last
	}
	return nil
}

func (s *faultyStore) UpdateUser(ctx context.Context, c adsync.Change) error {
	return s.write(c, func() error { return s.table.UpdateUser(ctx, c) })
}

func (s *faultyStore) DeleteUser(ctx context.Context, c adsync.Change) error {
	return s.write(c, func() error { return s.table.DeleteUser(ctx, c) })
}

func (s *faultyStore) CreateUser(ctx context.Context, c adsync.Change) (id string, err error) {
	err = s.write(c, func() error { id, err = s.table.CreateUser(ctx, c); return err })
	return id, err
}

// batchingStore takes batches, and sees to it that nothing in one needs another.
type batchingStore struct {
	*faultyStore
	plan   *adsync.Plan
	broken error
}

func (s *batchingStore) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	var out []adsync.Written
	for _, c := range cs {
		for _, n := range c.Needs {
			if slices.ContainsFunc(cs, func(o adsync.Change) bool { return sameChange(o, s.plan.Changes[n]) }) {
				s.broken = errors.New("a batch holds a change and what it needs")
			}
		}
		w := adsync.Written{UserID: c.UserID}
		switch c.Op {
		case adsync.OpDelete:
			w.Err = s.DeleteUser(ctx, c)
		case adsync.OpCreate:
			w.UserID, w.Err = s.CreateUser(ctx, c)
		default:
			w.Err = s.UpdateUser(ctx, c)
		}
		out = append(out, w)
	}
	return out
}

func sameChange(a, b adsync.Change) bool {
	return a.Op == b.Op && a.UserID == b.UserID && a.ObjectID == b.ObjectID && reflect.DeepEqual(a.After, b.After)
}

func worldSyncer(w world, store adsync.UserStore) (*adsync.Syncer, error) {
	return worldSyncerIn(0, w, store)
}

// worldSyncerIn gives changes in batches of that size to a store that takes them.
func worldSyncerIn(batch int, w world, store adsync.UserStore) (*adsync.Syncer, error) {
	return adsync.New(adsync.StaticDirectory(w.entries), store, &adsync.Options{
		BatchSize: batch,
		Rules:     w.rules.adsync(),
		Limits:    adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, AllowEmpty: true},
	})
}

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

func TestSyncerPlansAsReconcile(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		w = storeWorld(w)
		want, err := reconcile(w)
		if err != nil {
			return err
		}
		s, err := worldSyncer(w, adsync.NewMemoryStore(w.users...))
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
func TestSelectionsPlanAsRules(t *testing.T) {
	inWorlds(t, 200, func(w world) error {
		w = storeWorld(w)
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
		s, err := worldSyncer(w, adsync.NewMemoryStore(w.users...))
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
func TestTextsThatAreNotUTF8(t *testing.T) {
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
		s, err := worldSyncer(w, adsync.NewMemoryStore(w.users...))
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

// A run and its inverse leave each row as it was, but for what is said to be
// beyond undoing: the created stay, the reactivated stay active, the deleted come
// back under a new ID, one for each account, and a login that a new user got is not
// taken from it.
func TestInverseLeavesRowsAsTheyWere(t *testing.T) {
	inWorlds(t, 400, func(w world) error {
		w = storeWorld(w)
		store := adsync.NewMemoryStore(w.users...)
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
				if plainStatus(now) != plainStatus(was) && !excused[was.ObjectID] {
					return fmt.Errorf("user %s is not as it was: %+v", was.ID, now)
				}
			} else if !excused[was.ObjectID] && !told[was.ID] && !cameBack(store, was) {
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
func TestBigKnots(t *testing.T) {
	for seed := range uint64(worldCount(t, 150)) {
		w := bigKnot(seededDice(seed))
		if reconcileAndCheck(w) != nil {
			w = shrink(w, func(w world) bool { return reconcileAndCheck(w) != nil })
			t.Fatalf("seed %d: %v\n%v", seed, reconcileAndCheck(w), w)
		}
	}
}

// Each set of failures, few or many, batched or not: the outcomes are those of a
// plain table, and the next sync finishes the work.
func TestApplyWithFailures(t *testing.T) {
	inWorlds(t, 40, func(w world) error {
		w = storeWorld(w)
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		var written []int
		for i, c := range p.Changes {
			if writes(c) {
				written = append(written, i)
			}
		}
		for _, failing := range failureSets(written) {
			for _, batch := range []int{0, 2, 3, 500} {
				if err := applyFailing(w, p, failing, batch); err != nil {
					return fmt.Errorf("with %v failing, in batches of %d: %w", failing, batch, err)
				}
			}
		}
		return nil
	})
}

func applyFailing(w world, p *adsync.Plan, failing []int, batch int) error {
	var inner table = newPlainTable(w.users)
	if batch == 500 {
		inner = adsync.NewMemoryStore(w.users...)
	}
	faulty := newFaultyStore(inner)
	faulty.refuse = func(c adsync.Change) bool {
		return slices.ContainsFunc(failing, func(i int) bool { return sameChange(c, p.Changes[i]) })
	}
	batching := &batchingStore{faultyStore: faulty, plan: p}
	var store adsync.UserStore = faulty
	if batch > 0 {
		store = batching
	}
	s, err := worldSyncerIn(batch, w, store)
	if err != nil {
		return err
	}
	report, err := s.Apply(context.Background(), p)
	if err != nil {
		return err
	}
	want := newPlanCheck(w, p).newRun()
	if err := want.play(func(i int) bool { return slices.Contains(failing, i) }); err != nil {
		return err
	}
	var got []adsync.Outcome
	for _, r := range report.Results {
		got = append(got, r.Outcome)
	}
	if !slices.Equal(want.outcomes, got) {
		return fmt.Errorf("outcomes are\n%q, want\n%q", got, want.outcomes)
	}
	if err := errors.Join(batching.broken, equalRows(want.plainRows(), plainRows(faulty, w))); err != nil {
		return err
	}
	return nextSyncFinishes(w, p, faulty, s)
}

func nextSyncFinishes(w world, p *adsync.Plan, faulty *faultyStore, s *adsync.Syncer) error {
	faulty.refuse = nil
	if _, err := s.Sync(context.Background()); err != nil {
		return err
	}
	whole := newPlanCheck(w, p).newRun()
	if err := whole.play(func(int) bool { return false }); err != nil {
		return err
	}
	if err := equalRows(whole.plainRows(), plainRows(faulty, w)); err != nil {
		return fmt.Errorf("after the next sync: %w", err)
	}
	return settled(s)
}

// A crash after any step: the same plan again does the rest, and nothing twice.
func TestApplyAfterCrash(t *testing.T) {
	inWorlds(t, 80, func(w world) error {
		w = storeWorld(w)
		p, err := reconcile(w)
		if err != nil {
			return err
		}
		total := 0
		for _, c := range p.Changes {
			if writes(c) {
				total++
			}
		}
		for left := range total {
			for _, last := range []error{nil, adsync.ErrUnknown} {
				for batch, t := range map[int]table{
					0: newPlainTable(w.users), 1: adsync.NewMemoryStore(w.users...), 2: newPlainTable(w.users), 500: newPlainTable(w.users),
				} {
					if err := applyCrashing(w, p, t, batch, left, total, last); err != nil {
						return fmt.Errorf("crash of a %T after %d of %d writes in batches of %d (%v): %w", t, left, total, batch, last, err)
					}
				}
			}
		}
		return nil
	})
}

func applyCrashing(w world, p *adsync.Plan, t table, batch, left, total int, last error) error {
	store := newFaultyStore(t)
	store.left, store.last = left, last
	batching := &batchingStore{faultyStore: store, plan: p}
	var given adsync.UserStore = store
	if batch > 0 {
		given = batching
	}
	s, err := worldSyncerIn(batch, w, given)
	if err != nil {
		return err
	}
	report, _ := s.Apply(context.Background(), p) // how it ends is not the point
	if len(report.Results) != len(p.Changes) {
		return fmt.Errorf("%d results for %d changes", len(report.Results), len(p.Changes))
	}
	if store.written != left {
		return fmt.Errorf("%d writes by a store that broke", store.written)
	}
	store.left = -1
	report, err = s.Apply(context.Background(), p)
	if err = errors.Join(err, report.Err()); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if store.written != total {
		return fmt.Errorf("%d writes in all, want %d", store.written, total)
	}
	whole := newPlanCheck(w, p).newRun()
	if err := whole.play(func(int) bool { return false }); err != nil {
		return err
	}
	if err := errors.Join(batching.broken, equalRows(whole.plainRows(), plainRows(store, w))); err != nil {
		return err
	}
	return settled(s)
}

func TestPlanSurvivesJSON(t *testing.T) {
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
			s, err := worldSyncer(w, adsync.NewMemoryStore(w.users...))
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

// Whatever a plan read from JSON says, Apply leaves alone whom no plan may touch.
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
		store := adsync.NewMemoryStore(w.users...)
		s, err := worldSyncer(w, store)
		require.NoError(t, err)
		report, err := s.Apply(context.Background(), &p)
		if err == nil {
			assert.Len(t, report.Results, len(p.Changes))
		}
		require.NoError(t, untouchables(w, plainRows(store, w)))
	})
}

// A plan that was tampered with is refused, or does no more than a plan may: the
// directory must bear out each removal.
func TestForgedPlans(t *testing.T) {
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
			return nil // the directory bears out more than that
		}
		return c.removalAllowed(was, adsync.Deactivate)
	case was.Protected != now.Protected || was.ObjectID != now.ObjectID || was.Source != now.Source:
		return errors.New("is another user now")
	case strings.HasPrefix(now.Username, "~adsync-000000000000"):
		return errors.New("was parked for ever")
	}
	return nil
}

// The tables of docs/RECONCILE.md say what Reconcile does; -update writes them.
func TestDocumentedTables(t *testing.T) {
	const page = "docs/RECONCILE.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	documented := string(text)
	for _, k := range knots {
		t.Run(k.name, func(t *testing.T) {
			require.NoError(t, reconcileAndCheck(k.world))
			p, err := reconcile(k.world)
			require.NoError(t, err)
			mark := "<!-- table: " + k.name + " -->\n"
			before, rest, found := strings.Cut(documented, mark)
			require.True(t, found, "no table of this name")
			got, after, _ := strings.Cut(rest, "<!-- end -->")
			want := newPlanCheck(k.world, p).table(t)
			if *update {
				documented = before + mark + want + "<!-- end -->" + after
				return
			}
			assert.Equal(t, want, got)
		})
	}
	assert.Equal(t, len(knots), strings.Count(documented, "<!-- table: "))
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(documented), 0o644))
	}
}

// table shows the world of a plan, and what becomes of everybody, as Markdown.
func (c *planCheck) table(t *testing.T) string {
	r := c.newRun()
	require.NoError(t, r.play(func(int) bool { return false }))
	var b strings.Builder
	b.WriteString("| user | has | directory says | after the sync | told |\n| --- | --- | --- | --- | --- |\n")
	for _, u := range c.w.users {
		after := "deleted"
		if row, ok := r.rows[u.ID]; ok {
			after = keysText(row.Profile)
			if row.Status == adsync.StatusDeactivated {
				after += ", deactivated"
			}
		}
		name := u.ID
		if u.Protected {
			name += " (protected)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, keysText(u.Profile), c.entriesText(u), after, c.toldText(u.ID, adsync.ObjectID{}))
	}
	for _, e := range c.w.entries {
		if slices.ContainsFunc(c.w.users, func(u adsync.User) bool { return u.ObjectID == e.ObjectID }) {
			continue
		}
		after := "not created"
		if row, ok := r.rows["new "+e.ObjectID.String()]; ok {
			after = keysText(row.Profile)
		}
		fmt.Fprintf(&b, "| %s | – | %s | %s | %s |\n", partyText(e.ObjectID.String()), keysText(e.Profile), after, c.toldText("", e.ObjectID))
	}
	b.WriteString(c.stepsText())
	return b.String()
}

func keysText(p adsync.Profile) string {
	if p.Email == "" {
		return p.Username
	}
	return p.Username + ", " + p.Email
}

func (c *planCheck) entriesText(u adsync.User) string {
	var texts []string
	for _, e := range c.w.entries {
		switch {
		case u.ObjectID.IsZero() || e.ObjectID != u.ObjectID:
			continue
		case e.State != "":
			texts = append(texts, string(e.State))
		case e.Disabled:
			texts = append(texts, keysText(e.Profile)+", disabled")
		default:
			texts = append(texts, keysText(e.Profile))
		}
	}
	if u.ObjectID.IsZero() {
		return "– (local)"
	}
	return strings.Join(texts, "; and: ")
}

func (c *planCheck) toldText(userID string, id adsync.ObjectID) string {
	var texts []string
	for _, change := range c.plan.Changes {
		if writes(change) || change.UserID != userID || userID == "" && change.ObjectID != id {
			continue
		}
		text := string(change.Op) + ", " + string(change.Reason)
		between := ": "
		for _, conflict := range change.Conflicts {
			if conflict.Field == adsync.FieldObjectID && len(conflict.With) == 0 {
				continue
			}
			with := []string{}
			for _, name := range conflict.With {
				with = append(with, partyText(name))
			}
			text += between + string(conflict.Field)
			between = " and "
			if conflict.Field != adsync.FieldObjectID {
				text += " " + conflict.Value
			}
			text += " with " + strings.Join(with, ", ")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// partyText names a new entry by the first byte of its ObjectID.
func partyText(name string) string {
	if id, err := adsync.ParseObjectID(name); err == nil {
		return fmt.Sprintf("entry %d", id[0])
	}
	return name
}

// stepsText lists what is written, in order.
func (c *planCheck) stepsText() string {
	var b strings.Builder
	for i, change := range c.plan.Changes {
		if !writes(change) {
			break
		}
		who, does := change.UserID, map[adsync.Op]string{adsync.OpDelete: "delete", adsync.OpUpdate: "update", adsync.OpCreate: "create from"}[change.Op]
		if change.Interim {
			does = "park"
		}
		if who == "" {
			who = partyText(change.ObjectID.String())
		}
		fmt.Fprintf(&b, "%d. %s %s", i+1, does, who)
		for k, need := range change.Needs {
			fmt.Fprintf(&b, "%s %d", []string{", needs", " and"}[min(k, 1)], need+1)
		}
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return "\nNothing is written.\n"
	}
	return "\n" + b.String()
}

// Adopt links a user to an entry just when username and email both say so and
// nobody else comes into question.
func TestAdoptLinksOnlyCertainPairs(t *testing.T) {
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
	w.rules.only, w.rules.mapping, w.rules.keys = nil, "", nil
	for i := range w.users {
		u := &w.users[i]
		if e := slices.IndexFunc(w.entries, func(e adsync.Entry) bool { return e.ObjectID == u.ObjectID }); i%3 > 0 && e >= 0 {
			u.Profile = withKeysOf(u.Profile, w.entries[e].Profile)
		}
		if i%4 > 0 {
			u.ObjectID, u.Source = adsync.ObjectID{}, ""
		}
	}
	return w
}

// withKeysOf is the profile with the keys of another, of which one that is blank is none.
func withKeysOf(p, from adsync.Profile) adsync.Profile {
	p.Username, p.Email = from.Username, from.Email
	for _, key := range []*string{&p.Username, &p.Email} {
		if strings.TrimSpace(*key) == "" {
			*key = ""
		}
	}
	return p
}

// certainPairs are the links by the book: the two keys agree, and neither is of
// another user or another entry.
func (c *planCheck) certainPairs() []string {
	pairs := []string{}
	for _, u := range c.w.users {
		mine := c.keysOf(validProfile(u.Profile), keyFields)
		if !u.ObjectID.IsZero() || u.Protected || plainStatus(u).Status != "" || len(mine) < 2 {
			continue
		}
		if slices.ContainsFunc(c.w.users, func(v adsync.User) bool {
			return v.ID != u.ID && meet(mine, c.keysOf(validProfile(v.Profile), keyFields))
		}) {
			continue
		}
		var near []adsync.Entry
		for _, e := range c.w.entries {
			if meet(mine, c.keysOf(toldProfile(e.Profile), keyFields)) && (e.State == "" || e.State == adsync.StatePresent) {
				near = append(near, e)
			}
		}
		if c.certain(mine, near) {
			pairs = append(pairs, u.ID+" is "+near[0].ObjectID.String())
		}
	}
	slices.Sort(pairs)
	return pairs
}

// certain: near is one entry, agreeing in both keys, that nobody is linked to.
func (c *planCheck) certain(mine []key, near []adsync.Entry) bool {
	if len(near) == 0 || slices.ContainsFunc(c.w.users, func(v adsync.User) bool { return v.ObjectID == near[0].ObjectID }) {
		return false
	}
	account := oracle{sight: map[adsync.ObjectID]sighting{}}
	for _, e := range c.w.entries {
		account.see(e)
	}
	if account.sight[near[0].ObjectID].twice {
		return false
	}
	for _, e := range near {
		if e.ObjectID != near[0].ObjectID || len(without(mine, c.keysOf(toldProfile(e.Profile), keyFields))) > 0 {
			return false
		}
	}
	return true
}
