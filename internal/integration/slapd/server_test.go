//go:build linux

package slapd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/certificate"
	"github.com/go-adsync/adsync/internal/integration/reaper"
)

const (
	suffix     = "dc=example,dc=test"
	people     = "ou=people," + suffix
	elsewhere  = "ou=elsewhere," + suffix
	manager    = "cn=manager," + suffix
	service    = "cn=svc," + suffix
	limited    = "cn=limited," + suffix
	paged      = "cn=paged," + suffix // limited but for pages
	blind      = "cn=blind," + suffix // may not read the schema
	secret     = "S3rvice-of-the-test"
	population = 25
)

// server is a running slapd with a database of its own.
type server struct {
	dir           string
	url, plainURL string
	roots         *x509.CertPool
}

// start loads the people, and what else is to be there, and serves them until the test ends.
func start(t *testing.T, more ...string) *server {
	t.Helper()
	slapd, slapadd := tool(t, "slapd"), tool(t, "slapadd")
	dir, err := os.MkdirTemp("", "adsync-slapd")
	require.NoError(t, err)
	standby, err := reaper.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(os.RemoveAll(dir), standby.Close())) })
	s := &server{dir: dir, url: "ldaps://" + freeAddress(t), plainURL: "ldap://" + freeAddress(t)}
	s.roots = writeCertificate(t, dir)
	config := filepath.Join(dir, "slapd.conf")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "db"), 0o700))
	require.NoError(t, os.WriteFile(config, []byte(configuration(dir)), 0o600))

	load := exec.Command(slapadd, "-q", "-f", config)
	load.Stdin = strings.NewReader(seed() + strings.Join(more, ""))
	out, err := standby.CombinedOutput(load)
	require.NoError(t, err, "%s", out)

	var log bytes.Buffer
	running := exec.Command(slapd, "-h", s.url+"/ "+s.plainURL+"/", "-f", config, "-d", "0")
	running.Stderr = &log
	require.NoError(t, standby.Start(running))
	t.Cleanup(func() {
		_ = running.Process.Signal(os.Interrupt)
		_ = running.Wait()
	})
	require.Eventually(t, func() bool {
		c, err := s.dial()
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 2*time.Minute, 20*time.Millisecond, "slapd does not answer: %s", &log)
	return s
}

// tool finds a program, which Debian keeps off the path of ordinary users. It
// skips the test where there is none, or fails it in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	const reason = "no OpenLDAP server can run here; install slapd"
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func configuration(dir string) string {
	return strings.Join([]string{
		"include /etc/ldap/schema/core.schema",
		"include /etc/ldap/schema/cosine.schema",
		"include /etc/ldap/schema/inetorgperson.schema",
		"modulepath /usr/lib/ldap",
		"moduleload back_mdb",
		"moduleload back_monitor",
		"moduleload memberof",
		"pidfile " + filepath.Join(dir, "slapd.pid"),
		"TLSCertificateFile " + filepath.Join(dir, certificate.File),
		"TLSCertificateKeyFile " + filepath.Join(dir, certificate.KeyFile),
		`access to dn.base="cn=Subschema" by dn.exact="` + blind + `" none by * read`,
		`access to dn.base="" by * read`,
		"database mdb",
		"suffix " + suffix,
		"rootdn " + manager,
		"rootpw " + secret,
		"directory " + filepath.Join(dir, "db"),
		"dbnosync",
		"maxsize 1073741824",
		"index objectClass,entryUUID,uid eq",
		"limits dn.exact=" + service + " size=unlimited",
		"limits dn.exact=" + blind + " size=unlimited",
		"limits dn.exact=" + limited + " size.soft=5 size.hard=5 size.prtotal=5",
		"limits dn.exact=" + paged + " size.soft=5 size.hard=5 size.prtotal=unlimited",
		"access to attrs=userPassword by anonymous auth by * none",
		`access to attrs=entryDN by dn.exact="` + blind + `" none by users read`,
		"access to * by users read",
		"overlay memberof",
		"memberof-refint TRUE", // who is renamed stays a member
		"database monitor",
		"access to * by users read",
		"",
	}, "\n")
}

// seed is the directory in LDIF.
func seed() string {
	var b strings.Builder
	add := func(dn string, lines ...string) { fmt.Fprintf(&b, "dn: %s\n%s\n\n", dn, strings.Join(lines, "\n")) }
	add(suffix, "objectClass: dcObject", "objectClass: organization", "dc: example", "o: Example")
	add(people, "objectClass: organizationalUnit", "ou: people")
	add(elsewhere, "objectClass: organizationalUnit", "ou: elsewhere")
	for _, account := range []string{service, limited, paged, blind} {
		name := strings.TrimSuffix(strings.TrimPrefix(account, "cn="), ","+suffix)
		add(account, "objectClass: organizationalRole", "objectClass: simpleSecurityObject", "cn: "+name, "userPassword: "+secret)
	}
	for n := 1; n <= population; n++ {
		add(personDN(n), attributesOf(n)...)
	}
	return b.String()
}

// searches is how many the server has answered.
func (s *server) searches(t *testing.T) int {
	t.Helper()
	found, err := s.admin(t).Search(ldap.NewSearchRequest("cn=Search,cn=Operations,cn=Monitor", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"monitorOpCompleted"}, nil))
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	n, err := strconv.Atoi(found.Entries[0].GetAttributeValue("monitorOpCompleted"))
	require.NoError(t, err)
	return n
}

func personDN(n int) string { return fmt.Sprintf("uid=u%d,%s", n, people) }

func attributesOf(n int) []string {
	return []string{"objectClass: inetOrgPerson", fmt.Sprintf("uid: u%d", n), fmt.Sprintf("cn: First%d Last%d", n, n),
		fmt.Sprintf("givenName: First%d", n), fmt.Sprintf("sn: Last%d", n), fmt.Sprintf("mail: u%d@example.test", n), fmt.Sprintf("mobile: +49 %d", n)}
}

// admin may change everything.
func (s *server) admin(t *testing.T) *ldap.Conn {
	t.Helper()
	c, err := s.dial()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.Bind(manager, secret))
	return c
}

func (s *server) dial() (*ldap.Conn, error) {
	return ldap.DialURL(s.url, ldap.DialWithTLSConfig(&tls.Config{RootCAs: s.roots}))
}

// writeCertificate returns who vouches for the certificate.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	require.NoError(t, certificate.Write(dir))
	text, err := os.ReadFile(filepath.Join(dir, certificate.File))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	return roots
}
