package adattr

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Identity is the attribute that tells accounts apart for good, and how it is
// written. The zero value is Active Directory's objectGUID.
type Identity struct {
	attribute string
	form      form
}

type form uint8

const (
	formWire   form = iota // 16 bytes, the first fields little-endian: objectGUID
	formUUID               // text as in RFC 4122: entryUUID (RFC 4530), ipaUniqueID
	formUnique             // text of four groups of eight digits: nsUniqueId
)

// IdentityOf knows objectGUID, mS-DS-ConsistencyGuid and nsUniqueId by name and OID, and
// takes any other attribute for the text of a UUID.
func IdentityOf(attribute string) Identity {
	switch strings.ToLower(attribute) {
	case "", "objectguid":
		return Identity{}
	case "1.2.840.113556.1.4.2", "ms-ds-consistencyguid", "1.2.840.113556.1.4.1360":
		return Identity{attribute, formWire}
	case "nsuniqueid", "2.16.840.1.113730.3.1.542":
		return Identity{attribute, formUnique}
	}
	return Identity{attribute, formUUID}
}

// Attribute is the name to ask for.
func (i Identity) Attribute() string {
	if i.attribute == "" {
		return "objectGUID"
	}
	return i.attribute
}

// Named is the same identity by another name of its attribute.
func (i Identity) Named(attribute string) Identity {
	i.attribute = attribute
	return i
}

// IsObjectGUID reports the identity that a directory like Active Directory gives each
// object by itself, and that its tombstone keeps.
func (i Identity) IsObjectGUID() bool {
	return i.form == formWire && (strings.EqualFold(i.Attribute(), "objectGUID") || i.attribute == "1.2.840.113556.1.4.2")
}

// IsActiveDirectory reports an identity that only a directory like Active Directory has.
func (i Identity) IsActiveDirectory() bool { return i.form == formWire }

// Parse reads a value as a server sends it. Its error says what the value is instead, and
// repeats nothing of it.
func (i Identity) Parse(value []byte) (g GUID, err error) {
	switch i.form {
	case formWire:
		g, err = GUIDFromWire(value)
	case formUnique:
		g, err = parseUnique(value)
	default:
		g, err = ParseGUID(string(value))
	}
	if err == nil && g == (GUID{}) {
		err = errors.New("it is all zeros")
	}
	if err != nil {
		return GUID{}, i.misfit(value)
	}
	return g, nil
}

// misfit says what a value is that is no identity, and what to do.
func (i Identity) misfit(value []byte) error {
	return fmt.Errorf("the identity of an account, %s, is %s; map object_id to objectGUID, mS-DS-ConsistencyGuid, or an attribute that holds the text of a UUID",
		i.Attribute(), kindOf(value))
}

func kindOf(value []byte) string {
	isText := utf8.Valid(value) && !strings.ContainsFunc(string(value), func(r rune) bool { return !unicode.IsPrint(r) })
	switch {
	case len(strings.Trim(string(value), "\x00")) == 0 && len(value) == 16:
		return "all zeros"
	case isText && strings.Trim(string(value), "0-{}") == "":
		return "empty or all zeros"
	case isText:
		return "a text that is no UUID"
	case len(value) >= 8 && value[0] == 1 && len(value) == 8+4*int(value[1]):
		return "a security identifier (SID), which changes when the account moves to another domain"
	case len(value) == 16:
		return "16 bytes of a layout that is not known"
	}
	return fmt.Sprintf("%d bytes that are neither a GUID nor text", len(value))
}

func parseUnique(value []byte) (g GUID, err error) {
	if len(value) != 35 || value[8] != '-' || value[17] != '-' || value[26] != '-' {
		return GUID{}, errGUID
	}
	for i, at := range [...]int{0, 9, 18, 27} {
		if _, err := hex.Decode(g[4*i:], value[at:at+8]); err != nil {
			return GUID{}, errGUID
		}
	}
	return g, nil
}

// AppendAssertion appends the value for a filter that looks for g, escaped as
// filters need it (RFC 4515, 3).
func (i Identity) AppendAssertion(dst []byte, g GUID) []byte {
	switch i.form {
	case formUUID:
		return append(dst, g.String()...)
	case formUnique:
		for at := 0; at < len(g); at += 4 {
			if at > 0 {
				dst = append(dst, '-')
			}
			dst = hex.AppendEncode(dst, g[at:at+4])
		}
		return dst
	}
	for _, octet := range g.Wire() {
		dst = hex.AppendEncode(append(dst, '\\'), []byte{octet})
	}
	return dst
}
