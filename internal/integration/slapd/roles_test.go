//go:build linux

package slapd

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// addGroup makes a group until the test ends.
func (s *server) addGroup(t *testing.T, name string, members ...string) (dn string) {
	t.Helper()
	dn = "cn=" + name + "," + suffix
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"groupOfNames"})
	add.Attribute("member", members)
	admin := s.admin(t)
	require.NoError(t, admin.Add(add))
	t.Cleanup(func() { require.NoError(t, admin.Del(ldap.NewDelRequest(dn, nil))) })
	return dn
}

// rolesBy are the roles of each person, and after a question mark those that are unknown.
func rolesBy(t *testing.T, entries iter.Seq2[adsync.Entry, error]) map[string]string {
	t.Helper()
	said := map[string]string{}
	for e, err := range entries {
		require.NoError(t, err)
		said[e.Username] = strings.Join(e.Extra.Set(adsync.FieldRoles), " ") + "?" + strings.Join(e.Unknown.Set(adsync.FieldRoles), " ")
	}
	return said
}

// Groups of names nest here too. This directory has no tokenGroups, so nobody is taken for
// one who lost a role unless the configuration takes the members of the groups for proof.
func testRoles(t *testing.T, s *server) {
	inner := s.addGroup(t, "inner", personDN(1))
	outer := s.addGroup(t, "outer", strings.ToUpper(inner), personDN(2))
	for _, trust := range []bool{false, true} {
		d := s.directory(t, func(cfg *activedirectory.Config) {
			cfg.Roles = []activedirectory.Role{{Name: "editor", Group: outer}, {Name: "gone", Group: "cn=nobody," + suffix}}
			cfg.TrustMembers = trust
		})
		entries := listed(t, d)
		ids := []adsync.ObjectID{entries["u1"].ObjectID, entries["u2"].ObjectID, entries["u3"].ObjectID}
		assert.Equal(t, map[string]string{"u1": "editor?gone", "u2": "editor?gone", "u3": "?gone"}, rolesBy(t, d.Find(t.Context(), ids)))
		open := map[bool]string{false: "?editor gone", true: "?gone"}[trust]
		assert.Equal(t, map[string]string{"u1": "editor?gone", "u2": "editor?gone", "u3": open}, rolesBy(t, d.ProveRoles(t.Context(), ids)))
		access, err := d.Inspect(t.Context())
		require.NoError(t, err)
		text := strings.Join(access.Missing, "\n")
		assert.Equal(t, !trust, strings.Contains(text, "set TrustMembers"))
		assert.Contains(t, text, `role "gone": its group was not found`)
	}
}

// With its overlay for memberOf, the server tells of each person which groups it is in: a
// filter may ask for that, and a detail may show it, beside roles by the same groups.
func testMemberOf(t *testing.T, s *server) {
	staff := s.addGroup(t, "staff", personDN(1), personDN(2))
	editors := s.addGroup(t, "editors", staff, personDN(3))
	d := s.directory(t, func(cfg *activedirectory.Config) {
		cfg.Filter = "(&(objectClass=inetOrgPerson)(|(memberOf=" + staff + ")(memberOf=" + editors + ")))"
		cfg.Sets = map[adsync.Field]string{"groups": "memberOf"}
		cfg.Roles = []activedirectory.Role{{Name: "editor", Group: editors}, {Name: "staff", Group: staff}}
		cfg.TrustMembers = true
	})
	entries := listed(t, d)
	require.Len(t, entries, 3)
	assert.Equal(t, []string{staff}, entries["u1"].Extra.Set("groups"), "the groups that it is in itself")
	assert.Equal(t, []string{editors}, entries["u3"].Extra.Set("groups"))
	assert.Equal(t, map[string]string{"u1": "editor staff?", "u2": "editor staff?", "u3": "editor?"}, rolesBy(t, d.Entries(t.Context())))

	// A member that is not there may be a group that is hidden.
	ghosts := s.addGroup(t, "ghosts", "uid=ghost,"+people, personDN(1))
	dangling := s.directory(t, func(cfg *activedirectory.Config) {
		cfg.Roles = []activedirectory.Role{{Name: "ghost", Group: ghosts}, {Name: "direct", Group: ghosts, Direct: true}}
	})
	said := rolesBy(t, dangling.Entries(t.Context()))
	assert.Equal(t, "direct?ghost", said["u1"])
	assert.Equal(t, "?ghost", said["u2"])

	ids := []adsync.ObjectID{entries["u1"].ObjectID, entries["u2"].ObjectID, entries["u3"].ObjectID}
	admin := s.admin(t)
	renamed := strings.Replace(personDN(1), "uid=u1", "uid=first", 1)
	require.NoError(t, admin.ModifyDN(ldap.NewModifyDNRequest(personDN(1), "uid=first", true, "")))
	t.Cleanup(func() { require.NoError(t, admin.ModifyDN(ldap.NewModifyDNRequest(renamed, "uid=u1", true, ""))) })
	leave := ldap.NewModifyRequest(staff, nil)
	leave.Delete("member", []string{personDN(2)})
	require.NoError(t, admin.Modify(leave))
	assert.Equal(t, map[string]string{"first": "editor staff?", "u3": "editor?"}, rolesBy(t, d.Entries(t.Context())))
	assert.Equal(t, map[string]string{"first": "editor staff?", "u2": "?", "u3": "editor?"}, rolesBy(t, d.ProveRoles(t.Context(), ids)), "u2 has lost both")
	for e, err := range d.Find(t.Context(), ids[1:2]) {
		require.NoError(t, err)
		assert.Equal(t, adsync.StateOutOfScope, e.State)
	}
}

// bigGroups are groups of so many people each, who are made for it.
func bigGroups(sizes ...int) (ldif string, groups map[int]string) {
	var b strings.Builder
	groups = map[int]string{}
	for n := range slices.Max(sizes) {
		fmt.Fprintf(&b, "dn: uid=m%d,%s\nobjectClass: inetOrgPerson\nuid: m%[1]d\ncn: m\nsn: m\n\n", n, people)
	}
	for _, size := range sizes {
		groups[size] = fmt.Sprintf("cn=of %d,%s", size, suffix)
		fmt.Fprintf(&b, "dn: %s\nobjectClass: groupOfNames\ncn: of %d\n", groups[size], size)
		for n := range size {
			fmt.Fprintf(&b, "member: uid=m%d,%s\n", n, people)
		}
		b.WriteString("\n")
	}
	return b.String(), groups
}

// TestOpenLDAP_BigGroups reads groups of up to 50,000 members. slapd sends all members of a
// group at once; they are looked up many at a time.
func TestOpenLDAP_BigGroups(t *testing.T) {
	ldif, groups := bigGroups(1, 1500, 1501, 50_000)
	s := start(t, ldif)
	d := s.directory(t, func(cfg *activedirectory.Config) {
		cfg.PageSize = 1000
		for size, group := range groups {
			cfg.Roles = append(cfg.Roles, activedirectory.Role{Name: fmt.Sprint(size), Group: group})
		}
	})
	before := s.searches(t)
	count := map[string]int{}
	for e, err := range d.Entries(t.Context()) {
		require.NoError(t, err)
		require.Empty(t, e.Unknown)
		for _, role := range e.Extra.Set(adsync.FieldRoles) {
			count[role]++
		}
	}
	assert.Equal(t, map[string]int{"1": 1, "1500": 1500, "1501": 1501, "50000": 50_000}, count)
	assert.Less(t, s.searches(t)-before, 1500, "not one for each member")

	// An account that may not ask for names gets the same, one by one.
	d = s.directory(t, func(cfg *activedirectory.Config) {
		cfg.Bind, cfg.PageSize = activedirectory.SimpleBind(blind, secret), 1000
		cfg.Roles = []activedirectory.Role{{Name: "1501", Group: groups[1501]}}
	})
	n := 0
	for e, err := range d.Entries(t.Context()) {
		require.NoError(t, err)
		require.Empty(t, e.Unknown)
		n += len(e.Extra.Set(adsync.FieldRoles))
	}
	assert.Equal(t, 1501, n)
}
