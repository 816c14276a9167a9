-- The host's own tables. The text is SQLite's; schema() in store.go makes
-- PostgreSQL's of it.

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
	status        TEXT NOT NULL DEFAULT 'active',
	protected     BOOLEAN NOT NULL DEFAULT FALSE, -- never removed by a sync
	role          TEXT NOT NULL DEFAULT '',       -- administrator, viewer, or '': may not sign in
	password_hash TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS users_username ON users (lower(username));
CREATE UNIQUE INDEX IF NOT EXISTS users_email ON users (lower(email));
CREATE UNIQUE INDEX IF NOT EXISTS users_object_id ON users (directory, object_id);

CREATE TABLE IF NOT EXISTS sessions (
	token_hash TEXT PRIMARY KEY,
	user_id    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL -- Unix seconds, like all times here
);

-- What somebody looks for in a list. A URL names it by its ID, because the text
-- may be a person's name.
CREATE TABLE IF NOT EXISTS views (
	id      TEXT PRIMARY KEY,
	user_id BIGINT NOT NULL,
	filter  TEXT NOT NULL,
	made_at BIGINT NOT NULL
);

-- The latest look at the directory: what a sync of everybody would do with whom.
CREATE TABLE IF NOT EXISTS survey (
	made_at  BIGINT NOT NULL,
	warnings TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS marks (
	user_id BIGINT PRIMARY KEY,
	state   TEXT NOT NULL, -- an adsync.Op
	change  TEXT NOT NULL  -- an adsync.Change in JSON
);

-- A run is a plan, and what became of it.
CREATE TABLE IF NOT EXISTS runs (
	id          TEXT PRIMARY KEY,
	kind        TEXT NOT NULL,             -- sync or import
	state       TEXT NOT NULL,             -- planned, running, done, refused, failed or interrupted
	digest      TEXT NOT NULL,
	plan        TEXT NOT NULL,
	made_by     TEXT NOT NULL,
	made_at     BIGINT NOT NULL,
	run_by      TEXT NOT NULL DEFAULT '',
	approved    BOOLEAN NOT NULL DEFAULT FALSE,
	started_at  BIGINT NOT NULL DEFAULT 0,
	finished_at BIGINT NOT NULL DEFAULT 0,
	error       TEXT NOT NULL DEFAULT '',
	summary     TEXT NOT NULL DEFAULT '[]',
	counts      TEXT NOT NULL DEFAULT '{}'
);
-- One run at a time: the database itself turns a second one away.
CREATE UNIQUE INDEX IF NOT EXISTS runs_one ON runs (state) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS runs_started ON runs (started_at);

CREATE TABLE IF NOT EXISTS run_changes (
	run_id  TEXT NOT NULL,
	idx     BIGINT NOT NULL,
	outcome TEXT NOT NULL,
	user_id TEXT NOT NULL DEFAULT '', -- also of a user who was created
	error   TEXT NOT NULL DEFAULT '',
	change  TEXT NOT NULL,            -- an adsync.Change in JSON, with the old and the new values
	PRIMARY KEY (run_id, idx)
);
