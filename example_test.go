package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
)

// The IDs that the examples speak of. Real ones are random, and come from the
// directory.
var (
	annasID  = adsync.ObjectID{15: 1}
	bjornsID = adsync.ObjectID{15: 2}
	chidisID = adsync.ObjectID{15: 3}
)

// exampleStore is a host's user table: Anna, Björn and Chidi were imported, root
// is local.
func exampleStore() *adsync.MemoryStore {
	return adsync.NewMemoryStore(
		adsync.User{ID: "1", ObjectID: annasID, Profile: adsync.Profile{
			Username: "anna", FirstName: "Anna", LastName: "Nowak", Email: "anna@corp.example"}},
		adsync.User{ID: "2", ObjectID: bjornsID, Profile: adsync.Profile{
			Username: "bjorn", FirstName: "Björn", LastName: "Ek", Email: "bjorn@corp.example"}},
		adsync.User{ID: "3", ObjectID: chidisID, Profile: adsync.Profile{
			Username: "chidi", FirstName: "Chidi", LastName: "Eze", Email: "chidi@corp.example"}},
		adsync.User{ID: "4", Profile: adsync.Profile{Username: "root", Email: "root@corp.example"}},
	)
}

// exampleDirectory is what happened since: Anna married, Björn left, Chidi wants
// an address that is taken, and 美玲 is new.
func exampleDirectory() adsync.StaticDirectory {
	return adsync.StaticDirectory{
		{ObjectID: annasID, Profile: adsync.Profile{
			Username: "anna", FirstName: "Anna", LastName: "Silva", Email: "anna.silva@corp.example"}},
		{ObjectID: bjornsID, State: adsync.StateDeleted},
		{ObjectID: chidisID, Profile: adsync.Profile{
			Username: "chidi", FirstName: "Chidi", LastName: "Eze", Email: "root@corp.example"}},
		{ObjectID: adsync.ObjectID{15: 4}, Profile: adsync.Profile{
			Username: "meiling", FirstName: "美玲", LastName: "陈", Email: "meiling@corp.example"}},
	}
}

// A host gives its rules and limits once. What they leave out has a safe default.
func ExampleNew() {
	_, err := adsync.New(exampleDirectory(), exampleStore(), &adsync.Options{
		Rules: adsync.Rules{
			OnDisabled:  adsync.Deactivate,
			KeepOnEmpty: []adsync.Field{adsync.FieldPhone}, // an empty one does not clear ours
		},
		Limits: adsync.Limits{MaxRemovals: 20},
	})
	fmt.Println(err)

	_, err = adsync.New(exampleDirectory(), exampleStore(), &adsync.Options{
		Rules: adsync.Rules{OnDisabled: "vanish"},
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// adsync: Rules.OnDisabled: "vanish" is not a reaction; use Keep, Deactivate or Remove
}

// A plan is data: it can be looked at, printed, kept as JSON, and thrown away.
func ExampleSyncer_Plan() {
	syncer, err := adsync.New(exampleDirectory(), exampleStore(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := syncer.Plan(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range plan.Changes {
		fmt.Println(c.UserID, c.Op, c.Reason, c.Fields)
	}
	// Output:
	// 2 delete deleted []
	// 1 update changed [last_name email]
	// 3 duplicate taken []
}

// Apply writes what the plan says and nothing else. A row that has changed since
// is left alone.
func ExampleSyncer_Apply() {
	ctx, store := context.Background(), exampleStore()
	syncer, err := adsync.New(exampleDirectory(), store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := syncer.Plan(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	// In the meantime, somebody makes Björn an owner.
	bjorn, _ := store.Get("2")
	owner := bjorn
	owner.Protected = true
	err = store.UpdateUser(ctx, adsync.Change{Op: adsync.OpUpdate, UserID: "2", Before: &bjorn, After: &owner})
	if err != nil {
		fmt.Println(err)
		return
	}

	report, err := syncer.Apply(ctx, plan)
	for _, result := range report.Results {
		fmt.Println(result.UserID, result.Outcome)
	}
	fmt.Println(err, errors.Is(report.Err(), adsync.ErrStale))
	// Output:
	// 2 stale
	// 1 applied
	// 3 skipped
	// <nil> true
}

// Sync is Plan and Apply in a row.
func ExampleSyncer_Sync() {
	ctx, store := context.Background(), exampleStore()
	syncer, err := adsync.New(exampleDirectory(), store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Sync(ctx)
	fmt.Println(err, report.Counts().Modified, report.Counts().Deleted)

	report, err = syncer.Sync(ctx) // nothing is left to do
	fmt.Println(err, report.Counts().Modified, report.Counts().Deleted)

	_, there := store.Get("4") // a local user is none of its business
	fmt.Println(there)
	// Output:
	// <nil> 1 1
	// <nil> 0 0
	// true
}

// Explain says what a sync would do with one user, and why.
func ExampleSyncer_Explain() {
	syncer, err := adsync.New(exampleDirectory(), exampleStore(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	lines, err := syncer.Explain(context.Background(), "2")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range lines {
		fmt.Println(line)
	}
	// Output:
	// The host has user 2 with username bjorn, first_name Björn, last_name Ek, email bjorn@corp.example, phone (empty), status active.
	// The directory has account 00000000-0000-0000-0000-000000000002 as deleted.
	// A sync says: delete: deleted in the directory.
	// This is done by the next sync, unless the directory or the rules change before.
}

// Inverse is the plan that takes a run back. Here it is the mistake of a rule that
// deactivated somebody.
func ExampleSyncer_Inverse() {
	ctx, store := context.Background(), exampleStore()
	onLeave := adsync.StaticDirectory{{
		ObjectID: annasID, Disabled: true,
		Profile: adsync.Profile{Username: "anna", FirstName: "Anna", LastName: "Nowak", Email: "anna@corp.example"},
	}}
	syncer, err := adsync.New(onLeave, store, &adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Sync(ctx, adsync.OnlyUsers("1"))
	anna, _ := store.Get("1")
	fmt.Println(err, anna.Status == adsync.StatusDeactivated)

	back, err := syncer.Inverse(ctx, report)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = syncer.Apply(ctx, back, adsync.Approval{Digest: back.Digest(), At: time.Now()}) // a person has reviewed it
	anna, _ = store.Get("1")
	fmt.Println(err, anna.Status == adsync.StatusDeactivated)
	// Output:
	// <nil> true
	// <nil> false
}

// OnlyUsers chooses users by ID. Nobody else is changed, or even looked up.
func ExampleOnlyUsers() {
	syncer, err := adsync.New(exampleDirectory(), exampleStore(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Sync(context.Background(), adsync.OnlyUsers("1"))
	fmt.Println(err, report.Counts().Modified, report.Counts().Deleted)

	_, err = syncer.Sync(context.Background(), adsync.OnlyUsers("4"))
	fmt.Println(err)
	// Output:
	// <nil> 1 0
	// adsync: user "4" is unknown or not managed; choose users who were imported from this directory
}

// Import creates users for just the people that somebody picked.
func ExampleImportEntries() {
	store := exampleStore()
	syncer, err := adsync.New(exampleDirectory(), store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Sync(context.Background(), adsync.ImportEntries(adsync.ObjectID{15: 4}))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range report.Results {
		u, _ := store.Get(result.UserID)
		fmt.Println(result.Outcome, u.Username, u.FirstName, u.LastName)
	}
	// Output:
	// applied meiling 美玲 陈
}

// Reconcile is the planner alone, for a host that has both lists already. Who is
// not listed counts as deleted: the caller vouches for the list.
func ExampleReconcile() {
	entries := []adsync.Entry{
		{ObjectID: annasID, Profile: adsync.Profile{Username: "bjorn"}},
		{ObjectID: bjornsID, Profile: adsync.Profile{Username: "anna"}},
	}
	users := []adsync.User{
		{ID: "1", ObjectID: annasID, Profile: adsync.Profile{Username: "anna"}},
		{ID: "2", ObjectID: bjornsID, Profile: adsync.Profile{Username: "bjorn"}},
		{ID: "3", ObjectID: chidisID, Profile: adsync.Profile{Username: "chidi"}},
	}
	plan, err := adsync.Reconcile(entries, users, adsync.Rules{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range plan.Changes {
		fmt.Println(c.UserID, c.Op, c.Reason)
	}
	// Output:
	// 3 delete deleted
	// 1 update parked
	// 2 update changed
	// 1 update changed
}

// Adopt links users whom the host imported before it kept an objectGUID.
func ExampleAdopt() {
	entries := []adsync.Entry{
		{ObjectID: annasID, Profile: adsync.Profile{Username: "anna", Email: "anna@corp.example"}},
		{ObjectID: bjornsID, Profile: adsync.Profile{Username: "bjorn", Email: "bjorn.ek@corp.example"}},
	}
	users := []adsync.User{
		{ID: "1", Profile: adsync.Profile{Username: "Anna", Email: "anna@corp.example"}},
		{ID: "2", Profile: adsync.Profile{Username: "bjorn", Email: "bjorn@corp.example"}},
	}
	plan, err := adsync.Adopt(entries, users, adsync.Rules{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range plan.Changes {
		fmt.Println(c.UserID, c.Op, c.Reason, c.Fields)
	}
	// Output:
	// 1 update adopted [object_id]
	// 2 notice ambiguous []
}

// WriteTo prints a plan for people.
func ExamplePlan_WriteTo() {
	syncer, err := adsync.New(exampleDirectory(), exampleStore(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := syncer.Plan(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := plan.WriteTo(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 of 4 users are managed, 3 are chosen, 2 were found in the directory.
	//
	// - 2  bjorn  delete: deleted in the directory
	// ~ 1  anna   update: changed in the directory
	//      last_name  Nowak              →  Silva
	//      email      anna@corp.example  →  anna.silva@corp.example
	// ! 3  chidi  duplicate: another user keeps it
	//      email      root@corp.example, also of 4
	//
	// 1 to update, 1 to delete, 0 to create; 1 duplicate, 0 invalid, 0 with a notice; 0 unchanged.
}

// Check tells beforehand whether Apply would refuse the plan.
func ExamplePlan_Check() {
	plan, err := adsync.Reconcile(nil, []adsync.User{
		{ID: "1", ObjectID: annasID, Profile: adsync.Profile{Username: "anna"}},
		{ID: "2", ObjectID: bjornsID, Profile: adsync.Profile{Username: "bjorn"}},
	}, adsync.Rules{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = plan.Check(adsync.Limits{})
	var limit *adsync.LimitError
	if errors.As(err, &limit) {
		fmt.Println(limit.Limit, limit.Count, limit.Allowed)
	}
	fmt.Println(plan.Check(adsync.Limits{MaxRemovalRatio: 1}))
	// Output:
	// MaxRemovalRatio 2 1
	// <nil>
}

// Summary is what a message box shows.
func ExampleReport_Summary() {
	syncer, err := adsync.New(exampleDirectory(), exampleStore(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Sync(context.Background())
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.Join(report.Summary(), "\n"))
	// Output:
	// Synchronizing users with Active Directory has been successful.
	// 1 user(s) details are modified.
	// 1 user(s) are deleted.
	// 1 user(s) are duplicated.
}

// Limits hold a plan back before its first write. A plan that a person has looked at
// is let through by its digest, and no other plan is.
func ExampleLimits() {
	ctx, everybodyLeft := context.Background(), adsync.StaticDirectory{}
	syncer, err := adsync.New(everybodyLeft, exampleStore(), &adsync.Options{
		Limits: adsync.Limits{MaxRemovals: 2, MaxRemovalRatio: -1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := syncer.Plan(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Apply(ctx, plan)
	fmt.Println(report.Counts().Deleted, err)

	report, err = syncer.Apply(ctx, plan, adsync.Approval{Digest: plan.Digest(), At: time.Now()})
	fmt.Println(report.Counts().Deleted, err)
	// Output:
	// 0 adsync: the plan removes 3 of 3 managed users, and MaxRemovals allows 2; nothing was changed. Review the plan, then approve its digest or change the limit
	// 3 <nil>
}
