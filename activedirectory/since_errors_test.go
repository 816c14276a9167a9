package activedirectory

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// strikeEach makes the call anew on a fresh reading for each search that it takes, and lets
// that search fail: the call must fail, too.
func (r *reader) strikeEach(reading func() *changes, call func(*changes) error) (searches int) {
	r.t.Helper()
	for strike := 1; ; strike++ {
		c, seen := reading(), 0
		r.dc.Before(func(q fakead.Request) {
			if q.Op == fakead.OpSearch {
				if seen++; seen == strike {
					r.dc.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 80, Op: fakead.OpSearch, Times: 1})
				}
			}
		})
		err := call(c)
		r.dc.Before(nil)
		r.dc.ClearFaults()
		if seen < strike {
			require.NoError(r.t, err)
			return strike - 1
		}
		require.Error(r.t, err, "at search %d", strike)
	}
}

// Whatever could not be read is an error, rather than a reason to read everything or a mark
// that knows less.
func TestChanges_EndWhereASearchFails(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	group, err := r.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids})
	require.NoError(t, err)
	r.cfg.Roles = []Role{{Name: "editor", Group: group.String()}}
	began := func() *changes { // with a container of an unusual class, and roles
		c := r.reading()
		c.unusual = []adattr.GUID{adattr.GUID(ids[1])}
		var err error
		c.head, err = c.controller.Head(t.Context(), c.unusual)
		require.NoError(t, err)
		require.NoError(t, c.roles.read(t.Context()))
		return c
	}
	searches := r.strikeEach(began, func(c *changes) error {
		m, err := c.Mark(t.Context())
		if err != nil {
			assert.Equal(t, adsync.DirectoryMark{}, m)
		}
		return err
	})
	assert.GreaterOrEqual(t, searches, 3, "the clock, the latest and the schema")

	m, data := r.marked(began())
	require.Empty(t, data.Blind)
	data.Time = data.Time.Add(-settled - time.Second)
	m.Data, err = json.Marshal(data)
	require.NoError(t, err)
	searches = r.strikeEach(r.reading, func(c *changes) error {
		found, full, err := c.Since(t.Context(), m)
		assert.Empty(t, full)
		if err != nil {
			assert.Empty(t, found)
		}
		return err
	})
	assert.GreaterOrEqual(t, searches, 7, "the head anew, the lifetime, the schema, what has changed, the groups")
}

// Nor does a reading go on where only a part of what came later could be read.
func TestChanges_EndWhereALaterSearchFails(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	box, err := r.dc.AddUser(fakead.User{Parent: r.people, Name: "box", Username: "box$", Class: "computer"})
	require.NoError(t, err)
	m, data := r.marked(r.reading())

	// From below where the mark ended.
	data.From += 1000
	early := m
	early.Data, err = json.Marshal(data)
	require.NoError(t, err)
	r.strikeEach(r.reading, func(c *changes) error {
		found, full, err := c.Since(t.Context(), early)
		assert.Empty(t, full)
		if err != nil {
			assert.Empty(t, found)
		}
		return err
	})

	// What has changed since the mark was read, and containers of unusual classes.
	require.NoError(t, r.dc.Move(ids[0], r.dc.DN(box)))
	change := 0
	read := func() *changes {
		c := r.reading()
		_, full, err := c.Since(t.Context(), m)
		require.NoError(t, err)
		require.Empty(t, full)
		_, err = collect(c.Entries(t.Context()))
		require.NoError(t, err)
		change++
		require.NoError(t, r.dc.SetAttribute(ids[1], "telephoneNumber", strconv.Itoa(change)))
		return c
	}
	searches := r.strikeEach(read, func(c *changes) error {
		found, err := c.Mark(t.Context())
		if err != nil {
			assert.Equal(t, adsync.DirectoryMark{}, found)
		}
		return err
	})
	assert.GreaterOrEqual(t, searches, 3, "the clock, what has changed, and the container")
}

// A reading that finds more than can be told apart leaves no mark, and goes on from none.
func TestChanges_AreFewAllTheWay(t *testing.T) {
	r, _ := newReader(t, "p1", "p2", "p3", "p4", "p5", "p6")
	few := func() { r.dir.reader.PageSize, r.dir.reader.MaxChanges = 2, 3 }
	c := r.reading()
	few()
	m, err := c.Mark(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.DirectoryMark{}, m)

	_, data := r.marked(r.reading())
	data.From, data.Latest = data.From+1000, data.Latest[len(data.Latest)-1:]
	c = r.reading()
	few()
	_, full := r.since(c, data)
	assert.Equal(t, "more than 200000 objects have changed", full)
}

// That somebody has lost a role is proven by all that it takes, or there is an error.
func TestProveRoles_EndsWhereASearchFails(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	group, err := r.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids[:1]})
	require.NoError(t, err)
	r.cfg.Roles = []Role{{Name: "editor", Group: group.String()}}
	searches := r.strikeEach(r.reading, func(c *changes) error {
		found, err := gather(t, c.ProveRoles(t.Context(), []adsync.ObjectID{adsync.ObjectID(ids[0]), adsync.ObjectID(ids[1])}))
		if err != nil {
			assert.Empty(t, found)
			return err
		}
		require.Len(t, found, 2)
		for _, e := range found {
			assert.Empty(t, e.Unknown)
			assert.Equal(t, e.ObjectID == adsync.ObjectID(ids[0]), e.Extra != adsync.Extra{})
		}
		return nil
	})
	assert.GreaterOrEqual(t, searches, 4, "the groups, the accounts, and the tokenGroups of one")
}

// A mark of which the clock is not known says nothing of who has expired.
func TestChanges_OfThoseWhoExpireNeedAClock(t *testing.T) {
	r, _ := newReader(t, "p1")
	r.cfg.ExpiredIsDisabled = true
	_, data := r.marked(r.reading())
	c := r.reading()
	at := c.controller.AsOf()
	for asOf, want := range map[time.Time]bool{{}: false, at: true, at.Add(1): false} {
		data.AsOf = asOf
		_, full := r.since(c, data)
		if want {
			assert.Empty(t, full)
		} else {
			assert.Equal(t, "the controller's clock cannot be read, or was put back, so who has expired is not known", full, asOf)
		}
	}
}

// A head that is read again may have gone blind by then.
func TestChanges_GoBlindOnTheWay(t *testing.T) {
	r, ids := newReader(t, "p1")
	_, data := r.marked(r.reading())
	data.Unusual = []adsync.ObjectID{adsync.ObjectID(ids[0])}
	c := r.reading()
	r.dc.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"invocationId"}})
	text, err := json.Marshal(data)
	require.NoError(t, err)
	_, full, err := c.Since(t.Context(), adsync.DirectoryMark{Controller: c.name(), Data: text})
	require.NoError(t, err)
	assert.Equal(t, "the service account cannot read the controller's invocationId or numbers", full)
}

// Roles that have to be read again are, or there is an error; and a mark wants them read.
func TestChanges_OfRolesWantThemRead(t *testing.T) {
	r, ids := newReader(t, "p1")
	group, err := r.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids})
	require.NoError(t, err)
	r.cfg.Roles = []Role{{Name: "editor", Group: group.String()}}
	_, data := r.marked(r.reading())
	assert.Equal(t, "the groups that give roles were not read, or are too many to be watched", data.Blind)

	c := r.reading()
	require.NoError(t, c.roles.read(t.Context()))
	m, _ := r.marked(c)
	r.dc.TimeMembers()
	r.strikeEach(r.reading, func(c *changes) error {
		_, full, err := c.Since(t.Context(), m)
		if err == nil {
			assert.Equal(t, adsync.GroupsChanged, full)
			assert.Equal(t, map[string][]adsync.ObjectID{"editor": {adsync.ObjectID(ids[0])}}, c.Members())
		} else {
			assert.Empty(t, full)
			assert.Nil(t, c.Members())
		}
		return err
	})
}
