//go:build linux

package samba

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// The domain that every controller serves, each on an address of its own.
const (
	realm     = "AD.EXAMPLE.TEST"
	netbios   = "EXAMPLE"
	baseDN    = "DC=ad,DC=example,DC=test"
	adminPass = "Adm1n-of-the-test"
)

// requestTimeout bounds each LDAP request that the helper itself makes.
const requestTimeout = 30 * time.Second

// Controller is a running domain controller. It serves LDAP on the fixed ports
// 389 and 636 of a loopback address of its own.
type Controller struct {
	URL           string // ldaps://…, with a certificate that RootCAs trusts
	PlainURL      string // ldap://…, for StartTLS
	Address       string // the IP address, which the certificate names
	BaseDN        string
	Realm         string
	AdminUPN      string
	AdminPassword string

	name        string // of the computer, DC1 or DC2
	replicating bool   // serves what other controllers need
	dir         string
	authority   authority
	certificate keyPair
	process     *process
	reaper      *reaper.Reaper
}

// Start provisions a new domain, serves it, and stops and removes everything
// when the test ends. It takes about five seconds: call it once for a group of
// tests, and give each test an organizational unit of its own.
func Start(t testing.TB) *Controller {
	t.Helper()
	requireTools(t)
	c := newController(t, "DC1")
	var err error
	c.authority, err = newAuthority()
	require.NoError(t, err)
	require.NoError(t, c.provision())
	c.serve(t)
	return c
}

// newController claims an address and a directory until the test ends.
func newController(t testing.TB, name string) *Controller {
	t.Helper()
	claim, err := claimAddress()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, claim.release()) })
	return &Controller{
		URL:           "ldaps://" + claim.address,
		PlainURL:      "ldap://" + claim.address,
		Address:       claim.address,
		BaseDN:        baseDN,
		Realm:         realm,
		AdminUPN:      "Administrator@" + realm,
		AdminPassword: adminPass,
		name:          name,
		dir:           claim.dir,
		reaper:        claim.reaper,
	}
}

// serve runs the controller until the test ends.
func (c *Controller) serve(t testing.TB) {
	t.Helper()
	var err error
	c.certificate, err = c.authority.issue(c.Address, time.Now().Add(24*time.Hour))
	require.NoError(t, err)
	t.Cleanup(func() { c.Stop(t) })
	c.run(t)
}

// requireTools skips the test where a controller cannot run, or fails it in CI.
func requireTools(t testing.TB) {
	t.Helper()
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, tool := range []string{"samba", "samba-tool", "ldbsearch", "ldbmodify", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if len(missing) == 0 {
		return
	}
	reason := "no Samba domain controller can run here; missing: " + strings.Join(missing, ", ")
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func (c *Controller) provision() error {
	out, err := c.reaper.CombinedOutput(exec.Command("samba-tool", "domain", "provision",
		"--realm="+realm, "--domain="+netbios, "--server-role=dc", "--dns-backend=NONE",
		"--adminpass="+adminPass, "--targetdir="+c.dir, "--host-name=dc1",
		"--host-ip="+c.Address, "--use-rfc2307"))
	if err != nil {
		return fmt.Errorf("samba-tool domain provision: %w\n%s", err, out)
	}
	return nil
}

// config keeps every path below the controller's own directory, so that several
// controllers and the machine's own Samba do not meet.
func (c *Controller) config() string {
	services := "ldap, cldap, kdc"
	if c.replicating {
		services += ", rpc"
	}
	return strings.Join([]string{
		"[global]",
		"netbios name = " + c.name,
		"workgroup = " + netbios,
		"realm = " + realm,
		"server role = active directory domain controller",
		"server services = " + services,
		"dcerpc endpoint servers = epmapper, drsuapi, lsarpc, samr, netlogon",
		"interfaces = " + c.Address + "/32",
		"bind interfaces only = yes",
		"private dir = " + c.path("private"),
		"state directory = " + c.path("state"),
		"cache directory = " + c.path("cache"),
		"lock directory = " + c.dir,
		"pid directory = " + c.dir,
		"ncalrpc dir = " + c.path("ncalrpc"),
		// Tests lose nothing in a power cut, and each sync to disk costs milliseconds.
		"ldb:nosync = yes",
		// As on Windows: Kerberos over TLS needs no protection of its own, and a
		// password without TLS is refused.
		"ldap server require strong auth = allow_sasl_over_tls",
		"tls enabled = yes",
		"tls certfile = " + c.path("cert.pem"),
		"tls keyfile = " + c.path("key.pem"),
		"tls cafile = " + c.path("ca.pem"),
		"",
	}, "\n")
}

func (c *Controller) path(name string) string { return filepath.Join(c.dir, name) }

// Stop ends the server, and returns when it is gone. The domain stays on disk
// for Restart. Stopping a stopped controller does nothing.
func (c *Controller) Stop(t testing.TB) {
	t.Helper()
	if c.process == nil {
		return
	}
	stopping := c.process
	c.process = nil
	require.NoError(t, stopping.stop())
}

// Restart stops the server if it runs, and serves the same domain again.
func (c *Controller) Restart(t testing.TB) {
	t.Helper()
	c.Stop(t)
	c.run(t)
}

// RestartExpired is Restart with a certificate that expired an hour ago, until
// the test ends.
func (c *Controller) RestartExpired(t testing.TB) {
	t.Helper()
	valid := c.certificate
	expired, err := c.authority.issue(c.Address, time.Now().Add(-time.Hour))
	require.NoError(t, err)
	t.Cleanup(func() {
		c.certificate = valid
		c.Restart(t)
	})
	c.certificate = expired
	c.Restart(t)
}

// RootCAs trusts the controller's certificates and nothing else.
func (c *Controller) RootCAs() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.authority.certificate)
	return pool
}

func (c *Controller) run(t testing.TB) {
	t.Helper()
	files := map[string][]byte{
		"adsync.conf": []byte(c.config()),
		"ca.pem":      c.authority.certificatePEM(),
		"cert.pem":    c.certificate.certificatePEM,
		"key.pem":     c.certificate.keyPEM,
	}
	for name, content := range files {
		require.NoError(t, os.WriteFile(c.path(name), content, 0o600))
	}
	started, err := startProcess(c.reaper, c.path("adsync.conf"), c.path("samba.log"))
	require.NoError(t, err)
	c.process = started
	require.NoError(t, c.awaitReady())
}

// awaitReady polls until the rootDSE answers over TLS.
func (c *Controller) awaitReady() error {
	const patience = 5 * time.Minute
	deadline := time.Now().Add(patience)
	for {
		err := c.readRootDSE()
		switch {
		case err == nil:
			return nil
		case c.process.ended():
			return fmt.Errorf("samba ended by itself:\n%s", c.process.log())
		case time.Now().After(deadline):
			return fmt.Errorf("samba did not answer within %s: %w\n%s", patience, err, c.process.log())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *Controller) readRootDSE() error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	found, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", []string{"defaultNamingContext"}, nil))
	if err != nil {
		return err
	}
	if len(found.Entries) != 1 || !strings.EqualFold(found.Entries[0].GetEqualFoldAttributeValue("defaultNamingContext"), c.BaseDN) {
		return errors.New("the rootDSE does not name the domain yet")
	}
	return nil
}

// dial connects over TLS. It checks the certificate as of a time at which it was
// valid, because an expired one is served on purpose.
func (c *Controller) dial() (*ldap.Conn, error) {
	conn, err := ldap.DialURL(c.URL,
		ldap.DialWithDialer(&net.Dialer{Timeout: requestTimeout}),
		ldap.DialWithTLSConfig(&tls.Config{
			RootCAs: c.RootCAs(),
			Time:    func() time.Time { return c.certificate.notAfter.Add(-time.Minute) },
		}))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(requestTimeout)
	return conn, nil
}
