package hosts

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Memos tells by a word whether a user is archived. Several people may share an address,
// so only the username is a key.
func memos() Host {
	return Host{
		Name: "Memos", Dialect: sqlstore.SQLite,
		Shows: "words as status",
		Schema: `
CREATE TABLE user (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	created_ts BIGINT NOT NULL DEFAULT (strftime('%s', 'now')), updated_ts BIGINT NOT NULL DEFAULT (strftime('%s', 'now')),
	row_status TEXT NOT NULL CHECK (row_status IN ('NORMAL', 'ARCHIVED')) DEFAULT 'NORMAL',
	username TEXT NOT NULL UNIQUE, role TEXT NOT NULL CHECK (role IN ('HOST', 'ADMIN', 'USER')) DEFAULT 'USER',
	email TEXT NOT NULL DEFAULT '', nickname TEXT NOT NULL DEFAULT '',
	password_hash TEXT NOT NULL, avatar_url TEXT NOT NULL DEFAULT ''
)`,
		Added: `
ALTER TABLE user ADD ad_guid TEXT;
CREATE UNIQUE INDEX user_ad_guid ON user (ad_guid)`,
		Table: sqlstore.Table{
			Name:   "user",
			Source: Source,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "username", FirstName: "nickname", Email: "email", Status: "row_status",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: "NORMAL", adsync.StatusInactive: "ARCHIVED"},
			Defaults: map[string]any{"password_hash": ""},
			Derived:  map[string]func(adsync.User) any{"updated_ts": changedUnix},
		},
		Rules: adsync.Rules{Keys: []adsync.Field{adsync.FieldUsername}},
		Local: `INSERT INTO user (username, email, password_hash, role, updated_ts) VALUES ('local', 'local@corp.example', 'x', 'HOST', 1)`,
		Never: []string{"user WHERE ad_guid IS NOT NULL AND (updated_ts < 1600000000 OR updated_ts > 1600000000 * 10)"},
		Warns: []string{"the column email of the table user has no unique index"},
	}
}
