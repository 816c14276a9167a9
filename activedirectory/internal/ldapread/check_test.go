package ldapread

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// access is what a check of the controller tells.
func access(t *testing.T, c *Controller) Access {
	t.Helper()
	a, err := c.Check(t.Context())
	require.NoError(t, err)
	return a
}

// Each line says how many accounts it is about, and they add up over all of them.
func TestCheck_CountsTheAccounts(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(4)
	cfg := d.config()
	cfg.Flag.Expires = true
	cfg.Further = []Further{{"department", Text}, {"title", Set}}
	require.NoError(t, d.SetAttribute(ids[0], "department", "Sales"))
	d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"userAccountControl", "accountExpires"}, Objects: ids[:2]})
	d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"accountExpires"}, Objects: ids[2:3]})
	got := access(t, d.open(cfg))
	title := "none of the first 4 accounts shows title: if they have it, grant the service account Read on that attribute"
	require.Len(t, got.Missing, 3)
	assert.Equal(t, title, got.Missing[0])
	assert.True(t, strings.HasPrefix(got.Missing[1], "2 of the first 4 accounts do not show userAccountControl"), got.Missing[1])
	assert.True(t, strings.HasPrefix(got.Missing[2], "3 of the first 4 accounts do not show accountExpires"), got.Missing[2])
	assert.Equal(t, []string{NumValues + 1: title}, got.Unread, "the second of the further ones")
	assert.Len(t, cfg.Attributes, NumValues)
}

// What is missing depends on what the directory is, and on how it is asked.
func TestCheck_SaysWhatTheDirectoryCannotTell(t *testing.T) {
	d := newDomain(t, fakead.Config{AllowUnsafe: true})
	ids := d.add(1)
	require.NoError(t, d.SetAttribute(ids[0], "displayName", guid(1).String()))
	require.NoError(t, d.SetAttribute(ids[0], "mS-DS-ConsistencyGuid", wireText(guid(1))))
	group := d.DN(d.group("g", ids[0]))
	for name, tt := range map[string]struct {
		change func(*Config)
		plain  bool
		want   []string
	}{
		"all can be read":          {func(*Config) {}, false, nil},
		"a filter on membership":   {func(c *Config) { c.Filter = "(memberOf=" + group + ")" }, false, []string{filterMembership}},
		"on nested membership":     {func(c *Config) { c.Filter = "(memberOf" + inChain + "=" + group + ")" }, false, []string{filterNests}},
		"another directory":        {func(c *Config) { c.Identity = adattr.IdentityOf("displayName") }, false, []string{noTombstones}},
		"another, and membership":  {func(c *Config) { c.Identity, c.Filter = adattr.IdentityOf("displayName"), "(memberOf="+group+")" }, false, []string{noTombstones}},
		"an identity that is lost": {func(c *Config) { c.Identity = adattr.IdentityOf("mS-DS-ConsistencyGuid") }, false, []string{bareTombstones}},
		"in the clear":             {func(*Config) {}, true, []string{ClearText}},
	} {
		cfg := d.config()
		cfg.Filter = "(sAMAccountName=u1)"
		tt.change(cfg)
		server := d.server(d.URL())
		if tt.plain {
			var err error
			server, err = ParseURL(d.PlainURL(), false)
			require.NoError(t, err)
		}
		c := NewController(cfg, server)
		got := access(t, c)
		c.Close()
		assert.Equal(t, tt.want, got.Missing, name)
		assert.Equal(t, "dc1.ad.example.test", got.Controller, name)
	}
}

// A controller that does not tell its name is named by its address, and one that names no
// domain needs a base.
func TestCheck_NamesTheController(t *testing.T) {
	c := newLiarWith(t, testConfig(), map[string][]string{"supportedControl": {controlShowDeleted}}, func(question) []*ldap.Entry { return nil })
	_, err := c.Check(t.Context())
	assert.ErrorContains(t, err, "set BaseDN")
	c.cfg.BaseDN = "OU=People,DC=corp"
	got := access(t, c)
	assert.Equal(t, c.Server().Address(), got.Controller)
	assert.Equal(t, "OU=People,DC=corp", got.BaseDN)

	c = newLiarWith(t, testConfig(), map[string][]string{"dnsHostName": {"dc1\x1b[2J\nroot"}, "defaultNamingContext": {"DC=corp"}}, func(question) []*ldap.Entry { return nil })
	assert.Equal(t, "dc1\uFFFD[2J\uFFFDroot", access(t, c).Controller, "in print, whatever it calls itself")
	assert.Equal(t, "dc1\uFFFD[2J\uFFFDroot", c.Host())
}

// Where a server has no tombstones to be asked for, or no domain to have them in, nothing
// that it sends shows that deletions can be read.
func TestCheck_AsksForTombstonesWhereThereAreSome(t *testing.T) {
	for name, root := range map[string]map[string][]string{
		"no control": {"defaultNamingContext": {"DC=corp"}},
		"no domain":  {"supportedControl": {controlShowDeleted}},
	} {
		cfg := testConfig()
		cfg.BaseDN = "OU=People,DC=corp"
		c := newLiarWith(t, cfg, root, func(q question) []*ldap.Entry {
			assert.Equal(t, cfg.BaseDN, q.base, name)
			return []*ldap.Entry{account(guid(1), "TRUE")}
		})
		assert.False(t, access(t, c).Tombstones, name)
	}
}

// A container that cannot be read is an answer, and the connection goes on; the rest of a
// long answer is left to the server with the connection.
func TestCheck_LeavesTheConnectionInOrder(t *testing.T) {
	opened := func(d *domain, tombstones bool) int {
		t.Helper()
		c := d.open(d.config())
		assert.Equal(t, tombstones, access(t, c).Tombstones)
		_, err := list(t.Context(), c)
		require.NoError(t, err)
		return d.Opened()
	}
	for _, code := range []int{ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights} {
		d := newDomain(t, fakead.Config{})
		d.add(1)
		d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: code, Op: fakead.OpSearch, Match: "CN=Deleted Objects"})
		assert.Equal(t, 1, opened(d, false), code)
	}
	for deleted, want := range map[int]int{0: 1, 9: 1, 12: 2} {
		d := newDomain(t, fakead.Config{})
		require.NoError(t, d.GrantTombstones(service))
		for _, id := range d.add(20)[:deleted] {
			require.NoError(t, d.Delete(id))
		}
		assert.Equal(t, want, opened(d, true), "%d deleted", deleted)
	}
	for accounts, want := range map[int]int{99: 1, 150: 2} {
		d := newDomain(t, fakead.Config{})
		d.add(accounts)
		assert.Equal(t, want, opened(d, false), "%d accounts", accounts)
	}
	// One that does not page has sent all that there is.
	d := newDomain(t, fakead.Config{})
	d.add(1)
	d.Order(fakead.Fault{Kind: fakead.FaultNoPagingControl, Op: fakead.OpSearch, Match: "CN=Deleted Objects"})
	assert.Equal(t, 1, opened(d, false))
}
