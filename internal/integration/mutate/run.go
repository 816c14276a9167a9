package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// verdict is what became of a mutant.
type verdict int

const (
	killed  verdict = iota
	lives           // the tests passed
	broken          // it does not compile
	excused         // it is listed as one that does the same
)

// runner tries mutants that are compiled by themselves.
type runner struct {
	packages []string
	only     string
	skip     *regexp.Regexp
	timeout  time.Duration // a mutant may run for ever
}

// measure runs the tests of the original, which must pass, and derives the timeout.
func (r *runner) measure() error {
	r.timeout = 10 * time.Minute
	begun := time.Now()
	passed, out, err := r.test()
	if err != nil {
		return err
	}
	if !passed {
		return fmt.Errorf("the tests fail without a mutant:\n%s", out)
	}
	r.timeout = max(10*time.Second, 5*time.Since(begun))
	return nil
}

// try runs the tests with the mutant in place of the original.
func (r *runner) try(p *mutated, m mutant) (verdict, error) {
	if r.timeout == 0 {
		if err := r.measure(); err != nil {
			return 0, err
		}
	}
	dir, err := os.MkdirTemp("", "adsync-mutate")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	changed, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {p.sources[m.file].path: changed}})
	if err != nil {
		return 0, err
	}
	if err := errors.Join(os.WriteFile(changed, p.apply(m), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return 0, err
	}
	passed, out, err := r.test("-overlay", overlay)
	switch {
	case err != nil:
		return 0, err
	case passed:
		return lives, nil
	case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
		return broken, nil
	}
	return killed, nil
}

func (r *runner) test(flags ...string) (passed bool, out []byte, err error) {
	args := append([]string{"test", "-count=1", "-p", "1", "-ldflags=-s -w", "-failfast", "-vet=off", "-timeout", r.timeout.String(), "-run", r.only}, flags...)
	if r.skip != nil {
		args = append(args, "-skip", r.skip.String())
	}
	out, err = exec.Command("go", append(args, r.packages...)...).CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return false, out, nil
	}
	return err == nil, out, err
}
