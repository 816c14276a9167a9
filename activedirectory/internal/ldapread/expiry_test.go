package ldapread

import (
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// What an account says of its end, the same through the sieve and by go-ldap.
func TestExpiry_IsReadFromTicks(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	ends := []*ldap.EntryAttribute{attribute("ACCOUNTEXPIRES", fakead.FileTime(now))}
	const max = "9223372036854775807"
	for _, tt := range []struct {
		name       string
		attributes []*ldap.EntryAttribute
		asOf       time.Time
		want       Account
	}{
		{"not yet", ends, now.Add(-time.Second), Account{Expires: now}},
		{"now", ends, now, Account{Expires: now, Expired: true}},
		{"long ago", ends, now.AddDate(9, 0, 0), Account{Expires: now, Expired: true}},
		{"by a clock that nobody can read", ends, time.Time{}, Account{Expires: now, ExpiredUnknown: true}},
		{"never, by 0", []*ldap.EntryAttribute{attribute("accountExpires", "0")}, now, Account{}},
		{"never, by the greatest number", []*ldap.EntryAttribute{attribute("accountExpires", max)}, now, Account{}},
		{"never, whatever the clock", []*ldap.EntryAttribute{attribute("accountExpires", max)}, time.Time{}, Account{}},
		{"the first tick", []*ldap.EntryAttribute{attribute("accountExpires", "1")}, now,
			Account{Expires: time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC), Expired: true}},
		{"the last but one", []*ldap.EntryAttribute{attribute("accountExpires", "9223372036854775806")}, now,
			Account{Expires: time.Unix(910692730085, 477580600).UTC()}},
		{"negative", []*ldap.EntryAttribute{attribute("accountExpires", "-1")}, now, Account{ExpiredUnknown: true}},
		{"too great", []*ldap.EntryAttribute{attribute("accountExpires", "9223372036854775808")}, now, Account{ExpiredUnknown: true}},
		{"no number", []*ldap.EntryAttribute{attribute("accountExpires", "never")}, now, Account{ExpiredUnknown: true}},
		{"without a value", []*ldap.EntryAttribute{attribute("accountExpires")}, now, Account{ExpiredUnknown: true}},
		{"not seen", nil, now, Account{ExpiredUnknown: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &ldap.Entry{DN: "CN=Ada", Attributes: append([]*ldap.EntryAttribute{attribute("objectGUID", wireText(guid(1))), attribute("userAccountControl", "512")}, tt.attributes...)}
			for _, plainly := range []bool{false, true} {
				cfg := testConfig()
				cfg.Plain, cfg.Flag.Expires = plainly, true
				s := cannedSession(cfg, append(raw(1, entry(e)), end()...), 4096)
				s.asOf = tt.asOf
				accounts, err := s.accountsOfPage(t)
				s.close()
				require.NoError(t, err)
				want := tt.want
				want.GUID, want.DN = guid(1), "CN=Ada"
				assert.Equal(t, []Account{want}, accounts, "by go-ldap: %t", plainly)

				cfg.Flag.Expires = false
				s = cannedSession(cfg, append(raw(1, entry(e)), end()...), 4096)
				s.asOf = tt.asOf
				accounts, err = s.accountsOfPage(t)
				s.close()
				require.NoError(t, err)
				assert.Equal(t, []Account{{GUID: guid(1), DN: "CN=Ada"}}, accounts, "nobody wants to know")
			}
		})
	}
}

// One of both is enough to be disabled, and both must be known for an account to be enabled.
func TestExpiry_JoinsTheFlag(t *testing.T) {
	const no, yes, unknown = 0, 1, 2
	for flag := range 3 {
		for expiry := range 3 {
			a := Account{Disabled: flag == yes, DisabledUnknown: flag == unknown, Expired: expiry == yes, ExpiredUnknown: expiry == unknown}
			disabled, isUnknown := a.IsDisabled()
			assert.Equal(t, flag == yes || expiry == yes, disabled)
			assert.Equal(t, !disabled && (flag != no || expiry != no), isUnknown)
		}
	}
}

// All that is read of a controller is judged by one time, whatever connections it takes.
func TestExpiry_IsJudgedByOneTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := newDomain(t, fakead.Config{Now: func() time.Time { return now }})
	ids := d.add(1)
	require.NoError(t, d.SetAttribute(ids[0], "accountExpires", fakead.FileTime(now.Add(time.Hour))))
	cfg := d.config()
	cfg.Flag.Expires = true
	expired := func(c *Controller) bool {
		accounts, err := list(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, accounts, 1)
		found, err := look(t.Context(), c, ids[0])
		require.NoError(t, err)
		assert.Equal(t, accounts, found)
		return accounts[0].Expired
	}
	c := d.open(cfg)
	assert.False(t, expired(c))
	assert.Equal(t, now, c.AsOf())
	now = now.Add(2 * time.Hour)
	c.mu.Lock()
	c.idle.close()
	c.mu.Unlock()
	assert.False(t, expired(c))
	assert.True(t, expired(d.open(cfg)))
}

// Nobody asks a tombstone when it would have ended.
func TestExpiry_IsNotMissedOfTheDeleted(t *testing.T) {
	d := newDomain(t, fakead.Config{RecycleBin: true})
	require.NoError(t, d.GrantTombstones("svc@ad.example.test"))
	ids := d.add(2)
	require.NoError(t, d.SetAttribute(ids[0], "accountExpires", "1"))
	require.NoError(t, d.Delete(ids[0]))
	require.NoError(t, d.Delete(ids[1]))
	require.NoError(t, d.Recycle(ids[1]))
	cfg := d.config()
	cfg.Flag.Expires = true
	accounts, err := look(t.Context(), d.open(cfg), ids[0], ids[1], fakead.GUID(guid(1)))
	require.NoError(t, err)
	require.Len(t, accounts, 3)
	for _, a := range accounts {
		assert.True(t, a.Expires.IsZero() && !a.Expired && !a.ExpiredUnknown, "state %d", a.State)
	}
}

func TestExpiry_CheckSaysWhereItIsNotShown(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(3)
	cfg := d.config()
	cfg.Flag.Expires = true
	access, err := d.open(cfg).Check(t.Context())
	require.NoError(t, err)
	assert.Empty(t, access.Missing)
	require.NoError(t, d.Withhold("svc@ad.example.test", "accountExpires"))
	access, err = d.open(cfg).Check(t.Context())
	require.NoError(t, err)
	require.Len(t, access.Missing, 1)
	assert.Contains(t, access.Missing[0], "3 of the first 3 accounts do not show accountExpires")
}
