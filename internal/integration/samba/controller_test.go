//go:build linux

package samba_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync/internal/integration/samba"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// One controller for all that can share it: starting one takes seconds.
func TestController(t *testing.T) {
	c := samba.Start(t)
	t.Run("rights", func(t *testing.T) { testRights(t, c) })
	t.Run("restart", func(t *testing.T) { testRestart(t, c) })
	t.Run("second controller", func(t *testing.T) { testSecondController(t, c) })
}

// The rights that the suites rely on, shown without the library.
func testRights(t *testing.T, c *samba.Controller) {
	admin := c.Admin(t)
	unit := "OU=people," + c.BaseDN
	addUnit(t, admin, unit)
	addUser(t, admin, "CN=alice,"+unit, "alice")
	addUser(t, admin, "CN=bob,"+unit, "bob")
	require.NoError(t, admin.Del(ldap.NewDelRequest("CN=alice,"+unit, nil)))

	for _, name := range []string{"ordinary", "trusted", "blinded"} {
		addAccount(t, admin, c, name)
	}
	c.GrantTombstones(t, accountDN(c, "trusted"))
	c.Hide(t, accountDN(c, "blinded"), unit)

	for _, tc := range []struct {
		account    string
		live, dead int
	}{
		{"ordinary", 1, 0},
		{"trusted", 1, 1},
		{"blinded", 0, 0},
	} {
		conn := bind(t, c, tc.account)
		assert.Equal(t, tc.live, count(t, conn, unit, "(sAMAccountType=805306368)"), tc.account)
		assert.Equal(t, tc.dead, count(t, conn, c.BaseDN, "(&(isDeleted=TRUE)(sAMAccountName=alice))"), tc.account)
	}
}

func testRestart(t *testing.T, c *samba.Controller) {
	addUnit(t, c.Admin(t), "OU=kept,"+c.BaseDN)

	c.Stop(t)
	_, err := net.DialTimeout("tcp", net.JoinHostPort(c.Address, "636"), time.Second)
	require.Error(t, err)

	c.Restart(t)
	assert.Equal(t, 1, count(t, c.Admin(t), c.BaseDN, "(ou=kept)"))

	t.Run("expired", func(t *testing.T) {
		c.RestartExpired(t)
		_, err := tls.Dial("tcp", net.JoinHostPort(c.Address, "636"), &tls.Config{RootCAs: c.RootCAs()})
		require.ErrorContains(t, err, "expired")
	})
	conn, err := tls.Dial("tcp", net.JoinHostPort(c.Address, "636"), &tls.Config{RootCAs: c.RootCAs()})
	require.NoError(t, err, "the valid certificate is back")
	require.NoError(t, conn.Close())
}

func testSecondController(t *testing.T, first *samba.Controller) {
	second := samba.Start(t)
	assert.NotEqual(t, first.Address, second.Address)
	addUnit(t, first.Admin(t), "OU=only-here,"+first.BaseDN)
	assert.Equal(t, 0, count(t, second.Admin(t), second.BaseDN, "(ou=only-here)"))
}

func bind(t *testing.T, c *samba.Controller, account string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(c.URL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: c.RootCAs()}))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.Bind(accountDN(c, account), password))
	return conn
}

const password = "S3cret-of-the-test"

func accountDN(c *samba.Controller, name string) string {
	return "CN=" + name + ",CN=Users," + c.BaseDN
}

func addAccount(t *testing.T, conn *ldap.Conn, c *samba.Controller, name string) {
	t.Helper()
	add := ldap.NewAddRequest(accountDN(c, name), nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("userAccountControl", []string{"512"})
	add.Attribute("unicodePwd", []string{samba.EncodePassword(password)})
	require.NoError(t, conn.Add(add))
}

func addUnit(t *testing.T, conn *ldap.Conn, dn string) {
	t.Helper()
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	require.NoError(t, conn.Add(add))
}

func addUser(t *testing.T, conn *ldap.Conn, dn, name string) {
	t.Helper()
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	require.NoError(t, conn.Add(add))
}

// count searches with tombstones included, which changes nothing for an account
// that may not see them.
func count(t *testing.T, conn *ldap.Conn, base, filter string) int {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, filter, []string{"1.1"}, []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}))
	require.NoError(t, err)
	return len(found.Entries)
}
