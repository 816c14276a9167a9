package sqltable

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Texts are compared to the byte, and as texts, beside what an index finds.
func TestMembership_ComparesTextsToTheByte(t *testing.T) {
	for name, want := range map[string]string{
		"postgresql": `DELETE FROM "m" WHERE "u" = $1 AND "r" = $2 AND COALESCE(CAST("r" AS text), '') COLLATE "C" = $3 AND "n" IS NULL AND "o" = $4 AND COALESCE(CAST("o" AS text), '') COLLATE "C" = $5`,
		"mysql":      "DELETE FROM `m` WHERE `u` = ? AND `r` = ? AND CAST(COALESCE(CONVERT(`r` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND `n` IS NULL AND `o` = ? AND CAST(COALESCE(CONVERT(`o` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY)",
		"sqlite":     "DELETE FROM `m` WHERE `u` = ? AND `r` = ? AND `r` = ? COLLATE BINARY AND `n` IS NULL AND `o` = ? AND `o` = ? COLLATE BINARY",
	} {
		m, err := NewMembership(dialect(t, name), "m", "u", "r", map[string]any{"o": "ad", "n": nil})
		require.NoError(t, err)
		types := Types{"U": {Name: "bigint"}, "r": {Name: "varchar"}, "n": {Name: "text"}, "o": {Name: "citext"}}
		text, args := m.Heed(types).Delete(int64(7), int64(1))
		assert.Equal(t, want, text)
		assert.Equal(t, []any{int64(7), "1", "1", "ad", "ad"}, args)
		_, args = m.Heed(types).Insert(int64(7), int64(1))
		assert.Equal(t, []any{int64(7), "1", nil, "ad"}, args)
	}
}

func TestMembership_ReadsWhatMarksARow(t *testing.T) {
	m, err := NewMembership(dialect(t, "postgresql"), "m", "u", "r", map[string]any{"o": 1})
	require.NoError(t, err)
	text, args := m.SelectOf([]any{"a", "b"}, []any{int64(7)})
	assert.Equal(t, `SELECT CAST("u" AS text), CAST("r" AS text), CASE WHEN "o" = $1 THEN NULL ELSE 1 END FROM "m" WHERE "r" IN ($2, $3) AND "u" IN ($4) FOR UPDATE`, text)
	assert.Equal(t, []any{1, "a", "b", int64(7)}, args)
	m, err = NewMembership(dialect(t, "postgresql"), "m", "u", "r", nil)
	require.NoError(t, err)
	assert.False(t, m.HasMarks())
	text, _ = m.Select([]any{"a"})
	assert.Equal(t, `SELECT CAST("u" AS text), CAST("r" AS text) FROM "m" WHERE "r" IN ($1)`, text)
}
