package activedirectory

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestFailover_BeforeTheFirstEntryOnly(t *testing.T) {
	c := newCorp(t, 2, 25)
	first, second := c.controllers[0], c.controllers[1]
	d := c.directory(t, nil)

	first.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect, Times: 1})
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Len(t, entries, 25)
	assert.Equal(t, 1, second.Count(fakead.OpBind))

	d = c.directory(t, nil) // which does not know of that failure
	first.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch, Page: 2, Times: 1})
	entries, err = gather(t, d.Entries(t.Context()))
	require.Error(t, err, "one listing never mixes two controllers")
	assert.Len(t, entries, 10)
	assert.Equal(t, 1, second.Count(fakead.OpBind))

	first.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	second.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	_, err = gather(t, d.Find(t.Context(), []adsync.ObjectID{dirID(1)}))
	for _, dc := range c.controllers {
		u, parseErr := url.Parse(dc.URL())
		require.NoError(t, parseErr)
		assert.ErrorContains(t, err, u.Host, "each controller's error is told")
	}
}

// A controller that failed costs its timeout once, and not in each sync.
func TestFailover_TriesLastWhoFailed(t *testing.T) {
	const patience = 3 * time.Second // the good one's answer may take so long on a busy machine
	for name, fault := range map[string]fakead.Fault{
		"dead":      {Kind: fakead.FaultCut, Op: fakead.OpConnect},
		"silent":    {Kind: fakead.FaultSilence, Op: fakead.OpConnect},
		"half-dead": {Kind: fakead.FaultSilence, Op: fakead.OpSearch},
		"slow":      {Kind: fakead.FaultDrip, Op: fakead.OpBind, Delay: patience},
		"busy":      {Kind: fakead.FaultResult, Op: fakead.OpSearch, Code: 51},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCorp(t, 2, 3)
			first, second := c.controllers[0], c.controllers[1]
			d := c.directory(t, func(cfg *Config) { cfg.Timeout = patience })
			now := time.Now()
			d.health.now = func() time.Time { return now }
			read := func() {
				t.Helper()
				entries, err := gather(t, d.Entries(t.Context()))
				require.NoError(t, err)
				assert.Len(t, entries, 3)
			}
			cancel := first.Order(fault)
			read()
			read()
			assert.Equal(t, 1, first.Opened(), "not asked again while the other one answers")
			assert.Equal(t, 2, second.Opened())

			now = now.Add(firstBackoff)
			read()
			assert.Equal(t, 2, first.Opened(), "asked again after a while")
			now = now.Add(firstBackoff)
			read()
			assert.Equal(t, 2, first.Opened(), "a longer while after each failure")

			second.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect})
			cancel()
			read()
			assert.Equal(t, 3, first.Opened(), "the last hope is asked at any time")
			now = now.Add(longBackoff)
			read()
			assert.Equal(t, 4, first.Opened(), "and is the first again")
		})
	}
}

func TestBackoff_Doubles(t *testing.T) {
	at := time.Unix(0, 0)
	for count, want := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 5: 8 * time.Minute, 6: 10 * time.Minute, 1000: 10 * time.Minute} {
		assert.Equal(t, want, failures{count: count, last: at}.until().Sub(at), count)
	}
}

func TestControllers_BySRVRecord(t *testing.T) {
	record := func(target string, port uint16) *net.SRV { return &net.SRV{Target: target, Port: port} }
	zone := map[string][]*net.SRV{
		"_ldap._tcp.Berlin._sites.dc._msdcs.corp.example": {record("dc2.corp.example.", 389)},
		"_ldap._tcp.dc._msdcs.corp.example":               {record("evilcorp.example.", 389), record("DC1.corp.example.", 389), record("dc2.corp.example.", 389), record("dc.evil.example.", 389)},
	}
	lookup := func(_ context.Context, name string) ([]*net.SRV, error) {
		if records, ok := zone[name]; ok {
			return records, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	dc1 := ldapread.Server{Host: "dc1.corp.example", Port: "636", TLS: true, Domain: "corp.example"}
	dc2 := ldapread.Server{Host: "dc2.corp.example", Port: "636", TLS: true, Domain: "corp.example"}
	evil := ldapread.Server{Host: "dc.evil.example", Port: "636", TLS: true, Domain: "corp.example"}
	tests := []struct {
		name string
		cfg  Config
		want []ldapread.Server
	}{
		{"the domain", Config{Domain: "corp.example"}, []ldapread.Server{dc1, dc2}},
		{"the site first", Config{Domain: "corp.example", Site: "Berlin"}, []ldapread.Server{dc2, dc1}},
		{"a site without records", Config{Domain: "corp.example", Site: "Bonn"}, []ldapread.Server{dc1, dc2}},
		{"StartTLS", Config{Domain: "corp.example", StartTLS: true}, []ldapread.Server{
			{Host: "dc1.corp.example", Port: "389", StartTLS: true, Domain: "corp.example"}, {Host: "dc2.corp.example", Port: "389", StartTLS: true, Domain: "corp.example"}}},
		{"a disjoint namespace", Config{Domain: "corp.example", HostSuffixes: []string{".Evil.example."}}, []ldapread.Server{dc1, dc2, evil}},
		{"DNS that is trusted", Config{Domain: "Corp.example.", Site: "Bonn", TrustDNS: true}, []ldapread.Server{
			{Host: "dc1.corp.example", Port: "636", TLS: true}, {Host: "dc2.corp.example", Port: "636", TLS: true}}},
	}
	for _, tt := range tests {
		srv := newSRVRecords(tt.cfg)
		srv.lookup = lookup
		servers, _, err := srv.locate(t.Context())
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.want, servers, tt.name)
	}
	var asked []string
	srv := newSRVRecords(Config{Domain: "corp.example"})
	srv.lookup = func(ctx context.Context, name string) ([]*net.SRV, error) {
		asked = append(asked, name)
		return lookup(ctx, name)
	}
	_, all, err := srv.locate(t.Context())
	require.NoError(t, err)
	assert.True(t, all)
	assert.Equal(t, []string{"_ldap._tcp.dc._msdcs.corp.example"}, asked, "without a site")
	_, all, err = srvRecords{domain: "other.example", lookup: lookup}.locate(t.Context())
	assert.ErrorContains(t, err, "DNS names no controller")
	assert.NotContains(t, err.Error(), "there are no such records", "as nobody has said so")
	assert.False(t, all)
	zone["_ldap._tcp.dc._msdcs.foreign.example"] = zone["_ldap._tcp.dc._msdcs.corp.example"]
	_, _, err = srvRecords{domain: "foreign.example", lookup: lookup}.locate(t.Context())
	assert.ErrorContains(t, err, `the host "dc1.corp.example" is not below the domain`)
	assert.ErrorContains(t, err, "add the ending of its name to HostSuffixes")
	zone["_ldap._tcp.dc._msdcs.empty.example"] = nil
	_, _, err = srvRecords{domain: "empty.example", lookup: lookup}.locate(t.Context())
	assert.ErrorContains(t, err, "there are no such records")
	assert.NotContains(t, err.Error(), "%!")

	cfg := goodConfig()
	cfg.URLs, cfg.Domain = nil, "other.example"
	d, err := New(cfg)
	require.NoError(t, err)
	d.srv.lookup = lookup
	_, err = gather(t, d.Entries(t.Context()))
	var notFound *net.DNSError
	assert.ErrorAs(t, err, &notFound)
}

// DNS has as long as a controller has for one request.
func TestControllers_DNSIsBoundedInTime(t *testing.T) {
	cfg := goodConfig()
	cfg.URLs, cfg.Domain, cfg.Timeout = nil, "corp.example", time.Hour
	d, err := New(cfg)
	require.NoError(t, err)
	d.srv.lookup = func(ctx context.Context, _ string) ([]*net.SRV, error) {
		deadline, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.WithinDuration(t, time.Now().Add(time.Hour), deadline, 10*time.Minute)
		return nil, context.DeadlineExceeded
	}
	_, err = gather(t, d.Entries(t.Context()))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestHealth_PutsLastWhoFailedLately(t *testing.T) {
	a, b, c := ldapread.Server{Host: "a"}, ldapread.Server{Host: "b"}, ldapread.Server{Host: "c"}
	now := time.Unix(1_790_000_000, 0)
	h := &health{now: func() time.Time { return now }, failed: map[ldapread.Server]failures{}}
	all := []ldapread.Server{a, b, c}
	assert.Equal(t, all, h.order(all))
	h.note(a, true)
	h.note(b, true)
	assert.Equal(t, []ldapread.Server{c, a, b}, h.order(all))
	h.note(b, false)
	assert.Equal(t, []ldapread.Server{b, c, a}, h.order(all))
	now = now.Add(firstBackoff)
	assert.Equal(t, all, h.order(all), "that time is over")
	h.note(a, true)
	now = now.Add(2*firstBackoff - 1)
	assert.Equal(t, []ldapread.Server{b, c, a}, h.order(all))
	now = now.Add(1)
	assert.Equal(t, all, h.order(all))
}

func TestPreferring_KeepsTheOrderOtherwise(t *testing.T) {
	a, b, c := ldapread.Server{Host: "a", Port: "1"}, ldapread.Server{Host: "b", Port: "1"}, ldapread.Server{Host: "c", Port: "1"}
	all := []ldapread.Server{a, b, c}
	assert.Equal(t, all, preferring(all, nil))
	assert.Equal(t, []ldapread.Server{c, a, b}, preferring(all, []string{"c:1"}))
	assert.Equal(t, []ldapread.Server{c, b, a}, preferring(all, []string{"x:1", "c:1", "b:1"}))
	assert.Equal(t, all, preferring(all, []string{"a:2"}))
}
