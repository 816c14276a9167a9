package databases

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// MySQL and MariaDB say how many rows a statement wrote, and not which. These tests
// hold what the store makes of that to what it does with one row at a time.

// keyed is a table by how its rows are told apart.
type keyed struct {
	name     string
	id       string             // the definition of the column
	end      string             // of the table's definition
	where    string             // of the mapping
	value    func(n int) string // the ID of row n, as the store reads it
	stored   func(n int) any    // and as it is stored
	odd      func(id string) string
	oneByOne bool // the store must not write many at once
	loose    bool // no transactions: a bad row is not undone
	thorough bool // one of each kind, for what takes long and hangs little on the key
}

func number(n int) string { return fmt.Sprint(n) }

func word(n int) string { return fmt.Sprintf("User-%d", n) }

func guid(n int) string { return objectID(5000 + n).String() }

func guidBytes(n int) any {
	b, _ := hex.DecodeString(strings.ReplaceAll(guid(n), "-", ""))
	return b
}

// keyedTables are all ways in which a host may tell its rows apart.
var keyedTables = []keyed{
	{name: "numbers", thorough: true, id: "id BIGINT PRIMARY KEY", value: number, odd: func(id string) string { return "0" + id }},
	{name: "numbers without a sign", id: "id INT UNSIGNED PRIMARY KEY", where: "users.username <> 'nobody' # a name in full", value: number, odd: func(id string) string { return id + " " }},
	{name: "texts that ignore case", thorough: true, id: "id VARCHAR(40) PRIMARY KEY", value: word, odd: strings.ToUpper},
	{name: "texts of another charset", id: "id CHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci PRIMARY KEY", value: word, odd: strings.ToLower},
	{name: "texts to the byte", id: "id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY", value: word, odd: strings.ToUpper},
	{name: "texts of two bytes a letter", id: "id VARCHAR(40) CHARACTER SET ucs2 PRIMARY KEY", value: word, odd: func(id string) string { return id + " " }},
	{name: "texts that are numbers", id: "id VARCHAR(40) PRIMARY KEY", value: number, odd: func(id string) string { return id + ".0" }},
	{name: "bytes", id: "id BINARY(16) PRIMARY KEY", value: guid, stored: guidBytes, odd: strings.ToUpper},
	{name: "uuids", id: "id UUID PRIMARY KEY", value: guid, odd: strings.ToUpper},

	{name: "numbers with zeros", id: "id INT(9) UNSIGNED ZEROFILL PRIMARY KEY", value: number, odd: func(id string) string { return "0" + id }, oneByOne: true},
	{name: "decimals", thorough: true, id: "id DECIMAL(20, 0) PRIMARY KEY", value: number, odd: func(id string) string { return id + ".0" }, oneByOne: true},
	{name: "a key that is not the primary one", id: "id BIGINT NOT NULL UNIQUE, pk INT AUTO_INCREMENT PRIMARY KEY", value: number, odd: func(id string) string { return "0" + id }, oneByOne: true},
	{name: "no primary key", id: "id BIGINT NOT NULL UNIQUE", value: number, odd: func(id string) string { return "0" + id }, oneByOne: true},
	{name: "a key of two columns", id: "id BIGINT, tenant INT NOT NULL DEFAULT 1, PRIMARY KEY (id, tenant), KEY (id)", where: "tenant = 1", value: number, odd: func(id string) string { return "0" + id }, oneByOne: true},
	{name: "a condition that reads another table", id: "id BIGINT PRIMARY KEY", where: "id NOT IN (SELECT owner FROM hidden)", value: number, odd: func(id string) string { return "0" + id }, oneByOne: true},
	{name: "MyISAM", id: "id BIGINT PRIMARY KEY", end: "ENGINE=MyISAM", value: number, odd: func(id string) string { return "0" + id }, oneByOne: true, loose: true},
	{name: "Aria", id: "id BIGINT PRIMARY KEY", end: "ENGINE=Aria TRANSACTIONAL=1", value: number, odd: func(id string) string { return "0" + id }, oneByOne: true, loose: true},
}

func (k keyed) schema() []string {
	texts := []string{
		strings.Replace(usersTable("BIGINT", "VARCHAR(100)", "BOOLEAN"), "id BIGINT,",
			k.id+", letters INT AS (CHAR_LENGTH(username)) VIRTUAL, touched TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,", 1) + k.end,
		"CREATE TABLE hidden (owner BIGINT NOT NULL)",
		"CREATE TABLE docs (id INT PRIMARY KEY, owner VARCHAR(100), CONSTRAINT docs_owner FOREIGN KEY (owner) REFERENCES users (username))",
		`CREATE TRIGGER refuse BEFORE UPDATE ON users FOR EACH ROW BEGIN
			IF NEW.first_name = 'Forbidden' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by the host: Forbidden'; END IF; END`,
	}
	if k.loose {
		texts = slices.Delete(texts, 2, 3)
	}
	return texts
}

// keyedHost is a table of n people and the rival of some.
type keyedHost struct {
	keyed
	db    *sql.DB
	store *sqlstore.Store
}

func (k keyed) host(t *testing.T, dsn string, n int) keyedHost {
	t.Helper()
	db := open(t, "mysql", dsn, k.schema()...)
	for from := 0; from < n; from += 500 {
		text, args := "INSERT INTO users (id, object_id, source, username, first_name, last_name, email, phone, status) VALUES ", []any(nil)
		for i := from; i < min(n, from+500); i++ {
			u := person(i, fmt.Sprintf("user%d", i))
			text += "(?, ?, ?, ?, ?, ?, ?, ?, ?), "
			args = append(args, k.store(i), u.ObjectID.String(), u.Source, u.Username, u.FirstName, u.LastName, u.Email, u.Phone, string(u.Status))
		}
		mustExec(t, db, strings.TrimSuffix(text, ", "), args...)
	}
	return keyedHost{k, db, newStore(t, db, sqlstore.MySQL, sqlstore.Table{Name: "users", Columns: allColumns, Where: k.where})}
}

func (k keyed) store(n int) any {
	if k.stored != nil {
		return k.stored(n)
	}
	return k.value(n)
}

// people are the rows as the store reads them, by number.
func (h keyedHost) people(t *testing.T, n int) []adsync.User {
	t.Helper()
	now := list(t, h.store)
	require.Len(t, now, n)
	people := make([]adsync.User, n)
	for i := range people {
		people[i] = now[fmt.Sprintf("user%d", i)]
	}
	return people
}

// log collects the statements that write users while f runs.
func statements(t *testing.T, db *sql.DB, f func()) (texts []string) {
	t.Helper()
	return logged(t, db, "argument LIKE 'UPDATE%' OR argument LIKE 'DELETE%' OR argument LIKE 'EXPLAIN%'", f)
}

// logged are the statements that the server ran while f did, of those asked for.
func logged(t *testing.T, db *sql.DB, which string, f func()) (texts []string) {
	t.Helper()
	mustExec(t, db, "SET GLOBAL log_output = 'TABLE'")
	mustExec(t, db, "TRUNCATE mysql.general_log")
	mustExec(t, db, "SET GLOBAL general_log = ON")
	f()
	mustExec(t, db, "SET GLOBAL general_log = OFF")
	rows, err := db.Query("SELECT argument FROM mysql.general_log WHERE command_type IN ('Execute', 'Query') AND (" + which + ") ORDER BY event_time")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	return texts
}

// writes counts the statements that write, all of them and those for many rows.
func writes(texts []string) (all, many int) {
	for _, text := range texts {
		if strings.HasPrefix(text, "EXPLAIN") {
			continue
		}
		all++
		if strings.Contains(text, "FORCE INDEX (PRIMARY)") {
			many++
		}
	}
	return all, many
}

var parameterSets = map[string]string{
	"as the driver has it":      "",
	"found rows":                "?clientFoundRows=true",
	"parameters in the text":    "?interpolateParams=true",
	"found rows and parameters": "?clientFoundRows=true&interpolateParams=true",
	"strict and odd modes":      "?sql_mode=%27ANSI_QUOTES,ONLY_FULL_GROUP_BY,STRICT_ALL_TABLES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES%27",
	"lax modes":                 "?sql_mode=%27%27",
	"safe updates":              "?sql_safe_updates=1",
	"read committed":            "?tx_isolation=%27READ-COMMITTED%27",
	"serializable":              "?tx_isolation=%27SERIALIZABLE%27",
}

func TestMariaDB_ManyAtOnce(t *testing.T) {
	server := startMariaDB(t)
	for _, k := range keyedTables {
		parameters := map[string]string{"plain": ""}
		if k.thorough && !k.oneByOne {
			parameters["found rows and parameters"] = parameterSets["found rows and parameters"]
		}
		if k.name == "numbers" {
			parameters = parameterSets
		}
		for name, p := range parameters {
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Run("all as planned", func(t *testing.T) { k.testAsPlanned(t, server, p) })
				t.Run("some not", func(t *testing.T) { k.testAsOneByOne(t, server, p, false) })
				if k.thorough {
					t.Run("some bad", func(t *testing.T) { k.testAsOneByOne(t, server, p, true) })
				}
			})
		}
	}
}

// testAsPlanned shows that the fast way is taken, and that it is not where it must not
// be.
func (k keyed) testAsPlanned(t *testing.T, server *server, parameters string) {
	const n = 130
	h := k.host(t, server.newMariaDB(t)+parameters, n)
	require.NoError(t, h.store.UpdateUser(t.Context(), update(h.people(t, n)[0], h.people(t, n)[0]))) // learns the types
	check := func(cs []adsync.Change, oneByOne bool) {
		t.Helper()
		var written []adsync.Written
		texts := statements(t, h.db, func() { written = h.store.ApplyChanges(t.Context(), cs) })
		for i, w := range written {
			require.NoError(t, w.Err, i)
		}
		all, many := writes(texts)
		if oneByOne {
			assert.Zero(t, many)
			assert.GreaterOrEqual(t, all, n)
			return
		}
		assert.Equal(t, 3, many)
		assert.Equal(t, 3, all)
	}
	var updates, deletes []adsync.Change
	want := map[string]adsync.User{}
	for i, u := range h.people(t, n) {
		after := with(u, func(u *adsync.User) { u.Phone, u.LastName = fmt.Sprint("é ", i), "日本 \\ '"+fmt.Sprint(i) })
		if i%2 == 0 { // trailing spaces, and another length of name
			after = with(u, func(u *adsync.User) { u.Phone, u.LastName = fmt.Sprint(i, " "), strings.Repeat("x", i%90) })
		}
		updates, deletes = append(updates, update(u, after)), append(deletes, remove(after))
		want[u.Username] = after
	}
	check(updates, k.oneByOne)
	require.Equal(t, want, list(t, h.store))
	safe := strings.Contains(parameters, "safe_updates") // which refuses a DELETE with a join
	check(deletes, k.oneByOne || safe)
	require.Empty(t, list(t, h.store))
}

// testAsOneByOne compares a batch with the same changes in batches of one.
func (k keyed) testAsOneByOne(t *testing.T, server *server, parameters string, bad bool) {
	const n = 130
	together, apart := k.host(t, server.newMariaDB(t)+parameters, n), k.host(t, server.newMariaDB(t)+parameters, n)
	for _, h := range []keyedHost{together, apart} {
		if !k.loose {
			mustExec(t, h.db, "INSERT INTO docs (id, owner) SELECT ROW_NUMBER() OVER (), username FROM users WHERE username IN ('user15', 'user16')")
		}
		mustExec(t, h.db, "DELETE FROM users WHERE username = 'user17'")
		mustExec(t, h.db, "UPDATE users SET object_id = UPPER(object_id) WHERE username = 'user18'")
		mustExec(t, h.db, "UPDATE users SET email = NULL WHERE username = 'user19'")
	}
	people := together.people17(t, n)
	var updates, deletes []adsync.Change
	for i, u := range people {
		updates = append(updates, k.oddUpdate(i, u, bad))
		deletes = append(deletes, k.oddDelete(i, u, *updates[i].After, bad))
	}
	same := func(cs []adsync.Change) {
		t.Helper()
		var alone []string
		for _, c := range cs {
			alone = append(alone, verdict(apart.store.ApplyChanges(t.Context(), []adsync.Change{c})[0]))
		}
		var written []string
		for _, w := range together.store.ApplyChanges(t.Context(), cs) {
			written = append(written, verdict(w))
		}
		require.Equal(t, alone, written)
		require.Equal(t, list(t, apart.store), list(t, together.store))
	}
	same(updates)
	same(deletes)
}

var hostName = regexp.MustCompile(`host\d+`)

// verdict is what became of a change, without the name of the database.
func verdict(w adsync.Written) string { return hostName.ReplaceAllString(fmt.Sprint(w.Err), "host") }

// people17 are the people, of whom number 17 has gone since.
func (h keyedHost) people17(t *testing.T, n int) []adsync.User {
	now := list(t, h.store)
	require.Len(t, now, n-1)
	var people []adsync.User
	for i := range n {
		u, ok := now[fmt.Sprintf("user%d", i)]
		if !ok {
			u = person(i, fmt.Sprintf("user%d", i))
			u.ID = h.value(i)
		}
		people = append(people, u)
	}
	return people
}

// oddUpdate is a change of which some are not as planned, or bad.
func (k keyed) oddUpdate(i int, u adsync.User, bad bool) adsync.Change {
	after := with(u, func(u *adsync.User) { u.Phone = fmt.Sprint(i) })
	switch {
	case i == 3:
		u.LastName += "x"
	case i == 4:
		after, u.Phone = u, "other"
	case i == 5:
		u.ID = k.odd(u.ID)
		after.ID = u.ID
	case i == 6:
		u.Username = strings.ToUpper(u.Username)
	case i == 7:
		u.LastName += " "
	case i == 8:
		after.Email = ""
	case i == 9:
		after.Email, after.Status = "", adsync.StatusDeactivated
	case i == 10:
		after = with(u, func(u *adsync.User) { u.Username = strings.ToUpper(u.Username) })
	case i > 100 && i < 120:
		after = with(u, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	case !bad:
	case i == 61:
		after.Email = "user90@corp.example"
	case i == 62:
		after.Phone = "+49 666"
	case i == 63:
		after.FirstName = "Forbidden"
	case i == 64:
		after.LastName = strings.Repeat("x", 101)
	case i == 15:
		after.Username = "free"
	}
	return update(u, after)
}

// oddDelete is the same, after the updates, with users who own documents.
func (k keyed) oddDelete(i int, before, after adsync.User, bad bool) adsync.Change {
	if i == 21 {
		after.LastName += " "
	}
	if !bad && !k.loose && (i == 15 || i == 16) {
		after.Phone = "stale"
	}
	if i == 22 {
		after.ID = k.odd(after.ID)
	}
	return remove(after)
}

// An account that may not see all columns of the key must not take one for the whole.
func TestMariaDB_KeyThatIsHidden(t *testing.T) {
	server := startMariaDB(t)
	dsn := server.newMariaDB(t)
	root := open(t, "mysql", dsn, "CREATE TABLE users (id BIGINT, tenant INT, object_id VARCHAR(60), username VARCHAR(60), PRIMARY KEY (id, tenant))",
		"INSERT INTO users VALUES (1, 1, '', 'ann'), (1, 2, '', 'ann'), (2, 1, '', 'bob'), (3, 1, '', 'cid')",
		"CREATE USER part", "GRANT SELECT (id, object_id, username), UPDATE (id, object_id, username) ON users TO part")
	s := newStore(t, open(t, "mysql", strings.Replace(dsn, "root@", "part@", 1)), sqlstore.MySQL,
		sqlstore.Table{Name: "users", Columns: sqlstore.Columns{ID: "id", ObjectID: "object_id", Username: "username"}})
	renamed := func(id, from, to string) adsync.Change {
		before := adsync.User{ID: id, Status: adsync.StatusActive, Profile: adsync.Profile{Username: from}}
		return update(before, with(before, func(u *adsync.User) { u.Username = to }))
	}
	// Two rows of one ID and one that is stale are as many rows as changes.
	written := s.ApplyChanges(t.Context(), []adsync.Change{renamed("1", "ann", "anna"), renamed("2", "nobody", "bert"), renamed("3", "cid", "cem")})
	assert.ErrorContains(t, written[0].Err, "several rows have this ID")
	assert.ErrorIs(t, written[1].Err, adsync.ErrStale)
	assert.NoError(t, written[2].Err)
	var names string
	require.NoError(t, root.QueryRow("SELECT GROUP_CONCAT(username ORDER BY id, tenant) FROM users").Scan(&names))
	assert.Equal(t, "ann,ann,bob,cem", names)
}

// One bad row among many that were written with it, before it and after it.
func TestMariaDB_OneBadRow(t *testing.T) {
	server := startMariaDB(t)
	h := keyedTables[0].host(t, server.newMariaDB(t), 130)
	var cs []adsync.Change
	want := map[string]adsync.User{}
	for i, u := range h.people(t, 130) {
		after := with(u, func(u *adsync.User) { u.Phone, u.Email = "1", fmt.Sprint(i, "@corp.example") })
		if i == 70 {
			after.Phone = "+49 666"
		}
		cs = append(cs, update(u, after))
		want[u.Username] = after
		if i == 70 {
			want[u.Username] = u
		}
	}
	again := update(*cs[5].After, with(*cs[5].After, func(u *adsync.User) { u.LastName = "again" }))
	for i, w := range h.store.ApplyChanges(t.Context(), cs) {
		if i == 70 {
			assert.ErrorContains(t, w.Err, "adsync: the database refused this row by its constraint no_beast")
			continue
		}
		assert.NoError(t, w.Err, i)
	}
	require.Equal(t, want, list(t, h.store))

	cs = []adsync.Change{remove(want["user1"]), remove(want["user2"]), again, remove(*again.After)}
	for i, w := range h.store.ApplyChanges(t.Context(), cs) {
		assert.NoError(t, w.Err, "two changes of one row, %d", i)
	}
	for _, name := range []string{"user1", "user2", "user5"} {
		delete(want, name)
	}
	require.Equal(t, want, list(t, h.store))
}

// A host that marks who is deleted, keeps objectGUIDs as bytes and a status as a
// number. Values that are no texts are the same within a statement.
func TestMariaDB_ManyOfOtherTypes(t *testing.T) {
	const n = 100
	db := open(t, "mysql", startMariaDB(t).newMariaDB(t), `CREATE TABLE users (id BIGINT AUTO_INCREMENT PRIMARY KEY, guid BINARY(16) UNIQUE, username VARCHAR(60) UNIQUE NOT NULL,
		email VARCHAR(60) UNIQUE, active BIT(1), gone DATETIME, kind VARCHAR(10) NOT NULL DEFAULT 'person')`)
	s := newStore(t, db, sqlstore.MySQL, sqlstore.Table{
		Name:      "users",
		Columns:   sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "username", Email: "email", Status: "active"},
		ObjectIDs: "ad-bytes",
		Source:    "ad",
		Statuses:  map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusInactive: false},
		Where:     "kind = ? AND gone IS NULL",
		Args:      []any{"person"},
		Delete:    map[string]any{"gone": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	})
	var people []adsync.User
	for i := range n {
		u := adsync.User{ObjectID: objectID(i + 1), Source: "ad", Status: adsync.StatusActive}
		u.Username, u.Email = fmt.Sprint("user", i), fmt.Sprint(i, "@corp.example")
		people = append(people, u)
	}
	seed(t, s, people...)
	check := func(most int, cs []adsync.Change) {
		t.Helper()
		var written []adsync.Written
		texts := statements(t, db, func() { written = s.ApplyChanges(t.Context(), cs) })
		for i, w := range written {
			require.NoError(t, w.Err, i)
		}
		all, many := writes(texts)
		assert.Equal(t, many, all)
		assert.LessOrEqual(t, all, most)
	}
	var updates, deletes []adsync.Change
	now := list(t, s)
	for i := range n {
		u := now[fmt.Sprint("user", i)]
		after := with(u, func(u *adsync.User) { u.Email = fmt.Sprint("new", i, "@corp.example") })
		switch i % 5 {
		case 0:
			after.Email = ""
		case 1:
			after.Status = adsync.StatusInactive
		}
		updates, deletes = append(updates, update(u, after)), append(deletes, remove(after))
		now[u.Username] = after
	}
	check(4, updates)
	require.Equal(t, now, list(t, s))
	check(4, deletes)
	require.Empty(t, list(t, s))
	var marked int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM users WHERE gone = '2026-01-02 03:04:05' AND email IS NULL AND username = CONCAT('~deleted-', id)").Scan(&marked))
	assert.Equal(t, n, marked)
}
