package databases

import (
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// halves is more new users than one transaction takes.
const halves = 5200

// testHalves writes a large import, which goes in two transactions at the same time where
// the database can have them, with some in each who cannot be added.
func testHalves(t *testing.T, d database) {
	var db *sql.DB
	var importing atomic.Bool
	var most, waits atomic.Int64
	both := d.dialect != sqlstore.SQLite
	columns := allColumns
	columns.Phone = ""
	table := sqlstore.Table{Name: "users", Columns: columns, Derived: map[string]func(adsync.User) any{"phone": func(u adsync.User) any {
		for importing.Load() {
			most.Store(max(most.Load(), int64(db.Stats().InUse)))
			if !both || most.Load() > 1 || waits.Add(1) > 5000 { // for the other half, in all
				break
			}
			time.Sleep(time.Millisecond)
		}
		return u.Username
	}}}
	db = d.open(t, d.schema...)
	s := newStore(t, db, d.dialect, table)
	seed(t, s, phoneless(1, "held"), phoneless(2, "linked"))
	before := list(t, s)
	importing.Store(true)
	var cs []adsync.Change
	for i := range halves {
		cs = append(cs, create(phoneless(1000+i, fmt.Sprint("new", i))))
	}
	cs[10], cs[halves-10] = create(phoneless(7001, "held")), create(phoneless(7002, "held"))
	cs[20], cs[halves-20] = create(phoneless(2, "other")), create(phoneless(1, "another"))
	out := s.ApplyChanges(t.Context(), cs)
	users := list(t, s)
	for i, w := range out {
		switch i {
		case 10, halves - 10:
			assert.ErrorIs(t, w.Err, adsync.ErrConflict, i)
			continue
		case 20, halves - 20:
			assert.ErrorIs(t, w.Err, adsync.ErrAlready, i)
			continue
		}
		require.NoError(t, w.Err, i)
		want := *cs[i].After
		want.ID = w.UserID
		require.Equal(t, want, users[want.Username])
	}
	assert.Len(t, users, len(before)+halves-4)
	assert.Equal(t, both, most.Load() > 1, "two connections")
}

// phoneless is a person without a number.
func phoneless(n int, name string) adsync.User {
	return with(person(n, name), func(u *adsync.User) { u.Phone = "" })
}

// testHalvesOnOneConnection writes them one after the other.
func testHalvesOnOneConnection(t *testing.T, d database) {
	var cs []adsync.Change
	for i := range halves {
		cs = append(cs, create(person(1000+i, fmt.Sprint("new", i))))
	}
	db, s, _ := d.filled(t, sqlstore.Table{})
	db.SetMaxOpenConns(1)
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		require.NoError(t, w.Err, i)
	}
}

// testHalvesThatPanic has a host's function panic in either half: the panic is the caller's,
// and no transaction is left.
func testHalvesThatPanic(t *testing.T, d database) {
	for _, bad := range []string{"new3", fmt.Sprint("new", halves-3)} {
		db := d.open(t, d.schema...)
		columns := allColumns
		columns.Phone = ""
		s := newStore(t, db, d.dialect, sqlstore.Table{Name: "users", Columns: columns, Derived: map[string]func(adsync.User) any{"phone": func(u adsync.User) any {
			if u.Username == bad {
				panic("of the host's own function")
			}
			return nil
		}}})
		var cs []adsync.Change
		for i := range halves {
			cs = append(cs, create(phoneless(1000+i, fmt.Sprint("new", i))))
		}
		assert.PanicsWithValue(t, "of the host's own function", func() { s.ApplyChanges(t.Context(), cs) }, bad)
	}
}

// testHalvesThatMeet has a trigger of the host's lock two rows for each new user, in an order
// that differs, so that the transactions wait for each other, or end each other: all are
// added once.
func testHalvesThatMeet(t *testing.T, d database) {
	db, s, _ := d.filled(t, sqlstore.Table{})
	mustExec(t, db, "CREATE TABLE counters (id INT PRIMARY KEY, n INT NOT NULL)")
	mustExec(t, db, "INSERT INTO counters (id, n) VALUES (0, 0), (1, 0)")
	const count1 = "UPDATE counters SET n = n + 1 WHERE id = LENGTH(NEW.username) % 2"
	switch d.dialect {
	case sqlstore.PostgreSQL:
		mustExec(t, db, "CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+count1+"; RETURN NEW; END $$")
		mustExec(t, db, "CREATE TRIGGER count_up AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION count_up()")
	case sqlstore.SQLite:
		mustExec(t, db, "CREATE TRIGGER count_up AFTER INSERT ON users BEGIN "+count1+"; END")
	default:
		mustExec(t, db, "CREATE TRIGGER count_up AFTER INSERT ON users FOR EACH ROW "+count1)
	}
	var cs []adsync.Change
	for i := range halves {
		cs = append(cs, create(person(1000+i, fmt.Sprint("new", i))))
	}
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		require.NoError(t, w.Err, i)
	}
	assert.Len(t, list(t, s), halves)
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT SUM(n) FROM counters").Scan(&n))
	assert.Equal(t, halves, n)
}
