package ldapread

import "fmt"

// maxElements is how many elements one answer may have for go-ldap to decode. It
// makes some two hundred bytes of each, and an element may be two bytes long: the
// length of an answer alone bounds nothing. Entries as servers write them do not
// count, since they are taken out before.
const maxElements = 500_000

var errElements = fmt.Errorf("the server sent an answer of more than %d elements; use a smaller PageSize, or look at the controller", maxElements)

// elements counts the elements in a stream of messages that comes in pieces,
// however they are nested.
type elements struct {
	header []byte // of the element that has begun, as far as it came
	skip   int    // bytes of a value still to come
	count  int
}

// add returns an error for what LDAP does not use, or when there are too many.
func (e *elements) add(b []byte) error {
	for len(b) > 0 {
		if e.skip > 0 {
			n := min(e.skip, len(b))
			e.skip -= n
			b = b[n:]
			continue
		}
		e.header = append(e.header, b[0])
		b = b[1:]
		skip, complete, err := elementHeader(e.header)
		if err != nil {
			return err
		}
		if !complete {
			continue
		}
		e.header, e.skip = e.header[:0], skip
		if e.count++; e.count > maxElements {
			return errElements
		}
	}
	return nil
}

// elementHeader tells how many bytes to skip after a header: those of a value. A
// constructed element is followed by those that are in it.
func elementHeader(header []byte) (skip int, complete bool, err error) {
	const constructed, manyTags, long = 0x20, 0x1f, 0x80
	if header[0]&manyTags == manyTags {
		return 0, false, errFrame // LDAP has no tag above 30
	}
	if len(header) < 2 {
		return 0, false, nil
	}
	isValue, first := header[0]&constructed == 0, header[1]
	switch {
	case first < long:
		skip = int(first)
	case first == long: // no end given: only for what holds others
		if isValue {
			return 0, false, errFrame
		}
	case first > long+8:
		return 0, false, errFrame
	case len(header) < 2+int(first-long):
		return 0, false, nil
	default:
		for _, b := range header[2:] {
			if skip = skip<<8 | int(b); skip > maxMessage {
				return 0, false, errMessage
			}
		}
	}
	if !isValue {
		skip = 0
	}
	return skip, true, nil
}
