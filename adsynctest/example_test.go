package adsynctest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/adsynctest"
)

var (
	ada   = adsync.Entry{ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{Username: "ada", LastName: "Lovelace"}}
	grace = adsync.Entry{ObjectID: adsync.ObjectID{2}, Profile: adsync.Profile{Username: "grace", LastName: "Hopper"}}
)

// CheckDirectory in a test of a host's own Directory. This one forgets to say
// what became of an account.
func ExampleCheckDirectory() {
	err := adsynctest.CheckDirectory(context.Background(), forgetful{adsync.StaticDirectory{ada, grace}})
	first, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Println(first)
	// Output: adsync: CheckDirectory: Find knows whom Entries lists: it has no answer for 02000000-0000-0000-0000-000000000000
}

type forgetful struct{ adsync.StaticDirectory }

func (f forgetful) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return f.StaticDirectory[:1].Find(ctx, ids[:min(1, len(ids))])
}

// A host proves its own store in a test of its own.
func ExampleCheckStore() {
	_ = func(t *testing.T) {
		err := adsynctest.CheckStore(t.Context(), func(ctx context.Context, seed []adsync.User) (adsync.UserStore, error) {
			return adsync.NewMemoryStore(seed...), nil // the host's own, on an empty table that it fills with the seed
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// The directory and the table of users may be read concurrently where neither takes what
// the other needs.
func ExampleCheckApart() {
	users := adsync.NewMemoryStore(adsync.User{ObjectID: ada.ObjectID, Source: "corp", Profile: ada.Profile})
	dir := besides{adsync.StaticDirectory{ada, grace}}
	fmt.Println(adsynctest.CheckApart(context.Background(), dir, users))
	// Output: <nil>
}

// besides is a directory that needs nothing of the store.
type besides struct{ adsync.StaticDirectory }

func (besides) Traits() adsync.Traits { return adsync.Traits{Apart: true} }

// A whole sync in a test, over LDAP.
func ExampleNewController() {
	_ = func(t *testing.T) {
		dc := adsynctest.NewController(t)
		anna := dc.AddPerson(adsync.Profile{Username: "anna", LastName: "Nowak"})
		dir, err := activedirectory.New(activedirectory.Config{
			URLs:   []string{dc.URL()},
			BaseDN: dc.BaseDN(),
			Bind:   activedirectory.SimpleBind(dc.User(), dc.Password()),
			TLS:    &tls.Config{RootCAs: dc.CA()},
		})
		if err != nil {
			t.Fatal(err)
		}
		users := adsync.NewMemoryStore(adsync.User{ID: "1", ObjectID: anna, Source: "corp", Profile: adsync.Profile{Username: "anna"}})
		syncer, err := adsync.New(dir, users, &adsync.Options{Rules: adsync.Rules{Source: "corp"}})
		if err != nil {
			t.Fatal(err)
		}

		dc.Delete(anna)
		if _, err := syncer.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := users.Get("1"); ok {
			t.Error("she has left, and is still here")
		}
	}
}

// A controller that stops in the middle of a listing: nobody has left for that.
func ExampleController_Order() {
	_ = func(t *testing.T, dc *adsynctest.Controller, syncer *adsync.Syncer) {
		end := dc.Order(adsynctest.FaultCutListing)
		defer end()
		if _, err := syncer.Sync(t.Context()); !errors.Is(err, adsync.ErrIncomplete) {
			t.Errorf("it went on with half of the people: %v", err)
		}
	}
}
