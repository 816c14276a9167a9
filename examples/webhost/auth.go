package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
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

// hashToken is what the database keeps: who reads it can sign in as nobody.
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
func (a *app) as(role string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := a.sessionOf(r)
		switch {
		case err != nil:
			a.fail(w, r, err)
		case who == nil:
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		case role == administrator && who.Role != administrator:
			r = r.WithContext(context.WithValue(r.Context(), accountKey{}, who))
			a.render(w, r, http.StatusForbidden, "error.html", "Not allowed", "This page is for administrators.")
		default:
			next(w, r.WithContext(context.WithValue(r.Context(), accountKey{}, who)))
		}
	})
}

func (a *app) sessionOf(r *http.Request) (*account, error) {
	cookie, err := r.Cookie(a.cookieName())
	if err != nil {
		return nil, nil // no cookie, nobody
	}
	return a.store.session(r.Context(), hashToken(cookie.Value), time.Now())
}

// session returns nil when there is none any more.
func (s *store) session(ctx context.Context, hash string, now time.Time) (*account, error) {
	who := &account{}
	err := s.row(ctx, `SELECT u.id, u.username, u.role FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.token_hash = ? AND s.expires_at > ? AND u.status = 'active' AND u.role IN (?, ?)`,
		hash, now.Unix(), administrator, viewer).Scan(&who.ID, &who.Username, &who.Role)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return who, err
}

func (a *app) showSignIn(w http.ResponseWriter, r *http.Request) {
	a.render(w, r, http.StatusOK, "signin.html", "Sign in", nil)
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	name := strings.ToLower(strings.TrimSpace(r.PostFormValue("username")))
	if !a.slow.allow(name, time.Now()) {
		a.renderAlert(w, r, http.StatusTooManyRequests, "signin.html", "Sign in", "Too many attempts. Wait a minute.", nil)
		return
	}
	who, err := a.store.check(r.Context(), name, r.PostFormValue("password"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if who == nil {
		a.renderAlert(w, r, http.StatusUnauthorized, "signin.html", "Sign in", "The username or the password is wrong.", nil)
		return
	}
	token := rand.Text()
	if err := a.store.addSession(r.Context(), hashToken(token), who.ID, time.Now()); err != nil {
		a.fail(w, r, err)
		return
	}
	a.slow.forget(name)
	http.SetCookie(w, a.cookie(token, sessionAge))
	http.Redirect(w, r, "/users", http.StatusSeeOther)
}

// nobodysHash is compared with when there is no such user, so that the time an
// answer takes does not tell who exists.
const nobodysHash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

// check returns nil when the name or the password is wrong.
func (s *store) check(ctx context.Context, name, password string) (*account, error) {
	who := &account{}
	var hash string
	err := s.row(ctx, `SELECT id, username, role, password_hash FROM users
		WHERE lower(username) = ? AND status = 'active' AND role IN (?, ?) AND password_hash <> ''`,
		name, administrator, viewer).Scan(&who.ID, &who.Username, &who.Role, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		who, hash, err = nil, nobodysHash, nil
	}
	if err != nil {
		return nil, err
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return nil, nil
	}
	return who, nil
}

func (s *store) addSession(ctx context.Context, hash string, user int64, now time.Time) error {
	return s.inTx(ctx, func(exec func(string, ...any) (int64, error)) error {
		if _, err := exec(`DELETE FROM sessions WHERE expires_at <= ?`, now.Unix()); err != nil {
			return err
		}
		_, err := exec(`INSERT INTO sessions (token_hash, user_id, expires_at) VALUES (?, ?, ?)`, hash, user, now.Add(sessionAge).Unix())
		return err
	})
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(a.cookieName()); err == nil {
		if _, err := a.store.exec(r.Context(), `DELETE FROM sessions WHERE token_hash = ?`, hashToken(cookie.Value)); err != nil {
			a.fail(w, r, err)
			return
		}
	}
	http.SetCookie(w, a.cookie("", -time.Second))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
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

// limiter slows down who guesses passwords: some attempts a minute for each name.
// The zero value is ready.
type limiter struct {
	mu    sync.Mutex
	since time.Time
	tries map[string]int
}

const triesPerMinute = 10

func (l *limiter) allow(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries == nil || now.Sub(l.since) > time.Minute {
		l.since, l.tries = now, map[string]int{}
	}
	l.tries[name]++
	return l.tries[name] <= triesPerMinute
}

func (l *limiter) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, name)
}
