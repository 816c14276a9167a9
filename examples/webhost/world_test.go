package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/examples/internal/corp"
	"github.com/go-adsync/adsync/internal/fakead"
	"github.com/go-adsync/adsync/sqlstore"
)

// world is an application, its database, and a domain controller.
type world struct {
	*app
	company    *corp.Company
	controller *fakead.Server
	guids      map[string]fakead.GUID // by username
	groups     map[string]fakead.GUID // by the role that they give
	password   string                 // of the service account

	t       *testing.T
	handler http.Handler
	file    string // of the database
	log     *syncBuffer
	admin   client
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const adminsPassword = "correct horse"

// newWorld has a database in a SQLite file.
func newWorld(t *testing.T, setUp ...func(*config)) *world {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhost.db")
	// A short wait for locks, as no test waits for one to pass.
	db, err := sql.Open("sqlite", strings.Replace(sqliteDSN(file), "busy_timeout(5000)", "busy_timeout(50)", 1))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	w := newWorldOn(t, db, sqlstore.SQLite, setUp...)
	w.file = file
	return w
}

func newWorldOn(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, setUp ...func(*config)) *world {
	t.Helper()
	company, err := corp.Found()
	require.NoError(t, err)
	t.Cleanup(func() { _ = company.Close() }) // some tests have closed it
	w := &world{
		t: t, log: &syncBuffer{}, company: company, controller: company.Server,
		guids: company.GUIDs, groups: company.Groups, password: company.Password,
	}
	c := config{
		source: demoDomain, ad: company.Config,
		patience: time.Hour, // a page waits for what it shows
		logger:   slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	readWork(&c.ad)
	c.store, err = openStore(t.Context(), db, dialect)
	require.NoError(t, err)
	c.users, err = c.store.userStore(c.ad.Roles)
	require.NoError(t, err)
	c.directory, err = activedirectory.New(c.ad)
	require.NoError(t, err)
	for _, f := range setUp {
		f(&c)
	}
	w.app, err = newApp(c)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.app.close(ctx)
	})
	w.handler = w.app.handler()
	hash, err := bcrypt.GenerateFromPassword([]byte(adminsPassword), bcrypt.MinCost) // tests are in a hurry
	require.NoError(t, err)
	w.exec(`INSERT INTO users (username, role, password_hash) VALUES ('admin', ?, ?)`, administrator, string(hash))
	w.admin = w.as("admin")
	return w
}

const (
	demoDomain     = corp.Domain
	serviceAccount = corp.ServiceAccount
)

func (w *world) hire(login, first, last, phone, office string) error {
	return w.company.Hire(login, first, last, phone, office)
}

// people are hired and imported.
func (w *world) people(logins ...string) {
	w.t.Helper()
	var ids []adsync.ObjectID
	for _, login := range logins {
		require.NoError(w.t, w.hire(login, strings.ToUpper(login[:1])+login[1:], "Person", "+49 30 1", "Berlin"))
		ids = append(ids, adsync.ObjectID(w.guids[login]))
	}
	syncer, err := w.syncer(adsync.Rules{}, nil)
	require.NoError(w.t, err)
	report, err := syncer.Sync(w.t.Context(), adsync.ImportEntries(ids...))
	require.NoError(w.t, err)
	require.NoError(w.t, report.Err())
}

func (w *world) set(login, attribute string, values ...string) {
	w.t.Helper()
	require.NoError(w.t, w.controller.SetAttribute(w.guids[login], attribute, values...))
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	_, err := w.app.store.exec(w.t.Context(), query, args...)
	require.NoError(w.t, err)
}

// value reads one cell.
func (w *world) value(query string, args ...any) string {
	w.t.Helper()
	var v sql.NullString
	require.NoError(w.t, w.app.store.row(w.t.Context(), query, args...).Scan(&v))
	return v.String
}

func (w *world) id(login string) string {
	w.t.Helper()
	return w.value(`SELECT id FROM users WHERE username = ?`, login)
}

// lock locks the database as another program would, until the returned function
// is called.
func (w *world) lock() (unlock func()) {
	w.t.Helper()
	db, err := sql.Open("sqlite", sqliteDSN(w.file))
	require.NoError(w.t, err)
	tx, err := db.BeginTx(w.t.Context(), nil) // _txlock=immediate takes the write lock
	require.NoError(w.t, err)
	return sync.OnceFunc(func() {
		_ = tx.Rollback()
		require.NoError(w.t, db.Close())
	})
}

// client is a signed-in browser without scripts.
type client struct {
	w     *world
	token string
}

func (w *world) as(username string) client {
	w.t.Helper()
	c := client{w, "token of " + username}
	id := w.value(`SELECT id FROM users WHERE username = ?`, username)
	w.exec(`INSERT INTO sessions (token_hash, user_id, expires_at) VALUES (?, ?, ?)`, hashToken(c.token), id, time.Now().Add(time.Hour).Unix())
	return c
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

func (c client) do(r *http.Request) answer {
	c.w.t.Helper()
	if c.token != "" {
		r.AddCookie(&http.Cookie{Name: c.w.cookieName(), Value: c.token})
	}
	recorder := httptest.NewRecorder()
	c.w.handler.ServeHTTP(recorder, r)
	return answer{recorder.Result(), recorder.Body.String()}
}

func (c client) get(path string) answer {
	c.w.t.Helper()
	return c.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// post sends pairs of names and values.
func (c client) post(path string, pairs ...string) answer {
	c.w.t.Helper()
	return c.do(form(path, pairs...))
}

func form(path string, pairs ...string) *http.Request {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// follow goes where the answer leads.
func (c client) follow(a answer) answer {
	c.w.t.Helper()
	require.Equal(c.w.t, http.StatusSeeOther, a.StatusCode, a.text())
	return c.get(a.Header.Get("Location"))
}

// choose chooses just these users, as by their boxes.
func (c client) choose(logins ...string) {
	c.w.t.Helper()
	c.post("/sync", "do", "none")
	pairs := []string{"shown", ""}
	for _, login := range logins {
		pairs = append(pairs, "id", c.w.id(login))
		pairs[1] = strings.TrimPrefix(pairs[1]+","+c.w.id(login), ",")
	}
	c.post("/sync/chosen", pairs...)
}

// plan plans for these users, or for all, and returns the address of the plan, and its
// digest.
func (c client) plan(logins ...string) (path, digest string) {
	c.w.t.Helper()
	if c.choose(logins...); len(logins) == 0 {
		c.follow(c.post("/sync", "do", "all"))
	}
	a := c.post("/sync", "do", "plan")
	require.Equal(c.w.t, http.StatusSeeOther, a.StatusCode, a.text())
	return a.Header.Get("Location"), digestOn(c.w.t, c.follow(a))
}

func digestOn(t *testing.T, a answer) string {
	t.Helper()
	match := regexp.MustCompile(`fingerprint of this plan is ([0-9a-f]{64})`).FindStringSubmatch(a.body)
	require.NotNil(t, match, a.text())
	return match[1]
}

// wait waits for the runs that are under way.
func (w *world) wait() { w.app.background.Wait() }

// sync chooses, applies and returns the last page.
func (c client) sync(logins ...string) answer {
	c.w.t.Helper()
	path, digest := c.plan(logins...)
	return c.apply(path, digest)
}

// apply applies a plan, and returns the page once it has ended.
func (c client) apply(path, digest string, more ...string) answer {
	c.w.t.Helper()
	a := c.post(path, append([]string{"digest", digest}, more...)...)
	c.w.wait()
	return c.follow(a)
}

var tags = regexp.MustCompile(`(?s)<head>.*</head>|<[^>]*>`)

// text is what people read.
func (a answer) text() string {
	text := strings.NewReplacer("&#43;", "+", "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "&amp;", "&").Replace(tags.ReplaceAllString(a.body, " "))
	return fmt.Sprint(a.StatusCode, " ", strings.Join(strings.Fields(text), " "))
}

// gate is a store whose writes wait until it is opened.
type gate struct {
	*userStore
	reached chan struct{} // one for each write that waits
	open    chan struct{}
}

func newGate(c *config) *gate {
	g := &gate{c.users.(*userStore), make(chan struct{}, 10), make(chan struct{})}
	c.users = g
	return g
}

// close closes it again, for writes that are still to come.
func (g *gate) close() { g.open, g.reached = make(chan struct{}), make(chan struct{}, 10) }

func (g *gate) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	g.reached <- struct{}{}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
	return g.userStore.ApplyChanges(ctx, cs)
}

func mustGet(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

// withLocal is the context of a request that a server on the address has got.
func withLocal(r *http.Request, local net.Addr) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, local)
}

// wrongly is the directory with something wrong in its settings.
func (w *world) wrongly(what string) adsync.Directory {
	w.t.Helper()
	c := activedirectory.Config{
		URLs: []string{w.controller.URL()}, TLS: w.controller.ClientTLS(), BaseDN: w.controller.BaseDN(),
		Bind: activedirectory.SimpleBind(serviceAccount, w.password),
	}
	switch what {
	case "password":
		c.Bind = activedirectory.SimpleBind(serviceAccount, "wrong")
	case "secret":
		c.Bind = activedirectory.PasswordFunc(serviceAccount, func(context.Context) (string, error) { return "", nil })
	case "certificate":
		c.TLS = nil
	case "filter":
		c.Filter = "(objectClass=user)"
	case "base":
		c.BaseDN = "OU=Nowhere," + c.BaseDN
	}
	d, err := activedirectory.New(c)
	require.NoError(w.t, err)
	return d
}
