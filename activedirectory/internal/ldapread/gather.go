package ldapread

import (
	"bufio"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// gatherer is a socket that lets the entries of a long answer gather before it reads
// them.
//
// A server that sends each entry by itself wakes the reader for each. That costs more
// than the reading, and it holds the server up. So the kernel is asked to report, for a
// moment, nothing less than a full buffer; a pause alone would not do, because Go's
// poller is woken in pauses too. A listing takes a third of the processor time in this
// way.
type gatherer struct {
	net.Conn
	raw   syscall.RawConn
	short atomic.Int32 // reads since the last request that took all there was
	pause func(time.Duration)
}

const (
	// shortReads is how many reads of one answer may take all there was: it is a long
	// one then, which a pause delays by little, and the server slower than the reader.
	shortReads = 24
	// gatherFor is far less than a server takes for a page. Of 100 to 1000 µs, it made
	// listings and look-ups fastest.
	gatherFor = 400 * time.Microsecond
)

// gather returns the socket itself where the system does not know how.
func gather(socket net.Conn) net.Conn {
	conn, ok := socket.(syscall.Conn)
	if !ok || !canTellFrom {
		return socket
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return socket
	}
	return &gatherer{Conn: socket, raw: raw, pause: pause}
}

func (g *gatherer) Read(p []byte) (int, error) {
	if g.short.Load() >= shortReads && tellFrom(g.raw, sieveBuffer) == nil {
		g.pause(gatherFor)
		_ = tellFrom(g.raw, 1) // a socket that refuses this is closed, and the read says so
	}
	n, err := g.Conn.Read(p)
	if n < len(p) {
		g.short.Add(1)
	} else {
		g.short.Store(0)
	}
	return n, err
}

func (g *gatherer) Write(p []byte) (int, error) {
	g.short.Store(0)
	return g.Conn.Write(p)
}

// bufferedConn reads all there is at once. TLS takes one record at a time, and a
// server may send each entry in a record of its own.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func buffered(conn net.Conn) net.Conn {
	return bufferedConn{conn, bufio.NewReaderSize(conn, sieveBuffer)}
}

func (b bufferedConn) Read(p []byte) (int, error) { return b.reader.Read(p) }
