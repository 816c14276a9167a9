package fakead_test

import (
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// What replication and a rollback show over LDAP is compared with Samba in
// internal/integration/directory.

func second(t *testing.T, s *fakead.Server) *fakead.Server {
	t.Helper()
	c, err := s.AddController()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// each pulls in both directions until both have everything.
func converge(t *testing.T, a, b *fakead.Server) {
	t.Helper()
	for range 2 {
		require.NoError(t, a.Pull(b))
		require.NoError(t, b.Pull(a))
	}
}

func TestController_HasANameAndIsTrusted(t *testing.T) {
	a := start(t, fakead.Config{})
	b := second(t, a)
	c, err := ldap.DialURL(b.URL(), ldap.DialWithTLSConfig(a.ClientTLS()))
	require.NoError(t, err, "one authority for all")
	defer c.Close()
	require.NoError(t, c.Bind(a.AdminDN(), a.AdminPassword()))
	res, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"dnsHostName", "dsServiceName"}, nil))
	require.NoError(t, err)
	assert.Equal(t, "dc2.ad.example.test", res.Entries[0].GetAttributeValue("dnsHostName"))
	settings := get(t, c, res.Entries[0].GetAttributeValue("dsServiceName"))
	id := b.InvocationID()
	assert.Equal(t, id.Wire(), string(settings.GetRawAttributeValue("invocationId")))
	assert.NotEqual(t, a.InvocationID(), id)
	assert.Equal(t, []string{"DC1", "DC2"}, names(t, c, query(a, "(sAMAccountName=DC*$)")))
	assert.Error(t, a.Pull(a))
	assert.Error(t, a.Pull(start(t, fakead.Config{})))
}

func TestController_StopsAndStartsAgain(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	s.Stop()
	_, err := c.Search(query(s, "(cn=x)"))
	assert.Error(t, err)
	_, err = ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(s.ClientTLS()))
	assert.Error(t, err)
	s.Restart()
	assert.Empty(t, names(t, admin(t, s), query(s, "(cn=x)")))
}

func TestController_BackupHasANewInvocation(t *testing.T) {
	s := start(t, fakead.Config{RecycleBin: true})
	ids := crowd(t, s, 3)
	backup, usn, before := s.Snapshot(), s.USN(), s.InvocationID()
	everybody := query(s, "(&(objectClass=user)(|(sAMAccountName=u*)(sAMAccountName=later)))", "cn")
	require.NoError(t, s.Delete(ids[0]))
	require.NoError(t, s.SetAttribute(ids[1], "mail", "later@x.test"))
	addUser(t, s, fakead.User{Username: "later"})
	for range 2 {
		s.RestoreBackup(backup)
		assert.NotEqual(t, before, s.InvocationID())
		assert.Equal(t, usn+1, s.USN(), "but for its own object")
		c := admin(t, s)
		assert.Equal(t, []string{"u0000", "u0001", "u0002"}, names(t, c, everybody), "the deleted one is back, the later one never was")
		assert.Empty(t, get(t, c, s.DN(ids[1])).GetAttributeValue("mail"))
		before = s.InvocationID()
		addUser(t, s, fakead.User{Username: "later"})
	}
	s.RollBack(backup)
	assert.Equal(t, usn, s.USN())
}

// Whatever the order in which two controllers hear of it, both end with the same.
func TestPull_SettlesConflicts(t *testing.T) {
	a := start(t, fakead.Config{})
	unit, err := a.AddOU("Staff", "")
	require.NoError(t, err)
	anna := addUser(t, a, fakead.User{Username: "anna", Email: "a@x.test"})
	group, err := a.AddGroup("group", anna)
	require.NoError(t, err)
	b := second(t, a)
	same := func(dn string) (of [2]*ldap.Entry) {
		t.Helper()
		for i, s := range []*fakead.Server{a, b} {
			of[i] = get(t, admin(t, s), dn)
		}
		return of
	}

	require.NoError(t, a.SetAttribute(anna, "mail", "older@x.test"))
	require.NoError(t, b.SetAttribute(anna, "mail", "newer@x.test"))
	converge(t, a, b)
	for _, e := range same(a.DN(anna)) {
		assert.Equal(t, "newer@x.test", e.GetAttributeValue("mail"))
	}

	twinA := addUser(t, a, fakead.User{Name: "twin", Username: "twin-a", Parent: unit})
	twinB := addUser(t, b, fakead.User{Name: "twin", Username: "twin-b", Parent: unit})
	converge(t, a, b)
	for _, id := range []fakead.GUID{twinA, twinB} {
		assert.NotEmpty(t, a.DN(id))
		assert.NotEmpty(t, b.DN(id))
	}
	assert.Len(t, names(t, admin(t, a), query(a, "(sAMAccountName=twin-*)")), 2)
	assert.Len(t, names(t, admin(t, b), query(a, "(sAMAccountName=twin-*)")), 2)

	empty, err := a.AddOU("Empty", "")
	require.NoError(t, err)
	converge(t, a, b)
	del := ldap.NewDelRequest(empty, nil)
	require.NoError(t, admin(t, a).Del(del))
	lost := addUser(t, b, fakead.User{Username: "lost", Parent: empty})
	require.NoError(t, a.Pull(b))
	require.Equal(t, "CN=lost,CN=LostAndFound,"+a.BaseDN(), a.DN(lost), "its container is deleted here")
	converge(t, a, b)
	assert.Equal(t, a.DN(lost), b.DN(lost))

	require.NoError(t, a.Delete(anna))
	require.NoError(t, b.SetMembers(group, anna, twinB))
	require.NoError(t, b.SetAttribute(anna, "sn", "Ash"))
	converge(t, a, b)
	for _, e := range same(group) {
		assert.Equal(t, []string{a.DN(twinB)}, e.GetAttributeValues("member"))
	}
	assert.Contains(t, a.DN(anna), "CN=Deleted Objects")
	assert.Equal(t, a.DN(anna), b.DN(anna))

	require.NoError(t, a.Purge(anna))
	converge(t, a, b)
	assert.Empty(t, a.DN(anna), "nobody comes back from a tombstone of others")
}

func TestPull_BringsWhatIsNoAttribute(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := start(t, fakead.Config{Now: func() time.Time { return now }})
	svc := addUser(t, a, fakead.User{Username: "svc", Password: "F1rst!"})
	anna := addUser(t, a, fakead.User{Username: "anna", Email: "a@x.test"})
	group, err := a.AddGroup("group")
	require.NoError(t, err)
	b := second(t, a)
	e := get(t, admin(t, b), b.DN(anna))
	assert.NotEqual(t, get(t, admin(t, a), a.DN(anna)).GetAttributeValue("uSNChanged"), e.GetAttributeValue("uSNChanged"), "each has its own from the beginning")

	require.NoError(t, a.SetPassword(svc, "Sec0nd!"))
	require.NoError(t, a.Deny("svc", a.DN(anna), "mail"))
	now = now.Add(time.Hour)
	require.NoError(t, b.Pull(a))
	e = get(t, as(t, b, "svc", "Sec0nd!"), b.DN(anna))
	assert.Empty(t, e.GetAttributeValue("mail"), "rights")
	assert.Equal(t, "20260101000000.0Z", e.GetAttributeValue("whenChanged"), "when it was changed, not when it came")

	require.NoError(t, a.SetMembers(group, anna))
	require.NoError(t, b.Delete(anna))
	require.NoError(t, b.Pull(a))
	require.NoError(t, b.Restore(anna))
	assert.Empty(t, get(t, admin(t, b), group).GetAttributeValues("member"), "a deleted object joins nothing")
}

func TestPull_WhileBothAreRead(t *testing.T) {
	a := start(t, fakead.Config{})
	ids := crowd(t, a, 20)
	b := second(t, a)
	kept := b.Snapshot()
	var readers sync.WaitGroup
	for _, s := range []*fakead.Server{a, b} {
		readers.Go(func() {
			for range 20 {
				c, err := ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(s.ClientTLS()))
				if err != nil {
					continue // rolled back just now
				}
				if c.Bind(s.AdminDN(), s.AdminPassword()) == nil {
					_, _ = c.Search(query(a, "(objectClass=user)"))
				}
				_ = c.Close()
			}
		})
	}
	for i, id := range ids {
		require.NoError(t, a.SetAttribute(id, "sn", "Ash"))
		require.NoError(t, b.Pull(a))
		if i%5 == 0 {
			b.RollBack(kept)
			require.NoError(t, b.Pull(a), "it learns again what it forgot")
		}
	}
	readers.Wait()
	assert.Len(t, names(t, admin(t, b), query(a, "(&(objectClass=user)(sn=Ash))")), 20)
}
