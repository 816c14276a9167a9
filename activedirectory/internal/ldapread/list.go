package ldapread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// The controls that are sent, each only to a server that lists it (MS-ADTS
// 3.1.1.3.4.1). None is critical: Samba never answers a critical control that it
// does not know.
const (
	controlDomainScope  = "1.2.840.113556.1.4.1339" // no referrals to other partitions
	controlShowDeleted  = "1.2.840.113556.1.4.417"
	controlShowRecycled = "1.2.840.113556.1.4.2064"
)

// query is a search of a whole subtree for accounts.
type query struct {
	base       string
	filter     string
	tombstones bool   // also what was deleted
	bare       bool   // nothing but the identity is wanted
	pageSize   uint32 // 0: all at once
	most       int    // accounts in all; 0: no limit
	beyond     error  // when there are more
}

// doing is for errors.
const doing = "reading accounts"

// errStop is how a consumer ends a listing early.
var errStop = errors.New("stop")

// list hands over every account of the query, page by page, and returns nil only
// if the server said that this was all.
func (s *session) list(ctx context.Context, q query, each func(*Account) error) error {
	var loop loopGuard
	var cookie []byte
	count := 0
	for {
		next, err := s.page(ctx, q, cookie, func(a *Account) error {
			if count++; q.most > 0 && count > q.most {
				return s.complain(doing, q.beyond)
			}
			loop.add(a.GUID[:])
			return each(a)
		})
		if err != nil {
			s.spent = true // the server may still hold the rest of the listing
			return err
		}
		if len(next) == 0 {
			return nil
		}
		if err := loop.turn(); err != nil {
			return s.complain(doing, err)
		}
		cookie = next
	}
}

// page asks for one page and hands over each account in it. It returns the
// cookie of the next page, which is empty after the last. This is the one place
// where accounts come off the wire: most through the sieve, and after them what
// that left to go-ldap.
func (s *session) page(ctx context.Context, q query, cookie []byte, each func(*Account) error) (next []byte, err error) {
	h := s.wire.sieve.start(s.cfg, s.room)
	result, err := s.search(ctx, doing, s.searchRequest(q, cookie))
	accounts, unfit := s.wire.sieve.finish(h)
	s.room = accounts
	defer clear(accounts) // the session outlives them
	if err != nil {
		return nil, err
	}
	next, ok := cookieOf(result)
	if !ok && q.pageSize > 0 {
		return nil, s.complain(doing, errUnpaged)
	}
	for i := range accounts {
		if err := s.complete(ctx, &accounts[i]); err != nil {
			return nil, err
		}
		if err := each(&accounts[i]); err != nil {
			return nil, err
		}
	}
	if unfit != nil {
		return nil, s.complain(doing, unfit)
	}
	for i, e := range result.Entries {
		a, err := s.cfg.decode(e)
		if err != nil {
			return nil, s.complain(doing, err)
		}
		if err := s.complete(ctx, &a); err != nil {
			return nil, err
		}
		if err := each(&a); err != nil {
			return nil, err
		}
		result.Entries[i] = nil // each is several kilobytes
	}
	return next, nil
}

// cookieOf is that of the next page, if the result is of a page.
func cookieOf(result *ldap.SearchResult) (cookie []byte, ok bool) {
	paging, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	if !ok {
		return nil, false
	}
	return paging.Cookie, true
}

var errUnpaged = errors.New("the server does not say whether there is more; it must support paged results (control " + ldap.ControlTypePaging + ")")

// searchRequest is made afresh for each page: go-ldap changes what it is given.
func (s *session) searchRequest(q query, cookie []byte) *ldap.SearchRequest {
	attributes := []string{s.cfg.Identity.Attribute()}
	if !q.bare {
		attributes = s.wanted(q.tombstones)
	}
	return ldap.NewSearchRequest(q.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		q.filter, attributes, append(s.controls(q.pageSize, cookie, q.tombstones), s.extendedDN()...))
}

// wanted are the attributes of an account.
func (s *session) wanted(tombstones bool) []string {
	attributes := append([]string{s.cfg.Identity.Attribute()}, s.cfg.Flag.wanted()...)
	attributes = append(attributes, s.cfg.Attributes[:]...)
	for _, f := range s.cfg.Further {
		attributes = append(attributes, f.Attribute)
	}
	if tombstones {
		attributes = append(attributes, "isDeleted", whenChanged)
	}
	if s.counts {
		attributes = append(attributes, uSNChanged)
	}
	return attributes
}

// controls are those that the server knows.
func (s *session) controls(pageSize uint32, cookie []byte, tombstones bool) []ldap.Control {
	var controls []ldap.Control
	if pageSize > 0 {
		paging := ldap.NewControlPaging(pageSize)
		paging.SetCookie(cookie)
		controls = append(controls, paging)
	}
	wanted := []string{controlDomainScope}
	if tombstones {
		wanted = append(wanted, controlShowDeleted, controlShowRecycled)
	}
	for _, control := range wanted {
		if s.root.supports(control) {
			controls = append(controls, ldap.NewControlString(control, false, ""))
		}
	}
	return controls
}

var errNoGUID = errors.New("an account came without its identity, the objectGUID unless Attributes says otherwise; let the service account read that attribute, or narrow the Filter to accounts that have it and that it may read")

// decode takes the first value of each attribute, and all that are not blank of a
// detail. Names are compared without regard to case: a server answers in its schema's
// spelling.
func (c *Config) decode(e *ldap.Entry) (Account, error) {
	a := Account{DN: strings.ToValidUTF8(e.DN, "\uFFFD"), DisabledUnknown: c.Flag.absent(), ExpiredUnknown: c.Flag.Expires}
	if c.extended() {
		a.DN = plainDN(a.DN)
	}
	hasGUID := false
	for _, attribute := range e.Attributes {
		if len(attribute.ByteValues) == 0 {
			continue
		}
		name, value := withoutRange(attribute.Name), attribute.ByteValues[0]
		switch {
		case strings.EqualFold(name, c.Identity.Attribute()):
			guid, err := c.Identity.Parse(value)
			if err != nil {
				return Account{}, err
			}
			a.GUID, hasGUID = guid, true
		case strings.EqualFold(name, c.Flag.Attribute):
			for _, one := range attribute.ByteValues {
				if !c.Flag.tell(&a, one) {
					break
				}
			}
		case strings.EqualFold(name, "isDeleted"):
			a.tombstone = strings.EqualFold(string(value), "TRUE")
		case strings.EqualFold(name, whenChanged):
			a.changed = changedAt(value)
		case strings.EqualFold(name, uSNChanged):
			a.numbered = true
		}
		if c.Flag.Expires && strings.EqualFold(name, accountExpires) {
			a.takeExpiry(value)
		}
		if err := c.takeAll(&a, attribute.Name, attribute.ByteValues); err != nil {
			return Account{}, err
		}
	}
	if !hasGUID {
		return Account{}, errNoGUID
	}
	return a, nil
}

// isPresent reports a value that says something: one of white space alone is none.
func isPresent(value []byte) bool { return len(bytes.TrimSpace(value)) > 0 }

// withoutRange is the name of an attribute whose values came in part, because
// there are very many: "member;range=0-1499" (MS-ADTS 3.1.1.3.1.3.3). If that were taken
// for another attribute, there would seem to be no value at all. Other options do make
// another attribute, such as a translation.
func withoutRange[T string | []byte](name T) T {
	const ranged = ";range="
	for i := range len(name) - len(ranged) {
		if name[i] == ';' {
			if strings.EqualFold(string(name[i:i+len(ranged)]), ranged) {
				return name[:i]
			}
			break
		}
	}
	return name
}

// loopGuard notices a server that sends a page again, or pages without an end.
// Cookies cannot tell: some servers send the same one with every page.
//
// A listing never has the same page twice. Each page is compared with the one
// before it, and with one that is kept: after 1, 2, 4, 8… pages the newest takes
// its place, so that a circle of any length is found (Brent's way) and nothing
// else is remembered.
type loopGuard struct {
	hash      maphash.Hash
	some      bool // the page has an account
	empty     int  // pages in a row without one
	last      uint64
	kept      uint64
	age, span int // pages since kept, and how many to go
}

// maxEmptyPages in a row are let through: a controller sends one when its time
// for a page is over before it found anybody.
const maxEmptyPages = 100

var (
	errLoop  = errors.New("the server sends the same page again and again; try another controller")
	errEmpty = fmt.Errorf("the server sent %d empty pages in a row; use an indexed Filter, or try another controller", maxEmptyPages)
)

// add takes what tells an account from others.
func (g *loopGuard) add(identity []byte) {
	g.some = true
	g.hash.Write(identity)
}

// turn ends a page that is not the last.
func (g *loopGuard) turn() error {
	page, some := g.hash.Sum64(), g.some
	g.hash.Reset()
	g.some = false
	if !some {
		if g.empty++; g.empty >= maxEmptyPages {
			return errEmpty
		}
		return nil
	}
	g.empty = 0
	if g.span > 0 && (page == g.kept || page == g.last) {
		return errLoop
	}
	g.last = page
	if g.age++; g.age >= g.span {
		g.kept, g.age, g.span = page, 0, max(1, 2*g.span)
	}
	return nil
}
