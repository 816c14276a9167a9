package ldapread

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// Names remembers what the schema of one directory calls the attributes that were asked
// for. It is shared by all connections to that directory, and safe for concurrent use.
type Names struct {
	mu    sync.Mutex
	known map[string]string // by the lower-case name or OID
}

// of gives the schema's own name of each, if all are known.
func (n *Names) of(attributes []string) (own map[string]string, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	own = make(map[string]string, len(attributes))
	for _, name := range attributes {
		if own[name], ok = n.known[strings.ToLower(name)]; !ok {
			return nil, false
		}
	}
	return own, true
}

func (n *Names) remember(own map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(map[string]string, len(own))
	}
	for asked, name := range own {
		n.known[strings.ToLower(asked)] = name
	}
}

// baseNames are the lower-case names, as Active Directory itself has them, of attributes
// that it always has ([MS-ADA1] to [MS-ADA3]): those that people map. They spare
// reading its schema, which is some hundred kilobytes.
var baseNames = map[string]bool{
	"objectguid": true, "samaccountname": true, "userprincipalname": true, "givenname": true, "sn": true, "cn": true,
	"displayname": true, "mail": true, "telephonenumber": true, "mobile": true, "employeeid": true, "useraccountcontrol": true,
	"title": true, "department": true, "company": true, "division": true, "manager": true, "physicaldeliveryofficename": true,
	"description": true, "initials": true, "employeenumber": true, "employeetype": true, "streetaddress": true, "postalcode": true,
	"l": true, "st": true, "c": true, "co": true, "wwwhomepage": true, "proxyaddresses": true, "memberof": true, "info": true,
}

// capabilityActiveDirectory is what a server lists that is one ([MS-ADTS] 3.1.1.3.4.3.1).
const capabilityActiveDirectory = "1.2.840.113556.1.4.800"

// readNames has the attributes asked for by the names that the schema has for them, under
// which a server answers, whatever other name or OID it was asked with: the value would
// otherwise look empty. An attribute that the schema does not know is an error.
func (s *session) readNames(ctx context.Context) error {
	cfg := *s.cfg
	identity := cfg.Identity.Attribute()
	names := []*string{&identity}
	if cfg.Flag.Attribute != "" {
		names = append(names, &cfg.Flag.Attribute)
	}
	for i := range cfg.Attributes {
		names = append(names, &cfg.Attributes[i])
	}
	cfg.Further = slices.Clone(cfg.Further)
	for i := range cfg.Further {
		names = append(names, &cfg.Further[i].Attribute)
	}
	if cfg.extended() && !s.root.supports(controlExtendedDN) {
		return s.complain(doingSchema, errNoReferences)
	}
	own, err := s.ownNames(ctx, names)
	if err != nil || own == nil {
		return err
	}
	for _, name := range names {
		*name = own[*name]
	}
	if identity != cfg.Identity.Attribute() {
		cfg.Identity = cfg.Identity.Named(identity)
	}
	s.cfg = &cfg
	return nil
}

// ownNames is nil if the names are to be taken as they are.
func (s *session) ownNames(ctx context.Context, names []*string) (own map[string]string, err error) {
	asked := make([]string, len(names))
	ordinary := s.root.isActiveDirectory
	for i, name := range names {
		asked[i] = *name
		ordinary = ordinary && baseNames[strings.ToLower(*name)]
	}
	if ordinary {
		return nil, nil
	}
	if own, ok := s.cfg.Names.of(asked); ok {
		return own, nil
	}
	schema, err := s.readSchema(ctx)
	if err != nil {
		return nil, err
	}
	if len(schema) == 0 {
		s.unknownNames = true
		return nil, nil
	}
	own = make(map[string]string, len(asked))
	for _, name := range asked {
		known, ok := schema[strings.ToLower(name)]
		if !ok {
			return nil, s.complain(doingSchema, fmt.Errorf("the directory has no attribute %q; correct Attributes, Sets, References or DisabledBy", name))
		}
		own[name] = known
	}
	s.cfg.Names.remember(own)
	return own, nil
}

const doingSchema = "reading the schema"

// maxRanges is how many parts a server may send the list of its attributes in.
const maxRanges = 100

var errRanges = fmt.Errorf("the server sent the attributes of its schema in more than %d parts, or not in their order; look at the controller", maxRanges)

// readSchema gives the schema's own name of each attribute by all of its names and its
// OID, in lower case. It is empty if the schema cannot be read.
func (s *session) readSchema(ctx context.Context) (map[string]string, error) {
	schema := map[string]string{}
	next := 0
	for range maxRanges {
		values, last, err := s.attributeTypes(ctx, next)
		if err != nil {
			return nil, err
		}
		for _, value := range values {
			addNames(schema, value)
		}
		if last < 0 {
			return schema, nil
		}
		if last < next {
			break
		}
		next = last + 1
	}
	return nil, s.complain(doingSchema, errRanges)
}

// attributeTypes reads the values from number first on. last is the number of the last of
// them if there are more, and negative otherwise.
func (s *session) attributeTypes(ctx context.Context, first int) (values []string, last int, err error) {
	const attribute = "attributeTypes"
	if s.root.subschema == "" {
		return nil, -1, nil
	}
	asked := attribute
	if first > 0 {
		asked += ";range=" + strconv.Itoa(first) + "-*"
	}
	result, err := s.search(ctx, doingSchema, ldap.NewSearchRequest(s.root.subschema, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{asked}, nil))
	if isUnreadable(err) {
		return nil, -1, nil // that is an answer too
	}
	if err != nil {
		return nil, 0, err
	}
	for _, e := range result.Entries {
		for _, a := range e.Attributes {
			if strings.EqualFold(withoutRange(a.Name), attribute) && len(a.Values) > 0 {
				return a.Values, rangeEnd(a.Name), nil
			}
		}
	}
	return nil, -1, nil
}

// isUnreadable reports the answer of a server that does not show an object.
func isUnreadable(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights,
		ldap.LDAPResultOperationsError, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultReferral, ldap.LDAPResultInvalidDNSyntax)
}

// rangeEnd is the number that a name like "attributeTypes;range=0-1499" ends in, or -1.
func rangeEnd(name string) int {
	_, end, _ := strings.Cut(name[len(withoutRange(name)):], "-")
	if n, err := strconv.Atoi(end); err == nil {
		return n
	}
	return -1
}

// addNames adds an AttributeTypeDescription (RFC 4512, 4.1.2), such as
//
//	( 2.5.4.4 NAME ( 'sn' 'surname' ) SUP name )
//
// A server answers with the first of the names.
func addNames(schema map[string]string, description string) {
	words := schemaWords(description)
	if len(words) < 2 || words[0] != "(" {
		return
	}
	names := []string{}
	for i := 2; i < len(words) && len(names) == 0; i++ {
		if words[i-1] == "NAME" {
			names = namesAt(words[i:])
		}
	}
	own := words[1] // the OID, if there is no name
	if len(names) > 0 {
		own = names[0]
	}
	for _, name := range append(names, words[1]) {
		schema[strings.ToLower(name)] = own
	}
}

// namesAt reads one name, or several in brackets.
func namesAt(words []string) []string {
	switch words[0] {
	case "(":
	case ")":
		return nil
	default:
		return []string{strings.Trim(words[0], "'")}
	}
	var names []string
	for _, word := range words[1:] {
		if word == ")" {
			break
		}
		names = append(names, strings.Trim(word, "'"))
	}
	return names
}

// schemaWords splits a description into brackets, words, and texts in quotes, which keep
// those.
func schemaWords(description string) (words []string) {
	for rest := strings.TrimLeft(description, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		length := strings.IndexAny(rest, " ()'")
		switch {
		case length < 0:
			length = len(rest)
		case length == 0 && rest[0] == '\'':
			if end := strings.IndexByte(rest[1:], '\''); end >= 0 {
				length = end + 2
			} else {
				length = len(rest)
			}
		case length == 0:
			length = 1
		}
		words = append(words, rest[:length])
		rest = rest[length:]
	}
	return words
}
