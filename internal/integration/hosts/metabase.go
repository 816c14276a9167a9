package hosts

import (
	"context"
	"database/sql"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Metabase knows people by their email, which its column compares without case, and gives
// nobody a right who is in no group: OnWrite puts new users into the one of all users.
func metabase() Host {
	return Host{
		Name: "Metabase", Dialect: sqlstore.PostgreSQL,
		Shows: "log-in by email, rows beside the user",
		Schema: `
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE TABLE core_user (
	id serial PRIMARY KEY, email citext NOT NULL UNIQUE,
	first_name varchar(254), last_name varchar(254), password varchar(254), password_salt varchar(254),
	date_joined timestamptz NOT NULL, last_login timestamptz, updated_at timestamp,
	is_superuser boolean NOT NULL DEFAULT false, is_active boolean NOT NULL DEFAULT true,
	sso_source varchar(254), type varchar(64) NOT NULL DEFAULT 'personal'
);
CREATE TABLE permissions_group_membership (
	id serial PRIMARY KEY, user_id integer NOT NULL REFERENCES core_user (id) ON DELETE CASCADE,
	group_id integer NOT NULL, UNIQUE (user_id, group_id)
)`,
		Added: `
ALTER TABLE core_user ADD ad_guid uuid UNIQUE`,
		Table: sqlstore.Table{
			Name: "core_user", Where: "type = 'personal'", Source: Source, ObjectIDs: sqlstore.ObjectIDNative,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "email", FirstName: "first_name", LastName: "last_name",
				Status: "is_active", Protected: "is_superuser",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusInactive: false},
			Defaults: map[string]any{"date_joined": sqlstore.Now, "sso_source": "ldap"},
			Derived:  map[string]func(adsync.User) any{"updated_at": changed},
			OnWrite: func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) (err error) {
				if c.Op == adsync.OpCreate {
					_, err = tx.ExecContext(ctx, "INSERT INTO permissions_group_membership (user_id, group_id) VALUES ($1, 1)", id)
				}
				return err
			},
		},
		Rules:  adsync.Rules{Map: byEmail},
		Filled: []string{"core_user"},
		Local:  `INSERT INTO core_user (email, date_joined, is_superuser) VALUES ('local@corp.example', now(), true)`,
		Never:  []string{"core_user WHERE ad_guid IS NOT NULL AND id NOT IN (SELECT user_id FROM permissions_group_membership)"},
	}
}
