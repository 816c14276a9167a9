package sqltable

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// textRows gives rows of texts.
type textRows struct {
	rows   [][]string
	closed bool
}

func (r *textRows) Columns() ([]string, error) { return make([]string, 3), nil }
func (r *textRows) Err() error                 { return nil }
func (r *textRows) Close() error               { r.closed = true; return nil }
func (r *textRows) Next() bool                 { return len(r.rows) > 0 }

func (r *textRows) Scan(dest ...any) error {
	for i, d := range dest {
		*d.(*string) = r.rows[0][i]
	}
	r.rows = r.rows[1:]
	return nil
}

func TestHeed_OverridesWhatCouldTakeAnotherRow(t *testing.T) {
	table, err := NewTable(dialect(t, "sqlite"), "users", "id", []Column{{"login", Text}}, Where{})
	require.NoError(t, err)
	for name, test := range map[string]struct {
		rows                 [][]string
		overrides, uncounted bool
	}{
		"nothing":             {},
		"its own clause":      {[][]string{{"table", "Users", "CREATE TABLE Users (login UNIQUE on conflict replace)"}}, true, false},
		"another's clause":    {[][]string{{"table", "latest", "CREATE TABLE latest (one UNIQUE ON CONFLICT REPLACE)"}}, false, false},
		"a view":              {[][]string{{"view", "users", "CREATE VIEW users AS SELECT 1"}, {"table", "t", "a UNIQUE"}, {"view", "v", "'CONFLICT'"}}, false, true},
		"another's view":      {[][]string{{"view", "staff", "CREATE VIEW staff AS SELECT 'CONFLICT'"}}, false, false},
		"a view over that":    {[][]string{{"view", "users", ""}, {"table", "t", "a UNIQUE ON CONFLICT REPLACE"}}, true, true},
		"an upsert elsewhere": {[][]string{{"trigger", "note", "CREATE TRIGGER note AFTER UPDATE ON users BEGIN INSERT OR REPLACE INTO latest SELECT * FROM users; END"}}, false, false},
		"an upsert here":      {[][]string{{"trigger", "note", "AFTER INSERT ON log BEGIN REPLACE INTO main.\"users\" VALUES (1); END"}}, true, false},
		"an update here":      {[][]string{{"trigger", "note", "AFTER INSERT ON log BEGIN UPDATE OR REPLACE users SET login = 1; END"}}, true, false},
		"one that begins so":  {[][]string{{"trigger", "note", "AFTER INSERT ON log BEGIN REPLACE INTO users_old VALUES (1); END"}}, false, false},
		"a rule":              {[][]string{{"rule", "soft", ""}}, false, true},
	} {
		rows := &textRows{rows: test.rows}
		heeding, err := table.Heed(Types{"id": {Name: "INTEGER"}}, rows)
		require.NoError(t, err)
		assert.True(t, rows.closed)
		assert.Equal(t, []bool{test.overrides, test.uncounted}, []bool{heeding.Overrides(), heeding.Uncounted()}, name)
		update, insert := "UPDATE `users` SET", "INSERT INTO `users`"
		if test.overrides {
			update, insert = "UPDATE OR ABORT `users` SET", "INSERT OR ABORT INTO `users`"
		}
		assert.Contains(t, heeding.Update([]string{"login"}, true), update, name)
		assert.Contains(t, heeding.Insert([]string{"login"}), insert, name)
	}
}

func TestHeed_KnowsTriggersThatSwallow(t *testing.T) {
	for text, swallows := range map[string]bool{"BEGIN SELECT Raise(Ignore); END": true, "BEGIN SELECT RAISE(ABORT, ''); END": false} {
		for kind, matters := range map[string]bool{"trigger": true, "table": false} {
			table, err := NewTable(dialect(t, "sqlite"), "users", "id", nil, Where{})
			require.NoError(t, err)
			heeding, err := table.Heed(nil, &textRows{rows: [][]string{{kind, "odd", text}}})
			require.NoError(t, err)
			assert.Equal(t, swallows && matters, heeding.Swallows(), kind+text)
		}
	}
}

// An ID that its column takes for another, as 012 for 12, is compared as it reads.
func TestHeed_ComparesTheIDAsItReads(t *testing.T) {
	for name, test := range map[string]struct{ idType, want string }{
		"sqlite":     {"INTEGER", "WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ?"},
		"postgresql": {"bytea", `WHERE "id" = $1 AND COALESCE(CAST("id" AS text), '') COLLATE "C" = $2`},
		"mysql":      {"binary(16)", "WHERE `id` = ?"}, // as bytes do not read as text there
	} {
		table, err := NewTable(dialect(t, name), "users", "id", nil, Where{})
		require.NoError(t, err)
		heeding, err := table.Heed(Types{"ID": {Name: test.idType}}, nil)
		require.NoError(t, err)
		assert.Equal(t, name != "mysql", heeding.TextID())
		assert.Contains(t, heeding.Delete(true), test.want)
		assert.NotContains(t, heeding.Delete(false), "COALESCE")
	}
}

func TestHeed_FailsWithTheRows(t *testing.T) {
	table, err := NewTable(dialect(t, "sqlite"), "users", "id", nil, Where{})
	require.NoError(t, err)
	for _, rows := range []*planRows{{rows: [][]any{{}}, scanErr: errors.New("lost")}, {err: errors.New("lost")}} {
		_, err := table.Heed(Types{"id": {Name: "INTEGER"}}, rows)
		assert.EqualError(t, err, "lost")
		assert.True(t, rows.closed)
	}
}
