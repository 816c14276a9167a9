package ldapread

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

const (
	controlExtendedDN = "1.2.840.113556.1.4.529"
	dashedForm        = "\x30\x03\x02\x01\x01" // <GUID=e124855b-...>;<SID=S-1-...>;CN=...
)

// graphReader reads a graph.
type graphReader struct {
	*session
	*graph
	links  int // members in all
	misses int // objects that a filter on names did not find, and that are there
}

func newGraphReader(s *session) *graphReader {
	isGUID := s.cfg.Identity.IsActiveDirectory() && s.root.supports(controlExtendedDN)
	return &graphReader{session: s, graph: &graph{identity: s.cfg.Identity, byGUID: isGUID, byKey: map[string]int{}}}
}

// attributes are those by which an object says what it is.
func (g *graphReader) attributes() []string {
	list := []string{"objectClass", g.cfg.Identity.Attribute()}
	if g.cfg.Identity.IsActiveDirectory() {
		list = append(list, "objectSid", "groupType", "primaryGroupToken", uSNChanged, whenChanged)
		if !g.cfg.Identity.IsObjectGUID() {
			list = append(list, "objectGUID")
		}
	}
	return list
}

// expand reads groups, and with nested also the groups in them.
func (g *graphReader) expand(ctx context.Context, groups []int, nested bool) error {
	for len(groups) > 0 {
		var found []int
		for _, n := range groups {
			if !g.nodes[n].read {
				if err := g.readGroup(ctx, n); err != nil {
					return err
				}
			}
			found = append(found, g.nodes[n].members...)
		}
		slices.Sort(found)
		found = slices.Compact(found)
		if nested || !g.byGUID || !g.cfg.Identity.IsObjectGUID() {
			if err := g.classify(ctx, found); err != nil {
				return err
			}
		}
		if !nested {
			return nil
		}
		groups = groups[:0]
		for _, n := range found {
			if g.nodes[n].class == classGroup && !g.nodes[n].read {
				groups = append(groups, n)
			}
		}
	}
	return nil
}

// readGroup reads the members of a group, and those who have it as their primary group.
func (g *graphReader) readGroup(ctx context.Context, n int) error {
	g.nodes[n].read = true
	if err := g.readMembers(ctx, n); err != nil {
		return err
	}
	if g.links > g.cfg.MaxEntries && g.cfg.MaxEntries > 0 {
		return g.complain(doingRoles, fmt.Errorf("groups have more than %d members; configure smaller ones, or raise MaxEntries", g.cfg.MaxEntries))
	}
	o := &g.nodes[n]
	if len(o.members) == 0 && o.fault == "" {
		denied, err := g.isDenied(ctx, n)
		if err != nil {
			return err
		}
		if denied {
			g.nodes[n].fault = groupUnread
		}
	}
	return g.readPrimary(ctx, n)
}

// name is what stands for the group as a base, and as the value of memberOf.
func (g *graphReader) name(n int) string {
	if g.byGUID {
		return "<GUID=" + adattr.GUID([]byte(g.nodes[n].key)).String() + ">"
	}
	return g.nodes[n].key
}

// errMembers is about a server that sends ranges without an end.
var errMembers = errors.New("the server sent the members of a group in parts that do not follow each other; try another controller")

// readMembers reads member, in as many parts as the server makes of it. No part is asked
// for before the server has answered with one: Samba has none, and would send nothing.
func (g *graphReader) readMembers(ctx context.Context, n int) error {
	attributes := []string{"member"}
	if !g.cfg.Identity.IsActiveDirectory() {
		attributes = append(attributes, "uniqueMember")
	}
	for next := 0; ; {
		e, err := g.readWide(ctx, g.name(n), attributes)
		if err != nil {
			return err
		}
		part := partOf(e)
		if len(part.values) == 0 && next > 0 {
			g.nodes[n].fault = groupBroken
			return nil
		}
		if len(part.values) > 0 && part.first != next {
			return g.complain(doingRoles, errMembers)
		}
		for _, value := range part.values {
			key, ok := g.memberKey(value)
			if !ok {
				g.nodes[n].fault = groupBroken
				continue
			}
			g.nodes[n].members = append(g.nodes[n].members, g.node(key)) // node may move the nodes
		}
		g.links += len(part.values)
		if part.last < 0 || g.links > g.cfg.MaxEntries && g.cfg.MaxEntries > 0 {
			return nil
		}
		if part.last < next {
			return g.complain(doingRoles, errMembers)
		}
		next = part.last + 1
		attributes = []string{part.name + ";range=" + strconv.Itoa(next) + "-*"}
	}
}

// memberPart are some of the members of a group, or all.
type memberPart struct {
	name        string
	first, last int // last is negative if there are no more
	values      []string
}

func partOf(e *ldap.Entry) memberPart {
	part := memberPart{last: -1}
	if e == nil {
		return part
	}
	for _, a := range e.Attributes {
		name := withoutRange(a.Name)
		if len(a.Values) == 0 || !strings.EqualFold(name, "member") && !strings.EqualFold(name, "uniqueMember") {
			continue
		}
		part.values = append(part.values, a.Values...) // a group may have both
		if options := a.Name[len(name):]; options != "" {
			from, _, _ := strings.Cut(options[len(";range="):], "-")
			part.first, _ = strconv.Atoi(from)
			part.name, part.last = name, rangeEnd(a.Name)
		}
	}
	return part
}

// memberKey is the key of the object that a value of member names.
func (g *graphReader) memberKey(value string) (key string, ok bool) {
	if !g.byGUID {
		return foldDN(value), value != ""
	}
	text, found := strings.CutPrefix(value, "<GUID=")
	text, _, closed := strings.Cut(text, ">")
	guid, err := adattr.ParseGUID(text)
	if !found || !closed || err != nil {
		return "", false
	}
	return string(guid[:]), true
}

// readWide reads one object whose values may be very many: a server that makes no parts
// of them sends all in one message.
func (g *graphReader) readWide(ctx context.Context, dn string, attributes []string) (*ldap.Entry, error) {
	var controls []ldap.Control
	if g.byGUID {
		controls = []ldap.Control{ldap.NewControlString(controlExtendedDN, false, dashedForm)}
	}
	g.wire.sieve.wide.Store(true)
	defer g.wire.sieve.wide.Store(false)
	return g.readOneWith(ctx, doingRoles, dn, controls, attributes...)
}

// isDenied reports whether a group that shows no members has some, by what accounts say
// of themselves; or by its kind, which must have one.
func (g *graphReader) isDenied(ctx context.Context, n int) (bool, error) {
	if !g.cfg.Identity.IsActiveDirectory() {
		return true, nil // groupOfNames and groupOfUniqueNames are never empty (RFC 4519, 3.5)
	}
	denied := false
	for _, base := range g.contexts() {
		err := g.eachEntry(ctx, doingRoles, base, "(memberOf="+ldap.EscapeFilter(g.name(n))+")", []string{"1.1"}, func(*ldap.Entry) error {
			denied = true
			return errStop
		})
		if err != nil && !errors.Is(err, errStop) {
			return false, err
		}
	}
	return denied, nil
}

// readPrimary reads who has the group as primary one, which stands in no member. The number
// of a group is its own domain's: a global catalog shows accounts of others, too, of whom
// each domain's users have one number.
func (g *graphReader) readPrimary(ctx context.Context, n int) error {
	rid := g.nodes[n].rid
	if _, err := strconv.ParseUint(rid, 10, 32); err != nil || !isAccountSID(g.nodes[n].sid) {
		return nil
	}
	domain := domainDN(g.nodes[n].dn)
	filter := "(primaryGroupID=" + rid + ")"
	if !g.cfg.Identity.IsObjectGUID() {
		filter = "(&" + filter + "(" + g.cfg.Identity.Attribute() + "=*))"
	}
	for _, base := range g.contexts() {
		q := query{base: base, filter: filter, bare: true, pageSize: g.cfg.PageSize, most: g.cfg.MaxEntries,
			beyond: fmt.Errorf("a group has more than %d members; configure a smaller one, or raise MaxEntries", g.cfg.MaxEntries)}
		err := g.list(ctx, q, func(a *Account) error {
			if isOfDomain(a.DN, domain) {
				g.nodes[n].primary = append(g.nodes[n].primary, a.GUID)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// classify looks up what the objects are that were seen for the first time.
func (g *graphReader) classify(ctx context.Context, found []int) error {
	var open []int
	for _, n := range found {
		if g.nodes[n].class == classUnknown {
			open = append(open, n)
		}
	}
	if !g.byGUID {
		return g.classifyByDN(ctx, open)
	}
	if g.cfg.Identity.IsObjectGUID() {
		var err error
		if open, err = g.withoutPeople(ctx, open); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(open, findBatch) {
		if err := g.classifyBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// withoutPeople marks those that are people, which most are, and returns the others.
func (g *graphReader) withoutPeople(ctx context.Context, open []int) (others []int, err error) {
	ids := make([]adattr.GUID, len(open))
	for i, n := range open {
		ids[i] = adattr.GUID([]byte(g.nodes[n].key))
	}
	missing := ids
	for _, base := range g.contexts() {
		step := lookUp{base: base, filter: "(sAMAccountType=805306368)", state: Present, bare: true}
		missing, err = g.lookUp(ctx, missing, step, func(a *Account) error {
			o := &g.nodes[g.byKey[string(a.GUID[:])]]
			o.id, o.class = a.GUID, classOther
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, id := range missing {
		others = append(others, g.byKey[string(id[:])])
	}
	return others, nil
}

func (g *graphReader) classifyBatch(ctx context.Context, batch []int) error {
	filter := []byte("(|")
	for _, n := range batch {
		filter = append(filter, "(objectGUID="...)
		for _, octet := range adattr.GUID([]byte(g.nodes[n].key)).Wire() {
			filter = hex.AppendEncode(append(filter, '\\'), []byte{octet})
		}
		filter = append(filter, ')')
		g.nodes[n].class = classHidden
	}
	filter = append(filter, ')')
	for _, base := range g.contexts() {
		err := g.eachEntry(ctx, doingRoles, base, string(filter), g.attributes(), func(e *ldap.Entry) error {
			if n, asked := g.byKey[g.keyOf(e)]; asked {
				g.describe(n, e)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dnBatch is how many names one filter asks for. A server compares each object that it
// finds with each of them, so more cost more for each.
const dnBatch = 64

// classifyByDN looks objects up by their names, many at once, and those that are not found
// so one by one: a server may know nothing of entryDN (RFC 5020), or keep the names in
// another context.
func (g *graphReader) classifyByDN(ctx context.Context, open []int) error {
	open, err := g.classifyListed(ctx, open)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(open, dnBatch) {
		if err := g.classifyNames(ctx, batch); err != nil {
			return err
		}
		for _, n := range batch {
			if g.nodes[n].class != classUnknown {
				continue
			}
			g.nodes[n].class = classHidden
			e, err := g.readOne(ctx, doingRoles, g.nodes[n].key, g.attributes()...)
			if err != nil {
				return err
			}
			if e != nil {
				g.describe(n, e)
				g.misses++
			}
		}
	}
	return nil
}

// classifyListed lists those in scope if many objects are looked for, most of whom are people,
// and returns those that it did not see. It gives up where so few of those in scope are looked
// for that names are asked for in less time.
func (g *graphReader) classifyListed(ctx context.Context, open []int) (left []int, err error) {
	const many, lookUp = 1000, 6 // how many objects are listed while one is looked up
	if len(open) < many {
		return open, nil
	}
	base, err := g.base()
	if err != nil {
		return nil, err
	}
	seen := 0
	err = g.eachEntry(ctx, doingRoles, base, g.cfg.Filter, g.attributes(), func(e *ldap.Entry) error {
		g.describeAsked(e)
		if seen++; seen > lookUp*len(open) {
			return errStop
		}
		return nil
	})
	if isAnswer := isUnreadable(err) || isLimit(err); isAnswer || errors.Is(err, errStop) {
		g.spent, err = false, nil
	}
	for _, n := range open {
		if g.nodes[n].class == classUnknown {
			left = append(left, n)
		}
	}
	return left, err
}

// describeAsked describes an object that is looked for.
func (g *graphReader) describeAsked(e *ldap.Entry) {
	if n, asked := g.byKey[g.keyOf(e)]; asked && g.nodes[n].class == classUnknown {
		g.describe(n, e)
	}
}

// isLimit reports a search that was ended by a limit of the server's.
func isLimit(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultTimeLimitExceeded)
}

// classifyNames describes what a filter on names finds. A server that refuses it, or that
// had others which it did not find, is not asked again.
func (g *graphReader) classifyNames(ctx context.Context, batch []int) error {
	const enough = dnBatch
	if len(batch) == 1 || g.misses >= enough {
		return nil
	}
	var filter strings.Builder
	filter.WriteString("(|")
	for _, n := range batch {
		filter.WriteString("(entryDN=" + ldap.EscapeFilter(g.nodes[n].key) + ")")
	}
	filter.WriteString(")")
	for _, base := range g.contexts() {
		err := g.eachEntry(ctx, doingRoles, base, filter.String(), g.attributes(), func(e *ldap.Entry) error {
			g.describeAsked(e)
			return nil
		})
		if isUnreadable(err) || isLimit(err) {
			g.spent, g.misses = false, enough // it answered, and is asked for one at a time
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
