//go:build linux

package slapd

import (
	"iter"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// Groups of names nest here too. This directory has no tokenGroups, so nobody is taken for
// one who lost a role unless the configuration takes the members of the groups for proof.
func testRoles(t *testing.T, s *server) {
	admin := s.admin(t)
	group := func(name string, members ...string) string {
		dn := "cn=" + name + "," + suffix
		add := ldap.NewAddRequest(dn, nil)
		add.Attribute("objectClass", []string{"groupOfNames"})
		add.Attribute("member", members)
		require.NoError(t, admin.Add(add))
		t.Cleanup(func() { require.NoError(t, admin.Del(ldap.NewDelRequest(dn, nil))) })
		return dn
	}
	inner := group("inner", personDN(1))
	outer := group("outer", strings.ToUpper(inner), personDN(2))
	for _, trust := range []bool{false, true} {
		d := s.directory(t, func(cfg *activedirectory.Config) {
			cfg.Roles = []activedirectory.Role{{Name: "editor", Group: outer}, {Name: "gone", Group: "cn=nobody," + suffix}}
			cfg.TrustMembers = trust
		})
		entries := listed(t, d)
		say := func(sequence iter.Seq2[adsync.Entry, error]) map[string]string {
			said := map[string]string{}
			for e, err := range sequence {
				require.NoError(t, err)
				said[e.Username] = strings.Join(e.Extra.Set(adsync.FieldRoles), " ") + "?" + strings.Join(e.Unknown.Set(adsync.FieldRoles), " ")
			}
			return said
		}
		ids := []adsync.ObjectID{entries["u1"].ObjectID, entries["u2"].ObjectID, entries["u3"].ObjectID}
		assert.Equal(t, map[string]string{"u1": "editor?gone", "u2": "editor?gone", "u3": "?gone"}, say(d.Find(t.Context(), ids)))
		open := map[bool]string{false: "?editor gone", true: "?gone"}[trust]
		assert.Equal(t, map[string]string{"u1": "editor?gone", "u2": "editor?gone", "u3": open}, say(d.ProveRoles(t.Context(), ids)))
		access, err := d.Inspect(t.Context())
		require.NoError(t, err)
		text := strings.Join(access.Missing, "\n")
		assert.Equal(t, !trust, strings.Contains(text, "set TrustMembers"))
		assert.Contains(t, text, `role "gone": its group was not found`)
	}
}
