package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table fits the code: each clause is there, once, and is told once.
func TestClauses_AreInTheCode(t *testing.T) {
	dir, err := root()
	require.NoError(t, err)
	told := map[string]bool{}
	for _, c := range clauses {
		_, err := c.without(dir)
		assert.NoError(t, err)
		assert.False(t, told[c.why], c.why)
		told[c.why] = true
	}
}
