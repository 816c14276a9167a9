package fakead

import (
	"slices"
	"strings"
)

// values are the values that one attribute is given in a request.
type values struct {
	name string
	vals []string
}

// readValues reads a PartialAttribute (RFC 4511 4.1.7).
func readValues(r *berReader) (values, error) {
	body, err := r.want(tagSequence)
	if err != nil {
		return values{}, err
	}
	in := &berReader{body}
	name, err := in.text()
	if err != nil {
		return values{}, err
	}
	set, err := in.want(tagSet)
	if err != nil {
		return values{}, err
	}
	out := values{name: name}
	for list := (&berReader{set}); !list.empty(); {
		v, err := list.text()
		if err != nil {
			return values{}, err
		}
		out.vals = append(out.vals, v)
	}
	return out, nil
}

// draft collects what an add or modify wants, so that nothing is written
// before all of it was checked.
type draft struct {
	tree       *tree
	entry      *entry // nil: one that is to be added
	encrypted  bool   // the connection, without which no password is taken
	permissive bool   // a change without effect is a success
	attrs      []attr
	password   *string
}

// current is an attribute as the draft would leave it.
func (d *draft) current(a *attrType) []string {
	for _, have := range d.attrs {
		if have.t == a {
			return have.vals
		}
	}
	if d.entry == nil {
		return nil
	}
	return d.tree.values(d.entry, a)
}

func (d *draft) put(a *attrType, vals []string) {
	d.attrs = slices.DeleteFunc(d.attrs, func(have attr) bool { return have.t == a })
	d.attrs = append(d.attrs, attr{a, vals})
}

// apply writes the draft.
func (d *draft) apply(e *entry) {
	t := d.tree
	for _, a := range d.attrs {
		if a.t == t.types.primaryGroupID && t.setPrimaryGroup(e, a.vals[0]) == nil {
			continue
		}
		t.assign(e, a.t, a.vals)
	}
	if d.password != nil {
		t.setPassword(e, *d.password)
	}
	if e.first(t.schema.attr("lockoutTime")) == "0" {
		e.failures = 0
	}
}

// add takes one attribute of an add.
func (d *draft) add(name rdn, one values) error {
	a, err := d.writable(one.name)
	switch {
	case err != nil && a != nil:
		return unwilling() // on an add, not a constraint violation
	case err != nil:
		return err
	case len(one.vals) == 0:
		return invalidSyntax()
	case strings.EqualFold(a.name, name.typ):
		if !slices.ContainsFunc(one.vals, func(v string) bool { return fold(v) == fold(name.value) }) {
			return invalidDN()
		}
		return nil
	case a == d.tree.types.unicodePwd:
		return d.setPassword(one.vals)
	}
	return d.setValues(a, one.vals)
}

// writable is the attribute, with an error when clients may not write it.
func (d *draft) writable(name string) (*attrType, error) {
	a := d.tree.schema.attr(name)
	if a == nil {
		return nil, failure(resultNoSuchAttribute, "00000057: LdapErr: DSID-0C0910DF, comment: Error in attribute conversion operation, data 0, v4563")
	}
	if a.server {
		return a, failure(resultConstraintViolation, "0000202F: AtrErr: DSID-03153431, #1:\n\t0: problem 1005 (CONSTRAINT_ATT_TYPE), data 0\n")
	}
	return a, nil
}

// setValues checks the values that an attribute is to have.
func (d *draft) setValues(a *attrType, vals []string) error {
	if len(vals) > 1 && !a.multi {
		return failure(resultConstraintViolation, "00002081: AtrErr: DSID-03151D4A, #1:\n\t0: problem 1005 (CONSTRAINT_ATT_TYPE), data 0\n")
	}
	for _, v := range vals {
		if v == "" || !a.fits(v) {
			return invalidSyntax()
		}
		if a.max > 0 && len([]rune(v)) > a.max {
			return failure(resultConstraintViolation, "00002082: AtrErr: DSID-03151761, #1:\n\t0: problem 1005 (CONSTRAINT_ATT_TYPE), data 0\n")
		}
		if a.syntax == syntaxLink && d.tree.named(v) == nil {
			return noSuchObject(nil)
		}
	}
	if a == d.tree.types.primaryGroupID && d.entry != nil && !d.tree.mayBePrimary(d.entry, vals) {
		return unwilling()
	}
	if a == d.tree.types.sAMAccountName || a == d.tree.types.upn {
		for _, v := range vals {
			if failed := d.tree.unique(d.entry, a, v); failed != nil {
				return failed
			}
		}
	}
	d.put(a, vals)
	return nil
}

func (d *draft) setPassword(vals []string) error {
	if !d.encrypted || len(vals) != 1 {
		return unwilling()
	}
	password, ok := decodePassword(vals[0])
	if !ok {
		return unwilling()
	}
	d.password = &password
	return nil
}

// addForeign adds what stands for the accounts of other domains that are named as <SID=…>, as
// a domain controller does when one becomes a member.
func (t *tree) addForeign(vals []string) {
	principals := t.lookup("CN=ForeignSecurityPrincipals," + t.domain.dn())
	for _, v := range vals {
		text, named := strings.CutPrefix(strings.TrimSuffix(v, ">"), "<SID=")
		sid, err := parseSID(text)
		own := t.accountSID(0)
		if !named || err != nil || strings.HasPrefix(sid, own[:len(own)-4]) || t.bySID(sid) != nil || principals == nil {
			continue
		}
		t.set(t.create(principals, rdn{"CN", sidText(sid)}, "foreignSecurityPrincipal"), t.types.objectSid, sid)
	}
}

// plainDNs spells <GUID=…> and its like as the names that they stand for.
func (t *tree) plainDNs(vals []string) []string {
	out := slices.Clone(vals)
	for i, v := range out {
		if e := t.named(v); e != nil {
			out[i] = e.dn()
		}
	}
	return out
}

func unwilling() *result {
	return failure(resultUnwillingToPerform, "00002035: SvcErr: DSID-031A1254, problem 5003 (WILL_NOT_PERFORM), data 0\n")
}

func invalidSyntax() *result {
	return failure(resultInvalidAttributeSyntax, "0000200B: AtrErr: DSID-03151EEB, #1:\n\t0: problem 1002 (INVALID_ATT_SYNTAX), data 0\n")
}

// The kinds of change in a modify (RFC 4511 4.6).
const (
	modifyAdd     = 0
	modifyDelete  = 1
	modifyReplace = 2
)

func readChange(r *berReader) (kind int, one values, err error) {
	body, err := r.want(tagSequence)
	if err != nil {
		return 0, values{}, err
	}
	in := &berReader{body}
	if kind, err = in.integer(tagEnumerated); err != nil {
		return 0, values{}, err
	}
	one, err = readValues(in)
	return kind, one, err
}

// change takes one change of a modify.
func (d *draft) change(kind int, one values) error {
	a, err := d.writable(one.name)
	switch {
	case err != nil:
		return err
	case strings.EqualFold(a.name, d.entry.rdn.typ):
		return failure(resultNotAllowedOnRDN, "000020B1: UpdErr: DSID-031A1202, problem 6004 (CANT_ON_RDN), data 0\n")
	case a == d.tree.types.objectClass || a == d.tree.types.objectSid:
		return unwilling()
	case a == d.tree.types.unicodePwd:
		return d.changePassword(kind, one.vals)
	}
	have := d.current(a)
	if a.syntax == syntaxLink {
		if kind == modifyAdd {
			d.tree.addForeign(one.vals)
		}
		one.vals = d.tree.plainDNs(one.vals)
	}
	switch kind {
	case modifyAdd:
		have, err = d.plus(a, have, one.vals)
	case modifyDelete:
		have, err = d.minus(a, have, one.vals)
	case modifyReplace:
		have = one.vals
	default:
		return unwilling()
	}
	if err != nil {
		return err
	}
	return d.setValues(a, have)
}

// changePassword takes a replace, which is a reset, or a delete of the old
// password and an add of the new one.
func (d *draft) changePassword(kind int, vals []string) error {
	if kind != modifyDelete {
		return d.setPassword(vals)
	}
	old := &draft{encrypted: d.encrypted}
	if err := old.setPassword(vals); err != nil {
		return err
	}
	if *old.password != d.entry.password {
		return failure(resultConstraintViolation, "00000056: AtrErr: DSID-03191083, #1:\n\t0: problem 1005 (CONSTRAINT_ATT_TYPE), data 0\n")
	}
	return nil
}

func (d *draft) plus(a *attrType, have, vals []string) ([]string, error) {
	out := slices.Clone(have)
	for _, v := range vals {
		switch there := slices.ContainsFunc(out, func(x string) bool { return a.key(x) == a.key(v) }); {
		case there && d.permissive:
		case there && a.syntax == syntaxLink:
			return nil, exists()
		case there, len(out) > 0 && !a.multi:
			return nil, failure(resultAttributeOrValueExists, "00002083: AtrErr: DSID-03151830, #1:\n\t0: problem 1006 (ATT_OR_VALUE_EXISTS), data 0\n")
		default:
			out = append(out, v)
		}
	}
	return out, nil
}

func (d *draft) minus(a *attrType, have, vals []string) ([]string, error) {
	missing := failure(resultNoSuchAttribute, "00002085: AtrErr: DSID-03151813, #1:\n\t0: problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0\n")
	if len(vals) == 0 {
		if len(have) == 0 && !d.permissive {
			return nil, missing
		}
		return nil, nil
	}
	out := slices.Clone(have)
	for _, v := range vals {
		i := slices.IndexFunc(out, func(x string) bool { return a.key(x) == a.key(v) })
		switch {
		case i >= 0:
			out = slices.Delete(out, i, i+1)
		case d.permissive:
		case a.syntax == syntaxLink:
			return nil, unwilling()
		default:
			return nil, missing
		}
	}
	return out, nil
}
