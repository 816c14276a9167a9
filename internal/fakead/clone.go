package fakead

import "maps"

// clone copies the tree, so that the two change apart. Values are shared: no slice
// of them is ever changed in place. Purged entries stay behind.
func (t *tree) clone() *tree {
	c := *t
	copies := make(map[*entry]*entry, len(t.all))
	c.apex = t.apex.clone(nil, copies)
	for original, e := range copies {
		e.root = copies[original.root]
		for i := range e.links {
			e.links[i].to = translate(e.links[i].to, copies)
		}
		for i := range e.back {
			e.back[i].to = translate(e.back[i].to, copies)
		}
	}
	for _, special := range []**entry{&c.domain, &c.deleted, &c.lost, &c.schemaRoot, &c.controllers, &c.servers} {
		*special = copies[*special]
	}
	c.all = translate(t.all, copies)
	c.numbered = make([]numbered, 0, len(t.numbered))
	for _, n := range t.numbered {
		if e := copies[n.entry]; e != nil {
			c.numbered = append(c.numbered, numbered{n.usn, e})
		}
	}
	c.classes = make(map[string][]*entry, len(t.classes))
	for class, entries := range t.classes {
		c.classes[class] = translate(entries, copies)
	}
	c.index = make(map[*attrType]map[string][]*entry, len(t.index))
	for a, byKey := range t.index {
		c.index[a] = make(map[string][]*entry, len(byKey))
		for key, entries := range byKey {
			c.index[a][key] = translate(entries, copies)
		}
	}
	c.shared = maps.Clone(t.shared)
	c.confidential = maps.Clone(t.confidential)
	c.purged = maps.Clone(t.purged)
	return &c
}

// clone copies an entry and all below it. Its links still name the originals.
func (e *entry) clone(parent *entry, copies map[*entry]*entry) *entry {
	c := *e
	copies[e] = &c
	c.parent = parent
	c.attrs = append([]attr(nil), e.attrs...)
	c.links = append([]link(nil), e.links...)
	c.back = append([]link(nil), e.back...)
	c.acl = append([]ace(nil), e.acl...)
	c.stamps = stamps{attrs: maps.Clone(e.stamps.attrs), links: maps.Clone(e.stamps.links)}
	if e.kids != nil {
		c.kids = make(map[string]*entry, len(e.kids))
		for key, kid := range e.kids {
			c.kids[key] = kid.clone(&c, copies)
		}
	}
	return &c
}

// translate leaves out what was not copied.
func translate(entries []*entry, copies map[*entry]*entry) []*entry {
	out := make([]*entry, 0, len(entries))
	for _, e := range entries {
		if c := copies[e]; c != nil {
			out = append(out, c)
		}
	}
	return out
}
