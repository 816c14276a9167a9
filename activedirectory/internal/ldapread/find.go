package ldapread

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// findBatch is how many objectGUIDs one filter asks for. A controller takes
// about the same time for each up to 200, and more beyond.
const findBatch = 128

// mostFound is how many accounts one look-up may bring: several accounts may have one
// identity, where that is an attribute that people fill.
const mostFound = 16 * findBatch

// find tells what became of each account. Ids must be distinct.
//
// Those that are not in scope are looked for once more in the whole domain, and then
// among the tombstones. An account that is found nowhere is Unproven. A second account
// with the same objectGUID is handed over too: it is not for this package to choose.
func (s *session) find(ctx context.Context, ids []adattr.GUID, each func(*Account) error) error {
	steps, err := s.lookUps()
	if err != nil {
		return err
	}
	missing := ids
	m := membershipOf(s.cfg.Filter)
	for _, step := range steps {
		if step.state == OutOfScope && len(m.terms) > 0 && s.cfg.Identity.IsActiveDirectory() {
			missing, err = s.lookOutside(ctx, missing, step, m, each)
		} else {
			missing, err = s.lookUp(ctx, missing, step, each)
		}
		if err != nil {
			return err
		}
	}
	for _, id := range missing {
		if err := each(&Account{GUID: id, State: Unproven}); err != nil {
			return err
		}
	}
	return nil
}

// lookUp is where to look, and what it means to be found there.
type lookUp struct {
	base   string
	filter string // "" for none
	state  State
	bare   bool // nothing but the identity is wanted
}

func (s *session) lookUps() ([]lookUp, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	steps := []lookUp{{base: base, filter: s.cfg.Filter, state: Present}}
	for _, context := range s.contexts() {
		steps = append(steps, lookUp{base: context, state: OutOfScope})
	}
	if s.keepsTombstones() {
		for _, context := range s.contexts() {
			steps = append(steps, lookUp{base: context, filter: "(isDeleted=TRUE)", state: Deleted})
		}
	}
	return steps, nil
}

// keepsTombstones is for directories like Active Directory. What others do with
// the same control is not known.
func (s *session) keepsTombstones() bool {
	return s.cfg.Identity.IsActiveDirectory() && s.root.supports(controlShowDeleted)
}

// contexts are the naming contexts where accounts can live: the domain's, and
// the one that BaseDN is in, should the server hold several. Configuration,
// schema and application partitions hold no accounts.
func (s *session) contexts() []string {
	var found []string
	if s.root.base != "" {
		found = append(found, s.root.base)
	}
	if home := s.home(); home != "" && !strings.EqualFold(home, s.root.base) {
		found = append(found, home)
	}
	if len(found) == 0 {
		return s.root.contexts
	}
	return found
}

// home is the naming context that BaseDN is in: the longest one that it ends in.
func (s *session) home() string {
	base, err := ldap.ParseDN(s.cfg.BaseDN)
	if err != nil {
		return ""
	}
	home, depth := "", 0
	for _, context := range s.root.contexts {
		dn, err := ldap.ParseDN(context)
		if err != nil || len(dn.RDNs) <= depth {
			continue
		}
		if dn.EqualFold(base) || dn.AncestorOfFold(base) {
			home, depth = context, len(dn.RDNs)
		}
	}
	return home
}

// lookUp hands over who is found, and returns the others in their order.
func (s *session) lookUp(ctx context.Context, ids []adattr.GUID, l lookUp, each func(*Account) error) (missing []adattr.GUID, err error) {
	for batch := range slices.Chunk(ids, findBatch) {
		found, err := s.lookUpBatch(ctx, batch, l, each)
		if err != nil {
			return nil, err
		}
		for _, id := range batch {
			if !found[id] {
				missing = append(missing, id)
			}
		}
	}
	return missing, nil
}

func (s *session) lookUpBatch(ctx context.Context, batch []adattr.GUID, l lookUp, each func(*Account) error) (found map[adattr.GUID]bool, err error) {
	found = make(map[adattr.GUID]bool, len(batch))
	for _, id := range batch {
		found[id] = false
	}
	q := query{base: l.base, filter: "(&" + l.filter + anyOf(s.cfg.Identity, batch) + ")", tombstones: l.state == Deleted, bare: l.bare,
		most: mostFound, beyond: errUnasked}
	err = s.listShort(ctx, q, func(a *Account) error {
		if _, asked := found[a.GUID]; !asked {
			return s.complain(doing, errUnasked)
		}
		if l.state == Deleted && !a.tombstone {
			return nil // proves nothing
		}
		found[a.GUID] = true
		a.State = l.state
		if l.state == Deleted {
			a.DisabledUnknown, a.DeletedAt = false, a.changed // nobody asks a tombstone for the flag
			a.Expires, a.Expired, a.ExpiredUnknown = time.Time{}, false, false
		}
		return each(a)
	})
	return found, err
}

// listShort is list for few accounts: without pages, for which Samba takes three times
// as long. A server that says success has sent all; one whose limit is below that of
// findBatch says so, and is asked for pages from then on.
func (s *session) listShort(ctx context.Context, q query, each func(*Account) error) error {
	if !s.pagesAlways && s.cfg.PageSize >= findBatch {
		err := s.list(ctx, q, each)
		if !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
			return err
		}
		s.pagesAlways = true // of that answer nothing was handed over
	}
	q.pageSize = s.cfg.PageSize
	return s.list(ctx, q, each)
}

var errUnasked = errors.New("the server sent an account that was not asked for; is it a domain controller?")

// anyOf is a filter for accounts by their identity.
func anyOf(identity adattr.Identity, ids []adattr.GUID) string {
	b := []byte("(|")
	for _, id := range ids {
		b = append(b, '(')
		b = append(b, identity.Attribute()...)
		b = append(b, '=')
		b = identity.AppendAssertion(b, id)
		b = append(b, ')')
	}
	return string(append(b, ')'))
}
