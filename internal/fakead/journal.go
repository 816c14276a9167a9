package fakead

import (
	"slices"
	"sync"
)

// Op names an operation, in the log of requests and in a [Fault].
type Op string

const (
	OpConnect  Op = "connect" // in faults only: before the first byte
	OpBind     Op = "bind"
	OpSearch   Op = "search"
	OpAdd      Op = "add"
	OpModify   Op = "modify"
	OpModifyDN Op = "modifydn"
	OpDelete   Op = "delete"
	OpCompare  Op = "compare"
	OpStartTLS Op = "starttls"
	OpExtended Op = "extended"
)

var operations = map[byte]Op{
	tagBindRequest:     OpBind,
	tagSearchRequest:   OpSearch,
	tagModifyRequest:   OpModify,
	tagAddRequest:      OpAdd,
	tagDelRequest:      OpDelete,
	tagModifyDNRequest: OpModifyDN,
	tagCompareRequest:  OpCompare,
	tagExtendedRequest: OpExtended,
}

// Request is one operation as the server saw it.
type Request struct {
	Conn       int // the connection, counted from 1
	Op         Op
	DN         string // of the operation, or the search base
	Scope      int    // of a search: 0 base, 1 one level, 2 subtree
	Filter     string
	Attributes []string
	Controls   []string // OIDs
	Page       int      // which page of a search, from 1
	PageSize   int      // as asked for; 0 without paging
	Entries    int      // how many the answer held
	Code       int      // the result code; -1 without an answer
}

// journal remembers what was asked.
type journal struct {
	mu       sync.Mutex
	requests []Request
	binds    map[GUID]int
	before   func(Request)
}

func (j *journal) add(r Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requests = append(j.requests, r)
}

func (j *journal) countBind(id GUID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.binds == nil {
		j.binds = map[GUID]int{}
	}
	j.binds[id]++
}

func (j *journal) announce(r Request) {
	j.mu.Lock()
	before := j.before
	j.mu.Unlock()
	if before != nil {
		before(r)
	}
}

// Before calls f with each request before it is answered, so that a test can
// change the directory between two pages. It runs on the connection's goroutine
// and must not Close the server. Code and Entries are not known yet.
func (s *Server) Before(f func(Request)) {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.before = f
}

// Requests is the log of all operations so far, in order of their answers.
func (s *Server) Requests() []Request {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.requests)
}

// Count is how many operations of a kind the log holds. Each page is a search.
func (s *Server) Count(op Op) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Op == op {
			n++
		}
	}
	return n
}

// ForgetRequests empties the log.
func (s *Server) ForgetRequests() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.requests = nil
}

// BindAttempts is how often a password was tried for an account, right or
// wrong.
func (s *Server) BindAttempts(account GUID) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.binds[account]
}

// describe fills in the log, and parses a search for that.
func (c *conn) describe(req *request, op Op) {
	req.log = Request{Conn: c.number, Op: op, Code: -1}
	for _, ctl := range req.controls {
		req.log.Controls = append(req.log.Controls, ctl.oid)
	}
	r := &berReader{req.body}
	switch op {
	case OpSearch:
		c.server.mu.RLock()
		q, err := c.server.tree.parseQuery(req.body)
		c.server.mu.RUnlock()
		if err != nil {
			return
		}
		req.query = q
		req.page, req.log.PageSize = c.pageNumber(req)
		req.log.Page, req.log.DN, req.log.Scope = req.page, q.base, q.scope
		req.log.Filter, req.log.Attributes = q.filter.String(), q.attrs
	case OpBind:
		r.next() // the version
		req.log.DN, _ = r.text()
	case OpDelete:
		req.log.DN = string(req.body)
	case OpExtended, OpStartTLS:
	default:
		req.log.DN, _ = r.text()
	}
}
