// Command mutate changes a package in one small way at a time and runs its tests, which
// should fail: a mutant that survives shows something that no test checks.
//
//	go run ./internal/integration/mutate -listed mutants.txt ./internal/claims
//
// Nothing is written into the package: the go command reads the changed file by its
// -overlay. Mutants that cannot be killed, because they do the same as the original,
// are listed in a file, each with the reason.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	listed := flag.String("listed", "", "`file` of mutants that do the same as the original, with the reasons")
	tests := flag.String("tests", "", "the `packages` whose tests are run, apart by spaces; those of the mutated package if empty")
	only := flag.String("run", "", "run only the tests that match this `pattern`")
	flag.Parse()
	survived := 0
	for _, pkg := range flag.Args() {
		n, err := mutatePackage(pkg, *tests, *only, *listed)
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

// mutatePackage returns how many mutants survived that are not listed.
func mutatePackage(pkg, tests, only, listed string) (survived int, err error) {
	p, err := load(pkg)
	if err != nil {
		return 0, err
	}
	equivalent, err := readListed(listed, p.path)
	if err != nil {
		return 0, err
	}
	if tests == "" {
		tests = pkg
	}
	r := &runner{packages: strings.Fields(tests), only: only}
	if err := r.measure(); err != nil {
		return 0, err
	}
	count := map[verdict]int{}
	for i, m := range p.mutants {
		if i%50 == 0 {
			fmt.Fprintf(os.Stderr, "%s: %d of %d\n", p.path, i, len(p.mutants))
		}
		if equivalent.take(m) {
			count[excused]++
			continue
		}
		verdict, err := r.try(p, m)
		if err != nil {
			return 0, err
		}
		count[verdict]++
		if verdict == lives {
			fmt.Printf("LIVES %s\n", m)
		}
	}
	for _, line := range equivalent.unused() {
		fmt.Printf("LISTED, BUT NO LONGER THERE: %s\n", line)
	}
	viable := count[killed] + count[lives]
	fmt.Printf("%s: %d of %d mutants killed (%.1f%%), %d do the same as the original, %d do not compile, in %s\n",
		p.path, count[killed], viable, 100*float64(count[killed])/float64(max(viable, 1)), count[excused], count[broken], r.total.Round(time.Second))
	return count[lives] + len(equivalent.unused()), nil
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

func (l *listedMutants) unused() (lines []string) {
	for i, line := range l.lines {
		if !l.used[i] {
			lines = append(lines, line)
		}
	}
	return lines
}
