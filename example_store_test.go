package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/go-adsync/adsync"
)

func ExampleNewMemoryStore() {
	store := adsync.NewMemoryStore(
		adsync.User{ID: "2", Profile: adsync.Profile{Username: "bob", Email: "bob@corp.example"}},
		adsync.User{ID: "1", Profile: adsync.Profile{Username: "ann", Email: "ann@corp.example"}},
	)
	for user, err := range store.Users(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.ID, user.Username)
	}
	// Output:
	// 1 ann
	// 2 bob
}

func ExampleMemoryStore_Get() {
	ann := adsync.User{ID: "1", Profile: adsync.Profile{Username: "ann"}}
	anna := ann
	anna.Username = "anna"
	store := adsync.NewMemoryStore(ann)
	rename := adsync.Change{Op: adsync.OpUpdate, UserID: "1", Before: &ann, After: &anna}

	fmt.Println(store.UpdateUser(context.Background(), rename))
	user, found := store.Get("1")
	fmt.Println(user.Username, found)
	fmt.Println(errors.Is(store.UpdateUser(context.Background(), rename), adsync.ErrAlready))
	// Output:
	// <nil>
	// anna true
	// true
}
