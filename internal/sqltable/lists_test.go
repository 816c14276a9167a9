package sqltable

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStatementsWithLists(t *testing.T) {
	d := dialect(t, "mysql")
	where, err := d.ParseWhere("kind = ?", 1)
	require.NoError(t, err)
	table, err := NewTable(d, "users", "id", []Column{{"guid", Raw}, {"login", Text}}, where)
	require.NoError(t, err)
	assert.Equal(t, "SELECT `id`, `guid`, `login` FROM `users` WHERE `id` IN (?, ?) AND (kind = ?\n) FOR UPDATE", table.SelectRows(2))
	write := func(set []string, rows ...[]any) string {
		l := &Lists{Set: set}
		for _, row := range rows {
			l.Add(row[0], row[1:])
		}
		text, args := table.WriteRows(l)
		return fmt.Sprint(text, " ", args)
	}
	assert.Equal(t, "DELETE FROM `users` WHERE `id` IN (?, ?) AND (kind = ?\n) [7 8]", write(nil, []any{7}, []any{8}))
	assert.Equal(t, "UPDATE `users` SET `login` = CASE `id` WHEN ? THEN ? WHEN ? THEN ? END, `state` = ?, `guid` = CASE `id` WHEN ? THEN ? WHEN ? THEN ? END WHERE `id` IN (?, ?) AND (kind = ?\n) [7 a 8 <nil> on 7 [1] 8 [1] 7 8]",
		write([]string{"login", "state", "guid"}, []any{7, "a", "on", []byte{1}}, []any{8, nil, "on", []byte{1}}))
	assert.Equal(t, "INSERT INTO `users` (`login`) VALUES (?), (?)", table.InsertRows([]string{"login"}, 2, "guid"), "there is nothing to return")
	for name, lists := range map[string]bool{"mysql": true, "postgresql": false, "sqlite": false} {
		assert.Equal(t, lists, dialect(t, name).HasLists(), name)
	}
}

func TestOwnSpelling(t *testing.T) {
	const own = "e124855b-371a-41be-9f05-3c1a9b7d2e10"
	for text, want := range map[string]bool{
		own: true, "": true,
		"E124855b-371a-41be-9f05-3c1a9b7d2e10": false, "{" + own + "}": false, " " + own: false, "e124855b371a41be9f053c1a9b7d2e10": false,
	} {
		assert.Equal(t, want, GUIDText.Own(CellOf(text)), text)
	}
	assert.True(t, GUIDBytes.Own(CellOf("ABCDEFGHABCDEFGH")), "bytes have no spelling")
	assert.True(t, GUIDNative.Own(CellOf("E124855B-371A-41BE-9F05-3C1A9B7D2E10")))
}
