package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// ADSYNC_GITEA names a Gitea to try, which is built in minutes and is not in CI.
func TestGitea_IsMeasuredAlongWithSQLite(t *testing.T) {
	program := os.Getenv("ADSYNC_GITEA")
	if program == "" {
		t.Skip("skipped: ADSYNC_GITEA names no Gitea")
	}
	dir := t.TempDir()
	b := &round{dir: dir, databases: []database{sqlite()}, runs: 2, only: "changed", sizes: []int{2000}, gitea: program}
	require.NoError(t, b.all(t.Context()))
	require.Len(t, b.table.rows, 3+2+2, "and no import, which is not wanted")
	for _, r := range b.table.rows {
		assert.Len(t, r.pairs, 2, r.name)
	}
	require.Len(t, b.table.besideGitea(), 4)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "slapd's, but no Gitea")
}

func TestGitea_IsComparedWithTheSameTask(t *testing.T) {
	took := func(name string, people int, times time.Duration) *row {
		r := &row{name: name, people: people}
		r.add(usage{wall: time.Second, cpu: time.Second}, usage{wall: times * 2 * time.Second, cpu: times * times * time.Second, peak: 100 << 20 / int64(times)})
		r.turn()
		return r
	}
	measured := table{rows: []*row{
		took("listing", 10, 1), took("nothing changed, SQLite", 10, 1), took("nothing changed, SQLite", 20, 5),
		took("first import, SQLite", 10, 5), took("nothing changed, PostgreSQL", 10, 5),
		took("nothing changed, Gitea with WAL", 10, 2), took("nothing changed, Gitea", 10, 4), took("first import, Gitea", 20, 3),
	}}
	assert.Equal(t, []string{
		"- 10 people, nothing changed: Gitea took 4.0 times as long as adsync with SQLite, 16.0 times the processor time and 0.2 times the memory",
		"- 10 people, nothing changed: Gitea with WAL took 2.0 times as long as adsync with SQLite, 4.0 times the processor time and 0.5 times the memory",
	}, measured.besideGitea())
}

func TestProcess_TellsWhatItTook(t *testing.T) {
	// Its name, in parentheses, must not shift what comes behind it.
	dir := t.TempDir()
	name := filepath.Join(dir, "a ) b 7 7 7")
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(shell, name))
	cmd := exec.Command(name, "-c", "while :; do :; done")
	begun := time.Now()
	standby, err := reaper.New(dir)
	require.NoError(t, err)
	require.NoError(t, standby.Start(cmd))
	p := &process{cmd, standby}
	defer p.stop()
	var spent time.Duration
	for spent == 0 && time.Since(begun) < time.Minute {
		spent, err = p.spent()
		require.NoError(t, err)
	}
	assert.Positive(t, spent)
	assert.LessOrEqual(t, spent, time.Since(begun)+20*time.Millisecond, "one thread cannot take more")
	peak, err := p.peak()
	require.NoError(t, err)
	assert.Greater(t, peak, int64(100<<10), "in bytes")
	assert.Less(t, peak, int64(100<<20), "in bytes")
}
