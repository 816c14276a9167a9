package ldapread

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// A mark watches the groups that give a role and those in them, by their objectGUID even
// where accounts are known by something else.
func TestRoles_TellWhichGroupsCount(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	people := d.add(1)
	inner := d.group("inner", people...)
	outer := d.group("outer", inner)
	d.group("other", people...)
	must(t, d.SetAttribute(outer, "mS-DS-ConsistencyGuid", wireText(guid(1))))
	for _, attribute := range []string{"objectGUID", "mS-DS-ConsistencyGuid"} {
		cfg := d.config()
		cfg.Identity, cfg.Roles = adattr.IdentityOf(attribute), []Role{{Name: "role", Group: Group{DN: d.DN(outer)}}}
		roles, err := d.open(cfg).Roles(t.Context())
		require.NoError(t, err)
		var found []adattr.GUID
		for _, g := range roles.Groups() {
			found = append(found, g.GUID)
			assert.Equal(t, AGroup, g.Kind)
			assert.Positive(t, g.USN)
			assert.NotEmpty(t, g.When)
		}
		assert.ElementsMatch(t, []adattr.GUID{adattr.GUID(inner), adattr.GUID(outer)}, found, attribute)
	}
}

// A role that nobody has is told, and one of which nothing is known is not.
func TestRoles_MembersAreOfRolesThatAreKnown(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	person := d.add(1)[0]
	_, got := d.readRoles(by(map[string]fakead.GUID{"held": d.group("held", person), "empty": d.group("empty"), "missing": {1}})...)
	assert.Equal(t, map[string][]adattr.GUID{"held": {adattr.GUID(person)}, "empty": nil}, got.Members())
}

// Whoever is in two groups is looked up once.
func TestRoles_LookUpSharedMembersOnce(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	people := d.add(3)
	one, two := d.group("one", people[:2]...), d.group("two", people[1:]...)
	_, got := d.readRoles(by(map[string]fakead.GUID{"one": one, "two": two})...)
	assert.Equal(t, []string{"one", "one two", "two"}, has(got, people...))
	looked := 0
	for _, r := range d.searched("sAMAccountType=805306368)(|") {
		looked += strings.Count(r.Filter, "(objectGUID=")
	}
	assert.Equal(t, 3, looked)
}

// More groups may be in one than are looked up at once.
func TestRoles_OfVeryManyGroupsInOne(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	people := d.add(findBatch + 2)
	var inner []fakead.GUID
	for i, id := range people {
		inner = append(inner, d.group("inner"+strconv.Itoa(i), id))
	}
	_, got := d.readRoles(by(map[string]fakead.GUID{"outer": d.group("outer", inner...)})...)
	assert.Empty(t, got.Unknown())
	assert.Equal(t, slices.Repeat([]string{"outer"}, len(people)), has(got, people...))
}

// A group that goes out of sight between two requests shows no members.
func TestRoles_OfAGroupThatIsHiddenMeanwhile(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	group := d.group("group", d.add(1)...)
	d.Before(func(r fakead.Request) {
		if slices.Contains(r.Attributes, "member") {
			d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 32, Op: fakead.OpSearch, Times: 1})
		}
	})
	_, got := d.readRoles(by(map[string]fakead.GUID{"role": group})...)
	d.Before(nil)
	assert.Equal(t, []string{"role"}, got.Unknown())
	assert.Contains(t, strings.Join(got.Warnings(), "\n"), "a group shows no members")
}

// A server may hold the base in a second naming context, in which groups and their members are
// looked for, too.
func TestRoles_InASecondContext(t *testing.T) {
	const first, second = "DC=corp,DC=example", "DC=child,DC=corp,DC=example"
	const sid = "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00domain ab12\x01\x00\x00\x00"
	member := func(n byte) string { return "<GUID=" + guid(n).String() + ">;CN=x," + second }
	outer := map[string][]string{"objectClass": {"group"}, "objectGUID": {wireText(guid(10))}, "objectSid": {sid}, "primaryGroupToken": {"1"}}
	inner := map[string][]string{"objectClass": {"group"}, "objectGUID": {wireText(guid(11))}}
	asked := func(q question, n byte) bool {
		return strings.Contains(q.filter, "(objectGUID="+ldap.EscapeFilter(wireText(guid(n)))+")")
	}
	cfg := testConfig()
	cfg.BaseDN, cfg.Roles = "OU=People,"+second, []Role{{Name: "editor", Group: Group{Name: "editors"}}}
	root := map[string][]string{"defaultNamingContext": {first}, "namingContexts": {first, second}, "supportedControl": {controlExtendedDN}}
	denied := false
	c := newLiarWith(t, cfg, root, func(q question) []*ldap.Entry {
		is := func(attributes map[string][]string) []*ldap.Entry {
			return []*ldap.Entry{ldap.NewEntry("CN=x,"+second, attributes)}
		}
		switch {
		case slices.Equal(q.attributes, []string{"member"}) && strings.Contains(q.base, guid(10).String()):
			return is(map[string][]string{"member": {member(1), member(11)}})
		case q.base != second:
			return nil
		case strings.Contains(q.filter, "sAMAccountName=editors"):
			return is(outer)
		case strings.Contains(q.filter, "805306368") && asked(q, 1):
			return is(map[string][]string{"objectGUID": {wireText(guid(1))}})
		case asked(q, 11):
			return is(inner)
		case strings.Contains(q.filter, "primaryGroupID=1"):
			return is(map[string][]string{"objectGUID": {wireText(guid(2))}})
		case strings.Contains(q.filter, "memberOf=<GUID="+guid(11).String()) && denied:
			return is(nil)
		}
		return nil
	})
	roles, err := c.Roles(t.Context())
	require.NoError(t, err)
	assert.Empty(t, roles.Unknown())
	for _, n := range []byte{1, 2} {
		assert.Equal(t, []string{"editor"}, roles.Sets()[roles.Of(guid(n))], n)
	}
	denied = true
	roles, err = c.Roles(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"editor"}, roles.Unknown(), "somebody says to be in the inner group")
}

// A global catalog shows accounts of other domains, whose primary groups have the same
// numbers. They are no members.
func TestRoles_OfAPrimaryGroupAreItsOwnDomains(t *testing.T) {
	const parent, child = "DC=corp,DC=example", "DC=child,DC=corp,DC=example"
	const sid = "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00domain ab12\x01\x02\x00\x00"
	cfg := testConfig()
	cfg.BaseDN, cfg.Roles = parent, []Role{{Name: "everybody", Group: Group{Name: "Domain Users"}}}
	root := map[string][]string{"defaultNamingContext": {parent}, "namingContexts": {parent}, "supportedControl": {controlExtendedDN}}
	c := newLiarWith(t, cfg, root, func(q question) []*ldap.Entry {
		account := func(n byte, dn string) *ldap.Entry {
			return ldap.NewEntry(dn, map[string][]string{"objectGUID": {wireText(guid(n))}})
		}
		switch {
		case strings.Contains(q.filter, "sAMAccountName=Domain Users"):
			return []*ldap.Entry{ldap.NewEntry("CN=Domain Users,CN=Users,"+parent,
				map[string][]string{"objectClass": {"group"}, "objectGUID": {wireText(guid(10))}, "objectSid": {sid}, "primaryGroupToken": {"513"}})}
		case strings.Contains(q.filter, "primaryGroupID=513"):
			return []*ldap.Entry{account(1, "CN=ann,OU=People,dc=corp, dc=example"), account(2, "CN=bob,OU=People,"+child), account(3, "CN=DC\\,DC=cid,"+parent)}
		}
		return nil
	})
	roles, err := c.Roles(t.Context())
	require.NoError(t, err)
	assert.Empty(t, roles.Unknown())
	for n, want := range map[byte][]string{1: {"everybody"}, 2: nil, 3: {"everybody"}} {
		assert.Equal(t, want, roles.Sets()[roles.Of(guid(n))], n)
	}
}

func TestDomainDN(t *testing.T) {
	for dn, want := range map[string]string{
		"": "", "CN=x": "", "DC=corp": "DC=corp", "CN=x,DC=corp,DC=example": "DC=corp,DC=example", "CN=DC=x,OU=y, dc=corp": "dc=corp", "DC=x,OU=y,DC=corp": "DC=corp",
		`CN=x\,DC=y,DC=corp`: "DC=corp", `CN=x\\,DC=y,DC=corp`: "DC=y,DC=corp", `\,DC=corp`: "",
	} {
		assert.Equal(t, want, domainDN(dn), dn)
	}
}

// A server that knows entryDN is asked for many names at once, in each context, and for a
// single one by itself.
func TestRoles_ByManyNamesAtOnce(t *testing.T) {
	const first, second = "DC=corp,DC=example", "DC=child,DC=corp,DC=example"
	const group = "cn=editors,dc=child,dc=corp,dc=example"
	dns := make([]string, dnBatch+1)
	byDN := map[string]*ldap.Entry{}
	for i := range dns {
		dns[i] = "cn=" + strconv.Itoa(i) + ",dc=child,dc=corp,dc=example"
		byDN[dns[i]] = ldap.NewEntry(dns[i], map[string][]string{"objectClass": {"person"}, "entryUUID": {guid(byte(i)).String()}})
	}
	cfg := testConfig()
	cfg.BaseDN, cfg.Identity, cfg.Roles = "OU=People,"+second, adattr.IdentityOf("entryUUID"), []Role{{Name: "editor", Group: Group{DN: group}}}
	alone := 0
	root := map[string][]string{"defaultNamingContext": {first}, "namingContexts": {first, second}}
	c := newLiarWith(t, cfg, root, func(q question) (found []*ldap.Entry) {
		switch e := byDN[q.base]; {
		case q.base == group:
			return []*ldap.Entry{ldap.NewEntry(group, map[string][]string{"objectClass": {"groupOfNames"}, "member": dns})}
		case e != nil:
			alone++
			return []*ldap.Entry{e}
		case q.base == second && strings.Contains(q.filter, "(entryDN="):
			for _, dn := range dns {
				if strings.Contains(q.filter, "(entryDN="+dn+")") {
					found = append(found, byDN[dn])
				}
			}
		}
		return found
	})
	roles, err := c.Roles(t.Context())
	require.NoError(t, err)
	assert.Empty(t, roles.Unknown())
	for i := range dns {
		require.Equal(t, []string{"editor"}, roles.Sets()[roles.Of(guid(byte(i)))], i)
	}
	assert.Equal(t, 1, alone)
}
