package fakead

import (
	"slices"
	"strconv"
	"strings"
)

// rootDSE answers what a client may know before it binds ([MS-ADTS]
// 3.1.1.3.2).
func (c *conn) rootDSE(req *request) []message {
	if f, ordered := req.fault(FaultResult); ordered {
		return req.fail(f.Code, f.Text)
	}
	if _, hidden := req.fault(FaultHide); hidden {
		return req.done(nil)
	}
	w := &berWriter{}
	body := w.open(tagSearchEntry)
	w.text("")
	list := w.open(tagSequence)
	attributes := c.server.rootAttributes()
	if slices.ContainsFunc(req.query.attrs, func(a string) bool { return strings.EqualFold(a, "tokenGroups") }) {
		attributes = append(attributes, rootToken(c.who)...)
	}
	for _, a := range attributes {
		if !asksFor(req.query.attrs, a.name) || req.withholds(a.name) {
			continue
		}
		one := w.open(tagSequence)
		w.text(a.name)
		set := w.open(tagSet)
		if !req.query.typesOnly {
			for _, v := range a.vals {
				if a.name != "supportedControl" || req.knows(v) {
					w.text(v)
				}
			}
		}
		w.close(set)
		w.close(one)
	}
	w.close(list)
	w.close(body)
	req.log.Entries = 1
	return append([]message{{op: w.buf}}, req.done(nil)...)
}

func asksFor(attrs []string, name string) bool {
	return len(attrs) == 0 || slices.ContainsFunc(attrs, func(a string) bool {
		return a == "*" || strings.EqualFold(a, name)
	})
}

// rootToken is the groups of who is bound, which have to be asked for by name.
func rootToken(who *identity) []rootAttribute {
	if who == nil {
		return nil
	}
	return []rootAttribute{{"tokenGroups", who.sids}}
}

type rootAttribute struct {
	name string
	vals []string
}

func (s *Server) rootAttributes() []rootAttribute {
	s.mu.RLock()
	defer s.mu.RUnlock()
	server := "CN=" + s.name + "," + sites + s.baseDN
	host := strings.ToLower(s.name)
	return []rootAttribute{
		{"currentTime", []string{s.tree.stamp()}},
		{"subschemaSubentry", []string{s.subschemaDN()}},
		{"dsServiceName", []string{"CN=NTDS Settings," + server}},
		{"namingContexts", []string{
			s.baseDN, "CN=Configuration," + s.baseDN, "CN=Schema,CN=Configuration," + s.baseDN,
			"DC=DomainDnsZones," + s.baseDN, "DC=ForestDnsZones," + s.baseDN,
		}},
		{"defaultNamingContext", []string{s.baseDN}},
		{"schemaNamingContext", []string{"CN=Schema,CN=Configuration," + s.baseDN}},
		{"configurationNamingContext", []string{"CN=Configuration," + s.baseDN}},
		{"rootDomainNamingContext", []string{s.baseDN}},
		{"supportedControl", supportedControls},
		{"supportedExtension", []string{oidStartTLS, oidWhoAmI}},
		{"supportedLDAPVersion", []string{"3", "2"}},
		{"supportedLDAPPolicies", []string{"MaxPageSize", "MaxValRange"}},
		{"supportedSASLMechanisms", []string{"GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"}},
		{"supportedCapabilities", []string{
			"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1791",
			"1.2.840.113556.1.4.1935", "1.2.840.113556.1.4.2080",
		}},
		{"highestCommittedUSN", []string{strconv.FormatInt(s.tree.usn, 10)}},
		{"dnsHostName", []string{host + "." + s.cfg.Domain}},
		{"ldapServiceName", []string{s.cfg.Domain + ":" + host + "$@" + strings.ToUpper(s.cfg.Domain)}},
		{"serverName", []string{server}},
		{"isSynchronized", []string{"TRUE"}},
		{"isGlobalCatalogReady", []string{"TRUE"}},
		{"domainFunctionality", []string{"7"}},
		{"forestFunctionality", []string{"7"}},
		{"domainControllerFunctionality", []string{"7"}},
	}
}
