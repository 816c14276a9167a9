package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Odoo has the person in another table, which must be there before the user: too late for
// OnWrite, and early enough for the trigger of a view. Each user has a partner, so the view
// may join both, and FOR UPDATE holds both. The guard is that of [Discourse](#discourse).
func odoo() Host {
	return Host{
		Name: "Odoo", Dialect: sqlstore.PostgreSQL,
		Shows: "two tables, the other one first",
		Schema: `
CREATE TABLE res_partner (
	id serial PRIMARY KEY, name varchar, email varchar, phone varchar, active boolean, type varchar,
	create_date timestamp, write_date timestamp
);
CREATE TABLE res_users (
	id serial PRIMARY KEY, login varchar NOT NULL UNIQUE, password varchar, active boolean DEFAULT true,
	partner_id integer NOT NULL REFERENCES res_partner (id) ON DELETE RESTRICT, company_id integer NOT NULL,
	notification_type varchar NOT NULL, share boolean, create_date timestamp, write_date timestamp
)`,
		Added: `
ALTER TABLE res_users ADD ad_guid uuid UNIQUE;
CREATE VIEW people AS SELECT u.id, u.login, u.active, u.ad_guid, p.name, p.email, p.phone
	FROM res_users u JOIN res_partner p ON p.id = u.partner_id;
CREATE FUNCTION people_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE partner integer;
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO res_partner (name, email, phone, active, type, create_date, write_date)
			VALUES (NEW.name, NEW.email, NEW.phone, true, 'contact', now(), now()) RETURNING id INTO partner;
		INSERT INTO res_users (login, active, ad_guid, partner_id, company_id, notification_type, share, create_date, write_date)
			VALUES (NEW.login, NEW.active, NEW.ad_guid, partner, 1, 'email', false, now(), now()) RETURNING id INTO NEW.id;
		RETURN NEW;
	END IF; -- the guard
	SELECT partner_id INTO partner FROM res_users WHERE id = OLD.id FOR UPDATE;
	PERFORM FROM res_partner WHERE id = partner FOR UPDATE;
	PERFORM FROM people p WHERE p.id = OLD.id AND p IS NOT DISTINCT FROM OLD;
	IF NOT FOUND THEN RETURN NULL; END IF;
	IF TG_OP = 'DELETE' THEN
		DELETE FROM res_users WHERE id = OLD.id;
		DELETE FROM res_partner WHERE id = partner;
		RETURN OLD;
	END IF;
	UPDATE res_users SET login = NEW.login, active = NEW.active, ad_guid = NEW.ad_guid, write_date = now() WHERE id = OLD.id;
	UPDATE res_partner SET name = NEW.name, email = NEW.email, phone = NEW.phone, write_date = now() WHERE id = partner;
	RETURN NEW;
END $$;
CREATE TRIGGER people_write INSTEAD OF INSERT OR UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION people_write()`,
		Table: sqlstore.Table{
			Name: "people", Source: Source, ObjectIDs: sqlstore.ObjectIDNative,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "login", FirstName: "name", Email: "email", Phone: "phone", Status: "active",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusInactive: false},
		},
		Rules:  adsync.Rules{Map: fullName, Keys: []adsync.Field{adsync.FieldUsername}},
		Filled: []string{"res_users", "res_partner"},
		Local: `INSERT INTO res_partner (name, email) VALUES ('Local', 'local@corp.example');
			INSERT INTO res_users (login, partner_id, company_id, notification_type) SELECT 'local', id, 1, 'email' FROM res_partner`,
		Warns:  []string{"the column email of the table people has no unique index"},
		Beside: `UPDATE res_partner SET phone = 'meanwhile'`,
		Never:  []string{"res_partner WHERE id NOT IN (SELECT partner_id FROM res_users)"},
	}
}
