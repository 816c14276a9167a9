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
	w := &writer{viewer: s.viewer(c.who, req), encrypted: c.encrypted, keepDeleted: s.cfg.RecycleBin, req: req}
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
	d := w.draft(nil)
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
		if err := d.add(name, one); err != nil {
			return err
		}
	}
	if err := checkClass(class, name); err != nil {
		return err
	}
	e := w.tree.create(parent, name, class)
	d.apply(e)
	w.tree.finish(e)
	return nil
}

// draft is an empty one of a change of the entry; nil for an add.
func (w *writer) draft(e *entry) *draft {
	return &draft{tree: w.tree, entry: e, encrypted: w.encrypted, permissive: w.req.control(controlPermissive) != nil}
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
	d := w.draft(e)
	for changes := (&berReader{list}); !changes.empty(); {
		kind, one, err := readChange(changes)
		if err != nil {
			return err
		}
		if err := d.change(kind, one); err != nil {
			return err
		}
	}
	d.apply(e)
	w.settle(e)
	return nil
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
