package adsync

import (
	"iter"
	"slices"
)

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

// maxForms is how many forms of an entry Rules.Map is asked about.
const maxForms = 1000

// forms goes through the entry with each of its values taken, the marked one or not, so that
// every key that it has occurs in one of them. What Rules.Map makes of a form may follow from
// several details: with a Map there is one for each combination, or where those are too many
// for each of these users the one that it would get.
func (r *Rules) forms(e *Entry, users []*User) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		if (e.Others == Extra{}) {
			yield(e)
			return
		}
		several := e.several()
		most, all := 1, 1
		for _, d := range several {
			most, all = max(most, len(d.values)), min(all*len(d.values), maxForms+1)
		}
		if r.Map != nil && all > maxForms {
			for _, u := range users {
				if !yield(r.chosen(u, e)) {
					return
				}
			}
			return
		}
		if r.Map == nil {
			all = most // as each key follows from its own detail
		}
		for n := range all {
			form := *e
			for _, d := range several {
				form.Profile = form.With(d.field, d.values[n%len(d.values)])
				if r.Map != nil {
					n /= len(d.values)
				}
			}
			if !yield(&form) {
				return
			}
		}
	}
}

// severalValues are all that an entry has of one detail.
type severalValues struct {
	field  Field
	values []string
}

// several lists the details of which the entry has several values.
func (e *Entry) several() (list []severalValues) {
	for f := range e.Others.blocks() {
		all := append(e.Others.Set(f), e.Get(f))
		list = append(list, severalValues{f, NewExtra(map[Field][]string{f: all}).Set(f)})
	}
	return list
}
