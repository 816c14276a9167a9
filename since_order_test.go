package adsync_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// Whoever is not simply in order is in the mark by name, so as to be looked up each time.
func TestMark_LooksUpWhoIsNotInOrder(t *testing.T) {
	disabled := func(e adsync.Entry) adsync.Entry { e.Disabled = true; return e }
	unknown := func(e adsync.Entry) adsync.Entry { e.DisabledUnknown = true; return e }
	in := func(e adsync.Entry, s adsync.State) adsync.Entry { e.State = s; return e }
	for name, tt := range map[string]struct {
		entries []adsync.Entry
		rules   adsync.Rules
		look    []byte // of the accounts 1 to 9
	}{
		"in order":           {entries: []adsync.Entry{entry(1, "u1", ""), disabled(entry(2, "u2", "")), in(entry(3, "u3", ""), adsync.StateOutOfScope)}},
		"written":            {entries: []adsync.Entry{entry(1, "new", ""), entry(2, "u2", ""), entry(3, "u3", "")}},
		"unproven":           {entries: []adsync.Entry{in(entry(1, "u1", ""), adsync.StateUnproven), entry(2, "u2", ""), entry(3, "u3", "")}, look: []byte{1}},
		"disputed":           {entries: []adsync.Entry{in(entry(1, "u1", ""), adsync.StateDisputed), entry(2, "u2", ""), entry(3, "u3", "")}, look: []byte{1}},
		"deleted, and kept":  {entries: []adsync.Entry{in(entry(1, "u1", ""), adsync.StateDeleted), entry(2, "u2", ""), entry(3, "u3", "")}, rules: adsync.Rules{OnDeleted: adsync.Keep}, look: []byte{1}},
		"unknown":            {entries: []adsync.Entry{unknown(entry(1, "u1", "")), entry(2, "u2", ""), entry(3, "u3", "")}, look: []byte{1}},
		"listed twice":       {entries: []adsync.Entry{entry(1, "u1", ""), entry(1, "x", ""), entry(2, "u2", ""), entry(3, "u3", "")}, look: []byte{1}},
		"new, listed twice":  {entries: []adsync.Entry{entry(1, "u1", ""), entry(2, "u2", ""), entry(3, "u3", ""), disabled(entry(4, "a", "")), disabled(entry(4, "b", ""))}, rules: adsync.Rules{Import: true}, look: []byte{4}},
		"new and unknown":    {entries: []adsync.Entry{entry(1, "u1", ""), entry(2, "u2", ""), entry(3, "u3", ""), unknown(entry(4, "a", ""))}, rules: adsync.Rules{Import: true}, look: []byte{4}},
		"new and a conflict": {entries: []adsync.Entry{entry(1, "u1", ""), entry(2, "u2", ""), entry(3, "u3", ""), entry(4, "u1", "")}, rules: adsync.Rules{Import: true}, look: []byte{4}},
		"several in a row":   {entries: []adsync.Entry{unknown(entry(1, "u1", "")), unknown(entry(2, "u2", "")), entry(3, "u3", "")}, look: []byte{1, 2}},
		"behind one twice":   {entries: []adsync.Entry{entry(1, "u1", ""), entry(1, "x", ""), unknown(entry(2, "u2", "")), entry(3, "u3", "")}, look: []byte{1, 2}},
		"new and disabled":   {entries: []adsync.Entry{entry(1, "u1", ""), entry(2, "u2", ""), entry(3, "u3", ""), disabled(entry(4, "a", ""))}, rules: adsync.Rules{Import: true}},
		"a duplicate":        {entries: []adsync.Entry{entry(1, "u2", ""), entry(2, "u2", ""), entry(3, "u3", "")}, look: []byte{1}},
		"without a username": {entries: []adsync.Entry{entry(1, "", ""), entry(2, "u2", ""), entry(3, "u3", "")}, look: []byte{1}},
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(user("a", 1, "u1", ""), user("b", 2, "u2", ""), user("c", 3, "u3", ""))
			s := newSyncer(t, still{tt.entries}, store, &adsync.Options{Rules: tt.rules})
			report, err := s.Sync(t.Context(), adsync.Since(nil))
			require.NoError(t, err)
			want := []byte{}
			for _, n := range tt.look {
				one := id(n)
				want = append(want, one[:]...)
			}
			assert.Equal(t, want, report.Mark().Look)
		})
	}
}

// Of two users who are linked to one account, one may be written. The other is a duplicate
// all the same. And if neither is, what the one holds is not what the account says of the
// other.
func TestMark_LooksUpWhoseAccountHasTwoUsers(t *testing.T) {
	one := id(1)
	for name, e := range map[string]adsync.Entry{
		"out of scope": {ObjectID: one, Profile: adsync.Profile{Username: "u1"}, State: adsync.StateOutOfScope},
		"disabled":     {ObjectID: one, Profile: adsync.Profile{Username: "u1"}, Disabled: true},
	} {
		for _, reaction := range []adsync.Reaction{adsync.Keep, adsync.Deactivate} {
			store := adsync.NewMemoryStore(user("a", 1, "u1", ""), user("b", 1, "u2", ""))
			s := newSyncer(t, still{[]adsync.Entry{e}}, store, &adsync.Options{Rules: adsync.Rules{OnOutOfScope: reaction, OnDisabled: reaction}, Limits: adsync.Limits{MaxRemovalRatio: -1}})
			report, err := s.Sync(t.Context(), adsync.Since(nil))
			require.NoError(t, err)
			assert.Equal(t, one[:], report.Mark().Look, "%s, %s", name, reaction)
		}
	}
}
