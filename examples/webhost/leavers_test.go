package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever left is deactivated, waits, and is deleted when the time is up.
func TestLeavers(t *testing.T) { tellOfLeavers(t, newWorld(t, waitsTwoWeeks)) }

func waitsTwoWeeks(c *config) { c.removeAfter = 14 * 24 * time.Hour }

func tellOfLeavers(t *testing.T, w *world) {
	w.people("anna", "ben", "carl")
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	assert.Contains(t, w.admin.get("/sync").text(), "ben@corp.example Deactivation: deleted in the directory, to be removed 14 days later")
	path, digest := w.admin.plan("ben")
	assert.Contains(t, w.admin.get(path).text(), "Ben Person ben Deactivation deleted in the directory, to be removed 14 days later Status active → deactivated")
	assert.Contains(t, w.admin.apply(path, digest).text(), "1 user(s) are deactivated.")

	day := time.Now().Add(14 * 24 * time.Hour).Format("2 January 2006")
	list := w.admin.get("/sync")
	assert.Contains(t, list.text(), "ben@corp.example Leaves on "+day)
	assert.Contains(t, list.text(), "All 3 Leaving 1 Unchanged 2")
	filtered := w.admin.act("/sync", "state:leaving")
	all, _ := filtered.rows()
	assert.Equal(t, 1, all)
	assert.Contains(t, filtered.text(), "ben@corp.example")
	user := w.admin.get("/users/" + w.id("ben")).text()
	assert.Contains(t, user, "Status deactivated")
	assert.Contains(t, user, "Leaves on "+day)
	assert.Contains(t, user, "may not sign in")
	path, _ = w.admin.plan("ben")
	preview := w.admin.get(path).text()
	assert.Contains(t, preview, "Ben Person ben Leaving will be deleted on "+day)
	assert.Contains(t, preview, "There is nothing to apply.")
	assert.Contains(t, w.admin.get("/history/"+path[len("/runs/"):]+".csv").body, `"Leaving","will be deleted on `+day+`"`)
}

func TestLeavers_AreDeletedWhenTheirTimeIsUp(t *testing.T) {
	w := newWorld(t, waitsTwoWeeks)
	w.people("anna", "ben")
	w.company.SetAgo(15)
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	w.company.SetAgo(0)
	w.exec(`UPDATE users SET status = 'deactivated', deactivated_at = ? WHERE username = 'ben'`, time.Now().AddDate(0, 0, -15).Unix())
	assert.Contains(t, w.admin.get("/sync").text(), "ben@corp.example Deletion: deleted in the directory")
	assert.Contains(t, w.admin.sync("ben").text(), "1 user(s) are deleted.")
}

func TestLeavers_ComeBack(t *testing.T) {
	w := newWorld(t, waitsTwoWeeks)
	w.people("anna", "ben")
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	w.admin.sync("ben")
	require.NoError(t, w.controller.Restore(w.guids["ben"]))
	w.exec(`DELETE FROM comparisons`)
	assert.Contains(t, w.admin.get("/sync").text(), "To update 1")
	path, digest := w.admin.plan("ben")
	assert.Contains(t, w.admin.get(path).text(), "present and enabled again Status deactivated → active")
	w.admin.apply(path, digest)
	assert.Equal(t, "active", w.value(`SELECT status FROM users WHERE username = 'ben'`))
}
