package ldapread

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// socket is one of which each part fails as the test wants.
type socket struct {
	net.Conn
	read      io.Reader
	write     error
	deadline  error
	written   []byte
	deadlines []time.Time
	closed    bool
}

func (s *socket) Read(p []byte) (int, error) { return s.read.Read(p) }

func (s *socket) Write(p []byte) (int, error) {
	s.written = append(s.written, p...)
	return len(p), s.write
}

func (s *socket) SetDeadline(t time.Time) error {
	s.deadlines = append(s.deadlines, t)
	return s.deadline
}

func (s *socket) Close() error {
	s.closed = true
	return nil
}

func TestDial_SaysThatNobodyAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, err := ParseURL("ldap://"+listener.Addr().String(), false)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	cfg := testConfig()
	cfg.Auth = simple("svc", servicePassword)
	_, err = list(t.Context(), NewController(cfg, server))
	assert.ErrorContains(t, err, "connecting: cannot connect; check the address, the port and the firewall: ")
}

// A socket that breaks before it is encrypted says why, and encrypting has an end.
func TestEncrypt_SaysWhatBreaks(t *testing.T) {
	cfg := &Config{Timeout: time.Minute}
	_, err := encrypt(t.Context(), cfg, Server{TLS: true}, &socket{deadline: assert.AnError})
	assert.Equal(t, assert.AnError, err)

	before := time.Now()
	s := &socket{write: assert.AnError}
	_, err = encrypt(t.Context(), cfg, Server{StartTLS: true}, s)
	assert.ErrorIs(t, err, assert.AnError)
	assert.ErrorContains(t, err, "cannot ask for StartTLS")
	assert.Equal(t, startTLSRequest, string(s.written))
	require.Len(t, s.deadlines, 1)
	assert.WithinRange(t, s.deadlines[0], before.Add(cfg.Timeout), time.Now().Add(cfg.Timeout))

	s = &socket{read: strings.NewReader("")}
	_, err = encrypt(t.Context(), cfg, Server{StartTLS: true}, s)
	assert.ErrorIs(t, err, io.EOF)
	assert.ErrorContains(t, err, "no answer to StartTLS")
}

func TestEncrypt_SaysThatTheServerDoesNotSpeakTLS(t *testing.T) {
	s := &socket{read: strings.NewReader("220 mail.example ESMTP\r\n")}
	_, err := encrypt(t.Context(), &Config{Timeout: time.Minute}, Server{Host: "dc1", TLS: true}, s)
	assert.ErrorContains(t, err, "the server does not speak TLS on this port; use the port of ldaps://, 636, or StartTLS")
}

func TestEncrypt_NobodyProvesADomainWithoutACertificate(t *testing.T) {
	verify := verifyDomain("corp.example", nil)
	assert.Equal(t, noDomainError("corp.example"), verify(tls.ConnectionState{}))
}

// Only what the other side says is its refusal.
func TestHandshake_TellsARefusalByTheOtherSide(t *testing.T) {
	words := errors.New("tls: handshake failure")
	assert.ErrorContains(t, explainHandshake(&net.OpError{Op: "remote error", Err: words}), "no cipher suite in common")
	for _, other := range []error{words, &net.OpError{Op: "local error", Err: words}, &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}} {
		assert.ErrorContains(t, explainHandshake(other), "the TLS handshake failed; check the port")
	}
	assert.ErrorContains(t, explainHandshake(&net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")}), "enable TLS 1.2")
}

// The connection is closed when the context ends, and never after it was released.
func TestCloseOnDone_ClosesUntilItIsReleased(t *testing.T) {
	for range 100 {
		s := &socket{}
		ctx, cancel := context.WithCancel(t.Context())
		release := closeOnDone(ctx, s)
		cancel()
		release()
		assert.True(t, s.closed, "what has begun is over")

		s = &socket{}
		ctx, cancel = context.WithCancel(t.Context())
		release = closeOnDone(ctx, s)
		release()
		cancel()
		assert.False(t, s.closed)
	}
}

// Each request has its time and its allowance, and none goes on after it.
func TestWire_EachRequestHasItsAllowance(t *testing.T) {
	s := &socket{}
	w := newWire(s, s)
	assert.EqualValues(t, maxAnswer, w.left.Load(), "for what comes unasked")
	w.left.Store(1)
	before := time.Now()
	require.NoError(t, w.begin(time.Minute))
	assert.EqualValues(t, maxAnswer, w.left.Load())
	w.end()
	require.Len(t, s.deadlines, 2)
	assert.WithinRange(t, s.deadlines[0], before.Add(time.Minute), time.Now().Add(time.Minute))
	assert.True(t, s.deadlines[1].IsZero())
	s.deadline = assert.AnError
	assert.ErrorIs(t, w.begin(time.Minute), assert.AnError)

	s.read = strings.NewReader("ab")
	w.left.Store(1)
	n, err := w.more(make([]byte, 1))
	assert.Equal(t, 1, n, "to the last byte")
	assert.NoError(t, err)
	_, err = w.more(make([]byte, 1))
	assert.ErrorIs(t, err, errAnswer)
}

// What is written tells the sieve which search is its own, and why writing failed is kept.
func TestWire_SeesWhatIsWritten(t *testing.T) {
	s := &socket{}
	w := newWire(s, s)
	h := w.sieve.start(&Config{}, nil)
	_, err := w.Write([]byte(short(0x30, "\x02\x01\x07", short(0x63))))
	require.NoError(t, err)
	assert.EqualValues(t, 7, h.id.Load())
	s.write = assert.AnError
	_, err = w.Write([]byte("x"))
	assert.ErrorIs(t, err, assert.AnError)
	assert.ErrorIs(t, w.cause(), assert.AnError)
}

func TestReadMessage_TakesWhatIsJustShortEnough(t *testing.T) {
	whole := message(200)
	for most, want := range map[int]error{len(whole) - 3: nil, len(whole) - 4: errMessage} {
		_, _, err := readMessage(strings.NewReader(whole), most)
		assert.ErrorIs(t, err, want, most)
	}
}
