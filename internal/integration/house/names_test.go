package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startsASentence finds a word that begins a sentence about something, and names nothing.
var startsASentence = regexp.MustCompile(`^(An?|The|No|Nothing|Nobody|One|Two|Only|Each|Some|Few|Many|Who|Whoever)[A-Z][a-z]`)

// misnamed reports whether the name of a test does not begin with a subject: one to three
// words, with an underscore before anything that is said of it.
func misnamed(test string) bool {
	subject, said, about := strings.Cut(strings.TrimPrefix(test, "Test"), "_")
	words := regexp.MustCompile(`[A-Z]+[a-z0-9]*`).FindAllString(subject, -1)
	return startsASentence.MatchString(subject) || len(words) == 0 || len(words) > 3 || about && said == ""
}

// go test -run Limits finds what is tested of limits.
func TestNames_BeginWithTheirSubject(t *testing.T) {
	for _, name := range []string{"TestSync", "TestLimits_CountAUserOnce", "TestParseGUID", "TestApply_ABadRowFailsAlone", "TestAdopt"} {
		assert.False(t, misnamed(name), name)
	}
	for _, name := range []string{"TestABadRowFailsAlone", "TestTheStory", "TestApplyLeavesTheRestAlone", "TestNothingIsLost", "TestAll_", "Test_All"} {
		assert.True(t, misnamed(name), name)
	}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(\w+ \*testing\.T\)`)
	for _, path := range projectFiles(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		for _, match := range declared.FindAllStringSubmatch(string(text), -1) {
			assert.False(t, misnamed(match[1]), "%s: %s does not begin with its subject, as TestLimits_CountAUserOnce does", path, match[1])
		}
	}
}
