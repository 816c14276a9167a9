package claims

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
)

// both is a candidate in both spaces.
func both(has, asks [Spaces]Key) Claimant { return Claimant{Role: Candidate, Has: has, Asks: asks} }

func TestOrder_OfBothSpaces(t *testing.T) {
	for name, test := range map[string]struct {
		world []Claimant
		want  []Step
	}{
		"one that two need comes once": {
			world: []Claimant{both([2]Key{0, 4}, [2]Key{2, 4}), both([2]Key{1, 5}, [2]Key{1, 6}), both([2]Key{2, 6}, [2]Key{3, 7})},
			want: []Step{
				{Kind: Update, Claimant: 2},
				{Kind: Update, Claimant: 0, Needs: []int32{0}},
				{Kind: Update, Claimant: 1, Needs: []int32{0}},
			},
		},
		"two that one needs come in ascending order": {
			world: []Claimant{both([2]Key{0, 4}, [2]Key{2, 5}), both([2]Key{1, 5}, [2]Key{1, 7}), both([2]Key{2, 6}, [2]Key{3, 6})},
			want: []Step{
				{Kind: Update, Claimant: 1},
				{Kind: Update, Claimant: 2},
				{Kind: Update, Claimant: 0, Needs: []int32{0, 1}},
			},
		},
		"and so do two that are parked for one": {
			world: []Claimant{both([2]Key{0, 4}, [2]Key{2, 5}), both([2]Key{1, 5}, [2]Key{1, 4}), both([2]Key{2, 6}, [2]Key{0, 6})},
			want: []Step{
				{Kind: Park, Claimant: 1, Parked: [2]bool{false, true}},
				{Kind: Park, Claimant: 2, Parked: [2]bool{true, false}},
				{Kind: Update, Claimant: 0, Needs: []int32{0, 1}},
				{Kind: Update, Claimant: 1, Needs: []int32{0, 2}},
				{Kind: Update, Claimant: 2, Needs: []int32{1, 2}},
			},
		},
	} {
		s := Solve(test.world, worldKeys)
		steps := s.Order(changes(test.world, s), func(i int) bool { return i == 0 })
		assert.Empty(t, cmp.Diff(test.want, steps), name)
	}
}

// Whoever lost its keys may be written for something else, and waits for nobody then.
func TestOrder_LosersNeedNobody(t *testing.T) {
	world := []Claimant{candidate(0, 1), fixed(1)}
	s := Solve(world, worldKeys)
	assert.True(t, s.Lost(0))
	steps := s.Order(func(i int) bool { return i == 0 }, nobody)
	assert.Empty(t, cmp.Diff([]Step{{Kind: Update, Claimant: 0}}, steps))
}
