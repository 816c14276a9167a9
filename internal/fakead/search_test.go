package fakead_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

func attributeNames(e *ldap.Entry) []string {
	out := []string{}
	for _, a := range e.Attributes {
		out = append(out, a.Name)
	}
	return out
}

func TestSearch_AttributeSelection(t *testing.T) {
	s := start(t, fakead.Config{})
	addUser(t, s, fakead.User{Username: "anna", Email: "a@x.test"})
	c := admin(t, s)
	one := func(typesOnly bool, attrs ...string) *ldap.Entry {
		req := query(s, "(cn=anna)", attrs...)
		req.TypesOnly = typesOnly
		res, err := c.Search(req)
		require.NoError(t, err)
		require.Len(t, res.Entries, 1)
		return res.Entries[0]
	}
	assert.Equal(t, []string{"sAMAccountName", "mail"}, attributeNames(one(false, "SAMACCOUNTNAME", "bogus", "Mail", "sn", "mail")))
	assert.Empty(t, attributeNames(one(false, "1.1")))
	for _, all := range []*ldap.Entry{one(false), one(false, "*")} {
		assert.Subset(t, attributeNames(all), []string{"objectClass", "cn", "mail", "objectGUID", "distinguishedName"})
	}
	types := one(true, "mail")
	assert.Equal(t, []string{"mail"}, attributeNames(types))
	assert.Empty(t, types.Attributes[0].Values)
}

func TestSearch_Scopes(t *testing.T) {
	s := start(t, fakead.Config{})
	ou, err := s.AddOU("Staff", "")
	require.NoError(t, err)
	below, err := s.AddOU("Below", ou)
	require.NoError(t, err)
	addUser(t, s, fakead.User{Username: "anna", Parent: ou})
	addUser(t, s, fakead.User{Username: "ben", Parent: below})
	c := admin(t, s)
	for scope, want := range map[int][]string{
		ldap.ScopeBaseObject:   {},
		ldap.ScopeSingleLevel:  {"anna"},
		ldap.ScopeWholeSubtree: {"anna", "ben"},
	} {
		req := query(s, "(objectClass=user)")
		req.BaseDN, req.Scope = ou, scope
		assert.Equal(t, want, names(t, c, req), scope)
		req.Filter = "(|(cn=anna)(cn=ben))"
		assert.Equal(t, want, names(t, c, req), scope)
	}
}

func TestSearch_Bases(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	search := func(base string) error {
		req := query(s, "(objectClass=*)")
		req.BaseDN = base
		_, err := c.Search(req)
		return err
	}
	err := search("CN=a,OU=none,CN=Users," + s.BaseDN())
	require.Equal(t, 32, code(err))
	assert.Equal(t, "CN=Users,"+s.BaseDN(), err.(*ldap.Error).MatchedDN)
	assert.Equal(t, 34, code(search("nonsense")))
	assert.Equal(t, 34, code(search("<BOGUS=1>")))
	assert.Equal(t, 32, code(search("<GUID=00000000-0000-0000-0000-000000000001>")))
	assert.Equal(t, 10, code(search("DC=elsewhere,DC=example")))
	assert.Equal(t, 32, code(search("")), "a subtree at the root of all")
	assert.Equal(t, 32, code(search("CN=Deleted Objects,"+s.BaseDN())), "without the control")
	assert.NoError(t, search("<WKGUID=A9D1CA15768811D1ADED00C04FD8D5CD,"+s.BaseDN()+">"))
}

func TestSearch_Referrals(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	req := query(s, "(cn=Administrator)")
	res, err := c.Search(req)
	require.NoError(t, err)
	assert.Contains(t, res.Referrals, "ldaps://ad.example.test/CN=Configuration,"+s.BaseDN())
	assert.Len(t, res.Referrals, 3)
	req.Controls = []ldap.Control{ldap.NewControlString("1.2.840.113556.1.4.1339", true, "")}
	res, err = c.Search(req)
	require.NoError(t, err)
	assert.Empty(t, res.Referrals)
	req.Controls, req.BaseDN = nil, "CN=Users,"+s.BaseDN()
	res, err = c.Search(req)
	require.NoError(t, err)
	assert.Empty(t, res.Referrals)
}

func TestSearch_LeavesOutOtherPartitions(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	assert.Empty(t, names(t, c, query(s, "(cn=NTDS Settings)")))
	req := query(s, "(invocationId=*)")
	req.BaseDN = "CN=Configuration," + s.BaseDN()
	assert.Equal(t, []string{"NTDS Settings"}, names(t, c, req))
}

func TestSearch_RangesOfMembers(t *testing.T) {
	s := start(t, fakead.Config{})
	group, err := s.AddGroup("big", crowd(t, s, 3200)...)
	require.NoError(t, err)
	c := admin(t, s)
	got := map[string]bool{}
	next := "member"
	var seen []string
	for next != "" {
		req := query(s, "(objectClass=*)", next)
		req.BaseDN, req.Scope = group, ldap.ScopeBaseObject
		res, err := c.Search(req)
		require.NoError(t, err)
		attributes := res.Entries[0].Attributes
		a := attributes[len(attributes)-1]
		if next == "member" {
			assert.Equal(t, []string{"member", "member;range=0-1499"}, attributeNames(res.Entries[0]))
			assert.Empty(t, attributes[0].Values, "as Windows answers")
		}
		seen = append(seen, a.Name)
		for _, v := range a.Values {
			got[v] = true
		}
		var first, last int
		next = ""
		if _, err := fmt.Sscanf(a.Name, "member;range=%d-%d", &first, &last); err == nil {
			next = fmt.Sprintf("member;range=%d-*", last+1)
		}
	}
	assert.Equal(t, []string{"member;range=0-1499", "member;range=1500-2999", "member;range=3000-*"}, seen)
	assert.Len(t, got, 3200)
}

func TestSearch_UnknownCriticalControl(t *testing.T) {
	unknown := []ldap.Control{ldap.NewControlString("1.2.3.4", true, "")}
	t.Run("refused", func(t *testing.T) {
		s := start(t, fakead.Config{RefuseUnknownControls: true})
		req := query(s, "(cn=x)")
		req.Controls = unknown
		_, err := admin(t, s).Search(req)
		assert.Equal(t, 12, code(err))
		req.Controls = []ldap.Control{ldap.NewControlString("1.2.3.4", false, "")}
		_, err = admin(t, s).Search(req)
		assert.NoError(t, err, "not critical")
	})
	t.Run("never answered", func(t *testing.T) {
		s := start(t, fakead.Config{})
		c := admin(t, s)
		c.SetTimeout(50 * time.Millisecond)
		req := query(s, "(cn=x)")
		req.Controls = unknown
		_, err := c.Search(req)
		assert.Equal(t, ldap.ErrorNetwork, code(err))
		req.Controls = nil
		c.SetTimeout(time.Minute)
		_, err = c.Search(req)
		assert.NoError(t, err, "the connection goes on")
	})
}

func TestRecycleBin(t *testing.T) {
	s := start(t, fakead.Config{RecycleBin: true})
	id := addUser(t, s, fakead.User{Username: "anna", Email: "a@x.test"})
	require.NoError(t, s.Delete(id))
	c := admin(t, s)
	find := func(control string) []*ldap.Entry {
		req := query(s, guidFilter(id))
		req.Controls = []ldap.Control{ldap.NewControlString(control, true, "")}
		res, err := c.Search(req)
		require.NoError(t, err)
		return res.Entries
	}
	const deleted, recycled = "1.2.840.113556.1.4.417", "1.2.840.113556.1.4.2064"
	require.Len(t, find(deleted), 1)
	assert.Equal(t, "a@x.test", find(deleted)[0].GetAttributeValue("mail"))
	assert.Empty(t, find(deleted)[0].GetAttributeValue("sAMAccountType"))
	require.NoError(t, s.Recycle(id))
	assert.Empty(t, find(deleted))
	require.Len(t, find(recycled), 1)
	assert.Empty(t, find(recycled)[0].GetAttributeValue("mail"))
	require.NoError(t, s.Purge(id))
	assert.Empty(t, find(recycled))
}

func TestRights(t *testing.T) {
	s := start(t, fakead.Config{})
	ou, err := s.AddOU("Secret", "")
	require.NoError(t, err)
	addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	anna := addUser(t, s, fakead.User{Username: "anna", Parent: ou, Email: "a@x.test"})
	ben := addUser(t, s, fakead.User{Username: "ben", Email: "b@x.test"})
	c := as(t, s, "svc", "Serv1ce!")
	people := query(s, "(sAMAccountType=805306368)")
	assert.Equal(t, []string{"Administrator", "Guest", "krbtgt", "svc", "anna", "ben"}, names(t, c, people))

	require.NoError(t, s.Hide("svc", ou))
	assert.Equal(t, []string{"Administrator", "Guest", "krbtgt", "svc", "ben"}, names(t, c, people))
	assert.Empty(t, names(t, c, query(s, guidFilter(anna))), "an empty success")
	assert.Equal(t, []string{"anna"}, names(t, admin(t, s), query(s, guidFilter(anna))), "only this account")
	base := query(s, "(objectClass=*)")
	base.BaseDN = ou
	res, err := c.Search(base)
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	assert.Empty(t, res.Entries[0].Attributes, "its parent still shows the bare name")
	base.BaseDN = s.DN(anna)
	_, err = c.Search(base)
	assert.Equal(t, 32, code(err))
	require.NoError(t, s.Unhide("svc"))
	assert.Equal(t, []string{"anna"}, names(t, c, query(s, guidFilter(anna))))

	require.NoError(t, s.Withhold("svc", "mail"))
	res, err = c.Search(query(s, guidFilter(ben), "mail", "cn"))
	require.NoError(t, err)
	assert.Equal(t, []string{"cn"}, attributeNames(res.Entries[0]))
	assert.Empty(t, names(t, c, query(s, "(mail=b@x.test)")))
	assert.Equal(t, []string{"ben"}, names(t, c, query(s, "(&(cn=ben)(!(mail=b@x.test)))")), "as if there were none")

	assert.Error(t, s.Hide("nobody", ou))
	assert.Error(t, s.Hide("svc", "OU=none,"+s.BaseDN()))
	assert.Error(t, s.Withhold("svc", "bogus"))
}

func TestTombstones_ContainerAsBase(t *testing.T) {
	s := start(t, fakead.Config{})
	addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	id := addUser(t, s, fakead.User{Username: "anna"})
	require.NoError(t, s.Delete(id))
	req := query(s, "(objectClass=user)")
	req.BaseDN = "<WKGUID=18E2EA80684F11D2B9AA00C04F79F805," + s.BaseDN() + ">"
	req.Controls = []ldap.Control{ldap.NewControlString("1.2.840.113556.1.4.417", true, "")}
	c := as(t, s, "svc", "Serv1ce!")
	assert.Empty(t, names(t, c, req))
	require.NoError(t, s.GrantTombstones("svc"))
	assert.Equal(t, []string{"anna\nDEL:" + id.String()}, names(t, c, req))
	require.NoError(t, s.RevokeTombstones("svc"))
	assert.Empty(t, names(t, c, req))
}
