package house

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// matchIn is what the pattern's only group matches in a file of the project.
func matchIn(t *testing.T, path, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	match := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
	require.Len(t, match, 2, "%s has no line like %s", path, pattern)
	return match[1]
}

// All modules name the same releases: the older one as the language that hosts need,
// the newer one as what checks the project.
func TestGoReleases_Agree(t *testing.T) {
	language := matchIn(t, "go.work", `(?m)^go (1\.\d+)\.0$`)
	toolchain := matchIn(t, "go.work", `(?m)^toolchain (go1\.\d+\.\d+)$`)
	for _, path := range []string{"go.mod", "examples/go.mod", "internal/integration/go.mod", "sqlstore/internal/onsqlite/go.mod", ".ci/tools/go.mod"} {
		assert.Equal(t, language, matchIn(t, path, `(?m)^go (1\.\d+)\.0$`), path)
		assert.Equal(t, toolchain, matchIn(t, path, `(?m)^toolchain (go1\.\d+\.\d+)$`), path)
	}
	var older, newer int
	_, err := fmt.Sscanf(toolchain, "go1.%d.", &newer)
	require.NoError(t, err)
	_, err = fmt.Sscanf(matchIn(t, "Makefile", `(?m)^OLDER_GO \?= (go1\.\d+\.\d+)$`), "go1.%d.", &older)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("1.%d", older), language)
	assert.Equal(t, newer-1, older, "the two releases that Go itself supports")
}

// The search for vulnerabilities must not pass because it saw nothing.
func TestVulnerabilitySearch_NeedsItsData(t *testing.T) {
	finds := "echo GO-2021-0113; exit 3"
	today := time.Now().UTC()
	old := today.AddDate(-1, 0, 0)
	for _, c := range []struct {
		name        string
		published   time.Time // zero: the proxy does not answer
		govulncheck string
		inCI        string // what CI is told, which fails
		elsewhere   string // what others are told; empty: it fails there, too
	}{
		{"no answer", time.Time{}, finds, "nothing is proven", "skipped"},
		{"data of last year", old, finds, "the newest data that the Go module proxy serves is of " + old.Format("20060102"), "skipped"},
		{"data that finds nothing", today, "echo No vulnerabilities found.", "the database is not read", ""},
		{"findings of something else", today, "echo GO-2021-9999; exit 3", "the database is not read", ""},
		{"a vulnerability in the project", today, finds, "GO-2021-0113", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := searchVulnerabilities(t, c.published, c.govulncheck, "CI=true")
			assert.Error(t, err)
			assert.Contains(t, out, c.inCI)

			out, err = searchVulnerabilities(t, c.published, c.govulncheck, "CI=")
			if c.elsewhere == "" {
				assert.Error(t, err)
				return
			}
			assert.NoError(t, err)
			assert.Contains(t, out, c.elsewhere)
		})
	}
}

// searchVulnerabilities runs the script with a go command that has downloaded data of
// the given day, and with another govulncheck.
func searchVulnerabilities(t *testing.T, published time.Time, govulncheck string, env ...string) (string, error) {
	t.Helper()
	bin, data := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(data, "data/osv"), 0o700))
	download := "exit 1"
	if !published.IsZero() {
		answer, err := json.MarshalIndent(map[string]string{
			"Version": "v0.0.0-" + published.Format("20060102150405") + "-0123456789ab",
			"Dir":     data,
		}, "", "\t")
		require.NoError(t, err)
		download = fmt.Sprintf("echo '%s'", answer)
	}
	for name, script := range map[string]string{"go": download, "govulncheck": govulncheck} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	}
	cmd := exec.Command("bash", ".ci/vuln")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), append(env, "PATH="+bin+":"+os.Getenv("PATH"), "GOVULNCHECK="+filepath.Join(bin, "govulncheck"))...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
