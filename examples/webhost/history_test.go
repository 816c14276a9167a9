package main

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestDownloads(t *testing.T) {
	w := newWorld(t)
	w.app.limits = adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1}
	w.people("anna", "ben")
	w.set("anna", "sn", "=1+1")
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	path, digest := w.admin.plan()
	id := strings.TrimPrefix(path, "/runs/")
	planned := w.admin.get("/history/" + id + ".csv")
	assert.Contains(t, planned.body, `"Not applied yet"`, "a preview can be exported")
	w.admin.apply(path, digest)

	a := w.admin.get("/history/" + id + ".csv")
	assert.True(t, strings.HasPrefix(a.body, "\ufeff\"planned\","), "spreadsheets take it for UTF-8")
	assert.Contains(t, a.Header.Get("Content-Disposition"), "attachment")
	for line := range strings.SplitSeq(strings.TrimSuffix(a.body, "\r\n"), "\r\n") {
		assert.Regexp(t, `^\x{feff}?("([^"]|"")*",){12}"([^"]|"")*"$`, line, "everything is quoted")
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.body, "\ufeff"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3, "a deletion is one line")
	byName := map[string][]string{rows[1][4]: rows[1], rows[2][4]: rows[2]}
	assert.Equal(t, []string{"admin", w.id("anna"), "anna", "Anna Person", "Update", "changed in the directory", "Last name", "Person", "'=1+1", "Done", ""}, byName["anna"][2:])
	assert.Equal(t, []string{"Ben Person", "Deletion", "deleted in the directory", "All", "Ben Person ben ben@corp.example +49 30 1", "", "Done", ""}, byName["ben"][5:])

	var file struct {
		Run     struct{ RunBy string }
		Changes []struct {
			Outcome adsync.Outcome
			Change  adsync.Change
		}
	}
	require.NoError(t, json.Unmarshal([]byte(w.admin.get("/history/"+id+".json").body), &file))
	assert.Equal(t, "admin", file.Run.RunBy)
	require.Len(t, file.Changes, 2)
	for _, c := range file.Changes {
		assert.Equal(t, adsync.OutcomeApplied, c.Outcome)
	}
	for _, wrong := range []string{id + ".xml", id, "X.csv"} {
		assert.Equal(t, http.StatusNotFound, w.admin.get("/history/"+wrong).StatusCode, wrong)
	}
}

func TestDefused(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Zoë": "Zoë", "a=1": "a=1", "a - b": "a - b",
		"=1": "'=1", "+49": "'+49", "-1": "'-1", "@x": "'@x", "\t=1": "\t'=1", " =1": " '=1",
		"＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x",
		"a;=1": "a;'=1", "a,=1": "a,'=1", "a\n=1": "a\n'=1", "a|@x": "a|'@x", `a;"=1`: `a;"'=1`, "a;b;=1": "a;b;'=1", "\u200b=1": "\u200b'=1",
	} {
		assert.Equal(t, want, defused(in), "%q", in)
	}
}
