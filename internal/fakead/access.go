package fakead

import "slices"

// An ace is one entry of an object's access control list. It holds for the
// object and for everything below it.
type ace struct {
	trustee GUID // an account, or a group
	deny    bool
	attrs   []*attrType // nil: all attributes, and who hangs below the object
}

// covers tells whether the entry speaks of an attribute; nil is the right to
// list what hangs below. A confidential attribute has to be named.
func (a ace) covers(attribute *attrType, confidential bool) bool {
	if a.attrs == nil {
		return a.deny || !confidential
	}
	return attribute != nil && slices.Contains(a.attrs, attribute)
}

// identity is who is bound to a connection: an account and, as on a domain
// controller, the groups that it was in when it was bound.
type identity struct {
	account GUID
	token   map[GUID]bool // the account, and all its groups
	sids    []string      // the same, and those of the well-known identities
}

// viewer is one account's sight of the tree during one request.
type viewer struct {
	tree         *tree
	who          *identity
	admin        bool // reads what nobody keeps from it, and writes
	trusted      bool // reads what the domain shows to old programs
	showDeleted  bool
	showRecycled bool

	broken bool // an in-chain rule met what this account may not see
}

func (s *Server) viewer(who *identity, req *request) *viewer {
	t := s.tree
	return &viewer{
		tree: t, who: who,
		admin:        who.token[t.administrators],
		trusted:      who.token[t.preWindows2000],
		showDeleted:  req.control(controlShowDeleted) != nil,
		showRecycled: req.control(controlShowRecycled) != nil,
	}
}

// sees tells whether the viewer may know that the entry exists: deleted objects
// need a control, and the parent has to show what is below it.
func (v *viewer) sees(e *entry) bool {
	switch {
	case e.gone:
		return false
	case e.deleted && !v.showRecycled && (!v.showDeleted || e.recycled):
		return false
	case e.parent.real() == nil:
		return true
	}
	return v.allowed(e.parent, nil)
}

// reads tells whether the viewer gets an attribute of an entry that it sees.
func (v *viewer) reads(e *entry, a *attrType) bool {
	if a == v.tree.types.unicodePwd || a == v.tree.types.securityDescriptor {
		return false
	}
	return v.allowed(e, a)
}

// allowed asks the access control lists in the order in which a domain controller
// has their entries ([MS-DTYP] 2.5.3.2, [MS-ADTS] 5.1.3.3): those of the object
// itself, where what is denied comes first; what its class grants by default; and
// what it inherits, the nearest first. So a right that is denied on a container
// takes little from what is below it, apart from hiding its children: most of what
// a class grants, an entry above does not take. CN=Deleted Objects inherits
// nothing, and is an administrator's.
func (v *viewer) allowed(e *entry, a *attrType) bool {
	if verdict, decided := v.judge(v.tree.withheld, a); decided {
		return verdict
	}
	for at := e; at != nil; at = at.parent {
		if verdict, decided := v.judge(at.acl, a); decided {
			return verdict
		}
		if at == v.tree.deleted {
			return v.admin
		}
		if at == e && v.byClass(e, a) {
			return true
		}
	}
	return v.trusted && !v.tree.confidential[a]
}

func (v *viewer) judge(acl []ace, a *attrType) (verdict, decided bool) {
	for _, one := range acl {
		if v.who.token[one.trustee] && one.covers(a, v.tree.confidential[a]) {
			if one.deny {
				return false, true
			}
			verdict, decided = true, true
		}
	}
	return verdict, decided
}

// byClass is what the default security descriptor of an object's class lets each
// account read ([MS-ADSC]): of people what belongs to the public property sets, of
// anything else all. The rest of what is known of people comes from the group
// Pre-Windows 2000 Compatible Access, which has it from the domain's root.
func (v *viewer) byClass(e *entry, a *attrType) bool {
	switch {
	case v.admin:
		return true
	case v.tree.confidential[a]:
		return false
	case a == nil || e.id == v.who.account:
		return true
	}
	return a.public || !v.tree.isA(e, "user")
}
