//go:build linux

package directory

import (
	"crypto/x509"
	"net/url"
	"strconv"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

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
	countBadPasswords(t, b)
	b.addReaders(t)
	runSuite(t, b)
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
