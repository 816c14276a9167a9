// Package onsqlite tests package sqlstore on a real SQLite. It is a module of its own, so
// that a host's go.mod gets no SQLite from this one. The tests need no server: a change of
// the SQL writers that does harm is red here, and in the tests of sqlstore itself, which
// pin each statement in all dialects. What MySQL and PostgreSQL do with those is tested in
// internal/integration/databases.
package onsqlite
