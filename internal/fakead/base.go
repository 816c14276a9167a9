package fakead

import "strings"

// resolve finds the search base as this viewer may know it. A base that it does not
// see comes with the refusal that it deserves where nothing is found below it.
func (v *viewer) resolve(text string) (*entry, *result) {
	base, matched, failed := v.tree.baseOf(text)
	switch {
	case failed != nil:
		return nil, failed
	case base != nil && v.sees(base):
		return base, nil
	case base != nil && !base.gone:
		matched = base.parent.real()
	}
	for matched != nil && !v.sees(matched) {
		matched = matched.parent.real()
	}
	return base, noSuchObject(matched)
}

func noSuchObject(matched *entry) *result {
	res := failure(resultNoSuchObject, "0000208D: NameErr: DSID-0310028C, problem 2001 (NO_OBJECT), data 0, best match of:\n\t''\n")
	if matched != nil {
		res.matched = matched.dn()
		res.text = strings.Replace(res.text, "''", "'"+res.matched+"'", 1)
	}
	return res
}

// baseOf reads a DN, or one of the other forms of [MS-ADTS] 3.1.1.3.1.2.4.
// Without a base, matched is the deepest object on the way.
func (t *tree) baseOf(text string) (base, matched *entry, failed *result) {
	if isSpecialDN(text) {
		base, ok := t.special(text)
		if !ok {
			return nil, nil, invalidDN()
		}
		return base, nil, nil
	}
	dn, err := parseDN(text)
	if text == "" {
		return nil, nil, noSuchObject(nil)
	}
	if err != nil {
		return nil, nil, invalidDN()
	}
	at, found := t.find(dn)
	if found {
		return at, nil, nil
	}
	if at == nil {
		res := failure(resultReferral, "0000202B: RefErr: DSID-03100781, data 0, 1 access points\n\tref 1: 'elsewhere'\n")
		res.referral = "ldap://elsewhere/" + text
		return nil, nil, res
	}
	return nil, at, nil
}

func invalidDN() *result {
	return failure(resultInvalidDNSyntax, "0000208F: NameErr: DSID-03100233, problem 2006 (BAD_NAME), data 8349, best match of:\n\t''\n")
}

// wellKnownGUIDs are the containers that clients find without their names
// ([MS-ADTS] 6.1.1.4).
var wellKnownGUIDs = map[string]string{
	"A9D1CA15768811D1ADED00C04FD8D5CD": "CN=Users",
	"AA312825768811D1ADED00C04FD8D5CD": "CN=Computers",
	"A361B2FFFFD211D1AA4B00C04FD7D83A": "OU=Domain Controllers",
	"18E2EA80684F11D2B9AA00C04F79F805": "CN=Deleted Objects",
}

// isSpecialDN tells <GUID=…> and its like from a name.
func isSpecialDN(text string) bool { return strings.HasPrefix(text, "<") }

// special finds what such a form stands for. ok is false when it is none.
func (t *tree) special(text string) (base *entry, ok bool) {
	kind, value, _ := strings.Cut(strings.Trim(text, "<>"), "=")
	switch strings.ToUpper(kind) {
	case "GUID":
		id, err := parseGUID(value)
		return t.byGUID(id), err == nil
	case "SID":
		sid, err := parseSID(value)
		return t.bySID(sid), err == nil
	case "WKGUID":
		id, dn, found := strings.Cut(value, ",")
		name := wellKnownGUIDs[strings.ToUpper(id)]
		if !found || name == "" {
			return nil, false
		}
		return t.lookup(name + "," + dn), true
	}
	return nil, false
}

// named finds an object by its DN or by one of the other forms.
func (t *tree) named(text string) *entry {
	if isSpecialDN(text) {
		e, _ := t.special(text)
		return e
	}
	return t.lookup(text)
}
