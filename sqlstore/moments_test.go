package sqlstore_test

import (
	"database/sql/driver"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

var lastSummer = adsync.MomentOf(time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC))

// leaversTable is peopleTable with a status that tells only who is active, and moments.
func leaversTable() sqlstore.Table {
	table := peopleTable()
	table.Columns.DeactivatedAt = "left_at"
	table.Statuses = map[adsync.Status]any{adsync.StatusActive: "on", adsync.StatusDeactivated: "off"}
	return table
}

func leaversTypes(d sqlstore.Dialect, kind string) []columnType {
	return append(peopleTypes(d), columnType{name: "left_at", kind: kind, nullable: true})
}

// leaver is a row of leaversTable.
func leaver(u adsync.User, at driver.Value) []driver.Value {
	row := stored(u)
	row[8] = map[adsync.Status]string{adsync.StatusActive: "on"}[u.Status]
	if row[8] == "" {
		row[8] = "off"
	}
	return slices.Insert(row, 9, at)
}

func left(at adsync.Moment) func(*adsync.User) {
	return func(u *adsync.User) { u.Status, u.DeactivatedAt = adsync.StatusDeactivated, at }
}

func TestMoments_AreReadAsDriversGiveThem(t *testing.T) {
	berlin := time.FixedZone("", 7200)
	for _, test := range []struct {
		given driver.Value
		want  adsync.Moment
		bad   bool
	}{
		{nil, 0, false}, {"", 0, false}, {int64(0), 0, false}, {time.Time{}, 0, false}, {"0000-00-00 00:00:00", 0, false}, {[]byte("0000-00-00 00:00:00.000000"), 0, false},
		{lastSummer.Time(), lastSummer, false}, {lastSummer.Time().In(berlin).Add(time.Second / 2), lastSummer, false},
		{"2026-07-08 09:10:11", lastSummer, false}, {[]byte("2026-07-08 09:10:11.750"), lastSummer, false}, {"2026-07-08T11:10:11+02:00", lastSummer, false},
		{"2026-07-08 09:10:11Z", lastSummer, false}, {"2026-07-08T09:10:11", lastSummer, false},
		{lastSummer.Time().Unix(), lastSummer, false}, {"1783501811.5", lastSummer, false}, {[]byte("1783501811"), lastSummer, false},
		{[]byte("0.00"), 0, false}, {"0.5", adsync.MomentOf(time.Unix(0, 0)), false}, {int64(253402300799), adsync.MomentOf(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)), false}, {int64(253402300800), 0, true},
		{int64(-1), 0, true}, {lastSummer.Time().UnixMilli(), 0, true}, {"NaN", 0, true}, {"soon", 0, true}, {"infinity", 0, true}, {true, adsync.MomentOf(time.Unix(1, 0)), false},
	} {
		r := &recorder{types: leaversTypes(sqlstore.SQLite, "DATETIME"), before: [][]driver.Value{leaver(edited(person(1, "ann"), left(0)), test.given)}}
		s, _ := openRecorder(t, r, sqlstore.SQLite, leaversTable())
		for u, err := range s.Users(t.Context()) {
			if test.bad {
				assert.EqualError(t, err, "adsync: the column left_at of user 101 cannot be read as its deactivated_at; correct the row, or the mapping", "%v", test.given)
				continue
			}
			require.NoError(t, err, "%v", test.given)
			assert.Equal(t, test.want, u.DeactivatedAt, "%v", test.given)
			assert.Equal(t, map[bool]adsync.Status{true: adsync.StatusInactive, false: adsync.StatusDeactivated}[test.want == 0], u.Status, "%v", test.given)
		}
	}
}

// A moment that is there is compared by the statement itself, as its column holds it.
func TestMoments_StandInTheStatements(t *testing.T) {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	leftAnn, leftBob, leftCid := edited(ann, left(lastSummer)), edited(bob, left(lastSummer)), edited(cid, left(lastSummer))
	inactive := edited(cid, func(u *adsync.User) { u.Status = adsync.StatusInactive })
	for _, d := range dialects {
		for _, kind := range map[sqlstore.Dialect][]string{
			sqlstore.PostgreSQL: {"timestamp with time zone", "timestamp without time zone", "bigint"}, sqlstore.MySQL: {"datetime", "bigint"}, sqlstore.SQLite: {"DATETIME", "INTEGER"},
		}[d] {
			given := driver.Value(lastSummer.Time())
			if kind == "bigint" || kind == "INTEGER" {
				given = lastSummer.Time().Unix()
			}
			r := &recorder{types: leaversTypes(d, kind), replies: []reply{{to: "SELECT CAST(? AS DATETIME)", columns: []string{"a", "b"}, rows: [][]driver.Value{
				{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-07-08 09:10:11"},
			}}}}
			s, _ := openRecorder(t, r, d, leaversTable())
			_, err := s.Check(t.Context())
			require.NoError(t, err)
			r.statements()
			all := func(before, after [][]driver.Value, changes ...adsync.Change) {
				r.before, r.after, r.wrote = before, after, nil
				for i, w := range s.ApplyChanges(t.Context(), changes) {
					require.NoError(t, w.Err, "%s %s %d", d, kind, i)
				}
			}
			all([][]driver.Value{leaver(leftAnn, given)}, [][]driver.Value{leaver(ann, nil)}, updateTo(leftAnn, ann))
			all(nil, [][]driver.Value{leaver(leftBob, given)}, createOf(leftBob))
			all([][]driver.Value{leaver(inactive, nil)}, [][]driver.Value{leaver(leftCid, given)}, updateTo(inactive, leftCid))
			all([][]driver.Value{leaver(leftAnn, given), leaver(leftBob, given), leaver(leftCid, given)}, [][]driver.Value{leaver(ann, nil), leaver(bob, nil)},
				updateTo(leftAnn, ann), updateTo(leftBob, bob), storeDelete(leftCid))
			assertStatements(t, string(d)+"/moments of "+kind, r.statements())
		}
	}
}

// A row with any moment is as AtWrite says, which takes a look at the row.
func TestMoments_OfAnyTimeAreReadFirst(t *testing.T) {
	before, at := edited(person(1, "ann"), left(adsync.AtWrite)), lastSummer.Time()
	for _, d := range dialects {
		r := &recorder{types: leaversTypes(d, "bigint"), before: [][]driver.Value{leaver(before, at.Unix())}, after: [][]driver.Value{leaver(renamed(before, "anna"), at.Unix())}}
		s, _ := openRecorder(t, r, d, leaversTable())
		require.NoError(t, s.UpdateUser(t.Context(), updateTo(before, renamed(before, "anna"))))
		r.before, r.wrote = [][]driver.Value{leaver(before, nil)}, nil
		assert.ErrorIs(t, s.UpdateUser(t.Context(), updateTo(before, renamed(before, "anna"))), adsync.ErrStale)
	}
}

func TestMoments_OfAnotherTimeZoneAreRefused(t *testing.T) {
	winter, summer := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC)
	for _, test := range []struct {
		winter, summer driver.Value
		says           string
	}{
		{winter, summer, ""}, {"2026-01-02 03:04:05", []byte("2026-07-08 09:10:11.000000"), ""},
		{"2026-01-02 03:04:05", "2026-07-08 10:10:11", "parseTime=true"}, {"2026-01-02 04:04:05", "2026-07-08 09:10:11", "parseTime=true"}, {winter, nil, "parseTime=true"},
	} {
		r := &recorder{types: leaversTypes(sqlstore.MySQL, "datetime(6)"), replies: []reply{
			{to: "SELECT CAST(? AS DATETIME)", columns: []string{"a", "b"}, rows: [][]driver.Value{{test.winter, test.summer}}},
		}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, leaversTable())
		_, err := s.Check(t.Context())
		if test.says == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, "adsync: the database gives back other times than it is sent")
		assert.ErrorContains(t, err, test.says)
	}
}

func TestMoments_WaitForAnAnswerAboutTimes(t *testing.T) {
	for _, asked := range []reply{{err: errGone}, {columns: []string{"a", "b"}, rowsErr: errGone}, {columns: []string{"a"}, rows: texts("2026-01-02 03:04:05")}} {
		asked.to = "SELECT CAST(? AS DATETIME)"
		r := &recorder{types: leaversTypes(sqlstore.MySQL, "datetime"), replies: []reply{asked}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, leaversTable())
		ann := person(1, "ann")
		err := s.UpdateUser(t.Context(), updateTo(ann, edited(ann, left(adsync.AtWrite))))
		assert.ErrorIs(t, err, adsync.ErrNotWritten)
		assert.NotContains(t, r.statements(), "UPDATE")
	}
}

func TestMoments_NeedAColumnThatHoldsThem(t *testing.T) {
	for d, kinds := range map[sqlstore.Dialect]map[string]string{
		sqlstore.PostgreSQL: {"timestamp with time zone": "", "timestamp without time zone": "", "bigint": "", "integer": "", "numeric": "", "smallint": "no time", "date": "no time", "time with time zone": "no time", "text": "no time", "real": "no time"},
		sqlstore.MySQL:      {"datetime(6)": "", "timestamp": "", "bigint(20) unsigned": "", "int(11)": "", "tinyint(1)": "no time", "mediumint(9)": "no time", "year(4)": "no time", "varchar(20)": "no time"},
		sqlstore.SQLite:     {"DATETIME": "", "TIMESTAMP": "", "INTEGER": "", "SMALLINT": "", "DATE": "no time", "TEXT": "no time", "BOOLEAN": "no time"},
	} {
		for kind, says := range kinds {
			r := &recorder{types: leaversTypes(d, kind), replies: []reply{{to: "SELECT CAST(? AS DATETIME)", columns: []string{"a", "b"}}}}
			s, _ := openRecorder(t, r, d, leaversTable())
			_, err := s.Check(t.Context())
			if says == "" {
				assert.NoError(t, err, "%s %s", d, kind)
				continue
			}
			assert.ErrorContains(t, err, "adsync: sqlstore.Columns.DeactivatedAt names the column left_at of type "+kind+", which holds no time to the second", d)
		}
	}
	r := &recorder{types: append(peopleTypes(sqlstore.SQLite), columnType{name: "left_at", kind: "DATETIME"})}
	s, _ := openRecorder(t, r, sqlstore.SQLite, leaversTable())
	_, err := s.Check(t.Context())
	assert.ErrorContains(t, err, "which does not allow NULL")
}

func TestStore_TellsThatItHoldsMoments(t *testing.T) {
	active, inactive, deactivated, blocked := adsync.StatusActive, adsync.StatusInactive, adsync.StatusDeactivated, adsync.StatusBlocked
	for _, test := range []struct {
		statuses map[adsync.Status]any
		held     adsync.Field // "": it is refused
	}{
		{nil, adsync.FieldStatus}, {map[adsync.Status]any{active: true, deactivated: false}, adsync.FieldActive}, {map[adsync.Status]any{active: 0, inactive: sqlstore.Now}, adsync.FieldActive},
		{map[adsync.Status]any{active: 1, deactivated: 2, blocked: 3}, adsync.FieldStatus},
		{map[adsync.Status]any{active: 1, blocked: 0}, ""}, {map[adsync.Status]any{active: sqlstore.Null, inactive: sqlstore.NotNull}, ""},
	} {
		s, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.SQLite, sqlTable(func(s *sqlstore.Table) { s.Statuses, s.Columns.DeactivatedAt = test.statuses, "left_at" }))
		if test.held == "" {
			assert.ErrorContains(t, err, "adsync: sqlstore.Columns.DeactivatedAt is given, but sqlstore.Table.Statuses has no value to write")
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, []adsync.Field{adsync.FieldUsername, adsync.FieldEmail, test.held, adsync.FieldDeactivatedAt}, s.Traits().Fields)
		_, err = adsync.New(adsync.StaticDirectory{}, s, &adsync.Options{Rules: adsync.Rules{RemoveAfter: time.Hour}})
		assert.NoError(t, err)
	}
	_, err := sqlstore.New(noDB(t, noDatabase{}), sqlstore.SQLite, sqlTable(func(s *sqlstore.Table) { s.Columns.Status, s.Columns.DeactivatedAt = "", "left_at" }))
	assert.ErrorContains(t, err, "adsync: sqlstore.Columns.DeactivatedAt is given without a Status column")
	_, err = sqlstore.New(noDB(t, noDatabase{}), sqlstore.SQLite, sqlTable(func(s *sqlstore.Table) { s.Columns.DeactivatedAt = "state" }))
	assert.ErrorContains(t, err, "the column state twice")
	_, err = sqlstore.New(noDB(t, noDatabase{}), sqlstore.SQLite, sqlTable(func(s *sqlstore.Table) {
		s.Columns.Extra = map[adsync.Field]string{adsync.FieldDeactivatedAt: "left_at"}
	}))
	assert.ErrorContains(t, err, "has a place of its own in sqlstore.Columns")
}
