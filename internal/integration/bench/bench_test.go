package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
func TestEverythingIsMeasured(t *testing.T) {
	for _, name := range []string{"slapd", "slapadd", "ldapsearch", "initdb", "postgres"} {
		if _, err := tool(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("skipped:", err)
		}
	}
	dir, err := os.MkdirTemp("", "adsync-bench") // t.TempDir is closed to the account that runs PostgreSQL
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	b := &round{dir: dir, runs: 1, sizes: []int{2000}}
	require.NoError(t, b.all(t.Context()))
	require.Len(t, b.table.rows, 3+2*4)
	for _, r := range b.table.rows {
		assert.Len(t, r.pairs, 1, r.name)
	}
	var out bytes.Buffer
	b.table.print(&out)
	assert.Equal(t, 1+4+1+2+len(b.table.rows), strings.Count(out.String(), "\n"))
}
