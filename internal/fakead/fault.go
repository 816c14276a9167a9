package fakead

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// FaultKind names one way to misbehave.
type FaultKind string

const (
	// FaultCut ends the connection instead of answering. At OpConnect it ends
	// before the TLS handshake; with Page set, before that page.
	FaultCut FaultKind = "cut"
	// FaultCutBytes ends the connection after the first After bytes of the
	// answer, counted before encryption.
	FaultCutBytes FaultKind = "cut-bytes"
	// FaultCutEntries ends the connection after the first After messages of the
	// answer, which in a search are entries.
	FaultCutEntries FaultKind = "cut-entries"
	// FaultSilence never answers, and keeps the connection. At OpConnect there
	// is not even a TLS handshake.
	FaultSilence FaultKind = "silence"
	// FaultDrip sends the answer one byte at a time, Delay apart.
	FaultDrip FaultKind = "drip"
	// FaultResult gives Code and Text instead of success; in a search after the
	// first After entries of the page. Code 10 carries a referral.
	FaultResult FaultKind = "result"
	// FaultNoPagingControl leaves the paging control out of the response.
	FaultNoPagingControl FaultKind = "no-paging-control"
	// FaultCookieRefused treats a good cookie as one that was never given.
	FaultCookieRefused FaultKind = "cookie-refused"
	// FaultRepeatPage sends the page before once more instead of this one, and
	// goes on from there: nothing is lost, much comes twice.
	FaultRepeatPage FaultKind = "repeat-page"
	// FaultRepeatEntry sends entry number After of the page twice.
	FaultRepeatEntry FaultKind = "repeat-entry"
	// FaultEmptyPage sends a page without entries and with a cookie. It is
	// legal, and a domain controller does it.
	FaultEmptyPage FaultKind = "empty-page"
	// FaultWrongID answers with a message ID that nobody asked with.
	FaultWrongID FaultKind = "wrong-id"
	// FaultMalformed breaks the encoding inside the first message of the answer.
	FaultMalformed FaultKind = "malformed"
	// FaultHugeLength announces a message of two gigabytes, sends a little of
	// it, and then nothing.
	FaultHugeLength FaultKind = "huge-length"
	// FaultNotice sends, instead of an answer, the notice that the connection is about to
	// end, for the reason Code, and keeps the connection all the same.
	FaultNotice FaultKind = "notice"
	// FaultResultOctets makes Text the bytes of the result code, which may be none.
	FaultResultOctets FaultKind = "result-octets"
	// FaultDeep makes the first message of the answer one of After elements, each in
	// the one before.
	FaultDeep FaultKind = "deep"
	// FaultHide leaves entries out of searches that succeed: those in Objects,
	// or all when Objects is nil. It is what lost rights look like.
	FaultHide FaultKind = "hide"
	// FaultSkipPage goes past the entries of this page without sending them, and
	// says success.
	FaultSkipPage FaultKind = "skip-page"
	// FaultWithhold leaves Attributes out of the entries in Objects, or of all
	// when Objects is nil. It is what rights lost midway look like.
	FaultWithhold FaultKind = "withhold"
	// FaultRange sends Attributes with a range in their names, as those with very
	// many values are sent.
	FaultRange FaultKind = "range"
	// FaultNoControl does as if the server had never heard of the control whose
	// OID is Text. At the rootDSE it is not listed.
	FaultNoControl FaultKind = "no-control"
	// FaultStartTLSRefused answers StartTLS with unavailable (52).
	FaultStartTLSRefused FaultKind = "starttls-refused"
	// FaultStartTLSBroken accepts StartTLS and breaks off in the handshake.
	FaultStartTLSBroken FaultKind = "starttls-broken"
)

// Fault is one ordered misbehaviour: what, and when. The zero value of each
// condition matches always.
type Fault struct {
	Kind  FaultKind
	Op    Op     // at this operation only
	Page  int    // at this page of a search only, from 1
	Match string // only where the DN, or base and filter, contain this
	Times int    // strike so often, then no more; 0: without end

	After      int           // see the kind
	Delay      time.Duration // for FaultDrip
	Code       int           // for FaultResult and FaultNotice
	Text       string        // for FaultResult, FaultNoControl and FaultResultOctets
	Objects    []GUID        // for FaultHide and FaultWithhold
	Attributes []string      // for FaultWithhold and FaultRange
}

// Order adds a fault. The returned function takes it back.
func (s *Server) Order(f Fault) (cancel func()) {
	return s.orders.add(f)
}

// Struck is how often faults have struck so far. A test that orders one wants
// it to be more than 0.
func (s *Server) Struck() int {
	s.orders.mu.Lock()
	defer s.orders.mu.Unlock()
	return s.orders.struck
}

// ClearFaults takes all faults back.
func (s *Server) ClearFaults() { s.orders.clear() }

// orders are the faults that wait for their moment.
type orders struct {
	mu     sync.Mutex
	list   []*order
	struck int // by all of them, those taken back included
}

type order struct {
	Fault
	struck int
}

// event is the moment at which a fault may strike.
type event struct {
	op   Op
	page int
	text string
}

func (o *orders) add(f Fault) (cancel func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	one := &order{Fault: f}
	o.list = append(o.list, one)
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.list = slices.DeleteFunc(o.list, func(x *order) bool { return x == one })
	}
}

func (o *orders) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = nil
}

// take returns the faults that strike now, and counts them.
func (o *orders) take(ev event) []Fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []Fault
	for _, one := range o.list {
		if one.strikes(ev) {
			one.struck++
			o.struck++
			out = append(out, one.Fault)
		}
	}
	return out
}

func (o *order) strikes(ev event) bool {
	// Without an operation named, a fault waits for a request.
	atOp := o.Op == ev.op || o.Op == "" && ev.op != OpConnect
	atPage := o.Page == 0 || ev.op == OpSearch && o.Page == ev.page
	return atOp && atPage && (o.Times == 0 || o.struck < o.Times) &&
		strings.Contains(strings.ToLower(ev.text), strings.ToLower(o.Match))
}

func (r *request) fault(kind FaultKind) (Fault, bool) {
	for _, f := range r.faults {
		if f.Kind == kind {
			return f, true
		}
	}
	return Fault{}, false
}

// hidden tells which entries this search does not find.
func (r *request) hidden() func(*entry) bool {
	var objects []GUID
	for _, f := range r.faults {
		if f.Kind == FaultHide && f.Objects == nil {
			return func(*entry) bool { return true }
		}
		if f.Kind == FaultHide {
			objects = append(objects, f.Objects...)
		}
	}
	return func(e *entry) bool { return slices.Contains(objects, e.id) }
}

// spoil changes what of an entry is sent.
func (r *request) spoil(sel *selection, types *schema) {
	for _, f := range r.faults {
		attributes := map[*attrType]bool{}
		for _, name := range f.Attributes {
			attributes[types.attr(name)] = true
		}
		switch f.Kind {
		case FaultWithhold:
			sel.withhold = append(sel.withhold, func(e *entry, a *attrType) bool {
				return attributes[a] && (f.Objects == nil || slices.Contains(f.Objects, e.id))
			})
		case FaultRange:
			for i := range sel.picked {
				sel.picked[i].ranged = sel.picked[i].ranged || attributes[sel.picked[i].attr]
			}
		}
	}
}

// withholds reports whether an attribute of the rootDSE is not sent.
func (r *request) withholds(attribute string) bool {
	return slices.ContainsFunc(r.faults, func(f Fault) bool {
		return f.Kind == FaultWithhold && f.Objects == nil && slices.ContainsFunc(f.Attributes, func(a string) bool { return strings.EqualFold(a, attribute) })
	})
}

// forget drops the controls that the server is to know nothing of.
func (r *request) forget() {
	for _, f := range r.faults {
		if f.Kind == FaultNoControl {
			r.unknown = append(r.unknown, f.Text)
		}
	}
}
