package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoles_AreGivenAndTakenByGroups(t *testing.T) { tellOfRoles(t, newWorld(t)) }

func tellOfRoles(t *testing.T, w *world) {
	w.people("anna", "ben", "carl")
	require.NoError(t, w.controller.Join(w.groups["Author"], w.guids["anna"]))
	w.set("anna", "telephoneNumber", "+49 30 2")
	assert.Contains(t, w.admin.get("/sync").text(), "anna@corp.example Contact number, roles + Author")
	path, digest := w.admin.plan("anna")
	assert.Contains(t, w.admin.get(path).text(), "Roles + Author in its group now")
	given := w.admin.apply(path, digest).text()
	assert.Contains(t, given, "1 user(s) details are modified. 1 user(s) were given a role. OK")
	assert.Contains(t, given, "Roles + Author in its group now Done")
	assert.Contains(t, w.admin.get("/users/"+w.id("anna")).text(), "Roles Author")
	assert.Equal(t, "directory", w.value(`SELECT given_by FROM user_roles WHERE user_id = CAST(? AS BIGINT) AND role = 'Author'`, w.id("anna")))
	assert.Contains(t, w.admin.get("/history/"+path[len("/runs/"):]+".csv").body, `"Roles","","Author","Done"`)

	require.NoError(t, w.controller.Leave(w.groups["Author"], w.guids["anna"]))
	require.NoError(t, w.controller.Join(w.groups["Reviewer"], w.guids["anna"]))
	assert.Contains(t, w.admin.get("/sync").text(), "anna@corp.example Roles + Reviewer − Author")
	path, digest = w.admin.plan("anna")
	assert.Contains(t, w.admin.get(path).text(), "Roles + Reviewer in its group now − Author in none of its groups any more")
	assert.Contains(t, w.admin.apply(path, digest).text(), "1 user(s) were given a role. 1 user(s) lost a role. OK")
	assert.Contains(t, w.admin.get("/users/"+w.id("anna")).text(), "Roles Reviewer")
	assert.Contains(t, w.admin.get("/history/"+path[len("/runs/"):]+".csv").body, `"Roles","Author","Reviewer","Done"`)
}

// What nothing proves to be lost is kept, and the page says so, also beside what else differs.
func TestRoles_AreKeptWithoutAProof(t *testing.T) {
	w := newWorld(t, func(c *config) { c.limits.MaxRemovalRatio = 1 })
	w.people("anna", "ben")
	for _, login := range []string{"anna", "ben"} {
		require.NoError(t, w.controller.Join(w.groups["Author"], w.guids[login]))
	}
	w.admin.sync()
	for _, login := range []string{"anna", "ben"} {
		require.NoError(t, w.controller.Leave(w.groups["Author"], w.guids[login]))
	}
	require.NoError(t, w.controller.Withhold(serviceAccount, "tokenGroups"))
	w.set("ben", "telephoneNumber", "+49 30 2")
	list := w.admin.get("/sync").text()
	assert.Contains(t, list, "anna@corp.example Role kept: would lose the role Author, but nothing proves it; the warnings say what to grant or change")
	assert.Contains(t, list, "tokenGroups", "the warning says what to grant")
	assert.Contains(t, list, "ben@corp.example Contact number", "what is written outweighs what is kept")
	path, digest := w.admin.plan()
	assert.Contains(t, w.admin.get(path).text(), "Anna Person anna Role kept would lose the role Author, but nothing proves it")
	w.admin.apply(path, digest)
	assert.Contains(t, w.admin.get("/users/"+w.id("anna")).text(), "Roles Author")
}

func TestRoles_GivenToManyNeedAnApproval(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	for _, login := range []string{"anna", "ben"} {
		require.NoError(t, w.controller.Join(w.groups["Author"], w.guids[login]))
	}
	path, _ := w.admin.plan()
	page := w.admin.get(path).text()
	assert.Contains(t, page, "This plan gives a role to 2 of the 2 imported users. Without an approval, one run may give one to at most 1.")
	assert.Contains(t, page, "2 users would be given a role")
}

func TestRoles_OfAllNeedAnApproval(t *testing.T) {
	w := newWorld(t, func(c *config) { c.limits.MaxRemovalRatio = 1 })
	w.people("anna", "ben", "carl")
	for _, login := range []string{"anna", "ben"} {
		require.NoError(t, w.controller.Join(w.groups["Author"], w.guids[login]))
	}
	w.admin.sync()
	for _, login := range []string{"anna", "ben"} {
		require.NoError(t, w.controller.Leave(w.groups["Author"], w.guids[login]))
	}
	path, _ := w.admin.plan()
	page := w.admin.get(path).text()
	assert.Contains(t, page, "This plan takes the role Author from all of the 2 users who have it.")
	assert.Contains(t, page, "2 users would lose a role")
	assert.Contains(t, page, "Person, Anna (anna)")
}

// Two further details, with the manager's name for his account.
func TestDetails_OfWork(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	require.NoError(t, w.hire("dora", "Dora", "Person", "", "Berlin"))
	w.set("anna", "department", "Sales\u202e<b>")
	w.set("anna", "manager", w.controller.DN(w.guids["ben"]))
	w.set("ben", "manager", w.controller.DN(w.guids["dora"]))
	assert.Contains(t, w.admin.get("/sync").text(), "anna@corp.example Department, manager")
	path, digest := w.admin.plan()
	preview := w.admin.get(path).text()
	assert.Contains(t, preview, "Department none → Sales[U+202E]<b> Manager none → Ben Person")
	assert.Contains(t, preview, "Manager none → somebody who is not imported")
	w.admin.get("/import")
	assert.Contains(t, w.admin.get(path).text(), "Manager none → Dora Person", "whom the list of the import knows")
	w.exec(`UPDATE people SET last_name = 'Renamed'`)
	assert.Contains(t, w.admin.get(path).text(), "Manager none → Ben Person", "who is imported has the name that he has here")
	w.admin.apply(path, digest)
	assert.Contains(t, w.admin.get("/users/"+w.id("anna")).text(), "Department Sales[U+202E]<b> Manager Ben Person")
	assert.Contains(t, w.admin.get("/history/"+path[len("/runs/"):]+".csv").body, `"Manager","","Ben Person","Done"`)
	w.set("anna", "manager")
	path, _ = w.admin.plan("anna")
	assert.Contains(t, w.admin.get(path).text(), "Manager Ben Person → none")
}

// Roles, further details and leavers, of people who want to break the page, in a browser.
func TestRoles_InABrowser(t *testing.T) {
	b := openBrowser(t)
	w := newWorld(t, waitsTwoWeeks, func(c *config) { c.limits.MaxRemovalRatio = 1 })
	w.people("anna", "ben", "carl", "dora", "emil")
	long := strings.Repeat("W", 64) + "\u202e" + strings.Repeat("Ä́", 300)
	for _, login := range []string{"anna", "ben", "carl"} {
		w.set(login, "department", "Old")
		require.NoError(t, w.controller.Join(w.groups["Author"], w.guids[login]))
	}
	w.admin.sync()
	require.NoError(t, w.controller.Delete(w.guids["emil"]))
	w.admin.sync("emil")
	w.set("anna", "department", long)
	w.set("anna", "sn", long)
	w.set("ben", "manager", w.controller.DN(w.guids["anna"]))
	require.NoError(t, w.controller.Leave(w.groups["Author"], w.guids["anna"]))
	require.NoError(t, w.controller.Join(w.groups["Reviewer"], w.guids["anna"]))
	require.NoError(t, w.controller.Leave(w.groups["Author"], w.guids["ben"]))
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)

	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/sync"]`), visible("[data-all]"))
	assert.Contains(t, b.text("main"), "Leaves on ")
	b.accessible("roles-sync")
	b.do(click(`[value="state:leaving"]`), visible(`[value="state:leaving"][aria-pressed="true"]`))
	assert.Equal(t, 1, in(b, "rows", chromedp.Evaluate[int](`document.querySelectorAll("tbody tr").length`)))
	b.do(click(`[value="state:any"]`), visible(`[value="state:any"][aria-pressed="true"]`), click(`[value="all"]`))
	b.textBecomes("[data-chosen]", "5")
	b.do(click(`[value="plan"]`), visible(".changes"))
	assert.Contains(t, b.text(".changes"), "− Author in none of its groups any more")
	b.accessible("roles-preview")
	b.do(click(`[value="apply"]`), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "2 user(s) lost a role.")
	b.accessible("roles-box")
	for _, login := range []string{"anna", "ben", "emil"} {
		b.do(chromedp.Navigate(server.URL+"/users/"+w.id(login)), visible("dl"))
		b.accessible("roles-user-" + login)
	}

	require.NoError(t, w.controller.Leave(w.groups["Author"], w.guids["carl"]))
	require.NoError(t, w.controller.Withhold(serviceAccount, "tokenGroups"))
	w.exec(`DELETE FROM comparisons`)
	b.do(chromedp.Navigate(server.URL+"/sync"), visible("[data-all]"))
	assert.Contains(t, b.text("main"), "Role kept: would lose the role Author, but nothing proves it")
	b.accessible("roles-kept")
}

func TestRoles_ApprovalInABrowser(t *testing.T) {
	b := openBrowser(t)
	w := newWorld(t)
	w.people("anna", "ben")
	for _, login := range []string{"anna", "ben"} {
		w.exec(`INSERT INTO user_roles (user_id, role, given_by) VALUES (?, 'Author', 'directory')`, w.id(login))
	}
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/sync"]`), click(`[value="all"]`))
	b.textBecomes("[data-chosen]", "2")
	b.do(click(`[value="plan"]`), visible("#limit"))
	assert.Contains(t, b.text(".limit"), "This plan takes a role from 2 of the 2 imported users.")
	b.accessible("roles-approval")
	b.do(chromedp.SendKeys(chromedp.CSS("#typed"), "2"), click("button.danger"), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "2 user(s) lost a role.")
}
