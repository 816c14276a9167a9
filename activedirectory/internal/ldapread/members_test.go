package ldapread

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// searched are the searches so far that were for this attribute, or in whose filter it stands.
func (d *domain) searched(attribute string) (found []fakead.Request) {
	for _, r := range d.Requests() {
		if strings.Contains(r.Filter, attribute) || slices.Contains(r.Attributes, attribute) && len(r.Attributes) < 3 {
			found = append(found, r)
		}
	}
	return found
}

// However often a group and its members stand in the roles, each is read once.
func TestRoles_ReadEachObjectOnce(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	people := d.add(4)
	inner := d.group("inner", people[:3]...)
	outer, other := d.group("outer", append(people[:3:3], inner)...), d.group("other", append(people[1:], inner)...)
	group := func(id fakead.GUID) Group { return Group{GUID: adattr.GUID(id)} }
	_, got := d.readRoles(Role{Name: "both", Group: group(outer)}, Role{Name: "both", Group: group(other), Direct: true},
		Role{Name: "direct", Group: group(outer), Direct: true}, Role{Name: "nested", Group: group(outer)})
	assert.Equal(t, []string{"both direct nested", "both direct nested", "both direct nested", "both"}, has(got, people...))
	assert.Len(t, d.searched("member"), 3)
	looked := 0
	for _, r := range d.searched("sAMAccountType=805306368)(|") {
		looked += strings.Count(r.Filter, "(objectGUID=")
	}
	assert.Equal(t, 4, looked, "three people and a group")
}

// Who is in a group itself stands in that group: nobody has to be looked up, and no other
// group read.
func TestRoles_DirectOnesAreReadInOneStep(t *testing.T) {
	for _, without := range []string{"", controlExtendedDN} {
		d := newDomain(t, fakead.Config{})
		people := d.add(3)
		inner := d.group("inner", people[0])
		outer, other := d.group("outer", inner, people[1]), d.group("other", people[2])
		if without != "" {
			d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: without})
		}
		group := func(id fakead.GUID) Group { return Group{GUID: adattr.GUID(id)} }
		_, got := d.readRoles(Role{Name: "outer", Group: group(outer), Direct: true}, Role{Name: "other", Group: group(other), Direct: true})
		assert.Equal(t, []string{"", "outer", "other"}, has(got, people...))
		assert.Len(t, d.searched("member"), 2)
		if without == "" {
			assert.Empty(t, d.searched("(|(objectGUID="))
		}
	}
}

// The members of all groups together are bounded as the accounts of a listing are.
func TestRoles_HaveABoundedNumberOfMembers(t *testing.T) {
	d := newDomain(t, fakead.Config{MaxValRange: 2})
	people := d.add(6)
	inner := d.group("inner", people[:3]...)
	outer := d.group("outer", append(people[3:], inner)...)
	primary := d.group("primary", people[0])
	read := func(most int, group fakead.GUID) error {
		cfg := d.config()
		cfg.MaxEntries, cfg.Roles = most, by(map[string]fakead.GUID{"role": group})
		_, err := d.open(cfg).Roles(t.Context())
		return err
	}
	require.NoError(t, read(7, outer))
	require.NoError(t, read(0, outer), "without a limit")
	require.ErrorContains(t, read(6, outer), "groups have more than 6 members")
	before := len(d.searched("member;range=2-*"))
	require.ErrorContains(t, read(1, outer), "groups have more than 1 members")
	assert.Len(t, d.searched("member;range=2-*"), before, "and no more of them are asked for")

	must(t, d.SetPrimaryGroup(people[0], d.DN(primary)))
	must(t, d.Join(primary, people[1]))
	must(t, d.SetPrimaryGroup(people[1], d.DN(primary)))
	require.NoError(t, read(2, primary))
	assert.ErrorContains(t, read(1, primary), "a group has more than 1 members")
}

// A server may send the members of a group in parts, which must follow each other.
func TestRoles_OfGroupsInParts(t *testing.T) {
	const group, person = "CN=Editors,DC=corp,DC=example", "CN=%,DC=corp,DC=example"
	dn := func(name string) string { return strings.Replace(person, "%", name, 1) }
	read := func(parts map[string][]string) (*Roles, error) {
		cfg := testConfig()
		cfg.Roles = []Role{{Name: "editor", Group: Group{DN: group}}}
		c := newLiarTo(t, cfg, func(q question) []*ldap.Entry {
			switch {
			case strings.EqualFold(q.base, group) && strings.HasPrefix(q.attributes[0], "member"):
				name, values := q.attributes[0], parts[q.attributes[0]]
				if len(values) > 0 {
					name, values = values[0], values[1:]
				}
				return []*ldap.Entry{ldap.NewEntry(group, map[string][]string{name: values})}
			case strings.EqualFold(q.base, group):
				return []*ldap.Entry{ldap.NewEntry(group, map[string][]string{"objectClass": {"group"}, "objectGUID": {wireText(guid(100))}})}
			case slices.Contains(q.attributes, "memberOf"):
				return []*ldap.Entry{ldap.NewEntry(dn("a"), map[string][]string{"memberOf": {group}})}
			case strings.HasPrefix(q.base, "cn="): // in lower case, as DNs are compared
				return []*ldap.Entry{ldap.NewEntry(q.base, map[string][]string{"objectClass": {"user"}, "objectGUID": {wireText(guid(q.base[3]))}})}
			}
			return nil
		})
		return c.Roles(t.Context())
	}
	for name, parts := range map[string]map[string][]string{
		"at once":  {"member": {"member", dn("a"), dn("b"), dn("c")}},
		"in three": {"member": {"member;range=0-0", dn("a")}, "member;range=1-*": {"member;Range=1-1", dn("b")}, "member;range=2-*": {"MEMBER;range=2-*", dn("c")}},
	} {
		roles, err := read(parts)
		require.NoError(t, err, name)
		assert.Empty(t, roles.Unknown(), name)
		for _, letter := range "abc" {
			assert.Equal(t, []string{"editor"}, roles.Sets()[roles.Of(guid(byte(letter)))], name)
		}
	}
	for name, parts := range map[string]map[string][]string{
		"the rest is missing":   {"member": {"member;range=0-0", dn("a")}},
		"one that names nobody": {"member": {"member", dn("a"), ""}},
	} {
		roles, err := read(parts)
		require.NoError(t, err, name)
		assert.Equal(t, []string{"editor"}, roles.Unknown(), name)
		assert.Contains(t, strings.Join(roles.Warnings(), "\n"), "did not send all members", name)
	}
	for name, parts := range map[string]map[string][]string{
		"one is left out":      {"member": {"member;range=0-0", dn("a")}, "member;range=1-*": {"member;range=2-*", dn("c")}},
		"the first is missing": {"member": {"member;range=1-1", dn("b")}, "member;range=2-*": {"member;range=2-*", dn("c")}},
		"one comes again":      {"member": {"member;range=0-0", dn("a")}, "member;range=1-*": {"member;range=0-0", dn("a")}},
		"one ends too early":   {"member": {"member;range=0-1", dn("a"), dn("b")}, "member;range=2-*": {"member;range=2-1", dn("c")}},
	} {
		_, err := read(parts)
		assert.ErrorIs(t, err, errMembers, name)
	}
}

// A group without members is an empty one in Active Directory, where it may be so; elsewhere
// it must have one, which is not shown (RFC 4519, 3.5).
func TestRoles_OfEmptyGroups(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	empty := d.group("empty")
	_, got := d.readRoles(by(map[string]fakead.GUID{"role": empty})...)
	assert.Empty(t, got.Unknown())
	cfg := d.config()
	cfg.Identity, cfg.Roles = adattr.IdentityOf("displayName"), []Role{{Name: "role", Group: Group{DN: d.DN(empty)}}}
	got, err := d.open(cfg).Roles(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"role"}, got.Unknown())
	assert.Contains(t, strings.Join(got.Warnings(), "\n"), "a group shows no members")
}

func TestMemberKey(t *testing.T) {
	byGUID := &graphReader{graph: &graph{byGUID: true}}
	id := guid(7)
	key, ok := byGUID.memberKey("<GUID=" + id.String() + ">;<SID=S-1-5-21-1>;CN=a")
	assert.True(t, ok)
	assert.Equal(t, string(id[:]), key)
	for _, value := range []string{"", "CN=a", "<GUID=" + id.String(), "<GUID=x>;CN=a", id.String() + ">;CN=a"} {
		_, ok := byGUID.memberKey(value)
		assert.False(t, ok, value)
	}
	byDN := &graphReader{graph: &graph{}}
	key, ok = byDN.memberKey("CN=A")
	assert.Equal(t, "cn=a", key)
	assert.True(t, ok)
	_, ok = byDN.memberKey("")
	assert.False(t, ok)
}

// A server may send all members of a group at once: that one message may be of 32 MiB, and
// any other of 4.
func TestMembers_OfOneGroupMayBe32MiB(t *testing.T) {
	const most = 32 << 20
	groupOf := func(length int) []byte {
		entry := func(value string) string {
			return idOne + tlv(0x64, tlv(4, "CN=g"), tlv(0x30, tlv(0x30, tlv(4, "member"), tlv(0x31, tlv(4, value)))))
		}
		return slices.Concat([]byte(tlv(0x30, entry(strings.Repeat("x", length-len(entry("")))))), end())
	}
	for name, tt := range map[string]struct {
		length int
		want   error
	}{"5 MiB": {5 << 20, nil}, "32 MiB": {most, nil}, "a byte more": {most + 1, errWide}} {
		s := cannedSession(testConfig(), groupOf(tt.length), 1<<20)
		e, err := newGraphReader(s).readWide(t.Context(), "CN=g", []string{"member"})
		assert.ErrorIs(t, err, tt.want, name)
		if tt.want == nil {
			assert.Greater(t, len(e.GetAttributeValue("member")), tt.length-100, name)
		}
		assert.False(t, s.wire.sieve.wide.Load(), "for that question alone")
		s.close()
	}
	s := cannedSession(testConfig(), groupOf(5<<20), 1<<20)
	_, err := newGraphReader(s).readOneWith(t.Context(), doingRoles, "CN=g", nil, "member")
	assert.ErrorIs(t, err, errMessage)
	s.close()
}
