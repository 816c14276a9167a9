package activedirectory

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// forest is two domains, each with its own people.
func forest(t *testing.T) (north, south *corp, joined adsync.Directory) {
	t.Helper()
	north, south = newCorp(t, 1, 3), newCorp(t, 1, 3)
	return north, south, adsync.Join(north.directory(t, nil), south.directory(t, nil))
}

// hosted is a host's users for accounts of the forest.
func hosted(ids ...fakead.GUID) *adsync.MemoryStore {
	users := make([]adsync.User, len(ids))
	for i, id := range ids {
		users[i] = adsync.User{ID: fmt.Sprintf("id-%d", i+1), ObjectID: adsync.ObjectID(id), Profile: adsync.Profile{Username: fmt.Sprintf("old-%d", i+1), FirstName: "F", LastName: "L", Email: fmt.Sprintf("old-%d@x", i+1), Phone: "1"}}
	}
	return adsync.NewMemoryStore(users...)
}

// Both domains have a u1. Whoever the host has under that name keeps it, and the
// other one is a duplicate: nobody takes over anybody's account.
func TestJoin_OneNameInTwoDomains(t *testing.T) {
	north, south, joined := forest(t)
	store := hosted(north.ids[0][0], south.ids[0][0])
	s, err := adsync.New(joined, store, &adsync.Options{Limits: adsync.Limits{MaxRekeyed: -1}})
	require.NoError(t, err)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, report.Counts().Duplicated, "both ask for u1, and neither has it")
	for _, c := range report.Plan.Changes {
		assert.Equal(t, adsync.OpDuplicate, c.Op)
		require.NotEmpty(t, c.Conflicts)
		assert.Equal(t, adsync.Conflict{Field: adsync.FieldUsername, Value: "u1", With: []string{map[string]string{"id-1": "id-2", "id-2": "id-1"}[c.UserID]}}, c.Conflicts[0])
	}

	require.NoError(t, south.controllers[0].SetAttribute(south.ids[0][0], "sAMAccountName", "u1-south"))
	require.NoError(t, south.controllers[0].SetAttribute(south.ids[0][0], "mail", "u1-south@x"))
	report, err = s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, report.Counts().Modified, "told apart, both are written")
	one, _ := store.Get("id-1")
	two, _ := store.Get("id-2")
	assert.Equal(t, []string{"u1", "u1-south"}, []string{one.Username, two.Username})
	assert.Equal(t, adsync.ObjectID(north.ids[0][0]), one.ObjectID)
}

func TestJoin_OneDomainThatFailsFailsThePlan(t *testing.T) {
	for name, fault := range map[string]fakead.Fault{
		"dead":              {Kind: fakead.FaultCut, Op: fakead.OpConnect},
		"midway":            {Kind: fakead.FaultCut, Op: fakead.OpSearch, Match: "objectGUID"},
		"no tombstones":     {Kind: fakead.FaultResult, Op: fakead.OpSearch, Match: "isDeleted=TRUE", Code: 51},
		"a refused account": {Kind: fakead.FaultResult, Op: fakead.OpBind, Code: 49},
	} {
		t.Run(name, func(t *testing.T) {
			north, south, joined := forest(t)
			require.NoError(t, north.controllers[0].Delete(north.ids[0][1]))
			store := hosted(north.ids[0][0], north.ids[0][1], south.ids[0][2])
			before := usersOf(t, store)
			south.controllers[0].Order(fault)
			for _, rules := range []adsync.Rules{{}, {Import: true}} {
				s, err := adsync.New(joined, store, &adsync.Options{Rules: rules, Limits: adsync.Limits{MaxRemovalRatio: -1}})
				require.NoError(t, err)
				_, err = s.Sync(t.Context())
				require.ErrorIs(t, err, adsync.ErrIncomplete)
				assert.Equal(t, before, usersOf(t, store), "not even the north's leaver")
			}
		})
	}
}

// A move between the domains of a forest keeps the objectGUID. Where it came
// from there is a tombstone of it, which alone would prove a deletion.
func TestJoin_MoveBetweenDomainsIsNoDeletion(t *testing.T) {
	north, south, joined := forest(t)
	moved := north.ids[0][1]
	people := "OU=People," + south.controllers[0].BaseDN()
	_, err := south.controllers[0].AddUser(fakead.User{ID: moved, Parent: people, Username: "moved", FirstName: "F", LastName: "L", Email: "moved@x", Phone: "1"})
	require.NoError(t, err)
	require.NoError(t, north.controllers[0].Delete(moved))

	store := hosted(moved)
	s, err := adsync.New(joined, store, &adsync.Options{Limits: adsync.Limits{MaxRemovalRatio: -1}})
	require.NoError(t, err)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Zero(t, report.Counts().Deleted)
	user, there := store.Get("id-1")
	require.True(t, there)
	assert.Equal(t, "moved", user.Username)

	t.Run("to a part that is not synchronised", func(t *testing.T) {
		require.NoError(t, south.controllers[0].Move(moved, "CN=Users,"+south.controllers[0].BaseDN()))
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		assert.Zero(t, report.Counts().Deleted)
		_, there := store.Get("id-1")
		assert.True(t, there, "told, and kept")
	})
	t.Run("and deleted there", func(t *testing.T) {
		require.NoError(t, south.controllers[0].Delete(moved))
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, report.Counts().Deleted, "now it is")
	})
}
