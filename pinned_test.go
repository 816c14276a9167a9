package adsync_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// Whoever can write in the directory cannot give the owner another login or address.
func TestPinProtected_KeepsTheKeysAndTellsOfThem(t *testing.T) {
	owner := user("u1", 1, "root", "root@x")
	owner.Protected = true
	seized := entry(1, "Root", "mallory@x")
	seized.Phone = "1"
	other := user("u2", 2, "bob", "bob@x")
	entries := []adsync.Entry{seized, entry(2, "robert", "bob@x")}

	plan := mustReconcile(t, entries, []adsync.User{owner, other}, adsync.Rules{PinProtected: true})
	require.Equal(t, []string{"u1 update changed", "u2 update changed", "u1 notice protected"}, inBrief(plan))
	want := owner
	want.Phone = "1"
	assert.Equal(t, &want, plan.Changes[0].After, "to the byte, and the other details follow")
	assert.Equal(t, "username and email of the directory would be taken", plan.Changes[2].Detail)
	var out bytes.Buffer
	_, err := plan.WriteTo(&out)
	require.NoError(t, err)
	assert.Contains(t, out.String(), "kept: protected (username and email of the directory would be taken)")

	plan = mustReconcile(t, entries, []adsync.User{owner, other}, adsync.Rules{})
	assert.Equal(t, []string{"u1 update changed", "u2 update changed"}, inBrief(plan), "off by default")
	assert.Equal(t, "mallory@x", plan.Changes[0].After.Email)

	plan = mustReconcile(t, entries, []adsync.User{owner}, adsync.Rules{PinProtected: true, Fields: []adsync.Field{adsync.FieldUsername}})
	assert.Equal(t, []string{"u1 notice protected"}, inBrief(plan))
	assert.Equal(t, "username of the directory would be taken", plan.Changes[0].Detail, "what is not synchronised is not told")

	agreed := []adsync.Entry{entry(1, "root", "root@x")}
	assert.Empty(t, mustReconcile(t, agreed, []adsync.User{owner}, adsync.Rules{PinProtected: true}).Changes)
}

// The notice is of who would follow otherwise.
func TestPinProtected_TellsNothingOfWhoIsLeftAlone(t *testing.T) {
	owner := user("u1", 1, "root", "root@x")
	owner.Protected = true
	refuse := func(adsync.Entry) (adsync.Profile, error) { return adsync.Profile{}, errors.New("no") }
	twin := owner
	twin.ID = "u2"
	for _, tt := range []struct {
		name    string
		entries []adsync.Entry
		users   []adsync.User
		rules   adsync.Rules
		want    []string
	}{
		{"refused", []adsync.Entry{entry(1, "eve", "")}, []adsync.User{owner}, adsync.Rules{Map: refuse}, []string{"u1 invalid refused"}},
		{"gone", nil, []adsync.User{owner}, adsync.Rules{}, []string{"u1 notice protected"}},
		{"out of scope", []adsync.Entry{{ObjectID: id(1), State: adsync.StateOutOfScope}}, []adsync.User{owner}, adsync.Rules{}, []string{"u1 notice out-of-scope"}},
		{"linked twice", []adsync.Entry{entry(1, "eve", "")}, []adsync.User{owner, twin}, adsync.Rules{}, []string{"u1 duplicate linked-twice", "u2 duplicate linked-twice"}},
		{"listed twice", []adsync.Entry{entry(1, "eve", ""), entry(1, "bob", "")}, []adsync.User{owner}, adsync.Rules{}, []string{"u1 duplicate listed-twice"}},
	} {
		tt.rules.PinProtected = true
		assert.Equal(t, tt.want, inBrief(mustReconcile(t, tt.entries, tt.users, tt.rules)), tt.name)
	}
}

// A plan of other rules does not get by it.
func TestPinProtected_HoldsWhenAPlanIsApplied(t *testing.T) {
	owner := user("u1", 1, "root", "root@x")
	owner.Protected = true
	store := adsync.NewMemoryStore(owner)
	dir := []adsync.Entry{entry(1, "root", "mallory@x")}
	plan := mustReconcile(t, dir, []adsync.User{owner}, adsync.Rules{})
	s := newSyncer(t, adsync.StaticDirectory(dir), store, &adsync.Options{Rules: adsync.Rules{PinProtected: true}})
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, adsync.OutcomeStale, report.Results[0].Outcome)
	now, _ := store.Get("u1")
	assert.Equal(t, "root@x", now.Email)
}
