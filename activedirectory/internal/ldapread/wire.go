package ldapread

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// What a server may send. go-ldap takes a message into memory whole, at some
// hundred bytes for each element, and keeps a page until it is complete.
const (
	maxMessage = 4 << 20
	maxWide    = 32 << 20 // the members of one group, which a server may send all at once
	maxAnswer  = 64 << 20 // all messages that answer one request
)

var (
	errFrame   = errors.New("the server sent something that is not LDAP; look at the controller, or check the port")
	errMessage = fmt.Errorf("the server sent a message of more than %d MiB; map smaller attributes", maxMessage>>20)
	errWide    = fmt.Errorf("the server sent a group of more than %d MiB at once; let it send members in parts, or take a smaller group for the role", maxWide>>20)
	errAnswer  = fmt.Errorf("the server sent more than %d MiB for one page; use a smaller PageSize", maxAnswer>>20)
)

// wire is the connection under go-ldap. It refuses messages that are too long
// before they are in memory, and remembers why reading or writing failed, which
// go-ldap keeps as text alone.
type wire struct {
	net.Conn          // encrypted, where it should be
	socket   net.Conn // the same without encryption: closing it never waits
	sieve    sieve
	left     atomic.Int64
	failure  atomic.Pointer[error]
}

func newWire(conn, socket net.Conn) *wire {
	w := &wire{Conn: conn, socket: socket}
	w.left.Store(maxAnswer) // a server may speak before it is asked
	return w
}

// begin starts the time and the allowance of one request.
func (w *wire) begin(timeout time.Duration) error {
	w.left.Store(maxAnswer)
	w.sieve.renewed.Store(true)
	return w.socket.SetDeadline(time.Now().Add(timeout))
}

// end lifts the deadline: between requests the reader waits for nothing.
func (w *wire) end() { _ = w.socket.SetDeadline(time.Time{}) }

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.sieve.read(p, w.more)
	w.remember(err)
	return n, err
}

func (w *wire) more(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.left.Add(-int64(n)) < 0 {
		return 0, errAnswer
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	w.sieve.sent(p)
	n, err := w.Conn.Write(p)
	w.remember(err)
	return n, err
}

// remember keeps the first error: those after it are its consequences.
func (w *wire) remember(err error) {
	if err != nil {
		w.failure.CompareAndSwap(nil, &err)
	}
}

// cause is why the connection failed, or nil.
func (w *wire) cause() error {
	if p := w.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// readMessage reads one message of at most so many bytes, and not a byte more.
func readMessage(r io.Reader, most int) (header, body []byte, err error) {
	for {
		header = append(header, 0)
		if _, err := io.ReadFull(r, header[len(header)-1:]); err != nil {
			return nil, nil, err
		}
		length, complete, err := messageLength(header, maxMessage)
		if err != nil {
			return nil, nil, err
		}
		if length > most {
			return nil, nil, errMessage
		}
		if complete {
			body = make([]byte, length)
			_, err := io.ReadFull(r, body)
			return header, body, err
		}
	}
}

// messageLength reads the tag and the length of an LDAPMessage: a SEQUENCE with
// a definite length (RFC 4511, 5.1). complete is false while bytes are missing.
func messageLength(header []byte, most int64) (length int, complete bool, err error) {
	const sequence, long = 0x30, 0x80
	if len(header) > 0 && header[0] != sequence {
		return 0, false, errFrame
	}
	if len(header) < 2 {
		return 0, false, nil
	}
	if header[1] < long {
		return int(header[1]), true, nil
	}
	octets := int(header[1] - long)
	if octets == 0 || octets > 4 {
		return 0, false, errFrame
	}
	if len(header) < 2+octets {
		return 0, false, nil
	}
	var size int64
	for _, b := range header[2 : 2+octets] {
		size = size<<8 | int64(b)
	}
	switch {
	case size > most && most == maxWide:
		return 0, false, errWide
	case size > most:
		return 0, false, errMessage
	}
	return int(size), true, nil
}
