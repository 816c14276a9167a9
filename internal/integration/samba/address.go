//go:build linux

package samba

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// claim is the sole use of one loopback address and of one directory.
type claim struct {
	address string
	dir     string
	lock    *os.File
	reaper  *reaper.Reaper
}

// ports are those that a controller listens on. They are fixed, which is why
// every controller needs an address of its own.
var ports = []string{"88", "389", "464", "636", "3268", "3269"}

// claimAddress takes the first address that nobody uses. The claim is a lock on
// a file: the kernel drops it when the process has ended, however that happens, and
// its reaper has removed the directory. The next claimant takes over the address.
func claimAddress() (*claim, error) {
	const addresses = 100
	parent := filepath.Join(os.TempDir(), "adsync-samba")
	if err := ownDirectory(parent); err != nil {
		return nil, err
	}
	for n := 1; n <= addresses; n++ {
		address := fmt.Sprintf("127.77.0.%d", n)
		c, err := tryClaim(parent, address)
		if err != nil {
			return nil, err
		}
		if c != nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("all %d loopback addresses for test controllers are in use", addresses)
}

// ownDirectory makes the directory, and refuses one that another user planted:
// the temporary directory is everybody's, and this code runs as root.
func ownDirectory(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Geteuid() || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s is not a private directory of this user; remove it", dir)
	}
	return nil
}

// tryClaim returns nil when somebody else has the address.
func tryClaim(parent, address string) (*claim, error) {
	lock, err := os.OpenFile(filepath.Join(parent, address+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, err
	}
	c := &claim{address: address, dir: filepath.Join(parent, address), lock: lock}
	if err := addAddress(address); err != nil {
		return nil, errors.Join(err, c.release())
	}
	if !portsFree(address) {
		// A server that is not ours: leave its address alone.
		return nil, lock.Close()
	}
	if err := errors.Join(os.RemoveAll(c.dir), os.Mkdir(c.dir, 0o700)); err != nil {
		return nil, errors.Join(err, c.release())
	}
	// It holds the claim, too: the directory must be nobody else's while it is removed.
	if c.reaper, err = reaper.New(c.dir, lock); err != nil {
		return nil, errors.Join(err, c.release())
	}
	return c, nil
}

// release gives everything back. The lock file itself stays: removing it would
// let two claimants lock two different files of one name.
func (c *claim) release() error {
	err := os.RemoveAll(c.dir)
	if c.reaper != nil {
		err = errors.Join(err, c.reaper.Close())
	}
	return errors.Join(err, removeAddress(c.address), c.lock.Close())
}

// addAddress puts the address on the loopback interface, where Samba looks for
// it. One that is there already was left by a killed run.
func addAddress(address string) error {
	return runIP("add", address, "exists", "already assigned")
}

func removeAddress(address string) error {
	return runIP("del", address, "Cannot assign")
}

func runIP(verb, address string, harmless ...string) error {
	out, err := exec.Command("ip", "addr", verb, address+"/32", "dev", "lo").CombinedOutput()
	if err == nil {
		return nil
	}
	for _, text := range harmless {
		if strings.Contains(string(out), text) {
			return nil
		}
	}
	return fmt.Errorf("ip addr %s %s: %w: %s", verb, address, err, out)
}

func portsFree(address string) bool {
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort(address, port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
