package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// switchedFile is a file that holds its mutants all at once, so that one build tries them
// all: each is off until mutantIs, a function of the same package, says its number.
//
// Left out are the numbers in without, whose code did not compile, and the few changes
// that cannot be written so.
func switchedFile(s source, mutants []mutant, without map[int]bool) string {
	w := switcher{text: string(s.text), fset: s.fset, changes: map[ast.Node][]mutant{}, statements: map[ast.Node]bool{}}
	for _, m := range mutants {
		if !without[m.id] {
			w.changes[m.node] = append(w.changes[m.node], m)
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			w.note(n.List)
		case *ast.CaseClause:
			w.note(n.Body)
		case *ast.CommClause:
			w.note(n.Body)
		case *ast.ForStmt:
			if n.Cond == nil { // with a break in it, the function would need a return
				ast.Inspect(n.Body, func(n ast.Node) bool {
					if branch, ok := n.(*ast.BranchStmt); ok {
						delete(w.changes, branch)
					}
					return true
				})
			}
		}
		return true
	})
	return w.text[:w.at(s.file.Pos())] + w.inside(s.file) + w.text[w.at(s.file.End()):]
}

// switcher writes code anew with the changes in it.
type switcher struct {
	text       string
	fset       *token.FileSet
	changes    map[ast.Node][]mutant
	statements map[ast.Node]bool // those of a block, which may become an if
}

func (w *switcher) note(list []ast.Stmt) {
	for _, s := range list {
		w.statements[s] = true
	}
}

func (w *switcher) at(p token.Pos) int { return w.fset.Position(p).Offset }

// inside is the code of n with the changes of everything in it, but not its own.
func (w *switcher) inside(n ast.Node) string {
	var b strings.Builder
	from := w.at(n.Pos())
	ast.Inspect(n, func(child ast.Node) bool {
		if child == nil || child == n || len(w.changes[child]) == 0 {
			return true
		}
		b.WriteString(w.text[from:w.at(child.Pos())])
		b.WriteString(w.with(child))
		from = w.at(child.End())
		return false
	})
	return b.String() + w.text[from:w.at(n.End())]
}

// with is the code of n with the changes of everything in it, and its own.
func (w *switcher) with(n ast.Node) string {
	ms := w.changes[n]
	if len(ms) == 0 {
		return w.inside(n)
	}
	var own, conditions []mutant
	for _, m := range ms {
		if m.condition {
			conditions = append(conditions, m)
		} else {
			own = append(own, m)
		}
	}
	code := w.inside(n)
	if len(own) > 0 {
		if changed, ok := w.change(n, own); ok {
			code = changed
		}
	}
	if len(conditions) == 2 {
		code = fmt.Sprintf("(%s || !%s && (%s))", is(conditions[0]), is(conditions[1]), code)
	}
	return code
}

func is(m mutant) string { return "mutantIs(" + strconv.Itoa(m.id) + ")" }

func (w *switcher) change(n ast.Node, ms []mutant) (string, bool) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return w.binary(n, ms)
	case *ast.UnaryExpr:
		return fmt.Sprintf("(%s != %s)", is(ms[0]), w.inside(n)), true
	case *ast.Ident: // true or false
		return fmt.Sprintf("(%s != %s)", is(ms[0]), n.Name), true
	}
	switch n := n.(type) {
	case *ast.ExprStmt:
		if !w.statements[n] || strings.HasPrefix(w.inside(n), "panic(") { // the function would need a return
			return "", false
		}
		return fmt.Sprintf("if !%s { %s }", is(ms[0]), w.inside(n)), true
	case *ast.AssignStmt:
		right, ok := oneLine(w.with(n.Rhs[0]))
		if !ok || !w.statements[n] || len(n.Rhs) > 1 {
			return w.kept(n, ms[0])
		}
		unused := "_, _ = " + right + ", 0"
		switch {
		case right == "nil":
			unused = ""
		case len(n.Lhs) > 1: // several results of one call
			unused = strings.Repeat("_, ", len(n.Lhs)-1) + "_ = " + right
		}
		return fmt.Sprintf("if %s { %s } else { %s }", is(ms[0]), unused, w.inside(n)), true
	case *ast.IncDecStmt:
		return fmt.Sprintf("%[2]s = mutantStep(%[1]d, %[2]s, %[3]t)", ms[0].id, w.inside(n.X), n.Tok == token.INC), true
	case *ast.BranchStmt:
		return fmt.Sprintf("if %s { %s } else { %s }", is(ms[0]), w.changed(n, ms[0]), w.inside(n)), w.statements[n]
	}
	return "", false
}

// kept is an assignment that stands in an if or a for, or has many lines, which are to stand
// there once: it assigns either what it should or what was there before. ok is false if that
// cannot be written.
func (w *switcher) kept(n *ast.AssignStmt, m mutant) (code string, ok bool) {
	var left, right []string
	for _, x := range n.Lhs {
		if left = append(left, w.inside(x)); left[len(left)-1] == "_" {
			return "", false
		}
	}
	for i, x := range n.Rhs {
		value := w.with(x)
		if n.Tok != token.ASSIGN {
			value = fmt.Sprintf("%s %s (%s)", left[i], strings.TrimSuffix(n.Tok.String(), "="), value)
		}
		right = append(right, fmt.Sprintf("mutantKeep(%d, %s, %s)", m.id, left[i], value))
	}
	if len(left) > len(right) { // several results of one call
		right = []string{fmt.Sprintf("mutantKeep%d(%d, %s)(%s)", len(left), m.id, strings.Join(left, ", "), w.with(n.Rhs[0]))}
	}
	return strings.Join(left, ", ") + " = " + strings.Join(right, ", "), true
}

// changed is the code of n as m has it.
func (w *switcher) changed(n ast.Node, m mutant) string {
	return w.text[w.at(n.Pos()):m.start] + m.by + w.text[m.end:w.at(n.End())]
}

func (w *switcher) binary(n *ast.BinaryExpr, ms []mutant) (string, bool) {
	x, okX := oneLine(w.with(n.X))
	y, okY := oneLine(w.with(n.Y))
	if !okX || !okY {
		return "", false
	}
	switch n.Op {
	case token.EQL, token.NEQ:
		return fmt.Sprintf("(%s != (%s %s %s))", is(ms[0]), x, n.Op, y), true
	case token.LAND, token.LOR:
		other := operators[n.Op][0]
		return fmt.Sprintf("(!%[1]s && ((%[2]s) %[3]s (%[5]s)) || %[1]s && ((%[2]s) %[4]s (%[5]s)))", is(ms[0]), x, n.Op, other, y), true
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		if len(ms) < 2 {
			return "", false
		}
		near := operators[n.Op][0] // the other one is the opposite
		return fmt.Sprintf("(%s != (!%[2]s && %[3]s %[4]s %[6]s || %[2]s && %[3]s %[5]s %[6]s))", is(ms[1]), is(ms[0]), x, n.Op, near, y), true
	}
	return fmt.Sprintf("mutant%s(%d, %s, %s)", calculations[n.Op], ms[0].id, x, y), true
}

// oneLine joins the lines of an expression, if there is nothing in it that needs them.
func oneLine(code string) (string, bool) {
	if !strings.Contains(code, "\n") {
		return code, true
	}
	return strings.ReplaceAll(code, "\n", " "), !strings.ContainsAny(code, "{`") && !strings.Contains(code, "//")
}

// calculations are the functions of the same package that calculate one way or the other.
var calculations = map[token.Token]string{
	token.ADD: "Add", token.SUB: "Sub", token.MUL: "Mul", token.QUO: "Quo", token.REM: "Rem",
	token.AND: "And", token.OR: "Or", token.SHL: "Shl", token.SHR: "Shr",
}

// switchFile is the file that is added to the package. With -1 as the mutant, each
// place that is reached is written into a file, once.
func switchFile(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `package %s

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

var (
	mutantNow, _  = strconv.Atoi(os.Getenv("ADSYNC_MUTANT"))
	mutantReached sync.Map
)

func mutantIs(n int) bool {
	if mutantNow < 0 {
		mutantReach(n)
	}
	return mutantNow == n
}

func mutantReach(n int) {
	if _, known := mutantReached.LoadOrStore(n, true); known {
		return
	}
	f, err := os.OpenFile(os.Getenv("ADSYNC_MUTANTS_REACHED"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, n)
}

func mutantStep[A mutantInteger](n int, a A, up bool) A {
	if mutantIs(n) != up {
		return a + 1
	}
	return a - 1
}

func mutantKeep[A any](n int, old, a A) A {
	if mutantIs(n) {
		return old
	}
	return a
}

func mutantKeep2[A, B any](n int, oldA A, oldB B) func(A, B) (A, B) {
	return func(a A, b B) (A, B) { return mutantKeep(n, oldA, a), mutantKeep(n, oldB, b) }
}

func mutantKeep3[A, B, C any](n int, oldA A, oldB B, oldC C) func(A, B, C) (A, B, C) {
	return func(a A, b B, c C) (A, B, C) {
		return mutantKeep(n, oldA, a), mutantKeep(n, oldB, b), mutantKeep(n, oldC, c)
	}
}

type mutantInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}
`, name)
	for _, op := range slices.Sorted(maps.Keys(calculations)) {
		fmt.Fprintf(&b, `
func mutant%s[A, B mutantInteger](n int, a A, b B) A {
	if mutantIs(n) {
		return a %s %s
	}
	return a %s %s
}
`, calculations[op], operators[op][0], operand(operators[op][0]), op, operand(op))
	}
	return b.String()
}

// operand is b, as the operator wants it.
func operand(op token.Token) string {
	if op == token.SHL || op == token.SHR {
		return "b"
	}
	return "A(b)"
}

// The places of what does not compile, and the numbers in a line of code.
var (
	placeRE  = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):\d+: `)
	numberRE = regexp.MustCompile(`mutant(?:Is|[A-Z][a-z]+[23]?)\((\d+)`)

	// those that calculate
	calculatesRE = regexp.MustCompile(`mutant(?:Add|Sub|Mul|Quo|Rem|And|Or|Shl|Shr)\((\d+)`)
)

// parse reads a file's text.
func parse(name string, text []byte) (*token.FileSet, *ast.File, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, 0)
	return fset, file, err
}
