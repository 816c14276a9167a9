package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-adsync/adsync"
)

// checkEmpty refuses a table that has any row.
func checkEmpty(ctx context.Context, db *sql.DB, l *layout) error {
	rows, err := db.QueryContext(ctx, l.queries.SelectAny())
	if err != nil {
		return explainReading(ctx, l, err)
	}
	filled := rows.Next()
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return explainReading(ctx, l, err)
	}
	if filled {
		return fmt.Errorf("adsync: the table %s holds rows, and only an empty one is filled for a test; give CheckStore a database of its own", l.table.Name)
	}
	return nil
}

// seedChanges create the users, as far as the table can hold them.
func seedChanges(l *layout, users []adsync.User) []adsync.Change {
	changes := make([]adsync.Change, len(users))
	for i := range users {
		u := seedable(l, users[i])
		changes[i] = adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, Reason: adsync.ReasonNew, After: &u}
	}
	return changes
}

// seedable is the user as far as the table can hold it.
func seedable(l *layout, u adsync.User) adsync.User {
	u.ID = ""
	for _, f := range fieldsOf(&u) {
		if l.position(f) >= 0 {
			continue
		}
		switch f {
		case adsync.FieldSource:
			u.Source = l.table.Source
		case adsync.FieldStatus:
			u.Status = adsync.StatusActive
		case fieldProtected:
			u.Protected = false
		default:
			u.Profile = u.With(f, "")
		}
	}
	if l.statuses != nil {
		u.Status = l.statuses.nearest(u.Status)
	}
	return u
}
