package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
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
