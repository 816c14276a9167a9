package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Vaultwarden knows people by their email. A row without a password is somebody who was
// invited, and sets one at the first log-in. IDs are its own, and so is the stamp that ends
// sessions.
func vaultwarden() Host {
	return Host{
		Name: "Vaultwarden", Dialect: sqlstore.SQLite,
		Shows: "IDs of its own, many columns to fill",
		Schema: `
CREATE TABLE users (
	uuid TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
	email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password_hash BLOB NOT NULL, salt BLOB NOT NULL,
	password_iterations INTEGER NOT NULL, akey TEXT NOT NULL, security_stamp TEXT NOT NULL,
	equivalent_domains TEXT NOT NULL, excluded_globals TEXT NOT NULL,
	client_kdf_type INTEGER NOT NULL DEFAULT 0, client_kdf_iter INTEGER NOT NULL DEFAULT 100000, enabled BOOLEAN NOT NULL DEFAULT 1
)`,
		Added: `
ALTER TABLE users ADD ad_guid TEXT;
CREATE UNIQUE INDEX users_ad_guid ON users (ad_guid)`,
		Table: sqlstore.Table{
			Name: "users", Source: Source,
			Columns:  sqlstore.Columns{ID: "uuid", ObjectID: "ad_guid", Username: "email", FirstName: "name", Status: "enabled"},
			Statuses: map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusInactive: false},
			Defaults: map[string]any{
				"uuid": ids(lowerText), "security_stamp": ids(lowerText), "created_at": sqlstore.Now,
				"password_hash": []byte{}, "salt": []byte{}, "password_iterations": 600000, "akey": "",
				"equivalent_domains": "[]", "excluded_globals": "[]",
			},
			Derived: map[string]func(adsync.User) any{"updated_at": changed},
		},
		Rules: adsync.Rules{Map: byEmailAndFullName},
		Local: `INSERT INTO users (uuid, created_at, updated_at, email, name, password_hash, salt, password_iterations, akey, security_stamp, equivalent_domains, excluded_globals)
			VALUES ('l', 'x', 'x', 'local@corp.example', 'Local', x'00', x'00', 1, 'x', 'x', '[]', '[]')`,
		Never: []string{"users WHERE ad_guid IS NOT NULL AND (length(uuid) <> 26 OR updated_at < '2021')"},
	}
}
