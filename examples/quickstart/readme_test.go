package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the README shows is what the program prints, but for what it leaves out as
// [...] and for the port.
func TestReadme_ShowsWhatIsPrinted(t *testing.T) {
	_, rest, found := strings.Cut(readme(t), "$ go run ./examples/quickstart\n")
	require.True(t, found)
	shown, _, found := strings.Cut(rest, "```")
	require.True(t, found)

	got := runWith(t.Context())
	require.Equal(t, exitDone, got.code, got.stderr)
	port := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	printed := port.ReplaceAllString(got.stdout, "127.0.0.1:0")
	for part := range strings.SplitSeq(port.ReplaceAllString(shown, "127.0.0.1:0"), "[...]\n") {
		_, after, found := strings.Cut(printed, part)
		require.True(t, found, "not printed, or not in this order:\n%s", part)
		printed = after
	}
}

func TestReadme_EmbeddingCompiles(t *testing.T) {
	_, rest, found := strings.Cut(readme(t), "```go\n")
	require.True(t, found)
	shown, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	assert.Less(t, strings.Count(shown, "\n"), 30, "a first embedding is short")

	example, err := os.ReadFile("../../example_embedding_test.go")
	require.NoError(t, err)
	assert.Contains(t, string(example), shown)
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	return string(text)
}
