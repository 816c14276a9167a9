package adsynctest_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/go-adsync/adsync"
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
