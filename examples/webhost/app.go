package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// config is how the host is set up.
type config struct {
	store     *store
	users     adsync.UserStore       // over the same database
	directory adsync.Directory       // nil switches synchronization off: neither links nor pages
	ad        activedirectory.Config // how it is read; its groups give the roles
	source    string                 // Source of the users who are imported from this directory
	limits    adsync.Limits
	secure    bool // the site is reached over TLS
	proxied   bool // by a proxy in front, which adds the visitor's address to X-Forwarded-For
	logger    *slog.Logger

	every        time.Duration // between scheduled runs; 0: there are none
	webhook      string        // the address that hears when the schedule gets into trouble, and out of it
	postTimeout  time.Duration // to tell it; default 10 seconds
	removeAfter  time.Duration // how long whoever left is deactivated before being deleted; 0 is not at all
	secondPerson bool          // whoever approves a plan beyond the limits is not who made it
	planTimeout  time.Duration // to plan; default 1 minute
	runTimeout   time.Duration // to apply; default 10 minutes
	compareEvery time.Duration // how long the marks in a list are good; default 10 minutes
	planAge      time.Duration // until a plan must be made again to be applied; default 1 day
	keepPlans    time.Duration // until a plan that nobody applied is deleted; default 7 days
	patience     time.Duration // how long a page waits for the directory before it shows that it waits; default 1 second
}

// app is the application.
type app struct {
	config
	pages   map[string]*template.Template
	limiter limiter

	ctx        context.Context // ends when the application is closed for good
	cancel     context.CancelFunc
	background sync.WaitGroup

	groups func() (*activedirectory.Directory, error) // kept, as it remembers a refused password

	runs atomic.Int64 // counts each start and end of a run

	schedule atomic.Pointer[schedule]
	mu       sync.Mutex // of changes to it, and of the jobs
	jobs     map[string]*job
}

// newApp makes the application. Close it after the last request.
func newApp(c config) (*app, error) {
	c.postTimeout = cmp.Or(c.postTimeout, 10*time.Second)
	c.planTimeout = cmp.Or(c.planTimeout, time.Minute)
	c.runTimeout = cmp.Or(c.runTimeout, 10*time.Minute)
	c.compareEvery = cmp.Or(c.compareEvery, 10*time.Minute)
	c.planAge = cmp.Or(c.planAge, 24*time.Hour)
	c.keepPlans = cmp.Or(c.keepPlans, 7*24*time.Hour)
	c.patience = cmp.Or(c.patience, time.Second)
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	a := &app{config: c, jobs: map[string]*job{}, pages: parsePages()}
	a.groups = sync.OnceValues(a.openGroups)
	a.ctx, a.cancel = context.WithCancel(context.Background())
	if c.directory == nil {
		a.every = 0
		return a, nil
	}
	if _, err := a.syncer(adsync.Rules{}, nil); err != nil { // wrong rules are told at the start
		return nil, err
	}
	kept, text := &schedule{}, ""
	err := c.store.row(a.ctx, `SELECT state FROM schedule`).Scan(&text)
	if err == nil {
		err = json.Unmarshal([]byte(text), kept)
	}
	a.schedule.Store(kept)
	return a, errors.Join(err, a.settleInterrupted(a.ctx))
}

// close lets what is under way go on until ctx ends, and then cuts it short; what
// was written by then is written, and the history tells it.
func (a *app) close(ctx context.Context) {
	defer a.cancel()
	defer context.AfterFunc(ctx, a.cancel)()
	a.background.Wait()
}

// batchSize is small, so that a run often reports how far it is, and others get their
// turn to write.
const batchSize = 50

// syncer is cheap: each run has its own, which tells of its own progress.
func (a *app) syncer(rules adsync.Rules, onResult func(context.Context, adsync.Change, adsync.Result)) (*adsync.Syncer, error) {
	rules.Source, rules.RemoveAfter = a.source, a.removeAfter
	return adsync.New(a.directory, a.config.users, &adsync.Options{
		Rules: rules, Limits: a.limits, Ledger: a.store.ledger, Logger: a.logger, OnResult: onResult, BatchSize: batchSize,
	})
}

// plan reads both sides.
func (a *app) plan(ctx context.Context, rules adsync.Rules, selection ...adsync.Selection) (*adsync.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, a.planTimeout)
	defer cancel()
	syncer, err := a.syncer(rules, nil)
	if err != nil {
		return nil, err
	}
	return syncer.Plan(ctx, selection...)
}

//go:embed templates static
var files embed.FS

// handler is the whole site.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	static, _ := fs.Sub(files, "static") // a constant, valid path
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.Handle("GET /sign-in", a.page(shows(a.signInPage)))
	mux.Handle("POST /sign-in", a.page(a.signIn))
	mux.Handle("POST /sign-out", a.page(a.signOut))
	mux.Handle("GET /{$}", http.RedirectHandler("/users", http.StatusSeeOther))
	mux.Handle("GET /users", a.as(viewer, shows(a.showList(usersList))))
	mux.Handle("POST /users", a.as(viewer, a.actOnList(usersList)))
	mux.Handle("GET /users/{id}", a.as(viewer, shows(a.userPage)))
	mux.Handle("POST /users/{id}", a.as(administrator, a.changeUser))
	if a.directory != nil {
		a.syncRoutes(mux)
	}
	mux.Handle("/", a.as(viewer, a.notFound))
	return a.guarded(http.NewCrossOriginProtection().Handler(mux))
}

// syncRoutes are the pages of the synchronization. They exist only where it is
// switched on, and for administrators alone.
func (a *app) syncRoutes(mux *http.ServeMux) {
	for pattern, page := range map[string]handler{
		"GET /sync":           shows(a.showList(a.syncList())),
		"POST /sync":          a.actOnList(a.syncList()),
		"POST /sync/chosen":   a.keepChosen(a.syncList()),
		"GET /import":         shows(a.showList(a.importList())),
		"POST /import":        a.actOnList(a.importList()),
		"POST /import/chosen": a.keepChosen(a.importList()),
		"GET /runs/{id}":      shows(a.runPage),
		"POST /runs/{id}":     a.actOnRun,
		"GET /history":        a.history,
		"GET /history/{file}": a.download,
		"POST /schedule":      a.actOnSchedule,
	} {
		mux.Handle(pattern, a.as(administrator, page))
	}
}

// guarded forbids browsers all that the pages do not need. The pages hold people's data:
// nothing keeps them. It logs the pattern of a request, never its address or what it
// carries.
func (a *app) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, h := time.Now(), w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if a.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		next.ServeHTTP(w, r)
		a.logger.Info("request", "pattern", r.Pattern, "took", time.Since(start).Round(time.Millisecond))
	})
}

// page is what every template gets.
type page struct {
	Title   string
	Account *account // nil: nobody is signed in
	SyncOn  bool
	Menu    string // which of its items is shown
	Alert   string
	Data    any

	Schedule *schedule // nil: there is none
	Every    time.Duration
}

// Administrator reports whether the pages of the synchronization are for them.
func (p page) Administrator() bool { return p.Account != nil && p.Account.Role == administrator }

// parsePages makes each page of what all have in common and of its own template.
func parsePages() map[string]*template.Template {
	base := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/list.html", "templates/schedule.html"))
	names, _ := fs.Glob(files, "templates/*.html") // a valid pattern
	pages := map[string]*template.Template{}
	for _, name := range names {
		pages[path.Base(name)] = template.Must(template.Must(base.Clone()).ParseFS(files, name))
	}
	return pages
}

// functions are what the templates call.
var functions = template.FuncMap{
	"when": func(t time.Time) string { return t.Format("2006-01-02 15:04") },
	"clock": func(t time.Time) string {
		return t.Format(map[bool]string{true: "15:04", false: "2006-01-02 15:04"}[time.Since(t).Abs() < 20*time.Hour])
	},
	"count": counted, "day": day,
	"ops": func() []adsync.Op { return ops },
	"add": func(a, b int) int { return a + b },
	"bdi": bdi, "legible": legible, // names: the one as text, the other in an attribute
	"sorted": func(f filter, column string) template.HTMLAttr {
		order := map[bool]string{false: "ascending", true: "descending"}[f.Desc]
		return template.HTMLAttr(` aria-sort="` + map[bool]string{false: "none", true: order}[f.Sort == column] + `"`)
	},
	"sentence": func(text string) string { return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "." },
	"say":      say, "lower": strings.ToLower,
}

// bdi shows a text that somebody else wrote: it changes no direction of writing but its
// own, and hides nothing.
func bdi(text string) template.HTML {
	if runes := []rune(text); len(runes) > maxShown {
		text = string(runes[:maxShown]) + "…"
	}
	return template.HTML("<bdi>" + template.HTMLEscapeString(legible(text)) + "</bdi>")
}

// maxShown is more characters than a domain lets any of these details have.
const maxShown = 256

// maxMarks is how many marks a letter may bear; no language stacks more.
const maxMarks = 4

// legible makes characters visible that would steer or hide a text: controls,
// overrides of the direction, and piles of marks on one letter. The joiners that
// scripts and emoji need stay.
func legible(text string) string {
	var b strings.Builder
	marks := 0
	for _, r := range text {
		marks++
		switch {
		case !unicode.Is(unicode.M, r):
			marks = 0
		case marks > maxMarks:
			continue
		}
		const joiners = "\u200c\u200d"
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) && !strings.ContainsRune(joiners, r) {
			fmt.Fprintf(&b, "[%U]", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// handler answers a request, or returns why it could not.
type handler func(http.ResponseWriter, *http.Request) error

// page answers with an error page where the handler failed. It says what is true of the
// error, in words; the log has the error itself.
func (a *app) page(answer handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := answer(w, r)
		if errors.Is(err, sql.ErrNoRows) {
			err = a.notFound(w, r)
		}
		if err != nil {
			status, text := a.explain(r.Context(), err)
			a.logger.Warn("request failed", "pattern", r.Pattern, "error", err)
			if a.render(w, r, status, "error.html", "That did not work", "", text) != nil {
				http.Error(w, text, status)
			}
		}
	})
}

// teller shows a page that begins with an alert, which says why something was not done.
type teller func(w http.ResponseWriter, r *http.Request, status int, alert string) error

// shows is the page without an alert.
func shows(page teller) handler {
	return func(w http.ResponseWriter, r *http.Request) error { return page(w, r, http.StatusOK, "") }
}

func (a *app) notFound(w http.ResponseWriter, r *http.Request) error {
	return a.render(w, r, http.StatusNotFound, "error.html", "Not found", "", "There is no such page.")
}

// render shows a page, which begins with an alert unless that is "". It is made whole
// before the first byte is sent, so that no page breaks off.
func (a *app) render(w http.ResponseWriter, r *http.Request, status int, name, title, alert string, data any) error {
	menu, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	p := page{Title: title, Account: a.account(r), SyncOn: a.directory != nil, Menu: menu, Alert: alert, Data: data}
	if p.Administrator() && a.every > 0 {
		p.Schedule, p.Every = a.schedule.Load(), a.every
	}
	var b bytes.Buffer
	if err := a.pages[name].ExecuteTemplate(&b, "layout.html", p); err != nil {
		return err // also of what the page asked of the database
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the browser may be gone, which is its affair
	return nil
}

func redirect(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
