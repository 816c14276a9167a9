package sqltable

import (
	"strconv"
	"strings"
)

// statement is a text in the making, which counts its placeholders.
type statement struct {
	strings.Builder
	d    Dialect
	args int
}

// arg returns the next placeholder.
func (s *statement) arg() string {
	s.args++
	if s.d.numbered {
		return "$" + strconv.Itoa(s.args)
	}
	return "?"
}

// add appends all the parts.
func (s *statement) add(parts ...string) {
	for _, p := range parts {
		s.WriteString(p)
	}
}

// list appends n items with a separator.
func (s *statement) list(n int, sep string, item func(i int) string) {
	for i := range n {
		if i > 0 {
			s.WriteString(sep)
		}
		s.WriteString(item(i))
	}
}
