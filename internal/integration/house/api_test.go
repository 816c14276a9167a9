package house

import (
	"bytes"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var writeAPI = flag.Bool("write-api", false, "write docs/api anew instead of comparing")

// publicPackages maps the import paths that a host can import to their folders.
func publicPackages(t *testing.T) map[string]string {
	t.Helper()
	list := exec.Command("go", "list", "-f", "{{.ImportPath}} {{.Dir}}", "./...")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	public := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !slices.Contains(strings.Split(name, "/"), "internal") {
			public[name] = dir
		}
	}
	require.NotEmpty(t, public)
	return public
}

// What hosts compile against is kept as text, so that a change of it is seen in the
// change that makes it. `make api` writes it.
func TestAPI_IsAsRecorded(t *testing.T) {
	dir := filepath.Join(root, "docs/api")
	var names []string
	for name, source := range publicPackages(t) {
		name = path.Base(name) + ".txt"
		names = append(names, name)
		want := exported(t, source)
		if *writeAPI {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(want), 0o644))
			continue
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err, "run: make api")
		assert.Empty(t, gocmp.Diff(strings.Split(string(got), "\n"), strings.Split(want, "\n")),
			"docs/api/%s is not what the code exports: if that is meant, run make api, and tell hosts in CHANGELOG.md", name)
	}
	recorded, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, file := range recorded {
		assert.Contains(t, names, file.Name(), "a package that is no longer there")
	}
}

// exported is each exported declaration of a package, without its comments and
// bodies, in the order of the names: a move from file to file is no change.
func exported(t *testing.T, dir string) string {
	t.Helper()
	fset := token.NewFileSet()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var texts []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.FileExports(file)
		for _, declaration := range file.Decls {
			for _, d := range apart(declaration) {
				var out bytes.Buffer
				require.NoError(t, format.Node(&out, fset, d))
				texts = append(texts, withoutBlankLines(out.String()))
			}
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n") + "\n"
}

// apart is the declaration in its smallest parts. Constants stay together, as one may
// follow from another.
func apart(declaration ast.Decl) []ast.Decl {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		d.Body = nil
	case *ast.GenDecl:
		switch d.Tok {
		case token.IMPORT:
			return nil
		case token.TYPE, token.VAR:
			var parts []ast.Decl
			for _, spec := range d.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok {
					value.Values = nil
				}
				parts = append(parts, &ast.GenDecl{TokPos: d.TokPos, Tok: d.Tok, Specs: []ast.Spec{spec}})
			}
			return parts
		}
	}
	return []ast.Decl{declaration}
}

func withoutBlankLines(text string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
	return strings.Join(lines, "\n")
}
