package ldapread

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestMembershipOf_FindsWhatAsksForGroups(t *testing.T) {
	for filter, groups := range map[string][]string{
		"(memberOf=CN=a)": {"CN=a"},
		`(&(x=1)(MEMBEROF=CN=a\28b\29)(!(memberOf:1.2.840.113556.1.4.1941:=CN=b)))`: {"CN=a(b)", "CN=b"},
		"(1.2.840.113556.1.2.102=CN=a)":                                             {"CN=a"},
		"(memberOf;x-y=CN=a)":                                                       {"CN=a"},
		"( memberOf=CN=a)":                                                          {"CN=a"},
		"(memberOf=*)":                                                              {""},
		"(memberOf=CN=a*)":                                                          {""},
		"(memberOf>=CN=a)":                                                          {""},
		"(memberOf:2.5.13.1:=CN=a)":                                                 {""},
		"(memberOfOther=CN=a)":                                                      nil,
		"(department=memberOf)":                                                     nil,
	} {
		m := membershipOf(filter)
		var got []string
		for _, term := range m.terms {
			got = append(got, term.group)
		}
		assert.Equal(t, groups, got, filter)
		assert.Equal(t, strings.Contains(filter, ".1941:"), m.nests(), filter)
	}
	m := membershipOf("(&(x=1)(memberOf=CN=a)(!(memberOf=*)))")
	assert.Equal(t, "(&(x=1)(objectClass=*)(!(!(objectClass=*))))", m.given("tf"))
	assert.Equal(t, "(&(x=1)(!(objectClass=*))(!(objectClass=*)))", m.given("ft"))
}

func TestUnescape(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "CN=a": "CN=a", `a\2cb\29`: "a,b)", `\5c\5C2c`: `\\2c`, `a\2`: `a\2`, `a\`: `a\`, `\zz`: `\zz`, `\2`: `\2`, `\c3\a4`: "ä",
	} {
		assert.Equal(t, want, unescape(value), value)
	}
}

// Whom a filter on membership misses is out of scope only if tokenGroups say so too, or if
// nothing that they could say would put them into scope.
func TestFind_JudgesWhomAFilterOnMembershipMissed(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	must(t, d.GrantTombstones(service))
	all := append(d.add(9), fakead.GUID{1})
	member, stranger, unseen, untold, away, awayUntold, deleted, other, second, nobody := all[0], all[1], all[2], all[3], all[4], all[5], all[6], all[7], all[8], all[9]
	const sales = "(&(sAMAccountType=805306368)(department=Sales)"
	for _, id := range all[:9] {
		if id != other {
			must(t, d.SetAttribute(id, "department", "Sales"))
		}
	}
	group := d.group("group", member, unseen, away, other)
	another := d.group("another", second)
	hidden := d.group("hidden", second)
	mailing := d.groupOf(fakead.Group{Name: "mailing", Distribution: true, Members: []fakead.GUID{member}})
	for _, id := range []fakead.GUID{unseen, other} {
		must(t, d.Deny(service, d.DN(id), "memberOf"))
	}
	for _, id := range []fakead.GUID{untold, awayUntold} {
		must(t, d.Deny(service, d.DN(id), "tokenGroups"))
	}
	for _, id := range []fakead.GUID{away, awayUntold} {
		must(t, d.Move(id, "CN=Users,"+d.BaseDN()))
	}
	must(t, d.Delete(deleted))
	must(t, d.Hide(service, d.DN(hidden)))
	is := func(id fakead.GUID) string { return "(memberOf=" + d.DN(id) + ")" }
	states := func(filter string, ids ...fakead.GUID) map[fakead.GUID]State {
		cfg := d.config()
		cfg.Filter = filter
		found, err := look(t.Context(), d.open(cfg), ids...)
		require.NoError(t, err)
		got := map[fakead.GUID]State{}
		for _, a := range found {
			require.NotContains(t, got, fakead.GUID(a.GUID))
			got[fakead.GUID(a.GUID)] = a.State
		}
		return got
	}
	assert.Equal(t, map[fakead.GUID]State{
		member: Present, stranger: OutOfScope, unseen: Unproven, untold: Unproven, away: OutOfScope, awayUntold: OutOfScope,
		deleted: Deleted, other: OutOfScope, second: OutOfScope, nobody: Unproven,
	}, states(sales+is(group)+")", all...))
	assert.Len(t, d.searched("groupType"), 1)
	assert.Len(t, d.searched("tokenGroups"), 7, "of those whom the filter missed and that are alive")
	assert.Len(t, d.searched("(!(objectClass=*)))"), 1, "those of whom tokenGroups say the same are looked up together")

	d.ForgetRequests()
	assert.Equal(t, map[fakead.GUID]State{member: Present, nobody: Unproven}, states(sales+is(group)+")", member, nobody))
	assert.Empty(t, d.searched("groupType"), "the filter missed nobody that is alive")

	assert.Equal(t, map[fakead.GUID]State{member: Present, stranger: OutOfScope, unseen: Unproven, second: Present},
		states("(|"+is(group)+is(another)+")", member, stranger, unseen, second), "two groups")
	assert.Equal(t, map[fakead.GUID]State{member: OutOfScope, stranger: Present, unseen: Present},
		states(sales+"(!"+is(group)+"))", member, stranger, unseen))

	for name, filter := range map[string]string{
		"a hidden group":     is(hidden),
		"a mailing list":     is(mailing),
		"any group":          "(memberOf=CN=none*)",
		"a group of none":    "(memberOf=CN=none," + d.BaseDN() + ")",
		"one of two is none": "(&" + is(group) + is(hidden) + ")",
	} {
		d.ForgetRequests()
		assert.Equal(t, map[fakead.GUID]State{stranger: Unproven, away: OutOfScope, deleted: Deleted}, states(filter, stranger, away, deleted), name)
		assert.Empty(t, d.searched("tokenGroups"), "they cannot tell of it: %s", name)
	}
	must(t, d.SetAttribute(stranger, "displayName", guid(1).String()))
	cfg := d.config()
	cfg.Identity, cfg.Filter = adattr.IdentityOf("displayName"), is(group)
	found, err := look(t.Context(), d.open(cfg), fakead.GUID(guid(1)))
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, OutOfScope, found[0].State, "in another directory nothing is known to be missed")
}

// Two accounts may have one identity where people fill it.
func TestFind_JudgesAllOfOneIdentity(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(4)
	group := d.group("group", ids[3])
	must(t, d.Deny(service, d.DN(ids[3]), "memberOf"))
	for i, identity := range []byte{0, 1, 0, 2} {
		must(t, d.SetAttribute(ids[i], "mS-DS-ConsistencyGuid", wireText(guid(identity))))
	}
	cfg := d.config()
	cfg.Identity, cfg.Filter = adattr.IdentityOf("mS-DS-ConsistencyGuid"), "(memberOf="+d.DN(group)+")"
	found, err := look(t.Context(), d.open(cfg), fakead.GUID(guid(2)), fakead.GUID(guid(1)), fakead.GUID(guid(0)))
	require.NoError(t, err)
	got := map[string]State{}
	for _, a := range found {
		got[a.Values[0]] = a.State
	}
	assert.Equal(t, map[string]State{"u1": OutOfScope, "u2": OutOfScope, "u3": OutOfScope, "u4": Unproven}, got)
	for _, r := range d.searched("(objectClass=*)") {
		_, list, _ := strings.Cut(strings.TrimRight(r.Filter, ")"), "(mS-DS-ConsistencyGuid=")
		asked := strings.Split(list, ")(mS-DS-ConsistencyGuid=")
		assert.Len(t, slices.Compact(slices.Sorted(slices.Values(asked))), len(asked), "each identity once: %s", r.Filter)
	}
}
