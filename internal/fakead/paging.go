package fakead

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// paging is a paged results control (RFC 2696).
type paging struct {
	size   int
	cookie string
}

func (r *request) paging() (*paging, *result) {
	ctl := r.control(controlPaging)
	if ctl == nil {
		return nil, nil
	}
	outer := &berReader{ctl.value}
	body, err := outer.want(tagSequence)
	if err != nil {
		return nil, badControl()
	}
	in := &berReader{body}
	size, err := in.integer(tagInteger)
	if err != nil || size < 0 {
		return nil, badControl()
	}
	cookie, err := in.text()
	if err != nil {
		return nil, badControl()
	}
	return &paging{size: size, cookie: cookie}, nil
}

func badControl() *result {
	return failure(resultUnavailableCriticalExtension, "00000057: LdapErr: DSID-0C090A9D, comment: Error processing control, data 0, v4563")
}

// cursor is a search that goes on over several pages. Its candidates are a
// snapshot of who existed when it began; each page looks at them again.
type cursor struct {
	query      *query
	request    string // the request and its other controls, to the byte
	base       *entry
	candidates []*entry
	nothing    *result // the answer if nothing is found: the base is not to be seen
	indexed    bool    // an index narrowed them down
	pos        int
	before     int // where the last page began
	pages      int // sent so far
}

func (c *cursor) inScope(e *entry) bool {
	if e.root != c.base.root {
		return false
	}
	switch c.query.scope {
	case scopeBase:
		return e == c.base
	case scopeOne:
		return e.parent == c.base
	}
	return e.under(c.base)
}

// cursors are the paged searches that one connection has open, oldest first.
type cursors struct {
	next uint64
	open []heldCursor
}

type heldCursor struct {
	cookie string
	cursor *cursor
}

// find does not remove: a cookie can be used once only because each page gives
// a new one.
func (cs *cursors) find(cookie string) *cursor {
	for _, held := range cs.open {
		if held.cookie == cookie {
			return held.cursor
		}
	}
	return nil
}

func (cs *cursors) drop(cur *cursor) {
	cs.open = slices.DeleteFunc(cs.open, func(held heldCursor) bool { return held.cursor == cur })
}

// keep gives the cursor a fresh cookie. Beyond the limit the oldest search is
// forgotten without a word.
func (cs *cursors) keep(cur *cursor, limit int) string {
	cs.drop(cur)
	cs.next++
	cookie := string(binary.BigEndian.AppendUint64([]byte("page"), cs.next))
	cs.open = append(cs.open, heldCursor{cookie, cur})
	if len(cs.open) > limit {
		cs.open = slices.Delete(cs.open, 0, 1)
	}
	return cookie
}

// cursorFor goes on with an open search, or begins one. paged is nil without a
// paging control.
func (c *conn) cursorFor(req *request, v *viewer, base *entry) (*cursor, *paging, *result) {
	paged, failed := req.paging()
	if failed != nil {
		return nil, nil, failed
	}
	if paged == nil || paged.cookie == "" {
		return v.begin(req, base), paged, nil
	}
	cur := c.cursors.find(paged.cookie)
	_, refused := req.fault(FaultCookieRefused)
	switch {
	case cur == nil || refused:
		return nil, nil, badControl()
	case cur.request != req.fingerprint():
		return nil, nil, failure(resultUnwillingToPerform, "00002040: SvcErr: DSID-031401F8, problem 5003 (WILL_NOT_PERFORM), data 0\n")
	}
	return cur, paged, nil
}

// begin snapshots who may match: by an index where one helps, in order of
// creation.
func (v *viewer) begin(req *request, base *entry) *cursor {
	cur := &cursor{query: req.query, request: req.fingerprint(), base: base}
	if req.query.scope == scopeBase {
		cur.candidates = []*entry{base}
		return cur
	}
	hits, ok := v.tree.candidates(req.query.filter)
	cur.indexed = v.tree.narrows(req.query.filter)
	if !ok {
		hits = v.tree.all
	} else {
		hits = slices.Clone(hits)
		slices.SortFunc(hits, func(a, b *entry) int { return a.seq - b.seq })
	}
	cur.candidates = hits
	return cur
}

// fingerprint is all of a request that must stay the same from page to page.
func (r *request) fingerprint() string {
	var b strings.Builder
	b.Write(r.body)
	for _, ctl := range r.controls {
		if ctl.oid != controlPaging {
			b.WriteString("\x00" + ctl.oid + "\x00")
			b.Write(ctl.value)
		}
	}
	return b.String()
}

// pagingResponse closes the page: with a cookie while there is more.
func (c *conn) pagingResponse(req *request, cur *cursor, more bool) []control {
	cookie := ""
	cur.pages++
	if more {
		cookie = c.cursors.keep(cur, c.server.cfg.MaxCookies)
	} else {
		c.cursors.drop(cur)
	}
	if _, missing := req.fault(FaultNoPagingControl); missing {
		return nil
	}
	w := &berWriter{}
	body := w.open(tagSequence)
	w.integer(tagInteger, 0)
	w.text(cookie)
	w.close(body)
	return []control{{oid: controlPaging, value: w.buf}}
}

// pageNumber tells which page a search asks for, from 1; 0 for an unknown
// cookie. A search without paging is its own first page.
func (c *conn) pageNumber(req *request) (page, size int) {
	paged, _ := req.paging()
	if paged == nil {
		return 1, 0
	}
	size = min(paged.size, math.MaxInt32)
	if paged.cookie == "" {
		return 1, size
	}
	if cur := c.cursors.find(paged.cookie); cur != nil {
		return cur.pages + 1, size
	}
	return 0, size
}
