package adsync

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Nothing begins when nobody would wait for it any more.
func TestStarter_StartsNothingAfterItsEnd(t *testing.T) {
	began := false
	s := starter{run: func() error { began = true; return nil }}
	assert.Nil(t, s.end())
	s.start()
	require.NoError(t, s.end().wait())
	assert.False(t, began)
}

// What was started before the end is waited for.
func TestStarter_StartsOnce(t *testing.T) {
	began := 0
	s := starter{run: func() error { began++; return nil }}
	s.start()
	s.start()
	require.NoError(t, s.end().wait())
	assert.Equal(t, 1, began)
}
