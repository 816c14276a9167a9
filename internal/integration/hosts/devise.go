package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Devise, as Rails programs have it, knows people by their email, and stops whoever has a
// locked_at. What it cannot tell is who locked them, so a sync lifts no lock.
func devise() Host {
	return Host{
		Name: "Devise", Dialect: sqlstore.SQLite,
		Shows: "a time as status",
		Schema: `
CREATE TABLE users (
	id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
	email varchar DEFAULT '' NOT NULL, encrypted_password varchar DEFAULT '' NOT NULL,
	reset_password_token varchar, sign_in_count integer DEFAULT 0 NOT NULL, locked_at datetime(6),
	created_at datetime(6) NOT NULL, updated_at datetime(6) NOT NULL
);
CREATE UNIQUE INDEX index_users_on_email ON users (email);
CREATE UNIQUE INDEX index_users_on_reset_password_token ON users (reset_password_token)`,
		Added: `
ALTER TABLE users ADD ad_guid TEXT;
CREATE UNIQUE INDEX index_users_on_ad_guid ON users (ad_guid)`,
		Table: sqlstore.Table{
			Name:     "users",
			Source:   Source,
			Columns:  sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "email", Status: "locked_at"},
			Statuses: map[adsync.Status]any{adsync.StatusActive: sqlstore.Null, adsync.StatusInactive: sqlstore.Now},
			Defaults: map[string]any{"created_at": sqlstore.Now},
			Derived:  map[string]func(adsync.User) any{"updated_at": changed},
		},
		Rules: adsync.Rules{Map: byEmail},
		Local: `INSERT INTO users (email, created_at, updated_at) VALUES ('local@corp.example', '2020-01-02 03:04:05', '2020-01-02 03:04:05')`,
		Never: []string{"users WHERE ad_guid IS NOT NULL AND updated_at < '2021-01-01'", "users WHERE locked_at < '2021-01-01'"},
	}
}
