package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/activedirectory"
)

func TestFlags(t *testing.T) {
	t.Setenv(directoryPassword, "")
	t.Setenv(postgresDSN, "")
	for args, want := range map[string]string{
		"":                               "",
		"-no-sync -db x.db":              "",
		"-no-sync":                       "name the database",
		"-db x.db":                       "need a directory",
		"-cert c.pem":                    "belong together",
		"-url ldaps://dc":                "name the database",
		"-url ldaps://dc -db x.db":       "needs -bind-user",
		"-no-sync -db x.db -postgres y":  "name the database",
		"-no-sync -db x.db -role Author": "want NAME=GROUP",
	} {
		_, err := parse(strings.Fields(args), io.Discard)
		if want == "" {
			assert.NoError(t, err, args)
		} else {
			assert.ErrorContains(t, err, want, args)
		}
	}
}

func TestFlags_Roles(t *testing.T) {
	s, err := parse([]string{"-no-sync", "-db", "x.db", "-role", "Author=CN=Authors,DC=corp,DC=example", "-role", "Reviewer=Reviewers", "-remove-after", "336h"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []activedirectory.Role{{Name: "Author", Group: "CN=Authors,DC=corp,DC=example"}, {Name: "Reviewer", Group: "Reviewers"}}, s.ad.Roles)
	assert.Equal(t, 14*24*time.Hour, s.removeAfter)
}

// serve runs the program until the test is done with it, and returns its output.
func serve(t *testing.T, args ...string) (site string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out syncBuffer
	ended := make(chan error, 1)
	go func() { ended <- serveAll(ctx, append(args, "-listen", "127.0.0.1:0"), &out, io.Discard) }()
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	require.Eventually(t, func() bool { return address.MatchString(out.String()) }, 5*time.Minute, 10*time.Millisecond)
	return address.FindString(out.String()), func() error {
		cancel()
		return <-ended
	}
}

func TestDemo_LeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	site, stop := serve(t)
	answer, err := http.Get(site)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, "/sign-in", answer.Request.URL.Path)
	require.NoError(t, stop())
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestDatabase_IsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "host.db")
	t.Setenv(adminPassword, "a long enough password")
	for range 2 { // the second time, everything is there
		_, stop := serve(t, "-no-sync", "-db", file, "-admin", "root")
		require.NoError(t, stop())
	}
	assert.FileExists(t, file)
}
