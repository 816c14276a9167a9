package fakead

import (
	"cmp"
	"slices"
	"strconv"
)

// numbered is an object that was given a number, which may not be its last one.
type numbered struct {
	usn   int64
	entry *entry
}

// since are the objects with that number or a higher one.
func (t *tree) since(usn int64) []*entry {
	from, _ := slices.BinarySearchFunc(t.numbered, usn, func(n numbered, usn int64) int { return cmp.Compare(n.usn, usn) })
	var hits []*entry
	for _, n := range t.numbered[from:] {
		if n.entry.first(t.types.usnChanged) == strconv.FormatInt(n.usn, 10) {
			hits = append(hits, n.entry)
		}
	}
	slices.SortFunc(hits, func(a, b *entry) int { return a.seq - b.seq })
	return slices.Compact(hits)
}

// peopleClasses are those of nearly all objects, which an index would not narrow.
var peopleClasses = []string{"top", "person", "organizationalperson", "user"}

// classify enters an object under its classes.
func (t *tree) classify(e *entry, classes []string) {
	for _, class := range classes {
		if key := fold(class); !slices.Contains(peopleClasses, key) {
			t.classes[key] = append(t.classes[key], e)
		}
	}
}

// candidates narrows a search to the entries that an index says may match. ok
// is false when no index helps; then every entry may.
func (t *tree) candidates(f *filter) (hits []*entry, ok bool) {
	switch f.op {
	case filterEqual:
		return t.indexed(f)
	case filterGreater:
		if f.attr == t.types.usnChanged && f.valid {
			usn, err := strconv.ParseInt(f.value, 10, 64)
			return t.since(usn), err == nil
		}
	case filterAnd:
		return t.narrowest(f.kids)
	case filterOr:
		return t.union(f.kids)
	}
	return nil, false
}

func (t *tree) indexed(f *filter) ([]*entry, bool) {
	switch {
	case f.attr == nil || !f.valid:
		return nil, false
	case f.attr == t.types.dn:
		if e := t.named(f.value); e != nil {
			return []*entry{e}, true
		}
		return nil, true
	case f.attr.forward != nil:
		if target := t.named(f.value); target != nil {
			return target.linked(f.attr.forward), true
		}
		return nil, true
	case f.attr == t.types.objectClass && !slices.Contains(peopleClasses, fold(f.value)):
		return t.classes[fold(f.value)], true
	case f.attr.indexed:
		return t.index[f.attr][f.key], true
	}
	return nil, false
}

// narrowest takes the shortest list among those that an index gives: all kids
// of an AND must match, so any one of the lists will do.
func (t *tree) narrowest(kids []*filter) (best []*entry, ok bool) {
	for _, kid := range kids {
		if hits, found := t.candidates(kid); found && (!ok || len(hits) < len(best)) {
			best, ok = hits, true
		}
	}
	return best, ok
}

// union needs an index for each kid of an OR.
func (t *tree) union(kids []*filter) ([]*entry, bool) {
	var all []*entry
	for _, kid := range kids {
		hits, ok := t.candidates(kid)
		if !ok {
			return nil, false
		}
		all = append(all, hits...)
	}
	slices.SortFunc(all, func(a, b *entry) int { return a.seq - b.seq })
	return slices.Compact(all), true
}

// narrows tells whether a domain controller would answer from an index.
func (t *tree) narrows(f *filter) bool {
	switch f.op {
	case filterEqual:
		return f.attr != nil && f.valid && (f.attr.indexed || f.attr.looked || f.attr.syntax == syntaxLink)
	case filterAnd:
		return slices.ContainsFunc(f.kids, t.narrows)
	case filterOr:
		return len(f.kids) > 0 && !slices.ContainsFunc(f.kids, func(kid *filter) bool { return !t.narrows(kid) })
	}
	return false
}
