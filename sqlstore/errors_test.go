package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// What a database refuses is told in a sentence of the store's own, without the values.
func TestErrors_OfARowThatIsRefused(t *testing.T) {
	ann := person(1, "ann")
	anna := renamed(ann, "anna")
	for says, test := range map[string]struct {
		d   sqlstore.Dialect
		err error
		is  error
	}{
		"(unique constraint one_login)":                                       {sqlstore.PostgreSQL, refusal(sqlstore.PostgreSQL, "one_login"), adsync.ErrConflict},
		"(unique constraint unnamed)":                                         {sqlstore.MySQL, errors.New("Error 1062 (23000): Duplicate entry"), adsync.ErrConflict},
		"adsync: the database refused this row by its constraint people_team": {sqlstore.PostgreSQL, stateError{"23503", `violates foreign key constraint "people_team"`}, nil},
		"adsync: the database refused this row by its constraint no_beast; correct the user, or the constraint: ":              {sqlstore.PostgreSQL, stateError{"23514", `violates check constraint "no_beast"`}, nil},
		"adsync: the database refused this row; correct the user, or the table: Error 1048 (23000): Column 'x' cannot be null": {sqlstore.MySQL, errors.New("Error 1048 (23000): Column 'x' cannot be null"), nil},
		"adsync: the database refused this row; correct the user, or the table: no …, nor … or …":                              {sqlstore.SQLite, errors.New("no anna, nor ANN@corp.example or " + ann.ObjectID.String()), nil},
	} {
		r := &recorder{types: peopleTypes(test.d), before: storedAll(ann), replies: []reply{{to: "UPDATE", err: test.err}}}
		s, _ := openRecorder(t, r, test.d, peopleTable())
		err := s.UpdateUser(t.Context(), updateTo(ann, anna))
		assert.ErrorContains(t, err, says)
		assert.NotErrorIs(t, err, adsync.ErrNotWritten)
		if test.is != nil {
			assert.ErrorIs(t, err, test.is)
		}
	}
}

// A user to whom other rows refer is kept, and the host is told what to do about these.
func TestErrors_OfADeletionThatOtherRowsKeepOff(t *testing.T) {
	ann := person(1, "ann")
	const refused, advice = "adsync: the database refused to delete this row, as other rows refer to it", ", such as that of a role which the host gave; remove them"
	for says, err := range map[string]error{
		refused + " by its constraint docs_owner" + advice: stateError{"23503", `violates foreign key constraint "docs_owner"`},
		refused + advice: stateError{"23503", "other rows refer to it"},
	} {
		r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(ann), replies: []reply{{to: "DELETE", err: err}}}
		s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
		assert.ErrorContains(t, s.DeleteUser(t.Context(), storeDelete(ann)), says)
	}
	table := peopleTable()
	marked(&table)
	s, _ := openRecorder(t, &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(ann), replies: []reply{{to: "UPDATE", err: stateError{"23503", `violates foreign key constraint "people_team"`}}}},
		sqlstore.PostgreSQL, table)
	assert.ErrorContains(t, s.DeleteUser(t.Context(), storeDelete(ann)), "adsync: the database refused this row by its constraint people_team", "which is marked, and not deleted")
}

// After some faults nothing is written any more, and the run must know.
func TestErrors_ThatEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		ann, bob := person(1, "ann"), person(2, "bob")
		deletes := []adsync.Change{storeDelete(ann), storeDelete(bob)}
		readOnly := stateError{"25006", "cannot execute DELETE in a read-only transaction"}
		for _, test := range []struct {
			replies []reply
			says    [2]string
		}{
			{[]reply{{to: "DELETE", times: 2, err: readOnly}}, [2]string{"adsync: the database takes no writes, so nothing of this batch was written", adsync.ErrNotWritten.Error()}},
			{[]reply{{to: "BEGIN", err: errGone}}, [2]string{"adsync: this was rolled back with its batch, as the database failed; apply the plan again: the database is gone", "adsync: this was rolled back"}},
		} {
			r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(ann, bob), replies: test.replies}
			s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
			for i, w := range s.ApplyChanges(t.Context(), deletes) {
				assert.ErrorContains(t, w.Err, test.says[i])
				assert.ErrorIs(t, w.Err, adsync.ErrNotWritten)
			}
		}
		r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(ann, bob), replies: []reply{{to: "DELETE", times: 99, err: stateError{"40001", "could not serialize"}}}}
		s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
		for _, w := range s.ApplyChanges(t.Context(), deletes) {
			assert.ErrorContains(t, w.Err, "adsync: this was rolled back with its batch, as others kept the table busy; apply the plan again: could not serialize")
			assert.NotErrorIs(t, w.Err, adsync.ErrNotWritten, "others may fare better")
		}
		r = &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(ann, bob), replies: []reply{{to: "COMMIT", err: errGone}}}
		s, _ = openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
		for _, w := range s.ApplyChanges(t.Context(), deletes) {
			assert.ErrorIs(t, w.Err, adsync.ErrUnknown)
			assert.ErrorContains(t, w.Err, "(the commit was not answered: the database is gone)")
		}
	})
}

// What a run that ends cuts short is rolled back, and says so.
func TestErrors_OfARunThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		ann := person(1, "ann")
		for _, why := range []error{context.Canceled, context.DeadlineExceeded} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			table := peopleTable()
			table.OnWrite = func(context.Context, *sql.Tx, adsync.Change, string) error {
				if why == context.Canceled {
					cancel()
				}
				<-ctx.Done()
				return nil
			}
			r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(ann), after: storedAll(renamed(ann, "anna"))}
			s, _ := openRecorder(t, r, sqlstore.PostgreSQL, table)
			err := s.UpdateUser(ctx, updateTo(ann, renamed(ann, "anna")))
			assert.ErrorContains(t, err, "adsync: the run was ended, and this was rolled back with its batch: ")
			assert.ErrorIs(t, err, why)
			assert.ErrorIs(t, err, adsync.ErrNotWritten)
			assert.NotContains(t, r.statements(), "COMMIT")
		}
	})
}

// A question that fails for one change is asked again for the next.
func TestErrors_OfAQuestionForOneOfSeveral(t *testing.T) {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	for _, d := range dialects {
		for n := 1; ; n++ {
			r := &recorder{types: peopleTypes(d), after: storedAll(ann, bob, cid), replies: []reply{{to: "INSERT", err: refusal(d, "one_login")}}, failAt: n, failHow: "at once", failWith: errors.New("odd")}
			s, _ := openRecorder(t, r, d, peopleTable())
			written := s.ApplyChanges(t.Context(), []adsync.Change{createOf(ann), createOf(bob), createOf(cid)})
			if r.failed == "" {
				break
			}
			if !strings.HasPrefix(r.failed, "SELECT") {
				continue
			}
			failed := 0
			for _, w := range written {
				if w.Err != nil {
					failed++
				}
			}
			assert.LessOrEqual(t, failed, 1, "%s: %s", d, r.failed)
		}
	}
}

// writes finds what a log has of them.
var writes = regexp.MustCompile(`(?m)^(\(prepared\) )?(INSERT|UPDATE|DELETE|WITH) `)

// A statement that found no row as planned may have written by a trigger: it is undone.
// Without such a trigger, there is nothing to undo.
func TestErrors_OfWhatATriggerMadeStale(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	for trigger, want := range map[string]string{"RAISE(IGNORE)": "ROLLBACK", "": "COMMIT"} {
		for name, write := range map[string]func(*sqlstore.Store) error{
			"a deletion": func(s *sqlstore.Store) error { return s.DeleteUser(t.Context(), storeDelete(ann)) },
			"an update":  func(s *sqlstore.Store) error { return s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna"))) },
			"many": func(s *sqlstore.Store) error {
				out := s.ApplyChanges(t.Context(), []adsync.Change{storeDelete(ann), storeDelete(bob)})
				assert.ErrorIs(t, out[1].Err, adsync.ErrStale)
				return out[0].Err
			},
		} {
			r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(renamed(ann, "odd"), renamed(bob, "odd too"))}
			for _, to := range []string{"UPDATE", "DELETE", "WITH"} {
				r.replies = append(r.replies, reply{to: to, times: 9, columns: []string{"n"}})
			}
			r.replies = append(r.replies, reply{to: "SELECT 'rule'", columns: make([]string, 3), rows: [][]driver.Value{{"trigger", "", trigger}}})
			s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
			assert.ErrorIs(t, write(s), adsync.ErrStale)
			first, _, ended := strings.Cut(r.statements(), want)
			assert.True(t, ended, name)
			assert.Len(t, writes.FindAllString(first, -1), 1, "%s: nothing is written over what was read", name)
		}
	}
}

// Where no statement was tried, no trigger has made the row what it is, and nothing is undone.
func TestErrors_OfWhatWasStaleBefore(t *testing.T) {
	ann := edited(person(1, "ann"), func(u *adsync.User) { u.Status = adsync.StatusBlocked })
	table := peopleTable()
	table.Statuses = map[adsync.Status]any{adsync.StatusActive: "on", adsync.StatusDeactivated: "sync", adsync.StatusBlocked: sqlstore.NotNull} // which no statement compares
	for name, write := range map[string]func(*sqlstore.Store) error{
		"a deletion": func(s *sqlstore.Store) error { return s.DeleteUser(t.Context(), storeDelete(ann)) },
		"an update":  func(s *sqlstore.Store) error { return s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna"))) },
	} {
		r := &recorder{types: peopleTypes(sqlstore.SQLite), before: storedAll(renamed(ann, "odd")),
			replies: []reply{{to: "SELECT type, name, sql FROM sqlite_master", columns: make([]string, 3), rows: [][]driver.Value{{"trigger", "", "RAISE(IGNORE)"}}}}}
		s, _ := openRecorder(t, r, sqlstore.SQLite, table)
		assert.ErrorIs(t, write(s), adsync.ErrStale, name)
		log := r.statements()
		assert.Contains(t, log, "COMMIT", name)
		assert.NotContains(t, log, "ROLLBACK", name)
	}
}

// A refused creation is tried again alone, in case that its row is there by now.
func TestErrors_OfACreationThatAnotherRunHasMade(t *testing.T) {
	ann := person(1, "ann")
	for _, d := range dialects {
		r := &recorder{types: peopleTypes(d), after: storedAll(ann), replies: []reply{{to: "INSERT", err: refusal(d, "one_login")}}}
		s, _ := openRecorder(t, r, d, peopleTable())
		r.beforeAgain = storedAll(ann)
		id, err := s.CreateUser(t.Context(), createOf(ann))
		assert.ErrorIs(t, err, adsync.ErrAlready, d)
		assert.Equal(t, "101", id)
	}
	r := &recorder{types: peopleTypes(sqlstore.SQLite), after: storedAll(ann), replies: []reply{{to: "INSERT", err: refusal(sqlstore.SQLite, "one_login")}, {to: "INSERT", err: errors.New("attempt to write a readonly database")}}}
	s, _ := openRecorder(t, r, sqlstore.SQLite, peopleTable())
	_, err := s.CreateUser(t.Context(), createOf(ann))
	assert.ErrorIs(t, err, adsync.ErrConflict, "the second try was none")
}

func TestErrors_OfTheFirstQuestion(t *testing.T) {
	ann := person(1, "ann")
	for _, test := range []struct {
		says string
		edit func(r *recorder, s *sqlstore.Table)
	}{
		{"adsync: the database has no table people, or does not show it to this account; check sqlstore.Table.Name", func(r *recorder, _ *sqlstore.Table) { r.types = nil }},
		{"adsync: the table people has no column note; correct sqlstore.Table", func(r *recorder, _ *sqlstore.Table) { r.types = without(r.types, "note") }},
		{"adsync: the table people has no column gone; correct sqlstore.Table", func(_ *recorder, s *sqlstore.Table) { s.Delete = map[string]any{"gone": 1} }},
		{"adsync: the column id of the table people has no type", func(r *recorder, _ *sqlstore.Table) { r.types[0].kind = "" }},
		{"adsync: the column note of type TEXT cannot be set to Now, NowUnix or NotNull", func(_ *recorder, s *sqlstore.Table) { s.Defaults["note"] = sqlstore.Now }},
		{"adsync: the column note of type TEXT cannot be set to Now, NowUnix or NotNull", func(_ *recorder, s *sqlstore.Table) { s.Delete = map[string]any{"note": sqlstore.NotNull} }},
		{"adsync: the column note of type TEXT cannot be set to Now, NowUnix or NotNull", func(_ *recorder, s *sqlstore.Table) { s.Defaults["note"] = sqlstore.NowUnix }},
		{"adsync: the column note of type DATETIME cannot be set to Now, NowUnix or NotNull", func(r *recorder, s *sqlstore.Table) {
			setKind(r.types, "note", "DATETIME")
			s.Defaults["note"] = sqlstore.NowUnix
		}},
		{"adsync: sqlstore.Table.Statuses maps active to yes, which the column state of type INTEGER cannot hold", func(r *recorder, s *sqlstore.Table) {
			setKind(r.types, "state", "INTEGER")
			s.Statuses = map[adsync.Status]any{adsync.StatusActive: "yes"}
		}},
		{"adsync: sqlstore.Table.Statuses maps active to NULL, which the column state of type TEXT cannot hold", func(_ *recorder, s *sqlstore.Table) {
			s.Statuses = map[adsync.Status]any{adsync.StatusActive: sqlstore.Null, adsync.StatusBlocked: "x"}
		}},
		{"adsync: sqlstore.Table.Statuses maps inactive to the time, but the column state is of type TEXT", func(_ *recorder, s *sqlstore.Table) {
			s.Statuses = map[adsync.Status]any{adsync.StatusActive: nil, adsync.StatusInactive: sqlstore.Now}
		}},
	} {
		r, table := &recorder{types: peopleTypes(sqlstore.SQLite)}, peopleTable()
		test.edit(r, &table)
		s, _ := openRecorder(t, r, sqlstore.SQLite, table)
		assert.ErrorContains(t, s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna"))), test.says)
		for _, err := range s.Users(t.Context()) {
			assert.ErrorContains(t, err, test.says)
		}
		_, err := s.Check(t.Context())
		assert.ErrorContains(t, err, test.says)
		assert.Empty(t, r.statements(), "nothing was asked of the table itself")
	}
}

func without(types []columnType, name string) (rest []columnType) {
	for _, c := range types {
		if c.name != name {
			rest = append(rest, c)
		}
	}
	return rest
}

func setKind(types []columnType, name, kind string) {
	for i := range types {
		if types[i].name == name {
			types[i].kind = kind
		}
	}
}

// A database that is busy is asked again; one that fails is not.
func TestErrors_OfQuestionsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		ann := person(1, "ann")
		busy := errors.New("database is locked")
		for _, question := range []string{"SELECT name, type, `notnull` = 0 FROM pragma_table_xinfo", "SELECT type, name, sql FROM sqlite_master"} {
			r := &recorder{types: peopleTypes(sqlstore.SQLite), before: storedAll(ann), after: storedAll(renamed(ann, "anna")), replies: []reply{{to: question, times: 2, err: busy}}}
			s, _ := openRecorder(t, r, sqlstore.SQLite, peopleTable())
			assert.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna"))))

			r = &recorder{types: peopleTypes(sqlstore.SQLite), before: storedAll(ann), replies: []reply{{to: question, err: busy}}}
			s, _ = openRecorder(t, r, sqlstore.SQLite, peopleTable())
			var names []string
			for u, err := range s.Users(t.Context()) {
				require.NoError(t, err)
				names = append(names, u.Username)
			}
			assert.Equal(t, []string{"ann"}, names)

			r = &recorder{types: peopleTypes(sqlstore.SQLite)}
			whole := r.catalogue(question)
			whole.to, whole.rowsErr = question, errGone
			for _, failing := range []reply{{to: question, err: errGone}, whole} {
				r.replies = []reply{failing}
				s, _ = openRecorder(t, r, sqlstore.SQLite, peopleTable())
				err := s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna")))
				assert.ErrorContains(t, err, "adsync: cannot ask the database for the columns of the table people, so nothing was written: the database is gone")
				assert.ErrorIs(t, err, adsync.ErrNotWritten)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		r := &recorder{types: peopleTypes(sqlstore.SQLite)}
		s, _ := openRecorder(t, r, sqlstore.SQLite, peopleTable())
		err := s.UpdateUser(ended, updateTo(ann, renamed(ann, "anna")))
		assert.ErrorContains(t, err, "adsync: the run was ended, and this was not written")
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, adsync.ErrNotWritten)
	})
}

func TestUsers_FailAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		ann, bob := person(1, "ann"), person(2, "bob")
		read := func(r *recorder) (names []string, err error) {
			t.Helper()
			r.types = peopleTypes(sqlstore.MySQL)
			s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
			for u, e := range s.Users(t.Context()) {
				if e != nil {
					require.NoError(t, err, "one error, at the end")
					err = e
					continue
				}
				names = append(names, u.Username)
			}
			return names, err
		}
		all := storedAll(ann, bob)
		names, err := read(&recorder{before: all})
		require.NoError(t, err)
		assert.Equal(t, []string{"ann", "bob"}, names)

		busy := errors.New("Error 1205 (HY000): Lock wait timeout exceeded")
		names, err = read(&recorder{before: all, replies: []reply{{to: "SELECT `id`", times: 2, err: busy}}})
		require.NoError(t, err)
		assert.Equal(t, []string{"ann", "bob"}, names, "one that is busy before the first row is asked again")

		names, err = read(&recorder{replies: []reply{{to: "SELECT `id`", columns: make([]string, 10), rows: all[:1], rowsErr: busy}}})
		assert.ErrorContains(t, err, "adsync: cannot read the users of the table people: Error 1205")
		assert.Equal(t, []string{"ann"}, names, "one that fails after that is not: the first would come twice")

		_, err = read(&recorder{replies: []reply{{to: "SELECT `id`", err: errGone}}})
		assert.ErrorContains(t, err, "adsync: cannot read the users of the table people: the database is gone")

		for field, says := range map[int]string{
			0: "adsync: a row of the table people has no ID in its column id; map the primary key",
			1: "adsync: the column guid of user 101 cannot be read as its object_id; correct the row, or the mapping",
			9: "adsync: the column admin of user 101 cannot be read as its protected; correct the row, or the mapping",
		} {
			row := stored(ann)
			row[field] = "no such thing"
			if field == 0 {
				row[0] = nil
			}
			names, err = read(&recorder{before: [][]driver.Value{stored(bob), row, stored(bob)}})
			assert.EqualError(t, err, says)
			assert.Equal(t, []string{"bob"}, names)
		}
		_, err = read(&recorder{before: [][]driver.Value{{int64(1)}}})
		assert.ErrorContains(t, err, "adsync: cannot read a row of the table people; check the mapping")
	})
}

func TestUsers_StopWhereTheCallerDoes(t *testing.T) {
	r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(person(1, "ann"), person(2, "bob"))}
	s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, "ann", u.Username)
		break
	}
	n := 0
	for range s.Users(t.Context()) {
		n++
	}
	assert.Equal(t, 2, n, "and can be read again")
	assertStatements(t, "postgresql/users", r.statements())
}

// Keys of bytes read as a UUID or in hex, whatever the driver says of texts.
func TestUsers_WithKeysOfBytes(t *testing.T) {
	for key, want := range map[string]string{
		"0123456789abcdef": "30313233-3435-3637-3839-616263646566", "\x01\xff": "01ff",
	} {
		row := stored(person(1, "ann"))
		row[0] = []byte(key)
		r := &recorder{types: peopleTypes(sqlstore.MySQL), before: [][]driver.Value{row}, idType: "VARBINARY"}
		s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
		for u, err := range s.Users(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, want, u.ID)
		}
		r.before[0][0], r.idType = []byte("17"), "VARCHAR"
		for u, err := range s.Users(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, "17", u.ID)
		}
	}
}

func TestLock_IsOfTheDatabase(t *testing.T) {
	for _, d := range dialects {
		yes := [][]driver.Value{{true}}
		r := &recorder{types: peopleTypes(d), replies: []reply{{to: "SELECT", columns: []string{"ok"}, rows: yes}, {to: "SELECT", columns: []string{"ok"}, rows: yes}}}
		s, _ := openRecorder(t, r, d, everybody())
		unlock, err := s.Lock(t.Context(), "")
		require.NoError(t, err)
		_, err = s.Lock(t.Context(), "")
		assert.ErrorIs(t, err, adsync.ErrLocked, "of one Store, only one")
		require.NoError(t, unlock())
		require.NoError(t, unlock(), "which is done once")
		assertStatements(t, string(d)+"/lock", r.statements())
		if d == sqlstore.SQLite {
			continue
		}
		unlock, err = s.Lock(t.Context(), "")
		assert.ErrorContains(t, err, "adsync: ")
		assert.Nil(t, unlock)
	}
}

func TestLock_MayBeHeldOrLost(t *testing.T) {
	answer := func(given bool) reply {
		return reply{to: "SELECT", columns: []string{"ok"}, rows: [][]driver.Value{{given}}}
	}
	lock := func(ctx context.Context, replies ...reply) (func() error, error) {
		s, _ := openRecorder(t, &recorder{types: peopleTypes(sqlstore.PostgreSQL), replies: replies}, sqlstore.PostgreSQL, everybody())
		return s.Lock(ctx, "")
	}
	_, err := lock(t.Context(), answer(false))
	assert.ErrorIs(t, err, adsync.ErrLocked)
	assert.ErrorContains(t, err, "(the table people)")
	_, err = lock(t.Context(), reply{to: "SELECT", err: errGone})
	assert.EqualError(t, err, "adsync: cannot lock the table people: the database is gone")
	_, err = lock(t.Context(), reply{to: "SELECT", err: context.DeadlineExceeded})
	assert.EqualError(t, err, "adsync: cannot lock the table people: context deadline exceeded", "which is the driver's, and not the run's")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = lock(t.Context(), reply{to: "SELECT", err: fmt.Errorf("x: %w", context.Canceled)})
	assert.ErrorIs(t, err, context.Canceled)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = lock(ended)
	assert.ErrorIs(t, err, adsync.ErrNotWritten)
	for _, lost := range []reply{answer(false), {to: "SELECT", err: errGone}} {
		unlock, err := lock(t.Context(), answer(true), lost)
		require.NoError(t, err)
		err = unlock()
		assert.ErrorIs(t, err, adsync.ErrLockLost)
		assert.ErrorContains(t, err, "look at both reports (the table people): the ")
	}
}

// everybody is a table without tenants.
func everybody() sqlstore.Table {
	table := peopleTable()
	table.Where, table.Args = "", nil
	return table
}

// A pool of one connection has none to spare for a lock.
func TestLock_NeedsAConnection(t *testing.T) {
	r := &recorder{types: peopleTypes(sqlstore.PostgreSQL)}
	s, db := openRecorder(t, r, sqlstore.PostgreSQL, everybody())
	db.SetMaxOpenConns(1)
	unlock, err := s.Lock(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, r.statements())
	_, err = s.Lock(t.Context(), "")
	assert.ErrorIs(t, err, adsync.ErrLocked)
	require.NoError(t, unlock())
	unlock, err = s.Lock(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, unlock())
}
