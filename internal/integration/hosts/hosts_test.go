package hosts

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/internal/integration/dbserver"
	"github.com/go-adsync/adsync/sqlstore"
)

// databases starts each server once, when it is first needed, and until the test ends.
type databases struct {
	t                   *testing.T
	postgreSQL, mariaDB *dbserver.Server
}

// open opens a new database with the texts run in it.
func (d *databases) open(t *testing.T, dialect sqlstore.Dialect, texts ...string) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", "file:"+filepath.Join(t.TempDir(), "host.db")+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=journal_mode(wal)&_pragma=synchronous(off)"
	switch dialect {
	case sqlstore.PostgreSQL:
		if d.postgreSQL == nil {
			d.postgreSQL = dbserver.PostgreSQL(d.t)
		}
		driver, dsn = "pgx", d.postgreSQL.NewSchema(t)
	case sqlstore.MySQL:
		if d.mariaDB == nil {
			d.mariaDB = dbserver.MariaDB(d.t)
		}
		driver, dsn = "mysql", d.mariaDB.NewDatabase(t)+"?multiStatements=true"
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, text := range texts {
		if strings.TrimSpace(text) != "" {
			mustExec(t, db, text)
		}
	}
	return db
}

// Each product's table fits without a warning but those that its page tells, fulfils every
// duty of a store, and lives through a whole story.
func TestHosts(t *testing.T) {
	d := &databases{t: t}
	for _, h := range All() {
		t.Run(h.Name, func(t *testing.T) {
			t.Run("check", func(t *testing.T) { h.testCheck(t, d.open(t, h.Dialect, h.Schema, h.Added)) })
			t.Run("every duty", func(t *testing.T) { h.testDuties(t, d) })
			if h.Beside != "" {
				t.Run("guard", func(t *testing.T) { h.testGuard(t, d) })
			}
			t.Run("story", func(t *testing.T) { newStory(t, h, d.open(t, h.Dialect, h.Schema, h.Added)).tell() })
		})
	}
}

func (h Host) testCheck(t *testing.T, db *sql.DB) {
	store, err := sqlstore.New(db, h.Dialect, h.Table)
	require.NoError(t, err)
	warnings, err := store.Check(t.Context())
	require.NoError(t, err)
	require.Len(t, warnings, len(h.Warns), "%q", warnings)
	for i, want := range h.Warns {
		assert.Contains(t, warnings[i], want)
	}
}

// testDuties lets CheckStore seed the table by itself.
func (h Host) testDuties(t *testing.T, d *databases) {
	db := d.open(t, h.Dialect, h.Schema, h.Added)
	tables := h.Filled
	if tables == nil {
		tables = []string{h.quoted()}
	}
	err := adsynctest.CheckStore(t.Context(), func(ctx context.Context, _ []adsync.User) (adsync.UserStore, error) {
		for _, table := range tables {
			if _, err := db.ExecContext(ctx, "DELETE FROM "+table); err != nil {
				return nil, err
			}
		}
		return sqlstore.New(db, h.Dialect, h.Table)
	}, h.Rules)
	require.NoError(t, err)
}

// quoted is the name of the table in a statement.
func (h Host) quoted() string {
	if h.Dialect == sqlstore.MySQL {
		return "`" + h.Table.Name + "`"
	}
	return `"` + h.Table.Name + `"`
}
