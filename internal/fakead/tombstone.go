package fakead

import "slices"

// bury makes a tombstone of an object ([MS-ADTS] 3.1.1.5.5.1): it keeps its
// identity and loses most of the rest. With a recycle bin it keeps all but what makes
// it an account.
func (t *tree) bury(e *entry, keepAll bool) {
	parent := e.parent
	t.place(e, t.deleted, rdn{e.rdn.typ, tombstoneName(e.rdn.value, e.id)})
	e.deleted, e.password = true, ""
	t.set(e, t.types.isDeleted, "TRUE")
	t.setLinks(e, t.types.lastKnownParent, []*entry{parent})
	t.set(e, t.types.sAMAccountType)
	t.set(e, t.types.objectCategory)
	if !keepAll {
		t.strip(e)
	}
	t.touch(e)
}

// strip removes what a tombstone does not keep, and marks it recycled, which is
// what a deleted object becomes at once where there is no recycle bin.
func (t *tree) strip(e *entry) {
	for i := len(e.attrs) - 1; i >= 0; i-- {
		if a := e.attrs[i].t; !a.keep {
			t.set(e, a)
		}
	}
	for _, l := range slices.Clone(e.links) {
		if !l.t.keep {
			t.setLinks(e, l.t, nil)
		}
	}
	t.unlink(e)
	t.set(e, t.types.isRecycled, "TRUE")
}

// tombstoneName is the RDN of a deleted object: what fits of the old one, a
// line feed, and the objectGUID ([MS-ADTS] 3.1.1.5.5).
func tombstoneName(old string, id GUID) string {
	const longest = 75
	runes := []rune(old)
	return string(runes[:min(len(runes), longest)]) + "\nDEL:" + id.String()
}

// unbury brings a deleted object back under a name. What it lost stays lost.
func (t *tree) unbury(e, parent *entry, name rdn) {
	t.place(e, parent, name)
	e.deleted, e.recycled = false, false
	t.set(e, t.types.isDeleted)
	t.set(e, t.types.isRecycled)
	t.setLinks(e, t.types.lastKnownParent, nil)
	class := e.get(t.types.objectClass)
	t.set(e, t.types.objectCategory, t.categoryDN(classTable[fold(class[len(class)-1])].category))
	t.finish(e)
	t.touch(e)
}

// purge ends a tombstone's lifetime: nothing is left.
func (t *tree) purge(e *entry) {
	for i := len(e.attrs) - 1; i >= 0; i-- {
		t.set(e, e.attrs[i].t)
	}
	t.unlink(e)
	for _, l := range slices.Clone(e.links) {
		t.setLinks(e, l.t, nil)
	}
	e.unhang()
	e.gone = true
	t.purged[e.id] = true
}
