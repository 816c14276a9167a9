package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestFirstDay(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	got := runWith(t.Context(), "-first-day")
	require.Equal(t, exitDone, got.code, got.stderr)
	assert.Empty(t, got.stderr)
	for _, line := range []string{
		"Deleted accounts cannot be read: no leaver will ever be deleted.",
		"Deleted accounts can be read: whoever leaves is proven to have left.",
		"~ 101  zmueller      link to its directory account (by username and email: CN=Zoë Müller,OU=Berlin,",
		"i 107  bthorsson     not linked: something speaks against it (email differs)",
		"8 to update, 0 to delete, 0 to create; 0 duplicate, 0 invalid, 7 with a notice; 3 unchanged.",
		"bthorsson, Bjarki Þórsson, bjarki.thorsson@corp.example",
		"they stay local: 115, 117, 118.",
		"~ 106  enwosu     link to its directory account (by username: CN=Emeka Nwosu,OU=Berlin,",
		"~ 105  mvonahn  link to its directory account (by username and email: CN=Margarethe von Ahn,OU=Berlin,",
		"aeze, Adaeze Eze, adaeze.eze@corp.example\n1 person was found.",
		"    username    bthorsson, also of 107",
		"2 user(s) details are modified.\n0 user(s) are deleted.\n0 user(s) are duplicated.\n",
		"No change to write. 0 duplicates and 1 notices stand",
		"undo: back to what it was before\n       last_name  Schröder      →  Müller",
	} {
		assert.Contains(t, got.stdout, line)
	}
	assert.Regexp(t, "    last_name   Obi\n[+\n]", got.stdout, "created without an address")
	assert.NotContains(t, got.stdout, "~ 107", "Bjarki never gets the account of Björn")
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left, "the temporary table is removed")
}

func TestFirstDay_AsADryRun(t *testing.T) {
	got := runWith(t.Context(), "-first-day", "-dry-run")
	require.Equal(t, exitDone, got.code, got.stderr)
	assert.Contains(t, got.stdout, "8 to update")
	assert.NotContains(t, got.stdout, "Applied")
}

// The flags do the same with a directory and a table that were named.
func TestFirstDay_StepByStep(t *testing.T) {
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	before := w.rows(t)

	survey := w.run(t, "-first-day")
	require.Equal(t, exitDone, survey.code, survey.stderr)
	assert.Contains(t, survey.stdout, "18 users; 0 of them are linked")
	assert.Contains(t, survey.stdout, "8 to update")
	dry := w.run(t, "-adopt", "-dry-run")
	assert.Equal(t, exitChanges, dry.code, dry.stderr)
	assert.Contains(t, dry.stderr, "Digest of this plan: ")
	require.Equal(t, before, w.rows(t), "nothing was written")

	w.mustRun(t, "-adopt")
	assert.Len(t, w.linked(t), 8)
	require.NoError(t, w.settle(t.Context()))
	w.mustRun(t, "-adopt", "-adopt-by", "username")
	assert.Len(t, w.linked(t), 12)
	assert.Equal(t, adsync.ObjectID(w.guids["enwosu"]), w.rows(t)["106"].ObjectID)
	named := w.mustRun(t, "-adopt", "-only", "103,105")
	assert.NotContains(t, named.stdout, "stay local")
	assert.Len(t, w.linked(t), 14)

	found := w.mustRun(t, "-find", "Eze")
	assert.Contains(t, found.stdout, adsync.ObjectID(w.guids["aeze"]).String()+"  aeze")
	assert.Contains(t, w.mustRun(t, "-find", "nobody at all").stdout, "Nobody was found.")
	var entries []adsync.Entry
	decode(t, w.mustRun(t, "-find", "Okafor", "-json").stdout, &entries)
	assert.Len(t, entries, 2, "namesakes")

	w.mustRun(t, "-import-ids", entries[0].ObjectID.String()+","+adsync.ObjectID(w.guids["aeze"]).String())
	w.mustRun(t, "-import-group", w.groups["App Users"], "-mail-domain", "people.example")
	ou := w.mustRun(t, "-import-ou", w.offices["Reykjavík"])
	assert.Contains(t, ou.stdout, "username    bthorsson, also of 107")
	both := w.mustRun(t, "-import-ou", w.offices["Berlin"], "-import-group", w.groups["App Users"])
	assert.Contains(t, both.stdout, "0 to create", "she was imported with the group")
	mails := map[string]string{}
	for _, u := range w.linked(t) {
		mails[u.Username] = u.Email
	}
	assert.Equal(t, "iobi@people.example", mails["iobi"], "one of a team in the group, and without an address")
	assert.Contains(t, mails, "jkarlsson")

	w.mustRun(t, "-mail-domain", "people.example", "-keep-on-empty", "phone")
	assert.Equal(t, "Schröder", w.rows(t)["101"].LastName)
	assert.Equal(t, exitDone, w.run(t, "-dry-run", "-mail-domain", "people.example").code, "nothing to do")
}

func TestKeepOnEmpty(t *testing.T) {
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	w.mustRun(t, "-adopt", "-adopt-by", "username")
	assert.Contains(t, w.run(t, "-dry-run").stdout, "emeka.nwosu@corp.example  →  (empty)")
	assert.NotContains(t, w.run(t, "-dry-run", "-keep-on-empty", "email").stdout, "(empty)")
}

func TestUndo(t *testing.T) {
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	before := w.rows(t)
	file := filepath.Join(t.TempDir(), "report.json")
	adopted := w.mustRun(t, "-adopt", "-json")
	require.NoError(t, os.WriteFile(file, []byte(adopted.stdout), 0o600))
	require.Len(t, w.linked(t), 8)

	dry := w.run(t, "-undo", file, "-dry-run")
	assert.Equal(t, exitChanges, dry.code, dry.stderr)
	assert.Contains(t, dry.stdout, "undo: back to what it was before")
	assert.Len(t, w.linked(t), 8)
	refused := w.run(t, "-undo", file)
	assert.Equal(t, exitRefused, refused.code, "nothing but a person's review speaks for it")
	assert.Len(t, w.linked(t), 8)
	w.mustRun(t, "-undo", file, "-approve", digest.FindString(refused.stderr))
	assert.Equal(t, before, w.rows(t))

	plan := w.run(t, "-adopt", "-dry-run", "-json")
	require.NoError(t, os.WriteFile(file, []byte(plan.stdout), 0o600))
	for _, no := range []string{file, w.file, filepath.Join(t.TempDir(), "nothing")} {
		assert.Equal(t, exitError, w.run(t, "-undo", no).code, "%s is no report", no)
	}
}

// An import is not undone: its people are present.
func TestUndo_OfAnImport(t *testing.T) {
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	file := filepath.Join(t.TempDir(), "report.json")
	imported := w.mustRun(t, "-import-ids", adsync.ObjectID(w.guids["aeze"]).String(), "-json")
	require.NoError(t, os.WriteFile(file, []byte(imported.stdout), 0o600))
	before := w.rows(t)
	assert.Contains(t, w.mustRun(t, "-undo", file).stdout, "cannot be undone (it was created and is present)")
	assert.Equal(t, before, w.rows(t))
}

func TestAdopt_NobodyByAnIncompleteListing(t *testing.T) {
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	before := w.rows(t)
	got := w.run(t, "-adopt", "-base", "OU=Nowhere,DC=corp,DC=example")
	assert.Equal(t, exitError, got.code)
	assert.Contains(t, got.stderr, "the base does not exist")
	assert.Equal(t, before, w.rows(t))
}

func TestSurvey_TellsWhatCannotBeRead(t *testing.T) {
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	require.NoError(t, w.controller.RevokeTombstones(account))
	got := w.run(t, "-first-day")
	assert.Equal(t, exitError, got.code)
	assert.Contains(t, got.stdout, "no leaver will ever be deleted")
	assert.Contains(t, got.stdout, "8 to update", "the rest is shown all the same")
}

func TestFlags_WrongOnesOfTheFirstDay(t *testing.T) {
	t.Setenv(passwordVariable, "secret")
	there := []string{"-url", "ldaps://dc1.corp.example", "-bind-user", "svc", "-db", "x", "-table", "t", "-columns", "id=id"}
	for name, args := range map[string][]string{
		"no directory to adopt from":  {"-adopt"},
		"no directory to find in":     {"-find", "x"},
		"no directory to undo with":   {"-undo", "x"},
		"no JSON of the story":        {"-first-day", "-json"},
		"two things at once":          append(there, "-adopt", "-import"),
		"some and all":                append(there, "-import", "-import-group", "CN=x"),
		"adopting and taking it back": append(there, "-adopt", "-undo", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(t.Context(), args...)
			assert.Equal(t, exitUsage, got.code)
			assert.NotEmpty(t, got.stderr)
			assert.Empty(t, got.stdout)
		})
	}
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	assert.Contains(t, w.run(t, "-adopt", "-adopt-by", "phone").stderr, "does not identify a person")
	assert.Contains(t, w.run(t, "-import-ids", "x").stderr, "objectGUID")
}

func TestImportGroup_NameIsNoFilter(t *testing.T) {
	assert.Equal(t, `(&(sAMAccountType=805306368)(memberOf:1.2.840.113556.1.4.1941:=CN=a\2a\29\28,DC=x))`, membersOf("CN=a*)(,DC=x"))
}

func (w *world) mustRun(t *testing.T, more ...string) result {
	t.Helper()
	got := w.run(t, more...)
	require.Equal(t, exitDone, got.code, got.stdout+got.stderr)
	return got
}

func (w *world) linked(t *testing.T) []adsync.User {
	t.Helper()
	var linked []adsync.User
	for _, u := range w.rows(t) {
		if !u.ObjectID.IsZero() {
			linked = append(linked, u)
		}
	}
	return linked
}
