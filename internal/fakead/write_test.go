package fakead_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

func addGroupWith(t *testing.T, c *ldap.Conn, s *fakead.Server, name string, members ...string) (dn string) {
	t.Helper()
	dn = "CN=" + name + ",CN=Users," + s.BaseDN()
	req := ldap.NewAddRequest(dn, nil)
	req.Attribute("objectClass", []string{"group"})
	req.Attribute("sAMAccountName", []string{name})
	req.Attribute("member", members)
	require.NoError(t, c.Add(req))
	return dn
}

func newUser(dn string, attrs map[string]string) *ldap.AddRequest {
	req := ldap.NewAddRequest(dn, nil)
	req.Attribute("objectClass", []string{"top", "person", "organizationalPerson", "user"})
	for name, value := range attrs {
		req.Attribute(name, []string{value})
	}
	return req
}

func quoted(password string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b.Write([]byte{byte(u), byte(u >> 8)})
	}
	return b.String()
}

func get(t *testing.T, c *ldap.Conn, dn string) *ldap.Entry {
	t.Helper()
	res, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	return res.Entries[0]
}

func TestAdd_OverLDAP(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	dn := "CN=Anna,CN=Users," + s.BaseDN()
	require.NoError(t, c.Add(newUser(dn, map[string]string{"mail": "a@x.test"})))
	e := get(t, c, dn)
	assert.Equal(t, []string{"top", "person", "organizationalPerson", "user"}, e.GetAttributeValues("objectClass"))
	assert.Equal(t, "805306368", e.GetAttributeValue("sAMAccountType"))
	assert.Equal(t, "546", e.GetAttributeValue("userAccountControl"))
	assert.Equal(t, "CN=Person,CN=Schema,CN=Configuration,"+s.BaseDN(), e.GetAttributeValue("objectCategory"))
	assert.Regexp(t, `^\$[0-9A-F]{6}-[0-9A-F]{12}$`, e.GetAttributeValue("sAMAccountName"))
	assert.Equal(t, dn, e.GetAttributeValue("distinguishedName"))
	assert.Equal(t, "Anna", e.GetAttributeValue("name"))
	assert.Len(t, e.GetRawAttributeValue("objectGUID"), 16)
	assert.Len(t, e.GetRawAttributeValue("objectSid"), 28)
	assert.Regexp(t, `^\d{14}\.0Z$`, e.GetAttributeValue("whenCreated"))
	assert.Equal(t, e.GetAttributeValue("uSNCreated"), e.GetAttributeValue("uSNChanged"))
}

func TestAdd_Refusals(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	users := ",CN=Users," + s.BaseDN()
	addUser(t, s, fakead.User{Username: "anna", UPN: "anna@corp.example"})
	for what, tc := range map[string]struct {
		dn   string
		attr map[string]string
		want int
	}{
		"taken DN":             {"cn=ANNA" + users, nil, 68},
		"taken sAMAccountName": {"CN=x" + users, map[string]string{"sAMAccountName": "ANNA"}, 68},
		"taken UPN":            {"CN=x" + users, map[string]string{"userPrincipalName": "Anna@corp.example"}, 19},
		"no parent":            {"CN=x,OU=none," + s.BaseDN(), nil, 32},
		"unknown attribute":    {"CN=x" + users, map[string]string{"bogus": "1"}, 16},
		"server's attribute":   {"CN=x" + users, map[string]string{"objectGUID": "0123456789abcdef"}, 53},
		"empty value":          {"CN=x" + users, map[string]string{"givenName": ""}, 21},
		"too long":             {"CN=x" + users, map[string]string{"givenName": strings.Repeat("x", 65)}, 19},
		"wrong syntax":         {"CN=x" + users, map[string]string{"userAccountControl": "abc"}, 21},
		"wrong RDN type":       {"OU=x" + users, nil, 64},
		"RDN differs from cn":  {"CN=x" + users, map[string]string{"cn": "y"}, 34},
		"bad DN":               {"nonsense", nil, 34},
	} {
		assert.Equal(t, tc.want, code(c.Add(newUser(tc.dn, tc.attr))), what)
	}
	assert.Equal(t, 65, code(c.Add(ldap.NewAddRequest("CN=x"+users, nil))), "no objectClass")
	assert.Empty(t, names(t, c, query(s, "(cn=x)")), "a refused add leaves nothing")
	assert.NoError(t, c.Add(newUser("CN=twin"+users, map[string]string{"mail": "a@x.test"})))
	assert.NoError(t, c.Add(newUser("CN=twin2"+users, map[string]string{"mail": "a@x.test"})), "mail is not unique")
}

func TestModify_OverLDAP(t *testing.T) {
	s := start(t, fakead.Config{})
	addUser(t, s, fakead.User{Username: "anna", Email: "a@x.test", Phone: "1"})
	addUser(t, s, fakead.User{Username: "ben"})
	dn := "CN=anna,CN=Users," + s.BaseDN()
	c := admin(t, s)
	before := get(t, c, dn)
	mod := func(change func(*ldap.ModifyRequest)) int {
		req := ldap.NewModifyRequest(dn, nil)
		change(req)
		if err := c.Modify(req); err != nil {
			return code(err)
		}
		return 0
	}
	assert.Zero(t, mod(func(r *ldap.ModifyRequest) {
		r.Replace("mail", []string{"b@x.test"})
		r.Delete("telephoneNumber", nil)
		r.Add("sn", []string{"Ash"})
	}))
	after := get(t, c, dn)
	assert.Equal(t, "b@x.test", after.GetAttributeValue("mail"))
	assert.Empty(t, after.GetAttributeValue("telephoneNumber"))
	assert.Equal(t, "Ash", after.GetAttributeValue("sn"))
	assert.NotEqual(t, before.GetAttributeValue("uSNChanged"), after.GetAttributeValue("uSNChanged"))

	for what, tc := range map[string]struct {
		want   int
		change func(*ldap.ModifyRequest)
	}{
		"delete what is not there": {16, func(r *ldap.ModifyRequest) { r.Delete("mobile", nil) }},
		"second value":             {20, func(r *ldap.ModifyRequest) { r.Add("mail", []string{"c@x.test"}) }},
		"the RDN":                  {67, func(r *ldap.ModifyRequest) { r.Replace("cn", []string{"x"}) }},
		"the identity":             {19, func(r *ldap.ModifyRequest) { r.Replace("objectGUID", []string{"0123456789abcdef"}) }},
		"empty value":              {21, func(r *ldap.ModifyRequest) { r.Replace("givenName", []string{""}) }},
		"taken name":               {68, func(r *ldap.ModifyRequest) { r.Replace("sAMAccountName", []string{"BEN"}) }},
		"all or nothing":           {16, func(r *ldap.ModifyRequest) { r.Replace("sn", []string{"lost"}); r.Delete("mobile", nil) }},
	} {
		assert.Equal(t, tc.want, mod(tc.change), what)
	}
	assert.Equal(t, "Ash", get(t, c, dn).GetAttributeValue("sn"))
	assert.Zero(t, mod(func(r *ldap.ModifyRequest) { r.Replace("userAccountControl", []string{"2"}) }))
	assert.Equal(t, "514", get(t, c, dn).GetAttributeValue("userAccountControl"))
	assert.Zero(t, mod(func(r *ldap.ModifyRequest) { r.Replace("sAMAccountName", []string{"ANNA"}) }), "its own name in another case")
}

func TestPassword_OverLDAP(t *testing.T) {
	s := start(t, fakead.Config{AllowUnsafe: true})
	c := admin(t, s)
	dn := "CN=svc,CN=Users," + s.BaseDN()
	require.NoError(t, c.Add(newUser(dn, map[string]string{"sAMAccountName": "svc", "unicodePwd": quoted("Fürst1!"), "userAccountControl": "512"})))
	as(t, s, "svc", "Fürst1!")
	assert.Empty(t, get(t, c, dn).GetAttributeValue("unicodePwd"), "nobody reads it")
	reset := ldap.NewModifyRequest(dn, nil)
	reset.Replace("unicodePwd", []string{quoted("Sec0nd!")})
	require.NoError(t, c.Modify(reset))
	as(t, s, "svc", "Sec0nd!")
	change := ldap.NewModifyRequest(dn, nil)
	change.Delete("unicodePwd", []string{quoted("Sec0nd!")})
	change.Add("unicodePwd", []string{quoted("Th1rd!")})
	require.NoError(t, c.Modify(change))
	as(t, s, "svc", "Th1rd!")
	assert.Equal(t, 19, code(c.Modify(change)), "the old password is wrong now")

	plain, err := ldap.DialURL(s.PlainURL())
	require.NoError(t, err)
	defer plain.Close()
	require.NoError(t, plain.Bind(s.AdminDN(), s.AdminPassword()))
	assert.Equal(t, 53, code(plain.Modify(reset)), "never in the clear")
}

func TestModifyDN_OverLDAP(t *testing.T) {
	s := start(t, fakead.Config{})
	id := addUser(t, s, fakead.User{Username: "anna"})
	addUser(t, s, fakead.User{Username: "ben"})
	c := admin(t, s)
	ou := ldap.NewAddRequest("OU=Staff,"+s.BaseDN(), nil)
	ou.Attribute("objectClass", []string{"organizationalUnit"})
	require.NoError(t, c.Add(ou))
	dn := "CN=anna,CN=Users," + s.BaseDN()
	group, err := s.AddGroup("g", id)
	require.NoError(t, err)

	assert.Equal(t, 68, code(c.ModifyDN(ldap.NewModifyDNRequest(dn, "CN=Ben", true, ""))))
	assert.Equal(t, 32, code(c.ModifyDN(ldap.NewModifyDNRequest(dn, "CN=anna", true, "OU=none,"+s.BaseDN()))))
	assert.Equal(t, 64, code(c.ModifyDN(ldap.NewModifyDNRequest(dn, "OU=anna", true, ""))))
	assert.Equal(t, 53, code(c.ModifyDN(ldap.NewModifyDNRequest("CN=Users,"+s.BaseDN(), "CN=People", true, ""))))
	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest(dn, `CN=Ash\, Anna`, true, "OU=Staff,"+s.BaseDN())))
	want := `CN=Ash\, Anna,OU=Staff,` + s.BaseDN()
	assert.Equal(t, want, s.DN(id))
	assert.Equal(t, "Ash, Anna", get(t, c, want).GetAttributeValue("cn"))
	assert.Equal(t, []string{want}, get(t, c, group).GetAttributeValues("member"), "links follow")
	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest("OU=Staff,"+s.BaseDN(), "OU=People", true, "")))
	assert.Equal(t, `CN=Ash\, Anna,OU=People,`+s.BaseDN(), s.DN(id), "what is below moves along")
	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest(s.DN(id), `CN=ASH\2c Anna`, true, "")), "a change of case is a rename")
}

func TestDelete_OverLDAP(t *testing.T) {
	s := start(t, fakead.Config{})
	ou, err := s.AddOU("Staff", "")
	require.NoError(t, err)
	id := addUser(t, s, fakead.User{Username: "anna", Parent: ou})
	c := admin(t, s)
	assert.Equal(t, 66, code(c.Del(ldap.NewDelRequest(ou, nil))))
	assert.Equal(t, 53, code(c.Del(ldap.NewDelRequest("CN=Users,"+s.BaseDN(), nil))))
	assert.Equal(t, 53, code(c.Del(ldap.NewDelRequest(s.BaseDN(), nil))))
	assert.Equal(t, 32, code(c.Del(ldap.NewDelRequest("CN=none,"+ou, nil))))
	require.NoError(t, c.Del(ldap.NewDelRequest(ou, []ldap.Control{ldap.NewControlString("1.2.840.113556.1.4.805", true, "")})))
	assert.Equal(t, `CN=anna\0ADEL:`+id.String()+",CN=Deleted Objects,"+s.BaseDN(), s.DN(id))
	assert.Equal(t, 32, code(c.Del(ldap.NewDelRequest(ou, nil))))
	addUser(t, s, fakead.User{Username: "anna"})
}

func TestReanimate(t *testing.T) {
	s := start(t, fakead.Config{})
	id := addUser(t, s, fakead.User{Username: "anna", Email: "a@x.test"})
	alive := s.DN(id)
	require.NoError(t, s.Delete(id))
	c := admin(t, s)
	show := []ldap.Control{ldap.NewControlString("1.2.840.113556.1.4.417", true, "")}
	back := ldap.NewModifyRequest(s.DN(id), show)
	back.Delete("isDeleted", nil)
	back.Replace("distinguishedName", []string{alive})
	require.NoError(t, c.Modify(back))
	e := get(t, c, alive)
	assert.Equal(t, id.Wire(), string(e.GetRawAttributeValue("objectGUID")))
	assert.Equal(t, "805306368", e.GetAttributeValue("sAMAccountType"))
	assert.Empty(t, e.GetAttributeValue("mail"), "what a tombstone lost stays lost")
	assert.Empty(t, e.GetAttributeValue("isDeleted"))

	require.NoError(t, s.Delete(id))
	require.NoError(t, s.Restore(id))
	assert.Equal(t, alive, s.DN(id))
}

func TestRights_OrdinaryAccountWritesNothing(t *testing.T) {
	s := start(t, fakead.Config{})
	id := addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	c := as(t, s, "svc", "Serv1ce!")
	mod := ldap.NewModifyRequest(s.DN(id), nil)
	mod.Replace("mail", []string{"x@x.test"})
	assert.Equal(t, 50, code(c.Add(newUser("CN=x,CN=Users,"+s.BaseDN(), nil))))
	assert.Equal(t, 50, code(c.Modify(mod)))
	assert.Equal(t, 50, code(c.Del(ldap.NewDelRequest(s.DN(id), nil))))
	assert.Equal(t, 50, code(c.ModifyDN(ldap.NewModifyDNRequest(s.DN(id), "CN=y", true, ""))))
	require.NoError(t, s.GrantAdmin("svc"))
	c = as(t, s, "svc", "Serv1ce!") // groups count from the next bind on
	assert.NoError(t, c.Modify(mod))
	ok, err := c.Compare(s.DN(id), "mail", "X@x.test")
	require.NoError(t, err)
	assert.True(t, ok)
}
