package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Moodle links a user to its directory by auth and idnumber, so that nothing is to be added.
// It marks who is deleted, and keeps the row for the courses that the user was in; the
// store gives both keys away, and Delete the idnumber.
func moodle() Host {
	return Host{
		Name: "Moodle", Dialect: sqlstore.MySQL,
		Shows: "links of its own, soft delete",
		Schema: `
CREATE TABLE mdl_user (
	id bigint(10) AUTO_INCREMENT PRIMARY KEY,
	auth varchar(20) NOT NULL DEFAULT 'manual', confirmed tinyint(1) NOT NULL DEFAULT 0,
	deleted tinyint(1) NOT NULL DEFAULT 0, suspended tinyint(1) NOT NULL DEFAULT 0, mnethostid bigint(10) NOT NULL DEFAULT 0,
	username varchar(100) NOT NULL DEFAULT '', password varchar(255) NOT NULL DEFAULT '', idnumber varchar(255) NOT NULL DEFAULT '',
	firstname varchar(100) NOT NULL DEFAULT '', lastname varchar(100) NOT NULL DEFAULT '',
	email varchar(100) NOT NULL DEFAULT '', phone1 varchar(20) NOT NULL DEFAULT '',
	timecreated bigint(10) NOT NULL DEFAULT 0, timemodified bigint(10) NOT NULL DEFAULT 0,
	UNIQUE KEY mdl_user_mneuse_uix (mnethostid, username), KEY mdl_user_idn_ix (idnumber), KEY mdl_user_ema_ix (email)
) COLLATE utf8mb4_unicode_ci`,
		Table: sqlstore.Table{
			Name: "mdl_user", Where: "deleted = 0 AND mnethostid = 1",
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "idnumber", Source: "auth", Username: "username", FirstName: "firstname", LastName: "lastname",
				Email: "email", Phone: "phone1", Status: "suspended",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: 0, adsync.StatusInactive: 1},
			Defaults: map[string]any{"mnethostid": 1, "confirmed": 1, "password": "not cached", "timecreated": sqlstore.NowUnix},
			Derived:  map[string]func(adsync.User) any{"timemodified": changedUnix},
			Delete:   map[string]any{"deleted": 1, "idnumber": ""},
		},
		Rules: adsync.Rules{Keys: []adsync.Field{adsync.FieldUsername}},
		Local: `INSERT INTO mdl_user (mnethostid, confirmed, username, email) VALUES (1, 1, 'local', 'local@corp.example')`,
		Never: []string{
			"mdl_user WHERE idnumber <> '' AND (timemodified NOT BETWEEN 1600000000 AND 16000000000 OR timecreated > timemodified)",
			"mdl_user WHERE deleted = 1 AND (idnumber <> '' OR email LIKE 'user%')",
		},
		Warns: []string{
			"the column idnumber of the table mdl_user has no unique index", "the column email of the table mdl_user has no unique index",
			"the collation of the column username takes Muller and Müller for one", "the collation of the column email takes Muller and Müller for one",
		},
	}
}
