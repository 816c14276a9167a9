package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// TestMain is the bench itself where the bench runs a task.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-task" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Each task says itself whether it did what it should, and fails if not.
func TestBench_MeasuresEverything(t *testing.T) {
	for _, name := range []string{"slapd", "slapadd", "ldapsearch"} {
		if _, err := tool(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("skipped:", err)
		}
	}
	t.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0") // else each task ends with a second's sleep
	dir, err := os.MkdirTemp("", "adsync-bench")                 // t.TempDir is closed to the account that runs PostgreSQL
	require.NoError(t, err)
	standby, err := reaper.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(os.RemoveAll(dir), standby.Close())) })
	require.NoError(t, os.Chmod(dir, 0o755))
	b := &round{dir: dir, databases: databases(), runs: 1, sizes: []int{2000}}
	require.NoError(t, b.all(t.Context()))
	require.Len(t, b.table.rows, 5+7*len(b.databases))
	for _, r := range b.table.rows {
		assert.Len(t, r.pairs, 1, r.name)
	}
	var out bytes.Buffer
	b.table.print(&out)
	assert.Equal(t, len(b.table.machine)+1+1+2+len(b.table.rows)+1+1+4*len(b.databases), strings.Count(out.String(), "\n"))
	for _, name := range []string{"PostgreSQL", "MariaDB"} {
		assert.Contains(t, strings.Join(b.table.machine, "\n"), name, "its version, or why it was skipped")
	}
	assert.Contains(t, out.String(), "- 2000 people, SQLite: with 5 roles each, a sync without changes took ")
	assert.Regexp(t, "(?m)^- 2000 people, nothing changed since a mark, SQLite, each further run of a process: -?[0-9]+ ms beyond", out.String())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "slapd's, but no database")
}

func TestBench_DatabasesAreChosenByName(t *testing.T) {
	all, err := named(names(databases()))
	require.NoError(t, err)
	assert.Equal(t, names(databases()), names(all))
	two, err := named("mariadb,SQLite")
	require.NoError(t, err)
	assert.Equal(t, "mariadb,sqlite", names(two))
	for _, list := range []string{"", "sqlite,", "oracle"} {
		_, err = named(list)
		require.ErrorContains(t, err, "choose from sqlite,postgresql,mariadb", list)
	}
}

func TestBench_TellsWhatIsNotInstalled(t *testing.T) {
	absent := database{name: "Absent", needs: []string{"sh", "no-such-server"}}
	t.Setenv("CI", "")
	present, lacking, err := installed([]database{absent, sqlite()})
	require.NoError(t, err)
	assert.Equal(t, "sqlite", names(present))
	assert.Equal(t, []string{"Absent was skipped: no-such-server is not installed; run .ci/install"}, lacking)
	t.Setenv("CI", "true")
	_, _, err = installed([]database{sqlite(), absent})
	require.ErrorContains(t, err, "Absent: no-such-server is not installed")
}

func TestRecorded_HoldsTheFigures(t *testing.T) {
	spent := func(cpu time.Duration, peak int64) *table {
		r := &row{name: "listing", people: 10}
		r.add(usage{cpu: time.Second}, usage{cpu: cpu, peak: peak << 20})
		return &table{rows: []*row{r}}
	}
	file := filepath.Join(t.TempDir(), "recorded.json")
	require.NoError(t, spent(2*time.Second, 40).record(file))
	require.NoError(t, spent(6*time.Second, 60).compare(file), "noise")
	require.ErrorContains(t, spent(7*time.Second, 40).compare(file), "10: listing: 7.00 times ldapsearch's processor time; 2.00 was recorded")
	require.ErrorContains(t, spent(2*time.Second, 61).compare(file), "a peak of 61 MiB; 40 was recorded")
	require.NoError(t, (&table{}).record(file))
	require.NoError(t, spent(6*time.Second, 60).compare(file), "what was not measured keeps its figures")
	other := spent(0, 0)
	other.rows[0].name = "sync"
	require.ErrorContains(t, other.compare(file), "take them with -record")
}
