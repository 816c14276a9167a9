package adsync_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
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
	fmt.Println(adsynctest.CheckDirectory(context.Background(), dir))
	// Output:
	// grace <nil>
	// <nil>
}

// Two domains of a forest: whoever moved from one to the other is not deleted.
func ExampleJoin() {
	moved := ada
	moved.State = adsync.StateDeleted
	dir := adsync.Join(adsync.StaticDirectory{moved}, adsync.StaticDirectory{ada, grace})
	for e, err := range dir.Find(context.Background(), []adsync.ObjectID{ada.ObjectID}) {
		fmt.Println(e.Username, e.State != adsync.StateDeleted, err)
	}
	// Output: ada true <nil>
}
