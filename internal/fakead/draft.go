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
	attrs    []attr
	password *string
}

// current is an attribute as the draft would leave it.
func (d *draft) current(t *tree, e *entry, a *attrType) []string {
	for _, have := range d.attrs {
		if have.t == a {
			return have.vals
		}
	}
	if e == nil {
		return nil
	}
	return t.values(e, a)
}

func (d *draft) put(a *attrType, vals []string) {
	d.attrs = slices.DeleteFunc(d.attrs, func(have attr) bool { return have.t == a })
	d.attrs = append(d.attrs, attr{a, vals})
}

// apply writes the draft.
func (w *writer) apply(e *entry, d *draft) {
	t := w.tree
	for _, a := range d.attrs {
		t.assign(e, a.t, a.vals)
	}
	if d.password != nil {
		t.setPassword(e, *d.password)
	}
	if e.first(t.schema.attr("lockoutTime")) == "0" {
		e.failures = 0
	}
}

// draftAdd takes one attribute of an add.
func (w *writer) draftAdd(d *draft, name rdn, one values) error {
	a, err := w.writable(one.name)
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
	case a == w.tree.types.unicodePwd:
		return w.draftPassword(d, one.vals)
	}
	return w.draftValues(d, nil, a, one.vals)
}

// writable is the attribute, with an error when clients may not write it.
func (w *writer) writable(name string) (*attrType, error) {
	a := w.tree.schema.attr(name)
	if a == nil {
		return nil, failure(resultNoSuchAttribute, "00000057: LdapErr: DSID-0C0910DF, comment: Error in attribute conversion operation, data 0, v4563")
	}
	if a.server {
		return a, failure(resultConstraintViolation, "0000202F: AtrErr: DSID-03153431, #1:\n\t0: problem 1005 (CONSTRAINT_ATT_TYPE), data 0\n")
	}
	return a, nil
}

// draftValues checks the values an attribute is to have.
func (w *writer) draftValues(d *draft, e *entry, a *attrType, vals []string) error {
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
		if a.syntax == syntaxLink && w.tree.lookup(v) == nil {
			return noSuchObject(nil)
		}
	}
	if a == w.tree.types.sAMAccountName || a == w.tree.types.upn {
		for _, v := range vals {
			if failed := w.tree.unique(e, a, v); failed != nil {
				return failed
			}
		}
	}
	d.put(a, vals)
	return nil
}

func (w *writer) draftPassword(d *draft, vals []string) error {
	if !w.encrypted || len(vals) != 1 {
		return unwilling()
	}
	password, ok := decodePassword(vals[0])
	if !ok {
		return unwilling()
	}
	d.password = &password
	return nil
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

func (w *writer) draftChange(d *draft, e *entry, kind int, one values) error {
	a, err := w.writable(one.name)
	switch {
	case err != nil:
		return err
	case strings.EqualFold(a.name, e.rdn.typ):
		return failure(resultNotAllowedOnRDN, "000020B1: UpdErr: DSID-031A1202, problem 6004 (CANT_ON_RDN), data 0\n")
	case a == w.tree.types.objectClass || a == w.tree.types.objectSid:
		return unwilling()
	case a == w.tree.types.unicodePwd:
		return w.changePassword(d, e, kind, one.vals)
	}
	have := d.current(w.tree, e, a)
	switch kind {
	case modifyAdd:
		have, err = w.plus(a, have, one.vals)
	case modifyDelete:
		have, err = w.minus(a, have, one.vals)
	case modifyReplace:
		have = one.vals
	default:
		return unwilling()
	}
	if err != nil {
		return err
	}
	return w.draftValues(d, e, a, have)
}

// changePassword takes a replace, which is a reset, or a delete of the old
// password and an add of the new one.
func (w *writer) changePassword(d *draft, e *entry, kind int, vals []string) error {
	if kind != modifyDelete {
		return w.draftPassword(d, vals)
	}
	old := &draft{}
	if err := w.draftPassword(old, vals); err != nil {
		return err
	}
	if *old.password != e.password {
		return failure(resultConstraintViolation, "00000056: AtrErr: DSID-03191083, #1:\n\t0: problem 1005 (CONSTRAINT_ATT_TYPE), data 0\n")
	}
	return nil
}

// permissive turns a change without effect into a success.
func (w *writer) permissive() bool { return w.req.control(controlPermissive) != nil }

func (w *writer) plus(a *attrType, have, vals []string) ([]string, error) {
	out := slices.Clone(have)
	for _, v := range vals {
		switch there := slices.ContainsFunc(out, func(x string) bool { return a.key(x) == a.key(v) }); {
		case there && w.permissive():
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

func (w *writer) minus(a *attrType, have, vals []string) ([]string, error) {
	missing := failure(resultNoSuchAttribute, "00002085: AtrErr: DSID-03151813, #1:\n\t0: problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0\n")
	if len(vals) == 0 {
		if len(have) == 0 && !w.permissive() {
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
		case w.permissive():
		case a.syntax == syntaxLink:
			return nil, unwilling()
		default:
			return nil, missing
		}
	}
	return out, nil
}
