// Package activedirectory reads accounts from Active Directory, or another LDAP
// directory, for package adsync. It tells complete listings from truncated ones, and
// deleted accounts from hidden ones, and it keeps that up when controllers fail,
// replication lags or the service account loses its rights.
//
//	dir, err := activedirectory.New(activedirectory.Config{
//		URLs: []string{"ldaps://dc1.corp.example", "ldaps://dc2.corp.example"},
//		Bind: activedirectory.SimpleBind("svc-sync@corp.example", password),
//	})
//
// A listing is complete or an error: the server said success, every page came with
// its paging control, and the last cookie was empty. An account that is not listed is
// looked up by objectGUID, in scope, then in the whole domain, then among the tombstones,
// and only a tombstone of that very account proves a deletion. One sequence reads one
// controller, because two need not agree at any one moment; when it fails, the next one
// is read from the start.
//
// Connections are encrypted and verified unless [Config] says otherwise, each request
// is bounded in time and each answer in size, and a password that the directory called
// wrong is not sent again for a while, so that the service account does not get locked:
// make one [Directory] and keep it, as that is what remembers.
// No error holds a password, a name or an address.
package activedirectory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
)

// Directory is an [adsync.Directory], with [adsync.Sessions] and [adsync.Inspector],
// over LDAP. It is safe for concurrent use; each call has a connection of its own.
//
// Entries and Find read the first controller that answers. They go on to the
// next one only while nothing was yielded, so that one sequence never mixes two
// controllers, and not at all after a refused password.
//
// Find looks for accounts that are not in scope everywhere in the controller's domain,
// and then among its tombstones. Other controllers are asked about each tombstone too
// (Config.Witnesses), because replication lags: an account that one of them shows alive,
// or about which none of them answers, is StateDisputed. Several domains take one
// Directory each, and [adsync.Join].
//
// A server is trusted to be a domain controller once TLS has proven its name.
// What it may send is bounded all the same: 4 MiB and 16 levels for an entry, or 32 MiB for
// the members of a group of Config.Roles, 64 KiB for any other message, 4 KiB for its
// controls, 64 MiB for a page, and Config.MaxEntries accounts in a listing.
type Directory struct {
	reader  ldapread.Config
	servers []ldapread.Server // none: by SRV record
	srv     srvRecords
	health  *health
	known   *passwords
	roles   []string // their names, sorted
	details mapping

	hearing       hearing         // of look-ups outside of a session, since the last Inspect
	witnesses     int             // how many other controllers are asked about tombstones; -1: none
	witnessReader ldapread.Config // what they are read with
}

// New checks the configuration. It connects to nothing.
func New(cfg Config) (*Directory, error) {
	d := &Directory{
		health: &health{now: time.Now, failed: map[ldapread.Server]failures{}}, known: &passwords{now: time.Now},
		srv: newSRVRecords(cfg),
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
	d.roles, d.details = d.reader.RoleNames(), cfg.mapping()
	d.reader.Auth = cfg.Bind.auth(d.known, reading)
	if d.witnesses, err = cfg.witnesses(); err != nil {
		return nil, err
	}
	d.witnessReader = d.reader
	d.witnessReader.Auth = cfg.Bind.auth(d.known, asking)
	return d, nil
}

// Entries lists the accounts in scope, a page at a time.
func (d *Directory) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return stream(func(each eachEntry) error {
		return d.read(ctx, each, func(p pinned, each eachEntry) error { return p.entries(ctx, each) })
	})
}

// Find looks accounts up by their objectGUID, in batches.
func (d *Directory) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.lookUp(ctx, ids, plainly)
}

// Confirm is Find for accounts whose users are to be reactivated: other controllers are
// asked about those that are present too.
func (d *Directory) Confirm(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.lookUp(ctx, ids, confirming)
}

// ProveRoles is Find for accounts whose users are to lose roles: what an account's
// tokenGroups, here and on other controllers, do not prove to be lost is unknown.
func (d *Directory) ProveRoles(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.lookUp(ctx, ids, provingRoles)
}

// lookUpWay is how accounts are looked up.
type lookUpWay int

const (
	plainly lookUpWay = iota
	confirming
	provingRoles
)

func (d *Directory) lookUp(ctx context.Context, ids []adsync.ObjectID, way lookUpWay) iter.Seq2[adsync.Entry, error] {
	return stream(func(each eachEntry) error {
		return d.read(ctx, each, func(p pinned, each eachEntry) error { return p.lookUp(ctx, ids, way, each) })
	})
}

// Sessions yields one Directory for each controller, in order. It reads that
// controller and no other, on one connection that is kept until the loop goes
// on, and is an [adsync.Inspector] too. It connects when it is first used: a controller
// that does not answer shows in the error of its Entries or Find. After a
// refused password, or one that could not be had, or when ctx has ended, the sequence
// ends with an error.
func (d *Directory) Sessions(ctx context.Context) iter.Seq2[adsync.Directory, error] {
	return d.SessionsFrom(ctx, nil)
}

// SessionsFrom is Sessions with the controllers first that the marks are of, unless they
// failed lately.
func (d *Directory) SessionsFrom(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
	return func(yield func(adsync.Directory, error) bool) {
		for c, err := range d.controllers(ctx, addresses(marks)...) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(d.pin(c, new(hearing)), nil) {
				return
			}
		}
	}
}

// Traits says that reading it takes nothing that the host may need in the meantime, and
// names the details beyond the five, and the roles of Config.Roles.
func (d *Directory) Traits() adsync.Traits {
	return d.details.traits(d.roles)
}

// Inspect tells what the service account can read on the first controller that
// answers. Access.Missing names a base that is not found, a filter that matches
// nobody, attributes that none of the first 100 accounts shows, how many of those do not
// show whether they are disabled, and a connection that is not encrypted.
//
// Access.Tombstones means that deletions can be proven. By default that takes an
// administrator: grant the service account List Contents and Read Property on
// CN=Deleted Objects. While nothing was ever deleted, the right to read that
// container is taken for both.
func (d *Directory) Inspect(ctx context.Context) (adsync.Access, error) {
	var access adsync.Access
	err := d.first(ctx, func(c *ldapread.Controller) (final bool, err error) {
		access, err = d.pin(c, &d.hearing).Inspect(ctx)
		return false, err
	})
	if err == nil {
		d.hearing.forget()
	}
	return access, err
}

// Time tells the time of the first controller that answers (currentTime of its rootDSE),
// and for how long its forest keeps tombstones (tombstoneLifetime). A time that the server
// does not tell is zero, and so is the other of a directory that keeps none.
func (d *Directory) Time(ctx context.Context) (now adsync.Moment, tombstones time.Duration, err error) {
	err = d.first(ctx, func(c *ldapread.Controller) (final bool, err error) {
		now, tombstones, err = timeOf(ctx, c)
		return false, err
	})
	return now, tombstones, err
}

func timeOf(ctx context.Context, c *ldapread.Controller) (now adsync.Moment, tombstones time.Duration, err error) {
	there, kept, err := c.Time(ctx)
	return adsync.MomentOf(there), kept, err
}

// Time is that of the controller.
func (p pinned) Time(ctx context.Context) (now adsync.Moment, tombstones time.Duration, err error) {
	return timeOf(ctx, p.controller)
}

// maxSearch is the most that Search returns: one page of a controller.
const maxSearch = 1000

// Search finds people in scope for somebody to choose from: those whose
// username, email, first, last, display or common name begins with the text, or
// whose first and last name begin with its two words. Special characters are
// looked for as they are. An empty text finds anybody.
//
// It returns max entries at most, and never more than 1000, in the server's
// order; it does not tell whether there are more. Their roles are not read, and so Unknown.
func (d *Directory) Search(ctx context.Context, text string, max int) ([]adsync.Entry, error) {
	if max < 1 {
		return nil, errors.New("adsync: Search needs a max of at least 1")
	}
	var entries []adsync.Entry
	err := d.first(ctx, func(c *ldapread.Controller) (final bool, err error) {
		found, err := c.Search(ctx, text, uint32(min(max, maxSearch)))
		for i := range found {
			e := d.details.entry(&found[i])
			e.Unknown = rolesExtra(d.roles) // which were not read
			entries = append(entries, e)
		}
		return false, err
	})
	return entries, err
}

// pinned reads one controller.
type pinned struct {
	controller *ldapread.Controller
	witnesses  *witnesses
	roles      *roles
}

func (d *Directory) pin(c *ldapread.Controller, h *hearing) pinned {
	return pinned{controller: c, witnesses: d.witnessesOf(c, h), roles: &roles{controller: c, configured: d.roles, details: d.details}}
}

// Entries lists the accounts in scope, a page at a time.
func (p pinned) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return stream(func(each eachEntry) error { return p.entries(ctx, each) })
}

// Find looks accounts up by their objectGUID, in batches.
func (p pinned) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return stream(func(each eachEntry) error { return p.lookUp(ctx, ids, plainly, each) })
}

// Confirm is Find for accounts whose users are to be reactivated: other controllers are
// asked about those that are present too.
func (p pinned) Confirm(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return stream(func(each eachEntry) error { return p.lookUp(ctx, ids, confirming, each) })
}

// ProveRoles is Find for accounts whose users are to lose roles.
func (p pinned) ProveRoles(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return stream(func(each eachEntry) error { return p.lookUp(ctx, ids, provingRoles, each) })
}

// Traits are those of the directory.
func (p pinned) Traits() adsync.Traits {
	return p.roles.details.traits(p.roles.configured)
}

func (p pinned) entries(ctx context.Context, each eachEntry) error {
	if err := p.roles.read(ctx); err != nil {
		return err
	}
	return p.controller.Entries(ctx, func(a *ldapread.Account) bool { return each(p.roles.entry(a)) })
}

func (p pinned) lookUp(ctx context.Context, ids []adsync.ObjectID, way lookUpWay, each eachEntry) error {
	if len(ids) > 0 {
		if err := p.roles.read(ctx); err != nil {
			return err
		}
		if way == provingRoles && len(p.roles.configured) > 0 {
			return p.proveRoles(ctx, ids, each)
		}
	}
	return p.witnesses.find(ctx, ids, way == confirming, func(a *ldapread.Account) bool { return each(p.roles.entry(a)) })
}

func (p pinned) Inspect(ctx context.Context) (adsync.Access, error) {
	a, err := p.controller.Check(ctx)
	access := adsync.Access{Controller: a.Controller, BaseDN: a.BaseDN, Tombstones: a.Tombstones, Missing: a.Missing}
	for i, text := range a.Unread {
		if text != "" {
			if access.Unread == nil {
				access.Unread = map[adsync.Field][]string{}
			}
			access.Unread[p.roles.details.fields[i]] = []string{text}
		}
	}
	if err == nil {
		err = p.roles.read(ctx)
	}
	p.roles.tell(&access)
	p.witnesses.tell(&access)
	return access, err
}

// eachAccount is told of every account, and returns whether to go on.
type eachAccount = func(*ldapread.Account) bool

// eachEntry is eachAccount for what the account says.
type eachEntry = func(adsync.Entry) bool

// stream makes a sequence of a reading function. An error is yielded last.
func stream(read func(eachEntry) error) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		if err := read(func(e adsync.Entry) bool { return yield(e, nil) }); err != nil {
			yield(adsync.Entry{}, err)
		}
	}
}

var states = [...]adsync.State{
	ldapread.Present: adsync.StatePresent, ldapread.OutOfScope: adsync.StateOutOfScope,
	ldapread.Deleted: adsync.StateDeleted, ldapread.Unproven: adsync.StateUnproven,
	ldapread.Disputed: adsync.StateDisputed,
}

// distinct are the ids, sorted and without repetition.
func distinct(ids []adsync.ObjectID) ([]adattr.GUID, error) {
	guids := make([]adattr.GUID, len(ids))
	for i, id := range ids {
		guids[i] = adattr.GUID(id)
	}
	guids = distinctGUIDs(guids)
	if len(guids) > 0 && guids[0] == (adattr.GUID{}) {
		return nil, errors.New("adsync: the zero ObjectID is nobody's; look up only users that have one")
	}
	return guids, nil
}

// distinctGUIDs are the ids in their order, each of them once.
func distinctGUIDs(ids []adattr.GUID) []adattr.GUID {
	return slices.Compact(slices.SortedFunc(slices.Values(ids), func(a, b adattr.GUID) int { return slices.Compare(a[:], b[:]) }))
}

// stopped is the error of a context that has ended, or nil.
func stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("adsync: reading the directory: stopped by the caller: %w", err)
	}
	return nil
}

// read uses the first controller that answers, and no other once it has.
func (d *Directory) read(ctx context.Context, each eachEntry, do func(pinned, eachEntry) error) error {
	begun := false
	return d.first(ctx, func(c *ldapread.Controller) (final bool, err error) {
		err = do(d.pin(c, &d.hearing), func(e adsync.Entry) bool {
			begun = true
			return each(e)
		})
		return begun, err
	})
}

// first calls do with one controller after the other until it succeeds or says
// that its error is final.
func (d *Directory) first(ctx context.Context, do func(*ldapread.Controller) (final bool, err error)) error {
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
		if final || ctx.Err() != nil || c.Final() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// controllers yields them in order, those that failed lately last, each open until the
// loop goes on. A refused password ends the sequence with its error.
func (d *Directory) controllers(ctx context.Context, first ...string) iter.Seq2[*ldapread.Controller, error] {
	return func(yield func(*ldapread.Controller, error) bool) {
		servers, _, err := d.locate(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, server := range d.health.order(preferring(servers, first)) {
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
			if err := c.Final(); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// locate is the list of controllers: the URLs, or those that DNS names, the
// site's own first.
func (d *Directory) locate(ctx context.Context) (servers []ldapread.Server, all bool, err error) {
	if len(d.servers) > 0 {
		return d.servers, true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.reader.Timeout)
	defer cancel()
	return d.srv.locate(ctx)
}

func lend(c *ldapread.Controller, yield func(*ldapread.Controller, error) bool) bool {
	defer c.Close() // also when the consumer panics
	return yield(c, nil)
}
