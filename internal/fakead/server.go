package fakead

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Config sets up a [Server]. Every zero value is a default that a real domain
// controller would have.
type Config struct {
	Domain        string // DNS name; default ad.example.test
	NetBIOS       string // the DOMAIN of DOMAIN\name; default EXAMPLE
	AdminPassword string // of Administrator; default is a fixed one, see [Server.AdminPassword]

	MaxPageSize  int           // entries in one answer; default 1000
	MaxValRange  int           // values of one attribute in one answer; default 1500, negative: no limit, as Samba
	MaxCookies   int           // paged searches that one connection may have open; default 10
	IdleTimeout  time.Duration // default 15 minutes
	WithContact  bool          // seed a contact, which is no user
	RecycleBin   bool          // deleted objects keep their attributes until [Server.Recycle]
	AllowUnsafe  bool          // permit simple binds that are not encrypted; otherwise result 8
	ReferralHost string        // where results of code 10 refer to; default elsewhere.example.test
	LockoutAfter int           // wrong passwords that lock an account; 0: never

	// RefuseUnknownControls answers a critical control that the server does not
	// know with unavailableCriticalExtension, as Windows does. Otherwise the
	// request is never answered, as with Samba.
	RefuseUnknownControls bool

	Certificate Certificate      // what is wrong with the server's certificate; default nothing
	Now         func() time.Time // default time.Now
	Random      io.Reader        // of objectGUIDs, SIDs and made-up names; default crypto/rand. Every controller reads it
	Portless    bool             // there are no ports and no certificate: only Local connects
}

// Server is a running directory. It is safe for concurrent use.
type Server struct {
	cfg     Config
	domain  *domain
	name    string // DC1, in the directory
	baseDN  string
	secure  net.Listener
	plain   net.Listener
	closing chan struct{}
	once    sync.Once
	running sync.WaitGroup

	mu   sync.RWMutex // guards tree
	tree *tree

	connMu  sync.Mutex // guards conns and opened
	conns   map[*conn]struct{}
	opened  int
	ended   bool
	stopped bool

	journal journal
	orders  orders
}

// Start opens both ports on 127.0.0.1, unless the server is portless, and seeds the domain. The caller must
// Close the server.
func Start(cfg Config) (*Server, error) {
	s := newServer(cfg.withDefaults(), &domain{count: 1, rids: &ridPool{last: 1103}})
	s.name = "DC1"
	s.baseDN = "DC=" + strings.Join(strings.Split(s.cfg.Domain, "."), ",DC=")
	s.tree = newTree(s.cfg.Now, s.cfg.Random, s.domain.rids)
	s.seed()
	if cfg.Portless {
		return s, nil
	}
	var err error
	if s.domain.pki, err = newPKI(s.cfg.Certificate); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, nil
}

func newServer(cfg Config, d *domain) *Server {
	return &Server{cfg: cfg, domain: d, closing: make(chan struct{}), conns: map[*conn]struct{}{}}
}

// listen opens both ports.
func (s *Server) listen() error {
	if s.cfg.Portless {
		return nil
	}
	var err error
	if s.secure, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return err
	}
	if s.plain, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		s.secure.Close()
		return err
	}
	s.running.Add(2)
	go s.accept(s.secure, true)
	go s.accept(s.plain, false)
	return nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Domain == "" {
		cfg.Domain = "ad.example.test"
	}
	if cfg.NetBIOS == "" {
		cfg.NetBIOS = "EXAMPLE"
	}
	if cfg.AdminPassword == "" {
		cfg.AdminPassword = "Adm1n-of-the-fake!"
	}
	if cfg.MaxPageSize == 0 {
		cfg.MaxPageSize = 1000
	}
	if cfg.MaxValRange == 0 {
		cfg.MaxValRange = 1500
	}
	if cfg.MaxCookies == 0 {
		cfg.MaxCookies = 10
	}
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = 15 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	return cfg
}

// Close ends every connection and waits for every goroutine. A second call does
// nothing.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		if !s.cfg.Portless {
			err = errors.Join(s.secure.Close(), s.plain.Close())
		}
		s.connMu.Lock()
		s.ended = true
		s.hangUp()
		s.connMu.Unlock()
	})
	s.running.Wait()
	return err
}

func (s *Server) accept(l net.Listener, encrypted bool) {
	defer s.running.Done()
	for {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		s.connMu.Lock()
		if s.ended {
			s.connMu.Unlock()
			raw.Close()
			return
		}
		if s.stopped {
			s.connMu.Unlock()
			raw.Close()
			continue
		}
		s.opened++
		c := newConn(s, raw, s.opened)
		s.conns[c] = struct{}{}
		s.running.Add(1)
		s.connMu.Unlock()
		go func() {
			defer s.running.Done()
			defer s.forget(c)
			c.serve(encrypted)
		}()
	}
}

func (s *Server) forget(c *conn) {
	c.raw.Close()
	s.connMu.Lock()
	delete(s.conns, c)
	s.connMu.Unlock()
}

// URL is the ldaps address.
func (s *Server) URL() string { return "ldaps://" + s.secure.Addr().String() }

// PlainURL is the ldap address, which supports StartTLS.
func (s *Server) PlainURL() string { return "ldap://" + s.plain.Addr().String() }

// RootCAs trusts the authority that signed, or should have signed, the server's
// certificate.
func (s *Server) RootCAs() *x509.CertPool { return s.domain.pki.pool }

// CACert is that authority's certificate in PEM.
func (s *Server) CACert() []byte { return s.domain.pki.caPEM }

// ClientTLS is a client's configuration that trusts the server.
func (s *Server) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: s.domain.pki.pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// BaseDN is the domain's DN, the defaultNamingContext.
func (s *Server) BaseDN() string { return s.baseDN }

// AdminDN is the DN of the account that may do everything.
func (s *Server) AdminDN() string { return "CN=Administrator,CN=Users," + s.baseDN }

// AdminPassword is that account's password.
func (s *Server) AdminPassword() string { return s.cfg.AdminPassword }

// Connections is how many are open now.
func (s *Server) Connections() int {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	return len(s.conns)
}

// Opened is how many connections were ever accepted.
func (s *Server) Opened() int {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	return s.opened
}
