package hosts

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/sqlstore"
)

var writeTables = flag.Bool("write-tables", false, "write docs/TABLES.md anew instead of comparing")

const page = "../../../docs/TABLES.md"

// The page that a host's developer looks up first shows the code that is tested here.
// `make tables` writes it.
func TestPage_IsAsTheCodeSays(t *testing.T) {
	want := writePage(t)
	if *writeTables {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err, "run: make tables")
	assert.Empty(t, gocmp.Diff(strings.Split(string(got), "\n"), strings.Split(want, "\n")), "docs/TABLES.md is not what the gallery says: run make tables")
}

// The column for the objectGUID is the same on both pages; the statements of the README are
// run by the tests of the databases.
func TestPage_HasTheColumnOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	own := writePage(t)
	lines := 0
	for line := range strings.Lines(string(readme)) {
		if strings.Contains(line, "`ALTER TABLE accounts") {
			lines++
			assert.Contains(t, own, line)
		}
	}
	assert.Equal(t, 3, lines)
}

// code is this package's, as it is written.
type code struct {
	fset  *token.FileSet
	texts map[string][]byte        // by file
	decls map[string]ast.Decl      // by name
	hosts map[string]*ast.FuncDecl // by the product's name
}

func readCode(t *testing.T) *code {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	c := &code{token.NewFileSet(), map[string][]byte{}, map[string]ast.Decl{}, map[string]*ast.FuncDecl{}}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		c.texts[name], err = os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(c.fset, name, c.texts[name], parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				switch spec := d.Specs[0].(type) {
				case *ast.TypeSpec:
					c.decls[spec.Name.Name] = d
				case *ast.ValueSpec:
					c.decls[spec.Names[0].Name] = d
				}
			case *ast.FuncDecl:
				c.decls[d.Name.Name] = d
				if product := c.field(d, "Name"); product != nil {
					c.hosts[strings.Trim(c.text(product), `"`)] = d
				}
			}
		}
	}
	return c
}

// field is what a function that returns a Host says of one of its fields; nil for others.
func (c *code) field(f *ast.FuncDecl, name string) ast.Expr {
	ret, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return nil
	}
	host, ok := ret.Results[0].(*ast.CompositeLit)
	if !ok || c.text(host.Type) != "Host" {
		return nil
	}
	for _, e := range host.Elts {
		if kv := e.(*ast.KeyValueExpr); c.text(kv.Key) == name {
			return kv.Value
		}
	}
	return nil
}

// text is the source of a node, moved to the left by the tabs of its last line.
func (c *code) text(n ast.Node) string {
	from, to := c.fset.Position(n.Pos()), c.fset.Position(n.End())
	text := string(c.texts[from.Filename][from.Offset:to.Offset])
	last := text[strings.LastIndex(text, "\n")+1:]
	return strings.ReplaceAll(text, "\n"+last[:len(last)-len(strings.TrimLeft(last, "\t"))], "\n")
}

// withDoc is a declaration and its comment, if it has one.
func (c *code) withDoc(name string) string {
	var comment *ast.CommentGroup
	switch d := c.decls[name].(type) {
	case *ast.GenDecl:
		comment = d.Doc
	case *ast.FuncDecl:
		comment = d.Doc
	}
	var doc strings.Builder
	if comment != nil {
		for _, line := range comment.List {
			doc.WriteString(line.Text + "\n")
		}
	}
	return doc.String() + c.text(c.decls[name])
}

// helpers are the functions of a host's own that its mapping names.
func (c *code) helpers(host *ast.FuncDecl) (names []string) {
	file := c.fset.Position(host.Pos()).Filename
	ast.Inspect(c.field(host, "Table"), func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			f, isFunc := c.decls[id.Name].(*ast.FuncDecl)
			if isFunc && c.fset.Position(f.Pos()).Filename == file && !slices.Contains(names, id.Name) {
				names = append(names, id.Name)
			}
		}
		return true
	})
	return names
}

var databaseNames = map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "PostgreSQL", sqlstore.MySQL: "MySQL, MariaDB", sqlstore.SQLite: "SQLite"}

func writePage(t *testing.T) string {
	t.Helper()
	c, hosts := readCode(t), All()
	assert.Len(t, c.hosts, len(hosts), "each function that returns a Host belongs into All")
	slices.SortFunc(hosts, func(a, b Host) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	var p bytes.Buffer
	intro, err := os.ReadFile("testdata/intro.md")
	require.NoError(t, err)
	p.Write(intro)
	p.WriteString("| product | database | told of a person | status | what to see there |\n| --- | --- | --- | --- | --- |\n")
	for _, h := range hosts {
		fmt.Fprintf(&p, "| [%s](#%s) | %s | %s | %s | %s |\n", h.Name, strings.ToLower(h.Name), databaseNames[h.Dialect], h.details(t), h.status(), h.Shows)
	}
	p.WriteString("\n## What the mappings share\n\nWhat several of them name:\n\n```go\n")
	var shared []string
	for _, name := range []string{"Source", "byEmail", "fullName", "byEmailAndFullName", "changed", "changedUnix", "ids", "Value", "lowerText"} {
		shared = append(shared, c.withDoc(name))
	}
	p.WriteString(strings.Join(shared, "\n\n") + "\n```\n")
	for _, h := range hosts {
		h.write(&p, c)
	}
	return p.String()
}

// details are the columns that a sync follows.
func (h Host) details(t *testing.T) string {
	c := h.Table.Columns
	var told []string
	for _, d := range [][2]string{{c.Username, "username"}, {c.FirstName, "first name"}, {c.LastName, "last name"}, {c.Email, "email"}, {c.Phone, "phone"}} {
		if d[0] != "" {
			told = append(told, d[1])
		}
	}
	require.NotEmpty(t, told)
	return strings.Join(told, ", ")
}

func (h Host) status() string {
	switch {
	case h.Table.Columns.Status == "":
		return "none"
	case len(h.Table.Statuses) == 2:
		return "active or not"
	}
	return "who deactivated"
}

func (h Host) write(p *bytes.Buffer, c *code) {
	f := c.hosts[h.Name]
	fmt.Fprintf(p, "\n## %s\n\n%s\nThe table, in %s:\n\n```sql%s;\n```\n\n", h.Name, f.Doc.Text(), databaseNames[h.Dialect], h.Schema)
	if h.Added == "" {
		p.WriteString("Nothing is added for the sync.\n")
	} else {
		fmt.Fprintf(p, "Added for the sync:\n\n```sql%s;\n```\n", h.Added)
	}
	fmt.Fprintf(p, "\nThe mapping:\n\n```go\n%s\n```\n", c.text(c.field(f, "Table")))
	for _, helper := range c.helpers(f) {
		fmt.Fprintf(p, "\n```go\n%s\n```\n", c.withDoc(helper))
	}
	if rules := c.field(f, "Rules"); rules != nil {
		fmt.Fprintf(p, "\nThe rules, besides the Source:\n\n```go\n%s\n```\n", c.text(rules))
	}
	if len(h.Warns) > 0 {
		fmt.Fprintf(p, "\n`Check` warns that %s.\n", strings.Join(slices.Compact(slices.Clone(h.Warns)), "; that "))
	}
}
