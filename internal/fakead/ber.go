package fakead

import "errors"

// The BER tags of LDAP version 3 (RFC 4511). LDAP uses no tag number above 30
// and no indefinite length, so one byte tells everything.
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31

	tagBindRequest       = 0x60
	tagBindResponse      = 0x61
	tagUnbindRequest     = 0x42
	tagSearchRequest     = 0x63
	tagSearchEntry       = 0x64
	tagSearchDone        = 0x65
	tagSearchReference   = 0x73
	tagModifyRequest     = 0x66
	tagModifyResponse    = 0x67
	tagAddRequest        = 0x68
	tagAddResponse       = 0x69
	tagDelRequest        = 0x4a
	tagDelResponse       = 0x6b
	tagModifyDNRequest   = 0x6c
	tagModifyDNResponse  = 0x6d
	tagCompareRequest    = 0x6e
	tagCompareResponse   = 0x6f
	tagAbandonRequest    = 0x50
	tagExtendedRequest   = 0x77
	tagExtendedResponse  = 0x78
	tagControls          = 0xa0
	tagReferral          = 0xa3
	tagSimpleCredentials = 0x80
	tagSASLCredentials   = 0xa3
)

var errBER = errors.New("fakead: malformed BER")

// berReader walks over a row of elements. It never copies and never reads past
// its slice.
type berReader struct{ rest []byte }

func (r *berReader) empty() bool { return len(r.rest) == 0 }

// next returns the tag and content of the next element.
func (r *berReader) next() (tag byte, body []byte, err error) {
	if len(r.rest) < 2 {
		return 0, nil, errBER
	}
	tag = r.rest[0]
	size, used, err := berLength(r.rest[1:])
	if err != nil || size > len(r.rest)-1-used {
		return 0, nil, errBER
	}
	start := 1 + used
	body = r.rest[start : start+size]
	r.rest = r.rest[start+size:]
	return tag, body, nil
}

// berLength reads a definite length of at most four bytes and tells how many
// bytes it took.
func berLength(b []byte) (size, used int, err error) {
	if len(b) == 0 {
		return 0, 0, errBER
	}
	if b[0] < 0x80 {
		return int(b[0]), 1, nil
	}
	n := int(b[0] & 0x7f)
	if n == 0 || n > 4 || len(b) <= n {
		return 0, 0, errBER
	}
	for _, c := range b[1 : 1+n] {
		size = size<<8 | int(c)
	}
	return size, 1 + n, nil
}

// want returns the content of the next element, which must have this tag.
func (r *berReader) want(tag byte) ([]byte, error) {
	got, body, err := r.next()
	if err != nil || got != tag {
		return nil, errBER
	}
	return body, nil
}

func (r *berReader) text() (string, error) {
	body, err := r.want(tagOctetString)
	return string(body), err
}

func (r *berReader) integer(tag byte) (int, error) {
	body, err := r.want(tag)
	if err != nil {
		return 0, err
	}
	return berInt(body)
}

// berInt reads a two's complement integer of at most four bytes.
func berInt(body []byte) (int, error) {
	if len(body) == 0 || len(body) > 4 {
		return 0, errBER
	}
	n := int(int8(body[0]))
	for _, c := range body[1:] {
		n = n<<8 | int(c)
	}
	return n, nil
}

func (r *berReader) boolean() (bool, error) {
	body, err := r.want(tagBoolean)
	if err != nil || len(body) != 1 {
		return false, errBER
	}
	return body[0] != 0, nil
}

// berWriter appends elements to one buffer.
type berWriter struct{ buf []byte }

// open begins a constructed element and returns what close needs. Its length
// takes a fixed four bytes, as a domain controller writes it, so that nothing
// has to be moved when the length is known.
func (w *berWriter) open(tag byte) int {
	w.buf = append(w.buf, tag, 0x84, 0, 0, 0, 0)
	return len(w.buf)
}

func (w *berWriter) close(start int) {
	size := len(w.buf) - start
	w.buf[start-4] = byte(size >> 24)
	w.buf[start-3] = byte(size >> 16)
	w.buf[start-2] = byte(size >> 8)
	w.buf[start-1] = byte(size)
}

// primitive appends a whole element.
func (w *berWriter) primitive(tag byte, content string) {
	w.buf = append(w.buf, tag)
	if size := len(content); size < 0x80 {
		w.buf = append(w.buf, byte(size))
	} else {
		w.buf = append(w.buf, 0x84, byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
	}
	w.buf = append(w.buf, content...)
}

func (w *berWriter) text(s string) { w.primitive(tagOctetString, s) }

func (w *berWriter) integer(tag byte, n int) {
	size := 1
	for size < 8 && (n>>(8*size-1) != 0 && n>>(8*size-1) != -1) {
		size++
	}
	w.buf = append(w.buf, tag, byte(size))
	for i := size - 1; i >= 0; i-- {
		w.buf = append(w.buf, byte(n>>(8*i)))
	}
}
