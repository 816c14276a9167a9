package activedirectory

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// giving is a bed in which a group gives a role, by way of another group too.
type giving struct {
	*bed
	ids          []fakead.GUID
	outer, inner fakead.GUID
}

func newGiving(t *testing.T) *giving {
	t.Helper()
	g := &giving{bed: newBed(t)}
	g.ids = g.add("p1", "p2", "p3")
	var err error
	g.inner, err = g.dc.CreateGroup(fakead.Group{Name: "Inner", Members: g.ids[:1]})
	require.NoError(t, err)
	g.outer, err = g.dc.CreateGroup(fakead.Group{Name: "Outer", Members: []fakead.GUID{g.inner, g.ids[1]}})
	require.NoError(t, err)
	g.cfg.Roles = []Role{{Name: "editor", Group: g.outer.String()}}
	return g
}

// roles are those of the users, in the order of the accounts.
func (g *giving) roles() (all []string) {
	for i := range g.ids {
		u, _ := g.store.Get("u-p" + strconv.Itoa(i+1))
		all = append(all, append(u.Extra.Set(adsync.FieldRoles), "")[0])
	}
	return all
}

// As long as no group that counts has changed, a plan by mark is as good as a full one with
// roles too: of each account that is looked up they are read anew.
func TestSince_GoesOnWithRoles(t *testing.T) {
	g := newGiving(t)
	g.sync()
	assert.Equal(t, []string{"editor", "editor", ""}, g.roles())
	assert.Zero(t, g.looked())
	require.NoError(t, g.dc.SetAttribute(g.ids[0], "mail", "new@x.test"))
	_, err := g.dc.CreateGroup(fakead.Group{Name: "Unrelated", Members: g.ids})
	require.NoError(t, err)
	assert.Equal(t, 1, g.looked())
	assert.Zero(t, g.looked())

	g.edit("u-p1", func(u *adsync.User) { u.Extra = adsync.Extra{} })
	report := g.follows()
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 2}, report.Counts(), "given again")
	g.edit("u-p3", func(u *adsync.User) { u.Extra = u.Extra.With(adsync.FieldRoles, "editor") })
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 2}, g.follows().Counts(), "taken, as nobody in the directory has given it")
	assert.Equal(t, []string{"editor", "editor", ""}, g.roles())
	g.follows()
	assert.Zero(t, g.looked())
}

// A plan by mark takes no role without the proof that a full one asks for. Where there is
// none, it asks each time.
func TestSince_TakesNoRoleWithoutProof(t *testing.T) {
	g := newGiving(t)
	g.sync()
	require.NoError(t, g.dc.Deny(since, g.dc.DN(g.ids[2]), "tokenGroups"))
	g.edit("u-p3", func(u *adsync.User) { u.Extra = u.Extra.With(adsync.FieldRoles, "editor") })
	for range 3 {
		report := g.follows()
		require.Len(t, report.Plan.Changes, 1)
		assert.Equal(t, adsync.ReasonUnproven, report.Plan.Changes[0].Reason)
		assert.Contains(t, strings.Join(report.Plan.Warnings, "\n"), "grant the service account Read on tokenGroups", "which the notice refers to")
	}
	assert.Equal(t, []string{"editor", "editor", "editor"}, g.roles())
	require.NoError(t, g.dc.ResetRights(since, g.dc.DN(g.ids[2])))
	g.follows()
	assert.Equal(t, []string{"editor", "editor", ""}, g.roles())
}

// Each is a history of groups that leaves no trace on the accounts in them.
func TestSince_SeesGroupsChange(t *testing.T) {
	const unknown = "it is not known who has which role, and that may change unseen"
	for name, tt := range map[string]struct {
		before, after func(g *giving) error
		full          string
		looked        int // if it is no full one
	}{
		"somebody joins":         {after: func(g *giving) error { return g.dc.Join(g.outer, g.ids[2]) }, looked: 1},
		"somebody leaves":        {after: func(g *giving) error { return g.dc.Leave(g.outer, g.ids[1]) }, looked: 1},
		"a nested group changes": {after: func(g *giving) error { return g.dc.Join(g.inner, g.ids[2]) }, looked: 1},
		"a nested group leaves":  {after: func(g *giving) error { return g.dc.Leave(g.outer, g.inner) }, looked: 1},
		"a nested group is gone": {after: func(g *giving) error { return g.dc.Delete(g.inner) }, looked: 1},
		"a nested group is brought back": {
			before: func(g *giving) error { return g.dc.Delete(g.inner) },
			after:  func(g *giving) error { return g.dc.Restore(g.inner) },
			looked: 1,
		},
		"a group is nested": {
			before: func(g *giving) error { return g.dc.Leave(g.outer, g.inner) },
			after:  func(g *giving) error { return g.dc.Join(g.outer, g.inner) },
			looked: 1,
		},
		"nobody is another's member": {
			after:  func(g *giving) error { return g.dc.SetAttribute(g.outer, "description", "new") },
			looked: 0,
		},
		"a group goes out of sight": {
			after: func(g *giving) error { return g.dc.Hide(since, g.dc.DN(g.inner)) }, full: unknown,
		},
		"the group of the role is gone": {
			after: func(g *giving) error { return g.dc.Delete(g.outer) }, full: unknown,
		},
		"a group is put back, and has the number once more": {
			before: func(g *giving) error {
				g.sync() // which notes a logon
				g.kept = g.dc.Snapshot()
				return g.dc.Join(g.inner, g.ids[2])
			},
			after: func(g *giving) error {
				g.dc.RollBack(g.kept)
				return g.dc.Join(g.inner, g.ids[1])
			},
			full: "the controller was put back from an old copy",
		},
		"the group of a role is unknown": {
			before: func(g *giving) error { return g.dc.Hide(since, g.dc.DN(g.inner)) },
			after:  func(g *giving) error { return g.dc.Unhide(since) },
			full:   unknown,
		},
		"a group of that name is made": {
			before: func(g *giving) error {
				g.cfg.Roles = append(g.cfg.Roles, Role{Name: "late", Group: "Late"})
				return nil
			},
			after: func(g *giving) error {
				_, err := g.dc.CreateGroup(fakead.Group{Name: "Late", Members: g.ids})
				return err
			},
			full: unknown,
		},
		"the number of a group cannot be read": {
			before: func(g *giving) error { return g.dc.Deny(since, g.dc.DN(g.inner), "uSNChanged") },
			after:  func(g *giving) error { return g.dc.Join(g.inner, g.ids[2]) },
			full:   "a group that gives a role, or one in it, shows no uSNChanged",
		},
		"Map looks at roles": {
			before: func(g *giving) error {
				g.opts.Rules.Roles, g.opts.Rules.Version = []string{}, "1"
				g.opts.Rules.Map = func(e adsync.Entry) (adsync.Profile, error) {
					return e.Profile.With(adsync.FieldPhone, strconv.Itoa(len(e.Extra.Set(adsync.FieldRoles)))), nil
				}
				return nil
			},
			after: func(g *giving) error { return g.dc.Join(g.outer, g.ids[2]) },
			full:  "groups that give roles have changed, and Rules.Map may look at roles",
		},
		"other roles are given": {
			before: func(g *giving) error {
				g.cfg.Roles = append(g.cfg.Roles, Role{Name: "other", Group: g.inner.String()})
				g.opts.Rules.Roles = []string{"other"}
				return nil
			},
			after: func(g *giving) error { g.opts.Rules.Roles = nil; return nil },
			full:  "the rules, the fields of the store or the program are not what they were",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGiving(t)
			if tt.before != nil {
				require.NoError(t, tt.before(g))
			}
			g.sync()
			require.NoError(t, tt.after(g))
			p := g.plan(adsync.Since(g.mark))
			assert.Equal(t, tt.full, p.Reading.Full)
			assert.Equal(t, g.plan().Changes, p.Changes)
			if tt.full != "" {
				return
			}
			assert.Equal(t, tt.looked, p.Reading.Looked)
			g.follows()
			g.follows() // of whom a proof was asked, once more
			assert.Zero(t, g.looked())
		})
	}
}

// Where memberships may end by themselves, no number moves when one does.
func TestSince_SeesMembershipsEnd(t *testing.T) {
	g := newGiving(t)
	g.dc.TimeMembers()
	g.sync()
	assert.Zero(t, g.looked())
	require.NoError(t, g.dc.Expire(g.inner, g.ids[0]))
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 2}, g.follows().Counts())
	require.NoError(t, g.dc.Expire(g.outer, g.ids[1]))
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 2}, g.follows().Counts())
	assert.Equal(t, []string{"", "", ""}, g.roles())
	g.follows() // of whom a proof was asked, once more
	assert.Zero(t, g.looked())
}

// decorated is a directory of a host's own around another, whose readings have no more than
// the interface.
type decorated struct{ *Directory }

func (d decorated) SessionsFrom(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
	return func(yield func(adsync.Directory, error) bool) {
		for session, err := range d.Directory.SessionsFrom(ctx, marks) {
			if !yield(decoratedSession{session}, err) {
				return
			}
		}
	}
}

type decoratedSession struct{ adsync.Directory }

func (s decoratedSession) ProveRoles(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return s.Directory.(adsync.RoleProver).ProveRoles(ctx, ids)
}

func (s decoratedSession) Reading(ctx context.Context) (adsync.Reading, error) {
	r, err := s.Directory.(adsync.Changes).Reading(ctx)
	return struct{ adsync.Reading }{r}, err
}

// Whoever does not hear who is in the groups reads everything.
func TestSince_ReadsEverythingWhereADecoratorHidesTheMembers(t *testing.T) {
	g := newGiving(t)
	g.requireFullWhenGroupsChange(decorated{mustNew(t, g.cfg)})
}

// In a Join, who has a role is for that directory to say which lists the account.
func TestSince_ReadsEverythingWhenGroupsChangeInAJoin(t *testing.T) {
	g := newGiving(t)
	g.requireFullWhenGroupsChange(adsync.Join(mustNew(t, g.cfg)))
}

func (g *giving) requireFullWhenGroupsChange(dir adsync.Directory) {
	t := g.t
	t.Helper()
	s, err := adsync.New(dir, g.store, &adsync.Options{Limits: adsync.Limits{MaxGranted: -1}})
	require.NoError(t, err)
	full := func() string {
		report, err := s.Sync(t.Context(), adsync.Since(g.mark))
		require.NoError(t, err)
		g.mark = report.Mark()
		return report.Plan.Reading.Full
	}
	full()
	assert.Empty(t, full())
	require.NoError(t, g.dc.Join(g.outer, g.ids[2]))
	assert.Equal(t, adsync.GroupsChanged, full())
	assert.Equal(t, []string{"editor", "editor", "editor"}, g.roles())
	assert.Empty(t, full())
}

// A group that changes while a plan by mark is made is seen by the next.
func TestSince_SeesGroupsThatChangeWhileItReads(t *testing.T) {
	g := newGiving(t)
	g.sync()
	require.NoError(t, g.dc.SetAttribute(g.ids[1], "telephoneNumber", "9"))
	n := g.requestsOf()
	for at := 2; at < n; at++ {
		require.NoError(t, g.dc.SetAttribute(g.ids[1], "telephoneNumber", strconv.Itoa(at)))
		change := g.dc.Join
		if at%2 == 1 {
			change = g.dc.Leave
		}
		g.whileItReads(at, func() { require.NoError(t, change(g.inner, g.ids[2])) })
		full, p := g.plan(), g.plan(adsync.Since(g.mark))
		assert.Equal(t, full.Changes, p.Changes, at)
		g.sync()
	}
}

// Roles that cannot be told while somebody is looked up may be told the next time, without
// a trace.
func TestSince_IsBlindWhereRolesBecomeUnknown(t *testing.T) {
	g := newGiving(t)
	g.sync()
	require.NoError(t, g.dc.Hide(since, g.dc.DN(g.ids[0]))) // who may be a group, for all that is seen
	g.edit("u-p2", func(u *adsync.User) { u.Extra = adsync.Extra{} })
	report := g.sync()
	require.Empty(t, report.Plan.Reading.Full)
	assert.Zero(t, report.Counts().Modified, "the role is unknown")
	require.NoError(t, g.dc.Unhide(since))
	p := g.plan(adsync.Since(g.mark))
	assert.Equal(t, "it is not known who has which role, and that may change unseen", p.Reading.Full)
	assert.Equal(t, g.plan().Changes, p.Changes)
}

// Another controller may say that somebody still has a role, and say otherwise the next time:
// nothing on this one tells of that.
func TestSince_LooksUpWhoKeepsARole(t *testing.T) {
	g := newGiving(t)
	second, err := g.dc.AddController()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, second.Close()) })
	g.cfg.URLs = append(g.cfg.URLs, second.URL())
	g.sync()
	require.NoError(t, g.dc.Leave(g.outer, g.ids[1]))
	require.Empty(t, g.sync().Plan.Reading.Full)
	assert.Equal(t, []string{"editor", "editor", ""}, g.roles(), "replication lags")
	g.follows()
	require.NoError(t, second.Pull(g.dc))
	assert.Equal(t, 1, g.follows().Counts().Modified)
	assert.Equal(t, []string{"editor", "", ""}, g.roles())
}
