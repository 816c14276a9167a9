package directory

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// states looks accounts up.
func states(t *testing.T, dir adsync.Directory, people ...person) []adsync.State {
	t.Helper()
	ids := make([]adsync.ObjectID, len(people))
	for i, p := range people {
		ids[i] = p.id
	}
	found := map[adsync.ObjectID]adsync.State{}
	for e, err := range dir.Find(t.Context(), ids) {
		require.NoError(t, err)
		if e.Present() {
			e.State = adsync.StatePresent
		}
		found[e.ObjectID] = e.State
	}
	list := make([]adsync.State, len(people))
	for i, p := range people {
		list[i] = found[p.id]
	}
	return list
}

// A filter on membership is evaluated with the rights of the service account. Whoever it
// misses is out of scope only where tokenGroups say so.
func testFilterOnMembership(t *testing.T, s *scene) {
	reader := s.addAccount(t, "membership")
	s.grantTombstones(t, reader)
	others, staffed := s.addMany(t, "other", 3), s.addMany(t, "staff", 3)
	outside := s.addIn(t, s.elsewhere, "emil")
	inner := s.addGroup(t, s.elsewhere, "inner", dns(staffed)...)
	staff := s.addGroup(t, s.elsewhere, "all staff", inner, outside.dn)
	hidden := s.addGroup(t, s.elsewhere, "hidden", dns(others)...)
	s.hide(t, reader, hidden)

	configured := func(filter string) activedirectory.Config {
		cfg := s.config()
		cfg.Bind = activedirectory.SimpleBind(reader.name, reader.password)
		cfg.Filter = filter
		return cfg
	}
	nested := configured("(memberOf:1.2.840.113556.1.4.1941:=" + staff + ")")
	got := states(t, open(t, nested), slices.Concat(staffed, others, []person{outside})...)
	for _, state := range got[:len(staffed)] {
		assert.Contains(t, []adsync.State{adsync.StatePresent, adsync.StateUnproven}, state)
	}
	for _, state := range got[len(staffed):] {
		assert.Equal(t, adsync.StateOutOfScope, state, "no member, or no longer below the base")
	}

	// Whoever cannot be seen to be a member is one all the same.
	s.deny(t, reader, staffed[0].dn, "memberOf")
	member := configured("(memberOf=" + inner + ")")
	assert.Equal(t, []adsync.State{adsync.StateUnproven, adsync.StatePresent, adsync.StateOutOfScope},
		states(t, open(t, member), staffed[0], staffed[1], others[0]))

	direct := configured("(memberOf=" + hidden + ")")
	assert.Equal(t, []adsync.State{adsync.StatePresent, adsync.StateUnproven},
		states(t, open(t, direct), others[0], staffed[1]), "whether he is in a group that is hidden is not known")

	except := configured("(&(sAMAccountType=805306368)(!(memberOf=" + inner + ")))")
	assert.Equal(t, []adsync.State{adsync.StatePresent, adsync.StateOutOfScope},
		states(t, open(t, except), others[0], staffed[1]), "her tokenGroups say that she is no member, and his that he is")

	access, err := open(t, nested).Inspect(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, access.Missing)
	assert.Contains(t, access.Missing[len(access.Missing)-1], "nested groups")
}

func (s *scene) addMany(t *testing.T, name string, n int) []person {
	t.Helper()
	people := make([]person, n)
	for i := range people {
		people[i] = s.add(t, fmt.Sprint(name, i))
	}
	return people
}

func dns(people []person) []string {
	list := make([]string, len(people))
	for i, p := range people {
		list[i] = p.dn
	}
	return list
}
