// Package customstore is a host's own user table: a map, in place of its database.
package customstore

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"strings"
	"sync"

	"github.com/go-adsync/adsync"
)

// Accounts is an adsync.UserStore. Its lock, held for a whole write, makes it atomic.
type Accounts struct {
	mu   sync.Mutex
	rows map[string]*adsync.User // by ID
}

// Users yields all rows, and an error last if it was cut short.
func (a *Accounts) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		a.mu.Lock()
		rows := maps.Clone(a.rows)
		a.mu.Unlock()
		for _, u := range rows {
			if err := ctx.Err(); !yield(*u, err) || err != nil {
				return
			}
		}
	}
}

// UpdateUser writes what Guard allows, and so does DeleteUser.
func (a *Accounts) UpdateUser(ctx context.Context, c adsync.Change) error { return a.write(ctx, c) }
func (a *Accounts) DeleteUser(ctx context.Context, c adsync.Change) error { return a.write(ctx, c) }

func (a *Accounts) write(ctx context.Context, c adsync.Change) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := cmp.Or(ctx.Err(), c.Guard(a.rows[c.UserID])); err != nil {
		return err
	}
	if c.Op == adsync.OpDelete {
		delete(a.rows, c.UserID)
		return nil
	}
	for id, u := range a.rows {
		if id != c.UserID && (same(u.Username, c.After.Username) || same(u.Email, c.After.Email)) {
			return adsync.ErrConflict
		}
	}
	a.rows[c.UserID] = c.After
	return nil
}

func same(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
