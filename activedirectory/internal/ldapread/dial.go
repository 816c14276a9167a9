package ldapread

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// dial connects to the server and encrypts as it asks for.
func dial(ctx context.Context, cfg *Config, server Server) (*wire, error) {
	dialer := net.Dialer{Timeout: cfg.Timeout}
	socket, err := dialer.DialContext(ctx, "tcp", server.Address())
	if err != nil {
		return nil, fmt.Errorf("cannot connect; check the address, the port and the firewall: %w", err)
	}
	release := closeOnDone(ctx, socket)
	defer release()
	conn, err := encrypt(ctx, cfg, server, socket)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return newWire(conn, socket), nil
}

// closeOnDone closes the connection when the context ends. release waits until
// no part of that is still running.
func closeOnDone(ctx context.Context, c io.Closer) (release func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = c.Close()
	})
	return func() {
		if !stop() {
			<-closed
		}
	}
}

func encrypt(ctx context.Context, cfg *Config, server Server, socket net.Conn) (net.Conn, error) {
	if !server.Encrypted() {
		return gather(socket), nil
	}
	if err := socket.SetDeadline(time.Now().Add(cfg.Timeout)); err != nil {
		return nil, err
	}
	if server.StartTLS {
		if err := startTLS(socket); err != nil {
			return nil, err
		}
	}
	conn := tls.Client(buffered(gather(socket)), tlsConfig(cfg.TLS, server))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, explainHandshake(err)
	}
	return conn, nil
}

// encryptError is why encrypting failed. Its words may hold what a server sent, such as
// the names in a certificate that nobody trusts yet.
type encryptError struct {
	words string
	err   error
}

func (e encryptError) Error() string { return e.words + ": " + e.err.Error() }

func (e encryptError) Unwrap() error { return e.err }

func explainHandshake(err error) error {
	var untrusted *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var noDomain noDomainError
	switch {
	case errors.As(err, &noDomain):
		return noDomain
	case errors.As(err, &untrusted):
		return encryptError{"the certificate is not trusted; it must bear the host name, and its authority must be among the TLS RootCAs", err}
	case errors.As(err, &record):
		return encryptError{"the server does not speak TLS on this port; use the port of ldaps://, 636, or StartTLS", err}
	case isAlert(err, "tls: handshake failure"):
		return encryptError{"the server has no cipher suite in common, most likely because it offers RSA key exchange alone; enable its suites with ECDHE, or list one of its own in TLS.CipherSuites", err}
	case isAlert(err, "tls: protocol version not supported"):
		return encryptError{"the server has no TLS version in common; enable TLS 1.2 on it", err}
	}
	return encryptError{"the TLS handshake failed; check the port, the controller's certificate, and that it offers TLS 1.2 with ECDHE", err}
}

// isAlert reports the refusal of the other side. crypto/tls has no type for that, only
// these words.
func isAlert(err error, text string) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" && remote.Err.Error() == text
}

// tlsConfig is the caller's, with the gaps filled the safe way.
func tlsConfig(given *tls.Config, server Server) *tls.Config {
	c := &tls.Config{}
	if given != nil {
		c = given.Clone()
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if c.ServerName == "" {
		c.ServerName = server.Host
	}
	if server.Domain != "" {
		c.VerifyConnection = verifyDomain(server.Domain, c.VerifyConnection)
	}
	return c
}

// verifyDomain also wants the domain's name in the certificate: the host that DNS names
// proves its own name, but not that it serves the domain.
func verifyDomain(domain string, given func(tls.ConnectionState) error) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if given != nil {
			if err := given(state); err != nil {
				return err
			}
		}
		if len(state.PeerCertificates) == 0 || state.PeerCertificates[0].VerifyHostname(domain) != nil {
			return noDomainError(domain)
		}
		return nil
	}
}

// noDomainError is that of a certificate without the domain's name.
type noDomainError string

func (e noDomainError) Error() string {
	return "the certificate does not bear the name " + string(e) + " of the domain, which any host could claim to serve: give the controller a certificate with it, as the template Kerberos Authentication does, or set TrustDNS"
}

// startTLSRequest is message 1, an ExtendedRequest with the StartTLS name (RFC
// 4511, 4.14.1).
const startTLSRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + "1.3.6.1.4.1.1466.20037"

// startTLS asks for encryption. It is done before go-ldap gets the connection,
// whose own StartTLS would put the encryption above the wire, not below. It
// reads not a byte more than the answer: what a third party slips in behind it
// goes into the handshake and breaks that.
func startTLS(socket net.Conn) error {
	if _, err := io.WriteString(socket, startTLSRequest); err != nil {
		return encryptError{"cannot ask for StartTLS", err}
	}
	code, err := readStartTLSAnswer(socket)
	if err != nil {
		return encryptError{"no answer to StartTLS; use ldaps://", err}
	}
	if code != 0 {
		return fmt.Errorf("the server refused StartTLS; use ldaps://, or give the controller a certificate (result code %d)", code)
	}
	return nil
}

func readStartTLSAnswer(socket io.Reader) (code uint16, err error) {
	const most = 4 << 10
	_, body, err := readMessage(socket, most)
	if err != nil {
		return 0, err
	}
	id, op, ok := messageID(body)
	if !ok || len(op) == 0 || op[0] != tagExtendedResponse {
		return 0, errFrame
	}
	var i inspector
	if err := i.inspect(id, op); err != nil {
		return 0, err
	}
	if id != 1 {
		return 0, errFrame
	}
	code, _, err = resultOf(op)
	return code, err
}
