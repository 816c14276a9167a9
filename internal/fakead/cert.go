package fakead

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Certificate says what is wrong with the server's certificate.
type Certificate string

const (
	CertificateGood      Certificate = ""           // valid for 127.0.0.1 and localhost
	CertificateExpired   Certificate = "expired"    // ended yesterday
	CertificateOtherCA   Certificate = "other-ca"   // signed by an authority that RootCAs does not hold
	CertificateOtherName Certificate = "other-name" // valid, but for another host
)

// pki is the server's certificate and the authority that clients trust.
type pki struct {
	server tls.Certificate
	pool   *x509.CertPool
	caPEM  []byte
	signer *authority

	authorities *x509.CertPool // of clients; pool is for tests to change
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(flaw Certificate) (*pki, error) {
	trusted, err := newAuthority()
	if err != nil {
		return nil, err
	}
	signer := trusted
	if flaw == CertificateOtherCA {
		if signer, err = newAuthority(); err != nil {
			return nil, err
		}
	}
	server, err := signer.issue(flaw)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(trusted.cert)
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.cert.Raw})
	return &pki{server: server, pool: pool, caPEM: caPEM, signer: trusted, authorities: pool.Clone()}, nil
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "fakead authority"},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              time.Now().Add(48 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key}, err
}

func (a *authority) issue(flaw Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "dc1"},
		NotBefore:    time.Now().Add(-36 * time.Hour),
		NotAfter:     time.Now().Add(36 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	switch flaw {
	case CertificateExpired:
		template.NotAfter = time.Now().Add(-24 * time.Hour)
	case CertificateOtherName:
		template.DNSNames, template.IPAddresses = []string{"elsewhere.example.test"}, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// ClientCertificate issues a certificate for an account, for a bind with SASL
// EXTERNAL (RFC 4422, appendix A). Accounts are named as in a bind.
func (s *Server) ClientCertificate(account string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3),
		Subject:      pkix.Name{CommonName: account},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	signer := s.domain.pki.signer
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
