package databases

import (
	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

func postgreSQLLayouts() []layout {
	return []layout{
		{
			name: "uuids, an enum, a flag, char(n)",
			schema: `DO $$ BEGIN CREATE TYPE public.user_state AS ENUM ('on', 'locked', 'off'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;
				CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), object_id uuid UNIQUE, source text, username char(40) UNIQUE NOT NULL,
				first_name char(40), last_name varchar(40) NOT NULL, email text UNIQUE, phone text, status user_state NOT NULL, admin boolean NOT NULL DEFAULT false)`,
			table: sqlstore.Table{
				Name: "users", Columns: allColumns, ObjectIDs: "uuid",
				Statuses: map[adsync.Status]any{adsync.StatusActive: "on", adsync.StatusBlocked: "locked", adsync.StatusDeactivated: "off"},
			},
			insert: `INSERT INTO users (object_id, source, username, first_name, last_name, email, phone, status) VALUES ($1, $2, $3, $4, $5, NULLIF($6, ''), $7, $8::user_state)`,
			args: func(u adsync.User) []any {
				state := "on"
				if u.Status == adsync.StatusDeactivated {
					state = "off"
				}
				return []any{u.ObjectID, u.Source, u.Username, u.FirstName, u.LastName, u.Email, u.Phone, state}
			},
		},
		{
			name: "a collation that ignores case, bytes, soft delete, operators with a question mark",
			schema: `CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
				CREATE SCHEMA IF NOT EXISTS "the ""host""";
				DROP TABLE IF EXISTS "the ""host""".people;
				CREATE TABLE "the ""host""".people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, guid bytea, login text COLLATE ci UNIQUE NOT NULL,
				mail text COLLATE ci UNIQUE, phone text COLLATE ci, active boolean, tags jsonb NOT NULL, kind text NOT NULL)`,
			table: sqlstore.Table{
				Name:      `the "host".people`,
				Columns:   sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Email: "mail", Phone: "phone", Status: "active"},
				Statuses:  map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusDeactivated: false},
				ObjectIDs: "bytes",
				Where:     `tags ? 'person' AND kind = $1`,
				Args:      []any{"it's ?"},
				Source:    "ad",
				Defaults:  map[string]any{"kind": "it's ?", "tags": `{"person": 1}`},
				Delete:    map[string]any{"tags": `{}`},
			},
			insert: `INSERT INTO "the ""host""".people (guid, login, mail, phone, active, tags, kind) VALUES ($1, $2, NULLIF($3, ''), $4, $5, '{"person": 1}', 'it''s ?')`,
			args: func(u adsync.User) []any {
				var guid any
				if !u.ObjectID.IsZero() {
					guid = u.ObjectID[:]
				}
				return []any{guid, u.Username, u.Email, u.Phone, u.Status == adsync.StatusActive}
			},
		},
	}
}

func mariaDBLayouts() []layout {
	return []layout{
		{
			name: "texts that ignore case, bytes, a bit",
			schema: "CREATE TABLE users (id BIGINT AUTO_INCREMENT PRIMARY KEY, object_id BINARY(16) UNIQUE, source VARCHAR(40), username VARCHAR(60) UNIQUE NOT NULL," +
				" first_name CHAR(40), last_name VARCHAR(40) NOT NULL, email VARCHAR(100) CHARACTER SET latin1 UNIQUE, phone VARCHAR(40), status ENUM('active', 'blocked', 'deactivated') NOT NULL, admin BIT(1) NOT NULL DEFAULT 0)",
			table:  sqlstore.Table{Name: "users", Columns: allColumns, ObjectIDs: "bytes"},
			insert: "INSERT INTO users (object_id, source, username, first_name, last_name, email, phone, status) VALUES (?, ?, ?, ?, ?, NULLIF(?, ''), ?, ?)",
			args: func(u adsync.User) []any {
				var guid any
				if !u.ObjectID.IsZero() {
					guid = u.ObjectID[:]
				}
				return []any{guid, u.Source, u.Username, u.FirstName, u.LastName, u.Email, u.Phone, string(u.Status)}
			},
		},
		{
			name: "uuids that the database makes, soft delete",
			schema: "CREATE TABLE `us``ers` (id UUID DEFAULT uuid() PRIMARY KEY, object_id UUID UNIQUE, source VARCHAR(40) NOT NULL, username VARCHAR(60) UNIQUE," +
				" email VARCHAR(100) UNIQUE, status TINYINT(1), gone BOOLEAN NOT NULL DEFAULT FALSE)",
			table: sqlstore.Table{
				Name:      "us`ers",
				Columns:   sqlstore.Columns{ID: "id", ObjectID: "object_id", Source: "source", Username: "username", Email: "email", Status: "status"},
				ObjectIDs: "uuid",
				Statuses:  map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusDeactivated: false},
				Where:     "gone = ? AND 'it\\'s ?' <> ''",
				Args:      []any{false},
				Delete:    map[string]any{"gone": true},
			},
			insert: "INSERT INTO `us``ers` (object_id, source, username, email, status) VALUES (?, ?, ?, NULLIF(?, ''), ?)",
			args: func(u adsync.User) []any {
				return []any{u.ObjectID, u.Source, u.Username, u.Email, u.Status == adsync.StatusActive}
			},
		},
	}
}
