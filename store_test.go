package adsync_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func openMemory(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
	return adsync.NewMemoryStore(seed...), nil
}

func storeUser(id, username string) adsync.User {
	return adsync.User{
		ID: id, ObjectID: adsync.ObjectID{15: id[0]}, Source: "ad", Status: adsync.StatusActive,
		Profile: adsync.Profile{Username: username, Email: username + "@corp.example"},
	}
}

func storeUpdate(before adsync.User, edit func(*adsync.User)) adsync.Change {
	after := before
	edit(&after)
	return adsync.Change{Op: adsync.OpUpdate, UserID: before.ID, ObjectID: before.ObjectID, Before: &before, After: &after}
}

func storeDelete(before adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpDelete, UserID: before.ID, ObjectID: before.ObjectID, Before: &before}
}

func storeCreate(u adsync.User) adsync.Change {
	return adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u}
}

func readStore(t *testing.T, s adsync.UserStore) []adsync.User {
	t.Helper()
	var users []adsync.User
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		users = append(users, u)
	}
	return users
}

func TestMemoryStore_KeepsEveryDuty(t *testing.T) {
	require.NoError(t, adsynctest.CheckStore(t.Context(), openMemory))
}

func TestMemoryStore_YieldsASnapshotInOrderOfID(t *testing.T) {
	s := adsync.NewMemoryStore(storeUser("3", "cid"), storeUser("1", "ann"), storeUser("2", "bob"))
	var ids []string
	for u, err := range s.Users(t.Context()) {
		require.NoError(t, err)
		ids = append(ids, u.ID)
		_ = s.DeleteUser(t.Context(), storeDelete(u)) // must neither block nor shift the rest
	}
	assert.Equal(t, []string{"1", "2", "3"}, ids)
	assert.Empty(t, readStore(t, s))
}

func TestMemoryStore_ComparesKeysFolded(t *testing.T) {
	ann, bob := storeUser("1", "ann"), storeUser("2", "Stra\u00dfe")
	for _, key := range []string{"STRASSE", " strasse ", "stra\u00dfe"} {
		s := adsync.NewMemoryStore(ann, bob)
		err := s.UpdateUser(t.Context(), storeUpdate(ann, func(u *adsync.User) { u.Username = key }))
		assert.ErrorIs(t, err, adsync.ErrConflict, key)
		assert.NotContains(t, strings.ToLower(err.Error()), "stra", "an error must not tell a name")
		_, err = s.CreateUser(t.Context(), storeCreate(adsync.User{Profile: adsync.Profile{Username: key}}))
		assert.ErrorIs(t, err, adsync.ErrConflict, key)
	}
}

func TestMemoryStore_AcceptsClashesInTheSeed(t *testing.T) {
	one, two := storeUser("1", "ann"), storeUser("2", "ANN")
	s := adsync.NewMemoryStore(one, two)
	require.NoError(t, s.UpdateUser(t.Context(), storeUpdate(one, func(u *adsync.User) { u.Username = "Ann" })),
		"a row keeps the key that it held")
	require.NoError(t, s.UpdateUser(t.Context(), storeUpdate(two, func(u *adsync.User) { u.Username, u.Email = "bob", "" })))
	third := adsync.User{ObjectID: adsync.ObjectID{1}, Profile: adsync.Profile{Username: "ann"}}
	_, err := s.CreateUser(t.Context(), storeCreate(third))
	require.ErrorIs(t, err, adsync.ErrConflict, "one of the two still holds it")
	now, _ := s.Get("1")
	require.NoError(t, s.DeleteUser(t.Context(), storeDelete(now)))
	_, err = s.CreateUser(t.Context(), storeCreate(third))
	require.NoError(t, err, "both have given it up")
}

func TestMemoryStore_GivesNewIDs(t *testing.T) {
	s := adsync.NewMemoryStore(storeUser("1", "ann"), adsync.User{Profile: adsync.Profile{Username: "noid"}}, storeUser("3", "cid"))
	got, ok := s.Get("4")
	require.True(t, ok, "a user without an ID is given one that no other has")
	assert.Equal(t, "noid", got.Username)
	id, err := s.CreateUser(t.Context(), storeCreate(storeUser("9", "new")))
	require.NoError(t, err)
	assert.Equal(t, "5", id)
	created, _ := s.Get(id)
	require.NoError(t, s.DeleteUser(t.Context(), storeDelete(created)))
	id, err = s.CreateUser(t.Context(), storeCreate(storeUser("9", "new")))
	require.NoError(t, err)
	assert.Equal(t, "6", id, "the ID of a deleted user is not used again")
}

func TestMemoryStore_RefusesChangesOfTheWrongShape(t *testing.T) {
	ann := storeUser("1", "ann")
	s := adsync.NewMemoryStore(ann)
	renamed := storeUpdate(ann, func(u *adsync.User) { u.ID = "2" })
	for name, err := range map[string]error{
		"a deletion as an update": s.UpdateUser(t.Context(), storeDelete(ann)),
		"an update as a deletion": s.DeleteUser(t.Context(), storeUpdate(ann, func(*adsync.User) {})),
		"a new ID":                s.UpdateUser(t.Context(), renamed),
		"no After":                s.UpdateUser(t.Context(), adsync.Change{Op: adsync.OpUpdate, UserID: "1", Before: &ann}),
		"a notice":                s.ApplyChanges(t.Context(), []adsync.Change{{Op: adsync.OpNotice, UserID: "1"}})[0].Err,
	} {
		assert.ErrorContains(t, err, "adsync: ", name)
	}
	assert.Equal(t, []adsync.User{ann}, readStore(t, s))
}

func TestMemoryStore_IsSafeForConcurrentUse(t *testing.T) {
	s := adsync.NewMemoryStore()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			u := storeUser(fmt.Sprint(i), fmt.Sprint("user", i))
			id, err := s.CreateUser(t.Context(), storeCreate(u))
			assert.NoError(t, err)
			for range s.Users(t.Context()) {
				s.Get(id)
			}
		})
	}
	all.Wait()
	assert.Len(t, readStore(t, s), 8)
}
