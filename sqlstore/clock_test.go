package sqlstore_test

import (
	"context"
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
