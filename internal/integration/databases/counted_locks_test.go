package databases

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// MySQL and MariaDB say how many rows a statement wrote, and not which. These tests
// hold what the store makes of that to what it does with one row at a time.

// TestMariaDB_LocksNoOtherRow writes two rows, while another session holds the one
// between them and has added others; and before the commit, that session writes and
// adds more next to them.
func TestMariaDB_LocksNoOtherRow(t *testing.T) {
	server := startMariaDB(t)
	admin := open(t, "mysql", server.mariaDB("mysql"))
	for _, isolation := range []string{"READ-COMMITTED", "REPEATABLE-READ"} {
		mustExec(t, admin, "SET GLOBAL tx_isolation = '"+isolation+"'")
		for _, k := range keyedTables {
			if k.oneByOne || isolation == "READ-COMMITTED" && !k.thorough { // which locks less
				continue
			}
			for _, n := range []int{3, 100, 1000} {
				if n > 100 && !k.thorough {
					continue
				}
				for _, op := range []adsync.Op{adsync.OpUpdate, adsync.OpDelete} {
					t.Run(fmt.Sprint(k.name, " of ", n, " ", isolation, " ", op), func(t *testing.T) {
						k.testUnrelated(t, server, n, op)
					})
				}
			}
		}
	}
}

func (k keyed) testUnrelated(t *testing.T, server *server, n int, op adsync.Op) {
	dsn := server.newMariaDB(t) + "?innodb_lock_wait_timeout=1"
	h := k.host(t, dsn, n)
	other, err := open(t, "mysql", dsn).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer other.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	write := func(text string, args ...any) {
		t.Helper()
		res, err := other.Exec(text, args...)
		if assert.NoError(t, err, "it had to wait for a row of others") {
			rows, _ := res.RowsAffected()
			assert.EqualValues(t, 1, rows)
		}
	}
	write("UPDATE users SET status = 'held' WHERE id = ?", k.store(1)) // between ours
	write("INSERT INTO users (id, username) VALUES (?, 'early')", k.store(n))
	proxy := newProxy(t, dsn, true)
	var late atomic.Int32
	proxy.atCommit = func() {
		if n > 3 {
			write("UPDATE users SET status = 'late' WHERE id = ?", k.store(3))
			write("UPDATE users SET status = 'late' WHERE id = ?", k.store(n-1))
		}
		write("INSERT INTO users (id, username) VALUES (?, 'late')", k.store(n+1))
		late.Add(1)
	}
	store := newStore(t, open(t, "mysql", proxy.dsn), sqlstore.MySQL, sqlstore.Table{Name: "users", Columns: allColumns})
	var cs []adsync.Change
	for u, err := range h.store.Users(t.Context()) {
		require.NoError(t, err)
		switch {
		case u.Username != "user0" && u.Username != "user2":
		case op == adsync.OpUpdate:
			cs = append(cs, update(u, with(u, func(u *adsync.User) { u.Phone = "1" })))
		default:
			cs = append(cs, remove(u))
		}
	}
	texts := statements(t, h.db, func() {
		for _, w := range store.ApplyChanges(t.Context(), cs) {
			assert.NoError(t, w.Err)
		}
	})
	assert.EqualValues(t, 1, late.Load(), "one commit")
	_, many := writes(texts)
	assert.Equal(t, 1, many, "one statement for both")
	assert.NoError(t, other.Commit())
}

// What another session has written since is never lost, whichever the engine.
func TestMariaDB_LosesNoWrite(t *testing.T) {
	server := startMariaDB(t)
	for _, k := range keyedTables {
		if k.name != "numbers" && !k.loose {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			const n = 100
			h := k.host(t, server.newMariaDB(t), n)
			people := h.people(t, n)
			var cs []adsync.Change
			for i, u := range people {
				cs = append(cs, update(u, with(u, func(u *adsync.User) { u.Phone = fmt.Sprint(i) })))
			}
			stop, done := context.WithCancel(t.Context())
			theirs := make([]bool, n)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for i := n - 1; stop.Err() == nil && i >= 0; i-- {
					res, err := h.db.Exec("UPDATE users SET last_name = 'theirs' WHERE id = ? AND phone LIKE '+49%'", k.store(i))
					if assert.NoError(t, err) {
						rows, _ := res.RowsAffected()
						theirs[i] = rows == 1
					}
				}
			}()
			written := h.store.ApplyChanges(t.Context(), cs)
			done()
			<-ended
			now := h.people(t, n)
			for i, w := range written {
				if theirs[i] {
					assert.ErrorIs(t, w.Err, adsync.ErrStale, i)
					assert.Equal(t, "theirs", now[i].LastName)
					continue
				}
				assert.NoError(t, w.Err, i)
				assert.Equal(t, *cs[i].After, now[i])
			}
		})
	}
}
