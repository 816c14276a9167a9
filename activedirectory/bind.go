package activedirectory

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
)

// Bind is a way to authenticate to a directory. The zero value is refused.
type Bind struct {
	// password is read for each connection, before anything is sent, for user.
	password func(context.Context) (string, error)
	user     string
	// own is the host's own way to authenticate, used instead.
	own ldapread.BindFunc
	// err is why the Bind cannot work, found when it was made.
	err error
}

// SimpleBind authenticates with a name (a DN, a userPrincipalName or
// DOMAIN\name) and a password. It needs ldaps or StartTLS. Neither may be empty:
// a server takes an empty password for an anonymous bind, and says success.
func SimpleBind(user, password string) Bind {
	b := PasswordFunc(user, func(context.Context) (string, error) { return password, nil })
	if b.err == nil && password == "" {
		b.err = errNoPassword
	}
	return b
}

// PasswordFunc is SimpleBind with a password that is read again for each
// connection, so that it can rotate. An error of the function, or an empty
// password, ends the attempt before anything is sent, and no other controller is
// tried. That is no [ErrRefused]: the next run asks for it again.
//
// A password that a controller called wrong is not sent again by the same Directory for 15
// minutes, to whichever controller. One that was not right within the last minute is tried
// by one bind at a time: calls at the same time wait, for as long as their contexts last,
// and a password that is refused then is not sent by them. Each Directory has a memory of
// its own, so make one and keep it. Controllers that are merely asked
// ([Config.Witnesses]) may refuse what those that are read have taken: then it is not sent
// to them for 15 minutes, and the others are read on.
func PasswordFunc(user string, password func(context.Context) (string, error)) Bind {
	if user == "" || password == nil {
		return Bind{err: errors.New("adsync: Bind needs a user name and a password")}
	}
	return Bind{user: user, password: password}
}

var errNoPassword = errors.New("adsync: the password is empty; a server would take that for an anonymous bind")

// BindFunc authenticates in the host's own way, such as Kerberos. The function
// gets the controller's host name and a connection that is already encrypted
// where the URL or StartTLS asks for it. It must leave no request running.
//
// After an error that comes from neither the server nor the network no other controller
// is tried, as the password may be wrong. It is [ErrRefused] only if it is the server's
// own result of refusal, or if the function says so by wrapping ErrRefused, as it should
// where a Kerberos server refused the account. What such a function sends is its own to
// remember: calls at the same time, and those that follow, each call it.
func BindFunc(bind func(ctx context.Context, host string, c *ldap.Conn) error) Bind {
	if bind == nil {
		return Bind{err: errors.New("adsync: BindFunc needs a function")}
	}
	return Bind{own: bind}
}

// auth prepares binds. It refuses before anything is sent.
func (b Bind) auth(known *passwords, from source) ldapread.Auth {
	if b.own != nil {
		return func(context.Context) (ldapread.Attempt, error) { return ldapread.Attempt{Bind: b.own}, nil }
	}
	return func(ctx context.Context) (ldapread.Attempt, error) {
		secret, err := b.password(ctx)
		if err != nil {
			return ldapread.Attempt{}, fmt.Errorf("adsync: the password could not be had: %w", err)
		}
		if secret == "" {
			return ldapread.Attempt{}, errNoPassword
		}
		sum := sumOf(secret)
		if known.isRefused(sum, from) {
			return ldapread.Attempt{}, errRefusedBefore
		}
		return ldapread.Attempt{
			Turn: func(ctx context.Context) (end func(), err error) { return known.turn(ctx, sum, from) },
			Bind: func(_ context.Context, _ string, c *ldap.Conn) error {
				err := c.Bind(b.user, secret)
				known.note(sum, from, err)
				return err
			},
		}, nil
	}
}

// ErrRefused: a controller refused the name or password of the service account, or
// refused it a moment ago, so that it was not sent again; or a BindFunc said so. Do not
// try again, here or elsewhere, before they are corrected: the account would get locked.
// A password that could not be had, as its store is away, is no ErrRefused.
var ErrRefused = ldapread.ErrRefused

var errRefusedBefore = fmt.Errorf("adsync: this very password was refused less than %v ago and is not sent again; correct it; %w", refusedFor, ErrRefused)
