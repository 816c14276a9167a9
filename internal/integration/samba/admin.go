//go:build linux

package samba

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

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

// Access control entries in the security descriptor definition language; the
// trustee's SID goes in. CI passes them on to everything below.
const (
	denyAll     = "(D;CI;GA;;;%s)"     // all generic rights
	denyRead    = "(OD;CI;RP;%s;;%%s)" // read property, of one attribute or property set
	allowRead   = "(OA;CI;RP;%s;;%%s)"
	readAndList = "(A;CI;RPLCLORC;;;%s)" // read property, list children, list object, read control
)

// propertySets have no object of their own in the schema; their GUIDs are those of
// [MS-ADTS] 3.1.1.2.3.3.
var propertySets = map[string]string{
	"User-Account-Restrictions": "4c164200-20c0-11d0-a768-00aa006e0529",
	"Group-Membership":          "bc0ac240-79a9-11d0-9020-00c04fc2d4cf",
}

// GrantTombstones lets the account read CN=Deleted Objects, as an administrator
// would do for a sync.
func (c *Controller) GrantTombstones(t testing.TB, accountDN string) {
	t.Helper()
	c.addACE(t, "CN=Deleted Objects,"+c.BaseDN, accountDN, readAndList)
}

// Hide takes all rights on the object, and on everything below it, from the
// account.
func (c *Controller) Hide(t testing.TB, accountDN, dn string) {
	t.Helper()
	c.addACE(t, dn, accountDN, denyAll)
}

// Deny keeps attributes or property sets of the object, and of everything below
// it, from the account or group.
func (c *Controller) Deny(t testing.TB, accountDN, dn string, attributes ...string) {
	t.Helper()
	c.addObjectACEs(t, dn, accountDN, denyRead, attributes)
}

// Allow lets the account or group read them.
func (c *Controller) Allow(t testing.TB, accountDN, dn string, attributes ...string) {
	t.Helper()
	c.addObjectACEs(t, dn, accountDN, allowRead, attributes)
}

func (c *Controller) addObjectACEs(t testing.TB, dn, accountDN, ace string, attributes []string) {
	t.Helper()
	for _, name := range attributes {
		id, known := propertySets[name]
		if !known {
			id = c.schemaID(t, name)
		}
		c.addACE(t, dn, accountDN, fmt.Sprintf(ace, id))
	}
}

// schemaID is the GUID that names an attribute in an access control entry.
func (c *Controller) schemaID(t testing.TB, attribute string) string {
	t.Helper()
	return c.searchLocal(t, "sub", "CN=Schema,CN=Configuration,"+c.BaseDN, "(lDAPDisplayName="+attribute+")", "schemaIDGUID")
}

// addACE puts an entry at the front of the object's access control list. It
// edits the database file: over LDAP nobody may write to CN=Deleted Objects
// before taking its ownership.
func (c *Controller) addACE(t testing.TB, dn, accountDN, ace string) {
	t.Helper()
	sid := c.readLocal(t, accountDN, "objectSid")
	descriptor := c.readLocal(t, dn, "nTSecurityDescriptor")
	head := regexp.MustCompile(`D:[A-Z]*`).FindStringIndex(descriptor)
	require.NotNil(t, head, "a security descriptor without an access control list")
	descriptor = descriptor[:head[1]] + fmt.Sprintf(ace, sid) + descriptor[head[1]:]
	c.replaceLocal(t, dn, "nTSecurityDescriptor", descriptor)
}

// Database is the file that the domain is in, for the tools that edit it in place.
func (c *Controller) Database() string { return c.path("private/sam.ldb") }

// AuthorityFile is a PEM file with the authority that RootCAs trusts.
func (c *Controller) AuthorityFile() string { return c.path("ca.pem") }

// readLocal returns an attribute's value in its text form.
func (c *Controller) readLocal(t testing.TB, dn, attribute string) string {
	t.Helper()
	return c.searchLocal(t, "base", dn, "(objectClass=*)", attribute)
}

func (c *Controller) searchLocal(t testing.TB, scope, base, filter, attribute string) string {
	t.Helper()
	out, err := exec.Command("ldbsearch", "-H", c.Database(), "-s", scope, "--show-deleted", "-b", base, filter, attribute).CombinedOutput()
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
	out, err := exec.Command("ldbmodify", "-H", c.Database(), "--show-deleted", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
