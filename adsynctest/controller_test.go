package adsynctest_test

import (
	"crypto/tls"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/adsynctest"
)

// read is how a host reads the controllers.
func read(t *testing.T, dcs ...*adsynctest.Controller) *activedirectory.Directory {
	t.Helper()
	return readWithin(t, 0, dcs...)
}

func readWithin(t *testing.T, timeout time.Duration, dcs ...*adsynctest.Controller) *activedirectory.Directory {
	t.Helper()
	cfg := activedirectory.Config{
		BaseDN:  dcs[0].BaseDN(),
		Bind:    activedirectory.SimpleBind(dcs[0].User(), dcs[0].Password()),
		TLS:     &tls.Config{RootCAs: dcs[0].CA()},
		Timeout: timeout,
	}
	for _, dc := range dcs {
		cfg.URLs = append(cfg.URLs, dc.URL())
	}
	dir, err := activedirectory.New(cfg)
	require.NoError(t, err)
	return dir
}

func person(username string) adsync.Profile {
	return adsync.Profile{Username: username, FirstName: "First", LastName: "Last", Email: username + "@corp.example", Phone: "1"}
}

// find asks a directory of its own, which has no memory of failures.
func find(t *testing.T, dc *adsynctest.Controller, id adsync.ObjectID) adsync.Entry {
	t.Helper()
	entries, err := collect(read(t, dc).Find(t.Context(), []adsync.ObjectID{id}))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	return entries[0]
}

func TestController_PeopleAndGroups(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("", func(t *testing.T) { // which closes the controller
		dc := adsynctest.NewController(t)
		ada, bob := dc.AddPerson(person("ada")), dc.AddPerson(person("bob"))
		e := find(t, dc, ada)
		assert.Equal(t, adsync.Entry{ObjectID: ada, Profile: person("ada"), State: adsync.StatePresent, DN: "CN=ada," + dc.BaseDN()}, e)
		assert.Equal(t, e.DN, dc.DN(ada))

		changed := adsync.Profile{Username: "lovelace", LastName: "King", Email: "ada@corp.example"}
		dc.Change(ada, changed)
		assert.Equal(t, changed, find(t, dc, ada).Profile)
		dc.SetAttribute(ada, "telephoneNumber", "42")
		assert.Equal(t, "42", find(t, dc, ada).Phone)
		dc.Rename(ada, "Ada King")
		assert.Equal(t, "CN=Ada King,"+dc.BaseDN(), find(t, dc, ada).DN)
		dc.Disable(ada)
		assert.True(t, find(t, dc, ada).Disabled)
		dc.Enable(ada)
		assert.False(t, find(t, dc, ada).Disabled)
		dc.Move(ada, dc.OutsideDN())
		assert.Equal(t, adsync.StateOutOfScope, find(t, dc, ada).State)
		dc.Move(ada, dc.BaseDN())
		dc.Hide(ada)
		assert.Equal(t, adsync.StateUnproven, find(t, dc, ada).State)
		dc.Unhide(ada)
		assert.Equal(t, adsync.StatePresent, find(t, dc, ada).State)
		dc.Delete(ada)
		assert.Equal(t, adsync.StateDeleted, find(t, dc, ada).State)
		require.NoError(t, adsynctest.CheckDirectory(t.Context(), read(t, dc), find(t, dc, ada), find(t, dc, bob)))
		dc.Restore(ada)
		e = find(t, dc, ada)
		assert.Equal(t, adsync.StatePresent, e.State)
		assert.Equal(t, "King", e.LastName)

		inner := dc.AddGroup("inner", bob)
		outer := dc.AddGroup("outer", inner)
		members := func(filter string) []string {
			cfg := activedirectory.Config{
				URLs: []string{dc.URL()}, BaseDN: dc.BaseDN(), Filter: "(&(sAMAccountType=805306368)(" + filter + "))",
				Bind: activedirectory.SimpleBind(dc.User(), dc.Password()), TLS: &tls.Config{RootCAs: dc.CA()},
			}
			dir, err := activedirectory.New(cfg)
			require.NoError(t, err)
			entries, err := collect(dir.Entries(t.Context()))
			require.NoError(t, err)
			var names []string
			for _, e := range entries {
				names = append(names, e.Username)
			}
			return names
		}
		assert.Equal(t, []string{"bob"}, members("memberOf="+dc.DN(inner)))
		assert.Empty(t, members("memberOf="+dc.DN(outer)), "not directly")
		dc.Join(outer, ada)
		assert.Equal(t, []string{"lovelace"}, members("memberOf="+dc.DN(outer)))
		dc.Leave(outer, ada)
		assert.Empty(t, members("memberOf="+dc.DN(outer)))
		dc.Delete(outer)
		assert.NotContains(t, dc.DN(outer), dc.BaseDN())
	})
}

func TestController_Faults(t *testing.T) {
	users := func(ids ...adsync.ObjectID) *adsync.MemoryStore {
		var users []adsync.User
		for _, id := range ids {
			users = append(users, adsync.User{ObjectID: id, Source: "corp", Profile: person("gone"), Status: adsync.StatusDeactivated})
		}
		return adsync.NewMemoryStore(users...)
	}
	down := func(t *testing.T, plan *adsync.Plan, err error) { require.ErrorIs(t, err, adsync.ErrIncomplete) }
	refused := func(code string) func(*testing.T, *adsync.Plan, error) {
		return func(t *testing.T, plan *adsync.Plan, err error) {
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.ErrorContains(t, err, code)
		}
	}
	for fault, check := range map[adsynctest.Fault]func(*testing.T, *adsync.Plan, error){
		adsynctest.FaultDown:            down,
		adsynctest.FaultSilent:          down,
		adsynctest.FaultBusy:            down,
		adsynctest.FaultCutListing:      down,
		adsynctest.FaultMalformed:       down,
		adsynctest.FaultPasswordRefused: refused("52e"),
		adsynctest.FaultPasswordExpired: refused("532"),
		adsynctest.FaultLockedOut:       refused("775"),
		adsynctest.FaultEmptyAnswers: func(t *testing.T, plan *adsync.Plan, err error) {
			require.NoError(t, err)
			assert.Contains(t, strings.Join(plan.Warnings, "\n"), "no account matches")
			for _, c := range plan.Changes {
				assert.Equal(t, adsync.OpNotice, c.Op)
			}
		},
		adsynctest.FaultNoDetails: func(t *testing.T, plan *adsync.Plan, err error) {
			require.NoError(t, err)
			assert.Contains(t, strings.Join(plan.Warnings, "\n"), "givenName")
			at := slices.IndexFunc(plan.Changes, func(c adsync.Change) bool { return c.Op == adsync.OpUpdate })
			require.GreaterOrEqual(t, at, 0)
			assert.Equal(t, adsync.Profile{Username: "here"}, plan.Changes[at].After.Profile)
		},
		adsynctest.FaultNoFlags: func(t *testing.T, plan *adsync.Plan, err error) {
			require.NoError(t, err)
			assert.Contains(t, strings.Join(plan.Warnings, "\n"), "userAccountControl")
			for _, c := range plan.Changes {
				assert.NotEqual(t, adsync.ReasonReactivated, c.Reason)
			}
		},
		adsynctest.FaultNoTombstones: func(t *testing.T, plan *adsync.Plan, err error) {
			require.NoError(t, err)
			assert.Contains(t, strings.Join(plan.Warnings, "\n"), "deleted accounts")
			assert.Zero(t, deletions(plan))
		},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			dc := adsynctest.NewController(t)
			here, gone := dc.AddPerson(person("here")), dc.AddPerson(person("gone"))
			dc.AddPerson(person("third"))
			dc.Delete(gone)
			plan := func(timeout time.Duration) (*adsync.Plan, error) {
				syncer, err := adsync.New(readWithin(t, timeout, dc), users(here, gone), &adsync.Options{
					Rules: adsync.Rules{Source: "corp"}, Limits: adsync.Limits{MaxRemovals: -1, MaxCleared: -1, MaxRemovalRatio: -1},
				})
				require.NoError(t, err)
				return syncer.Plan(t.Context())
			}
			whole, err := plan(0)
			require.NoError(t, err)
			require.Equal(t, 1, deletions(whole))
			end := dc.Order(fault)
			patience := map[adsynctest.Fault]time.Duration{adsynctest.FaultSilent: time.Second}[fault]
			p, err := plan(patience)
			check(t, p, err)
			if err == nil {
				assert.NotEqual(t, whole.Digest(), p.Digest(), "it did nothing")
			}
			end()
			again, err := plan(0)
			require.NoError(t, err)
			assert.Equal(t, whole.Digest(), again.Digest(), "it is over")
		})
	}
}

func deletions(plan *adsync.Plan) (n int) {
	for _, c := range plan.Changes {
		if c.Op == adsync.OpDelete {
			n++
		}
	}
	return n
}

func TestController_AnotherOfTheDomain(t *testing.T) {
	first := adsynctest.NewController(t)
	ada := first.AddPerson(person("ada"))
	second := first.AddController()
	require.NotEqual(t, first.URL(), second.URL())
	bob := first.AddPerson(person("bob"))
	assert.Equal(t, adsync.StatePresent, find(t, second, ada).State)
	assert.Equal(t, adsync.StateUnproven, find(t, second, bob).State, "it is not replicated yet")
	second.Replicate(first)
	assert.Equal(t, adsync.StatePresent, find(t, second, bob).State)
	require.NoError(t, adsynctest.CheckDirectory(t.Context(), read(t, first, second), find(t, first, ada), find(t, first, bob)))

	first.Order(adsynctest.FaultDown)
	entries, err := collect(read(t, first, second).Entries(t.Context()))
	require.NoError(t, err)
	assert.Len(t, entries, 2)
}

// aborted is a test that a method ended.
type aborted struct {
	testing.TB
	said string
}

func (a *aborted) Helper() {}

func (a *aborted) Cleanup(f func()) { a.TB.Cleanup(f) }

func (a *aborted) Fatalf(format string, args ...any) {
	a.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestController_EndsTheTestWhereItCannot(t *testing.T) {
	for name, do := range map[string]func(*adsynctest.Controller){
		"AddPerson":    func(c *adsynctest.Controller) { c.AddPerson(person("ada")); c.AddPerson(person("ada")) },
		"AddGroup":     func(c *adsynctest.Controller) { c.AddGroup("") },
		"Change":       func(c *adsynctest.Controller) { c.Change(c.AddPerson(person("ada")), adsync.Profile{}) },
		"SetAttribute": func(c *adsynctest.Controller) { c.SetAttribute(c.AddPerson(person("ada")), "noSuchAttribute", "1") },
		"Rename":       func(c *adsynctest.Controller) { c.Rename(dirID(1), "x") },
		"Move":         func(c *adsynctest.Controller) { c.Move(c.AddPerson(person("ada")), "OU=Nowhere") },
		"Disable":      func(c *adsynctest.Controller) { c.Disable(dirID(1)) },
		"Enable":       func(c *adsynctest.Controller) { c.Enable(dirID(1)) },
		"DN":           func(c *adsynctest.Controller) { c.Hide(dirID(1)) },
		"Delete":       func(c *adsynctest.Controller) { c.Delete(dirID(1)) },
		"Restore":      func(c *adsynctest.Controller) { c.Restore(c.AddPerson(person("ada"))) },
		"Join":         func(c *adsynctest.Controller) { c.Join(dirID(1), dirID(2)) },
		"Leave":        func(c *adsynctest.Controller) { c.Leave(dirID(1), dirID(2)) },
		"Order":        func(c *adsynctest.Controller) { c.Order("unheard of") },
		"Replicate":    func(c *adsynctest.Controller) { c.Replicate(c) },
	} {
		t.Run(name, func(t *testing.T) {
			tb := &aborted{TB: t}
			var test sync.WaitGroup
			test.Go(func() { do(adsynctest.NewController(tb)) })
			test.Wait()
			assert.Contains(t, tb.said, "adsync: Controller."+name+": ")
		})
	}
}
