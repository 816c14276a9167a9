package fakead

import (
	"strconv"
	"strings"
)

// schemaOIDs are the object identifiers of the attributes that tests ask for by
// them (RFC 4519, RFC 4524, [MS-ADA1] to [MS-ADA3]). The others get one below 2.999,
// the arc for examples.
var schemaOIDs = map[string]string{
	"objectClass":                "2.5.4.0",
	"cn":                         "2.5.4.3",
	"sn":                         "2.5.4.4",
	"description":                "2.5.4.13",
	"physicalDeliveryOfficeName": "2.5.4.19",
	"telephoneNumber":            "2.5.4.20",
	"member":                     "2.5.4.31",
	"givenName":                  "2.5.4.42",
	"uid":                        "0.9.2342.19200300.100.1.1",
	"mail":                       "0.9.2342.19200300.100.1.3",
	"mobile":                     "0.9.2342.19200300.100.1.41",
	"displayName":                "1.2.840.113556.1.2.13",
	"memberOf":                   "1.2.840.113556.1.2.102",
	"proxyAddresses":             "1.2.840.113556.1.2.210",
	"objectGUID":                 "1.2.840.113556.1.4.2",
	"userAccountControl":         "1.2.840.113556.1.4.8",
	"objectSid":                  "1.2.840.113556.1.4.146",
	"sAMAccountName":             "1.2.840.113556.1.4.221",
	"userPrincipalName":          "1.2.840.113556.1.4.656",
	"mS-DS-ConsistencyGuid":      "1.2.840.113556.1.4.1360",
}

// oid is that of attribute number n of the schema.
func (t *attrType) oid(n int) string {
	if oid, ok := schemaOIDs[t.name]; ok {
		return oid
	}
	return "2.999." + strconv.Itoa(n+1)
}

// describe is the attribute as a subschema lists it (RFC 4512, 4.1.2; a domain
// controller leaves the matching rules out).
func (t *attrType) describe(n int) string {
	single := " SINGLE-VALUE"
	if t.multi {
		single = ""
	}
	return "( " + t.oid(n) + " NAME '" + t.name + "' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15'" + single + " )"
}

// subschemaDN is the object that lists the attributes ([MS-ADTS] 3.1.1.3.1.1.1).
func (s *Server) subschemaDN() string { return "CN=Aggregate,CN=Schema,CN=Configuration," + s.baseDN }

// subschema answers a search for that object alone, which is no other object's
// child here. Every account may read it.
func (c *conn) subschema(req *request) []message {
	if f, ordered := req.fault(FaultResult); ordered {
		return req.fail(f.Code, f.Text)
	}
	if _, hidden := req.fault(FaultHide); hidden {
		return req.done(nil)
	}
	list := &attrType{name: "attributeTypes"}
	values := make([]string, len(schemaTable))
	for i := range schemaTable {
		values[i] = schemaTable[i].describe(i)
	}
	w := &berWriter{}
	body := w.open(tagSearchEntry)
	w.text(c.server.subschemaDN())
	attributes := w.open(tagSequence)
	for _, name := range req.query.attrs {
		base, option, _ := strings.Cut(name, ";")
		p := pick{attr: list, last: -1}
		if strings.EqualFold(base, list.name) && (option == "" || p.parseRange(option)) {
			writeAttr(w, p, listOf(values), c.server.cfg.MaxValRange, req.query.typesOnly)
		}
	}
	w.close(attributes)
	w.close(body)
	req.log.Entries = 1
	return append([]message{{op: w.buf}}, req.done(nil)...)
}
