package ldapread

import (
	"sync"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"
)

// sieve takes the entries of our own searches out of what a server sends, before
// go-ldap makes some four hundred allocations of each, and lets every other byte
// pass in its order: go-ldap keeps binding, results, controls and referrals.
//
// An entry belongs to a search if it bears its message ID. That ID is read from
// the request on its way out, rather than counted along: a host's way of binding
// uses as many IDs as it likes. If the request is not recognised, all of its
// entries pass, and are read all the same, by go-ldap.
type sieve struct {
	harvest atomic.Pointer[harvest] // of the search that is running

	renewed atomic.Bool // a request has begun
	wide    atomic.Bool // a message may be longer than others

	// Only the reader touches these.
	inspector inspector
	buffer    []byte
	unread    []byte // the part of buffer that was read and not passed on
	pass      int    // bytes of the message at hand that are still to pass
	err       error  // why there is no more to read
}

// sieveBuffer is a few pages of the kernel's; a longer entry gets a buffer of its
// own.
const sieveBuffer = 64 << 10

// harvest gathers the accounts that one search brings, or the entries as go-ldap would
// read them.
type harvest struct {
	id      atomic.Uint32 // 0 until the request is sent
	decoder entryDecoder
	whole   bool // entries are wanted, not accounts

	// The mutex guards the rest, in case a server goes on after it said that it was
	// done.
	mu       sync.Mutex
	over     bool
	accounts []Account
	entries  []*ldap.Entry
	values   int   // of entries
	err      error // of an entry that cannot be used; no later one is read
}

// start makes the next search that is sent ours. The accounts go into room, as far
// as that goes.
func (s *sieve) start(cfg *Config, room []Account) *harvest {
	return s.begin(cfg, &harvest{decoder: entryDecoder{cfg: cfg}, accounts: room[:0]})
}

// startEntries is start for what is no account.
func (s *sieve) startEntries(cfg *Config) *harvest {
	return s.begin(cfg, &harvest{whole: true})
}

func (s *sieve) begin(cfg *Config, h *harvest) *harvest {
	if !cfg.Plain {
		s.harvest.Store(h)
	}
	return h
}

// finish ends the harvest and returns it. All that came before the end of the
// search is there once go-ldap has seen that end, since it passes later.
func (s *sieve) finish(h *harvest) ([]Account, error) {
	s.harvest.CompareAndSwap(h, nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	return h.accounts, h.err
}

// sent is called with each message that go-ldap writes, which it does whole.
func (s *sieve) sent(message []byte) {
	h := s.harvest.Load()
	if h == nil || h.id.Load() != 0 {
		return
	}
	body, _, ok := berElement(message, tagSequence)
	if !ok {
		return
	}
	if id, op, ok := messageID(body); ok && len(op) > 0 && op[0] == tagSearchRequest {
		h.id.Store(id)
	}
}

// read is Read without our entries.
func (s *sieve) read(p []byte, more func([]byte) (int, error)) (int, error) {
	for s.pass == 0 {
		if err := s.judge(more); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.unread[:s.pass])
	s.unread = s.unread[n:]
	s.pass -= n
	return n, nil
}

// judge looks at the next message: it takes an entry of ours, or lets it pass whole if
// go-ldap can decode it without harm.
func (s *sieve) judge(more func([]byte) (int, error)) error {
	header, length, err := s.header(more)
	if err != nil {
		return err
	}
	const enough = 6 + 4 + 1 // a MessageID, however its length is written, and the tag after it
	if err := s.fill(header+min(length, enough), more); err != nil {
		return err
	}
	_, op, ok := messageID(s.unread[header:min(len(s.unread), header+length)])
	if !ok || len(op) == 0 || !isAnswer(op[0]) {
		return errFrame
	}
	if op[0] != tagSearchEntry && header+length > maxOther {
		return errOther
	}
	if err := s.fill(header+length, more); err != nil {
		return err
	}
	message := s.unread[:header+length]
	id, op, _ := messageID(message[header:])
	if h := s.harvest.Load(); h != nil && h.answers(id) {
		switch op[0] {
		case tagSearchEntry:
			if h.take(op) {
				s.unread = s.unread[len(message):]
				return nil
			}
		case tagReference, tagIntermediate:
		default: // the end of the search, or what go-ldap may take for it
			s.finish(h)
		}
	}
	if s.renewed.Swap(false) {
		s.inspector.elements = 0
	}
	if err := s.inspector.inspect(id, op); err != nil {
		return err
	}
	s.pass = len(message)
	return nil
}

// header reads the sizes of the next message.
func (s *sieve) header(more func([]byte) (int, error)) (header, length int, err error) {
	for n := 1; ; n++ {
		if err := s.fill(n, more); err != nil {
			return 0, 0, err
		}
		length, complete, err := messageLength(s.unread, s.most())
		if err != nil {
			return 0, 0, err
		}
		if complete {
			return headerLength(s.unread), length, nil
		}
	}
}

// most is how long a message may be.
func (s *sieve) most() int64 {
	if s.wide.Load() {
		return maxWide
	}
	return maxMessage
}

// headerLength is that of a header which is complete.
func headerLength(header []byte) int {
	if header[1] < 0x80 {
		return 2
	}
	return 2 + int(header[1]-0x80)
}

// fill reads until n bytes are unread.
func (s *sieve) fill(n int, more func([]byte) (int, error)) error {
	if len(s.unread) >= n {
		return nil
	}
	size := max(n, sieveBuffer)
	if len(s.buffer) != size {
		s.buffer = append(make([]byte, 0, size), s.unread...)[:size]
	} else {
		copy(s.buffer, s.unread)
	}
	s.unread = s.buffer[:len(s.unread)]
	for len(s.unread) < n {
		if s.err != nil {
			return s.err
		}
		var got int
		got, s.err = more(s.buffer[len(s.unread):])
		s.unread = s.buffer[:len(s.unread)+got]
	}
	return nil
}

// answers reports a message that answers our search.
func (h *harvest) answers(id uint32) bool { return id != 0 && id == h.id.Load() }

// take reads an entry, unless it is for go-ldap to judge.
func (h *harvest) take(op []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || h.err != nil {
		return h.err != nil
	}
	if h.whole {
		return h.takeEntry(op)
	}
	var a Account
	readable, err := h.decoder.decode(op, &a)
	if !readable {
		return false
	}
	if err != nil {
		h.err = err
		return true
	}
	h.accounts = append(h.accounts, a)
	return true
}

// takeEntry leaves to go-ldap, and to the bounds on what that may decode, whatever comes
// after so many values.
func (h *harvest) takeEntry(op []byte) bool {
	e, values, ok := wireEntry(op)
	if h.values += values; !ok || h.values > maxElements {
		return false
	}
	h.entries = append(h.entries, e)
	return true
}
