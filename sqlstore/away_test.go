package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// away is a database that nobody answers for.
type away struct{}

func (away) Connect(context.Context) (driver.Conn, error) { return nil, refusedDial() }
func (away) Driver() driver.Driver                        { return nil }

func refusedDial() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// A run that finds no database is incomplete, wherever it asks first, and its error is still
// the driver's.
func TestAway_IsIncomplete(t *testing.T) {
	for _, d := range dialects {
		db := sql.OpenDB(away{})
		s, err := sqlstore.New(db, d, peopleTable())
		require.NoError(t, err)
		ledger, err := sqlstore.NewLedger(db, d, "ledger")
		require.NoError(t, err)
		syncer, err := adsync.New(adsync.StaticDirectory{}, s, nil)
		require.NoError(t, err)

		_, planned := syncer.Plan(t.Context())
		_, synced := syncer.Sync(t.Context())
		_, applied := syncer.Apply(t.Context(), &adsync.Plan{})
		_, locked := s.Lock(t.Context(), "")
		_, checked := s.Check(t.Context())
		_, recent := ledger.Recent(t.Context(), "ad", time.Now())
		noted := ledger.Note(t.Context(), "ad", "run", adsync.Tally{}, nil)
		for name, err := range map[string]error{"Plan": planned, "Sync": synced, "Apply": applied} {
			assert.ErrorIs(t, err, adsync.ErrIncomplete, "%s %s", d, name)
			assert.NotErrorIs(t, err, adsync.ErrLocked, "%s %s", d, name)
		}
		for _, read := range s.Users(t.Context()) {
			assert.EqualError(t, read, "adsync: cannot read the users of the table people: dial tcp: connection refused")
			planned = errors.Join(planned, read)
		}
		for name, err := range map[string]error{
			"Plan": planned, "Sync": synced, "Apply": applied, "Lock": locked, "Check": checked, "Recent": recent, "Note": noted,
		} {
			var network *net.OpError
			assert.ErrorAs(t, err, &network, "%s %s", d, name)
			assert.ErrorContains(t, err, "adsync: ")
			assert.ErrorContains(t, err, ": dial tcp: connection refused")
		}
		written := s.ApplyChanges(t.Context(), []adsync.Change{createOf(person(1, "ann"))})
		assert.ErrorIs(t, written[0].Err, adsync.ErrNotWritten, d)
	}
}

// What a driver quotes is left out of the text, and so cannot be asked for either.
func TestAway_LeavesNoValueInTheChain(t *testing.T) {
	quotes := stateError{"22P02", `invalid input syntax for type uuid: "ann"`}
	s, _ := openRecorder(t, &recorder{types: peopleTypes(sqlstore.PostgreSQL), replies: []reply{{to: `SELECT "id"`, err: quotes}}}, sqlstore.PostgreSQL, peopleTable())
	for _, err := range s.Users(t.Context()) {
		assert.EqualError(t, err, "adsync: cannot read the users of the table people: invalid input syntax for type uuid: …")
		assert.NotErrorIs(t, err, quotes)
	}
	blanks := stateError{"08006", "failed to connect:\n\tthe server is starting"}
	s, _ = openRecorder(t, &recorder{types: peopleTypes(sqlstore.PostgreSQL), replies: []reply{{to: `SELECT "id"`, err: blanks}}}, sqlstore.PostgreSQL, peopleTable())
	for _, err := range s.Users(t.Context()) {
		assert.EqualError(t, err, "adsync: cannot read the users of the table people: failed to connect: the server is starting")
		assert.ErrorIs(t, err, blanks)
	}
}

// A change that is alone in its batch is not blamed for a connection that was lost.
func TestAway_InTheMiddleOfOneChange(t *testing.T) {
	ann := person(1, "ann")
	for _, d := range dialects {
		for _, gone := range []error{io.ErrUnexpectedEOF, errGone} {
			r := &recorder{types: peopleTypes(d), before: storedAll(ann), replies: []reply{{to: "UPDATE", err: gone}, {to: "ROLLBACK", err: errGone}}}
			s, _ := openRecorder(t, r, d, peopleTable())
			err := s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna")))
			assert.ErrorIs(t, err, adsync.ErrNotWritten, d)
			assert.ErrorContains(t, err, "adsync: this was rolled back with its batch, as the database failed; apply the plan again: "+gone.Error())
		}
	}
}

// A question that nobody answered says nothing about the table: neither as a warning, which
// each plan of the Syncer would then carry, nor to a lock, of which two would differ.
func TestAway_SaysNothingAboutTheTable(t *testing.T) {
	for _, gone := range []error{
		driver.ErrBadConn, io.EOF, refusedDial(), stateError{"57P01", "terminating connection due to administrator command"},
		errors.New("Error 1053 (08S01): Server shutdown in progress"), errors.New("invalid connection"),
	} {
		r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: []reply{{to: askIndexes, times: 9, err: gone}}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
		warnings, err := s.Check(t.Context())
		assert.ErrorContains(t, err, "adsync: cannot read the users of the table people: ")
		assert.Empty(t, warnings)
		r.replies = []reply{{to: askIndexes, times: 9, err: gone}}
		_, err = s.Lock(t.Context(), "ad")
		assert.ErrorContains(t, err, "adsync: cannot lock the table people: ")
		assert.NotContains(t, r.statements(), "GET_LOCK")
	}
}

// While one run waits for a connection to ask for its lock, others of the same Store lock
// and unlock as they like, and one that asks for the same lock learns that at once.
func TestLock_WaitsForNobodyOfItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yes := [][]driver.Value{{true}}
		r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: []reply{
			{to: askIndexes, times: 9, columns: []string{"text"}, rows: texts("login", "mail")}, {to: "SELECT COALESCE", times: 9, columns: []string{"ok"}, rows: yes},
		}}
		s, db := openRecorder(t, r, sqlstore.MySQL, everybody())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		db.SetMaxOpenConns(2)
		unlock, err := s.Lock(ctx, "one")
		require.NoError(t, err)
		taken, err := db.Conn(ctx)
		require.NoError(t, err)

		begun := time.Now()
		waiting := make(chan func() error)
		go func() {
			unlock, err := s.Lock(ctx, "") // which asks for nothing before
			assert.NoError(t, err)
			waiting <- unlock
		}()
		synctest.Wait()
		_, err = s.Lock(ctx, "")
		assert.ErrorIs(t, err, adsync.ErrLocked)
		require.NoError(t, unlock())
		other := <-waiting
		assert.Equal(t, begun, time.Now(), "nothing waited for a deadline")

		short, end := context.WithTimeout(ctx, time.Second)
		defer end()
		_, err = s.Lock(short, "one") // both connections are taken
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, begun.Add(time.Second), time.Now())
		require.NoError(t, taken.Close())
		again, err := s.Lock(ctx, "one")
		require.NoError(t, err, "one that was not given is not held")
		require.NoError(t, again())
		require.NoError(t, other())
	})
}
