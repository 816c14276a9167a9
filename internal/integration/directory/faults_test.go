package directory

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// oneUser is a host's table with something to lose.
func (s *scene) oneUser(t *testing.T) *adsync.MemoryStore {
	t.Helper()
	return adsync.NewMemoryStore(imported("1", s.add(t, "alice")))
}

// A refused password is tried once, however many controllers there are: a few
// more, and the account is locked.
func testWrongPassword(t *testing.T, s *scene) {
	store := s.oneUser(t)
	forgetful := s.addAccount(t, s.prefix+"forgetful")
	cfg := s.config()
	cfg.URLs = []string{s.url, s.url, s.url}
	cfg.Bind = activedirectory.SimpleBind(forgetful.name, "not-"+forgetful.password)

	plan, err := newSyncer(t, open(t, cfg), store, adsync.Rules{}).Plan(t.Context())

	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.Nil(t, plan)
	assert.ErrorContains(t, err, "password is wrong")
	s.assertDiscreet(t, err)
	assert.NotContains(t, err.Error(), forgetful.name)
	assert.Equal(t, 1, s.attempts(t, forgetful))
}

func testPlainRefused(t *testing.T, s *scene) {
	host, target := hostOf(t, s.plainURL)
	p := startProxy(t, host, target)
	cfg := s.config()
	cfg.URLs = []string{"ldap://" + p.address}

	_, err := activedirectory.New(cfg)

	require.Error(t, err)
	assert.ErrorContains(t, err, "StartTLS")
	s.assertDiscreet(t, err)
	assert.Zero(t, p.connections())
	assert.Empty(t, p.sentByClients())
}

// A modern controller refuses a password in the clear by itself.
func testPlainAllowed(t *testing.T, s *scene) {
	cfg := s.config()
	cfg.URLs = []string{s.plainURL}
	cfg.AllowPlaintext = true

	err := s.requireNoPlan(t, open(t, cfg), s.oneUser(t))

	assert.ErrorContains(t, err, "encrypted")
}

func testStartTLS(t *testing.T, s *scene) {
	store := s.oneUser(t)
	host, target := hostOf(t, s.plainURL)
	p := startProxy(t, host, target)
	cfg := s.config()
	cfg.URLs = []string{"ldap://" + p.address}
	cfg.StartTLS = true

	plan, err := newSyncer(t, open(t, cfg), store, adsync.Rules{}).Plan(t.Context())

	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
	assert.NotZero(t, p.connections())
	assert.False(t, bytes.Contains(p.sentByClients(), []byte(s.reader.password)), "the password went in the clear")
	assert.False(t, bytes.Contains(p.sentByClients(), []byte(s.reader.name)), "the name went in the clear")
}

func testStartTLSUntrusted(t *testing.T, s *scene) {
	host, target := hostOf(t, s.plainURL)
	p := startProxy(t, host, target)
	cfg := s.config()
	cfg.URLs = []string{"ldap://" + p.address}
	cfg.StartTLS = true
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}

	s.requireNoPlan(t, open(t, cfg), s.oneUser(t))

	assert.False(t, bytes.Contains(p.sentByClients(), []byte(s.reader.password)))
}

func testUnknownAuthority(t *testing.T, s *scene) {
	require.ErrorAs(t, s.readFlawed(t, flawAuthority), new(x509.UnknownAuthorityError))
}

func testOtherHost(t *testing.T, s *scene) {
	require.ErrorAs(t, s.readFlawed(t, flawHost), new(x509.HostnameError))
}

func testExpired(t *testing.T, s *scene) {
	var invalid x509.CertificateInvalidError
	require.ErrorAs(t, s.readFlawed(t, flawExpired), &invalid)
	assert.Equal(t, x509.Expired, invalid.Reason)
}

func (s *scene) readFlawed(t *testing.T, f flaw) error {
	t.Helper()
	store := s.oneUser(t)
	cfg := s.config()
	url, roots := s.flawed(t, f)
	cfg.URLs, cfg.TLS = []string{url}, &tls.Config{RootCAs: roots}
	return s.requireNoPlan(t, open(t, cfg), store)
}

func testNobodyListens(t *testing.T, s *scene) {
	store := s.oneUser(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	cfg := s.config()
	cfg.URLs = []string{"ldaps://" + address}

	s.requireNoPlan(t, open(t, cfg), store)

	cfg.URLs = append(cfg.URLs, s.url)
	plan, err := newSyncer(t, open(t, cfg), store, adsync.Rules{}).Plan(t.Context())
	require.NoError(t, err, "the next controller is asked")
	assert.Empty(t, plan.Changes)
}
