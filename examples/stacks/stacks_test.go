package stacks

import (
	"context"
	"database/sql"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/integration/dbserver"
	"github.com/go-adsync/adsync/sqlstore"
)

// layout has an audit that takes nothing about the third user.
const layout = `
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ad_guid text UNIQUE, login text NOT NULL UNIQUE, email text UNIQUE, phone text);
CREATE TABLE audit (user_id text CHECK (user_id <> '3'), what text NOT NULL, at timestamptz NOT NULL);
INSERT INTO users (ad_guid, login, phone) VALUES
	('00000000-0000-0000-0000-000000000001', 'anna', '1'),
	('00000000-0000-0000-0000-000000000002', 'ben', '2'),
	('00000000-0000-0000-0000-000000000003', 'cleo', '3')`

// stack is how a host opens its database, and the store over that. Used tells how many
// connections of the host's pool are or were open.
type stack struct {
	open func(t *testing.T, dsn string) (store *sqlstore.Store, used func() int, err error)
}

var all = map[string]stack{
	"pgxpool": {func(t *testing.T, dsn string) (*sqlstore.Store, func() int, error) {
		pool, err := pgxpool.New(t.Context(), dsn+" pool_max_conns=3")
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		store, err := FromPgxPool(pool)
		return store, func() int { return int(pool.Stat().AcquireCount()) }, err
	}},
	"sqlx": {func(t *testing.T, dsn string) (*sqlstore.Store, func() int, error) {
		db := plain(t, dsn)
		store, err := FromSqlx(sqlx.NewDb(db, "pgx"))
		return store, func() int { return db.Stats().OpenConnections }, err
	}},
	"gorm": {func(t *testing.T, dsn string) (*sqlstore.Store, func() int, error) {
		db := plain(t, dsn)
		own, err := gorm.Open(postgres.New(postgres.Config{Conn: db}), &gorm.Config{Logger: logger.Discard})
		require.NoError(t, err)
		store, err := FromGorm(own)
		return store, func() int { return db.Stats().OpenConnections }, err
	}},
	"ent": {func(t *testing.T, dsn string) (*sqlstore.Store, func() int, error) {
		db := plain(t, dsn)
		store, err := FromEnt(entsql.OpenDB(dialect.Postgres, db))
		return store, func() int { return db.Stats().OpenConnections }, err
	}},
	"bun": {func(t *testing.T, dsn string) (*sqlstore.Store, func() int, error) {
		db := plain(t, dsn)
		store, err := FromBun(bun.NewDB(db, pgdialect.New()))
		return store, func() int { return db.Stats().OpenConnections }, err
	}},
}

// plain is the pool that database/sql keeps.
func plain(t *testing.T, dsn string) *sql.DB {
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(3)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

func id(n byte) adsync.ObjectID { return adsync.ObjectID{15: n} }

// One is updated, one deleted, each with its line in the audit. The third has no such line,
// so that change, and that alone, is undone: both were one transaction.
func TestStacks_WriteInTheHostsOwnTransaction(t *testing.T) {
	server := dbserver.PostgreSQL(t)
	for name, stack := range all {
		t.Run(name, func(t *testing.T) {
			dsn := server.NewSchema(t)
			look := plain(t, dsn)
			_, err := look.ExecContext(t.Context(), layout)
			require.NoError(t, err)
			store, used, err := stack.open(t, dsn)
			require.NoError(t, err)
			dir := adsync.StaticDirectory{
				{ObjectID: id(1), Profile: adsync.Profile{Username: "anna", Phone: "11"}},
				{ObjectID: id(2), State: adsync.StateDeleted},
				{ObjectID: id(3), Profile: adsync.Profile{Username: "cleo", Phone: "33"}},
			}
			syncer, err := adsync.New(dir, store, nil)
			require.NoError(t, err)
			report, err := syncer.Sync(t.Context())
			require.NoError(t, err)
			assert.Equal(t, adsync.Counts{Modified: 1, Deleted: 1, Failed: 1}, report.Counts())
			assert.ErrorContains(t, report.Err(), "audit_user_id_check")
			assert.Equal(t, "anna 11,cleo 3", text(t, look, `SELECT string_agg(login || ' ' || phone, ',' ORDER BY id) FROM users`))
			assert.Equal(t, "1 update,2 delete", text(t, look, `SELECT string_agg(user_id || ' ' || what, ',' ORDER BY user_id) FROM audit WHERE at > now() - interval '1 hour'`))
			assert.Positive(t, used(), "the host's own pool")
		})
	}
}

func text(t *testing.T, db *sql.DB, query string) (value string) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(context.WithoutCancel(t.Context()), query).Scan(&value))
	return value
}

// A stack that takes a page is none that anybody copies.
func TestStacks_AreShort(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		require.NoError(t, err)
		var lines int
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
				continue
			}
			lines += fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1
		}
		assert.LessOrEqual(t, lines, 30, name)
		seen++
	}
	assert.Equal(t, len(all)+1, seen)
}
