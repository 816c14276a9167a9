package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Snipe-IT marks who is deleted, and has no unique index over usernames, since the deleted
// keep theirs. A column that the database computes gives it one over those who are left.
func snipeIT() Host {
	return Host{
		Name: "Snipe-IT", Dialect: sqlstore.MySQL,
		Shows: "soft delete without a unique index",
		Schema: `
CREATE TABLE users (
	id int(10) unsigned AUTO_INCREMENT PRIMARY KEY,
	email varchar(191), password varchar(191) NOT NULL, activated tinyint(1) NOT NULL DEFAULT 0,
	first_name varchar(191), last_name varchar(191), username varchar(191), phone varchar(191),
	ldap_import tinyint(1) NOT NULL DEFAULT 0, created_at timestamp NULL, updated_at timestamp NULL, deleted_at timestamp NULL
) COLLATE utf8mb4_unicode_ci`,
		Added: `
ALTER TABLE users ADD ad_guid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL UNIQUE,
	ADD username_now varchar(191) COLLATE utf8mb4_bin AS (IF(deleted_at IS NULL, LOWER(username), NULL)) UNIQUE`,
		Table: sqlstore.Table{
			Name: "users", Where: "deleted_at IS NULL", Source: Source,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "username", FirstName: "first_name", LastName: "last_name",
				Email: "email", Phone: "phone", Status: "activated",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusInactive: 0},
			Defaults: map[string]any{"password": "!", "ldap_import": 1, "created_at": sqlstore.Now},
			Derived:  map[string]func(adsync.User) any{"updated_at": changed},
			Delete:   map[string]any{"deleted_at": sqlstore.Now, "ad_guid": nil},
		},
		Rules: adsync.Rules{Keys: []adsync.Field{adsync.FieldUsername}},
		Local: `INSERT INTO users (username, email, password, activated) VALUES ('local', 'local@corp.example', 'x', 1)`,
		Never: []string{"users WHERE deleted_at < '2021-01-01'", "users WHERE deleted_at IS NOT NULL AND ad_guid IS NOT NULL"},
		Warns: []string{
			"the column email of the table users has no unique index",
			"the collation of the column username takes Muller and Müller for one", "the collation of the column email takes Muller and Müller for one",
		},
	}
}
