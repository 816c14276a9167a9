package adsync

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/claims"
	"github.com/go-adsync/adsync/internal/userindex"
)

// Reconcile compares both sides and returns the plan. It is pure: no context,
// clock, log, I/O or map order; it neither keeps nor changes its arguments, and
// gives the same plan for any order of them. A managed user without an entry
// counts as Deleted: the caller vouches for the list.
//
// The error is for rules that Check refuses, entries without an ObjectID or of an
// unknown State, and users to be changed that share their ID.
func Reconcile(entries []Entry, users []User, rules Rules) (*Plan, error) {
	if err := rules.Check(); err != nil {
		return nil, err
	}
	held := &sliceRows{users: users}
	h := newHost(held, scopeOf(rules))
	for row := range users {
		h.add(held.valid(row))
	}
	v := newView(h)
	for batch := range slices.Chunk(entries, userindex.Batch) {
		if err := v.addAll(batch); err != nil {
			return nil, err
		}
	}
	return v.plan()
}

// party is one who holds keys or asks for some: a user, with what is to become of
// it before others are asked, or a newcomer.
type party struct {
	row     int // the user's
	role    claims.Role
	state   State    // of the entry
	user    *User    // as it is; zero for a newcomer
	after   *User    // with the details it asks for and its new status
	reason  Reason   // of a removal or a change of status; may be empty
	detail  string   // more words for its update
	revoked []string // the roles that it loses, whatever becomes of its details
	pinned  []Field  // the keys that a protected user keeps, though the directory has others
	reports []Change // what is reported without writing
}

// name is the user's ID, or the ObjectID of a newcomer.
func (d *party) name() string {
	if d.role == claims.Newcomer {
		return d.after.ObjectID.String()
	}
	return d.user.ID
}

func (d *party) matters() bool {
	return d.role == claims.Leaver || *d.after != *d.user || len(d.reports) > 0 || len(d.pinned) > 0
}

// report adds a change that writes nothing.
func (d *party) report(op Op, reason Reason, detail string, conflicts ...Conflict) {
	d.reports = append(d.reports, Change{Op: op, Reason: reason, Detail: detail, Conflicts: conflicts})
}

// planner turns decisions into changes.
type planner struct {
	view     *view
	host     *host
	scope    *scope
	plan     *Plan
	parties  []*party // sorted by user ID, newcomers by ObjectID behind them
	solution *claims.Solution
	reports  []Change
	scratch  []byte // for one key at a time
}

func newPlanner(v *view) *planner {
	rules := &v.host.scope.rules
	return &planner{
		view: v, host: v.host, scope: &v.host.scope,
		plan: &Plan{Version: planVersion, Source: validText(rules.Source), Changes: []Change{}},
	}
}

// planAll judges everybody and writes the changes down.
func (p *planner) planAll() (*Plan, error) {
	users := p.decide()
	if err := p.arrange(users, p.openNewcomers()); err != nil {
		return nil, err
	}
	p.count()
	return p.plan, nil
}

// arrange writes down what becomes of those who matter, in its order.
func (p *planner) arrange(users, newcomers []*party) error {
	if err := p.gather(users, newcomers); err != nil {
		return err
	}
	p.solve()
	p.order()
	p.reportAll()
	return nil
}

// decide goes through the chosen users, each for itself, and returns those of
// whom there is something to say.
func (p *planner) decide() []*party {
	var parties []*party
	for row, kind := range p.host.kinds {
		if kind&rowChosen == 0 {
			continue
		}
		first := p.host.firstOf(row)
		twins := len(p.host.links.Twins(first)) > 0
		if p.view.found[first] == asHeld && kind&rowDeactivated == 0 && !twins {
			continue
		}
		if d := p.decideRow(row, first); twins || d.matters() {
			parties = append(parties, &d)
		}
	}
	p.duplicateTwins(parties)
	return parties
}

func (p *planner) decideRow(row, first int) party {
	d := p.fixed(row)
	if _, twice := p.view.listedTwice[first]; twice {
		d.report(OpDuplicate, ReasonListedTwice, "", p.sameLink(first, row, nil))
		return d
	}
	entry := p.view.entryOf(first)
	d.state = entry.State
	reaction, reason := p.scope.rules.reaction(&entry)
	switch {
	case reason == "": // present and enabled
	case reason == ReasonUnknown && d.user.Status != StatusDeactivated: // and so nothing depends on it
	case reaction == Keep:
		d.report(OpNotice, reason, "")
	case d.user.Protected && (reaction == Remove || d.user.active()):
		d.report(OpNotice, ReasonProtected, "would be removed as "+string(reason))
	case reaction == Remove && p.scope.rules.removesNow(d.user, &entry):
		d.role, d.reason = claims.Leaver, reason
		return d
	}
	d.after.Status, d.reason = p.scope.rules.status(d.user, &entry)
	d.after.DeactivatedAt = p.scope.rules.stamped(d.user, &entry, d.after.Status)
	if reaction == Remove && !d.user.Protected {
		p.wait(&d, &entry, reason)
	}
	switch {
	case p.view.assumed.has(first): // Map is not for what the host has
		if d.state == StatePresent {
			d.role = claims.Candidate
		}
	case d.state == StatePresent:
		p.decideDetails(&d, &entry)
	}
	p.decideRoles(&d, &entry, d.role == claims.Candidate, first)
	return d
}

// fixed is a row that stays as it is.
func (p *planner) fixed(row int) party {
	user := p.host.rows.Keep(row)
	after := user
	return party{row: row, user: &user, after: &after}
}

// decideDetails makes a candidate of the user, unless the directory's profile
// cannot be written.
func (p *planner) decideDetails(d *party, e *Entry) {
	profile, err := p.scope.profile(d.user, e)
	if reason, detail := p.scope.invalid(d.user, profile, err); reason != "" {
		d.report(OpInvalid, reason, detail)
		return
	}
	d.role = claims.Candidate
	d.after.Profile = profile
	d.pinned = p.scope.pinned(d.user, e)
}

// duplicateTwins makes duplicates of the users who remain linked to one Present entry.
func (p *planner) duplicateTwins(parties []*party) {
	if !p.host.links.HasTwins() {
		return
	}
	leaves := map[int]bool{}
	for _, d := range parties {
		leaves[d.row] = d.role == claims.Leaver
	}
	remains := func(row int) bool { return !leaves[row] }
	for _, d := range parties {
		if d.state != StatePresent || d.role == claims.Leaver {
			continue
		}
		conflict := p.sameLink(p.host.firstOf(d.row), d.row, remains)
		if len(conflict.With) == 0 {
			continue
		}
		d.role = claims.Fixed
		d.after.Profile, d.pinned = d.user.Profile, nil
		d.reports = slices.DeleteFunc(d.reports, func(c Change) bool { return c.Op == OpInvalid })
		d.report(OpDuplicate, ReasonLinkedTwice, "", conflict)
	}
}

// sameLink is the conflict of a row with the others of its link for which
// remains is true; nil stands for all.
func (p *planner) sameLink(first, row int, remains func(row int) bool) Conflict {
	conflict := Conflict{Field: FieldObjectID, Value: ObjectID(p.host.rows.ObjectID(first)).String(), With: []string{}}
	for _, other := range p.host.group(first) {
		if other != row && (remains == nil || remains(other)) {
			conflict.With = append(conflict.With, p.host.rows.User(other).ID)
		}
	}
	slices.Sort(conflict.With)
	return conflict
}

// openNewcomers returns the entries that may be created and reports those asked for by
// name that may not.
func (p *planner) openNewcomers() []*party {
	open := make([]*party, 0, len(p.view.newcomers))
	// Many at a time lie in memory in the order in which they are gone through, again
	// and again; and not all, as a host may keep one of them for long.
	const slab = 256
	var parties []party
	var users []User
	ids := slices.AppendSeq(make([]ObjectID, 0, len(p.view.newcomers)), maps.Keys(p.view.newcomers))
	slices.SortFunc(ids, ObjectID.Compare)
	for _, id := range ids {
		n := p.view.newcomers[id]
		if !n.open && !p.scope.imports[id] {
			continue
		}
		report := Change{ObjectID: id}
		e := p.view.entries.own(n.entry)
		if len(users) == 0 {
			parties, users = make([]party, slab), make([]User, slab)
		}
		after := &users[0]
		err := p.fillIn(after, &e)
		switch {
		case n.twice:
			report.Op, report.Reason = OpDuplicate, ReasonListedTwice
			report.Conflicts = []Conflict{{Field: FieldObjectID, Value: id.String(), With: []string{}}}
		case e.State != StatePresent:
			report.Op, report.Reason = OpNotice, Reason(e.State)
		case e.Disabled:
			report.Op, report.Reason = OpNotice, ReasonDisabled
		case e.DisabledUnknown:
			report.Op, report.Reason = OpNotice, ReasonUnknown
		default:
			report.Op = OpInvalid
			report.Reason, report.Detail = p.scope.invalid(nobody, after.Profile, err)
		}
		if report.Reason != "" {
			p.reports = append(p.reports, report)
			continue
		}
		parties[0] = party{role: claims.Newcomer, user: nobody, after: after}
		open = append(open, &parties[0])
		parties, users = parties[1:], users[1:]
	}
	for id := range p.scope.imports {
		p.reportLinked(id)
	}
	return open
}

// nobody is what a newcomer was before.
var nobody = new(User)

// fillIn makes u the user to create for an entry. The error is of Rules.Map.
func (p *planner) fillIn(u *User, e *Entry) error {
	profile, err := p.scope.newProfile(e)
	*u = User{ObjectID: e.ObjectID, Source: p.plan.Source, Profile: profile}
	return err
}

// reportLinked reports that an entry to import has a user already.
func (p *planner) reportLinked(id ObjectID) {
	row, linked := p.host.links.First(id)
	if !linked {
		row, linked = p.host.foreign.First(id)
	}
	if linked {
		d := p.fixed(row)
		d.report(OpNotice, ReasonLinked, "")
		p.reports = append(p.reports, d.labelled()...)
	}
}

// gather lists all who matter to a key that more than one holds or asks for, and
// all of whom there is something to say.
func (p *planner) gather(users, newcomers []*party) error {
	var asked [claims.Spaces][]uint32
	for _, d := range slices.Concat(users, newcomers) {
		for space, f := range keySpaces {
			if !p.scope.rules.isKey(f) {
				continue
			}
			if then := *d.after.detail(f); then != *d.user.detail(f) {
				p.scratch = p.scope.rules.appendKey(p.scratch[:0], then)
				asked[space] = append(asked[space], p.host.keys[space].Hash(p.scratch))
				p.host.noteParked(p.scratch)
			}
		}
	}
	known := make(map[int]bool, len(users))
	for _, d := range users {
		known[d.row] = true
	}
	p.parties = users
	for space := range keySpaces {
		for _, row := range p.host.keys[space].Shared(asked[space]) {
			if !known[int(row)] {
				known[int(row)] = true
				p.parties = append(p.parties, p.undecided(int(row)))
			}
		}
	}
	slices.SortFunc(p.parties, func(a, b *party) int { return strings.Compare(a.user.ID, b.user.ID) })
	for i := 1; i < len(p.parties); i++ {
		if a, b := p.parties[i-1], p.parties[i]; a.user.ID == b.user.ID && (a.matters() || b.matters()) {
			return fmt.Errorf("adsync: two users have the ID %q; a store must give each row its own", a.user.ID)
		}
	}
	p.parties = append(p.parties, newcomers...)
	return nil
}

// undecided is a row that is to stay as it is: if it is chosen, it may be a
// candidate for what it holds.
func (p *planner) undecided(row int) *party {
	d := p.fixed(row)
	if p.host.kinds[row]&rowChosen != 0 {
		d = p.decideRow(row, p.host.firstOf(row))
	}
	return &d
}

// solve numbers the keys and settles who gets which.
func (p *planner) solve() {
	var numbers [claims.Spaces]map[string]claims.Key
	next := claims.Key(0)
	number := func(space int, text string) claims.Key {
		p.scratch = p.scope.rules.appendKey(p.scratch[:0], text)
		if len(p.scratch) == 0 {
			return claims.None
		}
		n, ok := numbers[space][string(p.scratch)]
		if !ok {
			n = next
			next++
			numbers[space][string(p.scratch)] = n
		}
		return n
	}
	list := make([]claims.Claimant, len(p.parties))
	for space, f := range keySpaces {
		numbers[space] = make(map[string]claims.Key, len(p.parties))
		for i, d := range p.parties {
			if !p.scope.rules.isKey(f) {
				list[i].Role, list[i].Has[space], list[i].Asks[space] = d.role, claims.None, claims.None
				continue
			}
			has := number(space, *d.user.detail(f))
			asks := claims.None
			switch {
			case d.role != claims.Candidate && d.role != claims.Newcomer:
			case !slices.Contains(p.scope.synced, f) && d.role == claims.Candidate:
				asks = claims.Same
			case *d.after.detail(f) == *d.user.detail(f):
				asks = has
			default:
				asks = number(space, *d.after.detail(f))
			}
			list[i].Role, list[i].Has[space], list[i].Asks[space] = d.role, has, asks
		}
	}
	p.solution = claims.Solve(list, int(next))
}

// order appends the changes that write, in the order that never makes two users
// hold one key.
func (p *planner) order() {
	steps := p.solution.Order(
		func(i int) bool { return p.parties[i].writes(p.solution.Lost(i)) },
		func(i int) bool { return p.parties[i].user.Protected },
	)
	p.plan.Changes = make([]Change, 0, len(steps)+len(p.reports))
	parked := map[int32]*User{}
	for _, step := range steps {
		d := p.parties[step.Claimant]
		var change Change
		switch step.Kind {
		case claims.Park:
			change = p.park(d.user, step.Parked)
			parked[step.Claimant] = change.After
		case claims.Delete:
			change = Change{Op: OpDelete, Reason: d.reason, UserID: d.user.ID, ObjectID: d.user.ObjectID, Before: d.user}
		case claims.Create:
			change = Change{Op: OpCreate, Reason: cmp.Or(d.reason, ReasonNew), ObjectID: d.after.ObjectID, After: d.after}
		case claims.Update:
			change = d.update(p.solution.Lost(int(step.Claimant)), parked[step.Claimant])
		}
		for _, need := range step.Needs {
			change.Needs = append(change.Needs, int(need))
		}
		p.plan.Changes = append(p.plan.Changes, change)
	}
}

// writes reports whether the party is to be changed at all.
func (d *party) writes(lost bool) bool {
	switch d.role {
	case claims.Leaver:
		return true
	case claims.Newcomer:
		return !lost
	}
	return d.wins(lost) && *d.after != *d.user || d.after.Status != d.user.Status || d.after.DeactivatedAt != d.user.DeactivatedAt || len(d.revoked) > 0
}

// wins reports whether the user gets the details it asks for.
func (d *party) wins(lost bool) bool { return d.role == claims.Candidate && !lost }

// update is the change of the user: all of it, or only the status and what it loses of
// its roles where the details are not to be had. A parked user is what the parking left.
func (d *party) update(lost bool, parked *User) Change {
	before, after := d.user, d.after
	if !d.wins(lost) {
		kept := *d.user
		kept.Status, kept.DeactivatedAt = d.after.Status, d.after.DeactivatedAt
		kept.Extra = revoke(kept.Extra, d.revoked)
		after = &kept
	}
	if parked != nil {
		before = parked
	}
	change := NewUpdate(cmp.Or(d.reason, ReasonChanged), before, after)
	change.Detail = d.detail
	return change
}

// reportAll appends what is reported without writing.
func (p *planner) reportAll() {
	for i, d := range p.parties {
		if p.solution.Lost(i) {
			d.reports = append(d.reports, p.duplicate(i))
		}
		if len(d.pinned) > 0 {
			d.report(OpNotice, ReasonProtected, strings.Join(fieldNames(d.pinned), " and ")+" of the directory would be taken")
		}
		p.reports = append(p.reports, d.labelled()...)
	}
	slices.SortStableFunc(p.reports, compareReports)
	p.plan.Changes = append(p.plan.Changes, p.reports...)
}

// labelled are the reports, each with the party that it is about.
func (d *party) labelled() []Change {
	for i := range d.reports {
		c := &d.reports[i]
		if d.role == claims.Newcomer {
			c.ObjectID, c.After = d.after.ObjectID, d.after
		} else {
			c.UserID, c.ObjectID, c.Before = d.user.ID, d.user.ObjectID, d.user
		}
	}
	return d.reports
}

// maxRivals is how many rivals a Conflict names. A thousand users of one mailbox
// would otherwise make a plan of a million names.
const maxRivals = 100

// duplicate says who stands in the way of a party that lost.
func (p *planner) duplicate(i int) Change {
	change := Change{Op: OpDuplicate}
	worst := claims.Won
	for space, f := range keySpaces {
		rivals, total := p.solution.Rivals(i, space, maxRivals)
		if total == 0 {
			continue
		}
		worst = max(worst, p.solution.Verdict(i, space))
		conflict := Conflict{Field: f, Value: *p.parties[i].after.detail(f), With: make([]string, len(rivals))}
		for r, rival := range rivals {
			conflict.With[r] = p.parties[rival].name()
		}
		slices.Sort(conflict.With)
		change.Conflicts = append(change.Conflicts, conflict)
		if total > len(rivals) {
			change.Detail = fmt.Sprintf("the first %d of %d rivals are named", len(rivals), total)
		}
	}
	change.Reason = verdictReasons[worst]
	return change
}

var verdictReasons = [...]Reason{claims.Waiting: ReasonWaiting, claims.Contested: ReasonContested, claims.Taken: ReasonTaken}

// compareReports sorts duplicates before invalids before notices, each by user, then
// entry.
func compareReports(a, b Change) int {
	rank := func(c Change) int { return slices.Index([]Op{OpDuplicate, OpInvalid, OpNotice}, c.Op) }
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		strings.Compare(a.UserID, b.UserID),
		a.ObjectID.Compare(b.ObjectID),
		cmp.Compare(a.Reason, b.Reason),
		strings.Compare(a.Detail, b.Detail),
	)
}

// parkedPrefix begins every parked key.
const parkedPrefix = "~adsync-"

// parkedDomain cannot exist (RFC 2606).
const parkedDomain = "@adsync.invalid"

// park gives the user keys that nobody holds or asks for.
func (p *planner) park(before *User, spaces [claims.Spaces]bool) Change {
	name := p.freeParkedName(before.ID)
	after := *before
	if spaces[0] {
		after.Username = name
	}
	if spaces[1] {
		after.Email = name + parkedDomain
	}
	change := NewUpdate(ReasonParked, before, &after)
	change.Interim = true
	return change
}

// freeParkedName depends on the user alone, unless somebody has or wants that name.
func (p *planner) freeParkedName(id string) string {
	for n := 0; ; n++ {
		name := parkedName(id, n)
		if !p.host.parkings[p.scope.rules.key(name)] && !p.host.parkings[p.scope.rules.key(name+parkedDomain)] {
			return name
		}
	}
}

// parkedName is the user's nth parked name, from 0.
func parkedName(id string, n int) string {
	seed := id
	if n > 0 {
		seed = fmt.Sprintf("%s#%d", id, n)
	}
	sum := sha256.Sum256([]byte(seed))
	return parkedPrefix + hex.EncodeToString(sum[:6])
}

// count fills in the statistics and what a person should be warned of.
func (p *planner) count() {
	mentioned := map[string]bool{}
	for i := range p.plan.Changes {
		if c := &p.plan.Changes[i]; c.Before != nil && p.scope.chooses(c.Before) {
			mentioned[c.UserID] = true
		}
	}
	p.plan.Stats = Stats{
		Entries:   p.present(),
		Users:     p.host.rows.Len(),
		Managed:   p.host.managed,
		Chosen:    p.host.chosen,
		Unchanged: p.host.chosen - len(mentioned),
		Roles:     p.countRoles(),
	}
	if p.host.managed == 0 && !p.scope.importing() {
		p.plan.Warnings = append(p.plan.Warnings, warnNobody)
	}
	if n := p.unknown(); n > 0 {
		p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf(warnUnknown, n))
	}
}

const warnNobody = "No user is managed: none has an ObjectID together with this source, so there is nobody to synchronise. Import users, or link those there are with Adopt."

const warnUnknown = "Whether accounts are disabled could not be read of %d: Rules.OnDisabled does nothing about them, and none of them is imported. In Active Directory, let the service account read userAccountControl; of another directory, its configuration says how it tells."

// unknown counts the accounts that the rules would treat in another way if it was known
// whether they are disabled.
func (p *planner) unknown() int {
	n := 0
	if orDefault(p.scope.rules.OnDisabled, Keep) != Keep {
		for first, mark := range p.view.found {
			if _, twice := p.view.listedTwice[first]; twice || mark < firstKept {
				continue
			}
			e := p.view.entries.shared(int(mark - firstKept))
			if e.DisabledUnknown && (e.Present() || e.State == StateOutOfScope) {
				n++
			}
		}
	}
	for _, newcomer := range p.view.newcomers {
		if e := p.view.entries.shared(newcomer.entry); p.scope.rules.Import && !newcomer.twice && e.Present() && e.DisabledUnknown {
			n++
		}
	}
	return n
}

// present counts the entries that Stats.Entries promises.
func (p *planner) present() int {
	n := 0
	for first, mark := range p.view.found {
		anyPresent, twice := p.view.listedTwice[first]
		switch {
		case twice && anyPresent, !twice && mark == asHeld:
			n++
		case !twice && mark >= firstKept && p.view.entries.Record(int(mark - firstKept)).Words[0] == string(StatePresent):
			n++
		}
	}
	for _, newcomer := range p.view.newcomers {
		if newcomer.open {
			n++
		}
	}
	return n
}
