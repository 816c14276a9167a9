package adsync_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/go-adsync/adsync"
)

// Details beyond the five have names of the host's own choice. What the Traits of both
// sides list is synchronised; a set shows what it gains and what it loses.
func ExampleExtra() {
	const department, languages = adsync.Field("department"), adsync.Field("languages")
	ada := adsync.Profile{Username: "ada", FirstName: "Ada", LastName: "Lovelace"}
	directory := adsync.StaticDirectory{{ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{
		Username: "ada", FirstName: "Ada", LastName: "Lovelace",
		Extra: adsync.NewExtra(map[adsync.Field][]string{department: {"Engines"}, languages: {"en", "fr"}}),
	}}}
	store := adsync.NewMemoryStore(adsync.User{
		ID: "7", ObjectID: adsync.ObjectID{1},
		Profile: ada.With(department, "Poetry").With(languages, "en"),
	}).Hold(department, languages)
	syncer, err := adsync.New(directory, store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Sync(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = report.Plan.WriteTo(os.Stdout)
	user, _ := store.Get("7")
	fmt.Println(user.Get(department), user.Extra.Set(languages))
	// Output:
	// 1 of 1 users are managed, 1 are chosen, 1 were found in the directory.
	//
	// ~ 7  ada  update: changed in the directory
	//      department  Poetry  →  Engines
	//      languages   + fr
	//
	// 1 to update, 0 to delete, 0 to create; 0 duplicate, 0 invalid, 0 with a notice; 0 unchanged.
	// Engines [en fr]
}

// A manager is the ObjectID of another account, as activedirectory.Config.References reads
// it, and so the same person under any name. Rules.KeepOnEmpty keeps the last one known.
func ExampleProfile_With() {
	const manager = adsync.Field("manager")
	boss := adsync.ObjectID{0xb0}
	entries := []adsync.Entry{
		{ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{Username: "ada"}.With(manager, boss.String())},
		{ObjectID: adsync.ObjectID{2}, Profile: adsync.Profile{Username: "bo"}},
	}
	users := []adsync.User{
		{ID: "1", ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{Username: "ada"}},
		{ID: "2", ObjectID: adsync.ObjectID{2}, Profile: adsync.Profile{Username: "bo"}.With(manager, boss.String())},
	}
	plan, err := adsync.Reconcile(entries, users, adsync.Rules{
		Fields:      []adsync.Field{adsync.FieldUsername, manager},
		KeepOnEmpty: []adsync.Field{manager},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range plan.Changes {
		fmt.Println(c.UserID, c.Fields, c.After.Get(manager))
	}
	// Output:
	// 1 [manager] b0000000-0000-0000-0000-000000000000
}

// A Map has the last word on further details, too: it shortens one, and clears another by a
// value of white space. What it does not touch is as the account has it.
func ExampleRules_furtherDetails() {
	const room, note = adsync.Field("room"), adsync.Field("note")
	ada := adsync.Profile{Username: "ada"}
	plan, err := adsync.Reconcile(
		[]adsync.Entry{{ObjectID: adsync.ObjectID{1}, Profile: ada.With(room, "HQ/2.17").With(note, "internal")}},
		[]adsync.User{{ID: "1", ObjectID: adsync.ObjectID{1}, Profile: ada.With(note, "old")}},
		adsync.Rules{
			Fields: []adsync.Field{adsync.FieldUsername, room, note},
			Map: func(e adsync.Entry) (adsync.Profile, error) {
				_, number, _ := strings.Cut(e.Get(room), "/")
				return e.With(room, number).With(note, " "), nil
			},
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Changes[0].Fields, plan.Changes[0].After.Extra.Fields(), plan.Changes[0].After.Get(room))
	// Output:
	// [note room] [room] 2.17
}
