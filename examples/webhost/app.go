package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-adsync/adsync"
)

// directory is what the application needs of Active Directory. An
// *adsync.ActiveDirectory is one.
type directory interface {
	adsync.Directory
	Search(ctx context.Context, text string, max int) ([]adsync.Entry, error)
}

// config is how the host is set up.
type config struct {
	store     *store
	users     adsync.UserStore // over the same database
	directory directory        // nil switches synchronization off: neither links nor pages
	source    string           // Source of the users who are imported from this directory
	limits    adsync.Limits
	secure    bool // the site is reached over TLS
	logger    *slog.Logger

	planTimeout time.Duration // to plan, while somebody waits; default 1 minute
	runTimeout  time.Duration // to apply; default 10 minutes
	surveyAge   time.Duration // how long the marks in the list are good; default 10 minutes
}

// app is the application.
type app struct {
	config
	pages map[string]*template.Template
	slow  limiter

	ctx    context.Context // ends when the application is closed for good
	cancel context.CancelFunc
	runs   sync.WaitGroup

	mu       sync.Mutex
	live     map[string]*liveRun // runs of this process, by ID
	surveyMu sync.Mutex          // held while the directory is looked at
	refusal  refusal
}

// newApp makes the application. Close it after the last request.
func newApp(c config) (*app, error) {
	c.planTimeout = cmp.Or(c.planTimeout, time.Minute)
	c.runTimeout = cmp.Or(c.runTimeout, 10*time.Minute)
	c.surveyAge = cmp.Or(c.surveyAge, 10*time.Minute)
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	a := &app{config: c, live: map[string]*liveRun{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	var err error
	if a.pages, err = parsePages(); err != nil {
		return nil, err
	}
	if c.directory != nil {
		_, err = a.syncer(nil) // wrong rules are told at the start
	}
	return a, err
}

// close lets the runs that are under way go on until ctx ends, and then cuts them
// short; what was written by then is written, and the history tells it.
func (a *app) close(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.runs.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	a.cancel()
	<-ended
}

// syncer is cheap: each run has its own, which tells of its own progress.
func (a *app) syncer(onResult func(context.Context, adsync.Change, adsync.Result)) (*adsync.Syncer, error) {
	return adsync.New(a.directory, a.config.users, &adsync.Options{
		Rules: adsync.Rules{Source: a.source}, Limits: a.limits, Logger: a.logger, OnResult: onResult,
	})
}

//go:embed templates static
var files embed.FS

// handler is the whole site.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	static, _ := fs.Sub(files, "static") // a constant, valid path
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.HandleFunc("GET /sign-in", a.showSignIn)
	mux.HandleFunc("POST /sign-in", a.signIn)
	mux.HandleFunc("POST /sign-out", a.signOut)
	mux.Handle("GET /{$}", http.RedirectHandler("/users", http.StatusSeeOther))
	mux.Handle("GET /users", a.as(viewer, a.users))
	mux.Handle("POST /users/view", a.as(viewer, a.keepView("/users")))
	if a.directory != nil {
		a.syncRoutes(mux)
	}
	mux.Handle("/", a.as(viewer, a.notFound))
	return a.logged(headers(http.NewCrossOriginProtection().Handler(mux)))
}

// syncRoutes are the pages of the synchronization. They exist only where it is
// switched on, and for administrators alone.
func (a *app) syncRoutes(mux *http.ServeMux) {
	for pattern, page := range map[string]http.HandlerFunc{
		"GET /sync":               a.showSync,
		"POST /sync":              a.planSync,
		"POST /sync/view":         a.keepView("/sync"),
		"POST /sync/survey":       a.surveyAgain,
		"GET /runs/{id}":          a.showRun,
		"POST /runs/{id}":         a.applyRun,
		"GET /runs/{id}/progress": a.progress,
		"GET /import":             a.showImport,
		"POST /import/search":     a.searchImport,
		"POST /import":            a.planImport,
		"GET /history":            a.history,
		"GET /history/{file}":     a.download,
	} {
		mux.Handle(pattern, a.as(administrator, page))
	}
}

// headers forbid browsers all that the pages do not need. The pages hold
// people's data: nothing keeps them.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		next.ServeHTTP(w, r)
	})
}

// logged logs the pattern of a request, never its address or what it carries.
func (a *app) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		a.logger.Info("request", "pattern", r.Pattern, "status", status.status, "took", time.Since(start).Round(time.Millisecond))
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// page is what every template gets.
type page struct {
	Title   string
	Account *account // nil: nobody is signed in
	SyncOn  bool
	Path    string // of the menu
	Alert   string
	Data    any
}

// Administrator reports whether the pages of the synchronization are for them.
func (p page) Administrator() bool { return p.Account != nil && p.Account.Role == administrator }

func parsePages() (map[string]*template.Template, error) {
	base, err := template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		t, err := template.Must(base.Clone()).ParseFS(files, name)
		if err != nil {
			return nil, err
		}
		pages[strings.TrimPrefix(name, "templates/")] = t
	}
	return pages, nil
}

// functions are what the templates call.
var functions = template.FuncMap{
	"when": func(t time.Time) string {
		if t.IsZero() {
			return "–"
		}
		return t.Format("2006-01-02 15:04:05")
	},
	"plural": func(n int, one, more string) string {
		if n == 1 {
			return one
		}
		return more
	},
	"describe":  describe,
	"conflicts": conflictTexts,
}

func (a *app) render(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	a.renderAlert(w, r, status, name, title, "", data)
}

// renderAlert shows a page that begins with what went wrong. It is rendered whole
// before the first byte is sent, so that no page breaks off.
func (a *app) renderAlert(w http.ResponseWriter, r *http.Request, status int, name, title, alert string, data any) {
	path, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	p := page{Title: title, Account: a.account(r), SyncOn: a.directory != nil, Path: path, Alert: alert, Data: data}
	var b bytes.Buffer
	if err := a.pages[name].ExecuteTemplate(&b, "layout.html", p); err != nil {
		a.logger.Error("template", "name", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the browser may be gone, which is its affair
}

func (a *app) notFound(w http.ResponseWriter, r *http.Request) {
	a.render(w, r, http.StatusNotFound, "error.html", "Not found", "There is no such page.")
}

// fail says what is true of an error that ended a request.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := explain(err)
	a.logger.Warn("request failed", "pattern", r.Pattern, "error", err)
	a.render(w, r, status, "error.html", "That did not work", text)
}

// errDirectory is a search that failed; it changes nothing.
var errDirectory = errors.New("adsync: the directory could not be searched")

// explain says an error in words for administrators. The library's errors hold no
// personal data and say what to do; those of drivers may hold anything, and are
// not shown.
func explain(err error) (status int, text string) {
	switch {
	case busy(err):
		return http.StatusServiceUnavailable, "The database is locked by something else. Nothing was changed. Try again in a moment."
	case errors.Is(err, adsync.ErrIncomplete), errors.Is(err, errDirectory):
		return http.StatusBadGateway, sentence(err)
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "That took too long and was given up. Nothing was changed. Try again."
	case strings.HasPrefix(err.Error(), "adsync: "):
		return http.StatusConflict, sentence(err)
	}
	return http.StatusInternalServerError, "The database could not be reached or refused this. The log says why."
}

// sentence is a library error as a sentence for a page.
func sentence(err error) string {
	text := strings.ReplaceAll(err.Error(), "adsync: ", "")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// busy reports whether the database was locked, as SQLite says it, or refused to
// wait for a lock, as PostgreSQL does.
func busy(err error) bool {
	var coded interface{ Code() int } // modernc.org/sqlite's; the low byte is SQLITE_BUSY or SQLITE_LOCKED
	if errors.As(err, &coded) && (coded.Code()&0xff == 5 || coded.Code()&0xff == 6) {
		return true
	}
	var state interface{ SQLState() string }
	return errors.As(err, &state) && state.SQLState() == "55P03"
}
