package adsync_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/go-adsync/adsync"
)

// This file holds a second planner: slow, naive and written from the rules in
// docs/RECONCILE.md, sentence by sentence, without a look at the real one. The
// property tests hold the two against each other.

var detailFields = []adsync.Field{adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone}

var keyFields = []adsync.Field{adsync.FieldUsername, adsync.FieldEmail}

// key is a folded username or email. The two are separate name spaces.
type key struct {
	field  adsync.Field
	folded string
}

func detail(p *adsync.Profile, f adsync.Field) *string {
	switch f {
	case adsync.FieldUsername:
		return &p.Username
	case adsync.FieldFirstName:
		return &p.FirstName
	case adsync.FieldLastName:
		return &p.LastName
	case adsync.FieldEmail:
		return &p.Email
	default:
		return &p.Phone
	}
}

// party is a user, or an entry that may become one.
type party struct {
	name      string       // the user's ID, or the new entry's ObjectID
	user      *adsync.User // nil: a new entry
	id        adsync.ObjectID
	managed   bool
	chosen    bool
	seen      sighting
	deleted   bool          // to be deleted
	status    adsync.Status // after the sync
	why       adsync.Reason // the reason of a deletion or a change of status
	candidate bool
	target    adsync.Profile // of a candidate
	pinned    bool           // the target would have another key but for the protection
	lost      bool
}

// sighting is what the entries say of one ObjectID.
type sighting struct {
	entry    adsync.Entry
	enabled  bool // one of the entries says that it is
	disabled bool // one of the entries says that it is
	twice    bool // listed twice, contradicting each other in more than the DN
	anyFree  bool // one of the entries is Present and known to be enabled
	anyThere bool // one of the entries is Present
}

// unknown: no entry says whether the account is disabled.
func (s sighting) unknown() bool { return !s.enabled && !s.disabled }

type oracle struct {
	off   adsync.Status // of whom a sync deactivates
	rules adsync.Rules
	users []*party
	news  []*party // entries to import
	told  []adsync.Change
	sight map[adsync.ObjectID]sighting
}

// oraclePlan is the plan by the book. Of its warnings there is only the one of accounts
// that may be disabled.
func oraclePlan(w world) *adsync.Plan {
	o := &oracle{rules: w.rules.adsync(), sight: map[adsync.ObjectID]sighting{}}
	o.setDefaults()
	for _, e := range w.entries {
		o.see(e)
	}
	for _, u := range w.users {
		o.users = append(o.users, o.newParty(u))
	}
	for _, p := range o.users {
		o.decideStatus(p)
	}
	for _, p := range o.users {
		o.decideCandidate(p)
	}
	o.findNews()
	o.decideLosers()
	o.tellLosers()
	plan := &adsync.Plan{Version: 1, Source: o.rules.Source, Changes: o.ordered()}
	plan.Stats = o.stats(plan)
	if n := o.unknownMatter(); n > 0 {
		plan.Warnings = []string{fmt.Sprintf("Whether accounts are disabled could not be read of %d", n)}
	}
	return plan
}

// unknownMatter counts the accounts of which it should be known whether they are disabled:
// those of chosen users where a rule is about that, and those to import.
func (o *oracle) unknownMatter() int {
	n := 0
	for id, s := range o.sight {
		if s.twice || !s.unknown() {
			continue
		}
		ofUser := slices.ContainsFunc(o.users, func(p *party) bool { return p.chosen && p.id == id })
		alive := s.entry.State == adsync.StatePresent || s.entry.State == adsync.StateOutOfScope
		if ofUser && alive && o.rules.OnDisabled != adsync.Keep || o.rules.Import && !o.linkedByAnyone(id) && s.anyThere {
			n++
		}
	}
	return n
}

func (o *oracle) setDefaults() {
	r := &o.rules
	if r.Fields == nil {
		r.Fields = detailFields
	}
	o.off = adsync.StatusDeactivated
	if slices.Contains(r.Fields, adsync.FieldActive) {
		o.off = adsync.StatusInactive
		r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f adsync.Field) bool { return f == adsync.FieldActive })
	}
	if r.Keys == nil {
		r.Keys = keyFields
	}
	r.OnDeleted = cmp.Or(r.OnDeleted, adsync.Remove)
	r.OnDisabled = cmp.Or(r.OnDisabled, adsync.Keep)
	r.OnOutOfScope = cmp.Or(r.OnOutOfScope, adsync.Keep)
	r.OnUnproven = cmp.Or(r.OnUnproven, adsync.Keep)
	if r.Fold == nil {
		r.Fold = foldByTheBook
	}
	o.rules.Fold = remembering(r.Fold)
}

// foldByTheBook is the default of Rules.Fold, as far as worlds have characters that show
// nothing.
func foldByTheBook(s string) string {
	s = strings.NewReplacer("\u200b", "", "\u202e", "").Replace(s)
	s = norm.NFKD.String(cases.Fold().String(norm.NFD.String(s)))
	return strings.TrimSpace(norm.NFKC.String(cases.Fold().String(s)))
}

// deceptive texts have controls, line separators or marks of direction.
func deceptive(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune("\u2028\u2029\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", r)
	})
}

// remembering makes a slow function fast enough to call it all the time.
func remembering(fold func(string) string) func(string) string {
	known := map[string]string{}
	return func(s string) string {
		if _, ok := known[s]; !ok {
			known[s] = fold(s)
		}
		return known[s]
	}
}

func validProfile(p adsync.Profile) adsync.Profile {
	for _, f := range detailFields {
		s := detail(&p, f)
		*s = strings.ToValidUTF8(*s, "\ufffd")
	}
	return p
}

// toldProfile is what a directory, or Rules.Map, tells: a value of white space alone is
// none.
func toldProfile(p adsync.Profile) adsync.Profile {
	p = validProfile(p)
	for _, f := range detailFields {
		if s := detail(&p, f); len(strings.Fields(*s)) == 0 {
			*s = ""
		}
	}
	return p
}

func (o *oracle) see(e adsync.Entry) {
	e.Profile = toldProfile(e.Profile)
	e.State = cmp.Or(e.State, adsync.StatePresent)
	s, again := o.sight[e.ObjectID]
	enabled, disabled := !e.Disabled && !e.DisabledUnknown, e.Disabled && !e.DisabledUnknown
	e.DN, e.Disabled, e.DisabledUnknown = "", false, false
	s.enabled, s.disabled = s.enabled || enabled, s.disabled || disabled
	if again && s.entry != e || s.enabled && s.disabled {
		s.twice = true
	}
	s.entry = e
	if e.State == adsync.StatePresent {
		s.anyThere = true
		s.anyFree = s.anyFree || enabled
	}
	o.sight[e.ObjectID] = s
}

func (o *oracle) newParty(u adsync.User) *party {
	u.Profile = validProfile(u.Profile)
	p := &party{name: u.ID, user: &u, id: u.ObjectID, status: u.Status}
	p.managed = !u.ObjectID.IsZero() && u.Source == o.rules.Source
	p.chosen = p.managed && (o.rules.Only == nil || slices.Contains(o.rules.Only, u.ID))
	if p.managed {
		p.seen = o.sighting(u.ObjectID)
	}
	return p
}

func (o *oracle) sighting(id adsync.ObjectID) sighting {
	s, ok := o.sight[id]
	if !ok {
		s.entry, s.enabled = adsync.Entry{ObjectID: id, State: adsync.StateDeleted}, true
	}
	return s
}

// decideStatus decides removal and status, for each user alone.
func (o *oracle) decideStatus(p *party) {
	if !p.chosen || p.seen.twice {
		return
	}
	if p.seen.entry.State == adsync.StatePresent && !p.seen.disabled {
		switch {
		case p.user.Status != adsync.StatusDeactivated:
		case p.seen.unknown():
			o.notice(p, adsync.ReasonUnknown)
		default:
			p.status, p.why = adsync.StatusActive, adsync.ReasonReactivated
		}
		return
	}
	reaction, why := o.reaction(p.seen)
	switch {
	case reaction == adsync.Keep:
		o.notice(p, why)
	case p.user.Protected && (reaction == adsync.Remove || p.active()):
		// Nothing is told of a user who is deactivated or blocked already, and
		// to whom nothing would be done without the protection.
		o.notice(p, adsync.ReasonProtected)
	case reaction == adsync.Remove:
		p.deleted, p.why = true, why
	case p.active():
		p.status, p.why = o.off, why
	}
}

func (p *party) active() bool {
	return p.user.Status == "" || p.user.Status == adsync.StatusActive
}

func (o *oracle) reaction(s sighting) (adsync.Reaction, adsync.Reason) {
	switch s.entry.State {
	case adsync.StatePresent:
		return o.rules.OnDisabled, adsync.ReasonDisabled
	case adsync.StateOutOfScope:
		// The reason is that of the reaction that decides; of two equal ones,
		// that of being out of scope.
		if s.disabled && strength(o.rules.OnDisabled) > strength(o.rules.OnOutOfScope) {
			return o.rules.OnDisabled, adsync.ReasonDisabled
		}
		return o.rules.OnOutOfScope, adsync.ReasonOutOfScope
	case adsync.StateUnproven:
		return o.rules.OnUnproven, adsync.ReasonUnproven
	case adsync.StateDisputed:
		if o.rules.OnDeleted == adsync.Keep {
			return adsync.Keep, adsync.ReasonDisputed
		}
		return adsync.Deactivate, adsync.ReasonDisputed
	default:
		return o.rules.OnDeleted, adsync.ReasonDeleted
	}
}

func strength(r adsync.Reaction) int {
	return slices.Index([]adsync.Reaction{adsync.Keep, adsync.Deactivate, adsync.Remove}, r)
}

func (o *oracle) notice(p *party, why adsync.Reason) {
	o.tell(p, adsync.OpNotice, why, nil)
}

// tell adds a change that only tells.
func (o *oracle) tell(p *party, op adsync.Op, why adsync.Reason, conflicts []adsync.Conflict) {
	c := adsync.Change{Op: op, Reason: why, ObjectID: p.id, Before: p.user, Conflicts: conflicts}
	if p.user != nil {
		c.UserID = p.user.ID
	}
	o.told = append(o.told, c)
}

// decideCandidate finds who may ask for keys, once it is known who remains.
func (o *oracle) decideCandidate(p *party) {
	if !p.chosen || p.deleted {
		return
	}
	if p.seen.twice {
		o.tellLink(p, adsync.ReasonListedTwice, o.namesLinked(p, true))
		return
	}
	if p.seen.entry.State != adsync.StatePresent {
		return
	}
	if others := o.namesLinked(p, false); len(others) > 0 {
		o.tellLink(p, adsync.ReasonLinkedTwice, others)
		return
	}
	o.judgeProfile(p)
}

func (o *oracle) tellLink(p *party, why adsync.Reason, with []string) {
	o.tell(p, adsync.OpDuplicate, why, []adsync.Conflict{{Field: adsync.FieldObjectID, Value: p.id.String(), With: with}})
}

// namesLinked names the other managed users with the same ObjectID: all, or the
// remaining ones.
func (o *oracle) namesLinked(p *party, all bool) []string {
	names := []string{}
	for _, v := range o.users {
		if v != p && v.managed && v.id == p.id && (all || !v.deleted) {
			names = append(names, v.name)
		}
	}
	slices.Sort(names)
	return names
}

func (o *oracle) judgeProfile(p *party) {
	found := p.seen.entry.Profile
	if o.rules.Map != nil {
		mapped, err := o.rules.Map(p.seen.entry)
		if err != nil {
			o.tell(p, adsync.OpInvalid, adsync.ReasonRefused, nil)
			return
		}
		found = toldProfile(mapped)
	}
	if p.user != nil {
		p.target = p.user.Profile
	}
	for _, f := range o.rules.Fields {
		kept := slices.Contains(o.rules.KeepOnEmpty, f) && strings.TrimSpace(*detail(&found, f)) == ""
		if !kept {
			*detail(&p.target, f) = *detail(&found, f)
		}
	}
	var had adsync.Profile
	if p.user != nil {
		had = p.user.Profile
		o.pin(p)
	}
	if p.target.Username != had.Username && deceptive(p.target.Username) || p.target.Email != had.Email && deceptive(p.target.Email) {
		o.tell(p, adsync.OpInvalid, adsync.ReasonDeceptive, nil)
		return
	}
	if slices.Contains(o.rules.Fields, adsync.FieldUsername) && o.rules.Fold(p.target.Username) == "" {
		o.tell(p, adsync.OpInvalid, adsync.ReasonNoUsername, nil)
		return
	}
	for _, f := range o.rules.Require {
		if len(strings.Fields(*detail(&p.target, f))) == 0 {
			o.tell(p, adsync.OpInvalid, adsync.ReasonMissing, nil)
			return
		}
	}
	p.candidate = true
	if p.pinned {
		o.notice(p, adsync.ReasonProtected)
	}
}

// pin leaves a protected user the keys that it has, if the rules say so.
func (o *oracle) pin(p *party) {
	for _, f := range keyFields {
		if has := *detail(&p.user.Profile, f); o.rules.PinProtected && p.user.Protected && *detail(&p.target, f) != has {
			*detail(&p.target, f), p.pinned = has, true
		}
	}
}

func (o *oracle) findNews() {
	if !o.rules.Import {
		return
	}
	for id, s := range o.sight {
		if !s.anyFree || o.linkedByAnyone(id) {
			continue
		}
		p := &party{name: id.String(), id: id, seen: s}
		if s.twice {
			o.tellLink(p, adsync.ReasonListedTwice, []string{})
			continue
		}
		o.judgeProfile(p)
		if p.candidate {
			o.news = append(o.news, p)
		}
	}
}

func (o *oracle) linkedByAnyone(id adsync.ObjectID) bool {
	return slices.ContainsFunc(o.users, func(p *party) bool { return p.id == id })
}

// keysOf are the keys of a profile in the given fields.
func (o *oracle) keysOf(p adsync.Profile, fields []adsync.Field) []key {
	var keys []key
	for _, f := range o.rules.Keys {
		if folded := o.rules.Fold(*detail(&p, f)); slices.Contains(fields, f) && folded != "" {
			keys = append(keys, key{f, folded})
		}
	}
	return keys
}

func (o *oracle) holds(p *party, k key) bool {
	return p.user != nil && slices.Contains(o.keysOf(p.user.Profile, keyFields), k)
}

func (o *oracle) asks(p *party, k key) bool {
	return p.candidate && slices.Contains(o.keysOf(p.target, o.rules.Fields), k)
}

// wantsToKeep tells of a holder whether it would not give the key up even if
// nothing stood in its way.
func (o *oracle) wantsToKeep(p *party, k key) bool {
	return !p.candidate || o.asks(p, k) || !slices.Contains(o.rules.Fields, k.field)
}

// rivals are those because of whom p may not have a key, as things stand.
func (o *oracle) rivals(p *party, k key) []*party {
	var rivals []*party
	for _, v := range o.users {
		if v == p || v.deleted {
			continue
		}
		keeps := o.holds(v, k) && (o.wantsToKeep(v, k) || v.lost)
		asksToo := o.asks(v, k) && !o.holds(p, k)
		if keeps || asksToo {
			rivals = append(rivals, v)
		}
	}
	if p.user != nil {
		return rivals // a new entry never blocks a user
	}
	for _, v := range o.news {
		if v != p && o.asks(v, k) {
			rivals = append(rivals, v)
		}
	}
	return rivals
}

// candidates are all who ask: users, then new entries.
func (o *oracle) candidates() []*party {
	var all []*party
	for _, p := range slices.Concat(o.users, o.news) {
		if p.candidate {
			all = append(all, p)
		}
	}
	return all
}

// decideLosers finds the least fixpoint: nobody has lost, and then whoever must
// lose loses, until nothing changes.
func (o *oracle) decideLosers() {
	for changed := true; changed; {
		changed = false
		for _, p := range o.candidates() {
			for _, k := range o.keysOf(p.target, o.rules.Fields) {
				if !p.lost && len(o.rivals(p, k)) > 0 {
					p.lost, changed = true, true
				}
			}
		}
	}
}

func (o *oracle) tellLosers() {
	for _, p := range o.candidates() {
		if !p.lost {
			continue
		}
		why := adsync.ReasonWaiting
		var conflicts []adsync.Conflict
		for _, k := range o.keysOf(p.target, o.rules.Fields) {
			rivals := o.rivals(p, k)
			if len(rivals) == 0 {
				continue
			}
			why = o.worse(why, k, rivals)
			conflicts = append(conflicts, adsync.Conflict{Field: k.field, Value: *detail(&p.target, k.field), With: sortedNames(rivals)})
		}
		o.tell(p, adsync.OpDuplicate, why, conflicts)
	}
}

// worse is the reason after one more key: taken outdoes contested, and contested
// outdoes waiting.
func (o *oracle) worse(why adsync.Reason, k key, rivals []*party) adsync.Reason {
	for _, v := range rivals {
		switch {
		case o.holds(v, k) && o.wantsToKeep(v, k):
			return adsync.ReasonTaken
		case why != adsync.ReasonTaken && !o.holds(v, k):
			why = adsync.ReasonContested
		}
	}
	return why
}

func sortedNames(ps []*party) []string {
	names := []string{}
	for _, p := range ps {
		names = append(names, p.name)
	}
	slices.Sort(names)
	return names
}

// step is one write before it has a place in the plan.
type step struct {
	change adsync.Change
	takes  []key
	frees  []key
}

func (o *oracle) newStep(c adsync.Change) *step {
	var before, after []key
	if c.Before != nil {
		before = o.keysOf(c.Before.Profile, keyFields)
	}
	if c.After != nil {
		after = o.keysOf(c.After.Profile, keyFields)
	}
	return &step{change: c, takes: without(after, before), frees: without(before, after)}
}

func without(a, b []key) []key {
	return slices.DeleteFunc(slices.Clone(a), func(k key) bool { return slices.Contains(b, k) })
}

func meet(a, b []key) bool {
	return slices.ContainsFunc(a, func(k key) bool { return slices.Contains(b, k) })
}

// ordered is the list of changes, in the order of the rules.
func (o *oracle) ordered() []adsync.Change {
	deletes, updates, creates := o.writes()
	interims := o.park(updates)
	q := &sequence{freeing: slices.Concat(deletes, updates, interims), interims: interims}
	for _, s := range deletes {
		q.add(s)
	}
	for _, s := range updates {
		q.addUpdate(s)
	}
	for _, s := range creates {
		q.add(s)
	}
	return append(q.changes(), o.sortedTold()...)
}

func (o *oracle) writes() (deletes, updates, creates []*step) {
	for _, p := range o.users {
		switch {
		case p.deleted:
			deletes = append(deletes, o.newStep(adsync.Change{Op: adsync.OpDelete, Reason: p.why, UserID: p.name, ObjectID: p.id, Before: p.user}))
		default:
			if c, differs := o.update(p); differs {
				updates = append(updates, o.newStep(c))
			}
		}
	}
	for _, p := range o.news {
		if !p.lost {
			after := &adsync.User{ObjectID: p.id, Source: o.rules.Source, Profile: p.target}
			creates = append(creates, o.newStep(adsync.Change{Op: adsync.OpCreate, Reason: adsync.ReasonNew, ObjectID: p.id, After: after}))
		}
	}
	byUser := func(a, b *step) int { return cmp.Compare(a.change.UserID, b.change.UserID) }
	slices.SortFunc(deletes, byUser)
	slices.SortFunc(updates, byUser)
	slices.SortFunc(creates, func(a, b *step) int { return cmp.Compare(a.change.ObjectID.String(), b.change.ObjectID.String()) })
	return deletes, updates, creates
}

func (o *oracle) update(p *party) (adsync.Change, bool) {
	after := *p.user
	after.Status = p.status
	if p.candidate && !p.lost {
		after.Profile = p.target
	}
	c := adsync.Change{Op: adsync.OpUpdate, Reason: cmp.Or(p.why, adsync.ReasonChanged), UserID: p.name, ObjectID: p.id,
		Before: p.user, After: &after, Fields: differing(*p.user, after)}
	return c, len(c.Fields) > 0
}

func differing(a, b adsync.User) []adsync.Field {
	var fields []adsync.Field
	for _, f := range detailFields {
		if *detail(&a.Profile, f) != *detail(&b.Profile, f) {
			fields = append(fields, f)
		}
	}
	if a.Status != b.Status {
		fields = append(fields, adsync.FieldStatus)
	}
	return fields
}

// park breaks the cycles among the updates: it returns the interims, and changes
// the parked users' own updates to follow theirs.
func (o *oracle) park(updates []*step) (interims []*step) {
	for {
		group := firstCycle(updates)
		if group == nil {
			return interims
		}
		parked := group[0]
		for _, s := range slices.Backward(group) {
			if !s.change.Before.Protected {
				parked = s
			}
		}
		interim := o.interim(parked, group)
		interims = append(interims, interim)
		own := parked.change
		own.Before = interim.change.After
		own.Fields = differing(*own.Before, *own.After)
		*parked = *o.newStep(own)
	}
}

// firstCycle is the group of updates that need each other, directly or not, with
// the smallest UserID, in order of UserID.
func firstCycle(updates []*step) []*step {
	for _, s := range updates {
		if !reaches(updates, s, s, nil) {
			continue
		}
		var group []*step
		for _, v := range updates {
			if reaches(updates, s, v, nil) && reaches(updates, v, s, nil) {
				group = append(group, v)
			}
		}
		return group
	}
	return nil
}

// reaches tells whether from needs to, directly or over others.
func reaches(updates []*step, from, to *step, passed map[*step]bool) bool {
	if passed == nil {
		passed = map[*step]bool{}
	}
	for _, v := range updates {
		if passed[v] || !meet(from.takes, v.frees) {
			continue
		}
		passed[v] = true
		if v == to || reaches(updates, v, to, passed) {
			return true
		}
	}
	return false
}

func (o *oracle) interim(parked *step, group []*step) *step {
	c := parked.change
	after := *c.Before
	values := o.parkedValues(c.UserID)
	for _, f := range keyFields {
		freed := slices.DeleteFunc(slices.Clone(parked.frees), func(k key) bool { return k.field != f })
		if slices.ContainsFunc(group, func(s *step) bool { return s != parked && meet(s.takes, freed) }) {
			*detail(&after.Profile, f) = *detail(&values, f)
		}
	}
	return o.newStep(adsync.Change{Op: adsync.OpUpdate, Reason: adsync.ReasonParked, UserID: c.UserID, ObjectID: c.ObjectID,
		Before: c.Before, After: &after, Fields: differing(*c.Before, after), Interim: true})
}

// parkedValues are a username and an email that nobody holds or asks for.
func (o *oracle) parkedValues(userID string) adsync.Profile {
	text := userID
	for counter := 1; ; counter++ {
		sum := sha256.Sum256([]byte(text))
		name := "~adsync-" + hex.EncodeToString(sum[:])[:12]
		values := adsync.Profile{Username: name, Email: name + "@adsync.invalid"}
		if !slices.ContainsFunc(o.keysOf(values, keyFields), o.heldOrAsked) {
			return values
		}
		text = userID + "#" + strconv.Itoa(counter)
	}
}

func (o *oracle) heldOrAsked(k key) bool {
	return slices.ContainsFunc(slices.Concat(o.users, o.news), func(p *party) bool { return o.holds(p, k) || o.asks(p, k) })
}

// sequence puts the writes in their order and numbers what they need.
type sequence struct {
	freeing  []*step // all that may free a key
	interims []*step
	placed   []*step
}

func (q *sequence) add(s *step) {
	if !slices.Contains(q.placed, s) {
		q.placed = append(q.placed, s)
	}
}

// addUpdate adds first the updates that s needs, then the interims, which stand
// just before it, and then s.
func (q *sequence) addUpdate(s *step) {
	needs := q.needs(s)
	for _, n := range needs {
		if !n.change.Interim && n.change.Op == adsync.OpUpdate {
			q.addUpdate(n)
		}
	}
	for _, n := range needs {
		if n.change.Interim {
			q.add(n)
		}
	}
	q.add(s)
}

// needs are the steps that free a key which s takes, and its own interim, in
// order of UserID.
func (q *sequence) needs(s *step) []*step {
	var needs []*step
	for _, n := range q.freeing {
		own := n.change.Interim && n.change.UserID == s.change.UserID
		if n != s && !s.change.Interim && (own || meet(s.takes, n.frees)) {
			needs = append(needs, n)
		}
	}
	slices.SortFunc(needs, func(a, b *step) int { return cmp.Compare(a.change.UserID, b.change.UserID) })
	return needs
}

func (q *sequence) changes() []adsync.Change {
	changes := []adsync.Change{}
	for _, s := range q.placed {
		c := s.change
		for _, n := range q.needs(s) {
			c.Needs = append(c.Needs, slices.Index(q.placed, n))
		}
		slices.Sort(c.Needs)
		changes = append(changes, c)
	}
	return changes
}

func (o *oracle) sortedTold() []adsync.Change {
	rank := []adsync.Op{adsync.OpDuplicate, adsync.OpInvalid, adsync.OpNotice}
	slices.SortFunc(o.told, func(a, b adsync.Change) int {
		return cmp.Or(slices.Index(rank, a.Op)-slices.Index(rank, b.Op), cmp.Compare(a.UserID, b.UserID),
			cmp.Compare(a.ObjectID.String(), b.ObjectID.String()), cmp.Compare(a.Reason, b.Reason))
	})
	return o.told
}

func (o *oracle) stats(plan *adsync.Plan) adsync.Stats {
	s := adsync.Stats{Users: len(o.users)}
	linked := map[adsync.ObjectID]bool{}
	for _, p := range o.users {
		if p.managed {
			s.Managed++
		}
		if !p.chosen {
			continue
		}
		s.Chosen++
		linked[p.id] = true
		if !slices.ContainsFunc(plan.Changes, func(c adsync.Change) bool { return c.UserID == p.name }) {
			s.Unchanged++
		}
	}
	for id, seen := range o.sight {
		free := o.rules.Import && seen.anyFree && !o.linkedByAnyone(id)
		if seen.anyThere && linked[id] || free {
			s.Entries++
		}
	}
	return s
}

// From here on: checks of any plan, which know nothing of how it was made.

// checkOrder holds the changes against the order rule, and their needs against
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
// others of the kind aside, and changes nothing but keys that another takes, to
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
// few, and else with each single one.
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
		return c.removalAllowed(was, adsync.Remove)
	}
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
		if slices.Contains(differing(was, now), f) && strings.TrimSpace(*detail(&now.Profile, f)) == "" {
			return fmt.Errorf("has lost %s", f)
		}
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

func (c *planCheck) statusAllowed(was adsync.User, now adsync.Status) error {
	if now == c.off && (was.Status == "" || was.Status == adsync.StatusActive) {
		return c.removalAllowed(was, adsync.Deactivate)
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
		if strings.TrimSpace(*detail(&change.After.Profile, f)) == "" {
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
