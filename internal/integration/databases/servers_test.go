package databases

import (
	"database/sql"
	"testing"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/dbserver"
)

// server is a database server of the test's own.
type server struct{ *dbserver.Server }

func startPostgreSQL(t testing.TB) *server {
	t.Helper()
	return &server{dbserver.PostgreSQL(t)}
}

func (s *server) newPostgreSQL(t testing.TB) (dsn string) { return s.NewSchema(t) }

func startMariaDB(t testing.TB) *server {
	t.Helper()
	return &server{dbserver.MariaDB(t)}
}

func (s *server) newMariaDB(t testing.TB) (dsn string) { return s.NewDatabase(t) }

func (s *server) mariaDB(database string) string { return s.DatabaseDSN(database) }

func open(t testing.TB, driver, dsn string, texts ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, text := range texts {
		mustExec(t, db, text)
	}
	return db
}
