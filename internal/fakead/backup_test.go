package fakead_test

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

func TestRestoreBackup(t *testing.T) {
	s := start(t, fakead.Config{RecycleBin: true})
	ids := crowd(t, s, 3)
	c := admin(t, s)
	read := func(base, name string) string {
		res, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{name}, nil))
		require.NoError(t, err)
		return res.Entries[0].GetAttributeValue(name)
	}
	settings := "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration," + s.BaseDN()
	backup, usn, before := s.USN(), read("", "highestCommittedUSN"), read(settings, "invocationId")

	require.NoError(t, s.Delete(ids[0]))
	_, err := s.AddUser(fakead.User{Username: "later"})
	require.NoError(t, err)
	assert.NotEqual(t, usn, read("", "highestCommittedUSN"))
	s.RestoreBackup(backup)

	assert.Equal(t, usn, read("", "highestCommittedUSN"))
	assert.NotEqual(t, before, read(settings, "invocationId"))
	_, found, err := pages(c, query(s, "(&(objectClass=user)(|(sAMAccountName=u*)(sAMAccountName=later)))", "cn"), 10)
	require.NoError(t, err)
	assert.Len(t, found, 3, "the deleted one is back, the later one never was")
}
