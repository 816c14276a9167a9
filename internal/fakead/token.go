package fakead

import (
	"encoding/binary"
	"slices"
	"strconv"
)

// The relative IDs of the groups that the server itself knows ([MS-DTYP] 2.4.2.4).
const (
	ridDomainAdmins    = 512
	ridDomainUsers     = 513
	ridDomainComputers = 515
	ridAdministrators  = 544
	ridUsers           = 545
	ridPreWindows2000  = 554
)

func (t *tree) isSecurityGroup(g *entry) bool {
	n, _ := strconv.ParseInt(g.first(t.types.groupType), 10, 64)
	return t.isA(g, "group") && n&groupSecurity != 0
}

// rid is the last part of an entry's objectSid.
func (t *tree) rid(e *entry) uint32 {
	sid := e.first(t.types.objectSid)
	if len(sid) < 12 {
		return 0
	}
	return binary.LittleEndian.Uint32([]byte(sid[len(sid)-4:]))
}

// bySID is nil when no living object has the SID.
func (t *tree) bySID(sid string) *entry {
	for _, e := range t.index[t.types.objectSid][sid] {
		if !e.deleted {
			return e
		}
	}
	return nil
}

// primaryGroup is the group whose member attribute does not have its members.
func (t *tree) primaryGroup(e *entry) *entry {
	n, err := strconv.ParseUint(e.first(t.types.primaryGroupID), 10, 32)
	if err != nil {
		return nil
	}
	return t.bySID(t.accountSID(uint32(n)))
}

func (t *tree) isMember(e, g *entry) bool { return slices.Contains(t.groups(e), g) }

// securityGroups are all that an account is in, the nesting of its primary group
// included. Distribution groups are none, and lead to none.
func (t *tree) securityGroups(e *entry) []*entry {
	next := t.groups(e)
	if primary := t.primaryGroup(e); primary != nil {
		next = append(next, primary)
	}
	seen := map[*entry]bool{}
	var all []*entry
	for ; len(next) > 0; next = next[1:] {
		if g := next[0]; !seen[g] && t.isSecurityGroup(g) {
			seen[g] = true
			all = append(all, g)
			next = append(next, t.groups(g)...)
		}
	}
	return all
}

// groupSIDs is the value of tokenGroups, which accounts have.
func (t *tree) groupSIDs(e *entry) []string {
	if !t.isA(e, "user") {
		return nil
	}
	var sids []string
	for _, g := range t.securityGroups(e) {
		sids = append(sids, g.first(t.types.objectSid))
	}
	slices.Sort(sids)
	return sids
}

// identify makes the token of an account that binds: itself, its groups, and
// those of the well-known identities that everybody has who is bound. Of these
// only the groups of CN=Builtin count, as on Samba.
func (t *tree) identify(account *entry) *identity {
	who := &identity{account: account.id, token: map[GUID]bool{account.id: true}}
	groups := t.securityGroups(account)
	for _, known := range everybody {
		if e := t.bySID(string(known)); e != nil {
			who.token[e.id] = true
			groups = append(groups, slices.DeleteFunc(t.securityGroups(e), func(g *entry) bool { return !t.isBuiltin(g) })...)
		}
	}
	who.sids = append([]string{account.first(t.types.objectSid)}, everybody...)
	for _, g := range groups {
		if !who.token[g.id] {
			who.token[g.id] = true
			who.sids = append(who.sids, g.first(t.types.objectSid))
		}
	}
	slices.Sort(who.sids)
	return who
}

// wellKnownSID makes S-1-<authority>-<part>.
func wellKnownSID(authority byte, parts ...uint32) string {
	b := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, authority}
	for _, part := range parts {
		b = binary.LittleEndian.AppendUint32(b, part)
	}
	return string(b)
}

// everybody are the identities of whoever is bound over the network: Everyone,
// Network and Authenticated Users.
var everybody = []string{wellKnownSID(1, 0), wellKnownSID(5, 2), sidAuthenticated}

var sidAuthenticated = wellKnownSID(5, 11)

// builtinSID is that of a group of CN=Builtin.
func builtinSID(rid uint32) string { return wellKnownSID(5, 32, rid) }

func (t *tree) isBuiltin(g *entry) bool { return g.first(t.types.objectSid) == builtinSID(t.rid(g)) }

// chained follows a link from an entry, or back along it, until it names the
// target. What it meets on the way it reads with the viewer's rights: something
// that the viewer may not see breaks the whole search off, as on Samba.
func (v *viewer) chained(e, target *entry, a *attrType, seen map[*entry]bool) truth {
	switch {
	case !v.sees(e):
		v.broken = true
		return undefined
	case !v.reads(e, a):
		return isFalse
	}
	next, _ := v.tree.objects(e, a)
	if target != nil && slices.Contains(next, target) {
		return isTrue
	}
	for _, n := range next {
		if seen[n] {
			continue
		}
		seen[n] = true
		if found := v.chained(n, target, a, seen); found != isFalse {
			return found
		}
	}
	return isFalse
}
