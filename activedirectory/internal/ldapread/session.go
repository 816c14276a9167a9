package ldapread

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// session is one bound connection to one controller. It does one thing at a
// time.
type session struct {
	cfg    *Config
	server Server
	wire   *wire
	conn   Searcher
	root   rootDSE
	asOf   time.Time // that of the controller, at which accounts are judged to have expired
	room   []Account // of one page, used again for the next
	spent  bool      // something failed, or was left half read: not to be used again
	left   bool      // an answer was left half read, whatever has gone well since

	pagesAlways  bool // it took a look-up without pages for too long an answer
	unknownNames bool // the schema could not be read
	clockUsed    bool // root.clock was taken for a Head
	counts       bool // a Head was read, for which accounts are to show their uSNChanged
}

// rootDSE is what a server tells of itself.
type rootDSE struct {
	host     string   // dnsHostName
	base     string   // defaultNamingContext
	contexts []string // namingContexts
	controls []string // supportedControl

	subschema         string // subschemaSubentry
	isActiveDirectory bool   // by its supportedCapabilities

	clock // when it was read
}

func (r rootDSE) supports(control string) bool { return slices.Contains(r.controls, control) }

// open connects, binds, and asks the server what it can do.
func open(ctx context.Context, cfg *Config, server Server) (*session, error) {
	attempt, err := prepareBind(ctx, cfg, server)
	if err != nil {
		return nil, err
	}
	s := &session{cfg: cfg, server: server}
	ready := false
	defer func() { // also when the host's BindFunc panics
		if !ready && s.conn != nil {
			s.close()
		}
	}()
	if err := s.connect(ctx, attempt); err != nil {
		return nil, err
	}
	if err := s.readRoot(ctx); err != nil {
		return nil, err
	}
	if err := s.readNames(ctx); err != nil {
		return nil, err
	}
	ready = true
	return s, nil
}

// connect dials and binds.
func (s *session) connect(ctx context.Context, attempt Attempt) error {
	if s.cfg.Open != nil {
		socket, conn, err := s.cfg.Open(ctx, s.server)
		if err != nil {
			return explain(ctx, s.cfg, s.server, nil, "connecting", err)
		}
		s.wire, s.conn = newWire(socket, socket), conn
		return nil
	}
	wire, err := dial(ctx, s.cfg, s.server)
	if err != nil {
		return explain(ctx, s.cfg, s.server, nil, "connecting", err)
	}
	conn := ldap.NewConn(wire, s.server.Encrypted())
	s.wire, s.conn = wire, conn
	conn.Start()
	end, err := s.turn(ctx, attempt)
	if err != nil {
		return err
	}
	defer end()
	return s.bind(ctx, conn, attempt.Bind)
}

func prepareBind(ctx context.Context, cfg *Config, server Server) (Attempt, error) {
	if ctx.Err() != nil {
		return Attempt{}, explain(ctx, cfg, server, nil, "connecting", ctx.Err())
	}
	limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	attempt, err := cfg.Auth(limited)
	switch {
	case err == nil:
		return attempt, nil
	case ctx.Err() != nil:
		return Attempt{}, explain(ctx, cfg, server, nil, "preparing to bind", ctx.Err())
	}
	return Attempt{}, unsent(err)
}

// turn waits until the bind may be sent, for as long as the caller does.
func (s *session) turn(ctx context.Context, attempt Attempt) (end func(), err error) {
	if attempt.Turn == nil {
		return func() {}, nil
	}
	s.spent = true // until it is bound
	s.wire.end()   // the time of others is not that of this controller
	end, err = attempt.Turn(ctx)
	switch {
	case err == nil:
		return end, nil
	case ctx.Err() != nil:
		return nil, s.explain(ctx, "waiting for another bind with this password", ctx.Err())
	}
	return nil, unsent(err)
}

func (s *session) bind(ctx context.Context, conn *ldap.Conn, bind BindFunc) error {
	hostsOwn, refused := false, false
	err := s.request(ctx, "binding", func() error {
		limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
		err := bind(limited, s.server.Host, conn)
		hostsOwn, refused = err != nil && s.isHostsOwn(err), errors.Is(err, ErrRefused)
		return err
	})
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, ErrRefused):
		return err
	case refused: // says the host, of what is put into other words here
		return fmt.Errorf("%w; %w", err, ErrRefused)
	case hostsOwn:
		return ownError{error: fmt.Errorf("%w; no other controller is tried, as the password may be wrong", err)}
	}
	return err
}

// isHostsOwn reports an error that came from neither the server nor the network
// but from the host's way of binding, such as a Kerberos library. It may mean a
// wrong password.
func (s *session) isHostsOwn(err error) bool {
	var result *ldap.Error
	var network net.Error
	return s.wire.cause() == nil && !errors.As(err, &result) && !errors.As(err, &network) && !isMalformed(err)
}

// request runs one exchange within the deadline of a request, and ends it by
// closing the connection when the context ends: go-ldap takes no context.
func (s *session) request(ctx context.Context, doing string, exchange func() error) error {
	if ctx.Err() != nil {
		return s.explain(ctx, doing, ctx.Err())
	}
	s.spent = true // until it went well, also when the exchange panics
	if err := s.wire.begin(s.cfg.Timeout); err != nil {
		return s.explain(ctx, doing, err)
	}
	release := closeOnDone(ctx, s.wire.socket)
	defer release()
	if err := exchange(); err != nil {
		return s.explain(ctx, doing, err)
	}
	s.wire.end()
	s.spent = false
	return nil
}

var rootAttributes = append([]string{"dnsHostName", "defaultNamingContext", "namingContexts", "supportedControl", "supportedCapabilities", "subschemaSubentry"}, clockAttributes...)

func (s *session) readRoot(ctx context.Context) error {
	const doing = "reading the rootDSE"
	result, err := s.search(ctx, doing, ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", rootAttributes, nil))
	if err != nil {
		return err
	}
	if len(result.Entries) != 1 {
		return s.complain(doing, errors.New("there is none to be seen; is this a domain controller?"))
	}
	e := result.Entries[0]
	s.root = rootDSE{
		host:     strings.ToValidUTF8(e.GetEqualFoldAttributeValue("dnsHostName"), "\uFFFD"),
		base:     e.GetEqualFoldAttributeValue("defaultNamingContext"),
		contexts: e.GetEqualFoldAttributeValues("namingContexts"),
		controls: e.GetEqualFoldAttributeValues("supportedControl"),

		subschema:         e.GetEqualFoldAttributeValue("subschemaSubentry"),
		isActiveDirectory: slices.Contains(e.GetEqualFoldAttributeValues("supportedCapabilities"), capabilityActiveDirectory),

		clock: clockOf(e),
	}
	return nil
}

func (s *session) search(ctx context.Context, doing string, request *ldap.SearchRequest) (result *ldap.SearchResult, err error) {
	err = s.request(ctx, doing, func() (err error) {
		result, err = s.conn.Search(request)
		return err
	})
	return result, err
}

// complain is the error of an answer that came, but is not good enough.
func (s *session) complain(doing string, reason error) error {
	return fmt.Errorf("adsync: %s: %s: %w", s.server.Address(), doing, reason)
}

// base is where the search for accounts in scope starts.
func (s *session) base() (string, error) {
	if s.cfg.BaseDN != "" {
		return s.cfg.BaseDN, nil
	}
	if s.root.base == "" {
		return "", s.complain("choosing the base", errors.New("the server has no defaultNamingContext; set BaseDN"))
	}
	return s.root.base, nil
}

// close closes the connection and waits for its goroutines.
func (s *session) close() {
	if s.spent {
		_ = s.wire.socket.Close() // a TLS goodbye could wait for a peer that is not listening
	}
	s.conn.SetTimeout(s.cfg.Timeout) // Close would otherwise wait for ever if a BindFunc left something running
	_ = s.conn.Close()
}
