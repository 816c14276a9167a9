package ldapread

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// What an account says of being disabled, the same through the sieve and by go-ldap.
func TestFlag_ReadsWhoIsDisabled(t *testing.T) {
	locked := Flag{Attribute: "nsAccountLock", Values: []string{"true", "yes"}}
	role := Flag{Attribute: "nsRole", Values: []string{"cn=disabled,dc=x"}}
	tests := []struct {
		name              string
		flag              Flag
		attributes        []*ldap.EntryAttribute
		disabled, unknown bool
	}{
		{"enabled", ActiveDirectoryFlag, []*ldap.EntryAttribute{attribute("useraccountcontrol", "512")}, false, false},
		{"disabled", ActiveDirectoryFlag, []*ldap.EntryAttribute{attribute("userAccountControl", "514")}, true, false},
		{"not seen", ActiveDirectoryFlag, nil, false, true},
		{"without a value", ActiveDirectoryFlag, []*ldap.EntryAttribute{attribute("userAccountControl")}, false, true},
		{"no number", ActiveDirectoryFlag, []*ldap.EntryAttribute{attribute("userAccountControl", "NORMAL")}, false, true},
		{"the first of several", ActiveDirectoryFlag, []*ldap.EntryAttribute{attribute("userAccountControl", "512", "514")}, false, false},
		{"locked", locked, []*ldap.EntryAttribute{attribute("NSACCOUNTLOCK", " TRUE ")}, true, false},
		{"not locked", locked, []*ldap.EntryAttribute{attribute("nsAccountLock", "false")}, false, false},
		{"a value that is longer than all known", locked, []*ldap.EntryAttribute{attribute("nsAccountLock", "trueeeeeeeeeeeeeeeeeeeeeeeeeeee")}, false, false},
		{"absent is enabled", locked, nil, false, false},
		{"other attributes do not count", locked, []*ldap.EntryAttribute{attribute("userAccountControl", "514")}, false, false},
		{"one of many roles", role, []*ldap.EntryAttribute{attribute("nsRole", "cn=a,dc=x", "CN=Disabled,DC=x", "cn=b,dc=x")}, true, false},
		{"a role with another alphabet's capital", Flag{Attribute: "nsRole", Values: []string{"cn=öffentlich gesperrt,dc=x"}},
			[]*ldap.EntryAttribute{attribute("nsRole", "cn=Öffentlich gesperrt,dc=x")}, true, false},
		{"none of many roles", role, []*ldap.EntryAttribute{attribute("nsRole", "cn=a,dc=x", "cn=b,dc=x")}, false, false},
		{"never", Flag{Never: true}, []*ldap.EntryAttribute{attribute("userAccountControl", "514")}, false, false},
		{"nobody knows how", Flag{}, []*ldap.EntryAttribute{attribute("userAccountControl", "512")}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &ldap.Entry{DN: "CN=Ada", Attributes: append([]*ldap.EntryAttribute{attribute("objectGUID", wireText(guid(1)))}, tt.attributes...)}
			for _, plainly := range []bool{false, true} {
				cfg := testConfig()
				cfg.Plain, cfg.Flag = plainly, tt.flag
				s := cannedSession(cfg, append(raw(1, entry(e)), end()...), 4096)
				accounts, err := s.accountsOfPage(t)
				s.close()
				require.NoError(t, err)
				assert.Equal(t, []Account{{GUID: guid(1), DN: "CN=Ada", Disabled: tt.disabled, DisabledUnknown: tt.unknown}}, accounts, "by go-ldap: %t", plainly)
			}
		})
	}
}

// Only the attribute that says it is asked for, and under the name that the schema has.
func TestFlag_IsAskedFor(t *testing.T) {
	for _, tt := range []struct {
		flag Flag
		want []string
	}{
		{ActiveDirectoryFlag, []string{"userAccountControl"}},
		{Flag{Attribute: "1.2.840.113556.1.2.13", Values: []string{"locked"}}, []string{"displayName"}},
		{Flag{Never: true}, nil},
		{Flag{}, nil},
	} {
		d := newDomain(t, fakead.Config{})
		ids := d.add(2)
		require.NoError(t, d.SetAttribute(ids[0], "displayName", "Locked"))
		cfg := d.config()
		cfg.Flag = tt.flag
		c := d.open(cfg)
		d.ForgetRequests()
		accounts, err := list(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, accounts, 2)
		requests := d.Requests()
		asked := requests[len(requests)-1].Attributes
		assert.Equal(t, append([]string{"objectGUID"}, tt.want...), asked[:len(asked)-NumValues])
		for _, a := range accounts {
			assert.Equal(t, len(tt.flag.Values) > 0 && a.Values[0] == "u1", a.Disabled)
			assert.Equal(t, tt.flag.Attribute == "" && !tt.flag.Never, a.DisabledUnknown)
		}
	}
}

// Nobody asks of a deleted account, or of one that was not found.
func TestFlag_IsNotMissedOfTheDeleted(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	require.NoError(t, d.GrantTombstones("svc@ad.example.test"))
	require.NoError(t, d.Withhold("svc@ad.example.test", "userAccountControl"))
	ids := d.add(2)
	require.NoError(t, d.Delete(ids[0]))
	accounts, err := look(t.Context(), d.open(d.config()), ids[0], ids[1], fakead.GUID(guid(1)))
	require.NoError(t, err)
	unknown := map[State]bool{}
	for _, a := range accounts {
		unknown[a.State] = a.DisabledUnknown
	}
	assert.Equal(t, map[State]bool{Deleted: false, Present: true, Unproven: false}, unknown)
}

func TestFlag_CheckSaysWhereNothingTellsIt(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(3)
	cfg := d.config()
	cfg.Flag = Flag{}
	access, err := d.open(cfg).Check(t.Context())
	require.NoError(t, err)
	require.Len(t, access.Missing, 1)
	assert.Contains(t, access.Missing[0], "set DisabledBy, or NoDisabled")
	for _, flag := range []Flag{{Never: true}, {Attribute: "displayName", Values: []string{"locked"}}} {
		cfg.Flag = flag
		access, err := d.open(cfg).Check(t.Context())
		require.NoError(t, err)
		assert.Empty(t, access.Missing)
	}
}
