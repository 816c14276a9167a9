//go:build linux

package samba

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
)

// Admin returns a connection bound as the administrator, closed when the test
// ends.
func (c *Controller) Admin(t testing.TB) *ldap.Conn {
	t.Helper()
	conn, err := c.dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.Bind(c.AdminUPN, c.AdminPassword))
	return conn
}

// Account is an ordinary account of the domain, as a sync would use.
type Account struct {
	DN       string
	UPN      string
	Password string
}

// ServiceAccount makes an account with the rights of every domain user: it reads
// people, and it does not see what is in CN=Deleted Objects. The name must be
// new to the domain.
func (c *Controller) ServiceAccount(t testing.TB, name string) Account {
	t.Helper()
	account := Account{
		DN:       "CN=" + name + ",CN=Users," + c.BaseDN,
		UPN:      name + "@" + c.Realm,
		Password: "S3rvice-of-the-test",
	}
	add := ldap.NewAddRequest(account.DN, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("userPrincipalName", []string{account.UPN})
	add.Attribute("userAccountControl", []string{"512"})
	add.Attribute("unicodePwd", []string{encodePassword(account.Password)})
	require.NoError(t, c.Admin(t).Add(add))
	return account
}

// encodePassword is the form of unicodePwd: quoted, little-endian UTF-16
// ([MS-ADTS] 3.1.1.3.1.5).
func encodePassword(password string) string {
	var encoded []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		encoded = binary.LittleEndian.AppendUint16(encoded, unit)
	}
	return string(encoded)
}

// Access control entries in the security descriptor definition language; the
// trustee's SID goes in. CI passes them on to everything below.
const (
	denyAll     = "(D;CI;GA;;;%s)"       // all generic rights
	readAndList = "(A;CI;RPLCLORC;;;%s)" // read property, list children, list object, read control
)

// GrantTombstones lets the account read CN=Deleted Objects, as an administrator
// would do for a sync.
func (c *Controller) GrantTombstones(t testing.TB, account Account) {
	t.Helper()
	c.addACE(t, "CN=Deleted Objects,"+c.BaseDN, account, readAndList)
}

// Hide takes all rights on the object, and on everything below it, from the
// account.
func (c *Controller) Hide(t testing.TB, account Account, dn string) {
	t.Helper()
	c.addACE(t, dn, account, denyAll)
}

// addACE puts an entry at the front of the object's access control list. It
// edits the database file: over LDAP nobody may write to CN=Deleted Objects
// before taking its ownership.
func (c *Controller) addACE(t testing.TB, dn string, account Account, ace string) {
	t.Helper()
	sid := c.readLocal(t, account.DN, "objectSid")
	descriptor := c.readLocal(t, dn, "nTSecurityDescriptor")
	head := regexp.MustCompile(`D:[A-Z]*`).FindStringIndex(descriptor)
	require.NotNil(t, head, "a security descriptor without an access control list")
	descriptor = descriptor[:head[1]] + fmt.Sprintf(ace, sid) + descriptor[head[1]:]
	c.replaceLocal(t, dn, "nTSecurityDescriptor", descriptor)
}

func (c *Controller) database() string { return c.path("private/sam.ldb") }

// readLocal returns an attribute's value in its text form.
func (c *Controller) readLocal(t testing.TB, dn, attribute string) string {
	t.Helper()
	out, err := exec.Command("ldbsearch", "-H", c.database(), "-s", "base", "--show-deleted", "-b", dn, attribute).CombinedOutput()
	require.NoError(t, err, "%s", out)
	unfolded := strings.ReplaceAll(string(out), "\n ", "")
	_, rest, found := strings.Cut(unfolded, "\n"+attribute+": ")
	require.True(t, found, "no %s in:\n%s", attribute, out)
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func (c *Controller) replaceLocal(t testing.TB, dn, attribute, value string) {
	t.Helper()
	change := fmt.Sprintf("dn: %s\nchangetype: modify\nreplace: %s\n%s: %s\n\n", dn, attribute, attribute, value)
	file := c.path("change.ldif")
	require.NoError(t, os.WriteFile(file, []byte(change), 0o600))
	out, err := exec.Command("ldbmodify", "-H", c.database(), "--show-deleted", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
