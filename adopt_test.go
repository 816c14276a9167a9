package adsync_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
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

func TestAdopt_CountsWhatItWasGiven(t *testing.T) {
	entries := []adsync.Entry{
		entry(1, "anna", "anna@x"), entry(2, "ben", "ben@x"), entry(3, "refused", ""),
		{ObjectID: id(4), Profile: profile("gone", ""), State: adsync.StateDeleted},
	}
	elsewhere := user("5", 5, "dan", "")
	elsewhere.Source = "hr"
	users := []adsync.User{
		unlinked("1", "anna", "anna@x"), unlinked("2", "stranger", ""), unlinked("3", "not chosen", ""),
		user("4", 9, "cleo", ""), elsewhere, unlinked("6", "another stranger", ""),
	}
	plan := adopt(t, entries, users, adsync.Rules{Only: []string{"1", "2", "6"}, Map: func(e adsync.Entry) (adsync.Profile, error) {
		if e.Username == "refused" {
			return adsync.Profile{}, errors.New("not this one")
		}
		return e.Profile, nil
	}})
	assert.Equal(t, adsync.Stats{Users: 6, Managed: 1, Chosen: 3, Entries: 2, Unchanged: 2}, plan.Stats)
}

// Accounts that come into question by one key each are reported in one order, and one that
// does by both keys is reported once.
func TestAdopt_NamesAccountsOnceAndInOrder(t *testing.T) {
	users := []adsync.User{unlinked("1", "anna", "anna@x")}
	entries := []adsync.Entry{entry(3, "anna", "anna@x"), entry(2, "anna", "other@x"), entry(1, "other", "anna@x")}
	var got []adsync.ObjectID
	for _, c := range adopt(t, entries, users, adsync.Rules{}).Changes {
		got = append(got, c.ObjectID)
	}
	assert.Equal(t, []adsync.ObjectID{id(1), id(2), id(3)}, got)
}

func TestAdopt_RefusesWhatReconcileDoes(t *testing.T) {
	_, err := adsync.Adopt(nil, nil, adsync.Rules{OnDisabled: "perhaps"})
	assert.ErrorContains(t, err, "OnDisabled")
	for name, bad := range map[string]adsync.Entry{
		"no identity":      {Profile: profile("anna", ""), State: adsync.StatePresent},
		"an unknown state": {ObjectID: id(1), State: "perhaps"},
	} {
		plan, err := adsync.Adopt([]adsync.Entry{entry(2, "ben", ""), bad}, nil, adsync.Rules{})
		assert.Error(t, err, name)
		assert.Nil(t, plan, name)
	}
}

func TestAdopt_IgnoresOrder(t *testing.T) {
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

// An account that is listed several times gives one plan, in whichever order it is listed,
// and is counted once.
func TestAdopt_OfAnAccountThatIsListedSeveralTimes(t *testing.T) {
	anna := entry(1, "anna", "anna@x")
	at := func(e adsync.Entry, dn string) adsync.Entry {
		e.DN = dn
		return e
	}
	in := func(e adsync.Entry, state adsync.State) adsync.Entry {
		e.State = state
		return e
	}
	of := func(e adsync.Entry, department string) adsync.Entry {
		e.Extra = e.Extra.With("department", department)
		return e
	}
	byDepartment := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		if e.Extra.Text("department") == "aa" {
			return adsync.Profile{}, errors.New("not of this one")
		}
		e.Email = e.Extra.Text("department") + "@x"
		return e.Profile, nil
	}}
	for name, test := range map[string]struct {
		listed []adsync.Entry
		rules  adsync.Rules
		want   adsync.Op
		detail string
	}{
		"alike, but for the DN":      {[]adsync.Entry{at(anna, "CN=b"), at(anna, "CN=a"), at(anna, "CN=c")}, adsync.Rules{}, adsync.OpUpdate, "by username and email: CN=a"},
		"with different addresses":   {[]adsync.Entry{anna, entry(1, "anna", "b@x"), entry(1, "anna", "c@x")}, adsync.Rules{}, adsync.OpNotice, "the directory lists the account with different details"},
		"with two others":            {[]adsync.Entry{anna, entry(1, "anna", "a@x"), entry(1, "anna", "c@x")}, adsync.Rules{}, adsync.OpNotice, "email differs; the directory lists the account with different details"},
		"present last":               {[]adsync.Entry{in(entry(1, "aa", ""), adsync.StateOutOfScope), in(entry(1, "ab", ""), adsync.StateUnproven), anna}, adsync.Rules{}, adsync.OpNotice, "the directory lists the account with different details"},
		"with different departments": {[]adsync.Entry{of(anna, "anna"), of(anna, "beta"), of(anna, "gamma")}, byDepartment, adsync.OpNotice, "the directory lists the account with different details"},
		"the first refused by Map":   {[]adsync.Entry{of(anna, "aa"), of(anna, "anna")}, byDepartment, adsync.OpNotice, "Rules.Map refuses the account; the directory lists the account with different details"},
	} {
		t.Run(name, func(t *testing.T) {
			eachOrder(test.listed, func(listed []adsync.Entry) {
				plan := adopt(t, listed, []adsync.User{unlinked("1", "anna", "anna@x")}, test.rules)
				require.Len(t, plan.Changes, 1)
				assert.Equal(t, test.want, plan.Changes[0].Op)
				assert.Equal(t, test.detail, plan.Changes[0].Detail)
				assert.Equal(t, 1, plan.Stats.Entries)
			})
		})
	}
}

// eachOrder calls do with each order of the list.
func eachOrder[T any](list []T, do func([]T)) {
	if len(list) == 0 {
		do(nil)
		return
	}
	for i := range list {
		rest := slices.Concat(list[:i], list[i+1:])
		eachOrder(rest, func(ordered []T) { do(append([]T{list[i]}, ordered...)) })
	}
}

// From users known by name to the first sync.
func TestAdopt_AdoptedUsersAreSynchronised(t *testing.T) {
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

func TestInverse_UnlinksTheAdopted(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "anna", "anna@x")}
	users := []adsync.User{unlinked("1", "anna", "anna@x")}
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, &adsync.Options{Rules: adsync.Rules{Source: "ad"}})
	report, err := s.Apply(t.Context(), adopt(t, dir, users, adsync.Rules{Source: "ad"}))
	require.NoError(t, err)
	plan, err := s.Inverse(t.Context(), report)
	require.NoError(t, err)
	undone, err := s.Apply(t.Context(), plan, approve(plan))
	require.NoError(t, err)
	require.NoError(t, undone.Err())
	assert.Equal(t, users, allUsers(t, store))

	plan.Changes[0].Reason = adsync.ReasonChanged
	_, err = s.Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrUnsafe, "a link is lost by an undo only")
}

// The print-out says which rule made a pair, and which account was not linked for
// which reason.
func TestAdopt_InPrint(t *testing.T) {
	entries := []adsync.Entry{
		entry(1, "anna", "anna@x"),
		entry(2, "ben", ""),
		named(entry(3, "cleo", ""), "Berg"), // a new Cleo got the name
		entry(4, "dan", "dan@x"), entry(5, "dan-admin", "dan@x"),
	}
	users := []adsync.User{
		unlinked("1", "anna", "anna@x"), unlinked("2", "ben", "ben@x"), namedUser(unlinked("3", "cleo", "cleo@x"), "Cole"),
		unlinked("4", "dan", "dan@x"),
		{ID: "5", Protected: true, Profile: profile("eve", "")}, {ID: "6", Status: adsync.StatusBlocked, Profile: profile("finn", "")},
	}
	entries = append(entries, entry(6, "eve", ""), entry(7, "finn", ""))
	for name, test := range map[string]struct {
		rules adsync.Rules
		want  []string
	}{
		"both": {adsync.Rules{}, []string{
			"~ 1  anna  link to its directory account (by username and email)\n     object_id  (empty)  →  " + id(1).String(),
			"i 2  ben   not linked: something speaks against it (email differs)\n     object_id  " + id(2).String(),
			"(2 accounts come into question)\n     object_id  " + id(4).String(),
			"(username differs; 2 accounts come into question)\n     object_id  " + id(5).String(),
		}},
		"username": {adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldUsername}}, []string{
			"~ 1  anna  link to its directory account (by username)",
			"~ 2  ben   link to its directory account (by username)",
			"i 3  cleo  not linked: something speaks against it (last name differs)",
			"i 5  eve   not linked: something speaks against it (the user is protected or not active; name it in Rules.Only)",
			"i 6  finn  not linked: something speaks against it (the user is protected or not active; name it in Rules.Only)",
		}},
		"email": {adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldEmail}}, []string{
			"~ 1  anna  link to its directory account (by email)",
		}},
		"named": {adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldUsername}, Only: []string{"5", "6"}}, []string{
			"~ 5  eve   link to its directory account (by username)",
			"~ 6  finn  link to its directory account (by username)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			_, err := adopt(t, entries, users, test.rules).WriteTo(&out)
			require.NoError(t, err)
			for _, want := range test.want {
				assert.Contains(t, out.String(), want)
			}
			if name == "named" {
				assert.NotContains(t, out.String(), "anna", "the others are not chosen")
			}
		})
	}
}

// A name or an address that went to another person takes no account with it, whatever
// the rule.
func TestAdopt_NeverGivesAnAccountToTheNextOfTheName(t *testing.T) {
	user := namedUser(unlinked("1", "anna", "anna@x"), "Dahl")
	for name, next := range map[string]adsync.Entry{
		"name, with another address":    named(entry(1, "anna", "anna.berg@x"), "Dahl"),
		"name, with another last name":  named(entry(1, "anna", ""), "Berg"),
		"address, with another name":    named(entry(1, "anna2", "anna@x"), "Dahl"),
		"address, and not even a name":  named(entry(1, "", "anna@x"), "Berg"),
		"name, which only looks alike":  named(entry(1, "ánna", "anna@x"), "Dahl"),
		"address in the place of names": named(entry(1, "anna@x", "anna"), "Dahl"),
	} {
		for _, by := range [][]adsync.Field{nil, {adsync.FieldUsername}, {adsync.FieldEmail}, {adsync.FieldEmail, adsync.FieldUsername}} {
			plan := adopt(t, []adsync.Entry{next}, []adsync.User{user}, adsync.Rules{AdoptBy: by})
			for _, c := range plan.Changes {
				assert.Equal(t, adsync.OpNotice, c.Op, "%s, by %v", name, by)
			}
		}
	}
}

// Two people of one name have two usernames; each goes to its own.
func TestAdopt_TellsNamesakesApart(t *testing.T) {
	entries := []adsync.Entry{named(entry(1, "asmith", "a.smith@x"), "Smith"), named(entry(2, "asmith2", "a.smith2@x"), "Smith")}
	users := []adsync.User{namedUser(unlinked("1", "asmith2", "a.smith2@x"), "Smith"), namedUser(unlinked("2", "asmith", "a.smith@x"), "Smith")}
	for _, by := range [][]adsync.Field{nil, {adsync.FieldUsername}, {adsync.FieldEmail}} {
		plan := adopt(t, entries, users, adsync.Rules{AdoptBy: by})
		require.Len(t, plan.Changes, 2)
		assert.Equal(t, id(2), plan.Changes[0].After.ObjectID)
		assert.Equal(t, id(1), plan.Changes[1].After.ObjectID)
	}
}

// A host whose table holds an address and no username goes by the address.
func TestAdopt_ByAddressWhereThereIsNoUsername(t *testing.T) {
	entries := []adsync.Entry{entry(1, "anna", "anna@x")}
	users := []adsync.User{unlinked("1", "", "Anna@X")}
	assert.Equal(t, adsync.OpNotice, adopt(t, entries, users, adsync.Rules{}).Changes[0].Op)
	plan := adopt(t, entries, users, adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldEmail}})
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "by email", plan.Changes[0].Detail)
}

// A Map that makes addresses for people without one makes pairs, too.
func TestAdopt_GoesByTheMappedProfile(t *testing.T) {
	rules := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		if e.Username == "refused" {
			return adsync.Profile{}, errors.New("no")
		}
		e.Email = e.Username + "@x"
		return e.Profile, nil
	}}
	plan := adopt(t, []adsync.Entry{entry(1, "anna", ""), entry(2, "refused", "refused@x")},
		[]adsync.User{unlinked("1", "anna", "anna@x"), unlinked("2", "refused", "refused@x")}, rules)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "1", plan.Changes[0].UserID)
	assert.Equal(t, 1, plan.Stats.Unchanged)
}

// An address that Map makes of the username is no second witness: the next person
// of the name would have it, too.
func TestAdopt_IsNotMisledByAMadeUpAddress(t *testing.T) {
	rules := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		e.Email = e.Username + "@x"
		return e.Profile, nil
	}}
	next := adsync.StaticDirectory{named(entry(1, "anna", ""), "Berg")}
	store := adsync.NewMemoryStore(namedUser(unlinked("1", "anna", "anna@x"), "Dahl"))
	plan := adopt(t, next, allUsers(t, store), rules)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.OpNotice, plan.Changes[0].Op)
	assert.Equal(t, "last name differs", plan.Changes[0].Detail)

	sameName := []adsync.Entry{named(entry(1, "anna", ""), "Dahl")}
	early := adopt(t, sameName, allUsers(t, store), rules)
	require.Equal(t, adsync.OpUpdate, early.Changes[0].Op)
	report, err := newSyncer(t, next, store, &adsync.Options{Rules: rules}).Apply(t.Context(), early)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeStale}, outcomes(report), "the name was used again in between")
}

// In thousands of small worlds, by each rule: whoever is linked has an account to
// itself, which nothing speaks against; and where the rules as written want a link, there
// is one.
func TestAdopt_ByTheBook(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	links := 0
	for range 20_000 {
		var entries []adsync.Entry
		var users []adsync.User
		for n := range 1 + r.IntN(3) {
			entries = append(entries, named(entry(byte(n+1), pick("", "ann", "Ben", "cleo"), pick("", "a@x", "B@x")), pick("", "Berg", "Dahl")))
		}
		for n := range 1 + r.IntN(3) {
			users = append(users, namedUser(unlinked(strconv.Itoa(n), pick("", "Ann", "ben", "cleo"), pick("", "A@x", "b@x")), pick("", "berg", "Dahl")))
		}
		by := [][]adsync.Field{nil, {adsync.FieldUsername}, {adsync.FieldEmail}}[r.IntN(3)]
		want := map[string]adsync.ObjectID{}
		for _, u := range users {
			for _, e := range entries {
				if pairByTheBook(u, e, by) && alone(u, e, users, entries) {
					want[u.ID] = e.ObjectID
				}
			}
		}
		links += len(want)
		requireLinks(t, want, entries, users, by)
	}
	assert.Greater(t, links, 1000)
}

// requireLinks wants an adoption by these details to link just these users.
func requireLinks(t *testing.T, want map[string]adsync.ObjectID, entries []adsync.Entry, users []adsync.User, by []adsync.Field) {
	t.Helper()
	got := map[string]adsync.ObjectID{}
	for _, c := range adopt(t, entries, users, adsync.Rules{AdoptBy: by}).Changes {
		if c.Op == adsync.OpUpdate {
			got[c.UserID] = c.After.ObjectID
		}
	}
	require.Equal(t, want, got, "by %v: %v and %v", by, users, entries)
}

// pairByTheBook: what the rule names agrees, and the rest does not disagree.
func pairByTheBook(u adsync.User, e adsync.Entry, by []adsync.Field) bool {
	username, email := agree(u.Username, e.Username), agree(u.Email, e.Email)
	last := agree(u.LastName, e.LastName)
	switch {
	case by == nil:
		return username > 0 && email > 0
	case by[0] == adsync.FieldUsername:
		return username > 0 && email >= 0 && last >= 0
	}
	return email > 0 && username >= 0 && last >= 0
}

// agree is 1 when the texts agree, -1 when they do not, and 0 when one is missing.
func agree(a, b string) int {
	switch {
	case a == "" || b == "":
		return 0
	case strings.EqualFold(a, b):
		return 1
	}
	return -1
}

// alone: neither has another account any of the user's keys, nor another user any
// of the account's.
func alone(u adsync.User, e adsync.Entry, users []adsync.User, entries []adsync.Entry) bool {
	like := func(u adsync.User, e adsync.Entry) bool {
		for _, f := range keyFields {
			for _, v := range append(e.Others.Set(f), e.Get(f)) {
				if agree(u.Get(f), v) > 0 {
					return true
				}
			}
		}
		return false
	}
	for _, other := range entries {
		if other.ObjectID != e.ObjectID && like(u, other) {
			return false
		}
	}
	for _, other := range users {
		if other.ID != u.ID && like(other, e) {
			return false
		}
	}
	return true
}

func TestAdopt_DoesNotHoldOnToItsArguments(t *testing.T) {
	users := []adsync.User{unlinked("1", "anna", "anna@x")}
	plan := adopt(t, []adsync.Entry{entry(1, "anna", "anna@x")}, users, adsync.Rules{})
	digest := plan.Digest()
	users[0].Phone = "changed later"
	require.Equal(t, digest, plan.Digest())
}

// A person who reviews an adoption knows an account by its place in the directory.
func TestAdopt_ShowsTheDN(t *testing.T) {
	e := entry(1, "ann", "ann@x")
	e.DN = "CN=Ann\x1b[31m,OU=People,DC=x"
	plan := adopt(t, []adsync.Entry{e}, []adsync.User{{ID: "1", Profile: e.Profile}}, adsync.Rules{})
	var out strings.Builder
	_, err := plan.WriteTo(&out)
	require.NoError(t, err)
	assert.Contains(t, out.String(), `by username and email: CN=Ann\u{1b}[31m,OU=People,DC=x`)
	assert.NotContains(t, out.String(), "\x1b")
}
