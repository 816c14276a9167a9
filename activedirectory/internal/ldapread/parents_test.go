package ldapread

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestParentOf(t *testing.T) {
	for dn, want := range map[string]string{
		"CN=a,OU=b,DC=c": "OU=b,DC=c", `CN=a\,b,OU=c`: "OU=c", `CN=a\\,OU=c`: "OU=c", "CN=a": "", "": "", `CN=a\`: "", "CN=a,": "",
	} {
		assert.Equal(t, want, parentOf(dn), dn)
	}
}

func TestParents_AreKeptUpToABound(t *testing.T) {
	p := newParents()
	p.note("CN=a,OU=x")
	p.note("CN=b,OU=x")
	p.note("CN=b,ou=X")
	assert.Equal(t, map[string]bool{"ou=x": true}, p.dns)
	for n := 1; n < mostParents; n++ {
		p.note("CN=a,OU=" + strconv.Itoa(n))
	}
	require.Len(t, p.dns, mostParents)
	p.note("CN=c,OU=x")
	assert.False(t, p.full, "one that is known")
	p.note("CN=c,OU=y")
	assert.True(t, p.full)
	p.note("CN=c,OU=x")
	assert.True(t, p.full)
	assert.Len(t, p.dns, mostParents)
}

// Accounts may be below anything. What a Head does not count by its class is found by them.
func TestUnusual_AreContainersThatAHeadDidNotCount(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	must(t, d.GrantTombstones(service))
	people := d.add(4)
	box := func(name string) fakead.GUID {
		id, err := d.AddUser(fakead.User{Parent: d.people, Name: name, Class: "contact"})
		require.NoError(t, err)
		return id
	}
	c := d.open(d.config())
	_, ok, err := c.Unusual(t.Context(), Head{})
	require.NoError(t, err)
	assert.False(t, ok, "nothing was noted before a Head")
	read := func(others ...adattr.GUID) (ids []adattr.GUID, ok bool) {
		h, err := c.Head(t.Context(), others)
		require.NoError(t, err)
		require.Empty(t, h.Blind)
		_, err = list(t.Context(), c)
		require.NoError(t, err)
		ids, ok, err = c.Unusual(t.Context(), h)
		require.NoError(t, err)
		return ids, ok
	}
	ids, ok := read()
	assert.True(t, ok)
	assert.Empty(t, ids, "people are in an OU")

	boxes := []fakead.GUID{box("a"), box("b")}
	for n, id := range boxes {
		must(t, d.Move(people[n], d.DN(id)))
	}
	wanted := []adattr.GUID{adattr.GUID(boxes[0]), adattr.GUID(boxes[1])}
	ids, ok = read()
	assert.True(t, ok)
	assert.Equal(t, wanted, ids)
	ids, ok = read(wanted[0])
	assert.True(t, ok)
	assert.Equal(t, wanted[1:], ids, "the other was counted")
	again, err := c.Head(t.Context(), wanted[:1])
	require.NoError(t, err)
	ids, ok, err = c.Unusual(t.Context(), again)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, wanted[1:], ids, "another Head forgets nobody who was read before")

	d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"objectGUID"}, Objects: boxes[:1]})
	ids, ok = read()
	assert.False(t, ok, "one that does not tell what it is")
	assert.Equal(t, wanted[1:], ids)
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 32, Op: fakead.OpSearch, Match: "CN=b,"})
	_, ok = read()
	assert.False(t, ok, "nor one that is not there")
	d.ClearFaults()
}

func TestUnusual_AreFew(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	must(t, d.GrantTombstones(service))
	for n := range mostUnusual + 1 {
		box, err := d.AddUser(fakead.User{Parent: d.people, Username: "box" + strconv.Itoa(n)})
		require.NoError(t, err)
		_, err = d.AddUser(fakead.User{Parent: d.DN(box), Username: "in" + strconv.Itoa(n)})
		require.NoError(t, err)
	}
	c := d.open(d.config())
	h, err := c.Head(t.Context(), nil)
	require.NoError(t, err)
	_, err = list(t.Context(), c)
	require.NoError(t, err)
	_, ok, err := c.Unusual(t.Context(), h)
	require.NoError(t, err)
	assert.False(t, ok)
	h.known[strings.ToLower(fmt.Sprint("CN=box0,", d.people))] = true
	ids, ok, err := c.Unusual(t.Context(), h)
	require.NoError(t, err)
	assert.True(t, ok, "just as many as are counted")
	assert.Len(t, ids, mostUnusual)
	c.parents.full = true
	_, ok, err = c.Unusual(t.Context(), h)
	require.NoError(t, err)
	assert.False(t, ok)
}

// Accounts that are listed or found alive are noted, once a Head was read.
func TestUnnumbered_IsOfAccountsThatAreAlive(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	must(t, d.GrantTombstones(service))
	ids := d.add(3)
	must(t, d.Deny(service, d.DN(ids[0]), "uSNChanged"))
	must(t, d.Deny(service, d.DN(ids[1]), "uSNChanged"))
	must(t, d.Delete(ids[1]))
	c := d.open(d.config())
	_, err := list(t.Context(), c)
	require.NoError(t, err)
	assert.False(t, c.Unnumbered(), "nobody wanted to know")
	head := func() {
		_, err := c.Head(t.Context(), nil)
		require.NoError(t, err)
	}
	head()
	_, err = look(t.Context(), c, ids[1], ids[2], fakead.GUID{1})
	require.NoError(t, err)
	assert.False(t, c.Unnumbered(), "of the living")
	_, err = look(t.Context(), c, ids[0])
	require.NoError(t, err)
	assert.True(t, c.Unnumbered())
	_, err = look(t.Context(), c, ids[2])
	require.NoError(t, err)
	assert.True(t, c.Unnumbered())
	head()
	assert.False(t, c.Unnumbered(), "since the last one")
	must(t, d.Move(ids[0], "CN=Users,"+d.BaseDN()))
	_, err = look(t.Context(), c, ids[0])
	require.NoError(t, err)
	assert.True(t, c.Unnumbered(), "out of scope, too")
}
