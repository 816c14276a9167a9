package ldapread

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// graph are groups and what is in them, as far as they were read. A node is an object, by
// its objectGUID, or by its DN where the server does not tell the GUID with the DN.
//
// A membership counts when anything says so: the member of a group, or an account's
// primaryGroupID. What no search shows may be a group, in which others may be: then
// nothing is known of who is not a member. That is better than asking the server to
// resolve nested groups, which ends in silence where it meets a hidden one.
type graph struct {
	identity adattr.Identity
	byGUID   bool // how objects are told apart
	nodes    []node
	byKey    map[string]int
}

// node is an object.
type node struct {
	key   string
	id    adattr.GUID // its identity; zero if that was not seen
	class class
	sid   string // as it is on the wire
	dn    string // where it was described
	rid   string // of a group that can be a primary one
	kind  uint32 // groupType
	usn   int64  // uSNChanged; 0 if it is not shown
	when  string // whenChanged, as it is written

	members []int
	number  int           // of an account, one more than in Roles.numbers; 0 while it has none
	primary []adattr.GUID // accounts that have it as their primary group
	read    bool          // members and primary are there
	fault   string        // of reading the members: a text with the role's name left open
}

// class says what an object is, as far as it matters to membership.
type class uint8

const (
	classUnknown class = iota // not looked up
	classHidden               // looked up, and not seen, or without its class
	classGroup
	classAll   // a well-known identity, whose members nobody lists
	classOther // which has no members
)

// kindSecurity is the bit of groupType that a security group has ([MS-ADTS] 2.2.12).
const kindSecurity = 0x80000000

// node returns the number of the object of that key.
func (g *graph) node(key string) int {
	n, ok := g.byKey[key]
	if !ok {
		n = len(g.nodes)
		g.byKey[key] = n
		g.nodes = append(g.nodes, node{key: key})
	}
	return n
}

// keyOf is the key of an entry.
func (g *graph) keyOf(e *ldap.Entry) string {
	if !g.byGUID {
		return foldDN(e.DN)
	}
	guid, err := adattr.GUIDFromWire(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		return ""
	}
	return string(guid[:])
}

// foldDN makes the spellings of a DN one.
func foldDN(dn string) string {
	if isPlainDN(dn) {
		return strings.ToLower(dn)
	}
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	return strings.ToLower(parsed.String())
}

// isPlainDN reports a DN that has one spelling but for the case of its letters, as nearly
// all have: types and values of letters and digits, and little else.
func isPlainDN(dn string) bool {
	before, hasType := byte(','), false
	for i := range len(dn) {
		c := dn[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '@', c == '_', c == '-':
		case strings.IndexByte("=, ", before) >= 0: // at the beginning too
			return false
		case c == '=' && !hasType:
			hasType = true
		case c == ',' && hasType:
			hasType = false
		case c != ' ' || !hasType:
			return false
		}
		before = c
	}
	return hasType && before != '=' && before != ' '
}

// addRoot adds the group of a role.
func (g *graph) addRoot(e *ldap.Entry) (n int, isGroup bool) {
	key := g.keyOf(e)
	if key == "" || classOf(e) != classGroup {
		return -1, false
	}
	n = g.node(key)
	g.describe(n, e)
	return n, true
}

// describe notes what an entry says of itself.
func (g *graph) describe(n int, e *ldap.Entry) {
	o := &g.nodes[n]
	o.class = classOf(e)
	o.id, _ = g.identity.Parse(e.GetEqualFoldRawAttributeValue(g.identity.Attribute()))
	o.dn = plainDN(e.DN)
	o.sid = string(e.GetEqualFoldRawAttributeValue("objectSid"))
	o.rid = e.GetEqualFoldAttributeValue("primaryGroupToken")
	kind, _ := strconv.ParseInt(e.GetEqualFoldAttributeValue("groupType"), 10, 64)
	o.kind = uint32(kind)
	o.usn, _ = strconv.ParseInt(e.GetEqualFoldAttributeValue(uSNChanged), 10, 64)
	o.when = e.GetEqualFoldAttributeValue(whenChanged)
}

// groupClasses are those of groups, in lower case.
var groupClasses = []string{"group", "groupofnames", "groupofuniquenames", "groupofmembers"}

func classOf(e *ldap.Entry) class {
	classes := e.GetEqualFoldAttributeValues("objectClass")
	has := func(name string) bool {
		return slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, name) })
	}
	switch {
	case len(classes) == 0:
		return classHidden
	case slices.ContainsFunc(groupClasses, has):
		return classGroup
	case has("foreignSecurityPrincipal") && !isAccountSID(string(e.GetEqualFoldRawAttributeValue("objectSid"))):
		return classAll
	}
	return classOther
}

// isAccountSID reports the SID of an account of some domain (S-1-5-21-...), rather than a
// well-known one.
func isAccountSID(sid string) bool {
	const ofDomain = "\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00"
	return len(sid) >= 12 && sid[2:12] == ofDomain
}

// domainOf is an account's SID without its last part.
func domainOf(sid string) string { return sid[:len(sid)-4] }

// domainDN is the end of a DN that names the domain: its last parts of type DC.
func domainDN(dn string) string {
	from := len(dn)
	for from > 0 {
		part := strings.LastIndexByte(dn[:from], ',')
		isEscaped := part >= 0 && (part-len(strings.TrimRight(dn[:part], `\`)))%2 == 1
		if typ, _, _ := strings.Cut(dn[part+1:from], "="); isEscaped || !strings.EqualFold(strings.TrimSpace(typ), "DC") {
			break
		}
		from = max(part, 0)
	}
	return strings.TrimLeft(dn[from:], ", ")
}

// isOfDomain reports whether an object is of the domain of that DN.
func isOfDomain(dn, domain string) bool {
	own := domainDN(dn)
	return strings.EqualFold(own, domain) || foldDN(own) == foldDN(domain)
}

// within yields a group and, if nested, the groups in it, each once.
func (g *graph) within(root int, nested bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		seen := map[int]bool{root: true}
		for open := []int{root}; len(open) > 0; {
			n := open[len(open)-1]
			open = open[:len(open)-1]
			if !yield(n) {
				return
			}
			if !nested {
				return
			}
			for _, m := range g.nodes[n].members {
				if g.nodes[m].class == classGroup && !seen[m] {
					seen[m] = true
					open = append(open, m)
				}
			}
		}
	}
}

// groups are those whose members were read.
func (g *graph) groups() (all []Object) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if !n.read {
			continue
		}
		id := n.id
		if g.byGUID {
			id = adattr.GUID([]byte(n.key))
		}
		all = append(all, Object{GUID: id, USN: n.usn, When: n.when, Kind: AGroup})
	}
	return all
}

// members yields the accounts in a group, some of them twice, with the nodes that they are;
// -1 for one that has a group as its primary one.
func (g *graph) members(root int, nested bool) iter.Seq2[int, adattr.GUID] {
	return func(yield func(int, adattr.GUID) bool) {
		for n := range g.within(root, nested) {
			for _, id := range g.nodes[n].primary {
				if !yield(-1, id) {
					return
				}
			}
			for _, m := range g.nodes[n].members {
				o := &g.nodes[m]
				id := o.id
				if g.byGUID && g.identity.IsObjectGUID() {
					id = adattr.GUID([]byte(o.key))
				}
				if id != (adattr.GUID{}) && !yield(m, id) {
					return
				}
			}
		}
	}
}

// fault says why it is not known who is in the group, or is "".
func (g *graph) fault(root int, nested bool, role string) string {
	hidden := map[int]bool{}
	for n := range g.within(root, nested) {
		if text := g.nodes[n].fault; text != "" {
			return fmt.Sprintf(text, role)
		}
		for _, m := range g.nodes[n].members {
			switch g.nodes[m].class {
			case classHidden:
				hidden[m] = nested
			case classAll:
				return fmt.Sprintf(groupAll, role)
			}
		}
	}
	count := 0
	for _, counts := range hidden {
		if counts {
			count++
		}
	}
	if count > 0 {
		return fmt.Sprintf(groupHidden, role, count)
	}
	return ""
}

// unprovable says why tokenGroups tell nothing of a group, or is "".
func (g *graph) unprovable(root int, nested bool, role string) string {
	if !g.identity.IsActiveDirectory() {
		return fmt.Sprintf(openNoTokens, role)
	}
	for n := range g.within(root, nested) {
		o := &g.nodes[n]
		switch {
		case o.sid == "" || o.kind&kindSecurity == 0:
			return fmt.Sprintf(openDistribution, role)
		case isAccountSID(o.sid) && isAccountSID(g.nodes[root].sid) && domainOf(o.sid) != domainOf(g.nodes[root].sid):
			return fmt.Sprintf(openForeign, role)
		}
	}
	return ""
}
