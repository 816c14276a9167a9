package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
)

// planChosen makes one for those who are chosen in a list.
func (a *app) planChosen(w http.ResponseWriter, r *http.Request, from list) error {
	items, err := a.store.chosenItems(r.Context(), a.account(r).ID, from)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return a.showList(from)(w, r, http.StatusUnprocessableEntity, "Choose at least one user.")
	}
	return a.planAndShow(w, r, from.path[1:], items, a.showList(from))
}

// planAndShow makes a plan and leads to its page. While the directory takes its time,
// that page says so; what fails at once is told where it was asked for.
func (a *app) planAndShow(w http.ResponseWriter, r *http.Request, kind string, items []string, tell teller) error {
	id, by := rand.Text(), a.account(r)
	making := a.begin(id, func(ctx context.Context) error { return a.makePlan(ctx, id, kind, items, by) })
	if a.await(r, making) && making.err != nil {
		status, text := a.explain(r.Context(), making.err)
		return tell(w, r, status, text)
	}
	return redirect(w, r, "/runs/"+id)
}

// makePlan keeps the plan on the server, under the ID.
func (a *app) makePlan(ctx context.Context, id, kind string, items []string, by *account) (err error) {
	var users []string
	people := make([]adsync.ObjectID, 0, len(items))
	if kind == kindSync {
		users, err = a.store.sameUsers(ctx, items, a.source)
		items = users
	} else {
		for _, item := range items {
			id, bad := adsync.ParseObjectID(item)
			people, err = append(people, id), errors.Join(err, bad)
		}
	}
	if err != nil {
		return err
	}
	plan, err := a.plan(ctx, adsync.Rules{}, adsync.OnlyUsers(users...), adsync.ImportEntries(people...))
	if err != nil {
		return err
	}
	made := &run{
		ID: id, Kind: kind, Items: items, Digest: plan.Digest(),
		MadeBy: by.Username, MadeByID: by.ID, MadeAt: time.Now(),
	}
	if errors.As(plan.Check(a.limits), &made.Beyond) {
		made.Beyond.Plan = nil // which is kept already
	}
	return a.store.addRun(ctx, made, plan, made.MadeAt.Add(-a.keepPlans))
}

// planAgain makes the plan again, for those that were chosen or, after a run, for
// those that it left. A plan that was not applied is worth nothing then.
func (a *app) planAgain(w http.ResponseWriter, r *http.Request, old *run) error {
	items := old.Items
	if old.Tally.Written() > 0 || old.Scheduled() {
		var err error
		if items, err = a.store.left(r.Context(), old.ID); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		return a.runPage(w, r, http.StatusConflict, "Nobody is left to plan for.")
	}
	if err := a.store.discardRun(r.Context(), old.ID); err != nil {
		return err
	}
	return a.planAndShow(w, r, old.Kind, items, func(w http.ResponseWriter, r *http.Request, status int, alert string) error {
		return a.render(w, r, status, "error.html", "The plan could not be made", "", alert)
	})
}

// left are those whom a run did not write, or of whom that is not known.
func (s *store) left(ctx context.Context, id string) (items []string, err error) {
	err = s.eachRecord(ctx, id, `AND op IN ('update', 'delete', 'create') AND outcome NOT IN ('applied', 'already')`+inOrder, func(rec record) error {
		if rec.Change.Op == adsync.OpCreate {
			items = append(items, rec.Change.ObjectID.String())
		} else {
			items = append(items, rec.Change.UserID)
		}
		return nil
	})
	slices.Sort(items)
	return slices.Compact(items), err
}

// A plan that would remove too many users, or take a detail from too many, is applied
// only when a person has read who they are and typed how many. It may be wanted that
// this is a second person.

// losses say what the limits count of a change.
func losses(c adsync.Change) (texts []string) {
	before, after := c.Before, c.After
	switch {
	case !writes(c) || before == nil || c.Interim:
		return nil
	case after == nil:
		return []string{"would be removed"}
	}
	had, has := before.Extra.Set(adsync.FieldRoles), after.Extra.Set(adsync.FieldRoles)
	for text, is := range map[string]bool{
		"would be removed":                            leaves(c),
		"would lose a detail":                         slices.ContainsFunc(details, func(d detail) bool { return before.Get(d.field) != "" && after.Get(d.field) == "" }),
		"would get another username or email address": before.Username != after.Username || before.Email != after.Email,
		"would be given a role":                       len(without(has, had)) > 0,
		"would lose a role":                           len(without(had, has)) > 0,
		"would be active again":                       before.Status == adsync.StatusDeactivated && after.Status != before.Status,
	} {
		if is {
			texts = append(texts, text)
		}
	}
	return texts
}

// Losses are what the plan takes, and from whom, by last name.
func (p runPage) Losses() (map[string][]string, error) {
	names := map[string][]string{}
	err := p.store.eachRecord(p.ctx, p.ID, `AND loses ORDER BY name, idx`, func(rec record) error {
		u := rec.Shown.Before
		for _, text := range losses(rec.Shown) {
			names[text] = append(names[text], strings.TrimSpace(strings.Trim(u.LastName+", "+u.FirstName, ", ")+" ("+u.Username+")"))
		}
		return nil
	})
	return names, err
}

func (a *app) mayApprove(r *run, who *account) bool { return !a.secondPerson || r.MadeByID != who.ID }

// approve says what keeps the request from applying the plan; "" is nothing.
func (a *app) approve(r *http.Request, planned *run) (status int, alert string) {
	if planned.Beyond == nil {
		return 0, ""
	}
	if !a.mayApprove(planned, a.account(r)) {
		return http.StatusForbidden, "Somebody other than who made this plan has to approve it. Nothing was changed."
	}
	typed, err := strconv.Atoi(strings.TrimSpace(r.PostFormValue("typed")))
	if err != nil || typed != planned.Beyond.Count {
		return http.StatusUnprocessableEntity, "To approve this plan, type the number of users that the text names. Nothing was changed."
	}
	planned.Approved = true
	return 0, ""
}

// reject ends a plan for good, and keeps who did it and why.
func (a *app) reject(w http.ResponseWriter, r *http.Request, planned *run) error {
	planned.State, planned.RunBy, planned.Note = stateRejected, a.account(r).Username, strings.TrimSpace(r.PostFormValue("comment"))
	planned.StartedAt, planned.EndedAt = time.Now(), time.Now()
	if len(planned.Note) > 8000 {
		return a.runPage(w, r, http.StatusUnprocessableEntity, "The comment is too long.")
	}
	rejected, err := a.store.advance(r.Context(), planned)
	if err != nil {
		return err
	}
	if !rejected {
		return a.runPage(w, r, http.StatusConflict, "This plan was applied or rejected before.")
	}
	return redirect(w, r, "/runs/"+planned.ID)
}
