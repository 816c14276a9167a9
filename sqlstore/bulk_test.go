package sqlstore_test

import (
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

// Two rows of one ID are none of a user's, whichever statement meets them; the other changes
// are written.
func TestBulk_RefusesSeveralRowsOfOneID(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	anna, bobby := renamed(ann, "anna"), renamed(bob, "bobby")
	ordinals := func(all ...int64) reply {
		p := reply{to: "UPDATE", affected: 1, columns: []string{"n"}}
		for _, n := range all {
			p.rows = append(p.rows, []driver.Value{n})
		}
		return p
	}
	for name, r := range map[string]*recorder{
		"as they are written":   {before: storedAll(ann, bob), after: storedAll(anna, bobby), replies: []reply{ordinals(1, 1, 2), {to: "UPDATE", affected: 2}}},
		"as they are read back": {before: storedAll(ann, bob), after: storedAll(anna, anna, bobby)},
		"as they are looked at": {before: append(storedAll(ann, ann), stored(bob)), after: storedAll(anna, bobby), replies: []reply{{to: "UPDATE", columns: []string{"n"}}, {to: "UPDATE"}}},
	} {
		r.types = peopleTypes(sqlstore.PostgreSQL)
		s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
		written := s.ApplyChanges(t.Context(), []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby)})
		assert.ErrorContains(t, written[0].Err, "adsync: several rows have this ID, and none was written; map the primary key", name)
		assert.NoError(t, written[1].Err, name)
		assert.Contains(t, r.statements(), "ROLLBACK\n", name)
	}
}

// An ID of a transaction that was rolled back is nobody's.
func TestApplyChanges_ForgetsTheIDsOfARolledBackTransaction(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	lost := map[sqlstore.Dialect]error{
		sqlstore.PostgreSQL: stateError{"40001", "could not serialize access"}, sqlstore.MySQL: fmt.Errorf("Error 1213 (40001): Deadlock found"), sqlstore.SQLite: fmt.Errorf("database is locked (5)"),
	}
	for _, d := range dialects {
		for _, changes := range [][]adsync.Change{{createOf(ann)}, {createOf(ann), createOf(bob)}} {
			table, derived := peopleTable(), 0
			delete(table.Defaults, "note")
			table.Derived["note"] = func(u adsync.User) any {
				if u.Username == "ann" {
					derived++
				}
				return []any{nil, sqlstore.NotNull}[min(derived/2, 1)] // refused from the second time on
			}
			r := &recorder{types: peopleTypes(d), after: storedAll(ann, bob), failAt: 3, failHow: "at once", failWith: lost[d]} // as the row is read back
			if d == sqlstore.SQLite {
				r.failAt = 4 // after its lock
			}
			s, _ := openRecorder(t, r, d, table)
			written := s.ApplyChanges(t.Context(), changes)
			assert.ErrorContains(t, written[0].Err, "cannot be set to Now, NowUnix or NotNull", d)
			assert.Empty(t, written[0].UserID, "%s, %d changes", d, len(changes))
		}
	}
}

// What the host cannot compute for a row that was read is not sent in part.
func TestBulk_SendsNothingThatCannotBeDerived(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	table, derived := peopleTable(), 0
	table.Derived["login_lower"] = func(u adsync.User) any {
		if u.Username != "anna" {
			return nil
		}
		derived++
		return []any{nil, sqlstore.NotNull}[min(derived/2, 1)]
	}
	r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), before: storedAll(ann, bob), after: storedAll(renamed(ann, "anna"), renamed(bob, "bobby")),
		replies: []reply{{to: "UPDATE", columns: []string{"n"}}}} // which finds no row as it is compared
	s, _ := openRecorder(t, r, sqlstore.PostgreSQL, table)
	written := s.ApplyChanges(t.Context(), []adsync.Change{updateTo(ann, renamed(ann, "anna")), updateTo(bob, renamed(bob, "bobby"))})
	assert.ErrorContains(t, written[0].Err, "cannot be set to Now, NowUnix or NotNull")
	assert.NoError(t, written[1].Err)
	first, _, undone := strings.Cut(r.statements(), "ROLLBACK\n")
	assert.True(t, undone)
	assert.Len(t, writes.FindAllString(first, -1), 1)
}

// A server that explained a statement is not asked about the same text again.
func TestCounted_ExplainsEachStatementOnce(t *testing.T) {
	var before, after []adsync.User
	var changes []adsync.Change
	for n := range 100 {
		u := person(n+1, fmt.Sprint("u", n))
		before, after = append(before, u), append(after, renamed(u, fmt.Sprint("v", n)))
		changes = append(changes, updateTo(before[n], after[n]))
	}
	r := &recorder{types: peopleTypes(sqlstore.MySQL), before: storedAll(before...), after: storedAll(after...)}
	s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
	for i, w := range s.ApplyChanges(t.Context(), changes) {
		require.NoError(t, w.Err, i)
	}
	log := r.statements()
	assert.Equal(t, 1, strings.Count(log, "EXPLAIN"))
	assert.Len(t, writes.FindAllString(log, -1), 2)
}

// MySQL may take bytes for text on the way through a CASE.
func TestCounted_KeepsBytesOutOfWhatItSets(t *testing.T) {
	r, table := binaryKeys(sqlstore.MySQL, sqlstore.ObjectIDBytes)
	r.replies = []reply{{to: "UPDATE", times: 2, affected: 1}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, table)
	var changes []adsync.Change
	for n, id := range []string{binaryKey, strings.Replace(binaryKey, "30", "31", 1)} {
		u := adsync.User{ID: id, Source: "ad", Status: adsync.StatusActive, Profile: adsync.Profile{Username: fmt.Sprint("u", n)}}
		changes = append(changes, updateTo(u, edited(u, func(u *adsync.User) { u.ObjectID = personID(n + 1) })))
	}
	s.ApplyChanges(t.Context(), changes)
	log := r.statements()
	assert.NotContains(t, log, "CASE")
	assert.NotContains(t, log, "EXPLAIN", "and nothing is sent for both")
	assert.Contains(t, log, "UPDATE `people` SET `guid` = ?")
}

// A transaction that lost against others is over, also where it only asked a question.
func TestCounted_StartsAnewWhereItsQuestionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		ann, bob := person(1, "ann"), person(2, "bob")
		r := &recorder{types: peopleTypes(sqlstore.MySQL), before: storedAll(ann, bob), after: storedAll(renamed(ann, "anna"), renamed(bob, "bobby")),
			replies: []reply{{to: "EXPLAIN", err: errors.New("Error 1213 (40001): Deadlock found when trying to get lock")}}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
		for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{updateTo(ann, renamed(ann, "anna")), updateTo(bob, renamed(bob, "bobby"))}) {
			assert.NoError(t, w.Err)
		}
		lost, _, undone := strings.Cut(r.statements(), "ROLLBACK\n")
		assert.True(t, undone)
		assert.Empty(t, writes.FindAllString(lost, -1))
	})
}
