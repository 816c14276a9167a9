package fakead

import (
	"errors"
	"strconv"
)

// Group is a group to add. Only Name is needed.
type Group struct {
	Parent       string // DN of the container; default CN=Users of the domain
	Name         string // cn and sAMAccountName
	ID           GUID   // objectGUID; default random
	Distribution bool   // no security group: in no tokenGroups, and gives no rights
	DomainLocal  bool   // otherwise global
	Members      []GUID // people and other groups
}

// CreateGroup adds a group and returns its objectGUID.
func (s *Server) CreateGroup(g Group) (GUID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.createGroup(g)
	if err != nil {
		return GUID{}, err
	}
	return e.id, nil
}

// AddGroup adds a global security group to CN=Users and returns its DN.
func (s *Server) AddGroup(name string, members ...GUID) (dn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.createGroup(Group{Name: name, Members: members})
	if err != nil {
		return "", err
	}
	return e.dn(), nil
}

func (s *Server) createGroup(g Group) (*entry, error) {
	t := s.tree
	parent, name, err := s.place(g.Parent, "CN", g.Name)
	if err != nil {
		return nil, err
	}
	if t.unique(nil, t.types.sAMAccountName, g.Name) != nil {
		return nil, errors.New("fakead: another account has this sAMAccountName")
	}
	if t.byGUID(g.ID) != nil {
		return nil, errors.New("fakead: another object has this objectGUID")
	}
	members, err := t.members(g.Members)
	if err != nil {
		return nil, err
	}
	e := t.create(parent, name, "group")
	t.identifyAs(e, g.ID)
	t.set(e, t.types.sAMAccountName, g.Name)
	t.set(e, t.types.groupType, g.groupType())
	t.finish(e)
	t.setLinks(e, t.types.member, members)
	return e, nil
}

// The bits of groupType ([MS-ADTS] 2.2.12).
const (
	groupGlobal      = 0x2
	groupDomainLocal = 0x4
	groupSecurity    = 0x80000000
)

func (g Group) groupType() string {
	bits := uint32(groupGlobal)
	if g.DomainLocal {
		bits = groupDomainLocal
	}
	if !g.Distribution {
		bits |= groupSecurity
	}
	return strconv.Itoa(int(int32(bits)))
}

func (t *tree) members(ids []GUID) ([]*entry, error) {
	var out []*entry
	known := map[GUID]bool{}
	for _, id := range ids {
		e := t.byGUID(id)
		if e == nil || e.deleted {
			return nil, errUnknown
		}
		if !known[id] {
			known[id] = true
			out = append(out, e)
		}
	}
	return out, nil
}

// SetMembers replaces the members of a group, named by its DN. It is a change of the
// group alone.
func (s *Server) SetMembers(group string, members ...GUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	e := t.named(group)
	if e == nil || e.deleted || !t.isA(e, "group") {
		return errUnknown
	}
	to, err := t.members(members)
	if err != nil {
		return err
	}
	t.setLinks(e, t.types.member, to)
	t.touch(e)
	return nil
}

// Join makes an account or a group a member of a group, and Leave takes it out. Both
// are changes of the group alone.
func (s *Server) Join(group, member GUID) error { return s.changeMember(group, member, true) }

// Leave undoes Join.
func (s *Server) Leave(group, member GUID) error { return s.changeMember(group, member, false) }

func (s *Server) changeMember(group, member GUID, joins bool) error {
	return s.change(group, func(t *tree, g *entry) error {
		m, err := t.members([]GUID{member})
		if err != nil {
			return err
		}
		if !t.isA(g, "group") {
			return errUnknown
		}
		t.setMember(g, m[0], joins)
		return nil
	})
}

// TimeMembers lets the forest have memberships that end by themselves ([MS-ADTS] 3.1.1.9.2).
func (s *Server) TimeMembers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	t.setName(t.lookup("CN=Partitions,CN=Configuration,"+s.baseDN), "msDS-EnabledFeature",
		"CN=Privileged Access Management Feature,CN=Optional Features,CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration,"+s.baseDN)
}

// Expire takes a member out of a group whose time there is over. Nothing tells of it: no
// object changes.
func (s *Server) Expire(group, member GUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, m := s.tree.byGUID(group), s.tree.byGUID(member)
	if g == nil || m == nil || g.deleted || !s.tree.isA(g, "group") {
		return errUnknown
	}
	s.tree.setMember(g, m, false)
	return nil
}

// setMember puts one member into a group or takes it out.
func (t *tree) setMember(g, member *entry, joins bool) {
	var to []*entry
	for _, e := range g.targets(t.types.member) {
		if e != member {
			to = append(to, e)
		}
	}
	if joins {
		to = append(to, member)
	}
	t.setLinks(g, t.types.member, to)
}

// SetPrimaryGroup makes a security group, named by its DN, an account's primary one,
// of which the account must be a member. It then stands in that group's member no
// more, but in the former primary group's ([MS-SAMR] 3.1.1.8.2).
func (s *Server) SetPrimaryGroup(account GUID, group string) error {
	return s.change(account, func(t *tree, e *entry) error {
		g := t.named(group)
		if g == nil {
			return errUnknown
		}
		return t.setPrimaryGroup(e, strconv.FormatUint(uint64(t.rid(g)), 10))
	})
}

// mayBePrimary tells whether the account may have the value as primaryGroupID.
func (t *tree) mayBePrimary(e *entry, vals []string) bool {
	if len(vals) != 1 {
		return false
	}
	n, err := strconv.ParseUint(vals[0], 10, 32)
	if err != nil {
		return false
	}
	g := t.bySID(t.accountSID(uint32(n)))
	return g != nil && (g == t.primaryGroup(e) || t.isMember(e, g))
}

func (t *tree) setPrimaryGroup(e *entry, rid string) error {
	if !t.mayBePrimary(e, []string{rid}) {
		return errors.New("fakead: a primary group is one that the account is a member of")
	}
	former := t.primaryGroup(e)
	t.set(e, t.types.primaryGroupID, rid)
	g := t.primaryGroup(e)
	if g == former {
		return nil
	}
	t.setMember(g, e, false)
	t.touch(g)
	if former != nil {
		t.setMember(former, e, true)
		t.touch(former)
	}
	return nil
}
