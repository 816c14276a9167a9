package ldapread

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// framedAs is a message that answers the first request of a connection: an entry
// with this in it.
func framedAs(content []byte) []byte {
	entry := append(long(0x64, len(content)), content...)
	body := append([]byte{0x02, 0x01, 0x01}, entry...)
	return append(long(0x30, len(body)), body...)
}

// long is a header with a length of four octets.
func long(tag byte, n int) []byte {
	return []byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// Each of these fits into what a message may be long, and is many times as big
// once it is decoded: a server could use all memory there is, or all stack.
func TestInspect_RefusesAnAnswerThatGrowsWhenDecoded(t *testing.T) {
	const room = maxMessage - 100
	for name, content := range map[string][]byte{
		"empty values":      bytes.Repeat([]byte{0x04, 0x00}, room/2),
		"one in another":    bytes.Repeat([]byte{0x30, 0x80}, room/2),
		"empty lists":       bytes.Repeat([]byte{0x30, 0x00}, room/2),
		"a tag beyond LDAP": append([]byte{0x1f, 0x81, 0x01, 0x00}, make([]byte, 100)...),
		"a value of no end": append([]byte{0x04, 0x80}, make([]byte, 100)...),
	} {
		t.Run(name, func(t *testing.T) {
			for _, plainly := range []bool{false, true} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := readPage(t, plainly, bytes.Repeat(framedAs(content), 4), 64<<10)
				runtime.ReadMemStats(&after)
				require.ErrorContains(t, err, "adsync: ")
				assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(400<<20))
			}
		})
	}
}

// What was counted for one request does not count for the next.
func TestInspect_EachRequestMayHaveItsElements(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(25)
	c := d.open(d.config())
	for range 3 {
		_, err := list(t.Context(), c)
		require.NoError(t, err)
	}
	c.idle.wire.sieve.inspector.elements = maxElements
	_, err := list(t.Context(), c)
	require.NoError(t, err)
}

// A terminal obeys what it is shown, and a line feed begins another line of a log.
func TestErrors_NothingOfAServerSteersATerminal(t *testing.T) {
	const evil = "dc1\x1b]0;x\x07\n2026 INFO all is well\u202e"
	shown := func(text string) {
		t.Helper()
		assert.False(t, strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
		assert.Contains(t, text, "dc1")
	}
	cfg := testConfig()
	untrusted := explainHandshake(errors.New("certificate is valid for " + evil))
	err := explain(t.Context(), cfg, Server{Host: "dc1", Port: "636"}, nil, "connecting", untrusted)
	shown(err.Error())
	assert.ErrorIs(t, err, untrusted)
	shown(explain(t.Context(), cfg, Server{Host: "dc1", Port: "636"}, nil, "reading", &ldap.Error{ResultCode: 80, Err: errors.New(evil)}).Error())

	d := newDomain(t, fakead.Config{})
	c := d.open(d.config())
	_, err = list(t.Context(), c)
	require.NoError(t, err)
	c.idle.root.host = evil
	access, err := c.Check(t.Context())
	require.NoError(t, err)
	shown(access.Controller)
}

// Whatever a server sends, reading it ends with accounts or an error.
func FuzzConversation(f *testing.F) {
	done := []byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00}
	f.Add(done, 1)
	f.Add(append(framedAs([]byte{0x04, 0x01, 'x', 0x30, 0x00}), done...), 3)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), 100)
	f.Add(framedAs(bytes.Repeat([]byte{0x30, 0x80}, 2000)), 50)
	f.Add(long(0x30, 1<<31-1), 2)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		for _, plainly := range []bool{false, true} {
			accounts, err := readPage(t, plainly, stream, 1+int(uint(piece)%4096))
			if err != nil {
				require.ErrorContains(t, err, "adsync: ")
			}
			require.LessOrEqual(t, len(accounts), len(stream))
		}
	})
}
