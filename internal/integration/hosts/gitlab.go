package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// GitLab says in a table of its own which directory a user is from. Its words tell whom a
// sync has blocked from whom an administrator has, so a sync may lift its own. The trigger
// of the view is like that of [Discourse](#discourse). What else a release of GitLab wants
// of a new user, such as a namespace, belongs into it.
func gitLab() Host {
	return Host{
		Name: "GitLab", Dialect: sqlstore.PostgreSQL,
		Shows: "two tables: the link is in another; who deactivated whom",
		Schema: `
CREATE TABLE users (
	id serial PRIMARY KEY, email varchar NOT NULL DEFAULT '', encrypted_password varchar NOT NULL DEFAULT '',
	name varchar(255), username varchar, admin boolean NOT NULL DEFAULT false, projects_limit integer NOT NULL,
	state varchar, user_type smallint NOT NULL DEFAULT 0, created_at timestamp, updated_at timestamp
);
CREATE UNIQUE INDEX index_users_on_email ON users (email);
CREATE TABLE identities (
	id serial PRIMARY KEY, extern_uid varchar, provider varchar, user_id integer REFERENCES users (id) ON DELETE CASCADE,
	created_at timestamp, updated_at timestamp
)`,
		Added: `
CREATE UNIQUE INDEX users_username ON users (username);
CREATE UNIQUE INDEX identities_ad ON identities (extern_uid) WHERE provider = 'adsync';
CREATE UNIQUE INDEX identities_ad_user ON identities (user_id) WHERE provider = 'adsync';
CREATE VIEW people AS SELECT u.id, u.username, u.name, u.email, u.state, u.admin,
	(SELECT i.extern_uid FROM identities i WHERE i.user_id = u.id AND i.provider = 'adsync') AS extern_uid
	FROM users u WHERE u.user_type = 0;
CREATE FUNCTION people_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO users (username, name, email, state, admin, projects_limit, created_at, updated_at)
			VALUES (NEW.username, NEW.name, NEW.email, NEW.state, NEW.admin, 100, now(), now()) RETURNING id INTO NEW.id;
	ELSE -- the guard
		PERFORM FROM users WHERE id = OLD.id FOR UPDATE;
		PERFORM FROM identities WHERE user_id = OLD.id FOR UPDATE;
		PERFORM FROM people p WHERE p.id = OLD.id AND p IS NOT DISTINCT FROM OLD;
		IF NOT FOUND THEN RETURN NULL; END IF;
	END IF;
	IF TG_OP = 'DELETE' THEN
		DELETE FROM users WHERE id = OLD.id;
		RETURN OLD;
	END IF;
	UPDATE users SET username = NEW.username, name = NEW.name, email = NEW.email, state = NEW.state, admin = NEW.admin,
		updated_at = now() WHERE id = NEW.id;
	DELETE FROM identities WHERE user_id = NEW.id AND provider = 'adsync' AND extern_uid IS DISTINCT FROM NEW.extern_uid;
	IF NEW.extern_uid <> '' THEN
		INSERT INTO identities (user_id, provider, extern_uid, created_at, updated_at)
			VALUES (NEW.id, 'adsync', NEW.extern_uid, now(), now()) ON CONFLICT (user_id) WHERE provider = 'adsync' DO NOTHING;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER people_write INSTEAD OF INSERT OR UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION people_write()`,
		Table: sqlstore.Table{
			Name: "people", Source: Source,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "extern_uid", Username: "username", FirstName: "name", Email: "email",
				Status: "state", Protected: "admin",
			},
			Statuses: map[adsync.Status]any{
				adsync.StatusActive: "active", adsync.StatusDeactivated: "ldap_blocked", adsync.StatusBlocked: "blocked",
			},
		},
		Rules:  adsync.Rules{Map: fullName, Require: []adsync.Field{adsync.FieldEmail}},
		Filled: []string{"identities", "users"},
		Local:  `INSERT INTO users (username, name, email, state, admin, projects_limit) VALUES ('local', 'Local', 'local@corp.example', 'active', true, 1)`,
		Beside: `UPDATE identities SET extern_uid = '00000000-0000-0000-0000-000000000009'`,
		Never:  []string{"identities WHERE user_id NOT IN (SELECT id FROM users)"},
	}
}
