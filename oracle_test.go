package adsync_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/go-adsync/adsync"
)

// This file holds a second planner: slow, naive and written from the rules in
// docs/RECONCILE.md, sentence by sentence, without a look at the real one. The
// property tests compare the two.

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
	stamp     adsync.Moment // when it was deactivated, after the sync
	why       adsync.Reason // the reason of a deletion or a change of status
	candidate bool
	target    adsync.Profile // of a candidate
	pinned    bool           // the target would have another key but for the protection
	lost      bool
	granted   []string // if its details are written
	revoked   []string
}

// sighting is what the entries say of one ObjectID.
type sighting struct {
	entry    adsync.Entry   // the last
	all      []adsync.Entry // without what does not contradict
	enabled  bool           // one of the entries says that it is
	disabled bool           // one of the entries says that it is
	twice    bool           // listed twice, contradicting each other in more than the DN
	anyFree  bool           // one of the entries is Present and known to be enabled
	anyThere bool           // one of the entries is Present
	buried   adsync.Moment  // the latest of its tombstones
}

// unknown: no entry says whether the account is disabled.
func (s sighting) unknown() bool { return !s.enabled && !s.disabled }

type oracle struct {
	off    adsync.Status // of whom a sync deactivates
	stamps bool          // it notes when it deactivated somebody
	rules  adsync.Rules
	users  []*party
	news   []*party // entries to import
	told   []adsync.Change
	sight  map[adsync.ObjectID]sighting
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
	o.compareEntries()
	for _, p := range o.users {
		p.seen = o.sighting(p.id)
		o.decideStatus(p)
	}
	for _, p := range o.users {
		o.decideCandidate(p)
		o.decideRoles(p)
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
	o.stamps = r.RemoveAfter > 0 || slices.Contains(r.Fields, adsync.FieldDeactivatedAt)
	r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f adsync.Field) bool { return f == adsync.FieldDeactivatedAt })
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
	p.Extra = toldValues(p.Extra)
	return p
}

// toldValues are those that are not of white space alone.
func toldValues(e adsync.Extra) (told adsync.Extra) {
	for _, f := range e.Fields() {
		told = told.With(f, slices.DeleteFunc(e.Set(f), func(text string) bool { return len(strings.Fields(text)) == 0 })...)
	}
	return told
}

func (o *oracle) see(e adsync.Entry) {
	e.Profile, e.Others = toldProfile(e.Profile), toldValues(e.Others)
	if o.rules.Map == nil { // which may look at whatever is there
		e.Extra, e.Others = o.counting(e.Extra), o.counting(e.Others)
	}
	e.State = cmp.Or(e.State, adsync.StatePresent)
	s := o.sight[e.ObjectID]
	enabled, disabled := !e.Disabled && !e.DisabledUnknown, e.Disabled && !e.DisabledUnknown
	s.enabled, s.disabled = s.enabled || enabled, s.disabled || disabled
	s.buried = max(s.buried, e.DeletedAt)
	e.DN, e.Disabled, e.DisabledUnknown, e.DeletedAt = "", false, false, 0
	s.entry = e
	e.Unknown = adsync.Extra{}
	s.all = append(s.all, e)
	if e.State == adsync.StatePresent {
		s.anyThere = true
		s.anyFree = s.anyFree || enabled
	}
	o.sight[e.ObjectID] = s
}

// counting leaves out the details that are not synchronised, of those beyond the five.
func (o *oracle) counting(e adsync.Extra) adsync.Extra {
	for _, f := range e.Fields() {
		roles := f == adsync.FieldRoles && len(o.rules.Roles) > 0
		if !slices.Contains(detailFields, f) && !slices.Contains(o.rules.Fields, f) && !roles {
			e = e.With(f)
		}
	}
	return e
}

// compareEntries finds the accounts whose entries contradict each other: for one of their
// users, or for a new one.
func (o *oracle) compareEntries() {
	for id, s := range o.sight {
		users := []*adsync.User{}
		for _, p := range o.users {
			if p.managed && p.id == id {
				users = append(users, p.user)
			}
		}
		if len(users) == 0 {
			users = append(users, &adsync.User{})
		}
		s.twice = s.enabled && s.disabled
		for _, u := range users {
			s.twice = s.twice || o.contradict(u, s.all)
		}
		o.sight[id] = s
	}
}

// contradict: the user would get different things of them. What Map makes of values that
// the user does not get nobody knows.
func (o *oracle) contradict(u *adsync.User, entries []adsync.Entry) bool {
	return slices.ContainsFunc(entries, func(e adsync.Entry) bool {
		a, b := o.taken(u, e), o.taken(u, entries[0])
		if o.rules.Map == nil {
			a.Others, b.Others = adsync.Extra{}, adsync.Extra{}
		}
		return a != b
	})
}

// taken is the entry with one of several values in each place: the marked one, else the one
// that the user has (of a key, one that is the same key), else the least.
func (o *oracle) taken(u *adsync.User, e adsync.Entry) adsync.Entry {
	for _, f := range e.Others.Fields() {
		if e.Get(f) != "" || len(e.Extra.Set(f)) > 0 {
			continue
		}
		values, has := e.Others.Set(f), u.Get(f)
		taken := values[0]
		if slices.Contains(o.rules.Keys, f) && has != "" {
			if i := slices.IndexFunc(values, func(v string) bool { return o.rules.Fold(v) == o.rules.Fold(has) }); i >= 0 {
				taken = values[i]
			}
		}
		if slices.Contains(values, has) {
			taken = has
		}
		e.Profile = e.With(f, taken)
	}
	return e
}

func (o *oracle) newParty(u adsync.User) *party {
	u.Profile = validProfile(u.Profile)
	p := &party{name: u.ID, user: &u, id: u.ObjectID, status: u.Status, stamp: u.DeactivatedAt}
	p.managed = !u.ObjectID.IsZero() && u.Source == o.rules.Source
	p.chosen = p.managed && (o.rules.Only == nil || slices.Contains(o.rules.Only, u.ID))
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
	defer o.decideStamp(p)
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
		// There is no notice for a user who is deactivated or blocked already, and
		// to whom nothing would be done without the protection.
		o.notice(p, adsync.ReasonProtected)
	case reaction == adsync.Remove && o.rules.RemoveAfter > 0 && !p.user.Protected:
		o.decideLeaver(p, why)
	case reaction == adsync.Remove && !p.user.Protected:
		p.deleted, p.why = true, why
	case p.active():
		p.status, p.why = o.off, why
	}
}

// decideLeaver: whoever is to be removed is deactivated first, and deleted when it has been
// so, and its tombstone has been there, for long enough. One of whom it is not known since
// when is given a moment. Whom the host blocked is left to it.
func (o *oracle) decideLeaver(p *party, why adsync.Reason) {
	switch {
	case p.active():
		p.status, p.why = o.off, why
	case p.user.Status != adsync.StatusDeactivated:
		o.notice(p, why)
	case p.stamp == 0:
		p.stamp, p.why = adsync.AtWrite, why
	case o.rules.Now != 0 && o.longAgo(p.stamp) && o.longAgo(p.seen.buried):
		p.deleted, p.why = true, why
	default:
		o.notice(p, adsync.ReasonLeaving)
	}
}

func (o *oracle) longAgo(m adsync.Moment) bool {
	return !o.rules.Now.Time().Before(m.Time().Add(o.rules.RemoveAfter))
}

// decideStamp: whoever is deactivated now is so as of now, and whoever is active is not.
func (o *oracle) decideStamp(p *party) {
	switch {
	case p.status == "" || p.status == adsync.StatusActive:
		p.stamp = 0
	case p.active() && o.stamps:
		p.stamp = adsync.AtWrite
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

// tell adds a change that writes nothing.
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
	who := p.user
	if who == nil {
		who = &adsync.User{}
	}
	entry := o.taken(who, p.seen.entry)
	found := entry.Profile
	if o.rules.Map != nil {
		mapped, err := o.rules.Map(entry)
		if err != nil {
			o.tell(p, adsync.OpInvalid, adsync.ReasonRefused, nil)
			return
		}
		if (mapped.Extra == adsync.Extra{}) { // it knows the five
			mapped.Extra = entry.Extra
		}
		found = toldProfile(mapped)
	}
	if p.user != nil {
		p.target = p.user.Profile
	}
	for _, f := range o.rules.Fields {
		keeps := slices.Contains(o.rules.KeepOnEmpty, f)
		switch {
		case !slices.Contains(detailFields, f):
			if values := found.Extra.Set(f); !keeps || len(values) > 0 {
				p.target.Extra = p.target.Extra.With(f, values...)
			}
		case !keeps || strings.TrimSpace(*detail(&found, f)) != "":
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
		if blankIn(&p.target, f) {
			o.tell(p, adsync.OpInvalid, adsync.ReasonMissing, nil)
			return
		}
	}
	p.candidate = true
	if p.pinned {
		o.notice(p, adsync.ReasonProtected)
	}
}

// blankIn: there is nothing to see of the detail.
func blankIn(p *adsync.Profile, f adsync.Field) bool {
	if slices.Contains(detailFields, f) {
		return len(strings.Fields(*detail(p, f))) == 0
	}
	return len(toldValues(p.Extra).Set(f)) == 0
}

// decideRoles decides who is to lose a role, whatever becomes of its details, and who is
// given one if they are written.
func (o *oracle) decideRoles(p *party) {
	state := p.seen.entry.State
	if p.deleted || p.seen.twice || state != adsync.StatePresent && state != adsync.StateOutOfScope {
		return
	}
	var has, hosts []string
	if p.user != nil {
		if !p.chosen {
			return
		}
		has, hosts = p.user.Extra.Set(adsync.FieldRoles), p.user.Extra.Set(adsync.FieldHostRoles)
	}
	says := p.seen.entry.Extra.Set(adsync.FieldRoles)
	for _, role := range o.rules.Roles {
		if slices.Contains(p.seen.entry.Unknown.Set(adsync.FieldRoles), role) || slices.Contains(hosts, role) {
			continue
		}
		switch held := slices.Contains(has, role); {
		case held && !slices.Contains(says, role):
			p.revoked = append(p.revoked, role)
		case !held && slices.Contains(says, role):
			p.granted = append(p.granted, role)
		}
	}
	if len(p.revoked) > 0 && p.user.Protected {
		p.revoked = nil
		o.notice(p, adsync.ReasonProtected)
	}
}

// withRoles is what the party holds beyond the five once its roles were decided.
func (p *party) withRoles(held adsync.Extra) adsync.Extra {
	roles := slices.DeleteFunc(held.Set(adsync.FieldRoles), func(role string) bool { return slices.Contains(p.revoked, role) })
	if p.candidate && !p.lost {
		roles = append(roles, p.granted...)
	}
	return held.With(adsync.FieldRoles, roles...)
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
		o.decideRoles(p)
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

// wantsToKeep tells whether a holder would keep the key even if nothing stood in its
// way.
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
	for _, p := range o.users {
		for _, role := range p.revoked {
			if s.Roles == nil {
				s.Roles = map[string]int{}
			}
			s.Roles[role] = 0
		}
	}
	for role := range s.Roles {
		for _, p := range o.users {
			has, hosts := p.user.Extra.Set(adsync.FieldRoles), p.user.Extra.Set(adsync.FieldHostRoles)
			if p.managed && !p.user.Protected && slices.Contains(has, role) && !slices.Contains(hosts, role) {
				s.Roles[role]++
			}
		}
	}
	return s
}

// From here on: checks of any plan, which know nothing of how it was made.
