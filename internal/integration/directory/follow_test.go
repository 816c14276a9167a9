package directory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func testFirstSync(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	outdated := imported("1", alice)
	outdated.Profile = adsync.Profile{Username: "old", FirstName: "Old", LastName: "Old", Email: "old@example.test", Phone: "0"}
	store := adsync.NewMemoryStore(outdated, imported("2", bob))

	report := s.sync(t, store, adsync.Rules{})

	assert.Equal(t, []string{"update changed 1"}, told(report.Plan))
	assert.ElementsMatch(t, []adsync.Field{
		adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone,
	}, report.Plan.Changes[0].Fields)
	assert.Equal(t, alice.was, users(t, store)["1"].Profile)
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 1}, report.Counts())
}

func testFirstImport(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	s.disable(t, s.add(t, "carol"))
	store := adsync.NewMemoryStore()

	report := s.sync(t, store, adsync.Rules{Import: true})

	assert.Equal(t, 2, report.Counts().Created, "a disabled account is not imported")
	profiles := map[adsync.ObjectID]adsync.Profile{}
	for _, u := range users(t, store) {
		assert.Equal(t, source, u.Source)
		profiles[u.ObjectID] = u.Profile
	}
	assert.Equal(t, map[adsync.ObjectID]adsync.Profile{alice.id: alice.was, bob.id: bob.was}, profiles)
}

func testRenamed(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	store := adsync.NewMemoryStore(imported("1", alice))
	renamed := s.move(t, alice, s.people, "alice smith")
	s.set(t, renamed, "sAMAccountName", s.prefix+"asmith")
	s.set(t, renamed, "sn", "Smith")

	report := s.sync(t, store, adsync.Rules{})

	assert.Equal(t, []string{"update changed 1"}, told(report.Plan))
	now := users(t, store)["1"]
	assert.Equal(t, s.prefix+"asmith", now.Username)
	assert.Equal(t, "Smith", now.LastName)
	assert.Equal(t, alice.id, now.ObjectID)
	assert.Len(t, users(t, store), 1)
}

func testMovedInside(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	store := adsync.NewMemoryStore(imported("1", alice))
	s.addUnit(t, "OU=below,"+s.people)
	s.move(t, alice, "OU=below,"+s.people, alice.cn)

	assert.Empty(t, s.sync(t, store, adsync.Rules{}).Plan.Changes)
}

func testMovedOut(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob))
	moved := s.move(t, alice, s.elsewhere, alice.cn)
	s.set(t, moved, "mail", "new@example.test")

	report := s.sync(t, store, adsync.Rules{})

	assert.Equal(t, []string{"notice out-of-scope 1"}, told(report.Plan))
	assert.Equal(t, imported("1", alice).Profile, users(t, store)["1"].Profile, "nobody out of scope is changed")
}

func testDisabledIsTold(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	store := adsync.NewMemoryStore(imported("1", alice))
	s.disable(t, alice)

	assert.Equal(t, []string{"notice disabled 1"}, told(s.sync(t, store, adsync.Rules{}).Plan))
	assert.NotEqual(t, adsync.StatusDeactivated, users(t, store)["1"].Status)
}

func testDisabledDeactivates(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	store := adsync.NewMemoryStore(imported("1", alice))
	rules := adsync.Rules{OnDisabled: adsync.Deactivate}
	s.disable(t, alice)

	report := s.sync(t, store, rules)
	assert.Contains(t, told(report.Plan), "update disabled 1")
	assert.Equal(t, 1, report.Counts().Deactivated)
	assert.Equal(t, adsync.StatusDeactivated, users(t, store)["1"].Status)

	s.enable(t, alice)
	report = s.sync(t, store, rules)
	assert.Equal(t, []string{"update reactivated 1"}, told(report.Plan))
	assert.Contains(t, []adsync.Status{"", adsync.StatusActive}, users(t, store)["1"].Status)
}

// Between the plan and its approval the account was enabled again: what the plan
// says of it is no longer so.
func testEnabledBeforeApply(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	store := adsync.NewMemoryStore(imported("1", alice))
	s.disable(t, alice)
	syncer := newSyncer(t, s.directory(t), store, adsync.Rules{OnDisabled: adsync.Remove})
	plan, err := syncer.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"delete disabled 1"}, told(plan))

	s.enable(t, alice)
	report, err := syncer.Apply(t.Context(), plan)

	require.NoError(t, err)
	require.Len(t, report.Results, 1)
	assert.Equal(t, adsync.OutcomeStale, report.Results[0].Outcome)
	assert.Contains(t, users(t, store), "1")
}

func testDeleted(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob))
	s.delete(t, alice)

	report := s.sync(t, store, adsync.Rules{})

	assert.Equal(t, []string{"delete deleted 1"}, told(report.Plan))
	assert.Equal(t, adsync.Counts{Deleted: 1, Unchanged: 1}, report.Counts())
	assert.NotContains(t, users(t, store), "1")
	assert.Contains(t, users(t, store), "2")
	assert.Empty(t, report.Plan.Warnings)
}

// The same name on a new account is another person: the old user goes, and the
// new account becomes a user only by import.
func testCreatedAgain(t *testing.T, s *scene) {
	alice := s.add(t, "alice")
	s.delete(t, alice)
	again := s.add(t, "alice")
	require.NotEqual(t, alice.id, again.id)

	store := adsync.NewMemoryStore(imported("1", alice))
	report := s.sync(t, store, adsync.Rules{})
	assert.Equal(t, []string{"delete deleted 1"}, told(report.Plan))
	assert.Empty(t, users(t, store))

	store = adsync.NewMemoryStore(imported("1", alice))
	report = s.sync(t, store, adsync.Rules{Import: true})
	assert.Equal(t, []string{"delete deleted 1", "create new"}, told(report.Plan))
	require.Len(t, users(t, store), 1)
	for _, u := range users(t, store) {
		assert.Equal(t, again.id, u.ObjectID)
		assert.NotEqual(t, "1", u.ID, "a namesake does not inherit the account")
	}
}

func testUsernameTaken(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	local := adsync.User{ID: "local", Profile: adsync.Profile{Username: "ROBERT-" + s.prefix}}
	store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob), local)
	s.set(t, bob, "sAMAccountName", "robert-"+s.prefix)
	s.set(t, bob, "telephoneNumber", "1")

	report := s.sync(t, store, adsync.Rules{})

	assert.Equal(t, []string{"duplicate taken 2"}, told(report.Plan))
	assert.Equal(t, []adsync.Conflict{{Field: adsync.FieldUsername, Value: "robert-" + s.prefix, With: []string{"local"}}},
		report.Plan.Changes[0].Conflicts)
	assert.Equal(t, bob.was, users(t, store)["2"].Profile, "not even the phone number is written")
	assert.Equal(t, 1, report.Counts().Duplicated)
}

// A directory does not mind two accounts with one mail address.
func testEmailTaken(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob))
	other := "S" + alice.was.Email[1:]
	require.NotEqual(t, alice.was.Email, other)
	s.set(t, bob, "mail", other)

	report := s.sync(t, store, adsync.Rules{})

	assert.Equal(t, []string{"duplicate taken 2"}, told(report.Plan))
	assert.Equal(t, []adsync.Conflict{{Field: adsync.FieldEmail, Value: other, With: []string{"1"}}}, report.Plan.Changes[0].Conflicts)
	assert.Equal(t, bob.was, users(t, store)["2"].Profile)
}

func testEmailsSwapped(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	store := adsync.NewMemoryStore(imported("1", alice), imported("2", bob))
	s.set(t, alice, "mail", bob.was.Email)
	s.set(t, bob, "mail", alice.was.Email)

	report := s.sync(t, store, adsync.Rules{})

	assert.Equal(t, 2, report.Counts().Modified)
	assert.Equal(t, bob.was.Email, users(t, store)["1"].Email)
	assert.Equal(t, alice.was.Email, users(t, store)["2"].Email)
}

func testCleared(t *testing.T, s *scene) {
	alice, bob := s.add(t, "alice"), s.add(t, "bob")
	s.set(t, alice, "telephoneNumber")
	s.set(t, bob, "telephoneNumber")

	store := adsync.NewMemoryStore(imported("1", alice))
	s.sync(t, store, adsync.Rules{})
	assert.Empty(t, users(t, store)["1"].Phone)

	store = adsync.NewMemoryStore(imported("2", bob))
	s.sync(t, store, adsync.Rules{KeepOnEmpty: []adsync.Field{adsync.FieldPhone}})
	assert.Equal(t, bob.was.Phone, users(t, store)["2"].Phone)
}
