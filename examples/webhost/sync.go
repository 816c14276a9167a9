package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-adsync/adsync"
)

// managed are the users whom the page lists: those imported from the directory
// that is configured here.
const managed = "u.object_id IS NOT NULL AND u.directory = ?"

// syncPage is the list to choose from.
type syncPage struct {
	*listing
	States   []stateOption
	Imported int // all imported, whatever the filter
	Survey   *survey
	Trouble  string // why there is no newer look at the directory
	Running  *run
}

// List is the part that other lists have, too.
func (p syncPage) List() *listing { return p.listing }

type stateOption struct{ Value, Text string }

// states are what the list can be filtered by.
var states = []stateOption{
	{"unchanged", "As in the directory"},
	{string(adsync.OpUpdate), "To update"},
	{string(adsync.OpDelete), "To delete"},
	{string(adsync.OpDuplicate), "Duplicate"},
	{string(adsync.OpNotice), "Notice"},
	{string(adsync.OpInvalid), "Invalid"},
}

const syncTitle = "Active Directory Synchronization"

func (a *app) showSync(w http.ResponseWriter, r *http.Request) {
	a.syncPage(w, r, http.StatusOK, "")
}

func (a *app) syncPage(w http.ResponseWriter, r *http.Request, status int, alert string) {
	l, err := a.listing(r, "/sync")
	if err != nil {
		a.fail(w, r, err)
		return
	}
	p := syncPage{listing: l, States: states}
	if err := a.lookAround(r.Context(), false); err != nil {
		_, p.Trouble = explain(err)
	}
	if p.Survey, err = a.store.survey(r.Context()); err != nil {
		a.fail(w, r, err)
		return
	}
	if p.Running, err = a.store.running(r.Context()); err != nil {
		a.fail(w, r, err)
		return
	}
	if err := a.store.row(r.Context(), `SELECT count(*) FROM users u WHERE `+managed, a.source).Scan(&p.Imported); err != nil {
		a.fail(w, r, err)
		return
	}
	if err := a.store.fill(r.Context(), l, managed, a.source); err != nil {
		a.fail(w, r, err)
		return
	}
	a.renderAlert(w, r, status, "sync.html", syncTitle, alert, p)
}

// refusal is a look at the directory that failed. It is not tried again at once:
// nobody waits for a dead controller on every page.
type refusal struct {
	err error
	at  time.Time
}

const refusalAge = 30 * time.Second

// lookAround plans a sync of everybody, to mark duplicates before one is chosen.
// It applies nothing. A look is good for a while, unless anew asks for another.
func (a *app) lookAround(ctx context.Context, anew bool) error {
	ctx = context.WithoutCancel(ctx) // it is for all, also when who began it leaves
	a.surveyMu.Lock()                // who comes meanwhile finds the work done
	defer a.surveyMu.Unlock()
	now := time.Now()
	if !anew {
		if a.refusal.err != nil && now.Sub(a.refusal.at) < refusalAge {
			return a.refusal.err
		}
		latest, err := a.store.survey(ctx)
		if err != nil || latest != nil && now.Sub(latest.MadeAt) < a.surveyAge {
			return err
		}
	}
	plan, err := a.plan(ctx)
	if err == nil {
		err = a.store.keepSurvey(ctx, plan, now)
	}
	a.refusal = refusal{err, now}
	return err
}

func (a *app) plan(ctx context.Context, selection ...adsync.Selection) (*adsync.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, a.planTimeout)
	defer cancel()
	syncer, err := a.syncer(nil)
	if err != nil {
		return nil, err
	}
	plan, err := syncer.Plan(ctx, selection...)
	if err != nil {
		a.logger.Warn("not planned", "error", err)
	}
	return plan, err
}

func (a *app) surveyAgain(w http.ResponseWriter, r *http.Request) {
	if err := a.lookAround(r.Context(), true); err != nil {
		a.logger.Warn("not compared", "error", err) // the page says so, too
	}
	http.Redirect(w, r, "/sync", http.StatusSeeOther)
}

// planSync plans for the chosen users and shows what would change.
func (a *app) planSync(w http.ResponseWriter, r *http.Request) {
	ids, err := a.chosen(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if len(ids) == 0 {
		a.syncPage(w, r, http.StatusUnprocessableEntity, "Choose at least one user.")
		return
	}
	plan, err := a.plan(r.Context(), adsync.OnlyUsers(ids...))
	if err != nil {
		status, text := explain(err)
		a.syncPage(w, r, status, text)
		return
	}
	a.keepPlan(w, r, "sync", plan)
}

// chosen lists the users whose boxes are checked, or all that the filter matches.
func (a *app) chosen(r *http.Request) ([]string, error) {
	if r.PostFormValue("which") == "all" {
		l, err := a.listing(r, "/sync")
		if err != nil {
			return nil, err
		}
		return a.store.idsOf(r.Context(), l.Filter, managed, a.source)
	}
	ids := slices.DeleteFunc(slices.Clone(r.PostForm["id"]), func(id string) bool {
		_, err := strconv.ParseInt(id, 10, 64)
		return err != nil
	})
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// keepPlan keeps a plan on the server and leads to its page.
func (a *app) keepPlan(w http.ResponseWriter, r *http.Request, kind string, plan *adsync.Plan) {
	made := &run{
		ID: rand.Text(), Kind: kind, Digest: plan.Digest(), Plan: plan,
		MadeBy: a.account(r).Username, MadeAt: time.Now(),
	}
	if err := a.store.addRun(r.Context(), made); err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/runs/"+made.ID, http.StatusSeeOther)
}
