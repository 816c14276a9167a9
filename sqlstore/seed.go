package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// Seed fills an empty table with users, for CheckStore of package adsynctest: what has no
// column is left out, a Source is the table's, and a status is the nearest that the
// column can hold. Rows get Defaults and Derived, and OnWrite is called, as for those whom
// a sync creates. It refuses a table that has any row, also one that Where leaves
// out: no host's users are to be taken for those of a test.
func (s *Store) Seed(ctx context.Context, users []adsync.User) error {
	known, err := s.lookPatiently(ctx)
	if err != nil {
		return err
	}
	rows, err := s.db.QueryContext(ctx, s.text.SelectAny())
	if err != nil {
		return s.readError(ctx, err)
	}
	filled := rows.Next()
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return s.readError(ctx, err)
	}
	if filled {
		return fmt.Errorf("adsync: the table %s holds rows, and only an empty one is filled for a test; give CheckStore a database of its own", s.table.Name)
	}
	changes := make([]adsync.Change, len(users))
	for i := range users {
		u := s.seedable(users[i])
		changes[i] = adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, Reason: adsync.ReasonNew, After: &u}
	}
	for i, w := range s.writeBatch(ctx, known, changes) {
		if w.Err != nil {
			return fmt.Errorf("adsync: user %d of the seed could not be added to the table %s: %w", i+1, s.table.Name, w.Err)
		}
	}
	return nil
}

// seedable is the user as far as the table can hold it.
func (s *Store) seedable(u adsync.User) adsync.User {
	u.ID = ""
	for _, f := range storedFields {
		if slices.ContainsFunc(s.columns, func(c column) bool { return c.field == f }) {
			continue
		}
		switch f {
		case adsync.FieldSource:
			u.Source = s.table.Source
		case adsync.FieldStatus:
			u.Status = adsync.StatusActive
		case fieldProtected:
			u.Protected = false
		default:
			u.Profile = u.With(f, "")
		}
	}
	if s.statuses != nil {
		u.Status = s.statuses.nearest(u.Status)
	}
	return u
}
