package keyfold

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

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

// Each length goes another way through the words, and each byte has its neighbours
// to disturb.
func TestWordsAreFoldedAsBytesAre(t *testing.T) {
	for n := range 40 {
		text := bytes.Repeat([]byte("x"), n)
		for i := range text {
			for c := range 256 {
				text[i] = byte(c)
				s := string(text)
				if c <= unicode.MaxASCII {
					want := strings.TrimSpace(strings.ToLower(s))
					assert.Equal(t, want, string(Append([]byte("X"), s)[1:]), "%q", s)
					assert.Equal(t, want, Fold(s), "%q", s)
				}
				assert.Equal(t, utf8.ValidString(s), Valid(s), "%q", s)
			}
			text[i] = 'Z' // as a neighbour to those behind it
		}
	}
	assert.True(t, Valid("Müller") && Valid(strings.Repeat("ü", 20)))
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Anna", " ü ", "ß", "\u0345\u0301", "\xff", "ǰ", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		assert.Equal(t, once, Fold(once), "folding twice is folding once")
		assert.Equal(t, "x"+once, string(Append([]byte("x"), s)))
		assert.Equal(t, fold(s), once, "the quick way is the slow one")
		assert.Equal(t, utf8.ValidString(s), Valid(s))
	})
}
