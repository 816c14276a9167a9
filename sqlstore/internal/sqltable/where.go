package sqltable

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Where is the host's own condition, cut at its placeholders.
type Where struct {
	texts []string // one more than args
	args  []int    // which of the host's arguments stands between two texts
}

// parseWhere cuts a condition that has n arguments.
func parseWhere(d Dialect, text string, n int) (Where, error) {
	if strings.TrimSpace(text) == "" {
		if n > 0 {
			return Where{}, errors.New("adsync: sqlstore.Table.Args is given without a Where that uses it")
		}
		return Where{}, nil
	}
	marks, err := whereScanner{d, text}.marks()
	if err != nil {
		return Where{}, err
	}
	if marks, err = chooseMarks(marks, n, d.questions); err != nil {
		return Where{}, err
	}
	var w Where
	from := 0
	for _, m := range marks {
		w.texts = append(w.texts, text[from:m.from])
		w.args = append(w.args, m.arg)
		from = m.to
	}
	w.texts = append(w.texts, text[from:])
	return w, nil
}

// IsZero reports whether there is no condition.
func (w Where) IsZero() bool { return len(w.texts) == 0 }

// Args puts the host's arguments into the order of the text.
func (w Where) Args(given []any) []any {
	args := make([]any, len(w.args))
	for i, a := range w.args {
		args[i] = given[a]
	}
	return args
}

// mark is a placeholder at text[from:to]; arg is -1 for a ?.
type mark struct{ from, to, arg int }

// chooseMarks drops the ? of a text that has $n, or that are operators where it has no
// arguments, and checks that the arguments fit the rest.
func chooseMarks(marks []mark, n int, operators bool) ([]mark, error) {
	var plain, numbered []mark
	used := make(map[int]bool)
	for _, m := range marks {
		if m.arg < 0 {
			m.arg = len(plain)
			plain = append(plain, m)
			continue
		}
		if m.arg >= n {
			return nil, fmt.Errorf("adsync: sqlstore.Table.Where has the placeholder $%d, but Args has %d values", m.arg+1, n)
		}
		used[m.arg] = true
		numbered = append(numbered, m)
	}
	switch {
	case len(numbered) > 0:
		if len(used) != n {
			return nil, fmt.Errorf("adsync: sqlstore.Table.Where uses %d of the %d values of Args; give just those", len(used), n)
		}
		return numbered, nil
	case n == 0 && operators:
		return nil, nil
	case len(plain) != n:
		return nil, fmt.Errorf("adsync: sqlstore.Table.Where has %d placeholders, but Args has %d values", len(plain), n)
	}
	return plain, nil
}

// whereScanner finds what a dialect takes for a placeholder.
type whereScanner struct {
	d    Dialect
	text string
}

// marks finds the placeholders outside of literals, names and comments.
func (s whereScanner) marks() ([]mark, error) {
	var marks []mark
	depth := 0
	for i := 0; i < len(s.text); {
		end, err := s.skipQuoted(i)
		if err != nil {
			return nil, err
		}
		if end > i {
			i = end
			continue
		}
		switch c := s.text[i]; {
		case c == '(':
			depth++
		case c == ')' && depth == 0:
			return nil, errUnbalanced
		case c == ')':
			depth--
		case c == '?':
			marks = append(marks, mark{i, i + 1, -1})
		case c == '$' && digits(s.text[i+1:]) > 0 && (i == 0 || !isWord(s.text[i-1])):
			to := i + 1 + digits(s.text[i+1:])
			n, err := strconv.Atoi(s.text[i+1 : to])
			if err != nil || n == 0 {
				return nil, errors.New("adsync: sqlstore.Table.Where has a placeholder that is no number; count from $1")
			}
			marks = append(marks, mark{i, to, n - 1})
		}
		i++
	}
	if depth > 0 {
		return nil, errUnbalanced
	}
	return marks, nil
}

var errUnbalanced = errors.New("adsync: sqlstore.Table.Where has parentheses that do not match; it would let through other rows than it seems to")

// skipQuoted returns where the literal, name or comment that begins at i ends, or
// i when none does.
func (s whereScanner) skipQuoted(i int) (int, error) {
	d, text, rest := s.d, s.text, s.text[i:]
	switch {
	case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`':
		escapes := d.backslash && rest[0] != '`' || d.dollars && rest[0] == '\'' && isEscapeString(text, i)
		return endQuote(text, i, escapes)
	case rest[0] == '$' && d.dollars:
		if i > 0 && isWord(text[i-1]) {
			return i, nil
		}
		return endDollar(text, i)
	case s.beginsComment(rest):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			return i + n, nil
		}
		return len(text), nil
	case rest[0] == '[' && d.brackets:
		if n := strings.IndexByte(rest, ']'); n >= 0 {
			return i + n + 1, nil
		}
		return 0, errors.New("adsync: sqlstore.Table.Where has a quote without an end")
	case d.hash && (strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*M!")):
		return 0, errors.New("adsync: sqlstore.Table.Where has a comment that some servers run; write out what they are to run")
	case strings.HasPrefix(rest, "/*"):
		return s.endComment(i)
	}
	return i, nil
}

// endComment finds the end of a comment. Those of PostgreSQL may hold others.
func (s whereScanner) endComment(i int) (int, error) {
	depth := 1
	for j := i + 2; j+2 <= len(s.text); j++ {
		switch {
		case s.text[j:j+2] == "*/":
			depth--
			j++
		case s.text[j:j+2] == "/*" && s.d.nested:
			depth++
			j++
		}
		if depth == 0 {
			return j + 1, nil
		}
	}
	return 0, errors.New("adsync: sqlstore.Table.Where has a comment without an end")
}

// beginsComment reports whether a comment to the end of the line begins. MySQL
// takes two dashes without a space for two minus signs.
func (s whereScanner) beginsComment(rest string) bool {
	if s.d.hash {
		return rest[0] == '#' || strings.HasPrefix(rest, "-- ") || strings.HasPrefix(rest, "--\n") || strings.HasPrefix(rest, "--\t")
	}
	return strings.HasPrefix(rest, "--")
}

// isEscapeString reports whether the quote at i opens a literal with escapes, which an E
// before it announces.
func isEscapeString(text string, i int) bool {
	return i > 0 && (text[i-1] == 'e' || text[i-1] == 'E') && (i < 2 || !isWord(text[i-2]))
}

func endQuote(text string, i int, escapes bool) (int, error) {
	q := text[i]
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && escapes:
			j++
		case text[j] == q && j+1 < len(text) && text[j+1] == q:
			j++
		case text[j] == q:
			return j + 1, nil
		}
	}
	return 0, errors.New("adsync: sqlstore.Table.Where has a quote without an end")
}

// endDollar skips $tag$…$tag$; a tag begins with no digit.
func endDollar(text string, i int) (int, error) {
	j := i + 1
	for j < len(text) && isWord(text[j]) && text[j] != '$' {
		j++
	}
	if j == len(text) || text[j] != '$' || digits(text[i+1:]) > 0 {
		return i, nil
	}
	tag := text[i : j+1]
	n := strings.Index(text[j+1:], tag)
	if n < 0 {
		return 0, errors.New("adsync: sqlstore.Table.Where has a quote without an end")
	}
	return j + 1 + n + len(tag), nil
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// isWord reports whether c may be inside an unquoted name.
func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
