package fakead

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// syntax says how the values of an attribute are compared.
type syntax uint8

const (
	syntaxText    syntax = iota // Unicode, case ignored
	syntaxExact                 // case counts
	syntaxInteger               // 32 or 64 bits
	syntaxBoolean               // TRUE or FALSE
	syntaxTime                  // GeneralizedTime
	syntaxOctets                // bytes
	syntaxDN                    // text that is a DN
	syntaxLink                  // a DN that follows its target when it is renamed
	syntaxClass                 // objectClass and objectCategory
)

// attrType is one attribute of the schema.
type attrType struct {
	name    string
	syntax  syntax
	multi   bool // may have several values
	server  bool // made by the server; clients may not write it
	indexed bool
	looked  bool      // a domain controller has an index, though none is needed here
	max     int       // longest value in characters; 0: any
	keep    bool      // stays on a tombstone
	public  bool      // each account may read it of people, see [viewer.byDefault]
	always  bool      // each object has it, which a filter may ask without a right
	local   bool      // each controller has a value of its own
	back    string    // the link whose back-link this is
	forward *attrType // that link; nil for all others
}

// schemaTable is a selection of the base schema: what people, groups and
// computers carry, and what a sync may ask for.
var schemaTable = []attrType{
	{name: "objectClass", syntax: syntaxClass, multi: true, keep: true, public: true, always: true, looked: true},
	{name: "cn", max: 64, keep: true, public: true, looked: true},
	{name: "ou", max: 64, multi: true, keep: true, public: true},
	{name: "dc", keep: true},
	{name: "name", server: true, max: 255, keep: true, public: true, always: true, looked: true},
	{name: "distinguishedName", syntax: syntaxDN, server: true, public: true, always: true},
	{name: "objectGUID", syntax: syntaxOctets, server: true, indexed: true, keep: true, public: true, always: true},
	{name: "objectSid", syntax: syntaxOctets, server: true, indexed: true, keep: true, public: true},
	{name: "sAMAccountName", max: 256, indexed: true, keep: true, public: true},
	{name: "sAMAccountType", syntax: syntaxInteger, server: true, public: true, looked: true},
	{name: "userAccountControl", syntax: syntaxInteger, keep: true},
	{name: "userPrincipalName", max: 1024, indexed: true, public: true},
	{name: "mail", max: 256, indexed: true, public: true},
	{name: "givenName", max: 64, public: true, looked: true},
	{name: "sn", max: 64, public: true, looked: true},
	{name: "displayName", max: 256, public: true},
	{name: "initials", max: 6, public: true},
	{name: "telephoneNumber", max: 64, public: true},
	{name: "otherTelephone", max: 64, multi: true, public: true},
	{name: "mobile", max: 64, public: true},
	{name: "homePhone", max: 64, public: true},
	{name: "facsimileTelephoneNumber", max: 64, public: true},
	{name: "physicalDeliveryOfficeName", max: 128, public: true},
	{name: "description", max: 1024, multi: true, public: true},
	{name: "info", max: 1024, public: true},
	{name: "title", max: 128, public: true},
	{name: "department", max: 64, public: true},
	{name: "company", max: 64, public: true},
	{name: "employeeID", max: 16},
	{name: "employeeNumber", max: 512},
	{name: "employeeType", max: 256},
	{name: "streetAddress", max: 1024, public: true},
	{name: "l", max: 128, public: true},
	{name: "st", max: 128, public: true},
	{name: "c", max: 3, public: true},
	{name: "co", max: 128, public: true},
	{name: "postalCode", max: 40, public: true},
	{name: "wWWHomePage", max: 2048, public: true},
	{name: "proxyAddresses", max: 1123, multi: true, public: true},
	{name: "mailNickname", max: 64},
	{name: "extensionAttribute1", max: 1024},
	{name: "extensionAttribute2", max: 1024},
	{name: "uid", max: 256, multi: true, public: true},
	{name: "uidNumber", syntax: syntaxInteger},
	{name: "gidNumber", syntax: syntaxInteger},
	{name: "thumbnailPhoto", syntax: syntaxOctets, max: 102400, public: true},
	{name: "jpegPhoto", syntax: syntaxOctets, multi: true},
	{name: "userCertificate", syntax: syntaxOctets, multi: true, public: true},
	{name: "manager", syntax: syntaxLink, public: true},
	{name: "directReports", syntax: syntaxLink, multi: true, server: true, back: "manager", public: true},
	{name: "managedBy", syntax: syntaxLink},
	{name: "managedObjects", syntax: syntaxLink, multi: true, server: true, back: "managedBy"},
	{name: "member", syntax: syntaxLink, multi: true},
	{name: "memberOf", syntax: syntaxLink, multi: true, server: true, back: "member"},
	{name: "groupType", syntax: syntaxInteger, keep: true},
	{name: "objectCategory", syntax: syntaxClass, public: true, looked: true},
	{name: "instanceType", syntax: syntaxInteger, server: true, keep: true},
	{name: "whenCreated", syntax: syntaxTime, server: true, keep: true},
	{name: "whenChanged", syntax: syntaxTime, server: true, keep: true, local: true},
	{name: "uSNCreated", syntax: syntaxInteger, server: true, keep: true, local: true},
	{name: "uSNChanged", syntax: syntaxInteger, server: true, keep: true, local: true},
	{name: "isDeleted", syntax: syntaxBoolean, server: true, keep: true},
	{name: "isRecycled", syntax: syntaxBoolean, server: true, keep: true},
	{name: "lastKnownParent", syntax: syntaxLink, server: true, keep: true},
	{name: "isCriticalSystemObject", syntax: syntaxBoolean, server: true},
	{name: "primaryGroupID", syntax: syntaxInteger, public: true},
	{name: "primaryGroupToken", syntax: syntaxInteger, server: true},
	{name: "tokenGroups", syntax: syntaxOctets, multi: true, server: true},
	{name: "accountExpires", syntax: syntaxInteger},
	{name: "pwdLastSet", syntax: syntaxInteger},
	{name: "lockoutTime", syntax: syntaxInteger},
	{name: "lastLogon", syntax: syntaxInteger, server: true, local: true},
	{name: "lastLogonTimestamp", syntax: syntaxInteger, server: true},
	{name: "badPwdCount", syntax: syntaxInteger, server: true, local: true},
	{name: "logonCount", syntax: syntaxInteger, server: true, local: true},
	{name: "codePage", syntax: syntaxInteger, public: true},
	{name: "countryCode", syntax: syntaxInteger, public: true},
	{name: "servicePrincipalName", multi: true, public: true},
	{name: "dNSHostName", max: 2048},
	{name: "operatingSystem"},
	{name: "mS-DS-ConsistencyGuid", syntax: syntaxOctets},
	{name: "invocationId", syntax: syntaxOctets, server: true},
	{name: "nETBIOSName", server: true},
	{name: "nCName", syntax: syntaxDN, server: true},
	{name: "dnsRoot", server: true},
	{name: "msDS-EnabledFeature", syntax: syntaxDN, multi: true, server: true},
	{name: "unicodePwd", syntax: syntaxOctets},
	{name: "nTSecurityDescriptor", syntax: syntaxOctets, server: true},
	{name: "tombstoneLifetime", syntax: syntaxInteger},
	{name: "lDAPDisplayName", server: true},
	{name: "searchFlags", syntax: syntaxInteger},
}

// classDef is a structural class: its chain of superclasses, and the class
// whose name its objectCategory carries ([MS-ADTS] 3.1.1.2.4.8).
type classDef struct {
	chain    []string
	category string
	rdn      string
}

var classTable = map[string]classDef{
	"user":                     {[]string{"top", "person", "organizationalPerson", "user"}, "Person", "CN"},
	"inetorgperson":            {[]string{"top", "person", "organizationalPerson", "user", "inetOrgPerson"}, "Person", "CN"},
	"computer":                 {[]string{"top", "person", "organizationalPerson", "user", "computer"}, "Computer", "CN"},
	"contact":                  {[]string{"top", "person", "organizationalPerson", "contact"}, "Person", "CN"},
	"person":                   {[]string{"top", "person"}, "Person", "CN"},
	"organizationalperson":     {[]string{"top", "person", "organizationalPerson"}, "Person", "CN"},
	"group":                    {[]string{"top", "group"}, "Group", "CN"},
	"organizationalunit":       {[]string{"top", "organizationalUnit"}, "Organizational-Unit", "OU"},
	"attributeschema":          {[]string{"top", "attributeSchema"}, "Attribute-Schema", "CN"},
	"builtindomain":            {[]string{"top", "builtinDomain"}, "Builtin-Domain", "CN"},
	"foreignsecurityprincipal": {[]string{"top", "foreignSecurityPrincipal"}, "Foreign-Security-Principal", "CN"},
	"lostandfound":             {[]string{"top", "lostAndFound"}, "Lost-And-Found", "CN"},
	"ntdsservice":              {[]string{"top", "nTDSService"}, "NTDS-Service", "CN"},
	"container":                {[]string{"top", "container"}, "Container", "CN"},
	"domaindns":                {[]string{"top", "domain", "domainDNS"}, "Domain-DNS", "DC"},
	"configuration":            {[]string{"top", "configuration"}, "Configuration", "CN"},
	"dmd":                      {[]string{"top", "dMD"}, "DMD", "CN"},
	"crossref":                 {[]string{"top", "crossRef"}, "Cross-Ref", "CN"},
	"server":                   {[]string{"top", "server"}, "Server", "CN"},
	"ntdsdsa":                  {[]string{"top", "applicationSettings", "nTDSDSA"}, "NTDS-DSA", "CN"},
}

// abstractClasses may be named in an add along with a structural class.
var abstractClasses = map[string]bool{"top": true, "domain": true, "applicationsettings": true}

// schema finds attributes by name, without regard to case, and by OID.
type schema struct {
	byName    map[string]*attrType
	backLinks []*attrType
}

func newSchema() *schema {
	s := &schema{byName: make(map[string]*attrType, len(schemaTable))}
	for i := range schemaTable {
		t := schemaTable[i]
		s.byName[strings.ToLower(t.name)] = &t
		s.byName[t.name] = &t // spares the usual spelling a conversion
		s.byName[t.oid(i)] = &t
	}
	for _, t := range s.byName {
		if t.back != "" && t.forward == nil {
			t.forward = s.byName[t.back]
			s.backLinks = append(s.backLinks, t)
		}
	}
	slices.SortFunc(s.backLinks, func(a, b *attrType) int { return strings.Compare(a.name, b.name) })
	return s
}

// attr is nil for a name that the schema does not have.
func (s *schema) attr(name string) *attrType {
	if t, ok := s.byName[name]; ok {
		return t
	}
	return s.byName[strings.ToLower(name)]
}

// fits tells whether a value has the attribute's syntax.
func (t *attrType) fits(v string) bool {
	switch t.syntax {
	case syntaxInteger:
		_, err := strconv.ParseInt(v, 10, 64)
		return err == nil
	case syntaxBoolean:
		return v == "TRUE" || v == "FALSE"
	case syntaxTime:
		_, err := parseTime(v)
		return err == nil
	case syntaxDN, syntaxLink:
		_, ok := dnKey(v)
		return ok || t.syntax == syntaxLink && isSpecialDN(v)
	}
	return true
}

// key makes two equal values of the attribute the same string.
func (t *attrType) key(v string) string {
	switch t.syntax {
	case syntaxText, syntaxClass:
		return fold(v)
	case syntaxDN, syntaxLink:
		key, _ := dnKey(v)
		return key
	case syntaxTime:
		at, err := parseTime(v)
		if err == nil {
			return at.UTC().Format(timeLayout)
		}
	case syntaxInteger:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	}
	return v
}

const timeLayout = "20060102150405.0Z"

// parseTime reads GeneralizedTime as filters carry it.
func parseTime(v string) (time.Time, error) {
	at, err := time.Parse(timeLayout, v)
	if err != nil {
		at, err = time.Parse("20060102150405Z", v)
	}
	return at, err
}
