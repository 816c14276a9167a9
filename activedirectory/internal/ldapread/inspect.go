package ldapread

import (
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// What a message may hold for go-ldap to decode it. Decoding takes some two hundred bytes
// for each element, which may itself be two bytes long, and copies the bytes of an
// element once for each level above it: the length of a message alone bounds nothing.
// Entries as servers write them do not count, since they are taken out before.
const (
	maxElements = 500_000  // in all messages that answer one request
	maxDepth    = 16       // one in another; an entry has 6
	maxOther    = 64 << 10 // bytes of a message that is no entry
	maxControls = 4 << 10  // bytes of the controls of a message
)

var (
	errElements = fmt.Errorf("the server sent an answer of more than %d elements; use a smaller PageSize, or look at the controller", maxElements)
	errDepth    = fmt.Errorf("the server sent a message that is nested more than %d levels deep; look at the controller", maxDepth)
	errOther    = fmt.Errorf("the server sent a message of more than %d KiB that is no entry; look at the controller", maxOther>>10)
	errControls = fmt.Errorf("the server sent more than %d KiB of controls with a message; look at the controller", maxControls>>10)
	errResult   = errors.New("the server sent a result without a code that can be read; look at the controller")
)

// disconnection is what a server says before it ends a connection without being asked
// (RFC 4511, 4.4.1).
type disconnection struct{ code uint16 }

func (d disconnection) Error() string {
	return fmt.Sprintf("the server ended the connection by its own will, with result code %d %q: %s",
		d.code, ldap.LDAPResultCodeMap[d.code], wordsOf(d.code))
}

const noticeOfDisconnection = "1.3.6.1.4.1.1466.20036"

// inspector judges messages before go-ldap decodes them.
type inspector struct{ elements int }

// inspect judges a message by its tag and what is in it: the MessageID, which was read
// from it, and the operation with what follows.
func (i *inspector) inspect(id uint32, op []byte) error {
	i.elements += 2 // the message, and its ID
	size, err := i.measure(op, 2)
	if err != nil {
		return err
	}
	if err := i.controls(op[size:]); err != nil {
		return err
	}
	if !isResult(op[0]) {
		return nil
	}
	code, rest, err := resultOf(op)
	if err == nil && id == 0 && op[0] == tagExtendedResponse && responseName(rest) == noticeOfDisconnection {
		return disconnection{code}
	}
	return err
}

// isAnswer reports a tag that a server's message may have.
func isAnswer(tag byte) bool {
	return isResult(tag) || tag == tagSearchEntry || tag == tagReference || tag == tagIntermediate
}

// isResult reports an operation that is an LDAPResult, or begins with one.
func isResult(tag byte) bool {
	switch tag {
	case tagBindResponse, tagSearchDone, tagModifyResponse, tagAddResponse, tagDeleteResponse,
		tagRenameResponse, tagCompareResponse, tagExtendedResponse:
		return true
	}
	return false
}

// resultOf reads the resultCode that an operation begins with. go-ldap takes one that it
// cannot read for 0, which is success.
func resultOf(op []byte) (code uint16, rest []byte, err error) {
	result, _, ok := berElement(op, op[0])
	if !ok {
		return 0, nil, errResult
	}
	octets, rest, ok := berElement(result, tagEnumerated)
	if !ok || len(octets) < 1 || len(octets) > 4 || octets[0] >= 0x80 {
		return 0, nil, errResult
	}
	wide := 0
	for _, b := range octets {
		wide = wide<<8 | int(b)
	}
	if wide > 0xffff {
		return 0, nil, errResult
	}
	return uint16(wide), rest, nil
}

// responseName is that of an ExtendedResponse, after its resultCode.
func responseName(rest []byte) string {
	for len(rest) > 0 {
		content, after, ok := berElement(rest, rest[0])
		if !ok {
			return ""
		}
		if rest[0] == tagResponseName {
			return string(content)
		}
		rest = after
	}
	return ""
}

// controls judges what follows the operation. go-ldap decodes the values of the controls
// that it knows, which are BER themselves.
func (i *inspector) controls(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) > maxControls {
		return errControls
	}
	list, rest, ok := berElement(b, tagControls)
	if !ok || len(rest) > 0 {
		return errFrame
	}
	for len(list) > 0 {
		var control []byte
		if control, list, ok = berElement(list, tagSequence); !ok {
			return errFrame
		}
		oid, control, ok := berElement(control, tagOctetString)
		if !ok {
			return errFrame
		}
		if _, rest, ok := berElement(control, tagBoolean); ok {
			control = rest
		}
		value, beside, ok := berElement(control, tagOctetString)
		if len(control) > 0 && (!ok || len(beside) > 0) {
			return errFrame
		}
		i.elements += 4
		if _, known := ldap.ControlTypeMap[string(oid)]; known {
			// Whether it is well-formed is for go-ldap to say.
			if _, err := i.measure(value, 1); errors.Is(err, errDepth) || errors.Is(err, errElements) {
				return err
			}
		}
	}
	return nil
}

// measure follows an element as go-ldap's decoder does, and tells how long it is. An
// element that ends beyond the one that it is in is found out only after it was read.
func (i *inspector) measure(b []byte, depth int) (size int, err error) {
	if depth > maxDepth {
		return 0, errDepth
	}
	if i.elements++; i.elements > maxElements {
		return 0, errElements
	}
	header, length, err := elementHeader(b)
	if err != nil {
		return 0, err
	}
	const constructed = 0x20
	if b[0]&constructed == 0 {
		if length < 0 || length > len(b)-header {
			return 0, errFrame
		}
		return header + length, nil
	}
	for size = header; length < 0 || size < header+length; {
		inner, err := i.measure(b[size:], depth+1)
		if err != nil {
			return 0, err
		}
		isEnd := isEndOfContents(b[size : size+inner])
		size += inner
		if isEnd && length < 0 {
			return size, nil
		}
		if isEnd {
			return 0, errFrame
		}
	}
	if size != header+length {
		return 0, errFrame
	}
	return size, nil
}

// isEndOfContents reports the mark that ends an element whose length is left open.
func isEndOfContents(element []byte) bool {
	_, length, err := elementHeader(element)
	return element[0] == 0 && length == 0 && err == nil
}

// elementHeader reads a tag and a length, which is negative if it is left open.
func elementHeader(b []byte) (header, length int, err error) {
	const manyTags, long = 0x1f, 0x80
	if len(b) < 2 || b[0]&manyTags == manyTags { // LDAP has no tag above 30
		return 0, 0, errFrame
	}
	octets := int(b[1]) - long
	switch {
	case octets < 0:
		return 2, int(b[1]), nil
	case octets == 0:
		return 2, -1, nil
	case octets > 8 || len(b) < 2+octets:
		return 0, 0, errFrame
	}
	for _, octet := range b[2 : 2+octets] {
		if length = length<<8 | int(octet); length > maxWide {
			return 0, 0, errFrame
		}
	}
	return 2 + octets, length, nil
}
