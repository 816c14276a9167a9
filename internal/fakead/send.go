package fakead

import (
	"bufio"
	"io"
	"slices"
	"time"
)

// send writes the messages of an answer, with the faults that were ordered for
// it.
func (c *conn) send(req *request, answer []message) error {
	c.stream.SetWriteDeadline(time.Now().Add(messageTimeout))
	out := bufio.NewWriter(&faultyWriter{conn: c, req: req, out: c.stream})
	if f, ordered := req.fault(FaultNotice); ordered {
		answer = []message{{op: notice(f.Code)}}
	}
	cut, cuts := req.fault(FaultCutEntries)
	for i, m := range answer {
		if cuts && i == cut.After {
			break
		}
		if _, err := out.Write(req.envelope(m, i)); err != nil {
			return err
		}
		if _, huge := req.fault(FaultHugeLength); huge {
			break
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if cuts && cut.After < len(answer) {
		return errHangUp
	}
	return nil
}

// notice is what a server says to all who are connected before it ends (RFC 4511 4.4.1).
func notice(code int) []byte {
	w := &berWriter{}
	body := w.open(tagExtendedResponse)
	w.integer(tagEnumerated, code)
	w.text("")
	w.text("00000000: LdapErr: DSID-0C0900E8, comment: the server is going down, data 0, v4563")
	w.primitive(0x8a, "1.3.6.1.4.1.1466.20036")
	w.close(body)
	return w.buf
}

// nested is an entry in which each element is the only one of the one before.
func nested(levels int) []byte {
	w := &berWriter{}
	open := []int{w.open(tagSearchEntry)}
	for range levels - 1 {
		open = append(open, w.open(tagSequence))
	}
	for _, start := range slices.Backward(open) {
		w.close(start)
	}
	return w.buf
}

// envelope wraps one message (RFC 4511 4.1.1).
func (r *request) envelope(m message, n int) []byte {
	id := r.id
	if _, wrong := r.fault(FaultWrongID); wrong {
		id += 1_000_000
	}
	if _, unasked := r.fault(FaultNotice); unasked {
		id = 0
	}
	if f, ordered := r.fault(FaultDeep); ordered && n == 0 {
		m.op = nested(f.After)
	}
	w := &berWriter{buf: make([]byte, 0, len(m.op)+32)}
	body := w.open(tagSequence)
	w.integer(tagInteger, id)
	w.buf = append(w.buf, m.op...)
	if len(m.controls) > 0 {
		list := w.open(tagControls)
		for _, ctl := range m.controls {
			one := w.open(tagSequence)
			w.text(ctl.oid)
			w.primitive(tagOctetString, string(ctl.value))
			w.close(one)
		}
		w.close(list)
	}
	w.close(body)
	r.garble(w.buf, n)
	return w.buf
}

// garble breaks the encoding of the first message.
func (r *request) garble(msg []byte, n int) {
	if n > 0 {
		return
	}
	if _, ordered := r.fault(FaultMalformed); ordered {
		// 0xff is the one length byte that BER reserves. It follows the tag of
		// the operation, which follows the message ID.
		idSize := int(msg[7])
		msg[8+idSize+1] = 0xff
	}
	if _, ordered := r.fault(FaultHugeLength); ordered {
		copy(msg[1:], []byte{0x84, 0x7f, 0xff, 0xff, 0xff})
	}
}

// faultyWriter is the connection as a fault leaves it.
type faultyWriter struct {
	conn *conn
	req  *request
	out  io.Writer
	sent int
}

func (w *faultyWriter) Write(b []byte) (int, error) {
	if cut, ordered := w.req.fault(FaultCutBytes); ordered && w.sent+len(b) > cut.After {
		w.out.Write(b[:max(0, cut.After-w.sent)])
		return 0, errHangUp
	}
	w.sent += len(b)
	if drip, ordered := w.req.fault(FaultDrip); ordered {
		return w.drip(b, drip.Delay)
	}
	return w.out.Write(b)
}

func (w *faultyWriter) drip(b []byte, delay time.Duration) (int, error) {
	timer := time.NewTicker(max(delay, time.Microsecond))
	defer timer.Stop()
	for i := range b {
		select {
		case <-w.conn.server.closing:
			return i, errHangUp
		case <-timer.C:
		}
		w.conn.stream.SetWriteDeadline(time.Now().Add(messageTimeout))
		if _, err := w.out.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}
