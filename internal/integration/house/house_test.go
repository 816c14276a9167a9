// Package house tests the rules of the house that no compiler checks: what
// imports what, what lies at the root, and what no file may say.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root       = "../../.."
	modulePath = "github.com/go-adsync/adsync"
)

// libraryFiles are the Go files that reach a host: those of the root module
// without its tests.
func libraryFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	fset := token.NewFileSet()
	for _, path := range projectFiles(t) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || inOtherModule(path) {
			continue
		}
		file, err := parser.ParseFile(fset, filepath.Join(root, path), nil, 0)
		require.NoError(t, err)
		files[path] = file
	}
	require.NotEmpty(t, files)
	return files
}

// inOtherModule reports whether a file is in one of the modules below the root's, which
// reach no host.
func inOtherModule(path string) bool {
	return slices.ContainsFunc([]string{"examples/", "internal/integration/", "sqlstore/internal/onsqlite/"}, func(folder string) bool {
		return strings.HasPrefix(path, folder)
	})
}

// projectFiles lists every file of the project, except for what git ignores.
func projectFiles(t *testing.T) []string {
	t.Helper()
	ignored := []string{".git", ".cache", "bin"}
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if slices.Contains(ignored, relative) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	})
	require.NoError(t, err)
	return files
}

func imports(file *ast.File) []string {
	var paths []string
	for _, spec := range file.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// The four chapters, and a file for each further story.
func TestLayout_RootHasAFileForEachStory(t *testing.T) {
	var atRoot []string
	for path := range libraryFiles(t) {
		if !strings.Contains(path, "/") {
			atRoot = append(atRoot, path)
		}
	}
	slices.Sort(atRoot)
	assert.Equal(t, []string{
		"adopt.go",
		"adsync.go",
		"apply.go",
		"approval.go",
		"change.go",
		"choose.go",
		"compare.go",
		"directory.go",
		"extra.go",
		"host.go",
		"leaving.go",
		"ledger.go",
		"limits.go",
		"mark.go",
		"moment.go",
		"plan.go",
		"profile.go",
		"proof.go",
		"read.go",
		"reconcile.go",
		"report.go",
		"resume.go",
		"roles.go",
		"rules.go",
		"since.go",
		"store.go",
		"storecall.go",
		"trace.go",
		"undo.go",
		"view.go",
	}, atRoot)
}

func TestImports_InternalPackagesDoNotKnowTheRoot(t *testing.T) {
	for path, file := range libraryFiles(t) {
		if strings.HasPrefix(path, "internal/") || strings.Contains(path, "/internal/") {
			assert.NotContains(t, imports(file), modulePath, path)
		}
	}
}

// The core is what a host with a directory and a store of its own links: it knows
// neither LDAP nor SQL, except for the two methods by which an ObjectID goes into a row.
func TestImports_CoreKnowsNoAdapter(t *testing.T) {
	forbidden := []string{"database/sql", "net", "crypto/tls", "github.com/go-ldap/ldap/v3"}
	adapters := []string{modulePath + "/activedirectory", modulePath + "/sqlstore", modulePath + "/adsynctest"}
	for path, file := range libraryFiles(t) {
		if strings.Contains(path, "/") {
			continue
		}
		for _, imported := range imports(file) {
			assert.NotContains(t, forbidden, imported, path)
			for _, adapter := range adapters {
				assert.False(t, imported == adapter || strings.HasPrefix(imported, adapter+"/"), "%s imports %s", path, imported)
			}
		}
	}
}

// What the core links, also by way of others.
func TestImports_CoreLinksNeitherLDAPNorSQL(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	linked := strings.Fields(string(out))
	require.Contains(t, linked, modulePath)
	for _, p := range linked {
		assert.NotContains(t, []string{"database/sql", "net", "crypto/tls"}, p)
		assert.False(t, strings.HasPrefix(p, "github.com/"+"go-ldap/"), p)
	}
}

// What is for tests reaches no host's program: neither the test controller nor package
// testing, with the flags that it registers.
func TestImports_HostsLinkNothingOfTests(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".", "./activedirectory", "./sqlstore")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	linked := strings.Fields(string(out))
	require.Contains(t, linked, modulePath+"/sqlstore")
	for _, p := range []string{"testing", modulePath + "/internal/fakead", modulePath + "/adsynctest"} {
		assert.NotContains(t, linked, p)
	}
}

// Adapters use the exported names of the core alone, as those of a host must: what they
// share below it is how an objectGUID is written.
func TestImports_AdaptersKnowTheCoreAlone(t *testing.T) {
	adapters := []string{"activedirectory", "sqlstore", "adsynctest"}
	for path, file := range libraryFiles(t) {
		own, _, _ := strings.Cut(path, "/")
		if !slices.Contains(adapters, own) {
			continue
		}
		for _, imported := range imports(file) {
			for _, other := range adapters {
				theirs := modulePath + "/" + other
				shared, isInternal := strings.CutPrefix(imported, modulePath+"/internal/")
				assert.True(t, !isInternal || shared == "adattr" || own == "adsynctest" && shared == "fakead", "%s imports %s", path, imported)
				assert.False(t, other != own && (imported == theirs || strings.HasPrefix(imported, theirs+"/")), "%s imports %s", path, imported)
			}
		}
	}
}

// A file tells one story. What is longer tells several. Tests are read like the rest.
func TestLayout_FilesAreShort(t *testing.T) {
	const atRoot, below = 800, 500
	for _, path := range projectFiles(t) {
		if !strings.HasSuffix(path, ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		most := below
		if !strings.Contains(path, "/") {
			most = atRoot
		}
		assert.LessOrEqual(t, strings.Count(string(text), "\n"), most, path)
	}
}

// gofmt makes one curly quote of two straight ones in a comment.
func TestComments_HaveNoCurlyQuotes(t *testing.T) {
	for _, path := range projectFiles(t) {
		if strings.HasSuffix(path, ".go") {
			text, err := os.ReadFile(filepath.Join(root, path))
			require.NoError(t, err)
			assert.False(t, strings.Contains(string(text), "\u201d"), path)
		}
	}
}

func TestImports_TestLibrariesStayInTests(t *testing.T) {
	for path, file := range libraryFiles(t) {
		for _, imported := range imports(file) {
			for _, library := range []string{"testing", "github.com/stretchr/testify", "github.com/google/go-cmp", "go.uber.org/goleak"} {
				takesTest := library == "testing" && strings.HasPrefix(path, "adsynctest/") // a testing.TB
				assert.False(t, imported == library && !takesTest || strings.HasPrefix(imported, library+"/") && library != "testing",
					"%s imports %s", path, imported)
			}
		}
	}
}

func TestCode_HasNoInitFunctions(t *testing.T) {
	for path, file := range libraryFiles(t) {
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil {
				assert.NotEqual(t, "init", f.Name.Name, path)
			}
		}
	}
}

// A host gets every requirement of the root module: the list is short on purpose.
func TestRequirements_StayFew(t *testing.T) {
	allowed := []string{
		"github.com/go-asn1-ber/asn1-ber",
		"github.com/go-ldap/ldap/v3",
		"github.com/google/go-cmp",
		"github.com/stretchr/testify",
		"go.uber.org/goleak",
		"golang.org/x/text",
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	direct := regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+) v\S+$`).FindAllStringSubmatch(string(text), -1)
	for _, match := range direct {
		assert.Contains(t, allowed, match[1])
	}
	assert.NotContains(t, string(text), "replace", "a host does not see our replacements")
}

// Paths of one person's machine mean nothing to another.
func TestText_HasNoPathsOfOneMachine(t *testing.T) {
	private := regexp.MustCompile(`(?:^|[\s"'=(` + "`" + `])/(?:home|Users|root|mnt|work|workspace)/`)
	for _, path := range projectFiles(t) {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		for n, line := range strings.Split(string(text), "\n") {
			assert.False(t, private.MatchString(line), "%s:%d: %s", path, n+1, line)
		}
	}
}
