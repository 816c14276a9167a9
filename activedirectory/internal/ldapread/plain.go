package ldapread

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// What an account shows of itself may change without the account's number: membership
// and other links to and from it, its DN, and what the controller computes. Such an
// attribute must not decide who is in scope or what a user gets, or changes go unseen.

// plainNames are the lower-case names of attributes that are an account's own, beyond those
// of baseNames.
var plainNames = map[string]bool{
	"objectclass": true, "objectcategory": true, "objectsid": true, "samaccounttype": true, "accountexpires": true, "name": true, "ou": true,
	"departmentnumber": true, "countrycode": true, "street": true, "middlename": true,
	"othertelephone": true, "homephone": true, "pager": true, "ipphone": true, "facsimiletelephonenumber": true,
	"mailnickname": true, "uid": true, "uidnumber": true, "gidnumber": true, "primarygroupid": true,
	"preferredlanguage": true, "personaltitle": true, "generationqualifier": true, "isdeleted": true, "whencreated": true,
	"usncreated": true, "pwdlastset": true, "lockouttime": true, "admincount": true, "showinadvancedviewonly": true,
	"thumbnailphoto": true, "jpegphoto": true, "serviceprincipalname": true, "ms-ds-consistencyguid": true,
}

// linkNames are those of baseNames that are links.
var linkNames = map[string]bool{"memberof": true, "manager": true}

// extensionAttribute is what Exchange adds fifteen of.
var extensionAttribute = regexp.MustCompile(`^extensionattribute([1-9]|1[0-5])$`)

// filterItem finds the attributes that a filter asks for. A value has no parentheses of its
// own (RFC 4515, 3).
var filterItem = regexp.MustCompile(`\(\s*([A-Za-z0-9.-]*)((?:;[^:=()~<>]*)?)((?::[^=()]*)?)\s*[~<>]?=`)

// unnoticed says which attribute can change without an account's number, or "".
func (s *session) unnoticed(ctx context.Context) (string, error) {
	names := s.cfg.Flag.wanted()
	names = append(names, s.cfg.Attributes[:]...)
	for _, item := range filterItem.FindAllStringSubmatch(s.cfg.Filter, -1) {
		if item[1] == "" || strings.Contains(strings.ToLower(item[3]), ":dn") {
			return "Filter asks for parts of a DN, which change with what is above an account", nil
		}
		names = append(names, item[1])
	}
	for i, name := range names {
		names[i] = strings.ToLower(name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "" || plainNames[name] || baseNames[name] && !linkNames[name] || extensionAttribute.MatchString(name) {
			continue
		}
		isPlain, err := s.isPlain(ctx, name)
		if err != nil {
			return "", err
		}
		if !isPlain {
			return fmt.Sprintf("Filter or Attributes uses %s, which can change without a trace on the account", printable(name)), nil
		}
	}
	return "", nil
}

// syntaxesOfDNs are those of attributes with DNs in their values, by themselves, with a
// binary value or with a text, which is the OR-name's syntax too ([MS-ADTS] 3.1.1.2.2.2).
var syntaxesOfDNs = []string{"2.5.5.1", "2.5.5.7", "2.5.5.14"}

// isPlain asks the schema whether an attribute is stored with the account, is no link and
// no DN, and is the same on all controllers ([MS-ADTS] 3.1.1.2.3).
func (s *session) isPlain(ctx context.Context, name string) (bool, error) {
	i := slices.IndexFunc(s.root.contexts, func(dn string) bool { return strings.HasPrefix(strings.ToUpper(dn), "CN=SCHEMA,") })
	if i < 0 {
		return false, nil
	}
	value := ldap.EscapeFilter(name)
	result, err := s.search(ctx, "reading the schema", ldap.NewSearchRequest(s.root.contexts[i], ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
		"(&(objectClass=attributeSchema)(|(lDAPDisplayName="+value+")(attributeID="+value+")))",
		[]string{"attributeSyntax", "linkID", "systemFlags"}, s.controls(0, nil, false)))
	if err != nil || len(result.Entries) != 1 {
		return false, err
	}
	e := result.Entries[0]
	return isOwn(e.GetEqualFoldAttributeValue("attributeSyntax"), e.GetEqualFoldAttributeValue("linkID"), e.GetEqualFoldAttributeValue("systemFlags")), nil
}

// isOwn is what an attribute's syntax, linkID and systemFlags say of that.
func isOwn(syntax, link, flags string) bool {
	const notReplicated, constructed = 1, 4
	bits := 0
	if flags != "" {
		var err error
		if bits, err = strconv.Atoi(flags); err != nil {
			return false
		}
	}
	return syntax != "" && !slices.Contains(syntaxesOfDNs, syntax) && link == "" && bits&(notReplicated|constructed) == 0
}
