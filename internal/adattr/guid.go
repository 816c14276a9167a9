// Package adattr reads the attribute syntaxes of Active Directory.
package adattr

import (
	"encoding/hex"
	"errors"
)

// GUID is an objectGUID in printed order.
type GUID [16]byte

// errGUID does not repeat the input: it may be anybody's data.
var errGUID = errors.New("adsync: not an objectGUID; want 16 bytes, or hex like e124855b-371a-41be-9f05-3c1a9b7d2e10")

// dashes are where the printed form has them.
var dashes = [...]int{8, 13, 18, 23}

// ParseGUID reads dashed hex in any case, with or without braces.
func ParseGUID(s string) (GUID, error) {
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	if len(s) != 36 {
		return GUID{}, errGUID
	}
	for _, i := range dashes {
		if s[i] != '-' {
			return GUID{}, errGUID
		}
	}
	var digits [32]byte
	copy(digits[:8], s[:8])
	copy(digits[8:12], s[9:13])
	copy(digits[12:16], s[14:18])
	copy(digits[16:20], s[19:23])
	copy(digits[20:], s[24:])
	var g GUID
	if _, err := hex.Decode(g[:], digits[:]); err != nil {
		return GUID{}, errGUID
	}
	return g, nil
}

// GUIDFromWire reads the 16 bytes of an objectGUID attribute, whose first three
// fields are little-endian ([MS-DTYP] 2.3.4.2).
func GUIDFromWire(b []byte) (GUID, error) {
	if len(b) != 16 {
		return GUID{}, errGUID
	}
	return swap(GUID(b)), nil
}

// Wire is the opposite of GUIDFromWire.
func (g GUID) Wire() [16]byte { return swap(g) }

// String is the dashed lower-case form.
func (g GUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], g[:4])
	hex.Encode(b[9:13], g[4:6])
	hex.Encode(b[14:18], g[6:8])
	hex.Encode(b[19:23], g[8:10])
	hex.Encode(b[24:], g[10:])
	for _, i := range dashes {
		b[i] = '-'
	}
	return string(b[:])
}

// swap turns the first three fields around; doing it twice is doing nothing.
func swap(g GUID) GUID {
	g[0], g[1], g[2], g[3] = g[3], g[2], g[1], g[0]
	g[4], g[5] = g[5], g[4]
	g[6], g[7] = g[7], g[6]
	return g
}
