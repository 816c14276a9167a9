package databases

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/sqlstore"
)

// momentColumns are columns that hold when somebody was deactivated, each with an SQL text
// that writes a time of the format %s, or its seconds (%d).
func (d database) momentColumns() map[string]string {
	return map[sqlstore.Dialect]map[string]string{
		sqlstore.SQLite:     {"DATETIME": "'%s'", "TIMESTAMP": "'%sZ'", "INTEGER": "%d", "BIGINT NOT NULL DEFAULT 0": "%d"},
		sqlstore.PostgreSQL: {"timestamptz": "'%s+00'", "timestamp": "'%s'", "timestamptz(3)": "'%s.75Z'", "bigint": "%d", "integer NOT NULL DEFAULT 0": "%d", "numeric": "%d.5"},
		sqlstore.MySQL:      {"DATETIME": "'%s'", "DATETIME(6)": "'%s.75'", "TIMESTAMP NULL": "'%s'", "BIGINT": "%d", "INT UNSIGNED NOT NULL DEFAULT 0": "%d"},
	}[d.dialect]
}

// momentStatuses are columns of the status beside one of the moment.
var momentStatuses = []struct {
	column   string
	statuses map[adsync.Status]any
	held     adsync.Field
}{
	{"FLAG NOT NULL", map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusDeactivated: false}, adsync.FieldActive},
	{"NUMBER", map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusInactive: 0}, adsync.FieldActive},
	{"BIGINT NOT NULL", map[adsync.Status]any{adsync.StatusActive: 0, adsync.StatusInactive: sqlstore.NowUnix}, adsync.FieldActive},
	{"TEXT NOT NULL", nil, adsync.FieldStatus},
}

func (d database) momentTable(column string, n int) (schema string, table sqlstore.Table) {
	status := momentStatuses[n]
	return d.table("people", "id COUNTER, guid TEXT, src TEXT, login TEXT NOT NULL UNIQUE, mail TEXT UNIQUE, phone TEXT, admin FLAG NOT NULL, state "+status.column+", left_at "+column+", UNIQUE (src, guid)"),
		sqlstore.Table{
			Name: "people", Statuses: status.statuses, Columns: sqlstore.Columns{
				ID: "id", ObjectID: "guid", Source: "src", Username: "login", Email: "mail", Phone: "phone", Status: "state", Protected: "admin", DeactivatedAt: "left_at",
			},
		}
}

// testMoments has a leaver go its way by each column of moments, and proves the store over
// one that tells by it whom a sync deactivated, and over one that has a word for that.
func testMoments(t *testing.T, d database) {
	for n, column := range map[int]string{0: "BIGINT", len(momentStatuses) - 1: d.timeColumn()} {
		schema, table := d.momentTable(column, n)
		t.Run("checked "+column, func(t *testing.T) {
			checkSeeding(t, func() *sql.DB { return d.open(t, schema) }, d.dialect, table)
		})
	}
	for column, text := range d.momentColumns() {
		for n, status := range momentStatuses {
			schema, table := d.momentTable(column, n)
			t.Run("a leaver by "+column+" and "+status.column, func(t *testing.T) {
				d.testLeaver(t, d.open(t, schema), table, status.held, text)
			})
		}
	}
	t.Run("checked, and told by a time", func(t *testing.T) {
		schema, table := d.momentTable(d.timeColumn(), 0)
		checkSeeding(t, func() *sql.DB { return d.open(t, schema) }, d.dialect, table)
	})
}

// timeColumn is the type of a column of times.
func (d database) timeColumn() string {
	return map[sqlstore.Dialect]string{sqlstore.SQLite: "DATETIME", sqlstore.PostgreSQL: "timestamptz", sqlstore.MySQL: "DATETIME"}[d.dialect]
}

func checkSeeding(t *testing.T, open func() *sql.DB, dialect sqlstore.Dialect, table sqlstore.Table) {
	var db *sql.DB
	require.NoError(t, adsynctest.CheckStore(t.Context(), func(context.Context, []adsync.User) (adsync.UserStore, error) {
		if db != nil {
			require.NoError(t, db.Close()) // a server has only so many connections
		}
		db = open()
		return sqlstore.New(db, dialect, table)
	}))
}

// testLeaver has three people deactivated as their accounts are deleted. One returns, one is
// removed when the time has come, and one is not known to be a leaver since when.
func (d database) testLeaver(t *testing.T, db *sql.DB, table sqlstore.Table, held adsync.Field, text string) {
	s := newStore(t, db, d.dialect, table)
	assert.Contains(t, s.Traits().Fields, held)
	assert.Contains(t, s.Traits().Fields, adsync.FieldDeactivatedAt)
	warnings, err := s.Check(t.Context())
	require.NoError(t, err)
	assert.Empty(t, warnings)
	var dir adsync.StaticDirectory
	for i, login := range []string{"ann", "bob", "cid", "dan", "eve"} {
		dir = append(dir, adsync.Entry{ObjectID: objectID(i + 1), Profile: adsync.Profile{Username: login, Phone: "1"}})
	}
	syncer, err := adsync.New(dir, s, &adsync.Options{
		Rules:  adsync.Rules{Source: "ad", Import: true, RemoveAfter: 30 * 24 * time.Hour},
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxReactivated: -1},
	})
	require.NoError(t, err)
	begun := adsync.MomentOf(time.Now())
	sync := func() map[string]adsync.User {
		t.Helper()
		report, err := syncer.Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		plan, err := syncer.Plan(t.Context())
		require.NoError(t, err)
		for _, c := range plan.Changes {
			assert.Equal(t, adsync.ReasonLeaving, c.Reason, "a second run finds nothing but who waits")
		}
		return list(t, s)
	}
	imported := sync()
	require.Len(t, imported, 5)
	gone := func(i int) { dir[i] = adsync.Entry{ObjectID: objectID(i + 1), State: adsync.StateDeleted} }
	for i := range 3 {
		gone(i)
	}
	now := sync()
	for i, login := range []string{"ann", "bob", "cid", "dan", "eve"} {
		if i >= 3 {
			assert.Equal(t, imported[login], now[login])
			continue
		}
		at := now[login].DeactivatedAt
		assert.True(t, at >= begun && at <= adsync.MomentOf(time.Now()), "%s: %s", login, at)
		assert.Equal(t, with(imported[login], func(u *adsync.User) { u.Status, u.DeactivatedAt = adsync.StatusDeactivated, at }), now[login])
	}

	back := dir[3]
	back.ObjectID, back.Username = objectID(2), "bob"
	dir[1] = back
	old := adsync.MomentOf(time.Now().Add(-31 * 24 * time.Hour))
	stamp := func(login string) {
		set := strings.Replace(text, "%d", fmt.Sprint(old.Time().Unix()), 1)
		set = strings.Replace(set, "%s", old.Time().Format(time.DateTime), 1)
		mustExec(t, db, "UPDATE people SET left_at = "+set+" WHERE login = '"+login+"'")
	}
	stamp("ann")
	stamp("eve") // who is active, so that it means nothing
	assert.Equal(t, with(now["ann"], func(u *adsync.User) { u.DeactivatedAt = old }), list(t, s)["ann"])
	assert.Equal(t, old, list(t, s)["eve"].DeactivatedAt)
	assert.Equal(t, adsync.StatusActive, list(t, s)["eve"].Status)
	then := sync()
	assert.Equal(t, map[string]adsync.User{"bob": imported["bob"], "cid": now["cid"], "dan": imported["dan"], "eve": imported["eve"]}, then)
	none := "IS NULL"
	if strings.Contains(text, "%d") {
		none = "= 0 OR left_at IS NULL"
	}
	assert.Equal(t, 3, count(t, db, "people WHERE left_at "+none))

	stamp("cid")
	stamp("eve")
	cid, eve := list(t, s)["cid"], list(t, s)["eve"]
	changes := []adsync.Change{ // compared with what was stored by another program, in batches and alone
		update(cid, with(cid, func(u *adsync.User) { u.Phone = "2" })),
		update(eve, with(eve, func(u *adsync.User) { u.Status, u.DeactivatedAt = adsync.StatusDeactivated, adsync.AtWrite })),
	}
	for _, w := range s.ApplyChanges(t.Context(), changes) {
		require.NoError(t, w.Err)
	}
	assert.Equal(t, old, list(t, s)["cid"].DeactivatedAt)
	assert.GreaterOrEqual(t, list(t, s)["eve"].DeactivatedAt, begun, "a new deactivation has a new moment")
	again := update(eve, with(eve, func(u *adsync.User) { u.Phone = "3" }))
	assert.ErrorIs(t, s.UpdateUser(t.Context(), again), adsync.ErrStale)
	require.NoError(t, s.DeleteUser(t.Context(), remove(with(cid, func(u *adsync.User) { u.Phone = "2" }))))
}

// testMomentsThatDoNotFit are refused at the first reading, with what to do.
func testMomentsThatDoNotFit(t *testing.T, d database) {
	for column, says := range map[string]string{
		"BYTES": "holds no time to the second", "FLAG": "holds no time to the second", "DATE": "holds no time to the second",
		d.timeColumn() + " NOT NULL": "which does not allow NULL",
	} {
		schema, table := d.momentTable(column, 0)
		s := newStore(t, d.open(t, schema), d.dialect, table)
		_, err := s.Check(t.Context())
		assert.ErrorContains(t, err, "adsync: sqlstore.Columns.DeactivatedAt names the column left_at", column)
		assert.ErrorContains(t, err, says, column)
		_, err = s.CreateUser(t.Context(), create(person(1, "ann")))
		assert.ErrorContains(t, err, says, column)
	}
}

// A connection may have another time zone than UTC, and give times as texts.
func TestMariaDB_MomentsInAnyTimeZone(t *testing.T) {
	d := mariaDB(t)
	for options, says := range map[string]string{
		"parseTime=true": "", "loc=Europe%2FBerlin&parseTime=true": "", "interpolateParams=true": "",
		"loc=Europe%2FBerlin": "open it with parseTime=true", "loc=Europe%2FLondon": "open it with parseTime=true",
	} {
		for _, column := range []string{"DATETIME", "TIMESTAMP NULL"} {
			dsn := d.dsn(t)
			if strings.Contains(dsn, "?") {
				dsn += "&" + options
			} else {
				dsn += "?" + options
			}
			schema, table := d.momentTable(column, 0)
			db := open(t, d.driver, dsn, schema)
			if says == "" {
				d.testLeaverBriefly(t, newStore(t, db, d.dialect, table))
				continue
			}
			_, err := newStore(t, db, d.dialect, table).Check(t.Context())
			assert.ErrorContains(t, err, says, options)
		}
	}
}

// The drivers send times in several ways, to sessions in any time zone.
func TestPostgreSQL_MomentsInAnyTimeZone(t *testing.T) {
	server := startPostgreSQL(t)
	d := database{dialect: sqlstore.PostgreSQL}
	for mode, driver := range map[string]string{
		"timezone=Asia/Tokyo": "pgx", "timezone=Asia/Tokyo default_query_exec_mode=exec": "pgx", "timezone=Asia/Tokyo default_query_exec_mode=simple_protocol": "pgx",
		"timezone=America/New_York binary_parameters=yes": "postgres", "timezone=America/New_York": "postgres",
	} {
		for _, column := range []string{"timestamp", "timestamptz", "bigint"} {
			t.Run(mode+" "+column, func(t *testing.T) {
				schema, table := d.momentTable(column, 0)
				d.testLeaverBriefly(t, newStore(t, open(t, driver, server.newPostgreSQL(t)+" "+mode, schema), d.dialect, table))
			})
		}
	}
}

// testLeaverBriefly writes a moment in each way, and finds it as it was.
func (d database) testLeaverBriefly(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	past := adsync.MomentOf(time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC))
	off := func(at adsync.Moment) func(*adsync.User) {
		return func(u *adsync.User) {
			u.FirstName, u.LastName, u.Status, u.DeactivatedAt = "", "", adsync.StatusDeactivated, at
		}
	}
	var cs []adsync.Change
	for i, login := range []string{"ann", "bob", "cid"} {
		cs = append(cs, create(with(person(i+1, login), off(past))))
	}
	for _, w := range s.ApplyChanges(t.Context(), cs) {
		require.NoError(t, w.Err)
	}
	users := list(t, s)
	for _, u := range users {
		require.Equal(t, past, u.DeactivatedAt)
		require.Equal(t, adsync.StatusDeactivated, u.Status)
	}
	on := func(u *adsync.User) { u.Status, u.DeactivatedAt = adsync.StatusActive, 0 }
	require.NoError(t, s.UpdateUser(t.Context(), update(users["ann"], with(users["ann"], on))))
	out := s.ApplyChanges(t.Context(), []adsync.Change{update(users["bob"], with(users["bob"], on)), update(users["cid"], with(users["cid"], on))})
	for _, w := range out {
		require.NoError(t, w.Err)
	}
	begun := adsync.MomentOf(time.Now())
	ann := list(t, s)["ann"]
	require.NoError(t, s.UpdateUser(t.Context(), update(ann, with(ann, off(adsync.AtWrite)))))
	at := list(t, s)["ann"].DeactivatedAt
	assert.True(t, at >= begun && at <= adsync.MomentOf(time.Now()), at)
}
