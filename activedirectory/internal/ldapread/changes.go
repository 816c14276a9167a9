package ldapread

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Every controller numbers its changes: an object's uSNChanged rises when the object is
// added, changed, moved by itself, or deleted. It does not when what is above the object
// moves or gets other rights, or when the service account's own groups change: for those
// a Head has digests ([MS-ADTS] 3.1.1.1.9).

const uSNChanged = "uSNChanged"

// clock is how far a controller's numbering is.
type clock struct {
	usn     int64     // highestCommittedUSN
	time    time.Time // currentTime
	service string    // dsServiceName: the object that has the invocationId
	token   string    // a digest of the groups of who is bound; "" if they cannot be read
}

var clockAttributes = []string{"highestCommittedUSN", "currentTime", "dsServiceName", "tokenGroups"}

func clockOf(e *ldap.Entry) (c clock) {
	c.usn, _ = strconv.ParseInt(e.GetEqualFoldAttributeValue("highestCommittedUSN"), 10, 64)
	c.time, _ = adattr.ParseGeneralizedTime(e.GetEqualFoldAttributeValue("currentTime"))
	c.service = e.GetEqualFoldAttributeValue("dsServiceName")
	if groups := e.GetEqualFoldRawAttributeValues("tokenGroups"); len(groups) > 0 {
		c.token = digestOf(groups)
	}
	return c
}

// digestOf is the same for any order of the parts.
func digestOf(parts [][]byte) string {
	sums := make([]string, len(parts))
	for i, part := range parts {
		sum := sha256.Sum256(part)
		sums[i] = string(sum[:])
	}
	slices.Sort(sums)
	all := sha256.Sum256([]byte(strings.Join(sums, "")))
	return fmt.Sprintf("%x", all[:16])
}

// Head is the state of a controller as an account sees it.
type Head struct {
	Session    int         // which connection it was read on
	Invocation adattr.GUID // of the controller's database; zero if it cannot be read
	USN        int64
	Time       time.Time
	Token      string // a digest of the groups of the service account; "" if they cannot be read
	Containers string // a digest of all visible containers and their numbers
	Blind      string // why changes may go unseen; "" if they may not

	known map[string]bool // the folded DNs of the containers
}

// Object is anything that a controller has a number for.
type Object struct {
	GUID adattr.GUID
	USN  int64
	When string // whenChanged, as it is written
	Kind Kind

	dn      string
	deleted bool
}

// Kind is what an object can be to a sync.
type Kind uint8

// The kinds of an Object.
const (
	Other     Kind = iota // it may have people below it
	Leaf                  // it has none
	AGroup                // it has none, and has members
	Person                // it may be an account itself
	Container             // counted in Head.Containers
)

// containerClasses are those of which a Head counts the objects. A controller has an
// index over objectClass.
var containerClasses = []string{"organizationalUnit", "container", "builtinDomain", "domainDNS", "lostAndFound"}

// leafClasses have nobody below them.
var leafClasses = []string{
	"computer", "printQueue", "volume", "serviceConnectionPoint", "foreignSecurityPrincipal", "dnsNode", "secret",
	"infrastructureUpdate", "rIDManager", "rIDSet", "msDS-ManagedServiceAccount", "msDS-GroupManagedServiceAccount", "trustedDomain",
}

func kindOf(classes []string) Kind {
	has := func(names ...string) bool {
		return slices.ContainsFunc(classes, func(class string) bool {
			return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, class) })
		})
	}
	switch {
	case has(containerClasses...):
		return Container
	case has("group"):
		return AGroup
	case has(leafClasses...): // a computer is a user too
		return Leaf
	case has("user", "person", "contact"):
		return Person
	}
	return Other
}

// mostObjects is how many objects one question about changes may bring.
const mostObjects = 200_000

// ErrManyChanges is returned when more has changed than is worth being looked up.
var ErrManyChanges = fmt.Errorf("more than %d objects have changed", mostObjects)

// Head reads the state. Containers of unusual classes are counted if they are among
// others.
func (c *Controller) Head(ctx context.Context, others []adattr.GUID) (h Head, err error) {
	c.mu.Lock()
	if c.parents == nil {
		c.parents = newParents()
	}
	c.parents.unnumbered = false
	c.mu.Unlock()
	err = c.use(ctx, func(s *session) error {
		c.mu.Lock()
		h.Session = c.opened
		c.mu.Unlock()
		return s.head(ctx, others, &h)
	})
	return h, err
}

func (s *session) head(ctx context.Context, others []adattr.GUID, h *Head) error {
	if !s.root.isActiveDirectory || !s.cfg.Identity.IsObjectGUID() || s.root.base == "" {
		h.Blind = "the directory does not number its changes as a domain controller does"
		return nil
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	h.USN, h.Time, h.Token = s.root.usn, s.root.time, s.root.token
	e, err := s.readOne(ctx, "reading the invocationId", s.root.service, "invocationId")
	if ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) { // of one object; the listing will show what is wrong
		e, err, s.spent = nil, nil, false
	}
	if err != nil {
		return err
	}
	if e != nil {
		h.Invocation, _ = adattr.GUIDFromWire(e.GetEqualFoldRawAttributeValue("invocationId"))
	}
	switch {
	case h.Invocation == adattr.GUID{} || h.USN <= 0 || h.Time.IsZero():
		h.Blind = "the service account cannot read the controller's invocationId or numbers"
		return nil
	case h.Token == "":
		h.Blind = "the rootDSE shows no tokenGroups, so it would not be noticed if the service account lost a right"
		return nil
	}
	if h.Blind, err = s.unnoticed(ctx); err != nil || h.Blind != "" {
		return err
	}
	s.counts = true
	return s.containers(ctx, others, h)
}

// refresh reads the clock again, unless that was done a moment ago.
func (s *session) refresh(ctx context.Context) error {
	if !s.clockUsed {
		s.clockUsed = true
		return nil
	}
	result, err := s.search(ctx, "reading the rootDSE", ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", clockAttributes, nil))
	if err != nil {
		return err
	}
	if len(result.Entries) != 1 {
		return s.complain("reading the rootDSE", errors.New("there is none to be seen any more"))
	}
	s.root.clock = clockOf(result.Entries[0])
	return nil
}

// containers takes the digest of all that people can be below.
func (s *session) containers(ctx context.Context, others []adattr.GUID, h *Head) error {
	var filter strings.Builder
	for _, class := range containerClasses {
		filter.WriteString("(objectClass=" + class + ")")
	}
	if len(others) > 0 {
		filter.WriteString(anyOf(s.cfg.Identity, others))
	}
	objects, err := s.objects(ctx, s.root.base, "(|"+filter.String()+")")
	if errors.Is(err, ErrManyChanges) {
		h.Blind = "there are more containers than can be compared"
		return nil
	}
	if err != nil {
		return err
	}
	h.known = make(map[string]bool, len(objects))
	deleted := strings.ToLower("CN=Deleted Objects," + s.root.base)
	tombstones := false
	parts := make([][]byte, 0, len(objects))
	for _, o := range objects {
		dn := strings.ToLower(o.dn)
		h.known[dn] = true
		if dn == deleted {
			tombstones = o.USN > 0 && o.deleted
		} else if o.USN <= 0 && !o.deleted {
			h.Blind = "a container shows no uSNChanged, so it would not be noticed if it was hidden or moved"
		}
		parts = append(parts, strconv.AppendInt(o.GUID[:len(o.GUID):len(o.GUID)], o.USN, 10))
	}
	if !tombstones {
		h.Blind = "the service account cannot read CN=Deleted Objects, so deletions would not be noticed"
	}
	h.Containers = digestOf(parts)
	return nil
}

// objects reads whatever matches, deleted objects too.
func (s *session) objects(ctx context.Context, base, filter string) ([]Object, error) {
	const doing = "reading what has changed"
	var objects []Object
	var loop loopGuard
	var cookie []byte
	for {
		result, err := s.search(ctx, doing, ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, []string{"objectGUID", uSNChanged, "whenChanged", "objectClass", "isDeleted"}, s.controls(s.cfg.PageSize, cookie, true)))
		if err != nil {
			return nil, err
		}
		for _, e := range result.Entries {
			o, err := objectOf(e)
			if err != nil {
				return nil, s.complain(doing, err)
			}
			loop.add(o.GUID[:])
			objects = append(objects, o)
		}
		next, ok := cookieOf(result)
		switch {
		case !ok:
			return nil, s.complain(doing, errUnpaged)
		case len(next) == 0:
			return objects, nil
		case len(objects) > cmp.Or(s.cfg.MaxChanges, mostObjects):
			s.spent = true
			return nil, ErrManyChanges
		}
		if err := loop.turn(); err != nil {
			return nil, s.complain(doing, err)
		}
		cookie = next
	}
}

// IsDeleted reports a tombstone.
func (o *Object) IsDeleted() bool { return o.deleted }

func objectOf(e *ldap.Entry) (o Object, err error) {
	if o.GUID, err = adattr.GUIDFromWire(e.GetEqualFoldRawAttributeValue("objectGUID")); err != nil {
		return o, errNoGUID
	}
	o.USN, _ = strconv.ParseInt(e.GetEqualFoldAttributeValue(uSNChanged), 10, 64)
	o.When = e.GetEqualFoldAttributeValue("whenChanged")
	o.Kind = kindOf(e.GetEqualFoldAttributeValues("objectClass"))
	o.deleted = strings.EqualFold(e.GetEqualFoldAttributeValue("isDeleted"), "TRUE")
	o.dn = e.DN
	return o, nil
}

// Changed returns the objects of the domain that are visible and have that number or a
// higher one, and those asked for by their objectGUID.
func (c *Controller) Changed(ctx context.Context, from int64, asked []adattr.GUID) (objects []Object, err error) {
	filter := "(uSNChanged>=" + strconv.FormatInt(from, 10) + ")"
	err = c.use(ctx, func(s *session) error {
		if len(asked) > 0 {
			filter = "(|" + filter + anyOf(s.cfg.Identity, asked) + ")"
		}
		objects, err = s.objects(ctx, s.root.base, filter)
		return err
	})
	return objects, err
}

// Objects returns those of the domain that are visible, deleted ones too.
func (c *Controller) Objects(ctx context.Context, ids []adattr.GUID) (objects []Object, err error) {
	err = c.use(ctx, func(s *session) error {
		for batch := range slices.Chunk(ids, findBatch) {
			some, err := s.objects(ctx, s.root.base, anyOf(s.cfg.Identity, batch))
			if err != nil {
				return err
			}
			objects = append(objects, some...)
		}
		return nil
	})
	return objects, err
}

// Expiring returns those visible whose time runs out from the one moment to the other, both
// included to the second.
func (c *Controller) Expiring(ctx context.Context, from, to time.Time) (objects []Object, err error) {
	ticks := func(t time.Time) string { return strconv.FormatInt((t.Unix()+secondsTo1970)*ticksPerSecond, 10) }
	filter := "(&(" + accountExpires + ">=" + ticks(from) + ")(" + accountExpires + "<=" + ticks(to.Add(time.Second)) + "))"
	err = c.use(ctx, func(s *session) error {
		objects, err = s.objects(ctx, s.root.base, filter)
		return err
	})
	return objects, err
}

// Latest returns some of the visible objects with the highest numbers, the highest first:
// one at least has no higher number than that, unless there is none.
func (c *Controller) Latest(ctx context.Context, usn int64) (objects []Object, err error) {
	const enough = 32
	for from := range downFrom(usn) {
		if objects, err = c.Changed(ctx, from, nil); err != nil {
			return nil, err
		}
		slices.SortFunc(objects, func(a, b Object) int { return cmp.Compare(b.USN, a.USN) })
		older := slices.ContainsFunc(objects, func(o Object) bool { return o.USN <= usn })
		if older && len(objects) >= enough {
			break
		}
	}
	return objects, nil
}

// downFrom are numbers ever further below that one, 1 at last.
func downFrom(usn int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		const first, wider = 64, 16
		for window := int64(first); window < usn; window *= wider {
			if !yield(usn - window + 1) {
				return
			}
			if window > math.MaxInt64/wider {
				break
			}
		}
		yield(1)
	}
}

// Clock reads how far the numbering is, and on which connection.
func (c *Controller) Clock(ctx context.Context) (h Head, err error) {
	err = c.use(ctx, func(s *session) error {
		c.mu.Lock()
		h.Session = c.opened
		c.mu.Unlock()
		s.clockUsed = true
		if err := s.refresh(ctx); err != nil {
			return err
		}
		h.USN, h.Time, h.Token = s.root.usn, s.root.time, s.root.token
		return nil
	})
	return h, err
}

// Schema returns the objects of the schema partition that have that number or a higher one,
// the highest first.
func (c *Controller) Schema(ctx context.Context, from int64) (objects []Object, err error) {
	err = c.use(ctx, func(s *session) error {
		i := slices.IndexFunc(s.root.contexts, func(dn string) bool { return strings.HasPrefix(strings.ToUpper(dn), "CN=SCHEMA,") })
		if i < 0 {
			return nil
		}
		objects, err = s.objects(ctx, s.root.contexts[i], "(uSNChanged>="+strconv.FormatInt(from, 10)+")")
		return err
	})
	slices.SortFunc(objects, func(a, b Object) int { return cmp.Compare(b.USN, a.USN) })
	return objects, err
}

// defaultLifetime is that of a forest whose settings do not say ([MS-ADTS] 6.1.1.2.4.1.1).
const defaultLifetime = 60 * 24 * time.Hour

// TombstoneLifetime is how long a tombstone is kept.
func (c *Controller) TombstoneLifetime(ctx context.Context) (life time.Duration, err error) {
	life = defaultLifetime
	err = c.use(ctx, func(s *session) error {
		i := slices.IndexFunc(s.root.contexts, func(dn string) bool { return strings.HasPrefix(strings.ToUpper(dn), "CN=CONFIGURATION,") })
		if i < 0 {
			return nil
		}
		e, err := s.readOne(ctx, "reading the tombstoneLifetime", "CN=Directory Service,CN=Windows NT,CN=Services,"+s.root.contexts[i], "tombstoneLifetime")
		if err != nil || e == nil {
			return err
		}
		if days, err := strconv.Atoi(e.GetEqualFoldAttributeValue("tombstoneLifetime")); err == nil && days > 1 {
			life = time.Duration(days) * 24 * time.Hour
		}
		return nil
	})
	return life, err
}

// MembershipsEnd reports whether the forest may have memberships that end by themselves
// ([MS-ADTS] 3.1.1.9.2): on that day the member is shown no more, and nothing else changes.
func (c *Controller) MembershipsEnd(ctx context.Context) (may bool, err error) {
	const feature = "CN=Privileged Access Management Feature,"
	err = c.use(ctx, func(s *session) error {
		i := slices.IndexFunc(s.root.contexts, func(dn string) bool { return strings.HasPrefix(strings.ToUpper(dn), "CN=CONFIGURATION,") })
		if i < 0 {
			may = true
			return nil
		}
		e, err := s.readOne(ctx, "reading the features of the forest", "CN=Partitions,"+s.root.contexts[i], "msDS-EnabledFeature")
		may = e == nil || slices.ContainsFunc(e.GetEqualFoldAttributeValues("msDS-EnabledFeature"), func(dn string) bool {
			return strings.HasPrefix(strings.ToUpper(dn), strings.ToUpper(feature))
		})
		return err
	})
	return may, err
}
