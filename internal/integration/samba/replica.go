//go:build linux

package samba

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Join makes a second controller of the same domain, with USNs and an invocationId
// of its own. It takes about ten seconds, for which the first controller is
// restarted. Nothing is replicated between the two before somebody calls Pull, so a
// lag lasts as long as a test wants.
func (c *Controller) Join(t testing.TB) *Controller {
	t.Helper()
	second := newController(t, "DC2")
	second.authority = c.authority
	c.replicating, second.replicating = true, true
	c.Restart(t)
	out, err := second.reaper.CombinedOutput(exec.Command("samba-tool", "domain", "join", realm, "DC",
		"--server="+c.Address, "-W", netbios, "-U", administrator, "--dns-backend=NONE", "--targetdir="+second.dir,
		"--option=interfaces="+second.Address+"/32", "--option=bind interfaces only=yes",
		"--option=netbios name="+second.name, "--option=ldb:nosync=yes", "--option=tls verify peer=no_check"))
	require.NoError(t, err, "%s", out)
	second.serve(t)
	return second
}

// administrator is how samba-tool takes the account and its password; without the
// domain's name they would go to winbind.
const administrator = netbios + `\Administrator%` + adminPass

// Pull replicates to this controller what is new on another of the same domain.
func (c *Controller) Pull(t testing.TB, from *Controller) {
	t.Helper()
	out, err := c.reaper.CombinedOutput(exec.Command("samba-tool", "drs", "replicate", c.Address, from.Address, c.BaseDN, "--local",
		"-s", c.path("adsync.conf"), "-U", administrator))
	require.NoError(t, err, "%s", out)
}

// Snapshot copies the controller's database, and returns what puts the copy back:
// a controller that does not know of it, and keeps its invocationId. Both stop and
// start the server.
func (c *Controller) Snapshot(t testing.TB) (rollBack func(testing.TB)) {
	t.Helper()
	kept := t.TempDir()
	c.Stop(t)
	copyTree(t, c.path("private"), kept)
	c.run(t)
	return func(t testing.TB) {
		t.Helper()
		c.Stop(t)
		require.NoError(t, os.RemoveAll(c.path("private")))
		copyTree(t, filepath.Join(kept, "private"), c.dir)
		c.run(t)
	}
}

// copyTree puts a directory, with owners and sockets, into another one.
func copyTree(t testing.TB, dir, into string) {
	t.Helper()
	out, err := exec.Command("cp", "-a", dir, into).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
