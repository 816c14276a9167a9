package ldapread

import (
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
		length, complete, err := messageLength([]byte(tt.header))
		assert.Equal(t, tt.length, length, "%q", tt.header)
		assert.Equal(t, tt.complete, complete, "%q", tt.header)
		assert.ErrorIs(t, err, tt.err, "%q", tt.header)
	}
}

func TestFramerFollowsMessagesInAnyPieces(t *testing.T) {
	stream := message(3) + message(200) + "\x30\x00" + message(70000)
	for _, size := range []int{1, 2, 3, 7, 1000, len(stream)} {
		var f framer
		for rest := stream; rest != ""; {
			n := min(size, len(rest))
			require.NoError(t, f.check([]byte(rest[:n])))
			rest = rest[n:]
		}
		assert.Zero(t, f.body)
		assert.ErrorIs(t, f.check([]byte("\x04")), errFrame, "the next byte must be the border of a message")
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte(message(3)+message(200)), byte(3))
	f.Add([]byte("\x30\x84\xff\xff\xff\xff"), byte(1))
	f.Fuzz(func(t *testing.T, stream []byte, size byte) {
		var whole, pieces framer
		wholeErr := whole.check(stream)
		var piecesErr error
		for rest := stream; len(rest) > 0 && piecesErr == nil; {
			n := min(int(size)+1, len(rest))
			piecesErr = pieces.check(rest[:n])
			rest = rest[n:]
		}
		assert.Equal(t, wholeErr, piecesErr)
		assert.LessOrEqual(t, whole.body, maxMessage)
		assert.LessOrEqual(t, len(whole.header), 6)
	})
}

// scripted is a connection whose reads come from a text.
type scripted struct {
	net.Conn
	io.Reader
}

func (s scripted) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func TestWireStopsAfterTheAllowanceOfOneAnswer(t *testing.T) {
	w := newWire(scripted{Reader: io.MultiReader(strings.NewReader(message(100)), strings.NewReader(message(100)))}, nil)
	w.left.Store(150)
	_, err := io.ReadFull(w, make([]byte, 100))
	require.NoError(t, err)
	_, err = io.ReadFull(w, make([]byte, 100))
	assert.ErrorIs(t, err, errAnswer)
	assert.ErrorIs(t, w.cause(), errAnswer)
}

func TestWireRemembersTheFirstError(t *testing.T) {
	w := newWire(scripted{Reader: strings.NewReader("GET / HTTP/1.1")}, nil)
	assert.NoError(t, w.cause())
	n, err := w.Read(make([]byte, 100))
	assert.Zero(t, n, "go-ldap must not see what is not LDAP")
	assert.ErrorIs(t, err, errFrame)
	w.remember(errors.New("later"))
	assert.ErrorIs(t, w.cause(), errFrame)
}
