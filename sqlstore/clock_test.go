package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// What a column holds of the time of a write.
func TestNow_IsWrittenAsItsColumnHoldsIt(t *testing.T) {
	const pg, my, lite = sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite
	for _, test := range []struct {
		dialect sqlstore.Dialect
		kind    string
		value   sqlstore.StatusValue
		want    func(at time.Time) any // nil: it is refused
	}{
		{pg, "timestamp with time zone", sqlstore.Now, func(at time.Time) any { return at.UTC().Truncate(time.Second) }},
		{my, "datetime(6)", sqlstore.Now, func(at time.Time) any { return at.UTC().Truncate(time.Second) }},
		{lite, "DATETIME", sqlstore.Now, func(at time.Time) any { return at.UTC().Format(time.DateTime) }},
		{pg, "bigint", sqlstore.Now, func(at time.Time) any { return at.UnixMilli() }},
		{pg, "integer", sqlstore.Now, func(at time.Time) any { return at.Unix() }},
		{lite, "INTEGER", sqlstore.Now, func(at time.Time) any { return at.UnixMilli() }},
		{lite, "SMALLINT", sqlstore.NowUnix, func(at time.Time) any { return at.Unix() }},
		{pg, "bigint", sqlstore.NowUnix, func(at time.Time) any { return at.Unix() }},
		{pg, "integer", sqlstore.NowUnix, func(at time.Time) any { return at.Unix() }},
		{pg, "smallint", sqlstore.Now, nil}, {my, "tinyint(4)", sqlstore.NowUnix, nil}, {pg, "text", sqlstore.Now, nil}, {pg, "boolean", sqlstore.Now, nil},
		{pg, "timestamp with time zone", sqlstore.NowUnix, nil}, {lite, "DATETIME", sqlstore.NowUnix, nil}, {pg, "bigint", sqlstore.NotNull, nil},
	} {
		synctest.Test(t, func(t *testing.T) { // whose clock is known
			time.Sleep(1500 * time.Millisecond)
			ann := person(1, "ann")
			table := peopleTable()
			delete(table.Defaults, "note")
			table.Derived = map[string]func(adsync.User) any{"note": func(adsync.User) any { return test.value }}
			r := &recorder{types: peopleTypes(test.dialect), before: storedAll(ann), after: storedAll(renamed(ann, "anna"))}
			setKind(r.types, "note", test.kind)
			s, _ := openRecorder(t, r, test.dialect, table)
			err := s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna")))
			if test.want == nil {
				assert.ErrorContains(t, err, "adsync: the column note of type "+test.kind+" cannot be set to Now, NowUnix or NotNull")
				return
			}
			require.NoError(t, err)
			require.Equal(t, "anna", r.sent[0].Value)
			assert.Equal(t, test.want(time.Now()), r.sent[1].Value, "%s %s", test.dialect, test.kind)
		})
	}
}

// A reading that its context ends says so, and nothing of the driver's.
func TestUsers_EndWithTheirContext(t *testing.T) {
	s, _ := openRecorder(t, &recorder{types: peopleTypes(sqlstore.PostgreSQL)}, sqlstore.PostgreSQL, peopleTable())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Users(ctx) {
		assert.EqualError(t, err, "adsync: the run was ended before all users were read: context canceled")
		assert.ErrorIs(t, err, context.Canceled)
	}
}

// A moment that a plan leaves to the write is that of its batch; never is 0 where there is no NULL.
func TestMoments_AreWrittenAsTheirColumnHoldsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock is known
		ann, bob := person(1, "ann"), person(2, "bob")
		gone := edited(ann, left(adsync.AtWrite))
		types := append(peopleTypes(sqlstore.MySQL), columnType{name: "left_at", kind: "bigint(20)"})
		r := &recorder{types: types, before: [][]driver.Value{leaver(ann, int64(0))}, after: [][]driver.Value{leaver(gone, time.Now().Unix()), leaver(bob, int64(0))}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, leaversTable())
		require.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, gone)))
		assert.Equal(t, "off", r.sent[0].Value)
		assert.Equal(t, time.Now().Unix(), r.sent[1].Value)
		_, err := s.CreateUser(t.Context(), createOf(bob))
		require.NoError(t, err)
		assert.Equal(t, int64(0), r.sent[8].Value)
		assert.Equal(t, "on", r.sent[7].Value)
	})
}

// A new user of whom no row would read so is refused, alone and among others.
func TestCreate_RefusesWhatNoRowCanSay(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	for says, odd := range map[string]adsync.User{
		"adsync: the table people tells by the column left_at whom a sync deactivated, so nobody can be that without a moment": edited(ann, func(u *adsync.User) { u.Status = adsync.StatusDeactivated }),
		`adsync: sqlstore.Table.Statuses has no value for "blocked" that can be written; add one`:                              edited(ann, func(u *adsync.User) { u.Status = adsync.StatusBlocked }),
	} {
		for _, d := range dialects {
			for _, changes := range [][]adsync.Change{{createOf(odd)}, {createOf(odd), createOf(bob)}} {
				kind := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "bigint", sqlstore.MySQL: "bigint(20)", sqlstore.SQLite: "INTEGER"}[d]
				s, _ := openRecorder(t, &recorder{types: leaversTypes(d, kind), after: [][]driver.Value{leaver(bob, nil)}}, d, leaversTable())
				written := s.ApplyChanges(t.Context(), changes)
				assert.ErrorContains(t, written[0].Err, says, d)
				if len(changes) > 1 {
					assert.NoError(t, written[1].Err, d)
				}
			}
		}
	}
}

// The same goes for a user who is there, unless the row was not as planned before.
func TestUpdate_RefusesWhatNoRowCanSay(t *testing.T) {
	ann := person(1, "ann")
	odd := edited(ann, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	s, _ := openRecorder(t, &recorder{types: leaversTypes(sqlstore.SQLite, "INTEGER"), before: [][]driver.Value{leaver(ann, nil)}}, sqlstore.SQLite, leaversTable())
	assert.ErrorContains(t, s.UpdateUser(t.Context(), updateTo(ann, odd)), "so nobody can be that without a moment")
	assert.ErrorIs(t, s.UpdateUser(t.Context(), updateTo(odd, renamed(odd, "anna"))), adsync.ErrStale)
}

// Where all users were read, and spelled as the store does, new ones are looked for in that
// spelling alone.
func TestSpelling_OfAllUsersSavesTheOthers(t *testing.T) {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	guid := bob.ObjectID.String()
	for name, test := range map[string]struct {
		held  string
		read  bool
		other bool // spellings are looked for
	}{
		"own": {ann.ObjectID.String(), true, false}, "another": {"{" + ann.ObjectID.String() + "}", true, true}, "not read": {ann.ObjectID.String(), false, true},
	} {
		r := &recorder{types: peopleTypes(sqlstore.MySQL), before: storedAll(ann), after: storedAll(bob, cid)}
		r.before[0][1] = test.held
		s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
		if test.read {
			for _, err := range s.Users(t.Context()) {
				require.NoError(t, err)
			}
		}
		_ = r.statements()
		for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{createOf(bob), createOf(cid)}) {
			require.NoError(t, w.Err, name)
		}
		log := r.statements()
		assert.Contains(t, log, guid)
		assert.Equal(t, test.other, strings.Contains(log, "{"+guid+"}"), name)
	}
}
