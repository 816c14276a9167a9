package fakead

import (
	"slices"
	"strings"
)

// write runs an operation that changes the tree, or a compare. Either all of it
// happens or nothing.
func (c *conn) write(req *request, op Op) ([]message, error) {
	if !c.bound {
		return req.fail(resultOperationsError, textUnbound), nil
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &writer{viewer: s.viewer(c.account, req), encrypted: c.encrypted, keepDeleted: s.cfg.RecycleBin, req: req}
	run := map[Op]func(*berReader) error{
		OpAdd: w.add, OpModify: w.modify, OpModifyDN: w.modifyDN, OpDelete: w.remove, OpCompare: w.compare,
	}[op]
	if !w.admin && op != OpCompare {
		return req.fail(resultInsufficientAccessRights, "00002098: SecErr: DSID-031514B3, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n"), nil
	}
	switch err := run(&berReader{req.body}).(type) {
	case nil:
		return req.done(nil), nil
	case *result:
		return req.done(err), nil
	default:
		return req.fail(resultProtocolError, "00000057: LdapErr: DSID-0C0C00A1, comment: Error decoding ldap message, data 0, v4563"), nil
	}
}

// writer is one write with the rights of its account.
type writer struct {
	*viewer
	encrypted   bool
	keepDeleted bool
	req         *request
}

// target finds the object that a request names.
func (w *writer) target(r *berReader) (*entry, error) {
	text, err := r.text()
	if err != nil {
		return nil, err
	}
	return w.named(text)
}

func (w *writer) named(text string) (*entry, error) {
	e, failed := w.resolve(text)
	if failed != nil {
		return nil, failed
	}
	return e, nil
}

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

// add makes an object (RFC 4511 4.7).
func (w *writer) add(r *berReader) error {
	text, err := r.text()
	if err != nil {
		return err
	}
	list, err := r.want(tagSequence)
	if err != nil {
		return err
	}
	parent, name, err := w.newPlace(text)
	if err != nil {
		return err
	}
	d := &draft{}
	class := ""
	for attrs := (&berReader{list}); !attrs.empty(); {
		one, err := readValues(attrs)
		if err != nil {
			return err
		}
		if strings.EqualFold(one.name, "objectClass") {
			if class, err = structural(one.vals); err != nil {
				return err
			}
			continue
		}
		if err := w.draftAdd(d, name, one); err != nil {
			return err
		}
	}
	if err := checkClass(class, name); err != nil {
		return err
	}
	e := w.tree.create(parent, name, class)
	w.apply(e, d)
	w.tree.finish(e)
	return nil
}

// newPlace is where an object with this DN would hang.
func (w *writer) newPlace(text string) (*entry, rdn, error) {
	dn, err := parseDN(text)
	if err != nil || len(dn) < 2 {
		return nil, rdn{}, invalidDN()
	}
	name := dn[0]
	name.typ = strings.ToUpper(name.typ)
	parent, found := w.tree.find(dn[1:])
	if !found || !w.sees(parent) {
		return nil, rdn{}, noSuchObject(parent)
	}
	if parent.kids[name.key()] != nil {
		return nil, rdn{}, exists()
	}
	return parent, name, nil
}

func exists() *result {
	return failure(resultEntryAlreadyExists, "00002071: UpdErr: DSID-030503F3, problem 6005 (ENTRY_EXISTS), data 0\n")
}

// structural is the most specific of the classes named.
func structural(names []string) (string, error) {
	class, longest := "", 0
	for _, name := range names {
		def, known := classTable[fold(name)]
		if !known && !abstractClasses[fold(name)] {
			return "", failure(resultNoSuchAttribute, "0000200A: UpdErr: the schema has no such class, problem 6003 (NO_ATTRIBUTE_OR_VAL)\n")
		}
		if len(def.chain) > longest {
			class, longest = name, len(def.chain)
		}
	}
	return class, nil
}

func checkClass(class string, name rdn) error {
	if class == "" {
		return failure(resultObjectClassViolation, "00002014: UpdErr: DSID-031A0F4F, problem 6002 (OBJ_CLASS_VIOLATION), data 0\n")
	}
	if classTable[fold(class)].rdn != name.typ {
		return failure(resultNamingViolation, "00002099: NameErr: DSID-0305109C, problem 2005 (NAMING_VIOLATION), data 0\n")
	}
	return nil
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

func (w *writer) modify(r *berReader) error {
	e, err := w.target(r)
	if err != nil {
		return err
	}
	list, err := r.want(tagSequence)
	if err != nil {
		return err
	}
	if e.deleted {
		return w.reanimate(e, &berReader{list})
	}
	d := &draft{}
	for changes := (&berReader{list}); !changes.empty(); {
		kind, one, err := readChange(changes)
		if err != nil {
			return err
		}
		if err := w.draftChange(d, e, kind, one); err != nil {
			return err
		}
	}
	w.apply(e, d)
	w.settle(e)
	return nil
}

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

// settle keeps what follows from userAccountControl right.
func (w *writer) settle(e *entry) {
	t := w.tree
	if n := t.control(e); t.isA(e, "user") && n&(uacNormal|uacWorkstation|uacServer) == 0 {
		t.setControl(e, n|uacNormal)
	}
	t.retype(e)
	t.touch(e)
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

// modifyDN renames or moves (RFC 4511 4.9).
func (w *writer) modifyDN(r *berReader) error {
	e, err := w.target(r)
	if err != nil {
		return err
	}
	newRDN, err := r.text()
	if err != nil {
		return err
	}
	if _, err = r.boolean(); err != nil { // the old name always goes
		return err
	}
	parent := e.parent
	if !r.empty() {
		text, err := r.want(0x80)
		if err != nil {
			return err
		}
		if parent, err = w.named(string(text)); err != nil {
			return err
		}
	}
	return w.rename(e, parent, newRDN)
}

func (w *writer) rename(e, parent *entry, newRDN string) error {
	dn, err := parseDN(newRDN)
	switch {
	case err != nil || len(dn) != 1:
		return invalidDN()
	case !strings.EqualFold(dn[0].typ, e.rdn.typ):
		return failure(resultNamingViolation, "00002099: NameErr: DSID-0305109C, problem 2005 (NAMING_VIOLATION), data 0\n")
	case w.protected(e) || parent.under(e) || parent.root != e.root || parent.deleted:
		return unwilling()
	}
	if w.tree.move(e, parent, rdn{e.rdn.typ, dn[0].value}) != nil {
		return exists()
	}
	w.tree.touch(e)
	return nil
}

// protected tells what nobody may move or delete.
func (w *writer) protected(e *entry) bool {
	return e == e.root || e.deleted || e.first(w.tree.schema.attr("isCriticalSystemObject")) == "TRUE"
}

// remove deletes (RFC 4511 4.8), with the tree-delete control all below it too.
func (w *writer) remove(r *berReader) error {
	e, err := w.named(string(r.rest))
	if err != nil {
		return err
	}
	if w.protected(e) {
		return unwilling()
	}
	if len(e.kids) > 0 && w.req.control(controlTreeDelete) == nil {
		return failure(resultNotAllowedOnNonLeaf, "00002015: UpdErr: DSID-031A124C, problem 6003 (CANT_ON_NON_LEAF), data 0\n")
	}
	w.buryTree(e)
	return nil
}

func (w *writer) buryTree(e *entry) {
	kids := make([]*entry, 0, len(e.kids))
	for _, kid := range e.kids {
		kids = append(kids, kid)
	}
	slices.SortFunc(kids, func(a, b *entry) int { return a.seq - b.seq })
	for _, kid := range kids {
		w.buryTree(kid)
	}
	w.tree.bury(e, w.keepDeleted)
}

// reanimate brings a deleted object back: isDeleted is removed and
// distinguishedName replaced in one modify ([MS-ADTS] 3.1.1.5.3.7).
func (w *writer) reanimate(e *entry, changes *berReader) error {
	alive, place := false, ""
	for !changes.empty() {
		kind, one, err := readChange(changes)
		switch {
		case err != nil:
			return err
		case strings.EqualFold(one.name, "isDeleted") && kind != modifyAdd && len(one.vals) == 0:
			alive = true
		case strings.EqualFold(one.name, "distinguishedName") && kind == modifyReplace && len(one.vals) == 1:
			place = one.vals[0]
		default:
			return unwilling()
		}
	}
	if !alive || place == "" || w.tree.deleted == e {
		return unwilling()
	}
	parent, name, err := w.newPlace(place)
	if err != nil {
		return err
	}
	if failed := w.tree.unique(e, w.tree.types.sAMAccountName, e.first(w.tree.types.sAMAccountName)); failed != nil {
		return failed
	}
	w.tree.unbury(e, parent, name)
	return nil
}

// compare answers whether an attribute has a value (RFC 4511 4.10).
func (w *writer) compare(r *berReader) error {
	e, err := w.target(r)
	if err != nil {
		return err
	}
	body, err := r.want(tagSequence)
	if err != nil {
		return err
	}
	in := &berReader{body}
	f := &filter{op: filterEqual}
	if f.name, err = in.text(); err != nil {
		return err
	}
	if f.value, err = in.text(); err != nil {
		return err
	}
	w.tree.prepare(f)
	switch w.eval(f, e) {
	case isTrue:
		return failure(resultCompareTrue, "")
	case isFalse:
		return failure(resultCompareFalse, "")
	}
	return failure(resultNoSuchAttribute, "")
}
