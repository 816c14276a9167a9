package activedirectory

import (
	"encoding/json"
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
