//go:build linux

package reaper

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server that is a shell script, which says when it is there.
func serve(t *testing.T, script string) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "adsync-reaper")
	require.NoError(t, err)
	r, err := New(dir)
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.Start(cmd))
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	return dir
}

func TestReaper_EndsWhatAKilledTestLeaves(t *testing.T) {
	Prove(t, func(t *testing.T) string { return serve(t, "echo; exec sleep 1000") })
}

func TestReaper_EndsWhatIgnoresASignal(t *testing.T) {
	Prove(t, func(t *testing.T) string { return serve(t, "trap '' TERM; echo; while :; do sleep 1; done") })
}

func TestReaper_EndsTheChildrenOfAServer(t *testing.T) {
	Prove(t, func(t *testing.T) string { return serve(t, "sleep 1000 & echo; wait") })
}

func TestReaper_EndsACommandThatTheTestAwaited(t *testing.T) {
	Prove(t, func(t *testing.T) string {
		dir, err := os.MkdirTemp("", "adsync-reaper")
		require.NoError(t, err)
		r, err := New(dir)
		require.NoError(t, err)
		cmd := exec.Command("sh", "-c", "echo > here; exec sleep 1000")
		cmd.Dir = dir
		go r.CombinedOutput(cmd)
		for {
			if _, err := os.Stat(filepath.Join(dir, "here")); err == nil {
				return dir
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func TestReaper_LeavesAloneWhatHasEnded(t *testing.T) {
	dir := t.TempDir()
	r, err := New(dir)
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", "echo out; echo err >&2")
	out, err := r.CombinedOutput(cmd)
	require.NoError(t, err)
	assert.Equal(t, "out\nerr\n", string(out))
	assert.Empty(t, r.groups, "its number may be another's by now")
	require.NoError(t, r.Close())
	assert.DirExists(t, dir)
}
