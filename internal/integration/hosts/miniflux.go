package hosts

import (
	"context"
	"database/sql"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Miniflux knows a name and nothing else of a person, and has no status: who is disabled in
// the directory keeps the account. A new user needs a first category and a row of
// integrations; both go with the user by themselves.
func miniflux() Host {
	return Host{
		Name: "Miniflux", Dialect: sqlstore.PostgreSQL,
		Shows: "a name alone, rows beside the user",
		Schema: `
CREATE TABLE users (
	id serial PRIMARY KEY, username text NOT NULL UNIQUE, password text, is_admin boolean DEFAULT false,
	language text DEFAULT 'en_US', timezone text DEFAULT 'UTC', openid_connect_id text NOT NULL DEFAULT ''
);
CREATE TABLE categories (
	id serial PRIMARY KEY, user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	title text NOT NULL, UNIQUE (user_id, title)
);
CREATE TABLE integrations (user_id integer PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE)`,
		Added: `
ALTER TABLE users ADD ad_guid uuid UNIQUE`,
		Table: sqlstore.Table{
			Name: "users", Source: Source, ObjectIDs: sqlstore.ObjectIDNative,
			Columns: sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "username", Protected: "is_admin"},
			OnWrite: func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
				if c.Op != adsync.OpCreate {
					return nil
				}
				_, err := tx.ExecContext(ctx, `WITH category AS (INSERT INTO categories (user_id, title) VALUES ($1, 'All'))
					INSERT INTO integrations (user_id) VALUES ($1)`, id)
				return err
			},
		},
		Local: `INSERT INTO users (username, is_admin) VALUES ('local', true)`,
		Never: []string{
			"users WHERE ad_guid IS NOT NULL AND id NOT IN (SELECT user_id FROM categories)",
			"users WHERE ad_guid IS NOT NULL AND id NOT IN (SELECT user_id FROM integrations)",
		},
	}
}
