package keyfold

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"anna", "ANNA", " Anna\t", "\u00a0anna\u2003"},
		{"müller", "MÜLLER", "mu\u0308ller", "MU\u0308LLER"},
		{"strasse", "straße", "STRASSE"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"},
		{"", " ", "\t\n\v\f\r"},
	} {
		for _, s := range same {
			assert.Equal(t, Fold(same[0]), Fold(s), "%q", s)
		}
	}
	assert.NotEqual(t, Fold("muller"), Fold("müller"), "accents tell people apart")
	assert.Equal(t, "anna b", Fold(" Anna B "))
}

func TestAppendASCIIDoesNotAllocate(t *testing.T) {
	buffer := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buffer = Append(buffer[:0], " Anna.Berg@Corp.Example ") }))
	assert.Equal(t, "anna.berg@corp.example", string(buffer))
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Anna", " ü ", "ß", "\u0345\u0301", "\xff", "ǰ", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		assert.Equal(t, once, Fold(once), "folding twice is folding once")
		assert.Equal(t, "x"+once, string(Append([]byte("x"), s)))
	})
}
