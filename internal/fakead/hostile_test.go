package fakead_test

import (
	"bytes"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// The server hangs up on what is not LDAP, and goes on serving others.
func TestServer_HostileClients(t *testing.T) {
	s := start(t, fakead.Config{})
	deep := bytes.Repeat([]byte{0xa2, 0x84, 0x00, 0x00, 0x00, 0x7f}, 200)
	for name, bytes := range map[string][]byte{
		"not BER":           []byte("GET / HTTP/1.1\r\n\r\n"),
		"huge length":       {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x02, 0x01, 0x01},
		"five length bytes": {0x30, 0x85, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00},
		"indefinite length": {0x30, 0x80, 0x02, 0x01, 0x01, 0x00, 0x00},
		"no message ID":     {0x30, 0x02, 0x42, 0x00},
		"message ID zero":   {0x30, 0x05, 0x02, 0x01, 0x00, 0x42, 0x00},
		"unknown operation": {0x30, 0x05, 0x02, 0x01, 0x01, 0x5e, 0x00},
		"bad controls":      {0x30, 0x08, 0x02, 0x01, 0x01, 0x42, 0x00, 0xa0, 0x01, 0x30},
		"bind of nothing":   {0x30, 0x05, 0x02, 0x01, 0x01, 0x60, 0x00},
		"length beyond end": {0x30, 0x06, 0x02, 0x01, 0x01, 0x42, 0x7f, 0x00},
	} {
		assert.Empty(t, readAll(t, s, bytes), name)
	}
	search := append([]byte{0x04, 0x00, 0x0a, 0x01, 0x00, 0x0a, 0x01, 0x00, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x01, 0x01, 0x00}, deep...)
	answer := readAll(t, s, wrap(0x30, append([]byte{0x02, 0x01, 0x01}, wrap(0x63, search)...)), unbind)
	assert.Contains(t, string(answer), "Error decoding ldap message", "a filter that never ends")
	assert.NotEmpty(t, readAll(t, s, readRootDSE, unbind))
}

func wrap(tag byte, body []byte) []byte {
	n := len(body)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// A client that stops in the middle of a message, or of the handshake, does not
// keep Close waiting.
func TestClose_DoesNotWaitForClients(t *testing.T) {
	s := start(t, fakead.Config{})
	for _, url := range []string{s.URL(), s.PlainURL()} {
		address := strings.TrimPrefix(strings.TrimPrefix(url, "ldaps://"), "ldap://")
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte{0x30, 0x20, 0x02})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return s.Connections() == 2 }, time.Minute, time.Millisecond)
	require.NoError(t, s.Close())
}

// What was sent in the clear behind a StartTLS request is not taken for
// encrypted.
func TestStartTLS_Injection(t *testing.T) {
	s := start(t, fakead.Config{})
	c, err := net.Dial("tcp", strings.TrimPrefix(s.PlainURL(), "ldap://"))
	require.NoError(t, err)
	defer c.Close()
	oid := wrap(0x80, []byte("1.3.6.1.4.1.1466.20037"))
	request := wrap(0x30, append([]byte{0x02, 0x01, 0x01}, wrap(0x77, oid)...))
	_, err = c.Write(append(request, readRootDSE...))
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	var all bytes.Buffer
	_, err = all.ReadFrom(c)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server hangs up")
	assert.NotContains(t, all.String(), "defaultNamingContext")
}
