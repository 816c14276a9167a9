package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// osTicket keeps its staff apart from the people who open tickets: this is the staff. A
// phone has room for 24 characters, so whoever has a longer one is reported, and the others
// are written.
func osTicket() Host {
	return Host{
		Name: "osTicket", Dialect: sqlstore.MySQL,
		Shows: "short columns",
		Schema: `
CREATE TABLE ost_staff (
	staff_id int(11) unsigned AUTO_INCREMENT PRIMARY KEY,
	dept_id int(10) unsigned NOT NULL DEFAULT 0, role_id int(10) unsigned NOT NULL DEFAULT 0,
	username varchar(32) NOT NULL DEFAULT '', firstname varchar(32), lastname varchar(32),
	passwd varchar(128), backend varchar(32), email varchar(255), phone varchar(24) NOT NULL DEFAULT '',
	signature text NOT NULL, notes text, isactive tinyint(1) NOT NULL DEFAULT 1, isadmin tinyint(1) NOT NULL DEFAULT 0,
	created datetime NOT NULL, lastlogin datetime, updated datetime NOT NULL,
	UNIQUE KEY username (username), KEY dept_id (dept_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci`,
		Added: `
ALTER TABLE ost_staff ADD ad_guid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL UNIQUE`,
		Table: sqlstore.Table{
			Name: "ost_staff", Source: Source,
			Columns: sqlstore.Columns{
				ID: "staff_id", ObjectID: "ad_guid", Username: "username", FirstName: "firstname", LastName: "lastname",
				Email: "email", Phone: "phone", Status: "isactive", Protected: "isadmin",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusInactive: 0},
			Defaults: map[string]any{"dept_id": 1, "role_id": 1, "backend": "ldap", "signature": "", "created": sqlstore.Now},
			Derived:  map[string]func(adsync.User) any{"updated": changed},
		},
		Rules: adsync.Rules{Keys: []adsync.Field{adsync.FieldUsername}},
		Local: `INSERT INTO ost_staff (username, email, signature, isadmin, created, updated) VALUES ('local', 'local@corp.example', '', 1, now(), now())`,
		Never: []string{"ost_staff WHERE ad_guid IS NOT NULL AND (dept_id <> 1 OR updated < '2021-01-01')"},
		Warns: []string{"the column email of the table ost_staff has no unique index", "the collation of the column username takes Muller and Müller for one", "the collation of the column email takes Muller and Müller for one"},
	}
}
