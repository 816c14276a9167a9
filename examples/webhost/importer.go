package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
)

// maxFound is how many people a search shows.
const maxFound = 50

// importPage shows people to choose from.
type importPage struct {
	Query    string
	Searched bool
	Found    []candidate
	Full     bool // there may be more
}

// candidate is somebody of the directory, and why he cannot be imported.
type candidate struct {
	adsync.Entry
	Mark *adsync.Change
}

// Name is what people call the person.
func (c candidate) Name() string { return strings.TrimSpace(c.FirstName + " " + c.LastName) }

// Free reports whether the person can be chosen.
func (c candidate) Free() bool { return c.Mark == nil && !c.Disabled }

func (a *app) showImport(w http.ResponseWriter, r *http.Request) {
	a.render(w, r, http.StatusOK, "import.html", "Import users", importPage{})
}

// searchImport shows the answer itself: what was looked for stays out of URLs.
func (a *app) searchImport(w http.ResponseWriter, r *http.Request) { a.found(w, r, http.StatusOK, "") }

func (a *app) found(w http.ResponseWriter, r *http.Request, status int, alert string) {
	p := importPage{Query: strings.TrimSpace(r.PostFormValue("q")), Searched: true}
	ctx, cancel := context.WithTimeout(r.Context(), a.planTimeout)
	defer cancel()
	err := a.search(ctx, &p)
	if err != nil {
		a.logger.Warn("search failed", "error", err)
		status, alert = explain(err)
		p.Searched = false
	}
	a.renderAlert(w, r, status, "import.html", "Import users", alert, p)
}

// search finds people, and asks a plan who of them could be imported.
func (a *app) search(ctx context.Context, p *importPage) error {
	entries, err := a.directory.Search(ctx, p.Query, maxFound)
	if err != nil {
		return fmt.Errorf("%w: %w", errDirectory, err)
	}
	if len(entries) == 0 {
		return nil
	}
	p.Full = len(entries) == maxFound
	ids := make([]adsync.ObjectID, len(entries))
	for i, e := range entries {
		ids[i] = e.ObjectID
	}
	plan, err := a.plan(ctx, adsync.ImportEntries(ids...))
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := slices.IndexFunc(plan.Changes, func(c adsync.Change) bool { return c.ObjectID == e.ObjectID && c.Op != adsync.OpCreate })
		one := candidate{Entry: e}
		if at >= 0 {
			one.Mark = &plan.Changes[at]
		}
		p.Found = append(p.Found, one)
	}
	return nil
}

// planImport plans the import of the chosen people; it is reviewed and applied
// like any other plan.
func (a *app) planImport(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		a.fail(w, r, err)
		return
	}
	var ids []adsync.ObjectID
	for _, text := range r.PostForm["id"] {
		if id, err := adsync.ParseObjectID(text); err == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		a.found(w, r, http.StatusUnprocessableEntity, "Choose at least one person.")
		return
	}
	plan, err := a.plan(r.Context(), adsync.ImportEntries(ids...))
	if err != nil {
		status, text := explain(err)
		a.found(w, r, status, text)
		return
	}
	a.keepPlan(w, r, "import", plan)
}
