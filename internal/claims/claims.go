// Package claims decides who may hold which key, and in which order the holders
// change. It knows nothing of users: claimants and keys are small integers, and
// the answers depend on nothing but the arguments.
//
// # Who may hold what
//
// A claimant holds at most one key in each of two spaces and may ask for others.
// A candidate loses when, for a key it asks for, another claimant
//
//  1. holds it now and keeps it: because it is fixed, has lost, or keeps or asks
//     for it; or
//  2. is a candidate that asks for it too, while the first does not hold it.
//
// Losing never takes a reason to lose away from anybody: line 1 only gains
// keepers, and line 2 counts candidates whether they have lost or not. So the
// rule is monotone, and the sets of losers that satisfy it have a least one:
// what is reached by starting with nobody and adding those who must lose until
// nobody must. Every order of adding reaches the same set (Tarski, Knaster).
//
// A newcomer holds nothing. It is blocked by claimants of any kind and by other
// newcomers, and blocks no claimant that is not one: so newcomers are judged
// last.
//
// Each winner then is the only one to end with its key: a second asker would
// have made both lose unless one of them held it, and a holder that stays would
// have made the asker lose. So a key has at most one taker.
package claims

import "slices"

// Key is the number of a key, from 0. The two spaces share one numbering, so
// that a key belongs to one space only.
type Key int32

const (
	// None is no key.
	None Key = -1
	// Same in Asks means that the claimant keeps what it has, untested.
	Same Key = -2
)

// Role is what a claimant may do.
type Role uint8

// The roles.
const (
	Fixed     Role = iota // stays as it is
	Leaver                // goes, and frees what it has
	Candidate             // wants what it asks for instead of what it has
	Newcomer              // has nothing yet, and wants what it asks for
)

// Spaces is the number of name spaces: usernames and email addresses.
const Spaces = 2

// Claimant is one who holds keys or asks for some. Only a Candidate or Newcomer
// asks; a Newcomer has nothing.
type Claimant struct {
	Role Role
	Has  [Spaces]Key
	Asks [Spaces]Key
}

// holds reports whether c has k now.
func (c *Claimant) holds(k Key) bool { return c.Has[0] == k || c.Has[1] == k }

// givesUp reports whether c wants to be without the key it has in the space.
func (c *Claimant) givesUp(space int) bool {
	switch c.Role {
	case Leaver:
		return true
	case Candidate:
		return c.Asks[space] != Same && c.Asks[space] != c.Has[space]
	}
	return false
}

// Verdict says why a claimant lost a key.
type Verdict uint8

// The verdicts, from the weakest to the strongest.
const (
	Won       Verdict = iota
	Waiting           // every rival is itself blocked and wants to give the key up
	Contested         // others ask for it too
	Taken             // somebody keeps it
)

// Solution is the answer of [Solve].
type Solution struct {
	claimants []Claimant
	holders   lists  // by key: those that have it now
	askers    lists  // by key: those that ask for it
	counts    counts // by key
	lost      []bool
	queue     []int32 // losers whose loss has not spread yet
}

// counts holds numbers of claimants by key.
type counts struct {
	stayers  []int32 // have it and do not want to give it up
	keepers  []int32 // the stayers, and losers that have it and wanted to give it up
	asking   []int32 // candidates that ask for it and do not have it
	arriving []int32 // newcomers that ask for it
}

// Solve finds the least set of losers. Its cost is linear in the claimants.
func Solve(claimants []Claimant, keys int) *Solution {
	s := &Solution{
		claimants: claimants,
		holders:   listsOf(claimants, keys, func(c *Claimant) [Spaces]Key { return c.Has }),
		askers:    listsOf(claimants, keys, (*Claimant).asked),
		counts:    countsOf(claimants, keys),
		lost:      make([]bool, len(claimants)),
	}
	s.judge(Candidate)
	s.spread()
	s.judge(Newcomer)
	return s
}

// asked is what the claimant asks for; Same is not asking.
func (c *Claimant) asked() [Spaces]Key {
	if c.Role != Candidate && c.Role != Newcomer {
		return [Spaces]Key{None, None}
	}
	return c.Asks
}

// countsOf counts as things stand before anybody is judged.
func countsOf(claimants []Claimant, keys int) counts {
	n := counts{
		stayers:  make([]int32, keys),
		asking:   make([]int32, keys),
		arriving: make([]int32, keys),
	}
	for i := range claimants {
		c := &claimants[i]
		for space := range Spaces {
			if k := c.Has[space]; k >= 0 && !c.givesUp(space) {
				n.stayers[k]++
			}
			switch k := c.asked()[space]; {
			case k < 0 || k == c.Has[space]:
			case c.Role == Newcomer:
				n.arriving[k]++
			default:
				n.asking[k]++
			}
		}
	}
	n.keepers = slices.Clone(n.stayers)
	return n
}

// judge makes those of one role lose that must lose as things stand.
func (s *Solution) judge(role Role) {
	for i := range s.claimants {
		if c := &s.claimants[i]; c.Role == role && (s.mustLose(c, c.Asks[0]) || s.mustLose(c, c.Asks[1])) {
			s.lose(int32(i))
		}
	}
}

// mustLose applies the two lines of the rule to one key.
func (s *Solution) mustLose(c *Claimant, k Key) bool {
	if k < 0 {
		return false
	}
	return s.otherKeepers(c, k) > 0 || s.otherAskers(c, k) > 0
}

// otherKeepers counts those of line 1. One that has the key it asks for is
// itself among the stayers.
func (s *Solution) otherKeepers(c *Claimant, k Key) int32 {
	if c.holds(k) {
		return s.counts.keepers[k] - 1
	}
	return s.counts.keepers[k]
}

// otherAskers counts those of line 2 that line 1 does not count already.
func (s *Solution) otherAskers(c *Claimant, k Key) int32 {
	switch {
	case c.Role == Newcomer:
		return s.counts.asking[k] + s.counts.arriving[k] - 1
	case c.holds(k):
		return 0
	}
	return s.counts.asking[k] - 1
}

func (s *Solution) lose(i int32) {
	if !s.lost[i] {
		s.lost[i] = true
		s.queue = append(s.queue, i)
	}
}

// spread lets each loser keep what it has, and those lose who asked for that.
func (s *Solution) spread() {
	for len(s.queue) > 0 {
		last := len(s.queue) - 1
		c := &s.claimants[s.queue[last]]
		s.queue = s.queue[:last]
		for space, k := range c.Has {
			if k < 0 || !c.givesUp(space) {
				continue // it has been counted as a keeper from the start
			}
			s.counts.keepers[k]++
			if s.counts.keepers[k] > 2 {
				continue // at two keepers every candidate that asks has lost
			}
			for _, asker := range s.askers.of(k) {
				s.lose(asker) // also one that has it, too: the two keep it from each other
			}
		}
	}
}

// Lost reports whether the claimant does not get what it asks for.
func (s *Solution) Lost(i int) bool { return s.lost[i] }

// Verdict says why the claimant does not get the key it asks for in the space.
// It is Won where nobody stands in its way there, even when it lost by its other
// key.
func (s *Solution) Verdict(i, space int) Verdict {
	c := &s.claimants[i]
	k := c.asked()[space]
	if k < 0 {
		return Won
	}
	stayers := s.counts.stayers[k]
	if c.holds(k) {
		stayers--
	}
	switch {
	case stayers > 0:
		return Taken
	case s.otherAskers(c, k) > 0:
		return Contested
	case s.otherKeepers(c, k) > 0:
		return Waiting
	}
	return Won
}

// keeps reports whether the claimant ends with the key that it has in the space.
func (s *Solution) keeps(i int32, space int) bool {
	return !s.claimants[i].givesUp(space) || s.lost[i]
}

// Rivals returns the others that keep the key asked for in the space or ask for
// it too, in ascending order: the first of them up to limit, and how many there
// are.
func (s *Solution) Rivals(i, space, limit int) (first []int32, total int) {
	c := &s.claimants[i]
	k := c.asked()[space]
	if k < 0 {
		return nil, 0
	}
	total = int(s.otherKeepers(c, k) + s.otherAskers(c, k))
	holders, askers := s.holders.of(k), s.askers.of(k)
	for len(first) < min(limit, total) { // a merge: both are ascending
		if len(askers) == 0 || len(holders) > 0 && holders[0] <= askers[0] {
			if h := holders[0]; int(h) != i && s.keeps(h, space) {
				first = append(first, h)
			}
			holders = holders[1:]
			continue
		}
		if a := askers[0]; int(a) != i && s.asksAgainst(c, &s.claimants[a], k) {
			first = append(first, a)
		}
		askers = askers[1:]
	}
	return first, total
}

// asksAgainst reports whether other, which asks for k, bars c by asking. One
// that holds k too was counted among the holders.
func (s *Solution) asksAgainst(c, other *Claimant, k Key) bool {
	return !other.holds(k) && !c.holds(k) && (other.Role == Candidate || c.Role == Newcomer)
}

// lists holds a list of claimants for each key, in ascending order, in two
// slices.
type lists struct {
	start []int32
	items []int32
}

func (l *lists) of(k Key) []int32 { return l.items[l.start[k]:l.start[k+1]] }

// listsOf gathers the claimants by the keys that keysOf gives, by counting.
func listsOf(claimants []Claimant, keys int, keysOf func(*Claimant) [Spaces]Key) lists {
	l := lists{start: make([]int32, keys+2)}
	for i := range claimants {
		for _, k := range keysOf(&claimants[i]) {
			if k >= 0 {
				l.start[k+2]++
			}
		}
	}
	for k := 2; k < len(l.start); k++ {
		l.start[k] += l.start[k-1]
	}
	l.items = make([]int32, l.start[keys+1])
	for i := range claimants {
		for _, k := range keysOf(&claimants[i]) {
			if k >= 0 {
				l.items[l.start[k+1]] = int32(i)
				l.start[k+1]++
			}
		}
	}
	return l
}
