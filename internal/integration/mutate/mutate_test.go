package main

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func texts(mutants []mutant) (all []string) {
	for _, m := range mutants {
		all = append(all, m.what)
	}
	return all
}

func sourceOf(t *testing.T, text string) source {
	fset, file, err := parse("p/a.go", []byte(text))
	require.NoError(t, err)
	return source{text: []byte(text), fset: fset, file: file}
}

func TestMutantsOf(t *testing.T) {
	for code, want := range map[string][]string{
		"if a < b { f() }":      {"the condition is always true", "the condition is never true", "< to <=", "< to >=", "the call is left out"},
		"a = b + c - d":         {"the assignment is left out", "- to +", "+ to -"},
		"a = b == c == d":       {"the assignment is left out", "== to !=", "== to != (2)"},
		"a := !b":               {"! to "},
		"for { a++; continue }": {"++ to --", "continue to break"},
		"return true":           {"true to false"},
		`a := b + c + "d" + e`:  nil,
		`a := "b" + f(b + c)`:   {"+ to -"},
		"const a = 1 + 1":       nil,
	} {
		found := mutantsOf("p/a.go", sourceOf(t, "package p\nfunc f() {\n"+code+"\n}\n"))
		assert.Equal(t, want, texts(found), code)
		for _, m := range found {
			assert.Equal(t, code, m.code)
			assert.Equal(t, 3, m.line)
		}
	}
}

// A package of a module of its own, half of which is tested.
func TestMutatePackage(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.test/half\n\ngo 1.26.0\n",
		"half/half.go": `package half

func Tested(a int) bool { return a < 3 }

func Untested(a int) bool { return a > 3 }

func Alone(a int) bool { return a == 3 }

func Endless(n int) {
	for n > 0 {
		n--
	}
}
`,
		"half/half_test.go": `package half

import (
	"os"
	"testing"
)

// Like one that counts allocations.
func TestAlone(t *testing.T) {
	if os.Getenv("ADSYNC_MUTANT") != "" || !Alone(3) {
		t.Fatal()
	}
}

func TestHalf(t *testing.T) {
	if !Tested(2) || Tested(3) || Tested(4) {
		t.Fatal()
	}
	Endless(3)
}
`,
		"listed.txt": "half/half.go | func Untested(a int) bool { return a > 3 } | > to >= | a reason\n" +
			"half/half.go | for n > 0 { | > to >= | another\n" +
			"half/half.go | gone() | the call is left out | it was here once\n" +
			"half/deeper/deeper.go | if a { | the condition is always true | of another package\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	t.Chdir(dir)
	t.Setenv("GOWORK", "off")
	p, err := load("./half", regexp.MustCompile(""))
	require.NoError(t, err)
	require.Equal(t, []string{"< to <=", "< to >=", "> to >=", "> to <=", "== to !=", "> to >=", "> to <=", "-- to ++"}, texts(p.mutants))

	survived, err := mutatePackage("./half", options{listed: "listed.txt", files: regexp.MustCompile("")})
	require.NoError(t, err)
	assert.Equal(t, 1+1+1, survived, "one of Untested, one that ends a loop at once, and a line of the list that fits nothing")

	output := filepath.Join(dir, "output.txt")
	require.NoError(t, os.WriteFile(output, []byte("LIVES "+p.mutants[2].String()+"\nhalf: 6 of 7 mutants killed\n"), 0o600))
	survived, err = mutatePackage("./half", options{again: output, files: regexp.MustCompile("")})
	require.NoError(t, err)
	assert.Equal(t, 1, survived, "that one")

	r := runner{packages: []string{"./half"}}
	require.NoError(t, r.measure())
	last := p.mutants[len(p.mutants)-1]
	r.timeout = 2e9
	got, err := r.try(p, last)
	require.NoError(t, err)
	assert.Equal(t, killed, got, "a loop without an end")
	last.by = "-"
	got, err = r.try(p, last)
	require.NoError(t, err)
	assert.Equal(t, broken, got)
}

// Each change is the same whether it is compiled by itself or switched on.
func TestSwitchedFile_HoldsEachChange(t *testing.T) {
	const code = `package p

func f(a, b int, c, d bool, list []int) (n int) {
	if a < b && !c {
		n += a + b
	}
	for i := 0; i < a; i++ {
		if d == true ||
			list[i] >= b {
			continue
		}
		n++
		note(func() int {
			return n << 1
		}())
	}
	n, _ = f(func() bool {
		return c
	}), 0
	n, d = f(func() bool {
		return c
	}), n > 2
	if n, d = g(a); d {
		n++
	}
	if n *= 2; d {
		n--
	}
	_, d = g(a)
	list = nil
	for {
		switch {
		case n%3 != 0:
			n--
			continue
		}
		panic("over")
	}
}
`
	s := sourceOf(t, code)
	all := mutantsOf("p/a.go", s)
	for i := range all {
		all[i].id = i + 1
	}
	text := switchedFile(s, all, nil)
	_, _, err := parse("p/a.go", []byte(text))
	require.NoError(t, err, text)
	var by []string
	for _, m := range all {
		if !numbers(text)[m.id] {
			by = append(by, m.code+" | "+m.what)
		}
	}
	assert.Equal(t, []string{
		"n, _ = f(func() bool { | the assignment is left out",
		"continue | continue to break (2)",
		`panic("over") | the call is left out`,
	}, by, "these are compiled by themselves")
	assert.Equal(t, strings.Count(code, "\n")-1, strings.Count(text, "\n"), "what does not compile is found by its line; the condition of two has become one")
	assert.Contains(t, text, "mutantAdd(")
	assert.Contains(t, text, "n, d = mutantKeep(")
	assert.Contains(t, text, "n, d = mutantKeep2(")
	assert.Contains(t, text, "n += mutantAdd(", "as it is, where one line does")
	assert.Contains(t, text, "{ _, _ = g(a) } else { _, d = g(a) }")
	assert.Contains(t, text, "{  } else { list = nil }")
	assert.NotContains(t, switchedFile(s, all, map[int]bool{1: true}), "mutantIs(1)")
}

// Where texts are joined, the mutants of the line that do not calculate stay.
func TestLeaveOut_BeginsWithWhatCalculates(t *testing.T) {
	without := map[int]bool{}
	const code = "if mutantIs(1) || mutantAdd(2, a, b) != mutantKeep(3, c, d) {"
	leaveOut(without, code)
	assert.Equal(t, map[int]bool{2: true}, without)
	leaveOut(without, "if mutantIs(1) || a + b != mutantKeep(3, c, d) {")
	assert.Equal(t, map[int]bool{1: true, 2: true, 3: true}, without)
}

// A mutant that waits for what never comes is not waited for.
func TestKillIdle_EndsADeadlock(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	cmd := exec.Command("sleep", "3600")
	require.NoError(t, cmd.Start())
	killIdle(cmd.Process, nil)
	assert.Error(t, cmd.Wait())
}

// What is left out of the code has no second word, and a space before it that no editor keeps.
func TestMutant_LivedInAnEarlierRun(t *testing.T) {
	m := mutant{file: "./a.go", line: 3, code: "if !ok {", what: "! to "}
	for output, want := range map[string]bool{
		"LIVES " + m.String() + "\n":                    true,
		"LIVES ./a.go:9 | if !ok { | ! to\n":            true,
		"LIVES ./a.go:3 | if !ok { | ! to (2)\n":        false,
		"LIVES ./b.go:3 | if !ok { | ! to\n":            false,
		"./a.go:3 | if !ok { | ! to, and it was killed": false,
	} {
		if m.livedIn(output) != want {
			t.Errorf("%q: want %v", output, want)
		}
	}
}

// Each line of the list fits a mutant of the code as it is.
func TestListed_FitsTheCode(t *testing.T) {
	text, err := os.ReadFile("equivalent.txt")
	require.NoError(t, err)
	packages := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, _, found := strings.Cut(line, " | "); found && !strings.HasPrefix(line, "#") {
			packages[path.Dir(name)] = true
		}
	}
	require.NotEmpty(t, packages)
	for name := range packages {
		p, err := load("../../../"+name, regexp.MustCompile(""))
		require.NoError(t, err)
		listed, err := readListed("equivalent.txt", p.path)
		require.NoError(t, err)
		for _, m := range p.mutants {
			listed.take(m)
		}
		assert.Empty(t, listed.unused(p), name)
		for _, line := range listed.lines {
			file, _, _ := strings.Cut(line, " | ")
			assert.Contains(t, p.sources, file)
		}
	}
}
