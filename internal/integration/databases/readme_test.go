package databases

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// readmeStatements are those that the README gives for a database.
func readmeStatements(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| "+name+" |") {
			continue
		}
		var statements []string
		for _, m := range regexp.MustCompile("`((?:ALTER|CREATE) [^`]*)`").FindAllStringSubmatch(line, -1) {
			statements = append(statements, m[1])
		}
		require.NotEmpty(t, statements)
		return statements
	}
	t.Fatalf("the README has no column for %s", name)
	return nil
}

// A table that has no column for the objectGUID gets one as the README says, and then
// keeps users linked, each account once.
func testReadmeColumn(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, name string, objectIDs sqlstore.ObjectIDs) {
	mustExec(t, db, `CREATE TABLE accounts (id VARCHAR(36) PRIMARY KEY, login VARCHAR(64) NOT NULL UNIQUE, email VARCHAR(128) UNIQUE)`)
	mustExec(t, db, `INSERT INTO accounts (id, login) VALUES ('a', 'local'), ('b', 'another local')`)
	for _, statement := range readmeStatements(t, name) {
		mustExec(t, db, statement)
	}
	s := newStore(t, db, dialect, sqlstore.Table{
		Name: "accounts", ObjectIDs: objectIDs,
		Columns: sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "login", Email: "email"},
	})
	users := list(t, s)
	require.Len(t, users, 2, "local users have none")
	linked := func(login string) error {
		before := users[login]
		after := with(before, func(u *adsync.User) { u.ObjectID = objectID(7) })
		return s.UpdateUser(t.Context(), adsync.NewUpdate(adsync.ReasonAdopted, &before, &after))
	}
	require.NoError(t, linked("local"))
	assert.Equal(t, objectID(7), list(t, s)["local"].ObjectID)
	assert.ErrorIs(t, linked("another local"), adsync.ErrConflict, "an account has one user")
}

func TestReadme_ColumnForTheObjectGUID(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { testReadmeColumn(t, openSQLite(t), sqlstore.SQLite, "SQLite", "") })
	t.Run("PostgreSQL", func(t *testing.T) {
		testReadmeColumn(t, open(t, "pgx", startPostgreSQL(t).newPostgreSQL(t)), sqlstore.PostgreSQL, "PostgreSQL", "uuid")
	})
	t.Run("MariaDB", func(t *testing.T) {
		testReadmeColumn(t, open(t, "mysql", startMariaDB(t).newMariaDB(t)), sqlstore.MySQL, "MySQL, MariaDB", "")
	})
}
