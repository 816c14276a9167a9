package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// giteaConf leaves Gitea only what a sync of its users needs. A notice in its
// database tells when a sync has ended. Gitea refuses to run as root unless it is
// told to.
const giteaConf = `
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[1]s
STATIC_ROOT_PATH = %[2]s
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = %[3]s
SQLITE_JOURNAL_MODE = %[4]s
[security]
INSTALL_LOCK = true
[log]
LEVEL = Error
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[packages]
ENABLED = false
[cron]
RUN_AT_START = false
[cron.update_checker]
ENABLED = false
[cron.sync_external_users]
NOTICE_ON_SUCCESS = true
`

const (
	giteaAdmin = "bench-admin"
	giteaLimit = time.Hour // for one sync; 100,000 people take minutes
)

// giteaKind is a way to set up its SQLite.
type giteaKind struct {
	name    string // in the rows of the table, where the others have a database
	journal string
}

// giteaKinds are Gitea as it comes, which has a rollback journal, and with the
// write-ahead log that SQLite has in the other rows.
func giteaKinds() []giteaKind { return []giteaKind{{"Gitea", ""}, {"Gitea with WAL", "WAL"}} }

// giteaJob is one sync of Gitea's users.
type giteaJob struct {
	row    *row // nil: it is not wanted, but the next one needs it
	before []string
	want   giteaUsers
}

// giteaUsers are those of the directory that Gitea has.
type giteaUsers struct{ Active, Inactive, Outdated int }

const giteaCount = `SELECT count(*) FILTER (WHERE is_active), count(*) FILTER (WHERE NOT is_active),
	count(*) FILTER (WHERE full_name LIKE '%changed') FROM user WHERE login_source > 0`

// giteaChanges are as those of stateChanged. But Gitea keeps no phone number, so a
// name differs; and it imports whoever it lacks, so those who are gone are more
// users and not others.
var giteaChanges = []string{
	"UPDATE user SET full_name = full_name || ' changed' WHERE login_source > 0 AND CAST(substr(name, 5) AS INTEGER) % 100 = 1",
	"CREATE TEMP TABLE gone AS SELECT * FROM user WHERE login_source > 0 AND CAST(substr(name, 5) AS INTEGER) % 200 = 2",
	"UPDATE gone SET id = id + 100000000, lower_name = 'gone-' || lower_name, name = 'gone-' || name, email = 'gone-' || email",
	"INSERT INTO user SELECT * FROM gone",
}

// besideGitea measures the sync of Gitea's users, where there is a Gitea. How to
// build one is in docs/PERFORMANCE.md.
func (m *measuring) besideGitea() error {
	if m.gitea == "" {
		return nil
	}
	for _, kind := range giteaKinds() {
		if err := m.giteaSyncs(kind); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	return nil
}

// giteaSyncs measures each job in each turn.
func (m *measuring) giteaSyncs(kind giteaKind) error {
	jobs, wanted := m.giteaJobs(kind)
	if len(wanted) == 0 {
		return nil
	}
	for range m.runs {
		if err := m.giteaTurn(kind, jobs); err != nil {
			return err
		}
	}
	for _, row := range wanted {
		row.report()
	}
	return nil
}

func (m *measuring) giteaJobs(kind giteaKind) (jobs []giteaJob, wanted []*row) {
	gone := ones(m.people, 200, 2)
	for _, j := range []struct {
		name   string
		before []string
		want   giteaUsers
	}{
		{"first import", nil, giteaUsers{Active: m.people}},
		{"nothing changed", nil, giteaUsers{Active: m.people}},
		{"1% changed, 0.5% gone", giteaChanges, giteaUsers{Active: m.people, Inactive: gone}},
	} {
		job := giteaJob{before: j.before, want: j.want}
		if name := j.name + ", " + kind.name; strings.Contains(name, m.only) {
			job.row = m.table.row(name, m.people)
			wanted = append(wanted, job.row)
		}
		jobs = append(jobs, job)
	}
	return jobs, wanted
}

// giteaTurn does all jobs, one after the other, with a new Gitea.
func (m *measuring) giteaTurn(kind giteaKind, jobs []giteaJob) (err error) {
	g := &gitea{program: m.gitea, journal: kind.journal, dir: filepath.Join(m.dir, "gitea")}
	defer func() { err = errors.Join(err, os.RemoveAll(g.dir)) }()
	if err := g.install(m.ctx, m.url); err != nil {
		return err
	}
	g.db, err = sql.Open("sqlite", "file:"+g.file("gitea.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	g.db.SetMaxOpenConns(1) // a temporary table belongs to one
	defer g.db.Close()
	for _, j := range jobs {
		if err := execAll(m.ctx, g.db, j.before...); err != nil {
			return err
		}
		if err := m.giteaSync(g, j); err != nil {
			return err
		}
	}
	return nil
}

// giteaSync starts Gitea for one sync, so that its peak is that of this sync.
func (m *measuring) giteaSync(g *gitea, j giteaJob) error {
	ctx, cancel := context.WithTimeout(m.ctx, giteaLimit)
	defer cancel()
	p, err := launch(ctx, nil, g.dir, func() error {
		return g.request(ctx, http.MethodGet, "/api/healthz", http.StatusOK)
	}, g.program, g.args("web")...)
	if err != nil {
		return err
	}
	defer p.stop()
	searched, err := m.ldapsearch(m.url)
	if err != nil {
		return err
	}
	used, err := g.sync(ctx, p)
	if err != nil {
		return err
	}
	if j.row != nil {
		j.row.add(searched, used)
		j.row.turn()
	}
	return g.check(ctx, j.want)
}

// gitea is a Gitea in a directory of its own, with slapd as its source of users.
type gitea struct {
	program string
	journal string
	dir     string
	port    string
	db      *sql.DB // Gitea's own
}

func (g *gitea) file(name string) string { return filepath.Join(g.dir, name) }

func (g *gitea) args(command ...string) []string {
	return append(command, "--work-path", g.dir, "--config", g.file("app.ini"))
}

// install makes an empty Gitea that imports the directory when it is told to.
func (g *gitea) install(ctx context.Context, directory string) error {
	at, err := url.Parse(directory)
	if err != nil {
		return err
	}
	if g.port, err = freePort(); err != nil {
		return err
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	conf := fmt.Appendf(nil, giteaConf, g.port, filepath.Dir(g.program), g.file("gitea.db"), g.journal)
	if err := os.WriteFile(g.file("app.ini"), conf, 0o600); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"migrate"},
		{"admin", "user", "create", "--admin", "--username", giteaAdmin, "--password", adminPass, "--email", "admin@bench.test", "--must-change-password=false"},
		{"admin", "auth", "add-ldap", "--name", "bench", "--security-protocol", "unencrypted", "--host", at.Hostname(), "--port", at.Port(),
			"--bind-dn", adminDN, "--bind-password", adminPass, "--user-search-base", suffix, "--user-filter", "(&" + filter + "(sAMAccountName=%s))",
			"--username-attribute", "sAMAccountName", "--firstname-attribute", "givenName", "--surname-attribute", "sn", "--email-attribute", "mail",
			"--page-size", "1000", "--synchronize-users"},
	} {
		if err := run(ctx, nil, g.dir, g.program, g.args(command...)...); err != nil {
			return err
		}
	}
	return nil
}

func (g *gitea) request(ctx context.Context, method, path string, want int) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+g.port+path, nil)
	if err != nil {
		return err
	}
	if method == http.MethodPost {
		request.SetBasicAuth(giteaAdmin, adminPass)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return nil
}

// sync measures one sync: from the request until the notice of its end is there.
// The peak is that of the whole process, web server included.
func (g *gitea) sync(ctx context.Context, p *process) (used usage, err error) {
	before, err := g.notices(ctx)
	if err != nil {
		return used, err
	}
	spent, err := p.spent()
	if err != nil {
		return used, err
	}
	begun := time.Now()
	if err := g.request(ctx, http.MethodPost, "/api/v1/admin/cron/sync_external_users", http.StatusNoContent); err != nil {
		return used, err
	}
	for now := before; now == before; {
		if time.Sleep(10 * time.Millisecond); ctx.Err() != nil {
			return used, ctx.Err()
		}
		if now, err = g.notices(ctx); err != nil {
			return used, err
		}
	}
	used.wall = time.Since(begun)
	after, err := p.spent()
	if err != nil {
		return used, err
	}
	used.cpu = after - spent
	used.peak, err = p.peak()
	return used, err
}

func (g *gitea) notices(ctx context.Context) (n int, err error) {
	err = g.db.QueryRowContext(ctx, "SELECT count(*) FROM notice").Scan(&n)
	return n, err
}

// check compares the users with what they should be. Gitea ends a sync that failed
// like one that did not, and only its log tells.
func (g *gitea) check(ctx context.Context, want giteaUsers) error {
	said, err := os.ReadFile(g.file(filepath.Base(g.program) + ".log"))
	if err != nil {
		return err
	}
	if strings.Contains(string(said), "SyncExternalUsers") {
		return fmt.Errorf("its sync failed: %s", said)
	}
	var got giteaUsers
	if err := g.db.QueryRowContext(ctx, giteaCount).Scan(&got.Active, &got.Inactive, &got.Outdated); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("it has the users %+v, want %+v", got, want)
	}
	return nil
}

// spent is the processor time that a running process has had, by proc(5) in
// hundredths of a second.
func (p *process) spent() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	named := strings.LastIndexByte(string(stat), ')') // the second field may hold anything
	fields := strings.Fields(string(stat[named+1:]))
	if len(fields) < 13 {
		return 0, errors.New("the system does not tell the processor time of a process")
	}
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

// peak is the most memory, in bytes, that a running process has had.
func (p *process) peak() (int64, error) {
	status := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	kib, err := strconv.ParseInt(strings.TrimSuffix(told(status, "VmHWM"), " kB"), 10, 64)
	return kib << 10, err
}

// besideGitea says how many times as much as adsync with SQLite Gitea took.
func (t *table) besideGitea() (lines []string) {
	for _, kind := range giteaKinds() {
		for _, g := range t.rows {
			for _, own := range t.rows {
				job, ok := strings.CutSuffix(own.name, ", "+sqlite().name)
				if ok && g.people == own.people && g.name == job+", "+kind.name {
					lines = append(lines, fmt.Sprintf("- %d people, %s: %s took %.1f times as long as adsync with SQLite, %.1f times the processor time and %.1f times the memory",
						g.people, job, kind.name, g.wall()/own.wall(), g.seconds()/own.seconds(), g.peak()/own.peak()))
				}
			}
		}
	}
	return lines
}
