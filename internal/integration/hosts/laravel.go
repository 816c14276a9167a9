package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Laravel starts a program with one name, no username, and an email that everybody has: who
// logs in by email has it as the username, and Map puts the full name into the one column
// for it. There is no status, so a sync deactivates nobody.
func laravel() Host {
	return Host{
		Name: "Laravel", Dialect: sqlstore.MySQL,
		Shows: "log-in by email, one column for the name",
		Schema: `
CREATE TABLE users (
	id bigint unsigned AUTO_INCREMENT PRIMARY KEY,
	name varchar(255) NOT NULL, email varchar(255) NOT NULL UNIQUE,
	email_verified_at timestamp NULL, password varchar(255) NOT NULL, remember_token varchar(100),
	created_at timestamp NULL, updated_at timestamp NULL
) COLLATE utf8mb4_unicode_ci`,
		Added: `
ALTER TABLE users ADD ad_guid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL UNIQUE`,
		Table: sqlstore.Table{
			Name:     "users",
			Source:   Source,
			Columns:  sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "email", FirstName: "name"},
			Defaults: map[string]any{"password": "!", "created_at": sqlstore.Now, "email_verified_at": sqlstore.Now},
			Derived:  map[string]func(adsync.User) any{"updated_at": changed},
		},
		Rules: adsync.Rules{Map: byEmailAndFullName},
		Local: `INSERT INTO users (name, email, password) VALUES ('Local', 'local@corp.example', 'x')`,
		Never: []string{"users WHERE ad_guid IS NOT NULL AND (updated_at IS NULL OR created_at IS NULL)"},
		Warns: []string{"the collation of the column email takes Muller and Müller for one"},
	}
}
