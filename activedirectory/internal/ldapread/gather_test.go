//go:build linux

package ldapread

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connected returns both ends of a TCP connection.
func connected(t *testing.T) (ours *net.TCPConn, theirs net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	theirs, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = theirs.Close() })
	return conn.(*net.TCPConn), theirs
}

// toldFrom is how many bytes there must be before the kernel reports anything to read.
func toldFrom(t *testing.T, conn *net.TCPConn) (bytes int) {
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		bytes, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT)
	}))
	require.NoError(t, err)
	return bytes
}

// giving gives so many bytes at a read.
type giving struct {
	*net.TCPConn
	n *int
}

func (c giving) Read(p []byte) (int, error) { return min(*c.n, len(p)), nil }

func (c giving) Write(p []byte) (int, error) { return len(p), nil }

// Entries that come one by one are left to gather, and a short answer is not waited for.
func TestGather_EntriesBehindASlowServer(t *testing.T) {
	socket, _ := connected(t)
	n, pauses := 1, 0
	g := gather(giving{socket, &n}).(*gatherer)
	g.pause = func(d time.Duration) {
		pauses++
		assert.Equal(t, gatherFor, d)
		assert.Equal(t, sieveBuffer, toldFrom(t, socket), "nothing wakes the reader meanwhile")
	}
	read := func(times int) int {
		pauses = 0
		for range times {
			_, err := g.Read(make([]byte, 10))
			require.NoError(t, err)
			assert.Equal(t, 1, toldFrom(t, socket), "every byte counts again")
		}
		return pauses
	}
	assert.Equal(t, 0, read(shortReads))
	assert.Equal(t, 3, read(3))
	_, err := g.Write([]byte("a request"))
	require.NoError(t, err)
	assert.Equal(t, 0, read(shortReads))
	n = 10
	assert.Equal(t, 1, read(5), "the server is ahead")
	n = 1
	assert.Equal(t, 0, read(shortReads))
}

func TestGather_PlainConnections(t *testing.T) {
	socket, _ := connected(t)
	conn, err := encrypt(t.Context(), &Config{}, Server{Host: "127.0.0.1"}, socket)
	require.NoError(t, err)
	assert.IsType(t, &gatherer{}, conn)
}

// What is no socket of the system's, or one no more, is read as it is.
func TestGather_LeavesWhatItCannotTell(t *testing.T) {
	none := &socket{}
	assert.Same(t, none, gather(none))
	closed := noDescriptor{&net.TCPConn{}}
	assert.Equal(t, net.Conn(closed), gather(closed))
}

func TestGather_SaysWhatIsNoSocket(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	raw, err := r.SyscallConn()
	require.NoError(t, err)
	assert.ErrorIs(t, tellFrom(raw, 1), syscall.ENOTSOCK)
}

// noDescriptor is a connection that does not say which one it is.
type noDescriptor struct{ *net.TCPConn }

func (noDescriptor) SyscallConn() (syscall.RawConn, error) { return nil, net.ErrClosed }

func TestGather_DoesNotWaitForAClosedSocket(t *testing.T) {
	socket, _ := connected(t)
	g := gather(socket).(*gatherer)
	g.pause = func(time.Duration) { t.Error("a pause") }
	g.short.Store(shortReads)
	require.NoError(t, socket.Close())
	_, err := g.Read(make([]byte, 10))
	assert.ErrorIs(t, err, net.ErrClosed)
}

// counting counts what is read of a socket at a time.
type counting struct {
	*net.TCPConn
	reads atomic.Int32
}

func (c *counting) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.TCPConn.Read(p)
}

// A server may encrypt each entry by itself. All that have arrived are read at once: a
// pause for each took seventy times as long as the server.
func TestGather_ManyEncryptedEntriesAreReadAtOnce(t *testing.T) {
	const entries, size = 300, 100
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	socket, theirs := connected(t)
	server := tls.Server(theirs, https.TLS)
	sent := make(chan error, 1)
	go func() {
		_, err := server.Read(make([]byte, 1))
		for range entries {
			if err == nil {
				_, err = server.Write(make([]byte, size))
			}
		}
		sent <- err
	}()

	roots := https.Client().Transport.(*http.Transport).TLSClientConfig
	counted := &counting{TCPConn: socket}
	conn, err := encrypt(t.Context(), &Config{Timeout: time.Minute, TLS: roots}, Server{Host: "127.0.0.1", TLS: true}, counted)
	require.NoError(t, err)
	pauses := 0
	conn.(*tls.Conn).NetConn().(bufferedConn).Conn.(*gatherer).pause = func(time.Duration) { pauses++ }
	_, err = conn.Write([]byte("?"))
	require.NoError(t, err)
	require.NoError(t, <-sent)

	counted.reads.Store(0)
	_, err = io.ReadFull(conn, make([]byte, entries*size))
	require.NoError(t, err)
	assert.Zero(t, pauses, "all of it was there")
	assert.Less(t, counted.reads.Load(), int32(shortReads))
}
