package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPage(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.exec(`INSERT INTO users (username, directory, object_id) VALUES ('foreign', 'other', 'e1312533-0355-417d-ac0e-b7fd33cf412f')`)
	a := w.admin.get("/sync")
	assert.Contains(t, a.body, "<title>Active Directory Synchronization")
	assert.Contains(t, a.text(), "Active Directory Synchronization - Users 2 Select users to synchronize with Active Directory. Only users imported from the Active Directory configured here are listed.")
	assert.Contains(t, a.text(), "anna@corp.example nothing")
	assert.NotContains(t, a.body, "foreign")
	assert.Regexp(t, `Compared with Active Directory at \d{4}-`, a.text())
	assert.Contains(t, w.admin.get("/users").text(), "foreign")
}

// many users, without a directory to compare them with.
func (w *world) many(n int) {
	w.t.Helper()
	require.NoError(w.t, w.app.store.inTx(w.t.Context(), func(t *tx) {
		for i := range n {
			t.exec(`INSERT INTO users (username, first_name, last_name, email, directory, object_id) VALUES (?, ?, ?, ?, ?, ?)`,
				fmt.Sprintf("user%05d", i), "First", fmt.Sprintf("Last%05d", n-i), fmt.Sprintf("u%d@corp.example", i), demoDomain,
				fmt.Sprintf("00000000-0000-0000-0000-%012d", i+1))
		}
		t.keepComparison("/sync", nil)
	}))
}

// rows counts the boxes, and those that are checked.
func (a answer) rows() (all, checked int) {
	return strings.Count(a.body, `name="id"`), len(regexp.MustCompile(`name="id"[^>]* checked`).FindAllString(a.body, -1))
}

// act presses a button of a list and follows to the page it leads to.
func (c client) act(path, do string, pairs ...string) answer {
	c.w.t.Helper()
	return c.follow(c.post(path, append([]string{"do", do, "state", "any"}, pairs...)...))
}

func TestList_PagesSortingAndFilters(t *testing.T) {
	w := newWorld(t)
	w.many(1000) // more take the race detector minutes
	a := w.admin.act("/sync", "sort:username")
	all, _ := a.rows()
	assert.Equal(t, pageSize, all)
	assert.Contains(t, a.text(), "of 20 Go Next")
	assert.Contains(t, a.text(), "user00000")
	assert.NotContains(t, a.text(), "user00050")
	assert.Contains(t, w.admin.act("/sync", "page:2").text(), "user00050")
	assert.Contains(t, w.admin.act("/sync", "go", "page", "20").text(), "user00999", "the page can be typed")
	assert.Contains(t, w.admin.get("/sync?page=99999").text(), "user00999", "the last there is")
	assert.Contains(t, w.admin.act("/sync", "sort:username").text(), "user00999", "again turns it round")
	assert.Contains(t, w.admin.act("/sync", "sort:name").text(), "First Last00001 user00999")
	assert.Equal(t, http.StatusOK, w.admin.act("/sync", "sort:id;DROP TABLE users").StatusCode)

	for _, f := range []struct {
		field, text string
		want        int
	}{
		{"q", "USER0012", 10}, {"name", "First Last0001", 10}, {"username", "r00007", 1}, {"email", "u42@", 1},
		{"q", "100%", 0}, {"q", "user_0", 0}, {"state", "unchanged", pageSize}, {"state", "delete", 0},
	} {
		a := w.admin.follow(w.admin.post("/sync", "state", "any", "do", "search", f.field, f.text))
		if f.field == "state" {
			a = w.admin.act("/sync", "state:"+f.text)
		}
		all, _ := a.rows()
		assert.Equal(t, f.want, all, "%s %s", f.field, f.text)
	}
	require.NoError(t, w.app.store.addAccount(t.Context(), "other", "pw", administrator))
	assert.Contains(t, w.admin.act("/sync", "search", "q", "user0001").text(), "Choose all 10 matching")
	assert.Contains(t, w.as("other").get("/sync").text(), "Choose all 1000 matching", "a filter is its maker's")
	assert.Contains(t, w.admin.act("/sync", "show").text(), "Choose all 1000 matching")
}

func TestSelection_IsKept(t *testing.T) {
	w := newWorld(t)
	w.many(120)
	shown := func(a answer) string {
		return regexp.MustCompile(`name="shown" value="([\d,]*)"`).FindStringSubmatch(a.body)[1]
	}
	page := w.admin.get("/sync")
	first, second := strings.Split(shown(page), ",")[0], strings.Split(shown(page), ",")[1]
	boxes := []string{"shown", shown(page), "id", first, "id", second}

	next := w.admin.act("/sync", "page:2", boxes...)
	assert.Contains(t, next.text(), "2 chosen", "from page to page")
	third := strings.Split(shown(next), ",")[0]
	sorted := w.admin.act("/sync", "sort:email", "shown", shown(next), "id", third)
	assert.Contains(t, sorted.text(), "3 chosen", "in another order")
	searched := w.admin.act("/sync", "search", "q", "nobody is called so", "shown", "")
	assert.Contains(t, searched.text(), "3 chosen", "and whatever is looked for")
	back := w.admin.act("/sync", "show")
	assert.Contains(t, back.text(), "3 chosen")

	require.Equal(t, "/sign-in", w.admin.post("/sign-out").Header.Get("Location"))
	w.admin = w.as("admin")
	again := w.admin.get("/sync")
	_, checked := again.rows()
	assert.Equal(t, 2, checked, "after signing in again")

	unchecked := w.admin.act("/sync", "page:2", "shown", shown(again), "id", first)
	assert.Contains(t, unchecked.text(), "2 chosen", "a box of this page that is not checked is not chosen")
	assert.Equal(t, "2", w.admin.post("/sync/chosen", "shown", first+","+second, "id", second).body, "as the script sends it")
	assert.Contains(t, w.admin.act("/sync", "all", "q", "user0001").text(), "12 chosen", "all matching, on whatever page, and those before")
	require.NoError(t, w.app.store.addAccount(t.Context(), "other", "pw", administrator))
	assert.Contains(t, w.as("other").get("/sync").text(), "0 chosen", "everybody has a selection of his own")
	assert.Contains(t, w.admin.act("/sync", "none").text(), "0 chosen")
	assert.Contains(t, w.admin.post("/sync", "do", "plan").text(), "422 ")
}

func TestSelection_OutlivesAnError(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.admin.choose("anna")
	require.NoError(t, w.controller.Close())
	failed := w.admin.post("/sync", "do", "plan", "shown", w.id("anna")+","+w.id("ben"), "id", w.id("anna"), "id", w.id("ben"))
	assert.Equal(t, http.StatusBadGateway, failed.StatusCode)
	assert.Contains(t, failed.text(), "2 chosen")
	_, checked := failed.rows()
	assert.Equal(t, 2, checked)
}

func TestList_SaysWhatDiffers(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben", "carl", "dora")
	w.set("anna", "sn", "Schröder")
	w.set("anna", "mail", "new@corp.example")
	w.set("ben", "telephoneNumber", "+49 30 2")
	require.NoError(t, w.controller.Delete(w.guids["carl"]))
	a := w.admin.get("/sync")
	assert.Contains(t, a.text(), "anna@corp.example Last name, email address")
	assert.Contains(t, a.text(), "ben@corp.example Contact number")
	assert.Contains(t, a.text(), "carl@corp.example Deletion: deleted in the directory")
	assert.Contains(t, a.text(), "All 4 To delete 1 To update 2 Unchanged 1")
	all, _ := w.admin.act("/sync", "state:update").rows()
	assert.Equal(t, 2, all, "a count is a filter")
	text := w.admin.act("/sync", "sort:state").text()
	assert.Less(t, strings.Index(text, "carl@"), strings.Index(text, "anna@"), "what a person should look at comes first")
	assert.Less(t, strings.Index(text, "ben@"), strings.Index(text, "dora@"))
}

func TestDuplicates_AreMarkedBeforeASync(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.exec(`INSERT INTO users (username, email) VALUES ('reception', 'office@corp.example')`)
	w.set("anna", "sAMAccountName", "reception")
	w.set("anna", "mail", "office@corp.example")
	a := w.admin.get("/sync")
	assert.Contains(t, a.body, fmt.Sprintf(`<input type="checkbox" name="id" value="%s" aria-label="Select Anna Person" disabled>`, w.id("anna")))
	assert.NotContains(t, a.body, `aria-label="Select Ben Person" disabled`)
	assert.Contains(t, a.text(), "Username already exists: reception · reception Email address already exists: office@corp.example · reception What can be done?")
	assert.Contains(t, a.body, `<a href="/users/`+w.id("reception")+`" title="Show who has it">`)

	path, _ := w.admin.plan()
	assert.NotContains(t, w.admin.get(path).text(), "Anna", "nobody means the duplicates by all")
	w.admin.choose("anna")
	assert.Contains(t, w.admin.post("/sync", "do", "plan").text(), "Choose at least one user.", "a forged form chooses nobody either")
}

func TestDuplicates_AreNoDeadEnd(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.exec(`INSERT INTO users (username, first_name) VALUES ('reception', 'Rita')`)
	w.set("anna", "sAMAccountName", "reception")
	w.set("anna", "mail", "ben@corp.example")
	w.admin.get("/sync")
	page := w.admin.get("/users/" + w.id("anna"))
	assert.Contains(t, page.text(), "Who has it keeps it")
	assert.Contains(t, page.text(), "Rita , a local user, has it. Change it here : give Rita another username.")
	assert.Contains(t, page.text(), "Ben Person , who is imported too, has it or asks for it. Change it there : give one of the two accounts another email address in Active Directory")
	assert.Contains(t, page.body, `href="/users/`+w.id("reception")+`#change"`)
	assert.Contains(t, page.body, `href="/users/`+w.id("ben")+`"`)

	assert.Contains(t, w.admin.get("/sync").text(), "Duplicates 1")
	w.admin.post("/users/"+w.id("anna"), "do", "ignore")
	assert.Contains(t, w.admin.get("/sync").text(), "Ignored duplicates 1")
	w.admin.post("/users/"+w.id("anna"), "do", "heed")
	assert.Contains(t, w.admin.get("/sync").text(), "Duplicates 1")

	rita := "/users/" + w.id("reception")
	assert.Contains(t, w.admin.post(rita, "do", "change", "username", "anna").text(), "409 ", "a name that another has")
	assert.Contains(t, w.admin.post(rita, "do", "change", "username", " ").text(), "422 ")
	assert.Equal(t, http.StatusSeeOther, w.admin.post(rita, "do", "change", "username", "desk", "email", "").StatusCode)
	w.set("anna", "mail", "anna@corp.example")
	w.exec(`DELETE FROM comparisons`)
	assert.Contains(t, w.admin.get("/sync").text(), "anna@corp.example Username", "no duplicate any more")
	w.admin.post("/users/"+w.id("ben"), "do", "change", "username", "hijacked")
	assert.NotEmpty(t, w.id("ben"), "whoever is imported is changed in the directory alone")
	assert.Equal(t, http.StatusNotFound, w.admin.get("/users/99999").StatusCode)
}

func TestPage_IsEscaped(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.set("anna", "givenName", "<script>alert(1)</script>")
	pages := []answer{w.admin.get("/sync"), w.admin.get("/users/" + w.id("anna"))}
	path, digest := w.admin.plan("anna")
	pages = append(pages, w.admin.get(path), w.admin.apply(path, digest), w.admin.get("/users"), w.admin.get("/sync"), w.admin.act("/import", "state:any"))
	for i, a := range pages {
		assert.NotContains(t, a.body, "<script>alert", "page %d", i)
		if i > 1 {
			assert.Contains(t, a.body, "&lt;script&gt;alert(1)", "page %d", i)
		}
	}
}

func TestPage_NamesCannotSwapText(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	const evil = "\u202egro.live\u2066\u200b"
	w.set("anna", "sn", evil)
	w.set("ben", "sn", evil)
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	path, digest := w.admin.plan()
	pages := []answer{w.admin.get(path), w.admin.apply(path, digest), w.admin.get("/users"), w.admin.get("/sync"), w.admin.get("/users/" + w.id("anna")), w.admin.act("/import", "state:any")}
	for i, a := range pages {
		assert.NotContains(t, a.body, "\u202e", "page %d", i)
		assert.Contains(t, a.text(), "[U+202E]gro.live[U+2066][U+200B]", "page %d", i)
	}
}

func TestPage_IsLegible(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Zoë": "Zoë", "ศรีสุข": "ศรีสุข", "نور الهاشمي": "نور الهاشمي", "🏳️\u200d🌈": "🏳️\u200d🌈", "می\u200cخواهم": "می\u200cخواهم", "Nguyễn": "Nguyễn",
		"a\u202eb": "a[U+202E]b", "a\tb\x00": "a[U+0009]b[U+0000]", "a\u2028b": "a[U+2028]b", "a\u00adb": "a[U+00AD]b",
		"a" + strings.Repeat("\u0301", 200): "a" + strings.Repeat("\u0301", maxMarks),
	} {
		assert.Equal(t, want, legible(in))
	}
}

func TestList_LongNamesAreCut(t *testing.T) {
	w := newWorld(t)
	w.exec(`UPDATE users SET first_name = ?`, strings.Repeat("é", 5000))
	page := w.admin.get("/users").body
	assert.Contains(t, page, "<bdi>"+strings.Repeat("é", maxShown)+"…</bdi>")
}

func TestComparison_IsGoodForAWhile(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.admin.get("/sync")
	w.set("anna", "sn", "One")
	assert.Contains(t, w.admin.get("/sync").text(), "anna@corp.example nothing")
	assert.Contains(t, w.admin.follow(w.admin.post("/sync", "do", "compare")).text(), "anna@corp.example Last name")
	w.set("anna", "telephoneNumber", "+49 30 2")
	w.exec(`UPDATE comparisons SET made_at = ?`, time.Now().Add(-time.Hour).Unix())
	assert.Contains(t, w.admin.get("/sync").text(), "anna@corp.example Last name, contact number")
}

// What a page asks of the database while it is made may fail, too.
func TestPage_FailsInWords(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.admin.get("/import")
	w.exec(`DROP TABLE import_groups`)
	failed := w.admin.get("/import").text()
	assert.Contains(t, failed, "500 ")
	assert.Contains(t, failed, "That did not work The database could not be reached or refused this. The log says why.")
}
