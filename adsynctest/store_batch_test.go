package adsynctest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-adsync/adsync"
)

func TestCheckStore_Batches(t *testing.T) {
	always := context.Background()
	testBroken(t, []brokenCase{
		{"ApplyChanges must return one Written for each", func(b *broken) {
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				return slices.DeleteFunc(b.MemoryStore.ApplyChanges(ctx, cs), func(w adsync.Written) bool { return w.Err == nil })
			}
		}},
		{"ApplyChanges must return one Written for each", func(b *broken) {
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				if len(out) > 1 {
					out[0], out[1] = out[1], out[0]
				}
				return out
			}
		}},
		{"ApplyChanges must write the changes of a batch in which another fails", func(b *broken) {
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				trial := adsync.NewMemoryStore(slices.Collect(keysOf(b.MemoryStore.Users(always)))...)
				out := trial.ApplyChanges(ctx, cs)
				if !slices.ContainsFunc(out, func(w adsync.Written) bool { return w.Err != nil }) {
					b.MemoryStore.ApplyChanges(ctx, cs)
				}
				return out
			}
		}},
		{"ApplyChanges must answer each change as if it were alone", func(b *broken) {
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				for i := range out {
					if errors.Is(out[i].Err, adsync.ErrAlready) {
						out[i].Err = adsync.ErrStale
					}
				}
				return out
			}
		}},
		{"ApplyChanges must do as the single writes: DeleteUser must free both keys", func(b *broken) {
			kept := map[string]bool{}
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				b.mu.Lock()
				defer b.mu.Unlock()
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				for i, c := range cs {
					if c.After != nil && kept[c.After.Username] {
						out[i].Err = adsync.ErrConflict
					}
					if c.Op == adsync.OpDelete {
						kept[c.Before.Username] = true
					}
				}
				return out
			}
		}},
		{"ApplyChanges must do as the single writes: UpdateUser must fail and write nothing when the context", func(b *broken) {
			b.apply = func(_ context.Context, cs []adsync.Change) []adsync.Written {
				return b.MemoryStore.ApplyChanges(always, cs)
			}
		}},
		{"ApplyChanges must create users as CreateUser does", func(b *broken) {
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				for i := range out {
					out[i].UserID = ""
				}
				return out
			}
		}},
		{"ApplyChanges must do as the single writes: DeleteUser must refuse", func(b *broken) {
			b.apply = b.applied(func(ctx context.Context, c adsync.Change) error {
				if c.Op == adsync.OpDelete {
					return b.force(ctx, c)
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			})
		}},
		{"ApplyChanges must answer each change as if it were alone", func(b *broken) { // deletes all that it is told to
			b.apply = b.applied(func(ctx context.Context, c adsync.Change) error {
				if c.Op == adsync.OpDelete {
					return b.force(ctx, c)
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			})
		}},
		{"ApplyChanges must do as the single writes: DeleteUser must answer ErrAlready", func(b *broken) {
			b.apply = b.hiding(adsync.OpDelete, adsync.ErrAlready)
		}},
		{"ApplyChanges must do as the single writes: UpdateUser must answer ErrAlready", func(b *broken) {
			b.apply = b.hiding(adsync.OpUpdate, adsync.ErrAlready)
		}},
		{"ApplyChanges must do as the single writes: UpdateUser must refuse a key", func(b *broken) {
			b.apply = b.hiding(adsync.OpUpdate, adsync.ErrConflict)
		}},
		{"ApplyChanges must do as the single writes: CreateUser must answer ErrAlready", func(b *broken) {
			b.apply = b.hiding(adsync.OpCreate, adsync.ErrAlready)
		}},
		{"ApplyChanges must do as the single writes: CreateUser must refuse a key", func(b *broken) {
			b.apply = b.hiding(adsync.OpCreate, adsync.ErrConflict)
		}},
		{"ApplyChanges must create users as CreateUser does", func(b *broken) { // mixes up who is who
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				if last := len(out) - 1; last > 1 && cs[0].Op == adsync.OpCreate {
					out[0].UserID, out[last].UserID = out[last].UserID, out[0].UserID
				}
				return out
			}
		}},
		{"ApplyChanges must do as the single writes: UpdateUser must write a change of case", func(b *broken) {
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				for i, c := range cs {
					if c.After != nil {
						after := *c.After
						after.Email = strings.ToLower(after.Email)
						cs[i].After = &after
					}
				}
				return b.MemoryStore.ApplyChanges(ctx, cs)
			}
		}},
		{"ApplyChanges must do as the single writes: DeleteUser must remove the row", func(b *broken) { // for another user
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				for i := range out {
					out[i].UserID = cs[0].UserID
				}
				return out
			}
		}},
		{"ApplyChanges must write all of a batch", func(b *broken) { // only the first ten
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				return append(b.MemoryStore.ApplyChanges(ctx, cs[:min(10, len(cs))]), make([]adsync.Written, max(0, len(cs)-10))...)
			}
		}},
		{"ApplyChanges must write all of a batch", func(b *broken) { // only the first 499, and says so
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs[:min(499, len(cs))])
				for range len(cs) - len(out) {
					out = append(out, adsync.Written{Err: errors.New("too many")})
				}
				return out
			}
		}},
		{"ApplyChanges must write all of a batch", func(b *broken) { // touches another row
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				if eve, ok := b.Get("5"); ok && len(cs) > 100 {
					after := eve
					after.Phone = ""
					cs = append(slices.Clone(cs), adsync.NewUpdate(adsync.ReasonChanged, &eve, &after))
					out := b.MemoryStore.ApplyChanges(ctx, cs)
					return out[:len(out)-1]
				}
				return b.MemoryStore.ApplyChanges(ctx, cs)
			}
		}},
		{"ApplyChanges must create 5,000 users", func(b *broken) { // only the first thousand
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				return append(b.MemoryStore.ApplyChanges(ctx, cs[:min(1000, len(cs))]), make([]adsync.Written, max(0, len(cs)-1000))...)
			}
		}},
		{"ApplyChanges must create 5,000 users", func(b *broken) { // fewer than it says
			b.traits = &adsync.Traits{CreatesAtOnce: 5001}
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				if len(cs) > 5000 {
					out[5000].Err = errors.New("too many")
				}
				return out
			}
		}},
		{"ApplyChanges must create 5,000 users", func(b *broken) { // none where one is there
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				if len(cs) < 1000 {
					return b.MemoryStore.ApplyChanges(ctx, cs)
				}
				out := adsync.NewMemoryStore(slices.Collect(keysOf(b.MemoryStore.Users(always)))...).ApplyChanges(ctx, cs)
				if slices.ContainsFunc(out, func(w adsync.Written) bool { return w.Err != nil }) {
					return slices.Repeat([]adsync.Written{{Err: errors.New("rolled back")}}, len(cs))
				}
				return b.MemoryStore.ApplyChanges(ctx, cs)
			}
		}},
		{"ApplyChanges must create 5,000 users", func(b *broken) { // with another ID for who is there
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				if len(cs) > 1000 {
					out[len(out)/2].UserID = "4"
				}
				return out
			}
		}},
		{"ApplyChanges must return one Written for each", func(b *broken) { // and one for none
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				if len(cs) == 0 {
					return make([]adsync.Written, 1)
				}
				return b.MemoryStore.ApplyChanges(ctx, cs)
			}
		}},
		{"ApplyChanges must return one Written for each", func(b *broken) { // leaves out a deletion at the end
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				if last := len(cs) - 1; last == 2 && cs[last].Op == adsync.OpDelete {
					return append(b.MemoryStore.ApplyChanges(ctx, cs[:last]), adsync.Written{})
				}
				return b.MemoryStore.ApplyChanges(ctx, cs)
			}
		}},
		{"ApplyChanges must answer each change as if it were alone", func(b *broken) { // and touches another row where nothing is left to do
			b.apply = func(ctx context.Context, cs []adsync.Change) []adsync.Written {
				out := b.MemoryStore.ApplyChanges(ctx, cs)
				if len(out) > 4 && errors.Is(out[0].Err, adsync.ErrAlready) {
					b.everyOther(cs[0].UserID, func(u *adsync.User) { u.LastName = "0" })
				}
				return out
			}
		}},
	})
}
