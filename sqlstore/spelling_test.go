package sqlstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestSpelling_IsTrustedOnlyWhileItIsNews(t *testing.T) {
	synctest.Test(t, isTrustedOnlyWhileItIsNews) // whose clock is known
}

func isTrustedOnlyWhileItIsNews(t *testing.T) {
	s := &spelling{}
	assert.False(t, s.alone(), "nothing was read")
	s.noteOwn(0, time.Now())
	assert.True(t, s.alone())
	s.noteForeign()
	assert.False(t, s.alone())
	s.noteOwn(0, time.Now())
	assert.False(t, s.alone(), "another reading, which began later, saw another spelling")
	s.noteOwn(1, time.Now())
	assert.True(t, s.alone())
	s.noteOwn(1, time.Now().Add(1-spellingFor))
	assert.True(t, s.alone())
	s.noteOwn(1, time.Now().Add(-spellingFor))
	assert.False(t, s.alone())
}
