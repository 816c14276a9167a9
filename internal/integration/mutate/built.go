package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// built are the tests with all mutants that can be switched on in them, and which of
// these each test reaches.
type built struct {
	dir     string // of what is built
	holds   map[int]bool
	tests   []test
	leftOut []string // fail with the switches in the code, as those may that count allocations
}

// test is one of the tests, or examples, of one of the packages.
type test struct {
	name   string
	binary string
	folder string        // in which it runs
	skip   string        // what is not run, of its subtests
	takes  time.Duration // on the processors
	reach  map[int]bool
}

// build compiles the tests of the packages, and finds what each test reaches.
func build(p *mutated, packages []string, only string, skip *regexp.Regexp) (*built, error) {
	dir, err := os.MkdirTemp("", "adsync-mutate")
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir}
	overlay, err := b.write(p)
	if err != nil {
		return b, err
	}
	for i, pkg := range packages {
		folder, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
		if err != nil {
			return b, fmt.Errorf("go list %s: %w", pkg, err)
		}
		binary := filepath.Join(dir, strconv.Itoa(i)+".test")
		if out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary, "-overlay", overlay, pkg).CombinedOutput(); err != nil {
			return b, fmt.Errorf("the tests of %s do not compile: %w\n%s", pkg, err, out)
		}
		if err := b.measure(binary, strings.TrimSpace(string(folder)), only, skip); err != nil {
			return b, err
		}
	}
	slices.SortFunc(b.tests, func(x, y test) int { return cmp.Compare(x.takes, y.takes) })
	return b, nil
}

// write puts the files with all mutants into dir, leaving out those that do not compile,
// and returns the path of the overlay.
func (b *built) write(p *mutated) (overlay string, err error) {
	without := map[int]bool{}
	for range 20 {
		b.holds = map[int]bool{}
		replace := map[string]string{filepath.Join(p.dir, "mutant_switch.go"): filepath.Join(b.dir, "mutant_switch.go")}
		lines := map[string][]string{}
		files := map[string]string{"mutant_switch.go": switchFile(p.name)}
		for name, s := range p.sources {
			base := filepath.Base(name)
			files[base] = switchedFile(s, p.of(name), without)
			lines[base] = strings.Split(files[base], "\n")
			replace[s.path] = filepath.Join(b.dir, base)
			for id := range numbers(files[base]) {
				b.holds[id] = true
			}
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
				return "", err
			}
		}
		text, err := json.Marshal(map[string]any{"Replace": replace})
		if err != nil {
			return "", err
		}
		overlay = filepath.Join(b.dir, "overlay.json")
		if err := os.WriteFile(overlay, text, 0o600); err != nil {
			return "", err
		}
		cmd := exec.Command("go", "build", "-gcflags=-e", "-overlay", overlay, ".")
		cmd.Dir = p.dir
		out, err := cmd.CombinedOutput()
		if err == nil {
			return overlay, nil
		}
		found := len(without)
		for _, place := range placeRE.FindAllStringSubmatch(string(out), -1) {
			line, _ := strconv.Atoi(place[2])
			if code := lines[filepath.Base(place[1])]; line <= len(code) {
				leaveOut(without, code[line-1])
			}
		}
		if len(without) == found {
			return "", fmt.Errorf("the mutants of %s do not compile together:\n%s", p.path, out)
		}
	}
	return "", fmt.Errorf("the mutants of %s do not compile together", p.path)
}

// leaveOut adds the mutants of a line that does not compile: those that calculate, as with
// texts nobody can, and all of them if there is none.
func leaveOut(without map[int]bool, code string) {
	calculating := map[int]bool{}
	for _, found := range calculatesRE.FindAllStringSubmatch(code, -1) {
		id, _ := strconv.Atoi(found[1])
		calculating[id] = true
	}
	if len(calculating) == 0 {
		calculating = numbers(code)
	}
	maps.Copy(without, calculating)
}

func numbers(code string) map[int]bool {
	all := map[int]bool{}
	for _, found := range numberRE.FindAllStringSubmatch(code, -1) {
		id, _ := strconv.Atoi(found[1])
		all[id] = true
	}
	return all
}

// measure runs each test of a binary by itself, with no mutant on.
func (b *built) measure(binary, folder, only string, skip *regexp.Regexp) error {
	cmd := exec.Command(binary, "-test.list", cmp.Or(only, "."))
	cmd.Dir = folder
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the tests of %s: %w", folder, err)
	}
	reached := filepath.Join(b.dir, "reached")
	for _, name := range strings.Fields(string(out)) {
		if strings.HasPrefix(name, "Benchmark") || skip != nil && skip.MatchString(name) {
			continue
		}
		t := test{name: name, binary: binary, folder: folder, reach: map[int]bool{}}
		if skip != nil {
			t.skip = skip.String()
		}
		r, err := t.run([]string{name}, 10*time.Minute, "ADSYNC_MUTANT=-1", "ADSYNC_MUTANTS_REACHED="+reached)
		if err != nil {
			return err
		}
		if !r.passed {
			b.leftOut = append(b.leftOut, name)
			if err := os.RemoveAll(reached); err != nil {
				return err
			}
			continue
		}
		t.takes = r.took
		text, err := os.ReadFile(reached)
		if errors.Is(err, os.ErrNotExist) {
			continue // nothing of the package is reached
		} else if err != nil {
			return err
		}
		for _, number := range strings.Fields(string(text)) {
			id, _ := strconv.Atoi(number)
			t.reach[id] = true
		}
		b.tests = append(b.tests, t)
		if err := os.Remove(reached); err != nil {
			return err
		}
	}
	return nil
}

// try runs the tests that reach a mutant, the fastest first, until one fails.
func (b *built) try(m mutant) (verdict, error) {
	var todo []test
	for _, t := range b.tests {
		if t.reach[m.id] {
			todo = append(todo, t)
		}
	}
	for budget := time.Second / 10; len(todo) > 0; budget *= 2 {
		n, takes := 0, time.Duration(0)
		var names []string
		for n < len(todo) && todo[n].binary == todo[0].binary && (n == 0 || takes+todo[n].takes < budget) {
			takes += todo[n].takes
			names = append(names, todo[n].name)
			n++
		}
		r, err := todo[0].run(names, time.Second+4*takes, "ADSYNC_MUTANT="+strconv.Itoa(m.id))
		if err != nil {
			return 0, err
		}
		if !r.passed {
			return killed, nil
		}
		todo = todo[n:]
	}
	return lives, nil
}

type run struct {
	passed bool
	took   time.Duration // on the processors
	text   []byte
}

// run runs the named tests of t's binary. A mutant may have no end, or want all the memory
// there is, so it has a time on the processors, which does not depend on what else the
// machine does, ten times that long if it only waits, less if it does so without a pause,
// and 8 GB.
func (t test) run(names []string, limit time.Duration, env ...string) (run, error) {
	seconds := int(limit/time.Second) + 1
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -v 8000000; ulimit -t %d; exec "$@"`, seconds), "sh", t.binary,
		"-test.run", "^("+strings.Join(names, "|")+")$", "-test.skip", t.skip, "-test.failfast", "-test.timeout", (10 * limit).String())
	cmd.Dir = t.folder
	cmd.Env = append(os.Environ(), env...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Start()
	if err == nil {
		ended := make(chan struct{})
		go killIdle(cmd.Process, ended)
		err = cmd.Wait()
		close(ended)
	}
	r := run{passed: err == nil, text: text.Bytes()}
	const notStarted = 126 // from there on, sh says that it could not run the binary
	if failed := new(exec.ExitError); err != nil && (!errors.As(err, &failed) || failed.ExitCode() == notStarted || failed.ExitCode() == notStarted+1) {
		return r, fmt.Errorf("%s could not be run: %w\n%s", t.binary, err, text.Bytes())
	}
	r.took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, nil
}

// killIdle kills a process that does nothing at all for twenty seconds: no test waits for so
// long, and a deadlock does for ever. Where there is no /proc, it has its time to wait.
func killIdle(p *os.Process, ended <-chan struct{}) {
	last, idle := "", 0
	for idle < 20 {
		select {
		case <-ended:
			return
		case <-time.After(time.Second):
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
		if err != nil {
			return
		}
		const utime, stime = 11, 12 // after the name, which is in brackets: see proc_pid_stat(5)
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if now := fields[utime] + " " + fields[stime]; now != last {
			last, idle = now, 0
		} else {
			idle++
		}
	}
	_ = p.Kill()
}
