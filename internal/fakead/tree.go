package fakead

import (
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// entry is one object. Its DN is not stored: it follows from the parents, so
// that renaming a container with many objects costs nothing.
type entry struct {
	id     GUID
	seq    int // position in tree.all
	rdn    rdn
	parent *entry
	root   *entry // the partition that it belongs to
	kids   map[string]*entry
	attrs  []attr
	links  []link
	back   []link // the links of others that name this entry
	acl    []ace
	stamps stamps

	deleted  bool
	recycled bool
	gone     bool // purged; only old snapshots still know it

	password string
	bindData string // what a bind with the right password is told; "" is welcome
	failures int    // wrong passwords since the last good one
}

type attr struct {
	t    *attrType
	vals []string
}

// link is the values of a link attribute or, at the far end, of its back-link.
type link struct {
	t  *attrType // the forward one
	to []*entry
}

// tree is the directory's data. Its owner holds the lock.
type tree struct {
	schema *schema
	apex   *entry // above every DN; not an object
	domain *entry
	all    []*entry // in order of creation, never changed in place: a slice of it is a snapshot
	seq    int      // how many were ever created
	index  map[*attrType]map[string][]*entry
	usn    int64
	rids   *ridPool
	sid    [3]uint32 // of the domain: S-1-5-21-a-b-c
	now    func() time.Time
	random io.Reader
	shared map[string][]string // see setShared
	types  wellKnown

	deleted        *entry // CN=Deleted Objects
	lost           *entry // CN=LostAndFound
	controllers    *entry // OU=Domain Controllers
	servers        *entry // where each controller has its settings
	schemaRoot     *entry
	administrators GUID // the group whose members may do all
	preWindows2000 GUID // the group whose members read all of people
	confidential   map[*attrType]bool
	withheld       []ace // of each object, before all other entries

	invocation GUID       // stamps what is written here
	stamping   bool       // there are other controllers to replicate with
	numbered   []numbered // by number; what an object has had before is in it too
	classes    map[string][]*entry
	purged     map[GUID]bool // tombstones that are not to come back from those
}

// ridPool numbers the accounts of a domain, on all its controllers.
type ridPool struct {
	mu   sync.Mutex
	last uint32
}

func (p *ridPool) next() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	return p.last
}

// wellKnown are the attributes that the code itself reads.
type wellKnown struct {
	objectClass, objectCategory, objectGUID, objectSid, name, dn         *attrType
	sAMAccountName, sAMAccountType, userAccountControl, upn              *attrType
	member, memberOf, isDeleted, isRecycled, lastKnownParent, unicodePwd *attrType
	whenChanged, usnChanged, usnCreated, securityDescriptor              *attrType
	primaryGroupID, primaryGroupToken, tokenGroups, groupType            *attrType
}

func newTree(now func() time.Time, random io.Reader, rids *ridPool) *tree {
	s := newSchema()
	t := &tree{
		schema: s, now: now, rids: rids, usn: 3500, apex: &entry{}, shared: map[string][]string{},
		index: map[*attrType]map[string][]*entry{}, confidential: map[*attrType]bool{}, purged: map[GUID]bool{},
		invocation: newGUID(random), random: random, classes: map[string][]*entry{},
	}
	for _, a := range s.byName {
		if a.indexed {
			t.index[a] = map[string][]*entry{}
		}
	}
	sid := newGUID(random)
	for i := range t.sid {
		t.sid[i] = binary.LittleEndian.Uint32(sid[4*i:])
	}
	t.types = wellKnown{
		objectClass: s.attr("objectClass"), objectCategory: s.attr("objectCategory"),
		objectGUID: s.attr("objectGUID"), objectSid: s.attr("objectSid"),
		name: s.attr("name"), dn: s.attr("distinguishedName"),
		sAMAccountName: s.attr("sAMAccountName"), sAMAccountType: s.attr("sAMAccountType"),
		userAccountControl: s.attr("userAccountControl"), upn: s.attr("userPrincipalName"),
		member: s.attr("member"), memberOf: s.attr("memberOf"),
		isDeleted: s.attr("isDeleted"), isRecycled: s.attr("isRecycled"),
		lastKnownParent: s.attr("lastKnownParent"), unicodePwd: s.attr("unicodePwd"),
		whenChanged: s.attr("whenChanged"), usnChanged: s.attr("uSNChanged"), usnCreated: s.attr("uSNCreated"),
		securityDescriptor: s.attr("nTSecurityDescriptor"), groupType: s.attr("groupType"),
		primaryGroupID: s.attr("primaryGroupID"), primaryGroupToken: s.attr("primaryGroupToken"),
		tokenGroups: s.attr("tokenGroups"),
	}
	return t
}

// dn spells the entry's name, leaf first.
func (e *entry) dn() string {
	var b strings.Builder
	for at := e; at.parent != nil; at = at.parent {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(at.rdn.String())
	}
	return b.String()
}

// under tells whether e is base or below it.
func (e *entry) under(base *entry) bool {
	for at := e; at != nil; at = at.parent {
		if at == base {
			return true
		}
	}
	return false
}

// find walks down to a DN. It returns the deepest entry on the way, and whether
// that is the one asked for. A nil entry is a DN outside every partition.
func (t *tree) find(dn []rdn) (at *entry, found bool) {
	at = t.apex
	for _, part := range slices.Backward(dn) {
		next := at.kids[part.key()]
		if next == nil {
			return at.real(), false
		}
		at = next
	}
	return at.real(), at.real() != nil
}

// lookup finds by the text of a DN.
func (t *tree) lookup(text string) *entry {
	dn, err := parseDN(text)
	if err != nil {
		return nil
	}
	if e, found := t.find(dn); found {
		return e
	}
	return nil
}

// byGUID is nil when there is no such object.
func (t *tree) byGUID(id GUID) *entry {
	if hits := t.index[t.types.objectGUID][id.Wire()]; len(hits) == 1 {
		return hits[0]
	}
	return nil
}

// real is nil for the parents of the domain (DC=test), which are no objects.
func (e *entry) real() *entry {
	if e.root == nil {
		return nil
	}
	return e
}

// insert hangs a new entry below its parent and gives it a sequence number. It
// does not yet index the attributes.
func (t *tree) insert(parent *entry, name rdn) *entry {
	e := &entry{id: newGUID(t.random), seq: t.seq, rdn: name, attrs: make([]attr, 0, 26)}
	t.seq++
	e.root = parent.root
	t.all = append(t.all, e)
	e.hang(parent)
	return e
}

func (e *entry) hang(parent *entry) {
	e.parent = parent
	if parent.kids == nil {
		parent.kids = map[string]*entry{}
	}
	parent.kids[e.rdn.key()] = e
}

func (e *entry) unhang() { delete(e.parent.kids, e.rdn.key()) }

// place hangs an entry, with all below it, elsewhere or under another name.
func (t *tree) place(e, parent *entry, name rdn) {
	e.unhang()
	e.rdn = name
	e.hang(parent)
	t.setName(e, name.typ, name.value)
	t.set(e, t.types.name, name.value)
	t.mark(e, t.types.name)
}

// set replaces an attribute's values and keeps the indexes right. No values
// remove it.
func (t *tree) set(e *entry, a *attrType, vals ...string) {
	i := slices.IndexFunc(e.attrs, func(have attr) bool { return have.t == a })
	if i >= 0 && !slices.Equal(e.attrs[i].vals, vals) || i < 0 && len(vals) > 0 {
		t.mark(e, a)
	}
	if a == t.types.objectClass {
		t.classify(e, vals)
	}
	if a.indexed {
		if i >= 0 {
			t.unindex(e, a, e.attrs[i].vals)
		}
		for _, v := range vals {
			key := a.key(v)
			t.index[a][key] = append(t.index[a][key], e)
		}
	}
	switch {
	case i >= 0 && len(vals) == 0:
		e.attrs = slices.Delete(e.attrs, i, i+1)
	case i >= 0:
		e.attrs[i].vals = vals
	case len(vals) > 0:
		e.attrs = append(e.attrs, attr{a, vals})
	}
}

func (t *tree) unindex(e *entry, a *attrType, vals []string) {
	for _, v := range vals {
		key := a.key(v)
		left := slices.DeleteFunc(slices.Clone(t.index[a][key]), func(x *entry) bool { return x == e })
		if len(left) == 0 {
			delete(t.index[a], key)
		} else {
			t.index[a][key] = left
		}
	}
}

// setShared is set for a value that many entries have: they share one slice,
// which spares a hundred thousand accounts a million of them. No slice of values
// is ever changed in place.
func (t *tree) setShared(e *entry, a *attrType, value string) {
	vals := t.shared[value]
	if vals == nil {
		vals = []string{value}
		t.shared[value] = vals
	}
	t.set(e, a, vals...)
}

// setName is set for an attribute that is known to be in the schema.
func (t *tree) setName(e *entry, name string, vals ...string) { t.set(e, t.schema.attr(name), vals...) }

// touch gives the entry the next update sequence number.
func (t *tree) touch(e *entry) {
	t.usn++
	t.set(e, t.types.usnChanged, strconv.FormatInt(t.usn, 10))
	t.numbered = append(t.numbered, numbered{t.usn, e})
	t.set(e, t.types.whenChanged, t.stamp())
}

// stamp is the time now, to the second.
func (t *tree) stamp() string { return t.now().UTC().Truncate(time.Second).Format(timeLayout) }

// nextSID makes the objectSid of a new account ([MS-DTYP] 2.4.2.2).
func (t *tree) nextSID() string { return t.accountSID(t.rids.next()) }

func (t *tree) accountSID(rid uint32) string {
	b := []byte{1, 5, 0, 0, 0, 0, 0, 5}
	for _, part := range []uint32{21, t.sid[0], t.sid[1], t.sid[2], rid} {
		b = binary.LittleEndian.AppendUint32(b, part)
	}
	return string(b)
}

// get returns the stored values.
func (e *entry) get(a *attrType) []string {
	for i := range e.attrs {
		if e.attrs[i].t == a {
			return e.attrs[i].vals
		}
	}
	return nil
}

// first is the only value, or "".
func (e *entry) first(a *attrType) string {
	if vals := e.get(a); len(vals) > 0 {
		return vals[0]
	}
	return ""
}
