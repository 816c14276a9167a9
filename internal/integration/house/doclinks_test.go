package house

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Doc links that lead nowhere become plain text without a word, so a name that moves
// leaves them behind.
func TestDocLinks_LeadSomewhere(t *testing.T) {
	packages := publicPackages(t)
	documented := map[string]*doc.Package{}
	for path, dir := range packages {
		documented[path] = documentation(t, path, dir)
	}
	seen := 0
	for path, p := range documented {
		for _, text := range docComments(p) {
			seen += len(followLinks(t, documented, path, p.Parser().Parse(text)))
		}
	}
	assert.Greater(t, seen, 50, "links were found at all")
}

func documentation(t *testing.T, path, dir string) *doc.Package {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	p, err := doc.NewFromFiles(fset, files, path)
	require.NoError(t, err)
	return p
}

// docComments are those of the package and of what it exports, struct fields and
// methods of interfaces too, which the comments of a type do not hold.
func docComments(p *doc.Package) []string {
	texts := []string{p.Doc}
	values := func(all []*doc.Value) {
		for _, v := range all {
			texts = append(append(texts, v.Doc), within(v.Decl)...)
		}
	}
	functions := func(all []*doc.Func) {
		for _, f := range all {
			texts = append(texts, f.Doc)
		}
	}
	values(p.Consts)
	values(p.Vars)
	functions(p.Funcs)
	for _, t := range p.Types {
		texts = append(append(texts, t.Doc), within(t.Decl)...)
		values(t.Consts)
		values(t.Vars)
		functions(t.Funcs)
		functions(t.Methods)
	}
	return texts
}

func within(declaration ast.Node) (texts []string) {
	ast.Inspect(declaration, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			texts = append(texts, n.Doc.Text(), n.Comment.Text())
		case *ast.ValueSpec:
			texts = append(texts, n.Doc.Text(), n.Comment.Text())
		}
		return true
	})
	return texts
}

// unlinked is what looks like a link to something exported.
var unlinked = regexp.MustCompile(`\[\*?(?:[a-z]\w*\.)?[A-Z]\w*(?:\.[A-Z]\w*)?\]`)

// followLinks returns the links of a comment, and fails for those that lead nowhere.
func followLinks(t *testing.T, documented map[string]*doc.Package, path string, d *comment.Doc) (links []*comment.DocLink) {
	t.Helper()
	walk := func(texts []comment.Text) {
		for _, text := range texts {
			switch text := text.(type) {
			case comment.Plain:
				for _, name := range unlinked.FindAllString(string(text), -1) {
					t.Errorf("%s: the doc link %s leads nowhere", path, name)
				}
			case *comment.DocLink:
				links = append(links, text)
				to := text.ImportPath
				if to == "" {
					to = path
				}
				if p := documented[to]; p != nil && text.Name != "" && !exports(p, text.Recv, text.Name) {
					t.Errorf("%s: the doc link to %s.%s of %s leads nowhere", path, text.Recv, text.Name, to)
				}
			}
		}
	}
	for _, block := range d.Content {
		switch block := block.(type) {
		case *comment.Paragraph:
			walk(block.Text)
		case *comment.Heading:
			walk(block.Text)
		case *comment.List:
			for _, item := range block.Items {
				for _, inner := range item.Content {
					if paragraph, ok := inner.(*comment.Paragraph); ok {
						walk(paragraph.Text)
					}
				}
			}
		}
	}
	return links
}

func exports(p *doc.Package, receiver, name string) bool {
	named := func(f *doc.Func) bool { return f.Name == name }
	has := func(v *doc.Value) bool { return slices.Contains(v.Names, name) }
	if receiver == "" && (slices.ContainsFunc(p.Funcs, named) || slices.ContainsFunc(p.Consts, has) || slices.ContainsFunc(p.Vars, has)) {
		return true
	}
	for _, t := range p.Types {
		if receiver == "" && (t.Name == name || slices.ContainsFunc(t.Funcs, named) || slices.ContainsFunc(t.Consts, has) || slices.ContainsFunc(t.Vars, has)) {
			return true
		}
		if t.Name == receiver && (slices.ContainsFunc(t.Methods, named) || declares(t.Decl, name)) {
			return true
		}
	}
	return false
}

// declares reports whether the type has a field, or an interface's method, of the name.
func declares(declaration ast.Node, name string) (found bool) {
	ast.Inspect(declaration, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok {
			found = found || slices.ContainsFunc(field.Names, func(id *ast.Ident) bool { return id.Name == name })
		}
		return !found
	})
	return found
}
