package fakead

import "fmt"

// rights is what one account may do beyond or below the ordinary: reading
// everything but tombstones.
type rights struct {
	admin      bool
	tombstones bool
	hidden     []*entry
	withheld   map[*attrType]bool
}

// viewer is one account's sight of the tree during one request.
type viewer struct {
	tree *tree
	rights
	showDeleted  bool
	showRecycled bool
}

func (s *Server) viewer(account *entry, req *request) *viewer {
	v := &viewer{
		tree:         s.tree,
		showDeleted:  req.control(controlShowDeleted) != nil,
		showRecycled: req.control(controlShowRecycled) != nil,
	}
	if r := s.rights[account]; r != nil {
		v.rights = *r
	}
	return v
}

// sees tells whether the viewer may know that the entry exists.
func (v *viewer) sees(e *entry) bool {
	if e.gone || e.deleted && !v.seesDeleted(e) {
		return false
	}
	for _, top := range v.hidden {
		if e.under(top) {
			return false
		}
	}
	return true
}

// seesDeleted needs the control and the right. Recycled objects need their own
// control where there is a recycle bin.
func (v *viewer) seesDeleted(e *entry) bool {
	if !v.admin && !v.tombstones {
		return false
	}
	return v.showRecycled || v.showDeleted && !e.recycled
}

func (v *viewer) withheld(a *attrType) bool { return v.rights.withheld[a] }

// GrantTombstones lets an account list and read CN=Deleted Objects. Accounts
// are named as in a bind.
func (s *Server) GrantTombstones(account string) error {
	return s.changeRights(account, func(r *rights) error { r.tombstones = true; return nil })
}

// RevokeTombstones takes that right away again.
func (s *Server) RevokeTombstones(account string) error {
	return s.changeRights(account, func(r *rights) error { r.tombstones = false; return nil })
}

// GrantAdmin lets an account read and write everything.
func (s *Server) GrantAdmin(account string) error {
	return s.changeRights(account, func(r *rights) error { r.admin = true; return nil })
}

// Hide makes an object and all below it invisible to an account, like a deny
// entry on a subtree: its searches succeed and find nothing there.
func (s *Server) Hide(account, dn string) error {
	return s.changeRights(account, func(r *rights) error {
		e := s.tree.lookup(dn)
		if e == nil {
			return fmt.Errorf("fakead: there is no object to hide")
		}
		r.hidden = append(r.hidden, e)
		return nil
	})
}

// Unhide undoes every Hide for an account.
func (s *Server) Unhide(account string) error {
	return s.changeRights(account, func(r *rights) error { r.hidden = nil; return nil })
}

// Withhold keeps an attribute from an account: it looks empty, and a filter on
// it is undefined.
func (s *Server) Withhold(account, attribute string) error {
	return s.changeRights(account, func(r *rights) error {
		a := s.tree.schema.attr(attribute)
		if a == nil {
			return fmt.Errorf("fakead: the schema has no attribute %q", attribute)
		}
		withheld := map[*attrType]bool{a: true}
		for old := range r.withheld {
			withheld[old] = true
		}
		r.withheld = withheld
		return nil
	})
}

func (s *Server) changeRights(account string, change func(*rights) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.findAccount(account)
	if e == nil {
		e = s.bySAM(account)
	}
	if e == nil {
		return fmt.Errorf("fakead: there is no such account")
	}
	if s.rights[e] == nil {
		s.rights[e] = &rights{}
	}
	return change(s.rights[e])
}
