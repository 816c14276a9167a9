package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// The guide's commands, one after the other, print what the guide shows, but for
// what it leaves out as [...] and for what differs each time.
func TestGuide_ShowsWhatIsPrinted(t *testing.T) {
	w := newWorldAfter(t, (*demo).beforeTheFirstDay)
	require.NoError(t, w.controller.RevokeTombstones(account))
	blocks := consoleBlocks(t)
	t.Chdir(t.TempDir()) // where the guide's files go
	g := guide{world: w, known: map[string]string{}}
	for _, block := range blocks {
		for command := range strings.SplitSeq(block, "$ ") {
			line, shown, _ := strings.Cut(command, "\n")
			if line != "" {
				g.follow(t, line, shown)
			}
		}
	}
}

func consoleBlocks(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/FIRST-DAY.md")
	require.NoError(t, err)
	var blocks []string
	for _, part := range strings.Split(string(text), "```console\n")[1:] {
		block, _, found := strings.Cut(part, "```")
		require.True(t, found)
		blocks = append(blocks, block)
	}
	return blocks
}

// guide follows the guide in a world.
type guide struct {
	*world
	known map[string]string // what the guide shows, and what it is in this run
}

func (g *guide) follow(t *testing.T, line, shown string) {
	t.Helper()
	program, rest, _ := strings.Cut(line, " ")
	switch program {
	case "quickstart":
		g.compare(t, line, shown, g.quickstart(t, rest))
	case "sqlite3":
		_, statement, found := strings.Cut(line, `app.db "`)
		require.True(t, found, line)
		g.exec(t, strings.TrimSuffix(statement, `"`))
	case "#":
		g.happen(t, rest)
	case "go": // the demonstration, which has a test of its own
	default:
		t.Errorf("the test does not know how to run: %s", line)
	}
}

// happen is what others do.
func (g *guide) happen(t *testing.T, what string) {
	t.Helper()
	switch what {
	case "An administrator grants it, as above.":
		require.NoError(t, g.controller.GrantTombstones(account))
	case "In the directory, an administrator takes the address off adm-tbakare.":
		require.NoError(t, g.set("adm-tbakare", "mail"))
	case "In the directory, three accounts are deleted.":
		require.NoError(t, g.leave("abyrne", "cokafor", "jgross"))
	default:
		t.Errorf("the test does not know how this happens: %s", what)
	}
}

// quickstart runs the program. "> FILE" takes what it prints as results.
func (g *guide) quickstart(t *testing.T, line string) string {
	t.Helper()
	for shown, real := range g.known {
		line = strings.ReplaceAll(line, shown, real)
	}
	line, file, redirected := strings.Cut(line, " > ")
	var args []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part) // quoted
			continue
		}
		args = append(args, strings.Fields(part)...)
	}
	if redirected {
		got := g.run(t, args...)
		require.NoError(t, os.WriteFile(file, []byte(got.stdout), 0o600))
		return got.stderr
	}
	var both bytes.Buffer
	run(t.Context(), g.args(args), &both, &both)
	return both.String()
}

var (
	guidInText        = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	digest            = regexp.MustCompile(`[0-9a-f]{64}`)
	controllerAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	foundGUID         = regexp.MustCompile(`(?m)^([0-9a-f-]{36})  (\w+),`)
)

func (g *guide) compare(t *testing.T, line, shown, printed string) {
	t.Helper()
	for _, m := range foundGUID.FindAllStringSubmatch(shown, -1) {
		g.known[m[1]] = adsync.ObjectID(g.guids[m[2]]).String()
	}
	if was, is := digest.FindString(shown), digest.FindString(printed); was != "" && is != "" {
		g.known[was] = is
	}
	printed = controllerAddress.ReplaceAllString(printed, "dc1.corp.example:636")
	for _, text := range []*string{&shown, &printed} {
		*text = guidInText.ReplaceAllString(digest.ReplaceAllString(*text, "DIGEST"), "GUID")
	}
	rest := printed
	for part := range strings.SplitSeq(shown, "[...]\n") {
		_, after, found := strings.Cut(rest, part)
		if !assert.True(t, found, "%s\ndoes not print, or not in this order:\n%s\nbut:\n%s", line, part, printed) {
			return
		}
		rest = after
	}
	if !strings.HasSuffix(shown, "[...]\n") {
		assert.Empty(t, rest, line)
	}
}
