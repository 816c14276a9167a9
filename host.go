package adsync

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/claims"
	"github.com/go-adsync/adsync/internal/keyfold"
	"github.com/go-adsync/adsync/internal/userindex"
)

// scope is the rules together with whom they are about in one run.
type scope struct {
	rules    Rules
	synced   []Field           // the details to synchronise, of the five
	extras   []Field           // the others, in ascending order
	compared []Field           // those together with the roles, in any order
	single   []Field           // of what may have several values: the five and the others
	only     map[string]bool   // nil: all managed users
	imports  map[ObjectID]bool // the entries to import when Rules.Import does not say all
	roles    map[string]bool   // the roles that are given and taken
}

func scopeOf(rules Rules) scope {
	s := scope{rules: rules, synced: rules.fields(), extras: rules.extras(), roles: setOf(rules.Roles)}
	s.compared = s.extras
	s.single = append(details[:len(details):len(details)], s.extras...)
	if len(s.roles) > 0 {
		s.compared = append(slices.Clone(s.extras), FieldRoles)
	}
	if rules.Only != nil {
		s.only = setOf(rules.Only)
	}
	return s
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

// lists reports whether the directory is to be listed, rather than asked about each of
// that many managed users.
func (s *scope) lists(managed int) bool {
	return s.rules.Import || s.only == nil && managed > lookUpMost
}

func (s *scope) chooses(u *User) bool { return s.rules.manages(u) && (s.only == nil || s.only[u.ID]) }

// profile is what the user would be left with, PinProtected considered. The error is of
// Rules.Map.
func (s *scope) profile(u *User, e *Entry) (Profile, error) {
	wanted, err := s.rules.mapped(s.rules.chosen(u, e))
	if err != nil {
		return Profile{}, err
	}
	left := s.merged(u, &wanted)
	if s.pins(u) {
		for _, f := range keySpaces {
			*left.detail(f) = *u.detail(f)
		}
	}
	return left, nil
}

// newProfile is the profile of a user to create, with its roles.
func (s *scope) newProfile(e *Entry) (Profile, error) {
	profile, err := s.profile(nobody, e)
	roles := s.rolesOf(nobody, e)
	profile.Extra = roles.follow(profile.Extra)
	return profile, err
}

// merged is the user's profile with what is wanted of the details to synchronise.
func (s *scope) merged(u *User, wanted *Profile) Profile {
	left := u.Profile
	for _, f := range s.synced {
		value := *wanted.detail(f)
		if strings.TrimSpace(value) == "" && slices.Contains(s.rules.KeepOnEmpty, f) {
			continue
		}
		*left.detail(f) = value
	}
	left.Extra = left.Extra.taking(s.extras, wanted.Extra, s.rules.KeepOnEmpty)
	return left
}

// clean is the entry as a plan takes it: what is not synchronised is left out, unless
// Rules.Map may look at it.
func (s *scope) clean(e *Entry) Entry {
	clean := cleanEntry(e)
	if s.rules.Map == nil {
		clean.Extra, clean.Others = clean.Extra.only(s.compared), clean.Others.only(s.single)
	}
	return clean
}

// pins reports whether the user keeps its keys, whatever the directory says.
func (s *scope) pins(u *User) bool { return s.rules.PinProtected && u.Protected }

// pinned are the keys that the entry, whose profile can be written, would change otherwise.
func (s *scope) pinned(u *User, e *Entry) []Field {
	if !s.pins(u) {
		return nil
	}
	wanted, _ := s.rules.mapped(s.rules.chosen(u, e)) // which was not refused
	var pinned []Field
	unpinned := s.merged(u, &wanted)
	for _, f := range keySpaces {
		if *unpinned.detail(f) != *u.detail(f) {
			pinned = append(pinned, f)
		}
	}
	return pinned
}

func (s *scope) importing() bool { return s.rules.Import || len(s.imports) > 0 }

func (s *scope) wants(id ObjectID) bool { return s.rules.Import || s.imports[id] }

// invalid says why the profile cannot be written over the user's, or nothing. A
// user to be created has no ID.
func (s *scope) invalid(u *User, p Profile, refused error) (reason Reason, detail string) {
	switch {
	case refused != nil:
		return ReasonRefused, validText(refused.Error())
	case p.Username != u.Username && keyfold.Deceives(p.Username):
		return ReasonDeceptive, string(FieldUsername)
	case p.Email != u.Email && keyfold.Deceives(p.Email):
		return ReasonDeceptive, string(FieldEmail)
	case s.leavesNameless(u, &p):
		return ReasonNoUsername, ""
	}
	if lacking := s.rules.lacking(&p); len(lacking) > 0 {
		slices.Sort(lacking)
		return ReasonMissing, strings.Join(fieldNames(lacking), " and ")
	}
	return "", ""
}

// leavesNameless reports a profile without a username, unless it is not the sync that
// leaves the user without one.
func (s *scope) leavesNameless(u *User, p *Profile) bool {
	switch {
	case s.rules.key(p.Username) != "":
		return false
	case u.ID == "", p.Username != u.Username:
		return true
	}
	return slices.Contains(s.synced, FieldUsername) && !slices.Contains(s.rules.KeepOnEmpty, FieldUsername)
}

// callsFor reports whether the rules and the entry call for just this change.
func (s *scope) callsFor(c *Change, e *Entry, final bool) bool {
	switch {
	case c.Op == OpCreate:
		u, reason := s.created(e)
		return reason == "" && e.enabled() && u.Same(*c.After)
	case !s.chooses(c.Before):
		return false
	case c.Op == OpDelete:
		reaction, _ := s.rules.reaction(e)
		return reaction == Remove && s.rules.removesNow(c.Before, e)
	}
	want := *c.Before
	want.Status, _ = s.rules.status(c.Before, e)
	if c.deactivates() {
		if reaction, _ := s.rules.reaction(e); reaction.strength() < Deactivate.strength() {
			return false
		}
		want.Status = s.rules.off()
	}
	if want.DeactivatedAt = s.rules.stamped(c.Before, e, want.Status); c.After.DeactivatedAt == 0 && c.Before.DeactivatedAt == 0 {
		want.DeactivatedAt = 0 // no moment brings nobody's removal nearer
	}
	if want.DeactivatedAt != c.After.DeactivatedAt {
		return false
	}
	roles := s.rolesOf(c.Before, e)
	want.Extra = revoke(want.Extra, roles.revoked)
	if !final && want.Same(*c.After) { // only that status, and those revocations
		return true
	}
	if !e.Present() {
		return false
	}
	profile, err := s.profile(c.Before, e)
	if reason, _ := s.invalid(c.Before, profile, err); reason != "" {
		return false
	}
	want.Profile = profile
	want.Extra = roles.follow(want.Extra)
	return want.Same(*c.After)
}

// created is the user to create for the entry. The reason says why there can be none.
func (s *scope) created(e *Entry) (u User, reason Reason) {
	profile, err := s.newProfile(e)
	reason, _ = s.invalid(nobody, profile, err)
	return User{ObjectID: e.ObjectID, Source: validText(s.rules.Source), Profile: profile}, reason
}

// rows is the host side, as a slice or as a compact arena. Texts are valid UTF-8.
type rows interface {
	Len() int
	User(row int) User                              // may share its texts with the rows
	Keep(row int) User                              // has texts of its own
	Holds(row int, p *Profile, extras []Field) bool // the five, and these
	ObjectID(row int) [16]byte
	Touch(row int) byte // reads something of each detail
}

// rowKind is what the engine remembers of each row without looking again.
type rowKind uint8

const (
	rowManaged rowKind = 1 << iota
	rowChosen
	rowDeactivated // a sync may have to reactivate it, or to clear when it was deactivated
)

// host is the host side, indexed. It serves any number of views.
type host struct {
	scope    scope
	rows     rows
	kinds    []rowKind
	links    *userindex.Links // managed rows
	foreign  *userindex.Links // linked rows of other sources
	keys     [claims.Spaces]*userindex.Keys
	parkings map[string]bool // keys in use that look like parked ones
	prefix   []byte          // of those, folded
	managed  int
	chosen   int
	tally    *tally // nil: no mark is wanted
}

func newHost(users rows, who scope) *host {
	h := &host{
		scope:    who,
		rows:     users,
		kinds:    make([]rowKind, 0, users.Len()), // none where they are still to come
		links:    userindex.NewLinks(users.ObjectID),
		foreign:  userindex.NewLinks(users.ObjectID),
		parkings: map[string]bool{},
		prefix:   who.rules.appendKey(nil, parkedPrefix),
	}
	for space := range h.keys {
		h.keys[space] = userindex.NewKeys()
	}
	return h
}

// checkSelection wants every user asked for by ID to be there and managed.
func (h *host) checkSelection(selected bool) error {
	if !selected || h.chosen == len(h.scope.only) {
		return nil
	}
	unknown := maps.Clone(h.scope.only)
	for row, kind := range h.kinds {
		if kind&rowChosen != 0 {
			delete(unknown, h.rows.User(row).ID)
		}
	}
	var errs []error
	for id := range unknown {
		errs = append(errs, fmt.Errorf("adsync: user %q is unknown or not managed; choose users who were imported from this directory", id))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// rowOf returns the row of the user, or -1.
func (h *host) rowOf(userID string) int {
	for row := range h.rows.Len() {
		if h.rows.User(row).ID == userID {
			return row
		}
	}
	return -1
}

// add indexes the next row, which is the user. Its texts are valid UTF-8.
func (h *host) add(u *User) {
	h.addKeys(u)
	row := len(h.kinds)
	var kind rowKind
	switch {
	case h.scope.rules.manages(u):
		kind = rowManaged
		h.managed++
		h.links.Add(row, u.ObjectID)
		if h.scope.chooses(u) {
			kind |= rowChosen
			h.chosen++
		}
		if u.Status == StatusDeactivated || u.DeactivatedAt != 0 {
			kind |= rowDeactivated
		}
	case !u.ObjectID.IsZero() && h.scope.importing():
		h.foreign.Add(row, u.ObjectID)
	}
	h.kinds = append(h.kinds, kind)
	if h.tally != nil {
		h.tally.add(u, kind&rowChosen != 0, h.scope.importing())
	}
}

func (h *host) addKeys(u *User) {
	var buffer [64]byte
	for space, f := range keySpaces {
		if !h.scope.rules.isKey(f) {
			continue
		}
		key := h.scope.rules.appendKey(buffer[:0], *u.detail(f))
		h.keys[space].Add(h.keys[space].Hash(key))
		h.noteParked(key)
	}
}

// noteParked remembers a key that a parked one must not equal.
func (h *host) noteParked(key []byte) {
	if bytes.HasPrefix(key, h.prefix) {
		h.parkings[string(key)] = true
	}
}

// group returns the rows linked to one entry, from its first.
func (h *host) group(first int) []int {
	group := []int{first}
	for _, twin := range h.links.Twins(first) {
		group = append(group, int(twin))
	}
	return group
}

// firstOf returns the first row of the managed row's link.
func (h *host) firstOf(row int) int { return h.links.FirstOf(row) }

// choosesGroup reports whether the plan is about one of the rows of the group.
func (h *host) choosesGroup(first int) bool {
	if h.kinds[first]&rowChosen != 0 {
		return true
	}
	for _, twin := range h.links.Twins(first) {
		if h.kinds[twin]&rowChosen != 0 {
			return true
		}
	}
	return false
}

// isHeld reports whether the entry says just what the row holds. Rules.Map may
// look at more than the details, so with a Map every entry is kept whole; whoever has
// no username, or lacks what is required, is reported; what is blank on both sides is
// to be cleared; and of several values each user has its own.
func (h *host) isHeld(first int, e *Entry) bool {
	return h.scope.rules.Map == nil && e.enabled() && e.Others == Extra{} && e.Unknown == Extra{} && e.Expires == 0 && h.keys[0].Has(first) &&
		h.rows.Holds(first, &e.Profile, h.scope.compared) &&
		!e.Profile.hasBlanks() && len(h.scope.rules.lacking(&e.Profile)) == 0
}

// arenaRows is the host side without a pointer per user.
type arenaRows struct{ *userindex.Arena }

const flagProtected = 1

func (a arenaRows) append(u *User) {
	record := userindex.Record{
		ObjectID: u.ObjectID,
		Words:    [...]string{u.Source, string(u.Status)},
		Texts:    [...]string{u.Username, u.FirstName, u.LastName, u.Email, u.Phone, u.ID},
		More:     [...]string{u.Extra.packed, "", ""},
		Number:   uint64(u.DeactivatedAt),
	}
	if u.Protected {
		record.Flags = flagProtected
	}
	a.Append(&record)
}

// User returns a user whose texts are parts of the arena.
func (a arenaRows) User(row int) User {
	r := a.Record(row)
	return User{
		ID:        r.Texts[5],
		ObjectID:  r.ObjectID,
		Source:    r.Words[0],
		Profile:   profileOf(&r),
		Status:    Status(r.Words[1]),
		Protected: r.Flags&flagProtected != 0,

		DeactivatedAt: Moment(r.Number),
	}
}

// Keep returns a user that does not hold on to the arena.
func (a arenaRows) Keep(row int) User {
	u := a.User(row)
	cloneTexts(&u.ID, &u.Username, &u.FirstName, &u.LastName, &u.Email, &u.Phone, &u.Extra.packed)
	return u
}

func (a arenaRows) Holds(row int, p *Profile, extras []Field) bool {
	r := a.Record(row)
	held := profileOf(&r)
	return held.agrees(p, extras)
}

// profileOf returns the details of a record, which are its first texts.
func profileOf(r *userindex.Record) Profile {
	return Profile{
		Username: r.Texts[0], FirstName: r.Texts[1], LastName: r.Texts[2], Email: r.Texts[3], Phone: r.Texts[4],
		Extra: Extra{r.More[0]},
	}
}

// cloneTexts gives the texts memory of their own, in one piece.
func cloneTexts(texts ...*string) {
	size := 0
	for _, text := range texts {
		size += len(*text)
	}
	var all strings.Builder
	all.Grow(size)
	for _, text := range texts {
		all.WriteString(*text)
	}
	rest := all.String()
	for _, text := range texts {
		*text, rest = rest[:len(*text)], rest[len(*text):]
	}
}

// sliceRows is a slice of the caller's, but for the texts that are not valid.
type sliceRows struct {
	users []User
	own   bool // not the caller's any more
}

// valid returns the row with its texts repaired where there is need, as hardly ever.
func (s *sliceRows) valid(row int) *User {
	if !s.users[row].valid() {
		if !s.own {
			s.users, s.own = slices.Clone(s.users), true
		}
		s.users[row] = validUser(s.users[row])
	}
	return &s.users[row]
}

func (s *sliceRows) Len() int { return len(s.users) }

func (s *sliceRows) User(row int) User { return s.users[row] }

func (s *sliceRows) Keep(row int) User { return s.users[row] }

func (s *sliceRows) Holds(row int, p *Profile, extras []Field) bool {
	return s.users[row].agrees(p, extras)
}

func (s *sliceRows) ObjectID(row int) [16]byte { return s.users[row].ObjectID }

func (s *sliceRows) Touch(row int) (touched byte) {
	p := &s.users[row].Profile
	for _, text := range [...]string{p.Username, p.FirstName, p.LastName, p.Email, p.Phone, p.Extra.packed} {
		if text != "" {
			touched |= text[0]
		}
	}
	return touched
}
