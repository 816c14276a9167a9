package adsync

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/keyfold"
	"github.com/go-adsync/adsync/internal/ldapread"
	"github.com/go-adsync/adsync/internal/plantext"
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

// Profile holds the five synchronised details. It is comparable.
type Profile struct {
	Username  string `json:"username"`   // sAMAccountName
	FirstName string `json:"first_name"` // givenName
	LastName  string `json:"last_name"`  // sn
	Email     string `json:"email"`      // mail
	Phone     string `json:"phone"`      // telephoneNumber
}

// Get returns the detail of that name, and "" for a field that is none.
func (p Profile) Get(f Field) string {
	if !slices.Contains(details[:], f) {
		return ""
	}
	return *p.detail(f)
}

// With returns the profile with another value of that detail. A field that is none
// changes nothing.
func (p Profile) With(f Field, value string) Profile {
	if slices.Contains(details[:], f) {
		*p.detail(f) = value
	}
	return p
}

// Field names one part of a [User].
type Field string

// The fields of a [User]. The first five are the synchronised details.
const (
	FieldUsername  Field = "username"
	FieldFirstName Field = "first_name"
	FieldLastName  Field = "last_name"
	FieldEmail     Field = "email"
	FieldPhone     Field = "phone"
	FieldStatus    Field = "status"
	FieldObjectID  Field = "object_id"
	FieldSource    Field = "source"
)

// State tells what a [Directory] knows of an account.
type State string

// The states of an [Entry].
const (
	StatePresent    State = "present"      // in scope; "" means the same
	StateOutOfScope State = "out-of-scope" // alive, outside the base or filter
	StateDeleted    State = "deleted"      // proven: its tombstone was read, same objectGUID
	StateUnproven   State = "unproven"     // looked for and not seen; nothing proves a deletion
)

// Entry is one directory account.
type Entry struct {
	ObjectID ObjectID `json:"object_id"`
	Profile
	State    State  `json:"state,omitempty"`
	Disabled bool   `json:"disabled,omitempty"` // bit 2 of userAccountControl
	DN       string `json:"dn,omitempty"`       // for people; never an identity
}

// A Directory knows the accounts in scope.
//
// Entries lists them; each call returns a fresh sequence. An error is yielded
// last and ends it. Ending without an error promises a complete listing.
//
// Find says what became of given accounts: exactly one Entry for each distinct
// id, in any order, its State telling what was found. Anything less is an
// error, yielded last.
//
// [CheckDirectory] proves an implementation.
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

// Traits are facts about a [Directory] or a [UserStore] that a [Syncer] makes use of.
// The zero value promises nothing; a fact that is wrong breaks a plan, so
// implementations prove theirs with package adsynctest.
type Traits struct {
	// Final, of a directory: who is not listed is gone. Its Find calls everybody
	// Deleted who is not in Entries, so that a plan does not ask a second time.
	Final bool

	// Apart, of a directory: it takes nothing that the store may hold meanwhile, as a
	// connection of the same pool, so that both can be read concurrently.
	Apart bool

	// Fields, of a store: the details that it holds, and FieldStatus if it holds a
	// status; none stands for all five and the status. Links (ObjectID and Source) are
	// always held.
	Fields []Field

	// CreatesAtOnce, of a [BatchStore]: how many Creates it is best given in one batch
	// where Options.BatchSize is left open; 0 for as many as of other changes.
	CreatesAtOnce int
}

// Traiter is an optional power of a [Directory] or a [UserStore]: it tells facts that
// do not change. Whoever wraps one forwards them, or answers anew where the wrapper
// changes what is true: a type that embeds a [Listing] and looks accounts up elsewhere
// is not Final any more.
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

// Access is what a service account can read.
type Access struct {
	Controller string   `json:"controller"`        // which server answered
	BaseDN     string   `json:"base_dn"`           // where the search starts
	Tombstones bool     `json:"tombstones"`        // whether deletions can be proven
	Missing    []string `json:"missing,omitempty"` // what cannot be read, and what to grant, in words
}

// Listing makes a [Directory] of a plain listing whose word is final: who is
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
// the listing is yielded, and then nobody is called anything; a listing of nobody
// at all is an error too, as it proves more likely a fault than that all have left.
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
// ambiguous.
type StaticDirectory []Entry

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

// add drops what nobody asked for.
func (a answers) add(e Entry) {
	known, asked := a[e.ObjectID]
	if asked && !slices.ContainsFunc(known, e.sameButDN) {
		a[e.ObjectID] = append(known, e)
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
// one wins, then alive but out of scope, then Deleted, which needs that one
// directory has read the tombstone and none has seen the account alive. That a
// [Listing] lacks an account is no tombstone: it counts only where no other
// directory has more to say. An
// account that several directories show Present, with different content, is
// yielded as often, which a plan reports as ambiguous.
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

// Traits are what all the directories have in common.
func (j joined) Traits() Traits {
	all := Traits{Final: len(j) > 0, Apart: len(j) > 0}
	for _, d := range j {
		one := traitsOf(d)
		all.Final, all.Apart = all.Final && one.Final, all.Apart && one.Apart
	}
	return all
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
			if err := best.ask(ctx, d, asked); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		best.settle()
		best.yield(asked, yield)
	}
}

// ask adds one directory's answers. It must have one for each id: what it leaves
// out would else look as if the others had said all.
func (a answers) ask(ctx context.Context, d Directory, asked []ObjectID) error {
	silent := make(map[ObjectID]bool, len(asked))
	for _, id := range asked {
		silent[id] = true
	}
	for e, err := range d.Find(ctx, slices.Clone(asked)) {
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

// settle calls Deleted whom all have merely not listed.
func (a answers) settle() {
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
	}
}

// weight orders the states by how much they say: alive says more than dead, and
// dead more than nothing.
func weight(s State) int {
	switch s {
	case "", StatePresent:
		return 3
	case StateOutOfScope:
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

// Inspect joins what the directories tell that are an Inspector. Tombstones is
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
		all.Tombstones = all.Tombstones && a.Tombstones
		all.Missing = append(all.Missing, a.Missing...)
	}
	all.Controller = strings.Join(controllers, ", ")
	all.BaseDN = strings.Join(bases, "; ")
	return all, nil
}

// ActiveDirectoryConfig says where the directory is and how to read it. URLs or
// Domain, and Bind, are required; every other zero value is a safe default.
type ActiveDirectoryConfig struct {
	// URLs are the controllers, tried in order: ldaps://dc1.corp.example, or
	// ldap:// together with StartTLS. One that failed is tried last for a while:
	// 30 seconds, and up to 10 minutes if that goes on.
	URLs []string
	// Domain finds the controllers by SRV record instead; Site prefers those of
	// one site.
	Domain, Site string
	// BaseDN is where the search starts, with all below it. Default: the server's
	// defaultNamingContext.
	BaseDN string
	// Filter says who is in scope; others in the domain are out of scope.
	// Default: (sAMAccountType=805306368), people; with another identity than
	// objectGUID it is (objectClass=person).
	Filter string
	// Bind is how to authenticate: SimpleBind, PasswordFunc or BindFunc.
	Bind Bind
	// TLS is the client configuration. Default: system roots, TLS 1.2 or newer.
	TLS *tls.Config
	// StartTLS upgrades an ldap:// connection before anything is sent.
	StartTLS bool
	// AllowPlaintext permits a bind over a bare ldap:// connection. It is for
	// tests: it sends the password in the clear. Check and each plan warn of it.
	AllowPlaintext bool
	// PageSize is how many entries one page of a listing holds. Default 1000, the
	// server's own limit. Look-ups go without pages; below 128 they have such pages too.
	PageSize uint32
	// Timeout bounds each request, such as one page, and not the whole sync.
	// Default 30 seconds.
	Timeout time.Duration
	// Attributes maps details to attribute names. Default: as beside the fields
	// of Profile, also for those that are left out. Of an attribute with several
	// values the first that the server sends is taken.
	//
	// FieldObjectID maps the identity, for directories other than Active Directory:
	// entryUUID (OpenLDAP), nsUniqueId (389 Directory Server), ipaUniqueID
	// (FreeIPA), or any that holds the text of a UUID and never changes. Such a
	// directory proves no deletion: an account that is gone is StateUnproven, and
	// nobody in it is seen to be disabled. BaseDN may have to be set.
	Attributes map[Field]string
	// PlainReader leaves also the entries to go-ldap, instead of taking them off the
	// connection before it: the same entries, several times slower and with far more
	// garbage. It is for finding out whether a fault lies there.
	PlainReader bool
}

// Bind is a way to authenticate to a directory. The zero value is refused.
type Bind struct {
	// password is read for each connection, before anything is sent, for user.
	password func(context.Context) (string, error)
	user     string
	// own is the host's way, instead.
	own ldapread.BindFunc
	// err is why the Bind cannot work, found when it was made.
	err error
}

// SimpleBind authenticates with a name (a DN, a userPrincipalName or
// DOMAIN\name) and a password. It needs ldaps or StartTLS. Neither may be empty:
// a server takes an empty password for an anonymous bind, and says success.
func SimpleBind(user, password string) Bind {
	b := PasswordFunc(user, func(context.Context) (string, error) { return password, nil })
	if b.err == nil && password == "" {
		b.err = errNoPassword
	}
	return b
}

// PasswordFunc is SimpleBind with a password that is read anew for each
// connection, so that it can rotate. An error of the function, or an empty
// password, ends the attempt before anything is sent, and no other controller is
// tried. A password that the directory called wrong is not sent again by the same
// ActiveDirectory for 15 minutes.
func PasswordFunc(user string, password func(context.Context) (string, error)) Bind {
	if user == "" || password == nil {
		return Bind{err: errors.New("adsync: Bind needs a user name and a password")}
	}
	return Bind{user: user, password: password}
}

var errNoPassword = errors.New("adsync: the password is empty; a server would take that for an anonymous bind")

// BindFunc authenticates in the host's own way, such as Kerberos. The function
// gets the controller's host name and a connection that is encrypted already
// where the URL or StartTLS asks for it. It must leave no request running.
//
// An error that comes from neither the server nor the network counts as a
// refused password: no other controller is tried.
func BindFunc(bind func(ctx context.Context, host string, c *ldap.Conn) error) Bind {
	if bind == nil {
		return Bind{err: errors.New("adsync: BindFunc needs a function")}
	}
	return Bind{own: bind}
}

// auth prepares binds. It refuses before anything is sent.
func (b Bind) auth(refused *refusedPassword) ldapread.Auth {
	if b.own != nil {
		return func(context.Context) (ldapread.BindFunc, error) { return b.own, nil }
	}
	return func(ctx context.Context) (ldapread.BindFunc, error) {
		secret, err := b.password(ctx)
		if err != nil {
			return nil, fmt.Errorf("adsync: the password could not be had: %w", err)
		}
		if secret == "" {
			return nil, errNoPassword
		}
		if refused.is(secret) {
			return nil, errRefusedBefore
		}
		return func(_ context.Context, _ string, c *ldap.Conn) error {
			err := c.Bind(b.user, secret)
			if ldapread.IsWrongPassword(err) {
				refused.note(secret)
			}
			return err
		}, nil
	}
}

// refusedPassword remembers the last wrong password, so that a host that tries
// again and again does not lock its service account.
type refusedPassword struct {
	now func() time.Time

	mu   sync.Mutex
	sum  [sha256.Size]byte
	when time.Time
}

// refusedFor is how long a wrong password is not sent again. Domains commonly
// forget failed attempts after 10 to 30 minutes.
const refusedFor = 15 * time.Minute

var errRefusedBefore = fmt.Errorf("adsync: this very password was refused less than %v ago and is not sent again, lest the account gets locked; correct it", refusedFor)

func (r *refusedPassword) note(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum, r.when = sha256.Sum256([]byte(secret)), r.now()
}

func (r *refusedPassword) is(secret string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now().Sub(r.when) < refusedFor && r.sum == sha256.Sum256([]byte(secret))
}

// ActiveDirectory is a [Directory], with [Sessions] and [Inspector], over LDAP.
// It is safe for concurrent use; each call has a connection of its own.
//
// Entries and Find read the first controller that answers. They go on to the
// next one only while nothing was yielded, so that one sequence never mixes two
// controllers, and not at all after a refused password.
//
// Find looks for who is not in scope everywhere in the controller's domain, and
// then among its tombstones. Several domains take one ActiveDirectory each, and
// [Join].
//
// A server is trusted to be a domain controller once TLS has proven its name:
// what it may send is bounded (4 MiB a message, 64 MiB a page), but a listing may
// be as long as it likes.
type ActiveDirectory struct {
	reader  ldapread.Config
	servers []ldapread.Server // none: by SRV record
	srv     srvRecords
	health  *health
	refused *refusedPassword
}

// health remembers which controllers failed, so that the next call begins with
// another one.
type health struct {
	now func() time.Time

	mu     sync.Mutex
	failed map[ldapread.Server]failures
}

// failures of one controller, in a row.
type failures struct {
	count int
	last  time.Time
}

// The time for which a controller that failed is tried last: it doubles with
// each failure in a row.
const (
	firstBackoff = 30 * time.Second
	longBackoff  = 10 * time.Minute
)

func (f failures) until() time.Time {
	wait := firstBackoff
	for i := 1; i < f.count && wait < longBackoff; i++ {
		wait *= 2
	}
	return f.last.Add(min(wait, longBackoff))
}

func (h *health) note(s ldapread.Server, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !failed {
		delete(h.failed, s)
		return
	}
	h.failed[s] = failures{count: h.failed[s].count + 1, last: h.now()}
}

// order puts those that failed lately last, and leaves the order else.
func (h *health) order(servers []ldapread.Server) []ldapread.Server {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	rank := func(s ldapread.Server) int {
		if f, failed := h.failed[s]; failed && now.Before(f.until()) {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(servers), func(a, b ldapread.Server) int { return rank(a) - rank(b) })
}

// srvRecords says how controllers are found by DNS.
type srvRecords struct {
	domain, site string
	startTLS     bool
	lookup       func(ctx context.Context, name string) ([]*net.SRV, error)
}

// The defaults of ActiveDirectoryConfig.
const (
	defaultFilter   = "(sAMAccountType=805306368)"
	otherFilter     = "(objectClass=person)" // where there is no sAMAccountType
	defaultPageSize = 1000
	defaultTimeout  = 30 * time.Second
)

// defaultAttributes are those of the details, in their order.
var defaultAttributes = [ldapread.NumValues]string{"sAMAccountName", "givenName", "sn", "mail", "telephoneNumber"}

// NewActiveDirectory checks the configuration. It connects to nothing.
func NewActiveDirectory(cfg ActiveDirectoryConfig) (*ActiveDirectory, error) {
	d := &ActiveDirectory{
		health: &health{now: time.Now, failed: map[ldapread.Server]failures{}}, refused: &refusedPassword{now: time.Now},
		srv: srvRecords{domain: strings.Trim(cfg.Domain, "."), site: cfg.Site, startTLS: cfg.StartTLS, lookup: lookupSRV},
	}
	var err error
	if d.servers, err = cfg.servers(); err != nil {
		return nil, err
	}
	if err := cfg.checkBind(d.servers); err != nil {
		return nil, err
	}
	if d.reader, err = cfg.reader(); err != nil {
		return nil, err
	}
	d.reader.Auth, d.reader.Clear = cfg.Bind.auth(d.refused), cfg.Bind.password != nil
	return d, nil
}

func (cfg ActiveDirectoryConfig) servers() ([]ldapread.Server, error) {
	switch {
	case len(cfg.URLs) > 0 && cfg.Domain != "":
		return nil, errors.New("adsync: ActiveDirectoryConfig has both URLs and Domain; give one of them")
	case len(cfg.URLs) == 0 && cfg.Domain == "":
		return nil, errors.New("adsync: ActiveDirectoryConfig has no URLs; give ldaps://host, or a Domain")
	case cfg.Site != "" && cfg.Domain == "":
		return nil, errors.New("adsync: ActiveDirectoryConfig.Site needs a Domain")
	case !isDNSName(cfg.Domain) || !isDNSName(cfg.Site):
		return nil, errors.New("adsync: ActiveDirectoryConfig.Domain or Site is not a DNS name")
	}
	servers := make([]ldapread.Server, 0, len(cfg.URLs))
	for i, raw := range cfg.URLs {
		s, err := ldapread.ParseURL(raw, cfg.StartTLS)
		if err != nil {
			return nil, fmt.Errorf("adsync: ActiveDirectoryConfig.URLs[%d]: %w", i, err)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// isDNSName also accepts "", and lets the resolver judge the rest.
func isDNSName(s string) bool {
	return len(s) < 254 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/:@\\", r) })
}

func (cfg ActiveDirectoryConfig) checkBind(servers []ldapread.Server) error {
	if cfg.Bind.err != nil {
		return cfg.Bind.err
	}
	if cfg.Bind.own == nil && cfg.Bind.password == nil {
		return errors.New("adsync: ActiveDirectoryConfig.Bind is missing; use SimpleBind, PasswordFunc or BindFunc")
	}
	for i, s := range servers {
		if cfg.Bind.password != nil && !s.Encrypted() && !cfg.AllowPlaintext {
			return fmt.Errorf("adsync: ActiveDirectoryConfig.URLs[%d] would send the password in the clear; use ldaps://, or set StartTLS", i)
		}
	}
	return nil
}

// reader is the part of the configuration that is the same for each controller.
func (cfg ActiveDirectoryConfig) reader() (ldapread.Config, error) {
	r := ldapread.Config{
		BaseDN: cfg.BaseDN, Filter: cfg.filter(), TLS: cfg.TLS,
		PageSize: cmp.Or(cfg.PageSize, defaultPageSize), Timeout: cmp.Or(cfg.Timeout, defaultTimeout),
		Attributes: defaultAttributes, Plain: cfg.PlainReader,
	}
	if _, err := ldap.CompileFilter(r.Filter); err != nil {
		return r, errors.New("adsync: ActiveDirectoryConfig.Filter is not an LDAP filter; want one like (sAMAccountType=805306368)")
	}
	// A base like <GUID=...> is Active Directory's own, and no DN.
	if _, err := ldap.ParseDN(r.BaseDN); err != nil && !strings.HasPrefix(r.BaseDN, "<") {
		return r, errors.New("adsync: ActiveDirectoryConfig.BaseDN is not a distinguished name; want one like OU=People,DC=corp,DC=example")
	}
	if r.PageSize > math.MaxInt32 {
		return r, errors.New("adsync: ActiveDirectoryConfig.PageSize is too big; 1000 is what controllers give")
	}
	if r.Timeout < 0 {
		return r, errors.New("adsync: ActiveDirectoryConfig.Timeout is negative; 0 means 30 seconds")
	}
	for field, attribute := range cfg.Attributes {
		if field == FieldObjectID && isAttribute(attribute) {
			r.Identity = adattr.IdentityOf(attribute)
			continue
		}
		i := slices.Index(details[:], field)
		if i < 0 {
			return r, fmt.Errorf("adsync: ActiveDirectoryConfig.Attributes: %q is neither one of the five details nor object_id", field)
		}
		if !isAttribute(attribute) {
			return r, fmt.Errorf("adsync: ActiveDirectoryConfig.Attributes: %s is mapped to something that is not an attribute name", field)
		}
		r.Attributes[i] = attribute
	}
	return r, nil
}

func (cfg ActiveDirectoryConfig) filter() string {
	if adattr.IdentityOf(cfg.Attributes[FieldObjectID]).IsObjectGUID() {
		return cmp.Or(cfg.Filter, defaultFilter)
	}
	return cmp.Or(cfg.Filter, otherFilter)
}

// isAttribute accepts a name or an object identifier (RFC 4512, 1.4), and no
// options.
func isAttribute(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '.'
	})
}

// Entries lists the accounts in scope, a page at a time.
func (d *ActiveDirectory) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return stream(func(each eachAccount) error {
		return d.read(ctx, each, func(c *ldapread.Controller, each eachAccount) error { return c.Entries(ctx, each) })
	})
}

// Find looks accounts up by their objectGUID, in batches.
func (d *ActiveDirectory) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return stream(func(each eachAccount) error {
		return d.read(ctx, each, func(c *ldapread.Controller, each eachAccount) error { return find(ctx, c, ids, each) })
	})
}

// Sessions yields one Directory for each controller, in order. It reads that
// controller and no other, on one connection that is kept until the loop goes
// on, and is an [Inspector] too. It connects when it is first used: a controller
// that does not answer shows in the error of its Entries or Find. After a
// refused password, or when ctx has ended, the sequence ends with an error.
func (d *ActiveDirectory) Sessions(ctx context.Context) iter.Seq2[Directory, error] {
	return func(yield func(Directory, error) bool) {
		for c, err := range d.controllers(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(pinned{c}, nil) {
				return
			}
		}
	}
}

// Traits says that reading it takes nothing that the host may need meanwhile.
func (d *ActiveDirectory) Traits() Traits { return Traits{Apart: true} }

// Check tells what the service account can read on the first controller that
// answers. Access.Missing names a base that is not found, a filter that matches
// nobody, attributes that none of the first 100 accounts shows, and a password
// that is sent in the clear.
//
// Access.Tombstones means that deletions can be proven. By default that takes an
// administrator: grant the service account List Contents and Read Property on
// CN=Deleted Objects. While nothing was ever deleted, the right to read that
// container is taken for both.
func (d *ActiveDirectory) Inspect(ctx context.Context) (Access, error) {
	var access Access
	err := d.first(ctx, func(c *ldapread.Controller) (final bool, err error) {
		access, err = pinned{c}.Inspect(ctx)
		return false, err
	})
	return access, err
}

// maxSearch is the most that Search returns: one page of a controller.
const maxSearch = 1000

// Search finds people in scope for somebody to choose from: those whose
// username, email, first, last, display or common name begins with the text, or
// whose first and last name begin with its two words. Special characters are
// looked for as they are. An empty text finds anybody.
//
// It returns max entries at most, and never more than 1000, in the server's
// order; it does not tell whether there are more.
func (d *ActiveDirectory) Search(ctx context.Context, text string, max int) ([]Entry, error) {
	if max < 1 {
		return nil, errors.New("adsync: Search needs a max of at least 1")
	}
	var entries []Entry
	err := d.first(ctx, func(c *ldapread.Controller) (final bool, err error) {
		found, err := c.Search(ctx, text, uint32(min(max, maxSearch)))
		for i := range found {
			entries = append(entries, entryOf(&found[i]))
		}
		return false, err
	})
	return entries, err
}

// pinned reads one controller.
type pinned struct{ controller *ldapread.Controller }

func (p pinned) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return stream(func(each eachAccount) error { return p.controller.Entries(ctx, each) })
}

func (p pinned) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return stream(func(each eachAccount) error { return find(ctx, p.controller, ids, each) })
}

// Traits are those of the directory.
func (p pinned) Traits() Traits { return Traits{Apart: true} }

func (p pinned) Inspect(ctx context.Context) (Access, error) {
	a, err := p.controller.Check(ctx)
	return Access(a), err
}

// eachAccount is told of every account, and returns whether to go on.
type eachAccount = func(*ldapread.Account) bool

// stream makes a sequence of a reading function. An error is yielded last.
func stream(read func(eachAccount) error) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := read(func(a *ldapread.Account) bool { return yield(entryOf(a), nil) }); err != nil {
			yield(Entry{}, err)
		}
	}
}

func entryOf(a *ldapread.Account) Entry {
	v := &a.Values
	return Entry{
		ObjectID: ObjectID(a.GUID),
		Profile:  Profile{Username: v[0], FirstName: v[1], LastName: v[2], Email: v[3], Phone: v[4]},
		State:    states[a.State], Disabled: a.Disabled, DN: a.DN,
	}
}

var states = [...]State{
	ldapread.Present: StatePresent, ldapread.OutOfScope: StateOutOfScope,
	ldapread.Deleted: StateDeleted, ldapread.Unproven: StateUnproven,
}

func find(ctx context.Context, c *ldapread.Controller, ids []ObjectID, each eachAccount) error {
	asked, err := distinct(ids)
	if err != nil {
		return err
	}
	if len(asked) == 0 {
		return stopped(ctx)
	}
	guids := make([]adattr.GUID, len(asked))
	for i, id := range asked {
		guids[i] = adattr.GUID(id)
	}
	return c.Find(ctx, guids, each)
}

// read uses the first controller that answers, and no other once it has.
func (d *ActiveDirectory) read(ctx context.Context, each eachAccount, do func(*ldapread.Controller, eachAccount) error) error {
	begun := false
	return d.first(ctx, func(c *ldapread.Controller) (final bool, err error) {
		err = do(c, func(a *ldapread.Account) bool {
			begun = true
			return each(a)
		})
		return begun, err
	})
}

// first calls do with one controller after the other until it succeeds or says
// that its error is final.
func (d *ActiveDirectory) first(ctx context.Context, do func(*ldapread.Controller) (final bool, err error)) error {
	var failures []error
	for c, err := range d.controllers(ctx) {
		if err != nil {
			failures = append(failures, err)
			break
		}
		final, err := do(c)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
		if final || ctx.Err() != nil || c.Refused() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// controllers yields them in order, those that failed lately last, each open until the loop goes on. A refused
// password ends the sequence with its error.
func (d *ActiveDirectory) controllers(ctx context.Context) iter.Seq2[*ldapread.Controller, error] {
	return func(yield func(*ldapread.Controller, error) bool) {
		servers, err := d.locate(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, server := range d.health.order(servers) {
			if err := stopped(ctx); err != nil {
				yield(nil, err)
				return
			}
			c := ldapread.NewController(&d.reader, server)
			more := lend(c, yield)
			if failed, known := c.Failed(); known {
				d.health.note(server, failed)
			}
			if !more {
				return
			}
			if err := c.Refused(); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func lend(c *ldapread.Controller, yield func(*ldapread.Controller, error) bool) bool {
	defer c.Close() // also when the consumer panics
	return yield(c, nil)
}

// locate is the list of controllers: the URLs, or those that DNS names, the
// site's own first.
func (d *ActiveDirectory) locate(ctx context.Context) ([]ldapread.Server, error) {
	if len(d.servers) > 0 {
		return d.servers, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.reader.Timeout)
	defer cancel()
	return d.srv.locate(ctx)
}

func (r srvRecords) locate(ctx context.Context) ([]ldapread.Server, error) {
	names := []string{"_ldap._tcp.dc._msdcs." + r.domain}
	if r.site != "" {
		names = slices.Insert(names, 0, "_ldap._tcp."+r.site+"._sites.dc._msdcs."+r.domain)
	}
	var servers []ldapread.Server
	var failures []error
	for _, name := range names {
		records, err := r.lookup(ctx, name)
		if err != nil {
			failures = append(failures, err)
		}
		for _, record := range records {
			if s, ok := r.server(record); ok && !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("adsync: DNS names no controller within the domain; check Domain and the resolver, or give URLs: %w", errors.Join(failures...))
	}
	return servers, nil
}

// server refuses a target outside the domain: DNS is not authentic, and a
// stranger's server can prove a stranger's name.
func (r srvRecords) server(record *net.SRV) (ldapread.Server, bool) {
	host := strings.ToLower(strings.TrimSuffix(record.Target, "."))
	if !strings.HasSuffix(host, "."+strings.ToLower(r.domain)) {
		return ldapread.Server{}, false
	}
	if r.startTLS {
		return ldapread.Server{Host: host, Port: strconv.Itoa(int(record.Port)), StartTLS: true}, true
	}
	return ldapread.Server{Host: host, Port: "636", TLS: true}, true // the record's port is the bare one
}

func lookupSRV(ctx context.Context, name string) ([]*net.SRV, error) {
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
	return records, err
}

// CheckDirectory proves a host's own [Directory]: it returns joined errors, each
// naming the duty that was broken and the ObjectID it was broken for. The
// directory must hold at least one account and be at rest meanwhile; want, if
// given, are entries that it must find in exactly that state.
//
// It only reads: Entries some times over, and Find with at most 1000 accounts.
func CheckDirectory(ctx context.Context, dir Directory, want ...Entry) error {
	if dir == nil {
		return errors.New("adsync: CheckDirectory: there is no directory")
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	c := directoryCheck{ctx: ctx, dir: dir, want: want}
	listed := c.entries()
	c.findListed(listed)
	c.findStranger()
	c.findRepeated(listed)
	c.findNothing()
	c.findWanted(listed)
	c.stopEarly(listed)
	c.cancel(listed)
	return errors.Join(c.broken...)
}

type directoryCheck struct {
	ctx    context.Context
	dir    Directory
	want   []Entry
	broken []error
}

func (c *directoryCheck) failf(duty, format string, args ...any) {
	c.broken = append(c.broken, fmt.Errorf("adsync: CheckDirectory: %s: "+format, append([]any{duty}, args...)...))
}

// entries lists everybody twice and returns the accounts.
func (c *directoryCheck) entries() []Entry {
	const duty = "Entries lists the accounts in scope"
	sequence := c.dir.Entries(c.ctx)
	listed, err := collect(sequence)
	if err != nil {
		c.failf(duty, "it failed: %w", err)
		return nil
	}
	if len(listed) == 0 {
		c.failf(duty, "it yields nobody; the check needs at least one account")
	}
	for _, e := range listed {
		switch {
		case e.ObjectID.IsZero():
			c.failf(duty, "an entry has no ObjectID")
		case !e.Present():
			c.failf(duty, "%s has the state %q; only Find yields those", e.ObjectID, e.State)
		}
	}
	c.restart("ranged a second time", sequence, listed)
	c.restart("called a second time", c.dir.Entries(c.ctx), listed)
	return listed
}

func (c *directoryCheck) restart(how string, sequence iter.Seq2[Entry, error], before []Entry) {
	const duty = "Entries starts afresh"
	again, err := collect(sequence)
	if err != nil {
		c.failf(duty, "%s, it failed: %w", how, err)
		return
	}
	if !slices.Equal(inOrder(before), inOrder(again)) {
		c.failf(duty, "%s, it yields other entries (%d, then %d)", how, len(before), len(again))
	}
}

// inOrder makes two listings comparable: the order is not promised.
func inOrder(entries []Entry) []Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b Entry) int {
		return cmp.Or(a.ObjectID.Compare(b.ObjectID), cmp.Compare(a.DN, b.DN), cmp.Compare(a.Username, b.Username))
	})
}

// collect keeps what a sequence yields, and its first error.
func collect(sequence iter.Seq2[Entry, error]) (entries []Entry, err error) {
	for e, err := range sequence {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// find returns the answers by ObjectID. It holds Find to one answer for each
// distinct id, and none for others.
func (c *directoryCheck) find(duty string, ids ...ObjectID) map[ObjectID]Entry {
	entries, err := collect(c.dir.Find(c.ctx, slices.Clone(ids)))
	if err != nil {
		c.failf(duty, "it failed: %w", err)
		return nil
	}
	answers := make(map[ObjectID]Entry, len(ids))
	for _, e := range entries {
		if !slices.Contains(ids, e.ObjectID) {
			c.failf(duty, "it answers for %s, which was not asked for", e.ObjectID)
		} else if _, twice := answers[e.ObjectID]; twice {
			c.failf(duty, "it answers more than once for %s", e.ObjectID)
		}
		answers[e.ObjectID] = e
	}
	for _, id := range ids {
		if _, ok := answers[id]; !ok {
			c.failf(duty, "it has no answer for %s", id)
		}
	}
	return answers
}

func (c *directoryCheck) findListed(listed []Entry) {
	const duty, most = "Find knows whom Entries lists", 1000
	once := listedOnce(listed)
	once = once[:min(most, len(once))]
	if len(once) == 0 {
		return
	}
	answers := c.find(duty, idsOf(once)...)
	for _, e := range once {
		if answer, ok := answers[e.ObjectID]; ok {
			c.compare(duty, e, answer)
		}
	}
}

// listedOnce leaves out accounts that the listing has several times: they are
// ambiguous, and Find may say so by several answers.
func listedOnce(listed []Entry) []Entry {
	times := make(map[ObjectID]int, len(listed))
	for _, e := range listed {
		times[e.ObjectID]++
	}
	return slices.DeleteFunc(slices.Clone(listed), func(e Entry) bool { return times[e.ObjectID] > 1 || e.ObjectID.IsZero() })
}

func idsOf(entries []Entry) []ObjectID {
	ids := make([]ObjectID, len(entries))
	for i, e := range entries {
		ids[i] = e.ObjectID
	}
	return ids
}

// compare names what differs, and no values.
func (c *directoryCheck) compare(duty string, want, got Entry) {
	if want.Present() != got.Present() || (!want.Present() && want.State != got.State) {
		c.failf(duty, "%s is %q, want %q", want.ObjectID, got.State, want.State)
		return
	}
	if want.Present() && want.Profile != got.Profile {
		c.failf(duty, "%s has another profile", want.ObjectID)
	}
	if want.Present() && want.Disabled != got.Disabled {
		c.failf(duty, "%s has Disabled %t, want %t", want.ObjectID, got.Disabled, want.Disabled)
	}
}

func (c *directoryCheck) findStranger() {
	const duty = "Find answers for an account that never was"
	var id ObjectID
	_, _ = rand.Read(id[:]) // never fails
	if answer, ok := c.find(duty, id)[id]; ok && (answer.Present() || answer.State == StateOutOfScope) {
		c.failf(duty, "%s is %q, which means alive", id, cmp.Or(answer.State, StatePresent))
	}
}

func (c *directoryCheck) findRepeated(listed []Entry) {
	if once := listedOnce(listed); len(once) > 0 {
		id := once[0].ObjectID
		c.find("Find answers once for an id that is asked for twice", id, id)
	}
}

func (c *directoryCheck) findNothing() { c.find("Find of no ids yields nothing") }

func (c *directoryCheck) findWanted(listed []Entry) {
	const duty = "Find gives the entries wanted their state"
	if len(c.want) == 0 {
		return
	}
	answers := c.find(duty, idsOf(c.want)...)
	for _, want := range c.want {
		if answer, ok := answers[want.ObjectID]; ok {
			c.compare(duty, want, answer)
		}
		isListed := slices.ContainsFunc(listed, func(e Entry) bool { return e.ObjectID == want.ObjectID })
		if isListed != want.Present() {
			c.failf("Entries lists the accounts in scope", "%s is wanted %q; listed: %t", want.ObjectID, cmp.Or(want.State, StatePresent), isListed)
		}
	}
}

// stopEarly calls the sequences by hand: a range statement would panic where a
// sequence goes on.
func (c *directoryCheck) stopEarly(listed []Entry) {
	ids := idsOf(listedOnce(listed))
	sequences := map[string]iter.Seq2[Entry, error]{
		"Entries stops when the loop does": c.dir.Entries(c.ctx),
		"Find stops when the loop does":    c.dir.Find(c.ctx, ids[:min(2, len(ids))]),
	}
	for _, duty := range slices.Sorted(maps.Keys(sequences)) {
		yielded := 0
		sequences[duty](func(Entry, error) bool {
			yielded++
			return false
		})
		if yielded > 1 {
			c.failf(duty, "it went on after the first entry")
		}
	}
}

// cancel reads under a context that has ended. Whoever ends without an error then
// claims to be complete.
func (c *directoryCheck) cancel(listed []Entry) {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	c.wantError("Entries ends with an error when its context has ended", c.dir.Entries(ctx))
	if once := listedOnce(listed); len(once) > 0 {
		c.wantError("Find ends with an error when its context has ended", c.dir.Find(ctx, idsOf(once[:1])))
	}
}

func (c *directoryCheck) wantError(duty string, sequence iter.Seq2[Entry, error]) {
	var failed, wentOn bool
	sequence(func(_ Entry, err error) bool {
		wentOn = wentOn || failed
		failed = failed || err != nil
		return true
	})
	if !failed {
		c.failf(duty, "there was none")
	}
	if wentOn {
		c.failf(duty, "it went on after the error")
	}
}

func (p Profile) describe() string {
	words := make([]string, 0, len(details))
	for _, f := range details {
		words = append(words, string(f)+" "+plantext.Printable(printValue(*p.detail(f))))
	}
	return strings.Join(words, ", ")
}

// detail points to the detail that the field names.
func (p *Profile) detail(f Field) *string {
	switch f {
	case FieldUsername:
		return &p.Username
	case FieldFirstName:
		return &p.FirstName
	case FieldLastName:
		return &p.LastName
	case FieldEmail:
		return &p.Email
	case FieldPhone:
		return &p.Phone
	}
	panic("adsync: not a detail: " + string(f))
}

func (p *Profile) valid() bool {
	return keyfold.Valid(p.Username) && keyfold.Valid(p.FirstName) && keyfold.Valid(p.LastName) &&
		keyfold.Valid(p.Email) && keyfold.Valid(p.Phone)
}

func validProfile(p Profile) Profile {
	if p.valid() {
		return p
	}
	for _, f := range details {
		text := p.detail(f)
		*text = validText(*text)
	}
	return p
}

func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Present reports whether the account is one that Entries lists: its State is
// StatePresent or "".
func (e Entry) Present() bool { return e.State == "" || e.State == StatePresent }

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
	}
	if e.Disabled {
		words = append(words, "disabled")
	}
	return strings.Join(words, ", ")
}
