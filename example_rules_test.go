package adsync_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
)

// people are two accounts, and their users as a host imported them.
func people(users ...adsync.User) ([]adsync.Entry, []adsync.User) {
	entries := []adsync.Entry{
		{ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{Username: "ALovelace", FirstName: "Ada", LastName: "Lovelace", Email: "Ada@Corp.example"}},
		{ObjectID: adsync.ObjectID{2}, Profile: adsync.Profile{Username: "ghopper", FirstName: "Grace", LastName: "Hopper"}},
	}
	for i := range users {
		users[i].ObjectID = adsync.ObjectID{byte(i + 1)}
	}
	return entries, users
}

// A table with one column for the whole name maps it as the first name, and maps nothing
// as the last name.
func ExampleRules_fullName() {
	entries, users := people(
		adsync.User{ID: "1", Profile: adsync.Profile{Username: "ALovelace", FirstName: "Ada Byron"}},
		adsync.User{ID: "2", Profile: adsync.Profile{Username: "ghopper", FirstName: "Grace Hopper"}},
	)
	plan, err := adsync.Reconcile(entries, users, adsync.Rules{
		Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldFirstName},
		Map: func(e adsync.Entry) (adsync.Profile, error) {
			p := e.Profile
			p.FirstName, p.LastName = strings.TrimSpace(p.FirstName+" "+p.LastName), ""
			return p, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan.WriteTo(os.Stdout)
	// Output:
	// 2 of 2 users are managed, 2 are chosen, 2 were found in the directory.
	//
	// ~ 1  ALovelace  update: changed in the directory
	//      first_name  Ada Byron  →  Ada Lovelace
	//
	// 1 to update, 0 to delete, 0 to create; 0 duplicate, 0 invalid, 0 with a notice; 1 unchanged.
}

// A product whose users sign in with their address has one column for both, mapped as
// the username. Whoever has no address is reported and left alone.
func ExampleRules_usernameIsEmail() {
	entries, users := people(
		adsync.User{ID: "1", Profile: adsync.Profile{Username: "ada@old.example"}},
		adsync.User{ID: "2", Profile: adsync.Profile{Username: "grace@corp.example"}},
	)
	plan, err := adsync.Reconcile(entries, users, adsync.Rules{
		Fields: []adsync.Field{adsync.FieldUsername},
		Map: func(e adsync.Entry) (adsync.Profile, error) {
			if e.Email == "" {
				return adsync.Profile{}, errors.New("the account has no address to sign in with")
			}
			return adsync.Profile{Username: strings.ToLower(e.Email)}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range plan.Changes {
		if c.After != nil {
			fmt.Println(c.UserID, c.Op, c.After.Username)
		} else {
			fmt.Println(c.UserID, c.Op, c.Detail)
		}
	}
	// Output:
	// 1 update ada@corp.example
	// 2 invalid the account has no address to sign in with
}

// Usernames are kept in lower case, whatever the directory has.
func ExampleRules_lowerCase() {
	entries, users := people(
		adsync.User{ID: "1", Profile: adsync.Profile{Username: "alovelace"}},
		adsync.User{ID: "2", Profile: adsync.Profile{Username: "ghopper"}},
	)
	plan, err := adsync.Reconcile(entries, users, adsync.Rules{
		Fields: []adsync.Field{adsync.FieldUsername},
		Map: func(e adsync.Entry) (adsync.Profile, error) {
			return e.With(adsync.FieldUsername, strings.ToLower(e.Username)), nil
		},
	})
	fmt.Println(len(plan.Changes), err)
	// Output: 0 <nil>
}

// Whoever leaves is deactivated first, and removed 30 days later if the account is still
// deleted. The moment of the deactivation is the store's to write, and a Syncer sets Now.
func ExampleRules_removeAfter() {
	ada, err := adsync.ParseObjectID("e124855b-371a-41be-9f05-000000000001")
	if err != nil {
		fmt.Println(err)
		return
	}
	deleted := []adsync.Entry{{ObjectID: ada, State: adsync.StateDeleted}}
	user := adsync.User{ID: "1", ObjectID: ada, Profile: adsync.Profile{Username: "ada"}}
	rules := adsync.Rules{RemoveAfter: 30 * 24 * time.Hour}
	for _, today := range []time.Time{
		time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC), time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC),
	} {
		rules.Now = adsync.MomentOf(today)
		plan, err := adsync.Reconcile(deleted, []adsync.User{user}, rules)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, c := range plan.Changes {
			fmt.Println(today.Format(time.DateOnly), c.Op, c.Reason, "–", c.Detail)
			if c.After != nil {
				user = *c.After // and what a store makes of it:
				user.DeactivatedAt = rules.Now
			}
		}
	}
	// Output:
	// 2026-11-01 update deleted – to be removed 30 days later
	// 2026-11-02 notice leaving – to be removed as deleted on 2026-12-01T08:00:00Z
	// 2026-12-01 delete deleted –
}
