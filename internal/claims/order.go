package claims

import "slices"

// Kind is what a [Step] does.
type Kind uint8

// The kinds.
const (
	Delete Kind = iota // a leaver goes
	Park               // a claimant trades some keys for ones that nobody wants
	Update             // a claimant gets what it asks for
	Create             // a newcomer arrives
)

// Step is one change of a claimant.
type Step struct {
	Kind     Kind
	Claimant int32
	Parked   [Spaces]bool // which keys a Park gives up
	Needs    []int32      // earlier steps that must succeed first, ascending
}

// Order lists the steps in which the claimants for which writes is true reach
// the solution, so that no key ever is held by two unless it was at the start:
// leavers first; then updates, for each in ascending order first those it needs,
// then itself; then newcomers. The claimants must be sorted, newcomers last.
//
// Updates that wait for each other in a circle are opened by parking the first
// of the circle for which protected is false, or the first if there is none.
func (s *Solution) Order(writes, protected func(i int) bool) []Step {
	o := orderer{
		Solution: s,
		parked:   s.park(protected),
		final:    absent(len(s.claimants)),
		interim:  absent(len(s.claimants)),
	}
	for _, kind := range []Kind{Delete, Update, Create} {
		for i := range s.claimants {
			if s.claimants[i].kind() == kind && writes(i) {
				o.place(int32(i))
			}
		}
	}
	return o.steps
}

func (c *Claimant) kind() Kind {
	switch c.Role {
	case Leaver:
		return Delete
	case Newcomer:
		return Create
	}
	return Update
}

func absent(n int) []int32 { return slices.Repeat([]int32{-1}, n) }

type orderer struct {
	*Solution
	parked         map[int32][Spaces]bool
	final, interim []int32 // by claimant: its steps, or -1
	steps          []Step
}

// visit is a claimant whose step is being placed, and those it still waits for.
type visit struct {
	claimant int32
	waits    []int32
}

// place appends the step of the claimant behind those it needs. The stack is a
// slice because a chain may be as long as the table.
func (o *orderer) place(i int32) {
	if o.final[i] >= 0 {
		return
	}
	stack := []visit{{i, o.waitsFor(i)}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.waits) == 0 {
			o.append(top.claimant)
			stack = stack[:len(stack)-1]
			continue
		}
		next := top.waits[0]
		top.waits = top.waits[1:]
		if o.final[next] < 0 {
			stack = append(stack, visit{next, o.waitsFor(next)})
		}
	}
}

// waitsFor lists the claimants whose own final step must come before that of i.
func (o *orderer) waitsFor(i int32) []int32 {
	var waits []int32
	o.eachHolder(i, func(h int32, space int) {
		if !o.parked[h][space] {
			waits = append(waits, h)
		}
	})
	slices.Sort(waits)
	return slices.Compact(waits)
}

// append places the step of i once all that it needs has been placed, except for the
// parkings.
func (o *orderer) append(i int32) {
	var needs, parkings []int32
	o.eachHolder(i, func(h int32, space int) {
		if o.parked[h][space] {
			parkings = append(parkings, h)
		} else {
			needs = append(needs, o.final[h])
		}
	})
	if _, ok := o.parked[i]; ok {
		parkings = append(parkings, i)
	}
	slices.Sort(parkings)
	for _, h := range slices.Compact(parkings) {
		if o.interim[h] < 0 {
			o.interim[h] = o.add(Step{Kind: Park, Claimant: h, Parked: o.parked[h]})
		}
		needs = append(needs, o.interim[h])
	}
	slices.Sort(needs)
	o.final[i] = o.add(Step{Kind: o.claimants[i].kind(), Claimant: i, Needs: slices.Compact(needs)})
}

func (o *orderer) add(step Step) int32 {
	o.steps = append(o.steps, step)
	return int32(len(o.steps) - 1)
}

// eachHolder calls yield for each other claimant that has a key that i takes.
func (s *Solution) eachHolder(i int32, yield func(h int32, space int)) {
	c := &s.claimants[i]
	if s.lost[i] {
		return
	}
	for space, k := range c.asked() {
		if k < 0 || k == c.Has[space] {
			continue
		}
		for _, h := range s.holders.of(k) {
			if h != i {
				yield(h, space)
			}
		}
	}
}

// edge says that the update of taker needs that of holder, which has the key.
type edge struct {
	taker, holder int32
	space         int
}

// park chooses who is parked, and for which keys.
//
// The rule is: while there is a circle, in the first group (strongly connected
// component) park the first claimant by rank, unprotected ones ranking first,
// which takes it out of every circle. So a claimant is parked just when it is on
// a circle of claimants that do not rank before it: those before it are parked or
// on no circle. Adding claimants from the last rank to the first, that is when
// its own arrival puts it into a group; and the keys to park are those whose taker
// is in the group then.
func (s *Solution) park(protected func(i int) bool) map[int32][Spaces]bool {
	edges := s.updateEdges()
	if len(edges) == 0 {
		return nil
	}
	arrival := s.arrivals(edges, protected)
	g := grouper{edges: edges, groupOf: newForest(len(s.claimants)), met: make([]int32, len(edges))}
	g.opened = make([]int32, len(edges))
	last := int32(0)
	for e, edge := range edges {
		g.opened[e] = max(arrival[edge.taker], arrival[edge.holder])
		last = max(last, g.opened[e])
	}
	all := make([]int32, len(edges))
	for e := range all {
		all[e] = int32(e)
	}
	g.never = last + 1
	g.find(0, g.never, all)

	parked := map[int32][Spaces]bool{}
	for e, edge := range edges {
		if g.met[e] == arrival[edge.holder] {
			keys := parked[edge.holder]
			keys[edge.space] = true
			parked[edge.holder] = keys
		}
	}
	return parked
}

// updateEdges lists who needs whom among winning candidates.
func (s *Solution) updateEdges() []edge {
	var edges []edge
	for i := range s.claimants {
		if s.claimants[i].Role != Candidate {
			continue
		}
		s.eachHolder(int32(i), func(h int32, space int) {
			if s.claimants[h].Role == Candidate {
				edges = append(edges, edge{int32(i), h, space})
			}
		})
	}
	return edges
}

// arrivals gives each claimant that has an edge its turn, the last rank first.
func (s *Solution) arrivals(edges []edge, protected func(i int) bool) []int32 {
	turn := absent(len(s.claimants))
	for _, e := range edges {
		turn[e.taker], turn[e.holder] = 0, 0
	}
	next := int32(0)
	for _, wantProtected := range []bool{true, false} {
		for i := len(turn) - 1; i >= 0; i-- {
			if turn[i] == 0 && protected(i) == wantProtected {
				next++
				turn[i] = next
			}
		}
	}
	return turn
}
