package samba

import (
	"encoding/binary"
	"unicode/utf16"
)

// EncodePassword is the form of unicodePwd: quoted, little-endian UTF-16
// ([MS-ADTS] 3.1.1.3.1.5).
func EncodePassword(password string) string {
	var encoded []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		encoded = binary.LittleEndian.AppendUint16(encoded, unit)
	}
	return string(encoded)
}
