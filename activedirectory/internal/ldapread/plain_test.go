package ldapread

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever is found by a filter, or gets a detail, by what may change without the account's
// number is not followed by numbers.
func TestUnnoticed_IsWhatChangesWithoutATrace(t *testing.T) {
	const text = "2.5.5.12"
	schema := map[string][]*ldap.Entry{
		"roomnumber": {ldap.NewEntry("CN=a", map[string][]string{"attributeSyntax": {text}})},
		"2.5.4.9":    {ldap.NewEntry("CN=a", map[string][]string{"attributeSyntax": {text}, "systemFlags": {"16"}})},
		"canonical":  {ldap.NewEntry("CN=a", map[string][]string{"attributeSyntax": {text}, "systemFlags": {"4"}})},
		"linked":     {ldap.NewEntry("CN=a", map[string][]string{"attributeSyntax": {text}, "linkID": {"43"}})},
		"named":      {ldap.NewEntry("CN=a", map[string][]string{"attributeSyntax": {"2.5.5.1"}})},
		"twice":      {ldap.NewEntry("CN=a", map[string][]string{"attributeSyntax": {text}}), ldap.NewEntry("CN=b", map[string][]string{"attributeSyntax": {text}})},
	}
	const dn = "Filter asks for parts of a DN, which change with what is above an account"
	trace := func(name string) string {
		return "Filter or Attributes uses " + name + ", which can change without a trace on the account"
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
		asked  int // of the schema
	}{
		"the usual":                        {func(*Config) {}, "", 0},
		"usual attributes in any case":     {func(c *Config) { c.Filter = "(&(Department=x)(!(TITLE=*))(| (company>=a)(l~=b)))" }, "", 0},
		"an OID":                           {func(c *Config) { c.Filter = "(2.5.4.9=x)" }, "", 1},
		"one of the schema":                {func(c *Config) { c.Filter = "(roomNumber=x)" }, "", 1},
		"the same twice":                   {func(c *Config) { c.Filter, c.Attributes[4] = "(&(roomNumber=x)(ROOMnumber=y))", "roomNumber" }, "", 1},
		"the same twice, apart":            {func(c *Config) { c.Filter, c.Attributes[0] = "(roomNumber=x)", "ROOMNUMBER" }, "", 1},
		"others of the account's own":      {func(c *Config) { c.Filter = "(&(pwdLastSet=0)(objectClass=user))" }, "", 0},
		"an option":                        {func(c *Config) { c.Filter = "(roomNumber;lang-de=x)" }, "", 1},
		"a rule":                           {func(c *Config) { c.Filter = "(userAccountControl:1.2.840.113556.1.4.803:=2)" }, "", 0},
		"the fifteenth of Exchange":        {func(c *Config) { c.Filter = "(extensionAttribute15=x)" }, "", 0},
		"what is not one of Exchange":      {func(c *Config) { c.Filter = "(extensionAttribute16=x)" }, trace("extensionattribute16"), 1},
		"what the schema does not know":    {func(c *Config) { c.Attributes[0] = "unknown" }, trace("unknown"), 1},
		"what it knows twice":              {func(c *Config) { c.Attributes[0] = "twice" }, trace("twice"), 1},
		"what is computed":                 {func(c *Config) { c.Attributes[0] = "canonical" }, trace("canonical"), 1},
		"a link":                           {func(c *Config) { c.Attributes[0] = "linked" }, trace("linked"), 1},
		"a DN":                             {func(c *Config) { c.Attributes[0] = "named" }, trace("named"), 1},
		"the manager":                      {func(c *Config) { c.Filter = "(manager=CN=x)" }, trace("manager"), 1},
		"membership":                       {func(c *Config) { c.Filter = "(!(memberOf=CN=x))" }, trace("memberof"), 1},
		"who is disabled":                  {func(c *Config) { c.Flag = Flag{Attribute: "named", Values: []string{"x"}} }, trace("named"), 1},
		"nobody is":                        {func(c *Config) { c.Flag = Flag{} }, "", 0},
		"when somebody expires":            {func(c *Config) { c.Flag.Expires = true }, "", 0},
		"parts of the DN":                  {func(c *Config) { c.Filter = "(ou:dn:=Sales)" }, dn, 0},
		"parts of the DN, by a rule":       {func(c *Config) { c.Filter = "(ou:DN:2.4.6.8.10:=Sales)" }, dn, 0},
		"any attribute, by a rule":         {func(c *Config) { c.Filter = "(:2.4.6.8.10:=Sales)" }, dn, 0},
		"a value that looks like a filter": {func(c *Config) { c.Filter = `(title=\28manager=x\29)` }, "", 0},
	} {
		var asked atomic.Int32
		cfg := testConfig()
		tt.change(cfg)
		root := map[string][]string{"defaultNamingContext": {"DC=corp"}, "namingContexts": {"DC=corp", "cn=Schema,CN=Configuration,DC=corp"},
			"supportedControl": {controlDomainScope, controlShowDeleted, controlShowRecycled}}
		c := newLiarWith(t, cfg, root, func(q question) []*ldap.Entry {
			asked.Add(1)
			assert.Equal(t, "cn=Schema,CN=Configuration,DC=corp", q.base)
			assert.Equal(t, []string{controlDomainScope}, q.controls, "no attribute is looked for among the deleted")
			_, name, _ := strings.Cut(q.filter, "(lDAPDisplayName=")
			name, _, _ = strings.Cut(name, ")")
			return schema[name]
		})
		require.NoError(t, c.use(t.Context(), func(s *session) error {
			got, err := s.unnoticed(t.Context())
			assert.Equal(t, tt.want, got, name)
			return err
		}))
		assert.EqualValues(t, tt.asked, asked.Load(), name)
		c.Close()
	}
	cfg := testConfig()
	cfg.Attributes[0] = "roomNumber"
	c := newLiar(t, func(string) []*ldap.Entry { return schema["roomnumber"] })
	c.cfg = cfg
	cfg.Auth = simple("svc", servicePassword)
	require.NoError(t, c.use(t.Context(), func(s *session) error {
		got, err := s.unnoticed(t.Context())
		assert.Equal(t, trace("roomnumber"), got, "the server names no schema")
		return err
	}))
}

// What is always an account's own is not asked for, and each name is known but once.
func TestUnnoticed_KnowsWhatIsAlwaysTheAccountsOwn(t *testing.T) {
	asked := 0
	root := map[string][]string{"defaultNamingContext": {"DC=corp"}, "namingContexts": {"CN=Schema,CN=Configuration,DC=corp"}}
	c := newLiarWith(t, testConfig(), root, func(question) []*ldap.Entry { asked++; return nil })
	require.NoError(t, c.use(t.Context(), func(s *session) error {
		trace := func(name string) bool {
			cfg := *s.cfg
			cfg.Filter = "(" + name + "=x)"
			s.cfg, asked = &cfg, 0
			why, err := s.unnoticed(t.Context())
			require.NoError(t, err)
			assert.Equal(t, asked > 0, why != "", name)
			return why != ""
		}
		for name := range plainNames {
			assert.False(t, trace(name), name)
			assert.NotContains(t, baseNames, name)
		}
		for name := range baseNames {
			assert.Equal(t, name == "manager" || name == "memberof", trace(name), name)
		}
		return nil
	}))
}

// The attributes of a schema come in parts that follow each other, and end.
func TestSchema_ComesInParts(t *testing.T) {
	asked := 0
	read := func(parts map[string][]string) (map[string]string, error) {
		var schema map[string]string
		asked = 0
		c := newLiarTo(t, testConfig(), func(q question) []*ldap.Entry {
			asked++
			part := parts[q.attributes[0]]
			if q.base != "cn=Subschema" || len(part) == 0 {
				return nil
			}
			attributes := map[string][]string{part[0]: part[1:], "objectClass": {"subschema"}}
			if part[0] != "attributeTypes" {
				attributes["attributeTypes"] = nil // as a domain controller does
			}
			return []*ldap.Entry{ldap.NewEntry(q.base, attributes)}
		})
		err := c.use(t.Context(), func(s *session) (err error) {
			schema, err = s.readSchema(t.Context())
			return err
		})
		return schema, err
	}
	one := func(n string) string { return "( 1." + n + " NAME 'a" + n + "' )" }
	usual := []string{"sAMAccountName", "givenName", "sn", "mail", "telephoneNumber", "objectGUID", "userAccountControl"}
	first := []string{"attributeTypes;range=0-7"}
	for _, name := range usual {
		first = append(first, "( 2."+name+" NAME '"+name+"' )")
	}
	first = append(first, one("1"))
	schema, err := read(map[string][]string{
		"attributeTypes": first, "attributeTypes;range=8-*": {"attributeTypes;Range=8-8", one("2")}, "attributeTypes;range=9-*": {"ATTRIBUTETYPES;range=9-*", one("3")},
	})
	require.NoError(t, err)
	for _, name := range []string{"a1", "a2", "a3"} {
		assert.Equal(t, name, schema[name])
	}
	schema, err = read(map[string][]string{"attributeTypes": append([]string{"attributeTypes"}, first[1:]...)})
	require.NoError(t, err)
	assert.Len(t, schema, 2*8)
	schema, err = read(map[string][]string{
		"attributeTypes": {"attributeTypes;range=0-0", one("2")}, "attributeTypes;range=1-*": append([]string{"attributeTypes;range=1-*"}, first[1:]...),
	})
	require.NoError(t, err)
	assert.Len(t, schema, 2*9, "the first part has but one")
	for name, next := range map[string]string{"the same again": "attributeTypes;range=0-7", "an earlier end": "attributeTypes;range=8-3"} {
		_, err = read(map[string][]string{"attributeTypes": first, "attributeTypes;range=8-*": append([]string{next}, first[1:]...)})
		assert.ErrorIs(t, err, errRanges, name)
		assert.Equal(t, 2, asked, "%s: nothing is asked for twice", name)
	}
}
