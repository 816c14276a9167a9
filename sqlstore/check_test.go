package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// texts is a column of what a catalogue answers.
func texts(all ...string) (rows [][]driver.Value) {
	for _, text := range all {
		rows = append(rows, []driver.Value{text})
	}
	return rows
}

// What MySQL's catalogue is asked, by the beginnings of the questions.
const (
	askIndexes  = "SELECT CONCAT(COALESCE(column_name, ''), ' '"
	askDemands  = "SELECT column_name FROM"
	askStatuses = "SELECT DISTINCT `state`"
	askMode     = "SELECT @@SESSION.sql_mode"
	askAccents  = "SELECT CONVERT('Muller'"
)

// warningsOf checks a table that has nothing amiss but what the replies say.
func warningsOf(t *testing.T, edit func(*sqlstore.Table), replies ...reply) []string {
	t.Helper()
	usual := []reply{
		{to: askIndexes, rows: texts("guid", "login", "mail")}, {to: askDemands, rows: texts("tenant", "login")},
		{to: askStatuses, rows: texts("active", "blocked")}, {to: askMode, rows: texts("STRICT_TRANS_TABLES")}, {to: askAccents, times: 2, rows: texts("0")},
	}
	all := append(replies, usual...)
	for i := range all {
		all[i].columns = []string{"text"}
		if len(all[i].rows) > 0 {
			all[i].columns = make([]string, len(all[i].rows[0]))
		}
	}
	r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: all}
	table := peopleTable()
	if edit != nil {
		edit(&table)
	}
	s, _ := openRecorder(t, r, sqlstore.MySQL, table)
	warnings, err := s.Check(t.Context())
	require.NoError(t, err)
	return warnings
}

func TestCheck_WarnsOfWhatIsAmiss(t *testing.T) {
	assert.Empty(t, warningsOf(t, nil))
	index := func(column, key string) string {
		return "the column " + column + " of the table people has no unique index, so another program may give two users one " + key
	}
	for name, test := range map[string]struct {
		edit    func(*sqlstore.Table)
		replies []reply
		says    []string
	}{
		"no index": {replies: []reply{{to: askIndexes}}, says: []string{
			"the column guid of the table people has no unique index, so two users may be linked to one account", index("login", "username"), index("mail", "email")}},
		"one of names that are alike": {replies: []reply{{to: askIndexes, rows: texts("guid", "old_login", "login0", "login9", "alogin", "loginz", "login\u0080", "mails", "email", "gmäilmail")}}, says: []string{index("login", "username"), index("mail", "email")}},
		"in an expression":            {replies: []reply{{to: askIndexes, rows: texts("GUID", "lower((login)::text)", "coalesce(old_mail, mail)")}}},
		"a shadow":                    {replies: []reply{{to: askIndexes, rows: texts("guid", "login_lower")}}},
		"a demand":                    {replies: []reply{{to: askDemands, rows: texts("secret", "id2", "LOGIN", "Tenant", "login_lower")}}, says: []string{"a new row of the table people needs a value for id2, secret, and would be refused"}},
		"a status": {replies: []reply{{to: askStatuses, rows: texts("active", "invited", "x")}}, says: []string{
			"the column state of the table people has 2 values that sqlstore.Table.Statuses does not map, and their users read as blocked"}},
		"all statuses":  {replies: []reply{{to: askStatuses, rows: texts("on", "off")}}, says: []string{"no value in the column state of the table people is one that sqlstore.Table.Statuses maps, so every user reads as blocked"}},
		"no status yet": {replies: []reply{{to: askStatuses}}},
		"any status": {edit: func(s *sqlstore.Table) {
			s.Statuses = map[adsync.Status]any{adsync.StatusActive: "A", adsync.StatusBlocked: sqlstore.NotNull}
		}, replies: []reply{{to: askStatuses, rows: texts("on")}}},
		"no column of it":       {edit: func(s *sqlstore.Table) { s.Columns.Status = "" }, replies: []reply{{to: askStatuses, rows: texts("on")}}},
		"a server that cuts":    {replies: []reply{{to: askMode, rows: texts("NO_ENGINE_SUBSTITUTION")}}, says: []string{"the server is not strict, and cuts off"}},
		"a mode that is none":   {replies: []reply{{to: askMode}}},
		"accents of a name":     {replies: []reply{{to: askAccents, rows: texts("1")}}, says: []string{"the collation of the column login takes Muller and Müller for one"}},
		"more than accents":     {replies: []reply{{to: askAccents, rows: [][]driver.Value{{"1", "0", "1"}}}}, says: []string{"the collation of the column login takes Muller and Müller, ann2 and ann02 for one, which a plan tells apart"}},
		"accents of both":       {replies: []reply{{to: askAccents, times: 2, rows: texts("1")}}, says: []string{"the collation of the column login", "the collation of the column mail"}},
		"accents unknown":       {replies: []reply{{to: askAccents, times: 2}}},
		"indexes it hides":      {replies: []reply{{to: askIndexes, err: errGone}}, says: []string{"the database does not tell this account all about the table people, which was not checked further: the database is gone"}},
		"demands it hides":      {replies: []reply{{to: askDemands, rowsErr: errGone}}, says: []string{"the database does not tell this account all"}},
		"statuses it hides":     {replies: []reply{{to: askStatuses, err: errGone}}, says: []string{"the database does not tell this account all"}},
		"statuses it loses":     {replies: []reply{{to: askStatuses, rows: texts("on"), rowsErr: errGone}}, says: []string{"the database does not tell this account all"}},
		"statuses of two":       {replies: []reply{{to: askStatuses, rows: [][]driver.Value{{"on", "off"}}}}, says: []string{"the database does not tell this account all"}},
		"a mode that it hides":  {replies: []reply{{to: askMode, err: errGone}}, says: []string{"the database does not tell this account all"}},
		"accents that it hides": {replies: []reply{{to: askAccents, err: errGone}}, says: []string{"the database does not tell this account all"}},
	} {
		t.Run(name, func(t *testing.T) {
			warnings := warningsOf(t, test.edit, test.replies...)
			require.Len(t, warnings, len(test.says), "%q", warnings)
			for i, says := range test.says {
				assert.True(t, strings.HasPrefix(warnings[i], says), warnings[i])
			}
		})
	}
}

// Only MySQL and MariaDB have a mode in which they cut values off.
func TestCheck_AsksNoOtherServerForItsMode(t *testing.T) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.SQLite} {
		s, _ := openRecorder(t, &recorder{types: peopleTypes(d), replies: []reply{{to: askMode, columns: []string{"mode"}, rows: texts("")}}}, d, peopleTable())
		warnings, err := s.Check(t.Context())
		require.NoError(t, err)
		assert.NotContains(t, strings.Join(warnings, "\n"), "the server is not strict", d)
	}
}

// A table that is locked is asked again, as that says nothing about it.
func TestCheck_WaitsForALockedTable(t *testing.T) {
	locked := errors.New("Error 1213 (40001): Deadlock found when trying to get lock")
	synctest.Test(t, func(t *testing.T) { // whose clock does not wait
		assert.Empty(t, warningsOf(t, nil, reply{to: askIndexes, times: 2, err: locked}))

		r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: []reply{{to: askIndexes, times: 1000, err: locked}}}
		s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
		warnings, err := s.Check(t.Context())
		assert.ErrorContains(t, err, "adsync: cannot read the users of the table people: Error 1213")
		assert.Empty(t, warnings)
	})
}

func TestCheck_EndsWithItsContext(t *testing.T) {
	r := &recorder{types: peopleTypes(sqlstore.MySQL)}
	s, _ := openRecorder(t, r, sqlstore.MySQL, peopleTable())
	_, err := s.Check(t.Context())
	require.NoError(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	warnings, err := s.Check(ended)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, warnings)
}

// A table whose conflict clauses could delete rows, and one that counts none.
func TestCheck_WarnsOfQuirks(t *testing.T) {
	quirks := func(kind, name, text string) reply {
		return reply{to: "SELECT type, name, sql", columns: make([]string, 3), rows: [][]driver.Value{{kind, name, text}}}
	}
	for _, test := range []struct {
		name, says string
		found      reply
	}{
		{"replaces rows", "the table people, or a trigger, may delete or change rows", quirks("table", "people", "login TEXT UNIQUE ON CONFLICT REPLACE")},
		{"is a view", "the table people is a view, or has rules", quirks("view", "people", "")},
	} {
		ann := person(1, "ann")
		r := &recorder{types: peopleTypes(sqlstore.SQLite), before: storedAll(ann), after: storedAll(renamed(ann, "anna")), replies: []reply{test.found}}
		s, _ := openRecorder(t, r, sqlstore.SQLite, peopleTable())
		warnings, err := s.Check(t.Context())
		require.NoError(t, err)
		assert.Contains(t, warnings[len(warnings)-1], test.says)
		_ = r.statements()
		require.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, renamed(ann, "anna"))))
		assertStatements(t, "sqlite/update where the table "+test.name, r.statements())
	}
}

func TestSeed_FillsAnEmptyTable(t *testing.T) {
	ann, bob := person(1, "ann"), edited(person(2, "bob"), func(u *adsync.User) { u.Status = adsync.StatusInactive })
	seeded := edited(bob, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), after: storedAll(ann, seeded), replies: []reply{{to: "SELECT 1", columns: []string{"1"}}}}
	s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
	require.NoError(t, s.Seed(t.Context(), []adsync.User{ann, bob}))
	assertStatements(t, "postgresql/seed", r.statements())

	for _, test := range []struct {
		says    string
		replies []reply
	}{
		{"adsync: the table people holds rows, and only an empty one is filled for a test", []reply{{to: "SELECT 1", columns: []string{"1"}, rows: [][]driver.Value{{int64(1)}}}}},
		{"adsync: cannot read the users of the table people: the database is gone", []reply{{to: "SELECT 1", err: errGone}}},
		{"adsync: cannot read the users of the table people: the database is gone", []reply{{to: "SELECT 1", columns: []string{"1"}, rowsErr: errGone}}},
		{"adsync: user 1 of the seed could not be added to the table people: adsync: the database refused this row", []reply{{to: "SELECT 1", columns: []string{"1"}}, {to: "INSERT", times: 3, err: errors.New("no")}}},
		{"adsync: cannot ask the database for the columns", []reply{{to: "SELECT CAST(a.attname", err: errGone}}},
	} {
		r := &recorder{types: peopleTypes(sqlstore.PostgreSQL), replies: test.replies}
		s, _ := openRecorder(t, r, sqlstore.PostgreSQL, peopleTable())
		assert.ErrorContains(t, s.Seed(t.Context(), []adsync.User{ann}), test.says)
	}
}

// What a table has no column for is left out of the seed.
func TestSeed_LeavesOutWhatHasNoColumn(t *testing.T) {
	full := edited(person(1, "ann"), func(u *adsync.User) { u.Status, u.Protected = adsync.StatusBlocked, true })
	r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: []reply{{to: "SELECT 1", columns: []string{"1"}}, {to: "INSERT", err: errGone}}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, sqlstore.Table{Name: "people", Source: "own", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"}})
	require.Error(t, s.Seed(t.Context(), []adsync.User{full}))
	assertStatements(t, "mysql/seed of two columns", r.statements())
}

// A status that the column cannot hold is another of those who are not active, or active.
func TestSeed_TakesTheNearestStatus(t *testing.T) {
	for want, statuses := range map[string]map[adsync.Status]any{
		`"on"`: {adsync.StatusActive: "on"}, `"off"`: {adsync.StatusActive: "on", adsync.StatusDeactivated: "off"}, `"out"`: {adsync.StatusActive: "on", adsync.StatusInactive: "out", adsync.StatusDeactivated: sqlstore.NotNull},
	} {
		r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: []reply{{to: "SELECT 1", columns: []string{"1"}}, {to: "INSERT", err: errGone}}}
		table := peopleTable()
		table.Statuses = statuses
		s, _ := openRecorder(t, r, sqlstore.MySQL, table)
		require.Error(t, s.Seed(t.Context(), []adsync.User{edited(person(1, "ann"), func(u *adsync.User) { u.Status = adsync.StatusBlocked })}))
		assert.Contains(t, r.statements(), `"1", `+want+`, 0`)
	}
}
