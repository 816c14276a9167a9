//go:build linux

package kerberos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/integration/samba"
)

const username, password = "svc-kerberos", "S3rvice-of-the-test"

func TestKerberos(t *testing.T) {
	controller := samba.Start(t)
	controller.AddServicePrincipal(t)
	addAccount(t, controller)
	program := build(t)
	run := func(environment string, arguments ...string) (string, error) {
		command := exec.Command(program, append([]string{
			"-url", controller.URL, "-ca", controller.AuthorityFile(), "-realm", controller.Realm, "-user", username,
			"-krb5-conf", configuration(t, controller),
		}, arguments...)...)
		command.Env = append(os.Environ(), environment)
		out, err := command.CombinedOutput()
		return string(out), err
	}

	t.Run("keytab", func(t *testing.T) {
		out, err := run("PASSWORD=", "-keytab", controller.Keytab(t, username))
		require.NoError(t, err, out)
		assert.Contains(t, out, controller.BaseDN)
	})
	t.Run("password", func(t *testing.T) {
		out, err := run("PASSWORD=" + password)
		require.NoError(t, err, out)
		assert.Contains(t, out, controller.BaseDN)
	})
	t.Run("wrong password", func(t *testing.T) {
		out, err := run("PASSWORD=hunter2")
		require.Error(t, err)
		assert.Contains(t, out, "adsync: ")
		assert.Contains(t, out, "KDC_ERR_PREAUTH_FAILED")
		assert.Contains(t, out, activedirectory.ErrRefused.Error())
		assert.NotContains(t, out, "hunter2")
	})
	t.Run("no keytab", func(t *testing.T) {
		out, err := run("PASSWORD=", "-keytab", filepath.Join(t.TempDir(), "none"))
		require.Error(t, err)
		assert.Contains(t, out, "no such file")
		assert.NotContains(t, out, activedirectory.ErrRefused.Error())
	})
}

// build makes the program as a user would.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kerberos")
	command := exec.Command("go", "build", "-buildvcs=false", "-o", program, "./examples/kerberos")
	command.Dir = "../../.."
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func addAccount(t *testing.T, controller *samba.Controller) {
	t.Helper()
	add := ldap.NewAddRequest("CN="+username+",CN=Users,"+controller.BaseDN, nil)
	for name, value := range map[string]string{
		"objectClass": "user", "sAMAccountName": username, "userAccountControl": "512",
		"unicodePwd": samba.EncodePassword(password),
	} {
		add.Attribute(name, []string{value})
	}
	require.NoError(t, controller.Admin(t).Add(add))
}

// configuration sends Kerberos to the controller, and nowhere else.
func configuration(t *testing.T, controller *samba.Controller) string {
	t.Helper()
	text := fmt.Sprintf(`[libdefaults]
  default_realm = %[1]s
  dns_lookup_kdc = false
  dns_lookup_realm = false
  udp_preference_limit = 1
[realms]
  %[1]s = {
    kdc = %[2]s:88
  }
`, controller.Realm, controller.Address)
	file := filepath.Join(t.TempDir(), "krb5.conf")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
