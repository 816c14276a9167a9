// Package schedule decides which changes of a plan may be written now, which of them
// stand aside, and what becomes of users who are parked. It knows nothing of users and
// stores: changes are numbered from 0, and the answers depend on nothing but the arguments.
//
// # Rounds
//
// A plan is written in rounds. Each takes, in the plan's order, changes all of whose
// needs are settled, and as many as a batch holds; those of a failed need are blocked. A
// change may be written before an earlier one that still waits, but not from far behind
// it, because results are reported in order.
//
// # Parking
//
// A change that parks its user opens a circle: it takes a temporary name, others take
// what it had, and a last change of the same user ends it. Only a few users are parked
// at a time, unless one circle takes more, so that few stay so when a run is cut short.
// When nobody waits for a parking any more it closes: its user has ended, or is put
// back, or must be left, as another has what it had.
package schedule

import (
	"errors"
	"iter"
	"maps"
	"slices"
)

// Kind is what a change does.
type Kind uint8

// The kinds.
const (
	Tell   Kind = iota // writes nothing
	Write              // writes to a user who is there
	Create             // adds one
	Park               // writes a temporary name
)

// Step is one change.
type Step struct {
	Kind  Kind
	Needs []int // earlier changes that must succeed first
	Ends  int   // the parking of the same user that it ends; -1 for none
}

// State is how a change stands.
type State uint8

// The states. A change that is Open is settled once, and then stays as it is.
const (
	Open      State = iota
	Succeeded       // it is written
	Unknown         // it may be written
	Failed          // it is not written
)

const (
	// Ahead is how far past the first open change another may be written.
	Ahead = 5000
	// Parked is how many users may be parked at a time.
	Parked = 10
)

// ErrStuck is returned when the changes that are open wait for each other.
var ErrStuck = errors.New("the changes that are left wait for each other")

// Sizes are how many changes a batch holds, and how many where all of them create.
type Sizes struct{ Changes, Creates int }

// full reports whether there is no room for one more in addition to n, when creates of
// all of them create.
func (s Sizes) full(n, creates int) bool {
	if creates == n+1 {
		return n >= s.Creates
	}
	return n >= s.Changes
}

// Blocked is a change that stands aside because one that it needs did not succeed.
type Blocked struct{ Step, Need int }

// Run is one application of a plan.
type Run struct {
	steps    []Step
	states   []State
	parkings map[int]*parking // that are not judged yet, by the step that parks
	closed   []int            // of those, for whom nobody waits any more
	parked   int              // users who are parked now
	first    int              // the first step that is open
}

// parking is what became of those that wait for a step that parks.
type parking struct {
	takers []int
	end    int // -1: there is none
	waits  int // how many of them are open
}

// New begins a run.
func New(steps []Step) *Run {
	r := &Run{steps: steps, states: make([]State, len(steps)), parkings: map[int]*parking{}}
	for i := range steps {
		if steps[i].Kind == Park {
			r.parkings[i] = &parking{end: -1}
		}
		for _, p := range r.awaited(i) {
			p.waits++
			p.takers = append(p.takers, i)
		}
		if p := r.parkings[steps[i].Ends]; p != nil && steps[i].Kind != Tell {
			p.end = i
		}
	}
	return r
}

// awaited yields the parkings that the step needs, each with the step that parks.
func (r *Run) awaited(i int) iter.Seq2[int, *parking] {
	return func(yield func(int, *parking) bool) {
		if r.steps[i].Kind == Tell {
			return
		}
		for _, need := range r.steps[i].Needs {
			if p := r.parkings[need]; p != nil && !yield(need, p) {
				return
			}
		}
	}
}

// End returns the change that ends the parking, or -1.
func (r *Run) End(i int) int {
	if p := r.parkings[i]; p != nil {
		return p.end
	}
	return -1
}

// Next takes the next batch, each of which is to be settled before Next is called again,
// and names the steps that stand aside, which it has settled. Neither of the two is the
// end of the run.
func (r *Run) Next(sizes Sizes) (batch []int, blocked []Blocked, err error) {
	for r.first < len(r.steps) && r.Settled(r.first) {
		r.first++
	}
	parked, creates, end := r.parked, 0, len(r.steps)
	for i := r.first; i < end; i++ {
		kind := r.steps[i].Kind
		switch {
		case r.Settled(i):
		case r.waits(i), kind == Park && parked >= Parked && i > r.first:
			end = min(end, r.first+Ahead)
		default:
			if need := r.failedNeed(i); need >= 0 {
				r.Settle(i, Failed)
				blocked = append(blocked, Blocked{i, need})
				continue
			}
			if kind == Create {
				creates++
			}
			if sizes.full(len(batch), creates) {
				return batch, blocked, nil
			}
			batch = append(batch, i)
			if kind == Park {
				parked++
			}
		}
	}
	if len(batch) == 0 && len(blocked) == 0 && r.first < len(r.steps) {
		return nil, nil, ErrStuck
	}
	return batch, blocked, nil
}

// Settled reports whether there is nothing left to do about the step, as is the case for
// one that only reports.
func (r *Run) Settled(i int) bool { return r.steps[i].Kind == Tell || r.states[i] != Open }

// waits reports whether a need of the step is open.
func (r *Run) waits(i int) bool {
	return slices.ContainsFunc(r.steps[i].Needs, func(need int) bool { return !r.Settled(need) })
}

// failedNeed returns a need that did not succeed, or -1.
func (r *Run) failedNeed(i int) int {
	for _, need := range r.steps[i].Needs {
		if r.states[need] != Succeeded {
			return need
		}
	}
	return -1
}

// Settle tells what became of an open step.
func (r *Run) Settle(i int, state State) {
	r.states[i] = state
	if p := r.parkings[i]; p != nil && p.waits > 0 && state == Succeeded {
		r.parked++
	}
	for need, p := range r.awaited(i) {
		p.waits--
		if p.waits > 0 {
			continue
		}
		r.closed = append(r.closed, need)
		if r.states[need] == Succeeded {
			r.parked--
		}
	}
}

// Closed returns the parkings for whom nobody waits any more, and that were not returned
// before. Each is to be judged.
func (r *Run) Closed() []int {
	closed := r.closed
	r.closed = nil
	return closed
}

// Left returns the parkings that are not judged, in order: at the end of a run that was
// cut short, when nobody will come for them any more.
func (r *Run) Left() []int { return slices.Sorted(maps.Keys(r.parkings)) }

// Fate is what is to become of a user who was to be parked.
type Fate uint8

// The fates.
const (
	Ended    Fate = iota // its last change is written, or it never was parked
	Doubtful             // its last change may be written
	Stranded             // another has, or may have, what it had: it cannot go back
	Free                 // nobody has what it had: it can be put back
)

// Judge says what is to become of the user of a parking, which is final by then.
func (r *Run) Judge(i int) Fate {
	p := r.parkings[i]
	delete(r.parkings, i)
	used := func(k int) bool { return r.states[k] == Succeeded || r.states[k] == Unknown }
	switch {
	case p == nil || r.states[i] != Succeeded:
		return Ended
	case p.end >= 0 && r.states[p.end] == Succeeded:
		return Ended
	case p.end >= 0 && r.states[p.end] == Unknown:
		return Doubtful
	case slices.ContainsFunc(p.takers, used):
		return Stranded
	}
	return Free
}

// Final reports whether what became of the step does not change any more: of a parking,
// when it is judged.
func (r *Run) Final(i int) bool {
	return r.Settled(i) && (r.parkings[i] == nil || r.states[i] != Succeeded)
}
