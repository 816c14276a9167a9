//go:build linux

package firstday

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The chapters of the guide, one after the other.
func TestFirstDay(t *testing.T) {
	d := newDay(t)
	all := everybody()
	require.Len(t, all, 300)
	d.populate(t, all)
	d.fill(t, all)
	for _, chapter := range []struct {
		name string
		run  func(*testing.T, []person)
	}{
		{"the service account", d.checkAccess},
		{"adopt the certain", d.adoptCertain},
		{"adopt by username", d.adoptByUsername},
		{"settle by hand", d.settle},
		{"name the protected", d.nameSome},
		{"who is who", d.checkLinks},
		{"import", d.importSome},
		{"what if", d.compareScopes},
		{"sync", d.sync},
	} {
		if !t.Run(chapter.name, func(t *testing.T) { chapter.run(t, all) }) {
			return // the next chapter builds on it
		}
	}
}

func (d *day) checkAccess(t *testing.T, _ []person) {
	before := d.runTo(t, 1, "-check")
	assert.Contains(t, before.stdout, "Deleted accounts cannot be read: no leaver will ever be deleted.")
	d.grantTombstones(t)
	after := d.run(t, "-check")
	assert.Contains(t, after.stdout, "Deleted accounts can be read")
	assert.Contains(t, after.stdout, "none of the first 100 accounts shows telephoneNumber", "nobody has one")
	assert.Contains(t, after.stdout, "302 users; 0 of them are linked")
}

func (d *day) adoptCertain(t *testing.T, _ []person) {
	before := d.rows(t)
	dry := d.runTo(t, 5, "-adopt", "-dry-run")
	assert.Contains(t, dry.stdout, "230 to update, 0 to delete, 0 to create; 0 duplicate, 0 invalid, 50 with a notice; 22 unchanged.")
	assert.Equal(t, 230, strings.Count(dry.stdout, "(by username and email: CN="))
	made := d.runTo(t, 5, "-adopt", "-dry-run", "-mail-domain", "corp.example")
	assert.Contains(t, made.stdout, "250 to update", "an address made of the username is what the application has")
	assert.Equal(t, 10, strings.Count(made.stdout, "(last name differs)"), "but the next person of a name would have it, too")
	require.Equal(t, before, d.rows(t), "a dry run writes nothing")

	d.mustRun(t, "-adopt")
	assert.Len(t, d.linked(t), 230)
}

func (d *day) adoptByUsername(t *testing.T, _ []person) {
	got := d.mustRun(t, "-adopt", "-adopt-by", "username")
	assert.Equal(t, 20, strings.Count(got.stdout, "(by username: CN="))
	assert.Equal(t, 10, strings.Count(got.stdout, "(last name differs)"), "names that were used again")
	assert.Len(t, d.linked(t), 250)
}

// settle enters the new addresses, after asking the people.
func (d *day) settle(t *testing.T, all []person) {
	for _, p := range of(all, moved) {
		d.exec(t, `UPDATE accounts SET email = 'new.' || email WHERE id = ?`, p.id)
	}
	d.mustRun(t, "-adopt")
	assert.Len(t, d.linked(t), 255)
}

func (d *day) nameSome(t *testing.T, all []person) {
	var ids []string
	for _, p := range slices.Concat(of(all, owner), of(all, blocked)) {
		ids = append(ids, fmt.Sprint(p.id))
	}
	got := d.mustRun(t, "-adopt", "-only", strings.Join(ids, ","))
	assert.Contains(t, got.stdout, "5 to update")
	assert.Len(t, d.linked(t), 260)
}

// checkLinks wants everybody to have their own account, and nobody another's.
func (d *day) checkLinks(t *testing.T, all []person) {
	rows := d.rows(t)
	for _, p := range all {
		want := p.guid
		if slices.Contains([]kind{left, reusedMail, reusedName}, p.kind) {
			want = adsync.ObjectID{}
		}
		assert.Equal(t, want, rows[p.id].ObjectID, "user %d: %s", p.id, p.kind)
		wantStatus := map[bool]adsync.Status{true: adsync.StatusBlocked, false: adsync.StatusActive}[p.kind == blocked]
		assert.Equal(t, wantStatus, rows[p.id].Status, "user %d: %s", p.id, p.kind)
	}
}

func (d *day) importSome(t *testing.T, _ []person) {
	annex := d.addUnit(t, "Annex", d.people)
	adaeze := d.add(t, account{d.people, "Adaeze Eze", "aeze", "Adaeze", "Eze", "adaeze.eze@corp.example"})
	ifeoma := d.add(t, account{d.people, "Ifeoma Obi", "iobi", "Ifeoma", "Obi", ""})
	d.add(t, account{d.people, "Elif Demir", "edemir", "Elif", "Demir", "elif.demir@corp.example"})
	d.add(t, account{annex, "Jón Karlsson", "jkarlsson", "Jón", "Karlsson", "jon.karlsson@corp.example"})
	group := d.addGroup(t, "App Users", adaeze, d.addGroup(t, "Lagos Team", ifeoma))

	everyone := d.runTo(t, 5, "-import", "-dry-run", "-keep-on-empty", "email")
	assert.Contains(t, everyone.stdout, "4 to create; 20 duplicate", "a name that a user has is no new user's")

	found := d.mustRun(t, "-find", "Elif De")
	elif := regexp.MustCompile(`(?m)^(\S{36})  edemir, Elif Demir`).FindStringSubmatch(found.stdout)
	require.Len(t, elif, 2, found.stdout)
	d.mustRun(t, "-import-ids", elif[1])
	d.mustRun(t, "-import-group", group, "-mail-domain", "corp.example")
	d.mustRun(t, "-import-ou", annex)
	mails := map[string]string{}
	for _, u := range d.linked(t) {
		mails[u.Username] = u.Email
	}
	assert.Len(t, mails, 264)
	assert.Equal(t, "elif.demir@corp.example", mails["edemir"])
	assert.Equal(t, "adaeze.eze@corp.example", mails["aeze"])
	assert.Equal(t, "iobi@corp.example", mails["iobi"], "of a group in the group")
	assert.Contains(t, mails, "jkarlsson")
}

// compareScopes asks for a base that holds one of those who are linked.
func (d *day) compareScopes(t *testing.T, _ []person) {
	before := d.rows(t)
	got := d.runTo(t, 5, "-keep-on-empty", "email", "-what-if-base", "OU=Annex,"+d.people, "-json")
	var comparison adsync.Comparison
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &comparison))
	assert.Equal(t, map[adsync.Kind]int{adsync.KindLeaves: 263}, comparison.Counts)
	for _, d := range comparison.Differences {
		require.Len(t, d.B, 1)
		assert.Equal(t, adsync.ReasonOutOfScope, d.B[0].Reason, "alive, and elsewhere")
	}
	same := d.mustRun(t, "-keep-on-empty", "email", "-what-if", "(sAMAccountType=805306368)")
	assert.Contains(t, same.stdout, "Both plans do the same.")
	assert.Equal(t, before, d.rows(t), "nothing is written")
}

func (d *day) sync(t *testing.T, all []person) {
	for _, p := range of(all, leavingSoon) {
		d.delete(t, d.dn(p))
	}
	for _, p := range of(all, plain)[:7] {
		d.set(t, d.dn(p), "telephoneNumber", "+49 30 1234")
	}
	for _, p := range of(all, plain)[7:11] {
		d.set(t, d.dn(p), "userAccountControl", "546")
	}
	before := d.rows(t)
	rules := []string{"-keep-on-empty", "email"}

	refused := d.runTo(t, 3, append(rules, "-max-removals", "10", "-dry-run")...)
	assert.Contains(t, refused.stdout, "7 to update, 15 to delete, 0 to create; 0 duplicate, 0 invalid, 4 with a notice;")
	assert.Contains(t, refused.stderr, "the plan removes 15 of 264 managed users, and MaxRemovals allows 10; nothing was changed.")
	require.Equal(t, before, d.rows(t))
	digest := regexp.MustCompile("[0-9a-f]{64}").FindString(refused.stderr)
	done := d.mustRun(t, append(rules, "-max-removals", "10", "-approve", digest, "-json")...)
	var report adsync.Report
	require.NoError(t, json.Unmarshal([]byte(done.stdout), &report))
	assert.Equal(t, 15, report.Counts().Deleted)
	assert.Equal(t, 7, report.Counts().Modified)
	assert.Contains(t, d.mustRun(t, append(rules, "-dry-run")...).stdout, "0 to update, 0 to delete, 0 to create; 0 duplicate, 0 invalid, 4 with a notice;")
	assert.Contains(t, d.mustRun(t, "-explain", fmt.Sprint(of(all, plain)[7].id)).stdout, "kept: disabled in the directory")

	file := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, os.WriteFile(file, []byte(done.stdout), 0o600))
	assert.Contains(t, d.runTo(t, 5, "-undo", file, "-dry-run").stdout, "7 to update, 0 to delete, 15 to create;")
	refused = d.runTo(t, 3, "-undo", file)
	d.mustRun(t, "-undo", file, "-approve", regexp.MustCompile("[0-9a-f]{64}").FindString(refused.stderr))
	assert.Equal(t, withoutIDs(before), withoutIDs(d.rows(t)))
}

func of(all []person, k kind) []person {
	return slices.DeleteFunc(slices.Clone(all), func(p person) bool { return p.kind != k })
}

func (d *day) linked(t *testing.T) []adsync.User {
	t.Helper()
	var linked []adsync.User
	for _, u := range d.rows(t) {
		if !u.ObjectID.IsZero() {
			linked = append(linked, u)
		}
	}
	return linked
}

// withoutIDs are the rows by username: a user that is created again has a new ID.
func withoutIDs(rows map[int]adsync.User) map[string]adsync.User {
	all := map[string]adsync.User{}
	for _, u := range rows {
		u.ID = ""
		all[u.Username] = u
	}
	return all
}
