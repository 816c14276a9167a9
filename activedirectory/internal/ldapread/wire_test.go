package ldapread

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// message is an LDAPMessage with a body of the length.
func message(length int) string {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, strings.Repeat("x", length), ""))
	return string(p.Bytes())
}

func TestMessageLength(t *testing.T) {
	tests := []struct {
		header   string
		length   int
		complete bool
		err      error
	}{
		{"", 0, false, nil},
		{"\x30", 0, false, nil},
		{"\x30\x00", 0, true, nil},
		{"\x30\x7f", 127, true, nil},
		{"\x30\x81", 0, false, nil},
		{"\x30\x81\x80", 128, true, nil},
		{"\x30\x84\x00\x00\x00\x05", 5, true, nil}, // as Active Directory writes them
		{"\x30\x83\x40\x00\x00", maxMessage, true, nil},
		{"\x30\x83\x40\x00\x01", 0, false, errMessage},
		{"\x30\x84\x7f\xff\xff\xff", 0, false, errMessage},
		{"\x30\x84\xff\xff\xff\xff", 0, false, errMessage},
		{"\x30\x80", 0, false, errFrame}, // indefinite
		{"\x30\x85", 0, false, errFrame},
		{"\x31", 0, false, errFrame},
		{"HTTP/1.1 400", 0, false, errFrame},
	}
	for _, tt := range tests {
		length, complete, err := messageLength([]byte(tt.header), maxMessage)
		assert.Equal(t, tt.length, length, "%q", tt.header)
		assert.Equal(t, tt.complete, complete, "%q", tt.header)
		assert.ErrorIs(t, err, tt.err, "%q", tt.header)
	}
}

// Not a byte more is read than the message has: what comes behind it is not LDAP.
func TestReadMessage_StopsAtItsEnd(t *testing.T) {
	for _, length := range []int{3, 200, 3000} {
		stream := strings.NewReader(message(length) + "rest")
		header, body, err := readMessage(stream, 4096)
		require.NoError(t, err)
		assert.Equal(t, message(length), string(header)+string(body))
		assert.Equal(t, len("rest"), stream.Len())
	}
	for stream, want := range map[string]error{
		"": io.EOF, "\x30": io.EOF, "\x30\x03\x02": io.ErrUnexpectedEOF, "GET /": errFrame,
		"\x30\x82\x10\x01": errMessage, "\x30\x84\xff\xff\xff\xff": errMessage,
	} {
		_, _, err := readMessage(strings.NewReader(stream), 4096)
		assert.ErrorIs(t, err, want, "%q", stream)
	}
}

// scripted is a connection whose reads come from a text.
type scripted struct {
	net.Conn
	io.Reader
}

func (s scripted) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func TestWire_StopsAfterTheAllowanceOfOneAnswer(t *testing.T) {
	w := newWire(scripted{Reader: io.MultiReader(bytes.NewReader(end()), bytes.NewReader(end()))}, nil)
	w.left.Store(int64(len(end()) + 10))
	_, err := io.ReadFull(w, make([]byte, len(end())))
	require.NoError(t, err)
	_, err = io.ReadFull(w, make([]byte, 1))
	assert.ErrorIs(t, err, errAnswer)
	assert.ErrorIs(t, w.cause(), errAnswer)
}

func TestWire_RemembersTheFirstError(t *testing.T) {
	w := newWire(scripted{Reader: strings.NewReader("GET / HTTP/1.1")}, nil)
	assert.NoError(t, w.cause())
	n, err := w.Read(make([]byte, 100))
	assert.Zero(t, n, "go-ldap must not see what is not LDAP")
	assert.ErrorIs(t, err, errFrame)
	w.remember(errors.New("later"))
	assert.ErrorIs(t, w.cause(), errFrame)
}
