package sqlstore_test

import (
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// returnedStories are of new rows that the statement which adds them returns whole.
func returnedStories() []story {
	ann, bob, cid, dan := person(1, "ann"), person(2, "bob"), person(3, "cid"), person(4, "dan")
	danny := renamed(dan, "danny")
	cut := edited(bob, func(u *adsync.User) { u.Phone = "" })
	three, ids := []adsync.Change{createOf(cid), createOf(ann), createOf(bob)}, []string{"103", "101", "102"}
	all, none := func(t *sqlstore.Table) { t.Where, t.Args = "", nil }, []error{nil, nil, nil}
	trigger := func(sqlstore.Dialect) []reply {
		one := reply{columns: []string{"1"}, rows: [][]driver.Value{{int64(1)}}}
		var replies []reply
		for _, question := range []string{"SELECT 1 FROM pg_catalog.pg_class", "SELECT 1 FROM information_schema.referential"} {
			one.to = question
			replies = append(replies, one)
		}
		return replies
	}
	stories := []story{
		{name: "new rows without a condition", after: []adsync.User{ann, bob, cid}, changes: three, want: none, ids: ids, table: all},
		{name: "new rows of a table with a trigger", after: []adsync.User{ann, bob, cid}, changes: three, want: none, ids: ids, table: all, replies: trigger},
		{name: "new rows of a table without transactions", only: sqlstore.MySQL, after: []adsync.User{ann, bob, cid}, changes: three, want: none, ids: ids, table: all,
			edit: func(r *recorder) { r.types[0].key, r.whole = false, true }},
		{name: "new rows of which one is changed", after: []adsync.User{ann, cut, cid}, changes: three, want: []error{nil, nil, errors.New("")}, table: all},
		{name: "new rows and one that is updated", before: []adsync.User{dan}, after: []adsync.User{ann, bob, danny}, changes: []adsync.Change{createOf(ann), createOf(bob), updateTo(dan, danny)}, want: none, table: all},
		{name: "new rows and one that is there", before: []adsync.User{bob}, after: []adsync.User{ann, bob, cid}, changes: three, want: []error{nil, nil, adsync.ErrAlready}, ids: ids, table: all},
	}
	for i := range stories {
		if stories[i].edit == nil {
			stories[i].edit = func(r *recorder) { r.whole = true }
		}
	}
	return stories
}

// Two new rows of one ID are not taken for one user, though the second is as planned.
func TestCreate_RefusesReturnedRowsOfOneID(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	bob.ID = ann.ID
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL} {
		r := &recorder{types: peopleTypes(d), after: storedAll(ann, bob), whole: true}
		s, _ := openRecorder(t, r, d, everybody())
		for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{createOf(ann), createOf(bob)}) {
			assert.ErrorContains(t, w.Err, "adsync: several rows have this ID", d)
		}
		assert.Contains(t, r.statements(), "ROLLBACK\n", d)
	}
}
