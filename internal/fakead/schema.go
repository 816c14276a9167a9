package fakead

import (
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
	max     int  // longest value in characters; 0: any
	keep    bool // stays on a tombstone
}

// schemaTable is a selection of the base schema: what people, groups and
// computers carry, and what a sync may ask for.
var schemaTable = []attrType{
	{name: "objectClass", syntax: syntaxClass, multi: true, keep: true},
	{name: "cn", max: 64, keep: true},
	{name: "ou", max: 64, multi: true, keep: true},
	{name: "dc", keep: true},
	{name: "name", server: true, max: 255, keep: true},
	{name: "distinguishedName", syntax: syntaxDN, server: true},
	{name: "objectGUID", syntax: syntaxOctets, server: true, indexed: true, keep: true},
	{name: "objectSid", syntax: syntaxOctets, server: true, indexed: true, keep: true},
	{name: "sAMAccountName", max: 256, indexed: true, keep: true},
	{name: "sAMAccountType", syntax: syntaxInteger, server: true},
	{name: "userAccountControl", syntax: syntaxInteger, keep: true},
	{name: "userPrincipalName", max: 1024, indexed: true},
	{name: "mail", max: 256, indexed: true},
	{name: "givenName", max: 64},
	{name: "sn", max: 64},
	{name: "displayName", max: 256},
	{name: "initials", max: 6},
	{name: "telephoneNumber", max: 64},
	{name: "otherTelephone", max: 64, multi: true},
	{name: "mobile", max: 64},
	{name: "homePhone", max: 64},
	{name: "facsimileTelephoneNumber", max: 64},
	{name: "physicalDeliveryOfficeName", max: 128},
	{name: "description", max: 1024, multi: true},
	{name: "info", max: 1024},
	{name: "title", max: 128},
	{name: "department", max: 64},
	{name: "company", max: 64},
	{name: "employeeID", max: 16},
	{name: "employeeNumber", max: 512},
	{name: "employeeType", max: 256},
	{name: "streetAddress", max: 1024},
	{name: "l", max: 128},
	{name: "st", max: 128},
	{name: "c", max: 3},
	{name: "co", max: 128},
	{name: "postalCode", max: 40},
	{name: "wWWHomePage", max: 2048},
	{name: "proxyAddresses", max: 1123, multi: true},
	{name: "mailNickname", max: 64},
	{name: "extensionAttribute1", max: 1024},
	{name: "extensionAttribute2", max: 1024},
	{name: "uid", max: 256, multi: true},
	{name: "uidNumber", syntax: syntaxInteger},
	{name: "gidNumber", syntax: syntaxInteger},
	{name: "thumbnailPhoto", syntax: syntaxOctets, max: 102400},
	{name: "jpegPhoto", syntax: syntaxOctets, multi: true},
	{name: "userCertificate", syntax: syntaxOctets, multi: true},
	{name: "manager", syntax: syntaxLink},
	{name: "managedBy", syntax: syntaxLink},
	{name: "member", syntax: syntaxLink, multi: true},
	{name: "memberOf", syntax: syntaxLink, multi: true, server: true},
	{name: "groupType", syntax: syntaxInteger, keep: true},
	{name: "objectCategory", syntax: syntaxClass},
	{name: "instanceType", syntax: syntaxInteger, server: true, keep: true},
	{name: "whenCreated", syntax: syntaxTime, server: true, keep: true},
	{name: "whenChanged", syntax: syntaxTime, server: true, keep: true},
	{name: "uSNCreated", syntax: syntaxInteger, server: true, keep: true},
	{name: "uSNChanged", syntax: syntaxInteger, server: true, keep: true},
	{name: "isDeleted", syntax: syntaxBoolean, server: true, keep: true},
	{name: "isRecycled", syntax: syntaxBoolean, server: true, keep: true},
	{name: "lastKnownParent", syntax: syntaxLink, server: true, keep: true},
	{name: "isCriticalSystemObject", syntax: syntaxBoolean, server: true},
	{name: "primaryGroupID", syntax: syntaxInteger},
	{name: "accountExpires", syntax: syntaxInteger},
	{name: "pwdLastSet", syntax: syntaxInteger},
	{name: "lockoutTime", syntax: syntaxInteger},
	{name: "lastLogon", syntax: syntaxInteger, server: true},
	{name: "lastLogonTimestamp", syntax: syntaxInteger, server: true},
	{name: "badPwdCount", syntax: syntaxInteger, server: true},
	{name: "logonCount", syntax: syntaxInteger, server: true},
	{name: "codePage", syntax: syntaxInteger},
	{name: "countryCode", syntax: syntaxInteger},
	{name: "servicePrincipalName", multi: true},
	{name: "dNSHostName", max: 2048},
	{name: "operatingSystem"},
	{name: "mS-DS-ConsistencyGuid", syntax: syntaxOctets, indexed: true},
	{name: "invocationId", syntax: syntaxOctets, server: true},
	{name: "nETBIOSName", server: true},
	{name: "nCName", syntax: syntaxDN, server: true},
	{name: "dnsRoot", server: true},
	{name: "unicodePwd", syntax: syntaxOctets},
}

// classDef is a structural class: its chain of superclasses, and the class
// whose name its objectCategory carries ([MS-ADTS] 3.1.1.2.4.8).
type classDef struct {
	chain    []string
	category string
	rdn      string
}

var classTable = map[string]classDef{
	"user":                 {[]string{"top", "person", "organizationalPerson", "user"}, "Person", "CN"},
	"inetorgperson":        {[]string{"top", "person", "organizationalPerson", "user", "inetOrgPerson"}, "Person", "CN"},
	"computer":             {[]string{"top", "person", "organizationalPerson", "user", "computer"}, "Computer", "CN"},
	"contact":              {[]string{"top", "person", "organizationalPerson", "contact"}, "Person", "CN"},
	"person":               {[]string{"top", "person"}, "Person", "CN"},
	"organizationalperson": {[]string{"top", "person", "organizationalPerson"}, "Person", "CN"},
	"group":                {[]string{"top", "group"}, "Group", "CN"},
	"organizationalunit":   {[]string{"top", "organizationalUnit"}, "Organizational-Unit", "OU"},
	"container":            {[]string{"top", "container"}, "Container", "CN"},
	"domaindns":            {[]string{"top", "domain", "domainDNS"}, "Domain-DNS", "DC"},
	"configuration":        {[]string{"top", "configuration"}, "Configuration", "CN"},
	"dmd":                  {[]string{"top", "dMD"}, "DMD", "CN"},
	"crossref":             {[]string{"top", "crossRef"}, "Cross-Ref", "CN"},
	"server":               {[]string{"top", "server"}, "Server", "CN"},
	"ntdsdsa":              {[]string{"top", "applicationSettings", "nTDSDSA"}, "NTDS-DSA", "CN"},
}

// abstractClasses may be named in an add beside a structural class.
var abstractClasses = map[string]bool{"top": true, "domain": true, "applicationsettings": true}

// schema finds attributes by name, without regard to case, and by OID.
type schema struct{ byName map[string]*attrType }

func newSchema() *schema {
	s := &schema{byName: make(map[string]*attrType, len(schemaTable))}
	for i := range schemaTable {
		t := schemaTable[i]
		s.byName[strings.ToLower(t.name)] = &t
		s.byName[t.name] = &t // spares the usual spelling a conversion
		s.byName[t.oid(i)] = &t
	}
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
		return ok
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
