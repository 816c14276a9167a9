package adsync_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/go-adsync/adsync"
)

// checkOrder checks the changes against the order rule, and their needs against
// what they take.
func checkOrder(w world, p *adsync.Plan) error {
	c := newPlanCheck(w, p)
	return errors.Join(c.sorted(), c.oneUpdateEach(), c.needsExact(), c.updatesInOrder(), c.interimsInPlace())
}

type planCheck struct {
	oracle // for its folding
	w      world
	plan   *adsync.Plan
	steps  []*step // one for each change
}

func newPlanCheck(w world, p *adsync.Plan) *planCheck {
	c := &planCheck{oracle: oracle{rules: w.rules.adsync()}, w: w, plan: p}
	c.setDefaults()
	for _, change := range p.Changes {
		s := &step{change: change}
		if writes(change) {
			s = c.newStep(change)
		}
		c.steps = append(c.steps, s)
	}
	return c
}

func writes(c adsync.Change) bool {
	return slices.Contains([]adsync.Op{adsync.OpDelete, adsync.OpUpdate, adsync.OpCreate}, c.Op)
}

func (c *planCheck) sorted() error {
	ops := []adsync.Op{adsync.OpDelete, adsync.OpUpdate, adsync.OpCreate, adsync.OpDuplicate, adsync.OpInvalid, adsync.OpNotice}
	for i := 1; i < len(c.steps); i++ {
		a, b := c.steps[i-1].change, c.steps[i].change
		if slices.Index(ops, a.Op) > slices.Index(ops, b.Op) {
			return fmt.Errorf("change %d: %s after %s", i, b.Op, a.Op)
		}
		byID := cmp.Or(cmp.Compare(a.UserID, b.UserID), cmp.Compare(a.ObjectID.String(), b.ObjectID.String()))
		if byID == 0 && b.Op == adsync.OpNotice { // of which a user may get several
			byID = cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Detail, b.Detail), -1)
		}
		if a.Op == b.Op && a.Op != adsync.OpUpdate && byID >= 0 {
			return fmt.Errorf("change %d: %s of %s is out of order", i, b.Op, b.UserID)
		}
	}
	return nil
}

func (c *planCheck) oneUpdateEach() error {
	seen := map[string]bool{}
	for i, s := range c.steps {
		name := fmt.Sprint(s.change.UserID, s.change.ObjectID, s.change.Interim)
		if writes(s.change) && seen[name] {
			return fmt.Errorf("change %d: second write of the same user", i)
		}
		seen[name] = seen[name] || writes(s.change)
	}
	return nil
}

// needsExact: the needs are just the changes that free what a change takes, and
// the interim of the same user; all stand before it.
func (c *planCheck) needsExact() error {
	for i, s := range c.steps {
		var want []int
		for j, n := range c.steps {
			own := n.change.Interim && n.change.UserID == s.change.UserID && writes(s.change)
			if i != j && !s.change.Interim && (own || meet(s.takes, n.frees)) {
				want = append(want, j)
			}
		}
		if !slices.Equal(want, s.change.Needs) {
			return fmt.Errorf("change %d needs %v, not %v", i, want, s.change.Needs)
		}
		if len(want) > 0 && want[len(want)-1] > i {
			return fmt.Errorf("change %d stands before what it needs: %v", i, want)
		}
	}
	return nil
}

// updatesInOrder: for each user in order of UserID, first the updates it needs,
// then its own.
func (c *planCheck) updatesInOrder() error {
	var byUser, want, got []int
	for i, s := range c.steps {
		if s.change.Op == adsync.OpUpdate && !s.change.Interim {
			byUser, got = append(byUser, i), append(got, i)
		}
	}
	less := func(i, j int) int { return cmp.Compare(c.steps[i].change.UserID, c.steps[j].change.UserID) }
	slices.SortFunc(byUser, less)
	var visit func(i, depth int)
	visit = func(i, depth int) {
		if slices.Contains(want, i) || depth > len(c.steps) {
			return
		}
		for _, j := range slices.SortedFunc(slices.Values(c.steps[i].change.Needs), less) {
			if slices.Contains(byUser, j) {
				visit(j, depth+1)
			}
		}
		want = append(want, i)
	}
	for _, i := range byUser {
		visit(i, 0)
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("updates stand as %v, want %v", got, want)
	}
	return nil
}

var parkedName = regexp.MustCompile(`^~adsync-[0-9a-f]{12}(@adsync\.invalid)?$`)

// interimsInPlace: an interim stands just before the first change that needs it,
// apart from other interims, and changes nothing but keys that another takes, to
// values that nobody has.
func (c *planCheck) interimsInPlace() error {
	for i, s := range c.steps {
		if !s.change.Interim {
			continue
		}
		next := i + 1
		for next < len(c.steps) && c.steps[next].change.Interim {
			next++
		}
		if next == len(c.steps) || !slices.Contains(c.steps[next].change.Needs, i) {
			return fmt.Errorf("change %d: an interim that the next change does not need", i)
		}
		if err := c.interimParks(s); err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
	}
	return nil
}

func (c *planCheck) interimParks(s *step) error {
	back := *s.change.After
	for _, f := range s.change.Fields {
		value := detail(&back.Profile, f)
		if !slices.Contains(keyFields, f) || !parkedName.MatchString(*value) {
			return fmt.Errorf("an interim writes %s", f)
		}
		for _, u := range c.w.users {
			if c.rules.Fold(*detail(&u.Profile, f)) == *value {
				return errors.New("a parked value is held")
			}
		}
		*value = *detail(&s.change.Before.Profile, f)
		freed := without(c.keysOf(s.change.Before.Profile, []adsync.Field{f}), c.keysOf(s.change.After.Profile, []adsync.Field{f}))
		if !slices.ContainsFunc(c.steps, func(n *step) bool { return meet(n.takes, freed) }) {
			return fmt.Errorf("nobody takes the parked %s", f)
		}
	}
	if back != *s.change.Before {
		return errors.New("an interim writes more than it says")
	}
	return nil
}

// run plays the plan's writes on a plain table, step by step.
type run struct {
	*planCheck
	rows     map[string]adsync.User
	outcomes []adsync.Outcome
	clashes  map[clash]bool // pairs that shared a key at the start
}

func (c *planCheck) newRun() *run {
	r := &run{planCheck: c, rows: map[string]adsync.User{}}
	for _, u := range c.w.users {
		u.Profile = validProfile(u.Profile)
		r.rows[u.ID] = u
	}
	r.clashes = r.clashing()
	return r
}

// clash is two users with one key.
type clash struct {
	field adsync.Field
	a, b  string
}

func (r *run) clashing() map[clash]bool {
	pairs := map[clash]bool{}
	for a, u := range r.rows {
		for b, v := range r.rows {
			if a >= b {
				continue
			}
			for _, f := range r.rules.Keys {
				if folded := r.rules.Fold(*detail(&u.Profile, f)); folded != "" && folded == r.rules.Fold(*detail(&v.Profile, f)) {
					pairs[clash{f, a, b}] = true
				}
			}
		}
	}
	return pairs
}

// play runs all changes; those that fails names do not succeed, and what needs
// them is blocked. After each step nobody may share a key who did not before.
func (r *run) play(fails func(i int) bool) error {
	for i, s := range r.steps {
		r.outcomes = append(r.outcomes, r.attempt(i, s, fails(i)))
		if r.outcomes[i] == adsync.OutcomeStale {
			return fmt.Errorf("change %d: its Before is not the row of that moment", i)
		}
		if err := r.noNewClash(); err != nil {
			return fmt.Errorf("after change %d: %w", i, err)
		}
	}
	for i, s := range r.steps {
		if s.change.Interim && r.outcomes[i] == adsync.OutcomeApplied && !r.anyUse(i) && r.mayPutBack(s) {
			r.rows[s.change.UserID] = *s.change.Before
			r.outcomes[i] = adsync.OutcomeSkipped
			if err := r.noNewClash(); err != nil {
				return fmt.Errorf("after putting back change %d: %w", i, err)
			}
		}
	}
	return nil
}

func (r *run) attempt(i int, s *step, fails bool) adsync.Outcome {
	c := s.change
	if !writes(c) {
		return adsync.OutcomeSkipped
	}
	for _, n := range c.Needs {
		if n >= i || r.outcomes[n] != adsync.OutcomeApplied {
			return adsync.OutcomeBlocked
		}
	}
	if row, ok := r.rows[c.UserID]; c.Before != nil && (!ok || row != *c.Before) {
		return adsync.OutcomeStale
	}
	if fails {
		return adsync.OutcomeFailed
	}
	switch c.Op {
	case adsync.OpDelete:
		delete(r.rows, c.UserID)
	case adsync.OpUpdate:
		r.rows[c.UserID] = *c.After
	case adsync.OpCreate:
		r.rows["new "+c.ObjectID.String()] = *c.After
	}
	return adsync.OutcomeApplied
}

// anyUse tells whether an interim has served: a taker has the key, or the parked
// user went on. (The latter without the former happens where several cycles meet:
// another user's interim opened the parked user's way, and then the taker failed.)
func (r *run) anyUse(interim int) bool {
	for i, s := range r.steps {
		if slices.Contains(s.change.Needs, interim) && r.outcomes[i] == adsync.OutcomeApplied {
			return true
		}
	}
	return false
}

// mayPutBack tells whether the parked keys are free. They are, unless they clashed
// at the start with those of a user who then could not be changed.
func (r *run) mayPutBack(s *step) bool {
	for id, u := range r.rows {
		if id != s.change.UserID && meet(s.frees, r.keysOf(u.Profile, keyFields)) {
			return false
		}
	}
	return true
}

func (r *run) noNewClash() error {
	for pair := range r.clashing() {
		if !r.clashes[pair] {
			return fmt.Errorf("a clash that was not there: %v", pair)
		}
	}
	return nil
}

// checkPrefixes plays the plan with every set of failures, where the writes are
// few, and otherwise with each single one.
func checkPrefixes(w world, p *adsync.Plan) error {
	c := newPlanCheck(w, p)
	var written []int
	for i, s := range c.steps {
		if writes(s.change) {
			written = append(written, i)
		}
	}
	for _, failing := range failureSets(written) {
		if err := c.newRun().play(func(i int) bool { return slices.Contains(failing, i) }); err != nil {
			return fmt.Errorf("with %v failing: %w", failing, err)
		}
	}
	return nil
}

// failureSets are all subsets of a few, or none and each one of many.
func failureSets(of []int) [][]int {
	sets := [][]int{nil}
	if len(of) > 6 {
		for _, i := range of {
			sets = append(sets, []int{i})
		}
		return sets
	}
	for _, i := range of {
		for _, s := range slices.Clone(sets) {
			sets = append(sets, append(slices.Clone(s), i))
		}
	}
	return sets
}

// checkAllowed plays the whole plan and looks for what no rule allows.
func checkAllowed(w world, p *adsync.Plan) error {
	c := newPlanCheck(w, p)
	r := c.newRun()
	if err := r.play(func(int) bool { return false }); err != nil {
		return err
	}
	for _, u := range w.users {
		u.Profile = validProfile(u.Profile)
		now, ok := r.rows[u.ID]
		if err := c.userAllowed(u, now, ok); err != nil {
			return fmt.Errorf("user %s: %w", u.ID, err)
		}
	}
	for _, s := range c.steps {
		if err := c.createAllowed(s.change); err != nil {
			return err
		}
	}
	return nil
}

func (c *planCheck) userAllowed(was, now adsync.User, remains bool) error {
	chosen := !was.ObjectID.IsZero() && was.Source == c.rules.Source && (c.w.rules.only == nil || slices.Contains(c.w.rules.only, was.ID))
	if remains && now == was {
		return nil
	}
	if !chosen {
		return errors.New("is not chosen, yet changed")
	}
	if !remains {
		return errors.Join(c.removalAllowed(was, adsync.Remove), c.longGone(was))
	}
	for _, f := range []adsync.Field{fieldTeam, fieldLangs} {
		if slices.Contains(c.rules.Fields, f) {
			was.Extra = was.Extra.With(f, now.Extra.Set(f)...)
		}
	}
	if err := c.rolesAllowed(was, now); err != nil {
		return err
	}
	was.Extra = was.Extra.With(adsync.FieldRoles, now.Extra.Set(adsync.FieldRoles)...)
	for _, f := range detailFields {
		pinned := c.rules.PinProtected && was.Protected && slices.Contains(keyFields, f)
		if slices.Contains(c.rules.Fields, f) && !pinned {
			*detail(&was.Profile, f) = *detail(&now.Profile, f)
		}
	}
	if c.rules.Fold(now.Username) == "" && slices.Contains(differing(was, now), adsync.FieldUsername) {
		return errors.New("has lost the username")
	}
	for _, f := range c.rules.Require {
		if slices.Contains(differing(was, now), f) && blankIn(&now.Profile, f) {
			return fmt.Errorf("has lost %s", f)
		}
	}
	if was.DeactivatedAt != now.DeactivatedAt {
		if err := c.stampAllowed(was, now); err != nil {
			return err
		}
		was.DeactivatedAt = now.DeactivatedAt
	}
	if was.Status != now.Status {
		if err := c.statusAllowed(was, now.Status); err != nil {
			return err
		}
		was.Status = now.Status
	}
	if was != now {
		return errors.New("has changed outside Rules.Fields, or is pinned")
	}
	return nil
}

// rolesAllowed: a role is given that each entry has, and taken that none has or leaves
// unknown, that is not the host's own, and not from a protected user.
func (c *planCheck) rolesAllowed(was, now adsync.User) error {
	had, has := was.Extra.Set(adsync.FieldRoles), now.Extra.Set(adsync.FieldRoles)
	told := slices.DeleteFunc(slices.Clone(c.w.entries), func(e adsync.Entry) bool { return e.ObjectID != was.ObjectID })
	for _, role := range []string{"r1", "r2", "r3"} {
		lost, given := slices.Contains(had, role) && !slices.Contains(has, role), !slices.Contains(had, role) && slices.Contains(has, role)
		if !lost && !given {
			continue
		}
		if !slices.Contains(c.rules.Roles, role) || len(told) == 0 || lost && (was.Protected || slices.Contains(was.Extra.Set(adsync.FieldHostRoles), role)) {
			return fmt.Errorf("role %s is not a sync's to change", role)
		}
		for _, e := range told {
			alive := e.State == "" || e.State == adsync.StatePresent || e.State == adsync.StateOutOfScope
			if !alive || slices.Contains(e.Extra.Set(adsync.FieldRoles), role) != given || slices.Contains(e.Unknown.Set(adsync.FieldRoles), role) {
				return fmt.Errorf("role %s has changed though the account does not say so", role)
			}
		}
	}
	return nil
}

// stampAllowed: whoever is active is not deactivated, and nobody is given any moment but that
// of the writing, nor another than it has while it is deactivated.
func (c *planCheck) stampAllowed(was, now adsync.User) error {
	active := plainStatus(now).Status == ""
	switch {
	case active && now.DeactivatedAt == 0:
	case !active && now.DeactivatedAt == adsync.AtWrite && c.stamps && (was.DeactivatedAt == 0 || plainStatus(was).Status == ""):
	default:
		return fmt.Errorf("is said to be deactivated at %v, and was at %v", now.DeactivatedAt, was.DeactivatedAt)
	}
	return nil
}

// longGone: with RemoveAfter, whoever is deleted has been deactivated, and has a tombstone if
// it has one, for so long.
func (c *planCheck) longGone(was adsync.User) error {
	since := was.DeactivatedAt
	for _, e := range c.w.entries {
		if e.ObjectID == was.ObjectID {
			since = max(since, e.DeletedAt)
		}
	}
	if c.rules.RemoveAfter == 0 || was.Status == adsync.StatusDeactivated && was.DeactivatedAt != 0 && since+adsync.Moment(c.rules.RemoveAfter.Seconds()) <= c.rules.Now {
		return nil
	}
	return errors.New("deleted before its time")
}

func (c *planCheck) statusAllowed(was adsync.User, now adsync.Status) error {
	if now == c.off && (was.Status == "" || was.Status == adsync.StatusActive) {
		err := c.removalAllowed(was, adsync.Deactivate)
		if err != nil && c.rules.RemoveAfter > 0 {
			err = c.removalAllowed(was, adsync.Remove)
		}
		return err
	}
	if now == adsync.StatusActive && was.Status == adsync.StatusDeactivated {
		if !c.certainlyFree(was.ObjectID) {
			return errors.New("reactivated though not present and enabled")
		}
		return nil
	}
	return fmt.Errorf("status set to %q from %q", now, was.Status)
}

// certainlyFree: all entries of the account say that it is present, none that it is
// disabled, and one that it is not.
func (c *planCheck) certainlyFree(id adsync.ObjectID) bool {
	enabled := false
	for _, e := range c.w.entries {
		if e.ObjectID != id {
			continue
		}
		if e.State != "" && e.State != adsync.StatePresent || e.Disabled && !e.DisabledUnknown {
			return false
		}
		enabled = enabled || !e.DisabledUnknown
	}
	return enabled
}

// saysDisabled: one of the entries does.
func (c *planCheck) saysDisabled(id adsync.ObjectID) bool {
	return slices.ContainsFunc(c.w.entries, func(e adsync.Entry) bool {
		return e.ObjectID == id && e.Disabled && !e.DisabledUnknown
	})
}

// removalAllowed: every entry of the user, or their absence, must ask for just
// this reaction.
func (c *planCheck) removalAllowed(was adsync.User, done adsync.Reaction) error {
	if was.Protected {
		return errors.New("is protected, yet removed")
	}
	found := false
	for _, e := range c.w.entries {
		if e.ObjectID != was.ObjectID {
			continue
		}
		found = true
		e.State = cmp.Or(e.State, adsync.StatePresent)
		var reactions []adsync.Reaction
		switch e.State {
		case adsync.StateDeleted:
			reactions = append(reactions, c.rules.OnDeleted)
		case adsync.StateUnproven:
			reactions = append(reactions, c.rules.OnUnproven)
		case adsync.StateDisputed:
			if c.rules.OnDeleted != adsync.Keep {
				reactions = append(reactions, adsync.Deactivate)
			}
		case adsync.StateOutOfScope:
			reactions = append(reactions, c.rules.OnOutOfScope)
		}
		disabled := e.Disabled
		if e.DisabledUnknown { // what another entry knows counts
			disabled = c.saysDisabled(e.ObjectID)
		}
		if disabled && (e.State == adsync.StatePresent || e.State == adsync.StateOutOfScope) {
			reactions = append(reactions, c.rules.OnDisabled)
		}
		if !slices.Contains(reactions, done) {
			return fmt.Errorf("%s without a rule that says so", done)
		}
	}
	if !found && c.rules.OnDeleted != done {
		return fmt.Errorf("%s of a missing one without a rule that says so", done)
	}
	return nil
}

func (c *planCheck) createAllowed(change adsync.Change) error {
	if change.Op != adsync.OpCreate {
		return nil
	}
	if !c.rules.Import {
		return errors.New("created without Import")
	}
	if slices.ContainsFunc(c.w.users, func(u adsync.User) bool { return u.ObjectID == change.ObjectID }) {
		return errors.New("created though a user is linked")
	}
	if !c.certainlyFree(change.ObjectID) {
		return errors.New("created from an entry that is not present and enabled")
	}
	if c.rules.Fold(change.After.Username) == "" {
		return errors.New("created without a username")
	}
	for _, f := range c.rules.Require {
		if blankIn(&change.After.Profile, f) {
			return fmt.Errorf("created without %s", f)
		}
	}
	return nil
}

// checkData: a plan is whole, valid data.
func checkData(p *adsync.Plan) error {
	if p.Changes == nil {
		return errors.New("Changes is nil")
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	var back adsync.Plan
	if err := json.Unmarshal(text, &back); err != nil {
		return err
	}
	if !reflect.DeepEqual(p, &back) {
		return fmt.Errorf("JSON changes the plan:\n%s", gocmp.Diff(p, &back))
	}
	return nil
}

func checkPlan(w world, p *adsync.Plan) error {
	return errors.Join(checkData(p), checkOrder(w, p), checkPrefixes(w, p), checkAllowed(w, p))
}
