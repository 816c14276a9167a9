package fakead

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf8"
)

var errDN = errors.New("fakead: not a distinguished name")

// rdn is one part of a DN: type and value, without escapes.
type rdn struct{ typ, value string }

// key is what two spellings of one RDN have in common.
func (r rdn) key() string { return strings.ToLower(r.typ) + "=" + fold(r.value) }

// String is the RDN as a domain controller spells it (RFC 4514, with control
// characters as hex pairs).
func (r rdn) String() string { return r.typ + "=" + escapeRDN(r.value) }

// fold makes texts that differ in case alone equal.
func fold(s string) string { return strings.ToLower(s) }

// parseDN splits a DN, leaf first. Values of several parts (a+b) do not exist
// in Active Directory and are refused.
func parseDN(s string) ([]rdn, error) {
	var dn []rdn
	for rest := s; ; {
		part, after, more, err := parseRDN(rest)
		if err != nil {
			return nil, err
		}
		dn = append(dn, part)
		if !more {
			return dn, nil
		}
		rest = after
	}
}

// parseRDN reads up to the next unescaped comma; more tells that there was one.
func parseRDN(s string) (part rdn, rest string, more bool, err error) {
	typ, after, found := strings.Cut(s, "=")
	part.typ = strings.TrimSpace(typ)
	if !found || !isAttributeName(part.typ) {
		return rdn{}, "", false, errDN
	}
	after = strings.TrimLeft(after, " ")
	var value []byte
	solid := 0 // up to here the value cannot lose trailing spaces
	for i := 0; i < len(after); i++ {
		switch c := after[i]; c {
		case ',', ';':
			part.value = trimTail(value, solid)
			return part, after[i+1:], true, checkRDN(part)
		case '+', '"':
			return rdn{}, "", false, errDN
		case '\\':
			decoded, used := unescape(after[i+1:])
			if used == 0 {
				return rdn{}, "", false, errDN
			}
			value = append(value, decoded)
			solid = len(value)
			i += used
		default:
			value = append(value, c)
		}
	}
	part.value = trimTail(value, solid)
	return part, "", false, checkRDN(part)
}

func checkRDN(part rdn) error {
	if part.value == "" || !utf8.ValidString(part.value) {
		return errDN
	}
	return nil
}

func isAttributeName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !(c >= 'a' && c <= 'z' || i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '-')) {
			return false
		}
	}
	return s != ""
}

// unescape reads what follows a backslash: two hex digits or one character.
func unescape(s string) (c byte, used int) {
	if len(s) >= 2 {
		if b, err := hex.DecodeString(s[:2]); err == nil {
			return b[0], 2
		}
	}
	if s == "" || strings.IndexByte(` "#+,;<=>\`, s[0]) < 0 {
		return 0, 0
	}
	return s[0], 1
}

func trimTail(value []byte, solid int) string {
	end := len(value)
	for end > solid && value[end-1] == ' ' {
		end--
	}
	return string(value[:end])
}

func escapeRDN(v string) string {
	var b strings.Builder
	for i := range len(v) {
		c := v[i]
		edge := c == ' ' && (i == 0 || i == len(v)-1) || c == '#' && i == 0
		switch {
		case c < 0x20:
			b.WriteString(`\` + strings.ToUpper(hex.EncodeToString([]byte{c})))
		case edge || strings.IndexByte(`"+,;<=>\`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// dnKey is equal for two spellings of one DN; ok is false when it is none.
func dnKey(s string) (key string, ok bool) {
	dn, err := parseDN(s)
	if err != nil {
		return "", false
	}
	keys := make([]string, len(dn))
	for i, part := range dn {
		keys[i] = part.key()
	}
	return strings.Join(keys, ","), true
}
