package databases

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// elsewhere is how to reach a server, or a file, that is not there.
func (d database) elsewhere(t *testing.T) (dsn string) {
	if d.dialect == sqlstore.SQLite {
		return "file:" + t.TempDir() + "/no/such/directory/users.db"
	}
	dsn = d.dsn(t)
	for _, at := range socketIn {
		if m := at.FindStringSubmatch(dsn); m != nil {
			return strings.Replace(dsn, m[1], t.TempDir(), 1)
		}
	}
	t.Fatal("no socket in ", dsn)
	return ""
}

// testAway runs against a database that is not there: that is no other run, and no mistake
// in the set-up, but what docs/OPERATIONS.md has tried again with growing pauses.
func testAway(t *testing.T, d database) {
	db := open(t, d.driver, d.elsewhere(t))
	s := newStore(t, db, d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
	ledger, err := sqlstore.NewLedger(db, d.dialect, "adsync_ledger")
	require.NoError(t, err)
	syncer, err := adsync.New(adsync.StaticDirectory{}, s, &adsync.Options{Rules: adsync.Rules{Source: "ad"}, Ledger: ledger})
	require.NoError(t, err)
	_, planned := syncer.Plan(t.Context())
	_, synced := syncer.Sync(t.Context())
	_, applied := syncer.Apply(t.Context(), nothingToDo(t))
	for name, err := range map[string]error{"Plan": planned, "Sync": synced, "Apply": applied} {
		assert.ErrorIs(t, err, adsync.ErrIncomplete, name)
		for _, other := range []error{adsync.ErrLocked, adsync.ErrUnsafe, adsync.ErrLockLost} {
			assert.NotErrorIs(t, err, other, name)
		}
	}
	_, err = ledger.Recent(t.Context(), "ad", time.Now())
	assert.ErrorContains(t, err, "adsync: cannot read the ledger")
	for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{create(person(1, "ann"))}) {
		assert.ErrorIs(t, w.Err, adsync.ErrNotWritten)
	}
}

// nothingToDo is a plan in which there is nothing to do.
func nothingToDo(t *testing.T) *adsync.Plan {
	t.Helper()
	plan, err := adsync.Reconcile(nil, []adsync.User{}, adsync.Rules{Source: "ad"})
	require.NoError(t, err)
	return plan
}

// ending is a directory that has something happen before it is asked.
type ending struct {
	adsync.StaticDirectory
	before func()
}

func (e ending) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	e.before()
	return e.StaticDirectory.Find(ctx, ids)
}

// testLockLostOnTheWay ends the connection of the lock in the middle of a run, which goes on,
// and whose error says so.
func testLockLostOnTheWay(t *testing.T, d database) {
	if d.dialect == sqlstore.SQLite {
		t.Skip("SQLite has no lock beside that of each write")
	}
	dsn := d.dsn(t)
	db, other := open(t, d.driver, dsn, d.schema...), open(t, d.driver, dsn)
	db.SetMaxIdleConns(0) // so that the lock's is the only connection to be lost
	users := sqlstore.Table{Name: "users", Columns: allColumns}
	first, second := newStore(t, db, d.dialect, users), newStore(t, other, d.dialect, users)
	seed(t, first, person(1, "ann"))
	ann := list(t, first)["ann"]
	dir := ending{
		adsync.StaticDirectory{{ObjectID: ann.ObjectID, Profile: adsync.Profile{Username: "anna"}}},
		func() {
			d.killOthers(t, other)
			unlock := eventually(t, func() (func() error, error) { return second.Lock(t.Context(), "ad") })
			assert.NoError(t, unlock())
		},
	}
	syncer, err := adsync.New(dir, first, &adsync.Options{Rules: adsync.Rules{Source: "ad"}})
	require.NoError(t, err)
	report, err := syncer.Sync(t.Context())
	assert.ErrorIs(t, err, adsync.ErrLockLost)
	assert.ErrorContains(t, err, "look at both reports (the table users): ")
	for _, other := range []error{adsync.ErrLocked, adsync.ErrIncomplete, adsync.ErrNotWritten, adsync.ErrUnknown} {
		assert.NotErrorIs(t, err, other)
	}
	assert.NoError(t, report.Err())
	assert.Contains(t, list(t, first), "anna")
	_, err = syncer.Plan(t.Context())
	assert.NoError(t, err)
}
