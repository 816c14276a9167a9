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
// nothing of that is running any more.
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
	conn := tls.Client(buffered(gather(socket)), tlsConfig(cfg.TLS, server.Host))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, explainHandshake(err)
	}
	return conn, nil
}

func explainHandshake(err error) error {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("the certificate is not trusted; it must bear the host name, and its authority must be among the TLS RootCAs: %w", err)
	}
	return fmt.Errorf("the TLS handshake failed; check the port and the controller's certificate: %w", err)
}

// tlsConfig is the caller's, with the gaps filled the safe way.
func tlsConfig(given *tls.Config, host string) *tls.Config {
	c := &tls.Config{}
	if given != nil {
		c = given.Clone()
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

// startTLSRequest is message 1, an ExtendedRequest with the StartTLS name (RFC
// 4511, 4.14.1).
const startTLSRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + "1.3.6.1.4.1.1466.20037"

// startTLS asks for encryption. It is done before go-ldap gets the connection,
// whose own way of it would put the encryption above the wire, not below. It
// reads not a byte more than the answer: what a third party slips in behind it
// would go into the handshake and break that.
func startTLS(socket net.Conn) error {
	if _, err := io.WriteString(socket, startTLSRequest); err != nil {
		return fmt.Errorf("cannot ask for StartTLS: %w", err)
	}
	code, err := readStartTLSAnswer(socket)
	if err != nil {
		return fmt.Errorf("no answer to StartTLS; use ldaps://: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("the server refused StartTLS with result code %d; use ldaps://, or give the controller a certificate", code)
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
