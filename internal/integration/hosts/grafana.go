package hosts

import (
	"context"
	"database/sql"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Grafana gives nobody anything to see who is in no organization: OnWrite puts a new user
// into one, in the transaction of the change, and takes a leaver out of all. Emails are
// NOT NULL and UNIQUE, so people without one are invalid in the plan.
func grafana() Host {
	return Host{
		Name: "Grafana", Dialect: sqlstore.SQLite,
		Shows: "rows beside the user; emails that must be there",
		Schema: `
CREATE TABLE user (
	id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, version INTEGER NOT NULL,
	login TEXT NOT NULL, email TEXT NOT NULL, name TEXT, password TEXT, org_id INTEGER NOT NULL,
	is_admin INTEGER NOT NULL, is_disabled INTEGER NOT NULL DEFAULT 0, is_service_account BOOLEAN DEFAULT 0,
	created DATETIME NOT NULL, updated DATETIME NOT NULL
);
CREATE UNIQUE INDEX UQE_user_login ON user (login);
CREATE UNIQUE INDEX UQE_user_email ON user (email);
CREATE TABLE org_user (
	id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, org_id INTEGER NOT NULL, user_id INTEGER NOT NULL,
	role TEXT NOT NULL, created DATETIME NOT NULL, updated DATETIME NOT NULL
);
CREATE UNIQUE INDEX UQE_org_user_org_id_user_id ON org_user (org_id, user_id)`,
		Added: `
ALTER TABLE user ADD ad_guid TEXT;
CREATE UNIQUE INDEX UQE_user_ad_guid ON user (ad_guid)`,
		Table: sqlstore.Table{
			Name: "user", Where: "is_service_account = 0", Source: Source,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "login", FirstName: "name", Email: "email",
				Status: "is_disabled", Protected: "is_admin",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: 0, adsync.StatusInactive: 1},
			Defaults: map[string]any{"version": 0, "org_id": 1, "is_service_account": 0, "created": sqlstore.Now},
			Derived:  map[string]func(adsync.User) any{"updated": changed},
			OnWrite: func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) (err error) {
				switch c.Op {
				case adsync.OpCreate:
					_, err = tx.ExecContext(ctx, `INSERT INTO org_user (org_id, user_id, role, created, updated)
						VALUES (1, ?, 'Viewer', datetime('now'), datetime('now'))`, id)
				case adsync.OpDelete:
					_, err = tx.ExecContext(ctx, "DELETE FROM org_user WHERE user_id = ?", id)
				}
				return err
			},
		},
		Rules:  adsync.Rules{Map: fullName, Require: []adsync.Field{adsync.FieldEmail}},
		Filled: []string{"org_user", "user"},
		Local: `INSERT INTO user (version, login, email, org_id, is_admin, created, updated) VALUES (0, 'local', 'local@corp.example', 1, 1, 'x', 'x');
			INSERT INTO org_user (org_id, user_id, role, created, updated) SELECT 1, id, 'Admin', 'x', 'x' FROM user`,
		Never: []string{
			"user WHERE id NOT IN (SELECT user_id FROM org_user)", "org_user WHERE user_id NOT IN (SELECT id FROM user)",
			"user WHERE ad_guid IS NOT NULL AND updated < '2021'",
		},
	}
}
