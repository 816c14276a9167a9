package house

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever is woken by an error looks for it in docs/OPERATIONS.md.
func TestOperations_NameEveryError(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "OPERATIONS.md"))
	require.NoError(t, err)
	records, err := filepath.Glob(filepath.Join(root, "docs", "api", "*.txt"))
	require.NoError(t, err)
	seen := 0
	for _, record := range records {
		text, err := os.ReadFile(record)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`(?m)^(?:var )?\s*(Err[A-Z]\w*)\b`).FindAllStringSubmatch(string(text), -1) {
			seen++
			assert.Regexp(t, "\n\\| `(?:\\w+\\.)?"+name[1]+"` \\|", string(page), "an error without a row")
		}
	}
	assert.Greater(t, seen, 8, "errors were found at all")
}

// The index of the documents leads to each of them.
func TestDocs_AreAllInTheIndex(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs", "README.md"))
	require.NoError(t, err)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" {
			assert.Contains(t, string(index), "("+name+")")
		}
	}
	programs, err := filepath.Glob(filepath.Join(root, "examples", "*", "*.go"))
	require.NoError(t, err)
	for _, program := range programs {
		assert.Contains(t, string(index), filepath.Base(filepath.Dir(program)))
	}
}
