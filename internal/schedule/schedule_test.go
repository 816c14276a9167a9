package schedule

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func write(needs ...int) Step { return Step{Kind: Write, Needs: needs, Ends: -1} }

func park() Step { return Step{Kind: Park, Ends: -1} }

func ends(parking int, needs ...int) Step { return Step{Kind: Write, Needs: needs, Ends: parking} }

var roomy = Sizes{500, 500}

// play runs the steps to their end; those named fail.
func play(t *testing.T, r *Run, sizes Sizes, fails map[int]State) (batches [][]int, blocked []Blocked) {
	t.Helper()
	for range len(r.steps) + 1 {
		batch, aside, err := r.Next(sizes)
		require.NoError(t, err)
		if len(batch) == 0 && len(aside) == 0 {
			return batches, blocked
		}
		blocked = append(blocked, aside...)
		if len(batch) > 0 {
			batches = append(batches, batch)
		}
		for _, i := range batch {
			state, fail := fails[i]
			if !fail {
				state = Succeeded
			}
			r.Settle(i, state)
		}
		for _, i := range r.Closed() {
			r.Judge(i)
		}
	}
	t.Fatal("it goes on for ever")
	return nil, nil
}

func TestRun_TakesWhatNeedsNobody(t *testing.T) {
	r := New([]Step{write(), write(0), write(), write(1, 2), {Kind: Tell, Ends: -1}})
	batches, blocked := play(t, r, roomy, nil)
	assert.Equal(t, [][]int{{0, 2}, {1}, {3}}, batches)
	assert.Empty(t, blocked)
	assert.True(t, r.Final(4), "what only tells is final from the start")
}

func TestRun_BlocksWhatNeedsAFailure(t *testing.T) {
	for _, state := range []State{Failed, Unknown} {
		r := New([]Step{write(), write(0), write(1), write()})
		batches, blocked := play(t, r, roomy, map[int]State{0: state})
		assert.Equal(t, [][]int{{0, 3}}, batches)
		assert.Equal(t, []Blocked{{1, 0}, {2, 1}}, blocked)
	}
}

// What waits for itself, or in a circle, would be waited for without an end.
func TestRun_IsStuckInACircle(t *testing.T) {
	for _, steps := range [][]Step{{write(0)}, {write(1), write(0)}, {write(), write(2), write(1)}} {
		r := New(steps)
		for {
			batch, blocked, err := r.Next(roomy)
			if err != nil {
				require.ErrorIs(t, err, ErrStuck)
				break
			}
			require.NotEmpty(t, append(batch, len(blocked)))
			require.NotEmpty(t, batch)
			for _, i := range batch {
				r.Settle(i, Succeeded)
			}
		}
	}
}

func TestRun_FillsBatches(t *testing.T) {
	create := Step{Kind: Create, Ends: -1}
	steps := []Step{create, create, create, write(), create, write(), write()}
	batches, _ := play(t, New(steps), Sizes{2, 3}, nil)
	assert.Equal(t, [][]int{{0, 1, 2}, {3, 4}, {5, 6}}, batches, "three at once where all create")
	batches, _ = play(t, New(steps), Sizes{1, 1}, nil)
	assert.Len(t, batches, 7)
}

func TestRun_DoesNotRunFarAhead(t *testing.T) {
	steps := make([]Step, 0, 2*Ahead)
	steps = append(steps, write(), write(0), write(1))
	for len(steps) < cap(steps) {
		steps = append(steps, write())
	}
	r := New(steps)
	batch, _, err := r.Next(Sizes{len(steps), len(steps)})
	require.NoError(t, err)
	assert.Equal(t, Ahead-1, batch[len(batch)-1])
}

// circles are n users who are parked, each for one taker.
func circles(n int) []Step {
	var steps []Step
	for range n {
		i := len(steps)
		steps = append(steps, park(), write(i), ends(i, i, i+1))
	}
	return steps
}

func TestRun_ParksFewAtATime(t *testing.T) {
	r := New(circles(2*Parked + 1))
	batches, _ := play(t, r, roomy, nil)
	require.Len(t, batches[0], Parked)
	assert.Len(t, batches, 9, "three waves of three steps each")
	parked := 0
	for _, batch := range batches {
		for _, i := range batch {
			switch i % 3 {
			case 0:
				parked++
			case 2:
				parked--
			}
		}
		assert.LessOrEqual(t, parked, Parked)
	}
	assert.Zero(t, parked)
}

// A circle that needs more parkings than may be open gets them, one after the other.
func TestRun_ParksAsManyAsOneCircleTakes(t *testing.T) {
	var steps []Step
	var all []int
	for i := range 3 * Parked {
		steps, all = append(steps, park()), append(all, i)
	}
	steps = append(steps, write(all...))
	for i := range 3 * Parked {
		steps = append(steps, ends(i, i, len(all)))
	}
	batches, blocked := play(t, New(steps), roomy, nil)
	assert.Empty(t, blocked)
	written := 0
	for _, batch := range batches {
		written += len(batch)
	}
	assert.Equal(t, len(steps), written)
}

func TestRun_JudgesTheParked(t *testing.T) {
	for name, test := range map[string]struct {
		states []State // of the parking, its taker and its end
		want   Fate
	}{
		"all went well":           {[]State{Succeeded, Succeeded, Succeeded}, Ended},
		"never parked":            {[]State{Failed, Failed, Failed}, Ended},
		"perhaps parked":          {[]State{Unknown, Failed, Failed}, Ended},
		"the taker failed":        {[]State{Succeeded, Failed, Failed}, Free},
		"the taker may have it":   {[]State{Succeeded, Unknown, Failed}, Stranded},
		"the end failed":          {[]State{Succeeded, Succeeded, Failed}, Stranded},
		"the end may be":          {[]State{Succeeded, Succeeded, Unknown}, Doubtful},
		"cut short":               {[]State{Succeeded, Open, Open}, Free},
		"cut short, and taken":    {[]State{Succeeded, Succeeded, Open}, Stranded},
		"ended without its taker": {[]State{Succeeded, Failed, Succeeded}, Ended},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(circles(1))
			assert.Equal(t, 2, r.End(0))
			open := 0
			for i, state := range test.states {
				if state == Open {
					open++
					continue
				}
				r.Settle(i, state)
			}
			if open == 0 {
				assert.Equal(t, []int{0}, r.Closed())
				assert.Empty(t, r.Closed(), "once")
			} else {
				assert.Empty(t, r.Closed(), "somebody waits")
			}
			assert.Equal(t, []int{0}, r.Left())
			assert.Equal(t, test.states[0] != Succeeded, r.Final(0), "a parking is final when it is judged")
			assert.Equal(t, test.want, r.Judge(0))
			assert.Empty(t, r.Left())
			assert.True(t, r.Final(0))
			assert.Equal(t, Ended, r.Judge(0), "and that is that")
		})
	}
}

// A parking for which nobody waits, as all were settled before, does not count as one.
func TestRun_CountsNobodyWhoIsNotAwaited(t *testing.T) {
	r := New(circles(Parked + 1))
	for i := range 3 * Parked { // done by an earlier run, the last change first
		r.Settle(3*Parked-1-i, Succeeded)
	}
	batch, _, err := r.Next(roomy)
	require.NoError(t, err)
	assert.Equal(t, []int{3 * Parked}, batch)
	assert.Zero(t, r.parked)
}

// What only tells needs nothing and ends nothing.
func TestRun_LeavesTalkAlone(t *testing.T) {
	steps := circles(1)
	steps = append(steps, Step{Kind: Tell, Needs: []int{0}, Ends: 0})
	r := New(steps)
	assert.Equal(t, 2, r.End(0))
	assert.Equal(t, -1, r.End(1))
	batches, _ := play(t, r, roomy, nil)
	assert.Equal(t, [][]int{{0}, {1}, {2}}, batches)
	assert.Empty(t, r.Left(), "nobody waits for talk")
}

// What is blocked does not hold up what comes behind it.
func TestRun_GoesOnBehindTheBlocked(t *testing.T) {
	r := New([]Step{write(), write(0), write()})
	_, _, err := r.Next(Sizes{1, 1})
	require.NoError(t, err)
	r.Settle(0, Failed)
	batch, blocked, err := r.Next(roomy)
	require.NoError(t, err)
	assert.Equal(t, []int{2}, batch)
	assert.Equal(t, []Blocked{{1, 0}}, blocked)
}

// Only who is parked counts as parked.
func TestRun_ParksAmongMany(t *testing.T) {
	steps := make([]Step, 3*Parked)
	for i := range steps {
		steps[i] = write()
	}
	steps = append(steps, park())
	batch, _, err := New(steps).Next(roomy)
	require.NoError(t, err)
	assert.Len(t, batch, len(steps))
}

// A change that takes from two of the parked may be the last that one of them waits for.
func TestRun_ClosesEachParkingByItself(t *testing.T) {
	r := New([]Step{park(), park(), write(0, 1), ends(0, 0, 2)})
	for i := range 3 {
		r.Settle(i, Succeeded)
	}
	assert.Equal(t, []int{1}, r.Closed())
	assert.Equal(t, Stranded, r.Judge(1), "it has no end")
	assert.Equal(t, 1, r.parked)
}
