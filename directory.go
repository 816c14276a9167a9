package adsync

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/go-adsync/adsync/internal/adattr"
)

// ObjectID is an account's objectGUID: the identity that survives renames and
// moves, and that a re-created account of the same name does not have.
//
// Its text form is dashed lower-case hex, as directory tools print it. The
// bytes are in printed order, not in the mixed order of the wire.
type ObjectID [16]byte

// ParseObjectID reads dashed hex in any case, with or without braces.
func ParseObjectID(s string) (ObjectID, error) {
	id, err := adattr.ParseGUID(s)
	return ObjectID(id), err
}

// ObjectIDFromBytes reads the 16 bytes of an objectGUID attribute, whose first
// three fields are little-endian ([MS-DTYP] 2.3.4.2).
func ObjectIDFromBytes(b []byte) (ObjectID, error) {
	id, err := adattr.GUIDFromWire(b)
	return ObjectID(id), err
}

// String is the dashed lower-case form.
func (id ObjectID) String() string { return adattr.GUID(id).String() }

// IsZero reports whether there is no identity: a local account's.
func (id ObjectID) IsZero() bool { return id == ObjectID{} }

// MarshalText is String.
func (id ObjectID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseObjectID, except that an empty text is the zero ID.
func (id *ObjectID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ObjectID{}
		return nil
	}
	parsed, err := ParseObjectID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Scan reads a database value: NULL, text, or 16 bytes in printed order.
func (id *ObjectID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = ObjectID{}
		return nil
	case string:
		return id.UnmarshalText([]byte(v))
	case []byte:
		if len(v) == len(id) {
			*id = ObjectID(v)
			return nil
		}
		return id.UnmarshalText(v)
	case [16]byte:
		*id = v
		return nil
	}
	return fmt.Errorf("adsync: cannot read an ObjectID from a %T; store it as text or as 16 bytes", src)
}

// Value is the text form, or NULL for the zero ID.
func (id ObjectID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.String(), nil
}

// State is what a [Directory] knows about an account.
type State string

// The states of an [Entry].
const (
	StatePresent    State = "present"      // in scope; "" means the same
	StateOutOfScope State = "out-of-scope" // alive, outside the base or filter
	StateDeleted    State = "deleted"      // proven: its tombstone was read, same objectGUID
	StateUnproven   State = "unproven"     // looked for and not seen; nothing proves a deletion
	StateDisputed   State = "disputed"     // one controller has the tombstone, and another shows the account alive or could not be asked
)

// Entry is one directory account.
type Entry struct {
	ObjectID ObjectID `json:"object_id"`
	Profile
	State           State  `json:"state,omitempty"`
	Disabled        bool   `json:"disabled,omitempty"`         // bit 2 of userAccountControl
	DisabledUnknown bool   `json:"disabled_unknown,omitempty"` // whether it is disabled could not be read; Disabled says nothing then
	DN              string `json:"dn,omitempty"`               // for people; never an identity

	// Others are all the values of each detail, of the five too, of which the account has
	// several though it is a single text. A plan takes one of them for a detail that is
	// empty in Profile; see Rules.Map.
	Others Extra `json:"others,omitzero"`

	// Unknown is what the directory could not tell: under FieldRoles, the names of roles of
	// which it is not known whether the account has them. They are neither given nor taken.
	Unknown Extra `json:"unknown,omitzero"`

	// Expires is when the account ends, where the directory tells it and counts accounts that
	// have expired as Disabled. Zero is never.
	Expires Moment `json:"expires,omitzero"`

	// DeletedAt is when the account was deleted, of one whose tombstone was read, by the
	// directory's clock: its whenChanged. Zero where that is not known.
	DeletedAt Moment `json:"deleted_at,omitzero"`
}

// A Directory knows the accounts in scope.
//
// Entries lists them; each call returns a fresh sequence. An error is yielded
// last and ends it. Ending without an error promises a complete listing.
//
// Find says what became of given accounts: an Entry for each distinct id, in any
// order, its State telling what was found. Several for one id are only for accounts
// that share it; a plan reports those as [ReasonListedTwice] if they contradict each
// other. Anything less is an error, yielded last.
//
// CheckDirectory of package adsynctest proves an implementation, with its optional powers.
type Directory interface {
	Entries(ctx context.Context) iter.Seq2[Entry, error]
	Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error]
}

// Sessions is an optional power of a [Directory] with several servers. It
// yields one pinned Directory for each, in order of preference: a plan reads
// one, and starts over on the next when that fails. A refused password ends the
// sequence with an error, so that no account gets locked.
type Sessions interface {
	Sessions(ctx context.Context) iter.Seq2[Directory, error]
}

// Inspector is an optional power of a [Directory]: it tells what the service
// account can read, so that plans can warn.
type Inspector interface {
	Inspect(ctx context.Context) (Access, error)
}

// Confirmer is an optional power of a [Directory], and of each that Sessions yields: it
// is Find for accounts whose users are to be reactivated. One that is present on one server
// only, while another has the tombstone or shows the account disabled, is StateDisputed.
type Confirmer interface {
	Confirm(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error]
}

// Traits are facts about a [Directory] or a [UserStore] that a [Syncer] makes use of.
// The zero value promises nothing; a fact that is wrong breaks a plan, so
// implementations prove theirs with package adsynctest.
type Traits struct {
	// Final, of a directory: whoever is not listed is gone. Its Find calls everybody
	// Deleted who is not in Entries, so that a plan does not ask a second time.
	Final bool

	// Apart, of a directory: it takes nothing that the store may hold in the meantime, such
	// as a connection of the same pool, so that both can be read concurrently.
	Apart bool

	// Fields, of a directory: the details that it tells. Only what both sides list is ever
	// written or cleared; a listed detail that an entry lacks is none. An empty list stands
	// for the five.
	//
	// Fields, of a store: the details that it holds, FieldStatus if it holds a status, and
	// FieldDeactivatedAt if it holds that; an empty list stands for all five and the status,
	// and not for that. A store that can tell
	// active users from others, but not who made them inactive, names FieldActive instead:
	// it reads all others as StatusInactive, and is given no other status to write. With
	// FieldDeactivatedAt it can: whoever has such a moment is StatusDeactivated, and that is
	// what it is given to write. Links (ObjectID and Source) are always held.
	Fields []Field

	// Sets are those of Fields that have any number of values. All others have one at most.
	Sets []Field

	// Roles are the names of the roles that FieldRoles can hold: those that a directory
	// tells of, or that a store has a place for. Only a role that both list is given or
	// taken.
	Roles []string

	// CreatesAtOnce, of a [BatchStore]: how many Creates it is best given in one batch
	// where Options.BatchSize is left open; 0 for as many as of other changes.
	CreatesAtOnce int
}

// Traiter is an optional power of a [Directory] or a [UserStore]: it tells facts that
// do not change. A wrapper forwards them, or gives its own answer where it changes what
// is true: a type that embeds a [Listing] and looks accounts up elsewhere is not Final
// any more.
type Traiter interface {
	Traits() Traits
}

// traitsOf returns what a directory or store tells of itself.
func traitsOf(side any) Traits {
	if t, ok := side.(Traiter); ok {
		return t.Traits()
	}
	return Traits{}
}

// listed are the details that a directory lists, or the five that it lists by default.
func (t Traits) listed() []Field {
	if len(t.Fields) == 0 {
		return details[:]
	}
	return t.Fields
}

// Access is what a service account can read.
type Access struct {
	Controller string   `json:"controller"`        // which server answered
	BaseDN     string   `json:"base_dn"`           // where the search starts
	Tombstones bool     `json:"tombstones"`        // whether deletions can be proven
	Missing    []string `json:"missing,omitempty"` // what cannot be read, and what to grant, in words

	// Unread are those words of Missing that are about one detail each. A plan leaves them
	// out where the detail is not synchronised.
	Unread map[Field][]string `json:"unread,omitempty"`

	// Of a directory that asks other controllers about tombstones: those that it asked
	// since it was opened, or of one without Sessions since it was inspected last, and
	// those of them that gave no answer.
	Witnesses []string `json:"witnesses,omitempty"`
	Silent    []string `json:"silent,omitempty"`
}

// Listing makes a [Directory] of a plain listing whose word is final: whoever is
// not in it is Deleted. It is for sources that cannot say more, and for tests.
type Listing func(ctx context.Context) iter.Seq2[Entry, error]

// Entries is the listing itself.
func (l Listing) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range l(ctx) {
			if !yield(e, err) || err != nil {
				return
			}
		}
		// A listing that just stops when it is cancelled is not complete.
		if err := stopped(ctx); err != nil {
			yield(Entry{}, err)
		}
	}
}

// Traits says that the listing is Final.
func (l Listing) Traits() Traits { return Traits{Final: true} }

// Find runs the listing once and calls Deleted whoever is not in it. An error of
// the listing is yielded, and then nobody is called anything; a listing of nobody at
// all is an error too, because a fault is more likely than that everybody has left.
func (l Listing) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return findIn(ctx, l.somebody, ids)
}

// somebody is Entries, which must not be empty.
func (l Listing) somebody(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		empty := true
		for e, err := range l.Entries(ctx) {
			empty = false
			if !yield(e, err) {
				return
			}
		}
		if empty {
			yield(Entry{}, errListedNobody)
		}
	}
}

var errListedNobody = errors.New("adsync: the directory listed nobody, although users are managed; check the base, the filter and the rights of the service account, or set Limits.AllowEmpty")

// StaticDirectory is a [Directory] as a literal: Entries yields the Present
// ones, Find gives each its State, and an absent id is Deleted.
//
// Several literal entries with one ObjectID are yielded once if they differ in
// nothing but the DN, and all of them otherwise, which a plan reports as
// ambiguous unless one of them merely does not know whether it is disabled.
type StaticDirectory []Entry

// Traits tells the five details, and those that the Extra or the Others of any of the
// accounts hold; they are sets where the Extra of one has several values. It tells the roles that any of
// them has: wrap it to tell more, of which nobody has one.
func (d StaticDirectory) Traits() Traits {
	var extras, sets []Field
	var roles []string
	for i := range d {
		for f, block := range d[i].Extra.blocks() {
			if f == FieldRoles {
				roles = slices.AppendSeq(roles, textsOf(block))
				continue
			}
			extras = append(extras, f)
			if d[i].Extra.isSet(f) {
				sets = append(sets, f)
			}
		}
		for f := range d[i].Others.blocks() {
			if f.isExtra() && f != FieldRoles {
				extras = append(extras, f)
			}
		}
	}
	slices.Sort(roles)
	roles = slices.Compact(roles)
	if extras == nil {
		return Traits{Roles: roles}
	}
	slices.Sort(extras)
	slices.Sort(sets)
	return Traits{Roles: roles, Fields: append(details[:len(details):len(details)], slices.Compact(extras)...), Sets: slices.Compact(sets)}
}

// Entries yields the accounts that are Present, in their order.
func (d StaticDirectory) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range d.all(ctx) {
			if err == nil && !e.Present() {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Find yields the accounts asked for, each with its State.
func (d StaticDirectory) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return findIn(ctx, d.all, ids)
}

// all yields every entry, whatever its State.
func (d StaticDirectory) all(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range d {
			if ctx.Err() != nil {
				break
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := stopped(ctx); err != nil {
			yield(Entry{}, err)
		}
	}
}

// stopped is the error of a context that has ended, or nil.
func stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("adsync: reading the directory: stopped by the caller: %w", err)
	}
	return nil
}

// findIn answers from a listing whose word is final. It keeps the accounts asked
// for and no others.
func findIn(ctx context.Context, list func(context.Context) iter.Seq2[Entry, error], ids []ObjectID) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		asked, err := distinct(ids)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		found := newAnswers(asked)
		for e, err := range list(ctx) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			found.add(e)
		}
		for _, id := range asked {
			if len(found[id]) == 0 {
				found[id] = []Entry{{ObjectID: id, State: StateDeleted}}
			}
		}
		found.yield(asked, yield)
	}
}

// distinct is a sorted copy of the ids without repetition.
func distinct(ids []ObjectID) ([]ObjectID, error) {
	sorted := slices.SortedFunc(slices.Values(ids), ObjectID.Compare)
	sorted = slices.Compact(sorted)
	if len(sorted) > 0 && sorted[0].IsZero() {
		return nil, errors.New("adsync: the zero ObjectID is nobody's; look up only users that have one")
	}
	return sorted, nil
}

// Compare orders ObjectIDs by their bytes: -1, 0 or +1, as [bytes.Compare] says it.
func (id ObjectID) Compare(other ObjectID) int { return bytes.Compare(id[:], other[:]) }

// answers holds what was found of the accounts that somebody asked for: more
// than one entry each only if they differ in more than the DN.
type answers map[ObjectID][]Entry

func newAnswers(asked []ObjectID) answers {
	a := make(answers, len(asked))
	for _, id := range asked {
		a[id] = nil
	}
	return a
}

// add drops what nobody asked for. Of two that differ in the DN alone it keeps the one that
// a plan would take, whichever comes first.
func (a answers) add(e Entry) {
	known, asked := a[e.ObjectID]
	if !asked {
		return
	}
	switch same := slices.IndexFunc(known, e.sameButDN); {
	case same < 0:
		a[e.ObjectID] = append(known, e)
	case saysMore(&e, &known[same]):
		known[same] = e
	}
}

func (a answers) yield(asked []ObjectID, yield func(Entry, error) bool) {
	for _, id := range asked {
		for _, e := range a[id] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Join makes one Directory of several, such as the domains of a forest: an error
// of one is an error of all.
//
// Entries yields the accounts of one after the other. Find asks each directory
// for all ids, and holds the answers until the last one has spoken: Present in
// one wins, then alive but out of scope, then Disputed, then Deleted, which needs that
// one directory has read the tombstone and none has seen the account alive. That a
// [Listing] lacks an account is no tombstone: it counts only where no other
// directory has more to say. An account that several directories show Present, with
// different content, is yielded once for each content, which a plan reports as
// [ReasonListedTwice]. With one directory for each domain nobody is in two; two
// controllers of one domain disagree like that while replication lags, so give them to
// one directory, which reads them one at a time.
//
// A Join is one trust boundary: each of its directories is believed about every account,
// so whoever administers one of them can list, rename or disable the accounts of all.
// Directories that do not trust each other get a Source and a [Syncer] each.
//
// The result is an [Inspector] if any of the directories is. It is not a
// [Sessions]: each directory chooses its controller by itself.
func Join(dirs ...Directory) Directory {
	j := joined(slices.Clone(dirs))
	for _, d := range dirs {
		if _, ok := d.(Inspector); ok {
			return inspectedJoin{j}
		}
	}
	return j
}

type joined []Directory

var errJoin = errors.New("adsync: Join needs at least one directory, and none that is nil")

func (j joined) check() error {
	if len(j) == 0 || slices.Contains(j, nil) {
		return errJoin
	}
	return nil
}

// Time is the earliest time that one of the directories tells, and the least for which one
// keeps tombstones.
func (j joined) Time(ctx context.Context) (now Moment, tombstones time.Duration, err error) {
	for _, d := range j {
		t, ok := d.(Timekeeper)
		if !ok {
			continue
		}
		there, kept, err := t.Time(ctx)
		if err != nil {
			return 0, 0, err
		}
		if there != 0 && (now == 0 || there < now) {
			now = there
		}
		if kept != 0 && (tombstones == 0 || kept < tombstones) {
			tombstones = kept
		}
	}
	return now, tombstones, nil
}

// Traits are what all the directories have in common.
func (j joined) Traits() Traits {
	all := Traits{Final: len(j) > 0, Apart: len(j) > 0}
	for i, d := range j {
		one := traitsOf(d)
		all.Final, all.Apart = all.Final && one.Final, all.Apart && one.Apart
		if i == 0 {
			all.Fields, all.Sets, all.Roles = slices.Clone(one.listed()), slices.Clone(one.Sets), slices.Clone(one.Roles)
			continue
		}
		all.Fields = slices.DeleteFunc(all.Fields, func(f Field) bool {
			return !slices.Contains(one.listed(), f) || slices.Contains(all.Sets, f) != slices.Contains(one.Sets, f)
		})
		all.Sets = common(all.Sets, one.Sets)
		all.Roles = common(all.Roles, one.Roles)
	}
	return all
}

// common is what both lists have, in the order of the first, which it takes over.
func common[T comparable](list, other []T) []T {
	return slices.DeleteFunc(list, func(v T) bool { return !slices.Contains(other, v) })
}

func (j joined) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := j.check(); err != nil {
			yield(Entry{}, err)
			return
		}
		for _, d := range j {
			for e, err := range d.Entries(ctx) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

func (j joined) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return j.lookUp(ctx, ids, Directory.Find)
}

// Confirm asks each directory that is a Confirmer to confirm.
func (j joined) Confirm(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return j.lookUp(ctx, ids, confirm)
}

// confirm is Confirm where the directory has it, and Find otherwise.
func confirm(d Directory, ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	if c, ok := d.(Confirmer); ok {
		return c.Confirm(ctx, ids)
	}
	return d.Find(ctx, ids)
}

// ProveRoles asks each directory that is a RoleProver for proof.
func (j joined) ProveRoles(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return j.lookUp(ctx, ids, proveRoles)
}

// lookUpWay is a way to look accounts up in a directory.
type lookUpWay func(d Directory, ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error]

func (j joined) lookUp(ctx context.Context, ids []ObjectID, find lookUpWay) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		asked, err := distinct(ids)
		if err == nil {
			err = j.check()
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		best := newAnswers(asked)
		for _, d := range j {
			if err := best.ask(ctx, d, asked, find); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		best.concludeAbsent()
		best.yield(asked, yield)
	}
}

// ask adds one directory's answers. It must have one for each id: what it leaves
// out would otherwise look as if the others had said everything.
func (a answers) ask(ctx context.Context, d Directory, asked []ObjectID, find lookUpWay) error {
	silent := make(map[ObjectID]struct{}, len(asked))
	for _, id := range asked {
		silent[id] = struct{}{}
	}
	for e, err := range find(d, ctx, slices.Clone(asked)) {
		if err != nil {
			return err
		}
		delete(silent, e.ObjectID)
		if e.State == StateDeleted && onlyAbsent(d, e.ObjectID) {
			e.State = stateAbsent
		}
		a.weigh(e)
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	if len(silent) > 0 {
		return fmt.Errorf("adsync: a joined directory gave no answer for %d of %d accounts; prove it with CheckDirectory", len(silent), len(asked))
	}
	return nil
}

// stateAbsent is the Deleted of a directory that has merely not listed the account.
// Among several that is no proof: each lacks the accounts of the others. It yields
// to whatever another has to say, and becomes Deleted where none has.
const stateAbsent State = "absent"

// onlyAbsent reports whether the directory calls the account Deleted because it
// lacks it.
func onlyAbsent(d Directory, id ObjectID) bool {
	if static, ok := d.(StaticDirectory); ok {
		return !slices.ContainsFunc(static, func(e Entry) bool { return e.ObjectID == id })
	}
	return traitsOf(d).Final
}

// concludeAbsent calls Deleted whom all have merely not listed.
func (a answers) concludeAbsent() {
	for _, entries := range a {
		for i := range entries {
			if entries[i].State == stateAbsent {
				entries[i].State = StateDeleted
			}
		}
	}
}

// weigh keeps the strongest answers.
func (a answers) weigh(e Entry) {
	known, asked := a[e.ObjectID]
	switch {
	case !asked:
	case len(known) == 0 || weight(e.State) > weight(known[0].State):
		a[e.ObjectID] = []Entry{e}
	case weight(e.State) == weight(known[0].State) && e.Present():
		a.add(e)
	case e.State == StateDeleted && known[0].State == StateDeleted && e.DeletedAt > known[0].DeletedAt:
		a[e.ObjectID] = []Entry{e}
	case weight(e.State) == weight(known[0].State):
		kept := known[0]
		if kept.DisabledUnknown {
			kept = e // which may know it
		}
		kept.addRoles(&known[0])
		kept.addRoles(&e)
		a[e.ObjectID] = []Entry{kept}
	}
}

// addRoles adds what another directory says of the roles of an account that none of them
// lists: any of them may be the one that gave a role.
func (e *Entry) addRoles(other *Entry) {
	if e.State != StateOutOfScope {
		return
	}
	e.Extra = e.Extra.With(FieldRoles, slices.Concat(e.Extra.Set(FieldRoles), other.Extra.Set(FieldRoles))...)
	e.Unknown = e.Unknown.With(FieldRoles, slices.Concat(e.Unknown.Set(FieldRoles), other.Unknown.Set(FieldRoles))...)
}

// weight orders the states by how much they say: alive says more than dead, and
// dead more than nothing.
func weight(s State) int {
	switch s {
	case "", StatePresent:
		return 4
	case StateOutOfScope:
		return 3
	case StateDisputed:
		return 2
	case StateDeleted:
		return 1
	case stateAbsent:
		return -1
	}
	return 0
}

// inspectedJoin is a Join that can tell what the accounts can read.
type inspectedJoin struct{ joined }

// Inspect joins what those directories tell that are an Inspector. Tombstones is
// true only if all of those can read them.
func (j inspectedJoin) Inspect(ctx context.Context) (Access, error) {
	if err := j.check(); err != nil {
		return Access{}, err
	}
	var controllers, bases []string
	all := Access{Tombstones: true}
	for _, d := range j.joined {
		i, ok := d.(Inspector)
		if !ok {
			continue
		}
		a, err := i.Inspect(ctx)
		if err != nil {
			return Access{}, err
		}
		controllers = append(controllers, a.Controller)
		bases = append(bases, a.BaseDN)
		all.add(&a)
	}
	all.Controller = strings.Join(controllers, ", ")
	all.BaseDN = strings.Join(bases, "; ")
	return all, nil
}

// add adds what another directory says, but for the names of its server and base.
func (a *Access) add(more *Access) {
	a.Tombstones = a.Tombstones && more.Tombstones
	a.Missing = append(a.Missing, more.Missing...)
	a.Witnesses, a.Silent = append(a.Witnesses, more.Witnesses...), append(a.Silent, more.Silent...)
	for f, words := range more.Unread {
		if a.Unread == nil {
			a.Unread = map[Field][]string{}
		}
		a.Unread[f] = append(a.Unread[f], words...)
	}
}

// missing is what matters to who synchronises these details.
func (a *Access) missing(synced []Field) []string {
	beside := map[string]bool{}
	for f, words := range a.Unread {
		for _, text := range words {
			beside[text] = !slices.Contains(synced, f)
		}
	}
	return slices.DeleteFunc(slices.Clone(a.Missing), func(text string) bool { return beside[text] })
}

// Present reports whether the account is one that Entries lists: its State is
// StatePresent or "".
func (e Entry) Present() bool { return e.State == "" || e.State == StatePresent }

// enabled reports whether the account is there and known not to be disabled.
func (e *Entry) enabled() bool { return e.Present() && !e.Disabled && !e.DisabledUnknown }

func (e Entry) sameButDN(other Entry) bool {
	e.DN, other.DN = "", ""
	if e.Present() && other.Present() {
		e.State = other.State
	}
	return e == other
}

// describe tells what the directory holds, for people.
func (e *Entry) describe() string {
	words := []string{"account " + e.ObjectID.String() + " as " + string(e.State)}
	if e.State == StatePresent {
		words = append(words, "with "+e.Profile.describe())
		if (e.Others != Extra{}) {
			words = append(words, "of several values: "+strings.Join(e.Others.describe(), "; "))
		}
	}
	if e.Expires != 0 {
		words = append(words, "whose time ends at "+e.Expires.words())
	}
	if e.DeletedAt != 0 {
		words = append(words, "at "+e.DeletedAt.words())
	}
	switch {
	case e.DisabledUnknown:
		words = append(words, "perhaps disabled, which could not be read")
	case e.Disabled:
		words = append(words, "disabled")
	}
	return strings.Join(words, ", ")
}
