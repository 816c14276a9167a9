package fakead

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// propertySets are names for several attributes at once ([MS-ADTS] 3.1.1.2.3.3),
// as far as the schema here has them.
var propertySets = map[string][]string{
	"user-account-restrictions": {"accountExpires", "pwdLastSet", "userAccountControl"},
	"group-membership":          {"member", "memberOf"},
}

// Deny keeps attributes of an object from an account or from the members of a
// group: they look empty. A property set, such as User-Account-Restrictions, stands
// for its attributes. Without attributes all is denied, as by a deny entry for full
// control: what hangs directly below the object is then invisible, and the object
// itself keeps its bare name as long as its parent shows it.
//
// What is below inherits the entry, but a domain controller gives more weight to
// what an object's class grants: people in a container whose userAccountControl is
// denied lose it; what is public of them, all of groups, and people in a
// container below a denied one can still be read. Seen on Samba.
//
// Trustees are named as in a bind, or by a DN. Only the object's own uSNChanged
// rises, not that of what inherits the entry.
func (s *Server) Deny(trustee, dn string, attributes ...string) error {
	return s.permit(trustee, dn, attributes, true)
}

// Allow lets an account or the members of a group read attributes of an object
// and of everything below it, or all without attributes. What is denied at the
// same object counts more, and what is said at an object more than what is said
// above it.
func (s *Server) Allow(trustee, dn string, attributes ...string) error {
	return s.permit(trustee, dn, attributes, false)
}

// ResetRights takes back what Deny and Allow said of a trustee at an object.
func (s *Server) ResetRights(trustee, dn string) error {
	return s.changeRights(trustee, dn, func(acl []ace, id GUID) []ace {
		return slices.DeleteFunc(acl, func(a ace) bool { return a.trustee == id })
	})
}

// GrantTombstones lets an account list and read CN=Deleted Objects.
func (s *Server) GrantTombstones(account string) error {
	return s.Allow(account, deletedObjects+s.baseDN)
}

// RevokeTombstones takes that right away again.
func (s *Server) RevokeTombstones(account string) error {
	return s.ResetRights(account, deletedObjects+s.baseDN)
}

// Hide is Deny of everything.
func (s *Server) Hide(account, dn string) error { return s.Deny(account, dn) }

// Shows tells whether an account can read these attributes of an object, be it deleted.
func (s *Server) Shows(account string, id GUID, attributes ...string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	who, e := s.trustee(account), s.tree.byGUID(id)
	attrs, err := s.attributesOf(attributes)
	if who == nil || e == nil || err != nil {
		return false
	}
	v := s.viewer(s.tree.identify(who), &request{})
	v.showDeleted, v.showRecycled = true, true
	return v.sees(e) && !slices.ContainsFunc(attrs, func(a *attrType) bool { return !v.reads(e, a) })
}

// Unhide undoes every Hide for an account.
func (s *Server) Unhide(account string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.trustee(account)
	if who == nil {
		return errTrustee
	}
	for _, e := range s.tree.all {
		if isHidden := func(a ace) bool { return a.trustee == who.id && a.deny && a.attrs == nil }; slices.ContainsFunc(e.acl, isHidden) {
			s.tree.setACL(e, slices.DeleteFunc(slices.Clone(e.acl), isHidden))
		}
	}
	return nil
}

// Withhold keeps attributes of all objects from an account, deleted ones too, as
// if each object had an entry for that. It changes no object.
func (s *Server) Withhold(account string, attributes ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.trustee(account)
	if who == nil {
		return errTrustee
	}
	attrs, err := s.attributesOf(attributes)
	if err != nil {
		return err
	}
	s.tree.withheld = append(slices.Clone(s.tree.withheld), ace{who.id, true, attrs})
	return nil
}

// GrantAdmin makes an account a member of Domain Admins, who read and write
// everything. It takes effect when the account binds the next time.
func (s *Server) GrantAdmin(account string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	who := s.trustee(account)
	if who == nil {
		return errTrustee
	}
	admins := t.bySID(t.accountSID(ridDomainAdmins))
	t.setLinks(admins, t.types.member, append(slices.Clone(admins.targets(t.types.member)), who))
	t.touch(admins)
	return nil
}

// SetConfidential marks an attribute so that reading everything does not include
// it: Allow has to name it. The mark is made in the schema partition, where the
// attribute's own object gets a new uSNChanged.
func (s *Server) SetConfidential(attribute string, confidential bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	a := t.schema.attr(attribute)
	if a == nil {
		return fmt.Errorf("fakead: the schema has no attribute %q", attribute)
	}
	name := rdn{"CN", a.name}
	e := t.schemaRoot.kids[name.key()]
	if e == nil {
		e = t.create(t.schemaRoot, name, "attributeSchema")
		t.setName(e, "lDAPDisplayName", a.name)
	}
	flags := "0"
	if confidential {
		flags = searchFlagConfidential
	}
	t.setName(e, "searchFlags", flags)
	t.confidential[a] = confidential
	t.touch(e)
	return nil
}

// searchFlagConfidential is the bit of searchFlags ([MS-ADTS] 2.2.9).
const searchFlagConfidential = "128"

// deletedObjects begins the DN of the container of tombstones.
const deletedObjects = "CN=Deleted Objects,"

var errTrustee = errors.New("fakead: there is no such account or group")

// trustee finds who an access control entry is for.
func (s *Server) trustee(name string) *entry {
	if e := s.findAccount(name); e != nil {
		return e
	}
	return s.bySAM(name)
}

func (s *Server) permit(trustee, dn string, attributes []string, deny bool) error {
	attrs, err := s.attributesOf(attributes)
	if err != nil {
		return err
	}
	return s.changeRights(trustee, dn, func(acl []ace, id GUID) []ace { return append(acl, ace{id, deny, attrs}) })
}

// attributesOf resolves names of attributes and property sets.
func (s *Server) attributesOf(names []string) ([]*attrType, error) {
	var out []*attrType
	for _, name := range names {
		members, isSet := propertySets[strings.ToLower(name)]
		if !isSet {
			members = []string{name}
		}
		for _, one := range members {
			a := s.tree.schema.attr(one)
			if a == nil {
				return nil, fmt.Errorf("fakead: the schema has no attribute %q", one)
			}
			out = append(out, a)
		}
	}
	return out, nil
}

func (s *Server) changeRights(trustee, dn string, change func(acl []ace, trustee GUID) []ace) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, e := s.trustee(trustee), s.tree.lookup(dn)
	switch {
	case who == nil:
		return errTrustee
	case e == nil:
		return errors.New("fakead: there is no object to set rights on")
	}
	s.tree.setACL(e, change(slices.Clone(e.acl), who.id))
	return nil
}

// setACL replaces an object's access control list, which is a change of the
// object alone.
func (t *tree) setACL(e *entry, acl []ace) {
	e.acl = acl
	t.mark(e, t.types.securityDescriptor)
	t.touch(e)
}
