// Package keyfold brings usernames and email addresses into the form in which
// they are compared.
package keyfold

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold trims white space, folds case in full (Unicode 3.13, default caseless
// matching) and composes (NFC), so that spellings a person takes for the same
// are equal.
func Fold(s string) string {
	if folded, ok := appendASCII(nil, s); ok {
		return string(folded)
	}
	return fold(s)
}

// Append appends Fold(s) to dst. A key in ASCII, as most are, costs no
// allocation where dst has room.
func Append(dst []byte, s string) []byte {
	if folded, ok := appendASCII(dst, s); ok {
		return folded
	}
	return append(dst, fold(s)...)
}

// fold composes on both sides of the folding, because either may undo the other.
func fold(s string) string {
	s = cases.Fold().String(norm.NFC.String(s))
	return strings.TrimSpace(norm.NFC.String(s))
}

func appendASCII(dst []byte, s string) (folded []byte, ok bool) {
	s = trimASCII(s)
	start := len(dst)
	for i := range len(s) {
		c := s[i]
		if c > unicode.MaxASCII {
			return dst[:start], false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst, true
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
