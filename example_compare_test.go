package adsync_test

import (
	"context"
	"fmt"
	"os"

	"github.com/go-adsync/adsync"
)

// Before a filter is changed, the plan that it would lead to is compared with the plan of
// today. Nothing is written.
func ExampleCompare() {
	ctx, store := context.Background(), exampleStore()
	today, tomorrow := exampleDirectory(), exampleDirectory()
	tomorrow[0].State = adsync.StateOutOfScope // a directory with a filter that misses Anna

	var plans []*adsync.Plan
	for _, directory := range []adsync.Directory{today, tomorrow} {
		syncer, err := adsync.New(directory, store, &adsync.Options{Rules: adsync.Rules{OnOutOfScope: adsync.Deactivate}})
		if err != nil {
			fmt.Println(err)
			return
		}
		plan, err := syncer.Plan(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		plans = append(plans, plan)
	}
	comparison, err := adsync.Compare(plans[0], plans[1])
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(comparison.Counts[adsync.KindLeaves], "would leave.")
	for _, d := range comparison.Differences {
		fmt.Println(d.Kind, d.UserID, d.A[0].Reason, d.B[0].Reason)
	}
	// Output:
	// 1 would leave.
	// leaves 1 changed out-of-scope
}

// WriteTo prints a comparison for people, much as a plan is printed.
func ExampleComparison_WriteTo() {
	users := []adsync.User{
		{ID: "1", ObjectID: annasID, Profile: adsync.Profile{Username: "anna", Phone: "1"}},
		{ID: "2", ObjectID: bjornsID, Profile: adsync.Profile{Username: "bjorn"}},
	}
	today := []adsync.Entry{
		{ObjectID: annasID, Profile: adsync.Profile{Username: "anna", Phone: "2"}},
		{ObjectID: bjornsID, Profile: adsync.Profile{Username: "bjorn"}},
	}
	tomorrow := []adsync.Entry{
		{ObjectID: annasID, Profile: adsync.Profile{Username: "anna", Phone: "0044 2"}}, // another mapping
		{ObjectID: bjornsID, State: adsync.StateOutOfScope},                             // another base
	}
	a, err := adsync.Reconcile(today, users, adsync.Rules{})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := adsync.Reconcile(tomorrow, users, adsync.Rules{})
	if err != nil {
		fmt.Println(err)
		return
	}
	comparison, err := adsync.Compare(a, b)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := comparison.WriteTo(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Plan a: 2 of 2 users are managed, 2 are chosen, 2 were found in the directory.
	// Plan b: 2 of 2 users are managed, 2 are chosen, 1 were found in the directory.
	//
	// - 2  bjorn  leaves: nothing to do → kept: outside the base or filter
	// ~ 1  anna   changes: update: changed in the directory
	//      phone  2  →  0044 2
	//
	// 1 leave, 0 enter, 0 clash, 0 no longer clash, 1 change, 0 with another reason.
}
