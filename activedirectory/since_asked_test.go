package activedirectory

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// asked are the questions about what has changed since the log was emptied, without the one
// about the schema.
func (r *reader) asked() (filters []string) {
	for _, q := range r.dc.Requests() {
		if strings.Contains(q.Filter, "uSNChanged>=") && !strings.HasPrefix(strings.ToLower(q.DN), "cn=schema") {
			filters = append(filters, q.Filter)
		}
	}
	return filters
}

// Where nothing has changed, one question tells so, and the mark takes no other.
func TestChanges_AskOnceWhereNothingHasChanged(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	_, data := r.marked(r.reading())
	c := r.reading()
	r.dc.ForgetRequests()
	found, full := r.since(c, data)
	require.Empty(t, full)
	assert.NotContains(t, found, adsync.ObjectID(ids[0]))
	assert.Len(t, r.asked(), 1)
	r.dc.ForgetRequests()
	_, next := r.marked(c)
	assert.Empty(t, r.asked())
	assert.GreaterOrEqual(t, next.From, data.From)

	require.NoError(t, r.dc.SetAttribute(ids[0], "mail", "new@x.test"))
	r.dc.ForgetRequests()
	_, next = r.marked(c)
	assert.Len(t, r.asked(), 1, "what came later is asked for alone")
	assert.Equal(t, adsync.ObjectID(ids[0]), next.Latest[0].ID)
	assert.LessOrEqual(t, next.From, c.head.USN+1, "as it was not read")
}

// A group that is gone gives nobody a role: that those that do are what they were is enough.
func TestChanges_OfAGroupThatIsGone(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	group, err := r.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids[:1]})
	require.NoError(t, err)
	other, err := r.dc.CreateGroup(fakead.Group{Name: "Other", Members: ids})
	require.NoError(t, err)
	r.cfg.Roles = []Role{{Name: "editor", Group: group.String()}}
	c := r.reading()
	require.NoError(t, c.roles.read(t.Context()))
	_, data := r.marked(c)
	require.Empty(t, data.Blind)

	require.NoError(t, r.dc.Delete(other))
	c = r.reading()
	_, full := r.since(c, data)
	require.Empty(t, full)
	assert.Nil(t, c.Members(), "nobody had to be read")
	require.NoError(t, r.dc.SetAttribute(group, "description", "new"))
	c = r.reading()
	_, full, err = c.Since(t.Context(), markOf(t, c, data))
	require.NoError(t, err)
	assert.Equal(t, adsync.GroupsChanged, full)
	assert.Equal(t, map[string][]adsync.ObjectID{"editor": {adsync.ObjectID(ids[0])}}, c.Members())
}

// What is known of a controller without asking it.
func TestChanges_TellWhetherDeletionsAreSeen(t *testing.T) {
	r, _ := newReader(t, "p1")
	c := r.reading()
	access := c.Access()
	assert.True(t, access.Tombstones)
	assert.Equal(t, "dc1.ad.example.test", access.Controller)
	c.head.Blind = "blind"
	assert.False(t, c.Access().Tombstones)
}

// With accounts that expire, too, a search that fails is an error.
func TestChanges_OfThoseWhoExpireEndWhereASearchFails(t *testing.T) {
	r, ids := newReader(t, "p1")
	r.cfg.ExpiredIsDisabled = true
	r.expires(ids[0], 2*time.Hour)
	_, data := r.marked(r.reading())
	r.clock.Add(3 * 3600)
	searches := r.strikeEach(r.reading, func(c *changes) error {
		found, full, err := c.Since(t.Context(), markOf(t, c, data))
		assert.Empty(t, full)
		if err == nil {
			assert.Contains(t, found, adsync.ObjectID(ids[0]))
		}
		return err
	})
	assert.GreaterOrEqual(t, searches, 3, "the schema, what has changed, and who has expired")
}
