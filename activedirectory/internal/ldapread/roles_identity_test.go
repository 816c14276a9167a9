package ldapread

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// TestRoles_ByAnyIdentity reads the same groups in directories that tell accounts, and what a
// DN names, in different ways.
func TestRoles_ByAnyIdentity(t *testing.T) {
	for name, tt := range map[string]struct {
		attribute string                   // of the identity; "" is objectGUID
		write     func(adattr.GUID) string // as it stands in that
		without   string                   // control
		trust     bool
	}{
		"objectGUID":                           {},
		"objectGUID, by DNs":                   {without: controlExtendedDN},
		"mS-DS-ConsistencyGuid":                {attribute: "mS-DS-ConsistencyGuid", write: wireText},
		"mS-DS-ConsistencyGuid, by DNs":        {attribute: "mS-DS-ConsistencyGuid", write: wireText, without: controlExtendedDN},
		"a UUID":                               {attribute: "displayName", write: adattr.GUID.String},
		"a UUID, and members that are trusted": {attribute: "displayName", write: adattr.GUID.String, trust: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, fakead.Config{})
			people := d.add(5)
			inner := d.group("inner", people[1])
			outer := d.group("outer", inner, people[2], people[0], people[4])
			must(t, d.Join(inner, outer)) // a circle
			must(t, d.SetPrimaryGroup(people[0], d.DN(outer)))
			must(t, d.SetPrimaryGroup(people[4], d.DN(outer)))
			ids := make([]adattr.GUID, 4) // the last may have none
			for n, id := range people[:4] {
				ids[n] = adattr.GUID(id)
				if tt.attribute != "" {
					ids[n] = guid(byte(n))
					must(t, d.SetAttribute(id, tt.attribute, tt.write(ids[n])))
				}
			}
			if tt.without != "" {
				d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: tt.without})
			}
			cfg := d.config()
			cfg.Identity, cfg.TrustMembers, cfg.Filter = adattr.IdentityOf(tt.attribute), tt.trust, "(objectClass=person)"
			dn := strings.Replace(strings.ToLower(d.DN(outer)), ",", " , ", 1) // another spelling
			cfg.Roles = []Role{{Name: "editor", Group: Group{DN: dn}}, {Name: "direct", Group: Group{DN: d.DN(outer)}, Direct: true}}
			c := d.open(cfg)
			roles, err := c.Roles(t.Context())
			require.NoError(t, err)
			var got []string
			for _, id := range ids {
				got = append(got, strings.Join(roles.Sets()[roles.Of(id)], " "))
			}
			for _, r := range d.Requests() {
				assert.Len(t, slices.Compact(slices.Sorted(slices.Values(r.Attributes))), len(r.Attributes), "asked for once each (RFC 4511, 4.5.1.8)")
				assert.NotContains(t, r.Filter, "objectGUID=*", "everybody has one")
			}
			hasTokens := cfg.Identity.IsActiveDirectory()
			wanted := map[bool][]string{true: {"member"}, false: {"member", "uniqueMember"}}[hasTokens]
			assert.Equal(t, wanted, d.searched("member")[0].Attributes)
			first := map[bool]string{true: "direct editor"}[hasTokens] // others have no primary groups
			assert.Equal(t, []string{first, "editor", "direct editor", ""}, got)
			assert.Empty(t, roles.Unknown())
			isOpen := !hasTokens && !tt.trust
			assert.Equal(t, isOpen, strings.Contains(strings.Join(roles.Warnings(), "\n"), "set TrustMembers"))

			q := roles.Question()
			if isOpen {
				assert.Empty(t, q.Names)
				return
			}
			assert.Equal(t, []string{"direct", "editor"}, q.Names)
			nobody := guid(200)
			proofs, err := c.Prove(t.Context(), q, []adattr.GUID{ids[1], nobody, ids[2], ids[3]})
			require.NoError(t, err)
			assert.Equal(t, 1, d.Opened(), "all on one connection")
			// Who has the group among the tokens may be in it by way of another, or not.
			assert.Equal(t, RoleProof{Has: []bool{false, true}, Lacks: []bool{tt.trust, false}}, proofs[ids[1]])
			assert.Equal(t, RoleProof{Has: []bool{tt.trust, true}, Lacks: []bool{false, false}}, proofs[ids[2]])
			assert.Equal(t, RoleProof{Has: []bool{false, false}, Lacks: []bool{true, true}}, proofs[ids[3]])
			if hasTokens {
				assert.NotContains(t, proofs, nobody)
				for _, r := range d.Requests() {
					if tt.attribute != "" && strings.Contains(r.Filter, "(|("+tt.attribute) {
						assert.Equal(t, []string{tt.attribute}, r.Attributes, "of those whose DN is wanted alone")
					}
					assert.False(t, r.DN == "" && slices.Equal(r.Attributes, tokenAttributes), "nobody's tokenGroups are asked for by no name")
				}
			}
		})
	}
}

// A directory whose members are trusted proves nothing of a role that another of its servers
// does not know.
func TestProve_OfTrustedMembersThatCannotBeSeen(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	people := d.add(2)
	must(t, d.SetAttribute(people[0], "displayName", guid(0).String()))
	sound, lost := d.group("sound", people[1]), d.group("lost", people[1])
	cfg := d.config()
	cfg.Identity, cfg.TrustMembers, cfg.Filter = adattr.IdentityOf("displayName"), true, "(objectClass=person)"
	cfg.Roles = []Role{{Name: "lost", Group: Group{DN: d.DN(lost)}}, {Name: "sound", Group: Group{DN: d.DN(sound)}}}
	roles, err := d.open(cfg).Roles(t.Context())
	require.NoError(t, err)
	must(t, d.Hide(service, d.DN(lost)))
	proofs, err := d.open(cfg).Prove(t.Context(), roles.Question(), []adattr.GUID{guid(0)})
	require.NoError(t, err)
	assert.Equal(t, map[adattr.GUID]RoleProof{guid(0): {Has: []bool{false, false}, Lacks: []bool{false, true}}}, proofs)
}

func TestProve_AsksNothingWhereThereIsNoQuestion(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(1)
	c := d.open(d.config())
	for _, q := range []RoleQuestion{{}, {Names: []string{"editor"}, sids: [][]groupSID{nil}}} {
		var asked []adattr.GUID
		if len(q.Names) == 0 {
			asked = []adattr.GUID{adattr.GUID(ids[0])}
		}
		proofs, err := c.Prove(t.Context(), q, asked)
		require.NoError(t, err)
		assert.Equal(t, map[adattr.GUID]RoleProof{}, proofs)
	}
	assert.Zero(t, d.Opened())
}

// sidOf is a SID: of an account of a domain, of a group of the server's own, or well-known.
func sidOf(parts ...uint32) string {
	sid := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, 5}
	for _, part := range parts {
		sid = binary.LittleEndian.AppendUint32(sid, part)
	}
	return string(sid)
}

// Which groups can prove that somebody lacks a role: those of the account's own domain, and
// the server's own, such as Administrators.
func TestProve_OfGroupsElsewhere(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(1)
	c := d.open(d.config())
	q := RoleQuestion{Names: []string{"no group", "foreign", "builtin", "foreign too"}, sids: [][]groupSID{
		nil, {{sid: sidOf(21, 1, 2, 3, 1104)}}, {{sid: sidOf(32, 999)}}, {{sid: sidOf(32, 999)}, {sid: sidOf(21, 1, 2, 3, 1104)}},
	}}
	id := adattr.GUID(ids[0])
	proofs, err := c.Prove(t.Context(), q, []adattr.GUID{id})
	require.NoError(t, err)
	assert.Equal(t, []bool{false, false, true, false}, proofs[id].Lacks)
	assert.Equal(t, []bool{false, false, false, false}, proofs[id].Has)
	assert.Empty(t, d.searched("(|(objectGUID="), "nobody is looked up by what is a name itself")
	for _, attribute := range []string{"objectSid", "primaryGroupID", "tokenGroups"} {
		cancel := d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{attribute}})
		proofs, err := c.Prove(t.Context(), q, []adattr.GUID{id})
		require.NoError(t, err)
		assert.Empty(t, proofs, "without %s nothing can be believed", attribute)
		cancel()
	}
}

// A role whose groups hold a well-known identity is unknown: nobody lists its members.
func TestRoles_OfEverybody(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(1)
	group := func(dn string) Group { return Group{DN: dn + "," + d.BaseDN()} }
	_, got := d.readRoles(Role{Name: "user", Group: group("CN=Users,CN=Builtin")}, Role{Name: "admin", Group: group("CN=Domain Admins,CN=Users")})
	assert.Equal(t, []string{"user"}, got.Unknown())
	assert.Contains(t, strings.Join(got.Warnings(), "\n"), "hold a well-known identity")
	assert.Equal(t, []string{""}, has(got, ids...))
	assert.Len(t, d.searched("primaryGroupID=512"), 1)
	assert.Empty(t, d.searched("primaryGroupID=545"), "no group of the server's own is a primary one")
}

// What is configured as a group must be one, and say so.
func TestRoles_OfWhatIsNoGroup(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(1)
	group := d.group("role", ids[0])
	_, got := d.readRoles(Role{Name: "person", Group: Group{GUID: adattr.GUID(ids[0])}}, Role{Name: "unit", Group: Group{DN: d.people}})
	assert.Equal(t, []string{"person", "unit"}, got.Unknown())
	assert.Contains(t, strings.Join(got.Warnings(), "\n"), `role "person": its group shows nothing but its name, or is no group`)
	d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"objectGUID"}})
	_, got = d.readRoles(Role{Name: "role", Group: Group{DN: d.DN(group)}})
	assert.Equal(t, []string{"role"}, got.Unknown(), "without its objectGUID nobody is known to be in it")
}

func TestClassOf(t *testing.T) {
	of := func(sid string, classes ...string) class {
		return classOf(ldap.NewEntry("CN=x", map[string][]string{"objectClass": classes, "objectSid": {sid}}))
	}
	assert.Equal(t, classHidden, of(""))
	assert.Equal(t, classGroup, of("", "top", "GROUP"))
	assert.Equal(t, classGroup, of("", "groupOfUniqueNames"))
	assert.Equal(t, classAll, of(sidOf(11), "top", "foreignSecurityPrincipal"), "Authenticated Users")
	assert.Equal(t, classOther, of(sidOf(21, 1, 2, 3, 1104), "top", "foreignSecurityPrincipal"), "somebody of another domain")
	assert.Equal(t, classOther, of("", "top", "person"))
	assert.Equal(t, classOther, of(sidOf(11), "top", "person"))
}

func TestIsAccountSID(t *testing.T) {
	assert.True(t, isAccountSID(sidOf(21, 1, 2, 3, 1104)))
	assert.True(t, isAccountSID(sidOf(21)))
	for _, sid := range []string{"", "\x01", sidOf(11), sidOf(32, 544), sidOf(21)[:11]} {
		assert.False(t, isAccountSID(sid), "%q", sid)
	}
}

func TestFoldDN(t *testing.T) {
	assert.Equal(t, foldDN("CN=Editors,OU=Groups"), foldDN("cn=editors , OU=groups"))
	assert.Equal(t, "no dn", foldDN("No DN"), "one that is none")
	assert.NotEqual(t, foldDN("CN=a,OU=b"), foldDN("CN=a,OU=c"))
}

// Each group is looked at once, however the groups are nested.
func TestGraph_WithinIsEachGroupOnce(t *testing.T) {
	circle := smallGraph(1<<1|1<<(5+0)|1<<(5+2)|1<<(10+0)|1<<2, 0) // 0 and 1, 1 and 2, 2 and 0 in each other
	seen := map[int]int{}
	for n := range circle.within(0, true) {
		seen[n]++
	}
	assert.Equal(t, map[int]int{0: 1, 1: 1, 2: 1}, seen)
}

// tokenGroups tell nothing of distribution groups and of another domain's.
func TestGraph_UnprovableIsOfAnyGroupWithin(t *testing.T) {
	home, abroad, builtin := sidOf(21, 1, 2, 3, 1104), sidOf(21, 9, 9, 9, 1104), sidOf(32, 544)
	for name, tt := range map[string]struct {
		outer, inner string
		kind         uint32
		want         string
	}{
		"both of the domain":        {home, home, kindSecurity, ""},
		"one of another":            {home, abroad, kindSecurity, "another domain"},
		"the server's own":          {builtin, home, kindSecurity, ""},
		"in it the server's own":    {home, builtin, kindSecurity, ""},
		"in it a distribution list": {home, home, 2, "distribution group"},
		"in it one without a SID":   {home, "", kindSecurity, "distribution group"},
	} {
		g := smallGraph(1<<1, 0)
		g.nodes[0].sid, g.nodes[0].kind = tt.outer, kindSecurity|2
		g.nodes[1].sid, g.nodes[1].kind = tt.inner, tt.kind
		got := g.unprovable(0, true, "r")
		assert.Equal(t, tt.want != "", got != "", name)
		assert.Contains(t, got, tt.want, name)
		assert.Empty(t, g.unprovable(0, false, "r"), "not asked for: %s", name)
	}
	other := smallGraph(0, 0)
	other.identity = adattr.IdentityOf("entryUUID")
	assert.Contains(t, other.unprovable(0, true, "r"), "has no tokenGroups")
}
