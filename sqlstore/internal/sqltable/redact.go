package sqltable

import "strings"

// Redact takes the values out of a text, wherever they stand as words of their
// own: a trigger's message may quote what it refused.
func Redact(text string, values ...string) string {
	for _, v := range values {
		if strings.TrimSpace(v) == "" {
			continue
		}
		text = redactOne(text, v)
	}
	return text
}

func redactOne(text, value string) string {
	var out strings.Builder
	done, from := 0, 0
	for {
		i := indexFold(text[from:], value)
		if i < 0 {
			out.WriteString(text[done:])
			return out.String()
		}
		i += from
		end := i + len(value)
		if i > 0 && isWord(text[i-1]) || end < len(text) && isWord(text[end]) {
			from = i + 1
			continue
		}
		out.WriteString(text[done:i] + "…")
		done, from = end, end
	}
}

// indexFold is strings.Index without regard to case.
func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}
