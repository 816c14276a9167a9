package sqlstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestSpelling_IsTrustedOnlyWhileItIsNews(t *testing.T) {
	s := &Store{}
	assert.False(t, s.spellsAlone(), "nothing was read")
	s.noteOwn(0, time.Now())
	assert.True(t, s.spellsAlone())
	s.noteForeign()
	assert.False(t, s.spellsAlone())
	s.noteOwn(0, time.Now())
	assert.False(t, s.spellsAlone(), "another reading, which began later, saw another spelling")
	s.noteOwn(1, time.Now())
	assert.True(t, s.spellsAlone())
	s.noteOwn(1, time.Now().Add(-spellingFor))
	assert.False(t, s.spellsAlone())
}
