package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/go-adsync/adsync"
)

// host is a table of users in one of the databases.
type host struct {
	Database string `json:"database"`
	DSN      string `json:"dsn"`
}

var userColumns = []string{"ad_guid", "login", "first_name", "last_name", "email", "phone", "status"}

// rowOf is what a user has in these columns.
func rowOf(u adsync.User) []any {
	return []any{u.ObjectID.String(), u.Username, u.FirstName, u.LastName, u.Email, u.Phone, string(u.Status)}
}

// hosts keeps one filled table of each state, and copies of them to measure with.
type hosts struct {
	database
	server
	dir    string
	people int
	stop   func()
	filled map[state]bool
}

// openHosts starts a database for a directory with so many people.
func openHosts(ctx context.Context, dir string, d database, people int) (*hosts, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	server, stop, err := d.start(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &hosts{database: d, server: server, dir: dir, people: people, stop: stop, filled: map[state]bool{}}, nil
}

// close ends the database and leaves nothing of it.
func (h *hosts) close() error {
	h.stop()
	return os.RemoveAll(h.dir)
}

// lend gives f a copy of a table.
func (h *hosts) lend(ctx context.Context, s state, f func(host) error) (err error) {
	const copied = "copied"
	if err := h.fill(ctx, s); err != nil {
		return fmt.Errorf("filling a table: %w", err)
	}
	if err := h.create(ctx, copied, s.table()); err != nil {
		return fmt.Errorf("copying a table: %w", err)
	}
	defer func() { err = errors.Join(err, h.drop(ctx, copied)) }()
	return f(host{h.name, h.dsn(copied)})
}

// fill makes the table of a state when it is first needed.
func (h *hosts) fill(ctx context.Context, s state) error {
	if h.filled[s] {
		return nil
	}
	h.filled[s] = true
	if err := h.create(ctx, s.table(), ""); err != nil {
		return err
	}
	db, err := h.open(h.dsn(s.table()))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := execAll(ctx, db, h.users); err != nil {
		return err
	}
	if err := h.insert(ctx, db, s.users(h.people)); err != nil {
		return err
	}
	if s == stateRoles {
		if err := fillRoles(ctx, db); err != nil {
			return err
		}
	}
	return execAll(ctx, db, h.analyze)
}
