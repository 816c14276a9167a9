package databases

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// These are faults that end the whole transaction, and not only the statement.

// SQLite's triggers may roll back all that came before. The row that they refuse fails, and
// the others of its batch are written.
func TestSQLite_TriggerThatRollsBack(t *testing.T) {
	for _, journal := range []string{"delete", "wal"} {
		for _, when := range []string{"INSERT", "UPDATE", "DELETE"} {
			t.Run(journal+" "+when, func(t *testing.T) {
				row := "NEW"
				if when == "DELETE" {
					row = "OLD"
				}
				db := open(t, "sqlite", newSQLite(t)+"&_pragma=journal_mode("+journal+")", sqliteUsers)
				s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
				var cs []adsync.Change
				want := map[string]adsync.User{}
				for i, name := range []string{"ann", "forbidden", "cid"} {
					u := person(i+1, name)
					if when == "INSERT" {
						cs = append(cs, create(u))
						want[name] = u
						continue
					}
					seed(t, s, u)
					now := list(t, s)[name]
					if when == "UPDATE" {
						want[name] = withPhone(now, "1")
						cs = append(cs, update(now, want[name]))
					} else {
						cs = append(cs, remove(now))
					}
				}
				before := list(t, s)
				mustExec(t, db, `CREATE TRIGGER refuse BEFORE `+when+` ON users WHEN `+row+`.username = 'forbidden' BEGIN SELECT RAISE(ROLLBACK, 'the host says no'); END`)
				delete(want, "forbidden")
				if u, there := before["forbidden"]; there {
					want["forbidden"] = u
				}
				for i, w := range s.ApplyChanges(t.Context(), cs) {
					if i != 1 {
						assert.NoError(t, w.Err, i)
						continue
					}
					assert.ErrorContains(t, w.Err, "adsync: the database refused this row")
					assert.ErrorContains(t, w.Err, "a trigger or function raised it, in words that may name somebody and are left out (SQLITE_CONSTRAINT_TRIGGER)")
				}
				now := list(t, s)
				require.Len(t, now, len(want))
				for name, u := range want {
					assert.Equal(t, u.Profile, now[name].Profile)
				}
			})
		}
	}
}

// A full disk is reported as such, and what there is room for is written.
func TestSQLite_FullDisk(t *testing.T) {
	for _, journal := range []string{"delete", "wal"} {
		t.Run(journal, func(t *testing.T) {
			db := open(t, "sqlite", newSQLite(t)+"&_pragma=journal_mode("+journal+")", sqliteUsers)
			db.SetMaxOpenConns(1) // the limit below is the connection's
			s := newStore(t, db, sqlstore.SQLite, sqlstore.Table{Name: "users", Columns: allColumns})
			seed(t, s, person(1, "ann"), person(2, "bob"), person(3, "cid"))
			now := list(t, s)
			var pages int
			require.NoError(t, db.QueryRow("PRAGMA page_count").Scan(&pages))
			mustExec(t, db, fmt.Sprint("PRAGMA max_page_count = ", pages+1))
			large := with(now["bob"], func(u *adsync.User) { u.LastName = strings.Repeat("x", 100_000) })
			ann, cid := withPhone(now["ann"], "1"), withPhone(now["cid"], "1")
			written := s.ApplyChanges(t.Context(), []adsync.Change{update(now["ann"], ann), update(now["bob"], large), update(now["cid"], cid)})
			assert.NoError(t, written[0].Err)
			assert.ErrorContains(t, written[1].Err, "full")
			assert.NotContains(t, written[1].Err.Error(), "savepoint")
			assert.NoError(t, written[2].Err)
			assert.Equal(t, map[string]adsync.User{"ann": ann, "bob": now["bob"], "cid": cid}, list(t, s))
		})
	}
}

// Where nothing can be written, a run stops at its first batch and says why.
func testReadOnly(t *testing.T, d database) {
	if d.driver == "postgres" {
		t.Skip("this driver asks for transactions that write, whatever the default is")
	}
	dsn := d.dsn(t)
	db := open(t, d.driver, dsn, d.schema...)
	s := newStore(t, db, d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
	seed(t, s, person(1, "ann"), person(2, "bob"))
	before := list(t, s)
	shut := open(t, d.driver, dsn+map[sqlstore.Dialect]string{
		sqlstore.SQLite: "&_pragma=query_only(1)", sqlstore.MySQL: "?tx_read_only=1", sqlstore.PostgreSQL: " default_transaction_read_only=on",
	}[d.dialect])
	reader := newStore(t, shut, d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
	for name, cs := range map[string][]adsync.Change{
		"a batch": {update(before["ann"], withPhone(before["ann"], "1")), remove(before["bob"]), create(person(3, "cid"))},
		"one":     {remove(before["bob"])},
	} {
		for i, w := range reader.ApplyChanges(t.Context(), cs) {
			if i == 0 {
				assert.ErrorContains(t, w.Err, "adsync: the database takes no writes", name)
			} else {
				assert.Equal(t, adsync.ErrNotWritten, w.Err, "it is said once")
			}
			assert.ErrorIs(t, w.Err, adsync.ErrNotWritten, "the run is to end")
		}
	}
	assert.Equal(t, before, list(t, s))

	var dir adsync.StaticDirectory
	for i := range 1200 {
		u := person(i+10, fmt.Sprint("user", i))
		dir = append(dir, adsync.Entry{ObjectID: u.ObjectID, Profile: u.Profile})
	}
	for _, u := range before {
		dir = append(dir, adsync.Entry{ObjectID: u.ObjectID, Profile: withPhone(u, "2").Profile})
	}
	counting := &sizedStore{Store: reader}
	syncer, err := adsync.New(dir, counting, &adsync.Options{Rules: adsync.Rules{Source: "ad", Import: true}})
	require.NoError(t, err)
	_, err = syncer.Sync(t.Context())
	assert.ErrorContains(t, err, "the database takes no writes")
	assert.Len(t, counting.sizes, 1, "no second batch is tried")
	assert.Len(t, list(t, s), len(before))
}
