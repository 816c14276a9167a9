package hosts

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// WordPress keeps names as rows of usermeta. MySQL has no triggers of views, so the sync
// reads a view, writes the columns that the table has, and leaves the others to OnWrite: a
// change that it forgot would not be seen in the view, and be undone. The view joins, and
// asks nothing in a query of its own, because only what is joined is locked.
func wordPress() Host {
	return Host{
		Name: "WordPress", Dialect: sqlstore.MySQL,
		Shows: "two tables: a view to read, and OnWrite",
		Schema: `
CREATE TABLE wp_users (
	ID bigint(20) unsigned AUTO_INCREMENT PRIMARY KEY,
	user_login varchar(60) NOT NULL DEFAULT '', user_pass varchar(255) NOT NULL DEFAULT '',
	user_nicename varchar(50) NOT NULL DEFAULT '', user_email varchar(100) NOT NULL DEFAULT '',
	user_registered datetime NOT NULL DEFAULT '0000-00-00 00:00:00', user_status int(11) NOT NULL DEFAULT 0,
	display_name varchar(250) NOT NULL DEFAULT '',
	KEY user_login_key (user_login), KEY user_nicename (user_nicename), KEY user_email (user_email)
) COLLATE utf8mb4_unicode_520_ci;
CREATE TABLE wp_usermeta (
	umeta_id bigint(20) unsigned AUTO_INCREMENT PRIMARY KEY, user_id bigint(20) unsigned NOT NULL DEFAULT 0,
	meta_key varchar(255), meta_value longtext, KEY user_id (user_id), KEY meta_key (meta_key(191))
) COLLATE utf8mb4_unicode_520_ci`,
		Added: `
ALTER TABLE wp_users ADD UNIQUE (user_login), ADD ad_guid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL UNIQUE;
CREATE VIEW wp_people AS SELECT u.ID, u.user_login, u.user_email, u.ad_guid, f.meta_value AS first_name, l.meta_value AS last_name
	FROM wp_users u LEFT JOIN wp_usermeta f ON f.user_id = u.ID AND f.meta_key = 'first_name'
	LEFT JOIN wp_usermeta l ON l.user_id = u.ID AND l.meta_key = 'last_name'`,
		Table: sqlstore.Table{
			Name: "wp_users", View: "wp_people", Source: Source,
			Columns: sqlstore.Columns{
				ID: "ID", ObjectID: "ad_guid", Username: "user_login", FirstName: "first_name", LastName: "last_name", Email: "user_email",
			},
			Defaults: map[string]any{"user_registered": sqlstore.Now},
			Derived: map[string]func(adsync.User) any{
				"user_nicename": func(u adsync.User) any { return strings.ToLower(fmt.Sprintf("%.50s", u.Username)) },
				"display_name":  func(u adsync.User) any { return cmp.Or(strings.TrimSpace(u.FirstName+" "+u.LastName), u.Username) },
			},
			OnWrite: wordPressMeta,
		},
		Rules:  adsync.Rules{Keys: []adsync.Field{adsync.FieldUsername}},
		Filled: []string{"wp_usermeta", "wp_users"},
		Local: `INSERT INTO wp_users (user_login, user_email) VALUES ('local', 'local@corp.example');
			INSERT INTO wp_usermeta (user_id, meta_key, meta_value) SELECT ID, 'wp_capabilities', 'a:1:{s:13:"administrator";b:1;}' FROM wp_users;
			INSERT INTO wp_usermeta (user_id, meta_key, meta_value) SELECT ID, 'first_name', 'Local' FROM wp_users`,
		Warns:  []string{"the column user_email of the table wp_users has no unique index", "the collation of the column user_login takes Muller and Müller for one", "the collation of the column user_email takes Muller and Müller for one"},
		Beside: `UPDATE wp_usermeta SET meta_value = 'Meanwhile' WHERE meta_key = 'last_name'`,
		Never: []string{
			"wp_users WHERE ID NOT IN (SELECT user_id FROM wp_usermeta WHERE meta_key = 'wp_capabilities')",
			"wp_usermeta WHERE user_id NOT IN (SELECT ID FROM wp_users)",
			"wp_users WHERE ad_guid IS NOT NULL AND display_name = user_login",
		},
	}
}

// wordPressMeta writes the rows of usermeta that belong to a change.
func wordPressMeta(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
	if c.Op == adsync.OpDelete {
		_, err := tx.ExecContext(ctx, "DELETE FROM wp_usermeta WHERE user_id = ?", id)
		return err
	}
	meta := [][2]string{{"first_name", c.After.FirstName}, {"last_name", c.After.LastName}}
	if c.Op == adsync.OpCreate {
		meta = append(meta, [2]string{"wp_capabilities", `a:1:{s:10:"subscriber";b:1;}`})
	}
	for _, m := range meta {
		_, err := tx.ExecContext(ctx, "DELETE FROM wp_usermeta WHERE user_id = ? AND meta_key = ?", id, m[0])
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?, ?, ?)", id, m[0], m[1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
