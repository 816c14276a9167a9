package adsync_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"

	"github.com/go-adsync/adsync"
)

// storeWorld makes a world that a store and a directory can hold: each account
// once, and keys folded as the store folds them.
//
// Both know more than the rules are about, so that these say what that is.
func storeWorld(w world) world {
	w.rules.fold, w.rules.keys = "", nil
	w.rules.roles = append([]string{}, w.rules.roles...)
	if len(w.rules.fields) == 0 {
		w.rules.fields = detailFields
	}
	seen := map[adsync.ObjectID]bool{}
	w.entries = slices.DeleteFunc(slices.Clone(w.entries), func(e adsync.Entry) bool {
		again := seen[e.ObjectID]
		seen[e.ObjectID] = true
		return again
	})
	return w
}

// memoryWorld is a storeWorld whose rules name what a MemoryStore holds.
func memoryWorld(w world) world {
	w = storeWorld(w)
	w.rules.fields = append(slices.Clone(w.rules.fields), adsync.FieldDeactivatedAt)
	return w
}

// memoryOf is a MemoryStore that holds all that worlds have.
func memoryOf(w world) *adsync.MemoryStore {
	return adsync.NewMemoryStore(w.users...).Hold(fieldTeam, fieldLangs)
}

// plainTable is a user table with unique keys and nothing else.
type plainTable struct {
	rows map[string]adsync.User
	fold func(string) string
}

func newPlainTable(users []adsync.User) *plainTable {
	t := &plainTable{rows: map[string]adsync.User{}, fold: remembering(foldByTheBook)}
	for _, u := range users {
		t.rows[u.ID] = u
	}
	return t
}

func (t *plainTable) Users(context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		for _, u := range t.rows {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (t *plainTable) Traits() adsync.Traits { return worldTraits }

func (t *plainTable) UpdateUser(_ context.Context, c adsync.Change) error {
	if err := t.guard(c); err != nil {
		return err
	}
	if t.newlyHeld(t.rows[c.UserID], *c.After) {
		return adsync.ErrConflict
	}
	t.rows[c.UserID] = *c.After
	return nil
}

func (t *plainTable) DeleteUser(_ context.Context, c adsync.Change) error {
	if err := t.guard(c); err != nil {
		return err
	}
	delete(t.rows, c.UserID)
	return nil
}

func (t *plainTable) CreateUser(_ context.Context, c adsync.Change) (string, error) {
	u := *c.After
	u.ID = "new " + u.ObjectID.String()
	if _, there := t.rows[u.ID]; there {
		return u.ID, adsync.ErrAlready
	}
	if t.newlyHeld(adsync.User{ID: u.ID}, u) {
		return "", adsync.ErrConflict
	}
	t.rows[u.ID] = u
	return u.ID, nil
}

func (t *plainTable) guard(c adsync.Change) error {
	if row, there := t.rows[c.UserID]; there {
		return c.Guard(&row)
	}
	return c.Guard(nil)
}

// newlyHeld tells whether another row holds a key that the row takes. A clash
// that is there already is no reason to refuse.
func (t *plainTable) newlyHeld(was, now adsync.User) bool {
	for _, f := range keyFields {
		folded := t.fold(*detail(&now.Profile, f))
		if folded == "" || folded == t.fold(*detail(&was.Profile, f)) {
			continue
		}
		for _, u := range t.rows {
			if u.ID != was.ID && t.fold(*detail(&u.Profile, f)) == folded {
				return true
			}
		}
	}
	return false
}

// table is a store that creates users, and whose other powers are hidden.
type table interface {
	adsync.UserStore
	adsync.Creator
}

// faultyStore is a table that refuses some writes, or breaks.
type faultyStore struct {
	table
	refuse  func(adsync.Change) bool
	left    int   // writes until it breaks; negative: it never does
	last    error // what the write after which it breaks returns, though done
	written int
}

func (s *faultyStore) Traits() adsync.Traits { return worldTraits }

func newFaultyStore(t table) *faultyStore { return &faultyStore{table: t, left: -1} }

var (
	errRefused = errors.New("refused")
	errBroken  = errors.New("the store is down")
)

func (s *faultyStore) write(c adsync.Change, do func() error) error {
	if s.left == 0 {
		return errBroken
	}
	if s.refuse != nil && s.refuse(c) {
		return errRefused
	}
	err := do()
	if err != nil {
		return err
	}
	s.written++
	s.left--
	if s.left == 0 {
		return s.last
	}
	return nil
}

func (s *faultyStore) UpdateUser(ctx context.Context, c adsync.Change) error {
	return s.write(c, func() error { return s.table.UpdateUser(ctx, c) })
}

func (s *faultyStore) DeleteUser(ctx context.Context, c adsync.Change) error {
	return s.write(c, func() error { return s.table.DeleteUser(ctx, c) })
}

func (s *faultyStore) CreateUser(ctx context.Context, c adsync.Change) (id string, err error) {
	err = s.write(c, func() error { id, err = s.table.CreateUser(ctx, c); return err })
	return id, err
}

// batchingStore takes batches, and sees to it that nothing in one needs another.
type batchingStore struct {
	*faultyStore
	plan   *adsync.Plan
	broken error
}

func (s *batchingStore) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	var out []adsync.Written
	for _, c := range cs {
		for _, n := range c.Needs {
			if slices.ContainsFunc(cs, func(o adsync.Change) bool { return sameChange(o, s.plan.Changes[n]) }) {
				s.broken = errors.New("a batch holds a change and what it needs")
			}
		}
		w := adsync.Written{UserID: c.UserID}
		switch c.Op {
		case adsync.OpDelete:
			w.Err = s.DeleteUser(ctx, c)
		case adsync.OpCreate:
			w.UserID, w.Err = s.CreateUser(ctx, c)
		default:
			w.Err = s.UpdateUser(ctx, c)
		}
		out = append(out, w)
	}
	return out
}

func sameChange(a, b adsync.Change) bool {
	return a.Op == b.Op && a.UserID == b.UserID && a.ObjectID == b.ObjectID && reflect.DeepEqual(a.After, b.After)
}

func worldSyncer(w world, store adsync.UserStore) (*adsync.Syncer, error) {
	return worldSyncerIn(0, w, store)
}

// worldSyncerIn gives changes in batches of that size to a store that takes them.
func worldSyncerIn(batch int, w world, store adsync.UserStore) (*adsync.Syncer, error) {
	return adsync.New(telling{adsync.StaticDirectory(w.entries), worldTraits}, store, &adsync.Options{
		BatchSize: batch,
		Rules:     w.rules.adsync(),
		Limits:    adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxGranted: -1, MaxRevoked: -1, AllowEmpty: true},
	})
}
