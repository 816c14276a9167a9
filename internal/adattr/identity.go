package adattr

import (
	"encoding/hex"
	"errors"
	"strings"
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

// IdentityOf knows objectGUID and nsUniqueId by name, and takes any other
// attribute for the text of a UUID.
func IdentityOf(attribute string) Identity {
	switch {
	case attribute == "", strings.EqualFold(attribute, "objectGUID"):
		return Identity{}
	case strings.EqualFold(attribute, "nsUniqueId"):
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

// IsObjectGUID reports that the directory is one like Active Directory.
func (i Identity) IsObjectGUID() bool { return i.form == formWire }

var errIdentity = errors.New("adsync: the identity of an account is not a UUID; map object_id to an attribute that holds one")

// Parse reads a value as a server sends it.
func (i Identity) Parse(value []byte) (GUID, error) {
	switch i.form {
	case formWire:
		return GUIDFromWire(value)
	case formUnique:
		return parseUnique(value)
	}
	g, err := ParseGUID(string(value))
	if err != nil {
		return GUID{}, errIdentity
	}
	return g, nil
}

func parseUnique(value []byte) (g GUID, err error) {
	if len(value) != 35 || value[8] != '-' || value[17] != '-' || value[26] != '-' {
		return GUID{}, errIdentity
	}
	for i, at := range [...]int{0, 9, 18, 27} {
		if _, err := hex.Decode(g[4*i:], value[at:at+8]); err != nil {
			return GUID{}, errIdentity
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
