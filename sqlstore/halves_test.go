package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

const (
	mostInOne = 5000        // more new users are written in halves
	adding    = time.Second // which a shelf takes to add rows
)

// shelf is a PostgreSQL that takes a second of a bubble's clock to add rows: two
// transactions take that once where they run together, and twice where they do not.
type shelf struct {
	recorder // which knows the types of columns

	insert func(names []string) error // may be nil
	commit func(names []string) error // may be nil

	mu    sync.Mutex
	open  int // transactions
	most  int // that were open together
	ends  []string
	names []string // of the rows; an ID is a place in it, from 1
}

func (s *shelf) Connect(context.Context) (driver.Conn, error) { return &shelfConn{shelf: s}, nil }

// shelfConn is a connection, with the names that its transaction added.
type shelfConn struct {
	*shelf
	added []string
}

func (c *shelfConn) Close() error                             { return nil }
func (c *shelfConn) Prepare(text string) (driver.Stmt, error) { return shelfStmt{c, text}, nil }
func (c *shelfConn) Commit() error                            { return c.end("commit") }
func (c *shelfConn) Rollback() error                          { return c.end("rollback") }

func (c *shelfConn) Begin() (driver.Tx, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	c.most, c.added = max(c.most, c.open), nil
	return c, nil
}

func (c *shelfConn) end(how string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	c.ends = append(c.ends, how)
	slices.Sort(c.ends)
	if how == "commit" && c.commit != nil {
		return c.commit(c.added)
	}
	return nil
}

func (c *shelfConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	switch {
	case isQuestion(text):
		return &recordedRows{reply: c.catalogue(text)}, nil
	case strings.HasPrefix(text, "INSERT"):
		return c.add(ctx, text, args)
	}
	p := reply{columns: []string{"id", "guid", "login"}}
	if !strings.Contains(text, `"guid" = ANY`) { // nobody is there yet
		for _, id := range elements(args[0].Value) {
			n, err := strconv.Atoi(id)
			if err != nil {
				return nil, err
			}
			p.rows = append(p.rows, c.row(n))
		}
	}
	return &recordedRows{reply: p}, nil
}

// row is one that was added.
func (s *shelf) row(id int) []driver.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []driver.Value{int64(id), numbered(s.names[id-1]).ObjectID.String(), s.names[id-1]}
}

func (c *shelfConn) add(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	var names []string
	if strings.Contains(text, "unnest") {
		names = elements(args[1].Value)
	} else {
		for _, arg := range args {
			if name := arg.Value.(string); strings.HasPrefix(name, "p") {
				names = append(names, name)
			}
		}
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(adding):
	}
	if c.insert != nil {
		if err := c.insert(names); err != nil {
			return nil, err
		}
	}
	_, returned, _ := strings.Cut(text, " RETURNING ")
	p := reply{columns: strings.Split(returned, ", ")}
	for _, name := range names {
		c.mu.Lock()
		c.names, c.added = append(c.names, name), append(c.added, name)
		id := len(c.names)
		c.mu.Unlock()
		p.rows = append(p.rows, c.row(id)[:len(p.columns)])
	}
	return &recordedRows{reply: p}, nil
}

// elements are those of an array.
func elements(array driver.Value) []string {
	return strings.Split(strings.Trim(strings.ReplaceAll(array.(string), `"`, ""), "{}"), ",")
}

type shelfStmt struct {
	*shelfConn
	text string
}

func (s shelfStmt) NumInput() int { return -1 }

func (s shelfStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(0), nil }

func (s shelfStmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), s.text, named(args))
}

// numbered is the person of a name, as p7.
func numbered(name string) adsync.User {
	n, _ := strconv.Atoi(name[1:])
	return adsync.User{ObjectID: personID(n), Source: "ad", Status: adsync.StatusActive, Profile: adsync.Profile{Username: name}}
}

func newPeople(n int) []adsync.Change {
	cs := make([]adsync.Change, n)
	for i := range cs {
		cs[i] = createOf(numbered(fmt.Sprint("p", i+1)))
	}
	return cs
}

// store is one over the shelf.
func (s *shelf) store(t *testing.T, edit func(*sql.DB, *sqlstore.Table)) *sqlstore.Store {
	t.Helper()
	for _, name := range []string{"guid", "login", "note"} {
		s.types = append(s.types, columnType{name: name, kind: "text", nullable: true})
	}
	s.types = append(s.types, columnType{name: "id", kind: "bigint", key: true})
	db := noDB(t, s)
	table := sqlstore.Table{Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}}
	if edit != nil {
		edit(db, &table)
	}
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, table)
	require.NoError(t, err)
	return store
}

// requireAdded compares what was returned with the rows that are there; odd are the changes
// that do not add one.
func (s *shelf) requireAdded(t *testing.T, cs []adsync.Change, written []adsync.Written, odd map[int]error) {
	t.Helper()
	for i, w := range written {
		if want := odd[i]; want != nil {
			require.ErrorIs(t, w.Err, want, i)
			continue
		}
		require.NoError(t, w.Err, i)
		id, err := strconv.Atoi(w.UserID)
		require.NoError(t, err, i)
		require.Equal(t, cs[i].After.Username, s.names[id-1], i)
	}
}

func TestHalves_AreWrittenTogether(t *testing.T) {
	oneUpdate, oneTwice := newPeople(mostInOne+1), newPeople(mostInOne+1)
	oneUpdate[7] = adsync.Change{Op: adsync.OpUpdate, UserID: "7", After: &adsync.User{ID: "7"}}
	oneTwice[9] = oneTwice[7]
	for name, test := range map[string]struct {
		changes []adsync.Change
		edit    func(*sql.DB, *sqlstore.Table)
		odd     map[int]error
		most    int
		takes   time.Duration // 0: any
	}{
		"more than one transaction takes": {changes: newPeople(mostInOne + 1), most: 2, takes: adding},
		"no more":                         {changes: newPeople(mostInOne), most: 1, takes: adding},
		"one connection":                  {changes: newPeople(mostInOne + 1), edit: oneConnection, most: 1, takes: 2 * adding},
		"values that are made for each row": {changes: newPeople(mostInOne + 1), most: 1, takes: adding, edit: func(_ *sql.DB, table *sqlstore.Table) {
			table.Defaults = map[string]any{"note": sql.NullString{}}
		}},
		"an update":       {changes: oneUpdate, odd: map[int]error{7: adsync.ErrStale}, most: 1, takes: adding},
		"one entry twice": {changes: oneTwice, odd: map[int]error{9: adsync.ErrAlready}, most: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{}
				store := s.store(t, test.edit)
				begun := time.Now()
				written := store.ApplyChanges(t.Context(), test.changes)
				took := time.Since(begun)
				s.requireAdded(t, test.changes, written, test.odd)
				assert.Equal(t, test.most, s.most, "transactions that were open together")
				if test.takes > 0 {
					assert.Equal(t, test.takes, took)
				}
			})
		})
	}
}

func oneConnection(db *sql.DB, _ *sqlstore.Table) { db.SetMaxOpenConns(1) }

// halvesOf are the places of each half's changes.
func halvesOf(n int) [2][2]int { return [2][2]int{{0, n / 2}, {n / 2, n}} }

// requireHalf holds one half to one error, and the other to none.
func requireHalves(t *testing.T, written []adsync.Written, failed int, want error) {
	t.Helper()
	for half, at := range halvesOf(len(written)) {
		for i := at[0]; i < at[1]; i++ {
			if half == failed {
				require.ErrorIs(t, written[i].Err, want, i)
				require.Empty(t, written[i].UserID, i)
			} else {
				require.NoError(t, written[i].Err, i)
				require.NotEmpty(t, written[i].UserID, i)
			}
		}
	}
}

// victims are one of each half.
var victims = [2]string{"p3", fmt.Sprint("p", mostInOne)}

// What befalls one half is not told of the other, which is kept.
func TestHalves_FailAlone(t *testing.T) {
	for half, victim := range victims {
		for name, test := range map[string]struct {
			want error
			harm func(*shelf, func(names []string) error)
			err  error
			end  string
		}{
			"a database that takes no more": {adsync.ErrNotWritten, func(s *shelf, fail func([]string) error) { s.insert = fail }, readOnly(sqlstore.PostgreSQL), "rollback"},
			"a commit without an answer":    {adsync.ErrUnknown, func(s *shelf, fail func([]string) error) { s.commit = fail }, errGone, "commit"},
		} {
			t.Run(fmt.Sprint(name, " ", half), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &shelf{}
					test.harm(s, func(names []string) error {
						if slices.Contains(names, victim) {
							return test.err
						}
						return nil
					})
					written := s.store(t, nil).ApplyChanges(t.Context(), newPeople(mostInOne+1))
					requireHalves(t, written, half, test.want)
					assert.Equal(t, []string{"commit", test.end}, s.ends)
				})
			})
		}
	}
}

// derivedNotes are of a function of the host's that does something of its own for one user.
func derivedNotes(victim string, do func()) func(*sql.DB, *sqlstore.Table) {
	return func(_ *sql.DB, table *sqlstore.Table) {
		table.Derived = map[string]func(adsync.User) any{"note": func(u adsync.User) any {
			if u.Username == victim {
				do()
			}
			return nil
		}}
	}
}

// A panic is the caller's, once the other half is written and no transaction is left.
func TestHalves_PanicWhenBothHaveEnded(t *testing.T) {
	for half, victim := range victims {
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{}
			store := s.store(t, derivedNotes(victim, func() { panic("of the host's own function") }))
			assert.PanicsWithValue(t, "of the host's own function", func() { store.ApplyChanges(t.Context(), newPeople(mostInOne+1)) })
			assert.Equal(t, []string{"commit", "rollback"}, s.ends)
			assert.Zero(t, s.open)
			at := halvesOf(mostInOne + 1)[1-half]
			assert.Len(t, s.names, at[1]-at[0])
		})
	}
}

// A goroutine that ends without an answer, as by the FailNow of a test, is not taken for success.
func TestHalves_WithoutAnAnswerAreUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		written := s.store(t, derivedNotes(victims[1], runtime.Goexit)).ApplyChanges(t.Context(), newPeople(mostInOne+1))
		requireHalves(t, written, 1, adsync.ErrUnknown)
		assert.Zero(t, s.open)
	})
}

// When the context ends, both transactions are undone; one that was committed before stays.
func TestHalves_EndWithTheContext(t *testing.T) {
	for name, test := range map[string]struct {
		edit  func(*sql.DB, *sqlstore.Table)
		after time.Duration
		added int
	}{
		"both":                            {nil, adding / 2, 0},
		"the second of a sole connection": {oneConnection, adding * 3 / 2, 1},
		"the one that waits for it":       {oneConnection, adding / 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{}
				store := s.store(t, test.edit)
				ctx, cancel := context.WithTimeout(t.Context(), test.after)
				defer cancel()
				added := 0
				written := store.ApplyChanges(ctx, newPeople(mostInOne+1))
				for _, at := range halvesOf(len(written)) {
					err := written[at[0]].Err
					if err == nil {
						added++
					} else {
						require.ErrorIs(t, err, context.DeadlineExceeded)
					}
					for i := at[0]; i < at[1]; i++ {
						require.Equal(t, err, written[i].Err, i)
						require.Equal(t, err == nil, written[i].UserID != "", i)
					}
				}
				assert.Equal(t, test.added, added)
				assert.Zero(t, s.open)
			})
		})
	}
}
