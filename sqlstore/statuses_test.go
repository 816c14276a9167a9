package sqlstore_test

import (
	"database/sql/driver"
	"strings"
	"testing"

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
