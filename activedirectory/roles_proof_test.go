package activedirectory

import (
	"context"
	"errors"
	"iter"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// roleDomain has three groups, editors and writers that all people are in and a mailing list
// of nobody, and controllers that do not replicate by themselves.
type roleDomain struct {
	*corp
	t                         *testing.T
	people                    []fakead.GUID
	editors, writers, mailing fakead.GUID
}

func newRoleDomain(t *testing.T, controllers, people int) *roleDomain {
	t.Helper()
	c := oneDomain(t, 1, people)
	d := &roleDomain{corp: c, t: t, people: c.ids[0]}
	first := c.controllers[0]
	group := func(g fakead.Group) fakead.GUID {
		id, err := first.CreateGroup(g)
		require.NoError(t, err)
		return id
	}
	d.editors, d.writers = group(fakead.Group{Name: "editors", Members: d.people}), group(fakead.Group{Name: "writers", Members: d.people})
	d.mailing = group(fakead.Group{Name: "mailing", Distribution: true})
	for len(c.controllers) < controllers {
		another, err := first.AddController()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, another.Close()) })
		c.controllers = append(c.controllers, another)
	}
	return d
}

func (d *roleDomain) directory(change func(*Config)) *Directory {
	d.t.Helper()
	return d.corp.directory(d.t, func(cfg *Config) {
		cfg.Roles = []Role{{Name: "editor", Group: d.editors.String()}, {Name: "writer", Group: d.writers.String()}}
		if change != nil {
			change(cfg)
		}
	})
}

// leave takes somebody out of a group on these controllers.
func (d *roleDomain) leave(group, member fakead.GUID, controllers ...int) {
	d.t.Helper()
	for _, n := range controllers {
		require.NoError(d.t, d.controllers[n].Leave(group, member))
	}
}

// proven are the roles that are proven of each, and after a question mark those that are
// unknown.
func (d *roleDomain) proven(dir adsync.RoleProver, people ...fakead.GUID) []string {
	d.t.Helper()
	var ids []adsync.ObjectID
	for _, id := range people {
		ids = append(ids, adsync.ObjectID(id))
	}
	found, err := collect(dir.ProveRoles(d.t.Context(), ids))
	require.NoError(d.t, err)
	said := map[adsync.ObjectID]string{}
	for _, e := range found {
		require.NotContains(d.t, said, e.ObjectID)
		text := strings.Join(e.Extra.Set(adsync.FieldRoles), " ")
		if unknown := e.Unknown.Set(adsync.FieldRoles); len(unknown) > 0 {
			text += "?" + strings.Join(unknown, " ")
		}
		said[e.ObjectID] = text
	}
	list := make([]string, len(people))
	for i, id := range people {
		list[i] = said[adsync.ObjectID(id)]
	}
	return list
}

// Nobody loses a role before the other controllers that answer bear it out: replication lags.
func TestProveRoles_AsksOthers(t *testing.T) {
	down := fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind}
	for name, tt := range map[string]struct {
		controllers int
		left        []int // the controllers on which she has left the editors
		change      func(d *roleDomain)
		config      func(*Config)
		want        string
	}{
		"there is no other":           {controllers: 1, left: []int{0}, want: "writer"},
		"another agrees":              {controllers: 2, left: []int{0, 1}, want: "writer"},
		"another has not heard of it": {controllers: 2, left: []int{0}, want: "editor writer"},
		"one of two has not":          {controllers: 3, left: []int{0, 2}, want: "editor writer"},
		"another does not answer": {controllers: 2, left: []int{0, 1}, want: "writer?editor",
			change: func(d *roleDomain) { d.controllers[1].Order(down) }},
		"one of two does not answer": {controllers: 3, left: []int{0, 1, 2}, want: "writer",
			change: func(d *roleDomain) { d.controllers[1].Order(down) }},
		"another cannot tell": {controllers: 2, left: []int{0, 1}, want: "writer?editor",
			change: func(d *roleDomain) { require.NoError(d.t, d.controllers[1].Withhold(corpUser, "tokenGroups")) }},
		"one of two cannot tell": {controllers: 3, left: []int{0, 1, 2}, want: "writer",
			change: func(d *roleDomain) { require.NoError(d.t, d.controllers[1].Withhold(corpUser, "tokenGroups")) }},
		"no other is to be asked": {controllers: 2, left: []int{0}, want: "writer",
			config: func(cfg *Config) { cfg.Witnesses = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			d := newRoleDomain(t, tt.controllers, 2)
			d.leave(d.editors, d.people[0], tt.left...)
			if tt.change != nil {
				tt.change(d)
			}
			dir := d.directory(tt.config)
			assert.Equal(t, []string{tt.want, "editor writer"}, d.proven(dir, d.people...))
			for session, err := range dir.Sessions(t.Context()) {
				require.NoError(t, err)
				assert.Equal(t, []string{tt.want, tt.want}, d.proven(session.(adsync.RoleProver), d.people[0], d.people[0]), "asked for twice")
				access, err := session.(adsync.Inspector).Inspect(t.Context())
				require.NoError(t, err)
				assert.NotContains(t, strings.Join(access.Missing, "\n"), "tokenGroups of", "they can be read here")
				break
			}
		})
	}
}

// The others are asked only about those who lack a role here.
func TestProveRoles_AsksOthersAboutFew(t *testing.T) {
	d := newRoleDomain(t, 2, 3)
	dir := d.directory(nil)
	assert.Equal(t, []string{"editor writer", ""}, d.proven(dir, d.people[0], fakead.GUID{1}))
	assert.Zero(t, d.controllers[1].Opened())
	d.leave(d.editors, d.people[1], 0, 1)
	d.leave(d.writers, d.people[2], 0, 1)
	assert.Equal(t, []string{"editor writer", "writer", "editor"}, d.proven(dir, d.people...))
	tokens := 0
	for _, r := range d.controllers[1].Requests() {
		if strings.HasPrefix(r.DN, "<GUID=") && r.Attributes[len(r.Attributes)-1] == "tokenGroups" {
			tokens++
			assert.NotContains(t, r.DN, d.people[0].String())
		}
	}
	assert.Equal(t, 2, tokens)
}

// One controller under two names bears nothing out, and is no other; where DNS may have kept
// one back, nothing is proven.
func TestProveRoles_WhereOthersAreNotKnown(t *testing.T) {
	d := newRoleDomain(t, 1, 2)
	d.leave(d.editors, d.people[0], 0)
	twice := func(cfg *Config) {
		cfg.URLs = append(cfg.URLs, strings.Replace(cfg.URLs[0], "127.0.0.1", "localhost", 1))
	}
	assert.Equal(t, []string{"writer"}, d.proven(d.directory(twice), d.people[0]))

	dir := d.directory(nil)
	p := dir.pin(dir.controllerOf(t), new(hearing))
	dir.servers = nil
	dir.srv = srvRecords{domain: "corp.example", site: "Berlin", lookup: func(_ context.Context, name string) ([]*net.SRV, error) {
		if strings.Contains(name, "Berlin") {
			return []*net.SRV{{Target: "dc1.corp.example."}}, nil
		}
		return nil, errors.New("no answer")
	}}
	dir.witnesses = 0 // not even that one
	assert.Equal(t, []string{"writer?editor"}, d.proven(p, d.people[0]))
	dir.srv.lookup = func(context.Context, string) ([]*net.SRV, error) { return nil, errors.New("no answer") }
	_, err := collect(p.ProveRoles(t.Context(), []adsync.ObjectID{adsync.ObjectID(d.people[0])}))
	assert.ErrorContains(t, err, "DNS names no controller")
	assert.Equal(t, []string{"editor writer"}, d.proven(p, d.people[1]), "nobody else has to be asked")
}

// What nothing proves is kept, and said: tokenGroups that cannot be read, a mailing list, a
// group that is not there.
func TestProveRoles_OfWhatCannotBeProven(t *testing.T) {
	d := newRoleDomain(t, 1, 3)
	first := d.controllers[0]
	d.leave(d.editors, d.people[0], 0)
	d.leave(d.editors, d.people[1], 0)
	require.NoError(t, first.Deny(corpUser, first.DN(d.people[1]), "tokenGroups"))
	require.NoError(t, first.Delete(d.people[2]))
	dir := d.directory(func(cfg *Config) {
		cfg.Roles = append(cfg.Roles, Role{Name: "mailed", Group: d.mailing.String()}, Role{Name: "missing", Group: fakead.GUID{1}.String()})
	})
	session := dir.pin(dir.controllerOf(t), new(hearing))
	access, err := session.Inspect(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, strings.Join(access.Missing, "\n"), "tokenGroups of")
	assert.Equal(t, []string{"writer?mailed missing", "writer?editor mailed missing", ""}, d.proven(session, d.people...))
	access, err = session.Inspect(t.Context())
	require.NoError(t, err)
	text := strings.Join(access.Missing, "\n")
	assert.Contains(t, text, "tokenGroups of 1 account(s) cannot be read")
	assert.Contains(t, text, `role "missing": its group was not found`)
	assert.Contains(t, text, `role "mailed": one of its groups is a distribution group`)
	for _, r := range first.Requests() {
		assert.NotContains(t, r.DN, d.people[2].String(), "a tombstone has no tokenGroups")
	}
	entries, err := collect(session.Entries(t.Context()))
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		assert.Equal(t, []string{"missing"}, e.Unknown.Set(adsync.FieldRoles))
	}
	entries, err = collect(session.Find(t.Context(), []adsync.ObjectID{adsync.ObjectID(d.people[2])}))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, adsync.StateDeleted, entries[0].State)
	assert.Empty(t, entries[0].Unknown, "nobody asks a tombstone for roles")
}

// Roles and other details go together, and groups are read once for a session.
func TestRoles_GoWithOtherDetails(t *testing.T) {
	d := newRoleDomain(t, 1, 2)
	first := d.controllers[0]
	require.NoError(t, first.SetAttribute(d.people[0], "department", "Sales"))
	dir := d.directory(func(cfg *Config) { cfg.Attributes = map[adsync.Field]string{department: "department"} })
	session := dir.pin(dir.controllerOf(t), new(hearing))
	for range 2 {
		entries, err := collect(session.Entries(t.Context()))
		require.NoError(t, err)
		require.Len(t, entries, 2)
		for _, e := range entries {
			want := adsync.Extra{}.With(adsync.FieldRoles, "editor", "writer")
			if e.ObjectID == adsync.ObjectID(d.people[0]) {
				want = want.With(department, "Sales")
			}
			assert.Equal(t, want, e.Extra)
			assert.Empty(t, e.Unknown)
		}
	}
	members := 0
	for _, r := range first.Requests() {
		if len(r.Attributes) > 0 && r.Attributes[0] == "member" {
			members++
		}
	}
	assert.Equal(t, 2, members)
	first.ForgetRequests()
	found, err := collect(dir.Find(t.Context(), nil))
	require.NoError(t, err)
	assert.Empty(t, found)
	assert.Empty(t, first.Requests(), "no group is read for nobody")
}

// Whoever stops early is left alone.
func TestProveRoles_Stops(t *testing.T) {
	d := newRoleDomain(t, 1, 3)
	var ids []adsync.ObjectID
	for _, id := range d.people {
		ids = append(ids, adsync.ObjectID(id))
	}
	seen := 0
	for range d.directory(nil).ProveRoles(t.Context(), ids) {
		seen++
		break
	}
	assert.Equal(t, 1, seen)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := collect(d.directory(nil).ProveRoles(ctx, ids))
	assert.ErrorIs(t, err, context.Canceled)

	// Also while the others are asked.
	another, err := d.controllers[0].AddController()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, another.Close()) })
	d.controllers = append(d.controllers, another)
	d.leave(d.editors, d.people[0], 0)
	ctx, cancel = context.WithCancel(t.Context())
	another.Before(func(fakead.Request) { cancel() })
	_, err = collect(d.directory(nil).ProveRoles(ctx, ids[:1]))
	assert.ErrorIs(t, err, context.Canceled)
}

// Who has which role is read before anybody is listed, and no list goes without.
func TestRoles_ThatCannotBeReadEndAListing(t *testing.T) {
	d := newRoleDomain(t, 1, 2)
	d.controllers[0].Order(fakead.Fault{Kind: fakead.FaultResult, Code: 51, Op: fakead.OpSearch, Match: "member"})
	d.controllers[0].Order(fakead.Fault{Kind: fakead.FaultResult, Code: 51, Op: fakead.OpSearch, Match: d.editors.String()})
	dir := d.directory(nil)
	for name, sequence := range map[string]iter.Seq2[adsync.Entry, error]{
		"Entries": dir.Entries(t.Context()), "Find": dir.Find(t.Context(), []adsync.ObjectID{adsync.ObjectID(d.people[0])}),
	} {
		entries, err := gather(t, sequence)
		assert.ErrorContains(t, err, "busy", name)
		assert.Empty(t, entries, name)
	}
	_, err := dir.Inspect(t.Context())
	assert.ErrorContains(t, err, "busy", "nor does Inspect tell of it without them")
}

// Without roles there is nothing to prove.
func TestProveRoles_WithoutRolesIsFind(t *testing.T) {
	c := oneDomain(t, 2, 2)
	require.NoError(t, c.controllers[0].Delete(c.ids[0][0]))
	d := c.directory(t, nil)
	ids := []adsync.ObjectID{adsync.ObjectID(c.ids[0][0]), adsync.ObjectID(c.ids[0][1]), adsync.ObjectID(c.ids[0][1]), dirID(9)}
	found, err := collect(d.Find(t.Context(), ids))
	require.NoError(t, err)
	assert.Len(t, found, 3, "each once")
	proven, err := collect(d.ProveRoles(t.Context(), ids))
	require.NoError(t, err)
	assert.Equal(t, found, proven)
}
