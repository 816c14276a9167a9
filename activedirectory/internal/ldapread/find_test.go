package ldapread

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestFind_TellsWhatBecameOfEach(t *testing.T) {
	for _, recycleBin := range []bool{false, true} {
		t.Run(fmt.Sprintf("recycle bin %t", recycleBin), func(t *testing.T) {
			first := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
			second := first.Add(24 * time.Hour)
			now := first
			d := newDomain(t, fakead.Config{RecycleBin: recycleBin, Now: func() time.Time { return now }})
			require.NoError(t, d.GrantTombstones("svc@ad.example.test"))
			ids := d.add(8)
			elsewhere, err := d.AddOU("Elsewhere", "")
			require.NoError(t, err)
			require.NoError(t, d.Move(ids[1], elsewhere))
			require.NoError(t, d.Disable(ids[1]))
			require.NoError(t, d.Delete(ids[2]))
			require.NoError(t, d.Disable(ids[3]))
			now = second
			require.NoError(t, d.Delete(ids[4]))
			if recycleBin {
				require.NoError(t, d.Recycle(ids[4]))
			}
			require.NoError(t, d.Delete(ids[5]))
			require.NoError(t, d.Purge(ids[5]))
			require.NoError(t, d.Rename(ids[6], "Renamed"))
			require.NoError(t, d.SetAttribute(ids[7], "department", "Mail"))
			cfg := d.config()
			cfg.Filter = "(&(sAMAccountType=805306368)(!(department=Mail)))"
			asked := append(slices.Clone(ids), fakead.GUID{1})
			found, err := look(t.Context(), d.open(cfg), asked...)
			require.NoError(t, err)
			got := map[adattr.GUID]State{}
			disabled := map[adattr.GUID]bool{}
			deletedAt := map[adattr.GUID]time.Time{}
			for _, a := range found {
				require.NotContains(t, got, a.GUID, "once each")
				got[a.GUID], disabled[a.GUID] = a.State, a.Disabled
				if !a.DeletedAt.IsZero() {
					deletedAt[a.GUID] = a.DeletedAt
				}
			}
			assert.Equal(t, map[adattr.GUID]time.Time{adattr.GUID(ids[2]): first, adattr.GUID(ids[4]): second}, deletedAt, "of tombstones alone")
			want := map[adattr.GUID]State{
				adattr.GUID(ids[0]): Present, adattr.GUID(ids[1]): OutOfScope, adattr.GUID(ids[2]): Deleted,
				adattr.GUID(ids[3]): Present, adattr.GUID(ids[4]): Deleted, adattr.GUID(ids[5]): Unproven,
				adattr.GUID(ids[6]): Present, adattr.GUID(ids[7]): OutOfScope, {1}: Unproven,
			}
			assert.Empty(t, cmp.Diff(want, got))
			cfg.Plain = true // read by go-ldap
			plain, err := look(t.Context(), d.open(cfg), asked...)
			require.NoError(t, err)
			assert.ElementsMatch(t, found, plain)
			assert.True(t, disabled[adattr.GUID(ids[1])])
			assert.True(t, disabled[adattr.GUID(ids[3])])
		})
	}
}

func TestFind_ProvesNothingWithoutTheRight(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(2)
	require.NoError(t, d.Delete(ids[0]))
	require.NoError(t, d.Hide("svc@ad.example.test", d.DN(ids[1])))
	found, err := look(t.Context(), d.open(d.config()), ids...)
	require.NoError(t, err)
	require.Len(t, found, 2)
	assert.Equal(t, Unproven, found[0].State)
	assert.Equal(t, Unproven, found[1].State)
}

// Only a server that says it shows tombstones is asked for them, and only one like Active
// Directory.
func TestFind_AsksForTombstonesWhereThereAreSome(t *testing.T) {
	d := newDomain(t, fakead.Config{RecycleBin: true})
	must(t, d.GrantTombstones(service))
	id := d.add(1)[0]
	must(t, d.SetAttribute(id, "displayName", guid(1).String()))
	must(t, d.Delete(id))
	state := func(cfg *Config, id fakead.GUID) State {
		found, err := look(t.Context(), d.open(cfg), id)
		require.NoError(t, err)
		require.Len(t, found, 1)
		return found[0].State
	}
	assert.Equal(t, Deleted, state(d.config(), id))
	another := d.config()
	another.Identity = adattr.IdentityOf("displayName")
	d.ForgetRequests()
	assert.Equal(t, Unproven, state(another, fakead.GUID(guid(1))))
	d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: controlShowDeleted})
	assert.Equal(t, Unproven, state(d.config(), id))
	assert.Empty(t, d.searched("isDeleted=TRUE"))
}

func TestFind_LooksUpInBatchesOfItsOwn(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	require.NoError(t, d.GrantTombstones("svc@ad.example.test"))
	ids := d.add(3*findBatch + 5)
	for _, id := range ids[:findBatch+1] {
		require.NoError(t, d.Delete(id))
	}
	cfg := d.config()
	cfg.PageSize = 50 // smaller than a batch: a look-up has pages too
	found, err := look(t.Context(), d.open(cfg), ids...)
	require.NoError(t, err)
	states := map[State]int{}
	for _, a := range found {
		states[a.State]++
	}
	assert.Equal(t, map[State]int{Present: 2*findBatch + 4, Deleted: findBatch + 1}, states)
	assert.Equal(t, 1, d.Count(fakead.OpBind))
}

// The tombstones tell when they were made, here and in whatever batch.
func TestDeletedAt(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	d := newDomain(t, fakead.Config{Now: func() time.Time { return now }})
	must(t, d.GrantTombstones(service))
	ids := d.add(findBatch + 3)
	asked := []adattr.GUID{{1}}
	want := map[adattr.GUID]time.Time{}
	for i, id := range ids {
		asked = append(asked, adattr.GUID(id))
		if i != 1 {
			now = now.Add(time.Minute)
			must(t, d.Delete(id))
			want[adattr.GUID(id)] = now
		}
	}
	d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"whenChanged"}, Objects: ids[:1]})
	d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"objectGUID"}, Objects: ids[2:3]})
	delete(want, adattr.GUID(ids[0]))
	delete(want, adattr.GUID(ids[2]))
	got, err := d.open(d.config()).DeletedAt(t.Context(), asked)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(want, got))
}

// pageSizes are those of the look-ups that the server was asked for.
func pageSizes(d *domain) (sizes []int) {
	for _, r := range d.Requests() {
		if r.Op == fakead.OpSearch && strings.Contains(r.Filter, "(objectGUID=") {
			sizes = append(sizes, r.PageSize)
		}
	}
	return sizes
}

// A look-up is short enough for one answer. A server that says it is not is asked for
// pages, and not tried again.
func TestFind_AsksForPagesWhereItMust(t *testing.T) {
	for name, tt := range map[string]struct {
		server, page int
		want         []int
	}{
		"at once":               {server: findBatch, page: 1000, want: []int{0, 0, 0}},
		"just at once":          {server: 1000, page: findBatch, want: []int{0, 0, 0}},
		"the server sends less": {server: findBatch - 1, page: 1000, want: []int{0, 1000, 1000, 1000, 1000, 1000}},
		"the host wants less":   {server: 1000, page: findBatch - 1, want: []int{findBatch - 1, findBatch - 1, findBatch - 1, findBatch - 1, findBatch - 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, fakead.Config{MaxPageSize: tt.server})
			ids := d.add(2*findBatch + 1)
			cfg := d.config()
			cfg.PageSize = uint32(tt.page)
			found, err := look(t.Context(), d.open(cfg), ids...)
			require.NoError(t, err)
			require.Len(t, found, len(ids), "each once")
			for _, a := range found {
				assert.Equal(t, Present, a.State)
			}
			assert.Equal(t, tt.want, pageSizes(d))
			assert.Equal(t, 1, d.Count(fakead.OpBind), "the connection is as good as it was")
		})
	}
}

// Where to look is not guessed.
func TestFind_NeedsABase(t *testing.T) {
	c := newLiarWith(t, testConfig(), map[string][]string{"namingContexts": {"DC=corp"}}, func(question) []*ldap.Entry {
		return []*ldap.Entry{account(guid(1), "")}
	})
	_, err := look(t.Context(), c, fakead.GUID(guid(1)))
	assert.ErrorContains(t, err, "set BaseDN")
	_, err = list(t.Context(), c)
	assert.ErrorContains(t, err, "set BaseDN")
}

func TestFind_StopsWhereItIsToldTo(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	seen := 0
	err := d.open(d.config()).Find(t.Context(), []adattr.GUID{{1}, {2}, {3}}, func(*Account) bool {
		seen++
		return seen < 2
	})
	require.NoError(t, err)
	assert.Equal(t, 2, seen)
}

func TestFind_IsWholeOrAnError(t *testing.T) {
	for step, match := range map[string]string{"in scope": "OU=People", "alive": "(&(|(objectGUID", "tombstones": "isDeleted"} {
		t.Run(step, func(t *testing.T) {
			d := newDomain(t, fakead.Config{})
			require.NoError(t, d.GrantTombstones("svc@ad.example.test"))
			ids := d.add(2)
			require.NoError(t, d.Delete(ids[0]))
			cancel := d.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Code: 51, Match: match})
			c := d.open(d.config())
			found, err := look(t.Context(), c, ids...)
			require.ErrorContains(t, err, "busy")
			assert.Less(t, len(found), 2)
			cancel()
			found, err = look(t.Context(), c, ids...)
			require.NoError(t, err)
			assert.Len(t, found, 2)
		})
	}
}

func TestSearch(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(25)
	_, err := d.AddUser(fakead.User{Parent: d.people, Username: "star*", FirstName: "Ada", LastName: "Lovelace", Email: "countess@ad.example.test"})
	require.NoError(t, err)
	_, err = d.AddUser(fakead.User{Username: "u2-elsewhere"})
	require.NoError(t, err)
	tests := []struct {
		text  string
		limit uint32
		want  []string
	}{
		{"U2", 100, []string{"u2", "u20", "u21", "u22", "u23", "u24", "u25"}},
		{"first25", 100, []string{"u25"}},
		{"Last24", 100, []string{"u24"}},
		{"countess@", 100, []string{"star*"}},
		{"star*", 100, []string{"star*"}},
		{"*", 100, nil},
		{"Ada Love", 100, []string{"star*"}},
		{"Lovelace, Ada", 100, nil},
		{"lovelace ada", 100, []string{"star*"}},
		{")(objectClass=*", 100, nil},
		{"ovelace", 100, nil}, // the beginning only
	}
	for _, tt := range tests {
		found, err := d.open(d.config()).Search(t.Context(), tt.text, tt.limit)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, names(found), tt.text)
	}
	c, before := d.open(d.config()), d.Opened()
	for range 2 {
		some, err := c.Search(t.Context(), "", 7)
		require.NoError(t, err)
		assert.Len(t, some, 7)
	}
	assert.Equal(t, before+2, d.Opened(), "what was left half read is not used again")
}
