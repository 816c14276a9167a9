package main

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/dbserver"
	"github.com/go-adsync/adsync/sqlstore"
)

func TestPostgreSQL(t *testing.T) {
	db := startPostgreSQL(t)
	var g *gate
	w := newWorldOn(t, db, sqlstore.PostgreSQL, func(c *config) { g = newGate(c) })
	tellOfTwo(t, w, g)
	w.people("zoe")
	w.set("zoe", "givenName", "ÖZGE")
	done := w.admin.sync("zoe")
	assert.Contains(t, done.text(), "1 user(s) details are modified.")
	assert.Contains(t, w.admin.act("/sync", "search", "name", "özge", "email", "zoe@").text(), "Choose all 1 matching")
	for _, sort := range []string{"name", "username", "email", "state"} {
		assert.Contains(t, w.admin.act("/sync", "sort:"+sort).text(), "ÖZGE Person zoe")
	}
	w.admin.get("/import")
	assert.Contains(t, w.admin.act("/import", "all").text(), "2 chosen")
	assert.Contains(t, w.admin.act("/import", "search", "group", "Authors").text(), "Choose all 0 matching")
	assert.Contains(t, w.admin.post("/users/"+w.id("admin"), "do", "change", "username", "zoe").text(), "409 ")
	w.exec(`DELETE FROM comparisons`)
	w.set("zoe", "sAMAccountName", "admin")
	assert.Contains(t, w.admin.get("/sync").text(), "Username already exists")
	ofZoe := w.value(`SELECT run_id FROM run_changes WHERE user_id = ? AND outcome = 'applied'`, w.id("zoe"))
	assert.Contains(t, w.admin.get("/history/"+ofZoe+".csv").body, `"First name","Zoe","ÖZGE","Done"`)
	w.app.every, w.app.directory = 15*time.Minute, w.wrongly("nothing")
	w.set("ben", "telephoneNumber", "+49 30 3")
	schedule := clock{w, noon()}
	schedule.tick()
	schedule.tick()
	assert.Contains(t, w.admin.get("/sync").text(), "Read only what changed since")
	_, err := openStore(t.Context(), db, sqlstore.PostgreSQL)
	assert.NoError(t, err, "the tables are there already")
	signedIn := client{w: w}.post("/sign-in", "username", "ADMIN", "password", adminsPassword)
	assert.Len(t, signedIn.Cookies(), 1)
}

func TestPostgreSQL_Story(t *testing.T) {
	tellStory(t, newWorldOn(t, startPostgreSQL(t), sqlstore.PostgreSQL))
}

func TestPostgreSQL_Roles(t *testing.T) {
	tellOfRoles(t, newWorldOn(t, startPostgreSQL(t), sqlstore.PostgreSQL))
}

func TestPostgreSQL_Leavers(t *testing.T) {
	tellOfLeavers(t, newWorldOn(t, startPostgreSQL(t), sqlstore.PostgreSQL, waitsTwoWeeks))
}

// startPostgreSQL starts a server of the test's own, and makes a database whose lower()
// knows more than ASCII.
func startPostgreSQL(t *testing.T) *sql.DB {
	t.Helper()
	server := dbserver.PostgreSQL(t)
	admin, err := sql.Open("pgx", server.SchemaDSN("public"))
	require.NoError(t, err)
	_, err = admin.Exec("CREATE DATABASE page LOCALE 'C.UTF-8' TEMPLATE template0")
	require.NoError(t, errors.Join(err, admin.Close()))
	db, err := sql.Open("pgx", "host="+server.Dir+" user=postgres dbname=page")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
