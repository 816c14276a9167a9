package fakead

import (
	"errors"
	"net"
	"sync/atomic"
)

// Local is a connection without a network, for tests of which a million are to be run.
// What it finds is what a search over LDAP finds: it runs the same code, and only the
// message's envelope and the transport are left out. It ends like any other connection
// when the controller stops or is put back.
type Local struct {
	conn *conn
	raw  *nowhere
}

// nowhere is where a Local's connection leads to.
type nowhere struct {
	net.Conn
	closed atomic.Bool
}

func (n *nowhere) Close() error { n.closed.Store(true); return nil }

var errStopped = errors.New("fakead: the controller is down")

// Local connects and binds. It is for one goroutine at a time.
func (s *Server) Local(name, password string) (*Local, error) {
	raw := &nowhere{}
	c := &conn{server: s, raw: raw, encrypted: true}
	s.connMu.Lock()
	if s.ended || s.stopped {
		s.connMu.Unlock()
		return nil, errStopped
	}
	s.opened++
	c.number = s.opened
	s.conns[c] = struct{}{}
	s.connMu.Unlock()
	if refused := c.simpleBind(name, password); refused != nil {
		s.forget(c)
		return nil, refused
	}
	return &Local{c, raw}, nil
}

// Close ends the connection.
func (l *Local) Close() error {
	l.conn.server.forget(l.conn)
	return nil
}

// Closed reports whether either side has ended the connection.
func (l *Local) Closed() bool { return l.raw.closed.Load() }

// LocalQuery is a search. The filter is encoded as RFC 4511 has it.
type LocalQuery struct {
	Base       string
	Scope      int // as in RFC 4511
	Filter     []byte
	Attributes []string
	Controls   []LocalControl // apart from that of paging
}

// LocalControl is a control that is not critical.
type LocalControl struct {
	OID   string
	Value []byte
}

// LocalEntry is an object that was found.
type LocalEntry struct {
	DN         string
	Attributes []LocalAttribute
}

// LocalAttribute has at least one value, unless a range of them stands next to it.
type LocalAttribute struct {
	Name   string
	Values []string
}

// Search finds all that match at once. Any result but success is an error, of type
// *LocalError unless the connection has ended.
func (l *Local) Search(q LocalQuery) ([]LocalEntry, error) {
	c := l.conn
	req := &request{id: 1, tag: tagSearchRequest, page: 1, query: &query{base: q.Base, scope: q.Scope, attrs: q.Attributes}}
	for _, ctl := range q.Controls {
		req.controls = append(req.controls, control{oid: ctl.OID, value: ctl.Value})
	}
	c.server.mu.RLock()
	var err error
	req.query.filter, err = c.server.tree.parseFilter(&berReader{q.Filter}, 0)
	c.server.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	req.log = Request{Conn: c.number, Op: OpSearch, DN: q.Base, Scope: q.Scope, Attributes: q.Attributes, Page: 1, Code: -1}
	c.server.journal.announce(req.log)
	if l.Closed() {
		return nil, net.ErrClosed
	}
	answer, err := c.search(req)
	if err != nil {
		return nil, err
	}
	return readAnswer(answer)
}

// LocalError is the result of a search that failed.
type LocalError struct{ Code int }

func (e *LocalError) Error() string { return "fakead: a search failed" }

func readAnswer(answer []message) (entries []LocalEntry, err error) {
	entries = make([]LocalEntry, 0, len(answer))
	for _, m := range answer {
		tag, body, err := (&berReader{m.op}).next()
		if err != nil {
			return nil, err
		}
		in := &berReader{body}
		switch tag {
		case tagSearchEntry:
			e, err := readEntry(in)
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
		case tagSearchDone:
			code, err := in.integer(tagEnumerated)
			if err != nil {
				return nil, err
			}
			if code != resultSuccess {
				return nil, &LocalError{code}
			}
		}
	}
	return entries, nil
}

func readEntry(in *berReader) (e LocalEntry, err error) {
	if e.DN, err = in.text(); err != nil {
		return e, err
	}
	list, err := in.want(tagSequence)
	if err != nil {
		return e, err
	}
	for attributes := (&berReader{list}); !attributes.empty(); {
		one, err := attributes.want(tagSequence)
		if err != nil {
			return e, err
		}
		in := &berReader{one}
		name, err := in.text()
		if err != nil {
			return e, err
		}
		set, err := in.want(tagSet)
		if err != nil {
			return e, err
		}
		a := LocalAttribute{Name: name}
		for values := (&berReader{set}); !values.empty(); {
			value, err := values.text()
			if err != nil {
				return e, err
			}
			a.Values = append(a.Values, value)
		}
		e.Attributes = append(e.Attributes, a)
	}
	return e, nil
}
