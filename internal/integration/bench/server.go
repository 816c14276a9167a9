package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/integration/certificate"
	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// tool finds a server's program, which Debian does not put on the path.
func tool(name string) (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.Reverse(found)
	for _, path := range append(found, "/usr/sbin/"+name, name) {
		if path, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed; run .ci/install", name)
}

// run runs a program to its end.
func run(ctx context.Context, as *syscall.SysProcAttr, dir, name string, args ...string) error {
	path, err := tool(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.SysProcAttr = dir, as
	standby, err := reaper.New(dir)
	if err != nil {
		return err
	}
	out, err := standby.CombinedOutput(cmd)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return errors.Join(err, standby.Close())
}

// process is a server in the background.
type process struct {
	cmd    *exec.Cmd
	reaper *reaper.Reaper
}

// launch starts a server and waits until it answers.
func launch(ctx context.Context, as *syscall.SysProcAttr, dir string, answers func() error, name string, args ...string) (*process, error) {
	path, err := tool(name)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, filepath.Base(name)+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = dir, as, log, log
	standby, err := reaper.New(dir)
	if err != nil {
		return nil, err
	}
	if err := standby.Start(cmd); err != nil {
		return nil, errors.Join(err, standby.Close())
	}
	p := &process{cmd, standby}
	for range 2400 {
		if err = answers(); err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.stop()
	said, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s does not answer: %w: %s", name, err, said)
}

func (p *process) stop() {
	defer time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() }).Stop()
	_ = p.cmd.Process.Signal(syscall.SIGINT)  // PostgreSQL then ends its sessions
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // MariaDB may ignore the other
	_ = p.cmd.Wait()
	_ = p.reaper.Close()
}

// launchDatabase starts a server for which admin is open, and returns what ends both.
func launchDatabase(ctx context.Context, as *syscall.SysProcAttr, dir string, admin *sql.DB, name string, args ...string) (stop func(), err error) {
	p, err := launch(ctx, as, dir, func() error { return admin.PingContext(ctx) }, name, args...)
	if err != nil {
		return nil, errors.Join(err, admin.Close())
	}
	return func() {
		_ = admin.Close() // first, because PostgreSQL waits for its sessions
		p.stop()
	}, nil
}

// schema has Active Directory's names for what slapd does not know.
const schema = `
attributetype ( 1.3.6.1.4.1.4203.666.77.1 NAME 'objectGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.2 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.3 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.4 NAME 'sAMAccountType' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.5 NAME 'isDeleted' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.77.9 NAME 'benchPerson' SUP top STRUCTURAL
  MUST ( cn $ objectGUID $ sAMAccountName $ sAMAccountType )
  MAY ( userAccountControl $ isDeleted $ givenName $ sn $ mail $ telephoneNumber ) )
`

const slapdConf = `
include /etc/ldap/schema/core.schema
include %[1]s/bench.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
TLSCertificateFile %[1]s/%[5]s
TLSCertificateKeyFile %[1]s/%[6]s
threads 4
sizelimit unlimited
database mdb
suffix "%[2]s"
rootdn "%[3]s"
rootpw %[4]s
directory %[1]s/data
maxsize 17179869184
index objectClass,objectGUID,sAMAccountType eq
`

// directory is a slapd with so many people.
type directory struct {
	*process
	url       string
	encrypted string // another URL
	authority string // the file of who vouches for its certificate
}

func startDirectory(ctx context.Context, dir string, people int) (*directory, error) {
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "slapd.conf")
	if err := os.WriteFile(filepath.Join(dir, "bench.schema"), []byte(schema), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(conf, fmt.Appendf(nil, slapdConf, dir, suffix, adminDN, adminPass, certificate.File, certificate.KeyFile), 0o600); err != nil {
		return nil, err
	}
	if err := certificate.Write(dir); err != nil {
		return nil, err
	}
	ldif, err := os.Create(filepath.Join(dir, "people.ldif"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(ldif.Name())
	defer ldif.Close()
	if err := writeLDIF(ldif, people); err != nil {
		return nil, err
	}
	if err := run(ctx, nil, dir, "slapadd", "-q", "-f", conf, "-l", ldif.Name()); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	encrypted, err := freePort()
	if err != nil {
		return nil, err
	}
	d := &directory{url: "ldap://127.0.0.1:" + port, encrypted: "ldaps://127.0.0.1:" + encrypted, authority: filepath.Join(dir, certificate.File)}
	d.process, err = launch(ctx, nil, dir, func() error {
		c, err := ldap.DialURL(d.url)
		if err == nil {
			err = c.Close()
		}
		return err
	}, "slapd", "-d", "0", "-f", conf, "-h", d.url+" "+d.encrypted)
	return d, err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// version is the first line that a program says of itself.
func version(name string, args ...string) string {
	path, err := tool(name)
	if err != nil {
		return "no " + name
	}
	cmd := exec.Command(path, args...)
	cmd.Args[0] = name // MariaDB says how it was called
	out, _ := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.ContainsAny(line, "0123456789") {
			return strings.TrimSpace(line)
		}
	}
	return name
}
