package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Mattermost links a user to its directory by authservice and authdata, so that nothing is
// to be added. IDs are 26 letters and digits that the program makes, times are
// milliseconds, and a user is off when deleteat is not 0.
func mattermost() Host {
	return Host{
		Name: "Mattermost", Dialect: sqlstore.PostgreSQL,
		Shows: "links of its own, times as numbers",
		Schema: `
CREATE TABLE users (
	id varchar(26) PRIMARY KEY,
	createat bigint, updateat bigint, deleteat bigint,
	username varchar(64) UNIQUE, email varchar(128) UNIQUE,
	authservice varchar(32), authdata varchar(128) UNIQUE,
	firstname varchar(64), lastname varchar(64), nickname varchar(64),
	roles varchar(256), emailverified boolean, locale varchar(5)
)`,
		Table: sqlstore.Table{
			Name: "users",
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "authdata", Source: "authservice", Username: "username",
				FirstName: "firstname", LastName: "lastname", Email: "email", Status: "deleteat",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: 0, adsync.StatusInactive: sqlstore.Now},
			Defaults: map[string]any{
				"id": ids(lowerText), "createat": sqlstore.Now, "nickname": "",
				"roles": "system_user", "emailverified": true, "locale": "en",
			},
			Derived: map[string]func(adsync.User) any{"updateat": changed},
		},
		Local: `INSERT INTO users (id, createat, updateat, deleteat, username, email, authservice) VALUES ('localuser', 1, 1, 0, 'local', 'local@corp.example', '')`,
		Never: []string{"users WHERE id <> 'localuser' AND (updateat < 1600000000000 OR length(id) <> 26 OR roles <> 'system_user')"},
	}
}
