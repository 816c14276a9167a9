package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	nobody := client{w: w}
	assert.Equal(t, "/sign-in", nobody.get("/users").Header.Get("Location"))
	for _, wrong := range [][2]string{{"admin", "wrong"}, {"nobody", adminsPassword}, {"admin", ""}} {
		a := nobody.post("/sign-in", "username", wrong[0], "password", wrong[1])
		assert.Equal(t, http.StatusUnauthorized, a.StatusCode)
		assert.Contains(t, a.text(), "The username or the password is wrong.")
		assert.Empty(t, a.Cookies())
	}
	a := nobody.post("/sign-in", "username", " Admin ", "password", adminsPassword)
	require.Len(t, a.Cookies(), 1, a.text())
	cookie := a.Cookies()[0]
	assert.True(t, cookie.HttpOnly)
	assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	assert.False(t, cookie.Secure)
	signedIn := client{w, cookie.Value}
	assert.Equal(t, http.StatusOK, signedIn.get("/users").StatusCode)
	assert.NotContains(t, w.value(`SELECT group_concat(token_hash) FROM sessions`), cookie.Value, "the database has no token")

	assert.Equal(t, "/sign-in", signedIn.post("/sign-out").Header.Get("Location"))
	assert.Equal(t, "/sign-in", signedIn.get("/users").Header.Get("Location"), "the session is over, whoever kept the cookie")
}

func TestSecureCookie(t *testing.T) {
	w := newWorld(t, func(c *config) { c.secure = true })
	a := client{w: w}.post("/sign-in", "username", "admin", "password", adminsPassword)
	require.Len(t, a.Cookies(), 1)
	assert.True(t, a.Cookies()[0].Secure)
	assert.Equal(t, "__Host-session", a.Cookies()[0].Name)
}

func TestGuessingIsSlowedDown(t *testing.T) {
	var l limiter
	now := time.Now()
	for range triesPerMinute {
		require.True(t, l.allow("admin", now))
	}
	assert.False(t, l.allow("admin", now))
	assert.True(t, l.allow("viewer", now))
	assert.True(t, l.allow("admin", now.Add(2*time.Minute)))
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.demo.store.addAccount(t.Context(), "vera", "pw", viewer))
	vera := w.as("vera")
	a := vera.get("/users")
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.NotContains(t, a.body, `href="/sync"`)
	for _, path := range []string{"/sync", "/import", "/history", "/runs/X", "/history/X.csv"} {
		assert.Equal(t, http.StatusForbidden, vera.get(path).StatusCode, path)
	}
	for _, path := range []string{"/sync", "/sync/survey", "/import", "/runs/X"} {
		assert.Equal(t, http.StatusForbidden, vera.post(path).StatusCode, path)
	}
	assert.Equal(t, http.StatusOK, w.admin.get("/sync").StatusCode)
	w.exec(`UPDATE users SET role = 'viewer' WHERE username = 'admin'`)
	assert.Equal(t, http.StatusForbidden, w.admin.get("/sync").StatusCode, "it works at once")
	w.exec(`UPDATE users SET status = 'blocked' WHERE username = 'admin'`)
	assert.Equal(t, "/sign-in", w.admin.get("/users").Header.Get("Location"))
}

func TestOtherSitesCannotPost(t *testing.T) {
	w := newWorld(t)
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		r := form("/sync", "which", "all")
		r.Header.Set(header[0], header[1])
		assert.Equal(t, http.StatusForbidden, w.admin.do(r).StatusCode, header)
	}
}

func TestHeaders(t *testing.T) {
	h := newWorld(t).admin.get("/users").Header
	assert.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
	assert.NotContains(t, h.Get("Content-Security-Policy"), "unsafe")
	assert.Equal(t, "no-store", h.Get("Cache-Control"))
	assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
}

func TestSwitchedOff(t *testing.T) {
	w := newWorld(t, func(c *config) { c.directory = nil })
	a := w.admin.get("/users")
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.NotContains(t, a.body, "Active Directory")
	for _, path := range []string{"/sync", "/import", "/history", "/runs/X"} {
		assert.Equal(t, http.StatusNotFound, w.admin.get(path).StatusCode, path)
	}
	assert.Equal(t, http.StatusNotFound, w.admin.post("/sync").StatusCode)
}

func TestThePage(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.exec(`INSERT INTO users (username, directory, object_id) VALUES ('foreign', 'other', 'e1312533-0355-417d-ac0e-b7fd33cf412f')`)
	a := w.admin.get("/sync")
	assert.Contains(t, a.body, "<title>Active Directory Synchronization")
	assert.Contains(t, a.text(), "Active Directory Synchronization - Users 2 Select users to synchronize with Active Directory. Only users imported from the Active Directory configured here are listed.")
	assert.Contains(t, a.text(), "anna@corp.example as in the directory")
	assert.NotContains(t, a.body, "foreign")
	assert.Regexp(t, `compared with the directory at \d{4}-`, a.text())
	assert.Contains(t, w.admin.get("/users").text(), "foreign")
}

// many users, without a directory to compare them with.
func (w *world) many(n int) {
	w.t.Helper()
	require.NoError(w.t, w.demo.store.inTx(w.t.Context(), func(exec func(string, ...any) (int64, error)) error {
		for i := range n {
			if _, err := exec(`INSERT INTO users (username, first_name, last_name, email, directory, object_id) VALUES (?, ?, ?, ?, ?, ?)`,
				fmt.Sprintf("user%05d", i), "First", fmt.Sprintf("Last%05d", n-i), fmt.Sprintf("u%d@corp.example", i), demoDomain,
				fmt.Sprintf("00000000-0000-0000-0000-%012d", i+1)); err != nil {
				return err
			}
		}
		_, err := exec(`INSERT INTO survey (made_at, warnings) VALUES (?, '[]')`, time.Now().Unix())
		return err
	}))
}

func TestPagesSortingAndFilters(t *testing.T) {
	w := newWorld(t)
	w.many(1000) // more take the race detector minutes
	rows := func(a answer) int { return strings.Count(a.body, `name="id"`) }

	a := w.admin.get("/sync?sort=username")
	assert.Equal(t, pageSize, rows(a))
	assert.Contains(t, a.text(), "Page 1 of 20 Next")
	assert.Contains(t, a.text(), "user00000")
	assert.NotContains(t, a.text(), "user00050")
	assert.Contains(t, w.admin.get("/sync?sort=username&page=2").text(), "user00050")
	assert.Contains(t, w.admin.get("/sync?sort=username&desc=1").text(), "user00999")
	assert.Contains(t, w.admin.get("/sync?sort=username&page=99999").text(), "Page 20 of 20")
	assert.Contains(t, w.admin.get("/sync?sort=name").text(), "First Last00001 user00999")
	assert.Equal(t, http.StatusOK, w.admin.get("/sync?sort=id;DROP%20TABLE%20users&page=x").StatusCode)

	for _, f := range []struct {
		field, text string
		want        int
	}{
		{"q", "USER0012", 10}, {"name", "First Last0001", 10}, {"username", "r00007", 1}, {"email", "u42@", 1},
		{"q", "100%", 0}, {"q", "user_0", 0}, {"state", "unchanged", pageSize}, {"state", "delete", 0},
	} {
		a := w.admin.post("/sync/view", f.field, f.text)
		require.Equal(t, http.StatusSeeOther, a.StatusCode)
		assert.NotContains(t, a.Header.Get("Location"), f.text, "what is looked for is not in the URL")
		assert.Equal(t, f.want, rows(w.admin.follow(a)), "%s %s", f.field, f.text)
	}
	require.NoError(t, w.demo.store.addAccount(t.Context(), "other", "pw", administrator))
	view := w.admin.post("/sync/view", "q", "user0001").Header.Get("Location")
	assert.Contains(t, w.admin.get(view).text(), "Synchronize all 10 matching")
	assert.Contains(t, w.as("other").get(view).text(), "Synchronize all 1000 matching", "a view is its maker's")

	ids, err := w.demo.store.idsOf(t.Context(), filter{Query: "user0001"}, managed, demoDomain)
	require.NoError(t, err)
	assert.Len(t, ids, 10)
}

func TestTheStory(t *testing.T) { tellStory(t, newWorld(t)) }

func tellStory(t *testing.T, w *world) {
	w.people("anna", "ben", "carl")
	w.set("anna", "sn", "Schröder")
	w.set("anna", "telephoneNumber")
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	w.set("carl", "sn", "Not Chosen")

	empty := w.admin.post("/sync", "which", "chosen")
	assert.Equal(t, http.StatusUnprocessableEntity, empty.StatusCode)
	assert.Contains(t, empty.text(), "Choose at least one user.")

	path, digest := w.admin.plan("which", "chosen", "id", w.id("anna"), "id", w.id("ben"))
	preview := w.admin.get(path).text()
	assert.Contains(t, preview, "Anna Person anna Update: changed in the directory Last name Person Schröder Contact number +49 30 1 none")
	assert.Contains(t, preview, "Ben Person ben Delete: deleted in the directory Username ben none")
	assert.Contains(t, preview, "Apply 2 changes")
	assert.NotContains(t, preview, "Not Chosen")
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'anna'`), "nothing is changed yet")

	wrong := w.admin.post(path, "digest", strings.Repeat("0", 64))
	assert.Equal(t, http.StatusConflict, wrong.StatusCode)
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))

	applied := w.admin.post(path, "digest", digest)
	w.wait()
	done := w.admin.follow(applied)
	assert.Contains(t, done.body, `<dialog open aria-labelledby="outcome"`)
	assert.Contains(t, done.text(), "Synchronizing users with Active Directory has been successful. 1 user(s) details are modified. 1 user(s) are deleted. 0 user(s) are duplicated. OK")
	assert.Equal(t, "Schröder", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
	assert.Equal(t, "0", w.value(`SELECT count(*) FROM users WHERE username = 'ben'`))
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'carl'`))

	again := w.admin.post(path, "digest", digest)
	w.wait()
	assert.Contains(t, w.admin.follow(again).text(), "1 user(s) details are modified.", "a second click does nothing")
	assert.Contains(t, w.admin.get("/history").text(), "admin sync done 1 1 0 0 0 CSV JSON")
}

func TestDownloads(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.set("anna", "sn", "=1+1")
	require.Contains(t, w.admin.sync("which", "all").text(), "1 user(s) details are modified.")
	id := w.value(`SELECT id FROM runs`)

	rows, err := csv.NewReader(strings.NewReader(w.admin.get("/history/" + id + ".csv").body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, []string{"admin", "1", "update", "changed", w.id("anna"), "anna", "Last name", "Person", "'=1+1", "applied", ""}, rows[1][1:])

	a := w.admin.get("/history/" + id + ".json")
	assert.Contains(t, a.Header.Get("Content-Disposition"), "attachment")
	var file struct {
		RunBy   string `json:"run_by"`
		Changes []struct {
			Result adsync.Result
			Change adsync.Change
		}
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &file))
	assert.Equal(t, "admin", file.RunBy)
	require.Len(t, file.Changes, 1)
	assert.Equal(t, adsync.OutcomeApplied, file.Changes[0].Result.Outcome)
	assert.Equal(t, "Person", file.Changes[0].Change.Before.LastName)
	assert.Equal(t, "=1+1", file.Changes[0].Change.After.LastName)
	for _, wrong := range []string{id + ".xml", id, "X.csv"} {
		assert.Equal(t, http.StatusNotFound, w.admin.get("/history/"+wrong).StatusCode, wrong)
	}
}

func TestDefused(t *testing.T) {
	for in, want := range map[string]string{"": "", "Zoë": "Zoë", "=1": "'=1", "+49": "'+49", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", "a=1": "a=1"} {
		assert.Equal(t, want, defused(in))
	}
}

func TestDuplicatesAreMarkedBeforeASync(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.exec(`INSERT INTO users (username, email) VALUES ('reception', 'office@corp.example')`)
	w.set("anna", "sAMAccountName", "reception")
	w.set("anna", "mail", "office@corp.example")
	a := w.admin.get("/sync")
	assert.Contains(t, a.body, fmt.Sprintf(`<input type="checkbox" name="id" value="%s" aria-label="Select Anna Person" disabled>`, w.id("anna")))
	assert.NotContains(t, a.body, `aria-label="Select Ben Person" disabled`)
	rival := `<a href="/users?id=` + w.id("reception") + `#u` + w.id("reception") + `" title="Show who has it">`
	assert.Contains(t, a.body, rival+"Username already exists</a>")
	assert.Contains(t, a.body, rival+"Email address already exists</a>")
	row := w.admin.get("/users?id=" + w.id("reception")).text()
	assert.Contains(t, row, "office@corp.example")
	assert.NotContains(t, row, "anna")

	assert.Contains(t, a.text(), "Synchronize all 1 matching")
	path, _ := w.admin.plan("which", "all")
	assert.NotContains(t, w.admin.get(path).text(), "Anna", "nobody means the duplicates by all")
	done := w.admin.sync("which", "chosen", "id", w.id("anna")).text()
	assert.Contains(t, done, "1 user(s) are duplicated.", "a forged form does no harm")
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM users WHERE username = 'anna'`))
}

func TestBeyondTheLimits(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben", "carl", "dora")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	path, digest := w.admin.plan("which", "all")
	page := w.admin.get(path).text()
	assert.Contains(t, page, "removes 2 of 4 imported users; 1 is allowed (MaxRemovalRatio)")
	assert.Contains(t, page, "2 users would be removed Anna Person (anna) Ben Person (ben)")
	assert.NotContains(t, page, "Apply 2 changes")

	for _, approval := range [][]string{{}, {"approve", "yes"}, {"approve", strings.Repeat("0", 64)}} {
		a := w.admin.post(path, append([]string{"digest", digest}, approval...)...)
		w.wait()
		assert.Contains(t, w.admin.follow(a).text(), "Nothing was changed.")
		require.Equal(t, "4", w.value(`SELECT count(*) FROM users WHERE directory <> ''`))
	}
	assert.Contains(t, w.admin.get("/history").text(), "refused", "who tried it is in the history")

	a := w.admin.post(path, "digest", digest, "approve", digest)
	w.wait()
	done := w.admin.follow(a).text()
	assert.Contains(t, done, "2 user(s) are deleted.")
	assert.Contains(t, done, "Approved by admin")
	assert.Equal(t, "2", w.value(`SELECT count(*) FROM users WHERE directory <> ''`))
}

func TestImport(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	for _, p := range [][4]string{{"newbert", "Bert", "New", ""}, {"newcarl", "Carl", "New", ""}, {"reception", "Newa", "Recepcja", ""}, {"newoff", "Olaf", "New", ""}} {
		require.NoError(t, w.hire(p))
	}
	require.NoError(t, w.controller.Disable(w.guids["newoff"]))
	w.exec(`INSERT INTO users (username) VALUES ('reception')`)
	box := func(login, name string, disabled string) string {
		return fmt.Sprintf(`name="id" value="%s" aria-label="Select %s"%s>`, adsync.ObjectID(w.guids[login]), name, disabled)
	}
	assert.Equal(t, http.StatusOK, w.admin.get("/import").StatusCode)
	a := w.admin.post("/import/search", "q", "new")
	assert.Contains(t, a.body, box("newbert", "Bert New", ""))
	assert.Contains(t, a.body, box("newoff", "Olaf New", " disabled"))
	assert.Contains(t, a.body, box("reception", "Newa Recepcja", " disabled"))
	assert.Contains(t, a.body, "Username already exists")
	assert.Contains(t, w.admin.post("/import/search", "q", "anna").text(), "imported already")
	assert.Contains(t, w.admin.post("/import/search", "q", "*").text(), "Nobody is found.")
	assert.Contains(t, w.admin.post("/import", "q", "new").text(), "422 ")

	forged := w.admin.follow(w.admin.post("/import", "id", adsync.ObjectID(w.guids["reception"]).String(), "id", adsync.ObjectID(w.guids["newoff"]).String()))
	assert.Contains(t, forged.text(), "There is nothing to apply.")

	made := w.admin.post("/import", "id", adsync.ObjectID(w.guids["newbert"]).String())
	preview := w.admin.follow(made)
	assert.Contains(t, preview.text(), "Import: new in the directory Username none newbert")
	assert.Equal(t, "0", w.value(`SELECT count(*) FROM users WHERE username = 'newbert'`))
	applied := w.admin.post(made.Header.Get("Location"), "digest", digestOn(t, preview))
	w.wait()
	assert.Contains(t, w.admin.follow(applied).text(), "1 user(s) are created.")
	assert.Equal(t, "newbert@corp.example", w.value(`SELECT email FROM users WHERE username = 'newbert'`))
	assert.Equal(t, "", w.value(`SELECT role FROM users WHERE username = 'newbert'`), "whoever is imported may not sign in")
}

func TestOutputIsEscaped(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.set("anna", "givenName", "<script>alert(1)</script>")
	path, digest := w.admin.plan("which", "all")
	pages := []answer{w.admin.get(path)}
	w.admin.post(path, "digest", digest)
	w.wait()
	pages = append(pages, w.admin.get(path), w.admin.get("/users"), w.admin.get("/sync"), w.admin.post("/import/search", "q", "<script>alert(1)"))
	for i, a := range pages {
		assert.NotContains(t, a.body, "<script>alert", "page %d", i)
		assert.Contains(t, a.body, "&lt;script&gt;alert(1)", "page %d", i)
	}
}

func TestNothingPersonalInLogsOrURLs(t *testing.T) {
	w := newWorld(t)
	w.people("annabel")
	w.set("annabel", "sn", "Geheim")
	w.set("annabel", "mail", "geheim@corp.example")
	view := w.admin.post("/sync/view", "q", "Annabel")
	w.admin.follow(view)
	w.admin.post("/import/search", "q", "Annabel")
	w.admin.sync("which", "all")
	require.NoError(t, w.controller.Close())
	w.admin.post("/sync/survey")
	w.admin.post("/import/search", "q", "Annabel")
	for _, secret := range []string{"annabel", "geheim", w.password, "token of"} {
		assert.NotContains(t, strings.ToLower(w.log.String()), secret)
	}
	assert.Contains(t, w.log.String(), `pattern="GET /runs/{id}"`)
}

func TestTwoAdministratorsAtOnce(t *testing.T) {
	var g *gate
	w := newWorld(t, func(c *config) { g = newGate(c) })
	tellOfTwo(t, w, g)
}

func tellOfTwo(t *testing.T, w *world, g *gate) {
	open := func() { close(g.open) }
	close(g.open)
	w.people("anna", "ben")
	g.open, g.reached = make(chan struct{}), make(chan struct{}, 10)
	require.NoError(t, w.demo.store.addAccount(t.Context(), "bob", "pw", administrator))
	bob := w.as("bob")
	w.set("anna", "sn", "One")
	w.set("ben", "sn", "Two")
	first, firstDigest := w.admin.plan("which", "chosen", "id", w.id("anna"))
	second, secondDigest := bob.plan("which", "chosen", "id", w.id("ben"))

	started := w.admin.post(first, "digest", firstDigest)
	<-g.reached
	told := bob.post(second, "digest", secondDigest)
	assert.Equal(t, http.StatusConflict, told.StatusCode)
	assert.Contains(t, told.text(), "Another synchronization is running: admin started it")
	assert.Contains(t, bob.get("/sync").text(), "A synchronization is running : admin started it")
	page := bob.get(first)
	assert.Contains(t, page.text(), "0 of 1 changes are done.")
	assert.Contains(t, page.body, `<noscript><meta http-equiv="refresh"`)
	open()
	w.wait()
	assert.Contains(t, w.admin.follow(started).text(), "1 user(s) details are modified.")
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'ben'`))

	now := bob.post(second, "digest", secondDigest)
	w.wait()
	assert.Contains(t, bob.follow(now).text(), "1 user(s) details are modified.")
}

func TestTheRunOutlivesTheBrowser(t *testing.T) {
	var g *gate
	w := newWorld(t, func(c *config) { g = newGate(c) })
	close(g.open)
	w.people("anna")
	g.open, g.reached = make(chan struct{}), make(chan struct{}, 10)
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("which", "all")
	ctx, closeBrowser := context.WithCancel(t.Context())
	w.admin.do(form(path, "digest", digest).WithContext(ctx))
	<-g.reached
	closeBrowser()

	watching, stop := context.WithCancel(t.Context())
	events := make(chan answer)
	go func() { events <- w.admin.do(mustGet(path + "/progress").WithContext(watching)) }()
	stop() // another browser that is closed
	assert.NotContains(t, (<-events).body, "event: end")

	close(g.open)
	w.wait()
	assert.Contains(t, w.admin.get(path).text(), "1 user(s) details are modified.")
	assert.Equal(t, "One", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
	assert.Contains(t, w.admin.get(path+"/progress").body, "event: end")
}

func mustGet(path string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		panic(err)
	}
	return r
}

func TestARunHasADeadline(t *testing.T) {
	var g *gate
	w := newWorld(t, func(c *config) { g, c.runTimeout = newGate(c), 50*time.Millisecond })
	close(g.open)
	w.people("anna")
	g.open = make(chan struct{}) // and nobody opens it
	w.set("anna", "sn", "One")
	done := w.admin.sync("which", "all").text()
	assert.NotContains(t, done, "successful")
	assert.Contains(t, done, "deadline exceeded")
	assert.Contains(t, w.admin.get("/history").text(), "failed")
}

func TestDirectoryDown(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	w.admin.get("/sync")
	path, digest := w.admin.plan("which", "all")
	require.NoError(t, w.controller.Close())

	w.admin.post("/sync/survey")
	a := w.admin.get("/sync")
	assert.Equal(t, http.StatusOK, a.StatusCode, "the page is there all the same")
	a = w.admin.post("/sync", "which", "all")
	assert.Equal(t, http.StatusBadGateway, a.StatusCode)
	assert.Contains(t, a.text(), "Could not read everything, so nothing was changed")
	assert.Contains(t, w.admin.post("/import/search", "q", "a").text(), "502")

	applied := w.admin.post(path, "digest", digest)
	w.wait()
	done := w.admin.follow(applied).text()
	assert.Contains(t, done, "was not carried out. Nothing was changed.")
	assert.Contains(t, done, "Could not read everything")
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM users WHERE username = 'anna'`), "a removal needs the directory's word")

	w.exec(`DELETE FROM survey`)
	assert.Contains(t, w.admin.get("/sync").text(), "The directory could not be compared just now. Could not read everything")
	assert.Contains(t, w.admin.get("/sync").text(), "Duplicates are not marked below.")
}

func TestDatabaseLocked(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("which", "all")
	unlock := w.lock()
	defer unlock()
	for _, a := range []answer{
		w.admin.post(path, "digest", digest),
		w.admin.post("/sync", "which", "all"),
		w.admin.post("/sync/view", "q", "x"),
	} {
		assert.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		assert.Contains(t, a.text(), "The database is locked by something else. Nothing was changed.")
	}
	assert.Equal(t, http.StatusOK, w.admin.get("/users").StatusCode, "reading goes on")
	unlock()
	a := w.admin.post(path, "digest", digest)
	w.wait()
	assert.Contains(t, w.admin.follow(a).text(), "1 user(s) details are modified.")
}

// lockingStore locks the database once it has written.
type lockingStore struct {
	*sqlstore.Store
	lock func()
}

func (s *lockingStore) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	written := s.Store.ApplyChanges(ctx, cs)
	s.lock()
	return written
}

func TestDatabaseLockedAtTheEndOfARun(t *testing.T) {
	store := &lockingStore{lock: func() {}}
	w := newWorld(t, func(c *config) { store.Store = c.users.(*sqlstore.Store); c.users = store })
	w.people("anna")
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("which", "all")
	var unlock func()
	locked := make(chan struct{})
	store.lock = func() { unlock = w.lock(); close(locked) }
	w.admin.post(path, "digest", digest)
	<-locked
	defer unlock()
	require.Eventually(t, func() bool {
		return strings.Contains(w.admin.get(path).text(), "All is done: Synchronizing users with Active Directory has been successful. 1 user(s) details are modified.")
	}, time.Minute, 10*time.Millisecond)
	assert.Contains(t, w.admin.get(path).text(), "The history of it could not be written yet; that is tried again.")
	unlock()
	w.wait()
	assert.Contains(t, w.admin.get("/history").text(), "admin sync done 1 0 0 0 0")
	assert.Contains(t, w.admin.get(path).text(), "Last name Person One Done")
}

// refusingStore refuses what it is told to.
type refusingStore struct {
	*sqlstore.Store
	refuse string
}

func (s *refusingStore) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	written := s.Store.ApplyChanges(ctx, cs)
	for i, c := range cs {
		if c.UserID == s.refuse {
			written[i].Err = errors.New("adsync: the disk is full")
		}
	}
	return written
}

func TestFailuresNameTheUserAndTheReason(t *testing.T) {
	store := &refusingStore{refuse: "nobody"}
	w := newWorld(t, func(c *config) { store.Store = c.users.(*sqlstore.Store); c.users = store })
	w.people("anna", "ben")
	w.set("anna", "sn", "One")
	w.set("ben", "sn", "Two")
	store.refuse = w.id("anna")
	done := w.admin.sync("which", "all")
	assert.Contains(t, done.text(), "was not completed. 1 user(s) details are modified.")
	assert.Contains(t, done.text(), "1 user(s) could not be written. Anna Person : The disk is full.")
}

func TestChangedInTheMeantime(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("which", "all")
	w.exec(`UPDATE users SET last_name = 'Edited' WHERE username = 'anna'`)
	a := w.admin.post(path, "digest", digest)
	w.wait()
	done := w.admin.follow(a).text()
	assert.Contains(t, done, "1 user(s) have changed in the meantime and were left alone.")
	assert.Equal(t, "Edited", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
}

func TestInterruptedRun(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.set("anna", "sn", "One")
	path, _ := w.admin.plan("which", "all")
	w.exec(`UPDATE runs SET state = 'running', started_at = 1, run_by = 'admin'`) // and the process ended
	assert.Contains(t, w.admin.get(path).text(), "running elsewhere")
	_, err := openStore(t.Context(), w.demo.store.db, sqlstore.SQLite)
	require.NoError(t, err)
	assert.Contains(t, w.admin.get(path).text(), "The synchronization was interrupted.")
	assert.Contains(t, w.admin.sync("which", "all").text(), "1 user(s) details are modified.", "the lock is free again")
}

func TestDeletedUsersLoseTheirSession(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.exec(`UPDATE users SET role = 'viewer' WHERE username = 'anna'`)
	w.as("anna")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.Contains(t, w.admin.sync("which", "all").text(), "1 user(s) are deleted.")
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM sessions`), "the administrator's")
}
