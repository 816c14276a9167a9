package ldapread

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestAddNames(t *testing.T) {
	tests := []struct {
		description string
		want        map[string]string
	}{
		{"( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'RFC2256: last (family) name(s)' SUP name )", map[string]string{"sn": "sn", "surname": "sn", "2.5.4.4": "sn"}},
		{"( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' SINGLE-VALUE )", map[string]string{"samaccountname": "sAMAccountName", "1.2.840.113556.1.4.221": "sAMAccountName"}},
		{"(2.5.4.4 NAME('sn' 'surname')DESC 'x')", map[string]string{"sn": "sn", "surname": "sn", "2.5.4.4": "sn"}},
		{"( 2.5.4.4 DESC 'NAME is not \\27here\\27' SUP name )", map[string]string{"2.5.4.4": "2.5.4.4"}},
		{"( mail-oid NAME 'mail' )", map[string]string{"mail": "mail", "mail-oid": "mail"}},
		{"( 2.5.4.4 NAME )", map[string]string{"2.5.4.4": "2.5.4.4"}},
		{"( 2.5.4.4 NAME ( ) )", map[string]string{"2.5.4.4": "2.5.4.4"}},
		{"( 2.5.4.4 NAME 'sn", map[string]string{"2.5.4.4": "sn", "sn": "sn"}},
		{"( 2.5.4.4 DESC '' NAME 'sn' )", map[string]string{"2.5.4.4": "sn", "sn": "sn"}},
		{"( 2.5.4.4", map[string]string{"2.5.4.4": "2.5.4.4"}},
		{"( 2.5.4.4 NAME", map[string]string{"2.5.4.4": "2.5.4.4"}},
		{"( 2.5.4.4 NAME 'sn' NAME 'other' )", map[string]string{"2.5.4.4": "sn", "sn": "sn"}},
		{"( 2.5.4.4 NAME sn )", map[string]string{"2.5.4.4": "sn", "sn": "sn"}},
		{"( 2.5.4.4 NAME ( 'sn' ) 'x' )", map[string]string{"2.5.4.4": "sn", "sn": "sn"}},
		{"( 2.5.4.4 DESC 'a b' NAME '' )", map[string]string{"2.5.4.4": "", "": ""}},
		{"2.5.4.4 NAME 'sn'", map[string]string{}},
		{"(", map[string]string{}},
		{"", map[string]string{}},
	}
	for _, tt := range tests {
		schema := map[string]string{}
		addNames(schema, tt.description)
		assert.Equal(t, tt.want, schema, tt.description)
	}
}

// Whatever a server says of its schema, reading a name from it ends.
func FuzzAddNames(f *testing.F) {
	f.Add("( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'RFC2256: last (family) name(s)' SUP name )")
	f.Add("('NAME")
	f.Fuzz(func(t *testing.T, description string) {
		schema := map[string]string{}
		addNames(schema, description)
		for name, own := range schema {
			require.Equal(t, strings.ToLower(name), name)
			require.Contains(t, schema, strings.ToLower(own))
		}
		words := strings.Join(schemaWords(description), "")
		require.Equal(t, strings.ReplaceAll(words, " ", ""), strings.ReplaceAll(description, " ", ""))
	})
}

// asked counts the searches of the schema.
func (d *domain) asked() (count int) {
	for _, r := range d.Requests() {
		if strings.HasPrefix(r.DN, "CN=Aggregate") {
			count++
		}
	}
	return count
}

// A server answers under its own name for an attribute, whatever name it was asked with.
func TestSchema_AttributeMappedByItsOIDIsRead(t *testing.T) {
	d := newDomain(t, fakead.Config{MaxValRange: 30})
	ids := d.add(3)
	cfg := d.config()
	cfg.Attributes = [NumValues]string{"1.2.840.113556.1.4.221", "GIVENNAME", "2.5.4.4", "0.9.2342.19200300.100.1.3", "telephoneNumber"}
	cfg.Further = []Further{{"1.2.840.113556.1.2.13", Text}, {"DEPARTMENT", Set}}
	for n, id := range ids {
		must(t, d.SetAttribute(id, "department", fmt.Sprint("Department ", n+1)))
		must(t, d.SetAttribute(id, "displayName", fmt.Sprint("Person ", n+1)))
	}
	cfg.Identity = adattr.IdentityOf("1.2.840.113556.1.4.2")
	c := d.open(cfg)
	accounts, err := list(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, accounts, 3)
	for _, a := range accounts {
		n := a.Values[0][1:]
		assert.Equal(t, [NumValues]string{"u" + n, "First" + n, "Last" + n, "u" + n + "@ad.example.test", "+1 " + n}, a.Values)
		assert.ElementsMatch(t, []More{{Of: NumValues, Text: "Person " + n}, {Of: NumValues + 1, Text: "Department " + n}}, a.More)
	}
	assert.Equal(t, []Further{{"1.2.840.113556.1.2.13", Text}, {"DEPARTMENT", Set}}, cfg.Further, "all connections share what was asked for")
	accounts, err = look(t.Context(), c, ids...)
	require.NoError(t, err)
	assert.Equal(t, "Last1", accounts[0].Values[2])
	accounts, err = c.Search(t.Context(), "Last2", 10)
	require.NoError(t, err)
	assert.Len(t, accounts, 1)

	before := d.asked()
	assert.Greater(t, before, 1, "it comes in parts")
	_, err = list(t.Context(), d.open(cfg))
	require.NoError(t, err)
	assert.Equal(t, before, d.asked(), "what was learned stays for the next connection")
}

// What Active Directory always has, by the names that its schema has for it, is not looked up.
func TestSchema_UsualNamesCostNoRequest(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(1)
	cfg := d.config()
	usual := []string{
		"objectGUID", "sAMAccountName", "userPrincipalName", "givenName", "sn", "cn", "displayName", "mail", "telephoneNumber", "mobile", "employeeID",
		"userAccountControl", "title", "department", "company", "division", "manager", "physicalDeliveryOfficeName", "description", "initials",
		"employeeNumber", "employeeType", "streetAddress", "postalCode", "l", "st", "c", "co", "wWWHomePage", "proxyAddresses", "memberOf", "info",
	}
	require.Len(t, baseNames, len(usual))
	for _, name := range usual {
		cfg.Attributes[4] = name
		_, err := list(t.Context(), d.open(cfg))
		require.NoError(t, err)
		assert.Zero(t, d.asked(), name)
	}
}

// Only Active Directory always has them; others have names of their own for the same.
func TestSchema_OtherDirectoriesTellTheirNames(t *testing.T) {
	types := []string{
		"( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) )", "( 2.5.4.42 NAME ( 'givenName' 'gn' ) )",
		"( 2.5.4.4 NAME ( 'sn' 'surname' ) )", "( 2.5.4.20 NAME 'telephoneNumber' )", "( 1.2 NAME 'objectGUID' )", "( 1.3 NAME 'userAccountControl' )",
	}
	c := newLiar(t, func(filter string) []*ldap.Entry {
		if filter == "(objectClass=*)" {
			return []*ldap.Entry{ldap.NewEntry("cn=Subschema", map[string][]string{"attributeTypes": types})}
		}
		return []*ldap.Entry{ldap.NewEntry("CN=x", map[string][]string{"objectGUID": {wireText(guid(1))}, "mail": {"a@x"}, "sn": {"Berg"}})}
	})
	_, err := list(t.Context(), c)
	require.ErrorContains(t, err, `the directory has no attribute "sAMAccountName"`)
	c.cfg.Attributes = [NumValues]string{"RFC822mailbox", "gn", "surname", "mail", "telephonenumber"}
	accounts, err := list(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, accounts, 1)
	assert.Equal(t, [NumValues]string{"a@x", "", "Berg", "a@x", ""}, accounts[0].Values)
}

// An attribute that the directory does not have is a mistake, not an empty value.
func TestSchema_UnknownAttributeIsAnError(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(1)
	for _, name := range []string{"surname", "telefon", "2.5.4.999"} {
		cfg := d.config()
		cfg.Attributes[2] = name
		c := d.open(cfg)
		wants := fmt.Sprintf("the directory has no attribute %q; correct Attributes", name)
		for range 2 { // nothing of it is remembered
			_, err := list(t.Context(), c)
			require.ErrorContains(t, err, wants)
		}
		_, err := look(t.Context(), c, ids...)
		require.ErrorContains(t, err, wants)
		_, err = c.Search(t.Context(), "Last1", 10)
		require.ErrorContains(t, err, wants)
		_, err = c.Check(t.Context())
		require.ErrorContains(t, err, wants)
	}
	cfg := d.config()
	cfg.Identity = adattr.IdentityOf("entryUUID")
	_, err := list(t.Context(), d.open(cfg))
	assert.ErrorContains(t, err, `the directory has no attribute "entryUUID"`)
}

func TestSchema_UnreadableSchemaIsAWarning(t *testing.T) {
	for name, fault := range map[string]fakead.Fault{
		"hidden":      {Kind: fakead.FaultHide},
		"no object":   {Kind: fakead.FaultResult, Code: ldap.LDAPResultNoSuchObject},
		"not allowed": {Kind: fakead.FaultResult, Code: ldap.LDAPResultInsufficientAccessRights},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, fakead.Config{})
			d.add(1)
			fault.Op, fault.Match = fakead.OpSearch, "CN=Aggregate"
			d.Order(fault)
			cfg := d.config()
			cfg.Attributes[4] = "homePhone"
			c := d.open(cfg)
			accounts, err := list(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, "Last1", accounts[0].Values[2])
			access, err := c.Check(t.Context())
			require.NoError(t, err)
			assert.Contains(t, access.Missing, noSchema)
			assert.Equal(t, 1, d.Opened(), "the connection is still good")
		})
	}
	d := newDomain(t, fakead.Config{})
	d.add(1)
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Match: "CN=Aggregate", Code: 51})
	cfg := d.config()
	cfg.Attributes[4] = "homePhone"
	_, err := list(t.Context(), d.open(cfg))
	assert.ErrorContains(t, err, "reading the schema: LDAP Result Code 51", "it says nothing of the schema")
}

// Where the server names no schema, nobody asks for one.
func TestSchema_IsAskedForWhereItIs(t *testing.T) {
	var bases []string
	r := &recorder{search: func(q *ldap.SearchRequest) (*ldap.SearchResult, error) {
		bases = append(bases, q.BaseDN)
		if q.BaseDN == "" {
			return &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry("", map[string][]string{"defaultNamingContext": {"DC=corp"}})}}, nil
		}
		return &ldap.SearchResult{Controls: []ldap.Control{ldap.NewControlPaging(0)}}, nil
	}}
	cfg := testConfig()
	cfg.Open, cfg.Auth = r.open, simple("svc", servicePassword)
	c := NewController(cfg, Server{Host: "dc1", Port: "389"})
	defer c.Close()
	_, err := list(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, []string{"", "DC=corp"}, bases)
	assert.Contains(t, access(t, c).Missing, noSchema)
}

// What was learned of one set of names stays beside another.
func TestNames_AreRemembered(t *testing.T) {
	var n Names
	_, ok := n.of([]string{"SN"})
	assert.False(t, ok)
	n.remember(map[string]string{"SN": "sn", "2.5.4.42": "givenName"})
	n.remember(map[string]string{"Mail": "mail"})
	own, ok := n.of([]string{"sn", "2.5.4.42", "MAIL"})
	assert.True(t, ok)
	assert.Equal(t, map[string]string{"sn": "sn", "2.5.4.42": "givenName", "MAIL": "mail"}, own)
	own, ok = n.of([]string{"uid", "sn"})
	assert.False(t, ok, "one of them is not known")
	assert.Nil(t, own)
}

func TestRangeEnd(t *testing.T) {
	for name, want := range map[string]int{"attributeTypes;range=0-1499": 1499, "attributeTypes;Range=1500-*": -1, "attributeTypes": -1, "attributeTypes;range=0": -1} {
		assert.Equal(t, want, rangeEnd(name), name)
	}
}
