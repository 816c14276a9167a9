package adsynctest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// broken is a MemoryStore of which a test replaces one thing.
type broken struct {
	*adsync.MemoryStore
	users  func(ctx context.Context) iter.Seq2[adsync.User, error]
	update func(ctx context.Context, c adsync.Change) error
	delete func(ctx context.Context, c adsync.Change) error
	create func(ctx context.Context, c adsync.Change) (string, error)
	apply  func(ctx context.Context, cs []adsync.Change) []adsync.Written
	lock   func(ctx context.Context) (func() error, error)
	fields []adsync.Field
	mu     sync.Mutex // for what a function remembers: some duties write at once
}

func (b *broken) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	if b.users != nil {
		return b.users(ctx)
	}
	return b.MemoryStore.Users(ctx)
}

func (b *broken) UpdateUser(ctx context.Context, c adsync.Change) error {
	if b.update != nil {
		return b.update(ctx, c)
	}
	return b.MemoryStore.UpdateUser(ctx, c)
}

func (b *broken) DeleteUser(ctx context.Context, c adsync.Change) error {
	if b.delete != nil {
		return b.delete(ctx, c)
	}
	return b.MemoryStore.DeleteUser(ctx, c)
}

func (b *broken) CreateUser(ctx context.Context, c adsync.Change) (string, error) {
	if b.create != nil {
		return b.create(ctx, c)
	}
	return b.MemoryStore.CreateUser(ctx, c)
}

func (b *broken) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	if b.apply != nil {
		return b.apply(ctx, cs)
	}
	return b.MemoryStore.ApplyChanges(ctx, cs)
}

func (b *broken) Lock(ctx context.Context) (func() error, error) {
	if b.lock != nil {
		return b.lock(ctx)
	}
	return func() error { return nil }, nil
}

func (b *broken) Traits() adsync.Traits {
	if b.fields != nil {
		return adsync.Traits{Fields: b.fields}
	}
	return b.MemoryStore.Traits()
}

// force writes without asking Guard: it makes the change one that Guard allows.
func (b *broken) force(ctx context.Context, c adsync.Change) error {
	now, ok := b.Get(c.UserID)
	if !ok {
		return adsync.ErrAlready
	}
	c.Before = &now
	if c.Op == adsync.OpDelete {
		return b.MemoryStore.DeleteUser(ctx, c)
	}
	after := *c.After
	c.After = &after
	return b.MemoryStore.UpdateUser(ctx, c)
}

// applied writes a batch by the function, which is given updates and deletions.
func (b *broken) applied(write func(ctx context.Context, c adsync.Change) error) func(context.Context, []adsync.Change) []adsync.Written {
	return func(ctx context.Context, cs []adsync.Change) []adsync.Written {
		out := make([]adsync.Written, len(cs))
		for i, c := range cs {
			if c.Op == adsync.OpCreate {
				out[i] = b.MemoryStore.ApplyChanges(ctx, cs[i:i+1])[0]
				continue
			}
			out[i].Err = write(ctx, c)
		}
		return out
	}
}

// hiding writes a batch, and tells one kind of failure as a success.
func (b *broken) hiding(op adsync.Op, verdict error) func(context.Context, []adsync.Change) []adsync.Written {
	return func(ctx context.Context, cs []adsync.Change) []adsync.Written {
		out := b.MemoryStore.ApplyChanges(ctx, cs)
		for i, c := range cs {
			if c.Op == op && errors.Is(out[i].Err, verdict) {
				out[i].Err = nil
			}
		}
		return out
	}
}

// mutex is a lock that honours its context.
type mutex chan struct{}

func (m mutex) Lock(ctx context.Context) (func() error, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case m <- struct{}{}:
		return func() error { <-m; return nil }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestCheckStoreNamesTheBrokenDuty breaks a good store in one way at a time.
func TestCheckStoreNamesTheBrokenDuty(t *testing.T) {
	always := context.Background()
	for _, test := range []struct {
		duty string
		harm func(b *broken)
	}{
		{"Traits must name", func(b *broken) { b.fields = []adsync.Field{adsync.FieldEmail, adsync.FieldEmail} }},
		{"Traits must name", func(b *broken) { b.fields = []adsync.Field{adsync.FieldEmail, adsync.FieldSource} }},
		{"Traits must name", func(b *broken) { b.fields = []adsync.Field{adsync.FieldStatus} }},
		{"Traits must name", func(b *broken) { b.fields = []adsync.Field{adsync.FieldActive} }},
		{"Traits must name", func(b *broken) {
			b.fields = []adsync.Field{adsync.FieldUsername, adsync.FieldActive, adsync.FieldStatus}
		}},
		{"Users must yield every row", func(b *broken) { b.fields = []adsync.Field{adsync.FieldUsername, adsync.FieldActive} }},
		{"Users must yield every row", func(b *broken) { b.users = b.without(func(u adsync.User) bool { return u.ObjectID.IsZero() }) }},
		{"Users must yield every row", func(b *broken) {
			b.users = b.altered(func(u *adsync.User) { u.Phone = strings.TrimSuffix(u.Phone, "5") })
		}},
		{"Users must yield every row", func(b *broken) { b.users = b.altered(func(u *adsync.User) { u.Status = adsync.StatusActive }) }},
		{"Users must yield every row", func(b *broken) {
			b.users = b.altered(func(u *adsync.User) {
				if u.Source != "" {
					u.Source = strings.ToUpper(u.Source)
				}
			})
		}},
		{"Users must yield each row with an ID of its own", func(b *broken) { b.users = b.altered(func(u *adsync.User) { u.ID = "1" }) }},
		{"Users must yield each row with an ID of its own", func(b *broken) { b.users = b.altered(func(u *adsync.User) { u.ID = "" }) }},
		{"Users must return a fresh sequence", func(b *broken) {
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				next, stop := iter.Pull2(b.MemoryStore.Users(ctx))
				return func(yield func(adsync.User, error) bool) {
					defer stop()
					for u, err, ok := next(); ok && yield(u, err); u, err, ok = next() {
					}
				}
			}
		}},
		{"Users must return a fresh sequence", func(b *broken) {
			seed := slices.Collect(keysOf(b.MemoryStore.Users(always)))
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return adsync.NewMemoryStore(seed...).Users(ctx)
			}
		}},
		{"Users must stop when the loop stops", func(b *broken) {
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					for u, err := range b.MemoryStore.Users(ctx) {
						yield(u, err)
					}
				}
			}
		}},
		{"Users must end in an error", func(b *broken) {
			b.users = func(context.Context) iter.Seq2[adsync.User, error] { return b.MemoryStore.Users(always) }
		}},
		{"Users must end in an error", func(b *broken) { // ends early, as if that were all
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					if ctx.Err() != nil {
						yield(adsync.User{}, ctx.Err())
						return
					}
					for u, err := range b.MemoryStore.Users(ctx) {
						if err != nil || !yield(u, nil) {
							return
						}
					}
				}
			}
		}},
		{"Users must end in an error", func(b *broken) { // goes on after it
			b.users = func(ctx context.Context) iter.Seq2[adsync.User, error] {
				return func(yield func(adsync.User, error) bool) {
					for u, err := range b.MemoryStore.Users(ctx) {
						if !yield(u, err) || err != nil && !yield(u, err) {
							return
						}
					}
				}
			}
		}},
		{"UpdateUser must write exactly After", func(b *broken) {
			b.update = b.changed(func(after *adsync.User) { after.LastName = strings.TrimSuffix(after.LastName, "%") })
		}},
		{"UpdateUser must write exactly After", func(b *broken) { // leaves out what is emptied
			b.update = func(ctx context.Context, c adsync.Change) error {
				after := *c.After
				if after.Phone == "" {
					after.Phone = c.Before.Phone
				}
				c.After = &after
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must write exactly After", func(b *broken) { b.update = b.changed(func(after *adsync.User) { after.Status = adsync.StatusActive }) }},
		{"UpdateUser must write links", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				after := *c.After
				after.ObjectID = c.Before.ObjectID
				c.After = &after
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must write a change of case alone", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.After.Username != c.Before.Username && strings.EqualFold(c.After.Username, c.Before.Username) {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must let several users be without an email", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.After.Email == "" && c.Before.Email != "" {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must refuse a row that is not as Before says", func(b *broken) { b.update = b.force }},
		{"UpdateUser must refuse a row that is not as Before says", func(b *broken) { // refuses in its own words
			b.update = func(ctx context.Context, c adsync.Change) error {
				if err := b.MemoryStore.UpdateUser(ctx, c); errors.Is(err, adsync.ErrStale) {
					return errors.New("changed meanwhile")
				} else {
					return err
				}
			}
		}},
		{"UpdateUser must refuse a row that is gone", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if _, ok := b.Get(c.UserID); !ok {
					return nil
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must answer ErrAlready", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if err := b.MemoryStore.UpdateUser(ctx, c); !errors.Is(err, adsync.ErrAlready) {
					return err
				}
				return nil
			}
		}},
		{"UpdateUser must refuse a key that another row holds", func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					return errors.New("unique")
				}
				return err
			}
		}},
		{"UpdateUser must refuse a key that another row holds", func(b *broken) { // writes the rest
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					after := *c.After
					after.Username, after.Email = c.Before.Username, c.Before.Email
					c.After = &after
					_ = b.MemoryStore.UpdateUser(ctx, c)
				}
				return err
			}
		}},
		{"UpdateUser must let a key pass to another row", func(b *broken) {
			var mu sync.Mutex
			held := map[string]string{}
			b.update = func(ctx context.Context, c adsync.Change) error {
				mu.Lock()
				defer mu.Unlock()
				held[c.Before.Username] = c.UserID
				if owner := held[c.After.Username]; owner != "" && owner != c.UserID {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must be atomic", func(b *broken) {
			var looked sync.WaitGroup
			looked.Add(4)
			b.update = func(ctx context.Context, c adsync.Change) error {
				now, ok := b.Get(c.UserID)
				if !ok || c.After.Phone < "770" || c.After.Phone > "773" {
					return b.MemoryStore.UpdateUser(ctx, c)
				}
				looked.Done()
				looked.Wait() // all have looked before any writes
				if err := c.Guard(&now); err != nil {
					return err
				}
				return b.force(ctx, c)
			}
		}},
		{"UpdateUser must fail and write nothing when the context", func(b *broken) {
			b.update = func(_ context.Context, c adsync.Change) error { return b.MemoryStore.UpdateUser(always, c) }
		}},
		{"DeleteUser must remove the row", func(b *broken) {
			b.delete = func(_ context.Context, c adsync.Change) error { return c.Guard(c.Before) }
		}},
		{"DeleteUser must free both keys", func(b *broken) { // a soft delete that keeps them
			kept := map[string]bool{}
			b.delete = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				kept[c.Before.Email] = true
				return b.MemoryStore.DeleteUser(ctx, c)
			}
			b.update = func(ctx context.Context, c adsync.Change) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				if kept[c.After.Email] {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"DeleteUser must refuse a row that is not as Before says", func(b *broken) { b.delete = b.force }},
		{"DeleteUser must answer ErrAlready", func(b *broken) {
			b.delete = func(ctx context.Context, c adsync.Change) error {
				if _, ok := b.Get(c.UserID); !ok {
					return adsync.ErrStale
				}
				return b.MemoryStore.DeleteUser(ctx, c)
			}
		}},
		{"DeleteUser must fail and remove nothing", func(b *broken) {
			b.delete = func(_ context.Context, c adsync.Change) error { return b.MemoryStore.DeleteUser(always, c) }
		}},
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
		{"CreateUser must add a row", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				_, err := b.MemoryStore.CreateUser(ctx, c)
				return "1", err
			}
		}},
		{"CreateUser must add a row", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				after := *c.After
				after.Status = adsync.StatusBlocked
				c.After = &after
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must answer ErrAlready", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				after := *c.After
				after.ObjectID[0]++
				c.After = &after
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must refuse a key", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if errors.Is(err, adsync.ErrConflict) {
					err = errors.New("unique")
				}
				return id, err
			}
		}},
		{"CreateUser must fail and add nothing", func(b *broken) {
			b.create = func(_ context.Context, c adsync.Change) (string, error) { return b.MemoryStore.CreateUser(always, c) }
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
		{"UpdateUser must write links", func(b *broken) { // and forgets whom to protect
			b.update = b.changed(func(after *adsync.User) { after.Protected = false })
		}},
		{"UpdateUser must answer ErrAlready", func(b *broken) { // finds its own key taken
			b.update = func(ctx context.Context, c adsync.Change) error {
				if now, ok := b.Get(c.UserID); ok && now.Username == c.After.Username && c.Before.Username != c.After.Username {
					return adsync.ErrConflict
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"UpdateUser must answer ErrAlready", func(b *broken) { // and claims a conflict, too
			b.update = func(ctx context.Context, c adsync.Change) error {
				err := b.MemoryStore.UpdateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					err = errors.Join(err, adsync.ErrConflict)
				}
				return err
			}
		}},
		{`UpdateUser must take "" and StatusActive for the same`, func(b *broken) {
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.Before.Status == "" {
					return adsync.ErrStale
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{`DeleteUser must take "" and StatusActive for the same`, func(b *broken) {
			b.delete = func(ctx context.Context, c adsync.Change) error {
				if c.Before.Status == "" {
					return adsync.ErrStale
				}
				return b.MemoryStore.DeleteUser(ctx, c)
			}
		}},
		{"UpdateUser must fail and write nothing when the context", func(b *broken) { // says that all is done
			b.update = func(ctx context.Context, c adsync.Change) error {
				if ctx.Err() != nil {
					return adsync.ErrAlready
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
		}},
		{"DeleteUser must be atomic", func(b *broken) { // looks, and then deletes what is there by then
			var raced atomic.Bool
			updated := make(chan struct{}, 2)
			b.update = func(ctx context.Context, c adsync.Change) error {
				if c.After.Phone == "774" || c.After.Phone == "775" {
					raced.Store(true)
					defer func() { updated <- struct{}{} }()
				}
				return b.MemoryStore.UpdateUser(ctx, c)
			}
			b.delete = func(ctx context.Context, c adsync.Change) error {
				select {
				case <-updated:
				case <-time.After(20 * time.Millisecond):
				}
				if !raced.Load() {
					return b.MemoryStore.DeleteUser(ctx, c)
				}
				return b.force(ctx, c) // as Guard has allowed before
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
		{"CreateUser must add a row", func(b *broken) { // lets one be without an email
			had := false
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				if c.After.Email == "" && had {
					return "", adsync.ErrConflict
				}
				had = had || c.After.Email == ""
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must add a row", func(b *broken) { // folds the email
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				after := *c.After
				after.Email = strings.ToLower(after.Email)
				c.After = &after
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must answer ErrAlready", func(b *broken) { // looks at the username first
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				for u := range b.MemoryStore.Users(ctx) {
					if u.Username == c.After.Username {
						return "", adsync.ErrConflict
					}
				}
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must answer ErrAlready", func(b *broken) { // with an ID that nobody has
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if err != nil {
					id = "99"
				}
				return id, err
			}
		}},
		{"CreateUser must not take a row of another Source with the same ObjectID for the user", func(b *broken) {
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				for u := range b.MemoryStore.Users(ctx) {
					if u.ObjectID == c.After.ObjectID {
						return u.ID, adsync.ErrAlready
					}
				}
				return b.MemoryStore.CreateUser(ctx, c)
			}
		}},
		{"CreateUser must be atomic", func(b *broken) { // answers all alike
			b.create = func(ctx context.Context, c adsync.Change) (string, error) {
				id, err := b.MemoryStore.CreateUser(ctx, c)
				if errors.Is(err, adsync.ErrAlready) {
					err = nil
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
		{"Lock must keep a second run out", func(b *broken) { // only as long as the context lasts
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				unlock, err := m.Lock(ctx)
				if err != nil {
					return nil, err
				}
				free := sync.OnceValue(unlock)
				stop := context.AfterFunc(ctx, func() { _ = free() })
				return func() error { stop(); return free() }, nil
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // cannot be given back after the context
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				unlock, err := m.Lock(ctx)
				return func() error { return errors.Join(ctx.Err(), unlock()) }, err
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // is never given back
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				_, err := m.Lock(ctx)
				return func() error { return nil }, err
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // waits whatever the context says
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return m.Lock(context.Background())
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // and not say why
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				select {
				case m <- struct{}{}:
					return func() error { <-m; return nil }, nil
				default:
					return nil, errors.New("busy")
				}
			}
		}},
		{"Lock must fail when the context has ended", func(b *broken) {
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				select {
				case m <- struct{}{}:
					return func() error { <-m; return nil }, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		}},
		{"Lock must keep a second run out", func(b *broken) {
			b.lock = func(context.Context) (func() error, error) { return func() error { return nil }, nil }
		}},
		{"Lock must keep a second run out", func(b *broken) { // never lets go
			b.lock = func(ctx context.Context) (func() error, error) {
				_, err := mutex(nil).Lock(ctx)
				return nil, err
			}
		}},
	} {
		t.Run(test.duty, func(t *testing.T) {
			t.Parallel()
			// In a bubble time stands still while anybody works, so a busy machine changes
			// nothing.
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), lockPatience)
				defer cancel()
				err := adsynctest.CheckStore(ctx, func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
					b := &broken{MemoryStore: adsync.NewMemoryStore(seed...)}
					b.lock = make(mutex, 1).Lock
					test.harm(b)
					return b, nil
				})
				require.ErrorContains(t, err, "adsync: "+test.duty)
			})
		})
	}
}

// lockPatience ends a Lock that nobody ever gives back.
const lockPatience = time.Second

func keysOf(seq iter.Seq2[adsync.User, error]) iter.Seq[adsync.User] {
	return func(yield func(adsync.User) bool) {
		for u := range seq {
			if !yield(u) {
				return
			}
		}
	}
}

func (b *broken) without(hidden func(adsync.User) bool) func(context.Context) iter.Seq2[adsync.User, error] {
	return func(ctx context.Context) iter.Seq2[adsync.User, error] {
		return func(yield func(adsync.User, error) bool) {
			for u, err := range b.MemoryStore.Users(ctx) {
				if !hidden(u) && !yield(u, err) {
					return
				}
			}
		}
	}
}

func (b *broken) altered(alter func(*adsync.User)) func(context.Context) iter.Seq2[adsync.User, error] {
	return func(ctx context.Context) iter.Seq2[adsync.User, error] {
		return func(yield func(adsync.User, error) bool) {
			for u, err := range b.MemoryStore.Users(ctx) {
				alter(&u)
				if !yield(u, err) {
					return
				}
			}
		}
	}
}

func (b *broken) changed(alter func(after *adsync.User)) func(context.Context, adsync.Change) error {
	return func(ctx context.Context, c adsync.Change) error {
		after := *c.After
		alter(&after)
		c.After = &after
		return b.MemoryStore.UpdateUser(ctx, c)
	}
}

// usernameOnly holds a username and nothing else, and gives its own IDs and Source.
type usernameOnly struct{ *adsync.MemoryStore }

func (usernameOnly) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername}}
}

func TestCheckStoreFitsStoresThatHoldLess(t *testing.T) {
	err := adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		for i, u := range slices.Backward(seed) {
			seed[i] = adsync.User{ID: fmt.Sprint("row-", 9-i), ObjectID: u.ObjectID, Source: "only", Profile: adsync.Profile{Username: u.Username}}
		}
		return usernameOnly{adsync.NewMemoryStore(seed...)}, nil
	})
	require.NoError(t, err)
}

// onlyNeeded hides every optional power.
type onlyNeeded struct{ adsync.UserStore }

func TestCheckStoreDoesNotAskForOptionalPowers(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		return onlyNeeded{adsync.NewMemoryStore(seed...)}, nil
	}))
}

func TestCheckStoreTellsWhatOpenDid(t *testing.T) {
	boom := errors.New("boom")
	err := adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) { return nil, boom })
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) { return nil, nil }), "no store")
	require.ErrorContains(t, adsynctest.CheckStore(t.Context(), nil), "adsync: ")
}

type twoStatuses struct{ *adsync.MemoryStore }

func (twoStatuses) Traits() adsync.Traits {
	return adsync.Traits{Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldPhone, adsync.FieldActive}}
}

// A store that tells who is active, and no more, is checked on that.
func TestCheckStoreOfTwoStatuses(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		for i := range seed {
			if seed[i].Status == adsync.StatusDeactivated {
				seed[i].Status = adsync.StatusInactive
			}
		}
		return twoStatuses{adsync.NewMemoryStore(seed...)}, nil
	}))
}
