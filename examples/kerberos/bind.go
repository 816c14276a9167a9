package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"github.com/go-ldap/ldap/v3/gssapi"
	"github.com/jcmturner/gokrb5/v8/client"

	"github.com/go-adsync/adsync/activedirectory"
)

// kerberos says who binds, and where tickets come from.
type kerberos struct {
	user, realm string
	config      string // path of krb5.conf
}

// withKeytab reads the keytab again for each connection, so that it can be
// replaced while the host runs.
func (k kerberos) withKeytab(path string) activedirectory.Bind {
	return k.bind(func() (*gssapi.Client, error) {
		return gssapi.NewClientWithKeytab(k.user, k.realm, path, k.config, client.DisablePAFXFAST(true))
	})
}

func (k kerberos) withPassword(password string) activedirectory.Bind {
	return k.bind(func() (*gssapi.Client, error) {
		return gssapi.NewClientWithPassword(k.user, k.realm, password, k.config, client.DisablePAFXFAST(true))
	})
}

// bind is a bind over TLS: go-ldap's GSSAPI adds no encryption of its own. FAST is
// off because domain controllers commonly do not offer it.
func (k kerberos) bind(login func() (*gssapi.Client, error)) activedirectory.Bind {
	return activedirectory.BindFunc(func(_ context.Context, host string, c *ldap.Conn) error {
		tickets, err := login()
		if err != nil {
			return err
		}
		defer tickets.Close()
		err = c.GSSAPIBind(tickets, "ldap/"+host, "")
		if isRefused(err) {
			return fmt.Errorf("%w; %w", err, activedirectory.ErrRefused)
		}
		return err
	})
}

// isRefused reports that the Kerberos server refused the account, of which gokrb5 keeps
// the text alone. Trying again could lock it.
func isRefused(err error) bool {
	for _, code := range []string{"KDC_ERR_PREAUTH_FAILED", "KDC_ERR_CLIENT_REVOKED", "KDC_ERR_KEY_EXPIRED", "KDC_ERR_C_PRINCIPAL_UNKNOWN"} {
		if err != nil && strings.Contains(err.Error(), code) {
			return true
		}
	}
	return false
}
