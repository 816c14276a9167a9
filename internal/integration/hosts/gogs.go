package hosts

import (
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Gogs finds users by a lower-cased shadow of the name, which a sync must write along. Rows
// of another type are organizations.
func gogs() Host {
	return Host{
		Name: "Gogs", Dialect: sqlstore.SQLite,
		Shows: "a lower-cased shadow",
		Schema: `
CREATE TABLE user (
	id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
	lower_name TEXT NOT NULL, name TEXT NOT NULL, full_name TEXT, email TEXT NOT NULL,
	passwd TEXT NOT NULL, login_source INTEGER NOT NULL DEFAULT 0, type INTEGER, rands TEXT, salt TEXT,
	is_active INTEGER, is_admin INTEGER, prohibit_login INTEGER, avatar TEXT NOT NULL, avatar_email TEXT NOT NULL,
	created_unix INTEGER, updated_unix INTEGER
);
CREATE UNIQUE INDEX UQE_user_lower_name ON user (lower_name);
CREATE UNIQUE INDEX UQE_user_name ON user (name)`,
		Added: `
ALTER TABLE user ADD ad_guid TEXT;
CREATE UNIQUE INDEX UQE_user_ad_guid ON user (ad_guid)`,
		Table: sqlstore.Table{
			Name: "user", Where: "type = 0", Source: Source,
			Columns: sqlstore.Columns{
				ID: "id", ObjectID: "ad_guid", Username: "name", FirstName: "full_name",
				Email: "email", Status: "prohibit_login", Protected: "is_admin",
			},
			Statuses: map[adsync.Status]any{adsync.StatusActive: 0, adsync.StatusInactive: 1},
			Defaults: map[string]any{"type": 0, "passwd": "", "is_active": 1, "avatar": "", "avatar_email": "", "created_unix": sqlstore.NowUnix},
			Derived: map[string]func(adsync.User) any{
				"updated_unix": changedUnix,
				"lower_name":   func(u adsync.User) any { return strings.ToLower(u.Username) },
			},
		},
		Rules: adsync.Rules{Map: fullName, Keys: []adsync.Field{adsync.FieldUsername}},
		Local: `INSERT INTO user (lower_name, name, email, passwd, type, is_admin, prohibit_login, avatar, avatar_email) VALUES ('local', 'local', 'local@corp.example', 'x', 0, 1, 0, '', '');
			INSERT INTO user (lower_name, name, email, passwd, type, avatar, avatar_email) VALUES ('an-organization', 'An-Organization', '', '', 1, '', '')`,
		Never: []string{"user WHERE lower_name <> lower(name)", "user WHERE ad_guid IS NOT NULL AND (updated_unix IS NULL OR updated_unix > 16000000000)"},
	}
}
