package adsync_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
)

// Two accounts, as a test would write them down.
var (
	ada   = adsync.Entry{ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{Username: "ada", LastName: "Lovelace"}}
	grace = adsync.Entry{ObjectID: adsync.ObjectID{2}, Profile: adsync.Profile{Username: "grace", LastName: "Hopper"}}
)

func ExampleParseObjectID() {
	id, err := adsync.ParseObjectID("{E124855B-1A37-41BE-9F05-3C1A9B7D2E10}")
	fmt.Println(id, err)
	// Output: e124855b-1a37-41be-9f05-3c1a9b7d2e10 <nil>
}

// The bytes of an objectGUID attribute are not in the order that people read.
func ExampleObjectIDFromBytes() {
	wire := []byte("\x5b\x85\x24\xe1\x37\x1a\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10")
	id, err := adsync.ObjectIDFromBytes(wire)
	fmt.Println(id, err)
	// Output: e124855b-1a37-41be-9f05-3c1a9b7d2e10 <nil>
}

// Two controllers, of which the second is read when the first does not answer.
func ExampleNewActiveDirectory() {
	dir, err := adsync.NewActiveDirectory(adsync.ActiveDirectoryConfig{
		URLs:   []string{"ldaps://dc1.corp.example", "ldaps://dc2.corp.example"},
		BaseDN: "OU=People,DC=corp,DC=example",
		Bind:   adsync.SimpleBind("svc-sync@corp.example", os.Getenv("AD_PASSWORD")),
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
func ExampleNewActiveDirectory_domain() {
	_, err := adsync.NewActiveDirectory(adsync.ActiveDirectoryConfig{
		Domain:     "corp.example",
		Site:       "Berlin",
		StartTLS:   true,
		Bind:       adsync.SimpleBind("svc-sync@corp.example", "a long password"),
		Attributes: map[adsync.Field]string{adsync.FieldUsername: "userPrincipalName", adsync.FieldPhone: "mobile"},
	})
	fmt.Println(err)
	// Output: <nil>
}

// A password never goes over a connection that is not encrypted.
func ExampleSimpleBind() {
	_, err := adsync.NewActiveDirectory(adsync.ActiveDirectoryConfig{
		URLs: []string{"ldap://dc1.corp.example"},
		Bind: adsync.SimpleBind("svc-sync@corp.example", "a long password"),
	})
	fmt.Println(err)
	// Output: adsync: ActiveDirectoryConfig.URLs[0] would send the password in the clear; use ldaps://, or set StartTLS
}

// The password is read from a file that something else renews.
func ExamplePasswordFunc() {
	bind := adsync.PasswordFunc("svc-sync@corp.example", func(context.Context) (string, error) {
		secret, err := os.ReadFile("/run/secrets/ad")
		return strings.TrimSpace(string(secret)), err
	})
	_, err := adsync.NewActiveDirectory(adsync.ActiveDirectoryConfig{URLs: []string{"ldaps://dc1.corp.example"}, Bind: bind})
	fmt.Println(err)
	// Output: <nil>
}

// A client certificate instead of a password: SASL EXTERNAL over TLS.
func ExampleBindFunc() {
	bind := adsync.BindFunc(func(ctx context.Context, host string, c *ldap.Conn) error {
		return c.ExternalBind()
	})
	_, err := adsync.NewActiveDirectory(adsync.ActiveDirectoryConfig{URLs: []string{"ldaps://dc1.corp.example"}, Bind: bind})
	fmt.Println(err)
	// Output: <nil>
}

// A directory as a literal, for a host's tests.
func ExampleStaticDirectory() {
	left := grace
	left.State = adsync.StateDeleted
	dir := adsync.StaticDirectory{ada, left}
	for e := range dir.Entries(context.Background()) {
		fmt.Println("listed:", e.Username)
	}
	for e := range dir.Find(context.Background(), []adsync.ObjectID{left.ObjectID, {3}}) {
		fmt.Println("found:", e.ObjectID, e.State)
	}
	// Output:
	// listed: ada
	// found: 02000000-0000-0000-0000-000000000000 deleted
	// found: 03000000-0000-0000-0000-000000000000 deleted
}

// A source that can only list, such as an export from personnel.
func ExampleListing() {
	dir := adsync.Listing(func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
		return func(yield func(adsync.Entry, error) bool) {
			for _, e := range []adsync.Entry{ada, grace} {
				if ctx.Err() != nil {
					yield(adsync.Entry{}, ctx.Err())
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	})
	for e, err := range dir.Find(context.Background(), []adsync.ObjectID{grace.ObjectID}) {
		fmt.Println(e.Username, err)
	}
	fmt.Println(adsync.CheckDirectory(context.Background(), dir))
	// Output:
	// grace <nil>
	// <nil>
}

// Two domains of a forest: who moved from one to the other is deleted in neither.
func ExampleJoin() {
	moved := ada
	moved.State = adsync.StateDeleted
	dir := adsync.Join(adsync.StaticDirectory{moved}, adsync.StaticDirectory{ada, grace})
	for e, err := range dir.Find(context.Background(), []adsync.ObjectID{ada.ObjectID}) {
		fmt.Println(e.Username, e.State != adsync.StateDeleted, err)
	}
	// Output: ada true <nil>
}

// CheckDirectory in a test of a host's own Directory. This one forgets to say
// what became of an account.
func ExampleCheckDirectory() {
	err := adsync.CheckDirectory(context.Background(), forgetful{adsync.StaticDirectory{ada, grace}})
	first, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Println(first)
	// Output: adsync: CheckDirectory: Find knows whom Entries lists: it has no answer for 02000000-0000-0000-0000-000000000000
}

type forgetful struct{ adsync.StaticDirectory }

func (f forgetful) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return f.StaticDirectory[:1].Find(ctx, ids[:min(1, len(ids))])
}
