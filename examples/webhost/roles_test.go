package main

import (
	"testing"

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
	assert.Contains(t, list, "anna@corp.example Notice: keeps a role: would lose the role Author, but nothing proves it; the warnings say what to grant or change")
	assert.Contains(t, list, "tokenGroups", "the warning says what to grant")
	assert.Contains(t, list, "ben@corp.example Contact number", "what is written outweighs what is kept")
	path, digest := w.admin.plan()
	assert.Contains(t, w.admin.get(path).text(), "Anna Person anna Notice keeps a role: would lose the role Author, but nothing proves it")
	w.admin.apply(path, digest)
	assert.Contains(t, w.admin.get("/users/"+w.id("anna")).text(), "Roles Author")
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
	w.admin.apply(path, digest)
	assert.Contains(t, w.admin.get("/users/"+w.id("anna")).text(), "Department Sales[U+202E]<b> Manager Ben Person")
	assert.Contains(t, w.admin.get("/history/"+path[len("/runs/"):]+".csv").body, `"Manager","","Ben Person","Done"`)
	w.set("anna", "manager")
	path, _ = w.admin.plan("anna")
	assert.Contains(t, w.admin.get(path).text(), "Manager Ben Person → none")
}
