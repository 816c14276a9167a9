package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

// The roles. Somebody without one may not sign in.
const (
	administrator = "administrator"
	viewer        = "viewer"
)

// account is who is signed in.
type account struct {
	ID       int64
	Username string
	Role     string
}

const sessionAge = 8 * time.Hour

// cookieName keeps other sites of the same domain from setting the cookie, where
// browsers allow that.
func (a *app) cookieName() string {
	if a.secure {
		return "__Host-session"
	}
	return "session"
}

func (a *app) cookie(token string, age time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: a.cookieName(), Value: token, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	}
}

// hashToken is what the database keeps: whoever reads it can sign in as nobody.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

type accountKey struct{}

// account returns who sent the request, or nil.
func (a *app) account(r *http.Request) *account {
	who, _ := r.Context().Value(accountKey{}).(*account)
	return who
}

// as lets only those with the role in; an administrator is a viewer, too. The
// role is read with every request, so that taking it away works at once.
func (a *app) as(role string, next handler) http.Handler {
	return a.page(func(w http.ResponseWriter, r *http.Request) error {
		who, err := a.session(r)
		if err != nil {
			return err
		}
		if who == nil {
			return redirect(w, r, "/sign-in?"+url.Values{"to": {r.URL.RequestURI()}}.Encode())
		}
		r = r.WithContext(context.WithValue(r.Context(), accountKey{}, who))
		if role == administrator && who.Role != administrator {
			return a.render(w, r, http.StatusForbidden, "error.html", "Not allowed", "", "This page is for administrators.")
		}
		return next(w, r)
	})
}

// session returns nil when there is none any more.
func (a *app) session(r *http.Request) (*account, error) {
	cookie, err := r.Cookie(a.cookieName())
	if err != nil {
		return nil, nil // no cookie, nobody
	}
	who := &account{}
	err = a.store.row(r.Context(), `SELECT u.id, u.username, u.role FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.token_hash = ? AND s.expires_at > ? AND u.status = 'active' AND u.role IN (?, ?)`,
		hashToken(cookie.Value), time.Now().Unix(), administrator, viewer).Scan(&who.ID, &who.Username, &who.Role)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return who, err
}

func (a *app) signInPage(w http.ResponseWriter, r *http.Request, status int, alert string) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return a.render(w, r, status, "signin.html", "Sign in", alert, map[string]any{
		"To":   wayBack(r.FormValue("to")),                                             // where to go then
		"Bare": !a.secure && r.TLS == nil && local != nil && !loopback(local.String()), // anybody on the way could read the password
	})
}

// wayBack is the page of this site that somebody wanted, without any host. Every
// form has a page at its own address.
func wayBack(to string) string {
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return "/users"
	}
	return u.RequestURI()
}

// loopback reports whether only this machine reaches the address.
func loopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	name, password := strings.ToLower(strings.TrimSpace(r.PostFormValue("username"))), r.PostFormValue("password")
	if max(len(name), len(password)) > 72 { // bcrypt takes no longer ones
		name, password = "", ""
	}
	from := a.visitor(r)
	if !a.limiter.allow(name, from, time.Now()) {
		return a.signInPage(w, r, http.StatusTooManyRequests, "Too many attempts from here. Wait a minute.")
	}
	who, err := a.store.check(r.Context(), name, password)
	if err != nil {
		return err
	}
	if who == nil {
		return a.signInPage(w, r, http.StatusUnauthorized, "The username or the password is wrong.")
	}
	token, now := rand.Text(), time.Now()
	err = a.store.inTx(r.Context(), func(t *tx) {
		t.exec(`DELETE FROM sessions WHERE expires_at <= ?`, now.Unix())
		t.exec(`INSERT INTO sessions (token_hash, user_id, expires_at) VALUES (?, ?, ?)`, hashToken(token), who.ID, now.Add(sessionAge).Unix())
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, a.cookie(token, sessionAge))
	return redirect(w, r, wayBack(r.PostFormValue("to")))
}

// check returns nil when the name or the password is wrong.
func (s *store) check(ctx context.Context, name, password string) (*account, error) {
	who := &account{}
	var hash string
	err := s.row(ctx, `SELECT id, username, role, password_hash FROM users
		WHERE lower(username) = ? AND status = 'active' AND role IN (?, ?) AND password_hash <> ''`,
		name, administrator, viewer).Scan(&who.ID, &who.Username, &who.Role, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		// Some hash is compared all the same, so that the time does not tell who exists.
		who, hash, err = nil, "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", nil
	}
	if err != nil {
		return nil, err
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return nil, nil
	}
	return who, nil
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) error {
	if cookie, err := r.Cookie(a.cookieName()); err == nil {
		if _, err := a.store.exec(r.Context(), `DELETE FROM sessions WHERE token_hash = ?`, hashToken(cookie.Value)); err != nil {
			return err
		}
	}
	http.SetCookie(w, a.cookie("", -time.Second))
	return redirect(w, r, "/sign-in")
}

// addAccount adds a local user who can sign in, or sets the password of one.
func (s *store) addAccount(ctx context.Context, name, password, role string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `INSERT INTO users (username, first_name, role, protected, password_hash) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (lower(username)) DO UPDATE SET password_hash = excluded.password_hash, role = excluded.role`,
		name, strings.ToUpper(role[:1])+role[1:], role, true, string(hash))
	return err
}

// limiter slows down whoever guesses passwords: some attempts a minute for each name
// from each address, and more for each address. No name is limited by itself, as
// anybody could lock its owner out. The zero value is ready.
type limiter struct {
	mu    sync.Mutex
	tries map[string]*rate.Limiter // by address, and by name and address
}

const (
	triesPerName    = 10
	triesPerAddress = 60
	maxAttempts     = 10_000 // that are remembered; beyond, all are forgotten
)

// allow counts an attempt.
func (l *limiter) allow(name, from string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries == nil || len(l.tries)+2 > maxAttempts {
		l.tries = map[string]*rate.Limiter{}
	}
	return l.count(from, triesPerAddress, now) && l.count(name+" "+from, triesPerName, now)
}

func (l *limiter) count(by string, perMinute int, now time.Time) bool {
	if l.tries[by] == nil {
		l.tries[by] = rate.NewLimiter(rate.Every(time.Minute/time.Duration(perMinute)), perMinute)
	}
	return l.tries[by].AllowN(now, 1)
}

// visitor is where a request comes from. A network of IPv6 counts as one, as anybody
// has many addresses of his own.
func (a *app) visitor(r *http.Request) string {
	connected, _ := netip.ParseAddrPort(r.RemoteAddr)
	from := connected.Addr()
	if a.proxied { // the last entry is the proxy's own, the others anybody's
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		from, _ = netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
	}
	if from = from.Unmap().WithZone(""); from.Is6() {
		network, _ := from.Prefix(64)
		return network.String()
	}
	return from.String()
}
