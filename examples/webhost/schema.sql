-- The host's own tables. The text is SQLite's; openStore makes PostgreSQL's of it.

-- Deleted IDs are never given out again, so that nobody inherits a session.
CREATE TABLE IF NOT EXISTS users (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	directory     TEXT NOT NULL DEFAULT '',      -- which directory a user was imported from
	object_id     TEXT,                          -- the objectGUID there; NULL: a local user
	username      TEXT NOT NULL,
	first_name    TEXT NOT NULL DEFAULT '',
	last_name     TEXT NOT NULL DEFAULT '',
	email         TEXT,
	phone         TEXT NOT NULL DEFAULT '',
	department    TEXT NOT NULL DEFAULT '',
	manager       TEXT,                          -- the objectGUID of the manager's account
	status        TEXT NOT NULL DEFAULT 'active',
	deactivated_at BIGINT,                        -- by a sync; NULL: not
	protected     BOOLEAN NOT NULL DEFAULT FALSE, -- never removed by a sync
	role          TEXT NOT NULL DEFAULT '',       -- in these pages: administrator, viewer, or '': may not sign in
	password_hash TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS users_username ON users (lower(username));
CREATE UNIQUE INDEX IF NOT EXISTS users_email ON users (lower(email));
CREATE UNIQUE INDEX IF NOT EXISTS users_object_id ON users (object_id, directory);

-- Who has which role in the application. A sync writes and removes its own rows alone.
CREATE TABLE IF NOT EXISTS user_roles (
	user_id  BIGINT NOT NULL,
	role     TEXT NOT NULL,
	given_by TEXT NOT NULL DEFAULT '', -- directory: by a group of it
	PRIMARY KEY (user_id, role, given_by)
);

CREATE TABLE IF NOT EXISTS sessions (
	token_hash TEXT PRIMARY KEY,
	user_id    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL -- Unix seconds, like all times here
);

-- What somebody looks for in a list.
CREATE TABLE IF NOT EXISTS filters (
	account_id BIGINT NOT NULL,
	list       TEXT NOT NULL, -- the path of its page
	filter     TEXT NOT NULL,
	PRIMARY KEY (account_id, list)
);

-- Whom somebody has chosen in a list.
CREATE TABLE IF NOT EXISTS chosen (
	account_id BIGINT NOT NULL,
	list       TEXT NOT NULL, -- the path of its page
	item       TEXT NOT NULL, -- a user's ID, or an account's objectGUID
	PRIMARY KEY (account_id, list, item)
);

-- The latest comparison with the directory that a list shows.
CREATE TABLE IF NOT EXISTS comparisons (
	list     TEXT PRIMARY KEY,
	made_at  BIGINT NOT NULL,
	warnings TEXT NOT NULL
);
-- What a sync of everybody would do with whom.
CREATE TABLE IF NOT EXISTS marks (
	user_id BIGINT PRIMARY KEY,
	state   TEXT NOT NULL, -- an adsync.Op, or leaving: waits to be deleted
	change  TEXT NOT NULL  -- an adsync.Change in JSON
);
-- Duplicates that somebody knows of and can do nothing about.
CREATE TABLE IF NOT EXISTS ignored (user_id BIGINT PRIMARY KEY);
-- Everybody in scope of the directory, to import from.
CREATE TABLE IF NOT EXISTS people (
	object_id  TEXT PRIMARY KEY,
	directory  TEXT NOT NULL,
	username   TEXT NOT NULL,
	first_name TEXT NOT NULL,
	last_name  TEXT NOT NULL,
	email      TEXT NOT NULL,
	unit       TEXT NOT NULL, -- the containers above, the uppermost first, each with a slash at its end
	state      TEXT NOT NULL, -- new, disabled, duplicate or invalid
	change     TEXT           -- an adsync.Change in JSON that says why
);

-- Groups of the directory, and who is in those that somebody looked for.
CREATE TABLE IF NOT EXISTS import_groups (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS import_members (
	in_group  TEXT NOT NULL,
	object_id TEXT NOT NULL,
	PRIMARY KEY (in_group, object_id)
);

-- The lists, with the same columns each. An item is what a row is chosen by; who is not
-- free cannot be chosen.
CREATE VIEW IF NOT EXISTS list_users AS
SELECT CAST(u.id AS TEXT) AS item, u.first_name, u.last_name, u.username, coalesce(u.email, '') AS email, u.phone, u.status, u.role,
	u.directory, '' AS unit, m.change, FALSE AS free, CASE WHEN u.object_id IS NULL THEN 'local' ELSE 'imported' END AS state
FROM users u LEFT JOIN marks m ON m.user_id = u.id;

CREATE VIEW IF NOT EXISTS list_sync AS
SELECT CAST(u.id AS TEXT) AS item, u.first_name, u.last_name, u.username, coalesce(u.email, '') AS email, u.phone, u.status, u.role,
	u.directory, '' AS unit, m.change, coalesce(m.state, '') <> 'duplicate' AS free,
	CASE WHEN m.state = 'duplicate' AND i.user_id IS NOT NULL THEN 'ignored' ELSE coalesce(m.state, 'unchanged') END AS state
FROM users u LEFT JOIN marks m ON m.user_id = u.id LEFT JOIN ignored i ON i.user_id = u.id
WHERE u.object_id IS NOT NULL;

CREATE VIEW IF NOT EXISTS list_import AS
SELECT p.object_id AS item, p.first_name, p.last_name, p.username, p.email, '' AS phone, '' AS status, '' AS role,
	p.directory, p.unit, p.change, u.id IS NULL AND p.state = 'new' AS free,
	CASE WHEN u.id IS NOT NULL THEN 'imported' ELSE p.state END AS state
FROM people p LEFT JOIN users u ON u.directory = p.directory AND u.object_id = p.object_id;

-- A run is a plan, and what became of it.
CREATE TABLE IF NOT EXISTS runs (
	id         TEXT PRIMARY KEY,
	state      TEXT NOT NULL,             -- one of the states in runs.go
	made_at    BIGINT NOT NULL,
	started_at BIGINT NOT NULL DEFAULT 0, -- or when it was rejected
	run        TEXT NOT NULL              -- all there is to know of it, in JSON
);
-- One run at a time: the database itself turns a second one away.
CREATE UNIQUE INDEX IF NOT EXISTS runs_one ON runs (state) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS runs_started ON runs (started_at);

-- A page of a plan is read without the rest of it.
CREATE TABLE IF NOT EXISTS run_changes (
	run_id  TEXT NOT NULL,
	idx     BIGINT NOT NULL,
	op      TEXT NOT NULL,            -- an adsync.Op; 'interim' for a detour of what another change says
	loses   BOOLEAN NOT NULL,         -- what the limits count
	name    TEXT NOT NULL,            -- to sort by
	user_id TEXT NOT NULL DEFAULT '', -- also of a user who was created
	outcome TEXT NOT NULL DEFAULT '', -- an adsync.Outcome; '': not reached yet
	error   TEXT NOT NULL DEFAULT '',
	change  TEXT NOT NULL,            -- an adsync.Change in JSON, with the old and the new values
	was     TEXT NOT NULL,            -- an adsync.User in JSON, or null: before an interim made way
	PRIMARY KEY (run_id, idx)
);

-- How the schedule stands, in JSON. There is one row.
CREATE TABLE IF NOT EXISTS schedule (one BIGINT PRIMARY KEY, state TEXT NOT NULL);
INSERT INTO schedule (one, state) VALUES (1, '{}') ON CONFLICT DO NOTHING;

-- What runs have done that the limits are about: see sqlstore.NewLedger.
CREATE TABLE IF NOT EXISTS ledger (
	tenant   TEXT NOT NULL,
	source   TEXT NOT NULL,
	run_id   TEXT NOT NULL PRIMARY KEY,
	noted_at BIGINT NOT NULL,
	approval TEXT,
	tally    TEXT NOT NULL,
	UNIQUE (tenant, source, approval)
);
CREATE INDEX IF NOT EXISTS ledger_recent ON ledger (tenant, source, noted_at);
