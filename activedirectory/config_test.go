package activedirectory

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
)

func goodConfig() Config {
	return Config{URLs: []string{"ldaps://dc1.corp.example"}, Bind: SimpleBind("svc@corp.example", "hunter2")}
}

var hostsOwn = BindFunc(func(context.Context, string, *ldap.Conn) error { return nil })

func TestNew_Refuses(t *testing.T) {
	secret := func(context.Context) (string, error) { return "hunter2", nil }
	tests := []struct {
		says   string
		change func(*Config)
	}{
		{"no URLs", func(c *Config) { c.URLs = nil }},
		{"both URLs and Domain", func(c *Config) { c.Domain = "corp.example" }},
		{"Site needs a Domain", func(c *Config) { c.Site = "Berlin" }},
		{"not a DNS name", func(c *Config) { c.URLs, c.Domain = nil, "ldap://corp.example" }},
		{"not a DNS name", func(c *Config) { c.URLs, c.Domain, c.Site = nil, "corp.example", "a b" }},
		{"give a Domain, or leave them out", func(c *Config) { c.HostSuffixes = []string{"servers.example"} }},
		{"give a Domain, or leave them out", func(c *Config) { c.TrustDNS = true }},
		{"HostSuffixes holds one", func(c *Config) {
			c.URLs, c.Domain, c.HostSuffixes = nil, "corp.example", []string{"servers.example", "."}
		}},
		{"HostSuffixes holds one", func(c *Config) { c.URLs, c.Domain, c.HostSuffixes = nil, "corp.example", []string{"a b"} }},
		{"stands in brackets", func(c *Config) { c.URLs = []string{"ldaps://::1"} }},
		{"MaxEntries", func(c *Config) { c.MaxEntries = -2 }},
		{"both DisabledBy and NoDisabled", func(c *Config) { c.DisabledBy.Values, c.NoDisabled = []string{"x"}, true }},
		{"both ExpiredIsDisabled and NoDisabled", func(c *Config) { c.ExpiredIsDisabled, c.NoDisabled = true, true }},
		{"ExpiredIsDisabled is for Active Directory's", func(c *Config) {
			c.ExpiredIsDisabled, c.Attributes = true, map[adsync.Field]string{adsync.FieldObjectID: "entryUUID"}
		}},
		{"DisabledBy.Attribute", func(c *Config) { c.DisabledBy = DisabledBy{Values: []string{"TRUE"}} }},
		{"DisabledBy.Attribute", func(c *Config) { c.DisabledBy = DisabledBy{Attribute: "a)(b", Values: []string{"TRUE"}} }},
		{"DisabledBy.Values", func(c *Config) { c.DisabledBy = DisabledBy{Attribute: "nsAccountLock"} }},
		{"DisabledBy.Values", func(c *Config) { c.DisabledBy = DisabledBy{Attribute: "nsAccountLock", Values: []string{"TRUE", " "}} }},
		{`\, of a DN is \5c, there`, func(c *Config) { c.Filter = `(memberOf=CN=svc\, and others,DC=corp,DC=example)` }},
		{"URLs[1]", func(c *Config) { c.URLs = append(c.URLs, "dc2.corp.example") }},
		{"URLs[0]", func(c *Config) { c.URLs = []string{"ldaps://svc:hunter2@dc1"} }},
		{"URLs[0]", func(c *Config) { c.URLs = []string{"https://dc1"} }},
		{"URLs[1] is not encrypted", func(c *Config) { c.URLs = []string{"ldaps://dc1", "ldap://dc1"} }},
		{"URLs[0] is not encrypted", func(c *Config) { c.URLs, c.Bind = []string{"ldap://dc1"}, hostsOwn }},
		{"Bind is missing", func(c *Config) { c.Bind = Bind{} }},
		{"password is empty", func(c *Config) { c.Bind = SimpleBind("svc", "") }},
		{"user name", func(c *Config) { c.Bind = SimpleBind("", "hunter2") }},
		{"user name", func(c *Config) { c.Bind = SimpleBind("", "") }},
		{"user name", func(c *Config) { c.Bind = PasswordFunc("", secret) }},
		{"password", func(c *Config) { c.Bind = PasswordFunc("svc", nil) }},
		{"BindFunc needs a function", func(c *Config) { c.Bind = BindFunc(nil) }},
		{"Filter", func(c *Config) { c.Filter = "(mail=*" }},
		{"Filter", func(c *Config) { c.Filter = "(mail=*)(sn=*)" }},
		{"BaseDN is not a distinguished name like", func(c *Config) { c.BaseDN = "corp.example" }},
		{"incomplete type, value pair; in a value, a comma", func(c *Config) { c.BaseDN = "OU=svc, and others,DC=corp" }},
		{"got corrupted escaped character; in a value, a comma", func(c *Config) { c.BaseDN = `OU=svc\` }},
		{"PageSize", func(c *Config) { c.PageSize = 1 << 31 }},
		{"Timeout", func(c *Config) { c.Timeout = -time.Second }},
		{"title is mapped to something", func(c *Config) { c.Attributes = map[adsync.Field]string{"title": "a)(b"} }},
		{"use Roles", func(c *Config) { c.Sets = map[adsync.Field]string{adsync.FieldRoles: "memberOf"} }},
		{`Sets: "email" is not a detail`, func(c *Config) { c.Sets = map[adsync.Field]string{adsync.FieldEmail: "mail"} }},
		{`References: "username" is not`, func(c *Config) { c.References = map[adsync.Field]string{adsync.FieldUsername: "manager"} }},
		{"manager is mapped already", func(c *Config) {
			c.Attributes, c.References = map[adsync.Field]string{"manager": "manager"}, map[adsync.Field]string{"manager": "manager"}
		}},
		{`"status" is not a detail`, func(c *Config) { c.Attributes = map[adsync.Field]string{adsync.FieldStatus: "x"} }},
		{`object_id is mapped`, func(c *Config) { c.Attributes = map[adsync.Field]string{adsync.FieldObjectID: "a)(b=*"} }},
		{"Sets: phones is mapped to something", func(c *Config) { c.Sets = map[adsync.Field]string{"phones": "a)(b"} }},
		{"Roles[1].Name is empty", func(c *Config) { c.Roles = []Role{{Name: "r", Group: "g"}, {Name: " ", Group: "g"}} }},
		{"Roles[0].Name is empty, or has white space", func(c *Config) { c.Roles = []Role{{Name: "r ", Group: "g"}} }},
		{"Roles[0].Group: it is empty", func(c *Config) { c.Roles = []Role{{Name: "r"}} }},
		{"TrustMembers is for directories other than", func(c *Config) { c.TrustMembers = true }},
		{"email is mapped", func(c *Config) { c.Attributes = map[adsync.Field]string{adsync.FieldEmail: ""} }},
		{"email is mapped", func(c *Config) { c.Attributes = map[adsync.Field]string{adsync.FieldEmail: "mail)(x=*"} }},
	}
	for _, tt := range tests {
		cfg := goodConfig()
		tt.change(&cfg)
		_, err := New(cfg)
		require.ErrorContains(t, err, tt.says)
		assert.ErrorContains(t, err, "adsync: ")
		assert.NotContains(t, err.Error(), "hunter2")
		assert.NotContains(t, err.Error(), "svc")
	}
}

func TestNew_Accepts(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"the least":            func(*Config) {},
		"StartTLS":             func(c *Config) { c.URLs, c.StartTLS = []string{"ldap://dc1"}, true },
		"both schemes":         func(c *Config) { c.URLs, c.StartTLS = []string{"ldap://dc1", "ldaps://dc2"}, true },
		"plaintext, permitted": func(c *Config) { c.URLs, c.AllowPlaintext = []string{"ldap://dc1"}, true },
		"plaintext of the host's own, permitted": func(c *Config) {
			c.URLs, c.Bind, c.AllowPlaintext = []string{"ldap://dc1"}, hostsOwn, true
		},
		"StartTLS of the host's own": func(c *Config) { c.URLs, c.Bind, c.StartTLS = []string{"ldap://dc1"}, hostsOwn, true },
		"ldaps of the host's own":    func(c *Config) { c.Bind = hostsOwn },
		"who is trusted": func(c *Config) {
			c.TrustMembers, c.Attributes = true, map[adsync.Field]string{adsync.FieldObjectID: "entryUUID"}
		},
		"a domain": func(c *Config) { c.URLs, c.Domain, c.Site = nil, "corp.example.", "Berlin" },
		"other host names": func(c *Config) {
			c.URLs, c.Domain, c.HostSuffixes, c.TrustDNS = nil, "corp.example", []string{".Servers.example."}, true
		},
		"a base by GUID":    func(c *Config) { c.BaseDN = "<GUID=e124855b-1a37-41be-9f05-3c1a9b7d2e10>" },
		"the greatest page": func(c *Config) { c.PageSize = 1<<31 - 1 },
		"no limits":         func(c *Config) { c.MaxEntries, c.Witnesses = -1, -1 },
		"another attribute": func(c *Config) { c.Attributes = map[adsync.Field]string{adsync.FieldUsername: "userPrincipalName"} },
	} {
		cfg := goodConfig()
		change(&cfg)
		_, err := New(cfg)
		assert.NoError(t, err, name)
	}
}

func TestConfig_Attributes(t *testing.T) {
	c := newCorp(t, 1, 1)
	require.NoError(t, c.controllers[0].SetAttribute(c.ids[0][0], "mobile", "+49"))
	d := c.directory(t, func(cfg *Config) { cfg.Attributes = map[adsync.Field]string{adsync.FieldPhone: "MOBILE"} })
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, "+49", entries[0].Phone)
	for _, r := range c.controllers[0].Requests() {
		assert.NotContains(t, r.Attributes, "telephoneNumber")
	}
}

// All that is given is read as it is given, and what is not has a default.
func TestConfig_SaysWhatIsRead(t *testing.T) {
	r, err := Config{}.reader()
	require.NoError(t, err)
	assert.Equal(t, "(sAMAccountType=805306368)", r.Filter)
	assert.EqualValues(t, 1000, r.PageSize)
	assert.Equal(t, 30*time.Second, r.Timeout)
	assert.Equal(t, [ldapread.NumValues]string{"sAMAccountName", "givenName", "sn", "mail", "telephoneNumber"}, r.Attributes)
	assert.Equal(t, "objectGUID", r.Identity.Attribute())
	assert.False(t, r.TrustMembers)
	for range 50 { // in whatever order a map is read
		cfg := Config{Attributes: map[adsync.Field]string{adsync.FieldObjectID: "entryUUID", adsync.FieldUsername: "uid", adsync.FieldLastName: "surname", adsync.FieldPhone: "mobile", "title": "title"}, TrustMembers: true}
		r, err = cfg.reader()
		require.NoError(t, err)
		require.Equal(t, [ldapread.NumValues]string{"uid", "givenName", "surname", "mail", "mobile"}, r.Attributes)
		require.Equal(t, "entryUUID", r.Identity.Attribute())
		require.Equal(t, []ldapread.Further{{Attribute: "title"}}, r.Further)
		require.True(t, r.TrustMembers)
	}
	assert.Equal(t, "(objectClass=person)", r.Filter)
	for _, cfg := range []Config{{Filter: "(cn=x)"}, {Filter: "(cn=x)", Attributes: map[adsync.Field]string{adsync.FieldObjectID: "entryUUID"}}} {
		r, err = cfg.reader()
		require.NoError(t, err)
		assert.Equal(t, "(cn=x)", r.Filter)
	}
}

// The defaults that Config names, in one place.
func TestConfig_Defaults(t *testing.T) {
	d, err := New(goodConfig())
	require.NoError(t, err)
	assert.Equal(t, 3, d.witnesses)
	for _, r := range []ldapread.Config{d.reader, d.witnessReader} {
		assert.EqualValues(t, 1000, r.PageSize)
		assert.Equal(t, 30*time.Second, r.Timeout)
		assert.Equal(t, 10_000_000, r.MaxEntries)
	}
}

func TestConfig_MaxEntries(t *testing.T) {
	for given, want := range map[int]int{0: 10_000_000, 5: 5, -1: 0} {
		assert.Equal(t, want, Config{MaxEntries: given}.maxEntries())
	}
	c := newCorp(t, 2, 25)
	d := c.directory(t, func(cfg *Config) { cfg.MaxEntries = 24 })
	entries, err := gather(t, d.Entries(t.Context()))
	assert.ErrorContains(t, err, "raise MaxEntries")
	assert.Len(t, entries, 24)
	d = c.directory(t, func(cfg *Config) { cfg.MaxEntries = -1 })
	entries, err = gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Len(t, entries, 25)
}

// By default Active Directory's own attribute says it, and for another directory it is
// unknown.
func TestConfig_DisabledBy(t *testing.T) {
	uuid := map[adsync.Field]string{adsync.FieldObjectID: "entryUUID"}
	byLock := DisabledBy{Attribute: "nsAccountLock", Values: []string{" True"}}
	for _, tt := range []struct {
		cfg  Config
		want ldapread.Flag
	}{
		{Config{}, ldapread.ActiveDirectoryFlag},
		{Config{Attributes: map[adsync.Field]string{adsync.FieldObjectID: "mS-DS-ConsistencyGuid"}}, ldapread.ActiveDirectoryFlag},
		{Config{Attributes: uuid}, ldapread.Flag{}},
		{Config{Attributes: uuid, NoDisabled: true}, ldapread.Flag{Never: true}},
		{Config{NoDisabled: true}, ldapread.Flag{Never: true}},
		{Config{Attributes: uuid, DisabledBy: byLock}, ldapread.Flag{Attribute: "nsAccountLock", Values: []string{"true"}}},
		{Config{DisabledBy: byLock}, ldapread.Flag{Attribute: "nsAccountLock", Values: []string{"true"}}},
	} {
		r, err := tt.cfg.reader()
		require.NoError(t, err)
		assert.Equal(t, tt.want, r.Flag)
	}
	c := newCorp(t, 1, 1)
	require.NoError(t, c.controllers[0].SetAttribute(c.ids[0][0], "displayName", "Locked"))
	for _, tt := range []struct {
		change   func(*Config)
		disabled bool
	}{
		{func(cfg *Config) { cfg.DisabledBy = DisabledBy{Attribute: "displayName", Values: []string{"LOCKED"}} }, true},
		{func(cfg *Config) { cfg.DisabledBy = DisabledBy{Attribute: "displayName", Values: []string{"no"}} }, false},
		{nil, false},
	} {
		entries, err := gather(t, c.directory(t, tt.change).Entries(t.Context()))
		require.NoError(t, err)
		assert.Equal(t, tt.disabled, entries[0].Disabled)
	}
	require.NoError(t, c.controllers[0].Withhold(corpUser, "userAccountControl"))
	entries, err := gather(t, c.directory(t, nil).Entries(t.Context()))
	require.NoError(t, err)
	assert.True(t, entries[0].DisabledUnknown)
}

func TestIsAttribute_IsANameOrAnOID(t *testing.T) {
	for _, name := range []string{"mail", "0.9.2342", "09AZaz-.", "msDS-User"} {
		assert.True(t, isAttribute(name), name)
	}
	for _, name := range []string{"", "a/b", "a:b", "a@b", "a[b", "a`b", "a{b", "a;b", "a,b", "a b", "\u00e4"} {
		assert.False(t, isAttribute(name), name)
	}
}

func TestIsDNSName_LeavesTheRestToTheResolver(t *testing.T) {
	long := strings.Repeat("a.", 126) + "a" // 253 bytes
	for _, name := range []string{"", "corp.example", "corp.example.", "_sites", "\u00e4.example", long} {
		assert.True(t, isDNSName(name), name)
	}
	for _, name := range []string{"a b", "a/b", "a:1", "a@b", `a\b`, "a\n", " ", long + "a"} {
		assert.False(t, isDNSName(name), name)
	}
}
