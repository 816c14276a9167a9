package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// Each reason that the library knows has words for an administrator.
func TestReason_HasWords(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../change.go", nil, 0)
	require.NoError(t, err)
	met := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			if met++; adsync.Reason(value) != adsync.ReasonParked { // which is no row
				assert.NotEqual(t, value, say("reason", adsync.Change{Reason: adsync.Reason(value)}))
			}
		}
		return true
	})
	assert.Greater(t, met, 20)
}
