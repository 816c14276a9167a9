package fakead

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// User is an account to add. Only Username is needed.
type User struct {
	Parent     string // DN of the container; default CN=Users of the domain
	Name       string // cn; default Username
	Username   string // sAMAccountName; made up when empty, then Name is needed
	FirstName  string // givenName
	LastName   string // sn
	Email      string // mail
	Phone      string // telephoneNumber
	UPN        string // userPrincipalName
	Password   string // "": it cannot bind
	Disabled   bool
	ID         GUID                // objectGUID; default random. With it several servers can hold one domain
	Class      string              // default user; also inetOrgPerson, computer, contact
	Attributes map[string][]string // any others of the schema
}

// AddUser adds an account and returns its objectGUID. It does not get slower as
// the directory grows.
func (s *Server) AddUser(u User) (GUID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	if u.Class == "" {
		u.Class = "user"
	}
	parent, name, err := s.place(u.Parent, "CN", firstOf(u.Name, u.Username))
	if err != nil {
		return GUID{}, err
	}
	if t.byGUID(u.ID) != nil {
		return GUID{}, errors.New("fakead: another object has this objectGUID")
	}
	if classTable[fold(u.Class)].chain == nil {
		return GUID{}, fmt.Errorf("fakead: the schema has no class %q", u.Class)
	}
	for _, key := range []struct {
		a     *attrType
		value string
	}{{t.types.sAMAccountName, u.Username}, {t.types.upn, u.UPN}} {
		if key.value != "" && t.unique(nil, key.a, key.value) != nil {
			return GUID{}, fmt.Errorf("fakead: another account has this %s", key.a.name)
		}
	}
	attrs, err := t.resolveAttrs(u.attributes())
	if err != nil {
		return GUID{}, err
	}
	e := t.create(parent, name, u.Class)
	t.identifyAs(e, u.ID)
	for _, a := range attrs {
		t.assign(e, a.t, a.vals)
	}
	t.finish(e)
	if u.Password != "" {
		t.setPassword(e, u.Password)
	}
	return e.id, nil
}

// identifyAs gives a new entry the objectGUID that its maker chose, if any.
func (t *tree) identifyAs(e *entry, id GUID) {
	if id != (GUID{}) {
		e.id = id
		t.set(e, t.types.objectGUID, id.Wire())
	}
}

func (u User) attributes() map[string][]string {
	all := map[string][]string{}
	for name, vals := range u.Attributes {
		all[name] = vals
	}
	for name, value := range map[string]string{
		"sAMAccountName": u.Username, "givenName": u.FirstName, "sn": u.LastName,
		"mail": u.Email, "telephoneNumber": u.Phone, "userPrincipalName": u.UPN,
	} {
		if value != "" {
			all[name] = []string{value}
		}
	}
	if fold(u.Class) == "user" || fold(u.Class) == "inetorgperson" {
		control := uacNormal
		if u.Disabled {
			control |= uacDisabled
		}
		if all["userAccountControl"] == nil {
			all["userAccountControl"] = []string{strconv.Itoa(control)}
		}
	}
	return all
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// place finds the container and refuses a name that is in use there.
func (s *Server) place(parentDN, typ, value string) (*entry, rdn, error) {
	parent := s.tree.lookup(firstOf(parentDN, "CN=Users,"+s.baseDN))
	name := rdn{typ, value}
	switch {
	case parent == nil:
		return nil, name, errors.New("fakead: the container does not exist")
	case value == "":
		return nil, name, errors.New("fakead: the object needs a name")
	case parent.kids[name.key()] != nil:
		return nil, name, errors.New("fakead: an object of this name is there already")
	}
	return parent, name, nil
}

// resolveAttrs checks names and values against the schema.
func (t *tree) resolveAttrs(attrs map[string][]string) ([]attr, error) {
	var out []attr
	for name, vals := range attrs {
		a := t.schema.attr(name)
		if a == nil {
			return nil, fmt.Errorf("fakead: the schema has no attribute %q", name)
		}
		for _, v := range vals {
			if v == "" || !a.fits(v) {
				return nil, fmt.Errorf("fakead: a value does not fit attribute %s", a.name)
			}
		}
		out = append(out, attr{a, vals})
	}
	// The order of a map must not show in answers.
	slices.SortFunc(out, func(x, y attr) int { return strings.Compare(x.t.name, y.t.name) })
	return out, nil
}

// assign sets values or, for a link, the targets that they name.
func (t *tree) assign(e *entry, a *attrType, vals []string) {
	if a.syntax != syntaxLink {
		t.set(e, a, vals...)
		return
	}
	var to []*entry
	for _, v := range vals {
		if target := t.named(v); target != nil {
			to = append(to, target)
		}
	}
	t.setLinks(e, a, to)
}

// AddOU adds an organizational unit, below the domain when parent is empty, and
// returns its DN.
func (s *Server) AddOU(name, parent string) (dn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	above, part, err := s.place(firstOf(parent, s.baseDN), "OU", name)
	if err != nil {
		return "", err
	}
	return s.tree.create(above, part, "organizationalUnit").dn(), nil
}

// errUnknown is the answer to a GUID that is no live object's.
var errUnknown = errors.New("fakead: there is no such object")

// change runs one change of a live object and gives it a new uSNChanged.
func (s *Server) change(id GUID, do func(t *tree, e *entry) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.tree.byGUID(id)
	if e == nil || e.deleted {
		return errUnknown
	}
	if err := do(s.tree, e); err != nil {
		return err
	}
	if !e.deleted {
		s.tree.touch(e)
	}
	return nil
}

// Rename gives an object a new cn (or ou) where it is.
func (s *Server) Rename(id GUID, name string) error {
	return s.change(id, func(t *tree, e *entry) error {
		return t.move(e, e.parent, rdn{e.rdn.typ, name})
	})
}

// Move hangs an object, with all below it, under another container.
func (s *Server) Move(id GUID, parentDN string) error {
	return s.change(id, func(t *tree, e *entry) error {
		parent := t.lookup(parentDN)
		if parent == nil {
			return errors.New("fakead: the container does not exist")
		}
		return t.move(e, parent, e.rdn)
	})
}

func (t *tree) move(e, parent *entry, name rdn) error {
	if there := parent.kids[name.key()]; there != nil && there != e {
		return errors.New("fakead: an object of this name is there already")
	}
	if parent.under(e) {
		return errors.New("fakead: an object cannot be below itself")
	}
	t.place(e, parent, name)
	return nil
}

// SetAttribute replaces an attribute's values; none remove it.
func (s *Server) SetAttribute(id GUID, name string, vals ...string) error {
	return s.change(id, func(t *tree, e *entry) error {
		attrs, err := t.resolveAttrs(map[string][]string{name: vals})
		if err != nil {
			return err
		}
		a := attrs[0].t
		if (a == t.types.sAMAccountName || a == t.types.upn) && len(vals) == 1 && t.unique(e, a, vals[0]) != nil {
			return fmt.Errorf("fakead: another account has this %s", a.name)
		}
		if a == t.types.primaryGroupID && len(vals) == 1 {
			return t.setPrimaryGroup(e, vals[0])
		}
		t.assign(e, a, vals)
		return nil
	})
}

// Disable sets bit 2 of userAccountControl; Enable clears it.
func (s *Server) Disable(id GUID) error {
	return s.change(id, func(t *tree, e *entry) error { return t.setControl(e, t.control(e)|uacDisabled) })
}

// Enable lifts Disable.
func (s *Server) Enable(id GUID) error {
	return s.change(id, func(t *tree, e *entry) error { return t.setControl(e, t.control(e)&^uacDisabled) })
}

func (t *tree) setControl(e *entry, control int64) error {
	t.set(e, t.types.userAccountControl, strconv.FormatInt(control, 10))
	return nil
}

// SetPassword changes what the account binds with.
func (s *Server) SetPassword(id GUID, password string) error {
	return s.change(id, func(t *tree, e *entry) error { t.setPassword(e, password); return nil })
}

// RefuseBind makes a bind with the right password fail with a data code, such
// as [DataMustReset]; "" lifts it. [DataLocked] fails any bind.
func (s *Server) RefuseBind(id GUID, data string) error {
	return s.change(id, func(_ *tree, e *entry) error { e.bindData = data; return nil })
}

// Delete makes a tombstone of an object that has none below it.
func (s *Server) Delete(id GUID) error {
	return s.change(id, func(t *tree, e *entry) error {
		if len(e.kids) > 0 {
			return errors.New("fakead: delete what is below it first")
		}
		t.bury(e, s.cfg.RecycleBin)
		return nil
	})
}

// Restore brings a deleted object back to where it was. What the deletion took
// stays lost, unless there is a recycle bin.
func (s *Server) Restore(id GUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	e := t.byGUID(id)
	if e == nil || !e.deleted || e == t.deleted {
		return errUnknown
	}
	parents := e.linked(t.types.lastKnownParent)
	name, _, _ := strings.Cut(e.rdn.value, "\n")
	if len(parents) != 1 || parents[0].kids[rdn{e.rdn.typ, name}.key()] != nil {
		return errors.New("fakead: its place is gone or taken")
	}
	t.unbury(e, parents[0], rdn{e.rdn.typ, name})
	return nil
}

// Recycle ends the time of a deleted object in the recycle bin.
func (s *Server) Recycle(id GUID) error {
	return s.changeTombstone(id, func(t *tree, e *entry) { e.recycled = true; t.strip(e); t.touch(e) })
}

// Purge removes a tombstone for good, as time does.
func (s *Server) Purge(id GUID) error {
	return s.changeTombstone(id, func(t *tree, e *entry) { t.purge(e) })
}

// ExpireTombstones removes the tombstones that are older than the forest's
// tombstoneLifetime, by the server's clock. Nothing tells of it: no object changes.
func (s *Server) ExpireTombstones() {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	lifetime := t.lookup("CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration," + s.baseDN)
	oldest := t.now().AddDate(0, 0, -int(t.number(lifetime, "tombstoneLifetime")))
	for _, e := range t.all {
		deletedAt, err := parseTime(e.first(t.types.whenChanged))
		if e.deleted && !e.gone && e != t.deleted && err == nil && deletedAt.Before(oldest) {
			t.purge(e)
		}
	}
}

func (s *Server) changeTombstone(id GUID, do func(*tree, *entry)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.tree.byGUID(id)
	if e == nil || !e.deleted || e == s.tree.deleted {
		return errUnknown
	}
	do(s.tree, e)
	return nil
}

// DN is an object's name now, also a tombstone's; "" when there is none.
func (s *Server) DN(id GUID) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.tree.byGUID(id); e != nil {
		return e.dn()
	}
	return ""
}

// ID is the objectGUID of the object that has a DN now; the zero GUID when there is
// none.
func (s *Server) ID(dn string) GUID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.tree.named(dn); e != nil {
		return e.id
	}
	return GUID{}
}
