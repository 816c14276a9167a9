package fakead

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// The controls that the server has.
const (
	controlPaging       = "1.2.840.113556.1.4.319"
	controlShowDeleted  = "1.2.840.113556.1.4.417"
	controlExtendedDN   = "1.2.840.113556.1.4.529"
	controlTreeDelete   = "1.2.840.113556.1.4.805"
	controlDomainScope  = "1.2.840.113556.1.4.1339"
	controlPermissive   = "1.2.840.113556.1.4.1413"
	controlShowRecycled = "1.2.840.113556.1.4.2064"
)

var supportedControls = []string{
	controlPaging, controlShowDeleted, controlExtendedDN, controlTreeDelete, controlDomainScope,
	controlPermissive, controlShowRecycled,
}

const (
	scopeBase = 0
	scopeOne  = 1
	scopeSub  = 2
)

// query is a search request (RFC 4511 4.5.1).
type query struct {
	base      string
	scope     int
	sizeLimit int
	typesOnly bool
	filter    *filter
	attrs     []string
}

func (t *tree) parseQuery(body []byte) (*query, error) {
	r := &berReader{body}
	q := &query{}
	var err error
	if q.base, err = r.text(); err != nil {
		return nil, err
	}
	if q.scope, err = r.integer(tagEnumerated); err != nil || q.scope < scopeBase || q.scope > scopeSub {
		return nil, errBER
	}
	if _, err = r.want(tagEnumerated); err != nil { // aliases do not exist here
		return nil, err
	}
	if q.sizeLimit, err = r.integer(tagInteger); err != nil {
		return nil, err
	}
	if _, err = r.want(tagInteger); err != nil { // no search takes long enough for a time limit
		return nil, err
	}
	if q.typesOnly, err = r.boolean(); err != nil {
		return nil, err
	}
	if q.filter, err = t.parseFilter(r, 0); err != nil {
		return nil, err
	}
	list, err := r.want(tagSequence)
	if err != nil {
		return nil, err
	}
	for attrs := (&berReader{list}); !attrs.empty(); {
		name, err := attrs.text()
		if err != nil {
			return nil, err
		}
		q.attrs = append(q.attrs, name)
	}
	return q, nil
}

const textUnbound = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563"

// search answers a search request. Everything is read under one lock, a page at
// a time; what happens to an entry between two pages shows, as it does on a
// domain controller.
func (c *conn) search(req *request) ([]message, error) {
	q := req.query
	switch {
	case q == nil:
		return req.fail(resultProtocolError, "00000057: LdapErr: DSID-0C0C00A1, comment: Error decoding ldap message, data 0, v4563"), nil
	case q.base == "" && q.scope == scopeBase:
		return c.rootDSE(req), nil
	case !c.bound:
		return req.fail(resultOperationsError, textUnbound), nil
	case q.scope == scopeBase && strings.EqualFold(q.base, c.server.subschemaDN()):
		return c.subschema(req), nil
	}
	s := c.server
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := s.viewer(c.who, req)
	base, invisible := v.resolve(q.base)
	if base == nil {
		return req.done(invisible), nil
	}
	cur, paged, failed := c.cursorFor(req, v, base)
	if failed != nil {
		return req.done(failed), nil
	}
	cur.nothing = invisible
	form, failed := req.dnForm()
	if failed != nil {
		return req.done(failed), nil
	}
	return c.page(req, v, cur, paged, form), nil
}

// page collects, encodes and closes one answer.
func (c *conn) page(req *request, v *viewer, cur *cursor, paged *paging, form dnForm) []message {
	limit, exceeds := c.limit(req.query, paged)
	found, more := v.collect(req, cur, limit)
	sel := v.selection(req.query.attrs, c.server.cfg.MaxValRange, form)
	req.spoil(&sel, v.tree.schema)
	if failed := v.unanswerable(cur, sel, found); failed != nil {
		return req.done(failed)
	}
	answer := make([]message, 0, len(found)+4)
	for _, e := range found {
		answer = append(answer, message{op: v.encode(e, sel, req.query.typesOnly)})
	}
	if f, ordered := req.fault(FaultRepeatEntry); ordered && f.After < len(answer) {
		answer = slices.Insert(answer, f.After, answer[f.After])
	}
	if f, ordered := req.fault(FaultResult); ordered {
		answer = answer[:min(f.After, len(answer))]
		req.log.Entries = len(answer)
		res := failure(f.Code, f.Text)
		res.referral = c.scheme() + cmp.Or(c.server.cfg.ReferralHost, "elsewhere.example.test") + "/" + c.server.baseDN
		return append(answer, req.done(res)...)
	}
	req.log.Entries = len(answer)
	res := &result{}
	if more && exceeds {
		res = failure(resultSizeLimitExceeded, "")
		more = false
	}
	if !more {
		answer = append(answer, c.references(req, cur)...)
	}
	done := message{op: req.encodeResult(res, "", "")}
	if paged != nil {
		done.controls = c.pagingResponse(req, cur, more)
	}
	return append(answer, done)
}

// unanswerable is why a search has no answer although it could be read: a base
// that this viewer does not see, with nothing below it either; the groups of more
// than one account at once; and a scan without an index in which an in-chain rule
// broke off. With an index such a scan only ends early, and says
// success, as on Samba.
func (v *viewer) unanswerable(cur *cursor, sel selection, found []*entry) *result {
	switch asked := slices.ContainsFunc(sel.picked, func(p pick) bool { return p.attr == v.tree.types.tokenGroups }); {
	case asked && cur.query.scope != scopeBase && len(found) > 0:
		return failure(resultOperationsError, "00002020: tokenGroups needs a search of scope base\n")
	case cur.nothing != nil && cur.pages == 0 && len(found) == 0:
		return cur.nothing
	case v.broken && !cur.indexed:
		return failure(resultOperationsError, "00002020: Indexed and full searches both failed!\n")
	}
	return nil
}

// limit is how many entries this answer may hold, and whether more of them are
// an error.
func (c *conn) limit(q *query, paged *paging) (limit int, exceeds bool) {
	limit, exceeds = c.server.cfg.MaxPageSize, true
	if paged != nil {
		limit, exceeds = min(limit, paged.size), false
	}
	if q.sizeLimit > 0 && q.sizeLimit < limit {
		limit, exceeds = q.sizeLimit, true
	}
	return limit, exceeds
}

// collect walks on from where the last page ended. It looks one match ahead, so
// that the last page knows that it is the last.
func (v *viewer) collect(req *request, cur *cursor, limit int) (found []*entry, more bool) {
	if _, empty := req.fault(FaultEmptyPage); empty {
		return nil, true
	}
	if _, again := req.fault(FaultRepeatPage); again {
		cur.pos = cur.before
	}
	cur.before = cur.pos
	hidden := req.hidden()
	_, skip := req.fault(FaultSkipPage)
	for ; cur.pos < len(cur.candidates); cur.pos++ {
		e := cur.candidates[cur.pos]
		if !cur.inScope(e) || !v.sees(e) || hidden(e) {
			continue
		}
		matches := v.eval(cur.query.filter, e) == isTrue
		if v.broken {
			cur.pos = len(cur.candidates)
			break
		}
		if !matches {
			continue
		}
		if len(found) == limit {
			more = true
			break
		}
		found = append(found, e)
	}
	if skip {
		return nil, more
	}
	return found, more
}

// references are the other partitions below a search base, which this server
// does not search along (RFC 4511 4.5.3).
func (c *conn) references(req *request, cur *cursor) []message {
	t := c.server.tree
	if cur.base != t.domain || cur.query.scope == scopeBase || req.control(controlDomainScope) != nil {
		return nil
	}
	suffix := ""
	if cur.query.scope == scopeOne {
		suffix = "??base"
	}
	var out []message
	for _, partition := range []struct{ host, dn string }{
		{"ForestDnsZones.", "DC=ForestDnsZones,"},
		{"DomainDnsZones.", "DC=DomainDnsZones,"},
		{"", "CN=Configuration,"},
	} {
		w := &berWriter{}
		body := w.open(tagSearchReference)
		w.text(c.scheme() + partition.host + c.server.cfg.Domain + "/" + partition.dn + c.server.baseDN + suffix)
		w.close(body)
		out = append(out, message{op: w.buf})
	}
	return out
}

func (c *conn) scheme() string {
	if c.encrypted {
		return "ldaps://"
	}
	return "ldap://"
}

// selection is which attributes an answer carries.
type selection struct {
	all    bool
	picked []pick
	max    int // values of one attribute; negative: any number
	form   dnForm

	withhold []func(*entry, *attrType) bool // any of them
}

func (s *selection) withheld(e *entry, a *attrType) bool {
	return slices.ContainsFunc(s.withhold, func(withheld func(*entry, *attrType) bool) bool { return withheld(e, a) })
}

// pick is one attribute, and for a range option where it begins and ends.
type pick struct {
	attr        *attrType
	ranged      bool
	first, last int // last -1: as far as the server goes
}

func (v *viewer) selection(names []string, maxValues int, form dnForm) selection {
	sel := selection{all: len(names) == 0, max: maxValues, form: form}
	for _, name := range names {
		base, option, _ := strings.Cut(name, ";")
		if base == "*" {
			sel.all = true
			continue
		}
		p := pick{attr: v.tree.schema.attr(base), last: -1}
		if p.attr == nil || slices.ContainsFunc(sel.picked, func(have pick) bool { return have.attr == p.attr }) {
			continue
		}
		if option != "" && !p.parseRange(option) {
			continue
		}
		sel.picked = append(sel.picked, p)
	}
	return sel
}

// parseRange reads range=0-1499 or range=1500-* ([MS-ADTS] 3.1.1.3.1.3.3).
func (p *pick) parseRange(option string) bool {
	kind, bounds, _ := strings.Cut(option, "=")
	low, high, found := strings.Cut(bounds, "-")
	if !found || !strings.EqualFold(kind, "range") {
		return false
	}
	var err error
	if p.first, err = strconv.Atoi(low); err != nil || p.first < 0 {
		return false
	}
	if high != "*" {
		if p.last, err = strconv.Atoi(high); err != nil || p.last < p.first {
			return false
		}
	}
	p.ranged = true
	return true
}

// encode writes a search result entry, attribute names in the schema's
// spelling.
func (v *viewer) encode(e *entry, sel selection, typesOnly bool) []byte {
	w := &berWriter{buf: make([]byte, 0, 512)}
	body := w.open(tagSearchEntry)
	w.text(v.tree.spell(e, sel.form))
	list := w.open(tagSequence)
	picked := sel.picked
	if sel.all {
		picked = v.everything(e, picked)
	}
	for _, p := range picked {
		if v.reads(e, p.attr) && !sel.withheld(e, p.attr) {
			writeAttr(w, p, v.valueList(e, p.attr, sel.form), sel.max, typesOnly)
		}
	}
	w.close(list)
	w.close(body)
	return w.buf
}

// valueList is an attribute's values as the answer has them, of which a range may need
// but a few: a name is spelled when it is asked for.
type valueList struct {
	length int
	at     func(i int) string
}

func (v *viewer) valueList(e *entry, a *attrType, form dnForm) valueList {
	if objects, names := v.tree.objects(e, a); names {
		return valueList{len(objects), func(i int) string { return v.tree.spell(objects[i], form) }}
	}
	return listOf(v.tree.values(e, a))
}

func listOf(vals []string) valueList {
	return valueList{len(vals), func(i int) string { return vals[i] }}
}

// everything is what * stands for, after what was asked for by name.
func (v *viewer) everything(e *entry, picked []pick) []pick {
	all := slices.Clone(picked)
	add := func(a *attrType) {
		if !slices.ContainsFunc(picked, func(p pick) bool { return p.attr == a }) {
			all = append(all, pick{attr: a, last: -1})
		}
	}
	for _, a := range e.attrs {
		add(a.t)
	}
	for _, l := range e.links {
		add(l.t)
	}
	for _, a := range v.tree.schema.backLinks {
		add(a)
	}
	add(v.tree.types.dn)
	return all
}

// writeAttr writes nothing for an attribute without values. One with too many
// comes in a range, which its name tells, and next to it the attribute as it was
// asked for, without values: that is how Windows answers. A negative maximum is no
// limit, as Samba has none.
func writeAttr(w *berWriter, p pick, vals valueList, maxValues int, typesOnly bool) {
	switch all := vals.length; {
	case all == 0:
	case p.ranged:
		writeRange(w, p, vals, maxValues, typesOnly)
	case maxValues >= 0 && all > maxValues:
		writeSet(w, p.attr.name, vals, 0, 0)
		writeRange(w, p, vals, maxValues, typesOnly)
	case typesOnly:
		writeSet(w, p.attr.name, vals, 0, 0)
	default:
		writeSet(w, p.attr.name, vals, 0, all)
	}
}

func writeRange(w *berWriter, p pick, vals valueList, maxValues int, typesOnly bool) {
	first, end := min(p.first, vals.length), vals.length
	if maxValues >= 0 {
		end = min(end, first+maxValues)
	}
	if p.last >= 0 {
		end = min(end, p.last+1)
	}
	upTo := "*"
	if end < vals.length {
		upTo = strconv.Itoa(end - 1)
	}
	if typesOnly {
		end = first
	}
	writeSet(w, p.attr.name+";range="+strconv.Itoa(p.first)+"-"+upTo, vals, first, end)
}

// writeSet writes the values from first to before end.
func writeSet(w *berWriter, name string, vals valueList, first, end int) {
	one := w.open(tagSequence)
	w.text(name)
	set := w.open(tagSet)
	for i := first; i < end; i++ {
		w.text(vals.at(i))
	}
	w.close(set)
	w.close(one)
}
