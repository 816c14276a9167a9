package ldapread

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nested is a row of elements, each the only one in the one before.
func nested(levels int) string {
	inner := ""
	for range levels {
		inner = tlv(0x30, inner)
	}
	return inner
}

// attach is a message with controls, as its bytes.
func attach(op string, controls ...string) []byte {
	return []byte(tlv(0x30, idOne, op, tlv(0xa0, controls...)))
}

func pagingControl(value string) string {
	return tlv(0x30, short(4, ldap.ControlTypePaging), tlv(4, value))
}

const success = "\x0a\x01\x00\x04\x00\x04\x00"

// What is refused before go-ldap decodes it, and what is just within the bounds.
func TestInspect_BoundsOfAMessage(t *testing.T) {
	entryOf := func(inner string) []byte { return []byte(tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x24, inner)))) }
	tests := []struct {
		name    string
		message []byte
		want    error
	}{
		{"an entry of 16 levels", entryOf(nested(13)), nil},
		{"an entry of 17 levels", entryOf(nested(14)), errDepth},
		{"an entry of 17 levels that lies about a length", entryOf("\x30\x7f" + nested(13)), errDepth},
		{"a result of 64 KiB", []byte(tlv(0x30, idOne, tlv(0x65, "\x0a\x01\x35", short(4), tlv(4, strings.Repeat("x", 64<<10-26))))), nil},
		{"a result of more", []byte(tlv(0x30, idOne, tlv(0x65, "\x0a\x01\x35", short(4), tlv(4, strings.Repeat("x", 64<<10-25))))), errOther},
		{"a reference of more", []byte(tlv(0x30, idOne, tlv(0x73, tlv(4, strings.Repeat("x", 64<<10))))), errOther},
		{"a message that only says that it is longer", []byte("\x30\x83\x02\x00\x00" + idOne + "\x65"), errOther},
		{"controls of 4 KiB", attach(tlv(0x65, success), tlv(0x30, short(4, "1.2.3"), tlv(4, strings.Repeat("x", 4<<10-25)))), nil},
		{"controls of more", attach(tlv(0x65, success), tlv(0x30, short(4, "1.2.3"), tlv(4, strings.Repeat("x", 4<<10-24)))), errControls},
		{"controls of more, with an entry", attach(tlv(0x64, short(4), tlv(0x30, guidAttribute(1))), tlv(0x30, short(4, "1.2.3"), tlv(4, strings.Repeat("x", 4<<10)))), errControls},
		{"a control's value of 16 levels", attach(tlv(0x65, success), pagingControl(nested(16))), nil},
		{"a control's value of 17 levels", attach(tlv(0x65, success), pagingControl(nested(17))), errDepth},
		{"a control's value of 17 levels, which lies about its length", attach(tlv(0x65, success), pagingControl("\x30\x7f"+nested(16))), errDepth},
		{"a critical control's", attach(tlv(0x65, success), tlv(0x30, short(4, ldap.ControlTypePaging), "\x01\x01\xff", tlv(4, nested(17)))), errDepth},
		{"a deep value that go-ldap does not decode", attach(tlv(0x65, success), tlv(0x30, short(4, "1.2.3"), tlv(4, nested(17)))), nil},
		{"a control that is only a name", attach(tlv(0x65, success), tlv(0x30, short(4, "1.2.3"))), nil},
		{"a control that is only critical", attach(tlv(0x65, success), tlv(0x30, short(4, "1.2.3"), "\x01\x01\xff")), nil},
		{"a control's value in pieces", attach(tlv(0x65, success), tlv(0x30, short(4, ldap.ControlTypePaging), tlv(0x24, short(4, "x")))), errFrame},
		{"something behind a control that go-ldap knows", attach(tlv(0x65, success), pagingControl(tlv(0x30, "\x02\x01\x00", short(4))), short(4)), errFrame},
		{"more behind a control's value", attach(tlv(0x65, success), tlv(0x30, short(4, "1.2.3"), short(4), short(4))), errFrame},
		{"a control without a name", attach(tlv(0x65, success), tlv(0x30)), errFrame},
		{"something else where controls belong", []byte(tlv(0x30, idOne, tlv(0x65, success), tlv(0xa1))), errFrame},
		{"more behind the controls", []byte(tlv(0x30, idOne, tlv(0x65, success), tlv(0xa0), tlv(0x30))), errFrame},
		{"a request", []byte(tlv(0x30, idOne, tlv(0x63))), errFrame},
		{"no operation", []byte(tlv(0x30, idOne)), errFrame},
		{"no MessageID", []byte(tlv(0x30, tlv(0x65, success))), errFrame},
		{"an end within a length", entryOf("\x00\x00"), errFrame},
		{"no end of an open length", []byte(tlv(0x30, idOne, "\x64\x80"+short(4))), errFrame},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, plainly := range []bool{false, true} {
				_, err := readPage(t, plainly, append(bytes.Clone(tt.message), end()...), 4096)
				if tt.want != nil {
					assert.ErrorIs(t, err, tt.want)
					continue
				}
				for _, bound := range []error{errDepth, errOther, errControls, errFrame, errElements} {
					assert.NotErrorIs(t, err, bound)
				}
			}
		})
	}
}

// A result whose code cannot be read is no success: go-ldap takes it for 0.
func TestInspect_ResultWithoutACodeIsAnError(t *testing.T) {
	for name, code := range map[string]string{
		"of nine bytes": "\x0a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01", "of no bytes": "\x0a\x00", "of five bytes": "\x0a\x05\x00\x00\x00\x00\x00",
		"negative": "\x0a\x01\xff", "as low as can be": "\x0a\x01\x80", "beyond 16 bits": "\x0a\x03\x01\x00\x00", "an integer": "\x02\x01\x00", "none": "", "of an open length": "\x2a\x80\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			stream := slicesOf(raw(1, entry(person(1))), attach(tlv(0x65, code, short(4), short(4)), pagingControl(tlv(0x30, "\x02\x01\x00", short(4)))))
			for _, plainly := range []bool{false, true} {
				accounts, err := readPage(t, plainly, stream, 4096)
				assert.ErrorIs(t, err, errResult)
				assert.Empty(t, accounts)
			}
		})
	}
}

// Each bound is said in words that tell how much it is.
func TestInspect_NamesItsBounds(t *testing.T) {
	for err, want := range map[error]string{
		errMessage: "more than 4 MiB", errWide: "more than 32 MiB", errAnswer: "more than 64 MiB", errOther: "more than 64 KiB", errControls: "more than 4 KiB",
		errElements: "more than 500000 elements", errDepth: "more than 16 levels", errParts: "more than 100 parts", errRanges: "more than 100 parts",
		errEmpty: "100 empty pages",
	} {
		assert.ErrorContains(t, err, want)
	}
}

func slicesOf(messages ...[]byte) []byte { return bytes.Join(messages, nil) }

// Binding is no exception, whoever does it.
func TestInspect_BindWithoutACodeIsRefused(t *testing.T) {
	for _, code := range []string{"\x0a\x00", "\x0a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01"} {
		s := cannedSession(testConfig(), []byte(tlv(0x30, idOne, tlv(0x61, code, short(4), short(4)))), 4096)
		bind, err := simple("svc", servicePassword)(t.Context())
		require.NoError(t, err)
		err = s.bind(t.Context(), s.conn.(*ldap.Conn), bind.Bind)
		assert.ErrorIs(t, err, errResult)
		assert.NotErrorIs(t, err, ErrRefused)
		s.close()
	}
}

// endless sends the stream and then nothing, without hanging up.
type endless struct{ *canned }

func (e endless) Read(p []byte) (int, error) {
	n, err := e.canned.Read(p)
	if err != nil {
		<-e.closed
	}
	return n, err
}

// A server that announces the end of the connection is not waited for, and its reason is
// reported.
func TestInspect_NoticeOfDisconnectionEndsTheRequest(t *testing.T) {
	notice := func(id, code, name string) []byte {
		return []byte(tlv(0x30, id, tlv(0x78, code, short(4), short(4, "CN=Ada"), short(0x8a, name))))
	}
	const unsolicited = "\x02\x01\x00"
	read := func(stream []byte) ([]Account, error) {
		conn := endless{newCanned(stream, 4096)}
		s := sessionOver(testConfig(), conn)
		defer s.close()
		return s.accountsOfPage(t)
	}
	for code, says := range map[string]string{"\x0a\x01\x34": "code 52", "\x0a\x01\x02": "code 2", "\x0a\x01\x08": "code 8", "\x0a\x01\x32": "code 50"} {
		accounts, err := read(slicesOf(raw(1, entry(person(1))), notice(unsolicited, code, noticeOfDisconnection)))
		require.ErrorContains(t, err, "ended the connection by its own will")
		assert.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), "Ada")
		assert.False(t, ldap.IsErrorWithCode(err, 50), "it is the answer to no request")
		assert.Empty(t, accounts)
	}
	// Other notices, and the name in an answer, do not mean that.
	for _, message := range [][]byte{notice(unsolicited, "\x0a\x01\x00", "1.2.3"), notice("\x02\x01\x07", "\x0a\x01\x34", noticeOfDisconnection)} {
		accounts, err := read(slicesOf(raw(1, entry(person(1))), message, end()))
		require.NoError(t, err)
		assert.Len(t, accounts, 1)
	}
}

// The bytes of an element are copied once for each level that it is below, and the value
// of a control is decoded twice more.
func TestInspect_DeepMessagesTakeLittleMemory(t *testing.T) {
	deep := func(room int) string {
		levels := 0
		for inner := ""; len(inner) < room-6; levels++ {
			inner = tlv(0x30, inner)
		}
		return nested(levels - 1)
	}
	for name, stream := range map[string][]byte{
		"an entry":          []byte(tlv(0x30, idOne, tlv(0x64, short(4), deep(40_000)))),
		"a result":          []byte(tlv(0x30, idOne, tlv(0x65, deep(40_000)))),
		"a control's value": attach(tlv(0x65, success), pagingControl(deep(4000))),
	} {
		t.Run(name, func(t *testing.T) {
			for _, plainly := range []bool{false, true} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := readPage(t, plainly, stream, 64<<10)
				runtime.ReadMemStats(&after)
				require.ErrorIs(t, err, errDepth)
				assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
			}
		})
	}
}

// FuzzInspect compares the bounds with what go-ldap's decoder makes of the same bytes.
func FuzzInspect(f *testing.F) {
	for _, form := range forms {
		f.Add([]byte(form.message))
	}
	f.Add([]byte(nested(15)))
	f.Add([]byte(nested(17)))
	f.Add([]byte("\x30\x02\x00\x00"))
	f.Add([]byte("\x30\x80\x00\x81\x00\x04\x00"))
	f.Add([]byte("\x30\x80\x24\x80\x04\x01x\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var i inspector
		size, err := i.measure(b, 1)
		packet, decodeErr := ber.DecodePacketErr(b)
		switch {
		case err == nil && decodeErr == nil:
			require.LessOrEqual(t, depthOf(packet), maxDepth)
			require.LessOrEqual(t, size, len(b))
			require.Equal(t, countOf(packet), i.elements-openLengths(b[:size]))
		case err == nil:
			requireBadValue(t, decodeErr)
		case decodeErr == nil && !slices.ContainsFunc(b, hasManyTags):
			require.ErrorIs(t, err, errDepth)
			require.Greater(t, depthOf(packet), maxDepth)
		}
	})
}

// requireBadValue wants an error of the decoder that is about a value alone, such as a
// text or a time that is none.
func requireBadValue(t *testing.T, err error) {
	for _, structure := range []string{"nesting depth", "expected to read", "EOF", "eoc", "indefinite", "length overflow", "greater than maximum", "invalid length"} {
		require.NotContains(t, err.Error(), structure)
	}
}

// hasManyTags reports the first octet of a tag above 30, which LDAP does not have.
func hasManyTags(b byte) bool { return b&0x1f == 0x1f }

func depthOf(p *ber.Packet) int {
	deepest := 0
	for _, child := range p.Children {
		deepest = max(deepest, depthOf(child))
	}
	return deepest + 1
}

func countOf(p *ber.Packet) int {
	count := 1
	for _, child := range p.Children {
		count += countOf(child)
	}
	return count
}

// openLengths counts the marks that end an element of an open length, which the decoder
// leaves out.
func openLengths(b []byte) (count int) {
	for len(b) > 0 {
		header, length, _ := elementHeader(b)
		if length < 0 || b[0]&0x20 != 0 {
			if length < 0 {
				count++
			}
			b = b[header:]
			continue
		}
		b = b[header+length:]
	}
	return count
}
