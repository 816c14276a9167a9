package directory

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// afterwards is what happens to a connection at its limit.
type afterwards int

const (
	cut   afterwards = iota // it ends
	stall                   // it stays open, and nothing more passes
	drip                    // it goes on a byte at a time
)

// proxy passes TCP connections on to a server. A test can count them, read what
// the client sent, and cut the server's answer short.
type proxy struct {
	address string

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	opened int
	sent   bytes.Buffer // by clients
	open   map[net.Conn]bool
	limit  int64 // bytes of each server's answer that pass; negative: all
	then   afterwards
}

// startProxy listens on a port of the host's, until the test ends.
func startProxy(t *testing.T, host, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	p := &proxy{address: listener.Addr().String(), target: target, listener: listener, open: map[net.Conn]bool{}, limit: -1}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// limitTo lets so many bytes of each answer of the server pass as they come.
func (p *proxy) limitTo(limit int64, then afterwards) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit, p.then = limit, then
}

// connections is how many there were.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// sentByClients is every byte that clients sent.
func (p *proxy) sentByClients() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.sent.Bytes())
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.opened++
		limit, then := p.limit, p.then
		p.mu.Unlock()
		if server, err := net.Dial("tcp", p.target); err != nil {
			client.Close()
		} else {
			p.join(client, server, limit, then)
		}
	}
}

func (p *proxy) join(client, server net.Conn, limit int64, then afterwards) {
	if !p.keep(client, server) {
		return
	}
	hangUp := func() {
		client.Close()
		server.Close()
	}
	p.running.Go(func() {
		defer hangUp()
		_, _ = io.Copy(io.MultiWriter(server, recorder{p}), client)
	})
	p.running.Go(func() {
		var answers io.Reader = server
		if limit >= 0 {
			answers = io.LimitReader(server, limit)
		}
		_, err := io.Copy(client, answers)
		for then == drip && err == nil {
			time.Sleep(20 * time.Millisecond)
			_, err = io.CopyN(client, server, 1)
		}
		if then == stall && err == nil {
			return // the client's own end, or close, ends the connection
		}
		hangUp()
	})
}

// keep remembers the connections, unless the proxy is closed.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.open == nil {
			c.Close()
			continue
		}
		p.open[c] = true
	}
	return p.open != nil
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		c.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.running.Wait()
}

// recorder notes what clients send.
type recorder struct{ p *proxy }

func (r recorder) Write(b []byte) (int, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	return r.p.sent.Write(b)
}

// The tests lean on the proxy's cuts: show them.
func TestProxy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("0123456789"))
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	p := startProxy(t, "127.0.0.1", listener.Addr().String())
	read := func() string {
		c, err := net.Dial("tcp", p.address)
		require.NoError(t, err)
		defer c.Close()
		text, err := io.ReadAll(c)
		if err != nil {
			require.False(t, errors.Is(err, io.EOF))
		}
		return string(text)
	}

	require.Equal(t, "0123456789", read())
	p.limitTo(4, cut)
	require.Equal(t, "0123", read())
	require.Equal(t, 2, p.connections())
}
