package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestImport(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	for _, p := range [][3]string{{"newbert", "Bert", "New"}, {"newcarl", "Carl", "New"}, {"reception", "Newa", "Recepcja"}, {"newoff", "Olaf", "New"}} {
		require.NoError(t, w.hire(p[0], p[1], p[2], "", "Lagos"))
	}
	require.NoError(t, w.controller.Disable(w.guids["newoff"]))
	w.exec(`INSERT INTO users (username) VALUES ('reception')`)
	box := func(login, name string, disabled string) string {
		return fmt.Sprintf(`name="id" value="%s" aria-label="Select %s"%s>`, adsync.ObjectID(w.guids[login]), name, disabled)
	}
	a := w.admin.get("/import")
	assert.Contains(t, a.body, box("newbert", "Bert New", ""))
	assert.NotContains(t, a.text(), "Olaf", "who is not imported yet and can be, is shown first")
	assert.Contains(t, a.text(), "Duplicates 1 Disabled 3 Imported 1")
	all := w.admin.act("/import", "state:any")
	assert.Contains(t, all.body, box("newoff", "Olaf New", " disabled"))
	assert.Contains(t, all.body, box("reception", "Newa Recepcja", " disabled"))
	assert.Contains(t, all.text(), "Username already exists")
	assert.Contains(t, all.body, `<tr class="imported">`)
	assert.Contains(t, all.body, `<span class="sub">imported already</span>`, "which is nothing to be alarmed about")
	assert.Contains(t, w.admin.act("/import", "search", "q", "*").text(), "Nobody is found.")
	assert.Contains(t, w.admin.post("/import", "do", "plan").text(), "422 ")

	var forged []string
	for _, login := range []string{"reception", "newoff", "anna"} {
		id := adsync.ObjectID(w.guids[login]).String()
		forged = append(forged, "shown", id, "id", id)
		assert.Contains(t, w.admin.post("/import", append(forged, "do", "plan")...).text(), "422 ", "who cannot be imported is not chosen")
	}

	bert := adsync.ObjectID(w.guids["newbert"]).String()
	made := w.admin.post("/import", "do", "plan", "shown", bert, "id", bert)
	preview := w.admin.follow(made)
	assert.Contains(t, preview.text(), "An import of 1 person")
	assert.Contains(t, preview.text(), "Apply: 1 import")
	assert.Contains(t, preview.text(), "Username none → newbert")
	assert.Equal(t, "0", w.value(`SELECT count(*) FROM users WHERE username = 'newbert'`))
	done := w.admin.apply(made.Header.Get("Location"), digestOn(t, preview)).text()
	assert.Contains(t, done, "Importing users from Active Directory has been successful. 1 user(s) are imported. OK", "an import is an import")
	assert.Equal(t, "newbert@corp.example", w.value(`SELECT email FROM users WHERE username = 'newbert'`))
	assert.Equal(t, "", w.value(`SELECT role FROM users WHERE username = 'newbert'`), "whoever is imported may not sign in")
	assert.Contains(t, w.admin.get("/import").text(), "Imported 2")
}

func TestImport_FindsAWholeOrganization(t *testing.T) {
	w := newWorld(t)
	for i := range 120 {
		require.NoError(t, w.hire(fmt.Sprintf("user%03d", i), "First", fmt.Sprintf("Last%03d", i), "", []string{"Berlin", "Lagos", "A_B"}[i%3]))
	}
	below, err := w.controller.AddOU("Sales", "OU=Berlin,"+w.controller.BaseDN())
	require.NoError(t, err)
	require.NoError(t, w.controller.Move(w.guids["user000"], below))
	a := w.admin.get("/import")
	assert.Contains(t, a.text(), "Not imported yet 122", "more than a search would answer with")
	assert.Contains(t, a.text(), "of 3 Go Next")
	assert.Contains(t, w.admin.get("/import?page=3").text(), "user119")
	assert.Contains(t, a.text(), "Berlin/ Berlin/Sales/ Lagos/")
	assert.Contains(t, w.admin.act("/import", "search", "unit", "Berlin/").text(), "Choose all 40 matching", "with what is below")
	assert.Contains(t, w.admin.act("/import", "search", "unit", "Berlin/Sales/").text(), "Choose all 1 matching")
	assert.Contains(t, w.admin.act("/import", "search", "unit", "A_B/").text(), "Choose all 40 matching")

	w.admin.act("/import", "all", "unit", "Lagos/")
	made := w.admin.post("/import", "do", "plan", "unit", "Lagos/")
	preview := w.admin.follow(made)
	assert.Contains(t, preview.text(), "Apply: 40 imports")
	done := w.admin.apply(made.Header.Get("Location"), digestOn(t, preview)).text()
	assert.Contains(t, done, "40 user(s) are imported.")
	assert.Contains(t, w.admin.act("/import", "state:new").text(), "Not imported yet 82 Disabled 2 Imported 40")
}

func TestImport_WithoutADirectory(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.hire("anna", "Anna", "Person", "", "Berlin"))
	require.Contains(t, w.admin.get("/import").text(), "anna")
	require.NoError(t, w.controller.Close())
	a := w.admin.follow(w.admin.post("/import", "do", "compare"))
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.Contains(t, a.text(), "Active Directory could not be compared just now.")
	assert.Contains(t, a.text(), "anna", "who was there before is still shown")
}

// The groups of the directory are there to choose from, and who is in one is shown, by way
// of other groups, too.
func TestImport_ByGroup(t *testing.T) {
	w := newWorld(t)
	for _, login := range []string{"anna", "ben", "carl", "dora"} {
		require.NoError(t, w.hire(login, strings.ToUpper(login[:1])+login[1:], "Person", "", "Berlin"))
	}
	inner, err := w.controller.CreateGroup(fakead.Group{Name: "Inner (*)", Members: []fakead.GUID{w.guids["ben"]}})
	require.NoError(t, err)
	_, err = w.controller.CreateGroup(fakead.Group{Name: "Outer", Members: []fakead.GUID{w.guids["anna"], inner}})
	require.NoError(t, err)
	page := w.admin.get("/import")
	assert.Contains(t, page.body, `<option value="Inner (*)">Inner (*)</option>`)
	assert.Contains(t, page.body, `<option value="Outer">`)
	assert.Contains(t, page.body, `<option value="Domain Users">`)
	assert.NotContains(t, page.body, `<option value="Administrators">`, "those that came with the domain are for its own rights")

	outer := w.admin.act("/import", "search", "group", "Outer")
	assert.Contains(t, outer.text(), "People in the group Outer , also by way of other groups")
	assert.Contains(t, outer.text(), "Choose all 2 matching")
	assert.Contains(t, outer.text(), "anna@corp.example")
	assert.Contains(t, outer.text(), "ben@corp.example")
	assert.NotContains(t, outer.text(), "carl@corp.example")
	assert.Contains(t, outer.body, `<option value="Outer" selected>`)
	assert.Contains(t, w.admin.act("/import", "search", "group", "Inner (*)").text(), "Choose all 1 matching", "no star finds more")
	assert.Contains(t, w.admin.act("/import", "search", "group", "outer").text(), "Choose all 2 matching", "in any case")

	require.NoError(t, w.controller.Join(inner, w.guids["carl"]))
	assert.Contains(t, w.admin.act("/import", "compare", "group", "Outer").text(), "Choose all 3 matching")
	require.NoError(t, w.controller.Leave(inner, w.guids["carl"]))
	assert.Contains(t, w.admin.act("/import", "compare", "group", "Outer").text(), "Choose all 2 matching", "who has left is not in it any more")
	w.admin.act("/import", "all", "group", "Outer")
	made := w.admin.post("/import", "do", "plan", "group", "Outer")
	preview := w.admin.follow(made)
	assert.Contains(t, preview.text(), "Apply: 2 imports")
	assert.Contains(t, w.admin.apply(made.Header.Get("Location"), digestOn(t, preview)).text(), "2 user(s) are imported.")
	assert.Contains(t, w.admin.act("/import", "search", "group", "Outer").text(), "Imported 2")
	require.NoError(t, w.controller.Delete(inner))
	assert.NotContains(t, w.admin.act("/import", "compare").body, "Inner", "a group that is gone is not suggested")
}

func TestImport_OfAGroupThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	for _, name := range []string{"Pressroom", "Pressmen", "*)(cn=*", "5b1e0f0a-1c2d-4e3f-8a9b-0c1d2e3f4a5b", "a=b"} {
		if strings.HasPrefix(name, "Press") {
			_, err := w.controller.CreateGroup(fakead.Group{Name: name})
			require.NoError(t, err)
		}
	}
	for _, name := range []string{"Press", "*)(cn=*", "5b1e0f0a-1c2d-4e3f-8a9b-0c1d2e3f4a5b", "a=b", "<script>"} {
		page := w.admin.act("/import", "search", "group", name)
		assert.Contains(t, page.text(), "There is no group of this name. Those whose names begin so are suggested now.", name)
		assert.Contains(t, page.text(), "Nobody is found.", name)
		assert.NotContains(t, page.body, "<script>alert", name)
		assert.NotContains(t, page.body, `value="<script>"`, name)
	}
}

// Somebody who looks for groups again and again must not lock the service account.
func TestImport_SendsAWrongPasswordOnce(t *testing.T) {
	w := newWorld(t, func(c *config) { c.ad.Bind = activedirectory.SimpleBind(serviceAccount, "wrong") })
	w.people("anna")
	w.controller.ForgetRequests()
	for _, group := range []string{"A", "B", "C"} {
		page := w.admin.act("/import", "search", "group", group).text()
		assert.Contains(t, page, "Active Directory refused the service account's name or password.")
	}
	refused := 0
	for _, r := range w.controller.Requests() {
		if r.Op == fakead.OpBind && r.Code != 0 {
			refused++
		}
	}
	assert.Equal(t, 1, refused)
}

// Where a domain has many groups, some are suggested, and any other is found by its name.
func TestImport_ManyGroups(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.hire("anna", "Anna", "Person", "", "Berlin"))
	for i := range maxGroups + 20 {
		_, err := w.controller.CreateGroup(fakead.Group{Name: fmt.Sprintf("group%03d", i), Members: []fakead.GUID{w.guids["anna"]}})
		require.NoError(t, err)
	}
	page := w.admin.get("/import")
	assert.Equal(t, maxGroups, strings.Count(page.body, "></option>"))
	assert.Contains(t, page.text(), "Of the groups, 100 are suggested. Any other is found by its name")
	assert.Contains(t, page.body, `<input id="group" name="group" list="groups"`)
	for _, name := range []string{"group000", "group119"} {
		assert.Contains(t, w.admin.act("/import", "search", "group", name).text(), "Choose all 1 matching")
	}
	assert.Contains(t, w.admin.act("/import", "search", "group", "group11").body, `<option value="group118"></option>`, "found by the beginning of its name")
}

// A group that cannot be seen whole says so.
func TestImport_OfAHiddenGroup(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.hire("anna", "Anna", "Person", "", "Berlin"))
	inner, err := w.controller.CreateGroup(fakead.Group{Name: "Inner"})
	require.NoError(t, err)
	_, err = w.controller.CreateGroup(fakead.Group{Name: "Outer", Members: []fakead.GUID{w.guids["anna"], inner}})
	require.NoError(t, err)
	require.NoError(t, w.controller.Hide(serviceAccount, w.controller.DN(inner)))
	page := w.admin.act("/import", "search", "group", "Outer").text()
	assert.Contains(t, page, "The service account cannot see all members of this group, or of a group in it. Nobody is shown, as some would be missing.")
	assert.Contains(t, page, "Nobody is found.")
}

// By keyboard, and then those of an office: all at once.
func TestImport_ByGroupInABrowser(t *testing.T) {
	b := openBrowser(t)
	site, password, g := openDemoSite(t)
	close(g.open)
	b.signIn(site, "administrator", password)
	b.do(click(`a.button[href="/import"]`), visible("#group"), chromedp.SendKeys(chromedp.CSS("#group"), "Auth"))
	b.tabTo(`[value="search"]`)
	b.do(chromedp.KeyEvent("\r"), visible(`[value="show"]`))
	b.do(click(`[value="state:any"]`), visible("tr.imported"))
	b.accessible("import-group")
	assert.Equal(t, 1, in(b, "boxes", chromedp.Evaluate[int](`document.querySelectorAll("[name=id]:not(:disabled)").length`)), "the others of the group are imported already")
	assert.Contains(t, b.text("main"), "People in the group Authors")
	b.do(click(`[value="show"]`), chromedp.WaitNotPresent(chromedp.CSS(`[value="show"]`)), chromedp.SendKeys(chromedp.CSS("#unit"), "Cop"), click(`[value="search"]`), visible(`[value="show"]`), click(`[value="all"]`))
	b.textBecomes("[data-chosen]", "2")
	b.do(click(`[value="plan"]`), visible(".changes"))
	assert.Contains(t, b.text(".changes"), "Press")
	assert.Contains(t, b.text(".changes"), "Zoë Müller", "the manager by his name")
	assert.Contains(t, b.text(".changes"), "+ Author")
	b.accessible("import-preview")
	b.do(click(`[value="apply"]`), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "2 user(s) are imported.")
}

// Where there are many groups, in a browser, and with names that want to break the page.
func TestImport_ManyGroupsInABrowser(t *testing.T) {
	b := openBrowser(t)
	w := newWorld(t)
	require.NoError(t, w.hire("anna", "Anna", "Person", "", "Berlin"))
	evil := "zz " + strings.Repeat("W", 40) + "\u202e<i>"
	for i := range maxGroups {
		_, err := w.controller.CreateGroup(fakead.Group{Name: fmt.Sprintf("group%03d", i)})
		require.NoError(t, err)
	}
	_, err := w.controller.CreateGroup(fakead.Group{Name: evil, Members: []fakead.GUID{w.guids["anna"]}})
	require.NoError(t, err)
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/import"]`), visible("input#group"), chromedp.SendKeys(chromedp.CSS("#group"), "zz\r"), visible(`[value="show"]`))
	assert.Contains(t, b.text("main"), "There is no group of this name.")
	b.accessible("import-no-group")
	in(b, "group", chromedp.Evaluate[int](`document.querySelector("#group").value = [...document.querySelectorAll("#groups option")].find(o => o.value.startsWith("zz")).value; 0`))
	b.do(click(`[value="search"]`), visible("td.box input"))
	assert.Contains(t, b.text("main"), "People in the group zz WWW")
	b.accessible("import-many-groups")
}
