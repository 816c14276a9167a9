// Package dbserver starts PostgreSQL and MariaDB for tests, on sockets in a directory of
// their own, and makes a database in them for each test that wants one.
package dbserver

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// Server is a database server of the test's own, reached by a socket in its
// directory.
type Server struct {
	Dir    string // what the server keeps; gone when the test ends
	t      testing.TB
	reaper *reaper.Reaper
	as     *syscall.SysProcAttr // PostgreSQL refuses to run as root
	next   int                  // the name of the next database or schema
}

// tool finds a server's program, which Debian does not put on the path.
func tool(t testing.TB, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.Reverse(found)
	for _, path := range append(found, name, "/usr/sbin/"+name) {
		if path, err := exec.LookPath(path); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; run .ci/install", name)
	}
	t.Skipf("skipped: %s is not installed; run .ci/install", name)
	return ""
}

func newServer(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "adsync-db") // t.TempDir is too deep for a socket, and closed to other users
	require.NoError(t, err)
	standby, err := reaper.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(os.RemoveAll(dir), standby.Close())) })
	return &Server{t: t, Dir: dir, reaper: standby}
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	out, err := s.reaper.CombinedOutput(s.command(name, args...))
	require.NoError(s.t, err, string(out))
}

// command works in the server's own directory for temporary files too: MariaDB
// clears its own away when it starts, and those of other servers with them.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Dir = s.as, s.Dir
	cmd.Env = append(os.Environ(), "TMPDIR="+s.Dir)
	return cmd
}

// start runs the server until the test ends, and waits until it answers.
func (s *Server) start(driver, dsn, name string, args ...string) {
	s.t.Helper()
	cmd := s.command(name, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(s.t, s.reaper.Start(cmd))
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	db, err := sql.Open(driver, dsn)
	require.NoError(s.t, err)
	defer db.Close()
	for range 2400 {
		if err = db.Ping(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.NoError(s.t, err, log.String())
}

// PostgreSQL starts a server that ends with the test.
func PostgreSQL(t testing.TB) *Server {
	t.Helper()
	initdb, postgres := tool(t, "initdb"), tool(t, "postgres")
	s := newServer(t)
	if os.Getuid() == 0 {
		account, err := user.Lookup("postgres")
		require.NoError(t, err)
		uid, err := strconv.Atoi(account.Uid)
		require.NoError(t, err)
		gid, err := strconv.Atoi(account.Gid)
		require.NoError(t, err)
		require.NoError(t, os.Chown(s.Dir, uid, gid))
		s.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	data := filepath.Join(s.Dir, "data")
	s.run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	s.start("pgx", s.SchemaDSN("public"), postgres, "-D", data, "-k", s.Dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "deadlock_timeout=50ms", "-c", "max_connections=50")
	return s
}

// SchemaDSN is how to reach a schema of the PostgreSQL server.
func (s *Server) SchemaDSN(schema string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=postgres search_path=%s,public", s.Dir, schema)
}

// NewSchema makes a schema, and returns how to reach it.
func (s *Server) NewSchema(t testing.TB) (dsn string) {
	t.Helper()
	s.next++
	name := fmt.Sprint("host", s.next)
	admin, err := sql.Open("pgx", s.SchemaDSN("public"))
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Exec("CREATE SCHEMA " + name)
	require.NoError(t, err)
	return s.SchemaDSN(name)
}

// MariaDB starts a server that ends with the test.
func MariaDB(t testing.TB) *Server {
	t.Helper()
	install, mariadbd := tool(t, "mariadb-install-db"), tool(t, "mariadbd")
	tool(t, "my_print_defaults") // which the first one runs
	s := newServer(t)
	data := filepath.Join(s.Dir, "data")
	account, err := user.Current()
	require.NoError(t, err)
	s.run(install, "--no-defaults", "--datadir="+data, "--user="+account.Username, "--auth-root-authentication-method=normal", "--skip-test-db")
	s.start("mysql", s.DatabaseDSN("mysql"), mariadbd, "--no-defaults", "--datadir="+data, "--user="+account.Username,
		"--socket="+filepath.Join(s.Dir, "s"), "--pid-file="+filepath.Join(s.Dir, "pid"), "--skip-networking", "--innodb-flush-log-at-trx-commit=0")
	return s
}

// DatabaseDSN is how to reach a database of the MariaDB server.
func (s *Server) DatabaseDSN(database string) string {
	return fmt.Sprintf("root@unix(%s/s)/%s", s.Dir, database)
}

// NewDatabase makes a database, and returns how to reach it.
func (s *Server) NewDatabase(t testing.TB) (dsn string) {
	t.Helper()
	s.next++
	name := fmt.Sprint("host", s.next)
	admin, err := sql.Open("mysql", s.DatabaseDSN("mysql"))
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
	require.NoError(t, err)
	return s.DatabaseDSN(name)
}
