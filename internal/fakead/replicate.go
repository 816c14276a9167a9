package fakead

import (
	"errors"
	"slices"
	"strings"
)

// Pull replicates to this controller everything that is newer on another of the same
// domain, deletions and their restoration included ([MS-DRSR] 4.1.10). Of each
// attribute, and of each value of a link, the newer one wins; an object that changes
// here by that gets this controller's next USN.
//
// Unlike the real thing it compares all objects, without remembering up to where it
// came the last time, so that it also heals a controller that was rolled back.
func (s *Server) Pull(from *Server) error {
	if s.domain != from.domain || s == from {
		return errors.New("fakead: replication needs two controllers of one domain")
	}
	s.domain.mu.Lock()
	defer s.domain.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	from.mu.RLock()
	defer from.mu.RUnlock()
	r := &replication{to: s.tree, from: from.tree, keepDeleted: s.cfg.RecycleBin}
	s.tree.stamping = false // what is copied keeps the stamps that it has
	defer func() { s.tree.stamping = true }()
	for _, e := range from.tree.all {
		r.replicate(e)
	}
	for _, e := range from.tree.all {
		r.replicateLinks(e)
	}
	return nil
}

// replication is one run in one direction.
type replication struct {
	to, from    *tree
	keepDeleted bool
}

// here is the copy of an object, or nil.
func (r *replication) here(e *entry) *entry { return r.to.byGUID(e.id) }

func (r *replication) replicate(src *entry) *entry {
	dst := r.here(src)
	switch {
	case src.gone || r.to.purged[src.id]:
		return nil
	case dst == nil:
		return r.create(src)
	}
	var newer []*attrType
	for a, newest := range src.stamps.attrs {
		if newest.newer(dst.stamps.attrs[a]) {
			newer = append(newer, a)
		}
	}
	if len(newer) == 0 {
		return dst
	}
	slices.SortFunc(newer, func(a, b *attrType) int { return strings.Compare(a.name, b.name) })
	for _, a := range newer {
		r.copyAttr(dst, src, a)
	}
	r.finish(dst, src)
	return dst
}

// create makes an object that is not here yet.
func (r *replication) create(src *entry) *entry {
	parent := r.parent(src)
	if parent == nil {
		return nil
	}
	t := r.to
	dst := t.insert(parent, r.vacate(parent, src))
	dst.id = src.id
	dst.root = parent.root
	dst.stamps.attrs = map[*attrType]stamp{}
	for _, a := range src.attrs {
		if !a.t.local {
			t.set(dst, a.t, a.vals...)
		}
	}
	for a, newest := range src.stamps.attrs {
		dst.stamps.attrs[a] = newest
	}
	dst.acl, dst.password = slices.Clone(src.acl), src.password
	r.finish(dst, src)
	t.set(dst, t.types.usnCreated, dst.first(t.types.usnChanged))
	return dst
}

// parent is where the object hangs here: what has no place goes to LostAndFound.
func (r *replication) parent(src *entry) *entry {
	parent := r.replicate(src.parent)
	if parent == nil || parent.deleted && parent != r.to.deleted {
		return r.to.lost
	}
	return parent
}

// vacate makes room for an object's name. Of two objects of one name the one that
// comes keeps it; the other gets one like that of a tombstone ([MS-DRSR] 4.1.10.6.9).
func (r *replication) vacate(parent, src *entry) rdn {
	there := parent.kids[src.rdn.key()]
	if there == nil || there.id == src.id {
		return src.rdn
	}
	loser := rdn{there.rdn.typ, there.rdn.value + "\nCNF:" + there.id.String()}
	r.to.place(there, parent, loser)
	r.to.touch(there)
	return src.rdn
}

func (r *replication) copyAttr(dst, src *entry, a *attrType) {
	t := r.to
	switch a {
	case t.types.name:
		if parent := r.parent(src); !parent.under(dst) {
			t.place(dst, parent, r.vacate(parent, src))
		}
	case t.types.securityDescriptor:
		dst.acl = slices.Clone(src.acl)
	case t.types.unicodePwd:
		dst.password = src.password
	default:
		t.set(dst, a, src.get(a)...)
	}
	if dst.stamps.attrs == nil {
		dst.stamps.attrs = map[*attrType]stamp{}
	}
	dst.stamps.attrs[a] = src.stamps.attrs[a]
}

// finish makes right what follows from the attributes, and numbers the change.
func (r *replication) finish(dst, src *entry) {
	t := r.to
	dst.deleted = dst.first(t.types.isDeleted) == "TRUE"
	dst.recycled = dst.deleted && src.recycled
	if dst.deleted && dst != t.deleted {
		dst.password = ""
		r.rescue(dst)
		if !r.keepDeleted || dst.recycled {
			t.strip(dst)
		}
	}
	if t.isA(dst, "attributeSchema") {
		t.confidential[t.schema.attr(dst.first(t.schema.attr("lDAPDisplayName")))] = dst.first(t.schema.attr("searchFlags")) == searchFlagConfidential
	}
	when := max(src.first(t.types.whenChanged), dst.first(t.types.whenChanged))
	t.touch(dst)
	t.set(dst, t.types.whenChanged, when)
}

// rescue takes what was put below an object here while it was deleted elsewhere.
func (r *replication) rescue(deleted *entry) {
	for _, kid := range deleted.kids {
		r.to.place(kid, r.to.lost, r.vacate(r.to.lost, kid))
		r.to.touch(kid)
	}
}

// replicateLinks copies the values of links, once all objects are there.
func (r *replication) replicateLinks(src *entry) {
	dst := r.here(src)
	if src.gone || dst == nil {
		return
	}
	changed := false
	for value, newest := range src.stamps.links {
		target := r.to.byGUID(value.to)
		if target == nil || target.deleted && !r.keepDeleted && value.attr != r.to.types.lastKnownParent || !newest.newer(dst.stamps.links[value]) {
			continue
		}
		there := slices.ContainsFunc(src.targets(value.attr), func(e *entry) bool { return e.id == value.to })
		r.copyLink(dst, target, value, there)
		if dst.stamps.links == nil {
			dst.stamps.links = map[linkValue]stamp{}
		}
		dst.stamps.links[value] = newest
		changed = true
	}
	if changed {
		r.to.touch(dst)
	}
}

func (r *replication) copyLink(dst, target *entry, value linkValue, there bool) {
	to := slices.DeleteFunc(slices.Clone(dst.targets(value.attr)), func(e *entry) bool { return e == target })
	if there {
		to = append(to, target)
	}
	r.to.setLinks(dst, value.attr, to)
}
