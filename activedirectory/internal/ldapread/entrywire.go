package ldapread

import (
	"cmp"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// The identifier octets of LDAP (RFC 4511, appendix B).
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31

	tagBindResponse     = 0x61
	tagSearchRequest    = 0x63
	tagSearchEntry      = 0x64
	tagSearchDone       = 0x65
	tagModifyResponse   = 0x67
	tagAddResponse      = 0x69
	tagDeleteResponse   = 0x6b
	tagRenameResponse   = 0x6d
	tagCompareResponse  = 0x6f
	tagReference        = 0x73
	tagExtendedResponse = 0x78
	tagIntermediate     = 0x79
	tagResponseName     = 0x8a
	tagControls         = 0xa0
)

// berElement splits the first element off b if it has the tag and a definite
// length that b has room for.
func berElement(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	length, b := uint64(b[1]), b[2:]
	if length >= 0x80 {
		octets := int(length - 0x80) // 0: indefinite
		if octets < 1 || octets > 4 || len(b) < octets {
			return nil, nil, false
		}
		var long [8]byte
		copy(long[8-octets:], b[:octets])
		length, b = binary.BigEndian.Uint64(long[:]), b[octets:]
	}
	if length > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:length], b[length:], true
}

// messageID reads the MessageID that an LDAPMessage begins with. It is at most 31
// bits wide, and never negative (RFC 4511, 4.1.1.1).
func messageID(body []byte) (id uint32, rest []byte, ok bool) {
	number, rest, ok := berElement(body, tagInteger)
	if !ok || len(number) < 1 || len(number) > 4 || number[0] >= 0x80 {
		return 0, nil, false
	}
	for _, b := range number {
		id = id<<8 | uint32(b)
	}
	return id, rest, true
}

// entryDecoder reads what is needed of a SearchResultEntry right from its bytes.
//
// It takes just the plain form in which servers write it: definite lengths, the
// tags of the standard, and nothing more. Any other form, right or wrong, is left
// to go-ldap, so that there is one judge of what is well-formed, and an entry
// reads the same either way.
type entryDecoder struct {
	cfg  *Config
	text []byte // the texts of the account at hand, one after the other
}

// found is where the texts of an account are in entryDecoder.text.
type found struct {
	dn     span
	values [NumValues]span
}

type span struct{ from, to int }

func (s span) of(text string) string { return text[s.from:s.to] }

// decode reads the protocolOp of one message, which must be the rest of it. ok is
// false for a form that go-ldap must judge. All texts of an account share one
// allocation.
func (d *entryDecoder) decode(op []byte, a *Account) (ok bool, err error) {
	entry, rest, ok := berElement(op, tagSearchEntry)
	if !ok || len(rest) > 0 {
		return false, nil
	}
	dn, entry, ok := berElement(entry, tagOctetString)
	if !ok {
		return false, nil
	}
	attributes, rest, ok := berElement(entry, tagSequence)
	if !ok || len(rest) > 0 {
		return false, nil
	}
	*a, d.text = Account{DisabledUnknown: d.cfg.Flag.absent(), ExpiredUnknown: d.cfg.Flag.Expires}, d.text[:0]
	where := found{dn: d.keepDN(dn)}
	hasGUID := false
	for len(attributes) > 0 {
		var next wireAttribute
		if next, attributes, ok = nextAttribute(attributes); !ok {
			return false, nil
		}
		if next.first == nil {
			continue
		}
		name := withoutRange(next.name)
		switch {
		case equalFold(name, d.cfg.Identity.Attribute()):
			guid, parseErr := d.cfg.Identity.Parse(next.first)
			a.GUID, hasGUID, err = guid, true, cmp.Or(err, parseErr)
		case equalFold(name, d.cfg.Flag.Attribute):
			d.tell(a, next.values)
		case equalFold(name, "isDeleted"):
			a.tombstone = equalFold(next.first, "TRUE")
		case equalFold(name, whenChanged):
			a.changed = changedAt(next.first)
		case equalFold(name, uSNChanged):
			a.numbered = true
		}
		if d.cfg.Flag.Expires && equalFold(name, accountExpires) {
			a.takeExpiry(next.first)
		}
		switch {
		case next.text == nil && len(name) == len(next.name):
		case next.several, len(name) < len(next.name), d.cfg.isWide(name), next.text[0] == '<': // as an extended DN
			a.DN = where.dn.of(string(d.text))
			err = cmp.Or(err, d.cfg.takeAll(a, string(next.name), next.all()))
		default:
			d.fill(&where, name, next.text)
		}
	}
	if err != nil {
		return true, err
	}
	if !hasGUID {
		return true, errNoGUID
	}
	where.copyTo(a, string(d.text))
	return true, nil
}

// tell takes the values of the attribute that says who is disabled.
func (d *entryDecoder) tell(a *Account, values []byte) {
	for more := true; more && len(values) > 0; {
		var value []byte
		value, values, _ = berElement(values, tagOctetString)
		more = d.cfg.Flag.tell(a, value)
	}
}

// wireAttribute is a PartialAttribute as it stands in a message.
type wireAttribute struct {
	name   []byte
	values []byte // all, each of them an element
	first  []byte // nil if there is none
	text   []byte // the first that is not blank; nil if there is none

	several bool // there are others that are not blank
	count   int  // of all values
}

// all are the values one by one.
func (a *wireAttribute) all() (all [][]byte) {
	for rest := a.values; len(rest) > 0; {
		var value []byte
		value, rest, _ = berElement(rest, tagOctetString)
		all = append(all, value)
	}
	return all
}

// nextAttribute splits one off.
func nextAttribute(b []byte) (a wireAttribute, rest []byte, ok bool) {
	content, rest, ok := berElement(b, tagSequence)
	if !ok {
		return a, nil, false
	}
	a.name, content, ok = berElement(content, tagOctetString)
	if !ok || !isASCII(a.name) {
		return a, nil, false
	}
	values, beside, ok := berElement(content, tagSet)
	if !ok || len(beside) > 0 {
		return a, nil, false
	}
	a.values = values
	for len(values) > 0 {
		var value []byte
		if value, values, ok = berElement(values, tagOctetString); !ok {
			return a, nil, false
		}
		if a.count++; a.first == nil {
			a.first = value
		}
		if !isPresent(value) {
			continue
		}
		a.several = a.text != nil
		if !a.several {
			a.text = value
		}
	}
	return a, rest, true
}

// fill looks at all details: two of them may come from one attribute.
func (d *entryDecoder) fill(where *found, name, value []byte) {
	for i, wanted := range d.cfg.Attributes {
		if equalFold(name, wanted) {
			where.values[i] = d.keep(value)
		}
	}
}

// keepDN keeps a DN without what may stand before it.
func (d *entryDecoder) keepDN(dn []byte) span {
	kept := d.keep(dn)
	if d.cfg.extended() {
		kept.from = kept.to - len(plainDN(string(d.text[kept.from:kept.to])))
	}
	return kept
}

// keep appends a value as valid UTF-8.
func (d *entryDecoder) keep(value []byte) span {
	from := len(d.text)
	if utf8.Valid(value) {
		d.text = append(d.text, value...)
	} else {
		d.text = append(d.text, strings.ToValidUTF8(string(value), "\uFFFD")...)
	}
	return span{from, len(d.text)}
}

func (f *found) copyTo(a *Account, text string) {
	a.DN = f.dn.of(text)
	for i, value := range f.values {
		if value.to > value.from {
			a.Values[i] = value.of(text)
		}
	}
}

// equalFold is strings.EqualFold for ASCII, without making a string of the bytes.
// Nearly all names differ in their length.
func equalFold(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if c != name[i] && lower(c) != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
