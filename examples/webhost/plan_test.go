package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestStory(t *testing.T) { tellStory(t, newWorld(t)) }

func tellStory(t *testing.T, w *world) {
	w.people("anna", "ben", "carl")
	w.set("anna", "sn", "Schröder")
	w.set("anna", "telephoneNumber")
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	w.set("carl", "sn", "Not Chosen")

	empty := w.admin.post("/sync", "do", "plan")
	assert.Equal(t, http.StatusUnprocessableEntity, empty.StatusCode)
	assert.Contains(t, empty.text(), "Choose at least one user.")

	path, digest := w.admin.plan("anna", "ben")
	preview := w.admin.get(path).text()
	assert.Contains(t, preview, "A synchronization of 2 users")
	assert.Contains(t, preview, "Anna Person anna Update changed in the directory Last name Person → Schröder Contact number +49 30 1 → none")
	assert.Contains(t, preview, "Ben Person ben Deletion deleted in the directory Anna", "a deletion is one line")
	assert.Contains(t, preview, "Apply: 1 deletion, 1 update")
	assert.NotContains(t, preview, "Not Chosen")
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'anna'`), "nothing is changed yet")

	wrong := w.admin.post(path, "digest", strings.Repeat("0", 64))
	assert.Equal(t, http.StatusConflict, wrong.StatusCode)
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))

	done := w.admin.apply(path, digest)
	assert.Contains(t, done.body, `<dialog open aria-labelledby="outcome"`)
	assert.Contains(t, done.text(), "Synchronizing users with Active Directory has been successful. 1 user(s) details are modified. 1 user(s) are deleted. OK", "0 of something is no news")
	assert.Equal(t, "Schröder", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
	assert.Equal(t, "0", w.value(`SELECT count(*) FROM users WHERE username = 'ben'`))
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'carl'`))
	assert.Contains(t, w.admin.get("/sync").text(), "0 chosen", "they are done")

	again := w.admin.apply(path, digest)
	assert.Contains(t, again.text(), "1 user(s) details are modified.", "a second click does nothing")
	assert.Contains(t, w.admin.get("/history").text(), "admin synchronization done 1 1 CSV JSON")
}

func TestPlan_TradedKeysAreAFootnote(t *testing.T) {
	w := newWorld(t)
	w.app.limits = adsync.Limits{MaxRekeyed: -1}
	w.people("anna", "ben")
	w.set("anna", "mail", "ben@corp.example")
	w.set("ben", "mail", "anna@corp.example")
	path, digest := w.admin.plan()
	preview := w.admin.get(path).text()
	assert.Contains(t, preview, "Apply: 2 updates")
	assert.Contains(t, preview, "Email address anna@corp.example → ben@corp.example")
	assert.Contains(t, preview, "Email address ben@corp.example → anna@corp.example")
	assert.Contains(t, preview, "1 user makes way with a temporary username or email address for a moment")
	assert.NotContains(t, preview, "adsync", "no temporary value")
	done := w.admin.apply(path, digest).text()
	assert.Contains(t, done, "2 user(s) details are modified.")
	assert.NotContains(t, w.admin.get("/history/"+strings.TrimPrefix(path, "/runs/")+".csv").body, "invalid")
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben", "carl", "dora")
	w.set("dora", "telephoneNumber")
	w.exec(`UPDATE users SET last_name = 'abel' WHERE username = 'ben'`)
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	path, digest := w.admin.plan()
	page := w.admin.get(path)
	assert.Contains(t, page.text(), "This plan removes 2 of the 4 imported users. Without an approval, one run may remove at most 1.")
	assert.NotContains(t, page.text(), "MaxRemoval")
	assert.Contains(t, page.text(), "2 users would be removed Find abel, Ben (ben) Person, Anna (anna) 1 user would lose a detail Find Person, Dora (dora)", "by last name")
	assert.Contains(t, page.body, `<div class="names" role="region" aria-label="Names" tabindex="0">`, "a region that scrolls and can be focused")
	assert.NotContains(t, page.text(), "Apply: 2")
	assert.NotContains(t, page.text(), "would be active again", "which nobody would")

	for _, typed := range [][]string{{}, {"typed", ""}, {"typed", "3"}, {"typed", "yes"}, {"approve", digest}} {
		a := w.admin.post(path, append([]string{"digest", digest}, typed...)...)
		assert.Equal(t, http.StatusUnprocessableEntity, a.StatusCode)
		assert.Contains(t, a.text(), "type the number of users")
		require.Equal(t, "4", w.value(`SELECT count(*) FROM users WHERE directory <> ''`))
	}
	done := w.admin.apply(path, digest, "typed", " 2 ").text()
	assert.Contains(t, done, "2 user(s) are deleted.")
	assert.Contains(t, done, "Approved by admin")
	assert.Equal(t, "2", w.value(`SELECT count(*) FROM users WHERE directory <> ''`))
}

// Each limit has words of its own, and names whom it counts.
func TestLimits_HaveWords(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben", "carl")
	for _, login := range []string{"anna", "ben"} {
		w.exec(`UPDATE users SET status = 'deactivated' WHERE username = ?`, login)
	}
	active, _ := w.admin.plan("anna", "ben")
	page := w.admin.get(active).text()
	assert.Contains(t, page, "This plan makes 2 of the 3 imported users active again.")
	assert.Contains(t, page, "2 users would be active again Find Person, Anna (anna) Person, Ben (ben)")
	w.exec(`UPDATE users SET status = 'active'`)
	w.set("anna", "sAMAccountName", "annabel")
	w.set("ben", "mail", "benny@corp.example")
	renamed, _ := w.admin.plan("anna", "ben")
	page = w.admin.get(renamed).text()
	assert.Contains(t, page, "This plan changes the username or email of 2 of the 3 imported users.")
	assert.Contains(t, page, "2 users would get another username or email address Find Person, Anna (anna) Person, Ben (ben)")
}

// The limits count when a plan is applied, too.
func TestLimits_BeyondThemByThen(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben", "carl", "dora")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	w.app.limits = adsync.Limits{MaxRemovalRatio: 0.5}
	path, digest := w.admin.plan()
	w.app.limits = adsync.Limits{}
	refused := w.admin.apply(path, digest).text()
	assert.Contains(t, refused, "admin tried to apply this plan")
	assert.Contains(t, refused, "This plan removes 2 of the 4 imported users.")
	assert.Contains(t, w.admin.get("/history").text(), "refused", "who tried it is in the history")
	require.Equal(t, "4", w.value(`SELECT count(*) FROM users WHERE directory <> ''`))
	assert.Contains(t, w.admin.apply(path, digest, "typed", "2").text(), "2 user(s) are deleted.")
}

func TestPlan_Reject(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben", "carl", "dora")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	path, digest := w.admin.plan()
	rejected := w.admin.follow(w.admin.post(path, "do", "reject", "comment", "Ask Carl <first>"))
	assert.Contains(t, rejected.text(), "This plan was rejected. admin rejected it: Ask Carl <first> Nothing was changed.")
	assert.Contains(t, w.admin.get("/history").text(), "admin synchronization rejected")
	late := w.admin.apply(path, digest, "typed", "2").text()
	assert.Contains(t, late, "This plan was rejected.")
	assert.Equal(t, "4", w.value(`SELECT count(*) FROM users WHERE directory <> ''`))
	again := w.admin.post(path, "do", "reject", "comment", "me too")
	assert.Equal(t, http.StatusConflict, again.StatusCode)
}

func TestPlan_SecondPerson(t *testing.T) {
	w := newWorld(t, func(c *config) { c.secondPerson = true })
	w.people("anna", "ben", "carl", "dora")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	path, digest := w.admin.plan()
	assert.Contains(t, w.admin.get(path).text(), "You made this plan. Somebody else has to approve it.")
	assert.Equal(t, http.StatusForbidden, w.admin.post(path, "digest", digest, "typed", "2").StatusCode)
	require.Equal(t, "4", w.value(`SELECT count(*) FROM users WHERE directory <> ''`))
	require.NoError(t, w.app.store.addAccount(t.Context(), "bob", "pw", administrator))
	assert.Contains(t, w.as("bob").apply(path, digest, "typed", "2").text(), "2 user(s) are deleted.")
}

func TestPlan_Waiting(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.set("anna", "sn", "One")
	require.NoError(t, w.app.store.addAccount(t.Context(), "bob", "pw", administrator))
	path, digest := w.as("bob").plan("anna", "ben")
	id := strings.TrimPrefix(path, "/runs/")
	assert.Contains(t, w.admin.get("/sync").text(), "1 plan waits to be applied or discarded.")
	list := w.admin.get("/history").text()
	assert.Regexp(t, regexp.MustCompile(`Plans that wait .* \d{4}-\d\d-\d\d \d\d:\d\d bob Synchronization of 2 users 1 update waiting CSV JSON Discard`), list, "when, who, what for")
	assert.Contains(t, w.admin.get("/history/"+id+".csv").body, `"Last name","Person","One","Not applied yet"`)

	w.exec(`UPDATE runs SET run = replace(run, ?, ?)`, `"MadeAt":"20`, `"MadeAt":"19`)
	assert.Contains(t, w.admin.get("/history").text(), "too old CSV JSON Plan again Discard")
	old := w.admin.get(path).text()
	assert.Contains(t, old, "This plan is too old to be applied")
	assert.NotContains(t, old, "Apply:")
	refused := w.admin.post(path, "digest", digest)
	assert.Equal(t, http.StatusConflict, refused.StatusCode)
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
	w.set("anna", "sn", "Two")
	anew := w.admin.follow(w.admin.post(path, "do", "again"))
	assert.Contains(t, anew.text(), "A synchronization of 2 users, planned by admin")
	assert.Contains(t, anew.text(), "Last name Person → Two")
	assert.Equal(t, http.StatusNotFound, w.admin.get(path).StatusCode, "the old one is worth nothing")
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM runs`))

	newer := "/runs/" + w.value(`SELECT id FROM runs`)
	assert.NotContains(t, w.admin.follow(w.admin.post(newer, "do", "discard")).text(), "Plans that wait")
	assert.Equal(t, "0", w.value(`SELECT count(*) FROM run_changes`), "nothing of it is left")
}

func TestPlan_WaitingOnesArePurged(t *testing.T) {
	w := newWorld(t, func(c *config) { c.keepPlans = 48 * time.Hour })
	w.people("anna")
	w.set("anna", "sn", "One")
	first, _ := w.admin.plan("anna")
	assert.Contains(t, w.admin.get("/history").text(), "After 2 days they are deleted.")
	second, _ := w.admin.plan("anna")
	w.exec(`UPDATE runs SET made_at = ? WHERE id = ?`, time.Now().Add(-49*time.Hour).Unix(), strings.TrimPrefix(first, "/runs/"))
	third, digest := w.admin.plan("anna")
	assert.Equal(t, http.StatusNotFound, w.admin.get(first).StatusCode)
	assert.Equal(t, http.StatusOK, w.admin.get(second).StatusCode)
	w.admin.apply(third, digest)
	w.exec(`UPDATE runs SET made_at = 1`)
	w.set("anna", "sn", "Two")
	w.admin.plan("anna")
	assert.Equal(t, http.StatusNotFound, w.admin.get(second).StatusCode)
	assert.Equal(t, http.StatusOK, w.admin.get(third).StatusCode, "the history stays")
}

// A page of a plan is read without the rest of it.
func TestPlan_Long(t *testing.T) {
	w := newWorld(t)
	w.app.limits = adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1}
	var logins []string
	for i := range 70 {
		logins = append(logins, string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	w.people(logins...)
	for _, login := range logins[:60] {
		w.set(login, "telephoneNumber", "+49 30 2")
	}
	for _, login := range logins[60:] {
		require.NoError(t, w.controller.Delete(w.guids[login]))
	}
	path, digest := w.admin.plan()
	page := w.admin.get(path)
	assert.Contains(t, page.text(), "Apply: 10 deletions, 60 updates")
	assert.Equal(t, 50, strings.Count(page.body, `<tr class="update">`)+strings.Count(page.body, `<tr class="delete">`))
	assert.Contains(t, page.text(), "All Deletions 10 Updates 60")
	assert.Equal(t, 20, strings.Count(w.admin.get(path+"?page=2").body, `<tr class="update">`))
	assert.Equal(t, 10, strings.Count(w.admin.get(path+"?show=delete").body, `<tr class="delete">`))
	w.exec(`UPDATE run_changes SET change = 'unreadable' WHERE idx NOT IN (SELECT idx FROM run_changes WHERE op = 'delete')`)
	assert.Equal(t, http.StatusOK, w.admin.get(path+"?show=delete").StatusCode)
	assert.NotEqual(t, http.StatusSeeOther, w.admin.post(path, "digest", digest).StatusCode, "to apply it, all of it is read")
}
