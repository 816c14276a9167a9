package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Discourse keeps addresses in a table of their own. A view shows both as one, and its
// trigger writes both. The email is a query within the list of columns, because an outer
// join could not be read FOR UPDATE. The lines under "the guard" are what keeps a sync from
// writing over what has changed since it read: a trigger is given the row as the statement
// has found it, and must wait, look again, and return NULL where it has become another.
func discourse() Host {
	return Host{
		Name: "Discourse", Dialect: sqlstore.PostgreSQL,
		Shows: "two tables: a view whose trigger writes both",
		Schema: `
CREATE TABLE users (
	id serial PRIMARY KEY, username varchar(60) NOT NULL UNIQUE, username_lower varchar(60) NOT NULL UNIQUE,
	name varchar, active boolean NOT NULL DEFAULT false, admin boolean NOT NULL DEFAULT false, trust_level integer NOT NULL,
	created_at timestamp NOT NULL, updated_at timestamp NOT NULL
);
CREATE TABLE user_emails (
	id serial PRIMARY KEY, user_id integer NOT NULL, email varchar(513) NOT NULL, "primary" boolean NOT NULL DEFAULT false,
	created_at timestamp NOT NULL, updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX index_user_emails_on_email ON user_emails (lower(email));
CREATE UNIQUE INDEX index_user_emails_on_user_id_and_primary ON user_emails (user_id, "primary") WHERE "primary"`,
		Added: `
ALTER TABLE users ADD ad_guid uuid UNIQUE;
CREATE VIEW people AS SELECT u.id, u.username, u.name, u.active, u.admin, u.ad_guid,
	(SELECT e.email FROM user_emails e WHERE e.user_id = u.id AND e."primary") AS email FROM users u;
CREATE FUNCTION people_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO users (username, username_lower, name, active, admin, trust_level, ad_guid, created_at, updated_at)
			VALUES (NEW.username, lower(NEW.username), NEW.name, NEW.active, NEW.admin, 1, NEW.ad_guid, now(), now()) RETURNING id INTO NEW.id;
	ELSE -- the guard
		PERFORM FROM users WHERE id = OLD.id FOR UPDATE;
		PERFORM FROM user_emails WHERE user_id = OLD.id FOR UPDATE;
		PERFORM FROM people p WHERE p.id = OLD.id AND p IS NOT DISTINCT FROM OLD;
		IF NOT FOUND THEN RETURN NULL; END IF;
	END IF;
	IF TG_OP = 'DELETE' THEN
		DELETE FROM user_emails WHERE user_id = OLD.id;
		DELETE FROM users WHERE id = OLD.id;
		RETURN OLD;
	END IF;
	UPDATE users SET username = NEW.username, username_lower = lower(NEW.username), name = NEW.name, active = NEW.active, admin = NEW.admin,
		ad_guid = NEW.ad_guid, updated_at = now() WHERE id = NEW.id;
	DELETE FROM user_emails WHERE user_id = NEW.id AND "primary" AND email IS DISTINCT FROM NEW.email;
	IF NEW.email <> '' THEN
		INSERT INTO user_emails (user_id, email, "primary", created_at, updated_at) VALUES (NEW.id, NEW.email, true, now(), now())
			ON CONFLICT (user_id, "primary") WHERE "primary" DO NOTHING;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER people_write INSTEAD OF INSERT OR UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION people_write()`,
		Table: sqlstore.Table{
			Name: "people", Source: Source, ObjectIDs: sqlstore.ObjectIDNative,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "username", FirstName: "name", Email: "email",
				Status: "active", Protected: "admin",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusInactive: false},
		},
		Rules:  adsync.Rules{Map: fullName},
		Filled: []string{"user_emails", "users"},
		Local: `INSERT INTO users (username, username_lower, active, admin, trust_level, created_at, updated_at) VALUES ('local', 'local', true, true, 4, now(), now());
			INSERT INTO user_emails (user_id, email, "primary", created_at, updated_at) SELECT id, 'local@corp.example', true, now(), now() FROM users;
			INSERT INTO user_emails (user_id, email, created_at, updated_at) SELECT id, 'second@corp.example', now(), now() FROM users`,
		Beside: `UPDATE user_emails SET email = 'meanwhile@corp.example'`,
		Never:  []string{"users WHERE username_lower <> lower(username)", "user_emails WHERE user_id NOT IN (SELECT id FROM users)"},
	}
}
