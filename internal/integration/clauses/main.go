// Command clauses takes one clause at a time out of what makes a plan by mark as good as a
// full one, and runs the test that is there for it, which must fail.
//
//	go run ./internal/integration/clauses
//	go run ./internal/integration/clauses -only 'tombstone' -histories 20000
//
// Nothing is written into the packages: the go command reads the changed files by its
// -overlay.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "try only the clauses whose words match this `pattern`")
	first := flag.Int("first", 1, "begin with clause number `n` of the table")
	histories := flag.Int("histories", 0, "let `n` random histories find what is missing, rather than the clause's own test")
	flag.Parse()
	begun := time.Now()
	wanted := regexp.MustCompile(*only)
	tried, alive := 0, 0
	for i, c := range clauses {
		if i+1 < *first || !wanted.MatchString(c.why) {
			continue
		}
		if *histories > 0 {
			c.pkg, c.test = "./activedirectory", "TestSince_EqualsAFullPlanInAnyHistory"
		}
		tried++
		begun := time.Now()
		killed, err := c.try(*histories)
		switch {
		case err != nil:
			alive++
			fmt.Printf("%d NOT TRIED %s: %v\n", i+1, c.why, err)
		case !killed:
			alive++
			fmt.Printf("%d NOT MISSED %s: %s\n", i+1, c.why, c.test)
		default:
			fmt.Printf("%d missed by %s: %s (%s)\n", i+1, c.test, c.why, time.Since(begun).Round(time.Second))
		}
	}
	fmt.Printf("%d of %d clauses are missed by a test when they are taken out, in %s\n", tried-alive, tried, time.Since(begun).Round(time.Second))
	if alive > 0 {
		os.Exit(1)
	}
}

// clause is one of the things that a plan by mark depends on.
type clause struct {
	why   string // what would go wrong without it
	file  string
	edits []edit
	pkg   string
	test  string
}

// edit takes out a piece of code, which is there once.
type edit struct{ old, new string }

// root is the module of the library, from which all paths are told.
func root() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-adsync/adsync").Output()
	return strings.TrimSpace(string(out)), err
}

// without is the file when the clause is taken out.
func (c *clause) without(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, c.file))
	if err != nil {
		return nil, err
	}
	for _, e := range c.edits {
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return nil, fmt.Errorf("%s: this is there %d times, and not once: %s", c.file, n, e.old)
		}
		text = bytes.Replace(text, []byte(e.old), []byte(e.new), 1)
	}
	return text, nil
}

// try reports whether a test fails without the clause.
func (c *clause) try(histories int) (killed bool, err error) {
	dir, err := root()
	if err != nil {
		return false, err
	}
	changed, err := c.without(dir)
	if err != nil {
		return false, err
	}
	tmp, err := os.MkdirTemp("", "adsync-clauses")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	file, overlay := filepath.Join(tmp, "changed.go"), filepath.Join(tmp, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(dir, c.file): file}})
	if err != nil {
		return false, err
	}
	if err := errors.Join(os.WriteFile(file, changed, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return false, err
	}
	cmd := exec.Command("go", "test", "-count=1", "-vet=off", "-failfast", "-ldflags=-s -w", "-timeout", "20m", "-overlay", overlay, "-run", pattern(c.test), "-v", c.pkg)
	if histories > 0 {
		cmd.Args = append(cmd.Args, "-args", "-histories", strconv.Itoa(histories))
	}
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	switch {
	case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
		return false, fmt.Errorf("%s does not compile without it:\n%s", c.file, out)
	case errors.As(err, &failed):
		return true, nil
	case err == nil && !bytes.Contains(out, []byte("--- PASS: ")):
		return false, fmt.Errorf("there is no test %s", c.test)
	}
	return false, err
}

// pattern is that of -run for exactly this test.
func pattern(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(strings.ReplaceAll(part, " ", "_")) + "$"
	}
	return strings.Join(parts, "/")
}
