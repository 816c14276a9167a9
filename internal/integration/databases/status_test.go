package databases

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// statusColumn is a column that tells who is active, and how.
type statusColumn struct {
	name, column string
	statuses     map[adsync.Status]any
	on, off      string // as SQL
	held         adsync.Field
	isOff        string // a condition that holds of whom a sync deactivated
	types        string // that has to be made first
}

func (d database) statusColumns() []statusColumn {
	active, inactive, deactivated, blocked := adsync.StatusActive, adsync.StatusInactive, adsync.StatusDeactivated, adsync.StatusBlocked
	when := map[sqlstore.Dialect]string{sqlstore.SQLite: "DATETIME", sqlstore.PostgreSQL: "timestamptz", sqlstore.MySQL: "DATETIME"}[d.dialect]
	recent := map[sqlstore.Dialect]string{
		sqlstore.SQLite:     "abs(julianday('now') - julianday(state)) < 0.1",
		sqlstore.PostgreSQL: "abs(extract(epoch FROM now() - state)) < 8000", sqlstore.MySQL: "abs(timestampdiff(SECOND, utc_timestamp(), state)) < 8000",
	}[d.dialect]
	ms := time.Now().Add(-time.Hour).UnixMilli()
	columns := []statusColumn{
		{"a flag", "FLAG NOT NULL", map[adsync.Status]any{active: true, inactive: false}, "TRUE", "FALSE", adsync.FieldActive, "state = FALSE", ""},
		{"a flag that says deactivated", "FLAG NOT NULL", map[adsync.Status]any{active: true, deactivated: false}, "TRUE", "FALSE", adsync.FieldActive, "state = FALSE", ""},
		{"a flag of who is disabled", "FLAG NOT NULL", map[adsync.Status]any{active: false, inactive: true}, "FALSE", "TRUE", adsync.FieldActive, "state = TRUE", ""},
		{"a flag given as numbers", "FLAG NOT NULL", map[adsync.Status]any{active: 1, inactive: 0}, "TRUE", "FALSE", adsync.FieldActive, "state = FALSE", ""},
		{"a number given as flags", "NUMBER NOT NULL", map[adsync.Status]any{active: true, inactive: false}, "1", "0", adsync.FieldActive, "state = 0", ""},
		{"Y and N", "TEXT NOT NULL", map[adsync.Status]any{active: "Y", inactive: "N"}, "'Y'", "'N'", adsync.FieldActive, "state = 'N'", ""},
		{"a text given as numbers", "TEXT NOT NULL", map[adsync.Status]any{active: 1, deactivated: 2, blocked: 3}, "'1'", "'3'", adsync.FieldStatus, "state = '2'", ""},
		{"words", "TEXT NOT NULL", map[adsync.Status]any{active: "active", deactivated: "ldap_blocked", blocked: "blocked"}, "'active'", "'blocked'", adsync.FieldStatus, "state = 'ldap_blocked'", ""},
		{"a time when disabled", when, map[adsync.Status]any{active: sqlstore.Null, inactive: sqlstore.Now}, "NULL", "'2020-02-03 04:05:06'", adsync.FieldActive, recent, ""},
		{"milliseconds when deleted", "BIGINT NOT NULL", map[adsync.Status]any{active: 0, deactivated: sqlstore.Now}, "0", "1577934245000", adsync.FieldActive, fmt.Sprint("state > ", ms), ""},
		{"seconds when deleted", "BIGINT NOT NULL", map[adsync.Status]any{active: 0, deactivated: sqlstore.NowUnix}, "0", "1577934245", adsync.FieldActive, fmt.Sprint("state BETWEEN ", ms/1000, " AND ", ms/1000+86400), ""},
		{"a word, or blocked otherwise", "TEXT", map[adsync.Status]any{active: sqlstore.Null, deactivated: "by-sync", blocked: sqlstore.NotNull}, "NULL", "'somehow'", adsync.FieldStatus, "state = 'by-sync'", ""},
		{"a number that reads with decimals", "DECIMAL(3,2) NOT NULL", map[adsync.Status]any{active: 1, inactive: 0}, "1", "0", adsync.FieldActive, "state = 0", ""},
	}
	const listed = "('active', 'it''s off', 'blocked')"
	words := map[adsync.Status]any{active: "active", deactivated: "it's off", blocked: "blocked"}
	flags, numbers := map[adsync.Status]any{active: true, inactive: false}, map[adsync.Status]any{active: 1, inactive: 0}
	switch d.dialect {
	case sqlstore.PostgreSQL:
		columns = append(columns, []statusColumn{
			{"an enum", "a_state NOT NULL", words, "'active'", "'blocked'", adsync.FieldStatus, "state = 'it''s off'", "CREATE TYPE a_state AS ENUM " + listed},
			{"an enum of numbers", "a_state NOT NULL", numbers, "'1'", "'0'", adsync.FieldActive, "state = '0'", "CREATE TYPE a_state AS ENUM ('0', '1')"},
			{"a domain of an enum", "its_state NOT NULL", words, "'active'", "'blocked'", adsync.FieldStatus, "state::text = 'it''s off'", "CREATE TYPE a_state AS ENUM " + listed + "; CREATE DOMAIN its_state AS a_state"},
			{"a domain of a flag", "a_state NOT NULL", numbers, "TRUE", "FALSE", adsync.FieldActive, "NOT state", "CREATE DOMAIN a_state AS boolean"},
			{"a bit", "bit NOT NULL", flags, "B'1'", "B'0'", adsync.FieldActive, "state = B'0'", ""},
		}...)
	case sqlstore.MySQL:
		columns = append(columns, []statusColumn{
			{"an enum in another case", "ENUM('Active', 'It''s OFF', 'Blocked') NOT NULL", words, "'active'", "'blocked'", adsync.FieldStatus, "state = 'it''s off'", ""},
			{"an enum of numbers", "ENUM('1', '0') NOT NULL", numbers, "'1'", "'0'", adsync.FieldActive, "state = '0'", ""},
			{"a bit", "BIT(1) NOT NULL", flags, "b'1'", "b'0'", adsync.FieldActive, "state = b'0'", ""},
			{"a bit given as numbers", "BIT(1) NOT NULL", numbers, "b'1'", "b'0'", adsync.FieldActive, "state = b'0'", ""},
		}...)
	}
	return columns
}

// testStatuses has each kind of column through a whole story: who is switched off by
// the host stays so, whoever a sync deactivates is, and the next sync finds nothing.
func testStatuses(t *testing.T, d database) {
	for _, c := range d.statusColumns() {
		t.Run(c.name, func(t *testing.T) {
			layout := []string{d.table("people", "id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE, phone TEXT, state "+c.column)}
			if c.types != "" {
				layout = append(strings.Split(c.types, "; "), layout...)
			}
			db := d.open(t, layout...)
			s := newStore(t, db, d.dialect, sqlstore.Table{
				Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Phone: "phone", Status: "state"}, Statuses: c.statuses,
			})
			assert.Contains(t, s.Traits().Fields, c.held)
			var dir adsync.StaticDirectory
			for i, login := range []string{"ann", "bob", "cid", "dan"} {
				state := c.on
				if login == "bob" { // whom an administrator switched off
					state = c.off
				}
				mustExec(t, db, fmt.Sprintf("INSERT INTO people (guid, login, phone, state) VALUES ('%s', '%s', '1', %s)", objectID(i+1), login, state))
				e := adsync.Entry{ObjectID: objectID(i + 1), Disabled: login == "cid"}
				e.Username, e.Phone = login, "2"
				dir = append(dir, e)
			}
			now := list(t, s)
			for _, login := range []string{"ann", "cid", "dan"} {
				require.Equal(t, adsync.StatusActive, now[login].Status, login)
			}
			want := adsync.StatusBlocked
			if c.held == adsync.FieldActive {
				want = adsync.StatusInactive
			}
			require.Equal(t, want, now["bob"].Status)

			syncer, err := adsync.New(dir, s, &adsync.Options{
				Rules:  adsync.Rules{Source: "ad", Import: true, OnDisabled: adsync.Deactivate},
				Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1},
			})
			require.NoError(t, err)
			report, err := syncer.Sync(t.Context())
			require.NoError(t, err)
			require.NoError(t, report.Err())
			require.Equal(t, 1, count(t, db, "people WHERE login = 'cid' AND "+c.isOff))
			after := list(t, s)
			for login, u := range now {
				u.Phone = "2"
				if login == "cid" {
					u.Status = map[adsync.Field]adsync.Status{adsync.FieldActive: adsync.StatusInactive, adsync.FieldStatus: adsync.StatusDeactivated}[c.held]
				}
				assert.Equal(t, u, after[login])
			}
			plan, err := syncer.Plan(t.Context())
			require.NoError(t, err)
			assert.Empty(t, plan.Changes)
			cid := after["cid"] // and an undo finds them as they are
			require.NoError(t, s.UpdateUser(t.Context(), update(cid, with(cid, func(u *adsync.User) { u.Status = adsync.StatusActive }))))
			require.NoError(t, s.DeleteUser(t.Context(), remove(after["bob"])))
		})
	}
}

// testStatusesThatDoNotFit are refused at the first reading, with what to do.
func testStatusesThatDoNotFit(t *testing.T, d database) {
	active, inactive := adsync.StatusActive, adsync.StatusInactive
	type misfit struct {
		column   string
		statuses map[adsync.Status]any
		says     string
	}
	misfits := map[string]misfit{
		"words for a flag":   {"FLAG", nil, "map StatusActive to true and StatusInactive to false"},
		"words for a number": {"NUMBER", nil, "say how it stores each status"},
		"words for a time":   {"DATE", nil, "map StatusActive to Null and StatusInactive to Now"},
		"flags for words":    {"TEXT", map[adsync.Status]any{active: true, inactive: false}, "say how it stores each status"},
		"NULL for NOT NULL":  {"TEXT NOT NULL", map[adsync.Status]any{active: "on", inactive: nil}, "to NULL, which the column state"},
		"the time for words": {"TEXT", map[adsync.Status]any{active: sqlstore.Null, inactive: sqlstore.Now}, "use Now for times and numbers"},
		"two for a flag":     {"FLAG", map[adsync.Status]any{active: 1, inactive: 0, adsync.StatusBlocked: 2}, "maps blocked to 2, which the column state"},
	}
	if d.dialect != sqlstore.SQLite { // which holds them
		misfits["a word too long"] = misfit{"VARCHAR(8)", nil, "maps deactivated to deactivated, which the column state"}
		misfits["a number too large"] = misfit{"SMALLINT", map[adsync.Status]any{active: 1, inactive: 1 << 15}, "maps inactive to 32768, which the column state"}
		misfits["a fraction"] = misfit{"INTEGER", map[adsync.Status]any{active: 1, inactive: 1.5}, "maps inactive to 1.5, which the column state"}
		misfits["a time too large"] = misfit{"SMALLINT", map[adsync.Status]any{active: 0, inactive: sqlstore.NowUnix}, "of at least 32 bits"}
	}
	switch d.dialect {
	case sqlstore.MySQL:
		delete(misfits, "two for a flag") // a flag is a small number here
		misfits["two for a bit"] = misfit{"BIT(1)", map[adsync.Status]any{active: 1, inactive: 0, adsync.StatusBlocked: 2}, "maps blocked to 2, which the column state"}
		misfits["flags for an enum"] = misfit{"ENUM('active', 'off')", map[adsync.Status]any{active: true, inactive: false}, "use the values that it lists: active, off"}
	case sqlstore.PostgreSQL:
		misfits["a word that an enum lacks"] = misfit{"a_state", nil, "maps blocked to blocked, which the column state of type a_state cannot hold; use the values that it lists: active, Blocked"}
		misfits["a word in another case"] = misfit{"a_state", map[adsync.Status]any{active: "active", adsync.StatusBlocked: "blocked"}, "maps blocked to blocked, which the column state of type a_state"}
		misfits["flags for an enum"] = misfit{"a_state", map[adsync.Status]any{active: true, inactive: false}, "use the values that it lists"}
		misfits["the time for an enum"] = misfit{"a_state", map[adsync.Status]any{active: "active", inactive: sqlstore.Now}, "use Now for times and numbers"}
	}
	for name, test := range misfits {
		t.Run(name, func(t *testing.T) {
			layout := []string{d.table("people", "id COUNTER, guid TEXT, login TEXT, state "+test.column)}
			if test.column == "a_state" {
				layout = append([]string{"CREATE TYPE a_state AS ENUM ('active', 'Blocked')"}, layout...)
			}
			db := d.open(t, layout...)
			s := newStore(t, db, d.dialect, sqlstore.Table{
				Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Status: "state"}, Statuses: test.statuses,
			})
			failed := 0
			for _, err := range s.Users(t.Context()) {
				assert.ErrorContains(t, err, "adsync: sqlstore.Table.Statuses maps")
				assert.ErrorContains(t, err, test.says)
				failed++
			}
			assert.Equal(t, 1, failed)
			_, err := s.CreateUser(t.Context(), create(adsync.User{ObjectID: objectID(1), Profile: adsync.Profile{Username: "ann"}}))
			assert.ErrorContains(t, err, test.says)
		})
	}
}

func TestMariaDB_EnumThatLacksAStatus(t *testing.T) {
	d := mariaDB(t)
	db := d.open(t, "CREATE TABLE people (id INT PRIMARY KEY AUTO_INCREMENT, guid VARCHAR(40), login VARCHAR(40), state ENUM('active', 'it''s off'))")
	table := sqlstore.Table{Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Status: "state"}}
	for _, err := range newStore(t, db, d.dialect, table).Users(t.Context()) {
		assert.ErrorContains(t, err, "use the values that it lists")
	}
	table.Statuses = map[adsync.Status]any{adsync.StatusActive: "Active", adsync.StatusDeactivated: "it's off"}
	assert.Empty(t, list(t, newStore(t, db, d.dialect, table)))
}
