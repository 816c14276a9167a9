package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	nobody := client{w: w}
	for _, wrong := range [][2]string{{"admin", "wrong"}, {"nobody", adminsPassword}, {"admin", ""}, {"admin", strings.Repeat("x", 5000)}} {
		a := nobody.post("/sign-in", "username", wrong[0], "password", wrong[1])
		assert.Equal(t, http.StatusUnauthorized, a.StatusCode)
		assert.Contains(t, a.text(), "The username or the password is wrong.")
		assert.Empty(t, a.Cookies())
	}
	a := nobody.post("/sign-in", "username", " Admin ", "password", adminsPassword)
	require.Len(t, a.Cookies(), 1, a.text())
	cookie := a.Cookies()[0]
	assert.True(t, cookie.HttpOnly)
	assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	assert.False(t, cookie.Secure)
	signedIn := client{w, cookie.Value}
	assert.Equal(t, http.StatusOK, signedIn.get("/users").StatusCode)
	assert.NotContains(t, w.value(`SELECT group_concat(token_hash) FROM sessions`), cookie.Value, "the database has no token")

	assert.Equal(t, "/sign-in", signedIn.post("/sign-out").Header.Get("Location"))
	assert.Contains(t, signedIn.get("/users").Header.Get("Location"), "/sign-in", "the session is over, whoever kept the cookie")
}

func TestSignIn_LeadsToWhereOneWas(t *testing.T) {
	w := newWorld(t)
	nobody := client{w: w}
	for _, asked := range []string{"/users", "/sync?page=2", "/runs/X"} {
		at := nobody.get(asked).Header.Get("Location")
		assert.Contains(t, nobody.get(at).body, `name="to" value="`+asked+`"`)
		a := nobody.post("/sign-in", "username", "admin", "password", adminsPassword, "to", asked)
		assert.Equal(t, asked, a.Header.Get("Location"))
	}
	assert.Equal(t, "/users", wayBack("////evil.example"), "which browsers take for a host")
	assert.Equal(t, "/sign-in?to=%2Fsync", nobody.post("/sync", "do", "plan").Header.Get("Location"), "of a form, its page")
	w.app.limiter.tries = nil // these are more than anybody may try in a minute
	for _, elsewhere := range []string{"https://evil.example/", "//evil.example", "//evil.example/x", "////evil.example", `/\evil.example`, "javascript:alert(1)", "", "/%2F/evil.example"} {
		a := nobody.post("/sign-in", "username", "admin", "password", adminsPassword, "to", elsewhere)
		to, err := url.Parse(a.Header.Get("Location"))
		require.NoError(t, err)
		assert.True(t, to.Host == "" && to.Scheme == "" && !strings.HasPrefix(a.Header.Get("Location"), "//") && !strings.Contains(a.Header.Get("Location"), `\`), "%s leads to %s", elsewhere, to)
	}
}

func TestTLS_IsKept(t *testing.T) {
	w := newWorld(t, func(c *config) { c.secure = true })
	a := client{w: w}.post("/sign-in", "username", "admin", "password", adminsPassword)
	require.Len(t, a.Cookies(), 1)
	assert.True(t, a.Cookies()[0].Secure)
	assert.Equal(t, "__Host-session", a.Cookies()[0].Name)
	assert.Equal(t, "max-age=31536000", a.Header.Get("Strict-Transport-Security"))
	assert.Empty(t, newWorld(t).admin.get("/users").Header.Get("Strict-Transport-Security"), "browsers would refuse the site without TLS")
}

func TestTLS_PlainHTTPBeyondThisMachineIsWarnedOf(t *testing.T) {
	const warning = "This connection is not encrypted"
	w := newWorld(t)
	at := func(address string) string {
		local, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
		return client{w: w}.do(r.WithContext(withLocal(r, local))).text()
	}
	assert.Contains(t, at("192.0.2.7:8080"), warning)
	assert.NotContains(t, at("127.0.0.1:8080"), warning)
	assert.NotContains(t, at("[::1]:8080"), warning)
	w.app.secure = true
	assert.NotContains(t, at("192.0.2.7:8080"), warning)
}

func TestSignIn_NobodyLocksTheAdministratorOut(t *testing.T) {
	w := newWorld(t)
	try := func(from, name, password string) int {
		r := form("/sign-in", "username", name, "password", password)
		r.RemoteAddr = from
		return client{w: w}.do(r).StatusCode
	}
	for range triesPerName {
		assert.Equal(t, http.StatusUnauthorized, try("192.0.2.1:1", "admin", "guess"))
	}
	assert.Equal(t, http.StatusTooManyRequests, try("192.0.2.1:2", "admin", adminsPassword), "who guesses is slowed down")
	assert.Equal(t, http.StatusSeeOther, try("192.0.2.2:1", "admin", adminsPassword), "and nobody else")
}

func TestLimiter(t *testing.T) {
	var l limiter
	now := time.Now()
	for i := range triesPerAddress {
		require.True(t, l.allow(fmt.Sprint("name", i), "a", now), "many people share an address")
	}
	assert.False(t, l.allow("another", "a", now), "but not any number")
	assert.True(t, l.allow("another", "b", now))
	assert.True(t, l.allow("another", "a", now.Add(2*time.Minute)))
	for i := range 3 * maxAttempts {
		l.allow("admin", fmt.Sprint(i), now)
	}
	assert.LessOrEqual(t, len(l.tries), maxAttempts, "what is remembered is bounded")
	assert.True(t, l.allow("admin", "somewhere new", now))
}

func TestVisitor(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		proxied                 bool
		remote, forwarded, want string
	}{
		{false, "192.0.2.1:50000", "203.0.113.9", "192.0.2.1"},
		{true, "127.0.0.1:50000", "203.0.113.9, 192.0.2.1", "192.0.2.1"},
		{false, "[2001:db8:1:2:3::4]:1", "", "2001:db8:1:2::/64"},
		{true, "127.0.0.1:1", "", "invalid IP"},
		{false, "[::ffff:192.0.2.1]:1", "", "192.0.2.1"},
	} {
		w.app.proxied = c.proxied
		r := mustGet("/")
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", c.forwarded)
		assert.Equal(t, c.want, w.visitor(r))
	}
}

// While a run writes, the others wait for their turn, and no longer.
func TestSignIn_WhileARunWrites(t *testing.T) {
	w := newWorld(t)
	answers := make(chan answer, 1)
	require.NoError(t, w.app.store.inTx(t.Context(), func(q *tx) {
		q.exec(`UPDATE users SET phone = '1' WHERE username = 'admin'`)
		go func() { answers <- client{w: w}.post("/sign-in", "username", "admin", "password", adminsPassword) }()
		time.Sleep(300 * time.Millisecond) // longer than this database lets anybody wait
	}))
	assert.Equal(t, http.StatusSeeOther, (<-answers).StatusCode)
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	require.NoError(t, w.app.store.addAccount(t.Context(), "vera", "pw", viewer))
	vera := w.as("vera")
	a := vera.get("/users")
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.NotContains(t, a.body, `href="/sync"`)
	assert.NotContains(t, vera.get("/users/"+w.id("admin")).body, `name="username"`, "a viewer changes nobody")
	for _, path := range []string{"/sync", "/import", "/history", "/runs/X", "/history/X.csv"} {
		assert.Equal(t, http.StatusForbidden, vera.get(path).StatusCode, path)
	}
	for _, path := range []string{"/sync", "/sync/chosen", "/import", "/import/chosen", "/runs/X", "/users/1"} {
		assert.Equal(t, http.StatusForbidden, vera.post(path).StatusCode, path)
	}
	assert.Equal(t, http.StatusSeeOther, vera.post("/users", "do", "plan").StatusCode, "a list of users makes no plan")
	assert.Equal(t, "0", w.value(`SELECT count(*) FROM runs`))
	assert.Equal(t, http.StatusOK, w.admin.get("/sync").StatusCode)
	w.exec(`UPDATE users SET role = 'viewer' WHERE username = 'admin'`)
	assert.Equal(t, http.StatusForbidden, w.admin.get("/sync").StatusCode, "it works at once")
	w.exec(`UPDATE users SET status = 'blocked' WHERE username = 'admin'`)
	assert.Contains(t, w.admin.get("/users").Header.Get("Location"), "/sign-in")
}

func TestPost_NotFromOtherSites(t *testing.T) {
	w := newWorld(t)
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		r := form("/sync", "do", "plan")
		r.Header.Set(header[0], header[1])
		assert.Equal(t, http.StatusForbidden, w.admin.do(r).StatusCode, header)
	}
}

func TestHeaders(t *testing.T) {
	h := newWorld(t).admin.get("/users").Header
	assert.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
	assert.NotContains(t, h.Get("Content-Security-Policy"), "unsafe")
	assert.Equal(t, "no-store", h.Get("Cache-Control"))
	assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
}

func TestUsers_SwitchedOff(t *testing.T) {
	w := newWorld(t, func(c *config) { c.directory = nil })
	a := w.admin.get("/users")
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.NotContains(t, a.body, "Active Directory")
	for _, path := range []string{"/sync", "/import", "/history", "/runs/X"} {
		assert.Equal(t, http.StatusNotFound, w.admin.get(path).StatusCode, path)
	}
	assert.Equal(t, http.StatusNotFound, w.admin.post("/sync").StatusCode)
}

func TestPrivacy_NothingPersonalInLogsOrURLs(t *testing.T) {
	w := newWorld(t)
	w.people("annabel")
	w.set("annabel", "sn", "Geheim")
	w.set("annabel", "mail", "geheim@corp.example")
	found := w.admin.post("/sync", "q", "Annabel", "do", "search")
	assert.NotContains(t, found.Header.Get("Location"), "Annabel")
	assert.Contains(t, w.admin.follow(found).text(), "annabel@corp.example")
	w.admin.post("/import", "q", "Annabel", "do", "search")
	w.admin.get("/import")
	w.admin.sync("annabel")
	require.NoError(t, w.controller.Close())
	w.admin.follow(w.admin.post("/sync", "do", "compare"))
	w.admin.follow(w.admin.post("/import", "do", "compare"))
	for _, secret := range []string{"annabel", "geheim", w.password, "token of"} {
		assert.NotContains(t, strings.ToLower(w.log.String()), secret)
	}
	assert.Contains(t, w.log.String(), `pattern="GET /runs/{id}"`)
}
