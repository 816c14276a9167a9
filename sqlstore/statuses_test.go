package sqlstore_test

import (
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

// withState is a user's row with the status as the column has it.
func withState(u adsync.User, state driver.Value) [][]driver.Value {
	row := stored(u)
	row[8] = state
	return [][]driver.Value{row}
}

// withColumn are the types of the table, in which the column of the status is another.
func withColumn(d sqlstore.Dialect, kind, whole string) []columnType {
	types := peopleTypes(d)
	for i := range types {
		if types[i].name == "state" {
			types[i] = columnType{name: "state", kind: kind, whole: whole, nullable: true}
		}
	}
	return types
}

// A value is written as the column's type has it, and reads as its status.
func TestStatuses_AreFittedToTheirColumn(t *testing.T) {
	const pg, my, lite = sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite
	for name, test := range map[string]struct {
		dialect     sqlstore.Dialect
		kind, whole string
		active, off any          // as the host gives them
		reads       driver.Value // an active user's
		writes      driver.Value // for one who is not
	}{
		"numbers for a flag":            {pg, "boolean", "boolean", 1, 0, true, false},
		"numbers for a domain of one":   {pg, "on_off", "boolean", uint8(0), 1.0, false, true},
		"numbers for MySQL's":           {my, "tinyint(1)", "", 1, 2, int64(1), int64(2)},
		"numbers for SQLite's":          {lite, "BOOLEAN", "", 1, 0, int64(1), false},
		"flags for a number":            {pg, "smallint", "smallint", true, false, int64(1), int64(0)},
		"flags for a bit":               {my, "bit(1)", "", true, false, []byte{1}, int64(0)},
		"flags for PostgreSQL's":        {pg, "bit", "bit(1)", false, true, "0", "1"},
		"numbers for an enum":           {pg, "a_state", "enum('0','1')", 1, 0, "1", "0"},
		"words for an enum":             {pg, "a_state", "enum('on','it''s off')", "on", "it's off", "on", "it's off"},
		"words in another case":         {my, "enum('On','It''s OFF')", "", "on", "it's off", "On", "It's OFF"},
		"numbers for a text":            {my, "varchar(2)", "", 10, -1, []byte("10"), "-1"},
		"numbers that read as decimals": {my, "decimal(3,2)", "", 1, 0, []byte("1.00"), int64(0)},
		"numbers of a loose type":       {lite, "SMALLINT", "", 1, 1 << 40, int64(1), int64(1 << 40)},
		"texts of a loose length":       {lite, "VARCHAR(1)", "", "on", "off", "on", "off"},
		"texts of a type of its own":    {pg, "hstore", "hstore", "on", "off", "on", "off"},
		"texts of numbers":              {pg, "integer", "integer", "1", "0", "1", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			ann := person(1, "ann")
			r := &recorder{types: withColumn(test.dialect, test.kind, test.whole), before: withState(ann, test.reads), after: withState(ann, test.writes)}
			table := peopleTable()
			table.Statuses = map[adsync.Status]any{adsync.StatusActive: test.active, adsync.StatusDeactivated: test.off, adsync.StatusBlocked: sqlstore.NotNull}
			s, _ := openRecorder(t, r, test.dialect, table)
			for u, err := range s.Users(t.Context()) {
				require.NoError(t, err)
				require.Equal(t, adsync.StatusActive, u.Status)
			}
			off := edited(ann, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
			_ = r.statements()
			require.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, off)))
			_, update, _ := strings.Cut(r.statements(), "UPDATE ")
			_, args, _ := strings.Cut(update, "\n    ")
			value, _, _ := strings.Cut(args, ", ")
			assert.Equal(t, shown(test.writes), value)
		})
	}
}

// What a column refuses for one user, it refuses for each.
func TestStatuses_AreRefusedWhereTheirColumnCannotHoldThem(t *testing.T) {
	const pg, my, lite = sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite
	for name, test := range map[string]struct {
		dialect     sqlstore.Dialect
		kind, whole string
		active, off any
		says        string
	}{
		"a number for a flag":       {pg, "boolean", "boolean", 1, 2, "maps inactive to 2, which the column state of type boolean cannot hold; map StatusActive to true"},
		"a word for a flag":         {my, "tinyint(1)", "", "yes", "no", "maps active to yes, which the column state of type tinyint(1) cannot hold"},
		"a number for a bit":        {my, "bit(1)", "", 1, 2, "maps inactive to 2"},
		"a text for a bit":          {my, "bit(1)", "", "1", "0", "maps active to 1"},
		"a flag for several bits":   {pg, "bit", "bit(2)", true, false, "maps active to true"},
		"a flag for a text":         {lite, "TEXT", "", true, false, "maps active to true"},
		"a flag for an enum":        {my, "enum('on','off')", "", true, false, "use the values that it lists: on, off"},
		"a word that is not listed": {pg, "a_state", "enum('on','Off')", "on", "off", "maps inactive to off, which the column state of type a_state cannot hold; use the values that it lists: on, Off"},
		"a word that is too long":   {pg, "character varying", "character varying(3)", "on", "none", "maps inactive to none"},
		"a number out of range":     {my, "tinyint(4)", "", 1, 128, "maps inactive to 128"},
		"a number below zero":       {my, "int(10) unsigned", "", 1, -1, "maps inactive to -1"},
		"a number that is rounded":  {pg, "numeric", "numeric(2,0)", 1, 0.5, "maps inactive to 0.5"},
		"a number spelled oddly":    {pg, "integer", "integer", "01", "0", "maps active to 01"},
		"a word for a domain":       {pg, "on_off", "boolean", "on", "off", "maps active to on"},
		"any for a time":            {lite, "DATETIME", "", 1, 0, "map StatusActive to Null and StatusInactive to Now"},
		"the time for an enum":      {pg, "a_state", "enum('on')", "on", sqlstore.Now, "maps inactive to the time, but the column state is of type a_state"},
		"the time for few bits":     {pg, "smallint", "smallint", 0, sqlstore.NowUnix, "and NowUnix for numbers, of at least 32 bits"},
		"a text for numbers":        {pg, "integer", "integer", "yes", "no", "maps active to yes, which the column state of type integer cannot hold; say how it stores each status"},
		"two that are one":          {my, "enum('On','off')", "", "on", "ON", "maps inactive to ON, which the column state of type enum('On','off') takes for on; give each status a value of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			ann := person(1, "ann")
			r := &recorder{types: withColumn(test.dialect, test.kind, test.whole), before: storedAll(ann)}
			table := peopleTable()
			table.Statuses = map[adsync.Status]any{adsync.StatusActive: test.active, adsync.StatusInactive: test.off}
			s, _ := openRecorder(t, r, test.dialect, table)
			_, err := s.Check(t.Context())
			require.ErrorContains(t, err, "adsync: sqlstore.Table.Statuses maps ")
			assert.ErrorContains(t, err, test.says)
			for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{updateTo(ann, renamed(ann, "anna")), storeDelete(ann)}) {
				assert.Equal(t, err, w.Err)
			}
			assert.Empty(t, r.statements(), "nothing was asked of the table itself")
		})
	}
}

// What no status is mapped to is the rest, if one is mapped to that; otherwise somebody whom
// the host has blocked, or whom nobody made inactive where the column tells no more.
func TestStatuses_AreReadFromAnyValue(t *testing.T) {
	const active, inactive, deactivated, blocked = adsync.StatusActive, adsync.StatusInactive, adsync.StatusDeactivated, adsync.StatusBlocked
	type read struct {
		value driver.Value
		as    adsync.Status
	}
	for name, test := range map[string]struct {
		kind     string
		statuses map[adsync.Status]any
		reads    []read
	}{
		"their names":          {"TEXT", nil, []read{{"active", active}, {"deactivated", deactivated}, {"x", blocked}, {"", blocked}, {nil, blocked}}},
		"any other text":       {"TEXT", map[adsync.Status]any{active: "on", deactivated: "off", inactive: sqlstore.NotNull}, []read{{"on", active}, {"off", deactivated}, {"x", inactive}, {nil, blocked}}},
		"a flag":               {"BOOLEAN", map[adsync.Status]any{active: true, deactivated: false}, []read{{true, active}, {int64(0), inactive}, {nil, inactive}}},
		"two words":            {"TEXT", map[adsync.Status]any{active: "on", deactivated: "gone"}, []read{{"on", active}, {"gone", deactivated}, {"x", blocked}, {nil, blocked}}},
		"NULL and a number":    {"INTEGER", map[adsync.Status]any{active: nil, deactivated: 1}, []read{{nil, active}, {int64(1), deactivated}, {int64(0), blocked}}},
		"numbers beyond flags": {"INTEGER", map[adsync.Status]any{active: 1, deactivated: 0, inactive: 2}, []read{{int64(1), active}, {int64(0), deactivated}, {int64(2), inactive}, {int64(3), blocked}}},
		"numbers and a text":   {"INTEGER", map[adsync.Status]any{active: 0, deactivated: 1, inactive: 2}, []read{{"0.0", active}, {1.0, deactivated}, {"x", blocked}}},
		"texts of numbers":     {"TEXT", map[adsync.Status]any{active: "1", deactivated: "0", inactive: "2"}, []read{{"1", active}, {"1.0", blocked}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, read := range test.reads {
				table := peopleTable()
				table.Statuses = test.statuses
				s, _ := openRecorder(t, &recorder{types: withColumn(sqlstore.SQLite, test.kind, ""), before: withState(person(1, "ann"), read.value)}, sqlstore.SQLite, table)
				for u, err := range s.Users(t.Context()) {
					require.NoError(t, err)
					assert.Equal(t, read.as, u.Status, "%v", read.value)
				}
			}
		})
	}
}

// Where a column only tells who is active, nobody can be written as one whom a sync deactivated.
func TestStatuses_OfAFlagAreNotWrittenAsMore(t *testing.T) {
	ann := person(1, "ann")
	table := peopleTable()
	table.Statuses = map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusDeactivated: false}
	s, _ := openRecorder(t, &recorder{types: withColumn(sqlstore.SQLite, "BOOLEAN", ""), before: withState(ann, true)}, sqlstore.SQLite, table)
	err := s.UpdateUser(t.Context(), updateTo(ann, edited(ann, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })))
	assert.ErrorContains(t, err, `adsync: sqlstore.Table.Statuses has no value for "deactivated" that can be written; add one`)
}

// A value that two statuses share is neither's: whoever has it is not deleted as one of whom
// only the other was read.
func TestStatuses_OfOneValueAreTakenForBlocked(t *testing.T) {
	off := edited(person(1, "ann"), func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	table := peopleTable()
	table.Statuses = map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusBlocked: 0, adsync.StatusDeactivated: 0}
	for _, d := range dialects {
		kind := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "bigint", sqlstore.MySQL: "bigint(20)", sqlstore.SQLite: "INTEGER"}[d]
		r := &recorder{types: withColumn(d, kind, kind), before: withState(off, int64(0)), after: withState(renamed(off, "anna"), int64(0))}
		s, _ := openRecorder(t, r, d, table)
		assert.ErrorIs(t, s.DeleteUser(t.Context(), storeDelete(off)), adsync.ErrStale, d)
		on := edited(off, func(u *adsync.User) { u.Status = adsync.StatusActive })
		r.before = withState(on, int64(1))
		assert.NoError(t, s.UpdateUser(t.Context(), updateTo(on, renamed(off, "anna"))), "which is told by no other value")
	}
}

// A status that does not fit is refused also where a moment fits.
func TestStatuses_AreFittedBesideMoments(t *testing.T) {
	types := withColumn(sqlstore.MySQL, "int(11)", "")
	s, _ := openRecorder(t, &recorder{types: append(types, columnType{name: "left_at", kind: "bigint(20)", nullable: true})}, sqlstore.MySQL, leaversTable())
	_, err := s.Check(t.Context())
	assert.ErrorContains(t, err, "adsync: sqlstore.Table.Statuses maps active to on, which the column state of type int(11) cannot hold")
}

// A status that is the time reads as itself once it is written.
func TestStatuses_MayBeTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock is known
		ann, now := person(1, "ann"), time.Now().UTC().Format(time.DateTime)
		off := edited(ann, func(u *adsync.User) { u.Status = adsync.StatusInactive })
		table := peopleTable()
		table.Statuses = map[adsync.Status]any{adsync.StatusActive: sqlstore.Null, adsync.StatusInactive: sqlstore.Now}
		r := &recorder{types: withColumn(sqlstore.SQLite, "DATETIME", ""), before: withState(ann, nil), after: withState(off, now)}
		s, _ := openRecorder(t, r, sqlstore.SQLite, table)
		require.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, off)))
		assert.Equal(t, now, r.sent[0].Value)
	})
}
