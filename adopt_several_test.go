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

// mails is an account with a username of its own and several addresses, of which none is
// marked.
func mails(n byte, username string, emails ...string) adsync.Entry {
	e := entry(n, username, "")
	e.Others = e.Others.With(adsync.FieldEmail, emails...)
	return e
}

// marked is the account with one of its addresses marked.
func marked(e adsync.Entry, email string) adsync.Entry {
	e.Email = email
	return e
}

// Of an account with several values a user is judged by the one that it would get, and
// whoever has any of the others is a rival.
func TestAdopt_OfSeveralValues(t *testing.T) {
	byMail := adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldEmail}}
	loginOfMail := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		e.Username, _, _ = strings.Cut(e.Email, "@")
		if e.Username == "refused" {
			return adsync.Profile{}, errors.New("no")
		}
		return e.Profile, nil
	}}
	loginOfBoth := adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldUsername}, Map: func(e adsync.Entry) (adsync.Profile, error) {
		e.Username = e.Phone + e.Email
		return e.Profile, nil
	}}
	phones := mails(1, "", "anna@x", "anna.b@x")
	phones.Others = phones.Others.With(adsync.FieldPhone, "1", "2")
	second := unlinked("1", "2anna.b@x", "")
	second.Phone = "2"
	logins := entry(1, "", "anna@x")
	logins.Others = logins.Others.With(adsync.FieldUsername, "anna", "berg")
	lasts := entry(1, "anna", "")
	lasts.Others = lasts.Others.With(adsync.FieldLastName, "Berg", "Dahl")
	const several = "2 accounts come into question"
	for name, test := range map[string]struct {
		entries []adsync.Entry
		users   []adsync.User
		rules   adsync.Rules
		links   map[string]adsync.ObjectID
		notices map[string]string // by user and ObjectID: what speaks against
	}{
		"the least":               {entries: []adsync.Entry{mails(1, "anna", "anna@x", "b@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"another than the least":  {entries: []adsync.Entry{mails(1, "anna", "a@x", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "Anna@X")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"of the usernames":        {entries: []adsync.Entry{logins}, users: []adsync.User{unlinked("1", "berg", "anna@x")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"by address alone":        {entries: []adsync.Entry{mails(1, "", "a@x", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: byMail, links: map[string]adsync.ObjectID{"1": id(1)}},
		"none of them":            {entries: []adsync.Entry{mails(1, "anna", "a@x", "b@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1 1": "email differs"}},
		"married, and both agree": {entries: []adsync.Entry{named(mails(1, "anna", "a@x", "anna@x"), "Berg")}, users: []adsync.User{namedUser(unlinked("1", "anna", "anna@x"), "Dahl")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"the last name that it has": {entries: []adsync.Entry{lasts}, users: []adsync.User{namedUser(unlinked("1", "anna", ""), "Dahl")},
			rules: adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldUsername}}, links: map[string]adsync.ObjectID{"1": id(1)}},

		"the marked one":                {entries: []adsync.Entry{marked(mails(1, "anna", "a@x", "anna@x"), "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"a marked one that Others lack": {entries: []adsync.Entry{marked(mails(1, "", "a@x", "b@x"), "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: byMail, links: map[string]adsync.ObjectID{"1": id(1)}},
		"another than the marked one":   {entries: []adsync.Entry{marked(mails(1, "anna", "a@x", "anna@x"), "a@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1 1": "email differs"}},

		"an account that has the address too": {entries: []adsync.Entry{mails(1, "ben", "a@x", "anna@x"), entry(2, "anna", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")},
			notices: map[string]string{"1 1": several, "1 2": several}},
		"an account that has it, and marks another": {entries: []adsync.Entry{marked(mails(1, "ben", "a@x", "anna@x"), "a@x"), entry(2, "anna", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")},
			notices: map[string]string{"1 1": "email differs; " + several, "1 2": several}},
		"by address, two accounts": {entries: []adsync.Entry{mails(1, "ben", "a@x", "anna@x"), entry(2, "cleo", "anna@x")}, users: []adsync.User{unlinked("1", "", "anna@x")}, rules: byMail,
			notices: map[string]string{"1 1": several, "1 2": several}},
		"a user who has another of its addresses": {entries: []adsync.Entry{mails(1, "anna", "anna@x", "desk@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x"), unlinked("2", "ben", "desk@x")},
			notices: map[string]string{"1 1": "another user has the account's email", "2 1": "another user has the account's username; another user has the account's email"}},
		"by address, two users": {entries: []adsync.Entry{mails(1, "", "anna@x", "desk@x")}, users: []adsync.User{unlinked("1", "", "anna@x"), unlinked("2", "", "desk@x")}, rules: byMail,
			notices: map[string]string{"1 1": "another user has the account's email", "2 1": "another user has the account's email"}},
		"a linked user who has another": {entries: []adsync.Entry{mails(1, "anna", "anna@x", "desk@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x"), user("2", 2, "ben", "desk@x")},
			notices: map[string]string{"1 1": "another user has the account's email"}},

		"listed twice, and it has the common one": {entries: []adsync.Entry{mails(1, "anna", "a@x", "anna@x"), mails(1, "anna", "anna@x", "z@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, links: map[string]adsync.ObjectID{"1": id(1)}},
		"listed twice, and it would get either":   {entries: []adsync.Entry{mails(1, "anna", "a@x", "b@x"), mails(1, "anna", "anna@x", "z@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, notices: map[string]string{"1 1": "different details"}},
		"listed twice, and claims it the second time": {entries: []adsync.Entry{entry(1, "ben", "a@x"), entry(1, "ben", "anna@x"), entry(2, "anna", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")},
			notices: map[string]string{"1 1": several, "1 2": several}},

		"a username that Map makes of the address": {entries: []adsync.Entry{mails(1, "x", "a@x", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: loginOfMail, links: map[string]adsync.ObjectID{"1": id(1)}},
		"which another user has":                   {entries: []adsync.Entry{mails(1, "x", "anna@x", "ben@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x"), unlinked("2", "ben", "")}, rules: loginOfMail, notices: map[string]string{"1 1": "another user has the account's username", "2 1": "username differs"}},
		"which another account has":                {entries: []adsync.Entry{mails(1, "x", "a@x", "anna@y"), entry(2, "y", "anna@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: loginOfMail, notices: map[string]string{"1 1": several, "1 2": several}},
		"of which Map refuses one":                 {entries: []adsync.Entry{mails(1, "x", "anna@x", "refused@x")}, users: []adsync.User{unlinked("1", "anna", "anna@x")}, rules: loginOfMail, links: map[string]adsync.ObjectID{"1": id(1)}},
		"of which Map refuses the first":           {entries: []adsync.Entry{mails(1, "x", "refused@x", "zoe@x")}, users: []adsync.User{unlinked("1", "zoe", "zoe@x")}, rules: loginOfMail, links: map[string]adsync.ObjectID{"1": id(1)}},
		"of which Map refuses the user's":          {entries: []adsync.Entry{mails(1, "x", "anna@x", "refused@x")}, users: []adsync.User{unlinked("1", "anna", "refused@x")}, rules: loginOfMail, notices: map[string]string{"1 1": "Rules.Map refuses"}},
		"by values of two details at once":         {entries: []adsync.Entry{phones}, users: []adsync.User{second}, rules: loginOfBoth, links: map[string]adsync.ObjectID{"1": id(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				links, notices := map[string]adsync.ObjectID{}, map[string]string{}
				for _, c := range adopt(t, test.entries, test.users, test.rules).Changes {
					if c.Op == adsync.OpUpdate {
						links[c.UserID] = c.After.ObjectID
						continue
					}
					notices[c.UserID+" "+strconv.Itoa(int(c.ObjectID[15]))] = c.Detail
				}
				assert.Len(t, links, len(test.links), "notices: %v", notices)
				for user, want := range test.links {
					assert.Equal(t, want, links[user])
				}
				assert.Len(t, notices, len(test.notices), "%v", notices)
				for pair, want := range test.notices {
					assert.Contains(t, notices[pair], want, pair)
				}
				slices.Reverse(test.entries)
				slices.Reverse(test.users)
			}
		})
	}
}

// An account of so many values that Map could make more profiles of it than there are
// users is compared with each of them.
func TestAdopt_OfVeryManyValues(t *testing.T) {
	e := entry(1, "x", "")
	for _, f := range []adsync.Field{adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone} {
		var values []string
		for n := range 20 {
			values = append(values, string(f)+strconv.Itoa(n)+"@x")
		}
		e.Others = e.Others.With(f, values...)
	}
	rules := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		e.Username = e.FirstName + e.LastName + e.Phone
		return e.Profile, nil
	}}
	u := adsync.User{ID: "1", Profile: adsync.Profile{FirstName: "first_name7@x", LastName: "last_name19@x", Phone: "phone3@x", Email: "email11@x"}}
	u.Username = u.FirstName + u.LastName + u.Phone
	plan := adopt(t, []adsync.Entry{e}, []adsync.User{unlinked("0", "stranger", ""), u}, rules)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.OpUpdate, plan.Changes[0].Op)
	rival := u
	rival.ID = "2"
	for _, c := range adopt(t, []adsync.Entry{e}, []adsync.User{rival, u}, rules).Changes {
		assert.Equal(t, adsync.OpNotice, c.Op)
	}
	other := entry(2, "y", u.Email)
	other.FirstName, other.LastName, other.Phone = u.FirstName, u.LastName, u.Phone
	for _, c := range adopt(t, []adsync.Entry{e, other}, []adsync.User{u}, rules).Changes {
		assert.Equal(t, adsync.OpNotice, c.Op)
	}
}

// Where Map makes usernames of two details, each user is found by a combination that it has
// itself, and up to a thousand combinations are looked for among all users.
func TestAdopt_OfManyCombinations(t *testing.T) {
	rules := adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldUsername}, Map: func(e adsync.Entry) (adsync.Profile, error) {
		e.Username = e.FirstName + " " + e.LastName
		return e.Profile, nil
	}}
	its := adsync.User{ID: "1", Profile: adsync.Profile{Username: "n9 n9", FirstName: "n9", LastName: "n9"}}
	others := its
	others.FirstName = "n0"
	for _, test := range []struct {
		phones      int
		user        adsync.User
		wants       []string
		differently string
	}{
		{10, its, []string{"1 update adopted"}, ""},
		{11, its, []string{"1 update adopted"}, ""},
		{10, others, []string{"1 notice ambiguous"}, "username differs"},
		{11, others, nil, ""},
	} {
		e := entry(1, "x", "")
		for f, n := range map[adsync.Field]int{adsync.FieldFirstName: 10, adsync.FieldLastName: 10, adsync.FieldPhone: test.phones} {
			var values []string
			for v := range n {
				values = append(values, "n"+strconv.Itoa(v))
			}
			e.Others = e.Others.With(f, values...)
		}
		plan := adopt(t, []adsync.Entry{e}, []adsync.User{test.user}, rules)
		require.Equal(t, test.wants, inBrief(plan), "%d phones", test.phones)
		if test.differently != "" {
			assert.Contains(t, plan.Changes[0].Detail, test.differently)
		}
	}
}

// Without a Map each value is looked for, however many there are.
func TestAdopt_OfAddressesWithoutNumber(t *testing.T) {
	var addresses []string
	for n := range 1100 {
		addresses = append(addresses, strconv.Itoa(1000+n)+"@x")
	}
	plan := adopt(t, []adsync.Entry{mails(1, "", addresses...)}, []adsync.User{unlinked("1", "", "2099@x")}, adsync.Rules{AdoptBy: []adsync.Field{adsync.FieldEmail}})
	assert.Equal(t, []string{"1 update adopted"}, inBrief(plan))
}

// What Apply looks up is judged by the value that the user would get, too.
func TestAdopt_OfSeveralValuesIsAppliedAndSynchronised(t *testing.T) {
	dir := adsync.StaticDirectory{named(mails(1, "anna", "a@x", "anna@x"), "Berg"), mails(2, "ben", "b@x", "ben@x")}
	store := adsync.NewMemoryStore(namedUser(unlinked("1", "anna", "anna@x"), "Dahl"), unlinked("2", "ben", "ben@x"))
	plan := adopt(t, dir, allUsers(t, store), adsync.Rules{})
	require.Len(t, plan.Changes, 2)
	moved := slices.Clone(dir)
	moved[1].Others = moved[1].Others.With(adsync.FieldEmail, "b@x", "c@x")
	report, err := newSyncer(t, moved, store, nil).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied, adsync.OutcomeStale}, outcomes(report), "the address was taken from the second")
	report, err = newSyncer(t, dir, store, nil).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeAlready, adsync.OutcomeApplied}, outcomes(report))
	report, err = newSyncer(t, dir, store, nil).Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, report.Plan.Changes, 1)
	assert.Equal(t, []adsync.Field{adsync.FieldLastName}, report.Plan.Changes[0].Fields)
}

// Whoever is linked has an account to itself, whichever of its values each side has; and
// where the rules as written want a link, there is one.
func TestAdopt_OfSeveralValuesByTheBook(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 1))
	some := func(values ...string) []string {
		return slices.DeleteFunc(values, func(string) bool { return r.IntN(2) == 0 })
	}
	links := 0
	for range 20_000 {
		var entries []adsync.Entry
		var users []adsync.User
		for n := range 1 + r.IntN(3) {
			e := adsync.Entry{ObjectID: id(byte(n + 1))}
			for f, values := range map[adsync.Field][]string{
				adsync.FieldUsername: some("ann", "Ben", "cleo"), adsync.FieldEmail: some("a@x", "B@x", "c@x"), adsync.FieldLastName: some("Berg", "Dahl"),
			} {
				if len(values) > 1 {
					e.Others = e.Others.With(f, values...)
				}
				if len(values) == 1 || len(values) > 1 && r.IntN(3) == 0 {
					e.Profile = e.Profile.With(f, values[r.IntN(len(values))])
				}
			}
			entries = append(entries, e)
		}
		pick := func(values ...string) string { return values[r.IntN(len(values))] }
		for n := range 1 + r.IntN(3) {
			users = append(users, namedUser(unlinked(strconv.Itoa(n), pick("", "Ann", "ben", "cleo"), pick("", "A@x", "b@x", "c@x")), pick("", "Berg", "Dahl")))
		}
		by := [][]adsync.Field{nil, {adsync.FieldUsername}, {adsync.FieldEmail}}[r.IntN(3)]
		want := map[string]adsync.ObjectID{}
		for _, u := range users {
			for _, e := range entries {
				taken := e
				taken.Profile = takenByTheBook(u, e)
				if pairByTheBook(u, taken, by) && alone(u, e, users, entries) {
					want[u.ID] = e.ObjectID
				}
			}
		}
		links += len(want)
		requireLinks(t, want, entries, users, by)
	}
	assert.Greater(t, links, 1000)
}

// takenByTheBook: the marked value, else that of the user, else the least.
func takenByTheBook(u adsync.User, e adsync.Entry) adsync.Profile {
	p := e.Profile
	for _, f := range e.Others.Fields() {
		if p.Get(f) != "" {
			continue
		}
		values := e.Others.Set(f)
		p = p.With(f, values[0])
		for _, v := range slices.Backward(values) {
			if f != adsync.FieldLastName && strings.EqualFold(v, u.Get(f)) {
				p = p.With(f, v)
			}
		}
		if slices.Contains(values, u.Get(f)) {
			p = p.With(f, u.Get(f))
		}
	}
	return p
}
