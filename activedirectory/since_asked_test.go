package activedirectory

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
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
	for _, q := range r.dc.Requests() {
		assert.NotContains(t, strings.ToLower(q.DN), "cn=schema", "that was compared already")
	}
	assert.GreaterOrEqual(t, next.From, data.From)

	require.NoError(t, r.dc.SetAttribute(ids[0], "mail", "new@x.test"))
	r.dc.ForgetRequests()
	_, next = r.marked(c)
	assert.Len(t, r.asked(), 1, "what came later is asked for alone")
	assert.Equal(t, adsync.ObjectID(ids[0]), next.Latest[0].ID)
	assert.LessOrEqual(t, next.From, c.head.USN+1, "as it was not read")
}

// What was changed while a plan is made is asked for from right above what was known when it
// began, though some of it was seen in the meantime.
func TestChanges_AskAgainForWhatChangesWhileTheyRead(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	_, data := r.marked(r.reading())
	require.NotEmpty(t, data.Latest)
	c := r.reading()
	require.NoError(t, r.dc.SetAttribute(ids[0], "mail", "new@x.test"))
	found, full := r.since(c, data)
	require.Empty(t, full)
	require.Contains(t, found, adsync.ObjectID(ids[0]))
	require.NoError(t, r.dc.SetAttribute(ids[1], "mail", "newer@x.test"))
	r.dc.ForgetRequests()
	_, next := r.marked(c)
	assert.Equal(t, []string{"(uSNChanged>=" + strconv.FormatInt(data.Latest[0].USN+1, 10) + ")"}, r.asked())
	require.GreaterOrEqual(t, len(next.Latest), 3)
	assert.Equal(t, adsync.ObjectID(ids[1]), next.Latest[0].ID)
	assert.Equal(t, adsync.ObjectID(ids[0]), next.Latest[1].ID)
	assert.Equal(t, data.Latest[0].USN+1, next.From)
}

// A mark that tells nothing costs nothing.
func TestChanges_AskNothingForABlindMark(t *testing.T) {
	r, _ := newReader(t, "p1")
	c := r.reading()
	c.head.Blind = "blind"
	r.dc.ForgetRequests()
	_, data := r.marked(c)
	assert.Equal(t, "blind", data.Blind)
	assert.Empty(t, r.dc.Requests())
}

// Where somebody joins a group, those who have expired in the meantime are told of as well.
func TestChanges_OfGroupsAndOfThoseWhoExpire(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	group, err := r.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids[:1]})
	require.NoError(t, err)
	r.cfg.Roles, r.cfg.ExpiredIsDisabled = []Role{{Name: "editor", Group: group.String()}}, true
	r.expires(ids[0], 2*time.Hour)
	for range mostLatest { // so that the account is none of the latest
		r.add("p" + strconv.Itoa(int(r.dc.USN())))
	}
	c := r.reading()
	require.NoError(t, c.roles.read(t.Context()))
	_, data := r.marked(c)
	require.Empty(t, data.Blind)
	r.clock.Add(3 * 3600)
	require.NoError(t, r.dc.Join(group, ids[1]))
	c = r.reading()
	found, full, err := c.Since(t.Context(), markOf(t, c, data))
	require.NoError(t, err)
	assert.Equal(t, adsync.GroupsChanged, full)
	assert.Contains(t, found, adsync.ObjectID(ids[0]))
	assert.NotContains(t, found, adsync.ObjectID(ids[1]), "whose account is what it was")
}

// A group that shows its number no more may have changed: who is in it is read again, and
// from then on nothing can be told.
func TestChanges_OfAGroupWhoseNumberIsHidden(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	group, err := r.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids[:1]})
	require.NoError(t, err)
	r.add("p3") // so that there is something else that is as it was
	r.cfg.Roles = []Role{{Name: "editor", Group: group.String()}}
	c := r.reading()
	require.NoError(t, c.roles.read(t.Context()))
	_, data := r.marked(c)
	require.Empty(t, data.Blind)
	data.Latest = slices.DeleteFunc(data.Latest, func(n numbered) bool { return n.ID == adsync.ObjectID(group) })
	require.NoError(t, r.dc.Join(group, ids[1]))
	require.NoError(t, r.dc.Deny(since, r.dc.DN(group), "uSNChanged"))
	c = r.reading()
	_, full, err := c.Since(t.Context(), markOf(t, c, data))
	require.NoError(t, err)
	assert.Equal(t, adsync.GroupsChanged, full)
	assert.Len(t, c.Members()["editor"], 2)
	_, next := r.marked(c)
	assert.Equal(t, "a group that gives a role, or one in it, shows no uSNChanged", next.Blind)
}

// So many groups can be watched, and of each its number has to be seen.
func TestWatchable_AreGroupsWithNumbers(t *testing.T) {
	const unread = "the groups that give roles were not read, or are too many to be watched"
	const hidden = "a group that gives a role, or one in it, shows no uSNChanged"
	many := make([]ldapread.Object, mostGroups+1)
	for i := range many {
		many[i] = ldapread.Object{GUID: adattr.GUID{0: 1, 1: byte(i), 2: byte(i >> 8)}, USN: int64(i + 1), When: "then"}
	}
	for name, tt := range map[string]struct {
		read  []ldapread.Object
		blind string
	}{
		"none":             {nil, unread},
		"one":              {many[:1], ""},
		"the most":         {many[:mostGroups], ""},
		"one more":         {many, unread},
		"without a number": {[]ldapread.Object{many[0], {GUID: adattr.GUID{1}}}, hidden},
		"without a name":   {[]ldapread.Object{many[0], {USN: 1}}, hidden},
	} {
		groups, blind := watchable(tt.read)
		require.Equal(t, tt.blind, blind, name)
		if blind != "" {
			assert.Empty(t, groups, name)
			continue
		}
		assert.Len(t, groups, len(tt.read), name)
		assert.Equal(t, numbered{ID: adsync.ObjectID{0: 1}, USN: 1, When: "then"}, groups[0], name)
	}
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

// What was heard of other controllers and of groups is told without asking, as Inspect tells
// it.
func TestChanges_TellWhatWasHeard(t *testing.T) {
	r, ids := newReader(t, "p1", "p2")
	_, err := r.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids})
	require.NoError(t, err)
	r.cfg.Roles = []Role{{Name: "editor", Group: "Editors"}} // by its name, of which there is a warning
	silent := r.second()
	r.second()
	r.cfg.Witnesses = 2
	require.NoError(t, r.dc.Delete(ids[0]))
	silent.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	c := r.reading()
	r.dir.health.now = func() time.Time { return r.now().Add(48 * time.Hour) }
	access := c.Access()
	assert.Empty(t, access.Witnesses)
	assert.Empty(t, access.Missing)
	found, err := collect(c.Find(t.Context(), []adsync.ObjectID{adsync.ObjectID(ids[0])}))
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, adsync.StateDisputed, found[0].State)
	r.dc.ForgetRequests()
	access = c.Access()
	assert.Empty(t, r.dc.Requests())
	inspected, err := c.Inspect(t.Context())
	require.NoError(t, err)
	assert.Len(t, access.Witnesses, 2)
	assert.Equal(t, []string{strings.TrimPrefix(silent.URL(), "ldaps://")}, access.Silent)
	assert.Equal(t, inspected.Witnesses, access.Witnesses)
	assert.Equal(t, inspected.Silent, access.Silent)
	assert.Equal(t, inspected.Missing, access.Missing)
	text := strings.Join(access.Missing, "\n")
	assert.Contains(t, text, "more than a day ago")
	assert.Contains(t, text, `role "editor": its group is configured by name`)
}

// A plan by mark warns of what a full one warns of, and names whom it has asked.
func TestSince_TellsWhomItAsked(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2")
	_, err := b.dc.CreateGroup(fakead.Group{Name: "Editors", Members: ids})
	require.NoError(t, err)
	b.cfg.Roles = []Role{{Name: "editor", Group: "Editors"}}
	b.second()
	b.cfg.Witnesses = 1
	b.sync()
	require.NoError(t, b.dc.Delete(ids[0]))
	full, p := b.plan(), b.plan(adsync.Since(b.mark))
	require.Empty(t, p.Reading.Full)
	assert.Equal(t, full.Changes, p.Changes)
	assert.Len(t, p.Reading.Witnesses, 1)
	assert.Equal(t, full.Reading.Witnesses, p.Reading.Witnesses)
	assert.Equal(t, full.Reading.Silent, p.Reading.Silent)
	assert.Equal(t, full.Warnings, p.Warnings)
	assert.Contains(t, strings.Join(p.Warnings, "\n"), `role "editor": its group is configured by name`)
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
