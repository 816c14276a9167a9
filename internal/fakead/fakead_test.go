package fakead_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync/internal/fakead"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server for one test.
func start(t *testing.T, cfg fakead.Config) *fakead.Server {
	t.Helper()
	s, err := fakead.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// dial connects over ldaps without binding.
func dial(t *testing.T, s *fakead.Server) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(s.ClientTLS()))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetTimeout(time.Minute) // a test that fails should not hang
	return c
}

// admin connects as Administrator.
func admin(t *testing.T, s *fakead.Server) *ldap.Conn {
	t.Helper()
	c := dial(t, s)
	require.NoError(t, c.Bind(s.AdminDN(), s.AdminPassword()))
	return c
}

// as connects as a user of the domain.
func as(t *testing.T, s *fakead.Server, username, password string) *ldap.Conn {
	t.Helper()
	c := dial(t, s)
	require.NoError(t, c.Bind(`EXAMPLE\`+username, password))
	return c
}

func addUser(t *testing.T, s *fakead.Server, u fakead.User) fakead.GUID {
	t.Helper()
	id, err := s.AddUser(u)
	require.NoError(t, err)
	return id
}

// query is a subtree search at the domain.
func query(s *fakead.Server, filter string, attrs ...string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(s.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attrs, nil)
}

// names searches and returns the cn of what was found.
func names(t *testing.T, c *ldap.Conn, req *ldap.SearchRequest) []string {
	t.Helper()
	res, err := c.Search(req)
	require.NoError(t, err)
	out := []string{}
	for _, e := range res.Entries {
		out = append(out, e.GetEqualFoldAttributeValue("cn"))
	}
	return out
}

func crowd(t *testing.T, s *fakead.Server, n int) []fakead.GUID {
	t.Helper()
	ids := make([]fakead.GUID, n)
	for i := range ids {
		ids[i] = addUser(t, s, fakead.User{Username: fmt.Sprintf("u%04d", i)})
	}
	return ids
}

func guidFilter(ids ...fakead.GUID) string {
	out := ""
	for _, id := range ids {
		out += "(objectGUID=" + ldap.EscapeFilter(id.Wire()) + ")"
	}
	return "(|" + out + ")"
}

func code(err error) int {
	if e, ok := err.(*ldap.Error); ok {
		return int(e.ResultCode)
	}
	return -1
}

func TestRootDSE_BeforeBinding(t *testing.T) {
	s := start(t, fakead.Config{})
	c := dial(t, s)
	res, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"DEFAULTNAMINGCONTEXT", "supportedControl"}, nil))
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	assert.Equal(t, s.BaseDN(), res.Entries[0].GetAttributeValue("defaultNamingContext"))
	assert.Contains(t, res.Entries[0].GetAttributeValues("supportedControl"), ldap.ControlTypePaging)
	assert.Len(t, res.Entries[0].Attributes, 2)

	_, err = c.Search(query(s, "(objectClass=*)"))
	assert.Equal(t, 1, code(err), "an unbound search is an operationsError")
}

func TestSeed(t *testing.T) {
	s := start(t, fakead.Config{WithContact: true})
	c := admin(t, s)
	assert.Equal(t, []string{"Administrator", "Guest", "krbtgt"}, names(t, c, query(s, "(sAMAccountType=805306368)")))
	assert.Equal(t, []string{"Administrator", "Guest", "krbtgt", "DC1"}, names(t, c, query(s, "(objectClass=user)")))
	assert.Equal(t, []string{"Administrator", "Guest", "krbtgt", "Contact"}, names(t, c, query(s, "(objectCategory=person)")))
	assert.Equal(t, []string{"Guest", "krbtgt"}, names(t, c, query(s, "(userAccountControl:1.2.840.113556.1.4.803:=2)")))
}

func TestPages_OverThousand(t *testing.T) {
	s := start(t, fakead.Config{})
	crowd(t, s, 2100)
	c := admin(t, s)
	req := query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn")

	res, err := c.Search(req)
	assert.Equal(t, 4, code(err), "an unpaged search beyond the limit is cut")
	assert.Len(t, res.Entries, 1000)

	paging := ldap.NewControlPaging(5000)
	req.Controls = []ldap.Control{paging}
	var sizes []int
	seen := map[string]bool{}
	for {
		res, err := c.Search(req)
		require.NoError(t, err)
		sizes = append(sizes, len(res.Entries))
		for _, e := range res.Entries {
			seen[e.DN] = true
		}
		cookie := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging).Cookie
		if len(cookie) == 0 {
			break
		}
		paging.SetCookie(cookie)
	}
	assert.Equal(t, []int{1000, 1000, 100}, sizes)
	assert.Len(t, seen, 2100)
}

func TestTombstones(t *testing.T) {
	s := start(t, fakead.Config{})
	addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	id := addUser(t, s, fakead.User{Username: "anna", FirstName: "Anna", LastName: "Ash", Email: "a@x.test", Phone: "1"})
	require.NoError(t, s.Delete(id))
	req := query(s, guidFilter(id))
	show := ldap.NewControlString("1.2.840.113556.1.4.417", true, "")

	c := admin(t, s)
	assert.Empty(t, names(t, c, req), "without the control nobody sees it")
	req.Controls = []ldap.Control{show}
	res, err := c.Search(req)
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	e := res.Entries[0]
	assert.Equal(t, `CN=anna\0ADEL:`+id.String()+",CN=Deleted Objects,"+s.BaseDN(), e.DN)
	assert.Equal(t, "anna", e.GetAttributeValue("sAMAccountName"))
	assert.Equal(t, "TRUE", e.GetAttributeValue("isDeleted"))
	assert.Equal(t, "CN=Users,"+s.BaseDN(), e.GetAttributeValue("lastKnownParent"))
	assert.Equal(t, id.Wire(), string(e.GetRawAttributeValue("objectGUID")))
	for _, lost := range []string{"mail", "givenName", "sn", "telephoneNumber", "sAMAccountType", "objectCategory"} {
		assert.Empty(t, e.GetAttributeValues(lost), lost)
	}

	svc := as(t, s, "svc", "Serv1ce!")
	assert.Empty(t, names(t, svc, req), "an ordinary account sees none")
	require.NoError(t, s.GrantTombstones("svc"))
	assert.Len(t, names(t, svc, req), 1)
}

func TestClose_TwiceWithClientsConnected(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	require.Equal(t, 1, s.Connections())
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err := c.Search(query(s, "(cn=x)"))
	assert.Error(t, err)
	assert.Zero(t, s.Connections())
}

func TestMove_KeepsIdentity(t *testing.T) {
	s := start(t, fakead.Config{})
	ou, err := s.AddOU("Staff", "")
	require.NoError(t, err)
	id := addUser(t, s, fakead.User{Username: "anna", Name: `Ash, Anna`})
	require.NoError(t, s.Move(id, ou))
	assert.Equal(t, `CN=Ash\, Anna,OU=Staff,`+s.BaseDN(), s.DN(id))
	c := admin(t, s)
	base := ldap.NewSearchRequest("<GUID="+id.String()+">", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil)
	res, err := c.Search(base)
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	assert.Equal(t, s.DN(id), res.Entries[0].DN)
	base.BaseDN = `cn=ash\2c anna, ou=STAFF,` + s.BaseDN()
	assert.Equal(t, []string{"Ash, Anna"}, names(t, c, base))
}
