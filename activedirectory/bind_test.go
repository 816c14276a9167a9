package activedirectory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/fakead"
)

// Somebody who presses the button again and again must not lock the account.
func TestBind_WrongPasswordIsNotSentAgain(t *testing.T) {
	c := newCorp(t, 2, 1)
	password := "hunter2"
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = PasswordFunc(corpUser, func(context.Context) (string, error) { return password, nil })
	})
	now := time.Now()
	d.known.now = func() time.Time { return now }
	binds := func() int { return c.controllers[0].Count(fakead.OpBind) + c.controllers[1].Count(fakead.OpBind) }
	for range 5 {
		_, err := gather(t, d.Entries(t.Context()))
		require.ErrorIs(t, err, ErrRefused)
		assert.NotContains(t, err.Error(), "hunter2")
		now = now.Add(time.Minute)
	}
	assert.Equal(t, 1, binds())
	_, err := gather(t, d.Entries(t.Context()))
	assert.ErrorIs(t, err, errRefusedBefore)
	assert.Equal(t, 1, c.controllers[0].Opened(), "nor is a connection opened for it")
	assert.Zero(t, c.controllers[1].Opened())

	now = now.Add(refusedFor)
	_, err = gather(t, d.Entries(t.Context()))
	assert.ErrorContains(t, err, "data 52e")
	assert.Equal(t, 2, binds(), "once more after a while")
	password = corpPassword
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err, "the right one goes at once")
	assert.Len(t, entries, 1)
}

// Only a wrong password, or no reason at all, speaks against the password.
func TestBind_OnlyAWrongPasswordIsRemembered(t *testing.T) {
	const words = "80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data %s, v4563"
	for code, remembered := range map[string]bool{"52e": true, "": true, "52f": false, "534": false, "568": false, "2030": false, "80090346": false, "57": false} {
		c := newCorp(t, 1, 1)
		d := c.directory(t, nil)
		text := "invalid credentials"
		if code != "" {
			text = fmt.Sprintf(words, code)
		}
		c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpBind, Code: 49, Text: text})
		for range 2 {
			_, err := gather(t, d.Entries(t.Context()))
			require.Error(t, err)
			assert.ErrorIs(t, err, ldapread.ErrRefused)
		}
		assert.Equal(t, map[bool]int{true: 1, false: 2}[remembered], c.controllers[0].Count(fakead.OpBind), code)
	}
}

// An account that is disabled or expired is refused without being locked: once
// that is fixed, the same password is right.
func TestBind_AnotherRefusalIsNotRemembered(t *testing.T) {
	c := newCorp(t, 1, 1)
	dc := c.controllers[0]
	account, err := dc.AddUser(fakead.User{Username: "other", UPN: "other@ad.example.test", Password: corpPassword, Disabled: true})
	require.NoError(t, err)
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = SimpleBind("other@ad.example.test", corpPassword)
	})
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "data 533")
	require.NoError(t, dc.Enable(account))
	_, err = gather(t, d.Entries(t.Context()))
	assert.NoError(t, err)
}

func TestBind_RefusedPasswordIsTriedOnce(t *testing.T) {
	for name, read := range map[string]func(*Directory) error{
		"Entries": func(d *Directory) error {
			_, err := collect(d.Entries(context.Background()))
			return err
		},
		"Find": func(d *Directory) error {
			_, err := collect(d.Find(context.Background(), []adsync.ObjectID{dirID(1)}))
			return err
		},
		"Inspect": func(d *Directory) error { _, err := d.Inspect(context.Background()); return err },
		"Search":  func(d *Directory) error { _, err := d.Search(context.Background(), "u", 5); return err },
		"Sessions": func(d *Directory) error {
			var last error
			sessions := 0
			for session, err := range d.Sessions(context.Background()) {
				if last = err; err == nil {
					sessions++
					_, _ = collect(session.Entries(context.Background()))
				}
			}
			if sessions != 1 {
				return fmt.Errorf("%d sessions", sessions)
			}
			return last
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCorp(t, 2, 1)
			err := read(c.directory(t, func(cfg *Config) { cfg.Bind = SimpleBind(corpUser, "hunter2") }))
			require.ErrorContains(t, err, "data 52e")
			assert.Equal(t, 1, strings.Count(err.Error(), "data 52e"), "it is said once: %v", err)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), corpUser)
			assert.Equal(t, 1, c.controllers[0].Count(fakead.OpBind))
			assert.Zero(t, c.controllers[1].Opened())
		})
	}
}

func TestPasswordFunc(t *testing.T) {
	c := newCorp(t, 2, 1)
	asked := 0
	password, failure := corpPassword, error(nil)
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = PasswordFunc(corpUser, func(context.Context) (string, error) { asked++; return password, failure })
	})
	for range 2 {
		_, err := gather(t, d.Entries(t.Context()))
		require.NoError(t, err)
	}
	assert.Equal(t, 2, asked, "read anew for each connection")

	opened := c.controllers[0].Opened()
	password = ""
	_, err := gather(t, d.Entries(t.Context()))
	assert.ErrorContains(t, err, "password is empty")
	assert.NotErrorIs(t, err, ErrRefused, "nobody was asked")
	failure = errors.New("the vault is shut")
	_, err = gather(t, d.Entries(t.Context()))
	assert.ErrorIs(t, err, failure)
	assert.NotErrorIs(t, err, ErrRefused)
	assert.Equal(t, d.servers, d.health.order(d.servers), "the controller is not to blame")
	assert.Equal(t, 4, asked, "once for each call: no other controller is tried")
	assert.Equal(t, opened, c.controllers[0].Opened(), "nothing was sent")
}

// A store of passwords that is away, or takes too long, is no refusal: the next run may
// find it well. Only what a controller said keeps a host from trying again.
func TestPasswordFunc_FailingIsIncomplete(t *testing.T) {
	c := newCorp(t, 2, 1)
	secret := func(context.Context) (string, error) { return "", nil }
	d := c.directory(t, func(cfg *Config) {
		cfg.Timeout = 200 * time.Millisecond
		cfg.Bind = PasswordFunc(corpUser, func(ctx context.Context) (string, error) { return secret(ctx) })
	})
	s, err := adsync.New(d, adsync.NewMemoryStore(adsync.User{ID: "1", ObjectID: adsync.ObjectID(c.ids[0][0]), Profile: adsync.Profile{Username: "u1"}}), nil)
	require.NoError(t, err)
	away := errors.New("the vault is shut")
	for name, tt := range map[string]struct {
		secret func(context.Context) (string, error)
		is     error
	}{
		"away":     {func(context.Context) (string, error) { return "", away }, away},
		"empty":    {func(context.Context) (string, error) { return "", nil }, errNoPassword},
		"too slow": {func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }, context.DeadlineExceeded},
	} {
		secret = tt.secret
		_, err := s.Plan(t.Context())
		require.ErrorIs(t, err, adsync.ErrIncomplete, name)
		assert.ErrorIs(t, err, tt.is, name)
		assert.NotErrorIs(t, err, ErrRefused, name)
		assert.NotContains(t, err.Error(), "locked", name)
	}
	assert.Zero(t, c.controllers[0].Opened()+c.controllers[1].Opened())

	secret = func(context.Context) (string, error) { return "hunter2", nil }
	for range 2 {
		_, err = s.Plan(t.Context())
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		assert.ErrorIs(t, err, ErrRefused, "by a controller, and as it was so a moment ago")
	}
	assert.Equal(t, 1, c.controllers[0].Count(fakead.OpBind))
}

// What a BindFunc says of its own is no refusal, unless it says so: it is asked again.
func TestBindFunc_FailingIsNoRefusal(t *testing.T) {
	c := newCorp(t, 2, 1)
	var said error
	calls := 0
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = BindFunc(func(context.Context, string, *ldap.Conn) error { calls++; return said })
	})
	for n, tt := range []struct {
		said    error
		refused bool
	}{
		{errors.New("no ticket"), false},
		{fmt.Errorf("the account is locked: %w", ErrRefused), true},
		{errors.New("no ticket"), false},
	} {
		said = tt.said
		_, err := gather(t, d.Entries(t.Context()))
		require.ErrorIs(t, err, tt.said)
		assert.Equal(t, tt.refused, errors.Is(err, ErrRefused))
		assert.Equal(t, n+1, calls, "no other controller is tried")
	}
}

func TestBindFunc(t *testing.T) {
	c := newCorp(t, 1, 3)
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = BindFunc(func(_ context.Context, host string, conn *ldap.Conn) error {
			assert.Equal(t, "127.0.0.1", host)
			return conn.Bind(corpUser, corpPassword)
		})
	})
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Len(t, entries, 3)
}

func TestConfig_ClientCertificates(t *testing.T) {
	external := BindFunc(func(_ context.Context, _ string, conn *ldap.Conn) error { return conn.ExternalBind() })
	for name, startTLS := range map[string]bool{"ldaps": false, "StartTLS": true} {
		t.Run(name, func(t *testing.T) {
			c := newCorp(t, 1, 3)
			dc := c.controllers[0]
			certificate, err := dc.ClientCertificate(corpUser)
			require.NoError(t, err)
			with := func(certificates ...tls.Certificate) *Directory {
				return c.directory(t, func(cfg *Config) {
					cfg.Bind, cfg.TLS.Certificates = external, certificates
					if startTLS {
						cfg.URLs, cfg.StartTLS = []string{dc.PlainURL()}, true
					}
				})
			}
			entries, err := gather(t, with(certificate).Entries(t.Context()))
			require.NoError(t, err)
			assert.Len(t, entries, 3)
			_, err = gather(t, with().Entries(t.Context()))
			assert.ErrorContains(t, err, "Result Code 49", "without a certificate")
		})
	}
	t.Run("of another authority", func(t *testing.T) {
		c := newCorp(t, 2, 1)
		foreign, err := c.controllers[1].ClientCertificate(corpUser)
		require.NoError(t, err)
		d := c.directory(t, func(cfg *Config) {
			cfg.URLs, cfg.Bind, cfg.TLS.Certificates = cfg.URLs[:1], external, []tls.Certificate{foreign}
		})
		_, err = gather(t, d.Entries(t.Context()))
		require.ErrorContains(t, err, "adsync: ")
		assert.Zero(t, c.controllers[0].Count(fakead.OpSearch))
	})
}

func TestConfig_PrivateAuthority(t *testing.T) {
	c := newCorp(t, 1, 1)
	d := c.directory(t, func(cfg *Config) { cfg.TLS = nil }) // the system's roots do not know it
	_, err := gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "must be among the TLS RootCAs")
	assert.Zero(t, c.controllers[0].Count(fakead.OpBind), "no password to a stranger")

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(c.controllers[0].CACert()))
	d = c.directory(t, func(cfg *Config) { cfg.TLS = &tls.Config{RootCAs: roots} })
	_, err = gather(t, d.Entries(t.Context()))
	assert.NoError(t, err)
}

// The password is changed on both sides while the host runs.
func TestPasswordFunc_PasswordThatRotates(t *testing.T) {
	c := newCorp(t, 1, 1)
	dc := c.controllers[0]
	account, err := dc.AddUser(fakead.User{Username: "rotating", UPN: "rotating@ad.example.test", Password: "first-Secret"})
	require.NoError(t, err)
	vault := "first-Secret"
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = PasswordFunc("rotating@ad.example.test", func(context.Context) (string, error) { return vault, nil })
	})
	_, err = gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	require.NoError(t, dc.SetPassword(account, "second-Secret"))
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "data 52e")
	vault = "second-Secret"
	_, err = gather(t, d.Entries(t.Context()))
	assert.NoError(t, err)
	assert.Equal(t, 3, dc.BindAttempts(account))
}
