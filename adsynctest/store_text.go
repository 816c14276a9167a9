package adsynctest

import (
	"errors"
	"fmt"
	"strings"
)

// text is a value that a plan may hold, and that not every column takes.
type text struct{ what, value string }

var texts = []text{
	{"64 characters", long(64)},
	{"256 characters", long(256)},
	{"blanks within", "a  b\tc"},
	{"blanks at its ends", " a b "},
	{"a letter in two code points", "Zoe\u0308"},
	{"a letter of four bytes", "Zoë \U0001d49c"},
	{"a letter that has a plainer form", "\ufb01 \uff21"},
}

// long ends in a letter that a cut would lose.
func long(n int) string {
	return string([]rune(strings.Repeat("Größe-7. ", n))[:n-1]) + "Z"
}

// checkUpdateTexts lets a column be too short, as long as the store says so.
func (b *bench) checkUpdateTexts() error {
	now := b.rows[ada]
	for _, f := range details {
		if !b.holds(f) {
			continue
		}
		for _, t := range texts {
			after := b.after(now, f, t.value)
			err := b.update(now, after)
			if err == nil {
				now = after
			}
			if err := b.tookOrRefused(err, b.rows.with(now)); err != nil {
				return fmt.Errorf("with %s in %s, %w", t.what, f, err)
			}
		}
	}
	return nil
}

func (b *bench) checkCreateTexts() error {
	if !b.creates() {
		return nil
	}
	then := b.rows
	for i, f := range details {
		if !b.holds(f) {
			continue
		}
		for j, t := range texts {
			u := b.after(b.newcomer(1+i*len(texts)+j), f, t.value)
			w := b.create(u)
			if w.Err == nil {
				u.ID = w.UserID
				then = then.with(u)
			}
			if err := b.tookOrRefused(w.Err, then); err != nil {
				return fmt.Errorf("with %s in %s, %w", t.what, f, err)
			}
		}
	}
	return nil
}

// tookOrRefused holds a write to its word. A text that does not fit is the store's
// own error: it is about neither the row nor its keys, and not the end of the run.
func (b *bench) tookOrRefused(err error, then table) error {
	for _, verdict := range verdicts {
		if errors.Is(err, verdict) {
			return fmt.Errorf("it answered what is not so of a text that does not fit: %w", verdict)
		}
	}
	return b.sees(then)
}
