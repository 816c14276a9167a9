package ldapread

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// recorder is a connection that notes what is done with it.
type recorder struct {
	socket
	done   []string
	hungUp bool
	search func(*ldap.SearchRequest) (*ldap.SearchResult, error)
}

func (r *recorder) Close() error {
	r.done = append(r.done, "the socket is closed")
	return nil
}

func (r *recorder) open(context.Context, Server) (net.Conn, Searcher, error) {
	return r, recorded{r}, nil
}

// recorded is the same as go-ldap has it.
type recorded struct{ *recorder }

func (r recorded) Search(q *ldap.SearchRequest) (*ldap.SearchResult, error) { return r.search(q) }

func (r recorded) IsClosing() bool { return r.hungUp }

func (r recorded) SetTimeout(d time.Duration) { r.done = append(r.done, "a timeout of "+d.String()) }

func (r recorded) Close() error {
	r.done = append(r.done, "the connection is closed")
	return nil
}

// onePage is the answer of a directory in which there is nobody.
func onePage(q *ldap.SearchRequest) (*ldap.SearchResult, error) {
	if q.BaseDN == "" {
		return &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry("", map[string][]string{
			"defaultNamingContext": {"DC=corp"}, "supportedCapabilities": {capabilityActiveDirectory}})}}, nil
	}
	return &ldap.SearchResult{Controls: []ldap.Control{ldap.NewControlPaging(0)}}, nil
}

// A goodbye has an end, and there is none on a connection that broke: the server might
// never take it.
func TestSession_ClosesWithoutWaiting(t *testing.T) {
	polite := []string{"a timeout of 1m0s", "the connection is closed"}
	r := &recorder{search: onePage}
	cfg := testConfig()
	cfg.Open, cfg.Auth = r.open, simple("svc", servicePassword)
	c := NewController(cfg, Server{Host: "dc1", Port: "389"})
	_, err := list(t.Context(), c)
	require.NoError(t, err)
	assert.Empty(t, r.done, "it is kept")
	r.hungUp = true
	_, err = list(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, polite, r.done, "nothing stays of one that the server has ended")
	r.done = nil
	c.Close()
	assert.Equal(t, polite, r.done)

	r.done = nil
	r.search = func(q *ldap.SearchRequest) (*ldap.SearchResult, error) {
		if q.BaseDN != "" {
			return nil, io.EOF
		}
		return onePage(q)
	}
	c = NewController(cfg, Server{Host: "dc1", Port: "389"})
	_, err = list(t.Context(), c)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, append([]string{"the socket is closed"}, polite...), r.done)

	r.done = nil
	searches := 0
	r.search = func(q *ldap.SearchRequest) (*ldap.SearchResult, error) {
		if searches++; searches > 1 {
			return nil, io.EOF
		}
		return onePage(q)
	}
	c = NewController(cfg, Server{Host: "dc1", Port: "389"})
	_, _, err = c.Time(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, append([]string{"the socket is closed"}, polite...), r.done, "whatever was asked for")
}

// What cannot be opened, or gets no deadline, says where.
func TestSession_SaysThatItDoesNotBegin(t *testing.T) {
	cfg := testConfig()
	cfg.Auth = simple("svc", servicePassword)
	cfg.Open = func(context.Context, Server) (net.Conn, Searcher, error) { return nil, nil, io.EOF }
	_, err := list(t.Context(), NewController(cfg, Server{Host: "dc1", Port: "389"}))
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.ErrorContains(t, err, "adsync: dc1:389: connecting: the server closed")

	r := &recorder{socket: socket{deadline: os.ErrDeadlineExceeded}, search: func(*ldap.SearchRequest) (*ldap.SearchResult, error) {
		t.Error("a search")
		return nil, io.EOF
	}}
	cfg.Open = r.open
	_, err = list(t.Context(), NewController(cfg, Server{Host: "dc1", Port: "389"}))
	assert.ErrorContains(t, err, "reading the rootDSE: no answer within")
	assert.Contains(t, r.done, "the connection is closed")
}

// Nobody is asked for a password once the caller has stopped.
func TestBind_AsksForNoPasswordInVain(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := testConfig()
	cfg.Auth = func(context.Context) (Attempt, error) {
		t.Error("a password")
		return Attempt{}, os.ErrPermission
	}
	_, err := list(ended, NewController(cfg, Server{Host: "dc1", Port: "389"}))
	assert.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, ErrRefused)
}

// Only an error that is neither the server's nor the network's may mean a wrong password.
func TestBind_TellsWhoseErrorItIs(t *testing.T) {
	for name, tt := range map[string]struct {
		cause, err error
		hostsOwn   bool
	}{
		"the host's":             {nil, os.ErrPermission, true},
		"after the network's":    {io.EOF, os.ErrPermission, false},
		"the server's":           {nil, ldap.NewError(51, os.ErrPermission), false},
		"the network's":          {nil, &net.OpError{Op: "dial", Err: os.ErrPermission}, false},
		"what is not LDAP":       {nil, errors.New("unable to read LDAP response packet: x"), false},
		"of another packet, too": {nil, errors.New("x: unable to read LDAP response packet"), true},
	} {
		s := &session{wire: newWire(nil, nil)}
		s.wire.remember(tt.cause)
		assert.Equal(t, tt.hostsOwn, s.isHostsOwn(tt.err), name)
	}
	// Nor does one of a caller who stopped.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := newDomain(t, fakead.Config{})
	cfg := d.config()
	cfg.Auth = func(context.Context) (Attempt, error) {
		return Attempt{Bind: func(context.Context, string, *ldap.Conn) error {
			cancel()
			return os.ErrPermission
		}}, nil
	}
	_, err := list(ctx, d.open(cfg))
	assert.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, ErrRefused)
}

// A server without a rootDSE is no domain controller.
func TestSession_WantsARootDSE(t *testing.T) {
	for name, entries := range map[string][]*ldap.Entry{"none": nil, "two": {ldap.NewEntry("", nil), ldap.NewEntry("", nil)}} {
		r := &recorder{search: func(*ldap.SearchRequest) (*ldap.SearchResult, error) {
			return &ldap.SearchResult{Entries: entries}, nil
		}}
		cfg := testConfig()
		cfg.Open, cfg.Auth = r.open, simple("svc", servicePassword)
		_, err := list(t.Context(), NewController(cfg, Server{Host: "dc1", Port: "389"}))
		assert.EqualError(t, err, "adsync: dc1:389: reading the rootDSE: there is none to be seen; is this a domain controller?", name)
		assert.True(t, strings.HasSuffix(strings.Join(r.done, ""), "the connection is closed"))
	}
}

// A call that was stopped before it asked anything asks nothing more.
func TestSession_StoppedCallSendsNothing(t *testing.T) {
	searches := 0
	r := &recorder{search: func(q *ldap.SearchRequest) (*ldap.SearchResult, error) {
		searches++
		return onePage(q)
	}}
	cfg := testConfig()
	cfg.Open, cfg.Auth = r.open, simple("svc", servicePassword)
	c := NewController(cfg, Server{Host: "dc1", Port: "389"})
	_, err := list(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, 2, searches)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = list(ended, c)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 2, searches)
}

// unbound is a session as it is before its bind.
func unbound(r *recorder) *session {
	return &session{cfg: testConfig(), server: Server{Host: "dc1", Port: "389"}, wire: newWire(r, r), conn: recorded{r}}
}

// Waiting for the binds of others takes nothing of the controller's own time, and a connection
// on which the turn never came is dropped: the server may have given up listening.
func TestSession_WaitsForItsTurnWithoutADeadline(t *testing.T) {
	r := &recorder{}
	s := unbound(r)
	require.NoError(t, s.wire.begin(time.Minute), "as encrypting does")
	_, err := s.turn(t.Context(), Attempt{Turn: func(context.Context) (func(), error) {
		assert.True(t, r.deadlines[len(r.deadlines)-1].IsZero())
		return nil, os.ErrPermission
	}})
	assert.ErrorIs(t, err, os.ErrPermission)
	s.close()
	assert.Equal(t, []string{"the socket is closed", "a timeout of 1m0s", "the connection is closed"}, r.done)
}

// A bind is sent once its turn has come, and however it ends, the next one is let go on.
func TestBind_WaitsForItsTurn(t *testing.T) {
	for password, isRight := range map[string]bool{servicePassword: true, "hunter2": false} {
		d := newDomain(t, fakead.Config{})
		var steps []string
		cfg := d.config()
		cfg.Auth = func(context.Context) (Attempt, error) {
			return Attempt{
				Turn: func(ctx context.Context) (func(), error) {
					_, limited := ctx.Deadline()
					assert.False(t, limited, "it takes as long as it takes")
					steps = append(steps, "turn")
					return func() { steps = append(steps, "end") }, nil
				},
				Bind: func(_ context.Context, _ string, c *ldap.Conn) error {
					steps = append(steps, "bind")
					return c.Bind("svc@ad.example.test", password)
				},
			}, nil
		}
		_, err := list(t.Context(), d.open(cfg))
		assert.Equal(t, isRight, err == nil, "%v", err)
		assert.Equal(t, []string{"turn", "bind", "end"}, steps)
	}
}

// Where the turn never comes nothing is sent, and the error is that of the turn, unless the
// caller has stopped.
func TestBind_WithoutItsTurnSendsNothing(t *testing.T) {
	call := func(ctx context.Context, turn func() error) (*Controller, error) {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		cfg.Auth = func(context.Context) (Attempt, error) {
			return Attempt{
				Turn: func(context.Context) (func(), error) { return nil, turn() },
				Bind: func(context.Context, string, *ldap.Conn) error {
					t.Error("a bind")
					return nil
				},
			}, nil
		}
		c := d.open(cfg)
		_, err := list(ctx, c)
		require.Error(t, err)
		assert.Equal(t, 1, d.Opened())
		assert.Zero(t, d.Count(fakead.OpBind))
		_, known := c.Failed()
		assert.False(t, known, "it says nothing of the controller")
		return c, err
	}
	c, err := call(t.Context(), func() error { return os.ErrPermission })
	assert.ErrorIs(t, err, os.ErrPermission)
	assert.ErrorContains(t, err, "nothing was sent")
	assert.NotErrorIs(t, err, ErrRefused)
	assert.Equal(t, err, c.Final())

	c, err = call(t.Context(), func() error { return ErrRefused })
	assert.ErrorIs(t, err, ErrRefused)
	assert.Equal(t, err, c.Final())

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err = call(ctx, func() error {
		cancel()
		return os.ErrPermission
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "waiting for another bind with this password: stopped by the caller")
	assert.NoError(t, c.Final())
}

// A bind that did not begin, or that its caller stopped, says nothing of the password.
func TestBind_ThatWasCutShortMayBeTriedAgain(t *testing.T) {
	broken := unbound(&recorder{socket: socket{deadline: os.ErrDeadlineExceeded}})
	err := broken.bind(t.Context(), nil, func(context.Context, string, *ldap.Conn) error {
		t.Error("a bind")
		return nil
	})
	assert.ErrorContains(t, err, "binding: no answer within")
	assert.False(t, isFinal(err), "%v", err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = unbound(&recorder{}).bind(ctx, nil, func(context.Context, string, *ldap.Conn) error {
		cancel()
		return os.ErrPermission
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, isFinal(err), "%v", err)
}
