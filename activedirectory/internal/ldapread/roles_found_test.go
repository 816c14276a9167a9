package ldapread

import (
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestParseGroup(t *testing.T) {
	id := guid(1)
	for text, want := range map[string]Group{
		id.String():                  {GUID: id},
		" {" + id.String() + "} ":    {GUID: id},
		"<GUID=" + id.String() + ">": {GUID: id},
		" CN=Editors,DC=corp ":       {DN: "CN=Editors,DC=corp"},
		" Editors ":                  {Name: "Editors"},
		adattr.GUID{}.String():       {Name: adattr.GUID{}.String()}, // nobody's identity
	} {
		got, err := ParseGroup(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, says := range map[string]string{
		"": "it is empty", "  ": "it is empty", "<GUID=x>": "want <GUID=...>", "<SID=S-1-5-32-544>": "want <GUID=...>",
		"<GUID=" + adattr.GUID{}.String() + ">": "want <GUID=...>", "CN=Editors,DC": "not a distinguished name",
	} {
		_, err := ParseGroup(text)
		assert.ErrorContains(t, err, says, text)
	}
}

func TestRoleNames_AreSortedAndEachOnce(t *testing.T) {
	cfg := &Config{Roles: []Role{{Name: "b"}, {Name: "a"}, {Name: "b"}}}
	assert.Equal(t, []string{"a", "b"}, cfg.RoleNames())
}

// Whatever tells accounts apart, a group of Active Directory is best configured by its
// objectGUID, and one of another directory by the identity that it has there.
func TestRoles_ByNameSayWhatStays(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	editors := d.group("editors", d.add(1)...)
	note := func(attribute string) string {
		cfg := d.config()
		cfg.Identity, cfg.TrustMembers = adattr.IdentityOf(attribute), true
		cfg.Roles = []Role{{Name: "editor", Group: Group{Name: "editors"}}, {Name: "id", Group: Group{GUID: adattr.GUID(editors)}}}
		roles, err := d.open(cfg).Roles(t.Context())
		require.NoError(t, err)
		return strings.Join(roles.Warnings(), "\n")
	}
	const advice = "gives the role: configure it by its identity"
	for _, attribute := range []string{"", "mS-DS-ConsistencyGuid"} {
		text := note(attribute)
		assert.Contains(t, text, advice+", "+adattr.GUID(editors).String(), attribute)
		assert.Equal(t, 1, strings.Count(text, advice), "the other is known by it already")
	}
	require.True(t, strings.HasSuffix(strings.Split(note("displayName"), "\n")[0], advice), "it has none that can be seen")
	must(t, d.SetAttribute(editors, "displayName", guid(1).String()))
	assert.Contains(t, note("displayName"), advice+", "+guid(1).String())
}

// Other directories have no unique names of groups.
func TestRoles_InAnotherDirectory(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	people := d.add(2)
	must(t, d.SetAttribute(people[0], "displayName", guid(0).String()))
	unit, err := d.AddOU("Groups", "")
	require.NoError(t, err)
	editors := d.group("editors", people[0])
	must(t, d.SetAttribute(editors, "displayName", guid(9).String()))
	_, err = d.AddUser(fakead.User{Parent: unit, Username: "somebody", Name: "editors"}) // who is no group
	require.NoError(t, err)
	_, err = d.AddUser(fakead.User{Username: "writers"})
	require.NoError(t, err)
	read := func(groups ...Group) *Roles {
		cfg := d.config()
		cfg.Identity = adattr.IdentityOf("displayName")
		for i, g := range groups {
			cfg.Roles = append(cfg.Roles, Role{Name: strconv.Itoa(i), Group: g})
		}
		roles, err := d.open(cfg).Roles(t.Context())
		require.NoError(t, err)
		return roles
	}
	roles := read(Group{Name: "editors"}, Group{GUID: guid(9)}, Group{DN: d.DN(editors)}, Group{Name: "writers"}, Group{GUID: guid(8)})
	assert.Equal(t, []string{"0", "1", "2"}, roles.Sets()[roles.Of(guid(0))])
	assert.Equal(t, []string{"3", "4"}, roles.Unknown())
	assert.Contains(t, strings.Join(roles.Warnings(), "\n"), `role "3": its group was not found`)

	other := d.groupOf(fakead.Group{Parent: unit, Name: "others"})
	must(t, d.Rename(other, "EDITORS 2"))
	roles = read(Group{Name: "editors"})
	assert.Empty(t, roles.Unknown())
	must(t, d.Move(people[0], unit))
	second := d.groupOf(fakead.Group{Parent: d.people, Name: "more"})
	must(t, d.Rename(second, "Editors"))
	roles = read(Group{Name: "editors"})
	assert.Equal(t, []string{"0"}, roles.Unknown())
	assert.Contains(t, strings.Join(roles.Warnings(), "\n"), "several groups have its name")
}

// A server may show one group in two of its naming contexts.
func TestRoles_GroupThatIsSeenTwiceIsOne(t *testing.T) {
	cfg := testConfig()
	cfg.BaseDN = "OU=People,DC=child,DC=corp,DC=example"
	cfg.Identity, cfg.Roles = adattr.IdentityOf("entryUUID"), []Role{{Name: "editor", Group: Group{Name: "editors"}}}
	const group, anna = "CN=editors,DC=child,DC=corp,DC=example", "CN=anna,DC=child,DC=corp,DC=example"
	c := newLiarTo(t, cfg, func(q question) []*ldap.Entry {
		switch {
		case strings.EqualFold(q.base, anna):
			return []*ldap.Entry{ldap.NewEntry(anna, map[string][]string{"objectClass": {"person"}, "entryUUID": {guid(1).String()}})}
		case strings.EqualFold(q.base, group) || q.filter == "(cn=editors)":
			return []*ldap.Entry{ldap.NewEntry(group, map[string][]string{"objectClass": {"groupOfNames"}, "member": {anna}})}
		}
		return nil
	})
	roles, err := c.Roles(t.Context())
	require.NoError(t, err)
	assert.Empty(t, roles.Unknown())
	assert.Equal(t, []string{"editor"}, roles.Sets()[roles.Of(guid(1))])
}

// Nothing is known only where neither memberOf nor tokenGroups can be read of anybody.
func TestRoles_AreUnknownWhereNothingCanBeRead(t *testing.T) {
	const blind = "no account shows memberOf"
	read := func(d *domain, group fakead.GUID) (unknown []string, warnings string) {
		cfg := d.config()
		cfg.PageSize = 50
		cfg.Roles = by(map[string]fakead.GUID{"one": group, "two": group})
		roles, err := d.open(cfg).Roles(t.Context())
		require.NoError(t, err)
		return roles.Unknown(), strings.Join(roles.Warnings(), "\n")
	}
	t.Run("of everybody", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		group := d.group("role", d.add(1)...)
		must(t, d.Withhold(service, "memberOf", "tokenGroups"))
		unknown, warnings := read(d, group)
		assert.Equal(t, []string{"one", "two"}, unknown)
		assert.Equal(t, 1, strings.Count(warnings, blind), "which is told once")
		assert.NotContains(t, warnings, `role "`)
		_, warnings = read(d, fakead.GUID{1})
		assert.NotContains(t, warnings, "was not found", "nor anything else that nobody can know")
	})
	t.Run("but of the second", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		d.group("other", d.add(2)[1])
		group := d.group("role") // without members, who would show a group
		must(t, d.Withhold(service, "tokenGroups"))
		unknown, _ := read(d, group)
		assert.Empty(t, unknown)
	})
	t.Run("but of a member behind those who are asked first", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		people := d.add(110)
		group := d.group("role", people[109])
		for _, id := range people[:109] {
			must(t, d.Deny(service, d.DN(id), "memberOf", "tokenGroups"))
		}
		unknown, _ := read(d, group)
		assert.Empty(t, unknown)
		assert.Len(t, d.searched("memberOf"), 1, "and so nobody else is asked")
	})
	t.Run("of which a few members are asked", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		people := d.add(5)
		group := d.group("role", people...)
		for _, id := range people {
			must(t, d.Deny(service, d.DN(id), "memberOf", "tokenGroups"))
		}
		unknown, _ := read(d, group)
		assert.NotEmpty(t, unknown)
		assert.Len(t, d.searched("memberOf"), 3+1, "and then all are listed")
	})
	t.Run("but by tokenGroups", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		group := d.group("role")
		people := d.add(160)
		for _, id := range people[:4] {
			must(t, d.Deny(service, d.DN(id), "tokenGroups"))
		}
		unknown, _ := read(d, group)
		assert.Empty(t, unknown, "one of five shows them")
		assert.Len(t, d.searched("memberOf"), 3, "the members of the group, which shows none, and two pages of people")
		assert.Len(t, d.searched("tokenGroups"), 5)
		must(t, d.Deny(service, d.DN(people[4]), "tokenGroups"))
		unknown, _ = read(d, group)
		assert.NotEmpty(t, unknown, "none of five does, and no more are asked")
	})
	t.Run("where there is nobody", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		must(t, d.Withhold(service, "memberOf", "tokenGroups"))
		unknown, _ := read(d, d.group("role", d.svc))
		assert.Empty(t, unknown)
	})
	t.Run("where the listing fails", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		d.add(1)
		group := d.group("role") // without members, who would show a group
		cfg := d.config()
		cfg.Filter, cfg.Roles = "(givenName=*)", by(map[string]fakead.GUID{"role": group})
		d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: ldap.LDAPResultUnwillingToPerform, Match: cfg.Filter, Op: fakead.OpSearch})
		c := d.open(cfg)
		for range 2 {
			roles, err := c.Roles(t.Context())
			require.NoError(t, err, "the listing will say so")
			assert.Empty(t, roles.Unknown())
		}
		assert.Equal(t, 1, d.Opened(), "the connection is in order")
	})
}
