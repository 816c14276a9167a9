package hosts

import (
	"cmp"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Keycloak keeps all realms in one table, makes the IDs itself, and compares emails by a
// shadow column in which everybody without one has another text. Usernames are lower-case.
func keycloak() Host {
	return Host{
		Name: "Keycloak", Dialect: sqlstore.PostgreSQL,
		Shows: "several tenants, a shadow of the email, IDs of its own",
		Schema: `
CREATE TABLE user_entity (
	id varchar(36) PRIMARY KEY, realm_id varchar(255), username varchar(255),
	email varchar(255), email_constraint varchar(255), email_verified boolean NOT NULL DEFAULT false,
	enabled boolean NOT NULL DEFAULT false, first_name varchar(255), last_name varchar(255),
	created_timestamp bigint, not_before integer NOT NULL DEFAULT 0, service_account_client_link varchar(255),
	UNIQUE (realm_id, username), UNIQUE (realm_id, email_constraint)
)`,
		Added: `
ALTER TABLE user_entity ADD ad_guid uuid;
CREATE UNIQUE INDEX user_entity_ad_guid ON user_entity (realm_id, ad_guid)`,
		Table: sqlstore.Table{
			Name: "user_entity", Source: Source, ObjectIDs: sqlstore.ObjectIDNative,
			Where: "realm_id = $1 AND service_account_client_link IS NULL", Args: []any{"corp"},
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "username", FirstName: "first_name", LastName: "last_name",
				Email: "email", Status: "enabled",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusInactive: false},
			Defaults: map[string]any{"id": ids(lowerText), "realm_id": "corp", "email_verified": true, "created_timestamp": sqlstore.Now},
			Derived: map[string]func(adsync.User) any{
				"email_constraint": func(u adsync.User) any { return strings.ToLower(cmp.Or(u.Email, "none of "+u.Username)) },
			},
		},
		Rules: adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
			return e.Profile.With(adsync.FieldUsername, strings.ToLower(e.Username)), nil
		}},
		Local: `INSERT INTO user_entity (id, realm_id, username, email, email_constraint, enabled) VALUES
			('l', 'corp', 'local', 'local@corp.example', 'local@corp.example', true), ('o', 'other', 'user1', 'user1@corp.example', 'user1@corp.example', true)`,
		Never: []string{"user_entity WHERE email <> '' AND email_constraint <> lower(email)", "user_entity WHERE email_constraint IS NULL"},
	}
}
