package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// result is what a run said.
type result struct {
	code           int
	stdout, stderr string
}

func runWith(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestStory(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	got := runWith(t.Context())
	require.Equal(t, exitDone, got.code, got.stderr)
	assert.Empty(t, got.stderr)
	for _, line := range []string{
		"40 of 42 users are managed",
		"- 107  bthorsson      delete: deleted in the directory",
		"i 105  mvonahn        kept: protected",
		"6 to update, 3 to delete, 0 to create; 3 duplicate, 0 invalid, 4 with a notice; 24 unchanged.",
		"6 user(s) details are modified.\n3 user(s) are deleted.\n3 user(s) are duplicated.\n",
		"No change to write. 3 duplicates and 4 notices stand",
		"No change to write: 35 users are kept, as no deletion is proven.",
		"the plan removes 8 of 37 managed users, and MaxRemovalRatio allows 3; nothing was changed",
	} {
		assert.Contains(t, got.stdout, line)
	}
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left, "the temporary table is removed")
}

func TestStory_WithImport(t *testing.T) {
	got := runWith(t.Context(), "-import")
	require.Equal(t, exitDone, got.code, got.stderr)
	assert.Contains(t, got.stdout, "create: new in the directory")
	assert.Contains(t, got.stdout, "1 user(s) are created.")
	assert.Contains(t, got.stdout, "the directory listed nobody, although users are managed")
}

func TestDryRun_WritesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.rows(t)
	got := w.run(t, "-dry-run")
	assert.Equal(t, exitChanges, got.code, got.stderr)
	assert.Contains(t, got.stdout, "6 to update, 3 to delete")
	assert.Equal(t, before, w.rows(t))
}

func TestRun_ThenNothingToDo(t *testing.T) {
	w := newWorld(t)
	got := w.run(t)
	require.Equal(t, exitDone, got.code, got.stderr)
	assert.Contains(t, got.stdout, "3 user(s) are deleted.")
	rows := w.rows(t)
	assert.Len(t, rows, 39)
	assert.Equal(t, "zschroeder", rows["101"].Username)
	assert.NotContains(t, rows, "107")

	assert.Equal(t, exitDone, w.run(t, "-dry-run").code)
	assert.Equal(t, rows, w.rows(t))
}

func TestOnly(t *testing.T) {
	w := newWorld(t)
	before := w.rows(t)
	assert.Equal(t, exitDone, w.run(t, "-only", "").code)
	assert.Equal(t, before, w.rows(t), "nobody was chosen")

	got := w.run(t, "-only", "101, 120")
	require.Equal(t, exitDone, got.code, got.stderr)
	assert.Contains(t, got.stdout, "2 user(s) details are modified.\n0 user(s) are deleted.")

	assert.Equal(t, exitError, w.run(t, "-only", "141").code, "a local user")
}

func TestJSON(t *testing.T) {
	w := newWorld(t)
	dry := w.run(t, "-dry-run", "-json")
	require.Equal(t, exitChanges, dry.code, dry.stderr)
	var plan adsync.Plan
	decode(t, dry.stdout, &plan)
	assert.Contains(t, dry.stderr, plan.Digest())

	refused := w.run(t, "-json", "-max-removals", "1")
	assert.Equal(t, exitRefused, refused.code)
	decode(t, refused.stdout, new(adsync.Report))

	done := w.run(t, "-json")
	require.Equal(t, exitDone, done.code, done.stderr)
	var report adsync.Report
	decode(t, done.stdout, &report)
	assert.Equal(t, plan.Digest(), report.Plan.Digest())
	assert.Equal(t, 3, report.Counts().Deleted)

	check := w.run(t, "-check", "-json")
	require.Equal(t, exitDone, check.code, check.stderr)
	var access adsync.Access
	decode(t, check.stdout, &access)
	assert.True(t, access.Tombstones)
}

// decode wants one document and nothing after it.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), into), text)
}

func TestExplain(t *testing.T) {
	w := newWorld(t)
	got := w.run(t, "-explain", "105")
	require.Equal(t, exitDone, got.code, got.stderr)
	assert.Contains(t, got.stdout, "kept: protected (would be removed as deleted)")
	assert.Equal(t, exitError, w.run(t, "-explain", "999").code)
}

func TestLimits_AndApproval(t *testing.T) {
	w := newWorld(t)
	before := w.rows(t)
	tight := []string{"-max-removals", "1"}
	refused := w.run(t, tight...)
	assert.Equal(t, exitRefused, refused.code)
	assert.Contains(t, refused.stderr, "MaxRemovals allows 1")
	assert.Equal(t, exitRefused, w.run(t, append(tight, "-dry-run")...).code)
	assert.Equal(t, exitRefused, w.run(t, append(tight, "-approve", strings.Repeat("0", 64))...).code)
	assert.Equal(t, exitRefused, w.run(t, "-approve", strings.Repeat("0", 64)).code, "another plan than the approved one")
	assert.Equal(t, before, w.rows(t))

	digest := regexp.MustCompile("[0-9a-f]{64}").FindString(refused.stderr)
	assert.Equal(t, exitChanges, w.run(t, append(tight, "-dry-run", "-approve", digest)...).code)
	assert.Equal(t, exitDone, w.run(t, append(tight, "-approve", digest)...).code)
	assert.Len(t, w.rows(t), 39)
}

func TestRun_SomeChangesFail(t *testing.T) {
	w := newWorld(t)
	w.exec(t, `CREATE TRIGGER no BEFORE UPDATE ON accounts WHEN old.id = 101 BEGIN SELECT RAISE(ABORT, 'no'); END`)
	got := w.run(t)
	assert.Equal(t, exitPartly, got.code)
	assert.Contains(t, got.stderr, "user 101")
	assert.Contains(t, got.stdout, "1 user(s) could not be written.")
	assert.Len(t, w.rows(t), 39, "the others are done")
}

func TestPassword(t *testing.T) {
	w := newWorld(t)
	before := w.rows(t)

	t.Setenv(passwordVariable, "not-the-password")
	wrong := w.run(t)
	assert.Equal(t, exitError, wrong.code)
	assert.Contains(t, wrong.stderr, "password")
	assert.Equal(t, 1, w.controller.BindAttempts(w.account), "a second try could lock the account")
	assert.NotContains(t, wrong.stdout+wrong.stderr, "not-the-password")
	assert.Equal(t, before, w.rows(t))

	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	assert.Equal(t, exitDone, w.run(t, "-check", "-password-file", file).code, "a file comes first")
}

func TestStartTLS(t *testing.T) {
	w := newWorld(t)
	w.url = w.demo.controller.PlainURL()
	plain := w.run(t, "-check")
	assert.Equal(t, exitError, plain.code)
	assert.Contains(t, plain.stderr, "in the clear")
	got := w.run(t, "-check", "-starttls")
	assert.Equal(t, exitDone, got.code, got.stderr)
}

func TestCheck_SaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.demo.controller.Withhold(account, "mail"))
	mail := w.run(t, "-check")
	assert.Equal(t, exitError, mail.code)
	assert.Contains(t, mail.stdout, "shows mail")
	assert.Contains(t, mail.stdout, "Deleted accounts can be read")
	assert.Contains(t, mail.stdout, "42 users; 40 of them are linked")
}

func TestCheck_SaysThatNoDeletionCanBeProven(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.demo.controller.RevokeTombstones(account))
	got := w.run(t, "-check")
	assert.Equal(t, exitError, got.code)
	assert.Contains(t, got.stdout, "no leaver will ever be deleted")

	plan := w.run(t, "-dry-run")
	assert.Contains(t, plan.stdout, "6 to update, 0 to delete")
	assert.Contains(t, plan.stdout, "Warning: The service account cannot read deleted accounts")
}

func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	before := w.rows(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, exitError, w.runIn(ctx).code)
	assert.Equal(t, exitError, w.run(t, "-timeout", "1ns").code)
	assert.Equal(t, exitError, runWith(ctx).code, "the demonstration")
	assert.Equal(t, before, w.rows(t))
}

func TestInterrupt_InTheMiddle(t *testing.T) {
	w := newWorld(t)
	before := w.rows(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.demo.controller.Before(func(r fakead.Request) {
		if r.Op == fakead.OpSearch && strings.Contains(r.Filter, "objectGUID") {
			cancel()
		}
	})
	got := w.runIn(ctx)
	assert.Equal(t, exitError, got.code)
	assert.Contains(t, got.stderr, context.Canceled.Error())
	assert.Equal(t, before, w.rows(t))
}

func TestFlags_WrongOnes(t *testing.T) {
	t.Setenv(passwordVariable, "")
	there := []string{"-url", "ldaps://dc1.corp.example"}
	for name, args := range map[string][]string{
		"unknown":                  {"-force"},
		"no flag":                  {"now"},
		"no passwords on the line": {"-password", "secret"},
		"no directory":             {"-base", "DC=corp"},
		"no directory for -table":  {"-columns", "id=id"},
		"two directories":          append(there, "-domain", "corp.example"),
		"no account":               there,
		"no password":              append(there, "-bind-user", "svc", "-db", "x", "-table", "t", "-columns", "id=id"),
		"no database":              append(there, "-bind-user", "svc", "-password-file", "x"),
		"no table":                 append(there, "-bind-user", "svc", "-password-file", "x", "-db", "x"),
		"no such dialect":          append(there, "-bind-user", "svc", "-password-file", "x", "-db", "x", "-dialect", "oracle"),
		"no such column":           {"-columns", "shoe_size=shoes"},
		"both selections":          {"-only", "1", "-import"},
		"no JSON of explanations":  {"-explain", "101", "-json"},
		"no time":                  {"-timeout", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(t.Context(), args...)
			assert.Equal(t, exitUsage, got.code)
			assert.NotEmpty(t, got.stderr)
			assert.Empty(t, got.stdout)
		})
	}
}

func TestHelp(t *testing.T) {
	got := runWith(t.Context(), "-h")
	assert.Equal(t, exitDone, got.code)
	assert.Contains(t, got.stderr, "Exit codes")
}

func TestDemo_OverwritesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.db")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	assert.Equal(t, exitError, runWith(t.Context(), "-db", file).code)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(text))
}

// world is a directory and a table as the flags name them.
type world struct {
	*demo
	file, ca, url string
	account       fakead.GUID
}

const account, password = `CORP\svc-test`, "the-password-of-the-test"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := newWorldAfter(t, (*demo).aYearLater)
	require.NoError(t, w.controller.Hide(account, w.controller.DN(w.guids["epapadopoulou"])))
	return w
}

func newWorldAfter(t *testing.T, steps func(*demo, context.Context) error) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{file: filepath.Join(dir, "host app.db"), ca: filepath.Join(dir, "ca.pem")}
	sides, err := openDemo(t.Context(), w.file, steps)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sides.close()) })
	w.demo, w.url = sides.demo, sides.demo.controller.URL()
	require.NoError(t, os.WriteFile(w.ca, w.controller.CACert(), 0o600))
	w.account, err = w.controller.AddUser(fakead.User{Username: "svc-test", Password: password})
	require.NoError(t, err)
	require.NoError(t, w.controller.GrantTombstones(account))
	t.Setenv(passwordVariable, password)
	return w
}

func (w *world) run(t *testing.T, more ...string) result {
	t.Helper()
	return w.runIn(t.Context(), more...)
}

func (w *world) runIn(ctx context.Context, more ...string) result {
	return runWith(ctx, w.args(more)...)
}

// args name the directory and the table.
func (w *world) args(more []string) []string {
	return append([]string{
		"-url", w.url, "-base", w.people, "-ca", w.ca, "-bind-user", account,
		"-db", w.file, "-table", "accounts", "-source", domain,
		"-columns", "id=id,source=directory,object_id=ad_guid,username=login,first_name=given_name,last_name=family_name," +
			"email=email,phone=phone,status=state,protected=is_owner",
	}, more...)
}

func (w *world) exec(t *testing.T, text string) {
	t.Helper()
	_, err := w.db.ExecContext(t.Context(), text)
	require.NoError(t, err)
}

// rows reads the table by itself, past the store under test.
func (w *world) rows(t *testing.T) map[string]adsync.User {
	t.Helper()
	rows, err := w.db.QueryContext(t.Context(), `SELECT id, ad_guid, directory, login, given_name, family_name, email, phone, state, is_owner FROM accounts`)
	require.NoError(t, err)
	defer rows.Close()
	all := map[string]adsync.User{}
	for rows.Next() {
		var u adsync.User
		var email sql.NullString
		require.NoError(t, rows.Scan(&u.ID, &u.ObjectID, &u.Source, &u.Username, &u.FirstName, &u.LastName, &email, &u.Phone, &u.Status, &u.Protected))
		u.Email = email.String
		all[u.ID] = u
	}
	require.NoError(t, rows.Err())
	return all
}
