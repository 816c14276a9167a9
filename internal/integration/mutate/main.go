// Command mutate changes a package in one small way at a time and runs its tests, which
// should fail: a mutant that survives shows something that no test checks.
//
//	go run ./internal/integration/mutate -listed mutants.txt ./internal/claims
//
// All mutants are compiled at once, each behind a switch; each is tried by the tests that
// reach it, the fastest first. The few that cannot be switched are compiled by themselves,
// and so are those that survive, for tests that do not pass with the switches in the code.
// Nothing is written into the package: the go command reads the changed files by its
// -overlay. Mutants that cannot be killed, because they do the same as the original,
// are listed in a file, each with the reason.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	listed := flag.String("listed", "", "`file` of mutants that do the same as the original, with the reasons")
	tests := flag.String("tests", "", "the `packages` whose tests are run, apart by spaces; those of the mutated package if empty")
	only := flag.String("run", "", "run only the tests that match this `pattern`")
	skip := flag.String("skip", "", "do not run the tests that match this `pattern`, as of those that measure memory")
	files := flag.String("files", "", "change only the files whose names match this `pattern`")
	again := flag.String("again", "", "try only the mutants that this `file` says lived: what was printed before")
	every := flag.Int("every", 1, "try each `n`th mutant only: a sample of a large package")
	flag.Parse()
	o := options{tests: strings.Fields(*tests), only: *only, listed: *listed, again: *again, every: max(1, *every), files: regexp.MustCompile(*files)}
	if *skip != "" {
		o.skip = regexp.MustCompile(*skip)
	}
	survived := 0
	for _, pkg := range flag.Args() {
		n, err := mutatePackage(pkg, o)
		if err != nil {
			fmt.Fprintln(os.Stderr, "mutate:", err)
			os.Exit(2)
		}
		survived += n
	}
	if survived > 0 {
		os.Exit(1)
	}
}

type options struct {
	tests  []string // the packages; that of the mutants if empty
	only   string
	skip   *regexp.Regexp // may be nil
	files  *regexp.Regexp
	listed string
	again  string
	every  int
}

// mutatePackage returns how many mutants survived that are not listed.
func mutatePackage(pkg string, o options) (survived int, err error) {
	begun := time.Now()
	p, err := load(pkg, o.files)
	if err != nil {
		return 0, err
	}
	tried, err := o.tried(p.mutants)
	if err != nil {
		return 0, err
	}
	equivalent, err := readListed(o.listed, p.path)
	if err != nil {
		return 0, err
	}
	if len(o.tests) == 0 {
		o.tests = []string{pkg}
	}
	b, err := build(p, o.tests, o.only, o.skip)
	if b != nil {
		defer os.RemoveAll(b.dir)
	}
	if err != nil {
		return 0, err
	}
	if len(b.leftOut) > 0 {
		fmt.Fprintf(os.Stderr, "%s: only survivors are tried by %s, since these fail with the switches in the code\n", p.path, strings.Join(b.leftOut, ", "))
	}
	alone := &runner{packages: o.tests, only: o.only, skip: o.skip}
	leftOut := &runner{packages: o.tests, only: "^(" + strings.Join(b.leftOut, "|") + ")$"}
	count := map[verdict]int{}
	for i, m := range tried {
		if i%50 == 0 {
			fmt.Fprintf(os.Stderr, "%s: %d of %d\n", p.path, i, len(tried))
		}
		var verdict verdict
		var err error
		switch {
		case equivalent.take(m):
			verdict = excused
		case !b.holds[m.id]:
			verdict, err = alone.try(p, m)
		default:
			verdict, err = b.try(m)
			if verdict == lives && len(b.leftOut) > 0 {
				verdict, err = leftOut.try(p, m)
			}
		}
		if err != nil {
			return 0, err
		}
		count[verdict]++
		if verdict == lives {
			fmt.Printf("LIVES %s\n", m)
		}
	}
	if o.again != "" || o.every > 1 {
		equivalent.lines = nil // most were not tried
	}
	for _, line := range equivalent.unused(p) {
		fmt.Printf("LISTED, BUT NO LONGER THERE: %s\n", line)
	}
	viable := count[killed] + count[lives]
	fmt.Printf("%s: %d of %d mutants killed (%.1f%%), %d do the same as the original, %d do not compile, in %s\n",
		p.path, count[killed], viable, 100*float64(count[killed])/float64(max(viable, 1)), count[excused], count[broken], time.Since(begun).Round(time.Second))
	return count[lives] + len(equivalent.unused(p)), nil
}

// tried are the mutants to try; all are compiled, as some cannot be switched without their
// neighbours.
func (o options) tried(all []mutant) ([]mutant, error) {
	lived := ""
	if o.again != "" {
		text, err := os.ReadFile(o.again)
		if err != nil {
			return nil, err
		}
		lived = string(text)
	}
	return slices.DeleteFunc(slices.Clone(all), func(m mutant) bool {
		return o.again != "" && !m.livedIn(lived) || o.every > 1 && m.id%o.every != 0
	}), nil
}

// listedMutants are those of one package that do the same as the original.
type listedMutants struct {
	lines []string
	used  []bool
}

// readListed reads the lines that begin with the package's path: the file, the line
// of code, the change and the reason, apart by " | ".
func readListed(file, path string) (*listedMutants, error) {
	l := &listedMutants{}
	if file == "" {
		return l, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, " | ")
		if !strings.HasPrefix(name, path+"/") || strings.Contains(strings.TrimPrefix(name, path+"/"), "/") {
			continue
		}
		if strings.Count(line, " | ") < 3 {
			return nil, fmt.Errorf("%s: this needs a file, a line of code, a change and a reason: %s", file, line)
		}
		l.lines = append(l.lines, line)
	}
	l.used = make([]bool, len(l.lines))
	return l, nil
}

func (l *listedMutants) take(m mutant) bool {
	i := slices.IndexFunc(l.lines, func(line string) bool { return strings.HasPrefix(line, m.key()+" | ") })
	if i >= 0 {
		l.used[i] = true
	}
	return i >= 0
}

// unused are the lines about the files of p that fit no mutant.
func (l *listedMutants) unused(p *mutated) (lines []string) {
	for i, line := range l.lines {
		name, _, _ := strings.Cut(line, " | ")
		if _, mutated := p.sources[name]; !l.used[i] && mutated {
			lines = append(lines, line)
		}
	}
	return lines
}
