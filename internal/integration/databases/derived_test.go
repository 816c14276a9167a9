package databases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// derivedHost keeps lower-cased shadows of its keys, which are unique, a full name, and
// when a row was last changed.
func (d database) derivedHost() layout {
	when := map[sqlstore.Dialect]string{sqlstore.SQLite: "DATETIME", sqlstore.PostgreSQL: "timestamptz", sqlstore.MySQL: "DATETIME"}[d.dialect]
	return layout{
		name: "shadows",
		schema: d.table("people", `id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL, login_lower TEXT NOT NULL UNIQUE, mail TEXT, mail_lower TEXT UNIQUE,
			given TEXT NOT NULL, family TEXT NOT NULL, full_name TEXT NOT NULL, state FLAG NOT NULL, gone `+when+`, changed `+when+` NOT NULL`),
		table: sqlstore.Table{
			Name: "people", Source: "ad",
			Columns:  sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Email: "mail", FirstName: "given", LastName: "family", Status: "state"},
			Statuses: map[adsync.Status]any{adsync.StatusActive: true, adsync.StatusInactive: false},
			Where:    "gone IS NULL",
			Delete:   map[string]any{"gone": sqlstore.Now},
			Derived: map[string]func(adsync.User) any{
				"login_lower": func(u adsync.User) any { return strings.ToLower(u.Username) },
				"mail_lower": func(u adsync.User) any {
					if u.Email == "" {
						return sqlstore.Null
					}
					return strings.ToLower(u.Email)
				},
				"full_name": func(u adsync.User) any { return strings.TrimSpace(u.FirstName + " " + u.LastName) },
				"changed":   func(adsync.User) any { return sqlstore.Now },
			},
		},
		insert: d.insert("people", "guid", "login", "login_lower", "mail", "mail_lower", "given", "family", "full_name", "state", "changed"),
		args: func(u adsync.User) []any {
			return []any{
				nullable(u.ObjectID), u.Username, strings.ToLower(u.Username), orNull(u.Email), orNull(strings.ToLower(u.Email)),
				u.FirstName, u.LastName, strings.TrimSpace(u.FirstName + " " + u.LastName), u.Status == adsync.StatusActive, "2001-02-03 04:05:06",
			}
		},
	}
}

// testDerived proves every duty, and that the shadows follow in a whole run: swaps, which
// park; creations and deletions; many rows at once.
func testDerived(t *testing.T, d database) {
	host := d.derivedHost()
	t.Run("every duty", func(t *testing.T) {
		checkLayout(t, host, d.dialect, func() *sql.DB { return d.open(t, host.schema) })
	})
	db := d.open(t, host.schema)
	s := newStore(t, db, d.dialect, host.table)
	const people = 120
	var dir adsync.StaticDirectory
	for i := range people {
		e := adsync.Entry{ObjectID: objectID(i + 1)}
		e.Username, e.Email, e.FirstName, e.LastName = fmt.Sprint("User", i), fmt.Sprint("User", i, "@Corp.example"), "F", fmt.Sprint(i)
		dir = append(dir, e)
	}
	sync := func() {
		t.Helper()
		syncer, err := adsync.New(dir, s, &adsync.Options{Rules: adsync.Rules{Source: "ad", Import: true, OnDisabled: adsync.Deactivate},
			Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1}})
		require.NoError(t, err)
		report, err := syncer.Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		require.Zero(t, count(t, db, `people WHERE gone IS NULL AND (login_lower <> lower(login) OR COALESCE(mail_lower, '') <> COALESCE(lower(mail), '') OR full_name <> trim(given || ' ' || family))`))
		plan, err := syncer.Plan(t.Context())
		require.NoError(t, err)
		assert.Empty(t, plan.Changes)
	}
	if d.dialect == sqlstore.MySQL {
		mustExec(t, db, "SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',PIPES_AS_CONCAT')")
		db.SetMaxIdleConns(0)
	}
	sync()
	require.Len(t, list(t, s), people)
	mustExec(t, db, "UPDATE people SET changed = '2001-02-03 04:05:06'")
	for i := range dir {
		switch i % 4 {
		case 0: // two trade names
			dir[i].Profile, dir[i+1].Profile = dir[i+1].Profile, dir[i].Profile
		case 2:
			dir[i].LastName, dir[i].Email = "New", ""
		}
	}
	dir[10].State, dir[11].Disabled = adsync.StateDeleted, true
	sync()
	require.Equal(t, 1, count(t, db, "people WHERE gone > '2020-01-01 00:00:00' AND login_lower LIKE '~deleted-%' AND mail_lower LIKE '~deleted-%'"))
	require.Equal(t, people/4-1, count(t, db, "people WHERE full_name = 'F New'"), "the one who was deleted is not renamed")
	require.Equal(t, people/2+people/4+1, count(t, db, "people WHERE changed > '2020-01-01 00:00:00'"), "whoever was written has a new time, and nobody else")
}

// testDerivedTimeThatDoesNotFit names the column, and writes nothing.
func testDerivedTimeThatDoesNotFit(t *testing.T, d database) {
	db := d.open(t, d.table("people", "id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE, mark FLAG"))
	s := newStore(t, db, d.dialect, sqlstore.Table{
		Name: "people", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"},
		Derived: map[string]func(adsync.User) any{"mark": func(adsync.User) any { return sqlstore.Now }},
	})
	for _, w := range s.ApplyChanges(t.Context(), []adsync.Change{create(adsync.User{ObjectID: objectID(1), Profile: adsync.Profile{Username: "ann"}}), create(adsync.User{ObjectID: objectID(2), Profile: adsync.Profile{Username: "bob"}})}) {
		assert.ErrorContains(t, w.Err, "adsync: the column mark of type")
		assert.ErrorContains(t, w.Err, "cannot be set to Now")
	}
	assert.Empty(t, list(t, s))
}

// testOnWrite keeps rows of another table along with the users, in the same transaction.
func testOnWrite(t *testing.T, d database) {
	full := errors.New("the list of addresses is full")
	table := sqlstore.Table{OnWrite: func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
		if c.After != nil && c.After.Username == "refused" {
			return full
		}
		if c.Op != adsync.OpCreate {
			if _, err := tx.ExecContext(ctx, "DELETE FROM docs WHERE owner = "+d.place(1), id); err != nil {
				return err
			}
		}
		if c.Op == adsync.OpDelete {
			return nil
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO docs (id, owner) VALUES (7, "+d.place(1)+")", id)
		return err
	}}
	db, s, now := d.filled(t, table, "ann", "bob", "cid")
	require.Equal(t, 3, count(t, db, "docs"), "a new user's row is there when its key is asked for")
	mustExec(t, db, "UPDATE docs SET id = 1")
	ann := withPhone(now["ann"], "1")
	written := s.ApplyChanges(t.Context(), []adsync.Change{
		update(now["ann"], ann), remove(now["bob"]), create(person(8, "refused")), create(person(9, "new")),
		update(now["cid"], with(now["cid"], func(u *adsync.User) { u.Username = "refused" })),
		update(withPhone(now["cid"], "stale"), now["cid"]),
	})
	for i, want := range []error{nil, nil, full, nil, full, adsync.ErrAlready} {
		assert.ErrorIs(t, written[i].Err, want, i)
	}
	assert.ErrorContains(t, written[2].Err, "adsync: OnWrite refused the create")
	after := list(t, s)
	assert.Len(t, after, 3)
	assert.Equal(t, ann, after["ann"])
	assert.Equal(t, now["cid"], after["cid"])
	assert.Equal(t, 3, count(t, db, "docs WHERE owner IN (SELECT id FROM users)"))
	assert.Equal(t, 2, count(t, db, "docs WHERE id = 7"), "what was undone, or written already, left nothing")
}
