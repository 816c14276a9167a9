package sqltable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// render puts the condition together as the dialect's statements do.
func render(t *testing.T, d Dialect, w Where) string {
	t.Helper()
	table, err := NewTable(d, "t", "id", nil, w)
	require.NoError(t, err)
	_, text, _ := strings.Cut(table.Select(), " WHERE (")
	return strings.TrimSuffix(text, "\n)")
}

func TestParseWhere(t *testing.T) {
	for _, test := range []struct {
		dialect, text string
		n             int
		want          string
		args          []any
	}{
		{"postgresql", "a = ? AND b = ?", 2, "a = $1 AND b = $2", []any{0, 1}},
		{"sqlite", "a = $2 AND b = $1 AND c = $2", 2, "a = ? AND b = ? AND c = ?", []any{1, 0, 1}},
		{"postgresql", "tags ? 'x' AND a = $1", 1, "tags ? 'x' AND a = $1", []any{0}},
		{"postgresql", "tags ? 'x'", 0, "tags ? 'x'", nil},
		{"postgresql", `a = '?' AND "b?" = ? AND c = 'it''s ?'`, 1, `a = '?' AND "b?" = $1 AND c = 'it''s ?'`, []any{0}},
		{"postgresql", `a = E'\'?' AND b = ?`, 1, `a = E'\'?' AND b = $1`, []any{0}},
		{"postgresql", `a = '\' AND b = ?`, 1, `a = '\' AND b = $1`, []any{0}},
		{"mysql", `a = '\'?' AND b = ?`, 1, `a = '\'?' AND b = ?`, []any{0}},
		{"mysql", "a = \"?\" AND `b?` = ? # or ?", 1, "a = \"?\" AND `b?` = ? # or ?", []any{0}},
		{"mysql", "a = 1--? AND b = 2 -- ?", 1, "a = 1--? AND b = 2 -- ?", []any{0}},
		{"sqlite", "a = '\\' AND b = ? /* ? */ -- ?\nAND c = ?", 2, "a = '\\' AND b = ? /* ? */ -- ?\nAND c = ?", []any{0, 1}},
		{"postgresql", "a = $$?$$ AND b = $x$ ? $y$ ? $x$ AND c = ?", 1, "a = $$?$$ AND b = $x$ ? $y$ ? $x$ AND c = $1", []any{0}},
		{"postgresql", "a$1 = 2 AND b = ?", 1, "a$1 = 2 AND b = $1", []any{0}},
		{"sqlite", "deleted = 0", 0, "deleted = 0", nil},
		{"sqlite", "[a?)] = ? AND b IN (1, (2))", 1, "[a?)] = ? AND b IN (1, (2))", []any{0}},
		{"postgresql", "tags[1] = ? /* a /* b */ ? ) */", 1, "tags[1] = $1 /* a /* b */ ? ) */", []any{0}},
		{"mysql", `a = ')\'(' AND b = ?`, 1, `a = ')\'(' AND b = ?`, []any{0}},
	} {
		t.Run(test.text, func(t *testing.T) {
			d := dialect(t, test.dialect)
			w, err := d.ParseWhere(test.text, test.n)
			require.NoError(t, err)
			assert.Equal(t, test.want, render(t, d, w))
			given := make([]any, test.n)
			for i := range given {
				given[i] = i
			}
			assert.Equal(t, append([]any{}, test.args...), w.Args(given))
		})
	}
}

func TestParseWhere_Refuses(t *testing.T) {
	for _, test := range []struct {
		text string
		n    int
		says string
	}{
		{"", 1, "without a Where"},
		{"a = ?", 0, "1 placeholders, but Args has 0"},
		{"a = ?", 2, "1 placeholders, but Args has 2"},
		{"a = $1", 0, "$1, but Args has 0"},
		{"a = $1 AND b = $3", 3, "uses 2 of the 3"},
		{"a = $0", 1, "count from $1"},
		{"a = $99999999999999999999", 1, "count from $1"},
		{"a = 'x", 0, "quote without an end"},
		{"a = 1 /* ?", 0, "comment without an end"},
	} {
		_, err := dialect(t, "sqlite").ParseWhere(test.text, test.n)
		assert.ErrorContains(t, err, test.says, test.text)
		assert.ErrorContains(t, err, "adsync: ", test.text)
	}
	_, err := dialect(t, "postgresql").ParseWhere("a = $x$ ", 0)
	assert.ErrorContains(t, err, "quote without an end")
}

// A condition that closes the parenthesis around it says something other than it seems
// to: 1=1) OR (2=2 is true of every row, whatever else a statement asks.
func TestParseWhere_RefusesUnbalancedParentheses(t *testing.T) {
	for _, test := range []struct {
		dialects, text string
		balanced       bool
	}{
		{"all", "1=1) OR (2=2", false},
		{"all", "1=1)", false},
		{"all", "(1=1", false},
		{"all", "((a = 1) AND b = 2", false},
		{"all", "(a = ')') AND (b = '(')", true},
		{"all", "a = '(' AND b = ')'", true},
		{"all", `a = "(" AND (b = ")")`, true},
		{"all", "`a(` = 1", true},
		{"all", "(a = 1 /* ) */)", true},
		{"all", "(a = 1) -- (", true},
		{"all", "(a = 1 -- )", false},
		{"postgresql", "a = $$($$ AND (b = $x$)$x$)", true},
		{"mysql sqlite", "a = $$($$ AND (b = 1)", false},
		{"postgresql", "(a = 1 /* /* */ ) */ )", true},
		{"mysql sqlite", "(a = 1 /* /* */ )", true},
		{"mysql sqlite", "(a = 1 /* /* */ ) */ )", false},
		{"sqlite", "[a(] = 1", true},
		{"mysql postgresql", "[a(] = 1", false},
		{"mysql", "(a = 1) # (", true},
		{"postgresql sqlite", "(a = 1) # (", false},
		{"mysql", `a = '\'(' AND b = ')'`, true},
		{"postgresql sqlite", `a = '\' OR (b = ')\'`, false},
		{"mysql", "a = 1 --(\n", false}, // two minus signs
	} {
		for _, name := range []string{"postgresql", "mysql", "sqlite"} {
			if test.dialects != "all" && !strings.Contains(test.dialects, name) {
				continue
			}
			_, err := dialect(t, name).ParseWhere(test.text, 0)
			if test.balanced {
				assert.NoError(t, err, "%s: %s", name, test.text)
			} else {
				assert.ErrorIs(t, err, errUnbalanced, "%s: %s", name, test.text)
			}
		}
	}
	for _, text := range []string{"a = 1 /*! OR 1=1 */", "a = 1 /*M!100100 ) OR ( */"} {
		_, err := dialect(t, "mysql").ParseWhere(text, 0)
		assert.ErrorContains(t, err, "a comment that some servers run", text)
	}
}

func FuzzParseWhere(f *testing.F) {
	f.Add("a = '?' AND b = $1 -- ?\n AND $$x$$", 1)
	f.Add(`e'\'' ? /* */ #`, 2)
	f.Fuzz(func(t *testing.T, text string, n int) {
		for _, name := range []string{"postgresql", "mysql", "sqlite"} {
			d := dialect(t, name)
			w, err := d.ParseWhere(text, n%8)
			if err != nil || w.IsZero() {
				continue
			}
			if len(w.texts) != len(w.args)+1 {
				t.Fatalf("%d texts for %d arguments", len(w.texts), len(w.args))
			}
			if len(w.args) == 0 && w.texts[0] != text {
				t.Fatal("the text has changed")
			}
		}
	})
}

// Each text has one placeholder, $1 or ?, behind what could be mistaken for something else.
func TestParseWhere_FindsWhatIsBehindALiteral(t *testing.T) {
	for dialects, texts := range map[string][]string{
		"postgresql mysql sqlite": {"(a = $1)", "a = '' AND b = $1", "'a' = b AND c = $1", "a = 2 /* x */* 3 AND b = $1", "$1 = a", "a = '' AND b = ?", "a = 'it''s' AND b = ?"},
		"postgresql": {
			`a = '\' AND b = $1`, `a = 'e\' AND b = $1`, `a = 'E\' AND b = $1`, `a = e'\'' AND b = $1`, `a = E'\'' AND b = $1`, `a = E'xy\'' AND b = $1`, `xe'\' = $1`, `E'\'' = $1`,
			"a$x$ = $1 AND b$x$ = 2", "$$x$$ = $1", "a = $$$$ AND b = $1", "a = $1 AND b = $x", "a = $1 AND b = $",
		},
		"sqlite": {"[a?] = ?", "a = [] AND b = ?"},
		"mysql":  {"a = ? # ?", "a = ? -- ?\n AND 1 = 1"},
	} {
		for _, name := range strings.Fields(dialects) {
			for _, text := range texts {
				w, err := dialect(t, name).ParseWhere(text, 1)
				require.NoError(t, err, "%s: %s", name, text)
				assert.Equal(t, []int{0}, w.args, "%s: %s", name, text)
				assert.Contains(t, []string{strings.Replace(text, "$1", "", 1), strings.Replace(text, "?", "", 1), "[a?] = "}, strings.Join(w.texts, ""), name)
			}
		}
	}
	_, err := dialect(t, "postgresql").ParseWhere("a = $1$ ( $1$", 1)
	assert.ErrorIs(t, err, errUnbalanced, "a tag begins with no digit")
	_, err = dialect(t, "sqlite").ParseWhere("[a = 1", 0)
	assert.ErrorContains(t, err, "a quote without an end")
	w, err := dialect(t, "sqlite").ParseWhere(" \t", 0)
	assert.NoError(t, err)
	assert.True(t, w.IsZero())
}

func TestParseWhere_KnowsTheLettersOfNames(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$"
	for c := range 256 {
		assert.Equal(t, c >= 0x80 || strings.ContainsRune(letters, rune(c)), isWord(byte(c)), "%q", c)
	}
}
