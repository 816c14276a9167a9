package ldapread

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync/internal/fakead"
)

func TestBind_RefusedPasswords(t *testing.T) {
	for data := range refusals {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		switch data {
		case fakead.DataNoSuchUser:
			cfg.Auth = simple("nobody@ad.example.test", servicePassword)
		case fakead.DataBadPassword:
			cfg.Auth = simple("svc@ad.example.test", "hunter2")
		default:
			require.NoError(t, d.RefuseBind(d.svc, data))
		}
		c := d.open(cfg)
		_, err := list(t.Context(), c)
		require.ErrorIs(t, err, ErrRefused, data)
		assert.ErrorContains(t, err, refusals[data])
		assert.NotContains(t, err.Error(), "svc")
		assert.NotContains(t, err.Error(), "hunter2")
		assert.Equal(t, err, c.Final())
		_, again := list(t.Context(), c)
		assert.Equal(t, err, again)
		assert.Equal(t, 1, d.Count(fakead.OpBind), "never tried again")
	}
}

func TestBind_OtherMechanisms(t *testing.T) {
	fails := func(err error) Auth {
		return func(context.Context) (Attempt, error) {
			return Attempt{Bind: func(context.Context, string, *ldap.Conn) error { return err }}, nil
		}
	}
	t.Run("the host name is that of the URL", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		var host string
		cfg.Auth = func(context.Context) (Attempt, error) {
			return Attempt{Bind: func(_ context.Context, h string, c *ldap.Conn) error {
				host = h
				return c.Bind("svc@ad.example.test", servicePassword)
			}}, nil
		}
		_, err := list(t.Context(), d.open(cfg))
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1", host)
	})
	t.Run("an error of the host's own is final, and no refusal", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		cfg.Auth = fails(os.ErrPermission)
		c := d.open(cfg)
		_, err := list(t.Context(), c)
		assert.NotErrorIs(t, err, ErrRefused)
		assert.ErrorIs(t, err, os.ErrPermission)
		assert.ErrorContains(t, err, "no other controller is tried, as the password may be wrong")
		assert.Equal(t, err, c.Final())
		failed, known := c.Failed()
		assert.True(t, failed && known, "another controller may be better the next time")
	})
	t.Run("unless it says so", func(t *testing.T) {
		for name, said := range map[string]error{
			"alone":                   ErrRefused,
			"of a library":            fmt.Errorf("%w: %w", ErrRefused, os.ErrPermission),
			"of another code of LDAP": fmt.Errorf("%w: %w", ErrRefused, ldap.NewError(ldap.LDAPResultUnwillingToPerform, os.ErrPermission)),
		} {
			d := newDomain(t, fakead.Config{})
			cfg := d.config()
			cfg.Auth = fails(said)
			c := d.open(cfg)
			_, err := list(t.Context(), c)
			assert.ErrorIs(t, err, ErrRefused, name)
			assert.Equal(t, err, c.Final(), name)
			assert.Equal(t, 1, strings.Count(err.Error(), ErrRefused.Error()), name)
			assert.NotContains(t, err.Error(), "may be wrong", name)
		}
	})
	t.Run("a network error of the host's own is neither", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		cfg.Auth = fails(&net.OpError{Op: "dial", Err: os.ErrPermission})
		c := d.open(cfg)
		_, err := list(t.Context(), c)
		require.Error(t, err)
		assert.NotErrorIs(t, err, ErrRefused)
		assert.NoError(t, c.Final())
	})
	t.Run("what refuses beforehand sends nothing", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		cfg.Auth = func(context.Context) (Attempt, error) { return Attempt{}, os.ErrPermission }
		c := d.open(cfg)
		_, err := list(t.Context(), c)
		assert.ErrorIs(t, err, os.ErrPermission)
		assert.ErrorContains(t, err, "nothing was sent")
		assert.NotErrorIs(t, err, ErrRefused)
		assert.Equal(t, err, c.Final())
		_, known := c.Failed()
		assert.False(t, known, "it says nothing of the controller")
		assert.Zero(t, d.Opened())
	})
	t.Run("and may know that the password was refused", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		cfg.Auth = func(context.Context) (Attempt, error) { return Attempt{}, fmt.Errorf("a moment ago: %w", ErrRefused) }
		_, err := list(t.Context(), d.open(cfg))
		assert.ErrorIs(t, err, ErrRefused)
		assert.Zero(t, d.Opened())
	})
	t.Run("its caller may stop meanwhile", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		cfg.Auth = func(context.Context) (Attempt, error) {
			cancel()
			return Attempt{}, os.ErrPermission
		}
		c := d.open(cfg)
		_, err := list(ctx, c)
		assert.ErrorIs(t, err, context.Canceled)
		assert.NoError(t, c.Final())
	})
	t.Run("a panic leaves nothing open", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		cfg := d.config()
		cfg.Auth = func(context.Context) (Attempt, error) {
			return Attempt{Bind: func(context.Context, string, *ldap.Conn) error { panic("the host's") }}, nil
		}
		assert.Panics(t, func() { _, _ = list(t.Context(), d.open(cfg)) })
		assert.Eventually(t, func() bool { return d.Connections() == 0 }, time.Minute, time.Millisecond)
	})
}

func TestEncryption(t *testing.T) {
	tests := []struct {
		name     string
		flaw     fakead.Certificate
		fault    fakead.FaultKind
		startTLS bool
		says     string
	}{
		{"ldaps", "", "", false, ""},
		{"StartTLS", "", "", true, ""},
		{"ldaps, expired", fakead.CertificateExpired, "", false, "expired"},
		{"StartTLS, expired", fakead.CertificateExpired, "", true, "expired"},
		{"ldaps, unknown authority", fakead.CertificateOtherCA, "", false, "RootCAs"},
		{"StartTLS, unknown authority", fakead.CertificateOtherCA, "", true, "RootCAs"},
		{"ldaps, another name", fakead.CertificateOtherName, "", false, "host name"},
		{"StartTLS, another name", fakead.CertificateOtherName, "", true, "host name"},
		{"StartTLS refused", "", fakead.FaultStartTLSRefused, true, "refused StartTLS"},
		{"StartTLS broken off", "", fakead.FaultStartTLSBroken, true, "connecting"},
		{"StartTLS unanswered", "", fakead.FaultSilence, true, "no answer within"},
		{"StartTLS cut", "", fakead.FaultCut, true, "the server closed"},
		{"StartTLS malformed", "", fakead.FaultHugeLength, true, "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDomain(t, fakead.Config{Certificate: tt.flaw})
			d.add(1)
			if tt.fault != "" {
				d.Order(fakead.Fault{Kind: tt.fault, Op: fakead.OpStartTLS})
			}
			url := d.URL()
			if tt.startTLS {
				url = d.PlainURL()
			}
			cfg := d.config()
			if tt.fault == fakead.FaultSilence {
				cfg.Timeout = 500 * time.Millisecond
			}
			_, err := list(t.Context(), d.openAt(cfg, url))
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
			assert.Zero(t, d.Count(fakead.OpBind), "no password to whom has not proven its name")
		})
	}
}

func TestEncryption_PlaintextIsRefusedByTheController(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	s, err := ParseURL(d.PlainURL(), false)
	require.NoError(t, err)
	c := NewController(d.config(), s)
	defer c.Close()
	_, err = list(t.Context(), c)
	assert.ErrorContains(t, err, "use ldaps:// or StartTLS")
	assert.NotErrorIs(t, err, ErrRefused)
}

func TestDial_AnotherServiceOnThePort(t *testing.T) {
	defer goleak.VerifyNone(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("220 mail.example ESMTP\r\n"))
		_, _ = conn.Read(make([]byte, 1024))
	}()
	defer func() { listener.Close(); <-done }()
	s, err := ParseURL("ldap://"+listener.Addr().String(), false)
	require.NoError(t, err)
	cfg := testConfig()
	cfg.Auth = simple("svc", servicePassword)
	c := NewController(cfg, s)
	defer c.Close()
	_, err = list(t.Context(), c)
	assert.ErrorIs(t, err, errFrame)
}

func TestController_KeepsItsConnection(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(3)
	c := d.open(d.config())
	for range 3 {
		_, err := list(t.Context(), c)
		require.NoError(t, err)
		_, err = look(t.Context(), c, ids...)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, d.Opened())

	t.Run("a call within a call has its own", func(t *testing.T) {
		err := c.Entries(t.Context(), func(*Account) bool {
			_, err := look(t.Context(), c, ids...)
			return assert.NoError(t, err)
		})
		require.NoError(t, err)
		assert.Equal(t, 2, d.Opened(), "and keeps that one")
	})
	c.Close()
	_, err := list(t.Context(), c)
	assert.ErrorContains(t, err, "over")
	assert.Eventually(t, func() bool { return d.Connections() == 0 }, time.Minute, time.Millisecond)
}

func TestController_ConnectsAnewWhenTheServerHasHungUp(t *testing.T) {
	// A busy machine may take longer than the server waits: it then gets more time.
	var d *domain
	var err error
	for idle := 50 * time.Millisecond; ; idle *= 10 {
		d = newDomain(t, fakead.Config{IdleTimeout: idle})
		c := d.open(d.config())
		if _, err = list(t.Context(), c); err == nil {
			require.Eventually(t, func() bool { return d.Connections() == 0 && c.idle.conn.IsClosing() }, time.Minute, time.Millisecond)
			_, err = list(t.Context(), c)
		}
		if err == nil && d.Opened() == 2 || idle > 10*time.Second {
			break
		}
	}
	require.NoError(t, err)
	assert.Equal(t, 2, d.Opened())
}
