//go:build linux

package firstday

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/integration/samba"
)

const root = "../../.."

// day is what the engineer has: a program, a directory, and a database.
type day struct {
	*directory
	program string
	file    string // of the database
	db      *sql.DB
	flags   []string
}

const servicePassword = "S3rvice-of-the-test"

func newDay(t *testing.T) *day {
	t.Helper()
	c := samba.Start(t)
	d := &day{directory: &directory{Controller: c, conn: c.Admin(t)}, program: build(t), file: filepath.Join(t.TempDir(), "app.db")}
	d.directory.people = d.addUnit(t, "People", c.BaseDN)
	d.addServiceAccount(t)
	var err error
	d.db, err = sql.Open("sqlite", "file:"+d.file+"?mode=rwc&_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.db.Close()) })
	d.flags = []string{
		"-url", c.URL, "-ca", c.AuthorityFile(), "-base", d.people, "-bind-user", "svc-adsync@" + c.Realm,
		"-db", d.file, "-table", "accounts",
		"-columns", "id=id,object_id=ad_guid,username=login,first_name=given_name,last_name=family_name," +
			"email=email,phone=phone,status=state,protected=is_owner",
	}
	return d
}

// build builds the quickstart, with the race detector where this test has it, so
// that what was compiled for the other tests is used again.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "quickstart")
	args := []string{"build", "-buildvcs=false", "-o", program}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./examples/quickstart")...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func (d *day) addServiceAccount(t *testing.T) {
	t.Helper()
	add := ldap.NewAddRequest("CN=svc-adsync,CN=Users,"+d.BaseDN, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{"svc-adsync"})
	add.Attribute("userPrincipalName", []string{"svc-adsync@" + d.Realm})
	add.Attribute("userAccountControl", []string{"512"})
	add.Attribute("unicodePwd", []string{samba.EncodePassword(servicePassword)})
	require.NoError(t, d.conn.Add(add))
}

// fill makes the table as it was before, and adds a column for the objectGUID with
// the statements of the guide.
func (d *day) fill(t *testing.T, all []person) {
	t.Helper()
	d.exec(t, `CREATE TABLE accounts (
		id INTEGER PRIMARY KEY, login TEXT NOT NULL COLLATE NOCASE UNIQUE, given_name TEXT NOT NULL DEFAULT '',
		family_name TEXT NOT NULL DEFAULT '', email TEXT COLLATE NOCASE UNIQUE, phone TEXT NOT NULL DEFAULT '',
		state TEXT NOT NULL DEFAULT 'active', is_owner INTEGER NOT NULL DEFAULT 0)`)
	d.exec(t, `INSERT INTO accounts (id, login) VALUES (1, 'reception'), (2, 'auditor')`)
	for _, p := range all {
		state := map[bool]string{true: "blocked", false: "active"}[p.kind == blocked]
		d.exec(t, `INSERT INTO accounts (id, login, given_name, family_name, email, state, is_owner) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			p.id, p.login, p.first, p.last, p.email(), state, p.kind == owner)
	}
	for statement := range strings.SplitSeq(fromGuide(t, "sql"), ";") {
		if strings.TrimSpace(statement) != "" {
			d.exec(t, statement)
		}
	}
}

func (d *day) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := d.db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

// fromGuide returns the first block of the language in the guide.
func fromGuide(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/FIRST-DAY.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```"+language+"\n")
	require.True(t, found)
	block, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	return block
}

// grantTombstones runs the guide's commands for a Samba controller.
func (d *day) grantTombstones(t *testing.T) {
	t.Helper()
	script := fromGuide(t, "bash")
	for _, replaced := range [][2]string{
		{"/var/lib/samba/private/sam.ldb", d.Database()}, {"DC=corp,DC=example", d.BaseDN},
	} {
		require.Contains(t, script, replaced[0])
		script = strings.ReplaceAll(script, replaced[0], replaced[1])
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// result is what a run said.
type result struct {
	code           int
	stdout, stderr string
}

func (d *day) run(t *testing.T, more ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, d.program, append(append([]string{}, d.flags...), more...)...)
	cmd.Env = append(os.Environ(), "ADSYNC_PASSWORD="+servicePassword)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// mustRun wants that all was done.
func (d *day) mustRun(t *testing.T, more ...string) result {
	t.Helper()
	return d.runTo(t, 0, more...)
}

func (d *day) runTo(t *testing.T, code int, more ...string) result {
	t.Helper()
	got := d.run(t, more...)
	require.Equal(t, code, got.code, "%v\n%s%s", more, got.stdout, got.stderr)
	return got
}

// rows reads the table by itself, past the program.
func (d *day) rows(t *testing.T) map[int]adsync.User {
	t.Helper()
	rows, err := d.db.QueryContext(t.Context(), `SELECT id, ad_guid, login, given_name, family_name, coalesce(email, ''), phone, state, is_owner FROM accounts`)
	require.NoError(t, err)
	defer rows.Close()
	all := map[int]adsync.User{}
	for rows.Next() {
		var id int
		var u adsync.User
		require.NoError(t, rows.Scan(&id, &u.ObjectID, &u.Username, &u.FirstName, &u.LastName, &u.Email, &u.Phone, &u.Status, &u.Protected))
		u.ID = strconv.Itoa(id)
		all[id] = u
	}
	require.NoError(t, rows.Err())
	return all
}
