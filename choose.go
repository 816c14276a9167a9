package adsync

import "slices"

// chosen is the entry with just one value of each detail of which it has several: of those
// that the directory marks none, the one that the user has, else the least. It follows
// from this user and this entry alone, so that nobody is given another value because the
// first was lost to a rival.
func (r *Rules) chosen(u *User, e *Entry) *Entry {
	if (e.Others == Extra{}) {
		return e
	}
	chosen := *e
	for f := range e.Others.blocks() {
		switch {
		case slices.Contains(details[:], f):
			if text := chosen.detail(f); *text == "" {
				*text = r.choose(f, e.Others.Set(f), *u.detail(f))
			}
		case f.isExtra() && chosen.Extra.block(f) == "":
			chosen.Extra = chosen.Extra.With(f, r.choose(f, e.Others.Set(f), u.Extra.Text(f)))
		}
	}
	return &chosen
}

// choose takes the value that the user has, or the least. Keys are compared as such, and
// taken in the directory's spelling.
func (r *Rules) choose(f Field, values []string, has string) string {
	if slices.Contains(values, has) {
		return has
	}
	if slices.Contains(keySpaces[:], f) && r.isKey(f) && has != "" {
		key := r.key(has)
		for _, value := range values {
			if r.key(value) == key {
				return value
			}
		}
	}
	return values[0]
}

// agree reports whether the entries do not contradict each other once one value was taken
// of several for the user. Rules.Map may look at all of them.
func (s *scope) agree(u *User, a, b *Entry) bool {
	if s.rules.Map != nil && a.Others != b.Others {
		return false
	}
	return sameEntry(s.rules.chosen(u, a), s.rules.chosen(u, b))
}
