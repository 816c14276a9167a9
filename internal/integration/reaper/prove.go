//go:build linux

package reaper

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// variable tells a copy of the test binary that it is the one to be killed.
const variable = "ADSYNC_TEST_TO_KILL"

// Prove kills a copy of the test binary while what start has started runs there, and
// fails unless its directory goes, and each process that works in it. It is called by
// a test at the top.
func Prove(t *testing.T, start func(t *testing.T) (dir string)) {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		dir := start(t)
		if _, err := os.Stdout.WriteString("\n" + started + dir + "\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or whoever is to kill it has died
		os.Exit(1)
	}
	dir := killWhenStarted(t)
	for patience := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Lstat(dir)
		workers := workersIn(dir)
		if os.IsNotExist(err) && len(workers) == 0 {
			return
		}
		if time.Now().After(patience) {
			t.Fatalf("left behind in %s (its state: %v): %q", dir, err, workers)
		}
	}
}

const started = "it has started in "

// killWhenStarted runs the copy, kills it once it has started its server, and returns
// the server's directory. Where the copy skips, so does the test.
func killWhenStarted(t *testing.T) (dir string) {
	t.Helper()
	victim := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	victim.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	victim.Stderr = victim.Stdout
	alive, err := victim.StdinPipe()
	require.NoError(t, err)
	defer alive.Close()
	require.NoError(t, victim.Start())
	defer victim.Process.Kill()
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for dir == "" && lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		dir, _ = strings.CutPrefix(lines.Text(), started)
		if dir == lines.Text() {
			dir = ""
		}
	}
	if dir != "" {
		require.NotEmpty(t, workersIn(dir), "nothing works in %s: there is nothing to prove", dir)
		require.NoError(t, victim.Process.Kill())
	}
	_ = victim.Wait() // it was killed
	if dir == "" && strings.Contains(said.String(), "--- SKIP") {
		t.Skip(said.String())
	}
	require.NotEmpty(t, dir, "it did not start: %s", &said)
	return dir
}

// workersIn are the processes that were started with the directory's name, work in it or
// have a file open there. The kernel still knows their names when they are gone.
func workersIn(dir string) []string {
	var workers []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		command, _ := os.ReadFile(process + "/cmdline") // it may end in the meantime
		words := strings.ReplaceAll(strings.TrimRight(string(command), "\x00"), "\x00", " ")
		standsBy := strings.HasPrefix(words, "sh -c "+script[:10])
		if !standsBy && (strings.Contains(words, dir) || uses(process, dir)) {
			workers = append(workers, filepath.Base(process)+" "+words)
		}
	}
	return workers
}

func uses(process, dir string) bool {
	links, _ := filepath.Glob(process + "/fd/*")
	for _, link := range append(links, process+"/cwd") {
		if file, _ := os.Readlink(link); strings.HasPrefix(file, dir) {
			return true
		}
	}
	return false
}
