package databases

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

var preflightTable = sqlstore.Table{
	Name: "people", Source: "ad",
	Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Email: "mail"},
}

// testPreflight has tables with one thing amiss each, and one where nothing is.
func testPreflight(t *testing.T, d database) {
	const good = "id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE, mail TEXT UNIQUE, note TEXT, kind TEXT NOT NULL DEFAULT 'person'"
	edited := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for name, test := range map[string]struct {
		columns string
		also    []string
		edit    func(*sqlstore.Table)
		says    []string
	}{
		"nothing":                       {columns: good},
		"a username that is not unique": {columns: edited("login TEXT NOT NULL UNIQUE", "login TEXT NOT NULL"), says: []string{"the column login of the table people has no unique index"}},
		"an address that is not unique": {columns: edited("mail TEXT UNIQUE", "mail TEXT"), says: []string{"the column mail of the table people has no unique index"}},
		"a link that is not unique":     {columns: edited("guid TEXT UNIQUE", "guid TEXT"), says: []string{"two users may be linked to one account"}},
		"an index over several columns": {columns: edited("login TEXT NOT NULL UNIQUE", "login TEXT NOT NULL") + ", UNIQUE (kind, login)"},
		"a column that nobody fills":    {columns: good + ", secret TEXT NOT NULL, other TEXT NOT NULL", says: []string{"needs a value for other, secret, and would be refused"}},
		"columns that are filled": {columns: good + ", secret TEXT NOT NULL, shown TEXT NOT NULL", edit: func(table *sqlstore.Table) {
			table.Defaults = map[string]any{"secret": "!"}
			table.Derived = map[string]func(adsync.User) any{"shown": func(u adsync.User) any { return u.Username }}
		}},
		"a key that nobody makes": {columns: edited("id COUNTER", "id TEXT PRIMARY KEY"), says: []string{"needs a value for id, and would be refused"}},
		"statuses that are all unmapped": {
			columns: good + ", state TEXT", also: []string{`INSERT INTO people (guid, login, kind, state) VALUES ('', 'ann', 'person', 'on')`},
			edit: func(table *sqlstore.Table) { table.Columns.Status = "state" },
			says: []string{"no value in the column state of the table people is one that sqlstore.Table.Statuses maps, so every user reads as blocked"},
		},
		"a status that is unmapped": {
			columns: good + ", state TEXT", also: []string{
				`INSERT INTO people (guid, login, kind, state) VALUES ('', 'ann', 'person', 'active')`,
				`INSERT INTO people (guid, login, kind, state) VALUES (NULL, 'bob', 'person', 'invited')`,
			},
			edit: func(table *sqlstore.Table) { table.Columns.Status = "state" },
			says: []string{"the column state of the table people has 1 values that sqlstore.Table.Statuses does not map, and their users read as blocked"},
		},
		"statuses that are mapped": {
			columns: good + ", state TEXT", also: []string{`INSERT INTO people (guid, login, kind, state) VALUES (NULL, 'ann', 'person', 'active')`},
			edit: func(table *sqlstore.Table) { table.Columns.Status = "state" },
		},
		"a unique shadow": {
			columns: edited("login TEXT NOT NULL UNIQUE", "login TEXT NOT NULL, lower_login TEXT NOT NULL UNIQUE"),
			edit: func(table *sqlstore.Table) {
				table.Derived = map[string]func(adsync.User) any{"lower_login": func(u adsync.User) any { return strings.ToLower(u.Username) }}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := d.open(t, append([]string{d.table("people", test.columns)}, test.also...)...)
			table := preflightTable
			if test.edit != nil {
				test.edit(&table)
			}
			d.checkWarnings(t, newStore(t, db, d.dialect, table), test.says)
		})
	}
	t.Run("a column that is missing", func(t *testing.T) {
		table := preflightTable
		table.Columns.Phone = "phone"
		_, err := newStore(t, d.open(t, d.table("people", good)), d.dialect, table).Check(t.Context())
		require.ErrorContains(t, err, "adsync: the table people has no column phone")
	})
	t.Run("a status that does not fit", func(t *testing.T) {
		table := preflightTable
		table.Columns.Status = "state"
		_, err := newStore(t, d.open(t, d.table("people", good+", state FLAG")), d.dialect, table).Check(t.Context())
		require.ErrorContains(t, err, "map StatusActive to true")
	})
}

// testPreflightRoles has tables of roles with one thing amiss each, and some where nothing is.
func testPreflightRoles(t *testing.T, d database) {
	ref := "user_id BIGINT NOT NULL"
	if d.dialect == sqlstore.SQLite {
		ref = "user_id INTEGER NOT NULL"
	}
	for name, test := range map[string]struct {
		columns string
		index   string
		edit    func(*sqlstore.Membership)
		says    []string
		fails   string
	}{
		"nothing":                 {columns: "role NUMBER NOT NULL, origin TEXT, PRIMARY KEY (role, user_id)"},
		"a row of each origin":    {columns: "id COUNTER, role NUMBER NOT NULL, origin TEXT NOT NULL, note TEXT NOT NULL DEFAULT '', UNIQUE (user_id, origin, role)"},
		"an index":                {columns: "role NUMBER NOT NULL, origin TEXT", index: "CREATE UNIQUE INDEX one_role ON members (user_id, role)"},
		"no index":                {columns: "role NUMBER NOT NULL, origin TEXT", says: []string{"the table members has no unique index over user_id and role"}},
		"an index of more":        {columns: "id NUMBER, role NUMBER NOT NULL, origin TEXT, UNIQUE (user_id, role, id)", says: []string{"no unique index over user_id and role"}},
		"an index over each":      {columns: "role NUMBER NOT NULL UNIQUE, origin TEXT, UNIQUE (user_id)", says: []string{"no unique index over user_id and role"}},
		"an index not unique":     {columns: "role NUMBER NOT NULL, origin TEXT", index: "CREATE INDEX roles ON members (user_id, role)", says: []string{"no unique index over user_id and role"}},
		"columns nobody fills":    {columns: "role NUMBER NOT NULL, origin TEXT, since NUMBER NOT NULL, by_whom TEXT NOT NULL, UNIQUE (user_id, role)", says: []string{"a new row of the table members needs a value for by_whom, since, and would be refused"}},
		"a key that nobody makes": {columns: "id BYTES NOT NULL, role NUMBER NOT NULL, origin TEXT, UNIQUE (user_id, role)", says: []string{"needs a value for id"}},
		"columns that are filled": {columns: "role NUMBER NOT NULL, origin TEXT NOT NULL, by_whom TEXT NOT NULL, UNIQUE (user_id, role)", edit: func(m *sqlstore.Membership) { m.Values["by_whom"] = "sync" }},
		"no table":                {columns: "role NUMBER, origin TEXT", edit: func(m *sqlstore.Membership) { m.Table = "memberships" }, fails: "check sqlstore.Table.Roles.Table"},
		"no column of users":      {columns: "role NUMBER, origin TEXT", edit: func(m *sqlstore.Membership) { m.User = "person" }, fails: "adsync: the table members has no column person; correct sqlstore.Table.Roles"},
		"no column of roles":      {columns: "group_id NUMBER, origin TEXT", fails: "adsync: the table members has no column role; correct sqlstore.Table.Roles"},
		"no column of values":     {columns: "role NUMBER, since TEXT", fails: "adsync: the table members has no column origin; correct sqlstore.Table.Roles"},
	} {
		t.Run(name, func(t *testing.T) {
			texts := []string{d.table("people", "id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE, mail TEXT UNIQUE"), d.table("members", ref+", "+test.columns)}
			if test.index != "" {
				texts = append(texts, test.index)
			}
			table := preflightTable
			table.Roles = &sqlstore.Membership{Table: "members", User: "user_id", Role: "role", Roles: map[string]any{"admin": 1}, Values: map[string]any{"origin": "ad"}}
			if test.edit != nil {
				test.edit(table.Roles)
			}
			s := newStore(t, d.open(t, texts...), d.dialect, table)
			if test.fails == "" {
				d.checkWarnings(t, s, test.says)
				return
			}
			_, err := s.Check(t.Context())
			require.ErrorContains(t, err, test.fails)
			_, err = s.CreateUser(t.Context(), create(person(1, "ann")))
			require.ErrorContains(t, err, test.fails)
			require.ErrorIs(t, err, adsync.ErrNotWritten)
		})
	}
}

func (d database) checkWarnings(t *testing.T, s *sqlstore.Store, says []string) {
	t.Helper()
	warnings, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Len(t, warnings, len(says), "%q", warnings)
	for i, text := range says {
		assert.Contains(t, warnings[i], text)
	}
}

func TestSQLite_CheckTellsQuirks(t *testing.T) {
	d := database{dialect: sqlstore.SQLite, driver: "sqlite", dsn: newSQLite}
	const columns = "id INTEGER PRIMARY KEY, guid TEXT UNIQUE, login TEXT UNIQUE, mail TEXT UNIQUE"
	db := d.open(t, "CREATE TABLE people ("+columns+" ON CONFLICT REPLACE)")
	d.checkWarnings(t, newStore(t, db, d.dialect, preflightTable), []string{"ON CONFLICT"})
	db = d.open(t, "CREATE TABLE persons ("+columns+")", "CREATE VIEW people AS SELECT * FROM persons")
	warnings, err := newStore(t, db, d.dialect, preflightTable).Check(t.Context())
	require.NoError(t, err)
	assert.Contains(t, strings.Join(warnings, "\n"), "is a view, or has rules")
	db = d.open(t, "CREATE TABLE people (id INTEGER PRIMARY KEY, guid TEXT UNIQUE, login TEXT, mail TEXT)", "CREATE UNIQUE INDEX one_login ON people (lower(login))", "CREATE UNIQUE INDEX one_mail ON people (lower(mail)) WHERE mail <> ''")
	d.checkWarnings(t, newStore(t, db, d.dialect, preflightTable), nil)
}

func TestPostgreSQL_CheckTellsQuirks(t *testing.T) {
	d := database{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: startPostgreSQL(t).newPostgreSQL}
	const columns = "id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, guid text UNIQUE, login text, mail text"
	db := d.open(t, "CREATE TABLE people ("+columns+")", "CREATE UNIQUE INDEX one_login ON people (lower(login))", "CREATE UNIQUE INDEX one_mail ON people (lower(mail)) WHERE mail <> ''",
		"CREATE RULE soft AS ON DELETE TO people DO INSTEAD NOTHING")
	d.checkWarnings(t, newStore(t, db, d.dialect, preflightTable), []string{"is a view, or has rules"})
}

// Collations that take one key for another, which a plan tells apart; those that only
// ignore case do not.
func TestPostgreSQL_CheckTellsCollations(t *testing.T) {
	d := database{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: startPostgreSQL(t).newPostgreSQL}
	const all = "text UNIQUE COLLATE "
	for _, test := range []struct {
		name, collation, login, says string
	}{
		{"accents", "(provider = icu, locale = 'und-u-ks-level1', deterministic = false)", all + "odd", "the collation of the column login takes Muller and Müller for one, which a plan tells apart"},
		{"case", "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)", all + "odd", ""},
		{"punctuation", "(provider = icu, locale = 'und-u-ka-shifted', deterministic = false)", "varchar(20) COLLATE odd UNIQUE", "takes o-neil and oneil for one"},
		{"numbers", "(provider = icu, locale = 'und-u-kn', deterministic = false)", "odd_text UNIQUE", "takes ann2 and ann02 for one"},
		{"order only", "(provider = icu, locale = 'und-u-ks-level1')", all + "odd", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := d.open(t, "CREATE COLLATION odd "+test.collation, "CREATE DOMAIN odd_text AS text COLLATE odd",
				"CREATE TABLE people (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, guid uuid UNIQUE, login "+test.login+", mail text UNIQUE)")
			var says []string
			if test.says != "" {
				says = []string{test.says}
			}
			d.checkWarnings(t, newStore(t, db, d.dialect, preflightTable), says)
		})
	}
}

// SQLite's own collations take no more for one than a plan does; a host's may.
func TestSQLite_CheckTellsCollations(t *testing.T) {
	plain := strings.NewReplacer("ü", "u", "-", "").Replace
	require.NoError(t, sqlite.RegisterCollationUtf8("plainly", func(a, b string) int { return strings.Compare(plain(a), plain(b)) }))
	d := database{dialect: sqlstore.SQLite, driver: "sqlite", dsn: newSQLite}
	for collation, says := range map[string][]string{
		"NOCASE": nil, "RTRIM": nil, "plainly": {"the collation of the column mail takes Muller and Müller, o-neil and oneil for one"},
	} {
		db := d.open(t, "CREATE TABLE people (id INTEGER PRIMARY KEY, guid TEXT UNIQUE, login TEXT UNIQUE, mail TEXT COLLATE "+collation+" UNIQUE)")
		d.checkWarnings(t, newStore(t, db, d.dialect, preflightTable), says)
	}
}

func TestMariaDB_CheckTellsTheServer(t *testing.T) {
	d := mariaDB(t)
	const columns = "id BIGINT AUTO_INCREMENT PRIMARY KEY, guid VARCHAR(40) UNIQUE, login VARCHAR(40) COLLATE utf8mb4_bin UNIQUE, mail VARCHAR(40) COLLATE utf8mb4_bin UNIQUE"
	dsn := d.dsn(t)
	open(t, "mysql", dsn, "CREATE TABLE people ("+columns+")")
	d.checkWarnings(t, newStore(t, open(t, "mysql", dsn+"?sql_mode=%27%27"), d.dialect, preflightTable), []string{"the server is not strict"})
	d.checkWarnings(t, newStore(t, open(t, "mysql", dsn), d.dialect, preflightTable), nil)
	db := d.open(t, "CREATE TABLE people ("+strings.Replace(columns, "login VARCHAR(40) COLLATE utf8mb4_bin", "login VARCHAR(40) COLLATE utf8mb4_general_ci", 1)+")")
	d.checkWarnings(t, newStore(t, db, d.dialect, preflightTable), []string{"takes Muller and Müller for one"})
}
