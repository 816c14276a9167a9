//go:build linux

package samba

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
)

// AddServicePrincipal lets Kerberos clients name the LDAP service by the
// controller's address. A domain controller registers its DNS name by itself.
func (c *Controller) AddServicePrincipal(t testing.TB) {
	t.Helper()
	change := ldap.NewModifyRequest("CN=DC1,OU=Domain Controllers,"+c.BaseDN, nil)
	change.Add("servicePrincipalName", []string{"ldap/" + c.Address})
	require.NoError(t, c.Admin(t).Modify(change))
}

// Keytab exports the Kerberos keys of an account, and returns the file.
func (c *Controller) Keytab(t testing.TB, username string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "account.keytab")
	out, err := exec.Command("samba-tool", "domain", "exportkeytab", file,
		"--principal="+username+"@"+realm, "-s", c.path("adsync.conf")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}
