package databases

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// withoutReturning is a driver with which MariaDB takes INSERT … RETURNING for an error
// of syntax, as MySQL does.
const withoutReturning = "mysql without returning"

type plainDriver struct{}

func (plainDriver) Open(dsn string) (driver.Conn, error) {
	conn, err := mysql.MySQLDriver{}.Open(dsn)
	if err != nil {
		return nil, err
	}
	return plainConn{conn.(mysqlConn)}, nil
}

// mysqlConn is all that the driver's connection is to database/sql.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type plainConn struct{ mysqlConn }

func (c plainConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	return c.mysqlConn.PrepareContext(ctx, strings.Replace(text, " RETURNING ", " RETOURNING ", 1))
}

func TestMariaDB_WithoutReturning(t *testing.T) {
	d := mariaDB(t)
	d.driver = withoutReturning
	for _, l := range slices.Concat(mariaDBLayouts(), d.everywhere()) {
		t.Run(l.name, func(t *testing.T) { d.testImport(t, l, false, 3) })
	}
	for name, test := range map[string]func(*testing.T, database){
		"empty columns and a trigger fail alone": testRefusedRows,
		"an old link is found again":             testLinkRace,
		"a connection that ends at the commit":   testCutAtCommit,
		"two runs at once, without a lock":       testUnlockedRuns,
		"many rows at once":                      testManyRows,
		"few round trips":                        testRoundTrips,
		"a connection that ends within a batch":  testTerminated,
		"many are created at once":               testManyCreates,
		"a batch of everything":                  testMixedBatch,
	} {
		t.Run(name, func(t *testing.T) { test(t, d) })
	}
}

func TestMariaDB_Returning(t *testing.T) {
	d := mariaDB(t)
	for name, parameters := range parameterSets {
		t.Run(name, func(t *testing.T) {
			d := d
			plain := d.dsn
			d.dsn = func(t testing.TB) string { return plain(t) + parameters }
			d.testImport(t, d.markedHost("gone = ?"), true, 3)
		})
	}
	t.Run("long rows", func(t *testing.T) { d.testImport(t, d.wideHost(1, strings.Repeat("x", 256)), true, 12) })
	t.Run("many columns", func(t *testing.T) { d.testImport(t, d.wideHost(98, "x"), true, 4) })
	for _, l := range slices.Concat(mariaDBLayouts(), d.everywhere()) {
		t.Run(l.name, func(t *testing.T) { d.testImport(t, l, true, 3) })
	}
	members := []string{"CREATE TABLE members (id UUID)", "CREATE TRIGGER join_in AFTER INSERT ON users FOR EACH ROW INSERT INTO members VALUES (NEW.id)"}
	for name, where := range map[string]string{"a condition": "gone = ?", "a condition with a query": "gone = ? AND id IN (SELECT id FROM members)"} {
		t.Run(name, func(t *testing.T) { d.testImport(t, d.markedHost(where), true, 3, members...) })
		t.Run(name+" that new rows do not fit", func(t *testing.T) { d.testUnseen(t, d.markedHost(where), members...) })
	}
}

// testImport adds 1,150 users, and looks with how many statements, and how the store
// learns their IDs.
func (d database) testImport(t *testing.T, l layout, returned bool, statements int, also ...string) {
	const many = 1150
	db := d.open(t, append([]string{l.schema}, also...)...)
	s, cs := newStore(t, db, d.dialect, l.table), newcomers(many)
	var written []adsync.Written
	texts := logged(t, db, "argument REGEXP '^(INSERT INTO|SELECT.*? FROM) `(us|The)'", func() { written = s.ApplyChanges(t.Context(), cs) })
	users := list(t, s)
	require.Len(t, users, many)
	for i, w := range written {
		require.NoError(t, w.Err, i)
		require.Equal(t, users[cs[i].After.Username].ID, w.UserID)
		require.Equal(t, cs[i].ObjectID, users[cs[i].After.Username].ObjectID)
	}
	returning := 0
	for _, text := range texts {
		if strings.Contains(text, " RETURNING ") {
			returning++
		}
	}
	// Of what was written, 1,000 rows each; the server leaves a statement out of its log
	// now and then that holds the bytes of binary keys.
	const reads = 2
	looks := 1
	if !returned {
		looks, statements = 1+2*statements, 0
	}
	assert.Equal(t, statements, returning)
	assert.GreaterOrEqual(t, len(texts), looks+statements, "a look for what is there, and one after each statement that returns nothing")
	assert.LessOrEqual(t, len(texts), looks+statements+reads, "and no other")
}

// newcomers have no details but their names.
func newcomers(n int) []adsync.Change {
	cs := make([]adsync.Change, n)
	for i := range cs {
		cs[i] = create(adsync.User{ObjectID: objectID(i + 1), Source: "ad", Profile: adsync.Profile{Username: fmt.Sprint("user", i)}})
	}
	return cs
}

// markedHost makes keys itself, and has a mark for who is gone.
func (d database) markedHost(where string) layout {
	return layout{
		schema: "CREATE TABLE users (id UUID DEFAULT uuid() PRIMARY KEY, object_id UUID, username VARCHAR(60) UNIQUE, gone BOOLEAN)",
		table: sqlstore.Table{
			Name: "users", Columns: sqlstore.Columns{ID: "id", ObjectID: "object_id", Username: "username"},
			ObjectIDs: "uuid", Source: "ad", Where: where, Args: []any{false}, Defaults: map[string]any{"gone": false},
		},
	}
}

// wideHost has so many more columns that are filled.
func (d database) wideHost(more int, value string) layout {
	l := d.markedHost("")
	l.table.Args, l.table.Defaults = nil, map[string]any{}
	for i := range more {
		column := fmt.Sprint("more", i)
		l.schema = strings.Replace(l.schema, "gone BOOLEAN", column+" TEXT, gone BOOLEAN", 1)
		l.table.Defaults[column] = value
	}
	return l
}

// testUnseen adds users whom the host's condition would hide.
func (d database) testUnseen(t *testing.T, l layout, also ...string) {
	l.table.Defaults = map[string]any{"gone": true}
	db := d.open(t, append([]string{l.schema}, also...)...)
	s := newStore(t, db, d.dialect, l.table)
	for i, w := range s.ApplyChanges(t.Context(), newcomers(3)) {
		assert.ErrorContains(t, w.Err, "make sqlstore.Table.Defaults fit sqlstore.Table.Where", i)
	}
	assert.Zero(t, count(t, db, "users"))
}
