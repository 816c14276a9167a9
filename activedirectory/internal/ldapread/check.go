package ldapread

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Access is what the service account can read of one controller.
type Access struct {
	Controller string // its own name, or its address if it tells none
	BaseDN     string
	Tombstones bool
	Missing    []string // in words
	Unread     []string // those of Missing that are about one detail, by its number, further ones last
}

// Check looks at what the service account can read.
func (c *Controller) Check(ctx context.Context) (a Access, err error) {
	err = c.use(ctx, func(s *session) error {
		a, err = s.check(ctx)
		return err
	})
	return a, err
}

func (s *session) check(ctx context.Context) (Access, error) {
	base, err := s.base()
	if err != nil {
		return Access{}, err
	}
	a := Access{Controller: printable(s.root.host), BaseDN: printable(base)}
	if a.Controller == "" {
		a.Controller = s.server.Address()
	}
	if a.Tombstones, err = s.canReadTombstones(ctx); err != nil {
		return Access{}, err
	}
	seen, err := s.sample(ctx, base)
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		a.Missing = []string{"BaseDN was not found: correct it, or grant the service account List Contents and Read All Properties there"}
	case err != nil:
		return Access{}, err
	default:
		a.Missing, a.Unread = seen.missing(s.cfg)
	}
	switch {
	case !s.cfg.Identity.IsActiveDirectory():
		a.Missing = append(a.Missing, noTombstones)
	case !s.cfg.Identity.IsObjectGUID() && !a.Tombstones:
		a.Missing = append(a.Missing, bareTombstones)
	}
	switch m := membershipOf(s.cfg.Filter); {
	case !s.cfg.Identity.IsActiveDirectory() || len(m.terms) == 0:
	case m.nests():
		a.Missing = append(a.Missing, filterNests)
	default:
		a.Missing = append(a.Missing, filterMembership)
	}
	if s.unknownNames {
		a.Missing = append(a.Missing, noSchema)
	}
	if !s.server.Encrypted() {
		a.Missing = append(a.Missing, ClearText)
	}
	return a, nil
}

const noTombstones = "deletions: this directory keeps nothing of a deleted account that could be read, so an account that is gone is unproven, and its user is kept: set Rules.OnUnproven if absence is proof enough"

const bareTombstones = "deletions: a deleted account keeps its objectGUID, and the attribute that object_id is mapped to only where the Recycle Bin is on, so an account that is gone is unproven, and its user is kept: switch the Recycle Bin on, or set Rules.OnUnproven if absence is proof enough"

const noSchema = "the schema: whether the directory has the mapped attributes under these names cannot be known, and one that it has under another name looks empty: grant the service account Read on the entry that the rootDSE names as subschemaSubentry"

// ClearText is what to do about a connection that is not encrypted.
const ClearText = "encryption: what binds, such as a password, and all that is read go over the network in the clear; use ldaps:// or StartTLS, and take AllowPlaintext back"

// canReadTombstones reports whether the account may read CN=Deleted Objects. An empty
// answer proves nothing: everybody may get that, with success.
//
// A tombstone that is seen settles it. If none is, there may be none yet: then
// the container's own attributes must be readable, which the usual grant of List
// Contents and Read Property together allows. That much was seen on Samba: the
// container's name is shown to everybody, its attributes are not.
func (s *session) canReadTombstones(ctx context.Context) (bool, error) {
	if !s.keepsTombstones() || s.root.base == "" {
		return false, nil
	}
	container := "CN=Deleted Objects," + s.root.base
	for _, scope := range []int{ldap.ScopeSingleLevel, ldap.ScopeBaseObject} {
		seen, err := s.showsDeleted(ctx, container, scope)
		if seen || err != nil {
			return seen, err
		}
	}
	return false, nil
}

// showsDeleted reports whether the search sees anything that says isDeleted, and has the
// identity by which a tombstone is found.
func (s *session) showsDeleted(ctx context.Context, base string, scope int) (bool, error) {
	const few = 10
	result, err := s.search(ctx, "looking for deleted objects", ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false,
		"(isDeleted=TRUE)", []string{"isDeleted", s.cfg.Identity.Attribute()}, s.controls(few, nil, true)))
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights) {
		return false, nil // it answered, and that is the answer
	}
	if err != nil {
		return false, err
	}
	s.leave(result)
	for _, e := range result.Entries {
		isFound := s.cfg.Identity.IsObjectGUID() || len(e.GetEqualFoldRawAttributeValue(s.cfg.Identity.Attribute())) > 0
		if isFound && strings.EqualFold(e.GetEqualFoldAttributeValue("isDeleted"), "TRUE") {
			return true, nil
		}
	}
	return false, nil
}

// leave has the connection given up after this call if the server holds more pages for it:
// it keeps only a few such listings for each connection.
func (s *session) leave(result *ldap.SearchResult) {
	paging, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	if ok && len(paging.Cookie) > 0 {
		s.left = true
	}
}

// sampled counts what the first accounts in scope show.
type sampled struct {
	accounts int
	unknown  int   // of which it is unknown whether they are disabled
	undated  int   // of which it is unknown whether they have expired
	values   []int // that show each detail
}

func (s *session) sample(ctx context.Context, base string) (sampled, error) {
	const enough = 100
	seen := sampled{values: make([]int, NumValues+len(s.cfg.Further))}
	err := s.list(ctx, query{base: base, filter: s.cfg.Filter, pageSize: enough}, func(a *Account) error {
		seen.add(a)
		if seen.accounts == enough {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return seen, err
}

func (n *sampled) add(a *Account) {
	n.accounts++
	if a.DisabledUnknown {
		n.unknown++
	}
	if a.ExpiredUnknown {
		n.undated++
	}
	for i, value := range a.Values {
		if value != "" {
			n.values[i]++
		}
	}
	for _, more := range a.More {
		n.values[more.Of]++
	}
}

// missing says what no account shows. What may not be read looks like what is
// empty, so the words leave both open.
func (n *sampled) missing(cfg *Config) (missing, unread []string) {
	if n.accounts == 0 {
		return []string{"no account matches under BaseDN: correct BaseDN or Filter, or grant the service account List Contents and Read All Properties there"}, unread
	}
	attributes := cfg.Attributes[:]
	for _, f := range cfg.Further {
		attributes = append(attributes[:len(attributes):len(attributes)], f.Attribute)
	}
	unread = make([]string, len(attributes))
	for i, attribute := range attributes {
		if n.values[i] == 0 {
			unread[i] = fmt.Sprintf("none of the first %d accounts shows %s: if they have it, grant the service account Read on that attribute",
				n.accounts, attribute)
			missing = append(missing, unread[i])
		}
	}
	if text := cfg.Flag.missing(n.unknown, n.accounts); text != "" {
		missing = append(missing, text)
	}
	if text := missingExpiry(n.undated, n.accounts); text != "" {
		missing = append(missing, text)
	}
	return missing, unread
}
