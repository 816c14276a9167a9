package fakead

import (
	"bufio"
	"io"
	"time"
)

// send writes the messages of an answer, with the faults that were ordered for
// it.
func (c *conn) send(req *request, answer []message) error {
	c.stream.SetWriteDeadline(time.Now().Add(messageTimeout))
	out := bufio.NewWriter(&faultyWriter{conn: c, req: req, out: c.stream})
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

// envelope wraps one message (RFC 4511 4.1.1).
func (r *request) envelope(m message, n int) []byte {
	id := r.id
	if _, wrong := r.fault(FaultWrongID); wrong {
		id += 1_000_000
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
