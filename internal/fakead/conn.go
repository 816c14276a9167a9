package fakead

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

const (
	// maxMessage is what a domain controller receives at most
	// (MaxReceiveBuffer).
	maxMessage = 10 << 20
	// messageTimeout bounds how long a client may take over one message, a
	// handshake, or reading an answer.
	messageTimeout = time.Minute
)

// conn serves one client, one request after the other.
type conn struct {
	server    *Server
	number    int
	raw       net.Conn // what Close closes
	stream    net.Conn // raw, or TLS over it
	in        *bufio.Reader
	encrypted bool
	bound     bool
	who       *identity // nil: anonymous

	certificates []*x509.Certificate // the client's, proven by the handshake

	cursors cursors
}

func newConn(s *Server, raw net.Conn, number int) *conn {
	c := &conn{server: s, raw: raw, number: number}
	c.use(raw)
	return c
}

func (c *conn) use(stream net.Conn) {
	c.stream = stream
	c.in = bufio.NewReader(stream)
}

// request is one message from the client.
type request struct {
	id       int
	tag      byte
	body     []byte
	controls []control
	query    *query // of a search that could be read
	page     int    // of a search, from 1; 0: its cookie is unknown
	faults   []Fault
	unknown  []string // OIDs of controls that a fault makes the server not know
	log      Request
}

type control struct {
	oid      string
	critical bool
	value    []byte
}

// message is one answer: an encoded operation, and response controls.
type message struct {
	op       []byte
	controls []control
}

// errHangUp ends the connection without another word.
var errHangUp = errors.New("fakead: connection ended")

func (c *conn) serve(encrypted bool) {
	if c.stalled() {
		return
	}
	if encrypted && c.startTLS() != nil {
		return
	}
	for {
		req, err := c.read()
		if err != nil || req.tag == tagUnbindRequest {
			return
		}
		if c.handle(req) != nil {
			return
		}
	}
}

// stalled applies the faults that strike before the first byte.
func (c *conn) stalled() bool {
	for _, f := range c.server.orders.take(event{op: OpConnect}) {
		switch f.Kind {
		case FaultCut:
			return true
		case FaultSilence:
			io.Copy(io.Discard, c.raw)
			return true
		}
	}
	return false
}

func (c *conn) startTLS() error {
	c.raw.SetDeadline(time.Now().Add(messageTimeout))
	secure := tls.Server(c.raw, &tls.Config{
		Certificates: []tls.Certificate{c.server.domain.pki.server},
		MinVersion:   tls.VersionTLS12,
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    c.server.domain.pki.authorities,
	})
	if err := secure.Handshake(); err != nil {
		return err
	}
	c.certificates = secure.ConnectionState().PeerCertificates
	c.raw.SetDeadline(time.Time{})
	c.encrypted = true
	c.use(secure)
	return nil
}

// read returns the next request. It believes no length beyond maxMessage, and
// allocates only as the bytes arrive.
func (c *conn) read() (*request, error) {
	c.stream.SetReadDeadline(time.Now().Add(c.server.cfg.IdleTimeout))
	tag, err := c.in.ReadByte()
	if err != nil || tag != tagSequence {
		return nil, errHangUp
	}
	c.stream.SetReadDeadline(time.Now().Add(messageTimeout))
	head, err := c.in.Peek(1)
	if err != nil {
		return nil, err
	}
	need := 1
	if head[0] >= 0x80 {
		need += min(int(head[0]&0x7f), 4)
	}
	if head, err = c.in.Peek(need); err != nil {
		return nil, err
	}
	size, used, err := berLength(head)
	if err != nil || size > maxMessage {
		return nil, errHangUp
	}
	c.in.Discard(used)
	body, err := io.ReadAll(io.LimitReader(c.in, int64(size)))
	if err != nil || len(body) < size {
		return nil, errHangUp
	}
	return parseRequest(body)
}

// parseRequest reads the envelope (RFC 4511 4.1.1).
func parseRequest(body []byte) (*request, error) {
	r := &berReader{body}
	req := &request{}
	var err error
	if req.id, err = r.integer(tagInteger); err != nil || req.id <= 0 {
		return nil, errBER
	}
	if req.tag, req.body, err = r.next(); err != nil {
		return nil, errBER
	}
	if r.empty() {
		return req, nil
	}
	list, err := r.want(tagControls)
	if err != nil {
		return nil, errBER
	}
	for controls := (&berReader{list}); !controls.empty(); {
		one, err := controls.want(tagSequence)
		if err != nil {
			return nil, errBER
		}
		parsed, err := parseControl(one)
		if err != nil {
			return nil, errBER
		}
		req.controls = append(req.controls, parsed)
	}
	return req, nil
}

func parseControl(body []byte) (control, error) {
	r := &berReader{body}
	oid, err := r.text()
	if err != nil {
		return control{}, err
	}
	c := control{oid: oid}
	for !r.empty() {
		tag, value, err := r.next()
		switch {
		case err != nil:
			return control{}, err
		case tag == tagBoolean && len(value) == 1:
			c.critical = value[0] != 0
		case tag == tagOctetString:
			c.value = value
		}
	}
	return c, nil
}

func (r *request) control(oid string) *control {
	for i := range r.controls {
		if r.controls[i].oid == oid && r.knows(oid) {
			return &r.controls[i]
		}
	}
	return nil
}

// handle answers one request. Its error ends the connection.
func (c *conn) handle(req *request) error {
	op, known := req.op()
	if !known {
		if req.tag == tagAbandonRequest {
			return nil
		}
		return errHangUp
	}
	c.describe(req, op)
	c.server.journal.announce(req.log)
	req.faults = c.server.orders.take(event{op: op, page: req.page, text: req.log.DN + " " + req.log.Filter})
	req.forget()
	answer, err := c.answer(req, op)
	if err != nil {
		return err
	}
	c.server.journal.add(req.log)
	if answer == nil {
		return nil
	}
	if err := c.send(req, answer); err != nil {
		return err
	}
	if op == OpStartTLS && req.log.Code == resultSuccess {
		return c.upgrade(req)
	}
	return nil
}

// op names the operation. StartTLS is an extended request of its own kind.
func (r *request) op() (op Op, known bool) {
	op, known = operations[r.tag]
	if op != OpExtended {
		return op, known
	}
	oid, err := (&berReader{r.body}).want(0x80)
	if err == nil && string(oid) == oidStartTLS {
		return OpStartTLS, true
	}
	return op, known
}

// answer is nil when the request stays without one.
func (c *conn) answer(req *request, op Op) ([]message, error) {
	if _, silent := req.fault(FaultSilence); silent {
		return nil, nil
	}
	if _, cut := req.fault(FaultCut); cut {
		return nil, errHangUp
	}
	if bad := c.unknownControl(req); bad {
		if !c.server.cfg.RefuseUnknownControls {
			return nil, nil
		}
		return req.fail(resultUnavailableCriticalExtension, "00002040: SvcErr: DSID-031401F1, problem 5010 (UNAVAIL_EXTENSION), data 0\n"), nil
	}
	if f, ordered := req.fault(FaultResult); ordered && op != OpSearch {
		return req.fail(f.Code, f.Text), nil
	}
	switch op {
	case OpBind:
		return c.bind(req)
	case OpSearch:
		return c.search(req)
	case OpStartTLS, OpExtended:
		return c.extended(req)
	}
	return c.write(req, op)
}

// unknownControl tells whether a critical control is one that the server does
// not have.
func (c *conn) unknownControl(req *request) bool {
	for _, ctl := range req.controls {
		if ctl.critical && !req.knows(ctl.oid) {
			return true
		}
	}
	return false
}

// knows tells whether the server has the control.
func (r *request) knows(oid string) bool {
	return slices.Contains(supportedControls, oid) && !slices.Contains(r.unknown, oid)
}

func (c *conn) upgrade(req *request) error {
	if _, broken := req.fault(FaultStartTLSBroken); broken {
		// Enough of a record to be believed, and nothing after it.
		c.raw.Write([]byte{0x16, 0x03, 0x03, 0x01, 0x00, 0x02})
		return errHangUp
	}
	if c.in.Buffered() > 0 {
		return errHangUp // what was sent in the clear must not count as encrypted
	}
	c.bound, c.who = false, nil
	return c.startTLS()
}
