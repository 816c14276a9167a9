package hosts

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

func onlyUser(t *testing.T, store *sqlstore.Store) adsync.User {
	t.Helper()
	var users []adsync.User
	for u, err := range store.Users(t.Context()) {
		require.NoError(t, err)
		users = append(users, u)
	}
	require.Len(t, users, 1)
	return users[0]
}

// testGuard lets the product change a detail in another table while a sync is about to
// write: the sync waits for it, and then finds the row stale.
func (h Host) testGuard(t *testing.T, d *databases) {
	for name, change := range map[string]func(before adsync.User) adsync.Change{
		"update": func(before adsync.User) adsync.Change {
			after := before
			after.FirstName = "Written"
			return adsync.NewUpdate(adsync.ReasonChanged, &before, &after)
		},
		"delete": func(before adsync.User) adsync.Change {
			return adsync.Change{Op: adsync.OpDelete, UserID: before.ID, ObjectID: before.ObjectID, Before: &before}
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := d.open(t, h.Dialect, h.Schema, h.Added)
			store, err := sqlstore.New(db, h.Dialect, h.Table)
			require.NoError(t, err)
			require.NoError(t, store.Seed(t.Context(), []adsync.User{{
				ObjectID: adsync.ObjectID{1}, Source: Source, Status: adsync.StatusActive,
				Profile: adsync.Profile{Username: "one", FirstName: "One", LastName: "One", Email: "one@corp.example", Phone: "1"},
			}}))
			before := onlyUser(t, store)
			other, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = other.Exec(h.Beside)
			require.NoError(t, err)
			written := make(chan error, 1)
			go func() { written <- store.ApplyChanges(t.Context(), []adsync.Change{change(before)})[0].Err }()
			waitForALock(t, db, h.Dialect)
			require.NoError(t, other.Commit())
			require.ErrorIs(t, <-written, adsync.ErrStale)
			now := onlyUser(t, store)
			assert.Equal(t, before.FirstName, now.FirstName)
			assert.False(t, before.Same(now), "what the product wrote is kept")
		})
	}
}

// waitForALock waits until a statement waits for another transaction.
func waitForALock(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
		sqlstore.MySQL:      "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
	}[dialect]
	const pause = 150 * time.Millisecond // MariaDB looks anew when nobody has asked for a tenth of a second
	for n := 0; n == 0; time.Sleep(pause) {
		require.NoError(t, db.QueryRowContext(ctx, text).Scan(&n), "nothing waits")
	}
}

// A view and its trigger are checked before anything is written.
func TestCheck_WarnsOfViewsThatBreakTheGuard(t *testing.T) {
	d := &databases{t: t}
	unguarded := strings.NewReplacer("FOR UPDATE", "").Replace(discourse().Added)
	joined := strings.Replace(discourse().Added, `(SELECT e.email FROM user_emails e WHERE e.user_id = u.id AND e."primary") AS email FROM users u`,
		`e.email FROM users u LEFT JOIN user_emails e ON e.user_id = u.id AND e."primary"`, 1)
	require.NotEqual(t, discourse().Added, joined)
	for name, test := range map[string]struct{ added, says string }{
		"a trigger that locks nothing": {unguarded, "the view people is written by a trigger that locks no row"},
		"an outer join":                {joined, "the view people cannot be read FOR UPDATE"},
	} {
		t.Run(name, func(t *testing.T) {
			h := discourse()
			h.Added, h.Warns = test.added, []string{test.says}
			h.testCheck(t, d.open(t, h.Dialect, h.Schema, h.Added))
		})
	}
}

// What OnWrite forgets is not seen in the view, and so the change is undone.
func TestView_WantsAllOfItWritten(t *testing.T) {
	d, h := &databases{t: t}, redmine()
	db := d.open(t, h.Dialect, h.Schema, h.Added)
	right := h.Table.OnWrite
	forgets := false
	h.Table.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		if forgets {
			return nil
		}
		return right(ctx, tx, c, id)
	}
	store, err := sqlstore.New(db, h.Dialect, h.Table)
	require.NoError(t, err)
	u := adsync.User{Source: Source, Profile: adsync.Profile{Username: "one", Email: "one@corp.example"}}
	require.NoError(t, store.Seed(t.Context(), []adsync.User{u}))
	before := onlyUser(t, store)
	forgets = true
	for _, edit := range []func(*adsync.User){
		func(u *adsync.User) { u.Email = "two@corp.example" }, // of which the table has nothing
		func(u *adsync.User) { u.Email, u.Username = "two@corp.example", "two" },
	} {
		after := before
		edit(&after)
		err = store.UpdateUser(t.Context(), adsync.NewUpdate(adsync.ReasonChanged, &before, &after))
		assert.ErrorContains(t, err, "adsync: the database")
		assert.Equal(t, before, onlyUser(t, store))
	}
	u.ObjectID, u.Username = adsync.ObjectID{1}, "new"
	_, err = store.CreateUser(t.Context(), adsync.Change{Op: adsync.OpCreate, After: &u, ObjectID: u.ObjectID})
	assert.ErrorContains(t, err, "as email")
	assert.Equal(t, before, onlyUser(t, store))
}

func TestView_SaysWhatIsMissing(t *testing.T) {
	d, h := &databases{t: t}, redmine()
	db := d.open(t, h.Dialect, h.Schema, h.Added, "CREATE VIEW less AS SELECT id, type, login FROM users")
	for name, test := range map[string]struct {
		edit func(*sqlstore.Table)
		says string
	}{
		"no OnWrite": {func(t *sqlstore.Table) { t.OnWrite = nil }, "sqlstore.Table.View is given without an OnWrite"},
		"a name":     {func(t *sqlstore.Table) { t.View = "a.b.c" }, "sqlstore.Table.View must be view or schema.view"},
		"no view":    {func(t *sqlstore.Table) { t.View = "nobody" }, "the database has no view nobody"},
		"a column":   {func(t *sqlstore.Table) { t.View = "less" }, "the view less has no column ad_guid"},
	} {
		t.Run(name, func(t *testing.T) {
			table := h.Table
			test.edit(&table)
			store, err := sqlstore.New(db, h.Dialect, table)
			if err == nil {
				_, err = store.Check(t.Context())
			}
			assert.ErrorContains(t, err, test.says)
		})
	}
}
