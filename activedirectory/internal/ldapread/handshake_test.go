package ldapread

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// certified is a certificate of an RSA key for 127.0.0.1 and the names, and who trusts it.
func certified(t *testing.T, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// encryptOnly offers handshakes of this kind, and hangs up after each.
func encryptOnly(t *testing.T, offer *tls.Config) Server {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(conn, offer).Handshake()
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-served })
	server, err := ParseURL("ldaps://"+listener.Addr().String(), false)
	require.NoError(t, err)
	return server
}

// listOf is the error of reading a server.
func listOf(t *testing.T, cfg *tls.Config, server Server) error {
	t.Helper()
	c := testConfig()
	c.TLS, c.Auth = cfg, simple("svc", servicePassword)
	controller := NewController(c, server)
	defer controller.Close()
	_, err := list(t.Context(), controller)
	require.ErrorContains(t, err, "adsync: ")
	return err
}

func TestHandshake_NamesOldCiphers(t *testing.T) {
	certificate, roots := certified(t)
	rsaAlone := []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384}
	server := encryptOnly(t, &tls.Config{Certificates: []tls.Certificate{certificate}, CipherSuites: rsaAlone, MaxVersion: tls.VersionTLS12})
	assert.ErrorContains(t, listOf(t, &tls.Config{RootCAs: roots}, server), "RSA key exchange alone")

	err := listOf(t, &tls.Config{RootCAs: roots, CipherSuites: rsaAlone}, server)
	assert.ErrorContains(t, err, "binding: ", "the suites that the host lists are offered")

	server = encryptOnly(t, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	assert.ErrorContains(t, listOf(t, &tls.Config{RootCAs: roots}, server), "enable TLS 1.2")
}

// Whoever answers DNS can name any host below the domain: the certificate must bear the
// domain's name too.
func TestHandshake_WantsTheDomainsName(t *testing.T) {
	const domainName = "corp.example"
	wanted := "does not bear the name corp.example"
	for _, tt := range []struct {
		names []string
		ok    bool
	}{
		{nil, false}, {[]string{"dc1.corp.example"}, false}, {[]string{"*.corp.example"}, false}, {[]string{"other.example"}, false},
		{[]string{"dc1.corp.example", "corp.example"}, true}, {[]string{"CORP.Example"}, true},
	} {
		certificate, roots := certified(t, tt.names...)
		server := encryptOnly(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
		assert.NotContains(t, listOf(t, &tls.Config{RootCAs: roots}, server).Error(), wanted, "only if it is asked for")
		server.Domain = domainName
		err := listOf(t, &tls.Config{RootCAs: roots}, server)
		if tt.ok {
			assert.ErrorContains(t, err, "binding: ", tt.names)
		} else {
			assert.ErrorContains(t, err, wanted, tt.names)
			assert.ErrorContains(t, err, "TrustDNS")
		}
	}
}

// The host's own look at a connection comes first, and is not forgotten.
func TestHandshake_KeepsTheHostsOwnVerification(t *testing.T) {
	certificate, roots := certified(t, "corp.example")
	server := encryptOnly(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
	server.Domain = "corp.example"
	cfg := &tls.Config{RootCAs: roots, VerifyConnection: func(tls.ConnectionState) error { return assert.AnError }}
	assert.ErrorIs(t, listOf(t, cfg, server), assert.AnError)

	seen := 0
	cfg.VerifyConnection = func(tls.ConnectionState) error { seen++; return nil }
	assert.ErrorContains(t, listOf(t, cfg, server), "binding: ")
	server.Domain = "other.example"
	assert.ErrorContains(t, listOf(t, cfg, server), "does not bear the name other.example", "nor is it instead of ours")
	assert.Equal(t, 2, seen)
}
