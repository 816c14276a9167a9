package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Rows that a statement returns and that cannot be read are undone, and added one by one.
func TestCreate_BelievesNoRowThatIsReturnedOddly(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	guid, other := ann.ObjectID.String(), []driver.Value{int64(102), bob.ObjectID.String(), "ad"}
	for _, d := range dialects {
		for name, returned := range map[string][][]driver.Value{
			"too few": {{int64(101), guid}}, "without an ID": {{nil, guid, "ad"}}, "of no ObjectID": {{int64(101), "no such thing", "ad"}}, "of another": {{int64(101), bob.ObjectID.String(), "ad"}},
			"without an ID, and one": {{nil, guid, "ad"}, other}, "of no ObjectID, and one": {{int64(101), "no such thing", "ad"}, other},
		} {
			r := &recorder{types: peopleTypes(d), after: storedAll(ann, bob), replies: []reply{{to: "INSERT", affected: 1, columns: make([]string, len(returned[0])), rows: returned}}}
			s, _ := openRecorder(t, r, d, peopleTable())
			for i, w := range s.ApplyChanges(t.Context(), []adsync.Change{createOf(ann), createOf(bob)}) {
				assert.NoError(t, w.Err, "%s: %s", d, name)
				assert.Equal(t, fmt.Sprint(101+i), w.UserID)
			}
			assert.Contains(t, r.statements(), "ROLLBACK\n", "%s: %s", d, name)
		}
	}
}

// Nothing of the host's is written beside a new row that has no ID, or none that can be read.
func TestCreate_CallsNobodyForARowWithoutAnID(t *testing.T) {
	for _, d := range dialects {
		for _, returned := range [][]driver.Value{nil, {nil}, {int64(101), "more"}} {
			table, called := peopleTable(), false
			table.OnWrite = func(context.Context, *sql.Tx, adsync.Change, string) error {
				called = true
				return nil
			}
			r := &recorder{types: peopleTypes(d), replies: []reply{{to: "INSERT", columns: make([]string, len(returned)), rows: [][]driver.Value{returned}}}}
			if returned == nil {
				r.replies[0].rows = nil
			}
			s, _ := openRecorder(t, r, d, table)
			_, err := s.CreateUser(t.Context(), createOf(person(1, "ann")))
			says := "adsync: the new row was not kept, as its ID or the row itself is not to be found"
			if len(returned) > 1 && d != sqlstore.MySQL { // which asks for nothing to be returned
				says = "expected 2 destination arguments"
			}
			assert.ErrorContains(t, err, says, d)
			assert.False(t, called, d)
		}
	}
}

// No statement has more arguments than each database takes.
func TestCreate_SendsNoMoreArgumentsThanAreTaken(t *testing.T) {
	for _, d := range dialects {
		table, types := peopleTable(), peopleTypes(d)
		for n := range 1600 {
			name := fmt.Sprint("more", n)
			table.Defaults[name], types = "x", append(types, columnType{name: name, kind: types[3].kind})
		}
		var users []adsync.User
		var changes []adsync.Change
		for n := range 24 {
			users = append(users, person(n+1, fmt.Sprint("u", n)))
			changes = append(changes, createOf(users[n]))
		}
		r := &recorder{types: types, after: storedAll(users...)}
		s, _ := openRecorder(t, r, d, table)
		for i, w := range s.ApplyChanges(t.Context(), changes) {
			require.NoError(t, w.Err, i)
		}
		for args := range strings.Lines(r.statements()) {
			assert.LessOrEqual(t, strings.Count(args, `"x", `), 32000, d)
		}
	}
}

// Where the statement does not return them, new users are looked for by each of their sources.
func TestCreate_FindsNewUsersOfSeveralSources(t *testing.T) {
	ann, bob := person(1, "ann"), edited(person(2, "bob"), func(u *adsync.User) { u.Source = "elsewhere" })
	r := &recorder{types: peopleTypes(sqlstore.MySQL), after: storedAll(ann, bob), noReturning: true}
	s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
	for i, w := range s.ApplyChanges(t.Context(), []adsync.Change{createOf(ann), createOf(bob)}) {
		require.NoError(t, w.Err)
		assert.Equal(t, fmt.Sprint(101+i), w.UserID)
	}
	log := r.statements()
	assert.Equal(t, 1, strings.Count(log, "(prepared) INSERT"))
	assert.NotContains(t, log, "ROLLBACK")
}

// Long values of the host's own are sent with fewer rows at once.
func TestCreate_SendsFewRowsOfLongDefaults(t *testing.T) {
	for length, statements := range map[int]int{255: 1, 256: 2} {
		var users []adsync.User
		var changes []adsync.Change
		for n := range 120 {
			users = append(users, person(n+1, fmt.Sprint("u", n)))
			changes = append(changes, createOf(users[n]))
		}
		table := peopleTable()
		table.Defaults["note"] = strings.Repeat("x", length)
		r := &recorder{types: peopleTypes(sqlstore.MySQL), after: storedAll(users...)}
		s, _ := openRecorder(t, r, sqlstore.MySQL, table)
		for i, w := range s.ApplyChanges(t.Context(), changes) {
			require.NoError(t, w.Err, i)
		}
		assert.Len(t, writes.FindAllString(r.statements(), -1), statements, length)
	}
}

// Whether a server takes a statement is asked anew where the transaction was lost.
func TestCreate_StartsAnewWhereItsQuestionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		ann, bob := person(1, "ann"), person(2, "bob")
		r := &recorder{types: peopleTypes(sqlstore.MySQL), after: storedAll(ann, bob),
			replies: []reply{{to: "PREPARE INSERT", err: errors.New("Error 1213 (40001): Deadlock found when trying to get lock")}}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
		for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{createOf(ann), createOf(bob)}) {
			assert.NoError(t, w.Err)
		}
		lost, _, undone := strings.Cut(r.statements(), "ROLLBACK\n")
		assert.True(t, undone)
		assert.Empty(t, writes.FindAllString(lost, -1))
	})
}

// A table that is not asked about its triggers is not taken for one without them.
func TestCreate_AsksWhatChangesANewRow(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	for d, question := range map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "SELECT 1 FROM pg_catalog.pg_class", sqlstore.MySQL: "SELECT 1 FROM information_schema.referential",
	} {
		for _, odd := range []reply{{err: readOnly(d)}, {columns: []string{"1"}, rowsErr: readOnly(d)}} {
			odd.to = question
			r := &recorder{types: peopleTypes(d), after: storedAll(ann, bob), whole: true, replies: []reply{odd}}
			s, _ := openRecorder(t, r, d, everybody())
			for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{createOf(ann), createOf(bob)}) {
				assert.ErrorIs(t, w.Err, adsync.ErrNotWritten, d)
			}
			assert.NotContains(t, r.statements(), "COMMIT")
		}
	}
}
