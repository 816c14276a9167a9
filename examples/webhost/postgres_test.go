package main

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/reaper"
	"github.com/go-adsync/adsync/sqlstore"
)

func TestPostgreSQL(t *testing.T) {
	db := startPostgreSQL(t)
	var g *gate
	w := newWorldOn(t, db, sqlstore.PostgreSQL, func(c *config) { g = newGate(c) })
	tellOfTwo(t, w, g)
	w.people("zoe")
	w.set("zoe", "givenName", "ÖZGE")
	done := w.admin.sync("zoe")
	assert.Contains(t, done.text(), "1 user(s) details are modified.")
	assert.Contains(t, w.admin.act("/sync", "search", "name", "özge", "email", "zoe@").text(), "Choose all 1 matching")
	for _, sort := range []string{"name", "username", "email", "state"} {
		assert.Contains(t, w.admin.act("/sync", "sort:"+sort).text(), "ÖZGE Person zoe")
	}
	w.admin.get("/import")
	assert.Contains(t, w.admin.act("/import", "all").text(), "2 chosen")
	assert.Contains(t, w.admin.post("/users/"+w.id("admin"), "do", "change", "username", "zoe").text(), "409 ")
	w.exec(`DELETE FROM comparisons`)
	w.set("zoe", "sAMAccountName", "admin")
	assert.Contains(t, w.admin.get("/sync").text(), "Username already exists")
	ofZoe := w.value(`SELECT run_id FROM run_changes WHERE user_id = ? AND outcome = 'applied'`, w.id("zoe"))
	assert.Contains(t, w.admin.get("/history/"+ofZoe+".csv").body, `"First name","Zoe","ÖZGE","Done"`)
	_, err := openStore(t.Context(), db, sqlstore.PostgreSQL)
	assert.NoError(t, err, "the tables are there already")
	signedIn := client{w: w}.post("/sign-in", "username", "ADMIN", "password", adminsPassword)
	assert.Len(t, signedIn.Cookies(), 1)
}

func TestPostgreSQL_Story(t *testing.T) {
	tellStory(t, newWorldOn(t, startPostgreSQL(t), sqlstore.PostgreSQL))
}

// startPostgreSQL starts a server of the test's own, on a socket in its folder.
func startPostgreSQL(t *testing.T) *sql.DB {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		missing(t, "there is no PostgreSQL: install the package postgresql to test on it")
	}
	bin := found[len(found)-1]
	dir, err := os.MkdirTemp("", "webhost-pg-") // t.TempDir is closed to other users
	require.NoError(t, err)
	standby, err := reaper.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(os.RemoveAll(dir), standby.Close())) })
	as := unprivileged(t, dir)
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.SysProcAttr, cmd.Dir = as, dir
		return cmd
	}
	said, err := standby.CombinedOutput(command("initdb", "-D", dir+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"))
	require.NoError(t, err, "%s", said)
	var out bytes.Buffer
	server := command("postgres", "-D", dir+"/data", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	server.Stdout, server.Stderr = &out, &out
	require.NoError(t, standby.Start(server))
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	})
	db, err := sql.Open("pgx", strings.Join([]string{"host=" + dir, "user=postgres", "dbname=postgres"}, " "))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.Eventually(t, func() bool { return db.PingContext(t.Context()) == nil }, 2*time.Minute, 50*time.Millisecond, &out)
	return db
}

// unprivileged is whom the server runs as, which must not be root.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	account, err := osuser.Lookup("postgres")
	require.NoError(t, err)
	uid, err := strconv.Atoi(account.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(account.Gid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, uid, gid))
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
