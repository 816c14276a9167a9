package ldapread

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// However high the numbers are, the search for the latest objects gets to the first one.
func TestLatest_EndsAtTheFirstNumber(t *testing.T) {
	for _, usn := range []int64{0, 1, 63, 64, 65, 1 << 20, 1 << 62, math.MaxInt64} {
		var from []int64
		for n := range downFrom(usn) {
			if from = append(from, n); len(from) > 64 {
				break
			}
		}
		assert.Equal(t, int64(1), from[len(from)-1], usn)
		assert.Len(t, slices.Compact(slices.Clone(from)), len(from), "each once: %d", usn)
		assert.True(t, slices.IsSortedFunc(from, func(a, b int64) int { return int(min(max(b-a, -1), 1)) }), from)
	}
	assert.Equal(t, []int64{937, 1}, slices.Collect(downFrom(1000)))
}

// What names other objects changes with their names, and what is computed or is each
// controller's own with no number of the account's.
func TestPlain_IsTheAccountsOwn(t *testing.T) {
	const text = "2.5.5.12"
	assert.True(t, isOwn(text, "", ""))
	assert.True(t, isOwn(text, "", "16"))
	for _, other := range [][3]string{
		{"", "", ""},
		{"2.5.5.1", "", ""},
		{"2.5.5.7", "", ""},
		{"2.5.5.14", "", ""},
		{text, "42", ""},
		{text, "", "1"},
		{text, "", "20"},
		{text, "", "many"},
	} {
		assert.False(t, isOwn(other[0], other[1], other[2]), other)
	}
}
