package fakead_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

func TestFilter(t *testing.T) {
	s := start(t, fakead.Config{})
	ou, err := s.AddOU("Staff", "")
	require.NoError(t, err)
	anna := addUser(t, s, fakead.User{Parent: ou, Username: "anna", FirstName: "Änna", LastName: "Ash", Email: "a@x.test", Attributes: map[string][]string{"employeeType": {"a*b(c)"}}})
	ben := addUser(t, s, fakead.User{Parent: ou, Username: "ben", FirstName: "Ben", LastName: "Beech", Email: "b@x.test", Disabled: true, Attributes: map[string][]string{"uidNumber": {"7"}}})
	cleo := addUser(t, s, fakead.User{Parent: ou, Username: "cleo", Email: "A@X.test", Attributes: map[string][]string{"uidNumber": {"10"}}})
	inner, err := s.AddGroup("inner", anna, ben)
	require.NoError(t, err)
	c := admin(t, s)
	outerID := addGroupWith(t, c, s, "outer", inner)

	for filter, want := range map[string][]string{
		"(sAMAccountName=ANNA)":                    {"anna"},
		"(samaccountname=anna)":                    {"anna"},
		"(givenName=äNNA)":                         {"anna"},
		"(mail=a@x.test)":                          {"anna", "cleo"},
		"(mail~=a@x.test)":                         {"anna", "cleo"},
		"(mail=*@x.test)":                          {"anna", "ben", "cleo"},
		"(sn=*s*)":                                 {"anna"},
		"(sn=B*e*h)":                               {"ben"},
		"(sn=B*h*h)":                               {},
		"(sn=ash*ash)":                             {},
		"(givenName=*)":                            {"anna", "ben"},
		`(employeeType=a\2ab\28c\29)`:              {"anna"},
		"(uidNumber>=7)":                           {"ben", "cleo"},
		"(uidNumber<=9)":                           {"ben"},
		"(uidNumber>=8)":                           {"cleo"},
		"(&(mail=*)(sn=ash))":                      {"anna"},
		"(|(cn=anna)(cn=cleo)(cn=nobody))":         {"anna", "cleo"},
		"(&(sAMAccountType=805306368)(!(mail=*)))": {"Administrator", "Guest", "krbtgt"},
		"(&(mail=*)(!(sn=ash)))":                   {"ben", "cleo"},
		"(&(mail=*)(!(sn=*)))":                     {"cleo"},
		"(userAccountControl:1.2.840.113556.1.4.803:=514)":                         {"Guest", "krbtgt", "ben"},
		"(userAccountControl:1.2.840.113556.1.4.804:=8194)":                        {"Guest", "krbtgt", "DC1", "ben"},
		guidFilter(cleo, anna, cleo):                                               {"anna", "cleo"},
		"(memberOf=" + inner + ")":                                                 {"anna", "ben"},
		"(memberOf=CN=outer,CN=Users," + s.BaseDN() + ")":                          {"inner"},
		"(memberOf:1.2.840.113556.1.4.1941:=" + outerID + ")":                      {"anna", "ben", "inner"},
		"(member:1.2.840.113556.1.4.1941:=cn=ANNA," + ou + ")":                     {"inner", "outer"},
		"(member=CN=ben," + ou + ")":                                               {"inner"},
		"(distinguishedName=cn=Anna," + ou + ")":                                   {"anna"},
		"(objectCategory=organizationalUnit)":                                      {"", ""},
		"(objectCategory=CN=Person,CN=Schema,CN=Configuration," + s.BaseDN() + ")": {"Administrator", "Guest", "krbtgt", "anna", "ben", "cleo"},
		// Three-valued logic: what is undefined stays so under NOT.
		"(bogus=1)":                         {},
		"(!(bogus=1))":                      {},
		"(|(bogus=1)(cn=anna))":             {"anna"},
		"(!(|(bogus=1)(cn=anna)))":          {},
		"(&(cn=anna)(!(bogus=1)))":          {},
		"(!(&(bogus=1)(cn=*)))":             {"", "", ""},
		"(&(mail=*)(!(&(bogus=1)(cn=b*))))": {"anna", "cleo"},
		"(&(cn=anna)(!(uidNumber=abc)))":    {},
		"(cn:1.2.3.4:=anna)":                {},
		"(cn:=anna)":                        {"anna"},
		"(isDeleted=TRUE)":                  {},
	} {
		assert.Equal(t, want, names(t, c, query(s, filter)), filter)
	}
	assert.Empty(t, names(t, c, query(s, "(whenCreated>=20990101000000.0Z)")))
	assert.Contains(t, names(t, c, query(s, "(whenCreated<=20990101000000.0Z)")), "anna")
}

// The index must find what a walk over everything finds.
func TestIndex_AgreesWithScan(t *testing.T) {
	s := start(t, fakead.Config{})
	id := addUser(t, s, fakead.User{Username: "anna", Email: "a@x.test"})
	c := admin(t, s)
	check := func(filter string, want ...string) {
		t.Helper()
		if want == nil {
			want = []string{}
		}
		assert.Equal(t, want, names(t, c, query(s, filter)), "by index")
		assert.Equal(t, want, names(t, c, query(s, "(|"+filter+"(givenName=nobody))")), "by scan")
	}
	check("(mail=A@x.TEST)", "anna")
	require.NoError(t, s.SetAttribute(id, "mail", "b@x.test"))
	check("(mail=a@x.test)")
	check("(mail=b@x.test)", "anna")
	require.NoError(t, s.Rename(id, "Anna Ash"))
	check("(&(mail=b@x.test)(cn=anna ash))", "Anna Ash")
	require.NoError(t, s.Delete(id))
	check("(sAMAccountName=anna)")
	again := addUser(t, s, fakead.User{Username: "anna"})
	assert.NotEqual(t, id, again)
	check("(sAMAccountName=anna)", "anna")
	require.NoError(t, s.SetAttribute(again, "sAMAccountName", "other"))
	addUser(t, s, fakead.User{Username: "anna", Name: "third"})
	check("(sAMAccountName=anna)", "third")
}
