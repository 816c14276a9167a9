package activedirectory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
)

// health remembers which controllers failed, so that the next call begins with
// another one.
type health struct {
	now func() time.Time

	mu     sync.Mutex
	failed map[ldapread.Server]failures
}

// failures of one controller, in a row.
type failures struct {
	count int
	last  time.Time
}

// The time for which a controller that failed is tried last: it doubles with
// each failure in a row.
const (
	firstBackoff = 30 * time.Second
	longBackoff  = 10 * time.Minute
)

func (f failures) until() time.Time {
	wait := firstBackoff
	for i := 1; i < f.count && wait < longBackoff; i++ {
		wait *= 2
	}
	return f.last.Add(min(wait, longBackoff))
}

func (h *health) note(s ldapread.Server, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !failed {
		delete(h.failed, s)
		return
	}
	h.failed[s] = failures{count: h.failed[s].count + 1, last: h.now()}
}

// order puts those that failed lately last, and otherwise keeps the order.
func (h *health) order(servers []ldapread.Server) []ldapread.Server {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	rank := func(s ldapread.Server) int {
		if f, failed := h.failed[s]; failed && now.Before(f.until()) {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(servers), func(a, b ldapread.Server) int { return rank(a) - rank(b) })
}

// srvRecords says how controllers are found by DNS.
type srvRecords struct {
	domain, site string
	suffixes     []string // of host names, besides the domain's
	startTLS     bool
	trusted      bool // what DNS says is not checked against the domain's name
	lookup       func(ctx context.Context, name string) ([]*net.SRV, error)
}

func newSRVRecords(cfg Config) srvRecords {
	r := srvRecords{domain: dnsName(cfg.Domain), site: cfg.Site, startTLS: cfg.StartTLS, trusted: cfg.TrustDNS, lookup: lookupSRV}
	for _, suffix := range cfg.HostSuffixes {
		r.suffixes = append(r.suffixes, dnsName(suffix))
	}
	return r
}

func dnsName(name string) string { return strings.ToLower(strings.Trim(name, ".")) }

// all reports whether nothing kept others from being named.
func (r srvRecords) locate(ctx context.Context) (servers []ldapread.Server, all bool, err error) {
	names := []string{"_ldap._tcp.dc._msdcs." + r.domain}
	if r.site != "" {
		names = slices.Insert(names, 0, "_ldap._tcp."+r.site+"._sites.dc._msdcs."+r.domain)
	}
	var failures []error
	missed := false // some that there may be
	for _, name := range names {
		records, err := r.lookup(ctx, name)
		if err != nil {
			failures = append(failures, err)
			var fault *net.DNSError
			missed = missed || !errors.As(err, &fault) || !fault.IsNotFound // a site may have no record
		}
		for _, record := range records {
			host := dnsName(record.Target)
			if !r.isWithin(host) {
				failures = append(failures, fmt.Errorf("the host %q is not below the domain; if it is right (a disjoint namespace), add the ending of its name to HostSuffixes", host))
				continue
			}
			if s := r.server(host, record.Port); !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
	}
	if len(servers) > 0 {
		return servers, !missed, nil
	}
	if len(failures) == 0 {
		failures = append(failures, errors.New("there are no such records"))
	}
	return nil, false, fmt.Errorf("adsync: DNS names no controller of the domain; check Domain and the resolver, or give URLs: %w", errors.Join(failures...))
}

// isWithin refuses a target outside of the domain: DNS is not authentic, and a stranger's
// server can prove a stranger's name.
func (r srvRecords) isWithin(host string) bool {
	return slices.ContainsFunc(append([]string{r.domain}, r.suffixes...), func(suffix string) bool {
		return strings.HasSuffix(host, "."+suffix)
	})
}

func (r srvRecords) server(host string, port uint16) ldapread.Server {
	s := ldapread.Server{Host: host, Port: "636", TLS: true} // the record's port is the bare one
	if r.startTLS {
		s = ldapread.Server{Host: host, Port: strconv.Itoa(int(port)), StartTLS: true}
	}
	if !r.trusted {
		s.Domain = r.domain
	}
	return s
}

func lookupSRV(ctx context.Context, name string) ([]*net.SRV, error) {
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", name)
	return records, err
}
