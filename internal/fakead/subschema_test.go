package fakead_test

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// The subschema lists every attribute, in ranges where there are too many, and
// under the OIDs that it lists a client can ask for them.
func TestSubschema(t *testing.T) {
	s := start(t, fakead.Config{MaxValRange: 50})
	addUser(t, s, fakead.User{Username: "anna", LastName: "Berg"})
	c := admin(t, s)
	root, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"subschemaSubentry"}, nil))
	require.NoError(t, err)
	read := func(attribute string) *ldap.EntryAttribute {
		res, err := c.Search(ldap.NewSearchRequest(root.Entries[0].GetAttributeValue("subschemaSubentry"),
			ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
		require.NoError(t, err)
		require.Len(t, res.Entries, 1)
		attributes := res.Entries[0].Attributes
		require.NotEmpty(t, attributes)
		return attributes[len(attributes)-1] // before a range comes the name that was asked for, empty
	}
	first, second := read("attributeTypes"), read("attributetypes;range=50-*")
	assert.Equal(t, "attributeTypes;range=0-49", first.Name)
	assert.Equal(t, "attributeTypes;range=50-*", second.Name)
	all := strings.Join(append(first.Values, second.Values...), "\n")
	assert.Contains(t, all, "( 2.5.4.4 NAME 'sn' ")
	assert.Contains(t, all, "NAME 'unicodePwd'")

	res, err := c.Search(query(s, "(2.5.4.4=berg)", "2.5.4.4"))
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	assert.Equal(t, "Berg", res.Entries[0].GetAttributeValue("sn"), "under the schema's own name")
}
