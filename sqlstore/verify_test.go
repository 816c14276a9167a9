package sqlstore_test

import (
	"database/sql/driver"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// What the database made of a row, if it is not what was planned, is undone and told.
func TestVerify_TellsWhatTheDatabaseDidInstead(t *testing.T) {
	ann := person(1, "ann")
	anna, odd := renamed(ann, "anna"), renamed(ann, "odd")
	for says, test := range map[string]struct {
		change adsync.Change
		after  []adsync.User
		table  func(*sqlstore.Table)
	}{
		"adsync: the database left user 101 as it was, and gave no reason":                              {change: updateTo(ann, anna), after: []adsync.User{ann}},
		"adsync: user 101 would be no user any more, and was left as it was":                            {change: updateTo(ann, anna)},
		"adsync: the database changed what was to be written as username, so nothing of it was kept":    {change: updateTo(ann, anna), after: []adsync.User{odd}},
		"adsync: the database left user 101 as it was, and gave no reason; look for a trigger, a rule":  {change: storeDelete(ann), after: []adsync.User{ann}},
		"adsync: the database changed user 101 instead of deleting it, which was undone; look for":      {change: storeDelete(ann), after: []adsync.User{odd}},
		"adsync: user 101 is still a user after the deletion, and was kept; make sqlstore.Table.Where":  {change: storeDelete(ann), after: []adsync.User{odd}, table: marked},
		"adsync: user 101 is still a user after the deletion, and was kept; make sqlstore.Table.Where ": {change: storeDelete(ann), after: []adsync.User{ann}, table: marked},
		"adsync: the new row was not kept, as its ID or the row itself is not to be found":              {change: createOf(ann)},
	} {
		for _, d := range dialects {
			table := peopleTable()
			if test.table != nil {
				test.table(&table)
			}
			r := &recorder{types: peopleTypes(d), after: storedAll(test.after...)}
			if test.change.Op != adsync.OpCreate {
				r.before = storedAll(ann)
			}
			s, _ := openRecorder(t, r, d, table)
			written := s.ApplyChanges(t.Context(), []adsync.Change{test.change})
			assert.ErrorContains(t, written[0].Err, says, d)
			log := r.statements()
			assert.Contains(t, log, "ROLLBACK", d)
			assert.NotContains(t, log, "COMMIT", d)
		}
	}
}

// A moment that the plan leaves to the write is that of the write, unless there was one before.
func TestVerify_WantsTheMomentOfTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock is known
		ann := person(1, "ann")
		gone, now := edited(ann, left(adsync.AtWrite)), time.Now().Unix()
		for _, test := range []struct {
			before any // the moment of a user who was deactivated already; nil of one who was not
			after  int64
			says   string
		}{{nil, now, ""}, {nil, now - 60, "to be written as deactivated_at, so nothing"}, {now - 60, now - 60, ""}, {now - 60, now, ""}} {
			u, c := ann, updateTo(ann, gone)
			if test.before != nil {
				u, c = gone, updateTo(gone, renamed(gone, "anna"))
			}
			r := &recorder{types: leaversTypes(sqlstore.SQLite, "INTEGER"), before: [][]driver.Value{leaver(u, test.before)}, after: [][]driver.Value{leaver(*c.After, test.after)}}
			s, _ := openRecorder(t, r, sqlstore.SQLite, leaversTable())
			err := s.UpdateUser(t.Context(), c)
			if test.says == "" {
				require.NoError(t, err)
				continue
			}
			assert.ErrorContains(t, err, test.says)
		}
		r := &recorder{types: leaversTypes(sqlstore.SQLite, "INTEGER"), after: [][]driver.Value{leaver(gone, now-60)}}
		s, _ := openRecorder(t, r, sqlstore.SQLite, leaversTable())
		_, err := s.CreateUser(t.Context(), createOf(gone))
		assert.ErrorContains(t, err, "to be written as deactivated_at, so nothing")
	})
}
