package databases

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// These are whole hosts, with tables as the usual tools make them: seeded by the
// host, synchronised, and in step from then on.

// ormHost is in the manner of an ORM: an integer key, times that it keeps itself,
// and a soft delete by deleted_at.
func (d database) ormHost(id, when string) layout {
	now := time.Now().Truncate(time.Millisecond) // as exact as every column here
	return layout{
		schema: `CREATE TABLE users (
			id ` + id + `, created_at ` + when + ` NOT NULL, updated_at ` + when + ` NOT NULL, deleted_at ` + when + `,
			name varchar(191) NOT NULL, email varchar(191), given_name varchar(191), surname varchar(191), phone_number varchar(191), active boolean NOT NULL DEFAULT true,
			object_guid varchar(36), CONSTRAINT uni_users_name UNIQUE (name), CONSTRAINT uni_users_email UNIQUE (email), CONSTRAINT uni_users_object_guid UNIQUE (object_guid))`,
		table: sqlstore.Table{
			Name: "users",
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "object_guid", Username: "name", Email: "email",
				FirstName: "given_name", LastName: "surname", Phone: "phone_number", Status: "active",
			},
			Source:   "ad",
			Where:    "deleted_at IS NULL",
			Statuses: map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusDeactivated: false},
			Defaults: map[string]any{"created_at": now, "updated_at": now},
			Delete:   map[string]any{"deleted_at": now},
		},
		insert: d.insert("users", "created_at", "updated_at", "object_guid", "name", "email", "given_name", "surname", "phone_number", "active"),
		args: func(u adsync.User) []any {
			return []any{now, now, nullable(u.ObjectID), u.Username, sql.NullString{String: u.Email, Valid: u.Email != ""}, u.FirstName, u.LastName, u.Phone, u.Status != adsync.StatusDeactivated}
		},
	}
}

func nullable(id adsync.ObjectID) any {
	if id.IsZero() {
		return nil
	}
	return id.String()
}

// frameworkHost is in the manner of a web framework: a uuid key, an email without
// case, flags, a mandatory password, and everything NOT NULL that can be.
func frameworkHost() layout {
	return layout{
		schema: `CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
			CREATE TABLE auth_user (
			id uuid PRIMARY KEY DEFAULT gen_random_uuid(), password varchar(128) NOT NULL, last_login timestamptz, is_superuser boolean NOT NULL DEFAULT false,
			username varchar(150) NOT NULL UNIQUE, first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL, email citext UNIQUE,
			is_active boolean NOT NULL, date_joined timestamptz NOT NULL, ad_object uuid UNIQUE, origin varchar(20) NOT NULL DEFAULT '');
			CREATE TABLE document (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner_id uuid NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED)`,
		table: sqlstore.Table{
			Name: "auth_user",
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_object", Source: "origin", Username: "username", Email: "email",
				FirstName: "first_name", LastName: "last_name", Status: "is_active", Protected: "is_superuser",
			},
			ObjectIDs: "uuid",
			Statuses:  map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusDeactivated: false},
			Defaults:  map[string]any{"password": "!", "date_joined": time.Now()},
		},
		insert: `INSERT INTO auth_user (password, date_joined, ad_object, origin, username, email, first_name, last_name, is_active) VALUES ('!', now(), $1, $2, $3, $4, $5, $6, $7)`,
		args: func(u adsync.User) []any {
			return []any{nullable(u.ObjectID), u.Source, u.Username, sql.NullString{String: u.Email, Valid: u.Email != ""}, u.FirstName, u.LastName, u.Status != adsync.StatusDeactivated}
		},
	}
}

func TestHost_OfAnORM(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		d := database{dialect: sqlstore.SQLite, driver: "sqlite", dsn: newSQLite}
		d.testORM(t, "integer PRIMARY KEY AUTOINCREMENT", "datetime")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		d := database{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: startPostgreSQL(t).newPostgreSQL}
		d.testORM(t, "bigserial PRIMARY KEY", "timestamptz")
	})
	t.Run("MariaDB", func(t *testing.T) {
		d := database{dialect: sqlstore.MySQL, driver: "mysql", dsn: startMariaDB(t).newMariaDB}
		d.testORM(t, "bigint unsigned AUTO_INCREMENT PRIMARY KEY", "datetime(3)")
	})
}

func (d database) testORM(t *testing.T, id, when string) {
	db := d.testHost(t, d.ormHost(id, when))
	var leaver int
	require.NoError(t, db.QueryRow("SELECT count(*) FROM users WHERE object_guid = "+d.place(1)+" AND deleted_at = updated_at", objectID(3)).Scan(&leaver))
	assert.Equal(t, 1, leaver, "who left has the time that Delete says")
	assert.Equal(t, 1, count(t, db, "users WHERE deleted_at IS NOT NULL"), "and nobody else has one")
}

func TestHost_OfAWebFramework(t *testing.T) {
	d := database{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: startPostgreSQL(t).newPostgreSQL}
	d.testHost(t, frameworkHost())
}

// testHost returns the database as the sync left it.
func (d database) testHost(t *testing.T, host layout) *sql.DB {
	t.Run("every duty", func(t *testing.T) {
		checkLayout(t, host, d.dialect, func() *sql.DB { return d.open(t, host.schema) })
	})
	db := d.open(t, host.schema)
	people := []adsync.User{person(1, "ann"), person(2, "bob"), person(3, "cid"), person(4, "dan"), person(5, "eve")}
	for _, u := range people {
		mustExec(t, db, host.insert, host.args(u)...)
	}
	local := with(person(6, "local"), func(u *adsync.User) { u.ObjectID, u.Source = adsync.ObjectID{}, "" })
	mustExec(t, db, host.insert, host.args(local)...)

	entry := func(u adsync.User, edit func(*adsync.Entry)) adsync.Entry {
		e := adsync.Entry{ObjectID: u.ObjectID, Profile: u.Profile}
		edit(&e)
		return e
	}
	dir := adsync.StaticDirectory{
		entry(people[0], func(e *adsync.Entry) { e.Username, e.Email = "bob", "Bob@Corp.Example" }),
		entry(people[1], func(e *adsync.Entry) { e.Username, e.Email = "ann", "ann@corp.example" }),
		entry(people[2], func(e *adsync.Entry) { e.State = adsync.StateDeleted }),
		entry(people[3], func(e *adsync.Entry) { e.Username, e.Email = "cid", "" }),
		entry(people[4], func(e *adsync.Entry) { e.Disabled = true }),
		entry(person(7, "new"), func(e *adsync.Entry) { e.Email = "cid@corp.example" }),
	}
	s := newStore(t, db, d.dialect, host.table)
	syncer, err := adsync.New(dir, s, &adsync.Options{
		Rules:  adsync.Rules{Source: "ad", Import: true, OnDisabled: adsync.Deactivate},
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1},
	})
	require.NoError(t, err)
	before := list(t, s)
	report, err := syncer.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())

	after := list(t, s)
	assert.Len(t, after, 6)
	assert.Equal(t, before["ann"].ID, after["bob"].ID)
	assert.Equal(t, "Bob@Corp.Example", after["bob"].Email)
	assert.Equal(t, before["bob"].ID, after["ann"].ID)
	assert.Equal(t, before["dan"].ID, after["cid"].ID, "a leaver's name is free, however they were deleted")
	assert.Equal(t, "cid@corp.example", after["new"].Email)
	assert.Equal(t, adsync.StatusInactive, after["eve"].Status, "a flag does not tell by whom")
	assert.Equal(t, before["local"], after["local"])
	plan, err := syncer.Plan(t.Context())
	require.NoError(t, err)
	assert.Empty(t, plan.Changes, "a second sync finds nothing")
	return db
}
