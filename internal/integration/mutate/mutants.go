package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mutant is a file with some bytes replaced.
type mutant struct {
	id         int    // from 1, in the package
	file       string // as the module names it
	line       int
	code       string // the line, without the space around it
	what       string // "< to <="
	start, end int    // what is replaced, in bytes
	by         string
	node       ast.Node // what is changed
	condition  bool     // node is that of an if, which is always or never true
}

// key tells the mutant from others by its text, since the numbers of lines move.
func (m mutant) key() string { return m.file + " | " + m.code + " | " + m.what }

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d | %s | %s", m.file, m.line, m.code, m.what)
}

// livedIn reports whether the output of an earlier run says that the mutant survived.
func (m mutant) livedIn(output string) bool {
	for line := range strings.Lines(output) {
		_, found, _ := strings.Cut(strings.TrimSpace(line), " | ")
		if strings.HasPrefix(line, "LIVES "+m.file+":") && found == strings.TrimSpace(m.code+" | "+m.what) { // as "! to " ends with nothing
			return true
		}
	}
	return false
}

// mutated is a package and all its mutants, in the order of its files.
type mutated struct {
	path    string // its folder in the module
	name    string
	dir     string // on this machine
	sources map[string]source
	mutants []mutant
}

type source struct {
	path string // on this machine
	text []byte
	fset *token.FileSet
	file *ast.File
}

// load finds the package's own files, without its tests: those whose names match files.
func load(pkg string, files *regexp.Regexp) (*mutated, error) {
	out, err := exec.Command("go", "list", "-json=Dir,Name,GoFiles,Module", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", pkg, err)
	}
	var listed struct {
		Dir     string
		Name    string
		GoFiles []string
		Module  struct{ Dir string }
	}
	if err := json.Unmarshal(out, &listed); err != nil {
		return nil, err
	}
	folder, err := filepath.Rel(listed.Module.Dir, listed.Dir)
	if err != nil {
		return nil, err
	}
	p := &mutated{path: filepath.ToSlash(folder), name: listed.Name, dir: listed.Dir, sources: map[string]source{}}
	for _, name := range listed.GoFiles {
		if !files.MatchString(name) {
			continue
		}
		path := filepath.Join(listed.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name = p.path + "/" + name
		fset, file, err := parse(name, text)
		if err != nil {
			return nil, err
		}
		p.sources[name] = source{path, text, fset, file}
		p.mutants = append(p.mutants, mutantsOf(name, p.sources[name])...)
	}
	for i := range p.mutants {
		p.mutants[i].id = i + 1
	}
	return p, nil
}

// of are the mutants of one file.
func (p *mutated) of(file string) (all []mutant) {
	for _, m := range p.mutants {
		if m.file == file {
			all = append(all, m)
		}
	}
	return all
}

// apply is the file as the mutant has it.
func (p *mutated) apply(m mutant) []byte {
	text := p.sources[m.file].text
	return slices.Concat(text[:m.start], []byte(m.by), text[m.end:])
}

// operators are the replacements of each binary operator.
var operators = map[token.Token][]token.Token{
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL}, token.REM: {token.MUL},
	token.AND: {token.OR}, token.OR: {token.AND}, token.SHL: {token.SHR}, token.SHR: {token.SHL},
}

// mutantsOf finds all places of a file that can be changed.
func mutantsOf(name string, s source) []mutant {
	text, fset := s.text, s.fset
	lines := strings.Split(string(text), "\n")
	var all []mutant
	var node ast.Node
	texts := map[ast.Node]bool{} // that are parts of one with a literal in it
	add := func(from, to token.Pos, what, by string) {
		line := fset.Position(from).Line
		all = append(all, mutant{
			file: name, line: line, code: strings.TrimSpace(lines[line-1]), what: what,
			start: fset.Position(from).Offset, end: fset.Position(to).Offset, by: by, node: node,
		})
	}
	swap := func(from token.Pos, old, by string) { add(from, from+token.Pos(len(old)), old+" to "+by, by) }
	ast.Inspect(s.file, func(n ast.Node) bool {
		node = n
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok == token.VAR // constants and types are what they are
		case *ast.BinaryExpr:
			if texts[n] || n.Op == token.ADD && isText(n) { // which have no other operator
				for _, part := range []ast.Expr{n.X, n.Y} {
					if sum, ok := part.(*ast.BinaryExpr); ok {
						texts[sum] = sum.Op == token.ADD
					}
				}
				return true
			}
			for _, by := range operators[n.Op] {
				swap(n.OpPos, n.Op.String(), by.String())
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				swap(n.OpPos, "!", "")
			}
		case *ast.Ident:
			if opposite := map[string]string{"true": "false", "false": "true"}[n.Name]; opposite != "" {
				swap(n.Pos(), n.Name, opposite)
			}
		case *ast.IncDecStmt:
			swap(n.TokPos, n.Tok.String(), map[token.Token]string{token.INC: "--", token.DEC: "++"}[n.Tok])
		case *ast.BranchStmt:
			if n.Label == nil && (n.Tok == token.BREAK || n.Tok == token.CONTINUE) {
				swap(n.Pos(), n.Tok.String(), map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[n.Tok])
			}
		case *ast.ExprStmt:
			add(n.Pos(), n.End(), "the call is left out", "")
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				add(n.Pos(), n.End(), "the assignment is left out", "_, _ = "+string(text[fset.Position(n.Rhs[0].Pos()).Offset:fset.Position(n.Rhs[0].End()).Offset])+", 0")
			}
		case *ast.IfStmt:
			node = n.Cond
			add(n.Cond.Pos(), n.Cond.End(), "the condition is always true", "true || "+parenthesized(text, fset, n.Cond))
			add(n.Cond.Pos(), n.Cond.End(), "the condition is never true", "false && "+parenthesized(text, fset, n.Cond))
			all[len(all)-1].condition, all[len(all)-2].condition = true, true
		}
		return true
	})
	number(all)
	return all
}

// isText reports a sum that a literal shows to be one of texts.
func isText(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.BasicLit:
		return x.Kind == token.STRING
	case *ast.BinaryExpr:
		return x.Op == token.ADD && (isText(x.X) || isText(x.Y))
	}
	return false
}

// number tells apart what is changed alike on lines of the same text: "< to <= (2)".
func number(all []mutant) {
	seen := map[string]int{}
	for i := range all {
		key := all[i].key()
		if seen[key]++; seen[key] > 1 {
			all[i].what += fmt.Sprintf(" (%d)", seen[key])
		}
	}
}

func parenthesized(text []byte, fset *token.FileSet, n ast.Node) string {
	return "(" + string(text[fset.Position(n.Pos()).Offset:fset.Position(n.End()).Offset]) + ")"
}
