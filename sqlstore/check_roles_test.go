package sqlstore_test

import (
	"database/sql/driver"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// The beginnings of what is asked of the table of roles, after what is asked of the users'.
const askRoles = "SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members`"

// rolesTable has the users' table, and members beside it.
func rolesTable() sqlstore.Table {
	table := peopleTable()
	table.Roles = &sqlstore.Membership{Table: "members", User: "person", Role: "role", Roles: map[string]any{"admin": 1}, Values: map[string]any{"origin": "ad"}}
	return table
}

// memberTypes are the columns of both tables, as the recorder has one catalogue.
func memberTypes(without string) []columnType {
	types := peopleTypes(sqlstore.MySQL)
	for _, name := range []string{"person", "role", "origin"} {
		if name != without {
			types = append(types, columnType{name: name, kind: "int"})
		}
	}
	return types
}

// indexed is a table whose unique indexes have these columns, each before its index's name.
func indexed(pairs ...string) (rows [][]driver.Value) {
	for i := 0; i < len(pairs); i += 2 {
		rows = append(rows, []driver.Value{pairs[i], pairs[i+1]})
	}
	return rows
}

func TestCheck_WarnsOfWhatIsAmissWithRoles(t *testing.T) {
	const noIndex = "the table members has no unique index over person and role, so another program may give a user one role twice"
	users := []reply{
		{to: askIndexes, columns: []string{"text", "index"}, rows: indexed("guid", "a", "login", "b", "mail", "c")}, {to: askDemands, columns: []string{"text"}, rows: texts("login")},
		{to: askStatuses, columns: []string{"text"}, rows: texts("active")}, {to: askMode, columns: []string{"text"}, rows: texts("STRICT_TRANS_TABLES")},
		{to: askAccents, times: 2, columns: []string{"text"}, rows: texts("0")},
	}
	for name, test := range map[string]struct {
		demands, indexes reply
		says             []string
	}{
		"nothing":                  {demands: reply{rows: texts("person", "ROLE", "origin")}, indexes: reply{rows: indexed("id", "PRIMARY", "Person", "one", "role", "one")}},
		"over the values, too":     {indexes: reply{rows: indexed("origin", "one", "person", "one", "role ", "one")}},
		"no index":                 {indexes: reply{rows: indexed("id", "PRIMARY")}, says: []string{noIndex}},
		"over each":                {indexes: reply{rows: indexed("person", "one", "role", "two")}, says: []string{noIndex}},
		"over one":                 {indexes: reply{rows: indexed("person", "one", "origin", "one")}, says: []string{noIndex}},
		"over more":                {indexes: reply{rows: indexed("person", "one", "role", "one", "since", "one")}, says: []string{noIndex}},
		"over names that are like": {indexes: reply{rows: indexed("person_id", "one", "roles", "one")}, says: []string{noIndex}},
		"a demand": {demands: reply{rows: texts("since", "by_whom", "person")}, indexes: reply{rows: indexed("person", "one", "role", "one")}, says: []string{
			"a new row of the table members needs a value for by_whom, since, and would be refused, so no role is given; give one in sqlstore.Membership.Values, or let the column have a default"}},
		"demands that it hides": {demands: reply{err: errGone}, says: []string{"the database does not tell this account all"}},
		"indexes that it hides": {indexes: reply{rowsErr: errGone}, says: []string{"the database does not tell this account all"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.demands.to, test.demands.columns = askDemands, []string{"text"}
			test.indexes.to, test.indexes.columns = askIndexes, []string{"text", "index"}
			s, _ := openRecorder(t, &recorder{types: memberTypes(""), replies: append(users[:len(users):len(users)], test.demands, test.indexes)}, sqlstore.MySQL, rolesTable())
			warnings, err := s.Check(t.Context())
			require.NoError(t, err)
			require.Len(t, warnings, len(test.says), "%q", warnings)
			for i, says := range test.says {
				assert.True(t, strings.HasPrefix(warnings[i], says), warnings[i])
			}
		})
	}
}

// Without its table of roles, no run of such a store can do anything, and each says why.
func TestCheck_RefusesATableOfRolesThatDoesNotFit(t *testing.T) {
	const askCatalogue = "SELECT column_name, column_type"
	columns := []string{"name", "type", "nullable", "key", "collate"}
	var people [][]driver.Value
	for _, c := range peopleTypes(sqlstore.MySQL) {
		people = append(people, []driver.Value{c.name, c.kind, c.nullable, c.key, c.collate})
	}
	found := reply{to: askCatalogue, columns: columns, rows: people}
	for name, test := range map[string]struct {
		types   []columnType
		replies []reply
		says    string
	}{
		"no table":     {memberTypes(""), []reply{found, {to: askCatalogue, columns: columns}}, "adsync: the database has no table members, or does not show it to this account; check sqlstore.Table.Roles.Table"},
		"no user":      {memberTypes("person"), nil, "adsync: the table members has no column person; correct sqlstore.Table.Roles"},
		"no role":      {memberTypes("role"), nil, "adsync: the table members has no column role; correct sqlstore.Table.Roles"},
		"no value":     {memberTypes("origin"), nil, "adsync: the table members has no column origin; correct sqlstore.Table.Roles"},
		"unanswered":   {memberTypes(""), []reply{found, {to: askCatalogue, err: errGone}}, "adsync: the columns of the table members cannot be read; check sqlstore.Table.Roles.Table: the database is gone"},
		"cut off":      {memberTypes(""), []reply{found, {to: askCatalogue, columns: columns, rowsErr: errGone}}, "adsync: the columns of the table members cannot be read; check sqlstore.Table.Roles.Table: the database is gone"},
		"not readable": {memberTypes(""), []reply{{to: askRoles, err: errGone}}, "adsync: the roles of the table members cannot be read; check sqlstore.Table.Roles, what its keys are in the column role, and the rights of this account: the database is gone"},
		"not read":     {memberTypes(""), []reply{{to: askRoles, columns: columns[:3], rowsErr: errGone}}, "adsync: the roles of the table members cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := openRecorder(t, &recorder{types: test.types, replies: slices.Clone(test.replies)}, sqlstore.MySQL, rolesTable())
			warnings, err := s.Check(t.Context())
			require.ErrorContains(t, err, test.says)
			assert.Empty(t, warnings)
			s, _ = openRecorder(t, &recorder{types: test.types, replies: slices.Clone(test.replies)}, sqlstore.MySQL, rolesTable())
			_, err = s.CreateUser(t.Context(), adsync.Change{Op: adsync.OpCreate, After: &adsync.User{}})
			require.ErrorContains(t, err, test.says)
			require.ErrorIs(t, err, adsync.ErrNotWritten)
		})
	}
}
