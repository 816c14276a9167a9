package adsync_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// unlinked is a user as the host imported it before it kept objectGUIDs.
func unlinked(key, username, email string) adsync.User {
	return adsync.User{ID: key, Profile: profile(username, email)}
}

func adopt(t *testing.T, entries []adsync.Entry, users []adsync.User, rules adsync.Rules) *adsync.Plan {
	t.Helper()
	plan, err := adsync.Adopt(entries, users, rules)
	require.NoError(t, err)
	return plan
}

func named(e adsync.Entry, last string) adsync.Entry {
	e.LastName = last
	return e
}

func namedUser(u adsync.User, last string) adsync.User {
	u.LastName = last
	return u
}

func TestAdopt(t *testing.T) {
	byName := adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldUsername}}
	byMail := adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldEmail}}
	for name, test := range map[string]struct {
		entries []adsync.Entry
		users   []adsync.User
		rules   adsync.Rules
		links   map[string]adsync.ObjectID
		notices map[string]string // by user: what speaks against
	}{
		"both match":                {entries: []adsync.Entry{entry(1, "Anna", "ANNA@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"a stranger":                {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{unlinked("1", "ben", "ben@x")}},
		"a name used again":         {entries: []adsync.Entry{entry(1, "anna", "anna.new@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1": "email differs"}},
		"an address used again":     {entries: []adsync.Entry{entry(1, "anna2", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1": "username differs"}},
		"no address":                {entries: []adsync.Entry{entry(1, "anna", "")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1": "email differs"}},
		"by name alone":             {entries: []adsync.Entry{entry(1, "anna", "")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: byName, links: map[string]adsync.ObjectID{"1": id(1)}},
		"by name, another address":  {entries: []adsync.Entry{entry(1, "anna", "other@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: byName, notices: map[string]string{"1": "email differs"}},
		"by name, another family":   {entries: []adsync.Entry{named(entry(1, "anna", ""), "Berg")}, users: []adsync.User{namedUser(unlinked("1", "anna", "anna@x"), "Dahl")}, rules: byName, notices: map[string]string{"1": "last name differs"}},
		"by address alone":          {entries: []adsync.Entry{entry(1, "", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: byMail, links: map[string]adsync.ObjectID{"1": id(1)}},
		"married":                   {entries: []adsync.Entry{named(entry(1, "anna", "anna@x"), "Berg")}, users: []adsync.User{namedUser(unlinked("1", "anna", "anna@x"), "Dahl")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"two users of one address":  {entries: []adsync.Entry{entry(1, "anna", "desk@x")}, users: []adsync.User{unlinked("1", "anna", "desk@x"), unlinked("2", "ben", "desk@x")}, notices: map[string]string{"1": "another user has the account's email", "2": "username differs; another user has the account's username; another user has the account's email"}},
		"two accounts":              {entries: []adsync.Entry{entry(1, "anna", "anna@x"), entry(2, "other", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1": "2 accounts come into question"}},
		"linked to another already": {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x"), user("2", 1, "anna.old", "")}, notices: map[string]string{"1": "the account is linked to user 2"}},
		"listed twice":              {entries: []adsync.Entry{entry(1, "anna", "anna@x"), named(entry(1, "anna", "anna@x"), "Berg")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1": "different details"}},
		"gone":                      {entries: []adsync.Entry{{ObjectID: id(1), Profile: profile("anna", "anna@x"), State: adsync.StateDeleted}}, users: []adsync.User{unlinked("1", "anna", "anna@x")}},
		"not chosen":                {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: adsync.Rules{Only: []string{"2"}}},
		"of another source":         {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{{ID: "1", Source: "hr", Profile: profile("anna", "anna@x")}}, rules: adsync.Rules{Source: "ad"}},
		"of this source":            {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{{ID: "1", Source: "ad", Profile: profile("anna", "anna@x")}}, rules: adsync.Rules{Source: "ad"}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"protected":                 {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{{ID: "1", Protected: true, Profile: profile("anna", "anna@x")}}, notices: map[string]string{"1": "protected"}},
		"protected, but named":      {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{{ID: "1", Protected: true, Profile: profile("anna", "anna@x")}}, rules: adsync.Rules{Only: []string{"1"}}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"blocked":                   {entries: []adsync.Entry{entry(1, "anna", "anna@x")}, users: []adsync.User{{ID: "1", Status: adsync.StatusBlocked, Profile: profile("anna", "anna@x")}}, notices: map[string]string{"1": "not active"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := adopt(t, test.entries, test.users, test.rules)
			links, notices := map[string]adsync.ObjectID{}, map[string]string{}
			for _, c := range plan.Changes {
				switch c.Op {
				case adsync.OpUpdate:
					require.Equal(t, adsync.ReasonAdopted, c.Reason)
					want := *c.Before
					want.ObjectID, want.Source = c.ObjectID, test.rules.Source
					require.Equal(t, want, *c.After, "a link and nothing else")
					links[c.UserID] = c.After.ObjectID
				case adsync.OpNotice:
					require.Equal(t, adsync.ReasonAmbiguous, c.Reason)
					notices[c.UserID] = c.Detail
				default:
					t.Errorf("unexpected %s", c.Op)
				}
			}
			assert.Len(t, links, len(test.links))
			for user, want := range test.links {
				assert.Equal(t, want, links[user])
			}
			assert.Len(t, notices, len(test.notices))
			for user, want := range test.notices {
				assert.Contains(t, notices[user], want)
			}
		})
	}
}

func TestAdoptIgnoresOrder(t *testing.T) {
	entries := []adsync.Entry{
		entry(1, "anna", "anna@x"), entry(2, "ben", "desk@x"), entry(3, "cleo", "desk@x"), entry(4, "anna", "other@x"),
		entry(5, "dan", "dan@x"), named(entry(5, "dan", "dan@x"), "Dahl"),
	}
	users := []adsync.User{
		unlinked("1", "anna", "anna@x"), unlinked("2", "ben", "desk@x"), unlinked("3", "cleo", "desk@x"),
		unlinked("4", "dan", "dan@x"), user("5", 1, "x", ""), user("6", 1, "y", ""),
	}
	want := adopt(t, entries, users, adsync.Rules{}).Digest()
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		r.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
		require.Equal(t, want, adopt(t, entries, users, adsync.Rules{}).Digest())
	}
}

// From users known by name to the first sync.
func TestAdoptedUsersAreSynchronised(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "anna", "anna@x"), entry(2, "ben", "ben@x")}
	dir[0].Phone = "+1"
	store := adsync.NewMemoryStore(unlinked("1", "anna", "anna@x"), unlinked("2", "ben", "ben@x"))
	rules := adsync.Rules{Source: "ad"}
	s := newSyncer(t, dir, store, &adsync.Options{Rules: rules})
	plan := adopt(t, dir, allUsers(t, store), rules)

	t.Run("unless the directory says otherwise by then", func(t *testing.T) {
		reused := adsync.StaticDirectory{entry(1, "someone", "else@x"), {ObjectID: id(2), State: adsync.StateDeleted}}
		report, err := newSyncer(t, reused, store, &adsync.Options{Rules: rules}).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{"stale", "stale"}, outcomes(report))
	})
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, 2, report.Counts().Modified)

	report, err = s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 1}, report.Counts())
	anna, _ := store.Get("1")
	assert.Equal(t, adsync.User{ID: "1", ObjectID: id(1), Source: "ad", Profile: dir[0].Profile}, anna)
}

func TestInverseUnlinksTheAdopted(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "anna", "anna@x")}
	users := []adsync.User{unlinked("1", "anna", "anna@x")}
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Source: "ad"}})
	report, err := s.Apply(t.Context(), adopt(t, dir, users, adsync.Rules{Source: "ad"}))
	require.NoError(t, err)
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	undone, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.NoError(t, undone.Err())
	assert.Equal(t, users, allUsers(t, store))

	plan.Changes[0].Reason = adsync.ReasonChanged
	_, err = s.Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrUnsafe, "a link is lost by an undo only")
}
