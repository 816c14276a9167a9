package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// listmonk has enumerated types, and asks for a role and an email of each user.
func listmonk() Host {
	return Host{
		Name: "listmonk", Dialect: sqlstore.PostgreSQL,
		Shows: "enumerated types",
		Schema: `
CREATE TYPE user_type AS ENUM ('user', 'api');
CREATE TYPE user_status AS ENUM ('enabled', 'disabled');
CREATE TABLE roles (id serial PRIMARY KEY, name text NOT NULL);
INSERT INTO roles (name) VALUES ('Super Admin'), ('Reader');
CREATE TABLE users (
	id serial PRIMARY KEY,
	username text NOT NULL UNIQUE, password_login boolean NOT NULL DEFAULT false, password text,
	email text NOT NULL UNIQUE, name text NOT NULL, type user_type NOT NULL DEFAULT 'user',
	user_role_id integer NOT NULL REFERENCES roles (id) ON DELETE RESTRICT,
	status user_status NOT NULL DEFAULT 'disabled', created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
)`,
		Added: `
ALTER TABLE users ADD ad_guid uuid UNIQUE`,
		Table: sqlstore.Table{
			Name: "users", Where: "type = 'user'", Source: Source, ObjectIDs: sqlstore.ObjectIDNative,
			Columns:  sqlstore.Columns{ID: "id", ObjectID: "ad_guid", Username: "username", FirstName: "name", Email: "email", Status: "status"},
			Statuses: map[adsync.Status]any{adsync.StatusActive: "enabled", adsync.StatusInactive: "disabled"},
			Defaults: map[string]any{"user_role_id": 2},
			Derived:  map[string]func(adsync.User) any{"updated_at": changed},
		},
		Rules: adsync.Rules{Map: fullName, Require: []adsync.Field{adsync.FieldEmail}},
		Local: `INSERT INTO users (username, email, name, user_role_id, status) VALUES ('local', 'local@corp.example', 'Local', 1, 'enabled');
			INSERT INTO users (username, email, name, user_role_id, status, type) VALUES ('robot', 'robot@corp.example', 'Robot', 1, 'enabled', 'api')`,
		Never: []string{"users WHERE ad_guid IS NOT NULL AND (user_role_id <> 2 OR updated_at < now() - interval '1 day')"},
	}
}
