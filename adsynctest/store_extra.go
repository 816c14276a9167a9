package adsynctest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// extras are the details beyond the five that the store says it holds.
func (b *bench) extras() []adsync.Field {
	return slices.DeleteFunc(slices.Clone(b.fields), func(f adsync.Field) bool { return !isExtra(f) || f == adsync.FieldRoles })
}

// isExtra reports whether the field is a detail beyond the five.
func isExtra(f adsync.Field) bool { return adsync.Profile{}.With(f, "x").Extra != adsync.Extra{} }

// checkExtra writes each further detail, writes another value, clears it again, and is
// refused where a row has another one than expected. The values are UUIDs, as the column
// may be one of references.
func (b *bench) checkExtra() error {
	for _, f := range b.extras() {
		first := []string{"7d9a3c52-0001-4a5e-8f00-00000000ada0"}
		if slices.Contains(traitsOf(b.store).Sets, f) {
			first = append(first, "7d9a3c52-0002-4a5e-8f00-00000000ada0")
		}
		if err := b.checkExtraField(f, first, []string{"7d9a3c52-0003-4a5e-8f00-00000000ada0"}); err != nil {
			return fmt.Errorf("of %q: %w", f, err)
		}
	}
	return nil
}

func (b *bench) checkExtraField(f adsync.Field, states ...[]string) error {
	with := func(values []string) adsync.User {
		u := b.rows[ada]
		u.Extra = u.Extra.With(f, values...)
		return u
	}
	now := b.rows[ada]
	for _, values := range append(states, b.rows[ada].Extra.Set(f)) {
		after := with(values)
		if err := answeredAs(b.update(now, after), nil); err != nil {
			return err
		}
		listed, err := b.list()
		if err != nil {
			return err
		}
		at := slices.IndexFunc(listed, func(u adsync.User) bool { return u.ID == now.ID })
		if at < 0 || listed[at].Extra != after.Extra {
			return errors.New("the row does not hold what was written, or not that alone")
		}
		stale := with([]string{"7d9a3c52-0004-4a5e-8f00-00000000ada0"})
		if err := answeredAs(b.update(stale, with([]string{"7d9a3c52-0005-4a5e-8f00-00000000ada0"})), adsync.ErrStale); err != nil {
			return err
		}
		now = after
	}
	return nil
}
