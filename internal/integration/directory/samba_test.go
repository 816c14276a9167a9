//go:build linux

package directory

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strconv"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/integration/samba"
)

func TestSamba(t *testing.T) {
	controller := samba.Start(t)
	b := &bed{
		url: controller.URL, plainURL: controller.PlainURL, baseDN: controller.BaseDN, roots: controller.RootCAs(),
		admin: account{name: controller.AdminUPN, password: controller.AdminPassword},
	}
	b.grantTombstones = func(t *testing.T, a account) { controller.GrantTombstones(t, a.dn) }
	b.hide = func(t *testing.T, a account, dn string) { controller.Hide(t, a.dn, dn) }
	b.deny = func(t *testing.T, a account, dn string, attributes ...string) {
		controller.Deny(t, a.dn, dn, attributes...)
	}
	b.allow = func(t *testing.T, a account, dn string, attributes ...string) {
		controller.Allow(t, a.dn, dn, attributes...)
	}
	b.attempts = func(t *testing.T, a account) int { return badPasswords(t, b, a) }
	b.flawed = func(t *testing.T, f flaw) (string, *x509.CertPool) {
		switch f {
		case flawExpired:
			controller.RestartExpired(t)
		case flawAuthority:
			return controller.URL, x509.NewCertPool()
		case flawHost:
			target, err := url.Parse(controller.URL)
			require.NoError(t, err)
			return "ldaps://" + startProxy(t, "127.0.0.1", target.Hostname()+":636").address, controller.RootCAs()
		}
		return controller.URL, controller.RootCAs()
	}
	replicateSamba(b, controller)
	countBadPasswords(t, b)
	b.addReaders(t)
	runSuite(t, b)
	t.Run("accounts that may not sign in", func(t *testing.T) { testRefusedAccounts(t, newScene(t, b, len(cases))) })
	t.Run("stopped and started again", func(t *testing.T) { testStopped(t, newScene(t, b, len(cases)+1), controller) })
}

func replicateSamba(b *bed, controller *samba.Controller) {
	controllers := map[*bed]*samba.Controller{b: controller}
	b.second = func(t *testing.T) *bed {
		another := controller.Join(t)
		c := *b
		c.url, c.plainURL = another.URL, another.PlainURL
		controllers[&c] = another
		for one := range controllers {
			one.pull = func(t *testing.T, from *bed) { controllers[one].Pull(t, controllers[from]) }
		}
		return &c
	}
	b.snapshot = func(t *testing.T) func() {
		rollBack := controller.Snapshot(t)
		return func() { rollBack(t) }
	}
}

// A controller that is down is no proof of anything, and one that is back is read
// as before.
func testStopped(t *testing.T, s *scene, controller *samba.Controller) {
	store := s.oneUser(t)
	dir := s.directory(t)
	controller.Stop(t)
	s.requireNoPlan(t, dir, store)
	controller.Restart(t)
	plan, err := newSyncer(t, dir, store, adsync.Rules{}).Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, plan.Changes)
}

// Where an account is refused for another reason than its password, the error says which,
// and no plan is made.
func testRefusedAccounts(t *testing.T, s *scene) {
	store := s.oneUser(t)
	for name, test := range map[string]struct{ attribute, value, want string }{
		"mustchange": {"pwdLastSet", "0", "must be changed"},
		"disabled":   {"userAccountControl", "514", "disabled"},
		"expired":    {"accountExpires", "116444736000000000", "expired"}, // 1970
		"locked":     {"", "", "locked"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.addAccount(t, s.prefix+name)
			if test.attribute == "" {
				s.lockOut(t, a)
			} else {
				change := ldap.NewModifyRequest(a.dn, nil)
				change.Replace(test.attribute, []string{test.value})
				require.NoError(t, s.bind(t, s.admin).Modify(change))
			}
			cfg := s.config()
			cfg.Bind = activedirectory.SimpleBind(a.name, a.password)
			plan, err := newSyncer(t, open(t, cfg), store, adsync.Rules{}).Plan(t.Context())
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.Nil(t, plan)
			assert.ErrorContains(t, err, test.want)
			s.assertDiscreet(t, err)
		})
	}
}

// lockOut makes the domain lock the account, as somebody who guesses would.
func (s *scene) lockOut(t *testing.T, a account) {
	t.Helper()
	threshold := func(n string) {
		change := ldap.NewModifyRequest(s.baseDN, nil)
		change.Replace("lockoutThreshold", []string{n})
		require.NoError(t, s.bind(t, s.admin).Modify(change))
	}
	threshold("2")
	defer threshold("100")
	for range 3 {
		conn, err := ldap.DialURL(s.url, ldap.DialWithTLSConfig(&tls.Config{RootCAs: s.roots}))
		require.NoError(t, err)
		require.Error(t, conn.Bind(a.name, "not-"+a.password))
		require.NoError(t, conn.Close())
	}
}

// countBadPasswords makes the domain count refused passwords, which it does only
// while it locks accounts.
func countBadPasswords(t *testing.T, b *bed) {
	t.Helper()
	change := ldap.NewModifyRequest(b.baseDN, nil)
	change.Replace("lockoutThreshold", []string{"100"})
	require.NoError(t, b.bind(t, b.admin).Modify(change))
}

func badPasswords(t *testing.T, b *bed, a account) int {
	t.Helper()
	found, err := b.bind(t, b.admin).Search(ldap.NewSearchRequest(a.dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", []string{"badPwdCount"}, nil))
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	count, err := strconv.Atoi(found.Entries[0].GetEqualFoldAttributeValue("badPwdCount"))
	require.NoError(t, err)
	return count
}
