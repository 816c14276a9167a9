package fakead

import "slices"

// targets are the entries that a link names, dead ones included.
func (e *entry) targets(a *attrType) []*entry { return targetsIn(e.links, a) }

func targetsIn(links []link, a *attrType) []*entry {
	for _, l := range links {
		if l.t == a {
			return l.to
		}
	}
	return nil
}

// linked returns the targets of a link that are alive.
func (e *entry) linked(a *attrType) []*entry { return living(e.targets(a)) }

// linkedBy returns the living entries whose link names this one.
func (e *entry) linkedBy(forward *attrType) []*entry { return living(targetsIn(e.back, forward)) }

func living(entries []*entry) []*entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return e.deleted || e.gone })
}

// groups returns the live groups that e is a direct member of.
func (t *tree) groups(e *entry) []*entry { return e.linkedBy(t.types.member) }

// setLinks replaces the targets of a link attribute and keeps the back-links.
func (t *tree) setLinks(e *entry, a *attrType, to []*entry) {
	before := e.targets(a)
	stays, had := setOf(to), setOf(before)
	for _, old := range before {
		if !stays[old] {
			old.back = without(old.back, a, e)
			t.markLink(e, a, old.id)
		}
	}
	for _, target := range to {
		if !had[target] {
			had[target] = true
			target.back = with(target.back, a, e)
			t.markLink(e, a, target.id)
		}
	}
	e.links = slices.DeleteFunc(e.links, func(l link) bool { return l.t == a })
	if len(to) > 0 {
		e.links = append(e.links, link{a, to})
	}
}

// unlink takes an entry out of all links of others, as its deletion does without
// a recycle bin. It is no change of those others. Only what hung below it still
// says where.
func (t *tree) unlink(e *entry) {
	for _, back := range e.back {
		if back.t == t.types.lastKnownParent {
			continue
		}
		for _, from := range back.to {
			from.links = without(from.links, back.t, e)
		}
	}
	e.back = slices.DeleteFunc(e.back, func(l link) bool { return l.t != t.types.lastKnownParent })
}

func setOf(entries []*entry) map[*entry]bool {
	set := make(map[*entry]bool, len(entries))
	for _, e := range entries {
		set[e] = true
	}
	return set
}

func with(links []link, a *attrType, e *entry) []link {
	for i := range links {
		if links[i].t == a {
			links[i].to = append(links[i].to, e)
			return links
		}
	}
	return append(links, link{a, []*entry{e}})
}

// without copies the targets: others may still read them.
func without(links []link, a *attrType, e *entry) []link {
	for i := range links {
		if links[i].t == a {
			links[i].to = slices.DeleteFunc(slices.Clone(links[i].to), func(x *entry) bool { return x == e })
		}
	}
	return links
}
