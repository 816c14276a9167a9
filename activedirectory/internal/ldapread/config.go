// Package ldapread reads accounts from an Active Directory domain controller:
// it dials, encrypts, binds, pages, looks accounts up by objectGUID and reads
// tombstones. Every wait has a deadline, and no goroutine outlives a call.
package ldapread

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// NumValues is how many details of an account are read.
const NumValues = 5

// Config says how to read any controller of one directory.
type Config struct {
	BaseDN     string // "" is the server's defaultNamingContext
	Filter     string // who is in scope
	TLS        *tls.Config
	Auth       Auth
	PageSize   uint32
	Timeout    time.Duration     // of each request
	Attributes [NumValues]string // of the details, by any of their names or OIDs
	Further    []Further
	Identity   adattr.Identity
	Flag       Flag
	Names      *Names
	Roles      []Role
	// TrustMembers takes the members of groups for proof, in a directory without tokenGroups.
	TrustMembers bool
	MaxEntries   int  // accounts in one listing; 0: no limit
	MaxChanges   int  // objects that one question about changes may bring; 0: the 200,000 of ErrManyChanges
	Plain        bool // leave the accounts to go-ldap too, which the tests take as their oracle
	Open         Open // nil, but for tests that do without a network
}

// Open makes a bound connection to a server. What it searches with is closed with it; the
// socket is one that can be closed and given deadlines.
type Open func(ctx context.Context, server Server) (socket net.Conn, search Searcher, err error)

// Searcher is what is needed of a connection of go-ldap's once it is bound.
type Searcher interface {
	Search(*ldap.SearchRequest) (*ldap.SearchResult, error)
	IsClosing() bool
	SetTimeout(time.Duration)
	Close() error
}

// Auth makes the Attempt of one connection. It runs before anything is sent,
// so that it can refuse.
type Auth func(ctx context.Context) (Attempt, error)

// Attempt is a bind that was prepared.
type Attempt struct {
	Bind BindFunc
	// Turn waits, on a connection that is ready, until Bind may be called, and end says that
	// it has returned. nil: it may be called at once.
	Turn func(ctx context.Context) (end func(), err error)
}

// BindFunc authenticates a connection to the host.
type BindFunc func(ctx context.Context, host string, c *ldap.Conn) error

// State tells what is known of an account.
type State uint8

// The states of an Account.
const (
	Present State = iota
	OutOfScope
	Deleted
	Unproven
	Disputed // by another controller; no session says so of itself
)

// Account is one entry, as it was read. Texts are valid UTF-8.
type Account struct {
	GUID            adattr.GUID
	DN              string
	Values          [NumValues]string // as Config.Attributes orders them; "" of one with several values, unless the directory marks one
	More            []More            // of further details, and of one of the five with several values
	Disabled        bool
	DisabledUnknown bool      // of one that is alive
	Expires         time.Time // zero for never, and where Flag.Expires is not set
	Expired         bool      // by the controller's clock when it was connected to
	ExpiredUnknown  bool      // of one that is alive
	State           State
	DeletedAt       time.Time // whenChanged of a tombstone; zero if it does not tell

	tombstone bool      // isDeleted is TRUE
	inParts   []string  // attributes whose values did not all come
	numbered  bool      // it shows its uSNChanged
	changed   time.Time // whenChanged, where it was asked for
}

// Server is one controller.
type Server struct {
	Host     string // a name or address, which the certificate must bear
	Port     string
	TLS      bool   // encrypted from the start
	StartTLS bool   // encrypted before anything else is sent
	Domain   string // a name that the certificate must bear too; "" for none
}

// Address is the host and port.
func (s Server) Address() string { return net.JoinHostPort(s.Host, s.Port) }

// Encrypted reports whether a password may be sent.
func (s Server) Encrypted() bool { return s.TLS || s.StartTLS }

// portHint names a scheme and a port that do not go together, or is "".
func (s Server) portHint() string {
	switch {
	case s.TLS && (s.Port == "389" || s.Port == "3268"):
		return fmt.Sprintf("; port %s does not go with ldaps://: use port %s, or ldap:// with StartTLS", s.Port, map[string]string{"389": "636", "3268": "3269"}[s.Port])
	case !s.TLS && (s.Port == "636" || s.Port == "3269"):
		return fmt.Sprintf("; port %s does not go with ldap://: use ldaps://", s.Port)
	case slices.Contains(otherPorts, s.Port):
		return fmt.Sprintf("; port %s is not for LDAP: use ldaps:// with port 636", s.Port)
	}
	return ""
}

// otherPorts are those on which a domain controller offers something else: DNS, Kerberos,
// RPC, NetBIOS, file sharing, and changing passwords.
var otherPorts = []string{"53", "88", "135", "139", "445", "464", "593"}

// The errors of URLs do not repeat the URL: somebody may have put a password into it.
var (
	errURL  = errors.New("want ldaps://host or ldap://host, with a port at most")
	errIPv6 = errors.New("an IPv6 address stands in brackets, as in ldaps://[::1]")
	errPort = errors.New("the port must be a number from 1 to 65535")
)

// ParseURL reads an ldap or ldaps URL. startTLS applies to ldap alone.
func ParseURL(raw string, startTLS bool) (Server, error) {
	if isBareIPv6(raw) {
		return Server{}, errIPv6
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		(u.Path != "" && u.Path != "/") {
		return Server{}, errURL
	}
	s := Server{Host: u.Hostname(), Port: u.Port()}
	switch u.Scheme {
	case "ldaps":
		s.TLS = true
		s.Port = orDefault(s.Port, "636")
	case "ldap":
		s.StartTLS = startTLS
		s.Port = orDefault(s.Port, "389")
	default:
		return Server{}, errURL
	}
	if n, err := strconv.ParseUint(s.Port, 10, 16); err != nil || n == 0 {
		return Server{}, errPort
	}
	return s, nil
}

// isBareIPv6 reports an address like ::1, of which the last part would look like a port.
func isBareIPv6(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	host, _, _ := strings.Cut(rest, "/")
	_, err := netip.ParseAddr(host)
	return err == nil && strings.Contains(host, ":")
}

func orDefault(port, standard string) string {
	if port == "" {
		return standard
	}
	return port
}
