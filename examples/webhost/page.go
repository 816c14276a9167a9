package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"
	"unicode"
)

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
	base, err := template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/list.html")
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
	"when": func(t time.Time) string { return t.Format("2006-01-02 15:04") },
	"count": func(n int, one, more string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprint(n, " ", more)
	},
	"add": func(a, b int) int { return a + b },
	"bdi": bdi, "legible": legible, // names: the one as text, the other in an attribute
	"sorted": func(f filter, column string) template.HTMLAttr {
		order := map[bool]string{false: "ascending", true: "descending"}[f.Desc]
		return template.HTMLAttr(` aria-sort="` + map[bool]string{false: "none", true: order}[f.Sort == column] + `"`)
	},
	"sentence": func(text string) string { return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "." },
	"label":    func(state string) string { return stateTexts[state] },
}

// bdi shows a text that somebody else wrote: it turns nothing round but itself, and
// hides nothing.
func bdi(text string) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscapeString(legible(text)) + "</bdi>")
}

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

// page answers with an error page what the handler did not. It says what is true of
// the error, in words; the log has the error itself.
func (a *app) page(answer handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := answer(w, r)
		if errors.Is(err, sql.ErrNoRows) {
			err = a.notFound(w, r)
		}
		if err != nil {
			status, text := a.explain(r.Context(), err)
			a.logger.Warn("request failed", "pattern", r.Pattern, "error", err)
			_ = a.render(w, r, status, "error.html", "That did not work", "", text)
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
	path, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	p := page{Title: title, Account: a.account(r), SyncOn: a.directory != nil, Path: path, Alert: alert, Data: data}
	var b bytes.Buffer
	if err := a.pages[name].ExecuteTemplate(&b, "layout.html", p); err != nil {
		a.logger.Error("template", "name", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return nil
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
