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
		{"", " ", "\t\n\v\f\r", "\u200b", "\ufeff \u2060"},
		{"anna", "ａｎｎａ", "ＡＮＮＡ", "an\u200bna", "an\u00adna", "\ufeffanna", "anna\ufe0f", "an\U000e0041na", "an\u202ena", "anna\u3164"},
		{"office", "oﬃce", "oﬀice", "OFFICE", "O\u200dFFICE"},
		{"x@corp.example", "x＠corp．example", "x@corp\u2024example"},
		{"12", "１２", "¹²", "①②"},
		{"Ꭰ", "ꭰ"}, {"Ᏸ", "ᏸ"},
		{"tel", "℡", "TEL"},
		{"α\u0302ι", "ᾳ\u0302", "ᾼ\u0302", "α\u0302\u0345"}, {"α\u20d0ι", "ᾳ\u20d0"}, {"α\u1dc4ι", "ᾳ\u1dc4"}, // an iota subscript goes behind the other marks
		{"é", "e\u200b\u0301", "E\u034f\u0301"}, // what is composed once nothing stands between
	} {
		for _, s := range same {
			assert.Equal(t, Fold(same[0]), Fold(s), "%q", s)
		}
	}
	for small, large := range map[string]string{"ꭰ": "Ꭰ", "ꮿ": "Ꮿ", "ᏸ": "Ᏸ", "ᏽ": "Ᏽ"} { // Cherokee folds to its capitals
		assert.Equal(t, large, Fold(small))
		assert.Equal(t, large, Fold(large))
	}
	assert.NotEqual(t, Fold("muller"), Fold("müller"), "accents tell people apart")
	assert.NotEqual(t, Fold("anna"), Fold("аnna"), "and so do scripts")
	assert.NotEqual(t, Fold("a\u200bb"), Fold("a b"), "what is ignored is no space")
	assert.Equal(t, "anna b", Fold(" Anna B "))
}

func TestBlank(t *testing.T) {
	for _, s := range []string{" ", "\t\n\v\f\r", "\u00a0", "\u0085 \u2003\u2028\u3000"} {
		assert.True(t, Blank(s), "%q", s)
	}
	for _, s := range []string{"", "a", " a", "\u00a0a", "\u200b", "\x00", "\xff", "é"} {
		assert.False(t, Blank(s), "%q", s)
	}
}

func TestAppendASCII_DoesNotAllocate(t *testing.T) {
	buffer := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buffer = Append(buffer[:0], " Anna.Berg@Corp.Example ") }))
	assert.Equal(t, "anna.berg@corp.example", string(buffer))
}

// Each length takes another path through the words, and each byte has neighbours that it
// could disturb.
func TestFold_WordsAsBytesAre(t *testing.T) {
	for n := range 40 {
		text := bytes.Repeat([]byte("x"), n)
		for i := range text {
			for c := range 256 {
				text[i] = byte(c)
				s := string(text)
				if c <= unicode.MaxASCII {
					want := strings.TrimSpace(strings.ToLower(s))
					if got := string(Append([]byte("X"), s)); got != "X"+want || Fold(s) != want {
						t.Fatalf("%q folds to %q, and is appended as %q", s, Fold(s), got)
					}
				}
				if Valid(s) != utf8.ValidString(s) {
					t.Fatalf("%q", s)
				}
			}
			text[i] = 'Z' // as a neighbour to those behind it
		}
	}
	assert.True(t, Valid("Müller") && Valid(strings.Repeat("ü", 20)))
}

func TestDeceives(t *testing.T) {
	for _, s := range []string{"a\nb", "a\x00", "\x7f", "a\u0085", "\u202eanna", "an\u200fna", "a\u2066", "\u061c", "a\u2028"} {
		assert.True(t, Deceives(s), "%+q", s)
	}
	for _, s := range []string{"", "anna", "Jürgen Müller", "王小明", "עברית", "سارا", "an\u200dna", "a\u00a0b", "😀"} {
		assert.False(t, Deceives(s), "%+q", s)
	}
}

// Folding what is folded changes nothing, whatever stands next to a character; otherwise
// a key that was stored folded would be another one.
func TestFold_IsStable(t *testing.T) {
	for r := range unicode.MaxRune + 1 {
		if !utf8.ValidRune(r) || r >= 0x20000 && !unicode.IsGraphic(r) && !ignorable(r) {
			continue // a long stretch of nothing
		}
		if r >= 0x3400 && r < 0xA000 || r >= 0x20000 && r < 0x2F800 || r > 0x30000 && r < 0xE0000 {
			continue // ideographs, which have neither case nor other forms
		}
		assertStable(t, r)
	}
}

// The scripts that have ways of their own, by themselves, since all of them take long.
func TestFold_IsStableWhereScriptsDiffer(t *testing.T) {
	for _, span := range [][2]rune{{0, 0x250}, {0x2FF, 0x401}, {0x139F, 0x1401}, {0x1EFF, 0x2001}, {0xAB6F, 0xABC0}, {0xFE00, 0xFFFD}} {
		for r := span[0]; r <= span[1]; r++ {
			assertStable(t, r)
		}
	}
}

func assertStable(t *testing.T, r rune) {
	t.Helper()
	if full := foldFully(string(r)); Fold(string(r)) != full {
		t.Fatalf("%U folds to %+q on the quick way, and to %+q on the slow one", r, Fold(string(r)), full)
	}
	for _, s := range []string{"a" + string(r) + "\u0301", "\u0345" + string(r) + "\u0345", "ß\u200d" + string(r), string(r) + "\u0301", string(r) + "\u0302", string(r) + "\u20d0\u0345"} {
		once := Fold(s)
		if full := foldFully(s); once != full {
			t.Fatalf("%q folds to %+q on the quick way, and to %+q on the slow one", s, once, full)
		}
		if again := Fold(once); again != once {
			t.Fatalf("%q folds to %+q, and that to %+q", s, once, again)
		}
	}
}

// Cherokee is the one script whose small letters fold to capitals.
func TestPlain_MakesCherokeeLarge(t *testing.T) {
	for small, large := range map[rune]rune{0xAB70: 0x13A0, 0xABBF: 0x13EF, 0x13F8: 0x13F0, 0x13FD: 0x13F5} {
		assert.Equal(t, large, plain(small), "%U", small)
		assert.Equal(t, large, plain(large), "%U", large)
	}
	for _, r := range []rune{0xAB6F, 0xABC0, 0x13F7, 0x13FE, 'a', 'ä'} {
		assert.Equal(t, r, plain(r), "%U is no small letter of Cherokee", r)
	}
}

// The property is stable for most of these; a table of Go's that lost one would let
// people look alike.
func TestIgnorable(t *testing.T) {
	for _, r := range []rune{0xAD, 0x34F, 0x61C, 0x115F, 0x17B4, 0x180B, 0x200B, 0x202A, 0x202E, 0x2060, 0x206F, 0x3164, 0xFE00, 0xFEFF, 0xFFA0, 0xFFF0, 0x1BCA0, 0x1D173, 0xE0000, 0xE0FFF} {
		assert.True(t, ignorable(r), "%U", r)
	}
	for _, r := range []rune{' ', 'a', 0xA0, 0x600, 0x6DD, 0x70F, 0x110BD, 0xFFF9, 0xFFFB, 0x13430, 0x301, 0x2028} {
		assert.False(t, ignorable(r), "%U", r)
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Anna", " ü ", "ß", "\u0345\u0301", "\xff", "ǰ", "İ", "ﬃ\u200d", "℡", "\u1160\uffa0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		assert.Equal(t, once, Fold(once), "folding twice is folding once")
		assert.Equal(t, "x"+once, string(Append([]byte("x"), s)))
		assert.Equal(t, foldFully(s), once, "the quick way is the slow one")
		assert.Equal(t, utf8.ValidString(s), Valid(s))
	})
}
