package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Redash keeps the users of all organizations in one table, and stops whoever has a
// disabled_at. Each needs a key for its interface, which is made for each new row.
func redash() Host {
	return Host{
		Name: "Redash", Dialect: sqlstore.PostgreSQL,
		Shows: "several tenants, a time as status",
		Schema: `
CREATE TABLE users (
	id serial PRIMARY KEY, org_id integer NOT NULL,
	name varchar(320) NOT NULL, email varchar(255) NOT NULL, password_hash varchar(128),
	groups integer[], api_key varchar(40) NOT NULL UNIQUE, details json DEFAULT '{}',
	disabled_at timestamptz, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_org_id_email ON users (org_id, email)`,
		Added: `
ALTER TABLE users ADD ad_guid uuid;
CREATE UNIQUE INDEX users_org_id_ad_guid ON users (org_id, ad_guid)`,
		Table: sqlstore.Table{
			Name: "users", Where: "org_id = $1", Args: []any{1}, Source: Source, ObjectIDs: sqlstore.ObjectIDNative,
			Columns:  sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "email", FirstName: "name", Status: "disabled_at"},
			Statuses: map[adsync.Status]any{adsync.StatusActive: sqlstore.Null, adsync.StatusInactive: sqlstore.Now},
			Defaults: map[string]any{"org_id": 1, "groups": "{2}", "api_key": ids(lowerText), "created_at": sqlstore.Now},
			Derived:  map[string]func(adsync.User) any{"updated_at": changed},
		},
		Rules: adsync.Rules{Map: byEmailAndFullName},
		Local: `INSERT INTO users (org_id, name, email, api_key, created_at, updated_at) VALUES
			(1, 'Local', 'local@corp.example', 'a', now(), now()), (2, 'Other', 'user1@corp.example', 'b', now(), now())`,
		Never: []string{"users WHERE ad_guid IS NOT NULL AND (groups <> '{2}' OR updated_at < now() - interval '1 day')"},
	}
}
