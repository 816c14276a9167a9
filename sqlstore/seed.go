package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

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
	u.Extra = u.Extra.With(adsync.FieldRoles, l.roles.seedable(u.Extra)...)
	for _, f := range fieldsOf(&u) {
		if l.position(f) >= 0 {
			continue
		}
		switch f {
		case adsync.FieldSource:
			u.Source = l.table.Source
		case adsync.FieldStatus:
			u.Status = adsync.StatusActive
		case adsync.FieldDeactivatedAt:
			u.DeactivatedAt = 0
		case fieldProtected:
			u.Protected = false
		default:
			u.Profile = u.With(f, "")
		}
	}
	if l.statuses == nil || u.DeactivatedAt != 0 && u.Status == adsync.StatusDeactivated && l.tellsByMoment() {
		return u
	}
	if u.Status = l.statuses.nearest(u.Status); u.Status != adsync.StatusDeactivated {
		u.DeactivatedAt = 0
	}
	return u
}

// seedable are the roles of a user of the seed that the sync's own rows can hold.
func (m *memberships) seedable(extra adsync.Extra) []string {
	hosts := extra.Set(adsync.FieldHostRoles)
	return slices.DeleteFunc(extra.Set(adsync.FieldRoles), func(role string) bool {
		return m == nil || slices.Contains(hosts, role) || !slices.Contains(m.names, role)
	})
}

// seedHosts adds the rows of roles that the host itself gave to a user of the seed. A row
// that the table cannot hold without the values of the sync's own is left out.
func (m *memberships) seedHosts(ctx context.Context, db *sql.DB, bind *binder, id string, extra adsync.Extra) {
	if m == nil || !m.table.HasMarks() {
		return
	}
	for _, role := range extra.Set(adsync.FieldHostRoles) {
		if at, mapped := slices.BinarySearch(m.names, role); mapped {
			text, args := m.table.InsertUnmarked(bind.bindID(id), m.keys[at])
			_, _ = db.ExecContext(ctx, text, args...)
		}
	}
}
