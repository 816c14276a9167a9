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

func TestReason_OfARoleAndOfAnAccount(t *testing.T) {
	role := adsync.Change{Op: adsync.OpNotice, Reason: adsync.ReasonUnproven, Detail: "would lose the role Author, but nothing proves it"}
	assert.Equal(t, "Role kept", say("what", role))
	assert.Equal(t, "would lose the role Author, but nothing proves it", say("reason", role))
	account := adsync.Change{Op: adsync.OpNotice, Reason: adsync.ReasonUnproven}
	assert.Equal(t, "Notice", say("what", account))
	assert.Equal(t, "not found in the directory, but nothing proves a deletion", say("reason", account))
	account.Detail = "neither deactivated nor removed"
	assert.Equal(t, "not found in the directory, but nothing proves a deletion: neither deactivated nor removed", say("reason", account))
}

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
