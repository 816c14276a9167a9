package adsynctest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-adsync/adsync"
)

// checkCheck asks twice, as each run of a host may, and looks at the rows afterwards.
func (b *bench) checkCheck() error {
	store, ok := b.store.(adsync.Checker)
	if !ok {
		return nil
	}
	first, err := store.Check(b.ctx)
	if err != nil {
		return fmt.Errorf("it failed: %w", err)
	}
	for i, warning := range first {
		switch {
		case strings.TrimSpace(warning) == "":
			return fmt.Errorf("warning %d says nothing", i+1)
		case !utf8.ValidString(warning):
			return fmt.Errorf("warning %d is not valid UTF-8", i+1)
		case strings.ContainsAny(warning, "\r\n"):
			return fmt.Errorf("warning %d has several lines", i+1)
		}
	}
	second, err := store.Check(b.ctx)
	if err != nil {
		return fmt.Errorf("it failed when asked again: %w", err)
	}
	if !slices.Equal(first, second) {
		return errors.New("it said something else when asked again")
	}
	return b.sees(b.rows)
}

// checkCheckContext takes no answer for a table that is well.
func (b *bench) checkCheckContext() error {
	store, ok := b.store.(adsync.Checker)
	if !ok {
		return nil
	}
	if _, err := store.Check(b.ended()); err == nil {
		return errors.New("it answered")
	}
	return nil
}
