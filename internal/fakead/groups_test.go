package fakead_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// How groups look over LDAP is compared with Samba in internal/integration/directory.

func createGroup(t *testing.T, s *fakead.Server, g fakead.Group) fakead.GUID {
	t.Helper()
	id, err := s.CreateGroup(g)
	require.NoError(t, err)
	return id
}

func TestGroup_CreatedByMethods(t *testing.T) {
	s := start(t, fakead.Config{})
	anna := addUser(t, s, fakead.User{Username: "anna"})
	unit, err := s.AddOU("Groups", "")
	require.NoError(t, err)
	id := fakead.GUID{1, 2, 3}
	global := createGroup(t, s, fakead.Group{Name: "global", Parent: unit, ID: id, Members: []fakead.GUID{anna, anna}})
	local := createGroup(t, s, fakead.Group{Name: "local", DomainLocal: true, Members: []fakead.GUID{global}})
	letter := createGroup(t, s, fakead.Group{Name: "letter", Distribution: true})
	assert.Equal(t, id, global)
	c := admin(t, s)
	for group, want := range map[fakead.GUID]string{global: "-2147483646", local: "-2147483644", letter: "2"} {
		assert.Equal(t, want, get(t, c, s.DN(group)).GetAttributeValue("groupType"))
	}
	assert.Equal(t, []string{s.DN(anna)}, get(t, c, s.DN(global)).GetAttributeValues("member"))

	assert.Equal(t, global, s.ID("cn=GLOBAL,"+unit))
	assert.Zero(t, s.ID("CN=none,"+unit))
	require.NoError(t, s.Move(s.ID(unit), "CN=Computers,"+s.BaseDN()))
	assert.Equal(t, "CN=global,OU=Groups,CN=Computers,"+s.BaseDN(), s.DN(global))

	require.NoError(t, s.Join(letter, anna))
	require.NoError(t, s.Join(letter, letter))
	require.NoError(t, s.Leave(global, anna))
	assert.Equal(t, []string{s.DN(anna), s.DN(letter)}, get(t, c, s.DN(letter)).GetAttributeValues("member"))
	assert.Empty(t, get(t, c, s.DN(global)).GetAttributeValues("member"))

	for _, wrong := range []fakead.Group{
		{}, {Name: "GLOBAL"}, {Name: "x", ID: id}, {Name: "x", Parent: "OU=none," + s.BaseDN()}, {Name: "x", Members: []fakead.GUID{{9}}},
	} {
		_, err := s.CreateGroup(wrong)
		assert.Error(t, err, "%+v", wrong)
	}
	assert.Error(t, s.Join(anna, letter), "no group")
	assert.Error(t, s.Join(letter, fakead.GUID{9}))
	assert.Error(t, s.SetMembers(s.DN(anna)))
	assert.Error(t, s.SetMembers(s.DN(letter), fakead.GUID{9}))
}

func TestGroup_Primary(t *testing.T) {
	s := start(t, fakead.Config{})
	anna := addUser(t, s, fakead.User{Username: "anna"})
	group := createGroup(t, s, fakead.Group{Name: "group"})
	assert.Error(t, s.SetPrimaryGroup(anna, s.DN(group)), "not before she is a member")
	assert.Error(t, s.SetPrimaryGroup(anna, "CN=none,"+s.BaseDN()))
	assert.Error(t, s.SetAttribute(anna, "primaryGroupID", "1"))
	require.NoError(t, s.Join(group, anna))
	require.NoError(t, s.SetPrimaryGroup(anna, s.DN(group)))
	require.NoError(t, s.SetPrimaryGroup(anna, s.DN(group)), "once more")
	e := get(t, admin(t, s), s.DN(anna))
	assert.Equal(t, []string{"CN=Domain Users,CN=Users," + s.BaseDN()}, e.GetAttributeValues("memberOf"))
}

// Deleted people are in no group: without a recycle bin for good.
func TestGroup_AfterADeletion(t *testing.T) {
	for bin, want := range map[bool]int{false: 0, true: 1} {
		s := start(t, fakead.Config{RecycleBin: bin})
		anna := addUser(t, s, fakead.User{Username: "anna"})
		group := createGroup(t, s, fakead.Group{Name: "group", Members: []fakead.GUID{anna}})
		c := admin(t, s)
		require.NoError(t, s.Delete(anna))
		assert.Empty(t, get(t, c, s.DN(group)).GetAttributeValues("member"))
		require.NoError(t, s.Restore(anna))
		assert.Len(t, get(t, c, s.DN(group)).GetAttributeValues("member"), want)
		assert.Len(t, get(t, c, s.DN(anna)).GetAttributeValues("memberOf"), want)
	}
}

func TestTombstones_SayWhereTheyWere(t *testing.T) {
	s := start(t, fakead.Config{})
	unit, err := s.AddOU("Staff", "")
	require.NoError(t, err)
	anna := addUser(t, s, fakead.User{Username: "anna", Parent: unit})
	require.NoError(t, s.Delete(anna))
	id := s.ID(unit)
	require.NoError(t, s.Delete(id))
	search := query(s, guidFilter(anna), "lastKnownParent")
	search.Controls = showDeleted
	res, err := admin(t, s).Search(search)
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	assert.Equal(t, s.DN(id), res.Entries[0].GetAttributeValue("lastKnownParent"), "also below what is deleted itself")
}

func TestTombstones_Expire(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := start(t, fakead.Config{Now: func() time.Time { return now }})
	early, late := addUser(t, s, fakead.User{Username: "early"}), addUser(t, s, fakead.User{Username: "late"})
	addUser(t, s, fakead.User{Username: "alive"})
	require.NoError(t, s.Delete(early))
	now = now.AddDate(0, 0, 100)
	require.NoError(t, s.Delete(late))
	now = now.AddDate(0, 0, 80)
	usn := s.USN()
	s.ExpireTombstones()
	assert.NotEmpty(t, s.DN(early), "180 days old, and no more")
	now = now.Add(time.Second)
	s.ExpireTombstones()
	assert.Empty(t, s.DN(early))
	assert.NotEmpty(t, s.DN(late))
	assert.Equal(t, usn, s.USN(), "nothing tells of it")
	c := admin(t, s)
	assert.Equal(t, []string{"alive"}, names(t, c, query(s, "(sAMAccountName=alive)")))
	deleted := query(s, "(isDeleted=TRUE)", "cn")
	deleted.Controls = showDeleted
	assert.Len(t, names(t, c, deleted), 2, "the container, and late")
}

func TestAccountExpires(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := start(t, fakead.Config{Now: func() time.Time { return now }})
	anna := addUser(t, s, fakead.User{Username: "anna", Password: "S3cret!"})
	require.NoError(t, s.SetAttribute(anna, "accountExpires", fakead.FileTime(now.Add(time.Hour))))
	as(t, s, "anna", "S3cret!")
	now = now.Add(2 * time.Hour)
	assert.ErrorContains(t, dial(t, s).Bind(`EXAMPLE\anna`, "S3cret!"), "data "+fakead.DataAccountExpired)
}
