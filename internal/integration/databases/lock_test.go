package databases

import (
	"context"
	"database/sql"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// unlocked hides that the store is a Locker.
type unlocked struct {
	adsync.UserStore
	adsync.BatchStore
	adsync.Creator
}

func hideLock(s *sqlstore.Store) unlocked { return unlocked{s, s, s} }

// twoHosts are stores of one table, each on connections of its own: other is the
// second's.
func twoHosts(t *testing.T, d database) (first, second *sqlstore.Store, other *sql.DB) {
	t.Helper()
	if d.dialect == sqlstore.SQLite {
		t.Skip("SQLite has no lock beside that of each write")
	}
	dsn := d.dsn(t)
	db, other := open(t, d.driver, dsn, d.schema...), open(t, d.driver, dsn)
	users := sqlstore.Table{Name: "users", Columns: allColumns}
	return newStore(t, db, d.dialect, users), newStore(t, other, d.dialect, users), other
}

// testLock runs two syncs concurrently: the second is refused, and writes nothing.
func testLock(t *testing.T, d database) {
	first, second, other := twoHosts(t, d)
	seed(t, first, person(1, "ann"))
	ann := list(t, first)["ann"]
	dir := adsync.StaticDirectory{{ObjectID: ann.ObjectID, Profile: adsync.Profile{Username: "anna"}}}
	syncer, err := adsync.New(dir, second, &adsync.Options{Rules: adsync.Rules{Source: "ad"}, Limits: adsync.Limits{MaxRemovalRatio: -1}})
	require.NoError(t, err)

	unlock, err := first.Lock(t.Context(), "ad")
	require.NoError(t, err)
	report, err := syncer.Sync(t.Context())
	assert.ErrorContains(t, err, "adsync: could not lock the users")
	assert.ErrorIs(t, err, adsync.ErrLocked)
	assert.ErrorContains(t, err, "another run holds the lock on the users; try again when it has ended (the table users)")
	assert.Empty(t, report.Results)
	assert.Equal(t, map[string]adsync.User{"ann": ann}, list(t, first))
	docs := newStore(t, other, d.dialect, sqlstore.Table{Name: "docs", Columns: sqlstore.Columns{ID: "id", ObjectID: "owner", Username: "later"}})
	another, err := docs.Lock(t.Context(), "ad")
	require.NoError(t, err, "another table has a lock of its own")
	require.NoError(t, another())
	require.NoError(t, unlock())
	require.NoError(t, unlock(), "unlocking twice does nothing")

	_, err = syncer.Sync(t.Context())
	require.NoError(t, err)
	assert.Contains(t, list(t, first), "anna")
}

// testLockOfTenants has tenants of one table run at the same time, each alone, where the
// table keeps them from taking each other's keys.
func testLockOfTenants(t *testing.T, d database) {
	if d.dialect == sqlstore.SQLite {
		t.Skip("SQLite has no lock beside that of each write")
	}
	dsn := d.dsn(t)
	first, second := open(t, d.driver, dsn, d.schema...), open(t, d.driver, dsn)
	tenant := func(db *sql.DB, args ...any) *sqlstore.Store {
		return newStore(t, db, d.dialect, sqlstore.Table{Name: "users", Columns: allColumns, Where: "last_name <> ?", Args: args})
	}
	locked := func(s *sqlstore.Store, source string) func() error {
		unlock, err := s.Lock(t.Context(), source)
		require.NoError(t, err)
		return unlock
	}
	refused := func(s *sqlstore.Store, source string) {
		t.Helper()
		_, err := s.Lock(t.Context(), source)
		assert.ErrorIs(t, err, adsync.ErrLocked)
	}
	one := tenant(first, "one")
	unlock := []func() error{
		locked(one, "ad"), locked(tenant(second, "two"), "ad"), // by Where's arguments
		locked(one, "other"), locked(tenant(second, "two"), ""), // by source, within a Store too
		locked(tenant(second, 1), "ad"), // a number is not its text
	}
	text := "one"
	for _, again := range []*sqlstore.Store{one, tenant(second, "one"), tenant(second, &text), tenant(first, sql.NullString{String: "one", Valid: true})} {
		refused(again, "ad")
	}
	for _, release := range unlock {
		require.NoError(t, release())
	}
	require.NoError(t, locked(tenant(second, "one"), "ad")(), "given back")

	for _, db := range []*sql.DB{first, second} {
		docs := newStore(t, db, d.dialect, sqlstore.Table{Name: "docs", Columns: sqlstore.Columns{ID: "id", ObjectID: "owner", Username: "later"}})
		if db == first {
			unlock[0] = locked(docs, "ad")
		} else {
			refused(docs, "other") // as nothing keeps the two from one username
			require.NoError(t, unlock[0]())
		}
	}
}

// testLostLock ends the connection that holds the lock, as the end of its process
// would: the lock is free, and its holder learns that it was lost.
func testLostLock(t *testing.T, d database) {
	first, second, other := twoHosts(t, d)
	lost, err := first.Lock(t.Context(), "ad")
	require.NoError(t, err)
	d.killOthers(t, other)
	unlock := eventually(t, func() (func() error, error) { return second.Lock(t.Context(), "ad") })
	assert.ErrorIs(t, lost(), adsync.ErrLockLost)
	require.NoError(t, unlock())
	again, err := first.Lock(t.Context(), "ad")
	require.NoError(t, err)
	require.NoError(t, again())
}

// testSingleConnection must not wait for itself.
func testSingleConnection(t *testing.T, d database) {
	db, s, now := d.filled(t, sqlstore.Table{}, "ann")
	db.SetMaxOpenConns(1)
	dir := adsync.StaticDirectory{{ObjectID: now["ann"].ObjectID, Profile: adsync.Profile{Username: "anna"}}}
	syncer, err := adsync.New(dir, s, &adsync.Options{Rules: adsync.Rules{Source: "ad"}})
	require.NoError(t, err)
	_, err = syncer.Sync(t.Context())
	require.NoError(t, err)
	assert.Contains(t, list(t, s), "anna")
}

// testUnlockedRuns applies one plan from the stores of two processes concurrently,
// without a lock: every change is done once, and both reports are true.
func testUnlockedRuns(t *testing.T, d database) {
	d.skipSecondDriver(t)
	c := newCrashes(t, d)
	for range 2 {
		c.refill()
		var reports [2]*adsync.Report
		var all sync.WaitGroup
		for i := range reports {
			store := newStore(t, open(t, d.driver, c.dsn), d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
			syncer := c.newSyncer(hideLock(store))
			all.Go(func() {
				var err error
				reports[i], err = syncer.Apply(context.Background(), c.plan)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		applied := map[int]int{}
		for _, report := range reports {
			for i, r := range report.Results {
				if r.Outcome == adsync.OutcomeApplied {
					applied[i]++
				}
			}
		}
		for i, n := range applied {
			assert.LessOrEqual(t, n, 1, "change %d was applied twice", i)
		}
		c.settle(false)
	}
}
