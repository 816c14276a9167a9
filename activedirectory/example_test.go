package activedirectory_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// Two controllers, of which the second is read when the first does not answer.
func ExampleNew() {
	dir, err := activedirectory.New(activedirectory.Config{
		URLs:   []string{"ldaps://dc1.corp.example", "ldaps://dc2.corp.example"},
		BaseDN: "OU=People,DC=corp,DC=example",
		Bind:   activedirectory.SimpleBind("svc-sync@corp.example", os.Getenv("AD_PASSWORD")),
	})
	if err != nil {
		fmt.Println(err) // without AD_PASSWORD
		return
	}
	for e, err := range dir.Entries(context.Background()) {
		if err != nil {
			fmt.Println("incomplete:", err)
			return
		}
		fmt.Println(e.ObjectID, e.Username)
	}
}

// DNS names the controllers, those of one's own site first. A username is what
// people log in with elsewhere.
func ExampleNew_domain() {
	_, err := activedirectory.New(activedirectory.Config{
		Domain:     "corp.example",
		Site:       "Berlin",
		StartTLS:   true,
		Bind:       activedirectory.SimpleBind("svc-sync@corp.example", "a long password"),
		Attributes: map[adsync.Field]string{adsync.FieldUsername: "userPrincipalName", adsync.FieldPhone: "mobile"},
	})
	fmt.Println(err)
	// Output: <nil>
}

// A password never goes over a connection that is not encrypted.
func ExampleSimpleBind() {
	_, err := activedirectory.New(activedirectory.Config{
		URLs: []string{"ldap://dc1.corp.example"},
		Bind: activedirectory.SimpleBind("svc-sync@corp.example", "a long password"),
	})
	fmt.Println(err)
	// Output: adsync: activedirectory.Config.URLs[0] is not encrypted: whatever binds, such as a password, and all that is read would go in the clear; use ldaps://, or set StartTLS
}

// The password is read from a file that something else renews.
func ExamplePasswordFunc() {
	bind := activedirectory.PasswordFunc("svc-sync@corp.example", func(context.Context) (string, error) {
		secret, err := os.ReadFile("/run/secrets/ad")
		return strings.TrimSpace(string(secret)), err
	})
	_, err := activedirectory.New(activedirectory.Config{URLs: []string{"ldaps://dc1.corp.example"}, Bind: bind})
	fmt.Println(err)
	// Output: <nil>
}

// A client certificate instead of a password: SASL EXTERNAL over TLS.
func ExampleBindFunc() {
	bind := activedirectory.BindFunc(func(ctx context.Context, host string, c *ldap.Conn) error {
		return c.ExternalBind()
	})
	_, err := activedirectory.New(activedirectory.Config{URLs: []string{"ldaps://dc1.corp.example"}, Bind: bind})
	fmt.Println(err)
	// Output: <nil>
}
