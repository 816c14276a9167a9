package adsynctest_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestCheckStore_Failures(t *testing.T) {
	always := context.Background()
	// late writes all the same, and only then looks at the context.
	late := func(b *broken, answer func(ctx context.Context) error) {
		b.update = func(ctx context.Context, c adsync.Change) error {
			return cmp.Or(b.MemoryStore.UpdateUser(always, c), answer(ctx))
		}
		b.delete = func(ctx context.Context, c adsync.Change) error {
			return cmp.Or(b.MemoryStore.DeleteUser(always, c), answer(ctx))
		}
		b.create = func(ctx context.Context, c adsync.Change) (string, error) {
			id, err := b.MemoryStore.CreateUser(always, c)
			return id, cmp.Or(err, answer(ctx))
		}
		b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
			out := b.MemoryStore.ApplyChanges(always, cs)
			for i := range out {
				out[i].Err = cmp.Or(out[i].Err, answer(ctx))
			}
			return out
		}
	}
	ofContext := func(ctx context.Context) error { return ctx.Err() }
	notWritten := func(ctx context.Context) error {
		if ctx.Err() != nil {
			return adsync.ErrNotWritten
		}
		return nil
	}
	// meanwhile does so only to writes that began in time.
	meanwhile := func(answer error) func(b *broken) {
		return func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				err := b.MemoryStore.UpdateUser(always, c)
				if err == nil && ctx.Err() != nil {
					return answer
				}
				return err
			}
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				if ctx.Err() != nil {
					return slices.Repeat([]adsync.Written{{Err: ctx.Err()}}, len(cs))
				}
				out := b.MemoryStore.ApplyChanges(always, cs)
				for i := range out {
					if out[i].Err == nil && ctx.Err() != nil {
						out[i].Err = answer
					}
				}
				return out
			}
		}
	}
	const cutShort = "A write that answers an error must have written nothing"
	const batchCutShort = "ApplyChanges must tell each change apart when the context ends meanwhile"
	var cases []brokenCase
	for _, answer := range []func(context.Context) error{ofContext, notWritten} {
		for _, duty := range []string{
			"UpdateUser must fail and write nothing", "DeleteUser must fail and remove nothing", "CreateUser must fail and add nothing",
		} {
			cases = append(cases,
				brokenCase{duty, func(b *broken) { late(b, answer) }},
				brokenCase{"ApplyChanges must do as the single writes: " + duty, func(b *broken) { late(b, answer) }},
			)
		}
	}
	for _, answer := range []error{adsync.ErrNotWritten, context.Canceled, errors.New("the connection was closed"), adsync.ErrStale} {
		cases = append(cases,
			brokenCase{cutShort, meanwhile(answer)},
			brokenCase{"ApplyChanges must do as the single writes: " + cutShort, meanwhile(answer)},
			brokenCase{batchCutShort, meanwhile(answer)},
		)
	}
	testBroken(t, slices.Concat(cases, []brokenCase{
		{"UpdateUser must fail and write nothing", func(b *broken) { // says that it did what it did not
			b.update = func(ctx context.Context, c adsync.Change) error {
				if ctx.Err() != nil {
					return nil
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must fail and write nothing", func(b *broken) { // or that somebody else did
			b.update = func(ctx context.Context, c adsync.Change) error {
				if ctx.Err() != nil {
					return adsync.ErrAlready
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{cutShort, func(b *broken) { // takes the end for a row that has changed
			b.update = func(ctx context.Context, c adsync.Change) error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if ctx.Err() != nil {
					return adsync.ErrStale
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{cutShort, func(b *broken) { // says that a user was added who was not
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				if ctx.Err() != nil {
					return "", ctx.Err()
				}
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if errors.Is(err, adsync.ErrNotWritten) {
					return "77", nil
				}
				return id, err
			}
		}},
		{batchCutShort, func(b *broken) { // forgets the rest
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				if ctx.Err() != nil {
					return slices.Repeat([]adsync.Written{{Err: ctx.Err()}}, len(cs))
				}
				out := make([]adsync.Written, len(cs))
				for i := range cs {
					if ctx.Err() == nil {
						out[i] = b.MemoryStore.ApplyChanges(always, cs[i:i+1])[0]
					}
				}
				return out
			}
		}},
		{batchCutShort, func(b *broken) { // adds users late
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				if last := len(cs) - 1; last > 10 && cs[last].Op == adsync.OpCreate && errors.Is(out[last].Err, adsync.ErrNotWritten) && out[0].Err == nil {
					_, _ = b.MemoryStore.CreateUser(always, cs[last])
				}
				return out
			}
		}},
		{batchCutShort, func(b *broken) { // and their answers
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				if len(cs) < 10 {
					return out
				}
				return slices.DeleteFunc(out, func(w adsync.Written) bool { return errors.Is(w.Err, adsync.ErrNotWritten) })
			}
		}},
		{"UpdateUser must refuse a row that is not as Before says with ErrStale, and leave it alone", func(b *broken) { // writes as well
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrStale) {
					_ = b.force(ctx, c)
				}
				return err
			}
		}},
		{"DeleteUser must refuse a row that is not as Before says with ErrStale, and leave it alone", func(b *broken) { // deletes as well
			b.delete = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.DeleteUser(ctx, c)
				if errors.Is(err, adsync.ErrStale) {
					_ = b.force(ctx, c)
				}
				return err
			}
		}},
		{"CreateUser must refuse a key that another row holds with ErrConflict, and add nothing", func(b *broken) { // adds one without it
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					after := *c.After
					after.Username, after.Email = "someone", ""
					c.After = &after
					_, _ = b.MemoryStore.CreateUser(ctx, c)
				}
				return id, err
			}
		}},
		{"A write must leave the Change as it is", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (id string, err error) {
				c.After.ID, err = b.MemoryStore.CreateUser(ctx, c)
				return c.After.ID, err
			}
		}},
		{"A write must leave the Change as it is", func(b *broken) { // marks who is deleted
			b.delete = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.DeleteUser(ctx, c)
				c.Before.Status = adsync.StatusDeactivated
				return err
			}
		}},
	}))
}

// A store that cannot tell says so, which is no fault of its own.
func TestCheckStore_FitsStoresThatCannotTell(t *testing.T) {
	always := context.Background()
	require.NoError(t, checkBroken(t.Context(), func(b *broken) {
		b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
			if ctx.Err() != nil {
				return slices.Repeat([]adsync.Written{{Err: ctx.Err()}}, len(cs))
			}
			out := make([]adsync.Written, len(cs))
			for i := range cs {
				switch {
				case ctx.Err() == nil:
					out[i] = b.MemoryStore.ApplyChanges(always, cs[i:i+1])[0]
				case i%2 == 0: // the answer was lost, after it or before
					_ = b.MemoryStore.ApplyChanges(always, cs[i:i+1])
					fallthrough
				default:
					out[i].Err = adsync.ErrUnknown
				}
			}
			return out
		}
	}))
}
