package activedirectory

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// roleFaults are what may strike any search of a run.
func roleFaults() map[string]fakead.Fault {
	faults := map[string]fakead.Fault{
		"cut": {Kind: fakead.FaultCut}, "cut in a message": {Kind: fakead.FaultCutBytes, After: 40}, "cut after an entry": {Kind: fakead.FaultCutEntries, After: 1},
		"malformed": {Kind: fakead.FaultMalformed}, "no paging control": {Kind: fakead.FaultNoPagingControl},
		"hidden": {Kind: fakead.FaultHide}, "a page is skipped": {Kind: fakead.FaultSkipPage}, "an empty page": {Kind: fakead.FaultEmptyPage},
		"an entry twice": {Kind: fakead.FaultRepeatEntry}, "a page twice": {Kind: fakead.FaultRepeatPage},
		"a range":             {Kind: fakead.FaultRange, Attributes: []string{"member", "tokenGroups", "memberOf", "otherTelephone"}},
		"no names with GUIDs": {Kind: fakead.FaultNoControl, Text: "1.2.840.113556.1.4.529"},
	}
	for _, code := range []int{1, 10, 32, 50, 51, 52, 53, 80} {
		faults[fmt.Sprint("result ", code)] = fakead.Fault{Kind: fakead.FaultResult, Code: code}
		faults[fmt.Sprint("result ", code, " after an entry")] = fakead.Fault{Kind: fakead.FaultResult, Code: code, After: 1}
	}
	for _, attribute := range []string{"member", "memberOf", "tokenGroups", "objectClass", "objectSid", "groupType", "primaryGroupID", "primaryGroupToken", "objectGUID"} {
		faults["without "+attribute] = fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{attribute}}
	}
	return faults
}

// TestRoles_NobodyLosesOneByAFault lets each fault strike each search of a plan, of a run
// and of the application of a plan. Whatever comes of it, those who are in the group keep
// the role, nobody is given one that he has no right to, and of several values everybody
// keeps the one that he has.
func TestRoles_NobodyLosesOneByAFault(t *testing.T) {
	dc, err := fakead.Start(fakead.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dc.Close()) })
	unit, err := dc.AddOU("People", "")
	require.NoError(t, err)
	_, err = dc.AddUser(fakead.User{Username: "svc", UPN: "svc@ad.example.test", Password: "S3cret"})
	require.NoError(t, err)
	ids := map[string]fakead.GUID{}
	names := []string{"nested", "direct", "primary", "left", "joined", "stranger"}
	for _, name := range names {
		ids[name], err = dc.AddUser(fakead.User{Parent: unit, Username: name, Attributes: map[string][]string{
			"otherTelephone": {"1", "2", "3"}, "department": {"Engines"},
		}})
		require.NoError(t, err)
	}
	group := func(name string, members ...fakead.GUID) fakead.GUID {
		id, err := dc.CreateGroup(fakead.Group{Name: name, Members: members})
		require.NoError(t, err)
		return id
	}
	inner, main := group("inner", ids["nested"]), group("main", ids["primary"])
	role := group("role", inner, main, ids["direct"], ids["joined"])
	require.NoError(t, dc.SetPrimaryGroup(ids["primary"], dc.DN(main)))
	dir, err := New(Config{
		URLs: []string{dc.URL()}, BaseDN: unit, TLS: dc.ClientTLS(), Bind: SimpleBind("svc@ad.example.test", "S3cret"),
		Roles:      []Role{{Name: "editor", Group: adsync.ObjectID(role).String()}},
		Attributes: map[adsync.Field]string{adsync.FieldPhone: "otherTelephone", department: "department"},
	})
	require.NoError(t, err)

	own := adsync.Extra{}.With(department, "Engines")
	newStore := func() *adsync.MemoryStore {
		var users []adsync.User
		for i, name := range names {
			u := adsync.User{ID: name, ObjectID: adsync.ObjectID(ids[name]), Source: "ad", Profile: adsync.Profile{Username: name, Phone: "2", Extra: own}}
			if i < 4 {
				u.Extra = own.With(adsync.FieldRoles, "editor")
			}
			users = append(users, u)
		}
		return adsync.NewMemoryStore(users...).Hold(department)
	}
	newSyncer := func(store adsync.UserStore) *adsync.Syncer {
		s, err := adsync.New(dir, store, &adsync.Options{Rules: adsync.Rules{Source: "ad"},
			Limits: adsync.Limits{MaxGranted: -1, MaxRevoked: -1, MaxRemovals: -1, MaxRemovalRatio: -1}})
		require.NoError(t, err)
		return s
	}
	plan, err := newSyncer(newStore()).Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 2, "one is given the role, and one loses it")

	struck, runs := 0, map[string]func(*adsync.Syncer) error{
		"sync":  func(s *adsync.Syncer) error { _, err := s.Sync(t.Context()); return err },
		"apply": func(s *adsync.Syncer) error { _, err := s.Apply(t.Context(), plan); return err },
	}
	for kind, fault := range roleFaults() {
		for mode, run := range runs {
			for search := 1; ; search++ {
				before, seen := dc.Struck(), 0
				dc.Before(func(r fakead.Request) {
					if r.Op != fakead.OpSearch {
						return
					}
					if seen++; seen == search {
						fault.Op, fault.Times = fakead.OpSearch, 1
						dc.Order(fault)
					}
				})
				store := newStore()
				err := run(newSyncer(store))
				dc.Before(nil)
				dc.ClearFaults()
				where := fmt.Sprintf("%s in search %d of %s: %v", kind, search, mode, err)
				if err != nil {
					require.True(t, errors.Is(err, adsync.ErrIncomplete), where)
				}
				for i, name := range names {
					u, _ := store.Get(name)
					has := u.Extra.Text(adsync.FieldRoles) == "editor"
					require.Equal(t, "2", u.Phone, where)
					require.Equal(t, "Engines", u.Get(department), where)
					switch {
					case i < 3:
						require.True(t, has, "%s: %s lost the role", where, name)
					case name == "stranger":
						require.False(t, has, "%s: %s was given the role", where, name)
					}
				}
				if seen < search {
					break
				}
				struck += dc.Struck() - before
			}
		}
	}
	t.Logf("%d faults struck", struck)
	assert.GreaterOrEqual(t, struck, 300)
}
