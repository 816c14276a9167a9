package hosts

import (
	"context"
	"database/sql"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Redmine keeps addresses apart, and groups and the anonymous user among the users, without
// a login: a column that the database computes has a unique index over those who have one.
// A status of 3 is locked, and nobody can tell by whom, so a sync lifts none; others, such
// as of those who have registered and wait, read as blocked.
func redmine() Host {
	return Host{
		Name: "Redmine", Dialect: sqlstore.MySQL,
		Shows: "two tables: a view to read, and OnWrite; numbers as status",
		Schema: `
CREATE TABLE users (
	id int AUTO_INCREMENT PRIMARY KEY, login varchar(255) NOT NULL DEFAULT '', hashed_password varchar(40) NOT NULL DEFAULT '',
	firstname varchar(30) NOT NULL DEFAULT '', lastname varchar(255) NOT NULL DEFAULT '',
	admin tinyint(1) NOT NULL DEFAULT 0, status int NOT NULL DEFAULT 1, language varchar(5) DEFAULT '', type varchar(255),
	mail_notification varchar(255) NOT NULL DEFAULT '', created_on timestamp NULL, updated_on timestamp NULL
) COLLATE utf8mb4_unicode_ci;
CREATE TABLE email_addresses (
	id int AUTO_INCREMENT PRIMARY KEY, user_id int NOT NULL, address varchar(255) NOT NULL,
	is_default tinyint(1) NOT NULL DEFAULT 0, notify tinyint(1) NOT NULL DEFAULT 1,
	created_on datetime NOT NULL, updated_on datetime NOT NULL, KEY index_email_addresses_on_user_id (user_id)
) COLLATE utf8mb4_unicode_ci`,
		Added: `
ALTER TABLE users ADD ad_guid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL UNIQUE,
	ADD login_or_null varchar(255) AS (NULLIF(login, '')) UNIQUE;
CREATE VIEW people AS SELECT u.id, u.type, u.login, u.firstname, u.lastname, u.status, u.admin, u.ad_guid, e.address
	FROM users u LEFT JOIN email_addresses e ON e.user_id = u.id AND e.is_default = 1`,
		Table: sqlstore.Table{
			Name: "users", View: "people", Where: "type = 'User'", Source: Source,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "login", FirstName: "firstname", LastName: "lastname",
				Email: "address", Status: "status", Protected: "admin",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusInactive: 3},
			Defaults: map[string]any{"type": "User", "language": "en", "mail_notification": "only_my_events", "created_on": sqlstore.Now},
			Derived:  map[string]func(adsync.User) any{"updated_on": changed},
			OnWrite: func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
				_, err := tx.ExecContext(ctx, "DELETE FROM email_addresses WHERE user_id = ? AND (is_default = 1 OR ?)", id, c.Op == adsync.OpDelete)
				if err == nil && c.After != nil && c.After.Email != "" {
					_, err = tx.ExecContext(ctx, `INSERT INTO email_addresses (user_id, address, is_default, created_on, updated_on)
						VALUES (?, ?, 1, now(), now())`, id, c.After.Email)
				}
				return err
			},
		},
		Rules:  adsync.Rules{Keys: []adsync.Field{adsync.FieldUsername}},
		Filled: []string{"email_addresses", "users"},
		Local: `INSERT INTO users (login, admin, type) VALUES ('local', 1, 'User'), ('', 0, 'AnonymousUser'), ('', 0, 'GroupBuiltin');
			INSERT INTO email_addresses (user_id, address, is_default, created_on, updated_on) SELECT id, 'local@corp.example', 1, now(), now() FROM users WHERE login = 'local'`,
		Warns:  []string{"the column address of the table users has no unique index", "the collation of the column login takes Muller and Müller for one", "the collation of the column address takes Muller and Müller for one"},
		Beside: `UPDATE email_addresses SET address = 'meanwhile@corp.example'`,
		Never:  []string{"email_addresses WHERE user_id NOT IN (SELECT id FROM users)"},
	}
}
