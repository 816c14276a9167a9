// Package keyfold brings usernames and email addresses into the form in which
// they are compared.
package keyfold

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold is the key of a username or an email address: two texts with the same key
// belong to one user. Keys are equal when the texts are identifier caseless matches
// (Unicode 3.13, D147: toNFKC_Casefold), once white space at the ends is trimmed. So
// neither case, nor composition, nor compatibility forms (full width, ligatures), nor
// characters that show nothing (zero-width joiners, soft hyphens, variation selectors)
// tell two users apart.
//
// Accents do, and so do letters of different scripts that look alike, as the Latin and
// the Cyrillic a.
func Fold(s string) string {
	if ascii(s) {
		return strings.ToLower(trimASCII(s))
	}
	return fold(s)
}

// Append appends Fold(s) to dst. A key in ASCII, as most are, costs no
// allocation where dst has room.
func Append(dst []byte, s string) []byte {
	if !ascii(s) {
		return append(dst, fold(s)...)
	}
	return appendLower(dst, trimASCII(s))
}

// Valid is utf8.ValidString, in half the time for a short text in ASCII.
func Valid(s string) bool { return ascii(s) || utf8.ValidString(s) }

// Blank reports whether a text is white space alone, and not empty.
func Blank(s string) bool {
	if s == "" || s[0] > ' ' && s[0] < utf8.RuneSelf {
		return false // as nearly all
	}
	return strings.TrimSpace(s) == ""
}

// Deceives reports whether the text has characters that make it read as another, or as
// several lines: controls, separators, and those that change the direction of writing.
func Deceives(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		if r <= unicode.MaxASCII {
			return r < ' ' || r == 0x7F
		}
		return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	})
}

// fold is foldFully, at a third of the cost for most names that are not ASCII.
func fold(s string) string {
	if simple(s) {
		if folded := cases.Fold().String(s); norm.NFKC.IsNormalString(folded) {
			return strings.TrimSpace(folded)
		}
	}
	return foldFully(s)
}

// simple reports whether nothing has to happen to the text before its case is folded.
// Greek letters with marks are left out, since case folding makes a letter of an iota
// subscript, which has to go behind the other marks first.
func simple(s string) bool {
	for _, r := range s {
		greek, cherokee := r >= 0x1F00 && r < 0x2000, r >= 0x13A0 && r < 0x1400
		if greek || cherokee || r == utf8.RuneError || plain(r) != r {
			return false
		}
	}
	return norm.NFKC.IsNormalString(s)
}

// foldFully normalises before the folding and after it, because either may undo the
// other, and folds twice, as D146 does: the first normalisation to a compatibility form
// may bring up letters that still have a case.
func foldFully(s string) string {
	s = norm.NFD.String(s) // moves an iota subscript behind the other marks
	for range 2 {
		s = strings.Map(plain, cases.Fold().String(s))
		s = norm.NFKC.String(s)
	}
	return strings.TrimSpace(strings.Map(plain, s))
}

// plain drops what shows nothing. Cherokee is the one script that folds to its capitals;
// cases.Fold turns those into small letters as well.
func plain(r rune) rune {
	switch {
	case ignorable(r):
		return -1
	case r >= 0xAB70 && r <= 0xABBF:
		return r - 0xAB70 + 0x13A0
	case r >= 0x13F8 && r <= 0x13FD:
		return r - 0x13F8 + 0x13F0
	}
	return r
}

// ignorable derives Default_Ignorable_Code_Point as DerivedCoreProperties.txt says.
func ignorable(r rune) bool {
	switch {
	case r < 0x300: // most letters
		return r == 0xAD
	case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return true
	case r >= 0xFFF9 && r <= 0xFFFB, r >= 0x13430 && r <= 0x13440: // annotations, and hieroglyphs' format controls
		return false
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// Eight bytes at a time, or four: what is left at the end is not looked at byte by
// byte, because the processor cannot predict its length. The last eight, or four, are
// looked at instead, some of them again.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// ascii reports whether all bytes are ASCII.
func ascii(s string) bool {
	n, all := len(s), uint64(0)
	switch {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			all |= word(s[i:])
		}
		all |= word(s[n-8:])
	case n >= 4:
		all = uint64(half(s) | half(s[n-4:]))
	default:
		for i := range n {
			all |= uint64(s[i])
		}
	}
	return all&highs == 0
}

// word is the first eight bytes; the compiler reads them at once.
func word(s string) uint64 { return uint64(half(s)) | uint64(half(s[4:]))<<32 }

// half is the first four bytes.
func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// appendLower appends ASCII with its letters small.
func appendLower(dst []byte, s string) []byte {
	start, n, le := len(dst), len(s), binary.LittleEndian
	dst = slices.Grow(dst, n)[:start+n]
	b := dst[start:]
	switch {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			le.PutUint64(b[i:], lowerWord(word(s[i:])))
		}
		le.PutUint64(b[n-8:], lowerWord(word(s[n-8:])))
	case n >= 4:
		le.PutUint32(b, uint32(lowerWord(uint64(half(s)))))
		le.PutUint32(b[n-4:], uint32(lowerWord(uint64(half(s[n-4:])))))
	default:
		for i := range n {
			b[i] = byte(lowerWord(uint64(s[i])))
		}
	}
	return dst
}

// lowerWord makes the letters small in eight bytes of ASCII. The first sum has the
// high bit of each byte that is at least an A, the second of each beyond Z; between
// the two, the bit is moved to where it tells small letters from large ones.
func lowerWord(w uint64) uint64 {
	large := (w + ones*(0x80-'A')) &^ (w + ones*(0x80-'Z'-1)) & highs
	return w | large>>2
}

// trimASCII trims the ASCII part of what strings.TrimSpace trims.
func trimASCII(s string) string {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
