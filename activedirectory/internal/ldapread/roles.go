package ldapread

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Role is one that the members of a group have. Several of one name add up.
type Role struct {
	Name   string
	Group  Group
	Direct bool // of the group itself: not through other groups
}

// Group says which group, in one of three ways.
type Group struct {
	GUID adattr.GUID // which stays, whatever becomes of its name
	DN   string
	Name string // sAMAccountName, or cn in a directory other than Active Directory
}

// ParseGroup reads a GUID in any of its forms, a DN, or a name.
func ParseGroup(text string) (Group, error) {
	text = strings.TrimSpace(text)
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "<GUID="), ">")
	guid, err := adattr.ParseGUID(bare)
	switch {
	case err == nil && guid != adattr.GUID{}:
		return Group{GUID: guid}, nil
	case text == "":
		return Group{}, errors.New("it is empty; want the group's objectGUID, its DN, or its name")
	case strings.HasPrefix(text, "<"):
		return Group{}, errors.New("want <GUID=...> with the group's objectGUID in it")
	case strings.Contains(text, "="):
		if _, err := ldap.ParseDN(text); err != nil {
			return Group{}, errors.New("it is not a distinguished name like CN=Editors,OU=Groups,DC=corp,DC=example")
		}
		return Group{DN: text}, nil
	}
	return Group{Name: text}, nil
}

// isNamed reports a group that is found by something which others may take over.
func (g Group) isNamed() bool { return g.GUID == adattr.GUID{} }

// RoleNames are the names of the roles, sorted.
func (c *Config) RoleNames() []string {
	names := make([]string, len(c.Roles))
	for i, role := range c.Roles {
		names[i] = role.Name
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Roles are those that one controller tells of, at one moment.
type Roles struct {
	status  []roleStatus        // sorted by name
	numbers map[adattr.GUID]int // of the accounts in any group
	given   []uint32            // the set that each has, by its number
	sets    roleSets
	groups  []Object // that give a role, and those in them
	listed  bool     // the groups' own word is proof, as in a directory without tokenGroups
}

// roleStatus is what is known of one role.
type roleStatus struct {
	name    string
	problem string // why it is unknown who has it, and what to do; "" if it is known
	notes   []string
	sids    []groupSID
	open    string // why no tokenGroups can prove that somebody lacks it; "" if they can
}

// groupSID is that of a group which gives a role.
type groupSID struct {
	sid    string
	direct bool // to those in the group itself, of whom tokenGroups do not tell
}

// Of returns the number of the set of roles that the account was seen to have.
func (r *Roles) Of(id adattr.GUID) (set int) {
	if number, known := r.numbers[id]; known {
		return int(r.given[number])
	}
	return 0
}

// Sets are the sets of roles that Of tells, by number. The first is empty.
func (r *Roles) Sets() [][]string {
	sets := make([][]string, len(r.sets.list))
	for i, set := range r.sets.list {
		for _, role := range set {
			sets[i] = append(sets[i], r.status[role].name)
		}
	}
	return sets
}

// Unknown are the roles of which it is not known who has them.
func (r *Roles) Unknown() (names []string) {
	for _, s := range r.status {
		if s.problem != "" {
			names = append(names, s.name)
		}
	}
	return names
}

// Members are the accounts that were seen to have each role, in no order. Roles of which it
// is not known are left out.
func (r *Roles) Members() map[string][]adattr.GUID {
	members := map[string][]adattr.GUID{}
	for _, s := range r.status {
		if s.problem == "" {
			members[s.name] = nil
		}
	}
	sets := r.Sets()
	for id, number := range r.numbers {
		for _, role := range sets[r.given[number]] {
			members[role] = append(members[role], id)
		}
	}
	return members
}

// Groups are all that were read, as they were before their members were. Who has a role
// changes when one of them does, or goes out of sight, or when an account does.
func (r *Roles) Groups() []Object { return r.groups }

// Warnings say why, and what to do; and which roles hang on a name.
func (r *Roles) Warnings() (warnings []string) {
	for i, s := range r.status {
		same := i > 0 && r.status[i-1].problem == s.problem // as where nothing can be read
		if s.problem != "" && !same {
			warnings = append(warnings, s.problem)
		}
		if s.problem == "" && !r.listed && s.open != "" {
			warnings = append(warnings, s.open)
		}
		warnings = append(warnings, s.notes...)
	}
	return warnings
}

// roleSets number sets of roles. A set grows by a role that comes after those in it.
type roleSets struct {
	list [][]int
	next map[[2]uint32]uint32
}

func newRoleSets() roleSets {
	return roleSets{list: [][]int{nil}, next: map[[2]uint32]uint32{}}
}

func (s *roleSets) with(set uint32, role int) uint32 {
	if list := s.list[set]; len(list) > 0 && list[len(list)-1] == role {
		return set
	}
	step := [2]uint32{set, uint32(role)}
	next, ok := s.next[step]
	if !ok {
		next = uint32(len(s.list))
		s.list = append(s.list, append(slices.Clip(s.list[set]), role))
		s.next[step] = next
	}
	return next
}

// Roles reads who has which role. Its error is one of the connection: what cannot be read
// for want of a right, or is not there, is unknown, and stands in the result.
func (c *Controller) Roles(ctx context.Context) (roles *Roles, err error) {
	err = c.use(ctx, func(s *session) error {
		roles, err = s.roles(ctx)
		return err
	})
	return roles, err
}

// rolesReader reads the groups of all roles.
type rolesReader struct {
	*session
	graph *graphReader
	roles *Roles
	of    map[string][]*configuredGroup // by the name of the role
}

// configuredGroup is one of the groups that give a role.
type configuredGroup struct {
	Role
	node     int    // in the graph; -1: not found
	identity string // by which it is better configured, after a comma; "" if that cannot be read
	problem  string
}

func (s *session) roles(ctx context.Context) (*Roles, error) {
	r := &rolesReader{
		session: s, graph: newGraphReader(s), of: map[string][]*configuredGroup{},
		roles: &Roles{numbers: map[adattr.GUID]int{}, sets: newRoleSets(), listed: s.cfg.TrustMembers},
	}
	var nested, direct []int
	for _, role := range s.cfg.Roles {
		g := &configuredGroup{Role: role}
		if err := r.resolve(ctx, g); err != nil {
			return nil, err
		}
		r.of[role.Name] = append(r.of[role.Name], g)
		switch {
		case g.node < 0:
		case g.Direct:
			direct = append(direct, g.node)
		default:
			nested = append(nested, g.node)
		}
	}
	if err := r.graph.expand(ctx, nested, true); err != nil {
		return nil, err
	}
	if err := r.graph.expand(ctx, direct, false); err != nil {
		return nil, err
	}
	blind, err := r.isBlind(ctx)
	if err != nil {
		return nil, err
	}
	for i, name := range s.cfg.RoleNames() {
		r.roles.status = append(r.roles.status, r.judge(name, blind))
		r.give(i)
	}
	r.roles.groups = r.graph.groups()
	return r.roles, nil
}

// judge says what is known of a role whose groups were read.
func (r *rolesReader) judge(name string, blind bool) roleStatus {
	status := roleStatus{name: name}
	for _, g := range r.of[name] {
		if g.Group.isNamed() && g.node >= 0 {
			status.notes = append(status.notes, fmt.Sprintf(byName, name, g.identity))
		}
		switch {
		case blind:
			status.problem = blindProblem
		case g.problem != "":
			status.problem = cmp.Or(status.problem, fmt.Sprintf(g.problem, name))
		default:
			status.problem = cmp.Or(status.problem, r.graph.fault(g.node, !g.Direct, name))
		}
		if g.node >= 0 {
			status.sids = append(status.sids, groupSID{r.graph.nodes[g.node].sid, g.Direct})
			status.open = cmp.Or(status.open, r.graph.unprovable(g.node, !g.Direct, name))
		}
	}
	return status
}

// give notes who has role number i, if that is known.
func (r *rolesReader) give(i int) {
	if r.roles.status[i].problem != "" {
		return
	}
	for _, g := range r.of[r.roles.status[i].name] {
		for n, id := range r.graph.members(g.node, !g.Direct) {
			set := &r.roles.given[r.number(n, id)]
			*set = r.roles.sets.with(*set, i)
		}
	}
}

// number is that of an account, which its node remembers: most are in several groups.
func (r *rolesReader) number(n int, id adattr.GUID) int {
	if n >= 0 && r.graph.nodes[n].number > 0 {
		return r.graph.nodes[n].number - 1
	}
	number, known := r.roles.numbers[id]
	if !known {
		number = len(r.roles.given)
		r.roles.numbers[id] = number
		r.roles.given = append(r.roles.given, 0)
	}
	if n >= 0 {
		r.graph.nodes[n].number = number + 1
	}
	return number
}

// resolve finds a group that gives a role.
func (r *rolesReader) resolve(ctx context.Context, g *configuredGroup) error {
	g.node = -1
	e, several, err := r.findGroup(ctx, g.Group)
	switch {
	case err != nil:
		return err
	case several:
		g.problem = groupTwice
		return nil
	case e == nil:
		g.problem = groupMissing
		return nil
	}
	node, isGroup := r.graph.addRoot(e)
	if !isGroup {
		g.problem = groupBare
		return nil
	}
	g.node = node
	identity := r.cfg.Identity
	if identity.IsActiveDirectory() {
		identity = adattr.Identity{} // whatever tells accounts apart
	}
	if id, err := identity.Parse(e.GetEqualFoldRawAttributeValue(identity.Attribute())); err == nil {
		g.identity = ", " + id.String()
	}
	return nil
}

func (r *rolesReader) findGroup(ctx context.Context, g Group) (e *ldap.Entry, several bool, err error) {
	attributes := r.graph.attributes()
	switch {
	case g.DN != "":
		e, err = r.readOne(ctx, doingRoles, g.DN, attributes...)
		return e, false, err
	case g.Name == "" && r.cfg.Identity.IsActiveDirectory():
		e, err = r.readOne(ctx, doingRoles, "<GUID="+g.GUID.String()+">", attributes...)
		return e, false, err
	}
	filter := "(cn=" + ldap.EscapeFilter(g.Name) + ")"
	switch {
	case g.Name == "":
		filter = anyOf(r.cfg.Identity, []adattr.GUID{g.GUID})
	case r.cfg.Identity.IsActiveDirectory():
		filter = "(&(objectClass=group)(sAMAccountName=" + ldap.EscapeFilter(g.Name) + "))"
	}
	for _, base := range r.contexts() {
		err := r.eachEntry(ctx, doingRoles, base, filter, attributes, func(found *ldap.Entry) error {
			isGroup := classOf(found) == classGroup || g.Name == ""
			several = several || isGroup && e != nil && e.DN != found.DN
			if isGroup {
				e = found
			}
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return e, several, nil
}

const doingRoles = "reading the groups of roles"

// isBlind reports whether the service account can read nothing of anybody's membership:
// neither memberOf nor tokenGroups. Groups that look empty say nothing then. Mostly the first
// member of a group shows that it can, which takes less than asking for accounts in scope.
func (r *rolesReader) isBlind(ctx context.Context) (bool, error) {
	if !r.cfg.Identity.IsActiveDirectory() {
		return false, nil
	}
	base, err := r.base()
	if err != nil {
		return false, err
	}
	shows, err := r.membersShow(ctx, base)
	if shows || err != nil {
		return false, err
	}
	return r.accountsHide(ctx, base)
}

// membersShow reports whether one of the members of groups, below the base, shows a group.
func (r *rolesReader) membersShow(ctx context.Context, base string) (bool, error) {
	const enough = 3
	asked, below := 0, ","+foldDN(base)
	for n := range r.graph.nodes {
		if r.graph.nodes[n].class != classOther {
			continue
		}
		e, err := r.readOne(ctx, doingRoles, r.graph.name(n), "memberOf", "tokenGroups")
		if err != nil {
			return false, err
		}
		if e != nil && len(e.Attributes) > 0 && strings.HasSuffix(foldDN(e.DN), below) {
			return true, nil
		}
		if asked++; asked == enough {
			break
		}
	}
	return false, nil
}

// accountsHide reports whether none of the first accounts in scope shows a group.
func (r *rolesReader) accountsHide(ctx context.Context, base string) (bool, error) {
	const enough, tokens = 100, 5
	seen, shows := []string{}, false
	err := r.eachEntry(ctx, doingRoles, base, r.cfg.Filter, []string{"memberOf"}, func(e *ldap.Entry) error {
		seen = append(seen, e.DN)
		if shows = len(e.Attributes) > 0; shows || len(seen) == enough {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		if isUnreadable(err) {
			r.spent, err = false, nil // the listing says so
		}
		return false, err
	}
	if shows || len(seen) == 0 {
		return false, nil
	}
	for _, dn := range seen[:min(tokens, len(seen))] {
		groups, err := r.tokenGroups(ctx, dn)
		if err != nil || len(groups) > 0 {
			return false, err
		}
	}
	return true, nil
}

// What is said of roles. Names of roles are the host's own.
const (
	byName = "role %q: its group is configured by name, so whoever re-creates a group of that name gives the role: configure it by its identity%s"

	groupMissing = "role %q: its group was not found, so the role is neither given nor taken: correct Roles, or grant the service account Read on the group"
	groupTwice   = "role %q: several groups have its name, so the role is neither given nor taken: configure the group's objectGUID"
	groupBare    = "role %q: its group shows nothing but its name, or is no group, so the role is neither given nor taken: correct Roles, or grant the service account Read on the group"
	groupUnread  = "role %q: a group shows no members, although accounts or its kind say that it has some, so the role is neither given nor taken: grant the service account Read on member"
	groupBroken  = "role %q: the server did not send all members of a group, so the role is neither given nor taken: look at the controller"
	groupHidden  = "role %q: %d member(s) of its groups cannot be seen, and may be groups, so the role is neither given nor taken: grant the service account List Contents and Read on them, or configure a group that has no such members, or Direct"
	groupAll     = "role %q: its groups hold a well-known identity, such as Authenticated Users, whose members nobody lists, so the role is neither given nor taken: configure a group that holds people"

	blindProblem = "no account shows memberOf, and tokenGroups cannot be read, so no role is given or taken: grant the service account Read on both, as membership of Pre-Windows 2000 Compatible Access does"
)
